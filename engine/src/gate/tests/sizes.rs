//! What is too much of something that is right in itself.

use std::collections::BTreeSet;

use super::*;
use crate::document::DeckChange;
use crate::document::tests::fill_with_cards;
use crate::limits::{
    CARDS_MOVED_UP_MAX, CHANGE_BYTES_MAX, DECK_CARDS_MAX, POSITION_BYTES_CROWDED, POSITION_BYTES_MAX,
    SLICE_BYTES_MAX,
};
use crate::op::OpError;

#[test]
fn too_many_bytes_of_changes_at_a_time() {
    let pair = Pair::new();
    let change = vec![0; CHANGE_BYTES_MAX];
    let most = SLICE_BYTES_MAX / CHANGE_BYTES_MAX;
    let says = |changes: Vec<&[u8]>| {
        let segment = segment(pair.line(), changes);
        admit(&pair.viewer, &[segment], ChangeHash([0; 32]))
            .map(drop)
            .unwrap_err()
    };
    assert_ne!(says(vec![&change; most]), Refusal::TooMuchAtOnce);
    let mut more = vec![change.as_slice(); most];
    more.push(&[0]);
    assert_eq!(says(more), Refusal::TooMuchAtOnce);
}

#[test]
fn a_card_too_many() {
    let mut pair = Pair::new();
    let card = pair.change(|edit| edit.add_card("one more", "").map(drop));
    fill_with_cards(&mut pair.viewer, DECK_CARDS_MAX - 1);
    pair.admit(&card).map(drop).unwrap();
    fill_with_cards(&mut pair.viewer, DECK_CARDS_MAX);
    assert_eq!(pair.admit(&card).map(drop), Err(Refusal::TooManyCards));
    // The editor's own edit says so first.
    fill_with_cards(&mut pair.editor, DECK_CARDS_MAX);
    let made = pair
        .editor
        .commit(&actor(EDITOR), 3_000, &mut || [0x66; 10], |edit| {
            edit.add_card("one more", "").map(drop)
        });
    assert!(matches!(made, Err(OpError::TooManyCards)), "{made:?}");
}

/// Positions that a hostile device chose, each as long as it may be while cards behind are not yet moved.
#[test]
fn cards_that_stand_too_close_are_moved_up_and_only_so_many_for_one() {
    let mut pair = Pair::new();
    let count = CARDS_MOVED_UP_MAX + 100;
    let honest = pair.change(|edit| (0..count).try_for_each(|_| edit.add_card("", "").map(drop)));
    let mut number = 0;
    let crowded = alter_bytes(&honest, |change| {
        for op in &mut change.operations {
            if let (Key::Map(key), OpType::Put(value)) = (&op.key, &mut op.action)
                && key == "position"
            {
                number += 1;
                let prefix = "y".repeat(POSITION_BYTES_CROWDED);
                *value = format!("{prefix}{number:03}1").as_str().into();
            }
        }
    });
    assert_eq!(number, count);
    let admitted = pair.admit(&crowded).unwrap();
    pair.viewer.apply(admitted).unwrap();
    let before: Vec<CardId> = pair.viewer.cards().map(|card| card.id).collect();
    // Behind the first of them: there is no short place before the second.
    let at = before.len() - count;
    let made = pair
        .viewer
        .commit(&actor(9), 4_000, &mut || [0x77; 10], |edit| {
            edit.add_card_after(Some(&before[at]), "between", "")
        })
        .unwrap();
    let moved: BTreeSet<&CardId> = made
        .events
        .iter()
        .filter_map(|event| match event {
            DeckChange::CardMoved { card, .. } => Some(card),
            _ => None,
        })
        .collect();
    assert_eq!(moved.len(), CARDS_MOVED_UP_MAX);
    let mut expected = before.clone();
    expected.insert(at + 1, made.value);
    let after: Vec<CardId> = pair.viewer.cards().map(|card| card.id).collect();
    assert!(
        after == expected,
        "each stands where it stood, and the new one where it was put"
    );
}

#[test]
fn a_position_that_is_too_long() {
    for (bytes, is_right) in [(POSITION_BYTES_MAX, true), (POSITION_BYTES_MAX + 1, false)] {
        let mut pair = Pair::new();
        let card = pair.cards[0].clone();
        let moved = pair.change(|edit| edit.move_card(&card, Some(&edit.cards().last().unwrap().id)));
        let long = alter_bytes(&moved, |change| {
            for op in &mut change.operations {
                if let OpType::Put(value) = &mut op.action {
                    *value = "y".repeat(bytes).as_str().into();
                }
            }
        });
        assert_eq!(pair.admit(&long).is_ok(), is_right, "{bytes}");
    }
}
