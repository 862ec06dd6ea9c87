//! The deck at any step of its history, quickly. Two things are kept, and neither is worked out before it is needed:
//!
//! - *orders*: which cards there were at a point, and in which order. From one point to another only those cards are looked
//!   at that were added, moved, deleted or restored between them, and of these only where they stand.
//! - *versions*: a card as an entry left it. It is that card at every step until the next entry that touches it, so what was
//!   read for one step is there for all of these.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cuecard::history::Place;
use cuecard::{Card, CardId, ChangeHash, Deck, HistoryError};

/// The cards that there were at a point, in order.
pub(super) type Order = Arc<Vec<Arc<Place>>>;

/// How many points are kept: places are shared between them, so one is little more than its list.
const ORDERS: usize = 160;
/// How many versions of cards are kept. When there are more, those go that were not used for longest, half of them at once.
const VERSIONS: usize = 4_096;
/// Places that are read while others wait.
const READ_AT_ONCE: usize = 32;

/// The points that are kept of one deck.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// By step; the last use beside it.
    points: BTreeMap<usize, Point>,
    clock: u64,
}

#[derive(Debug)]
struct Point {
    heads: Vec<ChangeHash>,
    order: Order,
    used: u64,
    /// One of those that lie evenly over the history: these stay.
    is_milestone: bool,
}

impl Orders {
    /// Forgets points whose heads are no longer those of their step: entries came in between.
    pub(super) fn keep_those_at(&mut self, heads_at: impl Fn(usize) -> Vec<ChangeHash>) {
        self.points.retain(|step, point| heads_at(*step) == point.heads);
    }

    /// The nearest point that is kept, to start from, of those whose heads are the ones given: whoever began to look before
    /// entries came in between looks on at the history that was, and leaves points of it here.
    pub(super) fn nearest(
        &self,
        step: usize,
        heads_at: impl Fn(usize) -> Vec<ChangeHash>,
    ) -> Option<(usize, Order)> {
        let is_of_it = |(at, point): &(&usize, &Point)| heads_at(**at) == point.heads;
        let below = self.points.range(..=step).rev().find(is_of_it);
        let above = self.points.range(step..).find(is_of_it);
        let (at, point) = [below, above]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| at.abs_diff(step))?;
        Some((*at, point.order.clone()))
    }

    /// Keeps a point, in the place of the one that was not used for longest.
    pub(super) fn keep(&mut self, step: usize, heads: Vec<ChangeHash>, order: Order, is_milestone: bool) {
        self.clock += 1;
        let before = self.points.get(&step).is_some_and(|point| point.is_milestone);
        let point = Point {
            heads,
            order,
            used: self.clock,
            is_milestone: is_milestone || before,
        };
        self.points.insert(step, point);
        if self.points.len() > ORDERS {
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

/// The order at `heads`, from that at another point: with each card looked at anew that may stand elsewhere.
///
/// # Errors
/// Where a reorganisation took the point out of the deck.
pub(super) fn order_at(
    deck: &Deck,
    heads: &[ChangeHash],
    from: &Order,
    moved: &BTreeSet<&CardId>,
    pause: &dyn Fn(),
) -> Result<Order, HistoryError> {
    if moved.is_empty() {
        return Ok(from.clone());
    }
    let view = deck.at(heads)?;
    let mut order: Vec<Arc<Place>> = Vec::with_capacity(from.len() + moved.len());
    order.extend(from.iter().filter(|place| !moved.contains(&place.card)).cloned());
    let moved: Vec<CardId> = moved.iter().copied().cloned().collect();
    for some in moved.chunks(READ_AT_ONCE) {
        pause();
        order.extend(view.places(some)?.into_iter().map(Arc::new));
    }
    // Nearly in order: few are out of it, and a stable sort finds the runs that are.
    order.sort();
    Ok(Arc::new(order))
}

/// By which a version of a card is found: the line of the history, the card, and the entry that made it what it was.
pub(super) type Made = (u64, CardId, u32);

/// The versions of cards that are kept.
#[derive(Debug, Default)]
pub(super) struct Versions {
    kept: HashMap<Made, (Arc<Card>, u64)>,
    clock: u64,
}

impl Versions {
    pub(super) fn get(&mut self, made: &Made) -> Option<Arc<Card>> {
        self.clock += 1;
        let (card, used) = self.kept.get_mut(made)?;
        *used = self.clock;
        Some(card.clone())
    }

    pub(super) fn keep(&mut self, made: Made, card: Arc<Card>) {
        self.clock += 1;
        self.kept.insert(made, (card, self.clock));
        if self.kept.len() > VERSIONS {
            let mut uses: Vec<u64> = self.kept.values().map(|(_, used)| *used).collect();
            let (_, middle, _) = uses.select_nth_unstable(VERSIONS / 2);
            let middle = *middle;
            self.kept.retain(|_, (_, used)| *used > middle);
        }
    }
}
