//! How proposals and withdrawals pass from device to device.
//!
//! Every device keeps the open drafts of every member, within quotas, and passes them on: so a draft reaches the editor
//! over any neighbours, and whoever becomes the editor has it. Each side of a link says which versions it holds durably
//! (marks), all of them at first and after each status, later what is new; each sends what the other lacks. What was
//! said and lost with a link is said again: nothing depends on it. Verdicts need nothing of this: they are in the log.

use std::collections::BTreeMap;

use cuecard_store::Batch;

use crate::core::draft_log::DraftLog;
use crate::core::drafts::DraftState;
use crate::core::log::{Log, TakeError};
use crate::core::{Core, LinkId};
use crate::disk;
use crate::event::Event;
use crate::gate;
use crate::history::WriterKind;
use crate::id::{ChangeHash, DeckId, DeviceId, DraftId};
use crate::limits::{
    DRAFT_MARKS_MAX, DRAFT_OFFERS_BYTES_MAX, DRAFTS_CLOSED_PER_MEMBER_MAX, DRAFTS_PER_MEMBER_MAX,
    DRAFTS_REFUSED_KEPT_MAX,
};
use crate::role::{Rights, Signed, Withdrawal};
use crate::sync::exchange::{Exchange, Lack, When};
use crate::sync::message::{DraftItem, DraftMark, DraftRefusal, Message, Position};

/// What becomes true of a draft when a batch is durable.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DraftSaved {
    /// This version is held.
    Version(DraftId, u32),
    /// This withdrawal is held.
    Withdrawal(DraftId, u32),
}

impl Log {
    /// A batch with it is durable.
    pub(in crate::core) fn draft_saved(&mut self, saved: DraftSaved) {
        match saved {
            DraftSaved::Version(draft, version) => {
                if let Some(entry) = self.drafts.get_mut(&draft) {
                    entry.saved = entry.saved.max(version);
                }
            }
            DraftSaved::Withdrawal(draft, version) => {
                if let Some(withdrawn) = self.words.withdrawals.get_mut(&draft) {
                    withdrawn.saved |= withdrawn.record.version <= version;
                }
            }
        }
        self.words.revision += 1;
    }

    /// What a device that offers a draft has to know of it.
    fn draft_mark(&self, draft: DraftId) -> DraftMark {
        let withdrawn = self
            .words
            .withdrawals
            .get(&draft)
            .filter(|withdrawn| withdrawn.saved);
        let withdrawn = withdrawn.map_or(0, |withdrawn| withdrawn.record.version);
        let entry = self
            .drafts
            .get(&draft)
            .filter(|entry| entry.saved == entry.version());
        let record = entry.and_then(|entry| entry.record.as_ref());
        DraftMark {
            draft,
            version: record.map_or(0, |record| record.version),
            head: record.map_or([0; 32], |record| record.head.0),
            withdrawn,
        }
    }

    /// Now, for who has to know whether something changed since.
    fn drafts_at(&self) -> When {
        When {
            revision: self.words.revision + self.records(),
            room: self.words.ended + self.records(),
        }
    }

    /// The marks of all drafts that are not part of the deck.
    fn draft_marks(&self) -> BTreeMap<DraftId, DraftMark> {
        let known = self.words.unfinished.iter().chain(self.words.withdrawals.keys());
        let marks = known.map(|&draft| (draft, self.draft_mark(draft)));
        let said = marks.filter(|(_, mark)| mark.version > 0 || mark.withdrawn > 0);
        said.take(DRAFT_MARKS_MAX).collect()
    }

    /// Whether a device that holds everything up to `held` can check what was written on `base`.
    fn covers(&self, held: Option<Position>, base: ChangeHash) -> bool {
        let Some(held) = held else { return false };
        if base == self.document.genesis_hash() {
            return true;
        }
        let Some(meta) = self.document.automerge().get_change_meta_by_hash(&base) else {
            return false;
        };
        let at = match self.writers.get(&meta.actor).map(|writer| writer.kind) {
            Some(WriterKind::Term(term)) => Position {
                term,
                len: meta.seq,
                head: base,
            },
            _ => self.durable(),
        };
        !self.is_before(held, at)
    }

