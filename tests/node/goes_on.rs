//! What holds of uploads over restarts of the node.

use ciborium::Value;

use super::client::{Answer, Client, index};
use super::ground::Ground;
use super::promises::ramp;

/// Seconds after which an upload that nobody writes to is given up.
const STALL: i64 = 30 * 60;

/// The gaps that an answer to a PATCH tells.
pub(crate) fn required(answer: &Answer) -> Vec<(usize, usize)> {
    let number = |gap: &Value, name: &str| {
        let fields = gap.as_map().expect("a gap is a map");
        let (_, number) = fields.iter().find(|(key, _)| key.as_text() == Some(name)).expect(name);
        usize::try_from(number.as_integer().expect("a number")).expect("a place in memory")
    };
    let gaps = answer.field("required");
    let gaps = gaps.as_array().expect("gaps").iter();
    gaps.map(|gap| (number(gap, "begin"), number(gap, "end"))).collect()
}

/// Writes what an answer says is missing, all but the last `left` bytes of the share; the last answer.
pub(crate) async fn fill(client: &mut Client, si: &str, data: &[u8], mut answer: Answer, left: usize) -> Answer {
    for (begin, end) in required(&answer) {
        let end = end.min(data.len() - left);
        if begin < end {
            answer = client.patch(si, 0, 1, begin, &data[begin..end]).await;
        }
    }
    answer
}

pub(crate) async fn an_upload_goes_on_after_a_restart_where_its_client_can(ground: Ground) {
    let node = ground.start().await;
    let mut client = node.client().await;
    let (si, data) = (index('k'), ramp(1 << 20));
    client.allocate(&si, &[0], data.len() as u64, 1).await;
    assert_eq!(client.patch(&si, 0, 1, 0, &data[..700_000]).await.status, 200);
    node.stop().await;
    let node = ground.start().await;
    let mut client = node.client().await;
    let none: [u64; 0] = [];
    assert_eq!(
        client.get(&format!("immutable/{si}/shares")).await.numbers(),
        none,
        "not seen"
    );
    assert_eq!(client.get(&format!("immutable/{si}/0")).await.status, 404);
    assert_eq!(
        client.patch(&si, 0, 2, 0, &data[..10]).await.status,
        401,
        "another's secret"
    );
    let answer = client.patch(&si, 0, 1, 700_000, &data[700_000..]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(fill(&mut client, &si, &data, answer, 0).await.status, 201);
    assert!(client.get(&format!("immutable/{si}/0")).await.body == data);
    node.stop().await;
    let node = ground.start().await;
    let mut client = node.client().await;
    assert!(client.get(&format!("immutable/{si}/0")).await.body == data);
    assert_eq!(client.patch(&si, 0, 1, 0, &data[..9]).await.status, 404, "it has ended");
}

/// Three times over, each time by another process than the last. What has landed is not asked for again, and may be sent again.
pub(crate) async fn what_has_landed_of_an_upload_stays(ground: Ground) {
    let (si, data) = (index('m'), ramp(1 << 20));
    let (mut node, mut landed) = (ground.start().await, 0);
    node.client().await.allocate(&si, &[0], data.len() as u64, 1).await;
    for part in [300_000, 600_000, 900_000] {
        let mut client = node.client().await;
        let answer = client.patch(&si, 0, 1, part, &data[part..=part]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(required(&answer)[0].0 >= landed, "{:?}, {landed}", required(&answer));
        for (begin, end) in required(&answer) {
            if begin < part {
                assert_eq!(
                    client.patch(&si, 0, 1, begin, &data[begin..end.min(part)]).await.status,
                    200
                );
            }
        }
        if ground.is_striped() {
            // Whole extents of 4 × 15 chunks of 4 KiB.
            landed = part / (15 * 4 * 4096) * (15 * 4 * 4096);
            while ground.blobs().await < landed / (15 * 4 * 4096) * 6 {
                tokio::task::yield_now().await;
            }
        }
        node.stop().await;
        node = ground.start().await;
    }
    let mut client = node.client().await;
    let answer = client.patch(&si, 0, 1, 900_000, &data[900_000..]).await;
    assert!(required(&answer)[0].0 >= landed, "{:?}", required(&answer));
    if landed > 0 {
        let other = vec![0xff; 1000];
        assert_eq!(
            client.patch(&si, 0, 1, landed - 500, &other).await.status,
            409,
            "other bytes than landed"
        );
        assert_eq!(
            client.patch(&si, 0, 1, 0, &data[..landed]).await.status,
            200,
            "the same bytes"
        );
    }
    assert_eq!(fill(&mut client, &si, &data, answer, 0).await.status, 201);
    assert!(client.get(&format!("immutable/{si}/0")).await.body == data);
}

/// Most clients can't go on: they begin again, and must not wait for half an hour.
pub(crate) async fn an_upload_of_a_node_that_ended_is_in_nobodys_way(ground: Ground) {
    let (si, data) = (index('n'), ramp(600_000));
    let node = ground.start().await;
    let mut client = node.client().await;
    client.allocate(&si, &[0, 1], data.len() as u64, 1).await;
    for number in [0, 1] {
        assert_eq!(client.patch(&si, number, 1, 0, &data[..500_000]).await.status, 200);
    }
    node.stop().await;
    let node = ground.start().await;
    let mut client = node.client().await;
    assert_eq!(
        client.patch(&si, 1, 1, 0, &data[..9]).await.status,
        200,
        "its client is back"
    );
    assert_eq!(client.allocate(&si, &[0, 1], data.len() as u64, 2).await.1, [0]);
    assert_eq!(
        client.patch(&si, 0, 1, 0, &data).await.status,
        401,
        "it is another's now"
    );
    assert_eq!(client.patch(&si, 0, 2, 0, &data).await.status, 201);
    assert!(client.get(&format!("immutable/{si}/0")).await.body == data);
}

pub(crate) async fn an_upload_that_stalled_over_a_restart_is_given_up(ground: Ground) {
    let (si, data) = (index('o'), ramp(600_000));
    let node = ground.start().await;
    let mut client = node.client().await;
    client.allocate(&si, &[0], data.len() as u64, 1).await;
    assert_eq!(client.patch(&si, 0, 1, 0, &data[..500_000]).await.status, 200);
    node.stop().await;
    ground.advance(STALL - 10);
    let node = ground.start().await;
    let mut client = node.client().await;
    assert_eq!(
        client.patch(&si, 0, 1, 0, &data[..9]).await.status,
        200,
        "ten seconds are left"
    );
    drop(client);
    node.stop().await;
    ground.advance(STALL - 10);
    let node = ground.start().await;
    assert_eq!(ground.uploads().await, 1, "the last write counts");
    node.control("POST", "/advance?seconds=11").await;
    let mut client = node.client().await;
    client.allocate(&index('p'), &[0], 1, 3).await;
    assert_eq!(client.patch(&si, 0, 1, 0, &data[..9]).await.status, 404);
    drop(client);
    node.stop().await;
    ground.advance(2 * STALL);
    let node = ground.start().await;
    assert_eq!(
        (ground.uploads().await, ground.open_puts().await),
        (0, 0),
        "nothing of it stays"
    );
    let mut client = node.client().await;
    assert_eq!(client.allocate(&si, &[0], 5, 2).await.1, [0]);
    assert_eq!(client.patch(&si, 0, 2, 0, b"other").await.status, 201);
}
