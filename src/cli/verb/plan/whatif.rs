//! `raic plan --what-if`: what was asked, in words and figures.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::super::error::Failure;
use super::super::super::quantity::size;
use super::super::prices::{money, unknown};
use super::names;
use crate::cloud_set::price::{Prices, Tariff};
use crate::mix::outage::Outages;
use crate::mix::plan::{Choice, Planner, Wishes};
use crate::mix::whatif::{Move, growth};

/// Months that growth is shown at.
const MONTHS: [u32; 5] = [0, 6, 12, 24, 36];

/// What could happen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WhatIf {
    /// A service changes a price: service, figure, value.
    Price(String, String, String),
    /// A service leaves.
    Leave(String),
    /// A service is out.
    Out(String),
    /// The data grow by this factor a month.
    Grow(f64),
}

impl FromStr for WhatIf {
    type Err = String;

    fn from_str(text: &str) -> Result<WhatIf, String> {
        let wrong = || {
            "one of price:SERVICE.FIGURE=VALUE, such as price:wasabi.storage=12/TB-month, leave:SERVICE, out:SERVICE and grow:5%/month is possible".to_owned()
        };
        let (kind, what) = text.split_once(':').ok_or_else(wrong)?;
        match kind {
            "leave" => Ok(WhatIf::Leave(what.to_owned())),
            "out" => Ok(WhatIf::Out(what.to_owned())),
            "grow" => {
                let percent = what.trim_end_matches("/month").trim_end_matches('%');
                let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
                if (-50.0..=100.0).contains(&percent) {
                    Ok(WhatIf::Grow(1.0 + percent / 100.0))
                } else {
                    Err("-50% to 100% a month are possible".to_owned())
                }
            }
            "price" => {
                let (left, value) = what.split_once('=').ok_or_else(wrong)?;
                let (service, figure) = left.rsplit_once('.').ok_or_else(wrong)?;
                let plain = |text: &str| !text.is_empty() && !text.contains(['\n', '"', '{', '}', '#']);
                if !(plain(service) && plain(figure) && plain(value)) {
                    return Err(wrong());
                }
                Ok(WhatIf::Price(
                    service.to_owned(),
                    figure.to_owned(),
                    value.trim().to_owned(),
                ))
            }
            _ => Err(wrong()),
        }
    }
}

/// One answer.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Answered {
    /// What was asked.
    pub(super) what: String,
    /// The answer in sentences.
    pub(super) says: Vec<String>,
    /// The mix afterwards.
    mix: Option<Vec<String>>,
    /// Of a month, before.
    cost_before: Option<f64>,
    /// Of a month, afterwards.
    cost_after: Option<f64>,
    /// What moving costs: while the service answers first, when it is gone second.
    moves: Vec<MoveSheet>,
    /// Services that may still be lost; null if data can't be read, or that wasn't asked.
    losses_left: Option<u16>,
    /// True if puts still reach their quorum.
    writable: Option<bool>,
    /// What reads cost more for each day.
    a_day: Option<f64>,
    /// Milliseconds of 99 of 100 reads meanwhile.
    read_p99_ms: Option<f64>,
    /// Sizes that the data grow to.
    sizes: Vec<SizeSheet>,
}

/// A move.
#[derive(Debug, Serialize, JsonSchema)]
struct MoveSheet {
    /// Bytes written.
    bytes: u64,
    /// Bytes read.
    read: u64,
    /// What it adds to the month's bills.
    cost: f64,
    /// For early deletion, at most.
    early: f64,
    /// How long it takes.
    hours: f64,
    /// Months until it has paid for itself; null if never.
    pays_after_months: Option<f64>,
}

/// A size that the data have grown to.
#[derive(Debug, Serialize, JsonSchema)]
struct SizeSheet {
    /// From now.
    months: u32,
    /// Bytes kept.
    data: u64,
    /// Today's mix then, of a month; null if it can't be priced.
    stays: Option<f64>,
    /// The cheapest then.
    cheapest: Option<f64>,
    /// Its services and k + m.
    mix: Option<String>,
}

/// What questions are asked of.
pub(super) struct Asked<'a> {
    pub(super) planner: &'a Planner<'a>,
    pub(super) prices: &'a Prices,
    /// The text of the owner's own figures.
    pub(super) own: Option<&'a str>,
    pub(super) wishes: &'a Wishes,
    pub(super) services: &'a [&'a Tariff],
    pub(super) best: &'a Choice,
    /// Bytes a second of a move.
    pub(super) rate: f64,
}

fn told(planner: &Planner<'_>, choice: &Choice) -> String {
    format!("{} {}+{}", names(planner, choice).join(" "), choice.k, choice.m)
}

fn move_sheet(moved: &Move) -> MoveSheet {
    MoveSheet {
        bytes: moved.bytes,
        read: moved.read,
        cost: moved.cost.amount(),
        early: moved.early.amount(),
        hours: moved.hours,
        pays_after_months: moved.pays_after,
    }
}

fn time(hours: f64) -> String {
    match hours {
        _ if hours < 1.0 => format!("{:.0} min", hours * 60.0),
        _ if hours < 96.0 => format!("{hours:.0} h"),
        _ => format!("{:.0} days", hours / 24.0),
    }
}

