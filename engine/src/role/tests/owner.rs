//! What the owner's word does: members, transfers, and what is settled.

use super::*;
use crate::limits::{CHARTERS_OF_FORMER_OWNERS_MAX, TRANSFERS_OF_ONE_OWNER_MAX};

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
fn an_owner_signs_for_its_own_generation_only() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let settled = (deck.zero(), at(3, 3));
    for (signer, owner, generation) in [(0, 1, 1), (1, 2, 2)] {
        let transfer = deck.charter_signed_by(signer, owner, (generation, 0), &[], settled);
        chain.add_charter(transfer.unwrap()).unwrap();
    }
    for (by, generation) in [(2, 1), (1, 2), (0, 1), (2, 3)] {
        let charter = deck.charter(by, (generation, 9), &[], settled);
        assert_eq!(
            chain.add_charter(charter),
            Err(Refusal::UnknownOwner),
            "{by} for {generation}"
        );
    }
    assert_eq!((chain.charter().generation, chain.charter().count), (2, 0));
}

/// An owner that goes mad: what it settles is held by nobody, so none of these charters can be let go of.
#[test]
fn a_flood_of_charters_ends_at_the_limit() {
    let deck = Deck::new();
    let mut chain = deck.chain();
    let nowhere = (TermId::from_bytes([0x99; 32]), deck.start());
    let mut kept = 0;
    let full = loop {
        kept += 1;
        match chain.add_charter(deck.charter(0, (0, kept), &[], nowhere)) {
            Ok(_) => {}
            Err(full) => break full,
        }
    };
    assert_eq!(full, Refusal::Full("charters"));
    assert!(kept as usize <= crate::limits::CHARTERS_MAX + 1, "{kept}");
    assert!(kept as usize >= crate::limits::CHARTERS_MAX / 2, "{kept}");
}

/// Who gave the deck away may go on to sign transfers of that time; its owner of today has to find room all the same.
#[test]
fn transfers_without_end_by_one_who_gave_the_deck_away_leave_room_for_its_owner() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let settled = (deck.zero(), at(3, 3));
    let transfer = |to: usize, hold: &[usize], len: u64| {
        let settled = (deck.zero(), at(len, len));
        deck.charter_signed_by(0, to, (1, 0), hold, settled).unwrap()
    };
    chain.add_charter(transfer(1, &[], 3)).unwrap();
    chain.add_charter(deck.charter(1, (1, 1), &[0], settled)).unwrap();
    let mut kept = 1;
    let full = loop {
        // All different, and the same to this chain: what they settle is older than what counts.
        let (to, len) = (2 + kept % 3, 1 + kept as u64);
        match chain.add_charter(transfer(to, &[], len)) {
            Ok(_) => kept += 1,
            Err(full) => break full,
        }
        assert!(kept <= TRANSFERS_OF_ONE_OWNER_MAX, "{kept}");
    };
    assert_eq!(full, Refusal::Full("transfers by one owner"));
    assert_eq!(kept, TRANSFERS_OF_ONE_OWNER_MAX);
    assert_eq!(
        chain.add_charter(transfer(1, &[], 3)),
        Ok(Added::Known),
        "the one that was meant"
    );
    assert!(chain.is_owner(deck.device(1)));
    let newer = deck.charter(1, (1, 2), &[2], settled);
    assert_eq!(chain.add_charter(newer), Ok(Added::New));
    let next = deck.charter_signed_by(1, 2, (2, 0), &[], settled).unwrap();
    assert_eq!(chain.add_charter(next), Ok(Added::New));
    assert!(chain.is_owner(deck.device(2)));
}

/// The owners that a former owner named beside the true one name others, and so on: a tree that nobody follows.
#[test]
fn owners_that_nobody_follows_do_not_fill_the_deck() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    let settled = (deck.zero(), at(3, 3));
    for (signer, owner, generation) in [(0, 1, 1), (1, 2, 2), (2, 1, 3), (1, 2, 4), (2, 1, 5)] {
        let transfer = deck.charter_signed_by(signer, owner, (generation, 0), &[], settled);
        chain.add_charter(transfer.unwrap()).unwrap();
    }
    let (mut kept, mut full) = (0, None);
    for generation in 1..=4 {
        let signers = if generation == 1 { vec![0] } else { vec![3, 4] };
        for (signer, number) in signers
            .iter()
            .flat_map(|signer| (0..12).map(move |number| (*signer, number)))
        {
            let (owner, label) = (3 + number % 2, 100 + number as u64);
            let nowhere = (deck.zero(), at(label, label));
            let transfer = deck.charter_signed_by(signer, owner, (generation, 0), &[], nowhere);
            match chain.add_charter(transfer.unwrap()) {
                Ok(Added::New) => kept += 1,
                Ok(Added::Known) => panic!("all are different"),
                Err(refusal) => full = Some(refusal),
            }
        }
    }
    assert_eq!(full, Some(Refusal::Full("charters by former owners")));
    // A few more where the owner of today was one of yesterday.
    let most = CHARTERS_OF_FORMER_OWNERS_MAX;
    assert!((most..=most + 5).contains(&kept), "{kept}");
    assert!(chain.is_owner(deck.device(1)));
    let newer = deck.charter(1, (5, 1), &[2], settled);
    assert_eq!(chain.add_charter(newer), Ok(Added::New));
}
