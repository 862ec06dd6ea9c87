//! A deck's history as data: what the graph draws, what `--json` prints, what a demo peer tells.

use std::collections::BTreeMap;

use cuecard::history::{Entry as EngineEntry, WriterKind};
use cuecard::op::Note;
use cuecard::{CardId, Deck, DeckError, DeviceId, Engine, TermId};
use serde::{Deserialize, Serialize};

/// Everything that happened to a deck, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct History {
    /// Which deck.
    pub(crate) deck: String,
    /// Its title.
    pub(crate) title: String,
    /// Its latest entry.
    pub(crate) head: String,
    /// What devices are called, by id.
    pub(crate) devices: BTreeMap<String, String>,
    /// What authors said of their drafts, by id.
    pub(crate) drafts: BTreeMap<String, String>,
    /// Signed changes that did not become part of the deck: how many pieces.
    pub(crate) late_work: usize,
    /// What happened.
    pub(crate) entries: Vec<Entry>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its hash: what `--at` takes.
    pub(crate) hash: String,
    /// The entries it was made upon.
    pub(crate) deps: Vec<String>,
    /// Who made it.
    pub(crate) device: String,
    /// Whether it is how the deck began.
    pub(crate) is_genesis: bool,
    /// In which term, numbered in the order in which they began; none for a draft.
    pub(crate) term: Option<u64>,
    /// The term's id.
    pub(crate) term_id: Option<String>,
    /// In which draft; none for an edit.
    pub(crate) draft: Option<String>,
    /// When, by its author's clock, in milliseconds since 1970.
    pub(crate) time_ms: u64,
    /// What it did.
    pub(crate) ops: Vec<OpTold>,
}

impl Entry {
    /// The name of its op; `batch` for several different ones.
    pub(crate) fn op(&self) -> &str {
        op_of_all(self.ops.iter().map(|op| (op.op.as_str(), op.card.as_deref())))
    }
}

/// The one name for several ops, each with the card that it touched: `batch` where they have none in common. What is done
/// to cards in the entry that adds them is a part of adding them.
pub(crate) fn op_of_all<'a, C: PartialEq>(
    ops: impl Iterator<Item = (&'a str, Option<C>)> + Clone,
) -> &'a str {
    let Some((first, _)) = ops.clone().next() else {
        return "";
    };
    if ops.clone().all(|(op, _)| op == first) {
        return first;
    }
    let is_added = |card: &C| {
        let mut others = ops.clone();
        others.any(|(op, other)| op == ADD && other.as_ref() == Some(card))
    };
    let mut rest = ops.clone().filter(|(op, _)| *op != ADD);
    let is_adding = first == ADD && rest.all(|(_, card)| card.is_some_and(|card| is_added(&card)));
    if is_adding { ADD } else { "batch" }
}

const ADD: &str = "card.add";

/// One op, told with the names that people know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpTold {
    /// Its stable name.
    pub(crate) op: String,
    /// The card it touched.
    pub(crate) card: Option<String>,
    /// What the card says now, or the deck's title.
    pub(crate) text: Option<String>,
    /// The draft that it accepted or declined.
    pub(crate) draft: Option<String>,
    /// Whose late work it accepted.
    pub(crate) late: Option<LateOf>,
}

/// Late work that became part of the deck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LateOf {
    /// Of which term, numbered as those of entries.
    pub(crate) term: Option<u64>,
    /// Who wrote it.
    pub(crate) device: Option<String>,
}

/// Reads a deck's history: its latest entries, so many at the most.
///
/// # Errors
/// While nothing of the deck has arrived.
pub(crate) fn of(engine: &Engine, deck: &Deck, limit: usize) -> Result<History, DeckError> {
    let mut entries: Vec<EngineEntry> = deck.history()?.collect();
    let terms = Terms::of(deck, &entries);
    entries.truncate(limit);
    let title = deck.info()?.title;
    let mut devices = BTreeMap::new();
    for device in entries
        .iter()
        .filter_map(|entry| entry.writer.as_ref())
        .map(|writer| writer.device)
    {
        devices
            .entry(device.to_string())
            .or_insert_with(|| engine.name_of(device).unwrap_or_else(|| device.short()));
    }
    let fronts: BTreeMap<CardId, String> = fronts(deck, &entries)?;
    let told = |entry: &EngineEntry| tell(entry, &terms, &fronts, &title);
    Ok(History {
        deck: deck.id().to_string(),
        head: deck.head()?.to_string(),
        devices,
        drafts: deck
            .drafts()?
            .into_iter()
            .map(|draft| (draft.draft.to_string(), draft.note))
            .collect(),
        late_work: deck.late_work()?.len(),
        entries: entries.iter().map(told).collect(),
        title,
    })
}

