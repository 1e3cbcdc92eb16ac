//! What a piece of work takes of each provider, for people and scripts: bytes, calls, money, time. The same plan that is carried out is told.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::ground::Session;
use super::super::quantity::{size, span};
use super::super::table::{self, left, right};
use super::prices::{money, open};
use super::provider::trial::round_trip;
use crate::care::outlay::{Load, Outlay, Speed, Tariffs};
use crate::cloud_set::Profile;
use crate::cloud_set::price::{Cost, Money, PriceList};

/// What is asked of one provider, and what it bills.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Charge {
    /// The provider.
    provider: String,
    /// Bytes read of it.
    read_bytes: u64,
    /// Bytes written to it.
    written_bytes: u64,
    /// Calls of all kinds.
    calls: u64,
    /// What it bills at most, without allowances; what is written is kept a month in it.
    cost: f64,
    /// The currency; empty for prices of the configuration, which are in the owner's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    currency: String,
    /// Prices that are needed and not known: then the cost is no bound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unknown_prices: Vec<&'static str>,
    /// How long it takes at least, as far as limits and round trips are known.
    seconds: f64,
}

/// What the providers of the set bill, and how fast they are: by the configuration, the price catalog and their last tests. A rate holds for all
/// together.
pub(crate) async fn tariffs(session: &Session, context: &Context) -> Result<Tariffs, Failure> {
    let (prices, _) = open(context, None)?;
    let mut tariffs = Tariffs::new(prices);
    let clouds = session.store.clouds();
    for profile in &session.config.set.providers {
        let member = clouds.named(&profile.name).map(|cloud| cloud.member.id);
        let trip = match member {
            Some(id) => round_trip(session.store.catalog().as_ref(), id).await,
            None => None,
        };
        let speed = Speed {
            upload: profile
                .limits
                .upload
                .map(crate::cloud_set::quantity::ByteRate::bytes_per_second),
            download: profile
                .limits
                .download
                .map(crate::cloud_set::quantity::ByteRate::bytes_per_second),
            requests: requests(profile),
            round_trip: trip,
            at_once: profile.limits.concurrency.map_or(8, u32::from),
        };
        tariffs = tariffs.with(&profile.name, cost_of(profile), speed);
    }
    Ok(tariffs)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive and were bounded when read"
)]
fn requests(profile: &Profile) -> Option<u32> {
    profile
        .limits
        .requests
        .map(|rate| (rate.per_second().ceil() as u32).max(1))
}

/// A folder of one's own bills nothing, unless its owner says otherwise.
fn cost_of(profile: &Profile) -> Option<Cost> {
    let is_local = matches!(profile.scheme.as_str(), "fs" | "memory");
    let free = || {
        Cost::ByHand(PriceList {
            storage: "0".parse().ok(),
            egress: "0".parse().ok(),
            put: "0".parse().ok(),
            get: "0".parse().ok(),
            ..PriceList::default()
        })
    };
    profile.cost.clone().or_else(|| is_local.then(free))
}

/// One row a provider.
pub(crate) fn charges(tariffs: &Tariffs, outlay: &Outlay) -> Vec<Charge> {
    let charge = |(provider, load): (&String, &Load)| {
        let bill = tariffs.bill(provider, load);
        Charge {
            provider: provider.clone(),
            read_bytes: load.read,
            written_bytes: load.written,
            calls: load.calls(),
            cost: bill.amount.amount(),
            currency: bill.currency,
            unknown_prices: bill.missing.into_iter().collect(),
            seconds: bill.time.as_secs_f64(),
        }
    };
    outlay.0.iter().map(charge).collect()
}

/// The rows as a table.
pub(crate) fn show(charges: &[Charge], context: &Context) -> Result<(), Failure> {
    let columns = [
        left("PROVIDER"),
        right("READ"),
        right("WRITTEN").spare(3),
        right("CALLS").spare(2),
        right("COST"),
        right("TIME").spare(1),
    ];
    let row = |charge: &Charge| {
        let known = if charge.unknown_prices.is_empty() { "" } else { " + ?" };
        let time = match Duration::from_secs_f64(charge.seconds) {
            time if time.is_zero() => "-".to_owned(),
            time => span(time),
        };
        vec![
            charge.provider.clone(),
            size(charge.read_bytes),
            size(charge.written_bytes),
            charge.calls.to_string(),
            format!("{:.2}{known} {}", charge.cost, charge.currency)
                .trim_end()
                .to_owned(),
            time,
        ]
    };
    let rows: Vec<Vec<String>> = charges.iter().map(row).collect();
    for line in table::lines(&columns, &rows, context.out.room()) {
        context.out.said(&line)?;
    }
    Ok(())
}

/// `0.31 USD at most, 4 min`: what it costs and takes in all.
pub(crate) fn sum(tariffs: &Tariffs, outlay: &Outlay) -> String {
    let (sums, time, known) = tariffs.total(outlay);
    let amounts: Vec<String> = sums
        .iter()
        .filter(|(currency, amount)| **amount > Money::ZERO || !currency.is_empty())
        .map(|(currency, amount)| format!("{} {currency}", money(*amount)).trim_end().to_owned())
        .collect();
    let cost = match (amounts.as_slice(), known) {
        ([], true) => "it costs nothing".to_owned(),
        ([], false) => "prices are not known".to_owned(),
        (amounts, true) => format!("{} at most", amounts.join(" + ")),
        (amounts, false) => format!("{} and what is not known", amounts.join(" + ")),
    };
    if time < Duration::from_secs(1) {
        cost
    } else {
        format!("{cost}, {} at least", span(time))
    }
}

/// Refuses what could cost more than its owner allows, in any currency; and what nobody can tell the price of.
pub(crate) fn within(most: Option<Money>, tariffs: &Tariffs, outlay: &Outlay) -> Result<(), Failure> {
    let Some(most) = most else { return Ok(()) };
    let (sums, _, known) = tariffs.total(outlay);
    let dearest = sums.values().copied().max().unwrap_or(Money::ZERO);
    if dearest <= most && known {
        return Ok(());
    }
    let what = if known {
        format!(
            "this could cost {}, and more than {} is not allowed",
            money(dearest),
            money(most)
        )
    } else {
        "what this costs is not known, and --max-cost was given".to_owned()
    };
    Err(Failure::new(Exit::Limit, "E0806", what)
        .note("-n  tells it for each provider; `cost:` in the configuration says what one bills")
        .note("nothing was asked of any provider"))
}

/// How many days an object's present version has been kept; 0 if nobody knows, which is the dearest.
pub(crate) async fn days_kept(session: &Session, object: &str) -> Result<u16, Failure> {
    let head = session.store.catalog().head(object).await?;
    let since = head.map_or(i64::MAX, |version| version.modified);
    let days = session.store.clock().now().saturating_sub(since) / (86_400 * 1_000_000_000);
    Ok(u16::try_from(days.max(0)).unwrap_or(u16::MAX))
}
