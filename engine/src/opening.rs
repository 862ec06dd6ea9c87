//! Opening the decks that a store holds, each from the best of what is kept of it.
//!
//! A deck is kept as snapshots and logs. Where the newest snapshot is damaged, the one before it and a longer tail make
//! the same deck. Where nothing does, that deck stays closed and its files are left alone: the others open all the same.

use std::collections::BTreeSet;

use cuecard_store::Store;

use crate::core::{Core, Keyring, RestoreError};
use crate::disk::{self, LoadError, snapshot};
use crate::id::DeckId;

/// Opens every deck; returns those that cannot be, with the reason.
///
/// # Errors
/// What the store says, where it is not about one deck alone.
pub(crate) fn restore_all(core: &mut Core, store: &dyn Store) -> Result<Vec<RestoreError>, LoadError> {
    core.restore_names(disk::names(store)?);
    // A power cut came between.
    for deck in disk::removed(store)? {
        core.go_on_removing(deck);
    }
    let mut closed = Vec::new();
    for (deck, keys) in disk::decks(store)? {
        let opened = keys.and_then(|keys| restore_deck(core, store, deck, &keys));
        match opened {
            Ok(Ok(())) => {}
            Ok(Err(error)) => closed.push(error),
            Err(error) if error.is_of_one_deck() => closed.push(RestoreError {
                deck,
                why: error.to_string(),
            }),
            Err(error) => return Err(error),
        }
    }
    for error in &closed {
        core.keep_closed(error.clone());
    }
    Ok(closed)
}

fn restore_deck(
    core: &mut Core,
    store: &dyn Store,
    deck: DeckId,
    keys: &Keyring,
) -> Result<Result<(), RestoreError>, LoadError> {
    let (origins, next) = snapshot::origins(store, deck)?;
    // The reason of the first is told: the others were tried because of it.
    let mut first: Option<RestoreError> = None;
    for origin in origins {
        let opened = match disk::load(store, deck, keys, origin) {
            Ok(mut image) => {
                image.next_snapshot = next;
                core.restore_deck(image)
            }
            Err(error) if error.is_of_one_deck() => Err(RestoreError {
                deck,
                why: error.to_string(),
            }),
            Err(error) => return Err(error),
        };
        match opened {
            Ok(()) => {
                if let Some(error) = first {
                    tracing::warn!(%error, ?origin, "a deck was opened from the snapshot before, or from its log");
                }
                return Ok(Ok(()));
            }
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    let why = "its snapshots are gone".to_owned();
    Ok(Err(first.unwrap_or(RestoreError { deck, why })))
}

/// A step of [`go_back`].
pub(crate) enum Back {
    /// The decks that the disk has; others are gone.
    Forget(BTreeSet<DeckId>),
    /// One of them.
    To(Box<disk::DeckImage>),
}

impl Back {
    /// Takes it; false where it could not be read.
    pub(crate) fn take(self, core: &mut Core) -> bool {
        match self {
            Self::Forget(kept) => core.forget_unkept(&kept),
            Self::To(image) => return core.go_back(*image).is_ok(),
        }
        true
    }
}

/// Makes every deck what the disk has of it: after the disk failed, what it did not take must not stay visible. What
/// cannot be read stays as it is in memory; nothing is written any more either way.
pub(crate) fn go_back(store: &dyn Store, mut drive: impl FnMut(Back) -> bool) {
    let decks = match disk::decks(store) {
        Ok(decks) => decks,
        Err(error) => return tracing::error!(%error, "what the disk has cannot be read back"),
    };
    let kept: BTreeSet<DeckId> = decks.iter().map(|(deck, _)| *deck).collect();
    drive(Back::Forget(kept));
    for (deck, keys) in decks {
        let Ok(keys) = keys else { continue };
        let Ok((origins, next)) = snapshot::origins(store, deck) else {
            continue;
        };
        for origin in origins {
            let Ok(mut image) = disk::load(store, deck, &keys, origin) else {
                continue;
            };
            image.next_snapshot = next;
            if drive(Back::To(Box::new(image))) {
                break;
            }
        }
    }
}
