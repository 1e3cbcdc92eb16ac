//! A faulty network in front of a server, for trying things by hand: `fixtures/chaos/README.md`.
//!
//! `chaos-proxy LISTEN UPSTREAM [FAULT=VALUE...]`; each line on standard input changes faults while it runs.

use std::error::Error;

use tokio::io::{AsyncBufReadExt, BufReader};

#[path = "../fixtures/chaos/proxy.rs"]
mod proxy;

use proxy::{Faults, Proxy};

#[tokio::main]
#[expect(
    clippy::print_stdout,
    reason = "it prints its address for the script that started it"
)]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream, faults @ ..] = words.as_slice() else {
        return Err(format!(
            "usage: chaos-proxy LISTEN UPSTREAM [FAULT=VALUE...]\nfaults: {}",
            Faults::NAMES.join(" ")
        )
        .into());
    };
    let proxy = Proxy::start(listen, upstream, faults.join(" ").parse()?).await?;
    println!("listening on {}", proxy.address());

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match proxy.set(&line) {
            Ok(()) => println!("{}", proxy.faults().words()),
            Err(what) => eprintln!("{what}"),
        }
    }
    // Nobody can change it any more; it runs until it is killed.
    std::future::pending().await
}
