//! Blame: each character, tag, slot, field and place of a card is of the entry that put it there.

use super::*;
use crate::card::TextField;
use crate::history::blame::{Blame, blame};

fn runs(blame: &Blame, field: TextField) -> Vec<(&str, ChangeHash)> {
    blame.texts[&field]
        .iter()
        .map(|run| (run.text.as_str(), run.origin.entry))
        .collect()
}

#[test]
fn characters_are_of_who_wrote_them() {
    let (document, card, [_, base, drafted, second, _]) = merge(
        |edit, card| edit.splice_text(card, TextField::Front, 4, 0, " y adiós"),
        |edit, card| edit.splice_text(card, TextField::Front, 0, 1, "H"),
    );
    let now = blame(&document, None, &card, who).unwrap();
    assert_eq!(
        runs(&now, TextField::Front),
        [("H", second), ("ola", base), (" y adiós", drafted)]
    );
    let writers: Vec<_> = now.texts[&TextField::Front]
        .iter()
        .map(|run| (run.origin.writer.as_ref().unwrap().device, run.origin.time_ms))
        .collect();
    assert_eq!(writers, [(OWNER, 2_000), (OWNER, 1_000), (GUEST, 3_000)]);
    let then = blame(&document, Some(&[base]), &card, who).unwrap();
    assert_eq!(runs(&then, TextField::Front), [("hola", base)]);
    assert_eq!(
        blame(&document, Some(&[document.genesis_hash()]), &card, who),
        None
    );
}

#[test]
fn values_are_of_who_wrote_them() {
    let (document, card, [_, base, drafted, second, _]) = merge(
        |edit, card| {
            edit.tag(card, "new")?;
            edit.attach_audio(card, "front", audio(1))?;
            let other = edit.add_card("adiós", "")?;
            edit.move_card(card, Some(&other))
        },
        |edit, card| {
            edit.set_field(card, "level", Some(FieldValue::Int(3)))?;
            edit.delete_card(card)
        },
    );
    let blame = blame(&document, None, &card, who).unwrap();
    assert_eq!((blame.added.entry, &blame.card), (base, &card));
    assert_eq!(blame.deleted.unwrap().entry, second);
    assert_eq!(blame.tags["new"].entry, drafted);
    assert_eq!(blame.audio["front"].entry, drafted);
    assert_eq!(blame.fields["level"].entry, second);
    assert_eq!(blame.position.unwrap().entry, drafted);
    assert_eq!(blame.texts[&TextField::Back], []);
}
