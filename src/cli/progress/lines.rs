//! Progress for logs: a plain line, or a line of JSON, now and then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::output::Output;
use super::super::quantity::{rate, size, span};
use super::Glance;

/// Tells at most once in `every`.
#[derive(Debug)]
pub(super) struct Lines {
    title: String,
    every: Duration,
    last: Mutex<Duration>,
    output: Arc<Output>,
}

impl Lines {
    pub(super) fn new(title: &str, every: Duration, output: Arc<Output>) -> Lines {
        Lines {
            title: title.to_owned(),
            every,
            last: Mutex::new(Duration::ZERO),
            output,
        }
    }

    pub(super) fn tell(&self, glance: &Glance) {
        if self.is_due(glance) {
            let of = glance
                .total
                .map_or_else(String::new, |total| format!(" of {}", size(total)));
            let (done, speed) = (size(glance.done), rate(glance.done, glance.time));
            self.output
                .aside(&format!("{}: {done}{of}, {speed}, {}\n", self.title, span(glance.time)));
        }
    }

    pub(super) fn tell_json(&self, glance: &Glance) {
        if self.is_due(glance) {
            let line = serde_json::json!({
                "type": "progress",
                "title": self.title,
                "done": glance.done,
                "total": glance.total,
                "seconds": glance.time.as_secs_f64(),
            });
            self.output.aside(&format!("{line}\n"));
        }
    }

    fn is_due(&self, glance: &Glance) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = glance.time >= *last + self.every;
        if due {
            *last = glance.time;
        }
        due
    }
}
