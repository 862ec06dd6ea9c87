//! Messages that are too large, out of bounds, damaged, repeated.

use cuecard::card::TextField;
use cuecard::core::Core;
use cuecard::id::{ChangeHash, TermId};
use cuecard::limits::SLICE_CHANGES_MAX;
use cuecard::sim::Sim;
use cuecard::sync::message::{DraftMark, Item, Message, Position};
use cuecard::transport::memory::Conditions;
use cuecard::transport::{DeviceKey, Lane};
use cuecard::{Member, Rights};
use std::time::Duration;

use super::world::*;

/// A part is four bytes on the wire, nothing when it repeats, and a hundred in memory.
#[test]
fn a_small_message_cannot_become_a_large_list() {
    let mut world = World::new(7, None);
    let deck = world.deck;
    let position = Position {
        term: TermId::from_bytes([9; 32]),
        len: 1,
        head: ChangeHash([9; 32]),
    };
    let lists = [
        Message::Entries {
            deck,
            items: vec![Item::Charter(vec![].into()); 500],
        },
        Message::Entries {
            deck,
            items: vec![Item::Changes {
                term: position.term,
                from: 1,
                changes: vec![vec![].into(); SLICE_CHANGES_MAX + 1],
                seal: vec![].into(),
                after: position.head,
            }],
        },
        Message::Status {
            deck,
            charter: None,
            locator: vec![position; 65],
            beside: NOTHING,
            changes: 0,
        },
    ];
    for message in lists {
        let intruder = world.intrude();
        world.sim.say(intruder, &message);
        let why = world.refusals();
        assert!(
            why.len() == 1 && why[0].contains("a list of more than"),
            "{why:?}"
        );
    }
    world.assert_unharmed();
}

