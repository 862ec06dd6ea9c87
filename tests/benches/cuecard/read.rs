//! What reading costs, in decks of different sizes.

use std::time::Duration;

use cuecard::{CardId, Deck};

use crate::fixture::{deck_in_memory, runtime};
use crate::runner::{Table, Target, Unit, in_turns, timed};

/// Cards read in one round.
const READS: u32 = 2_000;

/// `Deck::card`, in decks of 100, 1,000 and 10,000 cards; the base is the smallest.
pub(crate) fn one_card(table: &mut Table) {
    let runtime = runtime();
    let _entered = runtime.enter();
    let (_small, small_deck, small_cards) = runtime.block_on(deck_in_memory(100, 0));
    for count in [1_000, 10_000] {
        let (_large, deck, cards) = runtime.block_on(deck_in_memory(count, 0));
        let rounds = in_turns(20, || read(&deck, &cards), || read(&small_deck, &small_cards));
        table.add(
            &format!("`card(id)`, {count} cards beside 100"),
            Unit::TimeOfOne(READS),
            Target::AtMost(1.5),
            rounds,
        );
    }
}

fn read(deck: &Deck, cards: &[CardId]) -> Duration {
    // Scattered: neighbours would be found in the same place.
    timed(|| {
        for at in 0..READS as usize {
            let card = &cards[at.wrapping_mul(7_919) % cards.len()];
            std::hint::black_box(deck.card(card).expect("the deck is here"));
        }
    })
}

/// The newest hundred entries of a history of 100,000 changes, beside one of 1,000.
pub(crate) fn history(table: &mut Table) {
    let runtime = runtime();
    let _entered = runtime.enter();
    let (_short, short, _) = runtime.block_on(deck_in_memory(1_000, 1_000));
    let (_long, long, _) = runtime.block_on(deck_in_memory(1_000, 100_000));
    let newest = |deck: &Deck| timed(|| deck.history().expect("the deck is here").take(100).count());
    let rounds = in_turns(5, || newest(&long), || newest(&short));
    table.add(
        "100 history entries, 100,000 changes beside 1,000",
        Unit::TimeOfOne(1),
        Target::AtMost(2.0),
        rounds,
    );
}
