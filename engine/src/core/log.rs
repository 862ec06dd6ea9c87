//! One deck: its term chain and its document, held together.
//!
//! The chain says what is canonical; the document is always exactly that, so it has one head, and "same head" means
//! "same state". What the chain takes out of the canonical path leaves the document and is kept aside.

use std::collections::{BTreeMap, BTreeSet};

use cuecard_store::Batch;
use cuecard_transport::DeviceKey;

use crate::core::drafts::DraftLog;
use crate::core::own_log;
use crate::core::{DeckError, StoreHasFailed};
use crate::disk::{self, LogRecord, RecordImage};
use crate::document::{DeckChange, Document, Edit, NewChange, RestoreError};
use crate::gate::{self, Kind, Line, Refusal, Segment};
use crate::history::{Writer, WriterKind};
use crate::id::{ChangeHash, DeckId, DeviceId, DraftId, TermId};
use crate::limits::SLICE_CHANGES_MAX;
use crate::op::OpError;
use crate::role::{
    self, Cause, Chain, Charter, Cut, Genesis, Malformed, Member, Missing, Point, Rights, Seal, Signed, Term,
    Verified,
};
use crate::sync::message::Position;
use crate::time::Time;

/// Who may edit, seen from this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This device may.
    Editor {
        /// In which term.
        term: TermId,
    },
    /// Another may.
    Viewer {
        /// Which one.
        editor: DeviceId,
    },
    /// Nobody may at present.
    Vacant,
}

