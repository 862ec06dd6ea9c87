//! Blobs as plain files in one folder.
//!
//! | file | what |
//! |---|---|
//! | `<hash>.data` | a whole blob: it has this name only after its last byte was verified and synced |
//! | `<hash>.part` | a partial one, at its full length with holes |
//! | `<hash>.tree` | the verification tree of either; a blob of one group has none |
//! | `idle` | since when nobody needs which blob |
//! | `<n>.tmp` | something on its way to one of the above; removed when the folder is opened |
//!
//! Which groups of a partial blob are here is nowhere written down: it is found by hashing, the first time
//! the blob is used after opening. So it cannot be wrong, whatever a crash left.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::collect::{BlobPin, Idle, Pins};
use super::folder::{DATA, IDLE, PART, Partial, TEMPORARY, TREE, parse_name, read_idle, sweep};
use super::kept::{Kept, Part};
use super::tree::{Groups, Shape, grow, ranges_of};
use super::tree_file::Tree;
use super::{BlobEntry, BlobHash, BlobStatus, Blobs, Collected, Grace, ReadSeek};
use crate::limits::{BLOB_BYTES_MAX, PARTIAL_BLOBS_MAX};
use crate::{BlobError, disk};

/// Bytes copied at a time.
const COPY_BYTES: usize = 64 * 1024;

/// Blobs in a folder of their own. One process at a time; a [`crate::SledStore`] sees to that.
#[derive(Debug)]
pub struct FileBlobs {
    folder: PathBuf,
    /// The lock orders everything that gives a file its name or takes it away.
    known: Mutex<Known>,
    pins: Pins,
    next_temporary: AtomicU64,
    closed: AtomicBool,
}

/// What is kept in memory of what is in the folder.
#[derive(Debug)]
struct Known {
    /// Every partial blob.
    partials: BTreeMap<BlobHash, Partial>,
    idle: Idle,
    /// Files of partial blobs that are open, and those of whole ones.
    parts: Kept<Part>,
    wholes: Kept<Arc<(File, Tree)>>,
}

impl Known {
    /// Files of this blob get or lose their names.
    fn forget_files(&mut self, hash: BlobHash) {
        self.parts.forget(hash);
        self.wholes.forget(hash);
    }
}

