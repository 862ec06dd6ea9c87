//! What opening a deck costs, in time and in memory, beside Automerge loading a snapshot of the same document.

use std::fs;
use std::path::Path;
use std::process::Command;

use automerge::Automerge;
use cuecard::Engine;

use crate::fixture::{Written, add_cards, fill, runtime};
use crate::runner::{Table, Target, Unit, in_turns, timed};

const CARDS: usize = 1_000;
const CHANGES: usize = 100_000;

/// The first argument of a process that only says how much memory it came to hold.
pub(crate) const MEMORY_OF: &str = "--memory-of";

/// `Engine::open` on a folder with one deck of 100,000 changes, and what the process then holds.
pub(crate) fn open(table: &mut Table) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let runtime = runtime();
    runtime.block_on(async {
        let engine = Engine::open(&data).await.expect("an engine");
        let deck = engine.create_deck("bench").await.expect("a deck");
        let cards = add_cards(&deck, CARDS).await;
        fill(&deck, &cards, CHANGES).await;
        engine.shutdown().await.expect("it closes");
    });
    let snapshot = Written::new(CARDS, CHANGES).document.snapshot();
    let ours = || {
        let mut opened = None;
        let took = timed(|| opened = Some(runtime.block_on(Engine::open(&data)).expect("it opens")));
        let engine = opened.expect("it was opened");
        assert_eq!(engine.decks().len(), 1);
        runtime.block_on(async { engine.shutdown().await.expect("it closes") });
        took
    };
    let rounds = in_turns(5, ours, || {
        timed(|| Automerge::load(&snapshot).expect("it loads"))
    });
    table.add(
        "open a deck of 100,000 changes, beside `Automerge::load`",
        Unit::TimeOfOne(1),
        Target::AtMost(1.2),
        rounds,
    );

    let file = folder.path().join("snapshot");
    fs::write(&file, &snapshot).expect("it is written");
    let (ours, base) = (memory_of("deck", &data), memory_of("document", &file));
    table.add_once(
        "memory of that deck, beside the document alone",
        Unit::Mebibytes,
        Target::AtMost(1.3),
        ours.held,
        base.held,
    );
    table.add_once(
        "the most that was held on the way",
        Unit::Mebibytes,
        Target::None,
        ours.most,
        base.most,
    );
}

/// Bytes that a process came to hold, above what it held at its start.
struct Memory {
    held: f64,
    most: f64,
}

/// In a process of its own: what this one has freed would count.
fn memory_of(what: &str, path: &Path) -> Memory {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args([MEMORY_OF, what])
        .arg(path)
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let numbers: Vec<f64> = text
        .split_whitespace()
        .map(|number| number.parse().expect("a number"))
        .collect();
    let [held, most] = numbers.as_slice() else {
        panic!("it failed: {}", String::from_utf8_lossy(&output.stderr));
    };
    Memory {
        held: *held,
        most: *most,
    }
}

/// What the process of [`memory_of`] does.
pub(crate) fn say_memory(what: &str, path: &Path) {
    let before = status("VmRSS:");
    let after = match what {
        "deck" => {
            let runtime = runtime();
            let engine = runtime.block_on(Engine::open(path)).expect("it opens");
            let after = [status("VmRSS:"), status("VmHWM:")];
            drop(engine);
            after
        }
        _ => {
            let bytes = fs::read(path).expect("it is read");
            let document = Automerge::load(&bytes).expect("it loads");
            drop(bytes);
            let after = [status("VmRSS:"), status("VmHWM:")];
            drop(document);
            after
        }
    };
    for bytes in after {
        println!("{}", bytes - before);
    }
}

/// A line of what the system says of this process, in bytes.
fn status(line: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("the system says so");
    let kibibytes = status
        .lines()
        .find_map(|found| found.strip_prefix(line))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<f64>().ok());
    kibibytes.expect("a number of kB") * 1024.0
}
