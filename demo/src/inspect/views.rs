//! The deck at any step of its history, quickly. Two things are kept, and neither is worked out before it is needed:
//!
//! - *orders*: which cards there were at a point, and in which order. From one point to another only those cards are looked
//!   at that were added, moved, deleted or restored between them, and of these only where they stand.
//! - *versions*: a card as an entry left it. It is that card at every step until the next entry that touches it, so what was
//!   read for one step is there for all of these.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cuecard::card::FieldValue;
use cuecard::history::Place;
use cuecard::{Card, CardId, ChangeHash, Deck, HistoryError};

/// The cards that there were at a point, in order.
pub(super) type Order = Arc<Vec<Arc<Place>>>;

/// How many points are kept: places are shared between them, so one is little more than its list.
const ORDERS: usize = 160;
/// And how long their lists are together, at eight bytes a card.
const LISTED_MAX: usize = 4 << 20;
/// How many versions of cards are kept, and with how much text. When there is more, those go that were not used for
/// longest, half of all at once.
const VERSIONS: usize = 4_096;
const VERSIONS_BYTES: usize = 16 << 20;
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
        let mut listed: usize = self.points.values().map(|point| point.order.len()).sum();
        while self.points.len() > 1 && (self.points.len() > ORDERS || listed > LISTED_MAX) {
            let others = self.points.iter().filter(|(at, _)| **at != step);
            let oldest = others.min_by_key(|(_, point)| (point.is_milestone, point.used));
            let Some(step) = oldest.map(|(step, _)| *step) else {
                return;
            };
            let gone = self.points.remove(&step);
            listed -= gone.map_or(0, |point| point.order.len());
        }
    }
}

