//! The examples do what they say, each as a process of its own; the store of one keeps the contract of stores.
//!
//! Cargo does not build examples for a single test, so these are a part of it, and it starts itself as each of them:
//! what is tested is what is written there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by a panic"
)]
#![allow(dead_code, reason = "the `main` of an example is called by no test")]

mod common;
#[path = "../examples/custom_store/main.rs"]
mod custom_store;
#[path = "../examples/embed_in_axum.rs"]
mod embed_in_axum;
#[path = "../examples/two_peers.rs"]
mod two_peers;

use std::io::{BufRead as _, BufReader, Cursor, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cuecard::store::conformance::{Place, check_contract};
use cuecard::store::{Store, StoreError};
use cuecard::transport::Backoff;
use cuecard::transport::webrtc::{Config, WebRtc};
use cuecard::{AudioAbout, Deck, Engine, KeptLink, Rights};
use serde_json::Value;

use common::Running;

const EXAMPLE: &str = "as-example";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == EXAMPLE) {
        let [name, folder] = &arguments[at + 1..] else {
            panic!("an example and its folder")
        };
        return be(name, Path::new(folder));
    }
    let tests: [(&str, fn()); 4] = [
        ("two_peers", two_peers_share_a_deck),
        ("embed_in_axum", a_person_uses_the_service),
        ("custom_store", a_custom_store_is_opened_again),
        ("custom_store_contract", the_custom_store_keeps_the_contract),
    ];
    // Test runners list tests before they run them, and run some of them alone.
    let wanted: Vec<&String> = arguments
        .iter()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_list = arguments.iter().any(|argument| argument == "--list");
    for (name, test) in tests {
        if is_list {
            println!("{name}: test");
        } else if wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            test();
            println!("test {name} ... ok");
        }
    }
}

