//! A store in memory that can be made to crash.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::door::Door;
use crate::report::{check_files, repair_files};
use crate::saved::SavedSender;
use crate::{
    Batch, Blobs, Damage, KeyedValue, Loss, MemoryBlobs, MemorySnapshots, Operation, Record, Repair, Report,
    Saved, Snapshots, Store, StoreError, StreamId,
};

/// A store in memory. A clone is another handle on the same store.
///
/// [`MemoryStore::new`] saves every batch at once. [`MemoryStore::manual`] saves nothing until told to, so
/// that a simulator decides what a crash loses:
///
/// ```
/// use cuecard_store::{Batch, MemoryStore, Store};
///
/// let store = MemoryStore::manual();
/// for key in [b"a", b"b"] {
///     let mut batch = Batch::new();
///     batch.put(key.to_vec(), b"1".to_vec());
///     drop(store.commit(batch));
/// }
/// store.persist(1);
/// let after = store.crash();
/// assert_eq!(after.get(b"a").unwrap(), Some(b"1".to_vec()));
/// assert_eq!(after.get(b"b").unwrap(), None);
/// ```
#[derive(Debug, Clone)]
pub struct MemoryStore(Arc<Shared>);

/// What a [`MemoryStore`] had saved at one moment.
#[derive(Debug)]
pub struct MemoryImage {
    data: Data,
    blobs: MemoryBlobs,
    snapshots: MemorySnapshots,
    manual: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    door: Door,
    blobs: MemoryBlobs,
    snapshots: MemorySnapshots,
    manual: bool,
}

#[derive(Debug, Default)]
struct State {
    data: Data,
    queued: VecDeque<Queued>,
    stopped: Option<Arc<str>>,
    closed: bool,
}

#[derive(Debug)]
struct Queued {
    batch: Batch,
    cost: usize,
    saved: SavedSender,
}

