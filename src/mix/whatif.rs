//! What if? A service leaves, is out, or changes its price; the data grow: what that costs, how long it takes, whether moving pays.
//!
//! ```text
//! a move        the month's bills with its reads and writes in them, less the month's bills without: allowances and least bills as they are
//! early fees    what those ask who bill a blob for least days, if all of it had been stored a moment ago: an upper bound
//! pays          the move and the early fees together, over what a month becomes cheaper
//! ```

use super::cost::MixCost;
use super::demand::{Demand, Scheme};
use super::outage::Outages;
use super::plan::{Choice, Planner, Wishes};
use crate::cloud_set::policy::Policy;
use crate::cloud_set::price::{Fee, Money, Prices, Tariff, Usage, bills};
use crate::store::read::STEP;

/// Bytes that a move carries in a second, if nobody measured: 20 MiB.
pub const USUAL_RATE: f64 = 20_971_520.0;

/// A move of fragments.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// From which services, by place.
    pub from: Vec<usize>,
    /// To which.
    pub to: Vec<usize>,
    /// Bytes that are written anew.
    pub bytes: u64,
    /// Bytes that are read for it.
    pub read: u64,
    /// What it adds to the month's bills.
    pub cost: Money,
    /// What early deletion costs on top, at most.
    pub early: Money,
    /// How long it takes, at so many bytes a second.
    pub hours: f64,
    /// Months after which it has paid for itself; none if it never does.
    pub pays_after: Option<f64>,
    /// A month's cost before, under the prices that hold then.
    pub before: Money,
    /// A month's cost afterwards.
    pub after: Money,
}

/// A service that leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaving {
    /// The mix afterwards.
    pub becomes: Choice,
    /// While it still answers: its fragments are copied.
    pub copied: Move,
    /// When it is gone: they are rebuilt from k others each.
    pub rebuilt: Move,
}

/// A service that is out.
#[derive(Clone, Debug, PartialEq)]
pub struct Out {
    /// Services that may still be lost; none if data can't be read.
    pub losses_left: Option<u16>,
    /// True if puts still reach their quorum.
    pub writable: bool,
    /// What reads cost more for each day that it lasts.
    pub a_day: Money,
    /// Milliseconds of 99 of 100 reads meanwhile, of services that were measured.
    pub read_p99: Option<f64>,
}

/// A size that the data have grown to.
#[derive(Clone, Debug, PartialEq)]
pub struct Grown {
    /// Months from now.
    pub months: u32,
    /// Bytes kept then.
    pub data: u64,
    /// What today's mix costs then; none if it can't be priced.
    pub stays: Option<Money>,
    /// The cheapest mix then.
    pub best: Option<(Vec<String>, u16, u16, Money)>,
}

