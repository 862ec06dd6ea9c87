//! What a change did, and what undoes it as the deck is now.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{ActorId, ChangeHash, ChangeMetadata};

use super::text::Texts;
use super::{Author, Left, Step};
use crate::card::{Card, DeckInfo, FieldValue, TextField};
use crate::document::Document;
use crate::id::CardId;
use crate::op::{Note, Notes, Op};

/// A change that can be taken back, with the ends of what it did.
pub(super) struct Target {
    /// Its own line before it.
    pub(super) before: ChangeHash,
    /// The change itself.
    pub(super) after: ChangeHash,
    /// The changes whose ops it brought, in order: itself; or, where it accepts a draft, what came with that.
    pub(super) brought: Vec<ChangeHash>,
}

impl Target {
    pub(super) fn of(
        document: &Document,
        change: ChangeHash,
        author: &dyn Fn(&ActorId) -> Author,
    ) -> Option<Self> {
        let automerge = document.automerge();
        let meta = automerge.get_change_meta_by_hash(&change)?;
        if let [before] = meta.deps.as_slice() {
            return Some(Self {
                before: *before,
                after: change,
                brought: vec![change],
            });
        }
        // The line goes on where its actor wrote before; a term's first change, where no draft did.
        let before = *meta.deps.iter().min_by_key(|dependency| {
            let by = automerge.get_change_meta_by_hash(dependency);
            let other = by.as_ref().is_none_or(|by| by.actor != meta.actor);
            let draft = by.is_some_and(|by| author(&by.actor) == Author::Draft);
            (other, draft, **dependency)
        })?;
        let beyond = automerge.get_changes_meta(&[before]);
        let by_hash: BTreeMap<ChangeHash, &ChangeMetadata<'_>> =
            beyond.iter().map(|change| (change.hash, change)).collect();
        let mut brought = BTreeSet::new();
        let mut open = meta.deps.clone();
        while let Some(next) = open.pop() {
            if let Some(found) = by_hash.get(&next)
                && brought.insert(next)
            {
                open.extend(&found.deps);
            }
        }
        let in_order = beyond.iter().map(|change| change.hash);
        Some(Self {
            before,
            after: change,
            brought: in_order.filter(|change| brought.contains(change)).collect(),
        })
    }
}

/// What takes a change back, and what of it is left alone.
pub(super) struct Inverse {
    pub(super) steps: Vec<Step>,
    pub(super) left: BTreeSet<Left>,
}

impl Inverse {
    pub(super) fn of(document: &Document, change: ChangeHash, author: &dyn Fn(&ActorId) -> Author) -> Self {
        let mut inverse = Self {
            steps: Vec::new(),
            left: BTreeSet::new(),
        };
        let Some(target) = Target::of(document, change, author) else {
            return inverse;
        };
        let mut deck = false;
        let mut cards: BTreeSet<CardId> = BTreeSet::new();
        let mut text_fields: BTreeSet<(CardId, TextField)> = BTreeSet::new();
        for note in notes_of(document, &target.brought) {
            deck |= matches!(note, Note::DeckRename | Note::DeckField { .. });
            cards.extend(note.card().cloned());
            if let Note::CardText { card, field } = note {
                text_fields.insert((card, field));
            }
        }
        let (before, after) = ([target.before], [target.after]);
        if deck && let (Some(was), Some(left)) = (document.deck_at(&before), document.deck_at(&after)) {
            inverse.deck(&was, &left, &document.deck());
        }
        let mut texts = Texts::new(document, author);
        for card in cards {
            let (was, left) = (document.card_at(&before, &card), document.card_at(&after, &card));
            let (Some(left), Some(now)) = (left, document.card(&card)) else {
                continue;
            };
            match was {
                None => inverse.added(&left, &now),
                Some(was) => {
                    let fields = text_fields.iter().filter(|(of, _)| *of == card);
                    let mut part = Self {
                        steps: Vec::new(),
                        left: BTreeSet::new(),
                    };
                    part.card(&was, &left, &now);
                    for (_, field) in fields {
                        part.text(&mut texts, &target, &card, field);
                    }
                    inverse.take_in(part, &was, &left, &now);
                }
            }
        }
        inverse
    }

    fn op(&mut self, op: Op) {
        self.steps.push(Step::Op(op));
    }

    /// Decides on one value: put back where it stands as the change left it.
    fn value<T: PartialEq>(
        &mut self,
        of: Option<&CardId>,
        [was, left, now]: [T; 3],
        back: impl FnOnce(T) -> Step,
    ) {
        if was == left {
            return;
        }
        if now == left {
            self.steps.push(back(was));
        } else {
            self.left.insert(Left::Overtaken(of.cloned()));
        }
    }

