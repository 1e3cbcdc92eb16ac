//! Why a put, get or removal did not do what was asked, and what is so now.

use crate::catalog::CatalogError;
use crate::placement::PlacementError;
use crate::provider::ProviderError;

/// What the caller can do about a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Mend what was asked for; nothing was touched.
    Input,
    /// There is no such object.
    NotFound,
    /// Too few providers answer; try again when they do.
    Unreachable,
    /// Fewer than k sound fragments exist: it cannot be read now.
    Lost,
    /// Nobody knows yet whether the new or the old version is the object.
    Unknown,
    /// The catalog is older than the clouds, or another writer is at work.
    Fenced,
    /// RAIC's own trouble: the machine, the catalog, a broken invariant.
    Own,
}

/// The failure of one verb on one object.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The name can't be an object's.
    #[error("object name {name:?}: {why}")]
    Name {
        /// The name as given, cut if very long.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The range lies outside the object.
    #[error("bytes {from}..{to} of {name}: it has {len} bytes")]
    Range {
        /// The object.
        name: String,
        /// First byte asked for.
        from: u64,
        /// The byte after the last.
        to: u64,
        /// The object's length.
        len: u64,
    },
    /// No such object.
    #[error("{name}: no such object")]
    NotFound {
        /// The object.
        name: String,
    },
    /// The condition of a put or change did not hold; the object is as it was.
    #[error("{name}: not stored, {found}")]
    Refused {
        /// The object.
        name: String,
        /// What was found instead.
        found: String,
    },
    /// The policy finds no place for n fragments.
    #[error("policy {policy}: {source}")]
    Placement {
        /// The policy.
        policy: String,
        /// Why.
        source: PlacementError,
    },
    /// Too few fragments were confirmed. The object is as it was before.
    #[error("put {name}: not stored: {confirmed} of {n} fragments were confirmed, the policy asks for {quorum}")]
    NotStored {
        /// The object.
        name: String,
        /// Fragments confirmed of the extent that failed.
        confirmed: u16,
        /// Fragments of the extent.
        n: u16,
        /// What the acknowledgement rule asks for.
        quorum: u16,
        /// What the providers said.
        causes: Vec<ProviderError>,
    },
    /// Too few fragments were confirmed, and the annulment could not be confirmed either.
    #[error(
        "{name}: outcome unknown: the old or the new version, never a mix; {confirmed} of {n} fragments were confirmed"
    )]
    OutcomeUnknown {
        /// The object.
        name: String,
        /// Fragments confirmed.
        confirmed: u16,
        /// Fragments of the extent.
        n: u16,
        /// What the providers said.
        causes: Vec<ProviderError>,
        /// What went wrong on this machine, if it was that.
        why: Option<String>,
    },
    /// Fewer than k fragments could be read, but others may still be there.
    #[error("{name}: extent {ordinal} needs {k} fragments, {good} could be read and {unanswered} are out of reach")]
    Unreachable {
        /// The object.
        name: String,
        /// Which of its extents, from 0.
        ordinal: usize,
        /// Chunks needed.
        k: u16,
        /// Good ones of the worst stripe.
        good: u16,
        /// Fragments whose providers gave no answer.
        unanswered: u16,
        /// What the providers said.
        causes: Vec<ProviderError>,
    },
    /// Fewer than k sound fragments exist.
    #[error("{name}: extent {ordinal} needs {k} fragments, only {good} sound ones exist")]
    Lost {
        /// The object.
        name: String,
        /// Which of its extents, from 0.
        ordinal: usize,
        /// Chunks needed.
        k: u16,
        /// Good ones of the worst stripe.
        good: u16,
    },
    /// The clouds know an epoch that the catalog does not.
    #[error(
        "the catalog knows epoch {known}, but provider {provider} holds a record of epoch {found}: an old catalog was restored, or another machine writes to this set"
    )]
    Stale {
        /// The newest that the catalog knows.
        known: u64,
        /// What was found.
        found: u64,
        /// Where.
        provider: String,
    },
    /// Fewer than a majority of the members answered, so no epoch can be claimed.
    #[error("{answered} of {members} providers answered; to write, more than half have to")]
    NoMajority {
        /// Members that confirmed.
        answered: usize,
        /// All members.
        members: usize,
        /// What the providers said.
        causes: Vec<ProviderError>,
    },
    /// No provider that answers keeps a membership of this set, so nothing can be rebuilt.
    #[error("no provider that answers belongs to this cloud set: {} empty, {} without an answer", .empty.len(), .causes.len())]
    NoMembership {
        /// Providers that hold nothing of any set, by name.
        empty: Vec<String>,
        /// Why others gave no answer.
        causes: Vec<ProviderError>,
    },
    /// So few providers answer that a whole version could be hidden.
    #[error(
        "{answered} of {members} providers could be listed; with so few, newer versions and removals could be hidden"
    )]
    Blind {
        /// Members that were listed whole.
        answered: usize,
        /// All members.
        members: usize,
        /// Why the others were not.
        causes: Vec<ProviderError>,
    },
    /// A rebuild found a version that may be the object; too few providers answered to tell.
    #[error("{name}: after a rebuild it is not known yet which version counts: too few of its providers answered")]
    Waiting {
        /// The object.
        name: String,
    },
    /// A provider's root belongs to another set.
    #[error("provider {provider} holds the data of another cloud set ({found}); this one is {wanted}")]
    Foreign {
        /// The provider.
        provider: String,
        /// The set there.
        found: String,
        /// The set of the key.
        wanted: String,
    },
    /// The provider already belongs to this set, but the catalog doesn't know it.
    #[error("provider {provider} already belongs to this cloud set, but the catalog does not know it")]
    Unknown {
        /// The provider.
        provider: String,
    },
    /// No member of the set has this name.
    #[error("provider {provider} is not a member of this cloud set")]
    NoMember {
        /// The name as given.
        provider: String,
    },
    /// The bytes to store could not be read.
    #[error("{name}: the source cannot be read: {source}")]
    Source {
        /// The object.
        name: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The bytes that were coded did not verify: a fault of this machine.
    #[error("{name}: the coded bytes do not verify; this machine's memory or processor is at fault, nothing was sent")]
    Miscoded {
        /// The object.
        name: String,
    },
    /// What was read is authentic but makes no sense, e.g. a manifest that does not parse.
    #[error("{name}: {what}")]
    Inconsistent {
        /// The object.
        name: String,
        /// What was found.
        what: String,
    },
}

