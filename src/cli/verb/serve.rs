//! `raic serve`: the storage node, until it is asked to stop.

mod encoding;
mod look;
mod notify;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::super::Context;
use super::super::args::{Backend, Serve};
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::ground::{For, Session, config, data_folder, make_private, no_home, secret, state_folder};
use super::super::output::Document;
use super::prices::open as open_prices;
use crate::care::debt::keep_paying;
use crate::care::schedule;
use crate::care::ship::Shipper;
use crate::catalog::lock::WriterLock;
use crate::catalog::sqlite::{Mode, SqliteCatalog};
use crate::clock::{Clock, SystemClock};
use crate::cloud_set::Profile;
use crate::cloud_set::price::Prices;
use crate::entropy::{SystemEntropy, random};
use crate::fragment::id::SetId;
use crate::node::folder::Folder;
use crate::node::id::StorageIndex;
use crate::node::identity::Identity;
use crate::node::keeper::{Expiry, Rules};
use crate::node::run::{Parts, Running};
use crate::node::spool::Room;
use crate::node::striped::{self, Striped};
use crate::status::door;
use crate::store::error::StoreError;
use encoding::Encoding;
use look::{Clouds, Look, limits};
use notify::Notify;

/// Seconds of a day.
const DAY: i64 = 24 * 3600;

/// Where the node listens if nothing says otherwise.
const LISTEN: &str = "127.0.0.1:9902";

/// The node's own key in its state folder.
const KEY: &str = "node.key";

/// Bytes of small shares that wait in memory for their last byte.
const WAITING: u64 = 48 << 20;

/// Bytes of shares that wait on disk for the clouds.
const SPOOL: u64 = 16 << 30;

/// Bytes of shares that are kept in memory for whoever reads them next.
const CACHE: u64 = 128 << 20;

/// The books of a node that has no cloud set.
const BOOKS: &str = "node.db";

/// What clients need to know.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Served {
    /// Where the shares lie: `striped` or `fs`.
    backend: &'static str,
    /// Where it listens.
    listen: String,
    /// Its address, with its secret.
    nurl: String,
    /// The lines for a client's `private/servers.yaml`.
    servers_yaml: String,
    /// How clients should encode what they store here.
    encoding: Encoding,
    /// Where the status page is.
    status: Option<String>,
    /// Where the door for tests is.
    test_control: Option<String>,
}

impl Document for Served {
    const SCHEMA: &'static str = "raic.serve/1";
}

/// The answer of `serve --check`: the node can be started.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Startable {
    /// Where its shares would lie: `striped` or `fs`.
    backend: &'static str,
    /// Where it would listen.
    listen: String,
}

impl Document for Startable {
    const SCHEMA: &'static str = "raic.serve.check/1";
}

/// What has to live as long as the node.
struct Ground {
    parts: Parts,
    backend: &'static str,
    location: Option<String>,
    status: Option<SocketAddr>,
    encoding: Encoding,
    /// What a striped node stands on.
    clouds: Option<Clouds>,
    /// The folder of one that isn't.
    _folder: Option<WriterLock>,
}

pub(crate) async fn run(args: &Serve, context: &Arc<Context>) -> Result<Exit, Failure> {
    let ground = match args.backend {
        Backend::Striped => over_the_clouds(args, context).await?,
        Backend::Fs => over_a_folder(args, context)?,
    };
    if args.check {
        context.out.said("the node can be started")?;
        context.out.document_for_scripts(&Startable {
            backend: ground.backend,
            listen: ground.parts.listen.to_string(),
        })?;
        return Ok(Exit::Done);
    }
    let listen = ground.parts.listen;
    let care = match &ground.clouds {
        Some(clouds) if !args.no_care => Some(tokio::spawn(care(&clouds.session))),
        _ => None,
    };
    let running = Running::start(ground.parts)
        .await
        .map_err(|error| unstartable(listen, &error))?;
    let session = ground.clouds.as_ref().map(|clouds| clouds.session.clone());
    let look = Arc::new(Look {
        keeper: running.keeper().clone(),
        service: running.service().clone(),
        backend: ground.backend,
        began: Instant::now(),
        clouds: ground.clouds,
    });
    let status = match ground.status {
        None => None,
        Some(address) => Some(
            door::open(address, look)
                .await
                .map_err(|error| unstartable(address, &error))?,
        ),
    };
    let served = served(&running, ground.backend, ground.location, status, ground.encoding)?;
    tell(&served, context)?;
    let notify = Notify::of(&context.env);
    notify.ready(&format!("listening on {}", served.listen));
    let stop = async {
        tokio::select! {
            _ = context.interrupt.asked() => {}
            () = notify.live() => {}
        }
        notify.stopping();
    };
    let (ended, end) = tokio::sync::oneshot::channel();
    let serving = async {
        running.until(stop).await;
        if let Some(care) = care {
            care.abort();
        }
        // Whoever ships sees that it is over, sent or dropped.
        let _ = ended.send(());
    };
    tokio::join!(Box::pin(serving), Box::pin(keep_safe(session, end)));
    context.out.said("stopped; every request that was answered is kept")?;
    Ok(Exit::Done)
}

