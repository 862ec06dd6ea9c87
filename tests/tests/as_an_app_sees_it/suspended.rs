//! An app is to sleep, and something stands in the way: a link that takes nothing, a disk that is slow, another thread that
//! has the engine, a catch-up. It sleeps within half a second all the same, is told the truth about what was kept, and
//! wakes up as if nothing had been.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cuecard::limits::SUSPEND_WITHIN;
use cuecard::transport::memory::{Conditions, pair};
use cuecard::{Deck, Engine, Event, Rights, SuspendError};
use cuecard_tests::engines::{Greedy, WITHIN, link, until, until_so};
use cuecard_tests::real::held::{HeldStore, Hold};
use tokio::sync::mpsc::Sender;

/// What a loaded machine may take beyond what was promised. Whatever is waited for here takes longer than both.
const SLACK: Duration = Duration::from_millis(700);

/// Lets an engine fall asleep, in time.
async fn suspend(engine: &Engine) -> Result<(), SuspendError> {
    let started = Instant::now();
    let outcome = tokio::time::timeout(WITHIN, engine.suspend()).await;
    let took = started.elapsed();
    assert!(took < SUSPEND_WITHIN + SLACK, "it took {took:?}");
    outcome.expect("it took no time")
}

fn add(deck: &Deck, front: &str) {
    deck.edit(|edit| edit.add_card(front, "?").map(drop))
        .at_once()
        .unwrap();
}

/// A link that takes nothing, and something that is queued for it. It lasts for as long as what its other side says it by.
async fn stuck(laptop: &Engine, deck: &Deck) -> (Arc<Greedy>, Sender<Bytes>) {
    let (stuck, say) = Greedy::new();
    let mut events = laptop.events();
    laptop.attach(stuck.clone());
    say.send(Greedy::greeting(deck)).await.unwrap();
    until(&mut events, "it is met", |event| {
        matches!(event, Event::ReachChanged { .. })
    })
    .await;
    add(deck, "queued for it, and not taken");
    (stuck, say)
}

#[tokio::test]
async fn a_link_that_takes_nothing_is_closed_all_the_same() {
    let laptop = Engine::in_memory("laptop").unwrap();
    let deck = laptop.create_deck("Spanish").await.unwrap();
    let (stuck, _say) = stuck(&laptop, &deck).await;
    let mut events = laptop.events();
    assert!(!stuck.is_closed());
    let started = Instant::now();
    suspend(&laptop).await.unwrap();
    // What is queued was given its time.
    assert!(started.elapsed() > SUSPEND_WITHIN / 2);
    assert!(stuck.is_closed());
    until(&mut events, "its end", |event| {
        matches!(event, Event::Unlinked { .. })
    })
    .await;
    laptop.resume().await;
    add(&deck, "and all goes on");
}

/// One who thinks better of it, and better of that: the second time has its time, whatever the first was about to do.
#[tokio::test]
async fn falling_asleep_that_was_broken_off_does_not_go_on_as_the_next() {
    let laptop = Engine::in_memory("laptop").unwrap();
    let deck = laptop.create_deck("Spanish").await.unwrap();
    let (_stuck, _first) = stuck(&laptop, &deck).await;
    let first = tokio::time::timeout(SUSPEND_WITHIN / 2, laptop.suspend()).await;
    assert!(first.is_err(), "it waits for what is queued");
    laptop.resume().await;
    let (attached, _second) = stuck(&laptop, &deck).await;
    let started = Instant::now();
    suspend(&laptop).await.unwrap();
    assert!(started.elapsed() > SUSPEND_WITHIN / 2, "it had its own time");
    assert!(attached.is_closed());
}

