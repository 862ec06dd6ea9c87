//! An edit that fails leaves no trace: not in memory, not on the disk, and the next one is none the wiser.

use std::sync::Arc;
use std::time::Duration;

use cuecard::store::{Fault, FaultyStore, MemoryStore, SnapshotFault};
use cuecard::transport::DeviceKey;
use cuecard::{
    AudioPolicy, Card, ChangeHash, Deck, DraftInfo, EditError, Engine, Event, Member, OpError, Policies,
    Rights, Role, RoleError,
};

type Faulty = Arc<FaultyStore<MemoryStore>>;

fn key(number: u8) -> DeviceKey {
    DeviceKey::from_bytes(&[number; 32])
}

fn open() -> (Engine, Faulty) {
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let engine = Engine::builder()
        .open_on(store.clone(), key(1))
        .expect("an engine");
    (engine, store)
}

fn reopen(store: &Faulty) -> Engine {
    let store = Arc::new(store.inner().crash());
    Engine::builder().open_on(store, key(1)).expect("it opens")
}

async fn deck_of(engine: &Engine) -> Deck {
    let deck = engine.create_deck("Spanish").await.expect("a deck");
    deck.edit(|edit| edit.add_card("hola", "hello").map(drop))
        .await
        .expect("it may edit");
    deck
}

fn phone(rights: Rights) -> Member {
    Member {
        device: key(2).id(),
        rights,
        rank: 1,
    }
}

/// All that an app can see of a deck.
#[derive(Debug, PartialEq)]
struct Seen {
    head: ChangeHash,
    cards: Vec<Card>,
    entries: usize,
    role: Role,
    members: Vec<Member>,
    drafts: Vec<DraftInfo>,
    draft_cards: Vec<Vec<Card>>,
}

fn seen(deck: &Deck) -> Seen {
    let drafts = deck.drafts().expect("the deck");
    let draft_cards = drafts
        .iter()
        .map(|draft| deck.draft_of(draft.draft).cards().expect("the draft"))
        .collect();
    Seen {
        head: deck.head().expect("the deck"),
        cards: deck.cards().expect("the deck"),
        entries: deck.entry_count().expect("the deck"),
        role: deck.role().expect("the deck"),
        members: deck.members().expect("the deck").listed(),
        drafts,
        draft_cards,
    }
}

#[tokio::test]
async fn an_edit_that_fails_half_way_leaves_no_trace() {
    let (engine, store) = open();
    let deck = deck_of(&engine).await;
    let draft = deck.draft("more").await.expect("a draft");
    draft
        .edit(|edit| edit.add_card("adios", "").map(drop))
        .await
        .expect("its own");
    let (before, commits) = (seen(&deck), store.commits());
    let card = before.cards[0].id.clone();
    let long = "x".repeat(20_000);
    for step in 0..5 {
        // Each fails one operation later than the one before.
        let fails = |edit: &mut cuecard::Edit<'_>| -> Result<(), OpError> {
            let new = edit.add_card("never", "seen")?;
            if step > 0 {
                edit.tag(&card, "never")?;
            }
            if step > 1 {
                edit.rename_deck("never")?;
            }
            if step > 2 {
                edit.delete_card(&card)?;
            }
            if step > 3 {
                edit.tag(&new, "never")?;
            }
            edit.tag(&card, &long)
        };
        assert!(
            matches!(deck.edit(fails).await, Err(EditError::Op(_))),
            "step {step}"
        );
        assert!(
            matches!(draft.edit(fails).await, Err(EditError::Op(_))),
            "step {step}"
        );
    }
    let too_large = deck.edit(|edit| edit.add_card(&long, &long).map(drop)).await;
    assert!(
        matches!(too_large, Err(EditError::Op(OpError::ChangeTooLarge))),
        "{too_large:?}"
    );
    assert_eq!(seen(&deck), before);
    assert_eq!(store.commits(), commits, "nothing went to the disk");

    // And what comes next is as if they had never been.
    deck.edit(|edit| edit.add_card("next", "").map(drop))
        .await
        .expect("it may edit");
    draft
        .edit(|edit| edit.add_card("next", "").map(drop))
        .await
        .expect("its own");
    let after = seen(&deck);
    assert_eq!((after.entries, after.cards.len()), (before.entries + 1, 2));
    let again = reopen(&store);
    let deck = again.deck(deck.id()).expect("the deck");
    assert_eq!((seen(&deck).head, seen(&deck).cards), (after.head, after.cards));
    assert_eq!(seen(&deck).draft_cards, after.draft_cards);
}

#[tokio::test]
async fn a_move_of_the_role_that_is_refused_leaves_no_trace() {
    let (engine, store) = open();
    let deck = deck_of(&engine).await;
    let (before, commits) = (seen(&deck), store.commits());
    let stranger = deck.grant(key(2).id()).await;
    assert!(matches!(stranger, Err(RoleError::MayNotHold(_))), "{stranger:?}");
    let twice = deck
        .set_members(vec![phone(Rights::Hold), phone(Rights::Hold)])
        .await;
    assert!(twice.is_err());
    let draft = deck.accept_draft(cuecard::DraftId::from_bytes([9; 32])).await;
    assert!(draft.is_err());
    assert_eq!(seen(&deck), before);
    assert_eq!(store.commits(), commits, "nothing went to the disk");
    deck.edit(|edit| edit.add_card("next", "").map(drop))
        .await
        .expect("it may edit");
}

/// What does not come by then does not come.
const LONG: Duration = Duration::from_secs(60);

/// What is tried while the disk fails, by name.
const TRIED: [&str; 6] = [
    "edit",
    "draft edit",
    "new draft",
    "accept",
    "grant",
    "set members",
];

