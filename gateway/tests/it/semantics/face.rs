//! The faces of an engine: one operation in, one outcome out.

use chrono::DateTime;
use jangteo::{Engine, HoldId, HoldRequest, Phase, Refund, Refusal, check_customer, check_payment};
use redis::{Connection, ProtocolVersion, RedisConnectionInfo, Value, cmd};
use serde_json::{Value as Json, json};

use super::line;
use super::operation::{HoldName, Operation};
use super::operator;
use super::outcome::{Ids, Outcome, Shown, stock};
use super::resp_reply::from_resp;
use crate::clients::http;
use crate::redis_rs::connected;
use crate::shop::Shop;
use crate::tokens::bearer;

/// How the engine is spoken to, by each of the callers.
pub(super) enum Wire {
    Library,
    /// The credential of each.
    Http(Vec<Option<String>>),
    Resp(Vec<Connection>),
}

/// One engine, behind one wire.
pub(super) struct Face {
    /// Dropped before the service, which would wait for its clients to leave.
    wire: Wire,
    pub(super) shop: Shop,
    ids: Ids,
}

impl Face {
    pub(super) fn library(shop: Shop) -> Self {
        Self { shop, wire: Wire::Library, ids: Ids::default() }
    }

    pub(super) fn http(shop: Shop, credentials: &[Option<String>]) -> Self {
        Self { shop, wire: Wire::Http(credentials.to_vec()), ids: Ids::default() }
    }

    pub(super) fn resp(
        shop: Shop,
        protocol: ProtocolVersion,
        credentials: &[Option<String>],
    ) -> Self {
        let settings = RedisConnectionInfo::default().set_protocol(protocol);
        let connect = |credential: &Option<String>| {
            let settings = match credential {
                Some(credential) => settings.clone().set_password(credential),
                None => settings.clone(),
            };
            connected(format!("redis://{}", shop.service.resp()), settings).unwrap()
        };
        let wire = Wire::Resp(credentials.iter().map(connect).collect());
        Self { shop, wire, ids: Ids::default() }
    }

    /// Runs an operation for one of the callers.
    pub(super) fn run(&mut self, operation: &Operation, caller: usize) -> Outcome {
        if let Operation::Wait { ms } = operation {
            self.shop.clock.advance(*ms);
            self.shop.engine.tick();
            return Outcome::default();
        }
        if matches!(operation, Operation::Turn { .. } | Operation::SetStock { .. }) {
            let free = |credentials: &[Option<String>]| credentials[caller].is_none();
            return match &self.wire {
                Wire::Http(credentials) if free(credentials) => {
                    operator::over_http(&self.shop, operation)
                }
                _ => operator::by_library(&self.shop.engine, operation)
                    .unwrap_or_else(|refusal| refused(refusal, &mut self.ids)),
            };
        }
        let named = |name: &HoldName, ids: &[String]| match name {
            HoldName::Text(text) => (*text).to_owned(),
            HoldName::Granted(_) if ids.is_empty() => "none-yet".to_owned(),
            HoldName::Granted(index) => index.get(ids).clone(),
        };
        if let Operation::Waiting(name) | Operation::Leave(name) = operation {
            let wait = named(name, self.ids.waits());
            return self.run_in_line(operation, &wait, caller);
        }
        let hold = match operation {
            Operation::Confirm(name, _)
            | Operation::Release(name)
            | Operation::Extend(name)
            | Operation::Refund { hold: name, .. }
            | Operation::Get(name) => named(name, self.ids.all()),
            _ => String::new(),
        };
        let ids = &mut self.ids;
        match &mut self.wire {
            Wire::Library => library(&self.shop.engine, operation, &hold, ids)
                .unwrap_or_else(|refusal| refused(refusal, ids)),
            Wire::Http(credentials) => {
                let header = credentials[caller].as_deref().map(bearer);
                over_http(&self.shop, operation, &hold, header.as_deref(), ids)
            }
            Wire::Resp(connections) => {
                let reply = over_resp(&mut connections[caller], operation, &hold);
                from_resp(operation, reply, ids)
            }
        }
    }

