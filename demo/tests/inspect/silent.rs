//! An editor that is gone: what a person sees of it on the page of another device, and when it is heard of again.

use cuecard_browser::Browser;
use serde_json::json;

use crate::served::{Served, assert_fits, keep_picture};

/// What the panel of the devices says of the link with the laptop.
const LINK: &str = "[...[...document.querySelectorAll('.device')].find(d => d.querySelector('h3').innerText === 'laptop')\
    .querySelectorAll('.facts > div')].find(f => f.querySelector('dt').textContent === 'Link').querySelector('dd').innerText";

#[test]
fn a_person_sees_that_the_editor_is_silent_and_that_it_is_heard_of_again() {
    let Some(browser) = Browser::start("an editor that is silent") else {
        return;
    };
    let served = Served::start(&["--demo"]);
    let page = served.open(&browser);
    page.wait_for("document.querySelector('#says')?.dataset.agree === 'true'");
    page.click("[data-station=phone] .link");
    let role = |says: &str| {
        page.wait_for(&format!(
            "document.querySelector('#role').innerText === {}",
            json!(says)
        ));
    };
    role("laptop is editor");
    page.click("#tab-devices");
    page.wait_for(&format!(
        "document.querySelector('.device') && {LINK}.startsWith('linked')"
    ));

    // A cable that is cut says so by itself; who was there a moment ago is not silent yet.
    page.click("#cable");
    page.wait_for(&format!("{LINK}.startsWith('not linked; last heard of')"));
    assert_eq!(
        page.eval("document.querySelector('#role').innerText"),
        json!("laptop is editor")
    );
    // The demo's devices give it ten seconds; how long it is elsewhere, the simulator shows.
    page.wait_for(&format!("{LINK}.startsWith('silent; last heard of')"));
    role("laptop is editor, silent");
    keep_picture(&page, "editor-silent");
    assert_fits(&page);

    page.click("#cable");
    page.wait_for(&format!("{LINK}.startsWith('linked')"));
    role("laptop is editor");
    // The log says both, each once.
    page.click("#tab-live");
    let lines = |words: &str| {
        format!(
            "[...document.querySelectorAll('.live-line.link')].filter(l => l.innerText.includes({})).length === 1",
            json!(words)
        )
    };
    page.wait_for(&lines("laptop, the editor, is silent"));
    page.wait_for(&lines("laptop, the editor, is heard of again"));
    keep_picture(&page, "editor-heard-again");
    assert_eq!(page.complaints(), Vec::<String>::new());
}
