//! Cards, history and differences, as they are told.

use cuecard::card::FieldValue;
use cuecard::history::{CardDiff, Conflict, ConflictPlace, Origin, WriterKind, Written, WrittenValue};
use cuecard::{AudioRef, Card, Deck, Role};
use serde_json::Value;

use crate::ask::told::{
    AudioTold, BlamePiece, BlameTold, CardDiffTold, CardName, CardTold, ConflictTold, DiffTold, ShownTold,
    Told, ValueTold,
};
use crate::error::Error;
use crate::history;
use crate::node::Node;

use super::{find, role};

pub(super) fn cards(node: &Node, deck: &Deck, draft: Option<&str>, tag: Option<&str>) -> Result<Told, Error> {
    let has_tag = |card: &CardTold| tag.is_none_or(|tag| card.tags.iter().any(|known| known == tag));
    let cards = told_in_order(node, deck, cards_of(deck, draft, None)?);
    Ok(Told::Cards {
        deck: find::deck_name(deck),
        cards: cards.into_iter().filter(has_tag).collect(),
    })
}

fn cards_of(deck: &Deck, draft: Option<&str>, at: Option<&str>) -> Result<Vec<Card>, Error> {
    Ok(match (draft, at) {
        (Some(draft), _) => deck.draft_of(find::draft_id(deck, draft)?).cards()?,
        (None, Some(at)) => deck.at(&[find::entry(deck, at)?])?.cards()?,
        (None, None) => deck.cards()?,
    })
}

fn told_in_order(node: &Node, deck: &Deck, cards: Vec<Card>) -> Vec<CardTold> {
    let numbered = cards.into_iter().enumerate();
    numbered
        .map(|(at, card)| CardTold {
            number: Some(at + 1),
            ..card_told(node, deck, card)
        })
        .collect()
}

pub(super) fn show(node: &Node, deck: &Deck, at: Option<&str>) -> Result<Told, Error> {
    let at = at.map(|at| find::entry(deck, at)).transpose()?;
    let (info, cards) = match at {
        None => (deck.info()?, deck.cards()?),
        Some(head) => {
            let view = deck.at(&[head])?;
            (view.info()?, view.cards()?)
        }
    };
    let editor = match deck.role()? {
        Role::Editor { .. } => Some(node.engine().device()),
        Role::Viewer { editor, .. } => Some(editor),
        Role::Vacant { .. } => None,
    };
    let mut name = find::deck_name(deck);
    name.title = info.title;
    Ok(Told::Shown(Box::new(ShownTold {
        deck: name,
        description: info.description,
        head: deck.head()?.to_string(),
        at: at.map(|at| at.to_string()),
        editor: editor.map(|editor| find::device_told(node, editor)),
        members: role::members_told(node, deck)?,
        cards: told_in_order(node, deck, cards),
        conflicts: deck
            .conflicts()?
            .iter()
            .filter(|conflict| !conflict.is_agreed())
            .count(),
    })))
}

pub(super) fn card(
    node: &Node,
    deck: &Deck,
    asked: &str,
    at: Option<&str>,
    draft: Option<&str>,
) -> Result<Told, Error> {
    let cards = cards_of(deck, draft, at)?;
    let found = match find::card(&cards, asked) {
        Ok(card) => card.clone(),
        // What is deleted can still be looked at, by its id.
        Err(Error::NoCard(_)) if draft.is_none() && at.is_none() => find::deleted_card(deck, asked)?,
        Err(error) => return Err(error),
    };
    let number = cards.iter().position(|card| card.id == found.id).map(|at| at + 1);
    let conflicts = match (at, draft) {
        (None, None) => deck.conflicts_of(&found.id)?,
        _ => Vec::new(),
    };
    let conflicts = conflicts.iter().filter(|conflict| !conflict.is_agreed());
    let told = CardTold {
        number,
        conflicts: conflicts.map(|conflict| conflict_told(node, conflict)).collect(),
        ..card_told(node, deck, found)
    };
    Ok(Told::Card {
        deck: find::deck_name(deck),
        card: Box::new(told),
    })
}

fn card_told(node: &Node, deck: &Deck, card: Card) -> CardTold {
    let audio = card.audio.into_iter();
    CardTold {
        id: card.id.to_string(),
        number: None,
        front: card.front,
        back: card.back,
        texts: card
            .texts
            .into_iter()
            .map(|(name, text)| (name.to_string(), text))
            .collect(),
        tags: card.tags.into_iter().collect(),
        audio: audio
            .map(|(slot, audio)| audio_told(node, deck, slot, audio))
            .collect(),
        fields: card
            .fields
            .into_iter()
            .map(|(name, value)| (name, field_told(value)))
            .collect(),
        deleted: card.deleted,
        conflicts: Vec::new(),
    }
}

pub(super) fn audio_told(_node: &Node, deck: &Deck, slot: String, audio: AudioRef) -> AudioTold {
    AudioTold {
        slot,
        here: deck.open_audio(audio.blob).is_ok(),
        name: audio.name,
        mime: audio.mime,
        bytes: audio.bytes,
        duration_ms: audio.duration_ms,
        blake3: audio.blob.to_string(),
    }
}

fn field_told(value: FieldValue) -> Value {
    match value {
        FieldValue::Bool(value) => value.into(),
        FieldValue::Int(value) => value.into(),
        FieldValue::Float(value) => value.into(),
        FieldValue::Text(value) => value.into(),
    }
}

