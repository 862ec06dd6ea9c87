//! The worlds are no ornament: with a rule broken on purpose, some of them go wrong, and say so.

use cuecard::sim::{Rule, with_broken};

/// The first seed that notices.
fn noticed(rule: Rule) -> Option<(u64, String)> {
    (0..200).find_map(|seed| Some((seed, with_broken(rule, || crate::run(seed)).err()?)))
}

#[test]
fn a_broken_rule_is_noticed() {
    let rules = [
        Rule::OneRunOneTerm,
        Rule::LateWorkComesBack,
        Rule::PassOn,
        Rule::PullAudio,
        Rule::SaveBeforeSending,
        Rule::HoldNeedsTheRight,
    ];
    for rule in rules {
        let (seed, why) = noticed(rule).unwrap_or_else(|| panic!("{rule:?} was broken, and nobody noticed"));
        let line = why.lines().next().unwrap_or_default();
        println!("{rule:?} broken: {line}");
        assert!(why.contains(&format!("seed {seed}")), "{why}");
    }
}
