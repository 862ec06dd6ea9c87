//! A deck that is not small: the list and the cards are windows, and every step is right. How quick that is, the
//! benchmark says; here nothing is timed.

use cuecard_browser::Browser;
use serde_json::json;

use crate::decks;
use crate::served::{Served, assert_fits, keep_picture};

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
    page.wait_for("!document.querySelector('.row.waiting')");
    keep_picture(&page, "large");
    assert_fits(&page);
    // The graph is drawn beside the rows that it is of, however far down they are.
    let apart = page.eval("(() => { const middle = (e) => { const b = e.getBoundingClientRect(); return b.top + b.height / 2; }; const rows = [...document.querySelectorAll('.row.entry')].map(r => [r, document.querySelector(`.graph .node[data-hash='${r.dataset.hash}']`)]).filter(([, n]) => n); return [rows.length > 10, Math.max(...rows.map(([r, n]) => Math.abs(middle(r) - middle(n)))) < 2]; })()");
    assert_eq!(apart, json!([true, true]));
    // A row that waits for what stands in it has its place already.
    let heights = page.eval("(() => { const list = document.querySelector('.cards .rows'); const row = document.createElement('div'); row.className = 'row waiting'; list.append(row); const told = [row.offsetHeight, document.querySelector('.row.card').offsetHeight]; row.remove(); return told; })()");
    assert_eq!(heights, json!([60, 60]));
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
