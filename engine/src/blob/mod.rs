//! Audio on its way: which blobs are wanted, from whom, and what was already asked for.
//!
//! The bytes themselves are verified and kept by the store; this only decides what to pull next.
//!
//! - [`fetch`]: what is wanted, in which order, and how each blob stands; `groups`: the parts of one.
//! - [`pulling`]: what to ask of whom; `source`: one link; `window`: how much ahead.
//! - [`progress`]: what the app is told.
//! - [`frame`]: the header that every frame of the binary lane carries.
//! - [`named`]: what a deck names, for who may have a blob, and for what is collected.

pub(crate) mod fetch;
pub(crate) mod frame;
mod groups;
pub(crate) mod named;
pub(crate) mod progress;
pub(crate) mod pulling;
mod source;
mod window;
