//! A shard as a snapshot stores it: rows, buyers, texts and lines, field by field. What can be
//! found from them is not stored: both indexes, units of one item, deadlines.

use siphasher::sip::SipHasher13;

use super::afterwards::{Afterwards, Late, Refunded};
use super::index::Index;
use super::row::{Buyer, HoldRow, HoldState, NONE};
use super::shard::Shard;
use super::waits::{WaitRow, WaitRowState};
use crate::Timestamp;
use crate::journal::record::{Line, Lines};
use crate::limits::{CUSTOMER_MAX, KEY_MAX, PAYMENT_MAX, ROWS_MAX};

/// Bytes of a stored hold, buyer and line.
pub(crate) const ROW_BYTES: usize = 64;
pub(crate) const BUYER_BYTES: usize = 32;
pub(crate) const LINE_BYTES: usize = 4;

/// Everything of a shard that is stored.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) rows: Vec<HoldRow>,
    pub(crate) buyers: Vec<Buyer>,
    pub(crate) texts: String,
    pub(crate) lines: Vec<Line>,
}

impl HoldRow {
    /// The row's bytes; every field little-endian, in the order of the struct.
    pub(crate) fn to_bytes(self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        let mut rest = bytes.as_mut_slice();
        for long in [self.random, self.created_at.as_ms(), self.ends_at.as_ms(), self.last_sequence]
        {
            put(&mut rest, &long.to_le_bytes());
        }
        let shorts = [self.number, self.buyer, self.previous, self.lines, self.gifts];
        for short in shorts.into_iter().chain([self.texts, self.payment]) {
            put(&mut rest, &short.to_le_bytes());
        }
        let last = [self.area_and_extended, self.lines_and_state];
        put(&mut rest, &[self.key_length, self.payment_length]);
        put(&mut rest, &last);
        bytes
    }

    /// The row of those bytes.
    pub(crate) fn from_bytes(bytes: &[u8; ROW_BYTES]) -> Self {
        let mut rest = bytes.as_slice();
        let [random, created_at, ends_at, last_sequence] = [(); 4].map(|()| long(&mut rest));
        let [number, buyer, previous, lines, gifts, texts, payment] =
            [(); 7].map(|()| short(&mut rest));
        let [key_length, payment_length, area_and_extended, lines_and_state] = take(&mut rest);
        let [created_at, ends_at] = [created_at, ends_at].map(Timestamp::from_ms);
        Self {
            random,
            created_at,
            ends_at,
            last_sequence,
            number,
            buyer,
            previous,
            lines,
            gifts,
            texts,
            payment,
            key_length,
            payment_length,
            area_and_extended,
            lines_and_state,
        }
    }
}

impl Buyer {
    /// The buyer's bytes; the last three are 0.
    pub(crate) fn to_bytes(self) -> [u8; BUYER_BYTES] {
        let mut bytes = [0; BUYER_BYTES];
        let mut rest = bytes.as_mut_slice();
        put(&mut rest, &self.hash.to_le_bytes());
        put(&mut rest, &self.units.to_le_bytes());
        for short in [self.name, self.oldest, self.newest] {
            put(&mut rest, &short.to_le_bytes());
        }
        put(&mut rest, &[self.name_length]);
        bytes
    }

    /// The buyer of those bytes.
    pub(crate) fn from_bytes(bytes: &[u8; BUYER_BYTES]) -> Self {
        let mut rest = bytes.as_slice();
        let (hash, units) = (long(&mut rest), long(&mut rest));
        let [name, oldest, newest] = [(); 3].map(|()| short(&mut rest));
        let [name_length] = take(&mut rest);
        Self { hash, name, oldest, newest, units, name_length }
    }
}

impl Line {
    /// Item and quantity.
    pub(crate) fn to_bytes(self) -> [u8; LINE_BYTES] {
        let ([a, b], [c, d]) = (self.item.to_le_bytes(), self.quantity.to_le_bytes());
        [a, b, c, d]
    }

    /// The line of those bytes.
    pub(crate) const fn from_bytes([a, b, c, d]: [u8; LINE_BYTES]) -> Self {
        Self { item: u16::from_le_bytes([a, b]), quantity: u16::from_le_bytes([c, d]) }
    }
}

fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    let (front, behind) = std::mem::take(rest).split_at_mut(bytes.len());
    front.copy_from_slice(bytes);
    *rest = behind;
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (front, behind) = rest.split_first_chunk().expect("the fields fill the bytes");
    *rest = behind;
    *front
}

fn long(rest: &mut &[u8]) -> u64 {
    u64::from_le_bytes(take(rest))
}

