//! The storage node: a Tahoe-LAFS storage server whose shares lie where a storage provider puts them.
//!
//! ```text
//! listen    TCP, TLS, one task a connection            identity  key, swissnum, NURL
//! service   HTTP: route, pass, secrets, CBOR, ranges   (route, secret, wire, range: pure)
//! ── server.rs: the StorageServer interface ──────────────────────────────────────────────
//! keeper    buckets (upload) and slots (slot/), leases, advisories
//! ── provider.rs: the StorageProvider interface ──────────────────────────────────────────
//! folder    a plain folder             striped   objects of the store over all clouds
//! ```
//!
//! Both interfaces know nothing of what is beyond them: another protocol could call the upper one, another place for bytes stand below the
//! lower. Leases, advisories and what is being uploaded are in the catalog's file (`catalog/ledger.rs`); secrets are kept as hashes only. The protocol is `docs/protocol.md`.

pub mod id;
pub mod range;
pub mod route;
pub mod secret;
pub mod server;
pub mod provider;
pub mod wire;
pub mod lease;
pub mod upload;
mod register;
mod heard;
mod ahead;
pub mod slot;
pub mod keeper;
pub mod folder;
pub mod spool;
pub mod cache;
pub mod space;
pub mod striped;
pub mod identity;
pub mod body;
pub mod tally;
pub mod service;
pub mod watch;
pub mod listen;
pub mod control;
pub mod run;
