//! What a month of use costs: every fee of a tariff, allowances spent before anything is paid.
//!
//! ```text
//! bytes kept ──(least size)──▶ less what is free or in the base price ──(tiers)──▶ storage, small blobs
//! bytes read ──▶ less the service's own allowance, then the account's pool ──(tiers)──▶ egress;  every byte ──▶ retrieval
//! requests ──▶ less the free ones ──▶ put, list, get
//! bytes deleted before their least days ──▶ early deletion
//! then the base price, or what is missing to the least bill, alone or shared
//! ```
//!
//! A month has 30 days. Amounts are whole billionths of the tariff's currency, each line rounded once; `docs/cost.md` has the formulas.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::super::quantity::Size;
use super::book::Prices;
use super::figure::Figure;
use super::rate::{Money, RequestPrice, StoragePrice, TransferPrice};
use super::tariff::{Allowance, Beyond, ListedAs, Monthly, Tariff, Tier};

/// Days of a month.
pub const MONTH_DAYS: u64 = 30;

/// Blobs of one length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blobs {
    /// How many.
    pub count: u64,
    /// Bytes of each.
    pub len: u64,
}

/// What one service is used for in a month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Blobs that it keeps, in the mean of the month.
    pub kept: Vec<Blobs>,
    /// Blobs that are deleted, and the days that they were kept.
    pub deleted: Vec<(Blobs, u16)>,
    /// Bytes that are read out of it.
    pub read: u64,
    /// Writing requests.
    pub puts: u64,
    /// Reading requests: whole blobs, ranges and questions for a length.
    pub gets: u64,
    /// Listings, a page of names each.
    pub lists: u64,
}

impl Usage {
    /// Bytes kept.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.kept.iter().fold(0, |sum, blobs| {
            sum.saturating_add(blobs.count.saturating_mul(blobs.len))
        })
    }

    /// Both uses in one month.
    #[must_use]
    pub fn and(mut self, other: Usage) -> Usage {
        self.kept.extend(other.kept);
        self.deleted.extend(other.deleted);
        self.read = self.read.saturating_add(other.read);
        self.puts = self.puts.saturating_add(other.puts);
        self.gets = self.gets.saturating_add(other.gets);
        self.lists = self.lists.saturating_add(other.lists);
        self
    }
}

/// A kind of fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fee {
    /// Bytes kept.
    Storage,
    /// What short blobs are billed for beyond their bytes.
    SmallBlobs,
    /// The days that a blob is billed for after it was deleted.
    EarlyDeletion,
    /// Bytes read, beyond the allowances.
    Egress,
    /// Bytes read, where reading itself is billed.
    Retrieval,
    /// Writing requests.
    Puts,
    /// Reading requests.
    Gets,
    /// Listings.
    Lists,
    /// The base price.
    Base,
    /// What was missing to the least bill.
    Minimum,
}

impl Fee {
    /// All kinds, in the order they are shown.
    pub const ALL: [Fee; 10] = [
        Fee::Storage,
        Fee::SmallBlobs,
        Fee::EarlyDeletion,
        Fee::Egress,
        Fee::Retrieval,
        Fee::Puts,
        Fee::Gets,
        Fee::Lists,
        Fee::Base,
        Fee::Minimum,
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Fee::Storage => "storage",
            Fee::SmallBlobs => "small blobs",
            Fee::EarlyDeletion => "early deletion",
            Fee::Egress => "egress",
            Fee::Retrieval => "retrieval",
            Fee::Puts => "put",
            Fee::Gets => "get",
            Fee::Lists => "list",
            Fee::Base => "base price",
            Fee::Minimum => "minimum",
        }
    }
}

impl fmt::Display for Fee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What one service asks for a month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Fees above nothing.
    pub fees: BTreeMap<Fee, Money>,
    /// Bytes read beyond what the provider's policy allows: not billed, and not to be counted on.
    pub beyond_policy: u64,
    /// Figures that are not known and would be needed; the fees then lack what they would bring.
    pub missing: BTreeSet<&'static str>,
}

impl Bill {
    /// The sum of what is known.
    #[must_use]
    pub fn total(&self) -> Money {
        self.fees.values().copied().sum()
    }

    fn add(&mut self, fee: Fee, amount: Money) {
        if amount > Money::ZERO {
            *self.fees.entry(fee).or_default() += amount;
        }
    }

    /// The value of a figure that is needed; if it isn't known, the bill says so.
    fn needs<'f, T>(&mut self, key: &'static str, figure: &'f Figure<T>) -> Option<&'f T> {
        if figure.value.is_none() {
            self.missing.insert(key);
        }
        figure.value.as_ref()
    }
}

