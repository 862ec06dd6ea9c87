//! Kills a process that writes, again and again, and looks for what it had acknowledged.
//!
//! The writer is this program, started by itself. It keeps several commits under way, takes blobs in and collects those that
//! nobody needs, makes snapshots and trims the log behind them, and says on its output what is done. After each kill the
//! store must open, hold everything acknowledged, and be without damage; the next writer goes on from there.
//!
//! A second writer syncs only now and then; what it loses must be younger than its interval.
//!
//! `CUECARD_KILLS=200 cargo test -p cuecard-store --test kill` is the long form, on a disk; without the variable there are 20
//! kills, in memory where the system has such a place. What a kill cannot show, a missing sync, is the subject of `trace`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test speaks by panicking"
)]

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cuecard_store::{
    Batch, BlobHash, BlobStatus, DiskSync, Durability, Grace, Options, SledStore, SnapshotName, Store,
    StreamId,
};

const STREAM: StreamId = StreamId::from_bytes([4; 32]);
const WRITER: &str = "as-writer";
const BATCHED: &str = "as-batched-writer";
const KILLS: u64 = 20;
const UNDER_WAY: usize = 4;
/// A snapshot after as many records.
const SNAPSHOT_EVERY: u64 = 37;
const INTERVAL: Duration = Duration::from_millis(50);
/// How much later than its interval a sync may come on a machine that does a lot else. A store that forgets to sync is
/// found by far more than that.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let folder = |how: &str| {
        let at = arguments.iter().position(|argument| argument == how)?;
        arguments.get(at + 1).map(Path::new)
    };
    if let Some(folder) = folder(WRITER) {
        write_until_killed(folder);
    } else if let Some(folder) = folder(BATCHED) {
        write_now_and_then_until_killed(folder);
    } else if arguments.iter().any(|argument| argument == "--list") {
        // Test runners list tests before they run them.
        println!("kill: test");
    } else {
        let kills = std::env::var("CUECARD_KILLS").map(|text| text.parse().unwrap());
        let memory = Path::new("/dev/shm");
        let place = || match memory.is_dir() && kills.is_err() {
            true => tempfile::tempdir_in(memory).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        let kills = kills.as_ref().map_or(KILLS, |kills| *kills);
        nothing_acknowledged_is_gone_after_a_kill(place().path(), kills);
        what_is_lost_of_batched_commits_is_younger_than_the_interval(place().path(), kills.div_ceil(2));
    }
}

fn content(seq: u64) -> Vec<u8> {
    let length = (seq * 7919) % 9000;
    (0..length).map(|at| (at ^ seq) as u8).collect()
}

/// A record that has a blob beside it.
fn has_blob(seq: u64) -> bool {
    seq.is_multiple_of(5)
}

fn snapshot(generation: u64) -> SnapshotName {
    SnapshotName {
        key: [9; 32],
        generation,
    }
}

/// What a snapshot of the records before `first` holds: a chain of their hashes.
fn chain(first: u64) -> Vec<u8> {
    (0..first).fold(Vec::new(), |before, seq| {
        let link = [before, content(seq)].concat();
        BlobHash::of(&link).as_bytes().to_vec()
    })
}

/// The latest snapshot: its generation, and the first record behind it.
fn latest(store: &SledStore) -> (u64, u64) {
    let value = store.get(b"snapshot").unwrap();
    value.map_or((0, 0), |value| {
        let (generation, first) = value.split_at(8);
        let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
        (number(generation), number(first))
    })
}

fn length(store: &SledStore) -> u64 {
    let value = store.get(b"length").unwrap();
    value.map_or(0, |value| u64::from_be_bytes(value.try_into().unwrap()))
}

fn record(seq: u64) -> Batch {
    let mut batch = Batch::new();
    batch.append(STREAM, seq, content(seq));
    batch.put(b"length".to_vec(), (seq + 1).to_be_bytes().to_vec());
    batch
}

fn say(what: &str) {
    let mut output = io::stdout().lock();
    // A line and its end at once: what is cut short has no end.
    output.write_all(format!("{what}\n").as_bytes()).unwrap();
    output.flush().unwrap();
}

