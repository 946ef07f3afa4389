//! What only operators do. RESP has no command for it, so there it is done as by the library.

use jangteo::limits::UNITS_MAX;
use jangteo::{Engine, Refusal};
use serde_json::json;

use super::face::{instant, items};
use super::operation::Operation;
use super::outcome::{Outcome, stock};
use crate::clients::http;
use crate::shop::Shop;

pub(super) fn by_library(engine: &Engine, operation: &Operation) -> Result<Outcome, Refusal> {
    let sale = |drop: &str| engine.sale(drop).ok_or(Refusal::UnknownDrop);
    let pending = match *operation {
        Operation::Turn { drop, verb: "pause" } => sale(drop)?.pause()?,
        Operation::Turn { drop, verb: "resume" } => sale(drop)?.resume()?,
        Operation::Turn { drop, .. } => sale(drop)?.close()?,
        Operation::SetStock { total, .. } if total > UNITS_MAX => {
            return Err(Refusal::Malformed("total"));
        }
        Operation::SetStock { was: Some(was), .. } if was > UNITS_MAX => {
            return Err(Refusal::Malformed("was"));
        }
        Operation::SetStock { drop, sku, total, was } => sale(drop)?.set_stock(sku, total, was)?,
        ref other => unreachable!("{other:?}"),
    };
    let view = pending.wait().unwrap();
    let drops =
        vec![(view.id.clone(), view.phase.name().to_owned(), view.sold_out, view.opens_at.as_ms())];
    Ok(Outcome { stock: stock(&view), drops, ..Outcome::default() })
}

/// By somebody who may do everything.
pub(super) fn over_http(shop: &Shop, operation: &Operation) -> Outcome {
    let (line, body) = match operation {
        Operation::Turn { drop, verb } => (format!("POST /v1/drops/{drop}/{verb}"), String::new()),
        Operation::SetStock { drop, sku, total, was } => {
            let body = json!({"sku": sku, "total": total, "was": was});
            (format!("POST /v1/drops/{drop}/stock"), body.to_string())
        }
        other => unreachable!("{other:?}"),
    };
    let answer = http(shop.service.http(), &line, &[], &body);
    if answer.status >= 400 {
        return Outcome::refused(answer.code());
    }
    assert_eq!(answer.status, 200);
    let json = answer.json();
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    let opens_at_ms = instant(&json["opens_at"]).unwrap();
    let sold_out = json["sold_out"].as_bool().unwrap();
    let drops = vec![(text("id"), text("phase"), sold_out, opens_at_ms)];
    Outcome { stock: items(&json), drops, ..Outcome::default() }
}
