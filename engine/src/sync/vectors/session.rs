//! What two devices say to each other, from the first word to a live edit: written by the simulator, kept in
//! `protocol-session.json`, and told on the page.

use std::fmt::Write;
use std::time::Duration;

use cuecard_transport::Lane;
use cuecard_transport::memory::Conditions;
use minicbor::Decoder;
use minicbor::data::Type;
use serde_json::{Value, json};

use super::{file, hex, unhex};
use crate::core::deck_proof;
use crate::document::Document;
use crate::role::{Member, Rights, actor_of_genesis};
use crate::sim::{Peer, Sim};
use crate::sync::envelope;
use crate::sync::message::{Item, Message};

/// An odd one: in the others logs are compacted all the time.
const SEED: u64 = 7;
/// The line of the page before and after what is told there.
const FENCE: &str = "```text";

/// A laptop has a deck with a card in it, and a phone follows it as a member that may read. They are linked; when both have
/// the same, the laptop edits the card.
fn world() -> Value {
    let mut sim = Sim::new(SEED);
    let (laptop, phone) = (sim.device("laptop"), sim.device("phone"));
    let member = Member {
        device: sim.id(phone),
        rights: Rights::Read,
        rank: 1,
    };
    let created = sim.act(laptop, |core, now| core.create_deck(now, "Spanish 101"));
    let deck = created.unwrap().unwrap().value;
    let card = sim.act(laptop, |core, now| {
        core.edit(now, deck, |edit| edit.add_card("hola", "hello"))
    });
    let card = card.unwrap().unwrap().value;
    sim.act(laptop, |core, now| core.set_members(now, deck, vec![member]))
        .unwrap()
        .unwrap();
    let key = sim.act(laptop, |core, _| core.deck_key(deck)).unwrap().unwrap();
    sim.act(phone, |core, now| core.join_deck(now, deck, key));
    sim.run_for(Duration::from_secs(1));

    sim.record();
    sim.connect(
        laptop,
        phone,
        Conditions {
            latency: Duration::from_millis(20),
            ..Conditions::default()
        },
    );
    sim.run_for(Duration::from_millis(200));
    let edited = sim.act(laptop, |core, now| {
        core.edit(now, deck, |edit| {
            edit.set_field(&card, "seen", Some(crate::card::FieldValue::Int(1)))
        })
    });
    edited.unwrap().unwrap();
    sim.run_for(Duration::from_millis(40));
    assert_eq!(sim.head(laptop, deck), sim.head(phone, deck));

    // The simulator's links are numbered, and their transcripts are hashes of the next number.
    let transcript = *blake3::hash(&4_u64.to_le_bytes()).as_bytes();
    let names = |peer: Peer| if peer == laptop { "laptop" } else { "phone" };
    let mut said = Vec::new();
    for (&speaker, (lane, bytes)) in sim.speakers().iter().zip(sim.recorded()) {
        assert_eq!(*lane, Lane::Control, "there is no audio");
        let message = envelope::open(bytes).unwrap();
        if let Message::Greet { proofs, .. } = &message {
            let proof = deck_proof(&key, deck, &transcript, sim.id(speaker));
            assert!(proofs.contains(&proof), "it shows the deck");
        }
        said.push(json!({ "from": names(speaker), "name": message.name(), "bytes": hex(bytes) }));
    }
    let device = |peer| {
        let key = sim.key(peer).unwrap();
        json!({ "name": names(peer), "secret": hex(*key.to_bytes()), "id": hex(key.id().as_bytes()) })
    };
    json!({
        "about": "The worked session of PROTOCOL.md. Written by: CUECARD_WRITE_VECTORS=1 cargo test -p cuecard --features sim --lib vectors",
        "devices": [device(laptop), device(phone)],
        "deck": hex(deck.as_bytes()), "key": hex(key), "transcript": hex(transcript),
        "head": hex(sim.head(phone, deck).unwrap().0), "said": said,
    })
}

