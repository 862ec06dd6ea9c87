//! The file that holds the verification tree of a blob.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use bao_tree::io::sync::{ReadAt, WriteAt};

use super::tree::Shape;

/// The tree of a blob: a file, or nothing for a blob of one group.
#[derive(Debug)]
pub(super) enum Tree {
    None,
    File(File),
}

impl Tree {
    /// The tree of a partial blob, made if it is missing.
    pub(super) fn open(path: &Path, shape: Shape) -> io::Result<Self> {
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
    pub(super) fn open_whole(path: &Path, shape: Shape) -> io::Result<Self> {
        if shape.tree_bytes() == 0 {
            return Ok(Self::None);
        }
        match File::open(path) {
            Ok(file) => Ok(Self::File(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::File(file) => file.sync_all(),
        }
    }
}

impl ReadAt for Tree {
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::None => Ok(0),
            Self::File(file) => file.read_at(position, buffer),
        }
    }
}

impl WriteAt for Tree {
    fn write_at(&mut self, position: u64, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::None => Err(io::Error::other("a blob of one group has no tree")),
            Self::File(file) => WriteAt::write_at(file, position, buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sync()
    }
}
