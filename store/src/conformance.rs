//! The contract of [`Store`] and [`Blobs`](crate::Blobs), as tests that every backend calls.
//!
//! ```
//! use std::sync::Mutex;
//! use cuecard_store::conformance::{Place, check_contract};
//! use cuecard_store::{MemoryStore, Store, StoreError};
//!
//! struct Memory(Mutex<Option<MemoryStore>>);
//!
//! impl Place for Memory {
//!     fn open(&self) -> Result<Box<dyn Store>, StoreError> {
//!         let mut kept = self.0.lock().unwrap();
//!         let store = match &*kept {
//!             Some(earlier) => earlier.reopen()?,
//!             None => MemoryStore::new(),
//!         };
//!         *kept = Some(store.clone());
//!         Ok(Box::new(store))
//!     }
//! }
//!
//! check_contract(|| Box::new(Memory(Mutex::new(None))));
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests speaks by panicking"
)]

mod blobs;
mod collecting;
mod repairing;
mod snapshots;
mod trimming;

use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::{Batch, Store, StoreError, StreamId};

/// Where a store lives. Opening it again opens the same data.
pub trait Place {
    /// Opens the store here; fails with [`StoreError::InUse`] while an earlier one is open.
    fn open(&self) -> Result<Box<dyn Store>, StoreError>;
}

/// Checks everything the contract says, each part in a fresh place. Panics with what does not hold.
///
/// The backend must save what is committed without being told to.
pub fn check_contract(fresh: impl Fn() -> Box<dyn Place>) {
    let checks: [fn(&dyn Place); 19] = [
        an_empty_store_has_nothing,
        values_are_set_replaced_and_deleted,
        a_scan_has_the_prefix_in_order,
        long_values_come_back_and_go_wholly,
        records_are_read_from_anywhere,
        a_read_ends_at_a_gap,
        a_read_keeps_to_its_limits_but_gets_on,
        the_ends_of_the_sequence_can_be_used,
        streams_are_apart_and_can_be_dropped,
        operations_happen_in_order_within_a_batch,
        the_same_record_may_come_again,
        a_rewritten_record_stops_the_store_and_its_batch_leaves_nothing,
        a_refusal_holds_back_until_it_is_known,
        an_empty_batch_is_saved_behind_the_others,
        a_dropped_answer_does_not_cancel,
        all_of_it_is_there_after_reopening,
        a_second_one_cannot_be_opened,
        after_closing_everything_says_closed,
        a_check_counts_what_is_there,
    ];
    for check in checks {
        check(&*fresh());
    }
    for check in trimming::CHECKS
        .into_iter()
        .chain(repairing::CHECKS)
        .chain(blobs::CHECKS)
        .chain(collecting::CHECKS)
        .chain(snapshots::CHECKS)
    {
        check(&*fresh());
    }
}

const STREAM: StreamId = StreamId::from_bytes([7; 32]);
const OTHER: StreamId = StreamId::from_bytes([8; 32]);
const NONE: [u64; 0] = [];
const MANY: usize = 1_000_000;

fn batch(fill: impl FnOnce(&mut Batch)) -> Batch {
    let mut batch = Batch::new();
    fill(&mut batch);
    batch
}

fn save(store: &dyn Store, fill: impl FnOnce(&mut Batch)) {
    store.commit(batch(fill)).wait().unwrap();
}

fn seqs(store: &dyn Store, stream: StreamId, from: u64) -> Vec<u64> {
    store
        .read(stream, from, MANY, MANY)
        .unwrap()
        .iter()
        .map(|record| record.seq)
        .collect()
}

fn an_empty_store_has_nothing(place: &dyn Place) {
    let store = place.open().unwrap();
    assert_eq!(store.get(b"key").unwrap(), None);
    assert_eq!(store.scan(b"").unwrap(), []);
    assert_eq!(store.read(STREAM, 0, MANY, MANY).unwrap(), []);
    assert!(store.check().unwrap().is_sound());
}

fn values_are_set_replaced_and_deleted(place: &dyn Place) {
    let store = place.open().unwrap();
    save(&*store, |batch| {
        batch.put(b"key".to_vec(), b"one".to_vec());
        batch.put(b"".to_vec(), b"".to_vec());
    });
    assert_eq!(store.get(b"key").unwrap().as_deref(), Some(&b"one"[..]));
    assert_eq!(store.get(b"").unwrap().as_deref(), Some(&b""[..]));
    save(&*store, |batch| batch.put(b"key".to_vec(), b"two".to_vec()));
    assert_eq!(store.get(b"key").unwrap().as_deref(), Some(&b"two"[..]));
    save(&*store, |batch| {
        batch.delete(b"key".to_vec());
        batch.delete(b"never there".to_vec());
    });
    assert_eq!(store.get(b"key").unwrap(), None);
}

