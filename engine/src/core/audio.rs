//! Pulling the audio that cards refer to, and serving it to others.

use std::collections::BTreeSet;

use bytes::Bytes;
use cuecard_transport::Lane;

use crate::blob::fetch::Held;
use crate::blob::frame::{FRAME_GROUPS, FrameHeader};
use crate::blob::named::DeckAudio;
use crate::blob::progress::BlobProgress;
use crate::blob::pulling::{Arrived, BAN};
use crate::card::AudioRef;
use crate::core::log::Log;
use crate::core::{BlobDone, BlobTask, Core, DeckError, DeckState, LinkId, Output, WriteResult};
use crate::document::DeckChange;
use crate::event::Event;
use crate::id::{BlobId, CardId, DeckId};
use crate::limits::SERVING_BYTES_MAX;
use crate::sync::message::Message;
use crate::time::Time;

/// Bytes of a frame of audio, at the most.
const FRAME_BYTES: usize = FRAME_GROUPS as usize * cuecard_store::GROUP_BYTES as usize;

impl Core {
    /// How far the audio has come that is wanted here.
    #[must_use]
    pub fn audio(&self) -> Vec<BlobProgress> {
        self.fetches.progress(self.now)
    }

    /// How far one piece of audio has come, if any deck names it.
    #[must_use]
    pub fn audio_progress(&self, blob: BlobId) -> Option<BlobProgress> {
        self.fetches.progress_of(self.now, blob)
    }

    /// Whether a piece of audio that is not here is to come: a card names it, or the app asked for it.
    pub(crate) fn expects_audio(&self, blob: BlobId) -> bool {
        let mut decks = self.decks.values();
        decks.any(|state| state.audio.names_now(blob)) || self.fetches.is_asked_for(blob)
    }

    /// The card that a person looks at: its audio goes before all other.
    ///
    /// # Errors
    /// When the deck is not followed here.
    pub fn focus_audio(&mut self, now: Time, deck: DeckId, card: Option<CardId>) -> Result<(), DeckError> {
        self.set_now(now);
        self.deck_audio(deck)?.set_focus(card);
        self.pull_audio();
        Ok(())
    }

    /// The cards that the app shows: their audio goes before that of others, and is all that is pulled by itself under
    /// [`AudioPolicy::Visible`](super::AudioPolicy::Visible).
    ///
    /// # Errors
    /// When the deck is not followed here.
    pub fn show_audio(&mut self, now: Time, deck: DeckId, cards: BTreeSet<CardId>) -> Result<(), DeckError> {
        self.set_now(now);
        self.deck_audio(deck)?.set_shown(cards);
        self.pull_audio();
        Ok(())
    }

    /// Asks for one piece of audio, whatever the policy says.
    ///
    /// # Errors
    /// When the deck is not followed here.
    pub fn ask_for_audio(&mut self, now: Time, deck: DeckId, audio: &AudioRef) -> Result<(), DeckError> {
        self.set_now(now);
        self.deck_audio(deck)?;
        self.fetches.ask_for(deck, audio.blob, audio.bytes);
        self.pull_audio();
        Ok(())
    }

    fn deck_audio(&mut self, deck: DeckId) -> Result<&mut DeckAudio, DeckError> {
        let unknown = DeckError::Unknown(deck);
        Ok(&mut self.decks.get_mut(&deck).ok_or(unknown)?.audio)
    }

    /// What was just done to a deck may name other audio.
    pub(super) fn note_audio(&mut self, deck: DeckId, changes: &[DeckChange]) {
        let policy = self.policies(deck).audio;
        let Some((audio, log)) = audio_and_log(self.decks.get_mut(&deck)) else {
            return;
        };
        let mut named = BTreeSet::new();
        for change in changes {
            let card = match change {
                DeckChange::CardAdded { card } | DeckChange::CardRestored { card } => &card.id,
                DeckChange::AudioAttached { card, .. }
                | DeckChange::AudioDetached { card, .. }
                | DeckChange::CardDeleted { card }
                | DeckChange::CardTakenOut { card } => card,
                DeckChange::CardMoved { card, .. } => {
                    audio.moved(card);
                    continue;
                }
                _ => continue,
            };
            audio.set_card(card.clone(), &log.document.audio_of(card));
            // Where it stands among others is worked out when there is time.
            for &(blob, size) in audio.of_card(card) {
                let wish = audio.wish(card, u32::MAX, policy);
                self.fetches.name(deck, blob, size, wish);
                named.insert(blob);
            }
        }
        self.tell_who_asked(named);
    }

    /// A deck was opened.
    pub(super) fn note_all_audio(&mut self, deck: DeckId) {
        self.fetches.forget_deck(deck);
        let Some((audio, log)) = audio_and_log(self.decks.get_mut(&deck)) else {
            return;
        };
        for (card, of_card) in log.document.audio_by_card() {
            audio.set_card(card, &of_card);
        }
    }

