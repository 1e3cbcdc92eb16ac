//! Sends the n fragments of one extent and waits for as many answers as there will be.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::clouds::Cloud;
use super::error::StoreError;
use super::late::Late;
use super::rule::Rule;
use super::scatter::{Action, Event, Scatter, Seat};
use super::weave::{Woven, header};
use super::{Acknowledge, Store};
use crate::catalog::record::{Extent, Fragment, FragmentState, Intent, MemberState};
use crate::cloud_set::policy::Policy;
use crate::fragment::header::Header;
use crate::fragment::id::{ExtentId, Kind};
use crate::fragment::secret::Keys;
use crate::placement::choose;
use crate::plant::{Bug, planted};
use crate::provider::{Class, Operation, Provider, ProviderError, Stored};

/// What was learnt by sending one extent.
#[derive(Debug)]
pub struct Sent {
    /// The extent.
    pub extent: Extent,
    /// Its fragments, as far as known.
    pub fragments: Vec<Fragment>,
    /// Those among them that a spare took over: other copies of their index may be there too.
    pub replaced: Vec<Fragment>,
    /// The acknowledgement rule holds.
    pub acknowledged: bool,
    /// What the providers that failed said.
    pub causes: Vec<ProviderError>,
    /// The seats that hadn't answered when it was acknowledged, if nobody waited for them.
    pub(crate) late: Option<Late>,
}

impl Sent {
    /// Fragments that were confirmed.
    #[must_use]
    pub fn confirmed(&self) -> u16 {
        let sound = self
            .fragments
            .iter()
            .filter(|f| f.state == FragmentState::Sound)
            .count();
        u16::try_from(sound).expect("n is at most 256")
    }
}

/// Hears of progress. Called from several tasks; must be quick.
pub trait Progress: Send + Sync {
    /// So many more payload bytes were read from the source, or given to the reader.
    fn payload(&self, bytes: u64);
    /// A fragment of so many bytes leaves for, or was asked of, this provider.
    fn begin(&self, provider: &str, bytes: u64);
    /// It arrived (`Ok`), or didn't.
    fn end(&self, provider: &str, bytes: u64, result: Result<(), &ProviderError>);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn payload(&self, _: u64) {}
    fn begin(&self, _: &str, _: u64) {}
    fn end(&self, _: &str, _: u64, _: Result<(), &ProviderError>) {}
}

/// The rows of an extent's fragments before they leave: fragment i to seat i.
pub(crate) fn departing(extent: ExtentId, seats: &[Arc<Cloud>], copies: &[u64]) -> Vec<Fragment> {
    let fragment = |(index, (cloud, copy)): (u16, (&Arc<Cloud>, &u64))| Fragment {
        extent,
        index,
        copy: *copy,
        provider: cloud.member.id,
        state: FragmentState::Sent,
    };
    (0..).zip(seats.iter().zip(copies)).map(fragment).collect()
}

/// The blob key of one fragment of an extent.
#[must_use]
pub fn blob_key(keys: &Keys, extent: &Extent, index: u16, copy: u64) -> String {
    header(extent, index, copy).key(keys)
}

impl Store {
    /// Seats for the n fragments of a new extent, of `len` bytes each, by the policy's placement. Providers that are known to be down, or whose
    /// quota has no room, take none if others can.
    pub(crate) fn seats(&self, policy: &Policy, extent: ExtentId, len: u64) -> Result<Seating, StoreError> {
        let clouds = self.clouds();
        let mut candidates = clouds.candidates(policy.providers.as_deref());
        for candidate in &mut candidates {
            let takes = |cloud: &Arc<Cloud>| cloud.takes_writes() && cloud.has_room(len);
            candidate.writable &= clouds.get(candidate.id).is_some_and(takes);
        }
        let seats =
            choose(extent, policy.n(), &policy.spread, &candidates).map_err(|source| StoreError::Placement {
                policy: policy.name.clone(),
                source,
            })?;
        let clouds_of = |places: &[usize]| -> Result<Vec<Arc<Cloud>>, StoreError> {
            let cloud = |at: &usize| clouds.require(candidates[*at].id).cloned();
            places.iter().map(cloud).collect()
        };
        Ok(Seating {
            chosen: clouds_of(&seats.chosen)?,
            spares: clouds_of(&seats.spares)?,
        })
    }

