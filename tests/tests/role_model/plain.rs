//! The rules of the role, said again as plainly as possible: sets, searched anew for every question. It shares the
//! records with the shipping module and nothing else, so the model compares the two on every set that it meets; and
//! here one rule at a time can be left out, to see that the model then finds a counterexample.

use std::cmp::Reverse;
use std::sync::Arc;

use cuecard::id::{ChangeHash, TermId};
use cuecard::role::{Cause, Charter, Cut, Point, Term, Verified};

use crate::world::{Device, Item, Signed, World, next};

/// A rule that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The path to what is settled is chosen before anything else.
    SettledFirst,
    /// A child of the settled term contains what is settled.
    CutContainsSettled,
    /// A term is chosen only when the changes of its cut are held.
    Available,
    /// Signer and holder have `hold`.
    Rights,
    /// A term whose holder lacks `hold` counts only as far as it is settled.
    ExHolderEnds,
    /// A cut is final: a longer seal does not move it.
    CutIsFinal,
    /// Among siblings the records decide, not which came first.
    OrderOfArrival,
    /// A handover or release goes before a claim.
    WordBeforeClaim,
    /// Among claims the better rank goes first.
    RankDecides,
    /// Membership follows the newest charter, whatever came first.
    NewestCharter,
    /// Seals that disagree count up to the last common change, not as the first one said.
    LastCommon,
    /// What an invalid term holds is late work too.
    LosersLoseNothing,
    /// Nobody is editor while the newest charter's settled term is missing.
    WaitForSettled,
}

/// What a device makes of what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Answer {
    pub(crate) path: Vec<(TermId, Cut)>,
    pub(crate) editor: Option<Device>,
    /// Whose membership counts: the newest charter's age.
    pub(crate) charter: (u32, u32),
}

impl Answer {
    pub(crate) fn tip(&self) -> (TermId, Cut) {
        *self.path.last().unwrap()
    }
}

/// The records and changes of one set.
pub(crate) struct Facts<'a> {
    pub(crate) world: &'a World,
    charters: Vec<&'a Verified<Charter>>,
    pub(crate) terms: Vec<&'a Verified<Term>>,
    /// (term, the change before, the change)
    pub(crate) changes: Vec<(TermId, Cut, ChangeHash)>,
    pub(crate) seals: Vec<(TermId, Cut)>,
    without: Option<Rule>,
}

impl<'a> Facts<'a> {
    /// In the order of arrival, which only a missing rule makes anything of.
    pub(crate) fn new(world: &'a World, items: &'a [Arc<Item>], without: Option<Rule>) -> Self {
        let mut facts = Self {
            world,
            charters: Vec::new(),
            terms: Vec::new(),
            changes: Vec::new(),
            seals: Vec::new(),
            without,
        };
        for item in items {
            match &item.signed {
                Signed::Charter(charter) => facts.charters.push(charter),
                Signed::Term(term) => facts.terms.push(term),
                Signed::Change {
                    term,
                    after,
                    head,
                    seal,
                } => {
                    facts.changes.push((*term, *after, *head));
                    facts.seals.extend(seal.iter().map(|seal| (*term, seal.cut())));
                }
                Signed::Seal(seal) => facts.seals.push((seal.term, seal.cut())),
            }
        }
        if !facts.lacks(Rule::NewestCharter) {
            let age = |c: &&Verified<Charter>| (c.generation, c.count, Reverse(c.record_id()));
            facts.charters.sort_by_key(age);
        }
        facts
    }

    pub(crate) fn lacks(&self, rule: Rule) -> bool {
        self.without == Some(rule)
    }

