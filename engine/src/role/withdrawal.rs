//! "Do not accept this draft any more": its author's word.

use super::actor::draft_id;
use super::bytes::{Malformed, Reader, Writer};
use super::layout::Layout;
use crate::id::{DeckId, DraftId};
use cuecard_transport::DeviceId;

/// Takes a proposed draft back. It covers every version up to the one it names: a draft that is proposed again has a
/// higher one. Where an editor accepted the draft before this arrived, the acceptance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Withdrawal {
    /// Of which deck.
    pub deck: DeckId,
    /// Whose draft. Signing fills it in.
    pub author: DeviceId,
    /// The draft's nonce: with the author it makes the draft's id.
    pub nonce: [u8; 16],
    /// The newest version that is taken back.
    pub version: u32,
    /// When it was signed, in milliseconds since 1970, by its author's clock.
    pub signed_ms: u64,
}

impl Withdrawal {
    /// The draft that is taken back.
    #[must_use]
    pub fn draft(&self) -> DraftId {
        draft_id(self.deck, self.author, self.nonce)
    }
}

impl Layout for Withdrawal {
    const PURPOSE: &'static [u8] = b"cuecard draft withdrawal";
    const KIND: u8 = 30;

    fn write(&self, to: &mut Writer) {
        to.bytes(self.deck.as_bytes());
        to.bytes(self.author.as_bytes());
        to.bytes(&self.nonce);
        to.u32(self.version);
        to.u64(self.signed_ms);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            deck: DeckId::from_bytes(from.array()?),
            author: from.device()?,
            nonce: from.array()?,
            version: from.u32()?,
            signed_ms: from.u64()?,
        })
    }

    fn check(&self) -> Result<(), Malformed> {
        if self.version == 0 {
            return Err(Malformed::Field("version"));
        }
        Ok(())
    }
}