#[test]
fn extreme_numbers_do_no_harm() {
    let mut world = World::new(9, Some(Rights::Draft));
    let (_, at) = world.document();
    let (deck, blob) = (world.deck, cuecard::BlobId::from_bytes([1; 32]));
    let extremes = [0, 1, 2, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
    for len in extremes {
        let held = Position { len, ..at };
        let stranger = Position {
            term: TermId::from_bytes([9; 32]),
            ..held
        };
        let number = u32::try_from(len).unwrap_or(u32::MAX);
        let intruder = world.intrude();
        let messages = [
            Message::Ack {
                deck,
                held,
                taken: u64::MAX,
                changes: 0,
            },
            Message::Ack {
                deck,
                held: stranger,
                taken: 0,
                changes: 0,
            },
            Message::Status {
                deck,
                charter: Some((number, number)),
                locator: vec![held, stranger],
                beside: NOTHING,
                changes: 0,
            },
            Message::DraftsHeld {
                deck,
                whole: len % 2 == 0,
                marks: vec![DraftMark {
                    draft: cuecard::DraftId::from_bytes([1; 32]),
                    version: number,
                    head: [2; 32],
                    withdrawn: number,
                }],
            },
            Message::Pull {
                transfer: number,
                blob,
                first: number,
                count: number,
                size: len,
            },
            Message::Lack { transfer: number },
            Message::Have { blob },
            Message::Entries {
                deck,
                items: vec![Item::Changes {
                    term: at.term,
                    from: len,
                    changes: vec![vec![].into()],
                    seal: vec![].into(),
                    after: at.head,
                }],
            },
        ];
        for message in messages {
            world.sim.say(intruder, &message);
            world.sim.run_for(Duration::from_secs(1));
        }
        for bytes in [vec![], vec![0; 7], vec![0xff; 8], vec![0xff; 65_528]] {
            world.sim.say_raw(intruder, Lane::Binary, bytes.into());
        }
        world.sim.run_for(SOON);
        world.refusals();
    }
    world.assert_unharmed();
}

/// Recorded messages of honest devices, damaged, cut short, mixed and repeated, by a member and by a stranger.
#[test]
fn damaged_and_replayed_messages_do_no_harm() {
    for seed in 100..106 {
        println!("seed {seed}");
        let mut world = World::new(seed, Some(Rights::Hold));
        let (laptop, deck, key) = (world.laptop, world.deck, world.deck_key);
        world.sim.record();
        let phone = world.sim.device("phone");
        act(&mut world.sim, phone, |core, now| core.join_deck(now, deck, key));
        world.sim.connect(laptop, phone, Conditions::PERFECT);
        let member = Member {
            device: world.sim.id(phone),
            rights: Rights::Hold,
            rank: 2,
        };
        let members = act(&mut world.sim, laptop, |core, _| core.members(deck).unwrap());
        act(&mut world.sim, laptop, |core, now| {
            let mut members = [members, vec![member]].concat();
            members.sort_by_key(|member| member.device);
            core.set_members(now, deck, members).unwrap()
        });
        world.sim.run_for(SOON);
        let draft = act(&mut world.sim, phone, |core, now| {
            core.open_draft(now, deck, "more").unwrap().value
        });
        act(&mut world.sim, phone, |core, now| {
            core.edit_draft(now, deck, draft, |edit| edit.add_card("drafted", "?"))
                .unwrap();
            core.propose_draft(now, deck, draft).unwrap()
        });
        world.sim.run_for(SOON);
        act(&mut world.sim, laptop, |core, now| {
            core.accept_draft(now, deck, draft).unwrap();
            let card = core.draft_cards(deck, draft).unwrap()[0].id.clone();
            core.edit(now, deck, |edit| edit.set_text(&card, TextField::Back, "uno!"))
                .unwrap()
        });
        let [declined, withdrawn] = ["no", "yes"].map(|front| {
            let open = |core: &mut Core, now| {
                let draft = core.open_draft(now, deck, front).unwrap().value;
                core.edit_draft(now, deck, draft, |edit| edit.add_card(front, "?"))
                    .unwrap();
                core.propose_draft(now, deck, draft).unwrap();
                draft
            };
            act(&mut world.sim, phone, open)
        });
        world.sim.run_for(SOON);
        act(&mut world.sim, laptop, |core, now| {
            core.decline_draft(now, deck, declined, "no").unwrap()
        });
        act(&mut world.sim, phone, |core, now| {
            core.withdraw_draft(now, deck, withdrawn).unwrap()
        });
        world.sim.run_for(SOON);
        let recorded: Vec<(Lane, bytes::Bytes)> = world.sim.recorded().to_vec();
        assert!(recorded.len() > 10);
        world.before = (world.sim.head(laptop, deck), world.sim.cards(laptop, deck));
        let mut intruder = world.intrude();
        for round in 0..1_500 {
            if world.sim.is_thrown_out(intruder) {
                if round % 2 == 0 {
                    world.mallory = DeviceKey::from_bytes(&[world.sim.random(200) as u8; 32]);
                }
                intruder = world.intrude();
            }
            let pick = world.sim.random(recorded.len() as u64) as usize;
            let (lane, original) = &recorded[pick];
            let bytes = mutate(&mut world.sim, original, &recorded);
            world.sim.say_raw(intruder, *lane, bytes.into());
            if round % 50 == 0 {
                world.sim.run_for(Duration::from_secs(1));
            }
        }
        world.sim.run_for(SOON);
        world.refusals();
        // Repeated proposals bring nothing back that is over.
        for info in world.sim.drafts(laptop, deck) {
            assert!(!info.state.is_proposed(), "seed {seed}: {info:?}");
        }
        world.assert_unharmed();
    }
}

fn mutate(sim: &mut Sim, original: &[u8], others: &[(Lane, bytes::Bytes)]) -> Vec<u8> {
    // Compressed messages would hide what is damaged behind a failing inflation: damage the plain form.
    let mut bytes = match cuecard::sync::envelope::open(original) {
        Ok(message) => {
            let mut plain = vec![0];
            plain.extend(minicbor::to_vec(&message).unwrap());
            plain
        }
        Err(_) => original.to_vec(),
    };
    let at = |sim: &mut Sim, bytes: &[u8]| sim.random(bytes.len() as u64) as usize;
    match sim.random(6) {
        0 => {}
        1 => {
            let end = at(sim, &bytes);
            bytes.truncate(end);
        }
        2 => {
            let (from, to) = (at(sim, &bytes), at(sim, &bytes));
            bytes.swap(from, to);
        }
        3 => {
            let other = &others[sim.random(others.len() as u64) as usize].1;
            let (from, to) = (at(sim, other), at(sim, &bytes));
            let run = 64.min(other.len() - from).min(bytes.len() - to);
            bytes[to..to + run].copy_from_slice(&other[from..from + run]);
        }
        _ => {
            for _ in 0..=sim.random(3) {
                let place = at(sim, &bytes);
                bytes[place] ^= 1 << sim.random(8);
            }
        }
    }
    bytes
}
