//! What the editor plays is heard by all at the same place: whatever their clocks show, however long the way, with jitter
//! and loss, when a route is cut, and by who comes late.

use std::time::Duration;

use cuecard::limits::{PLAYBACK_EVERY, PLAYBACK_LEAD_MAX};
use cuecard::sim::Peer;
use cuecard::{Event, NowPlaying, PlaybackError};
use cuecard_tests::seeds_from;

use crate::world::*;

/// What the ear forgives, and how soon.
const APART_MAX: Duration = ms(100);
const SOON: Duration = ms(2_000);
/// From a person's hand to what is heard, unless that is set.
const LEAD: Duration = ms(250);

/// How far two devices are apart; `None`: they do not play the same.
fn apart(a: &NowPlaying, b: &NowPlaying) -> Option<Duration> {
    let same = (&a.card, &a.slot, a.blob, a.is_playing) == (&b.card, &b.slot, b.blob, b.is_playing);
    same.then(|| a.position.abs_diff(b.position))
}

/// The furthest apart that two of all devices are now.
fn furthest(world: &World) -> Result<Duration, String> {
    let heard: Vec<Option<NowPlaying>> = world
        .peers
        .iter()
        .map(|peer| world.sim.playback(*peer, world.deck))
        .collect();
    let mut furthest = Duration::ZERO;
    for a in &heard {
        for b in &heard {
            let between = match (a, b) {
                (None, None) => Some(Duration::ZERO),
                (Some(a), Some(b)) => apart(a, b),
                _ => None,
            };
            furthest = furthest.max(between.ok_or_else(|| format!("they do not play the same: {heard:#?}"))?);
        }
    }
    Ok(furthest)
}

/// From now on, every 50 ms until then, all are together.
fn stay_together(world: &mut World, what: &str, until: Duration) -> Duration {
    let mut worst = Duration::ZERO;
    while world.sim.elapsed() < until {
        let (seed, at) = (world.seed(), world.sim.elapsed());
        let now = furthest(world).unwrap_or_else(|why| panic!("seed {seed}, {what}, at {at:?}: {why}"));
        assert!(now <= APART_MAX, "seed {seed}, {what}, at {at:?}: {now:?} apart");
        worst = worst.max(now);
        world.sim.run_for(ms(50));
    }
    worst
}

/// What should be heard, if what was asked for was done.
#[derive(Debug, Clone, Copy)]
struct Heard {
    track: usize,
    /// Where it stood or began, and when that was to be heard.
    position: Duration,
    at: Duration,
    is_playing: bool,
}

impl Heard {
    fn position(&self, now: Duration) -> Duration {
        match self.is_playing {
            true => self.position + (now - self.at),
            false => self.position,
        }
    }

    /// The same, once what was asked for now is to be heard.
    fn moved(self, now: Duration) -> Self {
        let at = now + LEAD;
        let position = self.position(at);
        Self { at, position, ..self }
    }

    /// That is what the editor plays, and so do all who are together with it.
    fn is_heard(&self, world: &World, what: &str) {
        let (seed, now) = (world.seed(), world.sim.elapsed());
        let heard = world.sim.playback(world.peers[0], world.deck);
        let heard = heard.unwrap_or_else(|| panic!("seed {seed}, {what}: nothing is played"));
        let expected = self.position(now);
        let is_it = heard.card == world.cards[self.track]
            && heard.is_playing == self.is_playing
            && heard.position.abs_diff(expected) < ms(20);
        assert!(
            is_it,
            "seed {seed}, {what}: {heard:?} where {expected:?} was to be heard"
        );
    }
}

