//! An edit in the making: where every op meets the document, and the document's state is read meanwhile.

use std::collections::BTreeSet;

use automerge::transaction::{Transactable, Transaction};

use super::order::{Journal, Order};
use super::telling::Touched;
use crate::card::{AudioRef, Card, DeckInfo, FieldValue, TextField};
use crate::id::CardId;
use crate::op::{Note, Notes, Op, OpError, Place, Splice};

/// An edit in the making. What it reads includes what it has done so far.
pub struct Edit<'a> {
    pub(super) transaction: Transaction<'a>,
    pub(super) order: &'a mut Order,
    pub(super) random: &'a mut dyn FnMut() -> [u8; 10],
    pub(super) journal: Journal,
    pub(super) notes: Notes,
    pub(super) noted: BTreeSet<Note>,
    pub(super) touched: Touched,
    pub(super) content_bytes: usize,
    pub(super) half_done: Option<OpError>,
}

impl<'a> Edit<'a> {
    pub(super) fn new(
        transaction: Transaction<'a>,
        order: &'a mut Order,
        random: &'a mut dyn FnMut() -> [u8; 10],
    ) -> Self {
        Self {
            transaction,
            order,
            random,
            journal: Journal::new(),
            notes: Notes::default(),
            noted: BTreeSet::new(),
            touched: Touched::default(),
            content_bytes: 0,
            half_done: None,
        }
    }

    /// What the deck says of itself.
    #[must_use]
    pub fn deck(&self) -> DeckInfo {
        self.reader().deck()
    }

    /// One card, deleted or not.
    #[must_use]
    pub fn card(&self, card: &CardId) -> Option<Card> {
        self.reader().card(card)
    }

