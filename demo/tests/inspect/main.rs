#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by a panic"
)]

mod served;

use cuecard_browser::Browser;
use served::{Served, keep_picture};

#[test]
fn look() {
    let Some(browser) = Browser::start("look") else {
        return;
    };
    let served = Served::start(&["--demo"]);
    let page = served.open(&browser);
    keep_picture(&page, "01-light");
    for (tab, name) in [
        ("entry", "02-entry"),
        ("compare", "03-compare"),
        ("drafts", "04-drafts"),
        ("conflicts", "05-conflicts"),
        ("devices", "06-devices"),
        ("live", "07-live"),
    ] {
        if tab == "entry" {
            page.click(".row.entry.merge");
        } else {
            page.click(&format!("#tab-{tab}"));
        }
        page.wait_for(&format!(
            "document.querySelector('#view').dataset.of?.startsWith('{tab}')"
        ));
        if tab == "drafts" {
            page.click(".draft-line");
            page.wait_for("document.querySelector('.draft-detail')");
        }
        keep_picture(&page, name);
    }
    page.click("#tab-deck");
    page.look(1440, 900, true);
    page.eval("document.querySelector('#slider').value = 17; document.querySelector('#slider').dispatchEvent(new Event('input'))");
    page.wait_for("document.body.classList.contains('past')");
    keep_picture(&page, "08-dark-past");
    page.look(360, 740, false);
    page.eval("document.body.dataset.pane='history'");
    std::thread::sleep(std::time::Duration::from_millis(300));
    keep_picture(&page, "09-narrow");
    page.eval("document.body.dataset.pane='panel'");
    std::thread::sleep(std::time::Duration::from_millis(300));
    keep_picture(&page, "10-narrow-deck");
    println!("{:?}", page.complaints());
}
