//! The gate: the only door by which a peer's change reaches Automerge.
//!
//! Automerge trusts what it is given: a gap in a sequence, a reference to nothing or a wrong number panics inside it, and
//! some of what it accepts cannot be loaded again after saving. So nothing is given to it that has not passed, in this order:
//!
//! 1. **Size** ([`limits`](crate::limits)): counts and bytes, before anything is allocated.
//! 2. **Form** (`chunk.rs`): one uncompressed change chunk of exactly its length; no compressed, document or bundle chunk,
//!    no column that a deck does not need (marks), no trailing bytes; every count in a column and every number of an actor or
//!    operation within its bounds, *before* Automerge's own decoder runs; the checksum is that of the content; and the change is spelled
//!    as Automerge itself spells it.
//! 3. **Structure** (`lines.rs`): the line's actor, its next number, exactly its dependencies, `start_op` exactly one above them.
//! 4. **Meaning** (`meaning.rs`, `schema.rs`): only the keys, types and values of the schema; what an operation refers to exists, where it says, in the
//!    change's own past; and the message names exactly the ops that the change did. What an undo or redo takes back is in its past
//!    (`lines.rs`); that its ops are the inverse is its author's word, as what an edit is good for always is.
//! 5. **Result**: the heads that applying it leaves are the ones that are vouched for.
//!
//! Everything that is not named there is refused: counters, lists, marks, tables, timestamps, bytes, null, unknown keys, deleting or
//! replacing a card, a text or any map of the schema, editing audio in place, a change that does nothing.
//!
//! *Not here*: authority. Who may extend which line, and whose seal covers the head, is the caller's to know before it
//! calls. The caller is the deck's log in the [core](crate::core), and this is what it asks for:
//!
//! - of a term: its signature, a known parent, and the rules of the [role](crate::role);
//! - of changes: that they follow those held of a known term, and that its holder's seal is over the last of them. Where
//!   they go on with the canonical path they go into the deck; anything else is kept aside, within its author's quota, and
//!   the path decides;
//! - of late work that a change accepts (`late.accept`): that it is held, sealed, and put into the document before the
//!   change is judged. Without it the change is early, not wrong. Here it is looked at that it is of the term that is
//!   named, that nothing of it is left beside, and that the change does nothing else;
//! - of a draft, whoever brings it: its author's signature over all of it, its quota, and that its author may propose.
//!
//! Claims, charters and admissions have no changes and do not come by here: what they are worth is for the
//! [role](crate::role) to say. A whole deck, from a device or from a file, comes as its changes do, slice by slice: nobody
//! else's snapshot of a document is taken.

mod ahead;
mod chunk;
mod left;
mod lines;
mod meaning;
mod names;
mod one;
mod operation;
mod places;
mod schema;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{ActorId, Change, ChangeHash};

use crate::document::Document;
use crate::id::DraftId;
use crate::limits::{
    CHANGE_BYTES_MAX, CHANGE_OPS_MAX, DECK_CARDS_MAX, DECK_OPS_MAX, SLICE_BYTES_MAX, TEXT_BYTES_MAX,
};
use crate::op::{NoteError, Notes, names};

pub(crate) use chunk::Input;
pub(crate) use places::Places;

/// The heads of late work that changes of one line accept, of which the first follows on `previous`: to be put into the
/// document that they are [admitted](admit) to, with all that they depend on.
///
/// # Errors
/// If a change that says so is none.
pub fn late_heads(changes: &[&[u8]], previous: ChangeHash) -> Result<Vec<ChangeHash>, Refusal> {
    const LATE_ACCEPT: &[u8] = b"\"late.accept\"";
    let (mut late, mut before) = (Vec::new(), None);
    for bytes in changes {
        if names(bytes, LATE_ACCEPT) {
            let change = read(bytes)?;
            // A chunk begins with the first bytes of its hash, which is enough to tell two dependencies apart.
            let is_before = |head: &ChangeHash| match before {
                Some(checksum) => head.0.get(..4) == checksum,
                None => *head == previous,
            };
            late.extend(change.deps().iter().copied().filter(|head| !is_before(head)));
        }
        before = Some(bytes.get(4..8));
    }
    Ok(late)
}

