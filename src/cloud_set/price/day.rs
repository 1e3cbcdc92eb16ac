//! The day of a figure, as exactly as its source tells it: a year, a month or a day.

use std::fmt;
use std::str::FromStr;

/// `2026`, `2026-05` or `2026-05-14`. Compared by what is written; a year stands before its months.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    year: u16,
    month: Option<u8>,
    of_month: Option<u8>,
}

/// Not a day of this calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a day: write 2026-05-14, 2026-05 or 2026")]
pub struct NoDay;

impl Day {
    /// Whole days since 1970-01-01 until the last day that this may mean: a year is its 31st of December.
    #[must_use]
    pub fn latest(self) -> i64 {
        let month = self.month.unwrap_or(12);
        let day = self.of_month.unwrap_or_else(|| days_in(self.year, month));
        days_since_1970(self.year, month, day)
    }

    /// Days that have passed at `today` (days since 1970) since this day, at least.
    #[must_use]
    pub fn age(self, today: i64) -> i64 {
        (today - self.latest()).max(0)
    }

    /// True if this day is yet to come at `today`, whichever day it means.
    #[must_use]
    pub fn is_after(self, today: i64) -> bool {
        days_since_1970(self.year, self.month.unwrap_or(1), self.of_month.unwrap_or(1)) > today
    }
}

/// Days of a month.
fn days_in(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// Counted in years that begin in March, so that a leap day is the last of its year.
fn days_since_1970(year: u16, month: u8, day: u8) -> i64 {
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - 719_468
}

impl FromStr for Day {
    type Err = NoDay;

    fn from_str(text: &str) -> Result<Day, NoDay> {
        let mut parts = text.split('-');
        let mut number = |len: usize| match parts.next() {
            Some(part) if part.len() == len && part.bytes().all(|c| c.is_ascii_digit()) => {
                part.parse::<u16>().map(Some).map_err(|_| NoDay)
            }
            Some(_) => Err(NoDay),
            None => Ok(None),
        };
        let (year, month, day) = (number(4)?.ok_or(NoDay)?, number(2)?, number(2)?);
        let small = |value: Option<u16>| value.and_then(|value| u8::try_from(value).ok());
        let found = Day {
            year,
            month: small(month),
            of_month: small(day),
        };
        let in_year = found.month.is_none_or(|month| (1..=12).contains(&month));
        let in_month = found
            .of_month
            .is_none_or(|day| day >= 1 && day <= days_in(year, found.month.unwrap_or(1)));
        if parts.next().is_some() || !in_year || !in_month {
            return Err(NoDay);
        }
        Ok(found)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        for part in [self.month, self.of_month].into_iter().flatten() {
            write!(f, "-{part:02}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_and_counted_as_exactly_as_it_is_written() {
        for (text, latest) in [
            ("1970-01-01", 0),
            ("1970", 364),
            ("2000-02-29", 11_016),
            ("2024-02", 19_782),
            ("2026-11-22", 20_779),
        ] {
            let day: Day = text.parse().unwrap();
            assert_eq!(day.to_string(), text);
            assert_eq!(day.latest(), latest, "{text}");
        }
        let day: Day = "2026-05".parse().unwrap();
        assert_eq!((day.age(20_779), day.age(0)), (20_779 - 20_604, 0));
        // It may mean its first day, 2026-05-01.
        assert!(day.is_after(20_573) && !day.is_after(20_574));
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for bad in [
            "",
            "26",
            "2026-13",
            "2026-00",
            "2026-02-29",
            "2026-5",
            "2026-05-32",
            "2026-05-01-1",
            "2026-05-+1",
            "20 6",
        ] {
            assert_eq!(bad.parse::<Day>(), Err(NoDay), "{bad}");
        }
    }
}
