//! What a listener is told of changes: what they touched is noted while they are made or applied, and what is there
//! now is read once they are in. So it costs what the changes are, and never what the deck is.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, ChangeHash, Patch, PatchAction, Prop};

use super::outcome::DeckChange;
use crate::card::{Reader, TextField, key};
use crate::id::{CardId, DraftId, TermId};
use crate::op::{Note, Splice};

/// What changes touched.
#[derive(Default)]
pub(super) struct Touched {
    accepted: BTreeSet<DraftId>,
    late: BTreeSet<TermId>,
    declined: BTreeSet<DraftId>,
    names: bool,
    fields: BTreeSet<String>,
    cards: BTreeMap<CardId, TouchedCard>,
}

/// What changes touched of one card.
#[derive(Default)]
struct TouchedCard {
    added: bool,
    position: bool,
    deleted: bool,
    texts: BTreeMap<TextField, TouchedText>,
    tags: BTreeSet<String>,
    slots: BTreeSet<String>,
    fields: BTreeSet<String>,
}

/// What changes touched of one text.
#[derive(Default)]
struct TouchedText {
    splices: Vec<Splice>,
    /// It began, or began twice, and another of the two may show now: it is told by what differs. Of the one that does not
    /// show, Automerge says nothing more.
    whole: bool,
}

impl Touched {
    /// Ops, by their notes alone.
    pub(super) fn by<'n>(notes: impl IntoIterator<Item = &'n Note>) -> Self {
        let mut touched = Self::default();
        notes.into_iter().for_each(|note| touched.note(note));
        touched
    }

    /// Whether a note says all that is to be told of its op, beside what is there now. A card that was added among them is
    /// told whole.
    pub(super) fn is_told_by(note: &Note, added: &BTreeSet<&CardId>) -> bool {
        match note {
            Note::CardText { card, .. } | Note::CardTag { card } | Note::CardUntag { card } => {
                added.contains(card)
            }
            _ => true,
        }
    }

    /// An own op, by its note. Texts and tags need more than their note: [`Touched::splice`], [`Touched::tag`].
    pub(super) fn note(&mut self, note: &Note) {
        let slot_of = |card: &mut TouchedCard, slot: &String| card.slots.insert(slot.clone());
        match note {
            Note::DeckRename => self.names = true,
            Note::DeckField { name } => {
                self.fields.insert(name.clone());
            }
            Note::CardAdd { card } => self.card(card).added = true,
            Note::CardMove { card } => self.card(card).position = true,
            Note::CardDelete { card } | Note::CardRestore { card } => self.card(card).deleted = true,
            Note::AudioAttach { card, slot } | Note::AudioDetach { card, slot } => {
                slot_of(self.card(card), slot);
            }
            Note::CardField { card, name } => {
                self.card(card).fields.insert(name.clone());
            }
            Note::DraftAccept { draft } => {
                self.accepted.insert(*draft);
            }
            Note::LateAccept { term } => {
                self.late.insert(*term);
            }
            Note::CardText { .. } | Note::CardTag { .. } | Note::CardUntag { .. } => {}
            Note::DraftDecline { draft, .. } => {
                self.declined.insert(*draft);
            }
        }
    }

    pub(super) fn tag(&mut self, card: &CardId, tag: &str) {
        self.card(card).tags.insert(tag.to_owned());
    }

    /// A splice behind those before it; one that goes on where the last ended joins it.
    pub(super) fn splice(&mut self, card: &CardId, field: &TextField, splice: Splice) {
        let splices = &mut self.text(card, field).splices;
        if let Some(last) = splices.last_mut()
            && splice.delete == 0
            && splice.at.checked_sub(last.at) == Some(last.insert.chars().count())
        {
            last.insert.push_str(&splice.insert);
        } else {
            splices.push(splice);
        }
    }

    /// What Automerge says a change did to what can be seen.
    pub(super) fn patch(&mut self, patch: &Patch) {
        let names: Option<Vec<&str>> = patch
            .path
            .iter()
            .map(|(_, step)| match step {
                Prop::Map(name) => Some(name.as_str()),
                // The schema has no lists, and texts hold nothing.
                Prop::Seq(_) => None,
            })
            .collect();
        let name = match &patch.action {
            PatchAction::PutMap { key, .. } | PatchAction::DeleteMap { key } => Some(key.as_str()),
            PatchAction::Conflict {
                prop: Prop::Map(name),
            } => Some(name.as_str()),
            _ => None,
        };
        match (names.as_deref(), name) {
            (Some([key::DECK]), Some(key::TITLE | key::DESCRIPTION)) => self.names = true,
            (Some([key::DECK, key::FIELDS]), Some(name)) => {
                self.fields.insert(name.to_owned());
            }
            (Some([key::CARDS]), Some(card)) => {
                if let Ok(card) = card.parse() {
                    self.card(&card).added = true;
                }
            }
            (Some([key::CARDS, card, below @ ..]), name) => {
                if let Ok(card) = card.parse() {
                    self.patch_card(&card, below, name, &patch.action);
                }
            }
            _ => {}
        }
    }

    fn patch_card(&mut self, card: &CardId, below: &[&str], name: Option<&str>, action: &PatchAction) {
        match (below, name) {
            ([], Some(key::POSITION)) => self.card(card).position = true,
            ([], Some(key::DELETED)) => self.card(card).deleted = true,
            ([key::TAGS], Some(tag)) => self.tag(card, tag),
            // Of audio that is put in place of other audio, the parts are told as well.
            (&[key::AUDIO], Some(slot)) | (&[key::AUDIO, slot], _) => {
                self.card(card).slots.insert(slot.to_owned());
            }
            ([key::FIELDS], Some(name)) => {
                self.card(card).fields.insert(name.to_owned());
            }
            // Begun, or begun by two at a time.
            ([key::TEXTS], Some(name)) => {
                if let Ok(field) = name.parse() {
                    self.text(card, &field).whole = true;
                }
            }
            (&[field] | &[key::TEXTS, field], None) => {
                let Ok(field) = field.parse() else { return };
                let splice = match action {
                    PatchAction::SpliceText { index, value, .. } => Splice {
                        at: *index,
                        delete: 0,
                        insert: value.make_string(),
                    },
                    PatchAction::DeleteSeq { index, length } => Splice {
                        at: *index,
                        delete: *length,
                        insert: String::new(),
                    },
                    _ => return,
                };
                self.splice(card, &field, splice);
            }
            _ => {}
        }
    }

    fn text(&mut self, card: &CardId, field: &TextField) -> &mut TouchedText {
        self.card(card).texts.entry(field.clone()).or_default()
    }

    fn card(&mut self, card: &CardId) -> &mut TouchedCard {
        self.cards.entry(card.clone()).or_default()
    }

    /// What to tell, of a document that has all of it and had `before` without it.
    pub(super) fn tell(self, automerge: &Automerge, before: &[ChangeHash]) -> Vec<DeckChange> {
        let reader = Reader::now(automerge);
        let mut told = Vec::new();
        let accepted = self.accepted.into_iter();
        told.extend(accepted.map(|draft| DeckChange::DraftAccepted { draft }));
        let late = self.late.into_iter();
        told.extend(late.map(|term| DeckChange::LateAccepted { term }));
        let declined = self.declined.into_iter();
        told.extend(declined.map(|draft| DeckChange::DraftDeclined { draft }));
        if self.names || !self.fields.is_empty() {
            let mut deck = reader.deck();
            told.extend(self.fields.into_iter().map(|name| DeckChange::FieldChanged {
                card: None,
                value: deck.fields.remove(&name),
                name,
            }));
            if self.names {
                told.push(DeckChange::DeckRenamed {
                    title: deck.title,
                    description: deck.description,
                });
            }
        }
        for (card, touched) in self.cards {
            touched.tell(&card, &reader, || Reader::at(automerge, before), &mut told);
        }
        told
    }
}

