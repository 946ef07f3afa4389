//! How many files and connections the process may have open.

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Takes as many descriptors as the system lets this process have.
pub(super) fn raise() -> Result<(), Errno> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)
}

/// How many there may be; none: there is no limit.
pub(super) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}
