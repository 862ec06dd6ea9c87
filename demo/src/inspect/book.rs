//! One deck of one device, as it is looked at: what was read of it is kept until the deck changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cuecard::{BlobId, CardId, Deck, DeviceId, Engine, HistoryError};

use super::index::Index;
use super::list::{Line, Wish};
use super::views::{Cards, Views, cards_at};

/// Points that are worked out ahead lie so many entries apart at least, and are so many at most.
const MILESTONE_ENTRIES: usize = 200;
const MILESTONES: usize = 96;
/// Lists that are kept: one, and what was searched for while typing.
const LISTS: usize = 8;

/// A deck that is looked at.
pub(super) struct Book {
    pub(super) engine: Engine,
    pub(super) deck: Deck,
    index: Mutex<Option<Arc<Index>>>,
    views: Mutex<Views>,
    fronts: Mutex<(u64, Fronts)>,
    /// The lists that were asked for last, each with the version it is of.
    lists: Mutex<Vec<Listed>>,
}

/// A list that was asked for: the version it is of, what was asked, what was found.
type Listed = (u64, Wish, Arc<Vec<Line>>);

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
        let index = Arc::new(Index::read(&self.deck, known.as_deref())?);
        lock(&self.views).keep_those_at(|step| index.heads_at(step));
        *known = Some(index.clone());
        Ok(index)
    }

    /// The cards at a step.
    pub(super) fn cards_at(&self, index: &Index, step: usize) -> Result<Cards, HistoryError> {
        self.cards_for(index, step, false)
    }

    fn cards_for(&self, index: &Index, step: usize, is_milestone: bool) -> Result<Cards, HistoryError> {
        let heads = index.heads_at(step);
        let nearest = lock(&self.views).nearest(step);
        let cards = match nearest {
            Some((at, _, cards)) if at == step => cards,
            Some((_, from, cards)) => cards_at(&self.deck, &heads, Some((&from, &cards)))?,
            None => cards_at(&self.deck, &heads, None)?,
        };
        lock(&self.views).keep(step, heads, cards.clone(), is_milestone);
        Ok(cards)
    }

    /// Works out points all over the history, so that no step of the slider has far to go.
    pub(super) fn read_ahead(&self) -> Result<(), HistoryError> {
        let index = self.index()?;
        let apart = (index.len() / MILESTONES).max(MILESTONE_ENTRIES);
        let mut step = index.len().saturating_sub(1);
        loop {
            self.cards_for(&index, step, true)?;
            match step.checked_sub(apart) {
                Some(below) => step = below,
                None => return Ok(()),
            }
        }
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

/// Consistent even if a holder panicked: each change under these locks is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
