//! What counts, told as stories: one rule, one attack or one mishap each.

use super::*;

fn tip(chain: &Chain) -> (TermId, u64, Option<DeviceId>) {
    let canonical = chain.canonical();
    (canonical.tip, canonical.len, canonical.editor)
}

/// Owner 0 and the members 1, 2, 3 who may hold; term 0 has three sealed changes.
fn begun(deck: &Deck) -> Chain {
    let mut chain = deck.chain();
    chain
        .add_charter(deck.charter(0, (0, 1), &[1, 2, 3], (deck.zero(), deck.start())))
        .unwrap();
    chain.hold(deck.zero(), deck.start(), &changes(1..=3)).unwrap();
    chain.add_seal(deck.seal(0, deck.zero(), at(3, 3))).unwrap();
    chain
}

#[test]
fn a_new_deck_is_held_by_its_owner_and_settled() {
    let deck = Deck::new();
    let chain = deck.chain();
    assert_eq!(tip(&chain), (deck.zero(), 0, Some(deck.device(0))));
    assert_eq!(chain.canonical().head, deck.start);
    assert_eq!(chain.canonical().standing, Standing::Settled);
    assert!(chain.is_owner(deck.device(0)));
    assert_eq!(chain.rights(deck.device(0)), Some(Rights::Hold));
    assert_eq!(chain.rights(deck.device(1)), None);
}

#[test]
fn the_tip_counts_only_as_far_as_a_seal_covers_it() {
    let deck = Deck::new();
    let mut chain = deck.chain();
    chain.hold(deck.zero(), deck.start(), &changes(1..=3)).unwrap();
    assert_eq!(chain.canonical().len, 0);
    chain.add_seal(deck.seal(0, deck.zero(), at(2, 2))).unwrap();
    assert_eq!(chain.canonical().len, 2);
    // A seal over changes that are not held says nothing yet.
    chain.add_seal(deck.seal(0, deck.zero(), at(4, 4))).unwrap();
    assert_eq!(chain.canonical().len, 2);
    assert_eq!(
        chain.waiting_for(),
        vec![Missing::Changes {
            term: deck.zero(),
            upto: at(4, 4)
        }]
    );
    chain.hold(deck.zero(), at(3, 3), &changes(4..=4)).unwrap();
    assert_eq!((chain.canonical().len, chain.canonical().head), (4, change(4)));
    assert!(chain.waiting_for().is_empty());
    assert_eq!(chain.seal(deck.zero()).map(|seal| seal.len), Some(4));
}

#[test]
fn a_handover_moves_the_role_and_cuts_the_term_before() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let second = deck.handover(0, deck.zero(), at(3, 3), 1, 0);
    chain.add_term(second.clone()).unwrap();
    assert_eq!(tip(&chain), (second.id(), 0, Some(deck.device(1))));
    assert_eq!(chain.canonical().head, change(3));
    assert_eq!(chain.canonical().standing, Standing::Provisional);
    assert_eq!(chain.path_from(deck.zero()).len(), 2);
}

#[test]
fn what_the_holder_seals_after_its_handover_is_late_and_never_canonical() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let second = deck.handover(0, deck.zero(), at(3, 3), 1, 0);
    chain.add_term(second.clone()).unwrap();
    chain.hold(deck.zero(), at(3, 3), &changes(4..=5)).unwrap();
    chain.add_seal(deck.seal(0, deck.zero(), at(5, 5))).unwrap();
    assert_eq!(tip(&chain), (second.id(), 0, Some(deck.device(1))));
    assert_eq!(chain.canonical().path[0].upto, at(3, 3));
    let late = chain.late_work();
    assert_eq!(late.len(), 1);
    assert_eq!(
        (late[0].term, late[0].from, late[0].len, late[0].head),
        (deck.zero(), 4, 5, change(5))
    );
    assert_eq!(late[0].author, deck.device(0));
    assert!(late[0].after_leaving);
}

#[test]
fn what_a_claim_had_not_seen_is_late_work_of_an_author_who_had_not_left() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    chain.add_term(deck.claim(1, deck.zero(), at(2, 2), 0)).unwrap();
    let late = chain.late_work();
    assert_eq!((late[0].from, late[0].len, late[0].after_leaving), (3, 3, false));
}

