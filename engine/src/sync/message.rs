//! Every message of the control lane, as CBOR with numbered variants and fields.
//!
//! Signed records travel as the bytes that were signed: what is passed on is exactly what was checked.
//! Every message is idempotent, and none depends on an earlier one: the next [`Message::Status`] repairs whatever
//! got lost with a link.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::id::{BlobId, ChangeHash, DeckId, DeviceId, DraftId, TermId};
use crate::limits::{
    CHARTERS_MAX, DECKS_PER_LINK_MAX, DOUBTED_MAX, DRAFT_CHANGES_MAX, DRAFT_MARKS_MAX, HOLDINGS_MAX,
    ITEMS_PER_MESSAGE_MAX, LOCATOR_POSITIONS_MAX, MESSAGE_BYTES_MAX, NAME_BYTES_MAX,
};
use crate::role::{Cut, Draft};
use crate::sync::clock::Offset;
use crate::sync::holdings::{Digest, Holding};
pub use crate::sync::item::Item;

/// The version of everything in this file. Said in [`Message::Greet`]; another one ends the link.
pub const PROTOCOL_VERSION: u32 = 0;

/// One message of the control lane.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub enum Message {
    /// The first word, and again when a deck comes or goes.
    #[n(0)]
    Greet {
        /// [`PROTOCOL_VERSION`].
        #[n(0)]
        version: u32,
        /// What the device calls itself; shown to people, trusted for nothing.
        #[n(1)]
        name: String,
        /// For each deck, a proof that its key is held (see [`crate::core::deck_proof`]). Says nothing to those
        /// who do not hold the key.
        #[n(2)]
        proofs: Vec<DeckProof>,
        /// In the first greeting of a link, where I stand in decks that the other side is known to have.
        #[cbor(n(3), decode_with = "at_most::early")]
        early: Vec<EarlyStatus>,
    },
    /// What I hold of a deck.
    #[n(1)]
    Status {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// Newest charter held: (generation, count). `None`: not even the genesis is held.
        #[n(1)]
        charter: Option<(u32, u32)>,
        /// Where my canonical path stands, tip first, then terms at growing distance, term 0 last.
        #[cbor(n(2), decode_with = "at_most::positions")]
        locator: Vec<Position>,
        /// Of all that I hold beside that path.
        #[n(3)]
        beside: Digest,
        /// How many changes my canonical path has up to where it stands: shown to people, trusted for nothing.
        #[n(4)]
        changes: u64,
    },
    /// Parts of a deck, in an order in which they can be taken in.
    #[n(2)]
    Entries {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// Its parts.
        #[cbor(n(1), decode_with = "at_most::items")]
        items: Vec<Item>,
    },
    /// What I now hold durably of the canonical path.
    #[n(3)]
    Ack {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// Up to where.
        #[n(1)]
        held: Position,
        /// How many [`Message::Entries`] of this deck were taken from this link so far: room for as many more, also where
        /// what they brought lies beside the path, and so before no place on it.
        #[n(2)]
        taken: u64,
        /// How many changes my canonical path has up to there: shown to people, trusted for nothing.
        #[n(3)]
        changes: u64,
    },
    /// A draft that its author offers to the editor; passed on by everybody.
    #[n(4)]
    Propose {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// The draft, whole.
        #[n(1)]
        draft: DraftItem,
    },
    /// Send me these groups of a blob on the binary lane.
    #[n(6)]
    Pull {
        /// A number of the asker's choice; comes back in every frame.
        #[n(0)]
        transfer: u32,
        /// Which blob.
        #[n(1)]
        blob: BlobId,
        /// The first group.
        #[n(2)]
        first: u32,
        /// How many groups.
        #[n(3)]
        count: u32,
        /// The size of the blob, as the asker was told: who knows another one lacks this.
        #[n(4)]
        size: u64,
    },
    /// I do not have what this transfer asked for.
    #[n(7)]
    Lack {
        /// The number of the [`Message::Pull`].
        #[n(0)]
        transfer: u32,
    },
    /// I have now, whole, what you asked for when I lacked it.
    #[n(8)]
    Have {
        /// Which blob.
        #[n(0)]
        blob: BlobId,
    },
    /// All that I hold beside my canonical path: send what is missing.
    #[n(10)]
    Holdings {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// What I hold.
        #[cbor(n(1), decode_with = "at_most::holdings")]
        held: Vec<Holding>,
    },
    /// Records and branches that are not on my canonical path. What of them cannot be taken in yet, or is beyond its
    /// author's quota, is no offence, and does not stop the others.
    #[n(11)]
    Branches {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// They.
        #[cbor(n(1), decode_with = "at_most::items")]
        items: Vec<Item>,
    },
    /// Which terms lead to this one? It is settled, and not here, and more came than is kept without knowing that.
    #[n(12)]
    Whence {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// Which term.
        #[n(1)]
        term: TermId,
    },
    /// The answer: that term, the one before it, and so on.
    #[n(13)]
    Lineage {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// The term that was asked about.
        #[n(1)]
        term: TermId,
        /// Its signed record, that of the term before it, and so on.
        #[cbor(n(2), decode_with = "at_most::terms")]
        terms: Vec<ByteVec>,
    },
    /// What I hold, durably, of the drafts that are not part of the deck.
    #[n(30)]
    DraftsHeld {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// Whether this is all; else it is what is new.
        #[n(1)]
        whole: bool,
        /// A mark for each draft.
        #[cbor(n(2), decode_with = "at_most::marks")]
        marks: Vec<DraftMark>,
    },
    /// An author takes a draft back; passed on by everybody.
    #[n(31)]
    Withdraw {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// The signed withdrawal.
        #[n(1)]
        record: ByteVec,
    },
    /// A draft that was offered is not kept, and that is no offence.
    #[n(32)]
    DraftRefused {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// Which draft.
        #[n(1)]
        draft: DraftId,
        /// Why.
        #[n(2)]
        why: DraftRefusal,
    },
    /// A signed word about the role: a request, a denial, a sign of the editor, a question. Passed on.
    #[n(20)]
    Word {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// The word, as it was signed.
        #[n(1)]
        bytes: ByteVec,
    },
    /// The deck's key was turned over while the other side was away: to a member that showed an older one.
    #[n(40)]
    NewKey {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// The proof that the sender holds the older key, too.
        #[n(1)]
        proof: DeckProof,
        /// The genesis record: a deck that was joined may not have arrived yet.
        #[n(2)]
        genesis: ByteVec,
        /// The signed charters that prove who the owner is, and the one that began the key's epoch, or a later one.
        #[cbor(n(3), decode_with = "at_most::charters")]
        charters: Vec<ByteVec>,
        /// [`crate::role::WrappedKeys`].
        #[n(4)]
        keys: ByteVec,
    },
    /// My invite asks for this: to a member that may hold the role.
    #[n(41)]
    Knock {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// Whether to draft; to read, if not.
        #[n(1)]
        draft: bool,
        /// The signature of [`crate::role::Voucher`] by the member who invited.
        #[n(2)]
        signature: Option<ByteVec>,
    },
    /// Are you there, and what time is it with you? Now and then also where I stand in the decks that we share.
    #[n(50)]
    Ping {
        /// Comes back in the answer.
        #[n(0)]
        number: u32,
        /// Where I stand, durably; none, if that was said a moment ago.
        #[cbor(n(1), decode_with = "at_most::pulses")]
        decks: Vec<DeckPulse>,
    },
    /// The answer to a [`Message::Ping`], at once.
    #[n(51)]
    Pong {
        /// Its number.
        #[n(0)]
        number: u32,
        /// My clock: milliseconds since the Unix epoch, or since any other moment, but never stepping back.
        #[n(1)]
        at_ms: u64,
    },
    /// What a member shows of itself. Passed on; never kept on disk.
    #[n(52)]
    Presence {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// The signed [`crate::role::Shown`].
        #[n(1)]
        bytes: ByteVec,
    },
    /// The way to these members was lost: whoever is one of them shows itself again. Passed on.
    #[n(53)]
    Doubt {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// Who.
        #[cbor(n(1), decode_with = "at_most::devices")]
        devices: Vec<Device>,
    },
    /// What the editor plays. Passed on; never kept on disk.
    #[n(54)]
    Playback {
        /// Which deck.
        #[n(0)]
        deck: DeckId,
        /// The signed [`crate::role::Playing`].
        #[n(1)]
        bytes: ByteVec,
        /// How far the editor's clock is ahead of mine. It is my own estimate, so it is not signed.
        #[n(2)]
        clock: Option<Offset>,
    },
}

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
    /// A [`Message::Status`], sealed.
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
pub(super) mod head {
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

/// Lists with an end. An empty entry is a byte or four on the wire, nothing at all compressed, and a hundred in memory:
/// the limit on a message alone would let a small one fill a phone.
mod at_most {
    use minicbor::bytes::ByteVec;
    use minicbor::decode::Error;
    use minicbor::{Decode, Decoder};

