//! `raic provider`: the clouds of the set.

pub(crate) mod change;
pub(super) mod edit;
pub(crate) mod trial;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args::{Provider, ProviderSchemes};
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::ground::{self, For};
use super::super::output::Document;
use super::super::table::{self, left, right};
use crate::catalog::record::MemberState;
use crate::cloud_set::DomainKind;
use crate::config::Config;
use crate::provider::opendal::{known_options, schemes};
use trial::Tested;

/// The answer of `provider list`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Providers {
    /// In the order of the configuration.
    providers: Vec<Entry>,
}

impl Document for Providers {
    const SCHEMA: &'static str = "raic.provider.list/1";
}

/// One provider.
#[derive(Debug, Serialize, JsonSchema)]
struct Entry {
    /// Its name.
    name: String,
    /// The service.
    scheme: String,
    /// The company behind it.
    operator: String,
    /// The part of the world.
    region: String,
    /// `active`, `readonly` or `draining`.
    state: &'static str,
    /// Its last test, if it is a member and was tested.
    #[serde(skip_serializing_if = "Option::is_none")]
    tested: Option<Tested>,
}

/// The answer of `provider schemes`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Schemes {
    /// Services of this build.
    schemes: Vec<Scheme>,
}

impl Document for Schemes {
    const SCHEMA: &'static str = "raic.provider.schemes/1";
}

/// One service.
#[derive(Debug, Serialize, JsonSchema)]
struct Scheme {
    /// Its name.
    scheme: String,
    /// The options that it knows.
    options: Vec<String>,
}

pub(crate) async fn run(noun: &Provider, context: &Arc<Context>) -> Result<Exit, Failure> {
    match noun {
        Provider::Add(args) => change::add(args, context).await,
        Provider::List => list(context).await,
        Provider::Test(args) => trial::run(args, context).await,
        Provider::Schemes(args) => list_schemes(args, context),
        Provider::Drain(args) => super::balance::drain(args, context).await,
        Provider::Undrain(args) => super::balance::undrain(args, context),
        Provider::Remove(args) => change::remove(args, context).await,
    }
}

async fn list(context: &Context) -> Result<Exit, Failure> {
    let config = ground::config(context)?;
    let providers = entries(&config, context).await;
    if context.out.is_json() {
        context.out.document(&Providers { providers })?;
        return Ok(Exit::Done);
    }
    let columns = [
        left("PROVIDER"),
        left("SCHEME").spare(2),
        left("OPERATOR"),
        left("REGION").spare(3),
        left("STATE"),
        right("ROUND TRIP").spare(4),
        left("LAST TEST").spare(1),
    ];
    let row = |entry: &Entry| {
        let tested = entry.tested.as_ref();
        vec![
            entry.name.clone(),
            entry.scheme.clone(),
            entry.operator.clone(),
            entry.region.clone(),
            entry.state.to_owned(),
            tested.map_or_else(|| "-".to_owned(), Tested::round_trip),
            tested.map_or_else(|| "-".to_owned(), Tested::words),
        ]
    };
    let rows: Vec<Vec<String>> = providers.iter().map(row).collect();
    for line in table::lines(&columns, &rows, context.out.room()) {
        context.out.answer(&line)?;
    }
    Ok(Exit::Done)
}

/// The providers of the configuration, with what the catalog, if there is one, has of their tests.
async fn entries(config: &Config, context: &Context) -> Vec<Entry> {
    let catalog = ground::catalog_if_there(config, For::Looking, &context.env);
    let members = match &catalog {
        Some(catalog) => catalog
            .members()
            .await
            .map_or_else(|_| Vec::new(), |(_, members)| members),
        None => Vec::new(),
    };
    let mut entries = Vec::new();
    for profile in &config.set.providers {
        let member = members
            .iter()
            .find(|member| member.name == profile.name && is_present(member.state));
        let tested = match (&catalog, member) {
            (Some(catalog), Some(member)) => Tested::of(catalog.as_ref(), member.id).await,
            _ => None,
        };
        entries.push(Entry {
            name: profile.name.clone(),
            scheme: profile.scheme.clone(),
            operator: profile.domains.get(DomainKind::Operator).unwrap_or("-").to_owned(),
            region: profile.domains.get(DomainKind::Region).unwrap_or("-").to_owned(),
            state: profile.state.word(),
            tested,
        });
    }
    entries
}

/// Neither lost nor removed.
fn is_present(state: MemberState) -> bool {
    !matches!(state, MemberState::Lost | MemberState::Removed)
}

fn list_schemes(args: &ProviderSchemes, context: &Context) -> Result<Exit, Failure> {
    let wanted: Vec<&str> = match &args.scheme {
        None => schemes(),
        Some(scheme) if known_options(scheme).is_some() => vec![scheme],
        Some(scheme) => {
            let failure = Failure::new(Exit::Usage, "E0108", format!("unknown scheme `{scheme}`"));
            return Err(failure
                .note(format!("built in: {}", schemes().join(", ")))
                .note("nothing was touched"));
        }
    };
    if context.out.is_json() {
        let scheme = |scheme: &str| Scheme {
            scheme: scheme.to_owned(),
            options: known_options(scheme).unwrap_or_default(),
        };
        context.out.document(&Schemes {
            schemes: wanted.into_iter().map(scheme).collect(),
        })?;
    } else if args.scheme.is_some() {
        for option in known_options(wanted[0]).unwrap_or_default() {
            context.out.answer(&option)?;
        }
    } else {
        for scheme in wanted {
            context.out.answer(scheme)?;
        }
    }
    Ok(Exit::Done)
}
