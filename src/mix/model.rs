//! How often a mix can't be read or written, and how likely it loses data: exact for the model that `docs/cost.md` states.
//!
//! ```text
//! own rate of a seat      rate x (1 - share of its common causes)      strikes the seat
//! common cause            rate x share, for each domain of two seats   strikes every seat of the domain at once
//! ```
//!
//! Unreadable: the chance that fewer than k seats are up, summed over all causes that are down or not, within each by the Poisson
//! binomial law. Lost: a Markov chain whose states are the sets of lost seats, followed for a year by uniformisation, which
//! only adds positive numbers, so that small chances keep their digits.

use crate::cloud_set::domain::{DomainKind, Domains};

/// The most seats that are reckoned exactly.
pub const MAX_SEATS: usize = 16;

/// Common causes beyond these, the weakest, are left out: none of the shipped services comes near.
const MAX_CAUSES: usize = 12;

/// No figure better than this is told: nobody has seen enough years to know.
pub const FLOOR: f64 = 1e-9;

const DAYS_PER_YEAR: f64 = 365.25;

/// One seat, as the model sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seat {
    /// The share of time that it is out, 0 to 1.
    pub out: f64,
    /// Times in a year that it is lost for good.
    pub lost_per_year: f64,
    /// What it fails together with.
    pub domains: Domains,
}

/// What is taken for granted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumptions {
    /// The share of a seat's rates that strikes a whole domain, for each domain that it shares.
    pub common_share: f64,
    /// Days from the loss of a provider until its fragments are whole elsewhere.
    pub repair_days: f64,
}

impl Default for Assumptions {
    fn default() -> Assumptions {
        Assumptions {
            common_share: 0.1,
            repair_days: 7.0,
        }
    }
}

/// What strikes several seats at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cause {
    pub(super) seats: u32,
    pub(super) out: f64,
    pub(super) lost_per_year: f64,
}

/// A mix with its causes taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Apart {
    /// Of each seat, what strikes it alone: share of time out, losses a year.
    pub(super) own: Vec<(f64, f64)>,
    pub(super) causes: Vec<Cause>,
}

/// Takes the common causes out of the seats' own.
///
/// # Panics
///
/// If there are more than [`MAX_SEATS`] seats, or a figure isn't a number of its range.
pub(super) fn apart(seats: &[Seat], share: f64) -> Apart {
    assert!(seats.len() <= MAX_SEATS, "{} seats, at most {MAX_SEATS}", seats.len());
    assert!((0.0..=1.0).contains(&share), "a share of {share}");
    for seat in seats {
        assert!((0.0..=1.0).contains(&seat.out), "out for {} of the time", seat.out);
        let rate = seat.lost_per_year;
        assert!(rate.is_finite() && rate >= 0.0, "lost {rate} times a year");
    }
    let mut causes: Vec<Cause> = Vec::new();
    let mut shared = vec![0_u32; seats.len()];
    for kind in DomainKind::ALL {
        for (first, seat) in seats.iter().enumerate() {
            let Some(word) = seat.domains.get(kind) else { continue };
            let same = |other: &Seat| other.domains.get(kind) == Some(word);
            if seats[..first].iter().any(same) {
                continue;
            }
            let of: Vec<usize> = (0..seats.len()).filter(|at| same(&seats[*at])).collect();
            let mask = of.iter().fold(0_u32, |mask, at| mask | 1 << at);
            // Two kinds that hold the same seats, such as an operator and its only region, are one fate.
            if of.len() < 2 || causes.iter().any(|cause| cause.seats == mask) {
                continue;
            }
            #[expect(clippy::cast_precision_loss, reason = "at most 16 seats")]
            let mean =
                |rate: &dyn Fn(&Seat) -> f64| of.iter().map(|at| rate(&seats[*at])).sum::<f64>() / of.len() as f64;
            causes.push(Cause {
                seats: mask,
                out: share * mean(&|seat| seat.out),
                lost_per_year: share * mean(&|seat| seat.lost_per_year),
            });
            for at in &of {
                shared[*at] += 1;
            }
        }
    }
    causes.sort_by(|a, b| b.lost_per_year.total_cmp(&a.lost_per_year));
    causes.truncate(MAX_CAUSES);
    let own = seats.iter().zip(shared).map(|(seat, shared)| {
        let left = (1.0 - share * f64::from(shared)).max(0.0);
        (seat.out * left, seat.lost_per_year * left)
    });
    Apart {
        own: own.collect(),
        causes,
    }
}

