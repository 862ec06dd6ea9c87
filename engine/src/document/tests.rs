use std::collections::BTreeSet;

use super::*;
use crate::card::{AudioRef, FieldValue, TextField};
use crate::id::{BlobId, DraftId};
use crate::limits::NAME_BYTES_MAX;
use crate::op::Splice;

pub(crate) fn actor(number: u8) -> ActorId {
    ActorId::from([number; 16])
}

pub(crate) fn genesis() -> Document {
    Document::genesis(actor(1), 1_700_000_000_000)
}

/// Random bits that are not random: a counter.
pub(crate) fn bits() -> impl FnMut() -> [u8; 10] {
    let mut next = 0_u64;
    move || {
        next += 1;
        let mut bits = [0; 10];
        bits[2..].copy_from_slice(&next.to_be_bytes());
        bits
    }
}

pub(crate) fn audio(number: u8) -> AudioRef {
    AudioRef {
        blob: BlobId::from_bytes([number; 32]),
        mime: "audio/webm".into(),
        bytes: 1_000,
        duration_ms: 900,
        name: "hola.webm".into(),
    }
}

fn fronts(document: &Document) -> Vec<String> {
    document.cards().map(|card| card.front).collect()
}

/// A deck with cards a, b, c, and their ids.
fn three() -> (Document, Vec<CardId>) {
    let mut document = genesis();
    let made = document
        .commit(&actor(2), 1_000, &mut bits(), |edit| {
            ["a", "b", "c"]
                .iter()
                .map(|front| edit.add_card(front, ""))
                .collect::<Result<Vec<_>, _>>()
        })
        .unwrap();
    (document, made.value)
}

