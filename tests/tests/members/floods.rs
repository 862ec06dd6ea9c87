//! Self-made devices are free, so quotas count members: a flood by others is refused by name, and leaves nothing behind.

use cuecard::limits::MEMBERS_MAX;
use cuecard::role::{Admit, Verified};
use cuecard::sim::Intruder;
use cuecard::sync::message::{Item, Message};
use cuecard::transport::DeviceKey;
use cuecard::{DeckId, DeviceId, Event, Rights};

use super::world::*;

fn self_made(number: usize) -> DeviceKey {
    let mut secret = [0x33; 32];
    secret[..8].copy_from_slice(&(number as u64).to_le_bytes());
    DeviceKey::from_bytes(&secret)
}

fn admit(deck: DeckId, by: &DeviceKey, device: DeviceId) -> Verified<Admit> {
    Admit {
        deck,
        epoch: 0,
        device,
        rights: Rights::Draft,
        signer: by.id(),
    }
    .sign(by)
    .unwrap()
}

/// Somebody who has an invite, and is no member.
fn invited(world: &mut World, number: usize) -> Intruder {
    let (owner, deck, key) = (world.owner, world.deck, world.key(world.owner));
    world
        .sim
        .intrude_with_key(owner, self_made(number).id(), deck, &key)
}

fn say_admits(world: &mut World, intruder: Intruder, admits: &[Verified<Admit>]) {
    let items = admits
        .iter()
        .map(|admit| Item::Admit(admit.encode().into()))
        .collect();
    let deck = world.deck;
    world.sim.say(intruder, &Message::Branches { deck, items });
    world.sim.run_for(QUIET);
}

fn refusals(world: &mut World) -> Vec<String> {
    let events = world.sim.take_events(world.owner).into_iter();
    let why = |event| match event {
        Event::Refused { why, .. } => Some(why),
        _ => None,
    };
    events.filter_map(why).collect()
}

fn member_count(world: &mut World) -> usize {
    world
        .act(world.owner, |core, _, deck| core.membership(deck))
        .list
        .len()
}

#[test]
fn an_admission_by_somebody_without_hold_is_refused() {
    let mut world = World::new(1);
    let intruder = invited(&mut world, 0);
    let own = admit(world.deck, &self_made(0), self_made(0).id());
    say_admits(&mut world, intruder, &[own]);
    let why = refusals(&mut world);
    assert_eq!(why.len(), 1);
    assert!(why[0].contains("more admissions"), "{why:?}");
    assert!(world.sim.is_thrown_out(intruder));
    assert_eq!(member_count(&mut world), 0);
}

/// Somebody may draft, by a right admission. It admits others: it was a member when it signed, as far as it can know, so this
/// is no offence; and it is nothing.
#[test]
fn a_drafter_admits_nobody() {
    let mut world = World::new(2);
    let intruder = invited(&mut world, 0);
    let device = self_made(0).id();
    world.act(world.owner, |core, now, deck| {
        core.admit(now, deck, device, Rights::Draft)
    });
    let others: Vec<_> = (1..50)
        .map(|number| admit(world.deck, &self_made(0), self_made(number).id()))
        .collect();
    say_admits(&mut world, intruder, &others);
    assert_eq!(member_count(&mut world), 1);
    assert_eq!(refusals(&mut world), Vec::<String>::new());
}

#[test]
fn an_admission_is_not_taken_into_another_deck() {
    let mut world = World::new(3);
    let owner_key = world.sim.key(world.owner).unwrap();
    let other = world
        .act(world.owner, |core, now, _| core.create_deck(now, "another"))
        .value;
    // The owner's own admission to the other deck, replayed as it is, and with this deck's id written over it.
    let replayed = admit(other, &owner_key, self_made(0).id());
    let intruder = invited(&mut world, 0);
    say_admits(&mut world, intruder, std::slice::from_ref(&replayed));
    let why = refusals(&mut world);
    assert_eq!(why, ["this record belongs to another deck"]);
    let intruder = invited(&mut world, 0);
    let mut bytes = replayed.encode();
    bytes[2..34].copy_from_slice(world.deck.as_bytes());
    let (deck, items) = (world.deck, vec![Item::Admit(bytes.into())]);
    world.sim.say(intruder, &Message::Branches { deck, items });
    world.sim.run_for(QUIET);
    let why = refusals(&mut world);
    assert!(why.len() == 1 && why[0].contains("signature"), "{why:?}");
    assert_eq!(member_count(&mut world), 0);
}

