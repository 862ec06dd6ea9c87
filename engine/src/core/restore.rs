//! From what the store holds back to a running core.

use std::collections::BTreeSet;

use crate::core::draft_log::DraftLog;
use crate::core::log::{Log, TakeError};
use crate::core::own_log;
use crate::core::role::RoleState;
use crate::core::{Core, DeckState};
use crate::disk::snapshot::SnapshotImage;
use crate::disk::{DeckImage, RecordImage, TermTail};
use crate::document::Document;
use crate::event::Event;
use crate::id::{ChangeHash, DeckId, DeviceId, TermId};
use crate::role::{Admit, Charter, Cut, Genesis, Refusal, Seal, Signed, Term, Withdrawal};

/// Why a deck could not be opened from what the store holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("deck {} cannot be opened: {why}. Its files are untouched: restore the data folder from a backup; or, \
    where another device has the deck, remove it here and join it again, or take it in from a file that the other exported", .deck.short())]
pub struct RestoreError {
    /// Which deck.
    pub deck: DeckId,
    /// What is wrong with it.
    pub why: String,
}

impl Core {
    /// Takes in what other devices are called. To be called once, before anything else.
    pub fn restore_names(&mut self, names: Vec<(DeviceId, String)>) {
        self.names = names.into_iter().collect();
    }

    /// Takes in a deck that was kept; it stays out when it cannot be opened.
    ///
    /// # Errors
    /// When what is kept of it does not fit together.
    pub fn restore_deck(&mut self, image: DeckImage) -> Result<(), RestoreError> {
        let (deck, keys) = (image.deck, image.keys.clone());
        let (heard, followed) = (image.heard.iter().copied().collect(), image.followed);
        let log = if image.genesis.is_some() {
            let restored = Log::restore(image);
            Some(restored.map_err(|error| RestoreError {
                deck,
                why: error.to_string(),
            })?)
        } else {
            None
        };
        let mut role = RoleState::default();
        role.told = log.as_ref().map(|log| log.chain.canonical().editor);
        let mut state = DeckState::new(keys, log, role);
        state.heard = heard;
        // One that goes back to what the disk has is what its app made of it in this run.
        state.policies = self.decks.get(&deck).and_then(|before| before.policies.clone());
        state.followed = followed;
        self.decks.insert(deck, state);
        self.note_all_audio(deck);
        Ok(())
    }
}

impl Core {
    /// A deck is again what the disk has of it.
    pub(crate) fn go_back(&mut self, image: DeckImage) -> Result<(), RestoreError> {
        let deck = image.deck;
        self.removal_failed(deck);
        self.restore_deck(image)?;
        self.event(Event::WentBack { deck });
        Ok(())
    }

    /// Forgets decks that the disk does not have.
    pub(crate) fn forget_unkept(&mut self, kept: &BTreeSet<DeckId>) {
        let unkept: Vec<DeckId> = self
            .decks
            .keys()
            .filter(|deck| !kept.contains(deck))
            .copied()
            .collect();
        for deck in unkept {
            self.decks.remove(&deck);
            self.fetches.forget_deck(deck);
            self.event(Event::WentBack { deck });
        }
    }
}

impl Log {
    fn restore(image: DeckImage) -> Result<Self, TakeError> {
        let damaged = |what: &str| TakeError::Refused(format!("{what} is damaged"));
        let genesis = Genesis::decode(&image.genesis.unwrap_or_default())?;
        if genesis.deck_id() != image.deck {
            return Err(damaged("the genesis"));
        }
        let mut log = Self::blank(genesis);
        for record in &image.records {
            log.restore_record(record)?;
        }
        for (draft, changes) in image.drafts {
            let draft = DraftLog::from_image(log.deck, draft, changes)?;
            let (actor, writer) = draft.writer();
            log.writers.insert(actor, writer);
            log.drafts.insert(draft.id(), draft);
        }
        for (draft, words) in image.draft_words {
            let withdrawal = words.withdrawal.as_ref();
            let withdrawal = withdrawal.map(|bytes| -> Result<_, TakeError> {
                Ok(Signed::<Withdrawal>::decode(bytes)?.verify(log.deck)?)
            });
            log.words.restore(draft, words, withdrawal.transpose()?);
        }
        log.set_next_snapshot(image.next_snapshot);
        if let Some((generation, head, snapshot)) = image.snapshot {
            log.restore_snapshot(generation, head, snapshot)?;
        }
        for tail in image.tails {
            log.restore_tail(tail)?;
        }
        for record in image.records {
            log.restore_beside(record)?;
        }
        log.follow_chain()?;
        log.forget_aside();
        if log.document.heads() != [log.head()] {
            return Err(damaged("the log (its head is not the sealed one)"));
        }
        log.set_durable(log.position());
        log.note_charter_known();
        log.restore_drafts();
        log.restore_proofs();
        Ok(log)
    }

