//! The model can fail: with any one rule left out it finds the counterexample that the rule is there for.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use crate::model::{Bounds, Habit, KINDS, Role};
use crate::plain::Rule;
use crate::properties::{HASTE, KEPT, LINE, LOST, NUMBERS, ORDER, PASSED_OVER, RIGHTS, SETTLED};
use crate::world::World;

fn story(most: [u8; KINDS], hostile: Option<u8>) -> Bounds {
    Bounds {
        steps: 3,
        most,
        present: vec![0, 1, 2],
        hostile,
        members: vec![vec![1, 2], vec![2]],
        seals_apart: false,
        goals: Vec::new(),
    }
}

/// Owner, edits, handovers, claims, charters and takeovers.
const HONEST: [u8; KINDS] = [2, 0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0];
/// The same with a cheat.
const CHEATED: [u8; KINDS] = [2, 0, 1, 0, 1, 1, 0, 0, 0, 0, 1, 0];
/// Crashes and a copied folder.
const CRASHED: [u8; KINDS] = [3, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0];

fn finds(property: &'static str, model: Role, what: &str) {
    let wanted = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = model.checker().finish_when(wanted).spawn_bfs().join();
    let found = checker.discovery(property);
    let found = found.unwrap_or_else(|| panic!("without {what} the model found nothing wrong"));
    let steps = checker.model().tell(found.into_actions());
    println!("without {what}, {property} fails:\n{steps}");
}

fn without(rule: Rule, bounds: Bounds, property: &'static str) {
    let role = |world| Role::new(world, bounds.clone(), Some(rule));
    let model = role(World::new(3, 0));
    let model = if bounds.hostile == Some(1) {
        model.held_by(1)
    } else {
        model
    };
    finds(property, model, &format!("{rule:?}"));
}

fn without_habit(habit: Habit, by: u8, property: &'static str) {
    let mut model = Role::new(World::new(3, 0), story(CRASHED, None), None).held_by(by);
    model.without = Some(habit);
    finds(property, model, &format!("{habit:?}"));
}

#[test]
fn without_settled_first_a_sibling_undoes_what_is_settled() {
    without(Rule::SettledFirst, story(HONEST, None), SETTLED);
}

#[test]
fn without_cuts_that_contain_the_settled_an_old_cut_undoes_it() {
    without(Rule::CutContainsSettled, story(CHEATED, Some(1)), SETTLED);
}

#[test]
fn without_waiting_for_changes_the_path_runs_over_a_hole() {
    without(Rule::Available, story(HONEST, None), LINE);
}

#[test]
fn without_rights_a_removed_member_counts() {
    without(Rule::Rights, story(HONEST, None), RIGHTS);
}

#[test]
fn without_an_end_for_former_holders_their_terms_go_on() {
    without(Rule::ExHolderEnds, story(CHEATED, Some(1)), RIGHTS);
}

#[test]
fn without_final_cuts_a_longer_seal_splits_the_line() {
    without(Rule::CutIsFinal, story(HONEST, None), LINE);
}

#[test]
fn without_an_order_of_siblings_arrival_decides() {
    without(Rule::OrderOfArrival, story(HONEST, None), ORDER);
}

#[test]
fn without_the_holders_word_first_a_claim_takes_the_role_from_whoever_has_it() {
    without(Rule::WordBeforeClaim, story(HONEST, None), PASSED_OVER);
}

#[test]
fn without_ranks_the_id_decides_among_claims() {
    let mut bounds = story(HONEST, None);
    bounds.most = [0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];
    without(Rule::RankDecides, bounds, PASSED_OVER);
}

#[test]
fn without_an_order_of_charters_arrival_decides() {
    without(Rule::NewestCharter, story(HONEST, None), ORDER);
}

#[test]
fn without_the_last_common_change_a_cheat_shows_each_its_own() {
    let mut bounds = story(CHEATED, Some(1));
    bounds.steps = 2;
    without(Rule::LastCommon, bounds, ORDER);
}

#[test]
fn without_late_work_of_invalid_terms_a_change_is_lost() {
    without(Rule::LosersLoseNothing, story(HONEST, None), LOST);
}

#[test]
fn without_waiting_for_the_settled_term_the_revoked_go_on() {
    without(Rule::WaitForSettled, story(HONEST, None), HASTE);
}

#[test]
fn without_a_term_of_its_own_a_run_reuses_a_number() {
    without_habit(Habit::OwnTerm, 1, NUMBERS);
}

#[test]
fn without_fresh_nonces_two_runs_share_a_term() {
    without_habit(Habit::FreshNonce, 1, NUMBERS);
}

#[test]
fn without_durable_first_a_crash_loses_what_is_settled() {
    without_habit(Habit::DurableFirst, 0, KEPT);
}
