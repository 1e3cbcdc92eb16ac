//! The bench without accounts: every mix of simulated providers reckoned, the telling ones lived through by the real store.

use std::collections::BTreeMap;

use super::cost::{Reads, price_mix};
use super::demand::{Demand, Scheme, Workload};
use super::law::Law;
use super::model::{Assumptions, Seat, lost_in_a_year, short_of};
use super::outage::Outages;
use super::trial::{Foretold, Trial, Tried, quantile, run};
use crate::cloud_set::domain::Domains;
use crate::cloud_set::price::{Fee, Money, Prices, Tariff};
use crate::provider::Operation;
use crate::store::error::StoreError;

/// Mixes that are lived through, at most.
const MOST_TRIALS: usize = 6;

/// What the owner's reads are multiplied with, to show what they cost.
pub const READ_LEVELS: [u64; 3] = [0, 1, 10];

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What is stored and done, for the cost.
    pub workload: Workload,
    /// The currency of the cost.
    pub currency: String,
    /// Objects of each trial.
    pub objects: u32,
    /// Bytes of each.
    pub len: u64,
    /// Of laws and ids.
    pub seed: u64,
}

/// One mix, reckoned.
#[derive(Clone, Debug)]
pub struct Mix {
    /// Places among the laws.
    pub seats: Vec<usize>,
    /// Fragments that read an extent.
    pub k: u16,
    /// Of a month; none if it can't be priced, or reads more than a policy allows.
    pub cost: Option<Money>,
    /// The share of time that data can't be read.
    pub unreadable: f64,
    /// The chance that data is lost within a year.
    pub lost: f64,
    /// Milliseconds of a read, foretold: half of them, 99 of 100.
    pub read: (f64, f64),
    /// Milliseconds of a put, foretold.
    pub write: (f64, f64),
    /// True if no mix is as cheap, as often readable and as fast at once.
    pub front: bool,
}

impl Mix {
    /// Providers that may vanish.
    #[must_use]
    pub fn m(&self) -> u16 {
        u16::try_from(self.seats.len()).expect("few seats") - self.k
    }
}

/// A mix, lived through.
#[derive(Clone, Debug)]
pub struct Lived {
    /// Its place among the mixes.
    pub mix: usize,
    /// What was seen.
    pub tried: Tried,
    /// What it costs by fee, at each of [`READ_LEVELS`].
    pub fees: Vec<BTreeMap<Fee, Money>>,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The laws.
    pub laws: Vec<Law>,
    /// Every mix of three providers or more.
    pub mixes: Vec<Mix>,
    /// Those that were lived through.
    pub lived: Vec<Lived>,
}

/// Reckons and lives through.
pub fn simulate(setting: &Setting, prices: &Prices, outages: &Outages) -> Result<Simulation, StoreError> {
    let laws = Law::shipped();
    let mut mixes = Vec::new();
    for set in 0..1_u32 << laws.len() {
        let seats: Vec<usize> = (0..laws.len()).filter(|at| set >> at & 1 == 1).collect();
        let n = u16::try_from(seats.len()).expect("few seats");
        for k in 1..n {
            if n >= 3 {
                mixes.push(reckon(setting, prices, outages, &laws, seats.clone(), k));
            }
        }
    }
    mark_front(&mut mixes);
    let mut lived = Vec::new();
    for mix in telling(&mixes) {
        let tried = run(&trial(setting, &laws, &mixes[mix]))?;
        let fees = READ_LEVELS
            .iter()
            .map(|level| fees(setting, prices, &laws, &mixes[mix], *level));
        lived.push(Lived {
            mix,
            tried,
            fees: fees.collect(),
        });
    }
    Ok(Simulation { laws, mixes, lived })
}

fn trial(setting: &Setting, laws: &[Law], mix: &Mix) -> Trial {
    Trial {
        laws: mix.seats.iter().map(|at| laws[*at].clone()).collect(),
        k: mix.k,
        objects: setting.objects,
        len: setting.len,
        seed: setting.seed,
    }
}

/// The entries of the price catalog that stand behind a mix; none if one isn't there.
fn tariffs<'p>(prices: &'p Prices, laws: &[Law], seats: &[usize]) -> Option<Vec<&'p Tariff>> {
    seats.iter().map(|at| prices.tariff(&laws[*at].service)).collect()
}

fn reckon(setting: &Setting, prices: &Prices, outages: &Outages, laws: &[Law], seats: Vec<usize>, k: u16) -> Mix {
    let n = u16::try_from(seats.len()).expect("few seats");
    let tariffs = tariffs(prices, laws, &seats);
    let demand = Demand::of(&setting.workload, &Scheme::of(k, n - k));
    let cost = tariffs
        .as_ref()
        .map(|mix| price_mix(prices, mix, &demand, Reads::Even, &setting.currency));
    let operator = |at: usize| tariffs.as_ref().map_or("", |mix| mix[at].operator.as_str());
    let fates: Vec<Seat> = (0..seats.len())
        .map(|at| Seat {
            out: outages.of(operator(at)).share(),
            lost_per_year: setting.workload.care.losses_per_year,
            domains: Domains::default(),
        })
        .collect();
    let mut mix = Mix {
        k,
        cost: cost
            .filter(|cost| cost.beyond_policy.is_empty())
            .and_then(|cost| cost.total),
        unreadable: short_of(usize::from(k), &fates, &Assumptions::default()),
        lost: lost_in_a_year(usize::from(k), &fates, &Assumptions::default()),
        read: (0.0, 0.0),
        write: (0.0, 0.0),
        front: false,
        seats,
    };
    let trial = trial(setting, laws, &mix);
    let foretold = Foretold::of(&trial);
    let both = |done: &dyn Fn(f64) -> f64| (quantile(0.5, done) * 1000.0, quantile(0.99, done) * 1000.0);
    mix.read = both(&|seconds| foretold.get(seconds));
    mix.write = both(&|seconds| foretold.put(seconds));
    mix
}

