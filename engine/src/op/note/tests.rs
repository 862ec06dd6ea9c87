use super::*;

fn card(number: u8) -> CardId {
    CardId::from_random([number; 10])
}

fn of(notes: Vec<Note>) -> Notes {
    Notes {
        notes,
        reversal: None,
    }
}

fn one_of_each() -> Vec<Note> {
    let card = card(7);
    vec![
        Note::DeckRename,
        Note::DeckField {
            name: "language \"x\"".into(),
        },
        Note::CardAdd { card: card.clone() },
        Note::CardText {
            card: card.clone(),
            field: TextField::Back,
        },
        Note::CardMove { card: card.clone() },
        Note::CardDelete { card: card.clone() },
        Note::CardRestore { card: card.clone() },
        Note::CardTag { card: card.clone() },
        Note::CardUntag { card: card.clone() },
        Note::AudioAttach {
            card: card.clone(),
            slot: "front".into(),
        },
        Note::AudioDetach {
            card: card.clone(),
            slot: "front".into(),
        },
        Note::CardField {
            card,
            name: "ñ".into(),
        },
        Note::DraftAccept {
            draft: DraftId::from_bytes([3; 32]),
        },
        Note::DraftDecline {
            draft: DraftId::from_bytes([3; 32]),
            version: 2,
            reason: "too \"long\"\n¿no?".into(),
        },
        Note::LateAccept {
            term: TermId::from_bytes([4; 32]),
        },
    ]
}

#[test]
fn every_note_comes_back_from_its_message_alone_and_in_a_batch() {
    for note in one_of_each() {
        let notes = of(vec![note]);
        assert_eq!(Notes::parse(&notes.render()), Ok(notes.clone()));
    }
    let batch = of(one_of_each());
    assert_eq!(Notes::parse(&batch.render()), Ok(batch.clone()));
}

