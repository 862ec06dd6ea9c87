//! What the core asks of the store, carried out: the same for the driver and for the simulator.

use std::ops::Range;

use cuecard_store::{
    BlobError, BlobHash, BlobStatus, Blobs, SnapshotName, Snapshots, Store, StoreError, StreamId,
};

use crate::blob::fetch::Held;
use crate::blob::frame::FrameHeader;
use crate::core::{BlobDone, BlobTask, Input, NewSnapshot, ReadId, WriteResult, unless_it_panics};
use crate::disk::{self, snapshot::is_of_one_deck};
use crate::id::{BlobId, DeckId};
use crate::limits::LOG_READ_BYTES_MAX;

/// A question to the store that takes time.
#[derive(Debug)]
pub(crate) enum StoreTask {
    /// Read a part of a term's log.
    ReadLog {
        read: ReadId,
        stream: StreamId,
        from: u64,
        count: usize,
    },
    /// Keep a snapshot.
    PutSnapshot { deck: DeckId, snapshot: NewSnapshot },
    /// Find all that is kept of a deck, to delete it.
    RemoveDeck { deck: DeckId },
    /// Do something with a blob.
    Blob(BlobTask),
}

impl StoreTask {
    /// Does it, and says what came of it. A store that panics is one that failed, and nobody waits for it in vain: then it also
    /// says why.
    pub(crate) fn run_on(self, store: &dyn Store) -> (Input, Option<String>) {
        match unless_it_panics("the store", || self.run(store)) {
            Some(input) => (input, None),
            None => {
                let why = "the store panicked".to_owned();
                (self.fail(&why), Some(why))
            }
        }
    }

    /// Does it, and says what came of it.
    pub(crate) fn run(&self, store: &dyn Store) -> Input {
        match self {
            Self::ReadLog {
                read,
                stream,
                from,
                count,
            } => {
                let records = store
                    .read(*stream, *from, *count, LOG_READ_BYTES_MAX)
                    .or_else(|error| match is_of_one_deck(&error) {
                        true => {
                            tracing::error!(%error, "a part of a log is damaged");
                            Ok(vec![])
                        }
                        false => Err(error.to_string()),
                    });
                // Up to what is damaged: that costs its deck, and not all that this device has open.
                let parse = |record: cuecard_store::Record| disk::log_record(&record.bytes).ok();
                let result = records.map(|records| records.into_iter().map_while(parse).collect());
                Input::LogRead { read: *read, result }
            }
            Self::PutSnapshot { deck, snapshot } => {
                let put = put_snapshot(snapshot, store.snapshots());
                let result = put.map_err(|error| error.to_string());
                Input::SnapshotPut { deck: *deck, result }
            }
            Self::RemoveDeck { deck } => {
                let result = disk::delete(store, *deck).map_err(|error| error.to_string());
                Input::DeckFound { deck: *deck, result }
            }
            Self::Blob(task) => Input::BlobDone(run_blob(task, store)),
        }
    }

    /// What comes of it where the disk does nothing any more.
    pub(crate) fn fail(self, why: &str) -> Input {
        let why = why.to_owned();
        match self {
            Self::ReadLog { read, .. } => Input::LogRead {
                read,
                result: Err(why),
            },
            Self::PutSnapshot { deck, .. } => Input::SnapshotPut {
                deck,
                result: Err(why),
            },
            Self::RemoveDeck { deck } => Input::DeckFound {
                deck,
                result: Err(why),
            },
            Self::Blob(task) => Input::BlobDone(match task {
                BlobTask::Open { blob, .. } => BlobDone::Opened {
                    blob,
                    held: Held::Failed(why),
                },
                BlobTask::Encode {
                    link, transfer, blob, ..
                } => BlobDone::Encoded {
                    link,
                    transfer,
                    blob,
                    frame: None,
                    damaged: false,
                },
                BlobTask::Write {
                    link,
                    transfer,
                    blob,
                    groups,
                    ..
                } => BlobDone::Written {
                    link,
                    transfer,
                    blob,
                    groups,
                    result: WriteResult::Failed { why, no_room: false },
                },
                BlobTask::Collect { ticket, .. } => BlobDone::Collected {
                    ticket,
                    result: Err(why),
                },
            }),
        }
    }
}

/// The new one is durable before an old one goes.
fn put_snapshot(snapshot: &NewSnapshot, snapshots: &dyn Snapshots) -> Result<(), StoreError> {
    let name = snapshot.name;
    snapshots.put(name, &snapshot.head.0, &snapshot.content)?;
    // The log will be cut because of it: seeing that it is there costs a few milliseconds, and nobody waits for them.
    if snapshots.read_expecting(name, &snapshot.head.0)?.is_none() {
        return Err(StoreError::Corrupt {
            what: format!("snapshot {name}"),
        });
    }
    for generation in snapshots.generations(name.key)? {
        if generation != name.generation && Some(generation) != snapshot.previous {
            snapshots.delete(SnapshotName { generation, ..name })?;
        }
    }
    Ok(())
}

