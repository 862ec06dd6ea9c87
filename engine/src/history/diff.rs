//! What differs between two points of a deck's history, card by card.

use std::collections::BTreeSet;

use super::walk::between;
use crate::card::Card;
use crate::document::Document;
use crate::id::{CardId, ChangeHash};
use crate::op::Notes;

/// How one card differs between two points. A deleted card counts as absent.
#[derive(Debug, Clone, PartialEq)]
pub enum CardDiff {
    /// It is there only afterwards.
    Added(Card),
    /// It was there only before.
    Removed(Card),
    /// It is there at both points, and differs.
    Changed {
        /// As it was.
        before: Card,
        /// As it is.
        after: Card,
    },
}

impl CardDiff {
    /// The card it is about.
    #[must_use]
    pub const fn card(&self) -> &CardId {
        match self {
            Self::Added(card) | Self::Removed(card) | Self::Changed { after: card, .. } => &card.id,
        }
    }
}

/// What differs between two points, in the order of the cards' ids. `None` where a head is unknown.
///
/// Looks only at cards that some change between the two points names: the cost is that of these changes and cards.
#[must_use]
pub fn diff(document: &Document, before: &[ChangeHash], after: &[ChangeHash]) -> Option<Vec<CardDiff>> {
    if before.iter().chain(after).any(|head| !document.contains(head)) {
        return None;
    }
    let mut cards: BTreeSet<CardId> = BTreeSet::new();
    for change in between(document.automerge(), before, after) {
        let notes = change
            .message
            .as_deref()
            .and_then(|message| Notes::parse(message).ok());
        let named = notes
            .iter()
            .flat_map(Notes::as_slice)
            .filter_map(|note| note.card().cloned());
        cards.extend(named);
    }
    let at = |heads: &[ChangeHash], card: &CardId| document.card_at(heads, card).filter(|card| !card.deleted);
    let differs = |card: &CardId| match (at(before, card), at(after, card)) {
        (None, None) => None,
        (None, Some(after)) => Some(CardDiff::Added(after)),
        (Some(before), None) => Some(CardDiff::Removed(before)),
        (Some(before), Some(after)) => (before != after).then_some(CardDiff::Changed { before, after }),
    };
    Some(cards.iter().filter_map(differs).collect())
}
