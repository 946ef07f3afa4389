//! How far an endpoint has got, kept in a file of its own.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jangteo::EventId;

use super::address::Address;

/// Where the endpoints' files lie within the data directory.
const FOLDER: &str = "webhooks";

/// The files of all endpoints.
#[derive(Clone, Debug)]
pub(super) struct Places {
    data: PathBuf,
}

/// How far every endpoint of a data directory has got, for a copy of it that goes on as the same.
#[derive(Debug)]
pub struct StoredPlaces(Vec<(OsString, EventId)>);

/// How far one endpoint has got.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    after: Option<EventId>,
    stored: Option<EventId>,
}

impl Places {
    pub(super) fn of(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    fn folder(&self) -> PathBuf {
        self.data.join(FOLDER)
    }

    fn path(&self, address: &Address) -> PathBuf {
        self.folder().join(address.hash())
    }

    /// Whether this data directory has ever had webhooks.
    pub(super) fn exist(&self) -> io::Result<bool> {
        fs::exists(self.folder())
    }

    /// Whether this endpoint has a place.
    pub(super) fn has(&self, address: &Address) -> io::Result<bool> {
        fs::exists(self.path(address))
    }

    /// Gives an endpoint a place, durably.
    pub(super) fn begin(&self, address: &Address, after: EventId) -> io::Result<()> {
        self.make()?;
        store(&self.path(address), after)
    }

    /// Makes sure that there is a folder for them, durably.
    fn make(&self) -> io::Result<PathBuf> {
        if !self.exist()? {
            DirBuilder::new().mode(0o700).create(self.folder())?;
            File::open(&self.data)?.sync_all()?;
        }
        Ok(self.folder())
    }

    /// The place of an endpoint that has one. What cannot be understood is a place that is not
    /// kept.
    pub(super) fn open(&self, address: &Address) -> io::Result<Place> {
        let path = self.path(address);
        let after = understood(&fs::read(&path)?);
        Ok(Place { path, after, stored: after })
    }
}

impl StoredPlaces {
    /// Reads them. Whoever copies the journal afterwards has every event they name.
    ///
    /// # Errors
    /// Those of the file system; having none is no error.
    pub fn read(data: &Path) -> io::Result<Self> {
        let folder = match fs::read_dir(Places::of(data).folder()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self(Vec::new())),
            folder => folder?,
        };
        let mut places = Vec::new();
        for entry in folder {
            let entry = entry?;
            let name = entry.file_name();
            if Path::new(&name).extension().is_some() {
                continue; // one that is being written, or was when the process died
            }
            places.extend(understood(&fs::read(entry.path())?).map(|after| (name, after)));
        }
        Ok(Self(places))
    }

    /// Stores them in a copy.
    ///
    /// # Durability
    /// When this returns, they are on disk.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn store(&self, data: &Path) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let folder = Places::of(data).make()?;
        self.0.iter().try_for_each(|(name, after)| store(&folder.join(name), *after))
    }
}

/// What a file of a place says, if that is one.
fn understood(text: &[u8]) -> Option<EventId> {
    str::from_utf8(text).ok()?.trim_end().parse().ok()
}

impl Place {
    /// The last event that is behind it; nothing if it begins with the oldest that is kept.
    pub(super) const fn after(&self) -> Option<EventId> {
        self.after
    }

    pub(super) const fn pass(&mut self, event: EventId) {
        self.after = Some(event);
    }

    /// Begins anew, with the oldest that is kept.
    pub(super) const fn forget(&mut self) {
        self.after = None;
    }

    /// What has to be written so that a restart goes on here, if it would not.
    pub(super) fn unsaved(&self) -> Option<(PathBuf, EventId)> {
        let after = self.after.filter(|_| self.after != self.stored)?;
        Some((self.path.clone(), after))
    }

    pub(super) const fn saved(&mut self, event: EventId) {
        self.stored = Some(event);
    }
}

/// Writes a place so that after a crash there is the old one or the new one, whole. Waits for the
/// disk.
pub(super) fn store(path: &Path, after: EventId) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    writeln!(file, "{after}")?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_place_is_found_again_and_one_that_cannot_be_read_is_none() {
        let data = tempfile::tempdir().unwrap();
        let places = Places::of(data.path());
        let address: Address = "https://shop.example/hooks".parse().unwrap();
        let other: Address = "https://shop.example/others".parse().unwrap();
        assert!(!places.exist().unwrap() && !places.has(&address).unwrap());
        let [first, next]: [EventId; 2] = ["2-7", "2-9"].map(|id| id.parse().unwrap());
        places.begin(&address, first).unwrap();
        assert!(places.exist().unwrap() && places.has(&address).unwrap());
        assert!(!places.has(&other).unwrap() && places.open(&other).is_err());

        let mut place = places.open(&address).unwrap();
        assert_eq!((place.after(), place.unsaved()), (Some(first), None));
        place.pass(next);
        let (path, after) = place.unsaved().unwrap();
        store(&path, after).unwrap();
        place.saved(after);
        assert_eq!(place.unsaved(), None);
        assert_eq!(places.open(&address).unwrap().after(), Some(next));
        assert_eq!(fs::read_dir(data.path().join(FOLDER)).unwrap().count(), 1);

        let copy = tempfile::tempdir().unwrap();
        StoredPlaces::read(copy.path()).unwrap().store(copy.path()).unwrap();
        assert!(!Places::of(copy.path()).exist().unwrap(), "none makes none");
        fs::write(path.with_extension("new"), "9-9").unwrap();
        StoredPlaces::read(data.path()).unwrap().store(copy.path()).unwrap();
        assert_eq!(Places::of(copy.path()).open(&address).unwrap().after(), Some(next));
        assert_eq!(fs::read_dir(copy.path().join(FOLDER)).unwrap().count(), 1);

        for made in [path.as_path(), &places.folder()] {
            let mode = fs::metadata(made).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} is its owner's only", made.display());
        }
        for text in ["", "2", "2-09", "\u{fe}"] {
            fs::write(&path, text).unwrap();
            assert_eq!(places.open(&address).unwrap().after(), None, "{text}");
        }
    }
}
