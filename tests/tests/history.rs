//! What an app asks a deck about its past, of a real engine: entry by entry, at any point, between points.

use std::error::Error;

use cuecard::card::TextField;
use cuecard::history::CardDiff;
use cuecard::{ChangeHash, Engine, HistoryError};

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::test]
async fn a_history_is_read_entry_by_entry_and_goes_on_where_it_was_left() -> Outcome {
    let folder = tempfile::tempdir()?;
    let engine = Engine::open(folder.path().join("data")).await?;
    let deck = engine.create_deck("Spanish").await?;
    let card = deck.edit(|edit| edit.add_card("", "")).await?;
    for number in 0..200 {
        deck.edit(|edit| edit.splice_text(&card, TextField::Back, number, 0, "x"))
            .at_once()?;
    }
    let all: Vec<ChangeHash> = deck.history()?.map(|entry| entry.hash).collect();
    assert_eq!(
        (all.len(), all.first()),
        (deck.entry_count()?, Some(&deck.head()?))
    );
    // Left within what is read at a time, at its end, and beyond it; and what happens meanwhile is no matter.
    let mut newest = deck.history()?;
    deck.edit(|edit| edit.tag(&card, "meanwhile")).at_once()?;
    assert_eq!(newest.next().map(|entry| entry.hash), all.first().copied());
    for taken in [0, 1, 63, 64, 65, 130, all.len()] {
        let mut history = deck.history_from(&all[..1])?;
        let mut joined: Vec<ChangeHash> = history.by_ref().take(taken).map(|entry| entry.hash).collect();
        joined.extend(deck.history_from(&history.rest())?.map(|entry| entry.hash));
        assert_eq!(joined, all, "left after {taken}");
    }
    engine.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn any_point_can_be_looked_at_and_compared() -> Outcome {
    let folder = tempfile::tempdir()?;
    let engine = Engine::open(folder.path().join("data")).await?;
    let deck = engine.create_deck("Spanish").await?;
    let card = deck.edit(|edit| edit.add_card("hola", "hello")).await?;
    let first = deck.head()?;
    let second_card = deck
        .edit(|edit| {
            edit.set_text(&card, TextField::Front, "holas")?;
            edit.add_card("adiós", "goodbye")
        })
        .await?;
    let second = deck.head()?;
    deck.edit(|edit| edit.delete_card(&card)).await?;

    let view = deck.at(&[first])?;
    assert_eq!(view.cards()?.len(), 1);
    assert_eq!(view.card(&card)?.map(|card| card.front).as_deref(), Some("hola"));
    assert_eq!(view.card(&second_card)?, None);
    assert_eq!(view.info()?.title, "Spanish");
    assert_eq!(view.history()?.next().map(|entry| entry.hash), Some(first));
    assert_eq!(deck.entry(second)?.deps, [first]);

    let between = deck.diff(&[first], &[second])?;
    let kinds: Vec<&str> = between
        .iter()
        .map(|diff| match diff {
            CardDiff::Added(added) => {
                assert_eq!(added.id, second_card);
                "added"
            }
            CardDiff::Changed { before, after } => {
                assert_eq!((before.front.as_str(), after.front.as_str()), ("hola", "holas"));
                "changed"
            }
            CardDiff::Removed(_) => "removed",
        })
        .collect();
    assert_eq!(
        (kinds.len(), kinds.contains(&"added"), kinds.contains(&"changed")),
        (2, true, true)
    );
    let gone = deck.diff(&[second], &[deck.head()?])?;
    assert!(matches!(gone.as_slice(), [CardDiff::Removed(removed)] if removed.id == card));

    let blame = deck.blame(&card)?.ok_or("the card is there")?;
    let runs: Vec<(&str, ChangeHash)> = blame.texts[&TextField::Front]
        .iter()
        .map(|run| (run.text.as_str(), run.origin.entry))
        .collect();
    assert_eq!(runs, [("hola", first), ("s", second)]);
    assert_eq!(blame.deleted.map(|origin| origin.entry), Some(deck.head()?));
    assert_eq!(deck.card_count()?, 1);
    assert_eq!(deck.card_ids()?, [second_card]);

    let unknown = ChangeHash([7; 32]);
    let expected = HistoryError::UnknownEntry { entry: unknown };
    assert_eq!(deck.entry(unknown), Err(expected));
    assert_eq!(deck.at(&[first, unknown]).err(), Some(expected));
    assert_eq!(deck.diff(&[unknown], &[first]), Err(expected));
    assert_eq!(deck.history_from(&[unknown]).err(), Some(expected));
    engine.shutdown().await?;
    Ok(())
}
