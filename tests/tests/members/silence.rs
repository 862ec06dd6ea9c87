//! One that is no member learns nothing of a deck, not even that it is followed: what its link carries to it, counted and
//! measured, is the same whether it is or not.

use cuecard::DeviceId;
use cuecard::id::{BlobId, ChangeHash, DeckId, DraftId, TermId};
use cuecard::role::Cut;
use cuecard::sim::Peer;
use cuecard::sync::holdings::Digest;
use cuecard::sync::message::{DeckProof, DraftItem, Item, Message, PROTOCOL_VERSION, Position};
use cuecard::transport::{DeviceKey, Lane};

use super::world::*;

/// Everything that can be said of a deck, said by one that does not know its present key.
fn everything(deck: DeckId) -> Vec<Message> {
    let hash = [3; 32];
    let cut = Cut {
        len: 1,
        head: ChangeHash(hash),
    };
    let at = Position::new(TermId::from_bytes(hash), cut);
    let draft = DraftItem {
        record: vec![1].into(),
        changes: vec![],
    };
    vec![
        Message::Status {
            deck,
            charter: None,
            locator: vec![at],
            beside: Digest(hash),
            changes: 0,
        },
        Message::Entries {
            deck,
            items: vec![Item::Genesis(vec![1].into()), Item::Charter(vec![2].into())],
        },
        Message::Ack {
            deck,
            held: at,
            taken: 0,
            changes: 0,
        },
        Message::Propose { deck, draft },
        Message::DraftsHeld {
            deck,
            whole: true,
            marks: vec![],
        },
        Message::Withdraw {
            deck,
            record: vec![1].into(),
        },
        Message::Pull {
            transfer: 1,
            blob: BlobId::from_bytes(hash),
            first: 0,
            count: 1,
            size: 10,
        },
        Message::Have {
            blob: BlobId::from_bytes(hash),
        },
        Message::Holdings { deck, held: vec![] },
        Message::Branches {
            deck,
            items: vec![Item::Term(vec![1].into()), Item::Admit(vec![1].into())],
        },
        Message::NewKey {
            deck,
            proof: DeckProof([1; 16]),
            genesis: vec![1].into(),
            charters: vec![vec![1].into()],
            keys: vec![1].into(),
        },
        Message::Knock {
            deck,
            draft: true,
            signature: Some(vec![0; 64].into()),
        },
        Message::Word {
            deck,
            bytes: vec![1].into(),
        },
        Message::DraftRefused {
            deck,
            draft: DraftId::from_bytes(hash),
            why: cuecard::sync::message::DraftRefusal::MayNotPropose,
        },
    ]
}

/// What a link carried to the intruder: lanes and lengths; and whether it was ended.
type Seen = (Vec<(Lane, usize)>, bool);

/// Links as `device`, shows `key`, says everything there is to say of `deck`, and listens.
fn listen(world: &mut World, at: Peer, device: DeviceId, deck: DeckId, key: Option<[u8; 32]>) -> Seen {
    let intruder = match key {
        Some(key) => world.sim.intrude_with_key(at, device, deck, &key),
        None => world.sim.intrude(at, device),
    };
    world.sim.run_for(QUIET);
    for message in everything(deck) {
        world.sim.say(intruder, &message);
        world.sim.run_for(QUIET);
    }
    let heard = world.sim.overheard(intruder);
    for (_, bytes) in &heard {
        let names_deck = bytes.windows(32).any(|part| part == deck.as_bytes());
        assert!(!names_deck, "the deck is named");
    }
    let lengths = heard.iter().map(|(lane, bytes)| (*lane, bytes.len())).collect();
    (lengths, world.sim.is_thrown_out(intruder))
}

/// The same by a device that follows other decks and knows nothing of this one.
fn elsewhere(seed: u64, others: usize, device: DeviceId, deck: DeckId, key: Option<[u8; 32]>) -> Seen {
    let mut world = World::new(seed);
    let owner = world.owner;
    for _ in 0..others {
        world.act(owner, |core, now, _| core.create_deck(now, "another"));
    }
    world.sim.run_for(QUIET);
    listen(&mut world, owner, device, deck, key)
}

#[test]
fn a_stranger_cannot_tell_whether_a_deck_is_followed() {
    for seed in 0..8 {
        let mut world = World::new(seed);
        let (owner, deck) = (world.owner, world.deck);
        let stranger = DeviceKey::from_bytes(&[0x5a; 32]).id();
        for key in [None, Some([0; 32])] {
            let here = listen(&mut world, owner, stranger, deck, key);
            assert!(!here.1, "nothing of that is an offence");
            for others in [0, 1, 5] {
                let there = elsewhere(seed + 100, others, stranger, deck, key);
                assert_eq!(here, there, "seed {seed}, {others} other decks");
            }
        }
    }
}

