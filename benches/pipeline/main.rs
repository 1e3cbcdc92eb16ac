//! What a put and a get do to their bytes, in memory: seal, tag, code, tag the parity, verify; check, copy or open, rebuild. Beside their parts alone, plain
//! pipelines, and on two threads.
//!
//! GB/s of payload, chunks of 64 KiB, several stripes of fragments in turn, so that most reads go beyond the L2 cache as in a put. All takes turns in
//! one process; a time is the quickest of a turn of 40 ms, a figure the median of the rounds, and of the rounds' ratios. Before anything is timed, the tags, the parity, what opens again and
//! what is read with fragments away are checked. `cargo bench --bench pipeline`

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod get;
mod put;
mod timing;

use get::Reads;
use put::{CHUNK, Extents, STRIPES};
use timing::{Figure, median, turn, turn_of_two, whole_turn};

const ROUNDS: usize = 25;

/// A put: its rate, its parts, the plain way, two threads.
fn puts(k: u16, n: u16) {
    let (mut open, mut sealed) = (Extents::new(k, n, false), Extents::new(k, n, true));
    open.check();
    sealed.check();
    let oracle = open.oracle();
    let mut pairs = [
        [Extents::new(k, n, false), Extents::new(k, n, false)],
        [Extents::new(k, n, true), Extents::new(k, n, true)],
    ];
    let mut rows: [Vec<f64>; 8] = Default::default();
    let mut rates: [Vec<f64>; 7] = Default::default();
    let payload = vec![7; usize::from(k) * CHUNK * usize::try_from(STRIPES).expect("few")];
    for _ in 0..ROUNDS {
        let hash = turn(|| open.hash());
        let encode = turn(|| open.encode());
        let verify = turn(|| open.verify());
        let seal = turn(|| sealed.seal());
        let put = turn(|| open.weave());
        let put_sealed = turn(|| sealed.weave());
        let filled = turn(|| open.weave_from(&payload));
        let plain = turn(|| open.plainly(&oracle));
        let parts = encode + verify + hash;
        let alone = [
            whole_turn(|| open.hash()),
            whole_turn(|| open.weave()),
            whole_turn(|| sealed.weave()),
        ];
        let two = [
            turn_of_two(&mut pairs[0], Extents::hash),
            turn_of_two(&mut pairs[0], Extents::weave),
            turn_of_two(&mut pairs[1], Extents::weave),
        ];
        let bytes = open.payload() / 1e9;
        for (rates, seconds) in rates
            .iter_mut()
            .zip([encode, verify, hash, seal, put, put_sealed, filled])
        {
            rates.push(bytes / seconds);
        }
        let scaling = |of: usize| 2.0 * alone[of] / two[of];
        let figures = [
            parts / put,
            (parts + seal) / put_sealed,
            plain / put,
            plain / put_sealed,
            scaling(0),
            scaling(1),
            scaling(1) / scaling(0),
            scaling(2) / scaling(0),
        ];
        rows.iter_mut().zip(figures).for_each(|(row, figure)| row.push(figure));
    }
    let said = rows.map(|row| Figure(row).to_string());
    let [encode, verify, hash, seal, put, put_sealed, filled] = rates.map(median);
    println!(
        "  GB/s of payload alone: encode {encode:.1}, verify {verify:.1}, BLAKE3 of all {n} chunks {hash:.2}, seal {seal:.1}"
    );
    println!("  a put, open {put:.2}, sealed {put_sealed:.2}; open and copied from a source before {filled:.2}");
    println!("  open over 1 / (1/E + 1/V + (n/k)/H)             {}", said[0]);
    println!("  sealed over the same with the sealing           {}", said[1]);
    println!("  open over a plain pipeline                      {}", said[2]);
    println!("  sealed over the plain one, which seals nothing  {}", said[3]);
    println!("  two threads over one: BLAKE3 {}, open {}", said[4], said[5]);
    println!("  that over BLAKE3's: open {}, sealed {}", said[6], said[7]);
}

/// A get: its rate, its parts, and the plain way, with nothing lost, a fragment, and as many as can be.
fn gets(k: u16, n: u16) {
    let (mut open, mut sealed) = (Reads::new(k, n, false), Reads::new(k, n, true));
    open.check();
    sealed.check();
    let (oracle, m) = (open.oracle(), usize::from(n - k));
    let mut rates: [Vec<f64>; 9] = Default::default();
    let mut rows: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        let (hash, copy, opening) = (turn(|| open.hash()), turn(|| open.copy()), turn(|| sealed.open()));
        let [whole, one, most] = [0, 1, m].map(|lost| turn(|| open.read(lost)));
        let [whole_sealed, most_sealed] = [0, m].map(|lost| turn(|| sealed.read(lost)));
        let [plain, plain_most] = [0, m].map(|lost| turn(|| open.plainly(lost, &oracle)));
        let bytes = open.payload() / 1e9;
        let times = [
            hash,
            copy,
            opening,
            whole,
            one,
            most,
            whole_sealed,
            most_sealed,
            plain_most,
        ];
        rates
            .iter_mut()
            .zip(times)
            .for_each(|(rates, time)| rates.push(bytes / time));
        let figures = [
            (hash + copy) / whole,
            (hash + opening) / whole_sealed,
            plain / whole,
            plain_most / most,
            plain_most / most_sealed,
        ];
        rows.iter_mut().zip(figures).for_each(|(row, figure)| row.push(figure));
    }
    let said = rows.map(|row| Figure(row).to_string());
    let [
        hash,
        copy,
        opening,
        whole,
        one,
        most,
        whole_sealed,
        most_sealed,
        plain_most,
    ] = rates.map(median);
    println!("  GB/s of payload alone: BLAKE3 of {k} chunks {hash:.2}, copy {copy:.1}, opening {opening:.1}");
    println!(
        "  a get, open {whole:.2}, one lost {one:.2}, {m} lost {most:.2}; sealed {whole_sealed:.2}, {m} lost {most_sealed:.2}"
    );
    println!("  open over 1 / (1/H + 1/copy)                    {}", said[0]);
    println!("  sealed over 1 / (1/H + 1/opening)               {}", said[1]);
    println!("  open over a plain pipeline                      {}", said[2]);
    println!(
        "  open over the plain one ({plain_most:.2}), {m} lost       {}",
        said[3]
    );
    println!("  sealed over the plain one, {m} lost              {}", said[4]);
}

fn main() {
    println!(
        "one core, chunks of 64 KiB, kernel {}, {ROUNDS} rounds: median (least–most)",
        raic::codec::kernel::name()
    );
    for (k, n) in [(4, 6), (10, 14)] {
        println!("{k}+{}", n - k);
        puts(k, n);
        gets(k, n);
    }
}
