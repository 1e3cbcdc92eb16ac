//! Which fragments to ask for, so that every stripe of a window can be read. No I/O.
//!
//! ```text
//! start: ask for the wanted data chunks, or for any k if one of them has no seat
//! Arrived(i, bad stripes) ─┐
//! Failed(i) ───────────────┴─▶ each stripe: all wanted chunks good, or k good?   yes: Decode
//!                                no, but answers are out: Wait
//!                                no: ask the next candidates, as many as the worst stripe lacks; none left: Short
//! ```
//!
//! A frame that does not verify counts as missing in its stripe only: k good frames may come from different fragments in
//! different stripes.

/// What the driver does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send for these fragments, by index.
    Ask(Vec<u16>),
    /// Wait for what was asked.
    Wait,
    /// Every stripe can be read from what came.
    Decode,
    /// Everything was asked; some stripe has only this many good chunks, fewer than k.
    Short {
        /// Good chunks of the worst stripe.
        good: u16,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unasked,
    Asked,
    /// Asked, and not counted on any more; it may still arrive.
    Late,
    Arrived,
    Failed,
}

/// The reading of one window of stripes of one extent.
#[derive(Clone, Debug)]
pub struct Gather {
    k: u16,
    wanted: Vec<u16>,
    /// Candidates in the order they are asked, with their states.
    candidates: Vec<(u16, State)>,
    /// For each stripe of the window and candidate: a good frame is here.
    good: Vec<Vec<bool>>,
}

impl Gather {
    /// Reads `stripes` stripes coded with `k` data chunks, of which the data chunks `wanted` are needed. `candidates` are the
    /// fragments that may be asked, by index, best first; each index once.
    ///
    /// # Panics
    /// If a wanted chunk isn't a data chunk, or no stripe is asked for.
    #[must_use]
    pub fn new(k: u16, stripes: usize, wanted: &[u16], candidates: &[u16]) -> (Gather, Action) {
        assert!(
            stripes > 0 && wanted.iter().all(|chunk| *chunk < k),
            "a window of data chunks"
        );
        let mut gather = Gather {
            k,
            wanted: wanted.to_vec(),
            candidates: candidates.iter().map(|index| (*index, State::Unasked)).collect(),
            good: vec![vec![false; candidates.len()]; stripes],
        };
        let first = gather.first_asks();
        let action = gather.ask(&first);
        (gather, action)
    }

    /// Fragment `index` came; `bad` are the stripes of the window, from 0, whose frame did not verify.
    ///
    /// # Panics
    /// If it wasn't asked for.
    pub fn arrived(&mut self, index: u16, bad: &[usize]) -> Action {
        let at = self.answer(index, State::Arrived);
        for (stripe, good) in self.good.iter_mut().enumerate() {
            good[at] = !bad.contains(&stripe);
        }
        self.next()
    }

    /// Fragment `index` won't come.
    ///
    /// # Panics
    /// If it wasn't asked for.
    pub fn failed(&mut self, index: u16) -> Action {
        self.answer(index, State::Failed);
        self.next()
    }

    /// Fragment `index` is late: asks for what it takes to read without it, as far as there are others. It may still arrive.
    pub fn late(&mut self, index: u16) -> Action {
        for (candidate, state) in &mut self.candidates {
            if *candidate == index && *state == State::Asked {
                *state = State::Late;
            }
        }
        self.next()
    }

    /// The indices with a good frame in this stripe of the window.
    #[must_use]
    pub fn good_in(&self, stripe: usize) -> Vec<u16> {
        let pairs = self.candidates.iter().zip(&self.good[stripe]);
        pairs.filter(|(_, good)| **good).map(|((index, _), _)| *index).collect()
    }

    fn answer(&mut self, index: u16, state: State) -> usize {
        let at = self
            .candidates
            .iter()
            .position(|(i, s)| *i == index && matches!(s, State::Asked | State::Late));
        let at = at.expect("only what was asked for can answer");
        self.candidates[at].1 = state;
        at
    }

