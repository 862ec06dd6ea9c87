//! Two devices, each a process of its own, linked by codes that are pasted: sharing, joining, staying, asking a running peer.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by a panic"
)]

mod common;

use common::visit::Visit;
use common::{Device, Running, Stream, argument, without_chance};
use serde_json::json;

const MIB: usize = 1 << 20;

fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut noise = Vec::with_capacity(bytes);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise
}

/// A deck with some cards, and sound of so many bytes.
fn a_deck(sound_bytes: usize) -> Device {
    let laptop = Device::new("laptop");
    laptop.ok(&["new", "Spanish 101"]);
    let sound = laptop.file("hola.ogg", &noise(sound_bytes, 7));
    laptop.ok(&["add", "hola", "hello", "--audio", argument(&sound)]);
    laptop.ok(&["add", "la casa", "the house"]);
    laptop
}

/// Carries the two codes across.
fn paste(sharing: &mut Running, joining: &mut Running) {
    let offer = sharing.until(Stream::Out, |line| line.len() > 60);
    joining.type_in(&offer);
    let answer = joining.until(Stream::Out, |line| line.len() > 60);
    sharing.type_in(&answer);
}

#[test]
fn two_processes_share_and_join_a_deck_with_its_audio_and_end_by_themselves() {
    let (laptop, phone) = (a_deck(300_000), Device::new("phone"));
    let (mut sharing, mut joining) = (laptop.start(&["share"]), phone.start(&["join"]));
    paste(&mut sharing, &mut joining);
    joining.hear("in sync with laptop");
    let (code, heard) = joining.end();
    assert_eq!(code, Some(0), "{heard}");
    let (code, heard) = sharing.end();
    assert_eq!(code, Some(0), "{heard}");
    assert!(heard.contains("linked with phone"), "{heard}");
    assert_eq!(phone.ok(&["list"]), laptop.ok(&["list"]));
    let back = phone.file("x", b"").with_file_name("back.ogg");
    phone.ok(&["audio", "hola", argument(&back)]);
    assert_eq!(std::fs::read(back).unwrap(), noise(300_000, 7)[..300_000]);
    assert_eq!(
        without_chance(&phone.ok(&["members", "list"])),
        "\
xxxxxxxx  laptop               owner
xxxxxxxx  phone (this device)  draft  let in by laptop
"
    );
    let status = phone.json(&["status"]);
    assert_eq!(status["peer"], serde_json::Value::Null);
    assert_eq!(status["devices"][0]["decks"][0]["in_sync"], true);
}

#[test]
fn the_code_of_an_offer_with_a_key_is_refused_on_the_command_line() {
    let (laptop, phone) = (a_deck(10), Device::new("phone"));
    let mut sharing = laptop.start(&["share", "--json"]);
    let offer: serde_json::Value = serde_json::from_str(&sharing.line()).unwrap();
    assert_eq!((&offer["version"], &offer["event"]), (&1.into(), &"offer".into()));
    let code = offer["code"].as_str().unwrap();
    let refused = phone.fails(2, &["join", code]);
    assert!(
        refused.contains("deck's key") && refused.contains("cuecard join"),
        "{refused}"
    );
    assert!(!refused.contains(code));
    sharing.signal("-INT");
    assert_eq!(sharing.end().0, Some(130));
    // Without a key it is no secret.
    let mut sharing = laptop.start(&["share", "--no-invite"]);
    let offer = sharing.until(Stream::Out, |line| line.len() > 60);
    let mut joining = phone.start(&["join", &offer]);
    let answer = joining.until(Stream::Out, |line| line.len() > 60);
    sharing.type_in(&answer);
    assert_eq!(joining.end().0, Some(0));
    // It follows no deck in common, so it has no name here; and there is nothing to wait for.
    sharing.hear("linked with ");
    assert_eq!(sharing.end().0, Some(0));
}

