//! One shard: its buyers, their holds, and the two indexes that find them.

use std::collections::HashMap;
use std::ops::Range;

use prefetch_index::prefetch_index;
use siphasher::sip::SipHasher13;

use super::afterwards::Afterwards;
use super::expiry::Expiry;
use super::index::Index;
use super::known::Known;
use super::row::{Buyer, HoldRow, HoldState, NONE};
use super::waits::{WaitRow, WaitRowState};
use crate::Timestamp;
use crate::ids::Slot;
use crate::journal::Stamp;
use crate::journal::record::{Grant, Line, Lines};
use crate::limits::{AREA_MAX, CUSTOMER_MAX, KEY_MAX, PAYMENT_MAX, ROWS_MAX};

/// Bytes of names and keys to make room for ahead, for each hold.
const TEXTS_EACH: usize = 32;
/// Up to this many entries a table grows by doubling.
const DOUBLED_MAX: usize = 4_096;

/// A customer as asked for: the name, its hash, and the row if there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BuyerRef<'a> {
    pub(crate) name: &'a str,
    pub(crate) hash: u64,
    pub(crate) row: Option<u32>,
}

/// See the module above.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    pub(super) by_name: Index,
    /// Holds with a key, but for each buyer's oldest: that one is looked at first anyway.
    pub(super) by_key: Index,
    pub(super) buyers: Vec<Buyer>,
    pub(super) rows: Vec<HoldRow>,
    /// Names, keys, areas, payments, end to end.
    pub(super) texts: String,
    /// Lines of the holds that have several.
    pub(super) lines: Vec<Line>,
    /// Units of one item that one buyer has, where the item has a limit of its own.
    pub(super) units: HashMap<(u32, u16), u64>,
    pub(super) expiry: Expiry,
    /// What happened to holds after they were over, by row.
    pub(super) afterwards: HashMap<u32, Afterwards>,
    /// Places in the line, and each buyer's, both in the order of joining.
    pub(super) waits: Vec<WaitRow>,
    pub(super) waits_by_buyer: HashMap<u32, Vec<u32>>,
    /// Its buyers are in the filter of who may be known.
    pub(super) in_filter: bool,
}

impl Shard {
    /// Makes room for `rows` holds of as many buyers and touches it, so that no page fault and no
    /// growing table meets the crowd.
    pub(crate) fn warm(&mut self, rows: usize) {
        if !self.buyers.is_empty() {
            return; // somebody holds something, or waits for it
        }
        self.by_name = Index::with_room(rows);
        let nobody =
            Buyer { hash: 0, name: 0, oldest: NONE, newest: NONE, units: 0, name_length: 0 };
        self.buyers.resize(rows, nobody);
        self.buyers.clear();
        self.texts = "\0".repeat(rows * TEXTS_EACH);
        self.texts.clear();
        self.rows.resize(rows, HoldRow::NOTHING);
        self.rows.clear();
    }

    /// An empty shard with room for `rows` holds, not touched yet: for reading back.
    pub(crate) fn with_room(rows: usize) -> Self {
        let mut shard = Self::default();
        shard.reserve_rows(rows);
        shard
    }

    /// Makes room for `rows` holds of as many buyers.
    pub(crate) fn reserve(&mut self, rows: usize) {
        let buyers = &self.buyers;
        self.by_name.reserve(rows, |row| hash_of(buyers, row));
        self.reserve_rows(rows);
    }

    fn reserve_rows(&mut self, rows: usize) {
        self.buyers.reserve_exact(rows.saturating_sub(self.buyers.len()));
        self.texts.reserve_exact((rows * TEXTS_EACH).saturating_sub(self.texts.len()));
        self.rows.reserve_exact(rows.saturating_sub(self.rows.len()));
    }

