//! What a kill cannot show, because the page cache survives it: that the disk was told to keep what is acknowledged.
//!
//! The writer is this program, started by itself under `strace`. It acknowledges on its output, and the list of its
//! system calls has to show, for each acknowledgement, a sync that succeeded behind the write it covers and before
//! the acknowledgement itself. Then the syncs are taken out, and the same rules must say so.
//!
//! Without `strace` nothing can be shown: the test says so, and fails if `CUECARD_REQUIRE_STRACE=1` is set.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test speaks by panicking"
)]

mod calls;
mod rules;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use cuecard_store::{
    Batch, DiskSync, Durability, MemoryStore, Options, SledStore, SnapshotName, Store, StreamId, SystemSync,
};

use calls::Call;

const STREAM: StreamId = StreamId::from_bytes([4; 32]);
const WRITER: &str = "as-writer";

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == WRITER) {
        Some(at) => match &arguments[at + 1..] {
            [folder, how] => write(Path::new(folder), how),
            other => panic!("as a writer I need a folder and how to write, not {other:?}"),
        },
        // Test runners list tests before they run them.
        None if arguments.iter().any(|argument| argument == "--list") => println!("trace: test"),
        None if can_trace() => {
            each_acknowledgement_is_behind_a_sync();
            a_store_that_does_not_sync_is_caught();
            every_sync_of_files_is_needed();
            println!("trace: all good");
        }
        None => {
            let skipped = "strace is not here or may not trace: that every acknowledgement is behind a sync was NOT tested";
            assert!(
                std::env::var_os("CUECARD_REQUIRE_STRACE").is_none_or(|value| value == "0"),
                "{skipped}; install strace"
            );
            println!("SKIPPED: {skipped}");
        }
    }
}

/// A disk that keeps nothing. Only here: no option of the store takes its syncs out.
struct NoSync;

impl DiskSync for NoSync {
    fn sync(&mut self, _file: &File) -> io::Result<()> {
        Ok(())
    }
}

/// Content whose both ends can be found again in what is written.
fn record(seq: u64) -> Vec<u8> {
    let filling = (seq as usize * 1237) % 9000;
    let mut bytes = rules::first_mark(seq).into_bytes();
    bytes.extend((0..filling).map(|at| b'a' + (at % 26) as u8));
    bytes.extend(rules::last_mark(seq).into_bytes());
    bytes
}

fn say(what: &str) {
    let mut output = io::stdout().lock();
    // One call each, so that each is seen as one.
    output.write_all(format!("{what}\n").as_bytes()).unwrap();
    output.flush().unwrap();
}

fn write(folder: &Path, how: &str) {
    let disk: Box<dyn DiskSync> = match how {
        "without sync" => Box::new(NoSync),
        _ => Box::new(SystemSync),
    };
    let durability = match how {
        "batched" => Durability::Batched(Duration::from_secs(600)),
        _ => Durability::Immediate,
    };
    let store = SledStore::open_with(folder, Options::default().durability(durability), disk).unwrap();
    let commit = |seq| {
        let mut batch = Batch::new();
        batch.append(STREAM, seq, record(seq));
        batch.put(b"head".to_vec(), record(seq));
        store.commit(batch)
    };
    // One by one, then several at once, which share syncs.
    for seq in 0..12 {
        commit(seq).wait().unwrap();
        say(&format!("record {seq}"));
    }
    for first in (12..60).step_by(6) {
        let together: Vec<_> = (first..first + 6).map(|seq| (seq, commit(seq))).collect();
        for (seq, saved) in together {
            saved.wait().unwrap();
            say(&format!("record {seq}"));
        }
    }
    store.close().unwrap();
    say("closed 60");
    let store = SledStore::open(folder, Options::default()).unwrap();

    for size in [1, 16_384, 16_385, 200_000] {
        let content = vec![7; size];
        let (hash, _) = store
            .blobs()
            .import(&mut content.as_slice(), size as u64)
            .unwrap();
        say(&format!("blob {hash} {size}"));
    }
    for size in [100, 70_000] {
        let elsewhere = MemoryStore::new();
        let content = vec![9; size];
        let (hash, size) = elsewhere
            .blobs()
            .import(&mut content.as_slice(), size as u64)
            .unwrap();
        store.blobs().begin(hash, size).unwrap();
        let groups = cuecard_store::group_count(size);
        for group in 0..groups {
            let slice = elsewhere.blobs().encode(hash, group..group + 1).unwrap();
            store.blobs().write(hash, group..group + 1, &slice).unwrap();
        }
        say(&format!("blob {hash} {size}"));
    }
    for generation in 1..=3 {
        let name = SnapshotName {
            key: [6; 32],
            generation,
        };
        store.snapshots().put(name, b"head", &vec![1; 30_000]).unwrap();
        say(&format!("snapshot {name}"));
    }
    store.close().unwrap();
}

