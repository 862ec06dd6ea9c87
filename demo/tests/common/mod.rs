//! Runs the command as a user would.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by a panic"
)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The command, with nothing of the caller's environment that would change what it prints.
pub(crate) fn cuecard(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cuecard"));
    command
        .args(arguments)
        .env_remove("NO_COLOR")
        .env_remove("RUST_LOG")
        .env_remove("CUECARD_DATA_DIR");
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    cuecard(arguments).output().unwrap()
}

/// Runs it to its end, which must be a good one, and gives its standard output.
pub(crate) fn stdout_of(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The one JSON object that it prints.
pub(crate) fn json_of(output: &Output) -> Value {
    // A task that panics in one of the processes need not end it: this is where it shows.
    assert!(
        !String::from_utf8_lossy(&output.stderr).contains("panicked"),
        "{}",
        told(output)
    );
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let object = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{}", told(output)));
    assert_eq!(text.lines().count(), 1, "one line\n{}", told(output));
    object
}

/// Everything that it said, for a test that fails.
pub(crate) fn told(output: &Output) -> String {
    format!(
        "exit {:?}\n--- stdout\n{}\n--- stderr\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A path as an argument.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Asserts on every field of a demo's report that a good end fixes.
pub(crate) fn assert_good_end(report: &Value, why: &str) {
    assert_eq!(report["version"], 1, "{why}");
    assert_eq!(report["converged"], true, "{why}");
    let heads = report["heads"].as_array().unwrap();
    assert_eq!(heads.len(), 2, "{why}");
    assert_eq!(heads[0], heads[1], "{why}");
    assert_eq!(heads[0].as_str().unwrap().len(), 64, "{why}");
    assert_eq!(report["cards"], 18, "{why}");
    assert_eq!(report["drafts"]["proposed"], 1, "{why}");
    assert_eq!(report["drafts"]["accepted"], 1, "{why}");
    assert_eq!(report["audio"]["verified"], true, "{why}");
    assert_eq!(report["audio"]["bytes"], 1_058_444, "{why}");
    assert_eq!(report["audio"]["blake3"].as_array().unwrap().len(), 1, "{why}");
    assert!(report["seconds"].as_f64().unwrap() > 0.0, "{why}");
    assert!(report["terms"].as_u64().unwrap() >= 2, "{why}");
    assert!(report["codes_exchanged"].as_u64().unwrap() >= 1, "{why}");
    assert!(report.get("error").is_none(), "{why}");
    let checks = report["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 19, "{why}");
    for check in checks {
        assert_eq!(check["ok"], true, "{check}\n{why}");
    }
}
