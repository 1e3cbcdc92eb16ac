//! How long the planner takes: the cheapest hundred of 25 services, and whole fronts of 14 and of 25.
//!
//! `cargo bench --bench plan`; figures are in `docs/benchmarks.md`.

use criterion::{Criterion, criterion_group, criterion_main};
use raic::cloud_set::price::{Prices, Tariff};
use raic::mix::Reads;
use raic::mix::demand::{Care, Objects, Workload};
use raic::mix::outage::Outages;
use raic::mix::plan::{MAX_N, Planner, Wishes};

/// What the catalog lacks, so that all 25 can be reckoned with: invented, for their number alone.
const ALL_PRICED: &str = include_str!("../fixtures/plan/all_priced.yaml");

fn wishes(most: usize) -> Wishes {
    Wishes {
        workload: Workload {
            objects: vec![Objects {
                count: 596_050,
                len: 16 << 20,
                written: 6000,
                read: 60_000,
                removed: 3000,
                removed_after_days: 30,
            }],
            care: Care::default(),
        },
        survive: 2,
        most,
        apart: true,
        reads: Reads::Even,
        currency: "USD".to_owned(),
        budget: None,
        unreadable: None,
        read_p99: None,
    }
}

fn plan(criterion: &mut Criterion) {
    let prices = Prices::shipped(Some(("all_priced.yaml", ALL_PRICED))).expect("a test reads the files");
    let all: Vec<&Tariff> = prices.tariffs().collect();
    let (wishes, outages) = (wishes(MAX_N), Outages::shipped());
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10);
    group.bench_function("the cheapest 100 of 25 services", |bench| {
        bench.iter(|| Planner::new(&prices, &wishes, &all, &outages).cheapest(100).len());
    });
    for count in [14, 25] {
        group.bench_function(format!("the front of {count} services"), |bench| {
            bench.iter(|| Planner::new(&prices, &wishes, &all[..count], &outages).front().len());
        });
    }
    group.finish();
}

criterion_group!(benches, plan);
criterion_main!(benches);
