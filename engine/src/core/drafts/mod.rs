//! Drafts: private branches from the canonical head, proposed to the editor, and accepted whole or declined.
//!
//! - `write`: what an author does with one.
//! - `foreign`: what its author did in one with another Automerge tool.
//! - `anew`: work that cannot be merged as it lies.
//! - `judge`: what an editor does with one.
//! - `standing`: where a draft stands, worked out anew each time.
//! - `travel`: how proposals and withdrawals pass from device to device.
//! - here: reading them.

mod anew;
mod foreign;
mod judge;
mod standing;
mod travel;
mod write;

use crate::card::{Card, DeckInfo};
use crate::core::draft_log::DraftLog;
use crate::core::log::{EditError, Log};
use crate::core::{Core, DeckError, StoreHasFailed};
use crate::disk;
use crate::document::Document;
use crate::event::Event;
use crate::history::{self, CardDiff};
use crate::id::{CardId, DeckId, DraftId};

pub use standing::{DraftInfo, DraftState};
pub(crate) use standing::{DraftWords, Standing};
pub(crate) use travel::DraftSaved;

use standing::News;

/// Why a draft could not be proposed, accepted or declined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// It is not known here.
    #[error("no draft {} is known here", .0.short())]
    Unknown(DraftId),
    /// Not in its state: only what has changes is proposed, only by its author; only what is proposed is accepted, declined
    /// or withdrawn.
    #[error("draft {} is empty, not proposed as it is now, or not this device's own", .0.short())]
    NotReady(DraftId),
    /// It is part of the deck already.
    #[error("draft {} was accepted already", .0.short())]
    Accepted(DraftId),
    /// Its author took it back.
    #[error("draft {} was withdrawn by its author", .0.short())]
    Withdrawn(DraftId),
    /// It waits for the editor.
    #[error("draft {} is proposed; withdraw it first", .0.short())]
    StillProposed(DraftId),
    /// What it was written on is not part of the deck (any more).
    #[error("draft {} was written on changes that are not part of the deck; accept those first, or let its author \
        write it anew", .0.short())]
    BaseMissing(DraftId),
    /// It cannot be merged as it is.
    #[error("draft {} cannot be merged: {why}", .draft.short())]
    Unmergeable {
        /// Which draft.
        draft: DraftId,
        /// What stands in the way.
        why: String,
    },
    /// Another tool made changes in it that a deck does not take. None of them was taken.
    #[error("draft {} does not take what another tool wrote: {why}", .draft.short())]
    ForeignChange {
        /// Which draft.
        draft: DraftId,
        /// What the gate says.
        why: crate::gate::Refusal,
    },
    /// A reason is a sentence, not a page.
    #[error("the reason is longer than {} bytes", crate::limits::NOTE_BYTES_MAX)]
    ReasonTooLong,
    /// Accepting and declining are edits, and this device may not edit.
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl From<DeckError> for DraftError {
    fn from(error: DeckError) -> Self {
        Self::Edit(error.into())
    }
}

impl From<StoreHasFailed> for DraftError {
    fn from(error: StoreHasFailed) -> Self {
        Self::Edit(error.into())
    }
}

/// What accepting a draft would do to the deck as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftPreview {
    /// The cards that would be added, removed or changed, in the order of their ids.
    pub cards: Vec<CardDiff>,
    /// What the deck says of itself, now and then; `None` where that stays as it is.
    pub deck: Option<(DeckInfo, DeckInfo)>,
}

impl Log {
    /// The deck with a draft in it, as its author sees it: from where it was opened.
    pub(crate) fn with_draft(&self, draft: DraftId) -> Result<Document, DraftError> {
        self.branch_of(self.drafts.get(&draft).ok_or(DraftError::Unknown(draft))?)
    }

    fn branch_of(&self, entry: &DraftLog) -> Result<Document, DraftError> {
        let draft = entry.id();
        let unmergeable = |why: String| DraftError::Unmergeable { draft, why };
        let mut branch = self
            .branch_beside(entry.base)
            .map_err(|_| DraftError::BaseMissing(draft))?;
        let changes = entry.changes.iter().map(Vec::as_slice);
        branch
            .restore_more(changes)
            .map_err(|error| unmergeable(error.to_string()))?;
        Ok(branch)
    }

    fn read_draft<T>(&self, draft: DraftId, read: impl FnOnce(&Document) -> T) -> Result<T, DraftError> {
        let entry = self.drafts.get(&draft).ok_or(DraftError::Unknown(draft))?;
        match &entry.branch {
            Some(branch) => Ok(read(branch)),
            None => Ok(read(&self.with_draft(draft)?)),
        }
    }