    fn restore_snapshot(
        &mut self,
        generation: u64,
        head: ChangeHash,
        snapshot: SnapshotImage,
    ) -> Result<(), TakeError> {
        let damaged = |what: &str| TakeError::Refused(format!("{what} in a snapshot is damaged"));
        if snapshot.deck != self.deck {
            return Err(damaged("the deck"));
        }
        let genesis = self.document.genesis_hash();
        self.document = Document::restore_snapshot(genesis, &snapshot.document, &[head])?;
        let mut path = Vec::new();
        for image in &snapshot.terms {
            let hashes = image.hashes();
            self.hold_after(image.term, 0, &hashes)?;
            if let Some((_, seal)) = image.seals.last() {
                self.restore_seal(image.term, seal)?;
            }
            let inside = image.inside.unwrap_or(0);
            let at = usize::try_from(inside).unwrap_or(usize::MAX);
            let beyond = hashes.get(at..).ok_or_else(|| damaged("a term"))?;
            if beyond.len() != image.aside.len() {
                return Err(damaged("late work"));
            }
            let aside = beyond
                .iter()
                .copied()
                .zip(image.aside.iter().map(|change| change.to_vec()));
            self.set_aside(image.term, aside);
            if image.inside.is_some() {
                let start = self.chain.line(image.term).map(|line| line.start());
                let last = at.checked_sub(1).and_then(|at| hashes.get(at)).copied();
                let head = last.or(start).ok_or_else(|| damaged("a term"))?;
                let end = Cut { len: inside, head };
                path.push((image.term, image.leaves_for().unwrap_or(end)));
            }
        }
        if path.last().map(|(_, cut)| cut.head) != Some(head) {
            return Err(damaged("the path"));
        }
        self.set_path(path);
        self.restore_compaction(generation, &snapshot.terms, snapshot.document.len());
        Ok(())
    }

    fn restore_tail(&mut self, tail: TermTail) -> Result<(), TakeError> {
        let damaged = |what: &str| TakeError::Refused(format!("{what} is damaged"));
        self.note_tail(&tail);
        let mut changes = Vec::with_capacity(tail.records.len());
        let mut hashes: Vec<ChangeHash> = Vec::with_capacity(tail.records.len());
        let mut seal = None;
        for record in tail.records {
            let hash = own_log::hash_of(&record.change).ok_or_else(|| damaged("a change"))?;
            hashes.push(hash);
            changes.push((hash, record.change.into()));
            seal = record.seal.or(seal);
        }
        self.hold_after(tail.term, tail.from - 1, &hashes)?;
        match seal {
            Some(seal) => self.restore_seal(tail.term, &seal)?,
            // Behind a snapshot it may end before the next seal, where a slice was cut in two.
            None if tail.from > 1 => {}
            None => return Err(damaged("a seal")),
        }
        self.set_aside(tail.term, changes);
        Ok(())
    }

    /// Takes note that these changes are held, which follow the first `len` of a term.
    fn hold_after(&mut self, term: TermId, len: u64, hashes: &[ChangeHash]) -> Result<(), TakeError> {
        let damaged = || TakeError::Refused("a term is damaged".to_owned());
        let line = self.chain.line(term).ok_or_else(damaged)?;
        let head = line.hash_at(len).ok_or_else(damaged)?;
        if !hashes.is_empty() {
            self.chain.hold(term, Cut { len, head }, hashes)?;
        }
        Ok(())
    }

    fn restore_seal(&mut self, term: TermId, seal: &[u8]) -> Result<(), TakeError> {
        let holder = self.chain.holder(term);
        let holder = holder.ok_or_else(|| TakeError::Refused("a term is damaged".to_owned()))?;
        let seal = Signed::<Seal>::decode(seal)?.verify(self.deck, holder)?;
        match self.chain.add_seal(seal) {
            // One over what is held went before it.
            Ok(_) | Err(Refusal::Full(_)) => Ok(()),
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn restore_record(&mut self, record: &RecordImage) -> Result<(), TakeError> {
        match record {
            RecordImage::Charter(bytes) => {
                let charter = Signed::<Charter>::decode(bytes)?.verify(self.deck)?;
                match self.chain.add_charter(charter) {
                    // A deck of before there was that limit.
                    Ok(_) | Err(Refusal::Full(_)) => {}
                    Err(refusal) => return Err(refusal.into()),
                }
            }
            RecordImage::Admit(bytes) => {
                let admit = Signed::<Admit>::decode(bytes)?.verify(self.deck)?;
                match self.chain.add_admit(admit) {
                    // A charter that came later overruled it, or others went before it.
                    Ok(_) | Err(Refusal::MayNotAdmit | Refusal::Full(_)) => {}
                    Err(refusal) => return Err(refusal.into()),
                }
            }
            RecordImage::Term(id, bytes) => {
                let term = Signed::<Term>::decode(bytes)?.verify(self.deck)?;
                if term.id() != *id {
                    return Err(TakeError::Refused("a term is damaged".to_owned()));
                }
                let holder = term.holder;
                self.chain.add_term(term)?;
                self.note_writer(*id, holder);
            }
            // These need the changes of the term.
            RecordImage::Seal(_) | RecordImage::Fork { .. } => {}
        }
        self.count_record();
        Ok(())
    }

    /// What goes beside the logs, after them.
    fn restore_beside(&mut self, record: RecordImage) -> Result<(), TakeError> {
        let damaged = |what: &str| TakeError::Refused(format!("{what} is damaged"));
        match record {
            RecordImage::Charter(_) | RecordImage::Term(..) | RecordImage::Admit(_) => Ok(()),
            RecordImage::Seal(bytes) => {
                let term = Signed::<Seal>::decode(&bytes)?.claimed().term;
                self.restore_seal(term, &bytes)
            }
            RecordImage::Fork {
                term,
                len,
                head,
                changes,
            } => {
                let (mut hashes, mut aside, mut kept) = (vec![], vec![], vec![]);
                for record in changes {
                    let hash = own_log::hash_of(&record.change).ok_or_else(|| damaged("a change"))?;
                    hashes.push(hash);
                    aside.push((hash, record.change.to_vec()));
                    kept.push((hash, record));
                }
                let seal = kept.last().and_then(|(_, record)| record.seal.clone());
                self.add_fork(term, kept);
                let head = ChangeHash(head);
                self.chain.hold(term, Cut { len, head }, &hashes)?;
                self.restore_seal(term, &seal.ok_or_else(|| damaged("a seal"))?)?;
                self.set_aside(term, aside);
                Ok(())
            }
        }
    }
}
