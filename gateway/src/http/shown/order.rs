//! A row of a drop's orders, as JSON or in a table.

use jangteo::{Hold, HoldId, HoldState, Timestamp};
use serde::Serialize;

use crate::spreadsheet::{lines, text};

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
const HEADER: [&str; 15] = [
    "number",
    "hold",
    "key",
    "customer",
    "state",
    "seller",
    "sku",
    "quantity",
    "refunded",
    "unit_price",
    "currency",
    "payment",
    "created_at",
    "confirmed_at",
    "refunded_at",
];

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
        let mut out = Vec::new();
        write_line(HEADER, &mut out);
        out
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
            self.number.to_string().into(),
            self.hold.to_string().into(),
            text(self.key.unwrap_or_default()),
            text(self.customer),
            self.state.name().into(),
            text(self.seller.unwrap_or_default()),
            text(self.sku),
            self.quantity.to_string().into(),
            self.refunded.to_string().into(),
            self.unit_price.to_string().into(),
            self.currency.into(),
            text(self.payment.unwrap_or_default()),
            time(Some(self.created_at)).into(),
            time(self.confirmed_at).into(),
            time(self.refunded_at).into(),
        ];
        write_line(cells.each_ref().map(AsRef::as_ref), out);
    }
}

fn write_line(cells: [&str; HEADER.len()], out: &mut Vec<u8>) {
    let mut lines = lines(out);
    let written = lines.write_record(cells).and_then(|()| Ok(lines.flush()?));
    written.expect("writing to memory cannot fail");
}
