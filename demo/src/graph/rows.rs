//! Which entries share a row, in which order the rows come, and in which lane each stands: numbers in place of names,
//! so that a deck of tens of thousands of entries is laid out in a blink. The terminal and the page draw the same rows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What a line of entries belongs to: a device as editor, or one draft of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Strand {
    /// Which device, by whatever number the caller gives it.
    pub(crate) device: u32,
    /// Which draft, if it is one.
    pub(crate) draft: Option<u32>,
}

/// An entry, as the drawing sees it.
#[derive(Debug)]
pub(crate) struct Knot<'a> {
    /// Makes one order of what would else be two.
    pub(crate) hash: &'a [u8],
    pub(crate) strand: Strand,
    /// What it does; runs are of one op.
    pub(crate) op: &'a str,
    pub(crate) time_ms: u64,
    /// The knots it was made upon, by their places in the list.
    pub(crate) deps: Vec<u32>,
}

/// Entries that are drawn as one.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) strand: Strand,
    /// Where they stand in [`Layout::order`], newest first.
    pub(crate) places: Range<usize>,
    /// Rows further down that the oldest of the entries depends on.
    pub(crate) parents: Vec<usize>,
}

/// A history, laid out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    /// All knots, by their places in the list: newest first, each above all that it depends on.
    pub(crate) order: Vec<u32>,
    pub(crate) rows: Vec<Row>,
    /// The devices in the order of their lanes.
    pub(crate) devices: Vec<u32>,
    /// The lane of each row.
    pub(crate) lanes: Vec<usize>,
}

impl Row {
    /// Whether it accepts a draft or late work.
    pub(crate) fn is_merge(&self) -> bool {
        self.parents.len() > 1
    }

    /// Whether it accepts the draft that `below` belongs to.
    pub(crate) fn is_merge_of(&self, below: &Self) -> bool {
        self.is_merge() && below.strand.draft.is_some() && below.strand != self.strand
    }
}

