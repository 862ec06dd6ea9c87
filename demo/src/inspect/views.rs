//! The deck at any step of its history, quickly: what was worked out for one step is the start for the steps near it.
//!
//! Reading a whole deck of the past costs what the deck holds; going from one point to another costs the cards that were
//! touched between them. So a step of the slider starts from the nearest point that is known, and points in between are kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cuecard::{Card, CardId, ChangeHash, Deck, HistoryError};

/// The cards at one point, those that are not deleted, in order.
pub(super) type Cards = Arc<Vec<Arc<Card>>>;

/// How many points are kept: cards are shared between them, so one is little more than its list.
const KEPT: usize = 160;

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
    pub(super) fn nearest(&self, step: usize) -> Option<(usize, Cards)> {
        let below = self.points.range(..=step).next_back();
        let above = self.points.range(step..).next();
        let (at, point) = [below, above]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| at.abs_diff(step))?;
        Some((*at, point.cards.clone()))
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

/// All cards of the deck as it is now, one by one: others have their turn between them.
///
/// # Errors
/// Where a reorganisation took the point out of the deck.
pub(super) fn cards_now(deck: &Deck, heads: &[ChangeHash], pause: &dyn Fn()) -> Result<Cards, HistoryError> {
    let mut cards = Vec::new();
    for id in deck.card_ids()? {
        pause();
        cards.extend(deck.card(&id)?.filter(|card| !card.deleted).map(Arc::new));
    }
    // Reading the past takes longer, and stands still.
    if heads != [deck.head()?] {
        let living = deck.at(heads)?.cards()?.into_iter().filter(|card| !card.deleted);
        cards = living.map(Arc::new).collect();
    }
    Ok(Arc::new(cards))
}

/// The cards at `heads`, from those at another point: with each card that an entry between the two touched read anew.
///
/// # Errors
/// Where a reorganisation took the point out of the deck.
pub(super) fn cards_at(
    deck: &Deck,
    heads: &[ChangeHash],
    from: &Cards,
    touched: &BTreeSet<&CardId>,
    pause: &dyn Fn(),
) -> Result<Cards, HistoryError> {
    let view = deck.at(heads)?;
    let mut come: HashMap<&CardId, Arc<Card>> = HashMap::with_capacity(touched.len());
    for &id in touched {
        pause();
        if let Some(card) = view.card(id)?.filter(|card| !card.deleted) {
            come.insert(id, Arc::new(card));
        }
    }
    let stay = from.iter().filter(|card| !touched.contains(&card.id));
    let mut cards: Vec<Arc<Card>> = stay.cloned().collect();
    // Nearly in order: few are out of it, and a stable sort finds the runs that are.
    cards.extend(come.into_values());
    cards.sort_by(|a, b| key(a).cmp(&key(b)));
    Ok(Arc::new(cards))
}

fn key(card: &Card) -> (&str, &CardId) {
    (&card.position, &card.id)
}
