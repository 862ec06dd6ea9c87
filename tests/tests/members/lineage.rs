//! Somebody edited for a long time, was removed, and a new device joins: what that member wrote stands, since the owner
//! settled it, but by the newest charter it counts for nothing until what is settled has arrived.

use std::time::Duration;

use cuecard::card::FieldValue;
use cuecard::limits::{
    BYTES_ASIDE_PER_MEMBER_MAX, FIELD_BYTES_MAX, ITEMS_PER_MESSAGE_MAX, TERMS_ASIDE_PER_MEMBER_MAX,
};
use cuecard::sim::Peer;
use cuecard::{Rights, Role};

use super::world::*;

/// A deck that `tom` edited, as `edits` says, and that the owner has had back since; tom is no member any more.
fn tom_was_here(seed: u64, edits: impl FnOnce(&mut World, Peer)) -> World {
    let mut world = World::new(seed);
    let owner = world.owner;
    let tom = world.holder("tom", 1);
    let (device, back_to) = (world.sim.id(tom), world.sim.id(owner));
    world.act(owner, |core, now, deck| core.hand_over(now, deck, device));
    let edits_now =
        |world: &World, peer| matches!(world.sim.role(peer, world.deck), Some(Role::Editor { .. }));
    world.wait("tom is the editor", |world| edits_now(world, tom));
    edits(&mut world, tom);
    world.add_card(tom, "tom's");
    world.act(tom, |core, now, deck| core.hand_over(now, deck, back_to));
    world.wait("the owner is the editor", |world| edits_now(world, owner));
    world.add_card(owner, "dos");
    world.sim.run_for(QUIET);
    world.remove(tom);
    world.sim.run_for(QUIET);
    world
}

fn joins(world: &mut World) {
    let owner = world.owner;
    let newcomer = world.sim.device("newcomer");
    world.connect(owner, newcomer);
    let invite = world.invite(owner, Rights::Read);
    world.join(newcomer, &invite);
    world.wait("the newcomer has the deck", |world| {
        world.in_sync(&[owner, newcomer])
    });
    assert_eq!(world.fronts(newcomer), ["uno", "tom's", "dos"]);
    assert_eq!(
        world.sim.role(newcomer, world.deck),
        world.sim.role(owner, world.deck).map(|role| match role {
            Role::Editor { standing, .. } => Role::Viewer {
                editor: world.sim.id(owner),
                standing
            },
            other => other,
        })
    );
    world.events(owner);
    world.events(newcomer);
}

/// More terms than one message says of the way to what is settled.
#[test]
fn more_terms_of_a_former_member_than_a_quota_come_to_a_new_device() {
    let mut world = tom_was_here(91, |world, tom| {
        let device = world.sim.id(tom);
        for _ in 0..ITEMS_PER_MESSAGE_MAX.max(TERMS_ASIDE_PER_MEMBER_MAX) {
            world.act(tom, |core, now, deck| core.hand_over(now, deck, device));
        }
        world.sim.run_for(QUIET);
    });
    joins(&mut world);
}

#[test]
fn more_changes_of_a_former_member_than_a_quota_come_to_a_new_device() {
    let mut world = tom_was_here(92, |world, tom| {
        // Each as large as a change may be, all but a little.
        for number in 0..BYTES_ASIDE_PER_MEMBER_MAX / (50 * FIELD_BYTES_MAX) + 2 {
            world.act(tom, |core, now, deck| {
                core.edit(now, deck, |edit| {
                    (0..50).try_for_each(|field| {
                        let mut bytes = blake3::Hasher::new();
                        bytes.update(format!("{number} {field}").as_bytes());
                        let mut noise = vec![0; FIELD_BYTES_MAX];
                        bytes.finalize_xof().fill(&mut noise);
                        let noise = noise.iter().map(|byte| char::from(b'!' + byte % 90)).collect();
                        edit.set_deck_field(&format!("field {field}"), Some(FieldValue::Text(noise)))
                    })
                })
            });
            world.sim.run_for(Duration::from_secs(2));
        }
        world.sim.run_for(QUIET);
    });
    joins(&mut world);
}
