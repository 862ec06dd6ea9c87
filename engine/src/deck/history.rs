//! What an app asks a deck about its past. Every call costs what it answers, however long the history is.

use std::collections::VecDeque;

use super::Deck;
use crate::card::{Card, DeckInfo};
use crate::core::DeckError;
use crate::core::log::Log;
use crate::history::{self, Blame, CardDiff, Conflict, Entry, Page, Place};
use crate::id::{CardId, ChangeHash};

/// Entries that a [`History`] reads at a time: enough that asking costs little beside reading, and the deck is held up
/// for well under a millisecond.
const ENTRIES_AT_A_TIME: usize = 64;

/// Why nothing is known of a point of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// Of the deck as a whole.
    #[error(transparent)]
    Deck(#[from] DeckError),
    /// The deck has no such entry.
    #[error("this deck has no entry {entry}; it may not have arrived yet, or a reorganisation took it out")]
    UnknownEntry {
        /// Which one.
        entry: ChangeHash,
    },
}

impl Deck {
    /// Everything that happened to it, newest first: each entry before all that it was made on, in the same order on all
    /// devices with this head. Reads as it goes; what happens to the deck meanwhile does not show in it.
    ///
    /// # Errors
    /// While nothing of it has arrived.
    pub fn history(&self) -> Result<History, DeckError> {
        let heads = self.shared.read(|core| Ok(core.log(self.id)?.document.heads()))?;
        Ok(History::new(self.clone(), heads))
    }

    /// One entry and its past, as [`Deck::history`]; or, from what [`History::rest`] said, on from there.
    ///
    /// # Errors
    /// Where the deck has no such entry.
    pub fn history_from(&self, entries: &[ChangeHash]) -> Result<History, HistoryError> {
        self.read_at(&[entries], |_| ())?;
        Ok(History::new(self.clone(), entries.to_vec()))
    }

    /// How many entries its history has, drafts that were accepted included.
    ///
    /// # Errors
    /// While nothing of it has arrived.
    pub fn entry_count(&self) -> Result<usize, DeckError> {
        self.shared
            .read(|core| Ok(history::entry_count(&core.log(self.id)?.document)))
    }

    /// One entry of its history.
    ///
    /// # Errors
    /// Where the deck has no such entry.
    pub fn entry(&self, entry: ChangeHash) -> Result<Entry, HistoryError> {
        let found = self.read_at(&[&[entry]], |log| {
            history::entry_of(&log.document, &entry, log.who())
        })?;
        found.ok_or(HistoryError::UnknownEntry { entry })
    }

    /// The deck as it was when these entries were its heads: one, or several where nobody had merged them. Nothing is
    /// read until it is asked for, and nothing copied.
    ///
    /// # Errors
    /// Where the deck has no such entry.
    pub fn at(&self, heads: &[ChangeHash]) -> Result<View, HistoryError> {
        self.read_at(&[heads], |_| ())?;
        Ok(View {
            deck: self.clone(),
            heads: heads.to_vec(),
        })
    }

    /// The cards as they were when `head` was the head; none where the deck has no such entry.
    ///
    /// # Errors
    /// While nothing of the deck has arrived.
    pub fn cards_at(&self, head: ChangeHash) -> Result<Vec<Card>, DeckError> {
        self.shared
            .read(|core| Ok(core.log(self.id)?.document.cards_at(&[head])))
    }

    /// Where these cards stand, as [`View::places`] says it of the past.
    ///
    /// # Errors
    /// While nothing of it has arrived.
    pub fn places(&self, cards: &[CardId]) -> Result<Vec<Place>, DeckError> {
        self.shared
            .read(|core| Ok(history::places(&core.log(self.id)?.document, cards)))
    }

    /// What differs between two points of the past, card by card. Costs what was done between them.
    ///
    /// # Errors
    /// Where the deck has no such entry.
    pub fn diff(&self, before: &[ChangeHash], after: &[ChangeHash]) -> Result<Vec<CardDiff>, HistoryError> {
        let differs = |log: &Log| history::diff(&log.document, before, after).unwrap_or_default();
        self.read_at(&[before, after], differs)
    }

    /// The places of it that several devices wrote to without knowing of one another: what shows, and what does not.
    /// Looks at the whole deck.
    ///
    /// # Errors
    /// While nothing of it has arrived.
    pub fn conflicts(&self) -> Result<Vec<Conflict>, DeckError> {
        self.shared.read(|core| {
            let log = core.log(self.id)?;
            Ok(history::conflicts(&log.document, log.who()))
        })
    }

    /// As [`Deck::conflicts`], of one card.
    ///
    /// # Errors
    /// While nothing of the deck has arrived.
    pub fn conflicts_of(&self, card: &CardId) -> Result<Vec<Conflict>, DeckError> {
        self.shared.read(|core| {
            let log = core.log(self.id)?;
            Ok(history::conflicts_of(&log.document, card, log.who()))
        })
    }

