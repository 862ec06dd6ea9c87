//! The canonical path: finding a place on it, what comes after, and following it when it turns.

use super::{Log, TakeError};

use crate::core::own_log;
use crate::id::TermId;
use crate::sync::message::Position;

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
    /// Whether the path turned since this was last asked.
    pub(crate) fn take_turned(&mut self) -> bool {
        std::mem::take(&mut self.turned)
    }

    /// Whether a position is in a term of the canonical path.
    pub(crate) fn is_on_path(&self, position: Position) -> bool {
        self.inside.iter().any(|step| step.term == position.term)
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
            let taken = self.take_out(&path, common);
            taken_out = taken.map_err(|error| self.broke(error.to_string()))?;
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
            let restored = self.document.restore_more(raw.iter().map(Vec::as_slice));
            restored.map_err(|error| self.broke(error.to_string()))?;
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
