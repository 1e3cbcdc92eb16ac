//! One simulated provider: what it holds, how it is doing, and each way in which a call to it can go wrong.
//!
//! ```text
//! a process ──moment──▶ on the wire ──▶ done at the provider ──▶ the answer on the wire ──moment──▶ the process
//!                            └─ the process dies: it is done all the same, or never
//! ```
//!
//! One provider of a run is its liar: it alone forgets, damages, hides, is rolled back. That is what `Settings::liars` = 1 and
//! Q − k ≥ 1 answer for. One may be emptied, the liar or another one, or lost, if all that counts can do without both. All others may be slow, silent or refuse as they like, lose answers, write late or twice, and now and then garble what they send.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use raic::provider::{Call, Class, Listed, Operation, Parts, Provider, ProviderError, Stat, Stored};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::life::Life;
use super::world::{Fault, World, millis};

const IDENTITY: &str = "identity/set";

/// How a provider is doing, until that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    Clear,
    BrownOut,
    Hanging,
    Throttling,
    Down,
    Denied,
    Full,
    ClockOff,
}

impl Weather {
    pub(crate) const BAD: [Weather; 7] = [
        Weather::BrownOut,
        Weather::Hanging,
        Weather::Throttling,
        Weather::Down,
        Weather::Denied,
        Weather::Full,
        Weather::ClockOff,
    ];
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Well,
    Fails(Class),
    Hangs,
    LosesAnswer,
    /// A timeout now, done so many milliseconds later.
    Late(u64),
    /// Done, and once more so many milliseconds later.
    Twice(u64),
    /// Half of it is stored, and the answer says so.
    ShortTold,
    Forgotten,
    Rots,
    Shortens,
    WrongBytes,
    ShortRead,
    Omits,
}

#[derive(Debug, Default)]
struct State {
    blobs: BTreeMap<String, Bytes>,
    /// Blobs that readers don't see before a time.
    hidden: BTreeMap<String, u64>,
    /// What it said to hold, whatever it did.
    claimed: std::collections::BTreeSet<String>,
    /// What it held when somebody took a copy.
    copy: Option<BTreeMap<String, Bytes>>,
    /// The identity blob that was written last.
    identity: Option<Bytes>,
    /// Deletions since the last look, with the times at which they were asked for.
    deleted: Vec<(u64, String)>,
}

#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) name: String,
    pub(crate) at: usize,
    pub(crate) liar: bool,
    world: Arc<World>,
    /// Milliseconds of a call on a good day.
    usual: u64,
    weather: Mutex<Weather>,
    /// Calls that it still answers before it goes down.
    left: AtomicU64,
    state: Mutex<State>,
}

impl Cloud {
    pub(crate) fn new(at: usize, liar: bool, world: &Arc<World>) -> Arc<Cloud> {
        Arc::new(Cloud {
            name: format!("p{at}"),
            at,
            liar,
            world: world.clone(),
            usual: world.between(5, 120),
            weather: Mutex::new(Weather::Clear),
            left: AtomicU64::new(u64::MAX),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        self.left.store(u64::MAX, Ordering::SeqCst);
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner) = weather;
    }

    /// It answers so many more calls, then it is down.
    pub(crate) fn fails_after(&self, calls: u64) {
        self.left.store(calls, Ordering::SeqCst);
    }

    /// One call more; the one after the last that it was to answer finds it down.
    fn use_up(&self) {
        let left = self.left.load(Ordering::SeqCst);
        match left {
            u64::MAX => {}
            0 => self.set_weather(Weather::Down),
            _ => self.left.store(left - 1, Ordering::SeqCst),
        }
    }

    pub(crate) fn weather(&self) -> Weather {
        if self.world.is_calm() {
            return Weather::Clear;
        }
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if it holds under this key what was sent under it.
    pub(crate) fn holds(&self, key: &str) -> bool {
        let state = self.state();
        state.blobs.get(key).is_some_and(|body| self.world.is_sound(key, body))
    }

    /// True if it was ever told whose data it holds.
    pub(crate) fn signed_in(&self) -> bool {
        self.state().identity.is_some()
    }

    /// True if it can still prove whose data it holds.
    pub(crate) fn has_identity(&self) -> bool {
        let state = self.state();
        state.identity.is_some() && state.blobs.get(IDENTITY) == state.identity.as_ref()
    }

    /// The keys that it holds.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.state().blobs.keys().cloned().collect()
    }

    /// True if it said that it holds this key, and did not delete it since.
    pub(crate) fn claims(&self, key: &str) -> bool {
        self.state().claimed.contains(key)
    }

    /// Deletions that happened since the last call of this, with the times at which they were asked for.
    pub(crate) fn take_deleted(&self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.state().deleted)
    }

