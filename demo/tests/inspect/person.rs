//! What a person does on the page, in a real browser.

use cuecard_browser::{Browser, Page};
use serde_json::{Value, json};

use crate::served::{Served, keep_picture};

fn no_complaints(page: &Page) {
    assert_eq!(page.complaints(), Vec::<String>::new());
}

/// The words of the first thing that matches.
fn text(page: &Page, selector: &str) -> String {
    let found = page.eval(&format!(
        "document.querySelector({})?.innerText ?? ''",
        json!(selector)
    ));
    found.as_str().unwrap().to_owned()
}

fn count(page: &Page, selector: &str) -> u64 {
    let found = page.eval(&format!("document.querySelectorAll({}).length", json!(selector)));
    found.as_u64().unwrap()
}

/// Opens a view by its tab.
fn open_tab(page: &Page, tab: &str) {
    page.click(&format!("#tab-{tab}"));
    page.wait_for(&format!(
        "document.querySelector('#view').dataset.of?.startsWith('{tab}/')"
    ));
}

/// Chooses the first entry of the list that a script finds true, and waits until it is read.
fn choose_entry(page: &Page, op: &str) -> String {
    let row = format!(".row.entry[data-op='{op}']");
    let hash = page.eval(&format!("document.querySelector({})?.dataset.hash", json!(row)));
    let hash = hash
        .as_str()
        .unwrap_or_else(|| panic!("no {op} in the list"))
        .to_owned();
    page.click(&row);
    page.wait_for(&format!(
        "document.querySelector('#view').dataset.of === 'entry/{hash}'"
    ));
    hash
}

fn slide_to(page: &Page, step: &str) {
    page.eval(&format!(
        "(() => {{ const s = document.querySelector('#slider'); s.value = {step}; s.dispatchEvent(new Event('input')); }})()"
    ));
    page.wait_for("document.querySelector('#slider').getAttribute('aria-valuetext').startsWith(`step ${Number(document.querySelector('#slider').value) + 1} `)");
}

