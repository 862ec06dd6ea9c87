//! What other devices add to a deck, once it is checked.

use super::{Log, TakeError};

use cuecard_store::Batch;

use crate::core::checking::Grown;
use crate::core::draft_log::DraftLog;
use crate::core::own_log;
use crate::disk::{LogRecord, RecordImage};
use crate::document::DeckChange;
use crate::gate::{self, Kind, Line, Segment};
use crate::id::{ChangeHash, DeviceId, TermId};
use crate::limits::{SLICE_BYTES_MAX, SLICE_CHANGES_MAX};
use crate::role::{
    self, Added, Admit, Charter, Cut, Missing, Rights, Seal, Signed, Standing, Term, Verified,
};
use crate::sync::message::{Item, Position};

/// Terms that are taken in beyond their signers' quotas, as the path accepts late work of them: one that accepts and its
/// ancestors off the path. A longer line of them waits for room.
const WANTED_TERMS_MAX: usize = 64;
const NOT_SEALED: &str = "the seal is not over the end of this slice";

/// A slice of a term as it came, or several that go on one from the other.
pub(crate) struct Slice<'a> {
    pub(crate) term: TermId,
    pub(crate) from: u64,
    pub(crate) after: ChangeHash,
    pub(crate) changes: Vec<&'a [u8]>,
    /// Each with the number of changes that it is over: one behind the last change of each slice.
    pub(crate) seals: Vec<(usize, &'a [u8])>,
}

/// What of a slice is due.
pub(crate) struct Due {
    /// After which change it begins.
    pub(crate) after: Cut,
    /// How many changes of the slice are held.
    pub(crate) known: usize,
    /// Whether it is sure to go on with the canonical path.
    pub(crate) goes_on: bool,
    seals: Vec<Verified<Seal>>,
    /// Where it ends.
    pub(crate) seal: Cut,
}

impl Due {
    /// What is vouched for: which change, from 0, has which hash.
    pub(crate) fn sealed(&self) -> impl Iterator<Item = (usize, ChangeHash)> + '_ {
        let index = |seal: &Seal| usize::try_from(seal.len - self.after.len - 1).unwrap_or(usize::MAX);
        self.seals.iter().map(move |seal| (index(seal), seal.head))
    }

    /// The seals, each with the change, from 0, that it ends in.
    pub(crate) fn encoded_seals(&self) -> impl Iterator<Item = (usize, Vec<u8>)> + '_ {
        let ends = self.sealed().map(|(at, _)| at);
        ends.zip(self.seals.iter().map(Verified::<Seal>::encode))
    }
}

/// The changes as their log keeps them, with the seals that end at some of them.
pub(crate) fn records_of(changes: &[&[u8]], seals: &[(usize, Vec<u8>)]) -> Vec<LogRecord> {
    let record = |change: &&[u8]| LogRecord {
        change: change.to_vec().into(),
        seal: None,
    };
    let mut records: Vec<LogRecord> = changes.iter().map(record).collect();
    for (at, seal) in seals {
        if let Some(record) = records.get_mut(*at) {
            record.seal = Some(seal.clone().into());
        }
    }
    records
}

/// Where a term goes on.
pub(crate) fn line_of(term: TermId, after: Cut) -> Line {
    Line {
        actor: role::actor_of_term(term),
        next_seq: after.len + 1,
        previous: after.head,
    }
}

impl<'a> Slice<'a> {
    /// The slice that items begin with, and those behind it that go on from it on the same term: as many as are one batch.
    /// Says how many items.
    pub(crate) fn joined(items: &'a [Item]) -> Option<(Self, usize)> {
        let (mut joined, mut bytes, mut count): (Option<Self>, _, _) = (None, 0, 0);
        for item in items {
            let Item::Changes {
                term,
                from,
                changes,
                seal,
                after,
            } = item
            else {
                break;
            };
            let slice = joined.get_or_insert_with(|| Self {
                term: *term,
                from: *from,
                after: *after,
                changes: Vec::new(),
                seals: Vec::new(),
            });
            bytes += changes.iter().map(|change| change.len()).sum::<usize>();
            let goes_on =
                *term == slice.term && from.checked_sub(slice.from) == Some(slice.changes.len() as u64);
            if count > 0 && (!goes_on || bytes > SLICE_BYTES_MAX) {
                break;
            }
            slice
                .changes
                .extend(changes.iter().map(|change| change.as_slice()));
            slice.seals.push((slice.changes.len(), seal));
            count += 1;
        }
        Some((joined?, count))
    }
}