fn short(rest: &mut &[u8]) -> u32 {
    u32::from_le_bytes(take(rest))
}

impl Parts {
    /// Whether everything points to something that is there, so that no later look can miss.
    /// `items` is how many items the drop has, `names` hashes its customers' names.
    fn check(&self, items: usize, names: &SipHasher13) -> Result<(), &'static str> {
        let rows = self.rows.len();
        if rows.max(self.buyers.len()) > ROWS_MAX as usize {
            return Err("more rows than a shard has");
        }
        if u32::try_from(self.texts.len() + rows * PAYMENT_MAX).is_err() || !self.texts.is_ascii() {
            return Err("texts that no engine wrote");
        }
        let text = |from: u32, length: usize| from as usize + length <= self.texts.len();
        let is_row = |row: u32| (row as usize) < rows;
        for buyer in &self.buyers {
            let named = (1..=CUSTOMER_MAX).contains(&usize::from(buyer.name_length))
                && text(buyer.name, buyer.name_length.into());
            // Who only waits has no hold.
            let holds = [buyer.oldest, buyer.newest];
            if !named || !(holds.into_iter().all(is_row) || holds == [NONE; 2]) {
                return Err("a buyer without name or hold");
            }
            let from = buyer.name as usize;
            let name = self.texts.get(from..from + usize::from(buyer.name_length));
            if name.map(|name| names.hash(name.as_bytes())) != Some(buyer.hash) {
                return Err("a buyer under another name's hash");
            }
        }
        for (row, index) in self.rows.iter().zip(0..) {
            let [key, payment] = [row.key_length, row.payment_length].map(usize::from);
            let texts = key <= KEY_MAX
                && payment <= PAYMENT_MAX
                && text(row.texts, key + usize::from(row.area_length()))
                && text(row.payment, payment);
            let place = (row.buyer as usize) < self.buyers.len()
                && (row.previous == NONE || row.previous < index);
            if !row.is_sound() || !texts || !place || !self.has_lines(row, items) {
                return Err("a hold that points nowhere");
            }
        }
        Ok(())
    }

    fn has_lines(&self, row: &HoldRow, items: usize) -> bool {
        let count = usize::from(row.line_count());
        if count == 1 {
            return usize::from(Line::from_bytes(row.lines.to_le_bytes()).item) < items;
        }
        let from = row.lines as usize;
        let lines = self.lines.get(from..from + count);
        lines.is_some_and(|lines| lines.iter().all(|line| usize::from(line.item) < items))
    }
}

impl Afterwards {
    /// Appends what happened to the hold in that row: row, refunds, gifts as it expired, the
    /// record that ended its being held, when it was due (0 if it was not paid late); then each
    /// refund: sequence, time, flags, length of its name, lines, name, and the lines themselves.
    pub(crate) fn encode(&self, row: u32, out: &mut Vec<u8>) {
        let refunds = u32::try_from(self.refunds.len()).expect("a refund takes a unit, at least");
        [row, refunds].iter().for_each(|short| out.extend_from_slice(&short.to_le_bytes()));
        let due_at = self.late.map_or(0, |late| late.due_at.as_ms());
        let gifts = self.late.map_or(0, |late| late.gifts);
        out.extend_from_slice(&gifts.to_le_bytes());
        [self.ended, due_at].iter().for_each(|long| out.extend_from_slice(&long.to_le_bytes()));
        for refund in &self.refunds {
            let Refunded { name, lines, all, restock, sequence, at } = refund;
            for long in [*sequence, at.as_ms()] {
                out.extend_from_slice(&long.to_le_bytes());
            }
            let [length, count] = [name.len(), lines.len()].map(|length| {
                u8::try_from(length).expect("limits.rs bounds every text and list below 256")
            });
            out.extend_from_slice(&[u8::from(*restock) | u8::from(*all) << 1, length, count]);
            out.extend_from_slice(name.as_bytes());
            lines.iter().for_each(|line| out.extend_from_slice(&line.to_bytes()));
        }
    }

