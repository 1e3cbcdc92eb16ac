//! Reading bytes of one extent: asks for fragments as [`Gather`] decides, verifies every frame; `assemble` opens and rebuilds into place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::Store;
use super::assemble::Assembly;
use super::clouds::Cloud;
use super::error::StoreError;
use super::gather::{Action, Gather};
use super::hedge::{self, Lateness};
use super::rank::{self, Standing};
use super::send::{Progress, blob_key};
use super::weave::header;
use crate::catalog::record::{Extent, Fragment, FragmentState, OpenGeneration, Piece};
use crate::cloud_set::policy::Prefer;
use crate::fragment::frame::cut;
use crate::fragment::header::Header;
use crate::fragment::secret::Keys;
use crate::fragment::tag::FrameKeys;
use crate::plant::{Bug, planted};
use crate::provider::{Class, Operation, ProviderError};
use crate::stripe::geometry::TAG_LEN;

/// Readings of an extent before it is called unreadable for good.
const READINGS: usize = 3;

/// What was learnt by reading, beside the bytes.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// Fragments whose state turned out to be another than the catalog says.
    pub changed: Vec<Fragment>,
    /// Calls that failed.
    pub causes: Vec<ProviderError>,
    /// Some chunk had to be rebuilt from others.
    pub rebuilt: bool,
}

impl Notes {
    /// Adds what another read learnt.
    pub fn add(&mut self, other: Notes) {
        self.changed.extend(other.changed);
        self.causes.extend(other.causes);
        self.rebuilt |= other.rebuilt;
    }

    /// True if nothing was amiss.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.changed.is_empty() && self.causes.is_empty()
    }
}

/// One extent to read from, and how.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The object, for messages.
    pub(crate) name: String,
    /// Which of its extents, for messages.
    pub(crate) ordinal: usize,
    /// The extent and its fragments.
    pub(crate) piece: Piece,
    /// The policy of the object, by name: whoever rebuilds keeps its spread.
    pub(crate) policy: String,
    /// Who is asked first, if not as the policy says.
    pub(crate) prefer: Option<Prefer>,
    /// Providers not to be asked, nor given anything, by name.
    pub(crate) avoid: Arc<[String]>,
    /// The open generation that the extent belongs to, while it is being adopted: no version holds it yet.
    pub(crate) adopting: Option<Arc<OpenGeneration>>,
}

impl Source {
    /// Reading from one extent of an object.
    pub(crate) fn new(name: &str, policy: &str, ordinal: usize, piece: Piece) -> Source {
        Source {
            name: name.to_owned(),
            policy: policy.to_owned(),
            prefer: None,
            ordinal,
            piece,
            avoid: Arc::default(),
            adopting: None,
        }
    }
}

/// A fragment that came: where its good frames are in its bytes, stripe by stripe of the window.
pub(crate) struct Arrived {
    pub(crate) bytes: Bytes,
    pub(crate) good: Vec<Option<Range<usize>>>,
    pub(crate) sound: bool,
}

impl Arrived {
    /// The stripes of the window, from 0, without a good frame.
    fn bad(&self) -> Vec<usize> {
        let stripes = (0..).zip(&self.good);
        stripes
            .filter(|(_, good)| good.is_none())
            .map(|(stripe, _)| stripe)
            .collect()
    }

    /// This, and what is good of another copy of the same fragment.
    fn with(self, other: Arrived) -> Arrived {
        let offset = self.bytes.len();
        let moved = |range: Range<usize>| range.start + offset..range.end + offset;
        let good = self.good.into_iter().zip(other.good);
        Arrived {
            good: good.map(|(own, other)| own.or_else(|| other.map(moved))).collect(),
            bytes: [self.bytes, other.bytes].concat().into(),
            sound: self.sound || other.sound,
        }
    }
}

