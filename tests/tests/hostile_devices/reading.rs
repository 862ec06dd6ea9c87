//! What a deck says to those who may not read it.

use cuecard::Rights;
use cuecard::sync::message::{EarlyStatus, Item, Message, PROTOCOL_VERSION};

use super::world::*;

#[test]
fn one_without_the_key_of_the_deck_learns_and_changes_nothing() {
    let mut world = World::new(8, Some(Rights::Hold));
    let (laptop, deck, device) = (world.laptop, world.deck, world.mallory.id());
    let intruder = world.sim.intrude_with_key(laptop, device, deck, &[0; 32]);
    world.sim.say(intruder, &has_nothing(deck));
    world.entries(intruder, vec![Item::Genesis(vec![1].into())]);
    let heard = world.sim.heard(intruder);
    let greeting = |message: &Message| matches!(message, Message::Greet { .. });
    assert!(heard.iter().all(greeting), "{heard:?}");
    world.assert_unharmed();
}

#[test]
fn what_a_greeting_says_of_a_deck_is_sealed_for_it_or_the_link_ends_and_of_any_other_it_says_nothing() {
    // A later greeting's is not even looked at.
    for (place, is_later, is_refused) in [
        (0, false, true),
        (0, true, false),
        (1, false, false),
        (u8::MAX, false, false),
    ] {
        let mut world = World::new(114, Some(Rights::Read));
        let (deck, key) = (world.deck, world.deck_key);
        let intruder = world.sim.intrude(world.laptop, world.mallory.id());
        let proofs = vec![intruder.proof(deck, &key), intruder.proof(deck, &[0; 32])];
        let greeting = |early| Message::Greet {
            version: PROTOCOL_VERSION,
            name: "intruder".to_owned(),
            proofs: proofs.clone(),
            early,
        };
        if is_later {
            world.sim.say(intruder, &greeting(vec![]));
        }
        let sealed = vec![7; 100].into();
        world
            .sim
            .say(intruder, &greeting(vec![EarlyStatus { place, sealed }]));
        world.sim.run_for(SOON);
        match is_refused {
            true => world.assert_thrown_out(intruder, "is not sealed for it"),
            false => assert!(
                !world.sim.is_thrown_out(intruder),
                "place {place}, later: {is_later}"
            ),
        }
        world.assert_unharmed();
    }
}

#[test]
fn audio_is_served_to_those_who_share_its_deck_and_to_nobody_else() {
    let mut world = World::new(31, Some(Rights::Read));
    let laptop = world.laptop;
    // A second deck of the laptop's, of which mallory has heard the hash of a sound and nothing else.
    let secret = act(&mut world.sim, laptop, |core, now| {
        core.create_deck(now, "Secret").unwrap().value
    });
    let mut blobs = Vec::new();
    for (deck, byte) in [(world.deck, 1_u8), (secret, 2)] {
        let audio = world.sim.import_audio(laptop, &[byte; 5_000]).unwrap();
        blobs.push(audio.blob);
        act(&mut world.sim, laptop, |core, now| {
            core.edit(now, deck, |edit| {
                let card = edit.add_card("sound", "?")?;
                edit.attach_audio(&card, "front", audio)
            })
            .unwrap()
        });
    }
    let mallory = world.intrude();
    world.sim.run_for(SOON);
    for (transfer, blob) in (1..).zip(&blobs) {
        let (blob, first, count, size) = (*blob, 0, 1, 5_000);
        world.sim.say(
            mallory,
            &Message::Pull {
                transfer,
                blob,
                first,
                count,
                size,
            },
        );
    }
    world.sim.run_for(SOON);
    let lacks = world
        .sim
        .heard(mallory)
        .into_iter()
        .filter_map(|message| match message {
            Message::Lack { transfer } => Some(transfer),
            _ => None,
        });
    assert_eq!(
        lacks.collect::<Vec<_>>(),
        [2],
        "the shared deck's audio came, the other is not spoken of"
    );
}
