//! The schema: which keys, types and values each place of a deck has, and what an operation there means.

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::OpType;
use automerge::{ObjType, ScalarValue};

use super::names::Name;
use crate::card::{
    FieldValue, TextField, TextName, check_file_name, check_line, check_mime, check_name, key,
};
use crate::id::{BlobId, CardId};
use crate::limits::{BLOB_BYTES_MAX, NAME_BYTES_MAX, NOTE_BYTES_MAX, POSITION_BYTES_MAX};
use crate::op::Note;
use crate::position::is_position;

/// Where an object is in the schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Root,
    Deck,
    DeckFields,
    Cards,
    Card(CardId),
    Text(CardId, TextField),
    Texts(CardId),
    Tags(CardId),
    Audio(CardId),
    Slot(CardId, String),
    CardFields(CardId),
}

/// The parts that a new object still lacks.
pub(super) type Lacking = BTreeMap<Name, BTreeSet<&'static str>>;

pub(super) fn place_of(keys: &[String], kind: ObjType) -> Option<Place> {
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (place, expected) = match keys.as_slice() {
        [key::DECK] => (Place::Deck, ObjType::Map),
        [key::DECK, key::FIELDS] => (Place::DeckFields, ObjType::Map),
        [key::CARDS] => (Place::Cards, ObjType::Map),
        [key::CARDS, card] => (Place::Card(card.parse().ok()?), ObjType::Map),
        [key::CARDS, card, key::TEXTS] => (Place::Texts(card.parse().ok()?), ObjType::Map),
        [key::CARDS, card, key::TEXTS, name] => (
            Place::Text(card.parse().ok()?, TextName::new(name).ok()?.into()),
            ObjType::Text,
        ),
        [key::CARDS, card, key::TAGS] => (Place::Tags(card.parse().ok()?), ObjType::Map),
        [key::CARDS, card, key::AUDIO] => (Place::Audio(card.parse().ok()?), ObjType::Map),
        [key::CARDS, card, key::FIELDS] => (Place::CardFields(card.parse().ok()?), ObjType::Map),
        [key::CARDS, card, key::AUDIO, slot] => {
            (Place::Slot(card.parse().ok()?, (*slot).to_owned()), ObjType::Map)
        }
        [key::CARDS, card, key::FRONT] => (Place::Text(card.parse().ok()?, TextField::Front), ObjType::Text),
        [key::CARDS, card, key::BACK] => (Place::Text(card.parse().ok()?, TextField::Back), ObjType::Text),
        _ => return None,
    };
    (kind == expected).then_some(place)
}

/// What must be put into a new object by the change that makes it.
pub(super) fn parts_of(place: &Place) -> Option<BTreeSet<&'static str>> {
    match place {
        Place::Card(_) => Some(
            [
                key::FRONT,
                key::BACK,
                key::TEXTS,
                key::POSITION,
                key::TAGS,
                key::AUDIO,
                key::FIELDS,
            ]
            .into(),
        ),
        Place::Slot(..) => Some([key::BLOB, key::MIME, key::BYTES, key::DURATION_MS, key::NAME].into()),
        _ => None,
    }
}

