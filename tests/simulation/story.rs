//! Steps in an order that chance alone finds too seldom: each story leads to a place where one mistake would show, and what follows is chance again.
//!
//! ```text
//! cast       who lies, who is away and who is emptied: drawn for each seed, no two of them the same provider
//! story      a put or a removal that is left short, or dies; then what makes that matter: a fault, a lost or an old catalog, a second rebuild
//! the rest   steps drawn as in any other run
//! ```

use raic::provider::chance::Chance;

use super::cloud::Weather;
use super::plan::{NAMES, Plan, Step, number};

/// The object that a story is about, and another one.
const HERO: &str = NAMES[0];
const OTHER: &str = NAMES[1];

/// Bytes of an object that is one extent whatever the code, so that its put sends every provider one fragment.
const SMALL: u64 = 900;

/// A plan whose code and providers are drawn, as a story is told over it.
struct Teller<'a> {
    chance: &'a Chance,
    /// All providers but the liar, in any order.
    honest: Vec<usize>,
    liar: usize,
    k: usize,
    quorum: usize,
    steps: Vec<Step>,
}

/// The steps of one story over this plan, and whether a rebuild uses the copies of the catalog.
pub(crate) fn story(chance: &Chance, plan: &Plan) -> (Vec<Step>, bool) {
    let mut honest: Vec<usize> = (0..plan.providers).filter(|at| *at != plan.liar).collect();
    for at in (1..honest.len()).rev() {
        honest.swap(at, number(chance, at + 1));
    }
    let (k, n) = (usize::from(plan.k), usize::from(plan.k + plan.m));
    let mut teller = Teller {
        chance,
        honest,
        liar: plan.liar,
        k,
        quorum: (n + k).div_ceil(2),
        steps: Vec::new(),
    };
    teller.begin();
    let told = chance.below(7);
    match told {
        0 => teller.left_short(),
        1 => teller.one_more_is_gone(),
        2 => teller.settled_in_silence(),
        3 => teller.settled_on_an_old_catalog(),
        4 => teller.removed_in_an_outage(),
        5 => teller.moved_and_moved_back(),
        _ => teller.copied_while_open(),
    }
    (teller.steps, told > 5)
}

impl Teller<'_> {
    fn say(&mut self, steps: impl IntoIterator<Item = Step>) {
        self.steps.extend(steps);
    }

    fn put(&mut self, name: &'static str) {
        let len = 1 + self.chance.below(SMALL);
        self.say([Step::Put {
            name,
            len,
            if_absent: false,
        }]);
    }

    fn get(&mut self, times: usize) {
        self.say(std::iter::repeat_n(Step::Get { name: HERO }, times));
    }

    fn down(&mut self, providers: &[usize]) {
        let weather = Weather::Down;
        self.say(providers.iter().map(|at| Step::Weather { at: *at, weather }));
    }

    /// A put or a removal.
    fn change(&mut self) {
        if self.chance.per_million(500_000) {
            self.put(HERO);
        } else {
            self.say([Step::Remove { name: HERO }]);
        }
    }

    /// Providers, the liar not among them, without which `left` of all are there.
    fn all_but(&self, left: usize) -> Vec<usize> {
        let away = (self.honest.len() + 1).saturating_sub(left);
        self.honest[..away.min(self.honest.len())].to_vec()
    }

    /// Objects are there, and this process has claimed its epoch.
    fn begin(&mut self) {
        self.say([Step::Clear]);
        for name in [HERO, OTHER, HERO] {
            self.put(name);
        }
        self.say([Step::CopyProvider]);
    }

    /// The catalog is lost, rebuilt by the next verb, and then read from.
    fn rebuild(&mut self) {
        self.say([Step::LoseCatalog]);
        self.get(3);
    }

    /// One fragment short of the quorum, and everybody goes silent before that can be annulled: it may count, and once it was seen it has to, whatever
    /// the liar forgets then.
    fn left_short(&mut self) {
        let away = self.all_but(self.quorum - 1);
        let there: Vec<usize> = self.honest[away.len()..].iter().copied().chain([self.liar]).collect();
        self.down(&away);
        let after = 1 + self.chance.below(2);
        self.say(there.iter().map(|at| Step::Outage { at: *at, after }));
        self.change();
        self.say([Step::Clear]);
        self.rebuild();
        self.say([Step::RollBack]);
        self.rebuild();
    }

    /// Acknowledged at the quorum, then two of its fragments are out of sight: the liar's, and that of one who is lost, emptied or silent.
    fn one_more_is_gone(&mut self) {
        let away = self.all_but(self.quorum);
        let at = self.honest[away.len()];
        self.down(&away);
        self.change();
        self.say([Step::Clear]);
        match self.chance.below(3) {
            0 => self.say([Step::DeclareLost { at }]),
            1 => self.say([Step::EmptyAnother { at }]),
            _ => self.down(&[at]),
        }
        self.say([Step::RollBack]);
        self.rebuild();
        self.say([Step::Clear]);
        self.rebuild();
    }

    /// A put dies, the next process completes it, and it is read. Then the catalog is as it was before, and so many are silent that it can't be told.
    fn settled_in_silence(&mut self) {
        let away = self.all_but(self.quorum);
        self.down(&away);
        self.dies_and_comes_back();
        self.say([Step::Clear]);
        let silent = self.quorum - self.k + usize::from(self.chance.per_million(300_000));
        let silent: Vec<usize> = self.honest.iter().rev().take(silent).copied().collect();
        self.down(&silent);
        for _ in 0..3 {
            self.put(OTHER);
        }
        self.say([Step::Clear, Step::Restart]);
        self.put(OTHER);
        self.get(2);
    }

    /// The same, completed while some were silent: in the old catalog's eyes they hold nothing, and too little is there.
    fn settled_on_an_old_catalog(&mut self) {
        let away = 1 + number(self.chance, 2);
        let away: Vec<usize> = self.honest[..away].to_vec();
        self.down(&away);
        self.dies_and_comes_back();
        self.say([Step::Clear]);
        for _ in 0..3 {
            self.put(OTHER);
        }
        self.get(2);
    }

    /// A put dies on the way and leaves its version open, somebody keeps a copy of the catalog, a second process settles it and reads, and the copy
    /// comes back.
    fn dies_and_comes_back(&mut self) {
        self.dies();
        self.say([Step::KeepCatalog]);
        self.put(OTHER);
        self.get(1);
        self.say([Step::RestoreCatalog]);
    }

    fn dies(&mut self) {
        let after = 8 + self.chance.below(24);
        self.say([Step::Die { after }]);
        self.put(HERO);
    }

    /// So few are there that nothing may count.
    fn removed_in_an_outage(&mut self) {
        let there = 1 + number(self.chance, self.quorum - 1);
        let away = self.all_but(there);
        self.down(&away);
        self.change();
        self.say([Step::Clear]);
        self.rebuild();
    }

    /// Every fragment of a provider goes elsewhere, and may come back.
    fn moved_and_moved_back(&mut self) {
        let at = self.honest[0];
        self.say([Step::Drain { at }, Step::Undrain, Step::Rebalance]);
        self.say([Step::Wait { seconds: 4_000 }, Step::Sweep, Step::Drain { at }]);
        self.say([Step::Undrain, Step::Repair { name: HERO }]);
        self.get(1);
    }

    /// A put dies on the way, the next process copies the catalog to the clouds before it settles what that left open, and reads it. Then the catalog is
    /// rebuilt from the copy.
    fn copied_while_open(&mut self) {
        self.dies();
        self.say([Step::Ship { whole: true }]);
        self.put(OTHER);
        self.get(1);
        self.rebuild();
    }
}
