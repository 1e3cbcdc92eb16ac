//! Amounts of money, and prices as an owner copies them from a list: an amount per volume or per number of requests.
//!
//! ```text
//! 6.00/TB-month    storage          10.00/TB    transfer          0.40/10k    requests          0    free
//! ```
//!
//! Amounts are in one currency that the owner chooses for the whole set, kept exactly in billionths. TB is 10^12 bytes,
//! TiB 2^40, as the price list says.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use super::super::quantity::{Decimal, MAX_FRACTION, QuantityError};

/// An amount of money in billionths of a currency. Sums stop at the largest amount there is instead of wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u128);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);

    const BILLIONTHS: u64 = 1_000_000_000;

    /// So many billionths.
    #[must_use]
    pub fn billionths(billionths: u128) -> Money {
        Money(billionths)
    }

    /// The amount in billionths.
    #[must_use]
    pub fn in_billionths(self) -> u128 {
        self.0
    }

    /// The amount in hundredths, halves up.
    #[must_use]
    pub fn cents(self) -> u128 {
        share(self.0, 1, u128::from(Money::BILLIONTHS) / 100)
    }

    /// The amount for arithmetic that isn't billed: exact below 9 million.
    #[expect(clippy::cast_precision_loss, reason = "16 digits are enough for a chart")]
    #[must_use]
    pub fn amount(self) -> f64 {
        self.0 as f64 / Money::BILLIONTHS as f64
    }

    /// This times `count` / `of`, rounded to the nearest billionth.
    ///
    /// # Panics
    ///
    /// If `of` is 0.
    #[must_use]
    pub fn times(self, count: u64, of: u64) -> Money {
        Money(share(self.0, u128::from(count), u128::from(of)))
    }

    /// This less `other`, not below nothing.
    #[must_use]
    pub fn less(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }
}

/// `value` × `count` / `of`, to the nearest, halves up.
fn share(value: u128, count: u128, of: u128) -> u128 {
    value.saturating_mul(count).saturating_add(of / 2) / of
}

impl Add for Money {
    type Output = Money;

    fn add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        *self = *self + other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::ZERO, Money::add)
    }
}

impl FromStr for Money {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Money, QuantityError> {
        let (number, rest) = Decimal::split(text, "an amount", "7.99")?;
        if !rest.is_empty() {
            return Err(QuantityError::UnknownUnit {
                unit: rest.chars().take(16).collect(),
                units: "an amount has none",
            });
        }
        number.times(Money::BILLIONTHS).map(Money).ok_or(QuantityError::TooLong)
    }
}

/// All that is there, two digits at least: `6.00`, `0.00695`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0 / u128::from(Money::BILLIONTHS);
        let rest = self.0 % u128::from(Money::BILLIONTHS);
        let fraction = format!("{rest:0MAX_FRACTION$}");
        let kept = fraction.trim_end_matches('0').len().max(2);
        write!(f, "{whole}.{}", &fraction[..kept])
    }
}

/// The volume that a price is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Volume {
    Gb,
    Gib,
    Tb,
    Tib,
}

impl Volume {
    const ALL: [Volume; 4] = [Volume::Tb, Volume::Tib, Volume::Gb, Volume::Gib];

    fn word(self) -> &'static str {
        match self {
            Volume::Gb => "GB",
            Volume::Gib => "GiB",
            Volume::Tb => "TB",
            Volume::Tib => "TiB",
        }
    }

    fn bytes(self) -> u64 {
        match self {
            Volume::Gb => 1_000_000_000,
            Volume::Gib => 1 << 30,
            Volume::Tb => 1_000_000_000_000,
            Volume::Tib => 1 << 40,
        }
    }
}

/// No price list asks more than this for a TB, stored for a month or moved.
const MOST_PER_TB: Money = Money(10_000 * Money::BILLIONTHS as u128);

/// No price list asks more than this for a request.
const MOST_PER_REQUEST: Money = Money(Money::BILLIONTHS as u128);

const TB: u64 = 1_000_000_000_000;

