//! How the node is: what its status page and metrics are drawn from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::super::super::error::words;
use super::super::super::ground::Session;
use super::super::super::quantity::{count, rfc3339};
use super::super::ls;
use crate::catalog::record::{Census, MemberState};
use crate::clock::{Clock, SystemClock};
use crate::cloud_set::Policy;
use crate::fragment::id::ProviderId;
use crate::node::keeper::Keeper;
use crate::node::service::Service;
use crate::node::striped::Limits;
use crate::status::{Picture, Place, Source, Space};
use crate::store::clouds::{Cloud, identify};

/// How long what the providers were asked stays told.
const FRESH: Duration = Duration::from_mins(1);

/// How long a provider may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the pictures of one node come from.
pub(super) struct Look {
    pub(super) keeper: Arc<Keeper>,
    pub(super) service: Arc<Service>,
    pub(super) backend: &'static str,
    pub(super) began: Instant,
    /// The clouds below it, if there are any.
    pub(super) clouds: Option<Clouds>,
}

/// A striped node's clouds.
pub(super) struct Clouds {
    pub(super) session: Arc<Session>,
    pub(super) policy: Policy,
    pub(super) limits: Limits,
    pub(super) known: Mutex<Option<(Instant, Known)>>,
}

/// What was seen of the clouds at one time.
#[derive(Clone)]
pub(super) struct Known {
    places: Vec<Place>,
    census: Census,
    /// Objects that can't be read for good.
    lost: u64,
    advisories: u64,
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Look({})", self.backend)
    }
}

impl Source for Look {
    fn look(&self) -> BoxFuture<'_, Picture> {
        Box::pin(self.picture())
    }
}

impl Look {
    async fn picture(&self) -> Picture {
        let (space, rules) = (self.keeper.space(), self.keeper.rules());
        let picture = Picture {
            schema: "raic.node/1",
            version: env!("CARGO_PKG_VERSION"),
            backend: self.backend,
            at: rfc3339(SystemClock.now()),
            up: self.began.elapsed().as_secs(),
            headline: "OK: shares lie in one plain folder".to_owned(),
            healthy: true,
            available: true,
            can_lose: None,
            promised: 0,
            providers: Vec::new(),
            objects: Vec::new(),
            bytes: 0,
            work: vec![("uploads", self.keeper.uploads() as u64)],
            space: Space {
                available: Some(space).filter(|space| *space < u64::MAX),
                reserve: rules.reserve,
                promised: self.keeper.promised(),
                read_only: rules.read_only,
            },
            cost_month: None,
            budget: None,
            requests: self.service.tally().counted(),
        };
        let Some(clouds) = &self.clouds else { return picture };
        match clouds.known().await {
            Ok(known) => clouds.add(&known, picture),
            Err(trouble) => Picture {
                headline: format!("the catalog can't be read: {trouble}"),
                healthy: false,
                available: false,
                ..picture
            },
        }
    }
}

impl Clouds {
    /// What is known, not older than [`FRESH`]; whoever comes meanwhile waits for the same.
    async fn known(&self) -> Result<Known, String> {
        let mut kept = self.known.lock().await;
        if let Some((at, known)) = kept.as_ref()
            && at.elapsed() < FRESH
        {
            return Ok(known.clone());
        }
        let known = self.ask().await.map_err(|error| error.to_string())?;
        *kept = Some((Instant::now(), known.clone()));
        Ok(known)
    }

    async fn ask(&self) -> Result<Known, crate::catalog::CatalogError> {
        let catalog = self.session.store.catalog();
        let usage = catalog.usage().await?;
        let clouds = self.session.store.clouds();
        let members: Vec<&Arc<Cloud>> = clouds.present().collect();
        let troubles = join_all(members.iter().map(|cloud| self.trouble(cloud))).await;
        let gone = ls::gone(&self.session);
        let (mut places, mut away): (Vec<Place>, Vec<ProviderId>) = (Vec::new(), gone.clone());
        for (cloud, trouble) in members.into_iter().zip(troubles) {
            let name = &cloud.member.name;
            let used = usage.iter().find(|usage| usage.provider == cloud.member.id);
            let (fragments, bytes) = used.map_or((0, 0), |used| (used.fragments, used.bytes));
            if trouble.is_some() {
                away.push(cloud.member.id);
            }
            #[expect(clippy::cast_precision_loss, reason = "money is shown with two digits")]
            let cost = |price: &f64| price * bytes as f64;
            places.push(Place {
                name: name.clone(),
                state: state(cloud, trouble.is_some()),
                fragments,
                bytes,
                quota: self.limits.quotas.get(name).copied(),
                cost_month: self.limits.prices.get(name).map(cost),
                trouble,
            });
        }
        Ok(Known {
            places,
            census: catalog.census(&away).await?,
            lost: catalog.census(&gone).await?.lost,
            advisories: self.session.archive.advisories().await?.len() as u64,
        })
    }

