//! What a snapshot would spare a new device at the most: the deck as one saved document, beside its changes in slices.
//!
//! A document that somebody else saved is not taken on trust: each of its changes has to pass the gate, and as its heads do
//! not say in what order its operations lie, it has to be built anew of them. So this is the least that it could cost.

use std::collections::BTreeMap;
use std::time::Duration;

use automerge::{Automerge, Change};
use cuecard::TermId;
use cuecard::document::Document;
use cuecard::gate::{Kind, Line, Segment, admit};
use cuecard::role::{actor_of_genesis, actor_of_term};
use cuecard::sync::message::Item;

use crate::fixture::Written;
use crate::role::{entries, slices};
use crate::runner::{Table, Target, Unit, in_turns, timed};

const CHANGES: usize = 100_000;
/// As many as a mebibyte holds of these, which is what a slice is to have.
const SLICE: usize = 5_600;
/// As many as the gate takes at a time.
const BATCH: usize = 20_000;

/// Bytes of something as one message, which compresses it with LZ4.
fn in_lz4(written: &Written, bytes: Vec<u8>) -> usize {
    let item = Item::Changes {
        term: TermId::zero_of(written.genesis.deck_id()),
        from: 1,
        changes: vec![bytes.into()],
        seal: vec![].into(),
        after: written.document.genesis_hash(),
    };
    entries(written.genesis.deck_id(), vec![item]).len()
}

/// The changes through the gate and into a document, and how long the gate took of it.
fn gated(written: &Written) -> (Duration, Duration) {
    let deck = written.genesis.deck_id();
    let mut document = Document::genesis(actor_of_genesis(deck), written.genesis.created_ms);
    let mut gate = Duration::ZERO;
    let all = timed(|| {
        for (number, batch) in written.changes.chunks(BATCH).enumerate() {
            let segment = Segment {
                line: Line {
                    actor: actor_of_term(TermId::zero_of(deck)),
                    next_seq: (number * BATCH) as u64 + 1,
                    previous: document.heads()[0],
                },
                changes: batch.iter().map(Vec::as_slice).collect(),
                kind: Kind::Term,
                accepts: BTreeMap::new(),
            };
            let head = written.hashes[number * BATCH + batch.len() - 1];
            let mut admitted = None;
            gate += timed(|| admitted = admit(&document, &[segment], head).ok());
            document
                .apply(admitted.expect("it is admitted"))
                .expect("it applies");
        }
    });
    assert_eq!(document.heads(), written.document.heads());
    (all, gate)
}

pub(crate) fn for_a_new_device(table: &mut Table) {
    let written = Written::new(1_000, CHANGES);
    let saved = written.document.for_other_tools();
    let sliced: usize = slices(&written, SLICE).iter().map(Vec::len).sum();
    let uncompressed = in_lz4(&written, written.document.snapshot());
    for (what, ours) in [("as slices", sliced), ("as a document in LZ4", uncompressed)] {
        table.add_once(
            &format!("100,000 changes {what}, beside Automerge's own `save()`; bytes"),
            Unit::Kibibytes,
            Target::None,
            ours as f64,
            saved.len() as f64,
        );
    }
    let read = |bytes: &Vec<u8>| Change::try_from(bytes.as_slice()).expect("a change");
    let apply = || {
        let mut document = Automerge::new();
        let changes = std::iter::once(written.genesis_change()).chain(written.changes.iter().cloned());
        let changes: Vec<Change> = changes.map(|bytes| read(&bytes)).collect();
        timed(|| document.apply_changes(changes).expect("they apply"))
    };
    let load = || timed(|| Automerge::load(&saved).expect("it loads"));
    let get = || {
        let document = Automerge::load(&saved).expect("it loads");
        timed(|| document.get_changes(&[]))
    };
    for (what, times) in [
        ("all its changes taken out of it", in_turns(2, get, load)),
        ("all its changes applied in one batch", in_turns(2, apply, load)),
        (
            "all its changes through the gate, in batches",
            in_turns(2, || gated(&written).1, load),
        ),
        (
            "the same, and applied as they pass: what is done now",
            in_turns(2, || gated(&written).0, load),
        ),
        (
            "taken out, through the gate, and applied in one batch: the least with a snapshot",
            in_turns(2, || load() + get() + gated(&written).1 + apply(), load),
        ),
    ] {
        table.add(
            &format!("a snapshot of 100,000 changes: {what}, beside `Automerge::load`"),
            Unit::TimeOfOne(1),
            Target::None,
            times,
        );
    }
}
