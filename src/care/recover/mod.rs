//! The catalog made anew from the providers alone: with the configuration and the key, every object and removal comes back.
//!
//! ```text
//! roll      each provider: whose is it? who are the members?              listing.rs
//! listing   each member: every key ─▶ objects, versions, extents          listing.rs
//! copies    the newest checkpoint and the journal since, if there are any  copies.rs
//! verdict   each object, the newest version first: does it count?         verdict.rs, a table without I/O
//! version   its root's header, its manifests, the headers of its extents  version.rs
//! then      epochs and members noted, versions adopted, what is short of its quorum written back
//! ```
//!
//! It adds to a catalog that is there, so it may be run again when more providers answer, and over an old catalog that was restored.
//! It deletes nothing.

mod copies;
mod listing;
pub(super) mod verdict;
mod version;

use std::sync::Arc;

use futures::StreamExt;
use futures::stream;

use super::repair::repair_head;
use crate::catalog::archive::Archive;
use crate::catalog::record::{Found, Member, MemberState, Waiting};
use crate::fragment::id::{ExtentId, Generation, Group, Kind};
use crate::fragment::scan::Listing;
use crate::plant::{Bug, planted};
use crate::provider::ProviderError;
use crate::store::Store;
use crate::store::epoch::EPOCH_NAME;
use crate::store::error::StoreError;
use crate::store::freight::{CHECKPOINT_NAME, JOURNAL_NAME};
use crate::store::send::Progress;
pub use copies::Copies;
use copies::{Copying, Told};
use listing::Listings;
pub use verdict::{Evidence, Standing, Verdict, is_blind, judge};
use version::{Reading, Unread};

/// Objects that are read back at once.
const AT_ONCE: usize = 32;

/// Versions in one transaction of the catalog.
const BATCH: usize = 256;

/// What its owner decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Go on although so few providers answer that whole versions could be hidden.
    pub accept_risk: bool,
    /// Only tell what would be found.
    pub dry_run: bool,
}

/// An object that can't be told yet.
#[derive(Debug)]
pub struct Unsettled {
    /// Its name, if a header of it could be read.
    pub name: Option<String>,
    /// The version that may be its head.
    pub generation: Generation,
    /// What is missing.
    pub why: String,
    /// Older versions of it, of which it isn't known either.
    older: Vec<Generation>,
}

/// What a rebuild found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Objects that are there again.
    pub objects: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Removals that hold.
    pub removals: u64,
    /// Objects whose newest version had too few fragments and has its quorum again.
    pub written_back: Vec<String>,
    /// Objects that are there and still short of their quorum, as too few providers can be written to.
    pub short: Vec<String>,
    /// Versions that were never acknowledged and are passed over.
    pub refused: u64,
    /// Objects that wait for providers: nothing older is given instead.
    pub waiting: Vec<Unsettled>,
    /// Members that were listed whole, by name.
    pub answered: Vec<String>,
    /// Why others were not.
    pub silent: Vec<ProviderError>,
    /// Keys that are not this set's.
    pub strange: u64,
    /// What the catalog's copies on the providers brought back.
    pub copies: Copies,
    /// Epochs under which two machines wrote at once: the later version of each object counts, whoever wrote it.
    pub shared_epochs: Vec<u64>,
}

