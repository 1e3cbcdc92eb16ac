//! The model's twin: a mix lived through, event by event, on the real placement. It knows nothing of the formulas.
//!
//! ```text
//! seat    up ──outage──▶ out ──mean hours──▶ up          (own, or a common cause that strikes a whole domain)
//!         held ──loss──▶ lost ──repair──▶ held again     (fragments rebuilt elsewhere, in the place of the lost)
//! ```
//!
//! After each event every extent is looked at: too few fragments up, it can't be read until the next; too few held, it is gone.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

use super::model::{Apart, Assumptions, Seat, apart};
use crate::fragment::id::{ExtentId, ProviderId};
use crate::placement::{Candidate, choose};
use crate::provider::chance::Chance;

const DAYS_PER_YEAR: f64 = 365.25;
const HOURS_PER_YEAR: f64 = 8766.0;

/// What is lived through.
#[derive(Clone, Debug)]
pub struct Life {
    /// Fragments that read an extent.
    pub k: usize,
    /// Fragments of an extent.
    pub n: usize,
    /// Fragments that a write needs.
    pub quorum: usize,
    /// Extents that are placed; what strikes one strikes others.
    pub extents: usize,
    /// The mean length of an outage, in hours.
    pub outage_hours: f64,
    /// What is taken for granted.
    pub assume: Assumptions,
}

/// What was seen in many years.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// Years that were lived, each begun anew.
    pub years: u32,
    /// The mean share of time that an extent couldn't be read.
    pub unreadable: f64,
    /// The standard error of that.
    pub unreadable_error: f64,
    /// The mean share of time that a new extent couldn't be written.
    pub unwritable: f64,
    /// Years in which some extent was gone.
    pub years_with_loss: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    /// What strikes: a seat by itself, or a cause, by number.
    Out(usize),
    Back(usize),
    Lost(usize),
    Repaired(usize),
}

/// An event at its time, the earliest first.
#[derive(Clone, Copy, Debug, PartialEq)]
struct At(f64, Event);

impl Eq for At {}

impl Ord for At {
    fn cmp(&self, other: &At) -> Ordering {
        other.0.total_cmp(&self.0)
    }
}

impl PartialOrd for At {
    fn partial_cmp(&self, other: &At) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What can strike: the seats that it strikes, outages a year, losses a year.
struct Striker {
    seats: Vec<usize>,
    outages: f64,
    losses: f64,
}

/// Lives through `years` years, each begun whole, with the chances of `seed`.
///
/// # Panics
///
/// If the placement of n fragments on the seats can't be, or a figure is out of its range.
#[must_use]
pub fn live(seats: &[Seat], life: &Life, years: u32, seed: u64) -> Seen {
    let strikers = strikers(&apart(seats, life.assume.common_share), life.outage_hours);
    let placed = placed(seats, life);
    let chance = Chance::seeded(seed);
    let (mut sum, mut squares, mut unwritable, mut losses) = (0.0, 0.0, 0.0, 0);
    for _ in 0..years {
        let year = Year::new(seats.len(), &placed, &strikers, life).run(&chance);
        sum += year.unreadable;
        squares += year.unreadable * year.unreadable;
        unwritable += year.unwritable;
        losses += u32::from(year.lost);
    }
    let count = f64::from(years.max(1));
    let mean = sum / count;
    Seen {
        years,
        unreadable: mean,
        unreadable_error: ((squares / count - mean * mean).max(0.0) / count).sqrt(),
        unwritable: unwritable / count,
        years_with_loss: losses,
    }
}

/// A number from 0 up to and without 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
fn draw(chance: &Chance) -> f64 {
    (chance.bits() >> 11) as f64 / (1_u64 << 53) as f64
}

/// An alternating life that is out a share u of the time, h hours each, is struck u / ((1 - u) h) times an hour that it is up.
fn strikers(apart: &Apart, hours: f64) -> Vec<Striker> {
    let outages = |out: f64| out / (1.0 - out).max(1e-12) / hours * HOURS_PER_YEAR;
    let own = apart.own.iter().enumerate().map(|(at, (out, losses))| Striker {
        seats: vec![at],
        outages: outages(*out),
        losses: *losses,
    });
    let common = apart.causes.iter().map(|cause| Striker {
        seats: (0..apart.own.len()).filter(|at| cause.seats >> at & 1 == 1).collect(),
        outages: outages(cause.out),
        losses: cause.lost_per_year,
    });
    own.chain(common).collect()
}

/// The seats of each extent, by the placement that the store uses.
fn placed(seats: &[Seat], life: &Life) -> Vec<Vec<usize>> {
    let candidate = |(at, seat): (usize, &Seat)| Candidate {
        id: ProviderId([u8::try_from(at).expect("at most 16 seats"); 16]),
        weight: 1.0,
        domains: seat.domains.clone(),
        writable: true,
    };
    let candidates: Vec<Candidate> = seats.iter().enumerate().map(candidate).collect();
    let n = u16::try_from(life.n).expect("few seats");
    let seated = |number: usize| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let seats = choose(ExtentId(id), n, &BTreeMap::new(), &candidates);
        seats.expect("n seats among them").chosen
    };
    (0..life.extents).map(seated).collect()
}

