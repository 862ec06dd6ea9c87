//! The test vectors of the wire, and that `PROTOCOL.md` says what is true: every message and record in its tables, with
//! its number and its fields, and every limit.
//!
//! After a change of the wire that is meant, write them anew, and read the difference:
//!
//! ```sh
//! CUECARD_WRITE_VECTORS=1 cargo test -p cuecard --features sim --lib vectors
//! ```

mod derived;
mod messages;
mod page;
mod records;
#[cfg(feature = "sim")]
mod session;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use self::messages::samples;
use self::records::{deck, device, records};
use crate::card::{FieldValue, TextField};
use crate::document::tests::{actor, bits, genesis};
use crate::limits;
use crate::sync::envelope;
use crate::sync::message::{Item, Message};
use crate::sync::packed::pack;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}
/// The number of a message, and how many fields it has.
fn shape(message: &Message) -> (u64, u64) {
    let bytes = minicbor::to_vec(message).unwrap();
    let mut from = minicbor::Decoder::new(&bytes);
    assert_eq!(from.array().unwrap(), Some(2), "a number and its fields");
    let number = from.u64().unwrap();
    (number, from.array().unwrap().unwrap())
}

fn vectors() -> Value {
    let messages = samples().into_iter().map(|message| {
        let bytes = minicbor::to_vec(&message).unwrap();
        json!({
            "name": message.name(),
            "number": shape(&message).0,
            "cbor": hex(&bytes),
        })
    });
    let record = |(name, purpose, bytes): (&str, &str, Vec<u8>)| match purpose {
        "" => json!({ "name": name, "bytes": hex(bytes) }),
        _ => {
            let body = &bytes[..bytes.len() - 64];
            let signed = [purpose.as_bytes(), &[0], deck().as_bytes(), body].concat();
            let signature: [u8; 64] = bytes[bytes.len() - 64..].try_into().unwrap();
            assert!(
                device(1).verify(&signed, &signature),
                "{name} is not signed as the page says"
            );
            json!({ "name": name, "purpose": purpose, "bytes": hex(&bytes), "signed": hex(signed) })
        }
    };
    let small = Message::Lack { transfer: 7 };
    let large = Message::Entries {
        deck: deck(),
        items: vec![Item::Genesis(vec![0x5a; 4_000].into())],
    };
    json!({
        "about": "Test vectors of PROTOCOL.md. Written by: CUECARD_WRITE_VECTORS=1 cargo test -p cuecard --lib vectors",
        "devices": (1..=3).map(|number| json!({ "secret": hex([number; 32]), "id": hex(device(number).as_bytes()) }))
            .collect::<Vec<_>>(),
        "deck": hex(deck().as_bytes()),
        "records": records().into_iter().map(record).collect::<Vec<_>>(),
        "messages": messages.collect::<Vec<_>>(),
        "envelopes": [
            { "holds": "Lack", "bytes": hex(envelope::seal_up(&small)) },
            { "holds": "Entries with 4,000 equal bytes", "cbor": hex(minicbor::to_vec(&large).unwrap()),
              "bytes": hex(envelope::seal_up(&large)) },
        ],
        "packed": {
            "changes": to_pack().iter().map(hex).collect::<Vec<_>>(),
            "bytes": hex(pack(to_pack().iter().map(Vec::as_slice))),
        },
        "genesis": derived::genesis(),
        "names": derived::names(),
        "digests": derived::digests(),
        "proofs": derived::proofs(),
        "invites": derived::invites(),
        "key_wrap": derived::key_wrap(),
        "frames": derived::frames(),
    })
}

/// A new card, two edits of a text and two of a field, and something that is no change.
fn to_pack() -> Vec<Vec<u8>> {
    let (mut document, mut random) = (genesis(), bits());
    let mut changes = Vec::new();
    let mut card = None;
    for at in 0..5 {
        let committed = document.commit(&actor(2), 1_760_000_000_000 + 700 * at, &mut random, |edit| {
            let Some(card) = card.clone() else {
                return edit.add_card("hola", "hello").map(Some);
            };
            match at {
                1 | 2 => edit.splice_text(&card, TextField::Back, 4 + at as usize, 0, "!")?,
                _ => edit.set_field(&card, "seen", Some(FieldValue::Int(at as i64)))?,
            }
            Ok(None)
        });
        let committed = committed.unwrap();
        card = card.or(committed.value);
        changes.push(committed.change.unwrap().bytes);
    }
    changes.push(vec![1, 2, 3]);
    changes
}

