//! The document's schema, read in one place: what a deck and a card are made of.
//!
//! ```text
//! deck    { title: str, description: str, fields { name: scalar } }
//! cards   { id: { front: Text, back: Text, texts { name: Text }, position: str, tags { tag: true },
//!                 audio { slot: { blob, mime, bytes, duration_ms, name } }, fields { name: scalar }, deleted: true } }
//! ```
//!
//! `op.rs` writes it; `gate` lets nothing else in.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{ChangeHash, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, Value, ValueRef};

use crate::id::{BlobId, CardId};
use crate::limits::{BLOB_BYTES_MAX, FIELD_BYTES_MAX, NAME_BYTES_MAX};
use crate::op::Splice;

mod text;

pub use text::{TextField, TextName};

/// The keys of the schema.
pub(crate) mod key {
    pub(crate) const DECK: &str = "deck";
    pub(crate) const CARDS: &str = "cards";
    pub(crate) const TITLE: &str = "title";
    pub(crate) const DESCRIPTION: &str = "description";
    pub(crate) const FIELDS: &str = "fields";
    pub(crate) const FRONT: &str = "front";
    pub(crate) const BACK: &str = "back";
    pub(crate) const TEXTS: &str = "texts";
    pub(crate) const POSITION: &str = "position";
    pub(crate) const TAGS: &str = "tags";
    pub(crate) const AUDIO: &str = "audio";
    pub(crate) const DELETED: &str = "deleted";
    pub(crate) const BLOB: &str = "blob";
    pub(crate) const MIME: &str = "mime";
    pub(crate) const BYTES: &str = "bytes";
    pub(crate) const DURATION_MS: &str = "duration_ms";
    pub(crate) const NAME: &str = "name";
}

/// One card as a person sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Its name, for as long as the deck lives.
    pub id: CardId,
    /// The question.
    pub front: String,
    /// The answer.
    pub back: String,
    /// Its further texts, by name. An empty one is as good as none, and is left out.
    pub texts: BTreeMap<TextName, String>,
    /// Where it stands; cards are ordered by (position, id).
    pub position: String,
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// Its audio, by slot.
    pub audio: BTreeMap<String, AudioRef>,
    /// What the embedding application keeps with it.
    pub fields: BTreeMap<String, FieldValue>,
    /// Whether it was deleted. It can be restored.
    pub deleted: bool,
}

impl Card {
    /// One of its texts; empty where it has none of that name.
    #[must_use]
    pub fn text(&self, field: &TextField) -> &str {
        match field {
            TextField::Front => &self.front,
            TextField::Back => &self.back,
            TextField::Named(name) => self.texts.get(name).map_or("", String::as_str),
        }
    }

    /// Does splices to one of its texts; `None` where one lies beyond its end.
    pub(crate) fn splice_text(&mut self, field: &TextField, splices: &[Splice]) -> Option<()> {
        let apply = |text: &mut String| splices.iter().try_for_each(|splice| splice.apply_to(text));
        match field {
            TextField::Front => apply(&mut self.front),
            TextField::Back => apply(&mut self.back),
            TextField::Named(name) => {
                let mut text = self.texts.remove(name).unwrap_or_default();
                let done = apply(&mut text);
                if !text.is_empty() {
                    self.texts.insert(name.clone(), text);
                }
                done
            }
        }
    }
}

/// What a deck says of itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeckInfo {
    /// Its title.
    pub title: String,
    /// What it is about.
    pub description: String,
    /// What the embedding application keeps with it.
    pub fields: BTreeMap<String, FieldValue>,
}

/// A reference to audio: the bytes themselves travel apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioRef {
    /// BLAKE3 of the bytes.
    pub blob: BlobId,
    /// Its MIME type, as given by who attached it.
    pub mime: String,
    /// How many bytes.
    pub bytes: u64,
    /// How long it plays.
    pub duration_ms: u64,
    /// The name of the file it came from; a name only, never a path.
    pub name: String,
}

