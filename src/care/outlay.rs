//! What a piece of work takes of each provider: bytes, calls, money and time. Reckoned before it is begun, from the same plan that is carried out.
//!
//! ```text
//! plan ─▶ Load a provider (bytes, calls) ─▶ Tariffs ─▶ money at the first tier, without allowances: an upper bound
//!                                                   └▶ time by the provider's limits and its round trip: a lower bound
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cloud_set::price::{Blobs, Cost, Money, Prices, Usage};

/// Keys that a service tells in one page of a listing.
pub const PAGE_OF_KEYS: u64 = 1000;

/// What is asked of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Bytes that are read.
    pub read: u64,
    /// Bytes that are written.
    pub written: u64,
    /// Blobs or ranges that are read.
    pub gets: u64,
    /// Blobs that are written.
    pub puts: u64,
    /// Pages of listings.
    pub lists: u64,
    /// Questions for a length.
    pub stats: u64,
    /// Blobs that are deleted.
    pub deletes: u64,
    /// Blobs that it keeps from then on; a month of it is part of the price.
    pub kept: Vec<Blobs>,
    /// Blobs that it keeps no longer, with the days that it had them: some services bill the rest of their least time.
    pub dropped: Vec<(Blobs, u16)>,
}

impl Load {
    /// A blob of `len` bytes is read.
    pub fn get(&mut self, len: u64) {
        self.gets += 1;
        self.read += len;
    }

    /// A blob of `len` bytes is written, and kept.
    pub fn put(&mut self, len: u64) {
        self.puts += 1;
        self.written += len;
        match self.kept.iter_mut().find(|blobs| blobs.len == len) {
            Some(blobs) => blobs.count += 1,
            None => self.kept.push(Blobs { count: 1, len }),
        }
    }

    /// A blob of `len` bytes that was kept for so many days is deleted.
    pub fn drop(&mut self, len: u64, days: u16) {
        self.deletes += 1;
        match self
            .dropped
            .iter_mut()
            .find(|(blobs, age)| blobs.len == len && *age == days)
        {
            Some((blobs, _)) => blobs.count += 1,
            None => self.dropped.push((Blobs { count: 1, len }, days)),
        }
    }

    /// So many keys are listed, page by page; at least one page.
    pub fn list(&mut self, keys: u64) {
        self.lists += keys.div_ceil(PAGE_OF_KEYS).max(1);
    }

    fn add(&mut self, other: Load) {
        self.read += other.read;
        self.written += other.written;
        self.gets += other.gets;
        self.puts += other.puts;
        self.lists += other.lists;
        self.stats += other.stats;
        self.deletes += other.deletes;
        self.kept.extend(other.kept);
        self.dropped.extend(other.dropped);
    }

    /// Calls of all kinds.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.gets + self.puts + self.lists + self.stats + self.deletes
    }

    fn usage(&self) -> Usage {
        Usage {
            kept: self.kept.clone(),
            deleted: self.dropped.clone(),
            read: self.read,
            puts: self.puts,
            gets: self.gets + self.stats,
            lists: self.lists,
        }
    }
}

/// What is asked of every provider, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlay(pub BTreeMap<String, Load>);

impl Outlay {
    /// The load of one provider.
    pub fn of(&mut self, provider: &str) -> &mut Load {
        if !self.0.contains_key(provider) {
            self.0.insert(provider.to_owned(), Load::default());
        }
        self.0.get_mut(provider).expect("it was inserted")
    }

    /// Adds another's.
    pub fn add(&mut self, other: Outlay) {
        for (provider, load) in other.0 {
            self.of(&provider).add(load);
        }
    }

    /// Bytes that are read of all.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.0.values().map(|load| load.read).sum()
    }

    /// Bytes that are written to all.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.0.values().map(|load| load.written).sum()
    }

    /// Calls to all.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.values().map(Load::calls).sum()
    }
}

/// How fast a provider can be asked, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Speed {
    /// Bytes to it in a second.
    pub upload: Option<u64>,
    /// Bytes from it in a second.
    pub download: Option<u64>,
    /// Calls in a second.
    pub requests: Option<u32>,
    /// One small question.
    pub round_trip: Option<Duration>,
    /// Calls at once; 0 is taken for 1.
    pub at_once: u32,
}

/// What the providers of a set bill and how fast they are.
#[derive(Clone, Debug, Default)]
pub struct Tariffs {
    prices: Prices,
    providers: BTreeMap<String, (Option<Cost>, Speed)>,
}

/// What a load costs and how long it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// At most so much, as far as it is known.
    pub amount: Money,
    /// Of which currency; empty for prices by hand, which are in the owner's.
    pub currency: String,
    /// Figures that are needed and not known: then the amount is no bound.
    pub missing: BTreeSet<&'static str>,
    /// At least so long, as far as it is known.
    pub time: Duration,
}