#[test]
fn what_is_no_answer_is_said_and_the_right_one_is_still_taken_also_in_pieces() {
    let (laptop, phone) = (a_deck(10), Device::new("phone"));
    let (mut sharing, mut joining) = (laptop.start(&["share"]), phone.start(&["join"]));
    let offer = sharing.until(Stream::Out, |line| line.len() > 60);
    sharing.type_in("is it this one?");
    sharing.hear("does not occur in a code");
    sharing.type_in(&offer);
    sharing.hear("other kind of code");
    joining.type_in(&offer[..90]);
    joining.hear("paste the rest");
    joining.type_in(&offer[90..]);
    let answer = joining.until(Stream::Out, |line| line.len() > 60);
    sharing.type_in(&answer);
    assert_eq!(joining.end().0, Some(0));
    assert_eq!(sharing.end().0, Some(0));
    let mut joining = phone.start(&["join"]);
    joining.end_input();
    let (code, heard) = joining.end();
    assert_eq!(code, Some(2), "{heard}");
    assert!(heard.contains("ended before a code came"), "{heard}");
}

/// The editor, a reader that becomes a member that may hold the role, a draft, the role handed over: all by commands that a
/// running peer takes.
#[test]
fn running_peers_take_commands_and_carry_edits_drafts_and_the_role() {
    let (laptop, phone) = (a_deck(10), Device::new("phone"));
    let mut sharing = laptop.start(&["share", "--rights", "hold", "--stay"]);
    let mut joining = phone.start(&["join", "--stay"]);
    paste(&mut sharing, &mut joining);
    joining.hear("in sync with laptop");
    let status = laptop.json(&["status"]);
    assert_eq!(status["peer"]["command"], "cuecard share");
    assert_eq!(status["peer"]["pid"], sharing.pid());
    assert_eq!(status["devices"][0]["route"], "lan");
    // An edit by a command goes through the running peer to the other device.
    let mut following = phone.start(&["status", "--watch", "--json"]);
    laptop.ok(&["add", "el perro", "the dog"]);
    following.until(Stream::Out, |line| line.contains("\"cards\":3"));
    following.signal("-INT");
    assert_eq!(following.end().0, Some(130));
    let denied = phone.fails(3, &["add", "uno", "one"]);
    assert!(denied.contains("laptop"), "{denied}");
    phone.ok(&["draft", "new", "the sea"]);
    phone.ok(&["add", "el mar", "the sea", "--draft", "the sea"]);
    phone.ok(&["draft", "propose", "the sea"]);
    sharing.hear("phone proposes a draft");
    laptop.ok(&["draft", "accept", "the sea"]);
    joining.hear("is part of the deck");
    phone.ok(&["role", "request", "I have corrections"]);
    sharing.hear("phone asks for the role: I have corrections");
    laptop.ok(&["role", "grant", "phone"]);
    joining.hear("this device is the editor now");
    phone.ok(&["edit", "hola", "--back", "hi"]);
    sharing.hear("phone is the editor now");
    laptop.fails(3, &["edit", "hola", "--back", "hello"]);
    // What is not followed stays as it is, whatever the link carries; what was missed comes when it is followed again.
    laptop.ok(&["unfollow"]);
    assert_eq!(laptop.json(&["status"])["decks"][0]["followed"], false);
    phone.ok(&["add", "el gato", "the cat"]);
    assert_eq!(laptop.ok(&["list"]).lines().count(), 4);
    laptop.ok(&["follow"]);
    let mut following = laptop.start(&["status", "--watch", "--json"]);
    following.until(Stream::Out, |line| line.contains("\"cards\":5"));
    drop(following);
    let already = laptop.fails(6, &["up"]);
    assert!(already.contains("cuecard share"), "{already}");
    for ended in [sharing, joining] {
        ended.signal("-TERM");
        assert_eq!(ended.end().0, Some(143));
    }
    // Each opens its own folder again: nobody holds it, and no socket is left.
    assert!(!laptop.folder().join("cuecard.sock").exists());
    assert_eq!(phone.ok(&["list"]).lines().count(), 5);
}

