//! An edit here, and the event of it there, beside a message of that size on the bare lane.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cuecard::transport::{Lane, LinkEvent};
use cuecard::{CardId, Deck, Engine, Event, Rights};
use cuecard_tests::engines::{until_so, webrtc_link};
use tokio::sync::mpsc;

use crate::fixture::{add_cards, edit_one, runtime_for_two as runtime};
use crate::runner::{Table, Target, Unit, middle};

const CARDS: usize = 1_000;
const TURNS: usize = 5;
/// Edits of a turn, each made when the one before has arrived.
const EDITS: usize = 200;
/// As long as an edit with its seal is on the wire.
const MESSAGE_BYTES: usize = 330;

/// Two engines, linked over WebRTC; the second one follows a deck of the first.
pub(crate) struct Linked {
    pub(crate) here: Engine,
    pub(crate) there: Engine,
    pub(crate) deck: Deck,
    pub(crate) copy: Deck,
    pub(crate) cards: Vec<CardId>,
    /// Edits so far.
    edits: AtomicUsize,
}

impl Linked {
    pub(crate) async fn new(folder: Option<&Path>) -> Self {
        let open = async |name: &str| match folder {
            Some(folder) => Engine::open(folder.join(name)).await,
            None => Engine::in_memory(name),
        };
        let here = open("here").await.expect("an engine");
        let there = open("there").await.expect("an engine");
        let deck = here.create_deck("bench").await.expect("a deck");
        let cards = add_cards(&deck, CARDS).await;
        let copy = there
            .join(&deck.invite(Rights::Read).expect("an invite"))
            .await
            .expect("joined");
        let mut events = there.events();
        let (end_here, end_there) = webrtc_link(here.key(), there.key()).await;
        here.attach(end_here);
        there.attach(end_there);
        until_so(&mut events, "the deck", || copy.head().ok() == deck.head().ok()).await;
        Self {
            here,
            there,
            deck,
            copy,
            cards,
            edits: AtomicUsize::new(1),
        }
    }

    /// Times from an edit to its event on the other side, in seconds.
    pub(crate) async fn edits(&self, count: usize) -> Vec<f64> {
        let mut events = self.there.events();
        let (tell, mut heard) = mpsc::unbounded_channel();
        let listening = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if matches!(event, Event::Changed { .. }) && tell.send(Instant::now()).is_err() {
                    return;
                }
            }
        });
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            // A value that no card has yet.
            let at = self.edits.fetch_add(1, Ordering::Relaxed);
            let began = Instant::now();
            let edit = self.deck.edit(|edit| edit_one(edit, &self.cards, at));
            let arrived = heard.recv().await.expect("the event");
            times.push(arrived.saturating_duration_since(began).as_secs_f64());
            edit.await.expect("it is kept");
            while heard.try_recv().is_ok() {}
        }
        listening.abort();
        times
    }
}

/// The same for messages on the bare lane.
async fn messages(count: usize) -> Vec<f64> {
    let key = |number| cuecard::transport::DeviceKey::from_bytes(&[number; 32]);
    let (here, there) = webrtc_link(&key(1), &key(2)).await;
    let (tell, mut heard) = mpsc::unbounded_channel();
    let listening = tokio::spawn(async move {
        while let LinkEvent::Message { .. } = there.recv().await {
            if tell.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        here.send(Lane::Control, Bytes::from(vec![7; MESSAGE_BYTES]))
            .await
            .expect("it is sent");
        let arrived = heard.recv().await.expect("it arrives");
        times.push(arrived.saturating_duration_since(began).as_secs_f64());
    }
    here.close(cuecard::transport::CloseReason::Here).await;
    listening.abort();
    times
}

pub(crate) fn edit_to_event(table: &mut Table) {
    let runtime = runtime();
    let folder = tempfile::tempdir().expect("a folder");
    let stores = [("in memory", None), ("on disk", Some(folder.path()))];
    for (store, folder) in stores {
        runtime.block_on(async {
            let linked = Linked::new(folder).await;
            let (mut ours, mut base) = (vec![], vec![]);
            for _ in 0..TURNS {
                ours.extend(linked.edits(EDITS).await);
                base.extend(messages(EDITS).await);
            }
            linked.here.shutdown().await.expect("it closes");
            linked.there.shutdown().await.expect("it closes");
            for (name, at) in [("p50", 0.5), ("p99", 0.99)] {
                let (ours, base) = (middle(&ours, at), middle(&base, at));
                table.add_once(
                    &format!(
                        "edit here to event there, WebRTC on loopback, {store}, {name}, beside the bare lane"
                    ),
                    Unit::TimeOfOne(1),
                    Target::None,
                    ours,
                    base,
                );
            }
            let more = middle(&ours, 0.5) - middle(&base, 0.5);
            table.add_one(
                &format!("what that is more at p50, {store}"),
                Unit::TimeOfOne(1),
                Target::Within(Duration::from_millis(1)),
                more.max(0.0),
            );
        });
    }
}
