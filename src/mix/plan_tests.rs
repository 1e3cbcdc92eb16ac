//! The planner against brute force.

use super::*;
use crate::mix::demand::{Care, Objects};

fn wishes(survive: u16, most: usize, apart: bool, reads: Reads) -> Wishes {
    Wishes {
        workload: Workload {
            objects: vec![Objects {
                count: 60_000,
                len: 16 << 20,
                written: 2000,
                read: 30_000,
                removed: 1000,
                removed_after_days: 20,
            }],
            care: Care::default(),
        },
        survive,
        most,
        apart,
        reads,
        currency: "USD".to_owned(),
        budget: None,
        unreadable: None,
        read_p99: None,
    }
}

/// Every set of the candidates under every k and n that is allowed, reckoned whole.
fn all(planner: &Planner<'_>) -> Vec<Choice> {
    let mut found = Vec::new();
    for table in planner.tables() {
        for set in 0..1_u32 << planner.services.len() {
            if set.count_ones() as usize != table.n {
                continue;
            }
            let services: Vec<usize> = (0..planner.services.len()).filter(|at| set >> at & 1 == 1).collect();
            let together = (1..services.len()).all(|at| planner.beside(&services[..at], services[at]));
            if together && let Some(choice) = planner.choice(&services, &table) {
                found.push(choice);
            }
        }
    }
    found.sort_by(|a, b| {
        (a.cost, a.services.len(), a.k, &a.services).cmp(&(b.cost, b.services.len(), b.k, &b.services))
    });
    found
}

const SOME: [&str; 9] = [
    "aws-s3-standard",
    "backblaze-b2",
    "cloudflare-r2",
    "gcs-standard",
    "idrive-e2",
    "storj-advanced",
    "storj-standard",
    "vultr",
    "wasabi",
];

#[test]
fn the_cheapest_are_those_of_brute_force() {
    let prices = Prices::shipped(None).unwrap();
    let services: Vec<&Tariff> = SOME.iter().map(|id| prices.tariff(id).unwrap()).collect();
    for (survive, most, apart, reads) in [
        (1, 4, true, Reads::Even),
        (2, 4, false, Reads::Even),
        (1, 4, false, Reads::Cheapest),
        (2, 4, true, Reads::Cheapest),
    ] {
        let wishes = wishes(survive, most, apart, reads);
        let planner = Planner::new(&prices, &wishes, &services, &Outages::shipped());
        assert!(planner.left_out.is_empty(), "{:?}", planner.left_out);
        let mut brute = all(&planner);
        assert!(brute.len() > 100, "{}", brute.len());
        brute.truncate(100);
        assert_eq!(planner.cheapest(100), brute, "{survive} {most} {apart} {reads:?}");
    }
}

#[test]
fn nothing_beats_what_is_on_the_front_and_something_beats_all_else() {
    let prices = Prices::shipped(None).unwrap();
    let services: Vec<&Tariff> = SOME.iter().map(|id| prices.tariff(id).unwrap()).collect();
    let wishes = wishes(1, 5, true, Reads::Even);
    let planner = Planner::new(&prices, &wishes, &services, &Outages::shipped());
    let front = planner.front();
    let beats = |a: &Choice, b: &Choice| {
        a.cost <= b.cost
            && a.unreadable <= b.unreadable
            && a.lost <= b.lost
            && (a.cost < b.cost || a.unreadable < b.unreadable || a.lost < b.lost)
    };
    assert!(front.len() > 3);
    let brute = all(&planner);
    for choice in &brute {
        let beaten: Vec<&Choice> = front.iter().filter(|front| beats(choice, front)).collect();
        assert!(beaten.is_empty(), "{choice:?} beats {beaten:?}");
        let covered = front.iter().any(|front| {
            front.cost <= choice.cost && front.unreadable <= choice.unreadable && front.lost <= choice.lost
        });
        assert!(covered, "{choice:?} stands and is not on the front");
    }
}

#[test]
fn ways_to_split_are_all_there_once() {
    assert_eq!(splits(2, &[2, 1]), [[1, 1], [2, 0]]);
    assert_eq!(splits(3, &[1, 1]), Vec::<Vec<usize>>::new());
    assert_eq!(splits(0, &[5]), [[0]]);
}