impl Log {
    /// Takes in a charter that another device sent. True when it was news.
    pub(crate) fn take_charter(&mut self, bytes: &[u8], batch: &mut Batch) -> Result<bool, TakeError> {
        let charter = Signed::<Charter>::decode(bytes)?.verify(self.deck)?;
        let by = charter.signer;
        match self.add_charter(charter, batch) {
            // Who passes it on may not know.
            Err(role::Refusal::Full(what)) => Err(self.surplus(Some(by), what)),
            added => Ok(added?),
        }
    }

    /// Takes in an admission that another device sent, and returns it when it was news. One that does not count is no
    /// offence where another passes it on, or where its signer was a member: a charter may have crossed it.
    pub(crate) fn take_admit(&mut self, bytes: &[u8], batch: &mut Batch) -> Result<Option<Admit>, TakeError> {
        let signed = Signed::<Admit>::decode(bytes)?;
        let claimed = *signed.claimed();
        // Anybody can make up an admission, so before its signature, which is dear, its signer is looked at.
        match self.chain.may_admit(&claimed) {
            Ok(()) => {}
            Err(role::Refusal::MayNotAdmit) if self.chain.rights(claimed.signer).is_some() => {
                return Ok(None);
            }
            Err(role::Refusal::MayNotAdmit) => {
                return Err(TakeError::Surplus {
                    by: Some(claimed.signer),
                    what: "admissions",
                });
            }
            Err(refusal) => return Err(refusal.into()),
        }
        match self.add_admit(signed.verify(self.deck)?, batch) {
            Ok(new) => Ok(new.then_some(claimed)),
            Err(role::Refusal::Full(what)) => Err(TakeError::Surplus {
                by: Some(claimed.signer),
                what,
            }),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Takes in a term that another device sent. True when it was news.
    pub(crate) fn take_term(&mut self, bytes: &[u8], batch: &mut Batch) -> Result<bool, TakeError> {
        let term = Signed::<Term>::decode(bytes)?.verify(self.deck)?;
        if !self.chain.contains(term.id()) {
            self.check_room_for_term(&term)?;
            if self.wanted.contains(&term.id()) && self.wanted.len() < WANTED_TERMS_MAX {
                self.wanted.insert(term.parent);
            }
        }
        let account = self.account(term.signer);
        match self.add_term(term, batch) {
            Err(role::Refusal::Full(what)) => Err(self.surplus(account, what)),
            added => Ok(added?),
        }
    }

    /// Takes in a seal whose changes may not be held.
    pub(crate) fn take_seal(&mut self, bytes: &[u8], batch: &mut Batch) -> Result<bool, TakeError> {
        let seal = Signed::<Seal>::decode(bytes)?;
        let term = seal.claimed().term;
        let Some(holder) = self.chain.holder(term) else {
            return Err(TakeError::Early);
        };
        let seal = seal.verify(self.deck, holder)?;
        self.check_room_for_seal(&seal)?;
        let image = RecordImage::Seal(seal.encode().into());
        match self.chain.add_seal(seal) {
            Ok(Added::Known) => return Ok(false),
            Ok(Added::New) => {}
            // The changes of some would bring the others together; honest holders never come near.
            Err(role::Refusal::Full(what)) => return Err(self.surplus(Some(holder), what)),
            Err(refusal) => return Err(refusal.into()),
        }
        self.beside_changed();
        self.look_for_proof(term);
        self.append_record(&image, batch);
        Ok(true)
    }

    /// What of a slice is due, as far as the chain can say: that it goes on from what is held, and that its holder vouches for
    /// it. None where all of it is held.
    pub(crate) fn look_at(&self, slice: &Slice<'_>) -> Result<Option<Due>, TakeError> {
        self.check_whole().map_err(TakeError::Broken)?;
        let (term, count) = (slice.term, slice.changes.len() as u64);
        let refused = |why: &str| Err(TakeError::Refused(why.to_owned()));
        let mut ends = vec![0];
        ends.extend(slice.seals.iter().map(|(end, _)| *end));
        let fits = |ends: &[usize]| match ends {
            [before, end] => before < end && end - before <= SLICE_CHANGES_MAX,
            _ => false,
        };
        if !ends.windows(2).all(fits) || ends.last() != Some(&slice.changes.len()) || count == 0 {
            return refused("a slice holds changes, and not more than it may");
        }
        let Some(before) = slice.from.checked_sub(1) else {
            return Err(TakeError::Early);
        };
        let after = Cut {
            len: before,
            head: slice.after,
        };
        if !self.chain.holds(term, after) {
            return Err(TakeError::Early);
        }
        let after = self.known_up_to(slice, after);
        let known = after.len - before;
        if known >= count {
            return Ok(None);
        }
        // Whoever sends it on ends a slice before what merges something, so a seal has to be there.
        let merges_within = |ends: &[usize]| match ends {
            [before, end] => {
                let behind_first = slice.changes.get(before + 1..*end).unwrap_or_default();
                behind_first.iter().any(|change| own_log::merges(change))
            }
            _ => false,
        };
        if ends.windows(2).any(merges_within) {
            return refused("a slice begins with what it accepts; this one accepts something further on");
        }
        if self.opened.contains(&term) {
            return refused(
                "changes of a term that this very process opened; is a copy of this device at work?",
            );
        }
        let Some(holder) = self.chain.holder(term) else {
            return refused("a term without a holder has no changes");
        };
        let mut seals: Vec<Verified<Seal>> = Vec::new();
        let ends = slice
            .seals
            .iter()
            .map(|(end, seal)| (before + *end as u64, *seal));
        // One over what is held already says nothing new.
        for (end, seal) in ends.filter(|(end, _)| *end > after.len) {
            let seal = Signed::<Seal>::decode(seal)?.verify(self.deck, holder)?;
            if seal.term != term || seal.len != end {
                return refused(NOT_SEALED);
            }
            seals.push(seal);
        }
        let Some(seal) = seals.last().map(|seal| seal.cut()) else {
            return refused(NOT_SEALED);
        };
        Ok(Some(Due {
            after,
            known: usize::try_from(known).unwrap_or(usize::MAX),
            goes_on: self.goes_on(term, after, seal.len, holder),
            seals,
            seal,
        }))
    }

    /// Takes in a slice of a term, with the drafts that it accepts. Nothing changes unless all of it passes.
    ///
    /// Where it goes on with the canonical path it goes into the document; anything else is checked where it belongs, on
    /// the document as it was there, and kept aside.
    pub(crate) fn take_changes(
        &mut self,
        slice: &Slice<'_>,
        drafts: Vec<DraftLog>,
        grown: Option<Grown>,
        batch: &mut Batch,
    ) -> Result<Vec<DeckChange>, TakeError> {
        let Some(due) = self.look_at(slice)? else {
            return Ok(vec![]);
        };
        let (term, goes_on, after, seal) = (slice.term, due.goes_on, due.after, due.seal);
        let fresh = slice.changes.get(due.known..).unwrap_or_default();
        self.check_room(term, (after, goes_on), fresh, &drafts)?;
        if let Some(grown) = grown.filter(|grown| grown.is_of(&self.document, &due) && drafts.is_empty()) {
            self.document = grown.document;
            #[cfg(feature = "sim")]
            {
                self.batches_put_in += 1;
            }
            // Unless the term has another line, which may be the one that lies in its log.
            let records = Some(grown.records).filter(|_| !self.forks.contains_key(&term));
            self.keep_slice(term, due, fresh, &grown.hashes, vec![], records, batch)?;
            return Ok(grown.changes);
        }
        let late = gate::late_heads(fresh, after.head)?;
        // A branch is dear, and who sends what is not here yet sends it again.
        if !late.iter().all(|head| self.is_held(head)) {
            self.want_late(term, after, goes_on, fresh);
            return Err(TakeError::Early);
        }
        if !drafts.iter().all(|draft| self.is_held(&draft.base())) {
            return Err(TakeError::Early);
        }
        let mut branch = match (goes_on, late.is_empty()) {
            (true, true) => None,
            // Late work is put beside the line that accepts it: on a copy, until all of the slice has passed.
            (true, false) => Some(self.document.clone()),
            (false, _) => Some(self.branch_at(after.head)?),
        };
        let mut brought = (vec![], vec![]);
        if let Some(branch) = branch.as_mut().filter(|_| !late.is_empty()) {
            let put = self.put_late(branch, &late);
            if matches!(put, Err(TakeError::Early)) {
                self.want_late(term, after, goes_on, fresh);
            }
            brought = put?;
        }
        let document = branch.as_ref().unwrap_or(&self.document);
        let accepts = drafts.iter().map(|draft| (draft.id(), draft.head())).collect();
        let mut drafts: Vec<DraftLog> = drafts
            .into_iter()
            .filter(|draft| !document.contains(&draft.head()))
            .collect();
        for draft in &mut drafts {
            // A draft may be accepted in parts, each time as much as its author had proposed.
            if let Some(known) = self.drafts.get(&draft.id()) {
                draft.learn_accepted(known);
            }
        }
        let mut segments: Vec<Segment<'_>> = drafts.iter().map(|draft| draft.segment_on(document)).collect();
        let drafted: usize = segments.iter().map(|segment| segment.changes.len()).sum();
        segments.push(Segment {
            line: line_of(term, after),
            changes: fresh.to_vec(),
            kind: Kind::Term,
            accepts,
        });
        let admitted = match gate::admit(document, &segments, seal.head) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                if let Some(branch) = branch.filter(|_| late.is_empty()) {
                    self.built.keep(after.head, branch);
                }
                return Err(match refusal {
                    // All that it names is here, and not there: it will never fit, and a branch was built for it.
                    gate::Refusal::MissingDependency { .. } if !goes_on => {
                        TakeError::Refused(refusal.to_string())
                    }
                    refusal => refusal.into(),
                });
            }
        };
        let hashes: Vec<ChangeHash> = admitted.hashes().skip(drafted).collect();
        if !due.sealed().all(|(at, head)| hashes.get(at) == Some(&head)) {
            return Err(TakeError::Refused(NOT_SEALED.to_owned()));
        }
        let mut changes = vec![];
        match branch {
            None => {
                let applied = self.document.apply(admitted);
                changes = applied.map_err(|error| self.broke(error.to_string()))?;
            }
            Some(mut branch) => {
                let grown = branch.apply(admitted);
                let grown = grown.map_err(|error| TakeError::Refused(error.to_string()))?;
                if goes_on {
                    self.document = branch;
                    changes = [brought.1, grown].concat();
                    self.forget_these(&brought.0);
                    self.wanted.clear();
                    self.reopen_drafts();
                } else {
                    self.built.keep(seal.head, branch);
                    let raw = fresh.iter().map(|raw| raw.to_vec());
                    self.set_aside(term, hashes.iter().copied().zip(raw));
                }
            }
        }
        self.keep_slice(term, due, fresh, &hashes, drafts, None, batch)?;
        Ok(changes)
    }