fn mark_front(mixes: &mut [Mix]) {
    let beats = |a: &Mix, b: &Mix| {
        let (Some(cost), Some(other)) = (a.cost, b.cost) else {
            return false;
        };
        let no_worse = cost <= other && a.unreadable <= b.unreadable && a.read.1 <= b.read.1;
        no_worse && (cost < other || a.unreadable < b.unreadable || a.read.1 < b.read.1)
    };
    let front: Vec<bool> = mixes
        .iter()
        .map(|mix| mix.cost.is_some() && !mixes.iter().any(|other| beats(other, mix)))
        .collect();
    for (mix, front) in mixes.iter_mut().zip(front) {
        mix.front = front;
    }
}

/// The mixes of the front that are cheapest, fastest and steadiest, then others of it in even steps of cost.
fn telling(mixes: &[Mix]) -> Vec<usize> {
    let mut front: Vec<usize> = (0..mixes.len()).filter(|at| mixes[*at].front).collect();
    front.sort_by_key(|at| mixes[*at].cost);
    let least = |of: &dyn Fn(&Mix) -> f64| {
        front
            .iter()
            .copied()
            .min_by(|a, b| of(&mixes[*a]).total_cmp(&of(&mixes[*b])))
    };
    let mut chosen: Vec<usize> = front.first().copied().into_iter().collect();
    chosen.extend(least(&|mix| mix.read.1));
    chosen.extend(least(&|mix| mix.unreadable));
    let step = front.len().div_ceil(MOST_TRIALS).max(1);
    chosen.extend(front.iter().copied().step_by(step));
    let mut seen = std::collections::BTreeSet::new();
    chosen.retain(|at| seen.insert(*at));
    chosen.truncate(MOST_TRIALS);
    chosen.sort_by_key(|at| mixes[*at].cost);
    chosen
}

fn fees(setting: &Setting, prices: &Prices, laws: &[Law], mix: &Mix, level: u64) -> BTreeMap<Fee, Money> {
    let mut workload = setting.workload.clone();
    for objects in &mut workload.objects {
        objects.read = objects.read.saturating_mul(level);
    }
    let demand = Demand::of(&workload, &Scheme::of(mix.k, mix.m()));
    let Some(tariffs) = tariffs(prices, laws, &mix.seats) else {
        return BTreeMap::new();
    };
    let cost = price_mix(prices, &tariffs, &demand, Reads::Even, &setting.currency);
    cost.by_fee(|currency| prices.rate(currency, &setting.currency))
}

impl Simulation {
    /// The names of a mix's providers, and k + m.
    #[must_use]
    pub fn name(&self, mix: &Mix) -> String {
        let names: Vec<&str> = mix.seats.iter().map(|at| self.laws[*at].name.as_str()).collect();
        format!("{} {}+{}", names.join(" "), mix.k, mix.m())
    }

    /// What one provider alone would take for a whole object: the chance that a read has ended after so many seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "objects of a trial are short")]
    pub fn alone(&self, law: usize, len: u64, seconds: f64) -> f64 {
        self.laws[law].done(Operation::Get, len as f64, seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::demand::{Care, Objects};

    #[test]
    fn the_mixes_that_are_lived_through_lie_on_the_front_and_fare_as_foretold() {
        let setting = Setting {
            workload: Workload {
                objects: vec![Objects {
                    count: 60_000,
                    len: 16 << 20,
                    read: 6000,
                    ..Objects::default()
                }],
                care: Care::default(),
            },
            currency: "USD".to_owned(),
            objects: 30,
            len: 100_000,
            seed: 1,
        };
        let prices = Prices::shipped(None).unwrap();
        let simulation = simulate(&setting, &prices, &Outages::shipped()).unwrap();
        // 20 sets of three, 15 of four, 6 of five, one of six, with 2, 3, 4 and 5 values of k.
        assert_eq!(simulation.mixes.len(), 20 * 2 + 15 * 3 + 6 * 4 + 5);
        assert!((3..=MOST_TRIALS).contains(&simulation.lived.len()));
        for lived in &simulation.lived {
            let mix = &simulation.mixes[lived.mix];
            assert!(mix.front);
            let p50 = lived.tried.gets.quantile(0.5).unwrap();
            assert!(
                (p50 / mix.read.0 - 1.0).abs() < 0.25,
                "{}: {p50} {:?}",
                simulation.name(mix),
                mix.read
            );
            assert!(lived.tried.without.iter().all(|without| without.failed == 0));
        }
        for mix in simulation.mixes.iter().filter(|mix| !mix.front && mix.cost.is_some()) {
            let beaten = simulation.mixes.iter().any(|other| {
                other.front
                    && other.cost <= mix.cost
                    && other.unreadable <= mix.unreadable
                    && other.read.1 <= mix.read.1
            });
            assert!(beaten, "{}", simulation.name(mix));
        }
    }
}
