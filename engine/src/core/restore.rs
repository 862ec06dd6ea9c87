//! From what the store holds back to a running core.

use std::collections::BTreeSet;

use crate::core::draft_log::DraftLog;
use crate::core::log::{Log, TakeError};
use crate::core::own_log;
use crate::core::{Core, DeckState};
use crate::disk::{DeckImage, RecordImage};
use crate::id::{ChangeHash, DeckId, DeviceId};
use crate::role::{Charter, Cut, Genesis, Seal, Signed, Term, Withdrawal};

/// Why a deck could not be opened from what the store holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("deck {} cannot be opened: {why}. Its files are untouched: restore the data folder from a backup, or keep \
    `device.key`, which is this device and all that it owns, set the rest of the folder aside, and join its decks again \
    from other devices", .deck.short())]
pub struct RestoreError {
    /// Which deck.
    pub deck: DeckId,
    /// What is wrong with it.
    pub why: String,
}

impl Core {
    /// Takes in the decks that were kept, and what other devices are called. To be called once, before anything
    /// else.
    ///
    /// # Errors
    /// When what is kept of a deck does not fit together.
    pub fn restore(
        &mut self,
        images: Vec<DeckImage>,
        names: Vec<(DeviceId, String)>,
    ) -> Result<(), RestoreError> {
        self.names = names.into_iter().collect();
        for image in images {
            let (deck, key) = (image.deck, image.key);
            let log = if image.genesis.is_some() {
                let restored = Log::restore(image);
                Some(restored.map_err(|error| RestoreError {
                    deck,
                    why: error.to_string(),
                })?)
            } else {
                None
            };
            let audio = log
                .as_ref()
                .map(|log| own_log::audio_of(&log.document))
                .unwrap_or_default();
            self.decks.insert(
                deck,
                DeckState {
                    key,
                    log,
                    audio: BTreeSet::new(),
                },
            );
            for audio in audio {
                self.want(deck, &audio);
            }
        }
        Ok(())
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
            if draft.is_accepted() {
                let (actor, writer) = draft.writer();
                log.writers.insert(actor, writer);
            }
            log.drafts.insert(draft.id(), draft);
        }
        for (draft, words) in image.draft_words {
            let withdrawal = words.withdrawal.as_ref();
            let withdrawal = withdrawal.map(|bytes| -> Result<_, TakeError> {
                Ok(Signed::<Withdrawal>::decode(bytes)?.verify(log.deck)?)
            });
            log.words.restore(draft, words, withdrawal.transpose()?);
        }
        for (term, records) in image.logs {
            let mut changes = Vec::with_capacity(records.len());
            let mut hashes: Vec<ChangeHash> = Vec::with_capacity(records.len());
            let mut seal = None;
            for record in records {
                let hash = own_log::hash_of(&record.change).ok_or_else(|| damaged("a change"))?;
                hashes.push(hash);
                changes.push((hash, record.change.into()));
                seal = record.seal.or(seal);
            }
            let start = log
                .chain
                .line(term)
                .map(|line| line.start())
                .ok_or_else(|| damaged("a term"))?;
            log.chain.hold(term, Cut { len: 0, head: start }, &hashes)?;
            let holder = log.chain.holder(term).ok_or_else(|| damaged("a term"))?;
            let seal = seal.ok_or_else(|| damaged("a seal"))?;
            log.chain
                .add_seal(Signed::<Seal>::decode(&seal)?.verify(log.deck, holder)?)?;
            log.set_aside(changes);
        }
        log.follow_chain()?;
        if log.document.heads() != [log.head()] {
            return Err(damaged("the log (its head is not the sealed one)"));
        }
        log.set_durable(log.position());
        log.restore_drafts();
        Ok(log)
    }

    fn restore_record(&mut self, record: &RecordImage) -> Result<(), TakeError> {
        match record {
            RecordImage::Charter(bytes) => {
                self.chain
                    .add_charter(Signed::<Charter>::decode(bytes)?.verify(self.deck)?)?;
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
        }
        self.count_record();
        Ok(())
    }
}
