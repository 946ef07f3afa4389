//! Which files a journal lies in, what is in each, and where every start of an engine began.

use serde::Serialize;

use crate::Timestamp;
use crate::error::Error;
use crate::journal::feed::Heads;
use crate::journal::frame::{self, Seen};
use crate::journal::record::Record;
use crate::journal::{FileName, Storage, StorageFile, read_from, segments};

/// One file of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SegmentAudit {
    /// Its name.
    pub file: String,
    /// Which start of an engine wrote it; `None`: nothing is written in it yet.
    pub epoch: Option<u32>,
    /// First record in it that counts.
    pub first_sequence: Option<u64>,
    /// Last record in it that counts.
    pub last_sequence: Option<u64>,
    /// Batches whose records count.
    pub batches: u64,
    /// Batches that a later start wrote again elsewhere.
    pub replaced_batches: u64,
    /// Markers: frames without records that vouch for those before.
    pub markers: u64,
    /// Bytes up to the end of the last frame.
    pub used_bytes: u64,
    /// Length of the file.
    pub bytes: u64,
}

/// One start of an engine on the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StartAudit {
    /// 1, 2, 3 ...
    pub epoch: u32,
    /// 1 until the directory is restored from a backup.
    pub incarnation: u32,
    /// The record of the start.
    pub sequence: u64,
    /// Time of that record.
    pub at: Timestamp,
    /// Records before it that nothing vouched for, and that were written again.
    pub written_again: u32,
    /// The file in which it began.
    pub file: String,
}

/// Every file, in the order of writing, and every start that is to be seen in them.
pub(super) fn layout(storage: &dyn Storage) -> Result<(Vec<SegmentAudit>, Vec<StartAudit>), Error> {
    let ids = segments(storage)?;
    let mut firsts = Vec::with_capacity(ids.len());
    let mut starts: Vec<StartAudit> = Vec::new();
    for &id in &ids {
        let file = storage.open(FileName::Segment(id))?;
        let head = Heads::new(&*file, id).at(0)?;
        firsts.push(head);
        let known = starts.last().map_or(0, |start| start.epoch);
        if head.is_some_and(|head| head.epoch > known) {
            starts.extend(start(storage, &*file, id)?);
        }
    }
    let mut files = Vec::with_capacity(ids.len());
    for (place, &id) in ids.iter().enumerate() {
        let epoch = firsts.get(place).copied().flatten().map(|head| head.epoch);
        let later = firsts.iter().skip(place + 1).flatten();
        let newer = later.filter(|head| Some(head.epoch) > epoch);
        let replaced = newer.map(|head| head.first_sequence).min().unwrap_or(u64::MAX);
        files.push(segment(storage, id, replaced)?);
    }
    Ok((files, starts))
}

/// Looks at one segment, whose frames from sequence `replaced` on no longer count.
fn segment(storage: &dyn Storage, id: u64, replaced: u64) -> Result<SegmentAudit, Error> {
    let name = FileName::Segment(id);
    let file = storage.open(name)?;
    let mut found = SegmentAudit {
        file: storage.describe(name),
        epoch: None,
        first_sequence: None,
        last_sequence: None,
        batches: 0,
        replaced_batches: 0,
        markers: 0,
        used_bytes: 0,
        bytes: file.length()?,
    };
    let mut heads = Heads::new(&*file, id);
    while let Some(head) = heads.at(found.used_bytes)? {
        found.epoch = Some(head.epoch);
        if head.records == 0 {
            found.markers += 1;
        } else if head.first_sequence >= replaced {
            found.replaced_batches += 1;
        } else {
            found.batches += 1;
            found.first_sequence.get_or_insert(head.first_sequence);
            found.last_sequence = Some(head.last_sequence());
        }
        found.used_bytes += head.frame_bytes() as u64;
    }
    found.used_bytes = found.used_bytes.min(found.bytes);
    Ok(found)
}

/// The start whose first frame a segment begins with; the last record of that frame says so.
fn start(
    storage: &dyn Storage,
    file: &dyn StorageFile,
    id: u64,
) -> Result<Option<StartAudit>, Error> {
    let Some(head) = Heads::new(file, id).at(0)? else { return Ok(None) };
    let bytes = read_from(file, 0, head.frame_bytes())?;
    let Seen::Frame { head, records, .. } = frame::look(&bytes, id) else { return Ok(None) };
    let mut rest = records;
    for _ in 1..head.records {
        rest = rest.get(Record::length(rest)..).unwrap_or_default();
    }
    let Ok((at, Record::Resumed { .. }, _)) = Record::decode(rest) else { return Ok(None) };
    Ok(Some(StartAudit {
        epoch: head.epoch,
        incarnation: head.incarnation,
        sequence: head.last_sequence(),
        at,
        written_again: head.records - 1,
        file: storage.describe(FileName::Segment(id)),
    }))
}
