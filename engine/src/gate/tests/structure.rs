//! Changes that do not go on exactly where their line was.

use std::num::NonZeroU64;

use super::*;
use crate::limits::DECK_OPS_MAX;

#[test]
fn an_honest_change_passes() {
    let mut pair = Pair::new();
    let bytes = pair.change(|edit| edit.rename_deck("title"));
    let admitted = pair.admit(&bytes).unwrap();
    pair.viewer.apply(admitted).unwrap();
    assert_eq!(pair.viewer.deck().title, "title");
}

#[test]
fn a_gap_in_the_sequence() {
    assert_eq!(
        Pair::new().refusal(|change| change.seq = 3),
        Refusal::WrongSeq {
            expected: 2,
            found: 3
        }
    );
    assert_eq!(
        Pair::new().refusal(|change| change.seq = 1),
        Refusal::WrongSeq {
            expected: 2,
            found: 1
        }
    );
}

#[test]
fn a_first_operation_that_is_not_next() {
    for start in [1, 2, u64::from(u32::MAX) / 4] {
        let refusal = Pair::new().refusal(|change| change.start_op = NonZeroU64::new(start).unwrap());
        assert!(
            matches!(refusal, Refusal::WrongStartOp { found, .. } if found == start),
            "{refusal:?}"
        );
    }
    let refusal =
        Pair::new().refusal(|change| change.start_op = NonZeroU64::new(u64::from(u32::MAX) - 1).unwrap());
    assert_eq!(refusal, Refusal::DeckFull);
    assert_eq!(
        Pair::new().refusal(|change| change.start_op = NonZeroU64::new(DECK_OPS_MAX + 1).unwrap()),
        Refusal::DeckFull
    );
}

#[test]
fn another_actor() {
    assert_eq!(
        Pair::new().refusal(|change| change.actor_id = some_actor(7)),
        Refusal::WrongActor
    );
}

#[test]
fn dependencies_that_are_not_exactly_the_lines() {
    let wrong = |found| Refusal::WrongDependencies { found };
    assert_eq!(Pair::new().refusal(|change| change.deps.clear()), wrong(0));
    assert_eq!(
        Pair::new().refusal(|change| change.deps = vec![ChangeHash([7; 32])]),
        wrong(1)
    );
    let genesis = genesis().genesis_hash();
    assert_eq!(Pair::new().refusal(|change| change.deps.push(genesis)), wrong(2));
    assert_eq!(
        Pair::new().refusal(|change| change.deps = (0..3).map(|n| ChangeHash([n; 32])).collect()),
        wrong(3)
    );
}

#[test]
fn a_line_that_starts_at_a_change_that_is_missing() {
    let mut pair = Pair::new();
    let bytes = pair.altered(|change| change.deps = vec![ChangeHash([7; 32])]);
    let line = Line {
        previous: ChangeHash([7; 32]),
        ..pair.line()
    };
    let head = Change::try_from(bytes.as_slice()).unwrap().hash();
    let refusal = admit(&pair.viewer, &[segment(line, vec![&bytes])], head)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        refusal,
        Refusal::MissingDependency {
            missing: ChangeHash([7; 32])
        }
    );
    pair.check_unharmed();
}

#[test]
fn an_actor_whose_numbers_are_used_already() {
    let mut pair = Pair::new();
    let bytes = pair.altered(|change| change.seq = 1);
    let line = Line {
        next_seq: 1,
        ..pair.line()
    };
    let head = Change::try_from(bytes.as_slice()).unwrap().hash();
    let refusal = admit(&pair.viewer, &[segment(line, vec![&bytes])], head)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(refusal, Refusal::ReusedActor);

    // The same number again, on the change before, when the document has gone on.
    let forked = pair.change(|edit| edit.rename_deck("one"));
    let other = pair.change(|edit| edit.rename_deck("two"));
    let line = pair.line();
    // Both in one batch, which the document knows nothing of.
    let both = [
        segment(line.clone(), vec![&forked]),
        segment(line.clone(), vec![&other]),
    ];
    let refusal = admit(&pair.viewer, &both, ChangeHash([0; 32])).map(drop);
    assert_eq!(refusal, Err(Refusal::ReusedActor));
    pair.viewer.apply(pair.admit(&forked).unwrap()).unwrap();
    let head = Change::try_from(other.as_slice()).unwrap().hash();
    let refusal = admit(&pair.viewer, &[segment(line, vec![&other])], head)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(refusal, Refusal::ReusedActor);
}

