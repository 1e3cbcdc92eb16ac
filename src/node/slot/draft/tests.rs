//! Drafts held against the plainest slot there is: a map from share numbers to bytes.

use proptest::prelude::*;

use super::super::super::provider::{Answer, VersionId};
use super::super::super::secret::Purpose;
use super::*;

#[derive(Debug)]
struct Memory(Bytes);

impl Object for Memory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn version(&self) -> VersionId {
        VersionId([0; 32])
    }

    fn read(&self, range: Range<u64>) -> Answer<'_, Bytes> {
        Box::pin(async move { Ok(self.0.slice(index(range.start)..index(range.end))) })
    }
}

/// What a provider does with a change.
fn stored(change: Change) -> Arc<dyn Object> {
    let mut bytes = change.base.map_or_else(Vec::new, |base| {
        futures::executor::block_on(base.read(0..base.len())).unwrap().to_vec()
    });
    bytes.resize(index(change.len), 0);
    let mut end = 0;
    for (at, patch) in change.patches {
        assert!(at >= end, "patches overlap");
        end = at + patch.len() as u64;
        bytes[index(at)..index(end)].copy_from_slice(&patch);
    }
    Arc::new(Memory(bytes.into()))
}

type Naive = BTreeMap<u8, Vec<u8>>;

/// The specification, literally.
fn naive(slot: &mut Naive, request: &ReadTestWrite) -> ReadTestWritten {
    let cut = |bytes: &[u8], offset: u64, size: u64| -> Bytes {
        let range = super::cut(offset, size, bytes.len() as u64);
        Bytes::copy_from_slice(&bytes[index(range.start)..index(range.end)])
    };
    let holds = |(number, share): (&u8, &TestWrite)| {
        let bytes = slot.get(number).map_or(&[][..], Vec::as_slice);
        share
            .tests
            .iter()
            .all(|test| cut(bytes, test.offset, test.size) == test.specimen)
    };
    let success = request.shares.iter().all(holds);
    let read = |bytes: &Vec<u8>| {
        request
            .reads
            .iter()
            .map(|(offset, size)| cut(bytes, *offset, *size))
            .collect()
    };
    let data = slot.iter().map(|(number, bytes)| (*number, read(bytes))).collect();
    for (number, share) in request.shares.iter().filter(|_| success) {
        if share.new_len == Some(0) {
            slot.remove(number);
            continue;
        }
        let bytes = slot.entry(*number).or_default();
        for (offset, data) in &share.writes {
            let end = index(*offset) + data.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[index(*offset)..end].copy_from_slice(data);
        }
        if let Some(len) = share.new_len {
            bytes.truncate(index(len));
        }
    }
    ReadTestWritten { success, data }
}

prop_compose! {
    fn share_change()(
        tests in prop::collection::vec((0_u64..9, 0_u64..3, prop::collection::vec(0_u8..2, 0..2)), 0..2),
        writes in prop::collection::vec((0_u64..40, prop::collection::vec(1_u8..9, 0..12)), 0..4),
        new_len in prop::option::weighted(0.3, 0_u64..40),
    ) -> TestWrite {
        TestWrite {
            tests: tests.into_iter().map(|(offset, size, specimen)| Test { offset, size, specimen: specimen.into() }).collect(),
            writes: writes.into_iter().map(|(offset, data)| (offset, data.into())).collect(),
            new_len,
        }
    }
}

prop_compose! {
    fn requests()(shares in prop::collection::btree_map(0_u8..4, share_change(), 0..3), reads in prop::collection::vec((0_u64..50, 0_u64..50), 0..3)) -> ReadTestWrite {
        ReadTestWrite { shares, reads }
    }
}