/// A run of changes of one line, in order.
#[derive(Debug, Clone)]
pub struct Segment<'a> {
    /// Whose they are and where they go on.
    pub line: Line,
    /// Their bytes.
    pub changes: Vec<&'a [u8]>,
    /// What line it is.
    pub kind: Kind,
    /// The drafts that a `draft.accept` in this segment may merge, with the head that it must name.
    pub accepts: BTreeMap<DraftId, ChangeHash>,
}

/// Where a line of changes stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The actor of its changes.
    pub actor: ActorId,
    /// The number of its next change, from 1.
    pub next_seq: u64,
    /// What its next change depends on: the change before, or the head that the line starts at.
    pub previous: ChangeHash,
}

/// What a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A term: it may accept drafts and late work.
    Term,
    /// A draft: it may not.
    Draft,
}

/// Changes that may be applied to the document they were admitted to, in the state it was in. Nothing else makes one.
#[derive(Debug, Clone)]
pub struct Admitted {
    pub(crate) base: Vec<ChangeHash>,
    pub(crate) changes: Vec<Change>,
    pub(crate) notes: Vec<Notes>,
    pub(crate) expected: Vec<ChangeHash>,
    pub(crate) learned: places::Learned,
}

impl Admitted {
    /// The hashes of the changes, in order.
    pub fn hashes(&self) -> impl Iterator<Item = ChangeHash> + '_ {
        self.changes.iter().map(Change::hash)
    }

    /// What the changes did, by their (checked) messages: what several say alike, once. So they do not go in step with the
    /// hashes.
    #[must_use]
    pub fn notes(&self) -> &[Notes] {
        &self.notes
    }

    /// The heads the document will have.
    #[must_use]
    pub fn heads(&self) -> &[ChangeHash] {
        &self.expected
    }
}

