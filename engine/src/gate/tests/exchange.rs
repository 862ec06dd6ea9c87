//! Whatever a device commits, every other device admits; whatever is flipped on the way, none does.

use super::*;
use crate::card::{FieldValue, TextField};
use crate::document::tests::audio;
use crate::id::DeckId;
use crate::mirror::Mirror;
use crate::op::Note;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    fn bits(&mut self) -> [u8; 10] {
        std::array::from_fn(|_| self.below(256) as u8)
    }
}

/// A few random ops. What does not fit is left out: an op that fails before it did anything changes nothing.
fn random_edit(edit: &mut Edit<'_>, random: &mut Random) -> Result<(), OpError> {
    for _ in 0..=random.below(4) {
        let cards: Vec<CardId> = edit.cards().map(|card| card.id).collect();
        let text = ["", "hola", "a longer text with ñ and 🦀", "x"][random.below(4)];
        let name = ["one", "two", "three"][random.below(3)];
        if cards.len() < 3 || random.below(6) == 0 {
            let after = (!cards.is_empty()).then(|| &cards[random.below(cards.len())]);
            edit.add_card_after(after.filter(|_| name != "one"), text, name)?;
            continue;
        }
        let card = &cards[random.below(cards.len())];
        let hint = TextField::named("hint").unwrap();
        let field = [TextField::Front, TextField::Back, hint][random.below(3)].clone();
        let done = match random.below(14) {
            0..4 => {
                let length = edit
                    .card(card)
                    .map_or(0, |card| card.text(&field).chars().count());
                let at = random.below(length + 1);
                let delete = random.below(length - at + 1);
                edit.splice_text(card, field, at, delete, text)
            }
            4 => edit.set_text(card, field, text),
            5 => edit.move_card(
                card,
                Some(&cards[random.below(cards.len())]).filter(|_| name != "two"),
            ),
            6 => edit.delete_card(card),
            7 => edit.tag(card, name),
            8 => edit.untag(card, name),
            9 => edit.attach_audio(card, name, audio(random.below(3) as u8)),
            10 => edit.detach_audio(card, name),
            11 => edit.set_field(
                card,
                name,
                Some(FieldValue::Text(text.into())).filter(|_| text != "x"),
            ),
            12 => edit.rename_deck(text),
            _ => edit.set_deck_field(name, Some(FieldValue::Int(random.below(3) as i64))),
        };
        done?;
    }
    Ok(())
}

fn grow(document: &mut Document, who: u8, random: &mut Random, edits: usize) -> Vec<Vec<u8>> {
    let mut changes = Vec::new();
    for _ in 0..edits {
        let mut ids = Random(random.below(1 << 30) as u64);
        let made = document
            .commit(&actor(who), 1_000, &mut || ids.bits(), |edit| {
                random_edit(edit, random)
            })
            .unwrap();
        changes.extend(made.change.map(|change| change.bytes));
    }
    changes
}

fn slices(changes: &[Vec<u8>]) -> Vec<&[u8]> {
    changes.iter().map(Vec::as_slice).collect()
}

fn same(left: &Document, right: &Document, seed: u64) {
    assert_eq!(left.heads(), right.heads(), "seed {seed}");
    assert!(left.all_cards().eq(right.all_cards()), "seed {seed}");
    assert_eq!(left.deck(), right.deck(), "seed {seed}");
    let loaded = Document::restore_snapshot(right.genesis_hash(), &right.snapshot(), &right.heads()).unwrap();
    assert!(loaded.all_cards().eq(right.all_cards()), "seed {seed}");
}

