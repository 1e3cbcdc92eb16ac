//! What holds of slots.

use ciborium::Value;

use super::client::{Answer, Client, enabler, index, map};
use super::ground::Ground;
use super::promises::ramp;

/// One share's part: tests (offset, size, specimen), writes and new length.
pub(crate) fn vectors(tests: &[(u64, u64, &[u8])], writes: &[(u64, &[u8])], new_length: Option<u64>) -> Value {
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    let test = |(offset, size, specimen): &(u64, u64, &[u8])| {
        map(&[
            ("offset", Value::from(*offset)),
            ("size", Value::from(*size)),
            ("specimen", bytes(specimen)),
        ])
    };
    let write = |(offset, data): &(u64, &[u8])| map(&[("offset", Value::from(*offset)), ("data", bytes(data))]);
    map(&[
        ("test", Value::Array(tests.iter().map(test).collect())),
        ("write", Value::Array(writes.iter().map(write).collect())),
        ("new-length", new_length.map_or(Value::Null, Value::from)),
    ])
}

pub(crate) fn request(shares: Vec<(u64, Value)>, reads: &[(u64, u64)]) -> Value {
    let read = |(offset, size): &(u64, u64)| map(&[("offset", Value::from(*offset)), ("size", Value::from(*size))]);
    let shares = shares
        .into_iter()
        .map(|(number, vectors)| (Value::from(number), vectors))
        .collect();
    map(&[
        ("test-write-vectors", Value::Map(shares)),
        ("read-vector", Value::Array(reads.iter().map(read).collect())),
    ])
}

async fn change(client: &mut Client, si: &str, secret: u8, message: &Value) -> Answer {
    client
        .post(&format!("mutable/{si}/read-test-write"), &enabler(secret), message)
        .await
}

/// What each share had in the ranges that were read.
type Seen = Vec<(u64, Vec<Vec<u8>>)>;

/// Success, and what was read.
fn outcome(answer: &Answer) -> (bool, Seen) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let data = answer.field("data").into_map().expect("a map");
    let vectors = |value: Value| {
        value
            .into_array()
            .expect("an array")
            .into_iter()
            .map(|one| one.into_bytes().expect("bytes"))
    };
    let share = |(number, read): (Value, Value)| {
        let number = number.as_integer().expect("a number");
        (u64::try_from(number).expect("not negative"), vectors(read).collect())
    };
    (
        answer.field("success").as_bool().expect("a truth"),
        data.into_iter().map(share).collect(),
    )
}

pub(crate) async fn a_slot_is_made_read_changed_and_removed(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let si = index('b');
    let absent: &[(u64, u64, &[u8])] = &[(0, 1, b"")];
    let make = request(
        vec![
            (0, vectors(absent, &[(0, b"zero")], None)),
            (3, vectors(absent, &[(0, b"three")], None)),
        ],
        &[(0, 9)],
    );
    assert_eq!(outcome(&change(&mut client, &si, 1, &make).await), (true, vec![]));
    assert!(!outcome(&change(&mut client, &si, 1, &make).await).0, "they exist");
    assert_eq!(client.get(&format!("mutable/{si}/shares")).await.numbers(), [0, 3]);
    let path = format!("mutable/{si}/3");
    assert_eq!(client.get(&path).await.body, b"three");
    assert_eq!(client.read(&path, "bytes=1-100").await.body, b"hree");
    assert_eq!(client.read(&path, "bytes=5-100").await.status, 204);
    let next = request(
        vec![(3, vectors(&[(0, 5, b"three")], &[(1, b"HR"), (2, b"r")], Some(4)))],
        &[(0, 2), (9, 9)],
    );
    let read = vec![(0, vec![b"ze".to_vec(), vec![]]), (3, vec![b"th".to_vec(), vec![]])];
    assert_eq!(outcome(&change(&mut client, &si, 1, &next).await), (true, read));
    assert_eq!(client.get(&path).await.body, b"tHre");
    let remove = request(
        vec![
            (0, vectors(&[], &[(0, b"ignored")], Some(0))),
            (3, vectors(&[], &[], Some(0))),
        ],
        &[],
    );
    assert_eq!(
        outcome(&change(&mut client, &si, 1, &remove).await),
        (true, vec![(0, vec![]), (3, vec![])])
    );
    assert_eq!(client.get(&format!("mutable/{si}/shares")).await.numbers(), [0; 0]);
    assert_eq!(client.get(&path).await.status, 404);
    assert!(
        outcome(&change(&mut client, &si, 2, &make).await).0,
        "a new slot, a new enabler"
    );
}

