//! A snapshot back to state, or why not. Checksums say that the bytes are those that were written;
//! everything is nevertheless checked to fit together, so that no later look can miss.

use std::collections::BTreeMap;

use super::head::Head;
use super::section::{Kind, Reader, Unreadable};
use crate::Timestamp;
use crate::book::Pause;
use crate::buyers::{
    Afterwards, BUYER_BYTES, Buyer, HoldRow, LINE_BYTES, Parts, ROW_BYTES, Shard, WaitRow,
};
use crate::catalogue::{CampaignRecord, DeletedRecord, Put};
use crate::error::Error;
use crate::journal::record::{Line, Record};
use crate::journal::recover::Origin;
use crate::journal::{FileName, Storage, snapshots};
use crate::limits::SHARDS;
use crate::phase::Phase;
use crate::replay::{Replay, Replayed};

/// What the newest readable snapshot held.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) replay: Replay,
    /// Where the journal goes on; its front, if there is no snapshot.
    pub(crate) origin: Origin,
    /// Snapshots that could not be read, newest first: file, byte and why.
    pub(crate) passed_over: Vec<String>,
}

/// Is handed the shards of a snapshot, each once it was read whole, in the order of drops and
/// places.
pub(crate) trait EachRead {
    /// What follows is of the snapshot that stands at `origin`, or there is none: whatever was read
    /// before counts for nothing.
    fn begin(&mut self, origin: Origin);

    /// The shard at `place` of a drop was read. It may be taken out.
    fn read(&mut self, sale: &mut Replayed, place: usize) -> Result<(), &'static str>;
}

/// Lets them lie where they are.
impl EachRead for () {
    fn begin(&mut self, _: Origin) {}

    fn read(&mut self, _: &mut Replayed, _: usize) -> Result<(), &'static str> {
        Ok(())
    }
}

/// Reads the newest snapshot that can be read.
///
/// # Errors
/// [`Error::Io`] if the files cannot be listed.
pub(crate) fn newest(storage: &dyn Storage) -> Result<Loaded, Error> {
    newest_each(storage, &mut ())
}

/// Likewise, and hands `each` its shards: those of the snapshot for which it was told last to
/// begin.
///
/// # Errors
/// As [`newest`].
pub(crate) fn newest_each(storage: &dyn Storage, each: &mut dyn EachRead) -> Result<Loaded, Error> {
    let mut passed_over = Vec::new();
    for sequence in snapshots(storage)?.into_iter().rev() {
        match load_each(storage, sequence, each) {
            Ok((origin, replay)) => return Ok(Loaded { replay, origin, passed_over }),
            Err(why) => passed_over.push(why),
        }
    }
    each.begin(Origin::default());
    Ok(Loaded { passed_over, ..Loaded::default() })
}

/// The snapshots behind which a start needs nothing of `segment`, as their heads say; newest first.
///
/// # Errors
/// [`Error::Io`] if the files cannot be listed.
pub(crate) fn beyond(storage: &dyn Storage, segment: u64) -> Result<Vec<u64>, Error> {
    let is_beyond = |sequence: &u64| {
        let file = storage.open(FileName::Snapshot(*sequence)).map_err(Unreadable::Io)?;
        let head = first(&mut Reader::new(&*file, *sequence)?, *sequence)?;
        Ok::<_, Unreadable>(head.origin.end.segment > segment)
    };
    let mut found = snapshots(storage)?;
    found.retain(|sequence| is_beyond(sequence).unwrap_or(false));
    found.reverse();
    Ok(found)
}

/// Whether the bytes of a snapshot are those that were written, to its end. That they say
/// something was found out as it was made.
pub(crate) fn is_whole(storage: &dyn Storage, sequence: u64) -> bool {
    let to_end = || {
        let file = storage.open(FileName::Snapshot(sequence)).map_err(Unreadable::Io)?;
        let mut from = Reader::new(&*file, sequence)?;
        loop {
            let (kind, bytes) = from.next()?;
            if kind == Kind::End {
                let count = count(bytes);
                return ended(&from, count);
            }
        }
    };
    to_end().is_ok()
}

/// The first section.
fn first(from: &mut Reader<'_>, sequence: u64) -> Result<Head, Unreadable> {
    let (Kind::Head, bytes) = from.next()? else { return from.wrong("no head") };
    Head::decode(sequence, bytes).map_or_else(|| from.wrong("no head"), Ok)
}

