//! What is kept of a deck, when the deck changes meanwhile.

use std::io::Cursor;

use cuecard::transport::CloseReason;
use cuecard::transport::memory::{Conditions, pair};
use cuecard::{AudioAbout, Events, Member, Rights, Role};

use super::*;

fn told(deck: &Deck, index: &Index, step: usize) -> Vec<CardId> {
    let mut cards = deck.at(&index.heads_at(step)).unwrap().cards().unwrap();
    cards.retain(|card| !card.deleted);
    cards.into_iter().map(|card| card.id).collect()
}

fn seen(book: &Book, index: &Index, step: usize) -> Vec<CardId> {
    let ids = book.ids(index, step).unwrap();
    (0..ids.len()).map(|at| ids.get(at).unwrap().clone()).collect()
}

async fn until(events: &mut Events, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            events.next().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap();
}

/// A question that began before late work came back goes on with the history as it was then; what it leaves in the cache is
/// no answer to who asks later.
#[tokio::test]
async fn who_looks_at_the_history_that_was_leaves_nothing_false_for_who_looks_at_the_one_that_is() {
    let laptop = Engine::in_memory("laptop").unwrap();
    let phone = Engine::in_memory("phone").unwrap();
    let deck = laptop.create_deck("Spanish").await.unwrap();
    let add = async |deck: &Deck, front: &str| {
        deck.edit(|edit| edit.add_card(front, "").map(drop))
            .await
            .unwrap();
    };
    add(&deck, "hola").await;
    let member = Member {
        device: phone.device(),
        rights: Rights::Hold,
        rank: 1,
    };
    deck.set_members(vec![member]).await.unwrap();
    let copy = phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    let (mut at_laptop, mut at_phone) = (laptop.events(), phone.events());
    let link = |seed| {
        let (here, there) = pair(laptop.device(), phone.device(), Conditions::default(), seed);
        ((laptop.attach(here.clone()), phone.attach(there)), here)
    };
    let (links, cable) = link(1);
    until(&mut at_phone, || copy.head().ok() == deck.head().ok()).await;
    deck.grant(phone.device()).await.unwrap();
    until(&mut at_phone, || matches!(copy.role(), Ok(Role::Editor { .. }))).await;
    cable.close(CloseReason::Here).await;
    links.0.ended().await;
    links.1.ended().await;
    // The phone goes on, and so does the laptop, which takes the role over.
    for front in ["tarde", "noche"] {
        add(&copy, front).await;
    }
    deck.take_over().await.unwrap();
    // Times are whole seconds: what the laptop does now is later, and what the phone did will stand below it.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for front in ["lunes", "martes", "jueves"] {
        add(&deck, front).await;
    }
    let book = Book::new(laptop.clone(), deck.clone());
    let was = book.index().unwrap();
    let _links = link(2);
    let came_back = || deck.cards().unwrap().len() == 6;
    until(&mut at_laptop, came_back).await;
    let is = book.index().unwrap();
    assert!(is.line > was.line, "entries came in between");
    for then in (0..was.len() - 1).chain((0..was.len() - 1).rev()) {
        assert_eq!(
            seen(&book, &was, then),
            told(&deck, &was, then),
            "as it was, step {then}"
        );
        for now in 0..is.len() {
            assert_eq!(
                seen(&book, &is, now),
                told(&deck, &is, now),
                "as it is, step {now} after {then}"
            );
        }
    }
}

#[tokio::test]
async fn audio_is_named_after_some_questions_however_many_cards_there_are() {
    let engine = Engine::in_memory("laptop").unwrap();
    let deck = engine.create_deck("Spanish").await.unwrap();
    let about = |name: String| AudioAbout {
        mime: "audio/ogg".to_owned(),
        name,
        duration_ms: 0,
    };
    let many = READ_FOR_NAMES_MAX + 10;
    let mut first = None;
    for number in 0..many {
        // All the same sound but the first one: the newest are looked at first.
        let (bytes, name) = if number > 0 {
            ("la la", "la.ogg")
        } else {
            ("sol", "sol.ogg")
        };
        let sound = deck
            .import_audio(Cursor::new(bytes), about(name.to_owned()))
            .await
            .unwrap();
        first.get_or_insert(sound.blob);
        deck.edit(|edit| {
            let card = edit.add_card("", "")?;
            edit.attach_audio(&card, "front", sound)
        })
        .at_once()
        .unwrap();
    }
    let book = Book::new(engine.clone(), deck.clone());
    let index = book.index().unwrap();
    let blob = first.unwrap();
    assert!(
        book.names_of(&index, &[blob]).unwrap().is_empty(),
        "that were too many cards"
    );
    assert_eq!(
        book.names_of(&index, &[blob]).unwrap().get(&blob).unwrap(),
        "sol.ogg"
    );
}
