//! An editor of earlier that did not mean to leave: it goes on in its old term behind another name, and tells devices that
//! they have the role.

use cuecard::limits::TRANSFERS_OF_ONE_OWNER_MAX;
use cuecard::role::{Cause, Charter, Cut, Point, Signed, Term};
use cuecard::sync::message::{Item, Message};
use cuecard::transport::DeviceKey;
use cuecard::{Event, LateWhy, Member, Rights};

use super::authority::{After, after_a_handover, charter_of, items, phone, sealed};
use super::world::*;

const AT: u64 = 1_750_000_000_000;

/// It may claim, and late work of a claim that lost comes back unasked; but not what it wrote in between into the term
/// that it had given away.
#[test]
fn what_was_written_after_leaving_asks_also_where_a_later_claim_is_built_on_it() {
    let After {
        mut world,
        term,
        documents: [_, mut grown],
        ..
    } = after_a_handover(171);
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let mut items = vec![sealed(&world, &mut grown, (term, 2), "afterwards", AT, &mallory)];
    let cut = Cut {
        len: 2,
        head: grown.heads()[0],
    };
    let claim = Term {
        deck,
        parent: term,
        cause: Cause::Claim,
        cut,
        holder: Some(mallory.id()),
        nonce: [3; 16],
        signer: mallory.id(),
    };
    let claim = claim.sign(&mallory).unwrap();
    let mut longer = grown.fork_at(cut.head).unwrap();
    let mut claimed = grown.fork_at(cut.head).unwrap();
    items.push(sealed(&world, &mut longer, (term, 3), "and on", AT, &mallory));
    items.push(Item::Term(claim.encode().into()));
    items.push(sealed(
        &world,
        &mut claimed,
        (claim.id(), 1),
        "claimed",
        AT,
        &mallory,
    ));
    let intruder = world.intrude();
    world.entries(intruder, items);
    let told = world.sim.take_events(laptop);
    let asked = |event: &&Event| {
        matches!(
            event,
            Event::LateWorkWaiting {
                why: LateWhy::AfterLeaving,
                ..
            }
        )
    };
    assert_eq!(
        told.iter().filter(asked).count(),
        2,
        "both are asked for: {told:#?}"
    );
    assert_eq!(world.sim.cards(laptop, deck), world.before.1);
    world.assert_unharmed();
}

/// A handover of long ago to a device that never had the role: kept, as any sibling, and nothing that an app is told of.
#[test]
fn a_handover_that_does_not_count_tells_nobody_that_it_has_the_role() {
    let After {
        mut world,
        term,
        documents: [start, _],
        ..
    } = after_a_handover(172);
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    act(&mut world.sim, laptop, |core, now| {
        core.settle(now, deck).unwrap()
    });
    world.sim.run_for(SOON);
    world.sim.take_events(laptop);
    let again = Term {
        deck,
        parent: term,
        cause: Cause::Handover,
        cut: Cut {
            len: 0,
            head: start.heads()[0],
        },
        holder: Some(world.sim.id(laptop)),
        nonce: [9; 16],
        signer: mallory.id(),
    };
    let again = again.sign(&mallory).unwrap().encode();
    let intruder = world.intrude();
    world.entries(intruder, vec![Item::Term(again.into())]);
    let told = world.sim.take_events(laptop);
    let granted = |event: &&Event| matches!(event, Event::RoleGranted { .. });
    assert_eq!(told.iter().find(granted), None);
    world.assert_unharmed();
}

