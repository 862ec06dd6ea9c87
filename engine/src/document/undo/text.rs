//! Texts: taking back characters that were put in, and putting back those that were taken out.
//!
//! Automerge names every character, and a character that was taken out never comes back: putting it back makes a new
//! one. So that a change can be taken back behind an undo and a redo of a later one, a character that an undo put
//! back counts as the one it stands for. Which that is needs no record of its own: an undo puts characters back in
//! the order in which the change that it names took them out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use automerge::legacy::{ElementId, Key, ObjectId, OpId, OpType};
use automerge::{ActorId, ChangeHash, ObjId, ReadDoc};

use super::Author;
use super::inverse::Target;
use crate::card::{Reader, TextField};
use crate::document::Document;
use crate::id::CardId;
use crate::op::{Notes, Splice};

/// A character's or object's name: its number and its actor.
type Name = (u64, ActorId);

/// What takes back what a change did to a text.
pub(super) struct TextBack {
    pub(super) splices: Vec<Splice>,
    /// Whether that is all of it.
    pub(super) is_whole: bool,
}

/// What a change did to one text: the names of characters, in the order of its ops.
#[derive(Clone, Default)]
struct Effect {
    inserted: Vec<Name>,
    removed: Vec<Name>,
}

/// A change that takes another back.
#[derive(Clone, Copy)]
struct Reversed {
    /// The number of its last op.
    last_op: u64,
    change: ChangeHash,
    taken_back: ChangeHash,
}

/// The changes that take another back, by actor and by the number of their first op.
type AllReversed = BTreeMap<ActorId, BTreeMap<u64, Reversed>>;