    /// What keeps a member from being the provider that it should be. It is asked each time: one that was right may be gone.
    async fn trouble(&self, cloud: &Arc<Cloud>) -> Option<String> {
        let keys = self.session.store.keys();
        let asked = async {
            cloud.prove(keys).await?;
            match cloud.way() {
                Some(provider) => identify(keys, provider.as_ref()).await.map(drop),
                None => Ok(()),
            }
        };
        match timeout(PATIENCE, asked).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(words(&error)),
            Err(_) => Some(format!("no answer in {} s", PATIENCE.as_secs())),
        }
    }

    fn add(&self, known: &Known, picture: Picture) -> Picture {
        let Known {
            places,
            census,
            lost,
            advisories,
        } = known;
        let down = places.iter().filter(|place| place.trouble.is_some()).count();
        let up = places.len() - down;
        let available = census.lost == 0 && up >= usize::from(self.policy.k);
        let poor = census.degraded + census.at_risk + census.lost;
        let costs: Vec<f64> = places.iter().filter_map(|place| place.cost_month).collect();
        let mut work = picture.work.clone();
        work.extend([
            ("late fragments owed", census.debts),
            ("blobs to delete", census.doomed),
            ("changes open", census.open),
            ("advisories", *advisories),
        ]);
        Picture {
            headline: self.headline(census, *lost, down),
            healthy: available && poor == 0 && down == 0,
            available,
            can_lose: census.margin,
            promised: self.policy.m,
            objects: vec![
                ("ok", census.whole),
                ("degraded", census.degraded),
                ("at risk", census.at_risk),
                ("unreachable", census.lost.saturating_sub(*lost)),
                ("lost", *lost),
            ],
            bytes: census.bytes,
            work,
            cost_month: (!costs.is_empty()).then(|| costs.iter().sum()),
            budget: self.limits.budget,
            providers: places.clone(),
            ..picture
        }
    }

    fn headline(&self, census: &Census, lost: u64, down: usize) -> String {
        let objects = |number: u64| count(number, "object", "objects");
        let out = if down == 0 {
            String::new()
        } else {
            format!("; {} down", count(down as u64, "provider is", "providers are"))
        };
        match census.margin {
            _ if lost > 0 => format!("LOST: {} can't be read any more{out}", objects(lost)),
            _ if census.lost > 0 => format!(
                "OUT OF REACH, nothing lost: {} wait for providers{out}",
                objects(census.lost)
            ),
            None => format!("OK: nothing is stored yet{out}"),
            Some(margin) if census.degraded + census.at_risk > 0 => format!(
                "DEGRADED, nothing lost: can lose {margin} more of the {} that the policy promises{out}",
                self.policy.m
            ),
            Some(margin) => format!("OK: can lose any {margin}{out}"),
        }
    }
}

fn state(cloud: &Cloud, trouble: bool) -> &'static str {
    match cloud.member.state {
        _ if cloud.provider.is_none() => "unlisted",
        _ if trouble => "down",
        MemberState::ReadOnly => "readonly",
        MemberState::Draining => "draining",
        _ => "ok",
    }
}

/// Quotas, prices and the budget of a configured set.
pub(super) fn limits(session: &Session, prices: &crate::cloud_set::price::Prices, budget: Option<f64>) -> Limits {
    let profiles = &session.config.set.providers;
    let quota = |profile: &crate::cloud_set::Profile| Some((profile.name.clone(), profile.quota?.bytes()));
    let price = |profile: &crate::cloud_set::Profile| {
        let price = prices.list(profile.cost.as_ref()).0.storage?;
        Some((profile.name.clone(), price.per_byte_month()))
    };
    Limits {
        quotas: profiles.iter().filter_map(quota).collect::<BTreeMap<_, _>>(),
        prices: profiles.iter().filter_map(price).collect::<BTreeMap<_, _>>(),
        budget,
    }
}
