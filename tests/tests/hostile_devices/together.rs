//! What is held of several decks, and of several links: each has its own, and its turn.

use std::collections::BTreeSet;
use std::time::Duration;

use cuecard::limits::{CHECKED_OUTSIDE_MIN, HELD_AT_MOST, HELD_BYTES_ALL_MAX, SLICE_BYTES_MAX};
use cuecard::role::{Says, Signed, Word};
use cuecard::sim::Intruder;
use cuecard::sync::message::{DeckProof, DeckPulse, Item, Message, PROTOCOL_VERSION, Position};
use cuecard::transport::DeviceKey;
use cuecard::transport::memory::Conditions;
use cuecard::{AutoClaim, ChangeHash, DeckId, Event, Policies, TermId};

use super::handed::Handed;
use super::limits::large;
use super::world::*;

/// Batches of two decks that came by one link are being checked, one after the other: first that of the deck which is first by
/// its id, or the last.
fn two_that_are_checked(seed: u64, last_first: bool) -> (Handed, Intruder, Vec<DeckId>) {
    let mut handed = Handed::new(seed);
    let laptop = handed.world.laptop;
    let (one, one_key) = (handed.world.deck, handed.world.deck_key);
    let promised = handed.promised();
    let first = handed.slices_of_a_check();
    handed.on_another_deck();
    let (another, key) = (handed.world.deck, handed.world.deck_key);
    let intruder = handed.promise();
    let proofs = vec![intruder.proof(one, &one_key), intruder.proof(another, &key)];
    handed.world.sim.say(intruder, &greeting(proofs));
    handed.world.sim.say(intruder, &promised);
    handed.world.sim.work_slowly(laptop, Duration::from_secs(2));
    let second = handed.slices_of_a_check();
    let mut decks = vec![(one, first), (another, second)];
    decks.sort_by_key(|(deck, _)| *deck);
    if last_first {
        decks.reverse();
    }
    let named: Vec<_> = decks.iter().map(|(deck, _)| *deck).collect();
    for (deck, items) in decks {
        for chunk in items.chunks(100) {
            let items = chunk.to_vec();
            handed.world.sim.say(intruder, &Message::Entries { deck, items });
        }
    }
    handed.world.sim.run_for(2 * HELD_AT_MOST);
    for deck in &named {
        assert!(handed.world.sim.is_checking(laptop, *deck));
    }
    (handed, intruder, named)
}

fn greeting(proofs: Vec<DeckProof>) -> Message {
    Message::Greet {
        version: PROTOCOL_VERSION,
        name: "intruder".to_owned(),
        proofs,
        early: vec![],
    }
}

/// What breaks the rules of one deck says nothing of what came of another.
#[test]
fn who_is_refused_over_one_deck_has_what_had_come_of_another_taken_in() {
    let mut handed = Handed::new(185);
    let (one, one_key) = (handed.world.deck, handed.world.deck_key);
    let other = handed.on_another_deck();
    let intruder = handed.promise();
    let (another, key) = (handed.world.deck, handed.world.deck_key);
    assert_ne!(one, another);
    let greeting = Message::Greet {
        version: PROTOCOL_VERSION,
        name: "intruder".to_owned(),
        proofs: vec![intruder.proof(one, &one_key), intruder.proof(another, &key)],
        early: vec![],
    };
    handed.world.sim.say(intruder, &greeting);
    let slice = handed.slice(1);
    handed.say(intruder, slice);
    assert_eq!(handed.cards(), other, "it is held");
    let items = vec![Item::Charter(vec![1].into())];
    handed
        .world
        .sim
        .say(intruder, &Message::Entries { deck: one, items });
    assert!(handed.world.sim.is_thrown_out(intruder));
    assert_eq!(handed.cards(), other + 1);
}

