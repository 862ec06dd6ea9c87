//! What a check finds, and what a repair costs.

use std::path::PathBuf;

use crate::limits::REPORT_DAMAGES_MAX;
use crate::{BlobHash, BlobStatus, Blobs, SnapshotName, Snapshots, Store, StoreError, StreamId};

/// What [`crate::Store::check`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Streams that hold records.
    pub streams: u64,
    /// Sound records in them.
    pub records: u64,
    /// Sound values of the keyed state.
    pub values: u64,
    /// Whole blobs whose content has the hash they are named by.
    pub blobs: u64,
    /// Sound snapshots.
    pub snapshots: u64,
    /// How many damages were found in all.
    pub damages_total: u64,
    /// The first of them, at most [`crate::limits::REPORT_DAMAGES_MAX`].
    pub damages: Vec<Damage>,
}

impl Report {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.damages_total == 0
    }

    /// Counts a damage, and spells it out while there is room.
    pub fn add(&mut self, damage: Damage) {
        self.damages_total += 1;
        if self.damages.len() < REPORT_DAMAGES_MAX {
            self.damages.push(damage);
        }
    }
}

/// One thing that is not as it was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// A record that does not have its checksum.
    Record {
        /// Its stream.
        stream: StreamId,
        /// Its place.
        seq: u64,
    },
    /// A stream that goes on behind missing records.
    Gap {
        /// The stream.
        stream: StreamId,
        /// The first missing one.
        seq: u64,
    },
    /// A value that does not have its checksum.
    Value {
        /// Its key.
        key: Vec<u8>,
    },
    /// Pieces that belong to no record or value.
    Stray {
        /// How many.
        pieces: u64,
    },
    /// A snapshot that does not have its checksum.
    Snapshot {
        /// Its name.
        name: SnapshotName,
    },
    /// A whole blob whose content does not have its hash. It is now a partial one that keeps what is sound.
    Blob {
        /// The hash it is named by.
        hash: BlobHash,
    },
}

/// What [`crate::Store::repair`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repair {
    /// How many losses there are in all.
    pub losses_total: u64,
    /// The first of them, at most [`crate::limits::REPORT_DAMAGES_MAX`].
    pub losses: Vec<Loss>,
    /// Where what was set aside is kept.
    pub set_aside: Vec<PathBuf>,
}

impl Repair {
    /// Whether nothing had to be set aside.
    pub fn is_lossless(&self) -> bool {
        self.losses_total == 0
    }

    /// Counts a loss, and spells it out while there is room.
    pub fn add(&mut self, loss: Loss) {
        self.losses_total += 1;
        if self.losses.len() < REPORT_DAMAGES_MAX {
            self.losses.push(loss);
        }
    }
}

/// One thing that is no longer there after a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// The end of a stream.
    Records {
        /// The stream.
        stream: StreamId,
        /// The first record that is gone: the first one damaged or missing.
        first: u64,
        /// How many were set aside, damaged or not.
        records: u64,
    },
    /// A value.
    Value {
        /// Its key.
        key: Vec<u8>,
    },
    /// Pieces that belonged to no record or value.
    Stray {
        /// How many.
        pieces: u64,
    },
    /// A snapshot.
    Snapshot {
        /// Its name.
        name: SnapshotName,
    },
    /// Some of a blob: it is partial now, and its damaged groups are to be fetched again.
    Blob {
        /// Its hash.
        hash: BlobHash,
    },
    /// The latest batches: the log of the database can be read only up to there.
    Batches {
        /// How many.
        batches: u64,
    },
    /// All streams and values: the database could not be read as a whole.
    Database {
        /// What reading it said.
        why: String,
    },
}

/// The part of [`Store::check`] that is about snapshots and whole blobs.
///
/// # Errors
/// What the disk says.
pub fn check_files(store: &dyn Store, report: &mut Report) -> Result<(), StoreError> {
    let (sound, unsound) = unsound_snapshots(store.snapshots())?;
    report.snapshots = sound;
    for name in unsound {
        report.add(Damage::Snapshot { name });
    }
    let (sound, unsound) = unsound_blobs(store.blobs())?;
    report.blobs = sound;
    for hash in unsound {
        report.add(Damage::Blob { hash });
    }
    Ok(())
}

/// The part of [`Store::repair`] that is about snapshots and blobs: a damaged snapshot goes to `set_aside`, of a damaged blob
/// only what is damaged is forgotten.
///
/// # Errors
/// What the disk says.
pub fn repair_files(
    store: &dyn Store,
    repair: &mut Repair,
    mut set_aside: impl FnMut(SnapshotName) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for name in unsound_snapshots(store.snapshots())?.1 {
        set_aside(name)?;
        repair.add(Loss::Snapshot { name });
    }
    for hash in unsound_blobs(store.blobs())?.1 {
        repair.add(Loss::Blob { hash });
    }
    Ok(())
}

/// How many snapshots are sound, and those that are not.
fn unsound_snapshots(snapshots: &dyn Snapshots) -> Result<(u64, Vec<SnapshotName>), StoreError> {
    let (mut sound, mut unsound) = (0, Vec::new());
    for name in snapshots.list()? {
        match snapshots.read(name) {
            Ok(Some(_)) => sound += 1,
            // Deleted since it was listed.
            Ok(None) => {}
            Err(StoreError::Corrupt { .. }) => unsound.push(name),
            Err(other) => return Err(other),
        }
    }
    Ok((sound, unsound))
}

/// How many whole blobs are sound, and those that were not: they are partial ones now.
fn unsound_blobs(blobs: &dyn Blobs) -> Result<(u64, Vec<BlobHash>), StoreError> {
    let (mut sound, mut unsound) = (0, Vec::new());
    for entry in blobs.list()?.into_iter().filter(|entry| entry.whole) {
        match blobs.verify(entry.hash)? {
            BlobStatus::Whole { .. } => sound += 1,
            BlobStatus::Partial { .. } | BlobStatus::Absent => unsound.push(entry.hash),
        }
    }
    Ok((sound, unsound))
}
