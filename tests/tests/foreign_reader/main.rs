//! Another Automerge, the one in JavaScript, reads what we export: every card, and a history whose messages say what was
//! done. What it writes in a draft comes through the gate where it keeps the rules, and is refused by name where not.
//!
//! It runs in Node, by the scripts in `tests/foreign`; `npm ci --prefix tests/foreign` installs it. Without either this
//! says loudly that it was skipped, and with `CUECARD_REQUIRE_NODE=1` it fails.

mod node;

use std::io::Cursor;

use cuecard::card::{FieldValue, TextField};
use cuecard::gate::Refusal;
use cuecard::{AudioAbout, Card, CardId, Deck, Draft, DraftError, Engine, Event, Member, Rights};
use cuecard_tests::engines::{link, until, until_so};
use serde_json::{Map, Value, json};

/// A card as the schema says it lies in the document.
fn in_document(card: &Card) -> Value {
    let audio: Map<String, Value> = card
        .audio
        .iter()
        .map(|(slot, audio)| {
            let about = json!({
                "blob": audio.blob.to_string(),
                "mime": audio.mime,
                "bytes": audio.bytes,
                "duration_ms": audio.duration_ms,
                "name": audio.name,
            });
            (slot.clone(), about)
        })
        .collect();
    let texts: Map<String, Value> = card
        .texts
        .iter()
        .map(|(name, text)| (name.to_string(), json!(text)))
        .collect();
    let tags: Map<String, Value> = card.tags.iter().map(|tag| (tag.clone(), json!(true))).collect();
    let mut read = json!({
        "id": card.id.to_string(),
        "front": card.front,
        "back": card.back,
        "texts": texts,
        "position": card.position,
        "tags": tags,
        "audio": audio,
        "fields": fields(&card.fields),
    });
    if card.deleted {
        read["deleted"] = json!(true);
    }
    read
}

fn fields(fields: &std::collections::BTreeMap<String, FieldValue>) -> Map<String, Value> {
    let value = |value: &FieldValue| match value {
        FieldValue::Bool(value) => json!(value),
        FieldValue::Int(value) => json!(value),
        FieldValue::Float(value) => json!(value),
        FieldValue::Text(value) => json!(value),
    };
    fields
        .iter()
        .map(|(name, field)| (name.clone(), value(field)))
        .collect()
}

