//! Playback: what the editor plays, and where it is, by the editor's clock.
//!
//! The editor says from which moment on something is to be heard, a little ahead of now, and says it again every few
//! seconds. Each that passes it on says how far the editor's clock is ahead of its own, so everybody knows the editor's
//! time: best by asking the editor itself, else hop by hop. It belongs to the editor's time: when the role goes to another
//! device, what was played is over.

use std::time::Duration;

use bytes::Bytes;

use crate::core::log::Log;
use crate::core::rate::Paced;
use crate::core::{Core, DeckError, LinkId};
use crate::event::Event;
use crate::id::{BlobId, CardId, DeckId, DeviceId};
use crate::limits::{
    PLAYBACK_BYTES_MAX, PLAYBACK_EVERY, PLAYBACK_LEAD_MAX, PLAYBACKS_PER_SECOND_FLOOD,
    PLAYBACKS_PER_SECOND_MAX,
};
use crate::role::{Malformed, Playing, Rights, Signed, Track, Verified};
use crate::sync::clock::Offset;
use crate::sync::message::Message;
use crate::time::Time;

/// The time between a person's hand and what is heard, unless something else is set: longer than most paths, so that all
/// begin together.
pub(super) const LEAD: Duration = Duration::from_millis(250);
/// The editor says what it plays this often, though nothing changed.
pub(super) const AGAIN_EVERY: Duration = Duration::from_secs(3);
/// Who has heard nothing of the editor for so long, stops: it can no longer be paused.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(12);

/// What is played in one deck.
#[derive(Debug)]
pub(crate) struct Playback {
    lead: Duration,
    paced: Paced,
    /// As the editor: when to say it again.
    again: Time,
    /// The last number that was used here or heard, and whose it is.
    last: Option<(DeviceId, u64)>,
    heard: Option<Heard>,
    /// What came under a term that is not here yet.
    early: Option<Early>,
    /// What the app was last told of.
    told: Option<(Track, bool)>,
}

impl Default for Playback {
    fn default() -> Self {
        Self {
            lead: LEAD,
            paced: Paced::default(),
            again: Time::default(),
            last: None,
            heard: None,
            early: None,
            told: None,
        }
    }
}

/// What the editor said last: this device, if it is the editor.
#[derive(Debug)]
struct Heard {
    said: Verified<Playing>,
    /// What goes on until that begins.
    before: Option<Track>,
    at: Time,
    by: Option<LinkId>,
    /// Whether it was passed on with the editor's time.
    with_clock: bool,
}

#[derive(Debug)]
struct Early {
    link: LinkId,
    bytes: Bytes,
    clock: Option<Offset>,
    by: DeviceId,
    until: Time,
}

impl Playback {
    /// Whether something is played, or stands still, or will when the editor's time is known.
    pub(super) fn is_on(&self) -> bool {
        let waits = |heard: &Heard| heard.said.track.is_some() && !heard.with_clock;
        self.told.is_some() || self.heard.as_ref().is_some_and(waits)
    }
}

/// What should be heard now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NowPlaying {
    /// On which card.
    pub card: CardId,
    /// In which slot of it.
    pub slot: String,
    /// Which audio.
    pub blob: BlobId,
    /// At which place of it.
    pub position: Duration,
    /// How long it is, if that is known.
    pub length: Option<Duration>,
    /// Whether it goes on; else it stands still there.
    pub is_playing: bool,
    /// If it has not begun: after how long it does.
    pub starts_in: Duration,
    /// How far the position may be from what the editor hears: the editor's time is known so well.
    pub uncertainty: Duration,
}

