//! An editor of earlier that did not mean to leave: it goes on in its old term behind another name, and tells devices that
//! they have the role.

use cuecard::role::{Cause, Cut, Term};
use cuecard::sync::message::Item;
use cuecard::{Event, LateWhy};

use super::authority::{After, after_a_handover, sealed};
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
