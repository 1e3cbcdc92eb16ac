//! How far a transfer is: counted here, drawn by `bars.rs`, told in lines by `lines.rs`.
//!
//! ```text
//! store ──payload, begin, end──▶ Tally (counters) ◀──ten times a second── bars, or lines, or nobody
//! ```

mod bars;
mod lines;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::args::{Global, Progressing};
use super::output::Output;
use crate::provider::ProviderError;
use crate::store::send::Progress;

/// Which way the payload goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From files to the providers: safe once fragments are confirmed.
    Up,
    /// From the providers to the reader.
    Down,
}

/// What a transfer is about.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// `put photos.tar`
    pub(crate) title: String,
    /// Payload bytes in all, if known.
    pub(crate) total: Option<u64>,
    /// Which way.
    pub(crate) way: Way,
    /// Fragment bytes for a payload byte: n ÷ k up, 1 down.
    pub(crate) expansion: f64,
}

/// Counts what the store tells.
#[derive(Debug)]
pub(crate) struct Tally {
    job: Job,
    begun: Instant,
    payload: AtomicU64,
    lanes: Mutex<BTreeMap<String, Lane>>,
    ended: AtomicBool,
}

/// One provider.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lane {
    /// Bytes of fragments that were begun.
    pub(crate) begun: u64,
    /// Bytes of fragments that arrived.
    pub(crate) done: u64,
    /// Fragments that didn't arrive.
    pub(crate) failed: u64,
    /// What the last of them died of.
    pub(crate) trouble: Option<String>,
}

/// A moment of a tally.
#[derive(Clone, Debug)]
pub(crate) struct Glance {
    pub(crate) done: u64,
    pub(crate) total: Option<u64>,
    pub(crate) time: Duration,
    pub(crate) lanes: Vec<(String, Lane)>,
}

impl Tally {
    fn new(job: Job) -> Tally {
        Tally {
            job,
            begun: Instant::now(),
            payload: AtomicU64::new(0),
            lanes: Mutex::default(),
            ended: AtomicBool::new(false),
        }
    }

    fn lane(&self, provider: &str, change: impl FnOnce(&mut Lane)) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if !lanes.contains_key(provider) {
            lanes.insert(provider.to_owned(), Lane::default());
        }
        change(lanes.get_mut(provider).expect("it was inserted"));
    }

    /// What is to be shown now. Upwards, only what providers confirmed counts: what is read ahead is not safe yet.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a bar is no ledger"
    )]
    pub(crate) fn glance(&self) -> Glance {
        let lanes: Vec<(String, Lane)> = {
            let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            lanes.iter().map(|(name, lane)| (name.clone(), lane.clone())).collect()
        };
        let payload = self.payload.load(Ordering::Relaxed);
        let confirmed: u64 = lanes.iter().map(|(_, lane)| lane.done).sum();
        let done = match self.job.way {
            Way::Up => payload.min((confirmed as f64 / self.job.expansion) as u64),
            Way::Down => payload,
        };
        Glance {
            done,
            total: self.job.total,
            time: self.begun.elapsed(),
            lanes,
        }
    }

    /// The transfer's title.
    pub(crate) fn title(&self) -> &str {
        &self.job.title
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

impl Progress for Tally {
    fn payload(&self, bytes: u64) {
        self.payload.fetch_add(bytes, Ordering::Relaxed);
    }

    fn begin(&self, provider: &str, bytes: u64) {
        self.lane(provider, |lane| lane.begun += bytes);
    }

    fn end(&self, provider: &str, bytes: u64, result: Result<(), &ProviderError>) {
        self.lane(provider, |lane| match result {
            Ok(()) => {
                lane.done += bytes;
                lane.trouble = None;
            }
            Err(error) => {
                lane.failed += 1;
                lane.trouble = Some(super::error::words(error));
            }
        });
    }
}

/// A transfer that is shown until it is ended, or this is dropped.
#[derive(Debug)]
pub(crate) struct Shown {
    tally: Arc<Tally>,
    drawing: Mutex<Option<JoinHandle<()>>>,
    output: Arc<Output>,
}

impl Shown {
    /// Begins to show a job the way that the flags ask for.
    pub(crate) fn begin(job: Job, global: &Global, output: &Arc<Output>) -> Shown {
        let tally = Arc::new(Tally::new(job));
        let drawing = match how(global) {
            Progressing::Bars => {
                let bars = bars::Bars::new(&tally, output.room());
                output.set_bars(Some(bars.screen()));
                Some(draw(tally.clone(), Duration::from_millis(100), move |glance| {
                    bars.draw(glance);
                }))
            }
            Progressing::Lines => {
                let lines = lines::Lines::new(tally.title(), Duration::from_secs(10), output.clone());
                Some(draw(tally.clone(), Duration::from_millis(100), move |glance| {
                    lines.tell(glance);
                }))
            }
            Progressing::Json => {
                let lines = lines::Lines::new(tally.title(), Duration::from_millis(500), output.clone());
                Some(draw(tally.clone(), Duration::from_millis(100), move |glance| {
                    lines.tell_json(glance);
                }))
            }
            Progressing::Auto | Progressing::Off => None,
        };
        Shown {
            tally,
            drawing: Mutex::new(drawing),
            output: output.clone(),
        }
    }

    /// Takes it off the screen: what is written from now on stays.
    pub(crate) fn end(&self) {
        self.tally.ended.store(true, Ordering::Relaxed);
        let drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(drawing) = drawing {
            drawing.thread().unpark();
            // If drawing panicked, the transfer is none the worse.
            drop(drawing.join());
        }
        self.output.set_bars(None);
    }

    /// The listener for the store.
    pub(crate) fn listener(&self) -> Arc<dyn Progress> {
        self.tally.clone()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.end();
    }
}

/// The way that the flags ask for.
pub(crate) fn how(global: &Global) -> Progressing {
    match global.progress {
        _ if global.quiet => Progressing::Off,
        Progressing::Auto if std::io::stderr().is_terminal() && !global.json => Progressing::Bars,
        Progressing::Auto => Progressing::Off,
        asked => asked,
    }
}

fn draw(tally: Arc<Tally>, every: Duration, mut show: impl FnMut(&Glance) + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || {
        while !tally.is_ended() {
            std::thread::park_timeout(every);
            if !tally.is_ended() {
                show(&tally.glance());
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upwards_only_confirmed_bytes_count() {
        let tally = Tally::new(Job {
            title: "put x".to_owned(),
            total: Some(100),
            way: Way::Up,
            expansion: 1.5,
        });
        tally.payload(100);
        tally.begin("a", 90);
        assert_eq!(tally.glance().done, 0);
        tally.end("a", 90, Ok(()));
        assert_eq!(tally.glance().done, 60);
        tally.end("b", 90, Ok(()));
        assert_eq!(tally.glance().done, 100);
    }

    #[test]
    fn trouble_shows_until_a_fragment_arrives() {
        let tally = Tally::new(Job {
            title: "get x".to_owned(),
            total: None,
            way: Way::Down,
            expansion: 1.0,
        });
        let error = ProviderError::new(
            "a",
            crate::provider::Operation::Get,
            "k",
            crate::provider::Class::Timeout,
            "late",
        );
        tally.end("a", 9, Err(&error));
        assert_eq!(tally.glance().lanes[0].1.trouble.as_deref(), Some("late"));
        tally.end("a", 9, Ok(()));
        assert_eq!(tally.glance().lanes[0].1.trouble, None);
        assert_eq!(tally.glance().lanes[0].1.failed, 1);
    }
}