/// Reads `AMOUNT/UNIT`, or `0` alone, which is free in `free` units.
fn read<U: Copy>(
    text: &str,
    (wanted, example): (&'static str, &'static str),
    units: &'static str,
    free: U,
    unit_of: impl Fn(&str) -> Option<U>,
) -> Result<(Money, U), QuantityError> {
    let (number, rest) = Decimal::split(text, wanted, example)?;
    let amount = number.times(Money::BILLIONTHS).ok_or(QuantityError::TooLong)?;
    if rest.is_empty() {
        let bare = QuantityError::NoUnit { units };
        return if amount == 0 {
            Ok((Money::ZERO, free))
        } else {
            Err(bare)
        };
    }
    let unit = rest.strip_prefix('/').map(str::trim_start).and_then(unit_of);
    let unit = unit.ok_or_else(|| QuantityError::UnknownUnit {
        unit: rest.chars().take(16).collect(),
        units,
    })?;
    // Nothing per anything is one value, so that it is written one way.
    Ok((Money(amount), if amount == 0 { free } else { unit }))
}

/// Writes a price as it is read; free is `0`.
fn write(f: &mut fmt::Formatter<'_>, amount: Money, unit: fmt::Arguments<'_>) -> fmt::Result {
    match amount {
        Money::ZERO => f.write_str("0"),
        amount => write!(f, "{amount}/{unit}"),
    }
}

fn volume(word: &str) -> Option<Volume> {
    Volume::ALL.into_iter().find(|volume| volume.word() == word)
}

fn within_reason(amount: Money, per: Volume, most: &'static str) -> Result<(), QuantityError> {
    (amount.times(TB, per.bytes()) <= MOST_PER_TB)
        .then_some(())
        .ok_or(QuantityError::TooLarge { most })
}

/// The price of bytes kept for a month of 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoragePrice {
    amount: Money,
    per: Volume,
}

impl StoragePrice {
    /// Of so many bytes for one month.
    #[must_use]
    pub fn of(self, bytes: u64) -> Money {
        self.amount.times(bytes, self.per.bytes())
    }

    /// The bytes that one amount of the list is for.
    #[must_use]
    pub fn unit(self) -> u64 {
        self.per.bytes()
    }

    /// Of one byte for one month.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "volumes have few digits")]
    pub fn per_byte_month(self) -> f64 {
        self.amount.amount() / self.per.bytes() as f64
    }
}

impl FromStr for StoragePrice {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<StoragePrice, QuantityError> {
        let units = "/TB-month, /TiB-month, /GB-month or /GiB-month";
        let month = |unit: &str| volume(unit.strip_suffix("-month")?);
        let (amount, per) = read(text, ("a storage price", "6.00/TB-month"), units, Volume::Tb, month)?;
        within_reason(amount, per, "10000/TB-month")?;
        Ok(StoragePrice { amount, per })
    }
}

impl fmt::Display for StoragePrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.amount, format_args!("{}-month", self.per.word()))
    }
}

/// The price of bytes that are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransferPrice {
    amount: Money,
    per: Volume,
}

impl TransferPrice {
    /// Of so many bytes.
    #[must_use]
    pub fn of(self, bytes: u64) -> Money {
        self.amount.times(bytes, self.per.bytes())
    }

    /// The bytes that one amount of the list is for.
    #[must_use]
    pub fn unit(self) -> u64 {
        self.per.bytes()
    }

    /// Of one byte.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "volumes have few digits")]
    pub fn per_byte(self) -> f64 {
        self.amount.amount() / self.per.bytes() as f64
    }
}

impl FromStr for TransferPrice {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<TransferPrice, QuantityError> {
        let units = "/TB, /TiB, /GB or /GiB";
        let (amount, per) = read(text, ("a price", "10.00/TB"), units, Volume::Tb, volume)?;
        within_reason(amount, per, "10000/TB")?;
        Ok(TransferPrice { amount, per })
    }
}

impl fmt::Display for TransferPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.amount, format_args!("{}", self.per.word()))
    }
}

/// The price of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestPrice {
    amount: Money,
    per: Bundle,
}

/// The number of requests that a price is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Bundle {
    word: &'static str,
    requests: u32,
}

const BUNDLES: [Bundle; 5] = [
    Bundle {
        word: "1k",
        requests: 1_000,
    },
    Bundle {
        word: "10k",
        requests: 10_000,
    },
    Bundle {
        word: "100k",
        requests: 100_000,
    },
    Bundle {
        word: "1M",
        requests: 1_000_000,
    },
    Bundle { word: "1", requests: 1 },
];

impl RequestPrice {
    /// Of so many requests.
    #[must_use]
    pub fn of(self, requests: u64) -> Money {
        self.amount.times(requests, u64::from(self.per.requests))
    }