    /// Forgets the oldest drafts of others that are over: they stay with their authors.
    pub(super) fn drop_closed_drafts(&mut self, me: DeviceId, batch: &mut Batch) {
        let mut closed: BTreeMap<DeviceId, Vec<(u64, DraftId)>> = BTreeMap::new();
        for draft in &self.words.unfinished {
            let Some(entry) = self.drafts.get(draft) else {
                continue;
            };
            if entry.author != me && entry.state().is_closed() && !entry.is_accepted() {
                let signed_ms = entry.record.as_ref().map_or(0, |record| record.signed_ms);
                closed.entry(entry.author).or_default().push((signed_ms, *draft));
            }
        }
        for mut of_author in closed.into_values() {
            of_author.sort_unstable();
            let too_many = of_author.len().saturating_sub(DRAFTS_CLOSED_PER_MEMBER_MAX);
            for (_, draft) in of_author.into_iter().take(too_many) {
                self.drafts.remove(&draft);
                disk::drop_draft(batch, self.deck, draft);
                self.refresh_draft(draft);
            }
        }
    }
}

/// Why a proposal is not kept.
enum Kept {
    /// It is, as soon as it is durable.
    Now,
    /// It was before, or is not needed.
    Before(DraftMark),
    /// It is not, and that is no offence.
    Not(DraftRefusal),
}

impl Core {
    /// Says which drafts are held here, and sends those that the other side lacks.
    pub(in crate::core) fn offer_drafts(&mut self, link: LinkId, deck: DeckId) {
        let me = self.device();
        let Some(log) = self.decks.get(&deck).and_then(|state| state.log.as_ref()) else {
            return;
        };
        let session = self
            .links
            .get_mut(&link)
            .and_then(|state| state.sessions.get_mut(&deck));
        let Some(session) = session.filter(|session| session.heard) else {
            return;
        };
        let (acked, exchange) = (session.acked, &mut session.drafts);
        let now = log.drafts_at();
        // What did not fit may fit now: saying that it is not held asks for it.
        let fits = |lack: Lack| match lack {
            Lack::Base(base) => log.document.contains(&base),
            Lack::Room(then) => then != now.room,
        };
        let mut again: Vec<DraftId> = Vec::new();
        exchange.refused.retain(|draft, lack| {
            again.extend(Some(*draft).filter(|_| fits(*lack)));
            !fits(*lack)
        });
        if exchange.said == Some(now) && again.is_empty() {
            return;
        }
        let mut messages = Vec::new();
        let marks = log.draft_marks();
        let new = marks
            .iter()
            .filter(|(draft, mark)| exchange.told.get(draft) != Some(mark));
        let mut new: Vec<DraftMark> = new.map(|(_, mark)| *mark).collect();
        let again = again.into_iter().filter(|draft| !marks.contains_key(draft));
        new.extend(again.map(|draft| log.draft_mark(draft)));
        let whole = !exchange.introduced;
        if whole || !new.is_empty() {
            messages.push(Message::DraftsHeld {
                deck,
                whole,
                marks: new,
            });
        }
        (exchange.told, exchange.introduced) = (marks, true);
        exchange.said = exchange.heard.then_some(now);
        if exchange.heard {
            exchange.offer_withdrawals(log, &mut messages);
            exchange.offer_versions(log, me, acked, &mut messages);
        }
        for message in messages {
            self.send(link, &message);
        }
    }

    /// The other side said what it holds, durably.
    pub(in crate::core) fn take_drafts_held(
        &mut self,
        link: LinkId,
        deck: DeckId,
        whole: bool,
        marks: &[DraftMark],
    ) {
        let (me, peer) = (self.device(), self.peer_of(link));
        let (Some(peer), Some(session)) = (peer, self.session(link, deck)) else {
            return;
        };
        let exchange = &mut session.drafts;
        if whole {
            exchange.heard = true;
            exchange.theirs.clear();
            exchange.offered.clear();
            exchange.unanswered.clear();
        }
        exchange.said = None;
        for mark in marks {
            exchange.answered(mark.draft);
            if exchange.theirs.len() < DRAFT_MARKS_MAX || exchange.theirs.contains_key(&mark.draft) {
                exchange.theirs.insert(mark.draft, *mark);
            }
            if mark.version == 0 && mark.withdrawn == 0 {
                exchange.offered.remove(&mark.draft);
            }
        }
        let mut batch = Batch::default();
        let mut delivered = Vec::new();
        if let Ok(log) = self.log_mut(deck) {
            for mark in marks {
                let entry = log.drafts.get_mut(&mark.draft).filter(|entry| entry.author == me);
                let Some(entry) = entry else { continue };
                let held = entry.record.as_ref().is_some_and(|record| mark.holds(record));
                if held && entry.held_by.insert(peer) {
                    disk::put_draft(&mut batch, deck, mark.draft, &entry.image());
                    log.refresh_draft(mark.draft);
                    delivered.push(mark.draft);
                }
            }
        }
        if !batch.is_empty() {
            self.save(deck, batch, None);
        }
        for draft in delivered {
            self.event(Event::DraftDelivered {
                deck,
                draft,
                to: peer,
            });
        }
        self.offer_drafts(link, deck);
    }