pub(crate) async fn a_failed_test_changes_nothing_and_still_reads(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let si = index('c');
    change(
        &mut client,
        &si,
        1,
        &request(vec![(0, vectors(&[], &[(0, b"before")], None))], &[]),
    )
    .await;
    let both = vec![
        (0, vectors(&[(0, 6, b"before")], &[(0, b"after!")], None)),
        (1, vectors(&[(0, 1, b"x")], &[(0, b"new")], None)),
    ];
    let answer = change(&mut client, &si, 1, &request(both, &[(0, 3)])).await;
    assert_eq!(outcome(&answer), (false, vec![(0, vec![b"bef".to_vec()])]));
    assert_eq!(client.get(&format!("mutable/{si}/0")).await.body, b"before");
    assert_eq!(client.get(&format!("mutable/{si}/shares")).await.numbers(), [0]);
}

pub(crate) async fn another_write_enabler_is_refused(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let si = index('d');
    change(
        &mut client,
        &si,
        1,
        &request(vec![(0, vectors(&[], &[(0, b"mine")], None))], &[]),
    )
    .await;
    for message in [
        request(vec![], &[(0, 9)]),
        request(vec![(5, vectors(&[], &[(0, b"theirs")], None))], &[]),
    ] {
        assert_eq!(change(&mut client, &si, 2, &message).await.status, 401);
    }
    assert_eq!(client.get(&format!("mutable/{si}/shares")).await.numbers(), [0]);
}

pub(crate) async fn an_empty_request_makes_nothing(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let si = index('e');
    assert_eq!(
        outcome(&change(&mut client, &si, 1, &request(vec![], &[])).await),
        (true, vec![])
    );
    assert_eq!(client.get(&format!("mutable/{si}/shares")).await.numbers(), [0; 0]);
    let empty = request(vec![(4, vectors(&[], &[], None))], &[]);
    assert_eq!(outcome(&change(&mut client, &si, 1, &empty).await), (true, vec![]));
    assert_eq!(
        client.get(&format!("mutable/{si}/shares")).await.numbers(),
        [4],
        "a share without bytes is one"
    );
    assert_eq!(client.get(&format!("mutable/{si}/4")).await.body, b"");
}

pub(crate) async fn holes_are_zero_and_what_was_cut_off_stays_away(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let (si, path) = (index('f'), format!("mutable/{}/0", index('f')));
    let write = |writes: &[(u64, &[u8])], len| request(vec![(0, vectors(&[], writes, len))], &[]);
    change(&mut client, &si, 1, &write(&[(0, b"secret")], None)).await;
    change(&mut client, &si, 1, &write(&[], Some(2))).await;
    assert_eq!(client.get(&path).await.body, b"se");
    change(&mut client, &si, 1, &write(&[(8, b"x")], None)).await;
    assert_eq!(client.get(&path).await.body, b"se\0\0\0\0\0\0x");
    change(&mut client, &si, 1, &write(&[(12, b"")], None)).await;
    assert_eq!(client.get(&path).await.body, b"se\0\0\0\0\0\0x\0\0\0");
    change(&mut client, &si, 1, &write(&[], Some(100))).await;
    assert_eq!(client.get(&path).await.body.len(), 12, "a new length never extends");
}

