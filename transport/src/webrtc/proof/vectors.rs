//! `link-vectors.json`: what a link begins with, as bytes, for whoever writes another one.
//!
//! After a change of the wire that is meant, write them anew, and read the difference:
//!
//! ```sh
//! CUECARD_WRITE_VECTORS=1 cargo test -p cuecard-transport --lib vectors
//! ```

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::invite::{Code, CodeKind, Credentials};

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn side(number: u8, is_offerer: bool) -> Proof {
    let key = DeviceKey::from_bytes(&[number; 32]);
    let mut proof = Proof::new(key, is_offerer, [0x10 + number; 32]).unwrap();
    proof.own.nonce = [0x20 + number; 32];
    proof.own.share = Zeroizing::new([0x30 + number; 32]);
    proof
}

fn exchange() -> Value {
    let (mut offerer, mut answerer) = (side(1, true), side(2, false));
    let (by_offerer, by_answerer) = (offerer.hello(), answerer.hello());
    let (offerers, answerers) = (offerer.own.clone(), answerer.own.clone());
    let proof = offerer
        .hear_hello(&by_answerer, answerers.fingerprint, answerers.device)
        .unwrap();
    let back = answerer
        .hear_hello(&by_offerer, offerers.fingerprint, offerers.device)
        .unwrap();
    let known = answerer.hear_proof(&proof).unwrap();
    assert_eq!(offerer.hear_proof(&back).unwrap().transcript, known.transcript);
    let said = |side: &Side, secret: u8, hello: &Bytes, proof: &Bytes| {
        json!({
            "secret": hex([secret; 32]), "device": hex(side.device.as_bytes()), "fingerprint": hex(side.fingerprint),
            "hello": hex(hello), "proof": hex(proof),
        })
    };
    json!({
        "offerer": said(&offerers, 1, &by_offerer, &proof),
        "answerer": said(&answerers, 2, &by_answerer, &back),
        "transcript": hex(known.transcript),
    })
}

fn codes() -> Value {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let offer = Code {
        kind: CodeKind::Offer,
        device: DeviceKey::from_bytes(&[1; 32]).id(),
        fingerprint: [0x11; 32],
        credentials: Credentials::from_bytes(&[0x41; 4], &[0x42; 16]),
        offerer_begins: false,
        expires_minute: 29_000_000,
        addresses: vec![address("192.0.2.7:51473"), address("[2001:db8::7]:51474")],
        relays: vec![],
        payload: vec![1, 2, 3],
    };
    let answer = Code {
        kind: CodeKind::Answer(offer.tag()),
        device: DeviceKey::from_bytes(&[2; 32]).id(),
        fingerprint: [0x12; 32],
        credentials: Credentials::from_text("R5gL", "q0b6Fl4JtkZgk1L0J9tA+/Wn").unwrap(),
        offerer_begins: true,
        expires_minute: 29_000_000,
        addresses: vec![address("192.0.2.8:51475")],
        relays: vec![address("198.51.100.9:3478")],
        payload: vec![],
    };
    let code = |code: &Code| {
        let text = code.encode().unwrap();
        assert_eq!(Code::decode(&text).as_ref(), Ok(code));
        json!({ "bytes": hex(code.to_bytes().unwrap()), "text": text, "sdp": code.to_sdp() })
    };
    json!({ "offer": code(&offer), "answer": code(&answer) })
}

#[test]
fn what_a_link_begins_with_is_what_the_vectors_say() {
    let vectors = json!({
        "about": "Test vectors of links, see PROTOCOL.md of the engine. Written by: CUECARD_WRITE_VECTORS=1 cargo test -p cuecard-transport --lib vectors",
        "exchange": exchange(), "codes": codes(),
    });
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("link-vectors.json");
    if std::env::var_os("CUECARD_WRITE_VECTORS").is_some() {
        std::fs::write(&file, serde_json::to_string_pretty(&vectors).unwrap() + "\n").unwrap();
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(kept, vectors, "the wire has changed; see the head of this file");
}
