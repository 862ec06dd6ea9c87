//! Decks and audio as files.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cuecard::export::ExportWith;
use cuecard::{Deck, WorkProgress, Working};
use tokio::time::{Instant, interval_at};

use crate::ask::Happening;
use crate::ask::talk::Talk;
use crate::ask::told::Told;
use crate::error::Error;
use crate::node::Node;

use super::change::no_slot;
use super::find;

/// Work shorter than that needs no bar, and a longer one moves often enough.
const SAID_EVERY: Duration = Duration::from_millis(200);

/// Waits for long work, and says how far it is. `all`: how many bytes there are, where the work does not know.
pub(super) async fn watched<T, E>(
    talk: &Talk,
    file: &Path,
    all: Option<u64>,
    mut work: Working<T, E>,
) -> Result<T, E> {
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let said = |progress: WorkProgress| Happening::Work {
        name: name.clone(),
        done_bytes: progress.done_bytes,
        all_bytes: progress.all_bytes.or(all),
    };
    let mut next = interval_at(Instant::now() + SAID_EVERY, SAID_EVERY);
    let mut was_said = false;
    loop {
        tokio::select! {
            done = &mut work => {
                if was_said {
                    talk.say(said(work.progress())).await;
                }
                return done;
            }
            _ = next.tick() => {
                was_said = true;
                talk.say(said(work.progress())).await;
            }
        }
    }
}

pub(super) async fn export(
    talk: &Talk,
    deck: &Deck,
    file: PathBuf,
    key: bool,
    audio: bool,
) -> Result<Told, Error> {
    let mut with = ExportWith::default();
    if key {
        with = with.and_key();
    }
    if audio {
        with = with.and_audio();
    }
    let exported = watched(talk, &file, None, deck.export(&file, with)).await?;
    Ok(Told::Exported {
        deck: find::deck_name(deck),
        file,
        bytes: exported.bytes,
        audio: exported.audio,
        audio_inside: exported.audio_inside,
        key,
    })
}

pub(super) async fn import(node: &Node, file: &Path, talk: &Talk) -> Result<Told, Error> {
    let imported = watched(talk, file, None, node.engine().import(file)).await?;
    Ok(Told::Imported {
        deck: find::deck_name(&imported.deck),
        new_changes: imported.new_changes,
        missing_audio: imported.missing_audio.len(),
    })
}

/// Never over a file that is there: its name comes from a person, and might be that of something else.
pub(super) async fn save_audio(
    _node: &Node,
    deck: &Deck,
    card: &str,
    slot: Option<&str>,
    file: PathBuf,
) -> Result<Told, Error> {
    let cards = deck.cards()?;
    let card = find::card(&cards, card)?;
    let slots: Vec<&str> = card.audio.keys().map(String::as_str).collect();
    let slot = match (slot, slots.as_slice()) {
        (Some(slot), _) => slot,
        (None, [slot]) => slot,
        (None, []) => return Err(Error::NoAudio(no_slot("", &[]))),
        (None, several) => {
            return Err(Error::NoAudio(format!(
                "this card has several pieces of audio; name one with --slot: {}",
                several.join(", ")
            )));
        }
    };
    let audio = card.audio.get(slot);
    let audio = audio.ok_or_else(|| Error::NoAudio(no_slot(slot, &slots)))?;
    let mut from = deck.open_audio(audio.blob).map_err(|_| {
        Error::NoAudio(format!(
            "this audio is not whole here yet; `cuecard up` fetches it as soon as a device that has it is linked ({} bytes)",
            audio.bytes
        ))
    })?;
    let blake3 = audio.blob.to_string();
    let saving = move || -> Result<(PathBuf, u64), Error> {
        let failed = |error| Error::file(&file, error);
        let mut to = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&file)
            .map_err(failed)?;
        let copied = io::copy(&mut from, &mut to).and_then(|bytes| to.sync_all().map(|()| bytes));
        match copied {
            Ok(bytes) => Ok((file, bytes)),
            Err(error) => {
                // A piece of it is worse than none.
                let _ = std::fs::remove_file(&file);
                Err(Error::file(&file, error))
            }
        }
    };
    let (file, bytes) = tokio::task::spawn_blocking(saving).await??;
    Ok(Told::AudioSaved { file, bytes, blake3 })
}
