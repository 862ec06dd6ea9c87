//! A listener who does to a copy what it is told has the deck: for any ops, made here or come from elsewhere, merged,
//! taken back, or put in place of others by a reorganisation.

use super::*;
use crate::document::Document;
use crate::document::tests::{actor, genesis};
use crate::document::undo::tests::{Random, random_edit};
use crate::id::DeckId;
use crate::mirror::Mirror;

/// The copy that a listener keeps.
#[derive(Debug, Clone)]
pub(crate) struct Copy(Mirror);

impl Copy {
    pub(crate) fn of(document: &Document) -> Self {
        Self(Mirror::of(DeckId::from_bytes([0; 32]), 0, document))
    }

    pub(crate) fn follow(&mut self, told: &[DeckChange]) {
        for change in told {
            assert_eq!(self.0.change(change), Some(()), "{change:?}");
        }
    }
}

impl PartialEq for Copy {
    fn eq(&self, other: &Self) -> bool {
        self.0.says_the_same(&other.0)
    }
}

fn grow(document: &mut Document, who: u8, random: &mut Random, mirror: &mut Copy) -> Vec<Vec<u8>> {
    let mut ids = Random(random.below(1 << 30) as u64);
    let mut changes = Vec::new();
    for _ in 0..random.below(6) + 1 {
        let mut bits = || std::array::from_fn(|_| ids.below(256) as u8);
        let made = document.commit(&actor(who), 0, &mut bits, |edit| random_edit(edit, random, ""));
        let made = made.unwrap();
        mirror.follow(&made.events);
        changes.extend(made.change.map(|change| change.bytes));
        assert_eq!(*mirror, Copy::of(document));
    }
    changes
}

#[test]
fn a_copy_that_follows_one_line_has_another_that_merges_into_it() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let (mut editor, mut mirror) = (genesis(), Copy::of(&genesis()));
        grow(&mut editor, 2, &mut random, &mut mirror);
        let (mut other, mut other_mirror) = (editor.clone(), mirror.clone());
        let theirs = grow(&mut other, 3, &mut random, &mut other_mirror);
        let ours = grow(&mut editor, 2, &mut random, &mut mirror);
        let told = editor.take_in(theirs.iter().map(Vec::as_slice)).unwrap();
        mirror.follow(&told);
        assert_eq!(mirror, Copy::of(&editor), "seed {seed}");
        let told = other.take_in(ours.iter().map(Vec::as_slice)).unwrap();
        other_mirror.follow(&told);
        assert_eq!(other_mirror, mirror, "seed {seed}");
    }
}

#[test]
fn a_copy_follows_a_document_that_is_put_in_place_of_another() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let (mut old, mut mirror) = (genesis(), Copy::of(&genesis()));
        grow(&mut old, 2, &mut random, &mut mirror);
        let mut new = old.clone();
        grow(&mut new, 3, &mut random, &mut mirror.clone());
        grow(&mut old, 2, &mut random, &mut mirror);
        mirror.follow(&new.told_in_place_of(&old));
        assert_eq!(mirror, Copy::of(&new), "seed {seed}");
    }
}

#[test]
fn what_is_typed_in_a_row_is_one_splice() {
    let mut document = genesis();
    let mut random = || [7; 10];
    let added = document
        .commit(&actor(2), 0, &mut random, |edit| edit.add_card("hola", ""))
        .unwrap();
    let card = added.value;
    let typed = document.commit(&actor(2), 0, &mut random, |edit| {
        edit.splice_text(&card, TextField::Front, 4, 0, "ñ")?;
        edit.splice_text(&card, TextField::Front, 5, 0, "🦀")?;
        edit.splice_text(&card, TextField::Front, 0, 1, "H")
    });
    let splice = |at, delete, insert: &str| Splice {
        at,
        delete,
        insert: insert.to_owned(),
    };
    let expected = DeckChange::TextChanged {
        card: card.clone(),
        field: TextField::Front,
        splices: vec![splice(4, 0, "ñ🦀"), splice(0, 1, "H")],
    };
    assert_eq!(typed.unwrap().events, [expected]);
    let nothing = document.commit(&actor(2), 0, &mut random, |edit| {
        edit.splice_text(&card, TextField::Front, 2, 0, "")
    });
    assert_eq!(nothing.unwrap().events, []);
}

#[test]
fn of_two_texts_begun_at_a_time_only_the_one_that_shows_is_told() {
    let hint = || TextField::named("hint").unwrap();
    let mut random = || [7; 10];
    let mut base = genesis();
    let card = base
        .commit(&actor(2), 0, &mut random, |edit| edit.add_card("hola", ""))
        .unwrap()
        .value;
    // Equal numbers, so the greater actor's shows.
    let write = |document: &mut Document, who: u8, at: usize, text: &str| {
        let made = document.commit(&actor(who), 0, &mut || [8; 10], |edit| {
            edit.splice_text(&card, hint(), at, 0, text)
        });
        made.unwrap().change.unwrap().bytes
    };
    let (mut shown, mut hidden) = (base.clone(), base);
    let shown_text = write(&mut shown, 9, 0, "shows");
    let hidden_text = write(&mut hidden, 3, 0, "hides");
    let hidden_more = write(&mut hidden, 3, 5, " more");

    let mut mirror = Copy::of(&shown);
    for hidden in [&hidden_text, &hidden_more] {
        let told = shown.take_in([hidden.as_slice()]).unwrap();
        assert_eq!(told, []);
        mirror.follow(&told);
        assert_eq!(mirror, Copy::of(&shown));
    }
    let mut mirror = Copy::of(&hidden);
    let told = hidden.take_in([shown_text.as_slice()]).unwrap();
    mirror.follow(&told);
    assert_eq!(mirror, Copy::of(&hidden));
    assert_eq!(mirror, Copy::of(&shown));
}
