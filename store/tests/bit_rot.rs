//! Every file of a store, damaged at every structural boundary and at hundreds of random places: what is read is right, or an
//! error, or missing with a loss that is told. Never wrong, never a panic.
//!
//! `CUECARD_DAMAGES` sets how many random places of each file are tried (500), `CUECARD_SEED` where to begin.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test speaks by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cuecard_store::limits::SEGMENT_BYTES;
use cuecard_store::{
    Batch, BlobStatus, Blobs, FileBlobs, FileSnapshots, GROUP_BYTES, Grace, Loss, Options, SledStore,
    SnapshotName, Snapshots, Store, StoreError, StreamId, group_count,
};

const STREAM: StreamId = StreamId::from_bytes([b'S'; 32]);
const BATCHES: u64 = 80;
/// sled's own.
const SEGMENT_HEADER_BYTES: usize = 20;

fn random_places() -> u64 {
    std::env::var("CUECARD_DAMAGES").map_or(500, |text| text.parse().unwrap())
}

fn seed() -> u64 {
    std::env::var("CUECARD_SEED").map_or(1, |text| text.parse().unwrap())
}

/// In memory where the system has such a place: thousands of folders are opened, and what a sync does is not the question.
fn place() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Flip { at: usize, bit: u8 },
    Zero { at: usize },
    Cut { at: usize },
}

impl Damage {
    fn apply(self, sound: &[u8]) -> Vec<u8> {
        let mut bytes = sound.to_vec();
        match self {
            Self::Flip { at, bit } => bytes[at] ^= 1 << bit,
            Self::Zero { at } => bytes.iter_mut().skip(at).take(512).for_each(|byte| *byte = 0),
            Self::Cut { at } => bytes.truncate(at),
        }
        bytes
    }
}

/// A small generator of its own: the seed printed is all one needs to repeat a failure.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Cuts and flips around each boundary, and at random places; of a short file, everywhere.
fn damages(sound: &[u8], boundaries: &BTreeSet<usize>) -> Vec<Damage> {
    // What lies behind the last byte that is not zero is room not used yet, where damage would do nothing.
    let used = sound
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let mut list = Vec::new();
    if used as u64 <= random_places() / 4 {
        list.extend((0..sound.len()).map(|at| Damage::Cut { at }));
        list.extend((0..used * 8).map(|bit| Damage::Flip {
            at: bit / 8,
            bit: (bit % 8) as u8,
        }));
        return list;
    }
    for at in boundaries.iter().copied().chain([0, used]) {
        for at in [at.wrapping_sub(1), at, at + 1] {
            if at < used {
                let bit = (at % 8) as u8;
                list.extend([Damage::Cut { at }, Damage::Flip { at, bit }]);
            }
        }
    }
    let mut random = Random(seed().wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1));
    for _ in 0..random_places() {
        let at = random.below(used);
        list.push(match random.below(4) {
            0 => Damage::Cut { at },
            1 => Damage::Zero { at },
            _ => Damage::Flip {
                at,
                bit: random.below(8) as u8,
            },
        });
    }
    list
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

/// What a store holds after some batches.
#[derive(Default, Clone)]
struct State {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    records: BTreeMap<u64, Vec<u8>>,
}

fn content(number: u64) -> Vec<u8> {
    let length = if number.is_multiple_of(16) { 9000 } else { 150 };
    (0..length).map(|at: u64| (at * (number + 3)) as u8).collect()
}

/// Batch number `number`, counted from 1: appends, replaces a value set before, deletes one, sometimes trims.
fn batch(number: u64, state: &mut State) -> Batch {
    let mut batch = Batch::new();
    let (key, gone) = (vec![b'k', (number % 13) as u8], vec![b'k', (number % 7) as u8]);
    batch.delete(gone.clone());
    state.values.remove(&gone);
    batch.put(key.clone(), content(number));
    state.values.insert(key, content(number));
    batch.append(STREAM, number, content(number + 1));
    state.records.insert(number, content(number + 1));
    if number.is_multiple_of(25) {
        batch.trim_stream(STREAM, number - 20);
        state.records = state.records.split_off(&(number - 20));
    }
    batch
}

/// Fills a folder; answers what it holds after each batch.
fn fill(store: &SledStore) -> Vec<State> {
    let mut states = vec![State::default()];
    for number in 1..=BATCHES {
        let mut state = states.last().unwrap().clone();
        store.commit(batch(number, &mut state)).wait().unwrap();
        states.push(state);
    }
    states
}

