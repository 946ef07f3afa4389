//! Snapshots against journals of random work, against flipped bits, and against crashes.

mod crashes;
mod flips;
mod format;
mod medium;
mod work;

use std::io;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::load::Loaded;
use super::make::replay_to;
use super::pace::{Asker, Pace};
use super::section::{FileSink, Sink};
use super::write::write;
use super::{compare, newest};
use crate::housekeeping::Stop;
use crate::journal::beside::vouched_beside;
use crate::journal::recover::Origin;
use crate::journal::{Storage, StorageFile};

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
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
    write(&mut bytes, origin, &replay, &mut |_, _| ()).unwrap();
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

/// How long a flush takes here.
const FLUSH: Duration = Duration::from_micros(100);

/// Notes how many bytes are written between two flushes.
#[derive(Debug, Default)]
struct Slices(Mutex<Vec<usize>>);

impl StorageFile for Slices {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, bytes: &[u8], _: u64) -> io::Result<usize> {
        *self.0.lock().last_mut().unwrap() += bytes.len();
        Ok(bytes.len())
    }

    fn sync(&self) -> io::Result<()> {
        thread::sleep(FLUSH);
        self.0.lock().push(0);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(0)
    }
}

/// Notes how long it is asked to pause, and pauses not at all.
#[derive(Default)]
struct Pauses(Mutex<Duration>);

impl Asker for Pauses {
    fn pause(&self, pause: Duration) {
        *self.0.lock() += pause;
    }
}

#[test]
fn an_engine_that_ends_does_not_wait_for_a_pause() {
    let stop = Stop::default();
    stop.stop();
    stop.pause(Duration::from_hours(24));
    let refused = Pace::gentle(&stop).go_on().map_err(|error| error.kind());
    assert_eq!(refused, Err(io::ErrorKind::Interrupted));
}

#[test]
fn slices_are_short_and_far_between_beside_an_engine() {
    let slices = |pace: &Pace<'_>| {
        let file = Slices(Mutex::new(vec![0]));
        FileSink::new(&file, pace).put(&[0; 1 << 20]).unwrap();
        file.0.into_inner()
    };
    assert_eq!(slices(&Pace::FULL), [1 << 20], "written at once, and flushed later");
    let pauses = Pauses::default();
    assert_eq!(slices(&Pace::gentle(&pauses))[..8], [1 << 17; 8]);
    let paused = pauses.0.into_inner();
    assert!(paused >= 199 * 8 * FLUSH, "half a percent of the disk's time at most: {paused:?}");
}
