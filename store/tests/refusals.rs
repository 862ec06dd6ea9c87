//! A folder in use, a full disk, a folder that may not be written: each is told by an error of its own that says what to do,
//! nothing that was acknowledged is lost, and what was half written is not left behind.
//!
//! The limits are those of the operating system, set for a child: this program, started by itself.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test speaks by panicking"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use cuecard_store::{
    Batch, BlobError, BlobHash, BlobStatus, Options, SledStore, SnapshotName, Store, StoreError, StreamId,
};

const STREAM: StreamId = StreamId::from_bytes([4; 32]);
const CHILD: &str = "as-child";

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == CHILD) {
        Some(at) => match &arguments[at + 1..] {
            [how, folder] => be_child(how, Path::new(folder)),
            other => panic!("as a child I need what to do and a folder, not {other:?}"),
        },
        // Test runners list tests before they run them.
        None if arguments.iter().any(|argument| argument == "--list") => println!("refusals: test"),
        None => {
            a_folder_in_use_is_told_to_another_process();
            if cfg!(unix) {
                a_full_disk_is_told_and_costs_nothing_acknowledged();
                a_disk_that_is_full_when_opening_is_told_and_harmless();
                a_folder_that_may_not_be_written_is_told();
            }
            println!("refusals: all good");
        }
    }
}

fn be_child(how: &str, folder: &Path) {
    match how {
        "in use" => {
            let error = SledStore::open(folder, Options::default()).unwrap_err();
            assert!(matches!(error, StoreError::InUse { .. }), "{error:?}");
            says(&error, &["in use", "another folder"]);
        }
        "fill" => fill(folder),
        "open" => match SledStore::open(folder, Options::default()) {
            Err(error) => {
                assert!(matches!(error, StoreError::NoSpace { .. }), "{error:?}");
                says(&error, &["no room", "free some space"]);
                let repairs = folder.join("records.copy").exists();
                assert!(!repairs, "that is no damage, and nothing to be repaired");
            }
            Ok(store) => {
                let saved = store.commit(record(1_000_000, 3_000_000)).wait();
                let error = saved.unwrap_err();
                assert!(matches!(error, StoreError::NoSpace { .. }), "{error:?}");
            }
        },
        "not allowed" => {
            let error = SledStore::open(folder, Options::default()).unwrap_err();
            assert!(matches!(error, StoreError::NotAllowed { .. }), "{error:?}");
            says(&error, &["not allowed", "read and write the folder"]);
        }
        other => panic!("I do not know {other:?}"),
    }
}

fn says(error: &dyn std::error::Error, words: &[&str]) {
    let text = error.to_string();
    println!("  {text}");
    for word in words {
        assert!(text.contains(word), "{text:?} does not say {word:?}");
    }
}

fn record(seq: u64, bytes: usize) -> Batch {
    let mut batch = Batch::new();
    batch.append(STREAM, seq, vec![seq as u8; bytes]);
    batch
}

fn snapshot(generation: u64) -> SnapshotName {
    SnapshotName {
        key: [1; 32],
        generation,
    }
}

/// Writes until there is no room, and tells how many records were acknowledged.
fn fill(folder: &Path) {
    let store = SledStore::open(folder, Options::default()).unwrap();
    store.snapshots().put(snapshot(1), b"head", b"small").unwrap();

    let large = vec![7; 4_000_000];
    let error = store.snapshots().put(snapshot(2), b"head", &large).unwrap_err();
    assert!(matches!(error, StoreError::NoSpace { .. }), "{error:?}");
    says(&error, &["no room", "snapshot"]);
    let error = store.snapshots().put(snapshot(1), b"head", &large).unwrap_err();
    assert!(matches!(error, StoreError::NoSpace { .. }), "{error:?}");
    let kept = store.snapshots().read_expecting(snapshot(1), b"head").unwrap();
    assert_eq!(kept.unwrap(), b"small", "the one before stays");

    let error = store
        .blobs()
        .import(&mut large.as_slice(), 5_000_000)
        .unwrap_err();
    assert!(matches!(error, BlobError::NoSpace { .. }), "{error:?}");
    says(&error, &["no room", "free some space"]);
    let absent = store.blobs().status(BlobHash::of(&large)).unwrap();
    assert_eq!(absent, BlobStatus::Absent);
    for left in ["blobs", "snapshots"] {
        let names: Vec<_> = fs::read_dir(folder.join(left))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".tmp"))
            .collect();
        assert!(names.is_empty(), "{names:?} take up room");
    }

    for seq in 0.. {
        let Err(error) = store.commit(record(seq, 50_000)).wait() else {
            fs::write(folder.with_extension("acknowledged"), format!("{}", seq + 1)).unwrap();
            continue;
        };
        assert!(matches!(error, StoreError::NoSpace { .. }), "{error:?}");
        says(&error, &["no room", "free some space"]);
        break;
    }
    let later = store.commit(record(0, 1)).wait();
    assert!(
        matches!(&later, Err(StoreError::Stopped { why }) if why.contains("no room")),
        "{later:?}"
    );
    assert!(store.close().is_err(), "closing does not hide it");
}

