//! What counts: the choice at each divergence, from term 0 to the tip.
//!
//! The path is kept and mended from the first place that a new record or change can touch, so that appending costs
//! the same in a long chain as in a short one. It is a function of the set of records and changes held: a mended path
//! equals a fresh one.

use std::collections::BTreeMap;

use super::chain::{Node, Records};
use super::record::{Cause, Cut, Point, Term};
use super::signed::Verified;
use crate::id::{ChangeHash, TermId};
use cuecard_transport::DeviceId;

/// Whether something can still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// The owner settled it: only a newer charter undoes it.
    Settled,
    /// A record that is still on its way may undo it. The work is never lost.
    Provisional,
}

/// One term of the canonical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Step {
    /// The term.
    pub term: TermId,
    /// It counts up to here.
    pub upto: Cut,
    /// Whether that can still change.
    pub standing: Standing,
}

/// The canonical chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Canonical {
    /// From term 0 to the tip; never empty.
    pub path: Vec<Step>,
    /// The last term.
    pub tip: TermId,
    /// How many of the tip's changes count.
    pub len: u64,
    /// The canonical head: the last of them, or where the tip starts.
    pub head: ChangeHash,
    /// Who may append now. Nobody after a release, while something settled is missing, when the holder lost the
    /// right, or when it sealed two different lines.
    pub editor: Option<DeviceId>,
    /// Whether the tip can still change.
    pub standing: Standing,
}

/// Something that the choice waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Missing {
    /// A term that the newest charter settles, with what lies between.
    Term(TermId),
    /// Changes of a term, up to a cut or seal.
    Changes {
        /// Whose changes.
        term: TermId,
        /// Up to where.
        upto: Cut,
    },
}

/// The canonical path and what is needed to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub(super) canonical: Canonical,
    position: BTreeMap<TermId, usize>,
    settled: Point,
    /// From each ancestor of the settled term to the next one on the way to it.
    forced: BTreeMap<TermId, TermId>,
}

enum Next {
    Child(TermId),
    End { upto: Cut, blocked: bool },
}

/// Which of two siblings is chosen: the smaller. The rules in their order; the first, what is settled, comes before.
type Preference = (bool, (bool, u16), TermId);

impl View {
    pub(super) fn new(records: &Records) -> Self {
        let settled = records.settled();
        let mut view = Self {
            canonical: Canonical {
                path: Vec::new(),
                tip: settled.term,
                len: settled.len,
                head: settled.head,
                editor: None,
                standing: Standing::Settled,
            },
            position: BTreeMap::new(),
            settled,
            forced: BTreeMap::new(),
        };
        view.rebuild(records);
        view
    }

    /// After a new charter, or a term that a charter settles: membership and the settled path may both be different.
    pub(super) fn rebuild(&mut self, records: &Records) {
        self.settled = records.settled();
        self.forced.clear();
        let mut child = self.settled.term;
        while let Some(parent) = records.terms.get(&child).and_then(Node::parent) {
            self.forced.insert(parent, child);
            child = parent;
        }
        self.canonical.path.clear();
        self.position.clear();
        self.push(records, child);
        self.extend(records, 0);
    }

    /// After a new term. Only its parent's choice can be different.
    pub(super) fn term_added(&mut self, records: &Records, term: TermId, parent: TermId) {
        let Some(&at) = self.position.get(&parent) else {
            return;
        };
        if self.forced.contains_key(&parent) {
            return;
        }
        let (Some(node), Some(child)) = (records.terms.get(&parent), records.terms.get(&term)) else {
            return;
        };
        // Looking at the new child alone keeps a flood of siblings linear.
        let chosen = self.canonical.path.get(at + 1).map(|step| step.term);
        let chosen = chosen.and_then(|chosen| preference(records, chosen));
        let better = chosen.is_none_or(|chosen| preference(records, term).is_some_and(|new| new < chosen));
        if better && self.may_follow(records, parent, node, child) && node.held.contains(child.cut()) {
            self.extend(records, at);
        }
    }

