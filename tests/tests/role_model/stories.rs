//! The counterexamples that shaped the scheme, kept as stories. Every set of records is built in every order.

use std::sync::Arc;

use cuecard::id::TermId;
use cuecard::role::{Cause, Cut, Missing, Point};

use crate::faults::Faults;
use crate::lab::{Knowledge, Lab, Set};
use crate::world::{Device, ItemId, Says, World};

/// Device 0 owns the deck; 1, 2 and 3 may hold it.
struct Teller {
    lab: Lab,
}

impl Teller {
    fn new() -> Self {
        let world = World::new(4, 0);
        let teller = Self {
            lab: Lab::new(world, Set::default(), None),
        };
        let first = teller.charter(1, &[1, 2, 3], (teller.zero(), teller.beginning()));
        let Self { mut lab } = teller;
        lab.base = Set(vec![first]);
        Self { lab }
    }

    fn zero(&self) -> TermId {
        self.lab.world.zero()
    }

    fn beginning(&self) -> Cut {
        self.lab.world.beginning()
    }

    fn charter(&self, count: u32, members: &[Device], settled: (TermId, Cut)) -> ItemId {
        self.charter_by(0, (0, count), 0, members, settled)
    }

    fn charter_by(
        &self,
        signer: Device,
        age: (u32, u32),
        owner: Device,
        members: &[Device],
        (term, Cut { len, head }): (TermId, Cut),
    ) -> ItemId {
        self.lab.world.sign(Says::Charter {
            age,
            signer,
            owner,
            members: members.to_vec(),
            settled: Point { term, len, head },
            under: None,
        })
    }

    /// A handover, to oneself perhaps.
    fn handover(&self, signer: Device, (parent, cut): (TermId, Cut), to: Device) -> (ItemId, TermId) {
        self.term(signer, (parent, cut), Cause::Handover, to, 0)
    }

    fn claim(&self, signer: Device, (parent, cut): (TermId, Cut)) -> (ItemId, TermId) {
        self.term(signer, (parent, cut), Cause::Claim, signer, 0)
    }

    fn term(
        &self,
        signer: Device,
        (parent, cut): (TermId, Cut),
        cause: Cause,
        holder: Device,
        nonce: u8,
    ) -> (ItemId, TermId) {
        let item = self.lab.world.sign(Says::Term {
            signer,
            parent,
            cause,
            cut,
            holder: Some(holder),
            nonce,
        });
        (item, self.lab.world.item(item).term().unwrap().id())
    }

    /// A sealed change of the term's holder.
    fn edit(&self, term: TermId, after: Cut) -> (ItemId, Cut) {
        let item = self.lab.world.sign(Says::Change {
            term,
            after,
            variant: 0,
            merges: None,
            sealed: true,
        });
        (item, self.lab.world.item(item).end().unwrap().1)
    }

    /// What a device makes of these records; no property may be broken in any part of them.
    fn heard(&self, items: &[ItemId]) -> Arc<Knowledge> {
        let knowledge = self.lab.know(&self.lab.base.clone().with(items));
        assert_eq!(knowledge.faults, Faults::NONE);
        assert!(!self.lab.is_stuck(&knowledge));
        knowledge
    }
}

/// Where a term starts.
const fn start(cut: Cut) -> Cut {
    Cut {
        len: 0,
        head: cut.head,
    }
}

#[test]
fn a_withheld_handover_comes_back_after_a_revocation_and_changes_nothing() {
    let teller = Teller::new();
    let begin = teller.beginning();
    let (given, term) = teller.handover(0, (teller.zero(), begin), 1);
    let (withheld, _) = teller.handover(1, (term, begin), 2);
    let (claim, taken) = teller.claim(0, (term, begin));
    // Without the charter the withheld word would win.
    let before = teller.heard(&[given, withheld, claim]);
    assert_eq!(before.answer.editor, Some(2));
    let charter = teller.charter(2, &[2, 3], (taken, begin));
    let after = teller.heard(&[given, withheld, claim, charter]);
    assert_eq!((after.answer.tip().0, after.answer.editor), (taken, Some(0)));
}

#[test]
fn an_owner_back_after_a_year_meets_one_stale_device_and_decides_nothing_by_meeting_it() {
    let teller = Teller::new();
    let begin = teller.beginning();
    let (to_one, first) = teller.handover(0, (teller.zero(), begin), 1);
    let (to_two, second) = teller.handover(1, (first, begin), 2);
    let (edit, end) = teller.edit(second, begin);
    // The stale device knows of the first handover only; the owner hears it, then the others.
    assert_eq!(teller.heard(&[to_one]).answer.editor, Some(1));
    let all = teller.heard(&[to_one, to_two, edit]);
    assert_eq!((all.answer.tip(), all.answer.editor), ((second, end), Some(2)));
    // Even an owner who takes over on what the stale device said loses nobody's work.
    let (claim, taken) = teller.claim(0, (first, begin));
    let charter = teller.charter(2, &[1, 2, 3], (taken, begin));
    let hasty = teller.heard(&[to_one, to_two, edit, claim, charter]);
    assert_eq!(hasty.answer.editor, Some(0));
    let late: Vec<(TermId, u64)> = hasty.late.iter().map(|late| (late.term, late.len)).collect();
    assert_eq!(late, vec![(second, 1)]);
    assert!(!hasty.late[0].after_leaving);
}