/// Rebuilds the catalog of a store from its providers. `archive` is that catalog, if its copies on the clouds are to be used.
pub async fn recover(
    store: &Arc<Store>,
    archive: Option<&Arc<dyn Archive>>,
    options: Options,
    progress: &Arc<dyn Progress>,
) -> Result<Recovered, StoreError> {
    let (mut silent, members) = find_members(store).await?;
    let listings = Listings::of(store).await;
    let standing = standing(store, &listings);
    for error in &listings.silent {
        if !silent
            .iter()
            .any(|told: &ProviderError| told.provider == error.provider)
        {
            silent.push(error.clone());
        }
    }
    require_sight(store, &listings, standing, options)?;
    let mut recovered = Recovered {
        answered: listings.answered.iter().map(|c| c.member.name.clone()).collect(),
        strange: listings.strange,
        shared_epochs: listings.shared_epochs(),
        silent,
        ..Recovered::default()
    };
    if let Some(archive) = archive {
        let copying = Copying {
            store,
            archive,
            listings: &listings,
            progress,
        };
        recovered.copies = copying.restore(options.dry_run).await?;
    }
    let mut told = Told::default();
    if !options.dry_run {
        take_members(store, members).await?;
        told = Told::by(store).await?;
    }
    let search = Search {
        store,
        listings: &listings,
        told: &told,
        standing,
        progress,
    };
    let short = search.adopt_all(options, &mut recovered).await?;
    if !options.dry_run {
        // Epochs come last: from then on what they cover and isn't a head counts as judged, should this be broken off.
        store.catalog().await_providers(waiting(&recovered)).await?;
        let members = store.clouds().present().count();
        store.catalog().learn_epochs(listings.epoch_rows(members)).await?;
        write_back(
            store,
            short,
            standing,
            listings.unlisted(store),
            &mut recovered,
            progress,
        )
        .await?;
        let census = store.catalog().census(&[]).await?;
        recovered.objects = census.whole + census.degraded + census.at_risk + census.lost;
        (recovered.bytes, recovered.removals) = (census.bytes, census.removals);
    }
    Ok(recovered)
}

/// All versions of which nothing can be told now, those without a name under an empty one.
fn waiting(recovered: &Recovered) -> Vec<Waiting> {
    let mut waiting = Vec::new();
    for unsettled in &recovered.waiting {
        let generations = unsettled.older.iter().chain([&unsettled.generation]);
        waiting.extend(generations.map(|generation| Waiting {
            name: unsettled.name.clone().unwrap_or_default(),
            generation: *generation,
        }));
    }
    waiting
}

/// A membership version and its members.
type Membership = (u64, Vec<Member>);

/// The newest membership, from the providers or from a catalog that is newer; taken into use, not yet noted. Answers who could not be asked.
async fn find_members(store: &Arc<Store>) -> Result<(Vec<ProviderError>, Option<Membership>), StoreError> {
    let roll = listing::call_roll(store).await?;
    let (version, mut known) = store.catalog().members().await?;
    let found = match roll.members() {
        // One higher than what was published: nobody of that roll is without an identity blob because it is new.
        Some((found, members)) if found >= version => Some((found + 1, members)),
        // One that an earlier rebuild could not ask, and that only its own identity knows, is a member beside those of the catalog.
        _ => {
            let unlisted = roll.unlisted(&known, version + 1);
            known.extend(unlisted.iter().cloned());
            (version > 0 && !unlisted.is_empty()).then_some((version + 1, known))
        }
    };
    match &found {
        Some((found, members)) => store.renew(*found, members.clone()),
        None if version == 0 => {
            return Err(StoreError::NoMembership {
                empty: roll.empty,
                causes: roll.silent,
            });
        }
        None => {}
    }
    Ok((roll.silent, found))
}

/// Notes the membership that was found, unless a copy of the catalog knew a newer one.
async fn take_members(store: &Arc<Store>, found: Option<Membership>) -> Result<(), StoreError> {
    let (version, members) = store.catalog().members().await?;
    match found {
        Some((found, members)) if found >= version => store.catalog().set_members(found, members).await?,
        _ => store.renew(version, members),
    }
    Ok(())
}

fn standing(store: &Store, listings: &Listings) -> Standing {
    let clouds = store.clouds();
    let count = |wanted: MemberState| clouds.all().filter(|cloud| cloud.member.state == wanted).count();
    let small = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let present = clouds.present().count();
    let writable = listings
        .answered
        .iter()
        .filter(|c| c.member.state == MemberState::Active);
    Standing {
        silent: match () {
            () if planted(Bug::TrustAList) => 0,
            () if planted(Bug::LostSeatNotCounted) => small(present - listings.answered.len()),
            () => small(present - listings.answered.len() + count(MemberState::Lost)),
        },
        liars: store.settings().liars,
        lost: small(count(MemberState::Lost)),
        writable: small(writable.count()),
    }
}

