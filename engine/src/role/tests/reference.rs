//! What counts, said again as plainly as possible and as slowly as it comes: sets, searched anew for every question.
//! It shares the records with the real thing and nothing else.

use std::collections::BTreeSet;

use super::*;

#[derive(Debug, Clone)]
pub(super) enum Item {
    Charter(Verified<Charter>),
    Term(Verified<Term>),
    Seal(Verified<Seal>),
    Change(TermId, Cut, ChangeHash),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) path: Vec<(TermId, Cut)>,
    pub(super) editor: Option<DeviceId>,
}

pub(super) struct Reference<'a> {
    deck: &'a Deck,
    charters: Vec<&'a Verified<Charter>>,
    terms: Vec<&'a Verified<Term>>,
    seals: Vec<&'a Verified<Seal>>,
    changes: BTreeSet<(TermId, u64, ChangeHash, ChangeHash)>,
}

impl<'a> Reference<'a> {
    pub(super) fn new(deck: &'a Deck, items: &'a [Item]) -> Self {
        let (mut charters, mut terms, mut seals, mut changes) = (vec![], vec![], vec![], BTreeSet::new());
        for item in items {
            match item {
                Item::Charter(charter) => charters.push(charter),
                Item::Term(term) => terms.push(term),
                Item::Seal(seal) => seals.push(seal),
                Item::Change(term, after, hash) => {
                    changes.insert((*term, after.len + 1, *hash, after.head));
                }
            }
        }
        Self {
            deck,
            charters,
            terms,
            seals,
            changes,
        }
    }

    pub(super) fn answer(&self) -> Answer {
        let charter = self.charters().last().copied();
        let settled = self.settled();
        let settled_ancestry = self.ancestry(settled.term).unwrap();
        let mut editor_possible = charter.is_none_or(|charter| self.ancestry(charter.settled.term).is_some());
        let mut path = Vec::new();
        let mut term = self.deck.zero();
        let end = loop {
            let start = Cut {
                len: 0,
                head: self.start(term),
            };
            let base = if term == settled.term {
                settled.cut()
            } else {
                start
            };
            let before_settled = term != settled.term && settled_ancestry.contains(&term);
            let children: Vec<&Verified<Term>> = self
                .terms
                .iter()
                .copied()
                .filter(|child| child.parent == term)
                .collect();
            let needed = if before_settled {
                children
                    .iter()
                    .find(|child| settled_ancestry.contains(&child.id()))
                    .unwrap()
                    .cut
            } else {
                base
            };
            if self.way(term, needed).is_none() {
                editor_possible = false;
                break self.unbranched(term, needed.len);
            }
            let next = if before_settled {
                children
                    .into_iter()
                    .find(|child| settled_ancestry.contains(&child.id()))
            } else {
                let valid = |child: &&Verified<Term>| self.is_valid(term, base, child);
                children.into_iter().filter(valid).min_by_key(|child| {
                    let claim = child.cause == Cause::Claim;
                    (
                        claim,
                        if claim { self.rank(child.signer) } else { -1 },
                        child.id(),
                    )
                })
            };
            match next {
                Some(child) => {
                    path.push((term, child.cut));
                    term = child.id();
                }
                None if self.holder(term).is_some_and(|holder| self.holds(holder)) => {
                    break self.sealed(term, base);
                }
                None => break base,
            }
        };
        path.push((term, end));
        let editor = self.holder(term).filter(|holder| self.holds(*holder));
        let editor = editor.filter(|_| editor_possible && !self.cheated(term));
        Answer { path, editor }
    }

