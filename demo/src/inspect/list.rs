//! The list beside the graph: rows, searched and grouped; and a page of it as JSON.

use std::collections::BTreeMap;

use cuecard::history::Entry;
use serde::Deserialize;
use serde_json::{Value, json};

use super::book::{Book, Fronts};
use super::index::{Index, draft_of, op_of, term_of};
use super::told;

/// A pause so long begins another sitting.
const SITTING_MS: u64 = 30 * 60 * 1000;
/// Longer than anybody searches for.
const SEARCH_BYTES_MAX: usize = 256;

/// By what rows are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Group {
    /// As they were made.
    #[default]
    None,
    /// All of one device together.
    Author,
    /// What was done at one sitting together.
    Time,
}

/// A line of the list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Line {
    /// A row of the layout.
    Row(usize),
    /// What the rows below have in common, by the first and the last of them, and how many entries these are.
    Heading {
        first: usize,
        last: usize,
        entries: usize,
    },
}

/// Which rows are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) search: String,
    pub(super) group: Group,
    pub(super) full: bool,
}

impl Wish {
    pub(super) fn new(search: &str, group: Group, full: bool) -> Option<Self> {
        (search.len() <= SEARCH_BYTES_MAX).then(|| Self {
            search: search.trim().to_lowercase(),
            group,
            full,
        })
    }

    /// Whether the lines are the rows in their order, so that the graph can be drawn beside them.
    pub(super) fn is_whole(&self) -> bool {
        self.search.is_empty() && self.group != Group::Author
    }
}

/// The lines that are asked for.
pub(super) fn lines(book: &Book, index: &Index, wish: &Wish, fronts: Option<&Fronts>) -> Vec<Line> {
    let layout = index.layout(wish.full);
    let words: Vec<&str> = wish.search.split_whitespace().collect();
    let matches = |row: &usize| {
        words.is_empty()
            || layout.rows.get(*row).is_some_and(|row| {
                let places = layout.order.get(row.places.clone()).unwrap_or_default();
                places.iter().any(|&number| {
                    let entry = index.entry(number);
                    entry.is_some_and(|entry| {
                        words
                            .iter()
                            .all(|word| has(book, index, number, entry, fronts, word))
                    })
                })
            })
    };
    let mut rows: Vec<usize> = (0..layout.rows.len()).filter(matches).collect();
    let lane_of: BTreeMap<u32, usize> = layout
        .devices
        .iter()
        .enumerate()
        .map(|(lane, &of)| (of, lane))
        .collect();
    let device = |row: usize| {
        layout
            .rows
            .get(row)
            .and_then(|row| lane_of.get(&row.strand.device).copied())
    };
    if wish.group == Group::Author {
        rows.sort_by_key(|&row| device(row));
    }
    let newest = |row: usize| {
        let place = layout.rows.get(row)?.places.start;
        index.entry(*layout.order.get(place)?).map(|entry| entry.time_ms)
    };
    let oldest = |row: usize| {
        let place = layout.rows.get(row)?.places.end.checked_sub(1)?;
        index.entry(*layout.order.get(place)?).map(|entry| entry.time_ms)
    };
    let together = |above: usize, below: usize| match wish.group {
        Group::None => true,
        Group::Author => device(above) == device(below),
        Group::Time => {
            let (above, below) = (oldest(above).unwrap_or(0), newest(below).unwrap_or(0));
            above.saturating_sub(below) < SITTING_MS
        }
    };
    if wish.group == Group::None {
        return rows.into_iter().map(Line::Row).collect();
    }
    let mut lines = Vec::with_capacity(rows.len() + 16);
    for group in rows.chunk_by(|&above, &below| together(above, below)) {
        if let (Some(&first), Some(&last)) = (group.first(), group.last()) {
            let sizes = group
                .iter()
                .filter_map(|&row| layout.rows.get(row).map(|row| row.places.len()));
            let entries = sizes.sum();
            lines.push(Line::Heading { first, last, entries });
        }
        lines.extend(group.iter().copied().map(Line::Row));
    }
    lines
}

/// Whether one word of a search fits an entry.
fn has(book: &Book, index: &Index, number: u32, entry: &Entry, fronts: Option<&Fronts>, word: &str) -> bool {
    if let Some((name, value)) = word.split_once(':')
        && !value.is_empty()
    {
        let device = entry.writer.as_ref().map(|writer| writer.device);
        match name {
            "by" => return book.name_of(device).to_lowercase().contains(value),
            "op" => return op_of(entry).contains(value),
            "term" => {
                let term = term_of(entry).and_then(|term| index.terms.get(&term));
                return term.is_some_and(|term| term.to_string() == value);
            }
            "is" => {
                return match value {
                    "head" => index.layout(true).order.first() == Some(&number),
                    _ => told::kind(index, number, entry) == value,
                };
            }
            "card" => {
                let mut cards = entry.notes.iter().filter_map(|note| note.card());
                return cards.any(|card| card.as_str() == value);
            }
            _ => {}
        }
    }
    let device = entry.writer.as_ref().map(|writer| writer.device);
    let fits_front = |note: &cuecard::op::Note| {
        let front = note.card().and_then(|card| fronts?.get(card));
        front.is_some_and(|front| front.to_lowercase().contains(word))
    };
    let fits_draft = || {
        let info = draft_of(entry).and_then(|draft| book.deck.draft_of(draft).info().ok());
        info.is_some_and(|info| info.note.to_lowercase().contains(word))
    };
    op_of(entry).contains(word)
        || entry.notes.iter().any(|note| note.name().contains(word))
        || (word.len() >= 4 && entry.hash.to_string().starts_with(word))
        || entry.notes.iter().any(fits_front)
        || book.name_of(device).to_lowercase().contains(word)
        || fits_draft()
}

