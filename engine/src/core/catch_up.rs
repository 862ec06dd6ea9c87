//! Status, entries, acknowledgement: how devices that differ come to hold the same.

use cuecard_store::Batch;

use crate::core::draft_log::DraftLog;
use crate::core::log::{Log, Next, Slice, TakeError};
use crate::core::own_log;
use crate::core::{Core, LinkId, Output, ReadId};
use crate::disk::{self, LogRecord};
use crate::document::DeckChange;
use crate::event::Event;
use crate::id::DeckId;
use crate::limits::{SLICE_BYTES_MAX, SLICE_CHANGES_MAX};
use crate::role::{Cut, Genesis};
use crate::sync::message::{DraftItem, Item, Message, Position};
use crate::sync::session::Reading;

impl Core {
    pub(super) fn send_status(&mut self, link: LinkId, deck: DeckId) {
        let log = self.decks.get(&deck).and_then(|state| state.log.as_ref());
        let (charter, locator) = match log {
            None => (None, vec![]),
            Some(log) => (Some(charter_order(log)), log.locator()),
        };
        self.send(
            link,
            &Message::Status {
                deck,
                charter,
                locator,
            },
        );
    }

    pub(super) fn take_status(
        &mut self,
        link: LinkId,
        deck: DeckId,
        charter: Option<(u32, u32)>,
        locator: &[Position],
    ) {
        let Some(session) = self.session(link, deck) else {
            return;
        };
        session.heard = true;
        session.has_genesis = charter.is_some();
        session.charter = charter;
        let shared = self
            .log(deck)
            .ok()
            .map(|log| log.find(locator).unwrap_or_else(|| log.start()));
        if let Some(session) = self.session(link, deck) {
            session.restart_at(shared);
            session.acked = locator.first().copied();
            session.locator = locator.to_vec();
        }
        self.fetches.ask_again(link);
        self.catch_up(link, deck);
        self.offer_drafts(link, deck);
        self.pull_audio();
    }

    pub(super) fn take_ack(&mut self, link: LinkId, deck: DeckId, held: Position) {
        // Split borrows: the session is changed by the order of the log.
        let Some(log) = self.decks.get(&deck).and_then(|state| state.log.as_ref()) else {
            return;
        };
        let session = self
            .links
            .get_mut(&link)
            .and_then(|state| state.sessions.get_mut(&deck));
        let Some(session) = session else { return };
        session.acked_up_to(held, |a, b| log.is_before(a, b));
        self.tell_safe(link, deck, true);
        self.catch_up(link, deck);
        self.offer_drafts(link, deck);
    }

    /// Tells the app what a device said that it holds; or (not `anew`) only that it now turns out to be all: what it
    /// said may have been ahead of this device.
    fn tell_safe(&mut self, link: LinkId, deck: DeckId, anew: bool) {
        let Some(device) = self.peer_of(link) else { return };
        let log = self.decks.get(&deck).and_then(|state| state.log.as_ref());
        let session = self
            .links
            .get_mut(&link)
            .and_then(|state| state.sessions.get_mut(&deck));
        let (Some(log), Some(session)) = (log, session) else {
            return;
        };
        let Some(held) = session.acked else { return };
        let in_sync = log.holds_all(held);
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
        let Some(log) = self.decks.get(&deck).and_then(|state| state.log.as_ref()) else {
            return;
        };
        let session = self
            .links
            .get_mut(&link)
            .and_then(|state| state.sessions.get_mut(&deck));
        let Some(session) = session.filter(|session| session.has_room()) else {
            return;
        };
        let mut items = Vec::new();
        if !session.has_genesis {
            session.has_genesis = true;
            items.push(Item::Genesis(log.genesis.encode().into()));
        }
        let newest = charter_order(log);
        if session.charter.is_none_or(|theirs| theirs < newest)
            && let Some(charter) = log.chain.signed_charter()
        {
            items.push(Item::Charter(charter.encode().into()));
        }
        session.charter = session.charter.max(Some(newest));
        // What it said that it holds may have been ahead of us then.
        if let Some(acked) = session.acked {
            session.acked_up_to(acked, |a, b| log.is_before(a, b));
        }
        let mut at = session.cursor.unwrap_or_else(|| log.start());
        let question = loop {
            match log.next_after(at) {
                Next::Nothing => break None,
                Next::Term(begins, bytes) => {
                    items.push(Item::Term(bytes.into()));
                    at = begins;
                    if items.len() >= SLICE_CHANGES_MAX {
                        break None;
                    }
                }
                Next::Changes { term, from, to } => break Some((term, from, to)),
            }
        };
        if let Some((term, from, to)) = question {
            let read = ReadId(self.next_number + 1);
            self.next_number += 1;
            session.cursor = Some(at);
            // What only a snapshot holds any more comes from the document. A cut may lie before the next seal: whoever
            // kept the term in slices has none there. So read on, and send up to the seal behind it; what is beyond the
            // cut goes to the side there as it did here.
            let begins = log.records_cut(term, from, SLICE_CHANGES_MAX);
            let is_enough = begins.iter().any(|record| record.seal.is_some());
            let count = SLICE_CHANGES_MAX - begins.len();
            let next = from + begins.len() as u64;
            let after = at;
            session.reading = Some(Reading {
                read,
                items,
                after,
                wanted: to + 1 - from,
                begins,
            });
            self.reading.insert(read, (link, deck));
            if is_enough {
                return self.log_read(read, Ok(vec![]));
            }
            let stream = disk::term_stream(deck, term);
            self.outputs.push_back(Output::ReadLog {
                read,
                stream,
                from: next,
                count,
            });
        } else if !items.is_empty() {
            session.sent_up_to(at, 0);
            self.send(link, &Message::Entries { deck, items });
            self.catch_up(link, deck);
        }
    }

