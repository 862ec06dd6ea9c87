//! Sources that lie, stall or flood.

use std::time::Duration;

use bytes::Bytes;
use cuecard::limits::SERVING_BYTES_MAX;
use cuecard::sim::Intruder;
use cuecard::sync::message::Message;
use cuecard::transport::memory::Conditions;
use cuecard::transport::{DeviceKey, Lane};
use cuecard::{AudioRef, Event};

use crate::world::*;

fn mallory() -> DeviceKey {
    DeviceKey::from_bytes(&[7; 32])
}

fn frame(transfer: u32, group: u32, slice: &[u8]) -> Bytes {
    [&transfer.to_le_bytes(), &group.to_le_bytes(), slice]
        .concat()
        .into()
}

/// Answers what an intruder was asked for with what is not the audio.
fn lie(world: &mut World, intruder: Intruder) -> usize {
    let pulls = world.pulls(intruder);
    for pull in &pulls {
        let lie = frame(pull.transfer, pull.first, &sound(99, 30_000));
        world.sim.say_raw(intruder, Lane::Binary, lie);
    }
    pulls.len()
}

fn bans(events: &[Event]) -> Vec<&Event> {
    let is_ban = |event: &&Event| matches!(event, Event::AudioSourceBanned { .. });
    events.iter().filter(is_ban).collect()
}

#[test]
fn a_source_that_lies_is_banned_for_ten_minutes_and_the_log_and_others_go_on() {
    let mut world = World::new(1);
    let (author, viewer) = (world.author, world.follower("viewer"));
    world.sim.connect(author, viewer, path(100_000));
    let (_, audio) = world.sounding("uno", &sound(1, 2_000_000));
    world.sim.run_for(Duration::from_secs(2));
    let liar = world.intrude(viewer, &mallory());
    world.sim.run_for(Duration::from_millis(50));
    assert!(lie(&mut world, liar) > 0, "it was asked");
    world.sim.run_for(Duration::from_secs(1));
    let events = world.sim.take_events(viewer);
    let (device, lasts) = match bans(&events)[..] {
        [Event::AudioSourceBanned { device, blob, lasts }] if *blob == audio.blob => (*device, *lasts),
        ref other => panic!("{other:?}"),
    };
    assert_eq!((device, lasts), (mallory().id(), Duration::from_secs(600)));
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::Refused { .. } | Event::StoreFailed { .. }))
    );
    assert!(!world.sim.is_thrown_out(liar), "its log is checked by itself");
    // It comes back by another link, and is asked for nothing.
    let again = world.intrude(viewer, &mallory());
    world.sim.run_for(Duration::from_secs(5));
    assert_eq!(lie(&mut world, again), 0);
    // Frames that nobody asked for, or that were asked for before, do nothing.
    for transfer in 0..200 {
        for group in [0, 3, 6, 9, 12, u32::MAX] {
            world
                .sim
                .say_raw(again, Lane::Binary, frame(transfer, group, &sound(98, 20_000)));
        }
    }
    world.time_until_whole(viewer, audio.blob, Duration::from_secs(60));
    assert_eq!(
        bans(&world.sim.take_events(viewer)),
        Vec::<&Event>::new(),
        "said once"
    );
}

#[test]
fn a_ban_ends() {
    let mut world = World::new(2);
    let (author, viewer) = (world.author, world.follower("viewer"));
    world.sim.connect(author, viewer, path(20_000));
    let deck = world.deck;
    world.sounding("uno", &sound(1, 2_000_000));
    let head = world.sim.head(author, deck);
    world
        .sim
        .run_until("the card is there", SOON, |sim| sim.head(viewer, deck) == head)
        .unwrap();
    let liar = world.intrude(viewer, &mallory());
    world.sim.run_for(Duration::from_millis(50));
    assert!(lie(&mut world, liar) > 0);
    world.sim.run_for(Duration::from_millis(50));
    // What it was asked for before that was found out.
    world.pulls(liar);
    world.sim.crash(author);
    world.sim.run_for(Duration::from_secs(599));
    assert_eq!(world.pulls(liar), []);
    // Nothing has to happen on the link for that.
    world.sim.run_for(Duration::from_secs(2));
    assert!(!world.pulls(liar).is_empty(), "it may be better now");
}

#[test]
fn one_that_says_nothing_holds_nothing_up_for_long() {
    let mut world = World::new(3);
    let (author, viewer) = (world.author, world.follower("viewer"));
    let deck = world.deck;
    world.sim.connect(author, viewer, path(4_000_000));
    world.sim.run_for(SOON);
    let silent: Vec<Intruder> = (0..5)
        .map(|number| world.intrude(viewer, &DeviceKey::from_bytes(&[20 + number; 32])))
        .collect();
    world.sim.run_for(SOON);
    let (_, audio) = world.sounding("uno", &sound(1, 4_000_000));
    let took = world.time_until_whole(viewer, audio.blob, SOON);
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(
        silent.iter().all(|&intruder| !world.pulls(intruder).is_empty()),
        "they were asked"
    );
    assert_eq!(world.sim.head(author, deck), world.sim.head(viewer, deck));
}

