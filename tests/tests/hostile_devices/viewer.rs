//! A viewer whose engine was modified says every message there is, falsely: nothing of the deck changes by it, neither with
//! the editor nor with another viewer, and both go on. One table of lies; a message without one fails the test.

use std::collections::BTreeSet;

use cuecard::core::Core;
use cuecard::id::{ChangeHash, TermId};
use cuecard::role::{
    Admit, Cause, Charter, Cut, DeckKey, Playing, Presence, Says, Seal, Shown, Signed, Term, Track,
    Withdrawal, Word, WrappedKeys,
};
use cuecard::sim::Peer;
use cuecard::sync::clock::Offset;
use cuecard::sync::holdings::{Digest, Holding};
use cuecard::sync::message::{
    DeckProof, DeckPulse, Device, DraftMark, Item, Message, PROTOCOL_VERSION, Position,
};
use cuecard::transport::Lane;
use cuecard::{BlobId, DraftId, DraftRefusal, Event, Rights};
use cuecard_tests::messages::names;
use std::time::Duration;

use super::authority::{charter_of, items, phone, sealed};
use super::purposes::signed_for;
use super::world::*;

/// What of a deck a viewer must not be able to change: with the drafts, where it may not even offer any.
fn stand(world: &mut World, peer: Peer, with_drafts: bool) -> String {
    let deck = world.deck;
    let (head, cards) = (world.sim.head(peer, deck), world.sim.cards(peer, deck));
    let (role, owner) = (world.sim.role(peer, deck), world.sim.owner(peer, deck));
    let read = |core: &mut Core, _| {
        let members = core.members(deck).unwrap();
        let drafts = with_drafts.then(|| core.drafts(deck).unwrap());
        format!("{members:?} {drafts:?} {:?}", core.deck_key(deck).unwrap())
    };
    let rest = act(&mut world.sim, peer, read);
    format!("{head:?} {cards:?} {role:?} {owner:?} {rest}")
}

/// What would change, were a message of this kind believed. One that is new does not compile until somebody has thought of it.
const fn at_stake(message: &Message) -> &'static str {
    match message {
        Message::Entries { .. } | Message::Branches { .. } => "the deck, its role and its members",
        Message::Propose { .. }
        | Message::Withdraw { .. }
        | Message::DraftsHeld { .. }
        | Message::DraftRefused { .. } => "drafts",
        Message::Greet { .. } | Message::NewKey { .. } | Message::Knock { .. } => "who reads",
        Message::Word { .. } | Message::Doubt { .. } => "the role",
        Message::Presence { .. } | Message::Playback { .. } => "what is shown and heard",
        Message::Status { .. }
        | Message::Ack { .. }
        | Message::Holdings { .. }
        | Message::Whence { .. }
        | Message::Lineage { .. }
        | Message::Ping { .. }
        | Message::Pong { .. } => "what others are believed to have",
        Message::Pull { .. } | Message::Lack { .. } | Message::Have { .. } => "audio",
    }
}

