//! The orders of a drop, by number, a page at a time.
//!
//! Numbers have no gaps and rise from row to row of a shard, so a page is a span of numbers: each
//! shard, locked for its part alone, gives what it has of the span. A page costs what it shows,
//! wherever in a drop it begins, and the drop goes on selling meanwhile.

use crate::hold::{Hold, HoldState};
use crate::limits::ORDERS_PAGE_MAX;
use crate::pending::Pending;
use crate::sale::Sale;

/// A page of a drop's orders.
#[derive(Debug)]
pub struct Orders {
    /// Confirmed and refunded holds, by number. It can be empty although there are more.
    pub list: Vec<Hold>,
    /// The number up to which was looked: the next page is after this one.
    pub through: u32,
    /// Whether there are higher numbers.
    pub more: bool,
}

impl Sale {
    /// The orders, refunded ones too, among the next `span` numbers after `after`; 1 to 1,000
    /// numbers are looked at. Durable when all of them are.
    ///
    /// Each order is shown as it is when its page is made. A hold that becomes an order after its
    /// number was passed is not in later pages: what is final is read once the drop is closed and
    /// no hold is live.
    ///
    /// ```
    /// use jangteo::{Campaign, Engine, HoldRequest};
    /// # let file = include_str!("../../docs/campaigns/try-it.toml");
    /// let engine = Engine::in_memory();
    /// engine.put(Campaign::parse(file)?)?;
    /// let sale = engine.sale("try-it-1").expect("in the file");
    /// let request = HoldRequest::new("c-1").line("onion-3kg", 1);
    /// let hold = sale.hold(&request).expect("on sale").wait()?;
    /// sale.confirm(&hold.id, Some("toss-9")).expect("is held").wait()?;
    /// let page = sale.orders(0, 1_000).wait()?;
    /// assert_eq!((page.list.len(), page.through, page.more), (1, 1, false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn orders(&self, after: u32, span: u32) -> Pending<Orders> {
        let journal = &self.0.shared.journal;
        // A number is given under the lock of its hold's shard: what has one by now is in its shard
        // when that is locked below.
        let last = journal.read(|book, _| book.page(self.0.index).last_number);
        let through = last.min(after.saturating_add(span.clamp(1, ORDERS_PAGE_MAX))).max(after);
        let (mut list, mut sequence) = (Vec::new(), 0);
        for (index, shard) in (0..).zip(self.0.shards()) {
            for row in shard.numbered(after, through) {
                let hold = shard.row(row);
                if matches!(hold.state(), HoldState::Confirmed | HoldState::Refunded) {
                    sequence = sequence.max(hold.last_sequence);
                    list.push(self.view_row(&shard, index, row, u64::MAX));
                }
            }
        }
        list.sort_unstable_by_key(|hold: &Hold| hold.number);
        Pending::new(journal, sequence, Orders { list, through, more: through < last })
    }
}
