//! What is to be shipped next, and what may go: decisions about rows, without I/O.
//!
//! ```text
//! no checkpoint, or its members are not the set's any more, or the changes since aren't kept   ──▶ checkpoint
//! the journal since the checkpoint is long                                                     ──▶ checkpoint
//! changes that no segment has                                                                  ──▶ journal
//! ```
//!
//! The newest checkpoint and the one before stay, with the segments since the older of them: if the newest can't be read, the other still leads to
//! the journal's end.

use crate::catalog::journal::Position;
use crate::catalog::shipment::{Cargo, Shipment, ShipmentState};
use crate::fragment::id::Generation;

/// Bytes of the journal since the checkpoint after which another is taken, unless half a checkpoint is more.
const LONG: u64 = 4 << 20;

/// Segments since the checkpoint after which another is taken: each is read one by one by a rebuild.
const MANY: usize = 256;

/// Changes that are worth a segment of their own when nobody keeps shipping.
const WORTH: u64 = 64;

/// When fewer are worth it all the same: an hour, in nanoseconds.
const LATE: i64 = 3600 * 1_000_000_000;

/// The longest checkpoint that a process sends that is about to end, in bytes.
const CHEAP: u64 = 16 << 20;

/// When it sends a longer one all the same: a week, in nanoseconds.
const STALE: i64 = 7 * 24 * LATE;

/// How much is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// What a process does that is about to end: nothing that is long, nothing for a few changes.
    Cheap,
    /// All that isn't there yet.
    Full,
    /// A checkpoint, whatever is there.
    Checkpoint,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Checkpoint,
    /// The changes after this number.
    Journal {
        after: u64,
    },
}

/// What a decision rests on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// All shipments that are known, the oldest first.
    pub(super) shipments: &'a [Shipment],
    /// Where the catalog stands.
    pub(super) at: Position,
    /// The set's membership version.
    pub(super) membership: u64,
    /// The time of day.
    pub(super) now: i64,
}

