//! Atomics, mutex and condition variable: the machine's, or a model checker's.
//!
//! Only files with a model import from here. Built with `--cfg jangteo_loom`, the same code runs
//! under loom, which tries every interleaving and every reordering the memory model allows, of two
//! threads. Built with `--cfg jangteo_shuttle`, it runs under shuttle, which draws interleavings of
//! many tasks.

#[cfg(not(any(jangteo_loom, jangteo_shuttle)))]
mod real {
    use std::time::Duration;

    pub(crate) use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

    pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};

    /// Waits on `condvar`; the guard is given back locked again.
    pub(crate) fn wait_on<'a, T>(
        condvar: &Condvar,
        mut guard: MutexGuard<'a, T>,
    ) -> MutexGuard<'a, T> {
        condvar.wait(&mut guard);
        guard
    }

    /// Likewise, but no longer than `most`. `guard` is of `_mutex`.
    pub(crate) fn wait_at_most<'a, T>(
        condvar: &Condvar,
        _mutex: &'a Mutex<T>,
        mut guard: MutexGuard<'a, T>,
        most: Duration,
    ) -> MutexGuard<'a, T> {
        condvar.wait_for(&mut guard, most);
        guard
    }
}

#[cfg(any(jangteo_loom, jangteo_shuttle))]
mod real {
    use std::time::Duration;

    #[cfg(jangteo_loom)]
    use loom::{sync, thread};
    #[cfg(jangteo_shuttle)]
    use shuttle::{sync, thread};

    pub(crate) use sync::MutexGuard;
    pub(crate) use sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

    /// The checker's mutex behind parking_lot's signature.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("a model that panics has failed already")
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    /// The checker's condition variable behind parking_lot's signature.
    #[derive(Debug)]
    pub(crate) struct Condvar(sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(sync::Condvar::new())
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    /// Waits on `condvar`; the guard is given back locked again.
    pub(crate) fn wait_on<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        condvar.0.wait(guard).expect("a model that panics has failed already")
    }

    /// Time is whatever the checker likes: the wait may end at once.
    pub(crate) fn wait_at_most<'a, T>(
        _condvar: &Condvar,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        _most: Duration,
    ) -> MutexGuard<'a, T> {
        drop(guard);
        thread::yield_now();
        mutex.lock()
    }
}

pub(crate) use real::*;
