//! Snapshots in memory, in the same form as in files.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Snapshot, SnapshotName, Snapshots, form};
use crate::StoreError;

/// Snapshots in memory.
#[derive(Debug, Default)]
pub struct MemorySnapshots(Mutex<State>);

#[derive(Debug, Clone, Default)]
struct State {
    files: BTreeMap<SnapshotName, Vec<u8>>,
    closed: bool,
}

impl MemorySnapshots {
    /// The same snapshots, apart from now on. A crash loses none: each was durable when it was put.
    pub(crate) fn image(&self) -> Self {
        let mut state = self.any_state().clone();
        state.closed = false;
        Self(Mutex::new(state))
    }

    /// Every later call says that the store is closed; what a store does with its snapshots when it is closed itself.
    pub fn close(&self) {
        self.any_state().closed = true;
    }

    /// Changes one byte of a snapshot behind the store's back, as a bad disk would; says whether there was
    /// such a byte.
    pub fn damage(&self, name: SnapshotName, position: usize) -> bool {
        let mut state = self.any_state();
        let byte = state.files.get_mut(&name).and_then(|file| file.get_mut(position));
        byte.map(|byte| *byte ^= 1).is_some()
    }

    fn any_state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.any_state();
        if state.closed {
            Err(StoreError::Closed)
        } else {
            Ok(state)
        }
    }
}

impl Snapshots for MemorySnapshots {
    fn put(&self, name: SnapshotName, expectation: &[u8], content: &[u8]) -> Result<(), StoreError> {
        super::check_lengths(expectation, content)?;
        let (head, checksum) = form::frame(name, expectation, content);
        let file = [&head, content, &checksum].concat();
        self.state()?.files.insert(name, file);
        Ok(())
    }

    fn read(&self, name: SnapshotName) -> Result<Option<Snapshot>, StoreError> {
        let Some(file) = self.state()?.files.get(&name).cloned() else {
            return Ok(None);
        };
        form::parse(name, file)
            .map(Some)
            .map_err(|flaw| super::flawed(name, flaw))
    }

    fn list(&self) -> Result<Vec<SnapshotName>, StoreError> {
        Ok(self.state()?.files.keys().copied().collect())
    }

    fn delete(&self, name: SnapshotName) -> Result<(), StoreError> {
        self.state()?.files.remove(&name);
        Ok(())
    }
}
