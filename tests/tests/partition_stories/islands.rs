//! Three islands for three terms.

use std::time::Duration;

use cuecard::Role;
use cuecard::sim::Peer;

use crate::world::World;

#[test]
fn three_islands_for_three_terms() {
    let names = ["laptop", "phone", "tablet", "watch", "desk", "car"];
    let (mut world, peers) = World::new(41, names);
    let islands: [[Peer; 2]; 3] = [[peers[0], peers[1]], [peers[2], peers[3]], [peers[4], peers[5]]];
    world.split(&[&islands[0], &islands[1], &islands[2]]);
    for round in 0..3 {
        world.sim.run_for(Duration::from_secs(30));
        for island in islands {
            // By turns, one of each island takes the role and writes.
            let writer = island[round % 2];
            let has_role = matches!(world.sim.role(writer, world.deck), Some(Role::Editor { .. }));
            if !has_role {
                world.claim(writer);
            }
            world.edit(writer, &format!("round {round} of {writer:?}"));
        }
    }
    world.sim.run_for(Duration::from_secs(30));
    world.the_end();
    assert!(world.editor().is_some());
}
