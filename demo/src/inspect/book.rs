//! One deck of one device, as it is looked at: what was read of it is kept until the deck changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cuecard::history::Place;
use cuecard::op::Note;
use cuecard::{BlobId, Card, CardId, ChangeHash, Deck, DeviceId, Engine, HistoryError};

use crate::node::links::lock;

use super::index::Index;
use super::list::{Line, Wish};
use super::views::{Order, Orders, Versions, order_at, worth_ahead};

/// Points that are worked out ahead lie so many entries apart at least, and are so many at most.
const MILESTONE_ENTRIES: usize = 200;
const MILESTONES: usize = 96;
/// The first that are worked out lie so many times as far apart.
const COARSE: usize = 12;
/// What is worked out ahead looks so often whether it may go on.
const GIVES_WAY: Duration = Duration::from_millis(2);
/// It begins when a page was there and has not asked for anything for so long: while it draws for the first time, it needs
/// the processor itself.
const QUIET: Duration = Duration::from_millis(400);
/// Or when nobody came for so long, or whatever happens after so long.
const NOBODY: Duration = Duration::from_secs(2);
const AT_LAST: Duration = Duration::from_secs(5);
/// Places that are read while others wait.
const READ_AT_ONCE: usize = 256;
/// Cards that one question for the names of audio reads at the most; the next one goes on.
const READ_FOR_NAMES_MAX: usize = 500;
/// Lists that are kept: one, and what was searched for while typing.
const LISTS: usize = 8;

/// A deck that is looked at.
pub(super) struct Book {
    pub(super) engine: Engine,
    pub(super) deck: Deck,
    index: Mutex<Option<Arc<Index>>>,
    orders: Mutex<Orders>,
    versions: Mutex<Versions>,
    fronts: Mutex<Option<(Arc<Index>, Fronts)>>,
    sounds: Mutex<Sounds>,
    living: Mutex<(u64, Arc<Vec<CardId>>)>,
    asked: Mutex<Asked>,
    /// The lists that were asked for last, each with the version it is of.
    lists: Mutex<Vec<Listed>>,
}

/// What pieces of audio are called, as far as the entries of a line of the history were looked at.
#[derive(Default)]
struct Sounds {
    line: u64,
    looked_at: usize,
    names: HashMap<BlobId, String>,
}

/// A list that was asked for: the version it is of, what was asked, what was found.
type Listed = (u64, Wish, Arc<Vec<Line>>);

/// The ids of the cards of a step, in order.
pub(super) enum Ids {
    Now(Arc<Vec<CardId>>),
    Then(Order),
}

impl Ids {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Now(ids) => ids.len(),
            Self::Then(order) => order.len(),
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<&CardId> {
        match self {
            Self::Now(ids) => ids.get(at),
            Self::Then(order) => order.get(at).map(|place| &place.card),
        }
    }

    /// Where some cards stand.
    pub(super) fn places<'a>(&'a self, cards: &BTreeSet<&CardId>) -> BTreeMap<&'a CardId, usize> {
        let all = (0..self.len()).filter_map(|at| Some((self.get(at)?, at)));
        all.filter(|(card, _)| cards.contains(card)).collect()
    }
}

/// Who waits for an answer.
#[derive(Default)]
struct Asked {
    waiting: usize,
    /// When the last answer was given.
    answered: Option<Instant>,
}