impl AudioRef {
    /// Whether a deck may hold it.
    ///
    /// # Errors
    /// What is wrong with which part.
    pub fn check(&self) -> Result<(), NameError> {
        check_mime(&self.mime)?;
        check_file_name(&self.name)?;
        if self.bytes > BLOB_BYTES_MAX || self.duration_ms > i64::MAX as u64 {
            return Err(NameError::TooLong);
        }
        Ok(())
    }
}

/// A value in a free field.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue {
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// A text; the last writer's stands as a whole.
    Text(String),
}

impl FieldValue {
    pub(crate) fn to_scalar(&self) -> ScalarValue {
        match self {
            Self::Bool(value) => ScalarValue::Boolean(*value),
            Self::Int(value) => ScalarValue::Int(*value),
            Self::Float(value) => ScalarValue::F64(*value),
            Self::Text(value) => ScalarValue::Str(value.as_str().into()),
        }
    }

    /// The one door from the document's scalars: what is no field value, or is too long, is `None`.
    pub(crate) fn from_scalar(scalar: &ScalarValue) -> Option<Self> {
        match scalar {
            ScalarValue::Boolean(value) => Some(Self::Bool(*value)),
            ScalarValue::Int(value) => Some(Self::Int(*value)),
            ScalarValue::F64(value) if value.is_finite() => Some(Self::Float(*value)),
            ScalarValue::Str(value) if value.len() <= FIELD_BYTES_MAX => Some(Self::Text(value.to_string())),
            _ => None,
        }
    }
}

/// Why a text cannot be a name, or a value cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty.
    #[error("it is empty; give it at least one character")]
    Empty,
    /// It is longer than its limit.
    #[error("it is longer than its limit; shorten it")]
    TooLong,
    /// It has characters that hide or reorder what people see.
    #[error("it contains control or text-direction characters; remove them")]
    Control,
    /// It could be taken for a path.
    #[error("it contains a path separator or is a folder's name; give the name alone")]
    Path,
    /// It is not one of the known names.
    #[error("it is not a known name")]
    Unknown,
    /// It is the name of something that every card has.
    #[error("every card has a text of this name; choose another, or write to that one")]
    Taken,
    /// It has not the form of a MIME type.
    #[error("it is not a MIME type such as audio/webm")]
    Mime,
    /// A number that is not finite.
    #[error("it is not a finite number")]
    NotFinite,
}

/// Whether a text may be a tag or a field's name: short, visible.
pub(crate) fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    check_line(name, NAME_BYTES_MAX)
}

/// Whether a text may stand on one line of a screen: it may be empty.
pub(crate) fn check_line(text: &str, bytes_max: usize) -> Result<(), NameError> {
    if text.len() > bytes_max {
        return Err(NameError::TooLong);
    }
    // Direction overrides make a name look like another one: "gpj.exe" for "exe.jpg".
    let hides = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.chars().any(hides) {
        return Err(NameError::Control);
    }
    Ok(())
}

/// Whether a text may name a file or a slot: somebody will join it to a folder.
pub(crate) fn check_file_name(name: &str) -> Result<(), NameError> {
    check_name(name)?;
    if name.contains(['/', '\\', ':']) || name == "." || name == ".." {
        return Err(NameError::Path);
    }
    Ok(())
}

pub(crate) fn check_mime(mime: &str) -> Result<(), NameError> {
    check_name(mime)?;
    let halves = mime.split_once('/');
    let visible = mime.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match halves {
        Some((kind, subtype)) if visible && !kind.is_empty() && !subtype.is_empty() => Ok(()),
        _ => Err(NameError::Mime),
    }
}

/// Whether a value may be kept in a free field.
pub(crate) fn check_field_value(value: &FieldValue) -> Result<(), NameError> {
    match value {
        FieldValue::Text(text) if text.len() > FIELD_BYTES_MAX => Err(NameError::TooLong),
        FieldValue::Float(number) if !number.is_finite() => Err(NameError::NotFinite),
        FieldValue::Bool(_) | FieldValue::Int(_) | FieldValue::Float(_) | FieldValue::Text(_) => Ok(()),
    }
}