/// Others fill all of it: what is more than a link's own is asked for when there is room.
#[test]
fn so_much_is_held_of_all_links_together_and_each_has_room_of_its_own() {
    let mut handed = Handed::new(190);
    let (laptop, phone) = (handed.world.laptop, handed.world.sim.device("phone"));
    let own = act(&mut handed.world.sim, phone, |core, now| {
        core.create_deck(now, "French").unwrap().value
    });
    let own_key = act(&mut handed.world.sim, phone, |core, _| {
        core.deck_key(own).unwrap()
    });
    act(&mut handed.world.sim, laptop, |core, now| {
        core.join_deck(now, own, own_key)
    });
    handed.world.sim.connect(laptop, phone, Conditions::PERFECT);
    handed.world.sim.run_for(SOON);
    let intruder = handed.promise();
    handed.world.sim.work_slowly(laptop, Duration::from_secs(1));
    let count = handed.check(intruder);
    let (deck, key) = (handed.world.deck, handed.world.deck_key);
    const KIBIBYTE: usize = 1024;
    let link = |handed: &mut Handed, number: u8| {
        let device = DeviceKey::from_bytes(&[number; 32]).id();
        handed.world.sim.intrude_with_key(laptop, device, deck, &key)
    };
    for number in 1..=4 {
        let other = link(&mut handed, number);
        for (size, times) in [(6_000, 3), (1_000, 6), (100, 10)] {
            let items = vec![Item::Seal(vec![7; size * KIBIBYTE].into())];
            for _ in 0..times {
                let items = items.clone();
                handed.world.sim.say(other, &Message::Entries { deck, items });
            }
        }
    }
    let held = handed.world.sim.held_bytes(laptop);
    let full = HELD_BYTES_ALL_MAX - 101 * KIBIBYTE..=HELD_BYTES_ALL_MAX;
    assert!(full.contains(&held), "{held}");
    // Slices that the laptop has, and a seal that need not be looked at.
    let mut known = handed.known.clone();
    if let Item::Changes { seal, .. } = &mut known {
        *seal = vec![7; SLICE_BYTES_MAX / 2 - KIBIBYTE].into();
    }
    let late = link(&mut handed, 7);
    for number in 1..=3 {
        let items = vec![known.clone()];
        handed.world.sim.say(late, &Message::Entries { deck, items });
        let own = handed.world.sim.held_bytes(laptop) - held;
        let most = SLICE_BYTES_MAX / 2 * number.min(2);
        assert!(
            (most - 2 * KIBIBYTE..=most).contains(&own),
            "number {number}: {own}"
        );
    }
    handed.world.sim.heard(late);
    // An honest device's edit of another deck, larger than what all leave.
    act(&mut handed.world.sim, phone, |core, now| {
        core.edit(now, own, |edit| large(edit, 1)).unwrap()
    });
    let same = |sim: &cuecard::sim::Sim| sim.head(laptop, own) == sim.head(phone, own);
    let soon = Duration::from_millis(500);
    let came = handed.world.sim.run_until("it has room of its own", soon, same);
    came.unwrap();
    assert!(handed.world.sim.is_checking(laptop, deck));
    assert_eq!(handed.cards(), 3, "nothing else is taken in");
    handed.world.sim.run_for(Duration::from_secs(2));
    assert_eq!(handed.cards(), 3 + usize::try_from(count).unwrap());
    let heard = handed.world.sim.heard(late);
    let is_asked = |message: &Message| matches!(message, Message::Status { .. });
    assert!(
        heard.iter().any(is_asked),
        "what was dropped is asked for: {heard:?}"
    );
    assert!(!handed.world.sim.is_thrown_out(late));
}

/// A ping is answered at once, whatever is being checked; where it says that the other side stands is compared, for each deck
/// that it names, behind what came of that deck before.
#[test]
fn a_ping_is_answered_at_once_and_what_it_says_of_each_deck_waits_for_that() {
    // The other deck first, so that the one that is checked last is not the first by name alone.
    let (mut handed, intruder, named) = two_that_are_checked(188, true);
    let laptop = handed.world.laptop;
    let checks = |handed: &Handed| {
        named
            .iter()
            .all(|deck| handed.world.sim.is_checking(laptop, *deck))
    };
    handed.world.sim.heard(intruder);
    handed.world.sim.take_events(laptop);
    let pulse = |deck: &cuecard::DeckId| DeckPulse {
        deck: *deck,
        held: Position {
            term: TermId::from_bytes([9; 32]),
            len: 7,
            head: ChangeHash([9; 32]),
        },
        beside: NOTHING,
        changes: 7,
    };
    for number in [1, 2] {
        let decks = named.iter().map(pulse).collect();
        handed.world.sim.say(intruder, &Message::Ping { number, decks });
    }
    let heard = handed.world.sim.heard(intruder);
    let pongs = heard
        .iter()
        .filter(|message| matches!(message, Message::Pong { .. }));
    assert_eq!(pongs.count(), 2, "{heard:?}");
    assert!(checks(&handed), "nothing was judged for that");
    let diverged = |handed: &mut Handed| {
        let told = handed.world.sim.take_events(laptop).into_iter();
        let decks = told.filter_map(|event| match event {
            Event::Diverged { deck, .. } => Some(deck),
            _ => None,
        });
        decks.collect::<Vec<_>>()
    };
    assert_eq!(diverged(&mut handed), [], "it waits");
    handed.world.sim.run_for(Duration::from_secs(10));
    let mut told = diverged(&mut handed);
    told.sort_unstable_by_key(|deck| std::cmp::Reverse(*deck));
    assert_eq!(told, named, "each once it was checked");
    assert!(!handed.world.sim.is_thrown_out(intruder));
}

