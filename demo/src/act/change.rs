//! Changing a deck, or a draft of it: the same edits either way.

use std::collections::BTreeMap;
use std::sync::Arc;

use cuecard::card::TextField;
use cuecard::document::Edit;
use cuecard::document::undo::Left;
use cuecard::{AudioRef, Card, CardId, Deck, OpError};

use crate::ask::talk::Talk;
use crate::ask::told::{CardName, Changed};
use crate::ask::{Change, Place, Told};
use crate::error::Error;
use crate::node::Node;

use super::{find, read, sound};

pub(super) async fn new_deck(node: &Node, title: &str, description: Option<&str>) -> Result<Told, Error> {
    let deck = node.engine().create_deck(title).await?;
    if let Some(description) = description {
        deck.edit(|edit| edit.describe_deck(description)).await?;
    }
    Ok(Told::Created {
        deck: find::deck_name(&deck),
    })
}

/// What an edit came to: the cards, or why not; the library's error is for what it refused itself.
struct Outcome {
    did: &'static str,
    cards: Vec<CardName>,
}

pub(super) async fn change(
    node: &Arc<Node>,
    deck: &Deck,
    draft: Option<&str>,
    change: Change,
    talk: &Talk,
) -> Result<Told, Error> {
    // Before anything is taken in: an edit that will be refused leaves no audio behind.
    let draft = draft.map(|asked| find::draft(deck, asked)).transpose()?;
    if draft.is_none() && !matches!(deck.role()?, cuecard::Role::Editor { .. }) {
        deck.edit(|_| Ok(())).await?;
    }
    let mut change = change;
    let audio = match &mut change {
        Change::Add { audio, .. } | Change::Edit { audio, .. } => audio.take(),
        _ => None,
    };
    let audio = match audio {
        Some(file) => {
            let slot = file.slot.clone();
            Some((slot, sound::take_in(deck, file, talk).await?))
        }
        None => None,
    };
    if let Change::Restore { cards } = &mut change {
        for card in cards {
            *card = find::deleted_card(deck, card)?.id.to_string();
        }
    }
    // Why a name fits no card is for people; the library's own errors know only ids.
    let mut misnamed = None;
    let told_audio = audio.clone();
    let edit = |edit: &mut Edit<'_>| match make(edit, change, audio) {
        Ok(outcome) => Ok(outcome),
        Err(Misnamed::Op(error)) => Err(error),
        Err(Misnamed::Name(error)) => {
            misnamed = Some(error);
            Err(OpError::Damaged {
                what: "a card that is not there".to_owned(),
            })
        }
    };
    let made = match &draft {
        None => deck.edit(edit).await.map_err(Error::from),
        Some(info) => deck.draft_of(info.draft).edit(edit).await.map_err(Error::from),
    };
    let outcome = match (made, misnamed) {
        (Err(_), Some(error)) => return Err(error),
        (made, _) => made?,
    };
    Ok(Told::Changed(Changed {
        deck: find::deck_name(deck),
        draft: draft.as_ref().map(|info| info.draft.to_string()),
        did: outcome.did.to_owned(),
        cards: outcome.cards,
        head: match draft {
            None => Some(deck.head()?.to_string()),
            Some(_) => None,
        },
        audio: told_audio.map(|(slot, audio)| read::audio_told(node, deck, slot, audio)),
    }))
}

enum Misnamed {
    Op(OpError),
    Name(Error),
}

impl From<OpError> for Misnamed {
    fn from(error: OpError) -> Self {
        Self::Op(error)
    }
}

impl From<Error> for Misnamed {
    fn from(error: Error) -> Self {
        Self::Name(error)
    }
}