/// Reads the schema from a document or a transaction, now or at a point of the past.
#[derive(Clone)]
pub(crate) struct Reader<'a, D> {
    document: &'a D,
    heads: Option<Vec<ChangeHash>>,
}

impl<'a, D: ReadDoc> Reader<'a, D> {
    pub(crate) fn now(document: &'a D) -> Self {
        Self {
            document,
            heads: None,
        }
    }

    pub(crate) fn at(document: &'a D, heads: &[ChangeHash]) -> Self {
        Self {
            document,
            heads: Some(heads.to_vec()),
        }
    }

    fn value(&self, object: &ObjId, key: &str) -> Option<(Value<'a>, ObjId)> {
        match &self.heads {
            None => self.document.get(object, key),
            Some(heads) => self.document.get_at(object, key, heads),
        }
        .ok()
        .flatten()
    }

    pub(crate) fn object(&self, object: &ObjId, key: &str, kind: ObjType) -> Option<ObjId> {
        match self.value(object, key)? {
            (Value::Object(found), id) if found == kind => Some(id),
            _ => None,
        }
    }

    pub(crate) fn scalar(&self, object: &ObjId, key: &str) -> Option<ScalarValue> {
        match self.value(object, key)?.0 {
            Value::Scalar(scalar) => Some(scalar.into_owned()),
            Value::Object(_) => None,
        }
    }

    fn string(&self, object: &ObjId, key: &str) -> Option<String> {
        match self.scalar(object, key)? {
            ScalarValue::Str(text) => Some(text.to_string()),
            _ => None,
        }
    }

    fn number(&self, object: &ObjId, key: &str) -> Option<u64> {
        match self.scalar(object, key)? {
            ScalarValue::Uint(number) => Some(number),
            _ => None,
        }
    }

    /// The name of the operation that wrote the value that shows.
    pub(crate) fn written(&self, object: &ObjId, key: &str) -> Option<ObjId> {
        self.value(object, key).map(|(_, id)| id)
    }

    pub(crate) fn keys(&self, object: &ObjId) -> Vec<String> {
        match &self.heads {
            None => self.document.keys(object).collect(),
            Some(heads) => self.document.keys_at(object, heads).collect(),
        }
    }

    pub(crate) fn text(&self, object: &ObjId) -> String {
        match &self.heads {
            None => self.document.text(object),
            Some(heads) => self.document.text_at(object, heads),
        }
        .unwrap_or_default()
    }

    pub(crate) fn deck_object(&self) -> Option<ObjId> {
        self.object(&ROOT, key::DECK, ObjType::Map)
    }

    pub(crate) fn cards_object(&self) -> Option<ObjId> {
        self.object(&ROOT, key::CARDS, ObjType::Map)
    }

    pub(crate) fn card_object(&self, card: &CardId) -> Option<ObjId> {
        self.object(&self.cards_object()?, card.as_str(), ObjType::Map)
    }

    pub(crate) fn is_deleted(&self, card_object: &ObjId) -> bool {
        self.scalar(card_object, key::DELETED) == Some(ScalarValue::Boolean(true))
    }

    pub(crate) fn position(&self, card_object: &ObjId) -> String {
        self.string(card_object, key::POSITION).unwrap_or_default()
    }

    pub(crate) fn card_ids(&self) -> Vec<CardId> {
        let Some(cards) = self.cards_object() else {
            return Vec::new();
        };
        self.keys(&cards)
            .iter()
            .filter_map(|key| key.parse().ok())
            .collect()
    }

    /// Every card and the object that it is, in one pass: looking one up by its id searches the document twice.
    pub(crate) fn card_objects(&self) -> Vec<(CardId, ObjId)> {
        let Some(cards) = self.cards_object() else {
            return Vec::new();
        };
        let range = match &self.heads {
            None => self.document.map_range(&cards, ..),
            Some(heads) => self.document.map_range_at(&cards, .., heads),
        };
        range
            .filter(|item| matches!(item.value, ValueRef::Object(ObjType::Map)))
            .filter_map(|item| Some((item.key.parse().ok()?, item.id())))
            .collect()
    }