/// A deck with everything that a deck can have: by two devices, with a draft accepted, a change undone, a card deleted.
async fn deck_with_everything(laptop: &Engine, phone: &Engine) -> (Deck, Vec<CardId>) {
    let deck = laptop.create_deck("Spanish 101 — ñ 🙂").await.unwrap();
    let member = Member {
        device: phone.device(),
        rights: Rights::Draft,
        rank: 1,
    };
    deck.set_members(vec![member]).await.unwrap();
    let about = AudioAbout {
        mime: "audio/webm".to_owned(),
        name: "hola.webm".to_owned(),
        duration_ms: 700,
    };
    let audio = deck
        .import_audio(Cursor::new(vec![7; 5_000]), about)
        .await
        .unwrap();
    let (hola, adios, gone) = deck
        .edit(|edit| {
            edit.describe_deck("What one says first.")?;
            edit.set_deck_field("language", Some(FieldValue::Text("es".to_owned())))?;
            let hola = edit.add_card("hola", "hello")?;
            let adios = edit.add_card("adiós", "goodbye")?;
            let gone = edit.add_card("gone", "deleted, and still there for whoever looks")?;
            edit.attach_audio(&hola, "front", audio)?;
            Ok((hola, adios, gone))
        })
        .await
        .unwrap();
    let note = TextField::named("hint").unwrap();
    deck.edit(|edit| edit.set_text(&hola, note, "wave a hand 👋🏽"))
        .await
        .unwrap();
    deck.edit(|edit| edit.splice_text(&hola, TextField::Back, 5, 0, ", hi"))
        .await
        .unwrap();
    deck.edit(|edit| {
        edit.tag(&hola, "greetings")?;
        edit.tag(&hola, "lección 1")?;
        edit.set_field(&hola, "seen", Some(FieldValue::Int(-3)))?;
        edit.set_field(&hola, "ease", Some(FieldValue::Float(2.5)))?;
        edit.set_field(&hola, "hard", Some(FieldValue::Bool(false)))
    })
    .await
    .unwrap();
    deck.edit(|edit| edit.untag(&hola, "lección 1")).await.unwrap();
    deck.edit(|edit| edit.move_card(&adios, None)).await.unwrap();
    deck.edit(|edit| edit.delete_card(&gone)).await.unwrap();
    deck.edit(|edit| edit.set_text(&adios, TextField::Front, "hasta luego"))
        .await
        .unwrap();
    deck.undo().await.unwrap();
    // The other device's draft, on its own branch until it is merged.
    let mut events = laptop.events();
    let mut arrived = phone.events();
    let copy = phone.join(&deck.invite(Rights::Draft).unwrap()).await.unwrap();
    link(laptop, phone);
    until_so(&mut arrived, "the deck", || copy.head().ok() == deck.head().ok()).await;
    let draft = copy.draft("more of them").await.unwrap();
    let added = draft
        .edit(|edit| edit.add_card("el mar", "the sea"))
        .await
        .unwrap();
    deck.edit(|edit| edit.tag(&adios, "greetings")).await.unwrap();
    draft.propose().await.unwrap();
    until(&mut events, "the draft", |event| {
        matches!(event, Event::DraftProposed { .. })
    })
    .await;
    deck.accept_draft(draft.id()).await.unwrap();
    (deck, vec![hola, adios, gone, added])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_automerge_reads_every_card_and_the_history() {
    if !node::is_there("another_automerge_reads_every_card_and_the_history") {
        return;
    }
    let (laptop, phone) = (
        Engine::in_memory("laptop").unwrap(),
        Engine::in_memory("phone").unwrap(),
    );
    let (deck, cards) = deck_with_everything(&laptop, &phone).await;
    let read = node::read(&deck.automerge_document().unwrap());

    assert_eq!(
        read["heads"],
        json!([deck.head().unwrap().to_string()]),
        "the same point"
    );
    let info = deck.info().unwrap();
    let said = json!({ "deck": { "title": info.title, "description": info.description, "fields": fields(&info.fields) } });
    assert_eq!(read["root"], said);
    let mut here: Vec<Card> = cards
        .iter()
        .map(|card| deck.card(card).unwrap().expect("it is here"))
        .collect();
    here.sort_by_key(|card| (card.position.clone(), card.id.clone()));
    let here: Vec<Value> = here.iter().map(in_document).collect();
    assert_eq!(read["cards"], json!(here), "card by card");
    let living: Vec<CardId> = deck.card_ids().unwrap();
    let there: Vec<&str> = read["cards"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|card| card.get("deleted").is_none())
        .map(|card| card["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        there,
        living.iter().map(CardId::as_str).collect::<Vec<_>>(),
        "in the same order"
    );

    history_is_legible(&deck, &read, &cards);
}

/// Entry by entry: what the foreign reader shows is what ours shows.
fn history_is_legible(deck: &Deck, read: &Value, cards: &[CardId]) {
    let there = read["history"].as_array().unwrap();
    let mut here: Vec<_> = deck.history().unwrap().collect();
    assert_eq!(there.len(), here.len());
    for change in there {
        let hash = change["hash"].as_str().unwrap();
        let at = here.iter().position(|entry| entry.hash.to_string() == hash);
        let entry = here.remove(at.unwrap_or_else(|| panic!("{hash} is no entry here")));
        assert_eq!(change["time"].as_u64().unwrap() * 1000, entry.time_ms);
        assert_eq!(change["seq"], json!(entry.seq));
        let message = &change["message"];
        if entry.notes.is_empty() {
            assert_eq!(*message, Value::Null, "only the genesis says nothing");
            continue;
        }
        let ops = message["ops"]
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![message.clone()]);
        let names: Vec<_> = ops.iter().map(|op| op["op"].as_str().unwrap()).collect();
        let ours: Vec<_> = entry.notes.iter().map(cuecard::op::Note::name).collect();
        assert_eq!(names, ours);
        for (op, note) in ops.iter().zip(&entry.notes) {
            assert_eq!(
                op.get("card").and_then(Value::as_str),
                note.card().map(CardId::as_str)
            );
        }
        if let Some(reversal) = entry.reversal {
            assert_eq!(message["op"], reversal.name());
            assert_eq!(message["change"], reversal.change().to_string());
        }
    }
    let says = |message: Value| there.iter().any(|change| change["message"] == message);
    assert!(
        says(json!({ "op": "card.text", "card": cards[0].as_str(), "field": "hint" })),
        "{there:#?}"
    );
    assert!(says(json!({ "op": "card.move", "card": cards[1].as_str() })));
    assert!(says(json!({ "op": "card.delete", "card": cards[2].as_str() })));
    let merges = there
        .iter()
        .filter(|change| change["deps"].as_array().is_some_and(|deps| deps.len() == 2));
    let merges: Vec<_> = merges.map(|change| change["message"]["op"].clone()).collect();
    assert_eq!(merges, [json!("draft.accept")]);
    assert!(there.iter().any(|change| change["message"]["op"] == "undo"));
}

/// A deck of one card, which moved on since a follower, on a real folder, began a draft.
struct Story {
    laptop: Engine,
    phone: Engine,
    folder: tempfile::TempDir,
    deck: Deck,
    draft: Draft,
    card: CardId,
}

impl Story {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let laptop = Engine::in_memory("laptop").unwrap();
        let phone = Engine::open(folder.path()).await.unwrap();
        let deck = laptop.create_deck("Spanish").await.unwrap();
        let card = deck.edit(|edit| edit.add_card("hola", "hello")).await.unwrap();
        let member = Member {
            device: phone.device(),
            rights: Rights::Draft,
            rank: 1,
        };
        deck.set_members(vec![member]).await.unwrap();
        let copy = phone.join(&deck.invite(Rights::Draft).unwrap()).await.unwrap();
        let mut arrived = phone.events();
        link(&laptop, &phone);
        let is_equal = || copy.head().ok() == deck.head().ok();
        until_so(&mut arrived, "the deck", is_equal).await;
        let draft = copy.draft("from a script").await.unwrap();
        draft
            .edit(|edit| edit.splice_text(&card, TextField::Back, 0, 0, "well, "))
            .await
            .unwrap();
        deck.edit(|edit| edit.set_text(&card, TextField::Front, "¡hola!"))
            .await
            .unwrap();
        until_so(&mut arrived, "the edit", is_equal).await;
        Self {
            laptop,
            phone,
            folder,
            deck,
            draft,
            card,
        }
    }

    /// The follower's process ends and begins anew.
    async fn restart(&mut self) {
        self.phone.shutdown().await.unwrap();
        let (deck, draft) = (self.deck.id(), self.draft.id());
        self.phone = Engine::in_memory("in between").unwrap();
        self.draft = self.deck.draft_of(draft);
        self.phone = Engine::open(self.folder.path()).await.unwrap();
        self.draft = self.phone.deck(deck).unwrap().draft_of(draft);
        link(&self.laptop, &self.phone);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_automerge_writes_in_a_draft_comes_through_the_gate() {
    if !node::is_there("what_another_automerge_writes_in_a_draft_comes_through_the_gate") {
        return;
    }
    let mut story = Story::begin().await;
    let card = story.card.clone();
    let changes = node::write(&["honest"], &story.draft, &card).remove(0);
    assert_eq!(changes.len(), 5);
    // Not all at once: the second part goes on where the first ended.
    story.draft.take_changes(&changes[..2]).await.unwrap();
    story.restart().await;
    story.draft.take_changes(&changes[2..]).await.unwrap();
    story.draft.take_changes(&[]).await.unwrap();
    story.restart().await;
    let Story {
        laptop, deck, draft, ..
    } = &story;
    assert_eq!(draft.info().unwrap().len, 6);
    // The device can go on by itself, and take back what the script did last.
    draft.edit(|edit| edit.tag(&card, "mine")).await.unwrap();
    draft.undo().await.unwrap();
    draft.undo().await.unwrap();
    let mut events = laptop.events();
    draft.propose().await.unwrap();
    until(&mut events, "the draft", |event| {
        matches!(event, Event::DraftProposed { .. })
    })
    .await;
    deck.accept_draft(draft.id()).await.unwrap();

    let cards = deck.cards().unwrap();
    let [hola, script] = cards.as_slice() else {
        panic!("{cards:#?}")
    };
    assert_eq!(hola.front, "¡hola!", "what the editor did meanwhile stays");
    assert_eq!(hola.back, "well, hello, from a script: ñ 🙂");
    assert_eq!(hola.tags.iter().collect::<Vec<_>>(), ["script"]);
    assert_eq!(script.front, "el guion", "behind it, as the move was taken back");
    assert_eq!(script.back, "the script, ".repeat(200));
    assert_eq!(script.fields["level"], FieldValue::Int(3));
    let read = node::read(&deck.automerge_document().unwrap());
    assert_eq!(
        read["cards"],
        json!([in_document(hola), in_document(script)]),
        "and it goes round"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_the_rules_is_refused_by_name_and_leaves_the_draft_alone() {
    if !node::is_there("what_breaks_the_rules_is_refused_by_name_and_leaves_the_draft_alone") {
        return;
    }
    let Story { draft, card, .. } = &Story::begin().await;
    let before = (draft.info().unwrap(), draft.cards().unwrap());
    type Is = fn(&Refusal) -> bool;
    let stories: [(&str, Is); 14] = [
        ("another actor", |why| matches!(why, Refusal::WrongActor)),
        ("no message", |why| matches!(why, Refusal::NoMessage)),
        ("a message in words", |why| matches!(why, Refusal::Message(_))),
        ("a message that lies", |why| matches!(why, Refusal::MessageLies)),
        ("a message about another card", |why| {
            matches!(why, Refusal::MessageLies)
        }),
        ("a key that no card has", |why| {
            matches!(why, Refusal::Schema { .. })
        }),
        ("a list", |why| matches!(why, Refusal::BadColumn { .. })),
        ("a counter", |why| matches!(why, Refusal::BadColumn { .. })),
        ("a card removed", |why| matches!(why, Refusal::Schema { .. })),
        ("a text replaced", |why| matches!(why, Refusal::Schema { .. })),
        ("a mark", |why| matches!(why, Refusal::ForeignColumn { .. })),
        ("a merge", |why| matches!(why, Refusal::WrongDependencies { .. })),
        ("the second without the first", |why| {
            matches!(why, Refusal::WrongSeq { .. })
        }),
        ("a whole document", |why| {
            matches!(why, Refusal::WrongChunk { .. } | Refusal::ChangeTooLarge { .. })
        }),
    ];
    let names: Vec<_> = stories.iter().map(|(story, _)| *story).collect();
    let written = node::write(&[&names[..], &["honest"]].concat(), draft, card);
    for ((story, is), changes) in stories.into_iter().zip(&written) {
        let refused = draft.take_changes(changes).await;
        match &refused {
            Err(DraftError::ForeignChange { draft: of, why }) if *of == draft.id() && is(why) => {
                println!("{story}: {}", refused.unwrap_err());
            }
            other => panic!("{story}: {other:?}"),
        }
        assert_eq!((draft.info().unwrap(), draft.cards().unwrap()), before, "{story}");
    }
    // One bad change takes the good ones before it along.
    let honest = written.last().unwrap();
    let mixed = [&honest[..4], &written[1]].concat();
    assert!(draft.take_changes(&mixed).await.is_err());
    assert_eq!((draft.info().unwrap(), draft.cards().unwrap()), before);
    // And none of that did the draft any harm.
    draft.take_changes(honest).await.unwrap();
    assert_eq!(draft.info().unwrap().len, before.0.len + 5);
}
