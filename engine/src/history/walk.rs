//! Going through a history from newer to older, reading each change when it is its turn: what a page costs does not
//! depend on how long the history is, and no index is kept for it.
//!
//! The order is a property of the changes alone, so every device goes through the same history in the same order: by
//! the number of a change's last operation, which is above those of all that it was made on. A change that accepts a
//! draft has no operations; it comes before what it was made on by how many of its kind lie below it.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, ChangeHash, ChangeMetadata};

/// Where a change stands in the order: the greatest is the newest. Always above that of each change it was made on.
type Rank = (u64, u64, ChangeHash);

/// Changes, each before everything it was made on.
pub(super) struct Walk<'a> {
    automerge: &'a Automerge,
    ranks: Ranks,
    /// Those whose turn is still to come, as far as they are known: all of the others lie below them.
    waiting: BTreeMap<Rank, ChangeMetadata<'a>>,
}

impl<'a> Walk<'a> {
    /// Everything up to these changes; those that the document does not have are left out.
    pub(super) fn from(automerge: &'a Automerge, heads: &[ChangeHash]) -> Self {
        let mut walk = Self {
            automerge,
            ranks: Ranks::default(),
            waiting: BTreeMap::new(),
        };
        for head in heads {
            walk.await_change(head);
        }
        walk
    }

    /// What to start from to go on here.
    pub(super) fn rest(&self) -> Vec<ChangeHash> {
        self.waiting.values().map(|change| change.hash).collect()
    }

    fn await_change(&mut self, hash: &ChangeHash) {
        if let Some(change) = self.automerge.get_change_meta_by_hash(hash) {
            let rank = self.ranks.of(self.automerge, &change);
            self.waiting.insert(rank, change);
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = ChangeMetadata<'a>;

    fn next(&mut self) -> Option<ChangeMetadata<'a>> {
        let (_, change) = self.waiting.pop_last()?;
        for dependency in &change.deps {
            self.await_change(dependency);
        }
        Some(change)
    }
}

/// On which side of a comparison a change is known to lie.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sides {
    left: bool,
    right: bool,
}

/// The changes that are in the past of one of two points and not of the other, newest first. Costs what lies between
/// the points, not what came before or after both.
pub(super) fn between<'a>(
    automerge: &'a Automerge,
    left: &[ChangeHash],
    right: &[ChangeHash],
) -> Vec<ChangeMetadata<'a>> {
    let mut ranks = Ranks::default();
    let mut waiting: BTreeMap<Rank, (ChangeMetadata<'a>, Sides)> = BTreeMap::new();
    // Once none of those that wait is on one side only, nothing below is.
    let mut open = 0_usize;
    let mut reach = |waiting: &mut BTreeMap<Rank, (ChangeMetadata<'a>, Sides)>,
                     open: &mut usize,
                     hash: &ChangeHash,
                     sides: Sides| {
        let Some(change) = automerge.get_change_meta_by_hash(hash) else {
            return;
        };
        let rank = ranks.of(automerge, &change);
        let is_open = |sides: Sides| usize::from(sides.left != sides.right);
        match waiting.get_mut(&rank) {
            Some((_, known)) => {
                *open -= is_open(*known);
                known.left |= sides.left;
                known.right |= sides.right;
                *open += is_open(*known);
            }
            None => {
                *open += is_open(sides);
                waiting.insert(rank, (change, sides));
            }
        }
    };
    for (heads, left) in [(left, true), (right, false)] {
        for head in heads {
            let sides = Sides { left, right: !left };
            reach(&mut waiting, &mut open, head, sides);
        }
    }
    let mut found = Vec::new();
    while open > 0
        && let Some((_, (change, sides))) = waiting.pop_last()
    {
        let is_between = sides.left != sides.right;
        open -= usize::from(is_between);
        for dependency in &change.deps {
            reach(&mut waiting, &mut open, dependency, sides);
        }
        if is_between {
            found.push(change);
        }
    }
    found
}

/// The ranks of changes; remembers how many changes without operations lie below each.
#[derive(Default)]
struct Ranks {
    above: BTreeMap<ChangeHash, u64>,
}

impl Ranks {
    fn of(&mut self, automerge: &Automerge, change: &ChangeMetadata<'_>) -> Rank {
        (change.max_op, self.above(automerge, change), change.hash)
    }

    /// How many changes without operations are stacked up to this one, where none of them has more operations below.
    fn above(&mut self, automerge: &Automerge, change: &ChangeMetadata<'_>) -> u64 {
        if change.start_op <= change.max_op {
            return 0;
        }
        // Without recursion: an editor may accept one draft after another for as long as it likes.
        let mut open = vec![change.hash];
        let mut entered = BTreeSet::new();
        while let Some(&next) = open.last() {
            if self.above.contains_key(&next) {
                open.pop();
                continue;
            }
            let below: Vec<ChangeHash> = automerge
                .get_change_meta_by_hash(&next)
                .map(|meta| meta.deps)
                .unwrap_or_default()
                .iter()
                .filter_map(|dependency| automerge.get_change_meta_by_hash(dependency))
                .filter(|below| below.max_op == change.max_op && below.start_op > below.max_op)
                .map(|below| below.hash)
                .collect();
            if entered.insert(next) {
                open.extend(below.iter().filter(|below| !self.above.contains_key(*below)));
                continue;
            }
            let highest = below.iter().filter_map(|below| self.above.get(below)).max();
            self.above.insert(next, highest.map_or(1, |highest| highest + 1));
            open.pop();
        }
        self.above.get(&change.hash).copied().unwrap_or_default()
    }
}
