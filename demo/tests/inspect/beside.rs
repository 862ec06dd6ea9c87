//! What other commands do to the decks of a device while its page is open: the page is told, and asks for nothing that is
//! gone.

use std::process::Command;

use cuecard::{Engine, Rights};
use cuecard_browser::Browser;
use serde_json::json;

use crate::served::{assert_fits, keep_picture, serve};

#[test]
fn the_page_hears_of_decks_that_come_go_and_are_set_aside() {
    let Some(browser) = Browser::start("decks that come and go") else {
        return;
    };
    // A deck that was joined, and of which nothing has come yet.
    let (folder, served) = serve(async |folder| {
        let elsewhere = Engine::in_memory("phone").unwrap();
        let deck = elsewhere.create_deck("German").await.unwrap();
        let laptop = Engine::builder().name("laptop").open(folder).await.unwrap();
        laptop.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
        laptop.shutdown().await.unwrap();
    });
    let page = browser.open("about:blank");
    page.look(1280, 800, false);
    page.go_to(&served.address);
    let says = |text: &str| {
        page.wait_for(&format!("document.body.innerText.includes({})", json!(text)));
    };
    let cuecard = |arguments: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_cuecard"))
            .args(arguments)
            .env("CUECARD_DATA_DIR", folder.path())
            .env_remove("CUECARD_DECK")
            .output()
            .unwrap();
        assert!(done.status.success(), "{arguments:?}: {done:?}");
    };
    says("Nothing of this deck is here yet");
    page.wait_for("document.body.classList.contains('ready')");
    keep_picture(&page, "deck-on-its-way");

    // Another one is made; the one that is looked at stays, and the other can be chosen.
    cuecard(&["new", "Spanish"]);
    page.wait_for("[...document.querySelector('#pick').options].some(o => o.text === 'Spanish')");
    says("Nothing of this deck is here yet");
    let german = page.eval("document.querySelector('#pick').value.split('/')[1].slice(0, 10)");
    cuecard(&["remove", "--deck", german.as_str().unwrap(), "--yes"]);
    says("removed from this device");
    page.wait_for(
        "document.querySelector('#title').innerText === 'Spanish' && document.querySelector('.row.entry')",
    );

    cuecard(&["unfollow"]);
    page.wait_for("document.querySelector('#role').innerText.includes('not followed')");
    cuecard(&["follow"]);
    page.wait_for("!document.querySelector('#role').innerText.includes('not followed')");

    // The title of one that is not looked at.
    cuecard(&["new", "French"]);
    cuecard(&["rename", "French 101", "--deck", "French"]);
    page.wait_for("[...document.querySelector('#pick').options].some(o => o.text === 'French 101')");
    page.click("#tab-live");
    page.wait_for("document.querySelectorAll('.live-line.deck').length >= 5");
    keep_picture(&page, "live-decks");
    assert_fits(&page);

    cuecard(&["remove", "--deck", "Spanish", "--yes"]);
    page.wait_for("document.querySelector('#title').innerText === 'French 101'");
    cuecard(&["remove", "--deck", "French 101", "--yes"]);
    says("No deck is on this device");
    keep_picture(&page, "no-deck");
    // What was read of them is gone as well, and is not asked for, whatever is pressed.
    for key in ["[", "n", "2", "h", "ArrowDown"] {
        page.press(key);
    }
    assert_eq!(page.complaints(), Vec::<String>::new());
    cuecard(&["new", "Italian"]);
    page.wait_for(
        "document.querySelector('#title').innerText === 'Italian' && document.querySelector('.row.entry')",
    );
    // What members show of themselves comes all the time, and what is looked at follows all the same.
    page.eval(
        "import('/state.js').then((page) => { window.unsettled = setInterval(() => { page.refreshSoon(); page.refreshHomeSoon(); }, 50); })",
    );
    let entries = "document.querySelectorAll('.row.entry').length";
    let before = page.eval(entries);
    cuecard(&["add", "uno", "one"]);
    page.wait_for(&format!("{entries} > {before}"));
    page.eval("clearInterval(window.unsettled)");
    assert_eq!(page.complaints(), Vec::<String>::new());
}
