//! What a device that merely has the deck's key makes others spend: each of these was little work for who sent it, and much
//! for all others.

use std::time::Duration;

use cuecard::core::CompactWhen;
use cuecard::document::Document;
use cuecard::id::ChangeHash;
use cuecard::limits::{NAMES_OF_OTHERS_MAX, SEALS_ASIDE_PER_MEMBER_MAX};
use cuecard::role::{self, Cut, Draft, Seal};
use cuecard::sim::Intruder;
use cuecard::sync::message::{DraftItem, Item, Message, PROTOCOL_VERSION, Position};
use cuecard::transport::DeviceKey;
use cuecard::{DraftId, Event, LateWhy, TermId};

use super::authority::{phone, sealed, slice_of};
use super::beside::claim;
use super::limits::large;
use super::world::*;

const AT: u64 = 1_750_000_000_000;

fn say(world: &mut World, intruder: Intruder, items: Vec<Item>) {
    let deck = world.deck;
    world.sim.say(intruder, &Message::Branches { deck, items });
}

/// Small drafts, accepted in a claim that counts for nothing; then each of them again, as long as a draft may be: what is
/// known of a draft is no room for the rest of it.
#[test]
fn drafts_that_grow_beside_the_path_end_at_the_quota_of_bytes() {
    let mut world = World::new(201, None);
    let (document, Position { term, len, head }) = world.document();
    let (laptop, mallory) = (world.laptop, world.mallory.clone());
    let cut = Cut { len, head };
    let (short, first) = claim(&world, term, cut, &mallory, 1);
    let (long, second) = claim(&world, term, cut, &mallory, 2);
    let intruder = world.intrude();
    say(&mut world, intruder, vec![first, second]);
    let mut lines = [short, long].map(|term| (term, document.fork_at(head).unwrap()));
    let mut grown = Vec::new();
    let most = 40_u64;
    for number in 1..=most {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&number.to_le_bytes());
        let mut branch = document.fork_at(head).unwrap();
        let (change, drafted) = drafted_onto(&world, &mut branch, nonce, &format!("drafted {number}"));
        let draft = draft_item(&world, head, nonce, drafted, vec![change.clone()]);
        let (term, line) = &mut lines[0];
        let previous = line.heads()[0];
        line.restore_more([change.as_slice()]).unwrap();
        let id = role::draft_id(world.deck, mallory.id(), nonce);
        let slice = accepted_after(&world, line, (*term, number), (id, drafted), previous);
        say(&mut world, intruder, vec![Item::Draft(draft), slice]);
        grown.push((id, nonce, branch, vec![change]));
    }
    world.sim.run_for(SOON);
    assert!(!world.sim.is_thrown_out(intruder), "{:?}", world.refusals());
    let mut sent = 0;
    for (number, (id, nonce, mut branch, mut changes)) in (1..).zip(grown) {
        let actor = role::actor_of_draft(world.deck, mallory.id(), nonce);
        for part in 0..4_u64 {
            let committed = branch.commit(&actor, AT, &mut || [part as u8; 10], |edit| {
                large(edit, number * 10 + part)
            });
            changes.push(committed.unwrap().change.unwrap().bytes);
        }
        let drafted = branch.heads()[0];
        let record = Draft {
            deck: world.deck,
            base: head,
            author: mallory.id(),
            nonce,
            version: 2,
            signed_ms: AT,
            len: changes.len() as u64,
            head: drafted,
            note: String::new(),
        };
        let draft = DraftItem {
            record: record.sign(&mallory).unwrap().encode().into(),
            changes: changes.iter().cloned().map(Into::into).collect(),
        };
        let (term, line) = &mut lines[1];
        let previous = line.heads()[0];
        line.restore_more(changes.iter().map(Vec::as_slice)).unwrap();
        let slice = accepted_after(&world, line, (*term, number), (id, drafted), previous);
        say(&mut world, intruder, vec![Item::Draft(draft), slice]);
        world.sim.run_for(std::time::Duration::from_millis(100));
        if world.sim.is_thrown_out(intruder) {
            break;
        }
        sent = number;
    }
    let told = world.sim.take_events(laptop);
    let is_named = |event: &Event| matches!(event, Event::Refused { why, .. } if why.contains("more drafts that are not part of the deck"));
    assert!(told.iter().any(is_named), "{sent} of {most}: {told:#?}");
    assert!((10..most).contains(&sent), "{sent}");
    world.assert_unharmed();
}