    fn run_in_line(&mut self, operation: &Operation, wait: &str, caller: usize) -> Outcome {
        let ids = &mut self.ids;
        match &mut self.wire {
            Wire::Library => line::by_library(&self.shop.engine, operation, wait, ids)
                .unwrap_or_else(|refusal| refused(refusal, ids)),
            Wire::Http(credentials) => {
                let header = credentials[caller].as_deref().map(bearer);
                line::over_http(&self.shop, operation, wait, header.as_deref(), ids)
            }
            Wire::Resp(connections) => {
                line::over_resp(&mut connections[caller], operation, wait, ids)
            }
        }
    }
}

fn library(
    engine: &Engine,
    operation: &Operation,
    hold: &str,
    ids: &mut Ids,
) -> Result<Outcome, Refusal> {
    let of = || -> Result<_, Refusal> {
        let id: HoldId = hold.parse().map_err(|_| Refusal::UnknownHold)?;
        Ok((engine.sale_of(&id).ok_or(Refusal::UnknownHold)?, id))
    };
    let sale = |drop: &str| engine.sale(drop).ok_or(Refusal::UnknownDrop);
    let pending = match operation {
        Operation::Hold { drop, customer, lines, key, area, wait } => {
            let mut request = HoldRequest::new(customer);
            for (sku, quantity) in lines {
                request = request.line(sku, *quantity);
            }
            if let Some(key) = key {
                request = request.key(key);
            }
            if let Some(area) = area {
                request = request.area(area);
            }
            request.check()?;
            return line::hold(&sale(drop)?, &request, *wait, ids);
        }
        Operation::Confirm(_, payment) => {
            check_payment(payment.as_deref())?;
            let (sale, id) = of()?;
            sale.confirm(&id, payment.as_deref())?
        }
        Operation::Release(_) => of().and_then(|(sale, id)| sale.release(&id))?,
        Operation::Extend(_) => of().and_then(|(sale, id)| sale.extend(&id))?,
        Operation::Refund { id: name, lines, .. } => {
            let mut refund = Refund::all();
            for (sku, quantity) in lines {
                refund = refund.line(sku, *quantity);
            }
            if let Some(name) = name {
                refund = refund.id(name);
            }
            refund.check()?;
            let (sale, id) = of()?;
            sale.refund(&id, &refund)?
        }
        Operation::Get(_) => of().and_then(|(sale, id)| sale.get(&id))?,
        Operation::Find { drop, customer } => {
            check_customer(customer)?;
            let found = sale(drop)?.find(customer).wait().unwrap();
            let holds = found.iter().map(|hold| Shown::of(hold, ids)).collect();
            return Ok(Outcome { holds, ..Outcome::default() });
        }
        Operation::Stock { drop } => {
            let stock = stock(&sale(drop)?.view().0);
            return Ok(Outcome { stock, ..Outcome::default() });
        }
        Operation::Drops { phase, limit, after } => return listed(engine, *phase, *limit, *after),
        other => unreachable!("{other:?} is done elsewhere"),
    };
    let hold = pending.wait().unwrap();
    Ok(Outcome { holds: vec![Shown::of(&hold, ids)], ..Outcome::default() })
}

fn listed(
    engine: &Engine,
    phase: Option<&str>,
    limit: Option<u32>,
    after: Option<&str>,
) -> Result<Outcome, Refusal> {
    let phase = phase.map(str::parse::<Phase>).transpose();
    let phase = phase.map_err(|()| Refusal::Malformed("phase"))?;
    let limit = limit.unwrap_or(100);
    if !(1..=1_000).contains(&limit) {
        return Err(Refusal::Malformed("limit"));
    }
    if after.is_some_and(|id| engine.sale(id).is_none()) {
        return Err(Refusal::UnknownDrop);
    }
    // Both drops are of one campaign and open one after the other.
    let behind = |id: &str| after.is_none_or(|after| after < id);
    let views = engine.sales().into_iter().map(|sale| sale.view().0);
    let wanted = views.filter(|view| phase.is_none_or(|phase| view.phase == phase));
    let wanted = wanted.filter(|view| behind(&view.id)).take(limit as usize);
    let row = |view: jangteo::SaleView| {
        (view.id, view.phase.name().to_owned(), view.sold_out, view.opens_at.as_ms())
    };
    Ok(Outcome { drops: wanted.map(row).collect(), ..Outcome::default() })
}

