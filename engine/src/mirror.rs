//! A copy of a deck that follows what is told of it: for an app that keeps its own state, and the proof that what is
//! told is all there is to know.

use std::collections::BTreeMap;

use crate::card::{Card, DeckInfo};
use crate::document::{DeckChange, Document};
use crate::event::Event;
use crate::id::{CardId, DeckId};

/// A copy of a deck, to be kept in step with it by its events.
///
/// Listen first, then take the copy, then let it follow every event: those that it holds already change nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Mirror {
    deck: DeckId,
    /// Events up to this one were in it when it was taken; what came together has one number, so this stays.
    taken_at: u64,
    info: DeckInfo,
    cards: BTreeMap<CardId, Card>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Followed {
    /// It is about something else, or the copy held it already.
    Nothing,
    /// The copy is as the deck was after it.
    Changed,
    /// Events were missed: take another copy.
    Lost,
}

impl Mirror {
    pub(crate) fn of(deck: DeckId, revision: u64, document: &Document) -> Self {
        Self {
            deck,
            taken_at: revision,
            info: document.deck(),
            cards: document.all_cards().map(|card| (card.id.clone(), card)).collect(),
        }
    }

    /// What the deck says of itself.
    #[must_use]
    pub const fn info(&self) -> &DeckInfo {
        &self.info
    }

    /// One card; also a deleted one.
    #[must_use]
    pub fn card(&self, card: &CardId) -> Option<&Card> {
        self.cards.get(card)
    }

    /// The cards in order, without the deleted ones.
    #[must_use]
    pub fn cards(&self) -> Vec<&Card> {
        let mut cards: Vec<&Card> = self.cards.values().filter(|card| !card.deleted).collect();
        cards.sort_by_key(|card| (&card.position, &card.id));
        cards
    }

    /// Does to the copy what was done to the deck.
    pub fn follow(&mut self, event: &Event) -> Followed {
        match event {
            Event::Changed {
                deck,
                revision,
                change,
            } if *deck == self.deck && *revision > self.taken_at => match self.change(change) {
                Some(()) => Followed::Changed,
                None => Followed::Lost,
            },
            Event::WentBack { deck } | Event::DeckRemoved { deck } if *deck == self.deck => Followed::Lost,
            Event::Lagged { .. } => Followed::Lost,
            _ => Followed::Nothing,
        }
    }

    /// `None` where the change does not fit, which is so only where events were missed.
    pub(crate) fn change(&mut self, change: &DeckChange) -> Option<()> {
        match change {
            DeckChange::CardAdded { card } | DeckChange::CardRestored { card } => {
                self.cards.insert(card.id.clone(), Card::clone(card));
            }
            DeckChange::TextChanged { card, field, splices } => {
                self.cards.get_mut(card)?.splice_text(field, splices)?;
            }
            DeckChange::CardMoved { card, position } => {
                self.cards.get_mut(card)?.position.clone_from(position);
            }
            DeckChange::CardDeleted { card } => self.cards.get_mut(card)?.deleted = true,
            DeckChange::CardTakenOut { card } => {
                self.cards.remove(card)?;
            }
            DeckChange::Tagged { card, tag } => {
                self.cards.get_mut(card)?.tags.insert(tag.clone());
            }
            DeckChange::Untagged { card, tag } => {
                self.cards.get_mut(card)?.tags.remove(tag);
            }
            DeckChange::AudioAttached { card, slot, audio } => {
                let card = self.cards.get_mut(card)?;
                card.audio.insert(slot.clone(), audio.clone());
            }
            DeckChange::AudioDetached { card, slot } => {
                self.cards.get_mut(card)?.audio.remove(slot);
            }
            DeckChange::FieldChanged { card, name, value } => {
                let fields = match card {
                    Some(card) => &mut self.cards.get_mut(card)?.fields,
                    None => &mut self.info.fields,
                };
                match value {
                    Some(value) => fields.insert(name.clone(), value.clone()),
                    None => fields.remove(name),
                };
            }
            DeckChange::DeckRenamed { title, description } => {
                self.info.title.clone_from(title);
                self.info.description.clone_from(description);
            }
            DeckChange::LateAccepted { .. }
            | DeckChange::DraftAccepted { .. }
            | DeckChange::DraftDeclined { .. } => {}
        }
        Some(())
    }

    /// Whether it says what another copy says.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        (self.deck, &self.info, &self.cards) == (other.deck, &other.info, &other.cards)
    }
}
