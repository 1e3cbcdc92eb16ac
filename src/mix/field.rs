//! All mixes of a handful of providers, each reckoned: what it costs, how often it can't be read, how fast it is foretold to be.

use std::collections::BTreeMap;

use super::cost::{Reads, price_mix};
use super::curve::Timing;
use super::demand::{Care, Demand, Objects, Scheme, Workload};
use super::foretell::{self, Foretold, fragment_len};
use super::model::{Assumptions, FLOOR, Seat, lost_in_a_year, short_of};
use super::outage::Outages;
use super::run::{Level, MINUTES_PER_YEAR, MixRun, Run, Setting};
use super::seen::digits;
use crate::cloud_set::domain::Domains;
use crate::cloud_set::policy::Policy;
use crate::cloud_set::price::{Prices, Tariff};

/// The most providers whose mixes are reckoned: 8 have 247 sets of two or more.
pub const MOST: usize = 8;

/// What the owner's reads are multiplied with, to show what they cost.
pub const READ_LEVELS: [u64; 3] = [0, 1, 10];

/// One provider that may be part of a mix.
pub struct Entrant {
    /// Its name.
    pub name: String,
    /// What it shares a fate with; the operator is there.
    pub domains: Domains,
    /// The company, whose outages are known or not.
    pub operator: String,
    /// What it bills; not known if `None`.
    pub tariff: Option<Tariff>,
    /// How long its calls take.
    pub timing: Box<dyn Timing>,
}

impl std::fmt::Debug for Entrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entrant")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What mixes are reckoned from.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Who may be part of one, at most [`MOST`].
    pub entrants: &'a [Entrant],
    /// What is stored and done.
    pub setting: &'a Setting,
    /// What services bill.
    pub prices: &'a Prices,
    /// How often operators are out.
    pub outages: &'a Outages,
}

impl Setting {
    /// What is stored and done in a month, with the owner's reads so many times as much.
    #[must_use]
    pub fn workload(&self, reads: u64) -> Workload {
        let object = self.cost_object.max(1);
        Workload {
            objects: vec![Objects {
                count: self.data.div_ceil(object),
                len: object,
                read: self.read.div_ceil(object).saturating_mul(reads),
                ..Objects::default()
            }],
            care: Care::default(),
        }
    }
}

