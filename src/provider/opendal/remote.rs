//! The port spoken through OpenDAL.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use opendal::layers::TimeoutLayer;
use opendal::options::{ListOptions, ReadOptions};
use opendal::{Entry, HttpTransporter, Lister, Operator};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::folders::Folders;
use super::redact::Redact;
use super::wire::{NOTE, Note, Wire};
use super::{LONGEST_BLOB, OpenError, Spec, Timeouts, class, install_tls, options};
use crate::entropy::{Entropy, SystemEntropy};
use crate::fragment::id::BASE32;
use crate::provider::{Call, Class, Listed, Operation, Parts, Provider, ProviderError, Stat, Stored};

/// The folder of blobs on their way, never listed. RAIC's keys begin with a folder of one letter or with another word.
pub(super) const TEMPORARY: &str = "tmp/";

/// How long the proof that a bucket is there is believed: long enough that a series of misses costs one question more, short
/// enough that a bucket deleted under our hands is noticed before anybody acts on its emptiness.
const BELIEVED: Duration = Duration::from_secs(10);

/// One account and root at a service of OpenDAL's.
pub struct Remote {
    name: String,
    pub(super) scheme: String,
    /// For everything but writes: the next bytes come within `idle`.
    pub(super) reads: Operator,
    /// For writes, where one step of OpenDAL's is the whole body.
    pub(super) writes: Operator,
    pub(super) timeouts: Timeouts,
    redact: Redact,
    pub(super) folders: Folders,
    /// The first part of names in `tmp/`, drawn at open; `None` where a blob may be written under its key.
    pub(super) stem: Option<String>,
    pub(super) written: AtomicU64,
    /// When a blob, a listing or a clear denial of the blob last showed that the bucket is there.
    proven: Mutex<Option<Instant>>,
    pub(super) date: Mutex<Option<String>>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({}, {})", self.name, self.scheme)
    }
}

impl Remote {
    /// Opens the provider; see [`super::open`].
    pub fn open(spec: &Spec) -> Result<Remote, OpenError> {
        install_tls();
        opendal::init_default_registry();
        let options = options::checked(&spec.name, &spec.scheme, &spec.options)?;
        let secret = options
            .iter()
            .filter(|(option, _)| options::is_secret(&spec.scheme, option));
        let by_name = secret.map(|(_, value)| Zeroizing::new(value.clone()));
        let redact = Redact::new(spec.secrets.iter().cloned().chain(by_name));
        let refused = |message: &str| OpenError::Refused {
            provider: spec.name.clone(),
            message: redact.clean(message),
        };
        let folders = match spec.scheme.as_str() {
            "fs" => Folders::on_disk(options.get("root").map_or("", String::as_str)),
            "webdav" => Folders::made(),
            _ => Folders::Implied,
        };
        // A disk with `atomic_write_dir` has OpenDAL rename for itself.
        let in_place =
            matches!(spec.scheme.as_str(), "fs" | "sftp" | "webdav") && !options.contains_key("atomic_write_dir");
        let wire = Wire::new(&spec.scheme, spec.timeouts.connect, spec.timeouts.idle)
            .map_err(|error| refused(&error.to_string()))?;
        let operator =
            Operator::via_iter(&spec.scheme, options).map_err(|error| refused(&class::message(&error, None)))?;
        let context = operator.base_context().with_http_transport(HttpTransporter::new(wire));
        let operator = operator.with_context(context);
        let idle = TimeoutLayer::new().with_timeout(spec.timeouts.idle);
        Ok(Remote {
            name: spec.name.clone(),
            scheme: spec.scheme.clone(),
            reads: operator.clone().layer(idle.clone().with_io_timeout(spec.timeouts.idle)),
            writes: operator.layer(idle.with_io_timeout(spec.timeouts.deadline(LONGEST_BLOB))),
            timeouts: spec.timeouts,
            redact,
            folders,
            stem: in_place.then(|| BASE32.encode(&SystemEntropy.number().to_le_bytes())),
            written: AtomicU64::new(0),
            proven: Mutex::default(),
            date: Mutex::default(),
        })
    }

    /// True where a bucket may be missing under a blob. Elsewhere the root is a folder that comes with the first write.
    pub(super) fn has_bucket(&self) -> bool {
        matches!(
            self.scheme.as_str(),
            "s3" | "gcs" | "azblob" | "azdls" | "b2" | "swift" | "oss" | "cos" | "obs" | "tos" | "upyun"
        )
    }