    fn fields(&self, object: &ObjId) -> BTreeMap<String, FieldValue> {
        let Some(fields) = self.object(object, key::FIELDS, ObjType::Map) else {
            return BTreeMap::new();
        };
        self.keys(&fields)
            .into_iter()
            .filter_map(|name| {
                let value = FieldValue::from_scalar(&self.scalar(&fields, &name)?)?;
                Some((name, value))
            })
            .collect()
    }

    /// One free field of a card.
    pub(crate) fn field(&self, card_object: &ObjId, name: &str) -> Option<FieldValue> {
        let fields = self.object(card_object, key::FIELDS, ObjType::Map)?;
        FieldValue::from_scalar(&self.scalar(&fields, name)?)
    }

    pub(crate) fn is_tagged(&self, card_object: &ObjId, tag: &str) -> bool {
        let tags = self.object(card_object, key::TAGS, ObjType::Map);
        tags.is_some_and(|tags| self.value(&tags, tag).is_some())
    }

    /// The audio in a slot of a card.
    pub(crate) fn audio_at(&self, card_object: &ObjId, slot: &str) -> Option<AudioRef> {
        self.audio(&self.object(card_object, key::AUDIO, ObjType::Map)?, slot)
    }

    pub(crate) fn deck(&self) -> DeckInfo {
        let Some(deck) = self.deck_object() else {
            return DeckInfo::default();
        };
        DeckInfo {
            title: self.string(&deck, key::TITLE).unwrap_or_default(),
            description: self.string(&deck, key::DESCRIPTION).unwrap_or_default(),
            fields: self.fields(&deck),
        }
    }

    pub(crate) fn audio(&self, slots: &ObjId, slot: &str) -> Option<AudioRef> {
        self.audio_in(&self.object(slots, slot, ObjType::Map)?)
    }

    /// The audio that an object describes, which may be one of several in its slot.
    pub(crate) fn audio_in(&self, audio: &ObjId) -> Option<AudioRef> {
        Some(AudioRef {
            blob: self.string(audio, key::BLOB)?.parse().ok()?,
            mime: self.string(audio, key::MIME)?,
            bytes: self.number(audio, key::BYTES)?,
            duration_ms: self.number(audio, key::DURATION_MS)?,
            name: self.string(audio, key::NAME)?,
        })
    }

    /// The object that a text of a card is; the one that shows, where two devices began it at a time.
    pub(crate) fn text_object(&self, card_object: &ObjId, field: &TextField) -> Option<ObjId> {
        match field {
            TextField::Front | TextField::Back => self.object(card_object, field.as_str(), ObjType::Text),
            TextField::Named(name) => {
                let texts = self.object(card_object, key::TEXTS, ObjType::Map)?;
                self.object(&texts, name.as_str(), ObjType::Text)
            }
        }
    }

    /// The further texts that a card ever had, empty ones too.
    pub(crate) fn text_names(&self, card_object: &ObjId) -> Vec<TextName> {
        let texts = self.object(card_object, key::TEXTS, ObjType::Map);
        let names = texts.map(|texts| self.keys(&texts)).unwrap_or_default();
        names.iter().filter_map(|name| TextName::new(name).ok()).collect()
    }

    pub(crate) fn field_text(&self, card: &CardId, field: &TextField) -> String {
        self.card_object(card)
            .and_then(|object| self.text_object(&object, field))
            .map(|text| self.text(&text))
            .unwrap_or_default()
    }

