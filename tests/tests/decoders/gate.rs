//! The real gate and the real Automerge, under mutants of real changes that get past the checksum: what is refused
//! leaves the document as it was; what is admitted can be applied, saved, loaded and edited on.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::legacy::{Key, ObjectId, OpId, OpType};
use automerge::{ActorId, Change, ChangeHash, ExpandedChange, ScalarValue};
use cuecard::card::{AudioRef, FieldValue, TextField};
use cuecard::document::{Document, Edit};
use cuecard::gate::{Kind, Line, Refusal, Segment, admit};
use cuecard::op::OpError;
use cuecard::transport::mutants::Mutants;
use cuecard::{BlobId, CardId};
use sha2::{Digest, Sha256};

use crate::bounded::{alone, hammer};

/// What one change may take at most: ten thousand operations, unfolded, twice; and the document beside it.
const BOUND: (usize, usize) = (512, 32 * 1024 * 1024);
/// After so many refusals the document is saved, loaded and edited.
const LOOK_EVERY: u64 = 400;

/// An editor's document and next changes, and a viewer who has all but those.
struct Scene {
    viewer: Document,
    line: Line,
    next: Vec<Vec<u8>>,
    looked: u64,
}

fn actor(number: u8) -> ActorId {
    ActorId::from([number; 32])
}

/// One edit, on the deck's two cards.
type AnEdit = Box<dyn Fn(&mut Edit<'_>, &[CardId]) -> Result<(), OpError>>;

fn further(name: &str) -> TextField {
    TextField::named(name).unwrap()
}

fn edits() -> Vec<AnEdit> {
    let audio = AudioRef {
        blob: BlobId::from_bytes([9; 32]),
        mime: "audio/webm".to_owned(),
        bytes: 7,
        duration_ms: 9,
        name: "a.webm".to_owned(),
    };
    vec![
        Box::new(|edit, _| edit.rename_deck("title")),
        Box::new(|edit, cards| edit.set_text(&cards[0], TextField::Front, "hallo, Wörld")),
        Box::new(|edit, cards| edit.splice_text(&cards[1], TextField::Back, 0, 1, "x")),
        Box::new(|edit, cards| edit.set_text(&cards[0], further("hint"), "a hint")),
        Box::new(|edit, cards| edit.splice_text(&cards[1], further("note"), 1, 1, "x")),
        Box::new(|edit, _| edit.add_card("new", "card").map(drop)),
        Box::new(|edit, cards| edit.move_card(&cards[0], Some(&cards[1]))),
        Box::new(|edit, cards| edit.delete_card(&cards[0])),
        Box::new(|edit, cards| edit.tag(&cards[0], "tag")),
        Box::new(|edit, cards| edit.untag(&cards[1], "tagged")),
        Box::new(move |edit, cards| edit.attach_audio(&cards[0], "front", audio.clone())),
        Box::new(|edit, cards| edit.set_field(&cards[0], "n", Some(FieldValue::Float(1.5)))),
        Box::new(|edit, cards| {
            edit.set_field(&cards[1], "n", None)?;
            edit.set_deck_field("m", Some(FieldValue::Bool(true)))?;
            edit.tag(&cards[1], "another")
        }),
    ]
}

impl Scene {
    fn new() -> Self {
        let mut number = 0_u8;
        let mut random = move || {
            number += 1;
            [number; 10]
        };
        let mut editor = Document::genesis(actor(1), 0);
        let first = editor.commit(&actor(2), 1_000, &mut random, |edit| {
            let one = edit.add_card("hello, world", "abc")?;
            let two = edit.add_card("second", "abc")?;
            edit.tag(&two, "tagged")?;
            edit.set_text(&two, further("note"), "abc")?;
            edit.set_field(&two, "n", Some(FieldValue::Int(1)))?;
            Ok(vec![one, two])
        });
        let first = first.unwrap();
        let change = first.change.unwrap();
        let mut viewer = Document::genesis(actor(1), 0);
        viewer.restore_more([change.bytes.as_slice()]).unwrap();
        let edits = edits();
        let next = edits.iter().map(|edit| {
            let mut working = editor.clone();
            let made = working.commit(&actor(2), 2_000, &mut random, |working| {
                edit(working, &first.value)
            });
            made.unwrap().change.unwrap().bytes
        });
        Self {
            next: next.collect(),
            viewer,
            line: Line {
                actor: actor(2),
                next_seq: 2,
                previous: change.hash,
            },
            looked: 0,
        }
    }

    /// Whether the gate takes these bytes as the editor's next change; looks at what becomes of the document.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let segment = Segment {
            line: self.line.clone(),
            changes: vec![bytes],
            kind: Kind::Term,
            accepts: BTreeMap::new(),
        };
        let before = self.viewer.heads();
        let admitted = admit(&self.viewer, &[segment], hash(bytes));
        assert_eq!(self.viewer.heads(), before, "the gate touched the document");
        match admitted {
            Ok(admitted) => {
                let mut with = self.viewer.clone();
                with.apply(admitted).expect("what is admitted can be applied");
                check_works(&with);
                true
            }
            Err(refusal) => {
                assert_ne!(refusal, Refusal::Fault, "the gate itself panicked");
                self.looked += 1;
                if self.looked.is_multiple_of(LOOK_EVERY) {
                    check_works(&self.viewer);
                    let honest =
                        self.next[self.looked as usize / LOOK_EVERY as usize % self.next.len()].clone();
                    assert!(
                        self.take(&honest),
                        "an honest change is refused after hostile ones"
                    );
                }
                false
            }
        }
    }
}

