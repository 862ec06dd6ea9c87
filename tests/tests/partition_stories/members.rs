//! A member is removed while it is offline, and comes back with edits.

use std::time::Duration;

use cuecard::sim::Fate;
use cuecard::{Event, RoleError};

use crate::world::{SOON, World};

#[test]
fn a_removed_member_comes_back_with_a_claim_and_edits_that_count_for_nothing_and_are_kept() {
    let (mut world, [laptop, phone, tablet]) = World::new(31, ["laptop", "phone", "tablet"]);
    world.edit(laptop, "before");
    world.quiet();
    world.split(&[&[laptop, tablet], &[phone]]);
    world.sim.run_for(Duration::from_secs(30));
    let gone = world.sim.id(phone);
    world.act(laptop, |core, now, deck| {
        core.remove_member(now, deck, gone).unwrap()
    });
    world.edit(laptop, "without it");
    world.claim(phone);
    world.edit(phone, "by who was removed");
    world.sim.run_for(SOON);
    world.events(laptop);
    world.come_back_by_invite(laptop, phone);
    world.the_end();
    assert_eq!(world.editor(), Some(laptop));
    assert_eq!(world.fate("without it"), Some(Fate::Canonical));
    assert_eq!(
        world.fate("by who was removed"),
        Some(Fate::Late),
        "kept, and asks"
    );
    let told = world.events(laptop);
    let refused = |event: &Event| matches!(event, Event::ClaimRefused { by, .. } if *by == gone);
    assert!(
        told.iter().any(refused),
        "the owner is told whose claim it was: {told:?}"
    );
}

#[test]
fn an_editor_that_was_removed_while_offline_comes_back_with_edits() {
    let (mut world, [laptop, phone, tablet]) = World::new(32, ["laptop", "phone", "tablet"]);
    world.hand_over(laptop, phone);
    world.quiet();
    world.edit(phone, "while it could");
    world.quiet();
    world.split(&[&[laptop, tablet], &[phone]]);
    world.sim.run_for(Duration::from_secs(30));
    let gone = world.sim.id(phone);
    world.act(laptop, |core, now, deck| {
        core.remove_member(now, deck, gone).unwrap()
    });
    world.edit(laptop, "goes on");
    world.edit(phone, "not knowing of it");
    world.come_back_by_invite(laptop, phone);
    world.the_end();
    assert_eq!(world.editor(), Some(laptop));
    assert_eq!(world.fate("while it could"), Some(Fate::Canonical));
    assert_eq!(
        world.fate("not knowing of it"),
        Some(Fate::Late),
        "kept, and asks"
    );
    let refused = world.act(phone, |core, now, deck| core.claim(now, deck).unwrap_err());
    assert_eq!(refused, RoleError::MayNotHold(gone));
}
