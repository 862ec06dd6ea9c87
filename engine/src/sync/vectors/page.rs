//! That `PROTOCOL.md` says of documents and changes what is true: the schema, every op, every rule of the gate, every column.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, Value};

use super::{file, rows};
use crate::card::{AudioRef, FieldValue, TextField};
use crate::document::tests::{actor, bits, genesis};
use crate::gate::{self, Refusal};
use crate::id::{BlobId, CardId, DraftId, TermId};
use crate::op::{Note, Notes};

fn page() -> String {
    std::fs::read_to_string(file("PROTOCOL.md")).unwrap()
}

/// What stands between the first backticks of a cell.
fn quoted(cell: &str) -> &str {
    cell.split('`').nth(1).unwrap_or(cell)
}

/// A deck in which there is one of everything that a deck can have.
fn deck_of_everything() -> crate::document::Document {
    let (mut document, mut random) = (genesis(), bits());
    let audio = AudioRef {
        blob: BlobId::from_bytes([6; 32]),
        mime: "audio/wav".to_owned(),
        bytes: 1,
        duration_ms: 1,
        name: "a.wav".to_owned(),
    };
    let done = document.commit(&actor(2), 1_760_000_000_000, &mut random, |edit| {
        edit.rename_deck("Spanish")?;
        edit.describe_deck("101")?;
        let card = edit.add_card("hola", "hello")?;
        edit.splice_text(&card, TextField::named("hint")?, 0, 0, "h")?;
        edit.tag(&card, "verb")?;
        edit.attach_audio(&card, "front", audio)?;
        let values = [
            FieldValue::Bool(true),
            FieldValue::Int(-1),
            FieldValue::Float(0.5),
            FieldValue::Text("t".to_owned()),
        ];
        for (name, value) in ["a", "b", "c", "d"].into_iter().zip(values) {
            edit.set_field(&card, name, Some(value.clone()))?;
            edit.set_deck_field(name, Some(value))?;
        }
        edit.delete_card(&card)?;
        Ok(())
    });
    done.unwrap();
    document
}

