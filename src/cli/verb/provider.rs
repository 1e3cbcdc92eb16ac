//! `raic provider`: the clouds of the set.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args::{Provider, ProviderAdd, ProviderRemove, ProviderSchemes, ProviderTest};
use super::super::error::{Failure, tame};
use super::super::exit::Exit;
use super::super::ground::{self, For, Session};
use super::super::output::Document;
use super::super::table::{self, left};
use super::put::tell_settled;
use crate::care::repair::declare_lost;
use crate::clock::SystemClock;
use crate::cloud_set::{DomainKind, Profile};
use crate::config::Config;
use crate::entropy::{SystemEntropy, random};
use crate::provider::opendal::{Remote, known_options, schemes};
use crate::provider::probe::{Creation, Finding, Overwrite, Probe, probe};

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
}

/// The answer of `provider test`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tests {
    /// Each provider that was tested.
    tests: Vec<Test>,
}

impl Document for Tests {
    const SCHEMA: &'static str = "raic.provider.test/1";
}

/// One provider's test.
#[derive(Debug, Serialize, JsonSchema)]
struct Test {
    /// Its name.
    name: String,
    /// Everything that RAIC needs works.
    works: bool,
    /// Question and finding.
    findings: Vec<(String, String)>,
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
        Provider::Add(args) => add(args, context).await,
        Provider::List => list(context),
        Provider::Test(args) => test(args, context).await,
        Provider::Schemes(args) => list_schemes(args, context),
        Provider::Remove(args) => remove(args, context).await,
    }
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let config = ground::config(context)?;
    let entry = |profile: &Profile| Entry {
        name: profile.name.clone(),
        scheme: profile.scheme.clone(),
        operator: profile.domains.get(DomainKind::Operator).unwrap_or("-").to_owned(),
        region: profile.domains.get(DomainKind::Region).unwrap_or("-").to_owned(),
        state: profile.state.word(),
    };
    let providers: Vec<Entry> = config.set.providers.iter().map(entry).collect();
    if context.out.is_json() {
        context.out.document(&Providers { providers })?;
        return Ok(Exit::Done);
    }
    let columns = [
        left("PROVIDER"),
        left("SCHEME"),
        left("OPERATOR"),
        left("REGION").spare(1),
        left("STATE"),
    ];
    let row = |entry: &Entry| {
        vec![
            entry.name.clone(),
            entry.scheme.clone(),
            entry.operator.clone(),
            entry.region.clone(),
            entry.state.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = providers.iter().map(row).collect();
    for line in table::lines(&columns, &rows, context.out.room()) {
        context.out.answer(&line)?;
    }
    Ok(Exit::Done)
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

async fn test(args: &ProviderTest, context: &Arc<Context>) -> Result<Exit, Failure> {
    let config = ground::config(context)?;
    ground::check_providers(&config, args.name.as_slice())?;
    let wanted = |profile: &&Profile| args.name.as_ref().is_none_or(|name| *name == profile.name);
    let (mut tests, mut ends) = (Vec::new(), Vec::new());
    for profile in config.set.providers.iter().filter(wanted) {
        let test = test_one(&config, profile, context).await;
        ends.push(if test.works { Exit::Done } else { Exit::Unreachable });
        if !context.out.is_json() {
            show(&test, context)?;
        }
        tests.push(test);
    }
    if context.out.is_json() {
        context.out.document(&Tests { tests })?;
    }
    Ok(Exit::of_items(&ends))
}

async fn test_one(config: &Config, profile: &Profile, context: &Context) -> Test {
    let opened = ground::spec(config, profile, &context.env).and_then(|spec| Ok(Remote::open(&spec)?));
    let remote = match opened {
        Ok(remote) => remote,
        Err(failure) => {
            let findings = vec![("open".to_owned(), format!("fails: {}", failure.sentence()))];
            return Test {
                name: profile.name.clone(),
                works: false,
                findings,
            };
        }
    };
    let prefix = format!(
        "raic-test-{}/",
        data_encoding::HEXLOWER.encode(&random::<8>(&SystemEntropy))
    );
    let found = probe(Arc::new(remote), &prefix, &SystemClock).await;
    let needed = [&found.put, &found.get, &found.range, &found.list, &found.delete];
    let works = needed.iter().all(|finding| finding.works());
    Test {
        name: profile.name.clone(),
        works,
        findings: findings(&found),
    }
}

fn findings(found: &Probe) -> Vec<(String, String)> {
    let finding = |finding: &Finding| match finding {
        Finding::Works => "works".to_owned(),
        Finding::Unsupported => "not offered".to_owned(),
        Finding::Fails(why) => format!("fails: {}", tame(why)),
    };
    let mut findings = vec![
        ("put".to_owned(), finding(&found.put)),
        ("get".to_owned(), finding(&found.get)),
        ("range".to_owned(), finding(&found.range)),
        ("list".to_owned(), finding(&found.list)),
        ("delete".to_owned(), finding(&found.delete)),
        ("rename".to_owned(), finding(&found.rename)),
        ("put-if-absent".to_owned(), creation(&found.create)),
        ("overwrite".to_owned(), overwrite(found.overwrite.as_ref())),
    ];
    if let Some(round_trip) = found.round_trip_ms {
        findings.push(("round trip".to_owned(), format!("{round_trip:.2} ms")));
    }
    if let Some(skew) = found.clock_skew_s {
        findings.push((
            "clock".to_owned(),
            if skew.abs() <= 2 {
                "agrees".to_owned()
            } else {
                format!("{skew} s off")
            },
        ));
    }
    findings
}

fn creation(found: &Creation) -> String {
    match found {
        Creation::Honoured => "honoured".to_owned(),
        Creation::Racy { winners } => format!("racy: {winners} won at once"),
        Creation::Ignored => "ignored".to_owned(),
        Creation::Refused { why } => format!("refused: {}", tame(why)),
        Creation::Unsupported => "not offered".to_owned(),
        Creation::Unknown { why } => format!("not found out: {}", tame(why)),
    }
}

fn overwrite(found: Option<&Overwrite>) -> String {
    let Some(found) = found else {
        return "not found out".to_owned();
    };
    let Overwrite {
        whole,
        torn,
        gone,
        failed,
        ..
    } = found;
    if found.reads() == *whole {
        format!("whole in {whole} reads")
    } else {
        format!("whole {whole}, torn {torn}, gone {gone}, failed {failed}")
    }
}

fn show(test: &Test, context: &Context) -> Result<(), Failure> {
    let verdict = if test.works { "works" } else { "does NOT work" };
    context.out.answer(&format!("{} {verdict}", test.name))?;
    for (question, finding) in &test.findings {
        let mark = if finding.starts_with("fails") { "✗" } else { "✓" };
        context.out.answer(&format!("  {mark} {question:<14} {finding}"))?;
    }
    Ok(())
}

async fn add(args: &ProviderAdd, context: &Arc<Context>) -> Result<Exit, Failure> {
    super::edit::add(args, context)?;
    context
        .out
        .said(&format!("added {} ({}) to the configuration", args.name, args.scheme))?;
    if args.no_test {
        return Ok(Exit::Done);
    }
    test(
        &ProviderTest {
            name: Some(args.name.clone()),
        },
        context,
    )
    .await
}

/// Takes a provider out for good. One that still holds fragments is only taken out if it is lost.
async fn remove(args: &ProviderRemove, context: &Arc<Context>) -> Result<Exit, Failure> {
    let session = Session::open(context, For::Writing, std::slice::from_ref(&args.name)).await?;
    let clouds = session.store.clouds();
    let member = clouds.named(&args.name).map(|cloud| cloud.member.id);
    if member.is_none() {
        session.check_providers(std::slice::from_ref(&args.name))?;
    }
    let usage = session.store.catalog().usage().await?;
    let fragments = usage
        .iter()
        .find(|usage| Some(usage.provider) == member)
        .map_or(0, |usage| usage.fragments);
    if fragments > 0 && !args.lost {
        return Err(Failure::new(
            Exit::Usage,
            "E0312",
            format!("{} still holds {fragments} fragments", args.name),
        )
        .note("if it is gone for good: raic provider remove --lost, then raic repair")
        .note("nothing was changed"));
    }
    if member.is_some() {
        tell_settled(&session, context).await?;
        declare_lost(&session.store, &args.name).await?;
    }
    drop(session);
    super::edit::remove(&args.name, context)?;
    context.out.said(&format!(
        "{} is out of the cloud set; {fragments} fragments were on it",
        args.name
    ))?;
    if fragments > 0 {
        context.out.said("next:  raic repair")?;
    }
    Ok(Exit::Done)
}