/// What mallory says, to the editor and to the phone.
fn lies(world: &mut World, phone: Peer) -> Vec<Message> {
    let (deck, key) = (world.deck, world.mallory.clone());
    let (laptop_id, phone_id, me) = (world.sim.id(world.laptop), world.sim.id(phone), key.id());
    let theirs = items(world, phone, deck);
    let (document, at) = world.document();
    let nowhere = Position {
        term: TermId::from_bytes([9; 32]),
        len: 3,
        head: ChangeHash([9; 32]),
    };
    let (ahead, beside_it) = (
        Position {
            len: at.len + 5,
            ..at
        },
        Position {
            head: nowhere.head,
            ..at
        },
    );
    let end = Cut {
        len: at.len,
        head: at.head,
    };

    // Parts of the deck that mallory made itself.
    let mut branch = document.fork_at(at.head).unwrap();
    let place = (at.term, at.len + 1);
    let mut parts = vec![sealed(world, &mut branch, place, "mine", 1_750_000_000_000, &key)];
    let mut unsealed = parts[0].clone();
    if let Item::Changes { seal, .. } = &mut unsealed {
        *seal = vec![].into();
    }
    parts.push(unsealed);
    for cause in [Cause::Claim, Cause::Handover, Cause::Release] {
        let holder = (cause != Cause::Release).then_some(me);
        let term = Term {
            deck,
            parent: at.term,
            cause,
            cut: end,
            holder,
            nonce: [1; 16],
            signer: me,
        };
        parts.push(Item::Term(term.sign(&key).unwrap().encode().into()));
    }
    let genuine = Signed::<Charter>::decode(&charter_of(&theirs)).unwrap();
    let mut charter = genuine.claimed().clone();
    (charter.count, charter.owner) = (charter.count + 1, me);
    let charter = charter.sign(&key).unwrap().encode();
    parts.push(Item::Charter(charter.clone().into()));
    let admit = Admit {
        deck,
        epoch: genuine.claimed().key_epoch.number,
        device: me,
        rights: Rights::Draft,
        signer: me,
    };
    parts.push(Item::Admit(admit.sign(&key).unwrap().encode().into()));
    let seal = Seal {
        term: at.term,
        len: ahead.len,
        head: ahead.head,
    };
    parts.push(Item::Seal(seal.sign(deck, &key).unwrap().encode().into()));
    let (change, head) = drafted(world, &document, [4; 16], "mine");
    let draft = draft_item(world, at.head, [4; 16], head, vec![change]);
    parts.push(Item::Draft(draft.clone()));

    let mut lies: Vec<Message> = Vec::new();
    for item in parts {
        let items = vec![item];
        let branches = items.clone();
        lies.push(Message::Entries { deck, items });
        lies.push(Message::Branches {
            deck,
            items: branches,
        });
    }
    lies.push(Message::Propose { deck, draft });

    for term in [at.term, nowhere.term] {
        lies.push(Message::Whence { deck, term });
        let claim = Term {
            deck,
            parent: at.term,
            cause: Cause::Claim,
            cut: end,
            holder: Some(me),
            nonce: [2; 16],
            signer: me,
        };
        let terms = vec![claim.sign(&key).unwrap().encode().into(); 3];
        lies.push(Message::Lineage { deck, term, terms });
    }

    // Words, signed by mallory, and in the editor's name.
    let says = [
        Says::Request {
            note: "mine".to_owned(),
        },
        Says::Denial {
            to: phone_id,
            request: [1; 32],
            reason: "no".to_owned(),
        },
        Says::Beat {
            number: u64::MAX,
            interval_ms: 100,
            end: Cut {
                len: ahead.len,
                ..end
            },
            asks: true,
        },
        Says::Echo { beat: [1; 32] },
        Says::Question,
        Says::Answer {
            question: [1; 32],
            hears: false,
            seal: vec![],
        },
    ];
    for says in says {
        let word = Word {
            deck,
            term: at.term,
            nonce: [1; 16],
            signer: me,
            says,
        };
        let bytes = word.clone().sign(&key).unwrap().encode().into();
        lies.push(Message::Word { deck, bytes });
        let owner = world.sim.key(world.laptop).unwrap();
        let forged = Word {
            signer: laptop_id,
            ..word
        }
        .sign(&owner)
        .unwrap();
        let bytes = signed_for(&forged, "cuecard word", deck, &key).into();
        lies.push(Message::Word { deck, bytes });
    }
    for author in [me, phone_id] {
        let withdrawal = Withdrawal {
            deck,
            author,
            nonce: [4; 16],
            version: 9,
            signed_ms: 1,
        };
        let theirs = world.sim.key(phone).unwrap();
        let signer = if author == me { &key } else { &theirs };
        let record = withdrawal.sign(signer).unwrap();
        let record = signed_for(&record, "cuecard draft withdrawal", deck, &key).into();
        lies.push(Message::Withdraw { deck, record });
    }
    let wrapped = WrappedKeys::wrap(
        deck,
        1,
        &DeckKey::from_bytes([7; 32]),
        &[3; 32].into(),
        [me, laptop_id, phone_id],
    );
    let mut turned = genuine.claimed().clone();
    turned.count += 1;
    turned.key_epoch = wrapped.epoch();
    let genesis = theirs.iter().find_map(|item| match item {
        Item::Genesis(bytes) => Some(bytes.clone()),
        _ => None,
    });
    for by in [me, laptop_id] {
        let owner = world.sim.key(world.laptop).unwrap();
        let signer = if by == me { &key } else { &owner };
        let record = Charter {
            owner: by,
            ..turned.clone()
        }
        .sign(signer)
        .unwrap();
        let forged = signed_for(&record, "cuecard charter", deck, &key);
        lies.push(Message::NewKey {
            deck,
            // Said anew for each link; see `falsely`.
            proof: DeckProof([0; 16]),
            genesis: genesis.clone().expect("a genesis"),
            charters: vec![charter_of(&theirs).into(), forged.into()],
            keys: wrapped.encode().into(),
        });
    }

    let (changes, beside) = (u64::MAX, Digest([5; 32]));
    for held in [ahead, beside_it, nowhere] {
        lies.push(Message::Status {
            deck,
            charter: Some((9, 9)),
            locator: vec![held],
            beside,
            changes,
        });
        lies.push(Message::Ack {
            deck,
            held,
            taken: 1_000,
            changes,
        });
        let decks = vec![DeckPulse {
            deck,
            held,
            beside,
            changes,
        }];
        lies.push(Message::Ping { number: 1, decks });
        let held = vec![Holding::Line(held), Holding::Seal(held), Holding::Record([5; 32])];
        lies.push(Message::Holdings { deck, held });
    }
    lies.push(Message::Greet {
        version: PROTOCOL_VERSION,
        name: "laptop".to_owned(),
        proofs: vec![DeckProof([1; 16])],
        early: vec![],
    });
    let draft = DraftId::from_bytes([1; 32]);
    let (version, withdrawn) = (u32::MAX, u32::MAX);
    let marks = vec![DraftMark {
        draft,
        version,
        head: [1; 32],
        withdrawn,
    }];
    lies.push(Message::DraftsHeld {
        deck,
        whole: true,
        marks,
    });
    lies.push(Message::DraftRefused {
        deck,
        draft,
        why: DraftRefusal::Rewritten,
    });
    lies.push(Message::Knock {
        deck,
        draft: true,
        signature: Some(key.sign(b"let me in").to_vec().into()),
    });
    lies.push(Message::Pong {
        number: 1,
        at_ms: u64::MAX,
    });
    let devices = vec![Device::from(laptop_id), Device::from(phone_id)];
    lies.push(Message::Doubt { deck, devices });
    let presence = Some(Presence {
        name: "laptop".to_owned(),
        ..Presence::default()
    });
    let shown = Shown {
        deck,
        signer: me,
        sequence: u64::MAX,
        presence,
    };
    lies.push(Message::Presence {
        deck,
        bytes: shown.sign(&key).unwrap().encode().into(),
    });
    let track = Track {
        card: world.before.1[0].id.clone(),
        slot: "front".to_owned(),
        blob: BlobId::from_bytes([3; 32]),
        length_ms: 0,
        position_ms: 0,
        start_at_ms: 1,
        is_playing: true,
    };
    let playing = Playing {
        deck,
        term: at.term,
        signer: me,
        sequence: 9,
        said_ms: 1,
        track: Some(track),
    };
    let (bytes, clock) = (playing.sign(&key).unwrap().encode().into(), Some(Offset::NONE));
    lies.push(Message::Playback { deck, bytes, clock });
    let blob = BlobId::from_bytes([3; 32]);
    lies.push(Message::Pull {
        transfer: 0,
        blob,
        first: 0,
        count: u32::MAX,
        size: u64::MAX,
    });
    lies.push(Message::Lack { transfer: 0 });
    lies.push(Message::Have { blob });
    lies
}

