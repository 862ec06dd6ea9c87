//! A power cut: of what was written since the last sync, the disk has any part, in any order.
//!
//! Before each sync the file of the database is compared with what the sync before brought to the disk, and images are
//! made in which every sector that differs is old or new by chance. Each must open and hold everything that was synced
//! before. The workload replaces and trims a lot, so that sled uses its segments again; and the interval between syncs
//! never ends, so that as much is written between two as the store allows.
//!
//! `CUECARD_SEED` sets another seed, `CUECARD_CUTS` how many syncs are looked at (15).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test speaks by panicking"
)]

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cuecard_store::{Batch, DiskSync, Durability, Options, SledStore, Store, StreamId};

const STREAM: StreamId = StreamId::from_bytes([1; 32]);
const SECTOR_BYTES: usize = 512;
/// Rarely, and at another moment of what sled does each time: between two, it uses its file again.
const EVERY: u64 = 17;
/// A store that syncs more rarely than that does not sync as it must.
const BATCHES_PER_CUT_MAX: u64 = 2000;
/// Records that stay.
const KEPT: u64 = 300;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// In memory where the system has such a place: hundreds of folders are opened, and the disk here is made of images.
fn place() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn content(number: u64) -> Vec<u8> {
    let length = if number.is_multiple_of(9) { 6000 } else { 700 };
    (0..length).map(|at: u64| (at ^ (number * 31)) as u8).collect()
}

/// Batch number `number`: a record, values that replace each other all over the tree, and now and then a trim.
fn batch(number: u64) -> Batch {
    let mut batch = Batch::new();
    batch.append(STREAM, number, content(number));
    for spread in 0..6 {
        let key = (number * 7 + spread * 131) % 400;
        batch.put(key.to_be_bytes().to_vec(), content(number + spread));
    }
    batch.put(b"length".to_vec(), (number + 1).to_be_bytes().to_vec());
    if number.is_multiple_of(10) {
        batch.trim_stream(STREAM, number.saturating_sub(KEPT));
    }
    batch
}

/// A disk whose power may be cut before any sync.
struct Disk {
    data: PathBuf,
    images: PathBuf,
    /// Batches before this one are written.
    written: Arc<AtomicU64>,
    /// Batches before this one are on the disk.
    synced: u64,
    on_disk: Vec<u8>,
    random: Random,
    every: u64,
    syncs: u64,
    found: Arc<Mutex<Found>>,
}

#[derive(Default)]
struct Found {
    cuts: u64,
    images: u64,
    reused: u64,
    failures: Vec<String>,
}

impl DiskSync for Disk {
    fn sync(&mut self, file: &File) -> io::Result<()> {
        let written = fs::read(self.data.join("records").join("db"))?;
        self.syncs += 1;
        if self.syncs.is_multiple_of(self.every) {
            // All of it lost, the later half lost, the earlier half lost, and any part.
            for kind in 0..5 {
                self.cut(&written, kind);
            }
            self.found.lock().unwrap().cuts += 1;
        }
        file.sync_data()?;
        self.on_disk = written;
        self.synced = self.written.load(Ordering::SeqCst);
        Ok(())
    }
}

impl Disk {
    fn cut(&mut self, written: &[u8], kind: u64) {
        let differing: Vec<_> = (0..written.len().div_ceil(SECTOR_BYTES))
            .filter(|sector| sector_of(written, *sector) != sector_of(&self.on_disk, *sector))
            .collect();
        // A sector that held something and holds something else now.
        let reused = differing
            .iter()
            .filter(|sector| sector_of(&self.on_disk, **sector).iter().any(|byte| *byte != 0))
            .count() as u64;
        let mut image = self.on_disk.clone();
        // The length of the file is part of what may not have arrived.
        if kind > 0 {
            image.resize(written.len(), 0);
        }
        for (at, sector) in differing.iter().enumerate() {
            let arrives = match kind {
                0 => false,
                1 => at < differing.len() / 2,
                2 => at >= differing.len() / 2,
                _ => self.random.next().is_multiple_of(2),
            };
            let range = sector * SECTOR_BYTES..((sector + 1) * SECTOR_BYTES).min(written.len());
            if arrives && let Some(place) = image.get_mut(range.clone()) {
                place.copy_from_slice(&written[range]);
            }
        }
        let folder = self.images.join("image");
        drop(fs::remove_dir_all(&folder));
        copy_folder(&self.data, &folder);
        fs::write(folder.join("records").join("db"), image).unwrap();
        let mut found = self.found.lock().unwrap();
        found.images += 1;
        found.reused += reused;
        if let Err(why) = look(&folder, self.synced) {
            let (sync, of) = (self.syncs, differing.len());
            found.failures.push(format!(
                "sync {sync}, kind {kind}, {of} sectors, {reused} used again: {why}"
            ));
        }
    }
}

