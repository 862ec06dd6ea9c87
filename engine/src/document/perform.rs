//! How the operations of an edit are done to the document: each in one place, and all within the limits.

use automerge::transaction::{Transactable, Transaction};
use automerge::{AutomergeError, ObjId, ObjType, ReadDoc, ScalarValue};

use super::order::Journal;
use super::telling::Touched;
use crate::card::{
    AudioRef, FieldValue, NameError, Reader, TextField, check_field_value, check_file_name, check_line,
    check_name, key,
};
use crate::id::CardId;
use crate::limits::{
    CARD_TEXTS_MAX, CARDS_MOVED_UP_MAX, CHANGE_OPS_MAX, DECK_CARDS_MAX, NAME_BYTES_MAX, NOTE_BYTES_MAX,
    POSITION_BYTES_CROWDED, POSITION_BYTES_MAX, TEXT_BYTES_MAX,
};
use crate::op::{Note, Notes, Op, OpError, Place, Reversal, Splice};
use crate::position;

use super::edit::Edit;

impl<'a> Edit<'a> {
    pub(super) fn perform(&mut self, op: Op) -> Result<(), OpError> {
        match op {
            Op::DeckRename { title, description } => self.rename(title.as_deref(), description.as_deref()),
            Op::DeckField { name, value } => {
                let deck = self.reader().deck_object().ok_or_else(|| damaged("no deck"))?;
                self.field(&deck, Note::DeckField { name: name.clone() }, &name, value)
            }
            Op::CardAdd {
                card,
                place,
                front,
                back,
            } => self.add(&card, &place, &front, &back),
            Op::CardText { card, field, splices } => {
                let object = self.living(&card)?;
                let note = Note::CardText { card, field };
                splices
                    .iter()
                    .try_for_each(|splice| self.splice_field(&note, &object, splice))
            }
            Op::CardMove { card, after } => {
                self.living(&card)?;
                self.stand(&card, after.map_or(Place::First, Place::After))
            }
            Op::CardDelete { card } => {
                let object = self.object(&card)?;
                if self.reader().is_deleted(&object) {
                    return Ok(());
                }
                self.act(Note::CardDelete { card }, |transaction| {
                    transaction.put(&object, key::DELETED, true)
                })
            }
            Op::CardRestore { card } => {
                let object = self.object(&card)?;
                if !self.reader().is_deleted(&object) {
                    return Ok(());
                }
                self.act(Note::CardRestore { card }, |transaction| {
                    transaction.delete(&object, key::DELETED)
                })
            }
            Op::CardTag { card, tag } => {
                check_name(&tag).map_err(named("tag"))?;
                let tags = self.child(&card, key::TAGS, ObjType::Map)?;
                self.content_bytes += tag.len();
                self.touched.tag(&card, &tag);
                self.put(Note::CardTag { card }, &tags, &tag, true.into())
            }
            Op::CardUntag { card, tag } => {
                check_name(&tag).map_err(named("tag"))?;
                let tags = self.child(&card, key::TAGS, ObjType::Map)?;
                self.touched.tag(&card, &tag);
                self.remove(Note::CardUntag { card }, &tags, &tag)
            }
            Op::AudioAttach { card, slot, audio } => self.attach(card, slot, &audio),
            Op::AudioDetach { card, slot } => {
                check_file_name(&slot).map_err(named("slot"))?;
                let slots = self.child(&card, key::AUDIO, ObjType::Map)?;
                self.remove(
                    Note::AudioDetach {
                        card,
                        slot: slot.clone(),
                    },
                    &slots,
                    &slot,
                )
            }
            Op::CardField { card, name, value } => {
                let object = self.living(&card)?;
                self.field(
                    &object,
                    Note::CardField {
                        card,
                        name: name.clone(),
                    },
                    &name,
                    value,
                )
            }
            Op::DraftAccept { .. } => Err(OpError::AcceptWithinEdit),
        }
    }

    /// Says that this edit takes a change back.
    pub(super) fn start_reversal(&mut self, reversal: Reversal) {
        self.notes.reverse(reversal);
    }

    /// Puts a card at a position. What stands there already stays: the order is by position and then by id.
    pub(super) fn stand_at(&mut self, card: &CardId, position: String) -> Result<(), OpError> {
        let object = self.object(card)?;
        self.content_bytes += position.len();
        self.put(
            Note::CardMove { card: card.clone() },
            &object,
            key::POSITION,
            position.as_str().into(),
        )?;
        let before = self.order.place(card, position);
        self.journal.push((card.clone(), before));
        Ok(())
    }