/// Where something is, as the page says it, and what.
fn walk(document: &Automerge, object: &ObjId, path: &str, found: &mut BTreeSet<(String, &'static str)>) {
    for key in document.keys(object) {
        let named = match path {
            "cards" => "<card>",
            _ if path.ends_with("/texts") => "<text>",
            _ if path.ends_with("/fields") || path.ends_with("/tags") => "<name>",
            _ if path.ends_with("/audio") => "<slot>",
            _ => key.as_str(),
        };
        let here = [path, named].join("/").trim_start_matches('/').to_owned();
        let (value, id) = document.get(object, key.as_str()).unwrap().unwrap();
        let kind = match value {
            Value::Object(ObjType::Map) => {
                walk(document, &id, &here, found);
                "map"
            }
            Value::Object(ObjType::Text) => "text",
            Value::Scalar(_) if here.ends_with("/fields/<name>") => "scalar",
            Value::Scalar(scalar) => match scalar.as_ref() {
                ScalarValue::Str(_) => "string",
                ScalarValue::Uint(_) => "unsigned",
                ScalarValue::Boolean(true) => "true",
                other => panic!("{here}: {other:?}"),
            },
            Value::Object(other) => panic!("{here}: {other:?}"),
        };
        found.insert((here, kind));
    }
}

#[test]
fn the_page_lists_all_that_a_document_can_have() {
    let page = page();
    let mut found = BTreeSet::new();
    walk(deck_of_everything().automerge(), &ROOT, "", &mut found);
    let listed: BTreeSet<(String, &str)> = rows(&page, "## The document")
        .into_iter()
        .filter(|row| row[0].starts_with("`deck") && !row[0].contains('.') || row[0].starts_with("`cards"))
        .map(|row| (quoted(row[0]).to_owned(), row[1]))
        .collect();
    assert_eq!(
        listed, found,
        "on the left the page, on the right a deck of everything"
    );
}

/// One of every note.
fn notes() -> Vec<Note> {
    let card = || CardId::from_random([9; 10]);
    let (field, name, slot) = (TextField::Front, "seen".to_owned(), "front".to_owned());
    let (draft, term) = (DraftId::from_bytes([3; 32]), TermId::from_bytes([4; 32]));
    // A new one is missing here until it is on the page.
    let known = |note: &Note| match note {
        Note::DeckRename
        | Note::DeckField { .. }
        | Note::CardAdd { .. }
        | Note::CardText { .. }
        | Note::CardMove { .. }
        | Note::CardDelete { .. }
        | Note::CardRestore { .. }
        | Note::CardTag { .. }
        | Note::CardUntag { .. }
        | Note::AudioAttach { .. }
        | Note::AudioDetach { .. }
        | Note::CardField { .. }
        | Note::DraftAccept { .. }
        | Note::DraftDecline { .. }
        | Note::LateAccept { .. } => true,
    };
    let notes = vec![
        Note::DeckRename,
        Note::DeckField { name: name.clone() },
        Note::CardAdd { card: card() },
        Note::CardText { card: card(), field },
        Note::CardField { card: card(), name },
        Note::CardMove { card: card() },
        Note::CardDelete { card: card() },
        Note::CardRestore { card: card() },
        Note::CardTag { card: card() },
        Note::CardUntag { card: card() },
        Note::AudioAttach {
            card: card(),
            slot: slot.clone(),
        },
        Note::AudioDetach { card: card(), slot },
        Note::DraftAccept { draft },
        Note::DraftDecline {
            draft,
            version: 1,
            reason: String::new(),
        },
        Note::LateAccept { term },
    ];
    assert!(notes.iter().all(known));
    notes
}

#[test]
fn the_page_lists_every_op_with_its_fields_in_their_order() {
    let page = page();
    let listed: BTreeMap<String, String> = rows(&page, "## The document")
        .into_iter()
        .filter(|row| row[0].contains('.'))
        .map(|row| (quoted(row[0]).to_owned(), row[1].replace('`', "")))
        .collect();
    let mut known = BTreeMap::new();
    for note in notes() {
        let mut message = Notes::default();
        message.push(&mut BTreeSet::new(), note.clone());
        let json = message.render();
        // As they stand there: a parsed object would be in the order of the alphabet.
        let pieces: Vec<&str> = json.split("\":").collect();
        let (_, before) = pieces.split_last().unwrap();
        let keys: Vec<&str> = before
            .iter()
            .filter_map(|piece| piece.rsplit('"').next())
            .collect();
        assert_eq!(keys[0], "op");
        let fields = keys[1..].join(", ");
        known.insert(note.name().to_owned(), fields);
    }
    assert_eq!(listed, known, "on the left the page, on the right the code");
}

#[test]
fn the_page_has_a_rule_for_every_refusal_of_the_gate() {
    let page = page();
    let mut listed = BTreeSet::new();
    for row in rows(&page, "## What is taken of changes") {
        for name in row[1].split('`').skip(1).step_by(2) {
            assert!(listed.insert(name.to_owned()), "{name} twice");
        }
    }
    let source = include_str!("../../gate/mod.rs");
    let (_, rest) = source.split_once("pub enum Refusal {").unwrap();
    let (variants, _) = rest.split_once("\n}").unwrap();
    let names = variants.lines().filter_map(|line| {
        let name = line.strip_prefix("    ")?.trim_end_matches([',', '{', ' ']);
        let name = name.split('(').next()?;
        let is_one = name.starts_with(char::is_uppercase) && name.chars().all(char::is_alphanumeric);
        is_one.then(|| name.to_owned())
    });
    let mut known: BTreeSet<String> = names.collect();
    // A fault of this implementation is no rule of anybody's.
    assert!(known.remove("Fault") && known.len() > 30, "{known:?}");
    assert_eq!(listed, known, "on the left the page, on the right the code");
}

/// A chunk whose only column, an empty one, is of that kind.
fn with_column(kind: u8) -> Vec<u8> {
    let body = [
        &[0, 1, 7, 1, 1, 0, 0, 0, 1][..],
        &(if kind < 0x80 {
            vec![kind]
        } else {
            vec![kind | 0x80, 1]
        }),
        &[0],
    ]
    .concat();
    let length = u8::try_from(body.len()).unwrap();
    [&[0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1, length][..], &body].concat()
}

#[test]
fn the_page_lists_the_columns_that_a_change_may_have() {
    let page = page();
    let (_, rest) = page.split_once("are of these kinds: ").unwrap();
    let listed: Vec<u8> = rest
        .split(" |")
        .next()
        .unwrap()
        .split(", ")
        .map(|kind| kind.parse().unwrap())
        .collect();
    let foreign = |kind: u8| {
        let column = u64::from(kind);
        gate::hash_of(&with_column(kind)) == Err(Refusal::ForeignColumn { column })
    };
    let known: Vec<u8> = (1..=255).filter(|kind| !foreign(*kind)).collect();
    assert_eq!(listed, known, "on the left the page, on the right the code");
}
