//! What messages are made of.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::at_most;
use crate::id::{ChangeHash, DeckId, DeviceId, DraftId, TermId};
use crate::limits::NAME_BYTES_MAX;
use crate::role::{Cut, Draft};
use crate::sync::holdings::Digest;

/// Where a device stands in one deck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DeckPulse {
    /// Which deck.
    #[n(0)]
    pub deck: DeckId,
    /// The end of the canonical path that is held durably.
    #[n(1)]
    pub held: Position,
    /// Of all that is held beside that path.
    #[n(2)]
    pub beside: Digest,
    /// How many changes that path has up to there: shown to people, trusted for nothing.
    #[n(3)]
    pub changes: u64,
}

/// A device, in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Device(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl From<DeviceId> for Device {
    fn from(device: DeviceId) -> Self {
        Self(*device.as_bytes())
    }
}

impl From<Device> for DeviceId {
    fn from(device: Device) -> Self {
        Self::from_bytes(device.0)
    }
}

/// Which version of a draft a device holds, or does not need because it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DraftMark {
    /// Which draft.
    #[n(0)]
    pub draft: DraftId,
    /// The newest version; 0 for none.
    #[n(1)]
    pub version: u32,
    /// The last change of that version: one number can be signed twice.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub head: [u8; 32],
    /// The version up to which its author's withdrawal is held; 0 for none.
    #[n(3)]
    pub withdrawn: u32,
}

impl DraftMark {
    /// Whether a device that says so need not be sent this version.
    #[must_use]
    pub(crate) fn holds(&self, record: &Draft) -> bool {
        self.version > record.version || (self.version == record.version && self.head == record.head.0)
    }
}

/// Why a draft is not kept, though nobody broke a rule. It is offered again when that may be otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[cbor(index_only)]
#[non_exhaustive]
pub enum DraftRefusal {
    /// Its author has not the right.
    #[n(0)]
    #[error("its author may not propose drafts; the owner can give it the right to")]
    MayNotPropose,
    /// A member may have only so many drafts waiting.
    #[n(1)]
    #[error("too many drafts of its author are waiting; withdraw one, or let the editor decide")]
    TooMany,
    /// Its base is not here.
    #[n(2)]
    #[error("what it was written on is not here")]
    Early,
    /// Another text is here under the same id.
    #[n(3)]
    #[error("another text was proposed under the same id before; write it anew as a draft of its own")]
    Rewritten,
}

/// A proof that a deck's key is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct DeckProof(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl DeckProof {
    /// The first half of a keyed hash: nobody can try one without saying it on a link, so that is enough.
    pub(crate) fn of(hasher: blake3::Hasher) -> Self {
        let mut proof = [0; 16];
        hasher.finalize_xof().fill(&mut proof);
        Self(proof)
    }
}

/// Where a device stands in a deck, readable for who holds the deck's key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct EarlyStatus {
    /// The place of the deck's proof in the greeting, from 0.
    #[n(0)]
    pub place: u8,
    /// A [`Message::Status`](super::Message::Status), sealed.
    #[n(1)]
    pub sealed: ByteVec,
}

/// A point on a path of terms: the first `len` changes of `term`, the last of which is `head`. Numbers alone would not
/// do: a device that seals two different changes under one number would make others believe that they hold the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Which term.
    pub term: TermId,
    /// How many of its changes.
    pub len: u64,
    /// The last of them; with none, where the term starts.
    pub head: ChangeHash,
}

impl Position {
    /// A place on a term.
    #[must_use]
    pub const fn new(term: TermId, cut: Cut) -> Self {
        Self {
            term,
            len: cut.len,
            head: cut.head,
        }
    }

    /// The place on its term.
    #[must_use]
    pub const fn cut(&self) -> Cut {
        Cut {
            len: self.len,
            head: self.head,
        }
    }
}

impl<C> Encode<C> for Position {
    fn encode<W: minicbor::encode::Write>(
        &self,
        to: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        to.array(3)?;
        self.term.encode(to, context)?;
        to.u64(self.len)?;
        head::encode(&self.head, to, context)
    }
}

impl<'b, C> Decode<'b, C> for Position {
    fn decode(from: &mut Decoder<'b>, context: &mut C) -> Result<Self, minicbor::decode::Error> {
        if from.array()? != Some(3) {
            return Err(minicbor::decode::Error::message("a position has three parts"));
        }
        let (term, len) = (TermId::decode(from, context)?, from.u64()?);
        let head = head::decode(from, context)?;
        Ok(Self { term, len, head })
    }
}

/// What a device calls itself, as it may be shown and sent: without control characters, and within the limit on names.
pub(crate) fn clean_name(name: &str) -> String {
    let mut clean = String::new();
    for character in name.chars().filter(|character| !character.is_control()) {
        if clean.len() + character.len_utf8() > NAME_BYTES_MAX {
            break;
        }
        clean.push(character);
    }
    clean
}

/// The hash of a change, as its bytes.
pub(in crate::sync) mod head {
    use minicbor::bytes::ByteArray;
    use minicbor::{Decode, Decoder, Encode, Encoder};

    use crate::id::ChangeHash;

    pub(in crate::sync) fn encode<C, W: minicbor::encode::Write>(
        head: &ChangeHash,
        to: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        ByteArray::from(head.0).encode(to, context)
    }

    pub(in crate::sync) fn decode<C>(
        from: &mut Decoder<'_>,
        context: &mut C,
    ) -> Result<ChangeHash, minicbor::decode::Error> {
        Ok(ChangeHash(ByteArray::decode(from, context)?.into()))
    }
}

/// A draft with all its changes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DraftItem {
    /// The signed draft record.
    #[n(0)]
    pub record: ByteVec,
    /// Its changes, raw, in order.
    #[cbor(n(1), decode_with = "at_most::draft_changes")]
    pub changes: Vec<ByteVec>,
}
