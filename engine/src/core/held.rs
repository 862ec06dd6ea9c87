//! Slices of a catch-up that wait a moment for those behind them.
//!
//! What Automerge is given costs it by the places that a batch touches, much more than by the changes in it: 126 µs a change
//! in batches of 200, 29 where ten thousand come at once. So while the other side has more than has come, and sends it
//! without waiting, slices are held, and taken in together. Nothing is acknowledged of what is held, and nothing of it
//! counts: to everything else here it is still on its way, and if the link or this device dies, it never came. The same
//! goes for a large batch while it is [checked outside](super::checking); what comes meanwhile is held, and is the next one.

mod behind;

use std::sync::Arc;

use self::behind::Behind;
use super::checking::{Check, Checked, Grown, large_run};
use crate::core::{Core, LinkId, Output, Work};
use crate::id::DeckId;
use crate::limits::{HELD_AT_MOST, HELD_BYTES_ALL_MAX, HELD_BYTES_MAX, SLICE_BYTES_MAX};
use crate::sync::message::Item;
use crate::time::Time;

/// Changes with which a batch begins where several times as many are still to come: nothing stands idle meanwhile, and what
/// comes until then is the next one.
const FIRST_BATCH: u64 = 4_096;

/// Messages of entries of one session, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Held {
    items: Vec<Item>,
    messages: u64,
    changes: u64,
    bytes: usize,
    since: Option<Time>,
    behind: Behind,
    /// Whether something of that is not to wait for more.
    is_ended: bool,
    /// Whether nothing that comes may be taken in together with them: the next slices, too, wait behind.
    is_shut: bool,
    /// What came before them, and is being checked.
    checking: Option<Box<Checking>>,
}

/// A batch that is being checked outside of the core.
#[derive(Debug)]
pub(crate) struct Checking {
    number: u64,
    items: Arc<Vec<Item>>,
    messages: u64,
    changes: u64,
    bytes: usize,
    behind: Behind,
}

impl Checking {
    fn all_bytes(&self) -> usize {
        self.bytes + self.behind.bytes
    }
}

impl Held {
    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.messages == 0 && self.checking.is_none()
    }

    /// Changes of all that is held.
    fn all_changes(&self) -> u64 {
        self.changes + self.checking.as_ref().map_or(0, |checking| checking.changes)
    }

    /// Bytes of all that is held.
    fn all_bytes(&self) -> usize {
        let checking = self.checking.as_ref();
        self.bytes + self.behind.bytes + checking.map_or(0, |checking| checking.all_bytes())
    }

    fn push(&mut self, items: Vec<Item>, now: Time) {
        self.messages += 1;
        self.changes += changes_of(&items);
        self.bytes += bytes_of(&items);
        self.since.get_or_insert(now);
        self.items.extend(items);
    }

    /// When it is to be taken in, whatever else comes.
    fn due_at(&self) -> Option<Time> {
        self.since.map(|since| since + HELD_AT_MOST)
    }

    fn is_due(&self, now: Time) -> bool {
        self.due_at().is_some_and(|at| at <= now)
    }
}

fn changes_of(items: &[Item]) -> u64 {
    let of = |item: &Item| match item {
        Item::Changes { changes, .. } => changes.len() as u64,
        _ => 0,
    };
    items.iter().map(of).sum()
}

fn bytes_of(items: &[Item]) -> usize {
    // What holds them costs, too.
    items.iter().map(Item::bytes).sum::<usize>() + std::mem::size_of_val(items)
}

impl Core {
    /// Parts of the path came: they are taken in at once, or with those that follow.
    pub(super) fn hear_entries(&mut self, link: LinkId, deck: DeckId, items: Vec<Item>) {
        let now = self.now;
        // However much is under way, this has an end.
        let is_full = !self.has_room_for(link, bytes_of(&items));
        let is_busy = is_full && self.decks.keys().any(|deck| self.is_checked(*deck));
        let Some(session) = self.session(link, deck) else {
            return;
        };
        if is_busy || session.held.is_shut {
            // It is asked for again when there is room: taken in here and now, all that is held would stop everything else.
            session.taken += 1;
            session.dropped = true;
            return;
        }
        session.held.push(items, now);
        if is_full || !self.waits_for_more(link, deck) {
            self.take_batch(link, deck);
        } else {
            self.outputs.push_back(Output::WakeAt(now + HELD_AT_MOST));
        }
    }

