//! What the records say.

use super::actor::draft_id;
use super::bytes::{Malformed, Reader, Writer};
use super::keys::KeyEpoch;
use super::layout::{FORMAT_VERSION, read_header};
use crate::id::{ChangeHash, DeckId, DraftId, TermId};
use cuecard_transport::DeviceId;

/// How a deck began. It is also term 0, held by the owner, and implies the first charter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Genesis {
    /// The first owner.
    pub owner: DeviceId,
    /// Random: two decks of one owner differ.
    pub nonce: [u8; 16],
    /// When, in milliseconds since 1970, by the owner's clock.
    pub created_ms: u64,
}

/// What a member may do. Each right includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rights {
    /// May read.
    Read,
    /// May propose drafts.
    Draft,
    /// May be editor, and may claim.
    Hold,
}

/// One member, as a charter lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Member {
    /// Who.
    pub device: DeviceId,
    /// What it may do.
    pub rights: Rights,
    /// Among claims the lower number wins. The owner comes before all.
    pub rank: u16,
}

/// A point on a term: `len` changes, the last of which is `head`. With no changes, `head` is where the term starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cut {
    /// How many changes.
    pub len: u64,
    /// The last of them.
    pub head: ChangeHash,
}

/// A point in the deck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// The term.
    pub term: TermId,
    /// How many of its changes.
    pub len: u64,
    /// The last of them.
    pub head: ChangeHash,
}

impl Point {
    /// The place on its term.
    #[must_use]
    pub const fn cut(&self) -> Cut {
        Cut {
            len: self.len,
            head: self.head,
        }
    }
}

/// The owner's word: who the members are, and up to where the past is settled.
///
/// The one with `count` 0 of each later generation is a transfer: signed by the owner of the generation before,
/// naming the new one, who signs from then on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Charter {
    /// Of which deck.
    pub deck: DeckId,
    /// How often the deck has been transferred.
    pub generation: u32,
    /// Grows with each charter of a generation.
    pub count: u32,
    /// The owner from now on.
    pub owner: DeviceId,
    /// Who signs: the owner, or in a transfer the owner before. Signing fills it in.
    pub signer: DeviceId,
    /// The members in ascending order of device, each once.
    pub members: Vec<Member>,
    /// Which key the deck's readers have to show.
    pub key_epoch: KeyEpoch,
    /// Everything up to here stands, whoever was what.
    pub settled: Point,
}

/// Why a term begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The parent's holder gives the role to a member, or begins a new run of its own.
    Handover,
    /// The parent's holder lets go, and nobody holds the role.
    Release,
    /// A member takes the role for itself.
    Claim,
}

/// One run of one device as editor; or, after a release, of nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Term {
    /// Of which deck.
    pub deck: DeckId,
    /// The term before.
    pub parent: TermId,
    /// Why it begins.
    pub cause: Cause,
    /// Where the term before ended. With `len` 0 its head is where that term started.
    pub cut: Cut,
    /// Who may append; nobody after a release.
    pub holder: Option<DeviceId>,
    /// Random: two terms are never the same by accident.
    pub nonce: [u8; 16],
    /// Who signs. Signing fills it in.
    pub signer: DeviceId,
}

/// "My term now has `len` changes and ends in `head`": signed by the term's holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seal {
    /// Of which term.
    pub term: TermId,
    /// How many changes it has.
    pub len: u64,
    /// The last of them.
    pub head: ChangeHash,
}

impl Seal {
    /// The place that it seals.
    #[must_use]
    pub const fn cut(&self) -> Cut {
        Cut {
            len: self.len,
            head: self.head,
        }
    }
}

/// Changes of a device that was not the editor, kept apart until an editor accepts them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Draft {
    /// Of which deck.
    pub deck: DeckId,
    /// The canonical head that it started from.
    pub base: ChangeHash,
    /// Whose. Signing fills it in.
    pub author: DeviceId,
    /// Random: rewriting a draft takes a new one.
    pub nonce: [u8; 16],
    /// Which time its author signed it, from 1. A later one replaces an earlier one, and may have more changes.
    pub version: u32,
    /// When it was signed, in milliseconds since 1970, by its author's clock.
    pub signed_ms: u64,
    /// How many changes.
    pub len: u64,
    /// The last of them; with none, the base.
    pub head: ChangeHash,
    /// What the author says about it.
    pub note: String,
}

impl Draft {
    /// Its id: the same while the draft is extended.
    #[must_use]
    pub fn id(&self) -> DraftId {
        draft_id(self.deck, self.author, self.nonce)
    }
}

impl Genesis {
    const KIND: u8 = 1;

    /// The deck that begins so.
    #[must_use]
    pub fn deck_id(&self) -> DeckId {
        DeckId::from_bytes(*blake3::hash(&self.encode()).as_bytes())
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer(vec![Self::KIND, FORMAT_VERSION]);
        to.bytes(self.owner.as_bytes());
        to.bytes(&self.nonce);
        to.u64(self.created_ms);
        to.0
    }

    /// From its bytes.
    ///
    /// # Errors
    /// When they are not exactly a genesis of this format.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader(bytes);
        read_header(&mut from, Self::KIND)?;
        let genesis = Self {
            owner: from.device()?,
            nonce: from.array()?,
            created_ms: from.u64()?,
        };
        from.end()?;
        Ok(genesis)
    }
}
