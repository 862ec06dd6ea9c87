//! One behaviour of undo a test.

use super::*;
use crate::card::FieldValue;
use crate::document::tests::audio;

/// A deck with cards a, b, c by another, and their ids.
fn three() -> (Pair, Vec<CardId>) {
    let mut pair = Pair::new(1);
    pair.edit(OTHER, |edit| {
        for front in ["a", "b", "c"] {
            edit.add_card(front, "")?;
        }
        Ok(())
    });
    let cards = pair.editor.cards().map(|card| card.id).collect();
    (pair, cards)
}

#[test]
fn later_edits_of_the_same_text_survive_an_undo() {
    let (mut pair, cards) = three();
    pair.edit(ME, |edit| {
        edit.splice_text(&cards[0], TextField::Front, 1, 0, " cat sat")
    });
    pair.edit(OTHER, |edit| {
        edit.splice_text(&cards[0], TextField::Front, 9, 0, ", purring")
    });
    pair.edit(OTHER, |edit| {
        edit.splice_text(&cards[0], TextField::Front, 1, 0, " big")
    });
    pair.edit(OTHER, |edit| {
        edit.splice_text(&cards[0], TextField::Front, 6, 3, "dog")
    });
    assert_eq!(pair.text(&cards[0]), "a big dog sat, purring");
    let plan = pair.undo();
    assert_eq!(pair.text(&cards[0]), "a bigdog, purring");
    let left = BTreeSet::from([Left::Overtaken(Some(cards[0].clone()))]);
    assert_eq!(plan.left(), &left, "three letters were taken out already");
    pair.redo();
    assert_eq!(pair.text(&cards[0]), "a big dog sat, purring");
}

#[test]
fn what_was_taken_out_comes_back_where_it_was_among_what_came_since() {
    let (mut pair, cards) = three();
    pair.edit(OTHER, |edit| {
        edit.set_text(&cards[0], TextField::Front, "one two three")
    });
    pair.edit(ME, |edit| edit.splice_text(&cards[0], TextField::Front, 4, 4, ""));
    pair.edit(OTHER, |edit| {
        edit.splice_text(&cards[0], TextField::Front, 9, 0, " four")?;
        edit.splice_text(&cards[0], TextField::Front, 0, 3, "zero, 1")
    });
    pair.undo();
    assert_eq!(pair.text(&cards[0]), "zero, 1 two three four");
}

#[test]
fn characters_that_an_undo_put_back_are_those_of_before() {
    let (mut pair, cards) = three();
    pair.edit(ME, |edit| edit.set_text(&cards[0], TextField::Front, "abc"));
    pair.edit(ME, |edit| edit.set_text(&cards[0], TextField::Front, "ac"));
    pair.edit(OTHER, |edit| edit.set_text(&cards[0], TextField::Front, "a-c"));
    for _ in 0..3 {
        pair.undo();
        pair.redo();
    }
    pair.undo();
    assert_eq!(pair.text(&cards[0]).replace('-', ""), "abc");
    // Undoing what put the letters in takes out also the one that went and came back, and leaves what another typed.
    pair.undo();
    assert_eq!(pair.text(&cards[0]), "a-");
}

#[test]
fn a_new_edit_ends_redoing() {
    let (mut pair, cards) = three();
    pair.edit(ME, |edit| edit.tag(&cards[0], "x"));
    pair.undo();
    pair.edit(ME, |edit| edit.tag(&cards[0], "y"));
    assert_eq!(pair.plan(Direction::Redo), Err(WhyNothing::NoChange));
    pair.undo();
    assert_eq!(pair.plan(Direction::Undo), Err(WhyNothing::NoChange));
}

#[test]
fn another_device_cannot_undo_what_this_one_did() {
    let (mut pair, cards) = three();
    assert_eq!(pair.plan(Direction::Undo), Err(WhyNothing::NoChange));
    pair.edit(ME, |edit| edit.delete_card(&cards[1]));
    let theirs = pair
        .editor
        .plan(Direction::Undo, &author_for(OTHER), &BTreeSet::new());
    let added = theirs.unwrap().reversal();
    assert_ne!(added, pair.plan(Direction::Undo).unwrap().reversal());
}

