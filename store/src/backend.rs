//! What a store of one's own is made with.
//!
//! A backend implements [`Store`](crate::Store), keeps blobs and snapshots with [`FileBlobs`](crate::FileBlobs) and
//! [`FileSnapshots`](crate::FileSnapshots) or its own, and passes [`conformance::check_contract`](crate::conformance::check_contract).
//! The order of commits and refusals is the hard part of the contract, and [`Door`] keeps it: every commit enters by it before it is queued, and leaves when
//! it was saved or was not. The example `custom_store` is a whole one.

pub use crate::door::Door;
pub use crate::report::{check_files, repair_files};