/// The chance that at a moment fewer than `need` seats are up.
///
/// # Panics
///
/// As the model's other doors: more than [`MAX_SEATS`] seats, or figures out of their range.
#[must_use]
pub fn short_of(need: usize, seats: &[Seat], assume: &Assumptions) -> f64 {
    let Apart { own, causes } = apart(seats, assume.common_share);
    let mut sum = 0.0;
    for down in 0..1_u32 << causes.len() {
        let (mut chance, mut struck) = (1.0, 0_u32);
        for (at, cause) in causes.iter().enumerate() {
            if down >> at & 1 == 1 {
                chance *= cause.out;
                struck |= cause.seats;
            } else {
                chance *= 1.0 - cause.out;
            }
        }
        let left = own.iter().enumerate().filter(|(at, _)| struck >> at & 1 == 0);
        sum += chance * fewer_than(need, left.map(|(_, (out, _))| *out));
    }
    sum.min(1.0)
}

/// The chance that of seats that are out so much of the time, fewer than `need` are up: summed from the smallest counts.
pub(super) fn fewer_than(need: usize, out: impl Iterator<Item = f64>) -> f64 {
    // up[j]: the chance that exactly j are up, for j < need.
    let mut up = vec![0.0; need];
    if let Some(none) = up.first_mut() {
        *none = 1.0;
    }
    for out in out {
        for j in (0..need).rev() {
            let one_less = if j > 0 { up[j - 1] } else { 0.0 };
            up[j] = up[j] * out + one_less * (1.0 - out);
        }
    }
    up.iter().sum()
}

/// The chance that within a year more than n − k seats are lost at one time, so that what stands on them all is gone.
///
/// # Panics
///
/// As the model's other doors; and if no time is left to repair in.
#[must_use]
pub fn lost_in_a_year(k: usize, seats: &[Seat], assume: &Assumptions) -> f64 {
    let Some(bear) = seats.len().checked_sub(k) else {
        return 1.0;
    };
    let days = assume.repair_days;
    assert!(days.is_finite() && days > 0.0, "repaired in {days} days");
    let apart = apart(seats, assume.common_share);
    let repairs = DAYS_PER_YEAR / days;
    let first = apart.own.first().map_or(0.0, |(_, rate)| *rate);
    let equal = apart.causes.is_empty() && apart.own.iter().all(|(_, rate)| rate.to_bits() == first.to_bits());
    let chain = if equal {
        Chain::of_equals(seats.len(), first, bear, repairs)
    } else {
        Chain::new(&apart, bear, repairs)
    };
    chain.absorbed_in_a_year()
}

/// The sets of at most `bear` lost seats, and the ways between them.
struct Chain {
    /// From each state: to which other and how often in a year.
    moves: Vec<Vec<(usize, f64)>>,
    /// From each state into loss.
    fatal: Vec<f64>,
    /// More than leaves any state in a year.
    rate: f64,
}

impl Chain {
    /// Of n seats that are alike and share nothing only the number of lost ones counts: the same chain with its equal states as one.
    fn of_equals(n: usize, lost_per_year: f64, bear: usize, repairs_per_year: f64) -> Chain {
        let few = |count: usize| f64::from(u32::try_from(count).expect("few seats"));
        let mut chain = Chain {
            moves: vec![Vec::new(); bear + 1],
            fatal: vec![0.0; bear + 1],
            rate: 0.0,
        };
        for lost in 0..=bear {
            let strikes = few(n - lost) * lost_per_year;
            if lost == bear {
                chain.fatal[lost] = strikes;
            } else {
                chain.moves[lost].push((lost + 1, strikes));
            }
            if lost > 0 {
                chain.moves[lost].push((lost - 1, few(lost) * repairs_per_year));
            }
            chain.rate = chain.rate.max(strikes + few(lost) * repairs_per_year);
        }
        chain
    }