    /// Somebody takes a copy of all that it holds.
    pub(crate) fn copy(&self) {
        let mut state = self.state();
        state.copy = Some(state.blobs.clone());
    }

    /// It comes back as it was when the copy was taken; false without one.
    pub(crate) fn roll_back(&self) -> bool {
        let mut state = self.state();
        let Some(copy) = state.copy.clone() else { return false };
        state.blobs = copy;
        true
    }

    pub(crate) fn empty(&self) {
        self.state().blobs.clear();
    }

    /// What was hidden is seen from now on.
    pub(crate) fn unhide(&self) {
        self.state().hidden.clear();
    }

    fn error(&self, operation: Operation, key: &str, class: Class) -> ProviderError {
        ProviderError::new(&self.name, operation, key, class, "simulated")
    }

    /// Milliseconds of one way of one call.
    fn travel(&self) -> u64 {
        let world = &self.world;
        let half = self.usual / 2 + 1;
        let tail = if world.odds(20) { 10 } else { 1 };
        let slow = if self.weather() == Weather::BrownOut { 20 } else { 1 };
        world.between(half / 2, half * 2) * tail * slow
    }

    fn fate(&self, operation: Operation) -> Fate {
        let (world, at) = (&self.world, self.at);
        if world.is_calm() {
            return Fate::Well;
        }
        self.use_up();
        let fails = |fault, class| {
            world.silent(at, fault);
            Fate::Fails(class)
        };
        match self.weather() {
            Weather::BrownOut if world.odds(200) => return fails(Fault::BrownOut, Class::Transient),
            Weather::BrownOut => world.silent(at, Fault::BrownOut),
            Weather::Hanging if world.odds(500) => {
                world.silent(at, Fault::Hang);
                return Fate::Hangs;
            }
            Weather::Throttling if world.odds(600) => return fails(Fault::Throttled, Class::Throttled),
            Weather::Down => return fails(Fault::Down, Class::Transient),
            Weather::Denied => return fails(Fault::Denied, Class::Denied),
            Weather::Full if operation == Operation::Put => return fails(Fault::Full, Class::Full),
            Weather::ClockOff => return fails(Fault::ClockRefused, Class::Clock),
            _ => {}
        }
        self.mishap(operation)
    }

    /// What goes wrong in fair weather.
    fn mishap(&self, operation: Operation) -> Fate {
        let (world, at) = (&self.world, self.at);
        let later = || world.between(50, 1_500_000);
        let lies = self.liar && !world.is_honest();
        if world.odds(6) {
            world.silent(at, Fault::LostAnswer);
            return Fate::LosesAnswer;
        }
        if world.odds(3) {
            world.silent(at, Fault::Down);
            return Fate::Fails(Class::Transient);
        }
        if world.odds(1) {
            world.silent(at, Fault::Hang);
            return Fate::Hangs;
        }
        match operation {
            Operation::Put => match world.chance.below(1000) {
                0..8 => {
                    world.silent(at, Fault::LateWrite);
                    Fate::Late(later())
                }
                8..16 => {
                    world.count(Fault::DuplicatedWrite);
                    Fate::Twice(later())
                }
                16..20 => {
                    world.silent(at, Fault::ShortWriteTold);
                    Fate::ShortTold
                }
                20..32 if lies => {
                    world.lied(at, Fault::ForgottenWrite);
                    Fate::Forgotten
                }
                32..40 if lies => {
                    world.lied(at, Fault::RotAtRest);
                    Fate::Rots
                }
                40..48 if lies => {
                    world.lied(at, Fault::ShortAtRest);
                    Fate::Shortens
                }
                _ => Fate::Well,
            },
            Operation::Get => match world.chance.below(1000) {
                0..4 => {
                    world.lied(at, Fault::WrongBytes);
                    Fate::WrongBytes
                }
                4..8 => {
                    world.lied(at, Fault::ShortRead);
                    Fate::ShortRead
                }
                _ => Fate::Well,
            },
            Operation::Delete if world.odds(20) => {
                world.count(Fault::LateDelete);
                Fate::Late(later())
            }
            Operation::List if lies && world.odds(60) => {
                world.lied(at, Fault::StaleList);
                Fate::Omits
            }
            _ => Fate::Well,
        }
    }

