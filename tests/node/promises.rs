//! What holds of the node and its buckets.

use ciborium::Value;
use raic::node::keeper::Expiry;
use serde_json::json;

use super::client::{index, lease, map, set, text, upload};
use super::ground::Ground;

/// Bytes of period 251, so that swapped pieces show.
pub(crate) fn ramp(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).expect("below 251")).collect()
}

pub(crate) async fn the_version_is_told_with_byte_keys(ground: Ground) {
    let node = ground.start().await;
    let answer = node.client().await.get("version").await;
    assert_eq!(answer.status, 200);
    let Value::Map(fields) = answer.message() else {
        panic!("{answer:?}")
    };
    let key = Value::Bytes(b"http://allmydata.org/tahoe/protocols/storage/v1".to_vec());
    let (_, limits) = fields.iter().find(|(name, _)| *name == key).expect("the protocol");
    let limits: Vec<_> = limits
        .as_map()
        .expect("limits")
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    let named = [
        "maximum-immutable-share-size",
        "maximum-mutable-share-size",
        "available-space",
    ];
    assert_eq!(limits, named.map(|name| Value::Bytes(name.as_bytes().to_vec())));
    assert_eq!(fields.len(), 2);
}

pub(crate) async fn what_leads_nowhere_is_told_before_the_pass_is_looked_at(ground: Ground) {
    let node = ground.start().await;
    for (method, path, status) in [
        ("GET", "nothing", 404),
        ("POST", "version", 405),
        ("GET", "version", 401),
        ("GET", "immutable/x/shares", 404),
    ] {
        let mut client = node.client().await.with_pass("Tahoe-LAFS d3Jvbmc=");
        assert_eq!(
            client.send(method, path, &[], &[], b"").await.status,
            status,
            "{method} {path}"
        );
    }
    let answer = node
        .client()
        .await
        .send("GET", "version", &[], &[("Accept", "text/html")], b"")
        .await;
    assert_eq!(answer.status, 406);
}

pub(crate) async fn secrets_must_be_exactly_those_of_the_endpoint(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let (si, both) = (index('b'), lease(1));
    assert_eq!(client.send("GET", "version", &upload(1), &[], b"").await.status, 400);
    for secrets in [
        &both[..1],
        &[],
        &[both.clone(), upload(1)].concat(),
        &["lease-renew-secret x".to_owned(), both[1].clone()],
    ] {
        assert_eq!(
            client
                .send("PUT", &format!("lease/{si}"), secrets, &[], b"")
                .await
                .status,
            400,
            "{secrets:?}"
        );
    }
    assert_eq!(
        client.send("PUT", &format!("lease/{si}"), &both, &[], b"").await.status,
        404,
        "no such share"
    );
    let message = map(&[("share-numbers", set(&[1])), ("allocated-size", Value::from(5))]);
    assert_eq!(
        client.post(&format!("immutable/{si}"), &both, &message).await.status,
        400
    );
}

pub(crate) async fn a_share_written_in_any_order_is_finished_once(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let (si, data) = (index('c'), ramp(1000));
    assert_eq!(client.allocate(&si, &[1, 7], 1000, 1).await, (vec![], vec![1, 7]));
    let last = client.patch(&si, 1, 1, 900, &data[900..]).await;
    assert_eq!(last.status, 200);
    let gap = |begin: u64, end: u64| map(&[("begin", Value::from(begin)), ("end", Value::from(end))]);
    assert_eq!(last.field("required"), Value::Array(vec![gap(0, 900)]));
    let middle = client.patch(&si, 1, 1, 300, &data[300..950]).await;
    assert_eq!(middle.field("required"), Value::Array(vec![gap(0, 300)]));
    assert_eq!(
        client.patch(&si, 1, 2, 0, &data[..300]).await.status,
        401,
        "another upload secret"
    );
    assert_eq!(client.patch(&si, 1, 1, 0, &data).await.status, 201);
    assert_eq!(client.patch(&si, 1, 1, 0, &data).await.status, 404, "it is finished");
    assert_eq!(client.patch(&si, 2, 1, 0, &data).await.status, 404, "never allocated");
    assert_eq!(client.get(&format!("immutable/{si}/shares")).await.numbers(), [1]);
    assert_eq!(client.get(&format!("immutable/{si}/1")).await.body, data);
    assert_eq!(client.allocate(&si, &[1, 2], 1000, 1).await, (vec![1], vec![2]));
}

