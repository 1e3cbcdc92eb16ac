//! `raic serve` as its owner meets it: what it prints, its status page, what systemd is told, how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::home::Home;

/// A node that runs, and what it printed.
struct Node {
    process: Child,
    served: serde_json::Value,
    systemd: UnixDatagram,
}

impl Node {
    fn start(home: &Home, more: &[&str]) -> Node {
        let socket = home.path("notify");
        let systemd = UnixDatagram::bind(&socket).unwrap();
        let fixed = ["serve", "--json", "--listen", "127.0.0.1:0", "--status", "127.0.0.1:0"];
        let mut process = home
            .command(&[&fixed[..], more].concat())
            .env("NOTIFY_SOCKET", &socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        let mut out = BufReader::new(process.stdout.as_mut().unwrap());
        let served = loop {
            assert!(out.read_line(&mut told).unwrap() > 0, "the node ended: {told}");
            if let Ok(served) = serde_json::from_str(&told) {
                break served;
            }
        };
        Node {
            process,
            served,
            systemd,
        }
    }

    fn heard(&self) -> String {
        let mut bytes = [0; 200];
        let len = self.systemd.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }

    /// The body of a page, and its status.
    fn page(&self, path: &str) -> (u16, String) {
        let address = self.served["status"].as_str().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Asks it to stop, as systemd does.
    fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        assert_eq!(self.heard(), "STOPPING=1");
        self.process.wait().unwrap().code()
    }
}

fn tells_how_it_is(home: &Home, more: &[&str]) {
    let node = Node::start(home, more);
    assert!(node.heard().starts_with("READY=1\nSTATUS=listening on 127.0.0.1:"));
    assert_eq!(node.page("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(node.page("/readyz").0, 200);
    let (status, json) = node.page("/status.json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (status, &json["healthy"], &json["available"]),
        (200, &true.into(), &true.into()),
        "{json}"
    );
    assert!(node.page("/metrics").1.contains("\nraic_available 1\n"));
    assert!(node.page("/").1.contains("OK: "));
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn a_node_in_a_folder_tells_how_it_is_and_stops_when_asked() {
    tells_how_it_is(&Home::new(), &["--backend", "fs"]);
}

#[test]
fn a_striped_node_tells_how_it_is_and_stops_when_asked() {
    tells_how_it_is(&Home::begun(), &[]);
}

#[test]
fn clients_are_told_what_the_quotas_leave() {
    let home = Home::begun();
    home.reconfigure(|text| text.replace("    scheme: fs\n", "    scheme: fs\n    quota: 100 MiB\n"));
    home.raic(&["config", "check"]).ends(0);
    let node = Node::start(&home, &[]);
    assert_eq!(node.served["encoding"]["needed"], 1);
    node.heard();
    let (_, json) = node.page("/status.json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let available = json["space"]["available"].as_u64().unwrap();
    let most = (4 * 100) << 20;
    assert!((most - most / 100..=most).contains(&available), "{available} of {most}");
    assert_eq!(node.stop(), Some(0));
}
