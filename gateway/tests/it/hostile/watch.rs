//! What the process takes, as the system sees it.

use std::time::{Duration, Instant};

use crate::process::Served;

/// Memory in bytes, and open descriptors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    pub(super) memory: u64,
    pub(super) descriptors: u64,
}

/// The most that was seen so far.
pub(super) struct Most<'s> {
    served: &'s Served,
    most: Watched,
    /// How often descriptors are counted.
    every: Duration,
}

const LOOK: Duration = Duration::from_millis(100);

impl Watched {
    fn look(served: &Served) -> Self {
        let descriptors = format!("/proc/{}/fd", served.child.id());
        let descriptors = std::fs::read_dir(descriptors).unwrap().count();
        Self { memory: memory(served), descriptors: u64::try_from(descriptors).unwrap() }
    }

    /// Once no more connections go: the fewest descriptors in a while.
    pub(super) async fn settled(served: &Served, patience: Duration) -> Self {
        let mut last = Self::look(served);
        let (mut since, begun) = (Instant::now(), Instant::now());
        while since.elapsed() < Duration::from_secs(2) && begun.elapsed() < patience {
            tokio::time::sleep(LOOK).await;
            let now = Self::look(served);
            if now.descriptors != last.descriptors {
                since = Instant::now();
            }
            last = now;
        }
        last
    }

    /// Descriptors are counted only `every` so often: counting thousands stops the process that is
    /// looked at, and the good client with it.
    pub(super) fn most<'s>(&self, served: &'s Served, every: Duration) -> Most<'s> {
        Most { served, most: *self, every }
    }

    /// Waits until there are no more descriptors than these.
    pub(super) async fn until_gone(&self, served: &Served, patience: Duration) -> Self {
        let begun = Instant::now();
        loop {
            let now = Self::look(served);
            if now.descriptors <= self.descriptors || patience < begun.elapsed() {
                return now;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Most<'_> {
    /// What came of `what`, and the most that was seen meanwhile.
    pub(super) async fn during<T>(mut self, what: impl Future<Output = T>) -> (T, Watched) {
        let mut what = std::pin::pin!(what);
        let mut counted = Instant::now();
        loop {
            tokio::select! {
                done = &mut what => return (done, self.most),
                () = tokio::time::sleep(LOOK) => {
                    self.most.memory = self.most.memory.max(memory(self.served));
                }
            }
            if self.every < counted.elapsed() {
                counted = Instant::now();
                let now = Watched::look(self.served).descriptors;
                self.most.descriptors = self.most.descriptors.max(now);
            }
        }
    }
}

/// The resident set, in bytes.
fn memory(served: &Served) -> u64 {
    let pages = std::fs::read_to_string(format!("/proc/{}/statm", served.child.id())).unwrap();
    let pages: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * u64::try_from(rustix::param::page_size()).unwrap()
}
