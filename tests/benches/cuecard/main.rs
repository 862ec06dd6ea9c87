//! How fast it is, beside what it is built on: `cargo bench -p cuecard-tests`, or with names to run a few of the
//! measures (`cargo bench -p cuecard-tests -- edit open`).
//!
//! Every measure runs ours and the base it is compared with in turns, in one process and one run, because only ratios
//! travel from machine to machine. The table says what was measured; a target that is missed fails nothing. What the
//! numbers were, and what bounds those that miss, is in `README.md` beside this file.

mod audio;
mod blob;
mod catch_up;
mod edit;
mod fixture;
mod live;
mod many;
mod open;
mod read;
mod role;
mod runner;
mod snapshot;

use std::path::Path;

use runner::Table;

/// A measure, or a few that share what they need.
type Measure = fn(&mut Table);

const MEASURES: [(&str, Measure); 20] = [
    ("edit", edit::one_field),
    ("durable", edit::durable),
    ("open", open::open),
    ("card", read::one_card),
    ("history", read::history),
    ("blob", blob::import_and_verify),
    ("sealed", role::sealed_changes),
    ("fork-choice", role::fork_choice),
    ("reorganise", role::reorganisation),
    ("live", live::edit_to_event),
    ("catch-up", catch_up::behind),
    ("new-device", catch_up::new_device),
    ("snapshot", snapshot::for_a_new_device),
    ("edit-while-behind", catch_up::edits_meanwhile),
    ("audio", audio::one_source),
    ("sources", audio::three_sources),
    ("edit-under-load", audio::edits_during_a_transfer),
    ("many", many::ten_devices),
    ("devices", many::against_the_number_of_devices),
    ("idle", many::idle),
];

fn main() {
    if cuecard_tests::real::device::run_if_asked() {
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, what, path] = arguments.as_slice()
        && mode == open::MEMORY_OF
    {
        return open::say_memory(what, Path::new(path));
    }
    // Cargo adds `--bench`.
    let wanted: Vec<String> = arguments
        .into_iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let known = |name: &String| MEASURES.iter().any(|(known, _)| known == name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        let names: Vec<&str> = MEASURES.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no measure {unknown}; there are: {}", names.join(", "));
        return;
    }
    let mut table = Table::default();
    for (name, measure) in MEASURES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            eprintln!("measuring: {name}");
            measure(&mut table);
        }
    }
    print!("{table}");
}
