//! `raic provider test`: what a provider really honours, and whose data it holds. The catalog keeps what was found.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::super::Context;
use super::super::super::args::ProviderTest;
use super::super::super::error::{Failure, tame, words};
use super::super::super::exit::Exit;
use super::super::super::ground;
use super::super::super::output::Document;
use super::super::super::quantity::{ago, rfc3339};
use super::is_present;
use crate::catalog::Catalog;
use crate::clock::{Clock, SystemClock};
use crate::cloud_set::Profile;
use crate::config::Config;
use crate::entropy::{SystemEntropy, random};
use crate::fragment::id::ProviderId;
use crate::fragment::secret::Keys;
use crate::provider::opendal::Remote;
use crate::provider::probe::{Creation, Finding, Overwrite, Probe, probe};
use crate::store::clouds::{Identity, identify};

/// How long a provider may take for its first answer: one that is silent so long is not asked further.
const FIRST_ANSWER: Duration = Duration::from_secs(30);

/// Nanoseconds of a second.
const NANOS: i64 = 1_000_000_000;

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
pub(crate) struct Test {
    /// Its name.
    pub(super) name: String,
    /// Everything that RAIC needs works, and it holds no other set's data.
    pub(super) works: bool,
    /// Question and finding.
    findings: Vec<(String, String)>,
}

impl Test {
    fn failed(profile: &Profile, question: &str, why: &str) -> Test {
        Test {
            name: profile.name.clone(),
            works: false,
            findings: vec![(question.to_owned(), format!("fails: {}", tame(why)))],
        }
    }

    /// The first thing that fails.
    pub(crate) fn trouble(&self) -> Option<String> {
        let fails = self.findings.iter().find(|(_, finding)| finding.starts_with("fails"));
        fails.map(|(question, finding)| format!("{question} {finding}"))
    }

    /// A mark and a line for each question.
    pub(super) fn show(&self, context: &Context) -> Result<(), Failure> {
        let verdict = if self.works { "works" } else { "does NOT work" };
        context.out.answer(&format!("{} {verdict}", self.name))?;
        for (question, finding) in &self.findings {
            let mark = if finding.starts_with("fails") { "✗" } else { "✓" };
            context.out.answer(&format!("  {mark} {question:<14} {finding}"))?;
        }
        Ok(())
    }
}

/// A test, and what it is made of.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) test: Test,
    /// Whose data is there, as far as it could be told.
    pub(crate) identity: Option<Identity>,
    /// What was found, if it came so far.
    pub(crate) probe: Option<Probe>,
}

pub(super) async fn run(args: &ProviderTest, context: &Arc<Context>) -> Result<Exit, Failure> {
    let config = ground::config(context)?;
    ground::check_providers(&config, args.name.as_slice())?;
    let wanted = |profile: &&Profile| args.name.as_ref().is_none_or(|name| *name == profile.name);
    let (mut tests, mut probes, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for profile in config.set.providers.iter().filter(wanted) {
        let trial = try_out(&config, profile, context).await;
        ends.push(if trial.test.works {
            Exit::Done
        } else {
            Exit::Unreachable
        });
        if !context.out.is_json() {
            trial.test.show(context)?;
        }
        probes.extend(trial.probe.map(|probe| (profile.name.clone(), probe)));
        tests.push(trial.test);
    }
    keep(&config, probes, context).await;
    if context.out.is_json() {
        context.out.document(&Tests { tests })?;
    }
    Ok(Exit::of_items(&ends))
}

/// Tests one provider. Where another set's data lies, nothing is written.
pub(crate) async fn try_out(config: &Config, profile: &Profile, context: &Context) -> Trial {
    context.out.hint(&format!("testing {} ...", profile.name));
    let failed = |question: &str, why: &str| Trial {
        test: Test::failed(profile, question, why),
        identity: None,
        probe: None,
    };
    let opened = ground::spec(config, profile, &context.env).and_then(|spec| Ok(Remote::open(&spec)?));
    let remote = match opened {
        Ok(remote) => remote,
        Err(failure) => return failed("open", &failure.sentence()),
    };
    let keys = ground::secret(config, &context.env)
        .ok()
        .map(|secret| Keys::new(&secret));
    let identity = match &keys {
        None => None,
        Some(keys) => match tokio::time::timeout(FIRST_ANSWER, identify(keys, &remote)).await {
            Err(_) => return failed("answer", &format!("none in {} s", FIRST_ANSWER.as_secs())),
            Ok(Ok(identity)) => Some(identity),
            Ok(Err(error)) => return failed("answer", &words(&error)),
        },
    };
    if let Some(Identity::Foreign(set)) = identity {
        return Trial {
            identity,
            ..failed(
                "data",
                &format!("those of another cloud set ({set}) lie there; nothing was written"),
            )
        };
    }
    let prefix = format!(
        "raic-test-{}/",
        data_encoding::HEXLOWER.encode(&random::<8>(&SystemEntropy))
    );
    let found = probe(Arc::new(remote), &prefix, &SystemClock).await;
    let mut findings = findings(&found);
    findings.extend(
        identity
            .as_ref()
            .map(|identity| ("data".to_owned(), whose(identity).to_owned())),
    );
    Trial {
        test: Test {
            name: profile.name.clone(),
            works: needed(&found).iter().all(|(_, finding)| finding.works()),
            findings,
        },
        identity,
        probe: Some(found),
    }
}

fn whose(identity: &Identity) -> &'static str {
    match identity {
        Identity::Ours(_) => "this cloud set's",
        Identity::Foreign(_) => "another cloud set's",
        Identity::Absent => "none of a cloud set yet",
    }
}

