//! Status, entries, acknowledgement: how devices that differ come to hold the same.

use std::collections::BTreeSet;

use crate::core::log::{Log, Next};
use crate::core::own_log;
use crate::core::{Core, LinkId, ReadId};
use crate::disk::LogRecord;
use crate::event::Event;
use crate::id::DeckId;
use crate::limits::{SLICE_BYTES_MAX, SLICE_CHANGES_MAX};
use crate::role::{Charter, Cut, Verified};
use crate::sync::holdings::Digest;
use crate::sync::message::{DraftItem, Item, Message, Position};
use crate::sync::session::{SLICE_BYTES_AIM, Slice};

/// Records in one message of a catch-up: keeps one message, and one check, short.
pub(super) const RECORDS_PER_MESSAGE_MAX: usize = 200;
/// Slices of one deck that are being read or made anew for links that are gone.
const READS_LEFT_MAX: usize = 4;

impl Core {
    /// Where a deck stands here.
    pub(super) fn status_of(&mut self, deck: DeckId) -> Message {
        let log = self.decks.get_mut(&deck).and_then(|state| state.log.as_mut());
        let (charter, locator, beside, changes) = match log {
            None => (None, vec![], Digest::of(&BTreeSet::new()), 0),
            Some(log) => (
                Some(log.charter_order()),
                log.locator(),
                log.beside().1,
                log.changes_upto(log.durable()).unwrap_or_default(),
            ),
        };
        Message::Status {
            deck,
            charter,
            locator,
            beside,
            changes,
        }
    }

    pub(super) fn send_status(&mut self, link: LinkId, deck: DeckId) {
        self.say_status(link, deck, None);
    }

    /// The same, unless that is what was said already.
    pub(super) fn say_status(&mut self, link: LinkId, deck: DeckId, said: Option<&Message>) {
        let status = self.status_of(deck);
        if let (Some(session), Message::Status { beside, .. }) = (self.session(link, deck), &status) {
            session.told = Some(*beside);
        }
        if said != Some(&status) {
            self.send(link, &status);
        }
    }

    pub(super) fn send_status_to_all(&mut self, deck: DeckId) {
        for link in self.links_of(deck) {
            self.send_status(link, deck);
        }
    }

    pub(super) fn links_of(&self, deck: DeckId) -> Vec<LinkId> {
        let with_session = self
            .links
            .iter()
            .filter(|(_, state)| state.sessions.contains_key(&deck));
        with_session.map(|(&link, _)| link).collect()
    }

    pub(super) fn take_status(
        &mut self,
        link: LinkId,
        deck: DeckId,
        charter: Option<(u32, u32)>,
        locator: &[Position],
        beside: Digest,
        changes: u64,
    ) {
        let Some(session) = self.session(link, deck) else {
            return;
        };
        session.heard = true;
        self.note_met(link, deck);
        let Some(session) = self.session(link, deck) else {
            return;
        };
        session.has_genesis = charter.is_some();
        session.introduced &= session.has_genesis;
        session.asked_lineage = None;
        session.charter = charter;
        let shared = self
            .log(deck)
            .ok()
            .map(|log| log.find(locator).unwrap_or_else(|| log.start()));
        if let Some(session) = self.session(link, deck) {
            session.restart_at(shared);
            session.acked = locator.first().copied();
            session.locator = locator.to_vec();
            session.listed = None;
            session.answered = None;
        }
        if let (Some(&held), Some(device)) = (locator.first(), self.peer_of(link)) {
            self.hear(deck, device, held, changes, shared);
            self.tell_progress(deck, true);
        }
        self.compare_holdings(link, deck, beside);
        self.settle_late(deck);
        self.fetches.ask_again(self.now, link);
        self.catch_up(link, deck);
        self.offer_drafts(link, deck);
        self.knock(link, deck);
        self.introduce(link, deck);
        self.pull_audio();
    }

    pub(super) fn take_ack(&mut self, link: LinkId, deck: DeckId, held: Position, taken: u64, changes: u64) {
        let Some(device) = self.peer_of(link) else { return };
        if self.session(link, deck).is_none() {
            return;
        }
        self.hear(deck, device, held, changes, None);
        // Split borrows: the session is changed by the order of the log.
        let log = self.decks.get(&deck).and_then(|state| state.log.as_ref());
        let session = self
            .links
            .get_mut(&link)
            .and_then(|state| state.sessions.get_mut(&deck));
        let Some(session) = session else { return };
        let Some(log) = log else {
            // Nothing of the deck is here yet: it counts when something is, as it is not said again.
            session.acked = Some(held);
            return;
        };
        session.acked_up_to(held, taken, |a, b| log.is_before(a, b));
        self.tell_safe(link, deck, true);
        self.tell_progress(deck, false);
        self.introduce(link, deck);
        self.catch_up(link, deck);
        self.offer_drafts(link, deck);
    }