impl Planner<'_> {
    /// What happens if a service of the mix leaves: the best one that isn't in it takes its place. None if nobody can.
    #[must_use]
    pub fn leaving(&self, mix: &Choice, gone: usize, rate: f64) -> Option<Leaving> {
        let stay: Vec<usize> = mix.services.iter().copied().filter(|at| *at != gone).collect();
        let others = (0..self.services.len()).filter(|at| !mix.services.contains(at) && self.may_join(&stay, *at));
        let with = |next: usize| {
            let mut services = stay.clone();
            services.push(next);
            services.sort_unstable();
            self.reckoned(&services, mix.k)
        };
        let becomes = others
            .filter_map(with)
            .min_by(|a, b| a.cost.cmp(&b.cost).then(a.services.cmp(&b.services)))?;
        let copied = self.moved(mix, &becomes, &[gone], rate);
        let rebuilt = self.moved(mix, &becomes, &stay, rate);
        Some(Leaving {
            becomes,
            copied,
            rebuilt,
        })
    }

    /// From one mix to another. Where k or n differ everything is read and written anew; else the seats that differ are copied.
    #[must_use]
    pub fn change(&self, old: &Choice, new: &Choice, rate: f64) -> Move {
        let sources: Vec<usize> = if recodes(old, new) {
            old.services.clone()
        } else {
            old.services
                .iter()
                .copied()
                .filter(|at| !new.services.contains(at))
                .collect()
        };
        self.moved(old, new, &sources, rate)
    }

    /// The move, with what is written read from `sources`: a copy from each that leaves, or k of n shares from those that are asked evenly.
    fn moved(&self, old: &Choice, new: &Choice, sources: &[usize], rate: f64) -> Move {
        let recodes = recodes(old, new);
        let (before, after) = (self.demand_of(old), self.demand_of(new));
        let leave: Vec<usize> = of(old, |at| recodes || !new.services.contains(&at));
        let arrive: Vec<usize> = of(new, |at| recodes || !old.services.contains(&at));
        let shares = before.fixed.stored();
        let pieces: u64 = before
            .fixed
            .kept
            .iter()
            .map(|blobs| blobs.count.saturating_mul(blobs.len.div_ceil(STEP).max(1)))
            .fold(0, u64::saturating_add);
        // Each fragment that arrives takes one that is copied, or k that are read: from the sources in even parts.
        let copies = !recodes && sources == leave.as_slice();
        let wholes = if copies {
            arrive.len() as u64
        } else if recodes {
            u64::from(old.k)
        } else {
            u64::from(old.k) * arrive.len() as u64
        };
        let each = |count: u64| part(count, wholes, sources.len() as u64);
        let mut places: Vec<usize> = old.services.iter().chain(&new.services).copied().collect();
        places.sort_unstable();
        places.dedup();
        let usage = |place: usize, moving: bool| {
            let seat = old.services.contains(&place);
            let mut usage = if seat { month(old, &before) } else { Usage::default() };
            if moving && sources.contains(&place) {
                usage.read = usage.read.saturating_add(each(shares));
                usage.gets = usage.gets.saturating_add(each(pieces));
            }
            if moving && arrive.contains(&place) {
                let puts: u64 = after
                    .fixed
                    .kept
                    .iter()
                    .map(|blobs| blobs.count)
                    .fold(0, u64::saturating_add);
                usage.puts = usage.puts.saturating_add(puts);
            }
            usage
        };
        let bill = |moving: bool| {
            let uses: Vec<Usage> = places.iter().map(|place| usage(*place, moving)).collect();
            self.sum(&places, &uses)
        };
        let read = each(shares).saturating_mul(sources.len() as u64);
        let bytes = after.fixed.stored().saturating_mul(arrive.len() as u64);
        let (cost, early) = (bill(true).less(bill(false)), self.early(&leave, &before));
        let saved = old.cost.less(new.cost).amount();
        let all = (cost + early).amount();
        Move {
            from: leave,
            to: arrive,
            bytes,
            read,
            cost,
            early,
            hours: hours(bytes.max(read), rate),
            pays_after: (saved > 0.0).then(|| all / saved),
            before: old.cost,
            after: new.cost,
        }
    }

    /// What early deletion asks of those that are left, if everything had been stored a moment ago.
    fn early(&self, leave: &[usize], demand: &Demand) -> Money {
        let usage = Usage {
            deleted: demand.fixed.kept.iter().map(|blobs| (*blobs, 0)).collect(),
            ..Usage::default()
        };
        let mut sum = Money::ZERO;
        for at in leave {
            let tariff = self.services[*at];
            let bill = &bills(self.prices(), &[(tariff, &usage)])[0];
            let fee = bill.fees.get(&Fee::EarlyDeletion).copied().unwrap_or_default();
            sum += self.exchanged(tariff, fee);
        }
        sum
    }

    fn sum(&self, places: &[usize], uses: &[Usage]) -> Money {
        let pairs: Vec<(&Tariff, &Usage)> = places.iter().map(|at| self.services[*at]).zip(uses).collect();
        let bills = bills(self.prices(), &pairs);
        let totals = bills
            .iter()
            .zip(&pairs)
            .map(|(bill, (tariff, _))| self.exchanged(tariff, bill.total()));
        totals.sum()
    }

    fn exchanged(&self, tariff: &Tariff, amount: Money) -> Money {
        let rate = self
            .prices()
            .rate(&tariff.currency, &self.wishes().currency)
            .unwrap_or_default();
        amount.times(u64::try_from(rate.in_billionths()).unwrap_or(u64::MAX), 1_000_000_000)
    }

    fn demand_of(&self, mix: &Choice) -> Demand {
        Demand::of(&self.wishes().workload, &Scheme::of(mix.k, mix.m))
    }

    /// What happens while a service of the mix is out.
    #[must_use]
    pub fn out(&self, mix: &Choice, gone: usize) -> Out {
        let n = u16::try_from(mix.services.len()).expect("at most 12");
        let demand = self.demand_of(mix);
        let left: Vec<usize> = mix.services.iter().copied().filter(|at| *at != gone).collect();
        let usual: Vec<Usage> = mix.services.iter().map(|_| month(mix, &demand)).collect();
        let share = if left.len() < usize::from(mix.k) {
            0
        } else {
            u64::from(mix.k) * 1_000_000 / left.len() as u64
        };
        // The one that is out keeps what it has, and nothing is read from it.
        let uses: Vec<Usage> = mix
            .services
            .iter()
            .map(|at| demand.usage(if *at == gone { 0 } else { share }))
            .collect();
        let more = self.sum(&mix.services, &uses).less(self.sum(&mix.services, &usual));
        Out {
            losses_left: mix.m.checked_sub(1),
            writable: n > Policy::lowest_quorum(mix.k, n),
            a_day: more.times(1, 30),
            read_p99: self.reads_without(mix, gone).map(|times| times.p99),
        }
    }

    /// A mix of these services under this k, against no wish.
    fn reckoned(&self, services: &[usize], k: u16) -> Option<Choice> {
        let m = u16::try_from(services.len()).ok()?.checked_sub(k)?;
        let choice = Choice {
            services: services.to_vec(),
            k,
            m,
            cost: Money::ZERO,
            unreadable: 0.0,
            unwritable: 0.0,
            lost: 0.0,
            reads: None,
        };
        let MixCost {
            total, beyond_policy, ..
        } = self.cost(&choice);
        let cost = total.filter(|_| beyond_policy.is_empty())?;
        Some(Choice { cost, ..choice })
    }

    /// The same mix under this planner's prices, by the names of its services; none if one isn't a candidate or it can't be priced.
    #[must_use]
    pub fn same(&self, names: &[String], k: u16) -> Option<Choice> {
        let place = |name: &String| self.services.iter().position(|tariff| tariff.id == *name);
        let mut services: Vec<usize> = names.iter().map(place).collect::<Option<_>>()?;
        services.sort_unstable();
        self.reckoned(&services, k)
    }
}