/// What the last section has.
fn count(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// Whether the file ends here, after so many sections.
fn ended(from: &Reader<'_>, sections: u64) -> Result<(), Unreadable> {
    if sections == from.sections() && from.is_at_end() {
        Ok(())
    } else {
        from.wrong("it does not end where it says")
    }
}

/// Reads the snapshot of that sequence, or says in words for people why it cannot be.
pub(crate) fn load(storage: &dyn Storage, sequence: u64) -> Result<(Origin, Replay), String> {
    load_each(storage, sequence, &mut ())
}

/// Likewise, and hands `each` its shards.
pub(crate) fn load_each(
    storage: &dyn Storage,
    sequence: u64,
    each: &mut dyn EachRead,
) -> Result<(Origin, Replay), String> {
    let name = FileName::Snapshot(sequence);
    read(storage, name, sequence, each).map_err(|why| match why {
        Unreadable::At(offset, why) => {
            format!("{}: byte {offset}: {why}", storage.describe(name))
        }
        Unreadable::Io(error) => format!("{}: {error}", storage.describe(name)),
    })
}

fn read(
    storage: &dyn Storage,
    name: FileName,
    sequence: u64,
    each: &mut dyn EachRead,
) -> Result<(Origin, Replay), Unreadable> {
    let file = storage.open(name).map_err(Unreadable::Io)?;
    let mut from = Reader::new(&*file, sequence)?;
    let head = first(&mut from, sequence)?;
    each.begin(head.origin);
    let mut replay = Replay::default();
    let mut pages = 0;
    let mut last_shard = None;
    loop {
        let at = from.at();
        let wrong = |why| Unreadable::At(at, why);
        let (kind, bytes) = from.next()?;
        match kind {
            Kind::Campaign | Kind::Change => {
                campaign(&mut replay, kind, sequence, bytes).map_err(wrong)?;
            }
            Kind::Deleted => deleted(&mut replay, bytes).map_err(wrong)?,
            Kind::Page => page_section(&mut replay, bytes, &mut pages).map_err(wrong)?,
            Kind::Steps => steps(&mut replay, sequence, bytes).map_err(wrong)?,
            Kind::Settled => settled(&mut replay, bytes).map_err(wrong)?,
            Kind::Shard => {
                hand_on(&mut replay, last_shard, each).map_err(wrong)?;
                let counts = Counts::decode(bytes).ok_or_else(|| wrong("no counts"))?;
                let this = Some((counts.drop, counts.place));
                if this <= last_shard {
                    return Err(wrong("a shard in the wrong place"));
                }
                let parts = counts.parts(&mut from)?;
                shard(&mut replay, &counts, parts).map_err(wrong)?;
                last_shard = this;
            }
            Kind::Pauses => pauses(&mut replay, bytes).map_err(wrong)?,
            Kind::Waits => waits(&mut replay, last_shard, bytes).map_err(wrong)?,
            Kind::Afterwards => afterwards(&mut replay, last_shard, bytes).map_err(wrong)?,
            Kind::End => {
                hand_on(&mut replay, last_shard, each).map_err(wrong)?;
                let count = count(bytes);
                ended(&from, count)?;
                break;
            }
            _ => return Err(wrong("a section out of its place")),
        }
    }
    if (pages, replay.sales.len()) != (head.drops, head.drops as usize) {
        return from.wrong("a number of drops that it does not have");
    }
    Ok((head.origin, replay))
}

/// The shard that was read last is whole.
fn hand_on(
    replay: &mut Replay,
    shard: Option<(u32, u32)>,
    each: &mut dyn EachRead,
) -> Result<(), Wrong> {
    let Some((drop, place)) = shard else { return Ok(()) };
    let sale = replay.sales.get_mut(drop as usize).ok_or("a drop that does not exist")?;
    each.read(sale, place as usize)
}

type Wrong = &'static str;

fn campaign(replay: &mut Replay, kind: Kind, last: u64, bytes: &[u8]) -> Result<(), Wrong> {
    let mut rest = bytes;
    let (first, current) = (short(&mut rest)?, short(&mut rest)?);
    let [sequence] = if kind == Kind::Change { longs(&mut rest)? } else { [0] };
    let json = std::str::from_utf8(rest).map_err(|_| "a campaign that is no text")?;
    let record = CampaignRecord::from_json(json).ok_or("a campaign that cannot be read")?;
    let changes = kind == Kind::Change;
    if record.kept.is_empty() == changes || (sequence == 0) == changes || sequence > last {
        return Err("a change of a campaign that is none");
    }
    if current > 1 {
        return Err("a campaign in the wrong place");
    }
    let current = current == 1;
    // Its page tells whether it is paused.
    replay.adopt(Put { current, ..Put::new(sequence, first, record) }, &BTreeMap::new())
}

/// The campaign that was read last is deleted.
fn deleted(replay: &mut Replay, bytes: &[u8]) -> Result<(), Wrong> {
    let json = std::str::from_utf8(bytes).map_err(|_| "a deletion that is no text")?;
    let deleted = DeletedRecord::from_json(json).ok_or("a deletion that cannot be read")?;
    let put = replay.catalogue.last_mut().filter(|put| !put.current && put.deleted.is_none());
    let its = put.filter(|put| put.record.campaign.id == deleted.campaign);
    let put = its.ok_or("a deletion of nothing")?;
    put.deleted = Some(deleted);
    let indices = put.indices().collect();
    replay.forget(&indices)
}

fn page_section(replay: &mut Replay, bytes: &[u8], pages: &mut u32) -> Result<(), Wrong> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let [index, phase, last_number, goods] = shorts(&mut rest)?;
        let [holds_live, orders] = longs(&mut rest)?;
        if index != *pages || index as usize >= replay.sales.len() {
            return Err("a page in the wrong place");
        }
        *pages += 1;
        let mut page = replay.book.page(index).clone();
        let phase = Phase::ALL.get(phase as usize).ok_or("a phase that is not known")?;
        (page.phase, page.last_number) = (*phase, last_number);
        (page.holds_live, page.orders) = (holds_live, orders);
        if page.goods.len() != goods as usize {
            return Err("goods that the campaign does not have");
        }
        for count in &mut page.goods {
            let [limited, total] = shorts(&mut rest)?;
            let [held, sold] = longs(&mut rest)?;
            let gone = held.checked_add(sold).ok_or("more units than there are")?;
            if limited > 1 || (limited == 1 && gone > u64::from(total)) {
                return Err("more units than there are");
            }
            (count.total, count.held, count.sold) = ((limited == 1).then_some(total), held, sold);
        }
        replay.book.restore(index, page);
    }
    Ok(())
}