    /// Has the memory fetched where a customer is looked up and a grant is written, while the
    /// caller does something else: these lines are in no cache, and waiting for one after the other
    /// is most of what a grant costs.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        self.by_name.prefetch(hash);
        prefetch_index(&self.rows, self.rows.len());
        prefetch_index(&self.buyers, self.buyers.len());
        prefetch_index(self.texts.as_bytes(), self.texts.len());
    }

    /// Looks the customer up.
    #[inline]
    pub(crate) fn buyer<'a>(&self, name: &'a str, hash: u64) -> BuyerRef<'a> {
        let same = |row: u32| {
            let buyer = self.buyer_row(row);
            buyer.hash == hash && self.text(buyer.name, buyer.name_length) == name
        };
        BuyerRef { name, hash, row: self.by_name.find(hash, same) }
    }

    /// The hold that `buyer` was granted under `key`.
    pub(crate) fn by_key(&self, buyer: u32, key: &str, names: &SipHasher13) -> Option<u32> {
        let oldest = self.buyer_row(buyer).oldest;
        if oldest == NONE {
            return None; // somebody who only waits
        }
        if self.key(self.row(oldest)) == key {
            return Some(oldest);
        }
        let same = |index: u32| {
            let row = self.row(index);
            row.buyer == buyer && self.key(row) == key
        };
        self.by_key.find(self.key_hash(buyer, key, names), same)
    }

    fn key_hash(&self, buyer: u32, key: &str, names: &SipHasher13) -> u64 {
        names.hash(key.as_bytes()) ^ self.buyer_row(buyer).hash.rotate_left(32)
    }

    /// The row that an id names, if it is this id's.
    pub(crate) fn find(&self, slot: Slot, random: u64) -> Option<u32> {
        self.rows.get(slot.row as usize).filter(|row| row.random == random).map(|_| slot.row)
    }

    /// The row that the next grant gets, or `None` if the shard is full: every hold's payment must
    /// find room among the texts too.
    pub(crate) fn next_row(&self) -> Option<u32> {
        let payments = (self.rows.len() + 1) * PAYMENT_MAX;
        let texts = self.texts.len() + CUSTOMER_MAX + KEY_MAX + AREA_MAX + payments;
        u32::try_from(texts).ok()?;
        u32::try_from(self.rows.len()).ok().filter(|&row| row < ROWS_MAX)
    }

    /// Units that a buyer holds, has bought or waits for.
    pub(crate) fn units(&self, buyer: u32) -> u64 {
        self.buyer_row(buyer).units
    }

    /// Likewise of one item, which must have a limit of its own: few have.
    #[cold]
    pub(crate) fn units_of(&self, buyer: u32, item: u16) -> u64 {
        self.units.get(&(buyer, item)).copied().unwrap_or(0)
    }

    /// A hold's row.
    pub(crate) fn row(&self, index: u32) -> &HoldRow {
        self.rows.get(index as usize).expect("a row once found stays")
    }

    pub(super) fn row_mut(&mut self, index: u32) -> &mut HoldRow {
        self.rows.get_mut(index as usize).expect("a row once found stays")
    }

    pub(crate) fn buyer_row(&self, index: u32) -> &Buyer {
        self.buyers.get(index as usize).expect("a buyer once found stays")
    }

    /// The hash of the name of a hold's buyer.
    pub(crate) fn buyer_hash(&self, index: u32) -> u64 {
        self.buyer_row(self.row(index).buyer).hash
    }

    /// The lines of a hold.
    pub(crate) fn lines(&self, row: &HoldRow) -> Lines {
        if row.line_count() == 1 {
            let [a, b, c, d] = row.lines.to_le_bytes();
            let (item, quantity) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
            return Lines::from_slice(&[Line { item, quantity }]);
        }
        let from = row.lines as usize;
        let lines = self.lines.get(from..from + usize::from(row.line_count()));
        Lines::from_slice(lines.expect("lines once written stay"))
    }

    fn text(&self, from: u32, length: u8) -> &str {
        let from = from as usize;
        self.texts.get(from..from + usize::from(length)).expect("texts stay")
    }

    pub(crate) fn customer(&self, row: &HoldRow) -> &str {
        self.buyer_name(row.buyer)
    }

    pub(super) fn buyer_name(&self, buyer: u32) -> &str {
        let buyer = self.buyer_row(buyer);
        self.text(buyer.name, buyer.name_length)
    }

    pub(crate) fn key(&self, row: &HoldRow) -> &str {
        self.text(row.texts, row.key_length)
    }

    pub(crate) fn area(&self, row: &HoldRow) -> &str {
        self.text(row.texts + u32::from(row.key_length), row.area_length())
    }

    pub(crate) fn payment(&self, row: &HoldRow) -> &str {
        self.text(row.payment, row.payment_length)
    }

    /// A buyer's holds, newest first.
    pub(crate) fn holds_of(&self, buyer: Option<u32>) -> impl Iterator<Item = u32> {
        let newest = buyer.map_or(NONE, |row| self.buyer_row(row).newest);
        let existing = |row: u32| (row != NONE).then_some(row);
        std::iter::successors(existing(newest), move |&row| existing(self.row(row).previous))
    }

    /// Those of a buyer's holds that count for a limit, newest first; of a buyer who waits for
    /// nothing, looks no further back than the last of them.
    pub(crate) fn counted_of(&self, buyer: Option<u32>) -> impl Iterator<Item = u32> {
        let mut units = buyer.map_or(0, |row| self.units(row));
        let counted = move |row: u32| {
            if units == 0 {
                return None;
            }
            let hold = self.row(row);
            let counts = matches!(hold.state(), HoldState::Held | HoldState::Confirmed);
            if counts {
                let sum = |line: &Line| u64::from(line.quantity);
                units -= self.kept(row).iter().map(sum).sum::<u64>();
            }
            Some(counts.then_some(row))
        };
        self.holds_of(buyer).map_while(counted).flatten()
    }

    /// Holds so far, of any state.
    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The rows of the holds numbered above `after` through `through`: numbers rise from row to
    /// row.
    pub(crate) fn numbered(&self, after: u32, through: u32) -> Range<u32> {
        let end = |number| {
            let rows = self.rows.partition_point(|row| row.number <= number);
            u32::try_from(rows).expect("limits.rs bounds the rows of a shard")
        };
        end(after)..end(through)
    }

    /// Whether whoever is granted something has to be in the filter.
    #[inline]
    pub(super) fn is_in_filter(&self) -> bool {
        self.in_filter
    }

    /// All buyers get into the filter, and from now on every other before anything is taken; how
    /// many they are.
    pub(super) fn get_into(&mut self, known: &Known) -> usize {
        self.buyers.iter().for_each(|buyer| known.remember(buyer.hash));
        self.in_filter = true;
        self.buyers.len()
    }

    /// All holds, in the order of granting.
    pub(crate) fn all(&self) -> impl Iterator<Item = &HoldRow> {
        self.rows.iter()
    }

    /// The deadline that is met next, if there is one.
    pub(crate) fn first_deadline(&self) -> Option<Timestamp> {
        self.expiry.first(&self.rows)
    }

    /// The next hold that is due at `now`.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<u32> {
        self.expiry.due(&self.rows, now)
    }

    /// A hold that was due was not freed: it is due again.
    pub(crate) fn put_off(&mut self, row: u32) {
        let ends_at = self.row(row).ends_at;
        self.expiry.put_off(ends_at, row);
    }
}

