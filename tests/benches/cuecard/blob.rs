//! What taking audio in costs.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use cuecard::store::{BlobStatus, Options, SledStore, Store};

use crate::runner::{Table, Target, Unit, in_turns, timed};

const BYTES: usize = 64 * 1024 * 1024;

/// Import (hash, verification tree, durable file) and a full verify; beside hashing and copying the file, durable as
/// well, and hashing the copy again.
pub(crate) fn import_and_verify(table: &mut Table) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SledStore::open(folder.path().join("store"), Options::default()).expect("a store");
    let (source, copy) = (folder.path().join("source"), folder.path().join("copy"));
    let mut noise = 1_u64;
    let bytes: Vec<u8> = (0..BYTES / 8)
        .flat_map(|_| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            noise.to_le_bytes()
        })
        .collect();
    fs::write(&source, &bytes).expect("it is written");
    drop(bytes);
    let rounds = in_turns(7, || ours(&store, &source), || base(&source, &copy));
    table.add(
        "import and verify 64 MiB, beside BLAKE3 and a copy",
        Unit::TimeOfOne(1),
        Target::AtMost(1.3),
        rounds,
    );
    store.close().expect("it closes");
}

fn ours(store: &SledStore, source: &Path) -> Duration {
    let blobs = store.blobs();
    let mut hash = None;
    let took = timed(|| {
        let mut file = File::open(source).expect("it opens");
        let (imported, _) = blobs.import(&mut file, BYTES as u64).expect("it is imported");
        let status = blobs.verify(imported).expect("it is read");
        assert!(matches!(status, BlobStatus::Whole { .. }));
        hash = Some(imported);
    });
    blobs
        .remove(hash.expect("it was imported"))
        .expect("it is removed");
    took
}

fn base(source: &Path, copy: &Path) -> Duration {
    let took = timed(|| {
        let hash = hash_of(source);
        fs::copy(source, copy).expect("it is copied");
        File::open(copy)
            .expect("it opens")
            .sync_all()
            .expect("it is durable");
        assert_eq!(hash_of(copy), hash);
    });
    fs::remove_file(copy).expect("it is removed");
    took
}

fn hash_of(path: &Path) -> blake3::Hash {
    let mut file = File::open(path).expect("it opens");
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).expect("it reads") {
            0 => return hasher.finalize(),
            read => hasher.update(&buffer[..read]),
        };
    }
}
