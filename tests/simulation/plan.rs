//! What a seed means: the set, and the steps to be lived through.

use raic::provider::chance::Chance;

use super::cloud::Weather;
use super::story::story;

/// The objects of a run.
pub(crate) const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// One step.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put {
        name: &'static str,
        len: u64,
        if_absent: bool,
    },
    Modify {
        name: &'static str,
        at: u64,
        len: u64,
    },
    Get {
        name: &'static str,
    },
    Range {
        name: &'static str,
        from: u64,
        to: u64,
    },
    Remove {
        name: &'static str,
    },
    Repair {
        name: &'static str,
    },
    Rebalance,
    Drain {
        at: usize,
    },
    Undrain,
    DeclareLost {
        at: usize,
    },
    Sweep,
    /// Copies of the catalog go to the clouds: a whole one, or what is due.
    Ship {
        whole: bool,
    },
    Wait {
        seconds: u64,
    },
    Weather {
        at: usize,
        weather: Weather,
    },
    Clear,
    /// It goes down after so many more calls, in the midst of whatever goes on then.
    Outage {
        at: usize,
        after: u64,
    },
    /// The process of the next step dies so many moments into it.
    Die {
        after: u64,
    },
    Restart,
    CopyProvider,
    RollBack,
    Empty,
    /// One that isn't the liar loses all that it holds.
    EmptyAnother {
        at: usize,
    },
    KeepCatalog,
    RestoreCatalog,
    LoseCatalog,
    SecondClient {
        name: &'static str,
    },
    /// All faults end, and everything is looked at.
    Calm,
}

/// A cloud set and what is done with it.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is drawn by itself, and all combinations are runs"
)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) providers: usize,
    pub(crate) k: u16,
    pub(crate) m: u16,
    pub(crate) sealed: bool,
    /// The first two providers have one operator, and no two fragments of an extent may lie with one operator.
    pub(crate) spread: bool,
    /// Calls that fail for the moment are made again, as the program does it.
    pub(crate) retries: bool,
    /// The catalog is copied to the clouds, and a rebuild uses the copies.
    pub(crate) ships: bool,
    /// Which provider is the liar.
    pub(crate) liar: usize,
    pub(crate) steps: Vec<Step>,
}

/// Steps of a run, before the last look, those of a story not counted.
const STEPS: usize = 44;

/// One of so many seeds begins with a story, and in another one the catalog is copied to the clouds.
const STORIES: u64 = 4;

impl Plan {
    pub(crate) fn of(seed: u64) -> Plan {
        let chance = Chance::seeded(seed ^ 0x5EED_0F57_E955_0000);
        let (k, m) = pick(&chance, &[(4, 2), (2, 2), (3, 2), (2, 3), (3, 3)]);
        let n = usize::from(k + m);
        let providers = (n + number(&chance, 3)).clamp(6, 8);
        let mut plan = Plan {
            seed,
            providers,
            k,
            m,
            sealed: chance.per_million(500_000),
            spread: providers > n && chance.per_million(400_000),
            retries: chance.per_million(400_000),
            ships: false,
            liar: number(&chance, providers),
            steps: Vec::new(),
        };
        if seed % STORIES == STORIES - 1 {
            plan.retries = false;
            (plan.steps, plan.ships) = story(&chance, &plan);
        }
        let loses = chance.per_million(400_000);
        let loss = 10 + number(&chance, STEPS - 10);
        for at in 0..STEPS {
            if loses && at == loss {
                plan.steps.push(Step::LoseCatalog);
            }
            if chance.per_million(120_000) {
                plan.steps.push(Step::Die {
                    after: 1 + chance.below(90),
                });
            }
            plan.steps.push(step(&chance, providers));
        }
        if seed % STORIES == 1 {
            plan.ships = true;
            for _ in 0..6 {
                let (at, whole) = (number(&chance, plan.steps.len()), chance.per_million(300_000));
                plan.steps.insert(at, Step::Ship { whole });
            }
        }
        plan
    }
}

pub(crate) fn number(chance: &Chance, below: usize) -> usize {
    usize::try_from(chance.below(below as u64)).expect("a small number")
}

fn pick<T: Copy>(chance: &Chance, from: &[T]) -> T {
    from[number(chance, from.len())]
}

fn step(chance: &Chance, providers: usize) -> Step {
    let name = pick(chance, &NAMES);
    let at = number(chance, providers);
    match chance.below(100) {
        0..22 => Step::Put {
            name,
            len: len(chance),
            if_absent: false,
        },
        22..26 => Step::Put {
            name,
            len: len(chance),
            if_absent: true,
        },
        26..34 => Step::Modify {
            name,
            at: chance.below(12_000),
            len: 1 + chance.below(2_000),
        },
        34..44 => Step::Get { name },
        44..48 => Step::Range {
            name,
            from: chance.below(8_000),
            to: chance.below(12_000),
        },
        48..54 => Step::Remove { name },
        54..59 => Step::Repair { name },
        59..61 => Step::Rebalance,
        61..63 => Step::Drain { at },
        63 => Step::Undrain,
        64 => Step::DeclareLost { at },
        65..68 => Step::Sweep,
        68..72 => Step::Wait {
            seconds: pick(chance, &[1, 60, 600, 4_000, 8_000]),
        },
        72..81 => Step::Weather {
            at,
            weather: pick(chance, &Weather::BAD),
        },
        81..88 => Step::Clear,
        88 => Step::Restart,
        89..91 => Step::CopyProvider,
        91 => Step::RollBack,
        92 => Step::Empty,
        93..96 => Step::KeepCatalog,
        96 => Step::RestoreCatalog,
        97 => Step::LoseCatalog,
        98 => Step::SecondClient { name },
        _ => Step::Calm,
    }
}

/// Mostly an extent, often several, now and then none.
fn len(chance: &Chance) -> u64 {
    match chance.below(10) {
        0 => chance.below(3),
        1..6 => chance.below(4_000),
        _ => chance.below(16_000),
    }
}
