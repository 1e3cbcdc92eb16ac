//! A share's file while it is written: any order of pieces, and a disk that fails.

use std::collections::HashSet;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::entropy::SystemEntropy;
use crate::node::id::StorageIndex;
use crate::node::provider::StorageProvider;

/// Bytes of the shares here: several batches.
const LEN: u64 = 5 * TOGETHER / 2;

const PLACE: Place = Place::Share(StorageIndex([7; 16]), 3);

fn folder() -> (TempDir, Folder) {
    let root = TempDir::new().unwrap();
    let folder = Folder::open(root.path(), Arc::new(SystemEntropy)).unwrap();
    (root, folder)
}

fn ramp(from: u64, len: u64) -> Bytes {
    let byte = |at: u64| u8::try_from(at % 251).unwrap();
    (from..from + len).map(byte).collect::<Vec<u8>>().into()
}

/// Pieces of the share in an order that a seed decides, some of them twice.
fn pieces(cuts: &HashSet<u64>, order: &[u64]) -> Vec<(u64, u64)> {
    let mut cuts: Vec<u64> = cuts.iter().copied().chain([0, LEN]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let whole: Vec<(u64, u64)> = cuts.windows(2).map(|pair| (pair[0], pair[1] - pair[0])).collect();
    let at = |number: &u64| whole[usize::try_from(*number).unwrap() % whole.len()];
    order.iter().map(at).chain(whole.iter().copied()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pieces_in_any_order_make_the_share_and_the_last_word_counts(
        cuts in prop::collection::hash_set(1..LEN, 0..12),
        order in prop::collection::vec(0_u64..100, 0..8),
        settle in 0_usize..6,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_root, folder) = folder();
            let mut share = Unfinished::new(&folder, PLACE, LEN).unwrap();
            let pieces = pieces(&cuts, &order);
            for (number, (at, len)) in pieces.iter().enumerate() {
                // What is written twice is something else at first.
                let last = order.len() <= number;
                let bytes = ramp(if last { *at } else { at + 1 }, *len);
                share.write(*at, bytes.clone()).await.unwrap();
                if number % 6 == settle {
                    assert!(share.holds(*at, bytes).await.unwrap());
                }
            }
            share.settle().await.unwrap();
            Box::new(share).finish().await.unwrap();
            let object = folder.open(PLACE).await.unwrap().unwrap();
            assert_eq!(object.read(0..LEN).await.unwrap(), ramp(0, LEN));
        });
    }
}

#[tokio::test]
async fn bytes_that_the_disk_does_not_take_are_never_settled() {
    let (root, folder) = folder();
    let mut share = Unfinished::new(&folder, PLACE, LEN).unwrap();
    let other = root.path().join("other");
    fs::write(&other, b"").unwrap();
    let writable = std::mem::replace(&mut share.file, Arc::new(File::open(&other).unwrap()));
    share.write(0, ramp(0, TOGETHER)).await.unwrap();
    assert!(share.settle().await.is_err());
    share.file = writable;
    share.write(0, ramp(0, TOGETHER)).await.unwrap();
    share.settle().await.unwrap();
    assert!(share.holds(0, ramp(0, TOGETHER)).await.unwrap());
}