/// Says one of them on a link of its own, and a frame of audio that nobody asked for. Whether that ended the link.
fn falsely(world: &mut World, to: Peer, lie: &Message) -> bool {
    let (device, deck, key) = (world.mallory.id(), world.deck, world.deck_key);
    let intruder = world.sim.intrude_with_key(to, device, deck, &key);
    let mut lie = lie.clone();
    if let Message::NewKey { proof, .. } = &mut lie {
        *proof = intruder.proof(deck, &key);
    }
    world.sim.say(intruder, &lie);
    world.sim.say_raw(intruder, Lane::Binary, vec![0; 200].into());
    world.sim.run_for(Duration::from_secs(1));
    let thrown_out = world.sim.is_thrown_out(intruder);
    world.sim.leave(intruder);
    thrown_out
}

#[test]
fn no_message_of_a_viewer_changes_a_deck() {
    for rights in [Rights::Read, Rights::Draft] {
        let mut world = World::new(90, Some(rights));
        let phone = phone(&mut world);
        let peers = [world.laptop, phone];
        let lies = lies(&mut world, phone);
        let said: BTreeSet<&str> = lies.iter().map(Message::name).collect();
        assert_eq!(said, names(), "every message of the page is lied with");
        let stakes: BTreeSet<&str> = lies.iter().map(at_stake).collect();
        assert_eq!(stakes.len(), 7, "{stakes:?}");
        let with_drafts = rights == Rights::Read;
        let before = peers.map(|peer| stand(&mut world, peer, with_drafts));
        let mut thrown_out = 0;
        for lie in &lies {
            for peer in peers {
                thrown_out += u32::from(falsely(&mut world, peer, lie));
            }
            let after = peers.map(|peer| stand(&mut world, peer, with_drafts));
            assert_eq!(after, before, "{rights:?}: {lie:?}");
        }
        // Some lies are seen to be none that an honest device tells.
        assert!(thrown_out >= 20, "{thrown_out}");
        world.sim.run_for(SOON);
        for peer in peers {
            let told = world.sim.take_events(peer);
            let is_harm = |event: &&Event| {
                matches!(
                    event,
                    Event::Changed { .. }
                        | Event::RoleMoved { .. }
                        | Event::KeyTurned { .. }
                        | Event::PlaybackChanged { .. }
                        | Event::DeckBroken { .. }
                        | Event::StoreFailed { .. }
                )
            };
            assert_eq!(told.iter().find(is_harm), None, "{rights:?}");
        }
        if with_drafts {
            super::authority::assert_unharmed(&mut world, phone);
        }
    }
}