/// What an operation on a map means: a note of its own or none, and the place of what it makes.
pub(super) fn meant(
    lacking: &mut Lacking,
    place: &Place,
    object: Option<Name>,
    map_key: &str,
    action: &OpType,
) -> Result<(Option<Note>, Option<Place>), &'static str> {
    let mut part = |made: Option<Place>| {
        let wanted = object.and_then(|object| lacking.get_mut(&object));
        match wanted.is_some_and(|parts| parts.remove(map_key)) {
            true => Ok((None, made)),
            false => Err("a part of something that is complete, or another's part"),
        }
    };
    let noted = |note: Note| Ok((Some(note), None));
    match (place, action) {
        (Place::Deck, OpType::Put(value)) => {
            let bytes_max = match map_key {
                key::TITLE => NAME_BYTES_MAX,
                key::DESCRIPTION => NOTE_BYTES_MAX,
                _ => return Err("a key that a deck has not"),
            };
            match value {
                ScalarValue::Str(text) if check_line(text, bytes_max).is_ok() => noted(Note::DeckRename),
                _ => Err("a title or description that cannot be one"),
            }
        }
        (Place::DeckFields, action) => {
            field(map_key, action)?;
            noted(Note::DeckField {
                name: map_key.to_owned(),
            })
        }
        (Place::CardFields(card), action) => {
            field(map_key, action)?;
            noted(Note::CardField {
                card: card.clone(),
                name: map_key.to_owned(),
            })
        }
        (Place::Tags(card), OpType::Put(ScalarValue::Boolean(true))) => {
            check_name(map_key).map_err(|_| "a tag that cannot be one")?;
            noted(Note::CardTag { card: card.clone() })
        }
        (Place::Tags(card), OpType::Delete) => noted(Note::CardUntag { card: card.clone() }),
        (Place::Texts(card), OpType::Make(ObjType::Text)) => {
            let name = TextName::new(map_key).map_err(|_| "a text's name that cannot be one")?;
            let (card, field) = (card.clone(), TextField::Named(name));
            let made = Place::Text(card.clone(), field.clone());
            Ok((Some(Note::CardText { card, field }), Some(made)))
        }
        (Place::Audio(card), OpType::Make(ObjType::Map)) => {
            check_file_name(map_key).map_err(|_| "a slot that cannot be one")?;
            let slot = map_key.to_owned();
            let made = Place::Slot(card.clone(), slot.clone());
            Ok((
                Some(Note::AudioAttach {
                    card: card.clone(),
                    slot,
                }),
                Some(made),
            ))
        }
        (Place::Audio(card), OpType::Delete) => noted(Note::AudioDetach {
            card: card.clone(),
            slot: map_key.to_owned(),
        }),
        (Place::Slot(..), OpType::Put(value)) => {
            audio_part(map_key, value)?;
            part(None)
        }
        (Place::Card(card), OpType::Make(kind)) => {
            let made = place_of(
                &[
                    key::CARDS.to_owned(),
                    card.as_str().to_owned(),
                    map_key.to_owned(),
                ],
                *kind,
            );
            part(Some(made.ok_or("a part that a card has not")?))
        }
        (Place::Card(card), OpType::Put(ScalarValue::Str(position))) if map_key == key::POSITION => {
            if position.len() > POSITION_BYTES_MAX || !is_position(position) {
                return Err("a position that cannot be one");
            }
            if let Some(parts) = object.and_then(|object| lacking.get_mut(&object)) {
                parts.remove(key::POSITION);
            }
            noted(Note::CardMove { card: card.clone() })
        }
        (Place::Card(card), OpType::Put(ScalarValue::Boolean(true))) if map_key == key::DELETED => {
            noted(Note::CardDelete { card: card.clone() })
        }
        (Place::Card(card), OpType::Delete) if map_key == key::DELETED => {
            noted(Note::CardRestore { card: card.clone() })
        }
        (Place::Root, _) => Err("a change of the root"),
        (Place::Cards, _) => Err("a card that is replaced or taken away"),
        _ => Err("a value that this key cannot have"),
    }
}

fn field(name: &str, action: &OpType) -> Result<(), &'static str> {
    check_name(name).map_err(|_| "a field's name that cannot be one")?;
    match action {
        OpType::Delete => Ok(()),
        OpType::Put(value) if FieldValue::from_scalar(value).is_some() => Ok(()),
        _ => Err("a value that a field cannot have"),
    }
}

fn audio_part(map_key: &str, value: &ScalarValue) -> Result<(), &'static str> {
    let fits = match (map_key, value) {
        (key::BLOB, ScalarValue::Str(text)) => text.parse::<BlobId>().is_ok(),
        (key::MIME, ScalarValue::Str(text)) => check_mime(text).is_ok(),
        (key::NAME, ScalarValue::Str(text)) => check_file_name(text).is_ok(),
        (key::BYTES, ScalarValue::Uint(bytes)) => *bytes <= BLOB_BYTES_MAX,
        (key::DURATION_MS, ScalarValue::Uint(duration_ms)) => i64::try_from(*duration_ms).is_ok(),
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err("a part that audio has not, or cannot have")
    }
}