#[test]
fn the_old_key_tells_nothing_once_it_was_turned_over() {
    for seed in 0..8 {
        let mut world = World::new(seed);
        let (owner, deck) = (world.owner, world.deck);
        let (ben, tom) = (world.holder("ben", 1), world.holder("tom", 2));
        let old = world.key(owner);
        let device = world.sim.id(ben);
        world.sim.crash(ben);
        world.remove(ben);
        world.add_card(owner, "secret");
        world.wait("tom has it", |world| world.in_sync(&[owner, tom]));
        world.sim.run_for(QUIET);
        // Ben himself, with the key that he has, and somebody else who got hold of it; at the owner's device and at tom's.
        for device in [device, DeviceKey::from_bytes(&[0x5a; 32]).id()] {
            let there = elsewhere(seed + 100, 0, device, deck, Some(old));
            for at in [owner, tom] {
                // Names are said to everybody, and these two differ in theirs.
                let shorter = "owner".len() - if at == tom { "tom".len() } else { "owner".len() };
                let (mut seen, ended) = listen(&mut world, at, device, deck, Some(old));
                for (_, length) in seen.iter_mut().take(1) {
                    *length += shorter;
                }
                assert_eq!((seen, ended), there, "seed {seed}");
            }
        }
        world.events(tom);
    }
}

/// A member who was away shows the same old key, and is told: so the test above does not pass for want of anything to hear.
#[test]
fn a_member_that_shows_the_old_key_is_sent_the_new_one() {
    let mut world = World::new(5);
    let (owner, deck) = (world.owner, world.deck);
    let (ben, tom) = (world.holder("ben", 1), world.holder("tom", 2));
    let (old, tom_id) = (world.key(owner), world.sim.id(tom));
    // Each has heard where the other stands.
    world.sim.run_for(QUIET);
    world.sim.crash(tom);
    world.remove(ben);
    world.sim.run_for(QUIET);
    let member = world.sim.intrude_with_key(owner, tom_id, deck, &old);
    let heard = world.sim.heard(member);
    assert!(
        heard
            .iter()
            .any(|message| matches!(message, Message::NewKey { .. })),
        "{heard:?}"
    );
    // But without having shown the old key, the device alone is not enough: that a deck is shared with it, and no more.
    let bare = world.sim.intrude(owner, tom_id);
    world.sim.run_for(QUIET);
    let heard = world.sim.heard(bare);
    let [Message::Greet { early, .. }] = &heard[..] else {
        panic!("{heard:?}")
    };
    let [said] = &early[..] else { panic!("{early:?}") };
    let names_it = |part: &[u8]| part == deck.as_bytes();
    assert!(
        !said.sealed.windows(32).any(names_it),
        "where the deck stands is sealed"
    );
    // Nor is one that is no member any more told that.
    let ben_id = world.sim.id(ben);
    let ended = world.sim.intrude(owner, ben_id);
    world.sim.run_for(QUIET);
    let heard = world.sim.heard(ended);
    assert!(
        matches!(&heard[..], [Message::Greet { early, .. }] if early.is_empty()),
        "{heard:?}"
    );
}

/// A deck that comes while a stranger is linked makes one greeting more, whichever deck it is; and of how many decks there are
/// the greetings show no more than whether 8, 16, 32 or 64 places are enough, and on one link not whether fewer have become.
#[test]
fn a_greeting_has_more_places_than_decks_and_shows_none() {
    let mut world = World::new(6);
    let owner = world.owner;
    let stranger = world.sim.intrude(owner, DeviceId::from_bytes([1; 32]));
    let mut last = None;
    for _ in 0..15 {
        let another = world.act(owner, |core, now, _| core.create_deck(now, "another"));
        last = Some(another.value);
    }
    let last = last.unwrap();
    for followed in [false, true] {
        world.act(owner, |core, now, _| core.set_followed(now, last, followed));
    }
    let proofs: Vec<Vec<DeckProof>> = world
        .sim
        .heard(stranger)
        .into_iter()
        .map(|message| match message {
            Message::Greet { version, proofs, .. } if version == PROTOCOL_VERSION => proofs,
            other => panic!("{other:?}"),
        })
        .collect();
    // With one deck, then with 2 to 16; one less, and again.
    let places: Vec<usize> = proofs.iter().map(Vec::len).collect();
    assert_eq!(
        places,
        [[8; 8], [16; 8]]
            .concat()
            .into_iter()
            .chain([16; 2])
            .collect::<Vec<_>>()
    );
    for (before, after) in proofs.iter().zip(&proofs[1..]) {
        assert!(after.is_sorted(), "where a proof stands says nothing");
        let kept = after.iter().filter(|proof| before.contains(proof)).count();
        // From 8 decks to 9 what was all proofs becomes part of a longer list.
        let expected = if before.len() == after.len() {
            after.len() - 1
        } else {
            8
        };
        assert_eq!(
            kept, expected,
            "one place is taken, and the others stay as they were"
        );
    }
}