/// A minute: play, pause, go on, seek, a route is cut, another track, one comes late, stop.
fn story(seed: u64, shape: Shape, round_trip_ms: u64, count: usize) -> Duration {
    let mut world = World::new(seed, shape, rough(round_trip_ms), count);
    let editor = world.peers[0];
    let cards = world.cards.clone();
    let start = world.sim.elapsed();
    let mut worst = Duration::ZERO;
    let what = format!("{shape:?}, {round_trip_ms} ms");
    let mut then = |world: &mut World, heard: &Heard, what: &str, until: u64| {
        world.sim.run_for(SOON);
        heard.is_heard(world, what);
        worst = worst.max(stay_together(world, what, start + seconds(until)));
        heard.is_heard(world, what);
    };
    let mut heard = Heard {
        track: 0,
        position: Duration::ZERO,
        at: start + LEAD,
        is_playing: true,
    };
    world.act(editor, |core, now, deck| {
        core.play(now, deck, &cards[0], "front", Duration::ZERO).unwrap()
    });
    then(&mut world, &heard, &format!("{what}: play"), 10);
    heard = heard.moved(world.sim.elapsed());
    heard.is_playing = false;
    world.act(editor, |core, now, deck| core.pause(now, deck).unwrap());
    then(&mut world, &heard, &format!("{what}: pause"), 17);
    heard = heard.moved(world.sim.elapsed());
    heard.is_playing = true;
    let [.., beside, last] = world.peers[..] else {
        panic!("there are more than two");
    };
    // In a star there is no other way by itself; and one over a satellite takes more than two seconds to come up.
    if shape == Shape::Star {
        world.sim.connect(beside, last, rough(round_trip_ms));
    }
    world.act(editor, |core, now, deck| core.go_on_playing(now, deck).unwrap());
    then(&mut world, &heard, &format!("{what}: go on"), 25);
    // The rest of the minute, the last one hears the editor by others.
    match shape {
        Shape::Mesh | Shape::Star => world.sim.cut(editor, last),
        // There is no other way.
        Shape::Chain => {}
    }
    heard = Heard {
        position: seconds(70),
        at: world.sim.elapsed() + LEAD,
        ..heard
    };
    world.act(editor, |core, now, deck| {
        core.seek(now, deck, seconds(70)).unwrap()
    });
    then(&mut world, &heard, &format!("{what}: seek"), 35);
    heard = Heard {
        track: 1,
        position: seconds(3),
        at: world.sim.elapsed() + LEAD,
        ..heard
    };
    world.act(editor, |core, now, deck| {
        core.play(now, deck, &cards[1], "front", seconds(3)).unwrap()
    });
    then(&mut world, &heard, &format!("{what}: another track"), 45);
    world.join();
    then(&mut world, &heard, &format!("{what}: one comes late"), 60);
    world.act(editor, |core, now, deck| core.stop(now, deck).unwrap());
    world.sim.run_for(SOON);
    for &peer in &world.peers {
        assert_eq!(
            world.sim.playback(peer, world.deck),
            None,
            "seed {seed}, {what}: stopped"
        );
    }
    worst
}

/// So many worlds unless others are asked for, and how far apart two ever were in them.
fn worlds(first: u64, usual: u64, shape: Shape, round_trip_ms: u64) {
    let mut worst = Duration::ZERO;
    for seed in seeds_from(first, usual) {
        let apart = story(seed, shape, round_trip_ms, 9);
        println!("{shape:?}, {round_trip_ms} ms, seed {seed}: {apart:?} apart at the most");
        worst = worst.max(apart);
    }
    println!("{shape:?}, {round_trip_ms} ms: {worst:?} apart at the most in all of them");
}

#[test]
fn all_hear_the_same_on_a_path_without_delay() {
    worlds(0, 1, Shape::Mesh, 0);
}

#[test]
fn all_hear_the_same_at_twenty_milliseconds() {
    worlds(100, 1, Shape::Mesh, 20);
}

#[test]
fn all_hear_the_same_by_satellite() {
    worlds(200, 1, Shape::Mesh, 600);
    worlds(200, 2, Shape::Star, 600);
}

/// The editor's time goes from hand to hand.
#[test]
fn all_hear_the_same_along_a_chain() {
    worlds(300, 2, Shape::Chain, 20);
}

/// The check above sees it when a device's idea of the editor's time is wrong; and the device finds that out.
#[test]
fn a_clock_that_is_set_is_seen_and_found() {
    let mut world = World::new(1, Shape::Star, rough(20), 3);
    let (editor, late, card) = (world.peers[0], world.peers[1], world.cards[0].clone());
    world.act(editor, |core, now, deck| {
        core.play(now, deck, &card, "front", Duration::ZERO).unwrap()
    });
    world.sim.run_for(SOON);
    assert!(furthest(&world).unwrap() <= APART_MAX);
    world.sim.set_clock(late, 7_200_000, 0);
    assert!(furthest(&world).is_ok_and(|apart| apart > APART_MAX) || furthest(&world).is_err());
    world.sim.run_for(seconds(5));
    let end = world.sim.elapsed() + seconds(10);
    stay_together(&mut world, "the clock was set", end);
}

