//! Decks of a known size: a thousand cards, and as many changes as asked for, of one field each.

use automerge::Automerge;
use cuecard::card::FieldValue;
use cuecard::document::{Document, Edit};
use cuecard::op::OpError;
use cuecard::role::{Genesis, actor_of_genesis, actor_of_term};
use cuecard::transport::DeviceKey;
use cuecard::{CardId, Deck, Engine, TermId};
use tokio::runtime::Runtime;

/// Cards that one change adds.
const CARDS_A_CHANGE: usize = 100;
/// Edits that are on their way to the store at a time while a deck is filled.
const EDITS_A_TIME: usize = 1_000;

/// A runtime as an app has one, small enough to leave a core to what is measured.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// A runtime with room for both sides of a link.
pub(crate) fn runtime_for_two() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Adds cards, a hundred a change.
pub(crate) async fn add_cards(deck: &Deck, count: usize) -> Vec<CardId> {
    let mut cards = Vec::with_capacity(count);
    while cards.len() < count {
        let from = cards.len();
        let upto = count.min(from + CARDS_A_CHANGE);
        let added = deck.edit(|edit| add_some(edit, from, upto)).await;
        cards.extend(added.expect("cards are added"));
    }
    cards
}

fn add_some(edit: &mut Edit<'_>, from: usize, upto: usize) -> Result<Vec<CardId>, OpError> {
    (from..upto)
        .map(|at| edit.add_card(&format!("front {at}"), &format!("back {at}")))
        .collect()
}

/// Edit number `at`: one field of one card, in turn.
pub(crate) fn edit_one(edit: &mut Edit<'_>, cards: &[CardId], at: usize) -> Result<(), OpError> {
    edit.set_field(&cards[at % cards.len()], "seen", Some(FieldValue::Int(at as i64)))
}

/// Brings a deck of an engine to this many changes.
pub(crate) async fn fill(deck: &Deck, cards: &[CardId], changes: usize) {
    let have = deck.entry_count().expect("the deck is here");
    let mut last = None;
    for at in have..changes {
        let saving = deck.edit(|edit| edit_one(edit, cards, at));
        if at % EDITS_A_TIME == 0 {
            saving.await.expect("an edit");
        } else {
            last = Some(saving);
        }
    }
    if let Some(last) = last {
        last.await.expect("the last edit");
    }
}

/// A deck of an engine that keeps it in memory.
pub(crate) async fn deck_in_memory(cards: usize, changes: usize) -> (Engine, Deck, Vec<CardId>) {
    let engine = Engine::in_memory("bench").expect("an engine");
    let deck = engine.create_deck("bench").await.expect("a deck");
    let cards = add_cards(&deck, cards).await;
    fill(&deck, &cards, changes).await;
    (engine, deck, cards)
}

/// The same deck without an engine: its changes as they travel, and the document that they make.
pub(crate) struct Written {
    pub(crate) key: DeviceKey,
    pub(crate) genesis: Genesis,
    pub(crate) document: Document,
    /// Every change of term 0, in order.
    pub(crate) changes: Vec<Vec<u8>>,
    pub(crate) hashes: Vec<cuecard::ChangeHash>,
    pub(crate) cards: Vec<CardId>,
}

impl Written {
    pub(crate) fn new(cards: usize, changes: usize) -> Self {
        let key = DeviceKey::from_bytes(&[7; 32]);
        let genesis = Genesis {
            owner: key.id(),
            nonce: [1; 16],
            created_ms: 1_700_000_000_000,
        };
        let deck = genesis.deck_id();
        let actor = actor_of_term(TermId::zero_of(deck));
        let mut written = Self {
            document: Document::genesis(actor_of_genesis(deck), genesis.created_ms),
            key,
            genesis,
            changes: Vec::new(),
            hashes: Vec::new(),
            cards: Vec::new(),
        };
        let mut number = 0_u64;
        let mut random = || {
            number += 1;
            let mut bits = [0; 10];
            bits[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
            bits
        };
        while written.changes.len() < changes {
            let at = written.changes.len();
            let have = written.cards.len();
            let ids = written.cards.clone();
            let committed = written
                .document
                .commit(&actor, genesis.created_ms + at as u64, &mut random, |edit| {
                    if have < cards {
                        return add_some(edit, have, cards.min(have + CARDS_A_CHANGE));
                    }
                    edit_one(edit, &ids, at).map(|()| Vec::new())
                })
                .expect("an edit");
            let change = committed.change.expect("a change");
            written.changes.push(change.bytes);
            written.hashes.push(change.hash);
            written.cards.extend(committed.value);
        }
        written
    }

    /// The same document, and nothing of ours around it.
    pub(crate) fn bare(&self) -> Automerge {
        Automerge::load(&self.document.snapshot()).expect("it loads")
    }

    /// The first change, which every device makes for itself.
    pub(crate) fn genesis_change(&self) -> Vec<u8> {
        let genesis = self.document.genesis_hash();
        self.document.change_bytes(&genesis).expect("the genesis")
    }
}