    pub(crate) fn card(&self, id: &CardId) -> Option<Card> {
        let object = self.card_object(id)?;
        let text = |field: &TextField| {
            self.text_object(&object, field)
                .map(|text| self.text(&text))
                .unwrap_or_default()
        };
        let tags = self.object(&object, key::TAGS, ObjType::Map);
        let slots = self.object(&object, key::AUDIO, ObjType::Map);
        Some(Card {
            id: id.clone(),
            front: text(&TextField::Front),
            back: text(&TextField::Back),
            texts: self
                .text_names(&object)
                .into_iter()
                .map(|name| (name.clone(), text(&TextField::Named(name))))
                .filter(|(_, text)| !text.is_empty())
                .collect(),
            position: self.position(&object),
            tags: tags
                .map(|tags| self.keys(&tags).into_iter().collect())
                .unwrap_or_default(),
            audio: slots
                .map(|slots| {
                    self.keys(&slots)
                        .into_iter()
                        .filter_map(|slot| Some((slot.clone(), self.audio(&slots, &slot)?)))
                        .collect()
                })
                .unwrap_or_default(),
            fields: self.fields(&object),
            deleted: self.is_deleted(&object),
        })
    }

    /// The audio in the slots of a card.
    pub(crate) fn audio_on(&self, card_object: &ObjId) -> Vec<AudioRef> {
        let Some(slots) = self.object(card_object, key::AUDIO, ObjType::Map) else {
            return Vec::new();
        };
        let names = self.keys(&slots).into_iter();
        names.filter_map(|slot| self.audio(&slots, &slot)).collect()
    }

    /// All the audio of all cards, tombstones too; nothing else of them is read.
    pub(crate) fn all_audio(&self) -> Vec<AudioRef> {
        let cards = self.card_objects().into_iter();
        cards.flat_map(|(_, card)| self.audio_on(&card)).collect()
    }

    /// Every card, tombstones too, in (position, id) order.
    pub(crate) fn all_cards(&self) -> Vec<Card> {
        let mut cards: Vec<Card> = self.card_ids().iter().filter_map(|id| self.card(id)).collect();
        cards.sort_by(|a, b| (&a.position, &a.id).cmp(&(&b.position, &b.id)));
        cards
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_hide_or_lead_elsewhere_are_refused() {
        assert_eq!(check_file_name("hola.webm"), Ok(()));
        assert_eq!(check_file_name("../hola.webm"), Err(NameError::Path));
        assert_eq!(check_file_name(".."), Err(NameError::Path));
        assert_eq!(check_file_name("C:hola"), Err(NameError::Path));
        assert_eq!(check_file_name("a\\b"), Err(NameError::Path));
        assert_eq!(check_name("a\nb"), Err(NameError::Control));
        assert_eq!(check_name("a\u{202e}gpj.exe"), Err(NameError::Control));
        assert_eq!(check_name(""), Err(NameError::Empty));
        assert_eq!(check_name(&"x".repeat(257)), Err(NameError::TooLong));
        assert_eq!(check_mime("audio/webm; codecs=opus"), Ok(()));
        assert_eq!(check_mime("audio"), Err(NameError::Mime));
        assert_eq!(check_mime("audio/é"), Err(NameError::Mime));
    }

    #[test]
    fn a_text_in_a_field_has_at_most_so_many_bytes() {
        let text = |bytes| "x".repeat(bytes);
        for (bytes, is_right) in [(FIELD_BYTES_MAX, true), (FIELD_BYTES_MAX + 1, false)] {
            assert_eq!(
                check_field_value(&FieldValue::Text(text(bytes))).is_ok(),
                is_right
            );
            let read = FieldValue::from_scalar(&ScalarValue::Str(text(bytes).into()));
            assert_eq!(read.is_some(), is_right);
        }
    }

    #[test]
    fn only_the_four_kinds_of_field_value_are_read() {
        assert_eq!(
            FieldValue::from_scalar(&ScalarValue::Int(3)),
            Some(FieldValue::Int(3))
        );
        assert_eq!(FieldValue::from_scalar(&ScalarValue::F64(f64::NAN)), None);
        assert_eq!(FieldValue::from_scalar(&ScalarValue::Timestamp(3)), None);
        assert_eq!(FieldValue::from_scalar(&ScalarValue::counter(3)), None);
        assert_eq!(FieldValue::from_scalar(&ScalarValue::Bytes(vec![1])), None);
    }
}
