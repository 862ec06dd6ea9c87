//! Presence, by those who show others, show what is over, or never stop.

use cuecard::limits::{
    DOUBTS_PER_SECOND_MAX, PINGS_PER_SECOND_MAX, PRESENCE_BYTES_MAX, PRESENCES_PER_SECOND_FLOOD,
    PRESENCES_PER_SECOND_MAX,
};
use cuecard::role::{Presence, Shown};
use cuecard::sync::message::{DeckPulse, Device, Message};
use cuecard::transport::DeviceKey;
use cuecard::{DeckId, Rights};

use super::authority::phone;
use super::world::*;

fn shown(deck: DeckId, key: &DeviceKey, sequence: u64, name: &str) -> Message {
    let presence = Presence {
        name: name.to_owned(),
        ..Presence::default()
    };
    let shown = Shown {
        deck,
        signer: key.id(),
        sequence,
        presence: Some(presence),
    };
    let bytes = shown.sign(key).unwrap().encode().into();
    Message::Presence { deck, bytes }
}

fn names(world: &World, peer: cuecard::sim::Peer) -> Vec<String> {
    let present = world.sim.presence(peer, world.deck);
    present.into_iter().map(|present| present.presence.name).collect()
}

#[test]
fn nobody_shows_another() {
    let mut world = World::new(101, Some(Rights::Read));
    let phone = phone(&mut world);
    let (deck, laptop, mallory) = (world.deck, world.laptop, world.mallory.clone());
    let honest = world.intrude();
    world.sim.say(honest, &shown(deck, &mallory, 1, "mallory"));
    assert_eq!(names(&world, laptop), ["mallory"], "a reader may show itself");
    // The same under the phone's name.
    let signer = world.sim.id(phone);
    let forged = Shown {
        deck,
        signer: mallory.id(),
        sequence: u64::MAX,
        presence: None,
    };
    let mut bytes = forged.sign(&mallory).unwrap().encode();
    let at = bytes
        .windows(32)
        .position(|window| window == mallory.id().as_bytes())
        .unwrap();
    bytes[at..at + 32].copy_from_slice(signer.as_bytes());
    let bytes = bytes.into();
    act(&mut world.sim, phone, |core, now| {
        let presence = Presence {
            name: "phone".to_owned(),
            ..Presence::default()
        };
        core.set_presence(now, deck, Some(presence)).unwrap();
    });
    world.sim.run_for(SOON);
    world.sim.say(honest, &Message::Presence { deck, bytes });
    assert!(world.sim.is_thrown_out(honest));
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("signature of this record is wrong"),
        "{why:?}"
    );
    world.sim.run_for(SOON);
    assert_eq!(names(&world, laptop), ["phone"], "and mallory is gone");
    world.assert_unharmed();
}

#[test]
fn what_was_shown_before_does_not_come_back() {
    let mut world = World::new(102, Some(Rights::Read));
    let phone = phone(&mut world);
    let (deck, laptop) = (world.deck, world.laptop);
    let listener = world.intrude();
    let mut said = Vec::new();
    for name in ["first", "second"] {
        act(&mut world.sim, phone, |core, now| {
            let presence = Presence {
                name: name.to_owned(),
                ..Presence::default()
            };
            core.set_presence(now, deck, Some(presence)).unwrap();
        });
        world.sim.run_for(SOON);
        let heard = world.sim.heard(listener).into_iter();
        said.extend(heard.filter(|message| matches!(message, Message::Presence { .. })));
    }
    act(&mut world.sim, phone, |core, now| {
        core.set_presence(now, deck, None).unwrap()
    });
    world.sim.run_for(SOON);
    assert_eq!(names(&world, laptop), [""; 0]);
    assert_eq!(said.len(), 2, "{said:?}");
    for message in said {
        world.sim.say(listener, &message);
    }
    assert_eq!(names(&world, laptop), [""; 0], "it left");
    assert!(
        !world.sim.is_thrown_out(listener),
        "one that was late says the same"
    );
    world.assert_unharmed();
}

#[test]
fn who_is_no_member_is_not_passed_on() {
    let mut world = World::new(103, None);
    let phone = phone(&mut world);
    let (deck, laptop, mallory) = (world.deck, world.laptop, world.mallory.clone());
    let intruder = world.intrude();
    world.sim.say(intruder, &shown(deck, &mallory, 1, "mallory"));
    let friend = DeviceKey::from_bytes(&[77; 32]);
    world.sim.say(intruder, &shown(deck, &friend, 1, "friend"));
    world.sim.run_for(SOON);
    assert_eq!(
        names(&world, laptop),
        ["mallory"],
        "it has the key, and is linked"
    );
    assert_eq!(names(&world, phone), [""; 0]);
    world.assert_unharmed();
}

