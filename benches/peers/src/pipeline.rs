//! What a put and a get do to their bytes, by our codec, beside the way without thought by the fastest build of `reed-solomon-erasure`, which the main crate's
//! own bench can't have beside the scalar one. Chunks of 64 KiB, eight stripes in turn, tags by BLAKE3; nothing is sealed on either side.

use std::collections::VecDeque;
use std::hint::black_box;

use raic_peers::codec::Code;
use reed_solomon_erasure::galois_8::ReedSolomon;

use crate::timing::{Series, calls, time};

const CHUNK: usize = 64 << 10;
const STRIPES: usize = 8;
const KEY: [u8; 32] = [9; 32];

/// The chunks of some stripes, and room for what is read.
struct Bytes {
    code: Code,
    plain: ReedSolomon,
    stripes: Vec<Vec<Vec<u8>>>,
    answer: Vec<u8>,
}

/// Something that is done to all of them.
type Way = fn(&mut Bytes);

/// What it is, our way, the other.
const WAYS: [(&str, Way, Way); 4] = [
    ("put", Bytes::put, |bytes| drop(bytes.put_plainly(1))),
    ("put, shards kept until all are sent", Bytes::put, |bytes| {
        drop(bytes.put_plainly(STRIPES));
    }),
    ("get, nothing lost", |bytes| bytes.get(0), |bytes| bytes.get_plainly(0)),
    (
        "get, m lost",
        |bytes| bytes.get(bytes.m()),
        |bytes| bytes.get_plainly(bytes.m()),
    ),
];

/// Our rate over the other's, by CPU time: the median of the rounds.
pub(crate) fn print(rounds: usize) {
    println!(
        "\n### Pipelines, GB/s of payload: ours, plain with reed-solomon-erasure simd-accel, ratio of medians (of best)\n"
    );
    for (k, m) in [(4, 2), (10, 4)] {
        let mut bytes = Bytes::new(k, m);
        bytes.check();
        for (what, ours, plain) in WAYS {
            let mut series = [Series::default(), Series::default()];
            let times = [ours, plain].map(|way| calls(&mut |times| (0..times).for_each(|_| way(&mut bytes))));
            for _ in 0..rounds {
                for ((series, way), times) in series.iter_mut().zip([ours, plain]).zip(times) {
                    series.push(time(times, &mut |times| (0..times).for_each(|_| way(&mut bytes))));
                }
            }
            let [ours, plain] = series;
            #[expect(clippy::cast_precision_loss, reason = "some MiB")]
            let payload = (k * CHUNK * STRIPES) as f64;
            println!(
                "{k}+{m} {what}: {:.2}, {:.2}, {:.2} ({:.2})",
                payload / ours.median(),
                payload / plain.median(),
                plain.median() / ours.median(),
                plain.least() / ours.least()
            );
        }
    }
}

impl Bytes {
    fn new(k: usize, m: usize) -> Bytes {
        let mut ramp = (0..=250_u8).cycle();
        let mut stripe = || (0..k + m).map(|_| ramp.by_ref().take(CHUNK).collect()).collect();
        Bytes {
            code: Code::new(k, k + m).expect("a small code"),
            plain: ReedSolomon::new(k, m).expect("a small code"),
            stripes: (0..STRIPES).map(|_| stripe()).collect(),
            answer: vec![0xa5; k * CHUNK],
        }
    }

    fn m(&self) -> usize {
        self.code.n() - self.code.k()
    }

    fn check(&mut self) {
        self.put();
        for lost in 0..=self.m().min(self.code.k()) {
            self.answer.fill(0xa5);
            self.get(lost);
            let last = self.stripes[STRIPES - 1][..self.code.k()].concat();
            assert!(self.answer == last, "other bytes with {lost} lost");
        }
        let agrees = |stripe: &Vec<Vec<u8>>| self.plain.verify(stripe).expect("shards of one length");
        assert!(self.stripes.iter().all(agrees), "the parity is another's");
    }

    /// Tag the data, code, tag the parity, verify.
    fn put(&mut self) {
        for stripe in &mut self.stripes {
            let (data, parity) = stripe.split_at_mut(self.code.k());
            tags(data);
            let data: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
            self.code
                .encode(&data, &mut parity.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
            tags(parity);
            let all: Vec<&[u8]> = stripe.iter().map(Vec::as_slice).collect();
            assert!(self.code.verify(&all), "what was coded verifies");
        }
    }

    /// The last `kept` stripes stay, as for a sender: what is let go at once comes back from the allocator still in the caches.
    fn put_plainly(&mut self, kept: usize) -> VecDeque<Vec<Vec<u8>>> {
        let mut sent = VecDeque::new();
        for stripe in &self.stripes {
            let mut shards: Vec<Vec<u8>> = stripe[..self.code.k()].to_vec();
            shards.resize_with(stripe.len(), || vec![0; CHUNK]);
            self.plain.encode(&mut shards).expect("shards of one length");
            for shard in &mut shards {
                let hash = blake3::keyed_hash(&KEY, shard);
                shard.extend_from_slice(hash.as_bytes());
            }
            sent.push_back(black_box(shards));
            if sent.len() >= kept {
                sent.pop_front();
            }
        }
        sent
    }

    /// Check k chunks, copy those of data to their place, rebuild the others into theirs.
    fn get(&mut self, lost: usize) {
        let k = self.code.k();
        for stripe in &self.stripes {
            tags(&stripe[lost..k + lost]);
            let mut places: Vec<&mut [u8]> = self.answer.chunks_exact_mut(CHUNK).collect();
            for (place, chunk) in places.iter_mut().zip(stripe).skip(lost) {
                place.copy_from_slice(chunk);
            }
            let have: Vec<(usize, &[u8])> = stripe
                .iter()
                .map(Vec::as_slice)
                .enumerate()
                .skip(lost)
                .take(k)
                .collect();
            let mut want: Vec<(usize, &mut [u8])> = places.into_iter().enumerate().take(lost).collect();
            self.code.reconstruct(&have, &mut want).expect("k are there");
        }
        black_box(&self.answer);
    }

    fn get_plainly(&mut self, lost: usize) {
        let k = self.code.k();
        for stripe in &self.stripes {
            let mut shards: Vec<Option<Vec<u8>>> = vec![None; stripe.len()];
            for (shard, chunk) in shards.iter_mut().zip(stripe).skip(lost).take(k) {
                let new = chunk.clone();
                tag(&new);
                *shard = Some(new);
            }
            self.plain.reconstruct_data(&mut shards).expect("k are there");
            let mut joined = Vec::with_capacity(k * CHUNK);
            shards
                .iter()
                .take(k)
                .flatten()
                .for_each(|shard| joined.extend_from_slice(shard));
            black_box(joined);
        }
    }
}

fn tags(chunks: &[Vec<u8>]) {
    for chunk in chunks {
        tag(chunk);
    }
}

fn tag(chunk: &[u8]) {
    black_box(blake3::keyed_hash(&KEY, chunk));
}
