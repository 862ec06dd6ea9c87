//! The properties, as far as they are about what one device makes of what it holds.

use std::ops::BitOr;

use cuecard::id::{DeviceId, TermId};
use cuecard::role::{Cause, Cut, LateWork, Point, Term, Verified};

use crate::plain::{Answer, Facts};
use crate::world::{Device, ItemId, Says, next};

/// Which properties were broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults(u16);

impl Faults {
    pub(crate) const NONE: Self = Self(0);
    /// (a) Equal sets, equal answers; and the second copy of anything is known.
    pub(crate) const ORDER: Self = Self(1);
    /// (b) What a charter settles, and is held, is canonical until a newer one says otherwise.
    pub(crate) const SETTLED: Self = Self(1 << 1);
    /// (c) Every signed change that is held is canonical or late.
    pub(crate) const LOST: Self = Self(1 << 2);
    /// (e) Nothing by a device without `hold` is canonical, unless settled.
    pub(crate) const RIGHTS: Self = Self(1 << 3);
    /// The canonical path is one held line from the beginning to the tip.
    pub(crate) const LINE: Self = Self(1 << 4);
    /// The shipping module says what the plain rules say.
    pub(crate) const PLAIN: Self = Self(1 << 5);
    /// An editor is told that it may edit, edits, and finds the edit canonical.
    pub(crate) const OWN_EDIT: Self = Self(1 << 6);
    /// Nobody is editor while the newest word of the owner is not understood.
    pub(crate) const HASTE: Self = Self(1 << 7);

