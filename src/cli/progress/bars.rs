//! Bars on a terminal: the transfer on top, below it a lane for each provider.
//!
//! ```text
//! ⠈ put photos.tar ━━━━━━━━━━━━╸─────────  54%  276.0 MiB/512.0 MiB  94.7 MiB/s  ETA 2 s      from 80 columns
//!   b2-eu   ━━━━━━━━━━━━━╸────────── 143.0 MiB
//! ⠈ put photos.tar ━━━━━━━╸─────  54%  94.7 MiB/s                                            under 80: lanes without bytes
//! put photos.tar  54%  94.7 MiB/s                                                            under 50: one line, no lanes
//! ```

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::super::quantity::{rate, size, span};
use super::{Glance, Lane, Tally};

/// Columns under which lanes have no byte counts.
const NARROW: usize = 80;

/// Columns under which there are no lanes.
const TINY: usize = 50;

/// Lanes at most; of more providers the slowest are shown.
const MOST_LANES: usize = 8;
const SLOWEST: usize = 6;

/// The bars of one transfer.
#[derive(Debug)]
pub(super) struct Bars {
    screen: MultiProgress,
    top: ProgressBar,
    title: String,
    columns: usize,
    lanes: Mutex<Vec<ProgressBar>>,
}

impl Bars {
    pub(super) fn new(tally: &Arc<Tally>, room: Option<usize>) -> Bars {
        let screen = MultiProgress::new();
        let top = screen.add(ProgressBar::new_spinner());
        top.set_style(plain());
        Bars {
            screen,
            top,
            title: tally.title().to_owned(),
            columns: room.unwrap_or(100),
            lanes: Mutex::default(),
        }
    }

    /// The screen, to be lifted while a line is written.
    pub(super) fn screen(&self) -> MultiProgress {
        self.screen.clone()
    }

    pub(super) fn draw(&self, glance: &Glance) {
        // A redraw breaks if a line fills the last column or wraps.
        let columns = self.columns.saturating_sub(1).max(20);
        self.top.set_message(top_line(&self.title, glance, columns));
        self.top.tick();
        if columns < TINY {
            return;
        }
        let texts = lane_lines(glance, columns);
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        while lanes.len() < texts.len() {
            let lane = self.screen.add(ProgressBar::new_spinner());
            lane.set_style(plain());
            lanes.push(lane);
        }
        for (lane, text) in lanes.iter().zip(texts) {
            lane.set_message(text);
            lane.tick();
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for lane in self.lanes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            lane.finish_and_clear();
        }
        self.top.finish_and_clear();
    }
}

fn plain() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").expect("the template is a constant")
}

/// The transfer in at most `columns` columns.
pub(super) fn top_line(title: &str, glance: &Glance, columns: usize) -> String {
    let part = glance.total.map(|total| fraction(glance.done, total));
    let percent = part.map_or_else(|| size(glance.done), |part| format!("{:3.0}%", part * 100.0));
    let speed = rate(glance.done, glance.time);
    let tail = if columns < NARROW {
        format!("{percent}  {speed}")
    } else {
        let of = glance
            .total
            .map_or_else(String::new, |total| format!("  {}/{}", size(glance.done), size(total)));
        format!("{percent}{of}  {speed}{}", eta(glance))
    };
    let room = columns.saturating_sub(tail.chars().count() + 2);
    let bar_len = if columns < TINY { 0 } else { (room / 2).min(30) };
    let title = cut(title, room.saturating_sub(bar_len + 1));
    match part {
        Some(part) if bar_len > 3 => format!("{title} {} {tail}", bar(part, bar_len)),
        _ => format!("{title}  {tail}"),
    }
}

/// A line for each provider, the slowest first where there are too many.
pub(super) fn lane_lines(glance: &Glance, columns: usize) -> Vec<String> {
    let mut lanes: Vec<&(String, Lane)> = glance.lanes.iter().collect();
    let hidden = if lanes.len() > MOST_LANES {
        lanes.len() - SLOWEST
    } else {
        0
    };
    if hidden > 0 {
        lanes.sort_by_key(|(_, lane)| lane.done);
        lanes.truncate(SLOWEST);
        lanes.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let width = lanes
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0)
        .min(20);
    let most = glance.lanes.iter().map(|(_, lane)| lane.begun).max().unwrap_or(0);
    let line = |(name, lane): &&(String, Lane)| {
        let bytes = if columns < NARROW {
            String::new()
        } else {
            format!(" {:>10}", size(lane.done))
        };
        let trouble = lane
            .trouble
            .as_ref()
            .map_or_else(String::new, |trouble| format!(" {trouble}"));
        let bar = bar(fraction(lane.done, most), 24);
        cut(&format!("  {:width$} {bar}{bytes}{trouble}", cut(name, width)), columns)
    };
    let mut texts: Vec<String> = lanes.iter().map(line).collect();
    if hidden > 0 {
        texts.push(format!("  + {hidden} more"));
    }
    texts
}

#[expect(clippy::cast_precision_loss, reason = "a bar is no ledger")]
fn fraction(done: u64, total: u64) -> f64 {
    if total == 0 {
        1.0
    } else {
        (done as f64 / total as f64).min(1.0)
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bar has few cells"
)]
fn bar(part: f64, cells: usize) -> String {
    let full = ((part * cells as f64) as usize).min(cells);
    let tip = usize::from(full < cells);
    format!(
        "{}{}{}",
        "━".repeat(full),
        "╸".repeat(tip),
        "─".repeat(cells - full - tip)
    )
}

fn eta(glance: &Glance) -> String {
    let Some(left) = glance.total.and_then(|total| total.checked_sub(glance.done)) else {
        return String::new();
    };
    // In whole seconds, and not before a second has shown the pace.
    let (Some(pace), true) = (glance.done.checked_div(glance.time.as_secs()), left > 0) else {
        return String::new();
    };
    match left.checked_div(pace) {
        Some(seconds) if seconds < 60 => format!("  ETA {} s", seconds.max(1)),
        Some(seconds) => format!("  ETA {}", span(Duration::from_secs(seconds))),
        None => String::new(),
    }
}

/// The text in at most so many characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glance(providers: usize) -> Glance {
        let lane = |i: usize| {
            let trouble = (i == 1)
                .then(|| "503 SlowDown, and a long story after it that nobody has room for on this line".to_owned());
            (
                format!("provider-{i}"),
                Lane {
                    begun: 100 << 20,
                    done: (i as u64 + 1) << 20,
                    failed: 0,
                    trouble,
                },
            )
        };
        Glance {
            done: 276 << 20,
            total: Some(512 << 20),
            time: Duration::from_secs(3),
            lanes: (0..providers).map(lane).collect(),
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for columns in 20..140 {
            for providers in [0, 4, 8, 40] {
                let glance = glance(providers);
                let title = "put a-very-long-name-of-a-file-that-somebody-chose-without-thinking-of-us.tar.zst";
                let lines = lane_lines(&glance, columns)
                    .into_iter()
                    .chain([top_line(title, &glance, columns)]);
                for line in lines {
                    assert!(line.chars().count() <= columns.max(24), "{columns}: {line}");
                }
            }
        }
    }

    #[test]
    fn of_many_providers_the_slowest_are_shown() {
        let lines = lane_lines(&glance(12), 100);
        assert_eq!(lines.len(), 7);
        assert_eq!(lines[6], "  + 6 more");
        assert!(lines[0].contains("provider-0"), "{lines:?}");
    }
}