fn edit<T>(
    document: &mut Document,
    edit: impl FnOnce(&mut Edit<'_>) -> Result<T, OpError>,
) -> Result<Committed<T>, OpError> {
    document.commit(&actor(2), 2_000, &mut || [0xff; 10], edit)
}

#[test]
fn the_first_change_is_the_same_bytes_on_every_device() {
    let hash = genesis().genesis_hash();
    assert_eq!(hash, genesis().genesis_hash());
    assert_eq!(
        hash.to_string(),
        "8170fa181411c9cf5ca6a6dda66fdbc852e28483c6f1408ef85afb3ca782b4bf"
    );
    assert_ne!(
        hash,
        Document::genesis(actor(2), 1_700_000_000_000).genesis_hash()
    );
    assert_ne!(
        hash,
        Document::genesis(actor(1), 1_700_000_001_000).genesis_hash()
    );
    assert_eq!(genesis().deck(), DeckInfo::default());
}

#[test]
fn one_edit_is_one_change_and_an_edit_that_does_nothing_is_none() {
    let (mut document, cards) = three();
    let before = document.heads();
    let nothing = edit(&mut document, |edit| {
        edit.set_text(&cards[0], TextField::Front, "a")
    })
    .unwrap();
    assert_eq!((nothing.change, nothing.events), (None, vec![]));
    assert_eq!(document.heads(), before);
    let made = edit(&mut document, |edit| {
        edit.set_text(&cards[0], TextField::Front, "A")?;
        edit.tag(&cards[1], "new")
    })
    .unwrap();
    let change = made.change.unwrap();
    assert_eq!(document.heads(), [change.hash]);
    assert_eq!(change.seq, 2);
    assert_eq!(document.change_bytes(&change.hash), Some(change.bytes));
    assert_eq!(
        made.events,
        [
            DeckChange::TextChanged {
                card: cards[0].clone(),
                field: TextField::Front,
                splices: vec![Splice {
                    at: 0,
                    delete: 1,
                    insert: "A".to_owned()
                }],
            },
            DeckChange::Tagged {
                card: cards[1].clone(),
                tag: "new".to_owned()
            },
        ]
    );
}

#[test]
fn an_edit_that_fails_leaves_no_trace() {
    let (mut document, cards) = three();
    let (before, order) = (document.snapshot(), document.order.clone());
    let failed = edit(&mut document, |edit| {
        edit.add_card("d", "")?;
        edit.move_card(&cards[2], None)?;
        edit.delete_card(&CardId::from_random([9; 10]))
    });
    assert!(matches!(failed, Err(OpError::NoSuchCard { .. })));
    assert_eq!(document.snapshot(), before);
    assert_eq!(document.order, order);
    assert_eq!(fronts(&document), ["a", "b", "c"]);
    // The number that the failed edit would have taken is still free.
    assert_eq!(
        edit(&mut document, |edit| edit.delete_card(&cards[0]))
            .unwrap()
            .change
            .unwrap()
            .seq,
        2
    );
}

#[test]
fn an_op_that_failed_half_way_fails_the_edit_even_if_its_error_is_dropped() {
    let (mut document, _) = three();
    let before = document.snapshot();
    let failed = edit(&mut document, |edit| {
        edit.add_card("d", &"x".repeat(CHANGE_OPS_MAX)).ok();
        Ok(())
    });
    assert!(matches!(failed, Err(OpError::ChangeTooLarge)), "{failed:?}");
    assert_eq!(document.snapshot(), before);
}

#[test]
fn every_op_does_what_it_says() {
    let (mut document, cards) = three();
    let card = &cards[1];
    edit(&mut document, |edit| {
        edit.rename_deck("Spanish")?;
        edit.describe_deck("101")?;
        edit.set_deck_field("level", Some(FieldValue::Int(1)))?;
        edit.splice_text(card, TextField::Back, 0, 0, "hé")?;
        edit.splice_text(card, TextField::Back, 1, 1, "ello")?;
        edit.tag(card, "x")?;
        edit.tag(card, "y")?;
        edit.untag(card, "x")?;
        edit.attach_audio(card, "front", audio(1))?;
        edit.attach_audio(card, "front", audio(2))?;
        edit.attach_audio(card, "back", audio(1))?;
        edit.detach_audio(card, "back")?;
        edit.set_field(card, "ease", Some(FieldValue::Float(2.5)))?;
        edit.set_field(card, "gone", Some(FieldValue::Bool(true)))?;
        edit.set_field(card, "gone", None)?;
        edit.delete_card(&cards[0])?;
        edit.move_card(&cards[2], None)
    })
    .unwrap();
    let deck = document.deck();
    assert_eq!(
        (deck.title.as_str(), deck.description.as_str()),
        ("Spanish", "101")
    );
    assert_eq!(deck.fields["level"], FieldValue::Int(1));
    let read = document.card(card).unwrap();
    assert_eq!(read.back, "hello");
    assert_eq!(read.tags, BTreeSet::from(["y".to_owned()]));
    assert_eq!(
        read.audio.into_iter().collect::<Vec<_>>(),
        [("front".to_owned(), audio(2))]
    );
    assert_eq!(
        read.fields.into_iter().collect::<Vec<_>>(),
        [("ease".to_owned(), FieldValue::Float(2.5))]
    );
    assert_eq!(fronts(&document), ["c", "b"]);
    edit(&mut document, |edit| edit.restore_card(&cards[0])).unwrap();
    assert_eq!(fronts(&document), ["c", "a", "b"]);
}

#[test]
fn what_another_device_would_refuse_is_refused_here() {
    let (mut document, cards) = three();
    let card = &cards[0];
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    let name = |result: Result<Committed<()>, OpError>| matches!(result, Err(OpError::Name { .. }));
    assert!(name(edit(&mut document, |edit| edit.tag(card, &long))));
    assert!(name(edit(&mut document, |edit| edit.tag(card, "a\u{0}"))));
    assert!(name(edit(&mut document, |edit| edit.attach_audio(
        card,
        "../x",
        audio(1)
    ))));
    let path = AudioRef {
        name: "../../.ssh/id".into(),
        ..audio(1)
    };
    assert!(name(
        edit(&mut document, |edit| edit.attach_audio(card, "front", path))
    ));
    assert!(name(edit(&mut document, |edit| edit.rename_deck(&long))));
    assert!(name(edit(&mut document, |edit| edit.set_field(
        card,
        "n",
        Some(FieldValue::Float(f64::NAN))
    ))));
    let paste = edit(&mut document, |edit| {
        edit.set_text(card, TextField::Front, &"x".repeat(CHANGE_OPS_MAX + 1))
    });
    assert!(matches!(paste, Err(OpError::ChangeTooLarge)));
    let beyond = edit(&mut document, |edit| {
        edit.splice_text(card, TextField::Front, 2, 0, "x")
    });
    assert!(matches!(beyond, Err(OpError::BeyondText { at: 2, length: 1 })));
    assert_eq!(fronts(&document), ["a", "b", "c"]);
}

#[test]
fn a_change_that_turns_out_too_large_is_taken_back() {
    let (mut document, cards) = three();
    let before = (document.heads(), document.cards().collect::<Vec<_>>());
    let value = "x".repeat(4_000);
    let failed = edit(&mut document, |edit| {
        edit.move_card(&cards[0], Some(&cards[2]))?;
        (0..80).try_for_each(|number| {
            edit.set_deck_field(&format!("field {number}"), Some(FieldValue::Text(value.clone())))
        })
    });
    assert!(matches!(failed, Err(OpError::ChangeTooLarge)));
    assert_eq!((document.heads(), document.cards().collect::<Vec<_>>()), before);
    assert_eq!(
        edit(&mut document, |edit| edit.delete_card(&cards[0]))
            .unwrap()
            .change
            .unwrap()
            .seq,
        2
    );
}

#[test]
fn a_card_moves_between_neighbours_that_share_one_position() {
    let (mut document, cards) = three();
    let other = document.fork_at(document.heads()[0]).unwrap();
    let mut other = other;
    // Two devices put a card of their own at the end, at one time: both get the same position.
    edit(&mut document, |edit| edit.add_card("here", "")).unwrap();
    let there = other
        .commit(&actor(3), 0, &mut || [0; 10], |edit| edit.add_card("there", ""))
        .unwrap();
    let line = crate::gate::Line {
        actor: actor(3),
        next_seq: 1,
        previous: other_base(&other),
    };
    let bytes = there.change.as_ref().unwrap().bytes.as_slice();
    let segment = crate::gate::Segment {
        line,
        changes: vec![bytes],
        kind: crate::gate::Kind::Draft,
        accepts: std::collections::BTreeMap::new(),
    };
    let previous = document.heads()[0];
    let head = there.change.as_ref().unwrap().hash;
    document
        .apply(crate::gate::admit(&document, &[segment], head).unwrap())
        .unwrap();
    document
        .accept_draft(&actor(2), 0, DraftId::from_bytes([1; 32]), previous, head)
        .unwrap();
    assert_eq!(fronts(&document), ["a", "b", "c", "there", "here"]);
    edit(&mut document, |edit| {
        edit.move_card(&cards[0], Some(&there.value))
    })
    .unwrap();
    assert_eq!(fronts(&document), ["b", "c", "there", "a", "here"]);
}

#[test]
fn what_declines_a_draft_is_what_the_gate_of_another_device_takes() {
    let (mut document, _) = three();
    let mut other = document.clone();
    let previous = document.heads()[0];
    let draft = DraftId::from_bytes([1; 32]);
    let line = crate::gate::Line {
        actor: actor(7),
        next_seq: 1,
        previous,
    };
    let declined = document
        .decline_draft(&actor(7), 0, draft, 1, "¿?", previous)
        .unwrap();
    let change = declined.change.unwrap();
    assert_eq!(document.heads(), [change.hash]);
    assert!(matches!(
        document.decline_draft(&actor(7), 0, draft, 1, "", previous),
        Err(OpError::SeveralHeads { .. })
    ));
    let segment = crate::gate::Segment {
        line,
        changes: vec![&change.bytes],
        kind: crate::gate::Kind::Term,
        accepts: std::collections::BTreeMap::new(),
    };
    other
        .apply(crate::gate::admit(&other, &[segment], change.hash).unwrap())
        .unwrap();
    assert_eq!(other.heads(), document.heads());
    edit(&mut document, |edit| edit.rename_deck("it goes on")).unwrap();
}

fn other_base(other: &Document) -> ChangeHash {
    let head = other.heads()[0];
    other.automerge().get_change_by_hash(&head).unwrap().deps()[0]
}

#[test]
fn the_own_log_and_the_own_snapshot_give_the_same_document() {
    let (mut document, cards) = three();
    let mut log: Vec<Vec<u8>> = vec![document.change_bytes(&document.heads()[0]).unwrap()];
    for number in 0..5 {
        let made = edit(&mut document, |edit| {
            edit.set_text(&cards[0], TextField::Front, &format!("text {number}"))?;
            edit.move_card(&cards[2], None)
        });
        log.push(made.unwrap().change.unwrap().bytes);
    }
    let slices = || log.iter().map(Vec::as_slice);
    let restored = Document::restore(actor(1), 1_700_000_000_000, slices()).unwrap();
    assert_eq!(restored.heads(), document.heads());
    assert_eq!(restored.order, document.order);
    assert!(restored.cards().eq(document.cards()));

    let loaded =
        Document::restore_snapshot(document.genesis_hash(), &document.snapshot(), &document.heads()).unwrap();
    assert!(loaded.cards().eq(document.cards()));

    let gap = Document::restore(actor(1), 1_700_000_000_000, slices().skip(1)).map(|_| ());
    assert!(matches!(gap, Err(RestoreError::Incomplete { .. })), "{gap:?}");
    let mut broken = log.clone();
    let last = broken[2].len() - 1;
    broken[2][last] ^= 1;
    let damaged =
        Document::restore(actor(1), 1_700_000_000_000, broken.iter().map(Vec::as_slice)).map(|_| ());
    assert!(
        matches!(damaged, Err(RestoreError::DamagedChange { index: 2 })),
        "{damaged:?}"
    );
    let other = Document::restore_snapshot(document.genesis_hash(), &genesis().snapshot(), &document.heads());
    assert!(matches!(other.map(|_| ()), Err(RestoreError::WrongState)));
}

#[test]
fn the_past_can_be_read() {
    let (mut document, cards) = three();
    let past = document.heads();
    edit(&mut document, |edit| edit.delete_card(&cards[1])).unwrap();
    edit(&mut document, |edit| {
        edit.set_text(&cards[0], TextField::Front, "changed")
    })
    .unwrap();
    let fronts: Vec<String> = document
        .cards_at(&past)
        .into_iter()
        .map(|card| card.front)
        .collect();
    assert_eq!(fronts, ["a", "b", "c"]);
    assert_eq!(document.card_at(&past, &cards[0]).unwrap().front, "a");
    assert!(document.cards_at(&[document.genesis_hash()]).is_empty());
    assert!(document.card_at(&[ChangeHash([7; 32])], &cards[0]).is_none());
    let fork = document.fork_at(past[0]).unwrap();
    assert_eq!((fork.heads(), fork.cards().count()), (past, 3));
}

#[test]
fn putting_what_can_be_seen_already_deletes_nothing_that_is_concurrent() {
    let (mut document, cards) = three();
    let base = document.heads()[0];
    let mut branch = document.fork_at(base).unwrap();
    let same = |edit: &mut Edit<'_>, title: &str| {
        edit.rename_deck(title)?;
        edit.tag(&cards[0], "x")
    };
    let drafted = branch
        .commit(&actor(3), 0, &mut bits(), |edit| same(edit, "theirs"))
        .unwrap()
        .change
        .unwrap();
    edit(&mut document, |edit| same(edit, "ours")).unwrap();
    let previous = document.heads()[0];
    let segment = crate::gate::Segment {
        line: crate::gate::Line {
            actor: actor(3),
            next_seq: 1,
            previous: base,
        },
        changes: vec![&drafted.bytes],
        kind: crate::gate::Kind::Draft,
        accepts: std::collections::BTreeMap::new(),
    };
    document
        .apply(crate::gate::admit(&document, &[segment], drafted.hash).unwrap())
        .unwrap();
    document
        .accept_draft(&actor(2), 0, DraftId::from_bytes([1; 32]), previous, drafted.hash)
        .unwrap();
    let seen = document.deck().title;
    let again = edit(&mut document, |edit| same(edit, &seen)).unwrap();
    assert_eq!(again.change, None);
}

