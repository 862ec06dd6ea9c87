//! Well-formed changes that mean something a deck does not allow, or not what they say.

use automerge::ObjType;
use automerge::legacy::ElementId;

use super::*;
use crate::card::{FieldValue, TextField};
use crate::document::tests::audio;
use crate::op::Note;

const RENAME: &str = r#"{"op":"deck.rename"}"#;

fn message(op: &str, card: &CardId) -> String {
    format!(r#"{{"op":"{op}","card":"{card}"}}"#)
}

fn schema(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Schema { .. })
}

/// What the gate says of one forged operation.
fn refusal(op: impl FnOnce(&Pair, &str) -> (String, Op)) -> Refusal {
    let mut pair = Pair::new();
    let card = pair.cards[0].to_string();
    let (message, op) = op(&pair, &card);
    let bytes = pair.forged(&message, vec![op]);
    pair.refused(&bytes)
}

#[test]
fn a_message_that_lies() {
    let mut pair = Pair::new();
    let (first, second) = (pair.cards[0].clone(), pair.cards[1].clone());
    let honest = pair.change(|edit| edit.delete_card(&first));
    let says = |message: String| alter_bytes(&honest, |change| change.message = Some(message));
    for message in [
        RENAME.to_owned(),
        message("card.delete", &second),
        message("card.restore", &first),
        format!(r#"{{"op":"batch","ops":[{{"op":"card.delete","card":"{first}"}},{{"op":"deck.rename"}}]}}"#),
    ] {
        let bytes = says(message);
        assert_eq!(pair.refused(&bytes), Refusal::MessageLies);
    }
}

#[test]
fn keys_that_the_schema_has_not() {
    assert!(schema(&refusal(|pair, _| (
        RENAME.into(),
        put(pair.object(&["deck"]), "owner", "me")
    ))));
    assert!(schema(&refusal(|_, _| (
        RENAME.into(),
        put(ObjectId::Root, "title", "x")
    ))));
    assert!(schema(&refusal(|pair, card| {
        (RENAME.into(), put(pair.object(&["cards", card]), "hint", "x"))
    })));
    assert!(schema(&refusal(|pair, _| (
        RENAME.into(),
        put(pair.object(&["cards"]), "x", "y")
    ))));
}

#[test]
fn values_that_a_key_cannot_have() {
    let long = "x".repeat(257);
    for value in [
        ScalarValue::Int(1),
        ScalarValue::Boolean(true),
        ScalarValue::Null,
        ScalarValue::Str("a\nb".into()),
        ScalarValue::Str(long.into()),
    ] {
        let refusal = refusal(|pair, _| (RENAME.into(), put(pair.object(&["deck"]), "title", value)));
        assert!(schema(&refusal), "{refusal:?}");
    }
    for value in [
        ScalarValue::counter(1),
        ScalarValue::Timestamp(1),
        ScalarValue::Bytes(vec![1]),
    ] {
        let refusal = refusal(|pair, _| (RENAME.into(), put(pair.object(&["deck"]), "title", value)));
        assert!(matches!(refusal, Refusal::BadColumn { .. }), "{refusal:?}");
    }
    let value = |path: &'static [&'static str], key: &'static str, value: ScalarValue| {
        refusal(|pair, card| {
            let path: Vec<&str> = path
                .iter()
                .map(|part| if *part == "*" { card } else { part })
                .collect();
            (RENAME.into(), put(pair.object(&path), key, value))
        })
    };
    assert!(schema(&value(&["cards", "*"], "position", "a/b".into())));
    assert!(schema(&value(&["cards", "*"], "position", "".into())));
    assert!(schema(&value(&["cards", "*"], "deleted", false.into())));
    assert!(schema(&value(&["cards", "*", "tags"], "x", false.into())));
    assert!(schema(&value(&["cards", "*", "tags"], "a\u{0}b", true.into())));
    assert!(schema(&value(&["cards", "*", "fields"], "x", f64::NAN.into())));
    assert!(schema(&value(
        &["cards", "*", "fields"],
        "x",
        "y".repeat(5_000).into()
    )));
    assert!(schema(&value(&["cards", "*", "audio"], "front", "x".into())));
}