#[test]
fn what_one_device_commits_every_other_admits() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let mut editor = genesis();
        let mut viewer = genesis();
        let mirror_of = |document: &Document| Mirror::of(DeckId::from_bytes([0; 32]), 0, document);
        let mut mirror = mirror_of(&viewer);
        let mut term = 10;
        let mut line = Line {
            actor: actor(term),
            next_seq: 1,
            previous: viewer.heads()[0],
        };
        for round in 0..4 {
            let mut drafts: Vec<(Line, Vec<Vec<u8>>, DraftId, ChangeHash)> = Vec::new();
            // A draft from here, which the editor accepts after edits of its own, or at once.
            let mut author = editor.clone();
            let base = author.heads()[0];
            let edits = random.below(3) + 1;
            let draft_changes = grow(&mut author, 100 + round, &mut random, edits);
            let edits = random.below(3);
            let mut changes = grow(&mut editor, term, &mut random, edits);
            if let ([draft_head], false) = (author.heads().as_slice(), draft_changes.is_empty()) {
                let draft_line = Line {
                    actor: actor(100 + round),
                    next_seq: 1,
                    previous: base,
                };
                let draft = DraftId::from_bytes([round; 32]);
                let segment = Segment {
                    line: draft_line.clone(),
                    changes: slices(&draft_changes),
                    kind: Kind::Draft,
                    accepts: BTreeMap::new(),
                };
                let previous = editor.heads()[0];
                let admitted =
                    admit(&editor, &[segment], *draft_head).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                editor.apply(admitted).unwrap();
                let accepted = editor
                    .accept_draft(&actor(term), 0, draft, previous, *draft_head)
                    .unwrap();
                changes.push(accepted.change.unwrap().bytes);
                drafts.push((draft_line, draft_changes, draft, *draft_head));
                let edits = random.below(3);
                changes.extend(grow(&mut editor, term, &mut random, edits));
            }
            let mut segments: Vec<Segment<'_>> = drafts
                .iter()
                .map(|(line, changes, ..)| Segment {
                    line: line.clone(),
                    changes: slices(changes),
                    kind: Kind::Draft,
                    accepts: BTreeMap::new(),
                })
                .collect();
            let accepts = drafts.iter().map(|(.., draft, head)| (*draft, *head)).collect();
            segments.push(Segment {
                line: line.clone(),
                changes: slices(&changes),
                kind: Kind::Term,
                accepts,
            });
            if changes.is_empty() {
                continue;
            }
            let admitted = admit(&viewer, &segments, editor.heads()[0])
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(admitted.heads(), editor.heads());
            for told in viewer.apply(admitted).unwrap() {
                assert_eq!(mirror.change(&told), Some(()), "seed {seed}: {told:?}");
            }
            assert!(mirror.says_the_same(&mirror_of(&viewer)), "seed {seed}");
            same(&editor, &viewer, seed);
            line.next_seq += changes.len() as u64;
            line.previous = editor.heads()[0];
            if random.below(2) == 0 {
                term += 1;
                line = Line {
                    actor: actor(term),
                    next_seq: 1,
                    previous: editor.heads()[0],
                };
            }
        }
    }
}

#[test]
fn a_flipped_byte_is_never_admitted_and_never_panics() {
    let seed = 7;
    let mut random = Random(seed);
    let mut pair = Pair::new();
    let honest: Vec<Vec<u8>> = (0..6)
        .map(|_| {
            let mut copy = Random(random.below(1 << 30) as u64);
            pair.change(|edit| {
                edit.rename_deck("t")?;
                random_edit(edit, &mut copy)
            })
        })
        .collect();
    for _ in 0..3_000 {
        let mut bytes = honest[random.below(honest.len())].clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        if honest.contains(&bytes) {
            continue;
        }
        let refusal = pair.admit(&bytes).map(|_| ()).unwrap_err();
        assert_ne!(refusal, Refusal::Fault, "seed {seed}");
    }
    pair.check_unharmed();
}

#[test]
fn a_flipped_byte_under_a_right_checksum_never_reaches_a_panic() {
    // The sender of such bytes holds a key: the checksum is right, and everything behind it may be wrong.
    let seed = 11;
    let mut random = Random(seed);
    let mut pair = Pair::new();
    let honest: Vec<Vec<u8>> = (0..6)
        .map(|_| {
            let mut copy = Random(random.below(1 << 30) as u64);
            pair.change(|edit| {
                edit.rename_deck("t")?;
                random_edit(edit, &mut copy)
            })
        })
        .collect();
    let mut passed = 0;
    for _ in 0..3_000 {
        let mut bytes = honest[random.below(honest.len())].clone();
        for _ in 0..=random.below(2) {
            let at = 9 + random.below(bytes.len() - 9);
            bytes[at] ^= 1 << random.below(8);
        }
        let Ok(Ok(change)) = std::panic::catch_unwind(|| Change::try_from(bytes.as_slice())) else {
            continue;
        };
        bytes[4..8].copy_from_slice(&change.hash().0[..4]);
        match pair.admit(&bytes) {
            Ok(admitted) => {
                passed += 1;
                let mut viewer = pair.viewer.clone();
                viewer
                    .apply(admitted)
                    .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                same(&viewer, &viewer, seed);
            }
            Err(refusal) => assert_ne!(refusal, Refusal::Fault, "seed {seed}"),
        }
    }
    // Another letter in a text is another honest change: some must pass, or this test would look at nothing.
    assert!(passed > 0);
    pair.check_unharmed();
}

#[test]
fn a_note_names_each_op_of_a_batch_once() {
    let mut pair = Pair::new();
    let card = pair.cards[0].clone();
    let bytes = pair.change(|edit| {
        edit.set_text(&card, TextField::Back, "one")?;
        edit.tag(&card, "x")?;
        edit.set_text(&card, TextField::Back, "two")
    });
    let admitted = pair.admit(&bytes).unwrap();
    let text = Note::CardText {
        card: card.clone(),
        field: TextField::Back,
    };
    assert_eq!(admitted.notes()[0].as_slice(), [text, Note::CardTag { card }]);
}
