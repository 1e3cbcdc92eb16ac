//! A set that is left to itself is looked after.

use std::sync::Arc;
use std::time::Duration;

use raic::care::schedule::{Rules, slice};
use raic::fragment::key::open_key;
use raic::store::send::Silent;

use crate::scrub::filled;
use crate::support::{Set, get, ramp};

#[tokio::test]
async fn slices_find_and_mend_what_is_wrong_and_come_round_to_everything_within_the_period() {
    let (set, store) = filled(71, 8).await;
    let data = |key: &str| open_key(&Set::keys(), key).is_some_and(|(_, token)| token.kind.holds_data());
    let blobs = set.memories[2].blobs();
    let mut mine = blobs.iter().filter(|(key, _)| data(key));
    let (gone, _) = mine.next().unwrap();
    set.memories[2].steal(gone).unwrap();
    let (flipped, bytes) = mine.next().unwrap();
    let mut wrong = bytes.to_vec();
    let middle = wrong.len() / 2;
    wrong[middle] ^= 4;
    set.memories[2].plant(flipped, wrong.into());
    let rules = Rules {
        read_every: Duration::from_hours(10),
        slice_every: Duration::from_hours(1),
        ..Rules::default()
    };
    let mut rebuilt = 0;
    for _ in 0..24 {
        let done = slice(&store, set.diary.as_ref(), &rules, &(Arc::new(Silent) as _), &|| false)
            .await
            .unwrap();
        rebuilt += done.rebuilt;
        set.clock.advance(3_600_000_000_000);
    }
    let reach = set.diary.reach().await.unwrap();
    assert!(reach.oldest.is_some() && rebuilt >= 2, "{reach:?}, {rebuilt} rebuilt");
    assert_eq!(store.catalog().ailing(&[], 9).await.unwrap(), []);
    for object in 0..7 {
        assert_eq!(
            get(&store, &object.to_string()).await.unwrap(),
            ramp(1_000 + 1_500 * object)
        );
    }
}
