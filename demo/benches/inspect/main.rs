//! The page with large decks, measured in a real browser: `cargo bench -p cuecard-demo --bench inspect`.
//!
//! - *first paint*: from the start of the navigation until rows of the history and cards of the deck are on the screen.
//!   The command has printed its address by then, as it has when a person opens it.
//! - *a step*: from the moment the slider moves until the deck of that step is painted; single steps, and leaps.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    dead_code,
    reason = "a measurement that cannot go on says so by a panic"
)]

#[path = "../../tests/inspect/decks.rs"]
mod decks;
#[path = "../../tests/inspect/served.rs"]
mod served;

use cuecard_browser::{Browser, Page};
use served::{Served, keep_picture};

fn main() {
    let Some(browser) = Browser::start("the page with large decks") else {
        return;
    };
    for (name, cards, entries) in [
        ("small", 100, 1_000),
        ("10,000 cards", 10_000, 20_000),
        ("50,000 entries", 2_000, 50_000),
    ] {
        let folder = tempfile::tempdir().unwrap();
        decks::make(folder.path(), cards, entries);
        let served = Served::start(&["--data-dir", folder.path().to_str().unwrap()]);
        let first = first_paint(&served, &browser);
        println!("{name}: first paint, right after the start {:.0} ms", first.1);
        let page = first.0;
        let again: Vec<f64> = (0..20)
            .map(|_| {
                page.go_to("about:blank");
                page.go_to(served.origin());
                painted(&page)
            })
            .collect();
        println!("{name}: first paint, later          {}", told(again));
        // What is read ahead is read by now or soon; a person takes longer to reach for the slider.
        println!(
            "{name}: single steps                {}",
            told(steps(&page, |at, total| total - 2 - at))
        );
        println!(
            "{name}: leaps                       {}",
            told(steps(&page, |at, total| at * 7_919 % total))
        );
        keep_picture(&page, &format!("bench-{entries}"));
    }
}

fn first_paint(served: &Served, browser: &Browser) -> (Page, f64) {
    let page = browser.open("about:blank");
    page.look(1440, 900, false);
    page.go_to(&served.address);
    let took = painted(&page);
    (page, took)
}

/// Milliseconds from the start of the navigation until rows and cards are painted.
fn painted(page: &Page) -> f64 {
    page.wait_for("performance.getEntriesByName('history-painted').length && performance.getEntriesByName('deck-painted').length");
    let both = page.eval("performance.getEntriesByName('history-painted').concat(performance.getEntriesByName('deck-painted')).map(e => e.startTime)");
    let both = both.as_array().unwrap();
    assert_eq!(both.len(), 2, "both marks");
    both.iter().map(|time| time.as_f64().unwrap()).fold(0.0, f64::max)
}

/// How long each of a hundred moves of the slider takes.
fn steps(page: &Page, to: impl Fn(u64, u64) -> u64) -> Vec<f64> {
    let total = page
        .eval("Number(document.querySelector('#slider').max) + 1")
        .as_u64()
        .unwrap();
    let moved = |step: u64| {
        let script = format!(
            "new Promise(done => {{ const slider = document.querySelector('#slider'); const from = performance.now(); \
             const told = 'step ' + ({step} + 1).toLocaleString('en') + ' of'; const cards = document.querySelector('.cards'); \
             const look = () => requestAnimationFrame(() => slider.getAttribute('aria-valuetext').startsWith(told) && cards.dataset.step === '{step}' && !cards.querySelector('.waiting') ? done(performance.now() - from) : look()); \
             slider.value = {step}; slider.dispatchEvent(new Event('input')); look(); }})"
        );
        page.eval(&script).as_f64().unwrap()
    };
    (0..100).map(|at| moved(to(at, total))).collect()
}

fn told(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    format!(
        "median {:.0} ms, p95 {:.0} ms, most {:.0} ms",
        at(50),
        at(95),
        at(100)
    )
}