    /// The wanted chunks, if the candidates begin with what serves them; otherwise the first k candidates.
    fn first_asks(&self) -> Vec<u16> {
        let best = self.candidates.iter().take(self.wanted.len().max(usize::from(self.k)));
        let best: Vec<u16> = best.map(|(index, _)| *index).collect();
        if self.wanted.iter().all(|chunk| best.contains(chunk)) {
            return self.wanted.clone();
        }
        best.into_iter().take(usize::from(self.k)).collect()
    }

    fn next(&mut self) -> Action {
        let lack = self.good.iter().map(|good| self.lack(good)).max().unwrap_or(0);
        if lack == 0 {
            return Action::Decode;
        }
        let pending = self
            .candidates
            .iter()
            .filter(|(_, state)| *state == State::Asked)
            .count();
        if pending >= lack {
            return Action::Wait;
        }
        let more = self.unasked(lack - pending);
        let late = self.candidates.iter().any(|(_, state)| *state == State::Late);
        if more.is_empty() && pending == 0 && !late {
            let counts = self.good.iter().map(|good| good.iter().filter(|g| **g).count());
            let good = u16::try_from(counts.min().unwrap_or(0)).unwrap_or(u16::MAX);
            return Action::Short { good };
        }
        if more.is_empty() { Action::Wait } else { self.ask(&more) }
    }

    /// How many more good frames this stripe needs: none if its wanted chunks are here, else up to k. While wanted chunks
    /// are still on their way, and not late, the smaller of both needs counts.
    fn lack(&self, good: &[bool]) -> usize {
        let here = |chunk: &u16| self.candidates.iter().zip(good).any(|((i, _), g)| i == chunk && *g);
        if self.wanted.iter().all(here) {
            return 0;
        }
        let have = good.iter().filter(|g| **g).count();
        let for_any = usize::from(self.k).saturating_sub(have);
        let coming = |chunk: &u16| self.candidates.iter().any(|(i, s)| i == chunk && *s == State::Asked);
        let missing: Vec<&u16> = self.wanted.iter().filter(|chunk| !here(chunk)).collect();
        if missing.iter().all(|chunk| coming(chunk)) {
            for_any.min(missing.len())
        } else {
            for_any
        }
    }

    fn unasked(&self, count: usize) -> Vec<u16> {
        let open = self.candidates.iter().filter(|(_, state)| *state == State::Unasked);
        open.take(count).map(|(index, _)| *index).collect()
    }

