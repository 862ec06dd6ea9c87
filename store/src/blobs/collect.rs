//! Which blobs nobody needs any more, and since when.
//!
//! Mark and sweep: the layer above says which blobs are alive, and what is not is *idle* from then on. What
//! stays idle for longer than the grace period is deleted, except under a pin. Since when a blob is idle is
//! kept in a file, so that a process that never lives as long as the grace period collects all the same:
//!
//! ```text
//! "cue-idle" (8)  version (1)  { hash (32)  since (8) }  checksum (32)
//! ```
//!
//! Numbers are big-endian; the checksum is the BLAKE3 hash of all before it. A file that cannot be read costs
//! nothing but a grace period that begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{BlobEntry, BlobHash, Collected, Grace};

const MAGIC: &[u8; 8] = b"cue-idle";
const VERSION: u8 = 1;
const ENTRY_BYTES: usize = 32 + 8;

/// A blob that is not collected for as long as this lives. See [`super::Blobs::pin`].
#[derive(Debug)]
#[must_use = "the blob is pinned only for as long as this is kept"]
pub struct BlobPin {
    pins: Pins,
    hash: BlobHash,
}

impl BlobPin {
    /// The blob.
    pub fn hash(&self) -> BlobHash {
        self.hash
    }
}

impl Drop for BlobPin {
    fn drop(&mut self) {
        let mut counts = self.pins.counts();
        if let Some(count) = counts.get_mut(&self.hash) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.hash);
            }
        }
    }
}

/// How many pins there are on each blob.
#[derive(Debug, Clone, Default)]
pub(super) struct Pins(Arc<Mutex<BTreeMap<BlobHash, u64>>>);

impl Pins {
    pub(super) fn pin(&self, hash: BlobHash) -> BlobPin {
        *self.counts().entry(hash).or_default() += 1;
        BlobPin {
            pins: self.clone(),
            hash,
        }
    }

    fn has(&self, hash: BlobHash) -> bool {
        self.counts().contains_key(&hash)
    }

    /// Deletes a blob unless it is pinned, and lets nobody pin it meanwhile.
    pub(super) fn unless_pinned<T>(&self, hash: BlobHash, delete: impl FnOnce() -> T) -> Option<T> {
        let counts = self.counts();
        (!counts.contains_key(&hash)).then(delete)
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<BlobHash, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The blobs nobody needs, and since when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Idle(BTreeMap<BlobHash, u64>);

impl Idle {
    /// What a file says; nothing if it is not sound.
    pub(super) fn parse(file: &[u8]) -> Option<Self> {
        let (body, checksum) = file.split_last_chunk::<32>()?;
        if blake3::hash(body) != *checksum {
            return None;
        }
        let entries = body.strip_prefix(MAGIC)?.strip_prefix(&[VERSION])?;
        let parse = |entry: &[u8]| {
            let (hash, since) = entry.split_first_chunk::<32>()?;
            let since = u64::from_be_bytes(since.try_into().ok()?);
            Some((BlobHash::from_bytes(*hash), since))
        };
        let idle = entries
            .chunks_exact(ENTRY_BYTES)
            .map(parse)
            .collect::<Option<_>>()?;
        let idle = Self(idle);
        // One form only: in order, each blob once, and nothing behind.
        (idle.render() == file).then_some(idle)
    }

    pub(super) fn render(&self) -> Vec<u8> {
        let mut file = Vec::with_capacity(MAGIC.len() + 1 + ENTRY_BYTES * self.0.len() + 32);
        file.extend_from_slice(MAGIC);
        file.push(VERSION);
        for (hash, since) in &self.0 {
            file.extend_from_slice(hash.as_bytes());
            file.extend_from_slice(&since.to_be_bytes());
        }
        let checksum = *blake3::hash(&file).as_bytes();
        file.extend_from_slice(&checksum);
        file
    }

    /// The blob is needed again; says whether it was idle.
    pub(super) fn wake(&mut self, hash: BlobHash) -> bool {
        self.0.remove(&hash).is_some()
    }

    /// The mark: notes which of the blobs that are here are idle, and answers those that were for long enough.
    pub(super) fn mark(
        &mut self,
        here: Vec<BlobEntry>,
        live: &BTreeSet<BlobHash>,
        pins: &Pins,
        grace: Grace,
        collected: &mut Collected,
    ) -> Vec<BlobEntry> {
        let mut due = Vec::new();
        let mut idle = BTreeMap::new();
        for entry in here {
            if live.contains(&entry.hash) {
                continue;
            }
            if pins.has(entry.hash) {
                collected.pinned += 1;
                continue;
            }
            // A clock that was set back must not make a blob older than it is, nor keep it for ever.
            let since = self.0.get(&entry.hash).copied().unwrap_or(grace.now_ms);
            let since = since.min(grace.now_ms);
            idle.insert(entry.hash, since);
            if grace.now_ms - since >= grace.period_ms {
                due.push(entry);
            } else {
                collected.waiting += 1;
            }
        }
        self.0 = idle;
        due
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{always, changed, changes};

    #[test]
    fn what_was_pinned_since_it_was_marked_is_not_deleted() {
        let (pins, hash) = (Pins::default(), BlobHash::of(b"content"));
        let here = vec![BlobEntry {
            hash,
            size: 7,
            whole: true,
        }];
        let at_once = Grace {
            now_ms: 0,
            period_ms: 0,
        };
        let due = Idle::default().mark(here, &BTreeSet::new(), &pins, at_once, &mut Collected::default());
        assert_eq!(due.len(), 1);
        let pin = pins.pin(hash);
        assert_eq!(pins.unless_pinned(hash, || ()), None);
        drop(pin);
        assert_eq!(pins.unless_pinned(hash, || ()), Some(()));
        assert!(
            pins.counts().is_empty(),
            "nothing is remembered of pins that are gone"
        );
    }

    #[test]
    fn a_note_of_what_is_idle_is_read_as_it_was_written_or_not_at_all() {
        let idle = vec((any::<[u8; 32]>(), any::<u64>()), 0..20);
        always((idle, changes(), any::<bool>()), |(idle, changes, sound)| {
            let idle = Idle(
                idle.into_iter()
                    .map(|(hash, since)| (BlobHash::from_bytes(hash), since))
                    .collect(),
            );
            let file = idle.render();
            prop_assert_eq!(Idle::parse(&file), Some(idle));
            let body = file.split_last_chunk::<32>().unwrap().0.to_vec();
            let damaged = match sound {
                // With a right checksum: what lies behind it is reached.
                true => {
                    let mut body = changed(body, &changes);
                    let checksum = *blake3::hash(&body).as_bytes();
                    body.extend_from_slice(&checksum);
                    body
                }
                false => changed(file.clone(), &changes),
            };
            match Idle::parse(&damaged) {
                Some(read) if sound => prop_assert_eq!(read.render(), damaged),
                Some(_) => prop_assert_eq!(damaged, file),
                None => {}
            }
            Ok(())
        });
    }
}
