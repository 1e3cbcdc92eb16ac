//! Sizes, rates and times as an owner writes them: a decimal number and a unit, read without rounding.
//!
//! ```text
//! 500 GiB    1.5 TB    64 KiB        size          40 MiB/s    byte rate
//! 30 d    12 h    90 s               period        200/s    30/min    request rate
//! ```
//!
//! What `Display` writes reads back as the same value.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The most digits of a number, before and behind the point together.
const MAX_DIGITS: usize = 19;

/// The most digits behind the point.
pub(super) const MAX_FRACTION: usize = 9;

/// Why a text is not the quantity it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// There is no number at its head.
    #[error("expected {wanted}, such as `{example}`")]
    NotANumber {
        /// What it should be, with its article.
        wanted: &'static str,
        /// One that is right.
        example: &'static str,
    },
    /// A sign.
    #[error("{wanted} cannot be negative")]
    Negative {
        /// What it should be, with its article.
        wanted: &'static str,
    },
    /// More digits than are kept exactly.
    #[error("more than {MAX_DIGITS} digits, or more than {MAX_FRACTION} behind the point")]
    TooLong,
    /// A number alone.
    #[error("a unit is missing: {units}")]
    NoUnit {
        /// The valid ones.
        units: &'static str,
    },
    /// Not a unit of this quantity.
    #[error("unknown unit `{unit}`: {units}")]
    UnknownUnit {
        /// As it was written.
        unit: String,
        /// The valid ones.
        units: &'static str,
    },
    /// A part of the smallest unit.
    #[error("not a whole number of {of}")]
    Fraction {
        /// The smallest unit.
        of: &'static str,
    },
    /// Zero where nothing would ever move or fit.
    #[error("{wanted} of zero would stop everything: leave the key out for no limit")]
    Zero {
        /// What it should be, with its article.
        wanted: &'static str,
    },
    /// Beyond what can be meant.
    #[error("more than {most}: is the unit right?")]
    TooLarge {
        /// The bound.
        most: &'static str,
    },
}

/// A decimal number, exactly: `digits` / 10^`scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: u64,
    scale: u32,
}

impl Decimal {
    /// Splits a text into the number at its head and the rest, trimmed.
    pub(super) fn split<'a>(
        text: &'a str,
        wanted: &'static str,
        example: &'static str,
    ) -> Result<(Decimal, &'a str), QuantityError> {
        let text = text.trim();
        if text.starts_with(['-', '\u{2212}']) {
            return Err(QuantityError::Negative { wanted });
        }
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, rest) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
            return Err(QuantityError::NotANumber { wanted, example });
        }
        let fraction = fraction.trim_end_matches('0');
        if whole.len() + fraction.len() > MAX_DIGITS || fraction.len() > MAX_FRACTION {
            return Err(QuantityError::TooLong);
        }
        let digits = format!("{whole}{fraction}")
            .parse()
            .map_err(|_| QuantityError::TooLong)?;
        let scale = u32::try_from(fraction.len()).map_err(|_| QuantityError::TooLong)?;
        Ok((Decimal { digits, scale }, rest.trim()))
    }

    /// The number times `unit`, if that is whole.
    pub(super) fn times(self, unit: u64) -> Option<u128> {
        let product = u128::from(self.digits) * u128::from(unit);
        let divisor = 10u128.pow(self.scale);
        (product % divisor == 0).then_some(product / divisor)
    }
}

/// The factor of a unit in a table.
fn factor(table: &[(&str, u64)], unit: &str, units: &'static str) -> Result<u64, QuantityError> {
    if unit.is_empty() {
        return Err(QuantityError::NoUnit { units });
    }
    let found = table.iter().find(|(name, _)| *name == unit);
    found
        .map(|(_, factor)| *factor)
        .ok_or_else(|| QuantityError::UnknownUnit {
            unit: unit.chars().take(16).collect(),
            units,
        })
}

