//! Kills a process that edits a deck and imports audio, again and again, and looks for what it had acknowledged.
//!
//! The writer is this program, started by itself: it edits through the public API with several edits under way, imports
//! audio and attaches it, and says on its output which edit and which audio is durable. Decks are compacted every few
//! changes meanwhile. After each kill the folder must open, every acknowledged card and piece of audio must be there,
//! the head must be that of the log, and the next writer goes on from there.
//!
//! 20 kills; `CUECARD_KILLS=200 cargo test -p cuecard-tests --test kill_the_engine` for the long form. What a kill
//! cannot show, a missing sync, is tested in the store.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cuecard::core::CompactWhen;
use cuecard::{AudioAbout, BlobId, Deck, Engine};

const WRITER: &str = "as-writer";
const UNDER_WAY: usize = 4;
/// A kill comes at a random moment up to this after the writer's first word.
const LIFE: Duration = Duration::from_millis(400);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == WRITER) {
        Some(at) => runtime().block_on(write_until_killed(Path::new(&arguments[at + 1]))),
        // Test runners list tests before they run them.
        None if arguments.iter().any(|argument| argument == "--list") => println!("kill_the_engine: test"),
        None => nothing_acknowledged_is_gone_after_a_kill(),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

async fn open(folder: &Path) -> Engine {
    let often = CompactWhen {
        changes: 7,
        bytes: usize::MAX,
    };
    let builder = Engine::builder().compact_when(often);
    builder.open(folder).await.expect("the folder opens")
}

/// The sound of a card: from nothing to several groups.
fn sound(number: u64) -> Vec<u8> {
    let bytes = (number * 7_919) % 40_000;
    (0..bytes).map(|at| (at ^ number) as u8).collect()
}

fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").expect("the parent listens");
    output.flush().expect("the parent listens");
}

async fn write_until_killed(folder: &Path) {
    let engine = open(folder).await;
    let deck = match engine.decks().pop() {
        Some(deck) => deck,
        None => engine.create_deck("killed").await.expect("a deck"),
    };
    say("ready");
    let mut number = deck.cards().expect("the deck").len() as u64;
    let mut under_way = VecDeque::new();
    loop {
        let front = format!("card {number}");
        let edit = if number.is_multiple_of(3) {
            let about = AudioAbout {
                mime: "audio/wav".to_owned(),
                name: format!("{number}.wav"),
                duration_ms: number,
            };
            let audio = deck
                .import_audio(std::io::Cursor::new(sound(number)), about)
                .await;
            let audio = audio.expect("the audio is kept");
            say(&format!("audio {} {number}", hex(audio.blob)));
            deck.edit(|edit| {
                let card = edit.add_card(&front, "")?;
                edit.attach_audio(&card, "front", audio)
            })
        } else {
            deck.edit(|edit| edit.add_card(&front, "").map(drop))
        };
        under_way.push_back((number, edit));
        number += 1;
        if under_way.len() >= UNDER_WAY
            && let Some((number, edit)) = under_way.pop_front()
        {
            edit.await.expect("the disk is well");
            say(&format!("card {number}"));
        }
    }
}

