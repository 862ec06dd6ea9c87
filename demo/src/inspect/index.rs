//! A deck's history as the page needs it: every entry once, in the order and in the lanes in which it is drawn, with the
//! heads at each step. Brought up to date at the cost of what is new, plus one pass over numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use cuecard::history::{Entry, WriterKind};
use cuecard::op::Note;
use cuecard::{CardId, ChangeHash, Deck, DeviceId, DraftId, HistoryError, TermId};

use crate::graph::rows::{Knot, Layout, Strand};
use crate::history::op_of_all;

/// A deck's history, laid out.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Counts up with each change of the deck that was seen.
    pub(super) version: u64,
    /// Counts up where entries came in between or were taken out: with the same line, each step is what it was.
    pub(super) line: u64,
    /// In the order in which they became known: numbers into this list name entries.
    pub(super) entries: Vec<Arc<Entry>>,
    by_hash: HashMap<ChangeHash, u32>,
    /// Runs joined.
    pub(super) joined: Layout,
    /// A row an entry.
    pub(super) full: Layout,
    /// For each entry its place in the order, newest first.
    places: Vec<u32>,
    /// For each place the entries that nothing before them (older than it) was made on: the heads of that step.
    heads: Vec<Vec<u32>>,
    /// The devices, by the numbers that strands use.
    pub(super) devices: Vec<Option<DeviceId>>,
    /// The terms, in the order in which they began.
    pub(super) terms: BTreeMap<TermId, u64>,
    /// Entries that came back after their term was over.
    pub(super) late: BTreeSet<u32>,
    /// For each card the steps that touched it, oldest first. Made when it is first asked for: the first page needs none.
    touches: OnceLock<HashMap<CardId, Vec<u32>>>,
}

impl Index {
    /// Reads a deck, going on from what is known of it.
    ///
    /// # Errors
    /// While nothing of it has arrived.
    pub(super) fn read(deck: &Deck, before: Option<&Self>) -> Result<Self, HistoryError> {
        let head = deck.head()?;
        if let Some(before) = before
            && let Some(mut next) = before.grown(deck, head)?
        {
            next.line = before.line + u64::from(!next.goes_on_from(before));
            return Ok(next);
        }
        let version = before.map_or(1, |before| before.version + 1);
        let mut index = Self {
            version,
            line: before.map_or(1, |before| before.line + 1),
            ..Self::default()
        };
        for entry in deck.history()? {
            index.push(entry);
        }
        index.arrange(deck);
        Ok(index)
    }

    /// With what came since; `None` if something was taken out.
    fn grown(&self, deck: &Deck, head: ChangeHash) -> Result<Option<Self>, HistoryError> {
        let mut new: BTreeMap<ChangeHash, Entry> = BTreeMap::new();
        let mut open = vec![head];
        while let Some(hash) = open.pop() {
            if self.by_hash.contains_key(&hash) || new.contains_key(&hash) {
                continue;
            }
            let entry = deck.entry(hash)?;
            open.extend(&entry.deps);
            new.insert(hash, entry);
        }
        if deck.entry_count()? != self.entries.len() + new.len() {
            return Ok(None);
        }
        let mut index = Self {
            version: self.version + 1,
            entries: self.entries.clone(),
            by_hash: self.by_hash.clone(),
            ..Self::default()
        };
        for entry in new.into_values() {
            index.push(entry);
        }
        index.arrange(deck);
        Ok(Some(index))
    }

    fn push(&mut self, entry: Entry) {
        let number = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.by_hash.insert(entry.hash, number);
        self.entries.push(Arc::new(entry));
    }