    /// Keeps a slice that passed: the document, or what is aside, has it. `records`: what puts it into the log, if that was
    /// made already.
    #[expect(clippy::too_many_arguments, reason = "each is a part of one slice")]
    fn keep_slice(
        &mut self,
        term: TermId,
        due: Due,
        fresh: &[&[u8]],
        hashes: &[ChangeHash],
        drafts: Vec<DraftLog>,
        records: Option<Batch>,
        batch: &mut Batch,
    ) -> Result<(), TakeError> {
        let after = due.after;
        let seals: Vec<(usize, Vec<u8>)> = due.encoded_seals().collect();
        let is_appended = match records {
            Some(records) => {
                batch.add_all(records);
                true
            }
            None => {
                let records = records_of(fresh, &seals);
                self.keep_changes(term, after, hashes.iter().copied().zip(records).collect(), batch)
            }
        };
        let goes_on = due.goes_on;
        let end = due.seal;
        let held_now = self.chain.hold(term, after, hashes).map(drop);
        let mut add_seal = |seal| self.chain.add_seal(seal).map(drop);
        if let Err(refusal) = held_now.and_then(|()| due.seals.into_iter().try_for_each(&mut add_seal)) {
            // The document is ahead of the chain: it cannot be used any more.
            return Err(self.broke(refusal.to_string()));
        }
        self.note_verdicts(term, fresh, batch);
        // Only these passed the gate. One whose head was in the document already may hold anything.
        self.keep_accepted(drafts, batch);
        if is_appended {
            let mut seals = seals.iter().peekable();
            for (at, change) in fresh.iter().enumerate() {
                let seal = seals
                    .next_if(|(end, _)| *end == at)
                    .map(|(_, seal)| seal.as_slice());
                self.note_put(term, after.len + 1 + at as u64, change, seal);
            }
        }
        if goes_on {
            self.set_inside(Position::new(term, end));
        } else {
            self.beside_changed();
            self.look_for_proof(term);
        }
        Ok(())
    }

