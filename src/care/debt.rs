//! Paying debts: extents that were acknowledged short of n, the oldest first.
//!
//! ```text
//! looked up: there after all ─▶ noted            not there ─▶ made anew from k others, on a seat that answers
//!            no answer ─▶ waits; after ten minutes a fragment that was never confirmed is made anew elsewhere
//! ```

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::repair::{Finding, check_extent};
use crate::catalog::record::{Debt, FragmentState, Piece};
use crate::provider::ProviderError;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::fetch::Source;
use crate::store::send::{Progress, Silent};

/// How long a fragment that was never confirmed may stay without an answer, in nanoseconds.
const GIVE_UP: i64 = 10 * 60 * 1_000_000_000;

/// How often a process that goes on pays, whatever its providers do.
const EVERY: Duration = Duration::from_mins(1);

/// How often it asks providers that fail whether they answer again, while something is owed.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// How long it waits when one does: others may come back in the same moment, and one that comes and goes shall not keep it busy.
const GATHER: Duration = Duration::from_secs(1);

/// Debts that are paid in one go.
const AT_ONCE: usize = 256;

/// What paying did.
#[derive(Debug, Default)]
pub struct Paid {
    /// Extents that are whole now.
    pub whole: u64,
    /// Extents that are still owed fragments.
    pub left: u64,
    /// What providers that failed said.
    pub causes: Vec<ProviderError>,
}

/// Pays at most `limit` debts, the longest owed first. One that can't be paid now stays.
pub async fn pay(store: &Arc<Store>, limit: usize, progress: &Arc<dyn Progress>) -> Result<Paid, StoreError> {
    store.begin_writing().await?;
    let mut paid = Paid::default();
    let owed = store.catalog().debts(limit).await?;
    for debt in &owed {
        match pay_one(store, debt, progress).await {
            Ok(causes) => paid.causes.extend(causes),
            Err(error @ (StoreError::Catalog(_) | StoreError::Stale { .. })) => return Err(error),
            Err(error) => tracing::info!("{}: still owed: {error}", debt.name),
        }
    }
    let left = store.catalog().debts(usize::MAX).await?;
    let is_left = |debt: &&Debt| left.iter().any(|it| it.extent == debt.extent);
    paid.left = owed.iter().filter(is_left).count() as u64;
    paid.whole = owed.len() as u64 - paid.left;
    Ok(paid)
}

async fn pay_one(
    store: &Arc<Store>,
    debt: &Debt,
    progress: &Arc<dyn Progress>,
) -> Result<Vec<ProviderError>, StoreError> {
    let Some((extent, fragments)) = store.catalog().extent(debt.extent).await? else {
        return Ok(Vec::new());
    };
    let piece = Piece {
        offset: 0,
        len: 0,
        extent,
        fragments,
    };
    let checked = check_extent(store, &debt.name, piece, false, progress).await?;
    let mut missing = checked.missing();
    if store.clock().now().saturating_sub(debt.since) >= GIVE_UP {
        // Whoever never confirmed a fragment and doesn't answer is not waited for any longer.
        let confirmed = |it: &&Finding| it.fragment.state != FragmentState::Sent;
        let confirmed: Vec<u16> = checked
            .findings
            .iter()
            .filter(confirmed)
            .map(|it| it.fragment.index)
            .collect();
        let n = checked.piece.extent.shape.n;
        missing.extend((0..n).filter(|index| !confirmed.contains(index)));
        missing.sort_unstable();
        missing.dedup();
    }
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let policy = store
        .catalog()
        .head(&debt.name)
        .await?
        .map_or_else(String::new, |head| head.policy);
    let source = Source::new(&debt.name, &policy, 0, checked.piece);
    Ok(store.rebuild(&source, &missing, progress).await?.notes.causes)
}

/// Pays whatever is owed, now and then and as soon as a provider answers again, until it is dropped.
pub async fn keep_paying(store: &Arc<Store>) {
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    loop {
        tokio::select! {
            () = sleep(EVERY) => {}
            () = store.answered_again() => sleep(GATHER).await,
            () = ask_while_owed(store) => {}
        }
        if let Err(error) = pay(store, AT_ONCE, &progress).await {
            tracing::warn!("what is owed stays owed: {error}");
        }
    }
}

/// Never ends. On a store that nobody uses, nothing else would notice that a provider is back.
async fn ask_while_owed(store: &Arc<Store>) {
    loop {
        sleep(ASK_EVERY).await;
        match store.catalog().debts(1).await {
            Ok(owed) if owed.is_empty() => {}
            Ok(_) => store.ask_the_silent().await,
            Err(error) => tracing::warn!("what is owed can't be looked up: {error}"),
        }
    }
}
