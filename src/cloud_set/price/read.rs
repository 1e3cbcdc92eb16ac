//! The price catalog's files: typed, unknown keys refused, every fault with its file, line and column.
//!
//! A later file overrides an earlier one figure by figure. An entry is checked when all files have been laid over each other:
//! then every figure must be there, if only as `value: null`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde_saphyr::{DuplicateKeyPolicy, Options, Spanned};

use super::super::quantity::Size;
use super::day::Day;
use super::figure::{Figure, Other, Source, Trust};
use super::rate::{Money, RequestPrice, StoragePrice, TransferPrice};
use super::tariff::{
    Allowance, Beyond, Change, ConditionalWrite, Free, ListedAs, Monthly, RequestLimits, Tariff, Tier, Uptime,
};

/// Why a file of the price catalog can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {what}", place(*.line, *.column))]
pub struct PriceFault {
    /// Which file.
    pub file: String,
    /// From 1; 0 if it isn't at one place.
    pub line: u64,
    /// From 1, in characters; 0 if it isn't at one place.
    pub column: u64,
    /// What is wrong there.
    pub what: String,
}

fn place(line: u64, column: u64) -> String {
    match line {
        0 => String::new(),
        _ => format!(":{line}:{column}"),
    }
}

/// One file as it stands.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    version: Spanned<u32>,
    operator: Option<String>,
    #[serde(default)]
    pub(super) sources: BTreeMap<String, RawSource>,
    #[serde(default)]
    pub(super) rates: BTreeMap<String, Text<Money>>,
    #[serde(default)]
    pub(super) pools: BTreeMap<String, RawFigure<Text<Size>>>,
    #[serde(default)]
    pub(super) providers: BTreeMap<String, Spanned<RawTariff>>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    what: String,
    #[serde(deserialize_with = "Option::deserialize")]
    date: Option<Text<Day>>,
}

/// A value that stands as text in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Text<T>, D::Error> {
        String::deserialize(from)?.parse().map(Text).map_err(D::Error::custom)
    }
}

/// A figure as it stands in a file. `value` must be written, if only as `null`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, bound = "T: Deserialize<'de>")]
pub(super) struct RawFigure<T> {
    #[serde(deserialize_with = "Option::deserialize")]
    value: Option<T>,
    date: Option<Text<Day>>,
    source: Option<String>,
    trust: Option<RawTrust>,
    since: Option<Text<Day>>,
    unit_stated: Option<bool>,
    whole_units: Option<bool>,
    #[serde(default = "Vec::new")]
    others: Vec<RawOther<T>>,
    note: Option<String>,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, bound = "T: Deserialize<'de>")]
struct RawOther<T> {
    value: T,
    date: Option<Text<Day>>,
    source: String,
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawTrust {
    Own,
    Primary,
    Secondary,
    Memory,
    Conflict,
}

/// An entry as it stands in one file: whatever isn't written there is left to an earlier file.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTariff {
    operator: Option<String>,
    name: Option<String>,
    scheme: Option<String>,
    currency: Option<String>,
    regions: Option<Vec<String>>,
    note: Option<String>,
    jurisdiction: Option<RawFigure<String>>,
    storage: Option<RawFigure<Text<StoragePrice>>>,
    storage_tiers: Option<Vec<RawTier<StoragePrice>>>,
    egress: Option<RawFigure<Text<TransferPrice>>>,
    egress_tiers: Option<Vec<RawTier<TransferPrice>>>,
    egress_free: Option<RawFigure<RawAllowance>>,
    put: Option<RawFigure<Text<RequestPrice>>>,
    get: Option<RawFigure<Text<RequestPrice>>>,
    list_billed_as: Option<RawListed>,
    retrieval: Option<RawFigure<Text<TransferPrice>>>,
    min_days: Option<RawFigure<u16>>,
    min_object: Option<RawFigure<Text<Size>>>,
    monthly: Option<RawFigure<RawMonthly>>,
    free: Option<RawFigure<RawFree>>,
    durability: Option<RawFigure<u8>>,
    sla: Option<RawFigure<Text<Uptime>>>,
    requests_per_second: Option<RawFigure<RawLimits>>,
    conditional_write: Option<RawFigure<RawConditions>>,
    changes: Option<Vec<RawChange>>,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, bound = "P: FromStr<Err: fmt::Display>")]
