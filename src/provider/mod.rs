//! The port to a cloud: five calls on blobs. Everything above RAIC's floor of providers sees a cloud through it, real or not.
//!
//! ```text
//! put(key, body)      one blob, whole, in one call          delete(key)     absent afterwards; absent before is fine
//! get(key, range)     exactly these bytes                   stat(key)       its length
//! list(prefix)        the keys below, in any order, once or more
//! ```
//!
//! An answer is final: whoever waits for it may believe it. An error says by its [`Class`] what is known: only
//! [`Class::Gone`] means that the blob is not there; all others mean that nobody knows.

pub mod chance;
pub mod conformance;
pub mod fault;
pub mod health;
pub mod isolate;
pub mod limit;
pub mod memory;
pub mod meter;
pub mod opendal;
pub mod pace;
pub mod probe;
pub mod retry;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

/// An answer that is on its way.
pub type Call<'a, T> = BoxFuture<'a, Result<T, ProviderError>>;

/// One account and root at one service.
///
/// Implementations are real adapters, fakes, and wrappers of another provider; all pass the suite in `conformance.rs`.
/// Calls may run at the same time. A call that is dropped leaves the blob in the old or the new state, or, for `put`, unknown.
pub trait Provider: fmt::Debug + Send + Sync {
    /// The name in the owner's configuration.
    fn name(&self) -> &str;

    /// Stores `body` under `key`, whole or not at all. Answered once the provider holds it for good.
    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored>;

    /// The bytes `range` of the blob; fails if the blob is shorter. An empty range is answered with no bytes.
    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts>;

    /// What is known of the blob without reading it.
    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat>;

    /// The blobs whose keys begin with `prefix`, which is empty or ends with `/`; folders are walked down.
    /// A hint, never a proof: it may omit, repeat and reorder.
    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>>;

    /// Removes the blob; a blob that is not there is a success.
    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()>;
}

/// What a provider said of a blob it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Its length in bytes, where the provider says so.
    pub len: Option<u64>,
    /// Its entity tag, as the provider writes it.
    pub etag: Option<String>,
}

/// What a provider said of a blob it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its length in bytes.
    pub len: u64,
    /// Its entity tag, as the provider writes it.
    pub etag: Option<String>,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The whole key.
    pub key: String,
    /// Its length in bytes, where the listing has it.
    pub len: Option<u64>,
}

/// Bytes as they came: pieces in order, not joined.
#[derive(Clone, Debug, Default)]
pub struct Parts(Vec<Bytes>);

impl Parts {
    /// All bytes of all pieces.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// True without a byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order.
    #[must_use]
    pub fn pieces(&self) -> &[Bytes] {
        &self.0
    }

    /// The bytes in one piece; copies only if there are several.
    #[must_use]
    pub fn join(mut self) -> Bytes {
        match self.0.len() {
            0 => Bytes::new(),
            1 => self.0.remove(0),
            _ => self.0.concat().into(),
        }
    }
}

impl From<Bytes> for Parts {
    fn from(bytes: Bytes) -> Parts {
        Parts(vec![bytes])
    }
}

impl FromIterator<Bytes> for Parts {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Parts {
        Parts(pieces.into_iter().collect())
    }
}

/// The five calls, for errors, meters and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// [`Provider::put`]
    Put,
    /// [`Provider::get`]
    Get,
    /// [`Provider::stat`]
    Stat,
    /// [`Provider::list`]
    List,
    /// [`Provider::delete`]
    Delete,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Put => "put",
            Operation::Get => "get",
            Operation::Stat => "stat",
            Operation::List => "list",
            Operation::Delete => "delete",
        })
    }
}

/// What an error means for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The provider answers that the blob is not there.
    Gone,
    /// The credentials do not allow it, or are not known, or have expired.
    Denied,
    /// Slow down: the provider sheds load.
    Throttled,
    /// The account, disk or quota is full.
    Full,
    /// It may work the next time: a broken connection, a server's own error.
    Transient,
    /// No answer in time; it may have happened.
    Timeout,
    /// The machine's clock and the provider's differ too much for a signature.
    Clock,
    /// The bucket, host, path or option is wrong: a person must mend it.
    Config,
    /// The answer was not what was asked for: too short, too long, not readable.
    Corrupt,
    /// The service cannot do this.
    Unsupported,
    /// The adapter failed in itself (a panic was caught).
    Broken,
}

impl Class {
    /// True if the same call may succeed a little later without anybody doing anything.
    #[must_use]
    pub fn is_temporary(self) -> bool {
        matches!(
            self,
            Class::Throttled | Class::Transient | Class::Timeout | Class::Corrupt | Class::Broken
        )
    }
}

/// A call that failed: who, what, where, and what it means. The message is the library's own, with secrets taken out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("provider {provider}: {operation} {key}: {message}")]
pub struct ProviderError {
    /// The provider's name.
    pub provider: String,
    /// The call.
    pub operation: Operation,
    /// The key or prefix that it was about.
    pub key: String,
    /// What it means.
    pub class: Class,
    /// How often it was tried, at least 1.
    pub attempts: u32,
    /// One sentence without secrets.
    pub message: String,
}

impl ProviderError {
    /// An error of a call's first try.
    pub fn new(
        provider: &str,
        operation: Operation,
        key: &str,
        class: Class,
        message: impl Into<String>,
    ) -> ProviderError {
        ProviderError {
            provider: provider.to_owned(),
            operation,
            key: key.to_owned(),
            class,
            attempts: 1,
            message: message.into(),
        }
    }
}

/// Makes a bare adapter fit for work, from the inside out:
///
/// ```text
/// Retried      outermost: each try pays the limits again and has a task of its own
///   Limited    waits in the caller's own time: whoever gives up while waiting has asked for nothing
///     Isolated a task with a place in the gate: a panic is an error that is retried, a put goes on without its caller
///       inner
/// ```
///
/// The waits between tries are drawn from `seed`.
pub fn steady(
    inner: Arc<dyn Provider>,
    limits: &limit::Limits,
    patience: isolate::Patience,
    retry: retry::Retry,
    seed: u64,
) -> Arc<dyn Provider> {
    let isolated = isolate::Isolated::new(inner, limit::Gate::new(limits.concurrency), patience);
    let limited = limit::Limited::new(Arc::new(isolated), limits);
    Arc::new(retry::Retried::new(Arc::new(limited), retry, seed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use conformance::Options;
    use fault::{Fault, Faulty, Rule};

    #[tokio::test(start_paused = true)]
    async fn a_steadied_provider_bears_panics_hangs_and_errors() {
        let (faulty, faults) = Faulty::wrap(Arc::new(memory::Memory::new("m")), 4);
        for fault in [
            Fault::Panic,
            Fault::Hang,
            Fault::Fail(Class::Transient),
            Fault::LoseAnswer,
        ] {
            faults.add(Rule::per_million(fault, 3_000));
        }
        let limits = limit::Limits {
            requests: Some(500),
            ..limit::Limits::of_scheme("memory")
        };
        // A hang takes three minutes to be given up, so the deadline has to leave time for another try.
        let retry = retry::Retry {
            deadline: std::time::Duration::from_mins(10),
            ..retry::Retry::default()
        };
        let steady = steady(faulty, &limits, isolate::Patience::default(), retry, 1);
        let options = Options {
            patience: std::time::Duration::from_hours(1),
            ..Options::default()
        };
        let checks = conformance::run(steady, "suite/", &options).await;
        conformance::assert_passed(&checks, &[]);
        let injected = faults.injected();
        assert!(
            injected.values().all(|&times| times > 2) && injected.len() == 4,
            "{injected:?}"
        );
    }
}
