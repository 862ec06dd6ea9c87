//! `cuecard log` and `cuecard show`, on the folders that a demo kept.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by a panic"
)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;

use common::{argument, cuecard, json_of, run, stdout_of, told};
use serde_json::Value;
use tempfile::TempDir;

/// One demo for all tests: its devices are only read.
static KEPT: LazyLock<PathBuf> = LazyLock::new(|| {
    // Not a folder that removes itself: what is static is never dropped.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kept-by-log-and-show");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    let output = run(&["demo", "--json", "--keep", argument(&folder)]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    folder
});

/// A device's folder, copied: two commands at one time on one folder would refuse each other.
fn device(name: &str) -> (TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    copy(&KEPT.join(name), &scratch.path().join(name));
    let folder = scratch.path().join(name);
    (scratch, folder)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

fn json(arguments: &[&str]) -> Value {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    json_of(&output)
}

#[test]
fn both_devices_tell_the_same_history() {
    let (_a, laptop) = device("laptop");
    let (_b, phone) = device("phone");
    let here = json(&["log", "--json", "--data-dir", argument(&laptop)]);
    let there = json(&["log", "--json", "--data-dir", argument(&phone)]);
    assert_eq!(here["version"], 1);
    assert_eq!(here["head"], there["head"]);
    assert_eq!(here["title"], "Spanish 101");
    assert_eq!(here["devices"], there["devices"], "each knows the other by name");
    let hashes = |history: &Value| {
        let mut hashes: Vec<String> = Vec::new();
        hashes.extend(
            history["entries"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["hash"].to_string()),
        );
        hashes.sort();
        hashes
    };
    assert_eq!(hashes(&here).len(), 47);
    assert_eq!(hashes(&here), hashes(&there));
    let graph = |folder: &PathBuf| stdout_of(&["log", "--graph", "--data-dir", argument(folder)]);
    assert_eq!(graph(&laptop), graph(&phone), "one history, one drawing");
}

#[test]
fn a_list_has_a_line_an_entry_and_a_graph_joins_runs() {
    let (_scratch, folder) = device("phone");
    let list = stdout_of(&["log", "--data-dir", argument(&folder)]);
    let graph = stdout_of(&["log", "--graph", "--data-dir", argument(&folder)]);
    let full = stdout_of(&["log", "--graph", "--full", "--data-dir", argument(&folder)]);
    assert_eq!(list.lines().count(), 1 + 47, "\n{list}");
    assert_eq!(full.lines().count(), 3 + 47, "\n{full}");
    assert!(graph.lines().count() < 24, "\n{graph}");
    assert!(
        graph.contains("card.add ×12") && graph.contains("\"sea and manners\" by phone"),
        "\n{graph}"
    );
    for text in [&list, &graph] {
        let accepted = text.lines().find(|line| line.contains("late.accept")).unwrap();
        assert!(
            accepted.contains("late work by phone"),
            "whose it was: {accepted}"
        );
    }
    for text in [&list, &graph, &full] {
        assert!(!text.contains('\x1b'), "no escape codes in a pipe\n{text}");
        assert!(text.contains("laptop") && text.contains("phone"), "names\n{text}");
    }
}

#[test]
fn no_color_beats_auto_and_always_beats_no_color() {
    let (_scratch, folder) = device("phone");
    let always = [
        "log",
        "--graph",
        "--color",
        "always",
        "--data-dir",
        argument(&folder),
    ];
    let output = cuecard(&always).env("NO_COLOR", "1").output().unwrap();
    assert!(output.stdout.contains(&0x1b), "{}", told(&output));
    let never = stdout_of(&[
        "log",
        "--graph",
        "--color",
        "never",
        "--data-dir",
        argument(&folder),
    ]);
    assert!(!never.contains('\x1b'));
}

#[test]
fn a_deck_is_shown_with_its_audio_its_members_and_its_editor() {
    let (_scratch, folder) = device("phone");
    let text = stdout_of(&["show", "--data-dir", argument(&folder)]);
    for seen in [
        "Spanish 101",
        "editor: laptop",
        "laptop [owner]",
        "phone (this device) [hold]",
        "at the house (building)",
        "melody.wav",
        "6.0 s",
        "1.0 MiB, here",
        "#polite",
    ] {
        assert!(text.contains(seen), "{seen} is missing\n{text}");
    }
    assert!(!text.contains('\x1b'));
    let shown = json(&["show", "--json", "--data-dir", argument(&folder)]);
    let deck = &shown;
    assert_eq!(shown["version"], 1);
    assert_eq!(deck["cards"].as_array().unwrap().len(), 20);
    assert_eq!(deck["editor"]["name"], "laptop");
    let sung = deck["cards"]
        .as_array()
        .unwrap()
        .iter()
        .find(|card| card["front"] == "hola")
        .unwrap();
    assert_eq!(sung["audio"][0]["here"], true);
    assert_eq!(sung["audio"][0]["bytes"], 1_058_444);
    assert_eq!(sung["audio"][0]["mime"], "audio/wav");
}

#[test]
fn a_deck_is_shown_as_it_was_at_an_entry() {
    let (_scratch, folder) = device("laptop");
    let log = json(&["log", "--json", "--data-dir", argument(&folder)]);
    let entries = log["entries"].as_array().unwrap();
    let attached = entries
        .iter()
        .find(|entry| entry["ops"][0]["op"] == "audio.attach")
        .unwrap();
    let at = &attached["hash"].as_str().unwrap()[..8];
    let then = json(&["show", "--json", "--at", at, "--data-dir", argument(&folder)]);
    let fronts: Vec<&str> = then["cards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|card| card["front"].as_str().unwrap())
        .collect();
    assert_eq!(fronts.len(), 12);
    assert_eq!((fronts[0], fronts[11]), ("hola", "mañana"));
    assert_eq!(then["at"], attached["hash"]);
    let nowhere = run(&["show", "--at", "zzzz", "--data-dir", argument(&folder)]);
    assert_eq!(nowhere.status.code(), Some(7), "{}", told(&nowhere));
    assert!(
        String::from_utf8_lossy(&nowhere.stderr).contains("cuecard log"),
        "{}",
        told(&nowhere)
    );
}

#[test]
fn a_folder_without_a_device_is_an_error_and_stays_empty() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["log", "show"] {
        let output = run(&[command, "--data-dir", argument(folder.path())]);
        assert_eq!(output.status.code(), Some(7), "{}", told(&output));
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("there is no device in"),
            "{}",
            told(&output)
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_in_use_is_a_clear_error() {
    let (_scratch, folder) = device("phone");
    let mut peer = cuecard(&["peer", "--data-dir", argument(&folder), "--name", "phone"]);
    let mut peer = peer.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = peer.stdin.take().unwrap();
    // Its answer shows that it has the folder open.
    std::io::Write::write_all(&mut input, b"{\"id\":1,\"do\":\"status\"}\n").unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(peer.stdout.as_mut().unwrap()),
        &mut line,
    )
    .unwrap();
    assert!(line.starts_with("{\"id\":1,\"ok\":"), "{line}");
    let output = run(&["show", "--data-dir", argument(&folder)]);
    assert_eq!(output.status.code(), Some(6), "{}", told(&output));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("in use by another process"),
        "{}",
        told(&output)
    );
    // The end of its input is the end of the peer, and of its hold on the folder.
    drop(input);
    assert!(peer.wait().unwrap().success());
    stdout_of(&["show", "--data-dir", argument(&folder)]);
}