    /// After new changes or a new seal of a term. Only its own end, or the choice after it, can be different.
    pub(super) fn term_grew(&mut self, records: &Records, term: TermId) {
        if let Some(&at) = self.position.get(&term) {
            self.extend(records, at);
        }
    }

    pub(super) fn waiting_for(&self, records: &Records) -> Vec<Missing> {
        let mut missing = Vec::new();
        let newest = records.charters.newest().settled.term;
        if !records.terms.contains_key(&newest) {
            missing.push(Missing::Term(newest));
        }
        for (at, step) in self.canonical.path.iter().enumerate() {
            let Some(node) = records.terms.get(&step.term) else {
                continue;
            };
            let mut want = |upto: Cut| {
                let changes = Missing::Changes {
                    term: step.term,
                    upto,
                };
                if !node.held.contains(upto) && !missing.contains(&changes) {
                    missing.push(changes);
                }
            };
            let chosen = self.canonical.path.get(at + 1).map(|step| step.term);
            if let Some(&forced) = self.forced.get(&step.term) {
                if let Some(child) = records.terms.get(&forced) {
                    want(child.cut());
                }
                continue;
            }
            if step.term == self.settled.term {
                want(self.settled.cut());
            }
            let chosen_preference = chosen.and_then(|chosen| preference(records, chosen));
            for &child in &node.children {
                let better = chosen_preference
                    .is_none_or(|chosen| preference(records, child).is_some_and(|child| child < chosen));
                let child = records.terms.get(&child).filter(|_| better);
                let Some(child) = child.and_then(|child| child.term.as_ref()) else {
                    continue;
                };
                if self.may_follow_when_held(records, step.term, node, child) {
                    want(child.cut);
                }
            }
            if chosen.is_none() {
                node.seals.iter().for_each(|seal| want(seal.cut()));
            }
        }
        missing
    }

    /// Whether a term comes before what follows its parent now, where that can still be another: it is valid, and what
    /// follows is not settled.
    pub(super) fn would_be_chosen(&self, records: &Records, term: &Verified<Term>) -> bool {
        let (Some(&at), Some(node)) = (self.position.get(&term.parent), records.terms.get(&term.parent))
        else {
            return false;
        };
        if self.forced.contains_key(&term.parent)
            || !self.may_follow_when_held(records, term.parent, node, term)
        {
            return false;
        }
        let chosen = self.canonical.path.get(at + 1).map(|step| step.term);
        let chosen = chosen.and_then(|chosen| preference(records, chosen));
        chosen.is_none_or(|chosen| preference_of(records, term, term.id()) < chosen)
    }

    pub(super) fn position(&self, term: TermId) -> Option<usize> {
        self.position.get(&term).copied()
    }

    /// Chooses again from the step with this position, and goes on while the choice leads somewhere new.
    fn extend(&mut self, records: &Records, from: usize) {
        let mut at = from;
        while let Some(step) = self.canonical.path.get(at).copied() {
            let Some(node) = records.terms.get(&step.term) else {
                break;
            };
            let next = self.choose(records, step.term, node);
            let now = self.canonical.path.get(at + 1).map(|step| step.term);
            match next {
                Next::Child(child) if now == Some(child) => return,
                Next::Child(child) => {
                    self.truncate(at + 1);
                    let cut = records.terms.get(&child).map(Node::cut);
                    self.set_end(at, cut.unwrap_or(step.upto));
                    self.push(records, child);
                    at += 1;
                }
                Next::End { upto, blocked } => {
                    self.truncate(at + 1);
                    self.set_end(at, upto);
                    self.set_tip(records, step.term, node, upto, blocked);
                    return;
                }
            }
        }
    }

