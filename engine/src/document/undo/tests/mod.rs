//! Undo and redo, each change of which another device takes in through its gate.

mod properties;
mod story;

use super::*;
use crate::card::{Card, DeckInfo, TextField};
use crate::document::NewChange;
use crate::document::telling::tests::Copy;
use crate::document::tests::{actor, genesis};
use crate::gate::{Kind, Line, Segment, admit};
use std::collections::BTreeMap;

/// Who undoes.
pub(super) const ME: u8 = 2;
/// Another editor.
pub(super) const OTHER: u8 = 3;
/// Actors from here on write drafts.
pub(super) const DRAFTS: u8 = 50;

pub(super) fn author_for(me: u8) -> impl Fn(&ActorId) -> Author {
    move |found| match found.to_bytes().first().copied().unwrap_or(0) {
        number if number == me => Author::Own,
        number if number >= DRAFTS => Author::Draft,
        _ => Author::Other,
    }
}

pub(in crate::document) struct Random(pub(in crate::document) u64);

impl Random {
    pub(in crate::document) fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    pub(super) fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// What a person sees.
pub(super) type Reading = (DeckInfo, Vec<Card>);

pub(super) fn reading(document: &Document) -> Reading {
    (document.deck(), document.cards().collect())
}

/// An editor's document, and that of another device, which every change reaches through the gate.
pub(super) struct Pair {
    pub(super) editor: Document,
    pub(super) viewer: Document,
    /// What listeners at both make of what they are told.
    mirrors: [Copy; 2],
    ids: Random,
    /// Who wrote last, in which of all terms, and how many changes of it there are.
    term: (u8, u8, u64),
}

impl Pair {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            editor: genesis(),
            viewer: genesis(),
            mirrors: [Copy::of(&genesis()), Copy::of(&genesis())],
            ids: Random(seed),
            term: (0, 0, 0),
        }
    }

    /// One edit, and its change; none where it did nothing.
    pub(super) fn edit(
        &mut self,
        who: u8,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<(), OpError>,
    ) -> Option<ChangeHash> {
        let previous = self.editor.heads()[0];
        let ids = &mut self.ids;
        let mut bits = || std::array::from_fn(|_| ids.below(256) as u8);
        let (last, number, len) = self.term;
        let (number, len) = if last == who {
            (number, len)
        } else {
            (number + 1, 0)
        };
        // Another editor, another term: as it is in a deck.
        let term = ActorId::from([who, number]);
        let made = self.editor.commit(&term, 1_000, &mut bits, edit).unwrap();
        self.mirrors[0].follow(&made.events);
        let change = made.change?;
        self.term = (who, number, len + 1);
        self.pass(&term, previous, &change);
        Some(change.hash)
    }

    fn pass(&mut self, term: &ActorId, previous: ChangeHash, change: &NewChange) {
        let segment = Segment {
            line: Line {
                actor: term.clone(),
                next_seq: self.term.2,
                previous,
            },
            changes: vec![&change.bytes],
            kind: Kind::Term,
            accepts: BTreeMap::new(),
        };
        let admitted = admit(&self.viewer, &[segment], change.hash).unwrap();
        let told = self.viewer.apply(admitted).unwrap();
        self.mirrors[1].follow(&told);
        assert_eq!(reading(&self.viewer), reading(&self.editor));
        let here = Copy::of(&self.editor);
        assert_eq!(self.mirrors, [here.clone(), here]);
    }

    pub(super) fn plan(&self, direction: Direction) -> Result<Plan, WhyNothing> {
        self.editor.plan(direction, &author_for(ME), &BTreeSet::new())
    }

    /// Undoes or redoes; answers which change was taken back, and by which.
    pub(super) fn take_back(&mut self, direction: Direction) -> Result<(Plan, ChangeHash), WhyNothing> {
        let plan = self.plan(direction)?;
        let change = self.edit(ME, |edit| edit.take_back(&plan));
        Ok((plan, change.expect("a plan with steps does something")))
    }

    pub(super) fn undo(&mut self) -> Plan {
        self.take_back(Direction::Undo).unwrap().0
    }

    pub(super) fn redo(&mut self) -> Plan {
        self.take_back(Direction::Redo).unwrap().0
    }

    pub(super) fn fronts(&self) -> Vec<String> {
        self.editor.cards().map(|card| card.front).collect()
    }

    pub(super) fn text(&self, card: &CardId) -> String {
        self.editor.card(card).unwrap().front
    }
}

/// A few random ops of every kind. What does not fit is left out. `marks` is put into every text and name.
pub(in crate::document) fn random_edit(
    edit: &mut Edit<'_>,
    random: &mut Random,
    marks: &str,
) -> Result<(), OpError> {
    use crate::card::FieldValue;
    use crate::document::tests::audio;
    for _ in 0..=random.below(4) {
        let living: Vec<CardId> = edit.cards().map(|card| card.id).collect();
        let text = format!(
            "{marks}{}",
            random.of(&["", "hola", "a longer text with ñ and 🦀", "x"])
        );
        let name = format!("{marks}{}", random.of(&["one", "two", "three"]));
        if living.len() < 3 || random.below(6) == 0 {
            let after = (!living.is_empty()).then(|| &living[random.below(living.len())]);
            edit.add_card_after(after.filter(|_| random.below(4) > 0), &text, &name)?;
            continue;
        }
        let card = &living[random.below(living.len())];
        let further = TextField::named(&name).unwrap();
        let field = [TextField::Front, TextField::Back, further][random.below(3)].clone();
        match random.below(19) {
            0..4 => {
                let found = edit.card(card).unwrap();
                let length = found.text(&field).chars().count();
                let at = random.below(length + 1);
                let delete = random.below(length - at + 1);
                edit.splice_text(card, field, at, delete, &text)
            }
            4 => edit.set_text(card, field, &text),
            5 | 6 => {
                let after = &living[random.below(living.len())];
                edit.move_card(card, Some(after).filter(|_| random.below(4) > 0))
            }
            7 => edit.delete_card(card),
            8 => {
                edit.delete_card(card)?;
                edit.restore_card(card)
            }
            9 => edit.tag(card, &name),
            10 => edit.untag(card, &name),
            11 => edit.attach_audio(card, &name, audio(random.below(3) as u8)),
            12 => edit.detach_audio(card, &name),
            13 => edit.set_field(
                card,
                &name,
                Some(FieldValue::Text(text)).filter(|_| random.below(3) > 0),
            ),
            14 => edit.rename_deck(&text),
            15 => edit.describe_deck(&text),
            16 => edit.set_deck_field(&name, None),
            17 => {
                let cards: Vec<CardId> = edit.order.iter().cloned().collect();
                edit.restore_card(&cards[random.below(cards.len())])
            }
            _ => edit.set_deck_field(&name, Some(FieldValue::Int(random.below(3) as i64))),
        }?;
    }
    Ok(())
}