    /// Whether the path waits for changes of a term that follow there: not for those behind what it waits for.
    pub(super) fn path_waits_for(&self, term: TermId, after: Cut) -> bool {
        let waits = |missing: &Missing| matches!(missing, Missing::Changes { term: of, upto } if *of == term && after.len < upto.len);
        self.chain.waiting_for().iter().any(waits)
    }

    /// The path accepts late work that is not held here, or may soon: it is taken in when it comes, whatever else its author
    /// sent. What is accepted beside the path is nobody's word.
    fn want_late(&mut self, of: TermId, after: Cut, goes_on: bool, changes: &[&[u8]]) {
        if !goes_on && !self.path_waits_for(of, after) {
            return;
        }
        for (term, _) in changes.iter().filter_map(|bytes| own_log::late_acceptance(bytes)) {
            let off_path = self
                .chain
                .ancestry(term)
                .take_while(|held| self.chain.position(*held).is_none());
            let terms: Vec<TermId> = std::iter::once(term).chain(off_path).collect();
            let room = WANTED_TERMS_MAX.saturating_sub(self.wanted.len());
            self.wanted.extend(terms.into_iter().take(room));
        }
    }

    /// Whether what follows there on a term, up to `len`, is sure to go on with the canonical path: then it goes into the
    /// document at once. What is not sure goes to the side, and the path decides.
    fn goes_on(&self, term: TermId, after: Cut, len: u64, holder: DeviceId) -> bool {
        let (canonical, settled) = (self.chain.canonical(), self.chain.settled());
        let is_end = canonical.tip == term && canonical.len == after.len && canonical.head == after.head;
        if !is_end || self.chain.branches(term) != [after] {
            return false;
        }
        let cuts = self
            .chain
            .children(term)
            .filter_map(|child| self.chain.term(child));
        let mut ahead = cuts.map(|child| child.cut.len).filter(|cut| *cut > after.len);
        let counts = match settled.term == term {
            true => len <= settled.len,
            false => canonical.standing == Standing::Settled,
        };
        ahead.all(|cut| len <= cut) && (counts || self.chain.rights(holder) == Some(Rights::Hold))
    }

