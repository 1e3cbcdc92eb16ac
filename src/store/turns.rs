//! Several threads read one source and weave what they read: each takes the source, fills one stripe, hands the source on and weaves its stripe.
//!
//! ```text
//! thread 0   |read 0|== weave 0 ==|read 2|== weave 2 ==|
//! thread 1          |read 1|== weave 1 ==|read 3|== weave 3 ==|
//! ```
//!
//! So the bytes of a stripe stay in the cache of one core from the reading to the last tag, and the source is read in order.

use std::io::Read;
use std::slice::ChunksExactMut;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::draft::DraftError;
use super::loom::Loom;
use super::source::read_full;

/// One source, and the places of the stripes that are filled from it.
pub(super) struct Turns<'a>(Mutex<Line<'a>>);

struct Line<'a> {
    source: &'a mut (dyn Read + Send),
    /// The frames that are left, fragment by fragment.
    fragments: Vec<ChunksExactMut<'a, u8>>,
    k: usize,
    /// Payload bytes of a frame.
    row: usize,
    /// Stripes that are woven; those behind are only filled.
    whole: u64,
    next: u64,
    filled: u64,
    ended: bool,
    failed: Option<DraftError>,
}

impl<'a> Turns<'a> {
    pub(super) fn new(
        source: &'a mut (dyn Read + Send),
        fragments: Vec<ChunksExactMut<'a, u8>>,
        k: usize,
        row: usize,
        whole: u64,
    ) -> Turns<'a> {
        Turns(Mutex::new(Line {
            source,
            fragments,
            k,
            row,
            whole,
            next: 0,
            filled: 0,
            ended: false,
            failed: None,
        }))
    }

    /// Fills all stripes or until the source ends. Answers the bytes that were read, and whether it ended.
    pub(super) fn run(self, loom: &Loom, threads: usize) -> Result<(u64, bool), DraftError> {
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| self.take(loom));
            }
            self.take(loom);
        });
        let line = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        match line.failed {
            Some(error) => Err(error),
            None => Ok((line.filled, line.ended)),
        }
    }

    fn take(&self, loom: &Loom) {
        loop {
            let Some((stripe, mut frames)) = self.line().fill() else {
                return;
            };
            if let Some(Err(error)) = frames.as_mut().map(|frames| loom.stripe(stripe, frames)) {
                self.line().failed = Some(error.into());
            }
        }
    }

    fn line(&self) -> MutexGuard<'_, Line<'a>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Line<'a> {
    /// Fills the next stripe. Answers its frames if they are to be woven, nothing if there is nothing more to do.
    fn fill(&mut self) -> Option<(u64, Option<Vec<&'a mut [u8]>>)> {
        if self.ended || self.failed.is_some() {
            return None;
        }
        let mut frames: Vec<&'a mut [u8]> = self.fragments.iter_mut().map(Iterator::next).collect::<Option<_>>()?;
        for frame in &mut frames[..self.k] {
            match read_full(self.source, &mut frame[..self.row]) {
                Ok(read) => {
                    self.filled += read as u64;
                    self.ended = read < self.row;
                }
                Err(error) => self.failed = Some(error.into()),
            }
            if self.ended || self.failed.is_some() {
                return None;
            }
        }
        let stripe = self.next;
        self.next += 1;
        Some((stripe, (stripe < self.whole).then_some(frames)))
    }
}
