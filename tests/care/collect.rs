//! Garbage goes, in two phases and with a grace; and nothing that a version needs ever does, whatever came before.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};
use raic::care::collect::{Collected, Refusal, collect};
use raic::care::recover::{Options, recover};
use raic::care::repair::repair;
use raic::care::scrub::Order;
use raic::catalog::sqlite::SqliteCatalog;
use raic::fragment::key::open_key;
use raic::store::Store;
use raic::store::error::StoreError;
use raic::store::send::Silent;

use crate::scrub::{filled, run};
use crate::support::cut::Death;
use crate::support::{Set, get, policy, put, ramp};

const HOUR: i64 = 3_600_000_000_000;

async fn collected(set: &Set, store: &Arc<Store>) -> Result<Collected, StoreError> {
    collect(store, set.diary.as_ref(), HOUR, false, &|| false).await
}

/// Every blob, by provider and key.
fn blobs(set: &Set) -> BTreeMap<(usize, String), Bytes> {
    let all = set.fragments().into_iter().enumerate();
    all.flat_map(|(at, blobs)| blobs.into_iter().map(move |(key, bytes)| ((at, key), bytes)))
        .collect()
}

fn holds_data(key: &str) -> bool {
    open_key(&Set::keys(), key).is_some_and(|(_, token)| token.kind.holds_data())
}

#[tokio::test]
async fn garbage_that_no_row_names_goes_after_its_grace_and_what_counts_was_proved() {
    let (set, store) = filled(51, 5).await;
    let before = blobs(&set);
    put(&store, "0", &policy(4, 2), &ramp(20)).await.unwrap();
    set.clock.advance(2 * HOUR);
    store.sweep(1000).await.unwrap();
    let wanted = blobs(&set);
    let gone: Vec<_> = before
        .iter()
        .filter(|(place, _)| !wanted.contains_key(*place))
        .collect();
    assert!(gone.len() >= 6);
    // They come back: writes that were under way are done late.
    for ((at, key), bytes) in gone {
        set.memories[*at].plant(key, bytes.clone());
    }
    let light = run(&set, &store, Order::default()).await;
    let data = light.strays.orphans;
    assert!(data >= 6 && light.strays.unexplained == 0, "{light:?}");
    let early = collected(&set, &store).await.unwrap();
    assert_eq!((early.deleted, early.waiting), (0, data));
    set.clock.advance(2 * HOUR);
    let unproved = collected(&set, &store).await.unwrap();
    assert!(unproved.deleted < data && unproved.unproved > 0, "{unproved:?}");
    let deep = Order {
        deep: true,
        ..Order::default()
    };
    run(&set, &store, deep).await;
    let told = collect(&store, set.diary.as_ref(), HOUR, true, &|| false)
        .await
        .unwrap();
    let done = collected(&set, &store).await.unwrap();
    assert_eq!((told.deleted, unproved.deleted + done.deleted), (done.deleted, data));
    assert_eq!(set.diary.orphans().await.unwrap(), []);
    let left: Vec<_> = blobs(&set).into_keys().collect();
    let extra: Vec<_> = left.iter().filter(|place| !wanted.contains_key(*place)).collect();
    assert!(extra.iter().all(|(_, key)| !holds_data(key)), "{extra:?}");
    assert!(wanted.keys().all(|place| left.contains(place) || !holds_data(&place.1)));
}

#[tokio::test]
async fn what_was_noted_and_is_needed_or_gone_by_then_is_forgotten() {
    let (set, store) = filled(52, 3).await;
    let ((at, key), bytes) = blobs(&set).pop_last().unwrap();
    let orphan = raic::catalog::diary::Orphan {
        provider: store.clouds().named(&format!("p{at}")).unwrap().member.id,
        key,
        len: Some(bytes.len() as u64),
        seen: 0,
    };
    set.diary.note_orphans(vec![orphan]).await.unwrap();
    let before = blobs(&set);
    let done = collected(&set, &store).await.unwrap();
    assert_eq!((done.deleted, done.spared), (0, 1));
    let lost: Vec<_> = before
        .keys()
        .filter(|place| !blobs(&set).contains_key(*place))
        .cloned()
        .collect();
    assert!(lost.iter().all(|(_, key)| !holds_data(key)), "{lost:?}");
}

