//! What is looked at, as JSON. All of it is data: whoever shows it shows it as text.

use cuecard::card::FieldValue;
use cuecard::history::{
    CardDiff, Conflict, ConflictPlace, Entry, Origin, Precedence, WriterKind, Written, WrittenValue,
};
use cuecard::op::Note;
use cuecard::{AudioRef, Card, CardId, DeckInfo, DeviceId};
use serde_json::{Value, json};

use super::book::Book;
use super::index::{Index, draft_of, op_of, term_of};

/// Characters of a text in a list; all of it is shown where one card is looked at.
const LISTED_CHARACTERS: usize = 240;
/// Cards that a row names.
const NAMED: usize = 4;

/// How much of a card's texts is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Listed,
    Whole,
}

pub(super) fn shorter(text: &str, length: Length) -> String {
    match text.char_indices().nth(LISTED_CHARACTERS) {
        Some((end, _)) if length == Length::Listed => text.get(..end).unwrap_or(text).to_owned() + "…",
        _ => text.to_owned(),
    }
}

pub(super) fn card(book: &Book, card: &Card, length: Length) -> Value {
    let texts: Vec<Value> = card
        .texts
        .iter()
        .map(|(name, text)| json!([name.as_str(), shorter(text, length)]))
        .collect();
    let audio: Vec<Value> = card
        .audio
        .iter()
        .map(|(slot, audio)| self::audio(book, slot, audio))
        .collect();
    let fields: Vec<Value> = card
        .fields
        .iter()
        .map(|(name, value)| json!([name, field(value)]))
        .collect();
    json!({
        "id": card.id.as_str(),
        "front": shorter(&card.front, length),
        "back": shorter(&card.back, length),
        "texts": texts,
        "tags": card.tags,
        "audio": audio,
        "fields": fields,
        "position": card.position,
    })
}

fn audio(book: &Book, slot: &str, audio: &AudioRef) -> Value {
    json!({
        "slot": slot,
        "blob": audio.blob.to_string(),
        "mime": audio.mime,
        "bytes": audio.bytes,
        "ms": audio.duration_ms,
        "name": audio.name,
        "here": book.has_audio(audio.blob),
    })
}

fn field(value: &FieldValue) -> Value {
    match value {
        FieldValue::Bool(value) => json!(value),
        FieldValue::Int(value) => json!(value),
        FieldValue::Float(value) => json!(value),
        FieldValue::Text(value) => json!(value),
    }
}

pub(super) fn diff(book: &Book, changes: &[CardDiff], most: usize, length: Length) -> Value {
    let told = changes.iter().take(most).map(|change| match change {
        CardDiff::Added(after) => json!({ "kind": "added", "after": card(book, after, length) }),
        CardDiff::Removed(before) => json!({ "kind": "removed", "before": card(book, before, length) }),
        CardDiff::Changed { before, after } => json!({
            "kind": "changed",
            "before": card(book, before, length),
            "after": card(book, after, length),
            "moved": before.position != after.position,
        }),
    });
    json!({ "total": changes.len(), "cards": told.collect::<Vec<_>>() })
}

/// What the deck said of itself before and after, where that differs.
pub(super) fn deck_diff(before: &DeckInfo, after: &DeckInfo) -> Value {
    let told = |info: &DeckInfo| {
        let fields: Vec<Value> = info
            .fields
            .iter()
            .map(|(name, value)| json!([name, field(value)]))
            .collect();
        json!({ "title": info.title, "description": info.description, "fields": fields })
    };
    if before == after {
        return Value::Null;
    }
    json!({ "before": told(before), "after": told(after) })
}

/// As what an entry was written: the word and its mark differ, not only the colour.
pub(super) fn kind(index: &Index, number: u32, entry: &Entry) -> &'static str {
    match entry.writer.as_ref().map(|writer| writer.kind) {
        Some(WriterKind::Genesis) => "beginning",
        Some(WriterKind::Draft(_)) => "draft",
        _ if entry.is_merge => "merge",
        _ if index.late.contains(&number) => "late",
        _ => "edit",
    }
}

/// An entry in a line.
pub(super) fn line(book: &Book, index: &Index, number: u32) -> Value {
    let Some(entry) = index.entry(number) else {
        return Value::Null;
    };
    json!({
        "hash": entry.hash.to_string(),
        "step": index.step_of(number),
        "op": op_of(entry),
        "kind": kind(index, number, entry),
        "device": device_number(index, entry),
        "term": term_of(entry).and_then(|term| index.terms.get(&term).copied()),
        "time": entry.time_ms,
        "about": about(book, &[entry]),
    })
}

pub(super) fn device_number(index: &Index, entry: &Entry) -> Option<usize> {
    let device = entry.writer.as_ref().map(|writer| writer.device);
    index.devices.iter().position(|known| *known == device)
}

