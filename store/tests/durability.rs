//! What an acknowledgement is worth: the disk has the batch before anyone hears that it is saved.
//!
//! The disk is stood in for by a copy of the database file, taken each time the store syncs it: what is not in
//! that copy is what a power cut may take.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test speaks by panicking"
)]

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cuecard_store::limits::{KEY_BYTES_MAX, PIECE_BYTES_MAX};
use cuecard_store::{Batch, DiskSync, Durability, Options, SledStore, Store, StoreError, StreamId};

const STREAM: StreamId = StreamId::from_bytes([1; 32]);
/// How long a test waits for what must come; it never passes by waiting.
const PATIENCE: Duration = Duration::from_secs(60);

type Gate = Arc<Mutex<(Sender<()>, Receiver<()>)>>;

#[derive(Clone, Default)]
struct Disk {
    syncs: Arc<AtomicU64>,
    failing: Arc<AtomicBool>,
    /// Where the store is, and where to keep what reached the disk.
    image: Option<Arc<(PathBuf, PathBuf)>>,
    /// Told of each sync, and asked before it.
    gate: Option<Gate>,
}

impl DiskSync for Disk {
    fn sync(&mut self, file: &File) -> io::Result<()> {
        if let Some(gate) = &self.gate {
            let gate = gate.lock().unwrap();
            gate.0.send(()).unwrap();
            gate.1.recv().unwrap();
        }
        if self.failing.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        file.sync_data()?;
        if let Some(image) = &self.image {
            copy_folder(&image.0, &image.1);
        }
        self.syncs.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Disk {
    fn open(&self, folder: &Path, durability: Durability) -> SledStore {
        SledStore::open_with(
            folder,
            Options::default().durability(durability),
            Box::new(self.clone()),
        )
        .unwrap()
    }

    fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::SeqCst)
    }
}

fn copy_folder(from: &Path, to: &Path) {
    drop(fs::remove_dir_all(to));
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn record(seq: u64) -> Batch {
    let mut batch = Batch::new();
    batch.append(STREAM, seq, vec![seq as u8; 10 + 700 * seq as usize]);
    batch.put(b"head".to_vec(), seq.to_be_bytes().to_vec());
    batch
}

fn count(store: &dyn Store) -> usize {
    store.read(STREAM, 0, usize::MAX, usize::MAX).unwrap().len()
}

#[test]
fn each_acknowledged_commit_was_synced_and_is_in_what_reached_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (data, image) = (folder.path().join("data"), folder.path().join("image"));
    let disk = Disk {
        image: Some(Arc::new((data.clone(), image.clone()))),
        ..Disk::default()
    };
    let store = disk.open(&data, Durability::Immediate);
    for seq in 0..12 {
        let before = disk.syncs();
        store.commit(record(seq)).wait().unwrap();
        assert!(disk.syncs() > before, "acknowledged without a sync");
        let crashed = SledStore::open(&image, Options::default()).unwrap();
        assert_eq!(
            count(&crashed),
            seq as usize + 1,
            "acknowledged, and not on the disk"
        );
        assert_eq!(crashed.get(b"head").unwrap(), Some(seq.to_be_bytes().to_vec()));
        assert!(crashed.check().unwrap().is_sound());
    }
}

#[test]
fn commits_that_come_while_the_disk_is_busy_share_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let ((started, starts), (allow, allowed)) = (channel(), channel());
    let gate = Some(Arc::new(Mutex::new((started, allowed))));
    let disk = Disk {
        gate,
        ..Disk::default()
    };
    let store = disk.open(folder.path(), Durability::Immediate);
    let first = store.commit(record(0));
    starts.recv_timeout(PATIENCE).unwrap();
    // As many as one sync may cover.
    let small = |number: u8| {
        let mut batch = Batch::new();
        batch.put(vec![number], vec![number]);
        store.commit(batch)
    };
    let others: Vec<_> = (1..50).map(small).collect();
    allow.send(()).unwrap();
    first.wait().unwrap();
    starts.recv_timeout(PATIENCE).unwrap();
    allow.send(()).unwrap();
    for saved in others {
        saved.wait().unwrap();
    }
    assert_eq!(disk.syncs(), 2);
    allow.send(()).unwrap(); // the one of closing
    store.close().unwrap();
}

#[test]
fn batched_commits_reach_the_disk_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let (data, image) = (folder.path().join("data"), folder.path().join("image"));
    let ((started, starts), (allow, allowed)) = (channel(), channel());
    let disk = Disk {
        image: Some(Arc::new((data.clone(), image.clone()))),
        gate: Some(Arc::new(Mutex::new((started, allowed)))),
        ..Disk::default()
    };
    let store = disk.open(&data, Durability::Batched(Duration::from_millis(20)));
    for seq in 0..5 {
        store.commit(record(seq)).wait().unwrap();
    }
    // Perhaps in several syncs, but without a further call all five get there.
    loop {
        allow.send(()).unwrap();
        starts.recv_timeout(PATIENCE).unwrap();
        let before = disk.syncs();
        while disk.syncs() == before {
            std::thread::yield_now();
        }
        let crashed = SledStore::open(&image, Options::default()).unwrap();
        if count(&crashed) == 5 {
            break;
        }
    }
    allow.send(()).unwrap(); // the one of closing
    store.close().unwrap();
}

