//! An editor who lets some members' drafts in without looking.

use std::collections::BTreeSet;

use cuecard::core::{DraftPolicy, Policies};
use cuecard::sim::Peer;
use cuecard::{DraftState, Rights};

use super::world::World;

fn trust(world: &mut World, editor: Peer, members: &[Peer]) {
    let members: BTreeSet<_> = members.iter().map(|peer| world.sim.id(*peer)).collect();
    let deck = world.deck;
    let policies = Policies {
        drafts: DraftPolicy::AcceptFrom(members),
        ..Policies::default()
    };
    world.act(editor, |core, _| core.set_policies(deck, policies).unwrap());
}

#[test]
fn drafts_of_trusted_members_are_accepted_as_they_come_and_others_ask() {
    let mut world = World::new(1);
    let laptop = world.laptop;
    let friend = world.device("friend", Some(Rights::Draft));
    let other = world.device("other", Some(Rights::Draft));
    world.connect(laptop, friend);
    world.connect(laptop, other);
    let before = world.proposed(friend, "waiting already");
    world.run();
    assert!(world.is_proposed(laptop, before));
    trust(&mut world, laptop, &[friend]);
    let (trusted, asks) = (world.proposed(friend, "cuatro"), world.proposed(other, "cinco"));
    world.run();
    for draft in [before, trusted] {
        assert_eq!(world.state(laptop, draft), Some(DraftState::Accepted));
        assert_eq!(world.state(friend, draft), Some(DraftState::Accepted));
    }
    assert!(world.is_proposed(laptop, asks));
    assert_eq!((world.has(other, "cuatro"), world.has(other, "cinco")), (1, 0));
    world.assert_one_deck(&[laptop, friend, other]);
}

/// It is the editor's policy that counts: a device that has one and is not the editor accepts nothing, until it is.
#[test]
fn the_policy_takes_effect_when_its_device_becomes_the_editor() {
    let mut world = World::new(2);
    let laptop = world.laptop;
    let tablet = world.device("tablet", Some(Rights::Hold));
    let friend = world.device("friend", Some(Rights::Draft));
    world.connect(laptop, tablet);
    world.connect(tablet, friend);
    trust(&mut world, tablet, &[friend]);
    let draft = world.proposed(friend, "cuatro");
    world.run();
    assert!(world.is_proposed(tablet, draft) && world.is_proposed(laptop, draft));
    world.hand_over(laptop, tablet);
    world.run();
    for peer in [laptop, tablet, friend] {
        assert_eq!(world.state(peer, draft), Some(DraftState::Accepted), "{peer:?}");
    }
    world.assert_one_deck(&[laptop, tablet, friend]);
}

/// What was declined by hand is not accepted by the policy; what is proposed anew is.
#[test]
fn a_person_may_decline_before_the_policy_and_what_is_proposed_anew_is_accepted() {
    let mut world = World::new(3);
    let laptop = world.laptop;
    let friend = world.device("friend", Some(Rights::Draft));
    world.connect(laptop, friend);
    let draft = world.proposed(friend, "cuatro");
    world.run();
    world.decline(laptop, draft, "not like that");
    trust(&mut world, laptop, &[friend]);
    world.run();
    assert_eq!(
        world.state(friend, draft),
        world.declined(laptop, "not like that")
    );
    world.write(friend, draft, "cinco");
    world.propose(friend, draft);
    world.run();
    assert_eq!(world.state(friend, draft), Some(DraftState::Accepted));
    world.assert_one_deck(&[laptop, friend]);
}