/// What growth by a factor a month comes to: the cost of the mix that is there, and the cheapest then. Amounts of reads and writes grow too.
#[must_use]
pub fn growth(
    prices: &Prices,
    wishes: &Wishes,
    services: &[&Tariff],
    mix: (&[String], u16),
    factor: f64,
    months: &[u32],
) -> Vec<Grown> {
    let grown = |months: &u32| {
        let by = factor.powi(i32::try_from(*months).unwrap_or(i32::MAX));
        let mut wishes = wishes.clone();
        wishes.budget = None;
        for objects in &mut wishes.workload.objects {
            for count in [
                &mut objects.count,
                &mut objects.written,
                &mut objects.read,
                &mut objects.removed,
            ] {
                *count = times(*count, by);
            }
        }
        let planner = Planner::new(prices, &wishes, services, &Outages::shipped());
        let best = planner.cheapest(1).into_iter().next().map(|best| {
            let names = best
                .services
                .iter()
                .map(|at| planner.services[*at].id.clone())
                .collect();
            (names, best.k, best.m, best.cost)
        });
        Grown {
            months: *months,
            data: wishes.workload.bytes(),
            stays: planner.same(mix.0, mix.1).map(|same| same.cost),
            best,
        }
    };
    months.iter().map(grown).collect()
}

/// A count times a factor that isn't negative, to the nearest; the largest count where it would be more.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a forecast; casts stop at the ends"
)]
fn times(count: u64, factor: f64) -> u64 {
    (count as f64 * factor).round() as u64
}

/// True if everything must be coded anew.
fn recodes(old: &Choice, new: &Choice) -> bool {
    (old.k, old.m) != (new.k, new.m)
}

/// One seat's usual month.
fn month(mix: &Choice, demand: &Demand) -> Usage {
    demand.usage(u64::from(mix.k) * 1_000_000 / mix.services.len().max(1) as u64)
}

fn of(mix: &Choice, which: impl Fn(usize) -> bool) -> Vec<usize> {
    mix.services.iter().copied().filter(|at| which(*at)).collect()
}

