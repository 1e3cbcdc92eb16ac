//! What a get does to the fragments of one extent: every frame is checked, then each chunk goes to its place in the answer, opened if it is sealed; what
//! lacks is rebuilt, straight into its place or, sealed, beside it.

use std::hint::black_box;

use raic::cipher::{ChunkCipher, SEAL_LEN};
use raic::fragment::frame::cut;
use raic::fragment::tag::FrameKeys;
use reed_solomon_erasure::galois_8::ReedSolomon;

use crate::put::{CHUNK, Extents, FRAME, STRIPES};

/// The fragments that a put made, and room for what is read of them.
pub(crate) struct Reads {
    pub(crate) put: Extents,
    tags: FrameKeys,
    cipher: ChunkCipher,
    /// The bytes that were put.
    pub(crate) plain: Vec<u8>,
    answer: Vec<u8>,
    /// Chunks that were rebuilt and are sealed still.
    rebuilt: Vec<Vec<u8>>,
}

impl Reads {
    pub(crate) fn new(k: u16, n: u16, sealed: bool) -> Reads {
        let mut put = Extents::new(k, n, sealed);
        let mut plain = Vec::new();
        put.stripes(|_, frames| {
            for frame in &frames[..usize::from(k)] {
                plain.extend_from_slice(&frame[..CHUNK - if sealed { SEAL_LEN } else { 0 }]);
            }
        });
        put.weave();
        Reads {
            tags: put.tags(),
            cipher: put.cipher(),
            answer: vec![0xa5; plain.len()],
            plain,
            rebuilt: vec![vec![0xa5; CHUNK]; usize::from(n - k)],
            put,
        }
    }

    pub(crate) fn oracle(&self) -> ReedSolomon {
        self.put.oracle()
    }

    pub(crate) fn payload(&self) -> f64 {
        self.put.payload()
    }

    fn k(&self) -> usize {
        usize::from(self.put.shape.k)
    }

    /// A get whose first `lost` fragments are away.
    pub(crate) fn read(&mut self, lost: usize) {
        let k = self.k();
        for index in lost..k + lost {
            let number = u16::try_from(index).expect("n is at most 256");
            let frames = cut(&self.tags, number, 0..STRIPES, &self.put.fragments[index]);
            assert_eq!(
                frames.filter_map(|(_, frame)| frame.good()).count() as u64,
                STRIPES,
                "all frames are good"
            );
        }
        let stripe_len = self.answer.len() / usize::try_from(STRIPES).expect("few");
        for (stripe, answer) in (0..STRIPES).zip(self.answer.chunks_exact_mut(stripe_len)) {
            let at = usize::try_from(stripe).expect("few") * FRAME;
            let chunk = |index: usize| &self.put.fragments[index][at..at + CHUNK];
            let mut places: Vec<&mut [u8]> = answer.chunks_exact_mut(stripe_len / k).collect();
            let number = |index: usize| stripe * k as u64 + index as u64;
            let sealed = self.put.extent.sealed;
            let (lacking, here) = places.split_at_mut(lost);
            for (index, place) in (lost..).zip(here) {
                if sealed {
                    self.cipher
                        .open_into(number(index), chunk(index), place)
                        .expect("it opens");
                } else {
                    place.copy_from_slice(chunk(index));
                }
            }
            if lost == 0 {
                continue;
            }
            let have: Vec<(usize, &[u8])> = (lost..k + lost).map(|index| (index, chunk(index))).collect();
            if sealed {
                let rows = self.rebuilt[..lost].iter_mut().map(Vec::as_mut_slice);
                let mut want: Vec<(usize, &mut [u8])> = rows.enumerate().collect();
                self.put.code.reconstruct(&have, &mut want).expect("k are there");
                for (index, place) in lacking.iter_mut().enumerate() {
                    self.cipher
                        .open_into(number(index), &self.rebuilt[index], place)
                        .expect("it opens");
                }
            } else {
                let places = lacking.iter_mut().map(|place| &mut **place);
                let mut want: Vec<(usize, &mut [u8])> = places.enumerate().collect();
                self.put.code.reconstruct(&have, &mut want).expect("k are there");
            }
        }
        black_box(&self.answer);
    }

    /// BLAKE3 of k chunks a stripe, nothing else.
    pub(crate) fn hash(&mut self) {
        for fragment in &self.put.fragments[..self.k()] {
            for frame in fragment.chunks_exact(FRAME) {
                black_box(blake3::keyed_hash(&[9; 32], &frame[..CHUNK]));
            }
        }
    }

    /// k chunks a stripe to their places.
    pub(crate) fn copy(&mut self) {
        let (k, len) = (
            self.k(),
            CHUNK.min(self.answer.len() / self.k() / usize::try_from(STRIPES).expect("few")),
        );
        for (stripe, answer) in self.answer.chunks_exact_mut(k * len).enumerate() {
            for (fragment, place) in self.put.fragments.iter().zip(answer.chunks_exact_mut(len)) {
                place.copy_from_slice(&fragment[stripe * FRAME..][..len]);
            }
        }
        black_box(&self.answer);
    }

    /// The same, opened.
    pub(crate) fn open(&mut self) {
        let (k, len) = (self.k(), CHUNK - SEAL_LEN);
        for (stripe, answer) in (0..STRIPES).zip(self.answer.chunks_exact_mut(k * len)) {
            let at = usize::try_from(stripe).expect("few") * FRAME;
            for ((chunk, fragment), place) in (0..).zip(&self.put.fragments).zip(answer.chunks_exact_mut(len)) {
                let sealed = &fragment[at..at + CHUNK];
                self.cipher
                    .open_into(stripe * k as u64 + chunk, sealed, place)
                    .expect("it opens");
            }
        }
        black_box(&self.answer);
    }

    /// The way without thought: each shard that came is new memory, hashed and compared; reed-solomon-erasure makes the others, and all are joined.
    pub(crate) fn plainly(&mut self, lost: usize, oracle: &ReedSolomon) {
        let (k, n) = (self.k(), self.put.fragments.len());
        for stripe in 0..usize::try_from(STRIPES).expect("few") {
            let mut shards: Vec<Option<Vec<u8>>> = vec![None; n];
            for (shard, fragment) in shards.iter_mut().zip(&self.put.fragments).skip(lost).take(k) {
                let (chunk, tag) = fragment[stripe * FRAME..][..FRAME].split_at(CHUNK);
                let new = chunk.to_vec();
                black_box(blake3::keyed_hash(&[9; 32], &new).as_bytes() == tag);
                *shard = Some(new);
            }
            oracle.reconstruct_data(&mut shards).expect("k are there");
            let mut joined = Vec::with_capacity(k * CHUNK);
            for shard in shards.iter().take(k).flatten() {
                joined.extend_from_slice(shard);
            }
            black_box(joined);
        }
    }

    /// Panics if anything that was read is not what was written.
    pub(crate) fn check(&mut self) {
        for lost in 0..=self.k().min(self.put.fragments.len() - self.k()) {
            self.answer.fill(0xa5);
            self.read(lost);
            assert!(self.answer == self.plain, "other bytes with {lost} lost");
        }
    }
}
