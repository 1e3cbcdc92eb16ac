//! Repair takes what costs least, and does what its plan says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use raic::care::outlay::{Outlay, Speed, Tariffs};
use raic::care::repair::{Look, declare_lost, mend, plan};
use raic::cloud_set::price::{Cost, Money, PriceList, Prices};
use raic::fragment::id::ProviderId;
use raic::provider::ProviderError;
use raic::store::Store;
use raic::store::send::Progress;

use crate::support::{Set, get, policy, put, ramp};

/// Bytes that were begun to be read of, or written to, each provider.
#[derive(Debug, Default)]
pub(crate) struct Seen(pub(crate) Mutex<BTreeMap<String, u64>>);

impl Progress for Seen {
    fn payload(&self, _: u64) {}
    fn begin(&self, provider: &str, bytes: u64) {
        *self.0.lock().unwrap().entry(provider.to_owned()).or_default() += bytes;
    }
    fn end(&self, _: &str, _: u64, _: Result<(), &ProviderError>) {}
}

fn lists(egress: &[u32]) -> BTreeMap<String, PriceList> {
    let list = |(at, price): (usize, &u32)| {
        let list = PriceList {
            egress: format!("{price}/GB").parse().ok(),
            get: "1/1k".parse().ok(),
            put: "0".parse().ok(),
            storage: "0".parse().ok(),
            ..PriceList::default()
        };
        (format!("p{at}"), list)
    };
    egress.iter().enumerate().map(list).collect()
}

fn tariffs(lists: &BTreeMap<String, PriceList>) -> Tariffs {
    lists
        .iter()
        .fold(Tariffs::new(Prices::default()), |tariffs, (name, list)| {
            tariffs.with(name, Some(Cost::ByHand(list.clone())), Speed::default())
        })
}

/// The least that reading k of these can cost: every set of k is tried.
fn least(costs: &[Money], k: usize) -> Money {
    let sets = (0_u32..1 << costs.len()).filter(|set| set.count_ones() as usize == k);
    let sum = |set: u32| -> Money {
        let chosen = costs.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0);
        chosen.map(|(_, cost)| *cost).sum()
    };
    sets.map(sum).min().unwrap()
}

/// The exact minimum over all sets of sources, extent by extent.
async fn cheapest(store: &Arc<Store>, names: &[String], tariffs: &Tariffs, lost: ProviderId) -> Money {
    let clouds = store.clouds();
    let mut sum = Money::ZERO;
    for name in names {
        for piece in store.catalog().extents(name).await.unwrap() {
            if piece.fragments.iter().all(|it| it.provider != lost) {
                continue;
            }
            let len = piece.extent.shape.fragment_len(piece.extent.header_len);
            let left = piece.fragments.iter().filter(|it| it.provider != lost);
            let cost = |id| tariffs.reading(&clouds.get(id).unwrap().member.name, len).1;
            let costs: Vec<Money> = left.map(|it| cost(it.provider)).collect();
            sum += least(&costs, usize::from(piece.extent.shape.k));
        }
    }
    sum
}

fn reads(outlay: &Outlay, tariffs: &Tariffs) -> Money {
    let bill = |(provider, load): (&String, &raic::care::outlay::Load)| {
        let reads = raic::care::outlay::Load {
            read: load.read,
            gets: load.gets,
            ..raic::care::outlay::Load::default()
        };
        tariffs.bill(provider, &reads).amount
    };
    outlay.0.iter().map(bill).sum()
}

#[tokio::test(start_paused = true)]
async fn repair_reads_the_sources_that_cost_least_and_takes_what_its_plan_says() {
    for (seed, egress) in [
        (61, [9, 1, 5, 5, 2, 8, 3, 7]),
        (62, [1, 1, 1, 1, 9, 9, 9, 9]),
        (63, [7, 6, 5, 4, 3, 2, 1, 1]),
    ] {
        let mut set = Set::new(8, seed);
        set.settings.read_prices = lists(&egress);
        let store = set.open().await;
        let names: Vec<String> = (0..6).map(|it| it.to_string()).collect();
        for (at, name) in names.iter().enumerate() {
            put(&store, name, &policy(4, 2), &ramp(2_000 + 3_000 * at))
                .await
                .unwrap();
        }
        let lost = store.clouds().named("p3").unwrap().member.id;
        declare_lost(&store, "p3").await.unwrap();
        let tariffs = tariffs(&lists(&egress));
        let (mut outlay, mut fragments) = (Outlay::default(), 0);
        for name in &names {
            let (more, left) = plan(&store, name, &mut outlay).await.unwrap();
            assert_eq!(left, 0);
            fragments += more;
        }
        assert_eq!(reads(&outlay, &tariffs), cheapest(&store, &names, &tariffs, lost).await);
        let (seen, mut rebuilt) = (Arc::new(Seen::default()), 0);
        for name in &names {
            let progress: Arc<dyn Progress> = seen.clone();
            let done = mend(&store, name, Look::Known, &progress).await.unwrap();
            assert!(done.unplaced.is_empty() && done.hopeless.is_empty());
            rebuilt += done.rebuilt.len() as u64;
        }
        assert_eq!(rebuilt, fragments);
        let planned: BTreeMap<String, u64> = outlay
            .0
            .iter()
            .map(|(name, load)| (name.clone(), load.read + load.written))
            .collect();
        assert_eq!(*seen.0.lock().unwrap(), planned, "egress {egress:?}");
        for (at, name) in names.iter().enumerate() {
            assert_eq!(get(&store, name).await.unwrap(), ramp(2_000 + 3_000 * at));
        }
    }
}