/// This program as a child, started by a shell line that ends in `exec "$0" "$@"`.
fn child(shell: &str, how: &str, folder: &Path) -> bool {
    // Through pipes: a limit on files would hold for what is said, too.
    let output = Command::new("sh")
        .args(["-c", shell])
        .arg(std::env::current_exe().unwrap())
        .args([CHILD, how])
        .arg(folder)
        .output()
        .unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.success()
}

fn a_folder_in_use_is_told_to_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    let other = || {
        Command::new(std::env::current_exe().unwrap())
            .args([CHILD, "in use"])
            .arg(folder.path())
            .status()
            .unwrap()
    };
    assert!(other().success());
    store.commit(record(0, 10)).wait().unwrap();
    assert!(
        store.check().unwrap().is_sound(),
        "and the first is not disturbed"
    );
}

/// Blocks of 512 bytes: 2 MB a file. The signal that comes with the limit must not end the child.
const TWO_MEGABYTES: &str = "trap '' XFSZ; ulimit -f 4000; exec \"$0\" \"$@\"";

fn a_full_disk_is_told_and_costs_nothing_acknowledged() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("data");
    assert!(child(TWO_MEGABYTES, "fill", &folder));
    let acknowledged = fs::read_to_string(folder.with_extension("acknowledged")).unwrap();
    let acknowledged: u64 = acknowledged.parse().unwrap();
    // Room again.
    let store = SledStore::open(&folder, Options::default()).unwrap();
    let kept = store.read(STREAM, 0, usize::MAX, usize::MAX).unwrap();
    println!("  {acknowledged} acknowledged, {} kept", kept.len());
    assert!(acknowledged > 0 && kept.len() as u64 >= acknowledged);
    assert!(
        kept.iter()
            .all(|record| record.bytes == vec![record.seq as u8; 50_000])
    );
    assert_eq!((store.lost_batches(), store.set_aside()), (0, None));
    let report = store.check().unwrap();
    assert!(report.is_sound() && report.snapshots == 1, "{report:?}");
    let next = kept.len() as u64;
    store.commit(record(next, 50_000)).wait().unwrap();
}

fn a_disk_that_is_full_when_opening_is_told_and_harmless() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("data");
    let none = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    assert!(child(none, "open", &folder), "a folder that is new");
    let store = SledStore::open(&folder, Options::default()).unwrap();
    for seq in 0..20 {
        store.commit(record(seq, 5000)).wait().unwrap();
    }
    store.close().unwrap();
    assert!(child(none, "open", &folder), "a folder that is in use");
    let store = SledStore::open(&folder, Options::default()).unwrap();
    assert_eq!(store.read(STREAM, 0, usize::MAX, usize::MAX).unwrap().len(), 20);
    assert!(store.check().unwrap().is_sound());
    assert_eq!((store.lost_batches(), store.set_aside()), (0, None));
}

#[cfg(not(unix))]
fn a_folder_that_may_not_be_written_is_told() {}

#[cfg(unix)]
fn a_folder_that_may_not_be_written_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(place.path(), 0o755);
    let (new, used) = (place.path().join("new"), place.path().join("used"));
    fs::create_dir(&new).unwrap();
    set(&new, 0o555);
    SledStore::open(&used, Options::default())
        .unwrap()
        .commit(record(0, 10))
        .wait()
        .unwrap();
    set(&used, 0o555);
    // Root may write everywhere: then as somebody else, from a copy that somebody else can start.
    let is_root = fs::write(new.join("tried"), "").is_ok();
    let program = place.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for (folder, what) in [(&new, "new"), (&used, "used")] {
        let mut child = if is_root {
            let mut child = Command::new("setpriv");
            child.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
            child.arg(&program);
            child
        } else {
            Command::new(&program)
        };
        let status = child.args([CHILD, "not allowed"]).arg(folder).status();
        let status =
            status.unwrap_or_else(|error| panic!("setpriv, to become somebody who may not write: {error}"));
        assert!(status.success(), "a folder that is {what}");
    }
    set(&used, 0o755);
    set(&new, 0o755);
    let store = SledStore::open(&used, Options::default()).unwrap();
    assert_eq!(store.read(STREAM, 0, 10, 10).unwrap().len(), 1);
}