/// The texts of a document, for the time of one undo.
pub(super) struct Texts<'a> {
    document: &'a Document,
    author: &'a dyn Fn(&ActorId) -> Author,
    reversed: AllReversed,
    /// For each undo and text: which character stands for which.
    put_back: BTreeMap<(ChangeHash, Name), BTreeMap<Name, Name>>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(document: &'a Document, author: &'a dyn Fn(&ActorId) -> Author) -> Self {
        Self {
            document,
            author,
            reversed: all_reversed(document),
            put_back: BTreeMap::new(),
        }
    }

    /// What takes back what a change did to a text, in the text as it is now; `None` if it did nothing.
    pub(super) fn take_back(
        &mut self,
        target: &Target,
        card: &CardId,
        field: &TextField,
    ) -> Option<TextBack> {
        let shown = |reader: &Reader<'_, _>| reader.text_object(&reader.card_object(card)?, field);
        let reader = Reader::now(self.document.automerge());
        let object = shown(&reader)?;
        let [before, after] =
            [target.before, target.after].map(|head| Reader::at(self.document.automerge(), &[head]));
        let (was, left) = (shown(&before), shown(&after));
        if left.as_ref() != Some(&object) || was.is_some_and(|was| was != object) {
            // Two began this text at a time, and another of the two shows: what shows is put back as a whole.
            let [was, left, now] = [before, after, reader].map(|reader| reader.field_text(card, field));
            return (was != left).then(|| TextBack {
                is_whole: now == left,
                splices: (now == left)
                    .then(|| Splice::between(&now, &was))
                    .flatten()
                    .into_iter()
                    .collect(),
            });
        }
        let text = name_of(&object)?;
        let effect = self.effect(target, &text);
        if effect.inserted.is_empty() && effect.removed.is_empty() {
            return None;
        }
        let before = self.elements(&object, Some(target.before));
        let now = self.elements(&object, None);
        let mut same = |names: &mut dyn Iterator<Item = &Name>| -> Vec<Name> {
            names.map(|name| self.stands_for(&text, name)).collect()
        };
        let inserted: BTreeSet<Name> = same(&mut effect.inserted.iter()).into_iter().collect();
        let removed = same(&mut effect.removed.iter());
        let before_names = same(&mut before.iter().map(|(name, _)| name));
        let now_names = same(&mut now.iter().map(|(name, _)| name));

        // A character that was there before the change is not of its making, even where it stands for one that is.
        let was_there: BTreeSet<&Name> = before.iter().map(|(name, _)| name).collect();
        let made: Vec<bool> = now
            .iter()
            .zip(&now_names)
            .map(|((name, _), stands_for)| inserted.contains(stands_for) && !was_there.contains(name))
            .collect();
        let mut writing = Writing::new(now_names);
        let made_count = writing.take_out(&made);
        let missing: Vec<Name> = removed
            .iter()
            .filter(|name| !writing.there.contains(*name))
            .cloned()
            .collect();
        let is_whole = missing.len() == removed.len() && made_count >= inserted.len();
        let back = Back {
            places: before_names
                .iter()
                .enumerate()
                .map(|(at, name)| (name, at))
                .collect(),
            names: &before_names,
            characters: before.iter().map(|(_, character)| *character).collect(),
        };
        for run in back.runs(&missing) {
            back.put(run, &mut writing);
        }
        Some(TextBack {
            splices: writing.splices,
            is_whole,
        })
    }

    /// The characters of a text that can be seen.
    fn elements(&self, text: &ObjId, at: Option<ChangeHash>) -> Vec<(Name, char)> {
        let automerge = self.document.automerge();
        let (names, content) = match at {
            None => (automerge.list_range(text, ..), Reader::now(automerge).text(text)),
            Some(head) => (
                automerge.list_range_at(text, .., &[head]),
                Reader::at(automerge, &[head]).text(text),
            ),
        };
        // The gate lets one character into an element, no more and no less.
        names
            .filter_map(|item| name_of(&item.id()))
            .zip(content.chars())
            .collect()
    }

    /// What a change did to a text. What it put in and took out again counts for nothing.
    fn effect(&self, target: &Target, text: &Name) -> Effect {
        let mut effect = self.raw_effect(&target.brought, text);
        if target.brought != [target.after] {
            // What came with a draft may have been taken out by the other line as well: then it did not take it out.
            let object = ObjId::Id(text.0, text.1.clone(), 0);
            let seen: BTreeSet<Name> = self
                .elements(&object, Some(target.before))
                .into_iter()
                .map(|(name, _)| name)
                .collect();
            effect.removed.retain(|name| seen.contains(name));
            effect.inserted.retain(|name| !seen.contains(name));
        }
        effect
    }

    fn raw_effect(&self, changes: &[ChangeHash], text: &Name) -> Effect {
        let of_text = ObjectId::Id(OpId(text.0, text.1.clone()));
        let (mut inserted, mut removed) = (Vec::new(), Vec::new());
        for hash in changes {
            let Some(change) = self.document.automerge().get_change_by_hash(hash) else {
                continue;
            };
            let change = change.decode();
            for (number, op) in (change.start_op.get()..).zip(&change.operations) {
                if op.obj != of_text {
                    continue;
                }
                match (&op.action, &op.key) {
                    (OpType::Put(_), _) if op.insert => inserted.push((number, change.actor_id.clone())),
                    (OpType::Delete, Key::Seq(ElementId::Id(OpId(counter, actor)))) => {
                        removed.push((*counter, actor.clone()));
                    }
                    _ => {}
                }
            }
        }
        let put_in: BTreeSet<Name> = inserted.iter().cloned().collect();
        let taken_out: BTreeSet<Name> = removed.iter().cloned().collect();
        let mut once = BTreeSet::new();
        removed.retain(|name| !put_in.contains(name) && once.insert(name.clone()));
        inserted.retain(|name| !taken_out.contains(name));
        Effect { inserted, removed }
    }

    /// The character that this one stands for: itself, unless an undo put it back.
    fn stands_for(&mut self, text: &Name, name: &Name) -> Name {
        let mut name = name.clone();
        loop {
            let undo = self
                .reversed
                .get(&name.1)
                .and_then(|undos| undos.range(..=name.0).next_back())
                .map(|(_, undo)| *undo)
                .filter(|undo| name.0 <= undo.last_op);
            let older = undo.and_then(|undo| {
                let key = (undo.change, text.clone());
                if !self.put_back.contains_key(&key) {
                    let put_back = self.put_back_by(undo, text);
                    self.put_back.insert(key.clone(), put_back);
                }
                self.put_back.get(&key)?.get(&name).cloned()
            });
            match older {
                // A lower number each time, so this comes to an end.
                Some(older) if older.0 < name.0 => name = older,
                _ => return name,
            }
        }
    }

    /// Which character an undo put back for which.
    fn put_back_by(&self, undo: Reversed, text: &Name) -> BTreeMap<Name, Name> {
        let effect = |change| Some(self.effect(&Target::of(self.document, change, self.author)?, text));
        let (Some(undo), Some(undone)) = (effect(undo.change), effect(undo.taken_back)) else {
            return BTreeMap::new();
        };
        if undo.inserted.len() != undone.removed.len() {
            // Not all of it was put back, so which is which is not known: each stands for itself.
            return BTreeMap::new();
        }
        undo.inserted.into_iter().zip(undone.removed).collect()
    }
}

