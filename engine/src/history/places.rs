//! Where the cards of a deck stand, now or at a point of its history: all that their order is made of, without the cards.

use automerge::{Automerge, ObjType};

use crate::card::Reader;
use crate::document::Document;
use crate::id::{CardId, ChangeHash};

/// Where a card stands that is not deleted. Places are in the order of the deck.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// As the card has it.
    pub position: String,
    /// Which card: of two cards with one position, the one with the smaller id comes first.
    pub card: CardId,
}

/// Where these cards stood at a point; without those that were not there, or deleted. Empty where a head is unknown.
#[must_use]
pub fn places_at(document: &Document, heads: &[ChangeHash], cards: &[CardId]) -> Vec<Place> {
    if heads.iter().any(|head| !document.contains(head)) {
        return Vec::new();
    }
    find(&Reader::at(document.automerge(), heads), cards)
}

/// As [`places_at`], now.
#[must_use]
pub fn places(document: &Document, cards: &[CardId]) -> Vec<Place> {
    find(&Reader::now(document.automerge()), cards)
}

fn find(reader: &Reader<'_, Automerge>, cards: &[CardId]) -> Vec<Place> {
    let Some(all) = reader.cards_object() else {
        return Vec::new();
    };
    let place = |card: &CardId| {
        let object = reader.object(&all, card.as_str(), ObjType::Map)?;
        (!reader.is_deleted(&object)).then(|| Place {
            position: reader.position(&object),
            card: card.clone(),
        })
    };
    cards.iter().filter_map(place).collect()
}