fn when(months: u32) -> String {
    if months == 0 {
        return format!("{:<12}", "now");
    }
    format!("in {months:2} months")
}

fn pays(moved: &Move) -> String {
    match moved.pays_after {
        Some(months) if months < 0.1 => "moving pays within days".to_owned(),
        Some(months) => format!("moving pays after {months:.1} months"),
        None => "moving saves nothing a month: only who must will move".to_owned(),
    }
}

impl Asked<'_> {
    pub(super) fn answer(&self, what: &WhatIf) -> Result<Answered, Failure> {
        match what {
            WhatIf::Price(service, figure, value) => self.price(service, figure, value),
            WhatIf::Leave(service) => self.leave(service),
            WhatIf::Out(service) => self.out(service),
            WhatIf::Grow(factor) => Ok(self.grow(*factor)),
        }
    }

    /// The place of a service, which must be of the best mix.
    fn seat(&self, service: &str) -> Result<Result<usize, Answered>, Failure> {
        let place = self.planner.services.iter().position(|tariff| tariff.id == service);
        let known = place.is_some() || self.planner.left_out.iter().any(|(id, _)| id == service);
        if !known && self.prices.tariff(service).is_none() {
            return Err(unknown(self.prices, service));
        }
        let seated = place.filter(|at| self.best.services.contains(at));
        Ok(seated.ok_or_else(|| Answered {
            what: format!("what if {service}: it is not part of #1, nothing changes"),
            ..Answered::default()
        }))
    }

    fn leave(&self, service: &str) -> Result<Answered, Failure> {
        let at = match self.seat(service)? {
            Ok(at) => at,
            Err(answered) => return Ok(answered),
        };
        let Some(leaving) = self.planner.leaving(self.best, at, self.rate) else {
            return Ok(Answered {
                what: format!("what if {service} leaves: no other service can take its place in #1"),
                ..Answered::default()
            });
        };
        let (copied, rebuilt) = (&leaving.copied, &leaving.rebuilt);
        let arrives = &self.planner.services[copied.to[0]].id;
        let rate = size(rate_of(self.rate));
        let early = if copied.early.cents() > 0 {
            format!(", and at most {} for deleting early", money(copied.early))
        } else {
            String::new()
        };
        let says = vec![
            format!(
                "{arrives} takes its place: {} a month instead of {}",
                money(copied.after),
                money(copied.before)
            ),
            format!(
                "while it answers: {} are copied in {} at {rate}/s, for {}{early}",
                size(copied.bytes),
                time(copied.hours),
                money(copied.cost)
            ),
            format!(
                "when it is gone: {} are read from the others in {}, for {}",
                size(rebuilt.read),
                time(rebuilt.hours),
                money(rebuilt.cost)
            ),
            pays(copied),
        ];
        Ok(Answered {
            what: format!("what if {service} leaves?"),
            says,
            mix: Some(names(self.planner, &leaving.becomes)),
            cost_before: Some(copied.before.amount()),
            cost_after: Some(copied.after.amount()),
            moves: vec![move_sheet(copied), move_sheet(rebuilt)],
            ..Answered::default()
        })
    }

    fn out(&self, service: &str) -> Result<Answered, Failure> {
        let at = match self.seat(service)? {
            Ok(at) => at,
            Err(answered) => return Ok(answered),
        };
        let out = self.planner.out(self.best, at);
        let outage = Outages::shipped().of(&self.planner.services[at].operator);
        let read = match out.losses_left {
            None => "data can't be read until it is back".to_owned(),
            Some(left) => format!("all can be read, {left} more may be lost"),
        };
        let write = if out.writable { "writes go on" } else { "writes wait" };
        let mut says = vec![
            format!("{read}; {write}; reads cost {} more for each day", money(out.a_day)),
            format!(
                "expected {:.1} times a year for {:.1} h",
                outage.per_year, outage.mean_hours
            ),
        ];
        says.extend(
            out.read_p99
                .map(|p99| format!("99 of 100 reads take {p99:.0} ms meanwhile")),
        );
        Ok(Answered {
            what: format!("what if {service} is out?"),
            says,
            losses_left: out.losses_left,
            writable: Some(out.writable),
            a_day: Some(out.a_day.amount()),
            read_p99_ms: out.read_p99,
            ..Answered::default()
        })
    }

    fn grow(&self, factor: f64) -> Answered {
        let own = names(self.planner, self.best);
        let grown = growth(
            self.prices,
            self.wishes,
            self.services,
            (own.as_slice(), self.best.k),
            factor,
            &MONTHS,
        );
        let (mut says, mut sizes) = (Vec::new(), Vec::new());
        for size_then in &grown {
            let stays = size_then
                .stays
                .map_or_else(|| "can't be priced".to_owned(), |cost| format!("costs {}", money(cost)));
            let mix = size_then
                .best
                .as_ref()
                .map(|(names, k, m, _)| format!("{} {k}+{m}", names.join(" ")));
            let best = match (&size_then.best, &mix) {
                (Some((names, k, _, _)), _) if *names == own && *k == self.best.k => {
                    "and is still the cheapest".to_owned()
                }
                (Some((_, _, _, cost)), Some(mix)) => format!("cheapest then {mix}, {}", money(*cost)),
                _ => "no mix fits then".to_owned(),
            };
            says.push(format!(
                "{} {:>10}: #1 {stays}, {best}",
                when(size_then.months),
                size(size_then.data)
            ));
            sizes.push(SizeSheet {
                months: size_then.months,
                data: size_then.data,
                stays: size_then.stays.map(crate::cloud_set::price::Money::amount),
                cheapest: size_then.best.as_ref().map(|best| best.3.amount()),
                mix,
            });
        }
        Answered {
            what: format!("what if the data grow by {:.1} % a month?", (factor - 1.0) * 100.0),
            says,
            sizes,
            ..Answered::default()
        }
    }

    fn price(&self, service: &str, figure: &str, value: &str) -> Result<Answered, Failure> {
        if self.prices.tariff(service).is_none() {
            return Err(unknown(self.prices, service));
        }
        let text = format!("version: 1\nproviders:\n  {service}: {{ {figure}: {{ value: {value} }} }}\n");
        let changed = with(self.own, &text)
            .map_err(|fault| Failure::usage(format!("--what-if price:{service}.{figure}={value}: {fault}")))?;
        let services: Vec<&Tariff> = self
            .services
            .iter()
            .filter_map(|tariff| changed.tariff(&tariff.id))
            .collect();
        let planner = Planner::new(&changed, self.wishes, &services, &Outages::shipped());
        let what = format!("what if {service} asks {value} ({figure})?");
        let own = names(self.planner, self.best);
        let best = planner.cheapest(1).into_iter().next();
        let (Some(stays), Some(best)) = (planner.same(&own, self.best.k), best.clone()) else {
            return Ok(Answered {
                what,
                says: vec![fallen_out(&planner, &own, best)],
                ..Answered::default()
            });
        };
        let mut says = vec![format!(
            "#1 costs {} a month instead of {}",
            money(stays.cost),
            money(self.best.cost)
        )];
        let mut moves = Vec::new();
        if (best.services.as_slice(), best.k) == (stays.services.as_slice(), stays.k) {
            says.push("it is still the cheapest".to_owned());
        } else {
            let moved = planner.change(&stays, &best, self.rate);
            says.push(format!(
                "cheapest then: {}, {} a month",
                told(&planner, &best),
                money(best.cost)
            ));
            says.push(format!(
                "moving there: {} written, {} read in {}, for {} and at most {} for deleting early; {}",
                size(moved.bytes),
                size(moved.read),
                time(moved.hours),
                money(moved.cost),
                money(moved.early),
                pays(&moved)
            ));
            moves.push(move_sheet(&moved));
        }
        Ok(Answered {
            what,
            says,
            mix: Some(names(&planner, &best)),
            cost_before: Some(self.best.cost.amount()),
            cost_after: Some(stays.cost.amount()),
            moves,
            ..Answered::default()
        })
    }
}