    fn store(&self, key: &str, body: &Bytes, fate: Fate) {
        let kept = match fate {
            Fate::Forgotten => None,
            Fate::Shortens | Fate::ShortTold => Some(body.slice(..body.len() / 2)),
            Fate::Rots => Some(self.flipped(body)),
            _ => Some(body.clone()),
        };
        let hides = self.liar && !self.world.is_honest() && self.world.odds(30);
        let until = self.world.now() + self.world.between(1_000, 3_600_000);
        let mut state = self.state();
        if key == IDENTITY {
            state.identity = Some(body.clone());
        }
        if fate != Fate::ShortTold {
            state.claimed.insert(key.to_owned());
        }
        if hides {
            state.hidden.insert(key.to_owned(), until);
        }
        if let Some(kept) = kept {
            state.blobs.insert(key.to_owned(), kept);
        }
    }

    fn erase(&self, key: &str, asked: u64) {
        let mut state = self.state();
        state.claimed.remove(key);
        if state.blobs.remove(key).is_some() {
            state.deleted.push((asked, key.to_owned()));
        }
    }

    fn flipped(&self, body: &Bytes) -> Bytes {
        let mut bytes = body.to_vec();
        if !bytes.is_empty() {
            let at = usize::try_from(self.world.chance.below(bytes.len() as u64)).expect("within a blob");
            bytes[at] ^= 1 << self.world.chance.below(8);
        }
        bytes.into()
    }

    /// The blob as a reader sees it.
    fn seen(&self, key: &str) -> Option<Bytes> {
        let state = self.state();
        let hidden = state.hidden.get(key).is_some_and(|until| self.world.now() < *until);
        let blob = state.blobs.get(key).cloned();
        drop(state);
        if hidden && blob.is_some() {
            self.world.lied(self.at, Fault::StaleRead);
            return None;
        }
        blob
    }

    fn read(&self, key: &str, range: &Range<u64>, fate: Fate) -> Result<Parts, ProviderError> {
        if range.is_empty() {
            return Ok(Parts::default());
        }
        let gone = || self.error(Operation::Get, key, Class::Gone);
        let blob = self.seen(key).ok_or_else(gone)?;
        let inside = |at: u64| usize::try_from(at).ok().filter(|&at| at <= blob.len());
        let (Some(start), Some(end)) = (inside(range.start), inside(range.end)) else {
            return Err(self.error(Operation::Get, key, Class::Corrupt));
        };
        let bytes = blob.slice(start..end);
        Ok(match fate {
            Fate::WrongBytes => self.flipped(&bytes).into(),
            Fate::ShortRead => bytes.slice(..bytes.len() / 2).into(),
            _ => bytes.into(),
        })
    }

    fn listed(&self, prefix: &str, fate: Fate) -> Vec<Listed> {
        let now = self.world.now();
        let state = self.state();
        let keys = state.blobs.range(prefix.to_owned()..);
        let is_hidden = |key: &String| state.hidden.get(key).is_some_and(|until| now < *until);
        let (hidden, seen): (Vec<_>, Vec<_>) = keys
            .take_while(|(key, _)| key.starts_with(prefix))
            .partition(|(key, _)| is_hidden(key));
        let below: Vec<Listed> = seen
            .into_iter()
            .map(|(key, body)| Listed {
                key: key.clone(),
                len: Some(body.len() as u64),
            })
            .collect();
        let hides = !hidden.is_empty();
        drop(state);
        if hides {
            self.world.lied(self.at, Fault::StaleList);
        }
        let shown = |_: &Listed| fate != Fate::Omits || self.world.odds(800);
        below.into_iter().filter(shown).collect()
    }
}

