//! The everyday commands on one device, as a new user tries them: in a pipe, with what is printed compared as a whole.
//!
//! What the command promises, and the test that shows it, over all test files of this folder (the page's list is in
//! `inspect/main.rs`):
//!
//! | promise | test |
//! |---|---|
//! | no settings at first: a key (0600), where data is, what to do next; XDG folders, `--data-dir` | `everyday::the_first_use_…` |
//! | `new`, `add`, `edit`, `move`, `rm`, `restore`, `tag`, `undo`, `redo`, `list`, `show`, `rename`, `decks` | `everyday::cards_are_added_…`, `…::cards_of_one_front_…`, `…::a_deck_is_chosen_…` |
//! | `follow`, `unfollow`, `remove` | `everyday::a_deck_is_unfollowed_…`, `linking::running_peers_take_commands_…`, `terminal::what_cannot_be_taken_back_…` |
//! | `--audio`, `audio` | `everyday::sound_comes_from_a_file_…` |
//! | `share`, `join`: text, QR, the answer; no secret in argv | `linking::two_processes_share_…`, `…::the_code_of_an_offer_…`, `…::what_is_no_answer_…`, `terminal::an_offer_is_a_picture_…`, `cli::no_secret_can_be_given_…` |
//! | `status`, `--watch`: role, devices, route, in sync, safe where, audio and how fast it comes, who is there, what is played | `linking::two_processes_…`, `…::a_transfer_that_is_interrupted_…`, `…::the_running_peer_serves_the_page_…` |
//! | `role …`, `members …`, `draft …`, `late …` | `linking::running_peers_take_commands_…`, `everyday::a_draft_is_changed_…`, `terminal::what_cannot_be_taken_back_…` |
//! | `log`, `--graph`, `diff`, `show --at`, `blame` | `log_and_show::…`, `everyday::the_past_can_be_listed_…`, `graph::tests` |
//! | `export`, `import` | `everyday::a_deck_goes_by_file_…` |
//! | `inspect`, also while `up` has the folder | `inspect/`, `linking::the_running_peer_serves_the_page_…` |
//! | `doctor`, `--repair` | `trouble::damaged_data_…`, `…::a_damaged_key_…`, `…::the_doctor_looks_at_the_network`, `…::secrets_of_relays_…` |
//! | `completions`, `man`: nothing hidden, with the environment | `trouble::shells_are_completed_…` |
//! | `--json` of every command, with a version | `everyday::every_command_speaks_json` |
//! | data on stdout and the rest on stderr; NDJSON; `--quiet`, `--log-format json` | `everyday::failures_are_json_…`, `linking::…`, `demo::a_person_sees_progress_…` |
//! | a terminal shows what a pipe gets, and no line that is too wide | `terminal::a_terminal_shows_…`, `graph::tests` |
//! | `--color`, `NO_COLOR`; `--no-progress`; bars on a terminal, lines without | `terminal::…`, `log_and_show::no_color_beats_auto_…`, `tell::bars` |
//! | `--yes` | `terminal::what_cannot_be_taken_back_…` |
//! | exit codes: 2 usage, 3 not editor, 4 not reached, 5 damaged, 6 busy, 7 not found, 8 disk, 130, 143 | each test that fails on purpose; `demo::what_cannot_be_understood_…` |
//! | every command's help has an example that is understood | `cli::the_help_of_every_command_…` |
//! | one process has the folder, others ask it; several at a time take turns; a killed one is replaced; nonsense harms nobody | `linking::many_commands_…`, `…::the_socket_of_a_peer_…`, `…::nonsense_on_the_socket_…`, `log_and_show::a_folder_in_use_…` |
//! | Ctrl-C in a transfer, then resumed | `linking::a_transfer_that_is_interrupted_…` |
//! | a full disk, a read-only folder, damage of the folder, of one deck, of the key, no home | `trouble::…` |
//! | control and direction characters are harmless; wide characters keep their columns | `everyday::hostile_text_…`, `…::wide_letters_keep_their_columns`, `text::tests` |
//! | `demo`: two devices to eight, kills, `--json`, `--keep`, no orphans | `demo::…`, `kills::…` |
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by a panic"
)]

mod common;

use common::{Device, argument, json_of, told, without_chance};
use serde_json::json;