    /// Our own log answered: the slice can go.
    pub(super) fn log_read(&mut self, read: ReadId, result: Result<Vec<LogRecord>, String>) {
        let Some((link, deck)) = self.reading.remove(&read) else {
            return;
        };
        let session = self
            .links
            .get_mut(&link)
            .and_then(|state| state.sessions.get_mut(&deck));
        let Some(session) = session else { return };
        // A status that came in between may have asked for something else.
        let answered = session.reading.take_if(|reading| reading.read == read);
        let Some(Reading {
            mut items,
            after,
            wanted,
            begins,
            ..
        }) = answered
        else {
            return self.catch_up(link, deck);
        };
        let Some(log) = self.decks.get(&deck).and_then(|state| state.log.as_ref()) else {
            return;
        };
        let mut records = match result {
            Ok(read) => [begins, read].concat(),
            Err(why) => return self.fail_store(why),
        };
        let is_sealed = records.iter().any(|record| record.seal.is_some());
        if !is_sealed && log.is_cut(after.term, after.len + records.len() as u64 + 1) {
            // The log was cut while it was being read.
            records = log.records_cut(after.term, after.len + 1, SLICE_CHANGES_MAX);
        }
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let accepts = |change: &[u8]| {
            let (draft, deps) = own_log::acceptance(change)?;
            log.drafts.get(&draft)?.accepted_item(&deps)
        };
        let Some((changes, seal)) = cut_at_seal(records, wanted, accepts) else {
            tracing::error!(deck = %deck.short(), "the log has no seal within a slice");
            return;
        };
        items.extend(
            changes
                .iter()
                .filter_map(|change| accepts(change))
                .map(Item::Draft),
        );
        let Some(head) = changes.last().and_then(|change| own_log::hash_of(change)) else {
            tracing::error!(deck = %deck.short(), "a change in the log is damaged");
            return;
        };
        let len = after.len + changes.len() as u64;
        let end = Position::new(after.term, Cut { len, head });
        let bytes = changes.iter().map(Vec::len).sum();
        let changes = changes.into_iter().map(Into::into).collect();
        items.push(Item::Changes {
            term: after.term,
            from: after.len + 1,
            changes,
            seal: seal.into(),
        });
        session.sent_up_to(end, bytes);
        self.send(link, &Message::Entries { deck, items });
        self.catch_up(link, deck);
    }

