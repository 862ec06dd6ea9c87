//! Bytes on disk: streams, small keyed state and verified blobs.
//!
//! Nothing here knows what a deck is. A [`Store`] keeps append-only streams, small keyed state, and
//! [`Blobs`]. Streams and keyed state change by atomic [`Batch`]es.
#![deny(missing_docs)]

pub mod limits;

mod batch;
mod blobs;
mod contract;
mod error;
mod saved;

pub use batch::{Batch, Operation, StreamId};
pub use blobs::{BlobEntry, BlobHash, BlobStatus, Blobs, GROUP_BYTES, ReadSeek, group_count};
pub use contract::{Damage, Record, Report, Store};
pub use error::{BlobError, StoreError};
pub use saved::{Saved, SavedSender};