    fn deck(&mut self, was: &DeckInfo, left: &DeckInfo, now: &DeckInfo) {
        let rename = |title, description| Step::Op(Op::DeckRename { title, description });
        self.value(None, [&was.title, &left.title, &now.title], |title| {
            rename(Some(title.clone()), None)
        });
        let descriptions = [&was.description, &left.description, &now.description];
        self.value(None, descriptions, |text| rename(None, Some(text.clone())));
        self.fields(None, [&was.fields, &left.fields, &now.fields], |name, value| {
            Op::DeckField { name, value }
        });
    }

    fn fields(
        &mut self,
        of: Option<&CardId>,
        fields: [&BTreeMap<String, FieldValue>; 3],
        back: impl Fn(String, Option<FieldValue>) -> Op,
    ) {
        for name in keys(&fields) {
            self.value(of, fields.map(|fields| fields.get(&name)), |value| {
                Step::Op(back(name.clone(), value.cloned()))
            });
        }
    }

    /// Taking back that a card was added deletes it; what others made of it since lies under its tombstone.
    fn added(&mut self, left: &Card, now: &Card) {
        let card = now.id.clone();
        match (left.deleted, now.deleted) {
            (true, _) => {}
            (false, true) => {
                self.left.insert(Left::Deleted(card));
            }
            (false, false) => self.op(Op::CardDelete { card }),
        }
    }

    /// What the change did to a card that was there before, save its texts and its tombstone.
    fn card(&mut self, was: &Card, left: &Card, now: &Card) {
        let card = || now.id.clone();
        let of = Some(&now.id);
        // Cards that stood in one place get places of their own when another moves there; a tombstone's shows nothing.
        let shows = !(was.deleted && left.deleted && now.deleted);
        if shows {
            let positions = [&was.position, &left.position, &now.position];
            self.value(of, positions, |position| Step::Stand {
                card: card(),
                position: position.clone(),
            });
        }
        for tag in was.tags.symmetric_difference(&left.tags) {
            let there = [was, left, now].map(|card| card.tags.contains(tag));
            self.value(of, there, |there| {
                let (card, tag) = (card(), tag.clone());
                Step::Op(if there {
                    Op::CardTag { card, tag }
                } else {
                    Op::CardUntag { card, tag }
                })
            });
        }
        let audio = [was, left, now].map(|card| &card.audio);
        for slot in keys(&audio) {
            self.value(of, audio.map(|audio| audio.get(&slot)), |audio| {
                let (card, slot) = (card(), slot.clone());
                Step::Op(match audio.cloned() {
                    Some(audio) => Op::AudioAttach { card, slot, audio },
                    None => Op::AudioDetach { card, slot },
                })
            });
        }
        let fields = [was, left, now].map(|card| &card.fields);
        self.fields(of, fields, |name, value| Op::CardField {
            card: card(),
            name,
            value,
        });
    }

    fn text(&mut self, texts: &mut Texts<'_>, target: &Target, card: &CardId, field: &TextField) {
        let Some(back) = texts.take_back(target, card, field) else {
            return;
        };
        if !back.is_whole {
            self.left.insert(Left::Overtaken(Some(card.clone())));
        }
        if !back.splices.is_empty() {
            self.op(Op::CardText {
                card: card.clone(),
                field: field.clone(),
                splices: back.splices,
            });
        }
    }

    /// Takes in what undoes the rest of a card's change, with what undoes its deletion or restoration. A card that
    /// was deleted *since* is left alone.
    fn take_in(&mut self, part: Self, was: &Card, left: &Card, now: &Card) {
        let card = now.id.clone();
        if now.deleted && !left.deleted {
            if was.deleted != left.deleted || !part.steps.is_empty() || !part.left.is_empty() {
                self.left.insert(Left::Deleted(card));
            }
            return;
        }
        self.left.extend(part.left);
        self.steps.extend(part.steps);
        self.value(
            Some(&now.id),
            [was.deleted, left.deleted, now.deleted],
            |deleted| {
                Step::Op(if deleted {
                    Op::CardDelete { card }
                } else {
                    Op::CardRestore { card }
                })
            },
        );
    }
}

/// All keys of three maps, each once.
fn keys<T>(maps: &[&BTreeMap<String, T>; 3]) -> BTreeSet<String> {
    maps.iter().flat_map(|map| map.keys().cloned()).collect()
}

fn notes_of(document: &Document, changes: &[ChangeHash]) -> Vec<Note> {
    let mut all = Vec::new();
    for change in changes {
        let meta = document.automerge().get_change_meta_by_hash(change);
        let message = meta.as_ref().and_then(|meta| meta.message.as_deref());
        if let Some(notes) = message.and_then(|message| Notes::parse(message).ok()) {
            all.extend(notes.as_slice().iter().cloned());
        }
    }
    all
}