/// Looks at everything that was ever there. What is read must be the state behind as many batches as the store says it has,
/// or an error.
fn look(store: &SledStore, states: &[State]) -> Result<(), String> {
    let kept = BATCHES - store.lost_batches().min(BATCHES);
    let state = &states[kept as usize];
    for number in 0..13 {
        let key = vec![b'k', number];
        if let Ok(found) = store.get(&key)
            && found.as_ref() != state.values.get(&key)
        {
            return Err(format!("value {number} is not that of batch {kept}"));
        }
    }
    for seq in 0..=BATCHES {
        if let Ok(found) = store.read(STREAM, seq, 1, 1)
            && found.first().map(|record| &record.bytes) != state.records.get(&seq)
        {
            return Err(format!("record {seq} is not that of batch {kept}"));
        }
    }
    if let Ok(scan) = store.scan(b"k")
        && !scan.into_iter().eq(state.values.clone())
    {
        return Err(format!("a scan is not that of batch {kept}"));
    }
    Ok(())
}

/// After a repair, all is sound and works on; what is gone was told.
fn look_after_repair(data: &Path, states: &[State]) -> Result<(), String> {
    let (store, repair) = SledStore::open_repaired(data, Options::default())
        .map_err(|error| format!("a repair does not open it: {error}"))?;
    let report = store.check().map_err(|error| error.to_string())?;
    if !report.is_sound() {
        return Err(format!("not sound after the repair: {report:?}"));
    }
    if repair.is_lossless() {
        look(&store, states).map_err(|why| format!("repaired without loss, but {why}"))?;
    }
    // Of what the batches kept have left, nothing is gone unless it was told.
    let kept = &states[(BATCHES - store.lost_batches().min(BATCHES)) as usize];
    let (mut streams, mut values, mut batches) = (false, false, 0);
    for loss in &repair.losses {
        match loss {
            Loss::Records { .. } => streams = true,
            Loss::Value { .. } => values = true,
            Loss::Batches { batches: lost } => batches = *lost,
            Loss::Database { .. } => (streams, values) = (true, true),
            _ => {}
        }
    }
    if batches != store.lost_batches() {
        return Err("batches are gone and nobody says so".to_owned());
    }
    let first = store.first(STREAM).unwrap().unwrap_or(0);
    let records = store.read(STREAM, first, 1000, usize::MAX).unwrap();
    if !streams && records.len() != kept.records.len() {
        return Err("records are gone and nobody says so".to_owned());
    }
    let scan: BTreeMap<_, _> = store.scan(b"k").unwrap().into_iter().collect();
    if !values && scan != kept.values {
        return Err("values are gone and nobody says so".to_owned());
    }
    let mut after = Batch::new();
    after.put(b"after".to_vec(), b"the repair".to_vec());
    store
        .commit(after)
        .wait()
        .map_err(|error| format!("it does not work on after the repair: {error}"))?;
    store.close().map_err(|error| error.to_string())?;
    let again = SledStore::open(data, Options::default()).map_err(|error| error.to_string())?;
    match again.get(b"after") {
        Ok(Some(_)) => Ok(()),
        other => Err(format!("what was saved after the repair is gone: {other:?}")),
    }
}

