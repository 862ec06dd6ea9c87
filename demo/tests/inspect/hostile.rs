//! Decks that mean harm: everything of them is shown, and nothing of it acts.

use std::io::Cursor;
use std::path::Path;

use cuecard::card::{FieldValue, TextField};
use cuecard::{AudioAbout, Engine};
use cuecard_browser::Browser;
use serde_json::json;

use crate::served::{keep_picture, serve};

/// What is tried in every place that takes text. Each would leave a mark on the page if it acted.
const MARKUP: [&str; 5] = [
    "<script>window.harmed = 1</script>",
    "<img src=x onerror=\"window.harmed = 2\">",
    "\"><svg onload=window.harmed=3>",
    "javascript:window.harmed=4",
    "{{constructor.constructor('window.harmed=5')()}}",
];

async fn make(folder: &Path) {
    let engine = Engine::builder()
        .name("<b>laptop</b>")
        .open(folder)
        .await
        .unwrap();
    let deck = engine
        .create_deck("</title><script>window.harmed = 6</script>")
        .await
        .unwrap();
    for markup in MARKUP {
        let card = deck
            .edit(|edit| edit.add_card(markup, &format!("{markup}\n{markup}")))
            .await
            .unwrap();
        deck.edit(|edit| edit.tag(&card, markup)).await.unwrap();
        deck.edit(|edit| edit.set_field(&card, "field", Some(FieldValue::Text(markup.to_owned()))))
            .await
            .unwrap();
    }
    // Escapes, a text that runs backwards, nothing at all, and one long word.
    let odd = ["ho\u{202e}la\u{1b}[2J\u{7}\u{0}", "", &"x".repeat(500)];
    for text in odd {
        let card = deck.edit(|edit| edit.add_card(text, text)).await.unwrap();
        deck.edit(|edit| edit.set_text(&card, TextField::Back, &format!("{text}!")))
            .await
            .unwrap();
    }
    let about = AudioAbout {
        mime: "text/html".to_owned(),
        name: "<i>page<i>.html".to_owned(),
        duration_ms: 1_000,
    };
    let page = "<script>window.harmed = 7</script>";
    let audio = deck.import_audio(Cursor::new(page), about).await.unwrap();
    let first = deck.cards().unwrap()[0].id.clone();
    deck.edit(|edit| edit.attach_audio(&first, "slot", audio))
        .await
        .unwrap();
    let draft = deck.draft(MARKUP[1]).await.unwrap();
    draft.edit(|edit| edit.rename_deck(MARKUP[0])).await.unwrap();
    engine.shutdown().await.unwrap();
}

#[test]
fn what_a_deck_holds_is_shown_as_text_and_does_nothing() {
    let Some(browser) = Browser::start("hostile decks") else {
        return;
    };
    let (_folder, served) = serve(make);
    let page = served.open(&browser);
    let shown = |text: &str| {
        page.wait_for(&format!("document.body.innerText.includes({})", json!(text)));
    };
    shown(MARKUP[0]);
    assert_eq!(
        page.eval("document.title"),
        "</title><script>window.harmed = 6</script> · Cuecard"
    );
    // What would steer a screen shows as its number.
    page.eval("document.querySelector('.cards').scrollTop = 1e6");
    shown("ho\\u{202e}la\\u{1b}[2J\\u{7}\\u{0}");
    for tab in ["entry", "compare", "drafts", "conflicts", "devices", "live"] {
        page.click(&format!("#tab-{tab}"));
        page.wait_for(&format!(
            "document.querySelector('#view').dataset.of?.startsWith('{tab}/')"
        ));
        if tab == "drafts" {
            page.click(".draft-line");
            page.wait_for("document.querySelector('.draft-detail .diff')");
            shown(MARKUP[0]);
        }
    }
    // Every entry, one by one.
    page.press("h");
    let entries = page
        .eval("document.querySelectorAll('.row.entry').length")
        .as_u64()
        .unwrap();
    for _ in 0..entries.min(24) {
        page.press("ArrowDown");
        page.press("Enter");
        page.press("h");
    }
    page.wait_for("document.querySelector('.entry-view')");
    keep_picture(&page, "hostile");
    // Audio that is a page is bytes, whatever its link says.
    let served_as = page.eval(
        "(async () => { const place = localStorage.getItem('cuecard-place'); \
         const data = (path, more) => fetch(`${place}/${path}`, more); \
         const deck = (await (await data('home')).json()).peers[0].decks[0].id; \
         const at = await (await data(`0/${deck}/at?count=60`)).json(); \
         const audio = at.cards.flatMap(c => c.audio)[0]; \
         const got = await data(`0/${deck}/audio/${audio.blob}?mime=text/html`, { headers: { range: 'bytes=0-6' } }); \
         return [got.status, got.headers.get('content-type'), got.headers.get('x-content-type-options'), got.headers.get('content-range'), await got.text()]; })()",
    );
    let size = "<script>window.harmed = 7</script>".len();
    assert_eq!(
        served_as,
        json!([
            206,
            "application/octet-stream",
            "nosniff",
            format!("bytes 0-6/{size}"),
            "<script"
        ])
    );
    assert_eq!(page.eval("[typeof window.harmed, document.scripts.length, document.querySelectorAll('main b b, main script, main img, [onload], [onerror]').length]"), json!(["undefined", 1, 0]));
    assert_eq!(page.complaints(), Vec::<String>::new());
}
