//! The merge history drawn with characters: a lane for each device, drafts to the side, runs of edits joined.
//!
//! Newest first, as in other history views. A device keeps its lane; a draft takes the first side lane that is free
//! between the entry it starts from and the one that accepts it.

mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::history::{Entry, History};
use crate::text::{Paint, harmless, shortened, some_of, time_of_day};

use self::rows::{Row, Strand};

/// Which ways lines leave a cell.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    up: bool,
    down: bool,
    left: bool,
    right: bool,
}

impl Cell {
    const fn line(self) -> char {
        match (self.up, self.down, self.left, self.right) {
            (false, false, false, false) => ' ',
            (_, _, false, false) => '│',
            (false, false, _, _) => '─',
            (true, false, true, false) => '╯',
            (true, false, false, true) => '╰',
            (false, true, true, false) => '╮',
            (false, true, false, true) => '╭',
            (true, false, true, true) => '┴',
            (false, true, true, true) => '┬',
            (true, true, true, false) => '┤',
            (true, true, false, true) => '├',
            (true, true, true, true) => '┼',
        }
    }
}

/// Draws a history. With `full`, runs are not joined: one row an entry.
pub(crate) fn draw(history: &History, paint: Paint, full: bool) -> String {
    let rows = rows::arrange(history, full);
    let devices = devices_in_order(&rows);
    let columns = columns(&rows, &devices);
    let cells = lines(&rows, &columns);
    let lanes = columns.iter().max().map_or(0, |widest| widest + 1);
    let names: Vec<String> = devices
        .iter()
        .map(|device| shortened(&device_name(history, device), 20))
        .collect();
    let name_width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut drawing = legend(&names, lanes > devices.len(), paint);
    for (at, row) in rows.iter().enumerate() {
        let column = columns.get(at).copied().unwrap_or(0);
        for lane in 0..lanes {
            let cell = cells
                .get(at)
                .and_then(|line| line.get(lane))
                .copied()
                .unwrap_or_default();
            let mark = if lane == column { glyph(row) } else { cell.line() };
            let across = if cell.right { '─' } else { ' ' };
            drawing.push_str(&paint.lane(lane, &format!("{mark}{across}")));
        }
        let lane = devices
            .iter()
            .position(|&device| device == row.strand.device())
            .unwrap_or(0);
        let name = format!("{:name_width$}", names.get(lane).map_or("", String::as_str));
        drawing.push_str(&format!(
            "{}  {}  {}\n",
            paint.lane(column, &name),
            paint.dim(&format!("{:11}", chapter(row))),
            told(history, row, paint),
        ));
    }
    drawing
}

fn glyph(row: &Row<'_>) -> char {
    match &row.strand {
        _ if row.is_merge() => '◉',
        _ if row.is_genesis() => '◆',
        Strand::Device(_) => '●',
        Strand::Draft { .. } => '○',
    }
}

fn legend(names: &[String], has_drafts: bool, paint: Paint) -> String {
    let lanes = names
        .iter()
        .enumerate()
        .map(|(lane, name)| paint.lane(lane, name));
    let mut legend = format!("lanes: {}", lanes.collect::<Vec<_>>().join(" · "));
    if has_drafts {
        legend.push_str(" · drafts to the side");
    }
    legend.push_str("    ● edit  ○ draft  ◉ draft accepted  ◆ beginning\n");
    legend
}

/// Which term, or that it is a draft.
fn chapter(row: &Row<'_>) -> String {
    if row.is_genesis() {
        return "beginning".to_owned();
    }
    match (&row.strand, row.terms()) {
        (Strand::Draft { .. }, _) => "draft".to_owned(),
        (Strand::Device(_), Some((first, last))) if first == last => format!("term {first}"),
        (Strand::Device(_), Some((first, last))) => format!("terms {first}-{last}"),
        (Strand::Device(_), None) => String::new(),
    }
}

/// What happened, in a line.
fn told(history: &History, row: &Row<'_>, paint: Paint) -> String {
    let entries = row.entries.iter().rev();
    let op = row.entries.first().map_or("", |entry| entry.op());
    let op = if row.is_genesis() { "deck.created" } else { op };
    let count = if row.entries.len() > 1 {
        format!(" ×{}", row.entries.len())
    } else {
        String::new()
    };
    let mut about: Vec<String> = Vec::new();
    for name in entries.flat_map(|entry| subjects(history, entry)) {
        if !about.contains(&name) {
            about.push(name);
        }
    }
    let newest = row.entries.first().map_or(0, |entry| entry.time_ms);
    let is_head = row
        .entries
        .first()
        .is_some_and(|entry| entry.hash == history.head);
    let head = if is_head {
        paint.good("  ← head")
    } else {
        String::new()
    };
    let what = format!("{}{count}", harmless(op));
    format!(
        "{what:16} {}  {}{head}",
        some_of(&about, 4),
        paint.dim(&time_of_day(newest))
    )
}

