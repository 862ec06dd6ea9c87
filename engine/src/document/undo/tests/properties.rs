//! What holds for any edits, by seed.

use super::*;
use crate::document::Document;
use crate::id::DraftId;

/// What is known of a change of this device: what was there before and after.
struct Made {
    change: ChangeHash,
    before: Reading,
    after: Reading,
}

#[test]
fn undo_restores_what_was_there_and_redo_what_came_after() {
    for seed in 0..30 {
        let mut random = Random(seed);
        let mut pair = Pair::new(seed);
        let (mut undo, mut redo): (Vec<Made>, Vec<Made>) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            let before = reading(&pair.editor);
            let direction = match random.below(5) {
                0 | 1 => Direction::Undo,
                2 => Direction::Redo,
                _ => {
                    let made = pair.edit(ME, |edit| random_edit(edit, &mut random, ""));
                    let after = reading(&pair.editor);
                    if let Some(change) = made {
                        redo.clear();
                        undo.push(Made {
                            change,
                            before,
                            after,
                        });
                    }
                    continue;
                }
            };
            let (from, to) = match direction {
                Direction::Undo => (&mut undo, &mut redo),
                Direction::Redo => (&mut redo, &mut undo),
            };
            let Ok((plan, change)) = pair.take_back(direction) else {
                assert!(from.iter().all(|made| made.before == made.after), "seed {seed}");
                continue;
            };
            // One that did nothing that shows is passed over.
            let at = from
                .iter()
                .rposition(|made| made.change == plan.reversal().change())
                .unwrap_or_else(|| panic!("seed {seed}: not a change that can be taken back"));
            assert!(
                from.iter().skip(at + 1).all(|made| made.before == made.after),
                "seed {seed}: {direction:?} left out a change that shows"
            );
            let made = from.remove(at);
            let after = reading(&pair.editor);
            assert_eq!(after, made.before, "seed {seed}: {direction:?}");
            assert!(plan.left().is_empty(), "seed {seed}: {:?}", plan.left());
            to.push(Made {
                change,
                before,
                after,
            });
        }
    }
}

/// The marks that someone left in the texts of each card that can be seen.
fn marks(document: &Document, mark: char) -> BTreeMap<CardId, usize> {
    let count = |text: &str| text.chars().filter(|found| *found == mark).count();
    let further = |card: &Card| card.texts.values().map(|text| count(text)).sum::<usize>();
    document
        .cards()
        .map(|card| {
            let marks = count(&card.front) + count(&card.back) + further(&card);
            (card.id, marks)
        })
        .collect()
}

#[test]
fn what_another_typed_survives_every_undo_and_redoing_all_leads_back() {
    for seed in 0..30 {
        let mut random = Random(seed ^ 0x5eed);
        let mut pair = Pair::new(seed);
        for _ in 0..12 {
            pair.edit(ME, |edit| random_edit(edit, &mut random, ""));
            pair.edit(OTHER, |edit| random_edit(edit, &mut random, "◆"));
        }
        let end = reading(&pair.editor);
        let mut undone = 0;
        let mut passed_over = BTreeSet::new();
        loop {
            let before = marks(&pair.editor, '◆');
            let plan = match pair.editor.plan(Direction::Undo, &author_for(ME), &passed_over) {
                Ok(plan) => plan,
                Err(why) if why.change().is_some() => {
                    passed_over.extend(why.change());
                    continue;
                }
                Err(_) => break,
            };
            pair.edit(ME, |edit| edit.take_back(&plan));
            undone += 1;
            let after = marks(&pair.editor, '◆');
            for (card, count) in before {
                // A card may go, with all that is in it; and marks that this device took out come back.
                assert!(
                    after.get(&card).is_none_or(|left| *left >= count),
                    "seed {seed}: an undo took what another typed"
                );
            }
        }
        assert!(undone > 0, "seed {seed}");
        for _ in 0..undone {
            let plan = pair.redo();
            assert!(plan.left().is_empty(), "seed {seed}");
        }
        assert_eq!(reading(&pair.editor), end, "seed {seed}");
    }
}

/// Some edits, undos and redos of one actor on a document.
fn grow(document: &mut Document, who: u8, random: &mut Random) -> Vec<Vec<u8>> {
    let mut changes = Vec::new();
    for _ in 0..random.below(6) + 1 {
        let direction = [Direction::Undo, Direction::Redo][random.below(2)];
        let plan = document
            .plan(direction, &author_for(who), &BTreeSet::new())
            .ok()
            .filter(|_| random.below(2) == 0);
        let mut ids = Random(random.below(1 << 30) as u64);
        let mut bits = || std::array::from_fn(|_| ids.below(256) as u8);
        let made = document.commit(&actor(who), 0, &mut bits, |edit| match &plan {
            Some(plan) => edit.take_back(plan),
            None => random_edit(edit, random, ""),
        });
        changes.extend(made.unwrap().change.map(|change| change.bytes));
    }
    changes
}