#[derive(Debug, Clone, Default)]
struct Data {
    streams: BTreeMap<StreamId, BTreeMap<u64, Vec<u8>>>,
    values: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl MemoryStore {
    /// An empty store that saves each batch within the call of [`Store::commit`].
    pub fn new() -> Self {
        Self::empty(false)
    }

    /// An empty store that saves only what [`Self::persist`] tells it to. Reads see what was saved.
    pub fn manual() -> Self {
        Self::empty(true)
    }

    /// How many batches wait to be saved.
    pub fn queued(&self) -> usize {
        self.state().queued.len()
    }

    /// Saves the next `batches` of the queue, and answers their [`Saved`].
    pub fn persist(&self, batches: usize) {
        let mut state = self.state();
        for _ in 0..batches {
            let Some(next) = state.queued.pop_front() else {
                return;
            };
            self.0.save(&mut state, next);
        }
    }

    /// Saves the whole queue.
    pub fn persist_all(&self) {
        self.persist(usize::MAX);
    }

    /// Ends every handle of this store as a power cut would, and opens what was saved: what is queued is
    /// lost, and so are partial blobs, of which a real disk may keep any part.
    pub fn crash(&self) -> Self {
        let image = MemoryImage {
            blobs: self.0.blobs.image(false),
            ..self.snapshot()
        };
        let mut state = self.state();
        state.closed = true;
        // Their senders are dropped unanswered: nobody may think these were saved.
        state.queued.clear();
        self.0.blobs.close();
        self.0.snapshots.close();
        Self::restore(image)
    }

    /// What is saved now, to be opened later, any number of times.
    pub fn snapshot(&self) -> MemoryImage {
        let data = self.state().data.clone();
        MemoryImage {
            data,
            blobs: self.0.blobs.image(true),
            snapshots: self.0.snapshots.image(),
            manual: self.0.manual,
        }
    }

    /// Opens what a snapshot kept.
    pub fn restore(image: MemoryImage) -> Self {
        let state = Mutex::new(State {
            data: image.data,
            ..State::default()
        });
        Self(Arc::new(Shared {
            state,
            door: Door::default(),
            blobs: image.blobs,
            snapshots: image.snapshots,
            manual: image.manual,
        }))
    }

    /// Opens a closed store again, with all it had saved.
    pub fn reopen(&self) -> Result<Self, StoreError> {
        if !self.state().closed {
            return Err(StoreError::InUse {
                folder: PathBuf::from("memory"),
            });
        }
        Ok(Self::restore(self.snapshot()))
    }

    /// The blobs with what only memory can do to them.
    pub fn memory_blobs(&self) -> &MemoryBlobs {
        &self.0.blobs
    }

    /// The snapshots with what only memory can do to them.
    pub fn memory_snapshots(&self) -> &MemorySnapshots {
        &self.0.snapshots
    }

    fn empty(manual: bool) -> Self {
        Self::restore(MemoryImage {
            data: Data::default(),
            blobs: MemoryBlobs::default(),
            snapshots: MemorySnapshots::default(),
            manual,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state();
        if state.closed {
            Err(StoreError::Closed)
        } else {
            Ok(state)
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for MemoryImage {
    fn clone(&self) -> Self {
        Self {
            data: self.data.clone(),
            blobs: self.blobs.image(true),
            snapshots: self.snapshots.image(),
            manual: self.manual,
        }
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: Batch) -> Saved {
        let mut state = self.state();
        if state.closed {
            return Saved::failed(StoreError::Closed);
        }
        if let Some(why) = &state.stopped {
            return Saved::failed(StoreError::stopped(why.clone()));
        }
        let cost = match self.0.door.enter(&batch) {
            Ok(cost) => cost,
            Err(refused) => return refused,
        };
        let (sender, saved) = Saved::later();
        let next = Queued {
            batch,
            cost,
            saved: sender,
        };
        if self.0.manual {
            state.queued.push_back(next);
        } else {
            self.0.save(&mut state, next);
        }
        saved
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.open_state()?.data.values.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<KeyedValue>, StoreError> {
        let state = self.open_state()?;
        let from = state.data.values.range(prefix.to_vec()..);
        Ok(from
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn read(
        &self,
        stream: StreamId,
        from: u64,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let state = self.open_state()?;
        let mut records = Vec::new();
        let mut bytes_left = max_bytes;
        let Some(kept) = state.data.streams.get(&stream) else {
            return Ok(records);
        };
        for ((seq, bytes), expected) in kept.range(from..).zip(from..=u64::MAX).take(max_records) {
            if *seq != expected || (!records.is_empty() && bytes.len() > bytes_left) {
                break;
            }
            bytes_left = bytes_left.saturating_sub(bytes.len());
            records.push(Record {
                seq: *seq,
                bytes: bytes.clone(),
            });
        }
        Ok(records)
    }

    fn first(&self, stream: StreamId) -> Result<Option<u64>, StoreError> {
        let state = self.open_state()?;
        let kept = state.data.streams.get(&stream);
        Ok(kept.and_then(|kept| kept.keys().next().copied()))
    }

    fn blobs(&self) -> &dyn Blobs {
        &self.0.blobs
    }

    fn snapshots(&self) -> &dyn Snapshots {
        &self.0.snapshots
    }

    fn check(&self) -> Result<Report, StoreError> {
        let mut report = Report::default();
        {
            let state = self.open_state()?;
            report.values = state.data.values.len() as u64;
            for (stream, records) in &state.data.streams {
                report.streams += 1;
                report.records += records.len() as u64;
                for (seq, next) in records.keys().zip(records.keys().skip(1)) {
                    if seq + 1 != *next {
                        report.add(Damage::Gap {
                            stream: *stream,
                            seq: seq + 1,
                        });
                    }
                }
            }
        }
        check_files(self, &mut report)?;
        Ok(report)
    }

    fn repair(&self) -> Result<Repair, StoreError> {
        let mut repair = Repair::default();
        let mut state = self.open_state()?;
        for (stream, records) in &mut state.data.streams {
            let gap = records
                .keys()
                .zip(records.keys().skip(1))
                .find(|(seq, next)| *seq + 1 != **next);
            if let Some(first) = gap.map(|(seq, _)| seq + 1) {
                let records = records.split_off(&first).len() as u64;
                repair.add(Loss::Records {
                    stream: *stream,
                    first,
                    records,
                });
            }
        }
        drop(state);
        repair_files(self, &mut repair, |name| self.0.snapshots.delete(name))?;
        Ok(repair)
    }

    fn close(&self) -> Result<(), StoreError> {
        self.persist_all();
        let mut state = self.state();
        state.closed = true;
        self.0.blobs.close();
        self.0.snapshots.close();
        match &state.stopped {
            Some(why) => Err(StoreError::stopped(why.clone())),
            None => Ok(()),
        }
    }
}

impl Shared {
    fn save(&self, state: &mut State, next: Queued) {
        self.door.leave(next.cost);
        let result = match &state.stopped {
            Some(why) => Err(StoreError::stopped(why.clone())),
            None => state.data.apply(next.batch),
        };
        if let Err(error) = &result {
            state.stopped.get_or_insert_with(|| error.to_string().into());
        }
        next.saved.send(result);
    }
}

impl Data {
    fn apply(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.refuse_rewriting(&batch)?;
        for operation in batch.into_operations() {
            match operation {
                Operation::Append { stream, seq, bytes } => {
                    self.streams.entry(stream).or_default().insert(seq, bytes);
                }
                Operation::Put { key, value } => drop(self.values.insert(key, value)),
                Operation::Delete { key } => drop(self.values.remove(&key)),
                Operation::DropStream { stream } => drop(self.streams.remove(&stream)),
                Operation::TrimStream { stream, first } => self.trim(stream, first),
            }
        }
        Ok(())
    }

    fn trim(&mut self, stream: StreamId, first: u64) {
        if let Some(kept) = self.streams.get_mut(&stream) {
            *kept = kept.split_off(&first);
            if kept.is_empty() {
                self.streams.remove(&stream);
            }
        }
    }

    /// Before anything is changed, so that a batch happens whole or not at all.
    fn refuse_rewriting(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut drafts: BTreeMap<StreamId, Draft<'_>> = BTreeMap::new();
        for operation in batch.operations() {
            match operation {
                Operation::DropStream { stream } => {
                    let draft = drafts.entry(*stream).or_default();
                    (draft.kept_from, draft.added) = (None, BTreeMap::new());
                }
                Operation::TrimStream { stream, first } => {
                    let draft = drafts.entry(*stream).or_default();
                    draft.kept_from = draft.kept_from.map(|from| from.max(*first));
                    draft.added = draft.added.split_off(first);
                }
                Operation::Append { stream, seq, bytes } => {
                    let draft = drafts.entry(*stream).or_default();
                    let kept = match draft.kept_from {
                        Some(from) if *seq >= from => self.streams.get(stream),
                        _ => None,
                    };
                    let kept = kept.and_then(|kept| kept.get(seq)).map(Vec::as_slice);
                    let there = draft.added.insert(*seq, bytes).or(kept);
                    if there.is_some_and(|there| there != bytes) {
                        return Err(StoreError::Taken {
                            stream: *stream,
                            seq: *seq,
                        });
                    }
                }
                Operation::Put { .. } | Operation::Delete { .. } => {}
            }
        }
        Ok(())
    }
}

/// A stream as the operations of a batch so far would leave it.
struct Draft<'b> {
    /// What was there before the batch counts from here on; none of it, once the stream was dropped.
    kept_from: Option<u64>,
    added: BTreeMap<u64, &'b [u8]>,
}

impl Default for Draft<'_> {
    fn default() -> Self {
        Self {
            kept_from: Some(0),
            added: BTreeMap::new(),
        }
    }
}
