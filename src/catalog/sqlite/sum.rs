//! The checksum of a row: 64 bits of BLAKE3 over its fields and over the ids that its numbers stand for.
//!
//! It is no defence against somebody who can write the file; it finds the flipped bit that the engine's own structure doesn't show.

/// A row being summed up.
pub(super) struct Sum(blake3::Hasher);

impl Sum {
    /// Begins a row of `table`; the name keeps rows of different tables apart.
    pub(super) fn of(table: &str) -> Sum {
        Sum(blake3::Hasher::new()).bytes(table.as_bytes())
    }

    /// Adds a field of any length.
    pub(super) fn bytes(mut self, field: &[u8]) -> Sum {
        let len = u64::try_from(field.len()).expect("a length fits in 64 bits");
        self.0.update(&len.to_le_bytes()).update(field);
        self
    }

    /// Adds a number.
    pub(super) fn int(mut self, field: i64) -> Sum {
        self.0.update(&field.to_le_bytes());
        self
    }

    /// Adds a number that may be absent.
    pub(super) fn maybe(self, field: Option<i64>) -> Sum {
        match field {
            Some(number) => self.int(1).int(number),
            None => self.int(0),
        }
    }

    /// The sum as it is stored.
    pub(super) fn finish(self) -> i64 {
        let hash = self.0.finalize();
        let head = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
        i64::from_le_bytes(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_run_into_each_other() {
        let left = Sum::of("t").bytes(b"ab").bytes(b"c").finish();
        let right = Sum::of("t").bytes(b"a").bytes(b"bc").finish();
        assert_ne!(left, right);
        assert_ne!(Sum::of("t").maybe(None).finish(), Sum::of("t").maybe(Some(0)).finish());
        assert_ne!(Sum::of("t").int(1).finish(), Sum::of("u").int(1).finish());
    }
}
