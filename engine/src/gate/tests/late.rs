//! The editor's word that late work is part of the deck: a change on top of two lines, which a peer may make up.

use super::*;
use crate::document::DeckChange;
use crate::id::TermId;
use crate::op::{NoteError, Notes};
use crate::role;

const TERM: TermId = TermId::from_bytes([7; 32]);

/// A viewer that holds the editor's line, and beside it two changes of another term and one of a third.
struct Aside {
    editor: Document,
    viewer: Document,
    /// The change of the editor that both lines beside it start at.
    base: ChangeHash,
    previous: ChangeHash,
    /// The changes of [`TERM`], in order.
    late: [ChangeHash; 2],
    /// Of another term.
    other: ChangeHash,
}

impl Aside {
    /// As far as the viewer holds it: `late` changes of the late work.
    fn holding(late: usize) -> Self {
        let pair = Pair::new();
        let (mut editor, base) = (pair.editor, pair.viewer.heads()[0]);
        let written = |term: TermId, first: u8, fronts: &[&str]| {
            let mut beside = pair.viewer.fork_at(base).unwrap();
            let mut bits = bits();
            let mut ids = || bits().map(|byte| byte ^ first);
            let mut write = |front: &&str| {
                let made = beside.commit(&role::actor_of_term(term), 3_000, &mut ids, |edit| {
                    edit.add_card(front, "")
                });
                made.unwrap().change.unwrap()
            };
            fronts.iter().map(&mut write).collect::<Vec<_>>()
        };
        let lates = written(TERM, 0x55, &["late", "later"]);
        let other = written(TermId::from_bytes([8; 32]), 0x66, &["another's"]);
        let own = editor.commit(&actor(EDITOR), 2_000, &mut bits(), |edit| {
            edit.rename_deck("title")
        });
        let own = own.unwrap().change.unwrap();
        let mut viewer = pair.viewer;
        let aside = lates.iter().take(late).chain(&other);
        viewer
            .restore_more(
                [&own]
                    .into_iter()
                    .chain(aside)
                    .map(|change| change.bytes.as_slice()),
            )
            .unwrap();
        editor
            .restore_more(lates.iter().map(|change| change.bytes.as_slice()))
            .unwrap();
        Self {
            editor,
            viewer,
            base,
            previous: own.hash,
            late: [lates[0].hash, lates[1].hash],
            other: other[0].hash,
        }
    }

    /// What an honest editor says, which has no other line beside its own than the late work.
    fn acceptance(&self) -> Vec<u8> {
        let accepted =
            self.editor
                .clone()
                .accept_late(&actor(EDITOR), 4_000, TERM, self.previous, self.late[1]);
        accepted.unwrap().change.unwrap().bytes
    }

    fn on(&self, dependencies: &[ChangeHash]) -> Vec<u8> {
        alter_bytes(&self.acceptance(), |change| {
            change.deps = dependencies.to_vec();
            change.deps.sort_unstable();
        })
    }

    fn says(&self, kind: Kind, bytes: &[u8]) -> Result<Admitted, Refusal> {
        let line = Line {
            actor: actor(EDITOR),
            next_seq: 3,
            previous: self.previous,
        };
        let mut one = segment(line, vec![bytes]);
        one.kind = kind;
        let head = Change::try_from(bytes).unwrap().hash();
        admit(&self.viewer, &[one], head)
    }

    /// What the gate says of it, having looked that the viewer holds what it held.
    fn refusal(&self, kind: Kind, bytes: &[u8]) -> Refusal {
        let heads = self.viewer.heads();
        let refusal = self.says(kind, bytes).map(drop).unwrap_err();
        assert_eq!(self.viewer.heads(), heads);
        assert_eq!(
            self.viewer.cards().count(),
            4 + usize::from(heads.contains(&self.late[1]))
        );
        refusal
    }
}

/// A viewer that holds nothing of the third term: the two lines become one.
#[test]
fn late_work_that_is_here_is_accepted() {
    let aside = Aside::holding(2);
    let mut viewer = aside.editor.clone();
    let bytes = aside.acceptance();
    assert_eq!(late_heads(&[&bytes], aside.previous), Ok(vec![aside.late[1]]));
    let line = Line {
        actor: actor(EDITOR),
        next_seq: 3,
        previous: aside.previous,
    };
    let head = Change::try_from(bytes.as_slice()).unwrap().hash();
    let admitted = admit(&viewer, &[segment(line, vec![&bytes])], head).unwrap();
    let told = viewer.apply(admitted).unwrap();
    assert!(
        told.contains(&DeckChange::LateAccepted { term: TERM }),
        "{told:?}"
    );
    assert_eq!(viewer.heads(), [head]);
    let mut fronts: Vec<String> = viewer.cards().map(|card| card.front).collect();
    fronts.sort();
    assert_eq!(fronts, ["first", "late", "later", "second"]);
    assert_eq!(viewer.deck().title, "title");
}

