//! (c) on real Automerge: every signed change of a story is made as a real change by a real document; the canonical
//! ones pass the gate of a new device in one go; and accepting each piece of late work succeeds, there too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cuecard::document::{Document, NewChange};
use cuecard::gate::{self, Kind, Line, Refusal, Segment};
use cuecard::id::{ChangeHash, DraftId, TermId};
use cuecard::role::{actor_of_genesis, actor_of_term};

use crate::lab::{Knowledge, Set};
use crate::world::{Item, Says, Signed, World};

/// How much was played.
#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) changes: u64,
    /// Changes that merged late work.
    pub(crate) merged: u64,
    /// Late work that could be accepted at the end.
    pub(crate) accepted: u64,
    /// Late work of a cheat, which uses a number twice: Automerge cannot merge it.
    pub(crate) refused: u64,
}

impl Played {
    pub(crate) fn add(&mut self, other: &Self) {
        self.changes += other.changes;
        self.merged += other.merged;
        self.accepted += other.accepted;
        self.refused += other.refused;
    }
}

/// A change that was made for real. The story names its heads by other hashes.
struct Real {
    term: TermId,
    number: u64,
    hash: ChangeHash,
    bytes: Vec<u8>,
    /// In the story.
    before: ChangeHash,
    merged: Option<(DraftId, ChangeHash)>,
    document: Document,
}

struct Player {
    genesis: Document,
    made: HashMap<ChangeHash, Real>,
    /// In order: each after what it depends on.
    order: Vec<ChangeHash>,
    played: Played,
}

pub(crate) fn play(world: &World, made: &Set, knowledge: &Knowledge) -> Result<Played, String> {
    let mut player = Player {
        genesis: Document::genesis(actor_of_genesis(world.deck()), world.genesis.created_ms),
        made: HashMap::new(),
        order: Vec::new(),
        played: Played::default(),
    };
    for item in &made.0 {
        player.make(&world.item(*item))?;
    }
    let canonical = knowledge.chain.canonical().head;
    player.admit(canonical)?;
    for late in &knowledge.late {
        player.accept(canonical, late.head)?;
    }
    Ok(player.played)
}

impl Player {
    fn document(&self, head: ChangeHash) -> &Document {
        self.made.get(&head).map_or(&self.genesis, |real| &real.document)
    }

    fn real(&self, head: ChangeHash) -> ChangeHash {
        self.made.get(&head).map_or(head, |real| real.hash)
    }

    fn make(&mut self, item: &Item) -> Result<(), String> {
        let (
            Signed::Change {
                term, after, head, ..
            },
            Says::Change { merges, .. },
        ) = (&item.signed, &item.says)
        else {
            return Ok(());
        };
        let mut document = self.document(after.head).clone();
        let actor = actor_of_term(*term);
        // A cheat's number used twice cannot be merged, and is not: the edit goes on without it.
        let merged = merges.filter(|late| {
            !document.contains(&self.real(*late)) && !self.is_a_number_twice(after.head, *late)
        });
        let merged = merged.map(|late| (draft(late), late));
        let change = match merged {
            Some((draft, late)) => {
                self.put(&mut document, late)?;
                let (ours, theirs) = (self.real(after.head), self.real(late));
                let made = document.accept_draft(&actor, 1_000, draft, ours, theirs);
                self.played.merged += 1;
                made.map_err(|error| format!("late work could not be merged: {error}"))?
                    .change
            }
            None => {
                let mut bits = || *head.0.first_chunk::<10>().unwrap();
                let made = document.commit(&actor, 1_000, &mut bits, |edit| edit.add_card("front", "back"));
                made.map_err(|error| format!("an edit failed: {error}"))?.change
            }
        };
        let NewChange { hash, bytes, .. } = change.ok_or("an edit made no change")?;
        let real = Real {
            term: *term,
            number: after.len + 1,
            hash,
            bytes,
            before: after.head,
            merged,
            document,
        };
        self.made.insert(*head, real);
        self.order.push(*head);
        self.played.changes += 1;
        Ok(())
    }

    /// Everything that this head rests on, itself included.
    fn past(&self, head: ChangeHash) -> BTreeSet<ChangeHash> {
        let (mut past, mut open) = (BTreeSet::new(), vec![head]);
        while let Some(head) = open.pop() {
            if let Some(real) = self.made.get(&head)
                && past.insert(head)
            {
                open.push(real.before);
                open.extend(real.merged.map(|(_, late)| late));
            }
        }
        past
    }

    fn is_a_number_twice(&self, one: ChangeHash, other: ChangeHash) -> bool {
        let mut places = BTreeMap::new();
        let all: BTreeSet<ChangeHash> = self.past(one).union(&self.past(other)).copied().collect();
        all.iter().any(|head| {
            let real = &self.made[head];
            places.insert((real.term, real.number), *head).is_some()
        })
    }