/// One year.
struct Year<'a> {
    placed: &'a [Vec<usize>],
    strikers: &'a [Striker],
    life: &'a Life,
    events: BinaryHeap<At>,
    /// By striker: out now.
    out: Vec<bool>,
    /// By seat: its fragments are lost and not yet rebuilt.
    lost: Vec<bool>,
    unreadable: f64,
    unwritable: f64,
    gone: bool,
}

struct YearSeen {
    unreadable: f64,
    unwritable: f64,
    lost: bool,
}

impl<'a> Year<'a> {
    fn new(seats: usize, placed: &'a [Vec<usize>], strikers: &'a [Striker], life: &'a Life) -> Year<'a> {
        Year {
            placed,
            strikers,
            life,
            events: BinaryHeap::new(),
            out: vec![false; strikers.len()],
            lost: vec![false; seats],
            unreadable: 0.0,
            unwritable: 0.0,
            gone: false,
        }
    }

    fn run(mut self, chance: &Chance) -> YearSeen {
        let mut now = 0.0;
        for at in 0..self.strikers.len() {
            // The year begins in the steady state.
            let (rate, hours) = (self.strikers[at].outages, self.life.outage_hours);
            let out_share = rate * hours / (HOURS_PER_YEAR + rate * hours);
            self.out[at] = draw(chance) < out_share;
            let event = if self.out[at] { Event::Back(at) } else { Event::Out(at) };
            self.expect(event, now, chance);
            self.expect(Event::Lost(at), now, chance);
        }
        while let Some(At(time, event)) = self.events.pop() {
            let until = time.min(1.0);
            self.count(until - now);
            now = until;
            if time >= 1.0 {
                break;
            }
            self.happen(event, now, chance);
        }
        self.count(1.0 - now);
        YearSeen {
            unreadable: self.unreadable,
            unwritable: self.unwritable,
            lost: self.gone,
        }
    }

    /// Adds an event at its exponential time from `now`; none if it never comes.
    fn expect(&mut self, event: Event, now: f64, chance: &Chance) {
        let rate = match event {
            Event::Out(at) => self.strikers[at].outages,
            Event::Back(_) => HOURS_PER_YEAR / self.life.outage_hours,
            Event::Lost(at) => self.strikers[at].losses,
            Event::Repaired(_) => DAYS_PER_YEAR / self.life.assume.repair_days,
        };
        if rate > 0.0 {
            let wait = -(1.0 - draw(chance)).ln() / rate;
            self.events.push(At(now + wait, event));
        }
    }

    fn happen(&mut self, event: Event, now: f64, chance: &Chance) {
        match event {
            Event::Out(at) => {
                self.out[at] = true;
                self.expect(Event::Back(at), now, chance);
            }
            Event::Back(at) => {
                self.out[at] = false;
                self.expect(Event::Out(at), now, chance);
            }
            Event::Lost(at) => {
                let strikers = self.strikers;
                for seat in &strikers[at].seats {
                    // What is lost already can't be lost again.
                    if !self.lost[*seat] {
                        self.lost[*seat] = true;
                        self.expect(Event::Repaired(*seat), now, chance);
                    }
                }
                self.expect(Event::Lost(at), now, chance);
                self.gone |= self.placed.iter().any(|seats| self.held(seats) < self.life.k);
            }
            Event::Repaired(seat) => self.lost[seat] = false,
        }
    }

    fn held(&self, seats: &[usize]) -> usize {
        seats.iter().filter(|seat| !self.lost[**seat]).count()
    }

    /// Adds up how things are, for so many years.
    fn count(&mut self, years: f64) {
        if years <= 0.0 || !self.out.iter().any(|out| *out) {
            return;
        }
        let mut down = vec![false; self.lost.len()];
        for (striker, _) in self.strikers.iter().zip(&self.out).filter(|(_, out)| **out) {
            striker.seats.iter().for_each(|seat| down[*seat] = true);
        }
        let short = |need: usize| {
            let up = |seats: &Vec<usize>| seats.iter().filter(|seat| !down[**seat]).count();
            self.placed.iter().filter(|seats| up(seats) < need).count()
        };
        let (unreadable, unwritable) = (short(self.life.k), short(self.life.quorum));
        #[expect(clippy::cast_precision_loss, reason = "few extents")]
        let share = |count: usize| years * count as f64 / self.placed.len().max(1) as f64;
        self.unreadable += share(unreadable);
        self.unwritable += share(unwritable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud_set::domain::{DomainKind, Domains};
    use crate::mix::model::{lost_in_a_year, short_of};

    fn seats(n: usize, out: f64, lost_per_year: f64, together: usize) -> Vec<Seat> {
        let of = |at: usize| {
            let mut domains = Domains::default();
            let operator = if at < together {
                "one".to_owned()
            } else {
                format!("o{at}")
            };
            domains.0.insert(DomainKind::Operator, operator);
            Seat {
                out,
                lost_per_year,
                domains,
            }
        };
        (0..n).map(of).collect()
    }

    /// Where chances are large enough to be seen, the two agree within four standard errors.
    #[test]
    fn the_model_and_the_life_agree_within_the_interval() {
        for (k, n, out, lost, days, together) in [
            (4, 6, 0.05, 1.0, 36.525, 0),
            (3, 5, 0.05, 1.0, 36.525, 0),
            (2, 4, 0.02, 0.5, 30.0, 2),
            (4, 6, 0.05, 0.3, 20.0, 3),
            (1, 3, 0.1, 2.0, 60.0, 2),
        ] {
            let assume = Assumptions {
                common_share: 0.2,
                repair_days: days,
            };
            let seats = seats(n, out, lost, together);
            let quorum = (n + k).div_ceil(2);
            let life = Life {
                k,
                n,
                quorum,
                extents: 1,
                outage_hours: 20.0,
                assume,
            };
            let seen = live(&seats, &life, 4000, 7);
            let years = f64::from(seen.years);
            let loss = lost_in_a_year(k, &seats, &assume);
            let rate = f64::from(seen.years_with_loss) / years;
            let error = (loss * (1.0 - loss) / years).sqrt();
            assert!(
                (rate - loss).abs() < 4.0 * error,
                "{k} of {n}: lived {rate}, model {loss}"
            );
            let share = short_of(k, &seats, &assume);
            let apart = (seen.unreadable - share).abs();
            assert!(
                apart < 4.0 * seen.unreadable_error,
                "{k} of {n}: {seen:?}, model {share}"
            );
            let share = short_of(quorum, &seats, &assume);
            assert!(
                (seen.unwritable - share).abs() < 0.1 * share,
                "{k} of {n}: {seen:?}, model {share}"
            );
        }
    }

    #[test]
    fn on_more_providers_than_seats_each_extent_fares_alike_and_more_of_them_are_struck() {
        let seats = seats(8, 0.05, 1.0, 0);
        let life = Life {
            k: 2,
            n: 4,
            quorum: 3,
            extents: 60,
            outage_hours: 20.0,
            assume: Assumptions {
                common_share: 0.0,
                repair_days: 30.0,
            },
        };
        let seen = live(&seats, &life, 200, 3);
        // An extent on any four of eight is read as one on four; that some extent of many is lost is likelier.
        let four = short_of(2, &seats[..4], &life.assume);
        assert!((seen.unreadable - four).abs() < 0.25 * four, "{seen:?} {four}");
        let one = lost_in_a_year(2, &seats[..4], &life.assume);
        assert!(f64::from(seen.years_with_loss) / 200.0 > 2.0 * one, "{seen:?} {one}");
    }

    /// The Cloud Uptime Archive's counts and mean lengths, lived through: the share of time out is that of the formula.
    #[test]
    fn outages_as_they_were_measured_take_the_share_of_time_that_is_reckoned() {
        let outages = crate::mix::outage::Outages::shipped();
        for operator in ["aws", "google", "microsoft"] {
            let outage = outages.of(operator);
            let alone = vec![Seat {
                out: outage.share(),
                lost_per_year: 0.0,
                domains: Domains::default(),
            }];
            let life = Life {
                k: 1,
                n: 1,
                quorum: 1,
                extents: 1,
                outage_hours: outage.mean_hours,
                assume: Assumptions::default(),
            };
            let seen = live(&alone, &life, 2000, 11);
            let reckoned = outage.per_year * outage.mean_hours / 8766.0;
            assert!(
                (seen.unreadable / outage.share() - 1.0).abs() < 0.1,
                "{operator}: {seen:?}"
            );
            assert!((outage.share() / reckoned - 1.0).abs() < 0.01, "{operator}");
        }
    }

    #[test]
    fn one_seed_is_one_life() {
        let seats = seats(4, 0.1, 1.0, 2);
        let life = Life {
            k: 2,
            n: 4,
            quorum: 3,
            extents: 3,
            outage_hours: 5.0,
            assume: Assumptions::default(),
        };
        assert_eq!(live(&seats, &life, 50, 1), live(&seats, &life, 50, 1));
        assert_ne!(live(&seats, &life, 50, 1), live(&seats, &life, 50, 2));
    }
}