/// The terms by number, oldest first; term 0 is the deck's first. And whose they were.
struct Terms {
    numbers: BTreeMap<TermId, u64>,
    devices: BTreeMap<TermId, DeviceId>,
}

impl Terms {
    fn of(deck: &Deck, newest_first: &[EngineEntry]) -> Self {
        let mut terms = Self {
            numbers: BTreeMap::from([(TermId::zero_of(deck.id()), 0)]),
            devices: BTreeMap::new(),
        };
        for writer in newest_first
            .iter()
            .rev()
            .filter_map(|entry| entry.writer.as_ref())
        {
            if let WriterKind::Term(term) = writer.kind {
                let next = terms.numbers.len() as u64;
                terms.numbers.entry(term).or_insert(next);
                terms.devices.entry(term).or_insert(writer.device);
            }
        }
        terms
    }

    fn number(&self, term: TermId) -> Option<u64> {
        self.numbers.get(&term).copied()
    }
}

/// What the cards say that the entries touched, deleted ones included.
fn fronts(deck: &Deck, entries: &[EngineEntry]) -> Result<BTreeMap<CardId, String>, DeckError> {
    let mut fronts = BTreeMap::new();
    for card in entries
        .iter()
        .flat_map(|entry| &entry.notes)
        .filter_map(Note::card)
    {
        if !fronts.contains_key(card)
            && let Some(found) = deck.card(card)?
        {
            fronts.insert(card.clone(), found.front);
        }
    }
    Ok(fronts)
}

fn tell(entry: &EngineEntry, terms: &Terms, fronts: &BTreeMap<CardId, String>, title: &str) -> Entry {
    let (term, draft, is_genesis) = match entry.writer.as_ref().map(|writer| writer.kind) {
        Some(WriterKind::Genesis) => (None, None, true),
        Some(WriterKind::Term(term)) => (Some(term), None, false),
        Some(WriterKind::Draft(draft)) => (None, Some(draft), false),
        None => (None, None, false),
    };
    let device = entry
        .writer
        .as_ref()
        .map_or_else(|| "unknown".to_owned(), |writer| writer.device.to_string());
    let op = |note: &Note| {
        let card = note.card();
        let of_deck = matches!(note, Note::DeckRename | Note::DeckField { .. });
        let text = card.and_then(|card| fronts.get(card)).cloned();
        let judged = if let Note::DraftAccept { draft } | Note::DraftDecline { draft, .. } = note {
            Some(draft.to_string())
        } else {
            None
        };
        let late = match note {
            Note::LateAccept { term } => Some(LateOf {
                term: terms.number(*term),
                device: terms.devices.get(term).map(ToString::to_string),
            }),
            _ => None,
        };
        OpTold {
            op: note.name().to_owned(),
            card: card.map(ToString::to_string),
            text: text.or_else(|| of_deck.then(|| title.to_owned())),
            draft: judged,
            late,
        }
    };
    Entry {
        hash: entry.hash.to_string(),
        deps: entry.deps.iter().map(ToString::to_string).collect(),
        device,
        is_genesis,
        term: term.and_then(|term| terms.number(term)),
        term_id: term.map(|term| term.to_string()),
        draft: draft.map(|draft| draft.to_string()),
        time_ms: entry.time_ms,
        ops: entry.notes.iter().map(op).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::op_of_all;

    #[test]
    fn an_entry_is_told_by_what_its_ops_have_in_common() {
        let told =
            |ops: &[(&'static str, u8)]| op_of_all(ops.iter().map(|&(op, card)| (op, Some(card)))).to_owned();
        assert_eq!(told(&[]), "");
        assert_eq!(told(&[("card.text", 1), ("card.text", 2)]), "card.text");
        assert_eq!(
            told(&[("card.add", 1), ("card.tag", 1), ("audio.attach", 1)]),
            "card.add"
        );
        assert_eq!(
            told(&[("card.add", 1), ("card.tag", 1), ("card.add", 2), ("card.tag", 2)]),
            "card.add"
        );
        assert_eq!(told(&[("card.add", 1), ("card.tag", 2)]), "batch");
        assert_eq!(told(&[("card.tag", 1), ("card.text", 1)]), "batch");
        assert_eq!(
            op_of_all([("card.add", Some(1)), ("deck.rename", None)].into_iter()),
            "batch"
        );
    }
}