    fn new(apart: &Apart, bear: usize, repairs_per_year: f64) -> Chain {
        let n = apart.own.len();
        let bearable = |lost: u32| lost.count_ones() as usize <= bear;
        let states: Vec<u32> = (0..1_u32 << n).filter(|lost| bearable(*lost)).collect();
        let place = |lost: u32| states.binary_search(&lost).expect("bearable sets are states");
        let mut chain = Chain {
            moves: vec![Vec::new(); states.len()],
            fatal: vec![0.0; states.len()],
            rate: 0.0,
        };
        for (from, lost) in states.iter().copied().enumerate() {
            let own = apart.own.iter().enumerate().map(|(at, (_, rate))| (1_u32 << at, *rate));
            let common = apart.causes.iter().map(|cause| (cause.seats, cause.lost_per_year));
            for (strikes, rate) in own.chain(common) {
                let to = lost | strikes;
                if to == lost || rate == 0.0 {
                    continue;
                }
                if bearable(to) {
                    chain.moves[from].push((place(to), rate));
                } else {
                    chain.fatal[from] += rate;
                }
            }
            for at in (0..n).filter(|at| lost >> at & 1 == 1) {
                chain.moves[from].push((place(lost & !(1 << at)), repairs_per_year));
            }
            let out: f64 = chain.moves[from].iter().map(|(_, rate)| rate).sum();
            chain.rate = chain.rate.max(out + chain.fatal[from]);
        }
        chain
    }

    /// Poisson many steps of the chain that steps at the highest rate and stays where it is with what is left.
    fn absorbed_in_a_year(&self) -> f64 {
        if self.rate == 0.0 {
            return 0.0;
        }
        let mut at = vec![0.0; self.fatal.len()];
        at[0] = 1.0;
        let (mut gone, mut sum, mut seen) = (0.0, 0.0, 0.0);
        // The logarithm of the Poisson weight of this many steps: the weight itself may be too small for a number.
        let (mut log_weight, mut steps) = (-self.rate, 0.0);
        let most = self.rate + 12.0 * self.rate.sqrt() + 40.0;
        while steps < most && seen < 1.0 - 1e-14 {
            let weight = f64::exp(log_weight);
            sum += weight * gone;
            seen += weight;
            let mut next = vec![0.0; at.len()];
            for (from, chance) in at.iter().copied().enumerate().filter(|(_, chance)| *chance > 0.0) {
                let mut stays = self.rate - self.fatal[from];
                gone += chance * self.fatal[from] / self.rate;
                for (to, rate) in &self.moves[from] {
                    next[*to] += chance * rate / self.rate;
                    stays -= rate;
                }
                next[from] += chance * stays.max(0.0) / self.rate;
            }
            at = next;
            steps += 1.0;
            log_weight += (self.rate / steps).ln();
        }
        // What was not stepped to has at least what is gone by then.
        (sum + (1.0 - seen).max(0.0) * gone).min(1.0)
    }
}

