//! The editor is gone, and a member claims the role.

use std::time::Duration;

use cuecard::sim::Fate;
use cuecard::{Event, Role, RoleError, Standing};

use crate::world::{SOON, World};

#[test]
fn the_editor_vanishes_and_a_member_claims() {
    let (mut world, [laptop, phone, tablet]) = World::new(1, ["laptop", "phone", "tablet"]);
    world.hand_over(laptop, phone);
    world.quiet();
    world.edit(phone, "from the phone");
    world.quiet();
    world.sim.crash(phone);
    world.sim.run_for(SOON);

    world.claim(tablet);
    assert_eq!(
        world.standing(tablet),
        Standing::Provisional,
        "nobody settled it yet"
    );
    world.edit(tablet, "from the tablet");
    world.quiet();
    assert_eq!(world.editor(), Some(tablet));

    world.sim.restart(phone).unwrap();
    world.the_end();
    assert_eq!(world.editor(), Some(tablet), "the phone comes back and follows");
    assert_eq!(world.fate("from the phone"), Some(Fate::Canonical));
    assert_eq!(world.fate("from the tablet"), Some(Fate::Canonical));
}

#[test]
fn only_who_may_hold_the_role_and_does_not_have_it_claims() {
    let (mut world, [laptop, phone, tablet]) = World::new(2, ["laptop", "phone", "tablet"]);
    let refused = world.act(laptop, |core, now, deck| core.claim(now, deck).unwrap_err());
    assert_eq!(refused, RoleError::AlreadyEditor);
    world.set_members(laptop, &[phone]).unwrap();
    world.quiet();
    let head = world.sim.head(tablet, world.deck);
    let refused = world.act(tablet, |core, now, deck| core.claim(now, deck).unwrap_err());
    assert_eq!(refused, RoleError::MayNotHold(world.sim.id(tablet)));
    let refused = world.act(phone, |core, now, deck| core.release(now, deck).unwrap_err());
    assert_eq!(refused, RoleError::NotEditor);
    let refused = world.act(phone, |core, now, deck| core.take_over(now, deck).unwrap_err());
    assert_eq!(refused, RoleError::NotOwner);
    let refused = world.act(phone, |core, now, deck| core.settle(now, deck).unwrap_err());
    assert_eq!(refused, RoleError::NotOwner);
    assert_eq!(world.sim.head(tablet, world.deck), head);
    world.the_end();
    assert_eq!(world.editor(), Some(laptop), "and nothing was changed");
}

#[test]
fn the_editor_comes_back_with_offline_edits() {
    let (mut world, [laptop, phone, tablet]) = World::new(3, ["laptop", "phone", "tablet"]);
    world.hand_over(laptop, phone);
    world.quiet();
    world.edit(phone, "before");
    world.quiet();
    world.split(&[&[laptop, tablet], &[phone]]);
    world.sim.run_for(Duration::from_secs(30));
    world.edit(phone, "offline, one");
    world.edit(phone, "offline, two");
    world.claim(tablet);
    world.edit(tablet, "meanwhile");
    world.sim.run_for(SOON);

    world.meet();
    assert_eq!(world.editor(), Some(tablet), "it was gone, so it steps down");
    assert_eq!(world.fate("meanwhile"), Some(Fate::Canonical));
    let reorganised = |event: &Event| matches!(event, Event::Reorganised { .. });
    assert!(world.events(phone).iter().any(reorganised), "and its app is told");
    world.the_end();
    for edit in ["offline, one", "offline, two"] {
        assert_eq!(
            world.fate(edit),
            Some(Fate::Canonical),
            "it came back without a hand"
        );
    }
}

#[test]
fn two_claim_at_once_and_the_better_rank_wins_everywhere() {
    let (mut world, [laptop, phone, tablet, watch]) = World::new(4, ["laptop", "phone", "tablet", "watch"]);
    world.hand_over(laptop, watch);
    world.quiet();
    world.edit(watch, "before");
    world.quiet();
    world.sim.crash(watch);
    world.split(&[&[laptop, tablet], &[phone]]);
    world.sim.run_for(Duration::from_secs(30));
    world.claim(tablet);
    world.edit(tablet, "of the tablet");
    world.claim(phone);
    world.edit(phone, "of the phone");
    world.sim.run_for(SOON);
    world.sim.restart(watch).unwrap();
    world.the_end();
    assert_eq!(
        world.editor(),
        Some(phone),
        "the phone is named before the tablet"
    );
    assert_eq!(world.fate("of the phone"), Some(Fate::Canonical));
}

#[test]
fn a_handover_races_a_claim_and_the_word_of_the_holder_wins() {
    let (mut world, [laptop, phone, tablet]) = World::new(5, ["laptop", "phone", "tablet"]);
    world.hand_over(laptop, phone);
    world.quiet();
    world.edit(phone, "before");
    world.quiet();
    world.split(&[&[laptop, phone], &[tablet]]);
    world.sim.run_for(Duration::from_secs(30));
    world.hand_over(phone, laptop);
    world.sim.run_for(SOON);
    world.edit(laptop, "handed over");
    world.claim(tablet);
    world.edit(tablet, "claimed");
    world.the_end();
    assert_eq!(world.editor(), Some(laptop));
    assert_eq!(world.fate("handed over"), Some(Fate::Canonical));
}

#[test]
fn after_a_release_nobody_edits_until_a_member_claims() {
    let (mut world, [laptop, phone, tablet]) = World::new(6, ["laptop", "phone", "tablet"]);
    world.act(laptop, |core, now, deck| core.release(now, deck).unwrap());
    world.quiet();
    assert!(matches!(
        world.sim.role(phone, world.deck),
        Some(Role::Vacant { .. })
    ));
    let refused = world.act(laptop, |core, now, deck| {
        core.edit(now, deck, |edit| edit.add_card("no", "?").map(drop))
            .is_err()
    });
    assert!(refused, "who let go cannot edit either");
    world.claim(tablet);
    world.edit(tablet, "taken up");
    world.the_end();
    assert_eq!(world.editor(), Some(tablet));
    assert_eq!(world.fate("taken up"), Some(Fate::Canonical));
}

#[test]
fn a_release_that_comes_late_beats_the_claim_and_the_claimer_claims_anew() {
    let (mut world, [laptop, phone, tablet]) = World::new(7, ["laptop", "phone", "tablet"]);
    world.hand_over(laptop, phone);
    world.quiet();
    world.edit(phone, "before");
    world.quiet();
    world.split(&[&[laptop, tablet], &[phone]]);
    world.sim.run_for(Duration::from_secs(30));
    world.act(phone, |core, now, deck| core.release(now, deck).unwrap());
    world.claim(tablet);
    world.edit(tablet, "claimed");
    world.sim.run_for(SOON);
    world.the_end();
    assert_eq!(
        world.editor(),
        Some(tablet),
        "it wanted the role, and nobody has it"
    );
    world.edit(tablet, "goes on");
    world.the_end();
    assert_eq!(world.fate("goes on"), Some(Fate::Canonical));
}