#[test]
fn the_spelling_is_fixed() {
    let text = of(vec![Note::CardText {
        card: card(0),
        field: TextField::Front,
    }]);
    assert_eq!(
        text.render(),
        r#"{"op":"card.text","card":"0000000000000000","field":"front"}"#
    );
    let batch = of(vec![Note::DeckRename, Note::CardAdd { card: card(0) }]);
    assert_eq!(
        batch.render(),
        r#"{"op":"batch","ops":[{"op":"deck.rename"},{"op":"card.add","card":"0000000000000000"}]}"#
    );
    let late = of(vec![Note::LateAccept {
        term: TermId::from_bytes([4; 32]),
    }]);
    let vector = format!(r#"{{"op":"late.accept","term":"{}"}}"#, "04".repeat(32));
    assert_eq!(late.render(), vector);
    assert_eq!(Notes::of_late(TermId::from_bytes([4; 32])), late);
}

#[test]
fn an_undo_and_a_redo_name_the_change_they_take_back() {
    let change = ChangeHash([0xab; 32]);
    for reversal in [Reversal::Undo(change), Reversal::Redo(change)] {
        let notes = Notes {
            notes: vec![Note::DeckRename],
            reversal: Some(reversal),
        };
        let message = notes.render();
        let expected = format!(
            r#"{{"op":"{}","change":"{}","ops":[{{"op":"deck.rename"}}]}}"#,
            reversal.name(),
            "ab".repeat(32)
        );
        assert_eq!(message, expected);
        assert_eq!(Notes::parse(&message), Ok(notes));
        assert_eq!(Notes::reversal_of(&message), Some(reversal));
    }
    assert_eq!(Notes::reversal_of(r#"{"op":"deck.rename"}"#), None);
}

#[test]
fn a_message_that_takes_back_in_another_form_is_refused() {
    let change = "ab".repeat(32);
    let draft = "03".repeat(32);
    let cases = [
        (
            format!(r#"{{"op":"undo","change":"{change}","ops":[]}}"#),
            NoteError::Malformed,
        ),
        (
            format!(
                r#"{{"op":"undo","change":"{}","ops":[{{"op":"deck.rename"}}]}}"#,
                change.to_uppercase()
            ),
            NoteError::Spelling,
        ),
        (
            r#"{"op":"undo","change":"ab","ops":[{"op":"deck.rename"}]}"#.to_owned(),
            NoteError::WrongIds,
        ),
        (
            format!(r#"{{"op":"batch","change":"{change}","ops":[{{"op":"deck.rename"}}]}}"#),
            NoteError::Malformed,
        ),
        (
            format!(
                r#"{{"op":"undo","change":"{change}","ops":[{{"op":"draft.accept","draft":"{draft}"}}]}}"#
            ),
            NoteError::Malformed,
        ),
        (
            format!(
                r#"{{"op":"undo","change":"{change}","ops":[{{"op":"draft.decline","draft":"{draft}","version":1,"reason":""}}]}}"#
            ),
            NoteError::Malformed,
        ),
        (r#"{"op":"undo"}"#.to_owned(), NoteError::UnknownOp),
    ];
    for (message, refusal) in cases {
        assert_eq!(Notes::parse(&message), Err(refusal), "{message}");
    }
}

#[test]
fn a_draft_is_declined_in_a_version_and_with_a_reason_of_bounded_length() {
    let draft = "03".repeat(32);
    let decline = |rest: &str| format!(r#"{{"op":"draft.decline","draft":"{draft}"{rest}}}"#);
    let long = "x".repeat(NOTE_BYTES_MAX + 1);
    for refused in [
        decline(""),
        decline(r#","version":1"#),
        decline(r#","reason":"no""#),
        decline(r#","version":0,"reason":"no""#),
        decline(&format!(r#","version":1,"reason":"{long}""#)),
    ] {
        assert_eq!(Notes::parse(&refused), Err(NoteError::WrongIds), "{refused}");
    }
    let notes = Notes::of_decline(DraftId::from_bytes([3; 32]), 1, "no");
    assert_eq!(notes.render(), decline(r#","version":1,"reason":"no""#));
    assert_eq!(Notes::parse(&notes.render()), Ok(notes));
}

#[test]
fn any_other_spelling_is_refused() {
    let cases: &[(&str, NoteError)] = &[
        ("", NoteError::Malformed),
        ("null", NoteError::Malformed),
        (r#"{"op":"card.explode"}"#, NoteError::UnknownOp),
        (r#"{"op":"deck.rename","why":"x"}"#, NoteError::Malformed),
        (r#"{"op": "deck.rename"}"#, NoteError::Spelling),
        (
            r#"{"op":"deck.rename","card":"0000000000000000"}"#,
            NoteError::Spelling,
        ),
        (r#"{"op":"deck.rename"} "#, NoteError::Spelling),
        (r#"{"op":"deck.rename"}{}"#, NoteError::Malformed),
        (r#"{"op":"card.add","card":"../etc"}"#, NoteError::WrongIds),
        (r#"{"op":"card.add"}"#, NoteError::WrongIds),
        (r#"{"op":"late.accept"}"#, NoteError::WrongIds),
        (r#"{"op":"late.accept","term":"04"}"#, NoteError::WrongIds),
        (
            r#"{"op":"late.accept","term":"0404040404040404040404040404040404040404040404040404040404040404","draft":"0404040404040404040404040404040404040404040404040404040404040404"}"#,
            NoteError::Spelling,
        ),
        (
            r#"{"op":"audio.attach","card":"0000000000000000","slot":"a/b"}"#,
            NoteError::WrongIds,
        ),
        (r#"{"op":"batch","ops":[]}"#, NoteError::Malformed),
        (
            r#"{"op":"batch","ops":[{"op":"deck.rename"}]}"#,
            NoteError::Spelling,
        ),
        (
            r#"{"op":"batch","ops":[{"op":"deck.rename"},{"op":"deck.rename"}]}"#,
            NoteError::Spelling,
        ),
        (
            r#"{"op":"batch","ops":[{"op":"batch","ops":[]}]}"#,
            NoteError::Malformed,
        ),
        (
            r#"{"card":"0000000000000000","op":"card.add"}"#,
            NoteError::Spelling,
        ),
        (r#"{"op":"deck.\u0072ename"}"#, NoteError::Spelling),
    ];
    for (message, refusal) in cases {
        assert_eq!(Notes::parse(message), Err(refusal.clone()), "{message}");
    }
    let long = "x".repeat(CHANGE_MESSAGE_BYTES_MAX + 1);
    assert!(matches!(Notes::parse(&long), Err(NoteError::TooLong { .. })));
}