    pub(super) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// How many bytes of content the edit carries; refuses half an op, and more ops than a change may have.
    pub(super) fn check(&self) -> Result<usize, OpError> {
        if let Some(error) = &self.half_done {
            return Err(error.clone());
        }
        if self.transaction.pending_ops() > CHANGE_OPS_MAX {
            return Err(OpError::ChangeTooLarge);
        }
        Ok(self.content_bytes)
    }

    pub(super) fn into_parts(self) -> (Transaction<'a>, Journal, Touched) {
        (self.transaction, self.journal, self.touched)
    }

    pub(super) fn reader(&self) -> Reader<'_, Transaction<'a>> {
        Reader::now(&self.transaction)
    }

    fn object(&self, card: &CardId) -> Result<ObjId, OpError> {
        self.reader()
            .card_object(card)
            .ok_or_else(|| OpError::NoSuchCard { card: card.clone() })
    }

    fn living(&self, card: &CardId) -> Result<ObjId, OpError> {
        let object = self.object(card)?;
        // What takes a change back reaches below a tombstone of that change.
        if self.notes.reversal().is_none() && self.reader().is_deleted(&object) {
            return Err(OpError::CardDeleted { card: card.clone() });
        }
        Ok(object)
    }

    fn child(&self, card: &CardId, name: &'static str, kind: ObjType) -> Result<ObjId, OpError> {
        let object = self.living(card)?;
        self.reader()
            .object(&object, name, kind)
            .ok_or_else(|| damaged(name))
    }

    /// A text of a card as it is now; empty where it has not begun.
    pub(super) fn text_of(&self, card: &CardId, field: &TextField) -> Result<String, OpError> {
        let object = self.living(card)?;
        let text = self.reader().text_object(&object, field);
        Ok(text.map(|text| self.reader().text(&text)).unwrap_or_default())
    }

    /// A splice of a card's text. A further text begins with what is first put into it, in the same change.
    fn splice_field(&mut self, note: &Note, card_object: &ObjId, splice: &Splice) -> Result<(), OpError> {
        let Note::CardText { field, .. } = note else {
            return Err(damaged("a splice of no text"));
        };
        if let Some(text) = self.reader().text_object(card_object, field) {
            return self.splice(note.clone(), &text, splice);
        }
        let TextField::Named(name) = field else {
            return Err(damaged(field.as_str()));
        };
        self.check_splice(None, splice)?;
        if splice.insert.is_empty() {
            return Ok(());
        }
        let reader = self.reader();
        let texts = reader
            .object(card_object, key::TEXTS, ObjType::Map)
            .ok_or_else(|| damaged(key::TEXTS))?;
        if reader.keys(&texts).len() >= CARD_TEXTS_MAX {
            return Err(OpError::TooManyTexts);
        }
        self.content_bytes += name.as_str().len();
        let mut begun = None;
        self.act(note.clone(), |transaction| {
            begun = Some(transaction.put_object(&texts, name.as_str(), ObjType::Text)?);
            Ok(())
        })?;
        match begun {
            Some(text) => self.splice(note.clone(), &text, splice),
            None => Err(damaged(key::TEXTS)),
        }
    }

