//! Bytes that are not one change in its one spelling.

use super::*;
use crate::limits::{CHANGE_MESSAGE_BYTES_MAX, REFERENCES_MAX};

/// A chunk of one kind around a body, with a checksum of zeros: what is refused here is refused before it matters.
fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, kind];
    unsigned(&mut bytes, body.len() as u64);
    bytes.extend(body);
    bytes
}

fn unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A positive run length, as a signed number.
fn run(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x40 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A change's body with these columns.
fn body(columns: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut body = vec![0, 1, 7, 1, 1, 0, 0, 0]; // no dependency, actor 07, seq 1, start 1, time 0, no message, no others
    unsigned(&mut body, columns.len() as u64);
    for (column, data) in columns {
        unsigned(&mut body, *column);
        unsigned(&mut body, data.len() as u64);
    }
    for (_, data) in columns {
        body.extend(data);
    }
    body
}

fn column(parts: &[u64]) -> Vec<u8> {
    let mut data = Vec::new();
    for pair in parts.chunks(2) {
        run(&mut data, pair[0]);
        unsigned(&mut data, pair[1]);
    }
    data
}

fn refused(bytes: &[u8]) -> Refusal {
    Pair::new().refused(bytes)
}

#[test]
fn other_kinds_of_chunk() {
    let document = genesis().snapshot();
    assert_eq!(refused(&document), Refusal::WrongChunk { kind: 0 });
    assert_eq!(refused(&chunk(2, &[1, 2, 3])), Refusal::WrongChunk { kind: 2 });
    assert_eq!(refused(&chunk(3, &[1, 2, 3])), Refusal::WrongChunk { kind: 3 });
    assert_eq!(refused(&chunk(77, &[])), Refusal::WrongChunk { kind: 77 });
}

#[test]
fn every_truncation_and_any_addition() {
    let mut pair = Pair::new();
    let honest = pair.change(|edit| edit.rename_deck("title"));
    for length in 0..honest.len() {
        let refusal = pair.admit(&honest[..length]).map(|_| ()).unwrap_err();
        assert!(
            matches!(refusal, Refusal::NotAChunk { .. }),
            "{length}: {refusal:?}"
        );
    }
    let longer = [honest.as_slice(), &[0]].concat();
    assert!(matches!(pair.refused(&longer), Refusal::NotAChunk { .. }));
}

#[test]
fn a_longer_spelling_of_the_length() {
    let mut pair = Pair::new();
    let honest = pair.change(|edit| edit.rename_deck("title"));
    let header = if honest[9] & 0x80 == 0 { 1 } else { 2 };
    let mut bytes = honest[..9 + header].to_vec();
    *bytes.last_mut().unwrap() |= 0x80;
    bytes.push(0);
    bytes.extend(&honest[9 + header..]);
    assert!(matches!(pair.refused(&bytes), Refusal::NotAChunk { .. }));
}

#[test]
fn a_wrong_checksum() {
    let mut pair = Pair::new();
    let mut bytes = pair.change(|edit| edit.rename_deck("title"));
    bytes[5] ^= 1;
    assert_eq!(pair.refused(&bytes), Refusal::Checksum);
}

#[test]
fn too_many_bytes() {
    assert!(matches!(
        refused(&vec![0; CHANGE_BYTES_MAX + 1]),
        Refusal::ChangeTooLarge { .. }
    ));
    let one = vec![0; CHANGE_BYTES_MAX];
    let pair = Pair::new();
    let many = admit(
        &pair.viewer,
        &[segment(pair.line(), vec![&one; 17])],
        ChangeHash([0; 32]),
    )
    .map(|_| ());
    assert_eq!(many, Err(Refusal::TooMuchAtOnce));
}

#[test]
fn a_run_of_operations_that_would_never_end() {
    let bomb = column(&[1 << 60, 1]);
    assert_eq!(refused(&chunk(1, &body(&[(66, bomb)]))), Refusal::TooManyOps);
    // Two runs whose sum would wrap.
    let wrapping = column(&[1 << 62, 1, 1 << 62, 1]);
    assert_eq!(refused(&chunk(1, &body(&[(66, wrapping)]))), Refusal::TooManyOps);
    let mut pair = Pair::new();
    let deck = pair.object(&["deck"]);
    let many = vec![put(deck, "title", "x"); CHANGE_OPS_MAX + 1];
    let bytes = pair.forged(r#"{"op":"deck.rename"}"#, many);
    assert!(bytes.len() < 20_000, "{} bytes", bytes.len());
    assert_eq!(pair.refused(&bytes), Refusal::TooManyOps);
}

#[test]
fn references_without_number() {
    let with = |references: u64| {
        let columns = [(66, column(&[1, 1])), (112, column(&[1, references]))];
        refused(&chunk(1, &body(&columns)))
    };
    assert_ne!(
        with(REFERENCES_MAX),
        Refusal::TooManyOps,
        "it is something else that lacks"
    );
    assert_eq!(with(REFERENCES_MAX + 1), Refusal::TooManyOps);
    assert_eq!(with(1 << 60), Refusal::TooManyOps);
}

#[test]
fn numbers_that_lead_out_of_their_tables() {
    let bad = |columns: &[(u64, Vec<u8>)]| {
        let refusal = refused(&chunk(1, &body(columns)));
        assert!(matches!(refusal, Refusal::BadColumn { .. }), "{refusal:?}");
    };
    let action = (66, column(&[1, 1]));
    bad(&[(1, column(&[1, 1])), (2, column(&[1, 1])), action.clone()]); // actor 1 of 1
    bad(&[(1, column(&[1, 0])), (2, column(&[1, 1 << 40])), action.clone()]); // operation 2^40
    bad(&[(17, column(&[1, 9])), action.clone()]);
    bad(&[(19, vec![1, 0x7f]), action.clone()]); // a difference of -1 from zero
    bad(&[action.clone(), (112, column(&[1, 1])), (113, column(&[1, 5]))]);
    bad(&[(66, column(&[1, 2]))]); // makes a list
    bad(&[(66, column(&[1, 5]))]); // increments
    bad(&[(66, vec![0, 1])]); // no action
    bad(&[action.clone(), (86, column(&[1, 8]))]); // a counter
    bad(&[action.clone(), (86, column(&[1, 9]))]); // a timestamp
    bad(&[action, (86, column(&[1, 0xffff_ffff_ffff_fff6]))]); // a text longer than there is
}

#[test]
fn a_long_key_in_a_long_run() {
    let mut key = Vec::new();
    run(&mut key, 10_000);
    unsigned(&mut key, 26_000);
    key.extend(vec![b'k'; 26_000]);
    let refusal = refused(&chunk(1, &body(&[(21, key), (66, column(&[10_000, 1]))])));
    assert!(matches!(refusal, Refusal::BadColumn { .. }), "{refusal:?}");
}

#[test]
fn columns_of_marks_twice_or_out_of_order() {
    for columns in [
        vec![148_u64],
        vec![165],
        vec![66, 66],
        vec![86, 66],
        vec![8],
        vec![74],
    ] {
        let columns: Vec<(u64, Vec<u8>)> = columns.into_iter().map(|column| (column, vec![])).collect();
        let refusal = refused(&chunk(1, &body(&columns)));
        assert!(matches!(refusal, Refusal::ForeignColumn { .. }), "{refusal:?}");
    }
}

#[test]
fn trailing_bytes_within_the_chunk() {
    assert!(matches!(
        Pair::new().refusal(|change| change.extra_bytes = vec![1]),
        Refusal::NotAChunk { .. }
    ));
}

#[test]
fn messages_that_are_none() {
    let mut pair = Pair::new();
    assert_eq!(pair.refusal(|change| change.message = None), Refusal::NoMessage);
    assert_eq!(
        pair.refusal(|change| change.message = Some("renamed it".into())),
        Refusal::Message(NoteError::Malformed)
    );
    let long = "x".repeat(CHANGE_MESSAGE_BYTES_MAX + 1);
    assert!(matches!(
        pair.refusal(|change| change.message = Some(long)),
        Refusal::NotAChunk { .. }
    ));
}
