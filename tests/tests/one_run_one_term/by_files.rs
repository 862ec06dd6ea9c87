//! A process is killed after what it wrote had left it in a file, while later edits are on their way to the disk.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use cuecard::export::ExportWith;
use cuecard::{Deck, Engine};

use crate::{check_in_automerge, copy};

/// The argument that makes the process that is killed.
pub(crate) const WRITER: &str = "as-writer";

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
pub(crate) async fn write_until_killed(folder: &Path, file: &Path) {
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

fn fronts(deck: &Deck) -> BTreeSet<String> {
    let cards = deck.cards().expect("the deck").into_iter();
    cards.map(|card| card.front).collect()
}

pub(crate) async fn story(number: u64) {
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
        let head = deck.head().expect("a head").to_string();
        check_in_automerge(&deck.automerge_document().expect("the document"), &head, &seen);
        engine.shutdown().await.expect("the disk is well");
    }
    println!("story {number}: {} cards on three ways, all there", seen.len());
}
