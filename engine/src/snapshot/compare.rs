//! Does a snapshot say what the journal comes to? The journal is read from its beginning and the
//! snapshot made anew from that; the same state always gives the same bytes.
//!
//! Where the beginning is not kept any more, the oldest snapshot that can be read stands for it:
//! the others are held against that one and what follows it, and of itself is only known that it
//! can be read.

use std::io;

use super::load::{Loaded, load};
use super::make::replay_to;
use super::pace::Pace;
use super::section::Sink;
use super::write::write;
use crate::error::{Corruption, Error};
use crate::journal::recover::last_dropped;
use crate::journal::{FileName, Storage, StorageFile, read_at, snapshots};

/// What is to be said of a directory's snapshots: file, byte and what.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// Those that can be read and do not say what the journal comes to.
    pub(crate) wrong: Vec<(u64, String)>,
    /// Those that cannot be read, or not yet: a start passes them over.
    pub(crate) unreadable: Vec<String>,
}

/// Compares every snapshot with the journal, read from the beginning of what is kept.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Io`], of the journal.
pub(crate) fn compare(storage: &dyn Storage) -> Result<Compared, Error> {
    let mut found = Compared::default();
    let dropped = last_dropped(storage)?;
    // The snapshot that stands for what was dropped.
    let mut base = None;
    for sequence in snapshots(storage)? {
        let name = FileName::Snapshot(sequence);
        let file = match storage.open(name) {
            Ok(file) => file,
            // An old one, removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        if let Err(why) = load(storage, sequence) {
            found.unreadable.push(why);
            continue;
        }
        if dropped > 0 && base.is_none() {
            base = (sequence >= dropped).then_some(sequence);
            continue;
        }
        let from = base.map_or_else(|| Ok(Loaded::default()), |base| loaded(storage, base))?;
        let (replay, origin) = replay_to(storage, from, sequence, &Pace::FULL)?;
        let mut against = Against { file: &*file, at: 0 };
        if write(&mut against, origin, &replay, &mut |_, _| ()).is_err()
            || file.length()? > against.at
        {
            let (file, at) = (storage.describe(name), against.at);
            let what = format!("{file}: byte {at}: differs from what the journal comes to");
            found.wrong.push((sequence, what));
        }
    }
    if dropped > 0 && base.is_none() {
        let file = storage.describe(FileName::Snapshot(dropped));
        let why = format!("no snapshot that can be read stands for the records to {dropped}");
        let error = Error::Corrupt(Corruption { file, offset: 0, why });
        return Err(error.beside_snapshots(&found.unreadable));
    }
    Ok(found)
}

/// A snapshot that could be read a moment ago.
fn loaded(storage: &dyn Storage, sequence: u64) -> Result<Loaded, Error> {
    let (origin, replay) = load(storage, sequence).map_err(io::Error::other)?;
    Ok(Loaded { replay, origin, passed_over: Vec::new() })
}

/// Compares what is put with a file.
struct Against<'f> {
    file: &'f dyn StorageFile,
    at: u64,
}

impl Sink for Against<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut there = vec![0; bytes.len()];
        let read = read_at(self.file, &mut there, self.at)?;
        there.truncate(read);
        let same = there.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        self.at += same as u64;
        if same == bytes.len() { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}