#[test]
fn a_person_reads_the_history_and_travels_through_it() {
    let Some(browser) = Browser::start("the page, read by a person") else {
        return;
    };
    let served = Served::start(&["--demo"]);
    let page = served.open(&browser);
    // The token is out of the address before anything of the page can be copied.
    assert_eq!(page.eval("location.href.includes('token')"), json!(false));
    assert_eq!(text(&page, "#title"), "Spanish 101");

    // The graph: a lane a device, terms behind, the head and the merge marked, a draft to the side, a run as one.
    keep_picture(&page, "history-light");
    let lanes = |kind: &str| {
        page.eval(&format!("[...new Set([...document.querySelectorAll('.graph .node.{kind}')].map(n => n.getBBox().x + n.getBBox().width / 2))].sort()"))
    };
    assert_eq!(lanes("edit").as_array().unwrap().len(), 2, "laptop and phone");
    assert_eq!(lanes("draft").as_array().unwrap().len(), 1, "to the side");
    assert_ne!(lanes("draft"), lanes("edit"));
    assert!(count(&page, ".graph .term") >= 3, "the terms");
    assert_eq!(count(&page, ".graph .halo"), 1, "the head");
    assert_eq!(text(&page, ".row.entry .badge.head"), "head");
    assert_eq!(count(&page, ".graph .node.merge"), 1);
    assert_eq!(text(&page, ".row.entry.merge .badge.merge"), "merge");
    assert!(count(&page, ".graph .edge.side") >= 2, "the draft's lines");
    assert!(text(&page, "#beside").contains("the weather by phone waits beside the deck"));
    let run = page.eval(
        "[...document.querySelectorAll('.row.entry')].find(r => r.innerText.includes('×3')).dataset.op",
    );
    assert_eq!(run, "card.text", "typing is one row");
    let joined = count(&page, ".row.entry");
    page.click("#joined");
    page.wait_for(&format!("document.querySelectorAll('.row.entry').length > {joined} || document.querySelector('#lines .sheet').offsetHeight >= 27 * 38"));
    page.click("#joined");

    // Grouped, and searched.
    page.eval("(() => { const g = document.querySelector('#group'); g.value = 'author'; g.dispatchEvent(new Event('change')); })()");
    page.wait_for("document.querySelectorAll('.row.heading').length === 2");
    assert!(text(&page, ".row.heading").contains("laptop"));
    page.eval("(() => { const g = document.querySelector('#group'); g.value = 'time'; g.dispatchEvent(new Event('change')); })()");
    page.wait_for("document.querySelectorAll('.row.heading').length === 1");
    page.eval("(() => { const g = document.querySelector('#group'); g.value = 'none'; g.dispatchEvent(new Event('change')); })()");
    page.wait_for("!document.querySelector('.row.heading')");
    page.press("/");
    for letter in ["m", "a", "r"] {
        page.press(letter);
    }
    page.wait_for("document.querySelector('#count').innerText.includes('found')");
    page.wait_for("[...document.querySelectorAll('.row.entry .about')].every(a => a.innerText.includes('mar') || a.innerText.includes('manners'))");
    assert!(count(&page, ".row.entry") >= 1);
    page.eval("(() => { const q = document.querySelector('#search'); q.value = 'by:phone is:draft'; q.dispatchEvent(new Event('input')); })()");
    page.wait_for("document.querySelectorAll('.row.entry.draft').length === 4 && document.querySelectorAll('.row.entry').length === 4");
    page.eval("(() => { const q = document.querySelector('#search'); q.value = ''; q.dispatchEvent(new Event('input')); })()");
    page.wait_for("document.querySelectorAll('.row.entry').length > 10");

    // An entry: op, author, term, time, what it stands on, and its diff, word by word.
    let edit = choose_entry(&page, "card.text");
    let entry = text(&page, "#view");
    for told in ["card.text", "phone", "Term", "Time", "Made upon", &edit] {
        assert!(entry.contains(told), "{told}: {entry}");
    }
    assert_eq!(text(&page, ".card-diff.changed ins"), " (male)");
    assert_eq!(text(&page, ".card-diff .kind"), "CHANGED");
    assert!(count(&page, "#upon a") >= 1);
    let gone = choose_entry(&page, "card.delete");
    assert_eq!(text(&page, ".card-diff.removed .kind"), "GONE");
    keep_picture(&page, "entry-gone");
    choose_entry(&page, "draft.accept");
    assert!(text(&page, "#view").contains("It joins two lines"));
    assert_eq!(text(&page, ".card-diff.added .kind"), "NEW");
    keep_picture(&page, "entry-merge");

    // The audio that an entry brought: there after, not before, and it plays.
    choose_entry(&page, "audio.attach");
    assert_eq!(count(&page, ".sound .is .play"), 1, "after");
    assert_eq!(count(&page, ".sound .was .play"), 0, "before");
    page.click(".sound .play");
    page.wait_for("document.querySelector('.sound .play.on') && parseFloat(document.querySelector('.sound .play').style.getPropertyValue('--played')) > 1");
    page.click(".sound .play");
    page.wait_for("!document.querySelector('.play.on') && Number(document.querySelector('.sound .play').dataset.played) > 0");

    // A link to an entry leads back to it, in a page of its own.
    let link = page.eval(&format!(
        "location.origin + '/' + location.hash.replace(/entry\\/.*/, 'entry/{gone}')"
    ));
    page.go_to("about:blank");
    page.go_to(link.as_str().unwrap());
    page.wait_for(&format!(
        "document.querySelector('#view')?.dataset.of === 'entry/{gone}'"
    ));
    page.wait_for(&format!(
        "document.querySelector('.row.entry[aria-selected=true]')?.dataset.hash === '{gone}'"
    ));

    // The slider: the deck at every step; where two lines were open there are two heads; and the way back.
    open_tab(&page, "deck");
    page.wait_for("document.querySelectorAll('.row.card').length === 10");
    slide_to(&page, "0");
    page.wait_for("document.querySelectorAll('.row.card').length === 0");
    assert!(
        text(&page, ".told").contains("The past"),
        "{}",
        text(&page, ".told")
    );
    // It got its title, and then its first card.
    page.click("[aria-label='One step forward']");
    page.click("[aria-label='One step forward']");
    page.wait_for("document.querySelectorAll('.row.card').length === 1");
    page.wait_for("document.querySelector('.row.card.added .badge')?.innerText === '+ new'");
    let forked = page.eval("Number(document.querySelector('.row.entry.merge').dataset.step) - 1");
    slide_to(&page, &forked.to_string());
    page.wait_for("document.querySelectorAll('.head-chip').length === 2");
    assert!(text(&page, ".told").contains("2 heads"));
    keep_picture(&page, "slider-two-heads");
    let removed = page.eval(&format!(
        "document.querySelector('.row.entry[data-hash=\"{gone}\"]').dataset.step"
    ));
    slide_to(&page, removed.as_str().unwrap());
    page.wait_for("document.querySelector('.gone .card-diff.removed')");
    // The link says where.
    page.wait_for(&format!("location.hash.endsWith('?at={gone}')"));
    // Opened anew, by whoever got the link: the same point of the past.
    let link = page.eval("location.href");
    let told = text(&page, ".told");
    page.go_to("about:blank");
    page.go_to(link.as_str().unwrap());
    page.wait_for(
        "document.body.classList.contains('past') && document.querySelector('.gone .card-diff.removed')",
    );
    assert_eq!(text(&page, ".told"), told);
    page.go_to("about:blank");
    page.go_to(&format!("{}/#/0/0000/deck", served.origin()));
    page.wait_for(
        "document.querySelector('#toast').innerText.includes('does not have the deck of that link')",
    );
    page.go_to("about:blank");
    page.go_to(link.as_str().unwrap());
    page.wait_for(
        "document.body.classList.contains('past') && document.querySelector('.gone .card-diff.removed')",
    );
    page.click("#now");
    page.wait_for("!document.body.classList.contains('past') && document.querySelector('#now').hidden");

    // A card, and who wrote what of it.
    page.eval(
        "[...document.querySelectorAll('.row.card')].find(c => c.innerText.includes('la casa')).click()",
    );
    page.wait_for("document.querySelectorAll('.blamed .run').length >= 4");
    let by: Value = page.eval(
        "[...document.querySelectorAll('.blamed .run')].map(r => [r.innerText, r.title.split(',')[0]])",
    );
    assert!(by.as_array().unwrap().contains(&json!(["at ", "phone"])), "{by}");
    keep_picture(&page, "card-blame");

    // Any two points.
    choose_entry(&page, "card.delete");
    page.eval("[...document.querySelectorAll('.act')].find(b => b.innerText === 'Compare with now').click()");
    page.wait_for("document.querySelector('#view').dataset.of?.startsWith('compare/')");
    assert!(text(&page, "#view").contains("From A to B"));
    let forth = text(&page, ".changes .tally");
    page.click(".swap");
    page.wait_for(&format!(
        "document.querySelector('.changes .tally').innerText !== {}",
        json!(forth)
    ));
    assert!(
        text(&page, ".changes .tally").contains("gone"),
        "backwards, what came is gone"
    );
    keep_picture(&page, "compare");

    // Conflicts: all values, who wrote which, what shows and why.
    open_tab(&page, "conflicts");
    let conflicts = text(&page, ".conflict");
    for told in [
        "Field “level” of hola",
        "A1",
        "beginner",
        "shows",
        "kept beside",
        "phone (draft)",
        "laptop",
        "Why?",
        "higher number",
    ] {
        assert!(conflicts.contains(told), "{told}: {conflicts}");
    }
    keep_picture(&page, "conflicts");

    // Devices: role, route, round trip, what each has.
    open_tab(&page, "devices");
    page.wait_for("document.querySelector('#view').innerText.match(/\\d ms/)");
    let devices = text(&page, "#view");
    for told in [
        "laptop",
        "phone",
        "editor now",
        "may be editor",
        "local network",
        "everything, durably",
        "1 of 1 piece whole",
    ] {
        assert!(devices.contains(told), "{told}: {devices}");
    }
    keep_picture(&page, "devices");
    no_complaints(&page);
}