    pub(super) fn error(&self, operation: Operation, key: &str, class: Class, message: &str) -> ProviderError {
        ProviderError::new(&self.name, operation, key, class, self.redact.clean(message))
    }

    fn explain(&self, operation: Operation, key: &str, error: &opendal::Error, status: Option<u16>) -> ProviderError {
        let class = class::class(error, status);
        self.error(operation, key, class, &class::message(error, status))
    }

    /// Runs one step of a call with a bound on its time; notes what the wire said.
    pub(super) async fn step<T>(
        &self,
        operation: Operation,
        key: &str,
        limit: Duration,
        step: impl Future<Output = opendal::Result<T>>,
    ) -> Result<(T, Option<u16>), ProviderError> {
        let note = Arc::new(Note::default());
        let answer = NOTE.scope(Arc::clone(&note), tokio::time::timeout(limit, step)).await;
        if let Some(date) = note.date() {
            *self.date.lock().unwrap_or_else(PoisonError::into_inner) = Some(date);
        }
        match answer {
            Ok(Ok(value)) => Ok((value, note.status())),
            Ok(Err(error)) => Err(self.explain(operation, key, &error, note.status())),
            Err(_) => {
                let message = format!("no end within {limit:?}");
                Err(self.error(operation, key, Class::Timeout, &message))
            }
        }
    }

    pub(super) fn short(&self) -> Duration {
        self.timeouts.deadline(0)
    }

    fn checked(&self, operation: Operation, key: &str) -> Result<(), ProviderError> {
        if is_key(key) {
            return Ok(());
        }
        Err(self.error(operation, key, Class::Config, "not a key: OpenDAL would change it"))
    }