    fn choose(&self, records: &Records, term: TermId, node: &Node) -> Next {
        if let Some(&forced) = self.forced.get(&term) {
            let cut = records.terms.get(&forced).map(Node::cut);
            return match cut {
                Some(cut) if node.held.contains(cut) => Next::Child(forced),
                // No sibling steps in on the way to what is settled: the chain stops at what is missing.
                cut => Next::End {
                    upto: node.held.trunk_to(cut.map_or(0, |cut| cut.len)),
                    blocked: true,
                },
            };
        }
        let base = self.base(term, node);
        if !node.held.contains(base) {
            return Next::End {
                upto: node.held.trunk_to(base.len),
                blocked: true,
            };
        }
        let chosen = node
            .children
            .iter()
            .filter_map(|id| Some((preference(records, *id)?, records.terms.get(id)?)))
            .filter(|(_, child)| {
                self.may_follow(records, term, node, child) && node.held.contains(child.cut())
            })
            .min_by_key(|(preference, _)| *preference);
        if let Some(((_, _, child), _)) = chosen {
            return Next::Child(child);
        }
        let may_hold = node
            .holder
            .is_some_and(|holder| records.charters.may_hold(holder));
        let upto = if may_hold {
            node.seals.end(&node.held, base)
        } else {
            base
        };
        Next::End { upto, blocked: false }
    }

    /// Valid beyond doubt: by signer, cause and rights, and its cut is held and contains what is settled.
    fn may_follow(&self, records: &Records, parent: TermId, node: &Node, child: &Node) -> bool {
        child
            .term
            .as_ref()
            .is_some_and(|term| self.may_follow_when_held(records, parent, node, term))
            && node.held.passes(child.cut(), self.base(parent, node))
    }

    /// Valid as far as can be told without the changes of its cut.
    fn may_follow_when_held(&self, records: &Records, parent: TermId, node: &Node, term: &Term) -> bool {
        let charters = &records.charters;
        if !charters.may_hold(term.signer) || !term.holder.is_none_or(|holder| charters.may_hold(holder)) {
            return false;
        }
        let base = self.base(parent, node);
        // A holder without the right: its term counts only as far as it is settled. After a release nobody holds, and
        // there is nothing to count.
        if node.holder.is_some_and(|holder| !charters.may_hold(holder)) {
            return term.cut == base;
        }
        term.cut.len > base.len || term.cut == base
    }

    /// What of this term stands regardless: up to where it is settled, or its start.
    fn base(&self, term: TermId, node: &Node) -> Cut {
        if term == self.settled.term {
            self.settled.cut()
        } else {
            Cut {
                len: 0,
                head: node.held.start,
            }
        }
    }

    fn push(&mut self, records: &Records, term: TermId) {
        let settled = term == self.settled.term || self.forced.contains_key(&term);
        let standing = if settled {
            Standing::Settled
        } else {
            Standing::Provisional
        };
        let head = records
            .terms
            .get(&term)
            .map_or(self.settled.head, |node| node.held.start);
        self.position.insert(term, self.canonical.path.len());
        self.canonical.path.push(Step {
            term,
            upto: Cut { len: 0, head },
            standing,
        });
    }

    fn truncate(&mut self, len: usize) {
        for step in self.canonical.path.drain(len.min(self.canonical.path.len())..) {
            self.position.remove(&step.term);
        }
    }

    fn set_end(&mut self, at: usize, upto: Cut) {
        if let Some(step) = self.canonical.path.get_mut(at) {
            step.upto = upto;
        }
    }

    fn set_tip(&mut self, records: &Records, term: TermId, node: &Node, upto: Cut, blocked: bool) {
        let settled_is_held = records
            .terms
            .contains_key(&records.charters.newest().settled.term);
        let editor = node
            .holder
            .filter(|holder| !blocked && settled_is_held && records.charters.may_hold(*holder))
            .filter(|_| node.seals.proof(&node.held).is_none());
        let standing = self
            .canonical
            .path
            .last()
            .map_or(Standing::Provisional, |step| step.standing);
        self.canonical.tip = term;
        self.canonical.len = upto.len;
        self.canonical.head = upto.head;
        self.canonical.editor = editor;
        self.canonical.standing = standing;
    }
}

fn preference(records: &Records, id: TermId) -> Option<Preference> {
    let term = records.terms.get(&id)?.term.as_ref()?;
    Some(preference_of(records, term, id))
}

fn preference_of(records: &Records, term: &Term, id: TermId) -> Preference {
    match term.cause {
        // Rank orders claims only; between two words of the parent's holder the id decides.
        Cause::Handover | Cause::Release => (false, (false, 0), id),
        Cause::Claim => (true, records.charters.rank(term.signer), id),
    }
}
