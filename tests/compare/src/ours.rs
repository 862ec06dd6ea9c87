//! Cuecard's side.

use std::io::Cursor;
use std::time::{Duration, Instant};

use cuecard::export::ExportWith;
use cuecard::transport::memory::{Conditions, pair};
use cuecard::{CardId, Deck, Engine, Event, Events, Rights};
use tokio::sync::mpsc;

use crate::fixture::{add_cards, edit_one, fill};

/// A deck, and a file of it as it was before most of its changes.
pub(crate) struct Decks {
    engine: Engine,
    deck: Deck,
    cards: Vec<CardId>,
    early: Vec<u8>,
    early_document: Vec<u8>,
}

async fn until_equal(events: &mut Events, deck: &Deck, copy: &Deck) {
    let head = deck.head().ok();
    while copy.head().ok() != head {
        events.next().await.expect("it runs");
    }
}

fn link(a: &Engine, b: &Engine) {
    let (end_a, end_b) = pair(a.device(), b.device(), Conditions::PERFECT, 1);
    a.attach(end_a);
    b.attach(end_b);
}

impl Decks {
    pub(crate) async fn new(cards: usize, changes: usize) -> Self {
        let engine = Engine::in_memory("ahead").expect("an engine");
        let deck = engine.create_deck("compare").await.expect("a deck");
        let cards = add_cards(&deck, cards).await;
        let with = ExportWith::default().and_key();
        let (early, _) = deck.export_to(Vec::new(), with).await.expect("it is exported");
        let early_document = deck.automerge_document().expect("the deck");
        let have = deck.entry_count().expect("the deck");
        fill(&deck, &cards, have + changes).await;
        Self {
            engine,
            deck,
            cards,
            early,
            early_document,
        }
    }

    /// The same without anything of ours: before, and now.
    pub(crate) fn documents(&self) -> (Vec<u8>, Vec<u8>) {
        let late = self.deck.automerge_document().expect("the deck");
        (self.early_document.clone(), late)
    }

    async fn timed(&self, follower: &Engine, copy: &Deck) -> Duration {
        let mut events = follower.events();
        let began = Instant::now();
        link(&self.engine, follower);
        until_equal(&mut events, &self.deck, copy).await;
        let took = began.elapsed();
        follower.shutdown().await.expect("it closes");
        took
    }

    async fn joined(&self) -> (Engine, Deck) {
        let follower = Engine::in_memory("new").expect("an engine");
        let invite = self.deck.invite(Rights::Read).expect("an invite");
        let copy = follower.join(&invite).await.expect("joined");
        (follower, copy)
    }

    pub(crate) async fn first_sync(&self) -> Duration {
        let (follower, copy) = self.joined().await;
        self.timed(&follower, &copy).await
    }

    pub(crate) async fn catch_up(&self) -> Duration {
        let follower = Engine::in_memory("behind").expect("an engine");
        let imported = follower.import_from(Cursor::new(self.early.clone())).await;
        let copy = imported.expect("it is imported").deck;
        self.timed(&follower, &copy).await
    }

    pub(crate) async fn linked(&self) -> Linked<'_> {
        let (follower, copy) = self.joined().await;
        let mut events = follower.events();
        link(&self.engine, &follower);
        until_equal(&mut events, &self.deck, &copy).await;
        Linked {
            decks: self,
            follower,
        }
    }
}

/// A device that follows live.
pub(crate) struct Linked<'a> {
    decks: &'a Decks,
    follower: Engine,
}

impl Linked<'_> {
    /// Seconds from an edit to its event.
    pub(crate) async fn edits(&self, count: usize) -> Vec<f64> {
        let Decks { deck, cards, .. } = self.decks;
        let mut events = self.follower.events();
        let (tell, mut heard) = mpsc::unbounded_channel();
        let listening = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if matches!(event, Event::Changed { .. }) && tell.send(Instant::now()).is_err() {
                    return;
                }
            }
        });
        let mut times = Vec::new();
        for _ in 0..count {
            // A value that the card has not yet.
            let at = deck.entry_count().expect("the deck") * 7;
            let began = Instant::now();
            let edit = deck.edit(|edit| edit_one(edit, cards, at));
            let arrived = heard.recv().await.expect("the event");
            times.push(arrived.saturating_duration_since(began).as_secs_f64());
            edit.await.expect("it is kept");
        }
        listening.abort();
        times
    }
}