/// A greeting may end the talk of any deck, and what is held of that with it: it waits behind what came before, of all decks.
#[test]
fn a_greeting_waits_behind_what_is_held_of_each_deck() {
    for again in [false, true] {
        for last_first in [false, true] {
            let (mut handed, intruder, named) = two_that_are_checked(196, last_first);
            let laptop = handed.world.laptop;
            let before = named
                .iter()
                .map(|deck| handed.world.sim.cards(laptop, *deck).len());
            let before: Vec<usize> = before.collect();
            // It speaks of neither any more; or it thought better of that.
            handed.world.sim.say(intruder, &greeting(vec![]));
            if again {
                let proof = intruder.proof(handed.world.deck, &handed.world.deck_key);
                handed.world.sim.say(intruder, &greeting(vec![proof]));
            }
            handed.world.sim.run_for(Duration::from_secs(10));
            for (deck, before) in named.into_iter().zip(before) {
                let cards = handed.world.sim.cards(laptop, deck).len();
                assert_eq!(cards, before + CHECKED_OUTSIDE_MIN + 10, "{again} {last_first}");
            }
            assert!(!handed.world.sim.is_thrown_out(intruder));
            handed.world.sim.heard(intruder);
            let (deck, term) = (handed.world.deck, handed.term);
            handed.world.sim.say(intruder, &Message::Whence { deck, term });
            let answers = handed.world.sim.heard(intruder);
            let is_answered = answers
                .iter()
                .any(|message| matches!(message, Message::Lineage { .. }));
            assert_eq!(is_answered, again, "the last greeting counts: {answers:?}");
        }
    }
}

/// Who always has the next batch ready does not keep others from having what they brought looked at.
#[test]
fn of_those_that_wait_for_a_check_each_has_its_turn() {
    let mut handed = Handed::new(197);
    let (laptop, deck, key) = (handed.world.laptop, handed.world.deck, handed.world.deck_key);
    let intruder = handed.promise();
    handed.world.sim.work_slowly(laptop, Duration::from_secs(1));
    let mut count = handed.check(intruder);
    let device = DeviceKey::from_bytes(&[7; 32]).id();
    let other = handed.world.sim.intrude_with_key(laptop, device, deck, &key);
    let items = vec![handed.known.clone()];
    handed.world.sim.heard(other);
    handed.world.sim.say(other, &Message::Entries { deck, items });
    let is_acked = |handed: &mut Handed| {
        let heard = handed.world.sim.heard(other);
        heard
            .iter()
            .any(|message| matches!(message, Message::Ack { taken: 1, .. }))
    };
    assert!(!is_acked(&mut handed), "it waits");
    for slice in handed.more_slices_of_a_check(count + 1) {
        handed.say(intruder, slice);
        count += 1;
    }
    handed.world.sim.run_for(Duration::from_millis(1_500));
    assert!(handed.world.sim.is_checking(laptop, deck), "the next batch");
    assert!(is_acked(&mut handed), "its turn came");
    handed.world.sim.run_for(Duration::from_secs(2));
    assert_eq!(handed.cards(), 3 + usize::try_from(count).unwrap());
}

/// While nothing is heard of the editor, what has come is judged before anything follows from that. It is not judged slice by slice.
#[test]
fn with_a_silent_editor_a_long_catch_up_is_taken_in_by_batches_all_the_same() {
    let mut handed = Handed::new(198);
    let (laptop, deck, key) = (handed.world.laptop, handed.world.deck, handed.world.deck_key);
    let neighbour = DeviceKey::from_bytes(&[0x66; 32]).id();
    let mallory = handed.world.mallory.id();
    handed.world.let_hold([mallory, neighbour]);
    let policies = Policies {
        auto_claim: AutoClaim::After(Duration::from_secs(5)),
        ..Policies::default()
    };
    act(&mut handed.world.sim, laptop, |core, _| {
        core.set_policies(deck, policies).unwrap()
    });
    let link = handed.world.sim.intrude_with_key(laptop, neighbour, deck, &key);
    let status = handed.promised();
    handed.world.sim.say(link, &status);
    handed.world.sim.run_for(Duration::from_secs(120));
    let heard = handed.world.sim.heard(link);
    let asks = heard.iter().any(|message| match message {
        Message::Word { bytes, .. } => {
            let word = Signed::<Word>::decode(bytes).unwrap();
            matches!(word.claimed().says, Says::Question)
        }
        _ => false,
    });
    assert!(asks, "nothing is heard of the editor");
    handed.world.sim.take_events(laptop);
    const SLICES: u64 = 200;
    for number in 1..=SLICES {
        let slice = handed.slice(number);
        handed.say(link, slice);
        handed.world.sim.run_for(Duration::from_millis(5));
    }
    handed.world.sim.run_for(2 * HELD_AT_MOST);
    assert_eq!(handed.cards() as u64, 3 + SLICES);
    let told = handed.world.sim.take_events(laptop);
    let batches: BTreeSet<u64> = told
        .iter()
        .filter_map(|event| match event {
            Event::Changed { revision, .. } => Some(*revision),
            _ => None,
        })
        .collect();
    // In a second, and none waits for longer than it may.
    assert!((3..=12).contains(&batches.len()), "{} batches", batches.len());
}