impl Store {
    /// The payload bytes `range` of one extent, and what was learnt.
    pub(crate) async fn fetch(
        &self,
        source: &Source,
        range: Range<u64>,
        progress: &Arc<dyn Progress>,
    ) -> Result<(Bytes, Notes), StoreError> {
        let extent = &source.piece.extent;
        let window = extent.shape.window(&range);
        if window.is_empty() {
            return Ok((Bytes::new(), Notes::default()));
        }
        let wanted = wanted(extent, &window, &range);
        let (arrived, notes) = self.gather(source, &window, &wanted, progress).await?;
        let rebuilt = !wanted
            .iter()
            .all(|chunk| arrived.get(chunk).is_some_and(|a| a.good.iter().all(Option::is_some)));
        let assembly = self
            .assembly(extent, window, range, arrived)
            .map_err(|what| inconsistent(source, what))?;
        let pool = self.pool.clone();
        let bytes = self.workers.run(move || assembly.run(&pool)).await;
        let bytes = bytes.map_err(|what| inconsistent(source, what))?;
        Ok((bytes, Notes { rebuilt, ..notes }))
    }

    /// How many fragments of an extent are good, up to k. Fewer than k is the most of three readings: one may be spoilt on its way.
    pub(crate) async fn good(&self, source: &Source, progress: &Arc<dyn Progress>) -> Result<u16, StoreError> {
        let shape = source.piece.extent.shape;
        let mut most = 0;
        for _ in 0..READINGS {
            match self.fetch(source, 0..shape.payload_len, progress).await {
                Ok(_) => return Ok(shape.k),
                Err(StoreError::Lost { good, .. }) => most = most.max(good),
                Err(error) => return Err(error),
            }
        }
        Ok(most)
    }

    /// Any k coded chunks of every stripe, for rebuilding: the frames of a whole extent, by index. What the catalog doesn't know is looked for where
    /// what it knows doesn't do.
    pub(crate) async fn gather(
        &self,
        source: &Source,
        window: &Range<u64>,
        wanted: &[u16],
        progress: &Arc<dyn Progress>,
    ) -> Result<(BTreeMap<u16, Arrived>, Notes), StoreError> {
        let error = match self.gather_known(source, window, wanted, progress).await {
            Err(error @ (StoreError::Lost { .. } | StoreError::Unreachable { .. })) => error,
            other => return other,
        };
        let (strays, silent) = self.strays(source).await;
        if strays.is_empty() {
            return Err(or_silent(error, silent));
        }
        let mut source = source.clone();
        source.piece.fragments.extend(&strays);
        let gathered = self.gather_known(&source, window, wanted, progress).await;
        self.keep_strays(strays).await;
        gathered.map_err(|error| or_silent(error, silent))
    }

    async fn gather_known(
        &self,
        source: &Source,
        window: &Range<u64>,
        wanted: &[u16],
        progress: &Arc<dyn Progress>,
    ) -> Result<(BTreeMap<u16, Arrived>, Notes), StoreError> {
        let extent = &source.piece.extent;
        let mut others = self.reachable(source);
        let reachable: BTreeSet<u64> = others.iter().map(|(fragment, _)| fragment.copy).collect();
        let candidates = self.candidates(source, wanted);
        others.retain(|(other, _)| candidates.iter().all(|(first, _)| first.copy != other.copy));
        let order: Vec<u16> = candidates.iter().map(|(fragment, _)| fragment.index).collect();
        let stripes = usize::try_from(window.end - window.start).expect("a window fits memory");
        let (mut gather, mut action) = Gather::new(extent.shape.k, stripes, wanted, &order);
        let (mut asked, mut arrived, mut notes) = (FuturesUnordered::new(), BTreeMap::new(), Notes::default());
        let (mut lateness, mut silent, mut due) = (Lateness::default(), BTreeSet::new(), Vec::new());
        let len = extent.shape.frames(extent.header_len, window);
        let len = len.end - len.start;
        let least = match source.prefer {
            Some(Prefer::Cost) => hedge::UNHURRIED,
            _ => hedge::LEAST,
        };
        loop {
            match action {
                Action::Ask(ref indices) => {
                    let chosen = candidates
                        .iter()
                        .filter(|(fragment, _)| indices.contains(&fragment.index));
                    due.extend(chosen.cloned());
                }
                Action::Wait => {}
                Action::Decode => return Ok((arrived, notes)),
                Action::Short { good } => {
                    self.note(&notes).await;
                    return Err(short(source, good, &reachable, &silent, notes));
                }
            }
            for (fragment, cloud) in due.drain(..) {
                lateness.ask(fragment.index, &cloud, len, least);
                self.hedges.note(1);
                asked.push(self.ask(fragment, cloud, extent.clone(), window.clone(), progress.clone()));
            }
            let answered = tokio::select! {
                biased;
                answered = asked.next() => Ok(answered.expect("somebody was asked")),
                late = lateness.next() => Err(late),
            };
            let (fragment, answer) = match answered {
                Ok(answered) => answered,
                Err(late) => {
                    action = self.hedges.around(late, &mut gather);
                    continue;
                }
            };
            lateness.answered(fragment.index);
            if matches!(&answer, Err(error) if error.class != Class::Gone) {
                silent.insert(fragment.index);
            }
            let whole = take(fragment, answer, &mut arrived, &mut notes);
            action = match others.iter().position(|(other, _)| other.index == fragment.index) {
                Some(at) if !whole => {
                    due.push(others.remove(at));
                    Action::Wait
                }
                _ => match arrived.get(&fragment.index) {
                    Some(found) => gather.arrived(fragment.index, &found.bad()),
                    None => gather.failed(fragment.index),
                },
            };
        }
    }

