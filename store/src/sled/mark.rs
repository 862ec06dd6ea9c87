//! How far the log had come, noted beside it.
//!
//! On damaged files sled 0.34 ends its log at the first record it cannot read, and opens without a word: of 60
//! databases damaged in one place each, 23 opened with the later records missing. So every batch counts
//! itself in the tree, and the count that was synced is noted in a file. A tree that counts less has lost
//! something.
//!
//! The note is written after each sync, and not synced itself: it may be older than the tree, never newer, and
//! costs no wait for the disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use bao_tree::io::sync::WriteAt;

use crate::disk;

const BYTES: usize = 16;

/// The file that holds the note.
pub(super) struct Mark(File);

impl Mark {
    /// What was noted, zero if nothing readable was, and the file for further notes.
    pub(super) fn open(path: &Path) -> io::Result<(u64, Self)> {
        let noted = match fs::read(path) {
            Ok(bytes) => parse(&bytes).unwrap_or(0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk::write_file(&path.with_extension("tmp"), path, &render(0))?;
                0
            }
            Err(error) => return Err(error),
        };
        Ok((noted, Self(OpenOptions::new().write(true).open(path)?)))
    }

    pub(super) fn note(&mut self, count: u64) -> io::Result<()> {
        self.0.write_all_at(0, &render(count))
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

fn render(count: u64) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let (number, sum) = bytes.split_at_mut(8);
    number.copy_from_slice(&count.to_be_bytes());
    blake3::Hasher::new().update(number).finalize_xof().fill(sum);
    bytes
}

fn parse(bytes: &[u8]) -> Option<u64> {
    let count = u64::from_be_bytes(*bytes.first_chunk()?);
    (render(count) == bytes).then_some(count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{always, bytes, changed, changes};

    #[test]
    fn a_note_is_read_as_it_was_written_or_not_at_all() {
        always((any::<u64>(), changes(), bytes()), |(count, changes, other)| {
            prop_assert_eq!(parse(&render(count)), Some(count));
            let damaged = changed(render(count).to_vec(), &changes);
            prop_assert!(damaged == render(count) || parse(&damaged).is_none());
            prop_assert!(parse(&other).is_none_or(|count| render(count) == other.as_slice()));
            Ok(())
        });
    }
}