/// That somebody waits for an answer.
pub(super) struct Waits<'a>(&'a Mutex<Asked>);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut asked = lock(self.0);
        asked.waiting = asked.waiting.saturating_sub(1);
        asked.answered = Some(Instant::now());
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
            orders: Mutex::default(),
            versions: Mutex::default(),
            fronts: Mutex::default(),
            sounds: Mutex::default(),
            living: Mutex::default(),
            asked: Mutex::default(),
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
        lock(&self.orders).keep_those_at(|step| index.heads_at(step));
        *known = Some(index.clone());
        Ok(index)
    }

    /// The cards at a step, in order.
    fn order(&self, index: &Index, step: usize) -> Result<Order, HistoryError> {
        self.order_for(index, step, false, &|| ())
    }

    fn order_for(
        &self,
        index: &Index,
        step: usize,
        is_milestone: bool,
        pause: &dyn Fn(),
    ) -> Result<Order, HistoryError> {
        let nearest = lock(&self.orders).nearest(step, |step| index.heads_at(step));
        let (at, from) = match nearest {
            Some(known) => known,
            None => {
                let newest = index.len().saturating_sub(1);
                let heads = index.heads_at(newest);
                let order = self.order_now(&heads, pause)?;
                lock(&self.orders).keep(newest, heads, order.clone(), true);
                (newest, order)
            }
        };
        let heads = index.heads_at(step);
        let order = if at == step {
            from
        } else {
            let moved = index.moved(at.min(step) + 1..=at.max(step));
            order_at(&self.deck, &heads, &from, &moved, pause)?
        };
        lock(&self.orders).keep(step, heads, order.clone(), is_milestone);
        Ok(order)
    }

    /// All cards of the deck as it is now, some at a time: others have their turn between them.
    fn order_now(&self, heads: &[ChangeHash], pause: &dyn Fn()) -> Result<Order, HistoryError> {
        let mut order = Vec::new();
        for some in self.deck.card_ids()?.chunks(READ_AT_ONCE) {
            pause();
            order.extend(self.deck.places(some)?);
        }
        // Reading the past takes longer, and stands still.
        if heads != [self.deck.head()?] {
            let cards = self.deck.at(heads)?.cards()?;
            let place = |card: Card| Place {
                position: card.position,
                card: card.id,
            };
            order = cards
                .into_iter()
                .filter(|card| !card.deleted)
                .map(place)
                .collect();
        }
        Ok(Arc::new(order.into_iter().map(Arc::new).collect()))
    }

    /// A card as it was at a step, also a deleted one; none before it was there.
    pub(super) fn card_at(
        &self,
        index: &Index,
        step: usize,
        card: &CardId,
    ) -> Result<Option<Arc<Card>>, HistoryError> {
        let Some(entry) = index.made(card, step) else {
            return Ok(None);
        };
        let made = (index.line, card.clone(), entry);
        if let Some(known) = lock(&self.versions).get(&made) {
            return Ok(Some(known));
        }
        // What no entry touched since is what it is now, and that is read more quickly.
        let newest = index.len().saturating_sub(1);
        let mut found = None;
        if index.made(card, newest) == Some(entry) {
            let now = self.deck.card(card)?;
            // If an entry came meanwhile, it may be of that card.
            if index.is_of(self.deck.head()?) {
                found = now;
            }
        }
        if found.is_none() {
            found = self.deck.at(&index.heads_at(step))?.card(card)?;
        }
        let found = found.map(Arc::new);
        if let Some(card) = &found {
            lock(&self.versions).keep(made, card.clone());
        }
        Ok(found)
    }

    /// The ids of the cards that there were at a step, in order; and where some of them stand.
    pub(super) fn ids(&self, index: &Index, step: usize) -> Result<Ids, HistoryError> {
        if step + 1 < index.len() {
            return Ok(Ids::Then(self.order(index, step)?));
        }
        Ok(Ids::Now(self.living(index)?))
    }

    /// Some of the cards of a step.
    pub(super) fn window(
        &self,
        index: &Index,
        step: usize,
        ids: &Ids,
        some: Range<usize>,
    ) -> Result<Vec<Arc<Card>>, HistoryError> {
        let mut shown = Vec::with_capacity(some.len());
        for id in some.map_while(|at| ids.get(at)) {
            let card = if step + 1 < index.len() {
                self.card_at(index, step, id)?
            } else {
                self.deck.card(id)?.map(Arc::new)
            };
            shown.extend(card);
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
    /// waits for an answer comes before, and so does a page that draws what it was told first.
    pub(super) fn read_ahead(&self) -> Result<(), HistoryError> {
        let began = Instant::now();
        let index = self.index()?;
        while !self.is_drawn(began) {
            std::thread::sleep(GIVES_WAY);
        }
        let pause = || {
            while lock(&self.asked).waiting > 0 {
                std::thread::sleep(GIVES_WAY);
            }
        };
        let milestones = MILESTONES.min(worth_ahead(self.living(&index)?.len()));
        let apart = (index.len() / milestones).max(MILESTONE_ENTRIES);
        for apart in [apart * COARSE, apart] {
            let mut step = index.len().saturating_sub(1);
            loop {
                self.order_for(&index, step, true, &pause)?;
                match step.checked_sub(apart) {
                    Some(below) => step = below,
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Whether the first page, opened at the earliest then, has most likely drawn what it was told, or none comes.
    fn is_drawn(&self, began: Instant) -> bool {
        let asked = lock(&self.asked);
        let is_quiet = match asked.answered {
            _ if asked.waiting > 0 => false,
            Some(answered) => answered.elapsed() >= QUIET,
            None => began.elapsed() >= NOBODY,
        };
        is_quiet || began.elapsed() >= AT_LAST
    }

    /// Somebody waits for an answer, for as long as what this gives is there.
    pub(super) fn asked(&self) -> Waits<'_> {
        lock(&self.asked).waiting += 1;
        Waits(&self.asked)
    }

    /// What all the cards say, deleted ones too.
    pub(super) fn fronts(&self) -> Result<Fronts, HistoryError> {
        let index = self.index()?;
        let mut known = lock(&self.fronts);
        let (mut fronts, from) = match known.take() {
            Some((of, fronts)) if of.version == index.version => {
                *known = Some((of, fronts.clone()));
                return Ok(fronts);
            }
            Some((of, fronts)) if index.line == of.line => (fronts, of.len()),
            _ => (Fronts::default(), 0),
        };
        let of_all = Arc::make_mut(&mut fronts);
        for card in index.touched(from..=index.len()) {
            if let Some(card) = self.deck.card(card)? {
                of_all.insert(card.id, card.front);
            }
        }
        *known = Some((index, fronts.clone()));
        Ok(fronts)
    }

    /// The names that cards give these pieces of audio, as far as they were found yet.
    pub(super) fn names_of(
        &self,
        index: &Index,
        blobs: &[BlobId],
    ) -> Result<HashMap<BlobId, String>, HistoryError> {
        let mut sounds = lock(&self.sounds);
        if sounds.line != index.line {
            *sounds = Sounds {
                line: index.line,
                ..Sounds::default()
            };
        }
        let mut read = 0;
        while read < READ_FOR_NAMES_MAX
            && let Some(entry) = index.entries.get(sounds.looked_at)
            && blobs.iter().any(|blob| !sounds.names.contains_key(blob))
        {
            sounds.looked_at += 1;
            // What an undo does is not in its notes.
            let brings = |note: &&Note| entry.reversal.is_some() || matches!(note, Note::AudioAttach { .. });
            for card in entry.notes.iter().filter(brings).filter_map(Note::card) {
                read += 1;
                let audio = self.deck.card(card)?.into_iter().flat_map(|card| card.audio);
                sounds
                    .names
                    .extend(audio.map(|(_, audio)| (audio.blob, audio.name)));
            }
        }
        let known = blobs
            .iter()
            .filter_map(|blob| Some((*blob, sounds.names.get(blob)?.clone())));
        Ok(known.collect())
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

#[cfg(test)]
mod tests;
