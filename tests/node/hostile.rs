//! What hostile clients get, and that honest ones don't notice.

use std::fmt::Write as _;

use ciborium::Value;

use super::client::{enabler, index, lease, map, text, upload};
use super::ground::Ground;

pub(crate) async fn bodies_that_are_too_long_are_refused_unread(ground: Ground) {
    let node = ground.start().await;
    let si = index('b');
    let cases = [
        (format!("immutable/{si}"), [lease(1), upload(1)].concat(), 8193_u64),
        (format!("mutable/{si}/read-test-write"), enabler(1), (256 << 20) + 1),
        (format!("mutable/{si}/read-test-write"), enabler(1), 1 << 60),
    ];
    for (path, secrets, len) in cases {
        let mut client = node.client().await;
        let mut head = format!(
            "POST /storage/v1/{path} HTTP/1.1\r\nHost: node\r\nAuthorization: {}\r\nContent-Length: {len}\r\n",
            pass(&node)
        );
        for secret in secrets {
            write!(head, "X-Tahoe-Authorization: {secret}\r\n").expect("memory takes it");
        }
        client.raw(format!("{head}\r\n").as_bytes()).await;
        assert_eq!(client.answer().await.expect("an answer").status, 413, "{path} {len}");
    }
}

fn pass(_: &super::ground::Node) -> String {
    let identity = raic::node::identity::Identity::of(&[42; 32]).expect("a seed is an identity");
    format!(
        "Tahoe-LAFS {}",
        data_encoding::BASE64.encode(identity.swissnum().as_bytes())
    )
}

pub(crate) async fn bytes_that_are_no_message_are_refused(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let si = index('c');
    let nested = vec![0x81; 8000];
    let bombs: [&[u8]; 5] = [
        b"",
        b"\xff",
        &nested,
        b"\xbf\xff",
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for body in bombs {
        let answer = client
            .send(
                "POST",
                &format!("immutable/{si}"),
                &[lease(1), upload(1)].concat(),
                &[],
                body,
            )
            .await;
        assert_eq!(answer.status, 400);
        let answer = client
            .send("POST", &format!("mutable/{si}/read-test-write"), &enabler(1), &[], body)
            .await;
        assert_eq!(answer.status, 400);
    }
    let json = [("Content-Type", "application/json")];
    let answer = client
        .send(
            "POST",
            &format!("immutable/{si}"),
            &[lease(1), upload(1)].concat(),
            &json,
            b"{}",
        )
        .await;
    assert_eq!(answer.status, 415);
    let tricks = [
        "immutable/../../etc/passwd",
        "immutable/aaaaaaaaaaaaaaaaaaaaaaaaaa/..",
        "mutable/aaaaaaaaaaaaaaaaaaaaaaaaaa/%2e%2e",
    ];
    for path in tricks {
        assert_eq!(client.get(path).await.status, 404, "{path}");
    }
    assert_eq!(client.get("version").await.status, 200, "the connection lives");
}

pub(crate) async fn a_stranger_keeps_no_connection(ground: Ground) {
    let node = ground.start().await;
    let mut stranger = node.client().await.with_pass("Tahoe-LAFS d3Jvbmc=");
    let answer = stranger.get("version").await;
    assert_eq!((answer.status, answer.headers["connection"].as_str()), (401, "close"));
    assert!(stranger.answer().await.is_none(), "it is closed");
}

pub(crate) async fn connections_that_say_nonsense_leave_honest_clients_alone(ground: Ground) {
    use tokio::io::AsyncWriteExt;
    let node = ground.start().await;
    let mut kept = Vec::new();
    for nonsense in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00",
        b"",
        b"\0\0\0\0",
    ] {
        let mut stream = tokio::net::TcpStream::connect(node.address)
            .await
            .expect("the node listens");
        drop(stream.write_all(nonsense).await);
        kept.push(stream);
    }
    let mut half = node.client().await;
    half.raw(b"GET /storage/v1/version HTTP/1.1\r\nHost").await;
    let mut chunks = node.client().await;
    chunks
        .raw(b"POST /storage/v1/version HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n")
        .await;
    let mut long = node.client().await;
    long.raw(
        &[
            b"GET /storage/v1/version HTTP/1.1\r\nX: ",
            vec![b'x'; 70_000].as_slice(),
            b"\r\n\r\n",
        ]
        .concat(),
    )
    .await;
    assert!(long.answer().await.is_none_or(|answer| answer.status == 431));
    let mut honest = node.client().await;
    honest.put(&index('d'), 0, b"honest").await;
    assert_eq!(honest.get("version").await.status, 200);
}