fn a_scan_has_the_prefix_in_order(place: &dyn Place) {
    let store = place.open().unwrap();
    let keys: [&[u8]; 7] = [b"a", b"a\0", b"a\0\0\0\x01", b"ab", b"b", b"\xff", b"\xff\xff"];
    save(&*store, |batch| {
        for key in keys.iter().rev() {
            batch.put(key.to_vec(), key.repeat(3000));
        }
    });
    let scan = |prefix: &[u8]| -> Vec<Vec<u8>> {
        let found = store.scan(prefix).unwrap();
        assert!(
            found.iter().all(|(key, value)| *value == key.repeat(3000)),
            "values go with their keys"
        );
        found.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(scan(b""), keys);
    assert_eq!(scan(b"a"), keys[..4]);
    assert_eq!(scan(b"a\0"), keys[1..3]);
    assert_eq!(scan(b"\xff"), keys[5..]);
    assert_eq!(scan(b"c"), [b""; 0]);
}

fn long_values_come_back_and_go_wholly(place: &dyn Place) {
    let store = place.open().unwrap();
    let long: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 7) as u8).collect();
    save(&*store, |batch| {
        batch.put(b"long".to_vec(), long.clone());
        batch.append(STREAM, 1, long.clone());
    });
    assert!(store.get(b"long").unwrap().as_ref() == Some(&long));
    assert!(store.read(STREAM, 1, 1, MANY).unwrap()[0].bytes == long);
    // Shorter, then longer, then gone, within one batch and over several.
    save(&*store, |batch| {
        batch.put(b"long".to_vec(), long[..50_000].to_vec());
        batch.put(b"long".to_vec(), long[..20_000].to_vec());
    });
    assert!(store.get(b"long").unwrap().unwrap() == long[..20_000]);
    save(&*store, |batch| {
        batch.put(b"long".to_vec(), long[..70_000].to_vec())
    });
    assert!(store.get(b"long").unwrap().unwrap() == long[..70_000]);
    save(&*store, |batch| {
        batch.delete(b"long".to_vec());
        batch.drop_stream(STREAM);
    });
    let report = store.check().unwrap();
    assert!(
        report.is_sound() && report.values == 0 && report.records == 0,
        "no piece stays: {report:?}"
    );
}

fn records_are_read_from_anywhere(place: &dyn Place) {
    let store = place.open().unwrap();
    save(&*store, |batch| {
        (1..=300).for_each(|seq| batch.append(STREAM, seq, seq.to_be_bytes().to_vec()))
    });
    for from in [1, 2, 255, 256, 257, 300] {
        let records = store.read(STREAM, from, MANY, MANY).unwrap();
        let expected: Vec<u64> = (from..=300).collect();
        assert_eq!(
            records.iter().map(|record| record.seq).collect::<Vec<_>>(),
            expected
        );
        assert!(
            records
                .iter()
                .all(|record| record.bytes == record.seq.to_be_bytes())
        );
    }
    assert_eq!(seqs(&*store, STREAM, 301), NONE);
    assert_eq!(
        seqs(&*store, STREAM, 0),
        NONE,
        "what does not start at the sequence asked for is a gap"
    );
}

fn a_read_ends_at_a_gap(place: &dyn Place) {
    let store = place.open().unwrap();
    save(&*store, |batch| {
        [1, 2, 4, 5]
            .into_iter()
            .for_each(|seq| batch.append(STREAM, seq, vec![1]))
    });
    assert_eq!(seqs(&*store, STREAM, 1), [1, 2]);
    assert_eq!(seqs(&*store, STREAM, 3), NONE);
    assert_eq!(seqs(&*store, STREAM, 4), [4, 5]);
}

fn a_read_keeps_to_its_limits_but_gets_on(place: &dyn Place) {
    let store = place.open().unwrap();
    save(&*store, |batch| {
        (0..10).for_each(|seq| batch.append(STREAM, seq, vec![1; 100]))
    });
    let count = |records, bytes| store.read(STREAM, 0, records, bytes).unwrap().len();
    assert_eq!(count(3, MANY), 3);
    assert_eq!(count(0, MANY), 0);
    assert_eq!(count(MANY, 250), 2);
    assert_eq!(count(MANY, 300), 3);
    assert_eq!(
        count(MANY, 1),
        1,
        "one always comes, or a reader would never get past a long record"
    );
}

