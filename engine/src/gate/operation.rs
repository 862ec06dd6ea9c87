//! What a change does, operation by operation, as it was read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use automerge::legacy::{ElementId, Key as LegacyKey, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Change, ExpandedChange};

use super::Refusal;

/// An operation's number, and which of the actors that its change names: 0 is the change's own, the others follow as it
/// lists them.
pub(super) type Mark = (u64, usize);

/// One operation. What it holds of the change's bytes is not copied.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operation<'a> {
    pub(super) action: OpType,
    /// On which object; `None` is the root.
    pub(super) object: Option<Mark>,
    pub(super) key: Key<'a>,
    pub(super) references: Vec<Mark>,
    pub(super) insert: bool,
}

/// Where in its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key<'a> {
    Map(Cow<'a, str>),
    /// Before all elements of a text.
    Head,
    Element(Mark),
}

/// The operations of a change that Automerge has decoded.
pub(super) fn decoded(change: &Change, expanded: ExpandedChange) -> Result<Vec<Operation<'static>>, Refusal> {
    let own = std::iter::once(change.actor_id());
    let actors = own.chain(change.other_actor_ids()).zip(0..).collect();
    let operations = expanded.operations.into_iter();
    let of = |op| {
        one(op, &actors).ok_or_else(|| Refusal::Unreadable {
            what: "an operation of an actor that is not listed".to_owned(),
        })
    };
    operations.map(of).collect()
}

fn one(op: Op, actors: &BTreeMap<&ActorId, usize>) -> Option<Operation<'static>> {
    let mark = |OpId(counter, actor): &OpId| Some((*counter, *actors.get(actor)?));
    let object = match &op.obj {
        ObjectId::Root => None,
        ObjectId::Id(id) => Some(mark(id)?),
    };
    let key = match &op.key {
        LegacyKey::Map(key) => Key::Map(Cow::Owned(key.to_string())),
        LegacyKey::Seq(ElementId::Head) => Key::Head,
        LegacyKey::Seq(ElementId::Id(id)) => Key::Element(mark(id)?),
    };
    Some(Operation {
        object,
        key,
        references: op.pred.iter().map(mark).collect::<Option<_>>()?,
        insert: op.insert,
        action: op.action,
    })
}
