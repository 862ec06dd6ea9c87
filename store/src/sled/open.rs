//! Opens a folder: alone, whatever a crash left in it, and if need be from a copy.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::mark::Mark;
use super::read;
use crate::{FileBlobs, FileSnapshots, StoreError, disk};

const LOCK: &str = "lock";
const FORMAT: &str = "format";
const RECORDS: &str = "records";
const COPY: &str = "records.copy";
const ASIDE: &str = "records.damaged";
const MARK: &str = "mark";
const SNAPSHOTS: &str = "snapshots";
const BLOBS: &str = "blobs";

/// What this version writes and reads. Encryption at rest will be the second line's other value.
const FORMAT_TEXT: &str = "cuecard-store 1\nencryption none\n";
/// A format file longer than this is none of ours.
const FORMAT_BYTES_MAX: u64 = 4096;

/// sled lets go of its file a moment after it is dropped, when its last background job ends. We hold our own
/// lock by then, so this only ever waits for this process.
const RELEASE_TRIES: u32 = 200;
const RELEASE_PAUSE: Duration = Duration::from_millis(10);

pub(super) struct Opened {
    pub(super) folder: PathBuf,
    pub(super) db: ::sled::Db,
    /// A descriptor of our own on sled's file, to sync it.
    pub(super) file: File,
    pub(super) blobs: FileBlobs,
    pub(super) snapshots: FileSnapshots,
    pub(super) lock: File,
    pub(super) set_aside: Option<PathBuf>,
    /// How many batches are in the database.
    pub(super) count: u64,
    /// How many were, by the mark.
    pub(super) noted: u64,
    pub(super) mark: Mark,
}

pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<Opened, StoreError> {
    let doing = |doing: &'static str| move |source| StoreError::io(format!("{doing} in {folder:?}"), source);
    disk::create_folder(folder).map_err(doing("make the folder"))?;
    // sled resolves its path anew now and then: the working directory must not matter.
    let folder = &folder.canonicalize().map_err(doing("find the folder"))?;
    let lock = take_lock(folder)?;
    check_format(folder)?;
    finish_exchange(folder).map_err(doing("finish an earlier repair"))?;
    let (db, set_aside) = open_or_repair(folder, cache_bytes)?;
    let file = sync_new_files(&folder.join(RECORDS)).map_err(doing("sync the database"))?;
    let (noted, mark) = Mark::open(&folder.join(MARK)).map_err(doing("open the mark"))?;
    disk::sync_folder(folder).map_err(doing("sync the folder"))?;
    let count = catch_unwind(AssertUnwindSafe(|| read::count(&db))).unwrap_or_else(|_| {
        Err(StoreError::Corrupt {
            what: format!("the database in {folder:?}"),
        })
    })?;
    let snapshots = FileSnapshots::open(folder.join(SNAPSHOTS))?;
    let blobs = FileBlobs::open(folder.join(BLOBS))?;
    Ok(Opened {
        folder: folder.clone(),
        db,
        file,
        blobs,
        snapshots,
        lock,
        set_aside,
        count,
        noted,
        mark,
    })
}

fn take_lock(folder: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options
        .open(folder.join(LOCK))
        .map_err(|source| StoreError::io(format!("make the lock file in {folder:?}"), source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(source)) => {
            Err(StoreError::io(format!("lock the folder {folder:?}"), source))
        }
    }
}

fn check_format(folder: &Path) -> Result<(), StoreError> {
    let path = folder.join(FORMAT);
    let failed = |source| StoreError::io(format!("read or write {path:?}"), source);
    match fs::metadata(&path) {
        Ok(found) if found.len() > FORMAT_BYTES_MAX => {}
        Ok(_) if fs::read(&path).map_err(failed)? == FORMAT_TEXT.as_bytes() => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let temporary = folder.join(format!("{FORMAT}.tmp"));
            disk::write_file(&temporary, &path, FORMAT_TEXT.as_bytes()).map_err(failed)?;
            return disk::sync_folder(folder).map_err(failed);
        }
        Err(error) => return Err(failed(error)),
    }
    Err(StoreError::Format {
        what: format!("{folder:?}"),
    })
}

/// An exchange of the database for its copy has two renames; a crash may have come between or before them.
fn finish_exchange(folder: &Path) -> io::Result<()> {
    let (records, copy) = (folder.join(RECORDS), folder.join(COPY));
    match (records.exists(), copy.exists()) {
        // The copy was whole and had been opened before the original lost its name.
        (false, true) => fs::rename(copy, records).and_then(|()| disk::sync_folder(folder)),
        (true, true) => fs::remove_dir_all(copy),
        (_, false) => Ok(()),
    }
}

