//! Audio that was replaced and taken away: before and after can be heard where an entry is read.

use std::io::Cursor;
use std::path::Path;

use cuecard::{AudioAbout, Deck, Engine};
use cuecard_browser::{Browser, Page};
use serde_json::json;

use crate::served::serve;

/// Ten seconds of a tone.
fn tone(pitch: u32) -> Vec<u8> {
    const RATE: u32 = 8_000;
    const BYTES: u32 = 10 * RATE;
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&(36 + BYTES).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&RATE.to_le_bytes());
    file.extend_from_slice(&RATE.to_le_bytes());
    file.extend_from_slice(b"\x01\0\x08\0data");
    file.extend_from_slice(&BYTES.to_le_bytes());
    file.extend((0..BYTES).map(|at| (at * pitch / 8 % 128) as u8 + 64));
    file
}

async fn make(folder: &Path) {
    let engine = Engine::builder().name("laptop").open(folder).await.unwrap();
    let deck = engine.create_deck("Spanish 101").await.unwrap();
    let card = deck.edit(|edit| edit.add_card("hola", "hello")).await.unwrap();
    let take_in = async |deck: &Deck, name: &str, pitch: u32| {
        let about = AudioAbout {
            mime: "audio/wav".to_owned(),
            name: name.to_owned(),
            duration_ms: 10_000,
        };
        deck.import_audio(Cursor::new(tone(pitch)), about).await.unwrap()
    };
    let first = take_in(&deck, "first.wav", 3).await;
    deck.edit(|edit| edit.attach_audio(&card, "front", first))
        .await
        .unwrap();
    let second = take_in(&deck, "second.wav", 5).await;
    deck.edit(|edit| edit.attach_audio(&card, "front", second))
        .await
        .unwrap();
    deck.edit(|edit| edit.detach_audio(&card, "front")).await.unwrap();
    engine.shutdown().await.unwrap();
}

/// What stands for before and after, in words.
fn sides(page: &Page) -> serde_json::Value {
    page.eval("['was', 'is'].map(side => [...document.querySelectorAll(`.sound .${side} .play`)].map(p => p.querySelector('span').innerText))")
}

fn hear(page: &Page, side: &str) {
    page.click(&format!(".sound .{side} .play"));
    page.wait_for(&format!(
        "document.querySelector('.sound .{side} .play.on') && parseFloat(document.querySelector('.sound .{side} .play').style.getPropertyValue('--played')) > 1"
    ));
    page.click(&format!(".sound .{side} .play"));
    page.wait_for("!document.querySelector('.play.on')");
}

#[test]
fn audio_is_heard_as_it_was_before_and_as_it_is_after() {
    let Some(browser) = Browser::start("audio before and after") else {
        return;
    };
    let (_folder, served) = serve(make);
    let page = served.open(&browser);
    let open = |row: &str| {
        let hash = page.eval(&format!("{row}.dataset.hash"));
        page.eval(&format!("{row}.click()"));
        page.wait_for(&format!(
            "document.querySelector('#view').dataset.of === 'entry/{}' && document.querySelector('.sound')",
            hash.as_str().unwrap()
        ));
    };
    // As two entries, not as one run.
    page.click("#joined");
    page.wait_for("document.querySelectorAll(\".row.entry[data-op='audio.attach']\").length === 2");
    open("document.querySelectorAll(\".row.entry[data-op='audio.attach']\")[0]");
    assert_eq!(sides(&page), json!([["first.wav"], ["second.wav"]]));
    hear(&page, "was");
    hear(&page, "is");
    open("document.querySelector(\".row.entry[data-op='audio.detach']\")");
    assert_eq!(sides(&page), json!([["second.wav"], []]));
    hear(&page, "was");
    open("document.querySelectorAll(\".row.entry[data-op='audio.attach']\")[1]");
    assert_eq!(sides(&page), json!([[], ["first.wav"]]));
    assert_eq!(page.complaints(), Vec::<String>::new());
}
