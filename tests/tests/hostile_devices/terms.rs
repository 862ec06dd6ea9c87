//! The role, by those who may not hold it.

use cuecard::role::{self, Cause, Cut, Seal, Term};
use cuecard::sim::Sim;
use cuecard::sync::message::Item;
use cuecard::transport::memory::Conditions;
use cuecard::{Event, Rights, Role};

use super::world::*;

#[test]
fn changes_of_anothers_term_need_its_holders_seal() {
    let mut world = World::new(4, Some(Rights::Hold));
    let (mut document, at) = world.document();
    let mut random = || [3; 10];
    let committed = document
        .commit(
            &role::actor_of_term(at.term),
            1_750_000_000_000,
            &mut random,
            |edit| edit.add_card("forged", "?"),
        )
        .unwrap();
    let change = committed.change.unwrap();
    let seal = Seal {
        term: at.term,
        len: at.len + 1,
        head: change.hash,
    };
    let seal = seal.sign(world.deck, &world.mallory).unwrap().encode();
    let intruder = world.intrude();
    let forged = Item::Changes {
        term: at.term,
        from: at.len + 1,
        changes: vec![change.bytes.into()],
        seal: seal.into(),
        after: at.head,
    };
    world.entries(intruder, vec![forged]);
    assert!(world.sim.is_thrown_out(intruder));
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("a term that this very process opened"),
        "{why:?}"
    );
    world.assert_unharmed();
}

#[test]
fn a_handover_to_oneself_is_refused() {
    let mut world = World::new(5, Some(Rights::Hold));
    let (document, at) = world.document();
    let term = Term {
        deck: world.deck,
        parent: at.term,
        cause: Cause::Handover,
        cut: Cut {
            len: at.len,
            head: document.heads()[0],
        },
        holder: Some(world.mallory.id()),
        nonce: [1; 16],
        signer: world.mallory.id(),
    };
    let bytes = term.sign(&world.mallory).unwrap().encode();
    let intruder = world.intrude();
    world.entries(intruder, vec![Item::Term(bytes.into())]);
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("only the holder of a term"),
        "{why:?}"
    );
    world.assert_unharmed();
}

/// Terms are counted against the deck's limit, whoever signed them: a reader could fill it, and no editor could open a
/// term ever again.
#[test]
fn claims_by_who_may_not_hold_the_role_count_for_nothing_and_are_not_kept_without_end() {
    let mut world = World::new(6, None);
    let (document, at) = world.document();
    let intruder = world.intrude();
    let claim = |number: u16| {
        let mut nonce = [0; 16];
        nonce[..2].copy_from_slice(&number.to_le_bytes());
        let term = Term {
            deck: world.deck,
            parent: at.term,
            cause: Cause::Claim,
            cut: Cut {
                len: at.len,
                head: document.heads()[0],
            },
            holder: Some(world.mallory.id()),
            nonce,
            signer: world.mallory.id(),
        };
        Item::Term(term.sign(&world.mallory).unwrap().encode().into())
    };
    let first: Vec<Item> = (0..256).map(claim).collect();
    let one_more = claim(256);
    world.entries(intruder, first);
    assert!(
        !world.sim.is_thrown_out(intruder),
        "it may not know that it was removed"
    );
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.id());
    assert!(matches!(world.sim.role(laptop, deck), Some(Role::Editor { .. })));
    let told = world.sim.take_events(laptop);
    let refused = |event: &&Event| matches!(event, Event::ClaimRefused { by, .. } if *by == mallory);
    assert_eq!(told.iter().filter(refused).count(), 256);
    world.entries(intruder, vec![one_more]);
    assert!(world.sim.is_thrown_out(intruder));
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("more terms that are not part of the deck"),
        "{why:?}"
    );
    world.assert_unharmed();
}

#[test]
fn the_owner_cannot_leave_the_deck_without_an_editor_by_mistake() {
    let mut world = World::new(32, Some(Rights::Hold));
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.id());
    act(&mut world.sim, laptop, |core, now| {
        core.hand_over(now, deck, mallory).unwrap()
    });
    act(&mut world.sim, laptop, |core, now| {
        core.set_members(now, deck, vec![]).unwrap()
    });
    assert!(
        matches!(world.sim.role(laptop, deck), Some(Role::Editor { .. })),
        "it is the editor itself then"
    );
    world.assert_unharmed();
}

/// An honest editor does this without knowing when its disk is restored from a backup; a cheat does it on purpose.
/// Who kept the term in one slice had no seal at the cut, and could bring nobody up any more.
#[test]
fn a_cut_before_the_seal_that_is_held_stops_nobody() {
    let mut world = World::new(10, None);
    let (laptop, deck, key) = (world.laptop, world.deck, world.deck_key);
    let backup = world.sim.backup(laptop).unwrap();
    for number in 0..10 {
        act(&mut world.sim, laptop, |core, now| {
            core.edit(now, deck, |edit| edit.add_card(&format!("{number}"), "?"))
                .unwrap()
        });
    }
    world.sim.run_for(SOON);
    let phone = world.sim.device("phone");
    act(&mut world.sim, phone, |core, now| core.join_deck(now, deck, key));
    world.sim.connect(laptop, phone, Conditions::PERFECT);
    world.sim.run_for(SOON);
    assert_eq!(world.sim.cards(phone, deck).len(), 13);
    world.sim.cut(laptop, phone);
    world.sim.restore_backup(laptop, &backup).unwrap();
    act(&mut world.sim, laptop, |core, now| {
        core.edit(now, deck, |edit| edit.add_card("anew", "?")).unwrap()
    });
    world.sim.run_for(SOON);
    world.sim.mend(laptop, phone);
    // What the backup did not have comes back as late work, too.
    let same =
        |sim: &Sim, peer| sim.head(peer, deck) == sim.head(laptop, deck) && sim.cards(peer, deck).len() == 14;
    world
        .sim
        .run_until("the phone follows", SOON, |sim| same(sim, phone))
        .unwrap();
    world.sim.cut(laptop, phone);
    let tablet = world.sim.device("tablet");
    act(&mut world.sim, tablet, |core, now| core.join_deck(now, deck, key));
    world.sim.connect(phone, tablet, Conditions::PERFECT);
    world
        .sim
        .run_until("the phone brings the tablet up", SOON, |sim| same(sim, tablet))
        .unwrap();
    assert_eq!(world.sim.cards(tablet, deck), world.sim.cards(laptop, deck));
}
