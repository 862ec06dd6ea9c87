//! Parts of a deck that came: what is on its path, and what is beside it.

use cuecard_store::Batch;
use minicbor::bytes::ByteVec;

use crate::core::catch_up::RECORDS_PER_MESSAGE_MAX;
use crate::core::checking::Grown;
use crate::core::draft_log::DraftLog;
use crate::core::log::{Followed, Log, Slice, TakeError, TurnWhy};
use crate::core::own_log;
use crate::core::{Core, LinkId};
use crate::disk;
use crate::document::DeckChange;
use crate::event::Event;
use crate::id::{DeckId, DeviceId, TermId};
use crate::role::{Admit, Cut, Genesis, LateWork};
use crate::sync::message::{DraftItem, Item, Message, Position};

/// What a message brought.
#[derive(Debug, Default)]
struct Taken {
    members: bool,
    admitted: Vec<Admit>,
    role: bool,
    changes: Vec<DeckChange>,
    taken_out: u64,
    turn: Option<(TurnWhy, Vec<LateWork>)>,
}

impl Taken {
    fn followed(&mut self, followed: Followed) {
        self.taken_out += followed.taken_out;
        self.turn = followed.turn.or(self.turn.take());
        self.changes.extend(followed.changes);
    }
}

impl Core {
    /// So many messages of entries were taken in.
    pub(super) fn took(&mut self, link: LinkId, deck: DeckId, messages: u64) {
        if let Some(session) = self.session(link, deck) {
            session.taken += messages;
        }
    }

    /// Parts of a deck came in so many messages, in an order in which they can be taken in: what does not fit ends it, and
    /// then it says no. `grown`: what became of the document by the slices that they begin with.
    pub(super) fn take_entries(
        &mut self,
        link: LinkId,
        deck: DeckId,
        items: &[Item],
        messages: u64,
        grown: Option<Grown>,
    ) -> bool {
        if self.session(link, deck).is_none() {
            return false;
        }
        self.took(link, deck, messages);
        let (result, is_empty) = self.take_in_order(deck, items, grown);
        let is_ok = result.is_ok();
        if is_empty && is_ok {
            // Nothing new: it is all held and durable, or on its way there, and the other side did not know.
            self.acknowledge(link, deck);
        }
        if is_ok {
            self.came_from(link, deck, items);
        }
        let early = matches!(result, Err(TakeError::Early));
        let Some(session) = self.session(link, deck) else {
            return is_ok;
        };
        let was_early = std::mem::replace(&mut session.early, early);
        // Said once: when something new is here, it is said again.
        if !(early && was_early) {
            self.answer_for(link, deck, result);
            self.ask_lineage(link, deck);
        }
        is_ok
    }

    /// Who sends a part of the path has it, and all before it: it is not sent back.
    fn came_from(&mut self, link: LinkId, deck: DeckId, items: &[Item]) {
        let end = items.iter().rev().find_map(|item| match item {
            Item::Changes {
                term, from, changes, ..
            } => {
                let head = own_log::hash_of(changes.last()?)?;
                let len = from + changes.len() as u64 - 1;
                Some(Position::new(*term, Cut { len, head }))
            }
            _ => None,
        });
        // Split borrows: the session is changed by the order of the log.
        let log = self.decks.get(&deck).and_then(|state| state.log.as_ref());
        let session = self
            .links
            .get_mut(&link)
            .and_then(|state| state.sessions.get_mut(&deck));
        if let (Some(end), Some(log), Some(session)) = (end, log, session)
            && log.is_on_path(end)
        {
            session.came_up_to(end, |a, b| log.is_before(a, b));
        }
    }

    /// Takes in parts of a deck up to the first that does not fit. Says whether nothing of it was news.
    pub(super) fn take_in_order(
        &mut self,
        deck: DeckId,
        items: &[Item],
        mut grown: Option<Grown>,
    ) -> (Result<(), TakeError>, bool) {
        // What is typed here is meant for the deck as it is now.
        self.leave_typing(deck);
        let editor = self.editor_of(deck);
        let (mut batch, mut taken, mut drafts) = (Batch::default(), Taken::default(), Vec::new());
        let (mut rest, mut result) = (items, Ok(()));
        while !rest.is_empty() && result.is_ok() {
            let count;
            (result, count) = self.take_next(deck, rest, grown.take(), &mut drafts, &mut batch, &mut taken);
            rest = rest.get(count..).unwrap_or_default();
        }
        let is_empty = batch.is_empty();
        self.keep_taken(deck, batch, taken, editor);
        (result, is_empty)
    }