struct RawTier<P> {
    to: Option<Text<Size>>,
    price: Text<P>,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum RawAllowance {
    Nothing {},
    Unlimited {},
    Fixed { amount: Text<Size> },
    Multiple { of_stored: u32, beyond: RawBeyond },
    Base {},
    Pool { pool: String },
    Plan {},
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawBeyond {
    Billed,
    Limited,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum RawMonthly {
    Nothing {},
    Minimum {
        amount: Text<Money>,
        shared: Option<String>,
    },
    Base {
        amount: Text<Money>,
        #[serde(deserialize_with = "Option::deserialize")]
        stored: Option<Text<Size>>,
        #[serde(deserialize_with = "Option::deserialize")]
        read: Option<Text<Size>>,
    },
    Prepaid {},
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawListed {
    Put,
    Get,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFree {
    stored: Text<Size>,
    #[serde(default)]
    put: u64,
    #[serde(default)]
    get: u64,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    put: Option<u32>,
    get: Option<u32>,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConditions {
    create: bool,
    replace: bool,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChange {
    earliest: Text<Day>,
    latest: Text<Day>,
    from: Option<Text<StoragePrice>>,
    to: Option<Text<StoragePrice>>,
    sources: Vec<String>,
    note: Option<String>,
}

/// Reads one file.
pub(super) fn file(name: &str, text: &str) -> Result<File, PriceFault> {
    let mut options = Options::default();
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    options.strict_booleans = true;
    options.with_snippet = false;
    let mut read: File = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
        let said = error.without_snippet().to_string();
        let said = said.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let what = said.split_once(" at line ").map_or(&*said, |(what, _)| what);
        fault(name, (line, column), what)
    })?;
    if read.version.value != 1 {
        let what = format!("version {}: this raic reads version 1", read.version.value);
        return Err(fault(name, at(&read.version), what));
    }
    for tariff in read.providers.values_mut() {
        if tariff.value.operator.is_none() {
            tariff.value.operator.clone_from(&read.operator);
        }
    }
    Ok(read)
}

fn fault(file: &str, (line, column): (u64, u64), what: impl Into<String>) -> PriceFault {
    PriceFault {
        file: file.to_owned(),
        line,
        column,
        what: what.into(),
    }
}

fn at<T>(spanned: &Spanned<T>) -> (u64, u64) {
    (spanned.defined.line(), spanned.defined.column())
}

/// An entry with the files laid over each other so far, and where the last of them stands.
#[derive(Debug)]
pub(super) struct Laid {
    file: String,
    at: (u64, u64),
    raw: RawTariff,
}

impl Laid {
    /// Lays an entry of a file over what earlier files have.
    pub(super) fn over(below: Option<Laid>, file: &str, entry: Spanned<RawTariff>) -> Laid {
        let at = at(&entry);
        let raw = match below {
            Some(below) => entry.value.over(below.raw),
            None => entry.value,
        };
        Laid {
            file: file.to_owned(),
            at,
            raw,
        }
    }

    /// The whole entry, checked.
    pub(super) fn finish(self, id: &str) -> Result<Tariff, PriceFault> {
        let Laid { file, at, raw } = self;
        raw.finish(id)
            .map_err(|what| fault(&file, at, format!("provider `{id}`: {what}")))
    }
}

/// For each field: what this file says, else what earlier ones said.
macro_rules! lay {
    ($over:ident, $below:ident: $($field:ident),* $(,)?) => {
        RawTariff { $($field: $over.$field.or($below.$field)),* }
    };
}

impl RawTariff {
    fn over(mut self, below: RawTariff) -> RawTariff {
        // A price without tiers replaces the tiers too.
        let (storage, egress) = (self.storage.is_some(), self.egress.is_some());
        self.storage_tiers = self.storage_tiers.or_else(|| storage.then(Vec::new));
        self.egress_tiers = self.egress_tiers.or_else(|| egress.then(Vec::new));
        let over = self;
        lay!(over, below:
            operator, name, scheme, currency, regions, note, jurisdiction, storage, storage_tiers, egress, egress_tiers,
            egress_free, put, get, list_billed_as, retrieval, min_days, min_object, monthly, free, durability, sla,
            requests_per_second, conditional_write, changes,
        )
    }

    fn finish(self, id: &str) -> Result<Tariff, String> {
        let storage = figure(self.storage, "storage")?.map(|price| price.0);
        let egress = figure(self.egress, "egress")?.map(|price| price.0);
        let monthly = figure(self.monthly, "monthly")?.map(Monthly::from);
        let egress_free = figure(self.egress_free, "egress_free")?.map(Allowance::from);
        let has_base = matches!(monthly.value, Some(Monthly::Base { .. }));
        if egress_free.value == Some(Allowance::Base) && !has_base {
            return Err("`egress_free` is in a base price, and `monthly` has none".to_owned());
        }
        Ok(Tariff {
            id: id.to_owned(),
            storage_tiers: tiers(self.storage_tiers, storage.value, "storage")?,
            egress_tiers: tiers(self.egress_tiers, egress.value, "egress")?,
            name: word(self.name, "name")?,
            operator: word(self.operator, "operator")?,
            scheme: word(self.scheme, "scheme")?,
            currency: currency(self.currency)?,
            regions: self.regions.unwrap_or_default(),
            note: self.note,
            jurisdiction: figure(self.jurisdiction, "jurisdiction")?,
            storage,
            egress,
            egress_free,
            put: figure(self.put, "put")?.map(|price| price.0),
            get: figure(self.get, "get")?.map(|price| price.0),
            list_billed_as: match self.list_billed_as {
                Some(RawListed::Get) => ListedAs::Get,
                Some(RawListed::Put) | None => ListedAs::Put,
            },
            retrieval: figure(self.retrieval, "retrieval")?.map(|price| price.0),
            min_days: figure(self.min_days, "min_days")?,
            min_object: figure(self.min_object, "min_object")?.map(|size| size.0),
            monthly,
            free: self.free.map(|free| Figure::from(free).map(Free::from)),
            durability: figure(self.durability, "durability")?,
            sla: figure(self.sla, "sla")?.map(|share| share.0),
            requests_per_second: self.requests_per_second.map(|limits| {
                Figure::from(limits).map(|limits| RequestLimits {
                    put: limits.put,
                    get: limits.get,
                })
            }),
            conditional_write: self.conditional_write.map(|conditions| {
                Figure::from(conditions).map(|conditions| ConditionalWrite {
                    create: conditions.create,
                    replace: conditions.replace,
                })
            }),
            changes: self.changes.unwrap_or_default().into_iter().map(Change::from).collect(),
        })
    }
}

fn word(word: Option<String>, key: &str) -> Result<String, String> {
    word.filter(|word| !word.trim().is_empty())
        .ok_or_else(|| format!("`{key}` is missing"))
}

fn currency(word: Option<String>) -> Result<String, String> {
    let word = self::word(word, "currency")?;
    let fits = word.len() == 3 && word.bytes().all(|c| c.is_ascii_uppercase());
    fits.then_some(word)
        .ok_or_else(|| "`currency` is three capital letters, such as USD".to_owned())
}

fn figure<T>(raw: Option<RawFigure<T>>, key: &str) -> Result<Figure<T>, String> {
    raw.map(Figure::from)
        .ok_or_else(|| format!("`{key}` is missing: write `{key}: {{ value: null }}` if it isn't known"))
}

/// Tiers that rise, end open, and begin with the price that stands alone.
fn tiers<P: Copy + PartialEq>(
    raw: Option<Vec<RawTier<P>>>,
    first: Option<P>,
    key: &str,
) -> Result<Vec<Tier<P>>, String> {
    let tiers: Vec<Tier<P>> = raw
        .unwrap_or_default()
        .into_iter()
        .map(|tier| Tier {
            to: tier.to.map(|to| to.0),
            price: tier.price.0,
        })
        .collect();
    let Some((last, before)) = tiers.split_last() else {
        return Ok(tiers);
    };
    let rise = before.windows(2).all(|pair| pair[0].to < pair[1].to) && before.iter().all(|tier| tier.to.is_some());
    if !rise || last.to.is_some() {
        return Err(format!("`{key}_tiers` must rise, and the last one alone has no `to`"));
    }
    if first != Some(tiers[0].price) {
        return Err(format!("`{key}_tiers` must begin with the price in `{key}`"));
    }
    Ok(tiers)
}

impl<T> From<RawFigure<T>> for Figure<T> {
    fn from(raw: RawFigure<T>) -> Figure<T> {
        let own = Figure::own(raw.value);
        let other = |other: RawOther<T>| Other {
            value: other.value,
            date: other.date.map(|day| day.0),
            source: other.source,
        };
        Figure {
            value: own.value,
            date: raw.date.map(|day| day.0),
            source: raw.source.unwrap_or(own.source),
            trust: raw.trust.map_or(own.trust, Trust::from),
            since: raw.since.map(|day| day.0),
            unit_stated: raw.unit_stated.unwrap_or(own.unit_stated),
            whole_units: raw.whole_units.unwrap_or(own.whole_units),
            others: raw.others.into_iter().map(other).collect(),
            note: raw.note,
        }
    }
}

impl From<RawSource> for Source {
    fn from(raw: RawSource) -> Source {
        Source {
            what: raw.what,
            date: raw.date.map(|day| day.0),
        }
    }
}

impl From<RawTrust> for Trust {
    fn from(raw: RawTrust) -> Trust {
        match raw {
            RawTrust::Own => Trust::Own,
            RawTrust::Primary => Trust::Primary,
            RawTrust::Secondary => Trust::Secondary,
            RawTrust::Memory => Trust::Memory,
            RawTrust::Conflict => Trust::Conflict,
        }
    }
}

impl From<RawAllowance> for Allowance {
    fn from(raw: RawAllowance) -> Allowance {
        match raw {
            RawAllowance::Nothing {} => Allowance::Nothing,
            RawAllowance::Unlimited {} => Allowance::Unlimited,
            RawAllowance::Fixed { amount } => Allowance::Fixed(amount.0),
            RawAllowance::Multiple { of_stored, beyond } => Allowance::Multiple {
                of_stored,
                beyond: match beyond {
                    RawBeyond::Billed => Beyond::Billed,
                    RawBeyond::Limited => Beyond::Limited,
                },
            },
            RawAllowance::Base {} => Allowance::Base,
            RawAllowance::Pool { pool } => Allowance::Pool(pool),
            RawAllowance::Plan {} => Allowance::Plan,
        }
    }
}

impl From<RawMonthly> for Monthly {
    fn from(raw: RawMonthly) -> Monthly {
        match raw {
            RawMonthly::Nothing {} => Monthly::Nothing,
            RawMonthly::Minimum { amount, shared } => Monthly::Minimum {
                amount: amount.0,
                shared,
            },
            RawMonthly::Base { amount, stored, read } => Monthly::Base {
                amount: amount.0,
                stored: stored.map(|size| size.0),
                read: read.map(|size| size.0),
            },
            RawMonthly::Prepaid {} => Monthly::Prepaid,
        }
    }
}

impl From<RawFree> for Free {
    fn from(raw: RawFree) -> Free {
        Free {
            stored: raw.stored.0,
            put: raw.put,
            get: raw.get,
        }
    }
}

impl From<RawChange> for Change {
    fn from(raw: RawChange) -> Change {
        Change {
            earliest: raw.earliest.0,
            latest: raw.latest.0,
            from: raw.from.map(|price| price.0),
            to: raw.to.map(|price| price.0),
            sources: raw.sources,
            note: raw.note,
        }
    }
}