    /// The `Date` of the service's last answer, as it was written.
    pub(super) fn last_date(&self) -> Option<String> {
        self.date.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    // ── is it gone? ──

    fn prove(&self) {
        *self.proven.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn is_proven(&self) -> bool {
        let proven = *self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        proven.is_some_and(|at| at.elapsed() < BELIEVED)
    }

    /// Of a blob that is said not to be there: the error that says so, or the one that says that its bucket isn't.
    pub(super) async fn gone(&self, error: ProviderError) -> ProviderError {
        if error.class != Class::Gone {
            return error;
        }
        if let Err(root) = self.root(error.operation, &error.key) {
            return root;
        }
        if !self.has_bucket() || self.is_proven() {
            return error;
        }
        match self.bucket(error.operation, &error.key).await {
            Ok(()) => error,
            Err(bucket) => bucket,
        }
    }

    /// Refuses if the disk's own folder is not there: taken out, or not mounted. OpenDAL would make it anew, or call it empty.
    pub(super) fn root(&self, operation: Operation, key: &str) -> Result<(), ProviderError> {
        if self.folders.has_root() {
            return Ok(());
        }
        Err(self.error(operation, key, Class::Config, "the provider's folder is not there"))
    }

    /// Asks for the bucket itself, by one entry of its listing.
    pub(super) async fn bucket(&self, operation: Operation, key: &str) -> Result<(), ProviderError> {
        let one = ListOptions {
            limit: Some(1),
            recursive: true,
            ..ListOptions::default()
        };
        let listing = async { self.reads.lister_options("/", one).await?.try_next().await };
        match self.step(operation, key, self.short(), listing).await {
            Ok(_) => {
                self.prove();
                Ok(())
            }
            Err(error) if error.class == Class::Gone => Err(ProviderError {
                class: Class::Config,
                message: "the bucket is not there".to_owned(),
                ..error
            }),
            Err(error) => Err(error),
        }
    }

    // ── reading ──

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Parts, ProviderError> {
        let want = range.end - range.start;
        let options = ReadOptions {
            range: range.into(),
            ..ReadOptions::default()
        };
        let read = self.reads.read_options(key, options);
        let answer = self.step(Operation::Get, key, self.timeouts.deadline(want), read).await;
        let buffer = match answer {
            Ok((buffer, _)) => buffer,
            Err(error) => return Err(self.gone(error).await),
        };
        self.prove();
        let parts: Parts = Iterator::collect(buffer);
        if parts.len() as u64 == want {
            return Ok(parts);
        }
        let message = format!("{} bytes came for {want}", parts.len());
        Err(self.error(Operation::Get, key, Class::Corrupt, &message))
    }

    async fn look(&self, key: &str) -> Result<Stat, ProviderError> {
        let answer = self
            .step(Operation::Stat, key, self.short(), self.reads.stat(key))
            .await;
        let metadata = match answer {
            Ok((metadata, _)) => metadata,
            Err(error) => return Err(self.gone(error).await),
        };
        self.prove();
        if !metadata.is_file() {
            return Err(self.error(Operation::Stat, key, Class::Gone, "not a blob, but a folder"));
        }
        Ok(Stat {
            len: metadata.content_length(),
            etag: metadata.etag().map(str::to_owned),
        })
    }

    async fn next(&self, prefix: &str, lister: &mut Option<Lister>) -> Result<Option<Entry>, ProviderError> {
        let step = async {
            if lister.is_none() {
                let all = ListOptions {
                    recursive: true,
                    ..ListOptions::default()
                };
                let folder = if prefix.is_empty() { "/" } else { prefix };
                *lister = Some(self.reads.lister_options(folder, all).await?);
            }
            match lister {
                Some(lister) => lister.try_next().await,
                None => Ok(None),
            }
        };
        // One step may look through many empty folders; each of its requests has its own bound.
        let limit = self.timeouts.deadline(LONGEST_BLOB);
        match self.step(Operation::List, prefix, limit, step).await {
            Ok((Some(entry), _)) => Ok(Some(entry)),
            Ok((None, _)) => {
                self.root(Operation::List, prefix)?;
                self.prove();
                Ok(None)
            }
            // A folder that isn't there holds nothing; a bucket that isn't there is another matter.
            Err(error) if error.class == Class::Gone && !self.has_bucket() => match self.gone(error).await {
                error if error.class == Class::Gone => Ok(None),
                error => Err(error),
            },
            Err(error) if error.class == Class::Gone => Err(ProviderError {
                class: Class::Config,
                message: "the bucket is not there".to_owned(),
                ..error
            }),
            Err(error) => Err(error),
        }
    }
}

impl Provider for Remote {
    fn name(&self) -> &str {
        &self.name
    }

    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Call<'a, Stored> {
        Box::pin(async move {
            self.checked(Operation::Put, key)?;
            self.root(Operation::Put, key)?;
            // OpenDAL's memory keeps what it is given, and who sends counts it against a budget until the last holder lets go.
            let body = if self.scheme == "memory" {
                Bytes::copy_from_slice(&body)
            } else {
                body
            };
            let stored = match &self.stem {
                Some(stem) => self.put_renamed(stem, key, body).await?,
                None => self.put_whole(key, body).await?,
            };
            self.prove();
            Ok(stored)
        })
    }

    fn get<'a>(&'a self, key: &'a str, range: Range<u64>) -> Call<'a, Parts> {
        Box::pin(async move {
            self.checked(Operation::Get, key)?;
            if range.is_empty() {
                return Ok(Parts::default());
            }
            self.read(key, range).await
        })
    }

    fn stat<'a>(&'a self, key: &'a str) -> Call<'a, Stat> {
        Box::pin(async move {
            self.checked(Operation::Stat, key)?;
            self.look(key).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Result<Listed, ProviderError>> {
        stream::try_unfold(None, move |mut lister| async move {
            let entry = self.next(prefix, &mut lister).await?;
            Ok(entry.map(|entry| (entry, lister)))
        })
        .try_filter_map(move |entry| async move { Ok(listed(&entry, prefix)) })
        .boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            self.checked(Operation::Delete, key)?;
            self.remove(key).await
        })
    }
}

/// The entry as a line of the listing; `None` for a folder, a blob on its way, and whatever a service lists beside the prefix.
fn listed(entry: &Entry, prefix: &str) -> Option<Listed> {
    let (key, metadata) = (entry.path(), entry.metadata());
    if metadata.is_dir() || key.ends_with('/') || key.starts_with(TEMPORARY) || !key.starts_with(prefix) {
        return None;
    }
    Some(Listed {
        key: key.to_owned(),
        len: metadata.is_file().then(|| metadata.content_length()),
    })
}

/// True for a key that OpenDAL leaves as it is and no service takes for a way out of the root.
fn is_key(key: &str) -> bool {
    let parts = key
        .split('/')
        .all(|part| !part.is_empty() && part != "." && part != "..");
    parts && key.trim() == key && !key.chars().any(char::is_control) && !key.starts_with(TEMPORARY)
}