    /// Records and branches came. Each is taken in for itself: one that comes too early, or is one too many, does not
    /// stop the others.
    pub(super) fn take_branches(&mut self, link: LinkId, deck: DeckId, items: &[Item]) {
        if self.session(link, deck).is_none() || self.log(deck).is_err() {
            return;
        }
        let (result, missed) = self.take_each(deck, items);
        if let Some(session) = self.session(link, deck) {
            session.missed |= missed;
        }
        self.answer_for(link, deck, result);
        self.ask_lineage(link, deck);
    }

    /// The terms came that lead to one which this device asked about.
    pub(super) fn take_lineage(&mut self, link: LinkId, deck: DeckId, term: TermId, terms: &[ByteVec]) {
        if self.session(link, deck).is_none() {
            return;
        }
        let editor = self.editor_of(deck);
        let (mut batch, mut taken) = (Batch::default(), Taken::default());
        let Ok(log) = self.log_mut(deck) else { return };
        let result = log.take_lineage(term, terms, &mut batch);
        taken.role = !batch.is_empty();
        let next = log.next_of_lineage();
        self.keep_taken(deck, batch, taken, editor);
        self.answer_for(link, deck, result.map(drop));
        // There is more of it, further back.
        if let Some(next) = next.filter(|next| *next != term)
            && let Some(session) = self.session(link, deck)
            && session.asked_lineage.replace(next) == Some(term)
        {
            let (deck, term) = (deck, next);
            self.send(link, &Message::Whence { deck, term });
        }
    }

    /// Takes in what fits of parts of a deck. Says whether something came too early.
    pub(super) fn take_each(&mut self, deck: DeckId, items: &[Item]) -> (Result<(), TakeError>, bool) {
        let editor = self.editor_of(deck);
        let (mut batch, mut taken, mut drafts) = (Batch::default(), Taken::default(), Vec::new());
        let (mut result, mut missed) = (Ok(()), false);
        for item in items {
            match self.take_item(deck, item, &mut drafts, &mut batch, &mut taken) {
                Ok(()) => {}
                Err(TakeError::Early) => missed = true,
                Err(error @ TakeError::Surplus { .. }) => result = Err(error),
                Err(error @ (TakeError::Refused(_) | TakeError::Broken(_))) => {
                    result = Err(error);
                    break;
                }
            }
        }
        self.keep_taken(deck, batch, taken, editor);
        (result, missed)
    }

    pub(super) fn editor_of(&self, deck: DeckId) -> Option<DeviceId> {
        self.log(deck).ok().and_then(|log| log.chain.canonical().editor)
    }

    /// Keeps charters that came with a key, and tells of them.
    pub(super) fn keep_charters(&mut self, deck: DeckId, batch: Batch, editor: Option<DeviceId>) {
        let taken = Taken {
            members: true,
            ..Taken::default()
        };
        self.keep_taken(deck, batch, taken, editor);
    }

    /// Keeps what was taken in, and tells of it.
    fn keep_taken(&mut self, deck: DeckId, mut batch: Batch, mut taken: Taken, editor: Option<DeviceId>) {
        // Before the batch is named durable: what it makes canonical is durable with it.
        match self.log_mut(deck).map(Log::follow_chain) {
            Ok(Ok(more)) => taken.followed(more),
            Ok(Err(error)) => self.event(Event::DeckBroken {
                deck,
                why: error.to_string(),
            }),
            Err(_) => {}
        }
        if let Some((why, now_in)) = taken.turn {
            self.event(Event::Reorganised {
                deck,
                taken_out: taken.taken_out,
                why,
                now_in,
            });
        }
        self.save_own_texts(deck, &mut batch);
        if !batch.is_empty() {
            self.save(deck, batch, None);
        }
        self.tell_drafts(deck);
        self.after_turn(deck);
        let now = self.editor_of(deck);
        if now != editor {
            self.watch_role(deck);
        }
        for admit in &taken.admitted {
            let Admit {
                device,
                rights,
                signer: by,
                ..
            } = *admit;
            self.event(Event::MemberAdmitted {
                deck,
                device,
                rights,
                by,
            });
        }
        if taken.members {
            self.members_changed(deck);
        }
        self.tell_changes(deck, taken.changes);
        // The changes that a better sibling was cut at came before it did, and counted for nothing then.
        let waits = |log: &Log| !log.chain.waiting_for().is_empty();
        if taken.role && self.log(deck).is_ok_and(waits) {
            self.send_status_to_all(deck);
        }
        self.settle_late(deck);
    }

