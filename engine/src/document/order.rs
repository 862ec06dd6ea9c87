//! The cards' order, kept beside the document: reading all positions for each added card would cost what the deck holds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use automerge::ReadDoc;

use crate::card::Reader;
use crate::id::CardId;

/// All cards, tombstones too, by (position, id).
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub(super) struct Order {
    sorted: BTreeSet<(String, CardId)>,
    positions: BTreeMap<CardId, String>,
}

/// What an edit did to the order: each card with its position before.
pub(super) type Journal = Vec<(CardId, Option<String>)>;

impl Order {
    pub(super) fn of<D: ReadDoc>(reader: &Reader<'_, D>) -> Self {
        let mut order = Self::default();
        for (card, object) in reader.card_objects() {
            order.place(&card, reader.position(&object));
        }
        order
    }

    pub(super) fn len(&self) -> usize {
        self.positions.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &CardId> + '_ {
        self.sorted.iter().map(|(_, card)| card)
    }

    pub(super) fn contains(&self, card: &CardId) -> bool {
        self.positions.contains_key(card)
    }

    pub(super) fn position(&self, card: &CardId) -> Option<&str> {
        self.positions.get(card).map(String::as_str)
    }

    pub(super) fn place(&mut self, card: &CardId, position: String) -> Option<String> {
        let before = self.positions.insert(card.clone(), position.clone());
        if let Some(before) = &before {
            self.sorted.remove(&(before.clone(), card.clone()));
        }
        self.sorted.insert((position, card.clone()));
        before
    }

    pub(super) fn undo(&mut self, journal: Journal) {
        for (card, before) in journal.into_iter().rev() {
            match before {
                Some(position) => {
                    self.place(&card, position);
                }
                None => {
                    if let Some(position) = self.positions.remove(&card) {
                        self.sorted.remove(&(position, card));
                    }
                }
            }
        }
    }

    pub(super) fn last(&self) -> Option<&CardId> {
        self.sorted.last().map(|(_, card)| card)
    }

    /// The cards behind `after` (or from the beginning), with their positions, leaving one card out.
    pub(super) fn behind<'a>(
        &'a self,
        after: Option<&CardId>,
        without: &'a CardId,
    ) -> impl Iterator<Item = &'a (String, CardId)> + 'a {
        let start = match after.and_then(|card| Some((self.position(card)?.to_owned(), card.clone()))) {
            Some(key) => Bound::Excluded(key),
            None => Bound::Unbounded,
        };
        self.sorted
            .range((start, Bound::Unbounded))
            .filter(move |(_, card)| card != without)
    }
}
