//! What an app does to decks: create, join, edit.

use cuecard_store::Batch;

use super::log::Log;
use super::{Applied, Core, DeckState, EditError, Keyring, Output, RoleState, Ticket, bytes_from};
use crate::disk;
use crate::document::Edit;
use crate::event::Event;
use crate::id::DeckId;
use crate::op::OpError;
use crate::role::{DeckKey, Genesis};
use crate::time::Time;

impl Core {
    /// Creates a deck. This device is its owner and its editor.
    ///
    /// # Errors
    /// When the title is beyond its limits, or the disk has failed.
    pub fn create_deck(&mut self, now: Time, title: &str) -> Result<Applied<DeckId>, EditError> {
        self.set_now(now);
        self.check_store()?;
        let genesis = Genesis {
            owner: self.device(),
            nonce: self.random_bytes(),
            created_ms: now.as_millis(),
        };
        let deck = genesis.deck_id();
        let keys = Keyring::new(0, DeckKey::from_bytes(self.random_bytes()), None);
        let (log, mut batch) = Log::create(genesis);
        disk::put_key(&mut batch, deck, &keys);
        self.decks.insert(
            deck,
            DeckState::new(keys, Some(log), RoleState::told(self.key.id())),
        );
        let before = self.outputs.len();
        let named = self.edit_into(deck, batch, |edit| edit.rename_deck(title));
        if named.is_err() {
            // An edit that fails leaves no trace.
            self.decks.remove(&deck);
        }
        let ticket = named?.ticket;
        // It is told of before what is in it.
        self.outputs
            .insert(before, Output::Event(Event::DeckAdded { deck }));
        self.greet_all();
        Ok(Applied { value: deck, ticket })
    }

    /// As [`Core::join`], with the bare key of a deck whose key was never turned over.
    pub fn join_deck(&mut self, now: Time, deck: DeckId, key: [u8; 32]) -> Option<Ticket> {
        self.set_now(now);
        if self.decks.contains_key(&deck) || self.closed.contains_key(&deck) || self.is_being_removed(deck) {
            return None;
        }
        let keys = Keyring::new(0, DeckKey::from_bytes(key), None);
        let mut batch = Batch::default();
        disk::put_key(&mut batch, deck, &keys);
        self.decks
            .insert(deck, DeckState::new(keys, None, RoleState::default()));
        self.event(Event::DeckAdded { deck });
        let ticket = self.save(deck, batch, None);
        self.greet_all();
        Some(ticket)
    }

    /// Changes a deck. All that `edit` does becomes one change; if it fails, nothing is done.
    ///
    /// # Errors
    /// [`EditError::NotEditor`] by any device but the editor; what the operations say.
    pub fn edit<T>(
        &mut self,
        now: Time,
        deck: DeckId,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, OpError>,
    ) -> Result<Applied<T>, EditError> {
        self.set_now(now);
        self.check_store()?;
        self.leave_typing(deck);
        let applied = self.edit_into(deck, Batch::default(), edit)?;
        self.note_edited(deck)?;
        Ok(applied)
    }

    /// A person, or its app, has just edited a deck.
    pub(super) fn note_edited(&mut self, deck: DeckId) -> Result<(), EditError> {
        self.log_mut(deck)?.passed_over.clear();
        let now = self.now;
        if let Some(state) = self.decks.get_mut(&deck) {
            state.role.words.edited_at = now;
        }
        Ok(())
    }

    pub(super) fn edit_into<T>(
        &mut self,
        deck: DeckId,
        mut batch: Batch,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, OpError>,
    ) -> Result<Applied<T>, EditError> {
        let (now, key) = (self.now, self.key.clone());
        let nonce = self.random_bytes();
        let mut random = self.fork_random();
        let log = self.log_mut(deck)?;
        let (value, changes) = log.edit(
            &key,
            now,
            nonce,
            &mut || bytes_from(&mut random),
            &mut batch,
            edit,
        )?;
        let ticket = (!batch.is_empty()).then(|| self.save(deck, batch, None));
        self.tell_changes(deck, changes);
        self.send_at_once(deck);
        Ok(Applied { value, ticket })
    }
}
