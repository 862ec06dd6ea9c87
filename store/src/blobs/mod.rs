//! Blobs: content named by its BLAKE3 hash, sent and received in slices that prove themselves.

mod collect;
mod files;
mod folder;
mod hash;
mod kept;
mod memory;
mod tree;
mod tree_file;

use std::collections::BTreeSet;
use std::io::{Read, Seek};
use std::ops::Range;

pub use collect::BlobPin;
pub use files::FileBlobs;
pub use hash::BlobHash;
pub use memory::MemoryBlobs;

use crate::BlobError;

/// Content is verified and asked for in groups of this many bytes; the last one of a blob may be shorter.
pub const GROUP_BYTES: u64 = 16 * 1024;

/// How many groups a blob of `size` bytes has. An empty blob has none: there is nothing to fetch.
pub const fn group_count(size: u64) -> u64 {
    size.div_ceil(GROUP_BYTES)
}

/// Whole and partial blobs. The calls wait for the disk: from async code, call them on a thread that may.
pub trait Blobs: Send + Sync {
    /// Takes a blob in from a reader, at most `limit` bytes; durable when it returns.
    fn import(&self, bytes: &mut dyn Read, limit: u64) -> Result<(BlobHash, u64), BlobError>;

    /// Starts a partial blob, or finds the one that is there. `size` is what the asker was told; a lie shows
    /// when the last group arrives at the latest.
    fn begin(&self, hash: BlobHash, size: u64) -> Result<BlobStatus, BlobError>;

    /// How much of a blob is here.
    fn status(&self, hash: BlobHash) -> Result<BlobStatus, BlobError>;

    /// A slice that proves itself against the hash, of a whole blob or of held groups of a partial one.
    /// It is verified before it leaves. At most [`crate::limits::SLICE_GROUPS_MAX`] groups; up to
    /// [`crate::limits::FRAME_GROUPS_MAX`] fit one transport frame.
    fn encode(&self, hash: BlobHash, groups: Range<u64>) -> Result<Vec<u8>, BlobError>;

    /// Adds a slice to a partial blob that was begun. It is verified before anything is written: wrong bytes
    /// are [`BlobError::Wrong`] and change nothing. With the last missing group the blob is whole and durable
    /// before this returns; groups before that may have to be fetched again after a crash.
    fn write(&self, hash: BlobHash, groups: Range<u64>, encoded: &[u8]) -> Result<BlobStatus, BlobError>;

    /// Reads a whole blob.
    fn open(&self, hash: BlobHash) -> Result<Box<dyn ReadSeek + Send>, BlobError>;

    /// Hashes what is here again. A whole blob that is damaged becomes a partial one that keeps its sound
    /// groups, so that only the others need to be fetched.
    fn verify(&self, hash: BlobHash) -> Result<BlobStatus, BlobError>;

    /// Every blob that is here, whole or partial, in the order of the hashes.
    fn list(&self) -> Result<Vec<BlobEntry>, BlobError>;

    /// Removes a blob, whole or partial, pinned or not. That it was not here is no error.
    fn remove(&self, hash: BlobHash) -> Result<(), BlobError>;

    /// Keeps a blob from being collected for as long as the answer lives: for a transfer that runs, or content
    /// that is about to be referred to. What is here when this returns stays; it need not be here yet.
    fn pin(&self, hash: BlobHash) -> BlobPin;

    /// Deletes the blobs, whole and partial, that nobody needs: those that are not in `live` and not pinned, and
    /// were not at any call for as long as the grace period says. Taking a blob in or beginning it starts that
    /// period anew, so a period longer than it takes from there to the change that refers to it loses nothing.
    ///
    /// A crash or an error on the way leaves some deleted whole and the others untouched; calling again goes on.
    fn collect(&self, live: &BTreeSet<BlobHash>, grace: Grace) -> Result<Collected, BlobError>;
}

/// For how long a blob may be idle before it is collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// The time now, in milliseconds since a moment that stays the same from start to start.
    pub now_ms: u64,
    /// How long a blob may be idle.
    pub period_ms: u64,
}

/// What [`Blobs::collect`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// Blobs that were deleted.
    pub deleted: u64,
    /// The bytes they had.
    pub deleted_bytes: u64,
    /// Idle blobs whose grace period is not over.
    pub waiting: u64,
    /// Idle blobs that are pinned.
    pub pinned: u64,
}

/// How much of a blob is here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlobStatus {
    /// Nothing.
    Absent,
    /// It was begun; some groups may be here.
    Partial {
        /// The size it was begun with.
        size: u64,
        /// The groups that are here and verified: ranges in order, not touching each other.
        have: Vec<Range<u64>>,
    },
    /// All of it, verified.
    Whole {
        /// Its size.
        size: u64,
    },
}

/// One blob in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its hash.
    pub hash: BlobHash,
    /// Its size, or for a partial one the size it was begun with.
    pub size: u64,
    /// Whether all of it is here.
    pub whole: bool,
}

/// Something to read a blob from.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}
