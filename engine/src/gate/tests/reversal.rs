//! What an undo or a redo says that it takes back.

use super::*;
use crate::op::Reversal;

/// A title change that says it takes a change back.
fn saying(pair: &mut Pair, reversal: Reversal) -> Vec<u8> {
    let message = format!(
        r#"{{"op":"{}","change":"{}","ops":[{{"op":"deck.rename"}}]}}"#,
        reversal.name(),
        reversal.change()
    );
    pair.altered(|change| change.message = Some(message))
}

#[test]
fn what_is_taken_back_must_be_known_and_have_a_message() {
    let mut pair = Pair::new();
    let genesis = pair.viewer.genesis_hash();
    for unknown in [ChangeHash([9; 32]), genesis] {
        let bytes = saying(&mut pair, Reversal::Undo(unknown));
        assert_eq!(pair.refused(&bytes), Refusal::WrongReversal);
    }
    let known = pair.viewer.heads()[0];
    let bytes = saying(&mut pair, Reversal::Undo(known));
    pair.admit(&bytes).unwrap();
}

#[test]
fn a_redo_takes_back_an_undo_and_an_undo_takes_back_none() {
    let mut pair = Pair::new();
    let known = pair.viewer.heads()[0];
    let bytes = saying(&mut pair, Reversal::Redo(known));
    assert_eq!(pair.refused(&bytes), Refusal::WrongReversal);

    let undo = saying(&mut pair, Reversal::Undo(known));
    let undone = Change::try_from(undo.as_slice()).unwrap();
    for (reversal, admitted) in [
        (Reversal::Undo(undone.hash()), false),
        (Reversal::Redo(undone.hash()), true),
    ] {
        let message = format!(
            r#"{{"op":"{}","change":"{}","ops":[{{"op":"deck.rename"}}]}}"#,
            reversal.name(),
            reversal.change()
        );
        // In one batch with the undo that it speaks of, and behind it.
        let next = alter_bytes(&undo, |change| {
            change.message = Some(message);
            change.seq += 1;
            change.deps = vec![undone.hash()];
            change.start_op = change.start_op.saturating_add(1);
        });
        let head = Change::try_from(next.as_slice()).unwrap().hash();
        let both = segment(pair.line(), vec![&undo, &next]);
        let answer = admit(&pair.viewer, &[both], head).map(drop);
        let expected = if admitted {
            Ok(())
        } else {
            Err(Refusal::WrongReversal)
        };
        assert_eq!(answer, expected, "{reversal}");
    }
}

#[test]
fn a_draft_takes_back_nothing_that_was_made_beside_it() {
    let pair = Pair::new();
    let base = pair.viewer.heads()[0];
    let mut document = pair.viewer.clone();
    let beside = document
        .commit(&actor(EDITOR), 0, &mut bits(), |edit| edit.rename_deck("beside"))
        .unwrap()
        .change
        .unwrap();
    let mut drafted = pair.viewer.clone();
    let made = drafted
        .commit(&some_actor(77), 0, &mut bits(), |edit| edit.rename_deck("draft"))
        .unwrap()
        .change
        .unwrap();
    for (taken_back, admitted) in [(beside.hash, false), (base, true)] {
        let bytes = alter_bytes(&made.bytes, |change| {
            change.message = Some(format!(
                r#"{{"op":"undo","change":"{taken_back}","ops":[{{"op":"deck.rename"}}]}}"#
            ));
        });
        let head = Change::try_from(bytes.as_slice()).unwrap().hash();
        let mut one = segment(
            Line {
                actor: some_actor(77),
                next_seq: 1,
                previous: base,
            },
            vec![&bytes],
        );
        one.kind = Kind::Draft;
        let answer = admit(&document, &[one], head).map(drop);
        let expected = if admitted {
            Ok(())
        } else {
            Err(Refusal::WrongReversal)
        };
        assert_eq!(answer, expected);
    }
}

#[test]
fn an_undo_names_the_ops_it_does_as_any_edit_does() {
    let mut pair = Pair::new();
    let known = pair.viewer.heads()[0];
    let message = format!(r#"{{"op":"undo","change":"{known}","ops":[{{"op":"deck.field","name":"x"}}]}}"#);
    let bytes = pair.altered(|change| change.message = Some(message));
    assert_eq!(pair.refused(&bytes), Refusal::MessageLies);
}
