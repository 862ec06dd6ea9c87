//! What a change's message says: the names of its ops and the ids they touch, as compact JSON, and no content.
//!
//! There is one spelling: a message that does not come out byte for byte when written again is refused, so that
//! nothing can be smuggled in a message and no two readers see different notes.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::card::{TextField, check_file_name, check_name};
use crate::id::{CardId, ChangeHash, DraftId, TermId};
use crate::limits::{CHANGE_MESSAGE_BYTES_MAX, CHANGE_OPS_MAX, NOTE_BYTES_MAX};

/// What one op of a change was, without its content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Note {
    /// `deck.rename`
    DeckRename,
    /// `deck.field`
    DeckField {
        /// The field's name.
        name: String,
    },
    /// `card.add`
    CardAdd {
        /// The card.
        card: CardId,
    },
    /// `card.text`
    CardText {
        /// The card.
        card: CardId,
        /// Which text.
        field: TextField,
    },
    /// `card.move`
    CardMove {
        /// The card.
        card: CardId,
    },
    /// `card.delete`
    CardDelete {
        /// The card.
        card: CardId,
    },
    /// `card.restore`
    CardRestore {
        /// The card.
        card: CardId,
    },
    /// `card.tag`
    CardTag {
        /// The card.
        card: CardId,
    },
    /// `card.untag`
    CardUntag {
        /// The card.
        card: CardId,
    },
    /// `audio.attach`
    AudioAttach {
        /// The card.
        card: CardId,
        /// The slot.
        slot: String,
    },
    /// `audio.detach`
    AudioDetach {
        /// The card.
        card: CardId,
        /// The slot.
        slot: String,
    },
    /// `card.field`
    CardField {
        /// The card.
        card: CardId,
        /// The field's name.
        name: String,
    },
    /// `draft.accept`
    DraftAccept {
        /// The draft.
        draft: DraftId,
    },
    /// `draft.decline`
    DraftDecline {
        /// The draft.
        draft: DraftId,
        /// The newest version of it that is declined.
        version: u32,
        /// What its author is told.
        reason: String,
    },
    /// `late.accept`
    LateAccept {
        /// The term that the late work was written in.
        term: TermId,
    },
}

impl Note {
    /// The op's stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::DeckRename => "deck.rename",
            Self::DeckField { .. } => "deck.field",
            Self::CardAdd { .. } => "card.add",
            Self::CardText { .. } => "card.text",
            Self::CardMove { .. } => "card.move",
            Self::CardDelete { .. } => "card.delete",
            Self::CardRestore { .. } => "card.restore",
            Self::CardTag { .. } => "card.tag",
            Self::CardUntag { .. } => "card.untag",
            Self::AudioAttach { .. } => "audio.attach",
            Self::AudioDetach { .. } => "audio.detach",
            Self::CardField { .. } => "card.field",
            Self::DraftAccept { .. } => "draft.accept",
            Self::DraftDecline { .. } => "draft.decline",
            Self::LateAccept { .. } => LATE_ACCEPT,
        }
    }

    /// The card it is about.
    #[must_use]
    pub const fn card(&self) -> Option<&CardId> {
        match self {
            Self::CardAdd { card }
            | Self::CardText { card, .. }
            | Self::CardMove { card }
            | Self::CardDelete { card }
            | Self::CardRestore { card }
            | Self::CardTag { card }
            | Self::CardUntag { card }
            | Self::AudioAttach { card, .. }
            | Self::AudioDetach { card, .. }
            | Self::CardField { card, .. } => Some(card),
            Self::DeckRename
            | Self::DeckField { .. }
            | Self::DraftAccept { .. }
            | Self::DraftDecline { .. }
            | Self::LateAccept { .. } => None,
        }
    }

    /// Whether it is the editor's word on a draft or on late work: a change of its own, without operations, that is never taken back.
    #[must_use]
    pub const fn is_verdict(&self) -> bool {
        matches!(
            self,
            Self::DraftAccept { .. } | Self::DraftDecline { .. } | Self::LateAccept { .. }
        )
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if let Some(card) = self.card() {
            write!(f, " {card}")?;
        }
        match self {
            Self::CardText { field, .. } => write!(f, " {field}"),
            Self::AudioAttach { slot, .. } | Self::AudioDetach { slot, .. } => write!(f, " {slot}"),
            Self::CardField { name, .. } | Self::DeckField { name } => write!(f, " {name}"),
            Self::DraftAccept { draft } | Self::DraftDecline { draft, .. } => write!(f, " {}", draft.short()),
            Self::LateAccept { term } => write!(f, " {}", term.short()),
            Self::DeckRename
            | Self::CardAdd { .. }
            | Self::CardMove { .. }
            | Self::CardDelete { .. }
            | Self::CardRestore { .. }
            | Self::CardTag { .. }
            | Self::CardUntag { .. } => Ok(()),
        }
    }
}

/// The notes of one change: one or more, none twice, in the order in which the edit first did them; and which change
/// they take back, if they do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notes {
    notes: Vec<Note>,
    reversal: Option<Reversal>,
}