/// Only what changes is told, at the moment when it is to be heard.
#[test]
fn the_app_is_told_when_something_else_is_to_be_heard() {
    let mut world = World::new(2, Shape::Star, rough(20), 2);
    let [editor, listener] = [world.peers[0], world.peers[1]];
    let (card, deck) = (world.cards[0].clone(), world.deck);
    let is_told = |event: &Event| matches!(event, Event::PlaybackChanged { .. });
    world.told(listener, is_told);
    world.act(editor, |core, now, deck| {
        core.play(now, deck, &card, "front", seconds(100)).unwrap()
    });
    assert_eq!(world.sim.playback(editor, deck).unwrap().starts_in, ms(250));
    world.sim.run_for(SOON);
    let at = world.sim.playback(listener, deck).unwrap();
    assert!(at.is_playing && at.starts_in.is_zero(), "{at:?}");
    assert!(at.position.abs_diff(ms(101_750)) <= APART_MAX, "{at:?}");
    assert_eq!(at.length, Some(seconds(120)));
    assert_eq!(
        world.told(listener, is_told),
        2,
        "that it will begin, and when it does"
    );
    world.sim.run_for(seconds(12));
    assert_eq!(world.told(listener, is_told), 0, "it was said again four times");
    world.act(editor, |core, now, deck| core.pause(now, deck).unwrap());
    let before = world.sim.playback(editor, deck).unwrap();
    assert!(before.is_playing, "the lead is not over: {before:?}");
    world.sim.run_for(SOON);
    assert!(!world.sim.playback(listener, deck).unwrap().is_playing);
    assert_eq!(world.told(listener, is_told), 1, "that it stands still");
    world.act(editor, |core, now, deck| core.go_on_playing(now, deck).unwrap());
    world.sim.run_for(seconds(7));
    assert_eq!(
        world.sim.playback(listener, deck),
        None,
        "it was played to its end"
    );
    assert_eq!(
        world.told(listener, is_told),
        2,
        "that it goes on, and that it ended"
    );
    let again = world.act(editor, |core, now, deck| core.pause(now, deck));
    assert_eq!(again, Err(PlaybackError::Nothing));
}

/// What was played belongs to who had the role: nobody else could pause it.
#[test]
fn it_is_over_when_the_role_goes_to_another_device() {
    let mut world = World::new(3, Shape::Chain, rough(20), 3);
    let [first, second, third] = [world.peers[0], world.peers[1], world.peers[2]];
    let (card, deck, to) = (world.cards[0].clone(), world.deck, world.sim.id(second));
    let play = |world: &mut World, peer: Peer| {
        let card = card.clone();
        world.act(peer, |core, now, deck| {
            core.play(now, deck, &card, "front", Duration::ZERO)
        })
    };
    assert_eq!(play(&mut world, second), Err(PlaybackError::NotEditor));
    play(&mut world, first).unwrap();
    world.sim.run_for(SOON);
    assert!(world.sim.playback(third, deck).is_some());
    world.act(first, |core, now, deck| core.hand_over(now, deck, to).unwrap());
    world.sim.run_for(SOON);
    for peer in [first, second, third] {
        assert_eq!(world.sim.playback(peer, deck), None, "{peer:?}");
    }
    assert_eq!(play(&mut world, first), Err(PlaybackError::NotEditor));
    play(&mut world, second).unwrap();
    world.sim.run_for(SOON);
    let end = world.sim.elapsed() + seconds(10);
    stay_together(&mut world, "the second plays", end);
    assert!(world.sim.playback(first, deck).is_some());
    // A term of its own, which it opens with its next edit, changes nothing.
    world.edit(second, "nueva");
    world.sim.run_for(SOON);
    let end = world.sim.elapsed() + seconds(10);
    stay_together(&mut world, "the second edits", end);
    assert!(world.sim.playback(first, deck).is_some());
}