/// The unit of `table` that writes `value` with the smallest whole number; the first of equals.
fn shortest(table: &[(&'static str, u64)], value: u64) -> (u64, &'static str) {
    let (name, factor) = table
        .iter()
        .filter(|(_, factor)| value.is_multiple_of(*factor))
        .max_by_key(|(_, factor)| *factor)
        .expect("every table has a unit of factor 1");
    (value / factor, name)
}

/// Bytes by their units, in the order that is shown.
const SIZE_UNITS: [(&str, u64); 12] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
];
const SIZE_NAMES: &str = "KiB, MiB, GiB, TiB (powers of 1024), kB, MB, GB, TB (powers of 1000), or B";

/// A number of bytes, at most [`Size::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

impl Size {
    /// 1024 PiB: more than any account holds.
    pub const MAX: Size = Size(1 << 60);

    /// A size of so many bytes.
    ///
    /// # Panics
    ///
    /// If that is more than [`Size::MAX`].
    #[must_use]
    pub fn of(bytes: u64) -> Size {
        assert!(bytes <= Size::MAX.0, "{bytes} bytes are more than a size holds");
        Size(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Size, QuantityError> {
        let (number, unit) = Decimal::split(text, "a size", "500 GiB")?;
        let bytes = number
            .times(factor(&SIZE_UNITS, unit, SIZE_NAMES)?)
            .ok_or(QuantityError::Fraction { of: "bytes" })?;
        match u64::try_from(bytes) {
            Ok(bytes) if bytes <= Size::MAX.0 => Ok(Size(bytes)),
            _ => Err(QuantityError::TooLarge { most: "1024 PiB" }),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0 B");
        }
        let (count, unit) = shortest(&SIZE_UNITS, self.0);
        write!(f, "{count} {unit}")
    }
}

/// Bytes in a second, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRate(u64);

impl ByteRate {
    /// Faster than any link: 1 TiB/s.
    const MAX: u64 = 1 << 40;

    /// Bytes in a second.
    #[must_use]
    pub fn bytes_per_second(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteRate {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<ByteRate, QuantityError> {
        const WANTED: &str = "a rate";
        let (number, unit) = Decimal::split(text, WANTED, "40 MiB/s")?;
        let units = "KiB/s, MiB/s, GiB/s, kB/s, MB/s, GB/s or B/s";
        let size = match unit.strip_suffix("/s") {
            Some(size) => size.trim_end(),
            None if unit.is_empty() => "",
            None => {
                let unit = unit.chars().take(16).collect();
                return Err(QuantityError::UnknownUnit { unit, units });
            }
        };
        let bytes = number
            .times(factor(&SIZE_UNITS, size, units)?)
            .ok_or(QuantityError::Fraction { of: "bytes" })?;
        match u64::try_from(bytes) {
            Ok(0) => Err(QuantityError::Zero { wanted: WANTED }),
            Ok(bytes) if bytes <= ByteRate::MAX => Ok(ByteRate(bytes)),
            _ => Err(QuantityError::TooLarge { most: "1 TiB/s" }),
        }
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = shortest(&SIZE_UNITS, self.0);
        write!(f, "{count} {unit}/s")
    }
}

/// Times by their units.
const TIME_UNITS: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];
const TIME_NAMES: &str = "ms, s, min, h, d or w";

/// Requests in a stretch of time, both at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestRate {
    count: u32,
    unit: usize,
}

impl RequestRate {
    /// More requests than any account is allowed, in any unit.
    const MAX: u64 = 1_000_000;

    /// Requests in a second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        f64::from(self.count) / Duration::from_millis(TIME_UNITS[self.unit].1).as_secs_f64()
    }
}

impl FromStr for RequestRate {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<RequestRate, QuantityError> {
        const WANTED: &str = "a request rate";
        let units = "/s, /min or /h";
        let (number, unit) = Decimal::split(text, WANTED, "200/s")?;
        if unit.is_empty() {
            return Err(QuantityError::NoUnit { units });
        }
        let name = unit.strip_prefix('/').map(str::trim_start);
        let unit = TIME_UNITS[1..4]
            .iter()
            .position(|(known, _)| Some(*known) == name)
            .ok_or_else(|| QuantityError::UnknownUnit {
                unit: unit.chars().take(16).collect(),
                units,
            })?;
        let count = number.times(1).ok_or(QuantityError::Fraction { of: "requests" })?;
        match u32::try_from(count) {
            Ok(0) => Err(QuantityError::Zero { wanted: WANTED }),
            Ok(count) if u64::from(count) <= RequestRate::MAX => Ok(RequestRate { count, unit: unit + 1 }),
            _ => Err(QuantityError::TooLarge {
                most: "1000000 requests",
            }),
        }
    }
}

impl fmt::Display for RequestRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, TIME_UNITS[self.unit].0)
    }
}