    /// Bytes of all that is held, of all links together.
    pub(crate) fn held_bytes(&self) -> usize {
        let left = self.decks.values().filter_map(|state| state.left.as_ref());
        let left: usize = left.map(|checking| checking.all_bytes()).sum();
        left + self
            .sessions()
            .map(|session| session.held.all_bytes())
            .sum::<usize>()
    }

    /// Whether so many bytes more may be held of a link: a message, or a batch, whatever others hold; beyond that, what they leave.
    fn has_room_for(&self, link: LinkId, bytes: usize) -> bool {
        let sessions = self.links.get(&link).map(|state| state.sessions.values());
        let of_link = sessions
            .into_iter()
            .flatten()
            .map(|session| session.held.all_bytes());
        let of_link = of_link.sum::<usize>();
        let is_own = of_link == 0 || of_link + bytes <= SLICE_BYTES_MAX;
        of_link + bytes <= HELD_BYTES_MAX && (is_own || self.held_bytes() + bytes <= HELD_BYTES_ALL_MAX)
    }

    /// Whether what is held of a session is better taken in with what follows.
    fn waits_for_more(&mut self, link: LinkId, deck: DeckId) -> bool {
        let (now, coming) = (self.now, self.coming(link, deck));
        let Some(session) = self.session(link, deck) else {
            return false;
        };
        let held = &session.held;
        let is_batch = held.bytes >= SLICE_BYTES_MAX
            || (held.changes >= FIRST_BATCH && coming > held.changes.saturating_mul(3));
        coming > 0 && !is_batch && !held.is_ended && !held.is_due(now)
    }

    /// How many changes of the path the other side said to have beyond those that are here and those that came.
    fn coming(&mut self, link: LinkId, deck: DeckId) -> u64 {
        let Some(peer) = self.peer_of(link) else {
            return 0;
        };
        let have = self.log(deck).ok();
        let have = have.and_then(|log| log.changes_upto(log.position()));
        let heard = self.decks.get(&deck).and_then(|state| state.heard.get(&peer));
        let has = heard.map_or(0, |heard| heard.changes());
        let came = self
            .session(link, deck)
            .map_or(0, |session| session.held.all_changes());
        has.saturating_sub(have.unwrap_or_default() + came)
    }

    /// Takes in what is held of a session: a large batch of it is checked outside first, and what is behind it waits for that.
    fn take_batch(&mut self, link: LinkId, deck: DeckId) {
        if self.is_checked(deck) {
            return;
        }
        let Some(session) = self.session(link, deck) else {
            return;
        };
        let Some(run) = large_run(&session.held.items) else {
            return self.take_held(link, deck);
        };
        let held = std::mem::take(&mut session.held);
        let (mut before, messages, behind, since) = (held.items, held.messages, held.behind, held.since);
        let (is_ended, is_shut) = (held.is_ended, held.is_shut);
        let rest = before.split_off(run.end);
        let items = Arc::new(before.split_off(run.start));
        if !before.is_empty() && !self.take_entries(link, deck, &before, 0, None) {
            // What does not fit ends it, for what follows as well.
            self.took(link, deck, messages);
            return self.take_behind(link, behind);
        }
        let check = self.check_of(link, deck, &items);
        let Some(session) = self.session(link, deck) else {
            return;
        };
        let held = &mut session.held;
        let mut checking = Checking {
            number: check.as_ref().map_or(0, Check::number),
            changes: changes_of(&items),
            bytes: bytes_of(&items),
            items,
            messages,
            behind,
        };
        if !rest.is_empty() {
            // What was counted, and came behind, goes with the last of it.
            held.changes = changes_of(&rest);
            held.bytes = bytes_of(&rest);
            held.messages = std::mem::take(&mut checking.messages);
            held.behind = std::mem::take(&mut checking.behind);
            held.since = since;
            (held.is_ended, held.is_shut) = (is_ended, is_shut);
            held.items = rest;
        }
        held.checking = Some(Box::new(checking));
        match check {
            Some(check) => self.outputs.push_back(Output::Work(Work::Check(Box::new(check)))),
            None => self.take_run(link, deck),
        }
    }

