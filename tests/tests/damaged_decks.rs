//! What a damaged disk costs: a snapshot costs nothing, a deck costs that deck and no other, and a failure at any write
//! costs nothing that was acknowledged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cuecard::core::CompactWhen;
use cuecard::disk::snapshot::{Kept, snapshot_name};
use cuecard::disk::term_stream;
use cuecard::store::{Batch, Fault, FaultyStore, MemoryStore, SnapshotFault, SnapshotName, Store};
use cuecard::transport::DeviceKey;
use cuecard::transport::memory::{Conditions, pair};
use cuecard::{Deck, DeckError, DeckId, DeckInvite, EditError, Engine, Event, Rights, TermId};

const EVERY: CompactWhen = CompactWhen {
    changes: 5,
    bytes: usize::MAX,
};

/// What does not come by then does not come.
const LONG: Duration = Duration::from_secs(60);

fn key() -> DeviceKey {
    DeviceKey::from_bytes(&[7; 32])
}

fn open(store: Arc<dyn Store>) -> Engine {
    let builder = Engine::builder().compact_when(EVERY);
    builder.open_on(store, key()).expect("the others open")
}

/// Waits until the snapshot with this number, or a later one, is noted.
async fn until_snapshot(store: &MemoryStore, deck: DeckId, generation: u64) {
    let key = [b"d".as_slice(), deck.as_bytes().as_slice(), b"s"].concat();
    let asked = Instant::now();
    loop {
        assert!(asked.elapsed() < LONG, "no snapshot was written");
        // The disk's own thread writes it; it is never long.
        tokio::task::yield_now().await;
        let kept = store.get(&key).expect("the note");
        let kept = kept.map(|bytes| minicbor::decode::<Kept>(&bytes).expect("a note"));
        if kept.is_some_and(|kept| kept.newest >= generation) {
            return;
        }
    }
}

async fn add(deck: &Deck, from: usize, to: usize) {
    for at in from..to {
        let front = format!("card {at}");
        deck.edit(|edit| edit.add_card(&front, "").map(drop))
            .await
            .expect("it may edit");
    }
}

fn fronts(deck: &Deck) -> Vec<String> {
    let cards = deck.cards().expect("the deck");
    cards.into_iter().map(|card| card.front).collect()
}

fn expected(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("card {at}")).collect()
}

/// A deck with two snapshots, and a log that no longer begins at its beginning.
async fn compacted() -> (MemoryStore, DeckId, Vec<SnapshotName>) {
    let store = MemoryStore::new();
    let engine = open(Arc::new(store.clone()));
    let deck = engine.create_deck("Spanish").await.expect("a deck");
    for round in 0..4 {
        add(&deck, round * 10, round * 10 + 10).await;
        until_snapshot(&store, deck.id(), round as u64 + 1).await;
    }
    add(&deck, 40, 42).await;
    let id = deck.id();
    engine.shutdown().await.expect("the disk is well");
    let store = store.reopen().expect("it was closed");
    let names = store.snapshots().list().expect("the snapshots");
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name.key == snapshot_name(id, 0).key));
    (store, id, names)
}

#[tokio::test]
async fn a_damaged_snapshot_costs_nothing() {
    let (store, id, names) = compacted().await;
    for position in [0, 9, 60, 100, 500, 1_000] {
        let store = MemoryStore::restore(store.snapshot());
        assert!(store.memory_snapshots().damage(names[1], position));
        let engine = open(Arc::new(store));
        let deck = engine.deck(id).expect("it opened from the snapshot before");
        assert_eq!(fronts(&deck), expected(42));
        add(&deck, 42, 60).await;
        assert_eq!(fronts(&deck), expected(60));
    }
}

#[tokio::test]
async fn a_snapshot_that_is_gone_costs_nothing_and_the_next_ones_are_sound() {
    let (store, id, names) = compacted().await;
    store.snapshots().delete(names[1]).expect("to delete it");
    let engine = open(Arc::new(store.clone()));
    let deck = engine.deck(id).expect("it opened");
    assert_eq!(fronts(&deck), expected(42));
    add(&deck, 42, 80).await;
    until_snapshot(&store, id, names[1].generation + 1).await;
    engine.shutdown().await.expect("the disk is well");
    let engine = open(Arc::new(store.reopen().expect("it was closed")));
    assert_eq!(fronts(&engine.deck(id).expect("it opened")), expected(80));
}