fn refused(refusal: Refusal, ids: &mut Ids) -> Outcome {
    let plain = Outcome::refused(refusal.code());
    match refusal {
        Refusal::SoldOut { available } => Outcome { available: Some(available.into()), ..plain },
        Refusal::NotOpen { opens_at } => Outcome { opens_at_ms: Some(opens_at.as_ms()), ..plain },
        Refusal::LimitReached(pending) => {
            let holds = pending.wait().unwrap();
            let counting = holds.iter().map(|hold| ids.place(&hold.id.to_string())).collect();
            Outcome { counting, ..plain }
        }
        _ => plain,
    }
}

/// Any text in an address.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Request line and body of an operation.
fn over_http_asked(operation: &Operation, hold: &str) -> (String, String) {
    match operation {
        Operation::Hold { drop, customer, lines, area, wait, .. } => {
            let line = |(sku, quantity): &(&str, u32)| json!({"sku": sku, "quantity": quantity});
            let lines: Vec<Json> = lines.iter().map(line).collect();
            let body = json!({"customer": customer, "lines": lines, "area": area, "wait": wait});
            (format!("POST /v1/drops/{drop}/holds"), body.to_string())
        }
        Operation::Confirm(_, payment) => {
            let body = payment.as_ref().map(|payment| json!({"payment": payment}).to_string());
            (format!("POST /v1/holds/{hold}/confirm"), body.unwrap_or_default())
        }
        Operation::Release(_) => (format!("POST /v1/holds/{hold}/release"), String::new()),
        Operation::Extend(_) => (format!("POST /v1/holds/{hold}/extend"), String::new()),
        Operation::Refund { id, lines, .. } => {
            let line = |(sku, quantity): &(&str, u32)| json!({"sku": sku, "quantity": quantity});
            let lines: Option<Vec<Json>> =
                (!lines.is_empty()).then(|| lines.iter().map(line).collect());
            let body = json!({"refund": id, "lines": lines}).to_string();
            (format!("POST /v1/holds/{hold}/refund"), body)
        }
        Operation::Get(_) => (format!("GET /v1/holds/{hold}"), String::new()),
        Operation::Find { drop, customer } => {
            let customer = escaped(customer);
            (format!("GET /v1/drops/{drop}/holds?customer={customer}"), String::new())
        }
        Operation::Stock { drop } => (format!("GET /v1/drops/{drop}"), String::new()),
        Operation::Drops { phase, limit, after } => {
            let mut query = Vec::new();
            query.extend(phase.map(|phase| format!("phase={phase}")));
            query.extend(limit.map(|limit| format!("limit={limit}")));
            query.extend(after.map(|after| format!("after={after}")));
            (format!("GET /v1/drops?{}", query.join("&")), String::new())
        }
        other => unreachable!("{other:?} is done elsewhere"),
    }
}

fn over_http(
    shop: &Shop,
    operation: &Operation,
    hold: &str,
    credential: Option<&str>,
    ids: &mut Ids,
) -> Outcome {
    let mut headers: Vec<String> = credential.map(str::to_owned).into_iter().collect();
    if let Operation::Hold { key, .. } = operation {
        headers.extend(key.as_ref().map(|key| format!("Idempotency-Key: {key}")));
    }
    let (line, body) = over_http_asked(operation, hold);
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let answer = http(shop.service.http(), &line, &headers, &body);
    let json = answer.json();
    if answer.status >= 400 {
        let of = |hold: &Json| ids.place(hold["id"].as_str().unwrap());
        return Outcome {
            available: json["available"].as_u64(),
            opens_at_ms: instant(&json["opens_at"]),
            counting: json["holds"].as_array().into_iter().flatten().map(of).collect(),
            ..Outcome::refused(answer.code())
        };
    }
    if matches!(operation, Operation::Hold { .. })
        && let Some(waits) = line::in_answer(&answer, ids)
    {
        return waits;
    }
    let replayed = answer.header("idempotent-replayed") == Some("true");
    assert_eq!(answer.status == 201, matches!(operation, Operation::Hold { .. }) && !replayed);
    match operation {
        Operation::Stock { .. } => Outcome { stock: items(&json), ..Outcome::default() },
        Operation::Drops { .. } => {
            let text = |value: &Json| value.as_str().unwrap().to_owned();
            let row = |drop: &Json| {
                let sold_out = drop["sold_out"].as_bool().unwrap();
                let opens_at = instant(&drop["opens_at"]).unwrap();
                (text(&drop["id"]), text(&drop["phase"]), sold_out, opens_at)
            };
            let drops = json["drops"].as_array().unwrap().iter().map(row).collect();
            Outcome { drops, ..Outcome::default() }
        }
        Operation::Find { .. } => {
            let all = json["holds"].as_array().unwrap().iter();
            let holds = all.map(|hold| shown(hold, false, ids)).collect();
            Outcome { holds, ..Outcome::default() }
        }
        _ => Outcome { holds: vec![shown(&json, replayed, ids)], ..Outcome::default() },
    }
}