fn conflict_told(node: &Node, conflict: &Conflict) -> ConflictTold {
    let place = match &conflict.place {
        ConflictPlace::Title => "title".to_owned(),
        ConflictPlace::Description => "description".to_owned(),
        ConflictPlace::DeckField(name) => format!("deck field {name}"),
        ConflictPlace::Position(_) => "place".to_owned(),
        ConflictPlace::Deleted(_) => "deleted".to_owned(),
        ConflictPlace::Tag(_, tag) => format!("tag {tag}"),
        ConflictPlace::Text(_, name) => format!("text {name}"),
        ConflictPlace::Audio(_, slot) => format!("audio {slot}"),
        ConflictPlace::CardField(_, name) => format!("field {name}"),
        _ => "another place".to_owned(),
    };
    ConflictTold {
        place,
        shows: value_told(node, &conflict.winner),
        others: conflict
            .others
            .iter()
            .map(|other| value_told(node, other))
            .collect(),
    }
}

fn value_told(node: &Node, written: &Written) -> ValueTold {
    let value = match &written.value {
        WrittenValue::Text(text) => text.clone(),
        WrittenValue::Value(value) => match field_told(value.clone()) {
            Value::String(text) => text,
            value => value.to_string(),
        },
        WrittenValue::Audio(audio) => audio.name.clone(),
        _ => "something of a later version".to_owned(),
    };
    let writer = written.origin.writer.as_ref();
    ValueTold {
        value,
        by: writer.map_or_else(|| "unknown".to_owned(), |writer| node.name_of(writer.device)),
    }
}

pub(super) fn log(node: &Node, deck: &Deck, limit: Option<usize>) -> Result<Told, Error> {
    Ok(Told::Log(Box::new(history::of(
        node.engine(),
        deck,
        limit.unwrap_or(usize::MAX),
    )?)))
}

pub(super) fn diff(node: &Node, deck: &Deck, before: &str, after: Option<&str>) -> Result<Told, Error> {
    let before = find::entry(deck, before)?;
    let after = match after {
        Some(after) => find::entry(deck, after)?,
        None => deck.head()?,
    };
    let (then, now) = (deck.at(&[before])?.info()?, deck.at(&[after])?.info()?);
    let differs = |then: String, now: String| (then != now).then_some((then, now));
    Ok(Told::Diff(DiffTold {
        deck: find::deck_name(deck),
        before: before.to_string(),
        after: after.to_string(),
        title: differs(then.title, now.title),
        description: differs(then.description, now.description),
        cards: diffs_told(node, deck, deck.diff(&[before], &[after])?),
    }))
}

pub(super) fn diffs_told(node: &Node, deck: &Deck, diffs: Vec<CardDiff>) -> Vec<CardDiffTold> {
    let told = |card| Box::new(card_told(node, deck, card));
    let diffs = diffs.into_iter().map(|diff| match diff {
        CardDiff::Added(card) => CardDiffTold::Added { card: told(card) },
        CardDiff::Removed(card) => CardDiffTold::Removed { card: told(card) },
        CardDiff::Changed { before, after } => CardDiffTold::Changed {
            before: told(before),
            after: told(after),
        },
    });
    diffs.collect()
}

pub(super) fn blame(node: &Node, deck: &Deck, asked: &str, at: Option<&str>) -> Result<Told, Error> {
    let cards = cards_of(deck, None, at)?;
    let card = match find::card(&cards, asked) {
        Ok(card) => card.clone(),
        Err(Error::NoCard(_)) => find::deleted_card(deck, asked)?,
        Err(error) => return Err(error),
    };
    let blame = match at {
        None => deck.blame(&card.id)?,
        Some(at) => deck.at(&[find::entry(deck, at)?])?.blame(&card.id)?,
    };
    let blame = blame.ok_or_else(|| Error::NoCard(asked.to_owned()))?;
    let piece = |place: String, text: String, origin: &Origin| origin_told(node, place, text, origin);
    let mut pieces = vec![piece("card".to_owned(), "added".to_owned(), &blame.added)];
    for (field, runs) in &blame.texts {
        pieces.extend(
            runs.iter()
                .map(|run| piece(field.to_string(), run.text.clone(), &run.origin)),
        );
    }
    pieces.extend(
        blame
            .tags
            .iter()
            .map(|(tag, origin)| piece("tag".to_owned(), tag.clone(), origin)),
    );
    pieces.extend(blame.audio.iter().map(|(slot, origin)| {
        let name = card
            .audio
            .get(slot)
            .map_or_else(String::new, |audio| audio.name.clone());
        piece(format!("audio {slot}"), name, origin)
    }));
    pieces.extend(blame.fields.iter().map(|(name, origin)| {
        let value = card.fields.get(name).cloned().map(field_told);
        piece(
            format!("field {name}"),
            value.map_or_else(String::new, |value| value.to_string()),
            origin,
        )
    }));
    pieces.extend(
        blame
            .position
            .iter()
            .map(|origin| piece("place".to_owned(), String::new(), origin)),
    );
    pieces.extend(
        blame
            .deleted
            .iter()
            .map(|origin| piece("card".to_owned(), "deleted".to_owned(), origin)),
    );
    Ok(Told::Blame(BlameTold {
        deck: find::deck_name(deck),
        card: CardName {
            id: card.id.to_string(),
            front: card.front,
        },
        pieces,
    }))
}

fn origin_told(node: &Node, place: String, text: String, origin: &Origin) -> BlamePiece {
    let writer = origin.writer.as_ref();
    BlamePiece {
        place,
        text,
        device: writer.map(|writer| find::device_told(node, writer.device)),
        wrote_as: match writer.map(|writer| writer.kind) {
            Some(WriterKind::Genesis) => "beginning",
            Some(WriterKind::Term(_)) => "term",
            Some(WriterKind::Draft(_)) => "draft",
            None => "unknown",
        }
        .to_owned(),
        entry: origin.entry.to_string(),
        time_ms: origin.time_ms,
    }
}