/// A history has few of them.
fn all_reversed(document: &Document) -> AllReversed {
    let mut all = AllReversed::new();
    for change in document.automerge().get_changes_meta(&[]) {
        let Some(reversal) = change.message.as_deref().and_then(Notes::reversal_of) else {
            continue;
        };
        all.entry(change.actor.as_ref().clone()).or_default().insert(
            change.start_op,
            Reversed {
                last_op: change.max_op,
                change: change.hash,
                taken_back: reversal.change(),
            },
        );
    }
    all
}

fn name_of(id: &ObjId) -> Option<Name> {
    match id {
        ObjId::Root => None,
        ObjId::Id(counter, actor, _) => Some((*counter, actor.clone())),
    }
}

/// A text in the making.
struct Writing {
    names: Vec<Name>,
    there: BTreeSet<Name>,
    splices: Vec<Splice>,
}

impl Writing {
    fn new(names: Vec<Name>) -> Self {
        Self {
            there: names.iter().cloned().collect(),
            names,
            splices: Vec::new(),
        }
    }

    /// Takes out what is marked as gone; answers how many characters that were.
    fn take_out(&mut self, gone: &[bool]) -> usize {
        let mut deletions: Vec<Splice> = Vec::new();
        let mut kept = Vec::with_capacity(self.names.len());
        for ((at, name), gone) in std::mem::take(&mut self.names).into_iter().enumerate().zip(gone) {
            if !gone {
                kept.push(name);
                continue;
            }
            match deletions.last_mut() {
                Some(last) if last.at + last.delete == at => last.delete += 1,
                _ => deletions.push(Splice {
                    at,
                    delete: 1,
                    insert: String::new(),
                }),
            }
        }
        let count = deletions.iter().map(|deletion| deletion.delete).sum();
        // From the end, so that none moves what the next one counts.
        self.splices.extend(deletions.into_iter().rev());
        self.there = kept.iter().cloned().collect();
        self.names = kept;
        count
    }

    fn index_of(&self, name: &Name) -> Option<usize> {
        self.there
            .contains(name)
            .then(|| self.names.iter().position(|known| known == name))
            .flatten()
    }

    fn put_in(&mut self, at: usize, characters: Vec<(Name, char)>) {
        self.splices.push(Splice {
            at,
            delete: 0,
            insert: characters.iter().map(|(_, character)| *character).collect(),
        });
        self.there.extend(characters.iter().map(|(name, _)| name.clone()));
        let names = characters.into_iter().map(|(name, _)| name);
        self.names.splice(at..at, names);
    }
}

/// A text as it was before the change that is taken back.
struct Back<'a> {
    names: &'a [Name],
    characters: Vec<char>,
    places: BTreeMap<&'a Name, usize>,
}

impl Back<'_> {
    /// The places of characters in the text as it was, those that follow one another together.
    fn runs(&self, wanted: &[Name]) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for at in wanted.iter().filter_map(|name| self.places.get(name).copied()) {
            match runs.last_mut() {
                Some(run) if run.end == at => run.end += 1,
                _ => runs.push(at..at + 1),
            }
        }
        runs
    }

    /// Puts a run back beside the nearest character, to its left or right, that is still there.
    fn put(&self, run: Range<usize>, writing: &mut Writing) {
        let mut left = run.start.checked_sub(1);
        let mut right = run.end;
        let place = loop {
            let beside = |at: Option<usize>| at.and_then(|at| self.names.get(at));
            if let Some(at) = beside(left).and_then(|name| writing.index_of(name)) {
                break at + 1;
            }
            if let Some(at) = beside(Some(right)).and_then(|name| writing.index_of(name)) {
                break at;
            }
            if left.is_none() && right >= self.names.len() {
                break writing.names.len();
            }
            left = left.and_then(|left| left.checked_sub(1));
            right += 1;
        };
        let characters = run.filter_map(|at| Some((self.names.get(at)?.clone(), *self.characters.get(at)?)));
        writing.put_in(place, characters.collect());
    }
}