fn be(name: &str, folder: &Path) {
    runtime().block_on(async {
        match name {
            "two_peers" => two_peers::run(folder).await.unwrap(),
            "custom_store" => custom_store::run(folder).await.unwrap(),
            "embed_in_axum" => {
                let address = "127.0.0.1:0".parse().unwrap();
                embed_in_axum::run(folder, address, Config::loopback())
                    .await
                    .unwrap();
            }
            other => panic!("no example {other}"),
        }
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn example(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(EXAMPLE).arg(name).arg(folder);
    command
}

/// Runs it to its end, which must be a good one.
fn run(name: &str, folder: &Path) -> String {
    let output = example(name, folder).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", common::told(&output));
    assert!(output.stderr.is_empty(), "{}", common::told(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn two_peers_share_a_deck() {
    let folder = tempfile::tempdir().unwrap();
    let said = run("two_peers", folder.path());
    for line in [
        "phone: linked with",
        "phone: everything is here",
        "phone: only the editor may change this deck",
        "on both: hola · hello {\"greetings\"}",
        "on both: adiós · goodbye {}",
    ] {
        assert!(
            said.lines().any(|said| said.starts_with(line)),
            "{line:?} in\n{said}"
        );
    }
    assert!(said.contains("100000 of 100000 bytes"), "{said}");
}

fn a_custom_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    for cards in 1..=2 {
        let said = run("custom_store", folder.path());
        assert_eq!(
            said,
            format!(
                "Kept in a journal: {cards} cards, the last is \"card {cards}\" with 40000 bytes of audio\n"
            )
        );
    }
}

fn the_custom_store_keeps_the_contract() {
    struct Folder(tempfile::TempDir);
    impl Place for Folder {
        fn open(&self) -> Result<Box<dyn Store>, StoreError> {
            Ok(Box::new(custom_store::journal::JournalStore::open(
                self.0.path(),
            )?))
        }
    }
    check_contract(|| Box::new(Folder(tempfile::tempdir().unwrap())));
}

/// The service, as a person with curl meets it.
struct Service {
    running: Running,
    authority: String,
    token: String,
}

impl Service {
    fn start(folder: &Path) -> Self {
        let mut running = Running::start(example("embed_in_axum", folder));
        let line = running.line();
        let authority = line
            .strip_prefix("http://")
            .and_then(|line| line.strip_suffix("/decks"));
        Self {
            authority: authority.unwrap_or_else(|| panic!("{line}")).to_owned(),
            running,
            token: std::fs::read_to_string(folder.join("http-token")).unwrap(),
        }
    }

    fn connect(&self, line: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.authority).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (host, length) = (&self.authority, body.len());
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}"
        )
        .unwrap();
        stream
    }

    /// The status, the headers and the content of an answer.
    fn ask(&self, line: &str, headers: &str, body: &str) -> (u16, String, Vec<u8>) {
        let mut answer = Vec::new();
        self.connect(line, headers, body)
            .read_to_end(&mut answer)
            .unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head, answer[end + 4..].to_vec())
    }

    fn get(&self, path: &str) -> Value {
        let (status, head, body) = self.ask(&format!("GET {path}"), "", "");
        assert_eq!(status, 200, "{head}");
        serde_json::from_slice(&body).unwrap()
    }

    fn post(&self, path: &str, token: &str, body: &str) -> (u16, Value) {
        let token = format!("Authorization: Bearer {token}\r\n");
        let (status, _, body) = self.ask(&format!("POST {path}"), &token, body);
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

fn a_person_uses_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let data: PathBuf = folder.path().join("data");
    let sound = b"RIFF, more or less".to_vec();
    let runtime = runtime();
    runtime.block_on(a_deck_with_audio(&data, sound.clone()));
    let far = runtime.block_on(a_device_that_the_folder_knows(&data));
    let service = Service::start(&data);
    what_is_edited_elsewhere_is_served(&service, &far.deck, &runtime);

    // Reading needs nothing but the address.
    let decks = service.get("/decks");
    assert_eq!(decks.as_array().unwrap().len(), 2, "{decks}");
    let deck = the_one_called("Served", &decks);
    assert_eq!(
        (deck["cards"].as_u64(), deck["editable_here"].as_bool()),
        (Some(1), Some(true))
    );
    let path = format!("/decks/{}", deck["id"].as_str().unwrap());
    let card = &service.get(&path)["list"][0];
    assert_eq!((&card["front"], &card["back"]), (&"hola".into(), &"hello".into()));
    let audio = &card["audio"]["front"];
    let blob = audio["blob"].as_str().unwrap();
    let (status, head, body) = service.ask(&format!("GET {path}/audio/{blob}"), "", "");
    assert_eq!((status, body), (200, sound), "{head}");
    assert!(head.contains("content-type: audio/wav"), "{head}");
    for path in [
        format!("{path}/audio/{}", "0".repeat(64)),
        format!("{path}/audio/no-blob"),
        "/decks/no-deck".to_owned(),
    ] {
        assert_eq!(service.ask(&format!("GET {path}"), "", "").0, 404, "{path}");
    }

    // Whoever listens hears of an edit. Editing needs the token.
    let mut listening = BufReader::new(service.connect("GET /events", "", "")).lines();
    let mut hear = |text: &str| {
        listening
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains(text))
    };
    assert!(hear("text/event-stream").is_some());
    let cards = format!("{path}/cards");
    let texts = r#"{"front":"adiós","back":"bye"}"#;
    let wrong = format!("{}x", service.token);
    for token in ["", "0", &wrong] {
        assert_eq!(service.post(&cards, token, texts).0, 401, "{token}");
    }
    assert_eq!(service.ask(&format!("POST {cards}"), "", texts).0, 401);
    assert_eq!(service.get(&path)["cards"], 1, "nothing was changed");
    let (status, added) = service.post(&cards, &service.token, texts);
    assert_eq!(status, 201, "{added}");
    assert!(hear("the deck changed").is_some());
    let of_card = format!("{cards}/{}", added["card"].as_str().unwrap());
    assert_eq!(
        service.post(&of_card, &service.token, r#"{"back":"goodbye"}"#).0,
        204
    );
    let long = format!("{{\"front\":\"{}\"}}", "x".repeat(1 << 20));
    assert_eq!(
        service.post(&of_card, &service.token, &long).0,
        422,
        "the engine says what it refuses"
    );
    assert_eq!(
        service.post(&format!("{cards}/none"), &service.token, "{}").0,
        404
    );
    assert_eq!(service.get(&path)["list"][1]["back"], "goodbye");
    #[cfg(unix)]
    {
        let mode = std::fs::metadata(data.join("http-token")).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    }

    // Ctrl-C ends it, also while somebody listens; the folder is free, and has what was acknowledged.
    service.running.signal("-INT");
    let (code, said) = service.running.end();
    assert_eq!((code, said.lines().last()), (Some(0), Some("closed")), "{said}");
    assert!(
        hear("nothing that comes after the end").is_none(),
        "the stream has an end"
    );
    let again = Service::start(&data);
    assert_eq!(again.token, service.token, "the token stays");
    assert_eq!(again.get(&path)["list"][1]["front"], "adiós");
    again.running.signal("-INT");
    assert_eq!(again.running.end().0, Some(0));
}

fn the_one_called<'a>(title: &str, decks: &'a Value) -> &'a Value {
    let mut decks = decks.as_array().unwrap().iter();
    decks.find(|deck| deck["title"] == title).unwrap()
}

