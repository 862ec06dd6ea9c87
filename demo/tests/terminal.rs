//! The command in a pseudo-terminal: colours, questions, pictures, bars, Ctrl-C.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by a panic"
)]

mod common;

use common::terminal::Terminal;
use common::{Device, Stream, argument};

fn a_deck(sound: &[u8]) -> Device {
    let laptop = Device::new("laptop");
    laptop.ok(&["new", "Spanish 101"]);
    laptop.ok(&["add", "hola", "hello", "--tag", "greetings"]);
    let file = laptop.file("hola.ogg", sound);
    laptop.ok(&["edit", "hola", "--audio", argument(&file)]);
    laptop
}

#[test]
fn colours_are_for_terminals_and_no_color_turns_them_off() {
    let device = a_deck(b"sound");
    let (code, seen) = Terminal::start(&device.command(&["list"])).end();
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("\x1b[2m"), "{seen:?}");
    let (_, seen) = Terminal::start(device.command(&["list"]).env("NO_COLOR", "1")).end();
    assert!(seen.contains("hola") && !seen.contains('\x1b'), "{seen:?}");
    let (_, seen) = Terminal::start(&device.command(&["list", "--color", "never"])).end();
    assert!(seen.contains("hola") && !seen.contains('\x1b'), "{seen:?}");
    assert!(!device.ok(&["list"]).contains('\x1b'), "nor in a pipe");
}

/// What a person reads on a terminal is what a program reads from a pipe; colours come on top, and a line is only so long.
#[test]
fn a_terminal_shows_what_a_pipe_gets_and_nothing_that_is_too_wide() {
    let device = a_deck(b"sound");
    device.ok(&["add", &"el perro grande ".repeat(3), "the dog"]);
    device.ok(&["draft", "new", "the sea"]);
    for command in [
        &["list"][..],
        &["show"],
        &["show", "hola"],
        &["decks"],
        &["log"],
        &["log", "--graph"],
        &["blame", "hola"],
        &["role", "show"],
        &["members", "list"],
        &["draft", "list"],
        &["late", "list"],
    ] {
        let piped = device.ok(command);
        let (code, seen) = Terminal::start(&device.command(command)).end();
        assert_eq!(code, Some(0), "{command:?}: {seen}");
        let plain = without_colours(&seen).replace("\r\n", "\n");
        assert!(plain.starts_with(&piped), "{command:?}\n{plain}\n---\n{piped}");
    }
    for (command, width) in [
        (&["log"][..], 80),
        (&["log", "--graph"], 72),
        (&["log", "--graph", "--full"], 72),
    ] {
        let (_, seen) = Terminal::of_width(&device.command(command), width).end();
        let plain = without_colours(&seen);
        assert!(plain.contains('…'), "{command:?}: {plain}");
        for line in plain.lines() {
            assert!(
                line.trim_end().chars().count() <= usize::from(width),
                "{command:?}: {line:?}"
            );
        }
    }
}

/// What would be seen without colours.
fn without_colours(seen: &str) -> String {
    let mut pieces = seen.split("\x1b[");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        plain.push_str(piece.split_once('m').map_or("", |(_, text)| text));
    }
    plain
}

#[test]
fn an_offer_is_a_picture_too_and_ctrl_c_ends_it_with_130() {
    let device = a_deck(b"sound");
    let mut sharing = Terminal::start(&device.command(&["share"]));
    sharing.see("Paste the answer here:");
    assert!(
        sharing.seen.contains("▀") && sharing.seen.contains("give it to nobody"),
        "{}",
        sharing.seen
    );
    sharing.type_in("\x03");
    let (code, seen) = sharing.end();
    assert_eq!(code, Some(130), "{seen}");
    assert!(seen.contains("interrupted"), "{seen}");
    // Its folder and its socket are free again.
    assert_eq!(device.ok(&["list"]).lines().count(), 1);
    let mut plain = Terminal::start(&device.command(&["share", "--no-qr"]));
    plain.see("Paste the answer here:");
    assert!(!plain.seen.contains("▀"), "{}", plain.seen);
}

#[test]
fn what_cannot_be_taken_back_is_asked_first() {
    let device = a_deck(b"sound");
    let remove = ["members", "remove", "phone"];
    let mut asking = Terminal::start(&device.command(&remove));
    asking.see("Go on? [y/N]");
    asking.type_in("n\r");
    let (code, seen) = asking.end();
    assert_eq!(code, Some(1), "{seen}");
    assert!(seen.contains("nothing was done"), "{seen}");
    // Nobody to ask in a pipe.
    let said = device.fails(2, &remove);
    assert!(said.contains("--yes"), "{said}");
    // Said yes to, it is tried: there is no such device.
    device.fails(7, &[&remove[..], &["--yes"]].concat());
    // What goes with a deck is known only where the deck is.
    let remove = ["remove", "--deck", "Spanish 101"];
    let mut asking = Terminal::start(&device.command(&remove));
    asking.see("Go on? [y/N]");
    asking.type_in("\r");
    let (code, seen) = asking.end();
    assert_eq!(code, Some(1), "{seen}");
    assert!(
        seen.contains("1 card") && seen.contains("nothing was done"),
        "{seen}"
    );
    assert_eq!(device.ok(&["list"]).lines().count(), 1);
    let mut asking = Terminal::start(&device.command(&remove));
    asking.see("Go on? [y/N]");
    asking.type_in("y\r");
    let (code, seen) = asking.end();
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("removed "), "{seen}");
    device.fails(7, &["list"]);
}

/// Enough to be seen on its way.
#[test]
fn a_transfer_has_a_bar_on_a_terminal_and_none_without_progress() {
    let sound: Vec<u8> = (0_u32..32 << 20)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let laptop = a_deck(&sound);
    let (code, seen) = joins(&laptop, &Device::new("phone"), &["join"]);
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("░") && seen.contains("audio 0/1"), "{seen:?}");
    assert!(seen.contains("in sync with laptop"), "{seen:?}");
    let (code, seen) = joins(&laptop, &Device::new("tablet"), &["join", "--no-progress"]);
    assert_eq!(code, Some(0), "{seen}");
    assert!(!seen.contains("░") && !seen.contains("\x1b["), "{seen:?}");
    assert!(
        seen.contains("audio 1 of 1"),
        "plain lines in their place: {seen:?}"
    );
}

/// A device joins in a terminal, by codes that are pasted; gives its exit code, and all that was on its screen.
fn joins(laptop: &Device, other: &Device, join: &[&str]) -> (Option<i32>, String) {
    let mut sharing = laptop.start(&["share", "--stay"]);
    let offer = sharing.until(Stream::Out, |line| line.len() > 60);
    let mut joining = Terminal::start(&other.command(join));
    joining.see("Paste the offer here:");
    joining.type_in(&format!("{offer}\r"));
    joining.see("back to it within 10 min:");
    let answer = answer_on(&mut joining);
    sharing.type_in(&answer);
    let ended = joining.end();
    sharing.signal("-INT");
    sharing.end();
    ended
}

/// The answer's code, once all of it is there.
fn answer_on(joining: &mut Terminal) -> String {
    loop {
        let code = joining.seen.split("within 10 min:").nth(1).and_then(|behind| {
            let mut lines = behind.split_inclusive('\n').map(str::trim_end);
            lines.find(|line| line.len() > 60).map(str::to_owned)
        });
        let whole = joining.seen.ends_with('\n') || joining.seen.contains("linked");
        if let (Some(code), true) = (code, whole) {
            return code;
        }
        joining.see_more();
    }
}