/// A provider as one process reaches it.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) life: Arc<Life>,
}

impl Access {
    /// The way there: the call goes wrong on it, or has arrived.
    async fn arrive(&self, operation: Operation, key: &str) -> Result<Fate, ProviderError> {
        self.life.moment().await;
        self.cloud.world.call();
        let fate = self.cloud.fate(operation);
        self.cloud
            .world
            .tell(|| format!("    {} {operation} {key}: {fate:?}", self.cloud.name));
        if fate == Fate::Hangs {
            std::future::pending::<()>().await;
        }
        if let Fate::Fails(class) = fate {
            sleep(millis(self.cloud.travel())).await;
            self.life.moment().await;
            return Err(self.cloud.error(operation, key, class));
        }
        Ok(fate)
    }

    /// The way back.
    async fn answer<T>(&self, operation: Operation, key: &str, fate: Fate, answer: T) -> Result<T, ProviderError> {
        sleep(millis(self.cloud.travel())).await;
        self.life.moment().await;
        match fate {
            Fate::LosesAnswer | Fate::Late(_) => Err(self.cloud.error(operation, key, Class::Timeout)),
            _ => Ok(answer),
        }
    }

    /// A change on the wire: it happens though the process dies, or never.
    async fn change(&self, fate: Fate, change: impl Fn(&Cloud) + Send + 'static) {
        let (cloud, life) = (self.cloud.clone(), self.life.clone());
        let (travel, lands) = (cloud.travel(), cloud.world.odds(500));
        let (done, arrived) = oneshot::channel();
        tokio::spawn(async move {
            sleep(millis(travel)).await;
            if life.is_over() && !lands {
                return;
            }
            if let Fate::Late(after) = fate {
                let _ = done.send(());
                sleep(millis(after)).await;
                change(&cloud);
                cloud.world.landed(cloud.at);
                return;
            }
            change(&cloud);
            let _ = done.send(());
            if let Fate::Twice(after) = fate {
                sleep(millis(after)).await;
                change(&cloud);
            }
        });
        drop(arrived.await);
    }
}

impl Provider for Access {
    fn name(&self) -> &str {
        &self.cloud.name
    }

    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
        Box::pin(async move {
            let fate = self.arrive(Operation::Put, key).await?;
            self.cloud.world.bind(key, &body);
            let len = body.len() as u64;
            let said = if fate == Fate::ShortTold { len / 2 } else { len };
            let owned = key.to_owned();
            self.change(fate, move |cloud| cloud.store(&owned, &body, fate)).await;
            let stored = Stored {
                len: Some(said),
                etag: None,
            };
            self.answer(Operation::Put, key, fate, stored).await
        })
    }

    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
        Box::pin(async move {
            let fate = self.arrive(Operation::Get, key).await?;
            sleep(millis(self.cloud.travel())).await;
            let read = self.cloud.read(key, &range, fate);
            self.answer(Operation::Get, key, fate, read).await?
        })
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        Box::pin(async move {
            let fate = self.arrive(Operation::Stat, key).await?;
            sleep(millis(self.cloud.travel())).await;
            let gone = || self.cloud.error(Operation::Stat, key, Class::Gone);
            let stat = self.cloud.seen(key).ok_or_else(gone).map(|blob| Stat {
                len: blob.len() as u64,
                etag: None,
            });
            self.answer(Operation::Stat, key, fate, stat).await?
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        let listing = async move {
            let fate = self.arrive(Operation::List, prefix).await?;
            sleep(millis(self.cloud.travel())).await;
            let listed = self.cloud.listed(prefix, fate);
            self.answer(Operation::List, prefix, fate, listed).await
        };
        let entries = |listing: Result<Vec<Listed>, ProviderError>| match listing {
            Ok(listed) => stream::iter(listed.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        };
        stream::once(listing).flat_map(entries).boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            let fate = self.arrive(Operation::Delete, key).await?;
            let owned = key.to_owned();
            let asked = self.cloud.world.now();
            self.change(fate, move |cloud| cloud.erase(&owned, asked)).await;
            self.answer(Operation::Delete, key, fate, ()).await
        })
    }
}
