//! A row of a drop's orders, as JSON or in a table.

use std::io::Write;

use jangteo::{Hold, HoldId, HoldState, Timestamp};
use serde::Serialize;

/// One line of an order, or a gift that came with one.
#[derive(Clone, Serialize)]
pub(in super::super) struct OrderRow<'a> {
    number: u32,
    hold: HoldId,
    key: Option<&'a str>,
    customer: &'a str,
    state: HoldState,
    seller: Option<&'a str>,
    sku: &'a str,
    quantity: u32,
    refunded: u32,
    unit_price: u64,
    currency: &'a str,
    payment: Option<&'a str>,
    created_at: Timestamp,
    confirmed_at: Option<Timestamp>,
    refunded_at: Option<Timestamp>,
}

/// The members above, in their order.
const HEADER: &str = "number,hold,key,customer,state,seller,sku,quantity,refunded,unit_price,\
    currency,payment,created_at,confirmed_at,refunded_at";
/// Ends a line of a table, as RFC 4180 has it.
const LINE_END: &str = "\r\n";

impl<'a> OrderRow<'a> {
    /// The rows of an order: its lines, then its gifts, which cost nothing.
    pub(in super::super) fn of(order: &'a Hold) -> impl Iterator<Item = Self> {
        let row = move |seller, sku, quantity, refunded, unit_price| Self {
            number: order.number,
            hold: order.id,
            key: order.key(),
            customer: order.customer(),
            state: order.state,
            seller,
            sku,
            quantity,
            refunded,
            unit_price,
            currency: order.total().currency,
            payment: order.payment(),
            created_at: order.created_at,
            confirmed_at: order.confirmed_at,
            refunded_at: order.refunded_at,
        };
        let lines = order.lines().map(move |line| {
            row(line.seller, line.sku, line.quantity, line.refunded, line.unit_price)
        });
        let gifts =
            order.gifts().map(move |gift| row(None, gift.sku, gift.quantity, gift.refunded, 0));
        lines.chain(gifts)
    }

    /// The first line of a table.
    pub(in super::super) fn header() -> Vec<u8> {
        [HEADER, LINE_END].concat().into_bytes()
    }

    /// Appends the row to a table, or as a line of JSON.
    pub(in super::super) fn write(&self, table: bool, out: &mut Vec<u8>) {
        if table {
            self.write_cells(out);
        } else {
            serde_json::to_writer(&mut *out, self).expect("a row has only text keys");
            out.push(b'\n');
        }
    }

    fn write_cells(&self, out: &mut Vec<u8>) {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let cells = [
            self.number.to_string(),
            self.hold.to_string(),
            text(self.key),
            text(Some(self.customer)),
            self.state.name().to_owned(),
            text(self.seller),
            text(Some(self.sku)),
            self.quantity.to_string(),
            self.refunded.to_string(),
            self.unit_price.to_string(),
            self.currency.to_owned(),
            text(self.payment),
            time(Some(self.created_at)),
            time(self.confirmed_at),
            time(self.refunded_at),
        ];
        let line = cells.join(",");
        // Writing to memory cannot fail.
        _ = write!(out, "{line}{LINE_END}");
    }
}

/// Somebody else's text as a cell: quoted where RFC 4180 wants it, and nothing that a spreadsheet
/// takes for a formula: that gets a `'` in front. So does what begins with one, so that taking one
/// off gives the text back.
fn text(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    let mark = if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']) { "'" } else { "" };
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{mark}{}\"", text.replace('"', "\"\""))
    } else {
        [mark, text].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_needed_and_never_a_formula() {
        let table = [
            ("c-1", "c-1"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\nb", "\"a\nb\""),
            ("=1+1", "'=1+1"),
            ("+82", "'+82"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("\t=1", "'\t=1"),
            ("'=1", "''=1"),
            ("=A1,\"x\"", "\"'=A1,\"\"x\"\"\""),
            ("a=1", "a=1"),
            ("", ""),
        ];
        for (given, cell) in table {
            assert_eq!(text(Some(given)), cell);
        }
        assert_eq!(text(None), "");
    }
}
