//! `cuecard demo`, as a person runs it: two processes, a cut cable, offline edits, one history.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by a panic"
)]

mod common;

use std::fs;
use std::io::Read as _;
use std::process::Stdio;

use common::visit::Visit;
use common::{Running, Stream, argument, assert_good_end, cuecard, json_of, run, told};

#[test]
fn a_demo_comes_to_its_end_and_says_so_in_json() {
    let output = run(&["demo", "--json"]);
    let why = told(&output);
    assert_eq!(output.status.code(), Some(0), "{why}");
    let report = json_of(&output);
    assert_good_end(&report, &why);
    // 1 rename, 12 cards, 1 audio, genesis; 22 edits offline; 3 of the draft and its acceptance; 2 by the new editor,
    // 2 more late, 1 by the owner meanwhile, and the late work's acceptance.
    assert_eq!(report["entries"], 47, "{why}");
    assert_eq!(report["terms"], 3, "{why}");
    assert_eq!(report["codes_exchanged"], 1, "{why}");
    assert_eq!(report["kills"]["done"], 0, "{why}");
    // A bound for a build that is not optimised, on a machine with much else to do and a slow disk.
    assert!(report["seconds"].as_f64().unwrap() < 120.0, "{why}");
}

/// The others follow the deck, and hold the same in the end.
#[test]
fn more_devices_than_two_agree_too() {
    let output = run(&["demo", "--json", "--devices", "4"]);
    let why = told(&output);
    assert_eq!(output.status.code(), Some(0), "{why}");
    let report = json_of(&output);
    assert_eq!(report["converged"], true, "{why}");
    let heads = report["heads"].as_array().unwrap();
    assert_eq!(heads.len(), 4, "{why}");
    assert!(heads.iter().all(|head| *head == heads[0]), "{why}");
    assert_eq!(report["codes_exchanged"], 3, "{why}");
    assert_eq!(report["audio"]["verified"], true, "{why}");
    for wrong in ["1", "9"] {
        let output = run(&["demo", "--devices", wrong]);
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    }
}

#[test]
fn a_person_sees_progress_on_stderr_and_the_graph_on_stdout_without_escape_codes_in_a_pipe() {
    let output = run(&["demo"]);
    let why = told(&output);
    assert_eq!(output.status.code(), Some(0), "{why}");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        !output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b),
        "{why}"
    );
    assert!(err.contains("1/14") && err.contains("14/14"), "{why}");
    for seen in [
        "◉",
        "○",
        "◆",
        "laptop",
        "phone",
        "draft.accept",
        "card.text ×8",
        "← head",
        "22 of 22 checks",
        "Next:",
    ] {
        assert!(out.contains(seen), "{seen} is missing\n{why}");
    }
}

#[test]
fn colours_come_when_they_are_asked_for() {
    let always = run(&["demo", "--color", "always"]);
    assert_eq!(always.status.code(), Some(0), "{}", told(&always));
    assert!(always.stdout.contains(&0x1b), "{}", told(&always));
}

/// What is started is told by its arguments to all of the machine: the browser is led to the page by a file.
#[cfg(unix)]
#[test]
fn the_page_on_a_demo_shows_its_devices_and_the_browser_is_led_there_by_a_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = tempfile::tempdir().unwrap();
    let (browser, seen) = (scratch.path().join("xdg-open"), scratch.path().join("seen"));
    fs::write(
        &browser,
        "#!/bin/sh\n{ printf '%s\\n' \"$*\"; cat \"$1\"; } > \"$SEEN\"\n",
    )
    .unwrap();
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o700)).unwrap();
    // Whoever reads it waits until the browser was started.
    let made = std::process::Command::new("mkfifo").arg(&seen).status().unwrap();
    assert!(made.success());
    let path = std::env::var("PATH").unwrap_or_default();
    let mut demo = cuecard(&["demo", "--inspect"]);
    demo.env("PATH", format!("{}:{path}", argument(scratch.path())))
        .env("SEEN", &seen);
    let mut demo = Running::start(demo);
    let address = demo.until(Stream::Out, |line| line.contains("#token="));
    let token = address.split("token=").nth(1).unwrap();
    let seen = fs::read_to_string(&seen).unwrap();
    let (arguments, page) = seen.split_once('\n').unwrap();
    assert!(!arguments.contains(token), "{arguments}");
    assert!(page.contains(&address), "{page}");
    let file = std::path::Path::new(arguments);
    assert_eq!(
        fs::metadata(file).unwrap().permissions().mode() & 0o777,
        0o600,
        "for this person alone"
    );
    let visit = Visit::new(&address);
    let home = visit.get("home");
    let names: Vec<&str> = home["peers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|peer| peer["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["laptop", "phone"]);
    for (number, peer) in home["peers"].as_array().unwrap().iter().enumerate() {
        let deck = peer["decks"][0]["id"].as_str().unwrap();
        let summary = visit.get(&format!("{number}/{deck}/summary"));
        assert_eq!(
            (&summary["title"], &summary["entries"]),
            (&"Spanish 101".into(), &47.into()),
            "{summary}"
        );
    }
    // A machine with too much to do looks like a cut cable: they find each other again.
    let deadline = std::time::Instant::now() + common::WITHIN;
    while visit.get("stage")["linked"] != true {
        assert!(std::time::Instant::now() < deadline, "the two are not linked");
    }
    assert_eq!(visit.post("stage/cut", &serde_json::json!({}))["cut"], true);
    demo.signal("-INT");
    let (code, heard) = demo.end();
    assert_eq!(code, Some(130), "{heard}");
    assert!(!file.exists(), "what led there is gone");
}