pub(crate) async fn of_a_conflicting_write_nothing_stays(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let (si, data) = (index('d'), ramp(100));
    client.allocate(&si, &[0], 100, 1).await;
    assert_eq!(client.patch(&si, 0, 1, 40, &data[40..60]).await.status, 200);
    let other: Vec<u8> = data.iter().map(|byte| byte ^ 1).collect();
    assert_eq!(client.patch(&si, 0, 1, 0, &other[..50]).await.status, 409);
    for (range, status) in [
        ("bytes 90-109/*", 416),
        ("bytes 9-8/*", 416),
        ("bytes */100", 416),
        ("x", 416),
        ("bytes 0-20/*", 400),
    ] {
        let path = format!("immutable/{si}/0");
        let answer = client
            .send("PATCH", &path, &upload(1), &[("Content-Range", range)], &data[..20])
            .await;
        assert_eq!(answer.status, status, "{range}");
    }
    assert_eq!(client.patch(&si, 0, 1, 60, &data[60..]).await.status, 200);
    assert_eq!(client.patch(&si, 0, 1, 0, &data[..40]).await.status, 201);
    assert_eq!(client.get(&format!("immutable/{si}/0")).await.body, data);
}

pub(crate) async fn a_share_in_progress_is_nobody_elses_and_not_seen(ground: Ground) {
    let node = ground.start().await;
    let (mut client, mut other) = (node.client().await, node.client().await);
    let si = index('e');
    assert_eq!(client.allocate(&si, &[0, 1], 10, 1).await.1, [0, 1]);
    assert_eq!(other.allocate(&si, &[0, 1, 2], 10, 2).await, (vec![], vec![2]));
    assert_eq!(client.patch(&si, 0, 1, 0, &[7; 5]).await.status, 200);
    assert_eq!(other.get(&format!("immutable/{si}/shares")).await.numbers(), [0; 0]);
    let unfinished = other.get(&format!("immutable/{si}/0")).await;
    assert_eq!(
        (unfinished.status, unfinished.headers["content-type"].as_str()),
        (404, "application/octet-stream")
    );
    assert_eq!(
        other
            .send("PUT", &format!("lease/{si}"), &lease(1), &[], b"")
            .await
            .status,
        404
    );
}

pub(crate) async fn an_aborted_share_can_be_allocated_again(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let si = index('f');
    let abort = format!("immutable/{si}/3/abort");
    assert_eq!(client.send("PUT", &abort, &upload(1), &[], b"").await.status, 404);
    client.allocate(&si, &[3, 4], 6, 1).await;
    assert_eq!(client.patch(&si, 3, 1, 0, b"abc").await.status, 200);
    assert_eq!(client.send("PUT", &abort, &upload(2), &[], b"").await.status, 401);
    assert_eq!(client.send("PUT", &abort, &upload(1), &[], b"").await.status, 200);
    assert_eq!(client.allocate(&si, &[3, 4], 6, 2).await.1, [3], "4 goes on");
    assert_eq!(client.patch(&si, 3, 2, 0, b"defghi").await.status, 201);
    assert_eq!(
        client.send("PUT", &abort, &upload(2), &[], b"").await.status,
        405,
        "it is finished"
    );
    assert_eq!(client.get(&format!("immutable/{si}/3")).await.body, b"defghi");
}

pub(crate) async fn a_stalled_upload_is_given_up_after_half_an_hour(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let si = index('g');
    client.allocate(&si, &[0, 1], 10, 1).await;
    node.control("POST", "/advance?seconds=1700").await;
    assert_eq!(client.patch(&si, 0, 1, 0, b"alive").await.status, 200);
    node.control("POST", "/advance?seconds=101").await;
    assert_eq!(client.allocate(&si, &[0, 1], 10, 2).await.1, [1], "0 was written to");
    assert_eq!(
        client.patch(&si, 1, 1, 0, b"0123456789").await.status,
        401,
        "it is another's now"
    );
    assert_eq!(client.patch(&si, 0, 1, 5, b"again").await.status, 201);
}

pub(crate) async fn reads_are_cut_at_the_end(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let (si, data) = (index('h'), ramp(500));
    client.put(&si, 0, &data).await;
    let path = format!("immutable/{si}/0");
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=490-999", 490, 500),
        ("bytes=0-499", 0, 500),
    ] {
        let answer = client.read(&path, range).await;
        assert_eq!((answer.status, &answer.body[..]), (206, &data[from..to]), "{range}");
        assert_eq!(answer.headers["content-range"], format!("bytes {from}-{}/*", to - 1));
        assert_eq!(answer.headers["content-type"], "application/octet-stream");
    }
    let past = client.read(&path, "bytes=500-600").await;
    assert_eq!(
        (past.status, past.body.len(), past.headers.get("content-range")),
        (204, 0, None)
    );
    for range in ["bytes=5-", "bytes=-5", "bytes=0-1,3-4", "bytes=9-5", "lines=0-1"] {
        let answer = client.read(&path, range).await;
        assert_eq!(
            (answer.status, answer.headers["content-type"].as_str()),
            (416, "application/octet-stream"),
            "{range}"
        );
    }
    assert_eq!(client.get(&path).await.status, 200);
    assert_eq!(client.read(&format!("immutable/{si}/1"), "bytes=0-1").await.status, 404);
}

