//! What follows from other things: the first change of a deck, actors, ids, proofs, digests, and how a key is wrapped.

use std::collections::BTreeSet;

use automerge::ReadDoc;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use cuecard_store::{MemoryStore, Store};
use cuecard_transport::DeviceKey;
use serde_json::{Value, json};

use super::hex;
use super::records::{DECK_KEY, EPHEMERAL, at, deck, device, genesis as record, key, wrapped_keys};
use crate::blob::frame::FrameHeader;
use crate::core::{Invited, deck_proof, older_key_proof};
use crate::document::Document;
use crate::id::{BlobId, TermId};
use crate::invite::DeckInvite;
use crate::role::{DeckKey, Rights, Voucher, actor_of_draft, actor_of_genesis, actor_of_term, draft_id};
use crate::sync::early::Sealing;
use crate::sync::envelope;
use crate::sync::holdings::{Digest, Holding};
use crate::sync::message::Message;

const TRANSCRIPT: [u8; 32] = [0x77; 32];
const NONCE: [u8; 16] = [5; 16];

/// The change that every device makes of the genesis record.
pub(super) fn genesis() -> Value {
    let record = record();
    let actor = actor_of_genesis(record.deck_id());
    let document = Document::genesis(actor.clone(), record.created_ms);
    let hash = document.genesis_hash();
    let change = document.change_bytes(&hash).unwrap();
    json!({
        "record": hex(record.encode()), "deck": hex(record.deck_id().as_bytes()), "actor": hex(actor.to_bytes()),
        "change": hex(change), "hash": hex(hash.0),
    })
}

pub(super) fn names() -> Value {
    let (deck, author) = (deck(), device(1));
    let term = TermId::from_bytes([3; 32]);
    json!({
        "of": { "deck": hex(deck.as_bytes()), "term": hex(term.as_bytes()), "author": hex(author.as_bytes()), "nonce": hex(NONCE) },
        "actor_of_genesis": hex(actor_of_genesis(deck).to_bytes()),
        "actor_of_term": hex(actor_of_term(term).to_bytes()),
        "actor_of_draft": hex(actor_of_draft(deck, author, NONCE).to_bytes()),
        "draft": hex(draft_id(deck, author, NONCE).as_bytes()),
    })
}

pub(super) fn digests() -> Value {
    let holdings = BTreeSet::from([
        Holding::Record([1; 32]),
        Holding::Line(at(2)),
        Holding::Seal(at(3)),
    ]);
    let none = BTreeSet::new();
    let bytes = holdings
        .iter()
        .map(|holding| hex(minicbor::to_vec(holding).unwrap()));
    json!([
        { "holdings": [], "digest": hex(Digest::of(&none).0) },
        { "holdings": bytes.collect::<Vec<_>>(), "digest": hex(Digest::of(&holdings).0) },
    ])
}

pub(super) fn proofs() -> Value {
    let (deck, device) = (deck(), device(1));
    let status = Message::Status {
        deck,
        charter: Some((0, 1)),
        locator: vec![at(3)],
        beside: Digest([4; 32]),
        changes: 3,
    };
    let sealing = Sealing {
        key: &DeckKey::from_bytes(DECK_KEY),
        deck,
        transcript: &TRANSCRIPT,
        device,
    };
    json!({
        "key": hex(DECK_KEY), "deck": hex(deck.as_bytes()), "transcript": hex(TRANSCRIPT), "device": hex(device.as_bytes()),
        "deck_proof": hex(deck_proof(&DECK_KEY, deck, &TRANSCRIPT, device).0),
        "early_status": { "message": hex(envelope::seal_up(&status)), "sealed": hex(sealing.seal(&status)) },
        "older_key_proof": hex(older_key_proof(&DECK_KEY, deck, &TRANSCRIPT, device).0),
    })
}

pub(super) fn invites() -> Value {
    let voucher = Voucher {
        deck: deck(),
        epoch: 260,
        rights: Rights::Draft,
        signer: device(1),
    };
    let voucher = voucher.sign(&key(1)).unwrap().encode();
    let signature: [u8; 64] = voucher[voucher.len() - 64..].try_into().unwrap();
    let invite = |rights, signature| {
        let invited = Invited { rights, signature };
        let invite = DeckInvite::new(deck(), 260, DeckKey::from_bytes(DECK_KEY), invited);
        let bytes = invite.to_bytes();
        assert_eq!(DeckInvite::from_bytes(&bytes), Some(invite));
        hex(bytes)
    };
    json!({
        "epoch": 260, "deck": hex(deck().as_bytes()), "key": hex(DECK_KEY),
        "to_read": invite(Rights::Read, None),
        "to_draft": invite(Rights::Draft, Some(signature)), "by": hex(device(1).as_bytes()),
    })
}

