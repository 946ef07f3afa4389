//! Single flipped bits of a journal: each is found, and named, or provably changes nothing.

use jangteo::{Error, FileName};

use crate::faulty::FaultyStorage;
use crate::rng::Rng;
use crate::scene::Scene;
use crate::violation::{Violation, require};

/// What became of flipped bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flips {
    /// Bits that were flipped, one at a time.
    pub bits: u64,
    /// The engine refused to start, and named the file and a byte at or before the flip.
    pub found: u64,
    /// The engine started with the same state: the bit lies in bytes that hold nothing, behind the
    /// last batch of a segment, or in the marker at the end, for which nothing vouches.
    pub harmless: u64,
    /// The engine started without the last batch, in which the bit lies and for which nothing
    /// vouches.
    pub torn: u64,
}

impl Flips {
    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            bits: self.bits + other.bits,
            found: self.found + other.found,
            harmless: self.harmless + other.harmless,
            torn: self.torn + other.torn,
        }
    }
}

const SEGMENT_BYTES: u64 = 4 << 10;

/// A file with its length, unless nothing but zeros was written to it.
fn whole(scene: &Scene, name: FileName) -> Option<(FileName, usize)> {
    let bytes = scene.medium.bytes(name).ok()?;
    bytes.iter().any(|&byte| byte != 0).then_some((name, bytes.len()))
}

/// How a journal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In good order, with a marker.
    InOrder,
    /// With the process.
    Killed,
    /// With the process, right after a batch that follows a marker: what vouches for everything
    /// before that batch is vouched for by nothing but the batch.
    KilledBehindMarker,
}

impl End {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::InOrder, Self::Killed, Self::KilledBehindMarker];
}

/// A journal whose bits are flipped.
#[derive(Debug)]
pub struct Journal {
    scene: Scene,
    files: Vec<(FileName, usize)>,
    vouched: bool,
}

impl Journal {
    /// A journal of at least so many bytes of segments that were written to.
    ///
    /// # Errors
    /// What is wrong even without a fault.
    pub fn of(bytes: usize, end: End) -> Result<Self, Violation> {
        let vouched = end == End::InOrder;
        let mut commands = 8;
        loop {
            let scene = Scene::play(1, commands, SEGMENT_BYTES, vouched)?;
            let ends_so = end != End::KilledBehindMarker || scene.last_batch_follows_a_marker();
            let names = scene.medium.list().into_iter();
            let files: Vec<_> = names.filter_map(|name| whole(&scene, name)).collect();
            let length = files.iter().map(|(_, length)| length).sum::<usize>();
            if length >= bytes && ends_so {
                return Ok(Self { scene, files, vouched });
            }
            commands += 4;
        }
    }

    /// How many bits it has.
    #[must_use]
    pub fn bits(&self) -> u64 {
        8 * self.files.iter().map(|(_, length)| *length as u64).sum::<u64>()
    }

    /// Flips bit `bit`.
    ///
    /// # Errors
    /// That it was not found, or changed what was recovered.
    pub fn flip(&self, bit: u64) -> Result<Flips, Violation> {
        let mut rest = usize::try_from(bit).unwrap_or(usize::MAX);
        for &(name, length) in &self.files {
            if rest < 8 * length {
                return self.flip_in(name, rest).map_err(|violation| Violation {
                    text: format!("bit {rest} of {name:?}: {}", violation.text),
                    ..violation
                });
            }
            rest -= 8 * length;
        }
        Ok(Flips::default())
    }

    fn flip_in(&self, name: FileName, bit: usize) -> Result<Flips, Violation> {
        let storage = FaultyStorage::of(self.scene.medium.clone());
        storage.flip(name, bit);
        let whole = self.scene.whole();
        let one = Flips { bits: 1, ..Flips::default() };
        match self.scene.start(&storage, whole.now_ms) {
            Ok(engine) => {
                let Err(violation) = whole.check(&engine) else {
                    return Ok(Flips { harmless: 1, ..one });
                };
                let (file, from, length) = self.scene.last_batch().unwrap_or((name, 0, 0));
                let there = file == name && (from..from + length).contains(&(bit / 8));
                if self.vouched || !there {
                    return Err(violation);
                }
                self.scene.whole().without_last_batch().check(&engine)?;
                Ok(Flips { torn: 1, ..one })
            }
            Err(Error::Corrupt(corruption)) => {
                let named =
                    corruption.file == format!("{name:?}") && corruption.offset <= bit as u64 / 8;
                require(named, "J3", || format!("found, but as {corruption:?}"))?;
                Ok(Flips { found: 1, ..one })
            }
            Err(error) => Err(Violation::of("J3", error.to_string())),
        }
    }

    /// A bit by chance, the same for the same number.
    #[must_use]
    pub fn any(&self, number: u64) -> u64 {
        Rng::stream(number, 3).draw() % self.bits()
    }
}
