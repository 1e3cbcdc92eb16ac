//! Which stripes, and which bytes of which data chunks, a range of payload needs.
//!
//! ```text
//! range               |~~~~~~~~~~~~~~~~~~~~~~~|
//! stripes    |---- 3 ----|---- 4 ----|---- 5 ----|         window 3..6
//! stripe 3   |   |   |  ~|~~~|                             needs: the end of chunk 2, all of chunk 3
//! ```

use std::ops::Range;

use super::geometry::Shape;

/// A part of one data chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Which data chunk, 0..k.
    pub chunk: u16,
    /// Which of its plain bytes; never empty.
    pub plain: Range<u32>,
}

impl Shape {
    /// The stripes that carry a range of payload bytes; an empty range has none.
    ///
    /// # Panics
    /// If the range ends before it begins or after the payload.
    pub fn window(&self, payload: &Range<u64>) -> Range<u64> {
        assert!(
            payload.start <= payload.end && payload.end <= self.payload_len,
            "{payload:?} of {}",
            self.payload_len
        );
        let start = payload.start / self.stripe_cap();
        if payload.is_empty() {
            start..start
        } else {
            start..payload.end.div_ceil(self.stripe_cap())
        }
    }

    /// Where the frames of a window of stripes lie in each fragment.
    ///
    /// # Panics
    /// If there are no such stripes.
    pub fn frames(&self, header_len: u16, window: &Range<u64>) -> Range<u64> {
        self.frame_offset(header_len, window.start)..self.frame_offset(header_len, window.end)
    }

    /// What a range of payload bytes needs of one stripe, by chunk; joined over a window it is the range, byte for byte and in order.
    ///
    /// # Panics
    /// If there is no such stripe.
    pub fn needs(&self, stripe: u64, payload: &Range<u64>) -> impl Iterator<Item = Need> + use<> {
        let (shape, payload) = (*self, payload.clone());
        assert!(stripe < shape.stripes(), "stripe {stripe} of {}", shape.stripes());
        (0..shape.k).filter_map(move |chunk| {
            let carried = shape.chunk_payload(stripe, chunk);
            let wanted = carried.start.max(payload.start)..carried.end.min(payload.end);
            let at = |byte: u64| u32::try_from(byte - carried.start).expect("a chunk is at most 4 MiB long");
            (!wanted.is_empty()).then(|| Need {
                chunk,
                plain: at(wanted.start)..at(wanted.end),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::geometry::tests::{places, shapes};
    use super::*;

    #[test]
    fn a_range_inside_one_chunk_needs_one_chunk() {
        let shape = Shape {
            k: 4,
            n: 6,
            chunk_len: 100,
            overhead: 16,
            payload_len: 2000,
        };
        let range = 84 * 6 + 10..84 * 6 + 20;
        assert_eq!(shape.window(&range), 1..2);
        assert_eq!(
            shape.needs(1, &range).collect::<Vec<_>>(),
            [Need {
                chunk: 2,
                plain: 10..20
            }]
        );
        assert_eq!(shape.frames(512, &(1..2)), 512 + 132..512 + 264);
    }

    #[test]
    fn an_empty_range_needs_nothing() {
        let shape = Shape {
            k: 4,
            n: 6,
            chunk_len: 100,
            overhead: 16,
            payload_len: 336,
        };
        for at in [0, 5, 336] {
            assert!(shape.window(&(at..at)).is_empty());
        }
        assert_eq!(shape.needs(0, &(5..5)).count(), 0);
    }

    #[test]
    #[should_panic(expected = "1..12 of 11")]
    fn a_range_past_the_end_is_a_mistake() {
        let _ = Shape {
            k: 1,
            n: 2,
            chunk_len: 4,
            overhead: 0,
            payload_len: 11,
        }
        .window(&(1..12));
    }

    proptest! {
        #[test]
        fn what_a_range_needs_is_what_the_naive_map_says(shape in shapes(), from in 0..700_u64, len in 0..700_u64) {
            let start = from.min(shape.payload_len);
            let range = start..(start + len).min(shape.payload_len);
            let mut found = Vec::new();
            for stripe in shape.window(&range) {
                let before = found.len();
                for need in shape.needs(stripe, &range) {
                    prop_assert!(need.chunk < shape.k && need.plain.end <= shape.plain_len(stripe));
                    found.extend(need.plain.map(|at| (stripe, need.chunk, at)));
                }
                prop_assert!(found.len() > before, "stripe {} is in the window for nothing", stripe);
            }
            let naive = places(&shape);
            let (start, end) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
            prop_assert_eq!(&found[..], &naive[start..end]);
        }
    }
}