/// Why changes were not admitted. The document has not been touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A change is too large.
    #[error("a change of {bytes} bytes; a change may have {CHANGE_BYTES_MAX}")]
    ChangeTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Too many bytes at a time.
    #[error("more than {SLICE_BYTES_MAX} bytes of changes at a time; send them in slices")]
    TooMuchAtOnce,
    /// Not the bytes of a chunk, or of a wrong length.
    #[error("not a change chunk: {what}")]
    NotAChunk {
        /// What is wrong.
        what: &'static str,
    },
    /// A chunk of another kind.
    #[error("a chunk of kind {kind}; only uncompressed changes (kind 1) are taken")]
    WrongChunk {
        /// Its kind.
        kind: u8,
    },
    /// A column that a deck has no use for.
    #[error("a column {column} that no change of a deck has")]
    ForeignColumn {
        /// Its specification.
        column: u64,
    },
    /// More operations than a change may have.
    #[error("more than {CHANGE_OPS_MAX} operations or references in one change")]
    TooManyOps,
    /// A column whose numbers are out of bounds.
    #[error("a column is malformed: {what}")]
    BadColumn {
        /// What is wrong.
        what: &'static str,
    },
    /// The checksum is not that of the content.
    #[error("the checksum is not that of the content")]
    Checksum,
    /// The same change could be spelled in another way.
    #[error("the change is not in its one spelling")]
    Spelling,
    /// A change that Automerge cannot read.
    #[error("the change cannot be read: {what}")]
    Unreadable {
        /// What Automerge says.
        what: String,
    },
    /// The actor is not the line's.
    #[error("the change is by another actor than its line's")]
    WrongActor,
    /// Not the line's next number.
    #[error("the change is number {found} of its line; {expected} is next")]
    WrongSeq {
        /// The number that is next.
        expected: u64,
        /// The change's number.
        found: u64,
    },
    /// The line's start does not fit the document.
    #[error("the line's actor and number have been used already, or the change before is another's")]
    ReusedActor,
    /// The change depends on something else than its line says.
    #[error("the change depends on {found} changes that are not exactly its line's")]
    WrongDependencies {
        /// How many it names.
        found: usize,
    },
    /// Something it depends on is not here.
    #[error("change {missing} is missing; fetch it first")]
    MissingDependency {
        /// What is missing.
        missing: ChangeHash,
    },
    /// The first operation's number is not one above what the change depends on.
    #[error("operations start at {found}; {expected} is next")]
    WrongStartOp {
        /// The number that is next.
        expected: u64,
        /// The change's.
        found: u64,
    },
    /// More operations than a deck can number.
    #[error("the deck would have more than {DECK_OPS_MAX} operations")]
    DeckFull,
    /// A time that no clock shows.
    #[error("a time of {seconds} s is no time")]
    WrongTime {
        /// The time.
        seconds: i64,
    },
    /// It is in the document already.
    #[error("the change is known already")]
    Known,
    /// The message is not the notes of a change.
    #[error("the message is refused: {0}")]
    Message(#[from] NoteError),
    /// There is no message.
    #[error("the change has no message")]
    NoMessage,
    /// The message does not say what the change does.
    #[error("the message does not say what the change does")]
    MessageLies,
    /// A change that does nothing, and neither accepts nor declines a draft, nor accepts late work.
    #[error("the change does nothing")]
    Empty,
    /// It accepts a draft or late work that it may not accept; or it does so, or declines a draft, with operations of its
    /// own or in a draft.
    #[error("the change accepts or declines a draft, or accepts late work, as it may not")]
    WrongAccept,
    /// It takes back a change that is not in its past, or one that this op is not for.
    #[error("the change takes back one that is not in its past, or undoes an undo, or redoes what is none")]
    WrongReversal,
    /// An operation on an object that is not here, or not in the change's past.
    #[error("operation {op} is on an object that is not in its past")]
    UnknownObject {
        /// The operation's number.
        op: u64,
    },
    /// A key, type or value that the schema has not.
    #[error("operation {op} is not part of the schema: {what}")]
    Schema {
        /// The operation's number.
        op: u64,
        /// What it tried.
        what: &'static str,
    },
    /// An operation that replaces or continues something that is not there.
    #[error("operation {op} refers to something that is not there in its past")]
    UnknownReference {
        /// The operation's number.
        op: u64,
    },
    /// A card or its audio without all its parts.
    #[error("a card or its audio is added without all its parts")]
    Incomplete,
    /// Too many cards.
    #[error("the deck would have more than {DECK_CARDS_MAX} cards")]
    TooManyCards,
    /// A text too long.
    #[error("a text would have more than {TEXT_BYTES_MAX} bytes")]
    TextTooLong,
    /// The result has another head than the one vouched for.
    #[error("the changes do not end in the head that is vouched for")]
    WrongHead,
    /// The gate itself failed: a fault here, and no reason to let anything in.
    #[error("the gate failed on this input; please report it")]
    Fault,
}

/// Checks changes against a document, without touching it. Later segments may depend on earlier ones.
///
/// `head` is the head that is vouched for (by a seal, or a draft's signature). Applying must leave that head alone; where the last
/// segment is a draft, the document's own head may stay beside it, until the draft is accepted.
///
/// # Errors
/// The first rule that is broken. One bad change refuses them all.
pub fn admit(document: &Document, segments: &[Segment<'_>], head: ChangeHash) -> Result<Admitted, Refusal> {
    // No panic is known here. A panic that is not known must not be a peer's to cause.
    catch_unwind(AssertUnwindSafe(|| lines::admit(document, segments, head))).unwrap_or(Err(Refusal::Fault))
}

/// Reads one change, whoever wrote it, for what it says of itself. It is of the right form, and nothing else is known of it.
///
/// # Errors
/// If it is not a change of the form that a deck takes.
pub(crate) fn read(bytes: &[u8]) -> Result<Change, Refusal> {
    let read = catch_unwind(|| chunk::read(bytes)).unwrap_or(Err(Refusal::Fault));
    Ok(read?.0)
}

/// The hash of a change by somebody else.
///
/// # Errors
/// If it is not a change of the form that a deck takes.
pub(crate) fn hash_of(bytes: &[u8]) -> Result<ChangeHash, Refusal> {
    Ok(read(bytes)?.hash())
}

/// How many operations a change by somebody else says that it has; none, where it is not of the form that a deck takes.
pub(crate) fn operations_of(bytes: &[u8]) -> u64 {
    chunk::check(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests;
