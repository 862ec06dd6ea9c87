//! What an app reads of a deck as it is now. Each call costs what it answers.

use super::Deck;
use crate::card::{Card, DeckInfo};
use crate::core::DeckError;
use crate::id::CardId;
use crate::mirror::Mirror;

impl Deck {
    /// A copy of it, to be kept in step by [`Deck::events`]: listen first, take the copy, let it follow every event. Take
    /// another one where it says that events were missed.
    ///
    /// # Errors
    /// While nothing of it has arrived.
    pub fn mirror(&self) -> Result<Mirror, DeckError> {
        self.shared.read(|core| core.mirror(self.id))
    }

    /// What the deck says of itself.
    ///
    /// # Errors
    /// While nothing of it has arrived.
    pub fn info(&self) -> Result<DeckInfo, DeckError> {
        self.shared.read(|core| Ok(core.log(self.id)?.document.deck()))
    }

    /// Its cards in order.
    ///
    /// # Errors
    /// While nothing of it has arrived.
    pub fn cards(&self) -> Result<Vec<Card>, DeckError> {
        self.shared
            .read(|core| Ok(core.log(self.id)?.document.cards().collect()))
    }

    /// How many cards it has, without the deleted ones. Reads nothing else of them.
    ///
    /// # Errors
    /// While nothing of it has arrived.
    pub fn card_count(&self) -> Result<usize, DeckError> {
        self.shared
            .read(|core| Ok(core.log(self.id)?.document.living_ids().count()))
    }

    /// The ids of its cards in order, to read those that are to be seen. Reads nothing else of them.
    ///
    /// # Errors
    /// While nothing of it has arrived.
    pub fn card_ids(&self) -> Result<Vec<CardId>, DeckError> {
        self.shared
            .read(|core| Ok(core.log(self.id)?.document.living_ids().cloned().collect()))
    }

    /// One card; also a deleted one.
    ///
    /// # Errors
    /// While nothing of the deck has arrived.
    pub fn card(&self, card: &CardId) -> Result<Option<Card>, DeckError> {
        self.shared
            .read(|core| Ok(core.log(self.id)?.document.card(card)))
    }
}
