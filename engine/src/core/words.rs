//! Words about the role: requests and denials, and what a failover asks. They are signed, so neighbours pass them on; each
//! once, at a bounded rate, and only those of members.

use std::collections::{BTreeMap, VecDeque};

use crate::core::log::{Log, RoleError};
use crate::core::policy::AutoGrant;
use crate::core::rate::Rate;
use crate::core::{Applied, Core, LinkId, Output};
use crate::event::Event;
use crate::id::{DeckId, DeviceId};
use crate::limits::{
    NOTE_BYTES_MAX, ROLE_REQUESTS_EVERY, WORD_BYTES_MAX, WORDS_PER_SECOND_MAX, WORDS_RECENT_MAX,
};
use crate::role::{RecordId, Rights, Says, Signed, Verified, Word};
use crate::sync::message::Message;
use crate::time::Time;

/// What was said of late.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// By which link each word came first; from here, if by none.
    recent: BTreeMap<RecordId, Option<LinkId>>,
    /// In the order in which they came.
    order: VecDeque<RecordId>,
    /// How many, of each member.
    rates: BTreeMap<DeviceId, Rate>,
    /// The last request of each member, and what the editor said.
    asked: BTreeMap<DeviceId, Asked>,
    /// When this device last edited the deck.
    pub(super) edited_at: Time,
}

#[derive(Debug)]
struct Asked {
    request: Verified<Word>,
    at: Time,
    denial: Option<Verified<Word>>,
}

impl Words {
    /// False, if it was said before.
    pub(super) fn is_new(&mut self, id: RecordId, link: Option<LinkId>) -> bool {
        if self.recent.contains_key(&id) {
            return false;
        }
        if self.order.len() >= WORDS_RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.recent.remove(&oldest);
        }
        self.order.push_back(id);
        self.recent.insert(id, link);
        true
    }

    /// The way back to who said it.
    pub(super) fn way_to(&self, id: &[u8; 32]) -> Option<LinkId> {
        let said = self.recent.iter().find(|(said, _)| said.as_bytes() == id);
        *said?.1
    }

    fn has_room(&mut self, by: DeviceId, now: Time) -> bool {
        self.rates.entry(by).or_default().count(now) <= WORDS_PER_SECOND_MAX
    }
}

impl Core {
    /// Asks the editor for the role. The request is passed on by every device until it reaches the editor, and holds
    /// while that editor has the role.
    ///
    /// # Errors
    /// When this device has the role or may not hold it, when it asked a moment ago, and when the note is too long.
    pub fn request_role(&mut self, now: Time, deck: DeckId, note: &str) -> Result<Applied<()>, RoleError> {
        self.set_now(now);
        self.check_store()?;
        let (me, now) = (self.device(), self.now);
        let log = self.log(deck)?;
        if log.chain.canonical().editor == Some(me) {
            return Err(RoleError::AlreadyEditor);
        }
        if log.chain.rights(me) != Some(Rights::Hold) {
            return Err(RoleError::MayNotHold(me));
        }
        if note.len() > NOTE_BYTES_MAX {
            return Err(RoleError::NoteTooLong);
        }
        let asked = self
            .decks
            .get(&deck)
            .and_then(|state| state.role.words.asked.get(&me));
        let passed = asked.map(|asked| now.since(asked.at));
        if let Some(passed) = passed.filter(|passed| *passed < ROLE_REQUESTS_EVERY) {
            return Err(RoleError::TooSoon(ROLE_REQUESTS_EVERY.saturating_sub(passed)));
        }
        let note = note.to_owned();
        let request = self.say_word(deck, Says::Request { note }, None)?;
        self.note_request(deck, request);
        Ok(Applied {
            value: (),
            ticket: None,
        })
    }

    /// Tells a device that asked for the role that it does not get it.
    ///
    /// # Errors
    /// By any device but the editor, and when that device did not ask.
    pub fn deny(
        &mut self,
        now: Time,
        deck: DeckId,
        device: DeviceId,
        reason: &str,
    ) -> Result<Applied<()>, RoleError> {
        self.set_now(now);
        self.check_store()?;
        if self.log(deck)?.chain.canonical().editor != Some(self.device()) {
            return Err(RoleError::NotEditor);
        }
        if reason.len() > NOTE_BYTES_MAX {
            return Err(RoleError::NoteTooLong);
        }
        let asked = self
            .decks
            .get(&deck)
            .and_then(|state| state.role.words.asked.get(&device));
        let open = asked.filter(|asked| asked.denial.is_none());
        let request = *open
            .ok_or(RoleError::NotAsked(device))?
            .request
            .record_id()
            .as_bytes();
        let (to, reason) = (device, reason.to_owned());
        let denial = self.say_word(deck, Says::Denial { to, request, reason }, None)?;
        self.note_denial(deck, denial);
        Ok(Applied {
            value: (),
            ticket: None,
        })
    }

