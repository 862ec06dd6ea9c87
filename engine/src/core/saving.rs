//! What becomes true when the disk has something, and what is written of its own accord.

use cuecard_store::Batch;

use super::drafts::DraftSaved;
use super::log::Log;
use super::{CompactWhen, Core, Output, Ticket};
use crate::event::Event;
use crate::id::DeckId;
use crate::role::RecordId;
use crate::sync::message::Position;

/// So many times more than else is in the log before it is compacted, while a deck grows by what others send.
const GROWING: u8 = 128;

/// What becomes true when a batch is durable.
#[derive(Debug)]
pub(super) struct Saving {
    pub(super) deck: DeckId,
    /// Where the deck's canonical path stood in that batch.
    pub(super) position: Option<Position>,
    /// The newest charter then.
    pub(super) charter: Option<RecordId>,
    /// What of a draft may be spoken of then.
    pub(super) draft: Option<DraftSaved>,
    /// Whether it holds something beside that path.
    pub(super) beside: bool,
}

impl Core {
    pub(super) fn save(&mut self, deck: DeckId, batch: Batch, draft: Option<DraftSaved>) -> Ticket {
        let ticket = Ticket(self.number());
        let log = self.log(deck).ok();
        let (position, charter) = (log.map(Log::position), log.and_then(Log::newest_charter));
        let beside = self.log_mut(deck).is_ok_and(Log::take_beside_unsaved);
        self.saving.insert(
            ticket,
            Saving {
                deck,
                position,
                charter,
                draft,
                beside,
            },
        );
        self.outputs.push_back(Output::Save { ticket, batch });
        let mut when = self.compact_when;
        // More is coming: a snapshot of now would be of a part, and take as long. But that it comes is another's word.
        if self.is_held(deck) {
            when.changes = when.changes.saturating_mul(GROWING.into());
            when.bytes = when.bytes.saturating_mul(GROWING.into());
        }
        if let Ok(log) = self.log_mut(deck) {
            log.compact_when_due(when, ticket);
        }
        ticket
    }

    pub(super) fn saved(&mut self, ticket: Ticket, result: Result<(), String>) {
        let saving = self.saving.remove(&ticket);
        if let Err(why) = result {
            return self.fail_store(why);
        }
        self.removal_is_saved(ticket);
        let Some(Saving {
            deck,
            position,
            charter,
            draft,
            ..
        }) = saving
        else {
            return;
        };
        if self.store_failed.is_some() {
            return;
        }
        let mut is_new_charter = false;
        if let (Some(position), Ok(log)) = (position, self.log_mut(deck)) {
            log.set_durable(position);
            log.is_kept = true;
            is_new_charter = std::mem::replace(&mut log.charter_on_disk, charter) != charter;
        }
        if let (Some(draft), Ok(log)) = (draft, self.log_mut(deck)) {
            log.draft_saved(draft);
        }
        // Batches of all decks become durable in one order.
        for (&deck, state) in &mut self.decks {
            if let Some(snapshot) = state.log.as_mut().and_then(|log| log.take_snapshot(ticket)) {
                self.outputs.push_back(Output::PutSnapshot { deck, snapshot });
            }
        }
        self.key_is_saved(deck, ticket);
        self.pass_on_saved_key(deck, ticket, is_new_charter);
        self.after_durable(deck);
    }

    /// A snapshot is durable, or could not be made so. Without it the log is whole all the same.
    pub(super) fn snapshot_put(&mut self, deck: DeckId, result: Result<(), String>) {
        let Ok(log) = self.log_mut(deck) else { return };
        if let Err(why) = result {
            log.snapshot_failed();
            return self.event(Event::CompactionFailed { deck, why });
        }
        let mut batch = Batch::default();
        log.snapshot_put(&mut batch);
        if self.store_failed.is_none() && !batch.is_empty() {
            self.save(deck, batch, None);
        }
    }

    /// Before the engine is closed: what was logged since the snapshots goes into new ones, so that it opens as fast as a
    /// snapshot loads. Fewer changes than this are not worth writing one.
    pub(crate) fn compact_to_close(&mut self) {
        const TAIL_MIN: u64 = 100;
        let when = CompactWhen {
            changes: TAIL_MIN,
            bytes: usize::MAX,
        };
        let newest = self.saving.keys().next_back().copied();
        if self.store_failed.is_some() {
            return;
        }
        for (&deck, state) in &mut self.decks {
            let Some(log) = &mut state.log else { continue };
            log.compact_when_due(when, newest.unwrap_or(Ticket(0)));
            if newest.is_none()
                && let Some(snapshot) = log.take_snapshot(Ticket(0))
            {
                self.outputs.push_back(Output::PutSnapshot { deck, snapshot });
            }
        }
    }

    /// When decks are compacted; for tests, which cannot make thousands of changes to see it happen.
    #[doc(hidden)]
    pub fn set_compact_when(&mut self, when: CompactWhen) {
        self.compact_when = when;
    }
}
