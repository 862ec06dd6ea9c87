//! The canonical path: finding a place on it, what comes after, and following it when it turns.

use std::collections::BTreeSet;

use super::{Log, TakeError};

use crate::core::own_log;
use crate::disk::LogRecord;
use crate::document::{DeckChange, Document};
use crate::id::{ChangeHash, DeviceId, TermId};
use crate::limits::{SLICE_BYTES_MAX, SLICE_CHANGES_MAX};
use crate::role::{Cause, Cut, LateWork, Standing, Step};
use crate::sync::message::Position;

/// What comes next on the canonical path after some position.
pub(crate) enum Next {
    /// Nothing that is durable here.
    Nothing,
    /// A term begins.
    Term(Position, Vec<u8>),
    /// Changes of the same term, up to there.
    Changes { end: Position },
}

/// Why the canonical path turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TurnWhy {
    /// A term came that is chosen before the one that was followed.
    BetterTerm {
        /// Which one.
        term: TermId,
        /// How it began.
        cause: Cause,
        /// Who signed it.
        by: DeviceId,
    },
    /// The owner settled another line.
    Settled {
        /// The first term of that line.
        term: TermId,
    },
    /// The holder of a term sealed two lines of it: it counts up to where they part.
    TwoSeals {
        /// Which term.
        term: TermId,
        /// Who.
        by: DeviceId,
    },
    /// The holder of a term may be editor no longer: it counts as far as it is settled.
    MayNotHold {
        /// Which term.
        term: TermId,
    },
}

/// What following the chain did.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// How many changes were taken out of the document.
    pub(crate) taken_out: u64,
    /// Why, and where they are now.
    pub(crate) turn: Option<(TurnWhy, Vec<LateWork>)>,
    /// What the changes that came in did.
    pub(crate) changes: Vec<DeckChange>,
}

impl From<&Step> for Position {
    fn from(step: &Step) -> Self {
        Self::new(step.term, step.upto)
    }
}

impl Log {
    /// Where every path of the deck begins: term 0, without changes.
    pub(crate) fn start(&self) -> Position {
        let (len, head) = (0, self.document.genesis_hash());
        Position::new(TermId::zero_of(self.deck), Cut { len, head })
    }

    /// Whether the path turned since this was last asked.
    pub(crate) fn take_turned(&mut self) -> bool {
        std::mem::take(&mut self.turned)
    }

    /// Where a position is on the canonical path: at which step, and after how many changes of it. What is known to lie
    /// beyond a step's end counts as its end. Positions that are not on the path, or not known to be, are nowhere.
    fn place(&self, position: Position) -> Option<(usize, u64)> {
        let at = self.inside.iter().rposition(|step| step.term == position.term)?;
        let step = self.inside.get(at)?;
        let (shorter, longer) = if position.len <= step.len {
            (position, *step)
        } else {
            (*step, position)
        };
        let is_on_path = self.chain.passes(step.term, longer.cut(), shorter.cut());
        is_on_path.then_some((at, shorter.len))
    }

    /// Whether a position is on the canonical path, as far as is known here.
    pub(crate) fn is_on_path(&self, position: Position) -> bool {
        self.place(position).is_some()
    }

    /// How many changes the canonical path has up to there; none where that is not on it.
    pub(crate) fn changes_upto(&self, position: Position) -> Option<u64> {
        let (at, len) = self.place(position)?;
        let before: u64 = self.inside.iter().take(at).map(|step| step.len).sum();
        Some(before + len)
    }

    /// The newest place on the canonical path that who stands at `position` is known to hold; `None` where the way there
    /// is not known here.
    pub(crate) fn shared_up_to(&self, position: Position) -> Option<Position> {
        let mut at = position;
        loop {
            if let Some(found) = self.find(&[at]) {
                return Some(found);
            }
            if let Some(step) = self.inside.iter().rfind(|step| step.term == at.term) {
                let shared = self.chain.common(at.term, at.cut(), step.cut())?;
                return Some(Position::new(at.term, shared));
            }
            let term = self.chain.term(at.term)?;
            at = Position::new(term.parent, term.cut);
        }
    }

