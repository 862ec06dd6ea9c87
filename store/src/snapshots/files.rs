//! Snapshots as plain files in one folder.
//!
//! | file | what |
//! |---|---|
//! | `<key>.<generation>.snap` | a snapshot: it has this name only after its last byte was synced |
//! | `<n>.tmp` | one on its way there; removed when the folder is opened |

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::form::{self, Flaw};
use super::{Snapshot, SnapshotName, Snapshots};
use crate::{StoreError, disk};

const SNAPSHOT: &str = "snap";
const TEMPORARY: &str = "tmp";

/// Snapshots in a folder of their own. One process at a time; a [`crate::SledStore`] sees to that.
#[derive(Debug)]
pub struct FileSnapshots {
    folder: PathBuf,
    next_temporary: AtomicU64,
    closed: AtomicBool,
}

impl FileSnapshots {
    /// Opens the snapshots in a folder, which is made if it is missing.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let folder = folder.into();
        disk::create_folder(&folder)
            .map_err(|source| StoreError::io(format!("make the folder {folder:?}"), source))?;
        sweep(&folder)
            .map_err(|source| StoreError::io(format!("look through the folder {folder:?}"), source))?;
        Ok(Self {
            folder,
            next_temporary: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        })
    }

    /// Every later call says that the store is closed; what a store does with its snapshots when it is closed itself.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Where a snapshot is, if it is here.
    pub(crate) fn path(&self, name: SnapshotName) -> PathBuf {
        self.folder.join(format!("{name}.{SNAPSHOT}"))
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::SeqCst) {
            Err(StoreError::Closed)
        } else {
            Ok(())
        }
    }

    fn write(&self, temporary: &Path, name: SnapshotName, parts: [&[u8]; 3]) -> io::Result<()> {
        let mut file = disk::create_file(temporary)?;
        parts.into_iter().try_for_each(|part| file.write_all(part))?;
        file.sync_all()?;
        fs::rename(temporary, self.path(name))?;
        disk::sync_folder(&self.folder)
    }
}

impl Snapshots for FileSnapshots {
    fn put(&self, name: SnapshotName, expectation: &[u8], content: &[u8]) -> Result<(), StoreError> {
        self.check_open()?;
        super::check_lengths(expectation, content)?;
        let (head, checksum) = form::frame(name, expectation, content);
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join(format!("{number}.{TEMPORARY}"));
        self.write(&temporary, name, [&head, content, &checksum])
            .map_err(|source| {
                // Its room is wanted back, above all when there was none. What stays is removed at the next start.
                drop(disk::remove_file(&temporary));
                StoreError::io(format!("write snapshot {name}"), source)
            })
    }

    fn read(&self, name: SnapshotName) -> Result<Option<Snapshot>, StoreError> {
        self.check_open()?;
        let failed = |source| StoreError::io(format!("read snapshot {name}"), source);
        let file = match File::open(self.path(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        let length = file.metadata().map_err(failed)?.len();
        let Ok(length @ ..=form::FILE_BYTES_MAX) = usize::try_from(length) else {
            return Err(super::flawed(name, Flaw::Damaged));
        };
        let mut bytes = Vec::with_capacity(length);
        file.take(form::FILE_BYTES_MAX as u64)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        form::parse(name, bytes)
            .map(Some)
            .map_err(|flaw| super::flawed(name, flaw))
    }

    fn list(&self) -> Result<Vec<SnapshotName>, StoreError> {
        self.check_open()?;
        let failed = |source| StoreError::io("list the snapshots", source);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            names.extend(parse_name(&entry.map_err(failed)?.file_name()));
        }
        names.sort();
        Ok(names)
    }

    fn delete(&self, name: SnapshotName) -> Result<(), StoreError> {
        self.check_open()?;
        disk::remove_file(&self.path(name))
            .and_then(|()| disk::sync_folder(&self.folder))
            .map_err(|source| StoreError::io(format!("delete snapshot {name}"), source))
    }
}

/// Removes what a crash left half-way.
fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == TEMPORARY) {
            disk::remove_file(&path)?;
        }
    }
    Ok(())
}

fn parse_name(name: &std::ffi::OsStr) -> Option<SnapshotName> {
    let text = name.to_str()?;
    let (key, rest) = text.split_once('.')?;
    let (generation, kind) = rest.split_once('.')?;
    let name = SnapshotName {
        key: *blake3::Hash::from_hex(key).ok()?.as_bytes(),
        generation: generation.parse().ok()?,
    };
    // One spelling only: a file that differs in case or digits is not ours.
    (kind == SNAPSHOT && text == format!("{name}.{SNAPSHOT}")).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{always, changed, changes};

    #[test]
    fn a_file_name_has_one_spelling() {
        always(
            (any::<[u8; 32]>(), any::<u64>(), changes()),
            |(key, generation, changes)| {
                let name = SnapshotName { key, generation };
                let text = format!("{name}.{SNAPSHOT}");
                prop_assert_eq!(parse_name(text.as_ref()), Some(name));
                let damaged = changed(text.into_bytes(), &changes);
                let damaged = String::from_utf8_lossy(&damaged).into_owned();
                if let Some(found) = parse_name(damaged.as_ref()) {
                    prop_assert_eq!(format!("{found}.{SNAPSHOT}"), damaged);
                }
                Ok(())
            },
        );
    }
}