pub(crate) async fn paths_that_try_to_leave_lead_nowhere(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let si = index('d');
    client.put(&si, 0, b"x").await;
    let upper = si.to_uppercase();
    let loose = si[..25].to_owned() + "b";
    let tricks = [
        format!("immutable/{si}/../{si}/0"),
        format!("immutable/{si}/%30"),
        format!("immutable/{si}/00"),
        format!("immutable/{si}/256"),
        format!("immutable/{si}/-0"),
        format!("immutable/{si}/0/"),
        format!("immutable//{si}/0"),
        format!("immutable/{upper}/0"),
        format!("immutable/{loose}/0"),
        "immutable/..%2f..%2f..%2fetc%2fpasswd/0".to_owned(),
        "immutable/\\..\\..\\x/0".to_owned(),
        format!("immutable/{}/0", "a".repeat(20_000)),
    ];
    for path in tricks {
        assert_eq!(client.get(&path).await.status, 404, "{path}");
    }
    assert_eq!(client.get(&format!("immutable/{si}/0?x=../..")).await.body, b"x");
}

pub(crate) async fn uploads_in_progress_are_bounded_and_aborting_makes_room(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let all: Vec<u64> = (0..256).collect();
    let name = |bucket: usize| {
        let letter = |at: usize| char::from(b'a' + u8::try_from(at % 26).expect("a letter"));
        format!("{}{}{}a", letter(bucket), letter(bucket / 26), "a".repeat(23))
    };
    let (mut allocated, mut bucket) = (0, 0);
    while allocated < 10_000 {
        let (_, given) = client.allocate(&name(bucket), &all, 1, 5).await;
        assert!(!given.is_empty(), "{allocated} are fewer than the bound");
        allocated += given.len();
        bucket += 1;
    }
    assert_eq!(allocated, 10_000);
    assert_eq!(client.allocate(&name(bucket), &[0], 1, 5).await, (vec![], vec![]));
    let abort = format!("immutable/{}/0/abort", name(0));
    assert_eq!(client.send("PUT", &abort, &upload(5), &[], b"").await.status, 200);
    client.put(&name(bucket), 0, b"honest").await;
    // Nothing was written to any of the others: a minute later they give way.
    client.allocate(&name(0), &[0], 1, 5).await;
    assert_eq!(client.allocate(&name(bucket + 1), &[0], 1, 5).await, (vec![], vec![]));
    node.control("POST", "/advance?seconds=60").await;
    client.put(&name(bucket + 1), 0, b"honest").await;
}

pub(crate) async fn a_flood_of_advisories_leaves_a_few(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let si = index('e');
    client.put(&si, 0, b"x").await;
    for number in 0..50 {
        let message = map(&[("reason", text(&format!("{number}")))]);
        let answer = client.post(&format!("immutable/{si}/0/corrupt"), &[], &message).await;
        assert_eq!(answer.status, 200);
    }
    let told = node.control("GET", "/advisories").await;
    let told = told["advisories"].as_array().expect("a list");
    assert_eq!((told.len(), told[0]["reason"].as_str()), (8, Some("0")));
}

/// Whoever records a request and sends it again changes nothing by it.
pub(crate) async fn requests_sent_twice_have_one_effect(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let si = index('f');
    client.put(&si, 0, b"once").await;
    assert_eq!(client.patch(&si, 0, 9, 0, b"once").await.status, 404);
    assert_eq!(client.allocate(&si, &[0], 4, 9).await, (vec![0], vec![]));
    let slot = index('g');
    let test = map(&[
        ("offset", 0.into()),
        ("size", 1.into()),
        ("specimen", Value::Bytes(vec![])),
    ]);
    let write = map(&[("offset", 0.into()), ("data", Value::Bytes(b"one".to_vec()))]);
    let share = map(&[
        ("test", Value::Array(vec![test])),
        ("write", Value::Array(vec![write])),
        ("new-length", Value::Null),
    ]);
    let message = map(&[
        ("test-write-vectors", Value::Map(vec![(0.into(), share)])),
        ("read-vector", Value::Array(vec![])),
    ]);
    let path = format!("mutable/{slot}/read-test-write");
    for success in [true, false] {
        let answer = client.post(&path, &enabler(1), &message).await;
        assert_eq!(answer.field("success"), Value::Bool(success));
    }
}