pub(crate) async fn a_share_of_many_megabytes_reads_back(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let (si, data) = (index('i'), ramp(9 << 20));
    client.allocate(&si, &[0], data.len() as u64, 1).await;
    for (number, piece) in data.chunks(1_048_576 + 13).enumerate() {
        let answer = client.patch(&si, 0, 1, number * (1_048_576 + 13), piece).await;
        assert!([200, 201].contains(&answer.status), "{answer:?}");
    }
    let path = format!("immutable/{si}/0");
    assert!(client.get(&path).await.body == data);
    let answer = client.read(&path, "bytes=1000-9000000").await;
    assert!(answer.body == data[1000..=9_000_000]);
}

pub(crate) async fn leases_last_31_days_from_their_last_renewal(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let (si, month) = (index('j'), 31 * 24 * 3600);
    let now = ground.now();
    client.put(&si, 2, b"kept").await;
    let kept = node.control("GET", &format!("/leases/{si}")).await;
    assert_eq!(kept, json!({"leases": {"2": [now + month]}}));
    node.control("POST", "/advance?seconds=100").await;
    assert_eq!(
        client
            .send("PUT", &format!("lease/{si}"), &lease(7), &[], b"")
            .await
            .status,
        204
    );
    node.control("POST", "/advance?seconds=50").await;
    assert_eq!(
        client
            .send("PUT", &format!("lease/{si}"), &lease(1), &[], b"")
            .await
            .status,
        204
    );
    let kept = node.control("GET", &format!("/leases/{si}")).await;
    assert_eq!(kept, json!({"leases": {"2": [now + 150 + month, now + 100 + month]}}));
    node.control("POST", "/advance?seconds=1").await;
    client.allocate(&si, &[2, 5], 4, 3).await;
    let kept = node.control("GET", &format!("/leases/{si}")).await;
    assert_eq!(
        kept,
        json!({"leases": {"2": [now + 151 + month, now + 100 + month]}}),
        "5 isn't finished"
    );
}

pub(crate) async fn shares_outlast_a_restart_and_so_do_their_leases(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let (si, data) = (index('k'), ramp(3000));
    client.put(&si, 0, &data).await;
    let leases = node.control("GET", &format!("/leases/{si}")).await;
    drop(client);
    node.stop().await;
    let node = ground.start().await;
    let mut client = node.client().await;
    assert_eq!(client.get(&format!("immutable/{si}/shares")).await.numbers(), [0]);
    assert_eq!(client.get(&format!("immutable/{si}/0")).await.body, data);
    assert_eq!(node.control("GET", &format!("/leases/{si}")).await, leases);
}

pub(crate) async fn an_advisory_is_kept_once(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let si = index('l');
    client.put(&si, 0, b"x").await;
    let message = map(&[("reason", text("hash mismatch"))]);
    let path = format!("immutable/{si}/0/corrupt");
    for _ in 0..3 {
        let answer = client.post(&path, &[], &message).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
    }
    assert_eq!(
        client
            .post(&format!("immutable/{si}/1/corrupt"), &[], &message)
            .await
            .status,
        404
    );
    assert_eq!(
        client
            .post(&path, &[], &map(&[("reason", Value::Bytes(vec![1]))]))
            .await
            .status,
        400
    );
    let wanted = json!({"type": "immutable", "storage-index": si, "share-number": 0, "reason": "hash mismatch"});
    assert_eq!(
        node.control("GET", "/advisories").await,
        json!({"advisories": [wanted]})
    );
}

pub(crate) async fn a_share_that_is_called_damaged_is_read_mended_and_taken_off_the_list(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let si = index('v');
    client.put(&si, 0, b"said to be damaged").await;
    let message = map(&[("reason", text("hash mismatch"))]);
    client.post(&format!("immutable/{si}/0/corrupt"), &[], &message).await;
    let before = ground.lose_what_a_provider_holds().await;
    node.control("POST", "/advance?seconds=59").await;
    let listed = node.control("GET", "/advisories").await;
    assert_eq!(
        listed["advisories"].as_array().map(Vec::len),
        Some(1),
        "others may come with it"
    );
    node.control("POST", "/advance?seconds=1").await;
    assert_eq!(node.control("GET", "/advisories").await, json!({"advisories": []}));
    assert_eq!(ground.blobs().await, before);
    // Reading costs, and anybody may call.
    client.post(&format!("immutable/{si}/0/corrupt"), &[], &message).await;
    node.control("POST", "/advance?seconds=3600").await;
    let listed = node.control("GET", "/advisories").await;
    assert_eq!(listed["advisories"].as_array().map(Vec::len), Some(1), "once a day");
    node.control("POST", "/advance?seconds=90000").await;
    assert_eq!(node.control("GET", "/advisories").await, json!({"advisories": []}));
}

