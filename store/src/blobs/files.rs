//! Blobs as plain files in one folder.
//!
//! | file | what |
//! |---|---|
//! | `<hash>.data` | a whole blob: it has this name only after its last byte was verified and synced |
//! | `<hash>.part` | a partial one, at its full length with holes |
//! | `<hash>.tree` | the verification tree of either; a blob of one group has none |
//! | `<n>.tmp` | something on its way to one of the above; removed when the folder is opened |
//!
//! Which groups of a partial blob are here is nowhere written down: it is found by hashing, the first time
//! the blob is used after opening. So it cannot be wrong, whatever a crash left.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::tree::{Groups, Shape, grow, ranges_of};
use super::{BlobEntry, BlobHash, BlobStatus, Blobs, ReadSeek};
use crate::limits::{BLOB_BYTES_MAX, PARTIAL_BLOBS_MAX};
use crate::{BlobError, disk};

const DATA: &str = "data";
const PART: &str = "part";
const TREE: &str = "tree";
const TEMPORARY: &str = "tmp";

/// Bytes copied at a time.
const COPY_BYTES: usize = 64 * 1024;

/// Blobs in a folder of their own. One process at a time; a [`crate::SledStore`] sees to that.
#[derive(Debug)]
pub struct FileBlobs {
    folder: PathBuf,
    /// Every partial blob. The lock also orders everything that gives a file its name or takes it away.
    partial: Mutex<BTreeMap<BlobHash, Partial>>,
    next_temporary: AtomicU64,
    closed: AtomicBool,
}

#[derive(Debug)]
struct Partial {
    size: u64,
    /// Unknown until the files were hashed.
    have: Option<Groups>,
}