    /// Sends all fragments at once and waits: for all final answers while the rule does not hold, for stragglers a while once it does. A seat
    /// that fails is taken over by a spare, noted under `intent` before its fragment leaves.
    pub(crate) async fn send(
        &self,
        woven: Woven,
        seating: Seating,
        intent: Intent,
        rule: &Rule,
        progress: &Arc<dyn Progress>,
    ) -> Sent {
        let Woven { extent, fragments } = woven;
        let copies = intent.fragments.iter().map(|fragment| fragment.copy).collect();
        let mut flight = Flight::new(self, extent, fragments, seating, copies, rule, progress);
        let mut scatter = Scatter::new(flight.seats.len());
        let began = Instant::now();
        let mut deadline = began + self.settings.patience;
        let mut leave_at = None;
        let mut hedge = Instant::now() + flight.lateness();
        loop {
            let event = tokio::select! {
                biased;
                answer = flight.answers.next() => match answer {
                    None => Event::Deadline,
                    Some((seat, copy, answer)) => match flight.take(seat, copy, answer, &intent).await {
                        Some(event) => event,
                        None => continue,
                    },
                },
                () = sleep_until(deadline) => Event::Deadline,
                () = sleep_until(hedge), if !scatter.acknowledged() => {
                    hedge = deadline;
                    flight.hedge(&scatter, &intent).await;
                    continue;
                }
                () = sleep_until(leave_at.unwrap_or(deadline)), if leave_at.is_some() => {
                    if let Some(room) = self.behind.take(flight.outstanding(&scatter)) {
                        return flight.leave(&scatter, room);
                    }
                    leave_at = None;
                    deadline = deadline.min(Instant::now() + flight.lateness());
                    continue;
                }
            };
            match scatter.on(event, |now| rule.holds(now, &flight.seats)) {
                Action::Wait => {}
                Action::Acknowledge => {
                    if self.settings.acknowledge == Acknowledge::Quorum {
                        leave_at = Some(Instant::now() + (began.elapsed() / 4).min(LONGEST_LINGER));
                    }
                    deadline = deadline.min(Instant::now() + self.straggling(&scatter, &flight.seats));
                }
                Action::End => break,
            }
        }
        flight.end(&scatter)
    }

    /// How long an extent that is safe waits for the rest: not long for providers that have kept others waiting before.
    fn straggling(&self, scatter: &Scatter, seats: &[Arc<Cloud>]) -> Duration {
        let out = scatter
            .seats()
            .iter()
            .zip(seats)
            .filter(|(seat, _)| **seat == Seat::Uncertain);
        let hopeful = out.filter(|(_, cloud)| cloud.failing() == 0).count();
        if hopeful > 0 {
            self.settings.stragglers
        } else {
            self.settings.stragglers.min(FORLORN)
        }
    }
}

/// What is taken for usual where nothing is known yet.
const UNKNOWN: Duration = Duration::from_secs(1);

/// The shortest wait before spares are sent beside seats that are late: a busy moment of all is no reason.
const SHORTEST_HEDGE: Duration = Duration::from_millis(500);

/// The longest.
const LONGEST_HEDGE: Duration = Duration::from_secs(10);

/// How long an extent that may be left behind at the rule still waits for seats that are nearly there: each that is late costs a transaction of its own.
const LONGEST_LINGER: Duration = Duration::from_millis(5);

/// How long a put that is safe waits for providers all of which failed their last calls.
const FORLORN: Duration = Duration::from_secs(1);

/// Who is to hold the fragments of a new extent, and who stands by.
#[derive(Clone, Debug)]
pub(crate) struct Seating {
    /// Fragment i goes to provider i.
    pub(crate) chosen: Vec<Arc<Cloud>>,
    /// For seats that fail, the first first.
    pub(crate) spares: Vec<Arc<Cloud>>,
}

/// What became of a seat's fragment under this copy number.
pub(super) type Answer = (usize, u64, Result<Result<(), ProviderError>, tokio::task::JoinError>);

