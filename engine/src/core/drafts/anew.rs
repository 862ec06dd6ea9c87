//! A draft written anew: what it did, done again on the deck as it is now, in a draft of its own.
//!
//! That is how work is kept that cannot be merged as it lies: what it was written on is not part of the deck any more, or
//! another text went out under the same id, as a restored backup of its author's disk makes it. It is done by the author's
//! device, so that every change is still signed by who wrote it.

use std::collections::BTreeSet;

use cuecard_store::Batch;

use crate::card::{Card, DeckInfo, TextField};
use crate::core::draft_log::DraftLog;
use crate::core::drafts::{DraftError, DraftSaved, DraftState};
use crate::core::log::{EditError, Log};
use crate::core::{Applied, Core, bytes_from, own_log};
use crate::disk;
use crate::document::{Document, Edit};
use crate::event::Event;
use crate::history::{self, CardDiff};
use crate::id::{CardId, ChangeHash, DeckId, DraftId};
use crate::limits::{DRAFT_BYTES_MAX, DRAFT_CHANGES_MAX};
use crate::op::OpError;
use crate::role::Withdrawal;
use crate::time::Time;

/// What a draft did, card by card.
struct Work {
    cards: Vec<CardDiff>,
    deck: Option<(DeckInfo, DeckInfo)>,
    /// All cards as its author saw them, in order: where a card stands is said by what stands before it.
    order: Vec<CardId>,
}

impl Work {
    /// What was done in `branch` since `from`.
    fn between(branch: &Document, from: ChangeHash, to: ChangeHash) -> Self {
        let cards = history::diff(branch, &[from], &[to]).unwrap_or_default();
        let (before, after) = (branch.deck_at(&[from]), branch.deck_at(&[to]));
        let order = branch.cards_at(&[to]).into_iter().map(|card| card.id).collect();
        Self {
            cards,
            deck: before.zip(after).filter(|(before, after)| before != after),
            order,
        }
    }

    /// The card that stood before another, if it is in this deck.
    fn before<'a>(
        &'a self,
        card: &CardId,
        edit: &Edit<'_>,
        again: &'a [(CardId, CardId)],
    ) -> Option<&'a CardId> {
        let at = self.order.iter().position(|known| known == card)?;
        let before = self.order.get(..at)?.iter().rev();
        let here = |card: &'a CardId| {
            let renamed = again.iter().find(|(old, _)| old == card);
            let card = renamed.map_or(card, |(_, new)| new);
            edit.card(card).is_some_and(|card| !card.deleted).then_some(card)
        };
        before.map(here).find(Option::is_some).flatten()
    }
}

