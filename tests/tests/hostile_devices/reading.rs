//! What a deck says to those who may not read it.

use cuecard::Rights;
use cuecard::sync::message::{Item, Message};

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
