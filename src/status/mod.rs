//! What a running node tells its owner, on loopback and without changing anything: one picture as a page, as JSON and as metrics.
//!
//! ```text
//! Source ──look──▶ Picture ──┬─ page.rs      /               for people; no script, renewed by the browser
//!                            ├─ serde        /status.json
//!                            └─ metrics.rs   /metrics        Prometheus text
//!                               door.rs      /healthz        200 while the process answers
//!                                            /readyz         200 if everything stored can be read, else 503
//! ```

pub mod metrics;
pub mod page;
pub mod door;

use futures::future::BoxFuture;
use serde::Serialize;

use crate::node::tally::Counted;

/// Where pictures come from.
pub trait Source: std::fmt::Debug + Send + Sync {
    /// How things are now. What costs the providers requests may be a minute old.
    fn look(&self) -> BoxFuture<'_, Picture>;
}

/// How a node is.
#[derive(Clone, Debug, Serialize)]
pub struct Picture {
    /// `raic.node/1`.
    pub schema: &'static str,
    /// This program's version.
    pub version: &'static str,
    /// Where shares lie: `striped` or `fs`.
    pub backend: &'static str,
    /// When it was taken, RFC 3339.
    pub at: String,
    /// Seconds since the node was started.
    pub up: u64,
    /// The answer in a sentence.
    pub headline: String,
    /// What the policy promises holds.
    pub healthy: bool,
    /// Everything stored can be read.
    pub available: bool,
    /// Providers that may still be lost; `None` if nothing is stored.
    pub can_lose: Option<u16>,
    /// What the policy promises of that.
    pub promised: u16,
    /// The providers.
    pub providers: Vec<Place>,
    /// Objects by health.
    pub objects: Vec<(&'static str, u64)>,
    /// Their bytes.
    pub bytes: u64,
    /// What goes on, and what waits.
    pub work: Vec<(&'static str, u64)>,
    /// Room for shares.
    pub space: Space,
    /// What storing this costs in a month, in the currency of the prices.
    pub cost_month: Option<f64>,
    /// The most it may cost.
    pub budget: Option<f64>,
    /// Requests since the start.
    #[serde(skip)]
    pub requests: Vec<Counted>,
}

/// A provider.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// `ok`, `down`, `readonly`, `draining` or `unlisted`.
    pub state: &'static str,
    /// Fragments there.
    pub fragments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The most that may lie there.
    pub quota: Option<u64>,
    /// What that costs in a month.
    pub cost_month: Option<f64>,
    /// What is wrong.
    pub trouble: Option<String>,
}

/// Room for shares, in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Space {
    /// What clients are told; `None` if nothing bounds it.
    pub available: Option<u64>,
    /// What the owner wants to stay free.
    pub reserve: u64,
    /// Promised to uploads under way.
    pub promised: u64,
    /// Nothing new is taken.
    pub read_only: bool,
}

#[cfg(test)]
pub(crate) fn sample() -> Picture {
    let tally = crate::node::tally::Tally::default();
    tally.count(None, 404, std::time::Duration::from_millis(3));
    let place = |name: &str, state, trouble: Option<&str>| Place {
        name: name.to_owned(),
        state,
        fragments: 7,
        bytes: 3 << 20,
        quota: Some(1 << 30),
        cost_month: Some(0.25),
        trouble: trouble.map(str::to_owned),
    };
    Picture {
        schema: "raic.node/1",
        version: "0.0.0",
        backend: "striped",
        at: "2026-11-23T05:00:00Z".to_owned(),
        up: 90_061,
        headline: "DEGRADED, nothing lost: can lose 1 more provider".to_owned(),
        healthy: false,
        available: true,
        can_lose: Some(1),
        promised: 2,
        providers: vec![
            place("one", "ok", None),
            place("a \"b\"\\<c>", "down", Some("connection refused <b>\n&")),
        ],
        objects: vec![("ok", 5), ("lost", 0)],
        bytes: 12 << 20,
        work: vec![("uploads", 3)],
        space: Space {
            available: Some(1 << 40),
            ..Space::default()
        },
        cost_month: Some(0.5),
        budget: Some(5.0),
        requests: tally.counted(),
    }
}