impl Layout {
    /// Lays a history out, as the same on every device. With `full`, runs are not joined: one row an entry.
    pub(crate) fn of(knots: &[Knot<'_>], full: bool) -> Self {
        let order = newest_first(knots);
        Self::in_order(knots, order, full)
    }

    /// As [`Layout::of`], where the order is known.
    pub(crate) fn in_order(knots: &[Knot<'_>], order: Vec<u32>, full: bool) -> Self {
        let rows = rows(knots, &order, full);
        let devices = devices_in_order(&rows);
        let lanes = lanes(&rows, &devices);
        Self {
            order,
            rows,
            devices,
            lanes,
        }
    }

    /// How many lanes there are.
    pub(crate) fn width(&self) -> usize {
        self.lanes.iter().max().map_or(0, |widest| widest + 1)
    }
}

/// Rows, newest first, each above all that it depends on.
fn rows(knots: &[Knot<'_>], order: &[u32], full: bool) -> Vec<Row> {
    let children = children(knots);
    let mut rows: Vec<Row> = Vec::new();
    let mut row_of = vec![usize::MAX; knots.len()];
    for (place, &at) in order.iter().enumerate() {
        let Some(knot) = knots.get(at as usize) else {
            continue;
        };
        let last = rows.last_mut().filter(|row| !full && row.strand == knot.strand);
        let oldest = last.as_ref().and_then(|row| order.get(row.places.end - 1));
        let joins = oldest
            .and_then(|&oldest| knots.get(oldest as usize))
            .is_some_and(|oldest| joins(oldest, at, knot, &children));
        match last.filter(|_| joins) {
            Some(row) => row.places.end = place + 1,
            None => rows.push(Row {
                strand: knot.strand,
                places: place..place + 1,
                parents: Vec::new(),
            }),
        }
        if let Some(row) = row_of.get_mut(at as usize) {
            *row = rows.len() - 1;
        }
    }
    for row in &mut rows {
        let oldest = order
            .get(row.places.end - 1)
            .and_then(|&at| knots.get(at as usize));
        let deps = oldest.iter().flat_map(|knot| &knot.deps);
        let parents = deps.filter_map(|&dep| row_of.get(dep as usize).copied());
        row.parents = parents.filter(|&row| row != usize::MAX).collect();
    }
    rows
}

/// Whether an entry continues the run that ends in `oldest`: the same op by the same hand, directly before, and nothing
/// else hangs on it.
fn joins(oldest: &Knot<'_>, at: u32, knot: &Knot<'_>, children: &[u32]) -> bool {
    oldest.deps.as_slice() == [at]
        && oldest.op == knot.op
        && knot.deps.len() == 1
        && children.get(at as usize) == Some(&1)
}

fn children(knots: &[Knot<'_>]) -> Vec<u32> {
    let mut children = vec![0; knots.len()];
    for &dep in knots.iter().flat_map(|knot| &knot.deps) {
        if let Some(count) = children.get_mut(dep as usize) {
            *count += 1;
        }
    }
    children
}

/// An order in which everything stands above what it depends on: the same on every device, whatever the order in
/// which entries arrived there. A draft comes whole, right below the entry that accepts it.
pub(crate) fn newest_first(knots: &[Knot<'_>]) -> Vec<u32> {
    let mut waiting = children(knots);
    // The greatest key goes next: drafts first, then by time; the hash makes it one order.
    let key = |at: u32| {
        let knot = knots.get(at as usize)?;
        Some((knot.strand.draft.is_some(), knot.time_ms, knot.hash, at))
    };
    let childless = (0..).zip(&waiting).filter(|(_, left)| **left == 0);
    let mut ready: BTreeSet<_> = childless.filter_map(|(at, _)| key(at)).collect();
    let mut order = Vec::with_capacity(knots.len());
    while let Some((.., at)) = ready.pop_last() {
        order.push(at);
        for &dep in knots.get(at as usize).iter().flat_map(|knot| &knot.deps) {
            let Some(left) = waiting.get_mut(dep as usize) else {
                continue;
            };
            *left -= 1;
            if *left == 0 {
                ready.extend(key(dep));
            }
        }
    }
    order
}

/// Devices that were editors, in the order in which they first were; then those that only wrote drafts.
fn devices_in_order(rows: &[Row]) -> Vec<u32> {
    let mut seen = BTreeSet::new();
    let oldest_first = || rows.iter().rev().map(|row| row.strand);
    let editors = oldest_first().filter(|strand| strand.draft.is_none());
    let all = editors.chain(oldest_first()).map(|strand| strand.device);
    all.filter(|device| seen.insert(*device)).collect()
}

/// The lane of each row: a device keeps its own; a draft takes the first side lane that is free between the entry it
/// starts from and the one that accepts it.
fn lanes(rows: &[Row], devices: &[u32]) -> Vec<usize> {
    let mut spans: BTreeMap<Strand, (usize, usize)> = BTreeMap::new();
    let mut touch = |strand: Strand, at: usize| {
        if strand.draft.is_some() {
            let span = spans.entry(strand).or_insert((at, at));
            *span = (span.0.min(at), span.1.max(at));
        }
    };
    for (at, row) in rows.iter().enumerate() {
        touch(row.strand, at);
        for &parent in &row.parents {
            touch(row.strand, parent);
            if let Some(below) = rows.get(parent) {
                touch(below.strand, at);
            }
        }
    }
    let mut by_start: Vec<_> = spans.into_iter().collect();
    by_start.sort_by_key(|&(strand, span)| (span, strand));
    let mut side: BTreeMap<Strand, usize> = BTreeMap::new();
    // Where the last draft in each side lane ends.
    let mut taken: Vec<usize> = Vec::new();
    for (strand, (from, to)) in by_start {
        let free = taken.iter().position(|&end| end < from).unwrap_or(taken.len());
        match taken.get_mut(free) {
            Some(end) => *end = to,
            None => taken.push(to),
        }
        side.insert(strand, devices.len() + free);
    }
    let own: BTreeMap<u32, usize> = devices
        .iter()
        .enumerate()
        .map(|(lane, &device)| (device, lane))
        .collect();
    let lane = |row: &Row| {
        let drafted = side.get(&row.strand).filter(|_| row.strand.draft.is_some());
        drafted
            .or_else(|| own.get(&row.strand.device))
            .copied()
            .unwrap_or(0)
    };
    rows.iter().map(lane).collect()
}
