//! Removals whose provider is lost: made anew like what holds data. They are nobody's object, so no list of ill objects names them.
//!
//! ```text
//! each lost member ─▶ extents on it that hold no data ─▶ the missing index, out of the header of any other ─▶ seated
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use super::outlay::Outlay;
use super::repair::known_extent;
use crate::catalog::record::{MemberState, Piece};
use crate::fragment::id::ProviderId;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::fetch::Source;
use crate::store::send::Progress;

/// Extents that are looked up at once.
const PAGE: usize = 256;

/// What became of fragments of removals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removals {
    /// Made anew, or would be.
    pub rebuilt: u64,
    /// For which there is no place, or nothing to make them from.
    pub left: u64,
    /// What it takes of each provider.
    pub outlay: Outlay,
}

/// Makes anew what lost providers held of removals. With `dry_run` it only tells.
pub async fn mend_removals(
    store: &Arc<Store>,
    dry_run: bool,
    progress: &Arc<dyn Progress>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Removals, StoreError> {
    let mut removals = Removals::default();
    let clouds = store.clouds();
    let lost = clouds.all().filter(|cloud| cloud.member.state == MemberState::Lost);
    for member in lost.map(|cloud| cloud.member.id).collect::<Vec<ProviderId>>() {
        let mut after = None;
        loop {
            let page = store.catalog().extents_on(member, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            for id in page {
                if stop() {
                    return Ok(removals);
                }
                let Some((extent, fragments)) = store.catalog().extent(id).await? else {
                    continue;
                };
                if extent.kind.holds_data() {
                    continue;
                }
                let piece = Piece {
                    offset: 0,
                    len: 0,
                    extent,
                    fragments,
                };
                removals.mend(store, piece, dry_run, progress).await?;
            }
        }
    }
    Ok(removals)
}

impl Removals {
    async fn mend(
        &mut self,
        store: &Arc<Store>,
        piece: Piece,
        dry_run: bool,
        progress: &Arc<dyn Progress>,
    ) -> Result<(), StoreError> {
        let checked = known_extent(store, piece);
        let (missing, extent) = (checked.missing(), &checked.piece.extent);
        if missing.is_empty() {
            return Ok(());
        }
        let (name, len) = (extent.id.to_string(), extent.shape.fragment_len(extent.header_len));
        let source = Source::new(&name, "default", 0, checked.piece.clone());
        if dry_run {
            let from = store.candidates(&source, &[]);
            if let Some((_, cloud)) = from.first() {
                self.outlay.of(&cloud.member.name).get(len);
            }
            let seats = store.free_seats(&source, &missing, &BTreeSet::new());
            self.rebuilt += seats.len() as u64;
            self.left += (missing.len() - seats.len()) as u64;
            for (_, cloud) in seats {
                self.outlay.of(&cloud.member.name).put(len);
            }
            return Ok(());
        }
        match store.rebuild(&source, &missing, progress).await {
            Ok(rebuilt) => {
                self.rebuilt += rebuilt.fragments.len() as u64;
                self.left += rebuilt.failed.len() as u64;
            }
            Err(StoreError::Lost { .. } | StoreError::Unreachable { .. }) => self.left += missing.len() as u64,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
