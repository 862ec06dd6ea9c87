//! Who wrote what of a card: for each run of characters and each value that shows, the entry that put it there.
//!
//! Automerge names each character and value by the operation that made it, and finds the change of an operation by its
//! number, so this costs what the card holds and not what its history is long. A character that an undo put back is of
//! that undo.

use std::collections::BTreeMap;

use automerge::{ActorId, Automerge, ObjId, ObjType, ReadDoc};

use super::{Origin, Writer};
use crate::card::{Reader, TextField, key};
use crate::document::Document;
use crate::id::{CardId, ChangeHash};

/// Who wrote what of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blame {
    /// The card.
    pub card: CardId,
    /// Who added it.
    pub added: Origin,
    /// Who deleted it, if it is deleted.
    pub deleted: Option<Origin>,
    /// Who put it where it stands.
    pub position: Option<Origin>,
    /// Its texts in runs, from the first character to the last.
    pub texts: BTreeMap<TextField, Vec<Run>>,
    /// Who put on each of its tags.
    pub tags: BTreeMap<String, Origin>,
    /// Who attached what is in each slot.
    pub audio: BTreeMap<String, Origin>,
    /// Who set each of its free fields.
    pub fields: BTreeMap<String, Origin>,
}

/// Characters side by side that one entry put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The characters.
    pub text: String,
    /// Who put them there.
    pub origin: Origin,
}

/// Who wrote what of a card as it was at `heads`, or as it is now; `None` if there is no such card then.
pub fn blame(
    document: &Document,
    heads: Option<&[ChangeHash]>,
    card: &CardId,
    resolve: impl Fn(&ActorId) -> Option<Writer>,
) -> Option<Blame> {
    let automerge = document.automerge();
    let mut search = Search {
        automerge,
        reader: heads.map_or_else(|| Reader::now(automerge), |heads| Reader::at(automerge, heads)),
        heads,
        resolve: &resolve,
        known: BTreeMap::new(),
    };
    let object = search.reader.card_object(card)?;
    let mut texts = BTreeMap::new();
    let further = search
        .reader
        .text_names(&object)
        .into_iter()
        .map(TextField::Named);
    for field in [TextField::Front, TextField::Back].into_iter().chain(further) {
        let Some(text) = search.reader.text_object(&object, &field) else {
            continue;
        };
        let runs = search.runs(&text);
        // An empty further text is as good as none.
        if !(runs.is_empty() && matches!(field, TextField::Named(_))) {
            texts.insert(field, runs);
        }
    }
    Some(Blame {
        card: card.clone(),
        added: search.origin(&object)?,
        deleted: search.value(&object, key::DELETED),
        position: search.value(&object, key::POSITION),
        texts,
        tags: search.below(&object, key::TAGS),
        audio: search.below(&object, key::AUDIO),
        fields: search.below(&object, key::FIELDS),
    })
}

struct Search<'a, F> {
    automerge: &'a Automerge,
    reader: Reader<'a, Automerge>,
    heads: Option<&'a [ChangeHash]>,
    resolve: &'a F,
    /// One change writes many characters.
    known: BTreeMap<ChangeHash, Origin>,
}

impl<F: Fn(&ActorId) -> Option<Writer>> Search<'_, F> {
    fn origin(&mut self, written: &ObjId) -> Option<Origin> {
        let entry = self.automerge.hash_for_opid(written)?;
        if let Some(known) = self.known.get(&entry) {
            return Some(known.clone());
        }
        let origin = Origin::of(self.automerge, entry, self.resolve)?;
        self.known.insert(entry, origin.clone());
        Some(origin)
    }

    fn value(&mut self, object: &ObjId, name: &str) -> Option<Origin> {
        let written = self.reader.written(object, name)?;
        self.origin(&written)
    }

    fn below(&mut self, owner: &ObjId, map: &str) -> BTreeMap<String, Origin> {
        let Some(object) = self.reader.object(owner, map, ObjType::Map) else {
            return BTreeMap::new();
        };
        let names = self.reader.keys(&object);
        names
            .into_iter()
            .filter_map(|name| Some((name.clone(), self.value(&object, &name)?)))
            .collect()
    }

    fn runs(&mut self, text: &ObjId) -> Vec<Run> {
        let content = self.reader.text(text);
        let elements = match self.heads {
            None => self.automerge.list_range(text, ..),
            Some(heads) => self.automerge.list_range_at(text, .., heads),
        };
        // The gate lets one character into an element, no more and no less.
        let written: Vec<ObjId> = elements.map(|element| element.id()).collect();
        let mut runs: Vec<Run> = Vec::new();
        for (character, written) in content.chars().zip(&written) {
            let Some(origin) = self.origin(written) else {
                continue;
            };
            match runs.last_mut() {
                Some(last) if last.origin.entry == origin.entry => last.text.push(character),
                _ => runs.push(Run {
                    text: character.to_string(),
                    origin,
                }),
            }
        }
        runs
    }
}
