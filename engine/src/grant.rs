//! The hold path: from a request to a hold, or to the first reason against it.
//!
//! `check -> buyers (key) -> phase -> goods -> limits -> admission (stock) -> append -> buyers`
//!
//! Lock order: basket mutex, then one shard, then the append. Nothing here waits for the disk. A
//! refusal of a sold-out drop allocates nothing, and takes no lock unless the customer may be
//! known.

use crate::Timestamp;
use crate::admission::{self, Admit, Seen};
use crate::book::{Moves, Turn};
use crate::buyers::{BuyerRef, Shard, Sharded};
use crate::fault::{Fault, planted};
use crate::hold::Hold;
use crate::ids::Slot;
use crate::journal::record::{Grant, Line, Lines, Record};
use crate::journal::{Class, Room, Stamp};
use crate::limits::RESERVE_BYTES_PER_HOLD;
use crate::pending::Pending;
use crate::phase::Phase;
use crate::refusal::Refusal;
use crate::request::HoldRequest;
use crate::sale::{Sale, SaleCore};

/// A request that is well-formed, with its lines resolved.
pub(crate) struct Ask<'a> {
    pub(crate) customer: &'a str,
    pub(crate) key: &'a str,
    pub(crate) area: &'a str,
    pub(crate) hash: u64,
    /// By item, those of the same item summed.
    pub(crate) lines: Lines,
    /// A line names no item of the drop, and is not among the lines.
    pub(crate) unknown_sku: bool,
    /// The wait that it ends.
    pub(crate) wait: Option<u32>,
}

/// A check that failed.
enum No {
    /// The limit; the answer names the customer's holds.
    Limit,
    Other(Refusal),
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Other(refusal)
    }
}

/// What a grant has of its own, whoever it is for: made while the customer's memory is fetched.
pub(crate) struct Draft {
    slot: Slot,
    /// None if the drop was not open yet.
    now: Option<Timestamp>,
    random: u64,
}

/// How an attempt ended.
pub(crate) enum Attempt {
    Granted(Pending<Hold>),
    Refused(Refusal),
    /// The key was used to join the line.
    Waits(Slot),
    /// Try again under the basket mutex.
    Slow,
}

impl Sale {
    /// Sets units aside for a customer: all lines or none.
    ///
    /// Never waits for the disk. The grant is durable when the returned [`Pending`] says so; under
    /// an idempotency key that was granted before, that same hold as it is now is returned.
    ///
    /// # Errors
    /// The first of these that applies: [`Malformed`](Refusal::Malformed),
    /// [`Overloaded`](Refusal::Overloaded), [`Unavailable`](Refusal::Unavailable),
    /// [`KeyReused`](Refusal::KeyReused), [`Closed`](Refusal::Closed),
    /// [`NotOpen`](Refusal::NotOpen), [`Paused`](Refusal::Paused),
    /// [`UnknownSku`](Refusal::UnknownSku), [`AreaNotServed`](Refusal::AreaNotServed),
    /// [`LimitReached`](Refusal::LimitReached), [`SoldOut`](Refusal::SoldOut); where the key would
    /// be replayed and was used to join the line, [`Waiting`](Refusal::Waiting).
    pub fn hold(&self, request: &HoldRequest<'_>) -> Result<Pending<Hold>, Refusal> {
        request.check()?;
        let mut ask = self.0.ask(request);
        self.0.resolve(request, &mut ask);
        let _watch = self.0.shared.journal.pass(Class::New)?;
        if let Some(available) = self.0.sold_out_to_a_stranger(&ask) {
            return Err(Refusal::SoldOut { available });
        }
        match self.attempt(&ask, false) {
            Attempt::Granted(pending) => Ok(pending),
            Attempt::Refused(refusal) => Err(self.0.refused(refusal)),
            Attempt::Waits(slot) => Err(Refusal::Waiting(Box::new(self.waiting(slot)?))),
            Attempt::Slow => self.hold_slow(&ask),
        }
    }

    #[cold]
    fn hold_slow(&self, ask: &Ask<'_>) -> Result<Pending<Hold>, Refusal> {
        let mut line = self.0.basket.lock();
        self.0.serve(&mut line)?;
        let attempt = self.attempt(ask, true);
        drop(line);
        match attempt {
            Attempt::Granted(pending) => Ok(pending),
            Attempt::Refused(refusal) => Err(self.0.refused(refusal)),
            Attempt::Waits(slot) => Err(Refusal::Waiting(Box::new(self.waiting(slot)?))),
            Attempt::Slow => unreachable!("under the mutex everything is decided"),
        }
    }