/// What entries are about, by names that people gave: the first few, and how many more there are.
pub(super) fn about(book: &Book, oldest_first: &[&Entry]) -> Value {
    let mut cards: Vec<&CardId> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for note in oldest_first.iter().flat_map(|entry| &entry.notes) {
        match note {
            Note::DraftAccept { draft } | Note::DraftDecline { draft, .. } => {
                let info = book.deck.draft_of(*draft).info();
                let told = info.map(|info| {
                    let by = book.name_of(Some(info.author));
                    if info.note.is_empty() {
                        format!("by {by}")
                    } else {
                        format!("“{}” by {by}", info.note)
                    }
                });
                names.push(told.unwrap_or_else(|_| draft.short()));
            }
            Note::DeckRename | Note::DeckField { .. } => {
                let title = book.deck.info().map(|info| info.title).unwrap_or_default();
                if !names.contains(&title) {
                    names.push(title);
                }
            }
            Note::LateAccept { .. } => names.push("late work".to_owned()),
            note => {
                if let Some(card) = note.card()
                    && !cards.contains(&card)
                {
                    cards.push(card);
                }
            }
        }
    }
    let more = (names.len() + cards.len()).saturating_sub(NAMED);
    let room = NAMED.saturating_sub(names.len());
    names.extend(
        cards
            .iter()
            .take(room)
            .map(|card| shorter(&book.front(card), Length::Listed)),
    );
    names.truncate(NAMED);
    json!({ "names": names, "more": more })
}

/// What an entry did, note by note.
pub(super) fn notes(book: &Book, entry: &Entry, most: usize) -> Vec<Value> {
    let told = |note: &Note| {
        let card = note.card();
        let (mut field, mut slot, mut draft, mut why) = (None, None, None, None);
        match note {
            Note::CardText { field: of, .. } => field = Some(of.as_str()),
            Note::AudioAttach { slot: of, .. } | Note::AudioDetach { slot: of, .. } => slot = Some(of),
            Note::CardField { name, .. } | Note::DeckField { name } => field = Some(name.as_str()),
            Note::DraftAccept { draft: of } => draft = Some(of),
            Note::DraftDecline {
                draft: of, reason, ..
            } => (draft, why) = (Some(of), Some(reason)),
            _ => {}
        }
        json!({
            "op": note.name(),
            "card": card.map(CardId::as_str),
            "front": card.map(|card| shorter(&book.front(card), Length::Listed)),
            "field": field,
            "slot": slot,
            "draft": draft.map(ToString::to_string),
            "reason": why,
        })
    };
    entry.notes.iter().take(most).map(told).collect()
}

fn origin(book: &Book, index: &Index, origin: &Origin) -> Value {
    let device = origin.writer.as_ref().map(|writer| writer.device);
    let number = index.number(&origin.entry);
    let entry = number.and_then(|number| index.entry(number));
    json!({
        "entry": origin.entry.to_string(),
        "device": index.devices.iter().position(|known| *known == device),
        "name": book.name_of(device),
        "draft": entry.and_then(draft_of).map(|draft| draft.to_string()),
        "term": entry.and_then(term_of).and_then(|term| index.terms.get(&term).copied()),
        "time": origin.time_ms,
        "step": number.and_then(|number| index.step_of(number)),
    })
}

pub(super) fn conflict(book: &Book, index: &Index, conflict: &Conflict) -> Value {
    let (place, card, name) = match &conflict.place {
        ConflictPlace::Title => ("title", None, None),
        ConflictPlace::Description => ("description", None, None),
        ConflictPlace::DeckField(name) => ("deck field", None, Some(name)),
        ConflictPlace::Position(card) => ("position", Some(card), None),
        ConflictPlace::Deleted(card) => ("deleted", Some(card), None),
        ConflictPlace::Tag(card, name) => ("tag", Some(card), Some(name)),
        ConflictPlace::Text(card, name) => ("text", Some(card), Some(name)),
        ConflictPlace::Audio(card, name) => ("audio", Some(card), Some(name)),
        ConflictPlace::CardField(card, name) => ("field", Some(card), Some(name)),
        _ => ("another place", None, None),
    };
    let written = |written: &Written| {
        let value = match &written.value {
            WrittenValue::Value(value) => json!({ "value": field(value) }),
            WrittenValue::Text(text) => json!({ "value": shorter(text, Length::Listed) }),
            WrittenValue::Audio(audio) => json!({ "audio": self::audio(book, "", audio) }),
            _ => json!({ "value": null }),
        };
        json!({ "what": value, "by": origin(book, index, &written.origin) })
    };
    let why = match conflict.precedence {
        Precedence::Number => "number",
        Precedence::Name => "name",
    };
    json!({
        "place": place,
        "name": name,
        "card": card.map(CardId::as_str),
        "front": card.map(|card| shorter(&book.front(card), Length::Listed)),
        "winner": written(&conflict.winner),
        "others": conflict.others.iter().map(written).collect::<Vec<_>>(),
        "why": why,
        "agreed": conflict.is_agreed(),
    })
}

/// Who wrote what of a card.
pub(super) fn blame(book: &Book, index: &Index, blame: &cuecard::history::Blame) -> Value {
    let texts = blame.texts.iter().map(|(field, runs)| {
        let runs = runs
            .iter()
            .map(|run| json!([run.text, origin(book, index, &run.origin)]));
        json!([field.as_str(), runs.collect::<Vec<_>>()])
    });
    let by_name = |map: &std::collections::BTreeMap<String, Origin>| -> Vec<Value> {
        map.iter()
            .map(|(name, by)| json!([name, origin(book, index, by)]))
            .collect()
    };
    json!({
        "added": origin(book, index, &blame.added),
        "deleted": blame.deleted.as_ref().map(|by| origin(book, index, by)),
        "position": blame.position.as_ref().map(|by| origin(book, index, by)),
        "texts": texts.collect::<Vec<_>>(),
        "tags": by_name(&blame.tags),
        "audio": by_name(&blame.audio),
        "fields": by_name(&blame.fields),
    })
}

/// A device, for where it is one of many.
pub(super) fn device(book: &Book, device: DeviceId) -> Value {
    json!({ "id": device.to_string(), "name": book.name_of(Some(device)) })
}