#[test]
fn a_deck_keeps_the_name_it_was_created_with() {
    let mut pair = Pair::new(1);
    pair.edit(ME, |edit| edit.rename_deck("Spanish"));
    assert_eq!(pair.plan(Direction::Undo), Err(WhyNothing::NoChange));
    pair.edit(ME, |edit| edit.rename_deck("French"));
    pair.undo();
    assert_eq!(pair.editor.deck().title, "Spanish");
}

#[test]
fn nothing_to_undo_says_that_the_card_is_deleted_and_then_looks_further_back() {
    let (mut pair, cards) = three();
    let tagged = pair.edit(ME, |edit| edit.tag(&cards[1], "mine")).unwrap();
    let typed = pair
        .edit(ME, |edit| edit.set_text(&cards[0], TextField::Back, "mine"))
        .unwrap();
    pair.edit(OTHER, |edit| edit.delete_card(&cards[0]));
    let card = cards[0].clone();
    let gone = WhyNothing::CardDeleted { change: typed, card };
    assert_eq!(pair.plan(Direction::Undo), Err(gone));
    let passed_over = BTreeSet::from([typed]);
    let plan = pair.editor.plan(Direction::Undo, &author_for(ME), &passed_over);
    assert_eq!(plan.unwrap().reversal(), Reversal::Undo(tagged));
}

