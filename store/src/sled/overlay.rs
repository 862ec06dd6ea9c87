//! Turns one batch into one atomic change of the tree.

use std::collections::BTreeMap;

use ::sled::Tree;

use super::layout::{
    COUNT, Flaw, Head, encode, piece_key, piece_prefix, record_key, stream_prefix, value_key,
};
use super::read::{Source, read_entry};
use super::tree_error;
use crate::limits::ENTRY_SHARE_BYTES;
use crate::{Batch, Operation, StoreError};

/// The tree as it will be after the operations so far.
struct Overlay<'t> {
    tree: &'t Tree,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// A batch as sled takes it.
pub(super) struct Physical {
    pub(super) batch: ::sled::Batch,
    /// About how much of sled's log it fills.
    pub(super) log_bytes: usize,
}

/// Works out what the batch changes, or says why it may not. Nothing is changed yet.
///
/// `count` is the number of this batch, saved with it.
pub(super) fn plan(tree: &Tree, batch: Batch, count: u64) -> Result<Physical, StoreError> {
    let mut overlay = Overlay {
        tree,
        writes: BTreeMap::new(),
    };
    for operation in batch.into_operations() {
        match operation {
            Operation::Append { stream, seq, bytes } => {
                let head = record_key(stream, seq);
                match read_entry(&overlay, &head)? {
                    Some(Ok(there)) if there == bytes => {}
                    // What is damaged may be put right.
                    None | Some(Err(Flaw::Damaged)) => overlay.set(head, &bytes)?,
                    Some(Ok(_) | Err(Flaw::Format)) => return Err(StoreError::Taken { stream, seq }),
                }
            }
            Operation::Put { key, value } => overlay.set(value_key(&key), &value)?,
            Operation::Delete { key } => overlay.remove(value_key(&key))?,
            Operation::DropStream { stream } => {
                for head in overlay.keys(&stream_prefix(stream), None)? {
                    overlay.remove(head)?;
                }
            }
            Operation::TrimStream { stream, first } => {
                for head in overlay.keys(&stream_prefix(stream), Some(&record_key(stream, first)))? {
                    overlay.remove(head)?;
                }
            }
        }
    }
    overlay.set(COUNT.to_vec(), &count.to_be_bytes())?;
    let mut physical = Physical {
        batch: ::sled::Batch::default(),
        log_bytes: 0,
    };
    for (key, value) in overlay.writes {
        physical.log_bytes += key.len() + value.as_ref().map_or(0, Vec::len) + ENTRY_SHARE_BYTES;
        match value {
            Some(value) => physical.batch.insert(key, value),
            None => physical.batch.remove(key),
        }
    }
    Ok(physical)
}

/// Sets the number of batches: short enough to have no pieces.
pub(super) fn set_count(batch: &mut ::sled::Batch, count: u64) {
    batch.insert(COUNT.to_vec(), encode(&COUNT, &count.to_be_bytes()).0);
}

impl Overlay<'_> {
    fn set(&mut self, head: Vec<u8>, content: &[u8]) -> Result<(), StoreError> {
        self.remove(head.clone())?;
        let (value, pieces) = encode(&head, content);
        for (index, piece) in (1..).zip(pieces) {
            self.writes.insert(piece_key(&head, index), Some(piece));
        }
        self.writes.insert(head, Some(value));
        Ok(())
    }

    /// Removes an entry with its pieces.
    fn remove(&mut self, head: Vec<u8>) -> Result<(), StoreError> {
        let Some(value) = self.entry(&head)? else {
            return Ok(());
        };
        // Most entries have no pieces; those of a damaged head are looked for.
        if !matches!(Head::parse(&value), Ok(parsed) if parsed.pieces() == 0) {
            for key in self.keys(&piece_prefix(&head), None)? {
                self.writes.insert(key, None);
            }
        }
        self.writes.insert(head, None);
        Ok(())
    }

    /// The keys there are with a prefix, up to but without `end` if there is one.
    fn keys(&self, prefix: &[u8], end: Option<&[u8]>) -> Result<Vec<Vec<u8>>, StoreError> {
        let within = |key: &[u8]| key.starts_with(prefix) && end.is_none_or(|end| key < end);
        let mut keys: BTreeMap<Vec<u8>, bool> = BTreeMap::new();
        for key in self.tree.scan_prefix(prefix).keys() {
            let key = key.map_err(|error| tree_error("look through a stream", error))?;
            if !within(&key) {
                break;
            }
            keys.insert(key.to_vec(), true);
        }
        let written = self
            .writes
            .range(prefix.to_vec()..)
            .take_while(|(key, _)| within(key));
        keys.extend(written.map(|(key, value)| (key.clone(), value.is_some())));
        Ok(keys
            .into_iter()
            .filter_map(|(key, there)| there.then_some(key))
            .collect())
    }
}

impl Source for Overlay<'_> {
    fn entry(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.tree.entry(key),
        }
    }
}
