//! Stores that crash and fail on command: what a simulator relies on.
#![allow(clippy::unwrap_used, reason = "a test speaks by panicking")]

use cuecard_store::limits::{QUEUE_BYTES_MAX, VALUE_BYTES_MAX};
use cuecard_store::{
    Batch, BlobError, BlobFault, BlobHash, BlobStatus, Damage, Fault, FaultyStore, MemoryStore,
    SnapshotFault, SnapshotName, Store, StoreError,
};

fn put(key: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.put(key.to_vec(), key.to_vec());
    batch
}

fn keys(store: &dyn Store) -> Vec<Vec<u8>> {
    store.scan(b"").unwrap().into_iter().map(|(key, _)| key).collect()
}

#[test]
fn a_crash_keeps_the_prefix_that_was_persisted() {
    let store = MemoryStore::manual();
    let mut saved: Vec<_> = [b"a", b"b", b"c"].map(|key| store.commit(put(key))).into();
    assert_eq!(store.queued(), 3);
    assert!(keys(&store).is_empty(), "nothing is saved before it is told to");
    store.persist(2);
    let last = saved.pop().unwrap();
    for saved in saved {
        saved.wait().unwrap();
    }
    let after = store.crash();
    assert!(matches!(last.wait(), Err(StoreError::Stopped { .. })));
    assert_eq!(keys(&after), [b"a", b"b"]);
    assert!(
        matches!(store.get(b"a"), Err(StoreError::Closed)),
        "the crashed one is dead"
    );
    let next = after.commit(put(b"d"));
    after.persist_all();
    next.wait().unwrap();
}

#[test]
fn a_crash_loses_partial_blobs_and_keeps_whole_ones() {
    let store = MemoryStore::manual();
    let (whole, size) = store.blobs().import(&mut &b"whole"[..], 100).unwrap();
    let partial = BlobHash::of(b"partial");
    store.blobs().begin(partial, 7).unwrap();
    let after = store.crash();
    assert_eq!(after.blobs().status(whole).unwrap(), BlobStatus::Whole { size });
    assert_eq!(after.blobs().status(partial).unwrap(), BlobStatus::Absent);
}

#[test]
fn a_snapshot_can_be_opened_again_and_again() {
    let store = MemoryStore::new();
    store.commit(put(b"a")).wait().unwrap();
    let image = store.snapshot();
    store.commit(put(b"b")).wait().unwrap();
    let first = MemoryStore::restore(image.clone());
    first.commit(put(b"c")).wait().unwrap();
    let second = MemoryStore::restore(image);
    assert_eq!(
        (keys(&store).len(), keys(&first).len(), keys(&second).len()),
        (2, 2, 1)
    );
}

#[test]
fn more_than_may_wait_for_the_disk_is_refused_and_then_tried_again() {
    let store = MemoryStore::manual();
    let large = |number: u8| {
        let mut batch = Batch::new();
        batch.put(vec![number], vec![0; VALUE_BYTES_MAX - 1024]);
        batch
    };
    let fitting = (QUEUE_BYTES_MAX / VALUE_BYTES_MAX) as u8;
    for number in 0..fitting {
        drop(store.commit(large(number)));
    }
    let refused = store.commit(large(fitting));
    let behind = store.commit(put(b"small"));
    assert!(matches!(refused.wait(), Err(StoreError::QueueFull { .. })));
    assert!(
        matches!(behind.wait(), Err(StoreError::HeldBack)),
        "or a log could get a hole"
    );
    store.persist(1);
    let again = store.commit(large(fitting));
    let behind = store.commit(put(b"small"));
    store.persist_all();
    again.wait().unwrap();
    behind.wait().unwrap();
}

#[test]
fn a_batch_larger_than_the_queue_is_refused_for_good() {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    for number in 0..=(QUEUE_BYTES_MAX / VALUE_BYTES_MAX) as u8 {
        batch.put(vec![number], vec![0; VALUE_BYTES_MAX]);
    }
    assert!(matches!(
        store.commit(batch).wait(),
        Err(StoreError::TooLarge { what: "batch", .. })
    ));
}

#[test]
fn nothing_is_saved_behind_a_failed_commit() {
    let store = FaultyStore::new(MemoryStore::new());
    store.fault(2, Fault::Fail);
    store.commit(put(b"a")).wait().unwrap();
    assert!(matches!(
        store.commit(put(b"b")).wait(),
        Err(StoreError::Io { .. })
    ));
    assert!(matches!(
        store.commit(put(b"c")).wait(),
        Err(StoreError::Stopped { .. })
    ));
    assert_eq!(keys(&store), [b"a"]);
}

#[test]
fn a_torn_commit_leaves_its_first_operations() {
    let store = FaultyStore::new(MemoryStore::new());
    store.fault(1, Fault::Tear { operations: 1 });
    let mut batch = put(b"a");
    batch.add_all(put(b"b"));
    assert!(store.commit(batch).wait().is_err());
    assert_eq!(keys(&store), [b"a"]);
}