/// A draft by nobody, which nobody's claim accepted, is no proposal: an app is not to show it among them.
#[test]
fn a_draft_that_came_beside_the_path_and_that_its_author_may_not_propose_is_not_listed() {
    let mut world = World::new(206, None);
    let (document, Position { term, len, head }) = world.document();
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let (claimed, item) = claim(&world, term, Cut { len, head }, &mallory, 1);
    let (change, drafted) = drafted(&world, &document, [1; 16], "drafted");
    let draft = draft_item(&world, head, [1; 16], drafted, vec![change.clone()]);
    let mut line = document.fork_at(head).unwrap();
    line.restore_more([change.as_slice()]).unwrap();
    let id = role::draft_id(deck, mallory.id(), [1; 16]);
    let slice = accepted_after(&world, &mut line, (claimed, 1), (id, drafted), head);
    let intruder = world.intrude();
    say(&mut world, intruder, vec![item, Item::Draft(draft), slice]);
    world.sim.run_for(SOON);
    assert_eq!(world.sim.late_work_left(laptop, deck).len(), 1, "it is held");
    assert_eq!(world.sim.drafts(laptop, deck), vec![]);
    world.sim.take_events(laptop);
    world.assert_unharmed();
}

/// A slice of one change, the acceptance of a draft.
fn accepted_after(
    world: &World,
    line: &mut Document,
    (term, number): (TermId, u64),
    (draft, head): (DraftId, ChangeHash),
    after: ChangeHash,
) -> Item {
    let actor = role::actor_of_term(term);
    let accepted = line.accept_draft(&actor, AT, draft, after, head).unwrap();
    slice_of(world, (term, number), accepted, after, &world.mallory)
}

/// A branch is dear: the document as it was at its first change. Slices of three claims by turns accept a draft that rests on
/// what nobody has: that is early, and no offence, so it can be said without end.
#[test]
fn what_can_never_fit_builds_no_branch() {
    let mut world = World::new(202, None);
    let (document, Position { term, len, head }) = world.document();
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let intruder = world.intrude();
    let mut slices = Vec::new();
    for number in 1..=3_u8 {
        let (claimed, item) = claim(&world, term, Cut { len, head }, &mallory, number);
        say(&mut world, intruder, vec![item]);
        // Each stands somewhere else.
        let mut line = document.fork_at(head).unwrap();
        let front = format!("beside {number}");
        let change = sealed(&world, &mut line, (claimed, 1), &front, AT, &mallory);
        say(&mut world, intruder, vec![change]);
        let mut elsewhere = line.fork_at(line.heads()[0]).unwrap();
        let actor = role::actor_of_term(TermId::from_bytes([number; 32]));
        let base = elsewhere
            .commit(&actor, AT, &mut || [7; 10], |edit| edit.add_card("nowhere", "?"))
            .unwrap();
        let base = base.change.unwrap();
        let (change, drafted) = drafted_onto(&world, &mut elsewhere, [number; 16], "drafted");
        let draft = draft_item(&world, base.hash, [number; 16], drafted, vec![change.clone()]);
        let previous = line.heads()[0];
        line.restore_more([base.bytes.as_slice(), change.as_slice()])
            .unwrap();
        let id = role::draft_id(deck, mallory.id(), [number; 16]);
        let slice = accepted_after(&world, &mut line, (claimed, 2), (id, drafted), previous);
        slices.push(vec![Item::Draft(draft), slice]);
    }
    world.sim.run_for(SOON);
    let before = world.sim.branches_built(laptop, deck).unwrap();
    for at in 0..99 {
        let items = slices[at % 3].clone();
        say(&mut world, intruder, items);
    }
    world.sim.run_for(SOON);
    let built = world.sim.branches_built(laptop, deck).unwrap() - before;
    assert!(!world.sim.is_thrown_out(intruder), "it is early, and no offence");
    assert_eq!(built, 0, "{built} branches were built");
    world.refusals();
    world.assert_unharmed();
}