#[test]
fn a_folder_with_something_in_it_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "mine").unwrap();
    let output = run(&["demo", "--keep", argument(folder.path())]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("not empty"),
        "{}",
        told(&output)
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(
        fs::read_to_string(folder.path().join("thesis.txt")).unwrap(),
        "mine"
    );
}

#[test]
fn what_cannot_be_understood_is_exit_code_two() {
    for wrong in [
        &["dance"][..],
        &["demo", "--kills", "many"],
        &["show", "--at"],
        &["log", "--full"],
    ] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}\n{}", told(&output));
    }
}

#[test]
fn help_names_the_commands_that_exist_and_the_exit_codes() {
    let output = run(&["--help"]);
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{help}");
    for said in ["demo", "log", "show", "Exit codes", "130", "NO_COLOR", "RUST_LOG"] {
        assert!(help.contains(said), "{said} is missing\n{help}");
    }
    assert!(!help.contains("peer"), "the inner command is hidden\n{help}");
}

/// A demo that has started both of its processes, and what it said until then.
#[cfg(unix)]
fn a_demo_under_way(scratch: &std::path::Path) -> (std::process::Child, Vec<u8>) {
    let mut demo = cuecard(&["demo"]);
    demo.env("TMPDIR", scratch)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut demo = demo.spawn().unwrap();
    let (mut said, mut byte) = (Vec::new(), [0]);
    let err = demo.stderr.as_mut().unwrap();
    while !String::from_utf8_lossy(&said).contains("the phone is process") {
        assert_eq!(
            err.read(&mut byte).unwrap(),
            1,
            "it ended early: {}",
            String::from_utf8_lossy(&said)
        );
        said.push(byte[0]);
    }
    (demo, said)
}

#[cfg(unix)]
fn signal(which: &str, child: &std::process::Child) {
    let sent = std::process::Command::new("kill")
        .args([which, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_both_processes_and_is_exit_code_130() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut demo, mut said) = a_demo_under_way(scratch.path());
    signal("-INT", &demo);
    // The end of its output comes when the command and both of its devices, which share it, are gone.
    demo.stderr.take().unwrap().read_to_end(&mut said).unwrap();
    assert_eq!(
        demo.wait().unwrap().code(),
        Some(130),
        "{}",
        String::from_utf8_lossy(&said)
    );
    assert!(
        String::from_utf8_lossy(&said).contains("interrupted"),
        "{}",
        String::from_utf8_lossy(&said)
    );
    assert_eq!(
        fs::read_dir(scratch.path()).unwrap().count(),
        0,
        "its folder is gone"
    );
}

#[cfg(unix)]
#[test]
fn no_process_outlives_a_demo_that_was_killed() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut demo, mut said) = a_demo_under_way(scratch.path());
    signal("-KILL", &demo);
    // As above: this would wait for ever if a device went on.
    demo.stderr.take().unwrap().read_to_end(&mut said).unwrap();
    assert_eq!(
        demo.wait().unwrap().code(),
        None,
        "{}",
        String::from_utf8_lossy(&said)
    );
}

/// `cuecard demo 2>&1 | head -3` is no reason to panic, nor to leave processes behind.
#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut demo = cuecard(&["demo"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((demo.stdout.take(), demo.stderr.take()));
    assert_eq!(demo.wait().unwrap().code(), Some(0));
}