#[test]
fn nothing_to_undo_says_that_later_edits_replaced_it() {
    let (mut pair, cards) = three();
    type Doing = fn(&mut Edit<'_>, &CardId, u8) -> Result<(), OpError>;
    let doings: [Doing; 5] = [
        |edit, _, by| edit.rename_deck(&format!("title {by}")),
        |edit, _, by| edit.set_deck_field("n", Some(FieldValue::Int(by.into()))),
        |edit, card, by| edit.set_field(card, "n", Some(FieldValue::Int(by.into()))),
        |edit, card, by| edit.attach_audio(card, "front", audio(by)),
        |edit, card, by| {
            let others: Vec<CardId> = edit
                .cards()
                .map(|card| card.id)
                .filter(|other| other != card)
                .collect();
            edit.move_card(card, others.get(usize::from(by - ME)))
        },
    ];
    for (number, doing) in doings.into_iter().enumerate() {
        let mine = pair.edit(ME, |edit| doing(edit, &cards[0], ME)).unwrap();
        pair.edit(OTHER, |edit| doing(edit, &cards[0], OTHER)).unwrap();
        let overtaken = Err(WhyNothing::Overtaken { change: mine });
        assert_eq!(pair.plan(Direction::Undo), overtaken, "doing {number}");
    }
}

#[test]
fn of_a_batch_only_what_still_stands_is_taken_back() {
    let (mut pair, cards) = three();
    pair.edit(ME, |edit| {
        edit.rename_deck("mine")?;
        edit.tag(&cards[0], "mine")?;
        edit.delete_card(&cards[1])
    });
    pair.edit(OTHER, |edit| edit.rename_deck("theirs"));
    let plan = pair.undo();
    assert_eq!(plan.left(), &BTreeSet::from([Left::Overtaken(None)]));
    assert_eq!(pair.editor.deck().title, "theirs");
    assert!(pair.editor.card(&cards[0]).unwrap().tags.is_empty());
    assert_eq!(pair.fronts(), ["a", "b", "c"]);
}

#[test]
fn a_card_that_another_edited_goes_with_the_undo_that_added_it_and_comes_back_whole() {
    let (mut pair, cards) = three();
    pair.edit(ME, |edit| {
        edit.add_card_after(Some(&cards[0]), "new", "").map(drop)
    });
    let added = pair.editor.cards().nth(1).unwrap().id;
    pair.edit(OTHER, |edit| edit.set_text(&added, TextField::Back, "by another"));
    pair.undo();
    assert_eq!(pair.fronts(), ["a", "b", "c"]);
    pair.redo();
    assert_eq!(pair.fronts(), ["a", "new", "b", "c"]);
    assert_eq!(pair.editor.card(&added).unwrap().back, "by another");
}

#[test]
fn a_moved_card_goes_back_to_its_old_neighbours_also_where_some_are_gone() {
    let (mut pair, cards) = three();
    pair.edit(OTHER, |edit| edit.add_card("d", "").map(drop));
    pair.edit(ME, |edit| edit.move_card(&cards[2], None));
    assert_eq!(pair.fronts(), ["c", "a", "b", "d"]);
    pair.edit(OTHER, |edit| edit.delete_card(&cards[1]));
    pair.undo();
    assert_eq!(pair.fronts(), ["a", "c", "d"]);
    pair.redo();
    // Behind what came to stand there in the meantime, or before it: but between its old neighbours.
    pair.edit(OTHER, |edit| {
        edit.add_card_after(Some(&cards[0]), "e", "").map(drop)
    });
    pair.undo();
    let fronts = pair.fronts();
    assert_eq!((fronts[0].as_str(), fronts[3].as_str()), ("a", "d"));
}

#[test]
fn an_undo_reaches_below_the_tombstone_of_its_own_change() {
    let (mut pair, cards) = three();
    pair.edit(ME, |edit| {
        edit.tag(&cards[0], "mine")?;
        edit.set_text(&cards[0], TextField::Front, "mine")?;
        edit.delete_card(&cards[0])
    });
    pair.undo();
    let card = pair.editor.card(&cards[0]).unwrap();
    assert_eq!((card.front.as_str(), card.deleted), ("a", false));
    assert!(card.tags.is_empty());
}

#[test]
fn an_edit_that_left_nothing_is_passed_over() {
    let (mut pair, cards) = three();
    let tagged = pair.edit(ME, |edit| edit.tag(&cards[0], "x")).unwrap();
    pair.edit(ME, |edit| {
        edit.splice_text(&cards[0], TextField::Front, 1, 0, "zz")?;
        edit.splice_text(&cards[0], TextField::Front, 1, 2, "")
    });
    assert_eq!(pair.undo().reversal(), Reversal::Undo(tagged));
}

#[test]
fn the_history_tells_what_an_undo_took_back() {
    let (mut pair, cards) = three();
    let tagged = pair.edit(ME, |edit| edit.tag(&cards[0], "x")).unwrap();
    let (_, undone) = pair.take_back(Direction::Undo).unwrap();
    let entry = crate::history::entry_of(&pair.viewer, &undone, |_| None).unwrap();
    assert_eq!(entry.reversal, Some(Reversal::Undo(tagged)));
    let card = cards[0].clone();
    assert_eq!(entry.notes, [Note::CardUntag { card }]);
}

#[test]
fn an_undo_that_is_too_large_for_one_change_leaves_no_trace() {
    let (mut pair, cards) = three();
    let names: Vec<String> = (0..100).map(|number| format!("field {number}")).collect();
    for half in names.chunks(50) {
        pair.edit(OTHER, |edit| {
            half.iter().try_for_each(|name| {
                edit.set_field(&cards[0], name, Some(FieldValue::Text("x".repeat(4_000))))
            })
        });
    }
    pair.edit(ME, |edit| {
        names
            .iter()
            .try_for_each(|name| edit.set_field(&cards[0], name, None))
    });
    let before = (pair.editor.heads(), reading(&pair.editor));
    let plan = pair.plan(Direction::Undo).unwrap();
    let failed = pair
        .editor
        .commit(&ActorId::from([ME, 9]), 0, &mut || [0; 10], |edit| {
            edit.take_back(&plan)
        });
    assert_eq!(failed.map(drop), Err(OpError::ChangeTooLarge));
    assert_eq!((pair.editor.heads(), reading(&pair.editor)), before);
}
