//! How many drafts wait, of whom, and what becomes of those that find no room.

use cuecard::{DraftRefusal, DraftState, EditError, Event, Rights};

use super::world::World;

#[test]
fn a_device_opens_eight_drafts_and_the_ninth_when_one_of_them_is_over() {
    let mut world = World::new(1);
    let (laptop, deck) = (world.laptop, world.deck);
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    let drafts: Vec<_> = (0..8)
        .map(|number| world.proposed(phone, &format!("{number}")))
        .collect();
    let refused = world.act(phone, |core, now| core.open_draft(now, deck, "ninth"));
    assert!(matches!(refused, Err(EditError::TooManyDrafts)), "{refused:?}");
    world.run();
    world.decline(laptop, drafts[0], "no");
    world.accept(laptop, drafts[1]);
    world.run();
    world.withdraw(phone, drafts[2]);
    for number in 8..11 {
        let draft = world.proposed(phone, &format!("{number}"));
        world.run();
        assert!(world.is_proposed(laptop, draft), "{number}");
    }
    world.assert_one_deck(&[laptop, phone]);
}

/// An author who is no member is told so, and so is one who may only read. With the right, nothing has to be done again.
#[test]
fn drafts_of_readers_and_strangers_are_refused_by_name_and_taken_once_they_may() {
    let mut world = World::new(2);
    let laptop = world.laptop;
    let reader = world.device("reader", Some(Rights::Read));
    let stranger = world.device("stranger", None);
    for peer in [reader, stranger] {
        world.connect(laptop, peer);
        let draft = world.proposed(peer, "cuatro");
        world.sim.take_events(peer);
        world.run();
        let by = world.sim.id(laptop);
        let deck = world.deck;
        let why = DraftRefusal::MayNotPropose;
        let refused = Event::DraftRefused { deck, draft, by, why };
        let events = world.sim.take_events(peer);
        assert_eq!(
            events.iter().filter(|event| **event == refused).count(),
            1,
            "{events:?}"
        );
        assert_eq!(world.state(laptop, draft), None);
        assert_eq!(world.state(peer, draft), Some(DraftState::Proposed));

        world.give(world.sim.id(peer), Rights::Draft);
        world.run();
        assert!(world.is_proposed(laptop, draft), "{peer:?}");
    }
    world.assert_one_deck(&[laptop, reader, stranger]);
}

/// What is over is kept by others only so far; its author has all of it.
#[test]
fn of_what_is_over_others_keep_the_latest_four_of_an_author() {
    let mut world = World::new(3);
    let (laptop, deck) = (world.laptop, world.deck);
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    let mut drafts = Vec::new();
    for number in 0..6 {
        let draft = world.proposed(phone, &format!("{number}"));
        world.run();
        world.decline(laptop, draft, "no");
        world.run();
        drafts.push(draft);
    }
    let kept = |world: &World| -> Vec<bool> {
        drafts
            .iter()
            .map(|draft| world.state(laptop, *draft).is_some())
            .collect()
    };
    assert_eq!(kept(&world), [false, false, true, true, true, true]);
    assert_eq!(world.sim.drafts(phone, deck).len(), 6);
    world.restart(laptop);
    world.run();
    assert_eq!(kept(&world), [false, false, true, true, true, true]);
    // One that is not kept any more can be proposed again.
    world.propose(phone, drafts[0]);
    world.run();
    assert!(world.is_proposed(laptop, drafts[0]));
    assert_eq!(world.state(phone, drafts[1]), world.declined(laptop, "no"));
    world.assert_one_deck(&[laptop, phone]);
}
