//! Files that stay open from one slice of a blob to the next: a blob comes and goes in thousands of them.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use super::BlobHash;
use super::tree_file::Tree;

/// A device serves and takes in a few blobs at a time, and descriptors are scarce.
const KEPT_MAX: usize = 8;
/// Bytes written to a partial blob before they are pushed to the disk. What is pushed on the way is not waited for at the
/// end, and a crash takes no more than this.
const UNSYNCED_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The last few of them that were used.
#[derive(Debug)]
pub(super) struct Kept<T>(VecDeque<(BlobHash, T)>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Kept<T> {
    /// What is kept for a blob, or what `open` gives.
    pub(super) fn get(&mut self, hash: BlobHash, open: impl FnOnce() -> io::Result<T>) -> io::Result<&mut T> {
        let kept = match self.0.iter().position(|(of, _)| *of == hash) {
            Some(at) => self.0.remove(at),
            None => None,
        };
        let kept = match kept {
            Some(kept) => kept,
            None => (hash, open()?),
        };
        self.0.truncate(KEPT_MAX - 1);
        self.0.push_front(kept);
        let first = self.0.front_mut().map(|(_, kept)| kept);
        first.ok_or_else(|| io::Error::other("what was just put there is gone"))
    }

    /// The files of a blob have other names now, or other content.
    pub(super) fn forget(&mut self, hash: BlobHash) {
        self.0.retain(|(of, _)| *of != hash);
    }
}

/// The files of a partial blob.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) data: File,
    pub(super) tree: Tree,
    unsynced: u64,
}

impl Part {
    pub(super) fn new(data: File, tree: Tree) -> Self {
        let unsynced = 0;
        Self { data, tree, unsynced }
    }

    /// So many bytes were written: pushes them to the disk when they have become many. By the same descriptor that makes
    /// the whole blob durable, so that an error of the disk is told here and not lost.
    pub(super) fn wrote(&mut self, bytes: u64) -> io::Result<()> {
        self.unsynced += bytes;
        if self.unsynced < UNSYNCED_BYTES_MAX {
            return Ok(());
        }
        self.unsynced = 0;
        self.data.sync_data()
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.tree.sync()?;
        self.data.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_few_stay_open_and_no_more() {
        let hash = |number: u8| BlobHash::from_bytes([number; 32]);
        let mut kept = Kept::default();
        let mut opened = Vec::new();
        let mut get = |kept: &mut Kept<u8>, number: u8| {
            let found = kept.get(hash(number), || {
                opened.push(number);
                Ok(number)
            });
            assert_eq!(*found.unwrap(), number);
        };
        let most = u8::try_from(KEPT_MAX).unwrap();
        for number in 0..=most {
            get(&mut kept, number);
            get(&mut kept, number);
        }
        assert_eq!(kept.0.len(), KEPT_MAX);
        // The first one had to go; the others are here.
        (1..=most).for_each(|number| get(&mut kept, number));
        get(&mut kept, 0);
        kept.forget(hash(0));
        get(&mut kept, 0);
        assert!(
            kept.get(hash(99), || Err(io::ErrorKind::NotFound.into()))
                .is_err()
        );
        let expected: Vec<u8> = (0..=most).chain([0, 0]).collect();
        assert_eq!(opened, expected);
    }
}