/// The other lane: frames that are none, of other questions, of other places, of other bytes; from one who was asked, and to the
/// editor, who asked nobody.
#[test]
fn no_frame_of_a_viewer_changes_a_deck_or_its_audio() {
    let mut world = World::new(91, Some(Rights::Read));
    let phone = phone(&mut world);
    let (laptop, deck, card) = (world.laptop, world.deck, world.before.1[0].id.clone());
    // The editor does not answer for now.
    world
        .sim
        .swallow(laptop, phone, |message| matches!(message, Message::Pull { .. }));
    let sound: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
    let audio = world.sim.import_audio(laptop, &sound).unwrap();
    let blob = audio.blob;
    act(&mut world.sim, laptop, |core, now| {
        core.edit(now, deck, |edit| edit.attach_audio(&card, "front", audio))
            .unwrap()
    });
    world.sim.run_for(SOON);
    world.before = (world.sim.head(laptop, deck), world.sim.cards(laptop, deck));
    let peers = [laptop, phone];
    let before = peers.map(|peer| stand(&mut world, peer, true));
    for peer in peers {
        world.sim.take_events(peer);
    }
    let (_, at) = world.document();
    let group = |first: u32| first.to_le_bytes().to_vec();
    type Frame<'a> = Box<dyn Fn(u32, u32) -> Vec<u8> + 'a>;
    let with = |transfer: u32, first: u32, bytes: &[u8]| {
        [&transfer.to_le_bytes()[..], &group(first), bytes].concat()
    };
    let frames: Vec<(&str, Frame<'_>)> = vec![
        ("nothing", Box::new(|_, _| vec![])),
        (
            "half a header",
            Box::new(|transfer, _| transfer.to_le_bytes().to_vec()),
        ),
        ("a header", Box::new(|transfer, first| with(transfer, first, &[]))),
        ("a byte", Box::new(|transfer, first| with(transfer, first, &[7]))),
        (
            "the bytes, unproven",
            Box::new(|transfer, first| with(transfer, first, &sound)),
        ),
        (
            "other bytes",
            Box::new(|transfer, first| with(transfer, first, &[7; 20_000])),
        ),
        (
            "too many",
            Box::new(|transfer, first| with(transfer, first, &[7; 65_000])),
        ),
        (
            "another place",
            Box::new(|transfer, first| with(transfer, first + 3, &[7; 20_000])),
        ),
        (
            "no place",
            Box::new(|transfer, _| with(transfer, u32::MAX, &[7; 20_000])),
        ),
        (
            "another question",
            Box::new(|transfer, first| with(transfer + 1, first, &[7; 20_000])),
        ),
        (
            "no question",
            Box::new(|_, first| with(u32::MAX, first, &[7; 20_000])),
        ),
    ];
    let (mut asked, key) = (0, world.deck_key);
    for (number, (what, frame)) in (0_u8..).zip(&frames) {
        // Who lies is not asked again for a while, so it is another one each time.
        let device = cuecard::transport::DeviceKey::from_bytes(&[number ^ 0xa5; 32]).id();
        for peer in peers {
            let intruder = world.sim.intrude_with_key(peer, device, deck, &key);
            let status = Message::Status {
                deck,
                charter: Some((0, 0)),
                locator: vec![at],
                beside: NOTHING,
                changes: 1,
            };
            world.sim.say(intruder, &status);
            world.sim.say(intruder, &Message::Have { blob });
            world.sim.say_raw(intruder, Lane::Binary, frame(0, 0).into());
            world.sim.run_for(Duration::from_millis(500));
            for message in world.sim.heard(intruder) {
                if let Message::Pull { transfer, first, .. } = message {
                    asked += 1;
                    world
                        .sim
                        .say_raw(intruder, Lane::Binary, frame(transfer, first).into());
                }
            }
            world.sim.run_for(Duration::from_secs(1));
            world.sim.leave(intruder);
        }
        assert!(!world.sim.holds_audio(phone, blob), "{what}");
        let after = peers.map(|peer| stand(&mut world, peer, true));
        assert_eq!(after, before, "{what}");
    }
    assert!(asked >= frames.len(), "each was asked: {asked}");
    for peer in peers {
        let told = world.sim.take_events(peer);
        let is_harm = |event: &&Event| {
            matches!(
                event,
                Event::Changed { .. } | Event::DeckBroken { .. } | Event::StoreFailed { .. }
            )
        };
        assert_eq!(told.iter().find(is_harm), None);
    }
    assert!(world.sim.holds_audio(laptop, blob), "the editor's is whole");
    world.sim.swallow(laptop, phone, |_| false);
    // One that did not answer for long is left alone for a minute at the most.
    let has_it = |sim: &cuecard::sim::Sim| sim.holds_audio(phone, blob);
    world
        .sim
        .run_until("the phone has it from there", 5 * SOON, has_it)
        .unwrap();
    super::authority::assert_unharmed(&mut world, phone);
}
