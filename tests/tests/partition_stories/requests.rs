//! Asking for the role.

use std::time::Duration;

use cuecard::document::Edit;
use cuecard::limits::ROLE_REQUESTS_EVERY;
use cuecard::sim::Sim;
use cuecard::{AutoGrant, Event, Policies, Role, RoleError};

use crate::world::{SOON, World};

fn grants(auto_grant: AutoGrant) -> Policies {
    Policies {
        auto_grant,
        ..Policies::default()
    }
}

#[test]
fn a_request_crosses_a_device_in_between_and_is_denied_and_later_granted() {
    let (mut world, [laptop, phone, tablet]) = World::new(61, ["laptop", "phone", "tablet"]);
    // The tablet reaches the laptop only through the phone.
    world.sim.cut(laptop, tablet);
    world.sim.run_for(Duration::from_secs(30));
    let (editor, asks) = (world.sim.id(laptop), world.sim.id(tablet));
    world.events(laptop);
    world.act(tablet, |core, now, deck| {
        core.request_role(now, deck, "my turn").unwrap()
    });
    world.sim.run_for(SOON);
    let note = "my turn".to_owned();
    let (deck, by) = (world.deck, asks);
    let requests: Vec<Event> = world.events(laptop);
    let requests = requests
        .iter()
        .filter(|event| matches!(event, Event::RoleRequested { .. }));
    assert_eq!(
        requests.collect::<Vec<_>>(),
        [&Event::RoleRequested { deck, by, note }]
    );
    assert_eq!(world.editor(), Some(laptop), "by default a person decides");

    let stranger = world.sim.id(phone);
    let refused = world.act(laptop, |core, now, deck| {
        core.deny(now, deck, stranger, "no").unwrap_err()
    });
    assert_eq!(refused, RoleError::NotAsked(stranger));
    let refused = world.act(phone, |core, now, deck| {
        core.deny(now, deck, asks, "no").unwrap_err()
    });
    assert_eq!(refused, RoleError::NotEditor);
    world.act(laptop, |core, now, deck| {
        core.deny(now, deck, asks, "in a minute").unwrap()
    });
    world.sim.run_for(SOON);
    let denied = Event::RoleDenied {
        deck,
        by: editor,
        reason: "in a minute".to_owned(),
    };
    assert!(world.events(tablet).contains(&denied));

    world.act(tablet, |core, now, deck| {
        core.request_role(now, deck, "please").unwrap()
    });
    world.sim.run_for(SOON);
    world.hand_over(laptop, tablet);
    world.sim.run_for(SOON);
    assert!(
        world
            .events(tablet)
            .contains(&Event::RoleGranted { deck, by: editor })
    );
    world.the_end();
    assert_eq!(world.editor(), Some(tablet));
}

#[test]
fn a_request_waits_for_the_editor_to_come_back() {
    let (mut world, [laptop, phone, tablet]) = World::new(62, ["laptop", "phone", "tablet"]);
    world.split(&[&[laptop], &[phone, tablet]]);
    world.sim.run_for(Duration::from_secs(30));
    world.act(tablet, |core, now, deck| {
        core.request_role(now, deck, "").unwrap()
    });
    world.sim.run_for(SOON);
    world.split(&[&[laptop, phone], &[tablet]]);
    world.sim.run_for(Duration::from_secs(30));
    let by = world.sim.id(tablet);
    let asked = |event: &Event| matches!(event, Event::RoleRequested { by: asks, .. } if *asks == by);
    assert!(world.events(laptop).iter().any(asked), "the phone knew of it");
    world.the_end();
}

