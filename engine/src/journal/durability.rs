//! How much is promised: the three levels of durability.

/// What an acknowledged change survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, of the operating system, and the loss of power: the file is flushed
    /// to the disk before anything is acknowledged.
    #[default]
    Synced,
    /// The end of the process. What the operating system had not yet written is lost with it; the
    /// file is flushed every few megabytes and when idle.
    Buffered,
    /// Nothing: there is no journal.
    Memory,
}

impl Durability {
    /// The word for it on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Buffered => "buffered",
            Self::Memory => "memory",
        }
    }
}

impl std::str::FromStr for Durability {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, &'static str> {
        let all = [Self::Synced, Self::Buffered, Self::Memory];
        all.into_iter().find(|one| one.name() == name).ok_or("one of synced, buffered, memory")
    }
}
