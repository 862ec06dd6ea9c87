//! Names of operations while a batch is checked: short enough to be compared, hashed and kept by the ten thousand.

use std::collections::BTreeMap;

use automerge::{ActorId, ObjId};

use super::places::FullName;

/// An operation's name: its number, and its actor by the number that [`Actors`] gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name {
    pub(super) counter: u64,
    pub(super) actor: u32,
}

/// The actors that a batch names.
#[derive(Debug, Default)]
pub(super) struct Actors {
    known: Vec<ActorId>,
    numbers: BTreeMap<ActorId, u32>,
    /// Most changes of a batch are by one.
    last: u32,
}

impl Actors {
    pub(super) fn number(&mut self, actor: &ActorId) -> u32 {
        if self.get(self.last) == Some(actor) {
            return self.last;
        }
        self.last = match self.numbers.get(actor) {
            Some(number) => *number,
            None => {
                // Each has its bytes in a change of this batch, or in the document: they are never as many.
                let number = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
                self.known.push(actor.clone());
                self.numbers.insert(actor.clone(), number);
                number
            }
        };
        self.last
    }

    pub(super) fn name_of(&mut self, id: &ObjId) -> Option<Name> {
        match id {
            ObjId::Root => None,
            ObjId::Id(counter, actor, _) => Some(Name {
                counter: *counter,
                actor: self.number(actor),
            }),
        }
    }

    /// The name as Automerge has it; the root where there is no such actor, which is no object of a deck that anybody may
    /// change.
    pub(super) fn object_id(&self, name: Name) -> ObjId {
        match self.get(name.actor) {
            Some(actor) => ObjId::Id(name.counter, actor.clone(), 0),
            None => ObjId::Root,
        }
    }

    pub(super) fn full(&self, name: Name) -> Option<FullName> {
        Some((name.counter, self.get(name.actor)?.clone()))
    }

    fn get(&self, number: u32) -> Option<&ActorId> {
        self.known.get(usize::try_from(number).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_has_one_number_and_comes_back_from_it() {
        let mut actors = Actors::default();
        let ids: Vec<ActorId> = (0..5_u8).map(|number| ActorId::from([number; 32])).collect();
        let numbers: Vec<u32> = ids.iter().map(|actor| actors.number(actor)).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        for (actor, number) in ids.iter().zip(numbers).rev() {
            assert_eq!(actors.number(actor), number);
            let name = Name {
                counter: 7,
                actor: number,
            };
            assert_eq!(actors.full(name), Some((7, actor.clone())));
            assert_eq!(actors.name_of(&actors.object_id(name)), Some(name));
        }
    }
}