impl FileBlobs {
    /// Opens the blobs in a folder, which is made if it is missing.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, BlobError> {
        let folder = folder.into();
        disk::create_folder(&folder)
            .map_err(|source| BlobError::io(format!("make the folder {folder:?}"), source))?;
        let failed = |source| BlobError::io(format!("look through the folder {folder:?}"), source);
        let known = Known {
            partials: sweep(&folder).map_err(failed)?,
            idle: read_idle(&folder.join(IDLE)).map_err(failed)?,
            parts: Kept::default(),
            wholes: Kept::default(),
        };
        Ok(Self {
            folder,
            known: Mutex::new(known),
            pins: Pins::default(),
            next_temporary: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        })
    }

    /// Every later call says that the store is closed; what a store does with its blobs when it is closed itself.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    fn known(&self) -> Result<MutexGuard<'_, Known>, BlobError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(BlobError::Closed);
        }
        // What a panic left in the map is at worst less than what is on disk.
        Ok(self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn path(&self, hash: BlobHash, kind: &str) -> PathBuf {
        self.folder.join(format!("{hash}.{kind}"))
    }

    fn temporary(&self) -> PathBuf {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{number}.{TEMPORARY}"))
    }

    /// The size of a whole blob.
    fn whole_size(&self, hash: BlobHash) -> Result<Option<u64>, BlobError> {
        match fs::metadata(self.path(hash, DATA)) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(BlobError::io(format!("look for blob {hash}"), source)),
        }
    }

    /// The size and groups of a partial blob, hashed now if they were not yet.
    fn held<'p>(
        &self,
        partials: &'p mut BTreeMap<BlobHash, Partial>,
        hash: BlobHash,
    ) -> Result<Option<(u64, &'p mut Groups)>, BlobError> {
        let Some(partial) = partials.get_mut(&hash) else {
            return Ok(None);
        };
        let size = partial.size;
        let have = match partial.have.take() {
            Some(have) => have,
            None => {
                let shape = Shape::new(hash, size);
                self.open_part(hash, size)
                    .and_then(|part| shape.sound_groups(&part.data, &part.tree))
                    .map_err(|source| BlobError::io(format!("read the partial blob {hash}"), source))?
            }
        };
        Ok(Some((size, partial.have.insert(have))))
    }

    fn open_part(&self, hash: BlobHash, size: u64) -> io::Result<Part> {
        let data = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path(hash, PART))?;
        let tree = Tree::open(&self.path(hash, TREE), Shape::new(hash, size))?;
        Ok(Part::new(data, tree))
    }

    /// Gives a complete partial blob, all of it synced, its name.
    fn finish(&self, known: &mut Known, hash: BlobHash, size: u64) -> Result<BlobStatus, BlobError> {
        known.forget_files(hash);
        fs::rename(self.path(hash, PART), self.path(hash, DATA))
            .and_then(|()| disk::sync_folder(&self.folder))
            .map_err(|source| BlobError::io(format!("make blob {hash} durable"), source))?;
        known.partials.remove(&hash);
        Ok(BlobStatus::Whole { size })
    }

    /// Copies to a temporary file, hashes it, and gives both files their names.
    fn take_in(
        &self,
        temporary: &Path,
        bytes: &mut dyn Read,
        limit: u64,
    ) -> Result<(BlobHash, u64), BlobError> {
        let failed = |source| BlobError::io("take in a blob", source);
        let mut file = disk::create_file(temporary).map_err(failed)?;
        let size = copy(bytes, &mut file, limit)?;
        file.sync_all().map_err(failed)?;
        let content = File::open(temporary).map_err(failed)?;
        let (hash, tree) = grow(BufReader::with_capacity(COPY_BYTES, content), size).map_err(failed)?;

        let mut known = self.known()?;
        self.wake(&mut known, hash)?;
        known.forget_files(hash);
        // Also over a blob that is here already: it may be damaged, and this one was just hashed.
        self.write_tree(hash, &tree)?;
        fs::rename(temporary, self.path(hash, DATA)).map_err(failed)?;
        disk::remove_file(&self.path(hash, PART)).map_err(failed)?;
        known.partials.remove(&hash);
        disk::sync_folder(&self.folder).map_err(failed)?;
        Ok((hash, size))
    }

    fn entries(&self, known: &Known) -> Result<Vec<BlobEntry>, BlobError> {
        let failed = |source| BlobError::io("list the blobs", source);
        let mut entries: Vec<_> = known
            .partials
            .iter()
            .map(|(hash, partial)| BlobEntry {
                hash: *hash,
                size: partial.size,
                whole: false,
            })
            .collect();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Some((hash, DATA)) = parse_name(&entry.file_name()) {
                let size = entry.metadata().map_err(failed)?.len();
                entries.push(BlobEntry {
                    hash,
                    size,
                    whole: true,
                });
            }
        }
        entries.sort_by_key(|entry| entry.hash);
        Ok(entries)
    }

    /// Deletes the files of a blob.
    fn delete(&self, known: &mut Known, hash: BlobHash) -> io::Result<()> {
        known.forget_files(hash);
        // The tree last: a tree without data is swept away, data without a tree would have to be hashed.
        [DATA, PART, TREE]
            .into_iter()
            .try_for_each(|kind| disk::remove_file(&self.path(hash, kind)))?;
        known.partials.remove(&hash);
        Ok(())
    }

    /// Somebody needs the blob: its grace period is over and forgotten, also after a crash.
    fn wake(&self, known: &mut Known, hash: BlobHash) -> Result<(), BlobError> {
        if known.idle.wake(hash) {
            self.write_idle(&known.idle)?;
        }
        Ok(())
    }

    fn write_idle(&self, idle: &Idle) -> Result<(), BlobError> {
        disk::write_file(&self.temporary(), &self.folder.join(IDLE), &idle.render())
            .and_then(|()| disk::sync_folder(&self.folder))
            .map_err(|source| BlobError::io("note which blobs are idle", source))
    }

    fn write_tree(&self, hash: BlobHash, tree: &[u8]) -> Result<(), BlobError> {
        if tree.is_empty() {
            return Ok(());
        }
        disk::write_file(&self.temporary(), &self.path(hash, TREE), tree)
            .map_err(|source| BlobError::io(format!("write the tree of blob {hash}"), source))
    }
}

impl Blobs for FileBlobs {
    fn import(&self, bytes: &mut dyn Read, limit: u64) -> Result<(BlobHash, u64), BlobError> {
        drop(self.known()?);
        let temporary = self.temporary();
        let taken = self.take_in(&temporary, bytes, limit.min(BLOB_BYTES_MAX));
        // Gone already if it became the blob. One that stays is removed when the folder is opened next.
        if let Err(error) = disk::remove_file(&temporary) {
            tracing::warn!(%error, "a temporary file stays behind");
        }
        taken
    }