    /// The cards in (position, id) order, without the deleted ones.
    pub fn cards(&self) -> impl Iterator<Item = Card> + '_ {
        let reader = self.reader();
        self.order
            .iter()
            .filter_map(move |card| reader.card(card))
            .filter(|card| !card.deleted)
    }

    /// Adds a card at the end of the deck.
    ///
    /// # Errors
    /// If a text is too long or the deck is full.
    pub fn add_card(&mut self, front: &str, back: &str) -> Result<CardId, OpError> {
        self.add_card_at(Place::Last, front, back)
    }

    /// Adds a card behind another; `None` is the beginning of the deck.
    ///
    /// # Errors
    /// If there is no such card, a text is too long or the deck is full.
    pub fn add_card_after(
        &mut self,
        after: Option<&CardId>,
        front: &str,
        back: &str,
    ) -> Result<CardId, OpError> {
        self.add_card_at(
            after.map_or(Place::First, |card| Place::After(card.clone())),
            front,
            back,
        )
    }

    fn add_card_at(&mut self, place: Place, front: &str, back: &str) -> Result<CardId, OpError> {
        let card = CardId::from_random((self.random)());
        let (front, back) = (front.to_owned(), back.to_owned());
        self.apply(Op::CardAdd {
            card: card.clone(),
            place,
            front,
            back,
        })?;
        Ok(card)
    }

    /// Turns a text into another, touching only what differs between their equal ends.
    ///
    /// # Errors
    /// If there is no such card or the text is too long.
    pub fn set_text(&mut self, card: &CardId, field: TextField, text: &str) -> Result<(), OpError> {
        match Splice::between(&self.text_of(card, &field)?, text) {
            Some(splice) => self.apply(Op::CardText {
                card: card.clone(),
                field,
                splices: vec![splice],
            }),
            None => Ok(()),
        }
    }

    /// Replaces `delete` characters at `at` by `insert`; both count Unicode scalar values.
    ///
    /// # Errors
    /// If there is no such card or place, or the text would be too long.
    pub fn splice_text(
        &mut self,
        card: &CardId,
        field: TextField,
        at: usize,
        delete: usize,
        insert: &str,
    ) -> Result<(), OpError> {
        let splices = vec![Splice {
            at,
            delete,
            insert: insert.to_owned(),
        }];
        self.apply(Op::CardText {
            card: card.clone(),
            field,
            splices,
        })
    }

    /// Moves a card behind another; `None` is the beginning of the deck.
    ///
    /// # Errors
    /// If there is no such card.
    pub fn move_card(&mut self, card: &CardId, after: Option<&CardId>) -> Result<(), OpError> {
        self.apply(Op::CardMove {
            card: card.clone(),
            after: after.cloned(),
        })
    }

    /// Deletes a card. It can be restored.
    ///
    /// # Errors
    /// If there is no such card.
    pub fn delete_card(&mut self, card: &CardId) -> Result<(), OpError> {
        self.apply(Op::CardDelete { card: card.clone() })
    }

    /// Restores a deleted card.
    ///
    /// # Errors
    /// If there is no such card.
    pub fn restore_card(&mut self, card: &CardId) -> Result<(), OpError> {
        self.apply(Op::CardRestore { card: card.clone() })
    }

    /// Puts a tag on a card.
    ///
    /// # Errors
    /// If there is no such card or the tag is no name.
    pub fn tag(&mut self, card: &CardId, tag: &str) -> Result<(), OpError> {
        self.apply(Op::CardTag {
            card: card.clone(),
            tag: tag.to_owned(),
        })
    }

    /// Takes a tag off a card.
    ///
    /// # Errors
    /// If there is no such card or the tag is no name.
    pub fn untag(&mut self, card: &CardId, tag: &str) -> Result<(), OpError> {
        self.apply(Op::CardUntag {
            card: card.clone(),
            tag: tag.to_owned(),
        })
    }

    /// Puts audio into a slot, in place of what was there.
    ///
    /// # Errors
    /// If there is no such card or a name is not one.
    pub fn attach_audio(&mut self, card: &CardId, slot: &str, audio: AudioRef) -> Result<(), OpError> {
        self.apply(Op::AudioAttach {
            card: card.clone(),
            slot: slot.to_owned(),
            audio,
        })
    }

    /// Empties a slot.
    ///
    /// # Errors
    /// If there is no such card.
    pub fn detach_audio(&mut self, card: &CardId, slot: &str) -> Result<(), OpError> {
        self.apply(Op::AudioDetach {
            card: card.clone(),
            slot: slot.to_owned(),
        })
    }

    /// Sets a free field of a card, or takes it away.
    ///
    /// # Errors
    /// If there is no such card, or name or value cannot be kept.
    pub fn set_field(&mut self, card: &CardId, name: &str, value: Option<FieldValue>) -> Result<(), OpError> {
        self.apply(Op::CardField {
            card: card.clone(),
            name: name.to_owned(),
            value,
        })
    }

    /// Sets a free field of the deck, or takes it away.
    ///
    /// # Errors
    /// If name or value cannot be kept.
    pub fn set_deck_field(&mut self, name: &str, value: Option<FieldValue>) -> Result<(), OpError> {
        self.apply(Op::DeckField {
            name: name.to_owned(),
            value,
        })
    }

    /// Gives the deck another title.
    ///
    /// # Errors
    /// If it is too long or hides characters.
    pub fn rename_deck(&mut self, title: &str) -> Result<(), OpError> {
        self.apply(Op::DeckRename {
            title: Some(title.to_owned()),
            description: None,
        })
    }

    /// Gives the deck another description.
    ///
    /// # Errors
    /// If it is too long or hides characters.
    pub fn describe_deck(&mut self, description: &str) -> Result<(), OpError> {
        self.apply(Op::DeckRename {
            title: None,
            description: Some(description.to_owned()),
        })
    }

    /// Does one op. What is already so does nothing.
    ///
    /// # Errors
    /// If the op does not fit the deck. If it was half done by then, the whole edit fails, also where this error is dropped.
    pub fn apply(&mut self, op: Op) -> Result<(), OpError> {
        let before = self.transaction.pending_ops();
        let done = self.perform(op);
        if let Err(error) = &done
            && self.transaction.pending_ops() > before
        {
            self.half_done = Some(error.clone());
        }
        done
    }
}
