//! Which mix? All sets of services under all k + m that the wishes allow: the cheapest, and those that nothing beats.
//!
//! ```text
//! services ─▶ those with prices ─▶ cheapest: depth first by rising floor price, cut where even the floors are too dear
//!                                └▶ front: every set, kept only if none is cheaper and steadier and safer
//! ```
//!
//! The floor price of a service is its bill alone, at the least that any mix can ask of it. A mix never costs less than its floors: what
//! services share (an account's pool, a least bill) only makes them dearer together. So what is cut can't be among the cheapest.

mod beside;
mod best;

use std::collections::BTreeMap;

use best::{Best, Flat};

use super::cost::{MixCost, Reads, price_mix};
use super::demand::{Demand, Scheme, Workload};
use super::foretell::{Foretold, Seat as Timed, Times};
use super::model::{Assumptions, Seat, fewer_than, lost_in_a_year, short_of};
use super::outage::Outages;
use crate::cloud_set::domain::{DomainKind, Domains};
use crate::cloud_set::policy::Policy;
use crate::cloud_set::price::{Fee, Money, Monthly, Prices, Tariff, bill};

/// The most services of a mix.
pub const MAX_N: usize = 12;

/// What a person wants.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// What is stored and done.
    pub workload: Workload,
    /// Any so many services may vanish.
    pub survive: u16,
    /// The most services, at most [`MAX_N`].
    pub most: usize,
    /// No two services of one operator.
    pub apart: bool,
    /// Which seats reads ask.
    pub reads: Reads,
    /// The currency of all answers.
    pub currency: String,
    /// The most for a month.
    pub budget: Option<Money>,
    /// The largest share of time that data can't be read.
    pub unreadable: Option<f64>,
    /// The most milliseconds of 99 of 100 reads; it takes services that were measured.
    pub read_p99: Option<f64>,
}

/// One mix that could be taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Its services, by their places among the candidates, rising.
    pub services: Vec<usize>,
    /// Fragments that read an extent.
    pub k: u16,
    /// Services that may vanish.
    pub m: u16,
    /// What a month costs.
    pub cost: Money,
    /// The share of time that data can't be read.
    pub unreadable: f64,
    /// The share of time that nothing can be written.
    pub unwritable: f64,
    /// The chance that data is lost within a year.
    pub lost: f64,
    /// What reads are foretold to take, of services that were measured.
    pub reads: Option<Times>,
}

/// Services that can be reckoned with, and why others can't.
#[derive(Clone, Debug)]
pub struct Planner<'p> {
    prices: &'p Prices,
    wishes: &'p Wishes,
    /// The candidates.
    pub services: Vec<&'p Tariff>,
    /// Who is left out, and why.
    pub left_out: Vec<(String, String)>,
    out: Vec<f64>,
    lost_per_year: f64,
    assume: Assumptions,
    /// By the length of a fragment's k, then the place of the service; empty if nobody was measured.
    timed: BTreeMap<u16, Vec<Timed>>,
}

/// k and n, with the demand of a seat and the floor price of each candidate.
struct Table {
    k: u16,
    n: usize,
    demand: Demand,
    floor: Vec<Money>,
    lost: f64,
}

impl<'p> Planner<'p> {
    /// Sorts out who can be reckoned with.
    ///
    /// # Panics
    ///
    /// If the wishes ask for more than [`MAX_N`] services.
    #[must_use]
    pub fn new(prices: &'p Prices, wishes: &'p Wishes, services: &[&'p Tariff], outages: &Outages) -> Planner<'p> {
        assert!(wishes.most <= MAX_N, "{} services, at most {MAX_N}", wishes.most);
        let mut planner = Planner {
            prices,
            wishes,
            services: Vec::new(),
            left_out: Vec::new(),
            out: Vec::new(),
            lost_per_year: wishes.workload.care.losses_per_year,
            assume: Assumptions::default(),
            timed: BTreeMap::new(),
        };
        // What a seat needs doesn't depend on k and n but for its amounts; one whole share asks for every figure.
        let demand = Demand::of(&wishes.workload, &Scheme::of(1, wishes.survive.max(1)));
        for tariff in services {
            if let Some(why) = planner.trouble(tariff, &demand) {
                planner.left_out.push((tariff.id.clone(), why));
            } else {
                planner.services.push(tariff);
                planner.out.push(outages.of(&tariff.operator).share());
            }
        }
        planner
    }

    pub(crate) fn prices(&self) -> &'p Prices {
        self.prices
    }

    pub(crate) fn wishes(&self) -> &'p Wishes {
        self.wishes
    }

