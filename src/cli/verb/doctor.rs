//! `raic doctor`: everything that can be wrong with a set before it hurts, each with its remedy. It asks every provider, never for longer than a deadline,
//! and goes on where one doesn't answer.

mod looks;
mod machine;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args;
use super::super::error::{Failure, tame};
use super::super::exit::Exit;
use super::super::ground::{self, For, Session};
use super::super::output::{Document, Paint};
use super::super::quantity::count;
use super::provider::trial::{Trial, try_out};
use crate::cloud_set::Profile;

/// How long a provider's test may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Diagnosis {
    /// What was looked at.
    findings: Vec<Finding>,
    /// How many are as they should be.
    fine: u64,
    /// How many are worth knowing.
    notes: u64,
    /// How many have to be mended.
    to_mend: u64,
}

impl Document for Diagnosis {
    const SCHEMA: &'static str = "raic.doctor/1";
}

/// One look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Finding {
    /// What was looked at.
    check: &'static str,
    /// Which, if there are several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    about: String,
    /// `ok`, `note` or `mend`.
    state: &'static str,
    /// What was found.
    found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// As it should be.
fn fine(check: &'static str, found: impl Into<String>) -> Finding {
    Finding {
        check,
        about: String::new(),
        state: "ok",
        found: found.into(),
        remedy: None,
    }
}

/// Worth knowing: nothing is at stake now.
fn note(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding {
        state: "note",
        remedy: Some(remedy.into()),
        ..fine(check, found)
    }
}

/// To be mended.
fn mend(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding {
        state: "mend",
        ..note(check, found, remedy)
    }
}

impl Finding {
    fn about(self, about: &str) -> Finding {
        Finding {
            about: about.to_owned(),
            ..self
        }
    }
}

pub(crate) async fn run(args: &args::Doctor, context: &Arc<Context>) -> Result<Exit, Failure> {
    let config = ground::config(context)?;
    ground::check_providers(&config, &args.providers)?;
    let chosen = |profile: &&Profile| args.providers.is_empty() || args.providers.contains(&profile.name);
    let profiles: Vec<&Profile> = config.set.providers.iter().filter(chosen).collect();
    let mut findings = machine::findings(&config, context);
    let trials = join_all(profiles.iter().map(|profile| async {
        let trial = tokio::time::timeout(PATIENCE, try_out(&config, profile, context)).await;
        (profile.name.as_str(), trial.ok())
    }));
    let trials: Vec<(&str, Option<Trial>)> = trials.await;
    findings.extend(
        trials
            .iter()
            .flat_map(|(name, trial)| looks::provider(name, trial.as_ref())),
    );
    findings.extend(looks::fates(&config, &machine::disks(&config)));
    findings.extend(looks::prices(&config, context)?);
    match Session::open(context, For::Looking, &[]).await {
        Ok(session) => findings.extend(looks::catalog(&session).await?),
        Err(failure) => findings.push(mend(
            "catalog",
            failure.sentence(),
            "raic recover  makes it anew from the providers",
        )),
    }
    let with = |state| findings.iter().filter(|finding| finding.state == state).count() as u64;
    let diagnosis = Diagnosis {
        fine: with("ok"),
        notes: with("note"),
        to_mend: with("mend"),
        findings,
    };
    let exit = if diagnosis.to_mend > 0 { Exit::Under } else { Exit::Done };
    if context.out.is_json() {
        context.out.document(&diagnosis)?;
    } else {
        show(&diagnosis, context)?;
    }
    Ok(exit)
}

fn show(diagnosis: &Diagnosis, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    out.answer(&match diagnosis.to_mend {
        0 => format!("{}: nothing has to be mended.", out.strong("OK", Paint::Good)),
        number => format!(
            "{}: {} to be mended.",
            out.strong("MEND", Paint::Poor),
            count(number, "thing has", "things have")
        ),
    })?;
    for finding in &diagnosis.findings {
        let about = if finding.about.is_empty() {
            String::new()
        } else {
            format!("{}: ", finding.about)
        };
        let line = format!(
            "{:<4}  {:<11} {about}{}",
            finding.state,
            finding.check,
            tame(&finding.found)
        );
        out.answer(&line)?;
        if let Some(remedy) = &finding.remedy {
            out.answer(&format!("                  -> {}", tame(remedy)))?;
        }
    }
    Ok(())
}