#[test]
fn a_transfer_that_is_interrupted_goes_on_where_it_was() {
    let (laptop, phone) = (a_deck(24 * MIB), Device::new("phone"));
    let mut sharing = laptop.start(&["share", "--stay"]);
    let mut joining = phone.start(&["join", "--json"]);
    let offer = sharing.until(Stream::Out, |line| line.len() > 60);
    joining.type_in(&offer);
    let answer: serde_json::Value = serde_json::from_str(&joining.line()).unwrap();
    sharing.type_in(answer["code"].as_str().unwrap());
    // Of the first frame alone nobody can say how fast it comes.
    let is_measured = |line: &str| {
        let progress: serde_json::Value = serde_json::from_str(line).unwrap();
        let audio = &progress["audio"];
        ["have_bytes", "bytes_per_second"]
            .iter()
            .all(|of| audio[of].as_u64() > Some(0))
    };
    let partly = joining.until(Stream::Out, is_measured);
    let progress: serde_json::Value = serde_json::from_str(&partly).unwrap();
    let rates = [&progress["audio"], &progress["transfers"][0]].map(|of| of["bytes_per_second"].as_u64());
    assert!(
        rates[0].unwrap() > 0 && rates[0] == rates[1],
        "how fast it comes: {partly}"
    );
    joining.signal("-INT");
    let (code, heard) = joining.end();
    assert!(
        progress["audio"]["have_bytes"].as_u64() < Some(24 * MIB as u64),
        "it was too fast to be interrupted: {heard}"
    );
    assert_eq!(code, Some(130), "{heard}");
    sharing.signal("-INT");
    assert_eq!(sharing.end().0, Some(130));
    // What had come is still there, verified anew, before there is any link.
    let mut up = phone.start(&["up"]);
    up.hear("is up");
    let mut watching = phone.start(&["status", "--watch", "--json"]);
    let kept = |line: &str| {
        let status: serde_json::Value = serde_json::from_str(line).unwrap();
        status["decks"][0]["here"]["audio"]["have_bytes"]
            .as_u64()
            .unwrap()
    };
    let status = watching.until(Stream::Out, |line| kept(line) > 0);
    assert!(kept(&status) < 24 * MIB as u64, "{status}");
    // The two know each other: no codes.
    let mut sharing = laptop.start(&["up"]);
    sharing.hear("linked with phone");
    up.hear("the audio hola.ogg is whole");
    let back = phone.file("x", b"").with_file_name("back.ogg");
    phone.ok(&["audio", "hola", argument(&back)]);
    assert!(std::fs::read(back).unwrap() == noise(24 * MIB, 7));
    up.signal("-INT");
    assert_eq!(up.end().0, Some(130));
}