impl StoreError {
    /// The same failure of a put, where nobody knows whether it counts all the same.
    pub(super) fn of_unknown_outcome(mut self, name: &str, n: u16) -> StoreError {
        let (confirmed, causes, why) = match self {
            StoreError::NotStored { confirmed, causes, .. } => (confirmed, causes, None),
            StoreError::NoMajority { ref mut causes, .. } => {
                let causes = std::mem::take(causes);
                (n, causes, Some(self.to_string()))
            }
            other => (n, Vec::new(), Some(other.to_string())),
        };
        StoreError::OutcomeUnknown {
            name: name.to_owned(),
            confirmed,
            n,
            causes,
            why,
        }
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            StoreError::Name { .. }
            | StoreError::Range { .. }
            | StoreError::Placement { .. }
            | StoreError::NoMember { .. } => Kind::Input,
            StoreError::NotFound { .. } => Kind::NotFound,
            StoreError::NotStored { .. }
            | StoreError::Unreachable { .. }
            | StoreError::NoMajority { .. }
            | StoreError::NoMembership { .. }
            | StoreError::Blind { .. }
            | StoreError::Waiting { .. } => Kind::Unreachable,
            StoreError::Lost { .. } => Kind::Lost,
            StoreError::OutcomeUnknown { .. } => Kind::Unknown,
            StoreError::Stale { .. } | StoreError::Foreign { .. } | StoreError::Unknown { .. } => Kind::Fenced,
            StoreError::Refused { .. }
            | StoreError::Source { .. }
            | StoreError::Catalog(_)
            | StoreError::Miscoded { .. }
            | StoreError::Inconsistent { .. } => Kind::Own,
        }
    }
}