fn make(edit: &mut Edit<'_>, change: Change, audio: Option<(String, AudioRef)>) -> Result<Outcome, Misnamed> {
    let cards: Vec<Card> = edit.cards().collect();
    match change {
        Change::Add {
            front,
            back,
            texts,
            tags,
            place,
            audio: _,
        } => {
            let card = match behind(&cards, &place)? {
                Behind::Last => edit.add_card(&front, &back)?,
                Behind::Card(after) => edit.add_card_after(after.as_ref(), &front, &back)?,
            };
            set_texts(edit, &card, texts)?;
            for tag in tags {
                edit.tag(&card, &tag)?;
            }
            if let Some((slot, audio)) = audio {
                edit.attach_audio(&card, &slot, audio)?;
            }
            let name = CardName {
                id: card.to_string(),
                front,
            };
            Ok(did("added", vec![name]))
        }
        Change::Edit {
            card,
            front,
            back,
            texts,
            detach,
            audio: _,
        } => {
            let card = find::card(&cards, &card)?;
            for (field, text) in [(TextField::Front, front), (TextField::Back, back)] {
                if let Some(text) = text {
                    edit.set_text(&card.id, field, &text)?;
                }
            }
            set_texts(edit, &card.id, texts)?;
            for slot in detach {
                if !card.audio.contains_key(&slot) {
                    let slots: Vec<&str> = card.audio.keys().map(String::as_str).collect();
                    return Err(Error::NoAudio(no_slot(&slot, &slots)).into());
                }
                edit.detach_audio(&card.id, &slot)?;
            }
            if let Some((slot, audio)) = audio {
                edit.attach_audio(&card.id, &slot, audio)?;
            }
            let now = edit.card(&card.id).unwrap_or_else(|| card.clone());
            Ok(did("edited", vec![name(&now)]))
        }
        Change::Move { card, place } => {
            let moved = find::card(&cards, &card)?;
            let others: Vec<Card> = cards
                .iter()
                .filter(|other| other.id != moved.id)
                .cloned()
                .collect();
            match behind(&cards, &place)? {
                Behind::Card(Some(after)) if after == moved.id => {}
                Behind::Card(after) => edit.move_card(&moved.id, after.as_ref())?,
                Behind::Last => {
                    if let Some(last) = others.last() {
                        edit.move_card(&moved.id, Some(&last.id))?;
                    }
                }
            }
            Ok(did("moved", vec![name(moved)]))
        }
        Change::Delete { cards: asked } => {
            let mut names = Vec::new();
            for asked in asked {
                let card = find::card(&cards, &asked)?;
                if names.contains(&name(card)) {
                    continue;
                }
                edit.delete_card(&card.id)?;
                names.push(name(card));
            }
            Ok(did("removed", names))
        }
        Change::Restore { cards: asked } => {
            let mut names = Vec::new();
            for asked in asked {
                let id: CardId = asked.parse().map_err(|_| Error::NoCard(asked.clone()))?;
                edit.restore_card(&id)?;
                names.extend(edit.card(&id).as_ref().map(name));
            }
            Ok(did("restored", names))
        }
        Change::Tag { card, tags, remove } => {
            let card = find::card(&cards, &card)?;
            for tag in tags {
                if remove {
                    edit.untag(&card.id, &tag)?;
                } else {
                    edit.tag(&card.id, &tag)?;
                }
            }
            Ok(did(if remove { "untagged" } else { "tagged" }, vec![name(card)]))
        }
        Change::Deck { title, description } => {
            if let Some(title) = title {
                edit.rename_deck(&title)?;
            }
            if let Some(description) = description {
                edit.describe_deck(&description)?;
            }
            Ok(did("changed", Vec::new()))
        }
    }
}

const fn did(did: &'static str, cards: Vec<CardName>) -> Outcome {
    Outcome { did, cards }
}

fn name(card: &Card) -> CardName {
    CardName {
        id: card.id.to_string(),
        front: card.front.clone(),
    }
}

fn set_texts(edit: &mut Edit<'_>, card: &CardId, texts: BTreeMap<String, String>) -> Result<(), Misnamed> {
    for (name, text) in texts {
        let field = TextField::named(&name)
            .map_err(|why| Error::Usage(format!("a text cannot be named {name:?}: {why}")))?;
        edit.set_text(card, field, &text)?;
    }
    Ok(())
}

enum Behind {
    Last,
    /// Behind this one; `None` is the beginning.
    Card(Option<CardId>),
}

fn behind(cards: &[Card], place: &Place) -> Result<Behind, Error> {
    Ok(match place {
        Place::First => Behind::Card(None),
        Place::Last => Behind::Last,
        Place::After(card) => Behind::Card(Some(find::card(cards, card)?.id.clone())),
    })
}

/// What to say where a card has no such audio.
pub(super) fn no_slot(slot: &str, slots: &[&str]) -> String {
    if slots.is_empty() {
        "this card has no audio; `cuecard edit CARD --audio FILE` attaches some".to_owned()
    } else {
        format!("this card has no audio {slot:?}; it has {}", slots.join(", "))
    }
}

pub(super) async fn undo(node: &Node, deck: &Deck, draft: Option<&str>, redo: bool) -> Result<Told, Error> {
    let draft = draft
        .map(|asked| find::draft_id(deck, asked))
        .transpose()?
        .map(|id| deck.draft_of(id));
    let undone = match (&draft, redo) {
        (None, false) => deck.undo().await?,
        (None, true) => deck.redo().await?,
        (Some(draft), false) => draft.undo().await?,
        (Some(draft), true) => draft.redo().await?,
    };
    let card = |id: &CardId| {
        let found = match &draft {
            None => deck.card(id).ok().flatten(),
            Some(draft) => draft.card(id).ok().flatten(),
        };
        found.map_or_else(|| id.to_string(), |card| card.front)
    };
    let left = undone.left.iter().map(|left| match left {
        Left::Deleted(id) => format!("{:?} was deleted since", card(id)),
        Left::Overtaken(Some(id)) => format!("a part of {:?} was edited since, and stays so", card(id)),
        _ => "a part of the deck was edited since, and stays so".to_owned(),
    });
    let _ = node;
    Ok(Told::Undone {
        deck: find::deck_name(deck),
        taken_back: undone.taken_back.to_string(),
        entry: undone.change.to_string(),
        left: left.collect(),
        redo,
    })
}
