//! What providers bill: prices written by hand, and the price catalog with the day and the source of each figure.
//!
//! ```text
//! fixtures/providers/*.yaml ──┐
//!                             ├─▶ Prices ─▶ Tariff: a Figure each for storage, egress, requests, minima …
//! the owner's prices.yaml  ───┘             Figure: value (or not known), date, source, trust
//! ```
//!
//! The files are data that travels with the program; nothing in the code knows an amount. Each figure may be overridden by the
//! owner's own file, and one that isn't known is never taken for free.

mod bill;
mod book;
mod day;
mod figure;
mod marginal;
mod mark;
mod rate;
mod read;
mod tariff;

pub use bill::{Bill, Blobs, Fee, MONTH_DAYS, Usage, bill, bills};
pub use book::{OLD_AFTER, Prices, ShippedFile, shipped_files};
pub use day::Day;
pub use figure::{Figure, Other, Source, Trust};
pub use marginal::Marginal;
pub use mark::Mark;
pub use rate::{Money, RequestPrice, StoragePrice, TransferPrice};
pub use read::PriceFault;
pub use tariff::{
    Allowance, Beyond, Change, ConditionalWrite, Free, ListedAs, Monthly, RequestLimits, Tariff, Tier, Uptime,
};

use super::quantity::Size;

/// What a provider's use costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cost {
    /// The prices of this entry of the price catalog.
    Catalog(String),
    /// Prices written by hand.
    ByHand(PriceList),
}

/// Prices written by hand; one that is `None` is not known, which is not the same as free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceList {
    /// Bytes kept for a month.
    pub storage: Option<StoragePrice>,
    /// Bytes read out of the provider.
    pub egress: Option<TransferPrice>,
    /// Bytes read, where reading itself is billed beside egress.
    pub retrieval: Option<TransferPrice>,
    /// Writing requests.
    pub put: Option<RequestPrice>,
    /// Reading requests.
    pub get: Option<RequestPrice>,
    /// Days that a blob is billed for at least.
    pub min_days: Option<u16>,
    /// The size that a smaller blob is billed as.
    pub min_object: Option<Size>,
}

#[cfg(test)]
mod bill_tests;
#[cfg(test)]
mod tests;