    /// True if a service may stand beside these.
    pub(super) fn may_join(&self, mix: &[usize], next: usize) -> bool {
        self.beside(mix, next)
    }

    /// What reads take without one of a mix; none if nobody was measured or too few are left.
    pub(super) fn reads_without(&self, mix: &Choice, gone: usize) -> Option<Times> {
        let left: Vec<usize> = mix.services.iter().copied().filter(|at| *at != gone).collect();
        if left.len() < usize::from(mix.k) {
            return None;
        }
        self.reads(&left, mix.k)
    }

    /// Takes over what another planner of the same services was told of their speed.
    pub fn timed_as(&mut self, other: &Planner<'_>) {
        let place = |tariff: &&Tariff| other.services.iter().position(|known| known.id == tariff.id);
        let places: Option<Vec<usize>> = self.services.iter().map(place).collect();
        let Some(places) = places else { return };
        for (k, timed) in &other.timed {
            self.timed
                .insert(*k, places.iter().map(|at| timed[*at].clone()).collect());
        }
    }

    /// Tells how long calls take: of the service at each place, for the fragments of each k. Fronts then weigh the slowest reads too.
    pub fn measured(&mut self, timed: impl Fn(&Tariff, u16) -> Timed) {
        let most = u16::try_from(MAX_N).expect("few");
        for k in 1..=most {
            self.timed
                .insert(k, self.services.iter().map(|tariff| timed(tariff, k)).collect());
        }
    }

    /// What writes of a mix take until all fragments are there; none if nobody was measured.
    #[must_use]
    pub fn writes(&self, mix: &Choice) -> Option<Times> {
        Some(self.foretold(&mix.services, mix.k)?.writes())
    }

    fn reads(&self, services: &[usize], k: u16) -> Option<Times> {
        Some(self.foretold(services, k)?.reads())
    }

    fn foretold(&self, services: &[usize], k: u16) -> Option<Foretold> {
        let timed = self.timed.get(&k)?;
        Some(Foretold::of(services.iter().map(|at| timed[*at].clone()).collect(), k))
    }

    fn trouble(&self, tariff: &Tariff, demand: &Demand) -> Option<String> {
        if self.prices.rate(&tariff.currency, &self.wishes.currency).is_none() {
            let currency = &tariff.currency;
            return Some(format!(
                "priced in {currency}, and no rate is known: rates: {{ {currency}: ... }} in prices.yaml"
            ));
        }
        let bill = bill(self.prices, tariff, &demand.usage(1_000_000));
        if bill.missing.is_empty() {
            return None;
        }
        let figures: Vec<&str> = bill.missing.into_iter().collect();
        Some(format!("not known: {}", figures.join(", ")))
    }

    /// The tables of every k and n that the wishes allow, small ones first.
    fn tables(&self) -> Vec<Table> {
        let survive = usize::from(self.wishes.survive);
        let most = self.wishes.most.min(self.services.len());
        let mut tables = Vec::new();
        for n in survive + 1..=most {
            for k in 1..=n - survive {
                tables.push(self.table(k, n));
            }
        }
        tables
    }

    fn table(&self, k: usize, n: usize) -> Table {
        let few = |count: usize| u16::try_from(count).expect("at most 12");
        let demand = Demand::of(&self.wishes.workload, &Scheme::of(few(k), few(n - k)));
        let share = match self.wishes.reads {
            Reads::Even => k as u64 * 1_000_000 / n as u64,
            Reads::Cheapest => 0,
        };
        let usage = demand.usage(share);
        let floor = |tariff: &&Tariff| {
            let alone = bill(self.prices, tariff, &usage);
            let shared = matches!(&tariff.monthly.value, Some(Monthly::Minimum { shared: Some(_), .. }));
            let minimum = alone
                .fees
                .get(&Fee::Minimum)
                .copied()
                .filter(|_| shared)
                .unwrap_or_default();
            let rate = self.prices.rate(&tariff.currency, &self.wishes.currency);
            let rate = rate.unwrap_or_default().in_billionths();
            let sum = alone.total().less(minimum);
            sum.times(u64::try_from(rate).unwrap_or(u64::MAX), 1_000_000_000)
        };
        let seat = Seat {
            out: 0.0,
            lost_per_year: self.lost_per_year,
            domains: Domains::default(),
        };
        Table {
            k: few(k),
            n,
            demand,
            floor: self.services.iter().map(floor).collect(),
            lost: lost_in_a_year(k, &vec![seat; n], &self.assume),
        }
    }

