//! How RAIC's values stand in columns, and how columns are read as bytes that may be wrong.

use rusqlite::Row;
use rusqlite::types::FromSql;

use crate::catalog::record::{Condition, FragmentState, MemberState};
use crate::fragment::id::{Generation, Kind, WriterId};

use super::fault::{Done, Fault};

/// One column of a row.
pub(super) fn get<T: FromSql>(row: &Row<'_>, column: usize) -> Done<T> {
    Ok(row.get(column)?)
}

/// A column that holds a number of a narrower type; `what` names it in the error.
pub(super) fn number<T: TryFrom<i64>>(row: &Row<'_>, column: usize, what: &str) -> Done<T> {
    let stored: i64 = get(row, column)?;
    T::try_from(stored).map_err(|_| Fault::Damaged(format!("{what} is {stored}")))
}

/// A number for a column.
pub(super) fn stored(number: u64, what: &str) -> Done<i64> {
    i64::try_from(number).map_err(|_| Fault::rule(format!("{what} is {number}, the catalog holds up to 2^63 - 1")))
}

/// The highest number that a column holds, for bounds that may be above it.
pub(super) fn at_most(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A copy number, turned so that signed order is its order.
pub(super) fn copy(copy: u64) -> i64 {
    (copy ^ (1 << 63)).cast_signed()
}

/// The inverse of [`copy`].
pub(super) fn copy_back(stored: i64) -> u64 {
    stored.cast_unsigned() ^ (1 << 63)
}

/// A generation, each part big-endian, so that byte order is its order.
pub(super) fn generation(generation: Generation) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&generation.epoch.to_be_bytes());
    bytes[8..16].copy_from_slice(&generation.sequence.to_be_bytes());
    bytes[16..].copy_from_slice(&generation.writer.0);
    bytes
}

/// The inverse of [`generation`].
pub(super) fn generation_back(bytes: &[u8; 32]) -> Generation {
    let (epoch, rest) = bytes.split_first_chunk::<8>().expect("32 bytes hold 8");
    let (sequence, writer) = rest.split_first_chunk::<8>().expect("24 bytes hold 8");
    Generation {
        epoch: u64::from_be_bytes(*epoch),
        sequence: u64::from_be_bytes(*sequence),
        writer: WriterId(writer.try_into().expect("16 bytes are left")),
    }
}

/// A generation in a column.
pub(super) fn get_generation(row: &Row<'_>, column: usize) -> Done<Generation> {
    Ok(generation_back(&get(row, column)?))
}

/// A name in a column.
pub(super) fn get_name(row: &Row<'_>, column: usize) -> Done<String> {
    String::from_utf8(get(row, column)?).map_err(|_| Fault::Damaged("a name is not UTF-8".to_owned()))
}

/// A kind in a column.
pub(super) fn get_kind(row: &Row<'_>, column: usize) -> Done<Kind> {
    let stored = number(row, column, "a kind")?;
    Kind::from_number(stored).ok_or_else(|| Fault::Damaged(format!("a kind is {stored}")))
}

/// The state of a fragment in a column.
pub(super) fn get_state(row: &Row<'_>, column: usize) -> Done<FragmentState> {
    let stored: u8 = number(row, column, "the state of a fragment")?;
    FragmentState::from_number(stored).ok_or_else(|| Fault::Damaged(format!("the state of a fragment is {stored}")))
}

/// The state of a member in a column.
pub(super) fn get_member_state(row: &Row<'_>, column: usize) -> Done<MemberState> {
    let stored: u8 = number(row, column, "the state of a member")?;
    MemberState::from_number(stored).ok_or_else(|| Fault::Damaged(format!("the state of a member is {stored}")))
}

/// A condition as its two columns.
pub(super) fn condition(condition: Condition) -> (i64, Option<[u8; 32]>) {
    match condition {
        Condition::Any => (0, None),
        Condition::Absent => (1, None),
        Condition::Is(expected) => (2, Some(generation(expected))),
    }
}

/// The condition in columns `column` and the next.
pub(super) fn get_condition(row: &Row<'_>, column: usize) -> Done<Condition> {
    let expected: Option<[u8; 32]> = get(row, column + 1)?;
    match (get::<i64>(row, column)?, expected) {
        (0, None) => Ok(Condition::Any),
        (1, None) => Ok(Condition::Absent),
        (2, Some(expected)) => Ok(Condition::Is(generation_back(&expected))),
        (number, _) => Err(Fault::Damaged(format!("a condition is {number}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_and_copies_keep_their_order() {
        let low = Generation {
            epoch: 1,
            sequence: u64::MAX,
            writer: WriterId([9; 16]),
        };
        let high = Generation {
            epoch: 256,
            sequence: 0,
            writer: WriterId([0; 16]),
        };
        assert!(low < high && generation(low) < generation(high));
        assert_eq!(generation_back(&generation(low)), low);
        assert!(copy(0) < copy(1) && copy(u64::MAX >> 1) < copy(1 << 63) && copy(1 << 63) < copy(u64::MAX));
        assert_eq!([0, 7, u64::MAX].map(|number| copy_back(copy(number))), [0, 7, u64::MAX]);
    }
}
