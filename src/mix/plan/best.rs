//! What a search keeps: the cheapest so far, and a front of two figures.

use std::collections::BinaryHeap;

use super::Choice;
use crate::cloud_set::price::Money;

/// The cheapest so far.
pub(super) struct Best {
    count: usize,
    heap: BinaryHeap<Dearest>,
}

/// A choice, the dearest first.
struct Dearest(Choice);

impl Dearest {
    fn key(&self) -> (Money, usize, u16, &[usize]) {
        (self.0.cost, self.0.services.len(), self.0.k, &self.0.services)
    }
}

impl PartialEq for Dearest {
    fn eq(&self, other: &Dearest) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Dearest {}

impl PartialOrd for Dearest {
    fn partial_cmp(&self, other: &Dearest) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dearest {
    fn cmp(&self, other: &Dearest) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Best {
    /// Room for so many.
    pub(super) fn new(count: usize) -> Best {
        Best {
            count,
            heap: BinaryHeap::new(),
        }
    }

    /// The cost beyond which nothing is among the cheapest any more.
    pub(super) fn worst(&self) -> Option<Money> {
        (self.heap.len() >= self.count)
            .then(|| self.heap.peek().map(|dearest| dearest.0.cost))
            .flatten()
    }

    pub(super) fn offer(&mut self, choice: Choice) {
        self.heap.push(Dearest(choice));
        if self.heap.len() > self.count {
            self.heap.pop();
        }
    }

    pub(super) fn sorted(self) -> Vec<Choice> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|dearest| dearest.0)
            .collect()
    }
}

/// A front of two figures: rising cost, falling unreadability.
#[derive(Default)]
pub(super) struct Flat {
    pub(super) points: Vec<(f64, Choice)>,
}

impl Flat {
    /// True if no point is as cheap and as steady.
    pub(super) fn stands(&self, cost: Money, unreadable: f64) -> bool {
        let cheaper = self.points.partition_point(|point| point.1.cost <= cost);
        // Among those that cost no more the last is the steadiest.
        cheaper == 0 || self.points[cheaper - 1].0 > unreadable
    }

    pub(super) fn add(&mut self, unreadable: f64, choice: Choice) {
        self.points
            .retain(|point| point.1.cost < choice.cost || point.0 < unreadable);
        let at = self.points.partition_point(|point| point.1.cost < choice.cost);
        self.points.insert(at, (unreadable, choice));
    }
}