/// Where to put the next card: behind which of the cards, given the place of the latest one.
type NextPlace = fn(step: usize, latest: usize) -> Option<usize>;

#[test]
fn positions_stay_short_wherever_cards_are_put_and_each_stands_where_it_was_put() {
    use crate::limits::POSITION_BYTES_CROWDED;
    let strategies: [NextPlace; 4] = [
        |_, _| Some(0),
        |_, latest| Some(latest),
        |_, latest| latest.checked_sub(1),
        |step, latest| {
            if step.is_multiple_of(2) {
                Some(latest)
            } else {
                latest.checked_sub(1)
            }
        },
    ];
    for (number, next) in strategies.into_iter().enumerate() {
        let (mut document, mut expected) = three();
        let mut bits = bits();
        let mut ids = || bits().map(|byte| byte ^ 0x55);
        let (mut latest, mut moved_up) = (1, 0);
        for round in 0..3 {
            let made = document
                .commit(&actor(2), 0, &mut ids, |edit| {
                    for step in 0..300 {
                        let after = next(step, latest);
                        let behind = after.map(|after| expected[after].clone());
                        let card = edit.add_card_after(behind.as_ref(), "", "")?;
                        latest = after.map_or(0, |after| after + 1);
                        expected.insert(latest, card);
                    }
                    Ok(())
                })
                .unwrap();
            let moves = made
                .events
                .iter()
                .filter(|event| matches!(event, DeckChange::CardMoved { .. }));
            moved_up += moves.count();
            let cards: Vec<Card> = document.cards().collect();
            assert!(
                cards.iter().map(|card| &card.id).eq(&expected),
                "strategy {number}"
            );
            let longest = cards.iter().map(|card| card.position.len()).max();
            assert!(
                longest <= Some(POSITION_BYTES_CROWDED),
                "strategy {number}, round {round}: {longest:?}"
            );
        }
        let cards_put = 900;
        assert!(moved_up <= cards_put, "strategy {number}: moved {moved_up}");
    }
}