/// A session as the page tells it: who says what, field by field.
fn told(session: &Value) -> String {
    let mut text = String::new();
    for said in session["said"].as_array().unwrap() {
        let bytes = unhex(said["bytes"].as_str().unwrap());
        let message = envelope::open(&bytes).unwrap();
        let cbor = minicbor::to_vec(&message).unwrap();
        let mut from = Decoder::new(&cbor);
        assert_eq!(from.array().unwrap(), Some(2));
        let number = from.u64().unwrap();
        let (who, what) = (said["from"].as_str().unwrap(), said["name"].as_str().unwrap());
        let _ = writeln!(
            text,
            "{who}: {number} {what}, {} bytes, {} of CBOR",
            bytes.len(),
            cbor.len()
        );
        for _ in 0..from.array().unwrap().unwrap() {
            let _ = writeln!(text, "    {}", value(&mut from));
        }
    }
    text
}

/// One value of CBOR, of long ones how they begin.
fn value(from: &mut Decoder<'_>) -> String {
    const SHOWN: usize = 4;
    match from.datatype().unwrap() {
        Type::Bytes => {
            let bytes = from.bytes().unwrap();
            match bytes.len() {
                0..=8 => format!("h'{}'", hex(bytes)),
                length => format!("h'{}..' ({length} bytes)", hex(&bytes[..SHOWN])),
            }
        }
        Type::String => format!("{:?}", from.str().unwrap()),
        Type::Null => {
            from.null().unwrap();
            "null".to_owned()
        }
        Type::Bool => from.bool().unwrap().to_string(),
        Type::Array => {
            let length = from.array().unwrap().unwrap();
            let values: Vec<String> = (0..length).map(|_| value(from)).collect();
            match values.get(SHOWN..) {
                Some(rest @ [_, ..]) => format!("[{}, and {} more]", values[..SHOWN].join(", "), rest.len()),
                _ => format!("[{}]", values.join(", ")),
            }
        }
        _ => from.i64().unwrap().to_string(),
    }
}

#[test]
fn the_worked_session_is_what_the_simulator_says_and_what_the_page_tells() {
    let (session, kept) = (world(), file("protocol-session.json"));
    let page = std::fs::read_to_string(file("PROTOCOL.md")).unwrap();
    let (before, rest) = page.split_once("## A session").unwrap();
    let (words, rest) = rest.split_once(FENCE).unwrap();
    let (_, after) = rest.split_once("```").unwrap();
    let anew = format!("{before}## A session{words}{FENCE}\n{}```{after}", told(&session));
    if std::env::var_os("CUECARD_WRITE_VECTORS").is_some() {
        std::fs::write(&kept, serde_json::to_string_pretty(&session).unwrap() + "\n").unwrap();
        std::fs::write(file("PROTOCOL.md"), &anew).unwrap();
        return;
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
    assert_eq!(
        kept, session,
        "the conversation has changed; see the head of `vectors.rs`"
    );
    assert_eq!(page, anew, "the page tells another session");
}

#[test]
fn the_worked_session_has_the_steps_that_the_page_speaks_of() {
    let session = world();
    let said: Vec<(&str, Message)> = session["said"]
        .as_array()
        .unwrap()
        .iter()
        .map(|said| {
            (
                said["from"].as_str().unwrap(),
                envelope::open(&unhex(said["bytes"].as_str().unwrap())).unwrap(),
            )
        })
        .collect();
    let steps: Vec<(&str, &str)> = said
        .iter()
        .map(|(from, message)| (*from, message.name()))
        .collect();
    let after = |from: usize, step: (&str, &str)| {
        let at = steps.iter().skip(from).position(|said| *said == step);
        from + at.unwrap_or_else(|| panic!("no {step:?} after {from} in {steps:?}")) + 1
    };
    for name in ["Greet", "Status"] {
        after(0, ("laptop", name));
        after(0, ("phone", name));
    }
    let first = after(0, ("laptop", "Entries"));
    let acknowledged = after(first, ("phone", "Ack"));
    let edit = after(acknowledged, ("laptop", "Entries"));
    after(edit, ("phone", "Ack"));
    // The first change is in no message: its hash is where term 0 starts, and what the first slice follows.
    let Message::Entries { items, .. } = &said[first - 1].1 else {
        unreachable!()
    };
    let Item::Genesis(genesis) = &items[0] else {
        panic!("{items:?}")
    };
    let genesis = crate::role::Genesis::decode(genesis).unwrap();
    let document = Document::genesis(actor_of_genesis(genesis.deck_id()), genesis.created_ms);
    let follows = items.iter().find_map(|item| match item {
        Item::Changes { from: 1, after, .. } => Some(*after),
        _ => None,
    });
    assert_eq!(follows, Some(document.genesis_hash()));
}
