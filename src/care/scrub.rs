//! Looking after every fragment: that it is there, and, read through, that every byte of it is right.
//!
//! ```text
//! listing   wards, those listed longest ago first ─▶ survey.rs ─▶ missing, another length: marked, so queued for repair
//! reading   fragments, those read longest ago first ─▶ every tag ─▶ damaged, missing: marked          until budget, share or all
//! ```
//!
//! Each look is noted with its time once it is done, so a run that was cut short, or had no more budget, is taken up by the next one: what was looked at
//! is now at the end of the line.

use std::sync::Arc;

use futures::{StreamExt, stream};

use super::collect::{self, Strays};
use super::outlay::Outlay;
use super::rate::Rate;
use super::survey::{self, Found, GIVES_UP, ONE_GO};
use crate::catalog::diary::{Deed, Diary, Listed, Unread, Ward};
use crate::catalog::record::{Fragment, FragmentState};
use crate::provider::ProviderError;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::send::Progress;

/// Fragments that are read at once.
const AT_ONCE: usize = 8;

/// Fragments of which a run knows the order at a time.
const PAGE: usize = 4096;

/// Readings that are noted together: so many are done once more after a crash.
const BATCH: usize = 64;

/// What a run does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Reads fragments through, beside listing them.
    pub deep: bool,
    /// Reads no more than this part of all bytes, in millionths.
    pub share: Option<u32>,
    /// Looks only at what nobody looked at since then, nanoseconds since 1970.
    pub before: Option<i64>,
    /// Bytes that may be read.
    pub bytes: Option<u64>,
    /// Calls that may be made.
    pub calls: Option<u64>,
    /// Bytes that may be read in a second.
    pub rate: Option<u64>,
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Scrubbed {
    /// What the listings told.
    pub listed: Found,
    /// Wards that were listed on every member that answered.
    pub wards: u64,
    /// Fragments that were read through.
    pub read: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of those, damaged ones.
    pub damaged: u64,
    /// Of those, ones that turned out to be gone.
    pub missing: u64,
    /// Of those, ones that were thought to be wrong and aren't.
    pub back: u64,
    /// Fragments that were to be read and gave no answer.
    pub unread: u64,
    /// Wards and fragments that are left for the next run, as the budget was spent or somebody asked to stop.
    pub left: u64,
    /// Blobs that nothing seems to need.
    pub strays: Strays,
    /// Keys on the providers that are not of this cloud set.
    pub strange: u64,
    /// What providers that failed said, the first of each.
    pub causes: Vec<ProviderError>,
    /// What it took.
    pub outlay: Outlay,
}

impl Scrubbed {
    /// Fragments that were found wrong and weren't known to be.
    #[must_use]
    pub fn news(&self) -> u64 {
        self.listed.news + self.damaged + self.missing
    }

    fn cause(&mut self, error: ProviderError) {
        if !self.causes.iter().any(|known| known.provider == error.provider) {
            self.causes.push(error);
        }
    }
}

