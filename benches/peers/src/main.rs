//! The codec beside those of others, and beside what the machine can do at all: prints the tables of `docs/benchmarks.md`.
//!
//! ```console
//! $ cd benches/peers && cargo run --release                     # a minute or two
//! $ cargo run --release -- encode/10+4 --rounds 31 --kernels    # a part of it, and all kernels of ours
//! $ cargo run --release -- pipeline                             # what a put and a get do to their bytes
//! $ cargo run --release -- encode --codes 10+10,16+16           # other codes
//! ```
//!
//! All competitors run in this one process on one thread, in turns: a round gives each about two milliseconds. Before anything
//! is timed its answer is compared. The time is the process's on the CPU, which a busy machine disturbs least; the wall's is
//! printed where it differs by more than a tenth.

mod cell;
mod limit;
mod peer;
mod pipeline;
mod stripe;
mod table;
mod timing;

use cell::{Cell, Op};

/// k and m of every table: the shapes of real services, and the default of Tahoe.
const SHAPES: [(usize, usize); 8] = [(2, 1), (4, 2), (6, 3), (8, 4), (10, 4), (16, 4), (17, 3), (3, 7)];
/// Shards that fit the L1 cache, the L2 cache, the L3 cache, and none.
const LENGTHS: [usize; 4] = [4 << 10, 64 << 10, 1 << 20, 16 << 20];

/// What was typed.
struct Line {
    /// Each cell whose name holds one of these is run; all if there are none.
    filters: Vec<String>,
    rounds: usize,
    kernels: bool,
    /// k and m.
    codes: Vec<(usize, usize)>,
}

fn main() {
    let line = read_line();
    println!("{}", table::machine());
    for (name, kernel) in peer::kernels() {
        println!("- {name}: {kernel}");
    }
    let mut cells = Vec::new();
    for op in [Op::Encode, Op::Rebuild, Op::Verify] {
        for len in LENGTHS.into_iter().filter(|len| op.lengths().contains(len)) {
            let row: Vec<Cell> = line
                .codes
                .iter()
                .copied()
                .filter(|&(k, m)| line.takes(&cell::name(op, k, m, len)))
                .map(|(k, m)| cell::measure(op, k, m, len, line.rounds, line.kernels))
                .collect();
            if !row.is_empty() {
                println!("{}", table::rates(op, len, &row));
            }
            cells.extend(row);
        }
    }
    if !cells.is_empty() {
        println!("{}", table::ratios(&cells));
        println!("{}", table::bounds(&cells));
    }
    if line.takes("pipeline") {
        pipeline::print(line.rounds);
    }
}

fn read_line() -> Line {
    let mut line = Line {
        filters: Vec::new(),
        rounds: 15,
        kernels: false,
        codes: SHAPES.to_vec(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--kernels" => line.kernels = true,
            "--rounds" => {
                let rounds = words.next().and_then(|number| number.parse().ok());
                line.rounds = rounds.filter(|rounds| *rounds > 0).expect("--rounds N, at least 1");
            }
            "--codes" => line.codes = words.next().and_then(|list| codes(&list)).expect("--codes K+M,..."),
            _ => line.filters.push(word),
        }
    }
    line
}

/// `10+4,3+7`
fn codes(list: &str) -> Option<Vec<(usize, usize)>> {
    let code = |code: &str| {
        let (k, m) = code.split_once('+')?;
        Some((k.parse().ok()?, m.parse().ok()?))
    };
    list.split(',').map(code).collect()
}

impl Line {
    fn takes(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter.as_str()))
    }
}