    /// Valid charters, newest last.
    fn charters(&self) -> Vec<&'a Verified<Charter>> {
        let mut owners = BTreeSet::from([(0, self.deck.device(0))]);
        for _ in 0..=self.charters.len() {
            for charter in &self.charters {
                if charter.count == 0 && owners.contains(&(charter.generation - 1, charter.signer)) {
                    owners.insert((charter.generation, charter.owner));
                }
            }
        }
        let valid = |charter: &&Verified<Charter>| match charter.count {
            0 => owners.contains(&(charter.generation - 1, charter.signer)),
            _ => owners.contains(&(charter.generation, charter.signer)),
        };
        let mut charters: Vec<_> = self.charters.iter().copied().filter(valid).collect();
        charters.sort_by_key(|c| (c.generation, c.count, std::cmp::Reverse(c.record_id())));
        charters
    }

    fn settled(&self) -> Point {
        let charters = self.charters();
        let known = charters
            .iter()
            .rev()
            .find(|charter| self.ancestry(charter.settled.term).is_some());
        let zero = Point {
            term: self.deck.zero(),
            len: 0,
            head: self.deck.start,
        };
        known.map_or(zero, |charter| charter.settled)
    }

    fn holds(&self, device: DeviceId) -> bool {
        self.rank(device) < i32::MAX
    }

    fn rank(&self, device: DeviceId) -> i32 {
        let Some(charter) = self.charters().last().copied() else {
            return if device == self.deck.device(0) {
                0
            } else {
                i32::MAX
            };
        };
        if charter.owner == device {
            return 0;
        }
        let member = charter
            .members
            .iter()
            .find(|m| m.device == device && m.rights == Rights::Hold);
        member.map_or(i32::MAX, |member| i32::from(member.rank) + 1)
    }

    /// From this term back to term 0; nothing if one is missing.
    fn ancestry(&self, term: TermId) -> Option<Vec<TermId>> {
        let mut ancestry = vec![term];
        while *ancestry.last()? != self.deck.zero() {
            let last = *ancestry.last()?;
            ancestry.push(self.terms.iter().find(|term| term.id() == last)?.parent);
        }
        Some(ancestry)
    }

    fn holder(&self, id: TermId) -> Option<DeviceId> {
        if id == self.deck.zero() {
            return Some(self.deck.device(0));
        }
        self.terms.iter().find(|term| term.id() == id)?.holder
    }

    fn start(&self, id: TermId) -> ChangeHash {
        self.terms
            .iter()
            .find(|term| term.id() == id)
            .map_or(self.deck.start, |term| term.cut.head)
    }

    /// Every change from the start to `end`, in order; nothing if one is missing.
    fn way(&self, term: TermId, end: Cut) -> Option<Vec<ChangeHash>> {
        if end.len == 0 {
            return (end.head == self.start(term)).then(Vec::new);
        }
        let found = self
            .changes
            .iter()
            .find(|(of, number, hash, _)| (*of, *number, *hash) == (term, end.len, end.head));
        let (.., before) = found?;
        let mut way = self.way(
            term,
            Cut {
                len: end.len - 1,
                head: *before,
            },
        )?;
        way.push(end.head);
        Some(way)
    }

    fn leads_through(&self, term: TermId, end: Cut, point: Cut) -> bool {
        self.way(term, end).is_some_and(|way| match point.len {
            0 => point.head == self.start(term),
            len => way.get(len as usize - 1) == Some(&point.head),
        })
    }

    fn is_valid(&self, parent: TermId, base: Cut, child: &Verified<Term>) -> bool {
        let rights = self.holds(child.signer) && child.holder.is_none_or(|holder| self.holds(holder));
        let parent_may = self.holder(parent).is_none_or(|holder| self.holds(holder));
        rights && self.leads_through(parent, child.cut, base) && (parent_may || child.cut.len <= base.len)
    }

    /// As many changes as there is only one of each number.
    fn unbranched(&self, term: TermId, most: u64) -> Cut {
        let mut end = Cut {
            len: 0,
            head: self.start(term),
        };
        while end.len < most {
            let next: Vec<Cut> = self
                .changes
                .iter()
                .map(|(of, len, head, _)| {
                    (
                        *of,
                        Cut {
                            len: *len,
                            head: *head,
                        },
                    )
                })
                .filter(|(of, cut)| *of == term && cut.len == end.len + 1 && self.way(term, *cut).is_some())
                .map(|(_, cut)| cut)
                .collect();
            match next.as_slice() {
                [only] => end = *only,
                _ => break,
            }
        }
        end
    }

    /// The longest seal; where held ones part, the last change in common.
    fn sealed(&self, term: TermId, base: Cut) -> Cut {
        let seals: Vec<Cut> = self
            .seals
            .iter()
            .filter(|seal| seal.term == term)
            .map(|seal| seal.cut())
            .collect();
        let through: Vec<Cut> = seals
            .into_iter()
            .filter(|cut| self.leads_through(term, *cut, base))
            .collect();
        let longest = through.iter().filter(|cut| {
            !through
                .iter()
                .any(|other| other != *cut && self.leads_through(term, *other, **cut))
        });
        let ways: Vec<Vec<ChangeHash>> = longest.filter_map(|cut| self.way(term, *cut)).collect();
        let Some(first) = ways.first() else { return base };
        let common = (0..first.len())
            .take_while(|at| ways.iter().all(|way| way.get(*at) == first.get(*at)))
            .count();
        match common.checked_sub(1) {
            None => Cut {
                len: 0,
                head: self.start(term),
            },
            Some(last) => Cut {
                len: common as u64,
                head: first[last],
            },
        }
    }

    fn cheated(&self, term: TermId) -> bool {
        let seals: Vec<Cut> = self
            .seals
            .iter()
            .filter(|seal| seal.term == term)
            .map(|seal| seal.cut())
            .collect();
        seals.iter().any(|a| {
            seals.iter().any(|b| {
                let same_place = a.len == b.len && a.head != b.head;
                let beside =
                    a.len < b.len && self.way(term, *b).is_some() && !self.leads_through(term, *b, *a);
                same_place || beside
            })
        })
    }
}