/// Changes, exactly as their records say: the live path and recovery both come here.
impl Shard {
    /// A grant at `created_at`. `limited` tells which items count for a limit of their own.
    pub(crate) fn granted(
        &mut self,
        buyer: &BuyerRef<'_>,
        grant: &Grant<'_>,
        created_at: Timestamp,
        sequence: u64,
        names: &SipHasher13,
        limited: impl Fn(u16) -> bool,
    ) {
        let index = u32::try_from(self.rows.len()).expect("limits.rs bounds the rows of a shard");
        assert_eq!(index, grant.slot.row, "rows lie in the order of granting");
        let buyer = buyer.row.unwrap_or_else(|| self.add_buyer(buyer));
        let texts = self.push_text(grant.key);
        self.push_text(grant.area);
        let lines = self.push_lines(&grant.lines);
        let state = if grant.confirmed { HoldState::Confirmed } else { HoldState::Held };
        let previous = self.buyer_row(buyer).newest;
        let mut row = HoldRow {
            random: grant.random,
            created_at,
            ends_at: if grant.confirmed { created_at } else { grant.expires_at },
            last_sequence: sequence,
            number: grant.number,
            buyer,
            previous,
            lines,
            gifts: grant.gifts,
            texts,
            payment: 0,
            key_length: length(grant.key.len()),
            ..HoldRow::NOTHING
        };
        row.set_line_count(length(grant.lines.len()));
        row.set_area_length(length(grant.area.len()));
        row.set_state(state);
        grow(&mut self.rows, 1);
        self.rows.push(row);
        if !grant.confirmed {
            self.expiry.granted(grant.expires_at, index);
        }
        if previous == NONE {
            self.buyer_mut(buyer).oldest = index;
        } else if !grant.key.is_empty() {
            self.index_key(index, buyer, grant.key, names);
        }
        self.buyer_mut(buyer).newest = index;
        self.count(buyer, &grant.lines, &limited);
        if let Some(wait) = grant.wait {
            self.wait_over(wait, WaitRowState::Granted(index), sequence, limited);
        }
    }

    /// Units count for a buyer's limits.
    pub(super) fn count(&mut self, buyer: u32, lines: &[Line], limited: impl Fn(u16) -> bool) {
        for line in lines {
            let units = u64::from(line.quantity);
            self.buyer_mut(buyer).units += units;
            if limited(line.item) {
                *self.units.entry((buyer, line.item)).or_default() += units;
            }
        }
    }

    /// They no longer do.
    pub(super) fn uncount(&mut self, buyer: u32, lines: &[Line], limited: impl Fn(u16) -> bool) {
        for line in lines {
            let units = u64::from(line.quantity);
            self.buyer_mut(buyer).units -= units;
            if limited(line.item) {
                *self.units.entry((buyer, line.item)).or_default() -= units;
            }
        }
    }