/// The shipped figures with the owner's over them, and a change over both.
fn with(own: Option<&str>, change: &str) -> Result<Prices, crate::cloud_set::price::PriceFault> {
    let shipped = crate::cloud_set::price::shipped_files();
    let mut files: Vec<(&str, &str)> = shipped.iter().map(|file| (file.name, file.text)).collect();
    files.extend(own.map(|text| ("prices.yaml", text)));
    files.push(("--what-if", change));
    Prices::read(&files)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate that was read as whole bytes"
)]
fn rate_of(rate: f64) -> u64 {
    rate as u64
}

/// Why a mix is none of the planner's any more, and what is the cheapest then.
fn fallen_out(planner: &Planner<'_>, own: &[String], best: Option<Choice>) -> String {
    let Some(best) = best else {
        return "no mix would fit these wishes".to_owned();
    };
    let left_out = planner.left_out.iter().find(|(id, _)| own.contains(id));
    let why = left_out.map_or_else(
        || "it would be against the wishes".to_owned(),
        |(id, why)| format!("{id}: {why}"),
    );
    let (mix, k, m) = (names(planner, &best).join(" "), best.k, best.m);
    format!(
        "#1 would fall out ({why}); cheapest then: {mix} {k}+{m}, {} a month",
        money(best.cost)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_as_they_are_typed_and_absurd_ones_refused() {
        let price = WhatIf::Price("wasabi".to_owned(), "storage".to_owned(), "12/TB-month".to_owned());
        assert_eq!("price:wasabi.storage=12/TB-month".parse(), Ok(price));
        assert_eq!("leave:wasabi".parse(), Ok(WhatIf::Leave("wasabi".to_owned())));
        assert_eq!("grow:5%/month".parse(), Ok(WhatIf::Grow(1.05)));
        for text in [
            "",
            "leave",
            "grow:NaN",
            "grow:1e9%",
            "grow:-99%",
            "price:wasabi",
            "price:wasabi.storage",
            "price:w.s={}",
            "fall:x",
        ] {
            assert!(text.parse::<WhatIf>().is_err(), "{text}");
        }
    }
}