/// Another device: it dials the one on that folder, and has a deck that is there, too.
struct Far {
    deck: Deck,
    _engine: Engine,
    _kept: KeptLink,
}

async fn a_device_that_the_folder_knows(folder: &Path) -> Far {
    let here = Engine::open(folder).await.unwrap();
    let far = Engine::in_memory("far away").unwrap();
    let deck = far.create_deck("From far away").await.unwrap();
    let webrtc = |engine: &Engine| WebRtc::new(engine.key().clone(), Config::loopback());
    let (at_here, at_far) = (webrtc(&here), webrtc(&far));
    let offer = at_here.offer().await.unwrap();
    let answer = at_far.answer(&offer.code()).await.unwrap();
    let code = answer.code();
    let (linked, linked_far) = tokio::try_join!(offer.accept(&code), answer.connect()).unwrap();
    let copy = here.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    let mut events = here.events();
    here.attach(linked.link);
    far.attach(linked_far.link);
    while copy.head().ok() != deck.head().ok() {
        let event = tokio::time::timeout(Duration::from_secs(20), events.next()).await;
        event.unwrap().unwrap();
    }
    let route = linked.route.to_bytes();
    here.remember_route(far.device(), &route).await.unwrap();
    here.shutdown().await.unwrap();
    let dialer = at_far.dialer(linked_far.route).unwrap();
    let _kept = far.keep_linked(dialer, Backoff::default());
    Far {
        deck,
        _engine: far,
        _kept,
    }
}

/// The service is linked with the devices that its folder knows: what one of them edits is read over HTTP.
fn what_is_edited_elsewhere_is_served(service: &Service, deck: &Deck, runtime: &tokio::runtime::Runtime) {
    let mut listening = BufReader::new(service.connect("GET /events", "", "")).lines();
    let mut hear = || listening.next().unwrap().unwrap();
    while !hear().contains("text/event-stream") {}
    let edit = deck.edit(|edit| edit.add_card("lejos", "far away"));
    runtime.block_on(async { edit.await.unwrap() });
    let decks = service.get("/decks");
    let id = the_one_called("From far away", &decks)["id"].as_str().unwrap();
    let is_served = || service.get(&format!("/decks/{id}"))["list"][0]["front"] == "lejos";
    while !is_served() {
        hear();
    }
}

async fn a_deck_with_audio(folder: &Path, sound: Vec<u8>) {
    let engine = Engine::open(folder).await.unwrap();
    let deck = engine.create_deck("Served").await.unwrap();
    let about = AudioAbout {
        mime: "audio/wav".to_owned(),
        name: "hola.wav".to_owned(),
        duration_ms: 300,
    };
    let audio = deck.import_audio(Cursor::new(sound), about).await.unwrap();
    let edit = deck.edit(|edit| {
        let card = edit.add_card("hola", "hello")?;
        edit.attach_audio(&card, "front", audio)
    });
    edit.await.unwrap();
    engine.shutdown().await.unwrap();
}