#[test]
fn the_chain_waits_for_the_changes_of_a_cut_and_then_moves() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let second = deck.handover(0, deck.zero(), at(5, 5), 1, 0);
    chain.add_term(second.clone()).unwrap();
    assert_eq!(tip(&chain), (deck.zero(), 3, Some(deck.device(0))));
    assert_eq!(
        chain.waiting_for(),
        vec![Missing::Changes {
            term: deck.zero(),
            upto: at(5, 5)
        }]
    );
    chain.hold(deck.zero(), at(3, 3), &changes(4..=4)).unwrap();
    assert_eq!(chain.canonical().tip, deck.zero());
    chain.hold(deck.zero(), at(4, 4), &changes(5..=5)).unwrap();
    assert_eq!(tip(&chain), (second.id(), 0, Some(deck.device(1))));
    assert!(chain.waiting_for().is_empty());
}

#[test]
fn a_chain_of_terms_moves_at_once_when_the_first_gap_closes() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let second = deck.handover(0, deck.zero(), at(4, 4), 1, 0);
    let third = deck.handover(1, second.id(), at(1, 10), 2, 0);
    let fourth = deck.handover(
        2,
        third.id(),
        Cut {
            len: 0,
            head: change(10),
        },
        3,
        0,
    );
    for term in [&second, &third, &fourth] {
        chain.add_term(term.clone()).unwrap();
    }
    chain.hold(second.id(), at(0, 4), &changes(10..=10)).unwrap();
    assert_eq!(chain.canonical().tip, deck.zero());
    assert!(
        chain.late_work().is_empty(),
        "held, but what it depends on is not"
    );
    chain.hold(deck.zero(), at(3, 3), &changes(4..=4)).unwrap();
    assert_eq!(tip(&chain), (fourth.id(), 0, Some(deck.device(3))));
}

#[test]
fn a_release_leaves_nobody_and_a_claim_ends_that() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let released = deck.release(0, deck.zero(), at(3, 3));
    chain.add_term(released.clone()).unwrap();
    assert_eq!(tip(&chain), (released.id(), 0, None));
    assert_eq!(
        chain.hold(released.id(), at(0, 3), &changes(9..=9)),
        Err(Refusal::NobodyHolds)
    );
    let claim = deck.claim(2, released.id(), at(0, 3), 0);
    chain.add_term(claim.clone()).unwrap();
    assert_eq!(tip(&chain), (claim.id(), 0, Some(deck.device(2))));
}

#[test]
fn a_word_of_the_holder_beats_every_claim_also_when_it_comes_later() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let claim = deck.claim(1, deck.zero(), at(3, 3), 0);
    chain.add_term(claim.clone()).unwrap();
    assert_eq!(chain.canonical().tip, claim.id());
    let handover = deck.handover(0, deck.zero(), at(2, 2), 3, 0);
    chain.add_term(handover.clone()).unwrap();
    assert_eq!(tip(&chain), (handover.id(), 0, Some(deck.device(3))));
    // Never by length.
    chain.hold(claim.id(), at(0, 3), &changes(20..=29)).unwrap();
    chain.add_seal(deck.seal(1, claim.id(), at(10, 29))).unwrap();
    assert_eq!(chain.canonical().tip, handover.id());
    let late: Vec<(TermId, u64, u64)> = chain
        .late_work()
        .iter()
        .map(|l| (l.term, l.from, l.len))
        .collect();
    assert!(
        late.contains(&(claim.id(), 1, 10)) && late.contains(&(deck.zero(), 3, 3)),
        "{late:?}"
    );
}

#[test]
fn among_claims_rank_decides_and_the_owner_comes_first() {
    let deck = Deck::new();
    for order in [[3, 2, 1, 0], [0, 1, 2, 3], [2, 0, 3, 1]] {
        let mut chain = begun(&deck);
        for claimer in order {
            chain
                .add_term(deck.claim(claimer, deck.zero(), at(3, 3), 0))
                .unwrap();
        }
        assert_eq!(chain.canonical().editor, Some(deck.device(0)));
    }
    let mut chain = begun(&deck);
    chain.add_term(deck.claim(3, deck.zero(), at(3, 3), 0)).unwrap();
    chain.add_term(deck.claim(2, deck.zero(), at(3, 3), 0)).unwrap();
    assert_eq!(chain.canonical().editor, Some(deck.device(2)));
}

#[test]
fn between_two_words_of_one_holder_the_smaller_id_decides() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let terms: Vec<Verified<Term>> = (0..6)
        .map(|nonce| deck.handover(0, deck.zero(), at(3, 3), 1, nonce))
        .collect();
    for term in &terms {
        chain.add_term(term.clone()).unwrap();
    }
    assert_eq!(Some(chain.canonical().tip), terms.iter().map(Verified::id).min());
}

