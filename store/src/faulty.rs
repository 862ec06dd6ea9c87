//! A store whose disk fails when told to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    Batch, BlobEntry, BlobError, BlobHash, BlobPin, BlobStatus, Blobs, Collected, Grace, KeyedValue,
    ReadSeek, Record, Repair, Report, Saved, Snapshot, SnapshotName, Snapshots, Store, StoreError, StreamId,
};

/// What happens to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing of it is saved, and the caller hears so.
    Fail,
    /// Only its first operations are saved, and the caller hears that it failed: a disk without atomic
    /// batches, which no [`Store`] may be, to see that what is above notices.
    Tear {
        /// How many operations are saved.
        operations: usize,
    },
    /// Nothing of it is saved, and the caller hears that it was: a disk that lies.
    Lose,
    /// It is saved, and the caller hears that it failed: the answer was lost, or the sync behind it failed.
    FailAfter,
    /// Nothing of it is saved, and the call panics. What comes behind it is saved as if nothing had been.
    Panic,
}

/// What happens to a call that changes blobs ([`Blobs::import`], [`Blobs::begin`], [`Blobs::write`],
/// [`Blobs::collect`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlobFault {
    /// Nothing is done, and the caller hears so.
    Fail,
    /// The same, because there is no room.
    Full,
    /// One bit of the bytes that come in is flipped.
    Flip,
}

/// What happens to a call that changes snapshots ([`Snapshots::put`], [`Snapshots::delete`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotFault {
    /// Nothing is done, and the caller hears so.
    Fail,
    /// It is done, and the caller hears that it failed.
    FailAfter,
    /// Nothing is done, and the caller hears that it was: a disk that lies.
    Lose,
    /// Nothing is done, and the call panics.
    Panic,
}

/// Any store, with faults at chosen calls. As with any store, nothing is saved behind a failure; behind a panic it is.
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    commits: u64,
    faults: BTreeMap<u64, Fault>,
    blob_calls: u64,
    blob_faults: BTreeMap<u64, BlobFault>,
    snapshot_calls: u64,
    snapshot_faults: BTreeMap<u64, SnapshotFault>,
    stopped: bool,
}

impl<S: Store> FaultyStore<S> {
    /// No faults yet.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            plan: Mutex::default(),
        }
    }

    /// Plans a fault for the commit with this number; the first is 1.
    pub fn fault(&self, commit: u64, fault: Fault) {
        self.plan().faults.insert(commit, fault);
    }

    /// Plans a fault for the call with this number that changes blobs; the first is 1.
    pub fn blob_fault(&self, call: u64, fault: BlobFault) {
        self.plan().blob_faults.insert(call, fault);
    }

    /// Plans a fault for the call with this number that changes snapshots; the first is 1.
    pub fn snapshot_fault(&self, call: u64, fault: SnapshotFault) {
        self.plan().snapshot_faults.insert(call, fault);
    }

    /// How many calls there were that change snapshots.
    pub fn snapshot_calls(&self) -> u64 {
        self.plan().snapshot_calls
    }

    /// How many commits there were.
    pub fn commits(&self) -> u64 {
        self.plan().commits
    }

    /// The store within.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_snapshots(
        &self,
        doing: &str,
        change: impl FnOnce(&dyn Snapshots) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let fault = {
            let mut plan = self.plan();
            plan.snapshot_calls += 1;
            let number = plan.snapshot_calls;
            plan.snapshot_faults.remove(&number)
        };
        match fault {
            None => change(self.inner.snapshots()),
            Some(SnapshotFault::Lose) => Ok(()),
            Some(SnapshotFault::Fail) => Err(StoreError::io(doing, injected())),
            Some(SnapshotFault::Panic) => panics(),
            Some(SnapshotFault::FailAfter) => {
                change(self.inner.snapshots()).and_then(|()| Err(StoreError::io(doing, injected())))
            }
        }
    }

    fn next_blob_fault(&self) -> Result<bool, BlobError> {
        let mut plan = self.plan();
        plan.blob_calls += 1;
        let call = plan.blob_calls;
        match plan.blob_faults.remove(&call) {
            None => Ok(false),
            Some(BlobFault::Flip) => Ok(true),
            Some(BlobFault::Fail) => Err(BlobError::io("write a blob", injected())),
            Some(BlobFault::Full) => Err(BlobError::io("write a blob", io::ErrorKind::StorageFull.into())),
        }
    }
}