    /// The place on the canonical path with which a change became part of the deck: its own, or that of the change which
    /// accepted it. For one that was accepted this looks at the whole history.
    pub(crate) fn place_of_change(&self, change: &ChangeHash) -> Option<Position> {
        if !self.document.contains(change) {
            return None;
        }
        if *change == self.document.genesis_hash() {
            return Some(self.start());
        }
        if let Some(place) = self.own_place(change) {
            return Some(place);
        }
        let automerge = self.document.automerge();
        let mut merging: Vec<(ChangeHash, Vec<ChangeHash>)> = Vec::new();
        let mut at = Some(self.head());
        while let Some(meta) = at.and_then(|hash| automerge.get_change_meta_by_hash(&hash)) {
            let is_on_path = |hash: &ChangeHash| self.own_place(hash).is_some();
            let (before, beside): (Vec<_>, Vec<_>) = meta.deps.into_iter().partition(is_on_path);
            at = before.first().copied();
            if !beside.is_empty() {
                merging.push((meta.hash, beside));
            }
        }
        // The oldest that merged it, directly or with something else, is the one that brought it in.
        let mut seen = BTreeSet::new();
        for (hash, mut beside) in merging.into_iter().rev() {
            while let Some(next) = beside.pop() {
                if next == *change {
                    return self.own_place(&hash);
                }
                if self.own_place(&next).is_none() && seen.insert(next) {
                    let meta = automerge.get_change_meta_by_hash(&next);
                    beside.extend(meta.into_iter().flat_map(|meta| meta.deps));
                }
            }
        }
        None
    }

    /// Where a change itself is on the canonical path.
    fn own_place(&self, change: &ChangeHash) -> Option<Position> {
        let meta = self.document.automerge().get_change_meta_by_hash(change)?;
        let place = Position {
            term: self.term_of(&meta.actor)?,
            len: meta.seq,
            head: *change,
        };
        self.is_on_path(place).then_some(place)
    }

    /// The head at a place of a canonical step.
    fn head_at(&self, step: &Position, len: u64) -> Option<ChangeHash> {
        self.chain.line_to(step.term, step.cut())?.hash_at(len)
    }

    fn position_at(&self, step: &Position, len: u64) -> Option<Position> {
        let head = self.head_at(step, len)?;
        Some(Position { len, head, ..*step })
    }

    /// A batch that ended there is on disk. It may have been overtaken: by a later one, or by a turn of the path.
    pub(crate) fn set_durable(&mut self, position: Position) {
        let Some((at, len)) = self.place(position) else {
            return;
        };
        let reached = self.inside.get(at).and_then(|step| self.position_at(step, len));
        if let Some(reached) = reached.filter(|&reached| self.is_before(self.durable, reached)) {
            self.durable = reached;
        }
        // They are in the order in which they were written, so what was written before one that is durable is of no use either.
        let on_disk = self.durable;
        let is_covered =
            |(end, _): &(Position, LogRecord)| end.term == on_disk.term && end.len <= on_disk.len;
        if let Some(last) = self.fresh.iter().rposition(is_covered) {
            self.fresh.drain(..=last);
        }
    }

