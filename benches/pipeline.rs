//! What a put does to its bytes, in memory: seal, tag, code, tag the parity, verify; beside its parts alone, a plain pipeline, and on two threads.
//!
//! GB/s of payload, chunks of 64 KiB, several stripes of fragments in turn, so that most reads go beyond the L2 cache as in a put. All takes turns in
//! one process; a figure is the median of the rounds, and of the rounds' ratios. Before anything is timed, the tags, the parity and what opens again are
//! checked. `cargo bench --bench pipeline`

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use raic::catalog::record::Extent;
use raic::cipher::SEAL_LEN;
use raic::codec::Code;
use raic::fragment::id::{ExtentId, Generation, Group, Kind, WriterId};
use raic::fragment::secret::{Keys, SetSecret};
use raic::fragment::tag::FrameKeys;
use raic::store::loom::Loom;
use raic::stripe::geometry::Shape;
use reed_solomon_erasure::galois_8::ReedSolomon;

const CHUNK: usize = 64 << 10;
const TAG: usize = 32;
/// Stripes of an extent here: 7 MiB of frames at 10+4.
const STRIPES: u64 = 8;
const ROUNDS: usize = 25;
/// Time of one measurement of a round.
const TURN: Duration = Duration::from_millis(40);

fn keys() -> Keys {
    Keys::new(&SetSecret::new([7; 32]))
}

/// One extent's fragments in memory, and all that works on them.
struct Extents {
    shape: Shape,
    code: Code,
    loom: Loom,
    extent: Extent,
    fragments: Vec<Vec<u8>>,
}

