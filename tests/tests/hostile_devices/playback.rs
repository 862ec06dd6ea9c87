//! Playback, by those who may not play, by those who might once, and by those who play the same again.

use cuecard::core::PlaybackRefusal;
use cuecard::id::TermId;
use cuecard::limits::{PLAYBACK_BYTES_MAX, PLAYBACKS_PER_SECOND_FLOOD, PLAYBACKS_PER_SECOND_MAX};
use cuecard::role::{Playing, Track};
use cuecard::sim::Peer;
use cuecard::sync::clock::Offset;
use cuecard::sync::message::{Message, Position};
use cuecard::transport::DeviceKey;
use cuecard::{BlobId, Event, Rights};

use super::authority::phone;
use super::world::*;
use std::time::Duration;

/// What the clocks of this world show at its beginning.
const EPOCH_MS: u64 = 1_750_000_000_000;

fn playing(world: &World, term: TermId, key: &DeviceKey, sequence: u64) -> Playing {
    let card = world.before.1[0].id.clone();
    let said_ms = EPOCH_MS + world.sim.elapsed().as_millis() as u64;
    Playing {
        deck: world.deck,
        term,
        signer: key.id(),
        sequence,
        said_ms,
        track: Some(Track {
            card,
            slot: "front".to_owned(),
            blob: BlobId::from_bytes([3; 32]),
            length_ms: 0,
            position_ms: 5_000,
            start_at_ms: said_ms,
            is_playing: true,
        }),
    }
}

fn message(playing: Playing, key: &DeviceKey) -> Message {
    let deck = playing.deck;
    let bytes = playing.sign(key).unwrap().encode().into();
    let clock = Some(Offset::NONE);
    Message::Playback { deck, bytes, clock }
}

/// Why a device did not play what came, and that it plays nothing.
fn refused(world: &mut World, peer: Peer) -> Vec<PlaybackRefusal> {
    let told = world.sim.take_events(peer).into_iter();
    let why = told.filter_map(|event| match event {
        Event::PlaybackRefused { reason, .. } => Some(reason),
        Event::PlaybackChanged { .. } => panic!("it plays something"),
        _ => None,
    });
    why.collect()
}

#[test]
fn only_the_editor_plays() {
    for rights in [None, Some(Rights::Read), Some(Rights::Draft), Some(Rights::Hold)] {
        let mut world = World::new(111, rights);
        let phone = phone(&mut world);
        let (_, at) = world.document();
        let (laptop, mallory) = (world.laptop, world.mallory.clone());
        let intruder = world.intrude();
        let said = message(playing(&world, at.term, &mallory, 1), &mallory);
        world.sim.say(intruder, &said);
        assert_eq!(
            refused(&mut world, laptop),
            [PlaybackRefusal::NotEditor],
            "{rights:?}"
        );
        assert!(
            !world.sim.is_thrown_out(intruder),
            "it may have been the editor a moment ago"
        );
        world.sim.run_for(SOON);
        assert_eq!(refused(&mut world, phone), [], "it was not passed on");
        // With the editor's name on it.
        let mut forged = playing(&world, at.term, &mallory, 2)
            .sign(&mallory)
            .unwrap()
            .encode();
        let owner = world.sim.id(laptop);
        let at = forged
            .windows(32)
            .position(|window| window == mallory.id().as_bytes())
            .unwrap();
        forged[at..at + 32].copy_from_slice(owner.as_bytes());
        let (deck, bytes, clock) = (world.deck, forged.into(), None);
        world.sim.say(intruder, &Message::Playback { deck, bytes, clock });
        assert!(world.sim.is_thrown_out(intruder));
        let why = world.refusals();
        assert!(
            why.len() == 1 && why[0].contains("signature of this record is wrong"),
            "{why:?}"
        );
        world.assert_unharmed();
    }
}

/// What the laptop, the editor, says to the phone, from a world in which mallory stands between the two.
fn between(world: &mut World, phone: Peer) -> (cuecard::sim::Intruder, Position) {
    let (_, at) = world.document();
    let (device, deck, key) = (world.mallory.id(), world.deck, world.deck_key);
    (world.sim.intrude_with_key(phone, device, deck, &key), at)
}

#[test]
fn what_was_played_before_is_refused() {
    let mut world = World::new(112, Some(Rights::Read));
    let phone = phone(&mut world);
    let (intruder, at) = between(&mut world, phone);
    let owner = world.sim.key(world.laptop).unwrap();
    // Recorded from the editor's lips.
    let said = [1, 2, 3].map(|number| message(playing(&world, at.term, &owner, number), &owner));
    world.sim.say(intruder, &said[1]);
    let deck = world.deck;
    let plays = |world: &World| world.sim.playback(phone, deck).is_some();
    assert!(plays(&world), "mallory passes it on as anybody would");
    world.sim.take_events(phone);
    world.sim.say(intruder, &said[1]);
    assert_eq!(
        refused(&mut world, phone),
        [],
        "twice the same is nothing: it comes by several ways"
    );
    world.sim.say(intruder, &said[0]);
    assert_eq!(refused(&mut world, phone), [PlaybackRefusal::Replayed]);
    // By another link, much later: nobody could tell it from one that was late, but for the time it was said at.
    world.sim.run_for(SOON);
    assert!(!plays(&world), "nothing followed");
    world.sim.take_events(phone);
    let (again, _) = between(&mut world, phone);
    world.sim.say(again, &said[1]);
    world.sim.say(again, &said[2]);
    assert_eq!(refused(&mut world, phone), [PlaybackRefusal::Replayed; 2]);
    assert!(!plays(&world));
    world.assert_unharmed();
}

