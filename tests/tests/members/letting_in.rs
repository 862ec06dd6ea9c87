//! Who comes with an invite is let in, by whoever may.

use std::time::Duration;

use cuecard::core::Core;
use cuecard::document::Edit;
use cuecard::id::DeckId;
use cuecard::limits::CHECKED_OUTSIDE_MIN;
use cuecard::time::Time;
use cuecard::{AdmitError, AdmitPolicy, Event, InviteError, Policies, Rights};
use cuecard_tests::seeds;

use super::world::*;

const SEEDS: u64 = 20;

/// The owner wrote an invite and went away. Tom, who may hold the role, lets ann in; she drafts at once, and the owner
/// finds her and her draft when it is back.
#[test]
fn admitted_by_a_member_while_the_owner_is_away() {
    for seed in seeds(SEEDS) {
        let mut world = World::new(seed);
        let owner = world.owner;
        let tom = world.holder("tom", 1);
        let invite = world.invite(owner, Rights::Draft);
        world.sim.cut(owner, tom);
        let ann = world.sim.device("ann");
        world.connect(tom, ann);
        world.join(ann, &invite);
        world.wait("ann is admitted", |world| {
            world.rights(tom, ann) == Some(Rights::Draft) && world.rights(ann, ann) == Some(Rights::Draft)
        });
        let by = world.sim.id(tom);
        let info = world.info(ann, ann).unwrap();
        assert_eq!(info.admitted_by, Some(by), "seed {seed}");
        let admitted = Event::MemberAdmitted {
            deck: world.deck,
            device: world.sim.id(ann),
            rights: Rights::Draft,
            by,
        };
        assert!(world.events(ann).contains(&admitted), "seed {seed}");
        let draft = world.propose(ann, "dos");
        world.wait("tom keeps her draft", |world| world.knows_draft(tom, draft));
        assert_eq!(world.rights(owner, ann), None, "the owner is away");
        world.sim.mend(owner, tom);
        world.wait("the owner knows her", |world| {
            world.rights(owner, ann) == Some(Rights::Draft) && world.knows_draft(owner, draft)
        });
        world.act(owner, |core, now, deck| core.accept_draft(now, deck, draft));
        world.wait("all have her card", |world| world.in_sync(&[owner, tom, ann]));
        assert_eq!(world.fronts(ann), ["uno", "dos"], "seed {seed}");
        // It is as durable as anything: all of them lose power.
        for peer in [owner, tom, ann] {
            world.restart(peer);
            assert_eq!(world.rights(peer, ann), Some(Rights::Draft), "seed {seed}");
        }
    }
}

#[test]
fn a_reader_is_turned_into_a_drafter() {
    for seed in seeds(SEEDS) {
        let mut world = World::new(seed);
        let owner = world.owner;
        let ann = world.sim.device("ann");
        world.connect(owner, ann);
        let invite = world.invite(owner, Rights::Read);
        world.join(ann, &invite);
        world.wait("ann is admitted to read", |world| {
            world.rights(ann, ann) == Some(Rights::Read) && world.in_sync(&[owner, ann])
        });
        let draft = world.propose(ann, "dos");
        world.sim.run_for(QUIET);
        assert!(!world.knows_draft(owner, draft), "seed {seed}: she may only read");
        let device = world.sim.id(ann);
        world.act(owner, |core, now, deck| {
            core.admit(now, deck, device, Rights::Draft)
        });
        world.wait("her draft is known", |world| world.knows_draft(owner, draft));
        // It does not go backwards, and the owner's word is not for admissions to change.
        world.act(owner, |core, now, deck| {
            let again = core.admit(now, deck, device, Rights::Read);
            assert_eq!(again.unwrap_err(), AdmitError::NotForAdmissions(device));
            let too_much = core.admit(now, deck, device, Rights::Hold);
            assert_eq!(too_much.unwrap_err(), AdmitError::NotForAdmissions(device));
            Ok::<_, ()>(())
        });
        world.events(owner);
    }
}

/// Where the owner's app asks a person, the newcomer reads with the key that it has, and may no more until the person says so.
#[test]
fn a_person_is_asked_where_the_app_wants_it() {
    let mut world = World::new(1);
    let owner = world.owner;
    world.act(owner, |core, _, deck| {
        let policies = Policies {
            admit: AdmitPolicy::Ask,
            ..core.policies(deck).clone()
        };
        core.set_policies(deck, policies)
    });
    let ann = world.sim.device("ann");
    world.connect(owner, ann);
    let invite = world.invite(owner, Rights::Draft);
    world.join(ann, &invite);
    world.wait("ann has the deck", |world| world.in_sync(&[owner, ann]));
    world.sim.run_for(QUIET);
    assert_eq!(world.rights(owner, ann), None);
    let device = world.sim.id(ann);
    let asked = Event::AdmissionAsked {
        deck: world.deck,
        device,
        rights: Rights::Draft,
    };
    let events = world.events(owner);
    assert_eq!(events.iter().filter(|event| **event == asked).count(), 1);
    world.act(owner, |core, now, deck| {
        core.admit(now, deck, device, Rights::Draft)
    });
    world.wait("ann knows", |world| world.rights(ann, ann) == Some(Rights::Draft));
}