/// It can be saved, loaded and edited, before and after.
fn check_works(document: &Document) {
    let edited = |mut document: Document| {
        let edited = document.commit(&actor(9), 3_000, &mut || [0xee; 10], |edit| {
            let card = edit.add_card("still", "works")?;
            edit.set_text(&card, TextField::Front, "still, and well")
        });
        edited.expect("it can be edited");
        document
    };
    edited(document.clone());
    let heads = document.heads();
    let loaded = Document::restore_snapshot(document.genesis_hash(), &document.snapshot(), &heads);
    let loaded = loaded.expect("what was saved can be loaded");
    assert!(
        loaded.all_cards().eq(document.all_cards()),
        "it reads otherwise once loaded"
    );
    edited(loaded);
}

/// The hash of a chunk is that of its kind, length and content; its checksum is the beginning of it.
fn hash(bytes: &[u8]) -> ChangeHash {
    ChangeHash(Sha256::digest(bytes.get(8..).unwrap_or_default()).into())
}

fn with_right_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let right = hash(&bytes);
    if let Some(checksum) = bytes.get_mut(4..8) {
        checksum.copy_from_slice(&right.0[..4]);
    }
    bytes
}

#[test]
fn bytes_that_claim_to_be_changes() {
    let alone = alone();
    let mut scene = Scene::new();
    let samples = scene.next.clone();
    hammer(&alone, "changes", 10_000, &samples, BOUND, |bytes| {
        scene.take(bytes)
    });
}

/// The checksum and the length are mended, so that the mutant meets what stands behind them.
#[test]
fn mutants_under_a_right_checksum() {
    let alone = alone();
    let mut scene = Scene::new();
    let samples = scene.next.clone();
    hammer(
        &alone,
        "changes, checksum mended",
        20_000,
        &samples,
        BOUND,
        |bytes| {
            let bytes = with_right_length(bytes);
            scene.take(&with_right_checksum(bytes))
        },
    );
}