    /// Tells the app what a device said that it holds; or (not `anew`) only that it now turns out to be all: what it
    /// said may have been ahead of this device.
    pub(super) fn tell_safe(&mut self, link: LinkId, deck: DeckId, anew: bool) {
        let Some(device) = self.peer_of(link) else { return };
        let Some(in_sync) = self.is_in_sync(deck, device) else {
            return;
        };
        let Some(session) = self.session(link, deck) else {
            return;
        };
        let was = std::mem::replace(&mut session.in_sync, in_sync);
        if anew || (in_sync && !was) {
            self.event(Event::SafeWith {
                deck,
                device,
                in_sync,
            });
        }
    }

    /// Sends what the other side lacks, as much as there is room for.
    pub(super) fn catch_up(&mut self, link: LinkId, deck: DeckId) {
        #[cfg(feature = "sim")]
        if crate::sim::is_broken(crate::sim::Rule::PassOn) && self.editor_of(deck) != Some(self.device()) {
            return;
        }
        let is_asked = self.is_asked(link, deck);
        let Some(log) = self.decks.get(&deck).and_then(|state| state.log.as_ref()) else {
            return;
        };
        let session = self
            .links
            .get_mut(&link)
            .and_then(|state| state.sessions.get_mut(&deck));
        let Some(session) = session else { return };
        // The path has turned, and what was sent or being read leads where it no longer goes.
        let mut items = Vec::new();
        if session.cursor.is_some_and(|cursor| !log.is_on_path(cursor)) {
            // What was to go before it is marked as sent.
            items.extend(
                session
                    .reading
                    .take()
                    .into_iter()
                    .flat_map(|reading| reading.items),
            );
            let shared = log.find(&session.locator);
            session.restart_at(Some(shared.unwrap_or_else(|| log.start())));
        }
        if !session.has_room() || is_asked {
            return self.send_records(link, deck, items);
        }
        if !session.first.is_empty() {
            return self.send_owed(link, deck, true);
        }
        // Nothing can be taken in without a genesis, and that is on disk before it is sent.
        if !session.has_genesis && !log.is_kept {
            return;
        }
        if !session.has_genesis {
            session.has_genesis = true;
            items.push(Item::Genesis(log.genesis.encode().into()));
        }
        let newest = log.charter_order();
        // The owner's word is on disk before it is sent. Transfers go with it: they prove who the owner is.
        if session.charter.is_none_or(|theirs| theirs < newest) && log.newest_charter_is_saved() {
            let lacks = |charter: &&Verified<Charter>| {
                let order = (charter.generation, charter.count);
                order == newest || (charter.count == 0 && session.charter < Some(order))
            };
            let lacking = log.chain.charters().filter(lacks);
            items.extend(lacking.map(|charter| Item::Charter(charter.encode().into())));
            session.charter = session.charter.max(Some(newest));
        }
        // What it said that it holds may have been ahead of us then.
        if let Some(acked) = session.acked {
            session.acked_up_to(acked, 0, |a, b| log.is_before(a, b));
        }
        let mut at = session.cursor.unwrap_or_else(|| log.start());
        let question = loop {
            match log.next_after(at) {
                Next::Nothing => break None,
                Next::Term(begins, bytes) => {
                    items.push(Item::Term(bytes.into()));
                    at = begins;
                    if items.len() >= RECORDS_PER_MESSAGE_MAX {
                        break None;
                    }
                }
                Next::Changes { end } => break Some(end),
            }
        };
        if let Some(end) = question {
            session.cursor = Some(at);
            let wanted = end.len.saturating_sub(at.len).min(session.slice.0);
            self.ask_log(link, deck, at, end, wanted, items, false);
        } else if !items.is_empty() {
            session.sent_up_to(at, Slice::default());
            self.send(link, &Message::Entries { deck, items });
            self.catch_up(link, deck);
        } else if !self.send_fresh(link, deck, at) {
            self.send_owed(link, deck, false);
        }
    }

    /// Whether an answer of our own log is still on its way that a status came before. It costs what it costs: the next is asked for
    /// after it. So is one for a link that is gone: of those that come and go, copies of the document would add up.
    fn is_asked(&self, link: LinkId, deck: DeckId) -> bool {
        let is_left = |(by, of): &&(LinkId, DeckId)| *of == deck && !self.links.contains_key(by);
        self.reading.values().any(|asked| *asked == (link, deck))
            || self.reading.values().filter(is_left).count() >= READS_LEFT_MAX
    }

