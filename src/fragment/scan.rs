//! What is found on the clouds, held against what should be there: one whole fragment, or the listings of all providers.
//!
//! ```text
//! fragment   header ─▶ is it this one?    length ─▶ is it whole?    frames ─▶ which stripes are good?
//! listings   key ─▶ object ─▶ generation ─▶ extent ─▶ index ─▶ copies          what a rebuild starts from
//! ```
//!
//! Nothing is decided here: a key that is listed is not yet a fragment that reads, and one that is not listed is not yet gone.

#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use super::frame::{Frame, cut};
use super::header::{Header, HeaderError};
use super::id::{ExtentId, Generation, Group, Kind, ProviderId};
use super::key::{IDENTITY_PREFIX, Token, open_key};
use super::owner::Owner;
use super::secret::{Keys, UnknownKey};

/// What a check of one blob found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The owner's part, if the header is that of the fragment that was expected.
    pub header: Result<Owner, HeaderFault>,
    /// Bytes that the fragment should have.
    pub want: u64,
    /// Bytes there are.
    pub got: u64,
    /// Stripes whose frame is there and wrong.
    pub bad: Vec<u64>,
    /// Stripes whose frame is cut off or wholly behind the end.
    pub short: Vec<u64>,
}

/// What is wrong with a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// It can't be believed or read.
    #[error(transparent)]
    Unreadable(#[from] HeaderError),
    /// It is the true header of another fragment, or another writing of this one.
    #[error("the blob is fragment {} of extent {}, copy {:016x}", .0.index, .0.extent, .0.copy)]
    Other(Box<Header>),
}

impl Report {
    /// True if every byte is as it was written.
    pub fn is_sound(&self) -> bool {
        self.header.is_ok() && self.want == self.got && self.bad.is_empty() && self.short.is_empty()
    }
}

/// Checks a whole blob against what the catalog says of it. Frames are checked whatever became of the header: each is worth having.
///
/// # Panics
/// If `expected` can't be the header of a fragment.
pub fn check(blob: &[u8], keys: &Keys, expected: &Header) -> Result<Report, UnknownKey> {
    let frame_keys = expected.frame_keys(keys)?;
    let start = usize::from(expected.header_len);
    let frames = cut(
        &frame_keys,
        expected.index,
        0..expected.shape.stripes(),
        blob.get(start..).unwrap_or_default(),
    );
    let (mut bad, mut short) = (Vec::new(), Vec::new());
    for (stripe, frame) in frames {
        match frame {
            Frame::Good(_) => {}
            Frame::Bad => bad.push(stripe),
            Frame::Short => short.push(stripe),
        }
    }
    let header = check_header(blob, keys, expected);
    Ok(Report {
        header,
        want: expected.fragment_len(),
        got: blob.len() as u64,
        bad,
        short,
    })
}

fn check_header(blob: &[u8], keys: &Keys, expected: &Header) -> Result<Owner, HeaderFault> {
    let (header, owner) = Header::decode(blob, keys)?;
    if header == *expected {
        Ok(owner)
    } else {
        Err(HeaderFault::Other(Box::new(header)))
    }
}

/// What one line of a listing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// The key of a fragment of this set.
    Fragment,
    /// An identity or membership blob's key; of which set, only its bytes tell.
    Identity,
    /// Not ours, or not a key that this RAIC knows.
    Strange,
    /// Authentic, but it tells other counts of its extent than a key before.
    Contradiction,
}

/// The listings of all providers, grouped: what a rebuild starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skeleton {
    objects: BTreeMap<Group, BTreeMap<Generation, BTreeMap<ExtentId, Listing>>>,
}

/// One extent as listings tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What it is for.
    pub kind: Kind,
    /// Fragments that read it.
    pub k: u16,
    /// All its fragments.
    pub n: u16,
    /// Fragments confirmed before it counts.
    pub quorum: u16,
    /// Bytes of each fragment.
    pub fragment_len: u32,
    /// Where copies of each index were listed. An index is in here if there is one.
    pub copies: BTreeMap<u16, Vec<ListedCopy>>,
}

/// One blob of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedCopy {
    /// Where it is.
    pub provider: ProviderId,
    /// The copy number in its key.
    pub copy: u64,
    /// Its length as listed, where the listing has it.
    pub len: Option<u64>,
}

