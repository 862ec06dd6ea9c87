//! A deck with a proven fork is compacted like any other. What must stay does: both lines and the seals that prove the
//! cheat, over restarts, and for those who come later.

use std::time::Duration;

use cuecard::core::CompactWhen;
use cuecard::disk::snapshot::snapshot_name;
use cuecard::disk::term_stream;
use cuecard::id::{ChangeHash, TermId};
use cuecard::role::{Cause, Cut, Term};
use cuecard::sim::Peer;
use cuecard::store::Store;
use cuecard::sync::message::{Item, Message};
use cuecard::transport::memory::Conditions;
use cuecard::{DeckId, Rights, Role};

use super::cheats::line;
use super::world::*;

/// The laptop was shown one line of mallory's term and the phone another; each has the one that it saw first in its log.
struct Forked {
    world: World,
    phone: Peer,
    term: TermId,
    /// Where the two lines end.
    ends: [ChangeHash; 2],
}

impl Forked {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed, Some(Rights::Hold));
        let (laptop, deck, key, mallory) = (world.laptop, world.deck, world.deck_key, world.mallory.id());
        let phone = world.sim.device("phone");
        for peer in [laptop, phone] {
            let when = CompactWhen {
                changes: 10,
                ..CompactWhen::default()
            };
            world.sim.compact_when(peer, when);
        }
        let term = act(&mut world.sim, laptop, |core, now| {
            core.hand_over(now, deck, mallory).unwrap().value
        });
        world.sim.run_for(SOON);
        let (document, _) = world.document();
        act(&mut world.sim, phone, |core, now| core.join_deck(now, deck, key));
        world.sim.connect(laptop, phone, Conditions::PERFECT);
        world.sim.run_for(SOON);
        world.sim.cut(laptop, phone);
        world.sim.run_for(SOON);
        let (one, first) = line(&world, &document, term, "one");
        let (other, second) = line(&world, &document, term, "other");
        let intruder = world.intrude();
        world.entries(intruder, vec![one]);
        let at_phone = world.sim.intrude_with_key(phone, mallory, deck, &key);
        let items = vec![other];
        world.sim.say(at_phone, &Message::Entries { deck, items });
        world.sim.run_for(SOON);
        world.sim.mend(laptop, phone);
        world.sim.run_for(SOON * 3);
        Self {
            world,
            phone,
            term,
            ends: [first, second],
        }
    }

    fn edit_often(&mut self, count: usize) {
        let (laptop, deck) = (self.world.laptop, self.world.deck);
        for at in 0..count {
            let title = format!("title {at}");
            act(&mut self.world.sim, laptop, |core, now| {
                core.edit(now, deck, |edit| edit.rename_deck(&title)).unwrap()
            });
            if at % 5 == 4 {
                self.world.sim.run_for(Duration::from_millis(200));
            }
        }
        self.world.sim.run_for(SOON);
        let heads = [laptop, self.phone].map(|peer| self.world.sim.head(peer, deck));
        assert_eq!(heads[0], heads[1], "the phone follows");
    }

    /// Snapshots were taken and logs cut; and everything is as it was, on this device.
    fn assert_compacted(&mut self, peer: Peer, term: TermId) {
        let (deck, cheated) = (self.world.deck, self.term);
        let taken = generations(&self.world, peer, deck);
        assert!(taken.len() == 2, "{peer:?} keeps two snapshots: {taken:?}");
        let first = self
            .world
            .sim
            .store(peer)
            .unwrap()
            .first(term_stream(deck, term))
            .unwrap();
        assert!(
            first.is_none_or(|first| first > 1),
            "{peer:?}: the log of the editor's term begins at {first:?}"
        );
        let sim = &mut self.world.sim;
        let seen = |sim: &cuecard::sim::Sim| {
            (
                sim.head(peer, deck),
                sim.cards(peer, deck),
                sim.late_work(peer, deck),
                sim.holdings(peer, deck),
            )
        };
        let before = seen(sim);
        for _ in 0..2 {
            sim.crash(peer);
            sim.restart(peer).expect("it opens from its snapshot");
            assert_eq!(seen(sim), before, "{peer:?}");
            let proofs = act(sim, peer, |core, _| core.proofs(deck).unwrap());
            assert_eq!(proofs.len(), 1, "{peer:?}: the proof stays");
            assert_eq!(proofs[0].a.term, cheated);
        }
        assert_eq!(sim.document_heads(peer, deck), [before.0.unwrap()]);
    }

    /// One that comes later, from one that opened from its snapshot.
    fn assert_served(&mut self, from: Peer) {
        let (deck, key) = (self.world.deck, self.world.deck_key);
        let sim = &mut self.world.sim;
        let late = sim.device("late");
        sim.act(late, |core, now| core.join_deck(now, deck, key));
        sim.connect(from, late, Conditions::PERFECT);
        sim.run_for(SOON * 3);
        assert_eq!(sim.head(late, deck), sim.head(from, deck));
        assert_eq!(sim.holdings(late, deck), sim.holdings(from, deck));
        let proofs = act(sim, late, |core, _| core.proofs(deck).unwrap());
        assert_eq!(proofs.len(), 1, "and is told of the cheat");
        let ends = self.ends;
        for end in ends {
            assert!(sim.fate(late, deck, end).is_some(), "both lines come to it");
        }
    }
}