    /// The fragments that can be asked for, with who holds them.
    fn reachable(&self, source: &Source) -> Vec<(Fragment, Arc<Cloud>)> {
        let clouds = self.clouds();
        let fragments = source.piece.fragments.iter();
        let with_holder = fragments.filter_map(|fragment| Some((*fragment, clouds.holder(fragment)?.clone())));
        with_holder
            .filter(|(_, cloud)| cloud.way().is_some() && !source.avoid.contains(&cloud.member.name))
            .collect()
    }

    /// Who may be asked, in the order of the source's preference, each index once; what is called missing too, last. `wanted` are the data chunks that
    /// are needed.
    pub(crate) fn candidates(&self, source: &Source, wanted: &[u16]) -> Vec<(Fragment, Arc<Cloud>)> {
        let candidates = self.reachable(source);
        let extent = &source.piece.extent;
        let len = extent.shape.fragment_len(extent.header_len);
        let slow = hedge::slow(candidates.iter().map(|(_, cloud)| cloud.as_ref()), len);
        let standing = |((fragment, cloud), slow): (&(Fragment, Arc<Cloud>), bool)| {
            let list = self.settings.read_prices.get(&cloud.member.name);
            Standing {
                index: fragment.index,
                state: fragment.state,
                failing: cloud.failing() > 0,
                slow,
                price: list.and_then(|list| rank::price_of(list, len)),
            }
        };
        let standings: Vec<Standing> = candidates.iter().zip(slow).map(standing).collect();
        let prefer = source.prefer.or_else(|| Some(self.policy(&source.policy)?.prefer));
        let order = rank::order(&standings, prefer.unwrap_or_default(), wanted, extent.shape.k);
        order.into_iter().map(|at| candidates[at].clone()).collect()
    }

    /// Who is asked first for payload bytes `range` of an extent, and for how many bytes each, if nothing is late or fails.
    pub(crate) fn first_asked(&self, source: &Source, range: &Range<u64>) -> Vec<(Arc<Cloud>, u64)> {
        let extent = &source.piece.extent;
        let window = extent.shape.window(range);
        if window.is_empty() {
            return Vec::new();
        }
        let wanted = wanted(extent, &window, range);
        let candidates = self.candidates(source, &wanted);
        let order: Vec<u16> = candidates.iter().map(|(fragment, _)| fragment.index).collect();
        let (_, Action::Ask(asked)) = Gather::new(extent.shape.k, 1, &wanted, &order) else {
            return Vec::new();
        };
        let range = read_range(extent, &window);
        let asked = candidates
            .into_iter()
            .filter(|(fragment, _)| asked.contains(&fragment.index));
        asked.map(|(_, cloud)| (cloud, range.end - range.start)).collect()
    }

    /// One ranged read of one fragment, verified frame by frame. A read of the first stripe begins at the header, and checks it.
    pub(crate) async fn ask(
        &self,
        fragment: Fragment,
        cloud: Arc<Cloud>,
        extent: Extent,
        window: Range<u64>,
        progress: Arc<dyn Progress>,
    ) -> (Fragment, Result<Arrived, ProviderError>) {
        let (frames, range) = (
            extent.shape.frames(extent.header_len, &window),
            read_range(&extent, &window),
        );
        let len = range.end - range.start;
        progress.begin(&cloud.member.name, len);
        let result = self.get_from(&cloud, &extent, fragment, range.clone()).await;
        cloud.note(&result);
        progress.end(&cloud.member.name, len, result.as_ref().map(|_| ()));
        let verified = match result {
            Err(error) => Err(error),
            Ok(bytes) => {
                let keys = self.keys.clone();
                let skip = usize::try_from(frames.start - range.start).expect("a header is at most 4 KiB");
                let work = move || verify(&keys, &extent, fragment, window, bytes, skip);
                Ok(self.workers.run(work).await)
            }
        };
        (fragment, verified)
    }

