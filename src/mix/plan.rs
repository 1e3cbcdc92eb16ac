//! Which mix? All sets of services under all k + m that the wishes allow: the cheapest, and those that nothing beats.
//!
//! ```text
//! services ─▶ those with prices ─▶ cheapest: depth first by rising floor price, cut where even the floors are too dear
//!                                └▶ front: every set, kept only if none is cheaper and steadier and safer
//! ```
//!
//! The floor price of a service is its bill alone, at the least that any mix can ask of it. A mix never costs less than its floors: what
//! services share (an account's pool, a least bill) only makes them dearer together. So what is cut can't be among the cheapest.

use std::collections::{BTreeMap, BinaryHeap};

use super::cost::{MixCost, Reads, price_mix};
use super::demand::{Demand, Scheme, Workload};
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
        let mut best = Best {
            count,
            heap: BinaryHeap::new(),
        };
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

    /// The mixes that none beats in cost, in readability and in safety at once, the cheapest first.
    #[must_use]
    pub fn front(&self) -> Vec<Choice> {
        let mut front = Vec::new();
        for table in self.tables() {
            let mut flat = Flat::default();
            self.visit(&table, 0, &mut Vec::new(), Money::ZERO, &mut flat);
            front.extend(flat.points.into_iter().map(|(_, choice)| choice));
        }
        front.sort_by(|a: &Choice, b| a.cost.cmp(&b.cost).then(a.unreadable.total_cmp(&b.unreadable)));
        let mut kept: Vec<Choice> = Vec::new();
        for choice in front {
            let beaten = |by: &Choice| by.unreadable <= choice.unreadable && by.lost <= choice.lost;
            if !kept.iter().any(beaten) {
                kept.push(choice);
            }
        }
        kept
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

    /// The n services whose storage is cheapest, as many would choose; none if they can't be priced.
    #[must_use]
    pub fn cheapest_storage(&self, k: u16, m: u16) -> Option<Choice> {
        let n = usize::from(k + m);
        let mut order: Vec<usize> = (0..self.services.len()).collect();
        let price = |at: &usize| {
            self.services[*at]
                .storage
                .value
                .map(|price| price.of(1_000_000_000_000))
        };
        order.sort_by_key(|at| (price(at), *at));
        let mut chosen = Vec::new();
        for at in order {
            if chosen.len() < n && self.beside(&chosen, at) {
                chosen.push(at);
            }
        }
        let table = (chosen.len() == n).then(|| self.table(usize::from(k), n))?;
        self.unwished(&chosen, &table)
    }

    fn unwished(&self, services: &[usize], table: &Table) -> Option<Choice> {
        let cost = self.price(services, table).total?;
        let seats = self.seats(services);
        Some(Choice {
            services: services.to_vec(),
            k: table.k,
            m: u16::try_from(table.n).ok()? - table.k,
            cost,
            unreadable: short_of(usize::from(table.k), &seats, &self.assume),
            unwritable: 0.0,
            lost: table.lost,
        })
    }

    /// What one copy at one service costs and risks; none if it is no candidate or can't be priced.
    #[must_use]
    pub fn one_copy(&self, id: &str) -> Option<Choice> {
        let at = self.services.iter().position(|tariff| tariff.id == id)?;
        self.unwished(&[at], &self.table(1, 1))
    }
}

/// The cheapest so far.
struct Best {
    count: usize,
    heap: BinaryHeap<Dearest>,
}

/// A choice, the dearest first.
struct Dearest(Choice);

impl Dearest {
    fn key(&self) -> (Money, usize, u16, &[usize]) {
        (self.0.cost, self.0.services.len(), self.0.k, &self.0.services)
    }
}

impl PartialEq for Dearest {
    fn eq(&self, other: &Dearest) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Dearest {}

impl PartialOrd for Dearest {
    fn partial_cmp(&self, other: &Dearest) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dearest {
    fn cmp(&self, other: &Dearest) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Best {
    /// The cost beyond which nothing is among the cheapest any more.
    fn worst(&self) -> Option<Money> {
        (self.heap.len() >= self.count)
            .then(|| self.heap.peek().map(|dearest| dearest.0.cost))
            .flatten()
    }

    fn offer(&mut self, choice: Choice) {
        self.heap.push(Dearest(choice));
        if self.heap.len() > self.count {
            self.heap.pop();
        }
    }

    fn sorted(self) -> Vec<Choice> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|dearest| dearest.0)
            .collect()
    }
}

/// A front of two figures: rising cost, falling unreadability.
#[derive(Default)]
struct Flat {
    points: Vec<(f64, Choice)>,
}

impl Flat {
    /// True if no point is as cheap and as steady.
    fn stands(&self, cost: Money, unreadable: f64) -> bool {
        let cheaper = self.points.partition_point(|point| point.1.cost <= cost);
        // Among those that cost no more the last is the steadiest.
        cheaper == 0 || self.points[cheaper - 1].0 > unreadable
    }

    fn add(&mut self, unreadable: f64, choice: Choice) {
        self.points
            .retain(|point| point.1.cost < choice.cost || point.0 < unreadable);
        let at = self.points.partition_point(|point| point.1.cost < choice.cost);
        self.points.insert(at, (unreadable, choice));
    }
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
