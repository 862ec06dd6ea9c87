//! Every message of the control lane, as CBOR with numbered variants and fields.
//!
//! Signed records travel as the bytes that were signed: what is passed on is exactly what was checked.
//! Every message is idempotent, and none depends on an earlier one: the next [`Message::Status`] repairs whatever
//! got lost with a link.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::id::{BlobId, DeckId, DraftId, TermId};
use crate::sync::clock::Offset;
use crate::sync::holdings::{Digest, Holding};
pub use crate::sync::item::Item;

mod at_most;
mod parts;

pub(crate) use self::parts::clean_name;
pub(super) use self::parts::head;
pub use self::parts::{
    DeckProof, DeckPulse, Device, DraftItem, DraftMark, DraftRefusal, EarlyStatus, Position,
};

/// The version of all messages. Said in [`Message::Greet`]; another one ends the link.
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
