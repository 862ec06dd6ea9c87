//! How many drafts wait, of whom, and what becomes of those that find no room.

use cuecard::limits::{DRAFT_CHANGES_MAX, DRAFTS_CLOSED_PER_MEMBER_MAX, DRAFTS_PER_MEMBER_MAX};
use cuecard::{DraftRefusal, DraftState, EditError, Event, Rights};

use super::world::World;

#[test]
fn a_device_opens_eight_drafts_and_the_ninth_when_one_of_them_is_over() {
    let mut world = World::new(1);
    let (laptop, deck) = (world.laptop, world.deck);
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    let drafts: Vec<_> = (0..DRAFTS_PER_MEMBER_MAX)
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

/// As many changes as a draft may have are written, offered and taken; one more is refused where it is written.
#[test]
fn a_draft_has_at_most_a_thousand_changes() {
    let mut world = World::new(4);
    let (laptop, deck) = (world.laptop, world.deck);
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    let draft = world.open(phone, "long");
    let card = |core: &cuecard::core::Core| {
        let cards = core.draft_cards(deck, draft).unwrap();
        cards.iter().find(|card| card.front == "long").unwrap().id.clone()
    };
    let card = world.act(phone, |core, _| card(core));
    let tag = |world: &mut World, number: u64| {
        let tag = (number % 7).to_string();
        world.act(phone, |core, now| {
            core.edit_draft(now, deck, draft, |edit| match number / 7 % 2 {
                0 => edit.tag(&card, &tag),
                _ => edit.untag(&card, &tag),
            })
        })
    };
    let written = world.act(phone, |core, _| core.draft(deck, draft).unwrap().len);
    for number in 0..DRAFT_CHANGES_MAX - written {
        tag(&mut world, number).unwrap();
    }
    let refused = tag(&mut world, DRAFT_CHANGES_MAX - written);
    assert!(
        matches!(refused, Err(EditError::DraftFull(id)) if id == draft),
        "{refused:?}"
    );
    world.propose(phone, draft);
    world.run();
    assert!(world.is_proposed(laptop, draft));
    world.accept(laptop, draft);
    world.run();
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
    for number in 0..2 + DRAFTS_CLOSED_PER_MEMBER_MAX {
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
    let latest = [&[false; 2][..], &[true; DRAFTS_CLOSED_PER_MEMBER_MAX]].concat();
    assert_eq!(kept(&world), latest);
    assert_eq!(world.sim.drafts(phone, deck).len(), latest.len());
    world.restart(laptop);
    world.run();
    assert_eq!(kept(&world), latest);
    // One that is not kept any more can be proposed again.
    world.propose(phone, drafts[0]);
    world.run();
    assert!(world.is_proposed(laptop, drafts[0]));
    assert_eq!(world.state(phone, drafts[1]), world.declined(laptop, "no"));
    world.assert_one_deck(&[laptop, phone]);
}