impl Skeleton {
    /// Nothing listed yet.
    pub fn new() -> Skeleton {
        Skeleton::default()
    }

    /// Takes one line of a provider's listing. A line that comes again changes nothing but a length that wasn't known.
    pub fn note(&mut self, keys: &Keys, provider: ProviderId, key: &str, len: Option<u64>) -> Noted {
        if key.starts_with(IDENTITY_PREFIX) {
            return Noted::Identity;
        }
        let Some((group, token)) = open_key(keys, key) else {
            return Noted::Strange;
        };
        let extents = self
            .objects
            .entry(group)
            .or_default()
            .entry(token.generation)
            .or_default();
        let listing = extents.entry(token.extent).or_insert_with(|| Listing::new(&token));
        if !listing.agrees(&token) {
            return Noted::Contradiction;
        }
        listing.add(
            token.index,
            ListedCopy {
                provider,
                copy: token.copy,
                len,
            },
        );
        Noted::Fragment
    }

    /// Every object that was listed.
    pub fn groups(&self) -> impl Iterator<Item = Group> {
        self.objects.keys().copied()
    }

    /// The extents of an object by generation, the newest first.
    pub fn generations(&self, group: Group) -> impl Iterator<Item = (Generation, &BTreeMap<ExtentId, Listing>)> {
        let generations = self.objects.get(&group).into_iter().flatten();
        generations.rev().map(|(generation, extents)| (*generation, extents))
    }
}

impl Listing {
    fn new(token: &Token) -> Listing {
        let Token {
            kind,
            k,
            n,
            quorum,
            fragment_len,
            ..
        } = *token;
        Listing {
            kind,
            k,
            n,
            quorum,
            fragment_len,
            copies: BTreeMap::new(),
        }
    }

    fn agrees(&self, token: &Token) -> bool {
        let told = (token.kind, token.k, token.n, token.quorum, token.fragment_len);
        told == (self.kind, self.k, self.n, self.quorum, self.fragment_len)
    }

    fn add(&mut self, index: u16, found: ListedCopy) {
        let copies = self.copies.entry(index).or_default();
        match copies
            .iter_mut()
            .find(|known| (known.provider, known.copy) == (found.provider, found.copy))
        {
            Some(known) => known.len = known.len.or(found.len),
            None => copies.push(found),
        }
    }

    /// Distinct indices with an authentic key.
    pub fn listed(&self) -> usize {
        self.copies.len()
    }

