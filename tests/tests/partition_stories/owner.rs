//! What only the owner can do.

use std::time::Duration;

use cuecard::sim::Fate;
use cuecard::{Event, Policies, Rights, RoleError, SettlePolicy, Standing};

use crate::world::{SOON, World};

#[test]
fn the_owner_takes_over_and_no_late_word_undoes_it() {
    let (mut world, [laptop, phone, tablet]) = World::new(21, ["laptop", "phone", "tablet"]);
    world.hand_over(laptop, phone);
    world.quiet();
    world.edit(phone, "before");
    world.quiet();
    world.split(&[&[laptop, tablet], &[phone]]);
    // A handover beats any claim, unless the owner has settled that claim.
    world.edit(phone, "unseen");
    world.hand_over(phone, tablet);
    world.act(laptop, |core, now, deck| core.take_over(now, deck).unwrap());
    assert_eq!(world.standing(laptop), Standing::Settled);
    world.edit(laptop, "taken over");
    world.sim.run_for(SOON);
    world.the_end();
    assert_eq!(world.editor(), Some(laptop));
    assert_eq!(world.fate("taken over"), Some(Fate::Canonical));
    let refused = world.act(laptop, |core, now, deck| core.take_over(now, deck).unwrap_err());
    assert_eq!(refused, RoleError::AlreadyEditor);
}

#[test]
fn taking_the_right_from_the_editor_makes_the_owner_editor_in_the_same_step() {
    let (mut world, [laptop, phone, tablet]) = World::new(22, ["laptop", "phone", "tablet"]);
    world.hand_over(laptop, phone);
    world.quiet();
    world.edit(phone, "while it could");
    world.quiet();
    let gone = world.sim.id(phone);
    world.act(laptop, |core, now, deck| {
        core.remove_member(now, deck, gone).unwrap()
    });
    assert_eq!(world.standing(laptop), Standing::Settled);
    world.edit(laptop, "goes on");
    world.come_back_by_invite(laptop, phone);
    world.the_end();
    assert_eq!(world.editor(), Some(laptop));
    assert_eq!(
        world.fate("while it could"),
        Some(Fate::Canonical),
        "what was held stands"
    );
    let refused = world.act(phone, |core, now, deck| core.claim(now, deck).unwrap_err());
    assert_eq!(refused, RoleError::MayNotHold(gone));
    let refused = world.act(laptop, |core, now, deck| {
        core.remove_member(now, deck, gone)
            .expect("it was admitted again, to read");
        core.remove_member(now, deck, gone).unwrap_err()
    });
    assert_eq!(refused, RoleError::NotAMember(gone));
    assert_ne!(world.editor(), Some(tablet));
}

#[test]
fn the_deck_goes_to_another_owner_who_then_decides() {
    let (mut world, [laptop, phone, tablet]) = World::new(23, ["laptop", "phone", "tablet"]);
    let next = world.sim.id(phone);
    world.act(laptop, |core, now, deck| {
        core.transfer_ownership(now, deck, next).unwrap()
    });
    world.quiet();
    for peer in [laptop, phone, tablet] {
        assert_eq!(world.sim.owner(peer, world.deck), Some(next));
    }
    assert_eq!(world.set_members(laptop, &[tablet]), Err(RoleError::NotOwner));
    assert_eq!(world.editor(), Some(laptop), "the role stays where it is");
    world.act(phone, |core, now, deck| core.take_over(now, deck).unwrap());
    world.edit(phone, "by the new owner");
    world.quiet();
    // Who comes later hears of the transfer, too.
    let key = world.act(phone, |core, _, deck| core.deck_key(deck).unwrap());
    let watch = world.sim.device("watch");
    let deck = world.deck;
    world.sim.act(watch, |core, now| core.join_deck(now, deck, key));
    world
        .sim
        .connect(watch, tablet, cuecard::transport::memory::Conditions::PERFECT);
    world.peers.push(watch);
    world.the_end();
    assert_eq!(world.sim.owner(watch, deck), Some(next));
    let stranger = world.sim.id(world.peers[0]);
    let not_a_member = cuecard::DeviceId::from_bytes([9; 32]);
    assert_ne!(stranger, not_a_member);
    let refused = world.act(phone, |core, now, deck| {
        core.transfer_ownership(now, deck, not_a_member).unwrap_err()
    });
    assert_eq!(refused, RoleError::NotAMember(not_a_member));
}