    /// Who wrote what of a card, text by text and value by value; `None` if there is no such card.
    ///
    /// # Errors
    /// While nothing of the deck has arrived.
    pub fn blame(&self, card: &CardId) -> Result<Option<Blame>, DeckError> {
        self.shared.read(|core| {
            let log = core.log(self.id)?;
            Ok(history::blame(&log.document, None, card, log.who()))
        })
    }

    fn read_at<T>(&self, points: &[&[ChangeHash]], read: impl FnOnce(&Log) -> T) -> Result<T, HistoryError> {
        self.shared.read(|core| {
            let log = core.log(self.id)?;
            let mut entries = points.iter().flat_map(|point| point.iter());
            match entries.find(|entry| !log.document.contains(entry)) {
                Some(&entry) => Err(HistoryError::UnknownEntry { entry }),
                None => Ok(read(log)),
            }
        })
    }
}

/// Entries of a deck's history, read as they are asked for.
#[derive(Debug, Clone)]
pub struct History {
    deck: Deck,
    /// Where those that are read ahead begin, and how many of them were given away.
    from: Vec<ChangeHash>,
    given: usize,
    read: VecDeque<Entry>,
    /// Where to go on behind them.
    rest: Vec<ChangeHash>,
}

impl History {
    const fn new(deck: Deck, from: Vec<ChangeHash>) -> Self {
        Self {
            deck,
            from: Vec::new(),
            given: 0,
            read: VecDeque::new(),
            rest: from,
        }
    }

    /// Where to go on later, for [`Deck::history_from`]: what comes next, and what lies beside it. Empty at the end.
    #[must_use]
    pub fn rest(&self) -> Vec<ChangeHash> {
        if self.read.is_empty() {
            return self.rest.clone();
        }
        let given = self.page(&self.from, self.given);
        given.map(|page| page.rest).unwrap_or_default()
    }

    fn page(&self, from: &[ChangeHash], count: usize) -> Result<Page, DeckError> {
        self.deck.shared.read(|core| {
            let log = core.log(self.deck.id)?;
            Ok(history::page(&log.document, from, count, log.who()))
        })
    }
}

impl Iterator for History {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.read.is_empty() && !self.rest.is_empty() {
            // A deck that was here stays; entries that a reorganisation took out meanwhile end the walk.
            let page = self.page(&self.rest, ENTRIES_AT_A_TIME).ok()?;
            self.from = std::mem::replace(&mut self.rest, page.rest);
            self.read = page.entries.into();
            self.given = 0;
        }
        let next = self.read.pop_front()?;
        self.given += 1;
        Some(next)
    }
}

/// A deck as it was at a point of its past. Reads when it is asked.
#[derive(Debug, Clone)]
pub struct View {
    deck: Deck,
    heads: Vec<ChangeHash>,
}

impl View {
    /// The point.
    #[must_use]
    pub fn heads(&self) -> &[ChangeHash] {
        &self.heads
    }

    /// What the deck said of itself.
    ///
    /// # Errors
    /// Where a reorganisation took the point out of the deck.
    pub fn info(&self) -> Result<DeckInfo, HistoryError> {
        self.read(|log| log.document.deck_at(&self.heads).unwrap_or_default())
    }

    /// The cards in order.
    ///
    /// # Errors
    /// Where a reorganisation took the point out of the deck.
    pub fn cards(&self) -> Result<Vec<Card>, HistoryError> {
        self.read(|log| log.document.cards_at(&self.heads))
    }

    /// One card; also a deleted one. Costs what the card held.
    ///
    /// # Errors
    /// Where a reorganisation took the point out of the deck.
    pub fn card(&self, card: &CardId) -> Result<Option<Card>, HistoryError> {
        self.read(|log| log.document.card_at(&self.heads, card))
    }

    /// Where these cards stood, without those that were not there or were deleted: sorted, they are in the order of the
    /// deck. Reads nothing else of them.
    ///
    /// # Errors
    /// Where a reorganisation took the point out of the deck.
    pub fn places(&self, cards: &[CardId]) -> Result<Vec<Place>, HistoryError> {
        self.read(|log| history::places_at(&log.document, &self.heads, cards))
    }

    /// Who had written what of a card.
    ///
    /// # Errors
    /// Where a reorganisation took the point out of the deck.
    pub fn blame(&self, card: &CardId) -> Result<Option<Blame>, HistoryError> {
        self.read(|log| history::blame(&log.document, Some(&self.heads), card, log.who()))
    }

    /// The entries up to there, newest first.
    ///
    /// # Errors
    /// Where a reorganisation took the point out of the deck.
    pub fn history(&self) -> Result<History, HistoryError> {
        self.deck.history_from(&self.heads)
    }

    fn read<T>(&self, read: impl FnOnce(&Log) -> T) -> Result<T, HistoryError> {
        self.deck.read_at(&[&self.heads], read)
    }
}
