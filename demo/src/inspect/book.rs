//! One deck of one device, as it is looked at: what was read of it is kept until the deck changes.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cuecard::{BlobId, Card, CardId, Deck, DeviceId, Engine, HistoryError};

use crate::node::links::lock;

use super::index::Index;
use super::list::{Line, Wish};
use super::views::{Cards, Views, cards_at, cards_now};

/// Points that are worked out ahead lie so many entries apart at least, and are so many at most.
const MILESTONE_ENTRIES: usize = 200;
const MILESTONES: usize = 96;
/// The first that are worked out lie so many times as far apart.
const COARSE: usize = 12;
/// What is worked out ahead looks so often whether it may go on.
const GIVES_WAY: Duration = Duration::from_millis(2);
/// Lists that are kept: one, and what was searched for while typing.
const LISTS: usize = 8;

/// A deck that is looked at.
pub(super) struct Book {
    pub(super) engine: Engine,
    pub(super) deck: Deck,
    index: Mutex<Option<Arc<Index>>>,
    views: Mutex<Views>,
    fronts: Mutex<(u64, Fronts)>,
    living: Mutex<(u64, Arc<Vec<CardId>>)>,
    /// How many wait for an answer.
    asked: AtomicUsize,
    /// The lists that were asked for last, each with the version it is of.
    lists: Mutex<Vec<Listed>>,
}

/// A list that was asked for: the version it is of, what was asked, what was found.
type Listed = (u64, Wish, Arc<Vec<Line>>);

/// That somebody waits for an answer.
pub(super) struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the cards say, by id; deleted ones too.
pub(super) type Fronts = Arc<HashMap<CardId, String>>;

impl Book {
    pub(super) fn new(engine: Engine, deck: Deck) -> Self {
        Self {
            engine,
            deck,
            index: Mutex::default(),
            views: Mutex::default(),
            fronts: Mutex::default(),
            living: Mutex::default(),
            asked: AtomicUsize::default(),
            lists: Mutex::default(),
        }
    }

    /// The history as it is now. Reads what is new.
    pub(super) fn index(&self) -> Result<Arc<Index>, HistoryError> {
        // One reads, the others wait for what it finds.
        let mut known = lock(&self.index);
        let head = self.deck.head()?;
        if let Some(index) = known.as_ref()
            && index.is_of(head)
        {
            return Ok(index.clone());
        }
        let began = Instant::now();
        let index = Arc::new(Index::read(&self.deck, known.as_deref())?);
        tracing::debug!(entries = index.len(), took = ?began.elapsed(), "the history was read");
        lock(&self.views).keep_those_at(|step| index.heads_at(step));
        *known = Some(index.clone());
        Ok(index)
    }

    /// The cards at a step.
    pub(super) fn cards_at(&self, index: &Index, step: usize) -> Result<Cards, HistoryError> {
        self.cards_for(index, step, false, &|| ())
    }

    fn cards_for(
        &self,
        index: &Index,
        step: usize,
        is_milestone: bool,
        pause: &dyn Fn(),
    ) -> Result<Cards, HistoryError> {
        let nearest = lock(&self.views).nearest(step);
        let (at, from) = match nearest {
            Some(known) => known,
            None => {
                let newest = index.len().saturating_sub(1);
                let heads = index.heads_at(newest);
                let cards = cards_now(&self.deck, &heads, pause)?;
                lock(&self.views).keep(newest, heads, cards.clone(), true);
                (newest, cards)
            }
        };
        let heads = index.heads_at(step);
        let cards = if at == step {
            from
        } else {
            let touched = index.touched(at.min(step) + 1..=at.max(step));
            cards_at(&self.deck, &heads, &from, &touched, pause)?
        };
        lock(&self.views).keep(step, heads, cards.clone(), is_milestone);
        Ok(cards)
    }

    /// Whether all cards of a step have to be read: of now, only those are that are to be seen.
    fn is_read(&self, index: &Index, step: usize) -> bool {
        step + 1 < index.len() || lock(&self.views).nearest(step).is_some_and(|(at, _)| at == step)
    }

