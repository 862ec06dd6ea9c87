//! Changes that no honest engine makes, in every other way as they should be: signed, sealed, spelled as Automerge spells them.
//! One rule of the gate is all that stands in their way. And the look at a deck, or a draft, that finds such a change in it, by
//! what other tools read.

use std::collections::BTreeSet;

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, AutoCommit, Change, ExpandedChange, ObjId, ObjType, ReadDoc, ScalarValue, Value};
use cuecard::ChangeHash;
use cuecard::card::FieldValue;
use cuecard::document::{Document, NewChange};
use cuecard::op::OpError;

/// What is wrong with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It puts something where a deck has nothing.
    Key,
    /// It is on an object that its past has not.
    Object,
    /// It says that it did something else.
    Message,
}

pub(crate) const FAULTS: [Fault; 3] = [Fault::Key, Fault::Object, Fault::Message];

/// The next change of a line, with a fault.
pub(crate) fn forge(line: &Document, actor: &ActorId, number: u64, fault: Fault) -> Option<NewChange> {
    let commit = |edit: fn(&mut cuecard::document::Edit<'_>, &str) -> Result<(), OpError>| {
        let mut branch = line.fork_at(*line.heads().first()?).ok()?;
        let text = format!("mallory's {number}");
        let made = branch.commit(actor, 1_750_000_000_000, &mut || [number as u8; 10], |working| {
            edit(working, &text)
        });
        made.ok()?.change
    };
    let honest = commit(|edit, title| edit.rename_deck(title))?;
    let mut change = Change::try_from(honest.bytes.as_slice()).ok()?.decode();
    let renamed = change.operations.first()?.clone();
    let put = |object: ObjectId, key: &str| Op {
        action: OpType::Put("mallory".into()),
        obj: object,
        key: Key::Map(key.into()),
        pred: vec![].into(),
        insert: false,
    };
    match fault {
        Fault::Key => {
            // Beside the title, or beside the deck itself.
            let place = [ObjectId::Root, renamed.obj][number as usize % 2].clone();
            change.operations.push(put(place, "mallory"));
        }
        Fault::Object => {
            // That of its own first operation, which makes none.
            let nothing = OpId(change.start_op.get(), actor.clone());
            change.operations.push(put(ObjectId::Id(nothing), "title"));
        }
        Fault::Message => {
            let other = commit(|edit, name| edit.set_deck_field(name, Some(FieldValue::Bool(true))))?;
            let other = Change::try_from(other.bytes.as_slice()).ok()?;
            change.message = other.message().map(str::to_owned);
        }
    }
    let change = Change::from(change);
    Some(NewChange {
        hash: ChangeHash(change.hash().0),
        bytes: change.raw_bytes().to_vec(),
        ..honest
    })
}

/// What of a document is no deck: something where the schema has nothing or something else, or a message that lies. A draft may
/// have begun before the deck had its title.
pub(crate) fn what_is_no_deck(document: &Document, is_draft: bool) -> Option<String> {
    match AutoCommit::load(&document.for_other_tools()) {
        Ok(mut document) => what_is_a_lie(&mut document).or_else(|| Reader(document).root(is_draft).err()),
        Err(error) => Some(format!("it cannot be loaded: {error}")),
    }
}

/// A change whose message does not say that it names the deck, or says so where it does not; or an operation on what no change
/// has made.
fn what_is_a_lie(document: &mut AutoCommit) -> Option<String> {
    let changes: Vec<ExpandedChange> = document.get_changes(&[]).iter().map(Change::decode).collect();
    let mut made = BTreeSet::new();
    for (number, change) in changes.iter().enumerate() {
        let mut names = false;
        for (counter, op) in (change.start_op.get()..).zip(&change.operations) {
            if let ObjectId::Id(OpId(counter, actor)) = &op.obj
                && !made.contains(&(*counter, actor.clone()))
            {
                return Some(format!("{:?} is on what nobody has made", change.hash));
            }
            if matches!(op.action, OpType::Make(_)) {
                made.insert((counter, change.actor_id.clone()));
            }
            names |= matches!(&op.key, Key::Map(key) if ["title", "description"].contains(&key.as_str()));
        }
        let message = change.message.as_deref().unwrap_or_default();
        // The first one makes all that a deck has.
        if number > 0 && message.contains("\"deck.rename\"") != names {
            return Some(format!("{message} is what {:?} says", change.hash));
        }
    }
    None
}

struct Reader(AutoCommit);