    /// Of a run nothing is to be checked outside: it is taken in. What is held behind it is due, and something else may be done before.
    fn take_run(&mut self, link: LinkId, deck: DeckId) {
        let Some(session) = self.session(link, deck) else {
            return;
        };
        let checking = session.held.checking.take();
        if session.held.messages > 0 {
            session.held.since = Some(Time::from_millis(0));
            let now = self.now;
            self.outputs.push_back(Output::WakeAt(now));
        }
        if let Some(checking) = checking {
            self.take_checking(link, deck, *checking, None);
        }
    }

    /// Whether a batch of this deck is being checked.
    pub(crate) fn is_checked(&self, deck: DeckId) -> bool {
        let is_left = self.decks.get(&deck).is_some_and(|state| state.left.is_some());
        let mut sessions = self.links.values().filter_map(|link| link.sessions.get(&deck));
        is_left || sessions.any(|session| session.held.checking.is_some())
    }

    /// Whether something of this deck is held, or being checked.
    pub(super) fn is_held(&self, deck: DeckId) -> bool {
        let mut sessions = self.links.values().filter_map(|link| link.sessions.get(&deck));
        self.is_checked(deck) || sessions.any(|session| !session.held.is_empty())
    }

    /// Whether something of this deck came and is not judged yet, though no more of it is waited for: what others said since may
    /// be behind that.
    pub(super) fn is_unjudged(&mut self, deck: DeckId) -> bool {
        for link in self.held_of(deck) {
            self.take_batch(link, deck);
        }
        self.is_held(deck)
    }

    /// The same for who asks with all that comes: in between, what comes waits for more as it always does. Else each slice of a long
    /// catch-up would be a batch of its own, as long as nothing is heard of the editor.
    pub(super) fn is_unjudged_still(&mut self, deck: DeckId) -> bool {
        let now = self.now;
        let Some(state) = self.decks.get_mut(&deck) else {
            return false;
        };
        if state.judged.is_some_and(|at| now.since(at) < HELD_AT_MOST) {
            return self.is_held(deck);
        }
        state.judged = Some(now);
        self.is_unjudged(deck)
    }

    /// A batch was checked. It may have been taken in meanwhile, because something could not wait.
    pub(super) fn checked(&mut self, checked: Checked) {
        let Checked {
            number,
            link,
            deck,
            grown,
        } = checked;
        let is_it = |checking: &mut Box<Checking>| checking.number == number;
        let session = self.session(link, deck);
        if let Some(checking) = session.and_then(|session| session.held.checking.take_if(is_it)) {
            self.take_checking(link, deck, *checking, grown);
        } else {
            let state = self.decks.get_mut(&deck);
            if let Some(checking) = state.and_then(|state| state.left.take_if(is_it)) {
                self.take_left(deck, &checking, grown);
            }
        }
        // What waited for it, from whomever: whose turn it was has the last one now.
        let mut waiting = self.held_of(deck);
        waiting.sort_by_key(|of| *of <= link);
        for link in waiting {
            if !self.waits_for_more(link, deck) {
                self.take_batch(link, deck);
            }
        }
        self.ask_for_dropped();
    }

    /// What came while there was no room for it is asked for again, as soon as what was taken in meanwhile is durable.
    fn ask_for_dropped(&mut self) {
        let sessions = self.links.iter().flat_map(|(&link, state)| {
            let dropped = state.sessions.iter().filter(|(_, session)| session.dropped);
            dropped.map(move |(&deck, _)| (link, deck))
        });
        let sessions: Vec<(LinkId, DeckId)> = sessions.filter(|(_, deck)| !self.is_checked(*deck)).collect();
        for (link, deck) in sessions {
            let is_saving = self.saving.values().any(|saving| saving.deck == deck);
            if let Some(session) = self.session(link, deck) {
                session.dropped = false;
                session.early |= is_saving;
            }
            if !is_saving {
                self.send_status(link, deck);
            }
        }
    }

