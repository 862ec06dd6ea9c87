//! Who may get a blob, and who is asked for one.

use cuecard::sim::{Intruder, Peer};
use cuecard::sync::message::Message;
use cuecard::transport::memory::Conditions;
use cuecard::transport::{DeviceKey, Lane};
use cuecard::{AudioPolicy, BlobId, DeckId, Member, Policies, Rights};

use crate::world::*;

const SIZE: u64 = 5_000;

fn pull(blob: BlobId, transfer: u32) -> Message {
    Message::Pull {
        transfer,
        blob,
        first: 0,
        count: 1,
        size: SIZE,
    }
}

/// What came of asking for a blob: frames, and messages.
fn answer(world: &mut World, intruder: Intruder, blob: BlobId, transfer: u32) -> Vec<(Lane, Vec<u8>)> {
    world.sim.run_for(SOON);
    world.sim.overheard(intruder);
    world.sim.say(intruder, &pull(blob, transfer));
    world.sim.run_for(SOON);
    let heard = world.sim.overheard(intruder).into_iter();
    heard
        .filter(|(_, bytes)| carries_audio(bytes))
        .map(|(lane, bytes)| (lane, bytes.to_vec()))
        .collect()
}

/// A second deck of the author's, with audio.
fn secret(world: &mut World) -> (DeckId, BlobId) {
    let author = world.author;
    let secret = act(&mut world.sim, author, |core, now| {
        core.create_deck(now, "Secret").unwrap().value
    });
    let audio = world.sim.import_audio(author, &sound(1, SIZE as usize)).unwrap();
    let blob = audio.blob;
    act(&mut world.sim, author, |core, now| {
        core.edit(now, secret, |edit| {
            let card = edit.add_card("secret", "?")?;
            edit.attach_audio(&card, "front", audio)
        })
        .unwrap()
    });
    (secret, blob)
}

fn is_frame(answer: &[(Lane, Vec<u8>)]) -> bool {
    answer.len() == 1 && answer[0].0 == Lane::Binary
}

#[test]
fn a_member_of_one_deck_gets_no_audio_of_another_and_cannot_tell_whether_there_is_any() {
    let mut world = World::new(1);
    let (_, named) = world.sounding("uno", &sound(2, SIZE as usize));
    let (_, hidden) = secret(&mut world);
    let key = DeviceKey::from_bytes(&[7; 32]);
    let mallory = world.intrude(world.author, &key);
    let author = world.author;
    assert!(is_frame(&answer(&mut world, mallory, named.blob, 1)));
    // Under one number, so that answers can be compared byte by byte.
    let of_hidden = answer(&mut world, mallory, hidden, 5);
    let of_nothing = answer(&mut world, mallory, BlobId::from_bytes([3; 32]), 5);
    assert_eq!(of_hidden, of_nothing);
    let Ok(Message::Lack { transfer: 5 }) = cuecard::sync::envelope::open(&of_hidden[0].1) else {
        panic!("{of_hidden:?}");
    };
    // At once in both cases: the answer does not wait for what is on the disk.
    for blob in [hidden, BlobId::from_bytes([3; 32])] {
        world.sim.say(mallory, &pull(blob, 6));
        assert_eq!(told(&mut world, mallory).len(), 1, "no time has passed");
    }
    assert!(world.sim.holds_audio(author, hidden));
    // Nor is it told of what becomes whole.
    world.sim.run_for(SOON);
    assert_eq!(told(&mut world, mallory), []);
}

#[test]
fn without_the_key_nothing_is_given() {
    let mut world = World::new(2);
    let (_, named) = world.sounding("uno", &sound(2, SIZE as usize));
    let (author, deck) = (world.author, world.deck);
    let key = DeviceKey::from_bytes(&[7; 32]);
    let mallory = world.intrude_on(author, &key, deck, &[0; 32]);
    let got = answer(&mut world, mallory, named.blob, 1);
    assert!(got.iter().all(|(lane, _)| *lane == Lane::Control), "{got:?}");
}

#[test]
fn one_who_was_removed_gets_nothing_more() {
    let mut world = World::new(3);
    let (_, named) = world.sounding("uno", &sound(2, SIZE as usize));
    let (author, deck) = (world.author, world.deck);
    let key = DeviceKey::from_bytes(&[7; 32]);
    let members = vec![Member {
        device: key.id(),
        rights: Rights::Read,
        rank: 1,
    }];
    act(&mut world.sim, author, |core, now| {
        core.set_members(now, deck, members).unwrap()
    });
    world.sim.run_for(SOON);
    let mallory = world.intrude(author, &key);
    assert!(is_frame(&answer(&mut world, mallory, named.blob, 1)));
    act(&mut world.sim, author, |core, now| {
        core.set_members(now, deck, vec![]).unwrap()
    });
    let got = answer(&mut world, mallory, named.blob, 2);
    assert!(got.iter().all(|(lane, _)| *lane == Lane::Control), "{got:?}");
}

