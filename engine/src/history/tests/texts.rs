//! Further texts in a history: what two devices wrote to one, where one of them began it and where both did.

use super::*;
use crate::card::TextField;
use crate::document::undo::{Author, Direction};
use crate::history::blame::blame;

fn hint() -> TextField {
    TextField::named("hint").unwrap()
}

#[test]
fn two_that_begin_one_text_at_a_time_keep_both_and_all_devices_show_the_same() {
    let (mut document, card, [_, base, drafted, second, accept]) = merge(
        |edit, card| edit.set_text(card, hint(), "of the draft"),
        |edit, card| edit.set_text(card, hint(), "of the term"),
    );
    let found = conflicts(&document, who);
    let [conflict] = found.as_slice() else {
        panic!("one conflict: {found:?}");
    };
    assert_eq!(conflict.place, ConflictPlace::Text(card.clone(), "hint".into()));
    let written = |written: &Written| (written.value.clone(), written.origin.entry);
    let text = |text: &str| WrittenValue::Text(text.to_owned());
    assert_eq!(written(&conflict.winner), (text("of the draft"), drafted));
    assert_eq!(
        conflict.others.iter().map(written).collect::<Vec<_>>(),
        [(text("of the term"), second)]
    );
    assert_eq!(conflict.precedence, Precedence::Name);
    assert_eq!(conflicts_of(&document, &card, who), found);
    let shown = document.card(&card).unwrap();
    assert_eq!(shown.texts["hint"], "of the draft");
    let loaded =
        Document::restore_snapshot(document.genesis_hash(), &document.snapshot(), &[accept]).unwrap();
    assert_eq!(loaded.card(&card).unwrap(), shown);

    // The other is as it was where it was written; and what differs names the text.
    assert_eq!(
        document.card_at(&[second], &card).unwrap().texts["hint"],
        "of the term"
    );
    let differs = diff(&document, &[base], &[accept]).unwrap();
    assert!(
        matches!(&differs[..], [CardDiff::Changed { before, after }] if before.texts.is_empty() && *after == shown)
    );

    // Taking the merge back shows what was shown before it, and redoing it what came with it.
    for (direction, expected) in [
        (Direction::Undo, "of the term"),
        (Direction::Redo, "of the draft"),
    ] {
        let author = |by: &ActorId| match *by == actor(3) {
            true => Author::Draft,
            false => Author::Own,
        };
        let plan = document.plan(direction, &author, &Default::default()).unwrap();
        assert!(plan.left().is_empty());
        let made = document.commit(&actor(2), 5_000, &mut bits(), |edit| edit.take_back(&plan));
        assert!(made.unwrap().change.is_some());
        assert_eq!(document.card(&card).unwrap().texts["hint"], expected);
    }
}

#[test]
fn what_is_written_on_is_of_who_wrote_it_and_an_emptied_text_is_none() {
    let (mut document, card, _) = merge(
        |edit, card| edit.tag(card, "new"),
        |edit, card| edit.set_text(card, hint(), "wave"),
    );
    let made = document
        .commit(&actor(2), 6_000, &mut bits(), |edit| {
            edit.splice_text(&card, hint(), 4, 0, " back")
        })
        .unwrap();
    assert_eq!(conflicts(&document, who), []);
    let now = blame(&document, None, &card, who).unwrap();
    let runs = now.texts[&hint()].iter();
    let runs: Vec<_> = runs.map(|run| (run.text.as_str(), run.origin.entry)).collect();
    assert_eq!(runs.last(), Some(&(" back", made.change.unwrap().hash)));
    assert_eq!(runs.len(), 2);
    document
        .commit(&actor(2), 7_000, &mut bits(), |edit| {
            edit.set_text(&card, hint(), "")
        })
        .unwrap();
    let now = blame(&document, None, &card, who).unwrap();
    assert_eq!(
        now.texts.keys().collect::<Vec<_>>(),
        [&TextField::Front, &TextField::Back]
    );
}
