//! Bytes on disk: streams, small keyed state and verified blobs.
//!
//! Nothing here knows what a deck is. A [`Store`] keeps four things:
//!
//! - **streams**: append-only sequences of records, named by a [`StreamId`];
//! - **keyed state**: small values under byte keys;
//! - **snapshots**: larger state that stands for the front of a stream, durably put and checked ([`Snapshots`]);
//! - **blobs**: content named by its BLAKE3 hash, received in verified slices and resumed
//!   after a restart ([`Blobs`]).
//!
//! Streams and keyed state change by atomic [`Batch`]es. What [`Store::commit`] promises, and what a
//! failure does to the batches behind it, is written there and checked for every backend by
//! [`conformance`].
//!
//! | backend | for |
//! |---|---|
//! | [`SledStore`] | the embedded default: one folder, one process |
//! | [`MemoryStore`] | tests, simulators (it can crash on command), throw-away peers |
//! | [`FaultyStore`] | any of the above with faults at chosen commits |
//! | your own | implement [`Store`], with what [`backend`] lends, and let [`conformance`] test it |
#![deny(missing_docs)]

pub mod backend;
pub mod conformance;
pub mod limits;

#[cfg(test)]
mod arbitrary;
mod batch;
mod blobs;
mod contract;
mod disk;
mod door;
mod error;
mod faulty;
mod memory;
mod report;
mod saved;
mod sled;
mod snapshots;

pub use batch::{Batch, Operation, StreamId};
pub use blobs::{
    BlobEntry, BlobHash, BlobPin, BlobStatus, Blobs, Collected, FileBlobs, GROUP_BYTES, Grace, MemoryBlobs,
    ReadSeek, group_count,
};
pub use contract::{KeyedValue, Record, Store};
pub use error::{BlobError, StoreError};
pub use faulty::{BlobFault, Fault, FaultyStore, SnapshotFault};
pub use memory::{MemoryImage, MemoryStore};
pub use report::{Damage, Loss, Repair, Report};
pub use saved::{Saved, SavedSender};
pub use sled::{DiskSync, Durability, Options, SledStore, SystemSync};
pub use snapshots::{FileSnapshots, MemorySnapshots, Snapshot, SnapshotName, Snapshots};
