//! A history is gone through lazily: pages join to the whole, nothing comes before what was made on it, and what is
//! looked at costs no more in a long history than in a short one.

use std::collections::BTreeSet;

use super::*;
use crate::document::RestoreError;

/// A deck of drafts that are accepted one after another, many of them without an edit between: acceptances have no
/// operations of their own, so only the order of the graph tells them apart.
fn woven(drafts: u8) -> Document {
    let mut document = genesis();
    let mut bits = bits();
    let base = document
        .commit(&actor(2), 1_000, &mut bits, |edit| edit.add_card("hola", ""))
        .unwrap();
    let (card, base) = (base.value, base.change.unwrap().hash);
    document
        .commit(&actor(2), 2_000, &mut bits, |edit| {
            (0..40).try_for_each(|number| edit.tag(&card, &format!("tag {number}")))
        })
        .unwrap();
    for number in 0..drafts {
        let author = actor(10 + number);
        let mut branch = document.fork_at(base).unwrap();
        let mut changes = Vec::new();
        for step in 0..2 {
            let change = branch.commit(&author, 3_000, &mut bits, |edit| {
                edit.splice_text(
                    &card,
                    crate::card::TextField::Front,
                    0,
                    0,
                    &format!("{number}{step}"),
                )
            });
            changes.push(change.unwrap().change.unwrap());
        }
        let segment = Segment {
            line: Line {
                actor: author,
                next_seq: 1,
                previous: base,
            },
            changes: changes.iter().map(|change| change.bytes.as_slice()).collect(),
            kind: Kind::Draft,
            accepts: BTreeMap::new(),
        };
        let previous = document.heads()[0];
        let head = changes[1].hash;
        document
            .apply(admit(&document, &[segment], head).unwrap())
            .unwrap();
        let draft = DraftId::from_bytes([number; 32]);
        document
            .accept_draft(&actor(2), 4_000, draft, previous, head)
            .unwrap();
        if number % 5 == 4 {
            document
                .commit(&actor(2), 5_000, &mut bits, |edit| {
                    edit.tag(&card, &format!("{number}"))
                })
                .unwrap();
        }
    }
    document
}

fn hashes(document: &Document) -> Vec<ChangeHash> {
    entries(document, who).map(|entry| entry.hash).collect()
}

#[test]
fn every_entry_comes_once_and_before_all_that_it_was_made_on() {
    let document = woven(13);
    let all: Vec<Entry> = entries(&document, who).collect();
    assert_eq!(all.len(), entry_count(&document));
    let mut still_to_come: BTreeSet<ChangeHash> = all.iter().map(|entry| entry.hash).collect();
    assert_eq!(still_to_come.len(), all.len());
    for entry in &all {
        assert!(still_to_come.remove(&entry.hash));
        assert!(entry.deps.iter().all(|before| still_to_come.contains(before)));
    }
}

#[test]
fn the_order_is_that_of_the_changes_and_not_of_their_arrival() -> Result<(), RestoreError> {
    let document = woven(13);
    let snapshot = document.snapshot();
    let loaded = Document::restore_snapshot(document.genesis_hash(), &snapshot, &document.heads())?;
    assert_eq!(hashes(&loaded), hashes(&document));
    Ok(())
}

#[test]
fn pages_of_any_size_join_to_the_whole() {
    let document = woven(7);
    let whole = hashes(&document);
    for size in [1, 2, 3, 7, 100] {
        let mut joined = Vec::new();
        let mut from = document.heads();
        while !from.is_empty() {
            let next = page(&document, &from, size, who);
            assert!(next.entries.len() <= size);
            joined.extend(next.entries.iter().map(|entry| entry.hash));
            from = next.rest;
        }
        assert_eq!(joined, whole, "pages of {size}");
    }
}

#[test]
fn a_page_from_an_entry_is_that_entry_and_its_past() {
    let (document, _, [genesis, base, drafted, ..]) = merged();
    let past = page(&document, &[drafted], 10, who);
    let past: Vec<ChangeHash> = past.entries.iter().map(|entry| entry.hash).collect();
    assert_eq!(past, [drafted, base, genesis]);
    assert_eq!(page(&document, &[ChangeHash([9; 32])], 10, who).entries, []);
}

#[test]
fn what_lies_between_two_points_is_in_the_past_of_one_of_them_alone() {
    let document = woven(6);
    let automerge = document.automerge();
    let all = hashes(&document);
    let past = |head: ChangeHash| -> BTreeSet<ChangeHash> {
        let entries = page(&document, &[head], usize::MAX, who).entries;
        entries.iter().map(|entry| entry.hash).collect()
    };
    for &left in &all {
        for &right in &all {
            let between = walk::between(automerge, &[left], &[right]);
            let found: BTreeSet<ChangeHash> = between.iter().map(|change| change.hash).collect();
            let expected = past(left).symmetric_difference(&past(right)).copied().collect();
            assert_eq!((found.len(), found), (between.len(), expected));
        }
    }
}