#[tokio::test]
async fn a_copy_that_the_catalog_does_not_know_stays_while_its_own_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let (mut set, store) = on_disk(53, folder.path()).await;
    put(&store, "x", &policy(4, 2), &ramp(900)).await.unwrap();
    drop(store);
    keep(folder.path());
    let (at, key) = first_of_x(&set);
    set.memories[at].steal(&key).unwrap();
    let store = set.open().await;
    repair(&store, "x", &(Arc::new(Silent) as _)).await.unwrap();
    drop(store);
    // The catalog of before the repair comes back, and a rebuild finds no newer version.
    take(&mut set, folder.path(), true);
    let store = set.open().await;
    recover(&store, None, Options::default(), &(Arc::new(Silent) as _))
        .await
        .unwrap();
    let found = run(&set, &store, Order::default()).await;
    assert_eq!(
        (found.strays.spares, found.strays.orphans, found.listed.missing),
        (1, 0, 1),
        "{found:?}"
    );
}

fn first_of_x(set: &Set) -> (usize, String) {
    blobs(set).into_keys().find(|(_, key)| holds_data(key)).unwrap()
}

#[tokio::test]
async fn an_old_catalog_collects_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut set, store) = on_disk(54, folder.path()).await;
    put(&store, "x", &policy(4, 2), &ramp(900)).await.unwrap();
    drop(store);
    keep(folder.path());
    let store = set.open().await;
    put(&store, "y", &policy(4, 2), &ramp(5_000)).await.unwrap();
    drop(store);
    take(&mut set, folder.path(), true);
    let store = set.open().await;
    let before = blobs(&set);
    let found = run(&set, &store, Order::default()).await;
    assert!(found.strays.unexplained > 0 && found.strays.orphans == 0, "{found:?}");
    set.clock.advance(2 * HOUR);
    let refused = collected(&set, &store).await;
    assert!(matches!(refused, Err(StoreError::Stale { .. })), "{refused:?}");
    let told = collect(&store, set.diary.as_ref(), HOUR, true, &|| false)
        .await
        .unwrap();
    assert!(told.deleted == 0 && told.refused.is_none_or(|it| it == Refusal::Recover));
    let data = |blobs: BTreeMap<(usize, String), Bytes>| blobs.into_keys().filter(|(_, key)| holds_data(key)).count();
    assert_eq!(data(blobs(&set)), data(before));
}

/// A set whose catalog is a file in `folder`.
async fn on_disk(seed: u64, folder: &Path) -> (Set, Arc<Store>) {
    let mut set = Set::new(7, seed);
    take(&mut set, folder, false);
    let store = set.open().await;
    (set, store)
}

/// The catalogs of a folder, the newest last: each has a file of its own, as somebody may still have the one before open.
fn catalogs(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "db"))
        .collect();
    all.retain(|path| path.file_stem().is_some_and(|name| name != "old"));
    all.sort();
    all
}

/// Goes on with a new file: an empty one, or the copy that was kept.
fn take(set: &mut Set, folder: &Path, old: bool) {
    let path = folder.join(format!("{:04}.db", catalogs(folder).len()));
    if old {
        copy(&folder.join("old.db"), &path);
    }
    set.take_catalog(SqliteCatalog::inline_at(&path, Set::keys().set()).unwrap());
}

/// Keeps a copy of the catalog, as nobody writes at the moment.
fn keep(folder: &Path) {
    copy(catalogs(folder).last().unwrap(), &folder.join("old.db"));
}

/// Copies a database with its log.
fn copy(from: &Path, to: &Path) {
    let log = |path: &Path| path.with_extension("db-wal");
    std::fs::copy(from, to).unwrap();
    drop(std::fs::remove_file(log(to)));
    if log(from).exists() {
        std::fs::copy(log(from), log(to)).unwrap();
    }
}