/// `count` × `times` in `among` even parts, rounded up.
fn part(count: u64, times: u64, among: u64) -> u64 {
    let whole = u128::from(count) * u128::from(times);
    u64::try_from(whole.div_ceil(u128::from(among.max(1)))).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "hours as a person reads them")]
fn hours(bytes: u64, rate: f64) -> f64 {
    bytes as f64 / rate.max(1.0) / 3600.0
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::mix::cost::Reads;
    use crate::mix::demand::{Care, Objects, Workload};

    const GB: u64 = 1_000_000_000;

    fn wishes(count: u64, len: u64) -> Wishes {
        Wishes {
            workload: Workload {
                objects: vec![Objects {
                    count,
                    len,
                    ..Objects::default()
                }],
                care: Care {
                    deep_days: None,
                    light_days: None,
                    losses_per_year: 0.0,
                },
            },
            survive: 0,
            most: 12,
            apart: false,
            reads: Reads::Even,
            currency: "USD".to_owned(),
            budget: None,
            unreadable: None,
            read_p99: None,
        }
    }

    /// Nine services alike, all with one tariff: storage 0.15 and egress 0.15 a GB, as storage clouds had it in 2010.
    fn alike() -> Prices {
        let mut text = String::from("version: 1\nproviders:\n");
        for number in 0..10 {
            let _ = writeln!(
                text,
                "  s{number}: {{ name: s, operator: o{number}, scheme: s3, currency: USD, jurisdiction: {{ value: null }}, storage: {{ value: 0.15/GB-month }}, \
                 egress: {{ value: 0.15/GB }}, egress_free: {{ value: {{ kind: nothing }} }}, put: {{ value: 0.01/1k }}, get: {{ value: 0.01/10k }}, \
                 retrieval: {{ value: 0 }}, min_days: {{ value: 90 }}, min_object: {{ value: 0 B }}, monthly: {{ value: {{ kind: nothing }} }}, \
                 durability: {{ value: null }}, sla: {{ value: null }} }}"
            );
        }
        Prices::read(&[("own.yaml", &text)]).unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// RACS (Abu-Libdeh, Princehouse, Weatherspoon, 2010) tells of the Internet Archive's trace that striping over nine providers, eight of
    /// which read, makes leaving one of them cheaper by seven-fold or more.
    #[test]
    fn leaving_one_of_nine_costs_an_eighth_of_leaving_the_only_one() {
        let prices = alike();
        let wishes = wishes(1_000_000, 10_000_000);
        let services: Vec<&Tariff> = prices.tariffs().collect();
        let planner = Planner::new(&prices, &wishes, &services, &Outages::shipped());
        let alone = planner.same(&["s0".to_owned()], 1).unwrap();
        let names: Vec<String> = (0..9).map(|number| format!("s{number}")).collect();
        let striped = planner.same(&names, 8).unwrap();
        let (one, many) = (
            planner.leaving(&alone, 0, USUAL_RATE).unwrap(),
            planner.leaving(&striped, 0, USUAL_RATE).unwrap(),
        );
        let (one, many) = (one.copied.cost.amount(), many.copied.cost.amount());
        // 10 TB leave at 0.15 a GB.
        assert!((one / 1500.0 - 1.0).abs() < 0.03, "{one}");
        assert!(one / many > 7.0 && one / many < 8.1, "{one} {many}");
    }

    #[test]
    fn a_service_that_is_gone_costs_k_reads_where_a_copy_costs_one() {
        let prices = alike();
        let wishes = wishes(1000, GB);
        let services: Vec<&Tariff> = prices.tariffs().collect();
        let planner = Planner::new(&prices, &wishes, &services, &Outages::shipped());
        let mix = planner
            .same(&["s0", "s1", "s2", "s3", "s4", "s5"].map(str::to_owned), 4)
            .unwrap();
        let leaving = planner.leaving(&mix, 0, USUAL_RATE).unwrap();
        let (copied, rebuilt) = (&leaving.copied, &leaving.rebuilt);
        // A quarter of a TB and its headers, tags and seals.
        assert!(
            (250 * GB..252 * GB).contains(&copied.bytes) && copied.read == copied.bytes,
            "{copied:?}"
        );
        assert!(
            rebuilt.read.abs_diff(4 * copied.read) < 100 && rebuilt.bytes == copied.bytes,
            "{rebuilt:?}"
        );
        assert!((copied.hours - 251.0e9 / USUAL_RATE / 3600.0).abs() < 0.1);
        // 90 days that nothing has lasted of yet: three months of storage.
        assert!(
            (copied.early.amount() / (250.5 * 0.15 * 3.0) - 1.0).abs() < 0.01,
            "{:?}",
            copied.early
        );
        assert_eq!((copied.pays_after, copied.from.as_slice()), (None, &[0][..]));
        let out = planner.out(&mix, 0);
        assert_eq!((out.losses_left, out.writable, out.a_day), (Some(1), true, Money::ZERO));
        let none = planner.same(&["s0".to_owned(), "s1".to_owned()], 2).unwrap();
        assert_eq!(
            (planner.out(&none, 0).losses_left, planner.out(&none, 0).writable),
            (None, false)
        );
    }

    #[test]
    fn a_grown_set_is_planned_anew() {
        let prices = alike();
        let wishes = Wishes {
            survive: 1,
            most: 3,
            ..wishes(1000, GB)
        };
        let services: Vec<&Tariff> = prices.tariffs().collect();
        let names = ["s0".to_owned(), "s1".to_owned()];
        let grown = growth(&prices, &wishes, &services, (&names[..], 1), 1.05, &[0, 12]);
        assert_eq!(grown[0].data, 1000 * GB);
        assert!(grown[1].data.abs_diff(1796 * GB) < GB, "{grown:?}");
        let (first, last) = (grown[0].stays.unwrap().amount(), grown[1].stays.unwrap().amount());
        assert!((last / first - 1.796).abs() < 0.01);
        let (names, k, m, cost) = grown[1].best.clone().unwrap();
        assert_eq!((names.len(), k, m), (3, 2, 1));
        assert!(cost < grown[1].stays.unwrap());
    }

    #[test]
    fn a_move_to_a_cheaper_mix_pays_after_what_it_costs_over_what_it_saves() {
        let mut text = String::from("version: 1\nproviders:\n");
        for number in 0..3 {
            let _ = writeln!(
                text,
                "  t{number}: {{ name: t, operator: p{number}, scheme: s3, currency: USD, jurisdiction: {{ value: null }}, storage: {{ value: 0.0{}/GB-month }}, \
                     egress: {{ value: 0.02/GB }}, egress_free: {{ value: {{ kind: nothing }} }}, put: {{ value: 0 }}, get: {{ value: 0 }}, \
                     retrieval: {{ value: 0 }}, min_days: {{ value: 0 }}, min_object: {{ value: 0 B }}, monthly: {{ value: {{ kind: nothing }} }}, \
                     durability: {{ value: null }}, sla: {{ value: null }} }}",
                [5, 5, 1][number]
            );
        }
        let prices = Prices::read(&[("own.yaml", &text)]).unwrap_or_else(|fault| panic!("{fault}"));
        let wishes = wishes(1000, GB);
        let services: Vec<&Tariff> = prices.tariffs().collect();
        let planner = Planner::new(&prices, &wishes, &services, &Outages::shipped());
        let old = planner.same(&["t0".to_owned(), "t1".to_owned()], 1).unwrap();
        let new = planner.same(&["t0".to_owned(), "t2".to_owned()], 1).unwrap();
        let change = planner.change(&old, &new, USUAL_RATE);
        // A TB copied at 0.02 a GB is 20; it saves 40 a month.
        assert!(
            (change.cost.amount() - 20.0).abs() < 0.1 && change.early == Money::ZERO,
            "{change:?}"
        );
        assert!((change.pays_after.unwrap() - 0.5).abs() < 0.01 && change.to == [2]);
        assert_eq!(planner.change(&new, &old, USUAL_RATE).pays_after, None);
        // Another k: all is read once, and written to every seat.
        let wide = planner.same(&["t0", "t1", "t2"].map(str::to_owned), 2).unwrap();
        let recoded = planner.change(&old, &wide, USUAL_RATE);
        assert_eq!((recoded.from.len(), recoded.to.len()), (2, 3));
        assert!(
            recoded.read.abs_diff(1001 * GB) < 5 * GB && recoded.bytes > 1499 * GB,
            "{recoded:?}"
        );
    }
}