#[test]
fn a_term_that_grants_itself_the_role_is_refused() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let stolen = deck.handover(3, deck.zero(), at(3, 3), 3, 0);
    assert_eq!(chain.add_term(stolen), Err(Refusal::NotTheHolder));
    let released = deck.release(2, deck.zero(), at(3, 3));
    assert_eq!(chain.add_term(released), Err(Refusal::NotTheHolder));
    assert_eq!(tip(&chain), (deck.zero(), 3, Some(deck.device(0))));
}

#[test]
fn a_device_without_the_right_neither_claims_nor_receives() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    chain.add_term(deck.claim(4, deck.zero(), at(3, 3), 0)).unwrap();
    chain
        .add_term(deck.handover(0, deck.zero(), at(3, 3), 4, 0))
        .unwrap();
    assert_eq!(tip(&chain), (deck.zero(), 3, Some(deck.device(0))));
}

#[test]
fn a_member_who_only_drafts_does_not_hold() {
    let deck = Deck::new();
    let mut chain = deck.chain();
    let mut charter = (*deck.charter(0, (0, 1), &[1], (deck.zero(), deck.start()))).clone();
    charter.members[0].rights = Rights::Draft;
    chain.add_charter(charter.sign(&deck.keys[0]).unwrap()).unwrap();
    assert_eq!(chain.rights(deck.device(1)), Some(Rights::Draft));
    chain
        .add_term(deck.claim(1, deck.zero(), deck.start(), 0))
        .unwrap();
    assert_eq!(chain.canonical().tip, deck.zero());
}

#[test]
fn a_removed_member_loses_what_is_not_settled_and_keeps_what_is() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let second = deck.handover(0, deck.zero(), at(3, 3), 1, 0);
    chain.add_term(second.clone()).unwrap();
    chain.hold(second.id(), at(0, 3), &changes(10..=14)).unwrap();
    chain.add_seal(deck.seal(1, second.id(), at(5, 14))).unwrap();
    assert_eq!(chain.canonical().len, 5);
    // Removed, and its term settled up to its second change.
    chain
        .add_charter(deck.charter(0, (0, 2), &[2], (second.id(), at(2, 11))))
        .unwrap();
    assert_eq!(tip(&chain), (second.id(), 2, None));
    assert_eq!(chain.late_work()[0].from, 3);
    // A claim has to begin exactly there.
    chain.add_term(deck.claim(2, second.id(), at(5, 14), 0)).unwrap();
    assert_eq!(chain.canonical().tip, second.id());
    let claim = deck.claim(2, second.id(), at(2, 11), 0);
    chain.add_term(claim.clone()).unwrap();
    assert_eq!(tip(&chain), (claim.id(), 0, Some(deck.device(2))));
    // Removed with nothing of it settled: the whole term goes.
    chain
        .add_charter(deck.charter(0, (0, 3), &[2], (deck.zero(), at(3, 3))))
        .unwrap();
    assert_eq!(tip(&chain), (deck.zero(), 3, Some(deck.device(0))));
}

#[test]
fn only_the_owner_signs_charters() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let forged = deck.charter(1, (0, 2), &[1], (deck.zero(), deck.start()));
    assert_eq!(chain.add_charter(forged), Err(Refusal::NotTheOwner));
    let other_owner = deck.charter_signed_by(1, 0, (0, 2), &[], (deck.zero(), deck.start()));
    assert_eq!(other_owner.err(), Some(Malformed::Field("signer")));
    assert_eq!(chain.charter().count, 1);
}

#[test]
fn the_newest_charter_counts_whatever_comes_first() {
    let deck = Deck::new();
    let older = deck.charter(0, (0, 1), &[1], (deck.zero(), deck.start()));
    let newer = deck.charter(0, (0, 2), &[2], (deck.zero(), deck.start()));
    let (mut one, mut other) = (deck.chain(), deck.chain());
    one.add_charter(older.clone()).unwrap();
    one.add_charter(newer.clone()).unwrap();
    other.add_charter(newer).unwrap();
    assert_eq!(other.add_charter(older), Ok(Added::Known));
    assert_eq!(one, other);
    assert_eq!(
        (one.rights(deck.device(1)), one.rights(deck.device(2))),
        (None, Some(Rights::Hold))
    );
}