    /// The other side does not keep a draft, and says why.
    pub(in crate::core) fn take_draft_refused(
        &mut self,
        link: LinkId,
        deck: DeckId,
        draft: DraftId,
        why: DraftRefusal,
    ) {
        let (me, peer) = (self.device(), self.peer_of(link));
        let (Some(by), Some(session)) = (peer, self.session(link, deck)) else {
            return;
        };
        if session.drafts.unanswered.contains_key(&draft) {
            session.drafts.answered(draft);
            let own = |log: &Log| log.drafts.get(&draft).is_some_and(|entry| entry.author == me);
            if self.log(deck).is_ok_and(own) {
                self.event(Event::DraftRefused { deck, draft, by, why });
            }
            self.offer_drafts(link, deck);
        }
    }

    /// A proposal came, from its author or passed on. It is checked like any change, kept, and answered once it is
    /// durable.
    pub(in crate::core) fn take_proposal(
        &mut self,
        link: LinkId,
        deck: DeckId,
        item: &DraftItem,
    ) -> Result<(), TakeError> {
        let me = self.device();
        let Ok(log) = self.log_mut(deck) else {
            return Ok(());
        };
        let draft = DraftLog::from_item(deck, item)?;
        let (id, version, base) = (draft.id(), draft.version(), draft.base);
        let mut batch = Batch::default();
        match log.take_draft(draft, me, &mut batch)? {
            Kept::Now => {
                self.save_own_texts(deck, &mut batch);
                self.save(deck, batch, Some(DraftSaved::Version(id, version)));
                self.tell_drafts(deck);
            }
            Kept::Before(mark) => {
                let (whole, marks) = (false, vec![mark]);
                self.send(link, &Message::DraftsHeld { deck, whole, marks });
            }
            Kept::Not(why) => {
                let lack = match why {
                    DraftRefusal::Early => Lack::Base(base),
                    _ => Lack::Room(log.drafts_at().room),
                };
                if let Some(session) = self.session(link, deck)
                    && session.drafts.refused.len() < DRAFTS_REFUSED_KEPT_MAX
                {
                    session.drafts.refused.insert(id, lack);
                }
                self.send(link, &Message::DraftRefused { deck, draft: id, why });
            }
        }
        Ok(())
    }

    /// An author's word came, from itself or passed on.
    pub(in crate::core) fn take_withdrawal(
        &mut self,
        link: LinkId,
        deck: DeckId,
        bytes: &[u8],
    ) -> Result<(), TakeError> {
        let Ok(log) = self.log_mut(deck) else {
            return Ok(());
        };
        let record = Signed::<Withdrawal>::decode(bytes)?.verify(deck)?;
        let (draft, version) = (record.draft(), record.version);
        let mut batch = Batch::default();
        if log.chain.rights(record.author) >= Some(Rights::Draft) && log.note_withdrawal(record, &mut batch) {
            self.save(deck, batch, Some(DraftSaved::Withdrawal(draft, version)));
            self.tell_drafts(deck);
        } else {
            // Known, or of no use here: it need not be sent again.
            let mut mark = log.draft_mark(draft);
            mark.withdrawn = mark.withdrawn.max(version);
            if !batch.is_empty() {
                self.save(deck, batch, None);
            }
            let (whole, marks) = (false, vec![mark]);
            self.send(link, &Message::DraftsHeld { deck, whole, marks });
        }
        Ok(())
    }
}