/// Seals over what nobody has are small, and who is linked is told of all that is held beside the path whenever that changes.
#[test]
fn a_flood_of_seals_over_nothing_is_refused_by_name_and_costs_others_little() {
    let mut world = World::new(203, None);
    let phone = phone(&mut world);
    let (_, Position { term, len, head }) = world.document();
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let before = world.sim.sent_bytes(laptop, phone);
    let intruder = world.intrude();
    let (mut said, mut seals) = (0, 0);
    'all: for number in 1..=32_u8 {
        let (claimed, item) = claim(&world, term, Cut { len, head }, &mallory, number);
        say(&mut world, intruder, vec![item]);
        for seal in 0..63_u8 {
            let (len, head) = (1_000 + u64::from(seal), ChangeHash([seal; 32]));
            let seal = Seal {
                term: claimed,
                len,
                head,
            }
            .sign(deck, &mallory)
            .unwrap();
            let bytes = seal.encode();
            said += bytes.len();
            seals += 1;
            say(&mut world, intruder, vec![Item::Seal(bytes.into())]);
            world.sim.run_for(std::time::Duration::from_millis(2));
            if world.sim.is_thrown_out(intruder) {
                break 'all;
            }
        }
    }
    let told = world.sim.take_events(laptop);
    let is_named = |event: &Event| matches!(event, Event::Refused { why, .. } if why.contains("more seals that are not part of the deck"));
    world.sim.run_for(SOON);
    let sent = world.sim.sent_bytes(laptop, phone) - before;
    assert!(told.iter().any(is_named), "{said} bytes cost {sent}: {told:#?}");
    assert!(sent < 1024 * 1024, "{sent} bytes for {said}");
    assert_eq!(
        seals,
        SEALS_ASIDE_PER_MEMBER_MAX + 1,
        "the first that found no room"
    );
    world.assert_unharmed();
}

/// What a stranger writes into a claim of its own grows by small pieces. It is one thing to be told of, and not as many.
#[test]
fn a_line_that_may_not_count_is_told_of_once() {
    let mut world = World::new(204, None);
    let (document, Position { term, len, head }) = world.document();
    let (laptop, mallory) = (world.laptop, world.mallory.clone());
    let (claimed, item) = claim(&world, term, Cut { len, head }, &mallory, 1);
    let intruder = world.intrude();
    world.entries(intruder, vec![item]);
    let mut line = document.fork_at(head).unwrap();
    for number in 1..=50 {
        let change = sealed(
            &world,
            &mut line,
            (claimed, number),
            &format!("beside {number}"),
            AT,
            &mallory,
        );
        say(&mut world, intruder, vec![change]);
        world.sim.run_for(std::time::Duration::from_millis(50));
    }
    let told = world.sim.take_events(laptop);
    let asks: Vec<&Event> = told
        .iter()
        .filter(|event| {
            matches!(
                event,
                Event::LateWorkWaiting {
                    why: LateWhy::MayNotHold(_),
                    ..
                }
            )
        })
        .collect();
    assert_eq!(asks.len(), 1, "{asks:#?}");
    let late = world.sim.late_work_left(laptop, world.deck);
    assert_eq!(late.iter().map(|late| late.len).collect::<Vec<_>>(), [50]);
    world.assert_unharmed();
}

/// Whoever has the deck's key can be any number of devices, each with a name of its own.
#[test]
fn names_of_made_up_devices_are_not_kept_without_end() {
    let mut world = World::new(205, None);
    let phone = phone(&mut world);
    let (laptop, deck, key) = (world.laptop, world.deck, world.deck_key);
    let made_up: Vec<_> = (0..400_u16)
        .map(|number| DeviceKey::from_bytes(blake3::hash(&number.to_le_bytes()).as_bytes()).id())
        .collect();
    for device in &made_up {
        let intruder = world.sim.intrude_with_key(laptop, *device, deck, &key);
        world.sim.run_for(std::time::Duration::from_millis(20));
        world.sim.leave(intruder);
    }
    let known = |world: &mut World| {
        act(&mut world.sim, laptop, |core, _| {
            made_up
                .iter()
                .filter(|device| core.name_of(**device).is_some())
                .count()
        })
    };
    let most = 2 * NAMES_OF_OTHERS_MAX;
    let kept = known(&mut world);
    assert!((1..=most).contains(&kept), "{kept} names are kept");
    world.sim.crash(laptop);
    world.sim.restart(laptop).unwrap();
    let kept = known(&mut world);
    assert!(kept <= most, "{kept} names are on disk");
    let member = world.sim.id(phone);
    let name = act(&mut world.sim, laptop, |core, _| {
        core.name_of(member).map(str::to_owned)
    });
    assert_eq!(name.as_deref(), Some("phone"), "a member's stays");
    world.sim.take_events(laptop);
    world.assert_unharmed();
}

