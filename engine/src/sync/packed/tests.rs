use super::*;
use crate::card::{FieldValue, TextField};
use crate::document::tests::{actor, bits, genesis};

fn pack_all(changes: &[Vec<u8>]) -> Vec<u8> {
    pack(changes.iter().map(Vec::as_slice))
}

/// Changes of many kinds: cards, typing, fields, tags, moves, a batch.
fn changes() -> Vec<Vec<u8>> {
    let (mut document, mut random) = (genesis(), bits());
    let mut changes = Vec::new();
    let mut cards = Vec::new();
    for at in 0..400_u64 {
        let by = actor(2 + u8::from(at >= 300));
        let committed = document.commit(&by, 1_000 * at, &mut random, |edit| {
            let Some(card) = cards.get(at as usize % 7).cloned() else {
                return edit.add_card("front", "back").map(Some);
            };
            match at % 5 {
                0 => edit.set_field(&card, "seen", Some(FieldValue::Int(at as i64)))?,
                1 => edit.tag(&card, "verb")?,
                2 => edit.move_card(&card, None)?,
                3 => {
                    edit.tag(&card, "noun")?;
                    edit.set_field(&card, "level", Some(FieldValue::Text(at.to_string())))?;
                }
                _ => {
                    let end = at as usize / 35;
                    edit.splice_text(&card, TextField::Front, end, 0, "x")?;
                }
            }
            Ok(None)
        });
        let committed = committed.unwrap();
        cards.extend(committed.value);
        changes.extend(committed.change.map(|change| change.bytes));
    }
    changes
}

#[test]
fn what_is_unpacked_is_what_was_packed() {
    let changes = changes();
    let packed = pack_all(&changes);
    assert_eq!(unpack(&packed).unwrap(), changes);
    // In any part, and each for itself.
    for (at, change) in changes.iter().enumerate().step_by(13) {
        assert_eq!(unpack(&pack_all(&changes[at..])).unwrap(), &changes[at..]);
        assert_eq!(
            unpack(&pack_all(std::slice::from_ref(change))).unwrap(),
            std::slice::from_ref(change)
        );
    }
    assert!(unpack(&pack_all(&[])).unwrap().is_empty());
}

#[test]
fn whatever_is_no_change_travels_as_it_is() {
    let mut changes = changes();
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize
    };
    for round in 0..3_000 {
        let at = random() % changes.len();
        let change = &mut changes[at];
        let place = random() % change.len().max(1);
        match round % 4 {
            0 => change.truncate(place),
            1 => change.insert(place.min(change.len()), random() as u8),
            _ => {
                if let Some(byte) = change.get_mut(place) {
                    *byte = random() as u8;
                }
            }
        }
        if round % 300 == 0 {
            assert_eq!(unpack(&pack_all(&changes)).unwrap(), changes, "round {round}");
        }
    }
    assert_eq!(unpack(&pack_all(&changes)).unwrap(), changes);
}

#[test]
fn damaged_bytes_are_no_changes_or_others_and_not_many() {
    // With one of each kind in it.
    let packed = pack_all(&changes()[..16]);
    for at in 0..packed.len() {
        assert!(unpack(&packed[..at]).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut mutant = packed.clone();
            mutant[at] ^= 1 << bit;
            let bytes: usize = unpack(&mutant).iter().flatten().map(Vec::len).sum();
            assert!(bytes <= MESSAGE_BYTES_MAX);
        }
    }
    assert!(unpack(&[packed, vec![0]].concat()).is_err(), "bytes follow");
}

#[test]
fn little_does_not_become_much() {
    let long = "x".repeat(60_000);
    let body = |seq: u8| Parts {
        dependencies: vec![],
        actor: &[1; 32],
        seq: u64::from(seq),
        start_op: 1,
        time: 0,
        message: long.as_bytes(),
        layout: &[0, 0],
        columns: vec![],
    };
    let changes: Vec<Vec<u8>> = (0..200).map(|seq| put_together(&body(seq)).0).collect();
    let packed = pack_all(&changes);
    assert!(packed.len() < 70_000);
    assert!(unpack(&packed).is_err(), "twelve megabytes");
    assert_eq!(unpack(&pack_all(&changes[..100])).unwrap(), &changes[..100]);
    let many = vec![Vec::<u8>::new(); SLICE_CHANGES_MAX + 1];
    assert!(unpack(&pack_all(&many)).is_err());
}

#[test]
fn edits_of_fields_are_a_few_bytes_each() {
    let (mut document, mut random) = (genesis(), bits());
    let made = document.commit(&actor(2), 0, &mut random, |edit| {
        (0..100)
            .map(|_| edit.add_card("front", "back"))
            .collect::<Result<Vec<_>, _>>()
    });
    let cards = made.unwrap().value;
    let edits: Vec<Vec<u8>> = (0..1_000)
        .map(|at| {
            let value = Some(FieldValue::Int(at as i64));
            let edit = document.commit(&actor(2), 1_000, &mut random, |edit| {
                edit.set_field(&cards[at % 100], "seen", value)
            });
            edit.unwrap().change.unwrap().bytes
        })
        .collect();
    let raw: usize = edits.iter().map(Vec::len).sum();
    let packed = lz4_flex::block::compress(&pack_all(&edits)).len();
    assert!(packed < 10 * edits.len(), "{packed} bytes of {raw}");
}