impl Tariffs {
    /// Nothing is known of any provider yet.
    #[must_use]
    pub fn new(prices: Prices) -> Tariffs {
        Tariffs {
            prices,
            providers: BTreeMap::new(),
        }
    }

    /// Adds what is known of a provider.
    #[must_use]
    pub fn with(mut self, provider: impl Into<String>, cost: Option<Cost>, speed: Speed) -> Tariffs {
        self.providers.insert(provider.into(), (cost, speed));
        self
    }

    /// What a load of this provider costs and takes.
    #[must_use]
    pub fn bill(&self, provider: &str, load: &Load) -> Bill {
        let (cost, speed) = self.providers.get(provider).cloned().unwrap_or_default();
        let marginal = self.prices.marginal(cost.as_ref(), &load.usage());
        Bill {
            amount: marginal.amount,
            currency: marginal.currency,
            missing: marginal.missing,
            time: speed.time(load),
        }
    }

    /// What an outlay costs in each currency, and how long it takes: providers are asked side by side, so the slowest tells.
    #[must_use]
    pub fn total(&self, outlay: &Outlay) -> (BTreeMap<String, Money>, Duration, bool) {
        let mut sums: BTreeMap<String, Money> = BTreeMap::new();
        let (mut time, mut known) = (Duration::ZERO, true);
        for (provider, load) in &outlay.0 {
            let bill = self.bill(provider, load);
            *sums.entry(bill.currency).or_default() += bill.amount;
            time = time.max(bill.time);
            known &= bill.missing.is_empty();
        }
        (sums, time, known)
    }

    /// Whether a price is not known, and what reading one blob of `len` bytes costs at this provider as far as it is.
    #[must_use]
    pub fn reading(&self, provider: &str, len: u64) -> (bool, Money) {
        let mut load = Load::default();
        load.get(len);
        let bill = self.bill(provider, &load);
        (!bill.missing.is_empty(), bill.amount)
    }
}

impl Speed {
    /// The longest of what each limit asks for.
    fn time(&self, load: &Load) -> Duration {
        let seconds = |count: u64, rate: Option<u64>| match rate {
            Some(rate) => Duration::from_millis(count.saturating_mul(1000) / rate.max(1)),
            None => Duration::ZERO,
        };
        let waits = u32::try_from(load.calls().div_ceil(u64::from(self.at_once.max(1)))).unwrap_or(u32::MAX);
        let trips = self.round_trip.unwrap_or_default().saturating_mul(waits);
        seconds(load.read, self.download)
            .max(seconds(load.written, self.upload))
            .max(seconds(load.calls(), self.requests.map(u64::from)))
            .max(trips)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud_set::price::PriceList;

    fn by_hand(egress: &str, get: &str) -> Cost {
        Cost::ByHand(PriceList {
            egress: egress.parse().ok(),
            get: get.parse().ok(),
            put: "5/1M".parse().ok(),
            storage: "6/TB-month".parse().ok(),
            ..PriceList::default()
        })
    }

    fn tariffs() -> Tariffs {
        let speed = Speed {
            download: Some(1_000_000),
            round_trip: Some(Duration::from_millis(100)),
            at_once: 4,
            ..Speed::default()
        };
        Tariffs::new(Prices::default())
            .with("a", Some(by_hand("10/TB", "0.4/1M")), speed)
            .with("b", None, Speed::default())
    }

    #[test]
    fn a_load_is_billed_by_bytes_and_calls_and_takes_as_long_as_its_tightest_limit() {
        let mut outlay = Outlay::default();
        for _ in 0..1000 {
            outlay.of("a").get(1_000_000);
        }
        outlay.of("a").list(1001);
        let bill = tariffs().bill("a", &outlay.0["a"]);
        // 1 GB at 10 a TB, 1000 gets at 0.4 a million, two pages at 5 a million.
        assert_eq!(bill.amount.to_string(), "0.01041");
        assert_eq!((bill.time, bill.missing.len()), (Duration::from_secs(1000), 0));
        outlay.of("b").put(7);
        let (sums, time, known) = tariffs().total(&outlay);
        assert_eq!((sums.len(), time, known), (1, Duration::from_secs(1000), false));
        let trips = Load {
            stats: 4001,
            ..Load::default()
        };
        assert_eq!(tariffs().bill("a", &trips).time, Duration::from_millis(100_100));
    }

    #[test]
    fn who_has_no_price_is_dearer_than_who_has_one() {
        let tariffs = tariffs();
        assert!(tariffs.reading("a", 1 << 40) < tariffs.reading("b", 1));
        assert!(tariffs.reading("a", 1) < tariffs.reading("a", 1 << 20));
    }

    #[test]
    fn what_is_written_is_kept_a_month_and_equal_blobs_are_one_row() {
        let mut load = Load::default();
        for len in [5, 5, 9] {
            load.put(len);
            load.drop(len, 3);
        }
        assert_eq!((load.kept.len(), load.dropped.len(), load.written), (2, 2, 19));
        assert_eq!(load.calls(), 6);
    }
}
