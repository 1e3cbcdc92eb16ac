//! Words to systemd, if it started the node as `Type=notify`: a datagram to the socket that `NOTIFY_SOCKET` names.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::config::Environment;

/// Whoever is told, if anybody is.
#[derive(Debug)]
pub(super) struct Notify {
    socket: Option<UnixDatagram>,
    /// How often a sign of life is wanted.
    every: Option<Duration>,
}

impl Notify {
    /// Whom the environment names. A socket that can't be reached is nobody: the node runs all the same.
    pub(super) fn of(env: &Environment) -> Notify {
        let socket = env.get("NOTIFY_SOCKET").and_then(|name| connected(name).ok());
        let ours = env
            .get("WATCHDOG_PID")
            .is_none_or(|pid| pid == std::process::id().to_string());
        let micros = env.get("WATCHDOG_USEC").and_then(|micros| micros.parse::<u64>().ok());
        let every = micros.filter(|micros| ours && *micros > 0 && socket.is_some());
        Notify {
            socket,
            every: every.map(|micros| Duration::from_micros(micros / 2)),
        }
    }

    /// The node answers from now on.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", status.replace('\n', " ")));
    }

    /// The node lets requests under way finish.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Signs of life, as often as they are wanted; never ends.
    pub(super) async fn live(&self) {
        let Some(every) = self.every else {
            return std::future::pending().await;
        };
        let mut ticks = tokio::time::interval(every);
        loop {
            ticks.tick().await;
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, words: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(words.as_bytes())
        {
            tracing::warn!("systemd could not be told {words:?}: {error}");
        }
    }
}

fn connected(name: &str) -> std::io::Result<UnixDatagram> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Environment {
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn systemd_is_told_of_start_life_and_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let notify = Notify::of(&env(&[
            ("NOTIFY_SOCKET", path.to_str().unwrap()),
            ("WATCHDOG_USEC", "10000000"),
        ]));
        let hear = || {
            let mut bytes = [0; 99];
            let len = systemd.recv(&mut bytes).unwrap();
            String::from_utf8(bytes[..len].to_vec()).unwrap()
        };
        notify.ready("listening\non");
        assert_eq!(hear(), "READY=1\nSTATUS=listening on");
        let lived = tokio::time::timeout(Duration::from_secs(4), notify.live()).await;
        assert!(lived.is_err());
        assert_eq!(hear(), "WATCHDOG=1");
        notify.stopping();
        assert_eq!(hear(), "STOPPING=1");
    }

    #[test]
    fn without_systemd_nobody_is_told() {
        for variables in [&[][..], &[("NOTIFY_SOCKET", "/nowhere/at/all"), ("WATCHDOG_USEC", "5")]] {
            let notify = Notify::of(&env(variables));
            assert!(notify.socket.is_none() && notify.every.is_none());
            notify.ready("listening");
        }
    }
}
