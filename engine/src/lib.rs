//! Cuecard.
#![deny(missing_docs)]

pub mod id;
pub mod limits;
pub mod role;
