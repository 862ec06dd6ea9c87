//! What a batch takes: as much as its bytes, and the unfolding of a few of its changes at a time. A run of operations, and a change
//! that says what many before it said, cost nearly no bytes.

use std::collections::BTreeMap;

use automerge::legacy::OpId;
use automerge::{ActorId, Change, ChangeHash};
use cuecard::card::{FieldValue, TextField};
use cuecard::document::Document;
use cuecard::gate::{Kind, Line, Refusal, Segment, admit};
use cuecard::limits::CHANGE_OPS_MAX;

use crate::bounded::{alone, measured};

const MEBIBYTE: usize = 1024 * 1024;

fn actor(number: u8) -> ActorId {
    ActorId::from([number; 32])
}

fn segment(line: Line, changes: Vec<&[u8]>, kind: Kind) -> Segment<'_> {
    Segment {
        line,
        changes,
        kind,
        accepts: BTreeMap::new(),
    }
}

/// So many changes of one line, of as many operations as a change may have: each puts the same value in the place of the one before.
fn of_the_most_operations(document: &Document, count: u64, edit: &str) -> Vec<Vec<u8>> {
    let card = document.card_ids().next().unwrap();
    let made = document
        .clone()
        .commit(&actor(2), 1_000, &mut || [1; 10], |working| match edit {
            "field" => working.set_deck_field("f", Some(FieldValue::Bool(true))),
            _ => working.tag(card, "t"),
        });
    let made = made.unwrap().change.unwrap().bytes;
    let first = Change::try_from(made.as_slice()).unwrap();
    let mut expanded = first.decode();
    expanded.operations = vec![expanded.operations[0].clone(); CHANGE_OPS_MAX];
    let (begin, mut before) = (first.start_op(), document.heads()[0]);
    let changes = (0..count).map(|number| {
        let mut next = expanded.clone();
        next.deps = vec![before];
        next.seq = first.seq() + number;
        next.start_op = begin.saturating_add(number * CHANGE_OPS_MAX as u64);
        for (op, counter) in next.operations.iter_mut().zip(next.start_op.get()..) {
            let replaced = (counter > begin.get()).then(|| OpId(counter - 1, actor(2)));
            op.pred = Vec::from_iter(replaced).into();
        }
        let change = Change::from(next);
        before = change.hash();
        change.raw_bytes().to_vec()
    });
    changes.collect()
}

#[test]
fn a_batch_takes_what_its_bytes_take_however_many_operations_they_say() {
    let alone = alone();
    let mut document = Document::genesis(actor(1), 0);
    let card = document.commit(&actor(3), 0, &mut || [2; 10], |edit| edit.add_card("a card", ""));
    card.unwrap();
    for edit in ["field", "tag"] {
        const COUNT: u64 = 64;
        let changes = of_the_most_operations(&document, COUNT, edit);
        let bytes: usize = changes.iter().map(Vec::len).sum();
        assert!(bytes < 300 * changes.len(), "{edit}: {bytes}");
        let line = Line {
            actor: actor(2),
            next_seq: 1,
            previous: document.heads()[0],
        };
        let head = Change::try_from(changes[COUNT as usize - 1].as_slice())
            .unwrap()
            .hash();
        let segments = [segment(
            line,
            changes.iter().map(Vec::as_slice).collect(),
            Kind::Term,
        )];
        let (admitted, took) = measured(&alone, || admit(&document, &segments, head));
        assert!(took < 32 * MEBIBYTE, "{edit}: checking {bytes} bytes took {took}");
        let mut with = document.clone();
        let (applied, took) = measured(&alone, || with.apply(admitted.unwrap()));
        assert!(
            took < 100 * MEBIBYTE,
            "{edit}: putting {bytes} bytes in took {took}"
        );
        assert_eq!(applied.unwrap().len(), 1, "{edit}: what it did is told once");
        let mut from_disk = document.clone();
        let (restored, took) = measured(&alone, || {
            from_disk.restore_more(changes.iter().map(Vec::as_slice))
        });
        restored.unwrap();
        assert!(took < 100 * MEBIBYTE, "{edit}: opening it took {took}");
        assert_eq!(from_disk.heads(), with.heads(), "{edit}");
    }
}

/// Each draft of a batch sees the deck as it was somewhere else, and what it sees of a long text, or of a deck's changes, is long.
#[test]
fn a_batch_does_not_keep_what_each_of_its_drafts_sees() {
    const DRAFTS: u8 = 24;
    let alone = alone();
    let mut document = Document::genesis(actor(1), 0);
    let mut number = 0_u8;
    let mut random = || {
        number += 1;
        [number; 10]
    };
    let text = "x".repeat(9_000);
    let card = document.commit(&actor(2), 0, &mut random, |edit| edit.add_card("", &text));
    let card = card.unwrap().value;
    for _ in 0..5 {
        let more = document.commit(&actor(2), 0, &mut random, |edit| {
            edit.splice_text(&card, TextField::Back, 0, 0, &text)
        });
        more.unwrap();
    }
    let mut drafts = Vec::new();
    for draft in 10..10 + DRAFTS {
        let previous = document.heads()[0];
        let made = document.clone().commit(&actor(draft), 0, &mut random, |edit| {
            edit.splice_text(&card, TextField::Back, 7, 1, "")
        });
        drafts.push((draft, previous, made.unwrap().change.unwrap().bytes));
        let next = document.commit(&actor(2), 0, &mut random, |edit| {
            edit.rename_deck(&format!("{draft}"))
        });
        next.unwrap();
    }
    let takes = |count: usize| {
        let segments = drafts.iter().take(count).map(|(draft, previous, bytes)| {
            let line = Line {
                actor: actor(*draft),
                next_seq: 1,
                previous: *previous,
            };
            segment(line, vec![bytes], Kind::Draft)
        });
        let segments: Vec<Segment<'_>> = segments.collect();
        let (admitted, took) = measured(&alone, || admit(&document, &segments, ChangeHash([0; 32])));
        // Several drafts leave several heads, which is found last.
        assert_eq!(admitted.map(drop), Err(Refusal::WrongHead));
        took
    };
    let (one, all) = (takes(1), takes(drafts.len()));
    assert!(one > MEBIBYTE, "{one}");
    assert!(all < 3 * one, "{all}, and one takes {one}");
}