    fn ask(&mut self, indices: &[u16]) -> Action {
        for (index, state) in &mut self.candidates {
            if indices.contains(index) {
                *state = State::Asked;
            }
        }
        match indices {
            [] if self.candidates.iter().any(|(_, s)| *s == State::Asked) => Action::Wait,
            [] => Action::Short { good: 0 },
            _ => Action::Ask(indices.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(indices: &[u16]) -> Action {
        Action::Ask(indices.to_vec())
    }

    #[test]
    fn a_healthy_read_asks_for_the_wanted_chunks_only() {
        let (mut gather, asks) = Gather::new(4, 1, &[1, 2], &[0, 1, 2, 3, 4, 5]);
        assert_eq!(asks, ask(&[1, 2]));
        assert_eq!(gather.arrived(2, &[]), Action::Wait);
        assert_eq!(gather.arrived(1, &[]), Action::Decode);
    }

    #[test]
    fn one_that_fails_is_replaced_by_as_many_as_decoding_needs() {
        let (mut gather, _) = Gather::new(4, 1, &[1], &[0, 1, 2, 3, 4, 5]);
        assert_eq!(gather.failed(1), ask(&[0, 2, 3, 4]));
        gather.arrived(0, &[]);
        gather.arrived(2, &[]);
        gather.arrived(3, &[]);
        assert_eq!(gather.failed(4), ask(&[5]));
        assert_eq!(gather.arrived(5, &[]), Action::Decode);
    }

    #[test]
    fn damage_in_different_stripes_is_read_around_stripe_by_stripe() {
        let (mut gather, _) = Gather::new(2, 2, &[0, 1], &[0, 1, 2]);
        assert_eq!(gather.arrived(0, &[0]), ask(&[2]));
        assert_eq!(gather.arrived(1, &[1]), Action::Wait);
        assert_eq!(gather.arrived(2, &[]), Action::Decode);
        assert_eq!(gather.good_in(0), [1, 2]);
        assert_eq!(gather.good_in(1), [0, 2]);
    }

    #[test]
    fn a_provider_that_is_last_in_order_is_not_asked_for_its_data_chunk() {
        let (_, asks) = Gather::new(2, 1, &[0, 1], &[1, 2, 3, 0]);
        assert_eq!(asks, ask(&[1, 2]));
    }

    #[test]
    fn fewer_than_k_is_said_with_the_count() {
        let (mut gather, _) = Gather::new(2, 1, &[0, 1], &[0, 1, 2]);
        assert_eq!(gather.failed(0), ask(&[2]));
        assert_eq!(gather.arrived(1, &[]), Action::Wait);
        assert_eq!(gather.failed(2), Action::Short { good: 1 });
        assert_eq!(Gather::new(2, 1, &[0], &[]).1, Action::Short { good: 0 });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// Whatever fails or is damaged, the read ends, asks nobody twice, and decodes exactly if each stripe has what it needs.
        #[test]
        fn a_read_decodes_exactly_if_every_stripe_can_be(
            k in 1_u16..6, m in 0_u16..5, stripes in 1_usize..4,
            fate in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<bool>(), 4)), 11),
            wanted_bits in 1_u16..32, shift in 0_usize..11,
        ) {
            let n = k + m;
            let wanted: Vec<u16> = (0..k).filter(|c| wanted_bits >> c & 1 == 1).collect();
            prop_assume!(!wanted.is_empty());
            let mut order: Vec<u16> = (0..n).collect();
            order.rotate_left(shift % usize::from(n));
            let (mut gather, mut action) = Gather::new(k, stripes, &wanted, &order);
            let (mut queue, mut asked) = (Vec::new(), Vec::new());
            let decoded = loop {
                match action {
                    Action::Ask(indices) => {
                        for index in indices { prop_assert!(!asked.contains(&index)); asked.push(index); queue.push(index); }
                    }
                    Action::Wait => prop_assert!(!queue.is_empty(), "waits for nobody"),
                    Action::Decode => break true,
                    Action::Short { .. } => break false,
                }
                let index = queue.pop().expect("somebody was asked");
                action = match &fate[usize::from(index)] {
                    None => gather.failed(index),
                    Some(bad) => {
                        let bad: Vec<usize> = (0..stripes).filter(|s| bad[*s]).collect();
                        gather.arrived(index, &bad)
                    }
                };
            };
            let good = |index: u16, stripe: usize| fate[usize::from(index)].as_ref().is_some_and(|bad| !bad[stripe]);
            let readable = (0..stripes).all(|s| {
                (0..n).filter(|i| good(*i, s)).count() >= usize::from(k) || wanted.iter().all(|c| good(*c, s))
            });
            prop_assert_eq!(decoded, readable);
        }
    }

    #[test]
    fn a_late_chunk_is_read_around_with_as_many_others_as_that_takes() {
        let (mut gather, asks) = Gather::new(4, 1, &[1], &[0, 1, 2, 3, 4, 5]);
        assert_eq!(asks, ask(&[1]));
        assert_eq!(gather.late(1), ask(&[0, 2, 3, 4]));
        assert_eq!(gather.arrived(0, &[]), Action::Wait);
        assert_eq!(
            gather.clone().arrived(1, &[]),
            Action::Decode,
            "the late one was quicker after all"
        );
        for index in [2, 3] {
            assert_eq!(gather.arrived(index, &[]), Action::Wait);
        }
        assert_eq!(gather.arrived(4, &[]), Action::Decode);
    }

    #[test]
    fn with_nobody_left_to_ask_the_late_one_is_waited_for() {
        let (mut gather, _) = Gather::new(2, 1, &[0, 1], &[0, 1]);
        assert_eq!(gather.arrived(0, &[]), Action::Wait);
        assert_eq!(gather.late(1), Action::Wait);
        assert_eq!(gather.clone().failed(1), Action::Short { good: 1 });
        assert_eq!(gather.arrived(1, &[]), Action::Decode);
    }
}
