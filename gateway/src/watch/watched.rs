//! One watched drop: its newest state, and the watchers that wait for the next.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::OwnedSemaphorePermit;

use super::shown::{Form, Shown};
use crate::limits::WATCHERS_WOKEN;

/// See the module.
#[derive(Debug)]
pub(super) struct Watched(Mutex<State>);

#[derive(Debug)]
struct State {
    /// None once there will be nothing more.
    newest: Option<Arc<Shown>>,
    /// How often the watchers were told that the stream lives.
    beats: u64,
    /// A seat has the waker of its watcher while that one waits.
    seats: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Watched {
    pub(super) fn new(first: Shown) -> Self {
        let newest = Some(Arc::new(first));
        Self(Mutex::new(State { newest, beats: 0, seats: Vec::new(), free: Vec::new() }))
    }

    /// Takes a seat, for as long as `room` is given.
    pub(super) fn watch(self: &Arc<Self>, room: OwnedSemaphorePermit) -> Watch {
        let mut state = self.0.lock();
        let seat = state.free.pop().unwrap_or_else(|| {
            state.seats.push(None);
            state.seats.len() - 1
        });
        let beats = state.beats;
        Watch { watched: Arc::clone(self), seat, seen: 0, beats, _room: room }
    }

    /// What is shown; none once it has ended.
    pub(super) fn newest(&self) -> Option<Arc<Shown>> {
        self.0.lock().newest.clone()
    }

    /// Whether there will be more.
    pub(super) fn lives(&self) -> bool {
        self.0.lock().newest.is_some()
    }

    /// Shows something else. The watchers are still to be woken.
    pub(super) fn show(&self, shown: Shown) {
        let before = self.0.lock().newest.replace(Arc::new(shown));
        drop(before); // after the lock
    }

    /// Tells the watchers that the stream lives. They are still to be woken.
    pub(super) fn beat(&self) {
        self.0.lock().beats += 1;
    }

    /// Ends every watcher's stream.
    pub(super) fn end(&self) {
        self.0.lock().newest = None;
        let mut next = Some(0);
        while let Some(seat) = next {
            next = self.wake(seat);
        }
    }

    /// Wakes the next few watchers that wait, from a seat on; where to go on if there may be more.
    pub(super) fn wake(&self, from: usize) -> Option<usize> {
        let mut wakers: SmallVec<[Waker; WATCHERS_WOKEN]> = SmallVec::new();
        let mut next = None;
        for (seat, place) in self.0.lock().seats.iter_mut().enumerate().skip(from) {
            wakers.extend(place.take());
            if wakers.len() == WATCHERS_WOKEN {
                next = Some(seat + 1);
                break;
            }
        }
        wakers.into_iter().for_each(Waker::wake); // without the lock
        next
    }
}

/// One watcher of a drop.
#[derive(Debug)]
pub(crate) struct Watch {
    watched: Arc<Watched>,
    seat: usize,
    /// The number that was taken last.
    seen: u64,
    beats: u64,
    _room: OwnedSemaphorePermit,
}

impl Watch {
    /// What is new since the last time, at first everything; none once there will be nothing more.
    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<Option<News>> {
        let mut state = self.watched.0.lock();
        let Some(newest) = &state.newest else { return Poll::Ready(None) };
        let (seen, beat) = (self.seen, self.beats < state.beats);
        if seen < newest.number() || beat {
            let shown = Arc::clone(newest);
            (self.seen, self.beats) = (shown.number(), state.beats);
            return Poll::Ready(Some(News { shown, seen, beat }));
        }
        let place = state.seats.get_mut(self.seat).expect("a watcher has its seat");
        let before = place.replace(context.waker().clone());
        drop(state);
        drop(before); // after the lock: it may be the last owner of anything
        Poll::Pending
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.watched.0.lock();
        let waker = state.seats.get_mut(self.seat).and_then(Option::take);
        state.free.push(self.seat);
        drop(state);
        drop(waker); // after the lock: it may be the last owner of anything
    }
}

/// What is new to one watcher.
#[derive(Debug)]
pub(crate) struct News {
    shown: Arc<Shown>,
    seen: u64,
    beat: bool,
}

/// Says that a stream of events lives; a subscription needs no such thing.
const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");
const HEARTBEAT_CHUNK: Bytes = Bytes::from_static(b"3\r\n:\n\n\r\n");

impl News {
    /// What is to be sent, piece by piece; all watchers share the bytes.
    pub(crate) fn frames(&self, form: Form) -> impl Iterator<Item = Bytes> {
        let beat = match form {
            Form::Sse => Some(HEARTBEAT),
            Form::Chunk => Some(HEARTBEAT_CHUNK),
            Form::Resp2 | Form::Resp3 => None,
        };
        self.shown.since(self.seen, form).chain(beat.filter(|_| self.beat))
    }
}
