//! How numbers look to a person: sizes in powers of 1024, rates, spans and moments.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// `0 B`, `1023 B`, `1.0 KiB`, `48.1 GiB`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64, 0);
    // What would round to 1024.0 is 1.0 of the next unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Bytes in so much time, as `94.7 MiB/s`; `-` if no time passed.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "three digits are shown, and rates are far below 2^64"
)]
pub(crate) fn rate(bytes: u64, time: Duration) -> String {
    if time.is_zero() {
        return "-".to_owned();
    }
    format!("{}/s", size((bytes as f64 / time.as_secs_f64()) as u64))
}

/// `0.21 s`, `14 s`, `3 min 5 s`, `2 h 10 min`.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.2} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ if seconds % 3600 < 60 => format!("{} h", seconds / 3600),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// So many seconds before now: `just now`, `5 min ago`, `3 h ago`, `12 days ago`.
pub(crate) fn ago(seconds: i64) -> String {
    const HOUR: i64 = 3600;
    match seconds {
        ..60 => "just now".to_owned(),
        60..HOUR => format!("{} min ago", seconds / 60),
        HOUR..172_800 => format!("{} h ago", seconds / HOUR),
        _ => format!("{} days ago", seconds / (24 * HOUR)),
    }
}

/// `1 object`, `2 objects`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

/// Nanoseconds since 1970 in the local time zone, for tables.
pub(crate) fn local(nanos: i64) -> String {
    moment(nanos).map_or_else(
        || "-".to_owned(),
        |at| {
            at.to_zoned(TimeZone::system())
                .strftime("%Y-%m-%d %H:%M %Z")
                .to_string()
        },
    )
}

/// Nanoseconds since 1970 as RFC 3339 in UTC, for JSON.
pub(crate) fn rfc3339(nanos: i64) -> String {
    moment(nanos).map_or_else(String::new, |at| at.to_string())
}

fn moment(nanos: i64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(nanos)).ok()
}

/// A size as `rclone` and people write it: `10M`, `10 MiB`, `1.5G`, `500`; a single letter is a power of 1024.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let spelt = match trimmed.chars().last() {
        Some(letter @ ('k' | 'K' | 'm' | 'M' | 'g' | 'G' | 't' | 'T')) => {
            format!(
                "{} {}iB",
                &trimmed[..trimmed.len() - 1].trim(),
                letter.to_ascii_uppercase()
            )
        }
        Some('0'..='9') => format!("{trimmed} B"),
        _ => trimmed.to_owned(),
    };
    let size: crate::cloud_set::quantity::Size = spelt.parse().map_err(|_| wanted(text))?;
    match size.bytes() {
        0 => Err(wanted(text)),
        bytes => Ok(bytes),
    }
}

/// A part of a whole, as `5%` or `0.5 %`, in millionths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is between 0 and 100 million"
)]
pub(crate) fn parse_share(text: &str) -> Result<u32, String> {
    let number = text.trim().strip_suffix('%').map(str::trim);
    let percent: Option<f64> = number.and_then(|number| number.parse().ok());
    match percent {
        Some(percent) if percent > 0.0 && percent <= 100.0 => Ok((percent * 10_000.0).ceil() as u32),
        _ => Err(format!("`{text}` is no part; write 5% or 0.5%, at most 100%")),
    }
}

fn wanted(text: &str) -> String {
    format!("`{text}` is no size above 0; write 500K, 10M or 1.5GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024_and_never_show_1024() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (64 << 20, "64.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn spans_have_the_unit_that_fits() {
        for (millis, shown) in [
            (210, "0.21 s"),
            (14_200, "14 s"),
            (185_000, "3 min 5 s"),
            (3_600_000, "1 h"),
            (7_800_000, "2 h 10 min"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), shown);
        }
    }

    #[test]
    fn what_was_is_told_in_the_unit_that_fits() {
        for (seconds, told) in [
            (-5, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (7199, "1 h ago"),
            (172_799, "47 h ago"),
            (172_800, "2 days ago"),
        ] {
            assert_eq!(ago(seconds), told);
        }
    }

    #[test]
    fn a_letter_is_a_power_of_1024() {
        assert_eq!(parse_size("10M"), Ok(10 << 20));
        assert_eq!(parse_size("1.5 GiB"), Ok(3 << 29));
        assert_eq!(parse_size("500"), Ok(500));
        assert_eq!(parse_size("1 MB"), Ok(1_000_000));
        for bad in ["", "0", "-1", "ten", "10X", "M"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_part_is_above_nothing_and_at_most_the_whole() {
        for (text, millionths) in [("5%", 50_000), ("0.5 %", 5_000), ("100%", 1_000_000), ("0.00001%", 1)] {
            assert_eq!(parse_share(text), Ok(millionths));
        }
        for bad in ["5", "0%", "-1%", "101%", "%", "nan%"] {
            assert!(parse_share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn moments_in_json_are_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_500_000_000), "1970-01-01T00:00:01.5Z");
    }
}