    /// Takes in the first of some parts; or the first few of them together, where they are slices that go on one from the
    /// other. Says how many.
    fn take_next(
        &mut self,
        deck: DeckId,
        items: &[Item],
        grown: Option<Grown>,
        drafts: &mut Vec<DraftLog>,
        batch: &mut Batch,
        taken: &mut Taken,
    ) -> (Result<(), TakeError>, usize) {
        let is_batch = |count| count > 1 || grown.is_some();
        let joined = Slice::joined(items).filter(|(_, count)| is_batch(*count) && drafts.is_empty());
        let mut count = 1;
        if let (Some((slice, together)), Ok(log)) = (joined, self.log_mut(deck)) {
            match log.take_whole(batch, |log, batch| {
                take_slice(log, &slice, vec![], grown, batch, taken)
            }) {
                done @ (Ok(()) | Err(TakeError::Broken(_))) => return (done, together),
                // Nothing was done. One by one, those that go before what is wrong are taken in.
                Err(TakeError::Early | TakeError::Surplus { .. } | TakeError::Refused(_)) => count = together,
            }
        }
        let mut take = |item| self.take_item(deck, item, drafts, batch, taken);
        (items.iter().take(count).try_for_each(&mut take), count)
    }

    fn take_item(
        &mut self,
        deck: DeckId,
        item: &Item,
        drafts: &mut Vec<DraftLog>,
        batch: &mut Batch,
        taken: &mut Taken,
    ) -> Result<(), TakeError> {
        if let Item::Genesis(bytes) = item {
            taken.role |= self.take_genesis(deck, bytes, batch)?;
            return Ok(());
        }
        let Ok(log) = self.log_mut(deck) else {
            return Err(TakeError::Early);
        };
        log.take_whole(batch, |log, batch| take_into(log, item, drafts, batch, taken))
    }

    pub(super) fn take_genesis(
        &mut self,
        deck: DeckId,
        bytes: &[u8],
        batch: &mut Batch,
    ) -> Result<bool, TakeError> {
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
            // Who passes it on may not know: to another device, it may be the first.
            Err(error @ TakeError::Surplus { by, .. }) => {
                let peer = self.peer_of(link);
                let is_member = |log: &Log| peer.is_some_and(|peer| log.chain.rights(peer).is_some());
                let is_own = match by {
                    Some(by) => peer == Some(by),
                    None => !self.log(deck).is_ok_and(is_member),
                };
                tracing::warn!(deck = %deck.short(), %error, "not taken in");
                if is_own {
                    self.refuse(link, error.to_string());
                }
            }
            Err(TakeError::Broken(why)) => {
                self.event(Event::DeckBroken {
                    deck,
                    why: why.clone(),
                });
                self.refuse(link, why);
            }
        }
    }
}

/// Takes in one part of a deck. A draft waits for the slice that accepts it.
fn take_into(
    log: &mut Log,
    item: &Item,
    drafts: &mut Vec<DraftLog>,
    batch: &mut Batch,
    taken: &mut Taken,
) -> Result<(), TakeError> {
    match item {
        Item::Genesis(_) => {}
        Item::Charter(bytes) => {
            taken.members |= log.take_charter(bytes, batch)?;
            // It may turn the path, and what comes with it goes on from where that then ends.
            taken.followed(log.follow_chain()?);
        }
        Item::Admit(bytes) => {
            taken.admitted.extend(log.take_admit(bytes, batch)?);
            taken.members |= !taken.admitted.is_empty();
        }
        Item::Term(bytes) => {
            taken.role |= log.take_term(bytes, batch)?;
            taken.followed(log.follow_chain()?);
        }
        Item::Seal(bytes) => {
            log.take_seal(bytes, batch)?;
            taken.followed(log.follow_chain()?);
        }
        Item::Draft(item) => drafts.push(take_draft(log.deck, item, drafts.len())?),
        Item::Changes { .. } => {
            let slice = Slice::joined(std::slice::from_ref(item));
            let drafts = std::mem::take(drafts);
            slice.map_or(Ok(()), |(slice, _)| {
                take_slice(log, &slice, drafts, None, batch, taken)
            })?;
        }
    }
    Ok(())
}

fn take_slice(
    log: &mut Log,
    slice: &Slice<'_>,
    drafts: Vec<DraftLog>,
    grown: Option<Grown>,
    batch: &mut Batch,
    taken: &mut Taken,
) -> Result<(), TakeError> {
    taken
        .changes
        .extend(log.take_changes(slice, drafts, grown, batch)?);
    taken.followed(log.follow_chain()?);
    Ok(())
}

fn take_draft(deck: DeckId, item: &DraftItem, before: usize) -> Result<DraftLog, TakeError> {
    if before >= RECORDS_PER_MESSAGE_MAX {
        return Err(TakeError::Refused(
            "more drafts than a slice can accept".to_owned(),
        ));
    }
    DraftLog::from_item(deck, item)
}