/// Why nothing is played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaybackError {
    /// Only the editor plays for all.
    #[error("only the editor plays for everybody; ask it for the role, or play on this device alone")]
    NotEditor,
    /// There is no such audio.
    #[error("the card {card} has no audio in its slot {slot:?}; attach some first")]
    NoAudio {
        /// On which card.
        card: CardId,
        /// In which slot.
        slot: String,
    },
    /// Nothing is played that could be paused or moved.
    #[error("nothing is played; begin with `play`")]
    Nothing,
    /// The lead is too long.
    #[error("a lead of more than {} ms feels broken; set a shorter one", PLAYBACK_LEAD_MAX.as_millis())]
    Lead,
    /// The fields are beyond their limits.
    #[error("this cannot be played: {0}")]
    Form(#[from] Malformed),
    /// The deck is not here.
    #[error(transparent)]
    Deck(#[from] DeckError),
}

/// Why something that a device played counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PlaybackRefusal {
    /// It is not by the editor.
    #[error("only the editor plays for everybody, and it is another device")]
    NotEditor,
    /// It was said before.
    #[error("it was said before, and is over")]
    Replayed,
    /// It is from the time of an earlier editor.
    #[error("it was said under a term that is over")]
    OldTerm,
}

/// Where a track is at a moment, and whether it goes on; `None`: it has ended.
fn place(track: &Track, at: Time) -> Option<(u64, bool)> {
    let start = Time::from_millis(track.start_at_ms);
    let begins = u64::from(track.position_ms);
    if !track.is_playing {
        return Some((begins, false));
    }
    let passed = u64::try_from(at.since(start).as_millis()).unwrap_or(u64::MAX);
    let position = begins.saturating_add(passed);
    let has_ended = track.length_ms > 0 && position >= u64::from(track.length_ms);
    (!has_ended).then_some((position, at >= start))
}

/// When a track ends by itself, on the editor's clock.
fn end(track: &Track) -> Option<Time> {
    let ends = track.is_playing && track.length_ms > 0;
    let left = Duration::from_millis(u64::from(track.length_ms.saturating_sub(track.position_ms)));
    ends.then(|| Time::from_millis(track.start_at_ms) + left)
}

impl Heard {
    /// Which track is in effect: the one before, until the next begins.
    fn in_effect(&self, at: Time) -> Option<&Track> {
        let next = self.said.track.as_ref();
        let starts = next.map_or(0, |track| track.start_at_ms);
        let before = self.before.as_ref().filter(|_| at.as_millis() < starts);
        before.filter(|before| place(before, at).is_some()).or(next)
    }
}

impl Core {
    /// Plays audio of a card for everybody, from a place on. Leaves ten times a second at the most, the latest.
    ///
    /// # Errors
    /// By any device but the editor, and when the card has no such audio.
    pub fn play(
        &mut self,
        now: Time,
        deck: DeckId,
        card: &CardId,
        slot: &str,
        from: Duration,
    ) -> Result<(), PlaybackError> {
        self.set_now(now);
        let shown = self.log(deck)?.document.card(card).filter(|card| !card.deleted);
        let audio = shown.and_then(|shown| shown.audio.get(slot).cloned());
        let audio = audio.ok_or_else(|| PlaybackError::NoAudio {
            card: card.clone(),
            slot: slot.to_owned(),
        })?;
        let length_ms = u32::try_from(audio.duration_ms).unwrap_or(u32::MAX);
        let track = Track {
            card: card.clone(),
            slot: slot.to_owned(),
            blob: audio.blob,
            length_ms,
            position_ms: within(from, length_ms),
            start_at_ms: self.lead_from_now(deck),
            is_playing: true,
        };
        self.say(deck, Some(track))
    }

    /// What is played stands still, for everybody, once the lead is over.
    ///
    /// # Errors
    /// By any device but the editor, and when nothing is played.
    pub fn pause(&mut self, now: Time, deck: DeckId) -> Result<(), PlaybackError> {
        self.change_track(now, deck, |track| track.is_playing = false)
    }

    /// What stands still goes on.
    ///
    /// # Errors
    /// By any device but the editor, and when nothing is played.
    pub fn go_on_playing(&mut self, now: Time, deck: DeckId) -> Result<(), PlaybackError> {
        self.change_track(now, deck, |track| track.is_playing = true)
    }

