//! Files that hold a secret: read only where not everybody may.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::limits::SECRET_FILE_BYTES_MAX;

/// The permission of everybody to read, write or execute a file.
const OTHERS: u32 = 0o007;

/// Reads a file that only its owner and its group may read.
///
/// # Errors
/// It cannot be read, others may read or change it, or it is too long to be one. The text names the
/// file and repeats nothing of it.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let named = |why: &dyn Display| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(|error| named(&error))?;
    let mode = file.metadata().map_err(|error| named(&error))?.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(named(&"everybody may read or change it: take that away (chmod o=)"));
    }
    let mut bytes = Vec::new();
    let read = file.take(SECRET_FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| named(&error))?;
    if SECRET_FILE_BYTES_MAX < bytes.len() as u64 {
        return Err(named(&"is too long for a secret"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn a_file_that_everybody_may_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hush").unwrap();
        for (mode, fine) in [
            (0o400, true),
            (0o600, true),
            (0o640, true),
            (0o644, false),
            (0o602, false),
            (0o604, false),
        ] {
            std::fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            let read = read(file.path());
            assert_eq!(read.is_ok(), fine, "{mode:o}: {read:?}");
            assert!(read.is_ok_and(|bytes| bytes == b"hush") || !fine);
        }
    }

    #[test]
    fn a_file_that_is_missing_or_no_secret_is_named() {
        let missing = read(Path::new("none/of/this")).unwrap_err();
        assert!(missing.starts_with("none/of/this: "), "{missing}");
        let file = tempfile::NamedTempFile::new().unwrap();
        for (bytes, fine) in [(SECRET_FILE_BYTES_MAX, true), (SECRET_FILE_BYTES_MAX + 1, false)] {
            std::fs::write(file.path(), vec![b'x'; usize::try_from(bytes).unwrap()]).unwrap();
            assert_eq!(read(file.path()).is_ok(), fine, "{bytes}");
        }
    }
}
