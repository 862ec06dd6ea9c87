//! Every operation: what an edit means.
//!
//! One op, or one batch of ops, is one change of the document. `document/edit.rs` applies them, in one place; the
//! change's message says which they were ([`note::Notes`]), and the gate compares the two.

pub mod note;

use automerge::ChangeHash;

use crate::card::{AudioRef, FieldValue, NameError, TextField};
use crate::id::{CardId, DraftId};

pub use note::{Note, NoteError, Notes, Reversal};

/// Whether a change may hold an op whose name, in its quotes, is this. Parsing every change of a long log would cost more
/// than reading it, and the message is spelled in the clear.
pub(crate) fn names(change: &[u8], op: &[u8]) -> bool {
    names_any(change, [op])
}

/// The same of any of these.
pub(crate) fn names_any<const N: usize>(change: &[u8], ops: [&[u8]; N]) -> bool {
    let mut rest = change;
    while let Some(quote) = rest.iter().position(|byte| *byte == b'"') {
        let (_, from) = rest.split_at(quote);
        if ops.iter().any(|op| from.starts_with(op)) {
            return true;
        }
        rest = from.get(1..).unwrap_or_default();
    }
    false
}

/// An operation on a deck.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// `deck.rename`: the title, the description, or both.
    DeckRename {
        /// The new title.
        title: Option<String>,
        /// The new description.
        description: Option<String>,
    },
    /// `deck.field`: sets a free field of the deck, or takes it away.
    DeckField {
        /// Its name.
        name: String,
        /// Its value; `None` takes it away.
        value: Option<FieldValue>,
    },
    /// `card.add`.
    CardAdd {
        /// The new card's id.
        card: CardId,
        /// Where to put it.
        place: Place,
        /// Its question.
        front: String,
        /// Its answer.
        back: String,
    },
    /// `card.text`: splices, in Unicode scalar values, each seeing what the ones before it did. A further text begins with the
    /// first characters that are put into it.
    CardText {
        /// The card.
        card: CardId,
        /// Which text.
        field: TextField,
        /// What to do.
        splices: Vec<Splice>,
    },
    /// `card.move`.
    CardMove {
        /// The card.
        card: CardId,
        /// Behind which card; `None` is the beginning of the deck.
        after: Option<CardId>,
    },
    /// `card.delete`: a tombstone; everything else stays.
    CardDelete {
        /// The card.
        card: CardId,
    },
    /// `card.restore`: takes the tombstone away.
    CardRestore {
        /// The card.
        card: CardId,
    },
    /// `card.tag`.
    CardTag {
        /// The card.
        card: CardId,
        /// The tag.
        tag: String,
    },
    /// `card.untag`.
    CardUntag {
        /// The card.
        card: CardId,
        /// The tag.
        tag: String,
    },
    /// `audio.attach`: puts audio into a slot, in place of what was there.
    AudioAttach {
        /// The card.
        card: CardId,
        /// The slot.
        slot: String,
        /// What plays there.
        audio: AudioRef,
    },
    /// `audio.detach`: empties a slot.
    AudioDetach {
        /// The card.
        card: CardId,
        /// The slot.
        slot: String,
    },
    /// `card.field`: sets a free field of a card, or takes it away.
    CardField {
        /// The card.
        card: CardId,
        /// Its name.
        name: String,
        /// Its value; `None` takes it away.
        value: Option<FieldValue>,
    },
    /// `draft.accept`: merges a draft. It is a change of its own, made by
    /// [`Document::accept_draft`](crate::document::Document::accept_draft).
    DraftAccept {
        /// The draft.
        draft: DraftId,
    },
}

/// Where a new card goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At the beginning of the deck.
    First,
    /// Behind a card.
    After(CardId),
    /// At the end of the deck.
    Last,
}

/// A replacement within a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// Where, in Unicode scalar values.
    pub at: usize,
    /// How many scalar values to take out.
    pub delete: usize,
    /// What to put in.
    pub insert: String,
}

impl Splice {
    /// Does it to a text; `None`, and nothing done, where it lies beyond its end.
    #[must_use]
    pub fn apply_to(&self, text: &mut String) -> Option<()> {
        let end = self.at.checked_add(self.delete)?;
        // One scalar value further than there are is the end of the text.
        let mut bytes = text.char_indices().map(|(byte, _)| byte).chain([text.len()]);
        let from = bytes.nth(self.at)?;
        let to = match end.checked_sub(self.at + 1) {
            None => from,
            Some(further) => bytes.nth(further)?,
        };
        text.replace_range(from..to, &self.insert);
        Some(())
    }