    /// No claim counts against the holder's word, nor against a better claim.
    pub(crate) const PASSED_OVER: Self = Self(1 << 8);

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Faults {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What is wrong with this answer.
pub(crate) fn of(facts: &Facts<'_>, answer: &Answer) -> Faults {
    let check = |holds: bool, fault: Faults| if holds { Faults::NONE } else { fault };
    check(settled_stands(facts, answer), Faults::SETTLED)
        | check(only_holders_count(facts, answer), Faults::RIGHTS)
        | check(is_one_held_line(facts, answer), Faults::LINE)
        | check(facts.age() == answer.charter, Faults::ORDER)
        | check(!editor_in_haste(facts, answer), Faults::HASTE)
        | check(!somebody_is_passed_over(facts, answer), Faults::PASSED_OVER)
}

fn settled_stands(facts: &Facts<'_>, answer: &Answer) -> bool {
    for (at, (term, cut, is_last)) in settled_path(facts).into_iter().enumerate() {
        if !facts.holds_cut(term, cut) {
            return true;
        }
        let stands = answer.path.get(at).is_some_and(|(of, upto)| {
            *of == term && (*upto == cut || (is_last && facts.leads_through(term, *upto, cut)))
        });
        if !stands {
            return false;
        }
    }
    true
}

/// Up to where each term is settled.
pub(crate) fn settled_path(facts: &Facts<'_>) -> Vec<(TermId, Cut, bool)> {
    let settled = facts.settled();
    let mut path = vec![(settled.term, settled.cut(), true)];
    let mut term = settled.term;
    while let Some(record) = facts.term(term) {
        path.push((record.parent, record.cut, false));
        term = record.parent;
    }
    path.reverse();
    path
}

/// A claim whose sibling is canonical, by the word of the holder before.
pub(crate) fn a_claim_lost(facts: &Facts<'_>, answer: &Answer) -> bool {
    answer.path.iter().any(|(term, _)| {
        facts.term(*term).is_some_and(|record| {
            record.cause == Cause::Handover
                && facts
                    .children(record.parent)
                    .any(|sibling| sibling.cause == Cause::Claim)
        })
    })
}

fn only_holders_count(facts: &Facts<'_>, answer: &Answer) -> bool {
    let settled = facts.settled();
    let Some(from) = answer.path.iter().position(|(term, _)| *term == settled.term) else {
        return true;
    };
    answer
        .path
        .iter()
        .enumerate()
        .skip(from)
        .all(|(at, (term, upto))| {
            let base = if at == from {
                settled.cut()
            } else {
                facts.start(*term)
            };
            let held_rightly = facts
                .world_holder(*term)
                .is_none_or(|holder| facts.may_hold(holder));
            let begun_rightly = at == from
                || facts
                    .term(*term)
                    .is_some_and(|term| facts.may_hold(facts.world.device(term.signer)));
            begun_rightly && (held_rightly || upto.len <= base.len)
        })
}

fn is_one_held_line(facts: &Facts<'_>, answer: &Answer) -> bool {
    let joined = answer.path.windows(2).all(|pair| {
        let next = facts.term(pair[1].0);
        next.is_some_and(|next| next.parent == pair[0].0 && next.cut == pair[0].1)
    });
    let held = answer
        .path
        .iter()
        .all(|(term, upto)| facts.holds_cut(*term, *upto));
    answer.path[0].0 == facts.world.zero() && joined && held
}

fn editor_in_haste(facts: &Facts<'_>, answer: &Answer) -> bool {
    let understood = facts
        .newest_settled()
        .is_none_or(|term| facts.ancestry(term).is_some() && answer.path.iter().any(|(of, _)| *of == term));
    answer.editor.is_some() && !understood
}

fn somebody_is_passed_over(facts: &Facts<'_>, answer: &Answer) -> bool {
    let settled: Vec<TermId> = settled_path(facts).iter().map(|(term, ..)| *term).collect();
    let claims = answer.path.iter().filter_map(|(term, _)| facts.term(*term));
    claims
        .filter(|claim| claim.cause == Cause::Claim && !settled.contains(&claim.id()))
        .any(|claim| {
            let rank = |of: DeviceId| facts.rank(facts.world.device(of));
            let goes_before = |other: &Verified<Term>| {
                other.cause != Cause::Claim || rank(other.signer) < rank(claim.signer)
            };
            facts
                .children(claim.parent)
                .any(|other| goes_before(other) && facts.is_valid(claim.parent, other))
        })
}

/// (c): what is signed, held, and rests on what is held.
pub(crate) fn of_late_work(facts: &Facts<'_>, answer: &Answer, late: &[LateWork]) -> Faults {
    for (term, after, head) in &facts.changes {
        let change = next(*after, *head);
        if !is_reachable(facts, *term) || !is_signed(facts, *term, change) {
            continue;
        }
        let through = |end: Cut| facts.leads_through(*term, end, change);
        let canonical = answer.path.iter().any(|(of, upto)| of == term && through(*upto));
        let is_late = late.iter().any(|late| {
            let end = Cut {
                len: late.len,
                head: late.head,
            };
            late.term == *term && late.from <= change.len && through(end)
        });
        if canonical == is_late {
            return Faults::LOST;
        }
    }
    Faults::NONE
}

fn is_reachable(facts: &Facts<'_>, term: TermId) -> bool {
    facts
        .term(term)
        .is_none_or(|record| facts.holds_cut(record.parent, record.cut) && is_reachable(facts, record.parent))
}

fn is_signed(facts: &Facts<'_>, term: TermId, change: Cut) -> bool {
    let sealed = facts
        .seals
        .iter()
        .filter(|(of, _)| *of == term)
        .map(|(_, cut)| *cut);
    let cuts = facts.children(term).map(|child| child.cut);
    sealed
        .chain(cuts)
        .any(|end| facts.leads_through(term, end, change))
}

pub(crate) fn is_by_a_holder(facts: &Facts<'_>, term: TermId) -> bool {
    facts
        .world_holder(term)
        .is_some_and(|holder| facts.may_hold(holder))
}

/// (d): what the owner can sign, and has to become editor by. A claim alone is enough, unless something settled is
/// missing; with a charter that settles the claim it always is.
pub(crate) fn ways_out(facts: &Facts<'_>, answer: &Answer) -> Vec<(Vec<ItemId>, Device)> {
    let owner = facts.owner();
    let (tip, end) = answer.tip();
    let world = facts.world;
    let claim = world.sign(Says::Term {
        signer: owner,
        parent: tip,
        cause: Cause::Claim,
        cut: end,
        holder: Some(owner),
        nonce: u8::MAX,
    });
    let claimed = world.item(claim).term().map(|term| term.id());
    let (generation, count) = facts.age();
    let charter = world.sign(Says::Charter {
        age: (generation, count + 1),
        signer: owner,
        owner,
        members: facts.members(),
        settled: Point {
            term: claimed.unwrap_or(tip),
            len: 0,
            head: end.head,
        },
        under: None,
    });
    let mut ways = vec![(vec![claim, charter], owner)];
    let blocked = settled_path(facts)
        .iter()
        .any(|(term, cut, _)| !facts.holds_cut(*term, *cut));
    let unknown = facts
        .newest_settled()
        .is_some_and(|term| facts.ancestry(term).is_none());
    if answer.editor != Some(owner) && !blocked && !unknown {
        ways.push((vec![claim], owner));
    }
    ways
}