/// Which change a change takes back. Its ops are named beside it, as those of any edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reversal {
    /// `undo`: what an edit, or a redo, did.
    Undo(ChangeHash),
    /// `redo`: what an undo did.
    Redo(ChangeHash),
}

impl Reversal {
    /// The op's stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Undo(_) => UNDO,
            Self::Redo(_) => REDO,
        }
    }

    /// The change that is taken back.
    #[must_use]
    pub const fn change(&self) -> ChangeHash {
        match self {
            Self::Undo(change) | Self::Redo(change) => *change,
        }
    }
}

impl fmt::Display for Reversal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:.8}", self.name(), self.change().to_string())
    }
}

/// Why a message is not the notes of a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Longer than a message may be.
    #[error("the message has {bytes} bytes; it may have {CHANGE_MESSAGE_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not the JSON of notes.
    #[error("the message is not the compact JSON of an op")]
    Malformed,
    /// An op that this version does not know.
    #[error("the message names an unknown op; a newer version may know it")]
    UnknownOp,
    /// An op without the ids it needs, or with others, or with ids that are none.
    #[error("the message's ids do not fit its op")]
    WrongIds,
    /// The same notes, spelled in another way.
    #[error("the message is not in its one spelling")]
    Spelling,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Written {
    op: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    card: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slot: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    draft: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    term: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBatch {
    op: String,
    ops: Vec<Written>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenReversal {
    op: String,
    change: String,
    ops: Vec<Written>,
}

const BATCH: &str = "batch";
const LATE_ACCEPT: &str = "late.accept";
const UNDO: &str = "undo";
const REDO: &str = "redo";

impl Notes {
    /// The notes, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Note] {
        &self.notes
    }

    /// Which change they take back, if it is an undo or a redo.
    #[must_use]
    pub const fn reversal(&self) -> Option<Reversal> {
        self.reversal
    }

    /// Which change a message says it takes back. Reads only messages of that kind: a history has few.
    pub(crate) fn reversal_of(message: &str) -> Option<Reversal> {
        let may_be = [UNDO, REDO].iter().any(|op| {
            message
                .strip_prefix("{\"op\":\"")
                .is_some_and(|rest| rest.starts_with(op))
        });
        may_be.then(|| Self::parse(message).ok()?.reversal).flatten()
    }

    /// Adds one, unless it is there.
    pub(crate) fn push(&mut self, seen: &mut BTreeSet<Note>, note: Note) {
        if seen.insert(note.clone()) {
            self.notes.push(note);
        }
    }

    /// Says that they take a change back.
    pub(crate) fn reverse(&mut self, reversal: Reversal) {
        self.reversal = Some(reversal);
    }

    /// The notes of a change that accepts a draft.
    #[must_use]
    pub fn of_accept(draft: DraftId) -> Self {
        Self {
            notes: vec![Note::DraftAccept { draft }],
            reversal: None,
        }
    }

    /// The notes of a change that accepts late work of a term.
    #[must_use]
    pub fn of_late(term: TermId) -> Self {
        Self {
            notes: vec![Note::LateAccept { term }],
            reversal: None,
        }
    }

    /// Whether a message says that late work is accepted: by an engine, then, and not by anybody's hand.
    pub(crate) fn is_of_late(message: &str) -> bool {
        let op = message.strip_prefix("{\"op\":\"");
        op.is_some_and(|op| op.starts_with(LATE_ACCEPT))
    }

    /// The notes of a change that declines a draft.
    #[must_use]
    pub fn of_decline(draft: DraftId, version: u32, reason: &str) -> Self {
        let reason = reason.to_owned();
        Self {
            notes: vec![Note::DraftDecline {
                draft,
                version,
                reason,
            }],
            reversal: None,
        }
    }

    /// The message, in its one spelling.
    #[must_use]
    pub fn render(&self) -> String {
        let ops = || self.notes.iter().map(write).collect();
        let json = match (self.reversal, self.notes.as_slice()) {
            (Some(reversal), _) => serde_json::to_string(&WrittenReversal {
                op: reversal.name().to_owned(),
                change: reversal.change().to_string(),
                ops: ops(),
            }),
            (None, [single]) => serde_json::to_string(&write(single)),
            (None, _) => serde_json::to_string(&WrittenBatch {
                op: BATCH.to_owned(),
                ops: ops(),
            }),
        };
        // Texts and lists of texts always serialize; an empty message would be refused by every gate.
        json.unwrap_or_default()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// If it is not exactly what [`Notes::render`] would have written.
    pub fn parse(message: &str) -> Result<Self, NoteError> {
        if message.len() > CHANGE_MESSAGE_BYTES_MAX {
            return Err(NoteError::TooLong { bytes: message.len() });
        }
        let (written, reversal) = read_all(message)?;
        if written.is_empty() || written.len() > CHANGE_OPS_MAX {
            return Err(NoteError::Malformed);
        }
        let mut seen = BTreeSet::new();
        let mut notes = Self {
            notes: Vec::new(),
            reversal,
        };
        for one in written {
            let note = read(one)?;
            if reversal.is_some() && note.is_verdict() {
                // What was accepted once is never accepted again: taking it back is done op by op. A declined draft can
                // still be accepted.
                return Err(NoteError::Malformed);
            }
            notes.push(&mut seen, note);
        }
        // Also meets doubled notes, a batch of one, and keys that do not belong to the op.
        if notes.render() != message {
            return Err(NoteError::Spelling);
        }
        Ok(notes)
    }
}

/// The ops of a message, and which change they take back.
fn read_all(message: &str) -> Result<(Vec<Written>, Option<Reversal>), NoteError> {
    if let Ok(batch) = serde_json::from_str::<WrittenBatch>(message) {
        return match batch.op.as_str() {
            BATCH => Ok((batch.ops, None)),
            _ => Err(NoteError::Malformed),
        };
    }
    if let Ok(single) = serde_json::from_str::<Written>(message) {
        return Ok((vec![single], None));
    }
    let reversal: WrittenReversal = serde_json::from_str(message).map_err(|_| NoteError::Malformed)?;
    let change: ChangeHash = reversal.change.parse().map_err(|_| NoteError::WrongIds)?;
    let kind = match reversal.op.as_str() {
        UNDO => Reversal::Undo(change),
        REDO => Reversal::Redo(change),
        _ => return Err(NoteError::Malformed),
    };
    Ok((reversal.ops, Some(kind)))
}

fn write(note: &Note) -> Written {
    let mut written = Written {
        op: note.name().to_owned(),
        card: note.card().map(ToString::to_string),
        ..Written::default()
    };
    match note {
        Note::CardText { field, .. } => written.field = Some(field.as_str().to_owned()),
        Note::AudioAttach { slot, .. } | Note::AudioDetach { slot, .. } => written.slot = Some(slot.clone()),
        Note::CardField { name, .. } | Note::DeckField { name } => written.name = Some(name.clone()),
        Note::DraftAccept { draft } => written.draft = Some(draft.to_string()),
        Note::LateAccept { term } => written.term = Some(term.to_string()),
        Note::DraftDecline {
            draft,
            version,
            reason,
        } => {
            written.draft = Some(draft.to_string());
            written.version = Some(*version);
            written.reason = Some(reason.clone());
        }
        Note::DeckRename
        | Note::CardAdd { .. }
        | Note::CardMove { .. }
        | Note::CardDelete { .. }
        | Note::CardRestore { .. }
        | Note::CardTag { .. }
        | Note::CardUntag { .. } => {}
    }
    written
}

fn read(written: Written) -> Result<Note, NoteError> {
    let wrong = NoteError::WrongIds;
    let card = || -> Result<CardId, NoteError> {
        written
            .card
            .as_deref()
            .ok_or(NoteError::WrongIds)?
            .parse()
            .map_err(|_| NoteError::WrongIds)
    };
    let named = |text: &Option<String>| {
        text.clone()
            .filter(|name| check_name(name).is_ok())
            .ok_or(wrong.clone())
    };
    let slot = || {
        written
            .slot
            .clone()
            .filter(|slot| check_file_name(slot).is_ok())
            .ok_or(NoteError::WrongIds)
    };
    let draft = || -> Result<DraftId, NoteError> {
        written
            .draft
            .as_deref()
            .ok_or(NoteError::WrongIds)?
            .parse()
            .map_err(|_| NoteError::WrongIds)
    };
    Ok(match written.op.as_str() {
        "deck.rename" => Note::DeckRename,
        "deck.field" => Note::DeckField {
            name: named(&written.name)?,
        },
        "card.add" => Note::CardAdd { card: card()? },
        "card.text" => Note::CardText {
            card: card()?,
            field: written
                .field
                .as_deref()
                .ok_or(NoteError::WrongIds)?
                .parse()
                .map_err(|_| NoteError::WrongIds)?,
        },
        "card.move" => Note::CardMove { card: card()? },
        "card.delete" => Note::CardDelete { card: card()? },
        "card.restore" => Note::CardRestore { card: card()? },
        "card.tag" => Note::CardTag { card: card()? },
        "card.untag" => Note::CardUntag { card: card()? },
        "audio.attach" => Note::AudioAttach {
            card: card()?,
            slot: slot()?,
        },
        "audio.detach" => Note::AudioDetach {
            card: card()?,
            slot: slot()?,
        },
        "card.field" => Note::CardField {
            card: card()?,
            name: named(&written.name)?,
        },
        "draft.accept" => Note::DraftAccept { draft: draft()? },
        LATE_ACCEPT => Note::LateAccept {
            term: written
                .term
                .as_deref()
                .ok_or(NoteError::WrongIds)?
                .parse()
                .map_err(|_| NoteError::WrongIds)?,
        },
        "draft.decline" => Note::DraftDecline {
            draft: draft()?,
            version: written
                .version
                .filter(|version| *version > 0)
                .ok_or(NoteError::WrongIds)?,
            reason: written
                .reason
                .clone()
                .filter(|reason| reason.len() <= NOTE_BYTES_MAX)
                .ok_or(NoteError::WrongIds)?,
        },
        _ => return Err(NoteError::UnknownOp),
    })
}

#[cfg(test)]
mod tests;