/// Does again what was done to one card. A card that is not here becomes a new one: `again` says which.
fn redo(
    edit: &mut Edit<'_>,
    work: &Work,
    diff: &CardDiff,
    again: &mut Vec<(CardId, CardId)>,
) -> Result<(), OpError> {
    let (before, after) = match diff {
        CardDiff::Removed(card) => {
            return match edit.card(&card.id) {
                Some(known) if !known.deleted => edit.delete_card(&card.id),
                _ => Ok(()),
            };
        }
        CardDiff::Added(after) => (None, after),
        CardDiff::Changed { before, after } => (Some(before), after),
    };
    let here = edit.card(&after.id).is_some();
    let card = if here {
        after.id.clone()
    } else {
        let behind = work.before(&after.id, edit, again).cloned();
        let card = edit.add_card_after(behind.as_ref(), &after.front, &after.back)?;
        again.push((after.id.clone(), card.clone()));
        card
    };
    let nothing = Card {
        id: card.clone(),
        front: after.front.clone(),
        back: after.back.clone(),
        texts: Default::default(),
        position: after.position.clone(),
        tags: Default::default(),
        audio: Default::default(),
        fields: Default::default(),
        deleted: false,
    };
    // A new card has all that the old one had; of one that is here only what was changed is changed.
    let before = before.filter(|_| here).unwrap_or(&nothing);
    let further = before.texts.keys().chain(after.texts.keys());
    let mut texts = BTreeSet::from([TextField::Front, TextField::Back]);
    texts.extend(further.cloned().map(TextField::Named));
    for field in texts {
        if before.text(&field) != after.text(&field) {
            let text = after.text(&field);
            edit.set_text(&card, field, text)?;
        }
    }
    if before.position != after.position {
        let behind = work.before(&after.id, edit, again).cloned();
        edit.move_card(&card, behind.as_ref())?;
    }
    for tag in after.tags.difference(&before.tags) {
        edit.tag(&card, tag)?;
    }
    for tag in before.tags.difference(&after.tags) {
        edit.untag(&card, tag)?;
    }
    for (slot, audio) in &after.audio {
        if before.audio.get(slot) != Some(audio) {
            edit.attach_audio(&card, slot, audio.clone())?;
        }
    }
    for slot in before
        .audio
        .keys()
        .filter(|slot| !after.audio.contains_key(*slot))
    {
        edit.detach_audio(&card, slot)?;
    }
    for (name, value) in &after.fields {
        if before.fields.get(name) != Some(value) {
            edit.set_field(&card, name, Some(value.clone()))?;
        }
    }
    for name in before
        .fields
        .keys()
        .filter(|name| !after.fields.contains_key(*name))
    {
        edit.set_field(&card, name, None)?;
    }
    Ok(())
}

fn redo_deck(edit: &mut Edit<'_>, before: &DeckInfo, after: &DeckInfo) -> Result<(), OpError> {
    if before.title != after.title {
        edit.rename_deck(&after.title)?;
    }
    if before.description != after.description {
        edit.describe_deck(&after.description)?;
    }
    for (name, value) in &after.fields {
        if before.fields.get(name) != Some(value) {
            edit.set_deck_field(name, Some(value.clone()))?;
        }
    }
    for name in before
        .fields
        .keys()
        .filter(|name| !after.fields.contains_key(*name))
    {
        edit.set_deck_field(name, None)?;
    }
    Ok(())
}

impl Log {
    /// Opens a draft at the head of the deck that does again what another did since `from`; none where that was nothing.
    /// Nothing is kept where it fails.
    fn write_anew(
        &mut self,
        entry: &DraftLog,
        from: ChangeHash,
        nonce: [u8; 16],
        now: Time,
        random: &mut dyn FnMut() -> [u8; 10],
        batch: &mut Batch,
    ) -> Result<Option<DraftId>, DraftError> {
        let draft = entry.id();
        let branch = self.branch_of(entry)?;
        let work = Work::between(&branch, from, entry.head);
        let mut anew = DraftLog::open(self.deck, self.head(), entry.author, nonce, &entry.note, now);
        let id = anew.id();
        let actor = anew.actor();
        let mut document = self
            .document
            .fork_at(self.head())
            .map_err(|error| DraftError::Unmergeable {
                draft,
                why: error.to_string(),
            })?;
        // A change for each card: one for all could be larger than a change may be.
        let mut again = Vec::new();
        let mut sorted: Vec<&CardDiff> = work.cards.iter().collect();
        sorted.sort_by_key(|diff| work.order.iter().position(|card| card == diff.card()));
        let mut write = |edit: &mut dyn FnMut(&mut Edit<'_>) -> Result<(), OpError>| {
            let committed = document.commit(&actor, now.as_millis(), random, edit);
            if let Some(change) = committed.map_err(EditError::from)?.change {
                anew.changes.push(change.bytes);
                anew.head = change.hash;
            }
            if anew.len() > DRAFT_CHANGES_MAX || anew.bytes() > DRAFT_BYTES_MAX {
                return Err(EditError::DraftFull(id));
            }
            Ok(())
        };
        if let Some((before, after)) = &work.deck {
            write(&mut |edit| redo_deck(edit, before, after))?;
        }
        for diff in sorted {
            write(&mut |edit| redo(edit, &work, diff, &mut again))?;
        }
        if anew.changes.is_empty() {
            return Ok(None);
        }
        disk::put_draft(batch, self.deck, id, &anew.image());
        for (at, change) in (1..).zip(&anew.changes) {
            disk::append_draft_change(batch, self.deck, id, at, change);
        }
        self.drafts.insert(id, anew);
        self.refresh_draft(id);
        Ok(Some(id))
    }
}