    /// Signs a word and sends it: by one link, or to everybody.
    pub(super) fn say_word(
        &mut self,
        deck: DeckId,
        says: Says,
        by: Option<LinkId>,
    ) -> Result<Verified<Word>, RoleError> {
        let (key, nonce) = (self.key.clone(), self.random_bytes());
        let term = self.log(deck)?.chain.canonical().tip;
        let signer = key.id();
        let word = Word {
            deck,
            term,
            nonce,
            signer,
            says,
        };
        let word = word.sign(&key)?;
        if let Some(state) = self.decks.get_mut(&deck) {
            state.role.words.is_new(word.record_id(), None);
        }
        match by {
            Some(link) => self.send_word(link, deck, &word),
            None => self.pass_on(deck, &word, None),
        }
        Ok(word)
    }

    fn send_word(&mut self, link: LinkId, deck: DeckId, word: &Verified<Word>) {
        let bytes = word.encode().into();
        self.send(link, &Message::Word { deck, bytes });
    }

    fn pass_on(&mut self, deck: DeckId, word: &Verified<Word>, from: Option<LinkId>) {
        let me = self.device();
        // Two that have the editor's signs from others would bring them to each other: one of them is enough, and notices by
        // the next that the other has lost its way.
        let watch = self.decks.get(&deck).map(|state| &state.role.watch);
        let is_sign = matches!(word.says, Says::Beat { .. }) && word.signer != me;
        let has_it = |link: LinkId, peer: DeviceId| {
            is_sign && peer < me && watch.is_some_and(|watch| watch.brought_last(link))
        };
        let others = self.links.iter().filter(|(link, state)| {
            Some(**link) != from && state.sessions.contains_key(&deck) && !has_it(**link, state.peer)
        });
        let links: Vec<LinkId> = others.map(|(&link, _)| link).collect();
        for link in links {
            self.send_word(link, deck, word);
        }
    }

    /// A word came.
    pub(super) fn take_word(&mut self, link: LinkId, deck: DeckId, bytes: &[u8]) {
        if self.session(link, deck).is_none() || self.log(deck).is_err() {
            return;
        }
        if bytes.len() > WORD_BYTES_MAX {
            return self.refuse(link, "a word about the role is beyond the limits".to_owned());
        }
        let word = Signed::<Word>::decode(bytes).map_err(|error| error.to_string());
        // Anybody can make up a word: before its signature, which is dear, its signer is looked at.
        let may_hold = |signer| {
            self.log(deck)
                .is_ok_and(|log| log.chain.rights(signer) == Some(Rights::Hold))
        };
        if word.as_ref().is_ok_and(|word| !may_hold(word.claimed().signer)) {
            return;
        }
        let word = word.and_then(|word| word.verify(deck).map_err(|error| error.to_string()));
        let word = match word {
            Ok(word) => word,
            Err(why) => return self.refuse(link, why),
        };
        let now = self.now;
        let (Some(peer), Some(state)) = (self.peer_of(link), self.decks.get_mut(&deck)) else {
            return;
        };
        let Some(log) = &state.log else { return };
        // What is of another editor's time is nothing to this one, and what was said before is known.
        if !log.is_same_stretch(word.term) {
            return;
        }
        if !state.role.words.is_new(word.record_id(), Some(link)) {
            return state.role.watch.note_bringer(link, &word);
        }
        if !state.role.words.has_room(word.signer, now) {
            // Who passes it on may not have known.
            if peer == word.signer {
                self.refuse(link, "more words about the role than a device may say".to_owned());
            }
            return;
        }
        match &word.says {
            Says::Request { .. } => {
                let last = state.role.words.asked.get(&word.signer);
                if last.is_some_and(|last| now.since(last.at) < ROLE_REQUESTS_EVERY) {
                    return;
                }
                self.pass_on(deck, &word, Some(link));
                self.note_request(deck, word);
            }
            Says::Denial { .. } => {
                if log.chain.canonical().editor != Some(word.signer) {
                    return;
                }
                self.pass_on(deck, &word, Some(link));
                self.note_denial(deck, word);
            }
            Says::Beat { .. } => {
                let is_news = state.role.watch.is_news(log, &word, peer);
                if log.chain.canonical().editor != Some(word.signer) || !is_news {
                    return;
                }
                self.pass_on(deck, &word, Some(link));
                if let Some(state) = self.decks.get_mut(&deck) {
                    state.role.watch.note_bringer(link, &word);
                }
                self.hear_beat(link, deck, &word);
            }
            Says::Question => {
                self.pass_on(deck, &word, Some(link));
                self.answer_question(link, deck, &word);
            }
            Says::Echo { beat: to } | Says::Answer { question: to, .. } => {
                // It goes back the way on which what it answers came.
                match state.role.words.way_to(to) {
                    Some(way) => self.send_word(way, deck, &word),
                    None => self.hear_answer(deck, &word),
                }
            }
        }
    }