fn write_until_killed(folder: &Path) {
    let store = SledStore::open(folder, Options::default()).unwrap();
    let mut under_way = VecDeque::new();
    let mut live: BTreeSet<_> = (0..length(&store))
        .filter(|seq| has_blob(*seq))
        .map(|seq| BlobHash::of(&content(seq)))
        .collect();
    for seq in length(&store).. {
        if has_blob(seq) {
            // The blob is durable before the record that refers to it.
            let (hash, _) = store.blobs().import(&mut content(seq).as_slice(), 9000).unwrap();
            live.insert(hash);
            say(&format!("blob {seq}"));
        }
        under_way.push_back((seq, store.commit(record(seq))));
        if under_way.len() >= UNDER_WAY
            && let Some((seq, saved)) = under_way.pop_front()
        {
            saved.wait().unwrap();
            say(&format!("record {seq}"));
        }
        if seq % SNAPSHOT_EVERY == SNAPSHOT_EVERY - 1 {
            compact(&store, seq);
        }
        if seq % 23 == 0 {
            let garbage = vec![seq as u8; 20_000 + seq as usize];
            store.blobs().import(&mut garbage.as_slice(), 1 << 20).unwrap();
            let grace = Grace {
                now_ms: seq,
                period_ms: 40,
            };
            store.blobs().collect(&live, grace).unwrap();
        }
    }
}

/// As an engine does it: the new snapshot first, then what refers to it, and the log stays from the snapshot before on.
fn compact(store: &SledStore, first: u64) {
    let (generation, trimmed_to) = latest(store);
    let generation = generation + 1;
    let expectation = first.to_be_bytes();
    store
        .snapshots()
        .put(snapshot(generation), &expectation, &chain(first))
        .unwrap();
    let mut batch = Batch::new();
    batch.put(
        b"snapshot".to_vec(),
        [generation.to_be_bytes(), expectation].concat(),
    );
    batch.trim_stream(STREAM, trimmed_to);
    store.commit(batch).wait().unwrap();
    say(&format!("snapshot {generation}"));
    if let Some(old) = generation.checked_sub(2) {
        store.snapshots().delete(snapshot(old)).unwrap();
    }
}

/// Everything that was acknowledged so far.
#[derive(Default)]
struct Acknowledged {
    records: u64,
    blobs: BTreeSet<u64>,
    snapshots: u64,
}

impl Acknowledged {
    fn take(&mut self, line: &str) {
        let (what, number) = line.split_once(' ').unwrap();
        let number: u64 = number.parse().unwrap();
        match what {
            "record" => self.records = number + 1,
            "blob" => drop(self.blobs.insert(number)),
            "snapshot" => self.snapshots = number,
            _ => panic!("the writer said {line:?}"),
        }
    }
}

fn start(how: &str, folder: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .arg(how)
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(writer.stdout.take().unwrap()).lines();
    (writer, output)
}

/// Kills at another moment of what it does next, and answers what it had said before it died.
fn kill(mut writer: Child, output: Lines<BufReader<ChildStdout>>, round: u64) -> Vec<String> {
    let until = Instant::now() + Duration::from_micros(round * 277 % 3000);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    // A number cut short would be a smaller one, which claims less; a word cut short is none of ours.
    output
        .map_while(Result::ok)
        .filter(|line| {
            let words: Vec<_> = line.split(' ').collect();
            words.len() == 2 && !words[1].is_empty()
        })
        .collect()
}

fn nothing_acknowledged_is_gone_after_a_kill(folder: &Path, kills: u64) {
    let mut acknowledged = Acknowledged::default();
    for round in 1..=kills {
        let (writer, mut output) = start(WRITER, folder);
        // Another moment each round: at once, or after up to some hundred answers.
        for _ in 0..(round * round * 13) % 160 {
            acknowledged.take(&output.next().unwrap().unwrap());
        }
        for line in kill(writer, output, round) {
            acknowledged.take(&line);
        }
        look_for(folder, &acknowledged, round);
    }
    println!(
        "{kills} kills: {} records, {} blobs, {} snapshots acknowledged, none gone",
        acknowledged.records,
        acknowledged.blobs.len(),
        acknowledged.snapshots
    );
    assert!(
        acknowledged.records > 100 && acknowledged.blobs.len() > 20 && acknowledged.snapshots > 2,
        "the writers must have written"
    );
}

