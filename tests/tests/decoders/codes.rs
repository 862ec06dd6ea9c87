//! Codes that people paste, session descriptions of browsers, ids that people type, invites.

use cuecard::transport::invite::{Code, CodeKind, Credentials, address_of_candidate};
use cuecard::transport::{DeviceId, DeviceKey};
use cuecard::{BlobId, CardId, DeckId, DeckInvite, DraftId, TermId};

use crate::bounded::{alone, hammer};

const INPUTS: u64 = 30_000;
const BOUND: (usize, usize) = (64, 64 * 1024);

fn codes() -> Vec<Code> {
    let code = |kind, addresses: &[&str], payload: &[u8]| Code {
        kind,
        device: DeviceKey::from_bytes(&[1; 32]).id(),
        fingerprint: [2; 32],
        credentials: Credentials::from_bytes(&[3; 4], &[4; 16]),
        offerer_begins: false,
        expires_minute: 29_000_000,
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        relays: vec!["203.0.113.1:3478".parse().unwrap()],
        payload: payload.to_vec(),
    };
    vec![
        code(
            CodeKind::Offer,
            &["192.0.2.7:40000", "198.51.100.2:1", "[2001:db8::1]:65535"],
            &[5; 64],
        ),
        code(CodeKind::Answer([6; 8]), &["127.0.0.1:9"], &[]),
    ]
}

/// Texts are made of bytes like anything else; what is no text becomes one, as a program that pastes would do.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn codes_as_bytes() {
    let alone = alone();
    let samples: Vec<Vec<u8>> = codes().iter().map(|code| code.to_bytes().unwrap()).collect();
    hammer(&alone, "codes as bytes", INPUTS, &samples, BOUND, |bytes| {
        let Ok(code) = Code::from_bytes(bytes) else {
            return false;
        };
        assert_eq!(code.to_bytes().unwrap(), bytes, "two spellings of one code");
        true
    });
}

#[test]
fn codes_as_text() {
    let alone = alone();
    let samples: Vec<Vec<u8>> = codes()
        .iter()
        .map(|code| code.encode().unwrap().into_bytes())
        .collect();
    hammer(&alone, "codes as text", INPUTS, &samples, BOUND, |bytes| {
        let Ok(code) = Code::decode(&text(bytes)) else {
            return false;
        };
        // Case and line breaks do not count, so only the code is the same.
        assert_eq!(Code::decode(&code.encode().unwrap()), Ok(code));
        true
    });
}

#[test]
fn session_descriptions() {
    let alone = alone();
    let offers = codes().into_iter().filter(|code| code.kind == CodeKind::Offer);
    let samples: Vec<Vec<u8>> = offers.map(|code| code.to_sdp().into_bytes()).collect();
    let device = DeviceKey::from_bytes(&[1; 32]).id();
    hammer(&alone, "session descriptions", INPUTS, &samples, BOUND, |bytes| {
        let read = Code::from_sdp(CodeKind::Offer, device, 1, &text(bytes), vec![]);
        let Ok(code) = read else { return false };
        let again = Code::from_sdp(CodeKind::Offer, device, 1, &code.to_sdp(), vec![]);
        // Written anew, addresses come in the order of their families.
        let sorted = |mut code: Code| {
            code.addresses.sort();
            code.relays.sort();
            code
        };
        assert_eq!(again.map(sorted), Ok(sorted(code)));
        true
    });
}

#[test]
fn candidates_of_browsers() {
    let alone = alone();
    let samples = [
        &b"candidate:3 1 udp 1677729535 192.0.2.7 51473 typ srflx raddr 0.0.0.0 rport 0 generation 0"[..],
        b"a=candidate:1 1 UDP 2113937151 2001:db8::1 9 typ host",
    ]
    .map(<[u8]>::to_vec);
    hammer(&alone, "candidates", INPUTS, &samples, BOUND, |bytes| {
        let candidate = text(bytes);
        let Some(address) = address_of_candidate(&candidate) else {
            return false;
        };
        // Spelled as we would, it is the same address.
        let spelled = format!("candidate:1 1 udp 1 {} {} typ host", address.ip(), address.port());
        assert_eq!(address_of_candidate(&spelled), Some(address));
        true
    });
}

#[test]
fn ids_as_text() {
    let alone = alone();
    let device = DeviceKey::from_bytes(&[1; 32]).id();
    hammer(
        &alone,
        "device ids",
        INPUTS,
        &[device.to_string().into_bytes()],
        BOUND,
        |bytes| {
            let typed = text(bytes);
            let Ok(id) = typed.parse::<DeviceId>() else {
                return false;
            };
            assert_eq!(id.to_string(), typed.trim().to_ascii_lowercase());
            true
        },
    );
    let card = CardId::from_random([7; 10]).as_str().as_bytes().to_vec();
    hammer(&alone, "card ids", INPUTS, &[card], BOUND, |bytes| {
        let typed = text(bytes);
        let Ok(id) = typed.parse::<CardId>() else {
            return false;
        };
        assert_eq!(id.as_str(), typed);
        true
    });
    let hex = DeckId::from_bytes([7; 32]).to_string().into_bytes();
    hammer(&alone, "ids in hex", INPUTS, &[hex], BOUND, |bytes| {
        let typed = text(bytes);
        let Ok(id) = typed.parse::<DeckId>() else {
            assert!(typed.parse::<TermId>().is_err() && typed.parse::<DraftId>().is_err());
            return false;
        };
        assert_eq!(id.to_string(), typed.to_ascii_lowercase());
        assert!(typed.parse::<BlobId>().is_ok());
        true
    });
}

#[test]
fn deck_invites() {
    let alone = alone();
    // To read, and to draft with a signature.
    let to_read = [&[0, 0][..], &[9; 68]].concat();
    let to_draft = [&[0, 1][..], &[9; 132]].concat();
    hammer(
        &alone,
        "deck invites",
        INPUTS,
        &[to_read, to_draft],
        BOUND,
        |bytes| {
            let Some(invite) = DeckInvite::from_bytes(bytes) else {
                return false;
            };
            assert_eq!(invite.to_bytes(), bytes);
            true
        },
    );
}