    /// Sends records without the slice that they were to go before: that comes later.
    fn send_records(&mut self, link: LinkId, deck: DeckId, items: Vec<Item>) {
        if items.is_empty() {
            return;
        }
        if let Some(session) = self.session(link, deck) {
            session.sent_records();
        }
        self.send(link, &Message::Entries { deck, items });
    }

    /// Sends what was written here and is not durable yet, to one that has all before it.
    fn send_fresh(&mut self, link: LinkId, deck: DeckId, at: Position) -> bool {
        if self.store_failed.is_some() {
            return false;
        }
        let Ok(log) = self.log(deck) else { return false };
        let Some((end, records)) = log.fresh_after(at) else {
            return false;
        };
        let (wanted, mut items) = (records.len() as u64, Vec::new());
        let Some((reached, slice)) = push_slice(log, at, end, wanted, records, &mut items) else {
            return false;
        };
        if let Some(session) = self.session(link, deck) {
            session.sent_up_to(reached, slice);
        }
        self.send(link, &Message::Entries { deck, items });
        self.catch_up(link, deck);
        true
    }

    /// This device changed a deck: those that are up to date need not wait for the disk.
    pub(super) fn send_at_once(&mut self, deck: DeckId) {
        for link in self.links_of(deck) {
            self.catch_up(link, deck);
        }
    }

    /// Our own log answered: the slice can go.
    pub(super) fn log_read(&mut self, read: ReadId, result: Result<Vec<LogRecord>, String>) {
        let Some((link, deck)) = self.reading.remove(&read) else {
            return;
        };
        if !self.links.contains_key(&link) {
            // Others may wait for that.
            for link in self.links_of(deck) {
                self.catch_up(link, deck);
            }
            return;
        }
        let session = self
            .links
            .get_mut(&link)
            .and_then(|state| state.sessions.get_mut(&deck));
        let Some(session) = session else { return };
        // A status that came in between may have asked for something else.
        let answered = session.reading.take_if(|reading| reading.read == read);
        let Some(mut reading) = answered else {
            return self.catch_up(link, deck);
        };
        let Some(log) = self.decks.get(&deck).and_then(|state| state.log.as_ref()) else {
            return;
        };
        let is_first = reading.begins.is_empty();
        let mut records = match result {
            Ok(read) if is_first => read,
            Ok(read) => [std::mem::take(&mut reading.begins), read].concat(),
            Err(why) => return self.fail_store(why),
        };
        let (after, end, beside) = (reading.after, reading.end, reading.beside);
        if records.is_empty() && reading.begins_anew {
            // That failed.
            records = log.records_cut(after.term, after.len + 1, reading.wanted);
        }
        let is_sealed = records.iter().any(|record| record.seal.is_some());
        let is_all_wanted = is_first && records.len() as u64 >= reading.wanted;
        let is_more = is_all_wanted && records.len() < SLICE_CHANGES_MAX;
        if !is_sealed && (reading.begins_anew || is_more) {
            return self.read_behind(link, deck, reading, records);
        }
        if !is_sealed && log.is_cut(after.term, after.len + records.len() as u64 + 1) {
            // The log was cut while it was being read.
            records = log.records_cut(after.term, after.len + 1, reading.wanted);
        }
        let mut items = std::mem::take(&mut reading.items);
        let before = items.len();
        let slice = push_slice(log, after, end, reading.wanted, records, &mut items);
        let Some((reached, slice)) = slice else {
            return self.found_damage(deck, after.len + 1);
        };
        if self.send_late_first(link, deck, &reading, &items) {
            items.truncate(before);
            self.send_records(link, deck, items);
            return self.catch_up(link, deck);
        }
        if beside {
            self.send(link, &Message::Branches { deck, items });
            self.owe_rest(link, deck, reached, end, slice.bytes);
        } else {
            if let Some(session) = self.session(link, deck) {
                session.sent_up_to(reached, slice);
            }
            self.send(link, &Message::Entries { deck, items });
        }
        self.catch_up(link, deck);
    }

    /// Part of what this device keeps of a deck cannot be read any more, from this change of a term on. Others cannot be sent it.
    fn found_damage(&mut self, deck: DeckId, number: u64) {
        let Some(state) = self.decks.get_mut(&deck).filter(|_| self.store_failed.is_none()) else {
            return;
        };
        if !std::mem::replace(&mut state.told_damage, true) {
            let why =
                format!("its log cannot be read from change {number} of a term on, or has no seal there");
            tracing::error!(deck = %deck.short(), why, "a deck is damaged");
            self.event(Event::DeckDamaged { deck, why });
        }
    }