/// A stretch of time, from 1 ms to 3660 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(u64);

impl Period {
    /// Ten years in milliseconds.
    const MAX: u64 = 3660 * 86_400_000;

    /// The same as the library's type.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Period {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Period, QuantityError> {
        const WANTED: &str = "a time";
        let (number, unit) = Decimal::split(text, WANTED, "30 d")?;
        let millis = number
            .times(factor(&TIME_UNITS, unit, TIME_NAMES)?)
            .ok_or(QuantityError::Fraction { of: "milliseconds" })?;
        match u64::try_from(millis) {
            Ok(0) => Err(QuantityError::Zero { wanted: WANTED }),
            Ok(millis) if millis <= Period::MAX => Ok(Period(millis)),
            _ => Err(QuantityError::TooLarge { most: "3660 d" }),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Weeks are read but not written: 14 d says more than 2 w beside 30 d.
        let (count, unit) = shortest(&TIME_UNITS[..5], self.0);
        write!(f, "{count} {unit}")
    }
}

/// How large a share of the placements a provider takes, 1 is even; in thousandths, 0.001 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u32);

impl Weight {
    /// An even share.
    pub const EVEN: Weight = Weight(1000);

    /// The share in thousandths, 1 to 1,000,000.
    #[must_use]
    pub fn thousandths(self) -> u32 {
        self.0
    }

