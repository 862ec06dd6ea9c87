//! The envelope and every message in it.

use std::collections::BTreeSet;

use cuecard::limits::MESSAGE_BYTES_MAX;
use cuecard::sync::envelope::{open, seal_up};
use cuecard::sync::message::{Device, Message};

use crate::bounded::{alone, hammer};
use crate::world::World;

/// A message may inflate to its limit, be read into parts as long again, and hold as many empty lists as are allowed.
const BOUND: (usize, usize) = (64, 6 * MESSAGE_BYTES_MAX);

/// Every kind of message, taken from devices that had much to say to each other.
fn samples() -> Vec<Vec<u8>> {
    let said = World::busy().said;
    let mut kinds: BTreeSet<String> = BTreeSet::new();
    for bytes in &said {
        let shown = format!("{:?}", open(bytes).unwrap());
        let end = shown.find([' ', '{']).unwrap_or(shown.len());
        kinds.insert(shown[..end].to_owned());
    }
    for kind in [
        "Greet",
        "Status",
        "Entries",
        "Ack",
        "Propose",
        "DraftsHeld",
        "Withdraw",
        "Word",
        "Ping",
        "Pong",
        "Presence",
        "Playback",
    ] {
        assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
    }
    let mut samples: Vec<Vec<u8>> = said;
    for message in [
        Message::Pull {
            transfer: 1,
            blob: cuecard::BlobId::from_bytes([1; 32]),
            first: 0,
            count: 3,
            size: 40_000,
        },
        Message::Lack { transfer: 1 },
        Message::Have {
            blob: cuecard::BlobId::from_bytes([1; 32]),
        },
        Message::Doubt {
            deck: cuecard::DeckId::from_bytes([2; 32]),
            devices: vec![Device([3; 32]), Device([4; 32])],
        },
    ] {
        samples.push(seal_up(&message));
    }
    samples.sort();
    samples.dedup();
    samples
}

#[test]
fn messages_come_back_or_are_refused() {
    let alone = alone();
    let taken = hammer(&alone, "messages", 30_000, &samples(), BOUND, |bytes| {
        let Ok(message) = open(bytes) else { return false };
        let again = seal_up(&message);
        assert_eq!(open(&again).as_ref(), Ok(&message));
        assert_eq!(seal_up(&open(&again).unwrap()), again);
        true
    });
    assert!(
        taken > 0 || std::env::var_os("CUECARD_FUZZ").is_some(),
        "no mutant was deep"
    );
}

/// The same below the compression: the CBOR itself is mutated, and packed again.
#[test]
fn what_is_inflated_comes_back_or_is_refused() {
    let alone = alone();
    let plain: Vec<Vec<u8>> = samples().iter().map(|bytes| inflate(bytes)).collect();
    hammer(&alone, "messages, inflated", 30_000, &plain, BOUND, |body| {
        let mut bytes = vec![0];
        bytes.extend_from_slice(body);
        let Ok(message) = open(&bytes) else { return false };
        assert_eq!(open(&seal_up(&message)), Ok(message));
        true
    });
}

fn inflate(bytes: &[u8]) -> Vec<u8> {
    minicbor::to_vec(open(bytes).unwrap()).unwrap()
}

#[test]
fn lists_without_end_take_no_memory() {
    let _alone = alone();
    // An array said to be 2^32 long, at every place of each message where a list could begin.
    let endless = [0x9a, 0xff, 0xff, 0xff, 0xff];
    for body in samples().iter().map(|bytes| inflate(bytes)) {
        for at in 0..body.len().min(200) {
            let mut bytes = vec![0];
            bytes.extend_from_slice(&body[..at]);
            bytes.extend_from_slice(&endless);
            bytes.extend_from_slice(&body[at..]);
            let before = std::time::Instant::now();
            let _ = open(&bytes);
            assert!(before.elapsed().as_secs() < 10, "endless at {at}");
        }
    }
}