#[test]
fn what_was_acknowledged_before_a_sync_began_is_in_what_it_brought_to_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (data, image) = (folder.path().join("data"), folder.path().join("image"));
    let ((started, starts), (allow, allowed)) = (channel(), channel());
    let disk = Disk {
        image: Some(Arc::new((data.clone(), image.clone()))),
        gate: Some(Arc::new(Mutex::new((started, allowed)))),
        ..Disk::default()
    };
    let store = disk.open(&data, Durability::Batched(Duration::from_millis(5)));
    for seq in 0..6 {
        store.commit(record(seq)).wait().unwrap();
        // By itself, with no further call.
        starts.recv_timeout(PATIENCE).unwrap();
        let before = disk.syncs();
        allow.send(()).unwrap();
        while disk.syncs() == before {
            std::thread::yield_now();
        }
        let crashed = SledStore::open(&image, Options::default()).unwrap();
        assert_eq!(count(&crashed), seq as usize + 1);
        assert_eq!(crashed.lost_batches(), 0);
    }
    allow.send(()).unwrap(); // the one of closing
    store.close().unwrap();
}

#[test]
fn a_failed_sync_is_told_and_stops_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let store = disk.open(folder.path(), Durability::Immediate);
    store.commit(record(0)).wait().unwrap();
    disk.failing.store(true, Ordering::SeqCst);
    assert!(matches!(
        store.commit(record(1)).wait(),
        Err(StoreError::Io { .. })
    ));
    disk.failing.store(false, Ordering::SeqCst);
    let later = store.commit(record(2)).wait();
    assert!(
        matches!(&later, Err(StoreError::Stopped { why }) if why.contains("the disk is gone")),
        "{later:?}"
    );
    assert!(matches!(store.close(), Err(StoreError::Stopped { .. })));

    let store = disk.open(folder.path(), Durability::Immediate);
    assert!(
        (1..=2).contains(&count(&store)),
        "what was acknowledged is there, and nothing behind the failure"
    );
    let next = count(&store) as u64;
    store.commit(record(next)).wait().unwrap();
}

#[test]
fn a_failed_sync_of_batched_commits_stops_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let ((started, starts), (allow, allowed)) = (channel(), channel());
    let disk = Disk {
        gate: Some(Arc::new(Mutex::new((started, allowed)))),
        ..Disk::default()
    };
    disk.failing.store(true, Ordering::SeqCst);
    let store = disk.open(folder.path(), Durability::Batched(Duration::from_millis(1)));
    store.commit(record(0)).wait().unwrap();
    starts.recv_timeout(PATIENCE).unwrap();
    // Queued while the sync that fails is under way.
    let behind = store.commit(record(1));
    allow.send(()).unwrap();
    assert!(matches!(behind.wait(), Err(StoreError::Stopped { .. })));
    assert!(matches!(store.close(), Err(StoreError::Stopped { .. })));
}

#[test]
fn two_clones_of_the_engine_may_commit_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SledStore::open(folder.path(), Options::default()).unwrap());
    let threads: Vec<_> = (0..4_u8)
        .map(|number| {
            let store = store.clone();
            std::thread::spawn(move || {
                let stream = StreamId::from_bytes([number; 32]);
                for seq in 0..50 {
                    let mut batch = Batch::new();
                    batch.append(stream, seq, vec![number; 5000]);
                    store.commit(batch).wait().unwrap();
                    assert_eq!(
                        store.read(stream, seq, 1, 1).unwrap().len(),
                        1,
                        "visible once it is saved"
                    );
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let report = store.check().unwrap();
    assert!(report.is_sound() && report.records == 200, "{report:?}");
}

#[cfg(unix)]
#[test]
fn the_folder_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a").join("b");
    let store = SledStore::open(&data, Options::default()).unwrap();
    for made in [
        folder.path().join("a"),
        data.clone(),
        data.join("records"),
        data.join("blobs"),
    ] {
        assert_eq!(
            fs::metadata(&made).unwrap().permissions().mode() & 0o777,
            0o700,
            "{made:?}"
        );
    }
    drop(store);
}

/// sled moves nodes above 128 KiB to files of their own, which it never syncs. No node may get that large: with keys and
/// pieces as long as may be, written in an order that splits nodes everywhere, none does.
#[test]
fn sled_never_writes_a_file_that_nobody_syncs() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    let mut saved = Vec::new();
    for number in 0..6000_u32 {
        let mut key = vec![b'k'; KEY_BYTES_MAX];
        // Keys that differ at their end only make the longest separators between nodes.
        let end = key.len() - 4;
        key[end..].copy_from_slice(&number.wrapping_mul(0x9e37_79b1).to_be_bytes());
        let mut batch = Batch::new();
        batch.put(key, vec![1; if number % 40 == 0 { PIECE_BYTES_MAX } else { 10 }]);
        saved.push(store.commit(batch));
    }
    for number in 0..40 {
        let mut batch = Batch::new();
        batch.append(STREAM, number, vec![2; 300_000]);
        saved.push(store.commit(batch));
    }
    saved.into_iter().for_each(|saved| saved.wait().unwrap());
    let unsynced = fs::read_dir(folder.path().join("records").join("blobs")).unwrap();
    assert_eq!(unsynced.count(), 0);
}