#[test]
fn what_holds_the_deck_together_is_neither_replaced_nor_deleted() {
    let reference = |object: &ObjectId| match object {
        ObjectId::Id(id) => id.clone(),
        ObjectId::Root => OpId(0, some_actor(0)),
    };
    let attempts: [(&[&str], &str); 7] = [
        (&[], "cards"),
        (&[], "deck"),
        (&["cards"], "*"),
        (&["cards", "*"], "front"),
        (&["cards", "*"], "tags"),
        (&["cards", "*"], "texts"),
        (&["deck"], "fields"),
    ];
    for (path, key) in attempts {
        for action in [
            OpType::Delete,
            OpType::Put("x".into()),
            OpType::Make(ObjType::Map),
            OpType::Make(ObjType::Text),
        ] {
            let refusal = refusal(|pair, card| {
                let star = |part: &&str| {
                    if *part == "*" {
                        card.to_owned()
                    } else {
                        (*part).to_owned()
                    }
                };
                let mut whole: Vec<String> = path.iter().map(star).collect();
                let object = pair.object(&whole.iter().map(String::as_str).collect::<Vec<_>>());
                let key = star(&key);
                whole.push(key.clone());
                let target = pair.object(&whole.iter().map(String::as_str).collect::<Vec<_>>());
                (
                    RENAME.into(),
                    on(object, &key, action.clone(), vec![reference(&target)]),
                )
            });
            assert!(
                schema(&refusal) || matches!(refusal, Refusal::UnknownReference { .. }),
                "{path:?} {key} {action:?}: {refusal:?}"
            );
            // Also without saying what it replaces, which to Automerge looks like something concurrent.
            if !matches!(action, OpType::Delete) {
                let refusal = self::refusal(|pair, card| {
                    let star = |part: &&str| {
                        if *part == "*" {
                            card.to_owned()
                        } else {
                            (*part).to_owned()
                        }
                    };
                    let whole: Vec<String> = path.iter().map(star).collect();
                    let object = pair.object(&whole.iter().map(String::as_str).collect::<Vec<_>>());
                    (RENAME.into(), on(object, &star(&key), action.clone(), vec![]))
                });
                assert!(schema(&refusal), "{path:?} {key} {action:?}: {refusal:?}");
            }
        }
    }
}

#[test]
fn objects_and_references_that_are_not_there() {
    let elsewhere = refusal(|_, _| {
        (
            RENAME.into(),
            put(ObjectId::Id(OpId(5, some_actor(9))), "title", "x"),
        )
    });
    assert!(
        matches!(elsewhere, Refusal::UnknownObject { .. }),
        "{elsewhere:?}"
    );
    let no_object = refusal(|_, _| {
        (
            RENAME.into(),
            put(ObjectId::Id(OpId(17, some_actor(EDITOR))), "title", "x"),
        )
    });
    assert!(
        matches!(no_object, Refusal::UnknownObject { .. }),
        "{no_object:?}"
    );
    for id in [
        OpId(3, some_actor(EDITOR)),
        OpId(3, some_actor(9)),
        OpId(2_000, some_actor(EDITOR)),
    ] {
        let refusal = refusal(|pair, _| {
            (
                RENAME.into(),
                on(
                    pair.object(&["deck"]),
                    "title",
                    OpType::Put("x".into()),
                    vec![id.clone()],
                ),
            )
        });
        assert!(matches!(refusal, Refusal::UnknownReference { .. }), "{refusal:?}");
    }
    let nothing = refusal(|pair, card| {
        let tags = pair.object(&["cards", card, "tags"]);
        (
            message("card.untag", &pair.cards[0]),
            on(tags, "x", OpType::Delete, vec![]),
        )
    });
    assert!(matches!(nothing, Refusal::UnknownReference { .. }), "{nothing:?}");
}

#[test]
fn a_text_takes_single_characters_in_known_places_and_nothing_else() {
    let text = |alter: fn(&Pair, &mut Op)| {
        let mut pair = Pair::new();
        let card = pair.cards[0].clone();
        let honest = pair.change(|edit| edit.splice_text(&card, TextField::Back, 1, 0, "x"));
        let bytes = alter_bytes(&honest, |change| alter(&pair, &mut change.operations[0]));
        pair.refused(&bytes)
    };
    assert!(schema(&text(|_, op| op.action = OpType::Put("xy".into()))));
    assert!(schema(&text(|_, op| op.action = OpType::Put("".into()))));
    assert!(schema(&text(|_, op| op.action = OpType::Put(1.into()))));
    assert!(schema(&text(|_, op| op.action = OpType::Make(ObjType::Map))));
    assert!(schema(&text(|_, op| op.insert = false)));
    assert!(schema(&text(|_, op| op.key = Key::Map("x".into()))));
    let unknown = |refusal: &Refusal| matches!(refusal, Refusal::UnknownReference { .. });
    assert!(unknown(&text(
        |_, op| op.key = Key::Seq(ElementId::Id(OpId(3, some_actor(9))))
    )));
    // An element that is there, but in another text: Automerge panics on it.
    assert!(unknown(&text(|pair, op| {
        let ObjectId::Id(other) = pair.object(&["cards", pair.cards[0].as_str(), "front"]) else {
            return;
        };
        op.key = Key::Seq(ElementId::Id(OpId(other.0 + 4, other.1)));
    })));
    assert!(unknown(&text(|_, op| {
        op.insert = false;
        op.action = OpType::Delete;
    })));
    assert!(unknown(&text(|pair, op| {
        op.insert = false;
        op.action = OpType::Delete;
        op.key = Key::Seq(ElementId::Head);
        let ObjectId::Id(other) = pair.object(&["deck"]) else {
            return;
        };
        op.pred = vec![other].into();
    })));
}