    /// Checks a fragment's length, then reads it whole and checks every byte.
    pub(crate) async fn examine(
        &self,
        extent: &Extent,
        fragment: Fragment,
        progress: &Arc<dyn Progress>,
    ) -> Result<FragmentState, ProviderError> {
        match self.look(extent, fragment).await? {
            FragmentState::Sound => self.read_through(extent, fragment, progress).await,
            other => Ok(other),
        }
    }

    /// Reads a fragment whole, in one call, and checks every byte.
    pub(crate) async fn read_through(
        &self,
        extent: &Extent,
        fragment: Fragment,
        progress: &Arc<dyn Progress>,
    ) -> Result<FragmentState, ProviderError> {
        let clouds = self.clouds();
        let unknown = || ProviderError {
            provider: fragment.provider.to_string(),
            operation: Operation::Get,
            key: String::new(),
            class: Class::Config,
            attempts: 1,
            message: "it is not a member of the set".to_owned(),
        };
        let cloud = clouds.holder(&fragment).ok_or_else(unknown)?;
        let _permit = self.reserve(extent.shape.fragment_len(extent.header_len)).await;
        let window = 0..extent.shape.stripes();
        match self
            .ask(fragment, cloud.clone(), extent.clone(), window, progress.clone())
            .await
            .1
        {
            Ok(arrived) if arrived.sound => Ok(FragmentState::Sound),
            Ok(_) => Ok(FragmentState::Damaged),
            Err(error) if error.class == Class::Gone => Ok(FragmentState::Missing),
            Err(error) => Err(error),
        }
    }

    /// Bytes of a fragment. A 404 counts only from a provider that proves to hold this set's data.
    pub(crate) async fn get_from(
        &self,
        cloud: &Cloud,
        extent: &Extent,
        fragment: Fragment,
        range: Range<u64>,
    ) -> Result<Bytes, ProviderError> {
        let provider = cloud.way().ok_or_else(|| cloud.out_of_reach())?;
        let key = blob_key(&self.keys, extent, fragment.index, fragment.copy);
        match provider.get(&key, range).await {
            Err(error) if error.class == Class::Gone => {
                cloud.prove(&self.keys).await?;
                Err(error)
            }
            // Shorter than it should be: an answer, and a damaged fragment.
            Err(error) if error.class == Class::Corrupt => Ok(Bytes::new()),
            other => other.map(crate::provider::Parts::join),
        }
    }

    /// Keeps what was learnt of fragments, for repair. A catalog that can't be written is no reason to fail a read.
    pub(crate) async fn note(&self, notes: &Notes) {
        if !notes.changed.is_empty()
            && let Err(error) = self.catalog.mark(notes.changed.clone()).await
        {
            tracing::warn!("what was found out about fragments could not be kept: {error}");
        }
    }

    fn assembly(
        &self,
        extent: &Extent,
        window: Range<u64>,
        range: Range<u64>,
        arrived: BTreeMap<u16, Arrived>,
    ) -> Result<Assembly, String> {
        let cipher = extent
            .sealed
            .then(|| self.keys.cipher(extent.key_id, extent.id, &extent.salt))
            .transpose();
        Ok(Assembly {
            cipher: cipher.map_err(|error| error.to_string())?,
            shape: extent.shape,
            code: self
                .code(extent.shape.k, extent.shape.n)
                .map_err(|error| error.to_string())?,
            window,
            range,
            arrived,
        })
    }
}

/// One answer: good frames are kept, beside those of other copies; what was amiss is noted. True if the whole window is here by now.
fn take(
    fragment: Fragment,
    answer: Result<Arrived, ProviderError>,
    arrived: &mut BTreeMap<u16, Arrived>,
    notes: &mut Notes,
) -> bool {
    let state = match answer {
        Ok(found) => {
            let state = (!found.sound).then_some(FragmentState::Damaged);
            let both = match arrived.remove(&fragment.index) {
                Some(before) => before.with(found),
                None => found,
            };
            arrived.insert(fragment.index, both);
            state
        }
        Err(error) => {
            let state = (error.class == Class::Gone).then_some(FragmentState::Missing);
            notes.causes.push(error);
            state
        }
    };
    notes.changed.extend(state.map(|state| Fragment { state, ..fragment }));
    arrived.get(&fragment.index).is_some_and(|found| found.bad().is_empty())
}

