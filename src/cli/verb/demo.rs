//! `raic demo`: the whole promise in six lines, all of it real, in a folder that goes afterwards.
//!
//! ```text
//! put over six folders ─▶ two are moved away ─▶ get, compared ─▶ check ─▶ two declared lost, rebuilt on two new ones ─▶ get, compared
//! ```

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Context;
use super::super::args;
use super::super::error::{Failure, reason};
use super::super::exit::Exit;
use super::super::ground;
use super::super::output::Document;
use super::super::quantity::size;
use crate::care::repair::{check, declare_lost, repair};
use crate::catalog::Catalog;
use crate::catalog::record::{Condition, Health, MemberState};
use crate::catalog::sqlite::{Mode, SqliteCatalog};
use crate::cloud_set::{Domains, Policy, Prefer};
use crate::entropy::{SystemEntropy, random};
use crate::fragment::secret::{Keys, SetSecret};
use crate::provider::opendal::Spec;
use crate::store::clouds::Configured;
use crate::store::put::Put;
use crate::store::send::{Progress, Silent};
use crate::store::{Settings, Store};

const OBJECT: &str = "demo.bin";
const LEN: u64 = 64 << 20;
const FIRST: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];
const LOST: [&str; 2] = ["alpha", "delta"];
const LATER: [&str; 6] = ["beta", "gamma", "epsilon", "zeta", "eta", "theta"];

/// One line of the answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Story {
    /// Something was done and was as it should be.
    Step {
        /// `stored`, `lost`, `read`, `check`, `repair` or `status`.
        step: &'static str,
        /// The rest of the line.
        what: String,
        /// How long it took.
        seconds: f64,
    },
    /// The last line.
    Summary {
        /// The folder, if it was kept.
        #[serde(skip_serializing_if = "Option::is_none")]
        kept: Option<String>,
        /// How long all of it took.
        seconds: f64,
    },
}

impl Document for Story {
    const SCHEMA: &'static str = "raic.demo/1";
}

pub(crate) async fn run(args: &args::Demo, context: &Arc<Context>) -> Result<Exit, Failure> {
    let begun = Instant::now();
    let folder = Folder::make(args.keep)?;
    let stage = Stage::set(&folder.path)?;
    let digest = stage.store_it(context).await?;
    stage.lose_two(context)?;
    stage.read_back(&digest, &FIRST, "read", context).await?;
    stage.check_it(context).await?;
    stage.mend(context).await?;
    stage.read_again(&digest, context).await?;
    let kept = args.keep.then(|| folder.path.display().to_string());
    if let Some(kept) = &kept {
        context.out.said(&format!("kept     {kept}"))?;
    }
    context.out.event(&Story::Summary {
        kept,
        seconds: begun.elapsed().as_secs_f64(),
    })?;
    Ok(Exit::Done)
}

/// A new folder for the demonstration, gone afterwards unless it is to be kept.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    fn make(keep: bool) -> Result<Folder, Failure> {
        let unique = data_encoding::HEXLOWER.encode(&random::<8>(&SystemEntropy));
        let path = std::env::temp_dir().join(format!("raic-demo-{unique}"));
        let made = ground::make_private(&path);
        made.map_err(|error| unusable(&path, &error))?;
        Ok(Folder { path, keep })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        "E0208",
        format!("{} cannot be used: {}", path.display(), reason(error)),
    )
    .note(format!(
        "the demonstration needs {} there for a moment; TMPDIR names another place",
        size(LEN * 5 / 2)
    ))
}

fn wrong(what: impl Into<String>) -> Failure {
    Failure::new(Exit::Failed, "E0701", what).note("please report it with the output of  raic -vv demo")
}

/// Folder, key and catalog of the demonstration's cloud set.
#[derive(Debug)]
struct Stage {
    folder: PathBuf,
    keys: Keys,
    catalog: Arc<dyn Catalog>,
}

