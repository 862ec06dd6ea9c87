//! The role, by those who may not hold it.

use cuecard::role::{self, Cause, Cut, Seal, Term};
use cuecard::sim::Sim;
use cuecard::sync::message::Item;
use cuecard::transport::memory::Conditions;
use cuecard::{Rights, Role, RoleError};

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
    assert_eq!(world.refusals().len(), 1);
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
fn claims_are_not_kept_while_nobody_makes_them() {
    let mut world = World::new(6, None);
    let (document, at) = world.document();
    let intruder = world.intrude();
    let claim = Term {
        deck: world.deck,
        parent: at.term,
        cause: Cause::Claim,
        cut: Cut {
            len: at.len,
            head: document.heads()[0],
        },
        holder: Some(world.mallory.id()),
        nonce: [1; 16],
        signer: world.mallory.id(),
    };
    let bytes = claim.sign(&world.mallory).unwrap().encode();
    world.entries(intruder, vec![Item::Term(bytes.into())]);
    assert!(world.sim.is_thrown_out(intruder));
    let (laptop, deck) = (world.laptop, world.deck);
    assert!(matches!(world.sim.role(laptop, deck), Some(Role::Editor { .. })));
    assert_eq!(world.refusals().len(), 1);
    world.assert_unharmed();
}

#[test]
fn the_owner_cannot_leave_the_deck_without_an_editor_by_mistake() {
    let mut world = World::new(32, Some(Rights::Hold));
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.id());
    act(&mut world.sim, laptop, |core, now| {
        core.hand_over(now, deck, mallory).unwrap()
    });
    let refused = act(&mut world.sim, laptop, |core, now| {
        core.set_members(now, deck, vec![]).unwrap_err()
    });
    assert_eq!(refused, RoleError::EditorNeedsHold(mallory));
    let head = world.sim.head(laptop, deck);
    assert_eq!(head, world.before.0);
    assert_eq!(
        world.sim.role(laptop, deck),
        Some(Role::Viewer { editor: mallory }),
        "and nothing was changed"
    );
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
    let head = world.sim.head(laptop, deck);
    let same = |sim: &Sim, peer| sim.head(peer, deck) == head;
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
