//! What lies on a medium: what a read shows, what is really there, and what a power cut leaves.

use std::collections::BTreeMap;
use std::io;

use jangteo::FileName;

/// Bytes that reach the disk together or not at all.
pub const SECTOR: usize = 512;

/// Files with their bytes, flushed and not.
#[derive(Clone, Debug, Default)]
pub struct Medium {
    files: BTreeMap<FileName, Content>,
    /// Files whose removal the directory has not flushed: a power cut may bring them back.
    removed: BTreeMap<FileName, Content>,
    /// Names that a failed flush of the directory has forgotten: later flushes do not cover them.
    forgotten: Vec<FileName>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    /// What a read shows.
    cached: Vec<u8>,
    /// What is on the disk.
    durable: Vec<u8>,
    /// Byte ranges written since the last flush.
    dirty: Vec<(usize, usize)>,
    /// Whether the two differ, or may.
    stale: bool,
    /// Whether the directory entry is on the disk.
    listed: bool,
}

impl Content {
    fn flush(&mut self, from: usize, to: usize) {
        if self.durable.len() < to {
            self.durable.resize(to, 0);
        }
        if let (Some(there), Some(here)) =
            (self.durable.get_mut(from..to), self.cached.get(from..to))
        {
            there.copy_from_slice(here);
        }
    }

    /// The power is gone; of the sectors that were not flushed, `keep` says which made it. Returns
    /// how many did not.
    fn lose(&mut self, keep: &mut impl FnMut() -> bool) -> u64 {
        let mut lost = 0;
        for (from, to) in std::mem::take(&mut self.dirty) {
            let mut at = from;
            while at < to {
                let end = ((at / SECTOR + 1) * SECTOR).min(to);
                if keep() {
                    self.flush(at, end);
                } else {
                    lost += 1;
                }
                at = end;
            }
        }
        if self.stale {
            self.cached.clone_from(&self.durable);
            self.stale = false;
        }
        lost
    }
}

impl Medium {
    /// All files, in order.
    #[must_use]
    pub fn list(&self) -> Vec<FileName> {
        self.files.keys().copied().collect()
    }

