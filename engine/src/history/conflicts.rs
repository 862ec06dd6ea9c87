//! What was written to one place at a time by several, and which of it shows.
//!
//! Two devices that do not know of one another's changes may write the same place: a title, a field, a position, a slot. All
//! devices show the same one of the values; the others stay in the document until somebody writes that place again.
//! Texts merge, character by character, and are among them only where two began a further text of one name at a time: then
//! the one that shows is written on, and the other stays beside it.

use automerge::{ActorId, Automerge, ObjId, ObjType, ReadDoc, Value};

use super::{Origin, Writer};
use crate::card::{AudioRef, FieldValue, Reader, key};
use crate::document::Document;
use crate::id::CardId;

/// A place with several values that were written at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// Where.
    pub place: ConflictPlace,
    /// The value that shows.
    pub winner: Written,
    /// The others.
    pub others: Vec<Written>,
    /// Why the winner shows.
    pub precedence: Precedence,
}

/// Why one of several values shows: the same on all devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precedence {
    /// More had been done to the deck where it was written: its operation has the highest number.
    Number,
    /// The numbers are equal, and its writer's name in the document is the greatest.
    Name,
}

impl Conflict {
    /// Whether all wrote the same: two who put the same tag on a card, say.
    #[must_use]
    pub fn is_agreed(&self) -> bool {
        self.others.iter().all(|other| other.value == self.winner.value)
    }
}

/// A place in a deck that holds one value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConflictPlace {
    /// The deck's title.
    Title,
    /// The deck's description.
    Description,
    /// A free field of the deck.
    DeckField(String),
    /// Where a card stands.
    Position(CardId),
    /// Whether a card is deleted.
    Deleted(CardId),
    /// A tag of a card.
    Tag(CardId, String),
    /// A further text of a card that several began, by its name.
    Text(CardId, String),
    /// A slot of a card.
    Audio(CardId, String),
    /// A free field of a card.
    CardField(CardId, String),
}

/// A value and who wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The value.
    pub value: WrittenValue,
    /// Who wrote it, when, and in which entry.
    pub origin: Origin,
}

/// What a place of a deck can hold.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WrittenValue {
    /// A title, a description, a position, a field, or the yes of a tag or tombstone.
    Value(FieldValue),
    /// A further text, as it is now.
    Text(String),
    /// Audio in a slot.
    Audio(AudioRef),
}

/// Every place with more than one value, the deck's own first, then card by card. Deleted cards are among them.
///
/// Looks at all of the deck, but for fronts and backs; `resolve` tells who an actor is.
pub fn conflicts(document: &Document, resolve: impl Fn(&ActorId) -> Option<Writer>) -> Vec<Conflict> {
    let search = Search {
        automerge: document.automerge(),
        resolve: &resolve,
    };
    let reader = Reader::now(document.automerge());
    let mut found = Vec::new();
    if let Some(deck) = reader.deck_object() {
        found.extend(search.at(&deck, key::TITLE, ConflictPlace::Title));
        found.extend(search.at(&deck, key::DESCRIPTION, ConflictPlace::Description));
        found.extend(search.below(&deck, key::FIELDS, ConflictPlace::DeckField));
    }
    for card in document.card_ids() {
        found.extend(search.of_card(card));
    }
    found
}

/// The places of one card with more than one value. Costs what the card holds.
pub fn conflicts_of(
    document: &Document,
    card: &CardId,
    resolve: impl Fn(&ActorId) -> Option<Writer>,
) -> Vec<Conflict> {
    let search = Search {
        automerge: document.automerge(),
        resolve: &resolve,
    };
    search.of_card(card)
}

struct Search<'a, F> {
    automerge: &'a Automerge,
    resolve: &'a F,
}

impl<F: Fn(&ActorId) -> Option<Writer>> Search<'_, F> {
    fn of_card(&self, id: &CardId) -> Vec<Conflict> {
        let mut found = Vec::new();
        let Some(object) = Reader::now(self.automerge).card_object(id) else {
            return found;
        };
        found.extend(self.at(&object, key::POSITION, ConflictPlace::Position(id.clone())));
        found.extend(self.at(&object, key::DELETED, ConflictPlace::Deleted(id.clone())));
        found.extend(self.below(&object, key::TAGS, |tag| ConflictPlace::Tag(id.clone(), tag)));
        found.extend(self.below(&object, key::TEXTS, |name| ConflictPlace::Text(id.clone(), name)));
        found.extend(self.below(&object, key::AUDIO, |slot| ConflictPlace::Audio(id.clone(), slot)));
        found.extend(self.below(&object, key::FIELDS, |name| {
            ConflictPlace::CardField(id.clone(), name)
        }));
        found
    }

    fn at(&self, object: &ObjId, name: &str, place: ConflictPlace) -> Option<Conflict> {
        let values = self.automerge.get_all(object, name).ok()?;
        if values.len() < 2 {
            return None;
        }
        // The one that shows is the last.
        let mut written: Vec<(u64, Written)> = values
            .into_iter()
            .rev()
            .filter_map(|(value, id)| self.written(&value, &id))
            .collect();
        if written.len() < 2 {
            return None;
        }
        let (number, winner) = written.remove(0);
        let tied = written.iter().any(|(other, _)| *other == number);
        Some(Conflict {
            place,
            winner,
            others: written.into_iter().map(|(_, written)| written).collect(),
            precedence: if tied {
                Precedence::Name
            } else {
                Precedence::Number
            },
        })
    }

    fn below(&self, owner: &ObjId, map: &str, place: impl Fn(String) -> ConflictPlace) -> Vec<Conflict> {
        let automerge = self.automerge;
        let Ok(Some((Value::Object(_), object))) = automerge.get(owner, map) else {
            return Vec::new();
        };
        let names = automerge.keys(&object);
        names
            .filter_map(|name| self.at(&object, &name, place(name.clone())))
            .collect()
    }

    /// A value with the number of the operation that wrote it.
    fn written(&self, value: &Value<'_>, id: &ObjId) -> Option<(u64, Written)> {
        let value = match value {
            Value::Scalar(scalar) => WrittenValue::Value(FieldValue::from_scalar(scalar)?),
            Value::Object(ObjType::Text) => WrittenValue::Text(Reader::now(self.automerge).text(id)),
            Value::Object(_) => WrittenValue::Audio(Reader::now(self.automerge).audio_in(id)?),
        };
        let ObjId::Id(number, _, _) = id else { return None };
        let entry = self.automerge.hash_for_opid(id)?;
        let origin = Origin::of(self.automerge, entry, self.resolve)?;
        Some((*number, Written { value, origin }))
    }
}
