//! Undo and redo through the handles of an app: over restarts, handovers, drafts, and on the other device.

use std::time::Duration;

use cuecard::card::TextField;
use cuecard::transport::memory::{Conditions, pair};
use cuecard::{CardId, Deck, EditError, Engine, Events, Member, Rights, Role, UndoError, WhyNothing};

/// Waits until something is so, looking again at each event: with a bound, so that a test that fails does so soon.
async fn until(events: &mut Events, what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            if events.next().await.is_none() {
                panic!("the engine is gone while waiting for {what}");
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"));
}

fn link(a: &Engine, b: &Engine) {
    let (end_a, end_b) = pair(a.device(), b.device(), Conditions::PERFECT, 1);
    a.attach(end_a);
    b.attach(end_b);
}

fn same(a: &Deck, b: &Deck) -> bool {
    matches!((a.head(), b.head()), (Ok(a), Ok(b)) if a == b)
}

fn back(deck: &Deck, card: &CardId) -> String {
    deck.card(card).unwrap().unwrap().back
}

async fn type_in(deck: &Deck, card: &CardId, at: usize, text: &str) {
    deck.edit(|edit| edit.splice_text(card, TextField::Back, at, 0, text))
        .await
        .unwrap();
}

fn is_editor(deck: &Deck) -> bool {
    matches!(deck.role(), Ok(Role::Editor { .. }))
}

#[tokio::test]
async fn undo_goes_on_after_handovers_and_a_restart_and_leaves_what_the_other_editor_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let laptop = Engine::open(folder.path()).await.unwrap();
    let phone = Engine::in_memory("phone").unwrap();
    let deck = laptop.create_deck("Spanish 101").await.unwrap();
    let card = deck.edit(|edit| edit.add_card("hola", "")).await.unwrap();
    type_in(&deck, &card, 0, "hello").await;
    let member = Member {
        device: phone.device(),
        rights: Rights::Hold,
        rank: 1,
    };
    deck.set_members(vec![member]).await.unwrap();

    let mut events = phone.events();
    let copy = phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    link(&laptop, &phone);
    until(&mut events, "the deck", || same(&deck, &copy)).await;
    deck.grant(phone.device()).await.unwrap();
    until(&mut events, "the role", || is_editor(&copy)).await;
    let refused = deck.undo().await;
    assert!(
        matches!(&refused, Err(UndoError::Edit(EditError::NotEditor { .. }))),
        "{refused:?}"
    );
    let refused = copy.undo().await;
    let none = WhyNothing::NoChange;
    assert!(
        matches!(&refused, Err(UndoError::NothingToUndo { why }) if *why == none),
        "what the laptop did is not the phone's to undo: {refused:?}"
    );
    type_in(&copy, &card, 5, ", you").await;
    let mut events = laptop.events();
    copy.grant(laptop.device()).await.unwrap();
    until(&mut events, "the role back", || {
        is_editor(&deck) && same(&deck, &copy)
    })
    .await;
    laptop.shutdown().await.unwrap();
    drop((deck, laptop));

    let laptop = Engine::open(folder.path()).await.unwrap();
    let deck = laptop.decks().pop().unwrap();
    let undone = deck.undo().await.unwrap();
    assert!(undone.left.is_empty());
    assert_eq!(back(&deck, &card), ", you");
    deck.undo().await.unwrap();
    assert!(deck.cards().unwrap().is_empty(), "adding the card is undone");
    let refused = deck.undo().await;
    assert!(
        matches!(&refused, Err(UndoError::NothingToUndo { why }) if *why == none),
        "the deck keeps its name: {refused:?}"
    );

    // And again: what was undone before a restart is redone behind it, and the other device follows.
    laptop.shutdown().await.unwrap();
    drop((deck, laptop));
    let laptop = Engine::open(folder.path()).await.unwrap();
    let deck = laptop.decks().pop().unwrap();
    deck.redo().await.unwrap();
    deck.redo().await.unwrap();
    assert_eq!(back(&deck, &card), "hello, you");
    let refused = deck.redo().await;
    assert!(
        matches!(&refused, Err(UndoError::NothingToRedo { why }) if *why == none),
        "{refused:?}"
    );
    let mut events = phone.events();
    link(&laptop, &phone);
    until(&mut events, "the undos and redos", || same(&deck, &copy)).await;
    assert_eq!(deck.cards().unwrap(), copy.cards().unwrap());
}