pub(crate) async fn shares_go_with_their_leases_if_the_owner_wants_it(mut ground: Ground) {
    let si = index('m');
    let node = ground.start().await;
    let mut client = node.client().await;
    client.put(&si, 0, b"old").await;
    node.control("POST", "/advance?seconds=9000000").await;
    assert_eq!(
        client.get(&format!("immutable/{si}/shares")).await.numbers(),
        [0],
        "never unless it is asked for"
    );
    drop(client);
    node.stop().await;
    ground.rules.expiry = Some(Expiry::AtItsEnd);
    ground.advance(9_000_000);
    let node = ground.start().await;
    let mut client = node.client().await;
    client.put(&si, 1, b"new").await;
    node.control("POST", "/advance?seconds=1").await;
    assert_eq!(client.get(&format!("immutable/{si}/shares")).await.numbers(), [1]);
}

pub(crate) async fn a_read_only_node_takes_nothing_new(mut ground: Ground) {
    let si = index('n');
    let node = ground.start().await;
    node.client().await.put(&si, 0, b"x").await;
    node.stop().await;
    ground.rules.read_only = true;
    let node = ground.start().await;
    let mut client = node.client().await;
    assert_eq!(client.allocate(&si, &[0, 1], 5, 1).await, (vec![0], vec![]));
    assert_eq!(client.get(&format!("immutable/{si}/0")).await.body, b"x");
    assert_eq!(
        client
            .send("PUT", &format!("lease/{si}"), &lease(1), &[], b"")
            .await
            .status,
        204
    );
}

/// Tahoe's clients keep connections in a pool and repeat nothing but GETs.
pub(crate) async fn a_refused_write_leaves_its_connection_usable_or_says_that_it_ends(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let (si, bytes) = (index('r'), vec![7; 1 << 20]);
    client.allocate(&si, &[0], 1 << 20, 1).await;
    assert_eq!(client.patch(&si, 0, 2, 0, &bytes).await.status, 401);
    assert_eq!(client.patch(&si, 9, 1, 0, &bytes).await.status, 404);
    let path = format!("immutable/{si}/999/corrupt");
    assert_eq!(client.send("POST", &path, &[], &[], &bytes).await.status, 404);
    assert_eq!(
        client.patch(&si, 0, 1, 0, &bytes).await.status,
        201,
        "one connection for all of it"
    );
    let answer = client.patch(&si, 0, 1, 0, &vec![7; 8 << 20]).await;
    assert_eq!((answer.status, answer.headers["connection"].as_str()), (404, "close"));
}

pub(crate) async fn the_clock_stands_still_but_for_the_door(ground: Ground) {
    let node = ground.start().await;
    let now = ground.now();
    assert_eq!(node.control("GET", "/now").await, json!({"now": now}));
    assert_eq!(
        node.control("POST", "/advance?seconds=1801").await,
        json!({"now": now + 1801})
    );
    assert_eq!(node.control("GET", "/now").await, json!({"now": now + 1801}));
    for (method, path) in [
        ("POST", "/advance?seconds=-1"),
        ("POST", "/advance"),
        ("GET", "/advance?seconds=1"),
        ("GET", "/leases/x"),
    ] {
        let told = node.control(method, path).await;
        assert!(told.get("error").is_some(), "{method} {path}: {told}");
    }
    assert_eq!(node.control("GET", "/now").await, json!({"now": now + 1801}));
    let nobodys = node.control("GET", &format!("/leases/{}", index('z'))).await;
    assert_eq!(nobodys, json!({"leases": {}}));
}

/// A provider with a least time bills for it whether the blob is there or not.
pub(crate) async fn a_share_stays_while_its_providers_bill_for_it_anyway(mut ground: Ground) {
    const DAY: i64 = 24 * 3600;
    ground.rules.expiry = Some(Expiry::AtItsEnd);
    ground.rules.hold = 90 * DAY;
    let (node, si) = (ground.start().await, index('t'));
    let mut client = node.client().await;
    client.put(&si, 0, b"x").await;
    node.control("POST", &format!("/advance?seconds={}", 89 * DAY)).await;
    assert_eq!(client.get(&format!("immutable/{si}/shares")).await.numbers(), [0]);
    node.control("POST", &format!("/advance?seconds={}", 2 * DAY)).await;
    assert_eq!(
        client.get(&format!("immutable/{si}/shares")).await.numbers(),
        [0_u64; 0]
    );
}