fn steps(replay: &mut Replay, sequence: u64, bytes: &[u8]) -> Result<(), Wrong> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let [at, step_ms] = longs(&mut rest)?;
        let last = replay.book.steps().last().map_or(0, |(last, _)| *last);
        if at <= last || at > sequence {
            return Err("a step of the clock in the wrong place");
        }
        replay.book.step(at, step_ms.cast_signed());
    }
    Ok(())
}

/// Settlements, each of one drop whose page has been read.
fn settled(replay: &mut Replay, bytes: &[u8]) -> Result<(), Wrong> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (_, record, length) = Record::decode(rest).map_err(|_| "no settlement")?;
        let Record::Settled { settlement, .. } = record else { return Err("no settlement") };
        let [(sale, _)] = settlement.drops[..] else { return Err("no settlement of one drop") };
        let phase = replay.sales.get(sale as usize).map(|_| replay.book.page(sale).phase);
        replay.settled(&settlement)?;
        let after = replay.book.page(sale).phase;
        if phase != Some(after) || replay.book.all_settled().keys().last() != Some(&sale) {
            return Err("a settlement in the wrong place");
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(())
}

fn pauses(replay: &mut Replay, bytes: &[u8]) -> Result<(), Wrong> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let [index, from] = shorts(&mut rest)?;
        let [at] = longs(&mut rest)?;
        let from = Phase::ALL.get(from as usize).filter(|from| **from <= Phase::Open);
        let paused =
            (index as usize) < replay.sales.len() && replay.book.page(index).phase == Phase::Paused;
        let from = from.filter(|_| paused).ok_or("a pause of a drop that is not paused")?;
        let pause = Pause { at: Timestamp::from_ms(at), from: *from };
        replay.book.page_mut(index).pause = Some(pause);
    }
    Ok(())
}

/// What happened to holds of the shard that was read last, after they were over.
fn afterwards(replay: &mut Replay, shard: Option<(u32, u32)>, bytes: &[u8]) -> Result<(), Wrong> {
    let (drop, place) = shard.ok_or("refunds without a shard")?;
    let sale = replay.sales.get_mut(drop as usize).ok_or("a drop that does not exist")?;
    let limited = sale.limits();
    let shard = sale.shards.get_mut(place as usize).ok_or("a shard that does not exist")?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (row, after) = Afterwards::decode(&mut rest).ok_or("refunds that cannot be read")?;
        shard.restore_afterwards(row, after, &limited)?;
    }
    Ok(())
}

