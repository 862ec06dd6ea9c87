//! A damaged disk costs data, never the truth: nothing panics, and nothing that is read is wrong.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test speaks by panicking"
)]

use std::fs;
use std::path::Path;

use cuecard_store::{Batch, BlobStatus, Damage, Options, SledStore, Store, StoreError, StreamId};

const STREAM: StreamId = StreamId::from_bytes([1; 32]);
const RECORDS: u64 = 150;

fn content(seq: u64) -> Vec<u8> {
    let length = if seq.is_multiple_of(20) { 30_000 } else { 200 };
    (0..length).map(|at| (at as u64 * (seq + 3)) as u8).collect()
}

fn key(number: u64) -> Vec<u8> {
    format!("key {number}").into_bytes()
}

fn fill(folder: &Path) {
    let store = SledStore::open(folder, Options::default()).unwrap();
    for seq in 0..RECORDS {
        let mut batch = Batch::new();
        batch.append(STREAM, seq, content(seq));
        batch.put(key(seq), content(seq));
        drop(store.commit(batch));
    }
    store.close().unwrap();
}

fn copy_folder(from: &Path, to: &Path) {
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

/// A small generator of its own: the seed printed is all one needs to repeat a failure.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

/// Damages one file of the database in one of several ways.
fn damage(records: &Path, random: &mut Random) -> String {
    let mut files: Vec<_> = fs::read_dir(records)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    // Mostly the file that holds the data.
    let database = records.join("db");
    let file = if random.below(4) > 0 {
        &database
    } else {
        &files[random.below(files.len() as u64) as usize]
    };
    let mut bytes = fs::read(file).unwrap();
    // sled's file ends in room not used yet, where damage would do nothing.
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(1, |last| last + 1) as u64;
    let at = random.below(used) as usize;
    let how = match random.below(4) {
        0 | 1 => {
            bytes[at] ^= 1 << random.below(8);
            "one bit flipped"
        }
        2 => {
            bytes.iter_mut().skip(at).take(512).for_each(|byte| *byte = 0);
            "512 bytes zeroed"
        }
        _ => {
            bytes.truncate(at);
            "cut off"
        }
    };
    fs::write(file, bytes).unwrap();
    format!("{how} at {at} of {:?}", file.file_name().unwrap())
}

/// How much is sound; panics if anything read is not what was written.
fn read_what_is_left(store: &SledStore) -> u64 {
    let mut sound = 0;
    for seq in 0..RECORDS {
        if let Ok(records) = store.read(STREAM, seq, 1, 1)
            && let Some(record) = records.first()
        {
            assert!(
                record.seq == seq && record.bytes == content(seq),
                "record {seq} is wrong"
            );
            sound += 1;
        }
        if let Ok(Some(value)) = store.get(&key(seq)) {
            assert!(value == content(seq), "value {seq} is wrong");
        }
    }
    if let Ok(report) = store.check() {
        assert!(report.records <= RECORDS && report.values <= RECORDS);
    }
    sound
}

#[test]
fn whatever_happens_to_the_database_nothing_read_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    fill(&whole);
    let (mut opened, mut repaired, mut refused, mut silent) = (0, 0, 0, 0);
    for seed in 1..=60_u64 {
        let data = folder.path().join(format!("{seed}"));
        copy_folder(&whole, &data);
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let how = damage(&data.join("records"), &mut random);
        println!("seed {seed}: {how}");
        match SledStore::open(&data, Options::default()) {
            Ok(store) => {
                opened += 1;
                if let Some(aside) = store.set_aside() {
                    repaired += 1;
                    assert!(aside.join("db").exists(), "the damaged one is kept");
                }
                let sound = read_what_is_left(&store);
                let lost = store.lost_batches();
                println!("seed {seed}: {sound} of {RECORDS} records left, {lost} batches known to be lost");
                silent += u64::from(sound < RECORDS && lost == 0);
                // Whatever is left, the store either works on or says that it does not.
                let mut batch = Batch::new();
                batch.put(b"after".to_vec(), b"the damage".to_vec());
                if store.commit(batch).wait().is_ok() {
                    assert_eq!(store.get(b"after").unwrap().as_deref(), Some(&b"the damage"[..]));
                }
                drop(store.close());
            }
            Err(StoreError::Damaged { folder, why }) => {
                println!("seed {seed}: refused, {why}");
                refused += 1;
                assert!(
                    folder.join("records").join("db").exists(),
                    "nothing is taken away"
                );
                assert!(!folder.join("records.copy").exists(), "nor left behind");
            }
            Err(other) => panic!("seed {seed}: {how}: {other}"),
        }
        fs::remove_dir_all(&data).unwrap();
    }
    println!(
        "{opened} opened, {repaired} of them repaired, {silent} with losses not told, {refused} refused"
    );
    assert!(opened > 0 && repaired > 0);
}

#[test]
fn a_damaged_database_that_opens_from_a_copy_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let records = folder.path().join("records");
    let settings = fs::read(records.join("conf")).unwrap();
    fs::write(records.join("conf"), &settings[..settings.len() / 2]).unwrap();
    fs::write(records.join("snap.0000000000000001"), [0xff; 64]).unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    let aside = store.set_aside().unwrap();
    assert!(aside.join("db").exists(), "the damaged one is kept");
    assert_eq!(store.lost_batches(), 0);
    assert_eq!(read_what_is_left(&store), RECORDS, "the log has everything");
}

