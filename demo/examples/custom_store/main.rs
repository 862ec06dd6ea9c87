//! A store that the app implements itself, with an engine on it.
//!
//! ```sh
//! cargo run --example custom_store                # in a folder that is removed again
//! cargo run --example custom_store -- my-folder   # in one that is kept: run it twice
//! ```
//!
//! An engine keeps all that it has through one trait, [`Store`](cuecard::store::Store): streams of records, small keyed
//! state, snapshots and audio, all in opaque bytes. `journal.rs` is such a store; whether a store keeps what the trait
//! promises, [`check_contract`](cuecard::store::conformance::check_contract) tests.

use std::error::Error;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cuecard::{AudioAbout, Engine, identity};

pub(crate) mod journal;

use journal::JournalStore;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    match std::env::args_os().nth(1) {
        Some(folder) => run(&PathBuf::from(folder)).await,
        None => run(tempfile::tempdir()?.path()).await,
    }
}

/// Adds a card with audio to the deck in this folder, closes everything, and reads it again from what is on the disk.
pub(crate) async fn run(folder: &Path) -> Result<(), Failure> {
    let engine = open(folder).await?;
    let deck = match engine.decks().pop() {
        Some(deck) => deck,
        None => engine.create_deck("Kept in a journal").await?,
    };
    let number = deck.card_count()? + 1;
    let sound = vec![0x55; 40_000];
    let about = AudioAbout {
        mime: "audio/wav".to_owned(),
        name: "beep.wav".to_owned(),
        duration_ms: 900,
    };
    let audio = deck
        .import_audio(std::io::Cursor::new(sound.clone()), about)
        .await?;
    let blob = audio.blob;
    let card = deck
        .edit(|edit| {
            let card = edit.add_card(&format!("card {number}"), "kept by the app")?;
            edit.attach_audio(&card, "front", audio)?;
            Ok(card)
        })
        .await?;
    let head = deck.head()?;
    engine.shutdown().await?;

    // The folder is free again: opened anew, everything is as it was.
    let engine = open(folder).await?;
    let deck = engine.decks().pop().ok_or("the deck is gone")?;
    let read = deck.card(&card)?.ok_or("the card is gone")?;
    let mut kept = Vec::new();
    deck.open_audio(blob)?.read_to_end(&mut kept)?;
    if (deck.head()?, kept) != (head, sound) {
        return Err("what was read is not what was kept".into());
    }
    println!(
        "{}: {} cards, the last is {:?} with {} bytes of audio",
        deck.info()?.title,
        deck.card_count()?,
        read.front,
        kept_bytes(&read),
    );
    engine.shutdown().await?;
    Ok(())
}

fn kept_bytes(card: &cuecard::Card) -> u64 {
    card.audio.values().map(|audio| audio.bytes).sum()
}

/// The app makes the store and the device's key, and gives both to the engine.
async fn open(folder: &Path) -> Result<Engine, Failure> {
    let folder = folder.to_owned();
    // Opening reads the disk, and must not hold up the runtime.
    let opened = tokio::task::spawn_blocking(move || {
        identity::private_folder(&folder, &folder.join("store"))?;
        let key = identity::load_or_create(&folder)?;
        let store = JournalStore::open(&folder.join("store"))?;
        Ok::<_, Failure>((Arc::new(store), key))
    });
    let (store, key) = opened.await??;
    Ok(Engine::builder().name("journal").open_on(store, key)?)
}