fn enabler(byte: u8) -> Hashed {
    Hashed::of(Purpose::WriteEnabler, &[byte])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Whichever requests share a change, each sees and leaves what it would alone.
    #[test]
    fn a_slot_is_what_the_specification_says(steps in prop::collection::vec((requests(), any::<bool>()), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut slot = Naive::new();
        let (mut head, mut draft): (Option<Arc<Head>>, _) = (None, Draft::on(None));
        for (request, store) in steps {
            let outcome = runtime.block_on(draft.apply(&request, enabler(1))).unwrap();
            prop_assert_eq!(outcome.answer, naive(&mut slot, &request));
            prop_assert!(outcome.kept.iter().all(|number| slot.contains_key(number)));
            if store {
                if draft.is_changed() {
                    let (change, table) = draft.finish();
                    head = change.map(stored).map(|object| {
                        let read = runtime.block_on(Head::of(object.clone())).unwrap();
                        assert_eq!(read.table, table);
                        Arc::new(read)
                    });
                }
                draft = Draft::on(head.clone());
            }
        }
        let all = ReadTestWrite { shares: BTreeMap::new(), reads: vec![(0, 1000)] };
        let outcome = runtime.block_on(draft.apply(&all, enabler(1))).unwrap();
        prop_assert_eq!(outcome.answer, naive(&mut slot, &all));
    }
}

fn writing(number: u8, offset: u64, data: &[u8]) -> ReadTestWrite {
    let share = TestWrite {
        writes: vec![(offset, Bytes::copy_from_slice(data))],
        ..TestWrite::default()
    };
    ReadTestWrite {
        shares: BTreeMap::from([(number, share)]),
        reads: Vec::new(),
    }
}

#[tokio::test]
async fn a_change_within_a_share_moves_nothing_else() {
    let mut draft = Draft::on(None);
    for number in 0..3 {
        draft
            .apply(&writing(number, 0, &[number; 5000]), enabler(1))
            .await
            .unwrap();
    }
    let (change, table) = draft.finish();
    let object = stored(change.unwrap());
    let mut draft = Draft::on(Some(Arc::new(Head { object, table })));
    draft.apply(&writing(1, 100, b"new"), enabler(1)).await.unwrap();
    let (change, _) = draft.finish();
    assert_eq!(
        change.unwrap().patches,
        BTreeMap::from([(5100, Bytes::from_static(b"new"))])
    );
}

#[tokio::test]
async fn another_write_enabler_opens_nothing_of_the_slot() {
    let mut draft = Draft::on(None);
    draft.apply(&writing(0, 0, b"x"), enabler(1)).await.unwrap();
    for request in [writing(1, 0, b"y"), ReadTestWrite::default()] {
        assert_eq!(
            draft.apply(&request, enabler(2)).await.unwrap_err(),
            Refusal::Unauthorized
        );
    }
    let gone = ReadTestWrite {
        shares: BTreeMap::from([(
            0,
            TestWrite {
                new_len: Some(0),
                ..TestWrite::default()
            },
        )]),
        reads: Vec::new(),
    };
    draft.apply(&gone, enabler(1)).await.unwrap();
    assert!(!draft.is_changed(), "it was never stored");
    draft.apply(&writing(1, 0, b"y"), enabler(2)).await.unwrap();
}

#[tokio::test]
async fn a_share_grows_within_bounds_only() {
    let mut draft = Draft::on(None);
    for request in [
        writing(0, u64::MAX, b"x"),
        writing(0, LONGEST, b"x"),
        writing(0, MOST_ZEROS + 1, b"x"),
    ] {
        assert!(matches!(
            draft.apply(&request, enabler(1)).await,
            Err(Refusal::TooLong(_))
        ));
    }
    assert!(!draft.is_changed());
}

#[tokio::test]
async fn a_share_that_grows_step_by_step_beside_another_has_few_runs() {
    let mut draft = Draft::on(None);
    for step in 0..500 {
        for number in 0..2 {
            draft
                .apply(&writing(number, step * 3000, &[7; 3000]), enabler(1))
                .await
                .unwrap();
        }
    }
    let (_, table) = draft.finish();
    assert!(
        table.entries.iter().all(|entry| entry.runs.len() < 40),
        "{:?}",
        table.entries[1].runs.len()
    );
}