fn run_blob(task: &BlobTask, store: &dyn Store) -> BlobDone {
    let blobs = store.blobs();
    match task {
        &BlobTask::Open { blob, size } => {
            let held = open_blob(blobs, blob, size).unwrap_or_else(|error| {
                tracing::error!(blob = %blob.short(), %error, "a blob cannot be looked at");
                Held::Failed(error.to_string())
            });
            BlobDone::Opened { blob, held }
        }
        &BlobTask::Encode {
            link,
            transfer,
            blob,
            size,
            ref groups,
        } => {
            let group = groups.start;
            let header = FrameHeader { transfer, group };
            let encoded = encode_blob(blobs, blob, size, groups);
            let damaged = matches!(encoded, Err(BlobError::Damaged { .. }));
            if damaged && let Err(error) = blobs.verify(blob.into()) {
                tracing::error!(blob = %blob.short(), %error, "a damaged blob cannot be verified");
            }
            BlobDone::Encoded {
                link,
                transfer,
                blob,
                // Copied here and not where the core is held: others wait for that.
                frame: encoded.ok().map(|slice| header.with(&slice)),
                damaged,
            }
        }
        &BlobTask::Write {
            link,
            transfer,
            blob,
            size,
            ref groups,
            ref slice,
        } => {
            let result = match write_blob(blobs, blob, size, groups, slice) {
                Ok(BlobStatus::Whole { .. }) => WriteResult::Whole,
                Ok(_) => WriteResult::Part,
                Err(BlobError::Wrong { .. }) => WriteResult::Wrong,
                Err(error) => WriteResult::Failed {
                    why: error.to_string(),
                    no_room: matches!(error, BlobError::NoSpace { .. }),
                },
            };
            BlobDone::Written {
                link,
                transfer,
                blob,
                groups: groups.clone(),
                result,
            }
        }
        BlobTask::Collect { ticket, live, grace } => BlobDone::Collected {
            ticket: *ticket,
            result: blobs.collect(live, *grace).map_err(|error| error.to_string()),
        },
    }
}

/// What is held of a blob. Nothing is begun before its first bytes come: decks name audio that nobody has.
fn open_blob(blobs: &dyn Blobs, blob: BlobId, size: u64) -> Result<Held, BlobError> {
    let hash = BlobHash::from(blob);
    let status = match size {
        // There is nothing to wait for.
        0 => blobs.begin(hash, 0)?,
        _ => blobs.status(hash)?,
    };
    Ok(match status {
        BlobStatus::Whole { .. } => Held::Whole,
        BlobStatus::Partial { size: begun, have } if begun == size => {
            Held::Groups(have.into_iter().map(narrow).collect())
        }
        BlobStatus::Partial { .. } => {
            // One of the two sizes is wrong, and this is the one that is tried now.
            blobs.remove(hash)?;
            Held::Groups(vec![])
        }
        _ => Held::Groups(vec![]),
    })
}

fn encode_blob(
    blobs: &dyn Blobs,
    blob: BlobId,
    size: u64,
    groups: &Range<u32>,
) -> Result<Vec<u8>, BlobError> {
    let hash = BlobHash::from(blob);
    // A slice for another size would look like a lie of ours.
    match blobs.status(hash)? {
        BlobStatus::Whole { size: here } | BlobStatus::Partial { size: here, .. } if here == size => {
            blobs.encode(hash, widen(groups))
        }
        _ => Err(BlobError::Absent { hash }),
    }
}

fn write_blob(
    blobs: &dyn Blobs,
    blob: BlobId,
    size: u64,
    groups: &Range<u32>,
    slice: &[u8],
) -> Result<BlobStatus, BlobError> {
    let hash = BlobHash::from(blob);
    match blobs.write(hash, widen(groups), slice) {
        Err(BlobError::Absent { .. }) => {
            blobs.begin(hash, size)?;
            blobs.write(hash, widen(groups), slice)
        }
        written => written,
    }
}

fn widen(groups: &Range<u32>) -> Range<u64> {
    u64::from(groups.start)..u64::from(groups.end)
}

/// The limit on blobs keeps group numbers far below 32 bits.
fn narrow(groups: Range<u64>) -> Range<u32> {
    u32::try_from(groups.start).unwrap_or(u32::MAX)..u32::try_from(groups.end).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cuecard_store::{Batch, MemoryStore};

    #[test]
    fn a_damaged_record_ends_what_is_read_of_a_log_and_nothing_else() {
        let (store, stream) = (MemoryStore::new(), StreamId::from_bytes([1; 32]));
        let mut batch = Batch::default();
        batch.append(stream, 1, b"not a change".to_vec());
        store.commit(batch).wait().unwrap();
        let (read, from, count) = (ReadId(1), 1, 10);
        let task = StoreTask::ReadLog {
            read,
            stream,
            from,
            count,
        };
        let Input::LogRead { result, .. } = task.run(&store) else {
            panic!("an answer")
        };
        assert_eq!(result.map(|records| records.len()), Ok(0));
    }
}
