//! Opens a folder: alone, whatever a crash left in it, and if need be from a copy.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::mark::Mark;
use super::read;
use crate::limits::SEGMENT_BYTES;
use crate::{FileBlobs, FileSnapshots, Report, StoreError, disk};

const LOCK: &str = "lock";
const FORMAT: &str = "format";
const RECORDS: &str = "records";
const COPY: &str = "records.copy";
const ASIDE: &str = "records.damaged";
const MARK: &str = "mark";
const SNAPSHOTS: &str = "snapshots";
const BLOBS: &str = "blobs";

/// What this version writes and reads. Encryption at rest will be the second line's other value.
const FORMAT_LINES: &str = "cuecard-store 1\nencryption none\n";
/// A format file longer than this is none of ours.
const FORMAT_BYTES_MAX: u64 = 4096;

/// sled lets go of its file a moment after it is dropped, when its last background job ends. We hold our own
/// lock by then, so this only ever waits for this process.
const RELEASE_TRIES: u32 = 200;
const RELEASE_PAUSE: Duration = Duration::from_millis(10);

/// A process that is just being started has a copy of our lock until it is another program: for a moment after this one let it go.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

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
    let (db, count, set_aside) = open_or_repair(folder, cache_bytes)?;
    let file = sync_new_files(&folder.join(RECORDS)).map_err(doing("sync the database"))?;
    let (noted, mark) = Mark::open(&folder.join(MARK)).map_err(doing("open the mark"))?;
    disk::sync_folder(folder).map_err(doing("sync the folder"))?;
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
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::io(format!("lock the folder {folder:?}"), source));
            }
        }
    }
    Err(StoreError::InUse {
        folder: folder.to_owned(),
    })
}

