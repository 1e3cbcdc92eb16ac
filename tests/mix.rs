//! What a cost is reckoned from is what the store really sends, reads and asks.

mod support;

use std::sync::Arc;

use raic::catalog::record::MemberState;
use raic::catalog::sqlite::SqliteCatalog;
use raic::clock::FixedClock;
use raic::cloud_set::domain::Domains;
use raic::entropy::SeededEntropy;
use raic::mix::Scheme;
use raic::provider::Operation;
use raic::provider::memory::Memory;
use raic::provider::meter::Meter;
use raic::store::clouds::Configured;
use raic::store::{Ground, Settings, Store};
use support::{Set, get, policy, put, ramp};

/// A store over metered providers in memory.
async fn metered(n: usize) -> (Arc<Store>, Vec<Arc<Meter>>) {
    let meters: Vec<Arc<Meter>> = (0..n)
        .map(|i| Arc::new(Meter::new(Arc::new(Memory::new(format!("p{i}"))))))
        .collect();
    let configured = meters.iter().enumerate().map(|(i, meter)| Configured {
        name: format!("p{i}"),
        domains: Domains::default(),
        weight: 1.0,
        state: MemberState::Active,
        provider: meter.clone(),
    });
    let store = Store::open(Ground {
        catalog: Arc::new(SqliteCatalog::inline(Set::keys().set()).expect("a catalog in memory")),
        keys: Set::keys(),
        providers: configured.collect(),
        policies: Vec::new(),
        clock: Arc::new(FixedClock::at(1_700_000_000_000_000_000)),
        entropy: Arc::new(SeededEntropy::new(1)),
        settings: Settings::default(),
    });
    (store.await.expect("a store opens"), meters)
}

/// Calls and bytes of one operation over all meters.
fn sum(meters: &[Arc<Meter>], operation: Operation) -> (u64, u64) {
    let tallies = meters.iter().map(|meter| meter.snapshot().of(operation));
    tallies.fold((0, 0), |(calls, bytes), tally| {
        (calls + tally.calls, bytes + tally.sent + tally.received)
    })
}

#[tokio::test]
async fn the_store_sends_and_reads_what_the_cost_is_reckoned_from() {
    for (k, m) in [(2, 1), (4, 2)] {
        let policy = policy(k, m);
        let scheme = Scheme::of_policy(&policy);
        let n = u64::from(policy.n());
        let (store, meters) = metered(usize::from(policy.n())).await;
        // The first put claims an epoch and writes identities; the first get finds that out.
        put(&store, "00000000000000000000000000000000", &policy, &ramp(10))
            .await
            .unwrap();
        get(&store, "00000000000000000000000000000000").await.unwrap();
        for len in [1, 500, 3000, 6000, 20_000, 100_000] {
            // Headers are reckoned with a name of 32 bytes.
            let name = format!("{len:032}");
            let before = (sum(&meters, Operation::Put), sum(&meters, Operation::Get));
            put(&store, &name, &policy, &ramp(len)).await.unwrap();
            let between = (sum(&meters, Operation::Put), sum(&meters, Operation::Get));
            assert_eq!(get(&store, &name).await.unwrap(), ramp(len));
            let after = sum(&meters, Operation::Get);
            let (blobs, gets) = scheme.fragments(len as u64);
            let count: u64 = blobs.iter().map(|blobs| blobs.count).sum();
            let bytes: u64 = blobs.iter().map(|blobs| blobs.count * blobs.len).sum();
            let put = (between.0.0 - before.0.0, between.0.1 - before.0.1);
            assert_eq!(put, (count * n, bytes * n), "{k}+{m}, {len} bytes put");
            // The manifest, the last blob of several, is not read.
            let manifests: u64 = blobs.iter().skip(2).map(|blobs| blobs.count * blobs.len).sum();
            let data = if blobs.len() > 2 { bytes - manifests } else { bytes };
            let got = (after.0 - between.1.0, after.1 - between.1.1);
            // Fewer bytes than k seats have are asked of fewer seats, and reckoned as of k.
            if len < usize::from(k) {
                assert!(got.0 <= gets * u64::from(k) && got.1 <= data * u64::from(k));
                continue;
            }
            assert_eq!(
                got,
                (gets * u64::from(k), data * u64::from(k)),
                "{k}+{m}, {len} bytes got"
            );
        }
    }
}
