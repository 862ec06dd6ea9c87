//! What the operations of a batch left, for later ones to refer to.
//!
//! A few bytes may say ten thousand operations, and a batch has thousands of such changes. So what is kept follows the bytes:
//! operations of one change that follow one another and left something at the same place are one entry, however many.

use std::collections::BTreeMap;

use super::lines::At;
use super::names::Name;

/// Where an operation left something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// In a map, by the number that its key has in this batch.
    Key(Name, usize),
    /// In a text.
    Element(Name),
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Left {
    /// By actor and the number of the first.
    runs: BTreeMap<(u32, u64), Run>,
    /// The one that was last added to: most operations go on with it, or refer to it.
    open: Option<Run>,
}

/// Operations of one actor from one number to another.
#[derive(Debug, Clone, Copy)]
struct Run {
    actor: u32,
    first: u64,
    last: u64,
    at: At,
    target: Target,
}

impl Run {
    const fn has(&self, name: Name) -> bool {
        self.actor == name.actor && self.first <= name.counter && name.counter <= self.last
    }
}

impl Left {
    /// An operation left something.
    pub(super) fn insert(&mut self, name: Name, at: At, target: Target) {
        if let Some(open) = &mut self.open {
            let follows = open.actor == name.actor && open.last.checked_add(1) == Some(name.counter);
            if follows && open.at == at && open.target == target {
                open.last = name.counter;
                return;
            }
        }
        let next = Run {
            actor: name.actor,
            first: name.counter,
            last: name.counter,
            at,
            target,
        };
        if let Some(run) = self.open.replace(next) {
            self.runs.insert((run.actor, run.first), run);
        }
    }

    /// What an operation left, and in which change.
    pub(super) fn get(&self, name: Name) -> Option<(At, Target)> {
        let open = self.open.filter(|open| open.has(name));
        let run = open.or_else(|| {
            let upto = self.runs.range(..=(name.actor, name.counter));
            upto.map(|(_, run)| *run).next_back().filter(|run| run.has(name))
        })?;
        Some((run.at, run.target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(actor: u32, counter: u64) -> Name {
        Name { counter, actor }
    }

    #[test]
    fn each_is_found_where_it_was_left_and_those_that_follow_one_another_are_one() {
        let (one, other) = (Target::Element(name(0, 1)), Target::Key(name(0, 2), 3));
        let left = [
            (1, 10..2_000, (0, 0), one),
            // Another change, another place, a gap, another actor.
            (1, 2_000..2_005, (0, 1), one),
            (1, 2_005..2_010, (0, 1), other),
            (1, 2_011..2_020, (0, 1), other),
            (2, 2_020..2_030, (1, 0), other),
            // A line that is older.
            (1, 5..8, (2, 0), one),
        ];
        let mut all = Left::default();
        for (actor, numbers, at, target) in &left {
            for number in numbers.clone() {
                assert_eq!(all.get(name(*actor, number)), None, "{number} of {actor}");
                all.insert(name(*actor, number), *at, *target);
                assert_eq!(all.get(name(*actor, number)), Some((*at, *target)));
            }
        }
        assert_eq!(all.runs.len() + 1, left.len());
        for actor in 0..4 {
            for number in 0..2_100 {
                let is_it = |(of, numbers, ..): &&(u32, std::ops::Range<u64>, At, Target)| {
                    *of == actor && numbers.contains(&number)
                };
                let expected = left.iter().find(is_it).map(|(_, _, at, target)| (*at, *target));
                assert_eq!(all.get(name(actor, number)), expected, "{number} of {actor}");
            }
        }
    }
}
