//! The document of one deck: Automerge, and the only calls that change it.
//!
//! Own edits go through [`Document::commit`], which makes one change of one edit or none at all. What peers made
//! goes through [`gate::admit`](crate::gate::admit) and [`Document::apply`]. A document normally has one head; between applying a draft
//! and accepting it, it has two.

pub(crate) mod audio;
pub mod edit;
mod judging;
mod order;
mod outcome;
mod perform;
mod replaced;
mod restored;
mod telling;
pub mod undo;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{
    ActorId, Automerge, AutomergeError, Change, ChangeHash, ObjType, PatchLog, ROOT, ReadDoc, TextEncoding,
};

use crate::card::{AudioRef, Card, DeckInfo, Reader, key};
use crate::gate::{Admitted, Places};
use crate::id::CardId;
use crate::limits::{CHANGE_BYTES_MAX, CHANGE_MESSAGE_BYTES_MAX, CHANGE_OPS_MAX, DECK_OPS_MAX};
use crate::op::{Note, Notes, OpError};

pub use edit::Edit;
use order::Order;
use telling::Touched;

pub use outcome::{ApplyError, Committed, DeckChange, NewChange, RestoreError};

/// The unit of every index into a text: one Unicode scalar value, on every platform.
const TEXT_UNIT: TextEncoding = TextEncoding::UnicodeCodePoint;
/// What one operation can cost in a change at most, without its text: ten columns, most of them a byte or two.
const OP_BYTES_AT_MOST: usize = 64;
/// Operations that Automerge is given at a time, in whole changes: it unfolds them all, at some 600 bytes each, and a few bytes
/// may say ten thousand. Ten thousand ordinary changes are a few parts.
const OPS_AT_A_TIME: usize = 1 << 17;

/// A change that a document holds beyond some point of it.
pub(crate) struct Beyond {
    pub(crate) hash: ChangeHash,
    pub(crate) actor: ActorId,
    pub(crate) bytes: Vec<u8>,
}

/// The document of one deck.
#[derive(Clone)]
pub struct Document {
    automerge: Automerge,
    order: Order,
    /// What the gate has learned of this document; empty again wherever changes may have left it.
    places: Places,
    genesis: ChangeHash,
}

impl Document {
    /// The document with its first change alone: the same bytes on every device for the same arguments.
    #[must_use]
    pub fn genesis(actor: ActorId, created_ms: u64) -> Self {
        let mut automerge = Automerge::new_with_encoding(TEXT_UNIT).with_actor(actor);
        let mut transaction = automerge.transaction();
        // Putting maps under fresh keys of the root cannot fail; if it ever does, the hash differs and no peer matches it.
        if let Ok(deck) = transaction.put_object(ROOT, key::DECK, ObjType::Map) {
            transaction.put_object(&deck, key::FIELDS, ObjType::Map).ok();
        }
        transaction.put_object(ROOT, key::CARDS, ObjType::Map).ok();
        let (hash, _) = transaction.commit_with(CommitOptions::default().with_time(seconds(created_ms)));
        let genesis = hash.unwrap_or(ChangeHash([0; 32]));
        Self {
            automerge,
            order: Order::default(),
            places: Places::default(),
            genesis,
        }
    }

    /// The hash of the first change: the head where term 0 starts.
    #[must_use]
    pub fn genesis_hash(&self) -> ChangeHash {
        self.genesis
    }

