//! How many advisories of an hour are kept: a share that was called damaged is read as a whole, so that more words on it say nothing new. Each would be a
//! transaction, and 32 KiB of the books' copies on the clouds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::id::Share;

/// Advisories that are kept.
pub(super) const MOST_ADVISORIES: usize = 1000;

/// Advisories of one share that are kept in [`HOUR`].
const OF_A_SHARE: u32 = 8;

/// Seconds after which it is counted anew.
const HOUR: i64 = 3600;

/// What clients said in this hour.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<Hour>);

#[derive(Debug, Default)]
struct Hour {
    began: i64,
    kept: usize,
    /// At most [`MOST_ADVISORIES`] shares.
    shares: HashMap<Share, u32>,
}

impl Heard {
    /// Counts an advisory that comes at second `now`: false if it isn't to be kept.
    pub(super) fn is_news(&self, share: Share, now: i64) -> bool {
        let mut hour = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !(hour.began..hour.began + HOUR).contains(&now) {
            *hour = Hour {
                began: now,
                ..Hour::default()
            };
        }
        if hour.kept >= MOST_ADVISORIES {
            return false;
        }
        let of_it = hour.shares.entry(share).or_default();
        if *of_it >= OF_A_SHARE {
            return false;
        }
        *of_it += 1;
        hour.kept += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::id::{Kind, StorageIndex};

    fn share(number: usize) -> Share {
        Share {
            kind: Kind::Immutable,
            index: StorageIndex([u8::try_from(number / 256).expect("few"); 16]),
            number: u8::try_from(number % 256).expect("below 256"),
        }
    }

    #[test]
    fn eight_of_a_share_and_a_thousand_of_all_are_kept_in_an_hour() {
        let heard = Heard::default();
        let kept = |share, now| (0..20).filter(|_| heard.is_news(share, now)).count();
        assert_eq!((kept(share(0), 5000), kept(share(1), 5001)), (8, 8));
        assert_eq!(
            (2..400).map(|number| kept(share(number), 5002)).sum::<usize>(),
            1000 - 16
        );
        assert_eq!((kept(share(0), 8599), kept(share(0), 8600)), (0, 8), "an hour later");
        assert_eq!(kept(share(1), 100), 8, "the clock was set back");
    }
}
