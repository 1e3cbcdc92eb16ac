//! The chaos proxy does each thing that it says; tests that use it stand on these.
//!
//! Times are checked from below only: a slow machine makes nothing fail.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[path = "../fixtures/chaos/proxy.rs"]
mod proxy;

use proxy::{Faults, Proxy};

const KIB: usize = 1024;
/// So long a thing may take that must happen.
const SOON: Duration = Duration::from_secs(20);

/// Bytes 0 to 250, again and again: two pieces that changed places would show.
fn ramp(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

/// A server that answers each request of 4 bytes, a length, with so many bytes of the ramp; a closed request closes it.
async fn ramp_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                while let Ok(len) = stream.read_u32().await {
                    if stream.write_all(&ramp(len as usize)).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn proxy_with(faults: &str) -> Proxy {
    Proxy::start("127.0.0.1:0", &ramp_server().await, faults.parse().unwrap())
        .await
        .unwrap()
}

async fn client(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// Asks for `len` bytes and reads until they are here, or the connection ends, or fails.
async fn ask(stream: &mut TcpStream, len: usize) -> (Vec<u8>, io::Result<()>) {
    let mut got = Vec::new();
    let asking = async {
        stream.write_u32(u32::try_from(len).unwrap()).await?;
        while got.len() < len {
            if stream.read_buf(&mut got).await? == 0 {
                break;
            }
        }
        Ok(())
    };
    let ended = tokio::time::timeout(SOON, asking).await.expect("the answer hangs");
    (got, ended)
}

async fn whole(stream: &mut TcpStream, len: usize) {
    let (got, ended) = ask(stream, len).await;
    ended.unwrap();
    assert!(got == ramp(len), "{} of {len} bytes, or other ones", got.len());
}

#[tokio::test]
async fn without_faults_all_bytes_pass_and_closing_passes() {
    let proxy = proxy_with("").await;
    let mut stream = client(&proxy).await;
    whole(&mut stream, 3_000_001).await;
    whole(&mut stream, 5).await;
    stream.shutdown().await.unwrap();
    assert_eq!(
        tokio::time::timeout(SOON, stream.read_u8())
            .await
            .unwrap()
            .unwrap_err()
            .kind(),
        io::ErrorKind::UnexpectedEof
    );
}

#[tokio::test]
async fn latency_delays_each_direction_and_doesnt_narrow() {
    let proxy = proxy_with("latency_ms=60").await;
    let mut stream = client(&proxy).await;
    let began = Instant::now();
    whole(&mut stream, 1).await;
    assert!(began.elapsed() >= Duration::from_millis(120), "{:?}", began.elapsed());
    // 128 pieces, each 60 ms late, and not one after the other: that would be 7.7 s.
    let began = Instant::now();
    whole(&mut stream, 128 * 16 * KIB).await;
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
}

#[tokio::test]
async fn jitter_changes_no_order() {
    let proxy = proxy_with("jitter_ms=4 seed=7").await;
    whole(&mut client(&proxy).await, 1024 * KIB).await;
}

#[tokio::test]
async fn the_rate_holds_for_answers() {
    let proxy = proxy_with("rate_kib=512").await;
    let began = Instant::now();
    whole(&mut client(&proxy).await, 256 * KIB).await;
    assert!(began.elapsed() >= Duration::from_millis(490), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_rate_holds_for_requests() {
    let proxy = proxy_with("rate_kib=1").await;
    let mut stream = client(&proxy).await;
    let began = Instant::now();
    // 128 requests for nothing, 512 bytes, and one for a byte.
    stream.write_all(&[0; 512]).await.unwrap();
    whole(&mut stream, 1).await;
    assert!(began.elapsed() >= Duration::from_millis(490), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_cut_answer_ends_without_an_error_after_exactly_so_many_bytes() {
    let proxy = proxy_with("cut_after_kib=100").await;
    let (got, ended) = ask(&mut client(&proxy).await, 300 * KIB).await;
    ended.unwrap();
    assert!(got == ramp(100 * KIB), "{} bytes", got.len());
}

#[tokio::test]
async fn a_reset_answer_ends_with_an_error() {
    let proxy = proxy_with("reset_after_kib=100").await;
    let (got, ended) = ask(&mut client(&proxy).await, 300 * KIB).await;
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(got.len() <= 100 * KIB && got == ramp(got.len()), "{} bytes", got.len());
}

#[tokio::test]
async fn below_the_limit_nothing_is_cut() {
    let proxy = proxy_with("reset_after_kib=100 cut_after_kib=99").await;
    whole(&mut client(&proxy).await, 99 * KIB - 1).await;
}

#[tokio::test]
async fn one_bit_is_flipped_every_so_many_kib() {
    let proxy = proxy_with("corrupt_every_kib=64").await;
    let (got, ended) = ask(&mut client(&proxy).await, 200 * KIB).await;
    ended.unwrap();
    let flipped: Vec<(usize, u8)> = got
        .iter()
        .zip(ramp(200 * KIB))
        .enumerate()
        .filter(|(_, (a, b))| *a != b)
        .map(|(at, (a, b))| (at, a ^ b))
        .collect();
    assert_eq!(flipped, [(64 * KIB - 1, 1), (128 * KIB - 1, 1), (192 * KIB - 1, 1)]);
}

#[tokio::test]
async fn a_blackhole_keeps_bytes_and_lets_them_go_when_it_is_lifted() {
    let proxy = proxy_with("").await;
    let mut stream = client(&proxy).await;
    whole(&mut stream, 10).await;
    proxy.set("blackhole=1").unwrap();
    stream.write_u32(3).await.unwrap();
    let mut got = [0; 3];
    assert!(
        tokio::time::timeout(Duration::from_millis(150), stream.read_exact(&mut got))
            .await
            .is_err()
    );
    proxy.set("blackhole=0").unwrap();
    tokio::time::timeout(SOON, stream.read_exact(&mut got))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(got, [0, 1, 2]);
}

#[tokio::test]
async fn down_resets_open_and_new_connections_until_it_is_up() {
    let proxy = proxy_with("").await;
    let mut open = client(&proxy).await;
    whole(&mut open, 10).await;
    proxy.set("down=1").unwrap();
    let closed = tokio::time::timeout(SOON, open.read_u8())
        .await
        .expect("the open connection hangs");
    assert_eq!(closed.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let (got, ended) = ask(&mut client(&proxy).await, 10).await;
    assert!(got.is_empty() && ended.is_err(), "{ended:?}");
    proxy.set("down=0").unwrap();
    whole(&mut client(&proxy).await, 10).await;
}

#[tokio::test]
async fn refusal_takes_its_share_of_new_connections() {
    let proxy = proxy_with("refuse_percent=50 seed=1").await;
    let mut refused = 0;
    for _ in 0..200 {
        let (got, ended) = ask(&mut client(&proxy).await, 1).await;
        refused += usize::from(got.is_empty());
        assert_eq!(got.is_empty(), ended.is_err());
    }
    // 50 % of 200, ± 5 standard deviations of 7.
    assert!((65..=135).contains(&refused), "{refused} of 200");
}

#[tokio::test]
async fn a_server_that_is_away_is_a_reset() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let proxy = Proxy::start("127.0.0.1:0", &closed, Faults::default()).await.unwrap();
    let (_, ended) = ask(&mut client(&proxy).await, 1).await;
    assert!(ended.is_err());
}

#[test]
fn words_are_read_back_and_wrong_ones_change_nothing() {
    let mut faults: Faults = "latency_ms=40 down=1".parse().unwrap();
    assert_eq!(faults.words(), "clear latency_ms=40 down=1");
    assert_eq!(faults.words().parse::<Faults>().unwrap(), faults);
    for (words, why) in [
        ("latency_ms=1 lateness=2", "no fault is called 'lateness'"),
        ("latency_ms=1 down", "'down': wants name=value"),
        ("latency_ms=1 down=no", "down=no: invalid digit"),
    ] {
        let said = faults.set(words).unwrap_err();
        assert!(said.starts_with(why), "{said}");
        assert_eq!(faults.latency_ms, 40);
    }
    faults.set("clear jitter_ms=2").unwrap();
    assert_eq!(faults.words(), "clear jitter_ms=2");
}