    /// Bytes that all files take.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.files.values().map(|content| content.cached.len() as u64).sum()
    }

    /// What a read of a file shows.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn bytes(&self, name: FileName) -> io::Result<&[u8]> {
        let content = self.files.get(&name).ok_or(io::ErrorKind::NotFound)?;
        Ok(&content.cached)
    }

    /// Makes an empty file.
    ///
    /// # Errors
    /// `AlreadyExists`.
    pub fn create(&mut self, name: FileName) -> io::Result<()> {
        if self.files.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.files.insert(name, Content::default());
        self.forgotten.retain(|other| *other != name); // a new entry, which nothing forgot yet
        Ok(())
    }

    /// Takes a file away.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn remove(&mut self, name: FileName) -> io::Result<()> {
        let content = self.files.remove(&name).ok_or(io::ErrorKind::NotFound)?;
        self.forgotten.retain(|other| *other != name);
        if content.listed {
            self.removed.insert(name, content);
        }
        Ok(())
    }

    /// Makes creations and removals durable.
    pub fn sync_directory(&mut self) {
        for (name, content) in &mut self.files {
            content.listed |= !self.forgotten.contains(name);
        }
        let forgotten = &self.forgotten;
        self.removed.retain(|name, _| forgotten.contains(name));
    }

    /// A flush of the directory failed: no later one covers what this one should have.
    pub fn forget_directory(&mut self) {
        let unlisted = self.files.iter().filter(|(_, content)| !content.listed);
        self.forgotten.extend(unlisted.map(|(name, _)| *name));
        self.forgotten.extend(self.removed.keys());
    }

    /// Writes at `at`, beyond the end if need be.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn write(&mut self, name: FileName, bytes: &[u8], at: usize) -> io::Result<()> {
        let content = self.files.get_mut(&name).ok_or(io::ErrorKind::NotFound)?;
        let end = at + bytes.len();
        if content.cached.len() < end {
            content.cached.resize(end, 0);
        }
        if let Some(place) = content.cached.get_mut(at..end) {
            place.copy_from_slice(bytes);
        }
        content.dirty.push((at, end));
        content.stale = true;
        Ok(())
    }

    /// Makes what was written to a file durable.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn sync(&mut self, name: FileName) -> io::Result<()> {
        let content = self.files.get_mut(&name).ok_or(io::ErrorKind::NotFound)?;
        for (from, to) in std::mem::take(&mut content.dirty) {
            content.flush(from, to);
        }
        Ok(())
    }

    /// A flush failed: what it should have flushed stays readable, counts as clean, and is gone
    /// with the power.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn forget(&mut self, name: FileName) -> io::Result<()> {
        let content = self.files.get_mut(&name).ok_or(io::ErrorKind::NotFound)?;
        content.dirty.clear();
        Ok(())
    }

    /// The power is gone. `keep` says for each sector, and each entry of the directory, that was
    /// not flushed whether it made it to the disk all the same. Returns how many did not.
    pub fn lose_power(&mut self, keep: &mut impl FnMut() -> bool) -> u64 {
        let mut lost = 0;
        for (name, content) in std::mem::take(&mut self.removed) {
            if keep() {
                lost += 1; // the removal did not make it
                self.files.insert(name, content);
            }
        }
        self.files.retain(|_, content| {
            let stays = content.listed || keep();
            lost += u64::from(!stays);
            stays
        });
        self.forgotten.clear();
        for content in self.files.values_mut() {
            lost += content.lose(keep);
            content.listed = true;
        }
        lost
    }

    /// Changes what lies in a file, on the disk and in the cache.
    pub fn change(&mut self, name: FileName, change: impl Fn(&mut Vec<u8>)) {
        if let Some(content) = self.files.get_mut(&name) {
            change(&mut content.cached);
            change(&mut content.durable);
        }
    }

    /// Where `bytes` first stand in a file's durable content.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Option<(FileName, usize)> {
        self.files.iter().find_map(|(&name, content)| {
            let at = content.durable.windows(bytes.len()).position(|window| window == bytes)?;
            Some((name, at))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: FileName = FileName::Segment(1);

    fn medium() -> Medium {
        let mut medium = Medium::default();
        medium.create(ONE).unwrap();
        medium.sync_directory();
        medium
    }

    #[test]
    fn only_what_was_flushed_survives_the_loss_of_power() {
        let mut medium = medium();
        medium.write(ONE, b"kept", 0).unwrap();
        medium.sync(ONE).unwrap();
        medium.write(ONE, b"lost", 4).unwrap();
        assert_eq!(medium.bytes(ONE).unwrap(), b"keptlost");
        assert_eq!(medium.lose_power(&mut || false), 1);
        assert_eq!(medium.bytes(ONE).unwrap(), b"kept");
    }

    #[test]
    fn a_failed_flush_loses_bytes_that_are_still_readable() {
        let mut medium = medium();
        medium.write(ONE, b"gone", 0).unwrap();
        medium.forget(ONE).unwrap();
        medium.sync(ONE).unwrap(); // the second flush lies
        assert_eq!(medium.bytes(ONE).unwrap(), b"gone");
        medium.lose_power(&mut || true);
        assert_eq!(medium.bytes(ONE).unwrap(), b"");
    }

    #[test]
    fn sectors_are_torn_one_by_one() {
        let mut medium = medium();
        medium.write(ONE, &[7; 3 * SECTOR], 0).unwrap();
        let mut turn = 0;
        let lost = medium.lose_power(&mut || {
            turn += 1;
            turn != 2
        });
        assert_eq!(lost, 1);
        let bytes = medium.bytes(ONE).unwrap();
        assert_eq!([bytes[0], bytes[SECTOR], bytes[2 * SECTOR]], [7, 0, 7]);
    }

    #[test]
    fn a_name_that_was_not_flushed_is_lost_and_a_removal_undone() {
        let mut medium = medium();
        medium.create(FileName::Segment(2)).unwrap();
        medium.remove(ONE).unwrap();
        let mut lost = medium.clone();
        lost.lose_power(&mut || false);
        assert_eq!(lost.list(), []);
        let mut kept = medium.clone();
        kept.lose_power(&mut || true);
        assert_eq!(kept.list(), [ONE, FileName::Segment(2)]);
        medium.sync_directory();
        medium.lose_power(&mut || false);
        assert_eq!(medium.list(), [FileName::Segment(2)]);
    }

    #[test]
    fn what_a_failed_flush_of_the_directory_forgot_stays_unflushed() {
        let mut medium = medium();
        medium.create(FileName::Segment(2)).unwrap();
        medium.forget_directory();
        medium.sync_directory();
        medium.lose_power(&mut || false);
        assert_eq!(medium.list(), [ONE]);
    }
}
