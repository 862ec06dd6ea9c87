//! Entries, differences and conflicts, in a history with a draft that was accepted.

mod blame;
mod paging;
mod texts;

use std::collections::BTreeMap;

use super::*;
use crate::card::FieldValue;
use crate::document::Edit;
use crate::document::tests::{actor, audio, bits, genesis};
use crate::gate::{Kind, Line, Segment, admit};
use crate::id::CardId;
use crate::op::OpError;

const OWNER: DeviceId = DeviceId::from_bytes([1; 32]);
const GUEST: DeviceId = DeviceId::from_bytes([2; 32]);

fn who(found: &ActorId) -> Option<Writer> {
    let term = TermId::from_bytes([5; 32]);
    let draft = DraftId::from_bytes([6; 32]);
    [
        (actor(1), Writer::genesis(OWNER)),
        (actor(2), Writer::term(OWNER, term)),
        (actor(3), Writer::draft(GUEST, draft)),
    ]
    .into_iter()
    .find_map(|(actor, writer)| (actor == *found).then_some(writer))
}

/// A term of two changes, a draft on the first of them, and its acceptance; with the card.
fn merged() -> (Document, CardId, [ChangeHash; 5]) {
    merge(
        |edit, card| edit.tag(card, "new"),
        |edit, _| edit.rename_deck("x"),
    )
}