/// Something that happens to a set.
#[derive(Clone, Copy, Debug)]
enum Event {
    Put(u8, u16),
    Remove(u8),
    Repair(u8),
    /// A put whose process dies at this call.
    Die(u8, u8),
    /// Two providers stop answering, or all answer again.
    Silence(bool),
    /// Providers lose a fragment: always the first, so that no extent loses more than one.
    Lose(u8),
    /// Blobs that were deleted are there again.
    Late(u8),
    /// A copy of the catalog is kept, or the one that was kept comes back.
    Keep,
    BringBack,
    /// The catalog is lost.
    Forget,
    Recover,
    /// Time passes, and what is due is deleted.
    Sweep,
    Scrub(bool),
    Collect,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0_u8..4, 0_u16..9_000).prop_map(|(object, len)| Event::Put(object, len)),
        2 => (0_u8..4).prop_map(Event::Remove),
        2 => (0_u8..4).prop_map(Event::Repair),
        3 => (0_u8..4, 0_u8..60).prop_map(|(object, at)| Event::Die(object, at)),
        1 => any::<bool>().prop_map(Event::Silence),
        1 => any::<u8>().prop_map(Event::Lose),
        4 => any::<u8>().prop_map(Event::Late),
        2 => Just(Event::Keep),
        1 => Just(Event::BringBack),
        1 => Just(Event::Forget),
        2 => Just(Event::Recover),
        3 => Just(Event::Sweep),
        4 => any::<bool>().prop_map(Event::Scrub),
        5 => Just(Event::Collect),
    ];
    proptest::collection::vec(event, 4..28)
}

/// A set, and what its owner was told.
struct World {
    set: Set,
    folder: tempfile::TempDir,
    /// What each object may be: one thing if its owner was told so.
    may_be: BTreeMap<u8, Vec<Option<u16>>>,
    gone: Vec<((usize, String), Bytes)>,
    kept: bool,
    /// The catalog may be old, or empty: a rebuild is due before anything is believed.
    old: bool,
    collected: u64,
}

impl World {
    async fn new(seed: u64) -> World {
        let folder = tempfile::tempdir().unwrap();
        let (mut set, _) = on_disk(seed, folder.path()).await;
        // Before its members are known to the providers a set has nothing to lose, and nothing to rebuild from.
        set.open().await.begin_writing().await.unwrap();
        World {
            set,
            folder,
            may_be: BTreeMap::new(),
            gone: Vec::new(),
            kept: false,
            old: false,
            collected: 0,
        }
    }

    #[expect(clippy::too_many_lines, reason = "an arm an event")]
    async fn happens(&mut self, event: Event) {
        let before = blobs(&self.set);
        match event {
            Event::Put(object, len) => {
                let store = self.set.open().await;
                let done = put(&store, &object.to_string(), &policy(4, 2), &ramp(len.into())).await;
                self.told(object, Some(len), &done.map(drop));
            }
            Event::Remove(object) => {
                let store = self.set.open().await;
                let done = store.remove(&object.to_string(), &policy(4, 2), Arc::new(Silent)).await;
                self.told(object, None, &done.map(drop));
            }
            Event::Repair(object) => {
                let store = self.set.open().await;
                drop(repair(&store, &object.to_string(), &(Arc::new(Silent) as _)).await);
            }
            Event::Die(object, at) => self.die(object, at.into()).await,
            Event::Silence(down) => {
                for faults in &self.set.faults[5..] {
                    if down { faults.kill() } else { faults.revive() }
                }
            }
            Event::Lose(which) => {
                let keys: Vec<String> = self.set.fragments()[0].keys().cloned().collect();
                if let Some(key) = keys.get(usize::from(which) % keys.len().max(1)) {
                    self.set.memories[0].steal(key);
                }
                return;
            }
            Event::Late(which) => {
                let from = usize::from(which) % self.gone.len().max(1);
                for ((at, key), bytes) in self.gone.iter().skip(from).take(8) {
                    self.set.memories[*at].plant(key, bytes.clone());
                }
            }
            Event::Keep => {
                keep(self.folder.path());
                self.kept = true;
            }
            Event::BringBack if self.kept => {
                take(&mut self.set, self.folder.path(), true);
                self.old = true;
            }
            Event::BringBack => {}
            Event::Forget => {
                take(&mut self.set, self.folder.path(), false);
                self.old = true;
            }
            Event::Recover => self.recover().await,
            Event::Sweep => {
                self.set.clock.advance(2 * HOUR);
                let store = self.set.open().await;
                if !self.old {
                    drop(store.sweep(1000).await);
                }
            }
            Event::Scrub(deep) => {
                let store = self.set.open().await;
                let order = Order {
                    deep,
                    ..Order::default()
                };
                run(&self.set, &store, order).await;
            }
            Event::Collect => {
                let store = self.set.open().await;
                let done = collected(&self.set, &store).await;
                self.collected += done.map_or(0, |done| done.deleted);
            }
        }
        // What a process began and did not wait for ends with it, or soon.
        tokio::time::sleep(std::time::Duration::from_hours(1)).await;
        let after = blobs(&self.set);
        let late = |(place, _): &((usize, String), Bytes)| !after.contains_key(place) && holds_data(&place.1);
        self.gone.extend(before.into_iter().filter(late));
    }

