//! Bytes on disk.
#![deny(missing_docs)]
