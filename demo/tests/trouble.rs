//! When the machine does not play along: a full disk, a read-only folder, damaged data, no home; and what the doctor says.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on says so by a panic"
)]

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{Device, argument, cuecard, json_of, told};

fn a_deck() -> Device {
    let device = Device::new("laptop");
    device.ok(&["new", "Spanish 101"]);
    device.ok(&["add", "hola", "hello"]);
    device
}

#[test]
fn without_a_home_it_says_how_to_name_a_folder() {
    let output = cuecard(&["list"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("--data-dir") && said.contains("CUECARD_DATA_DIR"),
        "{said}"
    );
}

/// Runs a script in a mount namespace of its own, in which it may mount; `None` where the machine allows none.
fn with_mounts(script: &str, folder: &Path) -> Option<Output> {
    let can = |arguments: &[&str]| {
        let tried = Command::new("unshare").args(arguments).arg("true").output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    let arguments: &[&str] = if can(&["--mount"]) {
        &["--mount"]
    } else if can(&["--mount", "--map-root-user"]) {
        &["--mount", "--map-root-user"]
    } else {
        assert!(
            std::env::var_os("CUECARD_REQUIRE_NAMESPACES").is_none(),
            "no mount namespaces here, and they are required"
        );
        println!("SKIPPED: no mount namespaces here, so no full disk and no read-only folder");
        return None;
    };
    let output = Command::new("unshare")
        .args(arguments)
        .args(["sh", "-euc", script])
        .env("CUECARD", env!("CARGO_BIN_EXE_cuecard"))
        .env("DISK", folder)
        .env("CUECARD_DATA_DIR", folder.join("data"))
        .env("CUECARD_BIND", "loopback")
        .output()
        .unwrap();
    Some(output)
}

#[test]
fn on_a_full_disk_it_says_so_with_its_own_exit_code_and_loses_nothing() {
    let disk = tempfile::tempdir().unwrap();
    let script = r#"
        mount -t tmpfs -o size=12m tmpfs "$DISK"
        "$CUECARD" new Spanish
        "$CUECARD" add hola hello
        head -c 3000000 /dev/urandom > "$DISK/small.ogg"
        cp "$DISK/small.ogg" /tmp/cuecard-full-$$.ogg
        rm "$DISK/small.ogg"
        code=0
        for word in 1 2 3 4 5 6 7 8; do
            head -c 3000000 /dev/urandom > /tmp/cuecard-full-$$.ogg
            "$CUECARD" add "word $word" x --audio /tmp/cuecard-full-$$.ogg || { code=$?; break; }
        done
        rm /tmp/cuecard-full-$$.ogg
        echo "code $code"
        mount -o remount,size=64m "$DISK"
        "$CUECARD" add "la casa" "the house"
        "$CUECARD" list
        "$CUECARD" doctor --offline
    "#;
    let Some(output) = with_mounts(script, disk.path()) else {
        return;
    };
    let why = told(&output);
    assert_eq!(output.status.code(), Some(0), "{why}");
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("code 8\n"), "{why}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no room") || said.contains("No space"), "{why}");
    // What was acknowledged before, and what came after there was room again.
    assert!(
        out.contains("hola") && out.contains("word 1") && out.contains("la casa"),
        "{why}"
    );
}

#[test]
fn a_read_only_folder_is_said_to_be_one() {
    let disk = tempfile::tempdir().unwrap();
    let script = r#"
        mount -t tmpfs -o size=32m tmpfs "$DISK"
        "$CUECARD" new Spanish
        mount -o remount,ro "$DISK"
        code=0; "$CUECARD" add hola hello || code=$?
        echo "code $code"
        code=0; "$CUECARD" doctor --offline || code=$?
        echo "doctor $code"
    "#;
    let Some(output) = with_mounts(script, disk.path()) else {
        return;
    };
    let why = told(&output);
    assert_eq!(output.status.code(), Some(0), "{why}");
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("code 8\n") && out.contains("doctor 8\n"), "{why}");
    assert!(out.contains("cannot be written"), "{why}");
}

