//! The one thread that writes.
//!
//! sled's own flush does not reach the disk: 50 flushes were measured to make 50 `sync_file_range` calls and
//! no fsync, and many flushes at once deadlock. So one thread applies the batches, flushes once for a group
//! of them and then syncs the file through a descriptor of our own, before anyone hears that it is saved.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::mark::Mark;
use super::overlay::Physical;
use super::repair::Aside;
use super::{overlay, repair, tree_error};
use crate::door::Door;
use crate::limits::{ENTRY_SHARE_BYTES, SYNC_BYTES_MAX};
use crate::saved::SavedSender;
use crate::{Batch, Repair, StoreError};

/// When a commit counts as saved.
///
/// | | acknowledged | a killed process loses | a power cut loses |
/// |---|---|---|---|
/// | `Immediate` | when the disk has it | nothing acknowledged | nothing acknowledged |
/// | `Batched(interval)` | when it can be read | at most what was acknowledged within the last interval and the sync that was under way | the same |
///
/// With both, what is left is all that was committed up to some batch, whole, and nothing behind it; blobs and snapshots are
/// always durable when the call that made them returns; and [`crate::Store::close`] saves everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// Once the disk has it. Nothing that was acknowledged is lost, not by a killed process and not by a
    /// power cut. Commits that come while the disk is busy share the next sync.
    #[default]
    Immediate,
    /// Once it is written to memory; the disk has it after this interval and one sync at the latest, or sooner. A killed
    /// process or a power cut loses at most that. [`crate::Store::close`] saves everything.
    Batched(Duration),
}

/// How the file of the database gets to the disk. Tests count and fail it; everything else uses
/// [`SystemSync`].
pub trait DiskSync: Send + 'static {
    /// Returns when all that was written to the file is on the disk.
    fn sync(&mut self, file: &File) -> io::Result<()>;
}

/// Asks the operating system: `fdatasync` on Linux, `F_FULLFSYNC` on macOS.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemSync;

