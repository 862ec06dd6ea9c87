//! What comes first, and what comes by itself.

use std::collections::BTreeSet;

use cuecard::core::Core;
use cuecard::sim::Peer;
use cuecard::time::Time;
use cuecard::transport::memory::Conditions;
use cuecard::{AudioPolicy, AudioRef, BlobId, CardId, DeckId, Event, Policies, Presence};

use crate::world::*;

fn set(audio: AudioPolicy) -> impl FnOnce(&mut Core, Time) {
    move |core, _| {
        core.set_default_policies(Policies {
            audio,
            ..Policies::default()
        });
    }
}

/// Six cards with audio, and a device that follows the deck over a narrow path.
fn six(seed: u64, policy: AudioPolicy) -> (World, Peer, Vec<(CardId, AudioRef)>) {
    let mut world = World::new(seed);
    let viewer = world.follower("viewer");
    act(&mut world.sim, viewer, set(policy));
    let cards: Vec<(CardId, AudioRef)> = (0..6)
        .map(|number| {
            world.sounding(
                &number.to_string(),
                &sound(number, 150_000 - 10_000 * number as usize),
            )
        })
        .collect();
    (world, viewer, cards)
}

/// The cards as they stand with the author.
fn in_order(world: &World) -> Vec<CardId> {
    let cards = world.sim.cards(world.author, world.deck);
    cards.into_iter().map(|card| card.id).collect()
}

fn blob_of(cards: &[(CardId, AudioRef)], card: &CardId) -> BlobId {
    let (_, audio) = cards.iter().find(|(of, _)| of == card).expect("it has audio");
    audio.blob
}

/// The pieces of audio that became whole, in order.
fn arrived(world: &mut World, viewer: Peer) -> Vec<BlobId> {
    let events = world.sim.take_events(viewer).into_iter();
    let whole = events.filter_map(|event| match event {
        Event::Audio(progress) if progress.is_whole() => Some(progress.blob),
        _ => None,
    });
    whole.collect()
}

#[test]
fn audio_comes_in_the_order_of_the_deck_what_is_long_last() {
    let (mut world, viewer, cards) = six(1, AudioPolicy::Eager);
    let (author, deck) = (world.author, world.deck);
    // Before all others stands one with an hour of audio.
    let (long, long_audio) = world.sounding("long", &sound(99, 1_500_000));
    act(&mut world.sim, author, |core, now| {
        core.edit(now, deck, |edit| edit.move_card(&long, None)).unwrap()
    });
    let order = in_order(&world);
    assert_eq!(order[0], long);
    world.sim.connect(author, viewer, path(300_000));
    world.time_until_whole(viewer, long_audio.blob, SOON);
    let mut expected: Vec<BlobId> = order[1..].iter().map(|card| blob_of(&cards, card)).collect();
    expected.push(long_audio.blob);
    assert_eq!(arrived(&mut world, viewer), expected);
}

#[test]
fn the_card_in_focus_comes_first_then_those_on_the_screen() {
    let (mut world, viewer, cards) = six(2, AudioPolicy::Eager);
    let deck = world.deck;
    let order = in_order(&world);
    let (focus, shown) = (order[5].clone(), [order[3].clone(), order[4].clone()]);
    act(&mut world.sim, viewer, |core, now| {
        core.focus_audio(now, deck, Some(focus.clone())).unwrap();
        core.show_audio(now, deck, shown.iter().cloned().collect())
            .unwrap();
    });
    world.sim.connect(world.author, viewer, path(300_000));
    for (_, audio) in &cards {
        world.time_until_whole(viewer, audio.blob, SOON);
    }
    let expected = [5, 3, 4, 0, 1, 2].map(|at: usize| blob_of(&cards, &order[at]));
    assert_eq!(arrived(&mut world, viewer), expected);
}

