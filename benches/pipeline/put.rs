//! One extent's fragments in memory, what a put does to them, its parts, and the way without thought.

use std::hint::black_box;

use raic::catalog::record::Extent;
use raic::cipher::{ChunkCipher, SEAL_LEN};
use raic::codec::Code;
use raic::fragment::id::{ExtentId, Generation, Group, Kind, WriterId};
use raic::fragment::secret::{Keys, SetSecret};
use raic::fragment::tag::FrameKeys;
use raic::store::loom::Loom;
use raic::stripe::geometry::Shape;
use reed_solomon_erasure::galois_8::ReedSolomon;

pub(crate) const CHUNK: usize = 64 << 10;
const TAG: usize = 32;
/// A chunk and its tag.
pub(crate) const FRAME: usize = CHUNK + TAG;
/// Stripes of an extent here: 7 MiB of frames at 10+4.
pub(crate) const STRIPES: u64 = 8;

fn keys() -> Keys {
    Keys::new(&SetSecret::new([7; 32]))
}

/// One extent's fragments in memory, and all that works on them.
pub(crate) struct Extents {
    pub(crate) shape: Shape,
    pub(crate) code: Code,
    loom: Loom,
    pub(crate) extent: Extent,
    pub(crate) fragments: Vec<Vec<u8>>,
}

