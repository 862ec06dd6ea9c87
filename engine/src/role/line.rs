//! Which changes of one term are held.
//!
//! An honest term is one line. A cheat can branch, and then every branch is kept: which one counts is decided by the
//! cut of a later term, and that may be any of them. The form is the same whatever the order of arrival.

use std::collections::BTreeMap;

use super::record::Cut;
use crate::id::ChangeHash;

/// A way through a term, from its start to one of its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    start: ChangeHash,
    trunk: &'a [ChangeHash],
    branch: Vec<ChangeHash>,
}

impl Line<'_> {
    /// What change 1 depends on.
    #[must_use]
    pub const fn start(&self) -> ChangeHash {
        self.start
    }

    /// How many changes.
    #[must_use]
    pub fn len(&self) -> u64 {
        (self.trunk.len() + self.branch.len()) as u64
    }

    /// Whether there is no change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last change; with none, the start.
    #[must_use]
    pub fn head(&self) -> ChangeHash {
        self.branch
            .last()
            .or(self.trunk.last())
            .copied()
            .unwrap_or(self.start)
    }

    /// The change with this number, the first being 1; 0 is the start.
    #[must_use]
    pub fn hash_at(&self, number: u64) -> Option<ChangeHash> {
        let Some(at) = number.checked_sub(1) else {
            return Some(self.start);
        };
        let at = usize::try_from(at).ok()?;
        match at.checked_sub(self.trunk.len()) {
            None => self.trunk.get(at).copied(),
            Some(at) => self.branch.get(at).copied(),
        }
    }

    /// Length and head.
    #[must_use]
    pub fn end(&self) -> Cut {
        Cut {
            len: self.len(),
            head: self.head(),
        }
    }
}

/// The held changes of one term.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) start: ChangeHash,
    /// Up to the first divergence.
    trunk: Vec<ChangeHash>,
    /// After it: (number, change) -> the change before.
    branches: BTreeMap<(u64, ChangeHash), ChangeHash>,
}

impl Held {
    pub(super) const fn new(start: ChangeHash) -> Self {
        Self {
            start,
            trunk: Vec::new(),
            branches: BTreeMap::new(),
        }
    }

    pub(super) fn contains(&self, cut: Cut) -> bool {
        self.trunk_at(cut.len) == Some(cut.head) || self.branches.contains_key(&(cut.len, cut.head))
    }

    /// Up to where there is only one line.
    pub(super) fn trunk_end(&self) -> Cut {
        Cut {
            len: self.trunk.len() as u64,
            head: self.trunk.last().copied().unwrap_or(self.start),
        }
    }

    pub(super) fn trunk_to(&self, len: u64) -> Cut {
        match self.trunk_at(len) {
            Some(head) => Cut { len, head },
            None => self.trunk_end(),
        }
    }

    /// Adds the change that follows a held one. Returns whether it was new.
    pub(super) fn insert(&mut self, after: Cut, hash: ChangeHash) -> bool {
        let number = after.len + 1;
        if self.contains(Cut {
            len: number,
            head: hash,
        }) {
            return false;
        }
        if self.branches.is_empty() && after == self.trunk_end() {
            self.trunk.push(hash);
            return true;
        }
        self.spill_after(after.len);
        self.branches.insert((number, hash), after.head);
        true
    }

    /// Whether the way to `end` leads through `point`. Unknown, so no, unless `end` is held.
    pub(super) fn passes(&self, end: Cut, point: Cut) -> bool {
        self.contains(end) && self.before(end, point.len) == Some(point)
    }

    /// The last change that two held ones have in common.
    pub(super) fn common(&self, a: Cut, b: Cut) -> Cut {
        let shorter = a.len.min(b.len);
        let (Some(mut a), Some(mut b)) = (self.before(a, shorter), self.before(b, shorter)) else {
            return self.trunk_to(shorter);
        };
        while a != b {
            let (Some(before_a), Some(before_b)) = (self.step_back(a), self.step_back(b)) else {
                return self.trunk_to(a.len.min(b.len));
            };
            (a, b) = (before_a, before_b);
        }
        a
    }

    /// The way to `end`, if it is held.
    pub(super) fn line_to(&self, end: Cut) -> Option<Line<'_>> {
        if !self.contains(end) {
            return None;
        }
        let mut branch = Vec::new();
        let mut at = end;
        while at.len > self.trunk.len() as u64 {
            branch.push(at.head);
            at = self.step_back(at)?;
        }
        branch.reverse();
        let trunk = self.trunk.get(..usize::try_from(at.len).ok()?)?;
        Some(Line {
            start: self.start,
            trunk,
            branch,
        })
    }

    /// The ends of all branches; one for an honest term.
    pub(super) fn ends(&self) -> Vec<Cut> {
        if self.branches.is_empty() {
            return vec![self.trunk_end()];
        }
        let followed: std::collections::BTreeSet<(u64, ChangeHash)> = self
            .branches
            .iter()
            .map(|((number, _), before)| (number - 1, *before))
            .collect();
        let ends = self.branches.keys().filter(|key| !followed.contains(key));
        ends.map(|&(len, head)| Cut { len, head }).collect()
    }

    fn trunk_at(&self, number: u64) -> Option<ChangeHash> {
        match number.checked_sub(1) {
            None => Some(self.start),
            Some(at) => self.trunk.get(usize::try_from(at).ok()?).copied(),
        }
    }

    fn step_back(&self, at: Cut) -> Option<Cut> {
        let len = at.len.checked_sub(1)?;
        let head = match self.branches.get(&(at.len, at.head)) {
            Some(before) => *before,
            None => self.trunk_at(len)?,
        };
        Some(Cut { len, head })
    }

    /// The change with number `len` on the way to `end`.
    fn before(&self, end: Cut, len: u64) -> Option<Cut> {
        if len > end.len {
            return None;
        }
        let mut at = end;
        while at.len > len {
            // On the trunk there is one way only, so no need to walk it.
            if let Some(head) = self.trunk_at(len).filter(|_| at.len <= self.trunk.len() as u64) {
                return Some(Cut { len, head });
            }
            at = self.step_back(at)?;
        }
        Some(at)
    }

    /// From here on there is more than one way: what follows on the trunk becomes a branch.
    fn spill_after(&mut self, len: u64) {
        let Ok(at) = usize::try_from(len) else { return };
        if at >= self.trunk.len() {
            return;
        }
        let mut before = self.trunk_to(len);
        for hash in self.trunk.split_off(at) {
            let next = Cut {
                len: before.len + 1,
                head: hash,
            };
            self.branches.insert((next.len, hash), before.head);
            before = next;
        }
    }
}