/// The bills of services that one owner uses beside each other: pools and shared minima count once. In the order of `uses`.
#[must_use]
pub fn bills(prices: &Prices, uses: &[(&Tariff, &Usage)]) -> Vec<Bill> {
    let mut bills: Vec<Bill> = Vec::with_capacity(uses.len());
    let mut paid_reads = Vec::with_capacity(uses.len());
    for (tariff, usage) in uses {
        let mut bill = Bill::default();
        let included = included(tariff);
        storage(&mut bill, tariff, usage, included.stored);
        early(&mut bill, tariff, usage);
        requests(&mut bill, tariff, usage);
        retrieval(&mut bill, tariff, usage);
        paid_reads.push(beyond_allowance(&mut bill, tariff, usage, included.read));
        bills.push(bill);
    }
    spend_pools(prices, uses, &mut bills, &mut paid_reads);
    for ((bill, (tariff, _)), read) in bills.iter_mut().zip(uses).zip(&paid_reads) {
        egress(bill, tariff, *read);
        if let Some(Monthly::Base { amount, .. }) = &tariff.monthly.value {
            bill.add(Fee::Base, *amount);
        }
    }
    minima(uses, &mut bills);
    bills
}

/// The bill of one service by itself.
#[must_use]
pub fn bill(prices: &Prices, tariff: &Tariff, usage: &Usage) -> Bill {
    bills(prices, &[(tariff, usage)]).swap_remove(0)
}

/// What costs nothing more: free use and what the base price includes.
#[derive(Clone, Copy, Default)]
struct Included {
    stored: u64,
    /// `None` if nobody tells how much.
    read: Option<u64>,
}

fn included(tariff: &Tariff) -> Included {
    let free = tariff.free.as_ref().and_then(|free| free.value);
    let stored = free.map_or(0, |free| free.stored.bytes());
    match &tariff.monthly.value {
        Some(Monthly::Base { stored: base, read, .. }) => Included {
            stored: stored + base.map_or(0, Size::bytes),
            read: read.map(Size::bytes),
        },
        _ => Included { stored, read: Some(0) },
    }
}

fn storage(bill: &mut Bill, tariff: &Tariff, usage: &Usage, included: u64) {
    let stored = usage.stored();
    if stored == 0 && usage.kept.iter().all(|blobs| blobs.count == 0) {
        return;
    }
    let padded = padded(bill, tariff, &usage.kept);
    let Some(price) = bill.needs("storage", &tariff.storage).copied() else {
        return;
    };
    let of = |bytes: u64| {
        let bytes = whole(bytes.saturating_sub(included), price.unit(), tariff.storage.whole_units);
        tiered(bytes, price, &tariff.storage_tiers, StoragePrice::of)
    };
    let bytes_alone = of(stored);
    bill.add(Fee::Storage, bytes_alone);
    bill.add(Fee::SmallBlobs, of(padded).less(bytes_alone));
}

/// Bytes of blobs as they are billed, each as the least size at least.
fn padded(bill: &mut Bill, tariff: &Tariff, blobs: &[Blobs]) -> u64 {
    let least = bill
        .needs("min_object", &tariff.min_object)
        .map_or(0, |size| size.bytes());
    blobs.iter().fold(0, |sum: u64, blobs| {
        sum.saturating_add(blobs.count.saturating_mul(blobs.len.max(least)))
    })
}

/// The days that are left of the least ones are billed as storage at the first tier.
fn early(bill: &mut Bill, tariff: &Tariff, usage: &Usage) {
    if usage.deleted.iter().all(|(blobs, _)| blobs.count == 0) {
        return;
    }
    let Some(least) = bill.needs("min_days", &tariff.min_days).copied() else {
        return;
    };
    let mut fee = Money::ZERO;
    for (blobs, age) in &usage.deleted {
        let left = u64::from(least.saturating_sub(*age));
        if left == 0 {
            continue;
        }
        let bytes = padded(bill, tariff, &[*blobs]);
        let Some(price) = bill.needs("storage", &tariff.storage) else {
            return;
        };
        fee += price.of(bytes).times(left, MONTH_DAYS);
    }
    bill.add(Fee::EarlyDeletion, fee);
}

fn requests(bill: &mut Bill, tariff: &Tariff, usage: &Usage) {
    let free = tariff.free.as_ref().and_then(|free| free.value);
    let (mut free_puts, mut free_gets) = free.map_or((0, 0), |free| (free.put, free.get));
    let as_puts = tariff.list_billed_as == ListedAs::Put;
    let beyond = |count: u64, free: &mut u64| {
        let used = count.min(*free);
        *free -= used;
        count - used
    };
    let puts = beyond(usage.puts, &mut free_puts);
    let gets = beyond(usage.gets, &mut free_gets);
    let lists = beyond(usage.lists, if as_puts { &mut free_puts } else { &mut free_gets });
    let (put_before, get_before) = if as_puts { (puts, 0) } else { (0, gets) };
    called(bill, Fee::Puts, ("put", &tariff.put), 0, puts);
    called(bill, Fee::Gets, ("get", &tariff.get), 0, gets);
    if as_puts {
        called(bill, Fee::Lists, ("put", &tariff.put), put_before, lists);
    } else {
        called(bill, Fee::Lists, ("get", &tariff.get), get_before, lists);
    }
}