/// The owner took the right from the editor, and settled its term up to what it had seen: whatever it goes on to seal there
/// is no part of the deck.
#[test]
fn one_that_lost_the_right_does_not_go_on_in_its_term() {
    let mut world = World::new(173, Some(Rights::Hold));
    let phone = phone(&mut world);
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let term = act(&mut world.sim, laptop, |core, now| {
        core.hand_over(now, deck, mallory.id()).unwrap().value
    });
    world.sim.run_for(SOON);
    let (mut document, _) = world.document();
    let intruder = world.intrude();
    let seen = sealed(&world, &mut document, (term, 1), "seen", AT, &mallory);
    world.entries(intruder, vec![seen]);
    // The owner's own engine would take the role in the same step.
    let theirs = items(&mut world, laptop, deck);
    let known = Signed::<Charter>::decode(&charter_of(&theirs)).unwrap();
    let mut charter = known.claimed().clone();
    charter.count += 1;
    charter.members[0].rights = Rights::Read;
    charter.settled = Point {
        term,
        len: 1,
        head: document.heads()[0],
    };
    let owner = world.sim.key(laptop).unwrap();
    let charter = charter.sign(&owner).unwrap().encode();
    // Else it would say again, above a charter of its own that it does not know, what it said last.
    world.sim.crash(laptop);
    let key = world.deck_key;
    let at_phone = world.sim.intrude_with_key(phone, mallory.id(), deck, &key);
    let on = sealed(&world, &mut document, (term, 2), "and on", AT, &mallory);
    let items = vec![Item::Charter(charter.into()), on];
    world.sim.take_events(phone);
    world.sim.say(at_phone, &Message::Entries { deck, items });
    world.sim.run_for(SOON);
    let told = world.sim.take_events(phone);
    let is_seen = |event: &&Event| matches!(event, Event::Changed { .. } | Event::Reorganised { .. });
    assert_eq!(told.iter().find(is_seen), None, "not even for a moment");
    let fronts: Vec<String> = (world.sim.cards(phone, deck).into_iter())
        .map(|card| card.front)
        .collect();
    assert_eq!(fronts, ["uno", "dos", "tres", "seen"]);
    let head = world.sim.head(phone, deck).unwrap();
    assert_eq!(world.sim.document_heads(phone, deck), [head]);
    let late = world.sim.late_work_left(phone, deck);
    assert_eq!(
        late.iter().map(|late| (late.term, late.from)).collect::<Vec<_>>(),
        [(term, 2)]
    );
}

/// Who gave the deck away signs transfer upon transfer of that time; each would be kept as proof.
#[test]
fn transfers_without_end_by_a_former_owner_are_refused_by_name() {
    let mut world = World::new(174, Some(Rights::Read));
    let phone = phone(&mut world);
    let (laptop, deck) = (world.laptop, world.deck);
    let [new_owner, former] = [phone, laptop].map(|peer| world.sim.id(peer));
    let member = Member {
        device: new_owner,
        rights: Rights::Hold,
        rank: 1,
    };
    act(&mut world.sim, laptop, |core, now| {
        core.set_members(now, deck, vec![member]).unwrap()
    });
    world.sim.run_for(SOON);
    act(&mut world.sim, laptop, |core, now| {
        core.transfer_ownership(now, deck, new_owner).unwrap()
    });
    world.sim.run_for(SOON);
    assert_eq!(world.sim.owner(phone, deck), Some(new_owner));
    let remain = act(&mut world.sim, phone, |core, _| core.members(deck).unwrap());
    act(&mut world.sim, phone, |core, now| {
        core.set_members(now, deck, remain.clone()).unwrap()
    });
    world.sim.run_for(SOON);
    let theirs = items(&mut world, phone, deck);
    let transfer = theirs.iter().find_map(|item| match item {
        Item::Charter(bytes) => {
            let charter = Signed::<Charter>::decode(bytes).unwrap().claimed().clone();
            (charter.count == 0).then_some(charter)
        }
        _ => None,
    });
    let (transfer, key) = (transfer.expect("a transfer"), world.sim.key(laptop).unwrap());
    world.sim.crash(laptop);
    let deck_key = act(&mut world.sim, phone, |core, _| core.deck_key(deck).unwrap());
    let intruder = world.sim.intrude_with_key(phone, former, deck, &deck_key);
    for number in 0..2 * TRANSFERS_OF_ONE_OWNER_MAX as u8 {
        let mut another = transfer.clone();
        another.owner = DeviceKey::from_bytes(&[number + 1; 32]).id();
        let items = vec![Item::Charter(another.sign(&key).unwrap().encode().into())];
        world.sim.say(intruder, &Message::Entries { deck, items });
    }
    world.sim.run_for(SOON);
    assert!(world.sim.is_thrown_out(intruder));
    let told = world.sim.take_events(phone);
    let is_named = |event: &Event| matches!(event, Event::Refused { why, .. } if why.contains("more transfers by one owner"));
    assert!(told.iter().any(is_named), "{told:#?}");
    assert_eq!(world.sim.owner(phone, deck), Some(new_owner));
    act(&mut world.sim, phone, |core, now| {
        core.set_members(now, deck, remain).unwrap()
    });
}