#[test]
fn saying_that_one_has_it_again_and_again_costs_the_liar_as_much() {
    let mut world = World::new(4);
    let (author, viewer) = (world.author, world.follower("viewer"));
    world.sim.connect(author, viewer, path(10_000));
    let (_, audio) = world.sounding("uno", &sound(1, 500_000));
    world.sim.run_for(Duration::from_secs(2));
    let liar = world.intrude(viewer, &mallory());
    let blob = audio.blob;
    world.sim.run_for(Duration::from_millis(50));
    let mut asked = 0;
    for _ in 0..1_000 {
        for pull in world.pulls(liar) {
            asked += 1;
            let transfer = pull.transfer;
            world.sim.say(liar, &Message::Lack { transfer });
        }
        world.sim.say(liar, &Message::Have { blob });
    }
    // A few questions for each lie, small ones, and nothing that grows.
    assert!((1..=8_000).contains(&asked), "{asked}");
    world.sim.run_for(Duration::from_secs(120));
    assert!(world.sim.holds_audio(viewer, blob));
}

#[test]
fn a_flood_of_pulls_is_served_within_bounds() {
    let mut world = World::new(5);
    let bytes = 3_000_000;
    let (_, audio) = world.sounding("uno", &sound(1, bytes));
    let flooder = world.intrude(world.author, &mallory());
    world.sim.run_for(SOON);
    world.sim.overheard(flooder);
    let count = (bytes as u32).div_ceil(16 * 1024);
    for transfer in 0..1_000 {
        let pull = Message::Pull {
            transfer,
            blob: audio.blob,
            first: 0,
            count,
            size: bytes as u64,
        };
        world.sim.say(flooder, &pull);
    }
    world.sim.run_for(SOON);
    let heard = world.sim.overheard(flooder);
    let (messages, binary) = said(&heard);
    let lacks = messages
        .iter()
        .filter(|message| matches!(message, Message::Lack { .. }));
    // Three gigabytes were asked for.
    assert!(binary <= SERVING_BYTES_MAX + 1024 * 1024, "{binary}");
    assert_eq!(lacks.count(), 1_000 - binary / bytes);
    // One pull without an end is refused, too, and without reckoning it out.
    for (first, count) in [(0, u32::MAX), (u32::MAX, 1), (u32::MAX, u32::MAX), (0, 0)] {
        let transfer = 7;
        let pull = Message::Pull {
            transfer,
            blob: audio.blob,
            first,
            count,
            size: bytes as u64,
        };
        world.sim.say(flooder, &pull);
        world.sim.run_for(SOON);
        assert_eq!(
            told(&mut world, flooder),
            [Message::Lack { transfer }],
            "{first} {count}"
        );
    }
}

#[test]
fn a_card_that_lies_about_the_size_gets_nobody_banned() {
    let mut world = World::new(6);
    let (author, viewer) = (world.author, world.follower("viewer"));
    let (card, audio) = (
        world.card("uno"),
        world.sim.import_audio(author, &sound(1, 500_000)).unwrap(),
    );
    // 31 groups, said to be 32: the first halves of both are alike, and so are their hashes.
    let wrong = AudioRef {
        bytes: 32 * 16 * 1024,
        ..audio.clone()
    };
    world.attach_ref(&card, wrong);
    world.sim.connect(author, viewer, Conditions::PERFECT);
    world.sim.run_for(SOON);
    assert!(!world.sim.holds_audio(viewer, audio.blob));
    let events = world.sim.take_events(viewer);
    assert_eq!(bans(&events), Vec::<&Event>::new());
    // Where another card says it right, it comes.
    let other = world.card("dos");
    world.attach_ref(&other, audio.clone());
    world.time_until_whole(viewer, audio.blob, SOON);
}

#[test]
fn audio_that_rots_at_its_source_is_found_out_there_and_mended() {
    let mut world = World::new(7);
    let (author, keeper) = (world.author, world.follower("keeper"));
    world.sim.connect(author, keeper, Conditions::PERFECT);
    let (_, audio) = world.sounding("uno", &sound(1, 300_000));
    world.time_until_whole(keeper, audio.blob, SOON);
    let store = world.sim.store(author).expect("it has one");
    assert!(store.memory_blobs().damage(audio.blob.into(), 100_000));
    let viewer = world.follower("viewer");
    world.sim.connect(author, viewer, Conditions::PERFECT);
    world.time_until_whole(viewer, audio.blob, SOON);
    world.time_until_whole(author, audio.blob, SOON);
    assert_eq!(bans(&world.sim.take_events(viewer)), Vec::<&Event>::new());
}
