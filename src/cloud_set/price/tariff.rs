//! All that is known of what one service bills and promises: one entry of the price catalog.

use std::fmt;
use std::str::FromStr;

use super::super::quantity::{Decimal, QuantityError, Size};
use super::PriceList;
use super::day::Day;
use super::figure::Figure;
use super::rate::{Money, RequestPrice, StoragePrice, TransferPrice};

/// One service at one price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// Its name in the catalog.
    pub id: String,
    /// What its provider calls it.
    pub name: String,
    /// The company.
    pub operator: String,
    /// `OpenDAL`'s word for the service that reaches it.
    pub scheme: String,
    /// The currency of all amounts here, as `USD`.
    pub currency: String,
    /// The regions that the prices are for; empty for all, or not told.
    pub regions: Vec<String>,
    /// What a reader should know of the whole entry.
    pub note: Option<String>,
    /// The country of the company's seat.
    pub jurisdiction: Figure<String>,
    /// Bytes kept for a month, the first tier.
    pub storage: Figure<StoragePrice>,
    /// All tiers, the first as in `storage`; empty if there is one price.
    pub storage_tiers: Vec<Tier<StoragePrice>>,
    /// Bytes read, beyond the allowance, the first tier.
    pub egress: Figure<TransferPrice>,
    /// All tiers, the first as in `egress`; empty if there is one price.
    pub egress_tiers: Vec<Tier<TransferPrice>>,
    /// Bytes that may be read for nothing in a month.
    pub egress_free: Figure<Allowance>,
    /// Writing requests.
    pub put: Figure<RequestPrice>,
    /// Reading requests.
    pub get: Figure<RequestPrice>,
    /// What a listing is billed as.
    pub list_billed_as: ListedAs,
    /// Bytes read, where reading itself is billed beside egress.
    pub retrieval: Figure<TransferPrice>,
    /// Days that a blob is billed for at least.
    pub min_days: Figure<u16>,
    /// The size that a smaller blob is billed as.
    pub min_object: Figure<Size>,
    /// What is billed whatever the use.
    pub monthly: Figure<Monthly>,
    /// What the first of it costs nothing.
    pub free: Option<Figure<Free>>,
    /// Nines of durability that its pages tell.
    pub durability: Figure<u8>,
    /// The share of a month below which a credit is due.
    pub sla: Figure<Uptime>,
    /// Requests in a second that are promised or allowed.
    pub requests_per_second: Option<Figure<RequestLimits>>,
    /// Conditional writes that the service honours.
    pub conditional_write: Option<Figure<ConditionalWrite>>,
    /// How its storage price moved.
    pub changes: Vec<Change>,
}

impl Tariff {
    /// A tariff of prices by hand, in the owner's currency. What isn't written of retrieval, minima and allowances is none: a price list names
    /// only what it has. Storage, egress and requests that aren't written are not known.
    #[must_use]
    pub fn by_hand(name: &str, operator: &str, currency: &str, list: &PriceList) -> Tariff {
        Tariff {
            id: name.to_owned(),
            name: name.to_owned(),
            operator: operator.to_owned(),
            scheme: String::new(),
            currency: currency.to_owned(),
            regions: Vec::new(),
            note: None,
            jurisdiction: Figure::own(None),
            storage: Figure::own(list.storage),
            storage_tiers: Vec::new(),
            egress: Figure::own(list.egress),
            egress_tiers: Vec::new(),
            egress_free: Figure::own(Some(Allowance::Nothing)),
            put: Figure::own(list.put),
            get: Figure::own(list.get),
            list_billed_as: ListedAs::Put,
            retrieval: Figure::own(list.retrieval.or_else(|| "0".parse().ok())),
            min_days: Figure::own(Some(list.min_days.unwrap_or(0))),
            min_object: Figure::own(list.min_object.or_else(|| "0 B".parse().ok())),
            monthly: Figure::own(Some(Monthly::Nothing)),
            free: None,
            durability: Figure::own(None),
            sla: Figure::own(None),
            requests_per_second: None,
            conditional_write: None,
            changes: Vec::new(),
        }
    }
}

/// A price up to a total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier<P> {
    /// Bytes in all that this and the tiers before it are for; no end if `None`.
    pub to: Option<Size>,
    /// What these bytes cost.
    pub price: P,
}

/// Bytes that may be read for nothing in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// None.
    Nothing,
    /// Any number.
    Unlimited,
    /// So many.
    Fixed(Size),
    /// So many times what is stored.
    Multiple {
        /// How many times.
        of_stored: u32,
        /// What happens beyond it.
        beyond: Beyond,
    },
    /// What the base price includes: see [`Monthly::Base`].
    Base,
    /// What one account has for all its services together.
    Pool(String),
    /// What a plan allows, whose size isn't told.
    Plan,
}

/// What follows an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// The price of egress.
    Billed,
    /// The account may be limited or suspended: no plan should count on it.
    Limited,
}

