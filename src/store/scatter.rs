//! When n fragments of one extent are on their way out: who has answered, when the extent counts, when waiting ends. No I/O.
//!
//! ```text
//!            Confirmed, Failed               rule holds                      all final, or the deadline
//! waiting ──────────────────▶ waiting ──────────────────▶ acknowledged ──────────────────▶ ended
//!    └── all final or the deadline, and the rule doesn't hold ──▶ ended, refused
//! ```
//!
//! An answer counts once. A seat without an answer at the end is *uncertain*: the blob may be there or come later.

/// What became of one seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// No answer.
    Uncertain,
    /// The provider holds it.
    Confirmed,
    /// The provider refused it for good, or never got it.
    Failed,
}

/// What the driver learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Seat i holds its fragment.
    Confirmed(usize),
    /// Seat i surely doesn't hold it.
    Failed(usize),
    /// Seat i gave an error after which nobody knows.
    Unsure(usize),
    /// Waiting has to end.
    Deadline,
}

/// What the driver does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Wait for more answers.
    Wait,
    /// The rule holds from now on; wait on for the rest, with the shorter patience for stragglers.
    Acknowledge,
    /// All is known that will be known.
    End,
}

/// The answers of one extent's seats.
#[derive(Clone, Debug)]
pub struct Scatter {
    seats: Vec<Seat>,
    final_answers: usize,
    acknowledged: bool,
}

impl Scatter {
    /// `n` fragments leave at once.
    #[must_use]
    pub fn new(n: usize) -> Scatter {
        Scatter {
            seats: vec![Seat::Uncertain; n],
            final_answers: 0,
            acknowledged: false,
        }
    }

    /// Takes one event. `rule` tells whether the seats confirmed so far satisfy the acknowledgement rule.
    ///
    /// # Panics
    /// If a seat answers twice or isn't one of the n.
    pub fn on(&mut self, event: Event, rule: impl FnOnce(&[Seat]) -> bool) -> Action {
        match event {
            Event::Confirmed(seat) => self.answer(seat, Seat::Confirmed),
            Event::Failed(seat) => self.answer(seat, Seat::Failed),
            Event::Unsure(seat) => self.answer(seat, Seat::Uncertain),
            Event::Deadline => return self.end(rule),
        }
        if self.final_answers == self.seats.len() {
            return self.end(rule);
        }
        if !self.acknowledged && rule(&self.seats) {
            self.acknowledged = true;
            return Action::Acknowledge;
        }
        Action::Wait
    }

    /// True once the rule held. It never ceases to.
    #[must_use]
    pub fn acknowledged(&self) -> bool {
        self.acknowledged
    }

    /// What is known of each seat.
    #[must_use]
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    fn answer(&mut self, seat: usize, answer: Seat) {
        assert_eq!(self.seats[seat], Seat::Uncertain, "seat {seat} has answered before");
        self.seats[seat] = answer;
        self.final_answers += 1;
    }

    fn end(&mut self, rule: impl FnOnce(&[Seat]) -> bool) -> Action {
        self.acknowledged = self.acknowledged || rule(&self.seats);
        Action::End
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(seats: &[Seat]) -> bool {
        seats.iter().filter(|s| **s == Seat::Confirmed).count() >= 2
    }

    #[test]
    fn the_rule_is_met_once_and_stays_met() {
        let mut scatter = Scatter::new(3);
        assert_eq!(scatter.on(Event::Confirmed(2), two), Action::Wait);
        assert_eq!(scatter.on(Event::Confirmed(0), two), Action::Acknowledge);
        assert_eq!(scatter.on(Event::Failed(1), two), Action::End);
        assert!(scatter.acknowledged());
        assert_eq!(scatter.seats(), [Seat::Confirmed, Seat::Failed, Seat::Confirmed]);
    }

    #[test]
    fn a_failed_seat_never_counts() {
        let mut scatter = Scatter::new(3);
        scatter.on(Event::Failed(0), two);
        scatter.on(Event::Unsure(1), two);
        assert_eq!(scatter.on(Event::Confirmed(2), two), Action::End);
        assert!(!scatter.acknowledged());
    }

    #[test]
    fn the_last_answer_may_be_the_one_that_was_missing() {
        let mut scatter = Scatter::new(2);
        scatter.on(Event::Confirmed(0), two);
        assert_eq!(scatter.on(Event::Confirmed(1), two), Action::End);
        assert!(scatter.acknowledged());
    }

    #[test]
    fn who_has_not_answered_at_the_deadline_is_uncertain() {
        let mut scatter = Scatter::new(3);
        scatter.on(Event::Confirmed(0), two);
        assert_eq!(scatter.on(Event::Deadline, two), Action::End);
        assert!(!scatter.acknowledged());
        assert_eq!(scatter.seats()[1], Seat::Uncertain);
    }
}
