//! Two devices in one process: a link by codes over WebRTC on loopback, a deck with audio, edits, events, a clean end.
//!
//! ```sh
//! cargo run --example two_peers
//! ```

use std::error::Error;
use std::io::{Cursor, Read as _};
use std::path::Path;
use std::time::Duration;

use cuecard::transport::webrtc::{Config, WebRtc};
use cuecard::{AudioAbout, Deck, DeckInvite, Engine, Event, Rights};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(tempfile::tempdir()?.path()).await
}

pub(crate) async fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let laptop = Engine::builder()
        .name("laptop")
        .open(folder.join("laptop"))
        .await?;
    let phone = Engine::builder().name("phone").open(folder.join("phone")).await?;

    // A deck on the laptop, with a sound. The sound is durable before the edit that refers to it.
    let deck = laptop.create_deck("Spanish 101").await?;
    let sound: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
    let about = AudioAbout {
        mime: "audio/wav".to_owned(),
        name: "hola.wav".to_owned(),
        duration_ms: 1_200,
    };
    let audio = deck.import_audio(Cursor::new(sound.clone()), about).await?;
    let card = deck
        .edit(|edit| {
            let card = edit.add_card("hola", "hello")?;
            edit.attach_audio(&card, "front", audio.clone())?;
            Ok(card)
        })
        .await?;

    // What happens on the phone is printed as it happens.
    let mut told = phone.events();
    let listening = tokio::spawn(async move {
        while let Some(event) = told.next().await {
            println!("phone: {}", in_words(&event));
        }
    });

    // Two people carry two codes: here they go from one variable to another. The offer holds the deck's key.
    let here = WebRtc::new(laptop.key().clone(), Config::loopback());
    let there = WebRtc::new(phone.key().clone(), Config::loopback());
    let offer = here.offer_with(deck.invite(Rights::Draft)?.to_bytes()).await?;
    let answer = there.answer(&offer.code()).await?;
    let invite = DeckInvite::from_bytes(answer.payload()).ok_or("no deck in this code")?;
    let answer_code = answer.code();
    let (at_laptop, at_phone) = tokio::try_join!(offer.accept(&answer_code), answer.connect())?;

    // From here on everything reconciles by itself.
    let copy = phone.join(&invite).await?;
    laptop.attach(at_laptop.link);
    phone.attach(at_phone.link);
    until_equal(&phone, &copy, &deck).await?;
    copy.fetch_audio(&audio).await?;
    let mut heard = Vec::new();
    copy.open_audio(audio.blob)?.read_to_end(&mut heard)?;
    assert!(heard == sound, "the sound is the same on both");

    // An edit here is an event there. The phone is no editor: what it has to say, it says in a draft.
    deck.edit(|edit| edit.tag(&card, "greetings")).await?;
    until_equal(&phone, &copy, &deck).await?;
    let refused = copy.edit(|edit| edit.add_card("adiós", "goodbye")).at_once();
    println!("phone: {}", refused.err().ok_or("the phone is no editor")?);
    let mut at_laptop = deck.events();
    let draft = copy.draft("a farewell").await?;
    draft.edit(|edit| edit.add_card("adiós", "goodbye")).await?;
    draft.propose().await?;
    while !matches!(within(at_laptop.next()).await?, Some(Event::DraftProposed { .. })) {}
    deck.accept_draft(draft.id()).await?;
    until_equal(&phone, &copy, &deck).await?;

    for card in copy.cards()? {
        println!("on both: {} · {} {:?}", card.front, card.back, card.tags);
    }

    // Both close their links, wait until everything is durable, and let go of their folders.
    phone.shutdown().await?;
    laptop.shutdown().await?;
    listening.abort();
    Ok(())
}

/// Waits until two devices have the same deck. Devices with equal heads have equal decks.
async fn until_equal(engine: &Engine, copy: &Deck, deck: &Deck) -> Result<(), Box<dyn Error>> {
    let mut events = engine.events();
    while copy.head().ok() != Some(deck.head()?) {
        within(events.next()).await?.ok_or("the engine is gone")?;
    }
    Ok(())
}

/// On loopback nothing takes long; an example that hangs shows nobody anything.
async fn within<T>(wait: impl Future<Output = T>) -> Result<T, Box<dyn Error>> {
    Ok(tokio::time::timeout(Duration::from_secs(30), wait).await?)
}

fn in_words(event: &Event) -> String {
    match event {
        Event::Linked { device } => format!("linked with {}", device.short()),
        Event::Unlinked { reason, .. } => format!("no longer linked: {reason}"),
        Event::Changed { change, .. } => format!("changed: {}", short(&format!("{change:?}"))),
        Event::Syncing { have, total, .. } => format!("{have} of {total} changes are here"),
        Event::SyncComplete { .. } => "everything is here".to_owned(),
        Event::Audio(progress) => format!("audio: {} of {} bytes", progress.have_bytes, progress.size_bytes),
        other => short(&format!("{other:?}")),
    }
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}
