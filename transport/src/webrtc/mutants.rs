//! Every decoder of what arrives before or below a link, under mutants: no panic, bounded memory, one spelling.

use bytes::Bytes;

use super::frames::{ControlFrame, Joined, Joiner, Splitter, decode_binary, encode_binary};
use super::knock::{Knock, KnockKeys};
use super::proof::Proof;
use super::saved::SavedRoute;
use crate::DeviceKey;
use crate::limits::{CONTROL_MESSAGE_BYTES_MAX, REORDER_BYTES_MAX};
use crate::link::CloseReason;
use crate::mutants::{Mutants, hammer};

const INPUTS: u64 = 50_000;

fn key(number: u8) -> DeviceKey {
    DeviceKey::from_bytes(&[number; 32])
}

fn control_frames() -> Vec<Vec<u8>> {
    let mut splitter = Splitter::default();
    let mut frames = splitter.split(&Bytes::from_static(b"a message"));
    frames.extend(splitter.split(&Bytes::new()));
    frames.push(splitter.goodbye(&CloseReason::Replaced));
    frames.extend([
        ControlFrame::Ping(7),
        ControlFrame::Pong(u64::MAX),
        ControlFrame::Hello(Bytes::from_static(&[1; 98])),
        ControlFrame::Proof(Bytes::from_static(&[2; 64])),
        ControlFrame::Accepted,
        ControlFrame::Refused(3),
    ]);
    frames.iter().map(|frame| frame.encode().to_vec()).collect()
}

#[test]
fn control_frames_that_decode_come_back_as_they_were() {
    hammer("control frames", INPUTS, &control_frames(), |bytes| {
        let Some(frame) = ControlFrame::decode(&Bytes::copy_from_slice(bytes)) else {
            return false;
        };
        let again = frame.encode().freeze();
        // What follows a frame of fixed length is passed over.
        assert_eq!(bytes.get(..again.len()), Some(&again[..]));
        assert_eq!(ControlFrame::decode(&again), Some(frame));
        true
    });
}

#[test]
fn binary_frames_that_decode_come_back_as_they_were() {
    let samples = [encode_binary(&Bytes::from_static(b"a slice")).to_vec()];
    hammer("binary frames", INPUTS, &samples, |bytes| {
        let Some(message) = decode_binary(&Bytes::copy_from_slice(bytes)) else {
            return false;
        };
        assert_eq!(encode_binary(&message), bytes);
        true
    });
}

/// Parts in any order, lost, doubled and mutated: what is kept of them is bounded, and what comes out is a message.
#[test]
fn parts_are_joined_within_bounds() {
    let mut mutants = Mutants::new(1);
    let mut messages = 0;
    for _ in 0..300 {
        let (mut splitter, mut joiner) = (Splitter::default(), Joiner::default());
        let mut frames: Vec<Vec<u8>> = (0..20)
            .flat_map(|_| {
                let bytes = vec![7; mutants.below(200_000) as usize];
                splitter.split(&Bytes::from(bytes))
            })
            .map(|frame| frame.encode().to_vec())
            .collect();
        let mut fed = 0;
        while !frames.is_empty() && fed < 200 {
            fed += 1;
            // Mostly in order: what is out of order only waits.
            let at = if mutants.below(4) == 0 {
                mutants.below(8) as usize % frames.len()
            } else {
                0
            };
            let mut frame = match mutants.below(20) {
                0 => frames[at].clone(),
                _ => frames.remove(at),
            };
            if mutants.below(200) == 0 {
                mutants.mutate(&mut frame, &[]);
            }
            let Some(ControlFrame::Part(part)) = ControlFrame::decode(&Bytes::from(frame)) else {
                continue;
            };
            if joiner.add(part).is_err() {
                break;
            }
            while let Some(joined) = joiner.next() {
                if let Joined::Message(message) = joined {
                    assert!(message.len() <= CONTROL_MESSAGE_BYTES_MAX);
                    messages += 1;
                }
            }
            assert!(joiner.held_bytes() <= CONTROL_MESSAGE_BYTES_MAX + REORDER_BYTES_MAX);
        }
    }
    assert!(messages > 300, "only {messages} messages came through");
}

#[test]
fn no_hello_and_no_proof_but_the_genuine_ones_is_believed() {
    let offerer = || Proof::new(key(1), true, [11; 32]).unwrap();
    let answerer = Proof::new(key(2), false, [12; 32]).unwrap();
    let hello = answerer.hello().to_vec();
    hammer("hellos", INPUTS / 5, std::slice::from_ref(&hello), |bytes| {
        offerer().hear_hello(bytes, [12; 32], key(2).id()).is_ok()
    });

    let (mut here, mut there) = (offerer(), answerer);
    let (hello_here, hello_there) = (here.hello(), there.hello());
    let genuine = there.hear_hello(&hello_here, [11; 32], key(1).id()).unwrap();
    here.hear_hello(&hello_there, [12; 32], key(2).id()).unwrap();
    hammer("proofs", INPUTS / 5, &[genuine.to_vec()], |bytes| {
        let proven = here.hear_proof(bytes);
        assert_eq!(proven.is_ok(), *bytes == *genuine, "a forged proof was believed");
        proven.is_ok()
    });
}

#[test]
fn no_knock_but_the_genuine_one_opens() {
    let (ours, theirs) = (KnockKeys::new(&[5; 32], true), KnockKeys::new(&[5; 32], false));
    let knock = Knock {
        nonce: [1; 16],
        echo: Some([2; 16]),
        fingerprint: [3; 32],
        wants_reply: true,
    };
    let genuine = theirs.seal(&knock);
    hammer("knocks", INPUTS, std::slice::from_ref(&genuine), |bytes| {
        let opened = ours.open(bytes);
        assert!(
            opened.is_none() || *bytes == *genuine,
            "a forged knock was opened"
        );
        opened.is_some()
    });
}

#[test]
fn a_saved_route_comes_back_or_is_refused() {
    let route = SavedRoute {
        own: key(1).id(),
        peer: key(2).id(),
        secret: [9; 32].into(),
        own_addresses: vec![
            "192.0.2.7:40000".parse().unwrap(),
            "[2001:db8::1]:1".parse().unwrap(),
        ],
        peer_addresses: vec!["198.51.100.1:65535".parse().unwrap()],
        peer_relays: vec![],
    };
    hammer("saved routes", INPUTS, &[route.to_bytes()], |bytes| {
        let Ok(route) = SavedRoute::from_bytes(bytes) else {
            return false;
        };
        assert_eq!(route.to_bytes(), bytes);
        true
    });
}