fn the_ends_of_the_sequence_can_be_used(place: &dyn Place) {
    let store = place.open().unwrap();
    save(&*store, |batch| {
        batch.append(STREAM, 0, vec![1]);
        batch.append(STREAM, u64::MAX - 1, vec![2]);
        batch.append(STREAM, u64::MAX, vec![3]);
    });
    assert_eq!(seqs(&*store, STREAM, 0), [0]);
    assert_eq!(seqs(&*store, STREAM, u64::MAX - 1), [u64::MAX - 1, u64::MAX]);
    assert_eq!(seqs(&*store, STREAM, u64::MAX), [u64::MAX]);
}

fn streams_are_apart_and_can_be_dropped(place: &dyn Place) {
    let store = place.open().unwrap();
    save(&*store, |batch| {
        batch.append(STREAM, 1, vec![1]);
        batch.append(OTHER, 1, vec![2]);
    });
    save(&*store, |batch| batch.drop_stream(STREAM));
    assert_eq!(seqs(&*store, STREAM, 1), NONE);
    assert_eq!(store.read(OTHER, 1, MANY, MANY).unwrap()[0].bytes, [2]);
}

fn operations_happen_in_order_within_a_batch(place: &dyn Place) {
    let store = place.open().unwrap();
    save(&*store, |batch| batch.append(STREAM, 1, vec![1]));
    save(&*store, |batch| {
        batch.append(STREAM, 2, vec![2]);
        batch.drop_stream(STREAM);
        batch.append(STREAM, 1, vec![9]);
        batch.put(b"key".to_vec(), vec![1]);
        batch.delete(b"key".to_vec());
        batch.delete(b"kept".to_vec());
        batch.put(b"kept".to_vec(), vec![1]);
    });
    assert_eq!(seqs(&*store, STREAM, 1), [1]);
    assert_eq!(store.read(STREAM, 1, MANY, MANY).unwrap()[0].bytes, [9]);
    assert_eq!(store.get(b"key").unwrap(), None);
    assert_eq!(store.get(b"kept").unwrap(), Some(vec![1]));
}

fn the_same_record_may_come_again(place: &dyn Place) {
    let store = place.open().unwrap();
    save(&*store, |batch| batch.append(STREAM, 1, vec![5; 10_000]));
    save(&*store, |batch| {
        batch.append(STREAM, 1, vec![5; 10_000]);
        batch.append(STREAM, 2, vec![6]);
        batch.append(STREAM, 2, vec![6]);
    });
    assert_eq!(seqs(&*store, STREAM, 1), [1, 2]);
}

fn a_rewritten_record_stops_the_store_and_its_batch_leaves_nothing(place: &dyn Place) {
    let store = place.open().unwrap();
    save(&*store, |batch| batch.append(STREAM, 1, vec![1]));
    let before = store.commit(batch(|batch| batch.put(b"before".to_vec(), vec![1])));
    let rewriting = store.commit(batch(|batch| {
        batch.put(b"beside".to_vec(), vec![1]);
        batch.append(STREAM, 1, vec![2]);
    }));
    let behind = store.commit(batch(|batch| batch.put(b"behind".to_vec(), vec![1])));
    before.wait().unwrap();
    assert!(matches!(
        rewriting.wait(),
        Err(StoreError::Taken {
            stream: STREAM,
            seq: 1
        })
    ));
    assert!(matches!(behind.wait(), Err(StoreError::Stopped { .. })));
    assert!(
        matches!(store.commit(Batch::new()).wait(), Err(StoreError::Stopped { .. })),
        "it stays stopped"
    );
    assert!(store.close().is_err(), "closing does not hide it");

    let store = place.open().unwrap();
    assert_eq!(store.read(STREAM, 1, MANY, MANY).unwrap()[0].bytes, [1]);
    let keys: Vec<_> = store.scan(b"").unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(
        keys,
        [b"before"],
        "what is saved is a prefix of what was committed"
    );
    save(&*store, |batch| batch.append(STREAM, 2, vec![2]));
}

fn a_refusal_holds_back_until_it_is_known(place: &dyn Place) {
    let store = place.open().unwrap();
    let refused = store.commit(batch(|batch| {
        batch.append(STREAM, 1, vec![0; VALUE_BYTES_MAX + 1])
    }));
    let behind = store.commit(batch(|batch| batch.append(STREAM, 2, vec![2])));
    assert!(matches!(
        refused.wait(),
        Err(StoreError::TooLarge { what: "record", .. })
    ));
    assert!(matches!(behind.wait(), Err(StoreError::HeldBack)));
    assert_eq!(seqs(&*store, STREAM, 2), NONE);
    let long_key = store.commit(batch(|batch| batch.put(vec![0; KEY_BYTES_MAX + 1], vec![])));
    assert!(matches!(
        long_key.wait(),
        Err(StoreError::TooLarge { what: "key", .. })
    ));
    drop(store.commit(batch(|batch| batch.put(vec![], vec![0; VALUE_BYTES_MAX + 1]))));
    save(&*store, |batch| batch.append(STREAM, 1, vec![1]));
}

