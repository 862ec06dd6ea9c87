//! The driver around the core, through the handles that an app holds: two engines in one process, linked in memory,
//! one of them on a real folder.

use std::time::Duration;

use cuecard::limits::LINK_QUEUE_BYTES_MAX;
use cuecard::sync::envelope::seal_up;
use cuecard::sync::message::Message;
use cuecard::transport::memory::{Conditions, pair};
use cuecard::transport::{Backoff, DialError, Dialer, Link};
use cuecard::{AudioAbout, DeckChange, EditError, Engine, Event, Events, Member, OpenError, Rights};
use cuecard_tests::engines::Greedy;

/// Waits for an event: with a bound, so that a test that fails does so soon.
async fn until(events: &mut Events, what: &str, is_it: impl Fn(&Event) -> bool) {
    let wait = async {
        loop {
            match events.next().await {
                Some(event) if is_it(&event) => return,
                Some(_) => {}
                None => panic!("the engine is gone while waiting for {what}"),
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

#[tokio::test]
async fn a_deck_with_audio_arrives_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let laptop = Engine::builder()
        .name("laptop")
        .open(folder.path())
        .await
        .unwrap();
    let phone = Engine::in_memory("phone").unwrap();

    let deck = laptop.create_deck("Spanish 101").await.unwrap();
    let about = AudioAbout {
        mime: "audio/webm".into(),
        name: "hola.webm".into(),
        duration_ms: 700,
    };
    let sound: Vec<u8> = (0..200_000_u32)
        .map(|at| (at.wrapping_mul(at) >> 5) as u8)
        .collect();
    let audio = deck
        .import_audio(std::io::Cursor::new(sound.clone()), about)
        .await
        .unwrap();
    let blob = audio.blob;
    let card = deck
        .edit(|edit| {
            let card = edit.add_card("hola", "hello")?;
            edit.attach_audio(&card, "front", audio)?;
            Ok(card)
        })
        .await
        .unwrap();

    let mut events = phone.events();
    let copy = phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    link(&laptop, &phone);
    until(
        &mut events,
        "the audio",
        |event| matches!(event, Event::Audio(audio) if audio.is_whole()),
    )
    .await;
    let arrived = copy.card(&card).unwrap().expect("the card is here");
    assert_eq!(
        (arrived.front.as_str(), arrived.audio["front"].name.as_str()),
        ("hola", "hola.webm")
    );
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut copy.open_audio(blob).unwrap(), &mut bytes).unwrap();
    assert_eq!(bytes, sound, "byte for byte");
    assert_eq!(phone.name_of(laptop.device()).as_deref(), Some("laptop"));

    // A live edit arrives as an event.
    deck.edit(|edit| edit.add_card("adiós", "goodbye").map(drop))
        .await
        .unwrap();
    until(&mut events, "the new card", |event| {
        matches!(
            event,
            Event::Changed {
                change: DeckChange::CardAdded { .. },
                ..
            }
        )
    })
    .await;
    let head = deck.head().unwrap();
    assert_eq!(copy.head().unwrap(), head);

    // While it is open the folder is nobody else's; afterwards all is there.
    let second = Engine::open(folder.path()).await;
    assert!(
        matches!(
            &second,
            Err(OpenError::Store(cuecard::store::StoreError::InUse { .. }))
        ),
        "{second:?}"
    );
    laptop.shutdown().await.unwrap();
    drop((deck, laptop));
    let laptop = Engine::open(folder.path()).await.unwrap();
    let deck = laptop.decks().pop().expect("the deck was kept");
    assert_eq!(deck.head().unwrap(), head);
    assert_eq!(deck.cards().unwrap(), copy.cards().unwrap());
    deck.edit(|edit| edit.set_text(&card, cuecard::card::TextField::Back, "hello!"))
        .await
        .unwrap();
}

#[tokio::test]
async fn only_the_editor_edits_and_the_role_can_be_handed_over() {
    let (laptop, phone) = (
        Engine::in_memory("laptop").unwrap(),
        Engine::in_memory("phone").unwrap(),
    );
    let deck = laptop.create_deck("Spanish 101").await.unwrap();
    let mut events = phone.events();
    let copy = phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    link(&laptop, &phone);
    until(&mut events, "the deck", |event| {
        matches!(event, Event::Changed { .. })
    })
    .await;

    let refused = copy.edit(|edit| edit.add_card("no", "no").map(drop)).await;
    assert!(
        matches!(refused, Err(EditError::NotEditor { holder: Some(by) }) if by == laptop.device()),
        "{refused:?}"
    );
    assert!(deck.grant(phone.device()).await.is_err(), "not a member yet");

    let member = Member {
        device: phone.device(),
        rights: Rights::Hold,
        rank: 1,
    };
    deck.set_members(vec![member]).await.unwrap();
    deck.grant(phone.device()).await.unwrap();
    let phone_id = phone.device();
    until(
        &mut events,
        "the role",
        |event| matches!(event, Event::RoleMoved { editor: Some(editor), .. } if *editor == phone_id),
    )
    .await;
    copy.edit(|edit| edit.add_card("sí", "yes").map(drop))
        .await
        .unwrap();
    let refused = deck.edit(|edit| edit.add_card("no", "no").map(drop)).await;
    assert!(
        matches!(refused, Err(EditError::NotEditor { holder: Some(by) }) if by == phone_id),
        "{refused:?}"
    );
}

#[tokio::test]
async fn without_the_decks_key_a_linked_device_learns_nothing() {
    let (laptop, stranger) = (
        Engine::in_memory("laptop").unwrap(),
        Engine::in_memory("stranger").unwrap(),
    );
    let deck = laptop.create_deck("Secret").await.unwrap();
    let other = laptop.create_deck("Shared").await.unwrap();
    // The stranger knows the id of the secret deck, and holds the key of another.
    let mut forged = deck.invite(Rights::Read).unwrap().to_bytes();
    forged[38..].copy_from_slice(&other.invite(Rights::Read).unwrap().to_bytes()[38..]);
    let forged = cuecard::DeckInvite::from_bytes(&forged).unwrap();
    let mut events = stranger.events();
    let secret = stranger.join(&forged).await.unwrap();
    let shared = stranger.join(&other.invite(Rights::Read).unwrap()).await.unwrap();
    link(&laptop, &stranger);
    let shared_id = shared.id();
    until(
        &mut events,
        "the shared deck",
        |event| matches!(event, Event::Changed { deck, .. } if *deck == shared_id),
    )
    .await;
    assert_eq!(shared.info().unwrap().title, "Shared");
    assert!(secret.info().is_err(), "nothing of it arrived");
    let met = deck.sync_state().unwrap().devices;
    assert!(met.is_empty(), "and it was not spoken of");
}

/// Gives out one link, and then waits for ever.
struct Once {
    peer: cuecard::DeviceId,
    link: std::sync::Mutex<Option<std::sync::Arc<dyn Link>>>,
}

#[async_trait::async_trait]
impl Dialer for Once {
    fn peer(&self) -> cuecard::DeviceId {
        self.peer
    }

    async fn dial(&self) -> Result<std::sync::Arc<dyn Link>, DialError> {
        let link = self
            .link
            .lock()
            .map_err(|error| DialError::Local(error.to_string()))?
            .take();
        match link {
            Some(link) => Ok(link),
            None => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn a_link_outlives_the_handle_that_kept_dialling_it() {
    let (laptop, phone) = (
        Engine::in_memory("laptop").unwrap(),
        Engine::in_memory("phone").unwrap(),
    );
    let deck = laptop.create_deck("Spanish 101").await.unwrap();
    let copy = phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    let mut events = phone.events();
    let (end_a, end_b) = pair(laptop.device(), phone.device(), Conditions::PERFECT, 1);
    let dialer = Once {
        peer: phone.device(),
        link: std::sync::Mutex::new(Some(end_a)),
    };
    let kept = laptop.keep_linked(std::sync::Arc::new(dialer), Backoff::default());
    phone.attach(end_b);
    until(&mut events, "the deck", |event| {
        matches!(event, Event::Changed { .. })
    })
    .await;
    drop(kept);
    deck.edit(|edit| edit.add_card("hola", "hello").map(drop))
        .await
        .unwrap();
    until(&mut events, "an edit after that", |event| {
        matches!(
            event,
            Event::Changed {
                change: DeckChange::CardAdded { .. },
                ..
            }
        )
    })
    .await;
    assert_eq!(copy.cards().unwrap().len(), 1);
}

#[tokio::test]
async fn an_edit_that_panics_is_as_if_it_had_not_been() {
    let laptop = Engine::in_memory("laptop").unwrap();
    let deck = laptop.create_deck("Spanish 101").await.unwrap();
    deck.edit(|edit| edit.add_card("uno", "one").map(drop))
        .await
        .unwrap();
    let before = (deck.head().unwrap(), deck.cards().unwrap());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _never = deck.edit(|edit| -> Result<(), cuecard::OpError> {
            edit.add_card("dos", "two")?;
            panic!("a bug of the app");
        });
    }));
    assert!(panicked.is_err(), "the panic goes on to the app");
    assert_eq!((deck.head().unwrap(), deck.cards().unwrap()), before);
    deck.edit(|edit| edit.add_card("tres", "three").map(drop))
        .await
        .unwrap();
    let fronts: Vec<String> = deck.cards().unwrap().into_iter().map(|card| card.front).collect();
    assert_eq!(fronts, ["uno", "tres"], "and the order of the cards is whole");
}

#[tokio::test]
async fn a_draft_that_nobody_would_take_is_not_written() {
    let laptop = Engine::in_memory("laptop").unwrap();
    let deck = laptop.create_deck("Spanish 101").await.unwrap();
    let draft = deck.draft("all of it").await.unwrap();
    // 9,000 characters of three bytes each: 1 MiB is reached long before 1,000 changes are.
    let long = "語".repeat(9_000);
    let full = loop {
        match draft.edit(|edit| edit.add_card(&long, "?").map(drop)).await {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert!(
        matches!(full, EditError::DraftFull(id) if id == draft.id()),
        "{full:?}"
    );
    let kept = draft.cards().unwrap().len();
    assert!((30..60).contains(&kept), "{kept} cards");
    draft
        .edit(|edit| edit.add_card("short", "?").map(drop))
        .await
        .unwrap();
    draft.propose().await.unwrap();
    deck.accept_draft(draft.id()).await.unwrap();
    assert_eq!(deck.cards().unwrap().len(), kept + 1);
}

#[tokio::test]
async fn a_device_that_asks_and_never_takes_is_let_go() {
    let laptop = Engine::in_memory("laptop").unwrap();
    let deck = laptop.create_deck("Large").await.unwrap();
    let about = AudioAbout {
        mime: "audio/wav".into(),
        name: "long.wav".into(),
        duration_ms: 60_000,
    };
    let audio = deck
        .import_audio(std::io::Cursor::new(vec![7; 4 * 1024 * 1024]), about)
        .await
        .unwrap();
    let blob = audio.blob;
    deck.edit(|edit| {
        let card = edit.add_card("long", "?")?;
        edit.attach_audio(&card, "front", audio)
    })
    .await
    .unwrap();

    let (greedy, ask) = Greedy::new();
    let mut events = laptop.events();
    let attached = laptop.attach(greedy);
    ask.send(Greedy::greeting(&deck)).await.unwrap();
    let pull = Message::Pull {
        transfer: 1,
        blob,
        first: 0,
        count: 192,
        size: 4 * 1024 * 1024,
    };
    let mut asked = 0;
    let asking = async {
        // Each of these asks for 3 MiB.
        while ask.send(seal_up(&pull).into()).await.is_ok() {
            asked += 3 * 1024 * 1024;
        }
    };
    let unlinked = until(&mut events, "the end of the link", |event| {
        matches!(event, Event::Unlinked { .. })
    });
    tokio::select! {
        () = asking => panic!("nobody reads what it asks any more, and the link is not over"),
        () = unlinked => {}
    }
    assert!(asked >= LINK_QUEUE_BYTES_MAX, "it was let go for {asked} bytes");
    drop(attached);
}
