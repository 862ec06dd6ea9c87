//! Whom a key that was turned over is for, and whom the old ones.

use super::*;
use crate::time::Time;
use cuecard_transport::DeviceKey;

/// An owner's deck from which one device was removed and another not, and the keyring from before; all is saved.
fn after_a_removal() -> (Core, DeckId, Keyring, [DeviceId; 2]) {
    let [owner, stays, leaves] = [1, 2, 3].map(|byte| DeviceKey::from_bytes(&[byte; 32]));
    let mut core = Core::new(owner, "owner".to_owned(), [7; 32]);
    let now = Time::default();
    let deck = core.create_deck(now, "Spanish").unwrap().value;
    let mut members = [stays.id(), leaves.id()].map(|device| Member {
        device,
        rights: Rights::Hold,
        rank: 1,
    });
    members.sort_by_key(|member| member.device);
    core.set_members(now, deck, members.to_vec()).unwrap();
    let before = core.decks[&deck].keys.clone();
    core.remove_member(now, deck, leaves.id()).unwrap();
    core.decks.get_mut(&deck).unwrap().turning = None;
    (core, deck, before, [stays.id(), leaves.id()])
}

#[test]
fn older_keys_are_shown_to_members_alone() {
    let (core, deck, before, [stays, leaves]) = after_a_removal();
    let state = &core.decks[&deck];
    let old: Vec<&DeckKey> = before.all().collect();
    assert_eq!(state.older_keys_for(stays), old);
    assert_eq!(state.older_keys_for(leaves), Vec::<&DeckKey>::new());
}

#[test]
fn who_waits_for_a_newer_key_speaks_under_the_old_one_to_members_alone() {
    let (mut core, deck, before, [stays, leaves]) = after_a_removal();
    let state = core.decks.get_mut(&deck).unwrap();
    assert!(state.may_meet(leaves), "it does not show the new one");
    state.keys = before;
    assert!(!state.is_current());
    assert!(state.may_meet(stays) && !state.may_meet(leaves));
}

#[test]
fn the_new_key_is_wrapped_for_those_who_remain_alone() {
    let (core, deck, _, [stays, leaves]) = after_a_removal();
    let state = &core.decks[&deck];
    let wrapped = state.keys.wrapped(state.epoch().unwrap()).unwrap();
    assert!(wrapped.is_for(stays) && wrapped.is_for(core.device()));
    assert!(!wrapped.is_for(leaves));
}

#[test]
fn keys_that_no_charter_names_are_not_taken() {
    let (mut core, deck, before, [stays, _]) = after_a_removal();
    let (me, genesis) = (core.device(), core.log(deck).unwrap().genesis.encode());
    let present = core.decks[&deck].epoch().unwrap().number;
    // As a device that has not got the present key, to which a member shows one of its own making.
    core.decks.get_mut(&deck).unwrap().keys = before.clone();
    for number in [present, present + 1] {
        let made_up = DeckKey::from_bytes([9; 32]);
        let forged = WrappedKeys::wrap(deck, number, &made_up, &[8; 32].into(), [me, stays]);
        let mut batch = Batch::default();
        let taken = core.take_key_turn(deck, &genesis, &[], &forged.encode(), &mut batch);
        assert!(matches!(taken, Ok(false)), "{taken:?}");
        assert!(core.decks[&deck].keys == before && batch.is_empty());
    }
}