    /// One pass down the order of checks; `basket`: under the basket mutex.
    pub(crate) fn attempt(&self, ask: &Ask<'_>, basket: bool) -> Attempt {
        let sale = &*self.0;
        let shard_index = sale.shard_of(ask.hash);
        let mut shard = match sale.shard_if_made(shard_index) {
            Some(shard) => shard,
            // Nobody has a key yet; and nothing is made for who comes too early.
            None => match sale.open() {
                Ok(()) => sale.shard(shard_index),
                Err(refusal) => return Attempt::Refused(refusal),
            },
        };
        shard.prefetch(ask.hash);
        let draft = shard.next_row().map(|row| sale.draft(Slot { shard: shard_index, row }));
        let buyer = shard.buyer(ask.customer, ask.hash);
        if let Some(replay) = self.replay(ask, &shard, shard_index, buyer.row) {
            return replay;
        }
        match sale.checked(ask, buyer.row.map(|row| (&*shard, row))) {
            Ok(()) => {}
            Err(No::Limit) => return self.limit_reached(&shard, shard_index, &buyer),
            Err(No::Other(refusal)) => return Attempt::Refused(refusal),
        }
        let Some(draft) = draft else { return Attempt::Refused(Refusal::Overloaded) };
        sale.remember(&shard, ask.hash);
        let gifts = match sale.admit(&ask.lines, basket) {
            Admit::Taken { gifts } => gifts,
            Admit::Short { available } => return Attempt::Refused(Refusal::SoldOut { available }),
            Admit::Slow => return Attempt::Slow,
        };
        let granted = sale.record(ask, &mut shard, &buyer, &draft, gifts, basket);
        let Err((refusal, moves)) = granted else {
            let pending = self.answer(&shard, draft.slot.row);
            let early = planted(Fault::AcknowledgeBeforeFlush);
            return Attempt::Granted(if early { pending.unwaited() } else { pending });
        };
        drop(shard);
        if !basket {
            sale.put_back(&moves);
        }
        sale.turn_phase(sale.shared.clock.now());
        Attempt::Refused(refusal)
    }

    /// INVARIANT(K1): the answer under a key that was used before, looked up under the same lock
    /// under which a grant writes its key. A refusal leaves nothing to find.
    fn replay(
        &self,
        ask: &Ask<'_>,
        shard: &Shard,
        shard_index: u8,
        buyer: Option<u32>,
    ) -> Option<Attempt> {
        if ask.key.is_empty() || planted(Fault::KeyForgotten) {
            return None;
        }
        let buyer = buyer?;
        let differs = |lines: &Lines, area: &str| {
            let same = !ask.unknown_sku && ask.lines == *lines && ask.area == area;
            !same && !planted(Fault::KeyNotCompared)
        };
        let Some(row) = shard.by_key(buyer, ask.key, &self.0.names) else {
            let row = shard.wait_by_key(buyer, ask.key)?;
            let wait = shard.wait(row)?;
            return Some(if differs(&wait.lines, &wait.area) {
                Attempt::Refused(Refusal::KeyReused)
            } else {
                Attempt::Waits(Slot { shard: shard_index, row })
            });
        };
        let hold = shard.row(row);
        if differs(&shard.lines(hold), shard.area(hold)) {
            return Some(Attempt::Refused(Refusal::KeyReused));
        }
        let mut pending = self.answer(shard, row);
        pending.value_mut().replayed = true;
        if planted(Fault::ReplayBeforeFlush) {
            pending = pending.unwaited();
        }
        Some(Attempt::Granted(pending))
    }

    #[cold]
    fn limit_reached(&self, shard: &Shard, index: u8, buyer: &BuyerRef<'_>) -> Attempt {
        let holds = self.list(shard, index, shard.counted_of(buyer.row));
        Attempt::Refused(Refusal::LimitReached(Box::new(holds)))
    }
}

/// Adds a line, to the one of the same item if there is one.
#[inline]
fn add(lines: &mut Lines, line: Line) {
    match lines.iter_mut().find(|other| other.item == line.item) {
        Some(other) => other.quantity += line.quantity,
        None => lines.push(line),
    }
}

