//! What a storage server does, whatever carries the requests to it and wherever it keeps shares: the upper of the node's two interfaces.
//!
//! ```text
//! HTTP (service.rs) ──▶ StorageServer: shares, leases, secrets, slots ──▶ StorageProvider: where bytes lie (provider.rs)
//! ```
//!
//! Each call is one request of Tahoe-LAFS's protocol, decoded; `docs/protocol.md` has the rules. Calls that change something go on when the caller stops
//! waiting for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use super::id::{Share, StorageIndex};
use super::provider::Trouble;
use super::secret::Hashed;

/// An answer that is on its way.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Refusal>>;

/// Bytes of a request's body, in the order in which they arrive.
pub type Body<'a> = BoxStream<'a, Result<Bytes, Refusal>>;

/// The secrets of a lease, hashed.
#[derive(Clone, Copy, Debug)]
pub struct LeaseSecrets {
    /// Renews it.
    pub renew: Hashed,
    /// Was to cancel it.
    pub cancel: Hashed,
}

/// What the node says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Bytes of the longest share that a bucket takes now.
    pub longest_immutable: u64,
    /// Bytes of the longest share that a slot takes.
    pub longest_mutable: u64,
    /// Bytes that are free.
    pub space: u64,
}

/// The answer to an allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocated {
    /// Finished shares of the bucket, all of them.
    pub already_have: BTreeSet<u8>,
    /// The shares that are the caller's to write.
    pub allocated: BTreeSet<u8>,
}

/// The answer to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The gaps that are left; empty for a share that is complete now.
    pub required: Vec<Range<u64>>,
}

/// One share's part of a read-test-write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestWrite {
    /// What has to be there.
    pub tests: Vec<Test>,
    /// What is written if all tests of the request hold: offset and bytes, later ones win.
    pub writes: Vec<(u64, Bytes)>,
    /// The length to cut to; 0 removes the share.
    pub new_len: Option<u64>,
}

/// Bytes that a share must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Where.
    pub offset: u64,
    /// How many bytes are looked at, if the share has them.
    pub size: u64,
    /// What they must be.
    pub specimen: Bytes,
}

/// A read-test-write: one atomic step over all shares of a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadTestWrite {
    /// By share.
    pub shares: BTreeMap<u8, TestWrite>,
    /// What is read of every share before anything is written: offset and size.
    pub reads: Vec<(u64, u64)>,
}

/// The answer to a read-test-write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadTestWritten {
    /// Whether all tests held, and so everything was written.
    pub success: bool,
    /// What was read, by share.
    pub data: BTreeMap<u8, Vec<Bytes>>,
}

/// Bytes of a share on their way to the client.
pub struct Reading {
    /// Which bytes: the asked ones, cut at the end of the share.
    pub range: Range<u64>,
    /// They themselves, of one version of the share.
    pub bytes: BoxStream<'static, Result<Bytes, Refusal>>,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reading({:?})", self.range)
    }
}

/// Why a request is not answered with what it asks for. The variants are the protocol's outcomes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: what was sent is not what the endpoint takes.
    #[error("{0} is not what this endpoint takes")]
    Input(&'static str),
    /// 401: the swissnum or a secret is wrong.
    #[error("the swissnum or a secret is wrong")]
    Unauthorized,
    /// 404: no such share.
    #[error("there is no such share")]
    NotFound,
    /// 405: a finished share can't be aborted.
    #[error("the share is finished")]
    Finished,
    /// 406: the client doesn't take CBOR.
    #[error("answers are application/cbor only")]
    NotAcceptable,
    /// 408: the body came too slowly.
    #[error("the request's body came too slowly")]
    Slow,
    /// 409: other bytes are there already.
    #[error("other bytes were written there before")]
    Conflict,
    /// 413: longer than the endpoint takes.
    #[error("the body is longer than {0} bytes")]
    TooLong(u64),
    /// 415: the message is something else than CBOR.
    #[error("messages are application/cbor only")]
    ContentType,
    /// 416: no such range.
    #[error("the range can't be satisfied")]
    Range,
    /// 503: no room for it now.
    #[error("no room for it now")]
    Busy,
    /// 500: the node's or the clouds' trouble.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// The twelve requests of the protocol, but for version's, which is answered from memory.
pub trait StorageServer: fmt::Debug + Send + Sync {
    /// What the node says of itself. Never waits.
    fn version(&self) -> Version;

    /// Adds a lease to every finished share of either kind, or renews it. [`Refusal::NotFound`] without a share.
    fn add_lease(&self, index: StorageIndex, lease: LeaseSecrets) -> Answer<'_, ()>;

    /// Allocates shares of `size` bytes that are neither finished nor in progress, as far as there is room. Existing ones get the lease.
    fn allocate(
        &self,
        index: StorageIndex,
        numbers: BTreeSet<u8>,
        size: u64,
        upload: Hashed,
        lease: LeaseSecrets,
    ) -> Answer<'_, Allocated>;

    /// Writes `body` to `range` of an unfinished share. Of a refused write nothing stays. The write that fills the last gap is answered when the
    /// share is durable and can be read, and no other is.
    fn write<'a>(&'a self, share: Share, upload: Hashed, range: Range<u64>, body: Body<'a>) -> Answer<'a, Written>;

    /// Forgets an unfinished share.
    fn abort(&self, share: Share, upload: Hashed) -> Answer<'_, ()>;

    /// The finished shares of a bucket, or the shares of a slot; none for an index that isn't known.
    fn list(&self, kind: super::id::Kind, index: StorageIndex) -> Answer<'_, BTreeSet<u8>>;

    /// Bytes of a share, all of them without a range. The range may begin past the end: nothing is read then.
    fn read(&self, share: Share, range: Option<Range<u64>>) -> Answer<'_, Reading>;

    /// Keeps a client's word that a share is damaged.
    fn advise(&self, share: Share, reason: String) -> Answer<'_, ()>;

    /// The one atomic step on a slot. [`Refusal::Unauthorized`] if some share of it has another write enabler.
    fn read_test_write(
        &self,
        index: StorageIndex,
        request: ReadTestWrite,
        enabler: Hashed,
        lease: LeaseSecrets,
    ) -> Answer<'_, ReadTestWritten>;
}