    /// The cards that there were at a step, in order.
    pub(super) fn ids(&self, index: &Index, step: usize) -> Result<Arc<Vec<CardId>>, HistoryError> {
        if !self.is_read(index, step) {
            return self.living(index);
        }
        let cards = self.cards_at(index, step)?;
        Ok(Arc::new(cards.iter().map(|card| card.id.clone()).collect()))
    }

    /// Some of the cards of a step.
    pub(super) fn window(
        &self,
        index: &Index,
        step: usize,
        some: Range<usize>,
    ) -> Result<Vec<Arc<Card>>, HistoryError> {
        if self.is_read(index, step) {
            let cards = self.cards_at(index, step)?;
            return Ok(cards.iter().skip(some.start).take(some.len()).cloned().collect());
        }
        let ids = self.living(index)?;
        let mut shown = Vec::new();
        for id in ids.iter().skip(some.start).take(some.len()) {
            shown.extend(self.deck.card(id)?.map(Arc::new));
        }
        Ok(shown)
    }

    /// The cards that are there now, in order.
    pub(super) fn living(&self, index: &Index) -> Result<Arc<Vec<CardId>>, HistoryError> {
        let mut known = lock(&self.living);
        if known.0 != index.version {
            *known = (index.version, Arc::new(self.deck.card_ids()?));
        }
        Ok(known.1.clone())
    }

    /// Works out points all over the history, so that no step of the slider has far to go: a few far apart first. Whoever
    /// waits for an answer comes before.
    pub(super) fn read_ahead(&self) -> Result<(), HistoryError> {
        let index = self.index()?;
        let pause = || {
            while self.asked.load(Ordering::Relaxed) > 0 {
                std::thread::sleep(GIVES_WAY);
            }
        };
        let apart = (index.len() / MILESTONES).max(MILESTONE_ENTRIES);
        for apart in [apart * COARSE, apart] {
            let mut step = index.len().saturating_sub(1);
            loop {
                self.cards_for(&index, step, true, &pause)?;
                match step.checked_sub(apart) {
                    Some(below) => step = below,
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Somebody waits for an answer, for as long as what this gives is there.
    pub(super) fn asked(&self) -> Waits<'_> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Waits(&self.asked)
    }

    /// What all the cards say, deleted ones too.
    pub(super) fn fronts(&self, index: &Index) -> Result<Fronts, HistoryError> {
        let mut known = lock(&self.fronts);
        if known.0 != index.version {
            let now = self.cards_at(index, index.len().saturating_sub(1))?;
            let mut fronts: HashMap<CardId, String> = now
                .iter()
                .map(|card| (card.id.clone(), card.front.clone()))
                .collect();
            for card in index
                .entries
                .iter()
                .flat_map(|entry| &entry.notes)
                .filter_map(|note| note.card())
            {
                if !fronts.contains_key(card)
                    && let Some(deleted) = self.deck.card(card)?
                {
                    fronts.insert(card.clone(), deleted.front);
                }
            }
            *known = (index.version, Arc::new(fronts));
        }
        Ok(known.1.clone())
    }

    /// A list, worked out once for all of its pages.
    pub(super) fn lines<E>(
        &self,
        index: &Index,
        wish: &Wish,
        find: impl FnOnce() -> Result<Vec<Line>, E>,
    ) -> Result<Arc<Vec<Line>>, E> {
        let is_it = |list: &&Listed| list.0 == index.version && list.1 == *wish;
        if let Some((_, _, lines)) = lock(&self.lists).iter().find(is_it) {
            return Ok(lines.clone());
        }
        let lines = Arc::new(find()?);
        let mut lists = lock(&self.lists);
        lists.insert(0, (index.version, wish.clone(), lines.clone()));
        lists.truncate(LISTS);
        Ok(lines)
    }

    /// What a card says now; nothing if there is none.
    pub(super) fn front(&self, card: &CardId) -> String {
        let found = self.deck.card(card).ok().flatten();
        found.map(|card| card.front).unwrap_or_default()
    }

    /// What a device is called.
    pub(super) fn name_of(&self, device: Option<DeviceId>) -> String {
        device.map_or_else(
            || "unknown".to_owned(),
            |device| self.engine.name_of(device).unwrap_or_else(|| device.short()),
        )
    }

    /// Whether audio is whole here.
    pub(super) fn has_audio(&self, blob: BlobId) -> bool {
        self.deck.open_audio(blob).is_ok()
    }
}
