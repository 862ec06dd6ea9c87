//! What goes into the core and what comes out of it.

use crate::blob::fetch::Held;
use crate::core::EditError;
use crate::core::checking::{Check, Checked};
use crate::core::log::{NewSnapshot, Remake};
use crate::disk::LogRecord;
use crate::event::Event;
use crate::id::{BlobId, DeckId, DeviceId, LinkId, ReadId, Ticket};
use crate::sync::envelope::EnvelopeError;
use crate::sync::message::Message;
use crate::time::Time;
use bytes::Bytes;
use cuecard_store::{Batch, BlobHash, Collected, Grace, StreamId};
use cuecard_transport::Lane;
use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// What happened outside.
#[derive(Debug)]
pub enum Input {
    /// A link to a proven device is up.
    LinkUp {
        /// Its number.
        link: LinkId,
        /// The device at its other end.
        peer: DeviceId,
        /// What is unique to it at both ends.
        transcript: [u8; 32],
    },
    /// A link is gone.
    LinkDown {
        /// Its number.
        link: LinkId,
        /// Why.
        reason: String,
    },
    /// A message came.
    Received {
        /// By which link.
        link: LinkId,
        /// By which lane.
        lane: Lane,
        /// Its bytes.
        bytes: Bytes,
    },
    /// A message came by the control lane, and was opened outside: it may be long, and other things need not wait for that.
    Opened {
        /// By which link.
        link: LinkId,
        /// What it is.
        message: Result<Box<Message>, EnvelopeError>,
    },
    /// The disk failed in what was no batch.
    DiskFailed {
        /// What is known of it.
        why: String,
    },
    /// A batch is durable, or never will be.
    Saved {
        /// Which batch.
        ticket: Ticket,
        /// What the store said.
        result: Result<(), String>,
    },
    /// A part of a term's log was read.
    LogRead {
        /// Which question this answers.
        read: ReadId,
        /// What the store holds.
        result: Result<Vec<LogRecord>, String>,
    },
    /// A snapshot is durable, and older ones than the one before it are gone; or it could not be written.
    SnapshotPut {
        /// Of which deck.
        deck: DeckId,
        /// What the store said.
        result: Result<(), String>,
    },
    /// The snapshots of a removed deck are gone, and this is what deletes the rest.
    DeckFound {
        /// Which deck.
        deck: DeckId,
        /// A batch, or what the store said.
        result: Result<Batch, String>,
    },
    /// A task on blobs is done.
    BlobDone(BlobDone),
    /// A batch was checked.
    Checked(Box<Checked>),
    /// The time that was asked for has come.
    Tick,
}

/// What takes long and waits for nothing: it needs processor time alone, and neither the disk nor the core.
#[derive(Debug)]
pub enum Work {
    /// Check a batch, and put it in.
    Check(Box<Check>),
    /// Make changes anew of a document.
    Remake(Box<Remake>),
}

impl Work {
    /// Does it, and says what came of it. Should it panic, nothing came of it.
    #[must_use]
    pub fn run(self) -> Input {
        match self {
            Self::Check(check) => Input::Checked(Box::new(check.run())),
            Self::Remake(remake) => remake.run(),
        }
    }
}

/// What comes of a work: a panic costs that, and not the thread that others wait for.
pub(super) fn of_work<T>(work: impl FnOnce() -> T) -> Option<T> {
    unless_it_panics("a batch that was checked, or changes that were made anew", || {
        #[cfg(feature = "sim")]
        assert!(
            !crate::sim::is_broken(crate::sim::Rule::WorksDoNotPanic),
            "broken on purpose"
        );
        work()
    })
}

/// What comes of this, or nothing.
pub(crate) fn unless_it_panics<T>(what: &str, done: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(done));
    if done.is_err() {
        tracing::error!("{what} panicked; please report it");
    }
    done.ok()
}