#[test]
fn two_people_see_where_the_other_is_and_hear_the_same() {
    let Some(browser) = Browser::start("two people at a time") else {
        return;
    };
    let served = Served::start(&["--demo"]);
    let (laptop, phone) = (served.open(&browser), served.open(&browser));
    phone.click("[data-station=phone] .link");
    phone.wait_for("document.querySelector('#role').innerText === 'laptop is editor'");
    // The phone reads a card; the laptop sees that.
    phone.wait_for("document.querySelector('.row.card')");
    phone.eval(
        "[...document.querySelectorAll('.row.card')].find(c => c.innerText.includes('la casa')).click()",
    );
    open_tab(&laptop, "devices");
    laptop.wait_for("document.querySelector('.shows')?.innerText.includes('looks at la casa')");
    assert_eq!(text(&laptop, ".device:has(.shows) h3"), "phone");
    keep_picture(&laptop, "devices-present");
    // The laptop, the editor, plays a melody for both.
    assert_eq!(count(&phone, ".for-all"), 0, "a viewer plays for nobody");
    open_tab(&phone, "devices");
    phone.wait_for("document.querySelector('.played')?.innerText.includes('Nothing.')");
    laptop.click("#tab-deck");
    laptop.wait_for("document.querySelector('.row.card .play')");
    laptop.eval("document.querySelector('.row.card:has(.play)').click()");
    laptop.wait_for("document.querySelector('.for-all')");
    laptop.click(".for-all");
    phone.wait_for(
        "document.querySelector('.played').innerText.includes('melody.wav of hola, by laptop, at 0:0')",
    );
    let at = "Number(document.querySelector('.played .meter').getAttribute('aria-valuenow'))";
    let first = phone.eval(at).as_f64().unwrap();
    phone.wait_for(&format!("{at} > {first}"));
    // It has six seconds: where it stands is left as it is before the pages are looked at.
    laptop.eval(
        "(async () => { const [peer, deck] = document.querySelector('#pick').value.split('/'); \
         window.say = (what, ms) => fetch(`${localStorage.getItem('cuecard-place')}/${peer}/${deck}/play`, \
             { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ what, ms }) }); \
         await say('pause'); })()",
    );
    phone.wait_for("document.querySelector('.played').innerText.includes('stands still at')");
    assert_eq!(count(&phone, ".played button"), 0);
    keep_picture(&phone, "devices-played");
    open_tab(&laptop, "devices");
    laptop.wait_for("document.querySelector('#all-go-on')");
    // However long all that took: from its beginning it plays for long enough to be looked at.
    laptop.eval("say('seek', 0).then(() => 1)");
    laptop.click("#all-go-on");
    laptop.wait_for("document.querySelector('#all-pause')");
    laptop.eval("say('stop').then(() => 1)");
    phone.wait_for("document.querySelector('.played').innerText.includes('Nothing.')");
    // All of it is in the log; and who turns to something else is there no more.
    open_tab(&phone, "live");
    for told in [
        "laptop looks at “hola”",
        "“melody.wav” is played for everybody, by laptop",
        "stands still",
        "nothing is played any more",
    ] {
        phone.wait_for(&format!(
            "[...document.querySelectorAll('.live-line')].some(l => l.innerText.includes({}))",
            json!(told)
        ));
    }
    laptop.wait_for("document.querySelector('.shows')");
    phone.click("[data-station=laptop] .link");
    laptop.wait_for("!document.querySelector('.shows')");
    no_complaints(&laptop);
    no_complaints(&phone);
}

