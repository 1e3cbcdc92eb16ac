//! What becomes of one version that a listing showed: the table that keeps a rebuild honest. No I/O.
//!
//! ```text
//! t indices listed   v of them sound   m members that don't answer   b that may lie   l members lost for good
//!
//! annulled by a void                         ──▶ Refused: it was never acknowledged and never will be
//! v + m + b < Q, t - v ≤ b                   ──▶ Refused: it can't have been acknowledged. What is there and not sound is one of the b
//! v < k                                      ──▶ Waits: it may have been, and can't be read now
//! v ≥ Q                                      ──▶ Counts
//! Q of the set can be written to             ──▶ Counts, after its missing fragments were written back
//! t + b + l ≥ Q                              ──▶ Counts: nobody who is silent can tell otherwise
//! else                                       ──▶ Waits
//! ```

use crate::plant::{Bug, planted};

/// What is known of a version's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Fragments that read it; 1 for a removal, whose header is all of it.
    pub k: u16,
    /// All its fragments.
    pub n: u16,
    /// Fragments confirmed before it counted.
    pub quorum: u16,
    /// Distinct indices with an authentic key.
    pub listed: u16,
    /// Those that are there at full length, and not known to be rotten.
    pub full: u16,
    /// A void of it was listed.
    pub annulled: bool,
}

/// What is known of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Members whose listing is not complete, those lost or removed included.
    pub silent: u16,
    /// Members that answer and may be wrong.
    pub liars: u16,
    /// Members that were declared lost.
    pub lost: u16,
    /// Members that answer and take new fragments.
    pub writable: u16,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not the object: look at the next older.
    Refused,
    /// It may be the object and can't be had now: nothing older may be given instead.
    Waits,
    /// It is the object.
    Counts {
        /// Fewer than Q fragments are there: the missing ones are to be written first.
        write_back: bool,
    },
}

/// Judges one version.
#[must_use]
pub fn judge(root: &Evidence, set: Standing) -> Verdict {
    let hidden = set.silent.min(root.n - root.listed);
    if root.full >= root.k && planted(Bug::AdoptAnyReadable) {
        return Verdict::Counts { write_back: false };
    }
    let annulled = root.annulled && !planted(Bug::ResurrectByRecover);
    let there = root.full.max(root.listed.saturating_sub(set.liars));
    if annulled || there + hidden + set.liars < root.quorum {
        return Verdict::Refused;
    }
    if root.full < root.k && planted(Bug::NeverWait) {
        return Verdict::Refused;
    }
    if root.full < root.k {
        return Verdict::Waits;
    }
    let write_back = root.full < root.quorum;
    let told_by_all = root.listed + set.liars + set.lost >= root.quorum;
    if !write_back || set.writable >= root.quorum || told_by_all {
        return Verdict::Counts { write_back };
    }
    Verdict::Waits
}

/// True if a whole version could hide from this listing: then nothing can be told of any object.
#[must_use]
pub fn is_blind(set: Standing, lowest_quorum: u16) -> bool {
    set.silent + set.liars >= lowest_quorum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL_ANSWER: Standing = Standing {
        silent: 0,
        liars: 1,
        lost: 0,
        writable: 6,
    };

    fn root(listed: u16) -> Evidence {
        Evidence {
            k: 4,
            n: 6,
            quorum: 5,
            listed,
            full: listed,
            annulled: false,
        }
    }

    #[test]
    fn the_table_for_four_plus_two_with_all_answering() {
        let verdicts: Vec<Verdict> = (1..=6).map(|t| judge(&root(t), ALL_ANSWER)).collect();
        let counts = |write_back| Verdict::Counts { write_back };
        assert_eq!(
            verdicts,
            [
                Verdict::Refused,
                Verdict::Refused,
                Verdict::Refused,
                counts(true),
                counts(false),
                counts(false)
            ]
        );
    }

    #[test]
    fn what_may_have_been_acknowledged_behind_silence_waits_and_is_not_refused() {
        let two_silent = Standing {
            silent: 2,
            writable: 4,
            ..ALL_ANSWER
        };
        assert_eq!(judge(&root(1), two_silent), Verdict::Refused);
        assert_eq!(judge(&root(2), two_silent), Verdict::Waits);
        assert_eq!(judge(&root(4), two_silent), Verdict::Counts { write_back: true });
        let honest = Standing { liars: 0, ..two_silent };
        assert_eq!(
            judge(&root(4), honest),
            Verdict::Waits,
            "a majority can't be written, nor proved"
        );
    }

    #[test]
    fn what_is_there_and_can_not_be_read_is_not_counted_twice() {
        let rotten = |listed, rotten| Evidence {
            full: listed - rotten,
            ..root(listed)
        };
        assert_eq!(judge(&rotten(4, 1), ALL_ANSWER), Verdict::Refused);
        assert_eq!(judge(&rotten(5, 1), ALL_ANSWER), Verdict::Counts { write_back: true });
        assert_eq!(
            judge(&rotten(5, 2), ALL_ANSWER),
            Verdict::Waits,
            "more are rotten than may be"
        );
    }

    #[test]
    fn a_void_outweighs_any_number_of_fragments() {
        let annulled = Evidence {
            annulled: true,
            ..root(6)
        };
        assert_eq!(judge(&annulled, ALL_ANSWER), Verdict::Refused);
    }

    proptest! {
        /// Whatever was acknowledged at Q and lost at most b fragments since is never refused, whoever is silent.
        #[test]
        fn nothing_acknowledged_is_refused(
            k in 1_u16..20, m in 0_u16..12, silent in 0_u16..12, liars in 0_u16..3, rotten in 0_u16..3, seen in 0_u16..40,
        ) {
            let n = k + m;
            let quorum = (n + k).div_ceil(2);
            let hidden = silent.min(quorum);
            let lied = liars.min(quorum - hidden);
            let rotten = rotten.min(lied);
            let listed = (quorum - hidden - lied + rotten + seen % 3).min(n);
            let set = Standing { silent, liars, lost: 0, writable: n };
            let root = Evidence { k, n, quorum, listed, full: listed - rotten, annulled: false };
            prop_assert_ne!(judge(&root, set), Verdict::Refused);
        }
    }
}
