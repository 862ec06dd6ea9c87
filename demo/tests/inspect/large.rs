//! A deck that is not small: the list and the cards are windows, and every step is right. How quick that is, the
//! benchmark says; here nothing is timed.

use cuecard_browser::Browser;
use serde_json::json;

use crate::decks;
use crate::served::{Served, keep_picture};

#[test]
fn a_large_deck_is_shown_in_windows_and_every_step_of_it_is_right() {
    let Some(browser) = Browser::start("a large deck") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    decks::make(folder.path(), 600, 2_000);
    let served = Served::start(&["--data-dir", folder.path().to_str().unwrap()]);
    let page = served.open(&browser);
    assert_eq!(
        page.eval("document.querySelector('#count').innerText"),
        "2,000 entries"
    );
    page.wait_for("document.querySelector('.row.card')");
    let drawn = page.eval("[document.querySelectorAll('.row.entry').length < 80, document.querySelectorAll('.row.card').length < 80]");
    assert_eq!(drawn, json!([true, true]));
    // To the very end of both.
    page.eval("document.querySelector('#lines').scrollTop = 1e9");
    page.wait_for("document.querySelector('.row.entry.beginning')");
    page.eval("document.querySelector('.cards').scrollTop = 1e9");
    page.wait_for("(() => { const c = [...document.querySelectorAll('.row.card')]; return c.length && c.at(-1).getBoundingClientRect().bottom <= document.querySelector('.cards').getBoundingClientRect().bottom + 1; })()");
    keep_picture(&page, "large");
    // The slider's way (from what is near) and the whole way (from nothing) come to the same deck, at leaps and at steps.
    let deck = page.eval("(async () => { window.data = async (path) => (await fetch(`${localStorage.getItem('cuecard-place')}/${path}`)).json(); return (await data('home')).peers[0].decks[0].id; })()");
    let steps = [1_999_u64, 1_998, 1_700, 3, 1_000, 1_001, 999, 0, 1_250, 60];
    let of = |served: &Served, page: &cuecard_browser::Page, step: u64| {
        assert!(served.address.starts_with("http"));
        page.eval(&format!(
            "(async () => {{ const a = await data('0/{}/at?step={step}&from=0&count=400'); const b = await data('0/{}/at?step={step}&from=400&count=400'); return [a.total, a.cards.concat(b.cards).map(c => [c.id, c.front, c.back, c.tags].join())]; }})()",
            deck.as_str().unwrap(), deck.as_str().unwrap()
        ))
    };
    let stepped: Vec<_> = steps.iter().map(|&step| of(&served, &page, step)).collect();
    assert_eq!(page.complaints(), Vec::<String>::new());
    drop((page, served));
    for (step, seen) in steps.into_iter().zip(stepped) {
        let fresh = decks::at(folder.path(), step as usize);
        assert_eq!(seen[0], json!(fresh.len()), "step {step}");
        let fresh: Vec<_> = fresh.into_iter().take(800).collect();
        assert_eq!(seen[1], json!(fresh), "step {step}");
    }
}
