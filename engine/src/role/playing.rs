//! What the editor plays: signed under its term, passed on, and forgotten.

use super::bytes::{Malformed, Reader, Writer};
use super::layout::Layout;
use super::shown::read_card;
use crate::id::{BlobId, CardId, DeckId, TermId};
use crate::limits::{NAME_BYTES_MAX, PLAYBACK_LEAD_MAX};
use cuecard_transport::DeviceId;

/// What is to be heard from a moment on, by the editor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Playing {
    /// Of which deck.
    pub deck: DeckId,
    /// The last term, which is its signer's: under a later one it says nothing.
    pub term: TermId,
    /// Who. Signing fills it in.
    pub signer: DeviceId,
    /// Grows with each that it signs, over restarts as well: what has not grown is old.
    pub sequence: u64,
    /// When it was signed, by the editor's clock.
    pub said_ms: u64,
    /// `None`: nothing.
    pub track: Option<Track>,
}

/// A piece of audio, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Track {
    /// On which card.
    pub card: CardId,
    /// In which slot of it.
    pub slot: String,
    /// Which audio.
    pub blob: BlobId,
    /// How long it is; 0 if that is not known.
    pub length_ms: u32,
    /// At which place of it.
    pub position_ms: u32,
    /// When it is there, by the editor's clock.
    pub start_at_ms: u64,
    /// Whether it goes on from there; else it stays there.
    pub is_playing: bool,
}

impl Layout for Playing {
    const PURPOSE: &'static [u8] = b"cuecard playback";
    const KIND: u8 = 51;

    fn write(&self, to: &mut Writer) {
        to.bytes(self.deck.as_bytes());
        to.bytes(self.term.as_bytes());
        to.bytes(self.signer.as_bytes());
        to.u64(self.sequence);
        to.u64(self.said_ms);
        let Some(track) = &self.track else {
            return to.u8(0);
        };
        to.u8(1);
        to.bytes(track.card.as_str().as_bytes());
        to.counted(track.slot.as_bytes());
        to.bytes(track.blob.as_bytes());
        to.u32(track.length_ms);
        to.u32(track.position_ms);
        to.u64(track.start_at_ms);
        to.u8(u8::from(track.is_playing));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            deck: DeckId::from_bytes(from.array()?),
            term: TermId::from_bytes(from.array()?),
            signer: from.device()?,
            sequence: from.u64()?,
            said_ms: from.u64()?,
            track: match from.flag("track")? {
                false => None,
                true => Some(Track {
                    card: read_card(from)?,
                    slot: from.text(NAME_BYTES_MAX, "slot")?.to_owned(),
                    blob: BlobId::from_bytes(from.array()?),
                    length_ms: from.u32()?,
                    position_ms: from.u32()?,
                    start_at_ms: from.u64()?,
                    is_playing: from.flag("playing")?,
                }),
            },
        })
    }

    fn check(&self) -> Result<(), Malformed> {
        let Some(track) = &self.track else {
            return Ok(());
        };
        if track.slot.len() > NAME_BYTES_MAX {
            return Err(Malformed::Limit("slot"));
        }
        if track.length_ms > 0 && track.position_ms > track.length_ms {
            return Err(Malformed::Field("position"));
        }
        let lead_ms = u64::try_from(PLAYBACK_LEAD_MAX.as_millis()).unwrap_or(u64::MAX);
        if track.start_at_ms > self.said_ms.saturating_add(lead_ms) {
            return Err(Malformed::Limit("start"));
        }
        Ok(())
    }
}
