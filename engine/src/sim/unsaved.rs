//! Watches that nothing leaves a simulated device before its disk has it, but what may: changes of a term that this run
//! opened, as no later run writes in that; not those that accept something.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use cuecard_store::{Batch, Operation};
use cuecard_transport::Lane;

use crate::core::own_log;
use crate::id::{DeckId, TermId};
use crate::sync::envelope;
use crate::sync::message::{DraftItem, Item, Message};

use super::device::ToLink;

/// What is on its way to a disk, and what left the device meanwhile.
#[derive(Default)]
pub(super) struct Unsaved {
    batches: VecDeque<Vec<Vec<u8>>>,
    /// Values that were durable before: they are put again when something beside them changes.
    values: BTreeSet<Vec<u8>>,
    /// What was sent too early.
    pub(super) sent: Vec<String>,
}

impl Unsaved {
    /// A batch is on its way to the disk.
    pub(super) fn begins(&mut self, batch: &Batch) {
        let bytes = |operation: &Operation| match operation {
            Operation::Append { bytes, .. } => Some(bytes.clone()),
            Operation::Put { value, .. } => Some(value.clone()),
            _ => None,
        };
        self.batches
            .push_back(batch.operations().iter().filter_map(bytes).collect());
    }

    /// The oldest batch is durable.
    pub(super) fn ends(&mut self) {
        self.values.extend(self.batches.pop_front().unwrap_or_default());
    }

    /// Power is cut: what was on its way is lost.
    pub(super) fn is_lost(&mut self) {
        self.batches.clear();
    }

    /// Looks whether anything that is about to leave is still on its way to the disk.
    /// `opened_here` says whether this run opened a term.
    pub(super) fn look_at(&mut self, to_links: &[ToLink], opened_here: &dyn Fn(DeckId, TermId) -> bool) {
        if self.batches.iter().all(Vec::is_empty) {
            return;
        }
        for (_, lane, bytes) in to_links {
            if *lane == Some(Lane::Control) {
                self.look_at_message(bytes, opened_here);
            }
        }
    }

    fn look_at_message(&mut self, bytes: &Bytes, opened_here: &dyn Fn(DeckId, TermId) -> bool) {
        let Ok(message) = envelope::open(bytes) else {
            return;
        };
        for (what, bytes) in parts(&message, opened_here) {
            let holds = |operation: &Vec<u8>| contains(operation, bytes);
            if self.batches.iter().flatten().any(holds) && !self.values.iter().any(holds) {
                self.sent.push(what.to_owned());
            }
        }
    }
}

/// What has to be durable of a message: records, and the ends of the slices of changes, as what lies between became durable
/// with them.
fn parts<'a>(
    message: &'a Message,
    opened_here: &dyn Fn(DeckId, TermId) -> bool,
) -> Vec<(&'static str, &'a [u8])> {
    match message {
        Message::Entries { deck, items } | Message::Branches { deck, items } => {
            let own = |term| opened_here(*deck, term);
            items.iter().flat_map(|item| of_item(item, &own)).collect()
        }
        Message::Propose { draft, .. } => of_draft(draft).collect(),
        Message::Withdraw { record, .. } => vec![("a withdrawal", record.as_slice())],
        Message::Lineage { terms, .. } => terms.iter().map(|term| ("a term", term.as_slice())).collect(),
        Message::NewKey {
            genesis,
            charters,
            keys,
            ..
        } => {
            let charters = charters.iter().map(|charter| ("a charter", charter.as_slice()));
            let others = [
                ("a genesis", genesis.as_slice()),
                ("wrapped keys", keys.as_slice()),
            ];
            charters.chain(others).collect()
        }
        _ => vec![],
    }
}

fn of_item<'a>(item: &'a Item, own: &dyn Fn(TermId) -> bool) -> Vec<(&'static str, &'a [u8])> {
    match item {
        Item::Genesis(bytes) => vec![("a genesis", bytes.as_slice())],
        Item::Charter(bytes) => vec![("a charter", bytes.as_slice())],
        Item::Term(bytes) => vec![("a term", bytes.as_slice())],
        Item::Admit(bytes) => vec![("an admission", bytes.as_slice())],
        Item::Seal(bytes) => vec![("a seal", bytes.as_slice())],
        Item::Draft(draft) => of_draft(draft).collect(),
        Item::Changes { term, changes, .. } if own(*term) => {
            let accepting = changes.iter().filter(|change| own_log::merges(change));
            accepting
                .map(|change| ("a change that accepts", change.as_slice()))
                .collect()
        }
        Item::Changes { changes, .. } => {
            let ends = [changes.first(), changes.last()];
            ends.into_iter()
                .flatten()
                .map(|change| ("a change", change.as_slice()))
                .collect()
        }
    }
}

fn of_draft(draft: &DraftItem) -> impl Iterator<Item = (&'static str, &[u8])> {
    let changes = draft
        .changes
        .iter()
        .map(|change| ("a draft's change", change.as_slice()));
    std::iter::once(("a draft", draft.record.as_slice())).chain(changes)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.len() <= bytes.len() && bytes.windows(part.len().max(1)).any(|window| window == part)
}
