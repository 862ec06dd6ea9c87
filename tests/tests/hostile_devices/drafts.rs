//! Drafts that nobody accepted, that were signed twice, that are too much.

use cuecard::card::FieldValue;
use cuecard::role::{self};
use cuecard::sync::message::{Item, Message};
use cuecard::{DraftState, Rights};

use super::world::*;

/// The draft named a head that the deck holds already, so its changes never met the gate, and were kept as accepted:
/// garbage on the disk of anybody linked, which then could not be opened again.
#[test]
fn an_accepted_draft_that_no_change_accepts_is_not_kept() {
    let mut world = World::new(1, None);
    let (document, at) = world.document();
    let (base, head) = (document.genesis_hash(), document.heads()[0]);
    let junk = draft_item(&world, base, [7; 16], head, vec![b"not a change".to_vec()]);
    let intruder = world.intrude();
    world.entries(intruder, vec![Item::Draft(junk), known_slice(at)]);
    assert!(world.sim.drafts(world.laptop, world.deck).is_empty());
    world.assert_unharmed();
}

/// A log is never rewritten in place: the second text under the first one's numbers stopped the editor's store.
#[test]
fn a_draft_signed_twice_with_other_content_does_not_stop_the_disk() {
    let mut world = World::new(2, Some(Rights::Draft));
    let (document, _) = world.document();
    let (base, nonce) = (document.heads()[0], [7; 16]);
    let (first, first_head) = drafted(&world, &document, nonce, "first");
    let mut other = document.fork_at(base).unwrap();
    let (second, _) = drafted_onto(&world, &mut other, nonce, "second");
    let (third, third_head) = drafted_onto(&world, &mut other, nonce, "third");
    let intruder = world.intrude();
    let deck = world.deck;
    let one = draft_item(&world, base, nonce, first_head, vec![first]);
    let two = draft_item(&world, base, nonce, third_head, vec![second, third]);
    for draft in [one, two] {
        world.sim.say(intruder, &Message::Propose { deck, draft });
        world.sim.run_for(SOON);
    }
    let drafts = world.sim.drafts(world.laptop, deck);
    assert_eq!(drafts.len(), 1);
    assert_eq!(
        (drafts[0].len, drafts[0].state.clone()),
        (1, DraftState::Proposed),
        "the first one stays"
    );
    world.assert_unharmed();
}

#[test]
fn a_draft_by_one_who_may_not_propose_is_not_kept() {
    let mut world = World::new(3, Some(Rights::Read));
    let (document, _) = world.document();
    let (base, nonce) = (document.heads()[0], [7; 16]);
    let (change, head) = drafted(&world, &document, nonce, "no");
    let (intruder, deck) = (world.intrude(), world.deck);
    let draft = draft_item(&world, base, nonce, head, vec![change]);
    world.sim.say(intruder, &Message::Propose { deck, draft });
    world.sim.run_for(SOON);
    assert!(world.sim.drafts(world.laptop, deck).is_empty());
    world.assert_unharmed();
}

/// A slice may accept several drafts, each of a mebibyte: they travel with it, and it must stay within its bounds.
#[test]
fn large_drafts_accepted_one_after_the_other_reach_a_newcomer() {
    let mut world = World::new(11, Some(Rights::Draft));
    let (laptop, deck) = (world.laptop, world.deck);
    for number in 0_u8..6 {
        let (document, _) = world.document_with_drafts();
        let (base, nonce) = (document.heads()[0], [number; 16]);
        let mut branch = document.fork_at(base).unwrap();
        let actor = role::actor_of_draft(deck, world.mallory.id(), nonce);
        let mut changes = Vec::new();
        let mut head = base;
        for part in 0_u8..4 {
            let mut random = || [number * 16 + part; 10];
            let committed = branch
                .commit(&actor, 1_750_000_000_000, &mut random, |edit| {
                    let card = edit.add_card(&format!("{number}.{part}"), "?")?;
                    for field in 0_u64..60 {
                        let text = FieldValue::Text(noise(
                            field << 16 | u64::from(number) << 8 | u64::from(part),
                            4_000,
                        ));
                        edit.set_field(&card, &format!("field {field}"), Some(text))?;
                    }
                    Ok(())
                })
                .unwrap();
            let change = committed.change.unwrap();
            head = change.hash;
            changes.push(change.bytes);
        }
        let draft = draft_item(&world, base, nonce, head, changes);
        let intruder = world.intrude();
        world.sim.say(intruder, &Message::Propose { deck, draft });
        world.sim.run_for(SOON);
        let proposed = world.sim.drafts(laptop, deck).into_iter();
        let proposed: Vec<_> = proposed
            .filter(|draft| draft.state == DraftState::Proposed)
            .collect();
        assert_eq!(proposed.len(), 1, "{:?}", world.refusals());
        act(&mut world.sim, laptop, |core, now| {
            core.accept_draft(now, deck, proposed[0].draft).unwrap()
        });
        world.sim.run_for(SOON);
    }
    world.before = (world.sim.head(laptop, deck), world.sim.cards(laptop, deck));
    assert_eq!(world.before.1.len(), 3 + 24);
    world.assert_unharmed();
}