async fn attempt(deck: &Deck, what: &str) -> bool {
    let drafts = deck.drafts().expect("the deck");
    let is_open = |draft: &&DraftInfo| draft.note == "open";
    match what {
        "edit" => {
            let edit = deck.edit(|edit| edit.add_card("lost", "").map(drop));
            edit.await.is_err()
        }
        "draft edit" => {
            let open = drafts.iter().find(is_open).expect("the open draft").draft;
            let edit = deck
                .draft_of(open)
                .edit(|edit| edit.add_card("lost", "").map(drop));
            edit.await.is_err()
        }
        "new draft" => deck.draft("lost").await.is_err(),
        "accept" => {
            let proposed = drafts
                .iter()
                .find(|draft| !is_open(draft))
                .expect("the other")
                .draft;
            deck.accept_draft(proposed).await.is_err()
        }
        "grant" => deck.grant(key(2).id()).await.is_err(),
        "set members" => deck.set_members(vec![]).await.is_err(),
        other => panic!("{other} is not known"),
    }
}

/// A disk that fails refuses the batch; what the person sees afterwards is what the disk has, at once and later.
#[tokio::test]
async fn what_the_disk_refuses_is_gone_from_memory_too() {
    for fault in [Fault::Fail, Fault::FailAfter] {
        for what in TRIED {
            let (engine, store) = open();
            let deck = deck_of(&engine).await;
            deck.set_members(vec![phone(Rights::Hold)])
                .await
                .expect("the owner may");
            let open = deck.draft("open").await.expect("a draft");
            let proposed = deck.draft("proposed").await.expect("a draft");
            for draft in [&open, &proposed] {
                draft
                    .edit(|edit| edit.add_card("drafted", "").map(drop))
                    .await
                    .expect("its own");
            }
            proposed.propose().await.expect("its own");
            let policies = Policies {
                audio: AudioPolicy::OnDemand,
                ..Policies::default()
            };
            deck.set_policies(policies.clone()).expect("the deck");
            let before = seen(&deck);
            let mut events = engine.events();
            store.fault(store.commits() + 1, fault);
            assert!(
                attempt(&deck, what).await,
                "{fault:?}, {what}: it was acknowledged"
            );
            let told = async {
                loop {
                    match events.next().await.expect("the engine runs") {
                        Event::WentBack { deck: of } if of == deck.id() => break,
                        _ => {}
                    }
                }
            };
            let told = tokio::time::timeout(LONG, told).await;
            told.unwrap_or_else(|_| panic!("{fault:?}, {what}: memory did not go back"));
            let after = seen(&deck);
            assert_eq!(deck.policies(), policies, "{what}");
            if fault == Fault::Fail {
                assert_eq!(after.head, before.head, "{what}");
                assert_eq!(after.cards, before.cards, "{what}");
                assert_eq!(after.drafts, before.drafts, "{what}");
                assert_eq!(after.draft_cards, before.draft_cards, "{what}");
                assert_eq!(after.members, before.members, "{what}");
            }
            // From now on nothing is taken that could not be kept.
            assert!(attempt(&deck, "edit").await, "{what}: an edit behind a failure");
            assert_eq!(seen(&deck), after, "{what}");
            let again = reopen(&store);
            let kept = seen(&again.deck(deck.id()).expect("the deck"));
            assert_eq!(kept, after, "{fault:?}, {what}: memory was not what the disk has");
        }
    }
}

#[tokio::test]
async fn a_deck_whose_first_batch_fails_was_never_there() {
    let (engine, store) = open();
    store.fault(1, Fault::Fail);
    let deck = engine.create_deck("Spanish").await;
    assert!(matches!(deck, Err(EditError::Store(_))), "{deck:?}");
    assert!(engine.decks().is_empty());
    assert!(reopen(&store).decks().is_empty());
}

/// A store of an app's own may do that. It is a disk that failed: whoever waits hears so, and nothing is waited for that never
/// comes.
#[tokio::test]
async fn a_store_that_panics_has_failed() {
    for what in ["a batch", "a snapshot"] {
        let (engine, store) = open();
        let mut events = engine.events();
        let deck = deck_of(&engine).await;
        match what {
            "a batch" => store.fault(store.commits() + 1, Fault::Panic),
            _ => store.snapshot_fault(1, SnapshotFault::Panic),
        }
        // So long that a snapshot is due.
        let long = "x".repeat(9_000);
        // Two at a time: the second is on its way before anybody hears of the first.
        let [one, other] =
            ["one", "other"].map(|front| deck.edit(move |edit| edit.add_card(front, "").map(drop)));
        let (one, other) = tokio::join!(one, other);
        assert_eq!(one.is_err(), what == "a batch", "{one:?}");
        assert_eq!(
            other.is_err(),
            what == "a batch",
            "behind what panicked: {other:?}"
        );
        for number in 0..10 {
            let edited = deck.edit(|edit| edit.add_card(&number.to_string(), &long).map(drop));
            match tokio::time::timeout(LONG, edited).await.expect("it is answered") {
                Ok(()) => assert_eq!(what, "a snapshot"),
                Err(error) => assert!(matches!(error, EditError::Store(_)), "{what}: {error}"),
            }
        }
        let told = async {
            loop {
                if let Some(Event::StoreFailed { why }) = events.next().await {
                    return why;
                }
            }
        };
        let why = tokio::time::timeout(LONG, told).await;
        assert!(why.expect("it is told").contains("panicked"), "{what}");
        let edited = deck.edit(|edit| edit.rename_deck("never")).await;
        assert!(matches!(edited, Err(EditError::Store(_))), "{what}: {edited:?}");
        let ended = tokio::time::timeout(LONG, engine.shutdown()).await;
        drop(ended.expect("it ends"));
    }
}
