//! What each wish costs: the mixes that would be there without it.

use std::collections::BTreeSet;

use super::super::super::error::Failure;
use super::super::super::exit::Exit;
use super::super::super::quantity::count;
use super::super::prices::money;
use super::sheet::Forbidden;
use super::{amount, minutes, names};
use crate::cloud_set::price::Tariff;
use crate::mix::outage::Outages;
use crate::mix::plan::{Choice, Planner, Wishes};

/// One wish, by the option that says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Survive,
    Unreadable,
    Apart,
    Slowest,
    Budget,
}

impl Wish {
    const ALL: [Wish; 5] = [
        Wish::Survive,
        Wish::Unreadable,
        Wish::Apart,
        Wish::Slowest,
        Wish::Budget,
    ];

    /// The same wishes with less of this one; none if there is nothing to give up.
    fn without(self, wishes: &Wishes) -> Option<Wishes> {
        let mut less = wishes.clone();
        match self {
            Wish::Survive => less.survive = wishes.survive.checked_sub(1)?,
            Wish::Unreadable => drop(less.unreadable.take()?),
            Wish::Apart => drop(std::mem::take(&mut less.apart).then_some(())?),
            Wish::Slowest => drop(less.read_p99.take()?),
            Wish::Budget => drop(less.budget.take()?),
        }
        Some(less)
    }

    /// What would have to be asked instead for this mix.
    fn instead(self, choice: &Choice) -> String {
        let p99 = choice.reads.map_or(0.0, |reads| reads.p99);
        match self {
            Wish::Survive => format!("with --survive {}", choice.m),
            Wish::Unreadable => format!("with --max-unreadable of {} a year", minutes(choice.unreadable)),
            Wish::Apart => "with --same-operator".to_owned(),
            Wish::Slowest => format!("with --max-p99 of {p99:.0} ms"),
            Wish::Budget => format!("with --budget {}", money(choice.cost)),
        }
    }

    /// Why this mix isn't taken though it costs less.
    fn forbids(self, wishes: &Wishes, choice: &Choice) -> String {
        match self {
            Wish::Survive => format!(
                "survives {}, you asked {}",
                wishes.survive.saturating_sub(1),
                wishes.survive
            ),
            Wish::Unreadable => "it can't be read for longer than you asked".to_owned(),
            Wish::Apart => "two services of one operator".to_owned(),
            Wish::Slowest => format!(
                "99 of 100 reads take {:.0} ms, you asked {:.0}",
                choice.reads.map_or(0.0, |reads| reads.p99),
                wishes.read_p99.unwrap_or(0.0)
            ),
            Wish::Budget => "it is beyond the budget".to_owned(),
        }
    }
}

/// The cheapest mix that each wish by itself forbids, if it would be cheaper than the best that fits.
pub(super) fn forbidden(planner: &Planner<'_>, wishes: &Wishes, services: &[&Tariff], best: &Choice) -> Vec<Forbidden> {
    let found = Wish::ALL.into_iter().filter_map(|wish| {
        let less = wish.without(wishes)?;
        let other = again(planner, &less, services);
        let cheapest = other.cheapest(1);
        let choice = cheapest.first().filter(|choice| choice.cost < best.cost)?;
        Some(Forbidden {
            services: names(&other, choice),
            k: choice.k,
            m: choice.m,
            cost: amount(choice.cost),
            why: wish.forbids(wishes, choice),
        })
    });
    found.collect()
}

/// The error where no mix fits: what can be reckoned with, and the nearest mixes, each with one wish given up.
pub(super) fn nothing_fits(planner: &Planner<'_>, wishes: &Wishes, services: &[&Tariff]) -> Failure {
    let have = count(planner.services.len() as u64, "service", "services");
    let operators: BTreeSet<&str> = planner.services.iter().map(|tariff| tariff.operator.as_str()).collect();
    let operators = count(operators.len() as u64, "operator", "operators");
    let mut failure = Failure::new(Exit::Failed, "E0802", "no mix fits these wishes").note(format!(
        "{have} of {operators} can be reckoned with, a mix that survives {} takes {} at least",
        wishes.survive,
        wishes.survive + 1
    ));
    for wish in Wish::ALL {
        let Some(less) = wish.without(wishes) else { continue };
        let other = again(planner, &less, services);
        if let Some(choice) = nearest(wish, &other) {
            let (mix, k, m) = (names(&other, &choice).join(" "), choice.k, choice.m);
            let cost = money(choice.cost);
            failure = failure.note(format!("{}: {mix} {k}+{m}, {cost} a month", wish.instead(&choice)));
        }
    }
    for (id, why) in planner.left_out.iter().take(2) {
        failure = failure.note(format!("{id}: {why}"));
    }
    failure
}

/// Of the mixes that fit without a wish the one that misses it by least.
fn nearest(wish: Wish, planner: &Planner<'_>) -> Option<Choice> {
    let slowest = |choice: &Choice| choice.reads.map_or(f64::INFINITY, |reads| reads.p99);
    let mut fitting = planner.cheapest(1);
    if matches!(wish, Wish::Unreadable | Wish::Slowest) {
        fitting.extend(planner.front());
    }
    match wish {
        Wish::Unreadable => fitting.into_iter().min_by(|a, b| a.unreadable.total_cmp(&b.unreadable)),
        Wish::Slowest => fitting.into_iter().min_by(|a, b| slowest(a).total_cmp(&slowest(b))),
        Wish::Survive | Wish::Apart | Wish::Budget => fitting.into_iter().next(),
    }
}

/// A planner of the same services, as fast as they were measured, for other wishes.
fn again<'a>(planner: &Planner<'a>, wishes: &'a Wishes, services: &[&'a Tariff]) -> Planner<'a> {
    let mut other = Planner::new(planner.prices(), wishes, services, &Outages::shipped());
    other.timed_as(planner);
    other
}