#[test]
fn the_owner_settles_by_itself_what_a_majority_has_seen_and_not_by_hand_unasked() {
    let (mut world, [laptop, phone, tablet]) = World::new(24, ["laptop", "phone", "tablet"]);
    let by_hand = Policies {
        settle: SettlePolicy::ByHand,
        ..Policies::default()
    };
    world.set_policies(&[laptop], &by_hand);
    world.hand_over(laptop, phone);
    world.edit_soon(phone, "handed over");
    world.sim.run_for(Duration::from_secs(130));
    assert_eq!(world.standing(tablet), Standing::Provisional);
    let deck = world.deck;
    let settled = |event: &&Event| **event == Event::Settled { deck };
    for peer in [laptop, tablet] {
        world.events(peer);
    }
    world.act(laptop, |core, now, deck| core.settle(now, deck).unwrap());
    world.quiet();
    assert_eq!(world.standing(tablet), Standing::Settled);
    for peer in [laptop, tablet] {
        let told = world.events(peer);
        assert_eq!(told.iter().filter(settled).count(), 1, "{told:#?}");
    }

    world.hand_over(phone, tablet);
    world.edit_soon(tablet, "and again");
    assert_eq!(world.standing(phone), Standing::Provisional);
    world.set_policies(&[laptop], &Policies::default());
    world.sim.run_for(Duration::from_secs(70));
    world.edit_soon(tablet, "a sign of life");
    assert_eq!(world.standing(phone), Standing::Settled, "the owner has met both");
    // Each time is a record for ever, so it does not do so for every handover.
    world.events(phone);
    let began = world.sim.elapsed();
    for round in 0..4 {
        for (from, to) in [(tablet, phone), (phone, tablet)] {
            world.hand_over(from, to);
            world.sim.run_for(SOON);
            world.edit(to, &format!("to and fro {round} {to:?}"));
        }
    }
    let minutes = (world.sim.elapsed() - began).as_secs() / 60;
    let times = world.events(phone).iter().filter(settled).count() as u64;
    assert!(times <= minutes + 1, "{times} times in {minutes} minutes");
    world.the_end();
}

#[test]
fn an_owner_that_has_met_too_few_settles_nothing_by_itself() {
    let (mut world, [laptop, phone, tablet, watch]) = World::new(25, ["laptop", "phone", "tablet", "watch"]);
    world.hand_over(laptop, phone);
    world.quiet();
    world.edit(phone, "before");
    world.the_end();
    // A new run of the owner's, which meets one other device of the three.
    world.sim.crash(laptop);
    world.split(&[&[laptop, watch], &[phone, tablet]]);
    world.hand_over(phone, tablet);
    world.sim.restart(laptop).unwrap();
    world.sim.run_for(std::time::Duration::from_secs(10));
    world.claim(watch);
    world.edit(watch, "claimed");
    world.sim.run_for(std::time::Duration::from_secs(200));
    assert_eq!(
        world.standing(laptop),
        Standing::Provisional,
        "two of four are no majority"
    );
    world.the_end();
}

#[test]
fn an_owner_restored_from_a_backup_meets_its_own_word_and_its_latest_one_stands() {
    for seed in 0..6 {
        let (mut world, [laptop, phone, tablet]) = World::new(260 + seed, ["laptop", "phone", "tablet"]);
        world.edit(laptop, "before");
        world.quiet();
        let backup = world.sim.backup(laptop).unwrap();
        // Said, heard by all, and forgotten: once, or twice so that it counts for newer.
        world.set_holder(laptop, phone);
        if seed % 2 == 0 {
            world.quiet();
            world.set_holder(laptop, phone);
        }
        world.quiet();
        world.split(&[&[laptop], &[phone, tablet]]);
        world.sim.restore_backup(laptop, &backup).unwrap();
        world.set_holder(laptop, tablet);
        world.sim.run_for(SOON);
        world.meet();
        let expected = world.sim.id(tablet);
        for peer in [laptop, phone, tablet] {
            let members = world.act(peer, |core, _, deck| core.members(deck).unwrap());
            let holders = members.iter().filter(|member| member.rights == Rights::Hold);
            let devices: Vec<_> = holders.map(|member| member.device).collect();
            assert_eq!(devices, [expected], "seed {seed}: {peer:?}");
        }
        world.the_end();
    }
}
