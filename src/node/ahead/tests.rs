//! What is fetched ahead, what has a place, and what ends with its client.

use std::sync::Mutex;

use futures::TryStreamExt;
use tokio::sync::Notify;
use tokio::task::yield_now;

use super::*;
use crate::node::provider::{Answer, VersionId};

/// Bytes of a range of the object here, longer than a small piece.
const RANGE: u64 = SMALL + 1000;

const RANGES: u64 = 6;

/// An object of the ramp that notes which reads began, and which of them ended before they were done.
#[derive(Debug, Default)]
struct Ramp {
    began: Mutex<Vec<u64>>,
    cut_off: Arc<Mutex<Vec<u64>>>,
    /// Reads from here on wait for ever.
    stuck: Option<u64>,
    broken: Option<u64>,
    never: Notify,
}

struct Noted(u64, Arc<Mutex<Vec<u64>>>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

fn ramp(range: Range<u64>) -> Vec<u8> {
    range.map(|byte| u8::try_from(byte % 251).unwrap()).collect()
}

impl Object for Ramp {
    fn len(&self) -> u64 {
        RANGES * RANGE
    }

    fn version(&self) -> VersionId {
        VersionId([1; 32])
    }

    fn read(&self, range: Range<u64>) -> Answer<'_, Bytes> {
        self.began.lock().unwrap().push(range.start);
        Box::pin(async move {
            let noted = Noted(range.start, self.cut_off.clone());
            if self.stuck.is_some_and(|from| range.start >= from) {
                self.never.notified().await;
            }
            std::mem::forget(noted);
            if self.broken == Some(range.start) {
                return Err(Trouble("away".to_owned()));
            }
            Ok(ramp(range).into())
        })
    }
}

impl Ramp {
    fn began(&self) -> Vec<u64> {
        self.began.lock().unwrap().clone()
    }
}

fn ranges() -> Vec<Range<u64>> {
    (0..RANGES).map(|number| number * RANGE..(number + 1) * RANGE).collect()
}

async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

#[tokio::test]
async fn while_a_piece_goes_out_the_next_is_fetched_and_no_more() {
    let object = Arc::new(Ramp::default());
    let mut bytes = Ahead::of(4).stream(object.clone(), ranges()).await.unwrap();
    settle().await;
    assert_eq!(object.began(), [0, RANGE]);
    bytes.next().await.unwrap().unwrap();
    bytes.next().await.unwrap().unwrap();
    settle().await;
    assert_eq!(object.began(), [0, RANGE, 2 * RANGE]);
    let rest: Vec<Bytes> = bytes.try_collect().await.unwrap();
    assert_eq!(rest.concat(), ramp(2 * RANGE..RANGES * RANGE));
    assert_eq!(object.began().len(), 6);
}

#[tokio::test]
async fn without_a_place_an_answer_goes_on_in_small_pieces_fetched_when_they_are_wanted() {
    let (ahead, object) = (Ahead::of(1), Arc::new(Ramp::default()));
    let mut first = ahead.stream(object.clone(), ranges()).await.unwrap();
    let held = first.next().await.unwrap().unwrap();
    settle().await;
    assert_eq!(object.began(), [0], "the one place is taken until the piece is");
    let other = Arc::new(Ramp::default());
    let second = ahead.stream(other.clone(), ranges()).await.unwrap();
    settle().await;
    assert_eq!(other.began(), [0]);
    let bytes: Vec<Bytes> = second.try_collect().await.unwrap();
    assert!(bytes.iter().all(|piece| piece.len() as u64 <= SMALL));
    assert_eq!(bytes.concat(), ramp(0..RANGES * RANGE));
    drop(held);
    assert_eq!(ahead.0.available_permits(), 1);
    let rest: Vec<Bytes> = first.try_collect().await.unwrap();
    assert_eq!(rest.concat(), ramp(RANGE..RANGES * RANGE));
}

#[tokio::test]
async fn what_a_socket_takes_at_once_needs_no_place() {
    let (ahead, object) = (Ahead::of(0), Arc::new(Ramp::default()));
    let ranges = vec![5..5 + TINY, 5 + TINY..40 + TINY];
    let bytes = ahead.stream(object.clone(), ranges.clone()).await.unwrap();
    let bytes: Vec<Bytes> = bytes.try_collect().await.unwrap();
    assert!(bytes.into_iter().eq(ranges.into_iter().map(ramp)));
}

#[tokio::test]
async fn whoever_stops_reading_ends_the_fetch_under_way() {
    let object = Arc::new(Ramp {
        stuck: Some(RANGE),
        ..Ramp::default()
    });
    let ahead = Ahead::of(4);
    let bytes = ahead.stream(object.clone(), ranges()).await.unwrap();
    settle().await;
    assert_eq!(object.began(), [0, RANGE]);
    drop(bytes);
    settle().await;
    assert_eq!(*object.cut_off.lock().unwrap(), [RANGE]);
    assert_eq!(ahead.0.available_permits(), 4);
}

#[tokio::test]
async fn an_error_comes_at_its_place_and_the_first_one_before_the_answer() {
    let broken = |at| {
        Arc::new(Ramp {
            broken: Some(at),
            ..Ramp::default()
        })
    };
    assert!(Ahead::of(4).stream(broken(0), ranges()).await.is_err());
    let bytes = Ahead::of(4).stream(broken(3 * RANGE), ranges()).await.unwrap();
    let got: Vec<Result<Bytes, Refusal>> = bytes.take(4).collect().await;
    assert!(got[..3].iter().all(Result::is_ok) && got[3].is_err());
}
