//! What time it is elsewhere, and what nobody would notice otherwise: two devices that stand at different places, with
//! nothing under way.

use cuecard::Event;
use cuecard::sync::message::Message;

use crate::world::*;

#[test]
fn round_trips_and_clocks_are_measured() {
    let mut world = World::new(21, Shape::Star, rough(600), 2);
    let [first, second] = [world.peers[0], world.peers[1]];
    world.sim.set_clock(first, 3_700_000, 0);
    world.sim.crash(second);
    world.sim.set_clock(second, 8_700_000, 0);
    world.sim.restart(second).unwrap();
    world.sim.run_for(seconds(60));
    let quality = world.act(first, |core, _, _| core.distances());
    assert_eq!(quality.len(), 1);
    let quality = quality[0];
    assert_eq!(quality.device, world.sim.id(second));
    let round_trip = quality.round_trip.unwrap();
    assert!((ms(600)..ms(1_400)).contains(&round_trip), "{round_trip:?}");
    let clock = quality.clock.unwrap();
    assert!(clock.ahead_ms.abs_diff(5_000_000) <= 30, "{clock:?}");
    assert!((301..=360).contains(&clock.uncertainty_ms), "{clock:?}");
    assert!(quality.late_per_mille.is_some());
}

#[test]
fn a_silent_divergence_is_noticed_reported_and_repaired() {
    let mut world = World::new(22, Shape::Star, rough(20), 2);
    let [editor, viewer] = [world.peers[0], world.peers[1]];
    let diverged = |event: &Event| matches!(event, Event::Diverged { .. });
    world.sim.run_for(seconds(60));
    assert_eq!(
        world.told(viewer, diverged) + world.told(editor, diverged),
        0,
        "nothing is wrong"
    );
    // No honest lane does this: what was sent is gone, and both believe that all was said.
    world.sim.swallow(editor, viewer, |message| {
        matches!(
            message,
            Message::Entries { .. } | Message::Status { .. } | Message::Word { .. }
        )
    });
    world.edit(editor, "perdida");
    world.sim.run_for(seconds(10));
    world
        .sim
        .swallow(editor, viewer, |message| matches!(message, Message::Word { .. }));
    let deck = world.deck;
    assert_ne!(
        world.sim.head(editor, deck),
        world.sim.head(viewer, deck),
        "it was lost"
    );
    let same = |sim: &cuecard::sim::Sim| sim.head(editor, deck) == sim.head(viewer, deck);
    world.sim.run_until("it is repaired", seconds(65), same).unwrap();
    assert_eq!(world.told(viewer, diverged), 1);
    assert!(world.told(editor, diverged) <= 1, "it may have noticed, too");
    world.sim.run_for(seconds(120));
    assert_eq!(
        world.told(viewer, diverged) + world.told(editor, diverged),
        0,
        "once"
    );
}

#[test]
fn what_was_never_acknowledged_is_known_all_the_same() {
    let mut world = World::new(23, Shape::Star, rough(20), 2);
    let [editor, viewer] = [world.peers[0], world.peers[1]];
    world.sim.swallow(editor, viewer, |message| {
        matches!(message, Message::Ack { .. } | Message::Status { .. })
    });
    world.edit(editor, "guardada");
    world.quiet();
    let (deck, device) = (world.deck, world.sim.id(viewer));
    let in_sync = |world: &World| {
        let state = world.sim.sync_state(editor, deck).unwrap();
        state
            .device(device)
            .unwrap()
            .stand
            .is_some_and(cuecard::Stand::is_in_sync)
    };
    assert!(!in_sync(&world));
    world.sim.run_for(seconds(45));
    assert!(in_sync(&world), "the pings say so");
}

#[test]
fn a_device_to_which_the_deck_never_came_is_sent_it() {
    let mut world = World::new(24, Shape::Star, rough(20), 2);
    let (editor, deck) = (world.peers[0], world.deck);
    let late = world.sim.device("late");
    let key = world.act(editor, |core, _, deck| core.deck_key(deck).unwrap());
    world
        .sim
        .act(late, |core, now| core.join_deck(now, deck, key))
        .unwrap();
    world.sim.connect(editor, late, rough(20));
    world
        .sim
        .swallow(editor, late, |message| matches!(message, Message::Entries { .. }));
    world.sim.run_for(seconds(10));
    assert_eq!(world.sim.head(late, deck), None);
    world
        .sim
        .swallow(editor, late, |message| matches!(message, Message::Word { .. }));
    let here = |sim: &cuecard::sim::Sim| sim.head(late, deck) == sim.head(editor, deck);
    world.sim.run_until("it is here", seconds(65), here).unwrap();
}