/// Damages one file of the database in every way, and looks at what opens.
fn damage_database(whole: &Path, states: &[State], file: &str) {
    let place = place();
    let sound = fs::read(whole.join(file)).unwrap();
    let list = damages(&sound, &boundaries_of_database(&sound));
    let mut hist = BTreeMap::new();
    let (mut opened, mut told, mut refused, mut failures) = (0, 0, 0, Vec::new());
    for (number, damage) in list.iter().enumerate() {
        let data = place.path().join("data");
        copy_folder(whole, &data);
        fs::write(data.join(file), damage.apply(&sound)).unwrap();
        let result = match SledStore::open(&data, Options::default()) {
            Ok(store) => {
                opened += 1;
                *hist.entry(store.lost_batches()).or_insert(0) += 1;
                told += u64::from(store.lost_batches() > 0 || store.set_aside().is_some());
                let looked = look(&store, states);
                drop(store.close());
                looked
            }
            Err(StoreError::Damaged { .. } | StoreError::Corrupt { .. }) => {
                refused += 1;
                Ok(())
            }
            Err(other) => Err(format!("an error that does not fit: {other}")),
        };
        failures.extend(result.err().map(|why| format!("{damage:?}: {why}")));
        if number % 10 == 0 {
            fs::remove_dir_all(&data).unwrap();
            copy_folder(whole, &data);
            fs::write(data.join(file), damage.apply(&sound)).unwrap();
            let repaired = look_after_repair(&data, states);
            failures.extend(repaired.err().map(|why| format!("{damage:?}, repaired: {why}")));
        }
        fs::remove_dir_all(&data).unwrap();
    }
    println!(
        "seed {}: {file}: {} damages, {opened} opened, {told} of them with losses told, {refused} refused",
        seed(),
        list.len()
    );
    println!("{file} {hist:?}");
    if !failures.is_empty() {
        // What sled writes differs a little from run to run: the seed alone does not bring a failure back.
        let kept = std::env::temp_dir().join(format!("cuecard-bit-rot-{}", std::process::id()));
        copy_folder(whole, &kept);
        panic!(
            "{file}: {} failures, the sound folder is kept in {kept:?}: {failures:#?}",
            failures.len()
        );
    }
}

/// Where segments and our own entries begin.
fn boundaries_of_database(bytes: &[u8]) -> BTreeSet<usize> {
    let segments = (0..bytes.len()).step_by(SEGMENT_BYTES);
    let mut boundaries: BTreeSet<_> = segments.flat_map(|at| [at, at + SEGMENT_HEADER_BYTES]).collect();
    let key = [b"s".as_slice(), STREAM.as_bytes()].concat();
    let entries = bytes
        .windows(key.len())
        .enumerate()
        .filter(|(_, window)| *window == key);
    // The key, the value behind its sequence, its content behind its header.
    boundaries.extend(entries.step_by(7).flat_map(|(at, _)| [at, at + 41, at + 41 + 14]));
    boundaries
}

fn small_files(whole: &Path) -> Vec<String> {
    let records = fs::read_dir(whole.join("records")).unwrap();
    let names = records.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name == "conf" || name.starts_with("snap."))
        .map(|name| format!("records/{name}"))
        .chain(["mark".to_owned(), "format".to_owned()])
        .collect()
}

#[test]
fn the_database_of_a_store_that_was_closed() {
    let place = place();
    let whole = place.path().join("whole");
    let store = SledStore::open(&whole, Options::default()).unwrap();
    let states = fill(&store);
    store.close().unwrap();
    damage_database(&whole, &states, "records/db");
}

#[test]
fn the_database_of_a_store_that_was_killed() {
    let place = place();
    let (running, whole) = (place.path().join("running"), place.path().join("whole"));
    let store = SledStore::open(&running, Options::default()).unwrap();
    let states = fill(&store);
    copy_folder(&running, &whole);
    damage_database(&whole, &states, "records/db");
}

/// sled has written a snapshot by then, and begins to read its log behind it.
fn fill_and_reopen(whole: &Path) -> Vec<State> {
    let store = SledStore::open(whole, Options::default()).unwrap();
    let states = fill(&store);
    store.close().unwrap();
    SledStore::open(whole, Options::default())
        .unwrap()
        .close()
        .unwrap();
    states
}

#[test]
fn the_database_of_a_store_that_was_opened_again() {
    let place = place();
    let whole = place.path().join("whole");
    let states = fill_and_reopen(&whole);
    damage_database(&whole, &states, "records/db");
}

#[test]
fn what_lies_beside_the_database() {
    let place = place();
    let whole = place.path().join("whole");
    let states = fill_and_reopen(&whole);
    let files = small_files(&whole);
    assert!(
        files.iter().any(|file| file.contains("snap.")) && files.len() == 4,
        "{files:?}"
    );
    for file in files {
        damage_database(&whole, &states, &file);
    }
}

