//! What reading costs, in decks of different sizes.

use std::time::Duration;

use cuecard::{CardId, Deck};

use crate::fixture::{deck_in_memory, runtime};
use crate::runner::{Table, Target, Unit, in_turns, timed};

/// Cards read in one round.
const READS: u32 = 2_000;
/// Questions to a history in one round.
const ASKED: u32 = 20;

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

/// The newest hundred entries of a history, and who wrote what of one card: at 100,000 changes beside 1,000.
pub(crate) fn history(table: &mut Table) {
    let runtime = runtime();
    let _entered = runtime.enter();
    let (_short, short, short_cards) = runtime.block_on(deck_in_memory(1_000, 1_000));
    let (_long, long, long_cards) = runtime.block_on(deck_in_memory(1_000, 100_000));
    let newest = |deck: &Deck| {
        timed(|| {
            for _ in 0..ASKED {
                let entries = deck.history().expect("the deck is here").take(100);
                assert_eq!(entries.count(), 100);
            }
        })
    };
    table.add(
        "100 history entries, 100,000 changes beside 1,000",
        Unit::TimeOfOne(ASKED),
        Target::AtMost(2.0),
        in_turns(15, || newest(&long), || newest(&short)),
    );
    let blame = |deck: &Deck, cards: &[CardId]| {
        timed(|| {
            for card in &cards[..ASKED as usize] {
                assert!(deck.blame(card).expect("the deck is here").is_some());
            }
        })
    };
    table.add(
        "`blame(card)`, 100,000 changes beside 1,000",
        Unit::TimeOfOne(ASKED),
        Target::AtMost(2.0),
        in_turns(15, || blame(&long, &long_cards), || blame(&short, &short_cards)),
    );
}
