//! A deck that nobody edits costs next to nothing: bytes of messages on each link, both ways. What it costs in time and on
//! a real network is measured in `benches/`.

use cuecard::Presence;

use crate::world::*;

/// A little more than the most that any of these takes: with an answer to each sign it would be far beyond. With headers it
/// is more, and the benchmark says how much.
const BYTES_PER_MINUTE_MAX: u64 = 4_608;

/// Everybody is there, and nobody does anything.
fn idle(shape: Shape, count: usize) {
    let mut world = World::new(31, shape, rough(20), count);
    for peer in world.peers.clone() {
        let presence = Presence {
            name: "somebody with a name".to_owned(),
            card: Some(world.cards[0].clone()),
            ..Presence::default()
        };
        world.act(peer, |core, now, deck| {
            core.set_presence(now, deck, Some(presence)).unwrap()
        });
    }
    world.sim.run_for(seconds(60));
    let links: Vec<_> = (0..count)
        .flat_map(|a| (0..a).map(move |b| (a, b)))
        .map(|(a, b)| (world.peers[a], world.peers[b]))
        .collect();
    let before: Vec<u64> = links.iter().map(|(a, b)| world.sim.sent_bytes(*a, *b)).collect();
    let minutes = 5;
    world.sim.run_for(seconds(minutes * 60));
    let after = links.iter().map(|(a, b)| world.sim.sent_bytes(*a, *b));
    let most = before
        .iter()
        .zip(after)
        .map(|(before, after)| (after - before) / minutes)
        .max()
        .unwrap();
    println!("{shape:?} of {count}: {most} bytes a minute on the busiest link");
    assert!(most > 0, "it does not even ask who is there");
    assert!(
        most <= BYTES_PER_MINUTE_MAX,
        "{shape:?} of {count}: {most} bytes a minute on one link"
    );
}

#[test]
fn two_devices() {
    idle(Shape::Star, 2);
}

#[test]
fn ten_devices() {
    idle(Shape::Mesh, 10);
}

/// Each link of a chain carries what all that are further away say.
#[test]
fn a_chain() {
    idle(Shape::Chain, 10);
}
