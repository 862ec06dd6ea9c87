//! Structure: each change goes on exactly where its line was, and the whole leaves exactly the head that is vouched for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::rc::Rc;

use automerge::{ActorId, Change, ChangeHash, ObjId, ReadDoc};

use super::meaning::Meaning;
use super::places::Learned;
use super::{Admitted, Kind, Refusal, Segment, ahead};
use crate::document::Document;
use crate::limits::{DECK_OPS_MAX, SLICE_BYTES_MAX};
use crate::op::{Note, Notes, Reversal};
use crate::role;

/// The last second of the year 9999: what comes after is no clock's.
const SECONDS_MAX: i64 = 253_402_300_799;

/// Where a change of this batch is: its segment, and its number there.
pub(super) type At = (usize, usize);

/// What a change can see: all that its line rests on, and its segment up to itself.
#[derive(Debug, Clone)]
pub(super) struct Past {
    /// The same for all changes of a segment between two that merge something.
    ground: Rc<Ground>,
    at: At,
}

/// Heads in the document, and how far into other segments of this batch.
#[derive(Debug, Clone, Default)]
struct Ground {
    /// In order.
    heads: Vec<ChangeHash>,
    /// For each segment, up to which of its changes (inclusive).
    reach: BTreeMap<usize, usize>,
}

impl Ground {
    fn join(&mut self, other: &Self) {
        self.heads.extend(&other.heads);
        self.heads.sort_unstable();
        self.heads.dedup();
        for (segment, upto) in &other.reach {
            self.reach(*segment, *upto);
        }
    }

    fn reach(&mut self, segment: usize, upto: usize) {
        let mine = self.reach.entry(segment).or_insert(upto);
        *mine = (*mine).max(upto);
    }
}

impl Past {
    /// Heads in the document that it rests on, in order.
    pub(super) fn heads(&self) -> &[ChangeHash] {
        &self.ground.heads
    }

    pub(super) fn sees(&self, (segment, index): At) -> bool {
        let (own, upto) = self.at;
        (segment == own && index <= upto)
            || self.ground.reach.get(&segment).is_some_and(|upto| *upto >= index)
    }
}

/// A change of this batch.
struct Point {
    max_op: u64,
    past: Past,
    reversal: Option<Reversal>,
}

pub(super) fn admit(
    document: &Document,
    segments: &[Segment<'_>],
    head: ChangeHash,
) -> Result<Admitted, Refusal> {
    let bytes = segments
        .iter()
        .flat_map(|segment| &segment.changes)
        .map(|change| change.len());
    if bytes.sum::<usize>() > SLICE_BYTES_MAX {
        return Err(Refusal::TooMuchAtOnce);
    }
    let base = document.heads();
    let mut lines = Lines {
        document,
        batch: HashMap::new(),
        used: Vec::new(),
        beyond: None,
    };
    let mut meaning = Meaning::new(document);
    // Who edits one card after the other says the same words a hundred times, and reading them costs more than finding them.
    let mut said: BTreeMap<String, usize> = BTreeMap::new();
    let mut heads: BTreeSet<ChangeHash> = base.iter().copied().collect();
    let mut admitted = Admitted {
        base,
        changes: Vec::new(),
        notes: Vec::new(),
        expected: Vec::new(),
        learned: Learned::default(),
    };
    for (number, segment) in segments.iter().enumerate() {
        let mut previous = segment.line.previous;
        if !segment.changes.is_empty() {
            lines.check_start(segment)?;
        }
        let mut index = 0;
        ahead::each(&segment.changes, |change, operations| {
            let (at, seq) = (
                (number, index),
                segment.line.next_seq.saturating_add(index as u64),
            );
            index += 1;
            let message = change.message().ok_or(Refusal::NoMessage)?;
            let known = said.get(message).and_then(|at| admitted.notes.get(*at));
            let parsed = match known {
                Some(_) => None,
                None => Some(Notes::parse(message)?),
            };
            let Some(notes) = known.or(parsed.as_ref()) else {
                return Err(Refusal::Fault);
            };
            let past = lines.next(segment, &change, notes, at, seq, previous)?;
            meaning.check(&change, &operations, notes, &past, at)?;
            if let Some(notes) = parsed {
                said.insert(message.to_owned(), admitted.notes.len());
                admitted.notes.push(notes);
            }
            for dependency in change.deps() {
                heads.remove(dependency);
            }
            heads.insert(change.hash());
            previous = change.hash();
            admitted.changes.push(change);
            Ok(())
        })?;
    }
    meaning.check_sizes()?;
    let mut allowed = BTreeSet::from([head]);
    if segments.last().is_some_and(|segment| segment.kind == Kind::Draft) && heads != allowed {
        allowed.extend(&admitted.base);
    }
    if heads != allowed || admitted.changes.is_empty() {
        return Err(Refusal::WrongHead);
    }
    admitted.expected = heads.into_iter().collect();
    admitted.learned = meaning.learned();
    Ok(admitted)
}

struct Lines<'a> {
    document: &'a Document,
    batch: HashMap<ChangeHash, Point>,
    /// The numbers of each segment, whose changes have its actor and follow one another.
    used: Vec<(ActorId, Range<u64>)>,
    /// For the heads in the document that were asked about last, the changes that are not in their past.
    beyond: Option<(Vec<ChangeHash>, BTreeSet<ChangeHash>)>,
}

