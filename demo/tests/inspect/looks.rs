//! Light, dark, narrow, by keyboard alone; and decks that mean harm.

use cuecard_browser::{Browser, Page};
use serde_json::json;

use crate::served::{Served, assert_fits, keep_picture};

const TABS: [&str; 7] = [
    "deck",
    "entry",
    "compare",
    "drafts",
    "conflicts",
    "devices",
    "live",
];

/// No wider than the window: not the page, and no part of it.
fn assert_nothing_sticks_out(page: &Page, what: &str) {
    let script = "(() => { const w = document.documentElement.clientWidth; \
        const out = [...document.querySelectorAll('body *')].filter(e => { \
            const b = e.getBoundingClientRect(); \
            if (!b.width || !b.height || e.closest('svg, .sr, .skip, .toast')) return false; \
            /* What something cuts off, or lets one scroll to, does not stick out. */ \
            for (let p = e.parentElement; p !== document.body; p = p.parentElement) \
                if (getComputedStyle(p).overflowX !== 'visible') return false; \
            return b.right > w + 1 || b.left < -1; }); \
        return [document.documentElement.scrollWidth > w || document.body.scrollWidth > w, \
            out.slice(0, 3).map(e => e.tagName + '.' + e.className)]; })()";
    assert_eq!(page.eval(script), json!([false, []]), "{what}");
}

#[test]
fn it_fits_a_telephone_and_looks_right_in_light_and_dark() {
    let Some(browser) = Browser::start("the looks of the page") else {
        return;
    };
    let served = Served::start(&["--demo"]);
    let page = served.open(&browser);
    for (dark, name) in [(false, "light"), (true, "dark")] {
        page.look(360, 740, dark);
        page.click("[data-tab=history]");
        page.wait_for("document.querySelector('.row.entry')?.getBoundingClientRect().width > 0");
        assert_nothing_sticks_out(&page, "history");
        keep_picture(&page, &format!("narrow-history-{name}"));
        for tab in TABS {
            page.click(&format!("#tab-{tab}"));
            page.wait_for(&format!(
                "document.querySelector('#view').dataset.of?.startsWith('{tab}/')"
            ));
            assert_nothing_sticks_out(&page, tab);
            keep_picture(&page, &format!("narrow-{tab}-{name}"));
        }
        page.look(1280, 800, dark);
        page.click("#tab-deck");
        page.wait_for("document.querySelector('.row.card')");
        assert_nothing_sticks_out(&page, "wide");
        assert_fits(&page);
        keep_picture(&page, &format!("wide-{name}"));
        let ratio = contrast(&page);
        assert!(
            ratio >= 4.5,
            "{name}: the faintest text has a contrast of {ratio}"
        );
    }
    // No kind of entry is told by its colour alone: the marks are of different shapes, or hollow.
    let marks = page.eval("[...document.querySelectorAll('.legend .mark g')].map(g => [...g.children].map(p => `${p.tagName} ${p.getAttribute('class')} ${p.getAttribute('d') ?? p.getAttribute('r')}`).join())");
    let marks: Vec<&str> = marks
        .as_array()
        .unwrap()
        .iter()
        .map(|mark| mark.as_str().unwrap())
        .collect();
    let shapes: std::collections::BTreeSet<&str> = marks.iter().copied().collect();
    assert_eq!((marks.len(), shapes.len()), (5, 5), "{marks:?}");
    let fill = |which: &str| {
        page.eval(&format!(
            "getComputedStyle(document.querySelector('.legend .mark .{which}')).fill"
        ))
    };
    assert_ne!(fill("open"), fill("full"), "hollow");
    // Nor is what the slider has before it: a dashed edge, and words for who hears the page.
    page.click("[aria-label='One step back']");
    page.wait_for("document.querySelector('.row.entry.after')");
    assert_eq!(
        page.eval("[...document.querySelectorAll('.row.entry')].map(r => [r.classList.contains('after'), getComputedStyle(r, '::before').borderLeftStyle === 'dashed', r.getAttribute('aria-label').startsWith('after the slider')].join()).filter((told, at, all) => all.indexOf(told) === at).sort()"),
        json!(["false,false,false", "true,true,true"])
    );
    // The ring of what has the focus is not cut off by what it stands in.
    page.eval("document.querySelector('.head-chip').focus()");
    assert_eq!(
        page.eval("(() => { const chip = document.querySelector('.head-chip').getBoundingClientRect(); const told = document.querySelector('.told'); const box = told.getBoundingClientRect(); const cut = getComputedStyle(told).overflow !== 'visible' || getComputedStyle(told).contain.includes('paint') || getComputedStyle(told).contain === 'strict'; return !cut || (chip.top - box.top >= 4.5 && box.bottom - chip.bottom >= 4.5); })()"),
        json!(true)
    );
    // By hand, whatever the system says.
    page.look(1280, 800, true);
    page.press("t");
    page.wait_for("document.documentElement.dataset.theme === 'light'");
    assert_eq!(
        page.eval("getComputedStyle(document.documentElement).colorScheme"),
        "light"
    );
    assert_eq!(page.complaints(), Vec::<String>::new());
}