    pub(crate) fn answer(&self) -> Answer {
        let settled = self.settled();
        let to_settled = self.ancestry(settled.term).unwrap();
        let missing = self
            .newest_settled()
            .is_some_and(|term| self.ancestry(term).is_none());
        let mut nobody = missing && !self.lacks(Rule::WaitForSettled);
        let mut path = Vec::new();
        let mut term = self.world.zero();
        let end = loop {
            let base = self.base(term);
            let mut children: Vec<&Verified<Term>> = self.children(term).collect();
            let on_the_way = term != settled.term && to_settled.contains(&term);
            let forced = children.iter().find(|child| to_settled.contains(&child.id()));
            let forced = forced
                .copied()
                .filter(|_| on_the_way && !self.lacks(Rule::SettledFirst));
            let needed = forced.map_or(base, |child| child.cut);
            if !self.holds_cut(term, needed) {
                nobody = true;
                break self.unbranched(term, needed.len);
            }
            let chosen = forced.or_else(|| {
                children.retain(|child| self.is_valid(term, child));
                if self.lacks(Rule::OrderOfArrival) {
                    return children.first().copied();
                }
                children.into_iter().min_by_key(|child| self.preference(child))
            });
            let may_hold = self
                .world_holder(term)
                .is_some_and(|holder| self.may_hold(holder));
            match chosen {
                Some(child) => {
                    let end = if self.lacks(Rule::CutIsFinal) && may_hold {
                        self.sealed(term, child.cut)
                    } else {
                        child.cut
                    };
                    path.push((term, end));
                    term = child.id();
                }
                None if may_hold || self.lacks(Rule::ExHolderEnds) => break self.sealed(term, base),
                None => break base,
            }
        };
        path.push((term, end));
        let editor = self.world_holder(term).filter(|holder| self.may_hold(*holder));
        Answer {
            path,
            editor: editor.filter(|_| !nobody && !self.cheated(term)),
            charter: self.charters.last().map_or((0, 0), |c| (c.generation, c.count)),
        }
    }

    /// What the newest charter settles whose settled term is held.
    pub(crate) fn settled(&self) -> Point {
        let known = |charter: &&&Verified<Charter>| self.ancestry(charter.settled.term).is_some();
        let (term, Cut { len, head }) = (self.world.zero(), self.world.beginning());
        let settled = self.charters.iter().rev().find(known);
        settled.map_or(Point { term, len, head }, |charter| charter.settled)
    }

    /// The term that the newest charter settles, held or not.
    pub(crate) fn newest_settled(&self) -> Option<TermId> {
        self.charters.last().map(|charter| charter.settled.term)
    }

    pub(crate) fn owner(&self) -> Device {
        let owner = self.charters.last().map(|charter| charter.owner);
        owner.map_or(0, |owner| self.world.device(owner))
    }

    pub(crate) fn age(&self) -> (u32, u32) {
        self.charters.last().map_or((0, 0), |c| (c.generation, c.count))
    }

    /// By rank, the owner left out.
    pub(crate) fn members(&self) -> Vec<Device> {
        let mut members: Vec<_> = self
            .charters
            .last()
            .map_or(Vec::new(), |charter| charter.members.clone());
        members.sort_by_key(|member| member.rank);
        members
            .iter()
            .map(|member| self.world.device(member.device))
            .collect()
    }

    pub(crate) fn may_hold(&self, device: Device) -> bool {
        device == self.owner() || self.members().contains(&device)
    }

    /// The smaller the better; the owner first.
    pub(crate) fn rank(&self, device: Device) -> usize {
        if device == self.owner() {
            return 0;
        }
        let rank = self.members().iter().position(|member| *member == device);
        rank.map_or(usize::MAX, |rank| rank + 1)
    }