/// The bytes of a fragment that are read for a window of its stripes: from the header on if it holds the first.
fn read_range(extent: &Extent, window: &Range<u64>) -> Range<u64> {
    let frames = extent.shape.frames(extent.header_len, window);
    if window.start == 0 { 0..frames.end } else { frames }
}

/// The data chunks that a range needs in some stripe of its window.
fn wanted(extent: &Extent, window: &Range<u64>, range: &Range<u64>) -> Vec<u16> {
    if window.end - window.start > 2 {
        return (0..extent.shape.k).collect();
    }
    let needs = window.clone().flat_map(|stripe| extent.shape.needs(stripe, range));
    let chunks: std::collections::BTreeSet<u16> = needs.map(|need| need.chunk).collect();
    chunks.into_iter().collect()
}

fn verify(keys: &Keys, extent: &Extent, fragment: Fragment, window: Range<u64>, bytes: Bytes, skip: usize) -> Arrived {
    let header_sound = skip == 0
        || Header::decode(&bytes, keys).is_ok_and(|(found, _)| found == header(extent, fragment.index, fragment.copy));
    let stripes = window.end - window.start;
    let Ok(frame_keys) = FrameKeys::new(keys, extent.key_id, extent.id, &extent.salt, extent.shape) else {
        return Arrived {
            bytes,
            good: (0..stripes).map(|_| None).collect(),
            sound: false,
        };
    };
    let frames = bytes.get(skip..).unwrap_or_default();
    let mut at = skip;
    let good = cut(&frame_keys, fragment.index, window, frames).map(|(stripe, frame)| {
        let begin = at;
        let chunk_len = extent.shape.coded_len(stripe) as usize;
        at += chunk_len + usize::try_from(TAG_LEN).expect("32");
        let whole = planted(Bug::SkipATag) && begin + chunk_len <= bytes.len();
        (whole || frame.good().is_some()).then(|| begin..begin + chunk_len)
    });
    let good: Vec<Option<Range<usize>>> = good.collect();
    let sound = header_sound && good.iter().all(Option::is_some);
    Arrived { bytes, good, sound }
}

/// Fewer than k: lost for certain, or only out of reach? `reachable` are the copies that could be asked for, `silent` the indices of those that gave no
/// answer.
fn short(source: &Source, good: u16, reachable: &BTreeSet<u64>, silent: &BTreeSet<u16>, notes: Notes) -> StoreError {
    let extent = &source.piece.extent;
    let definite = |f: &Fragment| {
        f.state == FragmentState::Missing || notes.changed.iter().any(|c| (c.index, c.copy) == (f.index, f.copy))
    };
    let fragments = source.piece.fragments.iter();
    let unasked = fragments.filter(|f| !definite(f) && !reachable.contains(&f.copy));
    let unanswered: BTreeSet<u16> = unasked.map(|f| f.index).chain(silent.iter().copied()).collect();
    let unanswered = u16::try_from(unanswered.len()).unwrap_or(u16::MAX);
    let (name, ordinal, k) = (source.name.clone(), source.ordinal, extent.shape.k);
    if good + unanswered >= k {
        StoreError::Unreachable {
            name,
            ordinal,
            k,
            good,
            unanswered,
            causes: notes.causes,
        }
    } else {
        StoreError::Lost { name, ordinal, k, good }
    }
}

/// Nothing is lost for certain while as many members are silent as could hold what is missing.
fn or_silent(error: StoreError, silent: Vec<ProviderError>) -> StoreError {
    let unanswered = u16::try_from(silent.len()).unwrap_or(u16::MAX);
    match error {
        StoreError::Lost { name, ordinal, k, good } if good + unanswered >= k => StoreError::Unreachable {
            name,
            ordinal,
            k,
            good,
            unanswered,
            causes: silent,
        },
        other => other,
    }
}

fn inconsistent(source: &Source, what: String) -> StoreError {
    StoreError::Inconsistent {
        name: source.name.clone(),
        what,
    }
}