impl Lines<'_> {
    /// How many operations there are up to these changes, and what one can see that depends on them.
    fn rests_on(&self, dependencies: &[ChangeHash], segment: usize) -> Result<(u64, Rc<Ground>), Refusal> {
        // As most do: on the change before it, which sees all that its segment does.
        if let [previous] = dependencies
            && let Some(point) = self.batch.get(previous)
            && point.past.at.0 == segment
        {
            return Ok((point.max_op, Rc::clone(&point.past.ground)));
        }
        let (mut ground, mut below) = (Ground::default(), 0);
        for dependency in dependencies {
            let max_op = match self.batch.get(dependency) {
                Some(point) => {
                    let (segment, index) = point.past.at;
                    ground.join(&point.past.ground);
                    ground.reach(segment, index);
                    point.max_op
                }
                None => {
                    let ops = self.document.op_count_at(dependency);
                    ground.join(&Ground {
                        heads: vec![*dependency],
                        reach: BTreeMap::new(),
                    });
                    ops.ok_or(Refusal::MissingDependency { missing: *dependency })?
                }
            };
            below = below.max(max_op);
        }
        Ok((below, Rc::new(ground)))
    }

    /// An actor's numbers are used once: two changes with one number make replicas refuse each other for good.
    fn check_start(&mut self, segment: &Segment<'_>) -> Result<(), Refusal> {
        let line = &segment.line;
        let automerge = self.document.automerge();
        let numbers = line.next_seq..line.next_seq.saturating_add(segment.changes.len() as u64);
        let meets = |used: &Range<u64>| used.start < numbers.end && numbers.start < used.end;
        let is_used = |(actor, used): &(ActorId, Range<u64>)| *actor == line.actor && meets(used);
        if line.next_seq == 0 || self.used.iter().any(is_used) {
            return Err(Refusal::ReusedActor);
        }
        self.used.push((line.actor.clone(), numbers));
        if line.next_seq == 1 {
            // Reading anything of an actor that Automerge does not know is an `InvalidObjId`; of one it knows, it is not.
            return match automerge.get(ObjId::Id(1, line.actor.clone(), 0), "") {
                Err(automerge::AutomergeError::InvalidObjId(_)) => Ok(()),
                _ => Err(Refusal::ReusedActor),
            };
        }
        // Within the batch the numbers themselves were compared.
        let Some(before) = automerge.get_change_meta_by_hash(&line.previous) else {
            return Ok(());
        };
        if *before.actor != line.actor || before.seq + 1 != line.next_seq {
            return Err(Refusal::ReusedActor);
        }
        if self.document.heads().contains(&line.previous) {
            return Ok(());
        }
        let later = automerge.get_changes_meta(&[line.previous]);
        if later
            .iter()
            .any(|change| *change.actor == line.actor && change.seq >= line.next_seq)
        {
            return Err(Refusal::ReusedActor);
        }
        Ok(())
    }

    fn next(
        &mut self,
        segment: &Segment<'_>,
        change: &Change,
        notes: &Notes,
        at: At,
        seq: u64,
        previous: ChangeHash,
    ) -> Result<Past, Refusal> {
        let hash = change.hash();
        if self.batch.contains_key(&hash) || self.document.contains(&hash) {
            return Err(Refusal::Known);
        }
        if *change.actor_id() != segment.line.actor {
            return Err(Refusal::WrongActor);
        }
        if change.seq() != seq {
            return Err(Refusal::WrongSeq {
                expected: seq,
                found: change.seq(),
            });
        }
        if !(0..=SECONDS_MAX).contains(&change.timestamp()) {
            return Err(Refusal::WrongTime {
                seconds: change.timestamp(),
            });
        }
        let mut dependencies = vec![previous];
        dependencies.extend(self.merged(segment, change, notes, previous)?);
        dependencies.sort_unstable();
        if change.deps() != dependencies.as_slice() {
            return Err(Refusal::WrongDependencies {
                found: change.deps().len(),
            });
        }
        let (below, ground) = self.rests_on(&dependencies, at.0)?;
        if change.start_op().get() != below + 1 {
            return Err(Refusal::WrongStartOp {
                expected: below + 1,
                found: change.start_op().get(),
            });
        }
        let max_op = below + change.len() as u64;
        if max_op > DECK_OPS_MAX {
            return Err(Refusal::DeckFull);
        }
        let past = Past { ground, at };
        let reversal = notes.reversal();
        if let Some(reversal) = reversal {
            self.check_reversal(&past, reversal)?;
        }
        let point = Point {
            max_op,
            past: past.clone(),
            reversal,
        };
        self.batch.insert(hash, point);
        Ok(past)
    }
}