/// Why an edit was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Only the editor may change the deck.
    #[error("only the editor may change this deck, and that is {}; write a draft instead, or ask for the role",
        .holder.map_or_else(|| "nobody at present".to_owned(), |holder| holder.short()))]
    NotEditor {
        /// Who holds the role.
        holder: Option<DeviceId>,
    },
    /// The deck's document broke earlier.
    #[error("this deck cannot be edited ({0}); open the engine again, and it is rebuilt from the log")]
    Broken(String),
    /// An operation was refused. Nothing of the edit was done.
    #[error(transparent)]
    Op(#[from] OpError),
    /// The record of a new term cannot be made.
    #[error(transparent)]
    Record(#[from] Malformed),
    /// The deck has reached a limit of the role layer.
    #[error("this would break the rules of the role: {0}")]
    Rules(#[from] role::Refusal),
    /// There is no such deck, or not yet.
    #[error(transparent)]
    Deck(#[from] DeckError),
    /// There is no such draft of this device.
    #[error("this device has no open draft {}", .0.short())]
    NoDraft(DraftId),
    /// A device may keep only so many drafts open, with notes of bounded length.
    #[error("too many drafts are open, or the note is too long; propose or finish one first")]
    TooManyDrafts,
    /// The disk has failed.
    #[error(transparent)]
    Store(#[from] StoreHasFailed),
}

/// Why the role was not moved, or the members not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoleError {
    /// Only the editor may.
    #[error("only the editor may hand the role over, and that is not this device")]
    NotEditor,
    /// The receiver may not hold the role.
    #[error("{} may not hold the role; the owner can give it the right to", .0.short())]
    MayNotHold(DeviceId),
    /// Only the owner may.
    #[error("only the owner of the deck may say who its members are")]
    NotOwner,
    /// The record would break the rules.
    #[error("this would break the rules of the role: {0}")]
    Rules(#[from] role::Refusal),
    /// The record cannot be made: too many members, say.
    #[error(transparent)]
    Record(#[from] Malformed),
    /// There is no such deck, or not yet.
    #[error(transparent)]
    Deck(#[from] DeckError),
    /// The disk has failed.
    #[error(transparent)]
    Store(#[from] StoreHasFailed),
}

/// Why a part of a deck that another device sent was not taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    /// Something before it is missing: ask again from what is held.
    #[error("something before it is missing")]
    Early,
    /// It breaks the rules, and so does the device that sent it.
    #[error("{0}")]
    Refused(String),
    /// The document cannot be used any more.
    #[error("{0}")]
    Broken(String),
}

impl From<Refusal> for TakeError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.to_string())
    }
}

impl From<Malformed> for TakeError {
    fn from(error: Malformed) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<role::Unproved> for TakeError {
    fn from(error: role::Unproved) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<RestoreError> for TakeError {
    fn from(error: RestoreError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<role::Refusal> for TakeError {
    fn from(refusal: role::Refusal) -> Self {
        match refusal {
            role::Refusal::UnknownParent(_)
            | role::Refusal::UnknownTerm(_)
            | role::Refusal::UnknownOwner
            | role::Refusal::Gap => Self::Early,
            refusal => Self::Refused(refusal.to_string()),
        }
    }
}

/// A slice of a term as it came.
pub(crate) struct Slice<'a> {
    pub(crate) term: TermId,
    pub(crate) from: u64,
    pub(crate) changes: Vec<&'a [u8]>,
    pub(crate) seal: &'a [u8],
}

/// One deck. See the [module](self).
pub(crate) struct Log {
    pub(crate) deck: DeckId,
    pub(crate) genesis: Genesis,
    pub(crate) chain: Chain,
    pub(crate) document: Document,
    /// The canonical steps that the document holds.
    inside: Vec<Position>,
    /// Changes held that are not canonical, by term and number.
    aside: BTreeMap<TermId, BTreeMap<u64, Vec<u8>>>,
    /// Terms that this run of this device opened: the only ones it may append to.
    opened: BTreeSet<TermId>,
    /// Up to where the canonical path is on disk.
    durable: Position,
    /// Set when the path turned: what links were told of it has to be told anew.
    turned: bool,
    /// Charters and terms kept so far.
    records: u64,
    /// Set when the document broke: nothing is edited or taken in any more.
    broken: Option<String>,
    pub(crate) drafts: BTreeMap<DraftId, DraftLog>,
    /// Who writes as which Automerge actor.
    pub(crate) writers: BTreeMap<automerge::ActorId, Writer>,
}

/// Where changes that came belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the end of the canonical path.
    Tip,
    /// In a term that is not the last, up to where a better successor was cut.
    Awaited,
    /// On no path that counts.
    Lost,
}

/// What comes next on the canonical path after some position.
pub(crate) enum Next {
    /// Nothing that is durable here.
    Nothing,
    /// A term begins.
    Term(TermId, Vec<u8>),
    /// Changes of a term, up to that number.
    Changes { term: TermId, from: u64, to: u64 },
}

impl Log {
    /// A new deck, owned and edited by the device that its genesis names.
    pub(crate) fn create(genesis: Genesis) -> (Self, Batch) {
        let mut batch = Batch::default();
        let bytes = genesis.encode();
        let mut log = Self::blank(genesis);
        log.opened.insert(TermId::zero_of(log.deck));
        disk::put_genesis(&mut batch, log.deck, &bytes);
        (log, batch)
    }

    /// A deck of which only the genesis is known.
    pub(crate) fn blank(genesis: Genesis) -> Self {
        let deck = genesis.deck_id();
        let zero = TermId::zero_of(deck);
        let document = Document::genesis(role::actor_of_genesis(deck), genesis.created_ms);
        let chain = Chain::new(genesis, document.genesis_hash());
        let start = Position { term: zero, len: 0 };
        let mut log = Self {
            deck,
            chain,
            document,
            inside: vec![start],
            aside: BTreeMap::new(),
            opened: BTreeSet::new(),
            durable: start,
            turned: false,
            records: 0,
            broken: None,
            drafts: BTreeMap::new(),
            writers: BTreeMap::new(),
            genesis,
        };
        log.writers.insert(
            role::actor_of_genesis(deck),
            Writer {
                device: log.genesis.owner,
                kind: WriterKind::Genesis,
            },
        );
        log.note_writer(zero, Some(log.genesis.owner));
        log
    }

    pub(crate) fn note_writer(&mut self, term: TermId, holder: Option<DeviceId>) {
        if let Some(holder) = holder {
            self.writers.insert(
                role::actor_of_term(term),
                Writer {
                    device: holder,
                    kind: WriterKind::Term(term),
                },
            );
        }
    }

    /// Who may edit, seen from `me`.
    pub(crate) fn role(&self, me: DeviceId) -> Role {
        if self.broken.is_some() {
            return Role::Vacant;
        }
        let canonical = self.chain.canonical();
        match canonical.editor {
            Some(editor) if editor == me => Role::Editor { term: canonical.tip },
            Some(editor) => Role::Viewer { editor },
            None => Role::Vacant,
        }
    }

    pub(crate) fn head(&self) -> ChangeHash {
        self.chain.canonical().head
    }

    /// Where the canonical path ends.
    pub(crate) fn position(&self) -> Position {
        let canonical = self.chain.canonical();
        Position {
            term: canonical.tip,
            len: canonical.len,
        }
    }

    /// Whether the path turned since this was last asked.
    pub(crate) fn take_turned(&mut self) -> bool {
        std::mem::take(&mut self.turned)
    }

    /// Where every deck begins.
    pub(crate) fn start(&self) -> Position {
        Position {
            term: TermId::zero_of(self.deck),
            len: 0,
        }
    }

    /// Whether a position is in a term of the canonical path.
    pub(crate) fn is_on_path(&self, position: Position) -> bool {
        self.inside.iter().any(|step| step.term == position.term)
    }

    pub(crate) fn durable(&self) -> Position {
        self.durable
    }

    /// A batch that ended there is on disk. It may have been overtaken: by a later one, or by a turn of the path.
    pub(crate) fn set_durable(&mut self, position: Position) {
        let Some(step) = self.inside.iter().find(|step| step.term == position.term) else {
            return;
        };
        let (term, len) = (position.term, position.len.min(step.len));
        if self.is_before(self.durable, Position { term, len }) {
            self.durable = Position { term, len };
        }
    }

    /// An edit by this device, sealed and put into the batch.
    pub(crate) fn edit<T>(
        &mut self,
        key: &DeviceKey,
        now: Time,
        nonce: [u8; 16],
        random: &mut dyn FnMut() -> [u8; 10],
        batch: &mut Batch,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, OpError>,
    ) -> Result<(T, Vec<DeckChange>), EditError> {
        let opening = self.opening(key, nonce)?;
        let term = opening
            .as_ref()
            .map_or(self.chain.canonical().tip, Verified::<Term>::id);
        let actor = role::actor_of_term(term);
        let previous = self.head();
        let committed = self.document.commit(&actor, now.as_millis(), random, edit)?;
        if let Some(change) = committed.change
            && let Err(error) = self.append_own(key, opening, term, change, batch)
        {
            self.roll_back(previous);
            return Err(error);
        }
        Ok((committed.value, committed.events))
    }

    /// The term that this run has to open before it may append, if any. See the design of the role: a running
    /// process appends only to a term that it opened itself, so that no crash and no restored copy can ever use
    /// the same place twice.
    pub(crate) fn opening(
        &self,
        key: &DeviceKey,
        nonce: [u8; 16],
    ) -> Result<Option<Verified<Term>>, EditError> {
        let canonical = self.chain.canonical();
        if canonical.editor != Some(key.id()) {
            return Err(EditError::NotEditor {
                holder: canonical.editor,
            });
        }
        if self.opened.contains(&canonical.tip) {
            return Ok(None);
        }
        Ok(Some(self.next_term(key, nonce, key.id())?))
    }

    fn next_term(
        &self,
        key: &DeviceKey,
        nonce: [u8; 16],
        holder: DeviceId,
    ) -> Result<Verified<Term>, Malformed> {
        let canonical = self.chain.canonical();
        let (parent, cut) = (
            canonical.tip,
            Cut {
                len: canonical.len,
                head: canonical.head,
            },
        );
        let (cause, holder, signer) = (Cause::Handover, Some(holder), key.id());
        Term {
            deck: self.deck,
            parent,
            cause,
            cut,
            holder,
            nonce,
            signer,
        }
        .sign(key)
    }

    /// Takes a change out of the document again: an edit that fails leaves no trace.
    pub(crate) fn roll_back(&mut self, to: ChangeHash) {
        match self.document.fork_at(to) {
            Ok(document) => self.document = document,
            Err(error) => self.broken = Some(error.to_string()),
        }
    }

    /// Keeps, seals and counts a change that the document already holds. It fails where a limit is met, and then
    /// nothing was kept: a term that was just opened has room.
    pub(crate) fn append_own(
        &mut self,
        key: &DeviceKey,
        opening: Option<Verified<Term>>,
        term: TermId,
        change: NewChange,
        batch: &mut Batch,
    ) -> Result<(), EditError> {
        if let Some(opening) = opening {
            self.opened.insert(term);
            self.add_term(opening, batch)?;
        }
        let end = self.chain.line(term).map(|line| line.end());
        let end = end.ok_or(role::Refusal::UnknownTerm(term))?;
        let (len, head) = (end.len + 1, change.hash);
        let seal = Seal { term, len, head }.sign(self.deck, key)?;
        let record = LogRecord {
            change: change.bytes.into(),
            seal: Some(seal.encode().into()),
        };
        self.chain.hold(term, end, &[head])?;
        self.chain.add_seal(seal)?;
        disk::append_change(batch, self.deck, term, len, &record);
        self.set_inside(term, len);
        Ok(())
    }

    fn check_whole(&self) -> Result<(), String> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    fn broke(&mut self, why: String) -> TakeError {
        self.broken = Some(why.clone());
        TakeError::Broken(why)
    }

    fn set_inside(&mut self, term: TermId, len: u64) {
        match self.inside.last_mut() {
            Some(last) if last.term == term => last.len = len,
            _ => self.inside.push(Position { term, len }),
        }
    }

    fn add_term(&mut self, term: Verified<Term>, batch: &mut Batch) -> Result<bool, role::Refusal> {
        let (id, bytes, holder) = (term.id(), term.encode(), term.holder);
        if self.chain.add_term(term)? == role::Added::Known {
            return Ok(false);
        }
        self.note_writer(id, holder);
        self.append_record(&RecordImage::Term(id, bytes.into()), batch);
        Ok(true)
    }

    pub(crate) fn count_record(&mut self) {
        self.records += 1;
    }

    /// Changes that are held and not in the document (yet).
    pub(crate) fn set_aside(&mut self, term: TermId, changes: BTreeMap<u64, Vec<u8>>) {
        self.aside.insert(term, changes);
    }

    fn append_record(&mut self, record: &RecordImage, batch: &mut Batch) {
        self.count_record();
        disk::append_record(batch, self.deck, self.records, record);
    }

    /// Gives the role to `to`.
    pub(crate) fn hand_over(
        &mut self,
        key: &DeviceKey,
        nonce: [u8; 16],
        to: DeviceId,
        batch: &mut Batch,
    ) -> Result<TermId, RoleError> {
        if self.chain.canonical().editor != Some(key.id()) {
            return Err(RoleError::NotEditor);
        }
        if self.chain.rights(to) != Some(Rights::Hold) {
            return Err(RoleError::MayNotHold(to));
        }
        let term = self.next_term(key, nonce, to)?;
        let id = term.id();
        self.add_term(term, batch)?;
        self.set_inside(id, 0);
        Ok(id)
    }

    /// The owner's word on members. What is durable here becomes settled.
    pub(crate) fn set_members(
        &mut self,
        key: &DeviceKey,
        members: Vec<Member>,
        batch: &mut Batch,
    ) -> Result<(), RoleError> {
        let newest = self.chain.charter();
        if newest.owner != key.id() {
            return Err(RoleError::NotOwner);
        }
        let Position { term, len } = self.durable;
        let head = self
            .chain
            .line(term)
            .and_then(|line| line.hash_at(len))
            .unwrap_or_else(|| self.head());
        let charter = Charter {
            deck: self.deck,
            generation: newest.generation,
            count: newest.count + 1,
            owner: key.id(),
            signer: key.id(),
            members,
            key_epoch: newest.key_epoch,
            settled: Point { term, len, head },
        };
        self.add_charter(charter.sign(key)?, batch)?;
        Ok(())
    }

    fn add_charter(&mut self, charter: Verified<Charter>, batch: &mut Batch) -> Result<bool, role::Refusal> {
        let bytes = charter.encode();
        if self.chain.add_charter(charter)? == role::Added::Known {
            return Ok(false);
        }
        self.append_record(&RecordImage::Charter(bytes.into()), batch);
        Ok(true)
    }

    /// Takes in a charter that another device sent. True when it was news.
    pub(crate) fn take_charter(&mut self, bytes: &[u8], batch: &mut Batch) -> Result<bool, TakeError> {
        let charter = Signed::<Charter>::decode(bytes)?.verify(self.deck)?;
        Ok(self.add_charter(charter, batch)?)
    }

    /// Takes in a term that another device sent. True when it was news.
    pub(crate) fn take_term(&mut self, bytes: &[u8], batch: &mut Batch) -> Result<bool, TakeError> {
        let term = Signed::<Term>::decode(bytes)?.verify(self.deck)?;
        // Anybody can sign one, and each counts against the deck's limit for good. Nobody makes them yet.
        if term.cause == Cause::Claim {
            return Err(TakeError::Refused(
                "a claim of the role; this version neither makes nor takes one".to_owned(),
            ));
        }
        Ok(self.add_term(term, batch)?)
    }

    /// Takes in a slice of a term, with the drafts that it accepts. Nothing changes unless all of it passes.
    pub(crate) fn take_changes(
        &mut self,
        slice: &Slice<'_>,
        drafts: Vec<DraftLog>,
        batch: &mut Batch,
    ) -> Result<Vec<DeckChange>, TakeError> {
        self.check_whole().map_err(TakeError::Broken)?;
        let (term, count) = (slice.term, slice.changes.len() as u64);
        let refused = |why: &str| Err(TakeError::Refused(why.to_owned()));
        if count == 0 || count > SLICE_CHANGES_MAX as u64 {
            return refused("a slice holds 1 to 200 changes");
        }
        let Some(line) = self.chain.line(term) else {
            return Err(TakeError::Early);
        };
        let end = line.end();
        let (held, previous) = (end.len, end.head);
        if slice.from == 0 || slice.from > held + 1 {
            return Err(TakeError::Early);
        }
        let known = held + 1 - slice.from;
        if known >= count {
            return Ok(vec![]);
        }
        if self.opened.contains(&term) {
            return refused(
                "changes of a term that this very process opened; is a copy of this device at work?",
            );
        }
        let Some(holder) = self.chain.holder(term) else {
            return refused("a term without a holder has no changes");
        };
        let seal = Signed::<Seal>::decode(slice.seal)?.verify(self.deck, holder)?;
        if seal.term != term || seal.len != slice.from + count - 1 {
            return refused("the seal is not over the end of this slice");
        }
        let place = self.place_of(term)?;
        if place == Place::Lost {
            // Beyond a cut, or on a branch that lost. It stays with the device that has it.
            return Ok(vec![]);
        }
        let fresh = slice
            .changes
            .get(usize::try_from(known).unwrap_or(usize::MAX)..)
            .unwrap_or_default();
        // What is not canonical yet is checked where it belongs: on the document as it was there.
        let branch = match place {
            Place::Awaited => Some(self.branch_to(term, held)?),
            Place::Tip | Place::Lost => None,
        };
        let document = branch.as_ref().unwrap_or(&self.document);
        let accepts = drafts.iter().map(|draft| (draft.id(), draft.head())).collect();
        let drafts: Vec<DraftLog> = drafts
            .into_iter()
            .filter(|draft| !document.contains(&draft.head()))
            .collect();
        let mut segments: Vec<Segment<'_>> = drafts.iter().map(DraftLog::segment).collect();
        let drafted: usize = segments.iter().map(|segment| segment.changes.len()).sum();
        let line = Line {
            actor: role::actor_of_term(term),
            next_seq: held + 1,
            previous,
        };
        segments.push(Segment {
            line,
            changes: fresh.to_vec(),
            kind: Kind::Term,
            accepts,
        });
        let admitted = gate::admit(document, &segments, seal.head)?;
        let hashes: Vec<ChangeHash> = admitted.hashes().skip(drafted).collect();
        let changes = if place == Place::Tip {
            self.document
                .apply(admitted)
                .map_err(|error| self.broke(error.to_string()))?
        } else {
            let aside = self.aside.entry(term).or_default();
            aside.extend((held + 1..).zip(fresh.iter().map(|change| change.to_vec())));
            vec![]
        };
        let sealed = seal.encode();
        self.chain.hold(term, end, &hashes)?;
        self.chain.add_seal(seal)?;
        for (at, change) in fresh.iter().enumerate() {
            let seal = (at + 1 == fresh.len()).then(|| sealed.clone().into());
            let record = LogRecord {
                change: change.to_vec().into(),
                seal,
            };
            disk::append_change(batch, self.deck, term, held + 1 + at as u64, &record);
        }
        // Only these passed the gate. One whose head was in the document already may hold anything.
        self.keep_accepted(drafts, batch);
        if place == Place::Tip {
            self.set_inside(term, held + fresh.len() as u64);
        }
        Ok(changes)
    }

    /// The document as it is at change `len` of a canonical term, which may lie beyond the cut.
    fn branch_to(&self, term: TermId, len: u64) -> Result<Document, TakeError> {
        let step = self.inside.iter().find(|step| step.term == term);
        let upto = step.map_or(0, |step| step.len.min(len));
        let head = self.chain.line(term).and_then(|line| line.hash_at(upto));
        let mut branch = self.document.fork_at(head.ok_or(TakeError::Early)?)?;
        let mut raw: Vec<&[u8]> = Vec::new();
        for (_, bytes) in self
            .aside
            .get(&term)
            .into_iter()
            .flat_map(|aside| aside.range(upto + 1..=len))
        {
            if let Some(draft) = own_log::accepted_draft(bytes).and_then(|draft| self.drafts.get(&draft)) {
                raw.extend(draft.changes.iter().map(Vec::as_slice));
            }
            raw.push(bytes);
        }
        if !raw.is_empty() {
            branch.restore_more(raw)?;
        }
        Ok(branch)
    }

    /// What to do with changes of a term.
    fn place_of(&self, term: TermId) -> Result<Place, TakeError> {
        if self.chain.canonical().tip == term {
            return Ok(Place::Tip);
        }
        // A sibling that would be chosen, if what it was cut at were held here.
        let waiting = self.chain.waiting_for();
        let waits_for = |wanted: TermId| {
            let of = |missing: &Missing| matches!(missing, Missing::Changes { term, .. } if *term == wanted);
            waiting.iter().any(of)
        };
        if waits_for(term) {
            return Ok(Place::Awaited);
        }
        // One that follows on it comes too early: the other side is asked to begin before the cut.
        let mut before = self.chain.ancestry(term).skip(1);
        if before.any(waits_for) {
            return Err(TakeError::Early);
        }
        Ok(Place::Lost)
    }

    /// Where I stand, for the other side to find the newest place that we share: the last steps one by one, older
    /// ones at doubling distance, the beginning last.
    pub(crate) fn locator(&self) -> Vec<Position> {
        let mut locator = Vec::new();
        // What is not durable yet is not said to be held.
        let durable_at = self
            .inside
            .iter()
            .rposition(|step| step.term == self.durable.term)
            .unwrap_or(0);
        let (mut back, mut step) = (0, 1);
        while let Some(position) = durable_at.checked_sub(back).and_then(|at| self.inside.get(at)) {
            let is_last = position.term == self.durable.term;
            locator.push(if is_last { self.durable } else { *position });
            if locator.len() > 8 {
                step *= 2;
            }
            back += step;
        }
        if let (Some(first), Some(last)) = (self.inside.first(), locator.last())
            && first.term != last.term
        {
            locator.push(*first);
        }
        locator
    }

    /// The newest place in `locator` that is on our canonical path.
    pub(crate) fn find(&self, locator: &[Position]) -> Option<Position> {
        locator.iter().find_map(|theirs| {
            let ours = self.inside.iter().rev().find(|ours| ours.term == theirs.term)?;
            Some(Position {
                term: ours.term,
                len: ours.len.min(theirs.len),
            })
        })
    }

    /// Whether `a` lies before `b` on our canonical path. Positions that are not on it lie nowhere.
    pub(crate) fn is_before(&self, a: Position, b: Position) -> bool {
        let place = |of: Position| self.inside.iter().rposition(|step| step.term == of.term);
        match (place(a), place(b)) {
            (Some(place_a), Some(place_b)) => (place_a, a.len) < (place_b, b.len),
            _ => false,
        }
    }

    /// What comes after `position` among that which is durable.
    pub(crate) fn next_after(&self, position: Position) -> Next {
        let Some(at) = self.inside.iter().rposition(|step| step.term == position.term) else {
            return Next::Nothing;
        };
        let Some(durable_at) = self
            .inside
            .iter()
            .rposition(|step| step.term == self.durable.term)
        else {
            return Next::Nothing;
        };
        let Some(step) = self.inside.get(at) else {
            return Next::Nothing;
        };
        let end = if at == durable_at {
            step.len.min(self.durable.len)
        } else {
            step.len
        };
        if at > durable_at {
            return Next::Nothing;
        }
        if position.len < end {
            return Next::Changes {
                term: step.term,
                from: position.len + 1,
                to: end,
            };
        }
        match self.inside.get(at + 1) {
            Some(next) if at < durable_at => match self.chain.term(next.term) {
                Some(term) => Next::Term(next.term, term.encode()),
                None => Next::Nothing,
            },
            _ => Next::Nothing,
        }
    }

    /// Brings the document to the canonical path after records came. Returns how many changes were taken out.
    ///
    /// Automerge cannot un-apply: when the path turns, the document is rebuilt at the last common point and what is
    /// held of the new path is put on top.
    pub(crate) fn follow_chain(&mut self) -> Result<u64, TakeError> {
        let canonical = self.chain.canonical();
        let path: Vec<Position> = canonical
            .path
            .iter()
            .map(|step| Position {
                term: step.term,
                len: step.upto.len,
            })
            .collect();
        if path == self.inside {
            return Ok(0);
        }
        let common = path
            .iter()
            .zip(&self.inside)
            .take_while(|(new, old)| new.term == old.term)
            .count();
        let shortened = |(new, old): (&Position, &Position)| new.len < old.len;
        let turned = self.inside.len() > common || path.iter().zip(&self.inside).take(common).any(shortened);
        let mut taken_out = 0;
        if turned {
            taken_out = self.take_out(&path, common)?;
        }
        let mut raw = Vec::new();
        for step in &path {
            let inside = self
                .inside
                .iter()
                .find(|old| old.term == step.term)
                .map_or(0, |old| old.len);
            self.bring_back(step.term, inside, step.len, &mut raw);
        }
        if !raw.is_empty() {
            // In one go: the document orders its cards anew each time.
            self.document.restore_more(raw.iter().map(Vec::as_slice))?;
        }
        if turned {
            self.turned = true;
            // The record that turned the path is not on disk yet: what was before the turn is.
            let durable = path.iter().find(|step| step.term == self.durable.term);
            let before_turn = || self.inside.last().copied();
            self.durable = durable
                .map(|step| Position {
                    term: step.term,
                    len: step.len.min(self.durable.len),
                })
                .or_else(before_turn)
                .unwrap_or(self.durable);
        }
        self.inside = path;
        Ok(taken_out)
    }

    /// Moves what is no longer canonical from the document to the side.
    fn take_out(&mut self, path: &[Position], common: usize) -> Result<u64, TakeError> {
        let lost = |what: &str| TakeError::Refused(format!("{what} cannot be found in the document"));
        let mut taken_out = 0;
        let mut kept = self.inside.clone();
        let mut fork_head = self
            .chain
            .line(TermId::zero_of(self.deck))
            .map(|line| line.start());
        for (at, old) in self.inside.iter().enumerate() {
            let keep = if at < common {
                path.get(at).map_or(0, |new| new.len.min(old.len))
            } else {
                0
            };
            let line = self.chain.line(old.term).ok_or_else(|| lost("a term"))?;
            for index in keep + 1..=old.len {
                let hash = line.hash_at(index).ok_or_else(|| lost("a change"))?;
                let bytes = self
                    .document
                    .change_bytes(&hash)
                    .ok_or_else(|| lost("a change"))?;
                self.aside.entry(old.term).or_default().insert(index, bytes);
                taken_out += 1;
            }
            if at < common {
                fork_head = line.hash_at(keep);
                if let Some(step) = kept.get_mut(at) {
                    step.len = keep;
                }
            }
        }
        kept.truncate(common);
        let head = fork_head.ok_or_else(|| lost("the common point"))?;
        self.document = self.document.fork_at(head)?;
        self.inside = kept;
        Ok(taken_out)
    }

    /// Changes `from + 1 ..= to` of a term, to be put (back) into the document, each draft before its acceptance.
    fn bring_back(&mut self, term: TermId, from: u64, to: u64, raw: &mut Vec<Vec<u8>>) {
        let Some(aside) = self.aside.get_mut(&term) else {
            return;
        };
        for index in from + 1..=to {
            let Some(bytes) = aside.remove(&index) else { break };
            if let Some(draft) = own_log::accepted_draft(&bytes).and_then(|draft| self.drafts.get(&draft)) {
                raw.extend(draft.changes.iter().cloned());
            }
            raw.push(bytes);
        }
        if aside.is_empty() {
            self.aside.remove(&term);
        }
    }
}
