//! How the catalog's facts stand in checkpoints and journals: field after field, the layout of `docs/format.md` 10.
//!
//! Numbers are little-endian and of fixed width, a text or list has its length ahead in 4 bytes, what may be absent a byte 0 or 1. A list is read one
//! entry at a time, so a count that lies costs no more memory than there are bytes.

#![deny(clippy::indexing_slicing)]

use super::ledger::{Advisory, Entry, Lease, ShareKey};
use super::record::{
    Commit, Condition, Debt, EpochRow, Extent, Found, Fragment, FragmentState, Intent, Member, MemberState, Place,
    Version, Waiting,
};
use crate::fragment::cursor::Cursor;
use crate::fragment::id::{ExtentId, Generation, Group, Kind, ProviderId, SetId, WriterId};
use crate::stripe::geometry::Shape;

/// A value with a place in the layout.
pub(super) trait Wire: Sized {
    /// Adds its bytes.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads it; `None` if the bytes end before, or are none that [`Wire::put`] writes.
    fn get(bytes: &mut Cursor<'_>) -> Option<Self>;
}

/// Reads a value that fills the bytes.
pub(super) fn get_all<T: Wire>(bytes: &[u8]) -> Option<T> {
    let mut cursor = Cursor::new(bytes);
    let value = T::get(&mut cursor)?;
    cursor.rest().is_empty().then_some(value)
}

/// The bytes of a value.
pub(super) fn bytes_of(value: &impl Wire) -> Vec<u8> {
    let mut out = Vec::new();
    value.put(&mut out);
    out
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn get(bytes: &mut Cursor<'_>) -> Option<$type> {
                bytes.array().map(<$type>::from_le_bytes)
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, i64);

macro_rules! ids {
    ($($type:ident),*) => {$(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }
            fn get(bytes: &mut Cursor<'_>) -> Option<$type> {
                Wire::get(bytes).map($type)
            }
        }
    )*};
}

ids!(ExtentId, Group, ProviderId, SetId, WriterId);

/// Fields in the order in which they stand.
macro_rules! fields {
    ($($type:ident { $($field:ident),* $(,)? })*) => {$(
        impl $crate::catalog::wire::Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                $($crate::catalog::wire::Wire::put(&self.$field, out);)*
            }
            fn get(bytes: &mut $crate::fragment::cursor::Cursor<'_>) -> Option<$type> {
                Some($type { $($field: $crate::catalog::wire::Wire::get(bytes)?),* })
            }
        }
    )*};
}

/// An enum whose variants have a number, one byte, with their fields behind it.
macro_rules! numbered {
    ($(#[$doc:meta])* pub enum $name:ident {
        $($(#[$of:meta])* $number:literal $variant:ident $({ $($(#[$field_of:meta])* $field:ident: $type:ty),* $(,)? })?,)*
    }) => {
        $(#[$doc])*
        pub enum $name {
            $($(#[$of])* $variant $({ $($(#[$field_of])* $field: $type),* })?,)*
        }

        impl $crate::catalog::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $($name::$variant $({ $($field),* })? => {
                        out.push($number);
                        $($($crate::catalog::wire::Wire::put($field, out);)*)?
                    })*
                }
            }

            fn get(bytes: &mut $crate::fragment::cursor::Cursor<'_>) -> Option<$name> {
                Some(match bytes.u8()? {
                    $($number => $name::$variant $({ $($field: $crate::catalog::wire::Wire::get(bytes)?),* })?,)*
                    _ => return None,
                })
            }
        }
    };
}

pub(super) use fields;
pub(super) use numbered;

fields! {
    Shape { k, n, chunk_len, overhead, payload_len }
    Extent { id, group, generation, kind, key_id, sealed, shape, quorum, header_len, salt, digest }
    Fragment { extent, index, copy, provider, state }
    Version { name, generation, kind, root, len, modified, policy, digest }
    Place { extent, offset, len }
    Intent { name, policy, condition, extent, fragments }
    Commit { version, condition, places, others, digests, fragments, now, doom_at }
    Found { version, places, others, extents }
    Waiting { name, generation }
    Debt { name, extent, since }
    EpochRow { epoch, writer, last_sequence }
    Member { id, name, weight, state, since }
    ShareKey { mutable, index, number }
    Lease { share, renew, cancel, renewed, expires }
    Advisory { share, reason, at }
}

impl Wire for Entry {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Entry::Keep(lease) => {
                out.push(0);
                lease.put(out);
            }
            Entry::Forget(share) => {
                out.push(1);
                share.put(out);
            }
        }
    }
    fn get(bytes: &mut Cursor<'_>) -> Option<Entry> {
        Some(match bytes.u8()? {
            0 => Entry::Keep(Wire::get(bytes)?),
            1 => Entry::Forget(Wire::get(bytes)?),
            _ => return None,
        })
    }
}

impl<const N: usize> Wire for [u8; N] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn get(bytes: &mut Cursor<'_>) -> Option<[u8; N]> {
        bytes.array()
    }
}

impl Wire for Generation {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }
    fn get(bytes: &mut Cursor<'_>) -> Option<Generation> {
        bytes.generation()
    }
}

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn get(bytes: &mut Cursor<'_>) -> Option<bool> {
        match bytes.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

/// A number that is one: no infinity, and none of the many that are no number.
impl Wire for f64 {
    fn put(&self, out: &mut Vec<u8>) {
        self.to_bits().put(out);
    }
    fn get(bytes: &mut Cursor<'_>) -> Option<f64> {
        bytes.u64().map(f64::from_bits).filter(|number| number.is_finite())
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_len(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }
    fn get(bytes: &mut Cursor<'_>) -> Option<String> {
        let len = usize::try_from(bytes.u32()?).ok()?;
        str::from_utf8(bytes.take(len)?).ok().map(str::to_owned)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_len(self.len(), out);
        for entry in self {
            entry.put(out);
        }
    }
    fn get(bytes: &mut Cursor<'_>) -> Option<Vec<T>> {
        let count = bytes.u32()?;
        (0..count).map(|_| T::get(bytes)).collect()
    }
}

fn put_len(len: usize, out: &mut Vec<u8>) {
    u32::try_from(len)
        .expect("a list of the catalog is below 2^32 entries")
        .put(out);
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn get(bytes: &mut Cursor<'_>) -> Option<Option<T>> {
        if bool::get(bytes)? {
            T::get(bytes).map(Some)
        } else {
            Some(None)
        }
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn get(bytes: &mut Cursor<'_>) -> Option<(A, B)> {
        Some((A::get(bytes)?, B::get(bytes)?))
    }
}

impl Wire for Kind {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
    fn get(bytes: &mut Cursor<'_>) -> Option<Kind> {
        Kind::from_number(bytes.u8()?)
    }
}

impl Wire for FragmentState {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
    fn get(bytes: &mut Cursor<'_>) -> Option<FragmentState> {
        FragmentState::from_number(bytes.u8()?)
    }
}

impl Wire for MemberState {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
    fn get(bytes: &mut Cursor<'_>) -> Option<MemberState> {
        MemberState::from_number(bytes.u8()?)
    }
}

impl Wire for Condition {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Condition::Any => out.push(0),
            Condition::Absent => out.push(1),
            Condition::Is(generation) => {
                out.push(2);
                generation.put(out);
            }
        }
    }
    fn get(bytes: &mut Cursor<'_>) -> Option<Condition> {
        Some(match bytes.u8()? {
            0 => Condition::Any,
            1 => Condition::Absent,
            2 => Condition::Is(Wire::get(bytes)?),
            _ => return None,
        })
    }
}
