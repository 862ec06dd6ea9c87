//! Cuecard beside `samod`: what is measured, and how it is kept fair, is in `../README.md`.

#[path = "../../benches/cuecard/fixture.rs"]
#[allow(dead_code, reason = "shared with the benchmarks")]
mod fixture;
mod other;
mod ours;
#[path = "../../benches/cuecard/runner.rs"]
#[allow(dead_code, reason = "shared with the benchmarks")]
mod runner;

use automerge::{Automerge, ChangeHash};

use runner::{Table, Target, Unit, in_turns, middle};

const CARDS: usize = 1_000;
const CHANGES: usize = 10_000;
const TURNS: usize = 5;
/// Live edits of a turn.
const EDITS: usize = 100;

/// A deck at two points of its life, as ours and as anybody's document.
struct Made {
    ours: ours::Decks,
    early: Vec<u8>,
    late: Vec<u8>,
    head: Vec<ChangeHash>,
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let known = ["first", "behind", "live"];
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
        eprintln!("there is no measure {unknown}; there are: {}", known.join(", "));
        return;
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let runtime = fixture::runtime_for_two();
    let mut table = Table::default();
    let made = runtime.block_on(made());
    if is_wanted("first") {
        let times = in_turns(
            TURNS,
            || runtime.block_on(made.ours.first_sync()),
            || runtime.block_on(other::first_sync(&made.late, &made.head)),
        );
        let name = "first sync, 1,000 cards and 10,000 changes, beside samod";
        table.add(name, Unit::TimeOfOne(1), Target::AtMost(1.0), times);
    }
    if is_wanted("behind") {
        let kept = runtime.block_on(other::kept(&made.early, &made.late));
        let times = in_turns(
            TURNS,
            || runtime.block_on(made.ours.catch_up()),
            || runtime.block_on(kept.catch_up(&made.head)),
        );
        let name = "10,000 changes behind, beside samod";
        table.add(name, Unit::TimeOfOne(1), Target::AtMost(1.0), times);
    }
    if is_wanted("live") {
        let (mut ours, mut theirs) = (vec![], vec![]);
        runtime.block_on(async {
            let here = made.ours.linked().await;
            let there = other::linked(&made.late).await;
            for _ in 0..TURNS {
                ours.extend(here.edits(EDITS).await);
                theirs.extend(there.edits(EDITS).await);
            }
        });
        for (name, at) in [("p50", 0.5), ("p99", 0.99)] {
            let (ours, theirs) = (middle(&ours, at), middle(&theirs, at));
            table.add_once(
                &format!("live edit to event, deck of 10,000 changes, {name}, beside samod"),
                Unit::TimeOfOne(1),
                Target::AtMost(1.0),
                ours,
                theirs,
            );
        }
    }
    print!("{table}");
}

async fn made() -> Made {
    let ours = ours::Decks::new(CARDS, CHANGES).await;
    let (early, late) = ours.documents();
    let head = Automerge::load(&late).expect("it loads").get_heads();
    Made {
        ours,
        early,
        late,
        head,
    }
}