/// Cards that are in the order alone, until there are so many: a hundred thousand real ones take a minute to make.
pub(crate) fn fill_with_cards(document: &mut Document, count: usize) {
    for number in document.order.len() as u64..count as u64 {
        let mut random = [0xee; 10];
        random[2..].copy_from_slice(&number.to_be_bytes());
        document
            .order
            .place(&CardId::from_random(random), "zz".to_owned());
    }
}

#[test]
fn a_text_has_at_most_so_many_bytes() {
    use crate::limits::TEXT_BYTES_MAX;
    let (mut document, cards) = three();
    let card = &cards[0];
    // Four bytes each, and each an operation: so many changes make the longest text.
    let part = "😀".repeat(CHANGE_OPS_MAX - 1);
    let mut left = TEXT_BYTES_MAX - 1;
    while left >= 4 {
        let part: String = part.chars().take(left / 4).collect();
        left -= part.len();
        edit(&mut document, |edit| {
            edit.splice_text(card, TextField::Front, 0, 0, &part)
        })
        .unwrap();
    }
    let fill = "x".repeat(left);
    edit(&mut document, |edit| {
        edit.splice_text(card, TextField::Front, 0, 0, &fill)
    })
    .unwrap();
    let full = document.cards().next().unwrap();
    assert_eq!(full.front.len(), TEXT_BYTES_MAX, "and the a that was there");
    let more = edit(&mut document, |edit| {
        edit.splice_text(card, TextField::Front, 0, 0, "x")
    });
    assert!(matches!(more, Err(OpError::TextTooLong { .. })), "{more:?}");
    // What takes out as much as it puts in fits.
    edit(&mut document, |edit| {
        edit.splice_text(card, TextField::Front, 0, 1, "y")
    })
    .unwrap();
}