#[tokio::test]
async fn of_a_slow_disk_the_app_is_told_that_not_everything_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let laptop = Engine::open(folder.path()).await.unwrap();
    laptop.create_deck("Spanish").await.unwrap();
    laptop.shutdown().await.unwrap();
    drop(laptop);
    let hold = Hold::default();
    let laptop = HeldStore::open(Engine::builder(), folder.path(), &hold)
        .await
        .unwrap();
    let deck = laptop.decks().pop().unwrap();
    let phone = Engine::in_memory("phone").unwrap();
    let copy = phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    let mut events = phone.events();
    link(&laptop, &phone);
    until(&mut events, "the deck", |event| {
        matches!(event, Event::SyncComplete { .. })
    })
    .await;
    add(&deck, "kept");
    suspend(&laptop).await.unwrap();
    until(&mut events, "the end of the link", |event| {
        matches!(event, Event::Unlinked { .. })
    })
    .await;
    laptop.resume().await;
    link(&laptop, &phone);
    add(&deck, "kept, too");
    until_so(&mut events, "it goes on", || {
        copy.cards().is_ok_and(|cards| cards.len() == 2)
    })
    .await;
    hold.hold();
    add(&deck, "on its way");
    assert_eq!(suspend(&laptop).await, Err(SuspendError::Unsaved));
    until(&mut events, "the end of this link, too", |event| {
        matches!(event, Event::Unlinked { .. })
    })
    .await;
    // It left before it was durable, as it may: whoever began the term writes it on.
    assert_eq!(copy.cards().unwrap().len(), 3);
}

#[tokio::test]
async fn whoever_has_the_engine_does_not_hold_it_up() {
    let laptop = Engine::in_memory("laptop").unwrap();
    let phone = Engine::in_memory("phone").unwrap();
    let deck = laptop.create_deck("Spanish").await.unwrap();
    let mut events = laptop.events();
    phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    link(&laptop, &phone);
    until(&mut events, "they are linked", |event| {
        matches!(event, Event::SafeWith { in_sync: true, .. })
    })
    .await;
    let (talker, say) = Greedy::new();
    laptop.attach(talker);
    let greeting = Greedy::greeting(&deck);
    // An edit of the app's, in the middle of which its thread waits for something.
    let ((entered, inside), (go_on, wait)) = (channel(), channel());
    let slow = deck.clone();
    let thread = std::thread::spawn(move || {
        let edit = slow.edit(|edit| {
            entered.send(()).unwrap();
            // Longer than any of this takes: what waits for it fails then, and does not hang.
            let _ = wait.recv_timeout(Duration::from_secs(10));
            edit.add_card("slow", "?").map(drop)
        });
        edit.at_once().unwrap();
    });
    inside.recv().unwrap();
    // Nor does what comes by a link meanwhile take this runtime's only thread.
    let began = Instant::now();
    say.send(greeting).await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(began.elapsed() < SUSPEND_WITHIN, "it waits for the edit");
    assert_eq!(suspend(&laptop).await, Err(SuspendError::Unsaved));
    go_on.send(()).unwrap();
    thread.join().unwrap();
    until(&mut events, "the end of the link", |event| {
        matches!(event, Event::Unlinked { .. })
    })
    .await;
    assert_eq!(suspend(&laptop).await, Ok(()), "and now everything is there");
    laptop.resume().await;
    let (end, other) = pair(laptop.device(), phone.device(), Conditions::PERFECT, 2);
    laptop.attach(end);
    phone.attach(other);
    until(&mut events, "it is there, too", |event| {
        matches!(event, Event::SafeWith { in_sync: true, .. })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catch_up_under_way_is_left_and_taken_up_again() {
    const CHANGES: usize = 1_500;
    let (laptop, phone) = (
        Engine::in_memory("laptop").unwrap(),
        Engine::in_memory("phone").unwrap(),
    );
    let deck = laptop.create_deck("Spanish").await.unwrap();
    for number in 0..CHANGES {
        add(&deck, &format!("card {number}"));
    }
    let copy = phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    let mut events = phone.events();
    // At the beginning of it, and where the first of it is there.
    for has_some in [false, true] {
        // So slow a path that what comes is not all one batch.
        let bandwidth = has_some.then_some(60_000);
        let conditions = Conditions {
            bandwidth,
            ..Conditions::PERFECT
        };
        let (end, other) = pair(laptop.device(), phone.device(), conditions, 3);
        laptop.attach(end);
        phone.attach(other);
        until(
            &mut events,
            "it is under way",
            |event| matches!(event, Event::Syncing { have, total, .. } if have < total && (*have > 0) >= has_some),
        )
        .await;
        suspend(&phone).await.unwrap();
        phone.resume().await;
    }
    link(&laptop, &phone);
    let head = deck.head().unwrap();
    until_so(&mut events, "all of it is there", || copy.head() == Ok(head)).await;
    assert_eq!(copy.cards().unwrap().len(), CHANGES);
}