fn look_for(folder: &Path, acknowledged: &Acknowledged, round: u64) {
    let store = SledStore::open(folder, Options::default()).unwrap();
    assert_eq!(store.set_aside(), None, "round {round}: a kill is no damage");
    assert_eq!(store.lost_batches(), 0, "round {round}: nor a loss");
    let (kept, (generation, first)) = (length(&store), latest(&store));
    assert!(
        kept >= acknowledged.records && generation >= acknowledged.snapshots,
        "round {round}: {} records acknowledged, {kept} kept; snapshot {} acknowledged, {generation} kept",
        acknowledged.records,
        acknowledged.snapshots
    );
    // The latest snapshot and the one before, and the log from there on.
    let mut log_from = 0;
    if generation > 0 {
        let latest = store
            .snapshots()
            .read_expecting(snapshot(generation), &first.to_be_bytes());
        assert!(latest.unwrap().unwrap() == chain(first), "round {round}");
    }
    if generation > 1 {
        let before = store.snapshots().read(snapshot(generation - 1)).unwrap().unwrap();
        log_from = u64::from_be_bytes(before.expectation.try_into().unwrap());
        assert!(before.content == chain(log_from), "round {round}");
    }
    assert_eq!(
        store.first(STREAM).unwrap().unwrap_or(0),
        log_from,
        "round {round}"
    );
    let records = store.read(STREAM, log_from, usize::MAX, usize::MAX).unwrap();
    assert_eq!(
        log_from + records.len() as u64,
        kept,
        "round {round}: a batch is whole or not there"
    );
    assert!(
        records.iter().all(|record| record.bytes == content(record.seq)),
        "round {round}"
    );
    let report = store.check().unwrap();
    assert!(
        report.is_sound() && report.records == records.len() as u64,
        "round {round}: {report:?}"
    );
    for seq in acknowledged
        .blobs
        .iter()
        .copied()
        .chain((0..kept).filter(|seq| has_blob(*seq)))
    {
        let status = store.blobs().status(BlobHash::of(&content(seq))).unwrap();
        assert!(
            matches!(status, BlobStatus::Whole { .. }),
            "round {round}: the blob of {seq} is gone"
        );
    }
    store.close().unwrap();
}

/// Says how many of the acknowledged records each sync has covered.
struct Telling {
    acknowledged: Arc<AtomicU64>,
}

impl DiskSync for Telling {
    fn sync(&mut self, file: &File) -> io::Result<()> {
        // This is the thread that applies: what was acknowledged by now was written before this sync.
        let covered = self.acknowledged.load(Ordering::SeqCst);
        file.sync_data()?;
        say(&format!("synced {covered}"));
        Ok(())
    }
}

fn write_now_and_then_until_killed(folder: &Path) {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let telling = Telling {
        acknowledged: acknowledged.clone(),
    };
    let options = Options::default().durability(Durability::Batched(INTERVAL));
    let store = SledStore::open_with(folder, options, Box::new(telling)).unwrap();
    acknowledged.store(length(&store), Ordering::SeqCst);
    for seq in length(&store).. {
        store.commit(record(seq)).wait().unwrap();
        acknowledged.store(seq + 1, Ordering::SeqCst);
        say(&format!("record {seq}"));
    }
}

fn what_is_lost_of_batched_commits_is_younger_than_the_interval(folder: &Path, kills: u64) {
    let (mut lost_total, mut oldest, mut syncs) = (0, Duration::ZERO, 0_u64);
    for round in 1..=kills {
        let (writer, mut output) = start(BATCHED, folder);
        // When each record was acknowledged, as far as this process can know: later than it was.
        let mut acknowledged = Vec::new();
        let mut synced = 0;
        let mut take = |line: &str, now| {
            let (what, number) = line.split_once(' ').unwrap();
            let number: u64 = number.parse().unwrap();
            match what {
                "record" => acknowledged.push((number, now)),
                "synced" => {
                    synced = number;
                    syncs += 1;
                }
                _ => panic!("the writer said {line:?}"),
            }
        };
        for _ in 0..100 + (round * round * 37) % 300 {
            take(&output.next().unwrap().unwrap(), Instant::now());
        }
        let left = kill(writer, output, round);
        let killed = Instant::now();
        left.iter().for_each(|line| take(line, killed));

        let store = SledStore::open(folder, Options::default()).unwrap();
        let kept = length(&store);
        let records = store.read(STREAM, 0, usize::MAX, usize::MAX).unwrap();
        assert_eq!(
            records.len() as u64,
            kept,
            "round {round}: what is left is a whole beginning"
        );
        assert!(
            records.iter().all(|record| record.bytes == content(record.seq)),
            "round {round}"
        );
        assert!(
            kept >= synced,
            "round {round}: {synced} were synced, {kept} are kept"
        );
        assert!(store.check().unwrap().is_sound(), "round {round}");
        let lost: Vec<_> = acknowledged.iter().filter(|(seq, _)| *seq >= kept).collect();
        lost_total += lost.len();
        if let Some((seq, then)) = lost.first() {
            let age = killed.duration_since(*then);
            oldest = oldest.max(age);
            assert!(
                age < INTERVAL + PATIENCE,
                "round {round}: record {seq} was lost {age:?} after it was acknowledged"
            );
        }
        store.close().unwrap();
    }
    println!(
        "{kills} kills with {INTERVAL:?} between syncs: {syncs} syncs told, {lost_total} acknowledged records lost, the oldest {oldest:?} old"
    );
    assert!(syncs > 0, "it must sync by itself");
}
