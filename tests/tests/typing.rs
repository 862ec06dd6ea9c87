//! What an app that types and watches sees of a real engine: what it typed is durable when it was told so or the engine
//! was shut down, and a copy that follows the events says what the deck says.

use std::error::Error;
use std::time::Duration;

use cuecard::card::TextField;
use cuecard::{EditError, Engine, Event, Followed, OpError};

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::test]
async fn what_is_typed_is_kept_in_few_changes_and_shutting_down_loses_none_of_it() -> Outcome {
    let folder = tempfile::tempdir()?;
    // So long that nothing but what is tested here ends it.
    let window = Duration::from_secs(3_600);
    let engine = Engine::builder()
        .typing_window(window)
        .open(folder.path().join("data"))
        .await?;
    let deck = engine.create_deck("Spanish").await?;
    let card = deck.edit(|edit| edit.add_card("", "hello")).await?;
    let before = deck.entry_count()?;
    deck.type_text(&card, TextField::Front, 0, 0, "h").await?;
    let mut typed = Vec::new();
    for (at, letter) in ["o", "l", "a"].into_iter().enumerate() {
        typed.push(deck.type_text(&card, TextField::Front, at + 1, 0, letter));
    }
    let beyond = deck.type_text(&card, TextField::Front, 40, 0, "x");
    assert_eq!(deck.entry_count()?, before + 1);
    let id = deck.id();
    engine.shutdown().await?;
    for typed in typed {
        typed.await?;
    }
    let failed = beyond.await;
    assert!(
        matches!(
            failed,
            Err(EditError::Op(OpError::BeyondText { at: 40, length: 4 }))
        ),
        "{failed:?}"
    );
    drop((deck, engine));
    let again = Engine::open(folder.path().join("data")).await?;
    let deck = again.deck(id).ok_or("the deck is there")?;
    assert_eq!(deck.card(&card)?.map(|card| card.front).as_deref(), Some("hola"));
    again.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn what_waits_leaves_by_itself_when_its_window_is_over() -> Outcome {
    let folder = tempfile::tempdir()?;
    let engine = Engine::open(folder.path().join("data")).await?;
    let deck = engine.create_deck("Spanish").await?;
    let card = deck.edit(|edit| edit.add_card("", "hello")).await?;
    let first = deck.type_text(&card, TextField::Front, 0, 0, "h");
    let second = deck.type_text(&card, TextField::Front, 1, 0, "ola");
    first.await?;
    second.await?;
    assert_eq!(deck.card(&card)?.map(|card| card.front).as_deref(), Some("hola"));
    engine.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn a_copy_follows_the_events_of_its_deck_and_of_no_other() -> Outcome {
    let folder = tempfile::tempdir()?;
    let engine = Engine::open(folder.path().join("data")).await?;
    let deck = engine.create_deck("Spanish").await?;
    let other = engine.create_deck("French").await?;
    let mut events = deck.events();
    // Heard and in the copy as well: it must not be done to the copy twice.
    let card = deck.edit(|edit| edit.add_card("hola", "hello")).await?;
    let mut mirror = deck.mirror()?;
    other.edit(|edit| edit.add_card("salut", "hello")).await?;
    deck.edit(|edit| edit.splice_text(&card, TextField::Front, 4, 0, "!"))
        .await?;
    deck.edit(|edit| edit.tag(&card, "greetings")).await?;
    deck.undo().await?;
    deck.edit(|edit| edit.rename_deck("Español")).await?;
    let mut followed = 0;
    while mirror.info().title != "Español" {
        let event = events.next().await.ok_or("the events ended")?;
        assert_eq!(event.deck(), Some(deck.id()), "{event:?}");
        match mirror.follow(&event) {
            Followed::Changed => followed += 1,
            Followed::Nothing => {}
            Followed::Lost => return Err("nothing was missed".into()),
        }
    }
    assert_eq!(followed, 4);
    let cards: Vec<_> = mirror.cards().into_iter().cloned().collect();
    assert_eq!(cards, deck.cards()?);
    assert_eq!(mirror.follow(&Event::Lagged { missed: 3 }), Followed::Lost);
    engine.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn a_further_text_begins_with_what_is_typed_into_it() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let engine = Engine::open(folder.path().join("data")).await?;
    let deck = engine.create_deck("Spanish").await?;
    let card = deck.edit(|edit| edit.add_card("hola", "hello")).await?;
    let hint = TextField::named("hint")?;
    let beyond = deck.type_text(&card, hint.clone(), 3, 0, "x").await;
    assert!(
        matches!(
            beyond,
            Err(EditError::Op(OpError::BeyondText { at: 3, length: 0 }))
        ),
        "{beyond:?}"
    );
    deck.type_text(&card, hint.clone(), 0, 0, "w").await?;
    deck.type_text(&card, hint.clone(), 1, 0, "ave").await?;
    let read = deck.card(&card)?.ok_or("the card is there")?;
    assert_eq!(read.texts["hint"], "wave");
    assert_eq!(read.text(&hint), "wave");
    engine.shutdown().await?;
    Ok(())
}