/// Care of the set, for as long as the node runs: as `node.scrub` has it, else every fragment read once in 90 days.
fn care(session: &Session) -> impl Future<Output = ()> + Send + use<> {
    let scrub = session.config.node.as_ref().and_then(|node| node.scrub);
    let mut rules = schedule::Rules::default();
    if let Some(scrub) = scrub {
        rules.read_every = scrub.every.duration();
        rules.list_every = rules.list_every.min(rules.read_every);
        rules.rate = scrub.rate.map(crate::cloud_set::quantity::ByteRate::bytes_per_second);
    }
    let (store, diary) = (session.store.clone(), session.diary.clone());
    schedule::tend(store, diary, rules)
}

/// While the node runs: keeps copies of a set's catalog on its providers, and pays what is owed. When it has ended: waits for what is still on its
/// way, and sends the last changes.
async fn keep_safe(session: Option<Arc<Session>>, end: tokio::sync::oneshot::Receiver<()>) {
    let Some(session) = session else { return };
    let shipper = Shipper::new(session.store.clone(), session.archive.clone());
    let ended = async {
        tokio::select! {
            biased;
            _ = end => {}
            () = keep_paying(&session.store) => {}
        }
        session.store.finish().await;
    };
    shipper.keep_shipping(ended).await;
}

/// A node whose shares are objects of the configured cloud set.
async fn over_the_clouds(args: &Serve, context: &Context) -> Result<Ground, Failure> {
    let session = Arc::new(Session::open(context, For::Serving, &[]).await?);
    let policy = session.policy(&args.policy)?.clone();
    let state = state_folder(&session.config, &context.env)?;
    let secret = secret(&session.config, &context.env)?;
    let first = || Zeroizing::new(blake3::derive_key("raic v1 node seed", secret.to_text().as_bytes()));
    let identity = Identity::at(&key(&state, context), first).map_err(|error| unusable(&state, &error))?;
    let room = Room::open(&state.join("spool"), Arc::new(SystemEntropy), WAITING, SPOOL);
    // A broken file of prices is told by the verbs that are about prices.
    let prices = open_prices(context, None).map(|(prices, _)| prices).unwrap_or_default();
    let limits = limits(&session, &prices, args.budget);
    let encoding = Encoding::over(policy.k, policy.m);
    let begun = session.archive.uploads().await.map_err(StoreError::from)?;
    let ground = striped::Ground {
        begun: begun
            .iter()
            .map(|upload| (StorageIndex(upload.share.index), upload.share.number))
            .collect(),
        store: session.store.clone(),
        policy: policy.clone(),
        limits: limits.clone(),
        prefix: args.prefix.clone(),
        room: room.map_err(|error| unusable(&state, &error))?,
        cache: CACHE,
    };
    let provider = Striped::open(ground).await?;
    let section = session.config.node.as_ref().and_then(|node| node.tahoe.as_ref());
    let parts = Parts {
        provider: Arc::new(provider),
        ledger: session.archive.clone(),
        clock: Arc::new(SystemClock),
        rules: rules(args, least_days(&session, &prices)),
        identity,
        listen: listen(args, section.map(|door| door.listen)),
        control: args.test_control,
    };
    let configured = session.config.node.as_ref().and_then(|node| node.status);
    Ok(Ground {
        parts,
        backend: "striped",
        location: args.location.clone().or(section.and_then(|door| door.location.clone())),
        status: args.status.or(configured),
        encoding,
        clouds: Some(Clouds {
            session,
            policy,
            limits,
            known: Mutex::default(),
        }),
        _folder: None,
    })
}