pub(super) fn instant(value: &Json) -> Option<u64> {
    let at = DateTime::parse_from_rfc3339(value.as_str()?).unwrap();
    Some(u64::try_from(at.timestamp_millis()).unwrap())
}

pub(super) fn items(drop: &Json) -> Vec<(String, [i64; 4])> {
    let row = |item: &Json| {
        let counts = ["total", "available", "held", "sold"];
        let counts = counts.map(|name| item[name].as_i64().unwrap_or(-1));
        (item["sku"].as_str().unwrap().to_owned(), counts)
    };
    drop["items"].as_array().into_iter().flatten().map(row).collect()
}

fn shown(hold: &Json, replayed: bool, ids: &mut Ids) -> Shown {
    let units = |lines: &Json| {
        let unit = |line: &Json| {
            (line["sku"].as_str().unwrap().to_owned(), line["quantity"].as_u64().unwrap())
        };
        lines.as_array().unwrap().iter().map(unit).collect()
    };
    Shown {
        place: ids.place(hold["id"].as_str().unwrap()),
        state: hold["state"].as_str().unwrap().to_owned(),
        number: hold["number"].as_u64().unwrap(),
        total: hold["total"]["amount"].as_u64().unwrap(),
        expires_at_ms: instant(&hold["expires_at"]),
        payment: hold["payment"].as_str().map(str::to_owned),
        replayed,
        lines: units(&hold["lines"]),
        gifts: units(&hold["gifts"]),
    }
}

fn over_resp(
    connection: &mut Connection,
    operation: &Operation,
    hold: &str,
) -> Result<Value, redis::RedisError> {
    let mut command = redis::Cmd::new();
    match operation {
        Operation::Hold { drop, customer, lines, key, area, wait } => {
            command = cmd("DROP.HOLD");
            command.arg(drop).arg(customer).arg(lines.len());
            lines.iter().for_each(|(sku, quantity)| _ = command.arg(*sku).arg(*quantity));
            key.iter().for_each(|key| _ = command.arg("KEY").arg(key));
            area.iter().for_each(|area| _ = command.arg("AREA").arg(*area));
            if *wait {
                command.arg("WAIT");
            }
        }
        Operation::Confirm(_, payment) => {
            command = cmd("DROP.CONFIRM");
            command.arg(hold);
            payment.iter().for_each(|payment| _ = command.arg(payment));
        }
        Operation::Release(_) => _ = command.arg("DROP.RELEASE").arg(hold),
        Operation::Extend(_) => _ = command.arg("DROP.EXTEND").arg(hold),
        Operation::Refund { id, lines, .. } => {
            command = cmd("DROP.REFUND");
            command.arg(hold);
            id.iter().for_each(|id| _ = command.arg("ID").arg(id));
            if !lines.is_empty() {
                command.arg(lines.len());
            }
            lines.iter().for_each(|(sku, quantity)| _ = command.arg(*sku).arg(*quantity));
        }
        Operation::Get(_) => _ = command.arg("DROP.GET").arg(hold),
        Operation::Find { drop, customer } => {
            _ = command.arg("DROP.FIND").arg(*drop).arg(customer);
        }
        Operation::Stock { drop } => _ = command.arg("DROP.STOCK").arg(*drop),
        Operation::Drops { phase, limit, after } => {
            command = cmd("DROP.LIST");
            phase.iter().for_each(|phase| _ = command.arg("PHASE").arg(*phase));
            limit.iter().for_each(|limit| _ = command.arg("LIMIT").arg(*limit));
            after.iter().for_each(|after| _ = command.arg("AFTER").arg(*after));
        }
        other => unreachable!("{other:?} is done elsewhere"),
    }
    command.query(connection)
}