impl Lines<'_> {
    /// What a change takes back is in its own past: an undo only for an undo that is redone, a redo only for one. (That
    /// it is the same author's, and that the ops are its inverse, is the author's word.)
    fn check_reversal(&mut self, past: &Past, reversal: Reversal) -> Result<(), Refusal> {
        let change = reversal.change();
        let taken_back = match self.batch.get(&change) {
            Some(point) if past.sees(point.past.at) => point.reversal,
            Some(_) => return Err(Refusal::WrongReversal),
            None => self.reversal_in_document(past, change)?,
        };
        match (reversal, taken_back) {
            (Reversal::Undo(_), None | Some(Reversal::Redo(_)))
            | (Reversal::Redo(_), Some(Reversal::Undo(_))) => Ok(()),
            _ => Err(Refusal::WrongReversal),
        }
    }

    fn reversal_in_document(&mut self, past: &Past, change: ChangeHash) -> Result<Option<Reversal>, Refusal> {
        let automerge = self.document.automerge();
        let meta = automerge.get_change_meta_by_hash(&change);
        let message = meta.as_ref().and_then(|meta| meta.message.as_deref());
        let message = message.ok_or(Refusal::WrongReversal)?;
        let all_seen = self
            .document
            .heads()
            .iter()
            .all(|head| past.heads().contains(head));
        if !all_seen {
            // Asked once for what has the same heads: a draft on an old base may take back a change a thousand times. Kept of one
            // alone: each draft of a batch may have a base of its own, and this is as long as the deck.
            let of_these = |(heads, _): &(Vec<ChangeHash>, _)| heads.as_slice() == past.heads();
            let (_, beyond) = match self.beyond.take().filter(of_these) {
                Some(known) => self.beyond.insert(known),
                None => {
                    let changes = automerge.get_changes_meta(past.heads());
                    let beyond = changes.iter().map(|change| change.hash).collect();
                    self.beyond.insert((past.heads().to_vec(), beyond))
                }
            };
            if beyond.contains(&change) {
                return Err(Refusal::WrongReversal);
            }
        }
        Ok(Notes::reversal_of(message))
    }
}

impl Lines<'_> {
    /// The head of the draft or late work that a change accepts, if it accepts one. A change is the editor's word on one
    /// of them, or it has operations.
    fn merged(
        &self,
        segment: &Segment<'_>,
        change: &Change,
        notes: &Notes,
        previous: ChangeHash,
    ) -> Result<Option<ChangeHash>, Refusal> {
        match notes.as_slice() {
            [Note::LateAccept { term }] if change.is_empty() && segment.kind == Kind::Term => {
                let late = change.deps().iter().find(|head| **head != previous);
                let late = *late.ok_or(Refusal::WrongAccept)?;
                // The document holds late work only where the caller knows it to be sealed, and put it.
                let meta = self.document.automerge().get_change_meta_by_hash(&late);
                let meta = meta.ok_or(Refusal::MissingDependency { missing: late })?;
                let is_of_term = *meta.actor == role::actor_of_term(*term);
                is_of_term.then_some(Some(late)).ok_or(Refusal::WrongAccept)
            }
            _ => accepted(segment, change, notes),
        }
    }
}

/// The head of the draft that a change accepts, if it accepts one.
fn accepted(segment: &Segment<'_>, change: &Change, notes: &Notes) -> Result<Option<ChangeHash>, Refusal> {
    let judges = notes.as_slice().iter().any(Note::is_verdict);
    match notes.as_slice() {
        [Note::DraftAccept { draft }] if change.is_empty() && segment.kind == Kind::Term => segment
            .accepts
            .get(draft)
            .copied()
            .map(Some)
            .ok_or(Refusal::WrongAccept),
        [Note::DraftDecline { .. }] if change.is_empty() && segment.kind == Kind::Term => Ok(None),
        _ if judges => Err(Refusal::WrongAccept),
        _ if change.is_empty() => Err(Refusal::Empty),
        _ => Ok(None),
    }
}
