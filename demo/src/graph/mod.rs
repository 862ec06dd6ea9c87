//! The merge history drawn with characters: a lane for each device, drafts to the side, runs of edits joined.
//!
//! Newest first, as in other history views. A device keeps its lane; a draft takes the first side lane that is free
//! between the entry it starts from and the one that accepts it.

pub(crate) mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::history::{Entry, History};
use crate::text::{Paint, cells, harmless, padded, shortened, some_of, time_of_day, widest};

use self::rows::{Knot, Layout, Row, Strand};

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

/// A row, with what it is about.
struct Told<'a> {
    row: &'a Row,
    lane: usize,
    /// Newest first.
    entries: Vec<&'a Entry>,
}

impl Told<'_> {
    fn is_genesis(&self) -> bool {
        self.entries.iter().any(|entry| entry.is_genesis)
    }

    /// The first and the last of its terms.
    fn terms(&self) -> Option<(u64, u64)> {
        let terms = || self.entries.iter().filter_map(|entry| entry.term);
        Some((terms().min()?, terms().max()?))
    }
}

/// Draws a history. With `full`, runs are not joined: one row an entry. Where there is only so much room beside each other,
/// what a row is about is cut short.
pub(crate) fn draw(history: &History, paint: Paint, full: bool, room: Option<usize>) -> String {
    let numbers: BTreeMap<&str, u32> = (0..)
        .zip(&history.entries)
        .map(|(number, entry)| (entry.hash.as_str(), number))
        .collect();
    let mut devices: BTreeMap<&str, u32> = BTreeMap::new();
    let mut drafts: BTreeMap<&str, u32> = BTreeMap::new();
    let knots = history.entries.iter().map(|entry| Knot {
        hash: entry.hash.as_bytes(),
        strand: Strand {
            device: number_of(&mut devices, &entry.device),
            draft: entry.draft.as_ref().map(|draft| number_of(&mut drafts, draft)),
        },
        op: entry.op(),
        time_ms: entry.time_ms,
        deps: entry
            .deps
            .iter()
            .filter_map(|dep| numbers.get(dep.as_str()).copied())
            .collect(),
    });
    let layout = Layout::of(&knots.collect::<Vec<_>>(), full);
    let entries_of = |row: &Row| -> Vec<&Entry> {
        let places = layout.order.get(row.places.clone()).unwrap_or_default();
        places
            .iter()
            .filter_map(|&at| history.entries.get(at as usize))
            .collect()
    };
    let rows: Vec<Told<'_>> = layout
        .rows
        .iter()
        .zip(&layout.lanes)
        .map(|(row, &lane)| Told {
            row,
            lane,
            entries: entries_of(row),
        })
        .collect();
    let drawn = lines(&layout);
    let lanes = layout.width();
    let names: Vec<String> = layout
        .devices
        .iter()
        .filter_map(|lane| devices.iter().find(|(_, number)| *number == lane))
        .map(|(device, _)| shortened(&device_name(history, device), 20))
        .collect();
    let name_width = widest(&names);
    let mut drawing = legend(&names, lanes > names.len(), paint);
    for (at, told) in rows.iter().enumerate() {
        let column = told.lane;
        for lane in 0..lanes {
            let cell = drawn
                .get(at)
                .and_then(|line| line.get(lane))
                .copied()
                .unwrap_or_default();
            let mark = if lane == column { glyph(told) } else { cell.line() };
            let across = if cell.right { '─' } else { ' ' };
            drawing.push_str(&paint.lane(lane, &format!("{mark}{across}")));
        }
        let device = told.row.strand.device;
        let lane = layout
            .devices
            .iter()
            .position(|&known| known == device)
            .unwrap_or(0);
        let name = padded(names.get(lane).map_or("", String::as_str), name_width);
        let chapter = format!("{:9}", chapter(told));
        let used = 2 * lanes + name_width + 2 + cells(&chapter) + 2;
        let room = room.map(|room| room.saturating_sub(used));
        drawing.push_str(&format!(
            "{}  {}  {}\n",
            paint.lane(column, &name),
            paint.dim(&chapter),
            self::told(history, told, room, paint),
        ));
    }
    drawing
}

fn number_of<'a>(known: &mut BTreeMap<&'a str, u32>, name: &'a str) -> u32 {
    let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
    *known.entry(name).or_insert(next)
}

fn glyph(told: &Told<'_>) -> char {
    match told.row.strand.draft {
        _ if told.row.is_merge() => '◉',
        _ if told.is_genesis() => '◆',
        None => '●',
        Some(_) => '○',
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
    legend.push_str("\nmarks: ● edit · ○ draft · ◉ draft or late work accepted · ◆ beginning\n");
    legend
}

/// Which term, or that it is a draft.
fn chapter(told: &Told<'_>) -> String {
    if told.is_genesis() {
        return "beginning".to_owned();
    }
    match (told.row.strand.draft, told.terms()) {
        (Some(_), _) => "draft".to_owned(),
        (None, Some((first, last))) if first == last => format!("term {first}"),
        (None, Some((first, last))) => format!("terms {first}-{last}"),
        (None, None) => String::new(),
    }
}

/// What happened, in a line.
fn told(history: &History, row: &Told<'_>, room: Option<usize>, paint: Paint) -> String {
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
    let what = padded(&format!("{}{count}", harmless(op)), 16);
    let time = time_of_day(newest);
    let used = cells(&time) + 2 + cells(&what) + 1;
    format!(
        "{}  {what} {}",
        paint.dim(&time),
        last(&about, is_head, room.map(|room| room.saturating_sub(used)), paint)
    )
}

/// The end of a line: what it is about, as far as there is room, and whether it is the head.
pub(crate) fn last(about: &[String], is_head: bool, room: Option<usize>, paint: Paint) -> String {
    const HEAD: &str = "  ← head";
    const ROOM_MIN: usize = 8;
    let head = if is_head { HEAD } else { "" };
    let about = some_of(about, 4);
    let about = match room {
        Some(room) => shortened(&about, room.saturating_sub(cells(head)).max(ROOM_MIN)),
        None => about,
    };
    if is_head {
        format!("{about}{}", paint.good(head))
    } else {
        about
    }
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
        } else if let Some(late) = &op.late {
            names.push(match (&late.device, late.term) {
                (Some(device), _) => format!("late work by {}", shortened(&device_name(history, device), 20)),
                (None, Some(term)) => format!("late work of term {term}"),
                (None, None) => "late work".to_owned(),
            });
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

/// The lines between rows. An edge runs down in the lane of the strand that begins or ends with it: a new term or
/// draft comes out of its base, an accepted draft goes into the entry that accepts it.
fn lines(layout: &Layout) -> Vec<Vec<Cell>> {
    let (rows, lanes) = (&layout.rows, &layout.lanes);
    let mut cells = vec![vec![Cell::default(); layout.width()]; rows.len()];
    for (at, row) in rows.iter().enumerate() {
        for &parent in &row.parents {
            let (Some(&from), Some(&to)) = (lanes.get(at), lanes.get(parent)) else {
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