    /// Goes to another place of what is played.
    ///
    /// # Errors
    /// By any device but the editor, and when nothing is played.
    pub fn seek(&mut self, now: Time, deck: DeckId, to: Duration) -> Result<(), PlaybackError> {
        self.change_track(now, deck, |track| track.position_ms = within(to, track.length_ms))
    }

    /// Nothing is played any more.
    ///
    /// # Errors
    /// By any device but the editor, and when nothing is played.
    pub fn stop(&mut self, now: Time, deck: DeckId) -> Result<(), PlaybackError> {
        self.set_now(now);
        self.check_plays(deck)?;
        self.say(deck, None)
    }

    /// How long after a command by this device it takes effect everywhere: as long as the message takes to most. 250 ms
    /// if it was never set.
    ///
    /// # Errors
    /// When it is longer than two seconds, and when the deck is not followed here.
    pub fn set_playback_lead(&mut self, deck: DeckId, lead: Duration) -> Result<(), PlaybackError> {
        if lead > PLAYBACK_LEAD_MAX {
            return Err(PlaybackError::Lead);
        }
        let unknown = self.not_here(deck);
        let state = self.decks.get_mut(&deck).ok_or(unknown)?;
        state.live.playback.lead = lead;
        Ok(())
    }

    /// What should be heard now; `None`: nothing, or the editor's time is not known yet.
    ///
    /// # Errors
    /// When the deck is not here.
    pub fn playback(&self, now: Time, deck: DeckId) -> Result<Option<NowPlaying>, DeckError> {
        self.log(deck)?;
        let now = self.now.max(now);
        let heard = self.decks.get(&deck);
        let heard = heard.and_then(|state| state.live.playback.heard.as_ref());
        let offset = heard.and_then(|heard| self.editor_time(deck, heard.said.signer));
        Ok(heard.zip(offset).and_then(|(heard, offset)| {
            let at = offset.there(now);
            let track = heard.in_effect(at)?;
            let (position_ms, is_playing) = place(track, at)?;
            let starts = Time::from_millis(track.start_at_ms);
            Some(NowPlaying {
                card: track.card.clone(),
                slot: track.slot.clone(),
                blob: track.blob,
                position: Duration::from_millis(position_ms),
                length: Some(Duration::from_millis(track.length_ms.into()))
                    .filter(|length| !length.is_zero()),
                is_playing,
                starts_in: starts.since(at),
                uncertainty: Duration::from_millis(offset.uncertainty_ms.into()),
            })
        }))
    }

    fn lead_from_now(&self, deck: DeckId) -> u64 {
        let state = self.decks.get(&deck);
        let lead = state.map_or(LEAD, |state| state.live.playback.lead);
        (self.now + lead).as_millis()
    }

    /// What this device plays as the editor.
    fn check_plays(&self, deck: DeckId) -> Result<&Heard, PlaybackError> {
        if self.log(deck)?.chain.canonical().editor != Some(self.device()) {
            return Err(PlaybackError::NotEditor);
        }
        let heard = self.decks.get(&deck);
        let heard = heard.and_then(|state| state.live.playback.heard.as_ref());
        let heard = heard.filter(|heard| heard.said.track.is_some());
        heard.ok_or(PlaybackError::Nothing)
    }

    /// What is played goes on otherwise from where it will be when the lead is over.
    fn change_track(
        &mut self,
        now: Time,
        deck: DeckId,
        change: impl FnOnce(&mut Track),
    ) -> Result<(), PlaybackError> {
        self.set_now(now);
        let start_at_ms = self.lead_from_now(deck);
        let heard = self.check_plays(deck)?;
        let then = Time::from_millis(start_at_ms);
        let mut track = heard.in_effect(then).ok_or(PlaybackError::Nothing)?.clone();
        let (position_ms, _) = place(&track, then).ok_or(PlaybackError::Nothing)?;
        track.position_ms = u32::try_from(position_ms).unwrap_or(u32::MAX);
        track.start_at_ms = start_at_ms;
        change(&mut track);
        self.say(deck, Some(track))
    }

