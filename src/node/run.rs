//! A node from its parts: started, tended now and then, stopped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::control::Control;
use super::identity::Identity;
use super::keeper::{Keeper, Rules};
use super::lease::FLUSH_EVERY;
use super::listen::Listening;
use super::provider::StorageProvider;
use super::service::Service;
use crate::catalog::ledger::Ledger;
use crate::clock::{Clock, FixedClock};

/// How often stalled uploads, ended leases and free space are looked at.
const TEND_EVERY: Duration = Duration::from_mins(1);

/// What a node is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where its shares lie.
    pub provider: Arc<dyn StorageProvider>,
    /// Its books.
    pub ledger: Arc<dyn Ledger>,
    /// The time of day. While the door for tests is open another clock takes its place, which stands still from then on.
    pub clock: Arc<dyn Clock>,
    /// What its owner decided.
    pub rules: Rules,
    /// Who it is.
    pub identity: Identity,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where the door for tests is, if there is one.
    pub control: Option<SocketAddr>,
}

/// A node that runs.
#[derive(Debug)]
pub struct Running {
    listening: Listening,
    keeper: Arc<Keeper>,
    service: Arc<Service>,
    identity: Identity,
    control: Option<SocketAddr>,
    tending: [JoinHandle<()>; 2],
}

impl Running {
    /// Starts a node: from now on clients are connected, and answered once [`Running::until`] is awaited.
    pub async fn start(parts: Parts) -> io::Result<Running> {
        let still = parts.control.map(|_| Arc::new(FixedClock::at(parts.clock.now())));
        let clock: Arc<dyn Clock> = match &still {
            Some(still) => still.clone(),
            None => parts.clock,
        };
        let keeper = Arc::new(Keeper::new(parts.provider, parts.ledger, clock, parts.rules));
        keeper.restore().await.map_err(io::Error::other)?;
        keeper.tend().await.map_err(io::Error::other)?;
        let service = Arc::new(Service::new(keeper.clone(), parts.identity.swissnum()));
        let listening = Listening::at(parts.listen, &parts.identity, service.clone()).await?;
        let control = match (parts.control, still) {
            (Some(address), Some(still)) => Some(Control::new(keeper.clone(), still).open(address).await?),
            _ => None,
        };
        let tending = [tokio::spawn(tend(keeper.clone())), tokio::spawn(flush(keeper.clone()))];
        Ok(Running {
            listening,
            keeper,
            service,
            identity: parts.identity,
            control,
            tending,
        })
    }

    /// Where clients reach it.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listening.address()
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its shares, leases and uploads.
    #[must_use]
    pub fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }

    /// What answers its clients.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Where the door for tests is.
    #[must_use]
    pub fn control(&self) -> Option<SocketAddr> {
        self.control
    }

    /// Serves until `stop` is done, lets requests finish and writes what the books still wait for.
    pub async fn until(self, stop: impl Future<Output = ()>) {
        self.listening.serve(stop).await;
        for task in &self.tending {
            task.abort();
        }
        if let Err(error) = self.keeper.flush().await {
            tracing::error!("the books can't be kept: {error}");
        }
    }
}

async fn tend(keeper: Arc<Keeper>) {
    let mut ticks = interval(TEND_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = keeper.tend().await {
            tracing::warn!("tending the node: {error}");
        }
    }
}

async fn flush(keeper: Arc<Keeper>) {
    let mut ticks = interval(FLUSH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = keeper.flush().await {
            tracing::error!("the books can't be kept: {error}");
        }
    }
}
