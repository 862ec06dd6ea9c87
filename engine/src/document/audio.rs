//! Which audio a document names: now, once, and in changes that it does not hold.

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{Key, OpType};
use automerge::{ObjType, ReadDoc, ScalarValue, Value};

use super::Document;
use super::restored::own_change;
use crate::card::{AudioRef, Reader, key};
use crate::id::{BlobId, CardId, ChangeHash};

/// The name of the op that puts audio on a card: changes whose message does not hold it name none.
const ATTACH: &str = "audio.attach";

impl Document {
    /// The audio of one card, if it is not deleted.
    pub(crate) fn audio_of(&self, card: &CardId) -> Vec<AudioRef> {
        let reader = Reader::now(&self.automerge);
        let object = reader.card_object(card);
        let object = object.filter(|object| !reader.is_deleted(object));
        object.map(|object| reader.audio_on(&object)).unwrap_or_default()
    }

    /// The audio of every card that is not deleted and has any.
    pub(crate) fn audio_by_card(&self) -> Vec<(CardId, Vec<AudioRef>)> {
        let reader = Reader::now(&self.automerge);
        let cards = reader.card_objects().into_iter();
        let audio = cards.filter_map(|(card, object)| {
            let audio = reader.audio_on(&object);
            (!audio.is_empty() && !reader.is_deleted(&object)).then_some((card, audio))
        });
        audio.collect()
    }

    /// What cards that are not deleted name now, what is in conflict with that included: a person may still choose it.
    pub(crate) fn audio_now(&self) -> BTreeSet<BlobId> {
        let reader = Reader::now(&self.automerge);
        let mut named = BTreeSet::new();
        for (_, object) in reader.card_objects() {
            if reader.is_deleted(&object) {
                continue;
            }
            let Some(slots) = reader.object(&object, key::AUDIO, ObjType::Map) else {
                continue;
            };
            for slot in reader.keys(&slots) {
                let values = self.automerge.get_all(&slots, slot.as_str()).unwrap_or_default();
                let objects = values.into_iter().filter_map(|(value, id)| match value {
                    Value::Object(ObjType::Map) => Some(id),
                    _ => None,
                });
                named.extend(objects.filter_map(|object| Some(reader.audio_in(&object)?.blob)));
            }
        }
        named
    }

    /// What cards named at a point of the past, deleted ones too.
    fn audio_at(&self, heads: &[ChangeHash]) -> BTreeSet<BlobId> {
        let all = Reader::at(&self.automerge, heads).all_audio().into_iter();
        all.map(|audio| audio.blob).collect()
    }

    /// What was named at any time since a point of the past; since the beginning, where there is none.
    pub(crate) fn audio_since(&self, heads: &[ChangeHash]) -> BTreeSet<BlobId> {
        let mut named = self.audio_at(heads);
        for change in self.automerge.get_changes_meta(heads) {
            let names_some = change
                .message
                .as_deref()
                .is_some_and(|message| message.contains(ATTACH));
            if names_some && let Some(bytes) = self.change_bytes(&change.hash) {
                named.extend(audio_in_change(&bytes).keys());
            }
        }
        named
    }

    /// Before the last so many changes of these writers; `None` where they wrote none.
    pub(crate) fn before_last_of(
        &self,
        count: usize,
        is_theirs: impl Fn(&automerge::ActorId) -> bool,
    ) -> Option<Vec<ChangeHash>> {
        let changes = self.automerge.get_changes_meta(&[]);
        let theirs = changes.iter().rev().filter(|change| is_theirs(&change.actor));
        Some(theirs.take(count).last()?.deps.to_vec())
    }
}

/// What a change names that is held outside of the document, with the size that it says.
pub(crate) fn audio_in_change(bytes: &[u8]) -> BTreeMap<BlobId, u64> {
    let Some(change) = own_change(bytes) else {
        return BTreeMap::new();
    };
    if !change.message().is_some_and(|message| message.contains(ATTACH)) {
        return BTreeMap::new();
    }
    let (mut blobs, mut sizes) = (Vec::new(), BTreeMap::new());
    for op in change.decode().operations {
        let Key::Map(key) = &op.key else { continue };
        match &op.action {
            OpType::Put(ScalarValue::Str(text)) if key.as_str() == key::BLOB => {
                blobs.extend(text.parse::<BlobId>().map(|blob| (op.obj.to_string(), blob)));
            }
            OpType::Put(ScalarValue::Uint(size)) if key.as_str() == key::BYTES => {
                sizes.insert(op.obj.to_string(), *size);
            }
            _ => {}
        }
    }
    let named = blobs.into_iter();
    named
        .filter_map(|(object, blob)| Some((blob, *sizes.get(&object)?)))
        .collect()
}
