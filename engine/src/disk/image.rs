//! The form of what the store holds: decks as they were read from it, and the records that they are made of.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::snapshot::SnapshotImage;
use crate::core::{Heard, Keyring};
use crate::id::{ChangeHash, DeckId, DeviceId, DraftId, TermId};
use crate::role::Cut;

/// Everything kept of one deck, as it was read from the store.
#[derive(Debug, Clone)]
pub struct DeckImage {
    /// Its id.
    pub deck: DeckId,
    /// The keys that show that one may read it.
    pub keys: Keyring,
    /// Its genesis record; missing while a deck that was joined has not arrived yet.
    pub genesis: Option<Vec<u8>>,
    /// Charters and terms, in the order in which they were taken in.
    pub records: Vec<RecordImage>,
    /// The snapshot it is opened from, with its number and the head that it has to have.
    pub snapshot: Option<(u64, ChangeHash, SnapshotImage)>,
    /// The number of its next snapshot.
    pub next_snapshot: u64,
    /// The changes of each term that has any behind the snapshot, in the order of the records.
    pub tails: Vec<TermTail>,
    /// Drafts: our own and those of others.
    pub drafts: Vec<(DraftImage, Vec<Vec<u8>>)>,
    /// What was said of drafts, whether or not they are held.
    pub draft_words: Vec<(DraftId, DraftWordsImage)>,
    /// What other devices said that they hold.
    pub heard: Vec<(DeviceId, Heard)>,
    /// Whether it is exchanged with other devices.
    pub followed: bool,
}

/// Changes of a term, from some number on.
#[derive(Debug, Clone)]
pub struct TermTail {
    /// Which term.
    pub term: TermId,
    /// The number of the first.
    pub from: u64,
    /// The changes, with their seals.
    pub records: Vec<LogRecord>,
}

/// A charter or a term as kept in the stream of records.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub enum RecordImage {
    /// A signed charter.
    #[n(0)]
    Charter(#[n(0)] ByteVec),
    /// A signed term, with its id, so that its log can be found without checking a signature first.
    #[n(1)]
    Term(#[n(0)] TermId, #[n(1)] ByteVec),
    /// A signed admission.
    #[n(40)]
    Admit(#[n(0)] ByteVec),
    /// A seal whose changes may not be held.
    #[n(10)]
    Seal(#[n(0)] ByteVec),
    /// Changes of a term that do not follow on its log: those of a holder who sealed two lines.
    #[n(11)]
    Fork {
        /// Which term.
        #[n(0)]
        term: TermId,
        /// The number of the change before them.
        #[n(1)]
        len: u64,
        /// That change.
        #[n(2)]
        #[cbor(with = "minicbor::bytes")]
        head: [u8; 32],
        /// They.
        #[n(3)]
        changes: Vec<LogRecord>,
    },
}

impl RecordImage {
    pub(crate) fn fork(term: TermId, after: Cut, changes: Vec<LogRecord>) -> Self {
        let Cut { len, head } = after;
        Self::Fork {
            term,
            len,
            head: head.0,
            changes,
        }
    }
}

/// One change of a term as kept, with the seal if one ends there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LogRecord {
    /// The change, raw.
    #[n(0)]
    pub change: ByteVec,
    /// The holder's seal that ends at this change.
    #[n(1)]
    pub seal: Option<ByteVec>,
}

/// What is kept of a draft beside its changes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DraftImage {
    /// The head it started from.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub base: [u8; 32],
    /// Who writes it.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub author: [u8; 32],
    /// What makes its id and its actor its own.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub nonce: [u8; 16],
    /// What its author says of it.
    #[n(3)]
    pub note: String,
    /// The newest signed record, once it was proposed.
    #[n(4)]
    pub record: Option<ByteVec>,
    /// The records of the versions that some editor accepted.
    #[n(5)]
    pub accepted: Vec<ByteVec>,
    /// When it was opened, in milliseconds since 1970.
    #[n(6)]
    pub opened_ms: u64,
    /// Of an own draft: the devices that hold its newest version.
    #[n(7)]
    pub held_by: Vec<ByteArray<32>>,
    /// Whether it is written no further, as a damaged disk may have forgotten changes of it.
    #[n(8)]
    pub frozen: bool,
}

/// What was said of one draft.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DraftWordsImage {
    /// By editors, in changes of the log.
    #[n(0)]
    pub declines: Vec<DeclineImage>,
    /// By its author: the signed withdrawal.
    #[n(1)]
    pub withdrawal: Option<ByteVec>,
}

/// One decline, found in a change of the log.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DeclineImage {
    /// The change.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub change: [u8; 32],
    /// The newest version that it declines.
    #[n(1)]
    pub version: u32,
    /// The editor.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub by: [u8; 32],
    /// Why.
    #[n(3)]
    pub reason: String,
}