    /// Takes one off the front of `rest`.
    pub(crate) fn decode(rest: &mut &[u8]) -> Option<(u32, Self)> {
        let [row, count, gifts] = shorts(rest)?;
        let [ended, due_at] = longs(rest)?;
        let late = Late { due_at: Timestamp::from_ms(due_at), gifts };
        let late = (due_at != 0).then_some(late);
        let mut after = Self { ended, late, ..Self::default() };
        for _ in 0..count {
            let [sequence, at] = longs(rest)?;
            let ([flags, length, lines], behind) = rest.split_first_chunk()?;
            let (name, mut behind) = behind.split_at_checked(usize::from(*length))?;
            let mut came = Lines::new();
            for _ in 0..*lines {
                let (line, further) = behind.split_first_chunk()?;
                came.push(Line::from_bytes(*line));
                behind = further;
            }
            *rest = behind;
            after.refunds.push(Refunded {
                name: std::str::from_utf8(name).ok()?.into(),
                lines: came,
                all: flags & 2 != 0,
                restock: flags & 1 != 0,
                sequence,
                at: Timestamp::from_ms(at),
            });
        }
        Some((row, after))
    }
}

impl WaitRow {
    /// Appends the place: random bits, time, the record that made it, its last record, buyer, state
    /// and row of its hold, lengths of key and area, lines, key, area, and the lines themselves.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for long in [self.random, self.created_at.as_ms(), self.joined, self.last_sequence] {
            out.extend_from_slice(&long.to_le_bytes());
        }
        let [state, hold] = self.state.to_numbers();
        for short in [self.buyer, state, hold] {
            out.extend_from_slice(&short.to_le_bytes());
        }
        for length in [self.key.len(), self.area.len(), self.lines.len()] {
            out.push(u8::try_from(length).expect("limits.rs bounds every text and list"));
        }
        out.extend_from_slice(self.key.as_bytes());
        out.extend_from_slice(self.area.as_bytes());
        self.lines.iter().for_each(|line| out.extend_from_slice(&line.to_bytes()));
    }

    /// Takes one off the front of `rest`.
    pub(crate) fn decode(rest: &mut &[u8]) -> Option<Self> {
        let [random, created_at, joined, last_sequence] = longs(rest)?;
        let [buyer, state, hold] = shorts(rest)?;
        let ([key, area, count], behind) = rest.split_first_chunk()?;
        let (key, behind) = behind.split_at_checked(usize::from(*key))?;
        let (area, mut behind) = behind.split_at_checked(usize::from(*area))?;
        let mut lines = Lines::new();
        for _ in 0..*count {
            let (line, further) = behind.split_first_chunk()?;
            lines.push(Line::from_bytes(*line));
            behind = further;
        }
        *rest = behind;
        Some(Self {
            random,
            created_at: Timestamp::from_ms(created_at),
            joined,
            last_sequence,
            buyer,
            state: WaitRowState::from_numbers([state, hold])?,
            key: std::str::from_utf8(key).ok()?.into(),
            area: std::str::from_utf8(area).ok()?.into(),
            lines,
        })
    }
}

fn shorts<const N: usize>(rest: &mut &[u8]) -> Option<[u32; N]> {
    let mut all = [0; N];
    for one in &mut all {
        let (front, behind) = rest.split_first_chunk()?;
        (*one, *rest) = (u32::from_le_bytes(*front), behind);
    }
    Some(all)
}

fn longs<const N: usize>(rest: &mut &[u8]) -> Option<[u64; N]> {
    let mut all = [0; N];
    for one in &mut all {
        let (front, behind) = rest.split_first_chunk()?;
        (*one, *rest) = (u64::from_le_bytes(*front), behind);
    }
    Some(all)
}

