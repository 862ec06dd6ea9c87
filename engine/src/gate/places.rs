//! Where objects are in the schema, remembered from batch to batch.
//!
//! An object is where the operation that made it put it, for as long as that operation is in the document. Asking
//! Automerge for the way up from an object costs as much as applying the change that touches it (63 of 117 µs for an
//! edit of one field, at 10,000 changes), so the answer is kept. A document that loses changes starts with none.

use std::collections::BTreeMap;

use automerge::ActorId;

use super::schema::Place;

/// An operation's name: its number and its actor.
pub(super) type FullName = (u64, ActorId);

/// Places of one generation. Two of them take some 3 MiB, and hold the objects of two thousand cards.
const GENERATION_MAX: usize = 8_192;

/// What is remembered: the places asked for since the last turn, and those of the generation before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    young: BTreeMap<FullName, Place>,
    old: BTreeMap<FullName, Place>,
}

impl Places {
    pub(super) fn get(&self, object: &FullName) -> Option<&Place> {
        self.young.get(object).or_else(|| self.old.get(object))
    }

    /// Takes in what a batch that was applied asked for and made.
    pub(crate) fn learn(&mut self, learned: Learned) {
        for (object, place) in learned.0 {
            if self.young.len() >= GENERATION_MAX {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(object, place);
        }
    }
}

/// What a batch asked for and made: true once it is applied.
#[derive(Debug, Clone, Default)]
pub(crate) struct Learned(pub(super) Vec<(FullName, Place)>);

#[cfg(test)]
mod tests {
    use super::*;

    fn object(number: u64) -> FullName {
        (number, ActorId::from([1; 32]))
    }

    fn learn(places: &mut Places, numbers: std::ops::Range<u64>) {
        places.learn(Learned(
            numbers.map(|number| (object(number), Place::Cards)).collect(),
        ));
    }

    #[test]
    fn the_latest_places_are_remembered_and_no_more_than_two_generations() {
        let mut places = Places::default();
        let generation = GENERATION_MAX as u64;
        learn(&mut places, 0..generation);
        learn(&mut places, generation..generation + 1);
        assert!(places.get(&object(0)).is_some(), "in the generation before");
        learn(&mut places, generation + 1..2 * generation + 1);
        assert!(places.get(&object(0)).is_none());
        assert!(places.get(&object(2 * generation)).is_some());
        assert!(places.young.len() + places.old.len() <= 2 * GENERATION_MAX);
    }
}