fn open_or_repair(folder: &Path, cache_bytes: u64) -> Result<(::sled::Db, Option<PathBuf>), StoreError> {
    let records = folder.join(RECORDS);
    let why = match try_open(&records, cache_bytes) {
        Ok(db) => return Ok((db, None)),
        Err(Refusal::InUse) => {
            return Err(StoreError::InUse {
                folder: folder.to_owned(),
            });
        }
        Err(Refusal::NoSpaceOrRights(source)) => return Err(StoreError::io("open the database", source)),
        Err(Refusal::Damaged(why)) => why,
    };
    tracing::warn!(
        why,
        ?folder,
        "the database cannot be opened; trying a copy of its log alone"
    );
    let damaged = |why: &str| StoreError::Damaged {
        folder: folder.to_owned(),
        why: why.into(),
    };
    let failed = |source| StoreError::io(format!("repair the database in {folder:?}"), source);

    let copy = folder.join(COPY);
    copy_log(&records, &copy).map_err(failed)?;
    // Dropping it writes, so that may panic as well.
    let opens = catch_unwind(|| try_open(&copy, cache_bytes).is_ok()).unwrap_or(false);
    if !opens {
        fs::remove_dir_all(&copy).map_err(failed)?;
        return Err(damaged(&why));
    }
    sync_new_files(&copy).map_err(failed)?;
    let aside = free_name(folder).ok_or_else(|| damaged("too many damaged ones are set aside already"))?;
    fs::rename(&records, &aside)
        .and_then(|()| fs::rename(&copy, &records))
        .and_then(|()| disk::sync_folder(folder))
        .map_err(failed)?;
    tracing::warn!(
        ?aside,
        "the database was opened from a copy; the damaged one is kept aside"
    );
    match try_open(&records, cache_bytes) {
        Ok(db) => Ok((db, Some(aside))),
        Err(_) => Err(damaged(&why)),
    }
}

enum Refusal {
    InUse,
    NoSpaceOrRights(io::Error),
    Damaged(String),
}

fn try_open(records: &Path, cache_bytes: u64) -> Result<::sled::Db, Refusal> {
    disk::create_folder(records).map_err(Refusal::NoSpaceOrRights)?;
    for _ in 0..RELEASE_TRIES {
        // Flushing is ours to do: its own thread would only add syncs nobody waits for.
        let config = ::sled::Config::new()
            .path(records)
            .cache_capacity(cache_bytes)
            .flush_every_ms(None);
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(::sled::Error::Io(error))) if error.to_string().contains("could not acquire lock") => {
                thread::sleep(RELEASE_PAUSE);
            }
            Ok(Err(::sled::Error::Io(error))) if is_no_damage(&error) => {
                return Err(Refusal::NoSpaceOrRights(error));
            }
            Ok(Err(error)) => return Err(Refusal::Damaged(error.to_string())),
            Err(panic) => return Err(Refusal::Damaged(describe(panic.as_ref()))),
        }
    }
    Err(Refusal::InUse)
}

/// Troubles of the system that a repair would not cure.
fn is_no_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{
        FileTooLarge, OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    matches!(
        error.kind(),
        PermissionDenied | StorageFull | FileTooLarge | QuotaExceeded | ReadOnlyFilesystem | OutOfMemory
    )
}

fn describe(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it gave up")
        .to_owned()
}

/// Copies what cannot be made again. sled's snapshots only save time when opening, and its `conf` holds the
/// defaults, which we never change.
fn copy_log(from: &Path, to: &Path) -> io::Result<()> {
    disk::create_folder(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "conf" || name.to_string_lossy().starts_with("snap.") {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy_log(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            File::open(&target)?.sync_all()?;
        }
    }
    disk::sync_folder(to)
}

fn free_name(folder: &Path) -> Option<PathBuf> {
    (1..1000)
        .map(|number| folder.join(format!("{ASIDE}.{number}")))
        .find(|path| !path.exists())
}

/// Makes what sled created durable, names and all, and opens its file for the syncs to come.
fn sync_new_files(records: &Path) -> io::Result<File> {
    for name in ["conf", "db"] {
        File::open(records.join(name))?.sync_all()?;
    }
    disk::sync_folder(records)?;
    // For writing too: some systems sync only what may be written.
    OpenOptions::new().read(true).write(true).open(records.join("db"))
}