#[tokio::test]
async fn where_nothing_is_left_undo_says_why_once_and_then_looks_further_back() {
    let laptop = Engine::in_memory("laptop").unwrap();
    let phone = Engine::in_memory("phone").unwrap();
    let deck = laptop.create_deck("Spanish 101").await.unwrap();
    let card = deck.edit(|edit| edit.add_card("hola", "")).await.unwrap();
    let other = deck.edit(|edit| edit.add_card("sí", "")).await.unwrap();
    type_in(&deck, &other, 0, "yes").await;
    type_in(&deck, &card, 0, "hello").await;
    let member = Member {
        device: phone.device(),
        rights: Rights::Hold,
        rank: 1,
    };
    deck.set_members(vec![member]).await.unwrap();
    deck.grant(phone.device()).await.unwrap();
    let (mut here, mut there) = (laptop.events(), phone.events());
    let copy = phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    link(&laptop, &phone);
    until(&mut there, "the role", || is_editor(&copy)).await;
    copy.edit(|edit| edit.delete_card(&card)).await.unwrap();
    copy.grant(laptop.device()).await.unwrap();
    until(&mut here, "the role back", || {
        is_editor(&deck) && same(&deck, &copy)
    })
    .await;

    let is_card =
        |why: &WhyNothing| matches!(why, WhyNothing::CardDeleted { card: gone, .. } if *gone == card);
    let nothing = deck.undo().await;
    assert!(
        matches!(&nothing, Err(UndoError::NothingToUndo { why }) if is_card(why)),
        "{nothing:?}"
    );
    deck.undo().await.unwrap();
    assert_eq!(back(&deck, &other), "");
    // A new edit, and the card comes back: what was looked past is looked at again.
    deck.edit(|edit| edit.restore_card(&card)).await.unwrap();
    deck.edit(|edit| edit.tag(&other, "x")).await.unwrap();
    deck.undo().await.unwrap();
    deck.undo().await.unwrap();
    let nothing = deck.undo().await;
    assert!(
        matches!(&nothing, Err(UndoError::NothingToUndo { why }) if is_card(why)),
        "restoring it is undone as well, so it is deleted again: {nothing:?}"
    );
}

#[tokio::test]
async fn accepting_a_draft_is_undone_and_redone_like_any_edit() {
    let laptop = Engine::in_memory("laptop").unwrap();
    let deck = laptop.create_deck("Spanish 101").await.unwrap();
    let card = deck.edit(|edit| edit.add_card("hola", "hello")).await.unwrap();
    let draft = deck.draft("too easy").await.unwrap();
    draft.edit(|edit| edit.delete_card(&card)).await.unwrap();
    draft
        .edit(|edit| edit.add_card("ojalá", "hopefully").map(drop))
        .await
        .unwrap();
    draft.propose().await.unwrap();
    deck.edit(|edit| edit.rename_deck("Spanish 102")).await.unwrap();
    deck.accept_draft(draft.id()).await.unwrap();
    let fronts = || -> Vec<String> { deck.cards().unwrap().into_iter().map(|card| card.front).collect() };
    assert_eq!(fronts(), ["ojalá"]);
    deck.undo().await.unwrap();
    assert_eq!(fronts(), ["hola"]);
    assert_eq!(deck.info().unwrap().title, "Spanish 102");
    deck.redo().await.unwrap();
    assert_eq!(fronts(), ["ojalá"]);
    deck.undo().await.unwrap();
    deck.undo().await.unwrap();
    assert_eq!(deck.info().unwrap().title, "Spanish 101");
}

#[tokio::test]
async fn a_draft_is_undone_by_its_author_and_the_deck_is_not_touched() {
    let laptop = Engine::in_memory("laptop").unwrap();
    let deck = laptop.create_deck("Spanish 101").await.unwrap();
    let card = deck.edit(|edit| edit.add_card("hola", "")).await.unwrap();
    let head = deck.head().unwrap();
    let draft = deck.draft("an idea").await.unwrap();
    draft
        .edit(|edit| edit.set_text(&card, TextField::Back, "hello"))
        .await
        .unwrap();
    draft.edit(|edit| edit.tag(&card, "x")).await.unwrap();
    let cards = |draft: &cuecard::Draft| {
        let card = draft.cards().unwrap().remove(0);
        (card.back, card.tags.len())
    };
    draft.undo().await.unwrap();
    assert_eq!(cards(&draft), ("hello".to_owned(), 0));
    draft.undo().await.unwrap();
    assert_eq!(cards(&draft), (String::new(), 0));
    let refused = draft.undo().await;
    assert!(
        matches!(
            refused,
            Err(UndoError::NothingToUndo {
                why: WhyNothing::NoChange
            })
        ),
        "what the deck has is not the draft's to undo"
    );
    draft.redo().await.unwrap();
    assert_eq!(cards(&draft), ("hello".to_owned(), 0));
    assert_eq!(deck.head().unwrap(), head);

    draft.propose().await.unwrap();
    deck.accept_draft(draft.id()).await.unwrap();
    assert_eq!(back(&deck, &card), "hello");
}
