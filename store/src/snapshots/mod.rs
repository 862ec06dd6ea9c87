//! Snapshots: what is too large for a value and changes as a whole, a file each.
//!
//! A snapshot stands for the front of a log. So it is durable before [`Snapshots::put`] returns, it says what
//! state it holds (its *expectation*: the head of that log, say), and the one before it stays until it is
//! deleted: first put the new one, then commit what refers to it and trim, then delete what is no longer needed.

mod files;
mod form;
mod memory;

pub use files::FileSnapshots;
pub use memory::MemorySnapshots;

use std::fmt;

use crate::StoreError;
use crate::limits::{EXPECTATION_BYTES_MAX, SNAPSHOT_BYTES_MAX};

/// The name of a snapshot: whose it is, and which of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotName {
    /// Whose it is: the layer above makes the key (a hash of what the snapshots are of).
    pub key: [u8; 32],
    /// Which one: the layer above counts up.
    pub generation: u64,
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))?;
        // All digits, so that names sort like numbers.
        write!(formatter, ".{:020}", self.generation)
    }
}

impl fmt::Debug for SnapshotName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SnapshotName({self})")
    }
}

/// A snapshot as it was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What state it holds.
    pub expectation: Vec<u8>,
    /// That state.
    pub content: Vec<u8>,
}

/// Snapshots, by name. The calls wait for the disk: from async code, call them on a thread that may.
pub trait Snapshots: Send + Sync {
    /// Keeps a snapshot, in place of one with the same name: after a crash either that one or this one is
    /// there, whole. Durable when it returns; other names are not touched.
    ///
    /// At most [`crate::limits::SNAPSHOT_BYTES_MAX`] of content and
    /// [`crate::limits::EXPECTATION_BYTES_MAX`] of expectation.
    fn put(&self, name: SnapshotName, expectation: &[u8], content: &[u8]) -> Result<(), StoreError>;

    /// A snapshot, if there is one of that name. What is damaged is [`StoreError::Corrupt`].
    fn read(&self, name: SnapshotName) -> Result<Option<Snapshot>, StoreError>;

    /// Every snapshot that is here, in the order of the names; damaged ones too, and nothing of them is read.
    fn list(&self) -> Result<Vec<SnapshotName>, StoreError>;

    /// Removes a snapshot; durable when it returns. That it was not here is no error.
    fn delete(&self, name: SnapshotName) -> Result<(), StoreError>;

    /// The content of a snapshot that holds this state. One that holds another is [`StoreError::Unexpected`].
    fn read_expecting(&self, name: SnapshotName, expectation: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.read(name)? {
            Some(found) if found.expectation == expectation => Ok(Some(found.content)),
            Some(_) => Err(StoreError::Unexpected {
                what: format!("snapshot {name}"),
            }),
            None => Ok(None),
        }
    }

    /// The generations of one key, oldest first.
    fn generations(&self, key: [u8; 32]) -> Result<Vec<u64>, StoreError> {
        let names = self.list()?.into_iter();
        Ok(names
            .filter(|name| name.key == key)
            .map(|name| name.generation)
            .collect())
    }
}

fn check_lengths(expectation: &[u8], content: &[u8]) -> Result<(), StoreError> {
    let within = |what: &'static str, bytes: usize, limit: usize| {
        if bytes > limit {
            Err(StoreError::TooLarge { what, bytes, limit })
        } else {
            Ok(())
        }
    };
    within("expectation", expectation.len(), EXPECTATION_BYTES_MAX)?;
    within("snapshot", content.len(), SNAPSHOT_BYTES_MAX)
}

fn flawed(name: SnapshotName, flaw: form::Flaw) -> StoreError {
    let what = format!("snapshot {name}");
    match flaw {
        form::Flaw::Damaged => StoreError::Corrupt { what },
        form::Flaw::Format => StoreError::Format { what },
    }
}
