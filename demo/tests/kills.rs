//! Processes that are killed at random moments of the story: it comes to the same end.
//!
//! `CUECARD_SEED=n` runs one seed alone.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by a panic"
)]

mod common;

use common::{assert_good_end, json_of, run, told};

const KILLS_A_RUN: u64 = 5;
const SEEDS: [u64; 4] = [1, 2, 3, 4];

#[test]
fn after_twenty_kills_by_sigkill_both_devices_agree() {
    let chosen = std::env::var("CUECARD_SEED")
        .ok()
        .map(|seed| seed.parse::<u64>().unwrap());
    let seeds = chosen.map_or(SEEDS.to_vec(), |seed| vec![seed]);
    let mut kills = 0;
    for seed in seeds {
        let output = run(&[
            "demo",
            "--json",
            "--kills",
            &KILLS_A_RUN.to_string(),
            "--seed",
            &seed.to_string(),
        ]);
        let why = format!("seed {seed}: {}", told(&output));
        assert_eq!(output.status.code(), Some(0), "{why}");
        let report = json_of(&output);
        assert_good_end(&report, &why);
        assert_eq!(report["kills"]["seed"], seed, "{why}");
        assert_eq!(report["kills"]["asked"], KILLS_A_RUN, "{why}");
        let done = report["kills"]["done"].as_u64().unwrap();
        assert!(report["kills"]["restarts"].as_u64().unwrap() >= done, "{why}");
        kills += done;
    }
    assert!(chosen.is_some() || kills >= 20, "{kills} kills are too few");
}