/// `count` calls after `before` of the same price: where whole units are billed, they begin in what is left of the last unit.
fn called(bill: &mut Bill, fee: Fee, (key, figure): (&'static str, &Figure<RequestPrice>), before: u64, count: u64) {
    if count == 0 {
        return;
    }
    let Some(price) = bill.needs(key, figure).copied() else {
        return;
    };
    let of = |calls| price.of(whole(calls, price.unit(), figure.whole_units));
    bill.add(fee, of(before.saturating_add(count)).less(of(before)));
}

fn retrieval(bill: &mut Bill, tariff: &Tariff, usage: &Usage) {
    if usage.read == 0 {
        return;
    }
    if let Some(price) = bill.needs("retrieval", &tariff.retrieval).copied() {
        bill.add(Fee::Retrieval, price.of(usage.read));
    }
}

/// Bytes read beyond what the service itself allows; a pool isn't spent yet.
fn beyond_allowance(bill: &mut Bill, tariff: &Tariff, usage: &Usage, in_base: Option<u64>) -> u64 {
    if usage.read == 0 {
        return 0;
    }
    let Some(allowance) = bill.needs("egress_free", &tariff.egress_free) else {
        return 0;
    };
    let allowed = match allowance {
        Allowance::Nothing => 0,
        Allowance::Pool(_) => in_base.unwrap_or(0),
        Allowance::Unlimited => u64::MAX,
        Allowance::Fixed(size) => size.bytes(),
        Allowance::Multiple { of_stored, .. } => usage.stored().saturating_mul(u64::from(*of_stored)),
        Allowance::Base => in_base.unwrap_or_else(|| {
            bill.missing.insert("monthly");
            0
        }),
        Allowance::Plan => {
            bill.missing.insert("egress_free");
            return 0;
        }
    };
    let beyond = usage.read.saturating_sub(allowed);
    let limited = matches!(
        allowance,
        Allowance::Multiple {
            beyond: Beyond::Limited,
            ..
        }
    );
    if limited {
        bill.beyond_policy = beyond;
    }
    beyond
}

/// An account's free bytes go first to the service whose egress is dearest.
fn spend_pools(prices: &Prices, uses: &[(&Tariff, &Usage)], bills: &mut [Bill], reads: &mut [u64]) {
    let mut order: Vec<usize> = (0..uses.len()).collect();
    let price = |at: usize| uses[at].0.egress.value.map(|price| price.of(1_000_000_000_000));
    order.sort_by_key(|at| std::cmp::Reverse(price(*at)));
    let mut left: BTreeMap<&str, u64> = BTreeMap::new();
    for at in order {
        let Some(Allowance::Pool(pool)) = &uses[at].0.egress_free.value else {
            continue;
        };
        if reads[at] == 0 {
            continue;
        }
        let Some(whole) = prices.pools.get(pool).and_then(|figure| figure.value) else {
            bills[at].missing.insert("egress_free");
            continue;
        };
        let left = left.entry(pool).or_insert_with(|| whole.bytes());
        let used = reads[at].min(*left);
        *left -= used;
        reads[at] -= used;
    }
}

fn egress(bill: &mut Bill, tariff: &Tariff, bytes: u64) {
    if bytes == 0 {
        return;
    }
    if let Some(price) = bill.needs("egress", &tariff.egress).copied() {
        let bytes = whole(bytes, price.unit(), tariff.egress.whole_units);
        bill.add(
            Fee::Egress,
            tiered(bytes, price, &tariff.egress_tiers, TransferPrice::of),
        );
    }
}

/// What is missing to the least bills. One that several share is on the first of them.
fn minima(uses: &[(&Tariff, &Usage)], bills: &mut [Bill]) {
    let mut shared: BTreeMap<&str, (usize, Money, Money)> = BTreeMap::new();
    for (at, (tariff, _)) in uses.iter().enumerate() {
        match &tariff.monthly.value {
            Some(Monthly::Minimum { amount, shared: None }) => {
                let missing = amount.less(bills[at].total());
                bills[at].add(Fee::Minimum, missing);
            }
            Some(Monthly::Minimum {
                amount,
                shared: Some(word),
            }) => {
                let entry = shared.entry(word).or_insert((at, *amount, Money::ZERO));
                entry.1 = entry.1.max(*amount);
                entry.2 += bills[at].total();
            }
            Some(Monthly::Nothing | Monthly::Base { .. }) => {}
            Some(Monthly::Prepaid) | None => {
                bills[at].missing.insert("monthly");
            }
        }
    }
    for (at, least, sum) in shared.into_values() {
        bills[at].add(Fee::Minimum, least.less(sum));
    }
}

/// `count` rounded up to whole units, where those are billed.
fn whole(count: u64, unit: u64, whole_units: bool) -> u64 {
    if whole_units {
        count.div_ceil(unit).saturating_mul(unit)
    } else {
        count
    }
}

/// The price of bytes that go through tiers from the first one on.
fn tiered<P: Copy>(bytes: u64, first: P, tiers: &[Tier<P>], of: impl Fn(P, u64) -> Money) -> Money {
    if tiers.is_empty() {
        return of(first, bytes);
    }
    let (mut from, mut sum) = (0, Money::ZERO);
    for tier in tiers {
        let to = tier.to.map_or(u64::MAX, Size::bytes).min(bytes);
        sum += of(tier.price, to.saturating_sub(from));
        from = from.max(to);
    }
    sum
}