/// One run over the whole set or a slice of it.
pub async fn scrub(
    store: &Arc<Store>,
    diary: &dyn Diary,
    order: &Order,
    progress: &Arc<dyn Progress>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Scrubbed, StoreError> {
    let mut run = Run::new(store, diary, order, progress, stop);
    run.list().await?;
    if order.deep {
        run.read().await?;
    }
    Ok(run.done)
}

/// The reading alone, without a listing before it.
pub async fn read(
    store: &Arc<Store>,
    diary: &dyn Diary,
    order: &Order,
    progress: &Arc<dyn Progress>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Scrubbed, StoreError> {
    let mut run = Run::new(store, diary, order, progress, stop);
    run.read().await?;
    Ok(run.done)
}

/// What a run would do: nothing is asked of any provider.
pub async fn plan(store: &Arc<Store>, diary: &dyn Diary, order: &Order) -> Result<Outlay, StoreError> {
    let mut outlay = Outlay::default();
    let usage = store.catalog().usage().await?;
    let (wards, _) = wards_due(store, diary, order).await?;
    for cloud in store.clouds().present() {
        let held = usage.iter().find(|usage| usage.provider == cloud.member.id);
        let keys = held.map_or(0, |held| held.fragments + held.doomed);
        let share = keys * wards.len() as u64 / u64::from(crate::catalog::diary::WARDS);
        for round in rounds(store, &wards).await? {
            outlay
                .of(&cloud.member.name)
                .list(share * round.len() as u64 / wards.len().max(1) as u64);
        }
    }
    if !order.deep {
        return Ok(outlay);
    }
    let most = byte_limit(store, order).await?;
    let before = order.before.unwrap_or(i64::MAX);
    let (mut after, mut bytes) = (None, 0);
    loop {
        let page = diary.unread(before, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(outlay) };
        after = Some(last.mark);
        for unread in page {
            let len = len_of(&unread);
            let clouds = store.clouds();
            let Some(cloud) = clouds.holder(&unread.fragment).filter(|cloud| cloud.way().is_some()) else {
                continue;
            };
            if bytes + len > most || order.calls.is_some_and(|calls| outlay.calls() >= calls) {
                return Ok(outlay);
            }
            bytes += len;
            outlay.of(&cloud.member.name).get(len);
        }
    }
}

fn len_of(unread: &Unread) -> u64 {
    unread.extent.shape.fragment_len(unread.extent.header_len)
}

/// The bytes that a run may read: its budget, or its share of all.
async fn byte_limit(store: &Store, order: &Order) -> Result<u64, StoreError> {
    let Some(share) = order.share else {
        return Ok(order.bytes.unwrap_or(u64::MAX));
    };
    let clouds = store.clouds();
    let usage = store.catalog().usage().await?;
    let reached = usage
        .iter()
        .filter(|usage| clouds.get(usage.provider).is_some_and(|cloud| cloud.way().is_some()));
    let all: u128 = reached.map(|usage| u128::from(usage.bytes)).sum();
    let part = u64::try_from((all * u128::from(share)).div_ceil(1_000_000)).unwrap_or(u64::MAX);
    Ok(part.min(order.bytes.unwrap_or(u64::MAX)))
}

/// The wards that are to be listed, those listed longest ago first, and how many aren't.
async fn wards_due(store: &Store, diary: &dyn Diary, order: &Order) -> Result<(Vec<Ward>, u64), StoreError> {
    let rows = diary.listed().await?;
    let clouds = store.clouds();
    let members: Vec<_> = clouds.present().map(|cloud| cloud.member.id).collect();
    let at = |ward: Ward, provider| {
        let row = |row: &&Listed| row.ward == ward && row.provider == provider;
        rows.iter().find(row).map_or(i64::MIN, |row| row.at)
    };
    let oldest = |ward: Ward| members.iter().map(|provider| at(ward, *provider)).min();
    let mut wards: Vec<(i64, Ward)> = Ward::all()
        .map(|ward| (oldest(ward).unwrap_or(i64::MIN), ward))
        .collect();
    wards.retain(|(at, _)| order.before.is_none_or(|before| *at < before));
    wards.sort_unstable();
    let kept = u64::from(crate::catalog::diary::WARDS) - wards.len() as u64;
    Ok((wards.into_iter().map(|(_, ward)| ward).collect(), kept))
}

/// The wards in the rounds in which they are listed: all at once where little is stored, else one by one.
async fn rounds(store: &Store, wards: &[Ward]) -> Result<Vec<Vec<Ward>>, StoreError> {
    let usage = store.catalog().usage().await?;
    let most = usage
        .iter()
        .map(|usage| usage.fragments + usage.doomed)
        .max()
        .unwrap_or(0);
    let all = wards.len() == usize::from(crate::catalog::diary::WARDS);
    if wards.is_empty() {
        Ok(Vec::new())
    } else if all && most <= ONE_GO {
        Ok(vec![wards.to_vec()])
    } else {
        Ok(wards.iter().map(|ward| vec![*ward]).collect())
    }
}

struct Run<'a> {
    store: &'a Arc<Store>,
    diary: &'a dyn Diary,
    order: &'a Order,
    progress: &'a Arc<dyn Progress>,
    stop: &'a (dyn Fn() -> bool + Sync),
    rate: Rate,
    done: Scrubbed,
}

impl<'a> Run<'a> {
    fn new(
        store: &'a Arc<Store>,
        diary: &'a dyn Diary,
        order: &'a Order,
        progress: &'a Arc<dyn Progress>,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Run<'a> {
        Run {
            store,
            diary,
            order,
            progress,
            stop,
            rate: Rate::new(order.rate),
            done: Scrubbed::default(),
        }
    }

    async fn list(&mut self) -> Result<(), StoreError> {
        let (wards, fresh) = wards_due(self.store, self.diary, self.order).await?;
        let mut rounds = rounds(self.store, &wards).await?.into_iter();
        let mut broken = false;
        while let Some(round) = rounds.next() {
            if self.is_over() {
                self.done.left += round.len() as u64 + rounds.map(|round| round.len() as u64).sum::<u64>();
                return Ok(());
            }
            broken |= self.list_round(&round).await?;
        }
        if !broken && fresh == 0 {
            self.diary.note(Deed::Listed, self.store.clock().now()).await?;
        }
        Ok(())
    }

    /// True if some listing broke off.
    async fn list_round(&mut self, wards: &[Ward]) -> Result<bool, StoreError> {
        let mut sight = survey::list(self.store, wards).await;
        let (found, rows) = survey::compare(self.store, self.diary, &mut sight, wards).await?;
        self.done.listed.add(&found);
        self.done.strange += sight.strange;
        self.done
            .strays
            .add(collect::strays(self.store, self.diary, &sight, wards, &rows).await?);
        survey::note(self.store, self.diary, &sight, wards).await?;
        self.done.wards += wards.len() as u64;
        let broken = sight.broken();
        self.done.outlay.add(sight.outlay);
        let is_broken = !broken.is_empty();
        for error in broken {
            self.done.cause(error);
        }
        Ok(is_broken)
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        let begun = self.store.clock().now();
        self.diary.enrol(begun).await?;
        let most = byte_limit(self.store, self.order).await?;
        // What is read in this run moves behind its begin, what was enrolled at it is still to be read.
        let before = self.order.before.unwrap_or(begun.saturating_add(1));
        let mut after = None;
        loop {
            let page = self.diary.unread(before, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.mark);
            if !self.read_page(page, most).await? {
                break;
            }
        }
        self.diary.note(Deed::Read, self.store.clock().now()).await?;
        Ok(())
    }

    /// Reads what may be read of a page. False if the budget is spent, or somebody asked to stop.
    async fn read_page(&mut self, page: Vec<Unread>, most: u64) -> Result<bool, StoreError> {
        let (mut chosen, mut bytes, all) = (Vec::new(), self.done.bytes, page.len());
        let calls = self
            .order
            .calls
            .map(|calls| calls.saturating_sub(self.done.outlay.calls()));
        for unread in page {
            let len = len_of(&unread);
            if bytes.saturating_add(len) > most || calls.is_some_and(|calls| chosen.len() as u64 >= calls) {
                break;
            }
            bytes += len;
            chosen.push(unread);
        }
        let whole = chosen.len() == all;
        self.done.left += (all - chosen.len()) as u64;
        let (store, progress, rate, stop) = (self.store.clone(), self.progress.clone(), &self.rate, self.stop);
        let mut answers = stream::iter(chosen)
            .map(|unread| {
                let (store, progress) = (store.clone(), progress.clone());
                async move {
                    let state = read_one(&store, &unread, rate, stop, &progress).await;
                    (unread, state)
                }
            })
            .buffer_unordered(AT_ONCE);
        let mut batch = Vec::new();
        while let Some((unread, answer)) = answers.next().await {
            match answer {
                Read::Stopped => self.done.left += 1,
                Read::Silent(error) => {
                    self.done.unread += 1;
                    self.done.cause(*error);
                }
                Read::Found(state) => {
                    self.done.found(&self.store.clone(), &unread, state);
                    batch.push(Fragment {
                        state,
                        ..unread.fragment
                    });
                    if batch.len() >= BATCH {
                        keep(&store, self.diary, std::mem::take(&mut batch)).await?;
                    }
                }
            }
        }
        drop(answers);
        keep(&store, self.diary, batch).await?;
        Ok(whole && !(self.stop)())
    }

    fn is_over(&self) -> bool {
        (self.stop)() || self.order.calls.is_some_and(|calls| self.done.outlay.calls() >= calls)
    }
}

impl Scrubbed {
    fn found(&mut self, store: &Store, unread: &Unread, state: FragmentState) {
        let len = len_of(unread);
        self.read += 1;
        self.bytes += len;
        if let Some(cloud) = store.clouds().holder(&unread.fragment) {
            self.outlay.of(&cloud.member.name).get(len);
        }
        match (unread.fragment.state, state) {
            (was, now) if was == now => {}
            (_, FragmentState::Damaged) => self.damaged += 1,
            (_, FragmentState::Missing) => self.missing += 1,
            (_, FragmentState::Sound | FragmentState::Sent) => self.back += 1,
        }
    }
}

/// How the reading of one fragment ended.
enum Read {
    Found(FragmentState),
    Silent(Box<ProviderError>),
    Stopped,
}

async fn read_one(
    store: &Store,
    unread: &Unread,
    rate: &Rate,
    stop: &(dyn Fn() -> bool + Sync),
    progress: &Arc<dyn Progress>,
) -> Read {
    let clouds = store.clouds();
    let Some(cloud) = clouds.holder(&unread.fragment) else {
        return Read::Stopped;
    };
    if cloud.way().is_none() || cloud.failing() >= GIVES_UP {
        return Read::Silent(Box::new(survey::given_up(cloud)));
    }
    rate.pass(len_of(unread)).await;
    if stop() {
        return Read::Stopped;
    }
    match store.read_through(&unread.extent, unread.fragment, progress).await {
        Ok(state) => {
            progress.payload(len_of(unread));
            Read::Found(state)
        }
        Err(error) => Read::Silent(Box::new(error)),
    }
}

/// Keeps what was read, and what was found wrong or right again.
async fn keep(store: &Store, diary: &dyn Diary, read: Vec<Fragment>) -> Result<(), StoreError> {
    if read.is_empty() {
        return Ok(());
    }
    store.catalog().mark(read.clone()).await?;
    Ok(diary.note_read(read, store.clock().now()).await?)
}
