//! `fixtures/clouds/cloud` keeps its word: other tests kill and restart servers through it.
//!
//! Tests of servers stand in binaries called `real_*`; `fixtures/test` runs them with `RAIC_CLOUDS` and `RAIC_CLOUD_TOOL` set, or
//! leaves them out and says so. They are ignored by a plain `cargo test`. A test that kills starts servers of its own, as these do: others use the common ones.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The servers that `fixtures/test` starts.
const ALL: [&str; 10] = [
    "seaweedfs",
    "rclone",
    "azurite",
    "swift",
    "fake-gcs",
    "apache",
    "openssh",
    "vsftpd",
    "redis",
    "moto",
];

fn variable(name: &str) -> PathBuf {
    env::var_os(name)
        .unwrap_or_else(|| panic!("{name} isn't set: run this through fixtures/test"))
        .into()
}

/// Servers of one test; stopped when it ends, whichever way.
struct Servers {
    folder: tempfile::TempDir,
    tool: PathBuf,
}

impl Servers {
    fn new() -> Servers {
        let folder = tempfile::tempdir().unwrap();
        // The servers that give up root must still be able to enter.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let tool = variable("RAIC_CLOUD_TOOL");
        Servers { folder, tool }
    }

    /// Runs the tool on this folder; what it says goes into the panic if it fails.
    fn cloud(&self, words: &[&str]) -> String {
        let done = self.command(words).output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "cloud {words:?}: {said}");
        said
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.tool);
        command
            .args(["--base-port", "15000", "--dir"])
            .arg(self.folder.path())
            .args(words);
        command
    }

    fn port(&self, name: &str) -> u16 {
        fs::read_to_string(self.folder.path().join(name).join("port"))
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    /// One line to Redis, and the answer's first bytes; `None` when nobody answers.
    fn redis(&self, line: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port("redis"))).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "AUTH raicpass\r\n{line}\r\n").unwrap();
        let mut said = String::new();
        let mut piece = [0; 256];
        // The greeting's answer and that of the line: two lines, or three when a value follows its length.
        while said.matches("\r\n").count() < 2 + usize::from(said.contains('$')) {
            let len = stream.read(&mut piece).ok().filter(|len| *len > 0)?;
            said += std::str::from_utf8(&piece[..len]).unwrap();
        }
        said.strip_prefix("+OK\r\n").map(str::to_owned)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the test has its verdict.
        let _ = self.command(&["stop"]).output();
    }
}

fn conf(folder: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(folder.join("opendal.conf")).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    text.lines()
        .map(|line| line.split_once('=').unwrap())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
#[ignore = "needs real servers: fixtures/test runs it"]
fn all_ten_servers_run_and_tell_how_to_reach_them() {
    let clouds = variable("RAIC_CLOUDS");
    for name in ALL {
        let conf = conf(&clouds.join(name));
        assert_eq!(conf[0].0, "scheme", "{name}");
        let endpoint = &conf.iter().find(|(key, _)| key == "endpoint").unwrap().1;
        let address = endpoint.split_once("://").unwrap().1.split('/').next().unwrap();
        assert!(address.starts_with("127.0.0.1:"), "{name} at {address}");
        TcpStream::connect(address).unwrap_or_else(|e| panic!("{name} at {address}: {e}"));
    }
}

#[test]
#[ignore = "needs real servers: fixtures/test runs it"]
fn a_killed_server_is_gone_at_once_and_comes_back_with_its_data_on_its_port() {
    let servers = Servers::new();
    servers.cloud(&["start", "redis", "rclone"]);
    let port = servers.port("redis");
    assert_eq!(servers.redis("SET kept 1").unwrap(), "+OK\r\n");

    servers.cloud(&["kill", "redis"]);
    assert_eq!(servers.redis("GET kept"), None);
    let status = servers.command(&["status", "redis", "rclone"]).output().unwrap();
    let said = String::from_utf8(status.stdout).unwrap();
    assert_eq!(status.status.code(), Some(1));
    assert!(
        said.contains("redis      stopped") && said.contains("rclone     running"),
        "{said}"
    );

    servers.cloud(&["start", "redis"]);
    assert_eq!(servers.port("redis"), port);
    assert_eq!(servers.redis("GET kept").unwrap(), "$1\r\n1\r\n");
}

#[test]
#[ignore = "needs real servers: fixtures/test runs it"]
fn starting_twice_starts_once_and_two_folders_share_no_port() {
    let (one, two) = (Servers::new(), Servers::new());
    one.cloud(&["start", "redis"]);
    two.cloud(&["start", "redis"]);
    assert_ne!(one.port("redis"), two.port("redis"));
    assert!(one.cloud(&["start", "redis"]).contains("already running"));
    // A port stays its owner's while the server is down.
    one.cloud(&["kill", "redis"]);
    let three = Servers::new();
    three.cloud(&["start", "redis"]);
    assert_ne!(three.port("redis"), one.port("redis"));
}

#[test]
#[ignore = "needs real servers: fixtures/test runs it"]
fn stop_ends_what_this_folder_started_and_nothing_else() {
    let (one, two) = (Servers::new(), Servers::new());
    one.cloud(&["start", "redis"]);
    two.cloud(&["start", "redis"]);
    one.cloud(&["stop"]);
    assert_eq!(one.redis("PING"), None);
    assert_eq!(two.redis("PING").unwrap(), "+PONG\r\n");
}

#[test]
#[ignore = "needs real servers: fixtures/test runs it"]
fn a_server_that_cant_start_says_why_and_leaves_nothing_behind() {
    let servers = Servers::new();
    servers.cloud(&["start", "redis"]);
    servers.cloud(&["stop", "redis"]);
    fs::remove_dir_all(servers.folder.path().join("redis/data")).unwrap();
    fs::write(servers.folder.path().join("redis/data"), "not a folder").unwrap();
    let done = servers.command(&["start", "redis"]).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert!(
        said.contains("cloud: 1 of 1 did not start: redis") && said.contains("data"),
        "{said}"
    );
    assert_eq!(servers.redis("PING"), None);
}

#[test]
#[ignore = "needs real servers: fixtures/test runs it"]
fn a_wrong_word_is_refused_with_the_right_ones() {
    let servers = Servers::new();
    for (words, why) in [
        (
            &["start", "minio"][..],
            "no server is called 'minio'; there are: apache azurite",
        ),
        (&["begin"], "no command is called 'begin'"),
        (&["kill"], "kill wants the names"),
        (
            &["start", "--base-port", "80"],
            "--base-port 80: wants a number from 1024",
        ),
    ] {
        let done = servers.command(words).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
}
