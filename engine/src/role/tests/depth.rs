//! Long chains and wide families: nothing recurses, and nothing is looked at once per earlier record.

use super::*;

/// A chain of handovers of one device to itself, each term with one change.
fn long(deck: &Deck, count: u64) -> Vec<(Verified<Term>, Cut, ChangeHash)> {
    let mut steps = Vec::new();
    let mut parent = deck.zero();
    let mut start = deck.start;
    for number in 1..=count {
        let head = change(number);
        let term = deck.handover(0, parent, Cut { len: 1, head }, 0, 0);
        steps.push((term.clone(), Cut { len: 0, head: start }, head));
        (parent, start) = (term.id(), head);
    }
    steps
}

#[test]
fn a_long_chain_comes_in_changes_last() {
    let deck = Deck::new();
    let steps = long(&deck, 10_000);
    let mut chain = deck.chain();
    for (term, ..) in &steps {
        chain.add_term(term.clone()).unwrap();
    }
    // From the far end: each term is held, and counts only when everything before it is.
    for (term, start, head) in steps.iter().rev() {
        assert_eq!(chain.canonical().path.len(), 1);
        chain.hold(term.parent, *start, &[*head]).unwrap();
    }
    assert_eq!(chain.canonical().path.len(), steps.len() + 1);
    assert_eq!(chain.canonical().tip, steps[steps.len() - 1].0.id());
    assert_eq!(chain.terms().count(), steps.len());
    assert_eq!(chain.ancestry(chain.canonical().tip).count(), steps.len() + 1);
    assert!(chain.late_work().is_empty());
    assert!(chain.waiting_for().is_empty());
    // The owner settles all of it.
    let tip = chain.canonical().tip;
    let cut = Cut {
        len: 0,
        head: chain.canonical().head,
    };
    chain
        .add_charter(deck.charter(0, (0, 1), &[], (tip, cut)))
        .unwrap();
    assert!(
        chain
            .canonical()
            .path
            .iter()
            .all(|step| step.standing == Standing::Settled)
    );
}

#[test]
fn many_claims_on_one_term_come_to_the_best() {
    let deck = Deck::new();
    let mut chain = deck.chain();
    chain
        .add_charter(deck.charter(0, (0, 1), &[1, 2], (deck.zero(), deck.start())))
        .unwrap();
    let mut best = None;
    for nonce in 0..=255 {
        let claim = deck.claim(1, deck.zero(), deck.start(), nonce);
        best = best.into_iter().chain([claim.id()]).min();
        chain.add_term(claim).unwrap();
        chain
            .add_term(deck.claim(2, deck.zero(), deck.start(), nonce))
            .unwrap();
    }
    assert_eq!(Some(chain.canonical().tip), best);
}