impl Field<'_> {
    /// Every mix of two providers or more, under every k.
    ///
    /// # Panics
    ///
    /// If there are more than [`MOST`] entrants.
    #[must_use]
    pub fn mixes(&self) -> Vec<MixRun> {
        let count = self.entrants.len();
        assert!(count <= MOST, "{count} providers, at most {MOST}");
        let mut mixes = Vec::new();
        for k in 1..count.max(1) {
            let k = u16::try_from(k).expect("few");
            let len = fragment_len(k, self.setting.object);
            let seats: Vec<foretell::Seat> = self
                .entrants
                .iter()
                .map(|entrant| foretell::Seat::of(entrant.timing.as_ref(), len))
                .collect();
            for set in 1..1_u32 << count {
                let chosen: Vec<usize> = (0..count).filter(|at| set >> at & 1 == 1).collect();
                if chosen.len() > usize::from(k) {
                    mixes.push(self.reckon(&chosen, k, &seats));
                }
            }
        }
        mixes.sort_by_key(|mix| (mix.n(), mix.k));
        mixes
    }

    fn reckon(&self, chosen: &[usize], k: u16, seats: &[foretell::Seat]) -> MixRun {
        let n = u16::try_from(chosen.len()).expect("few seats");
        let fates = self.fates(chosen);
        let assume = Assumptions::default();
        let minutes = |need: u16| digits(short_of(usize::from(need), &fates, &assume) * MINUTES_PER_YEAR);
        let foretold = Foretold::of(chosen.iter().map(|at| seats[*at].clone()).collect(), k);
        MixRun {
            providers: chosen.iter().map(|at| self.entrants[*at].name.clone()).collect(),
            k,
            m: n - k,
            cost: self.cost(chosen, k, 1).map(|(total, _)| total),
            unreadable_minutes_per_year: minutes(k),
            unwritable_minutes_per_year: minutes(Policy::lowest_quorum(k, n)),
            foretold_read_ms: foretold.reads().into(),
            foretold_write_ms: foretold.writes().into(),
            ..MixRun::default()
        }
    }

    fn fates(&self, chosen: &[usize]) -> Vec<Seat> {
        let seat = |at: &usize| Seat {
            out: self.outages.of(&self.entrants[*at].operator).share(),
            lost_per_year: Care::default().losses_per_year,
            domains: self.entrants[*at].domains.clone(),
        };
        chosen.iter().map(seat).collect()
    }

    /// A month's cost and its fees, with so many times the owner's reads; none if it can't be priced, or reads more than a policy allows.
    fn cost(&self, chosen: &[usize], k: u16, reads: u64) -> Option<(f64, BTreeMap<String, f64>)> {
        let tariffs = chosen.iter().map(|at| self.entrants[*at].tariff.as_ref());
        let tariffs: Vec<&Tariff> = tariffs.collect::<Option<_>>()?;
        let m = u16::try_from(chosen.len()).expect("few seats") - k;
        let demand = Demand::of(&self.setting.workload(reads), &Scheme::of(k, m));
        let own = &self.setting.currency;
        let cost = price_mix(self.prices, &tariffs, &demand, Reads::Even, own);
        let total = cost.total.filter(|_| cost.beyond_policy.is_empty())?;
        let fees = cost.by_fee(|currency| self.prices.rate(currency, own));
        let fees = fees
            .into_iter()
            .map(|(fee, amount)| (fee.word().to_owned(), digits(amount.amount())));
        Some((digits(total.amount()), fees.collect()))
    }

    fn places(&self, mix: &MixRun) -> Vec<usize> {
        let place = |name: &String| self.entrants.iter().position(|entrant| entrant.name == *name);
        mix.providers.iter().filter_map(place).collect()
    }

    /// The chance that a mix loses data within a year, and its cost at each of [`READ_LEVELS`].
    pub fn detail(&self, mix: &mut MixRun) {
        let chosen = self.places(mix);
        let lost = lost_in_a_year(usize::from(mix.k), &self.fates(&chosen), &Assumptions::default());
        mix.lost_per_year = Some(digits(lost.max(FLOOR)));
        let level = |reads: &u64| {
            let fees = self.cost(&chosen, mix.k, *reads)?.1;
            Some(Level { reads: *reads, fees })
        };
        mix.levels = READ_LEVELS.iter().filter_map(level).collect();
    }
}

/// Marks the mixes that none beats in price, readability and slowest reads at once.
pub fn mark_front(run: &mut Run) {
    let of = |mix: &MixRun| {
        [
            run.price(mix),
            mix.unreadable_minutes_per_year,
            mix.foretold_read_ms.p99,
        ]
    };
    let points: Vec<[f64; 3]> = run.mixes.iter().map(of).collect();
    let beats =
        |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).all(|(a, b)| a <= b) && a.iter().zip(b).any(|(a, b)| a < b);
    for (mix, point) in run.mixes.iter_mut().zip(&points) {
        mix.on_front = point[0].is_finite() && !points.iter().any(|other| beats(other, point));
    }
}

/// Places of the mixes of the front that are cheapest, fastest and steadiest, of today's, then of others in even steps of price.
#[must_use]
pub fn telling(run: &Run, most: usize) -> Vec<usize> {
    let mut front: Vec<usize> = (0..run.mixes.len()).filter(|at| run.mixes[*at].on_front).collect();
    let price = |at: usize| run.price(&run.mixes[at]);
    front.sort_by(|a, b| price(*a).total_cmp(&price(*b)));
    let least = |of: &dyn Fn(&MixRun) -> f64| {
        let by = |a: &usize, b: &usize| of(&run.mixes[*a]).total_cmp(&of(&run.mixes[*b]));
        front.iter().copied().min_by(by)
    };
    let mut chosen: Vec<usize> = (0..run.mixes.len()).filter(|at| run.mixes[*at].today).collect();
    chosen.extend(front.first());
    chosen.extend(least(&|mix| mix.foretold_read_ms.p99));
    chosen.extend(least(&|mix| mix.unreadable_minutes_per_year));
    let step = front.len().div_ceil(most.max(1)).max(1);
    chosen.extend(front.iter().copied().step_by(step));
    let mut seen = std::collections::BTreeSet::new();
    chosen.retain(|at| seen.insert(*at));
    chosen.truncate(most);
    chosen.sort_by(|a, b| price(*a).total_cmp(&price(*b)));
    chosen
}
