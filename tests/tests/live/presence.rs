//! Who is there: shown to all, passed on once, gone by itself.

use cuecard::limits::PRESENCE_EVERY;
use cuecard::sim::Peer;
use cuecard::sync::message::Message;
use cuecard::{Event, Presence, Selection};

use crate::world::*;

fn called(name: &str) -> Option<Presence> {
    Some(Presence {
        name: name.to_owned(),
        ..Presence::default()
    })
}

fn show(world: &mut World, peer: Peer, presence: Option<Presence>) {
    world.act(peer, |core, now, deck| {
        core.set_presence(now, deck, presence).unwrap()
    });
}

/// The names that a device sees.
fn seen(world: &World, peer: Peer) -> Vec<String> {
    let present = world.sim.presence(peer, world.deck);
    let mut names: Vec<String> = present.into_iter().map(|present| present.presence.name).collect();
    names.sort();
    names
}

fn is_presence(message: &Message) -> bool {
    matches!(message, Message::Presence { .. })
}

#[test]
fn all_see_all_of_it_and_it_is_passed_on_once() {
    for (shape, at_most) in [(Shape::Chain, 4), (Shape::Star, 4), (Shape::Mesh, 16)] {
        let mut world = World::new(11, shape, rough(20), 5);
        let ana = Presence {
            name: "Ana\u{7}".to_owned(),
            colour: [1, 2, 3],
            card: Some(world.cards[0].clone()),
            selection: Some(Selection {
                text: "front".parse_field(),
                from: 2,
                to: 4,
            }),
            is_typing: true,
        };
        let shower = world.peers[3];
        world.sim.record();
        show(&mut world, shower, Some(ana.clone()));
        assert!(world.sim.is_all_saved(shower), "nothing of it goes to the disk");
        world.sim.run_for(seconds(2));
        let said = count_said(&world, is_presence);
        assert!((4..=at_most).contains(&said), "{shape:?}: {said}");
        let id = world.sim.id(shower);
        for &peer in &world.peers.clone() {
            let present = world.sim.presence(peer, world.deck);
            if peer == shower {
                assert_eq!(present, [], "oneself is no other");
                continue;
            }
            assert_eq!(present.len(), 1, "{shape:?} {peer:?}");
            assert_eq!(present[0].device, id);
            let clean = Presence {
                name: "Ana".to_owned(),
                ..ana.clone()
            };
            assert_eq!(present[0].presence, clean, "without what would ring a bell");
            assert!(present[0].age < seconds(2) && present[0].expires_in > seconds(220));
            assert_eq!(
                world.told(
                    peer,
                    |event| matches!(event, Event::PresenceChanged { device, .. } if *device == id)
                ),
                1
            );
        }
        show(&mut world, shower, None);
        world.sim.run_for(seconds(2));
        for &peer in &world.peers.clone() {
            assert_eq!(seen(&world, peer), [""; 0], "{shape:?}: it left");
        }
    }
}

trait Field {
    fn parse_field(&self) -> cuecard::card::TextField;
}

impl Field for str {
    fn parse_field(&self) -> cuecard::card::TextField {
        cuecard::card::TextField::named(self).unwrap()
    }
}

#[test]
fn a_hand_that_moves_leaves_ten_times_a_second_and_the_last_is_seen() {
    let mut world = World::new(12, Shape::Star, rough(20), 2);
    let [first, second] = [world.peers[0], world.peers[1]];
    world.sim.record();
    for step in 0..=100 {
        show(&mut world, first, called(&format!("at {step}")));
        world.sim.run_for(ms(10));
    }
    world.sim.run_for(seconds(1));
    let said = count_said(&world, is_presence);
    let most = seconds(1).div_duration_f64(PRESENCE_EVERY) as usize + 2;
    assert!((10..=most).contains(&said), "{said}");
    assert_eq!(seen(&world, second), ["at 100"]);
    world.sim.record();
    show(&mut world, first, called("at 100"));
    world.sim.run_for(seconds(1));
    assert_eq!(count_said(&world, is_presence), 0, "nothing new");
}

#[test]
fn who_comes_later_sees_who_is_there_and_is_seen() {
    let mut world = World::new(13, Shape::Chain, rough(20), 3);
    let first = world.peers[0];
    show(&mut world, first, called("Ana"));
    world.sim.run_for(seconds(10));
    let late = world.join();
    world.sim.run_for(seconds(1));
    assert_eq!(seen(&world, late), ["Ana"]);
    show(&mut world, late, called("Ben"));
    world.sim.run_for(seconds(1));
    assert_eq!(seen(&world, first), ["Ben"]);
    // Started again it knows nothing of either, is told, and is no longer there itself.
    world.sim.crash(late);
    world.sim.restart(late).unwrap();
    assert_eq!(seen(&world, late), [""; 0]);
    world.sim.run_for(seconds(4));
    assert_eq!(seen(&world, late), ["Ana"]);
    assert_eq!(seen(&world, first), [""; 0], "others told it what it had shown");
    show(&mut world, late, called("Ben again"));
    world.sim.run_for(seconds(1));
    assert_eq!(seen(&world, first), ["Ben again"]);
}

