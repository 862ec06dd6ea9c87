//! Hostile changes, each refused by the rule that is meant for it, and the document unharmed; and honest ones, all admitted.

mod exchange;
mod form;
mod late;
mod meaning;
mod reversal;
mod sizes;
mod structure;
mod texts;

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Change, ChangeHash, ExpandedChange, ReadDoc, ScalarValue};

use super::*;
use crate::document::Edit;
use crate::document::tests::{actor, bits, genesis};
use crate::id::CardId;
use crate::op::OpError;

/// Two devices with one deck of two cards; the first is the editor and the second takes its changes.
pub(super) struct Pair {
    pub(super) editor: Document,
    pub(super) viewer: Document,
    pub(super) cards: Vec<CardId>,
    next_seq: u64,
}

pub(super) const EDITOR: u8 = 2;

impl Pair {
    pub(super) fn new() -> Self {
        let mut editor = genesis();
        let made = editor
            .commit(&actor(EDITOR), 1_000, &mut bits(), |edit| {
                edit.add_card("first", "ab")?;
                edit.add_card("second", "")
            })
            .unwrap();
        let mut viewer = genesis();
        let bytes = made.change.unwrap().bytes;
        viewer.restore_more([bytes.as_slice()]).unwrap();
        let cards = editor.cards().map(|card| card.id).collect();
        Self {
            editor,
            viewer,
            cards,
            next_seq: 2,
        }
    }

    /// The editor's next change, honest; the viewer does not have it yet.
    pub(super) fn change(&mut self, edit: impl FnOnce(&mut Edit<'_>) -> Result<(), OpError>) -> Vec<u8> {
        let mut working = self.editor.clone();
        let mut bits = bits();
        let mut ids = || bits().map(|byte| byte ^ 0xaa);
        working
            .commit(&actor(EDITOR), 2_000, &mut ids, edit)
            .unwrap()
            .change
            .unwrap()
            .bytes
    }

    pub(super) fn line(&self) -> Line {
        Line {
            actor: actor(EDITOR),
            next_seq: self.next_seq,
            previous: self.viewer.heads()[0],
        }
    }

    /// What the viewer's gate says of bytes that claim to be the editor's next change.
    pub(super) fn admit(&self, bytes: &[u8]) -> Result<Admitted, Refusal> {
        // Automerge's own reader panics on some of these.
        let read = std::panic::catch_unwind(|| Change::try_from(bytes).map(|change| change.hash()));
        let head = read.ok().and_then(Result::ok).unwrap_or(ChangeHash([0; 32]));
        admit(&self.viewer, &[segment(self.line(), vec![bytes])], head)
    }

    /// A title change, altered before it is sent.
    pub(super) fn altered(&mut self, alter: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
        let honest = self.change(|edit| edit.rename_deck("title"));
        alter_bytes(&honest, alter)
    }

    /// What the gate says of an altered title change, having looked that the viewer's document still works.
    pub(super) fn refusal(&mut self, alter: impl FnOnce(&mut ExpandedChange)) -> Refusal {
        let bytes = self.altered(alter);
        self.refused(&bytes)
    }

    pub(super) fn refused(&mut self, bytes: &[u8]) -> Refusal {
        let refusal = self.admit(bytes).map(|_| ()).unwrap_err();
        self.check_unharmed();
        refusal
    }

    /// The viewer can save, load, edit, and take the editor's honest next change.
    pub(super) fn check_unharmed(&mut self) {
        let heads = self.viewer.heads();
        let mut loaded =
            Document::restore_snapshot(self.viewer.genesis_hash(), &self.viewer.snapshot(), &heads).unwrap();
        loaded
            .commit(&actor(9), 0, &mut bits(), |edit| edit.rename_deck("still works"))
            .unwrap();
        let honest = self.change(|edit| edit.rename_deck("honest"));
        let admitted = self.admit(&honest).unwrap();
        self.viewer.clone().apply(admitted).unwrap();
    }

    /// The object at a path of keys.
    pub(super) fn object(&self, path: &[&str]) -> ObjectId {
        let mut id = automerge::ROOT;
        for key in path {
            id = self.viewer.automerge().get(&id, *key).unwrap().unwrap().1;
        }
        match id {
            automerge::ObjId::Root => ObjectId::Root,
            automerge::ObjId::Id(counter, actor, _) => ObjectId::Id(OpId(counter, actor)),
        }
    }

    /// A change with these operations and this message, well formed in every other way.
    pub(super) fn forged(&mut self, message: &str, operations: Vec<Op>) -> Vec<u8> {
        self.altered(|change| {
            change.operations = operations;
            change.message = Some(message.to_owned());
        })
    }
}

pub(super) fn alter_bytes(bytes: &[u8], alter: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
    let mut change = Change::try_from(bytes).unwrap().decode();
    alter(&mut change);
    Change::from(change).raw_bytes().to_vec()
}

pub(super) fn segment(line: Line, changes: Vec<&[u8]>) -> Segment<'_> {
    Segment {
        line,
        changes,
        kind: Kind::Term,
        accepts: BTreeMap::new(),
    }
}

pub(super) fn put(object: ObjectId, key: &str, value: impl Into<ScalarValue>) -> Op {
    on(object, key, OpType::Put(value.into()), vec![])
}

pub(super) fn on(object: ObjectId, key: &str, action: OpType, references: Vec<OpId>) -> Op {
    Op {
        action,
        obj: object,
        key: Key::Map(key.into()),
        pred: references.into(),
        insert: false,
    }
}

pub(super) fn some_actor(number: u8) -> ActorId {
    actor(number)
}