    /// Puts late work beside what the document holds.
    fn put(&self, document: &mut Document, late: ChangeHash) -> Result<(), String> {
        let past = self.past(late);
        let missing = self.order.iter().filter(|head| past.contains(*head));
        let missing = missing.map(|head| &self.made[head]);
        let missing: Vec<&[u8]> = missing
            .filter(|real| !document.contains(&real.hash))
            .map(|real| real.bytes.as_slice())
            .collect();
        let put = document.restore_more(missing);
        put.map(|_| ())
            .map_err(|error| format!("late work could not be put: {error}"))
    }

    /// What leads from a document to this head, as it travels.
    fn segments(&self, document: &Document, head: ChangeHash) -> Vec<Segment<'_>> {
        let past = self.past(head);
        let mut segments: Vec<(TermId, ChangeHash, Segment<'_>)> = Vec::new();
        for head in self.order.iter().filter(|head| past.contains(*head)) {
            let real = &self.made[head];
            if document.contains(&real.hash) {
                continue;
            }
            let accepts = real.merged.map(|(draft, late)| (draft, self.real(late)));
            match segments.last_mut() {
                Some((term, last, segment)) if *term == real.term && *last == real.before => {
                    segment.changes.push(&real.bytes);
                    segment.accepts.extend(accepts);
                    *last = *head;
                }
                _ => {
                    let line = Line {
                        actor: actor_of_term(real.term),
                        next_seq: real.number,
                        previous: self.real(real.before),
                    };
                    let segment = Segment {
                        line,
                        changes: vec![&real.bytes],
                        kind: Kind::Term,
                        accepts: accepts.into_iter().collect(),
                    };
                    segments.push((real.term, *head, segment));
                }
            }
        }
        segments.into_iter().map(|(_, _, segment)| segment).collect()
    }

    /// A new device takes in everything canonical.
    fn admit(&self, canonical: ChangeHash) -> Result<(), String> {
        let segments = self.segments(&self.genesis, canonical);
        if segments.is_empty() {
            return Ok(());
        }
        let head = self.real(canonical);
        let mut document = self.genesis.clone();
        let admitted = gate::admit(&document, &segments, head);
        let admitted = admitted.map_err(|error| format!("the canonical deck is refused: {error}"))?;
        document
            .apply(admitted)
            .map_err(|error| format!("the canonical deck does not apply: {error}"))?;
        let same = document.heads() == [head] && document.cards().eq(self.document(canonical).cards());
        same.then_some(())
            .ok_or("the canonical deck is another one on a new device".to_owned())
    }

    /// The next editor accepts this late work, and another device takes that in.
    fn accept(&mut self, canonical: ChangeHash, late: ChangeHash) -> Result<(), String> {
        let viewer = self.document(canonical).clone();
        if viewer.contains(&self.real(late)) {
            return Ok(());
        }
        let mut segments = self.segments(&viewer, late);
        if self.is_a_number_twice(canonical, late) {
            let refused = gate::admit(&viewer, &segments, self.real(late));
            self.played.refused += 1;
            return match refused {
                Err(Refusal::ReusedActor) => Ok(()),
                other => Err(format!("a number used twice met {other:?}")),
            };
        }
        let mut editor = viewer.clone();
        self.put(&mut editor, late)?;
        // A term of the next editor's own.
        let actor = actor_of_term(TermId::from_bytes([9; 32]));
        let (ours, theirs) = (self.real(canonical), self.real(late));
        let made = editor.accept_draft(&actor, 2_000, draft(late), ours, theirs);
        let made = made.map_err(|error| format!("late work cannot be accepted: {error}"))?;
        let change = made.change.ok_or("accepting made no change")?;
        segments.push(Segment {
            line: Line {
                actor,
                next_seq: 1,
                previous: ours,
            },
            changes: vec![&change.bytes],
            kind: Kind::Term,
            accepts: BTreeMap::from([(draft(late), theirs)]),
        });
        let mut viewer = viewer;
        let admitted = gate::admit(&viewer, &segments, change.hash);
        let admitted = admitted.map_err(|error| format!("accepted late work is refused: {error}"))?;
        viewer
            .apply(admitted)
            .map_err(|error| format!("accepted late work does not apply: {error}"))?;
        if viewer.heads() != [change.hash] || !viewer.cards().eq(editor.cards()) {
            return Err("accepting late work gave two devices two decks".to_owned());
        }
        self.played.accepted += 1;
        Ok(())
    }
}

fn draft(late: ChangeHash) -> DraftId {
    DraftId::from_bytes(late.0)
}