    /// As the editor: signs what is played from now on, and lets it leave.
    fn say(&mut self, deck: DeckId, track: Option<Track>) -> Result<(), PlaybackError> {
        let said = self.signed(deck, track)?;
        let now = self.now;
        let Some(state) = self.decks.get_mut(&deck) else {
            return Ok(());
        };
        let playback = &mut state.live.playback;
        playback.note(said, now, now, None);
        if playback.paced.may_leave(now, PLAYBACK_EVERY) {
            self.send_playback(deck, None);
        }
        self.keep_live(false);
        Ok(())
    }

    fn signed(&mut self, deck: DeckId, track: Option<Track>) -> Result<Verified<Playing>, PlaybackError> {
        let (now, me) = (self.now, self.device());
        let canonical = self.log(deck)?.chain.canonical();
        if canonical.editor != Some(me) {
            return Err(PlaybackError::NotEditor);
        }
        let term = canonical.tip;
        let last = self.decks.get(&deck).and_then(|state| state.live.playback.last);
        let last = last.filter(|(whose, _)| *whose == me);
        let sequence = last
            .map_or(0, |(_, last)| last.saturating_add(1))
            .max(now.as_millis());
        let said = Playing {
            deck,
            term,
            signer: me,
            sequence,
            said_ms: now.as_millis(),
            track,
        };
        Ok(said.sign(&self.key)?)
    }

    /// Sends what was said last, with what this device knows of the editor's time.
    fn send_playback(&mut self, deck: DeckId, from: Option<LinkId>) {
        if let Some(message) = self.all_playback(deck) {
            self.send_around(deck, &message, from);
        }
        let now = self.now;
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let playback = &mut state.live.playback;
        playback.again = now + AGAIN_EVERY;
    }

    /// What a device that comes is told.
    pub(super) fn all_playback(&mut self, deck: DeckId) -> Option<Message> {
        let signer = self.decks.get(&deck)?.live.playback.heard.as_ref()?.said.signer;
        let clock = self.editor_time(deck, signer);
        let heard = self.decks.get_mut(&deck)?.live.playback.heard.as_mut()?;
        heard.with_clock |= clock.is_some();
        let bytes = heard.said.encode().into();
        Some(Message::Playback { deck, bytes, clock })
    }

    /// How far the editor's clock is ahead of this one: of what it told itself while it is linked, or else of what others
    /// tell who know it, or else of what it told before.
    fn editor_time(&self, deck: DeckId, editor: DeviceId) -> Option<Offset> {
        if editor == self.device() {
            return Some(Offset::NONE);
        }
        let own = self.clock_of(editor);
        if self.links.values().any(|link| link.peer == editor) && own.is_some() {
            return own;
        }
        let told = self.links.values().filter_map(|link| {
            let (at, further) = link.sessions.get(&deck)?.editor_clock?;
            Some(self.clock_of(link.peer)?.and(further.aged(self.now.since(at))))
        });
        told.min_by_key(|offset| offset.uncertainty_ms).or(own)
    }