    /// The mix's bill, whole.
    #[must_use]
    pub fn cost(&self, choice: &Choice) -> MixCost {
        let table = self.table(usize::from(choice.k), choice.services.len());
        self.price(&choice.services, &table)
    }

    fn price(&self, services: &[usize], table: &Table) -> MixCost {
        let mix: Vec<&Tariff> = services.iter().map(|at| self.services[*at]).collect();
        price_mix(
            self.prices,
            &mix,
            &table.demand,
            self.wishes.reads,
            &self.wishes.currency,
        )
    }

    /// The mix in figures; none if it can't be priced, reads more than a policy allows, or is against the wishes.
    fn choice(&self, services: &[usize], table: &Table) -> Option<Choice> {
        let cost = self.price(services, table);
        let total = cost.total.filter(|_| cost.beyond_policy.is_empty())?;
        if self.wishes.budget.is_some_and(|budget| total > budget) {
            return None;
        }
        let (k, n) = (table.k, u16::try_from(table.n).expect("at most 12"));
        let seats = self.seats(services);
        let unreadable = short_of(usize::from(k), &seats, &self.assume);
        if self.wishes.unreadable.is_some_and(|most| unreadable > most) {
            return None;
        }
        let reads = self.reads(services, k);
        let slow = |most: f64| reads.is_none_or(|reads| reads.p99 > most);
        if self.wishes.read_p99.is_some_and(slow) {
            return None;
        }
        let quorum = usize::from(Policy::lowest_quorum(k, n));
        let lost = if self.wishes.apart {
            table.lost
        } else {
            lost_in_a_year(usize::from(k), &seats, &self.assume)
        };
        Some(Choice {
            services: services.to_vec(),
            k,
            m: n - k,
            cost: total,
            unreadable,
            unwritable: short_of(quorum, &seats, &self.assume),
            lost,
            reads,
        })
    }

    fn seats(&self, services: &[usize]) -> Vec<Seat> {
        let seat = |at: &usize| {
            let operator = self.services[*at].operator.clone();
            Seat {
                out: self.out[*at],
                lost_per_year: self.lost_per_year,
                domains: Domains([(DomainKind::Operator, operator)].into()),
            }
        };
        services.iter().map(seat).collect()
    }

    /// True if the wishes let `next` stand beside `chosen`.
    fn beside(&self, chosen: &[usize], next: usize) -> bool {
        let operator = &self.services[next].operator;
        !self.wishes.apart || chosen.iter().all(|at| self.services[*at].operator != *operator)
    }

    /// The `count` cheapest mixes, the cheapest first; of equals the one of earlier services.
    #[must_use]
    pub fn cheapest(&self, count: usize) -> Vec<Choice> {
        let mut best = Best::new(count);
        for table in self.tables() {
            let mut order: Vec<usize> = (0..self.services.len()).collect();
            order.sort_by_key(|at| (table.floor[*at], *at));
            self.descend(&table, &order, 0, &mut Vec::new(), Money::ZERO, &mut best);
        }
        best.sorted()
    }

    /// Depth first: `from` is the first place of `order` that may still be taken.
    fn descend(
        &self,
        table: &Table,
        order: &[usize],
        from: usize,
        chosen: &mut Vec<usize>,
        sum: Money,
        best: &mut Best,
    ) {
        let missing = table.n - chosen.len();
        if missing == 0 {
            let mut services = chosen.clone();
            services.sort_unstable();
            if let Some(choice) = self.choice(&services, table) {
                best.offer(choice);
            }
            return;
        }
        for at in from..=order.len().saturating_sub(missing) {
            if at + missing > order.len() {
                return;
            }
            let rest: Money = order[at..at + missing].iter().map(|next| table.floor[*next]).sum();
            let least = sum + rest;
            if best.worst().is_some_and(|worst| least > worst)
                || self.wishes.budget.is_some_and(|budget| least > budget)
            {
                return;
            }
            let next = order[at];
            if self.beside(chosen, next) {
                chosen.push(next);
                self.descend(table, order, at + 1, chosen, sum + table.floor[next], best);
                chosen.pop();
            }
        }
    }