#[test]
fn a_device_asks_at_most_every_five_seconds_and_only_if_it_may_hold_the_role() {
    let (mut world, [laptop, phone]) = World::new(63, ["laptop", "phone"]);
    let refused = world.act(laptop, |core, now, deck| {
        core.request_role(now, deck, "").unwrap_err()
    });
    assert_eq!(refused, RoleError::AlreadyEditor);
    let long = "x".repeat(2_000);
    let refused = world.act(phone, |core, now, deck| {
        core.request_role(now, deck, &long).unwrap_err()
    });
    assert_eq!(refused, RoleError::NoteTooLong);
    world.act(phone, |core, now, deck| core.request_role(now, deck, "").unwrap());
    let refused = world.act(phone, |core, now, deck| {
        core.request_role(now, deck, "").unwrap_err()
    });
    assert!(matches!(refused, RoleError::TooSoon(_)), "{refused}");
    world.sim.run_for(ROLE_REQUESTS_EVERY);
    world.act(phone, |core, now, deck| core.request_role(now, deck, "").unwrap());
    world.set_members(laptop, &[]).unwrap();
    world.sim.run_for(ROLE_REQUESTS_EVERY);
    let refused = world.act(phone, |core, now, deck| {
        core.request_role(now, deck, "").unwrap_err()
    });
    assert_eq!(refused, RoleError::MayNotHold(world.sim.id(phone)));
    world.the_end();
}

#[test]
fn an_editor_grants_by_itself_at_once_or_when_it_was_idle() {
    let (mut world, [laptop, phone]) = World::new(64, ["laptop", "phone"]);
    world.set_policies(&[laptop], &grants(AutoGrant::WhenIdle(Duration::from_secs(20))));
    world.set_policies(&[phone], &grants(AutoGrant::Always));
    world.edit(laptop, "at work");
    world.act(phone, |core, now, deck| core.request_role(now, deck, "").unwrap());
    world.sim.run_for(Duration::from_secs(15));
    assert_eq!(world.editor(), Some(laptop), "it was not idle for long enough");
    world.sim.run_for(Duration::from_secs(10));
    assert_eq!(world.editor(), Some(phone));
    world.act(laptop, |core, now, deck| {
        core.request_role(now, deck, "").unwrap()
    });
    world.sim.run_for(Duration::from_secs(1));
    assert_eq!(world.editor(), Some(laptop));
    world.the_end();
}

#[test]
fn who_may_not_hold_the_role_any_more_stands_in_nobodys_way() {
    let (mut world, [laptop, phone, tablet]) = World::new(65, ["laptop", "phone", "tablet"]);
    world.set_policies(&[laptop], &grants(AutoGrant::WhenIdle(Duration::from_secs(20))));
    world.edit(laptop, "at work");
    for asks in [phone, tablet] {
        world.act(asks, |core, now, deck| core.request_role(now, deck, "").unwrap());
        world.sim.run_for(Duration::from_secs(1));
    }
    // The phone asked first, and loses the right before it is its turn.
    world.set_holder(laptop, tablet);
    world.sim.run_for(Duration::from_secs(30));
    assert_eq!(world.editor(), Some(tablet));
    world.the_end();
}

/// A term follows changes of the one before that are on their way and not on the disk: it must not be taken for sent.
#[test]
fn what_ends_a_term_right_behind_a_burst_of_edits_arrives_with_them() {
    for (seed, releases) in [(67, false), (68, false), (69, true), (70, true)] {
        let (mut world, [laptop, phone]) = World::near(seed, ["laptop", "phone"]);
        world.events(laptop);
        world.events(phone);
        let to = world.sim.id(phone);
        world.act(laptop, |core, now, deck| {
            for number in 0..40 {
                let add = |edit: &mut Edit<'_>| edit.add_card(&number.to_string(), "?");
                core.edit(now, deck, add).unwrap();
            }
            match releases {
                true => core.release(now, deck).map(drop).unwrap(),
                false => core.hand_over(now, deck, to).map(drop).unwrap(),
            }
        });
        let deck = world.deck;
        let knows = |sim: &Sim| match sim.role(phone, deck) {
            Some(Role::Editor { .. }) => !releases,
            Some(Role::Vacant { .. }) => releases,
            _ => false,
        };
        let heard = world
            .sim
            .run_until("the phone knows", Duration::from_secs(1), knows);
        heard.unwrap_or_else(|stuck| panic!("{stuck}"));
        world.sim.run_for(Duration::from_secs(70));
        for peer in [laptop, phone] {
            let told = world.events(peer);
            let parted = |event: &Event| matches!(event, Event::Diverged { .. });
            assert!(!told.iter().any(parted), "seed {seed}: {told:#?}");
        }
        world.the_end();
    }
}