impl Stage {
    fn set(folder: &Path) -> Result<Stage, Failure> {
        let keys = Keys::new(&SetSecret::new(random(&SystemEntropy)));
        let catalog = SqliteCatalog::open(&folder.join("catalog.db"), keys.set(), Mode::ReadWrite)?;
        Ok(Stage {
            folder: folder.to_owned(),
            keys,
            catalog: Arc::new(catalog),
        })
    }

    /// A store over these folders, as a process of its own would open it.
    async fn open(&self, names: &[&str]) -> Result<Arc<Store>, Failure> {
        let configured: Result<Vec<Configured>, Failure> = names.iter().map(|name| self.provider(name)).collect();
        ground::store(
            self.keys.clone(),
            self.catalog.clone(),
            configured?,
            Vec::new(),
            Settings::default(),
        )
        .await
    }

    fn provider(&self, name: &str) -> Result<Configured, Failure> {
        let root = self.folder.join(name).display().to_string();
        let spec = Spec::new(name, "fs", BTreeMap::from([("root".to_owned(), root)]));
        Ok(Configured {
            name: name.to_owned(),
            domains: Domains::default(),
            weight: 1.0,
            state: MemberState::Active,
            provider: ground::ready(&spec)?,
        })
    }

    async fn store_it(&self, context: &Context) -> Result<blake3::Hash, Failure> {
        let store = self.open(&FIRST).await?;
        let seed: [u8; 32] = random(&SystemEntropy);
        let source = Noise {
            stream: blake3::Hasher::new_keyed(&seed).finalize_xof(),
            left: LEN,
        };
        let begun = Instant::now();
        let put = Put {
            name: OBJECT.to_owned(),
            policy: policy(),
            condition: Condition::Absent,
            modified: None,
            len_hint: Some(LEN),
        };
        let stored = store.put(put, source, silent()).await?;
        let time = begun.elapsed();
        if stored.confirmed != stored.n {
            return Err(wrong(format!(
                "only {} of {} fragments were confirmed",
                stored.confirmed, stored.n
            )));
        }
        let on = FIRST.join(" ");
        tell(
            "stored",
            &format!("{OBJECT} {} as {}+{} on {on}", size(LEN), stored.k, stored.n - stored.k),
            time,
            context,
        )?;
        Ok(hash_of_noise(&seed))
    }

    fn lose_two(&self, context: &Context) -> Result<(), Failure> {
        let begun = Instant::now();
        let away = self.folder.join("moved-away");
        let moved = std::fs::create_dir(&away).and_then(|()| {
            LOST.iter()
                .try_for_each(|name| std::fs::rename(self.folder.join(name), away.join(name)))
        });
        moved.map_err(|error| unusable(&away, &error))?;
        tell(
            "lost",
            &format!("{} (folders moved away)", LOST.join(" and ")),
            begun.elapsed(),
            context,
        )
    }

    async fn read_back(
        &self,
        digest: &blake3::Hash,
        names: &[&str],
        step: &'static str,
        context: &Context,
    ) -> Result<(), Failure> {
        let (same, time) = self.read(digest, names).await?;
        if !same {
            return Err(wrong("what was read is not what was stored"));
        }
        tell(step, &format!("{OBJECT} {}, blake3 matches", size(LEN)), time, context)
    }

    /// Whether the object reads as it was stored, and how long that took.
    async fn read(&self, digest: &blake3::Hash, names: &[&str]) -> Result<(bool, Duration), Failure> {
        let store = self.open(names).await?;
        let begun = Instant::now();
        let mut reader = store.read(OBJECT, None, &[], silent()).await?;
        let mut hasher = blake3::Hasher::new();
        while let Some(bytes) = reader.next().await? {
            hasher.update(&bytes);
        }
        let time = begun.elapsed();
        reader.finish().await;
        Ok((hasher.finalize() == *digest, time))
    }

