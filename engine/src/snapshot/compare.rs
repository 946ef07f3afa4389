//! Does a snapshot say what the journal comes to? The journal is read from its beginning and the
//! snapshot made anew from that; the same state always gives the same bytes.

use std::io;

use super::load::{Loaded, load};
use super::make::replay_to;
use super::section::Sink;
use super::write::write;
use crate::error::Error;
use crate::journal::{FileName, Storage, StorageFile, read_at, snapshots};

/// What is to be said of a directory's snapshots: file, byte and what.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// Those that can be read and do not say what the journal comes to.
    pub(crate) wrong: Vec<(u64, String)>,
    /// Those that cannot be read, or not yet: a start passes them over.
    pub(crate) unreadable: Vec<String>,
}

/// Compares every snapshot with the journal, read from its beginning.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Io`], of the journal.
pub(crate) fn compare(storage: &dyn Storage) -> Result<Compared, Error> {
    let mut found = Compared::default();
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
        let (replay, origin) = replay_to(storage, Loaded::default(), sequence, &())?;
        let mut against = Against { file: &*file, at: 0 };
        if write(&mut against, origin, &replay).is_err() || file.length()? > against.at {
            let (file, at) = (storage.describe(name), against.at);
            let what = format!("{file}: byte {at}: differs from what the journal comes to");
            found.wrong.push((sequence, what));
        }
    }
    Ok(found)
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