#[tokio::test]
async fn without_any_snapshot_a_deck_stays_closed_and_another_opens() {
    let (store, id, names) = compacted().await;
    let engine = open(Arc::new(store.clone()));
    let other = engine.create_deck("French").await.expect("a deck");
    add(&other, 0, 3).await;
    let (other, invite) = (
        other.id(),
        engine
            .deck(id)
            .expect("it")
            .invite(Rights::Read)
            .expect("an invite"),
    );
    engine.shutdown().await.expect("the disk is well");

    let store = store.reopen().expect("it was closed");
    for name in &names {
        assert!(store.memory_snapshots().damage(*name, 200));
    }
    let before = store.snapshot();
    let engine = open(Arc::new(store.clone()));
    let damaged = engine.damaged_decks();
    assert_eq!(damaged.len(), 1);
    assert_eq!(damaged[0].deck, id);
    assert!(damaged[0].to_string().contains("snapshot"), "{}", damaged[0]);
    assert!(engine.deck(id).is_none());
    assert_eq!(fronts(&engine.deck(other).expect("the other deck")), expected(3));
    // Nothing is written over it, whatever is asked for.
    refused(&engine, &invite, id).await;
    engine.shutdown().await.expect("the disk is well");
    let after = MemoryStore::restore(store.snapshot());
    let before = MemoryStore::restore(before);
    let prefix = [b"d".as_slice(), id.as_bytes().as_slice()].concat();
    assert_eq!(
        before.scan(&prefix).expect("its values"),
        after.scan(&prefix).expect("its values")
    );
    for name in names {
        assert!(after.snapshots().list().expect("them").contains(&name));
    }
}

async fn refused(engine: &Engine, invite: &DeckInvite, deck: DeckId) {
    let joined = engine.join(invite).await;
    assert!(
        matches!(&joined, Err(EditError::Deck(DeckError::Damaged(id))) if *id == deck),
        "{joined:?}"
    );
}

#[tokio::test]
async fn a_deck_whose_records_are_damaged_costs_no_other() {
    let (store, id, _) = compacted().await;
    let mut batch = Batch::new();
    batch.put(
        [b"d".as_slice(), id.as_bytes().as_slice(), b"g"].concat(),
        vec![1, 2, 3],
    );
    store.commit(batch).await.expect("to damage it");
    let engine = open(Arc::new(store));
    assert_eq!(engine.damaged_decks().len(), 1);
    let other = engine.create_deck("French").await.expect("a deck");
    add(&other, 0, 3).await;
}

#[tokio::test]
async fn a_fault_at_any_write_of_a_snapshot_costs_nothing() {
    for fault in [SnapshotFault::Fail, SnapshotFault::FailAfter, SnapshotFault::Lose] {
        for call in 1..=8 {
            let memory = MemoryStore::new();
            let store = Arc::new(FaultyStore::new(memory.clone()));
            store.snapshot_fault(call, fault);
            let engine = open(store.clone());
            let mut events = engine.events();
            let deck = engine.create_deck("Spanish").await.expect("a deck");
            add(&deck, 0, 60).await;
            // The first try that fails is told; then it is tried again.
            while store.snapshot_calls() < call {
                add(&deck, fronts(&deck).len(), fronts(&deck).len() + 5).await;
            }
            if fault == SnapshotFault::Fail {
                let told = async {
                    while let Some(event) = events.next().await {
                        if matches!(event, Event::CompactionFailed { .. }) {
                            return;
                        }
                    }
                    panic!("nobody was told");
                };
                told.await;
            }
            let (id, fronts_then, head) = (deck.id(), fronts(&deck), deck.head().expect("the head"));
            engine.shutdown().await.expect("the log is well");
            let store = memory.reopen().expect("it was closed");
            let engine = open(Arc::new(store));
            let deck = engine.deck(id).expect("it opens");
            assert_eq!(deck.head().expect("the head"), head, "{fault:?} at {call}");
            assert_eq!(fronts(&deck), fronts_then, "{fault:?} at {call}");
        }
    }
}

