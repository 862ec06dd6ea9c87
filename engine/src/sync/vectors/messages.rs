//! One of every message, and of those that have two shapes, both.

use super::records::{at, deck, device, record};
use crate::id::{BlobId, DraftId};
use crate::sync::clock::Offset;
use crate::sync::holdings::{Digest, Holding};
use crate::sync::message::*;

pub(super) fn samples() -> Vec<Message> {
    let (deck, beside) = (deck(), Digest([4; 32]));
    let draft = || DraftItem {
        record: record("draft"),
        changes: vec![vec![1, 2, 3].into()],
    };
    let id = DraftId::from_bytes([3; 32]);
    let items = vec![
        Item::Genesis(record("genesis")),
        Item::Charter(record("charter")),
        Item::Admit(record("admission")),
        Item::Term(record("term")),
        Item::Draft(draft()),
        Item::Changes {
            term: at(0).term,
            from: 2,
            changes: vec![vec![1, 2, 3].into(), vec![4, 5].into()],
            seal: record("seal"),
            after: at(1).head,
        },
        Item::Seal(record("seal")),
    ];
    vec![
        Message::Greet {
            version: PROTOCOL_VERSION,
            name: "laptop".to_owned(),
            proofs: vec![DeckProof([1; 16]), DeckProof([2; 16])],
            early: vec![EarlyStatus {
                place: 1,
                sealed: vec![3; 20].into(),
            }],
        },
        Message::Status {
            deck,
            charter: Some((0, 1)),
            locator: vec![at(3)],
            beside,
            changes: 3,
        },
        Message::Status {
            deck,
            charter: None,
            locator: vec![],
            beside,
            changes: 0,
        },
        Message::Entries {
            deck,
            items: items.clone(),
        },
        Message::Ack {
            deck,
            held: at(3),
            taken: 2,
            changes: 3,
        },
        Message::Propose { deck, draft: draft() },
        Message::Pull {
            transfer: 7,
            blob: BlobId::from_bytes([6; 32]),
            first: 0,
            count: 3,
            size: 40_000,
        },
        Message::Lack { transfer: 7 },
        Message::Have {
            blob: BlobId::from_bytes([6; 32]),
        },
        Message::Holdings {
            deck,
            held: vec![
                Holding::Record([1; 32]),
                Holding::Line(at(2)),
                Holding::Seal(at(3)),
            ],
        },
        Message::Branches { deck, items },
        Message::Whence {
            deck,
            term: at(0).term,
        },
        Message::Lineage {
            deck,
            term: at(0).term,
            terms: vec![record("term")],
        },
        Message::Word {
            deck,
            bytes: record("word: request"),
        },
        Message::DraftsHeld {
            deck,
            whole: true,
            marks: vec![DraftMark {
                draft: id,
                version: 2,
                head: [8; 32],
                withdrawn: 1,
            }],
        },
        Message::Withdraw {
            deck,
            record: record("withdrawal"),
        },
        Message::DraftRefused {
            deck,
            draft: id,
            why: DraftRefusal::TooMany,
        },
        Message::NewKey {
            deck,
            proof: DeckProof([1; 16]),
            genesis: record("genesis"),
            charters: vec![record("charter")],
            keys: record("wrapped keys"),
        },
        Message::Knock {
            deck,
            draft: true,
            signature: Some(vec![5; 64].into()),
        },
        Message::Knock {
            deck,
            draft: false,
            signature: None,
        },
        Message::Ping {
            number: 9,
            decks: vec![DeckPulse {
                deck,
                held: at(3),
                beside,
                changes: 3,
            }],
        },
        Message::Pong {
            number: 9,
            at_ms: 1_700_000_000_000,
        },
        Message::Presence {
            deck,
            bytes: record("presence"),
        },
        Message::Doubt {
            deck,
            devices: vec![device(2).into()],
        },
        Message::Playback {
            deck,
            bytes: record("playback"),
            clock: Some(Offset {
                ahead_ms: -1_200,
                uncertainty_ms: 12,
            }),
        },
        Message::Playback {
            deck,
            bytes: record("playback: nothing"),
            clock: None,
        },
    ]
}
