//! When an extent counts as written.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::clouds::Cloud;
use super::scatter::Seat;
use crate::cloud_set::domain::DomainKind;
use crate::cloud_set::policy::Policy;
use crate::placement::acknowledged;
use crate::plant::{Bug, planted};

/// The acknowledgement rule of one extent.
#[derive(Clone, Debug)]
pub struct Rule {
    k: u16,
    quorum: u16,
    /// The most fragments of one domain, by kind.
    pub(super) spread: BTreeMap<DomainKind, u16>,
}

impl Rule {
    /// The rule of a policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Rule {
        Rule {
            k: policy.k,
            quorum: policy.quorum - u16::from(planted(Bug::AcknowledgeBelowQuorum)),
            spread: policy.spread.clone(),
        }
    }

    /// At least `quorum` fragments, and k without the fullest domain of each kind that `spread` names.
    #[must_use]
    pub fn new(k: u16, quorum: u16, spread: BTreeMap<DomainKind, u16>) -> Rule {
        Rule { k, quorum, spread }
    }

    pub(super) fn holds(&self, now: &[Seat], seats: &[Arc<Cloud>]) -> bool {
        let confirmed = now.iter().zip(seats).filter(|(seat, _)| **seat == Seat::Confirmed);
        let domains: Vec<_> = confirmed.map(|(_, cloud)| &cloud.domains).collect();
        acknowledged(&domains, self.k, self.quorum, &self.spread)
    }

    /// True if these clouds together satisfy the rule.
    #[must_use]
    pub fn holds_on<'a>(&self, clouds: impl Iterator<Item = &'a Arc<Cloud>>) -> bool {
        let domains: Vec<_> = clouds.map(|cloud| &cloud.domains).collect();
        acknowledged(&domains, self.k, self.quorum, &self.spread)
    }
}