    /// Does what is due in a deck. Says when the next is.
    pub(super) fn keep_playback(&mut self, deck: DeckId) -> Option<Time> {
        let (now, me) = (self.now, self.device());
        self.retry_early(deck);
        let state = self.decks.get_mut(&deck)?;
        let playback = &mut state.live.playback;
        if playback.heard.is_none() && playback.told.is_none() {
            return playback.early.as_ref().map(|early| early.until);
        }
        let canonical = state.log.as_ref().map(|log| log.chain.canonical());
        let editor = canonical.and_then(|canonical| canonical.editor);
        let tip = canonical.map(|canonical| canonical.tip);
        let is_over = |heard: &Heard| {
            let is_own = heard.said.signer == me;
            let is_lost = !is_own && heard.at + KEPT_FOR <= now;
            editor != Some(heard.said.signer) || is_lost
        };
        if playback.heard.as_ref().is_some_and(is_over) {
            playback.heard = None;
        }
        let own = playback.heard.as_ref().filter(|heard| heard.said.signer == me);
        let is_own = own.is_some();
        let track = own.and_then(|own| own.said.track.clone());
        let goes_on = own.is_some_and(|own| {
            own.in_effect(now)
                .is_some_and(|track| place(track, now).is_some())
        });
        // Under a term of its own that it has opened since, nobody would take it for old.
        let is_under_tip = own.is_none_or(|own| tip == Some(own.said.term));
        let is_time = goes_on && (playback.again <= now || !is_under_tip);
        let waited = playback.paced.due().is_some_and(|due| due <= now);
        let lacks_clock = !is_own && playback.heard.as_ref().is_some_and(|heard| !heard.with_clock);
        if is_time {
            if let Ok(said) = self.signed(deck, track)
                && let Some(state) = self.decks.get_mut(&deck)
            {
                state.live.playback.note(said, now, now, None);
                state.live.playback.paced.left(now, PLAYBACK_EVERY);
                self.send_playback(deck, None);
            }
        } else if waited && is_own {
            if let Some(state) = self.decks.get_mut(&deck) {
                state.live.playback.paced.left(now, PLAYBACK_EVERY);
            }
            self.send_playback(deck, None);
        } else if lacks_clock {
            self.pass_on_time(deck);
        }
        self.tell_playback(deck)
    }

    /// What was passed on without the editor's time is passed on again once that is known.
    fn pass_on_time(&mut self, deck: DeckId) {
        let heard = self
            .decks
            .get(&deck)
            .and_then(|state| state.live.playback.heard.as_ref());
        let Some((signer, by)) = heard.map(|heard| (heard.said.signer, heard.by)) else {
            return;
        };
        if self.editor_time(deck, signer).is_some() {
            self.send_playback(deck, by);
        }
    }

    /// Tells the app when something else should be heard than before. Says when that may be so next, or something is due.
    fn tell_playback(&mut self, deck: DeckId) -> Option<Time> {
        let (now, me) = (self.now, self.device());
        let playback = &self.decks.get(&deck)?.live.playback;
        let signer = playback.heard.as_ref().map(|heard| heard.said.signer);
        let offset = signer.and_then(|signer| self.editor_time(deck, signer));
        let playback = &mut self.decks.get_mut(&deck)?.live.playback;
        let heard = playback.heard.as_ref();
        let at = offset.map(|offset| offset.there(now));
        let track = heard.zip(at).and_then(|(heard, at)| {
            let track = heard.in_effect(at)?;
            place(track, at)?;
            Some((track.clone(), at.as_millis() >= track.start_at_ms))
        });
        let mut dues = Vec::new();
        if let Some(heard) = heard {
            let is_own = heard.said.signer == me;
            dues.extend(playback.paced.due());
            dues.extend((is_own && track.is_some()).then_some(playback.again));
            dues.extend((!is_own).then_some(heard.at + KEPT_FOR));
        }
        dues.extend(playback.early.as_ref().map(|early| early.until));
        if let (Some(heard), Some(at)) = (heard, at) {
            let tracks = heard.before.iter().chain(&heard.said.track);
            let turns = tracks.flat_map(|track| [Some(Time::from_millis(track.start_at_ms)), end(track)]);
            let left = turns
                .flatten()
                .filter(|turn| *turn > at)
                .map(|turn| turn.since(at));
            dues.extend(left.min().map(|left| now + left));
        }
        if playback.told != track {
            playback.told = track;
            self.event(Event::PlaybackChanged { deck });
        }
        dues.into_iter().min()
    }
}

fn within(position: Duration, length_ms: u32) -> u32 {
    let position_ms = u32::try_from(position.as_millis()).unwrap_or(u32::MAX);
    match length_ms {
        0 => position_ms,
        _ => position_ms.min(length_ms),
    }
}

mod hear;