impl Shard {
    /// What happened to a hold after it was over, read back: its units of items with a limit of
    /// their own count no longer.
    pub(crate) fn restore_afterwards(
        &mut self,
        index: u32,
        after: Afterwards,
        limited: impl Fn(u16) -> bool,
    ) -> Result<(), &'static str> {
        let row = self.rows.get(index as usize).copied().ok_or("refunds of no hold")?;
        let state = row.state();
        if !matches!(state, HoldState::Confirmed | HoldState::Refunded) {
            return Err("refunds of what was not bought");
        }
        let mut kept = self.lines(&row);
        for back in after.refunds.iter().flat_map(|refund| &refund.lines) {
            let line = kept.iter_mut().find(|line| line.item == back.item);
            let line = line.filter(|line| back.quantity <= line.quantity);
            line.ok_or("refunds of what was not bought")?.quantity -= back.quantity;
            if state == HoldState::Confirmed && limited(back.item) {
                *self.units.entry((row.buyer, back.item)).or_default() -= u64::from(back.quantity);
            }
        }
        if (state == HoldState::Refunded) != kept.iter().all(|line| line.quantity == 0) {
            return Err("refunds that do not add up");
        }
        if self.afterwards.insert(index, after).is_some() {
            return Err("refunds of one hold in two places");
        }
        Ok(())
    }

    /// What happened to holds after they were over, in the order of their rows.
    pub(crate) fn all_afterwards(&self) -> impl Iterator<Item = (u32, &Afterwards)> {
        let mut rows: Vec<u32> = self.afterwards.keys().copied().collect();
        rows.sort_unstable();
        rows.into_iter().filter_map(|row| Some((row, self.afterwards.get(&row)?)))
    }

    /// The shard whose parts these are, every index built anew, with room for `room` rows.
    /// `limited` tells for each item whether it has a limit of its own.
    pub(crate) fn from_parts(
        parts: Parts,
        names: &SipHasher13,
        limited: &[bool],
        room: usize,
    ) -> Result<Self, &'static str> {
        parts.check(limited.len(), names)?;
        let Parts { rows, buyers, texts, lines } = parts;
        let mut by_name = Index::with_room(buyers.len().max(room));
        for (buyer, index) in buyers.iter().zip(0..) {
            by_name.insert(buyer.hash, index, |_| unreachable!("there is room for all"));
        }
        let mut shard = Self { by_name, buyers, rows, texts, lines, ..Self::default() };
        shard.reserve(room);
        for (index, _) in (0..).zip(0..shard.rows.len()) {
            let row = *shard.row(index);
            if row.key_length > 0 && shard.buyer_row(row.buyer).oldest != index {
                let key = shard.key(&row).to_owned();
                shard.index_key(index, row.buyer, &key, names);
            }
            if matches!(row.state(), HoldState::Held | HoldState::Confirmed) {
                shard.count_items(&row, limited);
            }
        }
        shard.expiry.restart(&shard.rows);
        Ok(shard)
    }

    fn count_items(&mut self, row: &HoldRow, limited: &[bool]) {
        if !limited.contains(&true) {
            return;
        }
        for line in self.lines(row) {
            if limited.get(usize::from(line.item)) == Some(&true) {
                *self.units.entry((row.buyer, line.item)).or_default() += u64::from(line.quantity);
            }
        }
    }

    /// Whether it never granted anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.buyers.is_empty()
    }

    /// Holds, buyers, texts and lines, as they are stored.
    pub(crate) fn parts(&self) -> (&[HoldRow], &[Buyer], &str, &[Line]) {
        (&self.rows, &self.buyers, &self.texts, &self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::super::BuyerRef;
    use super::*;
    use crate::ids::Slot;
    use crate::journal::record::Grant;

    #[test]
    fn rows_buyers_and_lines_come_back_and_every_byte_counts() {
        let bytes: [u8; ROW_BYTES] = std::array::from_fn(|n| u8::try_from(n + 1).unwrap());
        let row = HoldRow::from_bytes(&bytes);
        assert_eq!(row.to_bytes(), bytes);
        assert_eq!(row.random, u64::from_le_bytes([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(row.payment, u32::from_le_bytes([57, 58, 59, 60]));
        let mut bytes: [u8; BUYER_BYTES] = std::array::from_fn(|n| u8::try_from(n + 1).unwrap());
        bytes[29..].fill(0);
        let buyer = Buyer::from_bytes(&bytes);
        assert_eq!((buyer.to_bytes(), buyer.name_length), (bytes, 29));
        assert_eq!(Line::from_bytes([1, 2, 3, 4]).to_bytes(), [1, 2, 3, 4]);
    }

    #[test]
    fn a_buyer_is_believed_only_under_the_hash_of_its_name() {
        let names = SipHasher13::new_with_keys(1, 2);
        let grant = Grant {
            slot: Slot { shard: 0, row: 0 },
            number: 1,
            random: 1,
            expires_at: Timestamp::from_ms(9),
            gifts: 0,
            confirmed: false,
            wait: None,
            lines: Lines::from_slice(&[Line { item: 0, quantity: 1 }]),
            customer: "c-1",
            key: "",
            area: "",
        };
        let mut shard = Shard::default();
        let buyer = BuyerRef { name: "c-1", hash: names.hash(b"c-1"), row: None };
        shard.granted(&buyer, &grant, Timestamp::from_ms(1), 1, &names, |_| false);
        let again = |names: &SipHasher13| {
            let (rows, buyers, texts, lines) = shard.parts();
            let (rows, buyers, lines) = (rows.to_vec(), buyers.to_vec(), lines.to_vec());
            let parts = Parts { rows, buyers, texts: texts.to_owned(), lines };
            Shard::from_parts(parts, names, &[false], 0).map(|shard| shard.rows())
        };
        assert_eq!(again(&names), Ok(1));
        let other = SipHasher13::new_with_keys(1, 3);
        assert_eq!(again(&other), Err("a buyer under another name's hash"));
    }
}