    /// What this run wrote behind a place and the disk does not have yet, as much as fits into a slice. It may be sent
    /// already: the term is on the disk, and no later run will write in it, so that nothing is ever written twice. What
    /// accepts something has to wait: a draft of this device is written on by later runs. With where the last one ends: the
    /// term that the path goes on with may not be on the disk.
    pub(crate) fn fresh_after(&self, position: Position) -> Option<(Position, Vec<LogRecord>)> {
        let on_disk = self.durable.term;
        if position.term != on_disk || !self.opened.contains(&on_disk) || !self.is_on_path(position) {
            return None;
        }
        let mut bytes = 0;
        let ready = self.fresh.iter().filter(|(end, _)| end.term == on_disk);
        let behind = ready.skip_while(|(end, _)| end.len <= position.len);
        let fits = (position.len + 1..)
            .zip(behind)
            .take_while(|(number, (end, record))| {
                bytes += record.change.len();
                end.len == *number && bytes <= SLICE_BYTES_MAX && !own_log::merges(&record.change)
            });
        let fits: Vec<&(Position, LogRecord)> =
            fits.map(|(_, fresh)| fresh).take(SLICE_CHANGES_MAX).collect();
        let (end, _) = fits.last()?;
        Some((*end, fits.iter().map(|(_, record)| record.clone()).collect()))
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

    /// The newest place in `locator` that is on our canonical path. One that lies ahead of all that is held here of its
    /// term is taken for a continuation: if it is not, the other side finds that ours is not on its path.
    pub(crate) fn find(&self, locator: &[Position]) -> Option<Position> {
        locator.iter().find_map(|theirs| {
            if let Some((at, len)) = self.place(*theirs) {
                return self.position_at(self.inside.get(at)?, len);
            }
            let ours = self.inside.iter().rev().find(|ours| ours.term == theirs.term)?;
            let is_ahead = theirs.len > ours.len && !self.chain.holds(theirs.term, theirs.cut());
            is_ahead.then_some(*ours)
        })
    }

    /// Whether `a` lies before `b` on our canonical path. Positions that are not on it lie nowhere.
    pub(crate) fn is_before(&self, a: Position, b: Position) -> bool {
        match (self.place(a), self.place(b)) {
            (Some(place_a), Some(place_b)) => place_a < place_b,
            _ => false,
        }
    }

    /// What comes after `position` among that which is durable.
    pub(crate) fn next_after(&self, position: Position) -> Next {
        let (Some((at, len)), Some((durable_at, _))) = (self.place(position), self.place(self.durable))
        else {
            return Next::Nothing;
        };
        let Some(step) = self.inside.get(at).filter(|_| at <= durable_at) else {
            return Next::Nothing;
        };
        let end = if at == durable_at {
            step.len.min(self.durable.len)
        } else {
            step.len
        };
        if len < end {
            return match self.position_at(step, end) {
                Some(end) => Next::Changes { end },
                None => Next::Nothing,
            };
        }
        match self.inside.get(at + 1) {
            Some(next) if at < durable_at => match (self.chain.term(next.term), self.head_at(next, 0)) {
                (Some(term), Some(head)) => {
                    Next::Term(Position::new(next.term, Cut { len: 0, head }), term.encode())
                }
                _ => Next::Nothing,
            },
            _ => Next::Nothing,
        }
    }

    /// Brings the document to the canonical path after records came.
    ///
    /// Automerge cannot un-apply: when the path turns, the document is rebuilt at the last common point and what is
    /// held of the new path is put on top.
    pub(crate) fn follow_chain(&mut self) -> Result<Followed, TakeError> {
        let path: Vec<Position> = self.chain.canonical().path.iter().map(Position::from).collect();
        if path == self.inside || self.broken.is_some() {
            return Ok(Followed::default());
        }
        let common = path
            .iter()
            .zip(&self.inside)
            .take_while(|(new, old)| new.term == old.term)
            .count();
        let goes_on = |(new, old): (&Position, &Position)| self.chain.passes(new.term, new.cut(), old.cut());
        let turned = self.inside.len() > common || !path.iter().zip(&self.inside).take(common).all(goes_on);
        let mut followed = Followed::default();
        let mut left = None;
        let mut why = None;
        if turned {
            why = self.why_turned(&path);
            let taken = self.take_out(&path, common);
            let (taken_out, document) = taken.map_err(|error| self.broke(error.to_string()))?;
            followed.taken_out = taken_out;
            left = Some(document);
        }
        let back = self.bring_back(&path);
        followed.changes = back.map_err(|error| self.broke(error.to_string()))?;
        if let Some(left) = left {
            // A listener has seen what was taken out, and not what is brought back.
            followed.changes.retain(DeckChange::is_verdict);
            followed.changes.extend(self.document.told_in_place_of(&left));
        }
        self.beside_changed();
        self.reopen_drafts();
        let before_turn = self.inside.last().copied();
        self.inside = path;
        if turned {
            self.turned = true;
            // The record that turned the path is not on disk yet: what was before the turn is.
            let durable = self
                .place(self.durable)
                .and_then(|(at, len)| self.position_at(self.inside.get(at)?, len));
            self.durable = durable.or(before_turn).unwrap_or(self.durable);
        }
        if followed.taken_out > 0 {
            followed.turn = why.map(|why| (why, self.late_work()));
        }
        Ok(followed)
    }

    /// What the new path has at the first place where it leaves the old one.
    fn why_turned(&self, path: &[Position]) -> Option<TurnWhy> {
        let leaves = |(at, new): &(usize, &Position)| {
            let next = |steps: &[Position]| steps.get(at + 1).map(|step| step.term);
            let old = self.inside.get(*at).filter(|old| old.term == new.term);
            let goes_on = |old: &Position| self.chain.passes(new.term, new.cut(), old.cut());
            next(path) != next(&self.inside) || !old.is_some_and(goes_on)
        };
        let (at, parent) = path.iter().enumerate().find(leaves)?;
        let Some(next) = path.get(at + 1) else {
            let (term, by) = (parent.term, self.chain.holder(parent.term)?);
            return Some(match self.chain.equivocation(term) {
                Some(_) => TurnWhy::TwoSeals { term, by },
                None => TurnWhy::MayNotHold { term },
            });
        };
        let step = self.chain.path_from(next.term).first()?;
        let record = self.chain.term(next.term)?;
        Some(match step.standing {
            Standing::Settled => TurnWhy::Settled { term: next.term },
            Standing::Provisional => TurnWhy::BetterTerm {
                term: next.term,
                cause: record.cause,
                by: record.signer,
            },
        })
    }

    /// Moves what is no longer canonical from the document to the side: the document goes back to the last point that
    /// old and new path have in common. Answers how many changes of terms that were, and the document as it was.
    fn take_out(&mut self, path: &[Position], common: usize) -> Result<(u64, Document), TakeError> {
        let lost = || TakeError::Refused("the common point of two paths cannot be found".to_owned());
        let mut kept: Vec<Position> = Vec::new();
        for (new, old) in path.iter().zip(&self.inside).take(common) {
            let shared = self.chain.common(old.term, old.cut(), new.cut());
            kept.push(Position::new(old.term, shared.ok_or_else(lost)?));
            if shared != Some(old.cut()) {
                break;
            }
        }
        let head = kept.last().ok_or_else(lost)?.head;
        let mut taken_out = 0;
        for change in self.document.beyond(head) {
            // Those of drafts are kept with their draft.
            if let Some(term) = self.term_of(&change.actor) {
                self.set_aside(term, [(change.hash, change.bytes)]);
                taken_out += 1;
            }
        }
        let common = match self.built.take(head) {
            Some(built) => built,
            None => self.document.fork_at(head)?,
        };
        let left = std::mem::replace(&mut self.document, common);
        self.inside = kept;
        Ok((taken_out, left))
    }

    /// Puts what is held of the new path into the document, with what it merges.
    fn bring_back(&mut self, path: &[Position]) -> Result<Vec<DeckChange>, TakeError> {
        let lost = || TakeError::Refused("a change of the path is not held".to_owned());
        let mut back: Vec<ChangeHash> = Vec::new();
        let mut among = BTreeSet::new();
        for (at, step) in path.iter().enumerate() {
            let known = self.inside.get(at).filter(|old| old.term == step.term);
            let from = known.map_or(0, |old| old.len);
            if from >= step.len {
                continue;
            }
            let line = self.chain.line_to(step.term, step.cut()).ok_or_else(lost)?;
            for number in from + 1..=step.len {
                let hash = line.hash_at(number).ok_or_else(lost)?;
                let aside = self.aside.get(&hash).ok_or_else(lost)?;
                // What it goes on from is there: only what it merges may not be.
                if own_log::merges(&aside.bytes) {
                    let merged = own_log::dependencies_of(&aside.bytes).ok_or_else(lost)?;
                    let before = line.hash_at(number - 1);
                    let merged: Vec<ChangeHash> =
                        merged.into_iter().filter(|hash| Some(*hash) != before).collect();
                    let at_hand = |hash: &ChangeHash| among.contains(hash) || self.document.contains(hash);
                    let merged = self.closure(&merged, at_hand)?.changes;
                    among.extend(merged.iter().copied());
                    back.extend(merged);
                }
                among.insert(hash);
                back.push(hash);
            }
        }
        if back.is_empty() {
            return Ok(vec![]);
        }
        // In one go: the document orders its cards anew each time.
        let mut raw: Vec<Vec<u8>> = Vec::with_capacity(back.len());
        for hash in &back {
            let bytes = match self.aside.remove(hash) {
                Some(aside) => Some(aside.bytes),
                None => self.bytes_aside(hash).map(<[u8]>::to_vec),
            };
            raw.push(bytes.ok_or_else(lost)?);
        }
        Ok(self.document.take_in(raw.iter().map(Vec::as_slice))?)
    }
}