/// What is to be done outside.
#[derive(Debug)]
pub enum Output {
    /// Send a message.
    Send {
        /// By which link.
        link: LinkId,
        /// By which lane.
        lane: Lane,
        /// Its bytes.
        bytes: Bytes,
    },
    /// Make this durable, after all batches before it, and say so.
    Save {
        /// How to name it in [`Input::Saved`].
        ticket: Ticket,
        /// What to keep.
        batch: Batch,
    },
    /// Read a part of a term's log, at most one slice.
    ReadLog {
        /// How to name it in [`Input::LogRead`].
        read: ReadId,
        /// Which log.
        stream: StreamId,
        /// From which change on.
        from: u64,
        /// How many changes at the most.
        count: usize,
    },
    /// Make a snapshot durable, then remove those older than the one before it, and say so.
    PutSnapshot {
        /// Of which deck.
        deck: DeckId,
        /// The snapshot.
        snapshot: NewSnapshot,
    },
    /// Delete the snapshots of a deck that was removed, and say what deletes the rest, but for audio, which is collected.
    RemoveDeck {
        /// Which deck.
        deck: DeckId,
    },
    /// From now on each side of a link is to hear of the other this often.
    Heartbeat {
        /// Which link.
        link: LinkId,
        /// How often.
        every: Duration,
    },
    /// Do something with a blob.
    Blob(BlobTask),
    /// [Do](Work::run) this where nothing waits for it, and give back what came of it.
    Work(Work),
    /// Tell the app.
    Event(Event),
    /// What became of something typed that had waited ([`Core::type_op`](super::Core::type_op)).
    Typed {
        /// The number that it got.
        typed: Ticket,
        /// The batch that makes it durable, unless nothing was changed; or why it was not done.
        result: Result<Option<Ticket>, EditError>,
    },
    /// What came of collecting audio ([`Core::collect_audio`](super::Core::collect_audio)).
    Collected {
        /// The number that it got.
        ticket: Ticket,
        /// What was deleted, or why not.
        result: Result<Collected, String>,
    },
    /// Call again with [`Input::Tick`] at this time at the latest.
    WakeAt(Time),
    /// Close a link.
    Close {
        /// Which one.
        link: LinkId,
        /// Why.
        reason: CloseWhy,
    },
}

/// Why the core wants a link closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseWhy {
    /// A newer link to the same device is up.
    Replaced,
    /// The other side broke the rules.
    Refused(String),
}

/// What the store is asked to do with a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobTask {
    /// Say what is held of one.
    Open {
        /// Which blob.
        blob: BlobId,
        /// Its size.
        size: u64,
    },
    /// Encode groups for another device.
    Encode {
        /// Who asks.
        link: LinkId,
        /// Under which number.
        transfer: u32,
        /// Which blob.
        blob: BlobId,
        /// Its size, as they were told.
        size: u64,
        /// Which groups.
        groups: Range<u32>,
    },
    /// Verify groups and keep them, of a blob that may have to be begun.
    Write {
        /// Who sent them.
        link: LinkId,
        /// Under which number.
        transfer: u32,
        /// Which blob.
        blob: BlobId,
        /// Its size.
        size: u64,
        /// Which groups.
        groups: Range<u32>,
        /// The slice.
        slice: Bytes,
    },
    /// Delete those that nobody needs.
    Collect {
        /// How to name it in [`BlobDone::Collected`].
        ticket: Ticket,
        /// Those that are needed.
        live: BTreeSet<BlobHash>,
        /// For how long others stay.
        grace: Grace,
    },
}

/// What came of a [`BlobTask`].
#[derive(Debug)]
pub enum BlobDone {
    /// What is held.
    Opened {
        /// Which blob.
        blob: BlobId,
        /// What is held of it.
        held: Held,
    },
    /// Encoded, or not there.
    Encoded {
        /// Who asks.
        link: LinkId,
        /// Under which number.
        transfer: u32,
        /// Which blob.
        blob: BlobId,
        /// The frame to send; `None` when it is not held.
        frame: Option<Bytes>,
        /// Whether what is on the disk is not what it was: it was looked through, and is to be completed.
        damaged: bool,
    },
    /// Verified and kept, or not.
    Written {
        /// Who sent them.
        link: LinkId,
        /// Under which number.
        transfer: u32,
        /// Which blob.
        blob: BlobId,
        /// Which groups.
        groups: Range<u32>,
        /// What came of it.
        result: WriteResult,
    },
    /// Those that nobody needs are deleted, or not.
    Collected {
        /// Which [`BlobTask::Collect`] this answers.
        ticket: Ticket,
        /// What the store said.
        result: Result<Collected, String>,
    },
}

/// What came of writing a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteResult {
    /// Verified and kept; the blob is not whole yet.
    Part,
    /// Verified and kept, and the blob is whole and durable.
    Whole,
    /// The bytes are not what the hash says: the source lies.
    Wrong,
    /// The disk failed.
    Failed {
        /// What the store said.
        why: String,
        /// It is full, or may not be filled further.
        no_room: bool,
    },
}