/// The notes on snapshots and the cuts are commits like the edits: whichever fails, what was acknowledged is there.
#[tokio::test]
async fn a_fault_at_any_commit_costs_nothing_that_was_acknowledged() {
    for fault in [Fault::Fail, Fault::FailAfter] {
        for commit in (1..=60).step_by(3) {
            let memory = MemoryStore::new();
            let store = Arc::new(FaultyStore::new(memory.clone()));
            store.fault(commit, fault);
            let engine = open(store.clone());
            let mut acknowledged = 0;
            if let Ok(deck) = engine.create_deck("Spanish").await {
                for at in 0..50 {
                    let front = format!("card {at}");
                    if deck
                        .edit(|edit| edit.add_card(&front, "").map(drop))
                        .await
                        .is_err()
                    {
                        break;
                    }
                    acknowledged += 1;
                }
            }
            let failed = engine.shutdown().await;
            drop(failed);
            let engine = open(Arc::new(memory.crash()));
            assert!(engine.damaged_decks().is_empty(), "{fault:?} at {commit}");
            let found = engine.decks().first().map(fronts).unwrap_or_default();
            assert!(
                found.len() >= acknowledged && found.len() <= acknowledged + 1,
                "{fault:?} at {commit}: {} of {acknowledged}",
                found.len()
            );
            assert_eq!(found, expected(found.len()), "{fault:?} at {commit}");
        }
    }
}

#[tokio::test]
async fn closing_leaves_no_long_log_to_be_read() {
    let store = MemoryStore::new();
    let engine = Engine::builder()
        .open_on(Arc::new(store.clone()), key())
        .expect("an engine");
    let (long, short) = (
        engine.create_deck("long").await.expect("a deck"),
        engine.create_deck("short").await.expect("a deck"),
    );
    add(&short, 0, 20).await;
    add(&long, 0, 150).await;
    let (long, short) = (long.id(), short.id());
    engine.shutdown().await.expect("the disk is well");
    let store = store.reopen().expect("it was closed");
    let kept = |deck| {
        let snapshots = store.snapshots();
        snapshots
            .generations(snapshot_name(deck, 0).key)
            .expect("the snapshots")
            .len()
    };
    assert_eq!((kept(long), kept(short)), (1, 0));
    let engine = open(Arc::new(store));
    assert_eq!(fronts(&engine.deck(long).expect("it opens")), expected(150));
    assert_eq!(fronts(&engine.deck(short).expect("it opens")), expected(20));
}

/// Where it is found while the engine runs that a log cannot be read, the app is told, once; all else goes on.
#[tokio::test]
async fn a_log_that_cannot_be_read_any_more_is_told_of() {
    let store = MemoryStore::new();
    let engine = Engine::builder()
        .open_on(Arc::new(store.clone()), key())
        .expect("an engine");
    let deck = engine.create_deck("Spanish").await.expect("a deck");
    add(&deck, 0, 10).await;
    let mut batch = Batch::new();
    batch.drop_stream(term_stream(deck.id(), TermId::from_bytes(*deck.id().as_bytes())));
    store.commit(batch).await.expect("to damage it");
    let mut events = engine.events();
    let other = Engine::in_memory("other").expect("an engine");
    let invite = deck.invite(Rights::Read).expect("an invite");
    other.join(&invite).await.expect("joined");
    let (here, there) = pair(engine.device(), other.device(), Conditions::PERFECT, 1);
    engine.attach(here);
    other.attach(there);
    let told = async {
        loop {
            match events.next().await.expect("it runs") {
                Event::DeckDamaged { deck: of, why } => return (of, why),
                event => assert!(!matches!(event, Event::StoreFailed { .. })),
            }
        }
    };
    let (of, why) = tokio::time::timeout(LONG, told).await.expect("it is told");
    assert_eq!(of, deck.id());
    assert!(why.contains("change 1 "), "{why}");
    add(&deck, 10, 12).await;
    assert_eq!(fronts(&deck), expected(12), "what it shows is whole");
}
