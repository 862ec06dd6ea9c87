//! What being sure costs: sealed changes beside unsigned ones, the choice among many terms, and a path that turns.

use std::collections::BTreeMap;
use std::time::Duration;

use automerge::{Automerge, Change};
use bytes::Bytes;
use cuecard::core::{Core, Input, LinkId, Output, deck_proof};
use cuecard::document::Document;
use cuecard::gate::{Kind, Line, Segment, admit};
use cuecard::role::{Cause, Chain, Charter, Cut, Point, Seal, Term, actor_of_genesis, actor_of_term};
use cuecard::sync::envelope::{open, seal_up};
use cuecard::sync::message::{Item, Message, PROTOCOL_VERSION};
use cuecard::time::Time;
use cuecard::transport::{DeviceKey, Lane};
use cuecard::{DeckId, Event, TermId};

use crate::fixture::Written;
use crate::runner::{Table, Target, Unit, alone, in_turns, timed};

const CHANGES: usize = 10_000;
const SLICE: usize = 200;
const TERMS: u32 = 10_000;
const TAKEN_OUT: usize = 100;
const DECK_KEY: [u8; 32] = [9; 32];
const TRANSCRIPT: [u8; 32] = [3; 32];

/// A device that follows a deck and has just met the device that writes it.
struct Follower {
    core: Core,
    link: LinkId,
    /// Up to where it says to hold the path.
    held: u64,
    taken_out: u64,
}

impl Follower {
    fn new(written: &Written) -> Self {
        let deck = written.genesis.deck_id();
        let key = DeviceKey::from_bytes(&[8; 32]);
        let mut core = Core::new(key, "follower".to_owned(), [5; 32]);
        core.join_deck(Time::default(), deck, DECK_KEY);
        let mut follower = Self {
            core,
            link: LinkId::new(1),
            held: 0,
            taken_out: 0,
        };
        let peer = written.key.id();
        follower.handle(Input::LinkUp {
            link: follower.link,
            peer,
            transcript: TRANSCRIPT,
        });
        follower.receive(&seal_up(&Message::Greet {
            version: PROTOCOL_VERSION,
            name: "writer".to_owned(),
            proofs: vec![deck_proof(&DECK_KEY, deck, &TRANSCRIPT, peer)],
            early: vec![],
        }));
        let genesis = Item::Genesis(written.genesis.encode().into());
        follower.receive(&entries(deck, vec![genesis]));
        follower
    }

