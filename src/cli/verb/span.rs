//! A range of bytes as it is typed: both ends count, as in HTTP.

use std::ops::Range;
use std::str::FromStr;

/// `FROM-TO`, `FROM-` or `-N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// From the first to the second, both included; to the end if there is none.
    From(u64, Option<u64>),
    /// The last so many.
    Last(u64),
}

impl Span {
    /// The bytes of an object of this length, half open. As in HTTP, an end beyond the object is the object's; `None` if the range
    /// begins behind it.
    pub(crate) fn within(self, len: u64) -> Option<Range<u64>> {
        match self {
            Span::From(from, _) if from >= len => None,
            Span::From(from, to) => Some(from..to.map_or(len, |to| len.min(to.saturating_add(1)))),
            Span::Last(_) if len == 0 => None,
            Span::Last(count) => Some(len.saturating_sub(count)..len),
        }
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Span::From(from, Some(to)) => write!(f, "{from}-{to}"),
            Span::From(from, None) => write!(f, "{from}-"),
            Span::Last(count) => write!(f, "-{count}"),
        }
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let wrong = || format!("`{text}` is no range; write 0-99 (100 bytes), 100- or -50 (the last 50)");
        // `parse` would take a plus sign.
        let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let number = |text: &str| {
            Some(text)
                .filter(digits)
                .and_then(|text| text.parse::<u64>().ok())
                .ok_or_else(wrong)
        };
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        match (from, to) {
            ("", count) => match number(count)? {
                0 => Err(wrong()),
                count => Ok(Span::Last(count)),
            },
            (from, "") => Ok(Span::From(number(from)?, None)),
            (from, to) => match (number(from)?, number(to)?) {
                (from, to) if from <= to => Ok(Span::From(from, Some(to))),
                _ => Err(format!("`{text}` ends before it begins")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_count_and_the_end_is_the_objects() {
        for (text, len, range) in [
            ("0-0", 10, Some(0..1)),
            ("2-4", 10, Some(2..5)),
            ("2-99", 10, Some(2..10)),
            ("5-", 10, Some(5..10)),
            ("10-", 10, None),
            ("-3", 10, Some(7..10)),
            ("-30", 10, Some(0..10)),
            ("-3", 0, None),
            ("0-18446744073709551615", 10, Some(0..10)),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.within(len), range, "{text} of {len}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for bad in [
            "",
            "-",
            "5",
            "4-2",
            "-0",
            "a-b",
            "1-2-3",
            "18446744073709551616-",
            "+1-2",
            "0x1-",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
