//! What the watchers of a drop are shown: encoded once, in every form in which it is sent.

use bytes::Bytes;
use jangteo::{Phase, SaleView, Timestamp};
use serde::Serialize;

use crate::resp::{Protocol, Reply};

/// How an event is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a server-sent event.
    Sse,
    /// Likewise, in a chunk of an HTTP/1.1 body.
    Chunk,
    /// As a message of a RESP2 subscription.
    Resp2,
    /// Likewise, RESP3.
    Resp3,
}

/// A drop as it was at one moment, and since when which part of it has been so.
#[derive(Debug)]
pub(super) struct Shown {
    /// 1, 2, 3 ... per watched drop.
    number: u64,
    view: SaleView,
    drop: Piece,
    phase: Piece,
    /// None before the reveal.
    stock: Option<Piece>,
}

/// One event.
#[derive(Debug)]
struct Piece {
    /// The first number that said this, apart from the time.
    since: u64,
    sse: Bytes,
    chunk: Bytes,
    resp2: Bytes,
    resp3: Bytes,
}

impl Shown {
    /// Encodes `view` after what was shown `before` it.
    pub(super) fn new(view: SaleView, before: Option<&Self>, now: Timestamp) -> Self {
        let number = before.map_or(1, |before| before.number + 1);
        let since = |piece: Option<&Piece>, changed: bool| match piece {
            Some(piece) if !changed => piece.since,
            _ => number,
        };
        let old = before.map(|before| &before.view);
        let drop_since = since(before.map(|it| &it.drop), old.map(facts) != Some(facts(&view)));
        let phase = PhaseOf::view(&view);
        let phase_since = since(before.map(|it| &it.phase), old.map(PhaseOf::view) != Some(phase));
        let stock = StockOf::view(&view);
        let stock_since =
            since(before.and_then(|it| it.stock.as_ref()), old.and_then(StockOf::view) != stock);
        let id = &view.id;
        Self {
            number,
            drop: Piece::new(drop_since, id, "drop", &view),
            phase: Piece::new(phase_since, id, "phase", &At { what: phase, server_time: now }),
            stock: stock
                .map(|what| Piece::new(stock_since, id, "stock", &At { what, server_time: now })),
            view,
        }
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Whether this view is what is shown already.
    pub(super) fn says(&self, view: &SaleView) -> bool {
        self.view == *view
    }

    /// The events that are news to whoever saw the number `seen` last, in their order.
    pub(super) fn since(&self, seen: u64, form: Form) -> impl Iterator<Item = Bytes> {
        let pieces = [Some(&self.drop), Some(&self.phase), self.stock.as_ref()];
        let news = pieces.into_iter().flatten().filter(move |piece| seen < piece.since);
        news.map(move |piece| piece.form(form).clone())
    }
}

impl Piece {
    fn new(since: u64, drop: &str, event: &str, data: &impl Serialize) -> Self {
        let data = serde_json::to_string(data).expect("what is shown has only text keys");
        let sse = format!("event: {event}\ndata: {data}\n\n");
        let length = format!("{:x}\r\n", sse.len());
        let chunk = Bytes::from(format!("{length}{sse}\r\n"));
        let message = format!("{{\"event\":\"{event}\",\"data\":{data}}}");
        let push = |protocol| {
            let mut bytes = Vec::new();
            let mut reply = Reply::new(protocol, &mut bytes);
            reply.push(3);
            reply.bulk("message");
            reply.bulk(format!("{CHANNEL}{drop}"));
            reply.bulk(&message);
            Bytes::from(bytes)
        };
        Self {
            since,
            sse: chunk.slice(length.len()..length.len() + sse.len()),
            chunk,
            resp2: push(Protocol::Resp2),
            resp3: push(Protocol::Resp3),
        }
    }

    const fn form(&self, form: Form) -> &Bytes {
        match form {
            Form::Sse => &self.sse,
            Form::Chunk => &self.chunk,
            Form::Resp2 => &self.resp2,
            Form::Resp3 => &self.resp3,
        }
    }
}

/// What the name of a drop's channel begins with.
pub(crate) const CHANNEL: &str = "drop:";

/// Something, and when the server's clock showed what.
#[derive(Serialize)]
struct At<T> {
    #[serde(flatten)]
    what: T,
    server_time: Timestamp,
}

/// What `phase` says.
#[derive(Clone, Copy, PartialEq, Serialize)]
struct PhaseOf {
    phase: Phase,
    sold_out: bool,
    closes_at: Option<Timestamp>,
}

impl PhaseOf {
    const fn view(view: &SaleView) -> Self {
        Self { phase: view.phase, sold_out: view.sold_out, closes_at: view.closes_at }
    }
}

/// What `stock` says.
#[derive(PartialEq, Serialize)]
struct StockOf<'v> {
    items: Vec<UnitsOf<'v>>,
    sold_out: bool,
}

#[derive(PartialEq, Serialize)]
struct UnitsOf<'v> {
    sku: &'v str,
    available: Option<u32>,
    held: u64,
    sold: u64,
}

impl<'v> StockOf<'v> {
    /// INVARIANT(T1): a sealed drop has none, as it has no items.
    fn view(view: &'v SaleView) -> Option<Self> {
        let items = view.items.as_ref()?.iter().map(|item| UnitsOf {
            sku: &item.sku,
            available: item.available,
            held: item.held,
            sold: item.sold,
        });
        Some(Self { items: items.collect(), sold_out: view.sold_out })
    }
}

/// What only the event `drop` says: the drop without what `phase` and `stock` say.
fn facts(view: &SaleView) -> SaleView {
    let mut facts = view.clone();
    (facts.phase, facts.sold_out, facts.closes_at) = (Phase::Scheduled, false, None);
    for item in facts.items.iter_mut().flatten() {
        (item.available, item.held, item.sold) = (None, 0, 0);
    }
    for gift in facts.gifts.iter_mut().flatten() {
        gift.available = None;
    }
    facts
}