/// Nobody can pause what an editor plays that is gone.
#[test]
fn it_ends_some_seconds_after_the_editor_is_gone() {
    let mut world = World::new(4, Shape::Star, rough(20), 3);
    let (editor, listener, card) = (world.peers[0], world.peers[1], world.cards[0].clone());
    let deck = world.deck;
    world.act(editor, |core, now, deck| {
        core.play(now, deck, &card, "front", Duration::ZERO).unwrap()
    });
    world.sim.run_for(seconds(5));
    world.sim.crash(editor);
    world.sim.run_for(seconds(8));
    assert!(
        world.sim.playback(listener, deck).is_some(),
        "a lost word is not the end"
    );
    world.sim.run_for(seconds(6));
    assert_eq!(world.sim.playback(listener, deck), None);
    // Started again, it does not go on by itself, and can play anew: its numbers grow over restarts.
    world.sim.restart(editor).unwrap();
    world.sim.run_for(seconds(5));
    assert_eq!(world.sim.playback(listener, deck), None);
    world.act(editor, |core, now, deck| {
        core.play(now, deck, &card, "front", seconds(1)).unwrap()
    });
    world.sim.run_for(SOON);
    let end = world.sim.elapsed() + seconds(10);
    stay_together(&mut world, "after a restart", end);
    assert!(world.sim.playback(listener, deck).is_some());
    // Back within these seconds, others tell it what it played, and it says that this is over.
    world.sim.crash(editor);
    world.sim.run_for(seconds(2));
    world.sim.restart(editor).unwrap();
    world.sim.run_for(seconds(4));
    assert_eq!(world.sim.playback(listener, deck), None);
}

#[test]
fn a_slider_that_is_dragged_leaves_ten_times_a_second() {
    let mut world = World::new(5, Shape::Star, rough(20), 2);
    let (editor, card) = (world.peers[0], world.cards[0].clone());
    world.act(editor, |core, now, deck| {
        core.play(now, deck, &card, "front", Duration::ZERO).unwrap()
    });
    world.sim.run_for(SOON);
    world.sim.record();
    for step in 0..100_u64 {
        world.act(editor, |core, now, deck| {
            core.seek(now, deck, seconds(step)).unwrap()
        });
        world.sim.run_for(ms(10));
    }
    world.sim.run_for(SOON);
    let said = count_said(&world, |message| {
        matches!(message, cuecard::sync::message::Message::Playback { .. })
    });
    // Ten in that second, the last where it was let go, and one or two of every three seconds.
    let most = seconds(1).div_duration_f64(PLAYBACK_EVERY) as usize + 3;
    assert!((10..=most).contains(&said), "{said}");
    let end = world.sim.elapsed() + seconds(3);
    stay_together(&mut world, "where it was let go", end);
    let at = world.sim.playback(world.peers[1], world.deck).unwrap().position;
    assert!(at > seconds(100) && at < seconds(106), "{at:?}");
}

#[test]
fn a_lead_is_at_most_two_seconds_and_what_is_not_there_is_not_played() {
    let mut world = World::new(6, Shape::Star, rough(20), 2);
    let (editor, card) = (world.peers[0], world.cards[0].clone());
    let long = world.act(editor, |core, _, deck| {
        core.set_playback_lead(deck, PLAYBACK_LEAD_MAX + ms(1))
    });
    assert_eq!(long, Err(PlaybackError::Lead));
    world.act(editor, |core, _, deck| {
        core.set_playback_lead(deck, PLAYBACK_LEAD_MAX).unwrap()
    });
    let (slot, card) = ("back".to_owned(), card);
    let missing = world.act(editor, |core, now, deck| {
        core.play(now, deck, &card, &slot, Duration::ZERO)
    });
    assert_eq!(
        missing,
        Err(PlaybackError::NoAudio {
            card: card.clone(),
            slot
        })
    );
    let nothing = world.act(editor, |core, now, deck| core.pause(now, deck));
    assert_eq!(nothing, Err(PlaybackError::Nothing));
    world.act(editor, |core, now, deck| {
        core.play(now, deck, &card, "front", seconds(5)).unwrap()
    });
    assert_eq!(
        world.sim.playback(editor, world.deck).unwrap().starts_in,
        PLAYBACK_LEAD_MAX
    );
}