/// What an entry is about, by names that people gave.
pub(crate) fn subjects(history: &History, entry: &Entry) -> Vec<String> {
    let mut names = Vec::new();
    if entry.is_genesis {
        names.push(shortened(&history.title, 40));
    }
    for op in &entry.ops {
        if let Some(draft) = &op.draft {
            let by = history
                .entries
                .iter()
                .find(|other| other.draft.as_ref() == Some(draft));
            let by = by.map_or_else(
                || "a member".to_owned(),
                |other| device_name(history, &other.device),
            );
            let note = history
                .drafts
                .get(draft)
                .map(|note| format!("\"{}\" ", shortened(note, 40)));
            names.push(format!("{}by {}", note.unwrap_or_default(), shortened(&by, 20)));
        } else if let Some(text) = &op.text {
            names.push(shortened(text, 24));
        }
    }
    names
}

fn device_name(history: &History, device: &str) -> String {
    history
        .devices
        .get(device)
        .cloned()
        .unwrap_or_else(|| device.chars().take(8).collect())
}

/// Devices that were editors, in the order in which they first were; then those that only wrote drafts.
fn devices_in_order<'a>(rows: &'a [Row<'_>]) -> Vec<&'a str> {
    let mut devices: Vec<&str> = Vec::new();
    let oldest_first = || rows.iter().rev().map(|row| &row.strand);
    let editors = oldest_first().filter(|strand| matches!(strand, Strand::Device(_)));
    for strand in editors.chain(oldest_first()) {
        if !devices.contains(&strand.device()) {
            devices.push(strand.device());
        }
    }
    devices
}

/// The column of each row.
fn columns(rows: &[Row<'_>], devices: &[&str]) -> Vec<usize> {
    let mut spans: BTreeMap<&Strand, (usize, usize)> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let touched = std::iter::once((&row.strand, at))
            .chain(
                row.parents
                    .iter()
                    .filter_map(|&parent| Some((&row.strand, parent)).filter(|_| parent > at)),
            )
            .chain(
                row.parents
                    .iter()
                    .filter_map(|&parent| Some((&rows.get(parent)?.strand, at))),
            );
        for (strand, reached) in touched {
            if matches!(strand, Strand::Draft { .. }) {
                let span = spans.entry(strand).or_insert((reached, reached));
                *span = (span.0.min(reached), span.1.max(reached));
            }
        }
    }
    let mut side: BTreeMap<&Strand, usize> = BTreeMap::new();
    let mut by_start: Vec<_> = spans.iter().collect();
    by_start.sort_by_key(|(_, span)| **span);
    for (strand, span) in by_start {
        let is_taken = |column: usize| {
            let mut others = side.iter().filter(|(_, taken)| **taken == column);
            others.any(|(other, _)| {
                spans
                    .get(*other)
                    .is_some_and(|other| span.0 <= other.1 && other.0 <= span.1)
            })
        };
        // Fewer drafts than entries, so a free column is found.
        let free = (devices.len()..=devices.len() + spans.len()).find(|&column| !is_taken(column));
        side.insert(strand, free.unwrap_or(devices.len()));
    }
    let column = |row: &Row<'_>| match &row.strand {
        Strand::Device(device) => devices.iter().position(|known| known == device).unwrap_or(0),
        Strand::Draft { .. } => side.get(&row.strand).copied().unwrap_or(devices.len()),
    };
    rows.iter().map(column).collect()
}

/// The lines between rows. An edge runs down in the lane of the strand that begins or ends with it: a new term or
/// draft comes out of its base, an accepted draft goes into the entry that accepts it.
fn lines(rows: &[Row<'_>], columns: &[usize]) -> Vec<Vec<Cell>> {
    let width = columns.iter().max().map_or(0, |widest| widest + 1);
    let mut cells = vec![vec![Cell::default(); width]; rows.len()];
    for (at, row) in rows.iter().enumerate() {
        for &parent in &row.parents {
            let (Some(&from), Some(&to)) = (columns.get(at), columns.get(parent)) else {
                continue;
            };
            let goes_into = rows.get(parent).is_some_and(|below| row.is_merge_of(below));
            let lane = if goes_into { to } else { from };
            let corner = if goes_into { at } else { parent };
            draw_down(&mut cells, lane, at, parent);
            draw_across(&mut cells, corner, from, to);
        }
    }
    cells
}

fn draw_down(cells: &mut [Vec<Cell>], lane: usize, from: usize, to: usize) {
    for (at, line) in cells.iter_mut().enumerate().take(to + 1).skip(from) {
        if let Some(cell) = line.get_mut(lane) {
            cell.up |= at > from;
            cell.down |= at < to;
        }
    }
}

fn draw_across(cells: &mut [Vec<Cell>], row: usize, one: usize, other: usize) {
    let (left, right) = (one.min(other), one.max(other));
    let Some(line) = cells.get_mut(row) else { return };
    for (lane, cell) in line.iter_mut().enumerate().take(right + 1).skip(left) {
        cell.left |= lane > left;
        cell.right |= lane < right;
    }
}
