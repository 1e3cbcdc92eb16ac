//! What a mix costs in a month, seat by seat and fee by fee.

use std::collections::BTreeMap;

use super::demand::Demand;
use crate::cloud_set::price::{Allowance, Beyond, Bill, Fee, Money, Prices, Tariff, Usage, bills};

/// One whole, in millionths.
const WHOLE: u64 = 1_000_000;

/// Which of the n seats a read asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// Each one as often: what placement makes of reads that take the data chunks first.
    #[default]
    Even,
    /// The cheapest k, allowances spent first; where one has a limit that isn't for sale, others take over.
    Cheapest,
}

/// One seat's part of the cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatCost {
    /// The service.
    pub id: String,
    /// Of its bills.
    pub currency: String,
    /// The share of reads that ask it, in millionths: k × 1,000,000 over all seats.
    pub asked: u64,
    /// What it is used for.
    pub usage: Usage,
    /// What it asks for that.
    pub bill: Bill,
}

/// A mix's cost in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MixCost {
    /// In the order of the mix.
    pub seats: Vec<SeatCost>,
    /// The sum in the owner's currency; `None` if something that is needed isn't known.
    pub total: Option<Money>,
    /// What isn't known and would be needed: a figure of a service, or the rate of a currency.
    pub missing: Vec<String>,
    /// Services that are read more than their policy allows.
    pub beyond_policy: Vec<String>,
}

impl MixCost {
    /// The sum by kind of fee, in the owner's currency; nothing where the total isn't known.
    #[must_use]
    pub fn by_fee(&self, rate: impl Fn(&str) -> Option<Money>) -> BTreeMap<Fee, Money> {
        let mut sums = BTreeMap::new();
        for seat in &self.seats {
            let Some(rate) = rate(&seat.currency) else { continue };
            for (fee, amount) in &seat.bill.fees {
                *sums.entry(*fee).or_insert(Money::ZERO) += exchange(*amount, rate);
            }
        }
        sums
    }
}

/// An amount at a rate.
fn exchange(amount: Money, rate: Money) -> Money {
    let unit = 1_000_000_000;
    amount.times(u64::try_from(rate.in_billionths()).unwrap_or(u64::MAX), unit)
}

impl Prices {
    /// What one unit of `currency` is in `own`; `None` if nobody told.
    #[must_use]
    pub fn rate(&self, currency: &str, own: &str) -> Option<Money> {
        if currency == own {
            return Some(Money::billionths(1_000_000_000));
        }
        self.rates.get(currency).copied()
    }
}

/// The cost of a mix whose seats are these services, in the currency `own`.
#[must_use]
pub fn price_mix(prices: &Prices, mix: &[&Tariff], demand: &Demand, reads: Reads, own: &str) -> MixCost {
    let asked = match reads {
        Reads::Even => even(mix.len(), demand.k),
        Reads::Cheapest => cheapest(prices, mix, demand),
    };
    let uses: Vec<Usage> = asked.iter().map(|share| demand.usage(*share)).collect();
    let pairs: Vec<(&Tariff, &Usage)> = mix.iter().copied().zip(&uses).collect();
    let bills = bills(prices, &pairs);
    let (mut total, mut missing, mut beyond_policy) = (Money::ZERO, Vec::new(), Vec::new());
    for (tariff, bill) in mix.iter().zip(&bills) {
        missing.extend(bill.missing.iter().map(|key| format!("{}: {key}", tariff.id)));
        match prices.rate(&tariff.currency, own) {
            Some(rate) => total += exchange(bill.total(), rate),
            None => missing.push(format!("{}: the rate of {}", tariff.id, tariff.currency)),
        }
        if bill.beyond_policy > 0 {
            beyond_policy.push(tariff.id.clone());
        }
    }
    let seats = mix.iter().zip(asked).zip(uses).zip(bills);
    let seats = seats.map(|(((tariff, asked), usage), bill)| SeatCost {
        id: tariff.id.clone(),
        currency: tariff.currency.clone(),
        asked,
        usage,
        bill,
    });
    MixCost {
        seats: seats.collect(),
        total: missing.is_empty().then_some(total),
        missing,
        beyond_policy,
    }
}

/// k whole shares over n seats, the odd millionths on the first ones.
fn even(n: usize, k: u16) -> Vec<u64> {
    let (all, n) = (u64::from(k) * WHOLE, n as u64);
    (0..n).map(|at| all / n + u64::from(at < all % n)).collect()
}

/// A stretch of reads that one seat sells at one price.
struct Offer<'a> {
    /// For all reads, so that calls count beside bytes.
    price: Money,
    at: usize,
    /// Millionths of the reads.
    room: u64,
    pool: Option<&'a str>,
}