impl Reader {
    fn root(&self, is_draft: bool) -> Result<(), String> {
        self.keys(&automerge::ROOT, &["deck", "cards"], &[])?;
        let deck = self.object(&automerge::ROOT, "deck", ObjType::Map)?;
        match is_draft {
            true => self.keys(&deck, &["fields"], &["title", "description"])?,
            false => self.keys(&deck, &["title", "fields"], &["description"])?,
        }
        for key in self.0.keys(&deck).filter(|key| key != "fields") {
            self.scalar(&deck, &key, |value| matches!(value, ScalarValue::Str(_)))?;
        }
        self.fields(&deck)?;
        let cards = self.object(&automerge::ROOT, "cards", ObjType::Map)?;
        let ids: Vec<String> = self.0.keys(&cards).collect();
        ids.iter().try_for_each(|id| self.card(&cards, id))
    }

    fn card(&self, cards: &ObjId, id: &str) -> Result<(), String> {
        let card = self.object(cards, id, ObjType::Map)?;
        let parts = ["front", "back", "texts", "position", "tags", "audio", "fields"];
        self.keys(&card, &parts, &["deleted"])?;
        for text in ["front", "back"] {
            self.object(&card, text, ObjType::Text)?;
        }
        let texts = self.object(&card, "texts", ObjType::Map)?;
        for text in self.0.keys(&texts) {
            self.object(&texts, &text, ObjType::Text)?;
        }
        self.scalar(&card, "position", |value| matches!(value, ScalarValue::Str(_)))?;
        let is_true = |value: &ScalarValue| *value == ScalarValue::Boolean(true);
        if self.0.keys(&card).any(|key| key == "deleted") {
            self.scalar(&card, "deleted", is_true)?;
        }
        let tags = self.object(&card, "tags", ObjType::Map)?;
        for tag in self.0.keys(&tags) {
            self.scalar(&tags, &tag, is_true)?;
        }
        let audio = self.object(&card, "audio", ObjType::Map)?;
        for slot in self.0.keys(&audio) {
            let slot = self.object(&audio, &slot, ObjType::Map)?;
            self.keys(&slot, &["blob", "mime", "bytes", "duration_ms", "name"], &[])?;
            for key in ["blob", "mime", "name"] {
                self.scalar(&slot, key, |value| matches!(value, ScalarValue::Str(_)))?;
            }
            for key in ["bytes", "duration_ms"] {
                self.scalar(&slot, key, |value| matches!(value, ScalarValue::Uint(_)))?;
            }
        }
        self.fields(&card)
    }

    fn fields(&self, of: &ObjId) -> Result<(), String> {
        let fields = self.object(of, "fields", ObjType::Map)?;
        let is_field = |value: &ScalarValue| {
            use ScalarValue::{Boolean, F64, Int, Str};
            matches!(value, Str(_) | Int(_) | F64(_) | Boolean(_))
        };
        let mut names = self.0.keys(&fields);
        names.try_for_each(|name| self.scalar(&fields, &name, is_field))
    }

    fn keys(&self, object: &ObjId, required: &[&str], further: &[&str]) -> Result<(), String> {
        let has: BTreeSet<String> = self.0.keys(object).collect();
        let all = has
            .iter()
            .all(|key| [required, further].concat().contains(&key.as_str()));
        match all && required.iter().all(|key| has.contains(*key)) {
            true => Ok(()),
            false => Err(format!("{has:?} where {required:?} are")),
        }
    }

    /// What is there, however many put something there at the same time.
    fn values(&self, object: &ObjId, key: &str) -> Result<Vec<(Value<'_>, ObjId)>, String> {
        let values = self.0.get_all(object, key).map_err(|error| error.to_string())?;
        match values.is_empty() {
            true => Err(format!("no {key}")),
            false => Ok(values),
        }
    }

    fn object(&self, of: &ObjId, key: &str, kind: ObjType) -> Result<ObjId, String> {
        let mut values = self.values(of, key)?;
        let is_it = |value: &(Value<'_>, ObjId)| value.0 == Value::Object(kind);
        match values.iter().all(is_it) {
            true => Ok(values.remove(0).1),
            false => Err(format!("{values:?} as {key}")),
        }
    }

    fn scalar(&self, of: &ObjId, key: &str, fits: impl Fn(&ScalarValue) -> bool) -> Result<(), String> {
        let values = self.values(of, key)?;
        let is_it = |value: &(Value<'_>, ObjId)| value.0.as_scalar().is_some_and(&fits);
        match values.iter().all(is_it) {
            true => Ok(()),
            false => Err(format!("{values:?} as {key}")),
        }
    }
}
