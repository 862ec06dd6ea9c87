//! Slices that are cut where no honest device cuts them: whoever takes one in has to be able to send it on.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use automerge::Change;
use cuecard::card::FieldValue;
use cuecard::limits::{LOG_READ_BYTES_MAX, SLICE_BYTES_MAX};
use cuecard::role::{self, Seal};
use cuecard::sync::message::{Item, Message};
use cuecard::transport::memory::Conditions;
use cuecard::{DraftState, Rights};

use super::authority::items;
use super::drafts::one;
use super::limits::large;
use super::world::*;

/// One that passes a deck on puts several slices together, and leaves the seals between them away. What is accepted there
/// would have no seal before it, and a slice has to begin with it.
#[test]
fn what_is_accepted_amid_a_slice_is_refused_as_nobody_could_send_it_on() {
    let mut world = World::new(171, Some(Rights::Draft));
    let (laptop, deck, key) = (world.laptop, world.deck, world.deck_key);
    let early = items(&mut world, laptop, deck);
    let after = world.sim.head(laptop, deck).unwrap();
    let draft = one(&mut world, 1);
    let intruder = world.intrude();
    world.sim.say(intruder, &Message::Propose { deck, draft });
    world.sim.run_for(SOON);
    for front in ["cuatro", "cinco"] {
        act(&mut world.sim, laptop, |core, now| {
            core.edit(now, deck, |edit| edit.add_card(front, "?")).unwrap()
        });
    }
    let drafts = world.sim.drafts(laptop, deck);
    assert_eq!(drafts[0].state, DraftState::Proposed);
    act(&mut world.sim, laptop, |core, now| {
        core.accept_draft(now, deck, drafts[0].draft).unwrap()
    });
    world.sim.run_for(SOON);
    let (mut all, mut last, mut accepted) = (Vec::new(), None, Vec::new());
    for item in items(&mut world, laptop, deck) {
        match item {
            Item::Changes {
                term, changes, seal, ..
            } => {
                all.extend(changes);
                last = Some((term, seal));
            }
            Item::Draft(_) => accepted.push(item),
            _ => {}
        }
    }
    let (term, seal) = last.expect("slices");
    assert_eq!(accepted.len(), 1);
    let known = early.iter().map(|item| match item {
        Item::Changes { changes, .. } => changes.len(),
        _ => 0,
    });
    let known: usize = known.sum();
    assert_eq!(known + 3, all.len());
    accepted.push(Item::Changes {
        term,
        from: known as u64 + 1,
        changes: all.split_off(known),
        seal,
        after,
    });
    let [phone, tablet] = ["phone", "tablet"].map(|name| world.sim.device(name));
    for peer in [phone, tablet] {
        act(&mut world.sim, peer, |core, now| core.join_deck(now, deck, key));
    }
    let at_phone = world.sim.intrude_with_key(phone, world.mallory.id(), deck, &key);
    for items in [early, accepted] {
        world.sim.say(at_phone, &Message::Entries { deck, items });
        world.sim.run_for(SOON);
    }
    world.sim.connect(laptop, phone, Conditions::PERFECT);
    world.sim.connect(phone, tablet, Conditions::PERFECT);
    let passed_on = world.sim.run_until("the tablet has all of it", SOON, |sim| {
        sim.head(tablet, deck) == sim.head(laptop, deck)
    });
    passed_on.unwrap_or_else(|stuck| panic!("{stuck}"));
    assert!(world.sim.is_thrown_out(at_phone));
}