impl FileBlobs {
    /// Opens the blobs in a folder, which is made if it is missing.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, BlobError> {
        let folder = folder.into();
        disk::create_folder(&folder)
            .map_err(|source| BlobError::io(format!("make the folder {folder:?}"), source))?;
        let partial = sweep(&folder)
            .map_err(|source| BlobError::io(format!("look through the folder {folder:?}"), source))?;
        Ok(Self {
            folder,
            partial: Mutex::new(partial),
            next_temporary: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        })
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    fn partials(&self) -> Result<MutexGuard<'_, BTreeMap<BlobHash, Partial>>, BlobError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(BlobError::Closed);
        }
        // What a panic left in the map is at worst less than what is on disk.
        Ok(self.partial.lock().unwrap_or_else(PoisonError::into_inner))
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
                    .and_then(|(data, tree)| shape.sound_groups(&data, &tree))
                    .map_err(|source| BlobError::io(format!("read the partial blob {hash}"), source))?
            }
        };
        Ok(Some((size, partial.have.insert(have))))
    }

    fn open_part(&self, hash: BlobHash, size: u64) -> io::Result<(File, Tree)> {
        let data = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path(hash, PART))?;
        let tree = Tree::open(&self.path(hash, TREE), Shape::new(hash, size))?;
        Ok((data, tree))
    }

    /// Makes a complete partial blob durable and gives it its name.
    fn finish(
        &self,
        partials: &mut BTreeMap<BlobHash, Partial>,
        hash: BlobHash,
        size: u64,
        data: &File,
        tree: &Tree,
    ) -> Result<BlobStatus, BlobError> {
        tree.sync()
            .and_then(|()| data.sync_all())
            .and_then(|()| fs::rename(self.path(hash, PART), self.path(hash, DATA)))
            .and_then(|()| disk::sync_folder(&self.folder))
            .map_err(|source| BlobError::io(format!("make blob {hash} durable"), source))?;
        partials.remove(&hash);
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

        let mut partials = self.partials()?;
        // Also over a blob that is here already: it may be damaged, and this one was just hashed.
        self.write_tree(hash, &tree)?;
        fs::rename(temporary, self.path(hash, DATA)).map_err(failed)?;
        disk::remove_file(&self.path(hash, PART)).map_err(failed)?;
        partials.remove(&hash);
        disk::sync_folder(&self.folder).map_err(failed)?;
        Ok((hash, size))
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
        drop(self.partials()?);
        let temporary = self.temporary();
        let taken = self.take_in(&temporary, bytes, limit.min(BLOB_BYTES_MAX));
        // Gone already if it became the blob. One that stays is removed when the folder is opened next.
        if let Err(error) = disk::remove_file(&temporary) {
            tracing::warn!(%error, "a temporary file stays behind");
        }
        taken
    }

    fn begin(&self, hash: BlobHash, size: u64) -> Result<BlobStatus, BlobError> {
        let mut partials = self.partials()?;
        if size > BLOB_BYTES_MAX {
            return Err(BlobError::TooLarge {
                limit: BLOB_BYTES_MAX,
            });
        }
        if let Some(begun) = self.whole_size(hash)? {
            return same_size(hash, begun, size, BlobStatus::Whole { size });
        }
        if let Some((begun, have)) = self.held(&mut partials, hash)? {
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
            drop(partials);
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
        if partials.len() >= PARTIAL_BLOBS_MAX {
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
        partials.insert(
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
        let mut partials = self.partials()?;
        if let Some(size) = self.whole_size(hash)? {
            return Ok(BlobStatus::Whole { size });
        }
        Ok(match self.held(&mut partials, hash)? {
            Some((size, have)) => BlobStatus::Partial {
                size,
                have: ranges_of(have),
            },
            None => BlobStatus::Absent,
        })
    }

    fn encode(&self, hash: BlobHash, groups: Range<u64>) -> Result<Vec<u8>, BlobError> {
        let mut partials = self.partials()?;
        let failed = |source| BlobError::io(format!("read blob {hash}"), source);
        if let Some(size) = self.whole_size(hash)? {
            drop(partials);
            let shape = Shape::new(hash, size);
            shape.check(&groups)?;
            let data = File::open(self.path(hash, DATA)).map_err(failed)?;
            let tree = Tree::open_whole(&self.path(hash, TREE), shape).map_err(failed)?;
            return shape.encode(&data, &tree, &groups);
        }
        let Some((size, have)) = self.held(&mut partials, hash)? else {
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
        let (data, tree) = self.open_part(hash, size).map_err(failed)?;
        shape.encode(&data, &tree, &groups)
    }

    fn write(&self, hash: BlobHash, groups: Range<u64>, encoded: &[u8]) -> Result<BlobStatus, BlobError> {
        let mut partials = self.partials()?;
        if let Some(size) = self.whole_size(hash)? {
            // With several sources the last group may well come twice.
            return Ok(BlobStatus::Whole { size });
        }
        let Some((size, have)) = self.held(&mut partials, hash)? else {
            return Err(BlobError::Absent { hash });
        };
        let shape = Shape::new(hash, size);
        let slice = shape.decode(&groups, encoded)?;
        let failed = |source| BlobError::io(format!("write to the partial blob {hash}"), source);
        let (mut data, mut tree) = self.open_part(hash, size).map_err(failed)?;
        shape.store(slice, &mut data, &mut tree).map_err(failed)?;
        *have |= Groups::from(groups);
        if *have == shape.all_groups() {
            return self.finish(&mut partials, hash, size, &data, &tree);
        }
        Ok(BlobStatus::Partial {
            size,
            have: ranges_of(have),
        })
    }

    fn open(&self, hash: BlobHash) -> Result<Box<dyn ReadSeek + Send>, BlobError> {
        let partials = self.partials()?;
        match File::open(self.path(hash, DATA)) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(BlobError::io(format!("open blob {hash}"), error))
            }
            Err(_) => Err(match partials.get(&hash) {
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
        let mut partials = self.partials()?;
        let failed = |source| BlobError::io(format!("verify blob {hash}"), source);
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
            partials.insert(hash, Partial { size, have: None });
        } else if let Some(partial) = partials.get_mut(&hash) {
            partial.have = None;
        }
        drop(partials);
        self.status(hash)
    }

    fn list(&self) -> Result<Vec<BlobEntry>, BlobError> {
        let partials = self.partials()?;
        let failed = |source| BlobError::io("list the blobs", source);
        let mut entries: Vec<_> = partials
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

    fn remove(&self, hash: BlobHash) -> Result<(), BlobError> {
        let mut partials = self.partials()?;
        // The tree last: a tree without data is swept away, data without a tree would have to be hashed.
        [DATA, PART, TREE]
            .into_iter()
            .try_for_each(|kind| disk::remove_file(&self.path(hash, kind)))
            .and_then(|()| disk::sync_folder(&self.folder))
            .map_err(|source| BlobError::io(format!("remove blob {hash}"), source))?;
        partials.remove(&hash);
        Ok(())
    }
}

/// The tree of a blob: a file, or nothing for a blob of one group.
#[derive(Debug)]
enum Tree {
    None,
    File(File),
}

impl Tree {
    /// The tree of a partial blob, made if it is missing.
    fn open(path: &Path, shape: Shape) -> io::Result<Self> {
        if shape.tree_bytes() == 0 {
            return Ok(Self::None);
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).map(Self::File)
    }

    /// The tree of a whole blob. A missing one reads as empty, so that the blob counts as damaged.
    fn open_whole(path: &Path, shape: Shape) -> io::Result<Self> {
        if shape.tree_bytes() == 0 {
            return Ok(Self::None);
        }
        match File::open(path) {
            Ok(file) => Ok(Self::File(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::None),
            Err(error) => Err(error),
        }
    }

    fn sync(&self) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::File(file) => file.sync_all(),
        }
    }
}

impl bao_tree::io::sync::ReadAt for Tree {
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::None => Ok(0),
            Self::File(file) => file.read_at(position, buffer),
        }
    }
}

impl bao_tree::io::sync::WriteAt for Tree {
    fn write_at(&mut self, position: u64, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::None => Err(io::Error::other("a blob of one group has no tree")),
            Self::File(file) => bao_tree::io::sync::WriteAt::write_at(file, position, buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sync()
    }
}

/// Removes what a crash left, and finds the partial blobs.
fn sweep(folder: &Path) -> io::Result<BTreeMap<BlobHash, Partial>> {
    let mut partials = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let Some((hash, kind)) = parse_name(&entry.file_name()) else {
            if path.extension().is_some_and(|extension| extension == TEMPORARY) {
                disk::remove_file(&path)?;
            }
            continue;
        };
        let name = |kind| folder.join(format!("{hash}.{kind}"));
        let size = entry.metadata()?.len();
        match kind {
            PART if size == 0 || size > BLOB_BYTES_MAX || name(DATA).exists() => disk::remove_file(&path)?,
            PART => drop(partials.insert(hash, Partial { size, have: None })),
            TREE if !name(DATA).exists() && !name(PART).exists() => disk::remove_file(&path)?,
            _ => {}
        }
    }
    Ok(partials)
}

fn parse_name(name: &std::ffi::OsStr) -> Option<(BlobHash, &'static str)> {
    let (hash, kind) = name.to_str()?.split_once('.')?;
    let kind = [DATA, PART, TREE].into_iter().find(|known| *known == kind)?;
    Some((hash.parse().ok()?, kind))
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
