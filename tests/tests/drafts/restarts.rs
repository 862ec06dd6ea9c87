//! Devices lose power between any two steps, and at any moment; links break at any moment. What was proposed arrives,
//! what was decided is heard, and all agree.
//!
//! Each seed is another world. `CUECARD_SEED=n` runs one alone, `CUECARD_SEEDS=n` as many.

use cuecard::sim::Peer;
use cuecard::{DraftId, DraftState, Rights};
use cuecard_tests::seeds;
use std::time::Duration;

use super::world::World;

const SEEDS: u64 = 40;

/// The story of `decided`, with all devices off and on again between every two steps.
#[test]
fn a_draft_survives_a_restart_of_every_device_between_every_two_steps() {
    let mut world = World::new(1);
    let laptop = world.laptop;
    let tablet = world.device("tablet", Some(Rights::Read));
    let phone = world.device("phone", Some(Rights::Draft));
    let all = [laptop, tablet, phone];
    world.connect(laptop, tablet);
    world.connect(tablet, phone);
    let (wanted, unwanted) = (world.open(phone, "cuatro"), world.open(phone, "vier"));
    let off_and_on = |world: &mut World| {
        for peer in all {
            world.saved(peer);
            world.restart(peer);
        }
        world.run();
    };
    off_and_on(&mut world);
    world.write(phone, wanted, "cinco");
    off_and_on(&mut world);
    assert_eq!(world.info(phone, wanted).unwrap().len, 2);
    assert_eq!(world.state(phone, wanted), Some(DraftState::Open));
    world.propose(phone, wanted);
    off_and_on(&mut world);
    world.propose(phone, unwanted);
    off_and_on(&mut world);
    assert!(world.is_proposed(laptop, wanted) && world.is_proposed(laptop, unwanted));
    assert_eq!(world.state(phone, wanted), world.delivered(&[tablet]));
    world.decline(laptop, unwanted, "German");
    off_and_on(&mut world);
    assert_eq!(world.state(phone, unwanted), world.declined(laptop, "German"));
    world.write(phone, wanted, "seis");
    off_and_on(&mut world);
    world.propose(phone, wanted);
    off_and_on(&mut world);
    assert_eq!(world.info(laptop, wanted).unwrap().proposed, 3);
    world.propose(phone, unwanted);
    off_and_on(&mut world);
    world.withdraw(phone, unwanted);
    off_and_on(&mut world);
    for peer in all {
        assert_eq!(
            world.state(peer, unwanted),
            Some(DraftState::Withdrawn),
            "{peer:?}"
        );
    }
    world.accept(laptop, wanted);
    off_and_on(&mut world);
    for peer in all {
        assert_eq!(world.state(peer, wanted), Some(DraftState::Accepted), "{peer:?}");
        for front in ["cuatro", "cinco", "seis"] {
            assert_eq!(world.has(peer, front), 1, "{peer:?}");
        }
    }
    world.assert_one_deck(&all);
}

/// What a story still wants of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Accept,
    Decline,
    Withdraw,
}

/// Three devices in a row, cables that are cut and mended, devices that lose power; each step is tried until it was done.
fn run(seed: u64) {
    let mut world = World::new(seed);
    let laptop = world.laptop;
    let tablet = world.device("tablet", Some(Rights::Draft));
    let phone = world.device("phone", Some(Rights::Draft));
    let all = [laptop, tablet, phone];
    world.connect(laptop, tablet);
    world.connect(tablet, phone);
    let mut drafts: Vec<(Peer, DraftId, Fate)> = Vec::new();
    for (number, fate) in [Fate::Accept, Fate::Decline, Fate::Withdraw, Fate::Accept]
        .into_iter()
        .enumerate()
    {
        let author = if number % 2 == 0 { phone } else { tablet };
        let draft = world.proposed(author, &format!("draft {number}"));
        world.saved(author);
        drafts.push((author, draft, fate));
    }
    for step in 0..40 {
        match world.sim.random(8) {
            0 => world.sim.cut(laptop, tablet),
            1 => world.sim.cut(tablet, phone),
            2 => world.sim.mend(laptop, tablet),
            3 => world.sim.mend(tablet, phone),
            4 | 5 => {
                let peer = all[world.sim.random(3) as usize];
                world.restart(peer);
            }
            6 => world.edit(laptop, &format!("edit {step}")),
            _ => decide(&mut world, &drafts),
        }
        let pause = Duration::from_millis(world.sim.random(700));
        world.sim.run_for(pause);
    }
    world.sim.mend(laptop, tablet);
    world.sim.mend(tablet, phone);
    for _ in 0..30 {
        world.run();
        decide(&mut world, &drafts);
    }
    world.run();
    for (author, draft, fate) in drafts {
        let states = all.map(|peer| world.state(peer, draft));
        let told = format!("seed {seed}: {fate:?} {draft:?} by {author:?}: {states:?}");
        let state = world.state(author, draft).expect("its author has it");
        match fate {
            Fate::Accept => assert!(
                states.iter().all(|state| *state == Some(DraftState::Accepted)),
                "{told}"
            ),
            Fate::Decline => assert!(matches!(state, DraftState::Declined { .. }), "{told}"),
            Fate::Withdraw => assert_eq!(state, DraftState::Withdrawn, "{told}"),
        }
        for state in states.into_iter().flatten() {
            assert!(!state.is_proposed() && state != DraftState::Open, "{told}");
        }
    }
    assert_eq!(
        (world.has(phone, "draft 0"), world.has(phone, "draft 1")),
        (1, 0),
        "seed {seed}"
    );
    assert_eq!(
        (world.has(phone, "draft 2"), world.has(phone, "draft 3")),
        (0, 1),
        "seed {seed}"
    );
    world.assert_one_deck(&all);
}

/// Does what is to be done with each draft, as far as it can be done now.
fn decide(world: &mut World, drafts: &[(Peer, DraftId, Fate)]) {
    let (laptop, deck) = (world.laptop, world.deck);
    for &(author, draft, fate) in drafts {
        if fate == Fate::Withdraw && world.is_proposed(author, draft) {
            world.withdraw(author, draft);
        }
        if !world.is_proposed(laptop, draft) {
            continue;
        }
        match fate {
            Fate::Accept => world
                .act(laptop, |core, now| core.accept_draft(now, deck, draft).map(drop))
                .unwrap(),
            Fate::Decline => world.decline(laptop, draft, "no"),
            Fate::Withdraw => {}
        }
    }
}

#[test]
fn drafts_reach_their_fate_over_links_that_break_and_devices_that_lose_power() {
    for seed in seeds(SEEDS) {
        run(seed);
    }
}