#[test]
fn damaged_data_is_recognised_looked_at_and_mended_with_consent() {
    let device = a_deck();
    assert_eq!(device.json(&["doctor", "--offline"])["kind"], "doctor");
    // Every page of the database is another: nothing of it can be read.
    let records = device.folder().join("store/records/db");
    let length = std::fs::metadata(&records).unwrap().len();
    std::fs::write(&records, vec![0xa5; usize::try_from(length).unwrap()]).unwrap();
    let failed = device.fails(5, &["list"]);
    assert!(failed.contains("cuecard doctor"), "{failed}");
    let looked = device.run(&["doctor", "--offline", "--json"]);
    assert_eq!(looked.status.code(), Some(5), "{}", told(&looked));
    let report: serde_json::Value = serde_json::from_slice(&looked.stdout).unwrap();
    let store = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["what"] == "store")
        .unwrap();
    assert_eq!(store["state"], "wrong");
    assert!(store["told"].as_str().unwrap().contains("lost"), "{store}");
    let nobody = device.fails(2, &["doctor", "--repair", "--offline"]);
    assert!(
        nobody.contains("--yes") && nobody.contains("Nothing is deleted"),
        "{nobody}"
    );
    let mended = device.run(&["doctor", "--repair", "--offline", "--yes"]);
    assert_eq!(mended.status.code(), Some(0), "{}", told(&mended));
    assert!(
        String::from_utf8_lossy(&mended.stdout).contains("set aside"),
        "{}",
        told(&mended)
    );
    device.ok(&["new", "Spanish again"]);
}

/// It was joined, and no device that has it was met since.
#[test]
fn a_deck_of_which_nothing_has_come_says_so_with_its_own_exit_code() {
    use cuecard::{Engine, Rights};
    let device = Device::new("phone");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let elsewhere = Engine::in_memory("laptop").unwrap();
        let deck = elsewhere.create_deck("Spanish").await.unwrap();
        let phone = Engine::open(device.folder()).await.unwrap();
        phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
        phone.shutdown().await.unwrap();
    });
    for command in [
        &["list"][..],
        &["show"],
        &["log"],
        &["add", "hola", "hello"],
        &["export", "/tmp/never"],
    ] {
        let said = device.fails(4, command);
        assert!(said.contains("has arrived yet"), "{command:?}: {said}");
    }
    assert!(device.ok(&["decks"]).contains("(nothing of it is here yet)"));
    assert!(
        device
            .ok(&["status"])
            .contains("it comes as soon as a device that has it is linked")
    );
}

/// One deck of two: its first record is another.
#[test]
fn a_damaged_deck_costs_no_other_and_can_be_removed() {
    use cuecard::store::{Batch, Options, SledStore, Store as _};
    let device = a_deck();
    device.ok(&["new", "French"]);
    let id = device.json(&["decks"])["decks"][1]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let deck: cuecard::DeckId = id.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = SledStore::open(device.folder().join("store"), Options::default()).unwrap();
        let mut batch = Batch::new();
        batch.put(
            [b"d".as_slice(), deck.as_bytes().as_slice(), b"g"].concat(),
            vec![1, 2, 3],
        );
        store.commit(batch).await.unwrap();
        store.close().unwrap();
    });
    // It is listed, with what to do; the other one is as it was.
    let listed = device.run(&["decks"]);
    assert_eq!(listed.status.code(), Some(0), "{}", told(&listed));
    let (out, said) = (
        String::from_utf8(listed.stdout).unwrap(),
        String::from_utf8(listed.stderr).unwrap(),
    );
    assert!(
        out.contains("French  0 cards") && out.contains(&format!("{}  damaged: ", &id[..8])),
        "{out}"
    );
    assert!(said.contains("cuecard remove --deck ID"), "{said}");
    let json = device.json(&["decks"]);
    assert_eq!(json["damaged"][0]["id"], id.as_str(), "{json}");
    assert!(json["damaged"][0]["why"].is_string(), "{json}");
    assert_eq!(device.json(&["status"])["damaged"], json["damaged"]);
    assert!(
        device
            .ok(&["status"])
            .contains(&format!("{}  damaged: ", &id[..8]))
    );
    device.ok(&["add", "oui", "yes"]);
    let refused = device.fails(5, &["list", "--deck", &id[..8]]);
    assert!(
        refused.contains(&format!("cuecard remove --deck {}", &id[..8])),
        "{refused}"
    );
    let looked = device.run(&["doctor", "--offline"]);
    assert_eq!(looked.status.code(), Some(5), "{}", told(&looked));
    assert!(
        String::from_utf8_lossy(&looked.stdout).contains(&format!("cuecard remove --deck {}", &id[..8])),
        "{}",
        told(&looked)
    );
    // A person is told what is not known, and says yes.
    let nobody = device.fails(2, &["remove", "--deck", &id[..8]]);
    assert!(
        nobody.contains("It is damaged") && nobody.contains("--yes"),
        "{nobody}"
    );
    device.ok(&["remove", "--deck", "French", "--yes"]);
    let alone = device.fails(5, &["list"]);
    assert!(alone.contains("cannot be opened"), "{alone}");
    let removed = device.json(&["remove", "--deck", &id[..8], "--yes"]);
    assert_eq!(removed["deck"]["id"], id.as_str());
    assert_eq!(device.run(&["doctor", "--offline"]).status.code(), Some(0));
    assert!(device.fails(7, &["list"]).contains("cuecard new"));
}