/// Both ends of the link begin anew with the deck, so that its second question is heard.
#[test]
fn who_is_linked_and_comes_again_with_a_better_invite_gets_what_that_is_for() {
    let mut world = World::new(3);
    let owner = world.owner;
    let ann = world.sim.device("ann");
    world.connect(owner, ann);
    for rights in [Rights::Read, Rights::Draft] {
        let invite = world.invite(owner, rights);
        world.join(ann, &invite);
        world.wait("ann may do that", |world| world.rights(ann, ann) == Some(rights));
    }
    world.add_card(owner, "dos");
    world.wait("she has the deck", |world| world.in_sync(&[owner, ann]));
}

/// One that may not hold the role passes the key on, and no more than that.
#[test]
fn an_invite_by_one_who_may_not_hold_is_to_read() {
    let mut world = World::new(2);
    let owner = world.owner;
    let ann = world.sim.device("ann");
    world.connect(owner, ann);
    let invite = world.invite(owner, Rights::Draft);
    world.join(ann, &invite);
    world.wait("ann may draft", |world| {
        world.rights(ann, ann) == Some(Rights::Draft)
    });
    world.act(ann, |core, now, deck| {
        assert_eq!(core.invite(deck, Rights::Draft), Err(InviteError::MayNotHold));
        assert_eq!(
            core.invite(deck, Rights::Hold),
            Err(InviteError::HoldIsNotForInvites)
        );
        let device = cuecard::DeviceId::from_bytes([7; 32]);
        assert_eq!(
            core.admit(now, deck, device, Rights::Read).unwrap_err(),
            AdmitError::MayNotHold
        );
        Ok::<_, ()>(())
    });
    let ben = world.sim.device("ben");
    world.connect(ann, ben);
    let invite = world.invite(ann, Rights::Read);
    world.join(ben, &invite);
    world.wait("ben reads", |world| world.in_sync(&[owner, ben]));
    world.sim.run_for(QUIET);
    assert_eq!(world.rights(owner, ben), None, "ann admits nobody");
    world.connect(owner, ben);
    world.wait("the owner does", |world| {
        world.rights(ben, ben) == Some(Rights::Read)
    });
    assert_eq!(
        world.info(ben, ben).unwrap().admitted_by,
        Some(world.sim.id(owner))
    );
}

/// An invite to read, written over so that it asks to draft: the signature is missing or another's. It is let in to read, and
/// a person is asked about the rest.
#[test]
fn an_invite_cannot_be_made_to_say_more() {
    for forged in [vec![9; 64], vec![0; 64]] {
        let mut world = World::new(3);
        let owner = world.owner;
        let ann = world.sim.device("ann");
        world.connect(owner, ann);
        let mut bytes = world.invite(owner, Rights::Read).to_bytes();
        bytes[1] = 1;
        bytes.extend(forged);
        let invite = cuecard::DeckInvite::from_bytes(&bytes).unwrap();
        world.join(ann, &invite);
        world.wait("ann is admitted to read", |world| {
            world.rights(ann, ann) == Some(Rights::Read)
        });
        world.sim.run_for(QUIET);
        assert_eq!(world.rights(owner, ann), Some(Rights::Read));
        let asked = |event: &Event| matches!(event, Event::AdmissionAsked { .. });
        assert!(world.events(owner).iter().any(asked));
    }
}

/// A better invite is used while the one who would let it in is busy with another deck of that link: what it ended and began anew
/// meanwhile waits, and is done.
#[test]
fn a_better_invite_counts_also_where_a_batch_of_another_deck_is_being_checked() {
    for seed in seeds(3) {
        let mut world = World::new(seed);
        let (owner, ann) = (world.owner, world.sim.device("ann"));
        world.connect(owner, ann);
        let reads = world.invite(owner, Rights::Read);
        world.join(ann, &reads);
        let act =
            |world: &mut World, act: &dyn Fn(&mut Core, Time) -> DeckId| world.sim.act(ann, act).unwrap();
        // Ann's own deck, of which the owner has a lot to take in.
        let other = act(&mut world, &|core, now| {
            core.create_deck(now, "French").unwrap().value
        });
        let key = world
            .sim
            .act(ann, |core, _| core.deck_key(other).unwrap())
            .unwrap();
        world
            .sim
            .act(owner, |core, now| core.join_deck(now, other, key))
            .unwrap();
        world.wait("both know both decks", |world| {
            world.rights(owner, ann) == Some(Rights::Read)
                && world.sim.head(owner, other) == world.sim.head(ann, other)
        });
        world.sim.cut(owner, ann);
        for number in 0..CHECKED_OUTSIDE_MIN + 100 {
            act(&mut world, &|core, now| {
                let named = |edit: &mut Edit<'_>| edit.rename_deck(&number.to_string());
                core.edit(now, other, named).unwrap();
                other
            });
        }
        world.sim.run_for(Duration::from_secs(20));
        world.sim.work_slowly(owner, Duration::from_secs(3));
        world.sim.mend(owner, ann);
        let begun = world
            .sim
            .run_until("it is being checked", Duration::from_secs(60), |sim| {
                sim.is_checking(owner, other)
            });
        begun.unwrap();
        let drafts = world.invite(owner, Rights::Draft);
        world.join(ann, &drafts);
        assert!(
            world.sim.is_checking(owner, other),
            "seed {seed}: it is still busy"
        );
        let (deck, id) = (world.deck, world.sim.id(ann));
        // Before any pulse could tell that something is amiss.
        let soon = world
            .sim
            .run_until("ann may draft", Duration::from_secs(10), |sim| {
                [owner, ann]
                    .iter()
                    .all(|of| sim.rights(*of, deck, id) == Some(Rights::Draft))
            });
        soon.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
        assert_eq!(
            world.sim.head(owner, other),
            world.sim.head(ann, other),
            "seed {seed}"
        );
    }
}