/// So many points of a deck with so many cards are worth to be worked out ahead: half of what is kept at the most.
pub(super) fn worth_ahead(cards: usize) -> usize {
    (LISTED_MAX / 2)
        .checked_div(cards)
        .map_or(ORDERS / 2, |room| room.clamp(1, ORDERS / 2))
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
    kept: HashMap<Made, Version>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Version {
    card: Arc<Card>,
    bytes: usize,
    used: u64,
}

impl Versions {
    pub(super) fn get(&mut self, made: &Made) -> Option<Arc<Card>> {
        self.clock += 1;
        let version = self.kept.get_mut(made)?;
        version.used = self.clock;
        Some(version.card.clone())
    }

    pub(super) fn keep(&mut self, made: Made, card: Arc<Card>) {
        self.clock += 1;
        let version = Version {
            bytes: bytes_of(&card),
            card,
            used: self.clock,
        };
        self.bytes += version.bytes;
        let before = self.kept.insert(made, version);
        self.bytes -= before.map_or(0, |before| before.bytes);
        if self.kept.len() > VERSIONS || self.bytes > VERSIONS_BYTES {
            self.forget_half();
        }
    }

    /// Keeps the last used half, of the count and of the bytes.
    fn forget_half(&mut self) {
        let mut uses: Vec<(u64, usize)> = self
            .kept
            .values()
            .map(|version| (version.used, version.bytes))
            .collect();
        uses.sort_unstable_by_key(|(used, _)| std::cmp::Reverse(*used));
        let mut bytes = 0;
        let stays = |(_, more): &&(u64, usize)| {
            bytes += more;
            bytes <= VERSIONS_BYTES / 2
        };
        let oldest = uses.iter().take(VERSIONS / 2).take_while(stays).last();
        let oldest = oldest.map_or(u64::MAX, |(used, _)| *used);
        self.kept.retain(|_, version| version.used >= oldest);
        self.bytes = self.kept.values().map(|version| version.bytes).sum();
    }
}

/// About so much memory does a card take.
fn bytes_of(card: &Card) -> usize {
    const EACH: usize = 64;
    let texts = card
        .texts
        .iter()
        .map(|(name, text)| EACH + name.as_str().len() + text.len());
    let tags = card.tags.iter().map(|tag| EACH + tag.len());
    let audio = card
        .audio
        .iter()
        .map(|(slot, audio)| 2 * EACH + slot.len() + audio.name.len() + audio.mime.len());
    let fields = card.fields.iter().map(|(name, value)| {
        let text = match value {
            FieldValue::Text(text) => text.len(),
            FieldValue::Bool(_) | FieldValue::Int(_) | FieldValue::Float(_) => 0,
        };
        EACH + name.as_str().len() + text
    });
    let all: usize = texts.chain(tags).chain(audio).chain(fields).sum();
    4 * EACH + card.front.len() + card.back.len() + all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(id: u32) -> Arc<Place> {
        Arc::new(Place {
            position: format!("{id:08}"),
            card: card_id(id),
        })
    }

    fn card_id(id: u32) -> CardId {
        format!("{id:016}").parse().unwrap()
    }

    fn order(cards: u32) -> Order {
        Arc::new((0..cards).map(place).collect())
    }

    fn heads(number: u8) -> Vec<ChangeHash> {
        vec![ChangeHash([number; 32])]
    }

    /// Two who look at the same time: one began before entries came in between, and what it leaves behind is of steps that
    /// are others now. Whoever looks at the history of now must not start from there.
    #[test]
    fn a_point_of_a_history_that_was_is_no_start_for_the_one_that_is() {
        let mut orders = Orders::default();
        let was = |step: usize| heads(step as u8);
        let is = |step: usize| heads(100 + step as u8);
        orders.keep(5, was(5), order(3), false);
        // An entry came in below step 5: all steps from there on are others.
        orders.keep_those_at(is);
        assert!(orders.nearest(5, is).is_none());
        // The one who began before goes on, and leaves a point of what was.
        orders.keep(7, was(7), order(4), false);
        assert!(orders.nearest(6, is).is_none(), "not of what is");
        assert_eq!(orders.nearest(6, was).unwrap().0, 7, "its own it may have");
        // Of what is, the nearest; also where one of what was lies nearer.
        orders.keep(2, is(2), order(2), false);
        orders.keep(20, is(20), order(9), false);
        assert_eq!(orders.nearest(8, is).unwrap().0, 2);
        assert_eq!(orders.nearest(15, is).unwrap().0, 20);
    }

    #[test]
    fn points_are_bounded_by_what_they_list_and_milestones_go_last() {
        let mut orders = Orders::default();
        let long = |cards: usize| Arc::new(vec![place(0); cards]);
        let large = long(LISTED_MAX / 4);
        for step in 0..8 {
            orders.keep(step, heads(step as u8), large.clone(), step == 0);
        }
        let kept: Vec<usize> = orders.points.keys().copied().collect();
        assert_eq!(
            kept,
            [0, 5, 6, 7],
            "four have room; the milestone, and the last used"
        );
        let cards = LISTED_MAX / 4;
        assert_eq!(worth_ahead(cards), 2);
        assert_eq!((worth_ahead(0), worth_ahead(usize::MAX)), (ORDERS / 2, 1));
        // Even one that is beyond all bounds is kept: somebody looks at it.
        orders.keep(9, heads(9), long(LISTED_MAX + 1), false);
        assert_eq!(orders.points.keys().copied().collect::<Vec<_>>(), [9]);
    }

    #[test]
    fn versions_are_bounded_by_count_and_by_bytes_and_what_was_used_stays() {
        let card = |text: usize| {
            Arc::new(Card {
                id: card_id(0),
                front: "x".repeat(text),
                back: String::new(),
                texts: BTreeMap::new(),
                tags: BTreeSet::new(),
                audio: BTreeMap::new(),
                fields: BTreeMap::new(),
                position: String::new(),
                deleted: false,
            })
        };
        let made = |entry: u32| (1, card_id(entry), entry);
        let mut versions = Versions::default();
        for entry in 0..=VERSIONS as u32 {
            versions.keep(made(entry), card(1));
            assert!(versions.get(&made(0)).is_some(), "it is always used");
        }
        assert_eq!(versions.kept.len(), VERSIONS / 2);
        let mut versions = Versions::default();
        let text = VERSIONS_BYTES / 8;
        for entry in 0..64 {
            versions.keep(made(entry), card(text));
            versions.keep(made(entry), card(text));
            let bytes: usize = versions.kept.values().map(|version| version.bytes).sum();
            assert_eq!(versions.bytes, bytes);
            assert!(bytes <= VERSIONS_BYTES, "{bytes}");
            assert!(versions.get(&made(entry)).is_some(), "the last one");
        }
        assert!(versions.kept.len() >= 3);
    }
}
