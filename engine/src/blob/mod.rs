//! Audio on its way: which blobs are wanted, from whom, and what was already asked for.
//!
//! The bytes themselves are verified and kept by the store; [`fetch`] only decides what to pull next, and [`frame`]
//! is the header that every frame of the binary lane carries.

pub(crate) mod fetch;
pub(crate) mod frame;
