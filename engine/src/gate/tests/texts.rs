//! Further texts of a card: begun once, each under a name that can be one, never replaced, and only so many.

use automerge::ObjType;

use super::*;
use crate::card::TextField;
use crate::limits::CARD_TEXTS_MAX;

fn named(name: &str) -> TextField {
    TextField::named(name).unwrap()
}

fn message(card: &CardId, name: &str) -> String {
    format!(r#"{{"op":"card.text","card":"{card}","field":"{name}"}}"#)
}

/// What the gate says of something made in the first card's texts.
fn refusal(name: &str, said: &str, action: OpType) -> Refusal {
    let mut pair = Pair::new();
    let card = pair.cards[0].clone();
    let texts = pair.object(&["cards", card.as_str(), "texts"]);
    let bytes = pair.forged(&message(&card, said), vec![on(texts, name, action, vec![])]);
    pair.refused(&bytes)
}

fn schema(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Schema { .. })
}

/// A pair whose first card has a hint, on both sides.
fn with_hint() -> Pair {
    let mut pair = Pair::new();
    let card = pair.cards[0].clone();
    let bytes = pair.change(|edit| edit.set_text(&card, named("hint"), "a greeting"));
    let admitted = pair.admit(&bytes).unwrap();
    pair.viewer.apply(admitted).unwrap();
    pair.editor.restore_more([bytes.as_slice()]).unwrap();
    pair.next_seq += 1;
    pair
}

#[test]
fn a_further_text_is_admitted_and_reads_the_same_on_both_sides() {
    let mut pair = with_hint();
    let card = pair.cards[0].clone();
    assert_eq!(pair.viewer.card(&card).unwrap().texts["hint"], "a greeting");
    let bytes = pair.change(|edit| edit.splice_text(&card, named("hint"), 0, 10, ""));
    let admitted = pair.admit(&bytes).unwrap();
    pair.viewer.apply(admitted).unwrap();
    assert!(pair.viewer.card(&card).unwrap().texts.is_empty());
}

#[test]
fn only_a_text_begins_there() {
    for action in [
        OpType::Make(ObjType::Map),
        OpType::Make(ObjType::List),
        OpType::Put("x".into()),
        OpType::Put(1.into()),
    ] {
        let refusal = refusal("hint", "hint", action.clone());
        let form = matches!(refusal, Refusal::BadColumn { .. });
        assert!(schema(&refusal) || form, "{action:?}: {refusal:?}");
    }
}

#[test]
fn a_name_that_cannot_be_one() {
    let long = "x".repeat(257);
    for name in ["", "front", "back", "a\nb", "a\u{202e}b", &long] {
        let refusal = refusal(name, "hint", OpType::Make(ObjType::Text));
        let form = matches!(refusal, Refusal::BadColumn { what } if what.contains("key"));
        assert!(schema(&refusal) || form && name == long, "{name:?}: {refusal:?}");
    }
    // The message has to name it, too.
    assert_eq!(
        refusal("hint", "note", OpType::Make(ObjType::Text)),
        Refusal::MessageLies
    );
}

#[test]
fn what_was_begun_is_neither_replaced_nor_taken_away() {
    for action in [
        OpType::Delete,
        OpType::Put("x".into()),
        OpType::Make(ObjType::Map),
        OpType::Make(ObjType::Text),
    ] {
        for said in [true, false] {
            let mut pair = with_hint();
            let card = pair.cards[0].clone();
            let texts = pair.object(&["cards", card.as_str(), "texts"]);
            let ObjectId::Id(hint) = pair.object(&["cards", card.as_str(), "texts", "hint"]) else {
                panic!("a text is an object");
            };
            // Also without saying what it replaces, which to Automerge looks like something concurrent.
            let references = if said { vec![hint] } else { vec![] };
            let op = on(texts, "hint", action.clone(), references);
            let bytes = pair.forged(&message(&card, "hint"), vec![op]);
            let refusal = pair.refused(&bytes);
            let unknown = matches!(refusal, Refusal::UnknownReference { .. });
            assert!(schema(&refusal) || unknown && !said, "{action:?}: {refusal:?}");
        }
    }
}

#[test]
fn one_change_does_not_begin_a_text_twice() {
    let mut pair = Pair::new();
    let card = pair.cards[0].clone();
    let texts = pair.object(&["cards", card.as_str(), "texts"]);
    let begin = on(texts, "hint", OpType::Make(ObjType::Text), vec![]);
    let bytes = pair.forged(&message(&card, "hint"), vec![begin.clone(), begin]);
    assert!(schema(&pair.refused(&bytes)));
}

#[test]
fn a_card_has_only_so_many() {
    let mut pair = Pair::new();
    let card = pair.cards[0].clone();
    let name = |number: usize| named(&format!("text {number}"));
    let begin = |edit: &mut Edit<'_>, number: usize| edit.set_text(&card, name(number), "x");
    let bytes = pair.change(|edit| (0..CARD_TEXTS_MAX).try_for_each(|number| begin(edit, number)));
    let more = alter_bytes(&bytes, |change| {
        // One more, named and begun like the last.
        let said = change.message.take().unwrap();
        let last = format!("text {}", CARD_TEXTS_MAX - 1);
        let note = message(&card, &last);
        let another = message(&card, "another");
        change.message = Some(said.replace(&note, &format!("{note},{another}")));
        let texts = change.operations[change.operations.len() - 2].obj.clone();
        change
            .operations
            .push(on(texts, "another", OpType::Make(ObjType::Text), vec![]));
    });
    let refusal = pair.refused(&more);
    assert!(
        matches!(refusal, Refusal::Schema { what, .. } if what.contains("more texts")),
        "{refusal:?}"
    );
    let admitted = pair.admit(&bytes).unwrap();
    pair.viewer.apply(admitted).unwrap();
    pair.editor.restore_more([bytes.as_slice()]).unwrap();
    pair.next_seq += 1;

    // Those of its past count, too.
    let texts = pair.object(&["cards", card.as_str(), "texts"]);
    let op = on(texts, "another", OpType::Make(ObjType::Text), vec![]);
    let bytes = pair.forged(&message(&card, "another"), vec![op]);
    assert!(schema(&pair.refused(&bytes)));

    // An honest device says so before; and what there is can still be written to.
    let mut commit = |number| {
        let made = pair
            .viewer
            .commit(&actor(9), 0, &mut bits(), |edit| begin(edit, number));
        made.map(|made| made.change.is_some())
    };
    assert_eq!(commit(CARD_TEXTS_MAX), Err(OpError::TooManyTexts));
    assert_eq!(commit(3), Ok(false));
    let written = pair.viewer.commit(&actor(9), 0, &mut bits(), |edit| {
        edit.set_text(&card, name(3), "y")
    });
    assert!(written.unwrap().change.is_some());
}