    /// The requests that one amount of the list is for.
    #[must_use]
    pub fn unit(self) -> u64 {
        u64::from(self.per.requests)
    }

    /// Of one request.
    #[must_use]
    pub fn per_request(self) -> f64 {
        self.amount.amount() / f64::from(self.per.requests)
    }
}

impl FromStr for RequestPrice {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<RequestPrice, QuantityError> {
        let units = "/1k, /10k, /100k, /1M or /1";
        let bundle = |word: &str| BUNDLES.into_iter().find(|bundle| bundle.word == word);
        let (amount, per) = read(text, ("a price of requests", "0.40/10k"), units, BUNDLES[0], bundle)?;
        let price = RequestPrice { amount, per };
        if price.of(1) > MOST_PER_REQUEST {
            return Err(QuantityError::TooLarge { most: "1.00/1" });
        }
        Ok(price)
    }
}

impl fmt::Display for RequestPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.amount, format_args!("{}", self.per.word))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_price_is_its_amount_by_its_volume() {
        let of = |text: &str| text.parse::<StoragePrice>().unwrap().per_byte_month();
        assert!((of("6.00/TB-month") - 6e-12).abs() < 1e-21);
        assert!((of("0.023 / GB-month") - 2.3e-11).abs() < 1e-20);
        assert!((of("1/TiB-month") * 1_099_511_627_776.0 - 1.0).abs() < 1e-12);
        assert!(("10.00/TB".parse::<TransferPrice>().unwrap().per_byte() - 1e-11).abs() < 1e-20);
        assert!(("0.40/10k".parse::<RequestPrice>().unwrap().per_request() - 4e-5).abs() < 1e-14);
    }

    #[test]
    fn money_is_counted_exactly_and_rounded_once() {
        let of = |text: &str, bytes| text.parse::<StoragePrice>().unwrap().of(bytes).to_string();
        assert_eq!(of("0.00695/GB-month", 1_000_000_000_000), "6.95");
        assert_eq!(of("0.02/GiB-month", 1 << 40), "20.48");
        assert_eq!(of("1/TiB-month", 1), "0.00");
        assert_eq!(
            "4.5/1M".parse::<RequestPrice>().unwrap().of(1_000_001).to_string(),
            "4.5000045"
        );
        for (text, cents) in [("0.004999999", 0), ("0.005", 1), ("7.99", 799), ("1.994999999", 199)] {
            assert_eq!(text.parse::<Money>().unwrap().cents(), cents, "{text}");
        }
        assert_eq!(Money(u128::MAX) + Money(1), Money(u128::MAX));
        for bad in ["", "-1", "7.99 USD", "nan", "1e3"] {
            assert!(bad.parse::<Money>().is_err(), "{bad}");
        }
    }

    #[test]
    fn free_is_written_one_way() {
        for text in ["0", "0.00", "0/TB-month", "0.000/GiB-month"] {
            assert_eq!(text.parse::<StoragePrice>().unwrap().to_string(), "0", "{text}");
        }
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for bad in [
            "",
            "-1/TB-month",
            "nan",
            "6.00",
            "6.00/TB",
            "6/PB-month",
            "6 TB-month",
            "10001/TB-month",
            "11/GB-month",
            "$6/TB-month",
        ] {
            assert!(bad.parse::<StoragePrice>().is_err(), "{bad}");
        }
        for bad in ["10", "10/TB-month", "-0.1/GB", "1e9/TB", "0.0000000001/GB"] {
            assert!(bad.parse::<TransferPrice>().is_err(), "{bad}");
        }
        for bad in ["0.4", "0.4/10", "0.4/TB", "1.01/1", "2000/1k"] {
            assert!(bad.parse::<RequestPrice>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(billionths in 0..5_000_000_000u128, volume in 0..4usize, bundle in 0..5usize) {
            let amount = Money(billionths);
            let per = if billionths == 0 { Volume::Tb } else { Volume::ALL[volume] };
            let storage = StoragePrice { amount, per };
            prop_assert_eq!(storage.to_string().parse(), Ok(storage));
            let transfer = TransferPrice { amount, per };
            prop_assert_eq!(transfer.to_string().parse(), Ok(transfer));
            let amount = Money(billionths / 5);
            let per = if amount == Money(0) { BUNDLES[0] } else { BUNDLES[bundle] };
            let requests = RequestPrice { amount, per };
            prop_assert_eq!(requests.to_string().parse(), Ok(requests));
        }
    }
}
