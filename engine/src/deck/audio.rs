//! Audio, as an app takes it in, asks for it and reads it.

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use cuecard_store::{BlobError, BlobHash, BlobStatus};

use super::Deck;
use crate::blob::progress::BlobProgress;
use crate::card::AudioRef;
use crate::core::DeckError;
use crate::event::Event;
use crate::id::{BlobId, CardId};
use crate::limits::BLOB_BYTES_MAX;
use crate::work::{Metered, Working};

/// What is known of audio beside its bytes. Comes back as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioAbout {
    /// Its MIME type.
    pub mime: String,
    /// The name of the file it came from; a name only, never a path.
    pub name: String,
    /// How long it plays.
    pub duration_ms: u64,
}

/// Why audio could not be taken in, asked for, read or collected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// Longer than may be.
    #[error("audio may have at most {limit} bytes; cut it, or encode it smaller")]
    TooLarge {
        /// How many it may have.
        limit: u64,
    },
    /// It is on its way, or will be when a device that has it is linked.
    #[error("audio {} is not (all) here yet; link to a device that has it, or ask for it with `fetch_audio`", .blob.short())]
    NotHereYet {
        /// Which.
        blob: BlobId,
    },
    /// No card names it now, and it was not needed for longer than the grace period; or it never was here.
    #[error("audio {} is no longer kept: no card names it now; `fetch_audio` asks those who may still have it", .blob.short())]
    NoLongerKept {
        /// Which.
        blob: BlobId,
    },
    /// The disk, a quota or a limit on file sizes leaves no room for it. Edits go on as long as there is room for them.
    #[error("audio cannot be kept: {why}")]
    NoRoom {
        /// What there is no room for, and what to do.
        why: String,
    },
    /// The disk would not take it, or not give it.
    #[error("the disk would not: {why}")]
    Disk {
        /// What the store said.
        why: String,
    },
    /// The deck.
    #[error(transparent)]
    Deck(#[from] DeckError),
    /// A deck is kept here that cannot be opened, so nobody can tell which audio it needs.
    #[error(
        "a deck is damaged, and which audio it needs is not known: nothing is deleted before it is restored"
    )]
    DamagedDeck,
    /// The engine was shut down.
    #[error("the engine was shut down; open it again")]
    Closed,
}

impl From<BlobError> for AudioError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::TooLarge { limit } => Self::TooLarge { limit },
            BlobError::Closed => Self::Closed,
            full @ BlobError::NoSpace { .. } => Self::NoRoom {
                why: full.to_string(),
            },
            other => Self::Disk {
                why: other.to_string(),
            },
        }
    }
}

impl Deck {
    /// Takes audio in and says how to refer to it. It is durable when this returns, so that the edit which attaches
    /// it never refers to nothing, and it is not collected before that edit, for as long as the engine is open. It begins
    /// at once, and says how many bytes it has read ([`Working`]). Cancel safe: at worst an unused blob stays until it is collected.
    ///
    /// # Errors
    /// When it cannot be read or kept.
    pub fn import_audio(
        &self,
        audio: impl Read + Send + 'static,
        about: AudioAbout,
    ) -> Working<AudioRef, AudioError> {
        let shared = self.shared().clone();
        let import = move |meter| {
            let blobs = shared.store.blobs();
            let mut audio = Metered::new(audio, meter);
            let (hash, bytes) = blobs.import(&mut audio, BLOB_BYTES_MAX)?;
            let pin = blobs.pin(hash);
            // What is here under a pin stays; a collection without any grace may have come between.
            if !matches!(blobs.status(hash)?, BlobStatus::Whole { .. }) {
                return Err(BlobError::Absent { hash }.into());
            }
            audio.meter.finish();
            let blob = BlobId::from(hash);
            let AudioAbout {
                mime,
                name,
                duration_ms,
            } = about;
            let about = AudioRef {
                blob,
                mime,
                bytes,
                duration_ms,
                name,
            };
            // Nobody can attach what nobody was told of: until then it is kept by this alone.
            let keep: Box<dyn FnOnce() + Send> = Box::new(move || shared.keep_imported(blob, pin));
            Ok((about, keep))
        };
        let panicked = |why| AudioError::Disk { why };
        Working::begin_to_hand_over(self.shared().runtime(), panicked, import)
    }

    /// The bytes of audio that is whole here. Reading waits for the disk.
    ///
    /// # Errors
    /// [`AudioError::NotHereYet`], [`AudioError::NoLongerKept`].
    pub fn open_audio(&self, blob: BlobId) -> Result<impl Read + Seek + Send + use<>, AudioError> {
        let opened = self.shared().store.blobs().open(BlobHash::from(blob));
        opened.map_err(|error| match error {
            BlobError::Missing { .. } => AudioError::NotHereYet { blob },
            BlobError::Absent { .. } if self.shared().read(|core| core.expects_audio(blob)) => {
                AudioError::NotHereYet { blob }
            }
            BlobError::Absent { .. } => AudioError::NoLongerKept { blob },
            other => other.into(),
        })
    }

    /// How far a piece of audio has come that some card names, or that was asked for.
    #[must_use]
    pub fn audio_progress(&self, blob: BlobId) -> Option<BlobProgress> {
        self.shared().read(|core| core.audio_progress(blob))
    }

    /// The card that a person looks at; none, to take it back. Its audio is pulled before all other.
    ///
    /// # Errors
    /// When the deck is not followed here.
    pub fn focus_audio(&self, card: Option<&CardId>) -> Result<(), DeckError> {
        let card = card.cloned();
        self.shared()
            .drive(|core, now| core.focus_audio(now, self.id(), card))
    }

    /// The cards that are on the screen. Their audio is pulled before that of others; with
    /// [`AudioPolicy::Visible`](crate::AudioPolicy::Visible) it is all that is pulled by itself.
    ///
    /// # Errors
    /// When the deck is not followed here.
    pub fn show_audio(&self, cards: impl IntoIterator<Item = CardId>) -> Result<(), DeckError> {
        let cards: BTreeSet<CardId> = cards.into_iter().collect();
        self.shared()
            .drive(|core, now| core.show_audio(now, self.id(), cards))
    }

    /// Asks for audio whatever the policy says, also for what only the past of the deck names, and waits until it is whole
    /// here: for as long as no device is linked that has it. Dropping this leaves it asked for.
    ///
    /// # Errors
    /// [`AudioError::TooLarge`]; [`AudioError::NoRoom`] and [`AudioError::Disk`] when it came and cannot be kept.
    pub async fn fetch_audio(&self, audio: &AudioRef) -> Result<(), AudioError> {
        if audio.bytes > BLOB_BYTES_MAX {
            let limit = BLOB_BYTES_MAX;
            return Err(AudioError::TooLarge { limit });
        }
        let mut events = crate::engine::Events::new(self.shared().subscribe());
        self.shared()
            .drive(|core, now| core.ask_for_audio(now, self.id(), audio))?;
        loop {
            match events.next().await {
                None => return Err(AudioError::Closed),
                Some(Event::Audio(progress)) if progress.blob == audio.blob && progress.is_whole() => {
                    return Ok(());
                }
                Some(Event::AudioFailed { blob, why, no_room }) if blob == audio.blob => {
                    return Err(match no_room {
                        true => AudioError::NoRoom { why },
                        false => AudioError::Disk { why },
                    });
                }
                // What was missed may have been the end of it.
                Some(Event::Lagged { .. })
                    if self
                        .audio_progress(audio.blob)
                        .is_some_and(|progress| progress.is_whole()) =>
                {
                    return Ok(());
                }
                Some(_) => {}
            }
        }
    }
}