impl Log {
    fn take_draft(
        &mut self,
        mut draft: DraftLog,
        me: DeviceId,
        batch: &mut Batch,
    ) -> Result<Kept, TakeError> {
        let (id, author, version) = (draft.id(), draft.author, draft.version());
        if self.chain.rights(author) < Some(Rights::Draft) {
            return Ok(Kept::Not(DraftRefusal::MayNotPropose));
        }
        let mut mark = self.draft_mark(id);
        if mark.version < version {
            (mark.version, mark.head) = (version, draft.head.0);
        }
        let (mut written, mut rewritten) = (0, false);
        if let Some(known) = self.drafts.get(&id) {
            // An author whose disk was restored from a backup may have rewritten it without knowing: no offence, but the
            // first one stays. Rewriting takes a new draft, and its author's own device makes one of it.
            rewritten = !known.goes_on_as(&draft) && !draft.goes_on_as(known);
            if rewritten && (author != me || known.is_accepted()) {
                return Ok(Kept::Not(DraftRefusal::Rewritten));
            }
            let all_accepted = *known.state() == DraftState::Accepted && known.len() >= draft.len();
            if !rewritten && (all_accepted || known.version() >= version) {
                // What is on its way to the disk is told once it is there.
                let told = all_accepted || known.saved >= version;
                return Ok(if told { Kept::Before(mark) } else { Kept::Now });
            }
            if !rewritten && known.len() > draft.len() {
                // Its author goes on with more than it had signed: its own word counts, and is signed anew.
                return Ok(match author == me {
                    true => Kept::Before(mark),
                    false => Kept::Not(DraftRefusal::Rewritten),
                });
            }
            if !rewritten {
                written = known.len();
                draft.learn_accepted(known);
            }
            (draft.opened_ms, draft.frozen) = (known.opened_ms, known.frozen);
            draft.standing = known.standing.clone();
        }
        let over = self.words.withdrawn(id) >= version || self.decline_of(id, version).is_some();
        if over {
            // The word that ended it goes the other way.
            return Ok(Kept::Before(mark));
        }
        let open =
            |draft: &&DraftLog| draft.author == author && draft.state().is_proposed() && draft.id() != id;
        let unfinished = self
            .words
            .unfinished
            .iter()
            .filter_map(|draft| self.drafts.get(draft));
        if unfinished.filter(open).count() >= DRAFTS_PER_MEMBER_MAX && author != me {
            return Ok(Kept::Not(DraftRefusal::TooMany));
        }
        if !self.document.contains(&draft.base) {
            return Ok(Kept::Not(DraftRefusal::Early));
        }
        let segment = draft.segment_on(&self.document);
        if segment.changes.is_empty() {
            return Ok(Kept::Before(mark));
        }
        gate::admit(&self.document, &[segment], draft.head)?;
        if rewritten {
            disk::drop_draft(batch, self.deck, id);
            self.words.replaced.extend(self.drafts.remove(&id));
        }
        disk::put_draft(batch, self.deck, id, &draft.image());
        let skip = usize::try_from(written).unwrap_or(usize::MAX);
        for (at, change) in (1..).zip(&draft.changes).skip(skip) {
            disk::append_draft_change(batch, self.deck, id, at, change);
        }
        self.drafts.insert(id, draft);
        self.refresh_draft(id);
        Ok(Kept::Now)
    }
}

impl Exchange {
    fn offer_withdrawals(&mut self, log: &Log, messages: &mut Vec<Message>) {
        let deck = log.deck;
        for (&draft, withdrawn) in log
            .words
            .withdrawals
            .iter()
            .filter(|(_, withdrawn)| withdrawn.saved)
        {
            let version = withdrawn.record.version;
            let theirs = self.theirs.get(&draft).map_or(0, |mark| mark.withdrawn);
            let (_, offered) = self.offered.entry(draft).or_default();
            if theirs.max(*offered) < version {
                *offered = version;
                let record = withdrawn.record.encode().into();
                messages.push(Message::Withdraw { deck, record });
            }
        }
    }

    fn offer_versions(
        &mut self,
        log: &Log,
        me: DeviceId,
        acked: Option<Position>,
        messages: &mut Vec<Message>,
    ) {
        let deck = log.deck;
        let mut waiting: usize = self.unanswered.values().sum();
        for (draft, entry) in log
            .words
            .unfinished
            .iter()
            .filter_map(|id| Some((*id, log.drafts.get(id)?)))
        {
            let Some(record) = &entry.record else { continue };
            // What its author may not propose is said by those it is offered to: rights may be on their way.
            let may = entry.author == me || log.chain.rights(entry.author) >= Some(Rights::Draft);
            if !entry.state().is_proposed() || entry.saved < record.version || !may {
                continue;
            }
            let held = self.theirs.get(&draft).is_some_and(|mark| mark.holds(record));
            let offered = self.offered.get(&draft).map_or(0, |(version, _)| *version);
            if held || offered >= record.version {
                continue;
            }
            if waiting >= DRAFT_OFFERS_BYTES_MAX || !log.covers(acked, entry.base) {
                // Again at its next answer, or when it has come further.
                self.said = None;
                continue;
            }
            let Some(item) = entry.item() else { continue };
            waiting += entry.bytes();
            self.unanswered.insert(draft, entry.bytes());
            self.offered.entry(draft).or_default().0 = record.version;
            messages.push(Message::Propose { deck, draft: item });
        }
    }
}
