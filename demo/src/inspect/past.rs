//! What is asked of a deck's past: the list, one entry, the deck at a step, one card, two points compared, conflicts.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use cuecard::history::{CardDiff, WriterKind};
use cuecard::{CardId, ChangeHash};
use serde::Deserialize;
use serde_json::{Value, json};

use super::asked::{DIFF_MAX, LISTED_MAX, Nothing, Of, Oops, PAGE_MAX};
use super::book::Book;
use super::index::{Index, draft_of, op_of, term_of};
use super::list::{self, Group, Wish};
use super::told::{self, Length};

/// Cards that a step of the slider marks.
const MARKED_MAX: usize = 40;

#[derive(Deserialize)]
pub(super) struct RowsAsked {
    #[serde(default)]
    from: usize,
    #[serde(default)]
    count: usize,
    /// Of the entry that is looked for.
    #[serde(default)]
    hash: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    group: Group,
    #[serde(default)]
    full: bool,
}

impl RowsAsked {
    fn wish(&self) -> Result<Wish, Oops> {
        Wish::new(&self.q, self.group, self.full)
            .ok_or_else(|| "this is longer than anything one searches for".into())
    }
}

fn lines_of(book: &Book, index: &Index, wish: &Wish) -> Result<Arc<Vec<list::Line>>, Oops> {
    book.lines(index, wish, || {
        let fronts = if wish.search.is_empty() {
            None
        } else {
            Some(book.fronts()?)
        };
        Ok(list::lines(book, index, wish, fronts.as_ref()))
    })
}

pub(super) fn rows(book: &Book, index: &Index, _: &Of, asked: RowsAsked) -> Result<Value, Oops> {
    let wish = asked.wish()?;
    let lines = lines_of(book, index, &wish)?;
    Ok(list::page(
        book,
        index,
        &wish,
        &lines,
        asked.from,
        asked.count.min(PAGE_MAX),
    ))
}

/// In which line an entry is.
pub(super) fn find(book: &Book, index: &Index, _: &Of, asked: RowsAsked) -> Result<Value, Oops> {
    let wish = asked.wish()?;
    let number = number_of(index, &asked.hash)?;
    let lines = lines_of(book, index, &wish)?;
    let layout = index.layout(wish.full);
    let has = |line: &list::Line| match line {
        list::Line::Heading { .. } => false,
        list::Line::Row(row) => {
            let places = layout
                .rows
                .get(*row)
                .map(|row| row.places.clone())
                .unwrap_or_default();
            layout
                .order
                .get(places)
                .is_some_and(|numbers| numbers.contains(&number))
        }
    };
    Ok(json!({ "version": index.version, "line": lines.iter().position(has) }))
}

fn number_of(index: &Index, hash: &str) -> Result<u32, Oops> {
    let found = hash
        .parse::<ChangeHash>()
        .ok()
        .and_then(|hash| index.number(&hash));
    found.ok_or_else(|| {
        Oops::missing("this deck has no such entry; it may not have arrived yet, or was taken out")
    })
}