/// Shares by rising price. Any shares of at most one whole that add up to k can be scheduled: the wrap-around rule of `McNaughton`, with reads
/// as time and the k fragments of a read as machines.
fn cheapest(prices: &Prices, mix: &[&Tariff], demand: &Demand) -> Vec<u64> {
    let mut pools: BTreeMap<&str, u64> = BTreeMap::new();
    let mut offers = Vec::new();
    for (at, tariff) in mix.iter().enumerate() {
        offer(prices, tariff, demand, at, &mut offers, &mut pools);
    }
    offers.sort_by_key(|offer| (offer.price, offer.at));
    let mut shares = vec![0; mix.len()];
    let mut left = u64::from(demand.k) * WHOLE;
    for offer in offers {
        let mut take = offer.room.min(WHOLE - shares[offer.at]).min(left);
        if let Some(pool) = offer.pool.and_then(|pool| pools.get_mut(pool)) {
            take = take.min(*pool);
            *pool -= take;
        }
        shares[offer.at] += take;
        left -= take;
    }
    shares
}

/// What a seat sells: its free bytes, its account's, then the rest. What isn't known, or against its policy, comes last of all.
fn offer<'a>(
    prices: &Prices,
    tariff: &'a Tariff,
    demand: &Demand,
    at: usize,
    offers: &mut Vec<Offer<'a>>,
    pools: &mut BTreeMap<&'a str, u64>,
) {
    let never = Money::billionths(u128::MAX);
    let calls = tariff.get.value.map_or(never, |price| price.of(demand.gets));
    let reading = tariff.retrieval.value.map_or(never, |price| price.of(demand.read));
    let base = calls + reading;
    let leaving = tariff.egress.value.map_or(never, |price| price.of(demand.read));
    // What is read in any case has spent its part of the allowance.
    let spare = |allowed: u64| share_of(allowed.saturating_sub(demand.fixed.read), demand.read);
    let mut add = |price, room, pool| offers.push(Offer { price, at, room, pool });
    let dearest = base + leaving;
    match &tariff.egress_free.value {
        Some(Allowance::Unlimited) => add(base, WHOLE, None),
        Some(Allowance::Nothing) => add(dearest, WHOLE, None),
        Some(Allowance::Fixed(size)) => {
            add(base, spare(size.bytes()), None);
            add(dearest, WHOLE, None);
        }
        Some(Allowance::Multiple { of_stored, beyond }) => {
            let allowed = demand.fixed.stored().saturating_mul(u64::from(*of_stored));
            add(base, spare(allowed), None);
            let rest = if *beyond == Beyond::Limited { never } else { dearest };
            add(rest, WHOLE, None);
        }
        Some(Allowance::Base) => {
            let included = match &tariff.monthly.value {
                Some(crate::cloud_set::price::Monthly::Base { read: Some(read), .. }) => read.bytes(),
                _ => 0,
            };
            add(base, spare(included), None);
            add(dearest, WHOLE, None);
        }
        Some(Allowance::Pool(pool)) => {
            let known = prices.pools.get(pool).and_then(|figure| figure.value);
            let whole = known.map_or(0, |size| spare(size.bytes()));
            pools.entry(pool).or_insert(whole);
            add(base, WHOLE, Some(pool));
            let rest = if known.is_some() { dearest } else { never };
            add(rest, WHOLE, None);
        }
        Some(Allowance::Plan) | None => add(never, WHOLE, None),
    }
}