#[test]
fn a_person_cuts_the_link_edits_on_both_sides_and_watches_it_merge() {
    let Some(browser) = Browser::start("the cut cable") else {
        return;
    };
    let served = Served::start(&["--demo"]);
    let page = served.open(&browser);
    page.wait_for("document.querySelector('#says')?.dataset.agree === 'true'");
    open_tab(&page, "live");
    let before = page.eval("document.querySelector('.row.entry').dataset.hash");

    page.click("#cable");
    page.wait_for(
        "document.querySelector('.cable.cut') && document.querySelector('#says').dataset.linked === 'false'",
    );
    page.wait_for("[...document.querySelectorAll('.live-line.link')].some(l => l.innerText.includes('no longer linked'))");
    // Both sides, with words of one's own and without.
    page.click("[data-station=laptop] input");
    for letter in ["<", "b", ">", "!"] {
        page.press(letter);
    }
    page.click("[data-write=laptop]");
    page.wait_for("[...document.querySelectorAll('.row.entry .about')].some(a => a.innerText === '<b>!')");
    page.click("[data-write=phone]");
    page.wait_for("document.querySelector('[data-station=phone]').innerText.includes('2 drafts waiting')");
    page.wait_for("document.querySelector('#says').dataset.agree === 'false'");
    keep_picture(&page, "cut-and-edited");
    assert!(
        text(&page, "#tab-drafts .count").starts_with('1'),
        "the laptop cannot know of it"
    );

    page.click("#cable");
    page.wait_for("document.querySelector('#says').dataset.agree === 'true' && document.querySelector('#says').dataset.linked === 'true'");
    page.wait_for("document.querySelector('#tab-drafts .count')?.innerText.startsWith('2')");
    assert_ne!(
        page.eval("document.querySelector('.row.entry').dataset.hash"),
        before
    );

    // The draft that was written beside: looked at, and accepted.
    open_tab(&page, "drafts");
    page.eval("[...document.querySelectorAll('.draft-line')].find(d => d.innerText.includes('written beside')).click()");
    page.wait_for("document.querySelector('.draft-detail .card-diff.added')?.innerText.includes('el mar') || document.querySelector('.draft-detail .card-diff.added')");
    keep_picture(&page, "draft-preview");
    page.click(".draft-detail .accept");
    page.wait_for("document.querySelectorAll('.row.entry.merge').length === 2");
    page.wait_for("document.querySelector('#says').dataset.agree === 'true'");
    page.wait_for("document.querySelectorAll('.steps .done').length === 4");
    keep_picture(&page, "merged");
    // The other one is declined, with a reason that its author reads.
    page.eval("[...document.querySelectorAll('.draft-line')].find(d => d.innerText.includes('the weather')).click()");
    page.wait_for("document.querySelector('.draft-detail .decline')");
    page.click(".verdict input");
    for letter in ["n", "o"] {
        page.press(letter);
    }
    page.click(".decline");
    page.wait_for("document.querySelector('.badge.state-declined')");

    // The log: everything of it, then only a kind, then paused.
    open_tab(&page, "live");
    page.wait_for("document.querySelector('.live-line.draft')");
    keep_picture(&page, "live");
    page.click("label:has([data-kind=change]) span");
    page.wait_for(
        "!document.querySelector('.live-line.change') && document.querySelector('.live-line.draft')",
    );
    page.click("label:has([data-kind=change]) span");
    page.click("#pause");
    let lines = count(&page, ".live-line");
    page.click("[data-write=laptop]");
    page.wait_for("document.querySelector('#pause').innerText.includes('since')");
    assert_eq!(count(&page, ".live-line"), lines, "paused");
    page.click("#pause");
    page.wait_for(&format!(
        "document.querySelectorAll('.live-line').length > {lines}"
    ));
    page.eval("(() => { const f = document.querySelector('.live-view input[type=search]'); f.value = 'linked'; f.dispatchEvent(new Event('input')); })()");
    page.wait_for("[...document.querySelectorAll('.live-line')].every(l => l.innerText.includes('linked'))");

    // The phone's own view: a viewer, who may not accept.
    page.click("[data-station=phone] .link");
    page.wait_for("document.querySelector('#role').innerText === 'laptop is editor'");
    page.wait_for("document.querySelectorAll('.row.entry.merge').length === 2");
    no_complaints(&page);
}