#[test]
fn snapshots() {
    let place = place();
    let name = |generation| SnapshotName {
        key: [7; 32],
        generation,
    };
    let contents = [b"short".to_vec(), vec![3; 40_000]];
    let open = || FileSnapshots::open(place.path()).unwrap();
    for (generation, content) in (1..).zip(&contents) {
        open().put(name(generation), b"head", content).unwrap();
        let file = place.path().join(format!("{}.snap", name(generation)));
        let sound = fs::read(&file).unwrap();
        let fields = BTreeSet::from([8, 10, 42, 50, 52, 56, 64, sound.len() - 32]);
        let list = damages(&sound, &fields);
        for damage in &list {
            fs::write(&file, damage.apply(&sound)).unwrap();
            let found = open().read_expecting(name(generation), b"head");
            let unchanged = damage.apply(&sound) == sound;
            assert!(
                unchanged || matches!(found, Err(StoreError::Corrupt { .. })),
                "seed {}: {damage:?} of {} bytes: {found:?}",
                seed(),
                content.len()
            );
        }
        println!(
            "seed {}: snapshot of {} bytes: {} damages",
            seed(),
            content.len(),
            list.len()
        );
        fs::write(&file, sound).unwrap();
    }
}

#[test]
fn blobs_whole_and_partial() {
    let place = place();
    let (whole, folder) = (place.path().join("whole"), place.path().join("data"));
    let content = |size: usize, salt: u8| -> Vec<u8> { (0..size).map(|at| (at >> 3) as u8 ^ salt).collect() };
    let contents = [content(700, 1), content(70_000, 2), content(100_000, 3)];
    let blobs = FileBlobs::open(&whole).unwrap();
    let mut hashes = Vec::new();
    for bytes in &contents[..2] {
        hashes.push(blobs.import(&mut bytes.as_slice(), 1 << 20).unwrap().0);
    }
    let elsewhere = FileBlobs::open(place.path().join("elsewhere")).unwrap();
    hashes.push(elsewhere.import(&mut contents[2].as_slice(), 1 << 20).unwrap().0);
    blobs.begin(hashes[2], 100_000).unwrap();
    for group in [0, 1, 4] {
        let slice = elsewhere.encode(hashes[2], group..group + 1).unwrap();
        blobs.write(hashes[2], group..group + 1, &slice).unwrap();
    }
    let grace = Grace {
        now_ms: 5000,
        period_ms: 1000,
    };
    blobs
        .collect(&hashes[1..].iter().copied().collect(), grace)
        .unwrap();
    drop(blobs);

    let mut files: Vec<PathBuf> = fs::read_dir(&whole)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert_eq!(files.len(), 6, "{files:?}");
    for path in files {
        let sound = fs::read(&path).unwrap();
        let step = match path.extension().and_then(|kind| kind.to_str()) {
            Some("tree") => 64,
            Some(_) => GROUP_BYTES as usize,
            None => 40,
        };
        let list = damages(&sound, &(0..sound.len()).step_by(step).collect());
        for damage in &list {
            drop(fs::remove_dir_all(&folder));
            copy_folder(&whole, &folder);
            fs::write(folder.join(path.file_name().unwrap()), damage.apply(&sound)).unwrap();
            let blobs = FileBlobs::open(&folder).unwrap();
            for (hash, content) in hashes.iter().zip(&contents) {
                look_at_blob(&blobs, *hash, content);
                // What is verified is whole and right, or says which groups are missing; then those are served.
                let status = blobs.verify(*hash).unwrap();
                if let BlobStatus::Whole { .. } = status {
                    let mut read = Vec::new();
                    std::io::Read::read_to_end(&mut blobs.open(*hash).unwrap(), &mut read).unwrap();
                    assert!(read == *content, "{damage:?} of {path:?}");
                }
                look_at_blob(&blobs, *hash, content);
            }
            let collected = blobs
                .collect(
                    &BTreeSet::new(),
                    Grace {
                        now_ms: 5999,
                        ..grace
                    },
                )
                .unwrap();
            assert_eq!(
                collected.deleted, 0,
                "{damage:?} of {path:?}: nothing is collected early"
            );
        }
        println!("seed {}: {:?}: {} damages", seed(), path.extension(), list.len());
    }
}

/// What is served is what was asked for; a receiver with nothing but the hash can tell.
fn look_at_blob(blobs: &FileBlobs, hash: cuecard_store::BlobHash, content: &[u8]) {
    let size = content.len() as u64;
    let receiver = cuecard_store::MemoryBlobs::default();
    receiver.begin(hash, size).unwrap();
    for group in 0..group_count(size) {
        if let Ok(slice) = blobs.encode(hash, group..group + 1) {
            receiver.write(hash, group..group + 1, &slice).unwrap();
        }
    }
}