/// Three cards.
fn a_deck() -> Device {
    let device = Device::new("laptop");
    device.ok(&["new", "Spanish 101"]);
    device.ok(&["add", "hola", "hello", "--tag", "greetings"]);
    device.ok(&["add", "la casa", "the house", "--text", "hint=where one lives"]);
    device.ok(&["add", "el perro", "the dog", "--first"]);
    device
}

#[test]
fn the_first_use_needs_no_settings_and_says_where_data_is_and_what_to_do_next() {
    let home = tempfile::tempdir().unwrap();
    let new = common::cuecard(&["new", "Spanish 101"])
        .env("HOME", home.path())
        .output()
        .unwrap();
    let why = told(&new);
    assert_eq!(new.status.code(), Some(0), "{why}");
    let said = String::from_utf8(new.stderr).unwrap();
    let folder = home.path().join(".local/share/cuecard");
    assert!(said.contains(argument(&folder)), "{why}");
    assert!(
        said.contains("cuecard add") && said.contains("cuecard share"),
        "{why}"
    );
    assert!(
        String::from_utf8(new.stdout)
            .unwrap()
            .starts_with("Spanish 101  "),
        "{why}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.join("device.key")), 0o600);
        assert_eq!(mode(&folder), 0o700);
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let xdg = common::cuecard(&["new", "French"])
        .env("XDG_DATA_HOME", elsewhere.path())
        .output()
        .unwrap();
    assert_eq!(xdg.status.code(), Some(0), "{}", told(&xdg));
    assert!(elsewhere.path().join("cuecard/device.key").is_file());
}

#[test]
fn cards_are_added_edited_moved_tagged_removed_and_brought_back() {
    let device = a_deck();
    let list = |expected: &str| assert_eq!(device.ok(&["list"]), expected);
    list(
        "\x20  1  el perro  the dog
   2  hola      hello  #greetings
   3  la casa   the house
",
    );
    let edited = device.ok(&["edit", "hola", "--back", "hello, hi"]);
    assert_eq!(without_chance(&edited), "edited xxxxxxxxxxxxxxxx  hola\n");
    device.ok(&["move", "el perro", "--last"]);
    device.ok(&["tag", "2", "buildings"]);
    device.ok(&["add", "el gato", "the cat", "--after", "hola"]);
    list(
        "\x20  1  hola      hello, hi  #greetings
   2  el gato   the cat
   3  la casa   the house  #buildings
   4  el perro  the dog
",
    );
    device.ok(&["tag", "la casa", "buildings", "--remove"]);
    device.ok(&["rm", "el perro", "el gato"]);
    list(
        "\x20  1  hola     hello, hi  #greetings
   2  la casa  the house
",
    );
    device.ok(&["restore", "el perro"]);
    device.ok(&["undo"]);
    device.ok(&["redo"]);
    list(
        "\x20  1  hola      hello, hi  #greetings
   2  la casa   the house
   3  el perro  the dog
",
    );
    assert_eq!(
        without_chance(&device.ok(&["show", "la casa"])),
        "\
card 2  xxxxxxxxxxxxxxxx
   front la casa
    back the house
    hint where one lives
"
    );
    device.ok(&["rename", "Spanish 102", "--description", "the second half"]);
    assert_eq!(
        without_chance(&device.ok(&["show"])),
        "\
Spanish 102  xxxxxxxx
the second half
head xxxxxxxx
editor: laptop (this device)
members: laptop (this device) [owner]

   1  hola      hello, hi  #greetings
   2  la casa   the house
   3  el perro  the dog
"
    );
    assert_eq!(
        without_chance(&device.ok(&["decks"])),
        "xxxxxxxx  Spanish 102  3 cards, no audio, editor\n"
    );
}

#[test]
fn sound_comes_from_a_file_and_goes_to_one() {
    let device = a_deck();
    let melody = melody(2);
    let file = device.file("hola.wav", &melody);
    let output = device.run(&["edit", "hola", "--audio", argument(&file)]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let shown = device.json(&["show", "hola"]);
    let audio = &shown["card"]["audio"][0];
    assert_eq!(audio["mime"], "audio/wav");
    assert_eq!(audio["name"], "hola.wav");
    assert_eq!(audio["duration_ms"], 2_000);
    assert_eq!(audio["bytes"], melody.len());
    assert_eq!(audio["here"], true);
    let back = device.folder().parent().unwrap().join("back.wav");
    device.ok(&["audio", "hola", argument(&back)]);
    assert_eq!(std::fs::read(&back).unwrap(), melody);
    let again = device.fails(1, &["audio", "hola", argument(&back)]);
    assert!(again.contains("exists"), "never written over: {again}");
    let text = device.file("notes.txt", b"hello");
    let refused = device.fails(7, &["add", "a", "b", "--audio", argument(&text)]);
    assert!(refused.contains("--mime"), "{refused}");
    device.fails(7, &["add", "a", "b", "--audio", "/nowhere/at/all.wav"]);
    device.fails(7, &["audio", "la casa", "/tmp/never.wav"]);
    assert!(device.ok(&["list"]).contains("hola      hello  #greetings  ♪\n"));
    device.ok(&["edit", "hola", "--no-audio", "front"]);
    assert!(!device.ok(&["list"]).contains('♪'));
}

/// So many seconds of a tone.
fn melody(seconds: u32) -> Vec<u8> {
    const RATE: u32 = 8_000;
    let samples = RATE * seconds;
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&(36 + samples).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&RATE.to_le_bytes());
    file.extend_from_slice(&RATE.to_le_bytes());
    file.extend_from_slice(b"\x01\0\x08\0data");
    file.extend_from_slice(&samples.to_le_bytes());
    file.extend((0..samples).map(|at| (at % 64) as u8 * 2 + 64));
    file
}

#[test]
fn a_draft_is_changed_like_a_deck_and_shown_before_it_is_accepted() {
    let device = a_deck();
    device.ok(&["draft", "new", "words for the sea"]);
    device.ok(&["add", "el mar", "the sea", "--draft", "words for the sea"]);
    device.ok(&["edit", "hola", "--back", "hi", "--draft", "words for the sea"]);
    device.ok(&["undo", "--draft", "words for the sea"]);
    assert_eq!(device.ok(&["list"]).lines().count(), 3, "the deck is as it was");
    assert_eq!(
        device
            .ok(&["list", "--draft", "words for the sea"])
            .lines()
            .count(),
        4
    );
    device.ok(&["draft", "propose", "words for the sea"]);
    assert_eq!(
        without_chance(&device.ok(&["draft", "show", "words for the sea"])),
        "\
xxxxxxxx  words for the sea  by laptop (this device), 3 changes, yyyy-mm-dd hh:mm:ss, proposed
+ el mar  the sea  xxxxxxxxxxxxxxxx
"
    );
    let accepted = device.json(&["draft", "accept", "words for the sea"]);
    assert_eq!(accepted["draft"]["state"], "accepted");
    assert_eq!(device.ok(&["list"]).lines().count(), 4);
    device.ok(&["draft", "new", "another"]);
    device.ok(&["add", "uno", "one", "--draft", "another"]);
    device.ok(&["draft", "propose", "another"]);
    device.ok(&["draft", "decline", "another", "--reason", "not now"]);
    let list = device.ok(&["draft", "list"]);
    assert!(list.contains("declined by laptop: not now"), "{list}");
    let missing = device.fails(7, &["draft", "show", "nothing"]);
    assert!(missing.contains("cuecard draft list"), "{missing}");
}

#[test]
fn the_past_can_be_listed_compared_and_blamed() {
    let device = a_deck();
    device.ok(&["edit", "hola", "--back", "hello, hi"]);
    let log = device.json(&["log"]);
    assert_eq!(log["version"], 1);
    let entries = log["entries"].as_array().unwrap();
    // Genesis, the title, three cards, an edit.
    assert_eq!(entries.len(), 6);
    let before = &entries[1]["hash"].as_str().unwrap()[..8];
    assert_eq!(
        without_chance(&device.ok(&["diff", before])),
        "\
Spanish 101  xxxxxxxx  xxxxxxxx to xxxxxxxx
~ hola  xxxxxxxxxxxxxxxx
    back
    - hello
    + hello, hi
"
    );
    let first = &entries[3]["hash"].as_str().unwrap()[..8];
    let diff = device.json(&["diff", first, before]);
    assert_eq!(diff["cards"].as_array().unwrap().len(), 2);
    assert_eq!(diff["cards"][0]["is"], "added");
    let blame = device.json(&["blame", "hola"]);
    let pieces: Vec<&str> = blame["pieces"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|piece| piece["place"] == "back")
        .map(|piece| piece["text"].as_str().unwrap())
        .collect();
    assert_eq!(pieces, ["hello", ", hi"]);
    let then = device.json(&["show", "--at", first]);
    assert_eq!(then["cards"].as_array().unwrap().len(), 1);
    assert_eq!(device.ok(&["log", "--limit", "2"]).lines().count(), 3);
    let nothing = device.fails(7, &["diff", "zzzz"]);
    assert!(nothing.contains("cuecard log"), "{nothing}");
}

#[test]
fn a_deck_is_chosen_by_title_or_id_and_errors_list_what_there_is() {
    let device = Device::new("laptop");
    let nothing = device.fails(7, &["list"]);
    assert!(nothing.contains("cuecard new"), "{nothing}");
    device.ok(&["new", "Spanish"]);
    device.ok(&["new", "French"]);
    let which = device.fails(2, &["add", "hola", "hello"]);
    assert!(
        which.contains("--deck") && which.contains("Spanish") && which.contains("French"),
        "{which}"
    );
    device.ok(&["add", "hola", "hello", "--deck", "Spanish"]);
    let decks = device.json(&["decks"]);
    let spanish = decks["decks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|deck| deck["title"] == "Spanish")
        .unwrap();
    let id = &spanish["id"].as_str().unwrap()[..6];
    assert_eq!(device.ok(&["list", "-d", id]).lines().count(), 1);
    let unknown = device.fails(7, &["list", "--deck", "German"]);
    assert!(
        unknown.contains("German") && unknown.contains("Spanish"),
        "{unknown}"
    );
    let by_environment = device.command(&["list"]).env("CUECARD_DECK", "French").output();
    assert!(by_environment.unwrap().stdout.is_empty());
}

#[test]
fn a_deck_is_unfollowed_and_followed_again_and_removed_by_who_says_yes() {
    let device = Device::new("laptop");
    for title in ["Spanish", "French"] {
        device.ok(&["new", title]);
    }
    device.ok(&["add", "hola", "hello", "--deck", "Spanish"]);
    let spanish = ["--deck", "Spanish"];
    let unfollow = [&["unfollow"][..], &spanish].concat();
    assert_eq!(
        without_chance(&device.ok(&unfollow)),
        "does not follow Spanish  xxxxxxxx\n"
    );
    let again = device.json(&unfollow);
    assert_eq!(
        [&again["kind"], &again["followed"], &again["changed"]],
        [&json!("following"), &json!(false), &json!(false)]
    );
    // It is all here, and can be edited; what lists decks says how it is.
    device.ok(&[&["add", "la casa", "the house"][..], &spanish].concat());
    assert_eq!(
        without_chance(&device.ok(&["decks"])),
        "\
xxxxxxxx  French   0 cards, no audio, editor
xxxxxxxx  Spanish  2 cards, no audio, editor, not followed
"
    );
    assert!(device.ok(&["status"]).contains("not followed: "));
    let followed = device.json(&[&["follow"][..], &spanish].concat());
    assert_eq!(
        [&followed["followed"], &followed["changed"]],
        [&json!(true), &json!(true)]
    );
    assert!(!device.ok(&["status"]).contains("not followed"));
    // Nothing is removed that was not named, nor while there is nobody to ask.
    let unnamed = device.fails(2, &["remove", "--yes"]);
    assert!(unnamed.contains("--deck"), "{unnamed}");
    let remove = [&["remove"][..], &spanish].concat();
    let nobody = device.fails(2, &remove);
    for told in [
        "deletes \"Spanish\"",
        "2 cards",
        "No other device",
        "its editor",
        "--yes",
    ] {
        assert!(nobody.contains(told), "{told}: {nobody}");
    }
    let unknown = device.fails(7, &["remove", "--deck", "German", "--yes"]);
    assert!(unknown.contains("French"), "{unknown}");
    assert_eq!(device.json(&["decks"])["decks"].as_array().unwrap().len(), 2);
    assert_eq!(
        without_chance(&device.ok(&[&remove[..], &["--yes"]].concat())),
        "removed Spanish  xxxxxxxx\n"
    );
    assert_eq!(
        without_chance(&device.ok(&["decks"])),
        "xxxxxxxx  French  0 cards, no audio, editor\n"
    );
    let removed = device.json(&["remove", "--deck", "French", "--yes"]);
    assert_eq!(
        [&removed["kind"], &removed["deck"]["title"]],
        [&json!("removed"), &json!("French")]
    );
    assert!(device.fails(7, &["list"]).contains("cuecard new"));
}

#[test]
fn cards_of_one_front_are_told_apart_by_id() {
    let device = a_deck();
    device.ok(&["add", "hola", "hello again"]);
    let which = device.fails(2, &["edit", "hola", "--back", "x"]);
    assert!(which.contains("hello again"), "{which}");
    let cards = device.json(&["list"]);
    let id = cards["cards"][3]["id"].as_str().unwrap().to_owned();
    device.ok(&["edit", &id[..10], "--back", "hi"]);
    assert_eq!(device.json(&["show", &id])["card"]["back"], "hi");
    device.fails(7, &["show", "17"]);
    device.fails(2, &["edit", "hola"]);
    device.fails(2, &["move", "1"]);
}

#[test]
fn a_deck_goes_by_file_to_another_device() {
    let (laptop, phone) = (a_deck(), Device::fresh());
    let sound = laptop.file("hola.wav", &melody(1));
    laptop.ok(&["edit", "hola", "--audio", argument(&sound)]);
    let file = laptop.file("x", b"").with_file_name("spanish.cuecard");
    let without_key = laptop.json(&["export", argument(&file)]);
    assert_eq!(without_key["audio_inside"], 1);
    let refused = phone.fails(1, &["import", argument(&file)]);
    assert!(refused.contains("key"), "{refused}");
    laptop.ok(&["export", argument(&file), "--key"]);
    let imported = phone.json(&["import", argument(&file)]);
    assert_eq!(imported["missing_audio"], 0);
    assert_eq!(phone.ok(&["list"]), laptop.ok(&["list"]));
    let denied = phone.fails(3, &["add", "uno", "one"]);
    assert!(
        denied.contains("role request") && denied.contains("draft new"),
        "{denied}"
    );
    let junk = laptop.file("junk.cuecard", b"not a deck");
    assert!(!phone.fails(5, &["import", argument(&junk)]).is_empty());
}

#[test]
fn hostile_text_cannot_steer_the_terminal() {
    let device = Device::new("laptop");
    device.ok(&["new", "<b>Spanish</b>"]);
    device.ok(&["add", "ho\u{1b}[2Jla\u{202e}", "hel\r\nlo\u{9b}31m<script>"]);
    let nasty = device.file("na\u{1b}[31msty.wav", &melody(1));
    let kept = device.run(&["edit", "1", "--audio", argument(&nasty)]);
    // A deck holds no such name; what is said about it is harmless all the same.
    assert_ne!(kept.status.code(), Some(0), "{}", told(&kept));
    for command in [
        &["list"][..],
        &["show"],
        &["show", "1"],
        &["log"],
        &["log", "--graph"],
        &["blame", "1"],
        &["decks"],
        &["status"],
        &["list", "--deck", "\u{1b}[31mnone"],
        &["show", "\u{1b}[31mnone"],
    ] {
        let output = device.run(command);
        let all = [output.stdout.as_slice(), &output.stderr].concat();
        let text = String::from_utf8(all).unwrap();
        let harmful = |character: &char| {
            (character.is_control() && *character != '\n') || ('\u{202a}'..='\u{202e}').contains(character)
        };
        assert!(
            !text.chars().any(|character| harmful(&character)),
            "{command:?}: {text:?}"
        );
    }
    let json = device.run(&["list", "--json"]);
    assert_eq!(
        json_of(&json)["cards"][0]["front"],
        "ho\u{1b}[2Jla\u{202e}",
        "JSON tells it as it is"
    );
}

/// Chinese, Japanese and Korean letters take two cells, marks upon letters none.
#[test]
fn wide_letters_keep_their_columns() {
    let device = Device::new("ラップトップ");
    device.ok(&["new", "日本語"]);
    for (front, back) in [
        ("猫", "cat"),
        ("こんにちは", "hello"),
        ("e\u{301}te\u{301}", "summer"),
        ("👩\u{200d}🚀", "astronaut"),
        ("hola", "x"),
    ] {
        device.ok(&["add", front, back]);
    }
    assert_eq!(
        device.ok(&["list"]),
        "\x20  1  猫          cat
   2  こんにちは  hello
   3  e\u{301}te\u{301}         summer
   4  👩\u{200d}🚀          astronaut
   5  hola        x
"
    );
    let long = "長".repeat(40);
    device.ok(&["edit", "hola", "--front", &long]);
    let list = device.ok(&["list"]);
    assert!(
        list.ends_with(&format!("   5  {}…  x\n", "長".repeat(15))),
        "{list}"
    );
    let log = device.ok(&["log"]);
    assert!(
        log.lines().skip(1).all(|line| line.contains("  ラップトップ  ")),
        "{log}"
    );
}

#[test]
fn failures_are_json_as_well_when_json_is_asked_for_and_quiet_says_no_more_than_that() {
    let device = a_deck();
    let failed = device.run(&["show", "nothing", "--json"]);
    assert_eq!(failed.status.code(), Some(7));
    let error: serde_json::Value = serde_json::from_slice(&failed.stderr).unwrap();
    assert_eq!(error["version"], 1);
    assert_eq!(error["error"]["kind"], "not_found");
    let quiet = device.run(&["draft", "new", "x", "--quiet"]);
    assert!(quiet.stderr.is_empty(), "{}", told(&quiet));
    let logged = device
        .command(&["list", "--log-format", "json"])
        .env("RUST_LOG", "trace")
        .output();
    for line in String::from_utf8(logged.unwrap().stderr).unwrap().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}

/// One object with a version and a kind by each, on standard output; and no command is forgotten.
#[test]
fn every_command_speaks_json() {
    let device = Device::fresh();
    let scratch = |name: &str| device.file("x", b"").with_file_name(name);
    let sound = device.file("hola.wav", &melody(1));
    let (exported, back, pages) = (scratch("spanish.cuecard"), scratch("back.wav"), scratch("man"));
    let (sound, exported, back, pages) = (
        argument(&sound),
        argument(&exported),
        argument(&back),
        argument(&pages),
    );
    let told: Vec<String> = [
        &["new", "Spanish 101"][..],
        &["name", "laptop"],
        &["name"],
        &["rename", "Spanish 102"],
        &["decks"],
        &["add", "hola", "hello", "--audio", sound],
        &["add", "la casa", "the house"],
        &["edit", "hola", "--back", "hi"],
        &["move", "la casa", "--first"],
        &["tag", "hola", "greetings"],
        &["rm", "la casa"],
        &["restore", "la casa"],
        &["undo"],
        &["redo"],
        &["list"],
        &["show"],
        &["show", "hola"],
        &["audio", "hola", back],
        &["log"],
        &["diff", "head"],
        &["blame", "hola"],
        &["status"],
        &["role", "show"],
        &["role", "release"],
        &["role", "claim"],
        &["members", "list"],
        &["draft", "new", "the sea"],
        &["draft", "list"],
        &["add", "el mar", "the sea", "--draft", "the sea"],
        &["draft", "propose", "the sea"],
        &["draft", "show", "the sea"],
        &["draft", "decline", "the sea"],
        &["draft", "discard", "the sea"],
        &["late", "list"],
        &["unfollow"],
        &["follow"],
        &["export", exported],
        &["import", exported],
        &["doctor", "--offline"],
        &["completions", "bash"],
        &["man", pages],
        &["remove", "--deck", "Spanish 102", "--yes"],
    ]
    .iter()
    .map(|command| {
        let told = device.json(command);
        assert_eq!(told["version"], 1, "{command:?}: {told}");
        assert!(told["kind"].is_string(), "{command:?}: {told}");
        command[0].to_owned()
    })
    .collect();
    let mut inspecting = device.start(&["inspect", "--no-open", "--json"]);
    let page: serde_json::Value = serde_json::from_str(&inspecting.line()).unwrap();
    assert_eq!((&page["version"], &page["event"]), (&json!(1), &json!("page")));
    inspecting.signal("-INT");
    assert_eq!(inspecting.end().0, Some(130));
    // `demo`, `share`, `join` and `up` are looked at where they do something: `demo.rs`, `linking.rs`.
    let elsewhere = ["inspect", "demo", "share", "join", "up", "help"];
    let help = common::stdout_of(&["--help"]);
    let commands = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1);
    let mut count = 0;
    for line in commands.take_while(|line| !line.is_empty()) {
        let Some(name) = line.strip_prefix("  ").filter(|line| !line.starts_with(' ')) else {
            continue;
        };
        let name = name.split(' ').next().unwrap();
        let is_shown = told.iter().any(|known| known == name) || elsewhere.contains(&name);
        assert!(is_shown, "{name} is not tried with --json");
        count += 1;
    }
    assert!(count > 30, "{count}: {help}");
}