    pub(super) fn add_buyer(&mut self, buyer: &BuyerRef<'_>) -> u32 {
        let index = u32::try_from(self.buyers.len()).expect("no more buyers than holds");
        let name = self.push_text(buyer.name);
        let name_length = length(buyer.name.len());
        let hash = buyer.hash;
        grow(&mut self.buyers, 1);
        self.buyers.push(Buyer { hash, name, oldest: NONE, newest: NONE, units: 0, name_length });
        let buyers = &self.buyers;
        self.by_name.insert(hash, index, |row| hash_of(buyers, row));
        index
    }

    pub(super) fn index_key(&mut self, index: u32, buyer: u32, key: &str, names: &SipHasher13) {
        let hash = self.key_hash(buyer, key, names);
        let mut by_key = std::mem::take(&mut self.by_key);
        by_key.insert(hash, index, |other| {
            let row = self.row(other);
            self.key_hash(row.buyer, self.key(row), names)
        });
        self.by_key = by_key;
    }

    pub(crate) fn confirmed(&mut self, index: u32, payment: &str, stamp: Stamp) {
        let at = self.push_text(payment);
        let row = self.row_mut(index);
        row.set_state(HoldState::Confirmed);
        row.ends_at = stamp.at;
        row.payment = at;
        row.payment_length = length(payment.len());
        row.last_sequence = stamp.sequence;
    }

    /// A release or an expiry: the buyer's units no longer count.
    pub(crate) fn freed(
        &mut self,
        index: u32,
        state: HoldState,
        stamp: Stamp,
        limited: impl Fn(u16) -> bool,
    ) {
        let row = self.row_mut(index);
        row.set_state(state);
        row.last_sequence = stamp.sequence;
        let buyer = row.buyer;
        let lines = self.lines(self.row(index));
        self.uncount(buyer, &lines, limited);
    }

    pub(crate) fn extended(&mut self, index: u32, expires_at: Timestamp, stamp: Stamp) {
        let row = self.row_mut(index);
        row.ends_at = expires_at;
        row.set_extended();
        row.last_sequence = stamp.sequence;
    }

    /// The drop was paused for so long: what was left of each hold is left of it still.
    pub(crate) fn unpaused(&mut self, pause_ms: u64) {
        for row in self.rows.iter_mut().filter(|row| row.state() == HoldState::Held) {
            row.ends_at = row.ends_at.plus_ms(pause_ms);
        }
        self.expiry.restart(&self.rows);
    }

    /// The engine was restarted: no live hold is due before `earliest`.
    pub(crate) fn resumed(&mut self, earliest: Timestamp) {
        for row in self.rows.iter_mut().filter(|row| row.state() == HoldState::Held) {
            row.ends_at = row.ends_at.max(earliest);
        }
        self.expiry.restart(&self.rows);
    }

    /// The wall clock was stepped: what was left of each hold is left of it still.
    pub(crate) fn stepped(&mut self, step_ms: i64) {
        for row in self.rows.iter_mut().filter(|row| row.state() == HoldState::Held) {
            row.created_at = row.created_at.moved_ms(step_ms);
            row.ends_at = row.ends_at.moved_ms(step_ms);
        }
        self.expiry.restart(&self.rows);
    }

    fn buyer_mut(&mut self, index: u32) -> &mut Buyer {
        self.buyers.get_mut(index as usize).expect("a buyer once found stays")
    }

    fn push_text(&mut self, text: &str) -> u32 {
        let at = u32::try_from(self.texts.len()).expect("a shard's texts stay below 4 GiB");
        if self.texts.capacity() - self.texts.len() < text.len() {
            self.texts.reserve_exact(growth(self.texts.len(), text.len()));
        }
        self.texts.push_str(text);
        at
    }

    fn push_lines(&mut self, lines: &[Line]) -> u32 {
        if let [line] = lines {
            let [a, b] = line.item.to_le_bytes();
            let [c, d] = line.quantity.to_le_bytes();
            return u32::from_le_bytes([a, b, c, d]);
        }
        let at = u32::try_from(self.lines.len()).expect("at most 20 lines for each of 2^28 rows");
        self.lines.extend_from_slice(lines);
        at
    }
}

/// Makes room for `more`. What was presized for the stock and is outgrown all the same grows by an
/// eighth, not by half of it in waste.
#[inline]
fn grow<T>(table: &mut Vec<T>, more: usize) {
    if table.capacity() - table.len() < more {
        table.reserve_exact(growth(table.len(), more));
    }
}

/// By how much a table of so many entries grows.
#[cold]
fn growth(length: usize, more: usize) -> usize {
    more.max(if length < DOUBLED_MAX { length } else { length / 8 })
}

fn hash_of(buyers: &[Buyer], row: u32) -> u64 {
    buyers.get(row as usize).expect("a buyer once found stays").hash
}

fn length(length: usize) -> u8 {
    u8::try_from(length).expect("limits.rs bounds every text and list below 256")
}