#[test]
fn ownership_moves_by_the_old_owners_word_and_the_old_owner_is_out() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let settled = (deck.zero(), at(3, 3));
    let by_new = deck.charter(1, (1, 1), &[2], settled);
    assert_eq!(chain.add_charter(by_new.clone()), Err(Refusal::UnknownOwner));
    let not_his = deck.charter_signed_by(2, 2, (1, 0), &[], settled).unwrap();
    assert_eq!(chain.add_charter(not_his), Err(Refusal::NotTheOwner));
    chain
        .add_charter(deck.charter_signed_by(0, 1, (1, 0), &[2], settled).unwrap())
        .unwrap();
    assert!(chain.is_owner(deck.device(1)));
    assert_eq!(chain.rights(deck.device(0)), None);
    chain.add_charter(by_new).unwrap();
    assert_eq!((chain.charter().generation, chain.charter().count), (1, 1));
    // What the old owner still signs in its generation, however often, is older.
    assert_eq!(
        chain.add_charter(deck.charter(0, (0, 99), &[0], settled)),
        Ok(Added::Known)
    );
    assert_eq!(
        chain.canonical().editor,
        None,
        "the old owner holds the tip, without the right"
    );
    chain.add_term(deck.claim(1, deck.zero(), at(3, 3), 0)).unwrap();
    assert_eq!(chain.canonical().editor, Some(deck.device(1)));
}

#[test]
fn the_owner_takes_over_with_a_claim_that_its_charter_settles() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let second = deck.handover(0, deck.zero(), at(3, 3), 1, 0);
    chain.add_term(second.clone()).unwrap();
    let third = deck.handover(1, second.id(), at(0, 3), 1, 0);
    chain.add_term(third).unwrap();
    let takeover = deck.claim(0, second.id(), at(0, 3), 0);
    chain.add_term(takeover.clone()).unwrap();
    assert_eq!(
        chain.canonical().editor,
        Some(deck.device(1)),
        "a handover beats a claim"
    );
    chain
        .add_charter(deck.charter(0, (0, 2), &[2], (takeover.id(), at(0, 3))))
        .unwrap();
    assert_eq!(tip(&chain), (takeover.id(), 0, Some(deck.device(0))));
    assert!(
        chain
            .canonical()
            .path
            .iter()
            .all(|step| step.standing == Standing::Settled)
    );
}

#[test]
fn nobody_is_editor_until_the_newest_settled_term_arrives_and_no_sibling_steps_in() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let second = deck.handover(0, deck.zero(), at(5, 5), 1, 0);
    let rival = deck.handover(0, deck.zero(), at(3, 3), 2, 0);
    let third = deck.handover(1, second.id(), at(0, 5), 1, 0);
    chain
        .add_charter(deck.charter(0, (0, 2), &[1, 2, 3], (third.id(), at(0, 5))))
        .unwrap();
    assert_eq!(
        tip(&chain),
        (deck.zero(), 3, None),
        "the settled term is not known"
    );
    assert_eq!(chain.waiting_for()[0], Missing::Term(third.id()));
    chain.add_term(rival).unwrap();
    chain.add_term(second).unwrap();
    chain.add_term(third.clone()).unwrap();
    chain.hold(deck.zero(), at(3, 3), &changes(4..=4)).unwrap();
    assert_eq!(
        tip(&chain),
        (deck.zero(), 4, None),
        "it counts as far as it is held, and the rival stays out"
    );
    assert_eq!(
        chain.waiting_for(),
        vec![Missing::Changes {
            term: deck.zero(),
            upto: at(5, 5)
        }]
    );
    chain.hold(deck.zero(), at(4, 4), &changes(5..=5)).unwrap();
    assert_eq!(tip(&chain), (third.id(), 0, Some(deck.device(1))));
    assert_eq!(chain.canonical().standing, Standing::Settled);
}

#[test]
fn a_child_of_the_settled_term_contains_what_is_settled() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    chain
        .add_charter(deck.charter(0, (0, 2), &[1, 2], (deck.zero(), at(2, 2))))
        .unwrap();
    chain
        .add_term(deck.handover(0, deck.zero(), at(1, 1), 1, 0))
        .unwrap();
    assert_eq!(chain.canonical().tip, deck.zero());
    let fits = deck.handover(0, deck.zero(), at(2, 2), 1, 0);
    chain.add_term(fits.clone()).unwrap();
    assert_eq!(chain.canonical().tip, fits.id());
}

#[test]
fn settled_changes_count_without_a_seal() {
    let deck = Deck::new();
    let mut chain = deck.chain();
    chain.hold(deck.zero(), deck.start(), &changes(1..=3)).unwrap();
    chain
        .add_charter(deck.charter(0, (0, 1), &[], (deck.zero(), at(2, 2))))
        .unwrap();
    assert_eq!(chain.canonical().len, 2);
}