/// Places in the line of customers of the shard that was read last.
fn waits(replay: &mut Replay, shard: Option<(u32, u32)>, bytes: &[u8]) -> Result<(), Wrong> {
    let (drop, place) = shard.ok_or("a line without a shard")?;
    let sale = replay.sales.get_mut(drop as usize).ok_or("a drop that does not exist")?;
    let limited = sale.limits();
    let shard = sale.shards.get_mut(place as usize).ok_or("a shard that does not exist")?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let wait = WaitRow::decode(&mut rest).ok_or("a line that cannot be read")?;
        if wait.lines.is_empty() || !sale.goods.has_items(&wait.lines) {
            return Err("a line for no item");
        }
        shard.restore_wait(wait, &limited)?;
    }
    Ok(())
}

/// How much a shard holds.
struct Counts {
    drop: u32,
    place: u32,
    rows: usize,
    buyers: usize,
    texts: usize,
    lines: usize,
}

impl Counts {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let [drop, place] = shorts(&mut rest).ok()?;
        let [rows, buyers, texts, lines] = longs(&mut rest).ok()?;
        let [rows, buyers, texts, lines] =
            [rows, buyers, texts, lines].map(|count| usize::try_from(count).ok());
        let (rows, buyers, texts, lines) = (rows?, buyers?, texts?, lines?);
        rest.is_empty().then_some(Self { drop, place, rows, buyers, texts, lines })
    }

    /// The tables, which follow. Each grows by what is really there, whatever the counts say.
    fn parts(&self, from: &mut Reader<'_>) -> Result<Parts, Unreadable> {
        Ok(Parts {
            rows: table(from, Kind::Rows, self.rows, |bytes: &[u8; ROW_BYTES]| {
                HoldRow::from_bytes(bytes)
            })?,
            buyers: table(from, Kind::Buyers, self.buyers, |bytes: &[u8; BUYER_BYTES]| {
                Buyer::from_bytes(bytes)
            })?,
            texts: texts(from, self.texts)?,
            lines: table(from, Kind::Lines, self.lines, |bytes: &[u8; LINE_BYTES]| {
                Line::from_bytes(*bytes)
            })?,
        })
    }
}

fn texts(from: &mut Reader<'_>, count: usize) -> Result<String, Unreadable> {
    let at = from.at();
    let bytes = table(from, Kind::Texts, count, |&[byte]| byte)?;
    String::from_utf8(bytes).map_err(|_| Unreadable::At(at, "texts that no engine wrote"))
}

/// Entries of `N` bytes each, until there are `count`.
fn table<T, const N: usize>(
    from: &mut Reader<'_>,
    kind: Kind,
    count: usize,
    decode: impl Fn(&[u8; N]) -> T,
) -> Result<Vec<T>, Unreadable> {
    let mut all = Vec::with_capacity(count.min(COUNT_BELIEVED));
    while all.len() < count {
        let at = from.at();
        let (found, bytes) = from.next()?;
        let (entries, rest) = bytes.as_chunks::<N>();
        if found != kind || entries.is_empty() || !rest.is_empty() {
            return Err(Unreadable::At(at, "a table that is cut short"));
        }
        all.extend(entries.iter().map(&decode));
    }
    if all.len() > count { from.wrong("a table that is too long") } else { Ok(all) }
}

/// Entries for which room is made before the first one is read.
const COUNT_BELIEVED: usize = 1 << 24;

fn shard(replay: &mut Replay, counts: &Counts, parts: Parts) -> Result<(), Wrong> {
    let page = (counts.drop as usize) < replay.sales.len();
    let open = page && replay.book.page(counts.drop).phase <= Phase::Paused;
    let sale = replay.sales.get_mut(counts.drop as usize).ok_or("a drop that does not exist")?;
    let room = if open { sale.room() } else { 0 };
    if sale.shards.is_empty() {
        sale.shards = (0..SHARDS).map(|_| Shard::default()).collect();
    }
    let place = sale.shards.get_mut(counts.place as usize).ok_or("a shard that does not exist")?;
    if parts.buyers.is_empty() {
        return Err("a shard without buyers");
    }
    *place = Shard::from_parts(parts, &sale.names, &sale.limited, room)?;
    Ok(())
}

fn short(rest: &mut &[u8]) -> Result<u32, Wrong> {
    let (front, behind) = rest.split_first_chunk().ok_or("a section that is too short")?;
    *rest = behind;
    Ok(u32::from_le_bytes(*front))
}

fn shorts<const N: usize>(rest: &mut &[u8]) -> Result<[u32; N], Wrong> {
    let mut all = [0; N];
    for one in &mut all {
        *one = short(rest)?;
    }
    Ok(all)
}

fn longs<const N: usize>(rest: &mut &[u8]) -> Result<[u64; N], Wrong> {
    let mut all = [0; N];
    for one in &mut all {
        let [low, high] = shorts(rest)?;
        *one = u64::from(low) | (u64::from(high) << 32);
    }
    Ok(all)
}
