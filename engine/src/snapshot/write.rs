//! State to bytes. The same state always gives the same bytes, so a snapshot can be compared with
//! what the journal comes to.
//!
//! Head; campaigns in the order they were put; pages by drop; steps of the clock; pauses;
//! settlements by drop; for each shard that granted anything its counts, holds, buyers, texts,
//! lines, what happened to holds after they were over, and places in the line; end.

use std::collections::BTreeMap;
use std::io;
use std::ops::Deref;

use super::head::Head;
use super::section::{Kind, Sink, Writer};
use crate::Timestamp;
use crate::book::{Page, Pause};
use crate::buyers::Shard;
use crate::catalogue::Catalogue;
use crate::journal::record::Record;
use crate::journal::recover::Origin;
use crate::journal::settlement::{Settled, Settlement};

/// Something that can be stored: a replay that has ended, or an engine that has.
pub(crate) trait State {
    /// How many drops there are.
    fn drops(&self) -> usize;

    /// The page in the book of the one at that place.
    fn page(&self, index: usize) -> Page;

    /// The steps of the wall clock that live holds followed: sequence and milliseconds.
    fn steps(&self) -> Vec<(u64, i64)>;

    /// What was settled of each drop that has a settlement, by index.
    fn settled(&self) -> BTreeMap<u32, Settled>;