/// A node whose shares lie in a plain folder, with all that it keeps beside them.
fn over_a_folder(args: &Serve, context: &Context) -> Result<Ground, Failure> {
    let root = match &args.root {
        Some(root) => root.clone(),
        None => data_folder(&context.env, "XDG_STATE_HOME", ".local/state")
            .ok_or_else(no_home)?
            .join("node"),
    };
    make_private(&root).map_err(|error| unusable(&root, &error))?;
    let lock = WriterLock::try_lock(&root)?;
    let identity = Identity::at(&key(&root, context), || Zeroizing::new(random(&SystemEntropy)));
    let identity = identity.map_err(|error| unusable(&root, &error))?;
    let set = SetId(identity.fingerprint()[..16].try_into().expect("16 of 32 bytes"));
    let books = SqliteCatalog::open(&root.join(BOOKS), set, Mode::ReadWrite)?;
    let folder =
        Folder::open(&root.join("shares"), Arc::new(SystemEntropy)).map_err(|error| unusable(&root, &error))?;
    let section = if args.listen.is_some() { None } else { door(context) };
    let parts = Parts {
        provider: Arc::new(folder),
        ledger: Arc::new(books),
        clock: Arc::new(SystemClock),
        rules: rules(args, 0),
        identity,
        listen: listen(args, section.as_ref().map(|(listen, _)| *listen)),
        control: args.test_control,
    };
    Ok(Ground {
        parts,
        backend: "fs",
        location: args.location.clone().or(section.and_then(|(_, location)| location)),
        status: args.status,
        encoding: Encoding::over(1, 0),
        clouds: None,
        _folder: Some(lock),
    })
}

/// What the configuration says of the node's door, if there is one; a folder needs none.
fn door(context: &Context) -> Option<(SocketAddr, Option<String>)> {
    let door = config(context).ok()?.node?.tahoe?;
    Some((door.listen, door.location))
}

fn listen(args: &Serve, configured: Option<SocketAddr>) -> SocketAddr {
    let fallback = || LISTEN.parse().expect("an address and a port");
    args.listen.or(configured).unwrap_or_else(fallback)
}

/// The node's key: a credential of systemd's, else a file in its folder.
fn key(folder: &Path, context: &Context) -> PathBuf {
    let given = context
        .env
        .get("CREDENTIALS_DIRECTORY")
        .map(|given| Path::new(given).join(KEY));
    given.filter(|path| path.exists()).unwrap_or_else(|| folder.join(KEY))
}

/// The longest time for which a provider of the set bills a blob, deleted or not.
fn least_days(session: &Session, prices: &Prices) -> i64 {
    let days = |profile: &Profile| prices.list(profile.cost.as_ref()).0.min_days;
    let longest = session.config.set.providers.iter().filter_map(days).max();
    i64::from(longest.unwrap_or(0))
}

fn rules(args: &Serve, least_days: i64) -> Rules {
    let expiry = match (args.expire, args.expire_age, args.expire_before) {
        (_, Some(days), _) => Some(Expiry::Age(i64::from(days) * DAY)),
        (_, _, Some(second)) => Some(Expiry::RenewedBefore(second)),
        (true, None, None) => Some(Expiry::AtItsEnd),
        (false, None, None) => None,
    };
    Rules {
        read_only: args.read_only,
        reserve: args.reserve.unwrap_or(0),
        expiry,
        hold: least_days * DAY,
    }
}

fn served(
    running: &Running,
    backend: &'static str,
    location: Option<String>,
    status: Option<SocketAddr>,
    encoding: Encoding,
) -> Result<Served, Failure> {
    let address = running
        .address()
        .map_err(|error| Failure::new(Exit::Failed, "E0902", error.to_string()))?;
    let identity = running.identity();
    let location = location.unwrap_or_else(|| address.to_string());
    Ok(Served {
        backend,
        listen: address.to_string(),
        nurl: identity.nurl(&location),
        servers_yaml: identity.servers_yaml("raic", &location),
        encoding,
        status: status.map(|address| address.to_string()),
        test_control: running.control().map(|address| address.to_string()),
    })
}

fn tell(served: &Served, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    if out.is_json() {
        return out.document(served);
    }
    out.answer(&format!(
        "listening on {} since {}",
        served.listen,
        SystemClock.seconds()
    ))?;
    out.answer(&format!("NURL: {}", served.nurl))?;
    out.answer("for a client's private/servers.yaml; whoever has these lines may use the node:")?;
    out.answer(served.servers_yaml.trim_end())?;
    for line in served.encoding.lines() {
        out.answer(&line)?;
    }
    if let Some(status) = &served.status {
        out.answer(&format!("status page: http://{status}/"))?;
    }
    if let Some(control) = &served.test_control {
        out.answer(&format!(
            "test control: http://{control}; the node's clock stands still"
        ))?;
    }
    Ok(())
}

fn unusable(root: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Failed,
        "E0851",
        format!("the node's folder cannot be used: {error}"),
    )
    .at(root)
    .note("it must be yours and writable; --root names another")
    .note("nothing was served")
}

fn unstartable(listen: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, "E0852", format!("the node cannot be started: {error}"))
        .note(format!("it was to listen on {listen}; --listen names another address"))
        .note("nothing was served")
}
