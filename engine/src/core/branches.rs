//! What is not canonical travels, too: records, and branches that lost.
//!
//! A status carries a digest of all that is held beside the path. Where two differ, each lists what it holds, and the
//! other sends what is missing. Whenever what is held beside the path has changed, and the change is durable, neighbours
//! are told anew: so everything reaches everybody, by whatever way there is.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::core::catch_up::RECORDS_PER_MESSAGE_MAX;
use crate::core::log::{CutOff, Owed, Stored};
use crate::core::{Core, LinkId, Output, ReadId, Work};
use crate::disk::{LogRecord, term_stream};
use crate::id::DeckId;
use crate::limits::{BRANCHES_BYTES_MAX, SLICE_CHANGES_MAX};
use crate::sync::holdings::{Digest, Holding};
use crate::sync::message::{Item, Message, Position};
use crate::sync::session::Reading;

/// Of each so many things that are listed, who is linked hears no more often than this: a mebibyte a second, whatever anybody
/// puts beside a deck piece by piece. What is usual is told at once.
const LISTED_AT_ONCE: usize = 16;
const LISTED_EVERY: Duration = Duration::from_micros(1_250);

impl Core {
    /// The other side said what its holdings come to.
    pub(super) fn compare_holdings(&mut self, link: LinkId, deck: DeckId, theirs: Digest) {
        let Ok(log) = self.log_mut(deck) else {
            // Nothing of the deck is here yet: asked for when it is.
            if let Some(session) = self.session(link, deck) {
                session.missed = true;
            }
            return;
        };
        let (_, ours) = log.beside();
        let listed = self.session(link, deck).is_some_and(|s| s.listed == Some(ours));
        if ours != theirs && !listed {
            self.list_holdings(link, deck);
        }
    }

    fn list_holdings(&mut self, link: LinkId, deck: DeckId) {
        let Ok(log) = self.log_mut(deck) else { return };
        let (held, (_, digest)) = (log.list_beside(), log.beside());
        if let Some(session) = self.session(link, deck) {
            session.told = Some(digest);
            session.listed = Some(digest);
        }
        self.send(link, &Message::Holdings { deck, held });
    }

    /// The other side listed what it holds: it is sent what it lacks.
    pub(super) fn take_holdings(&mut self, link: LinkId, deck: DeckId, held: &[Holding]) {
        if self.session(link, deck).is_none() {
            return;
        }
        let Ok(log) = self.log_mut(deck) else { return };
        let owed = log.owed_to(held);
        let (ours, digest) = log.beside();
        let lacks = held.iter().any(|theirs| !ours.contains(theirs));
        let Some(session) = self.session(link, deck) else {
            return;
        };
        session.owed = owed.into();
        session.owed_bytes = 0;
        // Its list is new to us, or ours to it: it cannot know what we lack. Else all was said, and what one of us does not
        // take it goes on not taking.
        let theirs = Digest::of(&held.iter().copied().collect());
        let is_new = session.answered.replace(theirs) != Some(theirs) || session.listed != Some(digest);
        if lacks && is_new {
            self.list_holdings(link, deck);
        }
        self.catch_up(link, deck);
    }

    /// Something became durable: whoever was told otherwise is told what is held now.
    pub(super) fn tell_holdings(&mut self, deck: DeckId) {
        if self.is_beside_unsaved(deck) {
            return;
        }
        let now = self.now;
        let Ok(log) = self.log_mut(deck) else { return };
        let (held, digest) = log.beside();
        let every = LISTED_EVERY * u32::try_from(held.len() / LISTED_AT_ONCE).unwrap_or(u32::MAX);
        let (mut links, mut due) = (Vec::new(), Vec::new());
        for (&link, state) in &mut self.links {
            let Some(session) = state.sessions.get_mut(&deck) else {
                continue;
            };
            if !session.heard || !(session.missed || session.told != Some(digest)) {
                continue;
            }
            if session.listing.may_leave(now, every) {
                // What came too early may fit now.
                session.missed = false;
                links.push(link);
            } else {
                due.extend(session.listing.due());
            }
        }
        self.outputs.extend(due.into_iter().map(Output::WakeAt));
        for link in links {
            self.list_holdings(link, deck);
        }
    }

    /// Lists what had to wait.
    pub(super) fn tell_holdings_in_time(&mut self) {
        let now = self.now;
        let mut decks: BTreeSet<DeckId> = BTreeSet::new();
        let sessions = self.links.values_mut().flat_map(|state| &mut state.sessions);
        for (deck, session) in sessions {
            if session.listing.take_due(now) {
                decks.insert(*deck);
            }
            self.outputs.extend(session.listing.due().map(Output::WakeAt));
        }
        for deck in decks {
            self.tell_holdings(deck);
        }
    }

    /// Records are durable before they are sent. Where the disk has failed, nobody knows which are.
    pub(super) fn is_beside_unsaved(&self, deck: DeckId) -> bool {
        #[cfg(feature = "sim")]
        if crate::sim::is_broken(crate::sim::Rule::SaveBeforeSending) {
            return false;
        }
        let mut saving = self.saving.values();
        self.store_failed.is_some() || saving.any(|saving| saving.deck == deck && saving.beside)
    }