    fn arrange(&mut self, deck: &Deck) {
        let mut devices: BTreeMap<Option<DeviceId>, u32> = BTreeMap::new();
        let mut drafts: BTreeMap<DraftId, u32> = BTreeMap::new();
        let strand_of = |entry: &Entry, devices: &mut BTreeMap<_, u32>, drafts: &mut BTreeMap<_, u32>| {
            let device = entry.writer.as_ref().map(|writer| writer.device);
            let next = u32::try_from(devices.len()).unwrap_or(u32::MAX);
            let device = *devices.entry(device).or_insert(next);
            let draft = draft_of(entry).map(|draft| {
                let next = u32::try_from(drafts.len()).unwrap_or(u32::MAX);
                *drafts.entry(draft).or_insert(next)
            });
            Strand { device, draft }
        };
        let mut knots = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            knots.push(Knot {
                hash: entry.hash.0.as_slice(),
                strand: strand_of(entry, &mut devices, &mut drafts),
                op: op_of(entry),
                time_ms: entry.time_ms,
                deps: entry.deps.iter().filter_map(|dep| self.number(dep)).collect(),
            });
        }
        self.joined = Layout::of(&knots, false);
        self.full = Layout::in_order(&knots, self.joined.order.clone(), true);
        let heads = heads(&knots, &self.joined.order);
        drop(knots);
        self.heads = heads;
        self.places = vec![0; self.entries.len()];
        for (place, &at) in (0..).zip(&self.joined.order) {
            if let Some(known) = self.places.get_mut(at as usize) {
                *known = place;
            }
        }
        self.devices = vec![None; devices.len()];
        for (device, number) in devices {
            if let Some(place) = self.devices.get_mut(number as usize) {
                *place = device;
            }
        }
        self.terms = BTreeMap::from([(TermId::zero_of(deck.id()), 0)]);
        for &at in self.joined.order.iter().rev() {
            if let Some(term) = self.entry(at).and_then(term_of) {
                let next = self.terms.len() as u64;
                self.terms.entry(term).or_insert(next);
            }
        }
        self.late = self.find_late();
    }

    /// What the entries that accept late work brought in: of that term, down to where the term after it began.
    fn find_late(&self) -> BTreeSet<u32> {
        let accepts = |note: &Note| match note {
            Note::LateAccept { term } => Some(*term),
            _ => None,
        };
        let accepted: Vec<(&Entry, TermId)> = self
            .entries
            .iter()
            .map(Arc::as_ref)
            .flat_map(|entry| {
                entry
                    .notes
                    .iter()
                    .filter_map(accepts)
                    .map(move |term| (entry, term))
            })
            .collect();
        let mut late = BTreeSet::new();
        if accepted.is_empty() {
            return late;
        }
        let mut cuts: BTreeSet<u32> = BTreeSet::new();
        for entry in &self.entries {
            let term = term_of(entry);
            let on = entry.deps.first().and_then(|dep| self.number(dep));
            cuts.extend(on.filter(|&on| term.is_some() && self.entry(on).and_then(term_of) != term));
        }
        for (entry, term) in accepted {
            let mut open: Vec<u32> = entry
                .deps
                .iter()
                .skip(1)
                .filter_map(|dep| self.number(dep))
                .collect();
            while let Some(at) = open.pop() {
                let is_of_term = self.entry(at).and_then(term_of) == Some(term);
                if is_of_term && !cuts.contains(&at) && late.insert(at) {
                    let deps = self.entry(at).into_iter().flat_map(|entry| &entry.deps);
                    open.extend(deps.filter_map(|dep| self.number(dep)));
                }
            }
        }
        late
    }

    /// Whether it is of the deck with this head.
    pub(super) fn is_of(&self, head: ChangeHash) -> bool {
        let newest = self.joined.order.first().and_then(|&at| self.entry(at));
        newest.is_some_and(|entry| entry.hash == head)
    }

    pub(super) fn number(&self, hash: &ChangeHash) -> Option<u32> {
        self.by_hash.get(hash).copied()
    }

    pub(super) fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries.get(number as usize).map(Arc::as_ref)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry at a step: 0 is the oldest.
    pub(super) fn at_step(&self, step: usize) -> Option<u32> {
        let place = self.len().checked_sub(step + 1)?;
        self.joined.order.get(place).copied()
    }

    /// The step of an entry.
    pub(super) fn step_of(&self, number: u32) -> Option<usize> {
        let place = *self.places.get(number as usize)? as usize;
        self.len().checked_sub(place + 1)
    }

    /// What the heads were at a step.
    pub(super) fn heads_at(&self, step: usize) -> Vec<ChangeHash> {
        let place = self.len().checked_sub(step + 1);
        let numbers = place.and_then(|place| self.heads.get(place));
        let entries = numbers.into_iter().flatten().filter_map(|&at| self.entry(at));
        entries.map(|entry| entry.hash).collect()
    }

    /// The cards that the entries of some steps touched.
    pub(super) fn touched(&self, steps: RangeInclusive<usize>) -> BTreeSet<&CardId> {
        self.cards_of(steps, |_, _| true)
    }

    /// The cards that may stand elsewhere, or be there or not, after the entries of some steps.
    pub(super) fn moved(&self, steps: RangeInclusive<usize>) -> BTreeSet<&CardId> {
        self.cards_of(steps, |entry, note| {
            // What an undo does to a card is not in its notes.
            entry.reversal.is_some()
                || !matches!(
                    note,
                    Note::CardText { .. }
                        | Note::CardField { .. }
                        | Note::CardTag { .. }
                        | Note::CardUntag { .. }
                        | Note::AudioAttach { .. }
                        | Note::AudioDetach { .. }
                )
        })
    }

    fn cards_of(
        &self,
        steps: RangeInclusive<usize>,
        counts: impl Fn(&Entry, &Note) -> bool,
    ) -> BTreeSet<&CardId> {
        let entries = steps.filter_map(|step| self.entry(self.at_step(step)?));
        entries
            .flat_map(|entry| entry.notes.iter().filter(|note| counts(entry, note)))
            .filter_map(Note::card)
            .collect()
    }

    /// The entry that made a card what it is at a step; none before the card was there.
    pub(super) fn made(&self, card: &CardId, step: usize) -> Option<u32> {
        let touches = self.touches.get_or_init(|| self.find_touches()).get(card)?;
        let until = touches.partition_point(|&touch| touch as usize <= step);
        self.at_step(*touches.get(until.checked_sub(1)?)? as usize)
    }

    fn find_touches(&self) -> HashMap<CardId, Vec<u32>> {
        let mut touches: HashMap<CardId, Vec<u32>> = HashMap::new();
        for (step, &number) in (0..).zip(self.joined.order.iter().rev()) {
            let notes = self.entry(number).map(|entry| entry.notes.as_slice());
            for card in notes.unwrap_or_default().iter().filter_map(Note::card) {
                match touches.get_mut(card) {
                    Some(of_card) if of_card.last() == Some(&step) => {}
                    Some(of_card) => of_card.push(step),
                    None => {
                        touches.insert(card.clone(), vec![step]);
                    }
                }
            }
        }
        touches
    }

    /// Whether each step of another index is that step of this one too: nothing came in between.
    fn goes_on_from(&self, before: &Self) -> bool {
        self.joined.order.ends_with(&before.joined.order)
            && self.entries.len() >= before.entries.len()
            && self
                .entries
                .iter()
                .zip(&before.entries)
                .all(|(one, other)| Arc::ptr_eq(one, other))
    }

    /// The rows, joined or not.
    pub(super) const fn layout(&self, full: bool) -> &Layout {
        if full { &self.full } else { &self.joined }
    }

    /// The entries of a card, newest first.
    pub(super) fn entries_of<'a>(&'a self, card: &'a CardId) -> impl Iterator<Item = u32> + 'a {
        let touches = |at: &u32| {
            let notes = self.entry(*at).map(|entry| entry.notes.as_slice());
            notes
                .unwrap_or_default()
                .iter()
                .any(|note| note.card() == Some(card))
        };
        self.joined.order.iter().copied().filter(touches)
    }
}

