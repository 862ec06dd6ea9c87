//! What devices say to each other.
//!
//! - [`message`]: every message of the control lane; `item`: the parts of a deck in one.
//! - [`envelope`]: a message as bytes, compressed when that pays, inflated within bounds.
//! - `packed`: the changes of a slice in few bytes.
//! - `early`: where a device stands, said with its greeting.
//! - [`holdings`]: what is held beside the canonical path, and how two devices find what differs.
//! - [`clock`]: what time it is with another device; `pulse`: when to ask it.
//! - `session`: one deck on one link: what the other device holds, and what to send it next.
//! - `exchange`: the drafts of one deck on one link.

pub mod clock;
pub(crate) mod early;
pub mod envelope;
pub(crate) mod exchange;
pub mod holdings;
mod item;
#[cfg(test)]
mod lists;
pub mod message;
mod name;
pub(crate) mod packed;
pub(crate) mod pulse;
pub(crate) mod session;
#[cfg(test)]
mod vectors;
