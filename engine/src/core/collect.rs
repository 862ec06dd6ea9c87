//! Which audio nobody needs any more, and when it goes.
//!
//! Kept is what a card names that is not deleted (what is in conflict with it, too), what an own or a proposed draft
//! names, what late work names, what undoing the last edits of this device would bring back, and what is on its way, here or to another
//! device.
//! All else goes when it was not needed for the grace period; what showed it in the past then says that it is no longer
//! kept. Changes that name it again find it gone, and pull it from who has it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cuecard_store::{BlobHash, Collected, Grace};

use crate::core::draft_log::DraftLog;
use crate::core::log::Log;
use crate::core::{BlobTask, Core, Output, Ticket};
use crate::document::audio::audio_in_change;
use crate::event::Event;
use crate::history::WriterKind;
use crate::id::{BlobId, ChangeHash, DeviceId, DraftId};
use crate::limits::UNDO_KEEPS_AUDIO_OF;
use crate::time::Time;

/// Not at once: opening an engine is to be quick, and much goes on then.
const FIRST_AFTER: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long audio stays that nobody needs.
pub(super) const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// When audio is collected.
#[derive(Debug)]
pub(super) struct Collecting {
    grace: Duration,
    next: Option<Time>,
}

impl Default for Collecting {
    fn default() -> Self {
        Self {
            grace: GRACE,
            next: None,
        }
    }
}

impl Core {
    /// How long audio stays that nobody needs.
    pub fn set_audio_grace(&mut self, grace: Duration) {
        self.collecting.grace = grace;
    }

    /// Collects the audio that nobody needs; [`Output::Collected`] says what came of it.
    pub fn collect_audio(&mut self, now: Time) -> Ticket {
        self.set_now(now);
        let ticket = Ticket(self.number());
        let grace = Grace {
            now_ms: self.now.as_millis(),
            period_ms: u64::try_from(self.collecting.grace.as_millis()).unwrap_or(u64::MAX),
        };
        let live = self.live_audio().into_iter().map(BlobHash::from).collect();
        self.collecting.next = Some(self.now + EVERY);
        self.outputs
            .push_back(Output::Blob(BlobTask::Collect { ticket, live, grace }));
        ticket
    }

    /// Does so by itself, a while after opening and then once a day.
    pub(super) fn collect_in_time(&mut self, is_tick: bool) {
        let is_first = self.collecting.next.is_none();
        let next = *self.collecting.next.get_or_insert(self.now + FIRST_AFTER);
        if next > self.now {
            if is_first || is_tick {
                self.outputs.push_back(Output::WakeAt(next));
            }
        } else if self.store_failed.is_none() && self.closed.is_empty() {
            self.collect_audio(self.now);
        } else {
            // A deck that cannot be opened names audio that nobody can tell: then nothing goes.
            self.collecting.next = Some(self.now + EVERY);
        }
    }

    /// Whether a deck is kept that cannot be opened: what it needs is not known.
    pub(crate) fn knows_all_decks(&self) -> bool {
        self.closed.is_empty()
    }

    /// The audio that is needed.
    #[must_use]
    pub fn live_audio(&self) -> BTreeSet<BlobId> {
        let me = self.device();
        let mut live: BTreeSet<BlobId> = self.fetches.in_use().collect();
        live.extend(self.links.values().flat_map(|link| link.being_served(self.now)));
        for log in self.decks.values().filter_map(|state| state.log.as_ref()) {
            live.extend(log.document.audio_now());
            live.extend(log.audio_of_drafts().keys());
            live.extend(log.audio_aside());
            live.extend(log.audio_of_undo(me));
        }
        live
    }

    pub(super) fn audio_collected(&mut self, ticket: Ticket, result: Result<Collected, String>) {
        match &result {
            Ok(collected) if collected.deleted > 0 => self.event(Event::AudioCollected {
                deleted: collected.deleted,
                deleted_bytes: collected.deleted_bytes,
            }),
            Ok(_) => {}
            Err(why) => tracing::warn!(why, "audio that nobody needs could not be deleted"),
        }
        self.outputs.push_back(Output::Collected { ticket, result });
    }
}

impl Log {
    /// What drafts name that may still become part of the deck.
    pub(in crate::core) fn audio_of_drafts(&self) -> BTreeMap<BlobId, u64> {
        let mut named = BTreeMap::new();
        for (_, draft) in self.open_drafts() {
            named.extend(draft.changes.iter().flat_map(|change| audio_in_change(change)));
        }
        named
    }

    /// The drafts that these are, each with its last change.
    pub(in crate::core) fn drafts_with_audio(&self) -> impl Iterator<Item = (DraftId, ChangeHash)> {
        self.open_drafts().map(|(id, draft)| (*id, draft.head()))
    }

    /// A closed one can be proposed again: by its author as it is, and its author has the audio.
    fn open_drafts(&self) -> impl Iterator<Item = (&DraftId, &DraftLog)> {
        self.drafts.iter().filter(|(_, draft)| !draft.is_accepted())
    }

    /// What undoing and redoing this device's last edits can bring back.
    fn audio_of_undo(&self, me: DeviceId) -> BTreeSet<BlobId> {
        let is_own = |actor: &automerge::ActorId| {
            let writer = self.writers.get(actor);
            writer.is_some_and(|writer| writer.device == me && matches!(writer.kind, WriterKind::Term(_)))
        };
        let before = self.document.before_last_of(UNDO_KEEPS_AUDIO_OF, is_own);
        before
            .map(|heads| self.document.audio_since(&heads))
            .unwrap_or_default()
    }
}