impl SaleCore {
    /// Appends the grant and applies it. On refusal: what has to go back to stock.
    pub(crate) fn record(
        &self,
        ask: &Ask<'_>,
        shard: &mut Shard,
        buyer: &BuyerRef<'_>,
        draft: &Draft,
        gifts: u32,
        basket: bool,
    ) -> Result<Stamp, (Refusal, Moves)> {
        let sale = self;
        let rules = sale.rules();
        let &Draft { slot, now, random } = draft;
        let now = now.unwrap_or_else(|| sale.shared.clock.now());
        let lines = &ask.lines;
        let moves = sale.goods.moves(lines, gifts);
        let mut grant = Grant {
            slot,
            number: 0,
            random,
            expires_at: now.plus_ms(rules.hold_ttl_ms),
            gifts,
            confirmed: rules.auto_confirm && sale.goods.total(lines) == 0,
            wait: ask.wait,
            lines: Lines::from_slice(lines),
            customer: ask.customer,
            key: ask.key,
            area: ask.area,
        };
        let room = Room::Keep(RESERVE_BYTES_PER_HOLD);
        let early_number = planted(Fault::NumberBeforeAppend).then(|| self.next_number());
        let stamp = sale.shared.journal.append(now, room, |book, _| {
            let page = book.page_mut(sale.index);
            sale.still_open(page.phase, now)?;
            // INVARIANT(O1): numbers are given in the order of the journal, and none is left out.
            let number = page.last_number.checked_add(1).ok_or(Refusal::Overloaded)?;
            grant.number = early_number.unwrap_or(number);
            let turn = if grant.confirmed { Turn::Bought } else { Turn::Held };
            book.turn(sale.index, &moves, turn);
            book.page_mut(sale.index).last_number = number;
            Ok(Record::Granted { sale: sale.index, grant: grant.clone() })
        });
        if basket {
            admission::decide(&sale.goods, &moves, stamp.is_err());
        }
        let stamp = stamp.map_err(|refusal: Refusal| (refusal, moves))?;
        let limited = |item| sale.is_limited(item);
        shard.granted(buyer, &grant, now, stamp.sequence, &sale.names, limited);
        Ok(stamp)
    }

    /// A grant to be, in that slot.
    ///
    /// INVARIANT(T1): the clock is read once the drop was seen open, so it shows no time before the
    /// opening.
    pub(crate) fn draft(&self, slot: Slot) -> Draft {
        let now = (self.phase.get() == Phase::Open).then(|| self.shared.clock.now());
        Draft { slot, now, random: self.random(slot) }
    }

    /// A planted fault: the next number as it seems now.
    #[cold]
    fn next_number(&self) -> u32 {
        self.shared.journal.read(|book, _| book.page(self.index).last_number) + 1
    }