/// Refuses to judge where a whole version, or the newest epoch, could be hidden.
fn require_sight(store: &Store, listings: &Listings, standing: Standing, options: Options) -> Result<(), StoreError> {
    let members = store.clouds().present().count();
    let answered = listings.answered.len();
    let groups = listings.skeleton.groups();
    let quorums = groups
        .flat_map(|group| listings.skeleton.generations(group))
        .flat_map(|(_, extents)| extents.values());
    let roots = quorums
        .filter(|listing| listing.kind.is_root())
        .map(|listing| listing.quorum);
    let lowest = roots.min().unwrap_or(u16::MAX);
    if answered * 2 > members && !is_blind(standing, lowest) || options.accept_risk {
        return Ok(());
    }
    Err(StoreError::Blind {
        answered,
        members,
        causes: listings.silent.clone(),
    })
}

/// What one object came to.
enum Outcome {
    /// Its newest version that counts, and whether it is short of its quorum.
    Adopted(Found, bool),
    Unsettled(Unsettled),
    Nothing,
}

/// The search for what counts.
#[derive(Clone, Copy)]
struct Search<'a> {
    store: &'a Arc<Store>,
    listings: &'a Listings,
    told: &'a Told,
    standing: Standing,
    progress: &'a Arc<dyn Progress>,
}

impl Search<'_> {
    /// Judges every object and adopts what counts. Answers the names of those that are short of their quorum.
    async fn adopt_all(self, options: Options, recovered: &mut Recovered) -> Result<Vec<String>, StoreError> {
        let (store, skeleton) = (self.store, &self.listings.skeleton);
        let reserved = [EPOCH_NAME, CHECKPOINT_NAME, JOURNAL_NAME].map(|name| store.keys().group(name));
        let groups: Vec<Group> = skeleton.groups().filter(|group| !reserved.contains(group)).collect();
        let mut outcomes = stream::iter(groups)
            .map(|group| self.newest(group))
            .buffer_unordered(AT_ONCE);
        let (mut batch, mut short) = (Vec::new(), Vec::new());
        while let Some((outcome, refused)) = outcomes.next().await {
            recovered.refused += refused;
            match outcome {
                Outcome::Nothing => {}
                Outcome::Unsettled(unsettled) => recovered.waiting.push(unsettled),
                Outcome::Adopted(found, is_short) => {
                    count(recovered, &found);
                    if is_short {
                        short.push(found.version.name.clone());
                    }
                    batch.push(found);
                }
            }
            if batch.len() >= BATCH && !options.dry_run {
                let now = store.clock().now();
                store.catalog().adopt(std::mem::take(&mut batch), now).await?;
            }
        }
        if !options.dry_run && !batch.is_empty() {
            store.catalog().adopt(batch, store.clock().now()).await?;
        }
        short.sort();
        recovered.waiting.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(short)
    }

    /// The newest version of one object that counts, and how many above it were never acknowledged. What the catalog knows to be settled is passed
    /// over: its head is settled too.
    async fn newest(self, group: Group) -> (Outcome, u64) {
        let reading = Reading {
            store: self.store,
            skeleton: &self.listings.skeleton,
            group,
            progress: self.progress,
        };
        let mut refused = 0;
        let open = |generation: Generation| !self.told.is_settled(generation);
        let generations = reading.skeleton.generations(group);
        let mut generations = generations.filter(|(generation, _)| open(*generation));
        while let Some((generation, extents)) = generations.next() {
            let annulled = extents.values().any(|listing| listing.kind == Kind::Void);
            let Some((root, listing)) = extents.iter().find(|(_, listing)| listing.kind.is_root()) else {
                continue;
            };
            if listing.kind == Kind::Tombstone && planted(Bug::NoTombstone) {
                continue;
            }
            let judged = self.judged(&reading, generation, *root, listing, annulled).await;
            let why = match judged {
                Err(why) => why.to_string(),
                Ok(Verdict::Refused) => {
                    refused += 1;
                    continue;
                }
                Ok(Verdict::Waits) => format!(
                    "{} of its {} fragments are there, {} read it and {} were to be confirmed",
                    listing.full(),
                    listing.n,
                    listing.k,
                    listing.quorum
                ),
                Ok(Verdict::Counts { .. }) => match reading.version(generation, *root, listing).await {
                    Ok(found) => {
                        let mut extents = found.extents.iter();
                        let short = extents.any(|(extent, fragments)| is_short(extent.quorum, fragments));
                        return (Outcome::Adopted(found, short), refused);
                    }
                    Err(why) => why.to_string(),
                },
            };
            let unsettled = Unsettled {
                name: reading.name_of(generation, *root, listing).await,
                generation,
                why,
                older: generations.map(|(generation, _)| generation).collect(),
            };
            return (Outcome::Unsettled(unsettled), refused);
        }
        (Outcome::Nothing, refused)
    }

    /// What becomes of one version. One that is short of its quorum is read before it may take the place of an older one: what is rotten was there,
    /// and does not help.
    async fn judged(
        self,
        reading: &Reading<'_>,
        generation: Generation,
        root: ExtentId,
        listing: &Listing,
        annulled: bool,
    ) -> Result<Verdict, Unread> {
        let evidence = evidence(listing, annulled);
        let verdict = judge(&evidence, self.standing);
        if verdict != (Verdict::Counts { write_back: true }) {
            return Ok(verdict);
        }
        let full = reading.good(generation, root, listing).await?;
        if full >= evidence.k {
            return Ok(verdict);
        }
        Ok(judge(&Evidence { full, ..evidence }, self.standing))
    }
}

