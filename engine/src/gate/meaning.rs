//! Meaning: what each operation does in terms of the schema, and whether the message says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use automerge::legacy::OpType;
use automerge::{Change, ChangeHash, ObjId, ObjType, Prop, ReadDoc, ScalarValue};

use super::Refusal;
use super::left::{Left, Target};
use super::lines::{At, Past};
use super::names::{Actors, Name};
use super::operation::{Key, Mark, Operation};
use super::places::Learned;
use super::schema::{Lacking, Place, meant, parts_of, place_of};
use crate::card::key;
use crate::document::Document;
use crate::id::CardId;
use crate::limits::{CARD_TEXTS_MAX, DECK_CARDS_MAX, TEXT_BYTES_MAX};
use crate::op::{Note, Notes};

struct Made {
    at: At,
    place: Rc<Place>,
}

/// The elements of a text that can be seen from certain heads.
type Elements = BTreeMap<(Name, Vec<ChangeHash>), BTreeSet<Name>>;

/// What a batch has meant so far.
pub(super) struct Meaning<'a> {
    document: &'a Document,
    heads: Vec<ChangeHash>,
    actors: Actors,
    keys: HashMap<String, usize>,
    made: BTreeMap<Name, Made>,
    left: Left,
    elements: Elements,
    places: BTreeMap<Name, Rc<Place>>,
    /// Those of them that the document did not remember.
    asked: Vec<Name>,
    cards_made: BTreeMap<CardId, Vec<At>>,
    /// The further texts that the batch began, by the map that they are in.
    texts_made: BTreeMap<Name, Vec<(String, At)>>,
    /// For each text: characters put in, characters taken out.
    texts: BTreeMap<Name, (usize, usize)>,
}

/// What one change has meant so far.
struct Step<'c> {
    at: At,
    past: &'c Past,
    /// The actors that it names, by their numbers in this batch.
    actors: Vec<u32>,
    did: BTreeSet<Note>,
    lacking: Lacking,
    cards: BTreeSet<CardId>,
}