    fn note_request(&mut self, deck: DeckId, request: Verified<Word>) {
        let (me, now, by) = (self.device(), self.now, request.signer);
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let note = match &request.says {
            Says::Request { note } => note.clone(),
            _ => return,
        };
        let at = now;
        let denial = None;
        state.role.words.asked.insert(by, Asked { request, at, denial });
        let is_editor = state
            .log
            .as_ref()
            .is_some_and(|log| log.chain.canonical().editor == Some(me));
        if is_editor {
            self.event(Event::RoleRequested { deck, by, note });
        }
    }

    fn note_denial(&mut self, deck: DeckId, denial: Verified<Word>) {
        let (me, by) = (self.device(), denial.signer);
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let (to, request, reason) = match &denial.says {
            Says::Denial { to, request, reason } => (*to, *request, reason.clone()),
            _ => return,
        };
        let asked = state.role.words.asked.get_mut(&to);
        let Some(asked) = asked.filter(|asked| *asked.request.record_id().as_bytes() == request) else {
            return;
        };
        if asked.denial.replace(denial).is_none() && to == me {
            self.event(Event::RoleDenied { deck, by, reason });
        }
    }

    /// Nothing depends on a link: who comes is told what was asked and answered.
    pub(super) fn repeat_words(&mut self, link: LinkId, deck: DeckId) {
        let Some(state) = self.decks.get(&deck) else {
            return;
        };
        let asked = state.role.words.asked.values();
        let words: Vec<Verified<Word>> = asked
            .flat_map(|asked| std::iter::once(&asked.request).chain(&asked.denial))
            .cloned()
            .collect();
        for word in words {
            self.send_word(link, deck, &word);
        }
    }

    /// Forgets what was asked of an editor that is none any more, and grants by itself what it is to.
    pub(super) fn see_to_requests(&mut self, deck: DeckId) {
        let (me, now, policy) = (self.device(), self.now, self.policies(deck).auto_grant);
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let Some(log) = &state.log else { return };
        let words = &mut state.role.words;
        // Who may not hold the role any more stands in nobody's way.
        words.asked.retain(|device, asked| {
            log.is_same_stretch(asked.request.term) && log.chain.rights(*device) == Some(Rights::Hold)
        });
        if log.chain.canonical().editor != Some(me) {
            return;
        }
        let open = words.asked.iter().filter(|(_, asked)| asked.denial.is_none());
        let first = open.min_by_key(|(device, asked)| (asked.at, **device));
        let Some((&to, _)) = first else { return };
        let due = match policy {
            AutoGrant::Never => return,
            AutoGrant::Always => now,
            AutoGrant::WhenIdle(idle) => words.edited_at + idle,
        };
        if now < due {
            return self.outputs.push_back(Output::WakeAt(due));
        }
        if let Err(error) = self.hand_over(now, deck, to) {
            tracing::warn!(deck = %deck.short(), %error, "the role was not granted");
        }
    }
}

impl Log {
    /// Whether nothing but runs of the device that holds the last term lies between this term and that.
    pub(crate) fn is_same_stretch(&self, term: crate::id::TermId) -> bool {
        let since = self.chain.position(self.since());
        let at = self.chain.position(term);
        at.zip(since).is_some_and(|(at, since)| at >= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TermId;
    use crate::role::Says;
    use cuecard_transport::DeviceKey;

    fn word(key: &DeviceKey, number: u32) -> RecordId {
        let mut nonce = [0; 16];
        nonce[..4].copy_from_slice(&number.to_le_bytes());
        let word = Word {
            deck: DeckId::from_bytes([1; 32]),
            term: TermId::from_bytes([2; 32]),
            nonce,
            signer: key.id(),
            says: Says::Question,
        };
        word.sign(key).unwrap().record_id()
    }

    #[test]
    fn so_many_words_are_remembered_and_the_oldest_is_forgotten_first() {
        let key = DeviceKey::from_bytes(&[1; 32]);
        let mut words = Words::default();
        for number in 0..WORDS_RECENT_MAX as u32 {
            assert!(words.is_new(word(&key, number), None));
        }
        assert!(!words.is_new(word(&key, 0), None), "all of them are remembered");
        assert!(words.is_new(word(&key, WORDS_RECENT_MAX as u32), None));
        assert_eq!(
            (words.recent.len(), words.order.len()),
            (WORDS_RECENT_MAX, WORDS_RECENT_MAX)
        );
        assert!(words.is_new(word(&key, 0), None), "but the oldest");
        assert!(!words.is_new(word(&key, 2), None));
    }
}
