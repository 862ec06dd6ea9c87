//! What an app does with audio, through the handles that it holds.

use std::io::{Cursor, Read};
use std::sync::Arc;
use std::time::Duration;

use cuecard::store::{BlobFault, FaultyStore, MemoryStore, Store};
use cuecard::transport::DeviceKey;
use cuecard::transport::memory::{Conditions, pair};
use cuecard::{
    AudioAbout, AudioError, AudioPolicy, AudioRef, CardId, Deck, Engine, Event, Events, Policies, Rights,
};

use crate::world::{is_whole, sound};

fn about() -> AudioAbout {
    AudioAbout {
        mime: "audio/wav".into(),
        name: "señal 🙂.wav".into(),
        duration_ms: 1_234,
    }
}

async fn import(deck: &Deck, bytes: Vec<u8>) -> AudioRef {
    deck.import_audio(Cursor::new(bytes), about()).await.unwrap()
}

async fn card(deck: &Deck, audio: &AudioRef) -> CardId {
    let audio = audio.clone();
    deck.edit(|edit| {
        let card = edit.add_card("uno", "one")?;
        edit.attach_audio(&card, "front", audio)?;
        Ok(card)
    })
    .await
    .unwrap()
}

fn link(a: &Engine, b: &Engine) {
    let (end_a, end_b) = pair(a.device(), b.device(), Conditions::PERFECT, 1);
    a.attach(end_a);
    b.attach(end_b);
}

async fn within<T>(what: &str, done: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(20), done).await;
    done.unwrap_or_else(|_| panic!("{what} did not happen"))
}

async fn until(events: &mut Events, what: &str, is_it: impl Fn(&Event) -> bool) -> Event {
    within(what, async {
        loop {
            let event = events.next().await.expect("the engine is there");
            if is_it(&event) {
                return event;
            }
        }
    })
    .await
}

fn policies(audio: AudioPolicy) -> Policies {
    Policies {
        audio,
        ..Policies::default()
    }
}

