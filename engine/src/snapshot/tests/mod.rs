//! Snapshots against journals of random work, against flipped bits, and against crashes.

mod crashes;
mod flips;
mod format;
mod medium;
mod work;

use super::load::Loaded;
use super::make::replay_to;
use super::pace::Pace;
use super::section::Sink;
use super::write::write;
use super::{compare, newest};
use crate::journal::Storage;
use crate::journal::recover::{Origin, vouched_beside};

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// The state, every field of it, that a start on `storage` finds: with its snapshots, or from the
/// whole journal.
fn state(storage: &dyn Storage, with_snapshots: bool) -> (Origin, Vec<u8>) {
    let vouched = vouched_beside(storage, Origin::default()).unwrap();
    state_at(storage, vouched, with_snapshots)
}

fn state_at(storage: &dyn Storage, vouched: u64, with_snapshots: bool) -> (Origin, Vec<u8>) {
    let from = if with_snapshots { newest(storage).unwrap() } else { Loaded::default() };
    let (replay, origin) = replay_to(storage, from, vouched, &Pace::FULL).unwrap();
    let mut bytes = Vec::new();
    write(&mut bytes, origin, &replay).unwrap();
    (origin, bytes)
}

/// However it is read, the directory comes to the same.
fn assert_same_state(storage: &dyn Storage, what: &str) {
    // An engine may be writing its next marker.
    let vouched = vouched_beside(storage, Origin::default()).unwrap();
    let [whole, shortened] = [false, true].map(|with| state_at(storage, vouched, with));
    assert_eq!(whole.0, shortened.0, "{what}");
    let differs = whole.1.iter().zip(&shortened.1).position(|(a, b)| a != b);
    assert!(whole.1 == shortened.1, "{what}: differs at {differs:?}");
    let compared = compare(storage).unwrap();
    assert_eq!(compared.wrong, [], "{what}");
}