fn check_format(folder: &Path) -> Result<(), StoreError> {
    let path = folder.join(FORMAT);
    let failed = |source| StoreError::io(format!("read or write {path:?}"), source);
    match read_format(&path).map_err(failed)? {
        Format::Ours => Ok(()),
        Format::None => write_format(folder).map_err(failed),
        Format::Other => Err(StoreError::Format {
            what: format!("{folder:?}"),
        }),
        Format::Damaged => Err(StoreError::Damaged {
            folder: folder.to_owned(),
            why: "its file `format` is damaged".into(),
        }),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Format {
    Ours,
    /// Of a version, or with an option, that this version does not know.
    Other,
    Damaged,
    None,
}

/// The last line is the checksum of those before it, in every version: so damage is told from a later format.
fn read_format(path: &Path) -> io::Result<Format> {
    match fs::metadata(path) {
        Ok(found) if found.len() > FORMAT_BYTES_MAX => return Ok(Format::Damaged),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Format::None),
        Err(error) => return Err(error),
    }
    Ok(parse_format(fs::read(path)?))
}

fn parse_format(found: Vec<u8>) -> Format {
    if found == format_text(FORMAT_LINES).as_bytes() {
        return Format::Ours;
    }
    let text = String::from_utf8(found).unwrap_or_default();
    let lines = text
        .strip_suffix('\n')
        .and_then(|text| text.rfind('\n').and_then(|end| text.get(..=end)));
    match lines {
        Some(lines) if format_text(lines) == text => Format::Other,
        _ => Format::Damaged,
    }
}

fn format_text(lines: &str) -> String {
    format!("{lines}checksum {}\n", blake3::hash(lines.as_bytes()))
}

fn write_format(folder: &Path) -> io::Result<()> {
    let temporary = folder.join(format!("{FORMAT}.tmp"));
    disk::write_file(
        &temporary,
        &folder.join(FORMAT),
        format_text(FORMAT_LINES).as_bytes(),
    )?;
    disk::sync_folder(folder)
}

/// Writes a damaged format file anew. What is in the folder says its own version once more, record by record.
pub(super) fn mend_format(folder: &Path) -> Result<bool, StoreError> {
    let failed = |source| StoreError::io(format!("mend the format file in {folder:?}"), source);
    let _lock = take_lock(folder)?;
    match read_format(&folder.join(FORMAT)).map_err(failed)? {
        Format::Damaged => write_format(folder).map_err(failed).map(|()| true),
        Format::Ours | Format::Other | Format::None => Ok(false),
    }
}

/// What became of a database that could not be read as a whole.
pub(super) enum Rebuilt {
    /// Its log alone could be read, up to where it is damaged.
    FromLog,
    /// The next opening starts with an empty one.
    Empty,
}

/// Sets the database aside, and puts in its place what can be read of its log alone. Answers where it is.
pub(super) fn rebuild(folder: &Path, cache_bytes: u64) -> Result<(PathBuf, Rebuilt), StoreError> {
    let failed = |source| StoreError::io(format!("set the database in {folder:?} aside"), source);
    let folder = &folder.canonicalize().map_err(failed)?;
    let _lock = take_lock(folder)?;
    finish_exchange(folder).map_err(failed)?;
    let is_whole = |db: &::sled::Db| read::check(db, &mut Report::default()).is_ok();
    if let Some(aside) = exchange_for_copy(folder, cache_bytes, is_whole)? {
        return Ok((aside, Rebuilt::FromLog));
    }
    let aside = free_name(folder, ASIDE).ok_or_else(|| failed(too_many()))?;
    fs::rename(folder.join(RECORDS), &aside)
        .and_then(|()| disk::sync_folder(folder))
        .map_err(failed)?;
    Ok((aside, Rebuilt::Empty))
}

fn too_many() -> io::Error {
    io::Error::other("too many damaged ones are set aside already: delete some")
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

/// The database, how many batches it has, and where the damaged one is if it had to be exchanged.
type Database = (::sled::Db, u64, Option<PathBuf>);

fn open_or_repair(folder: &Path, cache_bytes: u64) -> Result<Database, StoreError> {
    let records = folder.join(RECORDS);
    let refused = |refusal| match refusal {
        Refusal::InUse => StoreError::InUse {
            folder: folder.to_owned(),
        },
        Refusal::NoSpaceOrRights(source) => StoreError::io("open the database", source),
        Refusal::Damaged(why) => StoreError::Damaged {
            folder: folder.to_owned(),
            why: why.into(),
        },
    };
    let why = match try_open(&records, cache_bytes) {
        Ok((db, count)) => return Ok((db, count, None)),
        Err(Refusal::Damaged(why)) => why,
        Err(other) => return Err(refused(other)),
    };
    tracing::warn!(
        why,
        ?folder,
        "the database cannot be opened; trying a copy of its log alone"
    );
    let Some(aside) = exchange_for_copy(folder, cache_bytes, |_| true)? else {
        return Err(refused(Refusal::Damaged(why)));
    };
    tracing::warn!(
        ?aside,
        "the database was opened from a copy; the damaged one is kept aside"
    );
    let (db, count) = try_open(&records, cache_bytes).map_err(refused)?;
    Ok((db, count, Some(aside)))
}

/// Puts a copy of the log alone in place of the database, if that one can be opened and is good enough. Answers where the
/// damaged one is.
fn exchange_for_copy(
    folder: &Path,
    cache_bytes: u64,
    is_good: impl Fn(&::sled::Db) -> bool,
) -> Result<Option<PathBuf>, StoreError> {
    let failed = |source| StoreError::io(format!("repair the database in {folder:?}"), source);
    let (records, copy) = (folder.join(RECORDS), folder.join(COPY));
    copy_log(&records, &copy).map_err(failed)?;
    // Dropping it writes, so that may panic as well.
    let opens = catch_unwind(AssertUnwindSafe(|| {
        try_open(&copy, cache_bytes).is_ok_and(|(db, _)| is_good(&db))
    }));
    if !opens.unwrap_or(false) {
        fs::remove_dir_all(&copy).map_err(failed)?;
        return Ok(None);
    }
    sync_new_files(&copy).map_err(failed)?;
    let aside = free_name(folder, ASIDE).ok_or_else(|| failed(too_many()))?;
    fs::rename(&records, &aside)
        .and_then(|()| fs::rename(&copy, &records))
        .and_then(|()| disk::sync_folder(folder))
        .map_err(failed)?;
    Ok(Some(aside))
}

enum Refusal {
    InUse,
    NoSpaceOrRights(io::Error),
    Damaged(String),
}

/// Opens a database and reads how many batches it has: every batch writes that, so damage often shows there.
fn try_open(records: &Path, cache_bytes: u64) -> Result<(::sled::Db, u64), Refusal> {
    disk::create_folder(records).map_err(Refusal::NoSpaceOrRights)?;
    // After a kill, what sled is about to read may be in memory only, and it uses again at once what that made free.
    match File::open(records.join("db")).and_then(|file| file.sync_all()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(match is_no_damage(&error) {
                true => Refusal::NoSpaceOrRights(error),
                false => Refusal::Damaged(error.to_string()),
            });
        }
        _ => {}
    }
    for _ in 0..RELEASE_TRIES {
        // Flushing is ours to do: its own thread would only add syncs nobody waits for.
        let config = ::sled::Config::new()
            .path(records)
            .segment_size(SEGMENT_BYTES)
            .cache_capacity(cache_bytes)
            .flush_every_ms(None);
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => {
                let count = catch_unwind(AssertUnwindSafe(|| read::count(&db)));
                if let Ok(Ok(count)) = count {
                    return Ok((db, count));
                }
                // What is damaged may panic once more when it is let go.
                drop(catch_unwind(AssertUnwindSafe(|| drop(db))));
                return Err(Refusal::Damaged(
                    "the number of its batches cannot be read".to_owned(),
                ));
            }
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

/// A name that is free for something set aside; none when there are far too many.
pub(super) fn free_name(folder: &Path, kind: &str) -> Option<PathBuf> {
    (1..1000)
        .map(|number| folder.join(format!("{kind}.{number}")))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{always, bytes, changed, changes};

    #[test]
    fn a_changed_format_is_damaged_unless_its_checksum_says_that_it_is_another() {
        always((changes(), bytes()), |(changes, other)| {
            let ours = format_text(FORMAT_LINES).into_bytes();
            let damaged = changed(ours.clone(), &changes);
            prop_assert!(damaged == ours || parse_format(damaged) == Format::Damaged);
            prop_assert_eq!(parse_format(other), Format::Damaged);
            let lines = changed(FORMAT_LINES.as_bytes().to_vec(), &changes);
            if let Ok(lines) = String::from_utf8(lines)
                && lines.ends_with('\n')
                && lines != FORMAT_LINES
            {
                prop_assert_eq!(parse_format(format_text(&lines).into_bytes()), Format::Other);
            }
            Ok(())
        });
    }
}