impl Extents {
    fn new(k: u16, n: u16, sealed: bool) -> Extents {
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
        let len = usize::try_from(STRIPES).expect("few") * (CHUNK + TAG);
        Extents {
            shape,
            code,
            loom,
            extent,
            fragments: (0..n).map(|_| ramp.by_ref().take(len).collect()).collect(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn payload(&self) -> f64 {
        self.shape.payload_len as f64
    }

    /// Calls `each` with the frames of every stripe.
    fn stripes(&mut self, mut each: impl FnMut(u64, &mut [&mut [u8]])) {
        for stripe in 0..STRIPES {
            let at = usize::try_from(stripe).expect("few") * (CHUNK + TAG);
            let frames = self
                .fragments
                .iter_mut()
                .map(|fragment| &mut fragment[at..at + CHUNK + TAG]);
            each(stripe, &mut frames.collect::<Vec<_>>());
        }
    }

    /// All that a put does.
    fn weave(&mut self) {
        let loom = self.loom.reshaped(self.shape);
        self.stripes(|stripe, frames| loom.stripe(stripe, frames).expect("this machine computes"));
    }

    fn encode(&mut self) {
        let code = self.code.clone();
        self.stripes(|_, frames| {
            let (data, parity) = frames.split_at_mut(code.k());
            let data: Vec<&[u8]> = data.iter().map(|frame| &frame[..CHUNK]).collect();
            let mut parity: Vec<&mut [u8]> = parity.iter_mut().map(|frame| &mut frame[..CHUNK]).collect();
            code.encode(&data, &mut parity);
        });
    }

    fn verify(&mut self) {
        let code = self.code.clone();
        self.stripes(|_, frames| {
            let all: Vec<&[u8]> = frames.iter().map(|frame| &frame[..CHUNK]).collect();
            assert!(black_box(code.verify(&all)), "what was coded verifies");
        });
    }

    /// BLAKE3 of every chunk, nothing else.
    fn hash(&mut self) {
        self.stripes(|_, frames| {
            for frame in frames {
                black_box(blake3::keyed_hash(&[9; 32], &frame[..CHUNK]));
            }
        });
    }

    fn seal(&mut self) {
        let cipher = keys()
            .cipher(0, self.extent.id, &self.extent.salt)
            .expect("key 0 is there");
        let k = u64::from(self.shape.k);
        self.stripes(|stripe, frames| {
            for (chunk, frame) in (0..k).zip(frames) {
                cipher.seal(stripe * k + chunk, &mut frame[..CHUNK]);
            }
        });
    }

    /// The way without thought: each stripe's shards are new, coded by reed-solomon-erasure, hashed one by one, and joined to what is sent.
    fn plainly(&mut self, oracle: &ReedSolomon) {
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
    fn check(&mut self) {
        let plain: Vec<Vec<u8>> = self.fragments.clone();
        self.weave();
        let tags = FrameKeys::new(&keys(), 0, self.extent.id, &self.extent.salt, self.shape).expect("key 0 is there");
        let cipher = keys()
            .cipher(0, self.extent.id, &self.extent.salt)
            .expect("key 0 is there");
        let oracle = ReedSolomon::new(
            usize::from(self.shape.k),
            self.fragments.len() - usize::from(self.shape.k),
        )
        .expect("a small code");
        let (k, sealed) = (self.shape.k, self.extent.sealed);
        self.stripes(|stripe, frames| {
            let at = usize::try_from(stripe).expect("few") * (CHUNK + TAG);
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

/// Seconds for one go, of as many as a turn has room for.
fn turn(mut go: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut times = 0;
    while begin.elapsed() < TURN {
        go();
        times += 1;
    }
    begin.elapsed().as_secs_f64() / f64::from(times)
}

/// The same on two threads at once, each on its own: seconds for one go of both.
fn turn_of_two(pair: &mut [Extents; 2], go: fn(&mut Extents)) -> f64 {
    let (barrier, [one, two]) = (Barrier::new(2), pair);
    let run = |own: &mut Extents| {
        barrier.wait();
        turn(|| go(own))
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| run(one));
        let own = run(two);
        f64::midpoint(own, other.join().expect("it measures"))
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A figure of every round: the median, and the least and the most.
struct Figure(Vec<f64>);

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (least, most) = self
            .0
            .iter()
            .fold((f64::MAX, 0.0), |(low, high), value| (value.min(low), value.max(high)));
        write!(f, "{:.2} ({least:.2}–{most:.2})", median(self.0.clone()))
    }
}

fn one(k: u16, n: u16) {
    let (mut open, mut sealed) = (Extents::new(k, n, false), Extents::new(k, n, true));
    open.check();
    sealed.check();
    let oracle = ReedSolomon::new(usize::from(k), usize::from(n - k)).expect("a small code");
    let mut pairs = [
        [Extents::new(k, n, false), Extents::new(k, n, false)],
        [Extents::new(k, n, true), Extents::new(k, n, true)],
    ];
    let mut rows: [Vec<f64>; 8] = Default::default();
    let mut rates: [Vec<f64>; 6] = Default::default();
    for _ in 0..ROUNDS {
        let hash = turn(|| open.hash());
        let encode = turn(|| open.encode());
        let verify = turn(|| open.verify());
        let seal = turn(|| sealed.seal());
        let put = turn(|| open.weave());
        let put_sealed = turn(|| sealed.weave());
        let plain = turn(|| open.plainly(&oracle));
        let parts = encode + verify + hash;
        let two = [
            turn_of_two(&mut pairs[0], Extents::hash),
            turn_of_two(&mut pairs[0], Extents::weave),
            turn_of_two(&mut pairs[1], Extents::weave),
        ];
        let bytes = open.payload() / 1e9;
        for (rates, seconds) in rates.iter_mut().zip([encode, verify, hash, seal, put, put_sealed]) {
            rates.push(bytes / seconds);
        }
        let scaling = |alone: f64, both: f64| 2.0 * alone / both;
        let figures = [
            parts / put,
            (parts + seal) / put_sealed,
            plain / put,
            plain / put_sealed,
            scaling(hash, two[0]),
            scaling(put, two[1]),
            scaling(put, two[1]) / scaling(hash, two[0]),
            scaling(put_sealed, two[2]) / scaling(hash, two[0]),
        ];
        rows.iter_mut().zip(figures).for_each(|(row, figure)| row.push(figure));
    }
    let said = rows.map(|row| Figure(row).to_string());
    println!("{k}+{}", n - k);
    let [encode, verify, hash, seal, put, put_sealed] = rates.map(median);
    println!(
        "  GB/s of payload alone: encode {encode:.1}, verify {verify:.1}, BLAKE3 of all {n} chunks {hash:.2}, seal {seal:.1}"
    );
    println!("  a put, open {put:.2}, sealed {put_sealed:.2}");
    println!("  open over 1 / (1/E + 1/V + (n/k)/H)             {}", said[0]);
    println!("  sealed over the same with the sealing           {}", said[1]);
    println!("  open over a plain pipeline                      {}", said[2]);
    println!("  sealed over the plain one, which seals nothing  {}", said[3]);
    println!("  two threads over one: BLAKE3 {}, open {}", said[4], said[5]);
    println!("  that over BLAKE3's: open {}, sealed {}", said[6], said[7]);
}

fn main() {
    println!(
        "one core, chunks of 64 KiB, kernel {}, {ROUNDS} rounds: median (least–most)",
        raic::codec::kernel::name()
    );
    for (k, n) in [(4, 6), (10, 14)] {
        one(k, n);
    }
}
