//! A member is removed, and the deck's key is turned over.

use std::time::Duration;

use cuecard::{Event, Rights};
use cuecard_tests::seeds;

use super::world::*;

const SEEDS: u64 = 20;

/// Ben was away when he was removed. He comes back with a draft: he reads nothing new, and nobody hears of his draft, until he
/// is invited again; then it asks, like any draft.
#[test]
fn a_member_removed_while_offline_comes_back() {
    for seed in seeds(SEEDS) {
        let mut world = World::new(seed);
        let owner = world.owner;
        let tom = world.holder("tom", 1);
        let ben = world.sim.device("ben");
        world.connect(owner, ben);
        world.connect(tom, ben);
        let invite = world.invite(owner, Rights::Draft);
        world.join(ben, &invite);
        world.wait("ben may draft", |world| {
            // The one who let him in is not the one who will remove him.
            [owner, ben].map(|peer| world.rights(peer, ben)) == [Some(Rights::Draft); 2]
                && world.in_sync(&[owner, tom, ben])
        });
        world.sim.cut(owner, ben);
        world.sim.cut(tom, ben);
        let draft = world.propose(ben, "from ben");
        world.remove(ben);
        world.add_card(owner, "secret");
        world.wait("tom has it", |world| world.in_sync(&[owner, tom]));
        assert_eq!(world.key(owner), world.key(tom), "seed {seed}");
        world.sim.mend(owner, ben);
        world.sim.mend(tom, ben);
        world.wait("they are linked", |world| {
            world.sim.is_linked(owner, ben) && world.sim.is_linked(tom, ben)
        });
        // The old invite does not help, nor does a restart.
        world.join(ben, &invite);
        world.sim.run_for(QUIET);
        world.restart(ben);
        world.sim.run_for(QUIET);
        assert_eq!(world.fronts(ben), ["uno"], "seed {seed}: what was read is read");
        for peer in [owner, tom] {
            assert_eq!(world.rights(peer, ben), None, "seed {seed}");
            assert!(!world.knows_draft(peer, draft), "seed {seed}");
            world.events(peer);
        }
        let invite = world.invite(owner, Rights::Draft);
        world.join(ben, &invite);
        world.wait("ben is back", |world| {
            world.in_sync(&[owner, tom, ben]) && world.knows_draft(owner, draft)
        });
        assert_eq!(world.fronts(owner), ["uno", "secret"], "seed {seed}: it asks");
    }
}

/// Half of the members are away while the key is turned over, and the owner is when they come back: the others pass it on.
#[test]
fn the_key_is_turned_over_while_half_of_the_members_are_offline() {
    for seed in seeds(SEEDS) {
        let mut world = World::new(seed);
        let owner = world.owner;
        let present: Vec<_> = (1..3).map(|rank| world.holder("present", rank)).collect();
        let away: Vec<_> = (3..5).map(|rank| world.holder("away", rank)).collect();
        // One of the members was admitted, and is in no charter.
        let ann = world.sim.device("ann");
        world.connect(owner, ann);
        let invite = world.invite(owner, Rights::Read);
        world.join(ann, &invite);
        world.wait("ann reads", |world| world.rights(ann, ann) == Some(Rights::Read));
        let gone = world.holder("gone", 9);
        let all = [&present[..], &away, &[ann]].concat();
        for &peer in [&away[..], &[ann]].concat().iter() {
            world.sim.cut(owner, peer);
            world.connect(present[1], peer);
            world.sim.cut(present[1], peer);
        }
        let old = world.key(owner);
        world.remove(gone);
        if world.sim.random(2) == 0 {
            // Twice, so that those who are away miss an epoch altogether.
            let other = world.holder("other", 10);
            world.sim.run_for(Duration::from_secs(2));
            world.remove(other);
        }
        world.add_card(owner, "secret");
        world.wait("those who are there have it", |world| {
            world.in_sync(&[&[owner][..], &present].concat())
        });
        world.sim.crash(owner);
        for &peer in &all {
            world.sim.mend(present[1], peer);
        }
        world.wait("those who were away have it", |world| world.in_sync(&all));
        let key = world.key(present[0]);
        assert_ne!(key, old, "seed {seed}");
        for &peer in &all {
            assert_eq!(world.key(peer), key, "seed {seed}");
            assert_eq!(world.rights(peer, gone), None, "seed {seed}");
            assert_eq!(
                world.rights(peer, ann),
                Some(Rights::Read),
                "seed {seed}: ann remains"
            );
            let turned = Event::KeyTurned { deck: world.deck };
            assert!(world.events(peer).contains(&turned), "seed {seed}");
        }
        assert_eq!(world.key(gone), old, "seed {seed}");
        assert_eq!(world.fronts(gone), ["uno"], "seed {seed}");
    }
}

