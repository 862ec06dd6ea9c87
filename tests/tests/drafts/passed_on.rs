//! Drafts travel over devices that are neither their author's nor the editor's.

use cuecard::sim::Peer;
use cuecard::{DraftState, Rights};

use super::world::World;

/// phone – tablet – laptop: author and editor have no link to each other.
fn chain(seed: u64, between: Rights) -> (World, Peer, Peer) {
    let mut world = World::new(seed);
    let tablet = world.device("tablet", Some(between));
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(world.laptop, tablet);
    world.connect(tablet, phone);
    (world, tablet, phone)
}

#[test]
fn a_draft_goes_over_two_hops_and_its_fate_comes_back() {
    // One that may only read passes drafts on like any other.
    let (mut world, tablet, phone) = chain(1, Rights::Read);
    let laptop = world.laptop;
    let (wanted, unwanted) = (world.proposed(phone, "cuatro"), world.proposed(phone, "vier"));
    world.run();
    assert!(world.is_proposed(laptop, wanted) && world.is_proposed(laptop, unwanted));
    assert_eq!(
        world.state(phone, wanted),
        world.delivered(&[tablet]),
        "what it heard of itself"
    );
    world.accept(laptop, wanted);
    world.decline(laptop, unwanted, "German");
    world.run();
    assert_eq!(world.state(phone, wanted), Some(DraftState::Accepted));
    assert_eq!(world.state(phone, unwanted), world.declined(laptop, "German"));
    world.assert_one_deck(&[laptop, tablet, phone]);
}

/// Author and editor are never on line at one time: what is between them carries the draft there and the word back.
#[test]
fn a_draft_and_its_decline_are_carried_by_a_device_that_meets_one_after_the_other() {
    let (mut world, tablet, phone) = chain(2, Rights::Draft);
    let laptop = world.laptop;
    world.cut(laptop, tablet);
    let draft = world.proposed(phone, "cuatro");
    world.run();
    assert!(world.is_proposed(tablet, draft) && world.state(laptop, draft).is_none());
    world.cut(tablet, phone);
    world.restart(tablet);
    world.mend(laptop, tablet);
    assert!(world.is_proposed(laptop, draft));
    world.decline(laptop, draft, "no");
    world.run();
    world.cut(laptop, tablet);
    world.restart(tablet);
    world.mend(tablet, phone);
    assert_eq!(world.state(phone, draft), world.declined(laptop, "no"));
    world.assert_one_deck(&[laptop, tablet, phone]);
}

#[test]
fn a_withdrawal_overtakes_a_draft_that_is_still_on_its_way() {
    let (mut world, tablet, phone) = chain(3, Rights::Draft);
    let laptop = world.laptop;
    world.cut(laptop, tablet);
    let draft = world.proposed(phone, "cuatro");
    world.run();
    world.withdraw(phone, draft);
    world.run();
    assert_eq!(world.state(tablet, draft), Some(DraftState::Withdrawn));
    world.mend(laptop, tablet);
    assert_eq!(world.state(laptop, draft), None, "nobody passes on what is over");
    world.assert_one_deck(&[laptop, tablet, phone]);
}

/// A third device that was away still has the draft as it was proposed, and offers it to those who know better.
#[test]
fn what_was_withdrawn_does_not_come_back_by_a_device_that_was_away() {
    let (mut world, tablet, phone) = chain(4, Rights::Draft);
    let laptop = world.laptop;
    let draft = world.proposed(phone, "cuatro");
    world.run();
    world.cut(laptop, tablet);
    world.connect(laptop, phone);
    world.cut(tablet, phone);
    world.withdraw(phone, draft);
    world.run();
    assert_eq!(world.state(laptop, draft), Some(DraftState::Withdrawn));
    assert!(world.is_proposed(tablet, draft));
    world.cut(laptop, phone);
    world.mend(laptop, tablet);
    for peer in [laptop, tablet] {
        assert_eq!(world.state(peer, draft), Some(DraftState::Withdrawn), "{peer:?}");
    }
    world.assert_one_deck(&[laptop, tablet, phone]);
}

/// The longer version reaches everybody, also a device that holds the shorter one and hears of it from two sides.
#[test]
fn an_extended_draft_replaces_the_shorter_one_everywhere() {
    let (mut world, tablet, phone) = chain(5, Rights::Draft);
    let laptop = world.laptop;
    world.connect(laptop, phone);
    let draft = world.proposed(phone, "cuatro");
    world.run();
    world.write(phone, draft, "cinco");
    world.propose(phone, draft);
    world.run();
    for peer in [laptop, tablet] {
        assert_eq!(world.info(peer, draft).unwrap().proposed, 2, "{peer:?}");
    }
    assert_eq!(world.state(phone, draft), world.delivered(&[laptop, tablet]));
    assert_eq!(world.told(laptop, draft), ["proposed", "proposed"]);
    world.assert_one_deck(&[laptop, tablet, phone]);
}

/// A draft is checked on the deck that it was written on. Who does not have that yet is sent the draft when it has.
#[test]
fn a_device_that_is_far_behind_gets_the_deck_first_and_then_the_draft() {
    let (mut world, tablet, phone) = chain(6, Rights::Draft);
    let laptop = world.laptop;
    world.cut(tablet, phone);
    for number in 0..500 {
        world.edit(laptop, &format!("card {number}"));
    }
    world.run();
    let draft = world.proposed(tablet, "cuatro");
    world.run();
    world.cut(laptop, tablet);
    world.sim.record();
    world.mend(tablet, phone);
    assert!(world.is_proposed(phone, draft));
    let proposals = world.sim.recorded().iter().filter(|(lane, bytes)| {
        *lane == cuecard::transport::Lane::Control
            && matches!(
                cuecard::sync::envelope::open(bytes),
                Ok(cuecard::sync::message::Message::Propose { .. })
            )
    });
    assert_eq!(proposals.count(), 1, "it was sent once");
}