    /// The mixes that none beats in cost, in readability and in safety at once, the cheapest first; where services were measured, in the
    /// slowest reads too.
    #[must_use]
    pub fn front(&self) -> Vec<Choice> {
        let mut front = Vec::new();
        for table in self.tables() {
            if !self.timed.is_empty() {
                self.every(&table, 0, &mut Vec::new(), &mut front);
            } else if self.wishes.apart {
                front.extend(self.cheapest_of_each_kind(&table));
            } else {
                let mut flat = Flat::default();
                self.visit(&table, 0, &mut Vec::new(), Money::ZERO, &mut flat);
                front.extend(flat.points.into_iter().map(|(_, choice)| choice));
            }
        }
        unbeaten(front)
    }

    /// Of each choice of how many services are out how often, the cheapest mix. Where no two share an operator, readability is a matter of
    /// that choice alone, and safety of k and n: so all others of its kind are beaten.
    fn cheapest_of_each_kind(&self, table: &Table) -> Vec<Choice> {
        // Services by how often they are out, each kind in order of floor price.
        let mut kinds: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (at, out) in self.out.iter().enumerate() {
            kinds.entry(out.to_bits()).or_default().push(at);
        }
        let kinds: Vec<Vec<usize>> = kinds.into_values().collect();
        let mut found = Vec::new();
        for counts in splits(table.n, &kinds.iter().map(Vec::len).collect::<Vec<usize>>()) {
            let mut best = Best::new(1);
            let kind_of = |at: usize| {
                kinds
                    .iter()
                    .position(|kind| kind.contains(&at))
                    .expect("each has its kind")
            };
            let mut order: Vec<usize> = (0..self.services.len()).filter(|at| counts[kind_of(*at)] > 0).collect();
            order.sort_by_key(|at| (table.floor[*at], *at));
            let search = Search {
                table,
                kinds: order.iter().map(|at| kind_of(*at)).collect(),
                order,
                counts,
            };
            self.descend_kinds(&search, 0, &mut Vec::new(), Money::ZERO, &mut best);
            found.extend(best.sorted());
        }
        found
    }

    /// Depth first, as [`Planner::descend`], with so many of each kind.
    fn descend_kinds(&self, search: &Search<'_>, from: usize, chosen: &mut Vec<usize>, sum: Money, best: &mut Best) {
        let mut left = search.counts.clone();
        for at in chosen.iter() {
            let place = search
                .order
                .iter()
                .position(|other| other == at)
                .expect("it was taken from there");
            left[search.kinds[place]] -= 1;
        }
        if left.iter().all(|left| *left == 0) {
            let mut services = chosen.clone();
            services.sort_unstable();
            if let Some(choice) = self.choice(&services, search.table) {
                best.offer(choice);
            }
            return;
        }
        for at in from..search.order.len() {
            let kind = search.kinds[at];
            if left[kind] == 0 {
                continue;
            }
            let Some(rest) = search.least(at, &left) else { return };
            if best.worst().is_some_and(|worst| sum + rest >= worst)
                || self.wishes.budget.is_some_and(|budget| sum + rest > budget)
            {
                return;
            }
            let next = search.order[at];
            if self.beside(chosen, next) {
                chosen.push(next);
                self.descend_kinds(search, at + 1, chosen, sum + search.table.floor[next], best);
                chosen.pop();
            }
        }
    }

    /// Every set that the wishes allow.
    fn every(&self, table: &Table, from: usize, chosen: &mut Vec<usize>, found: &mut Vec<Choice>) {
        let missing = table.n - chosen.len();
        if missing == 0 {
            found.extend(self.choice(chosen, table));
            return;
        }
        for next in from..=self.services.len().saturating_sub(missing) {
            if self.beside(chosen, next) {
                chosen.push(next);
                self.every(table, next + 1, chosen, found);
                chosen.pop();
            }
        }
    }

