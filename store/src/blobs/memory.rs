//! Blobs in memory, with the same verification as those in files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::collect::{BlobPin, Idle, Pins};
use super::tree::{Groups, Shape, grow, ranges_of};
use super::{BlobEntry, BlobHash, BlobStatus, Blobs, Collected, Grace, ReadSeek, group_count};
use crate::BlobError;
use crate::limits::{MEMORY_BLOB_BYTES_MAX, PARTIAL_BLOBS_MAX};

/// Blobs in memory.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    state: Mutex<State>,
    pins: Pins,
}

#[derive(Debug, Clone, Default)]
struct State {
    blobs: BTreeMap<BlobHash, Held>,
    idle: Idle,
    closed: bool,
}

#[derive(Debug, Clone)]
struct Held {
    data: Vec<u8>,
    tree: Vec<u8>,
    have: Groups,
    whole: bool,
}

impl Held {
    fn size(&self) -> u64 {
        self.data.len() as u64
    }

    fn status(&self) -> BlobStatus {
        match self.whole {
            true => BlobStatus::Whole { size: self.size() },
            false => BlobStatus::Partial {
                size: self.size(),
                have: ranges_of(&self.have),
            },
        }
    }
}

impl MemoryBlobs {
    /// The same blobs, apart from now on. A crash may lose what is not whole: pass false for the worst case.
    pub(crate) fn image(&self, with_partial: bool) -> Self {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        state.closed = false;
        state.blobs.retain(|_, held| held.whole || with_partial);
        Self {
            state: Mutex::new(state),
            pins: Pins::default(),
        }
    }

    /// Every later call says that the store is closed; what a store does with its blobs when it is closed itself.
    pub fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    }

    /// Changes one byte of a blob behind the store's back, as a bad disk would. For tests of what verifies;
    /// says whether there was such a byte.
    pub fn damage(&self, hash: BlobHash, position: usize) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let byte = state
            .blobs
            .get_mut(&hash)
            .and_then(|held| held.data.get_mut(position));
        byte.map(|byte| *byte ^= 1).is_some()
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, BlobError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            Err(BlobError::Closed)
        } else {
            Ok(state)
        }
    }
}

impl Blobs for MemoryBlobs {
    fn import(&self, bytes: &mut dyn Read, limit: u64) -> Result<(BlobHash, u64), BlobError> {
        drop(self.state()?);
        let limit = limit.min(MEMORY_BLOB_BYTES_MAX);
        let failed = |source| BlobError::io("read the blob to take in", source);
        let mut data = Vec::new();
        bytes
            .take(limit.saturating_add(1))
            .read_to_end(&mut data)
            .map_err(failed)?;
        let size = data.len() as u64;
        if size > limit {
            return Err(BlobError::TooLarge { limit });
        }
        let (hash, tree) = grow(data.as_slice(), size).map_err(failed)?;
        let have = Shape::new(hash, size).all_groups();
        let mut state = self.state()?;
        state.idle.wake(hash);
        state.blobs.insert(
            hash,
            Held {
                data,
                tree,
                have,
                whole: true,
            },
        );
        Ok((hash, size))
    }

    fn begin(&self, hash: BlobHash, size: u64) -> Result<BlobStatus, BlobError> {
        let mut state = self.state()?;
        if size > MEMORY_BLOB_BYTES_MAX {
            return Err(BlobError::TooLarge {
                limit: MEMORY_BLOB_BYTES_MAX,
            });
        }
        state.idle.wake(hash);
        if let Some(held) = state.blobs.get(&hash) {
            let begun = held.size();
            return if begun == size {
                Ok(held.status())
            } else {
                Err(BlobError::OtherSize {
                    hash,
                    begun,
                    asked: size,
                })
            };
        }
        if size == 0 {
            drop(state);
            if hash != BlobHash::of(&[]) {
                return Err(BlobError::Wrong {
                    hash,
                    first: 0,
                    end: 0,
                });
            }
            return self
                .import(&mut io::empty(), 0)
                .map(|_| BlobStatus::Whole { size });
        }
        if state.blobs.values().filter(|held| !held.whole).count() >= PARTIAL_BLOBS_MAX {
            return Err(BlobError::TooMany {
                limit: PARTIAL_BLOBS_MAX,
            });
        }
        let zeros = |bytes: u64| usize::try_from(bytes).map(|bytes| vec![0; bytes]);
        let (Ok(data), Ok(tree)) = (zeros(size), zeros(Shape::new(hash, size).tree_bytes())) else {
            return Err(BlobError::TooLarge {
                limit: usize::MAX as u64,
            });
        };
        let held = Held {
            data,
            tree,
            have: Groups::empty(),
            whole: false,
        };
        let status = held.status();
        state.blobs.insert(hash, held);
        Ok(status)
    }