    use super::{
        CHARTERS_MAX, DECKS_PER_LINK_MAX, DOUBTED_MAX, DRAFT_CHANGES_MAX, DRAFT_MARKS_MAX, DeckPulse, Device,
        DraftMark, EarlyStatus, HOLDINGS_MAX, Holding, ITEMS_PER_MESSAGE_MAX, Item, LOCATOR_POSITIONS_MAX,
        MESSAGE_BYTES_MAX, Position,
    };

    pub(super) fn pulses<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<DeckPulse>, Error> {
        list(from, context, DECKS_PER_LINK_MAX)
    }

    pub(super) fn early<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<EarlyStatus>, Error> {
        list(from, context, DECKS_PER_LINK_MAX)
    }

    pub(super) fn devices<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<Device>, Error> {
        list(from, context, DOUBTED_MAX)
    }

    pub(super) fn positions<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<Position>, Error> {
        list(from, context, LOCATOR_POSITIONS_MAX)
    }

    pub(super) fn charters<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<ByteVec>, Error> {
        list(from, context, CHARTERS_MAX)
    }

    pub(super) fn terms<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<ByteVec>, Error> {
        list(from, context, ITEMS_PER_MESSAGE_MAX)
    }

    pub(super) fn items<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<Item>, Error> {
        let mut items = Vec::new();
        let mut unpacked = 0;
        for item in from.array_iter_with(context)? {
            let item = item?;
            // The others are not packed, and as long as the message is.
            if matches!(item, Item::Changes { .. }) {
                unpacked += item.bytes();
            }
            if unpacked > MESSAGE_BYTES_MAX {
                return Err(Error::message("its changes are more than a message may have"));
            }
            if items.len() >= ITEMS_PER_MESSAGE_MAX {
                let most = ITEMS_PER_MESSAGE_MAX;
                return Err(Error::message(format!("a list of more than {most}")));
            }
            items.push(item);
        }
        Ok(items)
    }

    pub(super) fn holdings<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<Holding>, Error> {
        list(from, context, HOLDINGS_MAX)
    }

    pub(super) fn draft_changes<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<ByteVec>, Error> {
        list(
            from,
            context,
            usize::try_from(DRAFT_CHANGES_MAX).unwrap_or(usize::MAX),
        )
    }

    pub(super) fn marks<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<DraftMark>, Error> {
        list(from, context, DRAFT_MARKS_MAX)
    }

    fn list<'b, C, T: Decode<'b, C>>(
        from: &mut Decoder<'b>,
        context: &mut C,
        most: usize,
    ) -> Result<Vec<T>, Error> {
        let mut list = Vec::new();
        for entry in from.array_iter_with(context)? {
            if list.len() >= most {
                return Err(Error::message(format!("a list of more than {most}")));
            }
            list.push(entry?);
        }
        Ok(list)
    }
}