/// A viewer looks elsewhere while audio comes, and says so in this way: what it looks at comes soon.
fn looks_elsewhere(seed: u64, say: impl Fn(&mut Core, Time, DeckId, CardId)) {
    let (mut world, viewer, cards) = six(seed, AudioPolicy::Eager);
    let deck = world.deck;
    let order = in_order(&world);
    world.sim.connect(world.author, viewer, path(100_000));
    world.time_until_whole(viewer, blob_of(&cards, &order[0]), SOON);
    act(&mut world.sim, viewer, |core, now| {
        say(core, now, deck, order[5].clone())
    });
    for (_, audio) in &cards {
        world.time_until_whole(viewer, audio.blob, SOON);
    }
    let arrived = arrived(&mut world, viewer);
    let focused = blob_of(&cards, &order[5]);
    let place = arrived.iter().position(|&blob| blob == focused).expect("it came");
    // What was asked for already stays so.
    assert!(place <= 2, "{place}");
}

#[test]
fn focus_that_moves_while_others_come_is_followed() {
    looks_elsewhere(3, |core, now, deck, card| {
        core.focus_audio(now, deck, Some(card)).unwrap();
    });
}

#[test]
fn the_card_that_presence_shows_is_in_focus() {
    looks_elsewhere(3, |core, now, deck, card| {
        let presence = Presence {
            card: Some(card),
            ..Presence::default()
        };
        core.set_presence(now, deck, Some(presence)).unwrap();
    });
}

#[test]
fn only_what_is_shown_comes_by_itself_where_that_is_the_policy() {
    let (mut world, viewer, cards) = six(4, AudioPolicy::Visible);
    let deck = world.deck;
    world.sim.connect(world.author, viewer, Conditions::PERFECT);
    world.sim.run_for(SOON);
    assert_eq!(world.sim.cards(viewer, deck).len(), 6);
    assert_eq!(arrived(&mut world, viewer), []);
    act(&mut world.sim, viewer, |core, now| {
        core.show_audio(now, deck, BTreeSet::from([cards[2].0.clone()]))
            .unwrap();
    });
    world.sim.run_for(SOON);
    assert_eq!(arrived(&mut world, viewer), [cards[2].1.blob]);
    act(&mut world.sim, viewer, |core, now| {
        core.focus_audio(now, deck, Some(cards[4].0.clone())).unwrap();
    });
    world.sim.run_for(SOON);
    assert_eq!(arrived(&mut world, viewer), [cards[4].1.blob]);
    // New audio on a card that is shown comes, too; and all of it once the policy is another.
    let new = world.attach(&cards[2].0, &sound(77, 30_000));
    world.sim.run_for(SOON);
    assert_eq!(arrived(&mut world, viewer), [new.blob]);
    act(&mut world.sim, viewer, |core, _| {
        core.set_policies(deck, Policies::default()).unwrap();
    });
    world.sim.run_for(SOON);
    assert_eq!(arrived(&mut world, viewer).len(), 4);
}

#[test]
fn nothing_comes_on_demand_but_what_was_asked_for() {
    let (mut world, viewer, cards) = six(5, AudioPolicy::OnDemand);
    let deck = world.deck;
    world.sim.connect(world.author, viewer, Conditions::PERFECT);
    world.sim.run_for(SOON);
    act(&mut world.sim, viewer, |core, now| {
        core.focus_audio(now, deck, Some(cards[1].0.clone())).unwrap();
    });
    world.sim.run_for(SOON);
    assert_eq!(arrived(&mut world, viewer), []);
    act(&mut world.sim, viewer, |core, now| {
        core.ask_for_audio(now, deck, &cards[3].1).unwrap()
    });
    world.sim.run_for(SOON);
    assert_eq!(arrived(&mut world, viewer), [cards[3].1.blob]);
    assert!(world.sim.holds_audio(viewer, cards[3].1.blob));
    // Asked for once more it is said again, without a byte.
    world.sim.record();
    act(&mut world.sim, viewer, |core, now| {
        core.ask_for_audio(now, deck, &cards[3].1).unwrap()
    });
    world.sim.run_for(SOON);
    assert_eq!(arrived(&mut world, viewer), [cards[3].1.blob]);
    assert_eq!(said(world.sim.recorded()).1, 0);
}
