//! One of every signed record, by devices whose keys anybody can make.

use cuecard_transport::{DeviceId, DeviceKey};

use crate::card::TextField;
use crate::id::{BlobId, CardId, ChangeHash, DeckId, TermId};
use crate::role::{
    Admit, Cause, Charter, Cut, DeckKey, Draft, Genesis, KeyEpoch, Member, Playing, Point, Presence, Rights,
    Says, Seal, Selection, Shown, Term, Track, Voucher, Withdrawal, Word, WrappedKeys,
};
use crate::sync::message::Position;

/// The devices of the vectors: the secret key of each is this byte, repeated.
pub(super) fn key(number: u8) -> DeviceKey {
    DeviceKey::from_bytes(&[number; 32])
}

pub(super) fn device(number: u8) -> DeviceId {
    key(number).id()
}

pub(super) fn genesis() -> Genesis {
    Genesis {
        owner: device(1),
        nonce: [7; 16],
        created_ms: 1_700_000_000_000,
    }
}

pub(super) fn deck() -> DeckId {
    genesis().deck_id()
}

/// The key of the deck.
pub(super) const DECK_KEY: [u8; 32] = [0xd5; 32];
/// The secret that a key was wrapped with.
pub(super) const EPHEMERAL: [u8; 32] = [0xe4; 32];

pub(super) fn wrapped_keys() -> WrappedKeys {
    let key = DeckKey::from_bytes(DECK_KEY);
    WrappedKeys::wrap(deck(), 1, &key, &EPHEMERAL.into(), [device(1), device(2)])
}

pub(super) fn card() -> CardId {
    CardId::from_random([9; 10])
}

pub(super) fn at(len: u64) -> Position {
    Position {
        term: TermId::zero_of(deck()),
        len,
        head: ChangeHash([len as u8; 32]),
    }
}

/// One signed record: its name, the purpose of its signature, and its bytes, signed by device 1.
pub(super) fn records() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let (deck, key, signer, nonce) = (deck(), key(1), device(1), [5; 16]);
    let settled = at(3);
    let charter = Charter {
        deck,
        generation: 0,
        count: 1,
        owner: signer,
        signer,
        members: {
            let mut members = vec![(device(2), Rights::Hold, 1), (device(3), Rights::Read, 2)];
            members.sort_by_key(|member| member.0);
            let member = |(device, rights, rank)| Member { device, rights, rank };
            members.into_iter().map(member).collect()
        },
        key_epoch: KeyEpoch::default(),
        settled: Point {
            term: settled.term,
            len: settled.len,
            head: settled.head,
        },
    };
    let term = Term {
        deck,
        parent: TermId::zero_of(deck),
        cause: Cause::Handover,
        cut: at(3).cut(),
        holder: Some(device(2)),
        nonce,
        signer,
    };
    let seal = Seal {
        term: TermId::zero_of(deck),
        len: 3,
        head: at(3).head,
    };
    let draft = Draft {
        deck,
        base: at(3).head,
        author: signer,
        nonce,
        version: 1,
        signed_ms: 1_700_000_000_000,
        len: 1,
        head: ChangeHash([8; 32]),
        note: "¿qué tal?".to_owned(),
    };
    let withdrawal = Withdrawal {
        deck,
        author: signer,
        nonce,
        version: 1,
        signed_ms: 1_700_000_001_000,
    };
    let admit = Admit {
        deck,
        epoch: 0,
        device: device(3),
        rights: Rights::Draft,
        signer,
    };
    let voucher = Voucher {
        deck,
        epoch: 0,
        rights: Rights::Draft,
        signer,
    };
    let (to, question, seal_bytes) = (device(2), [8; 32], vec![1, 2, 3]);
    let says = [
        (
            "word: request",
            Says::Request {
                note: "¿puedo?".to_owned(),
            },
        ),
        (
            "word: denial",
            Says::Denial {
                to,
                request: [7; 32],
                reason: "no".to_owned(),
            },
        ),
        (
            "word: beat",
            Says::Beat {
                number: 1_700_000_000_000,
                interval_ms: 500,
                end: Cut {
                    len: 3,
                    head: at(3).head,
                },
                asks: true,
            },
        ),
        ("word: echo", Says::Echo { beat: [9; 32] }),
        ("word: question", Says::Question),
        (
            "word: answer",
            Says::Answer {
                question,
                hears: true,
                seal: seal_bytes,
            },
        ),
    ];
    let shown = |presence| Shown {
        deck,
        signer,
        sequence: 1_700_000_000_000,
        presence,
    };
    let presence = Presence {
        name: "Ana".to_owned(),
        colour: [0xe0, 0x40, 0x20],
        card: Some(card()),
        selection: Some(Selection {
            text: TextField::Front,
            from: 2,
            to: 4,
        }),
        is_typing: true,
    };
    let playing = |track| Playing {
        deck,
        term: TermId::zero_of(deck),
        signer,
        sequence: 1_700_000_000_000,
        said_ms: 1_700_000_000_000,
        track,
    };
    let track = Track {
        card: card(),
        slot: "front".to_owned(),
        blob: BlobId::from_bytes([6; 32]),
        length_ms: 120_000,
        position_ms: 1_500,
        start_at_ms: 1_700_000_000_250,
        is_playing: true,
    };
    let mut records = vec![
        ("genesis", "", genesis().encode()),
        ("charter", "cuecard charter", charter.sign(&key).unwrap().encode()),
        ("term", "cuecard term", term.sign(&key).unwrap().encode()),
        ("seal", "cuecard seal", seal.sign(deck, &key).unwrap().encode()),
        ("draft", "cuecard draft", draft.sign(&key).unwrap().encode()),
        (
            "withdrawal",
            "cuecard draft withdrawal",
            withdrawal.sign(&key).unwrap().encode(),
        ),
        (
            "admission",
            "cuecard admission",
            admit.sign(&key).unwrap().encode(),
        ),
        ("voucher", "cuecard invite", voucher.sign(&key).unwrap().encode()),
        ("wrapped keys", "", wrapped_keys().encode()),
        (
            "presence",
            "cuecard presence",
            shown(Some(presence)).sign(&key).unwrap().encode(),
        ),
        (
            "presence: gone",
            "cuecard presence",
            shown(None).sign(&key).unwrap().encode(),
        ),
        (
            "playback",
            "cuecard playback",
            playing(Some(track)).sign(&key).unwrap().encode(),
        ),
        (
            "playback: nothing",
            "cuecard playback",
            playing(None).sign(&key).unwrap().encode(),
        ),
    ];
    for (name, says) in says {
        let word = Word {
            deck,
            term: TermId::zero_of(deck),
            nonce,
            signer,
            says,
        };
        records.push((name, "cuecard word", word.sign(&key).unwrap().encode()));
    }
    records
}

pub(super) fn record(name: &str) -> minicbor::bytes::ByteVec {
    let records = records();
    let found = records.into_iter().find(|(known, ..)| *known == name);
    found.unwrap().2.into()
}