#[tokio::test]
async fn an_app_asks_for_audio_waits_for_it_and_reads_it() {
    let laptop = Engine::in_memory("laptop").unwrap();
    let deck = laptop.create_deck("Spanish").await.unwrap();
    let bytes = sound(1, 300_000);
    let audio = import(&deck, bytes.clone()).await;
    let card = card(&deck, &audio).await;
    let phone = Engine::builder()
        .policies(policies(AudioPolicy::OnDemand))
        .open_on(Arc::new(MemoryStore::new()), DeviceKey::generate().unwrap())
        .unwrap();
    let copy = phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    let mut events = phone.events();
    let waiting = tokio::spawn({
        let (copy, audio) = (copy.clone(), audio.clone());
        async move { copy.fetch_audio(&audio).await }
    });
    link(&laptop, &phone);
    within("the audio", waiting).await.unwrap().unwrap();
    until(&mut events, "the card", |_| {
        copy.card(&card).is_ok_and(|card| card.is_some())
    })
    .await;
    let arrived = copy.card(&card).unwrap().unwrap().audio["front"].clone();
    assert_eq!(
        (&arrived.name[..], &arrived.mime[..]),
        ("señal 🙂.wav", "audio/wav")
    );
    assert_eq!(
        (arrived.duration_ms, &arrived),
        (1_234, &audio),
        "as its author gave it"
    );
    let mut read = Vec::new();
    copy.open_audio(audio.blob)
        .unwrap()
        .read_to_end(&mut read)
        .unwrap();
    assert_eq!(read, bytes);
    // What was never there, what is too long, and what is not followed.
    let absent = AudioRef {
        blob: cuecard::BlobId::from_bytes([3; 32]),
        ..audio.clone()
    };
    let error = copy.open_audio(absent.blob).map(drop).unwrap_err();
    assert_eq!(error, AudioError::NoLongerKept { blob: absent.blob });
    let long = AudioRef {
        bytes: 1 << 40,
        ..audio
    };
    assert!(matches!(
        copy.fetch_audio(&long).await,
        Err(AudioError::TooLarge { .. })
    ));
    let unfollowed = laptop.deck(deck.id()).unwrap();
    drop(unfollowed);
    // One that waits when the engine goes hears that.
    let waiting = tokio::spawn(async move { copy.fetch_audio(&absent).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    waiting.abort();
    laptop.shutdown().await.unwrap();
    phone.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_is_not_here_yet_is_another_thing_than_what_is_no_longer_kept() {
    let laptop = Engine::builder()
        .audio_grace(Duration::ZERO)
        .open_on(Arc::new(MemoryStore::new()), DeviceKey::generate().unwrap())
        .unwrap();
    let deck = laptop.create_deck("Spanish").await.unwrap();
    // Taken in, and the edit has not come: it stays, even without any grace.
    let audio = import(&deck, sound(1, 50_000)).await;
    let unused = import(&deck, sound(2, 50_000)).await;
    let collected = laptop.collect_audio().await.unwrap();
    assert_eq!((collected.deleted, collected.pinned), (0, 2));
    let card = card(&deck, &audio).await;
    assert!(deck.open_audio(audio.blob).is_ok() && deck.open_audio(unused.blob).is_ok());
    let collected = laptop.collect_audio().await.unwrap();
    assert_eq!((collected.deleted, collected.pinned), (0, 1));

    let phone = Engine::builder()
        .audio_grace(Duration::ZERO)
        .policies(policies(AudioPolicy::OnDemand))
        .open_on(Arc::new(MemoryStore::new()), DeviceKey::generate().unwrap())
        .unwrap();
    let copy = phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    let mut events = phone.events();
    link(&laptop, &phone);
    until(&mut events, "the card", |_| {
        copy.card(&card).is_ok_and(|card| card.is_some())
    })
    .await;
    let error = copy.open_audio(audio.blob).map(drop).unwrap_err();
    assert_eq!(error, AudioError::NotHereYet { blob: audio.blob });
    within("the audio", copy.fetch_audio(&audio)).await.unwrap();
    // The card has other audio now: the phone no longer needs the old one, the laptop may undo it.
    let other = import(&deck, sound(3, 50_000)).await;
    deck.edit(|edit| edit.attach_audio(&card, "front", other))
        .await
        .unwrap();
    let head = deck.head().unwrap();
    until(&mut events, "the edit", |_| copy.head().ok() == Some(head)).await;
    assert_eq!(phone.collect_audio().await.unwrap().deleted, 1);
    assert_eq!(laptop.collect_audio().await.unwrap().deleted, 0);
    let error = copy.open_audio(audio.blob).map(drop).unwrap_err();
    assert_eq!(error, AudioError::NoLongerKept { blob: audio.blob });
    assert!(error.to_string().contains("no longer kept"), "{error}");
    // Somebody still has it, and it can be had again.
    within("the old audio", copy.fetch_audio(&audio)).await.unwrap();
    assert!(copy.open_audio(audio.blob).is_ok());
}

#[tokio::test]
async fn audio_that_was_taken_in_and_never_used_goes_in_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Engine::builder().audio_grace(Duration::ZERO).open(folder.path());
    let laptop = open().await.unwrap();
    let deck = laptop.create_deck("Spanish").await.unwrap();
    let (used, unused) = (
        import(&deck, sound(1, 50_000)).await,
        import(&deck, sound(2, 60_000)).await,
    );
    card(&deck, &used).await;
    laptop.shutdown().await.unwrap();
    let laptop = open().await.unwrap();
    let collected = laptop.collect_audio().await.unwrap();
    assert_eq!((collected.deleted, collected.deleted_bytes), (1, 60_000));
    let deck = laptop.deck(deck.id()).unwrap();
    assert!(deck.open_audio(used.blob).is_ok() && deck.open_audio(unused.blob).is_err());
    laptop.shutdown().await.unwrap();
    assert!(matches!(
        laptop.collect_audio().await,
        Err(AudioError::Disk { .. } | AudioError::Closed)
    ));
}

/// Nobody who waits no longer can attach what was taken in.
#[tokio::test]
async fn audio_whose_taking_in_nobody_waits_for_goes_while_the_engine_is_open() {
    let laptop = Engine::builder()
        .audio_grace(Duration::ZERO)
        .open_on(Arc::new(MemoryStore::new()), DeviceKey::from_bytes(&[1; 32]))
        .unwrap();
    let deck = laptop.create_deck("Spanish").await.unwrap();
    let kept = import(&deck, sound(1, 50_000)).await;
    let mut dropped = deck.import_audio(Cursor::new(sound(2, 60_000)), about());
    within("its end", async { while dropped.further().await.is_some() {} }).await;
    drop(dropped);
    // It is let go of on another thread.
    let gone = async {
        loop {
            let collected = laptop.collect_audio().await.unwrap();
            if collected.deleted > 0 {
                return collected.deleted_bytes;
            }
        }
    };
    assert_eq!(within("a collection that finds it", gone).await, 60_000);
    assert!(deck.open_audio(kept.blob).is_ok(), "it may be attached yet");
}

#[tokio::test]
async fn a_disk_that_fails_under_a_transfer_costs_the_audio_and_not_the_deck() {
    let laptop = Engine::in_memory("laptop").unwrap();
    let deck = laptop.create_deck("Spanish").await.unwrap();
    let audio = import(&deck, sound(1, 400_000)).await;
    let first = card(&deck, &audio).await;
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    // The first calls begin the blob and write to it.
    store.blob_fault(4, BlobFault::Fail);
    let phone = Engine::builder()
        .open_on(store.clone(), DeviceKey::generate().unwrap())
        .unwrap();
    let copy = phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    let mut events = phone.events();
    link(&laptop, &phone);
    let failed = until(&mut events, "the failure", |event| {
        matches!(event, Event::AudioFailed { .. })
    })
    .await;
    assert!(matches!(failed, Event::AudioFailed { blob, .. } if blob == audio.blob));
    assert!(copy.card(&first).unwrap().is_some());
    let error = copy.open_audio(audio.blob).map(drop).unwrap_err();
    assert_eq!(error, AudioError::NotHereYet { blob: audio.blob });
    // Edits go on; and an app that asks for it need not wait for the minute to be over.
    let second = card(&deck, &audio).await;
    until(&mut events, "the edit", |_| {
        copy.card(&second).is_ok_and(|card| card.is_some())
    })
    .await;
    within("the audio", copy.fetch_audio(&audio)).await.unwrap();
    assert!(copy.open_audio(audio.blob).is_ok());
    assert!(store.blobs().verify(audio.blob.into()).is_ok());
    let told = until(&mut events, "the last word", |event| is_whole(event, audio.blob)).await;
    assert!(matches!(told, Event::Audio(progress) if progress.size_bytes == 400_000));
}

#[tokio::test]
async fn a_full_disk_is_named_with_what_to_do() {
    let says = |error: &AudioError| {
        assert!(matches!(error, AudioError::NoRoom { .. }), "{error:?}");
        assert!(error.to_string().contains("free some space"), "{error}");
    };
    let laptop = Engine::in_memory("laptop").unwrap();
    let deck = laptop.create_deck("Spanish").await.unwrap();
    let audio = import(&deck, sound(1, 400_000)).await;
    card(&deck, &audio).await;
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let phone = Engine::builder()
        .open_on(store.clone(), DeviceKey::generate().unwrap())
        .unwrap();
    let copy = phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    // Where an app takes it in: the first call that changes blobs.
    store.blob_fault(1, BlobFault::Full);
    let taken_in = copy.import_audio(Cursor::new(sound(2, 40_000)), about()).await;
    says(&taken_in.unwrap_err());
    // And where it comes from another device.
    store.blob_fault(4, BlobFault::Full);
    let mut events = phone.events();
    let (fetched, ()) = tokio::join!(within("the failure", copy.fetch_audio(&audio)), async {
        link(&laptop, &phone);
    });
    says(&fetched.unwrap_err());
    let failed = until(&mut events, "the event", |event| {
        matches!(event, Event::AudioFailed { .. })
    });
    assert!(matches!(failed.await, Event::AudioFailed { no_room: true, .. }));
    // There is room again, and whoever asks need not wait.
    within("the audio", copy.fetch_audio(&audio)).await.unwrap();
}

#[tokio::test]
async fn a_transfer_goes_on_after_a_restart_with_what_is_on_the_disk() {
    const BYTES: usize = 4_000_000;
    let laptop = Engine::in_memory("laptop").unwrap();
    let deck = laptop.create_deck("Spanish").await.unwrap();
    let audio = import(&deck, sound(1, BYTES)).await;
    card(&deck, &audio).await;
    let folder = tempfile::tempdir().unwrap();
    let phone = Engine::open(folder.path()).await.unwrap();
    let copy = phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    let narrow = Conditions {
        bandwidth: Some(4_000_000),
        ..Conditions::PERFECT
    };
    let mut events = phone.events();
    let (end, other) = pair(laptop.device(), phone.device(), narrow, 1);
    laptop.attach(end);
    phone.attach(other);
    let half =
        |event: &Event| matches!(event, Event::Audio(progress) if progress.have_bytes > BYTES as u64 / 2);
    until(&mut events, "a half", half).await;
    phone.shutdown().await.unwrap();
    assert!(copy.open_audio(audio.blob).is_err());
    drop((copy, phone, events));

    let phone = Engine::open(folder.path()).await.unwrap();
    let copy = phone.deck(deck.id()).unwrap();
    let (end, other) = pair(laptop.device(), phone.device(), Conditions::PERFECT, 2);
    laptop.attach(end.clone());
    phone.attach(other);
    within("the rest", copy.fetch_audio(&audio)).await.unwrap();
    let sent = end.stats().sent_bytes;
    assert!(sent < BYTES as u64 * 55 / 100, "{sent} bytes were sent again");
    phone.shutdown().await.unwrap();
}