#[test]
fn an_earlier_editor_plays_no_more() {
    let mut world = World::new(113, Some(Rights::Hold));
    let phone = phone(&mut world);
    let (intruder, at) = between(&mut world, phone);
    let (laptop, deck, to) = (world.laptop, world.deck, world.mallory.id());
    let owner = world.sim.key(laptop).unwrap();
    let said = message(playing(&world, at.term, &owner, u64::MAX / 2), &owner);
    let back = act(&mut world.sim, laptop, |core, now| {
        core.hand_over(now, deck, to).unwrap().value
    });
    world.sim.run_for(SOON);
    world.sim.take_events(phone);
    world.sim.say(intruder, &said);
    assert_eq!(refused(&mut world, phone), [PlaybackRefusal::OldTerm]);
    // And mallory plays, being the editor: under its own term alone.
    let mallory = world.mallory.clone();
    let wrong = message(playing(&world, at.term, &mallory, 1), &mallory);
    world.sim.say(intruder, &wrong);
    assert_eq!(refused(&mut world, phone), [PlaybackRefusal::NotEditor]);
    let right = message(playing(&world, back, &mallory, 1), &mallory);
    world.sim.say(intruder, &right);
    assert!(
        world.sim.playback(phone, deck).is_none(),
        "who does not tell its time is not heard"
    );
    for _ in 0..20 {
        world.sim.run_for(Duration::from_millis(100));
        for asked in world.sim.heard(intruder) {
            if let Message::Ping { number, .. } = asked {
                let at_ms = EPOCH_MS + world.sim.elapsed().as_millis() as u64;
                world.sim.say(intruder, &Message::Pong { number, at_ms });
            }
        }
    }
    assert!(world.sim.playback(phone, deck).is_some());
    assert!(world.sim.playback(laptop, deck).is_some(), "it was passed on");
}

#[test]
fn a_term_that_never_comes_plays_nothing() {
    let mut world = World::new(114, Some(Rights::Hold));
    let phone = phone(&mut world);
    let (intruder, _) = between(&mut world, phone);
    let mallory = world.mallory.clone();
    let said = message(
        playing(&world, TermId::from_bytes([9; 32]), &mallory, 1),
        &mallory,
    );
    world.sim.say(intruder, &said);
    assert_eq!(refused(&mut world, phone), [], "the term may be on its way");
    world.sim.run_for(SOON);
    assert_eq!(refused(&mut world, phone), [PlaybackRefusal::NotEditor]);
    world.assert_unharmed();
}

#[test]
fn who_never_stops_playing_is_thrown_out() {
    let mut world = World::new(115, Some(Rights::Read));
    let (_, at) = world.document();
    let (laptop, mallory) = (world.laptop, world.mallory.clone());
    let intruder = world.intrude();
    let flood = u64::from(PLAYBACKS_PER_SECOND_FLOOD);
    for number in 1..=flood {
        let said = message(playing(&world, at.term, &mallory, number), &mallory);
        world.sim.say(intruder, &said);
        assert!(!world.sim.is_thrown_out(intruder), "after {number}");
    }
    assert_eq!(
        refused(&mut world, laptop).len(),
        PLAYBACKS_PER_SECOND_MAX as usize,
        "the app is not flooded, either"
    );
    let said = message(playing(&world, at.term, &mallory, flood + 1), &mallory);
    world.sim.say(intruder, &said);
    assert!(world.sim.is_thrown_out(intruder));
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("more of what is played"),
        "{why:?}"
    );
    world.assert_unharmed();
}

#[test]
fn beyond_the_limits_is_refused() {
    let mut world = World::new(116, Some(Rights::Hold));
    let (_, at) = world.document();
    let (deck, mallory) = (world.deck, world.mallory.clone());
    let intruder = world.intrude();
    let (bytes, clock) = (vec![51; PLAYBACK_BYTES_MAX + 1].into(), None);
    world.sim.say(intruder, &Message::Playback { deck, bytes, clock });
    assert!(world.sim.is_thrown_out(intruder));
    let why = world.refusals();
    assert!(why.len() == 1 && why[0].contains("beyond the limits"), "{why:?}");
    // In a year.
    let mut far = playing(&world, at.term, &mallory, 1);
    far.said_ms += 2_001;
    let mut bytes = {
        let track = far.track.as_mut().unwrap();
        track.start_at_ms = far.said_ms + 2_000;
        far.clone().sign(&mallory).unwrap().encode()
    };
    let start = far.track.unwrap().start_at_ms.to_le_bytes();
    let place = bytes.windows(8).position(|window| window == start).unwrap();
    bytes[place + 4] ^= 0x40;
    let intruder = world.intrude();
    let (bytes, clock) = (bytes.into(), None);
    world.sim.say(intruder, &Message::Playback { deck, bytes, clock });
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("start is above its limit"),
        "{why:?}"
    );
    world.assert_unharmed();
}

#[test]
fn a_neighbour_that_lies_about_the_time_is_not_asked() {
    let mut world = World::new(117, Some(Rights::Read));
    let phone = phone(&mut world);
    let (intruder, at) = between(&mut world, phone);
    let owner = world.sim.key(world.laptop).unwrap();
    let said = playing(&world, at.term, &owner, 1);
    let Message::Playback { deck, bytes, .. } = message(said, &owner) else {
        unreachable!()
    };
    for ahead_ms in [-1_000_000, 1_000_000, i64::MAX, i64::MIN] {
        let clock = Some(Offset {
            ahead_ms,
            uncertainty_ms: 0,
        });
        let bytes = bytes.clone();
        world.sim.say(intruder, &Message::Playback { deck, bytes, clock });
        let at = world.sim.playback(phone, deck).unwrap();
        assert!(
            at.position.abs_diff(Duration::from_millis(5_000)) < Duration::from_millis(100),
            "{at:?}"
        );
    }
    world.assert_unharmed();
}
