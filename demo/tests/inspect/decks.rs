//! Decks of any size, made through the library.

use std::path::Path;
use std::time::Duration;

use cuecard::card::TextField;
use cuecard::{CardId, Durability, Engine};

/// A deck with so many cards and, beyond their making, edits of all kinds until it has so many entries.
pub(crate) fn make(folder: &Path, cards: usize, entries: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let engine = Engine::builder()
            .name("laptop")
            .durability(Durability::Batched(Duration::from_millis(50)))
            .open(folder)
            .await
            .unwrap();
        let deck = engine.create_deck("A large deck").await.unwrap();
        let mut ids: Vec<CardId> = Vec::with_capacity(cards);
        while ids.len() < cards {
            let some = (cards - ids.len()).min(50);
            let first = ids.len();
            let made = deck
                .edit(|edit| {
                    (first..first + some)
                        .map(|at| edit.add_card(&format!("palabra {at}"), "a word"))
                        .collect::<Result<Vec<_>, _>>()
                })
                .await
                .unwrap();
            ids.extend(made);
        }
        let mut at = cards;
        // Not every edit changes something: a tag that is there already is no entry.
        while deck.entry_count().unwrap() < entries {
            // A walk over all cards, in leaps: neighbours in time are not neighbours in the deck.
            let card = &ids[at.wrapping_mul(7_919) % ids.len()];
            let done = deck.edit(|edit| match at % 11 {
                0..=6 => edit.set_text(card, TextField::Back, &format!("a word, for the {at}th time")),
                7 => edit.tag(card, ["noun", "verb", "often"][at % 3]),
                8 => edit
                    .move_card(card, Some(&ids[(at + 1) % ids.len()]))
                    .or_else(|_| edit.tag(card, "moved")),
                9 => edit.set_text(card, TextField::Front, &format!("palabra {at}")),
                _ => edit.add_card(&format!("nueva {at}"), "a new word").map(drop),
            });
            // Slower than the disk nobody is: wait now and then.
            if at.is_multiple_of(500) {
                done.await.unwrap();
            } else {
                done.at_once().unwrap();
            }
            at += 1;
        }
        engine.shutdown().await.unwrap();
    });
}

/// The cards of a deck in which nothing was merged, at a step: read as a whole, by the library alone.
pub(crate) fn at(folder: &Path, step: usize) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let engine = Engine::builder().open(folder).await.unwrap();
        let deck = engine.decks().remove(0);
        let entry = deck
            .history()
            .unwrap()
            .nth(deck.entry_count().unwrap() - 1 - step)
            .unwrap();
        let cards = deck.at(&[entry.hash]).unwrap().cards().unwrap();
        let told = cards.into_iter().filter(|card| !card.deleted).map(|card| {
            let tags: Vec<&str> = card.tags.iter().map(String::as_str).collect();
            [card.id.as_str(), &card.front, &card.back, &tags.join(",")].join(",")
        });
        let told = told.collect();
        engine.shutdown().await.unwrap();
        told
    })
}