/// The fragments of one extent while they are on their way.
struct Flight<'a> {
    store: &'a Store,
    extent: Extent,
    bodies: Vec<Bytes>,
    seats: Vec<Arc<Cloud>>,
    spares: Vec<Arc<Cloud>>,
    copies: Vec<u64>,
    replaced: Vec<usize>,
    rule: &'a Rule,
    progress: &'a Arc<dyn Progress>,
    answers: FuturesUnordered<BoxFuture<'static, Answer>>,
    causes: Vec<ProviderError>,
}

impl<'a> Flight<'a> {
    fn new(
        store: &'a Store,
        extent: Extent,
        bodies: Vec<Bytes>,
        seating: Seating,
        copies: Vec<u64>,
        rule: &'a Rule,
        progress: &'a Arc<dyn Progress>,
    ) -> Flight<'a> {
        let mut flight = Flight {
            store,
            extent,
            bodies,
            seats: seating.chosen,
            spares: seating.spares,
            rule,
            copies,
            replaced: Vec::new(),
            progress,
            answers: FuturesUnordered::new(),
            causes: Vec::new(),
        };
        let left_out = flight.left_out();
        for seat in 0..flight.seats.len() {
            if left_out.contains(&seat) {
                flight.leave_out(seat);
            } else {
                flight.depart(seat);
            }
        }
        flight
    }

    /// Seats to which nothing is sent: their providers stand still, and as much waits for such behind acknowledgements as may. None if the others aren't enough.
    fn left_out(&self) -> Vec<usize> {
        let len = self.bodies.first().map_or(0, |body| body.len() as u64);
        if self.store.settings.acknowledge == Acknowledge::All || self.store.behind.fits(len) {
            return Vec::new();
        }
        let still: Vec<usize> = (0..self.seats.len())
            .filter(|seat| self.seats[*seat].failing() > 0)
            .collect();
        let others = self.seats.iter().enumerate();
        let others = others.filter(|(seat, _)| !still.contains(seat));
        if self.rule.holds_on(others.map(|(_, cloud)| cloud)) {
            still
        } else {
            Vec::new()
        }
    }

    /// The fragment of a seat doesn't leave: a spare takes it, or it is owed.
    fn leave_out(&mut self, seat: usize) {
        let refused = ProviderError {
            provider: self.seats[seat].member.name.clone(),
            operation: Operation::Put,
            key: String::new(),
            class: Class::Timeout,
            attempts: 0,
            message: "it stands still, and as much as may waits for it already".to_owned(),
        };
        let answer = (seat, self.copies[seat], Ok(Err(refused)));
        self.answers.push(std::future::ready(answer).boxed());
    }

    /// The fragment of a seat leaves, in a task that ends whoever waits for it.
    fn depart(&mut self, seat: usize) {
        let key = blob_key(&self.store.keys, &self.extent, number(seat), self.copies[seat]);
        let (cloud, keys, body) = (
            self.seats[seat].clone(),
            self.store.keys.clone(),
            self.bodies[seat].clone(),
        );
        let (progress, copy, kind) = (self.progress.clone(), self.copies[seat], self.extent.kind);
        let call = tokio::spawn(async move { deliver(&cloud, &keys, kind, &key, body, progress.as_ref()).await });
        self.answers.push(async move { (seat, copy, call.await) }.boxed());
    }

    /// How long its seats may take before spares are sent beside those that haven't answered: three times what is usual among them.
    fn lateness(&self) -> Duration {
        let len = self.bodies.first().map_or(0, |body| body.len() as u64);
        let usual = self.seats.iter();
        let usual = usual.filter_map(|cloud| cloud.expect(Operation::Put, len, 0.9));
        let mut usual: Vec<Duration> = usual.collect();
        usual.sort();
        let median = usual.get(usual.len() / 2).copied().unwrap_or(UNKNOWN);
        (median * 3).clamp(SHORTEST_HEDGE, LONGEST_HEDGE)
    }

    /// Sends spares for the seats that haven't answered; the answers of those no longer count.
    async fn hedge(&mut self, scatter: &Scatter, intent: &Intent) {
        for (seat, state) in scatter.seats().iter().enumerate() {
            if *state == Seat::Uncertain && !self.replaced.contains(&seat) {
                self.seats[seat].note_late();
                self.replace(seat, intent).await;
            }
        }
    }

    /// Bytes of the fragments that nobody has confirmed yet.
    fn outstanding(&self, scatter: &Scatter) -> u64 {
        let out = scatter.seats().iter().zip(&self.bodies);
        let out = out.filter(|(seat, _)| **seat == Seat::Uncertain);
        out.map(|(_, body)| body.len() as u64).sum()
    }

    /// Ends before the rest has answered: whoever commits takes their answers later.
    fn leave(mut self, scatter: &Scatter, room: OwnedSemaphorePermit) -> Sent {
        let answers = std::mem::take(&mut self.answers);
        let (seats, lateness) = (self.seats.clone(), self.lateness());
        let mut sent = self.ended(scatter);
        let late = sent.fragments.iter().filter(|it| it.state == FragmentState::Sent);
        let late = Late {
            fragments: late.copied().collect(),
            seats,
            answers: Mutex::new(answers),
            lateness,
            _room: room,
        };
        sent.late = Some(late).filter(|late| !late.fragments.is_empty());
        sent
    }

    /// One answer; `None` if a spare takes over the seat.
    async fn take(
        &mut self,
        seat: usize,
        copy: u64,
        answer: Result<Result<(), ProviderError>, tokio::task::JoinError>,
        intent: &Intent,
    ) -> Option<Event> {
        if copy != self.copies[seat] {
            // A spare was sent beside it: its blob goes after the grace.
            return None;
        }
        let event = event(seat, answer, &self.seats[seat], &mut self.causes);
        if matches!(event, Event::Confirmed(_)) {
            // Its memory is for the next extent.
            self.bodies[seat] = Bytes::new();
            return Some(event);
        }
        if self.replace(seat, intent).await {
            None
        } else {
            Some(event)
        }
    }

    /// Hands the seat to the next spare: its row first, then its fragment.
    async fn replace(&mut self, seat: usize, intent: &Intent) -> bool {
        let Some(spare) = self.next_spare(seat) else {
            return false;
        };
        let copy = self.store.entropy.number();
        let intent = Intent {
            fragments: vec![Fragment {
                extent: self.extent.id,
                index: number(seat),
                copy,
                provider: spare.member.id,
                state: FragmentState::Sent,
            }],
            ..intent.clone()
        };
        let Some(body) = self.with_copy(seat, copy) else {
            return false;
        };
        if let Err(error) = self.store.catalog.intend(intent).await {
            tracing::warn!("a spare could not be noted: {error}");
            return false;
        }
        tracing::info!(
            "{} takes over a fragment from {}",
            spare.member.name,
            self.seats[seat].member.name
        );
        self.seats[seat] = spare;
        self.copies[seat] = copy;
        self.bodies[seat] = body;
        self.replaced.push(seat);
        self.depart(seat);
        true
    }

    /// The first spare that may have this seat beside the holders of all others.
    fn next_spare(&mut self, seat: usize) -> Option<Arc<Cloud>> {
        let (seats, rule) = (&self.seats, self.rule);
        let others = || seats.iter().enumerate().filter(|(at, _)| *at != seat);
        let len = self.bodies[seat].len() as u64;
        let at = self.spares.iter().position(|spare| {
            spare.has_room(len)
                && rule.spread.iter().all(|(kind, most)| {
                    let domain = spare.domains.get(*kind);
                    let beside = others().filter(|(_, cloud)| domain.is_some() && cloud.domains.get(*kind) == domain);
                    beside.count() < usize::from(*most)
                })
        })?;
        Some(self.spares.remove(at))
    }

    /// The seat's fragment under another copy number.
    fn with_copy(&self, seat: usize, copy: u64) -> Option<Bytes> {
        let old = &self.bodies[seat];
        let (_, owner) = Header::decode(old, &self.store.keys).ok()?;
        let first = header(&self.extent, number(seat), copy)
            .encode(&self.store.keys, &owner)
            .ok()?;
        let mut body = Vec::with_capacity(old.len());
        body.extend_from_slice(&first);
        body.extend_from_slice(old.get(first.len()..)?);
        Some(body.into())
    }

    /// Nobody waits any more.
    fn end(self, scatter: &Scatter) -> Sent {
        let seats = scatter.seats().iter().zip(&self.seats);
        for (_, cloud) in seats.filter(|(seat, _)| **seat == Seat::Uncertain) {
            cloud.note_late();
        }
        self.ended(scatter)
    }

    fn ended(self, scatter: &Scatter) -> Sent {
        let fragment = |(index, seat): (usize, &Seat)| Fragment {
            extent: self.extent.id,
            index: number(index),
            copy: self.copies[index],
            provider: self.seats[index].member.id,
            state: match seat {
                Seat::Confirmed => FragmentState::Sound,
                _ if scatter.acknowledged() && planted(Bug::ForgetLateFailures) => FragmentState::Sound,
                Seat::Failed => FragmentState::Missing,
                Seat::Uncertain => FragmentState::Sent,
            },
        };
        let fragments: Vec<Fragment> = scatter.seats().iter().enumerate().map(fragment).collect();
        let replaced = self.replaced.iter().map(|seat| fragments[*seat]);
        Sent {
            replaced: replaced
                .filter(|fragment| fragment.state == FragmentState::Sound)
                .collect(),
            fragments,
            acknowledged: scatter.acknowledged(),
            extent: self.extent,
            causes: self.causes,
            late: None,
        }
    }
}