/// Some lines, and every line of the graph that passes them.
pub(super) fn page(
    book: &Book,
    index: &Index,
    wish: &Wish,
    lines: &[Line],
    from: usize,
    count: usize,
) -> Value {
    let layout = index.layout(wish.full);
    let shown = lines.iter().enumerate().skip(from).take(count);
    let told: Vec<Value> = shown
        .map(|(_, line)| told_line(book, index, wish, line))
        .collect();
    let mut edges = Vec::new();
    if wish.is_whole() {
        // Where each row is among the lines: the same, or further down by the headings above it.
        let mut line_of = vec![usize::MAX; layout.rows.len()];
        for (at, line) in lines.iter().enumerate() {
            if let Line::Row(row) = line
                && let Some(line) = line_of.get_mut(*row)
            {
                *line = at;
            }
        }
        let to = from + told.len();
        for (row, above) in layout.rows.iter().enumerate() {
            let Some(&start) = line_of.get(row).filter(|&&start| start < to) else {
                break;
            };
            for &parent in &above.parents {
                let Some(&end) = line_of
                    .get(parent)
                    .filter(|&&end| end >= from && end != usize::MAX)
                else {
                    continue;
                };
                let lane = |row: usize| layout.lanes.get(row).copied();
                let into = layout
                    .rows
                    .get(parent)
                    .is_some_and(|below| above.is_merge_of(below));
                let side = above.strand.draft.is_some() || into;
                edges.push(json!([
                    start,
                    lane(row),
                    end,
                    lane(parent),
                    u8::from(into),
                    u8::from(side),
                    if into {
                        layout.rows.get(parent).map(|below| below.strand.device)
                    } else {
                        Some(above.strand.device)
                    },
                ]));
            }
        }
    }
    json!({
        "version": index.version,
        "total": lines.len(),
        "entries": index.len(),
        "lanes": layout.width(),
        "from": from,
        "lines": told,
        "edges": edges,
    })
}

fn told_line(book: &Book, index: &Index, wish: &Wish, line: &Line) -> Value {
    let layout = index.layout(wish.full);
    let entries_of = |row: usize| -> Vec<(u32, &Entry)> {
        let places = layout
            .rows
            .get(row)
            .map(|row| row.places.clone())
            .unwrap_or_default();
        let numbers = layout.order.get(places).unwrap_or_default();
        numbers
            .iter()
            .filter_map(|&number| Some((number, index.entry(number)?)))
            .collect()
    };
    match *line {
        Line::Heading { first, last, entries } => {
            let to = entries_of(first).first().map(|(_, entry)| entry.time_ms);
            let from = entries_of(last).last().map(|(_, entry)| entry.time_ms);
            let device = entries_of(first)
                .first()
                .and_then(|(_, entry)| told::device_number(index, entry));
            json!({
                "heading": if wish.group == Group::Author { "author" } else { "time" },
                "device": device, "from": from, "to": to, "entries": entries,
            })
        }
        Line::Row(row) => {
            let entries = entries_of(row);
            let (Some((newest, entry)), Some((oldest, first))) = (entries.first(), entries.last()) else {
                return Value::Null;
            };
            let oldest_first: Vec<&Entry> = entries.iter().rev().map(|(_, entry)| *entry).collect();
            let terms = || {
                entries
                    .iter()
                    .filter_map(|(_, entry)| index.terms.get(&term_of(entry)?).copied())
            };
            json!({
                "hash": entry.hash.to_string(),
                "step": index.step_of(*newest),
                "oldest": index.step_of(*oldest),
                "count": entries.len(),
                "lane": layout.lanes.get(row),
                "op": op_of(entry),
                "kind": told::kind(index, *newest, entry),
                "device": told::device_number(index, entry),
                "terms": terms().min().zip(terms().max()),
                "draft": draft_of(entry).map(|draft| draft.to_string()),
                "about": told::about(book, &oldest_first),
                "time": entry.time_ms,
                "since": first.time_ms,
                "head": index.step_of(*newest) == index.len().checked_sub(1),
            })
        }
    }
}
