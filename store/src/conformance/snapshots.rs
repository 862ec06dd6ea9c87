//! The contract of [`Snapshots`](crate::Snapshots).

use super::{Place, STREAM, save};
use crate::limits::{EXPECTATION_BYTES_MAX, SNAPSHOT_BYTES_MAX};
use crate::{Snapshot, SnapshotName, Store, StoreError};

pub(super) const CHECKS: [fn(&dyn Place); 6] = [
    a_snapshot_comes_back_after_reopening,
    another_state_than_expected_is_told,
    a_snapshot_is_replaced_and_others_stay,
    generations_are_listed_in_order_and_deleted,
    lengths_have_limits,
    a_snapshot_stands_for_the_front_of_a_log,
];

fn name(key: u8, generation: u64) -> SnapshotName {
    SnapshotName {
        key: [key; 32],
        generation,
    }
}

fn put(store: &dyn Store, name: SnapshotName, expectation: &[u8], content: &[u8]) {
    store.snapshots().put(name, expectation, content).unwrap();
}

fn a_snapshot_comes_back_after_reopening(place: &dyn Place) {
    let store = place.open().unwrap();
    assert_eq!(store.snapshots().read(name(1, 1)).unwrap(), None);
    assert_eq!(store.snapshots().list().unwrap(), []);
    let long: Vec<u8> = (0..1_000_000_u32).map(|at| (at / 11) as u8).collect();
    put(&*store, name(1, 1), b"head", &long);
    put(&*store, name(1, 2), b"", b"");
    assert!(
        store
            .snapshots()
            .read_expecting(name(1, 1), b"head")
            .unwrap()
            .as_ref()
            == Some(&long)
    );
    let report = store.check().unwrap();
    assert!(report.is_sound() && report.snapshots == 2, "{report:?}");
    store.close().unwrap();

    let store = place.open().unwrap();
    let found = store.snapshots().read(name(1, 1)).unwrap().unwrap();
    assert!(found.expectation == b"head" && found.content == long);
    let empty = Snapshot {
        expectation: Vec::new(),
        content: Vec::new(),
    };
    assert_eq!(store.snapshots().read(name(1, 2)).unwrap(), Some(empty));
}

fn another_state_than_expected_is_told(place: &dyn Place) {
    let store = place.open().unwrap();
    put(&*store, name(1, 1), b"head", b"content");
    for other in [&b""[..], b"hea", b"head!", b"HEAD"] {
        let result = store.snapshots().read_expecting(name(1, 1), other);
        assert!(
            matches!(result, Err(StoreError::Unexpected { .. })),
            "{other:?}: {result:?}"
        );
    }
    let absent = store.snapshots().read_expecting(name(1, 2), b"head").unwrap();
    assert_eq!(absent, None);
}

fn a_snapshot_is_replaced_and_others_stay(place: &dyn Place) {
    let store = place.open().unwrap();
    put(&*store, name(1, 1), b"first", &[1; 50_000]);
    put(&*store, name(1, 2), b"next", &[2; 100]);
    put(&*store, name(2, 1), b"another", &[3; 100]);
    put(&*store, name(1, 1), b"again", &[4; 10]);
    let content = |name, expectation| {
        store
            .snapshots()
            .read_expecting(name, expectation)
            .unwrap()
            .unwrap()
    };
    assert_eq!(content(name(1, 1), b"again"), [4; 10]);
    assert_eq!(content(name(1, 2), b"next"), [2; 100]);
    assert_eq!(content(name(2, 1), b"another"), [3; 100]);
}

fn generations_are_listed_in_order_and_deleted(place: &dyn Place) {
    let store = place.open().unwrap();
    for generation in [9, u64::MAX, 10, 0] {
        put(&*store, name(1, generation), b"", b"one");
        put(&*store, name(0, generation), b"", b"other");
    }
    let snapshots = store.snapshots();
    assert_eq!(snapshots.generations([1; 32]).unwrap(), [0, 9, 10, u64::MAX]);
    assert_eq!(snapshots.generations([2; 32]).unwrap(), [0; 0]);
    let list = snapshots.list().unwrap();
    assert!(list.len() == 8 && list.is_sorted(), "{list:?}");
    snapshots.delete(name(1, 9)).unwrap();
    snapshots.delete(name(1, 9)).unwrap();
    assert_eq!(snapshots.read(name(1, 9)).unwrap(), None);
    store.close().unwrap();

    let store = place.open().unwrap();
    assert_eq!(store.snapshots().generations([1; 32]).unwrap(), [0, 10, u64::MAX]);
    assert_eq!(store.snapshots().list().unwrap().len(), 7);
}

fn lengths_have_limits(place: &dyn Place) {
    let store = place.open().unwrap();
    let too_long = vec![0; EXPECTATION_BYTES_MAX + 1];
    let result = store.snapshots().put(name(1, 1), &too_long, b"");
    assert!(matches!(
        result,
        Err(StoreError::TooLarge {
            what: "expectation",
            ..
        })
    ));
    let result = store
        .snapshots()
        .put(name(1, 1), b"", &vec![0; SNAPSHOT_BYTES_MAX + 1]);
    assert!(matches!(
        result,
        Err(StoreError::TooLarge { what: "snapshot", .. })
    ));
    assert_eq!(store.snapshots().list().unwrap(), []);
    put(&*store, name(1, 1), &too_long[1..], b"");
}

/// What compaction does, step by step; at every step the state can be told from what is here.
fn a_snapshot_stands_for_the_front_of_a_log(place: &dyn Place) {
    let store = place.open().unwrap();
    save(&*store, |batch| {
        (0..10).for_each(|seq| batch.append(STREAM, seq, vec![seq as u8]))
    });
    let mut front = Vec::new();
    for (generation, first) in [(1, 4), (2, 7)] {
        for record in store.read(STREAM, front.len() as u64, 100, 100).unwrap() {
            if record.seq < first {
                front.extend(record.bytes);
            }
        }
        put(&*store, name(7, generation), &first.to_be_bytes(), &front);
        save(&*store, |batch| {
            batch.put(b"snapshot".to_vec(), generation.to_be_bytes().to_vec());
            batch.trim_stream(STREAM, first);
        });
        store.snapshots().delete(name(7, generation - 1)).unwrap();
    }
    store.close().unwrap();

    let store = place.open().unwrap();
    assert_eq!(store.snapshots().generations([7; 32]).unwrap(), [2]);
    let first = store.first(STREAM).unwrap().unwrap();
    let front = store
        .snapshots()
        .read_expecting(name(7, 2), &first.to_be_bytes())
        .unwrap();
    let tail = store.read(STREAM, first, 100, 100).unwrap();
    let whole: Vec<u8> = front
        .into_iter()
        .chain(tail.into_iter().map(|record| record.bytes))
        .flatten()
        .collect();
    assert_eq!(whole, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}