fn strace() -> Command {
    let mut strace = Command::new("strace");
    // Paths beside descriptors, and all that is written, so that each record can be found in it.
    strace.args(["-f", "-y", "-qq", "-s", "1000000", "-e"]);
    strace.arg("trace=write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,renameat2");
    strace
}

fn can_trace() -> bool {
    let tried = strace()
        .arg("true")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

/// The system calls of a writer, and where it wrote.
fn trace(how: &str) -> (Vec<Call>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("calls");
    let status = strace()
        .arg("-o")
        .arg(&list)
        .arg(std::env::current_exe().unwrap())
        .arg(WRITER)
        .arg(data(&folder))
        .arg(how)
        // A file: what is said must be seen as a write like any other.
        .stdout(File::create(folder.path().join("said")).unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "the writer ended with {status}");
    let calls = calls::parse(&String::from_utf8_lossy(&fs::read(list).unwrap()));
    (calls, folder)
}

fn data(folder: &tempfile::TempDir) -> std::path::PathBuf {
    folder.path().canonicalize().unwrap().join("data")
}

fn each_acknowledgement_is_behind_a_sync() {
    let (calls, folder) = trace("immediate");
    let counted = rules::check(&calls, &data(&folder)).unwrap();
    println!("immediate: {} system calls, {counted:?}", calls.len());
    assert_eq!((counted.records, counted.blobs, counted.snapshots), (60, 6, 3));

    // Commits of a store that syncs now and then are acknowledged before; closing is not.
    let (calls, folder) = trace("batched");
    let broken = rules::check(&calls, &data(&folder)).unwrap_err();
    assert!(broken.starts_with("record 0"), "{broken}");
    let closing: Vec<_> = calls.into_iter().filter(|call| !call.is_said("record")).collect();
    let counted = rules::check(&closing, &data(&folder)).unwrap();
    assert_eq!((counted.records, counted.closed), (0, 1));
}

fn a_store_that_does_not_sync_is_caught() {
    let (calls, folder) = trace("without sync");
    let broken = rules::check(&calls, &data(&folder)).unwrap_err();
    println!("without sync: {broken}");
    assert!(broken.starts_with("record 0"), "{broken}");
    // Nor does closing, with the acknowledgements before it left out, and the sync sled makes of its own when it goes.
    let closing: Vec<_> = calls
        .into_iter()
        .filter(|call| !(call.is_said("record") || call.is_sync() && call.path().ends_with("/db")))
        .collect();
    let broken = rules::check(&closing, &data(&folder)).unwrap_err();
    assert!(broken.starts_with("closed"), "{broken}");
}

/// Leaves out one kind of sync at a time from what a sound writer did: each must be missed.
fn every_sync_of_files_is_needed() {
    let (calls, folder) = trace("immediate");
    let data = data(&folder);
    let above = data.parent().unwrap();
    let path = |inner: &str| data.join(inner).to_string_lossy().into_owned();
    let (blobs, snapshots, records) = (path("blobs"), path("snapshots"), path("records"));
    type Kind<'k> = (&'k str, &'k dyn Fn(&Call) -> bool);
    let kinds: [Kind<'_>; 8] = [
        ("of the database", &|call| call.path() == path("records/db")),
        ("of the folder of the database", &|call| call.path() == records),
        ("of the folder above", &|call| {
            call.path() == above.to_string_lossy()
        }),
        ("of the data folder", &|call| {
            call.path() == data.to_string_lossy()
        }),
        ("of blobs on their way", &|call| {
            call.path().starts_with(&blobs)
                && (call.path().ends_with(".tmp") || call.path().ends_with(".part"))
        }),
        ("of trees", &|call| {
            call.path().starts_with(&blobs) && call.path().ends_with(".tree")
        }),
        ("of the folder of blobs", &|call| call.path() == blobs),
        ("of the folder of snapshots", &|call| call.path() == snapshots),
    ];
    for (what, is_left_out) in kinds {
        let left: Vec<_> = calls
            .iter()
            .filter(|call| !(call.is_sync() && is_left_out(call)))
            .cloned()
            .collect();
        assert!(left.len() < calls.len(), "there are no syncs {what}");
        match rules::check(&left, &data) {
            Ok(counted) => panic!("without syncs {what} it still passes: {counted:?}"),
            Err(broken) => println!("without syncs {what}: {broken}"),
        }
    }
}