/// As it lies in a log it is longer, and its one seal is at its end.
#[test]
fn one_as_long_as_it_may_be_can_be_sent_on() {
    let mut world = World::new(173, Some(Rights::Hold));
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let term = act(&mut world.sim, laptop, |core, now| {
        core.hand_over(now, deck, mallory.id()).unwrap().value
    });
    world.sim.run_for(SOON);
    let (mut document, _) = world.document();
    let (actor, after) = (role::actor_of_term(term), document.heads()[0]);
    let time = 1_750_000_000_000;
    let (mut changes, mut left) = (Vec::new(), SLICE_BYTES_MAX);
    for number in 0..17 {
        let committed = document
            .commit(&actor, time, &mut || [0; 10], |edit| large(edit, number))
            .unwrap();
        let change = committed.change.unwrap().bytes;
        left -= change.len();
        changes.push(change);
    }
    // The last one fills what is left, as nearly as it can.
    let mut size = left - 2_000;
    let last = (0..8).find_map(|_| {
        let mut tried = document.fork_at(document.heads()[0]).unwrap();
        let fill = |edit: &mut cuecard::Edit<'_>| {
            (0..=size / 4_000).try_for_each(|field| {
                let text = noise(field as u64, 4_000.min(size - field * 4_000));
                edit.set_deck_field(&format!("field {field}"), Some(FieldValue::Text(text)))
            })
        };
        let committed = tried.commit(&actor, time, &mut || [0; 10], fill).unwrap();
        let change = committed.change.unwrap();
        let bytes = change.bytes.len();
        if (left - 60..=left).contains(&bytes) {
            return Some(change);
        }
        size = size + left - 30 - bytes;
        None
    });
    let last = last.expect("one of that size");
    changes.push(last.bytes);
    // With what stands beside each in the log it is longer than a slice may be, and is read in one piece all the same.
    let bytes: usize = changes.iter().map(|change| change.len() + 16).sum();
    assert!((SLICE_BYTES_MAX..=LOG_READ_BYTES_MAX).contains(&bytes), "{bytes}");
    let (len, head) = (changes.len() as u64, last.hash);
    let seal = Seal { term, len, head }.sign(deck, &mallory).unwrap();
    let slice = Item::Changes {
        term,
        from: 1,
        changes: changes.into_iter().map(Into::into).collect(),
        seal: seal.encode().into(),
        after,
    };
    let intruder = world.intrude();
    world.entries(intruder, vec![slice]);
    assert_eq!(world.sim.head(laptop, deck), Some(head), "{:?}", world.refusals());
    let newcomer = world.sim.device("newcomer");
    let key = world.deck_key;
    act(&mut world.sim, newcomer, |core, now| {
        core.join_deck(now, deck, key)
    });
    world.sim.connect(laptop, newcomer, Conditions::PERFECT);
    let arrived = world.sim.run_until("all of it arrives", SOON, |sim| {
        sim.head(newcomer, deck) == Some(head)
    });
    arrived.unwrap_or_else(|stuck| panic!("{stuck}"));
}

/// One operation that is repeated 2^60 times, in the bytes that begin any other change.
fn without_end(before: &[u8]) -> Vec<u8> {
    let run = |what: &[u8]| [[0x80; 8].as_slice(), &[0x10], what].concat();
    // Keys that are texts, no insertion, puts, of nothing, in the place of nothing.
    let columns = [
        (21, run(b"\x01x")),
        (52, run(b"")),
        (66, run(&[1])),
        (86, run(&[0])),
        (112, run(&[0])),
    ];
    // No dependency, actor 07, seq 1, start 1, time 0, no message, no others.
    let mut body = vec![0, 1, 7, 1, 1, 0, 0, 0, columns.len() as u8];
    body.extend(
        columns
            .iter()
            .flat_map(|(column, data)| [*column, data.len() as u8]),
    );
    body.extend(columns.iter().flat_map(|(_, data)| data));
    [before, &[1, body.len() as u8], body.as_slice()].concat()
}

/// Whether a slice is held is asked before anybody vouches for it, of anybody that is linked: Automerge unfolds such bytes
/// as far as they say.
#[test]
fn what_begins_like_a_held_change_is_not_unfolded_to_see_whether_it_is_that() {
    let (done, is_done) = mpsc::channel();
    let attacks = move || {
        let mut world = World::new(175, None);
        let (laptop, deck, long) = (world.laptop, world.deck, "cuatro ".repeat(100));
        act(&mut world.sim, laptop, |core, now| {
            core.edit(now, deck, |edit| edit.add_card(&long, "?")).unwrap()
        });
        world.sim.run_for(SOON);
        world.before = (world.sim.head(laptop, deck), world.sim.cards(laptop, deck));
        let (document, at) = world.document();
        let honest = document.change_bytes(&at.head).unwrap();
        let deflated = Change::try_from(honest.as_slice()).unwrap().bytes().into_owned();
        assert_eq!((honest[8], deflated[8], &deflated[..8]), (1, 2, &honest[..8]));
        let mut say = |change: Vec<u8>| {
            let mut slice = known_slice(&document, at);
            if let Item::Changes { changes, .. } = &mut slice {
                *changes = vec![change.into()];
            }
            let intruder = world.intrude();
            world.entries(intruder, vec![slice]);
            (world.sim.is_thrown_out(intruder), world.refusals().len())
        };
        assert_eq!(say(honest.clone()), (false, 0), "it is held, and nobody is asked");
        assert_eq!(say(without_end(&honest[..8])), (true, 1));
        assert_eq!(
            say(deflated),
            (true, 1),
            "it was not read to see what it unfolds to"
        );
        world.assert_unharmed();
        done.send(()).unwrap();
    };
    let attacks = thread::spawn(attacks);
    if is_done.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("it is still at it, and nothing else of the engine goes on meanwhile");
    }
    attacks.join().unwrap();
}
