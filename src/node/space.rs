//! How many more bytes of shares the clouds take: what quotas and a budget leave. Arithmetic only.
//!
//! An extent puts one fragment on each of n providers, so no provider takes more than an n-th of all that is added. With x bytes on a seat, a provider
//! that has f left takes min(f, x), and x can grow as long as those sum up to n · x.

/// What a provider still takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seat {
    /// Bytes below its quota; `None` without a quota.
    pub free: Option<u64>,
    /// What a byte costs in a month, if that is known.
    pub price: Option<f64>,
    /// Bytes that lie there.
    pub used: u64,
}

/// Bytes of shares that fit on these providers under a k + m policy; `None` if nothing bounds them.
#[must_use]
pub fn below_quotas(seats: &[Seat], k: u16, n: u16) -> Option<u64> {
    let (k, n) = (u64::from(k), u64::from(n));
    if (seats.len() as u64) < n {
        return Some(0);
    }
    let free: Vec<u64> = seats.iter().filter_map(|seat| seat.free).collect();
    let unbounded = (seats.len() - free.len()) as u64;
    if unbounded >= n {
        return None;
    }
    let seated = |x: u64| {
        let given: u128 = free.iter().map(|free| u128::from((*free).min(x))).sum();
        given >= u128::from(n - unbounded) * u128::from(x)
    };
    // What fits at x fits below it too, and those with quotas can't give more than they have.
    let all = free.iter().fold(0_u64, |all, free| all.saturating_add(*free));
    let (mut fits, mut over) = (0, (all / (n - unbounded)).saturating_add(1));
    while over - fits > 1 {
        let x = fits + (over - fits) / 2;
        if seated(x) { fits = x } else { over = x }
    }
    Some(fits.saturating_mul(k))
}

/// Bytes of shares that a monthly budget still pays for; `None` if no price is known.
#[must_use]
pub fn below_budget(seats: &[Seat], k: u16, n: u16, budget: f64) -> Option<u64> {
    let mut prices: Vec<f64> = seats.iter().filter_map(|seat| seat.price).collect();
    prices.sort_by(|a, b| b.total_cmp(a));
    // The dearest n: whichever seats are taken, it doesn't cost more.
    let dearest: f64 = prices.iter().take(usize::from(n)).sum();
    if dearest <= 0.0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "money is not counted in bytes")]
    let spent: f64 = seats
        .iter()
        .map(|seat| seat.price.unwrap_or(0.0) * seat.used as f64)
        .sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "cut at 0, and saturates"
    )]
    let bytes = ((budget - spent).max(0.0) / dearest * f64::from(k)) as u64;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seats(free: &[Option<u64>]) -> Vec<Seat> {
        let seat = |free: &Option<u64>| Seat {
            free: *free,
            price: None,
            used: 0,
        };
        free.iter().map(seat).collect()
    }

    #[test]
    fn the_fullest_providers_bound_what_fits() {
        let cases: [(&[Option<u64>], Option<u64>); 7] = [
            (&[Some(10), Some(10), Some(10)], Some(20)),
            (&[Some(10), Some(10), Some(4)], Some(8)),
            (&[Some(10), Some(10), Some(4), Some(4)], Some(16)),
            (&[None, None, Some(4)], Some(8)),
            (&[None, None, None], None),
            (&[None, None, Some(4), Some(3)], Some(14)),
            (&[None, None], Some(0)),
        ];
        for (free, fits) in cases {
            assert_eq!(below_quotas(&seats(free), 2, 3), fits, "{free:?}");
        }
    }

    #[test]
    fn a_budget_pays_for_the_dearest_seats() {
        let seat = |price, used| Seat {
            free: None,
            price: Some(price),
            used,
        };
        let seats = [seat(0.5, 10), seat(0.25, 0), seat(0.25, 0)];
        assert_eq!(below_budget(&seats, 2, 3, 15.0), Some(20));
        assert_eq!(below_budget(&seats, 2, 3, 4.0), Some(0));
        assert_eq!(below_budget(&self::seats(&[None]), 2, 3, 4.0), None);
    }

    proptest! {
        #[test]
        fn what_fits_is_the_most_that_can_be_seated(free in prop::collection::vec(0..60_u64, 3..8)) {
            let fits = below_quotas(&seats(&free.iter().map(|f| Some(*f)).collect::<Vec<_>>()), 1, 3).unwrap();
            let seated = |x: u64| free.iter().map(|f| (*f).min(x)).sum::<u64>() >= 3 * x;
            prop_assert!(seated(fits), "{fits}");
            prop_assert!(!seated(fits + 1), "{fits}");
        }
    }
}