    fn status(&self, hash: BlobHash) -> Result<BlobStatus, BlobError> {
        Ok(self
            .state()?
            .blobs
            .get(&hash)
            .map_or(BlobStatus::Absent, Held::status))
    }

    fn encode(&self, hash: BlobHash, groups: Range<u64>) -> Result<Vec<u8>, BlobError> {
        let state = self.state()?;
        let held = state.blobs.get(&hash).ok_or(BlobError::Absent { hash })?;
        let shape = Shape::new(hash, held.size());
        shape.check(&groups)?;
        if !held.have.is_superset(&Groups::from(groups.clone())) {
            return Err(BlobError::Missing {
                hash,
                first: groups.start,
                end: groups.end,
            });
        }
        shape.encode(&held.data, &held.tree, &groups)
    }

    fn write(&self, hash: BlobHash, groups: Range<u64>, encoded: &[u8]) -> Result<BlobStatus, BlobError> {
        let mut state = self.state()?;
        let held = state.blobs.get_mut(&hash).ok_or(BlobError::Absent { hash })?;
        if held.whole {
            return Ok(held.status());
        }
        let shape = Shape::new(hash, held.size());
        let slice = shape.decode(&groups, encoded)?;
        shape
            .store(slice, &mut held.data, &mut held.tree)
            .map_err(|source| BlobError::io(format!("write to the partial blob {hash}"), source))?;
        held.have |= Groups::from(groups);
        held.whole = held.have == shape.all_groups();
        Ok(held.status())
    }

    fn open(&self, hash: BlobHash) -> Result<Box<dyn ReadSeek + Send>, BlobError> {
        match self.state()?.blobs.get(&hash) {
            Some(held) if held.whole => Ok(Box::new(Cursor::new(held.data.clone()))),
            Some(held) => Err(BlobError::Missing {
                hash,
                first: 0,
                end: group_count(held.size()),
            }),
            None => Err(BlobError::Absent { hash }),
        }
    }

    fn verify(&self, hash: BlobHash) -> Result<BlobStatus, BlobError> {
        let mut state = self.state()?;
        let Some(held) = state.blobs.get_mut(&hash) else {
            return Ok(BlobStatus::Absent);
        };
        let shape = Shape::new(hash, held.size());
        if !held.data.is_empty() {
            held.have = shape
                .sound_groups(&held.data, &held.tree)
                .map_err(|source| BlobError::io(format!("verify blob {hash}"), source))?;
            held.whole = held.have == shape.all_groups();
        }
        Ok(held.status())
    }

    fn list(&self) -> Result<Vec<BlobEntry>, BlobError> {
        Ok(self.state()?.entries())
    }

    fn remove(&self, hash: BlobHash) -> Result<(), BlobError> {
        self.state()?.blobs.remove(&hash);
        Ok(())
    }

    fn pin(&self, hash: BlobHash) -> BlobPin {
        self.pins.pin(hash)
    }

    fn collect(&self, live: &BTreeSet<BlobHash>, grace: Grace) -> Result<Collected, BlobError> {
        let mut state = self.state()?;
        let mut collected = Collected::default();
        let here = state.entries();
        let due = state.idle.mark(here, live, &self.pins, grace, &mut collected);
        for entry in due {
            match self
                .pins
                .unless_pinned(entry.hash, || state.blobs.remove(&entry.hash))
            {
                Some(_) => {
                    collected.deleted += 1;
                    collected.deleted_bytes += entry.size;
                }
                None => collected.pinned += 1,
            }
        }
        Ok(collected)
    }
}

impl State {
    fn entries(&self) -> Vec<BlobEntry> {
        let entry = |(hash, held): (&BlobHash, &Held)| BlobEntry {
            hash: *hash,
            size: held.size(),
            whole: held.whole,
        };
        self.blobs.iter().map(entry).collect()
    }
}
