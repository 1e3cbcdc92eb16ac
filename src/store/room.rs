//! Quotas: what each provider may hold, and what it does.
//!
//! Counted from the catalog's rows before the first write, and from then on with every fragment that is confirmed or deleted. A fragment that would
//! pass the quota isn't sent: placement passes the provider over, and where nobody can stand in, the seat counts as refused. Removals, annulments,
//! epochs and the catalog's own copies always go: without them nothing could be deleted from a full set.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::catalog::record::Extent;
use crate::fragment::id::Kind;

/// What one provider may hold.
#[derive(Debug)]
pub(super) struct Room {
    quota: u64,
    held: AtomicU64,
}

impl Room {
    /// Notes how much is there.
    pub(super) fn count(&self, held: u64) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// Bytes that it may hold.
    pub(super) fn quota(&self) -> u64 {
        self.quota
    }

    /// True if so many bytes more may be sent.
    pub(super) fn fits(&self, len: u64) -> bool {
        self.held.load(Ordering::Relaxed).saturating_add(len) <= self.quota
    }

    /// Takes so many bytes; false, and nothing is taken, if that were more than the quota.
    pub(super) fn take(&self, len: u64) -> bool {
        let more = |held: u64| held.checked_add(len).filter(|held| *held <= self.quota);
        self.held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    /// Takes so many bytes, whatever the quota says.
    pub(super) fn exceed(&self, len: u64) {
        self.held.fetch_add(len, Ordering::Relaxed);
    }

    /// Gives back what was deleted, or didn't arrive.
    pub(super) fn give(&self, len: u64) {
        let less = |held: u64| Some(held.saturating_sub(len));
        let _ = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// The rooms of the providers that have a quota, by name.
pub(super) fn rooms(quotas: &BTreeMap<String, u64>) -> BTreeMap<String, Arc<Room>> {
    let room = |quota: u64| Room {
        quota,
        held: AtomicU64::new(0),
    };
    quotas
        .iter()
        .map(|(name, quota)| (name.clone(), Arc::new(room(*quota))))
        .collect()
}

/// Whether a quota is kept by this kind of fragment.
pub(super) fn keeps_quota(kind: Kind) -> bool {
    matches!(kind, Kind::RootData | Kind::RootManifest | Kind::Part | Kind::Pack)
}

/// The room that a fragment of this extent asks for.
pub(super) fn room_for(extent: &Extent) -> u64 {
    if keeps_quota(extent.kind) {
        extent.shape.fragment_len(extent.header_len)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_and_given_back_is_there_again_and_no_more() {
        let all = rooms(&BTreeMap::from([("a".to_owned(), 100)]));
        let room = &all["a"];
        room.count(40);
        assert!(room.fits(60) && !room.fits(61) && !room.fits(u64::MAX));
        assert!(room.take(60) && !room.take(1), "it is full to the byte");
        room.exceed(5);
        room.give(10);
        assert!(room.take(5) && !room.take(1));
        room.give(u64::MAX);
        assert!(room.take(100), "more than there is can't be given back");
    }
}