fn generations(world: &World, peer: Peer, deck: DeckId) -> Vec<u64> {
    let key = snapshot_name(deck, 0).key;
    let names = world.sim.store(peer).unwrap().snapshots().list().unwrap();
    let of_deck = names.into_iter().filter(|name| name.key == key);
    of_deck.map(|name| name.generation).collect()
}

#[test]
fn it_is_compacted_where_the_term_counts_up_to_where_the_lines_part() {
    let mut forked = Forked::new(62);
    let (laptop, phone, deck) = (forked.world.laptop, forked.phone, forked.world.deck);
    act(&mut forked.world.sim, laptop, |core, now| {
        core.claim(now, deck).unwrap()
    });
    let Some(Role::Editor { term, .. }) = forked.world.sim.role(laptop, deck) else {
        panic!("it claimed");
    };
    forked.edit_often(60);
    for peer in [laptop, phone] {
        forked.assert_compacted(peer, term);
    }
    forked.assert_served(phone);
    forked.assert_served(laptop);
}

/// The cheat hands the role on from the end of one of its lines: that one counts. It is in the log of one device, and
/// beside the records of the other.
#[test]
fn it_is_compacted_where_a_cut_chose_one_of_the_lines() {
    for chosen in 0..2 {
        let mut forked = Forked::new(64);
        let (laptop, phone, deck) = (forked.world.laptop, forked.phone, forked.world.deck);
        let (mallory, end) = (forked.world.mallory.id(), forked.ends[chosen]);
        let handover = Term {
            deck,
            parent: forked.term,
            cause: Cause::Handover,
            cut: Cut { len: 1, head: end },
            holder: Some(forked.world.sim.id(laptop)),
            nonce: [7; 16],
            signer: mallory,
        };
        let handover = handover.sign(&forked.world.mallory).unwrap();
        let intruder = forked.world.intrude();
        forked
            .world
            .entries(intruder, vec![Item::Term(handover.encode().into())]);
        assert_eq!(forked.world.sim.head(laptop, deck), Some(end));
        forked.edit_often(60);
        let Some(Role::Editor { term, .. }) = forked.world.sim.role(laptop, deck) else {
            panic!("it was given the role");
        };
        for peer in [laptop, phone] {
            forked.assert_compacted(peer, term);
        }
        // After a restart the next edits, and the next snapshots, follow on that.
        forked.edit_often(60);
        let Some(Role::Editor { term, .. }) = forked.world.sim.role(laptop, deck) else {
            panic!("it has the role");
        };
        for peer in [phone, laptop] {
            forked.assert_compacted(peer, term);
        }
        forked.assert_served(phone);
        forked.assert_served(laptop);
    }
}
