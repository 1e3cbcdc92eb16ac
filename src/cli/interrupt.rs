//! Ctrl-C and SIGTERM: the first asks to stop, the second leaves at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::exit::Exit;

/// SIGXFSZ of Linux and macOS: a file got longer than this process may make it.
const FILE_TOO_LONG: SignalKind = SignalKind::from_raw(25);

/// Tells whether somebody asked to stop. Clones hear the same.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(watch::Receiver<Option<Exit>>);

impl Interrupt {
    /// Listens from now on. Called inside the runtime, once.
    pub(crate) fn listen() -> std::io::Result<Interrupt> {
        let (tell, hear) = watch::channel(None);
        // Once somebody listens the write fails with an error, which the provider's put can tell; nobody listening would end the process.
        drop(signal(FILE_TOO_LONG)?);
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::spawn(async move {
            loop {
                let exit = tokio::select! {
                    _ = interrupt.recv() => Exit::Interrupted,
                    _ = terminate.recv() => Exit::Terminated,
                };
                if tell.borrow().is_some() {
                    // What is on the providers and in the catalog is settled by the next run, whatever the moment.
                    std::process::exit(i32::from(exit.number()));
                }
                tell.send_replace(Some(exit));
            }
        });
        Ok(Interrupt(hear))
    }

    /// Waits until somebody asks to stop; answers how the run ends then.
    pub(crate) async fn asked(&self) -> Exit {
        let mut hear = self.0.clone();
        let asked = hear.wait_for(Option::is_some).await.map(|exit| *exit);
        match asked {
            Ok(Some(exit)) => exit,
            // Nobody listens for signals any more: the runtime is ending.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// How the run ends, if somebody asked already.
    pub(crate) fn now(&self) -> Option<Exit> {
        *self.0.borrow()
    }
}