#[test]
fn the_running_peer_serves_the_page_and_tells_who_is_there_and_what_is_played() {
    let (laptop, phone) = (a_deck(300_000), Device::new("phone"));
    let (mut sharing, mut joining) = (laptop.start(&["share"]), phone.start(&["join"]));
    paste(&mut sharing, &mut joining);
    assert_eq!((sharing.end().0, joining.end().0), (Some(0), Some(0)));
    let (mut here, mut there) = (laptop.start(&["up"]), phone.start(&["up"]));
    there.hear("is up");
    here.hear("linked with phone");
    let deck = laptop.json(&["status"])["decks"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let card = laptop.json(&["list"])["cards"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();

    // `up` has the folder open, so that process serves the page, for as long as it was asked for.
    let inspect = |device: &Device| {
        let mut inspecting = device.start(&["inspect", "--no-open"]);
        let visit = Visit::new(&inspecting.until(Stream::Out, |line| line.contains("#token=")));
        (inspecting, visit)
    };
    let (at_laptop, laptop_page) = inspect(&laptop);
    let (at_phone, phone_page) = inspect(&phone);
    assert_eq!(laptop_page.get("home")["peers"][0]["name"], "laptop");
    assert_eq!(laptop.json(&["status"])["peer"]["pid"], here.pid());

    // Who looks at the page of the phone is seen on the laptop, and what the laptop plays is heard of on the phone.
    let shown = |line: &str| {
        let status: serde_json::Value = serde_json::from_str(line).unwrap();
        status["decks"][0]["here"].clone()
    };
    let mut watching = laptop.start(&["status", "--watch", "--json"]);
    phone_page.post(&format!("0/{deck}/presence"), &json!({ "card": card }));
    let line = watching.until(Stream::Out, |line| shown(line)["present"][0].is_object());
    let present = &shown(&line)["present"][0];
    assert_eq!(
        (&present["name"], &present["device"]["name"]),
        (&json!("phone"), &json!("phone")),
        "{line}"
    );
    assert_eq!(present["card"]["front"], "hola", "{line}");
    let told = laptop.ok(&["status"]);
    assert!(told.contains("  phone looks at \"hola\"\n"), "{told}");
    let panel = laptop_page.get(&format!("0/{deck}/devices"));
    assert_eq!(panel["present"][0]["card"]["front"], "hola", "{panel}");

    let mut hearing = phone.start(&["status", "--watch", "--json"]);
    laptop_page.post(
        &format!("0/{deck}/play"),
        &json!({ "what": "play", "card": card, "slot": "front" }),
    );
    let position = |line: &str| {
        let playing = &shown(line)["playing"];
        let goes_on = playing["is_playing"] == true && playing["by"]["name"] == "laptop";
        playing["position_ms"].as_u64().filter(|_| goes_on).unwrap_or(0)
    };
    let first = hearing.until(Stream::Out, |line| position(line) > 0);
    let later = hearing.until(Stream::Out, |line| position(line) > position(&first));
    assert_eq!(shown(&later)["playing"]["name"], "hola.ogg", "{later}");
    let told = phone.ok(&["status"]);
    assert!(
        told.contains("♪ plays hola.ogg of \"hola\" for everybody, by laptop, at 0:"),
        "{told}"
    );
    laptop_page.post(&format!("0/{deck}/play"), &json!({ "what": "pause" }));
    hearing.until(Stream::Out, |line| shown(line)["playing"]["is_playing"] == false);
    laptop_page.post(&format!("0/{deck}/play"), &json!({ "what": "stop" }));
    hearing.until(Stream::Out, |line| shown(line)["playing"].is_null());

    // With the command the page ends, and with the page whoever was there; the peer goes on.
    at_phone.signal("-INT");
    assert_eq!(at_phone.end().0, Some(130));
    watching.until(Stream::Out, |line| shown(line)["present"] == json!([]));
    assert!(!phone_page.is_open() && laptop_page.is_open());
    assert_eq!(phone.json(&["status"])["peer"]["pid"], there.pid());
    // And with the peer the page.
    here.signal("-INT");
    assert_eq!(here.end().0, Some(130));
    let (code, heard) = at_laptop.end();
    assert_eq!(code, Some(1), "{heard}");
    assert!(!laptop_page.is_open());
}

#[test]
fn the_socket_of_a_peer_that_was_killed_is_recognised_and_replaced() {
    let laptop = a_deck(10);
    let mut up = laptop.start(&["up"]);
    up.hear("is up");
    up.signal("-KILL");
    assert_eq!(up.end().0, None);
    let socket = laptop.folder().join("cuecard.sock");
    assert!(socket.exists(), "it is left over");
    assert_eq!(laptop.ok(&["list"]).lines().count(), 2);
    let mut up = laptop.start(&["up"]);
    up.hear("is up");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(
        std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(laptop.ok(&["list"]).lines().count(), 2);
    let status = laptop.json(&["status"]);
    assert_eq!(status["peer"]["pid"], up.pid());
}

#[test]
fn many_commands_on_one_folder_at_a_time_take_their_turns() {
    let laptop = a_deck(10);
    let adding: Vec<Running> = (0..6)
        .map(|number| laptop.start(&["add", &format!("word {number}"), "x"]))
        .collect();
    for adding in adding {
        let (code, heard) = adding.end();
        assert_eq!(code, Some(0), "{heard}");
    }
    assert_eq!(laptop.ok(&["list"]).lines().count(), 8);
}

/// What is no request, or one without end, is answered or hung up on, and the peer goes on.
#[test]
fn nonsense_on_the_socket_harms_nobody() {
    use std::io::{Read as _, Write as _};
    let laptop = a_deck(10);
    let mut up = laptop.start(&["up"]);
    up.hear("is up");
    let talk = |bytes: &[u8]| {
        let mut stream =
            std::os::unix::net::UnixStream::connect(laptop.folder().join("cuecard.sock")).unwrap();
        // The peer may have hung up by then.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    for nonsense in [
        &b"hello\n"[..],
        b"{\"version\":99,\"ask\":\"status\"}\n",
        b"{\"version\":1,\"ask\":\"dance\"}\n",
    ] {
        let answer = talk(nonsense);
        assert!(answer.contains("another version"), "{answer}");
    }
    talk(&vec![b'x'; 8 * MIB]);
    talk(b"");
    assert_eq!(laptop.ok(&["list"]).lines().count(), 2);
}