fn count(recovered: &mut Recovered, found: &Found) {
    if found.version.kind == Kind::Tombstone {
        recovered.removals += 1;
    } else {
        recovered.objects += 1;
        recovered.bytes += found.version.len;
    }
}

fn is_short(quorum: u16, fragments: &[crate::catalog::record::Fragment]) -> bool {
    let indices: std::collections::BTreeSet<u16> = fragments.iter().map(|fragment| fragment.index).collect();
    indices.len() < usize::from(quorum)
}

fn evidence(listing: &Listing, annulled: bool) -> Evidence {
    let small = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    Evidence {
        k: if listing.kind == Kind::Tombstone { 1 } else { listing.k },
        n: listing.n,
        quorum: listing.quorum,
        listed: small(listing.listed()),
        full: small(listing.full()),
        annulled,
    }
}

/// Brings what is short of its quorum up to it: adopting is a write. What can't be written now stays as it is, and is told. The `unlisted` get nothing:
/// they may hold another fragment of the same extent.
async fn write_back(
    store: &Arc<Store>,
    short: Vec<String>,
    standing: Standing,
    unlisted: Arc<[String]>,
    recovered: &mut Recovered,
    progress: &Arc<dyn Progress>,
) -> Result<(), StoreError> {
    if planted(Bug::NoWriteBack) {
        return Ok(());
    }
    for name in short {
        let Some(head) = store.catalog().head(&name).await? else {
            continue;
        };
        let passed_over = head.kind == Kind::Tombstone && planted(Bug::TombstoneWithoutWriteBack);
        if passed_over || standing.writable == 0 {
            recovered.short.push(name);
            continue;
        }
        match repair_head(store, &head, unlisted.clone(), progress).await {
            Ok(report) if report.unplaced.is_empty() => recovered.written_back.push(name),
            Ok(_) | Err(StoreError::NoMajority { .. } | StoreError::Unreachable { .. } | StoreError::Lost { .. }) => {
                recovered.short.push(name);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
