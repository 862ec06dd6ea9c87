//! A repair takes out what is damaged, keeps it aside, says what is lost, and leaves a store that works on.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test speaks by panicking"
)]

use std::fs::{self, File};
use std::io;
use std::path::Path;

use cuecard_store::{
    Batch, BlobStatus, Damage, DiskSync, Loss, Options, SledStore, SnapshotName, Store, StoreError, StreamId,
};

const STREAM: StreamId = StreamId::from_bytes([1; 32]);
const OTHER: StreamId = StreamId::from_bytes([2; 32]);
const SNAPSHOT: SnapshotName = SnapshotName {
    key: [5; 32],
    generation: 1,
};
const INTACT: SnapshotName = SnapshotName {
    generation: 2,
    ..SNAPSHOT
};

fn open(folder: &Path) -> SledStore {
    SledStore::open(folder, Options::default()).unwrap()
}

fn fill(folder: &Path) {
    let store = open(folder);
    let mut batch = Batch::new();
    for seq in 0..10 {
        batch.append(STREAM, seq, vec![seq as u8; if seq == 4 { 9000 } else { 20 }]);
        batch.append(OTHER, seq, vec![seq as u8; 20]);
    }
    batch.put(b"damaged".to_vec(), b"the old value".repeat(1000));
    batch.put(b"intact".to_vec(), b"value".to_vec());
    store.commit(batch).wait().unwrap();
    for name in [SNAPSHOT, INTACT] {
        store.snapshots().put(name, b"head", b"content").unwrap();
    }
    store.close().unwrap();
}

/// Changes one entry of the tree behind the store's back. The keys are those of `sled/layout.rs`.
fn change(folder: &Path, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
    let config = sled::Config::new().path(folder.join("records"));
    let tree = config
        .segment_size(cuecard_store::limits::SEGMENT_BYTES)
        .open()
        .unwrap();
    let mut value = tree
        .get(key)
        .unwrap()
        .map(|value| value.to_vec())
        .unwrap_or_default();
    change(&mut value);
    tree.insert(key, value).unwrap();
    tree.flush().unwrap();
}

fn record_key(stream: StreamId, seq: u64) -> Vec<u8> {
    [b"s".as_slice(), stream.as_bytes(), &seq.to_be_bytes()].concat()
}

fn damage_everything(folder: &Path) {
    fill(folder);
    change(folder, &record_key(STREAM, 6), |value| value[15] ^= 1);
    change(folder, b"kdamaged", |value| value[20] ^= 1);
    change(folder, b"pnobody's piece, of a key \0\0\0\x01", |value| {
        value.push(7)
    });
    change(folder, b"n", |value| value[3] ^= 1);
    let snapshot = folder.join("snapshots").join(format!("{SNAPSHOT}.snap"));
    let mut bytes = fs::read(&snapshot).unwrap();
    bytes[70] ^= 1;
    fs::write(snapshot, bytes).unwrap();
}

fn losses() -> Vec<Loss> {
    vec![
        Loss::Records {
            stream: STREAM,
            first: 6,
            records: 4,
        },
        Loss::Value {
            key: b"damaged".to_vec(),
        },
        Loss::Stray { pieces: 2 },
        // The number of batches is unsound as well: nobody can say that none is lost.
        Loss::Batches { batches: 1 },
        Loss::Snapshot { name: SNAPSHOT },
    ]
}

fn is_mended(store: &SledStore) {
    let report = store.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(
        (report.streams, report.records, report.values, report.snapshots),
        (2, 16, 1, 1)
    );
    assert_eq!(store.read(STREAM, 0, 100, usize::MAX).unwrap().len(), 6);
    assert_eq!(store.get(b"intact").unwrap().unwrap(), b"value");
    assert_eq!(store.get(b"damaged").unwrap(), None);
    assert_eq!(store.snapshots().list().unwrap(), [INTACT]);
}

#[test]
fn everything_damaged_is_set_aside_and_told() {
    let folder = tempfile::tempdir().unwrap();
    damage_everything(folder.path());
    let (store, repair) = SledStore::open_repaired(folder.path(), Options::default()).unwrap();
    for loss in losses() {
        assert!(repair.losses.contains(&loss), "{loss:?} is not in {repair:?}");
    }
    is_mended(&store);
    let aside: Vec<_> = repair
        .set_aside
        .iter()
        .filter(|path| path.join("entries").exists())
        .collect();
    let entries = fs::read(aside[0].join("entries")).unwrap();
    let kept = |bytes: &[u8]| entries.windows(bytes.len()).any(|window| window == bytes);
    assert!(
        kept(&record_key(STREAM, 6)) && kept(&record_key(STREAM, 9)),
        "all that was taken out is kept"
    );
    assert!(kept(&b"the old value".repeat(100)));
    assert!(!kept(&record_key(STREAM, 5)) && !kept(&record_key(OTHER, 9)));
    assert!(aside[0].join(format!("{SNAPSHOT}.snap")).exists());

    let mut batch = Batch::new();
    batch.append(STREAM, 6, b"fetched again".to_vec());
    store.commit(batch).wait().unwrap();
    store.close().unwrap();
    let store = open(folder.path());
    assert_eq!(store.read(STREAM, 0, 100, usize::MAX).unwrap().len(), 7);
    assert_eq!(store.repair().unwrap().losses, [], "there is nothing left to do");
    assert!(!folder.path().join("damaged.2").exists());
}