#[test]
fn a_handover_whose_changes_nobody_holds_waits_and_the_deck_goes_on() {
    let teller = Teller::new();
    let zero = teller.zero();
    let (first, kept) = teller.edit(zero, teller.beginning());
    let (second, lost) = teller.edit(zero, kept);
    let (given, term) = teller.handover(0, (zero, lost), 1);
    let waits = teller.heard(&[first, given]);
    assert_eq!((waits.answer.tip(), waits.answer.editor), ((zero, kept), Some(0)));
    let missing = Missing::Changes {
        term: zero,
        upto: lost,
    };
    assert_eq!(waits.chain.waiting_for(), vec![missing]);
    let (claim, claimed) = teller.claim(1, (zero, kept));
    let (edit, end) = teller.edit(claimed, start(kept));
    let goes_on = teller.heard(&[first, given, claim, edit]);
    assert_eq!(
        (goes_on.answer.tip(), goes_on.answer.editor),
        ((claimed, end), Some(1))
    );
    // It turns up after all: the holder's word counts again, and the work done meanwhile is late.
    let found = teller.heard(&[first, second, given, claim, edit]);
    assert_eq!((found.answer.tip().0, found.answer.editor), (term, Some(1)));
    let late: Vec<(TermId, u64)> = found.late.iter().map(|late| (late.term, late.len)).collect();
    assert_eq!(late, vec![(claimed, 1)]);
}

#[test]
fn a_former_holder_goes_on_sealing_its_term_and_only_makes_late_work_that_asks() {
    let teller = Teller::new();
    let zero = teller.zero();
    let (first, cut) = teller.edit(zero, teller.beginning());
    let (given, term) = teller.handover(0, (zero, cut), 1);
    let (second, after) = teller.edit(zero, cut);
    let (third, _) = teller.edit(zero, after);
    let heard = teller.heard(&[first, given, second, third]);
    assert_eq!(
        (heard.answer.tip(), heard.answer.editor),
        ((term, start(cut)), Some(1))
    );
    let [late] = heard.late.as_slice() else {
        panic!("one piece of late work, not {:?}", heard.late);
    };
    assert_eq!((late.from, late.len, late.after_leaving), (2, 3, true));
}

#[test]
fn an_old_sibling_signed_years_later_undoes_nothing_that_is_settled_and_loses_nothing_that_is_not() {
    let teller = Teller::new();
    let begin = teller.beginning();
    let (to_one, first) = teller.handover(0, (teller.zero(), begin), 1);
    let (to_two, second) = teller.handover(1, (first, begin), 2);
    let (edit, end) = teller.edit(second, begin);
    let charter = teller.charter(2, &[1, 2, 3], (second, end));
    let mut won = 0;
    for nonce in 1..=20 {
        let (old, sibling) = teller.term(1, (first, begin), Cause::Handover, 3, nonce);
        let settled = teller.heard(&[to_one, to_two, edit, charter, old]);
        assert_eq!(
            (settled.answer.tip(), settled.answer.editor),
            ((second, end), Some(2))
        );
        let provisional = teller.heard(&[to_one, to_two, edit, old]);
        if provisional.answer.tip().0 == sibling {
            won += 1;
            assert_eq!(provisional.late[0].term, second);
        }
    }
    assert!(
        (1..20).contains(&won),
        "between equals the id decides: {won} of 20"
    );
}

#[test]
fn a_removed_member_claims_and_is_not_heard() {
    let teller = Teller::new();
    let begin = teller.beginning();
    let charter = teller.charter(2, &[2, 3], (teller.zero(), begin));
    let (claim, claimed) = teller.claim(1, (teller.zero(), begin));
    let (edit, _) = teller.edit(claimed, begin);
    let before = teller.heard(&[claim, edit]);
    assert_eq!(
        before.answer.editor,
        Some(1),
        "provisional, until the charter comes"
    );
    let after = teller.heard(&[claim, edit, charter]);
    assert_eq!(
        (after.answer.tip().0, after.answer.editor),
        (teller.zero(), Some(0))
    );
    assert_eq!(after.late.len(), 1, "what it wrote is kept, and asks");
}

#[test]
fn an_owner_of_earlier_signs_on_and_rules_nothing() {
    let teller = Teller::new();
    let (zero, begin) = (teller.zero(), teller.beginning());
    let transfer = teller.charter_by(0, (1, 0), 1, &[2, 3], (zero, begin));
    let (claim, claimed) = teller.claim(1, (zero, begin));
    let back = teller.charter(99, &[0], (zero, begin));
    let (reclaim, _) = teller.claim(0, (zero, begin));
    let (again, _) = teller.handover(0, (zero, begin), 0);
    let heard = teller.heard(&[transfer, claim, back, reclaim, again]);
    assert_eq!((heard.answer.tip().0, heard.answer.editor), (claimed, Some(1)));
    assert!(heard.chain.is_owner(teller.lab.world.id(1)));
}