#[test]
fn who_never_stops_showing_itself_is_thrown_out() {
    let mut world = World::new(104, Some(Rights::Read));
    let phone = phone(&mut world);
    let (deck, mallory) = (world.deck, world.mallory.clone());
    let intruder = world.intrude();
    world.sim.record();
    let flood = u64::from(PRESENCES_PER_SECOND_FLOOD);
    for number in 1..=flood {
        world
            .sim
            .say(intruder, &shown(deck, &mallory, number, &format!("{number}")));
        assert!(!world.sim.is_thrown_out(intruder), "after {number}");
    }
    let laptop = world.laptop;
    assert_eq!(names(&world, laptop), [PRESENCES_PER_SECOND_MAX.to_string()]);
    let passed_on = |world: &World| {
        let recorded = world.sim.recorded().iter();
        let messages = recorded.filter_map(|(_, bytes)| cuecard::sync::envelope::open(bytes).ok());
        messages
            .filter(|message| matches!(message, Message::Presence { .. }))
            .count()
    };
    assert_eq!(
        passed_on(&world),
        PRESENCES_PER_SECOND_MAX as usize,
        "to the phone"
    );
    world
        .sim
        .say(intruder, &shown(deck, &mallory, flood + 1, "one more"));
    assert!(world.sim.is_thrown_out(intruder));
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("more often than a device may"),
        "{why:?}"
    );
    world.sim.run_for(SOON);
    assert_eq!(names(&world, phone), [""; 0], "gone with its link");
    world.assert_unharmed();
}

#[test]
fn who_never_stops_asking_is_thrown_out() {
    let mut world = World::new(105, Some(Rights::Read));
    let deck = world.deck;
    let everybody: Vec<Device> = (0..128).map(|number| Device([number; 32])).collect();
    let intruder = world.intrude();
    for number in 0..DOUBTS_PER_SECOND_MAX {
        let devices = everybody.clone();
        world.sim.say(intruder, &Message::Doubt { deck, devices });
        assert!(!world.sim.is_thrown_out(intruder), "after {number}");
    }
    let devices = everybody.clone();
    world.sim.say(intruder, &Message::Doubt { deck, devices });
    assert!(world.sim.is_thrown_out(intruder));
    let why = world.refusals();
    assert!(why.len() == 1 && why[0].contains("asks who is there"), "{why:?}");
    let intruder = world.intrude();
    for number in 0..PINGS_PER_SECOND_MAX {
        let decks = vec![];
        world.sim.say(intruder, &Message::Ping { number, decks });
        assert!(!world.sim.is_thrown_out(intruder), "after {number}");
    }
    let (number, decks) = (PINGS_PER_SECOND_MAX, vec![]);
    world.sim.say(intruder, &Message::Ping { number, decks });
    assert!(world.sim.is_thrown_out(intruder));
    let why = world.refusals();
    assert!(why.len() == 1 && why[0].contains("more pings"), "{why:?}");
    world.assert_unharmed();
}

#[test]
fn a_stranger_gets_no_answer() {
    let mut world = World::new(106, None);
    let (laptop, device, deck) = (world.laptop, world.mallory.id(), world.deck);
    let stranger = world.sim.intrude(laptop, device);
    let (_, held) = world.document();
    let beside = NOTHING;
    let decks = vec![DeckPulse {
        deck,
        held,
        beside,
        changes: 3,
    }];
    for number in 0..5 {
        let decks = decks.clone();
        world.sim.say(stranger, &Message::Ping { number, decks });
    }
    world.sim.say(
        stranger,
        &Message::Doubt {
            deck,
            devices: vec![],
        },
    );
    let mallory = world.mallory.clone();
    world.sim.say(stranger, &shown(deck, &mallory, 1, "stranger"));
    world.sim.run_for(SOON);
    let heard = world.sim.heard(stranger);
    assert!(
        heard
            .iter()
            .all(|message| matches!(message, Message::Greet { .. })),
        "{heard:?}"
    );
    assert_eq!(names(&world, laptop), [""; 0]);
    world.assert_unharmed();
}

#[test]
fn beyond_the_limits_is_refused() {
    let mut world = World::new(107, Some(Rights::Read));
    let deck = world.deck;
    let bytes = vec![50; PRESENCE_BYTES_MAX + 1].into();
    let intruder = world.intrude();
    world.sim.say(intruder, &Message::Presence { deck, bytes });
    let why = world.refusals();
    assert!(why.len() == 1 && why[0].contains("beyond the limits"), "{why:?}");
    let intruder = world.intrude();
    let devices = vec![Device([1; 32]); 129];
    world.sim.say(intruder, &Message::Doubt { deck, devices });
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("a list of more than 128"),
        "{why:?}"
    );
    let (_, held) = world.document();
    let intruder = world.intrude();
    let decks = vec![
        DeckPulse {
            deck,
            held,
            beside: NOTHING,
            changes: 3,
        };
        65
    ];
    world.sim.say(intruder, &Message::Ping { number: 1, decks });
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("a list of more than 64"),
        "{why:?}"
    );
    world.assert_unharmed();
}