    /// Works out anew what is wanted, where it may be something else than it was.
    fn rank_audio(&mut self) {
        let now = self.now;
        let decks: Vec<DeckId> = self.decks.keys().copied().collect();
        for deck in decks {
            let policy = self.policies(deck).audio;
            let Some((audio, log)) = audio_and_log(self.decks.get_mut(&deck)) else {
                continue;
            };
            note_drafts(audio, log);
            let Some(at) = audio.ranks_at(now) else { continue };
            if at > now {
                self.outputs.push_back(Output::WakeAt(at));
                continue;
            }
            let is_editor = log.chain.canonical().editor == Some(self.key.id());
            let wishes = audio.wishes(now, log.document.card_ids(), policy, is_editor);
            self.fetches.set_wishes(deck, &wishes);
        }
    }

    /// Asks for what is missing, gives up what has stalled, and sees to being woken for the next look.
    pub(super) fn pull_audio(&mut self) {
        #[cfg(feature = "sim")]
        if crate::sim::is_broken(crate::sim::Rule::PullAudio) {
            return;
        }
        self.rank_audio();
        // Most decks have no audio, and this is asked whenever the clock is looked at.
        if self.fetches.is_empty() {
            return;
        }
        for (&link, state) in &self.links {
            let sessions = state.sessions.iter();
            let decks = sessions
                .filter(|(_, session)| session.heard)
                .map(|(&deck, _)| deck);
            self.fetches.set_source(self.now, link, state.peer, decks);
        }
        for blob in self.fetches.check_stalls(self.now) {
            // The last word on it, until more comes.
            if let Some(progress) = self.fetches.progress_of(self.now, blob) {
                let bytes_per_second = 0;
                self.event(Event::Audio(BlobProgress {
                    bytes_per_second,
                    ..progress
                }));
            }
        }
        for (blob, size) in self.fetches.next_to_open(self.now) {
            self.outputs
                .push_back(Output::Blob(BlobTask::Open { blob, size }));
        }
        for pull in self.fetches.assign(self.now) {
            let (first, count) = (pull.groups.start, pull.groups.end - pull.groups.start);
            let message = Message::Pull {
                transfer: pull.transfer,
                blob: pull.blob,
                first,
                count,
                size: pull.size,
            };
            self.send(pull.link, &message);
        }
        if let Some(at) = self.fetches.wakes_at(self.now) {
            self.outputs.push_back(Output::WakeAt(at));
        }
    }

    /// The other side asks for a part of a blob.
    pub(super) fn serve_pull(
        &mut self,
        link: LinkId,
        transfer: u32,
        of: (BlobId, u64),
        first: u32,
        count: u32,
    ) {
        let (blob, size) = of;
        let (may_have, now) = (self.may_have(link, blob), self.now);
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        if !may_have {
            state.note_asked(blob);
        }
        let bytes = (count.div_ceil(FRAME_GROUPS) as usize).saturating_mul(FRAME_BYTES);
        // What it may not have is answered as what there is not: at once, whatever lies on the disk.
        let (true, Some(end), true) = (
            may_have && count > 0,
            first.checked_add(count),
            state.serving.saturating_add(bytes) <= SERVING_BYTES_MAX,
        ) else {
            return self.send(link, &Message::Lack { transfer });
        };
        state.serving += bytes;
        state.note_served(now, blob);
        let mut group = first;
        while group < end {
            let groups = group..end.min(group.saturating_add(FRAME_GROUPS));
            group = groups.end;
            self.outputs.push_back(Output::Blob(BlobTask::Encode {
                link,
                transfer,
                blob,
                size,
                groups,
            }));
        }
    }

    /// Whether a deck that both sides of a link share names this very blob: now, or at any time that is still in its log.
    fn may_have(&mut self, link: LinkId, blob: BlobId) -> bool {
        let Some(link) = self.links.get(&link) else {
            return false;
        };
        for deck in link.sessions.keys() {
            let Some(state) = self.decks.get_mut(deck) else {
                continue;
            };
            let Some(log) = &state.log else { continue };
            if state.audio.names(blob) {
                return true;
            }
            // Once a deck and run, for whichever blob: that it takes a moment says nothing of this one.
            if !state.audio.is_past_known() {
                state.audio.learn_past(log.document.audio_since(&[]));
            }
            note_drafts(&mut state.audio, log);
            if state.audio.names(blob) {
                return true;
            }
        }
        false
    }

    /// A frame of audio came.
    pub(super) fn receive_frame(&mut self, link: LinkId, mut frame: Bytes) {
        let Some((header, slice)) = FrameHeader::split(&frame) else {
            return self.refuse(link, "a frame of audio without a header".to_owned());
        };
        let slice_at = frame.len() - slice.len();
        let slice = frame.split_off(slice_at);
        let FrameHeader { transfer, group } = header;
        if let Some(arrived) = self.fetches.arrived(self.now, link, transfer, group) {
            let Arrived { blob, size, groups } = arrived;
            self.outputs.push_back(Output::Blob(BlobTask::Write {
                link,
                transfer,
                blob,
                size,
                groups,
                slice,
            }));
        }
        // There is room for more now: the path must not run dry while the disk is busy.
        self.pull_audio();
    }

