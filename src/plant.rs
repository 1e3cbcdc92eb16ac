//! Bugs that the simulation puts back, one at a time, to show that it would find them. Without the feature `plant` no program has any.

/// A bug, each a mistake that storage systems have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bug {
    /// A put counts with one fragment too few.
    AcknowledgeBelowQuorum,
    /// What fails after the acknowledgement is noted as stored.
    ForgetLateFailures,
    /// A replaced version's blobs go before the new version is committed.
    DeleteBeforeCommit,
    /// Every version's extents have the same ids.
    ReuseBlobKey,
    /// A put that was not stored stays open, to be completed later.
    ReviveARefused,
    /// Repair seats a fragment where another one lies.
    RepairIntoATakenDomain,
    /// A rebuild takes who can't be listed to hold nothing.
    TrustAList,
    /// Frames are used unverified.
    SkipATag,
    /// A put is confirmed whatever length the provider says it stored.
    CountAShortWrite,
    /// A rebuild overlooks annulments.
    ResurrectByRecover,
    /// A rebuild takes any version that can be read.
    AdoptAnyReadable,
    /// A rebuild gives an older version where a newer one can't be read.
    NeverWait,
    /// A rebuild overlooks removals.
    NoTombstone,
    /// A removal counts with one fragment.
    TombstoneAtOne,
    /// A rebuild leaves short what is short.
    NoWriteBack,
    /// A rebuild leaves removals short.
    TombstoneWithoutWriteBack,
    /// An emptied provider counts as ours.
    TrustAnEmptied,
    /// No answer is taken for absence.
    ErrorIsAbsent,
    /// A lower generation replaces a higher one.
    CommitALower,
    /// The root leaves though a part is below the quorum.
    RootBeforeItsParts,
    /// A rebuild doesn't count providers that were declared lost among those that may hide something.
    LostSeatNotCounted,
    /// A fragment made anew has the copy number of the old one.
    ReuseACopyNumber,
    /// Blobs go as soon as nothing holds them.
    DeleteWithoutGrace,
    /// Intents are settled before it is known whether the catalog is the newest.
    SettleOnAnOldCatalog,
    /// Roots leave before the epoch is durable.
    RootBeforeTheEpoch,
    /// A put is refused without annulling its root.
    NoVoid,
    /// An annulment counts whoever holds it.
    VoidBelowQuorum,
    /// A put is acknowledged before its commit is durable.
    VolatileCommit,
    /// A commit of which nobody knows whether it happened is annulled.
    VoidAfterAnUncertainCommit,
    /// A checkpoint of the catalog leaves out what is still open.
    CheckpointForgetsOpenGenerations,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 30] = [
        Bug::AcknowledgeBelowQuorum,
        Bug::ForgetLateFailures,
        Bug::DeleteBeforeCommit,
        Bug::ReuseBlobKey,
        Bug::ReviveARefused,
        Bug::RepairIntoATakenDomain,
        Bug::TrustAList,
        Bug::SkipATag,
        Bug::CountAShortWrite,
        Bug::ResurrectByRecover,
        Bug::AdoptAnyReadable,
        Bug::NeverWait,
        Bug::NoTombstone,
        Bug::TombstoneAtOne,
        Bug::NoWriteBack,
        Bug::TombstoneWithoutWriteBack,
        Bug::TrustAnEmptied,
        Bug::ErrorIsAbsent,
        Bug::CommitALower,
        Bug::RootBeforeItsParts,
        Bug::LostSeatNotCounted,
        Bug::ReuseACopyNumber,
        Bug::DeleteWithoutGrace,
        Bug::SettleOnAnOldCatalog,
        Bug::RootBeforeTheEpoch,
        Bug::NoVoid,
        Bug::VoidBelowQuorum,
        Bug::VolatileCommit,
        Bug::VoidAfterAnUncertainCommit,
        Bug::CheckpointForgetsOpenGenerations,
    ];
}

#[cfg(feature = "plant")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Puts a bug back on this thread, or none.
#[cfg(feature = "plant")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// True if this bug was put back.
#[cfg(feature = "plant")]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// False.
#[cfg(not(feature = "plant"))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}