    /// After a turn of our path, neighbours were sent a branch that no longer counts, and may have left out what was
    /// of none before: look for common ground again, on both sides.
    pub(super) fn after_turn(&mut self, deck: DeckId) {
        if !self.log_mut(deck).is_ok_and(Log::take_turned) {
            return;
        }
        for link in self.links_of(deck) {
            self.send_status(link, deck);
            self.catch_up(link, deck);
        }
    }

    pub(super) fn acknowledge(&mut self, link: LinkId, deck: DeckId) {
        let taken = self.session(link, deck).map_or(0, |session| session.taken);
        if let Ok(log) = self.log(deck) {
            let held = log.durable();
            let changes = log.changes_upto(held).unwrap_or_default();
            self.send(
                link,
                &Message::Ack {
                    deck,
                    held,
                    taken,
                    changes,
                },
            );
        }
    }

    /// Something became durable here: neighbours are told, and sent what they lack.
    pub(super) fn after_durable(&mut self, deck: DeckId) {
        for link in self.links_of(deck) {
            let was_early = self.session(link, deck).map(|s| std::mem::take(&mut s.early));
            if was_early == Some(true) {
                self.send_status(link, deck);
            }
            self.tell_safe(link, deck, false);
            self.acknowledge(link, deck);
            self.catch_up(link, deck);
            self.offer_drafts(link, deck);
            self.knock(link, deck);
            // What it acknowledged before anything of the deck was here.
            self.introduce(link, deck);
        }
        self.tell_progress(deck, false);
        self.tell_holdings(deck);
    }
}

/// Adds to `items` the slice of the line to `end` that begins with these records, and the drafts that it accepts. Says
/// where it ends, and how long it is.
pub(super) fn push_slice(
    log: &Log,
    after: Position,
    end: Position,
    wanted: u64,
    records: Vec<LogRecord>,
    items: &mut Vec<Item>,
) -> Option<(Position, Slice)> {
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let accepts = |change: &[u8]| {
        let (draft, deps) = own_log::acceptance(change)?;
        log.drafts.get(&draft)?.accepted_item(&deps)
    };
    let (changes, seal) = cut_at_seal(records, wanted, accepts)?;
    let drafts = changes.iter().filter_map(|change| accepts(change));
    items.extend(drafts.map(Item::Draft));
    let head = own_log::hash_of(changes.last()?)?;
    let len = after.len + changes.len() as u64;
    let sent = Cut { len, head };
    // What is stored in one piece may part from the line behind some place, and goes on there.
    let reached = match log.chain.passes(end.term, sent, end.cut()) {
        true => Some(sent),
        false => log.chain.common(end.term, sent, end.cut()),
    };
    let reached = Position::new(end.term, reached.unwrap_or(sent));
    let slice = Slice {
        changes: changes.len() as u64,
        bytes: changes.iter().map(Vec::len).sum(),
        is_short: changes.len() < wanted,
    };
    items.push(Item::Changes {
        term: after.term,
        from: after.len + 1,
        changes: changes.into_iter().map(Into::into).collect(),
        seal: seal.into(),
        after: after.head,
    });
    Some((reached, slice))
}

/// The records up to the last seal that fits into a slice, and that seal: at `wanted` records or before, or else the
/// first one after. Seals are never further apart than a slice is long: whoever appends, seals each batch, and whoever
/// receives, keeps the seal of each slice. The drafts that a slice accepts travel with it, and count.
fn cut_at_seal(
    records: Vec<LogRecord>,
    wanted: usize,
    accepts: impl Fn(&[u8]) -> Option<DraftItem>,
) -> Option<(Vec<Vec<u8>>, Vec<u8>)> {
    let mut bytes = 0;
    let fits = records.iter().enumerate().take_while(|(at, record)| {
        let draft = accepts(&record.change);
        // What a slice accepts goes before it, and what that is based on before that: so an acceptance begins a slice.
        let begins = !own_log::merges(&record.change) || *at == 0;
        let drafted: usize = draft.map_or(0, |draft| draft.changes.iter().map(|change| change.len()).sum());
        bytes += record.change.len() + drafted;
        begins && bytes <= SLICE_BYTES_MAX
    });
    let fitting = fits.count().max(1);
    let mut bytes = 0;
    let aimed = records.iter().take_while(|record| {
        bytes += record.change.len();
        bytes <= SLICE_BYTES_AIM
    });
    let wanted = wanted.min(aimed.count());
    let sealed = |record: &LogRecord| record.seal.is_some();
    let before = records.iter().take(fitting.min(wanted)).rposition(sealed);
    let last = before.or_else(|| records.iter().take(fitting).position(sealed))?;
    let seal = records.get(last)?.seal.clone()?;
    let changes = records
        .into_iter()
        .take(last + 1)
        .map(|record| record.change.to_vec())
        .collect();
    Some((changes, seal.to_vec()))
}