/// A deck of which only a snapshot holds what goes before the end.
fn compacted(seed: u64) -> World {
    let mut world = World::new(seed, None);
    let (laptop, deck) = (world.laptop, world.deck);
    let when = CompactWhen {
        changes: 10,
        ..CompactWhen::default()
    };
    world.sim.compact_when(laptop, when);
    for at in 0..60 {
        let title = format!("title {at}");
        act(&mut world.sim, laptop, |core, now| {
            core.edit(now, deck, |edit| edit.rename_deck(&title)).unwrap()
        });
        world.sim.run_for(Duration::from_millis(200));
    }
    world.before = (world.sim.head(laptop, deck), world.sim.cards(laptop, deck));
    world
}

/// Each has a link of its own, and is gone before it is answered.
#[test]
fn who_comes_and_goes_costs_few_copies_of_the_document_at_a_time() {
    let mut world = compacted(208);
    let (laptop, deck, key) = (world.laptop, world.deck, world.deck_key);
    world.sim.work_slowly(laptop, Duration::from_millis(50));
    let mut most = 0;
    for number in 1..=50 {
        let device = DeviceKey::from_bytes(&[number; 32]).id();
        let intruder = world.sim.intrude_with_key(laptop, device, deck, &key);
        world.sim.say(intruder, &has_nothing(deck));
        world.sim.leave(intruder);
        most = most.max(world.sim.works(laptop));
    }
    assert!((1..=4).contains(&most), "{most} copies at a time");
    // Who comes while they are there waits for them, and is sent what it lacks.
    let intruder = world.intrude();
    world.sim.say(intruder, &has_nothing(deck));
    assert_eq!(world.sim.works(laptop), most);
    world.sim.run_for(SOON);
    let heard = world.sim.heard(intruder).into_iter();
    let is_slice = |item: &Item| matches!(item, Item::Changes { from: 1, .. });
    let begins = heard
        .filter(|message| matches!(message, Message::Entries { items, .. } if items.iter().any(is_slice)));
    assert_eq!(begins.count(), 1);
    world.assert_unharmed();
}

/// To say where one stands is a few bytes. What leads on from there is made anew of a copy of the document, where only a
/// snapshot holds it any more.
#[test]
fn a_flood_of_statuses_costs_one_copy_of_the_document_at_a_time() {
    let mut world = compacted(207);
    let (laptop, deck, key) = (world.laptop, world.deck, world.deck_key);
    let intruder = world.intrude();
    world.sim.say(intruder, &has_nothing(deck));
    assert_eq!(world.sim.works(laptop), 1, "only a snapshot holds what it lacks");
    let greet = |proofs| Message::Greet {
        version: PROTOCOL_VERSION,
        name: "intruder".to_owned(),
        proofs,
        early: vec![],
    };
    let mut most = 0;
    for at in 0..1_000 {
        // Or it speaks of the deck no longer, and then does.
        if at % 10 == 0 {
            world.sim.say(intruder, &greet(vec![]));
            world.sim.say(intruder, &greet(vec![intruder.proof(deck, &key)]));
        }
        world.sim.say(intruder, &has_nothing(deck));
        most = most.max(world.sim.works(laptop));
    }
    assert_eq!(most, 1, "copies at a time");
    world.sim.heard(intruder);
    world.sim.run_for(SOON);
    assert!(!world.sim.is_thrown_out(intruder), "{:?}", world.refusals());
    let heard = world.sim.heard(intruder).into_iter();
    let slices = heard.flat_map(|message| match message {
        Message::Entries { items, .. } => items,
        _ => vec![],
    });
    let begins: Vec<u64> = slices
        .filter_map(|item| match item {
            Item::Changes { from, .. } => Some(from),
            _ => None,
        })
        .collect();
    let firsts = begins.iter().filter(|from| **from == 1).count();
    assert_eq!(firsts, 1, "the last one is answered: {begins:?}");
    world.assert_unharmed();
}