    async fn check_it(&self, context: &Context) -> Result<(), Failure> {
        let begun = Instant::now();
        let store = self.open(&FIRST).await?;
        let report = check(&store, OBJECT, false, &silent()).await?;
        let sound = report
            .extents
            .iter()
            .map(crate::care::repair::Checked::sound)
            .min()
            .unwrap_or(0);
        if report.health() != Health::AtRisk {
            return Err(wrong(format!(
                "with two providers lost the object should be at risk, but is {}",
                super::ls::word(report.health())
            )));
        }
        let n = policy().n();
        tell(
            "check",
            &format!("1 object at risk: {sound} of {n} fragments"),
            begun.elapsed(),
            context,
        )
    }

    async fn mend(&self, context: &Context) -> Result<(), Failure> {
        let begun = Instant::now();
        let store = self.open(&LATER).await?;
        for name in LOST {
            declare_lost(&store, name).await?;
        }
        let repaired = repair(&store, OBJECT, &silent()).await?;
        if repaired.rebuilt.is_empty() || !repaired.unplaced.is_empty() || !repaired.hopeless.is_empty() {
            return Err(wrong(format!(
                "{} fragments could not be rebuilt",
                repaired.unplaced.len()
            )));
        }
        let mut on: Vec<&str> = repaired.rebuilt.iter().map(|(_, provider)| provider.as_str()).collect();
        on.sort_unstable();
        on.dedup();
        let (fragments, on, lost) = (repaired.rebuilt.len(), on.join(" and "), LOST.join(" and "));
        let what = format!("{fragments} fragments rebuilt on {on}, new folders; {lost} declared lost");
        tell("repair", &what, begun.elapsed(), context)
    }

    async fn read_again(&self, digest: &blake3::Hash, context: &Context) -> Result<(), Failure> {
        let begun = Instant::now();
        let (same, _) = self.read(digest, &LATER).await?;
        if !same {
            return Err(wrong("after the repair, what was read is not what was stored"));
        }
        let (_, members) = self.catalog.members().await?;
        let gone = members
            .iter()
            .filter(|member| member.state == MemberState::Lost)
            .map(|member| member.id);
        let census = self.catalog.census(&gone.collect::<Vec<_>>()).await?;
        match (census.whole, census.margin) {
            (1, Some(2)) => tell("status", "ok: can lose any 2 providers again", begun.elapsed(), context),
            _ => Err(wrong("after the repair, the object is not whole")),
        }
    }
}

fn tell(step: &'static str, what: &str, time: Duration, context: &Context) -> Result<(), Failure> {
    context.out.event(&Story::Step {
        step,
        what: what.to_owned(),
        seconds: time.as_secs_f64(),
    })?;
    let timed = matches!(step, "stored" | "read" | "repair");
    let time = if timed {
        format!("   {:.2} s", time.as_secs_f64())
    } else {
        String::new()
    };
    context.out.said(&format!("{step:<8} {what}{time}"))
}

fn silent() -> Arc<dyn Progress> {
    Arc::new(Silent)
}

fn policy() -> Policy {
    Policy {
        name: "default".to_owned(),
        k: 4,
        m: 2,
        spread: BTreeMap::new(),
        quorum: Policy::lowest_quorum(4, 6),
        sealed: true,
        prefer: Prefer::Latency,
        providers: None,
        chunk_len: 256 << 10,
        fragment_len: 8 << 20,
    }
}

/// So many pseudo-random bytes.
struct Noise {
    stream: blake3::OutputReader,
    left: u64,
}

impl Read for Noise {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let count = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.stream.fill(&mut bytes[..count]);
        self.left -= count as u64;
        Ok(count)
    }
}

/// The hash of the whole stream, made anew, so that reading and hashing don't share a fault.
fn hash_of_noise(seed: &[u8; 32]) -> blake3::Hash {
    let mut noise = Noise {
        stream: blake3::Hasher::new_keyed(seed).finalize_xof(),
        left: LEN,
    };
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    while let Ok(count @ 1..) = noise.read(&mut buffer) {
        hasher.update(&buffer[..count]);
    }
    hasher.finalize()
}