    fn told(&mut self, object: u8, now: Option<u16>, told: &Result<(), StoreError>) {
        let may_be = self.may_be.entry(object).or_insert_with(|| vec![None]);
        match told {
            Ok(()) => *may_be = vec![now],
            Err(StoreError::OutcomeUnknown { .. }) => may_be.push(now),
            Err(_) => {}
        }
    }

    async fn die(&mut self, object: u8, at: u64) {
        let death = Death::at(at, at.is_multiple_of(2));
        let store = self.set.open_to_die(&death).await;
        let len = 3_000 + at;
        let bytes = ramp(usize::try_from(len).unwrap());
        let name = object.to_string();
        let now = Some(u16::try_from(len).unwrap());
        let policy = policy(4, 2);
        tokio::select! {
            biased;
            done = put(&store, &name, &policy, &bytes) => self.told(object, now, &done.map(drop)),
            () = death.died.notified() => self.may_be.entry(object).or_insert_with(|| vec![None]).push(now),
        }
    }

    async fn recover(&mut self) {
        let store = self.set.open().await;
        if recover(&store, None, Options::default(), &(Arc::new(Silent) as _))
            .await
            .is_ok()
        {
            self.old = false;
        }
    }

    /// Everybody answers, the catalog is brought up to date: each object is what its owner was told.
    async fn check(&mut self) -> Result<(), TestCaseError> {
        self.set.faults.iter().for_each(raic::provider::fault::Faults::revive);
        self.old = true;
        self.recover().await;
        prop_assert!(!self.old, "with all answering, a rebuild ends");
        let store = self.set.open().await;
        store
            .begin_writing()
            .await
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        for (object, may_be) in &self.may_be {
            let found = match get(&store, &object.to_string()).await {
                Ok(bytes) => Some(bytes),
                Err(StoreError::NotFound { .. }) => None,
                Err(error) => return Err(TestCaseError::fail(format!("{object}: {error}"))),
            };
            let expected = may_be.iter().any(|len| len.map(|len| ramp(len.into())) == found);
            prop_assert!(
                expected,
                "{object}: {:?} bytes, may be {may_be:?}",
                found.map(|it| it.len())
            );
        }
        Ok(())
    }
}

fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(8)
}

proptest! {
    #![proptest_config(Config { cases: cases(), max_shrink_iters: 200, failure_persistence: None, ..Config::default() })]

    /// Puts that die, late writes, lost and old catalogs, silent providers: whatever is collected in between, nothing that was acknowledged is gone.
    #[test]
    fn whatever_happened_before_a_collection_takes_nothing_that_a_version_needs(seed in 0_u64..1_000_000, events in events()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(seed * 10_000).await;
            for event in events {
                world.happens(event).await;
            }
            for event in [Event::Scrub(true), Event::Sweep, Event::Collect] {
                world.happens(event).await;
            }
            world.check().await
        })?;
    }
}