impl<'a> Facts<'a> {
    fn safe(self) -> impl DoubleEndedIterator<Item = &'a Shipment> {
        self.shipments.iter().filter(|it| it.state == ShipmentState::Safe)
    }

    fn checkpoints(self) -> impl DoubleEndedIterator<Item = &'a Shipment> {
        self.safe().filter(|it| it.cargo == Cargo::Checkpoint)
    }

    fn segments(self) -> impl DoubleEndedIterator<Item = &'a Shipment> {
        self.safe().filter(|it| it.cargo != Cargo::Checkpoint)
    }

    /// Where the journal on the clouds ends: behind its last segment, or at the checkpoint with which it began.
    pub(super) fn journal_end(self) -> Option<u64> {
        let last = self.segments().map(|it| it.to.number).max();
        last.or_else(|| self.checkpoints().next().map(|it| it.to.number))
    }

    /// What is due with such an effort.
    pub(super) fn due(self, effort: Effort) -> Due {
        let (Some(newest), Some(end)) = (self.checkpoints().next_back(), self.journal_end()) else {
            return Due::Checkpoint;
        };
        let since = self.segments().filter(|it| it.to.number > newest.to.number);
        let (count, bytes) = since.fold((0, 0), |(count, bytes), it| (count + 1, bytes + it.bytes));
        let wanted = newest.membership != self.membership || bytes > LONG.max(newest.bytes / 2) || count >= MANY;
        let cheap = newest.bytes <= CHEAP || self.now.saturating_sub(newest.at) > STALE;
        let new = self.at.number.saturating_sub(end);
        let last = self.safe().map(|it| it.at).max().unwrap_or(i64::MIN);
        let worth = new >= WORTH || new > 0 && self.now.saturating_sub(last) > LATE;
        match effort {
            Effort::Checkpoint => Due::Checkpoint,
            Effort::Full if wanted => Due::Checkpoint,
            Effort::Cheap if wanted && cheap => Due::Checkpoint,
            Effort::Full if new > 0 => Due::Journal { after: end },
            Effort::Cheap if worth => Due::Journal { after: end },
            Effort::Full | Effort::Cheap => Due::Nothing,
        }
    }

    /// What nobody needs any more: whatever was on its way in a process that ended (all but `mine`), checkpoints before the last two, segments that
    /// end before both.
    pub(super) fn dispensable(self, mine: Option<Generation>) -> Vec<Generation> {
        let older = self.checkpoints().rev().nth(1);
        let is_old = |it: &Shipment| match (it.cargo, older) {
            (_, None) => false,
            (Cargo::Checkpoint, Some(older)) => it.generation < older.generation,
            (Cargo::Journal { .. }, Some(older)) => it.to.number <= older.to.number,
        };
        let gone = |it: &&Shipment| match it.state {
            ShipmentState::Leaving => Some(it.generation) != mine,
            ShipmentState::Safe => is_old(it),
            ShipmentState::Going => true,
        };
        self.shipments.iter().filter(gone).map(|it| it.generation).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::shipment::FIRST_SEQUENCE;
    use crate::fragment::id::WriterId;

    fn shipment(number: u64, cargo: Cargo, to: u64, bytes: u64) -> Shipment {
        Shipment {
            generation: Generation {
                epoch: 1,
                sequence: FIRST_SEQUENCE + number,
                writer: WriterId([1; 16]),
            },
            cargo,
            to: Position {
                number: to,
                chain: [0; 32],
            },
            membership: 1,
            at: 0,
            bytes,
            state: ShipmentState::Safe,
            extents: Vec::new(),
        }
    }

    fn facts(shipments: &[Shipment], at: u64) -> Facts<'_> {
        let at = Position {
            number: at,
            chain: [0; 32],
        };
        Facts {
            shipments,
            at,
            membership: 1,
            now: 0,
        }
    }

    const SINCE: fn(u64) -> Cargo = |after| Cargo::Journal { after };

    #[test]
    fn without_a_checkpoint_that_is_safe_one_is_due() {
        assert_eq!(facts(&[], 0).due(Effort::Cheap), Due::Checkpoint);
        let mut leaving = shipment(0, Cargo::Checkpoint, 9, 10);
        leaving.state = ShipmentState::Leaving;
        assert_eq!(facts(&[leaving], 9).due(Effort::Full), Due::Checkpoint);
    }

    #[test]
    fn changes_go_as_segments_without_a_gap_until_they_are_long_or_many() {
        let first = shipment(0, Cargo::Checkpoint, 9, 10);
        let all = [
            first.clone(),
            shipment(1, SINCE(9), 20, 10),
            shipment(2, Cargo::Checkpoint, 25, 10),
        ];
        assert_eq!(
            facts(&all, 26).due(Effort::Full),
            Due::Journal { after: 20 },
            "from the segment's end on, not the checkpoint's"
        );
        assert_eq!(facts(&all, 20).due(Effort::Full), Due::Nothing);
        assert_eq!(facts(std::slice::from_ref(&first), 9).due(Effort::Full), Due::Nothing);
        let long = [first.clone(), shipment(1, SINCE(9), 20, LONG + 1)];
        assert_eq!(facts(&long, 20).due(Effort::Full), Due::Checkpoint);
        let many: Vec<_> = std::iter::once(first.clone())
            .chain((0..MANY as u64).map(|it| shipment(it + 1, SINCE(9 + it), 10 + it, 1)))
            .collect();
        assert_eq!(facts(&many, 400).due(Effort::Full), Due::Checkpoint);
        let other_members = Facts {
            membership: 2,
            ..facts(&all, 20)
        };
        assert_eq!(other_members.due(Effort::Cheap), Due::Checkpoint);
    }

    #[test]
    fn a_process_that_ends_ships_what_is_worth_it() {
        let all = [shipment(0, Cargo::Checkpoint, 9, 10)];
        assert_eq!(facts(&all, 9 + WORTH - 1).due(Effort::Cheap), Due::Nothing);
        assert_eq!(facts(&all, 9 + WORTH).due(Effort::Cheap), Due::Journal { after: 9 });
        let later = Facts {
            now: LATE + 1,
            ..facts(&all, 10)
        };
        assert_eq!(later.due(Effort::Cheap), Due::Journal { after: 9 });
        let big = [shipment(0, Cargo::Checkpoint, 9, CHEAP + 1)];
        let others = Facts {
            membership: 2,
            ..facts(&big, 9)
        };
        assert_eq!(
            (others.due(Effort::Cheap), others.due(Effort::Full)),
            (Due::Nothing, Due::Checkpoint)
        );
    }

    #[test]
    fn the_last_two_checkpoints_stay_with_all_segments_since_the_older() {
        let all = [
            shipment(0, Cargo::Checkpoint, 5, 1),
            shipment(1, SINCE(5), 9, 1),
            shipment(2, Cargo::Checkpoint, 10, 1),
            shipment(3, SINCE(9), 20, 1),
            shipment(4, Cargo::Checkpoint, 30, 1),
            shipment(5, SINCE(20), 40, 1),
        ];
        let gone = |upto: usize| -> Vec<u64> {
            let gone = facts(&all[..upto], 50).dispensable(None);
            gone.into_iter().map(|it| it.sequence - FIRST_SEQUENCE).collect()
        };
        assert_eq!((gone(2), gone(4), gone(6)), (vec![], vec![], vec![0, 1]));
        let mut leaving = shipment(6, SINCE(40), 0, 0);
        leaving.state = ShipmentState::Leaving;
        let mine = Some(leaving.generation);
        let one = [leaving];
        assert_eq!(facts(&one, 50).dispensable(mine), []);
        assert_eq!(facts(&one, 50).dispensable(None).len(), 1, "its process has ended");
    }
}
