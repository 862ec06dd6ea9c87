//! The same through the handles that an app holds: real engines on real folders, opened and closed between the steps.

use std::path::Path;
use std::time::Duration;

use cuecard::history::WriterKind;
use cuecard::op::Note;
use cuecard::transport::memory::{Conditions, pair};
use cuecard::{Deck, DeckId, DraftError, DraftState, EditError, Engine, Event, Events, Member, Rights};

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

async fn open(folder: &Path) -> Engine {
    Engine::open(folder).await.unwrap()
}

/// Closes an engine and opens it again on the same folder.
async fn reopen(engine: Engine, folder: &Path) -> Engine {
    engine.shutdown().await.unwrap();
    drop(engine);
    open(folder).await
}

fn deck_of(engine: &Engine, deck: DeckId) -> Deck {
    engine.deck(deck).unwrap()
}

fn fronts(deck: &Deck) -> Vec<String> {
    deck.cards().unwrap().into_iter().map(|card| card.front).collect()
}

#[tokio::test]
async fn drafts_go_their_way_between_two_engines_that_are_closed_between_the_steps() {
    let (laptop_folder, phone_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (laptop_folder, phone_folder) = (laptop_folder.path(), phone_folder.path());
    let (mut laptop, mut phone) = (open(laptop_folder).await, open(phone_folder).await);
    let (laptop_id, phone_id) = (laptop.device(), phone.device());
    let deck = laptop.create_deck("Spanish 101").await.unwrap();
    deck.edit(|edit| edit.add_card("uno", "one").map(drop))
        .await
        .unwrap();
    let member = Member {
        device: phone_id,
        rights: Rights::Draft,
        rank: 1,
    };
    deck.set_members(vec![member]).await.unwrap();
    let mut events = phone.events();
    let copy = phone
        .join(&deck.invite(cuecard::Rights::Read).unwrap())
        .await
        .unwrap();
    let id = deck.id();
    link(&laptop, &phone);
    until(&mut events, "the deck", |event| {
        matches!(event, Event::Changed { .. })
    })
    .await;
    drop((deck, copy, events));
    laptop = reopen(laptop, laptop_folder).await;
    phone = reopen(phone, phone_folder).await;

    // Two drafts, written off line.
    let copy = deck_of(&phone, id);
    let wanted = copy.draft("the next number").await.unwrap();
    let added = wanted.edit(|edit| edit.add_card("dos", "two")).await.unwrap();
    wanted.edit(|edit| edit.tag(&added, "number")).await.unwrap();
    wanted.undo().await.unwrap();
    wanted.redo().await.unwrap();
    let unwanted = copy.draft("German").await.unwrap();
    unwanted
        .extend(|edit| edit.add_card("zwei", "two").map(drop))
        .await
        .unwrap();
    let (wanted_id, unwanted_id) = (wanted.id(), unwanted.id());
    drop((copy, wanted, unwanted));
    phone = reopen(phone, phone_folder).await;
    let wanted = deck_of(&phone, id).draft_of(wanted_id);
    assert_eq!(
        (wanted.note().unwrap().as_str(), wanted.info().unwrap().len),
        ("the next number", 4)
    );
    assert_eq!(wanted.base().unwrap(), deck_of(&phone, id).head().unwrap());
    assert_eq!(wanted.card(&added).unwrap().unwrap().tags.len(), 1);
    assert_eq!(wanted.cards().unwrap().len(), 2);
    wanted.propose().await.unwrap();
    drop(wanted);
    phone = reopen(phone, phone_folder).await;

    // They meet.
    let mut events = phone.events();
    link(&laptop, &phone);
    for draft in [wanted_id, unwanted_id] {
        let is_it = |event: &Event| matches!(event, Event::DraftDelivered { draft: of, to, .. } if *of == draft && *to == laptop_id);
        // They come in any order.
        if !matches!(
            deck_of(&phone, id).draft_of(draft).info().unwrap().state,
            DraftState::Delivered { .. }
        ) {
            until(&mut events, "delivery", is_it).await;
        }
    }
    drop(events);
    laptop = reopen(laptop, laptop_folder).await;
    phone = reopen(phone, phone_folder).await;
    let deck = deck_of(&laptop, id);
    let told: Vec<_> = deck.drafts().unwrap();
    assert!(
        told.iter()
            .all(|info| info.author == phone_id && info.state == DraftState::Proposed),
        "{told:?}"
    );
    assert_eq!(deck.draft_of(wanted_id).preview().unwrap().cards.len(), 1);
    assert_eq!(fronts(&deck), ["uno"], "looking changes nothing");
    deck.draft_of(wanted_id).accept().await.unwrap();
    deck.draft_of(unwanted_id)
        .decline("that is German")
        .await
        .unwrap();
    let refused = deck.draft_of(wanted_id).accept().await;
    assert!(matches!(refused, Err(DraftError::Accepted(_))), "{refused:?}");
    drop(deck);
    laptop = reopen(laptop, laptop_folder).await;

    let mut events = phone.events();
    link(&laptop, &phone);
    until(&mut events, "the decline", |event| {
        matches!(event, Event::DraftDeclined { draft, by, reason, author, .. }
            if *draft == unwanted_id && *by == laptop_id && *author == phone_id && reason == "that is German")
    })
    .await;
    drop(events);
    laptop = reopen(laptop, laptop_folder).await;
    phone = reopen(phone, phone_folder).await;
    for engine in [&laptop, &phone] {
        let deck = deck_of(engine, id);
        assert_eq!(fronts(&deck), ["uno", "dos"]);
        assert_eq!(
            deck.draft_of(wanted_id).info().unwrap().state,
            DraftState::Accepted
        );
        let declined = deck.draft_of(unwanted_id).info().unwrap().state;
        let (by, reason) = (laptop_id, "that is German".to_owned());
        assert_eq!(declined, DraftState::Declined { by, reason });

        // Who wrote what: the phone its draft, the laptop that it was accepted, and that the other was not.
        let history: Vec<cuecard::history::Entry> = deck.history().unwrap().collect();
        let by = |entry: &cuecard::history::Entry| {
            entry.writer.as_ref().map(|writer| (writer.device, writer.kind))
        };
        let drafted = history
            .iter()
            .filter(|entry| by(entry) == Some((phone_id, WriterKind::Draft(wanted_id))));
        assert_eq!(drafted.count(), 4);
        let judged: Vec<&Note> = history
            .iter()
            .filter(|entry| matches!(by(entry), Some((device, WriterKind::Term(_))) if device == laptop_id))
            .flat_map(|entry| &entry.notes)
            .filter(|note| note.is_verdict())
            .collect();
        let declined = Note::DraftDecline {
            draft: unwanted_id,
            version: 1,
            reason: "that is German".to_owned(),
        };
        assert_eq!(judged, [&declined, &Note::DraftAccept { draft: wanted_id }]);
    }
}

/// The disk forgets what was saved last, and says so. What the draft's next change would be may have been another before,
/// and gone out: so it is written no further, now or later. It can be proposed, and written anew.
#[tokio::test]
async fn a_draft_on_a_disk_that_lost_its_end_is_written_no_further_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    let deck = engine.create_deck("Spanish 101").await.unwrap();
    let id = deck.id();
    let draft = deck.draft("numbers").await.unwrap();
    draft
        .edit(|edit| edit.add_card("uno", "one").map(drop))
        .await
        .unwrap();
    let draft_id = draft.id();
    drop((deck, draft));
    engine.shutdown().await.unwrap();
    drop(engine);
    // What a disk that comes back from a crash with an older state of the database looks like: the note of how much was
    // saved is beside it.
    let (records, older) = (folder.path().join("store/records"), folder.path().join("older"));
    copy_folder(&records, &older);
    let engine = open(folder.path()).await;
    let draft = deck_of(&engine, id).draft_of(draft_id);
    draft
        .edit(|edit| edit.add_card("dos", "two").map(drop))
        .await
        .unwrap();
    drop(draft);
    engine.shutdown().await.unwrap();
    drop(engine);
    std::fs::remove_dir_all(&records).unwrap();
    std::fs::rename(&older, &records).unwrap();

    let mut lost = Vec::new();
    for _ in 0..3 {
        let engine = open(folder.path()).await;
        lost.push(engine.lost_batches());
        let deck = deck_of(&engine, id);
        let draft = deck.draft_of(draft_id);
        assert_eq!(draft.info().unwrap().len, 1, "what was saved before is there");
        let refused = draft.edit(|edit| edit.add_card("tres", "three").map(drop)).await;
        assert!(
            matches!(refused, Err(EditError::DraftFrozen(of)) if of == draft_id),
            "{refused:?}"
        );
        drop((deck, draft));
        engine.shutdown().await.unwrap();
    }
    assert!(
        lost[0] > 0 && lost[1] == 0,
        "the store tells of it until something new is saved: {lost:?}"
    );
    let engine = open(folder.path()).await;
    let deck = deck_of(&engine, id);
    let anew = deck.draft_of(draft_id).write_anew().await.unwrap();
    anew.edit(|edit| edit.add_card("dos", "two, again").map(drop))
        .await
        .unwrap();
    deck.draft_of(draft_id).propose().await.unwrap();
    deck.draft_of(draft_id).accept().await.unwrap();
    anew.accept().await.unwrap();
    let mut all = fronts(&deck);
    all.sort();
    assert_eq!(all, ["dos", "uno", "uno"], "the author has both, and the choice");
    engine.shutdown().await.unwrap();
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