impl<'a> Meaning<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        Self {
            document,
            heads: document.heads(),
            actors: Actors::default(),
            keys: HashMap::new(),
            made: BTreeMap::new(),
            left: Left::default(),
            elements: BTreeMap::new(),
            places: BTreeMap::new(),
            asked: Vec::new(),
            cards_made: BTreeMap::new(),
            texts_made: BTreeMap::new(),
            texts: BTreeMap::new(),
        }
    }

    /// Checks the operations of one change, and its message against them.
    pub(super) fn check(
        &mut self,
        change: &Change,
        operations: &[Operation<'_>],
        notes: &Notes,
        past: &Past,
        at: At,
    ) -> Result<(), Refusal> {
        let own = std::iter::once(change.actor_id());
        let actors = own.chain(change.other_actor_ids());
        let mut step = Step {
            at,
            past,
            actors: actors.map(|actor| self.actors.number(actor)).collect(),
            did: BTreeSet::new(),
            lacking: Lacking::new(),
            cards: BTreeSet::new(),
        };
        for (number, operation) in (change.start_op().get()..).zip(operations) {
            let unknown = Refusal::UnknownReference { op: number };
            let name = step.name((number, 0)).ok_or(unknown)?;
            self.op(&mut step, operation, name)?;
        }
        if step.lacking.values().any(|parts| !parts.is_empty()) {
            return Err(Refusal::Incomplete);
        }
        // A new card's texts and position are part of adding it; saying so again is neither needed nor wrong.
        let implied = |note: &Note| match note {
            Note::CardText { card, .. } | Note::CardMove { card } => step.cards.contains(card),
            _ => false,
        };
        #[cfg(feature = "sim")]
        if crate::sim::is_broken(crate::sim::Rule::MessagesAreTrue) {
            return Ok(());
        }
        let said = notes.as_slice().iter();
        let said: BTreeSet<&Note> = said.filter(|note| !note.is_verdict() && !implied(note)).collect();
        if said.into_iter().eq(step.did.iter().filter(|note| !implied(note))) {
            Ok(())
        } else {
            Err(Refusal::MessageLies)
        }
    }

    /// The limits that depend on all of the batch together.
    pub(super) fn check_sizes(&self) -> Result<(), Refusal> {
        if self.document.card_count() + self.cards_made.len() > DECK_CARDS_MAX {
            return Err(Refusal::TooManyCards);
        }
        for (text, (inserted, deleted)) in &self.texts {
            let present = match self.made.contains_key(text) {
                true => 0,
                false => self.document.automerge().length(self.actors.object_id(*text)),
            };
            // A byte is a character at least, so what its author could make within the limit in bytes is within this one.
            if *inserted > 0 && (present + inserted).saturating_sub(*deleted) > TEXT_BYTES_MAX {
                return Err(Refusal::TextTooLong);
            }
        }
        Ok(())
    }

    /// The places that this batch asked for and made.
    pub(super) fn learned(self) -> Learned {
        let asked = self
            .asked
            .iter()
            .filter_map(|object| Some((*object, self.places.get(object)?)));
        let made = self.made.iter().map(|(object, made)| (*object, &made.place));
        let all = asked.chain(made);
        let full = all.filter_map(|(object, place)| Some((self.actors.full(object)?, Place::clone(place))));
        Learned(full.collect())
    }

    fn op(&mut self, step: &mut Step<'_>, op: &Operation<'_>, name: Name) -> Result<(), Refusal> {
        let schema = |what: &'static str| Refusal::Schema {
            op: name.counter,
            what,
        };
        let unknown = || Refusal::UnknownReference { op: name.counter };
        let no_object = || Refusal::UnknownObject { op: name.counter };
        let object = match op.object {
            None => None,
            Some(object) => Some(step.name(object).ok_or_else(no_object)?),
        };
        let place = match object {
            None => Rc::new(Place::Root),
            Some(object) => {
                let place = self.place(step, object);
                #[cfg(feature = "sim")]
                let place = place.or_else(|| {
                    crate::sim::is_broken(crate::sim::Rule::ObjectsAreInThePast).then(|| Rc::new(Place::Deck))
                });
                place.ok_or_else(no_object)?
            }
        };
        let references = op.references.iter().map(|mark| step.name(*mark));
        let references: Vec<Name> = references.collect::<Option<_>>().ok_or_else(unknown)?;
        if references.windows(2).any(|pair| pair.first() == pair.last())
            || references
                .iter()
                .any(|reference| reference.counter >= name.counter)
            || (matches!(op.action, OpType::Delete) && references.is_empty())
        {
            return Err(unknown());
        }
        if let (Place::Text(card, field), Some(text)) = (&*place, object) {
            self.text(step, op, name, text, &references)?;
            step.did.insert(Note::CardText {
                card: card.clone(),
                field: field.clone(),
            });
            return Ok(());
        }
        let Key::Map(map_key) = &op.key else {
            return Err(schema("a list where a map is"));
        };
        let map_key: &str = map_key;
        if op.insert {
            return Err(schema("an insertion into a map"));
        }
        for reference in &references {
            if !self.is_left(step, *reference, object, map_key) {
                return Err(unknown());
            }
        }
        let made = matches!(op.action, OpType::Make(_));
        if made && !references.is_empty() && !matches!(*place, Place::Audio(_)) {
            return Err(schema("something made in another's place"));
        }
        let fresh = match (&op.action, object) {
            (OpType::Make(ObjType::Map), _) if *place == Place::Cards => {
                Some(self.card(step, map_key, name)?)
            }
            (OpType::Make(ObjType::Text), Some(texts)) if matches!(*place, Place::Texts(_)) => {
                self.begin_text(step, texts, map_key).map_err(schema)?;
                None
            }
            _ => None,
        };
        let (note, new_place) = match fresh {
            Some(card) => (
                Some(Note::CardAdd { card: card.clone() }),
                Some(Place::Card(card)),
            ),
            None => {
                let meant = meant(&mut step.lacking, &place, object, map_key, &op.action);
                #[cfg(feature = "sim")]
                let meant = match crate::sim::is_broken(crate::sim::Rule::KeysAreTheSchemas) {
                    true => Ok(meant.unwrap_or_default()),
                    false => meant,
                };
                meant.map_err(schema)?
            }
        };
        step.did.extend(note);
        if let Some(new_place) = new_place {
            if let Some(parts) = parts_of(&new_place) {
                step.lacking.insert(name, parts);
            }
            let place = Rc::new(new_place);
            self.made.insert(name, Made { at: step.at, place });
        }
        if let (Some(object), false) = (object, matches!(op.action, OpType::Delete)) {
            let target = Target::Key(object, self.key_number(map_key));
            self.left.insert(name, step.at, target);
        }
        Ok(())
    }

    /// A new card: its id is one, and its past has no card of that id. (Elsewhere there may be one; 80 random bits make that a hostile
    /// device's doing, and Automerge then shows one of the two everywhere.)
    fn card(&mut self, step: &mut Step<'_>, map_key: &str, name: Name) -> Result<CardId, Refusal> {
        let schema = |what: &'static str| Refusal::Schema {
            op: name.counter,
            what,
        };
        let card: CardId = map_key.parse().map_err(|_| schema("a card's id that is none"))?;
        let cards = self
            .document
            .automerge()
            .get(automerge::ROOT, key::CARDS)
            .ok()
            .flatten()
            .ok_or(Refusal::UnknownObject { op: name.counter })?;
        let made_before = self
            .cards_made
            .get(&card)
            .is_some_and(|places| places.iter().any(|at| step.past.sees(*at)));
        if made_before || !self.values_at(step.past, &cards.1, map_key).is_empty() {
            return Err(schema("a card in another's place"));
        }
        self.cards_made.entry(card.clone()).or_default().push(step.at);
        step.cards.insert(card.clone());
        Ok(card)
    }

    /// A further text: its past has none of that name, and not too many others. (Elsewhere one may begin at the same time;
    /// Automerge then shows one of the two everywhere, and both are kept.)
    fn begin_text(&mut self, step: &Step<'_>, texts: Name, map_key: &str) -> Result<(), &'static str> {
        let mut names: BTreeSet<String> = match self.made.contains_key(&texts) {
            true => BTreeSet::new(),
            false => {
                let (automerge, texts) = (self.document.automerge(), self.actors.object_id(texts));
                match self.is_now(step.past) {
                    true => automerge.keys(&texts).collect(),
                    false => automerge.keys_at(&texts, step.past.heads()).collect(),
                }
            }
        };
        let made = self.texts_made.entry(texts).or_default();
        let seen = made.iter().filter(|(_, at)| step.past.sees(*at));
        names.extend(seen.map(|(name, _)| name.clone()));
        if names.contains(map_key) {
            return Err("a text in another's place");
        }
        if names.len() >= CARD_TEXTS_MAX {
            return Err("more texts than a card can have");
        }
        made.push((map_key.to_owned(), step.at));
        Ok(())
    }

    /// An operation on a text: one character put in behind another, or one taken out.
    fn text(
        &mut self,
        step: &Step<'_>,
        op: &Operation<'_>,
        name: Name,
        text: Name,
        references: &[Name],
    ) -> Result<(), Refusal> {
        let schema = |what: &'static str| Refusal::Schema {
            op: name.counter,
            what,
        };
        let unknown = Refusal::UnknownReference { op: name.counter };
        let element = match op.key {
            Key::Map(_) => return Err(schema("a key where a text is")),
            Key::Head => None,
            Key::Element(mark) => match step.name(mark) {
                Some(element) => Some(element),
                None => return Err(unknown),
            },
        };
        if let Some(element) = element
            && (element.counter >= name.counter || !self.has_element(step, text, element))
        {
            return Err(unknown);
        }
        let sizes = self.texts.entry(text).or_default();
        match (&op.action, op.insert) {
            (OpType::Put(ScalarValue::Str(content)), true) => {
                if content.chars().count() != 1 {
                    return Err(schema("not one character"));
                }
                if !references.is_empty() {
                    return Err(unknown);
                }
                sizes.0 += 1;
                self.left.insert(name, step.at, Target::Element(text));
                Ok(())
            }
            (OpType::Delete, false) => {
                // Nothing is ever put over a character, so the character is all there is to take out.
                if element.is_none() || references != element.as_slice() {
                    return Err(unknown);
                }
                sizes.1 += 1;
                Ok(())
            }
            _ => Err(schema("neither a character put in nor one taken out")),
        }
    }

    fn place(&mut self, step: &Step<'_>, object: Name) -> Option<Rc<Place>> {
        if let Some(made) = self.made.get(&object) {
            return step.past.sees(made.at).then(|| Rc::clone(&made.place));
        }
        let place = match self.places.get(&object) {
            Some(place) => Rc::clone(place),
            None => {
                let place = Rc::new(self.place_in_document(object)?);
                self.places.insert(object, Rc::clone(&place));
                place
            }
        };
        if self.is_now(step.past) {
            return Some(place);
        }
        // The document may know more than this change's past. What the gate lets in is never replaced, save audio, so it can be seen from
        // wherever it is in the past.
        let id = self.actors.object_id(object);
        let parent = self.document.automerge().parents(&id).ok()?.next()?;
        let Prop::Map(map_key) = parent.prop else {
            return None;
        };
        self.values_at(step.past, &parent.obj, &map_key)
            .contains(&object)
            .then_some(place)
    }

    fn place_in_document(&mut self, object: Name) -> Option<Place> {
        if let Some(place) = self.document.places().get(&self.actors.full(object)?) {
            return Some(place.clone());
        }
        let (automerge, id) = (self.document.automerge(), self.actors.object_id(object));
        let kind = automerge.object_type(&id).ok()?;
        let path = automerge.parents(&id).ok()?.path();
        let keys: Option<Vec<String>> = path
            .into_iter()
            .map(|(_, prop)| match prop {
                Prop::Map(key) => Some(key),
                Prop::Seq(_) => None,
            })
            .collect();
        let place = place_of(&keys?, kind)?;
        self.asked.push(object);
        Some(place)
    }

    fn is_now(&self, past: &Past) -> bool {
        self.heads.iter().all(|head| past.heads().contains(head))
    }

    /// The operations whose values can be seen at a key.
    fn values_at(&mut self, past: &Past, object: &ObjId, map_key: &str) -> Vec<Name> {
        let automerge = self.document.automerge();
        let values = match self.is_now(past) {
            true => automerge.get_all(object, map_key),
            false => automerge.get_all_at(object, map_key, past.heads()),
        };
        let values = values.unwrap_or_default().into_iter();
        values.filter_map(|(_, id)| self.actors.name_of(&id)).collect()
    }

    /// Whether a reference is to something that the past left at this key.
    fn is_left(&mut self, step: &Step<'_>, reference: Name, object: Option<Name>, map_key: &str) -> bool {
        let Some(object) = object else { return false };
        if let Some((at, target)) = self.left.get(reference) {
            let key = self.keys.get(map_key);
            let here = key.is_some_and(|key| target == Target::Key(object, *key));
            return here && step.past.sees(at);
        }
        // An object of this batch has nothing that the batch did not put there.
        if self.made.contains_key(&object) {
            return false;
        }
        let id = self.actors.object_id(object);
        self.values_at(step.past, &id, map_key).contains(&reference)
    }

    fn has_element(&mut self, step: &Step<'_>, text: Name, element: Name) -> bool {
        if let Some((at, target)) = self.left.get(element) {
            return target == Target::Element(text) && step.past.sees(at);
        }
        if self.made.contains_key(&text) {
            return false;
        }
        let now = self.is_now(step.past);
        let heads = if now {
            Vec::new()
        } else {
            step.past.heads().to_vec()
        };
        let (automerge, actors) = (self.document.automerge(), &mut self.actors);
        let place = (text, heads);
        // Each draft of a batch may have begun elsewhere, and what it sees of a text is as long as the text.
        if !self.elements.contains_key(&place) {
            self.elements.retain(|(_, heads), _| *heads == place.1);
        }
        // All at once: asking Automerge for one element panics where the element is another object's.
        let seen = self.elements.entry(place).or_insert_with(|| {
            let text = actors.object_id(text);
            let range = match now {
                true => automerge.list_range(text, ..),
                false => automerge.list_range_at(text, .., step.past.heads()),
            };
            range.filter_map(|item| actors.name_of(&item.id())).collect()
        });
        seen.contains(&element)
    }

    fn key_number(&mut self, key: &str) -> usize {
        if let Some(number) = self.keys.get(key) {
            return *number;
        }
        let number = self.keys.len();
        self.keys.insert(key.to_owned(), number);
        number
    }
}

impl Step<'_> {
    fn name(&self, (counter, actor): Mark) -> Option<Name> {
        let actor = *self.actors.get(actor)?;
        Some(Name { counter, actor })
    }
}