    /// How far the changes of a slice are held, along whatever line of their term. They are compared by the first bytes of their
    /// hashes, but the last, which names all before it, by the whole: who forges those bytes does not make believe that they are held.
    fn known_up_to(&self, slice: &Slice<'_>, after: Cut) -> Cut {
        let mut known = after;
        for end in self.chain.branches(slice.term) {
            let line = self
                .chain
                .line_to(slice.term, end)
                .filter(|_| self.chain.passes(slice.term, end, after));
            let Some(line) = line else { continue };
            let mut at = after;
            for bytes in &slice.changes {
                let next = line.hash_at(at.len + 1);
                let Some(head) = next.filter(|next| own_log::may_be(bytes, next)) else {
                    break;
                };
                at = Cut {
                    len: at.len + 1,
                    head,
                };
            }
            while at.len > known.len && !is_in(slice, after, at) {
                let before = at.len - 1;
                let head = line.hash_at(before).unwrap_or(after.head);
                at = Cut { len: before, head };
            }
            if at.len > known.len {
                known = at;
            }
        }
        known
    }
}

/// Whether a slice that begins behind `after` has this change at its place.
fn is_in(slice: &Slice<'_>, after: Cut, at: Cut) -> bool {
    let index = at
        .len
        .checked_sub(after.len + 1)
        .and_then(|index| usize::try_from(index).ok());
    let bytes = index.and_then(|index| slice.changes.get(index));
    bytes.and_then(|bytes| own_log::hash_of(bytes)) == Some(at.head)
}