    fn preview_draft(&self, draft: DraftId) -> Result<DraftPreview, DraftError> {
        let entry = self.drafts.get(&draft).ok_or(DraftError::Unknown(draft))?;
        let unmergeable = |why: String| DraftError::Unmergeable { draft, why };
        let mut merged = self.document.clone();
        let missing = |_| DraftError::BaseMissing(draft);
        self.complete(&mut merged, entry.base).map_err(missing)?;
        let changes = entry.changes.iter().map(Vec::as_slice);
        merged
            .restore_more(changes)
            .map_err(|error| unmergeable(error.to_string()))?;
        let (now, then) = (self.document.heads(), merged.heads());
        let cards = history::diff(&merged, &now, &then).unwrap_or_default();
        let (before, after) = (self.document.deck(), merged.deck());
        Ok(DraftPreview {
            cards,
            deck: (before != after).then_some((before, after)),
        })
    }
}

impl Core {
    /// Ends the writing of all open drafts of this device, for good: to be called when the disk has forgotten something
    /// that was saved. They can still be read, proposed and written anew; more is written in new ones.
    pub fn freeze_drafts(&mut self) {
        let me = self.device();
        for deck in self.decks() {
            let Ok(log) = self.log_mut(deck) else { continue };
            let mut batch = cuecard_store::Batch::default();
            for draft in log.drafts.values_mut().filter(|draft| draft.author == me) {
                draft.frozen = true;
                let image = draft.image();
                disk::put_draft(&mut batch, deck, draft.id(), &image);
            }
            if !batch.is_empty() {
                // The store tells of its loss only until something new is saved: this is the first.
                self.save(deck, batch, None);
            }
        }
    }

    /// The drafts of a deck that are known here.
    ///
    /// # Errors
    /// When the deck is not here.
    pub fn drafts(&self, deck: DeckId) -> Result<Vec<DraftInfo>, DeckError> {
        let log = self.log(deck)?;
        let offered = log.drafts.values().filter(|draft| log.is_offered(draft));
        Ok(offered.map(DraftLog::info).collect())
    }

    /// One draft.
    ///
    /// # Errors
    /// When it is not known here.
    pub fn draft(&self, deck: DeckId, draft: DraftId) -> Result<DraftInfo, DraftError> {
        let entry = self.log(deck)?.drafts.get(&draft);
        Ok(entry.ok_or(DraftError::Unknown(draft))?.info())
    }

    /// The cards of a deck with a draft in it, from where it was opened: what its author edits.
    ///
    /// # Errors
    /// When the draft is not known here.
    pub fn draft_cards(&self, deck: DeckId, draft: DraftId) -> Result<Vec<Card>, DraftError> {
        self.log(deck)?
            .read_draft(draft, |document| document.cards().collect())
    }

    /// One card of a deck with a draft in it; also a deleted one.
    ///
    /// # Errors
    /// When the draft is not known here.
    pub fn draft_card(
        &self,
        deck: DeckId,
        draft: DraftId,
        card: &CardId,
    ) -> Result<Option<Card>, DraftError> {
        self.log(deck)?.read_draft(draft, |document| document.card(card))
    }

    /// What accepting a draft would do to the deck as it is now: all of it, also what came to the deck since it was opened.
    ///
    /// # Errors
    /// When the draft is not known here, or cannot be merged.
    pub fn preview_draft(&self, deck: DeckId, draft: DraftId) -> Result<DraftPreview, DraftError> {
        self.log(deck)?.preview_draft(draft)
    }

    /// Tells the app what became of drafts since this was last called, and keeps the limit on those that are over.
    pub(in crate::core) fn tell_drafts(&mut self, deck: DeckId) {
        let me = self.device();
        let Ok(log) = self.log_mut(deck) else { return };
        let news = std::mem::take(&mut log.words.news);
        if news.is_empty() {
            return;
        }
        let mut batch = cuecard_store::Batch::default();
        log.drop_closed_drafts(me, &mut batch);
        if !batch.is_empty() {
            self.save(deck, batch, None);
        }
        for (draft, author, news) in news {
            self.event(match news {
                News::Proposed => Event::DraftProposed { deck, draft, author },
                News::Accepted => Event::DraftAccepted { deck, draft, author },
                News::Declined { by, reason } => Event::DraftDeclined {
                    deck,
                    draft,
                    author,
                    by,
                    reason,
                },
                News::Withdrawn => Event::DraftWithdrawn { deck, draft, author },
                News::Reopened => Event::DraftReopened { deck, draft, author },
            });
        }
        // Who decides on one wants to hear it.
        self.pull_audio();
    }
}
