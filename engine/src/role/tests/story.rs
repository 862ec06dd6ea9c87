//! What counts among the words of holders and claimers, told as stories.

use super::*;

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
fn only_what_could_be_chosen_is_waited_for() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    chain
        .add_charter(deck.charter(0, (0, 2), &[1, 2], (deck.zero(), at(3, 3))))
        .unwrap();
    chain.add_term(deck.claim(4, deck.zero(), at(9, 9), 0)).unwrap();
    chain.add_term(deck.claim(1, deck.zero(), at(2, 77), 0)).unwrap();
    assert!(chain.waiting_for().is_empty(), "{:?}", chain.waiting_for());
    chain.add_term(deck.claim(2, deck.zero(), at(8, 8), 0)).unwrap();
    assert_eq!(
        chain.waiting_for(),
        vec![Missing::Changes {
            term: deck.zero(),
            upto: at(8, 8)
        }]
    );
}