    /// Acts, and notes it if that made operations: what is already so makes none, and a note must not say otherwise.
    fn act(
        &mut self,
        note: Note,
        act: impl FnOnce(&mut Transaction<'a>) -> Result<(), AutomergeError>,
    ) -> Result<(), OpError> {
        let before = self.transaction.pending_ops();
        act(&mut self.transaction).map_err(|error| damaged(&error.to_string()))?;
        let after = self.transaction.pending_ops();
        if after > CHANGE_OPS_MAX {
            return Err(OpError::ChangeTooLarge);
        }
        if after > before {
            self.touched.note(&note);
        }
        // Its texts and its place are part of adding a card.
        let part_of_new = match &note {
            Note::CardText { card, .. } | Note::CardMove { card } => {
                self.noted.contains(&Note::CardAdd { card: card.clone() })
            }
            _ => false,
        };
        if after > before && !part_of_new {
            self.notes.push(&mut self.noted, note);
        }
        Ok(())
    }

    /// Puts a value, unless it can be seen there already. Automerge would do nothing then, save where concurrent values lie
    /// beneath: those it would *delete*, which is no rename, no tag and no move.
    fn put(&mut self, note: Note, object: &ObjId, name: &str, value: ScalarValue) -> Result<(), OpError> {
        if self.reader().scalar(object, name).as_ref() == Some(&value) {
            return Ok(());
        }
        self.act(note, |transaction| transaction.put(object, name, value))
    }

    /// Deletes a key that is there. Deleting an absent one would make an operation without a target.
    fn remove(&mut self, note: Note, object: &ObjId, name: &str) -> Result<(), OpError> {
        match self.transaction.get(object, name) {
            Ok(Some(_)) => self.act(note, |transaction| transaction.delete(object, name)),
            Ok(None) => Ok(()),
            Err(error) => Err(damaged(&error.to_string())),
        }
    }

    fn rename(&mut self, title: Option<&str>, description: Option<&str>) -> Result<(), OpError> {
        let deck = self.reader().deck_object().ok_or_else(|| damaged("no deck"))?;
        for (name, text, bytes_max) in [
            (key::TITLE, title, NAME_BYTES_MAX),
            (key::DESCRIPTION, description, NOTE_BYTES_MAX),
        ] {
            let Some(text) = text else { continue };
            check_line(text, bytes_max).map_err(named(name))?;
            self.content_bytes += text.len();
            self.put(Note::DeckRename, &deck, name, text.into())?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        owner: &ObjId,
        note: Note,
        name: &str,
        value: Option<FieldValue>,
    ) -> Result<(), OpError> {
        check_name(name).map_err(named("field name"))?;
        let fields = self
            .reader()
            .object(owner, key::FIELDS, ObjType::Map)
            .ok_or_else(|| damaged(key::FIELDS))?;
        self.content_bytes += name.len();
        match value {
            Some(value) => {
                check_field_value(&value).map_err(named("field value"))?;
                if let FieldValue::Text(text) = &value {
                    self.content_bytes += text.len();
                }
                self.act(note, |transaction| {
                    transaction.put(&fields, name, value.to_scalar())
                })
            }
            None => self.remove(note, &fields, name),
        }
    }

    fn add(&mut self, card: &CardId, place: &Place, front: &str, back: &str) -> Result<(), OpError> {
        let cards = self.reader().cards_object().ok_or_else(|| damaged("no cards"))?;
        if self.order.contains(card) {
            return Err(OpError::CardExists { card: card.clone() });
        }
        if self.order.len() >= DECK_CARDS_MAX {
            return Err(OpError::TooManyCards);
        }
        if let Place::After(after) = place {
            self.object(after)?;
        }
        let note = Note::CardAdd { card: card.clone() };
        let mut texts = Vec::new();
        self.act(note.clone(), |transaction| {
            let object = transaction.put_object(&cards, card.as_str(), ObjType::Map)?;
            for field in [TextField::Front, TextField::Back] {
                texts.push(transaction.put_object(&object, field.as_str(), ObjType::Text)?);
            }
            for name in [key::TEXTS, key::TAGS, key::AUDIO, key::FIELDS] {
                transaction.put_object(&object, name, ObjType::Map)?;
            }
            Ok(())
        })?;
        for (text, content) in texts.iter().zip([front, back]) {
            if !content.is_empty() {
                self.splice(
                    note.clone(),
                    text,
                    &Splice {
                        at: 0,
                        delete: 0,
                        insert: content.to_owned(),
                    },
                )?;
            }
        }
        self.stand(card, place.clone())
    }

    /// Whether a splice fits its text, and the change. A text that has not begun is empty, and beginning it is an operation.
    fn check_splice(&self, text: Option<&ObjId>, splice: &Splice) -> Result<(), OpError> {
        let length = text.map_or(0, |text| self.transaction.length(text));
        if splice
            .at
            .checked_add(splice.delete)
            .is_none_or(|end| end > length)
        {
            return Err(OpError::BeyondText {
                at: splice.at,
                length,
            });
        }
        // Each character put in or taken out is an operation.
        let begins = usize::from(text.is_none());
        let ops = self.transaction.pending_ops() + begins + splice.delete + splice.insert.chars().count();
        if ops > CHANGE_OPS_MAX {
            return Err(OpError::ChangeTooLarge);
        }
        // A character has at most four bytes, so most texts need no counting.
        if length * 4 + splice.insert.len() > TEXT_BYTES_MAX {
            let present = text.map_or_else(String::new, |text| self.reader().text(text));
            let gone = present.chars().skip(splice.at).take(splice.delete);
            let gone: usize = gone.map(char::len_utf8).sum();
            let bytes = present.len() - gone + splice.insert.len();
            if bytes > TEXT_BYTES_MAX {
                return Err(OpError::TextTooLong { bytes });
            }
        }
        Ok(())
    }

    fn splice(&mut self, note: Note, text: &ObjId, splice: &Splice) -> Result<(), OpError> {
        self.check_splice(Some(text), splice)?;
        self.content_bytes += splice.insert.len();
        let delete = isize::try_from(splice.delete).map_err(|_| OpError::ChangeTooLarge)?;
        if let Note::CardText { card, field } = &note
            && (splice.delete > 0 || !splice.insert.is_empty())
        {
            self.touched.splice(card, field, splice.clone());
        }
        self.act(note, |transaction| {
            transaction.splice_text(text, splice.at, delete, &splice.insert)
        })
    }

    fn attach(&mut self, card: CardId, slot: String, audio: &AudioRef) -> Result<(), OpError> {
        check_file_name(&slot).map_err(named("slot"))?;
        audio.check().map_err(named("audio"))?;
        let slots = self.child(&card, key::AUDIO, ObjType::Map)?;
        if self.reader().audio(&slots, &slot).as_ref() == Some(audio) {
            return Ok(());
        }
        self.content_bytes +=
            slot.len() + audio.mime.len() + audio.name.len() + 2 * audio.blob.as_bytes().len();
        self.act(
            Note::AudioAttach {
                card,
                slot: slot.clone(),
            },
            |transaction| {
                let object = transaction.put_object(&slots, slot.as_str(), ObjType::Map)?;
                transaction.put(&object, key::BLOB, audio.blob.to_string())?;
                transaction.put(&object, key::MIME, audio.mime.as_str())?;
                transaction.put(&object, key::BYTES, ScalarValue::Uint(audio.bytes))?;
                transaction.put(&object, key::DURATION_MS, ScalarValue::Uint(audio.duration_ms))?;
                transaction.put(&object, key::NAME, audio.name.as_str())
            },
        )
    }

    /// Puts a card where it belongs. Where its new neighbours share one position (two devices moved cards to one
    /// place at a time), those behind it get positions of their own, so that it stands exactly where it was put. Where
    /// its position would be long, cards behind it are moved up.
    fn stand(&mut self, card: &CardId, place: Place) -> Result<(), OpError> {
        let after = match place {
            Place::First => None,
            Place::Last => self.order.last().cloned(),
            Place::After(after) if after == *card => return Ok(()),
            Place::After(after) => {
                self.object(&after)?;
                Some(after)
            }
        };
        let low = after
            .as_ref()
            .and_then(|after| self.order.position(after))
            .map(str::to_owned);
        let mut crowd = vec![card.clone()];
        let mut high = None;
        let mut short_enough = POSITION_BYTES_CROWDED;
        for (position, behind) in self.order.behind(after.as_ref(), card) {
            if Some(position) != low.as_ref() {
                let between = position::between(low.as_deref(), Some(position)).ok_or(OpError::Crowded)?;
                if between.len() <= short_enough || crowd.len() > CARDS_MOVED_UP_MAX {
                    high = Some(position.clone());
                    break;
                }
                // Once some have to move, as many as make room for long: else the next card would move them again.
                short_enough = POSITION_BYTES_CROWDED / 2;
            }
            crowd.push(behind.clone());
        }
        // The first one in the middle, the others above it: below it `low` may be long, and so would be all that is near.
        let first = position::between(low.as_deref(), high.as_deref()).ok_or(OpError::Crowded)?;
        let above = position::spread(Some(&first), high.as_deref(), crowd.len() - 1);
        let positions = std::iter::once(first).chain(above.ok_or(OpError::Crowded)?);
        for (card, position) in crowd.iter().zip(positions) {
            if position.len() > POSITION_BYTES_MAX {
                return Err(OpError::Crowded);
            }
            self.stand_at(card, position)?;
        }
        Ok(())
    }
}

fn damaged(what: &str) -> OpError {
    OpError::Damaged {
        what: what.to_owned(),
    }
}

fn named(what: &'static str) -> impl Fn(NameError) -> OpError {
    move |why| OpError::Name { what, why }
}
