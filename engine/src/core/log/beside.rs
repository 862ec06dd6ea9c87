//! What is held beside the canonical path: what others are told of it, and what they lack.

use std::collections::BTreeSet;

use super::Log;

use crate::limits::{BRANCHES_BYTES_MAX, HOLDINGS_MAX};
use crate::role::{Cut, RecordRef, Seal};
use crate::sync::holdings::{Digest, Holding};
use crate::sync::message::{Item, Position};

/// All of it, and its digest.
pub(super) struct Beside {
    held: BTreeSet<Holding>,
    digest: Digest,
}

/// Something that another device lacks.
#[derive(Debug)]
pub(crate) enum Owed {
    /// A record.
    Item(Item),
    /// The changes of a term after one place, up to another.
    Line {
        /// After which.
        after: Cut,
        /// Up to which.
        end: Position,
    },
}

impl Log {
    /// What is held beside the path.
    pub(crate) fn beside(&mut self) -> (&BTreeSet<Holding>, Digest) {
        if self.beside.is_none() {
            let held = self.find_beside();
            let digest = Digest::of(&held);
            self.beside = Some(Beside { held, digest });
        }
        let beside = self.beside.get_or_insert_with(|| Beside {
            held: BTreeSet::new(),
            digest: Digest::of(&BTreeSet::new()),
        });
        (&beside.held, beside.digest)
    }

    pub(crate) fn find_beside(&self) -> BTreeSet<Holding> {
        let holding = |record: RecordRef<'_>| match record {
            RecordRef::Charter(_) | RecordRef::Admit(_) => Some(Holding::Record(*record.id().as_bytes())),
            RecordRef::Term(term) => {
                let is_beside = self.chain.position(term.id()).is_none();
                is_beside.then(|| Holding::Record(*term.record_id().as_bytes()))
            }
            RecordRef::Seal(seal) => self.sealed_beside(seal),
        };
        self.chain.records().filter_map(holding).collect()
    }

    /// What a seal covers, unless that is all on the path.
    fn sealed_beside(&self, seal: &Seal) -> Option<Holding> {
        let (term, cut) = (seal.term, seal.cut());
        let step = self.chain.path_from(term).first();
        if step.is_some_and(|step| self.chain.passes(term, step.upto, cut)) {
            return None;
        }
        let end = Position::new(term, cut);
        Some(if self.chain.holds(term, cut) {
            Holding::Line(end)
        } else {
            Holding::Seal(end)
        })
    }

    /// The first of them in the order of their ids, as many as one message may list.
    pub(crate) fn list_beside(&mut self) -> Vec<Holding> {
        self.beside().0.iter().take(HOLDINGS_MAX).copied().collect()
    }

    /// What of it another device lacks that holds these: each after what it needs, as much as may be sent at a time.
    pub(crate) fn owed_to(&mut self, theirs: &[Holding]) -> Vec<Owed> {
        let theirs: BTreeSet<Holding> = theirs.iter().copied().collect();
        let missing: BTreeSet<Holding> = self.beside().0.difference(&theirs).copied().collect();
        if missing.is_empty() {
            return vec![];
        }
        let (mut owed, mut bytes, mut lines) = (Vec::new(), 0, Vec::new());
        for record in self.chain.records() {
            let item = match record {
                RecordRef::Charter(charter) => Item::Charter(charter.encode().into()),
                RecordRef::Term(term) => Item::Term(term.encode().into()),
                RecordRef::Admit(admit) => Item::Admit(admit.encode().into()),
                RecordRef::Seal(seal) => match self.sealed_beside(seal) {
                    Some(Holding::Line(end)) if missing.contains(&Holding::Line(end)) => {
                        lines.push(end);
                        continue;
                    }
                    Some(held) if missing.contains(&held) => Item::Seal(seal.encode().into()),
                    _ => continue,
                },
            };
            let is_missing = match record {
                RecordRef::Seal(_) => true,
                RecordRef::Charter(_) | RecordRef::Term(_) | RecordRef::Admit(_) => {
                    missing.contains(&Holding::Record(*record.id().as_bytes()))
                }
            };
            if is_missing && bytes < BRANCHES_BYTES_MAX {
                bytes += record.encode().len();
                owed.push(Owed::Item(item));
            }
        }
        // A term's changes rest on those of its parent.
        lines.sort_by_cached_key(|end| self.chain.ancestry(end.term).count());
        let line = |end: Position| Owed::Line {
            after: self.shared_with(&theirs, end),
            end,
        };
        owed.extend(lines.into_iter().map(line));
        owed
    }

    /// From where on another device lacks a line: it holds our path, or will, and what it lists of the same term.
    fn shared_with(&self, theirs: &BTreeSet<Holding>, end: Position) -> Cut {
        let head = self.chain.line_to(end.term, end.cut()).map(|line| line.start());
        let mut shared = Cut {
            len: 0,
            head: head.unwrap_or(end.head),
        };
        let path = self.chain.path_from(end.term).first().map(|step| step.upto);
        let listed = theirs.iter().filter_map(|held| match held {
            Holding::Line(theirs) if theirs.term == end.term => Some(theirs.cut()),
            _ => None,
        });
        for theirs in path.into_iter().chain(listed) {
            if !self.chain.holds(end.term, theirs) {
                continue;
            }
            if let Some(common) = self.chain.common(end.term, end.cut(), theirs)
                && common.len > shared.len
            {
                shared = common;
            }
        }
        shared
    }
}
