//! What a client asks, and what it is answered: the same over any transport.

use std::fmt;

use jangteo::{Hold, HoldId, HoldState, Wait, WaitId, WaitState};
use smallvec::SmallVec;

/// A customer, shown as `c-<number>`. One that is *own* is used by one client only, so that this
/// client can predict every answer about it; *shared* ones are used by all clients at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Customer(u64);

const SHARED: u64 = 1 << 63;

impl Customer {
    /// Customer `number` of one client.
    #[must_use]
    pub const fn own(client: u32, number: u32) -> Self {
        Self(((client as u64) << 32) | number as u64)
    }

    /// Customer `number` of all clients.
    #[must_use]
    pub const fn shared(number: u32) -> Self {
        Self(SHARED | number as u64)
    }

    /// Whether other clients use it too.
    #[must_use]
    pub const fn is_shared(self) -> bool {
        self.0 & SHARED != 0
    }
}

impl fmt::Display for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c-{:x}", self.0)
    }
}

/// An idempotency key, shown as `k-<number>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u32);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k-{}", self.0)
    }
}

/// A payment, shown as `p-<number>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Payment(pub u32);

impl fmt::Display for Payment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p-{}", self.0)
    }
}

/// Units of goods, by the goods' place in the plan: ascending, none twice.
pub type Units = SmallVec<[(u16, u32); 3]>;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Set units aside.
    Hold {
        /// For whom.
        customer: Customer,
        /// Under which key.
        key: Key,
        /// Which units.
        lines: Units,
    },
    /// Set units aside, or else join the line.
    Join {
        /// For whom.
        customer: Customer,
        /// Under which key.
        key: Key,
        /// Which units.
        lines: Units,
    },
    /// Read a place in the line.
    Look {
        /// Which.
        wait: WaitId,
    },
    /// Leave the line.
    Leave {
        /// Which place.
        wait: WaitId,
    },
    /// Make a hold an order.
    Confirm {
        /// Which.
        hold: HoldId,
        /// With what.
        payment: Payment,
    },
    /// Give a hold up.
    Release {
        /// Which.
        hold: HoldId,
    },
    /// Give a hold more time.
    Extend {
        /// Which.
        hold: HoldId,
    },
    /// Take all that is left of an order back.
    Refund {
        /// Which.
        hold: HoldId,
    },
    /// Take some units of one line of an order back.
    RefundLine {
        /// Which.
        hold: HoldId,
        /// The item, and how many units.
        line: (u16, u32),
        /// The refund's name.
        name: Key,
    },
    /// Read a hold.
    Get {
        /// Which.
        hold: HoldId,
    },
    /// Read a customer's holds.
    Find {
        /// Whose.
        customer: Customer,
    },
    /// Let time pass, where the clock is the harness's own.
    Pass {
        /// Milliseconds.
        ms: u64,
        /// Whether the engine then does what is due, or is left to find out.
        tick: bool,
    },
}

/// A hold as an answer shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// Its id.
    pub id: HoldId,
    /// Its number in the drop.
    pub number: u32,
    /// What became of it.
    pub state: HoldState,
    /// Whether the answer says that it repeats an earlier one.
    pub replayed: bool,
    /// Units of items.
    pub lines: Units,
    /// Units of gifts.
    pub gifts: Units,
    /// Units of items that came back.
    pub back: Units,
    /// When it was granted, ms.
    pub created_ms: u64,
    /// When it expires (or did), ms.
    pub expires_ms: Option<u64>,
    /// Whether its payment, if it shows one, is this one's text.
    pub payment: Option<String>,
}

impl Answer {
    /// Reads an engine's hold; `place` finds a SKU in the plan.
    #[must_use]
    pub fn of(hold: &Hold, place: impl Fn(&str) -> u16) -> Self {
        let mut gifts = Units::new();
        for gift in hold.gifts() {
            let good = place(gift.sku);
            match gifts.iter_mut().find(|(other, _)| *other == good) {
                Some((_, units)) => *units += gift.quantity,
                None => gifts.push((good, gift.quantity)),
            }
        }
        Self {
            id: hold.id,
            number: hold.number,
            state: hold.state,
            replayed: hold.replayed,
            lines: hold.lines().map(|line| (place(line.sku), line.quantity)).collect(),
            gifts,
            back: hold
                .lines()
                .filter(|line| line.refunded > 0)
                .map(|line| (place(line.sku), line.refunded))
                .collect(),
            created_ms: hold.created_at.as_ms(),
            expires_ms: hold.expires_at.map(jangteo::Timestamp::as_ms),
            payment: hold.payment().map(str::to_owned),
        }
    }
}

/// A place in the line as an answer shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Its id.
    pub id: WaitId,
    /// What became of it.
    pub state: WaitState,
    /// How far from the head; none once it is over.
    pub place: Option<u32>,
    /// The hold that it became.
    pub hold: Option<HoldId>,
    /// Whether the answer says that it repeats an earlier one.
    pub replayed: bool,
    /// Units of items.
    pub lines: Units,
}

impl Place {
    /// Reads an engine's wait; `place` finds a SKU in the plan.
    #[must_use]
    pub fn of(wait: &Wait, place: impl Fn(&str) -> u16) -> Self {
        Self {
            id: wait.id,
            state: wait.state,
            place: wait.place,
            hold: wait.hold,
            replayed: wait.replayed,
            lines: wait.lines().map(|line| (place(line.sku), line.quantity)).collect(),
        }
    }
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum No {
    /// Fewer units than asked for, this many.
    SoldOut {
        /// Of the first line that is short.
        available: u32,
    },
    /// The limit, and the holds that count for it.
    Limit(Vec<Answer>),
    /// The key was used for another request.
    KeyReused,
    /// Confirmed with another payment.
    Conflict,
    /// Expired.
    Expired,
    /// The hold's state does not allow it.
    WrongState,
    /// Not open yet.
    NotOpen,
    /// Closed.
    Closed,
    /// Try again later: nothing was done.
    Busy,
    /// Any other word.
    Other(&'static str),
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// A hold.
    Hold(Answer),
    /// Some holds.
    Holds(Vec<Answer>),
    /// A place in the line.
    Wait(Place),
    /// A refusal.
    No(No),
    /// Nothing that tells: no answer, or `outcome_unknown`.
    Unknown,
    /// Time passed; so many holds expired, if that is known.
    Passed(Option<u64>),
}

/// A command, its reply, and when: `_ns` on the harness's own monotonic clock, `_ms` on the
/// engine's.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What was asked.
    pub command: Command,
    /// What came back.
    pub reply: Reply,
    /// Before it was sent.
    pub sent_ns: u64,
    /// After it was answered.
    pub answered_ns: u64,
    /// The engine's clock before it was sent.
    pub sent_ms: u64,
    /// The engine's clock after it was answered.
    pub answered_ms: u64,
    /// The latest time at which the drop was seen to stand before: where clocks are put back, its
    /// phase is not.
    pub reached_ms: u64,
}