#[test]
fn a_lying_disk_says_yes_and_keeps_nothing() {
    let store = FaultyStore::new(MemoryStore::new());
    store.fault(1, Fault::Lose);
    store.commit(put(b"a")).wait().unwrap();
    store.commit(put(b"b")).wait().unwrap();
    assert_eq!(keys(&store), [b"b"]);
}

#[test]
fn a_lost_answer_may_hide_a_saved_batch() {
    let store = FaultyStore::new(MemoryStore::new());
    store.fault(1, Fault::FailAfter);
    assert!(store.commit(put(b"a")).wait().is_err());
    assert_eq!(keys(&store), [b"a"]);
}

#[test]
fn faults_of_blobs_are_told_or_found_by_hashing() {
    let store = FaultyStore::new(MemoryStore::new());
    store.blob_fault(1, BlobFault::Fail);
    store.blob_fault(2, BlobFault::Flip);
    store.blob_fault(5, BlobFault::Flip);
    assert!(matches!(
        store.blobs().import(&mut &b"content"[..], 100),
        Err(BlobError::Io { .. })
    ));
    let (hash, _) = store.blobs().import(&mut &b"content"[..], 100).unwrap();
    assert_ne!(
        hash,
        BlobHash::of(b"content"),
        "the name tells that it is other content"
    );

    let elsewhere = MemoryStore::new();
    let (hash, size) = elsewhere.blobs().import(&mut &b"content"[..], 100).unwrap();
    let slice = elsewhere.blobs().encode(hash, 0..1).unwrap();
    store.blobs().begin(hash, size).unwrap();
    store.blobs().begin(hash, size).unwrap();
    assert!(matches!(
        store.blobs().write(hash, 0..1, &slice),
        Err(BlobError::Wrong { .. })
    ));
    assert_eq!(
        store.blobs().write(hash, 0..1, &slice).unwrap(),
        BlobStatus::Whole { size }
    );
}

#[test]
fn damage_in_memory_is_found_and_mended() {
    let store = MemoryStore::new();
    let (hash, size) = store.blobs().import(&mut &vec![3; 40_000][..], 40_000).unwrap();
    let slice = store.blobs().encode(hash, 1..2).unwrap();
    assert!(store.memory_blobs().damage(hash, 20_000));
    assert!(!store.check().unwrap().is_sound());
    assert_eq!(
        store.blobs().status(hash).unwrap(),
        BlobStatus::Partial {
            size,
            have: vec![0..1, 2..3]
        }
    );
    assert_eq!(
        store.blobs().write(hash, 1..2, &slice).unwrap(),
        BlobStatus::Whole { size }
    );
}

#[test]
fn an_answer_wakes_a_task_that_waits_for_it() {
    let store = MemoryStore::manual();
    let saved = store.commit(put(b"a"));
    let waiting = std::thread::spawn(move || saved.wait());
    store.persist_all();
    waiting.join().unwrap().unwrap();
}

const SNAPSHOT: SnapshotName = SnapshotName {
    key: [3; 32],
    generation: 1,
};

#[test]
fn faults_of_snapshots_are_told_unless_the_disk_lies() {
    let store = FaultyStore::new(MemoryStore::new());
    let there = || store.snapshots().list().unwrap().len();
    store.snapshot_fault(1, SnapshotFault::Fail);
    store.snapshot_fault(2, SnapshotFault::Lose);
    store.snapshot_fault(3, SnapshotFault::FailAfter);
    store.snapshot_fault(4, SnapshotFault::Fail);
    store.snapshot_fault(5, SnapshotFault::FailAfter);
    assert!(store.snapshots().put(SNAPSHOT, b"", b"").is_err() && there() == 0);
    assert!(store.snapshots().put(SNAPSHOT, b"", b"").is_ok() && there() == 0);
    assert!(store.snapshots().put(SNAPSHOT, b"", b"").is_err() && there() == 1);
    assert!(store.snapshots().delete(SNAPSHOT).is_err() && there() == 1);
    assert!(store.snapshots().delete(SNAPSHOT).is_err() && there() == 0);
    assert_eq!(store.snapshot_calls(), 5);
}

#[test]
fn a_snapshot_that_was_put_survives_a_crash_and_one_that_is_damaged_is_told() {
    let store = MemoryStore::manual();
    store.snapshots().put(SNAPSHOT, b"head", b"content").unwrap();
    let after = store.crash();
    assert!(matches!(store.snapshots().list(), Err(StoreError::Closed)));
    let found = after.snapshots().read_expecting(SNAPSHOT, b"head").unwrap();
    assert_eq!(found.as_deref(), Some(&b"content"[..]));
    assert!(after.memory_snapshots().damage(SNAPSHOT, 70));
    assert!(matches!(
        after.snapshots().read(SNAPSHOT),
        Err(StoreError::Corrupt { .. })
    ));
    assert_eq!(
        after.check().unwrap().damages,
        [Damage::Snapshot { name: SNAPSHOT }]
    );
}