impl<S: Store> Store for FaultyStore<S> {
    fn commit(&self, batch: Batch) -> Saved {
        let mut plan = self.plan();
        plan.commits += 1;
        let number = plan.commits;
        if plan.stopped {
            return Saved::failed(StoreError::stopped(injected().to_string()));
        }
        let Some(fault) = plan.faults.remove(&number) else {
            return self.inner.commit(batch);
        };
        plan.stopped = !matches!(fault, Fault::Lose | Fault::Panic);
        match fault {
            Fault::Fail => {}
            Fault::Panic => panics(),
            Fault::Lose => return Saved::done(),
            Fault::FailAfter => drop(self.inner.commit(batch)),
            Fault::Tear { operations } => {
                drop(
                    self.inner
                        .commit(batch.into_operations().into_iter().take(operations).collect()),
                );
            }
        }
        Saved::failed(StoreError::io("save a batch", injected()))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(key)
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<KeyedValue>, StoreError> {
        self.inner.scan(prefix)
    }

    fn read(
        &self,
        stream: StreamId,
        from: u64,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.inner.read(stream, from, max_records, max_bytes)
    }

    fn first(&self, stream: StreamId) -> Result<Option<u64>, StoreError> {
        self.inner.first(stream)
    }

    fn blobs(&self) -> &dyn Blobs {
        self
    }

    fn snapshots(&self) -> &dyn Snapshots {
        self
    }

    fn check(&self) -> Result<Report, StoreError> {
        self.inner.check()
    }

    fn repair(&self) -> Result<Repair, StoreError> {
        self.inner.repair()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.inner.close()
    }
}

impl<S: Store> Blobs for FaultyStore<S> {
    fn import(&self, bytes: &mut dyn Read, limit: u64) -> Result<(BlobHash, u64), BlobError> {
        let flip = self.next_blob_fault()?;
        self.inner
            .blobs()
            .import(&mut FlipFirst { inner: bytes, flip }, limit)
    }

    fn begin(&self, hash: BlobHash, size: u64) -> Result<BlobStatus, BlobError> {
        self.next_blob_fault()?;
        self.inner.blobs().begin(hash, size)
    }

    fn status(&self, hash: BlobHash) -> Result<BlobStatus, BlobError> {
        self.inner.blobs().status(hash)
    }

    fn encode(&self, hash: BlobHash, groups: Range<u64>) -> Result<Vec<u8>, BlobError> {
        self.inner.blobs().encode(hash, groups)
    }

    fn write(&self, hash: BlobHash, groups: Range<u64>, encoded: &[u8]) -> Result<BlobStatus, BlobError> {
        let flip = self.next_blob_fault()?;
        let mut encoded = encoded.to_vec();
        if let Some(first) = encoded.first_mut() {
            *first ^= u8::from(flip);
        }
        self.inner.blobs().write(hash, groups, &encoded)
    }

    fn open(&self, hash: BlobHash) -> Result<Box<dyn ReadSeek + Send>, BlobError> {
        self.inner.blobs().open(hash)
    }

    fn verify(&self, hash: BlobHash) -> Result<BlobStatus, BlobError> {
        self.inner.blobs().verify(hash)
    }

    fn list(&self) -> Result<Vec<BlobEntry>, BlobError> {
        self.inner.blobs().list()
    }

    fn remove(&self, hash: BlobHash) -> Result<(), BlobError> {
        self.inner.blobs().remove(hash)
    }

    fn pin(&self, hash: BlobHash) -> BlobPin {
        self.inner.blobs().pin(hash)
    }

    fn collect(&self, live: &BTreeSet<BlobHash>, grace: Grace) -> Result<Collected, BlobError> {
        self.next_blob_fault()?;
        self.inner.blobs().collect(live, grace)
    }
}

impl<S: Store> Snapshots for FaultyStore<S> {
    fn put(&self, name: SnapshotName, expectation: &[u8], content: &[u8]) -> Result<(), StoreError> {
        self.change_snapshots("write a snapshot", |snapshots| {
            snapshots.put(name, expectation, content)
        })
    }

    fn read(&self, name: SnapshotName) -> Result<Option<Snapshot>, StoreError> {
        self.inner.snapshots().read(name)
    }

    fn list(&self) -> Result<Vec<SnapshotName>, StoreError> {
        self.inner.snapshots().list()
    }

    fn delete(&self, name: SnapshotName) -> Result<(), StoreError> {
        self.change_snapshots("delete a snapshot", |snapshots| snapshots.delete(name))
    }
}

struct FlipFirst<'r> {
    inner: &'r mut dyn Read,
    flip: bool,
}

impl Read for FlipFirst<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if let (true, Some(first)) = (read > 0, buffer.first_mut()) {
            *first ^= u8::from(std::mem::take(&mut self.flip));
        }
        Ok(read)
    }
}

#[expect(clippy::panic, reason = "that is the fault")]
fn panics() -> ! {
    panic!("{}", injected())
}

fn injected() -> io::Error {
    io::Error::other("a fault that was planned")
}