pub(super) fn entry(book: &Book, index: &Index, of: &Of, _: Nothing) -> Result<Value, Oops> {
    let number = number_of(index, of.hash.as_deref().unwrap_or_default())?;
    let entry = index
        .entry(number)
        .ok_or_else(|| Oops::missing("no such entry"))?;
    // What it did to the line it goes on: for one that accepts a draft, all that came with it.
    let before: Vec<ChangeHash> = entry.deps.first().copied().into_iter().collect();
    let after = [entry.hash];
    let is_beginning = before.is_empty();
    let changes = book.deck.diff(&before, &after)?;
    let deck = if is_beginning {
        Value::Null
    } else {
        told::deck_diff(&book.deck.at(&before)?.info()?, &book.deck.at(&after)?.info()?)
    };
    let upon: Vec<Value> = entry
        .deps
        .iter()
        .filter_map(|dep| index.number(dep))
        .map(|dep| told::line(book, index, dep))
        .collect();
    let leads_to = (0..)
        .zip(&index.entries)
        .filter(|(_, other)| other.deps.contains(&entry.hash));
    let leads_to: Vec<Value> = leads_to
        .take(LISTED_MAX)
        .map(|(other, _)| told::line(book, index, other))
        .collect();
    let writer = entry.writer.as_ref();
    let draft = draft_of(entry).map(|draft| {
        let info = book.deck.draft_of(draft).info().ok();
        json!({ "id": draft.to_string(), "note": info.map(|info| info.note) })
    });
    let run: Vec<Value> = run_of(index, number)
        .iter()
        .take(LISTED_MAX)
        .map(|&other| told::line(book, index, other))
        .collect();
    Ok(json!({
        "version": index.version,
        "hash": entry.hash.to_string(),
        "step": index.step_of(number),
        "op": op_of(entry),
        "kind": told::kind(index, number, entry),
        "device": told::device_number(index, entry),
        "name": book.name_of(writer.map(|writer| writer.device)),
        "about": told::about(book, &[entry]),
        "term": term_of(entry).map(|term| json!({ "number": index.terms.get(&term), "id": term.to_string() })),
        "draft": draft,
        "late": index.late.contains(&number),
        "safe": safe(book, entry.hash)?,
        "seq": entry.seq,
        "time": entry.time_ms,
        "reverses": entry.reversal.map(|reversal| reversal.change().to_string()),
        "notes": told::notes(book, entry, LISTED_MAX),
        "noted": entry.notes.len(),
        "upon": upon,
        "leads_to": leads_to,
        "run": run,
        "deck": deck,
        "diff": told::diff(book, &changes, DIFF_MAX, Length::Whole),
        "beginning": writer.is_some_and(|writer| writer.kind == WriterKind::Genesis),
    }))
}

/// The entries that are drawn as one with this one, newest first; none where it stands alone.
fn run_of(index: &Index, number: u32) -> Vec<u32> {
    let layout = index.layout(false);
    let place = index.step_of(number).map(|step| index.len() - 1 - step);
    let row = place.and_then(|place| {
        let after = layout.rows.partition_point(|row| row.places.end <= place);
        layout.rows.get(after)
    });
    let numbers = row
        .and_then(|row| layout.order.get(row.places.clone()))
        .unwrap_or_default();
    if numbers.len() > 1 {
        numbers.to_vec()
    } else {
        Vec::new()
    }
}

#[derive(Deserialize)]
pub(super) struct AtAsked {
    step: Option<usize>,
    hash: Option<String>,
    #[serde(default)]
    from: usize,
    #[serde(default)]
    count: usize,
    /// So many cards on both sides of the first that this step touched, in whole pages of `count`, if it touched one.
    #[serde(default)]
    around: usize,
}

pub(super) fn at(book: &Book, index: &Index, _: &Of, asked: AtAsked) -> Result<Value, Oops> {
    let newest = index.len().saturating_sub(1);
    let step = match &asked.hash {
        Some(hash) => index.step_of(number_of(index, hash)?).unwrap_or(newest),
        None => asked.step.unwrap_or(newest).min(newest),
    };
    let heads = index.heads_at(step);
    let number = index.at_step(step);
    let touched = if step == 0 {
        BTreeSet::new()
    } else {
        index.touched(step..=step)
    };
    let marks = marks(book, index, step, &touched)?;
    let ids = book.ids(index, step)?;
    let places = ids.places(&touched);
    let marked: Vec<Value> = marks
        .iter()
        .map(|mark| json!([mark.card().as_str(), places.get(mark.card())]))
        .collect();
    let first = marks.iter().find_map(|mark| places.get(mark.card()).copied());
    let count = asked.count.min(PAGE_MAX);
    let some = match first {
        Some(place) if asked.around > 0 => around(place, asked.around.min(PAGE_MAX), count),
        _ => asked.from..asked.from.saturating_add(count),
    };
    let from = some.start;
    let shown: Vec<Value> = book
        .window(index, step, &ids, some)?
        .iter()
        .map(|card| told::card(book, card, Length::Listed))
        .collect();
    let mut diff = told::diff(book, &marks, MARKED_MAX, Length::Listed);
    if touched.len() > MARKED_MAX
        && let Some(total) = diff.get_mut("total")
    {
        *total = json!(touched.len());
    }
    let heads_told: Vec<Value> = heads
        .iter()
        .filter_map(|head| index.number(head))
        .map(|head| told::line(book, index, head))
        .collect();
    Ok(json!({
        "version": index.version,
        "step": step,
        "steps": index.len(),
        "now": step == newest,
        "entry": number.map(|number| told::line(book, index, number)),
        "heads": heads_told,
        "title": book.deck.at(&heads)?.info()?.title,
        "total": ids.len(),
        "from": from,
        "cards": shown,
        "marked": marked,
        "diff": diff,
    }))
}

