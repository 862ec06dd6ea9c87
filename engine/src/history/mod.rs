//! What happened to a deck: who did what, when, from where, what merged where, and what the deck was at any point.
//!
//! | file | subject |
//! |---|---|
//! | `mod` | the entries, and who wrote them |
//! | `walk` | going through them from newer to older, at the cost of what is looked at |
//! | `blame` | who wrote what of a card |
//! | `conflicts` | what was written to one place at a time by several |
//! | `diff` | what differs between two points, card by card |
//! | `graph` | the lanes of a drawing |
//! | `places` | where cards stand, without the cards |
//!
//! All of it is read from the document; there is no second copy of the truth.

mod blame;
mod conflicts;
mod diff;
pub mod graph;
mod places;
mod walk;

use automerge::{ActorId, Automerge, ChangeMetadata, ReadDoc};

use crate::document::Document;
use crate::id::{ChangeHash, DeviceId, DraftId, TermId};
use crate::op::{Note, Notes, Reversal};

use walk::Walk;

pub use blame::{Blame, Run, blame};
pub use conflicts::{Conflict, ConflictPlace, Precedence, Written, WrittenValue, conflicts, conflicts_of};
pub use diff::{CardDiff, diff};
pub use places::{Place, places, places_at};

/// One change, as it shows in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The change.
    pub hash: ChangeHash,
    /// Who wrote it, and as what; `None` if nobody here knows its actor.
    pub writer: Option<Writer>,
    /// When, by its writer's clock, in whole seconds.
    pub time_ms: u64,
    /// What it did.
    pub notes: Vec<Note>,
    /// Which change it takes back, if it is an undo or a redo.
    pub reversal: Option<Reversal>,
    /// What it was made on: its own line first, then what it merged.
    pub deps: Vec<ChangeHash>,
    /// Its number in its term or draft, from 1.
    pub seq: u64,
    /// Whether it joins two lines.
    pub is_merge: bool,
}

/// Who wrote a change, and as what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Writer {
    /// The device.
    pub device: DeviceId,
    /// As what it wrote.
    pub kind: WriterKind,
}

/// As what a device wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WriterKind {
    /// As the owner who began the deck.
    Genesis,
    /// As the editor, in a term.
    Term(TermId),
    /// As the author of a draft.
    Draft(DraftId),
}

impl Writer {
    /// The owner, beginning the deck.
    #[must_use]
    pub const fn genesis(device: DeviceId) -> Self {
        Self {
            device,
            kind: WriterKind::Genesis,
        }
    }

    /// The editor, in a term.
    #[must_use]
    pub const fn term(device: DeviceId, term: TermId) -> Self {
        Self {
            device,
            kind: WriterKind::Term(term),
        }
    }

    /// The author of a draft.
    #[must_use]
    pub const fn draft(device: DeviceId, draft: DraftId) -> Self {
        Self {
            device,
            kind: WriterKind::Draft(draft),
        }
    }
}

/// Who wrote something, when, and in which entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The entry.
    pub entry: ChangeHash,
    /// Who wrote it, and as what; `None` if nobody here knows its actor.
    pub writer: Option<Writer>,
    /// When, by its writer's clock, in whole seconds.
    pub time_ms: u64,
}

impl Origin {
    fn of(
        automerge: &Automerge,
        entry: ChangeHash,
        resolve: &impl Fn(&ActorId) -> Option<Writer>,
    ) -> Option<Self> {
        let change = automerge.get_change_meta_by_hash(&entry)?;
        Some(Self {
            entry,
            writer: resolve(&change.actor),
            time_ms: time_ms(&change),
        })
    }
}

/// Some entries, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries, newest first: each before everything it was made on.
    pub entries: Vec<Entry>,
    /// What to ask for to get the entries that follow; empty at the end.
    pub rest: Vec<ChangeHash>,
}

/// Everything up to the document's heads, newest first: each before everything it was made on. All devices with equal
/// heads see the same order.
///
/// Reads each change when it is its turn; `resolve` tells who an actor is.
pub fn entries<'a>(
    document: &'a Document,
    resolve: impl Fn(&ActorId) -> Option<Writer> + 'a,
) -> impl Iterator<Item = Entry> + 'a {
    let walk = Walk::from(document.automerge(), &document.heads());
    walk.map(move |change| entry(document, &change, &resolve))
}

/// At most `count` entries: these and what they were made on, newest first. Costs what it answers.
///
/// With a [`Page::rest`] it goes on where that page ended; with one entry it is that entry and its past. Entries that
/// the document does not have are left out.
pub fn page(
    document: &Document,
    from: &[ChangeHash],
    count: usize,
    resolve: impl Fn(&ActorId) -> Option<Writer>,
) -> Page {
    let mut walk = Walk::from(document.automerge(), from);
    let entries = walk
        .by_ref()
        .take(count)
        .map(|change| entry(document, &change, &resolve));
    Page {
        entries: entries.collect(),
        rest: walk.rest(),
    }
}

/// How many entries there are.
#[must_use]
pub fn entry_count(document: &Document) -> usize {
    usize::try_from(document.automerge().stats().num_changes).unwrap_or(usize::MAX)
}

/// One entry; `None` if the document has no such change.
pub fn entry_of(
    document: &Document,
    hash: &ChangeHash,
    resolve: impl Fn(&ActorId) -> Option<Writer>,
) -> Option<Entry> {
    let change = document.automerge().get_change_meta_by_hash(hash)?;
    Some(entry(document, &change, &resolve))
}

fn entry(
    document: &Document,
    change: &ChangeMetadata<'_>,
    resolve: &impl Fn(&ActorId) -> Option<Writer>,
) -> Entry {
    let mut deps = change.deps.clone();
    if deps.len() > 1 {
        // The line goes on where its actor wrote before; a term's first change, where no draft did.
        deps.sort_by_cached_key(|dependency| {
            let before = document.automerge().get_change_meta_by_hash(dependency);
            let other = before.as_ref().is_none_or(|before| before.actor != change.actor);
            let writer = before.and_then(|before| resolve(&before.actor));
            let draft = writer.is_some_and(|writer| matches!(writer.kind, WriterKind::Draft(_)));
            (other, draft, *dependency)
        });
    }
    let notes = change
        .message
        .as_deref()
        .and_then(|message| Notes::parse(message).ok());
    Entry {
        hash: change.hash,
        writer: resolve(&change.actor),
        time_ms: time_ms(change),
        reversal: notes.as_ref().and_then(Notes::reversal),
        notes: notes.map(|notes| notes.as_slice().to_vec()).unwrap_or_default(),
        is_merge: deps.len() > 1,
        deps,
        seq: change.seq,
    }
}

fn time_ms(change: &ChangeMetadata<'_>) -> u64 {
    u64::try_from(change.timestamp).unwrap_or(0).saturating_mul(1000)
}

#[cfg(test)]
mod tests;
