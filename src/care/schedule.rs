//! Care without anybody asking for it: what is due is done, a slice at a time, so that a node that runs for years looks after what it holds.
//!
//! ```text
//! each slice   blobs past their grace ─▶ deleted       a ward, if it is due ─▶ listed       known to be wrong ─▶ rebuilt
//!              read longest ago, as much as keeps the period ─▶ read                        garbage, once a day ─▶ collected
//! ```
//!
//! A slice ends; what it didn't come to is still due in the next one. What fails is told and tried again: a provider that is away is no reason to stop.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};

use super::collect::{Collected, collect};
use super::removals::mend_removals;
use super::repair::{Look, OBJECTS_AT_ONCE, mend};
use super::scrub::{Order, Scrubbed, read, scrub};
use crate::catalog::diary::{Deed, Diary};
use crate::catalog::record::MemberState;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::send::Progress;

/// Objects that a slice repairs at most: it has to end.
const REPAIRS: usize = 64;

/// Between two slices of which the first left objects to repair: what a lost provider held must not wait for its turn.
const BREATH: Duration = Duration::from_secs(1);

/// Blobs that a slice deletes at most.
const DELETIONS: usize = 1000;

/// Listing calls that a slice makes at most, unless everything fits in one go.
const LISTINGS: u64 = 64;

/// What the owner wants of care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Every fragment is listed once in this time.
    pub list_every: Duration,
    /// Every fragment is read once in this time.
    pub read_every: Duration,
    /// Bytes that may be read in a second.
    pub rate: Option<u64>,
    /// How long a blob must have been garbage.
    pub grace: Duration,
    /// How often there is a slice.
    pub slice_every: Duration,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            list_every: Duration::from_hours(7 * 24),
            read_every: Duration::from_hours(90 * 24),
            rate: None,
            grace: Duration::from_hours(30 * 24),
            slice_every: Duration::from_mins(10),
        }
    }
}

/// What a slice did.
#[derive(Debug, Default)]
pub struct Slice {
    /// Blobs that were deleted after their grace.
    pub swept: u64,
    /// What was listed and read.
    pub scrubbed: Scrubbed,
    /// Fragments that were made anew.
    pub rebuilt: u64,
    /// What became of garbage, if it was looked at.
    pub collected: Option<Collected>,
    /// There is more to rebuild than a slice does, and it goes forward.
    pub more: bool,
}

/// Does a slice of what is due. Needs the set to itself, as all that writes does.
pub async fn slice(
    store: &Arc<Store>,
    diary: &dyn Diary,
    rules: &Rules,
    progress: &Arc<dyn Progress>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Slice, StoreError> {
    let mut done = Slice {
        swept: store.sweep(DELETIONS).await?.deleted,
        ..Slice::default()
    };
    let now = store.clock().now();
    let list = Order {
        before: Some(now.saturating_sub(nanos(rules.list_every))),
        calls: Some(LISTINGS),
        ..Order::default()
    };
    done.scrubbed = scrub(store, diary, &list, progress, stop).await?;
    (done.rebuilt, done.more) = repair(store, diary, progress, stop).await?;
    let order = Order {
        deep: true,
        bytes: Some(portion(store, rules).await?),
        rate: rules.rate,
        ..Order::default()
    };
    if !stop() {
        let read = read(store, diary, &order, progress, stop).await?;
        done.scrubbed.read = read.read;
        done.scrubbed.bytes = read.bytes;
        done.scrubbed.damaged += read.damaged;
        done.scrubbed.missing += read.missing;
    }
    let collected = diary.when(Deed::Collected).await?;
    let day = nanos(Duration::from_hours(24));
    if collected.is_none_or(|at| at.saturating_add(day) <= now) && !stop() {
        done.collected = Some(collect(store, diary, nanos(rules.grace), false, stop).await?);
    }
    Ok(done)
}

/// Slices for as long as nobody asks to stop.
pub async fn tend(store: Arc<Store>, diary: Arc<dyn Diary>, rules: Rules) {
    let silent: Arc<dyn Progress> = Arc::new(crate::store::send::Silent);
    let mut pause = rules.slice_every;
    loop {
        tokio::time::sleep(pause).await;
        let done = slice(&store, diary.as_ref(), &rules, &silent, &|| false).await;
        pause = match &done {
            Ok(done) if done.more => rules.slice_every.min(BREATH),
            _ => rules.slice_every,
        };
        match done {
            Ok(done) if done.scrubbed.news() + done.rebuilt > 0 => {
                tracing::warn!(
                    "care: {} fragments were found wrong, {} rebuilt",
                    done.scrubbed.news(),
                    done.rebuilt
                );
            }
            Ok(done) => tracing::info!(
                "care: {} fragments read, {} blobs deleted",
                done.scrubbed.read,
                done.swept
            ),
            Err(error) => tracing::warn!("care: {error}"),
        }
    }
}

/// Rebuilds what can lose least first. Answers how many fragments it made anew, and whether to go on at once.
async fn repair(
    store: &Arc<Store>,
    diary: &dyn Diary,
    progress: &Arc<dyn Progress>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<(u64, bool), StoreError> {
    let clouds = store.clouds();
    let over = clouds
        .all()
        .filter(|cloud| matches!(cloud.member.state, MemberState::Lost | MemberState::Removed));
    let gone: Vec<_> = over.map(|cloud| cloud.member.id).collect();
    let ill = diary.queue(&gone, REPAIRS).await?;
    let is_full = ill.len() == REPAIRS;
    let mut ends = stream::iter(ill.into_iter().take_while(|_| !stop()))
        .map(|ailing| async move { (mend(store, &ailing.name, Look::Known, progress).await, ailing.name) })
        .buffer_unordered(OBJECTS_AT_ONCE);
    let (mut rebuilt, mut failed) = (0, None);
    while let Some((end, name)) = ends.next().await {
        match end {
            Ok(repaired) => rebuilt += repaired.rebuilt.len() as u64,
            Err(error @ StoreError::Catalog(_)) => failed = Some(error),
            Err(error) => tracing::info!("care: {name}: {error}"),
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let more = is_full && rebuilt > 0;
    rebuilt += mend_removals(store, false, progress, stop).await?.rebuilt;
    Ok((rebuilt, more))
}

/// The bytes of one slice by which everything is read once in the period, and a quarter sooner; at most what the rate lets through.
async fn portion(store: &Store, rules: &Rules) -> Result<u64, StoreError> {
    let usage = store.catalog().usage().await?;
    let all: u128 = usage.iter().map(|usage| u128::from(usage.bytes)).sum();
    let period = rules.read_every.as_millis().max(1);
    let part = all * rules.slice_every.as_millis() * 5 / (period * 4);
    let most = rules
        .rate
        .map_or(u64::MAX, |rate| rate.saturating_mul(rules.slice_every.as_secs()));
    // A fragment is read whole or not at all.
    let least = usage
        .iter()
        .map(|usage| usage.bytes.div_ceil(usage.fragments.max(1)))
        .max();
    let least = least.unwrap_or(0).saturating_mul(8);
    Ok(u64::try_from(part).unwrap_or(u64::MAX).max(least).min(most))
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
