//! Cheats, mishaps and floods: what is refused, what is late, what proves a cheat.

use super::*;

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

#[test]
fn a_cut_that_lost_still_covers_what_its_holder_wrote() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    chain.hold(deck.zero(), at(3, 3), &changes(4..=5)).unwrap();
    assert!(chain.late_work().is_empty(), "nobody signed for the last two");
    let mut rivals = [
        deck.handover(0, deck.zero(), at(3, 3), 1, 0),
        deck.handover(0, deck.zero(), at(3, 3), 1, 1),
    ];
    rivals.sort_by_key(Verified::id);
    // A loser by rule 4 has the larger id: look for one that was cut further on.
    let loser = (0..=255).map(|nonce| deck.handover(0, deck.zero(), at(5, 5), 1, nonce));
    let loser = loser.into_iter().find(|term| term.id() > rivals[0].id()).unwrap();
    chain.add_term(rivals[0].clone()).unwrap();
    chain.add_term(loser).unwrap();
    assert_eq!(chain.canonical().tip, rivals[0].id());
    let late = chain.late_work();
    assert_eq!(late.len(), 1);
    assert_eq!((late[0].from, late[0].len, late[0].head), (4, 5, change(5)));
}

#[test]
fn what_was_written_before_leaving_is_not_after_leaving() {
    let deck = Deck::new();
    let mut chain = begun(&deck);
    // To a device without the right: the term is not valid, yet the author's word that it left is.
    chain
        .add_term(deck.handover(0, deck.zero(), at(3, 3), 4, 0))
        .unwrap();
    chain.add_term(deck.claim(1, deck.zero(), at(2, 2), 0)).unwrap();
    let late = chain.late_work();
    assert_eq!((late[0].from, late[0].len, late[0].after_leaving), (3, 3, false));
    chain.hold(deck.zero(), at(3, 3), &changes(4..=4)).unwrap();
    chain.add_seal(deck.seal(0, deck.zero(), at(4, 4))).unwrap();
    let late = chain.late_work();
    assert_eq!(
        (late.len(), late[0].from, late[0].len, late[0].after_leaving),
        (1, 3, 4, true)
    );
}