    pub(crate) fn children(&self, term: TermId) -> impl Iterator<Item = &'a Verified<Term>> {
        self.terms
            .iter()
            .copied()
            .filter(move |child| child.parent == term)
    }

    pub(crate) fn term(&self, id: TermId) -> Option<&'a Verified<Term>> {
        self.terms.iter().copied().find(|term| term.id() == id)
    }

    /// From this term back to term 0; nothing if one is missing.
    pub(crate) fn ancestry(&self, term: TermId) -> Option<Vec<TermId>> {
        let mut ancestry = vec![term];
        while *ancestry.last()? != self.world.zero() {
            ancestry.push(self.term(*ancestry.last()?)?.parent);
        }
        Some(ancestry)
    }

    pub(crate) fn world_holder(&self, id: TermId) -> Option<Device> {
        if id == self.world.zero() {
            return Some(0);
        }
        self.term(id)?.holder.map(|holder| self.world.device(holder))
    }

    pub(crate) fn start(&self, id: TermId) -> Cut {
        let head = self.term(id).map_or(self.world.start, |term| term.cut.head);
        Cut { len: 0, head }
    }

    /// What of a term stands regardless.
    pub(crate) fn base(&self, term: TermId) -> Cut {
        let settled = self.settled();
        if term == settled.term {
            settled.cut()
        } else {
            self.start(term)
        }
    }

    /// Every change from the start to `end`, in order; nothing if one is missing.
    pub(crate) fn way(&self, term: TermId, end: Cut) -> Option<Vec<ChangeHash>> {
        if end.len == 0 {
            return (end == self.start(term)).then(Vec::new);
        }
        let found = self
            .changes
            .iter()
            .find(|(of, after, head)| *of == term && next(*after, *head) == end);
        let mut way = self.way(term, found?.1)?;
        way.push(end.head);
        Some(way)
    }

    pub(crate) fn holds_cut(&self, term: TermId, cut: Cut) -> bool {
        self.way(term, cut).is_some()
    }

    pub(crate) fn leads_through(&self, term: TermId, end: Cut, point: Cut) -> bool {
        self.way(term, end).is_some_and(|way| match point.len {
            0 => point == self.start(term),
            len => way.get(usize::try_from(len).unwrap() - 1) == Some(&point.head),
        })
    }

    /// The seals of a term of which no other is known to be longer.
    pub(crate) fn longest_seals(&self, term: TermId) -> Vec<Cut> {
        let of_term = |(of, cut): &(TermId, Cut)| (*of == term).then_some(*cut);
        let mut seals: Vec<Cut> = self.seals.iter().filter_map(of_term).collect();
        seals.dedup();
        let all = seals.clone();
        seals.retain(|seal| {
            !all.iter()
                .any(|other| other != seal && self.leads_through(term, *other, *seal))
        });
        seals
    }

    pub(crate) fn is_valid(&self, parent: TermId, child: &Verified<Term>) -> bool {
        let base = self.base(parent);
        let (signer, cut) = (self.world.device(child.signer), child.cut);
        let holder = child.holder.map(|holder| self.world.device(holder));
        let rights = self.may_hold(signer) && holder.is_none_or(|holder| self.may_hold(holder));
        if !rights && !self.lacks(Rule::Rights) {
            return false;
        }
        let ended = self
            .world_holder(parent)
            .is_some_and(|holder| !self.may_hold(holder));
        if ended && cut != base && !self.lacks(Rule::ExHolderEnds) {
            return false;
        }
        match (self.lacks(Rule::Available), self.lacks(Rule::CutContainsSettled)) {
            (true, _) => cut.len > base.len || cut == base,
            (_, true) => self.holds_cut(parent, cut),
            _ => self.leads_through(parent, cut, base),
        }
    }

    fn preference(&self, child: &Verified<Term>) -> (bool, usize, TermId) {
        let claim = child.cause == Cause::Claim;
        let rank = if claim && !self.lacks(Rule::RankDecides) {
            self.rank(self.world.device(child.signer))
        } else {
            0
        };
        (claim && !self.lacks(Rule::WordBeforeClaim), rank, child.id())
    }

    /// As many changes as there is only one of each number.
    fn unbranched(&self, term: TermId, most: u64) -> Cut {
        let mut end = self.start(term);
        while end.len < most {
            let mut after = self
                .changes
                .iter()
                .filter(|(of, after, _)| *of == term && after.len == end.len);
            let (Some((_, _, head)), None) = (after.next(), after.next()) else {
                break;
            };
            end = next(end, *head);
        }
        end
    }

    /// The longest seal; where held ones part, the last change in common.
    fn sealed(&self, term: TermId, base: Cut) -> Cut {
        let mut seals = self.longest_seals(term);
        seals.retain(|seal| self.leads_through(term, *seal, base));
        if self.lacks(Rule::LastCommon) {
            return seals.first().copied().unwrap_or(base);
        }
        let ways: Vec<Vec<ChangeHash>> = seals.iter().filter_map(|seal| self.way(term, *seal)).collect();
        let Some(first) = ways.first() else { return base };
        let common = (0..first.len())
            .take_while(|at| ways.iter().all(|way| way.get(*at) == first.get(*at)))
            .count();
        match common.checked_sub(1) {
            None => self.start(term),
            Some(last) => Cut {
                len: common as u64,
                head: first[last],
            },
        }
    }

    /// Two seals that cannot both be honest.
    pub(crate) fn cheated(&self, term: TermId) -> bool {
        let seals = self.longest_seals(term);
        seals.iter().any(|a| {
            seals
                .iter()
                .any(|b| a != b && (a.len == b.len || (b.len > a.len && self.holds_cut(term, *b))))
        })
    }
}