    /// Sends what is owed: late work that the path accepts before that, all else once there is nothing of the path to send.
    pub(super) fn send_owed(&mut self, link: LinkId, deck: DeckId, is_first: bool) {
        if self.is_beside_unsaved(deck) {
            return;
        }
        let mut items: Vec<Item> = Vec::new();
        loop {
            let Some(session) = self.session(link, deck) else {
                return;
            };
            let owed = match is_first {
                true => &mut session.first,
                false => &mut session.owed,
            };
            match owed.pop_front() {
                Some(Owed::Item(item)) if items.len() < RECORDS_PER_MESSAGE_MAX => items.push(item),
                Some(next @ Owed::Item(_)) => {
                    owed.push_front(next);
                    let items = std::mem::take(&mut items);
                    self.send(link, &Message::Branches { deck, items });
                }
                next => {
                    let line = match next {
                        Some(Owed::Line { after, end }) => Some((after, end)),
                        Some(Owed::Item(_)) | None => None,
                    };
                    if !items.is_empty() {
                        self.send(link, &Message::Branches { deck, items });
                    }
                    if let Some((after, end)) = line {
                        let after = Position::new(end.term, after);
                        let wanted = end.len.saturating_sub(after.len);
                        self.ask_log(link, deck, after, end, wanted, vec![], true);
                    } else if is_first {
                        self.catch_up(link, deck);
                    }
                    return;
                }
            }
        }
    }

    /// Reads changes of a term that follow `after` on the way to `end`, to be sent behind `items`.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the one question")]
    pub(super) fn ask_log(
        &mut self,
        link: LinkId,
        deck: DeckId,
        after: Position,
        end: Position,
        wanted: u64,
        items: Vec<Item>,
        beside: bool,
    ) {
        let read = ReadId(self.number());
        let Ok(log) = self.log(deck) else { return };
        let stored = log.stored(end, after.cut());
        // What only a snapshot holds any more comes from the document.
        let cut_off = match &stored {
            Stored::Log(_) => log.cut_off(end.term, after.len + 1, wanted),
            Stored::Here(_) => CutOff::default(),
        };
        let begins_anew = !cut_off.is_empty();
        let remake = begins_anew.then(|| Work::Remake(Box::new(log.remake(read, cut_off))));
        let Some(session) = self.session(link, deck) else {
            return;
        };
        session.reading = Some(Reading {
            read,
            items,
            after,
            end,
            wanted,
            begins: vec![],
            begins_anew,
            beside,
        });
        self.reading.insert(read, (link, deck));
        match (remake, stored) {
            (Some(remake), _) => self.outputs.push_back(Output::Work(remake)),
            (None, Stored::Log(stream)) => self.outputs.push_back(Output::ReadLog {
                read,
                stream,
                from: after.len + 1,
                // Mostly there is a seal among these. Where there is none, what lies behind is read as well.
                count: usize::try_from(wanted)
                    .map_or(SLICE_CHANGES_MAX, |wanted| wanted.min(SLICE_CHANGES_MAX)),
            }),
            (None, Stored::Here(records)) => self.log_read(read, Ok(records)),
        }
    }

    /// What was wanted, or what was cut off, may end before the next seal: whoever kept the term in slices has none there. So
    /// what lies behind is read as well, and sent up to the seal there; what is beyond a cut goes to the side as it did here.
    pub(super) fn read_behind(
        &mut self,
        link: LinkId,
        deck: DeckId,
        mut reading: Reading,
        begins: Vec<LogRecord>,
    ) {
        let read = reading.read;
        self.outputs.push_back(Output::ReadLog {
            read,
            stream: term_stream(deck, reading.end.term),
            from: reading.after.len + 1 + begins.len() as u64,
            count: SLICE_CHANGES_MAX.saturating_sub(begins.len()),
        });
        (reading.begins, reading.begins_anew) = (begins, false);
        if let Some(session) = self.session(link, deck) {
            session.reading = Some(reading);
            self.reading.insert(read, (link, deck));
        }
    }

    /// A slice of a line that is owed is on its way; so is the rest, unless it is too much for now: then the other side
    /// says what it holds when it has taken that in.
    pub(super) fn owe_rest(
        &mut self,
        link: LinkId,
        deck: DeckId,
        sent: Position,
        end: Position,
        bytes: usize,
    ) {
        let Some(session) = self.session(link, deck) else {
            return;
        };
        session.owed_bytes += bytes;
        if sent.len < end.len {
            let (after, end) = (sent.cut(), end);
            session.first.push_front(Owed::Line { after, end });
        }
        if session.owed_bytes > BRANCHES_BYTES_MAX {
            session.owed.clear();
        }
    }

    /// A slice begins with the acceptance of late work, which the other side may not hold. True when that goes first; then
    /// the slice is sent after it.
    pub(super) fn send_late_first(
        &mut self,
        link: LinkId,
        deck: DeckId,
        reading: &Reading,
        items: &[Item],
    ) -> bool {
        let Ok(log) = self.log(deck) else { return false };
        let Some((late, mut lines)) = log.late_before(items) else {
            return false;
        };
        let Some(session) = self.session(link, deck) else {
            return false;
        };
        if lines.is_empty() || !session.late_sent.insert(late) {
            return false;
        }
        if reading.beside {
            let (after, end) = (reading.after.cut(), reading.end);
            lines.push(Owed::Line { after, end });
        }
        for line in lines.into_iter().rev() {
            session.first.push_front(line);
        }
        true
    }
}