    /// The share as a number, for arithmetic.
    #[must_use]
    pub fn share(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

impl Default for Weight {
    fn default() -> Weight {
        Weight::EVEN
    }
}

impl FromStr for Weight {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Weight, QuantityError> {
        const WANTED: &str = "a weight";
        let (number, rest) = Decimal::split(text, WANTED, "1.0")?;
        if !rest.is_empty() {
            return Err(QuantityError::NotANumber {
                wanted: WANTED,
                example: "1.0",
            });
        }
        let thousandths = number
            .times(1000)
            .ok_or(QuantityError::Fraction { of: "thousandths" })?;
        match u32::try_from(thousandths) {
            Ok(0) => Err(QuantityError::Zero { wanted: WANTED }),
            Ok(thousandths) if thousandths <= 1_000_000 => Ok(Weight(thousandths)),
            _ => Err(QuantityError::TooLarge { most: "1000" }),
        }
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.0 / 1000, self.0 % 1000);
        let short = text.trim_end_matches('0');
        write!(f, "{short}{}", if short.ends_with('.') { "0" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_in_both_families_of_units_to_the_byte() {
        for (text, bytes) in [
            ("0 B", 0),
            ("1 B", 1),
            ("64 KiB", 65_536),
            ("64KiB", 65_536),
            ("  1.5 GiB ", 1_610_612_736),
            ("500 GB", 500_000_000_000),
            ("0.25 kB", 250),
            ("1024 PiB", 1 << 60),
            ("000000000000000001 B", 1),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_its_reason() {
        let negative = QuantityError::Negative { wanted: "a size" };
        let not_a_number = QuantityError::NotANumber {
            wanted: "a size",
            example: "500 GiB",
        };
        let unknown = |unit: &str| QuantityError::UnknownUnit {
            unit: unit.into(),
            units: SIZE_NAMES,
        };
        let too_large = QuantityError::TooLarge { most: "1024 PiB" };
        for (text, error) in [
            ("", not_a_number.clone()),
            ("GiB", not_a_number.clone()),
            ("NaN", not_a_number.clone()),
            (".inf", not_a_number.clone()),
            ("1.2.3 GiB", not_a_number.clone()),
            ("1. GiB", not_a_number),
            ("-1 GiB", negative.clone()),
            ("\u{2212}1 GiB", negative),
            ("500", QuantityError::NoUnit { units: SIZE_NAMES }),
            ("1e3 GiB", unknown("e3 GiB")),
            ("1_000 GiB", unknown("_000 GiB")),
            ("1,5 GiB", unknown(",5 GiB")),
            ("5 gib", unknown("gib")),
            ("0.3 B", QuantityError::Fraction { of: "bytes" }),
            ("1025 PiB", too_large.clone()),
            ("999999999999999999 PB", too_large),
            ("10000000000000000000 B", QuantityError::TooLong),
            ("0.0000000001 PiB", QuantityError::TooLong),
        ] {
            assert_eq!(text.parse::<Size>(), Err(error), "{text}");
        }
    }

    #[test]
    fn rates_times_and_weights_keep_their_bounds() {
        assert_eq!("40 MiB/s".parse(), Ok(ByteRate(40 << 20)));
        assert_eq!("0.5 MB/s".parse(), Ok(ByteRate(500_000)));
        for bad in ["40 MiB", "40", "0 B/s", "-1 MB/s", "2 TiB/s", "5 Mbit/s", "5/s"] {
            assert!(bad.parse::<ByteRate>().is_err(), "{bad}");
        }
        assert!(("200/s".parse::<RequestRate>().unwrap().per_second() - 200.0).abs() < 1e-9);
        assert!(("30 / min".parse::<RequestRate>().unwrap().per_second() - 0.5).abs() < 1e-9);
        for bad in ["200", "0/s", "0.5/s", "1/d", "-2/s", "2000000/s", "200 s"] {
            assert!(bad.parse::<RequestRate>().is_err(), "{bad}");
        }
        assert_eq!("30 d".parse(), Ok(Period(30 * 86_400_000)));
        assert_eq!("1.5 s".parse(), Ok(Period(1_500)));
        for bad in ["30", "0 s", "-1 s", "0.5 ms", "4000 d", "1 y"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
        assert_eq!("2.5".parse(), Ok(Weight(2500)));
        for bad in ["0", "-1", "1001", "0.0001", "1 x", "nan"] {
            assert!(bad.parse::<Weight>().is_err(), "{bad}");
        }
        assert_eq!(
            (Weight(1000).to_string(), Weight(30).to_string()),
            ("1.0".into(), "0.03".into())
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(
            bytes in prop_oneof![0..=Size::MAX.0, (0..1u64 << 20).prop_map(|n| n << 20), (0..1_000_000u64).prop_map(|n| n * 1_000_000)],
            rate in 1..=ByteRate::MAX,
            count in 1..=1_000_000u32,
            unit in 1..4usize,
            millis in prop_oneof![1..=Period::MAX, (1..3660u64).prop_map(|n| n * 86_400_000)],
            weight in 1..=1_000_000u32,
        ) {
            prop_assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
            prop_assert_eq!(ByteRate(rate).to_string().parse(), Ok(ByteRate(rate)));
            let requests = RequestRate { count, unit };
            prop_assert_eq!(requests.to_string().parse(), Ok(requests));
            prop_assert_eq!(Period(millis).to_string().parse(), Ok(Period(millis)));
            prop_assert_eq!(Weight(weight).to_string().parse(), Ok(Weight(weight)));
        }

        #[test]
        fn no_text_makes_them_panic(text in "\\PC{0,24}") {
            let _ = text.parse::<Size>();
            let _ = text.parse::<ByteRate>();
            let _ = text.parse::<RequestRate>();
            let _ = text.parse::<Period>();
            let _ = text.parse::<Weight>();
        }
    }
}