/// What RAIC can't do without.
fn needed(found: &Probe) -> [(&'static str, &Finding); 5] {
    [
        ("put", &found.put),
        ("get", &found.get),
        ("range", &found.range),
        ("list", &found.list),
        ("delete", &found.delete),
    ]
}

/// Keeps findings about members in the catalog. That it can't be had takes nothing from the test.
async fn keep(config: &Config, probes: Vec<(String, Probe)>, context: &Context) {
    let Some(catalog) = ground::catalog_if_there(config, ground::For::Reading, &context.env) else {
        return;
    };
    let Ok((_, members)) = catalog.members().await else {
        return;
    };
    for (name, probe) in probes {
        let present = members
            .iter()
            .find(|member| member.name == name && is_present(member.state));
        if let Some(member) = present {
            save(catalog.as_ref(), member.id, &probe).await;
        }
    }
}

/// Keeps one finding.
pub(super) async fn save(catalog: &dyn Catalog, member: ProviderId, probe: &Probe) {
    let json = serde_json::to_string(probe).expect("a probe is JSON");
    if let Err(error) = catalog.save_probe(member, json).await {
        tracing::info!("the finding was not kept: {error}");
    }
}

/// The round trip that the last test of a member measured.
pub(crate) async fn round_trip(catalog: &dyn Catalog, member: ProviderId) -> Option<Duration> {
    let tested = Tested::of(catalog, member).await?;
    Some(Duration::from_secs_f64(tested.round_trip_ms?.max(0.0) / 1000.0))
}

/// The last test of a provider, as the catalog has it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tested {
    /// When, RFC 3339.
    at: String,
    /// Everything that RAIC needs worked.
    works: bool,
    /// What didn't.
    failing: Vec<&'static str>,
    /// The median time of a small question, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trip_ms: Option<f64>,
    #[serde(skip)]
    seconds: i64,
}

impl Tested {
    /// What the catalog has of a member; `None` if it was never tested.
    pub(crate) async fn of(catalog: &dyn Catalog, member: ProviderId) -> Option<Tested> {
        let json = catalog.probe(member).await.ok()??;
        let probe: Probe = serde_json::from_str(&json).ok()?;
        let failing = needed(&probe).into_iter().filter(|(_, finding)| !finding.works());
        let failing: Vec<&'static str> = failing.map(|(question, _)| question).collect();
        Some(Tested {
            at: rfc3339(probe.at.saturating_mul(NANOS)),
            works: failing.is_empty(),
            failing,
            round_trip_ms: probe.round_trip_ms,
            seconds: probe.at,
        })
    }

    /// `works, 3 h ago`
    pub(crate) fn words(&self) -> String {
        let found = match self.failing.as_slice() {
            [] => "works".to_owned(),
            failing => format!("{} failed", failing.join(", ")),
        };
        format!("{found}, {}", ago(SystemClock.seconds() - self.seconds))
    }

    /// True if something that RAIC needs failed.
    pub(crate) fn failed(&self) -> bool {
        !self.works
    }

    /// `2.1 ms`
    pub(crate) fn round_trip(&self) -> String {
        self.round_trip_ms.map_or_else(|| "-".to_owned(), millis)
    }
}

fn millis(millis: f64) -> String {
    if millis < 0.1 {
        "< 0.1 ms".to_owned()
    } else if millis < 10.0 {
        format!("{millis:.1} ms")
    } else {
        format!("{millis:.0} ms")
    }
}

fn findings(found: &Probe) -> Vec<(String, String)> {
    let finding = |finding: &Finding| match finding {
        Finding::Works => "works".to_owned(),
        Finding::Unsupported => "not offered".to_owned(),
        Finding::Fails(why) => format!("fails: {}", tame(why)),
    };
    let mut findings: Vec<(String, String)> = needed(found)
        .into_iter()
        .map(|(question, found)| (question.to_owned(), finding(found)))
        .collect();
    findings.extend([
        ("rename".to_owned(), finding(&found.rename)),
        ("put-if-absent".to_owned(), creation(&found.create)),
        ("overwrite".to_owned(), overwrite(found.overwrite.as_ref())),
    ]);
    if let Some(round_trip) = found.round_trip_ms {
        findings.push(("round trip".to_owned(), millis(round_trip)));
    }
    if let Some(skew) = found.clock_skew_s {
        let agrees = skew.abs() <= 2;
        let told = if agrees {
            "agrees".to_owned()
        } else {
            format!("{skew} s off")
        };
        findings.push(("clock".to_owned(), told));
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