    /// Parts of a deck came.
    pub(super) fn take_entries(&mut self, link: LinkId, deck: DeckId, items: &[Item]) {
        if self.session(link, deck).is_none() {
            return;
        }
        let mut batch = Batch::default();
        let mut taken = Taken::default();
        let result = self.take_items(deck, items, &mut batch, &mut taken);
        // Before the batch is named durable: what it makes canonical is durable with it.
        let follow = self.log_mut(deck).map(Log::follow_chain);
        match follow {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(more)) => taken.taken_out += more,
            Ok(Err(error)) => self.event(Event::DeckBroken {
                deck,
                why: error.to_string(),
            }),
        }
        if taken.taken_out > 0 {
            let taken_out = taken.taken_out;
            self.event(Event::Reorganised { deck, taken_out });
        }
        if !batch.is_empty() {
            self.save(deck, batch, None);
        } else if result.is_ok() {
            // Nothing new: it is all held and durable, or on its way there, and the other side did not know.
            self.acknowledge(link, deck);
        }
        self.tell_drafts(deck);
        self.after_turn(deck);
        if taken.role {
            let editor = self.log(deck).ok().and_then(|log| log.chain.canonical().editor);
            self.event(Event::RoleMoved { deck, editor });
        }
        if taken.members {
            self.event(Event::MembersChanged { deck });
        }
        self.tell_changes(deck, taken.changes);
        // The changes that a better sibling was cut at came before it did, and counted for nothing then.
        let waits = |log: &Log| !log.chain.waiting_for().is_empty();
        if taken.role && result.is_ok() && self.log(deck).is_ok_and(waits) {
            self.send_status(link, deck);
        }
        self.answer_for(link, deck, result);
    }

    fn take_items(
        &mut self,
        deck: DeckId,
        items: &[Item],
        batch: &mut Batch,
        taken: &mut Taken,
    ) -> Result<(), TakeError> {
        let mut drafts: Vec<DraftLog> = Vec::new();
        for item in items {
            if let Item::Genesis(bytes) = item {
                taken.role |= self.take_genesis(deck, bytes, batch)?;
                continue;
            }
            let Ok(log) = self.log_mut(deck) else {
                return Err(TakeError::Early);
            };
            match item {
                Item::Genesis(_) => {}
                Item::Charter(bytes) => taken.members |= log.take_charter(bytes, batch)?,
                Item::Term(bytes) => {
                    taken.role |= log.take_term(bytes, batch)?;
                    taken.taken_out += log.follow_chain()?;
                }
                Item::Draft(item) => drafts.push(take_draft(deck, item, drafts.len())?),
                Item::Changes {
                    term,
                    from,
                    changes,
                    seal,
                } => {
                    let changes = changes.iter().map(|change| change.as_slice()).collect();
                    let slice = Slice {
                        term: *term,
                        from: *from,
                        changes,
                        seal,
                    };
                    let events = log.take_changes(&slice, std::mem::take(&mut drafts), batch)?;
                    taken.taken_out += log.follow_chain()?;
                    taken.changes.extend(events);
                }
            }
        }
        Ok(())
    }

    fn take_genesis(&mut self, deck: DeckId, bytes: &[u8], batch: &mut Batch) -> Result<bool, TakeError> {
        let Some(state) = self.decks.get_mut(&deck) else {
            return Ok(false);
        };
        if state.log.is_some() {
            return Ok(false);
        }
        let genesis = Genesis::decode(bytes)?;
        if genesis.deck_id() != deck {
            return Err(TakeError::Refused("the genesis is of another deck".to_owned()));
        }
        disk::put_genesis(batch, deck, bytes);
        state.log = Some(Log::blank(genesis));
        Ok(true)
    }

    pub(super) fn answer_for(&mut self, link: LinkId, deck: DeckId, result: Result<(), TakeError>) {
        match result {
            Ok(()) => {}
            Err(TakeError::Early) => self.send_status(link, deck),
            Err(TakeError::Refused(why)) => self.refuse(link, why),
            Err(TakeError::Broken(why)) => {
                self.event(Event::DeckBroken {
                    deck,
                    why: why.clone(),
                });
                self.refuse(link, why);
            }
        }
    }

    /// After a turn of our path, neighbours were sent a branch that no longer counts, and may have left out what was
    /// of none before: look for common ground again, on both sides.
    pub(super) fn after_turn(&mut self, deck: DeckId) {
        if !self.log_mut(deck).is_ok_and(Log::take_turned) {
            return;
        }
        let Some(log) = self.decks.get(&deck).and_then(|state| state.log.as_ref()) else {
            return;
        };
        let mut links = Vec::new();
        for (&link, state) in &mut self.links {
            let Some(session) = state.sessions.get_mut(&deck) else {
                continue;
            };
            links.push(link);
            if session.cursor.is_some_and(|cursor| !log.is_on_path(cursor)) {
                let shared = log.find(&session.locator);
                session.restart_at(Some(shared.unwrap_or_else(|| log.start())));
            }
        }
        for link in links {
            self.send_status(link, deck);
            self.catch_up(link, deck);
        }
    }

    fn acknowledge(&mut self, link: LinkId, deck: DeckId) {
        if let Ok(log) = self.log(deck) {
            let held = log.durable();
            self.send(link, &Message::Ack { deck, held });
        }
    }

    /// Something became durable here: neighbours are told, and sent what they lack.
    pub(super) fn after_durable(&mut self, deck: DeckId) {
        let with_session = self
            .links
            .iter()
            .filter(|(_, state)| state.sessions.contains_key(&deck));
        let links: Vec<LinkId> = with_session.map(|(&link, _)| link).collect();
        for link in links {
            self.tell_safe(link, deck, false);
            self.acknowledge(link, deck);
            self.catch_up(link, deck);
            self.offer_drafts(link, deck);
        }
    }
}

/// What a message brought.
#[derive(Debug, Default)]
struct Taken {
    role: bool,
    members: bool,
    changes: Vec<DeckChange>,
    taken_out: u64,
}

fn take_draft(deck: DeckId, item: &DraftItem, before: usize) -> Result<DraftLog, TakeError> {
    if before >= SLICE_CHANGES_MAX {
        return Err(TakeError::Refused(
            "more drafts than a slice can accept".to_owned(),
        ));
    }
    DraftLog::from_item(deck, item)
}

fn charter_order(log: &Log) -> (u32, u32) {
    let charter = log.chain.charter();
    (charter.generation, charter.count)
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
        // A draft goes before the slice that accepts it, and what it is based on before that: so an acceptance begins
        // a slice.
        let begins = draft.is_none() || *at == 0;
        let drafted: usize = draft.map_or(0, |draft| draft.changes.iter().map(|change| change.len()).sum());
        bytes += record.change.len() + drafted;
        begins && bytes <= SLICE_BYTES_MAX
    });
    let fitting = fits.count().max(1);
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