#[test]
fn a_log_that_lost_its_end_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let database = folder.path().join("records").join("db");
    let mut bytes = fs::read(&database).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes.truncate(used / 2);
    fs::write(&database, bytes).unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    assert!(read_what_is_left(&store) < RECORDS);
    let lost = store.lost_batches();
    assert!(lost > 0);
    drop(store);
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    assert_eq!(store.lost_batches(), lost, "it is not forgotten by closing");
    let mut batch = Batch::new();
    batch.put(b"after".to_vec(), b"the damage".to_vec());
    store.commit(batch).wait().unwrap();
    drop(store);
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    assert_eq!(store.lost_batches(), 0, "until there is something new");
}

#[test]
fn a_database_moved_away_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    fs::rename(folder.path().join("records"), folder.path().join("elsewhere")).unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    assert_eq!(store.lost_batches(), RECORDS);
}

#[test]
fn a_repair_that_was_interrupted_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    // The crash came between the two renames of the exchange.
    fs::rename(folder.path().join("records"), folder.path().join("records.copy")).unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    assert_eq!(read_what_is_left(&store), RECORDS);
    drop(store);
    // The crash came while the copy was being made: it is not to be trusted, the original is.
    fs::create_dir(folder.path().join("records.copy")).unwrap();
    fs::write(folder.path().join("records.copy").join("db"), b"half").unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    assert_eq!(read_what_is_left(&store), RECORDS);
    assert!(!folder.path().join("records.copy").exists());
}

#[test]
fn a_folder_of_a_later_format_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "cuecard-store 2\nencryption none\n";
    let text = format!(
        "{lines}checksum {}\n",
        cuecard_store::BlobHash::of(lines.as_bytes())
    );
    fs::write(folder.path().join("format"), &text).unwrap();
    for opened in [
        SledStore::open(folder.path(), Options::default()).map(drop),
        SledStore::open_repaired(folder.path(), Options::default()).map(drop),
    ] {
        assert!(matches!(opened, Err(StoreError::Format { .. })));
    }
    assert!(!folder.path().join("records").exists());
    assert_eq!(fs::read_to_string(folder.path().join("format")).unwrap(), text);
}

#[test]
fn a_damaged_blob_is_never_sent_and_keeps_what_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at / 3) as u8).collect();
    let size = bytes.len() as u64;
    let (hash, _) = store.blobs().import(&mut bytes.as_slice(), size).unwrap();
    let sound = store.blobs().encode(hash, 5..6).unwrap();
    let file = folder.path().join("blobs").join(format!("{hash}.data"));
    let mut damaged = bytes.clone();
    damaged[5 * 16_384 + 17] ^= 1;
    fs::write(&file, &damaged).unwrap();

    let result = store.blobs().encode(hash, 4..7);
    assert!(
        matches!(result, Err(cuecard_store::BlobError::Damaged { .. })),
        "{result:?}"
    );
    assert!(
        store.blobs().encode(hash, 6..9).is_ok(),
        "what is sound is still served"
    );
    let report = store.check().unwrap();
    assert_eq!(report.damages, [Damage::Blob { hash }]);
    let status = store.blobs().status(hash).unwrap();
    assert_eq!(
        status,
        BlobStatus::Partial {
            size,
            have: vec![0..5, 6..13]
        }
    );
    assert!(store.blobs().open(hash).is_err());
    assert_eq!(
        store.blobs().write(hash, 5..6, &sound).unwrap(),
        BlobStatus::Whole { size }
    );
    assert!(fs::read(&file).unwrap() == bytes);
}

#[test]
fn a_lost_tree_is_grown_again_from_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    let bytes = vec![9; 100_000];
    let (hash, size) = store.blobs().import(&mut bytes.as_slice(), 100_000).unwrap();
    fs::remove_file(folder.path().join("blobs").join(format!("{hash}.tree"))).unwrap();
    assert!(store.blobs().encode(hash, 0..1).is_err());
    assert_eq!(store.blobs().verify(hash).unwrap(), BlobStatus::Whole { size });
    assert!(store.blobs().encode(hash, 0..1).is_ok());
}

#[test]
fn a_partial_blob_is_hashed_on_opening_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = cuecard_store::MemoryStore::new();
    let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at / 5) as u8).collect();
    let (hash, size) = elsewhere.blobs().import(&mut bytes.as_slice(), 100_000).unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    store.blobs().begin(hash, size).unwrap();
    let slice = elsewhere.blobs().encode(hash, 0..4).unwrap();
    store.blobs().write(hash, 0..4, &slice).unwrap();
    drop(store);
    // As a power cut may: one group never reached the disk, and a file on its way to its name stayed.
    let part = folder.path().join("blobs").join(format!("{hash}.part"));
    let mut kept = fs::read(&part).unwrap();
    kept[16_384..2 * 16_384].fill(0);
    fs::write(&part, kept).unwrap();
    let stray = folder.path().join("blobs").join("7.tmp");
    fs::write(&stray, b"half").unwrap();
    let foreign = folder.path().join("blobs").join("notes.txt");
    fs::write(&foreign, b"not ours").unwrap();

    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    let status = store.blobs().status(hash).unwrap();
    assert_eq!(
        status,
        BlobStatus::Partial {
            size,
            have: vec![0..1, 2..4]
        }
    );
    assert!(!stray.exists() && foreign.exists());
}