impl Core {
    /// Writes a draft of this device anew: what it did, done again on the deck as it is now, in a new draft. The old one,
    /// if it is proposed, is withdrawn. For a draft that cannot be merged as it is.
    ///
    /// # Errors
    /// When it is not this device's own, is accepted, or does nothing any more.
    pub fn write_draft_anew(
        &mut self,
        now: Time,
        deck: DeckId,
        draft: DraftId,
    ) -> Result<Applied<DraftId>, DraftError> {
        self.set_now(now);
        self.check_store()?;
        let (key, now, nonce) = (self.key.clone(), self.now, self.random_bytes());
        let mut random = self.fork_random();
        let log = self.log_mut(deck)?;
        let entry = log.drafts.get(&draft).ok_or(DraftError::Unknown(draft))?;
        if entry.author != key.id() {
            return Err(DraftError::NotReady(draft));
        }
        if *entry.state() == DraftState::Accepted {
            return Err(DraftError::Accepted(draft));
        }
        let from = entry
            .accepted_in(&log.document)
            .map_or(entry.base, |record| record.head);
        let (old_nonce, version, waits) = (entry.nonce, entry.version(), entry.state().is_proposed());
        let mut batch = Batch::default();
        // It is taken out for as long as it is read: the log is changed meanwhile.
        let entry = log.drafts.remove(&draft).ok_or(DraftError::Unknown(draft))?;
        let anew = log.write_anew(
            &entry,
            from,
            nonce,
            now,
            &mut || bytes_from(&mut random),
            &mut batch,
        );
        log.drafts.insert(draft, entry);
        let anew = anew?;
        let anew = anew.ok_or(DraftError::NotReady(draft))?;
        let mut saved = None;
        if waits {
            let withdrawal = Withdrawal {
                deck,
                author: key.id(),
                nonce: old_nonce,
                version,
                signed_ms: now.as_millis(),
            };
            log.note_withdrawal(withdrawal.sign(&key).map_err(EditError::from)?, &mut batch);
            saved = Some(DraftSaved::Withdrawal(draft, version));
        }
        let ticket = Some(self.save(deck, batch, saved));
        self.tell_drafts(deck);
        Ok(Applied { value: anew, ticket })
    }

    /// Own drafts turned out to have another text elsewhere, which was first and took their place: what only this device
    /// had is written anew, each as a draft of its own, and becomes durable with what took its place.
    pub(in crate::core) fn save_own_texts(&mut self, deck: DeckId, batch: &mut Batch) {
        let (me, now) = (self.device(), self.now);
        let replaced = match self.log_mut(deck) {
            Ok(log) => std::mem::take(&mut log.words.replaced),
            Err(_) => return,
        };
        for old in replaced.into_iter().filter(|old| old.author == me) {
            let (nonce, mut random) = (self.random_bytes(), self.fork_random());
            let Ok(log) = self.log_mut(deck) else { return };
            let Some(other) = log.drafts.get(&old.id()) else {
                continue;
            };
            let shared = old.changes.iter().zip(&other.changes).take_while(|(a, b)| a == b);
            let last_shared = shared.last().and_then(|(change, _)| own_log::hash_of(change));
            let from = last_shared.unwrap_or(old.base);
            let random = &mut || bytes_from(&mut random);
            let draft = old.id();
            match log.write_anew(&old, from, nonce, now, random, batch) {
                Ok(Some(anew)) => self.event(Event::DraftWrittenAnew { deck, draft, anew }),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(draft = %draft.short(), %error, "what was written in a draft cannot be written anew");
                }
            }
        }
    }
}
