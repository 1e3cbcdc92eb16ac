//! What care promises: what is lost is made anew where the policy lets it, and nothing else moves.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use raic::care::repair::{declare_lost, repair};
use raic::cloud_set::domain::DomainKind;
use raic::cloud_set::policy::Policy;
use raic::store::Store;
use raic::store::send::Silent;
use support::{Set, get, policy, put, ramp};

/// 4 + 2 over operators, each with at most one fragment.
fn one_an_operator() -> Policy {
    Policy {
        spread: BTreeMap::from([(DomainKind::Operator, 1)]),
        ..policy(4, 2)
    }
}

/// How many sound fragments of any extent lie with providers of `operator`, at most.
async fn most_with(store: &Arc<Store>, operators: &[&str], operator: &str) -> usize {
    let clouds = store.clouds();
    let mine = |name: &str| operators[name[1..].parse::<usize>().unwrap()] == operator;
    let pieces = store.catalog().extents("x").await.unwrap();
    let load = |fragments: &[raic::catalog::record::Fragment]| {
        fragments
            .iter()
            .filter(|f| {
                clouds
                    .get(f.provider)
                    .is_some_and(|c| mine(&c.member.name) && c.way().is_some())
            })
            .count()
    };
    pieces.iter().map(|piece| load(&piece.fragments)).max().unwrap()
}

#[tokio::test]
async fn repair_moves_into_no_operator_that_holds_a_fragment_already() {
    for (operators, whole) in [
        (vec!["a", "a", "b", "c", "d", "e", "f", "g"], true),
        (vec!["a", "a", "b", "c", "d", "e", "f"], false),
    ] {
        let mut set = Set::new(operators.len(), 11);
        set.operators.clone_from(&operators);
        set.policies = vec![one_an_operator()];
        let store = set.open().await;
        let data = ramp(20_000);
        put(&store, "x", &one_an_operator(), &data).await.unwrap();
        declare_lost(&store, "p6").await.unwrap();
        let report = repair(&store, "x", &(Arc::new(Silent) as _)).await.unwrap();
        assert_eq!(
            report.unplaced.is_empty(),
            whole,
            "{operators:?}: {:?}",
            report.unplaced
        );
        assert_eq!(most_with(&store, &operators, "a").await, 1);
        assert_eq!(get(&store, "x").await.unwrap(), data);
    }
}
