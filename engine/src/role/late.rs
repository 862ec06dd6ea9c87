//! Late work: what is signed and held, and not canonical. Nothing of it is lost; an editor may accept it.

use super::canonical::View;
use super::chain::{Node, Records};
use super::record::{Cause, Cut};
use crate::id::{ChangeHash, TermId};
use cuecard_transport::DeviceId;

/// Changes of an editor that its successors had not seen.
///
/// It stays listed after it was accepted, since the records do not say what a change depends on: the caller leaves
/// out the heads that the canonical document already contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct LateWork {
    /// The term they were written in.
    pub term: TermId,
    /// Who wrote them.
    pub author: DeviceId,
    /// The number of the first that is not canonical; the first of a term is 1.
    pub from: u64,
    /// The number of the last.
    pub len: u64,
    /// The last.
    pub head: ChangeHash,
    /// Whether the author had by then handed the term to another, or released it: never to be accepted unasked.
    pub after_leaving: bool,
}

pub(super) fn late_work(records: &Records, view: &View) -> Vec<LateWork> {
    let mut late = Vec::new();
    // A stack of our own: a chain of 100,000 terms would overflow the thread's.
    let mut reachable = vec![records.root];
    while let Some(term) = reachable.pop() {
        let Some(node) = records.terms.get(&term) else {
            continue;
        };
        let children = node.children.iter();
        let children = children.filter_map(|id| Some((id, records.terms.get(id)?)));
        reachable.extend(
            children
                .filter(|(_, child)| node.held.contains(child.cut()))
                .map(|(id, _)| *id),
        );
        if let Some(author) = node.holder {
            late_in_term(records, view, term, node, author, &mut late);
        }
    }
    late.sort();
    late
}

fn late_in_term(
    records: &Records,
    view: &View,
    term: TermId,
    node: &Node,
    author: DeviceId,
    late: &mut Vec<LateWork>,
) {
    let start = Cut {
        len: 0,
        head: node.held.start,
    };
    let step = view.position(term).and_then(|at| view.canonical.path.get(at));
    let canonical = step.map_or(start, |step| step.upto);
    // What is signed: by the holder's seals, by the cuts that others built on, and by the owner.
    let mut ends: Vec<Cut> = node.seals.iter().map(|seal| seal.cut()).collect();
    let children: Vec<&Node> = node
        .children
        .iter()
        .filter_map(|id| records.terms.get(id))
        .collect();
    ends.extend(children.iter().map(|child| child.cut()));
    ends.extend(
        records
            .charters
            .iter()
            .filter(|c| c.settled.term == term)
            .map(|c| c.settled.cut()),
    );
    ends.retain(|end| node.held.contains(*end) && !node.held.passes(canonical, *end));
    ends.sort();
    ends.dedup();
    let left = cuts_of_leaving(&children, author);
    for (at, &end) in ends.iter().enumerate() {
        let included = ends
            .iter()
            .skip(at + 1)
            .any(|longer| node.held.passes(*longer, end));
        if included {
            continue;
        }
        late.push(LateWork {
            term,
            author,
            from: node.held.common(canonical, end).len + 1,
            len: end.len,
            head: end.head,
            after_leaving: is_after(&left, node, end),
        });
    }
}

/// Where the author of a term gave the role away.
fn cuts_of_leaving(children: &[&Node], author: DeviceId) -> Vec<Cut> {
    let left = |child: &&&Node| {
        child.term.as_ref().is_some_and(|term| match term.cause {
            Cause::Handover => term.holder != Some(author),
            Cause::Release => true,
            Cause::Claim => false,
        })
    };
    children.iter().filter(left).map(|child| child.cut()).collect()
}

fn is_after(left: &[Cut], node: &Node, at: Cut) -> bool {
    left.iter()
        .any(|cut| cut.len < at.len && node.held.passes(at, *cut))
}

/// Whether a held change of a term was written after its author had given the role away, whoever built on it since.
pub(super) fn is_after_leaving(records: &Records, term: TermId, at: Cut) -> bool {
    let Some(node) = records.terms.get(&term) else {
        return false;
    };
    let Some(author) = node.holder else { return false };
    let children: Vec<&Node> = node
        .children
        .iter()
        .filter_map(|id| records.terms.get(id))
        .collect();
    is_after(&cuts_of_leaving(&children, author), node, at)
}