/// What a device shows is numbered by its clock, and that may be set back while it is off: from the others it learns how far
/// it had come.
#[test]
fn one_whose_clock_was_set_back_while_it_was_off_is_seen_again() {
    let mut world = World::new(17, Shape::Star, rough(20), 3);
    let (first, off) = (world.peers[0], world.peers[2]);
    show(&mut world, off, called("before"));
    world.sim.run_for(seconds(5));
    assert_eq!(seen(&world, first), ["before"]);
    world.sim.crash(off);
    world.sim.set_clock(off, -10_000_000, 0);
    world.sim.restart(off).unwrap();
    // Linked again before what was shown is forgotten.
    world.sim.run_for(seconds(5));
    show(&mut world, off, called("after"));
    world.sim.run_for(seconds(5));
    for peer in [first, world.peers[1]] {
        assert_eq!(seen(&world, peer), ["after"]);
    }
}

#[test]
fn whose_way_is_lost_is_gone_soon_and_is_back_with_it() {
    let mut world = World::new(14, Shape::Chain, rough(20), 4);
    let peers = world.peers.clone();
    for (&peer, name) in peers.iter().zip(["a", "b", "c", "d"]) {
        show(&mut world, peer, called(name));
    }
    world.sim.run_for(seconds(2));
    assert_eq!(seen(&world, peers[0]), ["b", "c", "d"]);
    world.sim.cut(peers[1], peers[2]);
    // Two seconds until the silence is noticed, five of doubt.
    world.sim.run_for(seconds(8));
    assert_eq!(seen(&world, peers[0]), ["b"]);
    assert_eq!(seen(&world, peers[1]), ["a"]);
    assert_eq!(seen(&world, peers[3]), ["c"]);
    world.sim.mend(peers[1], peers[2]);
    world.sim.run_for(seconds(3));
    assert_eq!(seen(&world, peers[0]), ["b", "c", "d"]);
    assert_eq!(seen(&world, peers[3]), ["a", "b", "c"]);
}

#[test]
fn who_is_reached_by_another_way_stays() {
    let mut world = World::new(15, Shape::Chain, rough(20), 4);
    let peers = world.peers.clone();
    // A ring.
    world.sim.connect(peers[3], peers[0], rough(20));
    world.sim.run_for(seconds(5));
    for (&peer, name) in peers.iter().zip(["a", "b", "c", "d"]) {
        show(&mut world, peer, called(name));
    }
    world.sim.run_for(seconds(2));
    for &peer in &peers {
        world.told(peer, |_| false);
    }
    world.sim.cut(peers[0], peers[1]);
    world.sim.run_for(seconds(20));
    for (at, &peer) in peers.iter().enumerate() {
        let mut others = vec!["a", "b", "c", "d"];
        others.remove(at);
        assert_eq!(seen(&world, peer), others);
        let told = world.told(peer, |event| matches!(event, Event::PresenceChanged { .. }));
        assert_eq!(told, 0, "nobody ever went");
    }
}

#[test]
fn it_expires_by_itself_and_who_stays_is_kept() {
    let mut world = World::new(16, Shape::Star, rough(20), 3);
    let peers = world.peers.clone();
    show(&mut world, peers[1], called("stays"));
    show(&mut world, peers[2], called("falls silent"));
    world.sim.run_for(seconds(2));
    world.sim.swallow(peers[0], peers[2], is_presence);
    world.sim.run_for(seconds(200));
    assert_eq!(
        seen(&world, peers[0]),
        ["falls silent", "stays"],
        "two were missed"
    );
    world.sim.run_for(seconds(30));
    assert_eq!(seen(&world, peers[0]), ["stays"]);
}

#[test]
fn who_is_removed_is_not_shown() {
    let mut world = World::new(17, Shape::Star, rough(20), 3);
    let (owner, second, gone) = (world.peers[0], world.peers[1], world.peers[2]);
    show(&mut world, gone, called("gone"));
    show(&mut world, second, called("stays"));
    world.sim.run_for(seconds(2));
    let device = world.sim.id(gone);
    world.act(owner, |core, now, deck| {
        core.remove_member(now, deck, device).unwrap()
    });
    world.sim.run_for(seconds(2));
    assert_eq!(seen(&world, owner), ["stays"]);
    assert_eq!(seen(&world, second), [""; 0]);
    show(&mut world, gone, called("still here"));
    show(&mut world, second, called("to all but one"));
    world.sim.run_for(seconds(2));
    assert_eq!(seen(&world, owner), ["to all but one"]);
    assert!(!seen(&world, gone).contains(&"to all but one".to_owned()));
}

#[test]
fn what_others_would_refuse_is_not_shown() {
    let mut world = World::new(18, Shape::Star, rough(20), 2);
    let peer = world.peers[0];
    let selection = Selection {
        text: "front".parse_field(),
        from: 0,
        to: 1,
    };
    let nowhere = Presence {
        selection: Some(selection.clone()),
        ..Presence::default()
    };
    let backwards = Presence {
        card: Some(world.cards[0].clone()),
        selection: Some(Selection { from: 2, ..selection }),
        ..Presence::default()
    };
    for wrong in [nowhere, backwards] {
        let set = world.act(peer, |core, now, deck| core.set_presence(now, deck, Some(wrong)));
        assert!(set.is_err());
    }
    show(&mut world, peer, called(&"é".repeat(1_000)));
    world.sim.run_for(seconds(1));
    assert_eq!(
        seen(&world, world.peers[1]),
        ["é".repeat(128)],
        "cut to what a name may have"
    );
}