#[test]
fn a_damaged_key_and_one_that_others_can_read_are_found() {
    use std::os::unix::fs::PermissionsExt as _;
    let device = a_deck();
    let key = device.folder().join("device.key");
    let looked = device.run(&["doctor", "--offline"]);
    assert_eq!(looked.status.code(), Some(0), "{}", told(&looked));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = device.run(&["doctor", "--offline"]);
    assert_eq!(open.status.code(), Some(1), "{}", told(&open));
    assert!(
        String::from_utf8_lossy(&open.stdout).contains("chmod 600"),
        "{}",
        told(&open)
    );
    std::fs::write(&key, b"short").unwrap();
    assert!(device.fails(5, &["list"]).contains("device.key"));
    assert_eq!(device.run(&["doctor", "--offline"]).status.code(), Some(5));
}

/// On loopback, so that no server and no other machine is needed; what is not there is asked for and does not answer.
#[test]
fn the_doctor_looks_at_the_network() {
    let device = Device::fresh();
    let looked = device.run(&["doctor", "--json"]);
    assert_eq!(looked.status.code(), Some(0), "{}", told(&looked));
    let report = json_of(&looked);
    let found = |what: &str| {
        let findings = report["findings"].as_array().unwrap();
        findings
            .iter()
            .find(|finding| finding["what"] == what)
            .cloned()
            .unwrap()
    };
    assert_eq!(found("addresses")["told"], "127.0.0.1");
    assert_eq!(found("link")["state"], "well");
    assert!(!device.folder().exists(), "looking makes nothing");
    let asked = device.run(&["doctor", "--bind", "127.0.0.1", "--stun", "127.0.0.1:9"]);
    assert!(
        String::from_utf8_lossy(&asked.stdout).contains("stun:127.0.0.1:9 does not answer"),
        "{}",
        told(&asked)
    );
}

#[test]
fn secrets_of_relays_come_by_file_or_environment_and_are_never_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let device = Device::new("laptop");
    let file = device.file("relays", b"# mine\nrelay.invalid:3478 ann hunter2\n");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = device.run(&["doctor", "--turn", argument(&file)]);
    assert!(
        String::from_utf8_lossy(&open.stdout).contains("chmod 600"),
        "{}",
        told(&open)
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    for output in [
        device.run(&["doctor", "--turn", argument(&file)]),
        device
            .command(&["doctor"])
            .env("CUECARD_TURN", "relay.invalid:3478 ann hunter2")
            .output()
            .unwrap(),
    ] {
        let text = told(&output);
        assert!(text.contains("turn:relay.invalid:3478 does not answer"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("ann"), "{text}");
    }
}

#[test]
fn shells_are_completed_and_every_command_has_a_man_page_with_its_example() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = cuecard(&["completions", shell]).output().unwrap();
        let text = String::from_utf8(script.stdout).unwrap();
        let inner = ["__peer", "'peer'", "\"peer\"", "'peer:", "One device of the demo"];
        assert!(
            !inner.iter().any(|inner| text.contains(inner)),
            "what is hidden is not completed: {shell}"
        );
        assert!(
            text.contains("cuecard") && text.contains("draft") && text.contains("propose"),
            "{shell}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man");
    let output = cuecard(&["man", argument(&pages)]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let page = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    assert!(page("cuecard.1").contains("Exit codes"));
    assert!(page("cuecard-draft-new.1").contains("words for the sea"));
    assert!(page("cuecard-share.1").contains("stay"));
    for (name, variables) in [
        (
            "cuecard.1",
            &["CUECARD_DATA_DIR", "CUECARD_DECK", "NO_COLOR", "RUST_LOG"][..],
        ),
        ("cuecard-add.1", &["CUECARD_DATA_DIR", "CUECARD_DECK"]),
        ("cuecard-up.1", &["CUECARD_BIND", "CUECARD_STUN", "CUECARD_TURN"]),
    ] {
        let page = page(name);
        for variable in variables {
            assert!(page.contains(variable), "{name} does not name {variable}\n{page}");
        }
    }
    assert!(!pages.join("cuecard-peer.1").exists());
}