/// The same, with these edits in the draft and in the term's second change.
fn merge(
    draft: impl FnOnce(&mut Edit<'_>, &CardId) -> Result<(), OpError>,
    term: impl FnOnce(&mut Edit<'_>, &CardId) -> Result<(), OpError>,
) -> (Document, CardId, [ChangeHash; 5]) {
    let mut document = genesis();
    let mut bits = bits();
    let first = document
        .commit(&actor(2), 1_000, &mut bits, |edit| edit.add_card("hola", ""))
        .unwrap();
    let (card, base) = (first.value, first.change.unwrap().hash);
    let mut branch = document.fork_at(base).unwrap();
    let drafted = branch
        .commit(&actor(3), 3_000, &mut bits, |edit| draft(edit, &card))
        .unwrap()
        .change
        .unwrap();
    let second = document
        .commit(&actor(2), 2_000, &mut bits, |edit| term(edit, &card))
        .unwrap()
        .change
        .unwrap();
    let segment = Segment {
        line: Line {
            actor: actor(3),
            next_seq: 1,
            previous: base,
        },
        changes: vec![&drafted.bytes],
        kind: Kind::Draft,
        accepts: BTreeMap::new(),
    };
    document
        .apply(admit(&document, &[segment], drafted.hash).unwrap())
        .unwrap();
    let draft = DraftId::from_bytes([6; 32]);
    let accept = document
        .accept_draft(&actor(2), 4_000, draft, second.hash, drafted.hash)
        .unwrap()
        .change
        .unwrap();
    let hashes = [
        document.genesis_hash(),
        base,
        drafted.hash,
        second.hash,
        accept.hash,
    ];
    (document, card, hashes)
}

#[test]
fn entries_tell_who_did_what_when_and_what_merged() {
    let (document, card, [genesis, base, drafted, second, accept]) = merged();
    let all: Vec<Entry> = entries(&document, who).collect();
    let at = |hash: ChangeHash| all.iter().find(|entry| entry.hash == hash).unwrap();
    assert_eq!(all.len(), 5);
    assert_eq!((all[0].hash, all[4].hash), (accept, genesis));
    assert!(at(accept).is_merge && !at(second).is_merge);
    assert_eq!(at(accept).deps, [second, drafted]);
    assert_eq!(
        at(accept).notes,
        [Note::DraftAccept {
            draft: DraftId::from_bytes([6; 32])
        }]
    );
    assert_eq!(
        at(drafted).writer,
        Some(Writer::draft(GUEST, DraftId::from_bytes([6; 32])))
    );
    assert_eq!((at(drafted).time_ms, at(drafted).seq), (3_000, 1));
    assert_eq!(at(base).notes, [Note::CardAdd { card }]);
    assert_eq!(at(genesis).writer, Some(Writer::genesis(OWNER)));
    assert_eq!(entry_of(&document, &second, who).as_ref(), Some(at(second)));
    assert_eq!(entry_of(&document, &ChangeHash([9; 32]), who), None);
    // Everything comes before what it was made on.
    for (number, entry) in all.iter().enumerate() {
        assert!(
            entry
                .deps
                .iter()
                .all(|dep| all[number..].iter().any(|later| later.hash == *dep))
        );
    }
}

#[test]
fn a_history_can_be_laid_out_as_it_is() {
    let (document, _, hashes) = merged();
    let rows: Vec<graph::Row> =
        graph::layout(entries(&document, who).map(|entry| graph::Node::from(&entry))).collect();
    let lane = |hash: ChangeHash| rows.iter().find(|row| row.hash == hash).unwrap().lane;
    assert_ne!(lane(hashes[2]), lane(hashes[3]));
    assert_eq!(lane(hashes[3]), lane(hashes[4]));
    assert!(rows.iter().all(|row| row.width <= 2));
}

#[test]
fn a_difference_names_cards_and_nothing_else() {
    let (mut document, card, [genesis, base, drafted, second, accept]) = merged();
    let between = |document: &Document, before, after| diff(document, &[before], &[after]).unwrap();
    assert!(
        matches!(between(&document, genesis, base).as_slice(), [CardDiff::Added(added)] if added.id == card)
    );
    assert!(between(&document, base, second).is_empty());
    let tagged = between(&document, second, accept);
    assert!(
        matches!(&tagged[..], [CardDiff::Changed { before, after }] if before.tags.is_empty() && after.tags.len() == 1)
    );
    assert!(between(&document, drafted, accept).is_empty());
    let gone = document
        .commit(&actor(2), 0, &mut bits(), |edit| edit.delete_card(&card))
        .unwrap()
        .change
        .unwrap()
        .hash;
    assert!(matches!(
        between(&document, accept, gone).as_slice(),
        [CardDiff::Removed(_)]
    ));
    assert!(matches!(
        between(&document, gone, accept).as_slice(),
        [CardDiff::Added(_)]
    ));
    assert_eq!(diff(&document, &[ChangeHash([9; 32])], &[gone]), None);
}

#[test]
fn places_are_in_the_order_that_the_deck_had_at_a_point() {
    let mut document = genesis();
    let mut bits = bits();
    let mut cards = Vec::new();
    for front in ["a", "b", "c", "d"] {
        let added = document.commit(&actor(2), 0, &mut bits, |edit| edit.add_card(front, ""));
        cards.push(added.unwrap().value);
    }
    let before = document.heads();
    document
        .commit(&actor(2), 0, &mut bits, |edit| {
            edit.move_card(&cards[0], Some(&cards[2]))?;
            edit.delete_card(&cards[1])
        })
        .unwrap();
    // Whatever order they are asked in.
    cards.reverse();
    let ids = |mut places: Vec<Place>| -> Vec<CardId> {
        places.sort();
        places.into_iter().map(|place| place.card).collect()
    };
    let then: Vec<CardId> = document
        .cards_at(&before)
        .into_iter()
        .map(|card| card.id)
        .collect();
    assert_eq!(then.len(), 4);
    assert_eq!(ids(places_at(&document, &before, &cards)), then);
    let now: Vec<CardId> = document.cards().map(|card| card.id).collect();
    assert_eq!(now.len(), 3);
    assert_ne!(now, then);
    assert_eq!(ids(places(&document, &cards)), now);
    assert_eq!(ids(places_at(&document, &document.heads(), &cards)), now);
    assert!(places_at(&document, &[ChangeHash([9; 32])], &cards).is_empty());
}

/// Writes every place that can hold several values.
fn write_all(edit: &mut Edit<'_>, card: &CardId, by: i64) -> Result<(), OpError> {
    let text = format!("by {by}");
    edit.rename_deck(&text)?;
    edit.describe_deck(&text)?;
    edit.set_deck_field("n", Some(FieldValue::Int(by)))?;
    edit.set_text(card, crate::card::TextField::Back, &text)?;
    edit.tag(card, "same")?;
    edit.attach_audio(card, "front", audio(by as u8))?;
    edit.set_field(card, "n", Some(FieldValue::Int(by)))?;
    for _ in 0..by {
        // Another position on each side.
        edit.add_card_after(None, "", "")?;
        edit.move_card(card, None)?;
    }
    edit.delete_card(card)
}

#[test]
fn conflicts_name_every_value_its_writer_and_the_one_that_shows() {
    let (mut document, card, _) = merge(
        |edit, card| write_all(edit, card, 1),
        |edit, card| write_all(edit, card, 2),
    );
    let found = conflicts(&document, who);
    let places: Vec<&ConflictPlace> = found.iter().map(|conflict| &conflict.place).collect();
    let expected = [
        ConflictPlace::Title,
        ConflictPlace::Description,
        ConflictPlace::DeckField("n".into()),
        ConflictPlace::Position(card.clone()),
        ConflictPlace::Deleted(card.clone()),
        ConflictPlace::Tag(card.clone(), "same".into()),
        ConflictPlace::Audio(card.clone(), "front".into()),
        ConflictPlace::CardField(card.clone(), "n".into()),
    ];
    assert_eq!(places, expected.iter().collect::<Vec<_>>());
    let (term, draft) = (who(&actor(2)), who(&actor(3)));
    for conflict in &found {
        let writers = [&conflict.winner, &conflict.others[0]].map(|written| written.origin.writer.clone());
        assert!(
            writers == [term.clone(), draft.clone()] || writers == [draft.clone(), term.clone()],
            "{conflict:?}"
        );
        let agreed = matches!(conflict.place, ConflictPlace::Deleted(_) | ConflictPlace::Tag(..));
        assert_eq!(conflict.is_agreed(), agreed, "{conflict:?}");
    }
    // What is called the winner is what shows.
    let value = |place: &ConflictPlace| {
        let found = found.iter().find(|conflict| conflict.place == *place).unwrap();
        found.winner.value.clone()
    };
    let text = |text: &str| WrittenValue::Value(FieldValue::Text(text.to_owned()));
    let now = document.card(&card).unwrap();
    assert_eq!(value(&expected[0]), text(&document.deck().title));
    assert_eq!(value(&expected[1]), text(&document.deck().description));
    assert_eq!(
        value(&expected[2]),
        WrittenValue::Value(document.deck().fields["n"].clone())
    );
    assert_eq!(value(&expected[3]), text(&now.position));
    assert_eq!(
        value(&expected[6]),
        WrittenValue::Audio(now.audio["front"].clone())
    );
    assert_eq!(value(&expected[7]), WrittenValue::Value(now.fields["n"].clone()));

    // Writing a place again settles it.
    document
        .commit(&actor(2), 0, &mut bits(), |edit| edit.rename_deck("settled"))
        .unwrap();
    let left = conflicts(&document, who);
    assert_eq!(left.len(), found.len() - 1);
    assert!(left.iter().all(|conflict| conflict.place != ConflictPlace::Title));
}

#[test]
fn edits_of_different_places_and_of_one_text_are_no_conflict() {
    use crate::card::TextField;
    let (document, ..) = merge(
        |edit, card| edit.set_text(card, TextField::Front, "hola, draft"),
        |edit, card| {
            edit.set_text(card, TextField::Front, "term: hola")?;
            edit.tag(card, "x")
        },
    );
    assert_eq!(conflicts(&document, who), []);
}

#[test]
fn a_conflict_says_why_its_winner_shows() {
    let title = |edit: &mut Edit<'_>, _: &CardId| edit.rename_deck("longer");
    let (document, ..) = merge(title, |edit, _| edit.rename_deck("x"));
    assert_eq!(conflicts(&document, who)[0].precedence, Precedence::Name);
    let later = |edit: &mut Edit<'_>, card: &CardId| {
        edit.tag(card, "before")?;
        edit.rename_deck("later")
    };
    let (document, _, [_, _, drafted, ..]) = merge(later, |edit, _| edit.rename_deck("x"));
    let [conflict] = &conflicts(&document, who)[..] else {
        panic!("one place was written to twice");
    };
    assert_eq!(conflict.precedence, Precedence::Number);
    assert_eq!(conflict.winner.origin.entry, drafted);
    assert_eq!(conflict.others.len(), 1);
}

#[test]
fn conflicts_of_a_card_are_those_of_the_deck_that_name_it() {
    let (document, card, _) = merge(
        |edit, card| write_all(edit, card, 1),
        |edit, card| write_all(edit, card, 2),
    );
    let mut all = conflicts(&document, who);
    all.drain(..3);
    assert_eq!(conflicts_of(&document, &card, who), all);
}
