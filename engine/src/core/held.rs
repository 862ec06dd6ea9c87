//! Slices of a catch-up that wait a moment for those behind them.
//!
//! What Automerge is given costs it by the places that a batch touches, much more than by the changes in it: 126 µs a change
//! in batches of 200, 29 where ten thousand come at once. So while the other side has more than has come, and sends it
//! without waiting, slices are held, and taken in together. Nothing is acknowledged of what is held, and nothing of it
//! counts: to everything else here it is still on its way, and if the link or this device dies, it never came.

use crate::core::{Core, LinkId, Output};
use crate::id::DeckId;
use crate::limits::{HELD_AT_MOST, HELD_BYTES_MAX};
use crate::sync::message::{Item, Message};
use crate::time::Time;

/// Messages of entries of one session, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Held {
    items: Vec<Item>,
    messages: u64,
    changes: u64,
    bytes: usize,
    since: Option<Time>,
    /// What came behind them and speaks of them, to be looked at when they are taken in.
    behind: Vec<Message>,
}

impl Held {
    fn push(&mut self, items: Vec<Item>, now: Time) {
        self.messages += 1;
        for item in &items {
            if let Item::Changes { changes, .. } = item {
                self.changes += changes.len() as u64;
            }
        }
        self.bytes += bytes_of(&items);
        self.since.get_or_insert(now);
        self.items.extend(items);
    }

    fn is_due(&self, now: Time) -> bool {
        self.since.is_some_and(|since| since + HELD_AT_MOST <= now)
    }
}

fn bytes_of(items: &[Item]) -> usize {
    let of = |item: &Item| match item {
        Item::Changes { changes, .. } => changes.iter().map(|change| change.len()).sum(),
        Item::Draft(draft) => draft.changes.iter().map(|change| change.len()).sum(),
        Item::Genesis(_) | Item::Charter(_) | Item::Admit(_) | Item::Term(_) | Item::Seal(_) => 0,
    };
    // What holds them costs, too.
    items.iter().map(of).sum::<usize>() + std::mem::size_of_val(items)
}

impl Core {
    /// Parts of the path came: they are taken in at once, or with those that follow.
    pub(super) fn hear_entries(&mut self, link: LinkId, deck: DeckId, items: Vec<Item>) {
        let (now, bytes) = (self.now, bytes_of(&items));
        let all: usize = self.sessions().map(|session| session.held.bytes).sum();
        let Some(session) = self.session(link, deck) else {
            return;
        };
        let others = all - session.held.bytes;
        if all + bytes > HELD_BYTES_MAX {
            self.take_held(link, deck);
        }
        let Some(session) = self.session(link, deck) else {
            return;
        };
        session.held.push(items, now);
        if others + bytes <= HELD_BYTES_MAX && self.more_comes(link, deck) {
            self.outputs.push_back(Output::WakeAt(now + HELD_AT_MOST));
        } else {
            self.take_held(link, deck);
        }
    }

    /// Whether the other side said that it has more of the path than what is held here and what came.
    fn more_comes(&mut self, link: LinkId, deck: DeckId) -> bool {
        let Some(peer) = self.peer_of(link) else {
            return false;
        };
        let have = self.log(deck).ok();
        let have = have.and_then(|log| log.changes_upto(log.position()));
        let heard = self.decks.get(&deck).and_then(|state| state.heard.get(&peer));
        let has = heard.map_or(0, |heard| heard.changes());
        self.session(link, deck)
            .is_some_and(|session| has > have.unwrap_or_default() + session.held.changes)
    }

    /// Takes in what is held of a session.
    pub(super) fn take_held(&mut self, link: LinkId, deck: DeckId) {
        let Some(session) = self.session(link, deck) else {
            return;
        };
        let held = std::mem::take(&mut session.held);
        if held.messages > 0 {
            self.take_entries(link, deck, &held.items, held.messages);
            for message in held.behind {
                self.take_message(link, message);
            }
        }
    }

    /// A message comes behind what is held on its link, and most speak of what was sent before them: it waits with that, or
    /// ends the waiting.
    pub(super) fn wait_behind(&mut self, link: LinkId, message: Message) -> Option<Message> {
        match &message {
            // What begins a catch-up is said in one breath with its first slice.
            Message::DraftsHeld { deck, marks, .. } => {
                let (deck, bytes) = (*deck, size_of_val(marks.as_slice()));
                return self.put_behind(link, deck, bytes, message);
            }
            Message::Holdings { deck, held } => {
                let (deck, bytes) = (*deck, size_of_val(held.as_slice()));
                return self.put_behind(link, deck, bytes, message);
            }
            // The next slice, and what has nothing to do with it.
            Message::Entries { .. }
            | Message::Ack { .. }
            | Message::Pull { .. }
            | Message::Lack { .. }
            | Message::Have { .. }
            | Message::Pong { .. }
            | Message::Presence { .. } => {}
            _ => self.take_all_held(|of, _| of == link),
        }
        Some(message)
    }

    fn put_behind(&mut self, link: LinkId, deck: DeckId, bytes: usize, message: Message) -> Option<Message> {
        let session = self.session(link, deck);
        let Some(session) = session.filter(|session| session.held.messages > 0) else {
            return Some(message);
        };
        let bytes = bytes + size_of::<Message>();
        if session.held.bytes + bytes > HELD_BYTES_MAX {
            self.take_held(link, deck);
            return Some(message);
        }
        session.held.bytes += bytes;
        session.held.behind.push(message);
        None
    }

    /// What is held of a deck counts from now on: this device is about to say something that rests on it.
    pub(super) fn take_held_of(&mut self, deck: DeckId) {
        self.take_all_held(|_, of| of == deck);
    }

    /// What has waited for long enough.
    pub(super) fn take_held_in_time(&mut self) {
        let now = self.now;
        let due = |core: &mut Self, link, deck| {
            let session = core.session(link, deck);
            session.is_some_and(|session| session.held.is_due(now))
        };
        for (link, deck) in self.all_held() {
            if due(self, link, deck) {
                self.take_held(link, deck);
            }
        }
    }

    pub(super) fn take_all_held(&mut self, which: impl Fn(LinkId, DeckId) -> bool) {
        for (link, deck) in self.all_held() {
            if which(link, deck) {
                self.take_held(link, deck);
            }
        }
    }

    fn all_held(&self) -> Vec<(LinkId, DeckId)> {
        let mut held = Vec::new();
        for (&link, state) in &self.links {
            let of = state
                .sessions
                .iter()
                .filter(|(_, session)| session.held.messages > 0);
            held.extend(of.map(|(&deck, _)| (link, deck)));
        }
        held
    }
}
