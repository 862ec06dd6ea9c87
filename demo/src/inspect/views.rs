//! The deck at any step of its history, quickly: what was worked out for one step is the start for the steps near it.
//!
//! Reading a whole deck of the past costs what the deck holds; going from one point to another costs what was done
//! between them. So a step of the slider starts from the nearest point that is known, and points in between are kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cuecard::history::CardDiff;
use cuecard::{Card, CardId, ChangeHash, Deck, HistoryError};

/// The cards at one point, those that are not deleted, in order.
pub(super) type Cards = Arc<Vec<Arc<Card>>>;

/// How many points are kept: cards are shared between them, so one is little more than its list.
const KEPT: usize = 160;
/// With more changes than this, sorting anew is quicker than putting each in its place.
const ONE_BY_ONE: usize = 64;

/// The points that are kept of one deck.
#[derive(Debug, Default)]
pub(super) struct Views {
    /// By step; the last use beside it.
    points: BTreeMap<usize, Point>,
    clock: u64,
}

#[derive(Debug)]
struct Point {
    heads: Vec<ChangeHash>,
    cards: Cards,
    used: u64,
    /// One of those that lie evenly over the history: these stay.
    is_milestone: bool,
}

impl Views {
    /// Forgets points whose heads are no longer those of their step: entries came in between.
    pub(super) fn keep_those_at(&mut self, heads_at: impl Fn(usize) -> Vec<ChangeHash>) {
        let points = std::mem::take(&mut self.points);
        let kept = points
            .into_iter()
            .filter(|(step, point)| heads_at(*step) == point.heads);
        self.points = kept.collect();
    }

    /// The nearest point that is kept, to start from.
    pub(super) fn nearest(&self, step: usize) -> Option<(usize, Vec<ChangeHash>, Cards)> {
        let below = self.points.range(..=step).next_back();
        let above = self.points.range(step..).next();
        let (at, point) = [below, above]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| at.abs_diff(step))?;
        Some((*at, point.heads.clone(), point.cards.clone()))
    }

    /// Keeps a point, in the place of the one that was not used for longest.
    pub(super) fn keep(&mut self, step: usize, heads: Vec<ChangeHash>, cards: Cards, is_milestone: bool) {
        self.clock += 1;
        let before = self.points.get(&step).is_some_and(|point| point.is_milestone);
        let point = Point {
            heads,
            cards,
            used: self.clock,
            is_milestone: is_milestone || before,
        };
        self.points.insert(step, point);
        if self.points.len() > KEPT {
            let oldest = self
                .points
                .iter()
                .min_by_key(|(_, point)| (point.is_milestone, point.used));
            if let Some(step) = oldest.map(|(step, _)| *step) {
                self.points.remove(&step);
            }
        }
    }
}

/// The cards at `heads`, from those at another point or from nothing.
///
/// # Errors
/// Where a reorganisation took the point out of the deck.
pub(super) fn cards_at(
    deck: &Deck,
    heads: &[ChangeHash],
    from: Option<(&[ChangeHash], &Cards)>,
) -> Result<Cards, HistoryError> {
    let Some((before, cards)) = from else {
        let cards = deck.at(heads)?.cards()?;
        return Ok(Arc::new(
            cards
                .into_iter()
                .filter(|card| !card.deleted)
                .map(Arc::new)
                .collect(),
        ));
    };
    let changes = deck.diff(before, heads)?;
    if changes.is_empty() {
        return Ok(cards.clone());
    }
    if changes.len() > ONE_BY_ONE {
        let mut by_id: HashMap<&CardId, Arc<Card>> =
            cards.iter().map(|card| (&card.id, card.clone())).collect();
        for change in &changes {
            match change {
                CardDiff::Removed(card) => by_id.remove(&card.id),
                CardDiff::Added(card) | CardDiff::Changed { after: card, .. } => {
                    by_id.insert(&card.id, Arc::new(card.clone()))
                }
            };
        }
        let mut cards: Vec<Arc<Card>> = by_id.into_values().collect();
        cards.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        return Ok(Arc::new(cards));
    }
    let mut cards = cards.as_ref().clone();
    for change in changes {
        let (gone, come) = match change {
            CardDiff::Removed(card) => (Some(card), None),
            CardDiff::Added(card) => (None, Some(card)),
            CardDiff::Changed { before, after } => (Some(before), Some(after)),
        };
        if let Some(gone) = gone
            && let Ok(place) = cards.binary_search_by(|card| key(card).cmp(&key(&gone)))
        {
            cards.remove(place);
        }
        if let Some(come) = come
            && let Err(place) = cards.binary_search_by(|card| key(card).cmp(&key(&come)))
        {
            cards.insert(place, Arc::new(come));
        }
    }
    Ok(Arc::new(cards))
}

fn key(card: &Card) -> (&str, &CardId) {
    (&card.position, &card.id)
}
