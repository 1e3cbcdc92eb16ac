//! Drafts hold what the source gave, and weaving while reading gives the same bytes as weaving after it.

use proptest::prelude::*;

use super::super::source::Ahead;
use super::*;
use crate::fragment::id::{ExtentId, Kind};
use crate::fragment::secret::SetSecret;

fn ramp(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).expect("below 251")).collect()
}

fn layout(k: u16, chunk_len: u32, overhead: u32) -> Layout {
    let frame = u64::from(chunk_len) + TAG_LEN;
    Layout {
        k,
        n: k + 2,
        chunk_len,
        overhead,
        header_len: 512,
        fragment_len: 512 + 3 * frame + 5,
    }
}

/// The payload as the chunks hold it, stripe by stripe, by the shape's own arithmetic.
fn read_back(mut draft: Draft) -> Vec<u8> {
    let shape = draft.lay_out();
    let mut bytes = Vec::new();
    for stripe in 0..shape.stripes() {
        let at = index(shape.frame_offset(draft.layout.header_len, stripe));
        for slab in &draft.slabs {
            bytes.extend_from_slice(&slab[at..at + shape.plain_len(stripe) as usize]);
        }
    }
    assert!(
        bytes[index(shape.payload_len)..].iter().all(|b| *b == 0),
        "filled up with zero bytes"
    );
    bytes.truncate(index(shape.payload_len));
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Whatever the hint said, extents hold the source's bytes in order, each full but the last.
    #[test]
    fn extents_hold_what_the_source_gave(
        k in 1_u16..6, chunk_len in 20_u32..60, sealed: bool, len in 0_usize..2500, hint in proptest::option::of(0_u64..2600),
    ) {
        let (data, pool) = (ramp(len), Pool::default());
        let layout = layout(k, chunk_len, if sealed { 16 } else { 0 });
        let mut source = Ahead::new(data.as_slice());
        let mut got = Vec::new();
        loop {
            let mut draft = Draft::new(&pool, layout, hint);
            draft.fill(&mut source).expect("a slice can be read");
            let (filled, ended) = (draft.filled(), source.ended().expect("a slice can be read"));
            prop_assert!(ended || filled > 0, "makes progress");
            got.extend(read_back(draft));
            if ended { break; }
        }
        prop_assert_eq!(got, data);
    }
}

#[test]
fn an_empty_source_makes_an_extent_without_stripes() {
    let mut draft = Draft::new(&Pool::default(), layout(4, 64, 16), Some(0));
    assert!(draft.fill(&mut std::io::empty()).unwrap());
    assert_eq!(draft.lay_out().stripes(), 0);
}

#[test]
fn a_small_hint_takes_little_memory() {
    let draft = Draft::new(&Pool::default(), layout(4, 1 << 16, 16), Some(10));
    assert_eq!(draft.slabs[0].len(), 512 + 3 + 16 + 32);
}

/// The fragments of each extent, filled first and woven after that: the plain way.
fn woven_after(layout: Layout, extent: &Extent, data: &[u8], hint: Option<u64>) -> Vec<Vec<Vec<u8>>> {
    drafts(data, |pool, source| {
        let mut draft = Draft::new(pool, layout, hint);
        draft.fill(source).expect("a slice can be read");
        frames_of(draft, layout, extent)
    })
}

/// The same, woven on the way.
fn woven_meanwhile(
    layout: Layout,
    extent: &Extent,
    data: &[u8],
    hint: Option<u64>,
    threads: usize,
) -> Vec<Vec<Vec<u8>>> {
    drafts(data, |pool, source| {
        let code = Code::new(layout.k.into(), layout.n.into()).expect("a small code");
        let draft = Draft::on_the_loom(pool, layout, hint, &keys(), &code, extent);
        let mut draft = draft.expect("the only key");
        draft.fill_and_weave(source, threads).expect("a slice can be read");
        frames_of(draft, layout, extent)
    })
}

fn drafts(data: &[u8], one: impl Fn(&Pool, &mut Ahead<&[u8]>) -> Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
    let (pool, mut source, mut all) = (Pool::default(), Ahead::new(data), Vec::new());
    loop {
        all.push(one(&pool, &mut source));
        if source.ended().expect("a slice can be read") {
            return all;
        }
    }
}

fn frames_of(draft: Draft, layout: Layout, extent: &Extent) -> Vec<Vec<u8>> {
    let code = Code::new(layout.k.into(), layout.n.into()).expect("a small code");
    let frames = draft.finish(&keys(), &code, &Pool::default(), extent);
    let frames = frames.expect("this machine codes well");
    let range = usize::from(layout.header_len)..index(frames.shape.fragment_len(layout.header_len));
    let mut all: Vec<Vec<u8>> = frames.slabs.iter().map(|slab| slab[range.clone()].to_vec()).collect();
    all.push(frames.digest.to_vec());
    all
}

fn keys() -> Keys {
    Keys::new(&SetSecret::new([3; 32]))
}

fn extent(layout: Layout, sealed: bool) -> Extent {
    Extent {
        id: ExtentId([5; 16]),
        group: crate::fragment::id::Group([6; 16]),
        generation: crate::fragment::id::Generation::default(),
        kind: Kind::Part,
        key_id: keys().newest(),
        sealed,
        shape: layout.shape(0),
        quorum: layout.n,
        header_len: layout.header_len,
        salt: [7; 32],
        digest: [0; 32],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Whether the length was known or not, and however many threads take turns: the same bytes as one after the other.
    #[test]
    fn weaving_while_reading_gives_the_same_fragments(
        k in 1_u16..6, chunk_len in 20_u32..60, sealed: bool, len in 0_usize..2500, hint in proptest::option::of(0_u64..2600), threads in 1_usize..4,
    ) {
        let (data, layout) = (ramp(len), layout(k, chunk_len, if sealed { 16 } else { 0 }));
        let extent = extent(layout, sealed);
        prop_assert_eq!(
            woven_meanwhile(layout, &extent, &data, hint, threads),
            woven_after(layout, &extent, &data, hint)
        );
    }
}

#[test]
fn a_source_that_breaks_off_ends_the_draft_with_its_error() {
    struct Broken(usize);
    impl Read for Broken {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let some = self.0.min(into.len());
            self.0 -= some;
            if some == 0 {
                Err(io::Error::other("gone"))
            } else {
                Ok(some)
            }
        }
    }
    let layout = layout(2, 40, 16);
    let code = Code::new(2, 4).unwrap();
    let draft = Draft::on_the_loom(&Pool::default(), layout, None, &keys(), &code, &extent(layout, true));
    let failed = draft.unwrap().fill_and_weave(&mut Broken(100), 3).unwrap_err();
    assert_eq!(failed.to_string(), "gone");
}
