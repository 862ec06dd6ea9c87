//! The lanes of a history's drawing: which column each entry stands in, and which lines lead to the row below.
//!
//! Pure: it sees hashes and nothing else. Every change that is still to come is awaited by exactly one lane, so lines
//! that lead to the same change join as soon as they are known to.

use crate::id::ChangeHash;

/// An entry, as the drawing sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The change.
    pub hash: ChangeHash,
    /// What it was made on; the first goes on in its lane.
    pub deps: Vec<ChangeHash>,
}

impl From<&super::Entry> for Node {
    fn from(entry: &super::Entry) -> Self {
        Self {
            hash: entry.hash,
            deps: entry.deps.clone(),
        }
    }
}

/// One row of the drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The change that stands in this row.
    pub hash: ChangeHash,
    /// Its lane, from 0 at the left.
    pub lane: usize,
    /// The lines from this row to the one below, by their lanes.
    pub edges: Vec<Edge>,
    /// How many lanes the row and the lines below it take.
    pub width: usize,
}

/// A line from one row to the one below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Its lane in the upper row.
    pub from: usize,
    /// Its lane in the lower row.
    pub to: usize,
}

/// Lays out a history, newest first, one row at a time: a long one needs no more memory than its lanes.
pub fn layout(nodes: impl IntoIterator<Item = Node>) -> impl Iterator<Item = Row> {
    let mut lanes = Lanes::default();
    nodes.into_iter().map(move |node| lanes.row(&node))
}

/// For each lane the change that it leads to.
#[derive(Default)]
struct Lanes(Vec<Option<ChangeHash>>);

impl Lanes {
    fn row(&mut self, node: &Node) -> Row {
        let awaited = self.0.iter().position(|lane| *lane == Some(node.hash));
        let lane = awaited.unwrap_or_else(|| self.free());
        let width_above = self.0.len().max(lane + 1);
        self.lead(lane, None);
        let mut edges: Vec<Edge> = self
            .0
            .iter()
            .enumerate()
            .filter_map(|(passing, to)| {
                to.map(|_| Edge {
                    from: passing,
                    to: passing,
                })
            })
            .collect();
        for (number, dependency) in node.deps.iter().enumerate() {
            let known = self.0.iter().position(|lane| *lane == Some(*dependency));
            let to = known.unwrap_or_else(|| if number == 0 { lane } else { self.free() });
            self.lead(to, Some(*dependency));
            edges.push(Edge { from: lane, to });
        }
        edges.sort_unstable();
        edges.dedup();
        while self.0.last() == Some(&None) {
            self.0.pop();
        }
        Row {
            hash: node.hash,
            lane,
            edges,
            width: width_above.max(self.0.len()),
        }
    }

    fn free(&self) -> usize {
        self.0.iter().position(Option::is_none).unwrap_or(self.0.len())
    }

    fn lead(&mut self, lane: usize, to: Option<ChangeHash>) {
        if lane >= self.0.len() {
            self.0.resize(lane + 1, None);
        }
        if let Some(slot) = self.0.get_mut(lane) {
            *slot = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u8) -> ChangeHash {
        ChangeHash([number; 32])
    }

    /// The change, its lane, the lines below it.
    type Drawn = (u8, usize, Vec<(usize, usize)>);

    fn draw(nodes: &[(u8, &[u8])]) -> Vec<Drawn> {
        let nodes = nodes.iter().map(|(number, deps)| Node {
            hash: hash(*number),
            deps: deps.iter().map(|dependency| hash(*dependency)).collect(),
        });
        layout(nodes)
            .map(|row| {
                (
                    row.hash.0[0],
                    row.lane,
                    row.edges.iter().map(|edge| (edge.from, edge.to)).collect(),
                )
            })
            .collect()
    }

    #[test]
    fn one_line_is_one_lane() {
        assert_eq!(
            draw(&[(3, &[2]), (2, &[1]), (1, &[])]),
            vec![(3, 0, vec![(0, 0)]), (2, 0, vec![(0, 0)]), (1, 0, vec![])]
        );
    }

    #[test]
    fn a_merge_opens_a_lane_and_the_common_base_closes_it() {
        // 5 merges the draft 4 into 3; both were made on 2.
        assert_eq!(
            draw(&[(5, &[3, 4]), (4, &[2]), (3, &[2]), (2, &[1]), (1, &[])]),
            vec![
                (5, 0, vec![(0, 0), (0, 1)]),
                (4, 1, vec![(0, 0), (1, 1)]),
                (3, 0, vec![(0, 1), (1, 1)]),
                (2, 1, vec![(1, 1)]),
                (1, 1, vec![]),
            ]
        );
    }

    #[test]
    fn a_branch_that_nothing_merged_has_a_lane_of_its_own() {
        assert_eq!(
            draw(&[(4, &[1]), (3, &[2]), (2, &[1]), (1, &[])]),
            vec![
                (4, 0, vec![(0, 0)]),
                (3, 1, vec![(0, 0), (1, 1)]),
                (2, 1, vec![(0, 0), (1, 0)]),
                (1, 0, vec![]),
            ]
        );
    }

    #[test]
    fn a_freed_lane_is_used_again() {
        let rows = draw(&[(9, &[7, 8]), (8, &[7]), (7, &[5, 6]), (6, &[5]), (5, &[])]);
        assert!(rows.iter().all(|(_, lane, _)| *lane <= 1), "{rows:?}");
    }
}