    fn begin(&self, hash: BlobHash, size: u64) -> Result<BlobStatus, BlobError> {
        let mut known = self.known()?;
        if size > BLOB_BYTES_MAX {
            return Err(BlobError::TooLarge {
                limit: BLOB_BYTES_MAX,
            });
        }
        self.wake(&mut known, hash)?;
        if let Some(begun) = self.whole_size(hash)? {
            return same_size(hash, begun, size, BlobStatus::Whole { size });
        }
        if let Some((begun, have)) = self.held(&mut known.partials, hash)? {
            return same_size(
                hash,
                begun,
                size,
                BlobStatus::Partial {
                    size,
                    have: ranges_of(have),
                },
            );
        }
        if size == 0 {
            drop(known);
            if hash != BlobHash::of(&[]) {
                return Err(BlobError::Wrong {
                    hash,
                    first: 0,
                    end: 0,
                });
            }
            return self
                .import(&mut io::empty(), 0)
                .map(|_| BlobStatus::Whole { size });
        }
        if known.partials.len() >= PARTIAL_BLOBS_MAX {
            return Err(BlobError::TooMany {
                limit: PARTIAL_BLOBS_MAX,
            });
        }
        let temporary = self.temporary();
        // A tree that an earlier blob of this name left is of no use, whatever its size was.
        disk::remove_file(&self.path(hash, TREE))
            .and_then(|()| disk::create_file(&temporary))
            .and_then(|file| file.set_len(size))
            .and_then(|()| fs::rename(&temporary, self.path(hash, PART)))
            .map_err(|source| BlobError::io(format!("begin blob {hash}"), source))?;
        known.partials.insert(
            hash,
            Partial {
                size,
                have: Some(Groups::empty()),
            },
        );
        Ok(BlobStatus::Partial {
            size,
            have: Vec::new(),
        })
    }

    fn status(&self, hash: BlobHash) -> Result<BlobStatus, BlobError> {
        let mut known = self.known()?;
        if let Some(size) = self.whole_size(hash)? {
            return Ok(BlobStatus::Whole { size });
        }
        Ok(match self.held(&mut known.partials, hash)? {
            Some((size, have)) => BlobStatus::Partial {
                size,
                have: ranges_of(have),
            },
            None => BlobStatus::Absent,
        })
    }

    fn encode(&self, hash: BlobHash, groups: Range<u64>) -> Result<Vec<u8>, BlobError> {
        let mut known = self.known()?;
        let failed = |source| BlobError::io(format!("read blob {hash}"), source);
        if let Some(size) = self.whole_size(hash)? {
            let shape = Shape::new(hash, size);
            shape.check(&groups)?;
            let open = || {
                let data = File::open(self.path(hash, DATA))?;
                Ok(Arc::new((data, Tree::open_whole(&self.path(hash, TREE), shape)?)))
            };
            let files = Arc::clone(known.wholes.get(hash, open).map_err(failed)?);
            drop(known);
            return shape.encode(&files.0, &files.1, &groups);
        }
        let known = &mut *known;
        let Some((size, have)) = self.held(&mut known.partials, hash)? else {
            return Err(BlobError::Absent { hash });
        };
        let shape = Shape::new(hash, size);
        shape.check(&groups)?;
        if !have.is_superset(&Groups::from(groups.clone())) {
            return Err(BlobError::Missing {
                hash,
                first: groups.start,
                end: groups.end,
            });
        }
        let part = known.parts.get(hash, || self.open_part(hash, size));
        let part = part.map_err(failed)?;
        shape.encode(&part.data, &part.tree, &groups)
    }

    fn write(&self, hash: BlobHash, groups: Range<u64>, encoded: &[u8]) -> Result<BlobStatus, BlobError> {
        let mut known = self.known()?;
        if let Some(size) = self.whole_size(hash)? {
            // With several sources the last group may well come twice.
            return Ok(BlobStatus::Whole { size });
        }
        let known = &mut *known;
        let Some((size, have)) = self.held(&mut known.partials, hash)? else {
            return Err(BlobError::Absent { hash });
        };
        let shape = Shape::new(hash, size);
        let slice = shape.decode(&groups, encoded)?;
        let failed = |source| BlobError::io(format!("write to the partial blob {hash}"), source);
        let part = known.parts.get(hash, || self.open_part(hash, size));
        let part = part.map_err(failed)?;
        shape
            .store(slice, &mut part.data, &mut part.tree)
            .map_err(failed)?;
        *have |= Groups::from(groups);
        let is_whole = *have == shape.all_groups();
        let synced = match is_whole {
            true => part.sync(),
            false => part.wrote(encoded.len() as u64),
        };
        if let Err(source) = synced {
            // The system may count as written what it could not write, and would say so the next time: nothing of this
            // can be believed any more.
            self.delete(known, hash)
                .map_err(|source| BlobError::io(format!("take blob {hash} out of the way"), source))?;
            return Err(BlobError::io(format!("make blob {hash} durable"), source));
        }
        if is_whole {
            return self.finish(known, hash, size);
        }
        Ok(BlobStatus::Partial {
            size,
            have: ranges_of(have),
        })
    }

