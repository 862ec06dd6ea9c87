//! Every story within a bound. The bounds and what they come to are listed at the head of `main.rs`.

use std::time::Instant;

use stateright::{Checker, Model};

use crate::model::{Bounds, Role};
use crate::properties::goals;
use crate::world::World;

/// Searches everything within the bounds of the model and prints how much that was: these states, and these sets of
/// records in every order, as the table at the head of `main.rs` says.
fn check(name: &str, mut model: Role, (states, sets): (usize, usize)) {
    let more = std::env::var("CUECARD_MODEL_STEPS").map_or(0, |steps| steps.parse().unwrap());
    model.bounds.steps += more;
    let steps = model.bounds.steps;
    let began = Instant::now();
    let checker = model.checker().threads(2).spawn_bfs().join();
    println!(
        "{name}: {steps} steps, {} states, {} sets in every order, {:.1?}",
        checker.unique_state_count(),
        checker.model().lab.sets(),
        began.elapsed()
    );
    for (property, path) in checker.discoveries() {
        let steps = checker.model().tell(path.clone().into_actions());
        println!("  {property}:\n{steps}");
    }
    checker.assert_properties();
    if more == 0 && std::env::var_os("CUECARD_MODEL_LUCK").is_none() {
        let found = (checker.unique_state_count(), checker.model().lab.sets());
        assert_eq!(
            found,
            (states, sets),
            "{name}: another search than the one that is written down"
        );
    }
}

fn bounds(steps: u8) -> Bounds {
    Bounds {
        steps,
        most: [0; _],
        present: vec![0, 1, 2],
        hostile: None,
        members: vec![vec![1, 2], vec![2]],
        seals_apart: false,
        goals: vec![goals::LATE, goals::CLAIMED],
    }
}

fn three(bounds: Bounds) -> Role {
    let luck = std::env::var("CUECARD_MODEL_LUCK").map_or(0, |luck| luck.parse().unwrap());
    Role::new(World::new(3, luck), bounds, None)
}

#[test]
fn an_owner_and_two_members() {
    let most = [2, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
    check(
        "owner present",
        three(Bounds { most, ..bounds(4) }),
        (10_801, 16_259),
    );
}

#[test]
fn two_members_whose_owner_is_away() {
    let most = [2, 1, 2, 1, 2, 0, 0, 0, 0, 0, 0, 0];
    let present = vec![1, 2];
    let bounds = Bounds {
        most,
        present,
        ..bounds(5)
    };
    check("owner away", three(bounds).held_by(1), (4_650, 5_709));
}

#[test]
fn crashes_and_a_copied_folder() {
    let most = [3, 1, 1, 0, 1, 1, 1, 0, 2, 1, 0, 0];
    check("crashes", three(Bounds { most, ..bounds(4) }), (36_298, 15_742));
}

#[test]
fn crashes_of_devices_that_write_on() {
    let most = [3, 0, 1, 0, 1, 0, 0, 0, 2, 1, 0, 0];
    check(
        "long crashes",
        three(Bounds { most, ..bounds(5) }),
        (44_317, 8_284),
    );
}

#[test]
fn a_cheat_among_the_members() {
    let bounds = Bounds {
        most: [2, 0, 1, 0, 1, 1, 1, 0, 0, 0, 2, 0],
        hostile: Some(1),
        goals: vec![goals::LATE, goals::CLAIMED, goals::CHEATED],
        ..bounds(3)
    };
    check("a cheat", three(bounds).held_by(1), (6_099, 10_462));
}

#[test]
fn an_owner_who_gave_the_deck_away_and_goes_on_signing() {
    let bounds = Bounds {
        most: [2, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
        hostile: Some(0),
        ..bounds(3)
    };
    check("an owner of earlier", three(bounds), (9_520, 9_262));
}

#[test]
fn changes_that_travel_apart_from_their_seals() {
    let bounds = Bounds {
        most: [2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
        seals_apart: true,
        ..bounds(3)
    };
    check("seals apart", three(bounds), (4_689, 4_712));
}

/// The editor's run was there all the time, or says so: it answers the claim, before or after it has heard of others.
#[test]
fn an_editor_that_answers_claims() {
    let bounds = Bounds {
        most: [3, 1, 1, 1, 2, 0, 0, 0, 1, 0, 0, 2],
        ..bounds(4)
    };
    check("claims answered", three(bounds).held_by(1), (6_904, 4_146));
}
