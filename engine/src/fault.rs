//! Deliberate faults, so that the harness can show that it would notice them.
//!
//! Compiled in only with the feature `planted-faults`; without it `planted` is `false` at compile
//! time and nothing of this is left. `docs/invariants.md` says which check catches which fault.

/// A way to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Fault {
    /// None.
    None,
    /// Stock is looked at, then taken as two steps.
    CheckThenTake,
    /// A refused basket keeps what it took.
    LostGiveBack,
    /// A basket does not mark what it takes.
    NoUndecidedMark,
    /// Short and undecided is answered as sold out.
    NoSecondLook,
    /// A released hold's units are put back before its record is appended.
    GiveBackBeforeLog,
    /// A customer may have one unit more than the limit.
    LimitOffByOne,
    /// A key is not looked up.
    KeyForgotten,
    /// Who is granted something stays a stranger.
    KnownForgotten,
    /// The filter of who may be known is called complete after the first shard.
    FilterOfOneShard,
    /// A key matches whatever the request under it.
    KeyNotCompared,
    /// Holds expire a second early.
    EarlyExpiry,
    /// A released hold's units are put back twice.
    FreedTwice,
    /// A released hold's gift does not come back.
    GiftKept,
    /// A hold that was confirmed can still be released.
    ReleaseAfterConfirm,
    /// A grant is acknowledged before it is flushed.
    AcknowledgeBeforeFlush,
    /// A replay is acknowledged before the grant is flushed.
    ReplayBeforeFlush,
    /// A flush says it is done without flushing.
    SkipFlush,
    /// A failed flush is taken for a good one.
    IgnoreFailedFlush,
    /// A grant may be recorded after the drop has closed.
    GrantAfterClose,
    /// A number is looked up before the append, so that two grants can get the same one.
    NumberBeforeAppend,
    /// What was appended during a flush is published with what the flush covered.
    PublishTooFar,
    /// A thread leads although another one does.
    SecondLeader,
    /// Threads that wait for the leader are not woken when he ends.
    LostWake,
    /// The waker of the last record that a flush covers is not called.
    WakerLeftBehind,
    /// A flush that is asked for while the committer flushes is forgotten.
    DemandSwallowed,
    /// A failed write or flush does not latch.
    LatchForgotten,
    /// Recovery trusts what nothing vouches for and does not write it again.
    TrustPageCache,
    /// Recovery cuts the journal at any bad batch.
    TruncateAtCorruption,
    /// A batch that goes on behind damage is taken for a part of the torn tail.
    BatchBehindDamage,
    /// A new segment's name is not made durable.
    SkipDirectorySync,
    /// A start of the engine writes under the epoch of the one before.
    ReuseEpoch,
    /// What recovery writes again is not flushed before answers are given.
    TailNotFlushed,
    /// A batch vouches for one record more than was flushed.
    VouchTooFar,
    /// A write that finds the disk full is taken for a good one.
    FullDiskIsSuccess,
    /// A flush that failed is tried again, and believed.
    RetryFailedFlush,
    /// A batch's checksum covers its first sector only.
    ShortChecksum,
    /// A step of the clock moves deadlines without a record.
    StepNotRecorded,
    /// A live hold gets no more time after a restart than it had left.
    NoGraceAfterRestart,
    /// No journal room is kept back for the end of live holds.
    ReserveForgotten,
    /// Refunded units go on counting for their customer's limit.
    RefundNotFreed,
    /// A refund's name is not looked up.
    RefundForgotten,
    /// Holds expire in a pause.
    PauseIgnored,
    /// The end of a pause moves no deadline.
    PauseNotGivenBack,
    /// Units that are paid for late stay on sale.
    LatePaymentOversells,
    /// A late payment is taken whatever the customer's limit.
    LatePaymentUnlimited,
    /// Units that leave the total stay on sale.
    LoweredStockOnSale,
    /// An order's amount for the ledger is rounded line by line.
    RoundedByLine,
    /// A refund does not take back what its order gave to the ledger.
    RefundKept,
    /// A report from files leaves out orders of which something came back later.
    OrderForgotten,
    /// Who joined the line last is served first.
    LastServedFirst,
    /// Nobody is served behind somebody whom the units do not fit.
    LineBlocked,
    /// Units that come free are left to whoever comes next, in line or not.
    LinePassedBy,
    /// Who leaves the line keeps a place in it.
    PlaceKept,
    /// Units that are waited for do not count for a limit.
    WaitNotCounted,
    /// After a start nobody waits any more.
    LineForgotten,
    /// A place in the line is acknowledged before it is flushed.
    PlaceBeforeFlush,
    /// In a pause a late payment takes what fits somebody in the line.
    LatePaymentPassesBy,
    /// A segment is dropped although a campaign in it goes on.
    OpenCampaignDropped,
    /// A segment is dropped once the newest snapshot stands for it, whatever the one before does.
    OneSnapshotIsEnough,
    /// A dropped segment's name may come back with the loss of power.
    DropNotSynced,
}

#[cfg(feature = "planted-faults")]
mod planting {
    use std::sync::atomic::{AtomicU8, Ordering};

    static PLANTED: AtomicU8 = AtomicU8::new(0);

    /// Makes every engine of this process wrong in one way, until the next call.
    pub fn plant(fault: super::Fault) {
        PLANTED.store(fault as u8, Ordering::Relaxed);
    }

    pub(crate) fn planted(fault: super::Fault) -> bool {
        PLANTED.load(Ordering::Relaxed) == fault as u8
    }
}

#[cfg(feature = "planted-faults")]
pub use planting::plant;
#[cfg(feature = "planted-faults")]
pub(crate) use planting::planted;

/// Whether the engine is to be wrong in this way.
#[cfg(not(feature = "planted-faults"))]
#[inline(always)]
pub(crate) const fn planted(_: Fault) -> bool {
    false
}
