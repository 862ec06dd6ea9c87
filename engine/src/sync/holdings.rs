//! What a device holds of a deck beside its canonical path: records and branches that lost, word by word.
//!
//! Two devices that stand at the same place and have the same digest hold the same, all of it. Where the digests differ, each
//! lists what it holds, and the other sends what is missing there. Like every message this is idempotent: what a link lost, or
//! what came too early to be taken in, is listed and sent again.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use super::message::Position;

/// One thing that is held beside the canonical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(array)]
pub enum Holding {
    /// A charter, or a term that is not on the path: the id of its record.
    #[n(0)]
    Record(
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        [u8; 32],
    ),
    /// The changes of a term up to a seal that is not on the path, and that seal.
    #[n(1)]
    Line(#[n(0)] Position),
    /// A seal alone: what it seals is not held.
    #[n(2)]
    Seal(#[n(0)] Position),
}

/// The digest of all that is held beside the canonical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Digest(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl Digest {
    /// Of these.
    #[must_use]
    pub fn of(holdings: &BTreeSet<Holding>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("cuecard holdings v0");
        for holding in holdings {
            // All have a fixed length, so joining them is unambiguous.
            let (kind, position) = match holding {
                Holding::Record(id) => {
                    hasher.update(&[0]).update(id);
                    continue;
                }
                Holding::Line(position) => (1, position),
                Holding::Seal(position) => (2, position),
            };
            hasher.update(&[kind]).update(position.term.as_bytes());
            hasher
                .update(&position.len.to_le_bytes())
                .update(&position.head.0);
        }
        Self(*hasher.finalize().as_bytes())
    }
}