    fn take_checking(&mut self, link: LinkId, deck: DeckId, checking: Checking, grown: Option<Grown>) {
        self.take_entries(link, deck, &checking.items, checking.messages, grown);
        self.take_behind(link, checking.behind);
    }

    /// A link is gone, and this had come by it. Nobody is told what became of it.
    fn take_left(&mut self, deck: DeckId, checking: &Checking, grown: Option<Grown>) {
        if let (Err(error), _) = self.take_in_order(deck, &checking.items, grown) {
            tracing::warn!(deck = %deck.short(), %error, "not all was taken in");
        }
    }

    /// A link ends: what is checked of it goes on being checked, and what little else is held of it is taken in. More than a
    /// little is as if it were still on its way.
    pub(super) fn leave_held(&mut self, link: LinkId) {
        for deck in self.held_on(link) {
            let held = self.session(link, deck).map(|session| &mut session.held);
            let checking = held.and_then(|held| held.checking.take());
            let is_left = checking.is_some();
            if let Some(state) = self.decks.get_mut(&deck) {
                state.left = checking.or(state.left.take());
            }
            let held = self.session(link, deck).map(|session| &session.held);
            if !is_left && held.is_some_and(|held| large_run(&held.items).is_none()) {
                self.take_held(link, deck);
            }
        }
    }

    /// Takes in what is held of a session, here and now.
    pub(super) fn take_held(&mut self, link: LinkId, deck: DeckId) {
        let Some(session) = self.session(link, deck) else {
            return;
        };
        let mut held = std::mem::take(&mut session.held);
        if let Some(checking) = held.checking.take() {
            self.take_checking(link, deck, *checking, None);
        }
        if held.messages > 0 {
            self.take_entries(link, deck, &held.items, held.messages, None);
            self.take_behind(link, held.behind);
        }
    }

    /// The decks of which something is held on a link.
    fn held_on(&self, link: LinkId) -> Vec<DeckId> {
        let held = self.all_held().into_iter();
        held.filter(|(of, _)| *of == link).map(|(_, deck)| deck).collect()
    }

    /// What is held of a deck counts from now on: this device is about to say something that rests on it.
    pub(super) fn take_held_of(&mut self, deck: DeckId) {
        let left = self.decks.get_mut(&deck).and_then(|state| state.left.take());
        if let Some(left) = left {
            self.take_left(deck, &left, None);
        }
        for link in self.held_of(deck) {
            self.take_held(link, deck);
        }
    }

    /// What has waited for long enough. A wake-up that was for something else must not be the last one.
    pub(super) fn take_held_in_time(&mut self) {
        for (link, deck) in self.all_held() {
            let held = self.session(link, deck).map(|session| &session.held);
            match held.and_then(Held::due_at) {
                Some(at) if at <= self.now => self.take_batch(link, deck),
                Some(at) => self.outputs.push_back(Output::WakeAt(at)),
                None => {}
            }
        }
    }

    pub(super) fn take_all_held(&mut self) {
        let decks: Vec<DeckId> = self.decks.keys().copied().collect();
        for deck in decks {
            self.take_held_of(deck);
        }
    }

    /// The links on which something of a deck is held.
    fn held_of(&self, deck: DeckId) -> Vec<LinkId> {
        let held = self.all_held().into_iter();
        held.filter(|(_, of)| *of == deck).map(|(link, _)| link).collect()
    }

    fn all_held(&self) -> Vec<(LinkId, DeckId)> {
        let mut held = Vec::new();
        for (&link, state) in &self.links {
            let of = state
                .sessions
                .iter()
                .filter(|(_, session)| !session.held.is_empty());
            held.extend(of.map(|(&deck, _)| (link, deck)));
        }
        held
    }
}