#[test]
fn an_even_spread_costs_what_it_is_spread_over_and_one_copy_what_one_bill_is() {
    let prices = Prices::shipped(None).unwrap();
    let services: Vec<&Tariff> = SOME.iter().map(|id| prices.tariff(id).unwrap()).collect();
    let wishes = wishes(1, 4, true, Reads::Even);
    let planner = Planner::new(&prices, &wishes, &services, &Outages::shipped());
    let even = planner.even_spread(2, 1).unwrap();
    let best = &planner.cheapest(1)[0];
    assert!(even > best.cost);
    // Of as many services as there are seats an even spread is the mix of them all.
    let all = u16::try_from(services.len()).unwrap();
    let whole = planner.same(&SOME.map(str::to_owned), all - 1).unwrap();
    let spread = planner.even_spread(all - 1, 1).unwrap().amount();
    assert!(
        (spread / whole.cost.amount() - 1.0).abs() < 1e-3,
        "{spread} {:?}",
        whole.cost
    );
    assert!(planner.even_spread(all, 1).is_none());
}

#[test]
fn who_has_no_price_is_left_out_with_the_reason() {
    let prices = Prices::shipped(None).unwrap();
    let services: Vec<&Tariff> = prices.tariffs().collect();
    let wishes = wishes(2, 6, true, Reads::Even);
    let planner = Planner::new(&prices, &wishes, &services, &Outages::shipped());
    let left: Vec<&str> = planner.left_out.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(
        left,
        [
            "akamai-linode",
            "bunny-storage",
            "hetzner-eu",
            "ibm-cos-one-rate",
            "impossible-cloud"
        ]
    );
    assert!(
        planner.left_out[0].1.contains("not known: egress_free, get, put"),
        "{:?}",
        planner.left_out[0]
    );
    assert!(planner.left_out[2].1.contains("no rate is known"));
    // Among the others no two of one operator stand together, and the budget holds.
    for choice in planner.cheapest(20) {
        let operators: std::collections::BTreeSet<&str> = choice
            .services
            .iter()
            .map(|at| planner.services[*at].operator.as_str())
            .collect();
        assert_eq!(operators.len(), choice.services.len());
        assert!(choice.m >= 2);
    }
}

#[test]
fn nothing_fits_a_budget_of_nothing() {
    let prices = Prices::shipped(None).unwrap();
    let services: Vec<&Tariff> = prices.tariffs().collect();
    let wishes = Wishes {
        budget: Some(Money::ZERO),
        ..wishes(1, 4, true, Reads::Even)
    };
    let planner = Planner::new(&prices, &wishes, &services, &Outages::shipped());
    assert!(planner.cheapest(10).is_empty() && planner.front().is_empty());
}

/// The sets of `count` of the first `of` places, each as bits, from the least number on.
fn sets(count: u32, of: u32) -> impl Iterator<Item = u32> {
    // The next number with as many ones: the lowest run of ones gives its top one up, the rest fall to the bottom.
    let next = |set: &u32| {
        let (low, carried) = (set & set.wrapping_neg(), set + (set & set.wrapping_neg()));
        Some(carried | (((set ^ carried) >> 2) / low))
    };
    std::iter::successors(Some((1 << count) - 1), next).take_while(move |set| set >> of == 0)
}

/// 177,100 sets at each of three sizes; five of the 25 services have invented prices where the catalog has none.
#[test]
fn the_cheapest_four_of_six_of_all_services_is_that_of_brute_force() {
    let own = include_str!("../../fixtures/plan/all_priced.yaml");
    let prices = Prices::shipped(Some(("own.yaml", own))).unwrap();
    let services: Vec<&Tariff> = prices.tariffs().collect();
    for terabytes in [1, 10, 100] {
        let mut wishes = wishes(2, 6, false, Reads::Even);
        wishes.workload.objects[0].count = 59_605 * terabytes;
        let planner = Planner::new(&prices, &wishes, &services, &Outages::shipped());
        assert_eq!(planner.services.len(), 25);
        let table = planner.table(4, 6);
        let mut least: Option<(Money, Vec<usize>)> = None;
        let mut seen = 0;
        for set in sets(6, 25) {
            seen += 1;
            let services: Vec<usize> = (0..25).filter(|at| set >> at & 1 == 1).collect();
            let cost = planner.price(&services, &table);
            if let (Some(total), true) = (cost.total, cost.beyond_policy.is_empty())
                && least.as_ref().is_none_or(|(best, _)| total < *best)
            {
                least = Some((total, services));
            }
        }
        assert_eq!(seen, 177_100);
        let mut best = Best::new(1);
        let mut order: Vec<usize> = (0..25).collect();
        order.sort_by_key(|at| (table.floor[*at], *at));
        planner.descend(&table, &order, 0, &mut Vec::new(), Money::ZERO, &mut best);
        let found = best.sorted().remove(0);
        assert_eq!(Some((found.cost, found.services)), least, "{terabytes} TB");
    }
}
