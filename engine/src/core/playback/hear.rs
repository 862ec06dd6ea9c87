//! What others say that they play: from the editor alone, once, and in its time.

use super::*;

/// What is to be done with what came.
enum Verdict {
    /// It is news.
    Take,
    /// It is known, or something newer is.
    Known,
    /// Its term is not here yet.
    Early,
    Refuse(PlaybackRefusal),
}

impl Playback {
    /// Takes note of what the editor said; `at` is the editor's time now.
    pub(super) fn note(&mut self, said: Verified<Playing>, now: Time, at: Time, by: Option<LinkId>) {
        let known = self.heard.take();
        let is_repeated = known.as_ref().is_some_and(|known| known.said.track == said.track);
        let before = match known {
            Some(known) if is_repeated => known.before,
            Some(known) => known.in_effect(at).cloned(),
            None => None,
        };
        self.last = Some((said.signer, said.sequence));
        self.heard = Some(Heard {
            said,
            before,
            at: now,
            by,
            with_clock: false,
        });
    }
}

impl Core {
    /// Somebody plays something.
    pub(in crate::core) fn take_playback(
        &mut self,
        link: LinkId,
        deck: DeckId,
        bytes: &[u8],
        clock: Option<Offset>,
    ) {
        if self.session(link, deck).is_none() || self.log(deck).is_err() {
            return;
        }
        let now = self.now;
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        let count = state.live.playbacks.count(now);
        if count > PLAYBACKS_PER_SECOND_FLOOD {
            return self.refuse(link, "more of what is played than a device may say".to_owned());
        }
        if count <= PLAYBACKS_PER_SECOND_MAX {
            self.judge_playback(link, deck, bytes, clock);
        }
    }

    fn judge_playback(&mut self, link: LinkId, deck: DeckId, bytes: &[u8], clock: Option<Offset>) {
        if bytes.len() > PLAYBACK_BYTES_MAX {
            return self.refuse(link, "what is played is beyond the limits".to_owned());
        }
        let said = Signed::<Playing>::decode(bytes).map_err(|error| error.to_string());
        let said = said.and_then(|said| said.verify(deck).map_err(|error| error.to_string()));
        let said = match said {
            Ok(said) => said,
            Err(why) => return self.refuse(link, why),
        };
        let (me, now, by) = (self.device(), self.now, said.signer);
        if by == me {
            return self.meet_own_playback(deck, &said);
        }
        let Some(verdict) = self.verdict(link, deck, &said) else {
            return;
        };
        if matches!(verdict, Verdict::Take | Verdict::Known)
            && let Some(session) = self.session(link, deck)
        {
            session.editor_clock = clock.map(|clock| (now, clock)).or(session.editor_clock);
        }
        match verdict {
            Verdict::Known => {}
            Verdict::Refuse(reason) => self.event(Event::PlaybackRefused { deck, by, reason }),
            Verdict::Early => {
                if let Some(state) = self.decks.get_mut(&deck) {
                    state.live.playback.early = Some(Early {
                        link,
                        bytes: Bytes::copy_from_slice(bytes),
                        clock,
                        by,
                        until: now + KEPT_FOR,
                    });
                }
            }
            Verdict::Take => {
                let time = self.editor_time(deck, by);
                let at = time.map_or(Time::from_millis(said.said_ms), |time| time.there(now));
                if let Some(state) = self.decks.get_mut(&deck) {
                    state.live.playback.note(said, now, at, Some(link));
                }
                self.send_playback(deck, Some(link));
            }
        }
    }

    fn verdict(&mut self, link: LinkId, deck: DeckId, said: &Playing) -> Option<Verdict> {
        let (now, by) = (self.now, said.signer);
        let time = self.editor_time(deck, by);
        let state = self.decks.get(&deck)?;
        let (log, last) = (state.log.as_ref()?, state.live.playback.last);
        if let Some(verdict) = judge_term(log, said) {
            return Some(verdict);
        }
        let session = self.links.get_mut(&link)?.sessions.get_mut(&deck)?;
        // Lanes keep their order, and nobody passes on what is older than what it passed on.
        let played = session.played.filter(|(whose, _)| *whose == by);
        let was_said = played.is_some_and(|(_, played)| played > said.sequence);
        if !was_said {
            session.played = Some((by, said.sequence));
        }
        let is_old = time.is_some_and(|time| {
            let slack = Duration::from_millis(time.uncertainty_ms.into());
            Time::from_millis(said.said_ms) + KEPT_FOR + slack < time.there(now)
        });
        if was_said || is_old {
            return Some(Verdict::Refuse(PlaybackRefusal::Replayed));
        }
        let is_known = last.is_some_and(|(whose, last)| whose == by && said.sequence <= last);
        Some(if is_known { Verdict::Known } else { Verdict::Take })
    }

    /// What this device played before it was started again: nothing is, now.
    fn meet_own_playback(&mut self, deck: DeckId, said: &Playing) {
        let (now, me) = (self.now, self.device());
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let playback = &mut state.live.playback;
        if playback.heard.is_some()
            || playback
                .last
                .is_some_and(|(whose, last)| whose == me && last >= said.sequence)
        {
            return;
        }
        playback.last = Some((me, said.sequence));
        if said.track.is_none() {
            return;
        }
        if let Ok(nothing) = self.signed(deck, None)
            && let Some(state) = self.decks.get_mut(&deck)
        {
            state.live.playback.note(nothing, now, now, None);
            self.send_playback(deck, None);
        }
    }

    /// The term may have come.
    pub(super) fn retry_early(&mut self, deck: DeckId) {
        let now = self.now;
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let playback = &mut state.live.playback;
        let Some(early) = playback.early.take() else {
            return;
        };
        if early.until <= now {
            let (by, reason) = (early.by, PlaybackRefusal::NotEditor);
            return self.event(Event::PlaybackRefused { deck, by, reason });
        }
        let is_known = |log: &Log| {
            let said = Signed::<Playing>::decode(&early.bytes);
            said.is_ok_and(|said| log.chain.holder(said.claimed().term).is_some())
        };
        if !state.log.as_ref().is_some_and(is_known) {
            playback.early = Some(early);
        } else if self.session(early.link, deck).is_some() {
            self.judge_playback(early.link, deck, &early.bytes, early.clock);
        }
    }
}

/// What the role says of it; `None`: it is by the editor, and in its time.
fn judge_term(log: &Log, said: &Playing) -> Option<Verdict> {
    let editor = log.chain.canonical().editor;
    let Some(holder) = log.chain.holder(said.term) else {
        // Whoever may hold the role may have got it a moment ago; a release has no holder.
        let may_be =
            log.chain.rights(said.signer) == Some(Rights::Hold) && log.chain.term(said.term).is_none();
        return Some(match may_be {
            true => Verdict::Early,
            false => Verdict::Refuse(PlaybackRefusal::NotEditor),
        });
    };
    if holder != said.signer {
        return Some(Verdict::Refuse(PlaybackRefusal::NotEditor));
    }
    if editor == Some(said.signer) && log.is_same_stretch(said.term) {
        return None;
    }
    Some(Verdict::Refuse(PlaybackRefusal::OldTerm))
}