    /// A well-formed request, without its lines.
    #[inline]
    pub(crate) fn ask<'a>(&self, request: &HoldRequest<'a>) -> Ask<'a> {
        let HoldRequest { customer, key, area, .. } = *request;
        let (key, area) = (key.unwrap_or_default(), area.unwrap_or_default());
        let hash = self.hash(customer);
        Ask { customer, key, area, hash, lines: Lines::new(), unknown_sku: false, wait: None }
    }

    /// Its lines, written where they stay: a list that is moved just after it was written makes the
    /// processor wait, and a crowd wait with it.
    #[inline]
    pub(crate) fn resolve(&self, request: &HoldRequest<'_>, ask: &mut Ask<'_>) {
        for &(sku, quantity) in &request.lines {
            let quantity = u16::try_from(quantity).expect("limits.rs bounds a quantity");
            match self.goods.find(sku) {
                Some(item) => add(&mut ask.lines, Line { item, quantity }),
                None => ask.unknown_sku = true,
            }
        }
        ask.lines.sort_unstable_by_key(|line| line.item);
    }

    /// Units left, if they are too few for somebody who never had one: the crowd's answer, from one
    /// word of stock and one of the filter.
    ///
    /// INVARIANT(K1): the stock is looked at before the filter ([`Known`](crate::buyers::Known),
    /// rule 2).
    #[inline]
    fn sold_out_to_a_stranger(&self, ask: &Ask<'_>) -> Option<u32> {
        let Seen::Short { available } = admission::look(&self.goods, &ask.lines) else {
            return None;
        };
        (!self.knows(ask.hash) && self.checked(ask, None).is_ok()).then_some(available)
    }

    /// Whether a customer may be known; `false` is certain.
    #[inline]
    fn knows(&self, hash: u64) -> bool {
        self.buyers.get().is_some_and(|buyers| buyers.may_know(hash))
    }

    /// INVARIANT(K1): before units are taken for the customer, whose shard is locked.
    #[inline]
    pub(crate) fn remember(&self, shard: &Shard, hash: u64) {
        self.buyers.get().into_iter().for_each(|buyers| buyers.remember(shard, hash));
    }

    /// A refusal, out of all locks: who hears *sold out* helps those who come after.
    fn refused(&self, refusal: Refusal) -> Refusal {
        if matches!(refusal, Refusal::SoldOut { .. }) {
            self.buyers.get().into_iter().for_each(Sharded::fill_filter);
        }
        refusal
    }

    /// The checks between the key and the stock, in the contract's order; `buyer`: who has a row,
    /// and where.
    #[inline]
    fn checked(&self, ask: &Ask<'_>, buyer: Option<(&Shard, u32)>) -> Result<(), No> {
        self.open()?;
        if ask.unknown_sku {
            return Err(Refusal::UnknownSku.into());
        }
        if self.rules().areas.is_some() && !self.serves(ask.area) {
            return Err(Refusal::AreaNotServed.into());
        }
        if self.within_limits(&ask.lines, buyer) { Ok(()) } else { Err(No::Limit) }
    }

    /// Whether it delivers there, if it does not everywhere.
    #[cold]
    fn serves(&self, area: &str) -> bool {
        let mut areas = self.rules().areas.iter().flatten();
        areas.any(|served| served == area) || self.terms.serve(area)
    }

    /// Whether the drop is open, or why nothing is granted.
    #[inline]
    fn open(&self) -> Result<(), Refusal> {
        if self.phase.get() == Phase::Open { Ok(()) } else { self.not_open_slow() }
    }

    /// Opens the drop if its instant has come, or says why nothing is granted.
    #[cold]
    fn not_open_slow(&self) -> Result<(), Refusal> {
        self.turn_phase(self.shared.clock.now());
        match self.phase.get() {
            Phase::Open => Ok(()),
            Phase::Scheduled => Err(Refusal::NotOpen { opens_at: self.opens_at() }),
            Phase::Paused if self.opens_later() => {
                Err(Refusal::NotOpen { opens_at: self.opens_at() })
            }
            Phase::Paused => Err(Refusal::Paused),
            Phase::Closed | Phase::Settled => Err(Refusal::Closed),
        }
    }

    /// Whether its instant has not come: until then a pause shows nothing of itself.
    fn opens_later(&self) -> bool {
        self.phase.shows_nothing() && self.shared.clock.now() < self.opens_at()
    }

    /// INVARIANT(C1): under the customer's shard, so what is counted cannot change before the
    /// grant.
    #[inline]
    pub(crate) fn within_limits(&self, lines: &[Line], buyer: Option<(&Shard, u32)>) -> bool {
        let within = |has: u64, more: u32, limit: u32| {
            let limit = limit + u32::from(planted(Fault::LimitOffByOne) && limit != 0);
            limit == 0 || has + u64::from(more) <= u64::from(limit)
        };
        let mut asked = 0;
        for line in lines {
            let more = u32::from(line.quantity);
            asked += more;
            let limit = self.goods.get(line.item).limit;
            let has = || buyer.map_or(0, |(shard, row)| shard.units_of(row, line.item));
            if limit != 0 && !within(has(), more, limit) {
                return false;
            }
        }
        let has = buyer.map_or(0, |(shard, row)| shard.units(row));
        within(has, asked, self.rules().limit_per_customer)
    }

    fn admit(&self, lines: &Lines, basket: bool) -> Admit {
        if basket {
            match admission::take_basket(&self.goods, lines) {
                Ok(gifts) => Admit::Taken { gifts },
                Err(available) => Admit::Short { available },
            }
        } else {
            admission::take_quick(&self.goods, lines)
        }
    }

    /// INVARIANT(T1): under the append lock, so no grant's record follows `Closed`.
    pub(crate) fn still_open(&self, phase: Phase, now: Timestamp) -> Result<(), Refusal> {
        if planted(Fault::GrantAfterClose) {
            return Ok(());
        }
        match phase {
            Phase::Open if !self.is_over(now) => Ok(()),
            Phase::Paused => Err(Refusal::Paused),
            _ => Err(Refusal::Closed),
        }
    }

    /// 64 bits that nobody outside this process can foretell.
    fn random(&self, slot: Slot) -> u64 {
        self.random_of(u64::from(self.index), slot)
    }

    /// Likewise for a wait, whose slot may be a hold's too.
    pub(crate) fn random_of_wait(&self, slot: Slot) -> u64 {
        self.random_of(u64::from(self.index) | 1 << 32, slot)
    }

    fn random_of(&self, what: u64, slot: Slot) -> u64 {
        let place = [what, (u64::from(slot.shard) << 32) | u64::from(slot.row)];
        let [a, b] = place.map(u64::to_le_bytes);
        let mut bytes = [0; 16];
        let (front, back) = bytes.split_at_mut(8);
        front.copy_from_slice(&a);
        back.copy_from_slice(&b);
        self.shared.ids.hash(&bytes)
    }

    /// Puts units back into stock.
    ///
    /// INVARIANT(J2): only inside or after the append of the record that frees them, or for a grant
    /// that the append refused.
    pub(crate) fn put_back(&self, moves: &Moves) {
        for &(good, units) in moves {
            self.goods.get(good).cell.as_ref().into_iter().for_each(|cell| cell.put_back(units));
        }
    }
}