impl TouchedCard {
    fn tell<'a>(
        self,
        id: &CardId,
        reader: &Reader<'a, Automerge>,
        before: impl Fn() -> Reader<'a, Automerge>,
        told: &mut Vec<DeckChange>,
    ) {
        let Some(object) = reader.card_object(id) else {
            return;
        };
        let card = || id.clone();
        let restored = self.deleted && !reader.is_deleted(&object);
        if self.added || restored {
            // All else is part of it, as it is told whole.
            if let Some(card) = reader.card(id).map(Box::new) {
                told.push(match self.added {
                    true => DeckChange::CardAdded { card },
                    false => DeckChange::CardRestored { card },
                });
            }
            return;
        }
        for (field, text) in self.texts {
            let splices = match text {
                TouchedText { whole: true, .. } => {
                    let (was, is) = (before().field_text(id, &field), reader.field_text(id, &field));
                    Splice::between(&was, &is).into_iter().collect()
                }
                text => text.splices,
            };
            if splices.is_empty() {
                continue;
            }
            told.push(DeckChange::TextChanged {
                card: card(),
                field,
                splices,
            });
        }
        for tag in self.tags {
            told.push(match reader.is_tagged(&object, &tag) {
                true => DeckChange::Tagged { card: card(), tag },
                false => DeckChange::Untagged { card: card(), tag },
            });
        }
        for slot in self.slots {
            told.push(match reader.audio_at(&object, &slot) {
                Some(audio) => DeckChange::AudioAttached {
                    card: card(),
                    slot,
                    audio,
                },
                None => DeckChange::AudioDetached { card: card(), slot },
            });
        }
        for name in self.fields {
            told.push(DeckChange::FieldChanged {
                card: Some(card()),
                value: reader.field(&object, &name),
                name,
            });
        }
        if self.position {
            told.push(DeckChange::CardMoved {
                card: card(),
                position: reader.position(&object),
            });
        }
        if self.deleted {
            told.push(DeckChange::CardDeleted { card: card() });
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
