//! Which entries share a row, and in which order the rows come.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Entry, History};

/// What a lane stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strand {
    /// A device as editor.
    Device(String),
    /// One draft.
    Draft { device: String, draft: String },
}

impl Strand {
    fn of(entry: &Entry) -> Self {
        let device = entry.device.clone();
        match entry.draft.clone() {
            None => Self::Device(device),
            Some(draft) => Self::Draft { device, draft },
        }
    }

    pub(super) fn device(&self) -> &str {
        match self {
            Self::Device(device) | Self::Draft { device, .. } => device,
        }
    }
}

/// Entries that are drawn as one, newest first.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) strand: Strand,
    pub(super) entries: Vec<&'a Entry>,
    /// Rows further down that the oldest of the entries depends on.
    pub(super) parents: Vec<usize>,
}

impl Row<'_> {
    /// Whether it accepts a draft.
    pub(super) fn is_merge(&self) -> bool {
        self.parents.len() > 1
    }

    /// Whether it accepts the draft that `below` belongs to.
    pub(super) fn is_merge_of(&self, below: &Self) -> bool {
        self.is_merge() && matches!(below.strand, Strand::Draft { .. }) && below.strand != self.strand
    }

    pub(super) fn is_genesis(&self) -> bool {
        self.entries.iter().any(|entry| entry.is_genesis)
    }

    /// The first and the last of its terms.
    pub(super) fn terms(&self) -> Option<(u64, u64)> {
        let terms = || self.entries.iter().filter_map(|entry| entry.term);
        Some((terms().min()?, terms().max()?))
    }
}

/// Rows, newest first, each above all that it depends on.
pub(super) fn arrange(history: &History, full: bool) -> Vec<Row<'_>> {
    let order = newest_first(&history.entries);
    let children = children(&history.entries);
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut row_of: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in order {
        let strand = Strand::of(entry);
        let joins = !full
            && rows
                .last()
                .is_some_and(|row| row.strand == strand && joins(row, entry, &children));
        if let Some(row) = rows.last_mut().filter(|_| joins) {
            row.entries.push(entry);
        } else {
            rows.push(Row {
                strand,
                entries: vec![entry],
                parents: Vec::new(),
            });
        }
        row_of.insert(&entry.hash, rows.len() - 1);
    }
    for row in &mut rows {
        let oldest = row.entries.last();
        let parents = oldest
            .iter()
            .flat_map(|entry| &entry.deps)
            .filter_map(|dep| row_of.get(dep.as_str()).copied());
        row.parents = parents.collect();
    }
    rows
}

/// Whether an entry continues the run of a row: the same op by the same hand, directly before, and nothing else hangs
/// on it.
fn joins(row: &Row<'_>, entry: &Entry, children: &BTreeMap<&str, usize>) -> bool {
    let Some(oldest) = row.entries.last() else {
        return false;
    };
    let [dep] = oldest.deps.as_slice() else {
        return false;
    };
    *dep == entry.hash
        && oldest.op() == entry.op()
        && entry.deps.len() == 1
        && children.get(entry.hash.as_str()) == Some(&1)
}

fn children(entries: &[Entry]) -> BTreeMap<&str, usize> {
    let mut children = BTreeMap::new();
    for dep in entries.iter().flat_map(|entry| &entry.deps) {
        *children.entry(dep.as_str()).or_insert(0) += 1;
    }
    children
}

/// An order in which everything stands above what it depends on: the same on every device, whatever the order in
/// which entries arrived there. A draft comes whole, right below the entry that accepts it.
fn newest_first(entries: &[Entry]) -> Vec<&Entry> {
    let by_hash: BTreeMap<&str, &Entry> = entries.iter().map(|entry| (entry.hash.as_str(), entry)).collect();
    let mut waiting = children(entries);
    // The greatest key goes next: drafts first, then by time; the hash makes it one order.
    type Key<'a> = (bool, u64, &'a str);
    let key = |entry: &'_ Entry| (entry.draft.is_some(), entry.time_ms);
    let mut ready: BTreeSet<Key<'_>> = BTreeSet::new();
    for entry in entries
        .iter()
        .filter(|entry| !waiting.contains_key(entry.hash.as_str()))
    {
        let (drafted, time) = key(entry);
        ready.insert((drafted, time, &entry.hash));
    }
    let mut order = Vec::with_capacity(entries.len());
    while let Some((_, _, hash)) = ready.pop_last() {
        let Some(entry) = by_hash.get(hash).copied() else {
            continue;
        };
        order.push(entry);
        for dep in &entry.deps {
            let Some(left) = waiting.get_mut(dep.as_str()) else {
                continue;
            };
            *left -= 1;
            if let Some(freed) = by_hash.get(dep.as_str()).filter(|_| *left == 0) {
                let (drafted, time) = key(freed);
                ready.insert((drafted, time, &freed.hash));
            }
        }
    }
    order
}