    /// Every set of one k and n; of those only what is on the front of cost and readability is kept, for safety is the same for all.
    fn visit(&self, table: &Table, from: usize, chosen: &mut Vec<usize>, sum: Money, flat: &mut Flat) {
        let missing = table.n - chosen.len();
        if missing == 0 {
            let need = usize::from(table.k);
            let unreadable = if self.wishes.apart {
                fewer_than(need, chosen.iter().map(|at| self.out[*at]))
            } else {
                short_of(need, &self.seats(chosen), &self.assume)
            };
            // What doesn't stand at its floor price doesn't stand at its own.
            if flat.stands(sum, unreadable)
                && let Some(choice) = self.choice(chosen, table)
                && flat.stands(choice.cost, unreadable)
            {
                flat.add(unreadable, choice);
            }
            return;
        }
        for next in from..=self.services.len().saturating_sub(missing) {
            let sum = sum + table.floor[next];
            if self.wishes.budget.is_some_and(|budget| sum > budget) || !self.beside(chosen, next) {
                continue;
            }
            chosen.push(next);
            self.visit(table, next + 1, chosen, sum, flat);
            chosen.pop();
        }
    }
}

/// A search for the cheapest set with so many services of each kind.
struct Search<'t> {
    table: &'t Table,
    /// Services by rising floor price, and the kind of each.
    order: Vec<usize>,
    kinds: Vec<usize>,
    /// How many of each kind.
    counts: Vec<usize>,
}

impl Search<'_> {
    /// The least floor prices that what is left can have, from this place on; none if there are too few.
    fn least(&self, from: usize, left: &[usize]) -> Option<Money> {
        let (mut left, mut sum) = (left.to_vec(), Money::ZERO);
        for (at, kind) in self.order.iter().zip(&self.kinds).skip(from) {
            if left[*kind] > 0 {
                left[*kind] -= 1;
                sum += self.table.floor[*at];
            }
        }
        left.iter().all(|left| *left == 0).then_some(sum)
    }
}

/// All ways to take `n` from heaps of these sizes.
fn splits(n: usize, sizes: &[usize]) -> Vec<Vec<usize>> {
    let Some((first, rest)) = sizes.split_first() else {
        return if n == 0 { vec![Vec::new()] } else { Vec::new() };
    };
    let mut all = Vec::new();
    for count in 0..=n.min(*first) {
        for mut split in splits(n - count, rest) {
            split.insert(0, count);
            all.push(split);
        }
    }
    all
}

/// Those that no other beats, the cheapest first.
fn unbeaten(mut choices: Vec<Choice>) -> Vec<Choice> {
    let slowest = |choice: &Choice| choice.reads.map_or(0.0, |reads| reads.p99);
    choices.sort_by(|a: &Choice, b| {
        let cost = a.cost.cmp(&b.cost).then(a.unreadable.total_cmp(&b.unreadable));
        cost.then(a.lost.total_cmp(&b.lost))
            .then(slowest(a).total_cmp(&slowest(b)))
    });
    let mut kept: Vec<Choice> = Vec::new();
    for choice in choices {
        let beaten = |by: &Choice| {
            by.unreadable <= choice.unreadable && by.lost <= choice.lost && slowest(by) <= slowest(&choice)
        };
        if !kept.iter().any(beaten) {
            kept.push(choice);
        }
    }
    kept
}

/// Why a mix stands in an answer.
#[must_use]
pub fn reasons(choices: &[Choice]) -> BTreeMap<usize, &'static str> {
    let mut reasons = BTreeMap::new();
    let place = |best: &dyn Fn(&Choice, &Choice) -> std::cmp::Ordering| {
        let choice = choices.iter().enumerate().min_by(|a, b| best(a.1, b.1));
        choice.map(|(at, _)| at)
    };
    let safest = place(&|a, b| a.lost.total_cmp(&b.lost).then(a.cost.cmp(&b.cost)));
    let slow = |choice: &Choice| choice.reads.map_or(f64::INFINITY, |reads| reads.p99);
    let fastest = place(&|a, b| slow(a).total_cmp(&slow(b)).then(a.cost.cmp(&b.cost)));
    if choices.iter().any(|choice| choice.reads.is_some()) {
        reasons.extend(fastest.map(|at| (at, "fastest that fits")));
    }
    let steadiest = place(&|a, b| a.unreadable.total_cmp(&b.unreadable).then(a.cost.cmp(&b.cost)));
    let cheapest = place(&|a, b| a.cost.cmp(&b.cost));
    reasons.extend(safest.map(|at| (at, "least likely to lose data")));
    reasons.extend(steadiest.map(|at| (at, "most often readable")));
    reasons.extend(cheapest.map(|at| (at, "cheapest that fits")));
    reasons
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
