//! One run, one term, on real parts: a process is killed after what it wrote had left it, its folder is copied, an older
//! copy is restored; all three are edited on, by the same device, and brought together. Every edit that anybody saw is
//! there, accepted, and loads in plain Automerge.
//!
//! - `by_link`: what the killed process wrote was seen at the other end of a link over WebRTC, before its own disk had it;
//!   the three come together over such links.
//! - `by_files`: all of it travels in files.
//!
//! The processes are this program, started by itself.

mod by_files;
mod by_link;

use std::collections::BTreeSet;
use std::path::Path;

use automerge::ReadDoc;
use cuecard_tests::real::device;

/// In which the three are brought together.
const ORDERS: u64 = 3;

fn main() {
    if device::run_if_asked() {
        return;
    }
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == by_files::WRITER) {
        Some(at) => runtime().block_on(by_files::write_until_killed(
            Path::new(&arguments[at + 1]),
            Path::new(&arguments[at + 2]),
        )),
        None if arguments.iter().any(|argument| argument == "--list") => println!("one_run_one_term: test"),
        None => {
            (0..ORDERS).for_each(by_link::story);
            runtime().block_on(by_files::story(1));
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
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

/// Plain Automerge loads it, comes to the deck's own head, and has every card.
fn check_in_automerge(bytes: &[u8], head: &str, fronts: &BTreeSet<String>) {
    let mut document = automerge::AutoCommit::load(bytes).expect("Automerge takes it");
    let heads: Vec<String> = document.get_heads().iter().map(ToString::to_string).collect();
    assert_eq!(heads, [head]);
    let get = |object: &automerge::ObjId, name: &str| {
        let found = document.get(object, name).expect("an object");
        found.unwrap_or_else(|| panic!("there is no {name}")).1
    };
    let cards = get(&automerge::ROOT, "cards");
    let found: BTreeSet<String> = document
        .keys(&cards)
        .map(|card| document.text(get(&get(&cards, &card), "front")).expect("a text"))
        .collect();
    assert_eq!(&found, fronts);
}
