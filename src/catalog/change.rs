//! A change of the catalog as a value: each writing verb with its arguments. What the journal keeps, and what a replay makes again.
//!
//! Times and ids are arguments of every verb, so the same changes, made in the same order on the same catalog, end in the same catalog.
//! Pins and probes are no changes: what they say is of this machine and this day.

use super::ledger::{Advisory, Entry};
use super::record::{Commit, EpochRow, Found, Fragment, Intent, Member, Waiting};
use super::wire::numbered;
use crate::fragment::id::{ExtentId, Generation, WriterId};

#[cfg(doc)]
use super::{Catalog, ledger::Ledger};

numbered! {
    /// One writing verb that changed something. The numbers are the format's.
    #[derive(Clone, Debug, PartialEq)]
    pub enum Change {
        /// [`Catalog::claim_epoch`]
        1 ClaimEpoch {
            /// The epoch.
            epoch: u64,
            /// Whose it is.
            writer: WriterId,
        },
        /// [`Catalog::intend`]
        2 Intend {
            /// Its argument.
            intent: Intent,
        },
        /// [`Catalog::commit`]
        3 Commit {
            /// Its argument.
            commit: Commit,
        },
        /// [`Catalog::close`]
        4 Close {
            /// What is closed.
            generation: Generation,
            /// When its fragments may be deleted.
            doom_at: i64,
        },
        /// [`Catalog::settle_void`]
        5 SettleVoid {
            /// What is annulled.
            generation: Generation,
            /// By which void.
            void: ExtentId,
            /// Its fragments.
            fragments: Vec<Fragment>,
        },
        /// [`Catalog::mark`]
        6 Mark {
            /// With their new states.
            fragments: Vec<Fragment>,
        },
        /// [`Catalog::begin_move`]
        7 BeginMove {
            /// The new copy.
            fragment: Fragment,
        },
        /// [`Catalog::finish_move`]
        8 FinishMove {
            /// The new copy.
            fragment: Fragment,
            /// When the others may be deleted.
            doom_at: i64,
        },
        /// [`Catalog::deleted`]
        9 Deleted {
            /// What is gone.
            fragments: Vec<Fragment>,
        },
        /// [`Catalog::postpone`]
        10 Postpone {
            /// What could not be deleted.
            fragments: Vec<Fragment>,
            /// When to try again.
            again_at: i64,
        },
        /// [`Catalog::set_members`]
        11 SetMembers {
            /// The membership version.
            version: u64,
            /// All members ever.
            members: Vec<Member>,
        },
        /// [`Catalog::adopt`]
        12 Adopt {
            /// What was found.
            found: Vec<Found>,
            /// When replaced extents retire.
            now: i64,
        },
        /// [`Catalog::await_providers`]
        13 AwaitProviders {
            /// What was found.
            waiting: Vec<Waiting>,
        },
        /// [`Catalog::learn_epochs`]
        14 LearnEpochs {
            /// What was found.
            epochs: Vec<EpochRow>,
        },
        /// [`Ledger::enter`]
        15 Enter {
            /// In their order.
            entries: Vec<Entry>,
        },
        /// [`Ledger::advise`]
        16 Advise {
            /// What a client said.
            advisory: Advisory,
            /// How many are kept.
            most: u64,
        },
    }
}