/// Whoever is linked when it happens is told once, by the owner's signed word, and then no more.
#[test]
fn one_who_is_linked_when_it_is_removed_is_told() {
    for seed in seeds(SEEDS) {
        let mut world = World::new(seed);
        let owner = world.owner;
        let ben = world.holder("ben", 1);
        world.events(ben);
        world.remove(ben);
        world.add_card(owner, "secret");
        world.sim.run_for(QUIET);
        let removed = Event::Removed { deck: world.deck };
        let events = world.events(ben);
        assert_eq!(
            events.iter().filter(|event| **event == removed).count(),
            1,
            "seed {seed}"
        );
        assert_eq!(world.fronts(ben), ["uno"], "seed {seed}: it stays readable");
        world.events(owner);
    }
}

/// Taking a member out of the list is a removal like any other; giving another right is none.
#[test]
fn a_list_without_a_member_turns_the_key_and_other_rights_do_not() {
    let mut world = World::new(4);
    let owner = world.owner;
    let (tom, ben) = (world.holder("tom", 1), world.holder("ben", 2));
    let ann = world.sim.device("ann");
    world.connect(tom, ann);
    let invite = world.invite(tom, Rights::Draft);
    world.join(ann, &invite);
    world.wait("tom lets ann in", |world| {
        world.rights(owner, ann) == Some(Rights::Draft)
    });
    let key = world.key(owner);
    // Tom loses the right to hold: whom he admitted is listed from then on, and nobody loses anything.
    world.charter(tom, Rights::Draft, 1);
    world.sim.run_for(QUIET);
    assert_eq!(world.key(owner), key);
    assert_eq!(world.rights(tom, ann), Some(Rights::Draft));
    assert_eq!(world.info(owner, ann).unwrap().admitted_by, None);
    let ben_id = world.sim.id(ben);
    world.act(owner, |core, now, deck| {
        let mut members = core.membership(deck).unwrap().listed();
        members.retain(|member| member.device != ben_id);
        core.set_members(now, deck, members)
    });
    world.sim.run_for(QUIET);
    assert_ne!(world.key(owner), key);
    assert_eq!(world.key(ben), key);
    assert_eq!(world.key(ann), world.key(owner));
}

/// Power is cut at any moment around a removal. Whatever was kept, the devices agree in the end, and one who was removed stays
/// so.
#[test]
fn power_cuts_around_a_removal() {
    for seed in seeds(2 * SEEDS) {
        let mut world = World::new(seed);
        let owner = world.owner;
        let (tom, ben) = (world.holder("tom", 1), world.holder("ben", 2));
        world.connect(tom, ben);
        world.remove(ben);
        for _ in 0..6 {
            let (pause, who) = (world.sim.random(60), world.sim.random(3));
            world.sim.run_for(Duration::from_millis(pause));
            world.restart([owner, tom, tom][who as usize]);
        }
        if world.rights(owner, ben).is_some() {
            // The first cut came before anything was on disk.
            world.remove(ben);
        }
        world.wait("the editor edits", |world| {
            let deck = world.deck;
            let edited = world.sim.act(owner, |core, now| {
                core.edit(now, deck, |edit| edit.add_card("secret", "?"))
            });
            matches!(edited, Some(Ok(_)))
        });
        world.wait("tom has it", |world| world.in_sync(&[owner, tom]));
        world.sim.run_for(QUIET);
        assert_eq!(world.key(owner), world.key(tom), "seed {seed}");
        assert_ne!(world.key(owner), world.key(ben), "seed {seed}");
        assert_eq!(world.fronts(ben), ["uno"], "seed {seed}");
    }
}