#[test]
fn late_work_that_is_not_here_is_missing() {
    for held in [0, 1] {
        let aside = Aside::holding(held);
        let missing = aside.late[1];
        let refusal = aside.says(Kind::Term, &aside.acceptance()).map(drop);
        assert_eq!(refusal, Err(Refusal::MissingDependency { missing }));
    }
}

#[test]
fn an_acceptance_names_a_head_of_its_term_and_what_is_left_beside_it_is_not_accepted() {
    let aside = Aside::holding(2);
    // Another term's, and the editor's own.
    for wrong in [aside.other, aside.base] {
        let bytes = aside.on(&[aside.previous, wrong]);
        assert_eq!(aside.refusal(Kind::Term, &bytes), Refusal::WrongAccept);
    }
    // One that is not the end: the rest would stay beside it.
    let bytes = aside.on(&[aside.previous, aside.late[0]]);
    let bytes = alter_bytes(&bytes, |change| {
        change.start_op =
            std::num::NonZeroU64::MIN.saturating_add(aside.viewer.op_count_at(&aside.late[0]).unwrap());
    });
    assert_eq!(aside.refusal(Kind::Term, &bytes), Refusal::WrongHead);
}

#[test]
fn an_acceptance_depends_on_its_own_line_and_the_late_works_head_and_on_nothing_else() {
    let aside = Aside::holding(2);
    let [first, last] = aside.late;
    let only_its_line = aside.on(&[aside.previous]);
    assert_eq!(aside.refusal(Kind::Term, &only_its_line), Refusal::WrongAccept);
    for wrong in [vec![last], vec![first, last], vec![aside.previous, first, last]] {
        let found = wrong.len();
        let refusal = aside.refusal(Kind::Term, &aside.on(&wrong));
        assert_eq!(refusal, Refusal::WrongDependencies { found }, "{wrong:?}");
    }
}

#[test]
fn an_acceptance_does_nothing_else() {
    let aside = Aside::holding(2);
    let accept = Notes::of_late(TERM).render();
    let mut working = aside.editor.fork_at(aside.previous).unwrap();
    let edit = working.commit(&actor(EDITOR), 4_000, &mut bits(), |edit| {
        edit.rename_deck("more")
    });
    let operations = Change::try_from(edit.unwrap().change.unwrap().bytes.as_slice())
        .unwrap()
        .decode()
        .operations;
    // A change with operations that says that it accepts, and no more.
    let bytes = alter_bytes(&aside.acceptance(), |change| {
        change.operations = operations.clone()
    });
    assert_eq!(aside.refusal(Kind::Term, &bytes), Refusal::WrongAccept);
    // One that says all that it does, and one that accepts two.
    let renamed = format!(r#"{{"op":"batch","ops":[{{"op":"deck.rename"}},{accept}]}}"#);
    let another = Notes::of_late(TermId::from_bytes([8; 32])).render();
    let both = format!(r#"{{"op":"batch","ops":[{accept},{another}]}}"#);
    for (message, operations) in [(renamed, operations), (both, vec![])] {
        let bytes = alter_bytes(&aside.acceptance(), |change| {
            change.operations = operations;
            change.message = Some(message);
        });
        assert_eq!(aside.refusal(Kind::Term, &bytes), Refusal::WrongAccept);
    }
    // One that takes something back by accepting.
    let message = format!(r#"{{"op":"undo","change":"{}","ops":[{accept}]}}"#, aside.base);
    let bytes = alter_bytes(&aside.acceptance(), |change| change.message = Some(message));
    let refusal = aside.refusal(Kind::Term, &bytes);
    assert_eq!(refusal, Refusal::Message(NoteError::Malformed));
}

#[test]
fn a_draft_accepts_no_late_work() {
    let aside = Aside::holding(2);
    let refusal = aside.refusal(Kind::Draft, &aside.acceptance());
    assert_eq!(refusal, Refusal::WrongAccept);
}

/// What changes accept is looked for before they are admitted: what one depends on in its own line is not late work, also
/// where its text speaks of it.
#[test]
fn the_heads_that_are_accepted_are_found_in_a_run_of_changes() {
    let mut aside = Aside::holding(2);
    let mut editor = aside.editor.fork_at(aside.previous).unwrap();
    let mut write = |front: &str| {
        let made = editor.commit(&actor(EDITOR), 4_000, &mut bits(), |edit| edit.rename_deck(front));
        made.unwrap().change.unwrap()
    };
    let edit = write(r#""late.accept""#);
    let before = aside.previous;
    assert_eq!(late_heads(&[&edit.bytes], before), Ok(vec![]));
    aside.editor.restore_more([edit.bytes.as_slice()]).unwrap();
    aside.previous = edit.hash;
    let accept = aside.acceptance();
    assert_eq!(
        late_heads(&[&edit.bytes, &accept], before),
        Ok(vec![aside.late[1]])
    );
    let mut damaged = accept;
    damaged.truncate(damaged.len() - 1);
    assert!(late_heads(&[&edit.bytes, &damaged], before).is_err());
}
