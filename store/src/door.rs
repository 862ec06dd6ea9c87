//! Which batches may join the queue to the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::{KEY_BYTES_MAX, QUEUE_BYTES_MAX, VALUE_BYTES_MAX};
use crate::{Batch, Operation, Saved, StoreError};

/// Bounds what waits for the disk, and lets nothing pass behind a refusal its caller does not know of yet: what
/// [`Store::commit`](crate::Store::commit) says of refusals.
#[derive(Debug, Default)]
pub struct Door {
    waiting: AtomicUsize,
    untold: Arc<AtomicUsize>,
}

impl Door {
    /// Counts the batch as waiting and says what it occupies, to be given to [`Door::leave`]; or refuses it, with what the
    /// commit is to return.
    ///
    /// # Errors
    /// A batch that is too large, that does not fit behind what waits, or that comes behind a refusal nobody has looked at.
    pub fn enter(&self, batch: &Batch) -> Result<usize, Saved> {
        self.admit(batch).map_err(|error| {
            self.untold.fetch_add(1, Ordering::SeqCst);
            Saved::refused(error, Untold(self.untold.clone()))
        })
    }

    /// The batch no longer waits: it is saved, or never will be. Before its answer is sent, so that who has it finds room.
    pub fn leave(&self, cost: usize) {
        self.waiting.fetch_sub(cost, Ordering::SeqCst);
    }

    fn admit(&self, batch: &Batch) -> Result<usize, StoreError> {
        if self.untold.load(Ordering::SeqCst) > 0 {
            return Err(StoreError::HeldBack);
        }
        batch.operations().iter().try_for_each(check_lengths)?;
        let cost = batch.cost();
        within("batch", cost, QUEUE_BYTES_MAX)?;
        let room = |waiting: usize| waiting.checked_add(cost).filter(|sum| *sum <= QUEUE_BYTES_MAX);
        match self
            .waiting
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, room)
        {
            Ok(_) => Ok(cost),
            Err(waiting) => Err(StoreError::QueueFull {
                waiting,
                limit: QUEUE_BYTES_MAX,
            }),
        }
    }
}

/// Counts as a refusal nobody knows of until it is dropped.
#[derive(Debug)]
pub(crate) struct Untold(Arc<AtomicUsize>);

impl Drop for Untold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn check_lengths(operation: &Operation) -> Result<(), StoreError> {
    match operation {
        Operation::Append { bytes, .. } => within("record", bytes.len(), VALUE_BYTES_MAX),
        Operation::Put { key, value } => {
            within("key", key.len(), KEY_BYTES_MAX)?;
            within("value", value.len(), VALUE_BYTES_MAX)
        }
        Operation::Delete { key } => within("key", key.len(), KEY_BYTES_MAX),
        Operation::DropStream { .. } | Operation::TrimStream { .. } => Ok(()),
    }
}

fn within(what: &'static str, bytes: usize, limit: usize) -> Result<(), StoreError> {
    if bytes > limit {
        Err(StoreError::TooLarge { what, bytes, limit })
    } else {
        Ok(())
    }
}