    /// What it wants done is done at once: a disk that takes no time.
    fn handle(&mut self, input: Input) {
        self.core.handle(Time::from_millis(1), input);
        while let Some(output) = self.core.poll() {
            match output {
                Output::Save { ticket, .. } => self.core.handle(
                    Time::from_millis(1),
                    Input::Saved {
                        ticket,
                        result: Ok(()),
                    },
                ),
                Output::Send { bytes, .. } => {
                    if let Ok(Message::Ack { held, .. }) = open(&bytes) {
                        self.held = held.len;
                    }
                }
                Output::Event(Event::Reorganised { taken_out, .. }) => self.taken_out += taken_out,
                Output::Close { reason, .. } => panic!("the writer was refused: {reason:?}"),
                _ => {}
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.handle(Input::Received {
            link: self.link,
            lane: Lane::Control,
            bytes: Bytes::copy_from_slice(bytes),
        });
    }
}

pub(crate) fn entries(deck: DeckId, items: Vec<Item>) -> Vec<u8> {
    seal_up(&Message::Entries { deck, items })
}

/// The changes of term 0 in slices of so many, each under its seal, as they come over a link.
pub(crate) fn slices(written: &Written, of: usize) -> Vec<Vec<u8>> {
    let deck = written.genesis.deck_id();
    let term = TermId::zero_of(deck);
    let mut messages = Vec::new();
    for (number, slice) in written.changes.chunks(of).enumerate() {
        let len = number * of + slice.len();
        let seal = Seal {
            term,
            len: len as u64,
            head: written.hashes[len - 1],
        };
        let seal = seal.sign(deck, &written.key).expect("it is signed");
        messages.push(entries(
            deck,
            vec![Item::Changes {
                term,
                from: (number * of) as u64 + 1,
                changes: slice.iter().map(|change| change.clone().into()).collect(),
                seal: seal.encode().into(),
                after: match (number * of).checked_sub(1) {
                    Some(before) => written.hashes[before],
                    None => written.document.genesis_hash(),
                },
            }],
        ));
    }
    messages
}

/// All that a follower does with 10,000 sealed changes (inflate, decode, verify, gate, apply, keep); beside
/// `apply_changes` on the same bytes in the same slices, and nothing else.
pub(crate) fn sealed_changes(table: &mut Table) {
    let written = Written::new(1_000, CHANGES);
    let messages = slices(&written, SLICE);
    let ours = || {
        let mut follower = Follower::new(&written);
        let took = timed(|| messages.iter().for_each(|message| follower.receive(message)));
        assert_eq!(follower.held, CHANGES as u64);
        took
    };
    let base = || {
        let mut document = Automerge::new();
        let read = |bytes: &Vec<u8>| Change::try_from(bytes.as_slice()).expect("a change");
        document
            .apply_changes([read(&written.genesis_change())])
            .expect("it applies");
        let took = timed(|| {
            for slice in written.changes.chunks(SLICE) {
                let slice: Vec<Change> = slice.iter().map(read).collect();
                document.apply_changes(slice).expect("they apply");
            }
        });
        assert_eq!(document.get_heads(), written.document.heads());
        took
    };
    let unsigned = || {
        let genesis = written.genesis;
        let actor = actor_of_genesis(genesis.deck_id());
        let mut document = Document::genesis(actor, genesis.created_ms);
        let took = timed(|| {
            for (number, slice) in written.changes.chunks(SLICE).enumerate() {
                let len = number * SLICE + slice.len();
                let segment = Segment {
                    line: Line {
                        actor: actor_of_term(TermId::zero_of(genesis.deck_id())),
                        next_seq: (number * SLICE) as u64 + 1,
                        previous: document.heads()[0],
                    },
                    changes: slice.iter().map(Vec::as_slice).collect(),
                    kind: Kind::Term,
                    accepts: BTreeMap::new(),
                };
                let admitted = admit(&document, &[segment], written.hashes[len - 1]);
                document
                    .apply(admitted.expect("it is admitted"))
                    .expect("it applies");
            }
        });
        assert_eq!(document.heads(), written.document.heads());
        took
    };
    table.add(
        "10,000 sealed changes, beside gate and `apply_changes` unsigned",
        Unit::TimeOfOne(1),
        Target::AtMost(1.1),
        in_turns(7, ours, unsigned),
    );
    table.add(
        "10,000 sealed changes, beside `apply_changes` alone, unsigned",
        Unit::TimeOfOne(1),
        Target::AtMost(1.1),
        in_turns(7, ours, base),
    );
}

/// The choice among 10,000 terms, made anew: in one long line, and among siblings.
pub(crate) fn fork_choice(table: &mut Table) {
    for (shape, is_line) in [("in a line", true), ("side by side", false)] {
        let written = Written::new(1, 1);
        let deck = written.genesis.deck_id();
        let key = &written.key;
        let start = written.document.genesis_hash();
        let mut chain = Chain::new(written.genesis, start);
        let root = TermId::zero_of(deck);
        let cut = Cut { len: 0, head: start };
        let mut parent = root;
        for number in 0..TERMS {
            let mut nonce = [0; 16];
            nonce[..4].copy_from_slice(&number.to_le_bytes());
            let term = Term {
                deck,
                parent,
                cause: Cause::Handover,
                cut,
                holder: Some(key.id()),
                nonce,
                signer: key.id(),
            };
            let term = term.sign(key).expect("it is signed");
            if is_line {
                parent = term.id();
            }
            chain.add_term(term).expect("it is taken");
        }
        let charter = Charter {
            deck,
            generation: 0,
            count: 1,
            owner: key.id(),
            signer: key.id(),
            members: Vec::new(),
            key_epoch: Default::default(),
            settled: Point {
                term: root,
                len: 0,
                head: start,
            },
        };
        // A charter may change every right, so everything is chosen anew.
        let charter = charter.sign(key).expect("it is signed");
        let rounds = alone(20, || {
            let (mut chain, charter) = (chain.clone(), charter.clone());
            timed(|| chain.add_charter(charter).expect("it is taken"))
        });
        table.add(
            &format!("fork choice over 10,000 terms, {shape}"),
            Unit::TimeOfOne(1),
            Target::Within(Duration::from_millis(50)),
            rounds,
        );
    }
}

/// A handover that was made before the last hundred changes comes late: they leave the document. Beside one `fork_at`
/// of the same document.
pub(crate) fn reorganisation(table: &mut Table) {
    let written = Written::new(1_000, CHANGES);
    let deck = written.genesis.deck_id();
    let messages = slices(&written, SLICE);
    let kept = CHANGES - TAKEN_OUT;
    let head = written.hashes[kept - 1];
    let term = Term {
        deck,
        parent: TermId::zero_of(deck),
        cause: Cause::Handover,
        cut: Cut {
            len: kept as u64,
            head,
        },
        holder: Some(written.key.id()),
        nonce: [6; 16],
        signer: written.key.id(),
    };
    let term = term.sign(&written.key).expect("it is signed");
    let message = entries(deck, vec![Item::Term(term.encode().into())]);
    let ours = || {
        let mut follower = Follower::new(&written);
        messages.iter().for_each(|message| follower.receive(message));
        assert_eq!(follower.held, CHANGES as u64);
        let took = timed(|| follower.receive(&message));
        assert_eq!(follower.taken_out, TAKEN_OUT as u64);
        took
    };
    let bare = written.bare();
    let base = || timed(|| bare.fork_at(&[head]).expect("it is forked"));
    let rounds = in_turns(5, ours, base);
    table.add(
        "a turn of the path that takes out 100 of 10,000 changes, beside one `fork_at`",
        Unit::TimeOfOne(1),
        Target::AtMost(1.5),
        rounds,
    );
}
