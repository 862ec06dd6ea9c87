//! One run, one term, on real parts: a process is killed after what it wrote had left it, its folder is copied, an older
//! copy is restored; all three are edited on, by the same device, and brought together. Every edit that anybody saw is
//! there, accepted, and loads in plain Automerge.
//!
//! The process that is killed is this program, started by itself.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use cuecard::export::ExportWith;
use cuecard::{Deck, Engine};

const WRITER: &str = "as-writer";
const TRIES: u64 = 6;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == WRITER) {
        Some(at) => runtime().block_on(write_until_killed(
            Path::new(&arguments[at + 1]),
            Path::new(&arguments[at + 2]),
        )),
        None if arguments.iter().any(|argument| argument == "--list") => println!("one_run_one_term: test"),
        None => (1..=TRIES).for_each(|number| runtime().block_on(story(number))),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

async fn open(folder: &Path) -> (Engine, Deck) {
    let engine = Engine::open(folder).await.expect("the folder opens");
    let deck = engine.decks().pop().expect("the deck is there");
    (engine, deck)
}

async fn add(deck: &Deck, front: &str) {
    let added = deck.edit(|edit| edit.add_card(front, "?").map(drop)).await;
    added.unwrap_or_else(|error| panic!("{front}: {error}"));
}

async fn send(deck: &Deck, file: &Path) {
    deck.export(file, ExportWith::default()).await.expect("it leaves");
}

/// Edits, lets that leave, says so, and goes on editing without waiting for the disk.
async fn write_until_killed(folder: &Path, file: &Path) {
    let (_engine, deck) = open(folder).await;
    for number in 0..5 {
        add(&deck, &format!("sent {number}")).await;
    }
    send(&deck, file).await;
    let mut output = std::io::stdout().lock();
    writeln!(output, "sent").expect("the parent listens");
    output.flush().expect("the parent listens");
    let mut under_way = Vec::new();
    for number in 0.. {
        let front = format!("not waited for {number}");
        under_way.push(deck.edit(|edit| edit.add_card(&front, "?").map(drop)));
        if number % 8 == 7 {
            tokio::task::yield_now().await;
        }
    }
}

fn run_and_kill(folder: &Path, file: &Path) {
    let mut writer = Command::new(std::env::current_exe().expect("this program"))
        .args([Path::new(WRITER), folder, file])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a writer");
    let mut first = String::new();
    let mut output = BufReader::new(writer.stdout.take().expect("its output"));
    output.read_line(&mut first).expect("its word");
    // At once, while its next edits are on their way to the disk.
    writer.kill().expect("to kill it");
    writer.wait().expect("its end");
    assert_eq!(first.trim(), "sent");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("its type").is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).expect("a copy")),
        }
    }
}

fn fronts(deck: &Deck) -> BTreeSet<String> {
    let cards = deck.cards().expect("the deck").into_iter();
    cards.map(|card| card.front).collect()
}

async fn story(number: u64) {
    let place = tempfile::tempdir().expect("a folder");
    let path = |name: &str| place.path().join(name);
    let (laptop, older, copied) = (path("laptop"), path("older"), path("copied"));
    let engine = Engine::open(&laptop).await.expect("a new folder");
    let deck = engine.create_deck("Spanish").await.expect("a deck");
    add(&deck, "before").await;
    engine.shutdown().await.expect("the disk is well");
    drop((deck, engine));
    copy(&laptop, &older);

    run_and_kill(&laptop, &path("sent"));
    copy(&laptop, &copied);
    // Each is edited on by a run of its own, and knows nothing of the others.
    let (mut seen, mut heads) = (BTreeSet::new(), BTreeSet::new());
    for (folder, name) in [
        (&laptop, "the killed one"),
        (&older, "the restored one"),
        (&copied, "the copied one"),
    ] {
        let (engine, deck) = open(folder).await;
        for round in 0..3 {
            add(&deck, &format!("{name} {round}")).await;
        }
        send(&deck, &path(name)).await;
        seen.extend(fronts(&deck));
        heads.insert(deck.head().expect("a head"));
        engine.shutdown().await.expect("the disk is well");
    }
    assert_eq!(heads.len(), 3, "story {number}: three ways");
    assert!(
        (0..5).all(|at| seen.contains(&format!("sent {at}"))),
        "story {number}: what was sent is kept"
    );

    // All together, in each of the folders, in another order each time.
    let mut files = ["sent", "the killed one", "the restored one", "the copied one"];
    files.rotate_left(usize::try_from(number).expect("a small number") % 4);
    for folder in [&laptop, &older, &copied] {
        let (engine, deck) = open(folder).await;
        for file in files {
            let imported = engine.import(path(file)).await;
            imported.unwrap_or_else(|error| panic!("story {number}: {file} into {folder:?}: {error}"));
        }
        let missing: Vec<_> = seen.difference(&fronts(&deck)).cloned().collect();
        assert!(missing.is_empty(), "story {number}: {folder:?} lacks {missing:?}");
        check_in_automerge(&deck);
        engine.shutdown().await.expect("the disk is well");
    }
    println!("story {number}: {} cards on three ways, all there", seen.len());
}

/// Plain Automerge loads it, and comes to the deck's own head.
fn check_in_automerge(deck: &Deck) {
    let bytes = deck.automerge_document().expect("the document");
    let mut document = automerge::AutoCommit::load(&bytes).expect("Automerge takes it");
    assert_eq!(document.get_heads(), [deck.head().expect("a head")]);
}
