//! Frames out of the bytes of a fragment: a run of bytes is cut at the places that the shape tells, and every chunk is checked
//! against the tag behind it before anybody sees it.
//!
//! ```text
//! bytes      |chunk of stripe 3 ‖ tag|chunk of stripe 4 ‖ tag|chunk of str
//! frames      Good(chunk)             Bad                     Short
//! ```

#![deny(clippy::indexing_slicing)]

use std::ops::Range;

use super::tag::{FrameKeys, Tag};

/// What was found where a frame should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The chunk, as it was written.
    Good(&'a [u8]),
    /// Bytes that are not this chunk with its tag.
    Bad,
    /// The bytes ended before the frame did.
    Short,
}

impl<'a> Frame<'a> {
    /// The chunk if it is good.
    pub fn good(self) -> Option<&'a [u8]> {
        match self {
            Frame::Good(chunk) => Some(chunk),
            Frame::Bad | Frame::Short => None,
        }
    }
}

/// Cuts `bytes` into the frames of fragment `index` for a window of stripes and checks each: one item a stripe, in order.
///
/// `bytes` begin at the first frame's first byte ([`crate::stripe::geometry::Shape::frames`]); what follows the last frame is not looked at.
///
/// # Panics
/// If the extent has no such stripes.
pub fn cut<'a>(
    keys: &FrameKeys,
    index: u16,
    window: Range<u64>,
    bytes: &'a [u8],
) -> impl Iterator<Item = (u64, Frame<'a>)> {
    assert!(
        window.end <= keys.shape().stripes(),
        "stripes {window:?} of {}",
        keys.shape().stripes()
    );
    let mut rest = Some(bytes);
    window.map(move |stripe| {
        let chunk_len = keys.shape().coded_len(stripe) as usize;
        let frame = rest.and_then(|bytes| take_frame(bytes, chunk_len));
        rest = frame.map(|(_, _, rest)| rest);
        let found = match frame {
            Some((chunk, tag, _)) if keys.verify(index, stripe, chunk, tag) => Frame::Good(chunk),
            Some(_) => Frame::Bad,
            None => Frame::Short,
        };
        (stripe, found)
    })
}

/// The chunk, its tag and what follows; `None` if the bytes end before.
fn take_frame(bytes: &[u8], chunk_len: usize) -> Option<(&[u8], &[u8], &[u8])> {
    let (chunk, rest) = bytes.split_at_checked(chunk_len)?;
    let (tag, rest) = rest.split_at_checked(size_of::<Tag>())?;
    Some((chunk, tag, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::id::ExtentId;
    use super::super::secret::{Keys, SetSecret};
    use super::*;
    use crate::stripe::geometry::Shape;

    /// Two full stripes and a tail of five bytes a chunk.
    const SHAPE: Shape = Shape {
        k: 2,
        n: 3,
        chunk_len: 20,
        overhead: 0,
        payload_len: 89,
    };

    fn keys() -> FrameKeys {
        let keys = Keys::new(&SetSecret::new([7; 32]));
        FrameKeys::new(&keys, 0, ExtentId([1; 16]), &[2; 32], SHAPE).unwrap()
    }

    fn chunk(stripe: u64) -> Vec<u8> {
        (0..=250)
            .cycle()
            .skip(usize::try_from(stripe).unwrap() * 20)
            .take(SHAPE.coded_len(stripe) as usize)
            .collect()
    }

    fn frames() -> Vec<u8> {
        let frame = |stripe| [chunk(stripe), keys().tag(1, stripe, &chunk(stripe)).to_vec()].concat();
        (0..SHAPE.stripes()).flat_map(frame).collect()
    }

    fn verdicts(window: Range<u64>, bytes: &[u8]) -> String {
        let letter = |(_, frame)| match frame {
            Frame::Good(_) => 'g',
            Frame::Bad => 'b',
            Frame::Short => 's',
        };
        cut(&keys(), 1, window, bytes).map(letter).collect()
    }

    #[test]
    fn good_frames_give_their_chunks() {
        let bytes = frames();
        let found: Vec<_> = cut(&keys(), 1, 0..3, &bytes).collect();
        let chunks = [chunk(0), chunk(1), chunk(2)];
        assert_eq!(
            found,
            (0..)
                .zip(chunks.iter().map(|chunk| Frame::Good(chunk)))
                .collect::<Vec<_>>()
        );
        let at = usize::try_from(SHAPE.frame_offset(0, 1)).unwrap();
        assert_eq!(verdicts(1..3, &bytes[at..]), "gg");
        assert_eq!(verdicts(2..2, &[]), "");
    }

    #[test]
    fn damage_stays_in_its_stripe_and_a_cut_takes_the_rest() {
        let mut bytes = frames();
        let len = bytes.len();
        bytes[60] ^= 1;
        assert_eq!(verdicts(0..3, &bytes), "gbg");
        assert_eq!(verdicts(0..3, &bytes[..len - 1]), "gbs");
        assert_eq!(verdicts(0..3, &bytes[..51]), "sss");
        assert_eq!(verdicts(0..3, &[]), "sss");
        assert_eq!(verdicts(1..2, &bytes), "b");
    }

    proptest! {
        #[test]
        fn any_change_is_noticed_where_it_is(at in 0..141_usize, bit in 0..8_u8, len in 0..150_usize) {
            let mut bytes = frames();
            prop_assert_eq!(bytes.len(), 141);
            bytes[at] ^= 1 << bit;
            bytes.truncate(len);
            let ends = [52, 104, 141];
            let whole = ends.iter().map(|end| if len < *end { 's' } else { 'g' }).enumerate();
            let hit = ends.iter().position(|end| at < *end);
            let expected: String = whole
                .map(|(stripe, letter)| if Some(stripe) == hit && letter == 'g' { 'b' } else { letter })
                .collect();
            prop_assert_eq!(verdicts(0..3, &bytes), expected);
        }
    }
}