/// A chance as it may be told: nothing better than nine nines.
#[must_use]
pub fn told(chance: f64) -> String {
    if chance < FLOOR {
        return "< 1e-9".to_owned();
    }
    format!("{chance:.1e}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seats(n: usize, out: f64, lost_per_year: f64) -> Vec<Seat> {
        let seat = Seat {
            out,
            lost_per_year,
            domains: Domains::default(),
        };
        vec![seat; n]
    }

    fn owned(mut seats: Vec<Seat>, groups: &[usize]) -> Vec<Seat> {
        let mut at = 0;
        for (number, group) in groups.iter().enumerate() {
            for seat in &mut seats[at..at + group] {
                seat.domains.0.insert(DomainKind::Operator, format!("o{number}"));
            }
            at += group;
        }
        seats
    }

    fn near(got: f64, want: f64, within: f64) -> bool {
        (got / want - 1.0).abs() <= within
    }

    /// Figures worked out independently, with other code, to two digits, of the steady state. A year that begins whole lacks the losses
    /// that its first m repair times would have added.
    #[test]
    fn losses_are_those_that_were_worked_out_elsewhere() {
        for (k, n, lost, days, want) in [
            (4, 6, 0.005, 7.0, 2.8e-9),
            (6, 9, 0.005, 7.0, 2.2e-12),
            (4, 6, 0.01, 7.0, 2.2e-8),
            (4, 6, 0.02, 7.0, 1.8e-7),
            (6, 9, 0.02, 7.0, 5.7e-10),
            (4, 6, 0.02, 30.0, 3.2e-6),
            (6, 9, 0.02, 30.0, 4.4e-8),
            (4, 6, 0.05, 30.0, 4.9e-5),
        ] {
            let assume = Assumptions {
                repair_days: days,
                ..Assumptions::default()
            };
            let got = lost_in_a_year(k, &seats(n, 0.0, lost), &assume);
            let ramp = 1.0 - f64::from(u8::try_from(n - k).unwrap()) * days / DAYS_PER_YEAR;
            assert!(
                near(got, want * ramp, 0.13),
                "{k} of {n}, {lost}, {days} d: {got:e}, {want:e}"
            );
        }
    }

    /// There a domain that was struck comes back at once; here each of its seats is rebuilt for itself, so that less time is left
    /// in which all are missing. Never more than there, and at least half of it.
    #[test]
    fn a_shared_operator_costs_what_was_worked_out_elsewhere() {
        for (k, n, groups, want) in [
            (4, 6, &[2][..], 6.3e-6),
            (4, 6, &[2, 2], 1.2e-5),
            (4, 6, &[3], 2.0e-3),
            (4, 6, &[4], 2.0e-3),
            (6, 9, &[2], 1.9e-8),
            (6, 9, &[2, 2], 1.9e-7),
            (6, 9, &[3], 9.2e-6),
            (6, 9, &[4], 2.0e-3),
        ] {
            let got = lost_in_a_year(k, &owned(seats(n, 0.0, 0.02), groups), &Assumptions::default());
            assert!(
                near(got, want * 0.775, 0.36),
                "{k} of {n} {groups:?}: {got:e}, {want:e}"
            );
        }
    }

    #[test]
    fn availability_is_the_binomial_law_where_nothing_is_shared() {
        for (need, n, out, minutes) in [
            (4, 6, 0.001, 0.01),
            (5, 6, 0.001, 7.9),
            (8, 9, 0.001, 18.8),
            (4, 6, 0.01, 10.0),
            (5, 6, 0.01, 768.0),
        ] {
            let share = short_of(need, &seats(n, out, 0.0), &Assumptions::default());
            let got = share * 365.25 * 1440.0;
            assert!(near(got, minutes, 0.06), "{need} of {n} at {out}: {got} min, {minutes}");
        }
        assert!(near(
            short_of(1, &owned(seats(3, 0.1, 0.0), &[3]), &Assumptions::default()),
            0.01 + 0.99 * 0.09_f64.powi(3),
            1e-9
        ));
    }

    #[test]
    fn seats_that_are_alike_fare_as_in_the_chain_that_tells_them_apart() {
        for (n, bear, lost) in [(1, 0, 0.5), (4, 2, 0.02), (6, 2, 2.0), (5, 5, 0.3), (7, 0, 0.0)] {
            let whole = Chain::new(&apart(&seats(n, 0.0, lost), 0.1), bear, 52.0).absorbed_in_a_year();
            let short = Chain::of_equals(n, lost, bear, 52.0).absorbed_in_a_year();
            assert!(
                (whole - short).abs() <= 1e-9 * whole,
                "{n} {bear} {lost}: {whole:e} {short:e}"
            );
        }
    }

    #[test]
    fn nothing_better_than_nine_nines_is_told() {
        assert_eq!(told(3e-28), "< 1e-9");
        assert_eq!((told(1.84e-7), told(0.25)), ("1.8e-7".to_owned(), "2.5e-1".to_owned()));
    }

    proptest! {
        #[test]
        fn availability_is_that_of_every_outcome_counted_one_by_one(
            outs in proptest::collection::vec(0.0..1.0f64, 1..8),
            need in 0..9usize,
        ) {
            let list: Vec<Seat> = outs.iter().map(|out| Seat { out: *out, lost_per_year: 0.0, domains: Domains::default() }).collect();
            let mut plain = 0.0;
            for up in 0..1_u32 << outs.len() {
                if (up.count_ones() as usize) < need {
                    plain += outs.iter().enumerate().map(|(at, out)| if up >> at & 1 == 1 { 1.0 - out } else { *out }).product::<f64>();
                }
            }
            let got = short_of(need, &list, &Assumptions::default());
            prop_assert!((got - plain).abs() < 1e-12, "{got} {plain}");
        }

        #[test]
        fn chances_are_chances_and_parity_never_harms(
            k in 1..5usize, m in 0..4usize, lost in 0.0..2.0f64, out in 0.0..0.5f64, days in 0.1..400.0f64, share in 0.0..1.0f64,
        ) {
            let assume = Assumptions { common_share: share, repair_days: days };
            let few = owned(seats(k + m, out, lost), &[usize::midpoint(k, m)]);
            let mut more = few.clone();
            more.push(Seat { out, lost_per_year: lost, domains: Domains::default() });
            let (a, b) = (lost_in_a_year(k, &few, &assume), lost_in_a_year(k, &more, &assume));
            prop_assert!((0.0..=1.0).contains(&a) && b <= a * (1.0 + 1e-9) + 1e-13, "{a} {b}");
            let (a, b) = (short_of(k, &few, &assume), short_of(k, &more, &assume));
            prop_assert!((0.0..=1.0).contains(&a) && b <= a * (1.0 + 1e-9) + 1e-13, "{a} {b}");
        }
    }
}
