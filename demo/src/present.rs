//! What is ephemeral: who is there, and what is played for everybody. The same for the status, the page and JSON.

use std::time::Duration;

use cuecard::{CardId, Deck, DeckError, Engine, Role};
use serde::{Deserialize, Serialize};

use crate::ask::told::{CardName, DeviceTold};

/// Somebody at another device, as that shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PresentTold {
    /// At which device.
    pub(crate) device: DeviceTold,
    /// What to call them.
    pub(crate) name: String,
    /// The card that they look at.
    pub(crate) card: Option<CardName>,
    /// Whether they are typing.
    pub(crate) is_typing: bool,
}

/// What should be heard now, on every device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlayingTold {
    /// Who plays it: the editor.
    pub(crate) by: Option<DeviceTold>,
    /// On which card.
    pub(crate) card: CardName,
    /// In which slot of it.
    pub(crate) slot: String,
    /// The name of its file.
    pub(crate) name: String,
    /// Its hash.
    pub(crate) blake3: String,
    /// At which place of it.
    pub(crate) position_ms: u64,
    /// How long it is, if that is known.
    pub(crate) length_ms: Option<u64>,
    /// Whether it goes on; else it stands still there.
    pub(crate) is_playing: bool,
    /// If it has not begun: after how long it does.
    pub(crate) starts_in_ms: u64,
}

/// Who else is there.
///
/// # Errors
/// When the deck is not followed here.
pub(crate) fn present(engine: &Engine, deck: &Deck) -> Result<Vec<PresentTold>, DeckError> {
    let told = deck.presence()?.into_iter().map(|other| {
        let device = DeviceTold::of(engine, other.device);
        let presence = other.presence;
        PresentTold {
            name: match presence.name.as_str() {
                "" => device.name.clone(),
                name => name.to_owned(),
            },
            device,
            card: presence.card.map(|card| named(deck, &card)),
            is_typing: presence.is_typing,
        }
    });
    Ok(told.collect())
}

/// What is played.
///
/// # Errors
/// While nothing of the deck has arrived.
pub(crate) fn playing(engine: &Engine, deck: &Deck) -> Result<Option<PlayingTold>, DeckError> {
    let Some(now) = deck.playback()? else {
        return Ok(None);
    };
    let by = match deck.role()? {
        Role::Editor { .. } => Some(engine.device()),
        Role::Viewer { editor, .. } => Some(editor),
        Role::Vacant { .. } => None,
    };
    let card = deck.card(&now.card)?;
    let audio = card.as_ref().and_then(|card| card.audio.get(&now.slot));
    Ok(Some(PlayingTold {
        by: by.map(|by| DeviceTold::of(engine, by)),
        card: named(deck, &now.card),
        name: audio.map_or_else(String::new, |audio| audio.name.clone()),
        slot: now.slot,
        blake3: now.blob.to_string(),
        position_ms: millis(now.position),
        length_ms: now.length.map(millis),
        is_playing: now.is_playing,
        starts_in_ms: millis(now.starts_in),
    }))
}

fn named(deck: &Deck, card: &CardId) -> CardName {
    let found = deck.card(card).ok().flatten();
    CardName {
        id: card.to_string(),
        front: found.map_or_else(String::new, |card| card.front),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
