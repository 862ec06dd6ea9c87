//! A reorganisation takes an editor's word out of the deck's log. Then it counts no longer, and the draft waits again.

use cuecard::{DraftState, Rights};

use super::world::World;

/// The laptop accepts one draft and declines another, then its disk is restored from before that, and it goes on. Of its
/// two terms one wins, by chance: both outcomes are in these seeds.
#[test]
fn a_draft_is_accepted_or_declined_where_the_deck_says_so_and_waits_where_it_no_longer_does() {
    let mut reopened = 0;
    let mut stood = 0;
    for seed in 100..116 {
        let mut world = World::new(seed);
        let laptop = world.laptop;
        let phone = world.device("phone", Some(Rights::Draft));
        world.connect(laptop, phone);
        let (wanted, unwanted) = (world.proposed(phone, "cuatro"), world.proposed(phone, "vier"));
        world.run();
        let backup = world.sim.backup(laptop).unwrap();
        // A new run, so a new term.
        world.restart(laptop);
        world.run();
        world.accept(laptop, wanted);
        world.decline(laptop, unwanted, "no");
        world.run();
        assert_eq!(
            world.state(phone, wanted),
            Some(DraftState::Accepted),
            "seed {seed}"
        );
        world.cut(laptop, phone);
        world.sim.take_events(phone);
        world.sim.restore_backup(laptop, &backup).unwrap();
        world.edit(laptop, "after the backup was restored");
        world.run();
        assert!(world.is_proposed(laptop, wanted), "seed {seed}: as it was");
        world.mend(laptop, phone);

        let told = world.told(phone, wanted);
        let in_deck = world.has(phone, "cuatro") == 1;
        for peer in [laptop, phone] {
            assert_eq!(world.has(peer, "cuatro") == 1, in_deck, "seed {seed}");
            let state = world.state(peer, wanted).unwrap();
            assert_eq!(state == DraftState::Accepted, in_deck, "seed {seed}: {state:?}");
            assert!(in_deck || state.is_proposed(), "seed {seed}: {state:?}");
            // Both words were said in one term, so both count or neither.
            assert_eq!(world.is_proposed(peer, unwanted), !in_deck, "seed {seed}");
        }
        if told.contains(&"reopened") {
            reopened += 1;
            world.restart(phone);
            world.run();
            if !in_deck {
                assert!(world.is_proposed(laptop, wanted) && world.is_proposed(phone, wanted));
                world.accept(laptop, wanted);
            }
            if world.is_proposed(laptop, unwanted) {
                world.decline(laptop, unwanted, "still no");
            }
            world.run();
        } else {
            stood += 1;
            assert_eq!(
                world.state(laptop, unwanted),
                world.declined(laptop, "no"),
                "seed {seed}"
            );
        }
        for peer in [laptop, phone] {
            assert_eq!(
                world.state(peer, wanted),
                Some(DraftState::Accepted),
                "seed {seed}"
            );
            let state = world.state(peer, unwanted);
            assert!(
                matches!(state, Some(DraftState::Declined { .. })),
                "seed {seed}: {state:?}"
            );
            assert_eq!(
                (world.has(peer, "cuatro"), world.has(peer, "vier")),
                (1, 0),
                "seed {seed}"
            );
        }
        world.assert_one_deck(&[laptop, phone]);
    }
    assert!(reopened > 0 && stood > 0, "{reopened} reopened, {stood} stood");
}

/// A draft is written on a term that loses afterwards. Its author can still read it and write in it; and what it did is
/// not lost, whether that term's work comes back or not.
#[test]
fn a_draft_on_a_term_that_lost_is_still_its_authors_and_can_be_written_anew() {
    let mut lost = 0;
    for seed in 200..212 {
        let mut world = World::new(seed);
        let laptop = world.laptop;
        let phone = world.device("phone", Some(Rights::Draft));
        world.connect(laptop, phone);
        let backup = world.sim.backup(laptop).unwrap();
        world.restart(laptop);
        world.run();
        world.edit(laptop, "on the term that may lose");
        world.run();
        world.cut(laptop, phone);
        let draft = world.open(phone, "cuatro");
        world.sim.restore_backup(laptop, &backup).unwrap();
        world.edit(laptop, "after the backup was restored");
        world.run();
        world.sim.take_events(phone);
        world.mend(laptop, phone);
        let reorganised = world
            .sim
            .take_events(phone)
            .iter()
            .any(|event| matches!(event, cuecard::Event::Reorganised { .. }));
        lost += usize::from(reorganised);

        world.restart(phone);
        world.run();
        let deck = world.deck;
        world.write(phone, draft, "cinco");
        let seen = world.act(phone, |core, _| core.draft_cards(deck, draft).unwrap());
        let seen: Vec<&str> = seen.iter().map(|card| card.front.as_str()).collect();
        assert!(
            seen.contains(&"on the term that may lose"),
            "seed {seed}: as it was opened: {seen:?}"
        );
        assert!(
            seen.contains(&"cuatro") && seen.contains(&"cinco"),
            "seed {seed}: {seen:?}"
        );
        let preview = world.act(phone, |core, _| core.preview_draft(deck, draft).unwrap());
        assert!(preview.cards.len() >= 2, "seed {seed}: {preview:#?}");

        let anew = world.act(phone, |core, now| {
            core.write_draft_anew(now, deck, draft).unwrap().value
        });
        world.propose(phone, anew);
        world.run();
        world.accept(laptop, anew);
        world.run();
        for peer in [laptop, phone] {
            assert_eq!(
                (world.has(peer, "cuatro"), world.has(peer, "cinco")),
                (1, 1),
                "seed {seed}"
            );
        }
        world.assert_one_deck(&[laptop, phone]);
    }
    assert!(lost > 0, "in none of these seeds it lost");
}

/// The same, and its author does nothing: the work of the term that lost comes back by itself, and with it what the draft
/// was written on, so that the draft is taken and accepted as it is.
#[test]
fn a_draft_on_late_work_is_accepted_once_that_is_part_of_the_deck_again() {
    let mut lost = 0;
    for seed in 200..212 {
        let mut world = World::new(seed);
        let laptop = world.laptop;
        let phone = world.device("phone", Some(Rights::Draft));
        world.connect(laptop, phone);
        let backup = world.sim.backup(laptop).unwrap();
        world.restart(laptop);
        world.run();
        world.edit(laptop, "on the term that may lose");
        world.run();
        world.cut(laptop, phone);
        let draft = world.proposed(phone, "cuatro");
        world.sim.restore_backup(laptop, &backup).unwrap();
        world.edit(laptop, "after the backup was restored");
        world.run();
        world.sim.take_events(phone);
        world.mend(laptop, phone);
        let events = world.sim.take_events(phone);
        let reorganised = |event: &cuecard::Event| matches!(event, cuecard::Event::Reorganised { .. });
        lost += usize::from(events.iter().any(reorganised));
        world.run();
        assert!(world.is_proposed(laptop, draft), "seed {seed}");
        world.accept(laptop, draft);
        world.run();
        for peer in [laptop, phone] {
            assert_eq!(world.has(peer, "cuatro"), 1, "seed {seed}");
            assert_eq!(world.has(peer, "on the term that may lose"), 1, "seed {seed}");
        }
        world.assert_one_deck(&[laptop, phone]);
    }
    assert!(lost > 0, "in none of these seeds it lost");
}
