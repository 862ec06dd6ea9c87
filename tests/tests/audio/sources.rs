//! Several sources, slow ones, and those that come and go.

use std::time::Duration;

use cuecard::sim::Peer;
use cuecard::transport::memory::Conditions;
use cuecard::{BlobId, Event};

use crate::world::*;

const MIB: usize = 1024 * 1024;
/// Bytes a second of the paths of these tests.
const RATE: u64 = 4_000_000;

/// An author and two mirrors that have the audio, and one who joins now.
fn mirrored(seed: u64, bytes: usize) -> (World, [Peer; 3], Peer, BlobId) {
    let mut world = World::new(seed);
    let (_, audio) = world.sounding("uno", &sound(seed, bytes));
    let author = world.author;
    let mirrors = [world.follower("first mirror"), world.follower("second mirror")];
    for mirror in mirrors {
        world.sim.connect(author, mirror, Conditions::PERFECT);
        world.time_until_whole(mirror, audio.blob, SOON);
    }
    let newcomer = world.follower("newcomer");
    (world, [author, mirrors[0], mirrors[1]], newcomer, audio.blob)
}

#[test]
fn one_source_gives_nine_tenths_of_what_the_path_carries() {
    let bytes = 12 * MIB;
    let (mut world, [author, ..], newcomer, blob) = mirrored(1, bytes);
    world.sim.connect(author, newcomer, path(RATE));
    let took = world.time_until_whole(newcomer, blob, SOON);
    let ideal = Duration::from_secs_f64(bytes as f64 / RATE as f64);
    assert!(
        took.mul_f64(0.9) <= ideal,
        "{took:?}, and the path alone takes {ideal:?}"
    );
}

#[test]
fn three_sources_at_20_ms_give_more_than_twice_one() {
    let [alone, together] = [1, 3].map(|count| {
        let (mut world, sources, newcomer, blob) = mirrored(2, 6 * MIB);
        for &source in &sources[..count] {
            world.sim.connect(source, newcomer, path(RATE));
        }
        world.sim.record();
        let took = world.time_until_whole(newcomer, blob, SOON);
        let (_, binary) = said(world.sim.recorded());
        assert!(
            binary < 6 * MIB * 110 / 100,
            "what came twice at the end is little: {binary}"
        );
        took
    });
    assert!(together * 2 <= alone, "{together:?} of three, {alone:?} of one");
}

#[test]
fn a_slow_source_does_not_hold_the_last_ranges() {
    let bytes = 6 * MIB;
    let [two, with_slow] = [false, true].map(|slow| {
        let (mut world, [one, two, slowest], newcomer, blob) = mirrored(3, bytes);
        world.sim.connect(one, newcomer, path(RATE));
        world.sim.connect(two, newcomer, path(RATE));
        if slow {
            world.sim.connect(slowest, newcomer, path(20_000));
        }
        world.time_until_whole(newcomer, blob, SOON)
    });
    // What is under way of the slow one would take five seconds at its rate.
    assert!(
        with_slow <= two.mul_f64(1.25),
        "{with_slow:?}, and {two:?} without the slow one"
    );
}

