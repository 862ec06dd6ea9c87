//! What comes behind slices that are held, and speaks of what was sent before it: it waits with them, or ends the waiting.

use super::{Held, bytes_of};
use crate::core::{Core, LinkId};
use crate::id::DeckId;
use crate::limits::BEHIND_MAX;
use crate::sync::message::Message;

/// What came behind entries and speaks of them, to be looked at when they are taken in.
#[derive(Debug, Default)]
pub(super) struct Behind {
    messages: Vec<Message>,
    pub(super) bytes: usize,
    /// Whether a greeting waits for that, too.
    is_greeted: bool,
}

impl Held {
    /// Messages that wait behind it.
    fn all_behind(&self) -> usize {
        let checking = self.checking.as_ref();
        self.behind.messages.len() + checking.map_or(0, |checking| checking.behind.messages.len())
    }

    /// Behind the last of it.
    fn behind(&mut self) -> &mut Behind {
        match &mut self.checking {
            Some(checking) if self.messages == 0 => &mut checking.behind,
            _ => &mut self.behind,
        }
    }

    /// Whether a greeting waits for some of it.
    pub(in crate::core) fn is_greeted(&self) -> bool {
        let checking = self.checking.as_ref();
        self.behind.is_greeted || checking.is_some_and(|checking| checking.behind.is_greeted)
    }
}

/// Bytes of a message that waits behind that, and of what it brings or lists.
fn bytes_behind(message: &Message) -> usize {
    let listed = match message {
        Message::DraftsHeld { marks, .. } => size_of_val(marks.as_slice()),
        Message::Holdings { held, .. } => size_of_val(held.as_slice()),
        Message::Word { bytes, .. } | Message::Playback { bytes, .. } => bytes.len(),
        Message::Status { locator, .. } => size_of_val(locator.as_slice()),
        Message::Doubt { devices, .. } => size_of_val(devices.as_slice()),
        Message::Entries { items, .. } | Message::Branches { items, .. } => bytes_of(items),
        Message::Ping { decks, .. } => size_of_val(decks.as_slice()),
        _ => 0,
    };
    listed + size_of::<Message>()
}

impl Core {
    /// A message comes behind what is held on its link, and most speak of what was sent before them: it waits with that, or
    /// ends the waiting.
    pub(in crate::core) fn wait_behind(&mut self, link: LinkId, message: Message) -> Option<Message> {
        if let Message::Status { deck, .. } = &message {
            self.note_behind_greeting(link, *deck, &message);
        }
        match &message {
            // What begins a catch-up is said in one breath with its first slice.
            Message::DraftsHeld { deck, .. } | Message::Holdings { deck, .. } => {
                let deck = *deck;
                return self.put_behind(link, deck, message);
            }
            // The next slice.
            Message::Entries { deck, .. } => {
                let deck = *deck;
                if self
                    .session(link, deck)
                    .is_some_and(|session| session.held.is_shut)
                {
                    return self.put_behind(link, deck, message);
                }
            }
            // What has nothing to do with it.
            Message::Ack { .. }
            | Message::Pull { .. }
            | Message::Lack { .. }
            | Message::Have { .. }
            | Message::Pong { .. }
            | Message::Presence { .. } => {}
            // What speaks of one deck ends the waiting for more of it, and waits for a batch of it that is being checked: of all
            // that is beside the path some is sent with the end of a catch-up, and who has just joined is let in meanwhile.
            Message::Word { deck, bytes } if self.is_known_sign(*deck, bytes) => {}
            Message::Word { deck, .. }
            | Message::Playback { deck, .. }
            | Message::Status { deck, .. }
            | Message::Doubt { deck, .. }
            | Message::Whence { deck, .. }
            | Message::Lineage { deck, .. }
            | Message::Propose { deck, .. }
            | Message::Withdraw { deck, .. }
            | Message::NewKey { deck, .. }
            | Message::Knock { deck, .. }
            | Message::DraftRefused { deck, .. } => {
                let deck = *deck;
                return self.end_batch(link, deck, message);
            }
            Message::Branches { deck, .. } => {
                let deck = *deck;
                self.take_what_is_newer(link, deck);
                return self.put_behind(link, deck, message);
            }
            Message::Greet { .. } => return self.greet_behind(link, message),
            // What it asks is answered at once; where the other side stands in a deck is compared behind what it sent of that.
            Message::Ping { number, decks } => {
                if !self.answer_ping(link, *number) {
                    return None;
                }
                let mut rest = Vec::new();
                for pulse in decks {
                    self.take_batch(link, pulse.deck);
                    let (number, decks) = (*number, vec![*pulse]);
                    let alone = Message::Ping { number, decks };
                    rest.extend(self.put_behind(link, pulse.deck, alone).map(|_| *pulse));
                }
                let (number, decks) = (*number, rest);
                return Some(Message::Ping { number, decks });
            }
        }
        Some(message)
    }

    /// A greeting may end the talk of any deck: it waits behind all that is held on its link by now. What more comes of that is
    /// not waited for, so that it has an end.
    fn greet_behind(&mut self, link: LinkId, greeting: Message) -> Option<Message> {
        for deck in self.held_on(link) {
            self.take_batch(link, deck);
        }
        self.take_greetings_that_waited();
        for deck in self.held_on(link) {
            if let Some(session) = self.session(link, deck) {
                session.held.behind().is_greeted = true;
            }
        }
        let state = self.links.get_mut(&link)?;
        state.greeting.wait(greeting, state.sessions.values())
    }

    /// No more of a deck is waited for; what is checked of it goes before this message.
    fn end_batch(&mut self, link: LinkId, deck: DeckId, message: Message) -> Option<Message> {
        self.take_batch(link, deck);
        let rest = self.put_behind(link, deck, message);
        if let Some(session) = self.session(link, deck).filter(|_| rest.is_none()) {
            session.held.is_ended |= !session.held.behind.messages.is_empty();
        }
        rest
    }

    /// What is sent beside the path may be what the slice behind it accepts. That must not join what is held, and be taken in
    /// with it, before this: what waits for a batch that is being checked is shut.
    fn take_what_is_newer(&mut self, link: LinkId, deck: DeckId) {
        self.take_batch(link, deck);
        let held = self.session(link, deck).map(|session| &mut session.held);
        if let Some(held) = held.filter(|held| held.messages > 0) {
            (held.is_ended, held.is_shut) = (true, true);
        }
    }

    fn put_behind(&mut self, link: LinkId, deck: DeckId, message: Message) -> Option<Message> {
        let bytes = bytes_behind(&message);
        let has_room = self.has_room_for(link, bytes);
        let session = self.session(link, deck);
        let Some(session) = session.filter(|session| !session.held.is_empty()) else {
            return Some(message);
        };
        let held = &mut session.held;
        if !has_room || held.all_behind() >= BEHIND_MAX {
            // It goes before: as if what is held were still on its way.
            return Some(message);
        }
        let behind = held.behind();
        behind.bytes += bytes;
        behind.messages.push(message);
        None
    }

    /// What waited behind that: first the signs of an editor, as others may have asked for one before it came.
    pub(super) fn take_behind(&mut self, link: LinkId, behind: Behind) {
        // Of a term that is still waiting among them it is none yet.
        let is_sign = |message: &Message| matches!(message, Message::Word { deck, bytes } if self.is_known_sign(*deck, bytes));
        let (signs, others): (Vec<Message>, Vec<Message>) = behind.messages.into_iter().partition(is_sign);
        for message in signs.into_iter().chain(others) {
            self.take_message(link, message);
        }
    }
}
