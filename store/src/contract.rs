//! What every backend promises.

use crate::{Batch, Blobs, Repair, Report, Saved, Snapshots, StoreError, StreamId};

/// Streams, keyed state and blobs, in opaque bytes.
///
/// Any number of threads may call at once. [`crate::conformance::check_contract`] tests what is said here.
pub trait Store: Send + Sync + 'static {
    /// Queues a batch and returns at once; the [`Saved`] says when the disk has it.
    ///
    /// - A batch happens whole or not at all.
    /// - Batches are saved in the order of the calls, and **what is saved is a prefix of what was
    ///   committed**: after a batch that could not be saved none behind it is, so a log never gets a hole.
    ///   - A failure at the disk, or a record appended over a different one, stops the store: every later
    ///     commit fails with [`StoreError::Stopped`], until the store is opened anew.
    ///   - A refusal before the queue ([`StoreError::QueueFull`], [`StoreError::TooLarge`]) holds back later
    ///     commits ([`StoreError::HeldBack`]) only until the [`Saved`] of each refused one was awaited or
    ///     dropped: until the caller knows.
    /// - Backpressure: at most [`crate::limits::QUEUE_BYTES_MAX`] wait for the disk; a commit beyond that is
    ///   refused with [`StoreError::QueueFull`]. The caller waits for an earlier [`Saved`], then tries again.
    /// - Batches of about a MiB or a hundred operations at most are best: what was saved before a larger one is safe
    ///   from a power cut only on a disk that writes in order ([`crate::limits::SYNC_BYTES_MAX`] says why).
    /// - A batch is visible to reads when its [`Saved`] says so; maybe earlier, so seeing a record does not
    ///   mean that it would survive a power cut.
    fn commit(&self, batch: Batch) -> Saved;

    /// The value under `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Every key that starts with `prefix`, with its value, in the order of the keys.
    fn scan(&self, prefix: &[u8]) -> Result<Vec<KeyedValue>, StoreError>;

    /// Records of `stream` from the sequence `from` on, without a gap: it ends at the first missing one.
    ///
    /// At most `max_records`, and at most `max_bytes` in all except that the first record always comes,
    /// so that a reader gets on. A damaged record ends the answer before it; a read that starts at it says
    /// [`StoreError::Corrupt`].
    fn read(
        &self,
        stream: StreamId,
        from: u64,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// The sequence of the first record of `stream`, none if it has no records. A trimmed stream does not
    /// begin at its beginning.
    fn first(&self, stream: StreamId) -> Result<Option<u64>, StoreError>;

    /// The blobs kept beside.
    fn blobs(&self) -> &dyn Blobs;

    /// The snapshots kept beside.
    fn snapshots(&self) -> &dyn Snapshots;

    /// Reads everything and verifies every checksum. Damaged records and values are reported and left as they
    /// are; a damaged blob becomes a partial one, so that what is missing can be fetched again.
    fn check(&self) -> Result<Report, StoreError>;

    /// Checks everything, sets aside what is damaged, and says what is lost by that; a check then finds nothing.
    ///
    /// Of a stream, what is behind its first damaged or missing record goes with that, because it cannot be read
    /// without it; of a blob, only the damaged groups. What is written in a format that this version does not
    /// know is no damage: then nothing is changed. Synchronise afterwards, and continue nothing that was numbered
    /// here: numbers that others have seen may be free again.
    fn repair(&self) -> Result<Repair, StoreError>;

    /// Saves what is queued, makes it durable and lets go of the folder. Every later call says
    /// [`StoreError::Closed`]; closing again does nothing.
    fn close(&self) -> Result<(), StoreError>;
}

/// A key and the value under it.
pub type KeyedValue = (Vec<u8>, Vec<u8>);

/// One record of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the stream.
    pub seq: u64,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl<S: Store + ?Sized> Store for std::sync::Arc<S> {
    fn commit(&self, batch: Batch) -> Saved {
        (**self).commit(batch)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).get(key)
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<KeyedValue>, StoreError> {
        (**self).scan(prefix)
    }

    fn read(
        &self,
        stream: StreamId,
        from: u64,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, StoreError> {
        (**self).read(stream, from, max_records, max_bytes)
    }

    fn first(&self, stream: StreamId) -> Result<Option<u64>, StoreError> {
        (**self).first(stream)
    }

    fn blobs(&self) -> &dyn Blobs {
        (**self).blobs()
    }

    fn snapshots(&self) -> &dyn Snapshots {
        (**self).snapshots()
    }

    fn check(&self) -> Result<Report, StoreError> {
        (**self).check()
    }

    fn repair(&self) -> Result<Repair, StoreError> {
        (**self).repair()
    }

    fn close(&self) -> Result<(), StoreError> {
        (**self).close()
    }
}