    fn open(&self, hash: BlobHash) -> Result<Box<dyn ReadSeek + Send>, BlobError> {
        let known = self.known()?;
        match File::open(self.path(hash, DATA)) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(BlobError::io(format!("open blob {hash}"), error))
            }
            Err(_) => Err(match known.partials.get(&hash) {
                Some(partial) => BlobError::Missing {
                    hash,
                    first: 0,
                    end: super::group_count(partial.size),
                },
                None => BlobError::Absent { hash },
            }),
        }
    }

    fn verify(&self, hash: BlobHash) -> Result<BlobStatus, BlobError> {
        let mut known = self.known()?;
        let failed = |source| BlobError::io(format!("verify blob {hash}"), source);
        known.forget_files(hash);
        if let Some(size) = self.whole_size(hash)? {
            let content = File::open(self.path(hash, DATA)).map_err(failed)?;
            let (found, tree) = grow(BufReader::with_capacity(COPY_BYTES, content), size).map_err(failed)?;
            if found == hash {
                let kept = fs::read(self.path(hash, TREE)).unwrap_or_default();
                if kept != tree {
                    self.write_tree(hash, &tree)?;
                    disk::sync_folder(&self.folder).map_err(failed)?;
                }
                return Ok(BlobStatus::Whole { size });
            }
            fs::rename(self.path(hash, DATA), self.path(hash, PART))
                .and_then(|()| disk::sync_folder(&self.folder))
                .map_err(failed)?;
            if size == 0 {
                disk::remove_file(&self.path(hash, PART)).map_err(failed)?;
                return Ok(BlobStatus::Absent);
            }
            known.partials.insert(hash, Partial { size, have: None });
        } else if let Some(partial) = known.partials.get_mut(&hash) {
            partial.have = None;
        }
        drop(known);
        self.status(hash)
    }

    fn list(&self) -> Result<Vec<BlobEntry>, BlobError> {
        self.entries(&*self.known()?)
    }

    fn remove(&self, hash: BlobHash) -> Result<(), BlobError> {
        let mut known = self.known()?;
        self.delete(&mut known, hash)
            .and_then(|()| disk::sync_folder(&self.folder))
            .map_err(|source| BlobError::io(format!("remove blob {hash}"), source))
    }

    fn pin(&self, hash: BlobHash) -> BlobPin {
        self.pins.pin(hash)
    }

    fn collect(&self, live: &BTreeSet<BlobHash>, grace: Grace) -> Result<Collected, BlobError> {
        let mut known = self.known()?;
        let mut collected = Collected::default();
        let before = known.idle.clone();
        let here = self.entries(&known)?;
        let due = known.idle.mark(here, live, &self.pins, grace, &mut collected);
        if known.idle != before {
            self.write_idle(&known.idle)?;
        }
        for entry in due {
            let deleted = self
                .pins
                .unless_pinned(entry.hash, || self.delete(&mut known, entry.hash));
            match deleted {
                Some(Ok(())) => {
                    collected.deleted += 1;
                    collected.deleted_bytes += entry.size;
                }
                Some(Err(source)) => {
                    return Err(BlobError::io(format!("delete blob {}", entry.hash), source));
                }
                None => collected.pinned += 1,
            }
        }
        if collected.deleted > 0 {
            disk::sync_folder(&self.folder)
                .map_err(|source| BlobError::io("make deleting blobs durable", source))?;
        }
        Ok(collected)
    }
}

fn same_size(hash: BlobHash, begun: u64, asked: u64, status: BlobStatus) -> Result<BlobStatus, BlobError> {
    if begun == asked {
        Ok(status)
    } else {
        Err(BlobError::OtherSize { hash, begun, asked })
    }
}

fn copy(from: &mut dyn Read, to: &mut File, limit: u64) -> Result<u64, BlobError> {
    // One byte more than allowed tells a blob at the limit from a longer one.
    let mut from = from.take(limit.saturating_add(1));
    let mut buffer = vec![0; COPY_BYTES];
    let mut size = 0_u64;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(size),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(BlobError::io("read the blob to take in", source)),
        };
        size += read as u64;
        if size > limit {
            return Err(BlobError::TooLarge { limit });
        }
        to.write_all(buffer.get(..read).unwrap_or_default())
            .map_err(|source| BlobError::io("write the blob taken in", source))?;
    }
}