fn hex(blob: BlobId) -> String {
    blob.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A small generator: what matters is that the moments differ and that the seed can be printed.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn nothing_acknowledged_is_gone_after_a_kill() {
    let kills: u64 = match std::env::var("CUECARD_KILLS") {
        Ok(text) => text.parse().expect("CUECARD_KILLS is a number"),
        Err(_) => 20,
    };
    assert!(kills > 0, "a run of nothing must not look like one that passed");
    let seed = u64::from(std::process::id()) << 17 | 1;
    println!("{kills} kills, moments from seed {seed}");
    let mut moments = Moments(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut cards, mut audio) = (0, BTreeMap::new());
    let mut compacted = 0;
    let started = Instant::now();
    for kill in 1..=kills {
        let life = Duration::from_micros(moments.next(LIFE.as_micros() as u64));
        run_and_kill(folder.path(), life, &mut cards, &mut audio);
        compacted += u64::from(snapshots(folder.path()) > 1);
        let what = format!("after kill {kill} of seed {seed}, {life:?} into its life");
        runtime().block_on(check(folder.path(), cards, &audio, &what));
    }
    assert!(
        cards > kills,
        "only {cards} cards in {kills} lives: nothing was tested"
    );
    assert!(!audio.is_empty());
    assert!(
        compacted > kills / 2,
        "two snapshots after only {compacted} of {kills} kills"
    );
    println!(
        "{kills} kills in {:.0?}: {cards} cards and {} pieces of audio acknowledged, all there",
        started.elapsed(),
        audio.len()
    );
}

/// Lets a writer live for so long after its first word; takes note of what it acknowledged.
fn run_and_kill(folder: &Path, life: Duration, cards: &mut u64, audio: &mut BTreeMap<String, u64>) {
    let mut writer = Command::new(std::env::current_exe().expect("this program"))
        .arg(WRITER)
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a writer");
    let mut output = BufReader::new(writer.stdout.take().expect("its output"));
    let mut first = String::new();
    output.read_line(&mut first).expect("its first word");
    assert_eq!(first.trim(), "ready", "the writer did not open the folder");
    let heard = std::thread::spawn(move || {
        let mut lines = Vec::new();
        let mut line = String::new();
        // A line that the kill cut short acknowledges nothing.
        while output.read_line(&mut line).is_ok_and(|bytes| bytes > 0) && line.ends_with('\n') {
            lines.push(std::mem::take(&mut line));
        }
        lines
    });
    // Not for synchronisation: the moment of the kill is what is random here.
    std::thread::park_timeout(life);
    writer.kill().expect("to kill it");
    writer.wait().expect("its end");
    for line in heard.join().expect("the listener") {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["card", number] => *cards = (*cards).max(number.parse::<u64>().expect("a number") + 1),
            ["audio", hash, number] => {
                audio.insert((*hash).to_owned(), number.parse().expect("a number"));
            }
            other => panic!("the writer said {other:?}"),
        }
    }
}

fn snapshots(folder: &Path) -> usize {
    let folder = folder.join("store").join("snapshots");
    std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{folder:?}: {error}"))
        .filter(|entry| {
            let entry = entry.as_ref().expect("an entry");
            entry.path().extension().is_some_and(|kind| kind == "snap")
        })
        .count()
}

async fn check(folder: &Path, cards: u64, audio: &BTreeMap<String, u64>, what: &str) {
    let engine = open(folder).await;
    assert!(
        engine.damaged_decks().is_empty(),
        "{what}: {:?}",
        engine.damaged_decks()
    );
    let Some(deck) = engine.decks().pop() else {
        assert_eq!(cards, 0, "{what}: the deck is gone");
        return;
    };
    let found = deck.cards().expect("the deck");
    let fronts: BTreeSet<&str> = found.iter().map(|card| card.front.as_str()).collect();
    for number in 0..found.len() {
        let front = format!("card {number}");
        assert!(
            fronts.contains(front.as_str()),
            "{what}: {front} is missing, later ones are there"
        );
    }
    let held = found.len() as u64;
    assert!(held >= cards, "{what}: {held} cards of {cards} acknowledged");
    // What is read is what the head says: an entry for the genesis, the title and each card.
    assert_eq!(
        deck.entry_count().expect("the history") as u64,
        held + 2,
        "{what}"
    );
    check_audio(&deck, &found, audio, what);
    engine.shutdown().await.expect("the disk is well");
}

fn check_audio(deck: &Deck, cards: &[cuecard::Card], audio: &BTreeMap<String, u64>, what: &str) {
    let mut by_hash: BTreeMap<String, BlobId> = BTreeMap::new();
    for card in cards {
        let number: u64 = card.front["card ".len()..].parse().expect("a number");
        let Some(slot) = card.audio.get("front") else {
            assert!(!number.is_multiple_of(3), "{what}: card {number} lost its audio");
            continue;
        };
        // The blob is durable before the change that names it.
        assert_eq!(
            read(deck, slot.blob),
            sound(number),
            "{what}: audio of card {number}"
        );
        by_hash.insert(hex(slot.blob), slot.blob);
    }
    // Imported and acknowledged, and perhaps not attached yet when the kill came.
    for (hash, number) in audio {
        let blob: Vec<u8> = (0..32)
            .map(|at| u8::from_str_radix(&hash[at * 2..at * 2 + 2], 16).expect("a digit"))
            .collect();
        let blob = BlobId::from_bytes(blob.try_into().expect("32 bytes"));
        assert_eq!(read(deck, blob), sound(*number), "{what}: audio {number}");
    }
}

fn read(deck: &Deck, blob: BlobId) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = deck.open_audio(blob).expect("the audio is here");
    reader.read_to_end(&mut bytes).expect("and whole");
    bytes
}
