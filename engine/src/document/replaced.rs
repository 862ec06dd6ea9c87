//! What a listener is told where a document took the place of another one, as a reorganisation does: what differs, of
//! the cards that changes of only one of the two name.

use std::collections::{BTreeMap, BTreeSet};

use automerge::ChangeMetadata;

use super::Document;
use super::outcome::DeckChange;
use crate::card::{Card, DeckInfo, FieldValue, TextField};
use crate::id::{CardId, ChangeHash};
use crate::op::{Notes, Splice};

impl Document {
    /// What there is to do to a copy of `before` so that it says what this document says. Costs what was done since
    /// the two went apart.
    pub(crate) fn told_in_place_of(&self, before: &Self) -> Vec<DeckChange> {
        let mut cards = BTreeSet::new();
        for (one, other) in [(self, before), (before, self)] {
            for change in one.beyond_of(other) {
                let notes = change
                    .message
                    .as_deref()
                    .and_then(|message| Notes::parse(message).ok());
                let notes = notes.iter().flat_map(Notes::as_slice);
                cards.extend(notes.filter_map(|note| note.card().cloned()));
            }
        }
        let mut told = Vec::new();
        deck(&before.deck(), self.deck(), &mut told);
        for id in &cards {
            card(id, before.card(id), self.card(id), &mut told);
        }
        told
    }

    /// The changes that another document does not have.
    fn beyond_of(&self, other: &Self) -> Vec<ChangeMetadata<'_>> {
        let mut open: Vec<ChangeHash> = self.heads();
        let mut seen = BTreeSet::new();
        let mut beyond = Vec::new();
        while let Some(next) = open.pop() {
            if other.contains(&next) || !seen.insert(next) {
                continue;
            }
            if let Some(change) = self.automerge.get_change_meta_by_hash(&next) {
                open.extend(change.deps.iter().copied());
                beyond.push(change);
            }
        }
        beyond
    }
}

fn deck(before: &DeckInfo, after: DeckInfo, told: &mut Vec<DeckChange>) {
    fields(None, &before.fields, &after.fields, told);
    if (&before.title, &before.description) != (&after.title, &after.description) {
        told.push(DeckChange::DeckRenamed {
            title: after.title,
            description: after.description,
        });
    }
}

fn card(id: &CardId, before: Option<Card>, after: Option<Card>, told: &mut Vec<DeckChange>) {
    let (before, after) = match (before, after) {
        (None, None) => return,
        (Some(_), None) => return told.push(DeckChange::CardTakenOut { card: id.clone() }),
        (None, Some(card)) => return told.push(DeckChange::CardAdded { card: card.into() }),
        (Some(before), Some(after)) if before.deleted && !after.deleted => {
            return told.push(DeckChange::CardRestored { card: after.into() });
        }
        (Some(before), Some(after)) => (before, after),
    };
    let names = before.texts.keys().chain(after.texts.keys());
    let mut texts = BTreeSet::from([TextField::Front, TextField::Back]);
    texts.extend(names.cloned().map(TextField::Named));
    for field in texts {
        if let Some(splice) = Splice::between(before.text(&field), after.text(&field)) {
            told.push(DeckChange::TextChanged {
                card: id.clone(),
                field,
                splices: vec![splice],
            });
        }
    }
    let card = || id.clone();
    for tag in before.tags.symmetric_difference(&after.tags).cloned() {
        told.push(match after.tags.contains(&tag) {
            true => DeckChange::Tagged { card: card(), tag },
            false => DeckChange::Untagged { card: card(), tag },
        });
    }
    let slots: BTreeSet<&String> = before.audio.keys().chain(after.audio.keys()).collect();
    for slot in slots {
        if before.audio.get(slot) != after.audio.get(slot) {
            let slot = slot.clone();
            told.push(match after.audio.get(&slot).cloned() {
                Some(audio) => DeckChange::AudioAttached {
                    card: card(),
                    slot,
                    audio,
                },
                None => DeckChange::AudioDetached { card: card(), slot },
            });
        }
    }
    fields(Some(id), &before.fields, &after.fields, told);
    if before.position != after.position {
        told.push(DeckChange::CardMoved {
            card: card(),
            position: after.position,
        });
    }
    if after.deleted && !before.deleted {
        told.push(DeckChange::CardDeleted { card: card() });
    }
}

fn fields(
    card: Option<&CardId>,
    before: &BTreeMap<String, FieldValue>,
    after: &BTreeMap<String, FieldValue>,
    told: &mut Vec<DeckChange>,
) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        if before.get(name) != after.get(name) {
            told.push(DeckChange::FieldChanged {
                card: card.cloned(),
                name: name.clone(),
                value: after.get(name).cloned(),
            });
        }
    }
}