/// What follows the header, under a header that fits it.
fn with_right_length(bytes: &[u8]) -> Vec<u8> {
    let Some((header, rest)) = bytes.split_at_checked(9) else {
        return bytes.to_vec();
    };
    let spelled = rest
        .iter()
        .position(|byte| byte & 0x80 == 0)
        .map_or(0, |at| at + 1);
    let content = rest.get(spelled..).unwrap_or_default();
    let mut mended = header.to_vec();
    let mut length = content.len();
    while length >= 0x80 {
        mended.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    mended.push(length.to_le_bytes()[0]);
    mended.extend_from_slice(content);
    mended
}

/// Well-spelled changes that mean anything: operations, references, keys, values and headers are altered before the
/// change is spelled by Automerge itself, so that every one of them reaches the last rules.
#[test]
fn changes_that_mean_anything() {
    let alone = alone();
    let mut scene = Scene::new();
    let samples = scene.next.clone();
    let honest: Vec<ExpandedChange> = samples
        .iter()
        .map(|bytes| Change::try_from(bytes.as_slice()).unwrap().decode())
        .collect();
    let mut mutants = Mutants::new(3);
    let (mut deep, mut refusals) = (0_u64, BTreeMap::<String, u64>::new());
    hammer(&alone, "changes, altered", 10_000, &samples, BOUND, |bytes| {
        // Each input is a seed of an alteration; the samples themselves go in as they are.
        if samples.iter().any(|sample| sample == bytes) {
            return scene.take(bytes);
        }
        let mut change = mutants.one_of(&honest).unwrap().clone();
        for _ in 0..=mutants.below(2) {
            alter(&mut change, &honest, &mut mutants);
        }
        // Automerge's own writer falls over some of these, as no peer's own writer need do.
        let spelled = catch_unwind(AssertUnwindSafe(|| Change::from(change).raw_bytes().to_vec()));
        let Ok(spelled) = spelled else { return false };
        deep += 1;
        let segment = Segment {
            line: scene.line.clone(),
            changes: vec![&spelled],
            kind: Kind::Term,
            accepts: BTreeMap::new(),
        };
        if let Err(refusal) = admit(&scene.viewer, &[segment], hash(&spelled)) {
            let name = format!("{refusal:?}");
            let end = name.find([' ', '(', '{']).unwrap_or(name.len());
            *refusals.entry(name[..end].to_owned()).or_default() += 1;
        }
        scene.take(&spelled)
    });
    println!("changes, altered: {deep} spelled; refused by {refusals:?}");
    let few = std::env::var_os("CUECARD_FUZZ").is_some();
    for rule in [
        "Schema",
        "UnknownReference",
        "UnknownObject",
        "MessageLies",
        "WrongStartOp",
        "WrongActor",
    ] {
        assert!(few || refusals.contains_key(rule), "no mutant met {rule}");
    }
}

fn alter(change: &mut ExpandedChange, honest: &[ExpandedChange], mutants: &mut Mutants) {
    let donor = mutants.one_of(honest).unwrap().clone();
    let at = mutants.below(change.operations.len() as u64) as usize;
    let number =
        |mutants: &mut Mutants| [0, 1, 2, 3, 7, 20, 100, u64::from(u32::MAX)][mutants.below(8) as usize];
    let id = |mutants: &mut Mutants| OpId(number(mutants), actor(1 + mutants.below(3) as u8));
    match mutants.below(16) {
        0 => change.seq = number(mutants),
        1 => change.start_op = std::num::NonZeroU64::MIN.saturating_add(number(mutants)),
        2 => change.time = [0, -1, i64::MAX, i64::MIN][mutants.below(4) as usize],
        3 => change.message = donor.message,
        4 => change.message = None,
        5 => change.deps = [vec![], vec![ChangeHash([7; 32])]][mutants.below(2) as usize].clone(),
        6 => change.actor_id = actor(mutants.below(4) as u8),
        7 => change.extra_bytes = vec![1; mutants.below(20) as usize],
        8 => change.operations.extend(donor.operations),
        9 => {
            if at < change.operations.len() {
                change.operations.remove(at);
            }
        }
        _ => {
            let from = mutants.one_of(&donor.operations).cloned();
            let Some(op) = change.operations.get_mut(at) else {
                return;
            };
            match mutants.below(9) {
                0 => op.obj = ObjectId::Id(id(mutants)),
                1 => op.obj = ObjectId::Root,
                2 => op.pred = vec![id(mutants)].into(),
                3 => op.pred = vec![].into(),
                4 => op.insert = !op.insert,
                5 => {
                    let names = [
                        "title", "cards", "deleted", "position", "fields", "front", "\u{202e}", "", "texts",
                        "note",
                    ];
                    op.key = Key::Map(names[mutants.below(10) as usize].into());
                }
                6 => op.key = Key::Seq(id(mutants).into()),
                7 => {
                    let values = [
                        ScalarValue::Null,
                        ScalarValue::Boolean(true),
                        ScalarValue::counter(1),
                        ScalarValue::Timestamp(1),
                        ScalarValue::F64(f64::NAN),
                        ScalarValue::Str("two characters".into()),
                        ScalarValue::Bytes(vec![1]),
                        ScalarValue::Uint(u64::MAX),
                    ];
                    op.action = OpType::Put(values[mutants.below(8) as usize].clone());
                }
                _ => {
                    if let Some(from) = from {
                        *op = from;
                    }
                }
            }
        }
    }
}