/// A knock is dear: its signature is tried against every member. So each link has one.
#[test]
fn who_knocks_again_on_the_same_link_is_not_heard() {
    let mut world = World::new(5);
    let deck = world.deck;
    let asked = |world: &mut World| {
        let events = world.sim.take_events(world.owner);
        let asked = events
            .iter()
            .filter(|event| matches!(event, Event::AdmissionAsked { .. }));
        asked.count()
    };
    for _ in 0..2 {
        let link = invited(&mut world, 0);
        for heard in [1, 0] {
            let (draft, signature) = (true, Some(vec![7; 64].into()));
            world.sim.say(
                link,
                &Message::Knock {
                    deck,
                    draft,
                    signature,
                },
            );
            world.sim.run_for(QUIET);
            assert_eq!(asked(&mut world), heard);
        }
        world.sim.leave(link);
    }
}

/// Any number of self-made devices sign any number of admissions of one another. Each is refused at its first message, and
/// the disk keeps nothing of it.
#[test]
fn a_flood_of_admissions_by_self_made_devices_leaves_nothing() {
    let mut world = World::new(4);
    world.sim.run_for(QUIET);
    let before = world.sim.holdings(world.owner, world.deck);
    for number in 0..40 {
        let intruder = invited(&mut world, number);
        let deck = world.deck;
        let flood: Vec<_> = (0..100)
            .map(|other| admit(deck, &self_made(number), self_made(1_000 + other).id()))
            .collect();
        say_admits(&mut world, intruder, &flood);
        assert!(world.sim.is_thrown_out(intruder));
    }
    assert_eq!(refusals(&mut world).len(), 40);
    assert_eq!(world.sim.holdings(world.owner, world.deck), before);
    world.restart(world.owner);
    assert_eq!(member_count(&mut world), 0);
}

/// An invite that got into the wrong hands: self-made devices knock with it, one after the other. They fill the seats that
/// there are and no more; then the owner turns the key over, and all of them are out but those that it lists.
#[test]
fn a_flood_of_knocks_with_a_leaked_invite_ends_at_the_limit_on_members() {
    let mut world = World::new(5);
    let invite = world.invite(world.owner, Rights::Draft);
    let signature = invite.to_bytes()[70..].to_vec();
    for number in 0..MEMBERS_MAX + 20 {
        let intruder = invited(&mut world, number);
        let deck = world.deck;
        let knock = Message::Knock {
            deck,
            draft: true,
            signature: Some(signature.clone().into()),
        };
        // The same again changes nothing.
        world.sim.say(intruder, &knock);
        world.sim.say(intruder, &knock);
        world.sim.run_for(std::time::Duration::from_secs(1));
    }
    assert_eq!(member_count(&mut world), MEMBERS_MAX);
    let gone = self_made(3).id();
    let listed = world.act(world.owner, |core, now, deck| {
        core.remove_member(now, deck, gone)?;
        Ok::<_, cuecard::RoleError>(core.membership(deck).unwrap())
    });
    assert_eq!(listed.list.len(), MEMBERS_MAX - 1);
    assert!(listed.list.iter().all(|info| info.admitted_by.is_none()));
}

/// Drafts of one that is no member are not kept, and it is told why.
#[test]
fn a_flood_of_drafts_by_one_that_is_no_member_is_refused_by_name() {
    let mut world = World::new(6);
    let owner = world.owner;
    let ann = world.sim.device("ann");
    world.connect(owner, ann);
    let key = world.key(owner);
    // She has the key, from whomever, and nobody admitted her.
    let deck = world.deck;
    world.sim.act(ann, |core, now| core.join_deck(now, deck, key));
    world.wait("she reads", |world| world.in_sync(&[owner, ann]));
    for number in 0..8 {
        world.propose(ann, &format!("flood {number}"));
    }
    world.sim.run_for(QUIET);
    assert!(world.sim.drafts(owner, deck).is_empty());
    let told = world.sim.take_events(ann);
    let named = |event: &Event| {
        matches!(
            event,
            Event::DraftRefused {
                why: cuecard::sync::message::DraftRefusal::MayNotPropose,
                ..
            }
        )
    };
    assert!(told.iter().any(named), "{told:?}");
}