    pub(super) fn blob_done(&mut self, done: BlobDone) {
        match done {
            BlobDone::Opened { blob, held } => {
                self.fetches.opened(self.now, blob, &held);
                match held {
                    Held::Whole => self.audio_is_whole(blob),
                    // Looking takes no room.
                    Held::Failed(why) => self.event(Event::AudioFailed {
                        blob,
                        why,
                        no_room: false,
                    }),
                    Held::Groups(_) => {}
                }
            }
            BlobDone::Encoded {
                link,
                transfer,
                blob,
                frame,
                damaged,
            } => {
                if damaged {
                    self.fetches.look_anew(blob);
                }
                self.send_frame(link, transfer, blob, frame);
            }
            BlobDone::Written {
                link,
                blob,
                groups,
                result,
                ..
            } => match result {
                WriteResult::Part => {
                    let progress = self.fetches.written(self.now, link, blob, &groups, false);
                    if let Some(progress) = progress {
                        self.event(Event::Audio(progress));
                    }
                }
                WriteResult::Whole => {
                    self.fetches.written(self.now, link, blob, &groups, true);
                    self.audio_is_whole(blob);
                }
                WriteResult::Wrong => {
                    // As a source of audio it is no longer believed. Its log is checked by itself, and goes on.
                    if let Some(device) = self.fetches.wrong(self.now, link, blob, &groups) {
                        tracing::warn!(device = %device.short(), blob = %blob.short(), "it sent wrong bytes");
                        self.event(Event::AudioSourceBanned {
                            device,
                            blob,
                            lasts: BAN,
                        });
                    }
                }
                WriteResult::Failed { why, no_room } => {
                    tracing::warn!(blob = %blob.short(), why, "audio cannot be kept");
                    self.fetches.not_kept(self.now, link, blob, &groups);
                    self.event(Event::AudioFailed { blob, why, no_room });
                }
            },
            BlobDone::Collected { ticket, result } => self.audio_collected(ticket, result),
        }
        self.pull_audio();
    }

    /// A blob is whole here: the app hears so, and those who asked for it when it was not.
    fn audio_is_whole(&mut self, blob: BlobId) {
        if let Some(progress) = self.fetches.progress_of(self.now, blob) {
            self.event(Event::Audio(progress));
        }
        self.tell_who_asked([blob].into());
    }

    /// These may be had now, perhaps: they came, or a deck names them now. Who asked for one before is told, if it is here.
    /// One that is not wanted here is not looked for: it is told of all the same, and may be asked for in vain.
    fn tell_who_asked(&mut self, blobs: BTreeSet<BlobId>) {
        let asked = |state: &super::LinkState| state.asks.intersection(&blobs).copied().collect();
        let asked: Vec<(LinkId, Vec<BlobId>)> = self
            .links
            .iter()
            .map(|(&link, state)| (link, asked(state)))
            .collect();
        for (link, blobs) in asked {
            for blob in blobs {
                if !self.fetches.is_to_come(blob) && self.may_have(link, blob) {
                    if let Some(state) = self.links.get_mut(&link) {
                        state.asks.remove(&blob);
                    }
                    self.send(link, &Message::Have { blob });
                }
            }
        }
    }

    /// A deck is spoken of now that was not before: what was asked for may be in it.
    pub(super) fn tell_what_was_asked(&mut self, link: LinkId) {
        let asked = self.links.get(&link).map(|state| state.asks.clone());
        self.tell_who_asked(asked.unwrap_or_default());
    }

    fn send_frame(&mut self, link: LinkId, transfer: u32, blob: BlobId, frame: Option<Bytes>) {
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        state.serving = state.serving.saturating_sub(FRAME_BYTES);
        match frame {
            None => {
                state.note_asked(blob);
                self.send(link, &Message::Lack { transfer });
            }
            Some(bytes) => self.outputs.push_back(Output::Send {
                link,
                lane: Lane::Binary,
                bytes,
            }),
        }
    }

    /// The other side has now what it lacked when it was asked.
    pub(super) fn take_have(&mut self, link: LinkId, blob: BlobId) {
        self.fetches.has_now(link, blob);
        self.pull_audio();
    }
}

/// What a deck that is open names.
fn audio_and_log(state: Option<&mut DeckState>) -> Option<(&mut DeckAudio, &mut Log)> {
    let state = state?;
    Some((&mut state.audio, state.log.as_mut()?))
}

/// Looks through the drafts for audio, if they are not those that were looked through before.
fn note_drafts(audio: &mut DeckAudio, log: &Log) {
    if audio.are_other_drafts(log.drafts_with_audio()) {
        audio.set_drafts(log.drafts_with_audio(), log.audio_of_drafts());
    }
}
