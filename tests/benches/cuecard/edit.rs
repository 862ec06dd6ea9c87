//! What an edit costs: done, and durable.

use std::time::Duration;

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{Automerge, ObjId, ROOT, ReadDoc};
use cuecard::{CardId, Deck, Engine};

use crate::fixture::{Written, add_cards, deck_in_memory, edit_one, runtime};
use crate::runner::{Table, Target, Unit, in_turns, timed};

const CARDS: usize = 1_000;
/// Edits of each side in one round.
const EDITS: u32 = 200;
const WRITERS: usize = 32;
/// Edits of all writers together in one round.
const DURABLE_EDITS: u32 = 3_200;

/// One field of one card through the public API, not waiting for the disk; and the same put and committed by Automerge
/// alone, with a message as long.
pub(crate) fn one_field(table: &mut Table) {
    for changes in [10_000, 100_000] {
        let runtime = runtime();
        let _entered = runtime.enter();
        let (_engine, deck, cards) = runtime.block_on(deck_in_memory(CARDS, changes));
        let mut bare = Bare::new(&Written::new(CARDS, changes));
        let mut at = changes;
        let ours = || {
            let took = timed(|| {
                for _ in 0..EDITS {
                    at += 1;
                    deck.edit(|edit| edit_one(edit, &cards, at))
                        .at_once()
                        .expect("an edit");
                }
            });
            // What is left for the store to do is not part of the next round, whichever side it is.
            runtime.block_on(settle(&deck));
            took
        };
        let rounds = in_turns(30, ours, || timed(|| bare.commit(EDITS)));
        table.add(
            &format!("one-field edit, {CARDS} cards, {changes} changes"),
            Unit::TimeOfOne(EDITS),
            Target::AtMost(1.5),
            rounds,
        );
    }
}

/// Waits until everything that was edited is durable: an edit that is awaited comes after all before it.
async fn settle(deck: &Deck) {
    deck.edit(|edit| edit.set_deck_field("settled", Some(cuecard::card::FieldValue::Bool(true))))
        .await
        .expect("durable");
    deck.edit(|edit| edit.set_deck_field("settled", None))
        .await
        .expect("durable");
}

struct Bare {
    document: Automerge,
    fields: Vec<ObjId>,
    at: i64,
}

impl Bare {
    fn new(written: &Written) -> Self {
        let document = written.bare();
        let cards = document.get(ROOT, "cards").expect("reads").expect("cards").1;
        let fields = |card: &CardId| {
            let card = document
                .get(&cards, card.as_str())
                .expect("reads")
                .expect("a card")
                .1;
            document.get(&card, "fields").expect("reads").expect("fields").1
        };
        Self {
            fields: written.cards.iter().map(fields).collect(),
            document,
            at: 1_000_000,
        }
    }

    fn commit(&mut self, edits: u32) {
        for _ in 0..edits {
            self.at += 1;
            let fields = &self.fields[self.at as usize % self.fields.len()];
            let mut transaction = self.document.transaction();
            transaction.put(fields, "seen", self.at).expect("a put");
            let options = CommitOptions::default()
                .with_message(r#"[["card.field","0123456789abcdef","seen"]]"#.to_owned())
                .with_time(1_700_000_000);
            transaction.commit_with(options);
        }
    }
}

/// Thirty-two writers, each awaiting its edit on the disk; and the same with a store in memory.
pub(crate) fn durable(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let (on_disk, in_memory) = runtime.block_on(async {
        let on_disk = Engine::open(folder.path()).await.expect("an engine");
        let in_memory = Engine::in_memory("bench").expect("an engine");
        (Writers::new(on_disk).await, Writers::new(in_memory).await)
    });
    let rounds = in_turns(
        12,
        || timed(|| runtime.block_on(on_disk.write())),
        || timed(|| runtime.block_on(in_memory.write())),
    );
    table.add(
        &format!("durable edits, {WRITERS} writers, beside a store in memory"),
        Unit::Rate(DURABLE_EDITS),
        Target::AtLeast(0.5),
        rounds,
    );
    runtime.block_on(async { on_disk.engine.shutdown().await.expect("closes") });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

struct Writers {
    engine: Engine,
    deck: Deck,
    cards: Vec<CardId>,
}

impl Writers {
    async fn new(engine: Engine) -> Self {
        let deck = engine.create_deck("bench").await.expect("a deck");
        let cards = add_cards(&deck, 100).await;
        Self { engine, deck, cards }
    }

    async fn write(&self) {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (deck, cards) = (self.deck.clone(), self.cards.clone());
                tokio::spawn(async move {
                    for at in 0..DURABLE_EDITS as usize / WRITERS {
                        deck.edit(|edit| edit_one(edit, &cards, at * WRITERS + writer))
                            .await
                            .expect("an edit");
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.expect("a writer");
        }
    }
}