    /// Distinct indices of which a copy was listed at full length.
    pub fn full(&self) -> usize {
        let is_full = |found: &ListedCopy| found.len == Some(self.fragment_len.into());
        self.copies.values().filter(|copies| copies.iter().any(is_full)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::id::WriterId;
    use super::super::secret::SetSecret;
    use super::*;
    use crate::stripe::geometry::Shape;

    fn keys() -> Keys {
        Keys::new(&SetSecret::new([7; 32]))
    }

    fn header() -> Header {
        Header {
            header_len: 1024,
            kind: Kind::Part,
            sealed: false,
            shape: Shape {
                k: 2,
                n: 3,
                chunk_len: 64,
                overhead: 0,
                payload_len: 300,
            },
            quorum: 3,
            index: 1,
            key_id: 0,
            extent: ExtentId([1; 16]),
            generation: Generation {
                epoch: 2,
                sequence: 3,
                writer: WriterId([4; 16]),
            },
            copy: 5,
            group: keys().group("name"),
            salt: [6; 32],
        }
    }

    fn owner() -> Owner {
        Owner {
            ordinal: Some(9),
            ..Owner::default()
        }
    }

    fn blob(header: &Header) -> Vec<u8> {
        let mut blob = header.encode(&keys(), &owner()).unwrap();
        let frame_keys = header.frame_keys(&keys()).unwrap();
        for stripe in 0..header.shape.stripes() {
            let chunk: Vec<u8> = (0..=250)
                .cycle()
                .take(header.shape.coded_len(stripe) as usize)
                .collect();
            blob.extend_from_slice(&chunk);
            blob.extend_from_slice(&frame_keys.tag(header.index, stripe, &chunk));
        }
        blob
    }

    fn checked(blob: &[u8]) -> Report {
        check(blob, &keys(), &header()).unwrap()
    }

    #[test]
    fn a_fragment_as_it_was_written_is_sound() {
        let report = checked(&blob(&header()));
        assert!(report.is_sound());
        assert_eq!(report.header, Ok(owner()));
    }

    #[test]
    fn no_flipped_bit_and_no_other_length_is_sound() {
        let blob = blob(&header());
        for bit in 0..blob.len() * 8 {
            let mut flipped = blob.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!checked(&flipped).is_sound(), "bit {bit}");
        }
        assert!((0..blob.len()).all(|len| !checked(&blob[..len]).is_sound()));
        assert!(!checked(&[&blob[..], &[0]].concat()).is_sound());
    }

    #[test]
    fn good_stripes_are_told_from_bad_ones() {
        let mut damaged = blob(&header());
        damaged[0] ^= 1;
        damaged[1024 + 96 + 5] ^= 1;
        damaged.pop();
        let report = checked(&damaged);
        assert_eq!(report.header, Err(HeaderFault::Unreadable(HeaderError::Magic)));
        assert_eq!((report.bad, report.short), (vec![1], vec![2]));
        assert_eq!((report.got, report.want), (report.want - 1, header().fragment_len()));
    }

    #[test]
    fn another_fragment_in_its_place_is_named() {
        for other in [Header { index: 2, ..header() }, Header { copy: 6, ..header() }] {
            let report = checked(&blob(&other));
            assert_eq!(report.header, Err(HeaderFault::Other(Box::new(other))));
        }
    }

    #[test]
    fn listings_in_any_order_and_twice_make_one_skeleton() {
        let [here, there] = [ProviderId([1; 16]), ProviderId([2; 16])];
        let want = header().fragment_len();
        let newer = Header {
            generation: Generation {
                epoch: 3,
                ..header().generation
            },
            extent: ExtentId([2; 16]),
            ..header()
        };
        let lines = [
            (here, header().key(&keys()), Some(want)),
            (there, Header { index: 0, ..header() }.key(&keys()), Some(want - 1)),
            (here, Header { copy: 6, ..header() }.key(&keys()), None),
            (there, newer.key(&keys()), None),
            (there, newer.key(&keys()), Some(want)),
        ];
        let mut skeleton = Skeleton::new();
        for (provider, key, len) in lines.iter().chain(lines.iter().rev()) {
            assert_eq!(skeleton.note(&keys(), *provider, key, *len), Noted::Fragment);
        }
        assert_eq!(skeleton.groups().collect::<Vec<_>>(), [keys().group("name")]);
        let found: Vec<_> = skeleton.generations(keys().group("name")).collect();
        assert_eq!(
            found.iter().map(|(generation, _)| generation.epoch).collect::<Vec<_>>(),
            [3, 2]
        );
        let counts = |at: usize, id: u8| {
            let listing = &found[at].1[&ExtentId([id; 16])];
            (
                listing.listed(),
                listing.full(),
                listing.copies.values().map(Vec::len).sum::<usize>(),
            )
        };
        assert_eq!((counts(0, 2), counts(1, 1)), ((1, 1, 1), (2, 1, 3)));
    }

    #[test]
    fn what_is_not_a_fragments_key_changes_nothing() {
        let (mut skeleton, provider) = (Skeleton::new(), ProviderId([1; 16]));
        let stranger = Keys::new(&SetSecret::new([8; 32]));
        let key = header().key(&keys());
        assert_eq!(skeleton.note(&stranger, provider, &key, None), Noted::Strange);
        assert_eq!(skeleton.note(&keys(), provider, "identity/set", None), Noted::Identity);
        assert_eq!(skeleton, Skeleton::new());
        assert_eq!(skeleton.note(&keys(), provider, &key, None), Noted::Fragment);
        let before = skeleton.clone();
        let contradicting = Header {
            quorum: 2,
            index: 0,
            ..header()
        }
        .key(&keys());
        assert_eq!(
            skeleton.note(&keys(), provider, &contradicting, None),
            Noted::Contradiction
        );
        assert_eq!(skeleton, before);
    }
}