/// The least contrast that any text has against what lies behind it.
fn contrast(page: &Page) -> f64 {
    let script = "(() => { \
        const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1; \
        const pen = canvas.getContext('2d', { willReadFrequently: true }); \
        const rgb = (colours) => { pen.clearRect(0, 0, 1, 1); for (const c of colours) { pen.fillStyle = c; pen.fillRect(0, 0, 1, 1); } \
            return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3); }; \
        const light = (c) => { const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); \
            return .2126 * r + .7152 * g + .0722 * b; }; \
        let least = 99; \
        for (const e of document.querySelectorAll('body *')) { \
            if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length) continue; \
            if (e.closest('.sr, .skip, .toast, .keys, option, noscript, :disabled')) continue; \
            const behind = []; for (let p = e; p; p = p.parentElement) behind.unshift(getComputedStyle(p).backgroundColor); \
            const b = light(rgb(behind)); const t = light(rgb([...behind, getComputedStyle(e).color])); \
            least = Math.min(least, (Math.max(b, t) + .05) / (Math.min(b, t) + .05)); } \
        return least; })()";
    page.eval(script).as_f64().unwrap()
}

#[test]
fn nothing_moves_for_who_wants_no_motion() {
    let Some(browser) = Browser::start("the page without motion") else {
        return;
    };
    let served = Served::start(&["--demo"]);
    let page = served.open(&browser);
    page.wait_for("document.querySelector('.cable.live')");
    let moving = "document.getAnimations().length";
    page.wait_for(&format!("{moving} > 0"));
    page.prefer("prefers-reduced-motion", "reduce");
    page.wait_for(&format!("{moving} === 0"));
    // Also what moves when something is done.
    page.click("#tab-devices");
    page.click("[aria-label='One step back']");
    page.wait_for("document.body.classList.contains('past')");
    assert_eq!(page.eval(moving), json!(0));
    assert_eq!(page.eval("[...document.querySelectorAll('*')].filter(e => { const s = getComputedStyle(e); return s.transitionDuration.split(', ').some(d => parseFloat(d) > 0) && s.transitionProperty !== 'none'; }).length"), json!(0));
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn it_is_used_by_keyboard_alone() {
    let Some(browser) = Browser::start("the page by keyboard") else {
        return;
    };
    let served = Served::start(&["--demo"]);
    let page = served.open(&browser);
    let focus = |page: &Page| page.eval("document.activeElement.id || document.activeElement.className");
    // The first stop is the way past everything; each stop can be seen.
    page.press("Tab");
    assert_eq!(focus(&page), "skip");
    let mut stops = Vec::new();
    for _ in 0..40 {
        page.press("Tab");
        let seen = page.eval("(() => { const e = document.activeElement; const s = getComputedStyle(e); return e === document.body || s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 || getComputedStyle(e.nextElementSibling ?? e).outlineStyle !== 'none'; })()");
        let stop = focus(&page);
        assert_eq!(
            seen.as_bool(),
            Some(true),
            "{stop} has the focus, and it cannot be seen"
        );
        stops.push(stop.as_str().unwrap_or_default().to_owned());
    }
    for needed in [
        "search", "theme", "help", "cable", "lines", "slider", "group", "joined", "tab-deck",
    ] {
        assert!(
            stops.iter().any(|stop| stop == needed),
            "{needed} cannot be reached: {stops:?}"
        );
    }
    // Through the history, into an entry. (A list of choices takes letters for itself.)
    page.eval("document.activeElement.blur()");
    page.press("h");
    assert_eq!(focus(&page), "lines");
    page.press("ArrowDown");
    page.press("ArrowDown");
    page.press("Enter");
    page.wait_for("document.querySelector('#view').dataset.of?.startsWith('entry/') && document.querySelector('.entry-view')");
    let active = page.eval("(() => { const l = document.querySelector('#lines'); const o = document.getElementById(l.getAttribute('aria-activedescendant')); return [l.getAttribute('role'), o.getAttribute('role'), o.getAttribute('aria-selected'), o.getAttribute('aria-label').length > 10]; })()");
    assert_eq!(active, json!(["listbox", "option", "true", true]));
    assert_eq!(focus(&page), "view");
    page.press("h");
    page.press("End");
    page.wait_for("document.querySelector('.row.entry.beginning[aria-selected=true]')");
    // Through time.
    page.press("[");
    page.press("[");
    page.wait_for("document.body.classList.contains('past')");
    page.press("]");
    page.press("n");
    page.wait_for("!document.body.classList.contains('past')");
    // Through the views: by number, and as tabs are walked.
    page.press("4");
    page.wait_for("document.querySelector('#view').dataset.of === 'drafts/' && document.querySelector('#tab-drafts').getAttribute('aria-selected') === 'true'");
    page.eval("document.querySelector('#tab-drafts').focus()");
    page.press("ArrowRight");
    page.wait_for("document.querySelector('#view').dataset.of === 'conflicts/'");
    // Help, and out of it.
    page.press("?");
    page.wait_for("document.querySelector('#keys').open");
    keep_picture(&page, "keys");
    page.press("Escape");
    page.wait_for("!document.querySelector('#keys').open");
    // Everything that can be pressed or typed into has a name.
    let nameless = page.eval("[...document.querySelectorAll('button, input, select, a, [role=option], [role=tab]')].filter(e => !(e.getAttribute('aria-label') || e.innerText?.trim() || e.labels?.[0]?.innerText.trim() || e.labels?.[0]?.textContent.trim())).map(e => e.outerHTML.slice(0, 80))");
    assert_eq!(nameless, json!([]));
    assert_eq!(page.complaints(), Vec::<String>::new());
}
