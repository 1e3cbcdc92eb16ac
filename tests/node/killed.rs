//! The program itself over six folders, ended by SIGKILL in the middle of an upload again and again.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use raic::node::identity::Identity;
use tempfile::TempDir;

use super::client::{Client, index};
use super::goes_on::{fill, required};
use super::promises::ramp;

/// Often enough for kills before, while and after an extent lands.
const KILLS: usize = 6;

/// The end of the share, which is held back until the last process.
const HELD_BACK: usize = 1000;

struct Home(TempDir);

impl Home {
    fn raic(&self, line: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_raic"));
        command.args(line).env_clear().env("HOME", self.0.path());
        command
    }

    /// The node's own key.
    fn identity(&self) -> Identity {
        let key = find(self.0.path(), "node.key").expect("a node has a key");
        Identity::at(&key, || unreachable!("the key is there")).expect("a key is an identity")
    }

    fn serve(&self) -> Killed {
        let mut serve = self.raic(&["serve", "--json", "--no-care", "--listen", "127.0.0.1:0"]);
        let mut process = serve.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut told = String::new();
        let mut out = BufReader::new(process.stdout.as_mut().expect("it is piped"));
        let served: serde_json::Value = loop {
            assert!(out.read_line(&mut told).expect("text") > 0, "the node ended: {told}");
            if let Ok(served) = serde_json::from_str(&told) {
                break served;
            }
        };
        let address = served["listen"].as_str().expect("an address").to_owned();
        Killed { process, address }
    }
}

/// A node that ends without a word.
struct Killed {
    process: Child,
    address: String,
}

impl Killed {
    async fn client(&self, home: &Home) -> Client {
        let address = self.address.parse().expect("an address");
        Client::connect(address, &home.identity()).await
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it has ended");
    }
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()));
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let found = files.into_iter().find(|path| path.ends_with(name));
    found.or_else(|| folders.iter().find_map(|folder| find(folder, name)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_outlasts_sigkill_and_is_seen_only_when_it_is_whole() {
    let home = Home(TempDir::new().expect("a temporary folder"));
    assert!(
        home.raic(&["init"])
            .output()
            .expect("the program starts")
            .status
            .success()
    );
    let (si, data) = (index('q'), ramp(11 << 20));
    let node = home.serve();
    let mut client = node.client(&home).await;
    assert_eq!(client.allocate(&si, &[0], data.len() as u64, 1).await.1, [0]);
    assert_eq!(
        client
            .patch(&si, 0, 1, 5_000_000, &data[5_000_000..5_100_000])
            .await
            .status,
        200
    );
    drop(node);
    for _ in 0..KILLS {
        let node = home.serve();
        let mut client = node.client(&home).await;
        assert_eq!(client.get(&format!("immutable/{si}/0")).await.status, 404);
        let answer = client.patch(&si, 0, 1, 6_000_000, &data[6_000_000..6_000_001]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = fill(&mut client, &si, &data, answer, HELD_BACK).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(required(&answer), [(data.len() - HELD_BACK, data.len())]);
    }
    let node = home.serve();
    let mut client = node.client(&home).await;
    let end = data.len() - HELD_BACK;
    let answer = client.patch(&si, 0, 1, end, &data[end..]).await;
    let answer = if answer.status == 200 {
        fill(&mut client, &si, &data, answer, 0).await
    } else {
        answer
    };
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(client.get(&format!("immutable/{si}/0")).await.body == data);
    drop(node);
    let node = home.serve();
    assert!(node.client(&home).await.get(&format!("immutable/{si}/0")).await.body == data);
}