/// Bytes as millionths of all reads; a whole if nothing is read.
fn share_of(bytes: u64, all: u64) -> u64 {
    if all == 0 {
        return WHOLE;
    }
    let share = u128::from(bytes) * u128::from(WHOLE) / u128::from(all);
    u64::try_from(share).unwrap_or(u64::MAX).min(WHOLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::demand::{Care, Objects, Scheme, Workload};

    const GB: u64 = 1_000_000_000;

    fn workload(count: u64, len: u64, read: u64) -> Workload {
        Workload {
            objects: vec![Objects {
                count,
                len,
                read,
                ..Objects::default()
            }],
            care: Care {
                deep_days: None,
                light_days: None,
                losses_per_year: 0.0,
            },
        }
    }

    fn mix<'p>(prices: &'p Prices, ids: &[&str]) -> Vec<&'p Tariff> {
        ids.iter().map(|id| prices.tariff(id).unwrap()).collect()
    }

    #[test]
    fn shares_add_up_to_k_and_none_is_more_than_a_whole() {
        let prices = Prices::shipped(None).unwrap();
        let all: Vec<&Tariff> = prices.tariffs().collect();
        for (n, k) in [(1, 1), (3, 2), (6, 4), (12, 3), (7, 7), (25, 10)] {
            for reads in [Reads::Even, Reads::Cheapest] {
                let demand = Demand::of(&workload(1000, GB, 5000), &Scheme::of(k, 1));
                let cost = price_mix(&prices, &all[..n], &demand, reads, "USD");
                let shares: Vec<u64> = cost.seats.iter().map(|seat| seat.asked).collect();
                assert_eq!(shares.iter().sum::<u64>(), u64::from(k) * WHOLE, "{n} {k} {reads:?}");
                assert!(shares.iter().all(|share| *share <= WHOLE));
            }
        }
    }

    #[test]
    fn free_bytes_are_read_before_bytes_that_cost() {
        let prices = Prices::shipped(None).unwrap();
        let mix = mix(&prices, &["aws-s3-standard", "cloudflare-r2", "backblaze-b2", "wasabi"]);
        let demand = Demand::of(&workload(1000, GB, 1000), &Scheme::of(2, 2));
        let cost = price_mix(&prices, &mix, &demand, Reads::Cheapest, "USD");
        // Wasabi and Backblaze have what they store for nothing, calls too: nobody else is asked.
        let asked: Vec<u64> = cost.seats.iter().map(|seat| seat.asked).collect();
        assert_eq!(asked, [0, 0, WHOLE, WHOLE]);
        // Three times as much: Wasabi sells no more than it stores, R2 takes over at the price of its calls.
        let demand = Demand::of(&workload(1000, GB, 3000), &Scheme::of(2, 2));
        let cost = price_mix(&prices, &mix, &demand, Reads::Cheapest, "USD");
        let asked: Vec<u64> = cost.seats.iter().map(|seat| seat.asked).collect();
        assert!(asked[0] == 0 && asked[1] > 600_000 && asked[2] > 990_000, "{asked:?}");
        assert!(asked[3] > 330_000 && asked[3] < 334_000, "{asked:?}");
        assert!(cost.beyond_policy.is_empty());
        let even = price_mix(&prices, &mix, &demand, Reads::Even, "USD");
        assert!(even.total > cost.total);
        assert_eq!(even.beyond_policy, ["wasabi"]);
    }

    #[test]
    fn a_mix_costs_what_its_seats_cost_by_hand() {
        let prices = Prices::shipped(None).unwrap();
        // A million objects of 64 KiB sealed as 2 + 1: a fragment is a header of 1024 bytes, one chunk of 32 KiB + 16, a tag of 32.
        let demand = Demand::of(&workload(1_000_000, 65_536, 0), &Scheme::of(2, 1));
        let fragment = demand.fixed.kept[0].len;
        assert_eq!(
            (demand.fixed.kept.len(), fragment),
            (1, u64::from(fragment_header()) + 32_768 + 16 + 32)
        );
        let mix = mix(&prices, &["aws-s3-standard", "wasabi", "cloudflare-r2"]);
        let cost = price_mix(&prices, &mix, &demand, Reads::Even, "USD");
        // aws: fragments x 1,000,000 bytes x 0.023 / 10^9; wasabi: its least bill; R2: 34 whole GB less 10 free, x 0.015.
        let gb = u128::from(fragment) * 23_000 + 7_990_000_000 + 24 * 15_000_000;
        assert_eq!(cost.total, Some(Money::billionths(gb)));
        let rate = |currency: &str| prices.rate(currency, "USD");
        assert_eq!(cost.by_fee(rate).into_values().sum::<Money>(), cost.total.unwrap());
    }

    fn fragment_header() -> u16 {
        u16::try_from(Scheme::of(1, 1).fragments(0).0[0].len).unwrap()
    }

    #[test]
    fn what_is_not_known_leaves_no_total() {
        let prices = Prices::shipped(None).unwrap();
        let demand = Demand::of(&workload(10, GB, 1), &Scheme::of(1, 1));
        let cost = price_mix(
            &prices,
            &mix(&prices, &["wasabi", "hetzner-eu"]),
            &demand,
            Reads::Even,
            "USD",
        );
        assert_eq!(cost.total, None);
        assert_eq!(cost.missing, ["hetzner-eu: get", "hetzner-eu: the rate of EUR"]);
        let own = "version: 1\nrates: { EUR: \"1.10\" }\nproviders:\n  hetzner-eu:\n    get: { value: 0 }\n    put: { value: 0 }\n";
        let prices = Prices::shipped(Some(("own.yaml", own))).unwrap();
        let demand = Demand::of(&workload(10, GB, 0), &Scheme::of(1, 1));
        let cost = price_mix(
            &prices,
            &mix(&prices, &["hetzner-eu", "wasabi"]),
            &demand,
            Reads::Even,
            "USD",
        );
        // 6.49 EUR at 1.10 and 7.99.
        assert_eq!(cost.total.map(Money::cents), Some(714 + 799));
    }
}
