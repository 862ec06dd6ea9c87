//! Edits leave before the disk has them: one sync sooner there, and nothing is ever lost or written twice by it.

use std::time::Duration;

use cuecard::core::Core;
use cuecard::sim::Sim;
use cuecard::{ChangeHash, Fate};
use cuecard_tests::seeds;

use crate::world::{SOON, World, world};

/// The laptop edits, and the phone has it before the laptop's disk does.
fn seen_before_saved(world: &mut World, front: &str) -> Option<ChangeHash> {
    let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
    let change = world.add(laptop, front);
    let has_it = |sim: &Sim| sim.head(phone, deck) == Some(change);
    while !world.safety(laptop, change).here {
        if has_it(&world.sim) {
            return Some(change);
        }
        world.sim.run_for(Duration::from_micros(50));
    }
    None
}

#[test]
fn an_edit_is_seen_before_it_is_saved_and_survives_that_it_never_was() {
    let (mut seen, mut ran) = (0, 0);
    for seed in seeds(60) {
        let mut world = world(seed);
        ran += 1;
        let (laptop, phone, tablet, deck) = (world.laptop, world.phone, world.tablet, world.deck);
        world.lay_short_cables();
        // The first of a run opens a term, which has to be on the disk before anything of it leaves.
        world.sim.crash(laptop);
        world.sim.restart(laptop).unwrap();
        world.sim.run_for(SOON);
        assert_eq!(seen_before_saved(&mut world, "first"), None, "seed {seed}");
        world.sim.run_for(SOON);
        let Some(change) = seen_before_saved(&mut world, "seen") else {
            continue;
        };
        seen += 1;
        // Power fails at the laptop: it never knew.
        world.sim.crash(laptop);
        if seed % 2 == 0 {
            // It goes on alone, from before.
            world.sim.cut(laptop, phone);
            world.sim.cut(laptop, tablet);
            world.sim.run_for(SOON);
            world.sim.restart(laptop).unwrap();
            assert_eq!(world.sim.fate(laptop, deck, change), None, "seed {seed}");
            world.add(laptop, "alone");
            world.sim.run_for(SOON);
            world.sim.mend(laptop, phone);
            world.sim.mend(laptop, tablet);
        } else {
            world.sim.restart(laptop).unwrap();
        }
        world.sim.run_for(Duration::from_secs(20));
        world.add(laptop, "afterwards");
        world.sim.run_for(Duration::from_secs(20));
        let head = world.sim.head(laptop, deck);
        for peer in [laptop, phone, tablet] {
            assert_eq!(world.sim.head(peer, deck), head, "seed {seed}");
            let fate = world.sim.fate(peer, deck, change);
            assert_eq!(fate, Some(Fate::Canonical), "seed {seed}, {peer:?}");
            let fronts: Vec<String> = world
                .sim
                .cards(peer, deck)
                .into_iter()
                .map(|card| card.front)
                .collect();
            let expected = if seed % 2 == 0 {
                vec!["afterwards", "alone", "first", "seen"]
            } else {
                vec!["afterwards", "first", "seen"]
            };
            let mut sorted = fronts.clone();
            sorted.sort();
            assert_eq!(sorted, expected, "seed {seed}, {peer:?}");
        }
    }
    assert!(ran < 10 || seen * 4 > ran, "it leaves early: {seen} of {ran}");
}

#[test]
fn what_accepts_a_draft_waits_for_the_disk() {
    // A draft of the editor's own is written on by its later runs, so it must not be seen before it is saved.
    for seed in seeds(20) {
        let mut world = world(seed);
        let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
        world.lay_short_cables();
        world.add(laptop, "first");
        world.sim.run_for(SOON);
        let accept = |core: &mut Core, now| {
            let draft = core.open_draft(now, deck, "mine")?.value;
            core.edit_draft(now, deck, draft, |edit| edit.add_card("drafted", "?").map(drop))?;
            core.accept_draft(now, deck, draft).map(drop)
        };
        let before = world.sim.head(laptop, deck);
        world.sim.act(laptop, accept).unwrap().unwrap();
        let accepted = world.sim.head(laptop, deck);
        assert_ne!(accepted, before);
        while !world.sim.is_all_saved(laptop) {
            assert_eq!(world.sim.head(phone, deck), before, "seed {seed}");
            world.sim.run_for(Duration::from_micros(50));
        }
        world.sim.run_for(SOON);
        assert_eq!(world.sim.head(phone, deck), accepted, "seed {seed}");
    }
}