/// The numbers of operations are Automerge's, and near their end it panics: so a deck stops well before.
#[test]
fn a_deck_has_at_most_so_many_operations() {
    use crate::limits::DECK_OPS_MAX;
    let (document, cards) = three();
    let most = DECK_OPS_MAX - CHANGE_OPS_MAX as u64;
    for (ops, fits) in [(most, true), (most + 1, false)] {
        // As after two thousand million others.
        let made = edit(&mut document.clone(), |edit| edit.rename_deck("many")).unwrap();
        let mut change = automerge::Change::try_from(made.change.unwrap().bytes.as_slice())
            .unwrap()
            .decode();
        change.start_op = std::num::NonZeroU64::new(ops).unwrap();
        let change = automerge::Change::from(change);
        let mut full = document.clone();
        full.restore_more([change.raw_bytes()]).unwrap();
        let (heads, deck, read) = (full.heads(), full.deck(), fronts(&full));
        let more = edit(&mut full, |edit| edit.tag(&cards[0], "one more"));
        if fits {
            assert!(more.unwrap().change.is_some(), "{ops}");
            continue;
        }
        assert!(matches!(more, Err(OpError::DeckFull)), "{more:?}");
        assert_eq!((full.heads(), full.deck(), fronts(&full)), (heads, deck, read));
    }
}
