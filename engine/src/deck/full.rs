//! A full deck, as an app meets it: an error by its name, and all else goes on. What fills it is pretended, as nobody waits for
//! a million changes.

use std::sync::Arc;
use std::time::Duration;

use cuecard_transport::memory::{Conditions, pair};
use cuecard_transport::{CloseReason, Link};

use super::Deck;
use crate::card::TextField;
use crate::core::EditError;
use crate::document::tests::fill_with_cards;
use crate::engine::{AttachedLink, Engine, Events};
use crate::id::CardId;
use crate::limits::{DECK_CARDS_MAX, DECK_CHANGES_MAX};
use crate::op::OpError;
use crate::role::Rights;

/// An editor, and who may draft.
struct Two {
    laptop: Engine,
    phone: Engine,
    deck: Deck,
    copy: Deck,
    card: CardId,
    at_phone: Events,
    link: Arc<dyn Link>,
    ends: Vec<AttachedLink>,
}

impl Two {
    async fn new() -> Self {
        let laptop = Engine::in_memory("laptop").unwrap();
        let phone = Engine::in_memory("phone").unwrap();
        let deck = laptop.create_deck("Spanish").await.unwrap();
        let card = deck.edit(|edit| edit.add_card("hola", "hello")).await.unwrap();
        let copy = phone.join(&deck.invite(Rights::Draft).unwrap()).await.unwrap();
        let at_phone = phone.events();
        let (link, ends) = linked(&laptop, &phone);
        let mut two = Self {
            laptop,
            phone,
            deck,
            copy,
            card,
            at_phone,
            link,
            ends,
        };
        two.agree().await;
        two
    }

    /// Until the phone has what the laptop has.
    async fn agree(&mut self) {
        let waiting = async {
            while self.copy.head().ok() != self.deck.head().ok() {
                self.at_phone.next().await.unwrap();
            }
        };
        let agreed = tokio::time::timeout(Duration::from_secs(30), waiting).await;
        agreed.expect("the phone has it");
        assert_eq!(self.deck.cards().unwrap(), self.copy.cards().unwrap());
    }
}

fn linked(laptop: &Engine, phone: &Engine) -> (Arc<dyn Link>, Vec<AttachedLink>) {
    let (here, there) = pair(laptop.device(), phone.device(), Conditions::default(), 1);
    let ends = vec![laptop.attach(here.clone()), phone.attach(there)];
    (here, ends)
}

#[tokio::test]
async fn a_deck_that_has_all_its_cards_takes_every_other_edit() {
    let mut two = Two::new().await;
    let (deck, card) = (two.deck.clone(), two.card.clone());
    deck.shared.drive(|core, _| {
        fill_with_cards(&mut core.log_mut(deck.id).unwrap().document, DECK_CARDS_MAX);
    });
    let before = deck.head().unwrap();
    let refused = deck
        .edit(|edit| {
            edit.tag(&card, "together")?;
            edit.add_card("one more", "?")
        })
        .await;
    assert!(
        matches!(refused, Err(EditError::Op(OpError::TooManyCards))),
        "{refused:?}"
    );
    assert_eq!(deck.head().unwrap(), before, "nothing of it was done");
    let seen = deck.card(&card).unwrap().unwrap();
    assert!(seen.front == "hola" && seen.tags.is_empty(), "{seen:?}");
    deck.edit(|edit| edit.set_text(&card, TextField::Front, "buenos días"))
        .await
        .unwrap();
    two.agree().await;
    assert_eq!(two.copy.cards().unwrap()[0].front, "buenos días");
}

#[tokio::test]
async fn a_deck_that_has_all_its_changes_is_read_and_still_reaches_others() {
    let mut two = Two::new().await;
    let (deck, card) = (two.deck.clone(), two.card.clone());
    let have = deck.sync_state().unwrap().changes;
    for of in [&deck, &two.copy] {
        of.shared.drive(|core, _| {
            let log = core.log_mut(of.id).unwrap();
            log.chain.pretend_before(DECK_CHANGES_MAX - 2 - have);
        });
    }
    // The last ones are made while nobody is there.
    two.link.close(CloseReason::Here).await;
    for end in two.ends.drain(..) {
        end.ended().await;
    }
    let told = deck.history().unwrap().count();
    for tag in ["the last but one", "the last"] {
        deck.edit(|edit| edit.tag(&card, tag)).await.unwrap();
    }
    let before = deck.head().unwrap();
    for _ in 0..2 {
        let refused = deck.edit(|edit| edit.tag(&card, "one more")).await;
        assert!(
            matches!(refused, Err(EditError::Op(OpError::DeckFull))),
            "{refused:?}"
        );
    }
    let undone = deck.undo().await.unwrap_err().to_string();
    assert!(undone.contains("copy its cards into a new deck"), "{undone}");
    assert_eq!(deck.head().unwrap(), before, "nothing of it was done");
    assert_eq!(deck.card(&card).unwrap().unwrap().tags.len(), 2);
    assert_eq!(deck.history().unwrap().count(), told + 2);
    (two.link, two.ends) = linked(&two.laptop, &two.phone);
    two.agree().await;
    // And who may draft still does, to take it elsewhere.
    let draft = two.copy.draft("more").await.unwrap();
    draft.edit(|edit| edit.add_card("adiós", "bye")).await.unwrap();
    assert_eq!(draft.cards().unwrap().len(), 2);
}