impl DiskSync for SystemSync {
    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

/// Why the store stopped, once it has.
pub(super) type StoppedBecause = Arc<OnceLock<Arc<str>>>;

pub(super) enum Message {
    Commit(Waiting),
    Repair(Repairing),
    Close(SavedSender),
}

/// A repair of the tree, and who waits for it.
pub(super) struct Repairing {
    pub(super) aside: Aside,
    pub(super) done: SyncSender<Result<(Repair, Aside), StoreError>>,
}

pub(super) struct Waiting {
    pub(super) batch: Batch,
    pub(super) cost: usize,
    pub(super) saved: SavedSender,
}

pub(super) struct Writer {
    pub(super) db: ::sled::Db,
    pub(super) file: File,
    pub(super) disk: Box<dyn DiskSync>,
    pub(super) door: Arc<Door>,
    pub(super) stopped: StoppedBecause,
    pub(super) durability: Durability,
    /// How many batches are in the tree.
    pub(super) count: u64,
    /// How many of them are noted. Starts as `count`, so that a loss found when opening stays on record until
    /// there is something new to note.
    pub(super) noted: u64,
    pub(super) mark: Mark,
    /// About how much of sled's log was filled since the last sync.
    pub(super) unsynced_bytes: usize,
}

impl Writer {
    /// Serves until it is told to close, or until nobody can tell it any more.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        let closing = match self.durability {
            Durability::Immediate => self.run_immediate(messages),
            Durability::Batched(interval) => self.run_batched(messages, interval),
        };
        let result = match self.stopped.get() {
            Some(why) => Err(StoreError::stopped(why.clone())),
            None => self.make_durable().and_then(|()| {
                self.mark
                    .sync()
                    .map_err(|source| StoreError::io("note how far the log has come", source))
            }),
        };
        // The file is given back before anyone hears that it is closed.
        drop(self);
        if let Some(closing) = closing {
            closing.send(result);
        }
    }

    fn run_immediate(&mut self, messages: &Receiver<Message>) -> Option<SavedSender> {
        loop {
            let mut group = Vec::new();
            let mut behind = None;
            let mut bytes = 0;
            let mut next = Some(messages.recv().ok()?);
            while let Some(message) = next.take() {
                match message {
                    Message::Commit(waiting) => {
                        bytes += waiting.cost + waiting.batch.operations().len() * ENTRY_SHARE_BYTES;
                        group.push(waiting);
                    }
                    // Those before it are saved first.
                    other => {
                        behind = Some(other);
                        break;
                    }
                }
                // More would need a second sync, and the first of them would wait for it.
                if bytes < SYNC_BYTES_MAX {
                    next = messages.try_recv().ok();
                }
            }
            self.save_group(group);
            match behind {
                Some(Message::Close(saved)) => return Some(saved),
                Some(Message::Repair(repairing)) => self.repair(repairing),
                Some(Message::Commit(_)) | None => {}
            }
        }
    }

    fn run_batched(&mut self, messages: &Receiver<Message>, interval: Duration) -> Option<SavedSender> {
        let mut sync_at: Option<Instant> = None;
        loop {
            let message = match sync_at {
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => messages.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match message {
                Ok(Message::Commit(waiting)) => {
                    let applied = self.apply(waiting.batch);
                    if applied.is_ok() {
                        sync_at.get_or_insert_with(|| Instant::now() + interval);
                    }
                    self.door.leave(waiting.cost);
                    waiting.saved.send(applied);
                }
                Ok(Message::Repair(repairing)) => self.repair(repairing),
                Ok(Message::Close(saved)) => return Some(saved),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if sync_at.is_some_and(|at| at <= Instant::now()) {
                sync_at = None;
                if let Err(error) = self.make_durable() {
                    self.stop(&error);
                }
            }
        }
    }

    /// Applies all, syncs once, and only then answers.
    fn save_group(&mut self, group: Vec<Waiting>) {
        let mut changed = false;
        let mut answers = Vec::with_capacity(group.len());
        for waiting in group {
            let empty = waiting.batch.is_empty();
            let applied = self.apply(waiting.batch);
            changed |= applied.is_ok() && !empty;
            self.door.leave(waiting.cost);
            answers.push((waiting.saved, applied));
        }
        // Batches before one that was refused are saved all the same: what is saved is a prefix.
        let durable = if changed { self.make_durable() } else { Ok(()) };
        if let Err(error) = &durable {
            self.stop(error);
        }
        for (saved, applied) in answers {
            saved.send(applied.and_then(|()| durable.clone()));
        }
    }

    fn apply(&mut self, batch: Batch) -> Result<(), StoreError> {
        if let Some(why) = self.stopped.get() {
            return Err(StoreError::stopped(why.clone()));
        }
        if batch.is_empty() {
            return Ok(());
        }
        let count = self.count.saturating_add(1);
        let planned = catch_unwind(AssertUnwindSafe(|| overlay::plan(&self.db, batch, count)))
            .unwrap_or_else(|_| Err(panicked("read what a batch changes")));
        let applied = planned.and_then(|physical| self.write(physical));
        match &applied {
            Ok(()) => self.count = count,
            Err(error) => self.stop(error),
        }
        applied
    }

    /// Gives a batch to sled; before that, syncs what fills too much of its log together with this one.
    fn write(&mut self, physical: Physical) -> Result<(), StoreError> {
        let Physical { batch, log_bytes } = physical;
        if self.unsynced_bytes > 0 && self.unsynced_bytes.saturating_add(log_bytes) > SYNC_BYTES_MAX {
            self.make_durable()?;
        }
        self.unsynced_bytes = self.unsynced_bytes.saturating_add(log_bytes);
        let doing = "write a batch";
        catch_unwind(AssertUnwindSafe(|| {
            let applied = self.db.apply_batch(batch);
            applied.map_err(|error| tree_error(doing, error))
        }))
        .unwrap_or_else(|_| Err(panicked(doing)))
    }

    fn repair(&mut self, repairing: Repairing) {
        let Repairing { mut aside, done } = repairing;
        let mut repair = Repair::default();
        let result = match self.stopped.get() {
            Some(why) => Err(StoreError::stopped(why.clone())),
            // Up to here nothing is changed, and whatever is wrong harms nobody else.
            None => catch_unwind(AssertUnwindSafe(|| {
                repair::plan(&self.db, &mut aside, &mut repair)
            }))
            .unwrap_or_else(|_| {
                Err(StoreError::Corrupt {
                    what: "the database".to_owned(),
                })
            }),
        };
        let result = match result {
            Ok(_) if repair.is_lossless() => Ok(()),
            Ok(batch) => {
                let changed = self.take_out(batch);
                if let Err(error) = &changed {
                    self.stop(error);
                }
                changed
            }
            Err(error) => Err(error),
        };
        // Nobody waits any more when the store was dropped meanwhile.
        drop(done.send(result.map(|()| (repair, aside))));
    }

    fn take_out(&mut self, mut batch: ::sled::Batch) -> Result<(), StoreError> {
        let count = self.count.saturating_add(1);
        overlay::set_count(&mut batch, count);
        // How much it fills is not known: with nothing else, at least.
        self.make_durable()?;
        self.write(Physical {
            batch,
            log_bytes: SYNC_BYTES_MAX,
        })?;
        self.count = count;
        self.make_durable()
    }

    fn make_durable(&mut self) -> Result<(), StoreError> {
        catch_unwind(AssertUnwindSafe(|| {
            self.db
                .flush()
                .map_err(|error| tree_error("write to the database", error))
        }))
        .unwrap_or_else(|_| Err(panicked("write to the database")))?;
        self.disk
            .sync(&self.file)
            .map_err(|source| StoreError::io("sync the database to the disk", source))?;
        self.unsynced_bytes = 0;
        if self.noted != self.count {
            self.mark
                .note(self.count)
                .map_err(|source| StoreError::io("note how far the log has come", source))?;
            self.noted = self.count;
        }
        Ok(())
    }

    /// Nothing is saved behind a failure: after a failed fsync the kernel may have dropped the very pages it
    /// could not write, so that a second one would succeed and lie.
    fn stop(&self, error: &StoreError) {
        tracing::error!(%error, "the store stops saving");
        // The first cause is the one that counts.
        drop(self.stopped.set(error.to_string().into()));
    }
}

fn panicked(doing: &str) -> StoreError {
    StoreError::io(doing, io::Error::other("the database gave up on damaged data"))
}
