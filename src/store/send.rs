//! Sends the n fragments of one extent and waits for as many answers as there will be.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::Store;
use super::clouds::Cloud;
use super::error::StoreError;
use super::scatter::{Action, Event, Scatter, Seat};
use super::weave::{Woven, header};
use crate::catalog::record::{Extent, Fragment, FragmentState, MemberState};
use crate::cloud_set::domain::DomainKind;
use crate::cloud_set::policy::Policy;
use crate::fragment::id::ExtentId;
use crate::fragment::secret::Keys;
use crate::placement::{acknowledged, choose};
use crate::provider::{Class, ProviderError, Stored};

/// What was learnt by sending one extent.
#[derive(Debug)]
pub struct Sent {
    /// The extent.
    pub extent: Extent,
    /// Its fragments, as far as known.
    pub fragments: Vec<Fragment>,
    /// The acknowledgement rule holds.
    pub acknowledged: bool,
    /// What the providers that failed said.
    pub causes: Vec<ProviderError>,
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
    /// Seats for the n fragments of a new extent, by the policy's placement.
    pub(crate) fn seats(&self, policy: &Policy, extent: ExtentId) -> Result<Vec<Arc<Cloud>>, StoreError> {
        let clouds = self.clouds();
        let candidates = clouds.candidates(policy.providers.as_deref());
        let seats =
            choose(extent, policy.n(), &policy.spread, &candidates).map_err(|source| StoreError::Placement {
                policy: policy.name.clone(),
                source,
            })?;
        seats
            .chosen
            .iter()
            .map(|at| clouds.require(candidates[*at].id).cloned())
            .collect()
    }

    /// Sends all fragments at once and waits: for all final answers while the rule does not hold, for stragglers a while once it does.
    pub(crate) async fn send(
        &self,
        woven: Woven,
        seats: &[Arc<Cloud>],
        copies: &[u64],
        rule: &Rule,
        progress: &Arc<dyn Progress>,
    ) -> Sent {
        let Woven { extent, fragments } = woven;
        let mut answers: FuturesUnordered<_> = fragments
            .into_iter()
            .enumerate()
            .map(|(index, body)| {
                let number = u16::try_from(index).expect("n is at most 256");
                let key = blob_key(&self.keys, &extent, number, copies[index]);
                let (cloud, keys, progress) = (seats[index].clone(), self.keys.clone(), progress.clone());
                let call = tokio::spawn(async move { deliver(&cloud, &keys, &key, body, progress.as_ref()).await });
                async move { (index, call.await) }
            })
            .collect();
        let mut scatter = Scatter::new(seats.len());
        let mut causes = Vec::new();
        let mut deadline = Instant::now() + self.settings.patience;
        loop {
            let event = tokio::select! {
                biased;
                answer = answers.next() => match answer {
                    None => Event::Deadline,
                    Some((seat, answer)) => event(seat, answer, &seats[seat], &mut causes),
                },
                () = sleep_until(deadline) => Event::Deadline,
            };
            match scatter.on(event, |now| rule.holds(now, seats)) {
                Action::Wait => {}
                Action::Acknowledge => deadline = deadline.min(Instant::now() + self.settings.stragglers),
                Action::End => break,
            }
        }
        let fragments = scatter.seats().iter().enumerate().map(|(index, seat)| Fragment {
            extent: extent.id,
            index: u16::try_from(index).expect("n is at most 256"),
            copy: copies[index],
            provider: seats[index].member.id,
            state: match seat {
                Seat::Confirmed => FragmentState::Sound,
                Seat::Failed => FragmentState::Missing,
                Seat::Uncertain => FragmentState::Sent,
            },
        });
        let fragments = fragments.collect();
        Sent {
            fragments,
            acknowledged: scatter.acknowledged(),
            extent,
            causes,
        }
    }
}

/// The acknowledgement rule of one extent.
#[derive(Clone, Debug)]
pub struct Rule {
    k: u16,
    quorum: u16,
    spread: BTreeMap<DomainKind, u16>,
}

impl Rule {
    /// The rule of a policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Rule {
        Rule {
            k: policy.k,
            quorum: policy.quorum,
            spread: policy.spread.clone(),
        }
    }

    /// At least `quorum` fragments, and k without the fullest domain of each kind that `spread` names.
    #[must_use]
    pub fn new(k: u16, quorum: u16, spread: BTreeMap<DomainKind, u16>) -> Rule {
        Rule { k, quorum, spread }
    }

    fn holds(&self, now: &[Seat], seats: &[Arc<Cloud>]) -> bool {
        let confirmed = now.iter().zip(seats).filter(|(seat, _)| **seat == Seat::Confirmed);
        let domains: Vec<_> = confirmed.map(|(_, cloud)| &cloud.domains).collect();
        acknowledged(&domains, self.k, self.quorum, &self.spread)
    }

    /// True if these clouds together satisfy the rule.
    #[must_use]
    pub fn holds_on<'a>(&self, clouds: impl Iterator<Item = &'a Arc<Cloud>>) -> bool {
        let domains: Vec<_> = clouds.map(|cloud| &cloud.domains).collect();
        acknowledged(&domains, self.k, self.quorum, &self.spread)
    }
}

/// One fragment to one member: proved to be ours first, confirmed by its length.
pub(crate) async fn deliver(
    cloud: &Cloud,
    keys: &Keys,
    key: &str,
    body: Bytes,
    progress: &dyn Progress,
) -> Result<(), ProviderError> {
    let len = body.len() as u64;
    progress.begin(&cloud.member.name, len);
    let result = deliver_quietly(cloud, keys, key, body).await;
    cloud.note(&result);
    progress.end(&cloud.member.name, len, result.as_ref().copied());
    result
}

async fn deliver_quietly(cloud: &Cloud, keys: &Keys, key: &str, body: Bytes) -> Result<(), ProviderError> {
    let len = body.len() as u64;
    let provider = cloud
        .way()
        .filter(|_| cloud.member.state == MemberState::Active)
        .ok_or_else(|| cloud.out_of_reach())?;
    cloud.prove(keys).await?;
    match provider.put(key, body).await? {
        Stored { len: Some(other), .. } if other != len => Err(ProviderError {
            provider: provider.name().to_owned(),
            operation: crate::provider::Operation::Put,
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

fn event(
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
    let event = if error.attempts == 1 && surely_absent(error.class) {
        Event::Failed(seat)
    } else {
        Event::Unsure(seat)
    };
    causes.push(error);
    event
}