fn number(index: usize) -> u16 {
    u16::try_from(index).expect("n is at most 256")
}

/// One fragment to one member: proved to be ours first, confirmed by its length.
pub(crate) async fn deliver(
    cloud: &Cloud,
    keys: &Keys,
    kind: Kind,
    key: &str,
    body: Bytes,
    progress: &dyn Progress,
) -> Result<(), ProviderError> {
    let len = body.len() as u64;
    progress.begin(&cloud.member.name, len);
    let result = deliver_within_quota(cloud, keys, kind, key, body).await;
    progress.end(&cloud.member.name, len, result.as_ref().copied());
    result
}

async fn deliver_within_quota(
    cloud: &Cloud,
    keys: &Keys,
    kind: Kind,
    key: &str,
    body: Bytes,
) -> Result<(), ProviderError> {
    let len = body.len() as u64;
    cloud.take_room(kind, len)?;
    let result = deliver_quietly(cloud, keys, key, body).await;
    cloud.note(&result);
    result.inspect_err(|_| cloud.give_room(len))
}

async fn deliver_quietly(cloud: &Cloud, keys: &Keys, key: &str, body: Bytes) -> Result<(), ProviderError> {
    let provider = cloud
        .way()
        .filter(|_| cloud.member.state == MemberState::Active)
        .ok_or_else(|| cloud.out_of_reach())?;
    cloud.prove(keys).await?;
    put_whole(provider, key, body).await
}

