//! Atomics, mutex and condition variable: the machine's, or the model checker's.
//!
//! Only files with a model import from here. Built with `--cfg jangteo_loom`, the same code runs
//! under loom, which tries every interleaving and every reordering the memory model allows.

#[cfg(not(jangteo_loom))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

    pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
}

#[cfg(jangteo_loom)]
mod real {
    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

    /// Loom's mutex behind parking_lot's signature.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("a model that panics has failed already")
        }
    }

    /// Loom's condition variable behind parking_lot's signature.
    #[derive(Debug, Default)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(loom::sync::Condvar::new())
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }

        /// Waits with the guard taken out and put back, as parking_lot does in place.
        pub(crate) fn wait_owned<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(guard).expect("a model that panics has failed already")
        }
    }
}

pub(crate) use real::*;

/// Waits on `condvar`; the guard is given back locked again.
#[cfg(not(jangteo_loom))]
pub(crate) fn wait_on<'a, T>(condvar: &Condvar, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(&mut guard);
    guard
}

/// Waits on `condvar`; the guard is given back locked again.
#[cfg(jangteo_loom)]
pub(crate) fn wait_on<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait_owned(guard)
}