#[test]
fn the_wire_is_what_the_vectors_say() {
    let vectors = vectors();
    let file = file("protocol-vectors.json");
    if std::env::var_os("CUECARD_WRITE_VECTORS").is_some() {
        std::fs::write(&file, serde_json::to_string_pretty(&vectors).unwrap() + "\n").unwrap();
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for part in [
        "devices",
        "deck",
        "records",
        "messages",
        "envelopes",
        "packed",
        "genesis",
        "names",
        "digests",
        "proofs",
        "invites",
        "key_wrap",
        "frames",
    ] {
        assert_eq!(
            kept[part], vectors[part],
            "{part}: the wire has changed; see the head of this file"
        );
    }
    for message in kept["messages"].as_array().unwrap() {
        let bytes = [vec![0], unhex(message["cbor"].as_str().unwrap())].concat();
        let read = envelope::open(&bytes).unwrap();
        assert_eq!(read.name(), message["name"].as_str().unwrap());
        assert_eq!(minicbor::to_vec(&read).unwrap(), bytes[1..]);
    }
    for envelope in kept["envelopes"].as_array().unwrap() {
        envelope::open(&unhex(envelope["bytes"].as_str().unwrap())).unwrap();
    }
}

#[test]
fn what_is_not_known_is_refused_or_skipped_as_the_page_says() {
    let open = |hex: &str| envelope::open(&unhex(hex));
    let lack = Message::Lack { transfer: 7 };
    assert_eq!(open("0082078107"), Ok(lack.clone()), "[7, [7]]");
    assert_eq!(open("008207820718ff"), Ok(lack.clone()), "a field more");
    assert_eq!(open("0082079f07ff"), Ok(lack), "an array without a length");
    assert!(open("00820780").is_err(), "a field less");
    assert!(
        open("0082186381 07".replace(' ', "").as_str()).is_err(),
        "message 99"
    );
    assert!(open("02").is_err(), "an unknown tag");
}

/// The rows of the tables of `PROTOCOL.md` that begin so: the cells of each.
fn rows<'a>(page: &'a str, begin: &str) -> Vec<Vec<&'a str>> {
    let section = page
        .split(begin)
        .nth(1)
        .unwrap_or_else(|| panic!("no section {begin}"));
    let section = section.split("\n## ").next().unwrap();
    let lines = section
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| number"));
    let cells = |line: &'a str| line.trim_matches('|').split('|').map(str::trim).collect();
    lines.map(cells).collect()
}

#[test]
fn the_page_lists_every_message_with_its_number_and_its_fields() {
    let page = std::fs::read_to_string(file("PROTOCOL.md")).unwrap();
    let mut listed = BTreeMap::new();
    for row in rows(&page, "## Messages") {
        let [number, name, fields, ..] = row[..] else {
            panic!("{row:?}")
        };
        let count = fields.split(',').filter(|field| !field.is_empty()).count() as u64;
        listed.insert(
            name.trim_matches('`').to_owned(),
            (number.parse::<u64>().unwrap(), count),
        );
    }
    let mut known: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for message in samples() {
        // What is none at the end is left out, so the longest one counts.
        let shape = shape(&message);
        let entry = known.entry(message.name().to_owned()).or_insert(shape);
        *entry = shape.max(*entry);
    }
    assert_eq!(listed, known, "on the left the page, on the right the code");
}

#[test]
fn the_page_lists_every_record_with_its_kind_and_its_purpose() {
    let page = std::fs::read_to_string(file("PROTOCOL.md")).unwrap();
    let rows = rows(&page, "## Records");
    for (name, purpose, bytes) in records() {
        let short = name.split(':').next().unwrap();
        let row = rows.iter().find(|row| row.get(1) == Some(&short));
        let row = row.unwrap_or_else(|| panic!("{short} is not on the page"));
        assert_eq!(row[0].parse::<u8>(), Ok(bytes[0]), "the kind of {short}");
        let said = row[2].trim_matches('`').trim_matches('-');
        assert_eq!(said, purpose, "the purpose of {short}");
        assert_eq!(bytes[1], 0, "the version of {short}");
    }
}