#[test]
fn a_change_that_is_known() {
    let mut pair = Pair::new();
    let bytes = pair.change(|edit| edit.rename_deck("title"));
    let line = pair.line();
    let head = Change::try_from(bytes.as_slice()).unwrap().hash();
    let twice = admit(&pair.viewer, &[segment(line, vec![&bytes, &bytes])], head)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(twice, Refusal::Known);
}

#[test]
fn a_time_that_is_none() {
    assert_eq!(
        Pair::new().refusal(|change| change.time = -1),
        Refusal::WrongTime { seconds: -1 }
    );
    assert_eq!(
        Pair::new().refusal(|change| change.time = i64::MAX),
        Refusal::WrongTime { seconds: i64::MAX }
    );
}

#[test]
fn another_head_than_the_one_vouched_for() {
    let mut pair = Pair::new();
    let bytes = pair.change(|edit| edit.rename_deck("title"));
    let refusal = admit(
        &pair.viewer,
        &[segment(pair.line(), vec![&bytes])],
        ChangeHash([1; 32]),
    )
    .map(|_| ())
    .unwrap_err();
    assert_eq!(refusal, Refusal::WrongHead);
    let nothing = admit(&pair.viewer, &[], pair.viewer.heads()[0])
        .map(|_| ())
        .unwrap_err();
    assert_eq!(nothing, Refusal::WrongHead);
}

#[test]
fn a_change_that_does_nothing_or_accepts_what_it_may_not() {
    let mut pair = Pair::new();
    assert_eq!(pair.refusal(|change| change.operations.clear()), Refusal::Empty);
    let accept = Notes::of_accept(DraftId::from_bytes([5; 32])).render();
    let bytes = pair.forged(&accept, vec![]);
    assert_eq!(pair.refused(&bytes), Refusal::WrongAccept);
    let bytes = pair.altered(|change| change.message = Some(accept));
    assert_eq!(pair.refused(&bytes), Refusal::WrongAccept);
}

#[test]
fn a_change_that_declines_a_draft_and_does_more_or_does_it_in_a_draft() {
    let mut pair = Pair::new();
    let decline = Notes::of_decline(DraftId::from_bytes([5; 32]), 1, "too long").render();
    let bytes = pair.altered(|change| change.message = Some(decline.clone()));
    assert_eq!(pair.refused(&bytes), Refusal::WrongAccept, "with operations");
    let bytes = pair.forged(&decline, vec![]);
    let head = Change::try_from(bytes.as_slice()).unwrap().hash();
    let mut in_a_draft = segment(pair.line(), vec![&bytes]);
    in_a_draft.kind = Kind::Draft;
    let refusal = admit(&pair.viewer, &[in_a_draft], head).map(|_| ()).unwrap_err();
    assert_eq!(refusal, Refusal::WrongAccept, "in a draft");
    // Alone and in a term it is what an editor may say.
    let admitted = pair.admit(&bytes).unwrap();
    let events = pair.viewer.apply(admitted).unwrap();
    let draft = DraftId::from_bytes([5; 32]);
    assert_eq!(events, [crate::document::DeckChange::DraftDeclined { draft }]);
}

#[test]
fn what_was_admitted_to_another_state_is_not_applied() {
    let mut pair = Pair::new();
    let bytes = pair.change(|edit| edit.rename_deck("title"));
    let admitted = pair.admit(&bytes).unwrap();
    let again = admitted.clone();
    pair.viewer.apply(admitted).unwrap();
    assert_eq!(pair.viewer.apply(again), Err(crate::document::ApplyError::Stale));
    assert_eq!(pair.viewer.deck().title, "title");
}