    /// Hands its shards to `each`, with their places.
    fn shards(&self, index: usize, each: &mut EachShard<'_>) -> io::Result<()>;

    /// Whether nothing was appended after that record.
    fn stands_at(&self, sequence: u64) -> bool;

    /// Every campaign that was put.
    fn catalogue(&self) -> impl Deref<Target = Catalogue>;
}

/// Takes one shard.
pub(crate) type EachShard<'a> = dyn FnMut(usize, &Shard) -> io::Result<()> + 'a;

/// Is told how many of all holds were written.
pub(crate) type HoldsWritten<'a> = dyn FnMut(u64, u64) + 'a;

/// Writes `state`, as it is at `origin`, to `sink`.
pub(crate) fn write(
    sink: &mut dyn Sink,
    origin: Origin,
    state: &impl State,
    written: &mut HoldsWritten<'_>,
) -> io::Result<()> {
    let mut out = Writer::new(sink, origin.sequence);
    let drops = number(state.drops())?;
    Head { origin, drops }.encode(out.bytes());
    out.end(Kind::Head)?;
    for put in state.catalogue().all() {
        out.bytes().extend_from_slice(&put.first.to_le_bytes());
        out.bytes().extend_from_slice(&u32::from(put.current).to_le_bytes());
        let kind = if put.sequence == 0 { Kind::Campaign } else { Kind::Change };
        if kind == Kind::Change {
            out.bytes().extend_from_slice(&put.sequence.to_le_bytes());
        }
        out.bytes().extend_from_slice(put.record.to_json().as_bytes());
        out.end(kind)?;
        if let Some(deleted) = &put.deleted {
            out.bytes().extend_from_slice(deleted.to_json().as_bytes());
            out.end(Kind::Deleted)?;
        }
    }
    for index in 0..drops {
        page(&mut out, index, &state.page(index as usize))?;
        out.end_if_full(Kind::Page)?;
    }
    out.end_if_any(Kind::Page)?;
    table(&mut out, Kind::Steps, &state.steps(), |(sequence, step_ms)| {
        (u128::from(sequence) | (u128::from(step_ms.cast_unsigned()) << 64)).to_le_bytes()
    })?;
    pauses(&mut out, state)?;
    for (sale, Settled { rules, sums }) in state.settled() {
        let settlement = Settlement { rules, drops: vec![(sale, sums)] };
        let record = Record::Settled { first_sale: sale, settlement };
        record.encode(Timestamp::default(), out.bytes());
        out.end_if_full(Kind::Settled)?;
    }
    out.end_if_any(Kind::Settled)?;
    shards(&mut out, drops, state, written)?;
    let sections = out.sections() + 1;
    out.bytes().extend_from_slice(&sections.to_le_bytes());
    out.end(Kind::End)
}

/// Those that granted anything, of all drops.
fn shards(
    out: &mut Writer<'_>,
    drops: u32,
    state: &impl State,
    written: &mut HoldsWritten<'_>,
) -> io::Result<()> {
    let holds = |one: &Shard| one.parts().0.len() as u64;
    let (mut all, mut done) = (0, 0);
    for index in 0..drops {
        state.shards(index as usize, &mut |_, one| {
            all += holds(one);
            Ok(())
        })?;
    }
    for index in 0..drops {
        state.shards(index as usize, &mut |place, one| {
            if !one.is_empty() {
                shard(out, index, number(place)?, one)?;
                done += holds(one);
                written(done, all);
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// One drop's page.
fn page(out: &mut Writer<'_>, index: u32, page: &Page) -> io::Result<()> {
    let Page { phase, pause: _, last_number, holds_live, orders, goods } = page;
    let goods_count = number(goods.len())?;
    let bytes = out.bytes();
    for short in [index, *phase as u32, *last_number, goods_count] {
        bytes.extend_from_slice(&short.to_le_bytes());
    }
    for long in [holds_live, orders] {
        bytes.extend_from_slice(&long.to_le_bytes());
    }
    for count in goods {
        let total = [u32::from(count.total.is_some()), count.total.unwrap_or(0)];
        total.iter().for_each(|short| bytes.extend_from_slice(&short.to_le_bytes()));
        for long in [count.held, count.sold] {
            bytes.extend_from_slice(&long.to_le_bytes());
        }
    }
    Ok(())
}

fn shard(out: &mut Writer<'_>, drop: u32, place: u32, shard: &Shard) -> io::Result<()> {
    let (rows, buyers, texts, lines) = shard.parts();
    for short in [drop, place] {
        out.bytes().extend_from_slice(&short.to_le_bytes());
    }
    for long in [rows.len(), buyers.len(), texts.len(), lines.len()] {
        out.bytes().extend_from_slice(&(long as u64).to_le_bytes());
    }
    out.end(Kind::Shard)?;
    table(out, Kind::Rows, rows, |row| row.to_bytes())?;
    table(out, Kind::Buyers, buyers, |buyer| buyer.to_bytes())?;
    for part in texts.as_bytes().chunks(TEXTS_EACH) {
        out.bytes().extend_from_slice(part);
        out.end(Kind::Texts)?;
    }
    table(out, Kind::Lines, lines, |line| line.to_bytes())?;
    for (row, after) in shard.all_afterwards() {
        after.encode(row, out.bytes());
        out.end_if_full(Kind::Afterwards)?;
    }
    out.end_if_any(Kind::Afterwards)?;
    for wait in shard.all_waits() {
        wait.encode(out.bytes());
        out.end_if_full(Kind::Waits)?;
    }
    out.end_if_any(Kind::Waits)
}

/// The drops that are paused.
fn pauses(out: &mut Writer<'_>, state: &impl State) -> io::Result<()> {
    for index in 0..state.drops() {
        if let Some(Pause { at, from }) = state.page(index).pause {
            for short in [number(index)?, from as u32] {
                out.bytes().extend_from_slice(&short.to_le_bytes());
            }
            out.bytes().extend_from_slice(&at.as_ms().to_le_bytes());
        }
    }
    out.end_if_any(Kind::Pauses)
}

/// Bytes of texts in one section.
const TEXTS_EACH: usize = 1 << 20;

/// All entries of a table, in as many sections as they need.
fn table<T: Copy, const N: usize>(
    out: &mut Writer<'_>,
    kind: Kind,
    all: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> io::Result<()> {
    for &one in all {
        out.bytes().extend_from_slice(&bytes(one));
        out.end_if_full(kind)?;
    }
    out.end_if_any(kind)
}

fn number(number: usize) -> io::Result<u32> {
    u32::try_from(number).map_err(|_| io::ErrorKind::FileTooLarge.into())
}