#[test]
fn the_page_says_the_limits_as_they_are() {
    let page = std::fs::read_to_string(file("PROTOCOL.md")).unwrap();
    let known: BTreeMap<&str, u64> = BTreeMap::from([
        ("a message, inflated", limits::MESSAGE_BYTES_MAX as u64),
        ("one change", limits::CHANGE_BYTES_MAX as u64),
        ("operations in one change", limits::CHANGE_OPS_MAX as u64),
        ("changes in one slice", limits::SLICE_CHANGES_MAX as u64),
        ("bytes of changes in one slice", limits::SLICE_BYTES_MAX as u64),
        (
            "slices on their way before an answer",
            limits::SLICES_UNACKED_MAX as u64,
        ),
        (
            "bytes of slices on their way before an answer",
            limits::UNACKED_BYTES_MAX as u64,
        ),
        ("changes checked together", limits::SLICE_BYTES_MAX as u64),
        ("references of one change's operations", limits::REFERENCES_MAX),
        ("the message of a change", limits::CHANGE_MESSAGE_BYTES_MAX as u64),
        ("operations in a deck", limits::DECK_OPS_MAX),
        (
            "changes in a deck: all cuts on the way to a term, and its own",
            limits::DECK_CHANGES_MAX,
        ),
        ("cards in a deck", limits::DECK_CARDS_MAX as u64),
        ("terms in a deck", limits::DECK_TERMS_MAX as u64),
        ("a text of a card", limits::TEXT_BYTES_MAX as u64),
        ("further texts of a card", limits::CARD_TEXTS_MAX as u64),
        ("a text in a free field", limits::FIELD_BYTES_MAX as u64),
        ("a position", limits::POSITION_BYTES_MAX as u64),
        ("positions in a locator", limits::LOCATOR_POSITIONS_MAX as u64),
        ("holdings in one message", limits::HOLDINGS_MAX as u64),
        ("parts in one message", limits::ITEMS_PER_MESSAGE_MAX as u64),
        ("marks of drafts in one message", limits::DRAFT_MARKS_MAX as u64),
        ("changes in one draft", limits::DRAFT_CHANGES_MAX),
        ("charters in one message", limits::CHARTERS_MAX as u64),
        ("members in a charter", limits::MEMBERS_MAX as u64),
        ("decks on one link", limits::DECKS_PER_LINK_MAX as u64),
        ("a name", limits::NAME_BYTES_MAX as u64),
        ("a note", limits::NOTE_BYTES_MAX as u64),
        ("a word about the role", limits::WORD_BYTES_MAX as u64),
        (
            "words of one device in a second",
            u64::from(limits::WORDS_PER_SECOND_MAX),
        ),
        ("a presence", limits::PRESENCE_BYTES_MAX as u64),
        (
            "presences of one device in a second",
            u64::from(limits::PRESENCES_PER_SECOND_MAX),
        ),
        ("devices in one doubt", limits::DOUBTED_MAX as u64),
        (
            "doubts by one link in a second",
            u64::from(limits::DOUBTS_PER_SECOND_MAX),
        ),
        ("a playback", limits::PLAYBACK_BYTES_MAX as u64),
        (
            "playbacks by one link in a second",
            u64::from(limits::PLAYBACKS_PER_SECOND_MAX),
        ),
        (
            "pings by one link in a second",
            u64::from(limits::PINGS_PER_SECOND_MAX),
        ),
        ("one piece of audio", limits::BLOB_BYTES_MAX),
    ]);
    let listed = numbers(&page, "## Limits");
    assert_eq!(listed, known, "on the left the page, on the right the code");
}

#[test]
fn the_page_says_the_times_as_they_are() {
    let page = std::fs::read_to_string(file("PROTOCOL.md")).unwrap();
    let (listed, known) = (numbers(&page, "## Times"), crate::core::timers::timers());
    assert_eq!(listed, known, "on the left the page, on the right the code");
}

/// What a table lists, and the number of each.
fn numbers<'a>(page: &'a str, begin: &str) -> BTreeMap<&'a str, u64> {
    let mut listed = BTreeMap::new();
    for row in rows(page, begin) {
        let [what, number, ..] = row[..] else {
            panic!("{row:?}")
        };
        if what != "what" {
            listed.insert(what, number.replace(',', "").parse::<u64>().unwrap());
        }
    }
    listed
}