/// Puts a blob; an answer that names another length is no confirmation.
pub(super) async fn put_whole(provider: &Arc<dyn Provider>, key: &str, body: Bytes) -> Result<(), ProviderError> {
    let len = body.len() as u64;
    match provider.put(key, body).await? {
        Stored { len: Some(other), .. } if other != len && !planted(Bug::CountAShortWrite) => Err(ProviderError {
            provider: provider.name().to_owned(),
            operation: Operation::Put,
            key: key.to_owned(),
            class: Class::Corrupt,
            attempts: 1,
            message: format!("it says that it stored {other} of {len} bytes"),
        }),
        _ => Ok(()),
    }
}

/// Which answers leave no doubt that the blob is not there: those by which the provider refused the one attempt before it took a byte.
fn surely_absent(class: Class) -> bool {
    matches!(class, Class::Denied | Class::Config | Class::Unsupported | Class::Clock)
}

/// What an answer says of a seat; an error is added to `causes`.
pub(super) fn event(
    seat: usize,
    answer: Result<Result<(), ProviderError>, tokio::task::JoinError>,
    cloud: &Cloud,
    causes: &mut Vec<ProviderError>,
) -> Event {
    let error = match answer {
        Ok(Ok(())) => return Event::Confirmed(seat),
        Ok(Err(error)) => error,
        Err(join) => ProviderError {
            provider: cloud.member.name.clone(),
            operation: crate::provider::Operation::Put,
            key: String::new(),
            class: Class::Broken,
            attempts: 1,
            message: if join.is_panic() {
                "the call panicked".to_owned()
            } else {
                "the call was cancelled".to_owned()
            },
        },
    };
    let event = if error.attempts == 0 || error.attempts == 1 && surely_absent(error.class) {
        Event::Failed(seat)
    } else {
        Event::Unsure(seat)
    };
    causes.push(error);
    event
}
