//! The port to a storage node's own books: leases, advisories and uploads. Where shares lie is none of its business.
//!
//! A lease is named by its share and its renew secret's hash; renewing one that isn't there adds it. So most writes need no read before them, and
//! a row says the same however often it is written. Secrets come as hashes only: a copy of the database doesn't let anybody renew.

use super::Answer;

/// A share of a node, whichever backend keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareKey {
    /// A slot's share, not a bucket's.
    pub mutable: bool,
    /// The storage index.
    pub index: [u8; 16],
    /// The share number.
    pub number: u8,
}

/// One lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What it keeps.
    pub share: ShareKey,
    /// Hash of the secret that renews it.
    pub renew: [u8; 32],
    /// Hash of the secret that was to cancel it.
    pub cancel: [u8; 32],
    /// When it was added or last renewed, seconds since 1970.
    pub renewed: i64,
    /// When it ends, seconds since 1970.
    pub expires: i64,
}

/// A change of the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Adds a lease or renews it: neither of its times ever moves back.
    Keep(Lease),
    /// The share is gone, with all its leases.
    Forget(ShareKey),
}

/// When a lease is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ended before this second.
    Expired(i64),
    /// It was last renewed before this second.
    RenewedBefore(i64),
}

/// A client's word that a share is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisory {
    /// Which share.
    pub share: ShareKey,
    /// The client's reason, at most 32,765 bytes.
    pub reason: String,
    /// When it came, seconds since 1970.
    pub at: i64,
}

/// A share of a bucket that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Which share: never a slot's.
    pub share: ShareKey,
    /// Bytes that it is to have.
    pub size: u64,
    /// Hash of the secret that writes it.
    pub secret: [u8; 32],
    /// Hash of the secret that renews its first lease.
    pub renew: [u8; 32],
    /// Hash of the secret that was to cancel that lease.
    pub cancel: [u8; 32],
    /// When it was allocated, seconds since 1970.
    pub allocated: i64,
    /// When it was last written to, as far as noted.
    pub touched: i64,
}

/// A node's books. Every verb is one transaction, durable when it is answered.
pub trait Ledger: std::fmt::Debug + Send + Sync {
    /// Makes these changes in their order.
    fn enter(&self, entries: Vec<Entry>) -> Answer<'_, ()>;

    /// The leases of all shares of a bucket or slot, by share, each share's in the order in which they were added.
    fn leases(&self, mutable: bool, index: [u8; 16]) -> Answer<'_, Vec<Lease>>;

    /// At most `limit` shares that have had leases, all of which are over, by key above `after`.
    fn ended(&self, ended: Ended, after: Option<ShareKey>, limit: usize) -> Answer<'_, Vec<ShareKey>>;

    /// Keeps an advisory. The same share and reason once more changes its time only; beyond `most` the oldest go.
    fn advise(&self, advisory: Advisory, most: usize) -> Answer<'_, ()>;

    /// What came of a share until second `at` has been looked into: its advisories go. The journal doesn't tell, so that they may be there
    /// once more after a rebuild.
    fn answered(&self, share: ShareKey, at: i64) -> Answer<'_, ()>;

    /// All advisories, oldest first.
    fn advisories(&self) -> Answer<'_, Vec<Advisory>>;

    /// Forgets the uploads that have `ended`, then notes the others, each in place of what was noted of its share. The journal doesn't tell: what
    /// waits on a machine is lost with it.
    fn note_uploads(&self, ended: Vec<ShareKey>, begun: Vec<Upload>) -> Answer<'_, ()>;

    /// All uploads that are noted, by share.
    fn uploads(&self) -> Answer<'_, Vec<Upload>>;
}