    /// The heads, in order of their hashes: one, or two while a draft waits to be accepted.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeHash> {
        let mut heads = self.automerge.get_heads();
        heads.sort_unstable();
        heads
    }

    /// Whether this change is in the document.
    #[must_use]
    pub fn contains(&self, change: &ChangeHash) -> bool {
        self.automerge.get_change_meta_by_hash(change).is_some()
    }

    /// The bytes of a change, as they were made.
    #[must_use]
    pub fn change_bytes(&self, change: &ChangeHash) -> Option<Vec<u8>> {
        let made = catch_unwind(AssertUnwindSafe(|| self.automerge.get_change_by_hash(change)));
        let change = made.ok().flatten()?;
        Some(change.raw_bytes().to_vec())
    }

    /// The bytes of many changes, by their hashes. Asked for one by one, each costs a way through all columns: 540 µs at
    /// 10,000 changes, and 10 together.
    pub(crate) fn changes_bytes(&self, changes: &[ChangeHash]) -> BTreeMap<ChangeHash, Vec<u8>> {
        // A bundle is how Automerge makes some changes anew and no others. Its bytes are not used.
        let made = catch_unwind(AssertUnwindSafe(|| {
            self.automerge.bundle(changes.iter().copied())?.to_changes()
        }));
        let mut found = BTreeMap::new();
        for change in made.into_iter().flatten().flatten() {
            found.insert(change.hash(), change.raw_bytes().to_vec());
        }
        for change in changes {
            if !found.contains_key(change)
                && let Some(bytes) = self.change_bytes(change)
            {
                found.insert(*change, bytes);
            }
        }
        found
    }

    /// How many cards there are, tombstones too.
    #[must_use]
    pub fn card_count(&self) -> usize {
        self.order.len()
    }

    /// The ids of all cards in (position, id) order, tombstones too. Reads nothing of the cards.
    pub fn card_ids(&self) -> impl Iterator<Item = &CardId> + '_ {
        self.order.iter()
    }

    /// The ids of the cards that are not deleted, in (position, id) order. Reads nothing else of the cards.
    pub fn living_ids(&self) -> impl Iterator<Item = &CardId> + '_ {
        let reader = Reader::now(&self.automerge);
        let cards = reader.cards_object();
        self.order.iter().filter(move |card| {
            let object = cards
                .as_ref()
                .and_then(|cards| reader.object(cards, card.as_str(), ObjType::Map));
            object.is_some_and(|object| !reader.is_deleted(&object))
        })
    }

    /// What the deck says of itself.
    #[must_use]
    pub fn deck(&self) -> DeckInfo {
        Reader::now(&self.automerge).deck()
    }

    /// One card, deleted or not. Costs what the card holds, not what the deck holds.
    #[must_use]
    pub fn card(&self, card: &CardId) -> Option<Card> {
        Reader::now(&self.automerge).card(card)
    }

    /// The cards in (position, id) order, without the deleted ones.
    pub fn cards(&self) -> impl Iterator<Item = Card> + '_ {
        self.all_cards().filter(|card| !card.deleted)
    }

    /// The cards in (position, id) order, with the deleted ones.
    pub fn all_cards(&self) -> impl Iterator<Item = Card> + '_ {
        let reader = Reader::now(&self.automerge);
        self.order.iter().filter_map(move |card| reader.card(card))
    }

    /// All the audio that cards refer to, deleted ones too. Costs what the audio holds, and a look at each card.
    #[must_use]
    pub fn all_audio(&self) -> Vec<AudioRef> {
        Reader::now(&self.automerge).all_audio()
    }

    /// The cards as they were at a point of the past, without the deleted ones. Empty where a head is unknown.
    #[must_use]
    pub fn cards_at(&self, heads: &[ChangeHash]) -> Vec<Card> {
        if heads.iter().any(|head| !self.contains(head)) {
            return Vec::new();
        }
        let mut cards = Reader::at(&self.automerge, heads).all_cards();
        cards.retain(|card| !card.deleted);
        cards
    }

    /// One card as it was at a point of the past.
    #[must_use]
    pub fn card_at(&self, heads: &[ChangeHash], card: &CardId) -> Option<Card> {
        if heads.iter().any(|head| !self.contains(head)) {
            return None;
        }
        Reader::at(&self.automerge, heads).card(card)
    }

    /// What the deck said of itself at a point of the past.
    #[must_use]
    pub fn deck_at(&self, heads: &[ChangeHash]) -> Option<DeckInfo> {
        if heads.iter().any(|head| !self.contains(head)) {
            return None;
        }
        Some(Reader::at(&self.automerge, heads).deck())
    }

    /// Makes one change of everything that `edit` does; none if it does nothing, and no trace if it fails.
    ///
    /// `random` gives the bits of new cards' ids. What could not be sent to another device is refused here.
    ///
    /// # Errors
    /// What `edit` answers, and where the change would break a limit.
    pub fn commit<T>(
        &mut self,
        actor: &ActorId,
        now_ms: u64,
        random: &mut dyn FnMut() -> [u8; 10],
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, OpError>,
    ) -> Result<Committed<T>, OpError> {
        let heads = self.heads();
        let [head] = heads.as_slice() else {
            return Err(OpError::SeveralHeads { heads });
        };
        let head = *head;
        if self
            .op_count_at(&head)
            .is_none_or(|ops| ops + CHANGE_OPS_MAX as u64 > DECK_OPS_MAX)
        {
            return Err(OpError::DeckFull);
        }
        // Forking and loading leave Automerge with an actor of its own choosing.
        self.automerge.set_actor(actor.clone());
        let mut working = Edit::new(self.automerge.transaction(), &mut self.order, random);
        // A closure of an app: if it panics, the deck is put back before the panic goes on to its caller.
        let edited = catch_unwind(AssertUnwindSafe(|| edit(&mut working)));
        let done =
            edited.map(|done| done.and_then(|value| Ok((value, working.notes().clone(), working.check()?))));
        let (transaction, journal, touched) = working.into_parts();
        let done = match done {
            Ok(done) => done,
            Err(panic) => {
                transaction.rollback();
                self.order.undo(journal);
                resume_unwind(panic);
            }
        };
        let (value, notes, text_bytes) = match done {
            Ok(done) => done,
            Err(error) => {
                transaction.rollback();
                self.order.undo(journal);
                return Err(error);
            }
        };
        let ops = transaction.pending_ops();
        let message = notes.render();
        if ops == 0 {
            transaction.rollback();
            return Ok(Committed {
                value,
                change: None,
                events: Vec::new(),
            });
        }
        if message.len() > CHANGE_MESSAGE_BYTES_MAX {
            transaction.rollback();
            self.order.undo(journal);
            return Err(OpError::ChangeTooLarge);
        }
        let bytes_at_most = CHANGE_MESSAGE_BYTES_MAX + text_bytes + ops * OP_BYTES_AT_MOST;
        let options = CommitOptions::default()
            .with_message(message)
            .with_time(seconds(now_ms));
        let (hash, _) = transaction.commit_with(options);
        let change = hash.and_then(|hash| self.automerge.get_change_by_hash(&hash));
        let Some(change) = change else {
            return Err(OpError::Damaged {
                what: "a commit left no change".to_owned(),
            });
        };
        let bytes = change.raw_bytes().to_vec();
        if bytes_at_most > CHANGE_BYTES_MAX && bytes.len() > CHANGE_BYTES_MAX {
            // Its size is known only once it is made. Rebuilding is slow, and this is rare.
            self.places = Places::default();
            self.automerge = self
                .automerge
                .fork_at(&[head])
                .map_err(|error| OpError::Damaged {
                    what: error.to_string(),
                })?;
            self.order.undo(journal);
            return Err(OpError::ChangeTooLarge);
        }
        Ok(Committed {
            value,
            change: Some(NewChange {
                hash: change.hash(),
                bytes,
                seq: change.seq(),
            }),
            events: touched.tell(&self.automerge, &[head]),
        })
    }

    /// The changes that are not in the past of `head`, each after those it depends on.
    pub(crate) fn beyond(&self, head: ChangeHash) -> Vec<Beyond> {
        let changes = self.automerge.get_changes(&[head]).into_iter();
        let beyond = changes.map(|change| Beyond {
            hash: change.hash(),
            actor: change.actor_id().clone(),
            bytes: change.raw_bytes().to_vec(),
        });
        beyond.collect()
    }

    /// As [`Document::fork_at`], where several changes are the last.
    pub(crate) fn fork_at_all<'a>(
        &self,
        heads: impl IntoIterator<Item = &'a ChangeHash>,
    ) -> Result<Self, RestoreError> {
        let heads: Vec<ChangeHash> = heads.into_iter().copied().collect();
        if let Some(head) = heads.iter().find(|head| !self.contains(head)) {
            return Err(RestoreError::UnknownHead { head: *head });
        }
        let automerge = self
            .automerge
            .fork_at(&heads)
            .map_err(|error| RestoreError::Incomplete {
                what: error.to_string(),
            })?;
        Ok(Self::around(automerge, self.genesis))
    }

    /// A document that ends at `head`: for drafts, late work, and rebuilding after a reorganisation.
    ///
    /// # Errors
    /// If `head` is not in this document.
    pub fn fork_at(&self, head: ChangeHash) -> Result<Self, RestoreError> {
        let automerge = self
            .automerge
            .fork_at(&[head])
            .map_err(|_| RestoreError::UnknownHead { head })?;
        Ok(Self::around(automerge, self.genesis))
    }

    /// Applies what the gate admitted.
    ///
    /// # Errors
    /// [`ApplyError::Stale`] leaves the document as it was; [`ApplyError::MustReload`] means that it must be dropped.
    pub fn apply(&mut self, admitted: Admitted) -> Result<Vec<DeckChange>, ApplyError> {
        if admitted.base != self.heads() {
            return Err(ApplyError::Stale);
        }
        let Admitted {
            changes,
            notes,
            expected,
            learned,
            base,
            ..
        } = admitted;
        let notes: Vec<&Note> = notes.iter().flat_map(Notes::as_slice).collect();
        // For each patch Automerge says where in the document it is, and looks through all cards for that: measured, 0.2 ms
        // of the 0.36 that taking in one edit took, with 1,000 cards. Most notes say what they touch without.
        let added = notes.iter().filter_map(|note| match note {
            Note::CardAdd { card } => Some(card),
            _ => None,
        });
        let added: BTreeSet<&CardId> = added.collect();
        let by_notes = notes.iter().all(|note| Touched::is_told_by(note, &added));
        // The gate knows of no way to make this panic; if there is one, it costs this document and not the process.
        let applied = catch_unwind(AssertUnwindSafe(|| self.give(changes, !by_notes)));
        let seen = match applied {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => {
                return Err(ApplyError::MustReload {
                    what: error.to_string(),
                });
            }
            Err(_) => {
                return Err(ApplyError::MustReload {
                    what: "a panic inside Automerge".to_owned(),
                });
            }
        };
        if self.heads() != expected {
            return Err(ApplyError::MustReload {
                what: "another head than the admitted one".to_owned(),
            });
        }
        self.places.learn(learned);
        let touched = match by_notes {
            true => {
                notes.iter().for_each(|note| self.follow(note));
                Touched::by(notes)
            }
            false => self.touched(&notes, seen),
        };
        Ok(touched.tell(&self.automerge, &base))
    }

    /// Keeps the order of cards in step with the document.
    fn follow(&mut self, note: &Note) {
        let reader = Reader::now(&self.automerge);
        if let Note::CardAdd { card } | Note::CardMove { card } = note
            && let Some(object) = reader.card_object(card)
        {
            self.order.place(card, reader.position(&object));
        }
    }

    /// Gives changes to Automerge, each after those it depends on. Says, if asked to, what they touched of what can be seen.
    fn give(&mut self, changes: Vec<Change>, says: bool) -> Result<Touched, AutomergeError> {
        let (mut seen, mut rest) = (Touched::default(), changes.into_iter().peekable());
        while rest.peek().is_some() {
            let (mut part, mut operations) = (Vec::new(), 0);
            while let Some(change) = rest.next_if(|_| operations < OPS_AT_A_TIME) {
                operations += change.len();
                part.push(change);
            }
            let mut log = match says {
                true => PatchLog::active(),
                false => PatchLog::inactive(),
            };
            self.automerge.apply_changes_log_patches(part, &mut log)?;
            let patches = self.automerge.make_patches(&mut log);
            patches.iter().for_each(|patch| seen.patch(patch));
        }
        Ok(seen)
    }

    /// Follows the order of cards, and adds to what changes touched of what can be seen what only their notes say.
    fn touched(&mut self, notes: &[&Note], mut seen: Touched) -> Touched {
        for note in notes {
            self.follow(note);
            if note.is_verdict() {
                seen.note(note);
            }
        }
        seen
    }

    fn around(automerge: Automerge, genesis: ChangeHash) -> Self {
        let order = Order::of(&Reader::now(&automerge));
        Self {
            automerge,
            order,
            places: Places::default(),
            genesis,
        }
    }

    /// The highest operation number at a change.
    pub(crate) fn op_count_at(&self, change: &ChangeHash) -> Option<u64> {
        self.automerge
            .get_change_meta_by_hash(change)
            .map(|meta| meta.max_op)
    }

    /// What the gate has learned of where objects are.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// For reading: the gate, the history.
    pub(crate) fn automerge(&self) -> &Automerge {
        &self.automerge
    }
}

/// Automerge keeps whole seconds, as its other implementations do.
fn seconds(time_ms: u64) -> i64 {
    i64::try_from(time_ms / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