fn an_empty_batch_is_saved_behind_the_others(place: &dyn Place) {
    let store = place.open().unwrap();
    for number in 0..50_u8 {
        drop(store.commit(batch(|batch| batch.put(vec![number], vec![number]))));
    }
    save(&*store, |_| {});
    assert_eq!(store.scan(b"").unwrap().len(), 50);
}

fn a_dropped_answer_does_not_cancel(place: &dyn Place) {
    let store = place.open().unwrap();
    drop(store.commit(batch(|batch| batch.put(b"key".to_vec(), vec![1]))));
    store.close().unwrap();
    assert_eq!(place.open().unwrap().get(b"key").unwrap(), Some(vec![1]));
}

fn all_of_it_is_there_after_reopening(place: &dyn Place) {
    let store = place.open().unwrap();
    for seq in 0..100 {
        save(&*store, |batch| {
            batch.append(STREAM, seq, vec![seq as u8; 100 * seq as usize]);
            batch.put(b"head".to_vec(), seq.to_be_bytes().to_vec());
        });
    }
    store.close().unwrap();
    let store = place.open().unwrap();
    let records = store.read(STREAM, 0, MANY, MANY).unwrap();
    assert_eq!(records.len(), 100);
    assert!(
        records
            .iter()
            .all(|record| record.bytes == vec![record.seq as u8; 100 * record.seq as usize])
    );
    assert_eq!(store.get(b"head").unwrap(), Some(99_u64.to_be_bytes().to_vec()));
    assert!(store.check().unwrap().is_sound());
}

fn a_second_one_cannot_be_opened(place: &dyn Place) {
    let store = place.open().unwrap();
    assert!(matches!(place.open(), Err(StoreError::InUse { .. })));
    save(&*store, |batch| batch.put(vec![], vec![]));
    store.close().unwrap();
    place.open().unwrap();
}

fn after_closing_everything_says_closed(place: &dyn Place) {
    let store = place.open().unwrap();
    store.close().unwrap();
    store.close().unwrap();
    assert!(matches!(
        store.commit(Batch::new()).wait(),
        Err(StoreError::Closed)
    ));
    assert!(matches!(store.get(b""), Err(StoreError::Closed)));
    assert!(matches!(store.scan(b""), Err(StoreError::Closed)));
    assert!(matches!(store.read(STREAM, 0, 1, 1), Err(StoreError::Closed)));
    assert!(matches!(store.first(STREAM), Err(StoreError::Closed)));
    assert!(matches!(store.check(), Err(StoreError::Closed)));
    assert!(matches!(store.repair(), Err(StoreError::Closed)));
    assert!(matches!(store.blobs().list(), Err(crate::BlobError::Closed)));
    let grace = crate::Grace {
        now_ms: 0,
        period_ms: 0,
    };
    let collected = store.blobs().collect(&Default::default(), grace);
    assert!(matches!(collected, Err(crate::BlobError::Closed)));
    let name = crate::SnapshotName {
        key: [1; 32],
        generation: 1,
    };
    let snapshots = store.snapshots();
    assert!(matches!(snapshots.put(name, b"", b""), Err(StoreError::Closed)));
    assert!(matches!(snapshots.read(name), Err(StoreError::Closed)));
    assert!(matches!(snapshots.list(), Err(StoreError::Closed)));
    assert!(matches!(snapshots.delete(name), Err(StoreError::Closed)));
}

fn a_check_counts_what_is_there(place: &dyn Place) {
    let store = place.open().unwrap();
    save(&*store, |batch| {
        (0..5).for_each(|seq| batch.append(STREAM, seq, vec![1; 5000]));
        batch.append(OTHER, 3, vec![1]);
        batch.put(b"key".to_vec(), vec![1; 50_000]);
    });
    store.blobs().import(&mut &b"content"[..], 100).unwrap();
    let report = store.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(
        (report.streams, report.records, report.values, report.blobs),
        (2, 6, 1, 1)
    );
    save(&*store, |batch| batch.append(OTHER, 5, vec![1]));
    let report = store.check().unwrap();
    assert_eq!(
        report.damages,
        [crate::Damage::Gap {
            stream: OTHER,
            seq: 4
        }]
    );
}
