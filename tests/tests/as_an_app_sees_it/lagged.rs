//! A reader of events that does not read while thousands of things happen: it is told how many it missed, goes on with what
//! is kept, and has the deck again with a new copy.

use cuecard::card::{FieldValue, TextField};
use cuecard::{DeckChange, Engine, Event, Followed};

/// As the documentation of `Events` says.
const KEPT: usize = 4_096;
const EDITS: usize = 500;
/// What each of them does, which is told one by one.
const OPS: usize = 10;

#[tokio::test]
async fn a_reader_that_does_not_read_is_told_what_it_missed() {
    let laptop = Engine::in_memory("laptop").unwrap();
    let deck = laptop.create_deck("Spanish").await.unwrap();
    let card = deck.edit(|edit| edit.add_card("uno", "one")).await.unwrap();
    let mut events = laptop.events();
    let mut copy = deck.mirror().unwrap();
    let title = |number: usize| format!("number {number}");
    for number in 0..EDITS {
        let edit = deck.edit(|edit| {
            for field in 1..OPS {
                let value = FieldValue::Int((number * OPS + field) as i64);
                edit.set_deck_field(&format!("field {field}"), Some(value))?;
            }
            edit.set_text(&card, TextField::Back, &title(number))
        });
        edit.at_once().unwrap();
    }
    let back = |deck: &cuecard::Deck| deck.card(&card).unwrap().unwrap().back;
    assert_eq!(back(&deck), title(EDITS - 1));

    let first = events.next().await.unwrap();
    let Event::Lagged { missed } = first else {
        panic!("it was told {first:?}");
    };
    assert!(missed as usize >= EDITS * OPS - KEPT, "{missed}");
    assert_eq!(copy.follow(&first), Followed::Lost);
    assert_ne!(copy.card(&card).unwrap().back, back(&deck), "it was left behind");

    // With a new copy it has the deck, and what it reads then changes nothing of that.
    let mut copy = deck.mirror().unwrap();
    assert_eq!(copy.cards().len(), deck.cards().unwrap().len());
    assert_eq!(copy.card(&card).unwrap().back, back(&deck));
    let mut kept = 0;
    loop {
        // A moment later: what happens meanwhile takes the place of what was not read.
        if kept == 100 {
            deck.edit(|edit| edit.rename_deck("the last")).await.unwrap();
        }
        let event = events.next().await.unwrap();
        assert!(
            !matches!(event, Event::Lagged { .. }),
            "it reads, and lags no more"
        );
        kept += 1;
        let is_last = matches!(
            &event,
            Event::Changed {
                change: DeckChange::DeckRenamed { .. },
                ..
            }
        );
        let expected = if is_last {
            Followed::Changed
        } else {
            Followed::Nothing
        };
        assert_eq!(copy.follow(&event), expected, "{event:?}");
        if is_last {
            break;
        }
    }
    assert!(
        kept <= KEPT + 1,
        "{kept} events were kept, the last one among them"
    );
    assert!(
        kept + missed as usize > EDITS * OPS,
        "{kept} and {missed} are all of them"
    );
    assert_eq!(copy.info().title, "the last");
    assert_eq!(copy.card(&card), deck.card(&card).unwrap().as_ref());
}