fn sector_of(bytes: &[u8], sector: usize) -> &[u8] {
    let end = bytes.len().min((sector + 1) * SECTOR_BYTES);
    bytes.get(sector * SECTOR_BYTES..end).unwrap_or_default()
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

fn look(folder: &Path, synced: u64) -> Result<(), String> {
    let store = SledStore::open(folder, Options::default()).map_err(|error| error.to_string())?;
    if let Some(aside) = store.set_aside() {
        return Err(format!("taken for damage: {aside:?}"));
    }
    if store.lost_batches() > 0 {
        return Err(format!("{} batches are lost", store.lost_batches()));
    }
    let text = |error: cuecard_store::StoreError| error.to_string();
    let length = match store.get(b"length").map_err(text)? {
        Some(value) => u64::from_be_bytes(value.try_into().unwrap()),
        None => 0,
    };
    if length < synced {
        return Err(format!("{synced} were synced, {length} are there"));
    }
    let first = store.first(STREAM).map_err(text)?.unwrap_or(0);
    let records = store.read(STREAM, first, usize::MAX, usize::MAX).map_err(text)?;
    if first + records.len() as u64 != length || first > length.saturating_sub(KEPT).max(1) {
        return Err(format!(
            "records {first}..{} of {length}",
            first + records.len() as u64
        ));
    }
    if records.iter().any(|record| record.bytes != content(record.seq)) {
        return Err("a record is wrong".to_owned());
    }
    // Each value is that of the latest batch that set it.
    let mut values = std::collections::BTreeMap::new();
    for number in 0..length {
        for spread in 0..6 {
            values.insert((number * 7 + spread * 131) % 400, number + spread);
        }
    }
    for (key, number) in values {
        if store.get(&key.to_be_bytes()).map_err(text)? != Some(content(number)) {
            return Err(format!("value {key} is not that of batch {number}"));
        }
    }
    let report = store.check().map_err(text)?;
    report
        .is_sound()
        .then_some(())
        .ok_or_else(|| format!("{report:?}"))
}

#[test]
fn nothing_synced_is_lost_whatever_part_of_the_rest_arrives() {
    let (cuts, seed) = (setting("CUECARD_CUTS", 15), setting("CUECARD_SEED", 1));
    let place = place();
    let written = Arc::new(AtomicU64::new(0));
    let found = Arc::new(Mutex::new(Found::default()));
    let disk = Disk {
        data: place.path().join("data"),
        images: place.path().to_owned(),
        written: written.clone(),
        synced: 0,
        on_disk: Vec::new(),
        random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1)),
        every: EVERY,
        syncs: 0,
        found: found.clone(),
    };
    let options = Options::default().durability(Durability::Batched(Duration::from_secs(3600)));
    let store = SledStore::open_with(place.path().join("data"), options, Box::new(disk)).unwrap();
    let mut number = 0;
    while found.lock().unwrap().cuts < cuts && number < cuts * BATCHES_PER_CUT_MAX {
        store.commit(batch(number)).wait().unwrap();
        number += 1;
        written.store(number, Ordering::SeqCst);
    }
    store.close().unwrap();
    let found = found.lock().unwrap();
    println!(
        "seed {seed}: {number} batches, {} images of a power cut, {} sectors used again, {} failures",
        found.images,
        found.reused,
        found.failures.len()
    );
    assert!(
        found.cuts >= cuts,
        "{} syncs in {number} batches are too few",
        found.cuts
    );
    assert!(found.reused > 0, "sled must have used some of its file again");
    assert!(found.failures.is_empty(), "seed {seed}: {:#?}", found.failures);
}