/// What is billed whatever the use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Monthly {
    /// Nothing.
    Nothing,
    /// The bill is at least this.
    Minimum {
        /// The least.
        amount: Money,
        /// The entries with the same word here have one bill together.
        shared: Option<String>,
    },
    /// A base price, with some use included.
    Base {
        /// The price.
        amount: Money,
        /// Bytes stored that it includes; not known if `None`.
        stored: Option<Size>,
        /// Bytes read that it includes; not known if `None`.
        read: Option<Size>,
    },
    /// Paid before use; what a month costs isn't told.
    Prepaid,
}

/// The first of a month's use, which costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// Bytes stored.
    pub stored: Size,
    /// Writing requests.
    pub put: u64,
    /// Reading requests.
    pub get: u64,
}

/// Which price a listing has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListedAs {
    /// That of a writing request: the dearer of the two, and what most do.
    #[default]
    Put,
    /// That of a reading request.
    Get,
}

/// Requests in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Writing ones; not told if `None`.
    pub put: Option<u32>,
    /// Reading ones; not told if `None`.
    pub get: Option<u32>,
}

/// Conditional writes that a service honours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionalWrite {
    /// Only if nothing is there.
    pub create: bool,
    /// Only if what is there is what the caller saw.
    pub replace: bool,
}

/// A move of a storage price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The first day that it may have happened.
    pub earliest: Day,
    /// The last day that it may have happened.
    pub latest: Day,
    /// The price before; not known if `None`.
    pub from: Option<StoragePrice>,
    /// The price after; not known if `None`.
    pub to: Option<StoragePrice>,
    /// Who tells.
    pub sources: Vec<String>,
    /// What a reader should know.
    pub note: Option<String>,
}

/// A share of time in millionths, at most all of it: `99.9 %`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uptime(u32);

impl Uptime {
    const ALL: u32 = 1_000_000;

    /// As a share, 0 to 1.
    #[must_use]
    pub fn share(self) -> f64 {
        f64::from(self.0) / f64::from(Uptime::ALL)
    }
}

impl FromStr for Uptime {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Uptime, QuantityError> {
        let units = "%";
        let (number, unit) = Decimal::split(text, "a share", "99.9 %")?;
        if unit != "%" {
            let unit: String = unit.chars().take(16).collect();
            let unknown = QuantityError::UnknownUnit { unit, units };
            return Err(if text.trim().ends_with(|c: char| c.is_ascii_digit()) {
                QuantityError::NoUnit { units }
            } else {
                unknown
            });
        }
        let millionths = number.times(u64::from(Uptime::ALL / 100));
        let millionths = millionths.ok_or(QuantityError::Fraction { of: "millionths" })?;
        match u32::try_from(millionths) {
            Ok(millionths) if millionths <= Uptime::ALL => Ok(Uptime(millionths)),
            _ => Err(QuantityError::TooLarge { most: "100 %" }),
        }
    }
}

impl fmt::Display for Uptime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        let fraction = format!("{rest:04}");
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{whole} %"),
            fraction => write!(f, "{whole}.{fraction} %"),
        }
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowance::Nothing => f.write_str("none"),
            Allowance::Unlimited => f.write_str("unlimited"),
            Allowance::Fixed(size) => write!(f, "{size}"),
            Allowance::Multiple { of_stored, beyond } => match beyond {
                Beyond::Billed => write!(f, "{of_stored} x stored"),
                Beyond::Limited => write!(f, "{of_stored} x stored, no more"),
            },
            Allowance::Base => f.write_str("in the base price"),
            Allowance::Pool(pool) => write!(f, "pool {pool}"),
            Allowance::Plan => f.write_str("the plan's"),
        }
    }
}

impl fmt::Display for Monthly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |size: &Option<Size>| size.map_or_else(|| "unknown".to_owned(), |size| size.to_string());
        match self {
            Monthly::Nothing => f.write_str("none"),
            Monthly::Minimum { amount, shared: None } => write!(f, "at least {amount}"),
            Monthly::Minimum {
                amount,
                shared: Some(shared),
            } => write!(f, "at least {amount} for all of {shared}"),
            Monthly::Base { amount, stored, read } => {
                write!(f, "{amount} with {} stored, {} read", size(stored), size(read))
            }
            Monthly::Prepaid => f.write_str("prepaid"),
        }
    }
}

impl fmt::Display for Free {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} stored, {} put, {} get", self.stored, self.put, self.get)
    }
}

impl fmt::Display for RequestLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = |rate: Option<u32>| rate.map_or_else(|| "unknown".to_owned(), |rate| format!("{rate}/s"));
        write!(f, "{} put, {} get", rate(self.put), rate(self.get))
    }
}

impl fmt::Display for ConditionalWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.create, self.replace) {
            (true, true) => "create, replace",
            (true, false) => "create",
            (false, true) => "replace",
            (false, false) => "none",
        })
    }
}