pub(crate) async fn ten_clients_at_once_lose_no_update(ground: Ground) {
    let node = ground.start().await;
    let si = index('g');
    let mut client = node.client().await;
    change(
        &mut client,
        &si,
        1,
        &request(vec![(0, vectors(&[], &[(0, &[0; 4])], None))], &[]),
    )
    .await;
    let writers = (0..10_u64).map(|_| async {
        let mut client = node.client().await;
        let mut seen = vec![0; 4];
        let mut done = 0;
        while done < 3 {
            let next = (u32::from_be_bytes(seen.clone().try_into().expect("4 bytes")) + 1).to_be_bytes();
            let message = request(vec![(0, vectors(&[(0, 4, &seen)], &[(0, &next)], None))], &[(0, 4)]);
            let (success, read) = outcome(&change(&mut client, &si, 1, &message).await);
            seen.clone_from(&read[0].1[0]);
            if success {
                assert_eq!(seen.len(), 4);
                seen = next.to_vec();
                done += 1;
            }
        }
    });
    futures::future::join_all(writers).await;
    assert_eq!(client.get(&format!("mutable/{si}/0")).await.body, 30_u32.to_be_bytes());
}

pub(crate) async fn a_slot_outlasts_a_restart(ground: Ground) {
    let node = ground.start().await;
    let (si, data) = (index('h'), ramp(70_000));
    let mut client = node.client().await;
    let make = request(
        vec![
            (0, vectors(&[], &[(0, &data)], None)),
            (9, vectors(&[], &[(5, b"nine")], None)),
        ],
        &[],
    );
    change(&mut client, &si, 1, &make).await;
    drop(client);
    node.stop().await;
    let node = ground.start().await;
    let mut client = node.client().await;
    assert_eq!(client.get(&format!("mutable/{si}/0")).await.body, data);
    assert_eq!(client.get(&format!("mutable/{si}/9")).await.body, b"\0\0\0\0\0nine");
    assert_eq!(
        change(&mut client, &si, 2, &request(vec![], &[])).await.status,
        401,
        "the enabler is kept"
    );
    let next = request(vec![(9, vectors(&[(5, 4, b"nine")], &[(0, b"again")], None))], &[]);
    assert!(outcome(&change(&mut client, &si, 1, &next).await).0);
    assert_eq!(client.get(&format!("mutable/{si}/9")).await.body, b"againnine");
}

pub(crate) async fn a_large_share_is_changed_in_its_middle(ground: Ground) {
    let node = ground.start().await;
    let (si, mut data) = (index('i'), ramp(5 << 20));
    let mut client = node.client().await;
    let make = request(vec![(0, vectors(&[], &[(0, &data)], None))], &[]);
    assert!(outcome(&change(&mut client, &si, 1, &make).await).0);
    let (at, new) = (3_000_000, [9_u8; 4096]);
    let next = request(
        vec![(0, vectors(&[(at, 3, &data[3_000_000..3_000_003])], &[(at, &new)], None))],
        &[(at, 2)],
    );
    assert_eq!(
        outcome(&change(&mut client, &si, 1, &next).await),
        (true, vec![(0, vec![data[3_000_000..3_000_002].to_vec()])])
    );
    data[3_000_000..3_004_096].copy_from_slice(&new);
    assert!(client.get(&format!("mutable/{si}/0")).await.body == data);
    let grow = request(
        vec![
            (0, vectors(&[], &[(5 << 20, b"more")], None)),
            (1, vectors(&[], &[(0, &data[..9000])], None)),
        ],
        &[],
    );
    assert!(outcome(&change(&mut client, &si, 1, &grow).await).0);
    let again = request(vec![(0, vectors(&[], &[((5 << 20) + 4, &data[..5000])], None))], &[]);
    assert!(outcome(&change(&mut client, &si, 1, &again).await).0);
    let answer = client.read(&format!("mutable/{si}/0"), "bytes=5242880-9999999").await;
    assert!(answer.body == [b"more", &data[..5000]].concat());
    assert!(client.get(&format!("mutable/{si}/1")).await.body == data[..9000]);
}