    /// The one splice that turns a text into another: what is equal at both ends stays.
    #[must_use]
    pub fn between(old: &str, new: &str) -> Option<Self> {
        if old == new {
            return None;
        }
        let old: Vec<char> = old.chars().collect();
        let new: Vec<char> = new.chars().collect();
        let shorter = old.len().min(new.len());
        let front = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let back = old
            .iter()
            .rev()
            .zip(new.iter().rev())
            .take(shorter - front)
            .take_while(|(a, b)| a == b)
            .count();
        Some(Self {
            at: front,
            delete: old.len() - front - back,
            insert: new.iter().skip(front).take(new.len() - front - back).collect(),
        })
    }
}

/// Why an edit was not made. The document is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpError {
    /// There is no such card.
    #[error("there is no card {card} in this deck")]
    NoSuchCard {
        /// The card asked for.
        card: CardId,
    },
    /// The card is deleted.
    #[error("card {card} is deleted; restore it first")]
    CardDeleted {
        /// The card.
        card: CardId,
    },
    /// The deck already has a card with this id.
    #[error("the deck already has a card {card}; take a fresh id")]
    CardExists {
        /// The card.
        card: CardId,
    },
    /// A tag, slot, name or value that a deck does not hold.
    #[error("the {what} cannot be used: {why}")]
    Name {
        /// What it should have been.
        what: &'static str,
        /// What is wrong with it.
        why: NameError,
    },
    /// A text would be longer than a text may be.
    #[error(
        "the text would have {bytes} bytes; a text may have {}",
        crate::limits::TEXT_BYTES_MAX
    )]
    TextTooLong {
        /// How long it would be.
        bytes: usize,
    },
    /// The card has as many further texts as a card can.
    #[error(
        "the card has {} further texts, emptied ones included; use one of them, or another card",
        crate::limits::CARD_TEXTS_MAX
    )]
    TooManyTexts,
    /// A splice beyond the end of its text.
    #[error("position {at} lies beyond the text's {length} characters")]
    BeyondText {
        /// The position.
        at: usize,
        /// The text's length.
        length: usize,
    },
    /// More than one change can hold.
    #[error("this edit is too large for one change; make it in smaller parts")]
    ChangeTooLarge,
    /// The deck holds as many cards as a deck can.
    #[error(
        "the deck has {} cards, deleted ones included; start another deck",
        crate::limits::DECK_CARDS_MAX
    )]
    TooManyCards,
    /// The deck has as many operations as its document can number.
    #[error("this deck's history is full; copy its cards into a new deck")]
    DeckFull,
    /// There is no room for another position between two cards.
    #[error("no position is left between these two cards; move the cards around them first")]
    Crowded,
    /// The document has several heads, so a change would merge them silently.
    #[error("the document has {} heads; accept or leave the other branch first", heads.len())]
    SeveralHeads {
        /// The heads.
        heads: Vec<ChangeHash>,
    },
    /// `draft.accept` within an edit.
    #[error("a draft is accepted by a change of its own, not within an edit")]
    AcceptWithinEdit,
    /// The document does not have the form of a deck.
    #[error("the document is damaged ({what}); reload it")]
    Damaged {
        /// What was found.
        what: String,
    },
}

/// So that names can be made within an edit, with `?`.
impl From<NameError> for OpError {
    fn from(why: NameError) -> Self {
        Self::Name { what: "name", why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_cannot_be_one_ends_an_edit() {
        let named = || -> Result<TextField, OpError> { Ok(TextField::named("")?) };
        let why = NameError::Empty;
        assert_eq!(named(), Err(OpError::Name { what: "name", why }));
    }

    #[test]
    fn a_splice_counts_scalar_values_and_leaves_alone_what_it_does_not_fit() {
        let done = |at, delete, insert: &str| {
            let mut text = "ñ🦀x".to_owned();
            let insert = insert.to_owned();
            let fits = Splice { at, delete, insert }.apply_to(&mut text);
            fits.map(|()| text.clone()).ok_or(text)
        };
        assert_eq!(done(1, 1, "ü"), Ok("ñüx".to_owned()));
        assert_eq!(done(0, 3, ""), Ok(String::new()));
        assert_eq!(done(3, 0, "é"), Ok("ñ🦀xé".to_owned()));
        for (at, delete) in [(4, 0), (3, 1), (0, 4), (usize::MAX, 1), (1, usize::MAX)] {
            assert_eq!(done(at, delete, "y"), Err("ñ🦀x".to_owned()));
        }
    }

    #[test]
    fn a_splice_between_two_texts_leaves_equal_ends_alone() {
        let splice = |old, new| Splice::between(old, new).map(|s| (s.at, s.delete, s.insert));
        assert_eq!(splice("hola", "hola"), None);
        assert_eq!(splice("hola", "hello"), Some((1, 3, "ello".into())));
        assert_eq!(splice("aa", "aaa"), Some((2, 0, "a".into())));
        assert_eq!(splice("aaa", "aa"), Some((2, 1, String::new())));
        assert_eq!(splice("naïve", "naive"), Some((2, 1, "i".into())));
        assert_eq!(splice("", "x"), Some((0, 0, "x".into())));
    }
}