fn segment<'a>(
    who: u8,
    next_seq: u64,
    previous: ChangeHash,
    changes: &'a [Vec<u8>],
    kind: Kind,
) -> Segment<'a> {
    Segment {
        line: Line {
            actor: actor(who),
            next_seq,
            previous,
        },
        changes: changes.iter().map(Vec::as_slice).collect(),
        kind,
        accepts: BTreeMap::new(),
    }
}

#[test]
fn two_lines_with_undos_and_redos_merge_to_one_deck_in_either_order_and_the_merge_can_be_undone() {
    for seed in 0..50 {
        let mut random = Random(seed ^ 0xf0_4c);
        let mut editor = genesis();
        let first = grow(&mut editor, ME, &mut random);
        let base = editor.heads()[0];
        let mut drafted = editor.clone();
        let draft_changes = grow(&mut drafted, DRAFTS, &mut random);
        let draft_head = drafted.heads()[0];
        let term_changes = grow(&mut editor, ME, &mut random);
        let previous = editor.heads()[0];
        if draft_changes.is_empty() {
            continue;
        }
        let draft = DraftId::from_bytes([7; 32]);
        let before_accept = reading(&editor);
        let one = segment(DRAFTS, 1, base, &draft_changes, Kind::Draft);
        let admitted = admit(&editor, std::slice::from_ref(&one), draft_head)
            .unwrap_or_else(|refusal| panic!("seed {seed}: {refusal}"));
        editor.apply(admitted).unwrap();
        let accepted = editor
            .accept_draft(&actor(ME), 0, draft, previous, draft_head)
            .unwrap()
            .change
            .unwrap();
        let after_accept = reading(&editor);

        // Another device has the term first, a third one the draft.
        let genesis_hash = editor.genesis_hash();
        let start = segment(ME, 1, genesis_hash, &first, Kind::Term);
        let next = |len: usize| len as u64 + 1;
        let more = segment(ME, next(first.len()), base, &term_changes, Kind::Term);
        let acceptance = [accepted.bytes.clone()];
        let mut accept = segment(
            ME,
            next(first.len() + term_changes.len()),
            previous,
            &acceptance,
            Kind::Term,
        );
        accept.accepts = BTreeMap::from([(draft, draft_head)]);
        let with_term = if term_changes.is_empty() {
            vec![start.clone(), one.clone(), accept.clone()]
        } else {
            vec![start.clone(), more.clone(), one.clone(), accept.clone()]
        };
        let mut term_first = genesis();
        let admitted = admit(&term_first, &with_term, accepted.hash)
            .unwrap_or_else(|refusal| panic!("seed {seed}: {refusal}"));
        term_first.apply(admitted).unwrap();
        let mut draft_first = genesis();
        let mut raw: Vec<&[u8]> = first.iter().chain(&draft_changes).map(Vec::as_slice).collect();
        raw.extend(term_changes.iter().map(Vec::as_slice));
        raw.push(&accepted.bytes);
        draft_first.restore_more(raw).unwrap();
        for other in [&term_first, &draft_first] {
            assert_eq!(other.heads(), editor.heads(), "seed {seed}");
            assert!(other.all_cards().eq(editor.all_cards()), "seed {seed}");
        }

        if before_accept == after_accept {
            continue;
        }
        for (direction, expected) in [
            (Direction::Undo, &before_accept),
            (Direction::Redo, &after_accept),
        ] {
            let plan = editor
                .plan(direction, &author_for(ME), &BTreeSet::new())
                .unwrap_or_else(|why| panic!("seed {seed}: {why}"));
            let made = editor
                .commit(&actor(ME), 0, &mut || [0; 10], |edit| edit.take_back(&plan))
                .unwrap();
            assert_eq!(&reading(&editor), expected, "seed {seed}: {direction:?}");
            let change = made.change.unwrap();
            let previous = term_first.heads()[0];
            let bytes = [change.bytes];
            let undone = segment(ME, change.seq, previous, &bytes, Kind::Term);
            let admitted = admit(&term_first, &[undone], change.hash)
                .unwrap_or_else(|refusal| panic!("seed {seed}: {refusal}"));
            term_first.apply(admitted).unwrap();
            assert_eq!(reading(&term_first), reading(&editor), "seed {seed}");
        }
    }
}
