//! The worlds are no ornament: with a rule broken on purpose, some of them go wrong, and say so.

use cuecard::sim::{Rule, with_broken};
use cuecard_tests::on_all_cores;

/// Rules, and the first world in which it matters much that each is kept: others are tried only where that one has changed.
const RULES: [(Rule, u64); 9] = [
    (Rule::OneRunOneTerm, 29),
    (Rule::LateWorkComesBack, 0),
    (Rule::PassOn, 0),
    (Rule::PullAudio, 6),
    (Rule::SaveBeforeSending, 7),
    (Rule::HoldNeedsTheRight, 4),
    (Rule::KeysAreTheSchemas, 20),
    (Rule::ObjectsAreInThePast, 177),
    (Rule::MessagesAreTrue, 15),
];

/// A seed that notices.
fn noticed(rule: Rule, from: u64) -> Option<(u64, String)> {
    (from..from + 200).find_map(|seed| Some((seed, with_broken(rule, || crate::run(seed)).err()?)))
}

#[test]
fn a_broken_rule_is_noticed() {
    let told = on_all_cores((0..).zip(RULES).map(|(at, _)| at).collect(), |at| {
        let (rule, from) = RULES[at as usize];
        let (seed, why) =
            noticed(rule, from).unwrap_or_else(|| panic!("{rule:?} was broken, and nobody noticed"));
        assert!(why.contains(&format!("seed {seed}")), "{why}");
        format!("{rule:?} broken: {}", why.lines().next().unwrap_or_default())
    });
    told.iter().for_each(|line| println!("{line}"));
}
