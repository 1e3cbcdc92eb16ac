//! Where the bytes of shares lie: the lower of the node's two interfaces. A folder fulfils it (`folder.rs`), and so do the clouds (`striped.rs`).
//!
//! ```text
//! bucket's share   one object, written once:   begin ─▶ write, in any order ─▶ finish            (a crash before the end of finish leaves nothing)
//! slot             one object, changed:        open  ─▶ read a version ─▶ change to the next     (atomic: before or after, never between)
//! ```
//!
//! A provider knows nothing of leases, secrets and share numbers within a slot: a slot is one string of bytes to it. What is in it is `slot/image.rs`.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::id::StorageIndex;

/// An answer that is on its way.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Trouble>>;

/// Why a provider didn't do what was asked: its own trouble, in words for the node's owner. Clients learn the status code only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Trouble(pub String);

/// What one object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A finished share of a bucket.
    Share(StorageIndex, u8),
    /// A slot with all its shares.
    Slot(StorageIndex),
}

/// Tells one version of an object from every other one that it ever has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VersionId(pub [u8; 32]);

/// One version of an object, open for reading. It stays readable for a while after a newer one came.
///
/// A provider may look whether an object is one of its own: hence [`Any`].
pub trait Object: Any + fmt::Debug + Send + Sync {
    /// Bytes of it.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Which version it is.
    fn version(&self) -> VersionId;

    /// Bytes `range`, as one piece; at most [`STEP`] of them are asked for at once.
    ///
    /// # Panics
    /// If the range isn't within the object.
    fn read(&self, range: Range<u64>) -> Answer<'_, Bytes>;
}

/// The most bytes that are read in one call.
pub const STEP: u64 = 4 << 20;

/// A share that is being written. Dropping it ends the work on it; what lasts of it is for [`StorageProvider::resume`].
pub trait Incoming: fmt::Debug + Send {
    /// Takes bytes at a place where none have been kept yet. Safe on this machine once [`Incoming::settle`] is answered.
    fn write(&mut self, at: u64, bytes: Bytes) -> Answer<'_, ()>;

    /// Waits until all that was written is safe on this machine. After an error nobody knows what is there of the bytes since the last answer; they
    /// may be written again.
    fn settle(&mut self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether these are the bytes that were kept at a place. False also if nobody can tell any more.
    fn holds(&mut self, at: u64, bytes: Bytes) -> Answer<'_, bool>;

    /// All bytes below `prefix` are kept for good; they may leave. What is answered is done when there is room for more, or after a while: whoever
    /// sends the next bytes later finds less before them at the end, and has only so long to wait there.
    fn advance(&mut self, prefix: u64) -> BoxFuture<'static, ()>;

    /// All bytes are there: makes the share durable and then visible.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<(), Trouble>>;

    /// Gives it up. Nothing of it stays.
    fn abandon(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// A share that is written on, and which of its bytes are kept.
pub type Resumed = (Box<dyn Incoming>, Vec<Range<u64>>);

/// A change of an object, from one version to the next.
#[derive(Debug)]
pub struct Change {
    /// The version that it was built on; `None` if there is to be no object.
    pub base: Option<Arc<dyn Object>>,
    /// The new bytes by place; they don't overlap. What lies past the old end and isn't written is zero.
    pub patches: BTreeMap<u64, Bytes>,
    /// Bytes of the new version: not fewer than the patches reach.
    pub len: u64,
}

impl Change {
    /// All bytes of the version that it makes of the `old` ones.
    ///
    /// # Panics
    /// If it is longer than memory has addresses, or a patch reaches beyond it.
    #[must_use]
    pub fn image(&self, old: &[u8]) -> Bytes {
        let index = |at: u64| usize::try_from(at).expect("an image is in memory");
        let mut bytes = old.to_vec();
        bytes.resize(index(self.len), 0);
        for (at, patch) in &self.patches {
            bytes[index(*at)..][..patch.len()].copy_from_slice(patch);
        }
        bytes.into()
    }
}

/// Where shares lie.
pub trait StorageProvider: fmt::Debug + Send + Sync {
    /// The finished shares of a bucket with their lengths.
    fn shares(&self, index: StorageIndex) -> Answer<'_, BTreeMap<u8, u64>>;

    /// Opens the newest version; `None` if there is no such object.
    fn open(&self, place: Place) -> Answer<'_, Option<Arc<dyn Object>>>;

    /// Begins a share of `len` bytes.
    fn begin(&self, index: StorageIndex, number: u8, len: u64) -> Answer<'_, Box<dyn Incoming>>;

    /// Goes on with a share of `len` bytes that an earlier process began. Answers it with the places whose bytes are kept still, in order; the
    /// others have to be written again. One that isn't known, or is given up, begins anew.
    fn resume(&self, index: StorageIndex, number: u8, len: u64) -> Answer<'_, Resumed> {
        Box::pin(async move {
            let incoming = self.begin(index, number, len).await?;
            Ok((incoming, Vec::new()))
        })
    }

    /// Gives up a share that an earlier process began and nobody resumed. Nothing of it stays; one that isn't known is fine.
    fn forget(&self, _index: StorageIndex, _number: u8) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Changes an object at once and durably, if `change.base` is its newest version, else not at all. Answers the new version. After an error the
    /// old or the new version is there; the caller opens it anew.
    fn change(&self, place: Place, change: Change) -> Answer<'_, Arc<dyn Object>>;

    /// Removes an object; one that isn't there is fine.
    fn remove(&self, place: Place) -> Answer<'_, ()>;

    /// Reads all of an object, as somebody says that it is damaged, and mends what can be mended. Answers what is wrong with it still, in words for
    /// the node's owner; an object that isn't there has nothing wrong.
    fn examine(&self, place: Place) -> Answer<'_, Option<String>>;

    /// Bytes that may still be stored; `None` if nobody knows.
    fn space(&self) -> Answer<'_, Option<u64>>;

    /// What is to be done now and then, a part of it: deleting what was replaced or removed.
    fn tidy(&self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