#[test]
fn a_source_that_is_cut_off_is_made_up_for() {
    let (mut world, [one, two, three], newcomer, blob) = mirrored(4, 6 * MIB);
    for source in [one, two, three] {
        world.sim.connect(source, newcomer, path(RATE));
    }
    world.sim.run_for(Duration::from_millis(300));
    assert!(!world.sim.holds_audio(newcomer, blob));
    // Nobody is told of either: the one's heartbeat will notice, later than its ranges are needed.
    world.sim.cut(one, newcomer);
    world.sim.crash(two);
    let took = world.time_until_whole(newcomer, blob, SOON);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_transfer_goes_on_where_it_was_after_a_cut() {
    let bytes = 4 * MIB;
    let (mut world, [author, ..], newcomer, blob) = mirrored(5, bytes);
    world.sim.record();
    world.sim.connect(author, newcomer, path(RATE));
    world.sim.run_for(Duration::from_millis(700));
    assert!(!world.sim.holds_audio(newcomer, blob));
    world.sim.cut(author, newcomer);
    world.sim.run_for(SOON);
    world.sim.mend(author, newcomer);
    world.time_until_whole(newcomer, blob, SOON);
    let (_, binary) = said(world.sim.recorded());
    // What was under way is lost, and nothing else.
    assert!(binary < bytes * 112 / 100, "{binary} bytes for {bytes}");
}

#[test]
fn the_author_who_left_is_asked_when_it_comes_back() {
    let mut world = World::new(6);
    let (author, viewer) = (world.author, world.follower("viewer"));
    world.sim.connect(author, viewer, path(100_000));
    let (_, audio) = world.sounding("uno", &sound(6, MIB));
    let head = world.sim.head(author, world.deck);
    let deck = world.deck;
    world
        .sim
        .run_until("the card is there", SOON, |sim| sim.head(viewer, deck) == head)
        .unwrap();
    world.sim.crash(author);
    world.sim.run_for(Duration::from_secs(3_600));
    assert!(!world.sim.holds_audio(viewer, audio.blob));
    let progress = act(&mut world.sim, viewer, |core, _| core.audio_progress(audio.blob));
    assert!(progress.is_some_and(|progress| !progress.is_whole()));
    world.sim.restart(author).unwrap();
    world.time_until_whole(viewer, audio.blob, SOON);
}

#[test]
fn along_a_chain_each_is_told_when_the_one_before_has_it() {
    let mut world = World::new(7);
    let (_, audio) = world.sounding("uno", &sound(7, MIB));
    let mut chain = vec![world.author];
    for name in ["second", "third", "fourth"] {
        let next = world.follower(name);
        world.sim.connect(chain[chain.len() - 1], next, path(500_000));
        chain.push(next);
    }
    let took = world.time_until_whole(chain[3], audio.blob, Duration::from_secs(30));
    // Three times the length of the transfer, and no waiting for a chance in between.
    assert!(took < Duration::from_millis(7_500), "{took:?}");
}

#[test]
fn what_is_here_already_costs_no_byte() {
    let mut world = World::new(8);
    let (author, viewer) = (world.author, world.follower("viewer"));
    world.sim.connect(author, viewer, Conditions::PERFECT);
    let bytes = sound(8, 300_000);
    let (_, audio) = world.sounding("uno", &bytes);
    world.time_until_whole(viewer, audio.blob, SOON);
    world.sim.record();
    world.sim.take_events(viewer);
    // On another card, in another deck, and after a restart.
    world.sounding("dos", &bytes);
    let other = act(&mut world.sim, author, |core, now| {
        core.create_deck(now, "French").unwrap().value
    });
    let key = act(&mut world.sim, author, |core, _| core.deck_key(other).unwrap());
    act(&mut world.sim, viewer, |core, now| {
        core.join_deck(now, other, key)
    });
    let same = audio.clone();
    act(&mut world.sim, author, |core, now| {
        core.edit(now, other, |edit| {
            let card = edit.add_card("un", "?")?;
            edit.attach_audio(&card, "front", same)
        })
        .unwrap()
    });
    world.sim.run_for(SOON);
    world.sim.crash(viewer);
    world.sim.restart(viewer).unwrap();
    world.sim.run_for(SOON);
    assert_eq!(world.sim.cards(viewer, other).len(), 1);
    let (messages, binary) = said(world.sim.recorded());
    assert_eq!(
        (binary, messages.into_iter().filter_map(Pull::of).count()),
        (0, 0)
    );
}

#[test]
fn progress_is_told_now_and_then_and_always_in_the_end() {
    let bytes = 4 * MIB;
    let (mut world, [author, ..], newcomer, blob) = mirrored(9, bytes);
    world.sim.connect(author, newcomer, path(400_000));
    let took = world.time_until_whole(newcomer, blob, Duration::from_secs(60));
    let told = world.sim.take_events(newcomer).into_iter();
    let told: Vec<_> = told
        .filter_map(|event| match event {
            Event::Audio(progress) => Some(progress),
            _ => None,
        })
        .collect();
    let most = took.as_millis() as usize / 250 + 2;
    assert!(
        (most / 2..=most).contains(&told.len()),
        "{} in {took:?}",
        told.len()
    );
    assert!(told.is_sorted_by(|one, next| one.have_bytes < next.have_bytes));
    let last = told.last().expect("the end");
    assert!(last.is_whole() && last.size_bytes == bytes as u64 && last.remaining() == Some(Duration::ZERO));
    let half = told[told.len() / 2];
    assert!((300_000..=440_000).contains(&half.bytes_per_second), "{half:?}");
    let left = half.remaining().expect("it is known").as_secs_f64();
    let ideal = half.remaining_bytes() as f64 / 400_000.0;
    assert!((left / ideal - 1.0).abs() < 0.4, "{left} s, {ideal} s");
}

#[test]
fn a_source_that_falls_silent_is_the_last_thing_said() {
    let (mut world, [author, ..], newcomer, blob) = mirrored(10, 4 * MIB);
    world.sim.connect(author, newcomer, path(400_000));
    world.sim.run_for(Duration::from_secs(3));
    world.sim.crash(author);
    world.sim.take_events(newcomer);
    world.sim.run_for(Duration::from_secs(60));
    let told = world.sim.take_events(newcomer).into_iter();
    let last = told.rev().find_map(|event| match event {
        Event::Audio(progress) if progress.blob == blob => Some(progress),
        _ => None,
    });
    let now = act(&mut world.sim, newcomer, |core, _| core.audio_progress(blob)).unwrap();
    assert_eq!((now.bytes_per_second, now.is_whole()), (0, false));
    // What was told last is what is true now, to the quarter of a second in which it fell silent.
    assert!(
        last.is_none_or(|last| now.have_bytes - last.have_bytes <= 150_000),
        "{last:?} {now:?}"
    );
}