#[test]
fn two_seals_that_disagree_prove_a_cheat_and_count_to_the_last_common_change() {
    let deck = Deck::new();
    let zero = deck.zero();
    let mut chain = begun(&deck);
    chain.hold(zero, at(2, 2), &changes(30..=32)).unwrap();
    chain.add_seal(deck.seal(0, zero, at(5, 32))).unwrap();
    let proof = chain.equivocation(zero).unwrap();
    assert_eq!((proof.a.cut(), proof.b.cut()), (at(3, 3), at(5, 32)));
    assert_eq!(tip(&chain), (zero, 2, None));
    assert_eq!(chain.branches(zero).len(), 2);
    let mut late: Vec<(u64, u64)> = chain
        .late_work()
        .iter()
        .map(|late| (late.from, late.len))
        .collect();
    late.sort_unstable();
    assert_eq!(late, vec![(3, 3), (3, 5)]);
    // Any holder may claim at once, and its cut decides; the proof stays.
    let claim = deck.claim(2, zero, at(5, 32), 0);
    chain.add_term(claim.clone()).unwrap();
    assert_eq!(tip(&chain), (claim.id(), 0, Some(deck.device(2))));
    assert_eq!(chain.line(zero).map(|line| line.end()), Some(at(5, 32)));
    assert_eq!(
        chain.line(zero).and_then(|line| line.hash_at(3)),
        Some(change(30))
    );
    assert!(chain.equivocation(zero).is_some());
    // Never below what is settled.
    chain
        .add_charter(deck.charter(0, (0, 2), &[2], (zero, at(3, 3))))
        .unwrap();
    assert_eq!((chain.canonical().tip, chain.canonical().len), (zero, 3));
}

#[test]
fn two_runs_after_a_crash_are_no_cheating() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let lost = deck.handover(0, deck.zero(), at(3, 3), 0, 1);
    let again = deck.handover(0, deck.zero(), at(3, 3), 0, 2);
    chain.add_term(lost.clone()).unwrap();
    chain.add_term(again.clone()).unwrap();
    assert_eq!(chain.canonical().tip, lost.id().min(again.id()));
    assert!(chain.equivocation(deck.zero()).is_none());
    assert_eq!(chain.canonical().editor, Some(deck.device(0)));
}

#[test]
fn what_cannot_be_on_the_line_is_refused() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let wrong_start = deck.handover(0, deck.zero(), at(0, 99), 1, 0);
    assert_eq!(chain.add_term(wrong_start), Err(Refusal::OffTheLine));
    let released = deck.release(0, deck.zero(), at(3, 3));
    chain.add_term(released.clone()).unwrap();
    assert_eq!(
        chain.add_term(deck.claim(1, released.id(), at(1, 9), 0)),
        Err(Refusal::OffTheLine)
    );
    assert_eq!(
        chain.hold(deck.zero(), at(3, 99), &changes(4..=4)),
        Err(Refusal::Gap)
    );
    assert_eq!(
        chain.add_seal(deck.seal(1, deck.zero(), at(3, 3))),
        Err(Refusal::NotTheHolder)
    );
    let unknown = deck.claim(1, deck.zero(), at(3, 3), 0);
    assert_eq!(
        chain.add_term(deck.claim(1, unknown.id(), at(0, 3), 1)),
        Err(Refusal::UnknownParent(unknown.id()))
    );
    assert_eq!(
        chain.add_seal(deck.seal(1, unknown.id(), at(1, 1))),
        Err(Refusal::UnknownTerm(unknown.id()))
    );
}

#[test]
fn a_flood_of_seals_is_bounded_and_ends_when_the_changes_come() {
    let deck = Deck::new();
    let mut chain = deck.chain();
    let mut refused = 0;
    for len in 1..=80 {
        match chain.add_seal(deck.seal(0, deck.zero(), at(len, len))) {
            Ok(_) => {}
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Full("seals in this term"));
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 16);
    chain.hold(deck.zero(), deck.start(), &changes(1..=80)).unwrap();
    assert_eq!(chain.records().count(), 1, "one seal includes the others");
    chain.add_seal(deck.seal(0, deck.zero(), at(80, 80))).unwrap();
    assert_eq!(chain.canonical().len, 80);
}

#[test]
fn records_of_another_deck_are_refused() {
    let deck = Deck::new();
    let mut other = Deck::new();
    other.genesis.nonce = [8; 16];
    let mut chain = deck.chain();
    let settled = (other.zero(), other.start());
    assert_eq!(
        chain.add_charter(other.charter(0, (0, 1), &[], settled)),
        Err(Refusal::OtherDeck)
    );
    assert_eq!(
        chain.add_term(other.release(0, other.zero(), other.start())),
        Err(Refusal::OtherDeck)
    );
    assert_eq!(
        chain.add_seal(other.seal(0, deck.zero(), at(1, 1))),
        Err(Refusal::OtherDeck)
    );
}