#[test]
fn a_card_or_audio_without_all_its_parts() {
    // The card itself, six of its parts, and last its position.
    for missing in 1..7 {
        let mut pair = Pair::new();
        let honest = pair.change(|edit| edit.add_card("", "").map(|_| ()));
        let bytes = alter_bytes(&honest, |change| {
            assert_eq!(change.operations.len(), 8);
            // A second position takes the part's place, so that what follows keeps its numbers.
            let position = change.operations[7].clone();
            change.operations[missing] = position;
            change.operations[7].pred = vec![].into();
        });
        assert_eq!(pair.refused(&bytes), Refusal::Incomplete, "{missing}");
    }
    let mut pair = Pair::new();
    let honest = pair.change(|edit| edit.add_card("", "").map(|_| ()));
    let bytes = alter_bytes(&honest, |change| {
        change.operations.pop();
    });
    assert_eq!(pair.refused(&bytes), Refusal::Incomplete);
    let mut pair = Pair::new();
    let card = pair.cards[0].clone();
    let honest = pair.change(|edit| edit.attach_audio(&card, "front", audio(1)));
    let bytes = alter_bytes(&honest, |change| {
        change.operations.pop();
    });
    assert_eq!(pair.refused(&bytes), Refusal::Incomplete);
    let bytes = alter_bytes(&honest, |change| {
        change.operations[1].action = OpType::Put("../x".into())
    });
    assert!(schema(&pair.refused(&bytes)));
    let bytes = alter_bytes(&honest, |change| {
        change.operations[5].action = OpType::Put("../x".into())
    });
    assert!(schema(&pair.refused(&bytes)));
}

#[test]
fn audio_is_replaced_as_a_whole_and_never_edited() {
    let mut pair = Pair::new();
    let card = pair.cards[0].clone();
    let bytes = pair.change(|edit| edit.attach_audio(&card, "front", audio(1)));
    pair.viewer.apply(pair.admit(&bytes).unwrap()).unwrap();
    pair.editor.restore_more([bytes.as_slice()]).unwrap();
    pair.next_seq += 1;
    let slot = pair.object(&["cards", card.as_str(), "audio", "front"]);
    let note = Note::AudioAttach {
        card,
        slot: "front".into(),
    };
    let message = format!(
        r#"{{"op":"audio.attach","card":"{}","slot":"front"}}"#,
        note.card().unwrap()
    );
    let bytes = pair.forged(&message, vec![put(slot, "name", "other.webm")]);
    assert!(schema(&pair.refused(&bytes)));
}

#[test]
fn an_object_that_left_with_its_change_is_forgotten() {
    let mut pair = Pair::new();
    let before = pair.viewer.heads()[0];
    let added = pair.change(|edit| edit.add_card("third", "").map(drop));
    let admitted = pair.admit(&added).unwrap();
    pair.viewer.apply(admitted).unwrap();
    let third = pair.viewer.cards().last().unwrap().id;
    let fields = pair.object(&["cards", third.as_str(), "fields"]);

    // The path turned, and the card is on no path any more.
    pair.viewer = pair.viewer.fork_at(before).unwrap();
    let first = pair.cards[0].clone();
    let honest = pair.change(|edit| edit.set_field(&first, "seen", Some(FieldValue::Bool(true))));
    let honest = Change::try_from(honest.as_slice()).unwrap();
    let message = honest.message().unwrap().replace(first.as_str(), third.as_str());
    let hostile = pair.forged(&message, vec![put(fields, "seen", true)]);
    let refusal = pair.refused(&hostile);
    assert!(matches!(refusal, Refusal::UnknownObject { .. }), "{refusal:?}");
}
