//! What can go wrong, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{BlobHash, StreamId};

/// Why the store could not do what was asked. Cheap to clone: one failure is told to everyone who waits.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process, or another handle of this one, has the folder open.
    #[error("{folder:?} is in use by another process: close that one, or choose another folder")]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The store was closed.
    #[error("the store is closed: open it again")]
    Closed,
    /// An earlier batch could not be saved, and none may be saved behind it.
    #[error(
        "the store has stopped, because {why}: close it, look at the cause, then open it again and read what was saved"
    )]
    Stopped {
        /// What stopped it.
        why: Arc<str>,
    },
    /// More waits for the disk than may.
    #[error(
        "{waiting} bytes wait for the disk (at most {limit}): wait for an earlier commit, then try again"
    )]
    QueueFull {
        /// Bytes that wait.
        waiting: usize,
        /// Bytes that may wait.
        limit: usize,
    },
    /// A commit before this one was refused, and nobody has looked at its answer yet.
    #[error("an earlier commit was refused: look at its answer, then try again from there")]
    HeldBack,
    /// A key or value that is longer than may be.
    #[error("a {what} of {bytes} bytes is too long (at most {limit}): split it, or keep it as a blob")]
    TooLarge {
        /// What is too long.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A different record is already in that place.
    #[error(
        "record {seq} of stream {stream} already exists with other content: a log is not rewritten, drop the stream first"
    )]
    Taken {
        /// The stream.
        stream: StreamId,
        /// The place.
        seq: u64,
    },
    /// What was read is not what was saved.
    #[error("{what} is damaged: fetch it again from another device, or restore a backup")]
    Corrupt {
        /// What is damaged.
        what: String,
    },
    /// It is sound, and holds another state than the one asked for.
    #[error(
        "{what} is not of the state that was expected: use an earlier one, or fetch it again from another device"
    )]
    Unexpected {
        /// What holds another state.
        what: String,
    },
    /// The folder as a whole cannot be opened any more.
    #[error(
        "the data in {folder:?} is damaged and cannot be opened as it is ({why}): open it with a repair, which sets aside \
         what is damaged, then synchronise from another device"
    )]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// What opening it said.
        why: Arc<str>,
    },
    /// Written by a version, or with an option, that this version does not know.
    #[error("{what} was written in a format this version does not know: open it with a newer version")]
    Format {
        /// What has the format.
        what: String,
    },
    /// The disk, a quota or a limit on file sizes leaves no room.
    #[error("there is no room to {doing} ({source}): free some space, then open the store again")]
    NoSpace {
        /// What there is no room for.
        doing: String,
        /// What the file system said.
        source: Arc<io::Error>,
    },
    /// The folder may not be written, or not read.
    #[error(
        "it is not allowed to {doing} ({source}): let this user read and write the folder and all that is in it, or \
         choose another folder"
    )]
    NotAllowed {
        /// What is not allowed.
        doing: String,
        /// What the file system said.
        source: Arc<io::Error>,
    },
    /// The file system said no.
    #[error("could not {doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What it said.
        source: Arc<io::Error>,
    },
    /// A blob could not be worked on.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

impl StoreError {
    /// What the file system said to what was being done; a full disk and missing rights have errors of their own. For
    /// backends.
    pub fn io(doing: impl Into<String>, source: io::Error) -> Self {
        let (doing, source) = (doing.into(), Arc::new(source));
        match Trouble::of(source.kind()) {
            Trouble::Space => Self::NoSpace { doing, source },
            Trouble::Rights => Self::NotAllowed { doing, source },
            Trouble::Other => Self::Io { doing, source },
        }
    }

    /// That nothing is saved any more, and why. For backends.
    pub fn stopped(why: impl Into<Arc<str>>) -> Self {
        Self::Stopped { why: why.into() }
    }
}

/// Why a blob could not be worked on.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// Not here, and not begun.
    #[error("blob {hash} is not here: begin it, then write what another device sends")]
    Absent {
        /// The blob.
        hash: BlobHash,
    },
    /// Groups were asked for that are not here yet.
    #[error("blob {hash} is not whole: groups {first} to {end} are not all here")]
    Missing {
        /// The blob.
        hash: BlobHash,
        /// The first group asked for.
        first: u64,
        /// The first one behind those asked for.
        end: u64,
    },
    /// The bytes are not a part of this blob. Nothing was changed.
    #[error(
        "these bytes are not groups {first} to {end} of blob {hash}: the sender is wrong, or the size given for the blob"
    )]
    Wrong {
        /// The blob they were said to be of.
        hash: BlobHash,
        /// The first group they were said to be.
        first: u64,
        /// The first one behind those.
        end: u64,
    },
    /// It was begun with another size.
    #[error("blob {hash} was begun with {begun} bytes, not {asked}: remove it first if that size was wrong")]
    OtherSize {
        /// The blob.
        hash: BlobHash,
        /// The size it has here.
        begun: u64,
        /// The size asked for.
        asked: u64,
    },
    /// Longer than may be.
    #[error("the blob is longer than the {limit} bytes it may have")]
    TooLarge {
        /// How long it may be.
        limit: u64,
    },
    /// An empty or too long range of groups, or one beyond the end.
    #[error(
        "groups {first} to {end} cannot be worked on: the blob has {groups}, and at most {limit} go at once"
    )]
    Range {
        /// The first group asked for.
        first: u64,
        /// The first one behind those asked for.
        end: u64,
        /// How many the blob has.
        groups: u64,
        /// How many go at once.
        limit: u64,
    },
    /// More partial blobs than may be kept.
    #[error("{limit} blobs are partial already: finish or remove some first")]
    TooMany {
        /// How many may be partial.
        limit: usize,
    },
    /// What is on disk no longer has the hash.
    #[error("blob {hash} is damaged on disk: verify it, then fetch what is missing again")]
    Damaged {
        /// The blob.
        hash: BlobHash,
    },
    /// The store was closed.
    #[error("the store is closed: open it again")]
    Closed,
    /// The disk, a quota or a limit on file sizes leaves no room.
    #[error("there is no room to {doing} ({source}): free some space, then try again")]
    NoSpace {
        /// What there is no room for.
        doing: String,
        /// What the file system said.
        source: Arc<io::Error>,
    },
    /// The folder may not be written, or not read.
    #[error(
        "it is not allowed to {doing} ({source}): let this user read and write the folder and all that is in it, or \
         choose another folder"
    )]
    NotAllowed {
        /// What is not allowed.
        doing: String,
        /// What the file system said.
        source: Arc<io::Error>,
    },
    /// The file system said no.
    #[error("could not {doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What it said.
        source: Arc<io::Error>,
    },
}

impl BlobError {
    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        let (doing, source) = (doing.into(), Arc::new(source));
        match Trouble::of(source.kind()) {
            Trouble::Space => Self::NoSpace { doing, source },
            Trouble::Rights => Self::NotAllowed { doing, source },
            Trouble::Other => Self::Io { doing, source },
        }
    }
}

/// What the user has to do something about.
enum Trouble {
    Space,
    Rights,
    Other,
}

impl Trouble {
    fn of(kind: io::ErrorKind) -> Self {
        use io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match kind {
            StorageFull | QuotaExceeded | FileTooLarge => Self::Space,
            PermissionDenied | ReadOnlyFilesystem => Self::Rights,
            _ => Self::Other,
        }
    }
}