#[test]
fn what_only_the_past_names_is_given_as_long_as_it_is_kept() {
    let mut world = World::new(4);
    let (card, before) = world.sounding("uno", &sound(2, SIZE as usize));
    world.attach(&card, &sound(3, SIZE as usize));
    world.sim.run_for(SOON);
    let (author, key) = (world.author, DeviceKey::from_bytes(&[7; 32]));
    for restart in [false, true] {
        if restart {
            world.sim.crash(author);
            world.sim.restart(author).unwrap();
        }
        let mallory = world.intrude(author, &key);
        assert!(
            is_frame(&answer(&mut world, mallory, before.blob, 1)),
            "restarted: {restart}"
        );
    }
    // A device that looks at the past asks for it.
    let viewer = world.follower("viewer");
    world.sim.connect(author, viewer, Conditions::PERFECT);
    world.sim.run_for(SOON);
    assert!(!world.sim.holds_audio(viewer, before.blob));
    let deck = world.deck;
    act(&mut world.sim, viewer, |core, now| {
        core.ask_for_audio(now, deck, &before).unwrap()
    });
    world.time_until_whole(viewer, before.blob, SOON);
}

#[test]
fn those_who_do_not_share_the_deck_are_not_asked() {
    let mut world = World::new(5);
    let (secret, blob) = secret(&mut world);
    let (author, viewer, deck) = (world.author, world.follower("viewer"), world.deck);
    let keys = act(&mut world.sim, author, |core, _| {
        [deck, secret].map(|deck| core.deck_key(deck).unwrap())
    });
    act(&mut world.sim, viewer, |core, now| {
        core.join_deck(now, secret, keys[1]);
        let audio = AudioPolicy::OnDemand;
        core.set_default_policies(Policies {
            audio,
            ..Policies::default()
        });
    });
    // The viewer knows the card of the secret deck, and not its audio.
    world.sim.connect(author, viewer, Conditions::PERFECT);
    world.sim.run_for(SOON);
    world.sim.crash(author);
    world.sim.run_for(SOON);
    act(&mut world.sim, viewer, |core, _| {
        core.set_policies(secret, Policies::default()).unwrap()
    });
    let key = DeviceKey::from_bytes(&[7; 32]);
    for (of, of_key, asked) in [(deck, keys[0], 0), (secret, keys[1], 1)] {
        let other = world.intrude_on(viewer, &key, of, &of_key);
        world.sim.run_for(SOON);
        let pulls = world.pulls(other);
        assert_eq!(
            pulls.iter().filter(|pull| pull.blob == blob).count().min(1),
            asked,
            "{pulls:?}"
        );
    }
}

#[test]
fn the_editor_hears_a_draft_before_it_decides_on_it() {
    let mut world = World::new(6);
    let (author, deck) = (world.author, world.deck);
    let card = world.card("uno");
    let writer = world.follower("writer");
    let members = vec![Member {
        device: world.sim.id(writer),
        rights: Rights::Draft,
        rank: 1,
    }];
    act(&mut world.sim, author, |core, now| {
        core.set_members(now, deck, members).unwrap()
    });
    let other = world.follower("other");
    let cables = |world: &mut World, peer: Peer| world.sim.connect(author, peer, Conditions::PERFECT);
    cables(&mut world, writer);
    cables(&mut world, other);
    world.sim.run_for(SOON);
    let audio = world.sim.import_audio(writer, &sound(6, 70_000)).unwrap();
    let blob = audio.blob;
    act(&mut world.sim, writer, |core, now| {
        let draft = core.open_draft(now, deck, "better").unwrap().value;
        core.edit_draft(now, deck, draft, |edit| edit.attach_audio(&card, "front", audio))
            .unwrap();
        core.propose_draft(now, deck, draft).unwrap();
    });
    world.time_until_whole(author, blob, SOON);
    world.sim.run_for(SOON);
    assert!(
        world.sim.cards(author, deck)[0].audio.is_empty(),
        "nothing is accepted"
    );
    assert!(
        !world.sim.holds_audio(other, blob),
        "who does not decide has time"
    );
}