impl Extents {
    pub(crate) fn new(k: u16, n: u16, sealed: bool) -> Extents {
        let overhead = if sealed { SEAL_LEN } else { 0 };
        let mut shape = Shape {
            k,
            n,
            chunk_len: u32::try_from(CHUNK).expect("64 KiB"),
            overhead: u32::try_from(overhead).expect("16"),
            payload_len: 0,
        };
        shape.payload_len = STRIPES * shape.stripe_cap();
        let extent = Extent {
            id: ExtentId([1; 16]),
            group: Group([2; 16]),
            generation: Generation {
                epoch: 1,
                sequence: 1,
                writer: WriterId([3; 16]),
            },
            kind: Kind::RootData,
            key_id: 0,
            sealed,
            shape,
            quorum: k + 1,
            header_len: 0,
            salt: [4; 32],
            digest: [0; 32],
        };
        let code = Code::new(usize::from(k), usize::from(n)).expect("a small code");
        let loom = Loom::new(&keys(), &code, &extent).expect("key 0 is there");
        let mut ramp = (0..=250_u8).cycle();
        let len = usize::try_from(STRIPES).expect("few") * FRAME;
        Extents {
            shape,
            code,
            loom,
            extent,
            fragments: (0..n).map(|_| ramp.by_ref().take(len).collect()).collect(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn payload(&self) -> f64 {
        self.shape.payload_len as f64
    }

    pub(crate) fn tags(&self) -> FrameKeys {
        FrameKeys::new(&keys(), 0, self.extent.id, &self.extent.salt, self.shape).expect("key 0 is there")
    }

    pub(crate) fn cipher(&self) -> ChunkCipher {
        let cipher = keys().cipher(0, self.extent.id, &self.extent.salt);
        cipher.expect("key 0 is there")
    }

    pub(crate) fn oracle(&self) -> ReedSolomon {
        let (k, n) = (usize::from(self.shape.k), usize::from(self.shape.n));
        ReedSolomon::new(k, n - k).expect("a small code")
    }

    /// Calls `each` with the frames of every stripe.
    pub(crate) fn stripes(&mut self, mut each: impl FnMut(u64, &mut [&mut [u8]])) {
        for stripe in 0..STRIPES {
            let at = usize::try_from(stripe).expect("few") * FRAME;
            let frames = self.fragments.iter_mut().map(|fragment| &mut fragment[at..at + FRAME]);
            each(stripe, &mut frames.collect::<Vec<_>>());
        }
    }

    /// All that a put does.
    pub(crate) fn weave(&mut self) {
        let loom = self.loom.reshaped(self.shape);
        self.stripes(|stripe, frames| loom.stripe(stripe, frames).expect("this machine computes"));
    }

    /// The same, and before it each stripe is filled from a source in memory.
    pub(crate) fn weave_from(&mut self, mut payload: &[u8]) {
        let loom = self.loom.reshaped(self.shape);
        let (k, plain_len) = (usize::from(self.shape.k), CHUNK - self.shape.overhead as usize);
        self.stripes(|stripe, frames| {
            for frame in &mut frames[..k] {
                let (chunk, rest) = payload.split_at(plain_len);
                frame[..plain_len].copy_from_slice(chunk);
                payload = rest;
            }
            loom.stripe(stripe, frames).expect("this machine computes");
        });
    }

    pub(crate) fn encode(&mut self) {
        let code = self.code.clone();
        self.stripes(|_, frames| {
            let (data, parity) = frames.split_at_mut(code.k());
            let data: Vec<&[u8]> = data.iter().map(|frame| &frame[..CHUNK]).collect();
            let mut parity: Vec<&mut [u8]> = parity.iter_mut().map(|frame| &mut frame[..CHUNK]).collect();
            code.encode(&data, &mut parity);
        });
    }

    pub(crate) fn verify(&mut self) {
        let code = self.code.clone();
        self.stripes(|_, frames| {
            let all: Vec<&[u8]> = frames.iter().map(|frame| &frame[..CHUNK]).collect();
            assert!(black_box(code.verify(&all)), "what was coded verifies");
        });
    }

    /// BLAKE3 of every chunk, nothing else.
    pub(crate) fn hash(&mut self) {
        self.stripes(|_, frames| {
            for frame in frames {
                black_box(blake3::keyed_hash(&[9; 32], &frame[..CHUNK]));
            }
        });
    }

    pub(crate) fn seal(&mut self) {
        let cipher = self.cipher();
        let k = u64::from(self.shape.k);
        self.stripes(|stripe, frames| {
            for (chunk, frame) in (0..k).zip(frames) {
                cipher.seal(stripe * k + chunk, &mut frame[..CHUNK]);
            }
        });
    }

    /// The way without thought: each stripe's shards are new, coded by reed-solomon-erasure, hashed one by one, and joined to what is sent.
    pub(crate) fn plainly(&mut self, oracle: &ReedSolomon) {
        let k = usize::from(self.shape.k);
        self.stripes(|_, frames| {
            let data = frames[..k].iter().map(|frame| frame[..CHUNK].to_vec());
            let mut shards: Vec<Vec<u8>> = data.collect();
            shards.resize_with(frames.len(), || vec![0; CHUNK]);
            oracle.encode(&mut shards).expect("shards of one length");
            for mut shard in shards {
                let hash = blake3::keyed_hash(&[9; 32], &shard);
                shard.extend_from_slice(hash.as_bytes());
                black_box(&shard);
            }
        });
    }

    /// Panics if anything that a put made is not what it should be.
    pub(crate) fn check(&mut self) {
        let plain: Vec<Vec<u8>> = self.fragments.clone();
        self.weave();
        let tags = self.tags();
        let cipher = self.cipher();
        let oracle = self.oracle();
        let (k, sealed) = (self.shape.k, self.extent.sealed);
        self.stripes(|stripe, frames| {
            let at = usize::try_from(stripe).expect("few") * FRAME;
            for (index, frame) in (0..).zip(frames.iter()) {
                let (chunk, tag) = frame.split_at(CHUNK);
                assert!(tags.verify(index, stripe, chunk, tag), "tag {index} of stripe {stripe}");
                if index < k && sealed {
                    let mut opened = vec![0; CHUNK - SEAL_LEN];
                    let number = stripe * u64::from(k) + u64::from(index);
                    cipher
                        .open_into(number, chunk, &mut opened)
                        .expect("what was sealed opens");
                    assert!(opened == plain[usize::from(index)][at..at + CHUNK - SEAL_LEN]);
                } else if index < k {
                    assert!(*chunk == plain[usize::from(index)][at..at + CHUNK]);
                }
            }
            let chunks: Vec<&[u8]> = frames.iter().map(|frame| &frame[..CHUNK]).collect();
            assert!(
                oracle.verify(&chunks).expect("shards of one length"),
                "the parity is another's"
            );
        });
    }
}