/// The heads at each place of an order, oldest last: what was there then and nothing had been made on.
fn heads(knots: &[Knot<'_>], order: &[u32]) -> Vec<Vec<u32>> {
    let mut now: Vec<u32> = Vec::new();
    let mut heads = vec![Vec::new(); order.len()];
    for (place, &at) in order.iter().enumerate().rev() {
        let deps = knots
            .get(at as usize)
            .map(|knot| knot.deps.as_slice())
            .unwrap_or_default();
        now.retain(|head| !deps.contains(head));
        now.insert(0, at);
        if let Some(heads) = heads.get_mut(place) {
            heads.clone_from(&now);
        }
    }
    heads
}

/// The op that an entry is told by.
pub(super) fn op_of(entry: &Entry) -> &'static str {
    if entry
        .writer
        .as_ref()
        .is_some_and(|writer| writer.kind == WriterKind::Genesis)
    {
        return "deck.created";
    }
    if let Some(reversal) = entry.reversal {
        return reversal.name();
    }
    let notes = entry.notes.iter().map(|note| (note.name(), note.card()));
    match op_of_all(notes) {
        "" => "unknown",
        op => op,
    }
}

pub(super) fn term_of(entry: &Entry) -> Option<TermId> {
    match entry.writer.as_ref()?.kind {
        WriterKind::Term(term) => Some(term),
        _ => None,
    }
}

pub(super) fn draft_of(entry: &Entry) -> Option<DraftId> {
    match entry.writer.as_ref()?.kind {
        WriterKind::Draft(draft) => Some(draft),
        _ => None,
    }
}
