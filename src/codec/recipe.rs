//! What there is to do for one call of [`Code::reconstruct`], worked out from which shards are there and which are wanted.
//!
//! The last one of each thread is kept. The stripes of an extent come with the same shards, and for a short stripe the working out, and the lock
//! round the plans that all threads share, would take as long as the rebuilding.

use std::cell::Cell;
use std::sync::Arc;

use arrayvec::ArrayVec;

use super::code::{Code, CodeError, MAX_SHARDS};
use super::plan::{Pattern, Plan};

/// The place of a shard that isn't there.
const ABSENT: u16 = u16::MAX;

thread_local! {
    static LAST: Cell<Option<Box<Recipe>>> = const { Cell::new(None) };
}

/// One for each of some shards, on the stack.
pub(super) type Shards<T> = ArrayVec<T, MAX_SHARDS>;

/// A shard of `have`, by its index.
pub(super) type Have<'a> = (usize, &'a [u8]);
/// A shard of `want`, by its index.
pub(super) type Want<'a> = (usize, &'a mut [u8]);

/// What is read, and what is copied or made of it.
#[derive(Debug)]
pub(super) struct Recipe {
    k: usize,
    n: usize,
    /// The shards that are there and those that are wanted, in the order of the call.
    have: Shards<u8>,
    want: Shards<u8>,
    /// The k that are read, by their places in `have`.
    inputs: Shards<u16>,
    /// Where in `have` each wanted shard is; [`ABSENT`] if it has to be made.
    sources: Shards<u16>,
    /// Makes those; none if there are none.
    plan: Option<Arc<Plan>>,
}

impl Recipe {
    /// The recipe for these shards; to be given back with [`Recipe::keep`].
    ///
    /// # Panics
    ///
    /// If an index is not below n, `have` names a shard twice, or `want` has more than n.
    pub(super) fn find(code: &Code, have: &[Have<'_>], want: &[Want<'_>]) -> Result<Box<Recipe>, CodeError> {
        match LAST.take() {
            Some(last) if last.serves(code, have, want) => Ok(last),
            _ => Recipe::new(code, have, want).map(Box::new),
        }
    }

    /// Keeps it for this thread's next call.
    pub(super) fn keep(self: Box<Recipe>) {
        LAST.set(Some(self));
    }

    /// What is read, in the order of its use.
    pub(super) fn inputs<'a>(&self, have: &[Have<'a>]) -> impl Iterator<Item = &'a [u8]> {
        self.inputs.iter().map(|place| have[usize::from(*place)].1)
    }

    /// Where in `have` each wanted shard is; nothing if it has to be made.
    pub(super) fn sources(&self) -> impl Iterator<Item = Option<usize>> {
        let source = |source: &u16| (*source != ABSENT).then_some(usize::from(*source));
        self.sources.iter().map(source)
    }

    /// What makes those, of what is read; none if there are none.
    pub(super) fn plan(&self) -> Option<&Plan> {
        self.plan.as_deref()
    }

    /// Whether it is for the same shards in the same order.
    fn serves(&self, code: &Code, have: &[Have<'_>], want: &[Want<'_>]) -> bool {
        let is = |(known, asked): (&u8, usize)| usize::from(*known) == asked;
        let (indices, wanted) = (have.iter().map(|have| have.0), want.iter().map(|want| want.0));
        (self.k, self.n) == (code.k(), code.n())
            && (self.have.len(), self.want.len()) == (have.len(), want.len())
            && self.have.iter().zip(indices).all(is)
            && self.want.iter().zip(wanted).all(is)
    }

    fn new(code: &Code, have: &[Have<'_>], want: &[Want<'_>]) -> Result<Recipe, CodeError> {
        let (k, n) = (code.k(), code.n());
        let (places, have) = places(n, have);
        if have.len() < k {
            return Err(CodeError::TooFew {
                have: have.len(),
                want: k,
            });
        }
        assert!(want.len() <= n, "{} shards to rebuild, of a code of {n}", want.len());
        let want: Shards<u8> = want.iter().map(|(index, _)| point(n, *index)).collect();
        let place = |shard: u8| places[usize::from(shard)];
        let read: Shards<u8> = (0..=u8::MAX).filter(|shard| place(*shard) != ABSENT).take(k).collect();
        let mut pattern = Pattern::new();
        let lacking = want.iter().filter(|shard| place(**shard) == ABSENT);
        read.iter().chain(lacking).for_each(|shard| pattern.push(*shard));
        Ok(Recipe {
            k,
            n,
            have,
            inputs: read.into_iter().map(place).collect(),
            sources: want.iter().copied().map(place).collect(),
            want,
            plan: (pattern.points().len() > k).then(|| code.decode(&pattern)),
        })
    }
}

/// Where in `have` each shard is, by its index; and those that are there.
fn places(n: usize, have: &[Have<'_>]) -> ([u16; MAX_SHARDS], Shards<u8>) {
    let (mut places, mut points) = ([ABSENT; MAX_SHARDS], Shards::new());
    for (place, (index, _)) in (0..).zip(have) {
        let point = point(n, *index);
        let there = &mut places[usize::from(point)];
        assert!(*there == ABSENT, "shard {index} is there twice");
        *there = place;
        points.push(point);
    }
    (places, points)
}

/// The point at which the polynomial is read for shard `index`.
fn point(n: usize, index: usize) -> u8 {
    assert!(index < n, "shard {index} of a code of {n} shards");
    u8::try_from(index).expect("n is at most 256")
}