#[test]
fn damages_are_found_before_and_not_after() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    change(folder.path(), &record_key(STREAM, 4), |value| value.truncate(30));
    let store = open(folder.path());
    let bytes = vec![3; 100_000];
    let (hash, size) = store.blobs().import(&mut bytes.as_slice(), 100_000).unwrap();
    let file = folder.path().join("blobs").join(format!("{hash}.data"));
    let mut damaged = bytes.clone();
    damaged[40_000] ^= 1;
    fs::write(file, damaged).unwrap();
    let found = store.check().unwrap().damages;
    let record = Damage::Record {
        stream: STREAM,
        seq: 4,
    };
    assert_eq!(found, [record, Damage::Blob { hash }]);
    let repair = store.repair().unwrap();
    let records = Loss::Records {
        stream: STREAM,
        first: 4,
        records: 6,
    };
    // The check has made the blob a partial one: that is told once.
    assert_eq!(repair.losses, [records]);
    assert!(matches!(
        store.blobs().status(hash).unwrap(),
        BlobStatus::Partial { size: partial, .. } if partial == size
    ));
    assert!(store.check().unwrap().is_sound());
}

#[test]
fn what_a_newer_version_wrote_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let head = record_key(STREAM, 6);
    change(folder.path(), &record_key(OTHER, 3), |value| value[16] ^= 1);
    change(folder.path(), &head, |value| {
        // As version 2 of the form of a record would say it.
        let (length, content) = (1_u32.to_be_bytes(), b"x");
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(head.len() as u64).to_be_bytes()).update(&head);
        hasher.update(&[2, 0]).update(&length).update(content);
        *value = [&[2, 0][..], &length, &hasher.finalize().as_bytes()[..8], content].concat();
    });
    let store = open(folder.path());
    assert!(matches!(store.check(), Err(StoreError::Format { .. })));
    assert!(matches!(store.repair(), Err(StoreError::Format { .. })));
    assert_eq!(
        store.read(OTHER, 4, 100, 1000).unwrap().len(),
        6,
        "nothing was changed"
    );
    assert!(!folder.path().join("damaged.1").exists());
}

#[test]
fn a_database_that_is_rubbish_is_set_aside_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    // A folder in place of the file: neither the database nor a copy of its log can be opened.
    let database = folder.path().join("records").join("db");
    fs::remove_file(&database).unwrap();
    fs::create_dir(&database).unwrap();
    let refused = SledStore::open(folder.path(), Options::default()).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused:?}");
    assert!(refused.to_string().contains("open it with a repair"), "{refused}");
    let (store, repair) = SledStore::open_repaired(folder.path(), Options::default()).unwrap();
    assert!(
        repair
            .losses
            .iter()
            .any(|loss| matches!(loss, Loss::Database { .. })),
        "{repair:?}"
    );
    assert!(repair.losses.contains(&Loss::Batches { batches: 1 }));
    assert!(repair.set_aside[0].join("db").is_dir());
    assert_eq!(store.snapshots().list().unwrap(), [SNAPSHOT, INTACT]);
    assert_eq!(store.first(STREAM).unwrap(), None);
    let mut batch = Batch::new();
    batch.append(STREAM, 0, b"anew".to_vec());
    store.commit(batch).wait().unwrap();
}

/// Fails from a chosen sync on.
struct Failing(u64);

impl DiskSync for Failing {
    fn sync(&mut self, file: &File) -> io::Result<()> {
        if self.0 == 0 {
            return Err(io::Error::other("the disk is gone"));
        }
        self.0 -= 1;
        file.sync_data()
    }
}

#[test]
fn a_repair_that_fails_is_told_and_can_be_done_again() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    change(folder.path(), &record_key(STREAM, 6), |value| value[15] ^= 1);
    let store = SledStore::open_with(folder.path(), Options::default(), Box::new(Failing(0))).unwrap();
    let error = store.repair().unwrap_err();
    assert!(error.to_string().contains("the disk is gone"), "{error}");
    let mut batch = Batch::new();
    batch.append(STREAM, 6, b"anew".to_vec());
    assert!(
        matches!(store.commit(batch).wait(), Err(StoreError::Stopped { .. })),
        "nothing is saved behind a repair that was not"
    );
    drop(store);
    let (store, _) = SledStore::open_repaired(folder.path(), Options::default()).unwrap();
    assert!(store.check().unwrap().is_sound());
    assert_eq!(store.read(STREAM, 0, 100, usize::MAX).unwrap().len(), 6);
    // Either of the two repairs may have taken it out; both kept it.
    let kept = fs::read(folder.path().join("damaged.1").join("entries")).unwrap();
    let key = record_key(STREAM, 6);
    assert!(kept.windows(key.len()).any(|window| window == key));
}