/// Every step from a secret of one's own to the 48 bytes that a member finds in the record.
pub(super) fn key_wrap() -> Value {
    let (pair, member) = (DeviceKey::from_bytes(&EPHEMERAL), key(2));
    let wrapped = wrapped_keys();
    let shared = pair.agree(member.id()).unwrap();
    assert_eq!(*shared, *member.agree(pair.id()).unwrap());
    let mut hasher = blake3::Hasher::new_derive_key("cuecard key wrap v0");
    hasher.update(&*shared);
    hasher.update(pair.id().as_bytes()).update(member.id().as_bytes());
    hasher.update(deck().as_bytes());
    hasher.update(&1_u32.to_le_bytes());
    let cipher_key = *hasher.finalize().as_bytes();
    let mut bytes = DECK_KEY;
    let tag = ChaCha20Poly1305::new(&cipher_key.into())
        .encrypt_inout_detached(&Nonce::default(), &[], bytes.as_mut_slice().into())
        .unwrap();
    let entry = [member.id().as_bytes().as_slice(), &bytes, &tag].concat();
    let record = wrapped.encode();
    assert!(
        record.windows(entry.len()).any(|window| window == entry),
        "the record has something else than the page says"
    );
    json!({
        "deck_key": hex(DECK_KEY), "epoch": 1, "ephemeral_secret": hex(EPHEMERAL), "ephemeral": hex(pair.id().as_bytes()),
        "member": hex(member.id().as_bytes()), "shared": hex(*shared), "cipher_key": hex(cipher_key),
        "wrapped": hex(bytes), "tag": hex(tag), "record": hex(record), "hash": hex(wrapped.epoch().wrapped),
    })
}

/// Two frames of one blob: a short one, whole, and one of two groups, by its hash.
pub(super) fn frames() -> Value {
    let frame = |size: u32, transfer, first: u64, count: u64| {
        let store = MemoryStore::new();
        let audio: Vec<u8> = (0..size).map(|number| (number % 251) as u8).collect();
        let (hash, size) = store.blobs().import(&mut audio.as_slice(), 1 << 20).unwrap();
        let slice = store.blobs().encode(hash, first..first + count).unwrap();
        let group = u32::try_from(first).unwrap();
        let frame = FrameHeader { transfer, group }.with(&slice);
        let mut said = json!({
            "audio": format!("{size} bytes, byte n is n modulo 251"), "blob": hex(BlobId::from(hash).as_bytes()), "size": size,
            "transfer": transfer, "first": first, "count": count, "bytes_blake3": hex(blake3::hash(&frame).as_bytes()),
            "length": frame.len(),
        });
        let whole = frame.len() < 2_000;
        said[if whole { "bytes" } else { "begins" }] =
            hex(if whole { &frame[..] } else { &frame[..8 + 2 * 64] }).into();
        said
    };
    json!([frame(50_000, 7, 3, 1), frame(40_000, 8, 1, 2)])
}

/// What the page says of the first change, word by word.
#[test]
fn the_first_change_makes_three_maps_in_this_order() {
    let record = record();
    let actor = actor_of_genesis(record.deck_id());
    let document = Document::genesis(actor.clone(), record.created_ms);
    let change = document
        .automerge()
        .get_change_by_hash(&document.genesis_hash())
        .unwrap();
    assert_eq!((change.seq(), change.start_op().get(), change.len()), (1, 1, 3));
    assert_eq!((change.message(), change.deps().len()), (None, 0));
    assert_eq!(change.timestamp(), (record.created_ms / 1000) as i64);
    let made = |path: &[&str]| {
        let automerge = document.automerge();
        let step = |object, key: &&str| automerge.get(object, *key).unwrap().unwrap().1;
        path.iter().fold(automerge::ROOT, step)
    };
    for (number, path) in [(1, &["deck"][..]), (2, &["deck", "fields"]), (3, &["cards"])] {
        assert_eq!(
            made(path),
            automerge::ObjId::Id(number, actor.clone(), 0),
            "{path:?}"
        );
    }
}
