use std::collections::BTreeMap;

use super::*;
use crate::document::tests::{actor, bits, genesis};
use crate::gate::{Kind, Line, Segment, admit};

const OWNER: DeviceId = DeviceId::from_bytes([1; 32]);
const GUEST: DeviceId = DeviceId::from_bytes([2; 32]);

fn who(found: &ActorId) -> Option<Writer> {
    let term = TermId::from_bytes([5; 32]);
    let draft = DraftId::from_bytes([6; 32]);
    [
        (actor(1), Writer::genesis(OWNER)),
        (actor(2), Writer::term(OWNER, term)),
        (actor(3), Writer::draft(GUEST, draft)),
    ]
    .into_iter()
    .find_map(|(actor, writer)| (actor == *found).then_some(writer))
}

/// A term of two changes, a draft on the first of them, and its acceptance; with the card.
fn merged() -> (Document, crate::id::CardId, [ChangeHash; 5]) {
    let mut document = genesis();
    let mut bits = bits();
    let first = document
        .commit(&actor(2), 1_000, &mut bits, |edit| edit.add_card("hola", ""))
        .unwrap();
    let (card, base) = (first.value, first.change.unwrap().hash);
    let mut branch = document.fork_at(base).unwrap();
    let drafted = branch
        .commit(&actor(3), 3_000, &mut bits, |edit| edit.tag(&card, "new"))
        .unwrap()
        .change
        .unwrap();
    let second = document
        .commit(&actor(2), 2_000, &mut bits, |edit| edit.rename_deck("x"))
        .unwrap()
        .change
        .unwrap();
    let segment = Segment {
        line: Line {
            actor: actor(3),
            next_seq: 1,
            previous: base,
        },
        changes: vec![&drafted.bytes],
        kind: Kind::Draft,
        accepts: BTreeMap::new(),
    };
    document
        .apply(admit(&document, &[segment], drafted.hash).unwrap())
        .unwrap();
    let draft = DraftId::from_bytes([6; 32]);
    let accept = document
        .accept_draft(&actor(2), 4_000, draft, second.hash, drafted.hash)
        .unwrap()
        .change
        .unwrap();
    let hashes = [
        document.genesis_hash(),
        base,
        drafted.hash,
        second.hash,
        accept.hash,
    ];
    (document, card, hashes)
}

#[test]
fn entries_tell_who_did_what_when_and_what_merged() {
    let (document, card, [genesis, base, drafted, second, accept]) = merged();
    let all: Vec<Entry> = entries(&document, who).collect();
    let at = |hash: ChangeHash| all.iter().find(|entry| entry.hash == hash).unwrap();
    assert_eq!(all.len(), 5);
    assert_eq!((all[0].hash, all[4].hash), (accept, genesis));
    assert!(at(accept).is_merge && !at(second).is_merge);
    assert_eq!(at(accept).deps, [second, drafted]);
    assert_eq!(
        at(accept).notes,
        [Note::DraftAccept {
            draft: DraftId::from_bytes([6; 32])
        }]
    );
    assert_eq!(
        at(drafted).writer,
        Some(Writer::draft(GUEST, DraftId::from_bytes([6; 32])))
    );
    assert_eq!((at(drafted).time_ms, at(drafted).seq), (3_000, 1));
    assert_eq!(at(base).notes, [Note::CardAdd { card }]);
    assert_eq!(at(genesis).writer, Some(Writer::genesis(OWNER)));
    assert_eq!(entry_of(&document, &second, who).as_ref(), Some(at(second)));
    assert_eq!(entry_of(&document, &ChangeHash([9; 32]), who), None);
    // Everything comes before what it was made on.
    for (number, entry) in all.iter().enumerate() {
        assert!(
            entry
                .deps
                .iter()
                .all(|dep| all[number..].iter().any(|later| later.hash == *dep))
        );
    }
}

#[test]
fn a_history_can_be_laid_out_as_it_is() {
    let (document, _, hashes) = merged();
    let rows: Vec<graph::Row> =
        graph::layout(entries(&document, who).map(|entry| graph::Node::from(&entry))).collect();
    let lane = |hash: ChangeHash| rows.iter().find(|row| row.hash == hash).unwrap().lane;
    assert_ne!(lane(hashes[2]), lane(hashes[3]));
    assert_eq!(lane(hashes[3]), lane(hashes[4]));
    assert!(rows.iter().all(|row| row.width <= 2));
}

#[test]
fn a_difference_names_cards_and_nothing_else() {
    let (mut document, card, [genesis, base, drafted, second, accept]) = merged();
    let between = |document: &Document, before, after| diff(document, &[before], &[after]).unwrap();
    assert!(
        matches!(between(&document, genesis, base).as_slice(), [CardDiff::Added(added)] if added.id == card)
    );
    assert!(between(&document, base, second).is_empty());
    let tagged = between(&document, second, accept);
    assert!(
        matches!(&tagged[..], [CardDiff::Changed { before, after }] if before.tags.is_empty() && after.tags.len() == 1)
    );
    assert!(between(&document, drafted, accept).is_empty());
    let gone = document
        .commit(&actor(2), 0, &mut bits(), |edit| edit.delete_card(&card))
        .unwrap()
        .change
        .unwrap()
        .hash;
    assert!(matches!(
        between(&document, accept, gone).as_slice(),
        [CardDiff::Removed(_)]
    ));
    assert!(matches!(
        between(&document, gone, accept).as_slice(),
        [CardDiff::Added(_)]
    ));
    assert_eq!(diff(&document, &[ChangeHash([9; 32])], &[gone]), None);
}