/// What the entry of a step did to the cards that it touched: to the first of them, where these are many.
fn marks(
    book: &Book,
    index: &Index,
    step: usize,
    touched: &BTreeSet<&CardId>,
) -> Result<Vec<CardDiff>, Oops> {
    let mut marks = Vec::new();
    for card in touched.iter().take(MARKED_MAX) {
        let at = |step| {
            let card = book.card_at(index, step, card)?;
            Ok::<_, Oops>(card.filter(|card| !card.deleted).map(Arc::unwrap_or_clone))
        };
        let before = step.checked_sub(1).map(at).transpose()?.flatten();
        marks.extend(match (before, at(step)?) {
            (None, None) => None,
            (None, Some(after)) => Some(CardDiff::Added(after)),
            (Some(before), None) => Some(CardDiff::Removed(before)),
            (Some(before), Some(after)) => (before != after).then_some(CardDiff::Changed { before, after }),
        });
    }
    Ok(marks)
}

/// The whole pages in which a card and so many on both sides of it are.
fn around(place: usize, beside: usize, page: usize) -> Range<usize> {
    let whole = |at: usize| at.checked_div(page).unwrap_or(0) * page;
    whole(place.saturating_sub(beside))..whole(place + beside) + page
}

pub(super) fn card(book: &Book, index: &Index, of: &Of, asked: AtAsked) -> Result<Value, Oops> {
    let id: CardId = of.card.as_deref().unwrap_or_default().parse()?;
    let newest = index.len().saturating_sub(1);
    let step = asked.step.unwrap_or(newest).min(newest);
    let view = book.deck.at(&index.heads_at(step))?;
    let found = view
        .card(&id)?
        .ok_or_else(|| Oops::missing("there was no such card then"))?;
    let blame = view.blame(&id)?.map(|blame| told::blame(book, index, &blame));
    let mut entries = index.entries_of(&id);
    let listed: Vec<Value> = entries
        .by_ref()
        .take(LISTED_MAX)
        .map(|number| told::line(book, index, number))
        .collect();
    Ok(json!({
        "version": index.version,
        "step": step,
        "card": told::card(book, &found, Length::Whole),
        "deleted": found.deleted,
        "blame": blame,
        "entries": listed,
        "more": entries.count(),
    }))
}

#[derive(Deserialize)]
pub(super) struct CompareAsked {
    a: String,
    b: String,
}

pub(super) fn compare(book: &Book, index: &Index, _: &Of, asked: CompareAsked) -> Result<Value, Oops> {
    let (a, b) = (number_of(index, &asked.a)?, number_of(index, &asked.b)?);
    let heads = |number: u32| {
        index
            .step_of(number)
            .map(|step| index.heads_at(step))
            .unwrap_or_default()
    };
    let (before, after) = (heads(a), heads(b));
    let changes = book.deck.diff(&before, &after)?;
    let deck = told::deck_diff(&book.deck.at(&before)?.info()?, &book.deck.at(&after)?.info()?);
    Ok(json!({
        "version": index.version,
        "a": told::line(book, index, a),
        "b": told::line(book, index, b),
        "deck": deck,
        "diff": told::diff(book, &changes, DIFF_MAX, Length::Whole),
    }))
}

pub(super) fn conflicts(book: &Book, index: &Index, _: &Of, _: Nothing) -> Result<Value, Oops> {
    let found = book.deck.conflicts()?;
    let told = found
        .iter()
        .take(LISTED_MAX)
        .map(|conflict| told::conflict(book, index, conflict));
    Ok(json!({ "version": index.version, "total": found.len(), "conflicts": told.collect::<Vec<_>>() }))
}

/// Where an entry is safe: on this device's disk, and on which others'.
fn safe(book: &Book, hash: ChangeHash) -> Result<Value, Oops> {
    let safety = book.deck.safe_where(hash)?;
    let told = safety.map(|safety| {
        let with: Vec<Value> = safety
            .with
            .iter()
            .map(|device| told::device(book, *device))
            .collect();
        json!({ "here": safety.here, "with": with })
    });
    Ok(json!(told))
}
