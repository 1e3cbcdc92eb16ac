//! Byte ranges: what a client asks for, where it writes, and which bytes of an unfinished share are there.

use std::ops::Range;

/// A header that is no range this protocol has: 416.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRange;

/// The one range of a `Range` header, `bytes=A-B` with both ends included, as first and byte after the last.
pub fn asked(header: &str) -> Result<Range<u64>, BadRange> {
    let (first, last) = header
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .ok_or(BadRange)?;
    between(first, last)
}

/// The place of a `Content-Range` header, `bytes A-B/*` or `bytes A-B/TOTAL`; the total says nothing here.
pub fn placed(header: &str) -> Result<Range<u64>, BadRange> {
    let (range, total) = header
        .strip_prefix("bytes ")
        .and_then(|range| range.split_once('/'))
        .ok_or(BadRange)?;
    if total != "*" {
        plain(total)?;
    }
    let (first, last) = range.split_once('-').ok_or(BadRange)?;
    between(first, last)
}

fn between(first: &str, last: &str) -> Result<Range<u64>, BadRange> {
    let (first, last) = (plain(first)?, plain(last)?);
    match last.checked_add(1) {
        Some(end) if first <= last => Ok(first..end),
        _ => Err(BadRange),
    }
}

fn plain(text: &str) -> Result<u64, BadRange> {
    let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or(BadRange)
}

/// Which bytes are there: ranges in order that neither touch nor overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filled(Vec<Range<u64>>);

impl Filled {
    /// Adds a range; one that is there already changes nothing.
    pub fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let from = self.0.partition_point(|have| have.end < range.start);
        let to = self.0.partition_point(|have| have.start <= range.end);
        let joined = self.0[from..to]
            .iter()
            .fold(range, |all, have| all.start.min(have.start)..all.end.max(have.end));
        self.0.splice(from..to, [joined]);
    }

    /// How many bytes are there without a gap from the first on.
    #[must_use]
    pub fn prefix(&self) -> u64 {
        self.0
            .first()
            .filter(|first| first.start == 0)
            .map_or(0, |first| first.end)
    }

    /// The gaps below `len`, in order.
    #[must_use]
    pub fn gaps(&self, len: u64) -> Vec<Range<u64>> {
        self.split(0..len)
            .into_iter()
            .filter(|(_, there)| !there)
            .map(|(range, _)| range)
            .collect()
    }

    /// A range in pieces, each with whether its bytes are there.
    #[must_use]
    pub fn split(&self, range: Range<u64>) -> Vec<(Range<u64>, bool)> {
        let (mut pieces, mut at) = (Vec::new(), range.start);
        let mut push = |piece: Range<u64>, there: bool| {
            if !piece.is_empty() {
                pieces.push((piece, there));
            }
        };
        let from = self.0.partition_point(|have| have.end <= range.start);
        for have in self.0[from..].iter().take_while(|have| have.start < range.end) {
            push(at..have.start.max(at), false);
            push(have.start.max(at)..have.end.min(range.end), true);
            at = have.end.min(range.end);
        }
        push(at..range.end, false);
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_closed_range_is_read_and_nothing_else() {
        assert_eq!(asked("bytes=0-0"), Ok(0..1));
        assert_eq!(asked("bytes=5-9"), Ok(5..10));
        for bad in [
            "bytes=5-",
            "bytes=-5",
            "bytes=0-1,3-4",
            "bytes=9-5",
            "lines=0-1",
            "bytes 0-1",
            "",
            "bytes=0-18446744073709551615",
            "bytes=+0-1",
            "bytes= 0-1",
        ] {
            assert_eq!(asked(bad), Err(BadRange), "{bad}");
        }
        assert_eq!(placed("bytes 2-3/*"), Ok(2..4));
        assert_eq!(placed("bytes 2-3/10"), Ok(2..4));
        for bad in [
            "bytes */10",
            "bytes 2-3",
            "bytes 3-2/*",
            "bytes 2-3/x",
            "bytes=2-3/*",
            "bytes 2-/*",
        ] {
            assert_eq!(placed(bad), Err(BadRange), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn filled_bytes_are_those_of_a_plain_set(adds in prop::collection::vec((0_u64..60, 0_u64..12), 0..12), ask in 0_u64..70, len in 0_u64..20) {
            let (mut filled, mut naive) = (Filled::default(), [false; 100]);
            for (at, len) in adds {
                filled.add(at..at + len);
                for byte in at..at + len {
                    naive[usize::try_from(byte).unwrap()] = true;
                }
            }
            prop_assert!(filled.0.windows(2).all(|pair| pair[0].end < pair[1].start));
            let pieces = filled.split(ask..ask + len);
            let mut bytes = Vec::new();
            for (range, there) in pieces {
                prop_assert!(!range.is_empty());
                bytes.extend(range.map(|byte| (byte, there)));
            }
            let wanted: Vec<(u64, bool)> = (ask..ask + len).map(|byte| (byte, naive[usize::try_from(byte).unwrap()])).collect();
            prop_assert_eq!(bytes, wanted);
            let prefix = naive.iter().position(|there| !there).unwrap() as u64;
            prop_assert_eq!(filled.prefix(), prefix);
            let missing: Vec<u64> = filled.gaps(80).into_iter().flatten().collect();
            let wanted: Vec<u64> = (0..80).filter(|byte| !naive[usize::try_from(*byte).unwrap()]).collect();
            prop_assert_eq!(missing, wanted);
        }
    }
}
