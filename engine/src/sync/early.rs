//! Where a device stands in a deck, said with its greeting to one that is known to have the deck: sealed under the deck's
//! key, as that one has not shown on this link yet that it holds it.
//!
//! It spares the half of a round trip in which each waits for the greeting of the other. The cipher's key is made of the
//! deck's key, the link's transcript and the sender, and seals one status: a link is greeted with these once.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use zeroize::Zeroizing;

use super::envelope;
use super::message::Message;
use crate::id::{DeckId, DeviceId};
use crate::role::DeckKey;

const TAG_BYTES: usize = 16;

/// What a status is sealed for.
#[derive(Clone, Copy)]
pub(crate) struct Sealing<'a> {
    pub(crate) key: &'a DeckKey,
    pub(crate) deck: DeckId,
    pub(crate) transcript: &'a [u8; 32],
    /// Who says it.
    pub(crate) device: DeviceId,
}

impl Sealing<'_> {
    fn cipher(&self) -> ChaCha20Poly1305 {
        let mut hasher = blake3::Hasher::new_derive_key("cuecard early status v0");
        // All have a fixed length, so joining them is unambiguous.
        hasher.update(self.key.as_bytes());
        hasher.update(self.deck.as_bytes());
        hasher.update(self.transcript);
        hasher.update(self.device.as_bytes());
        let key = Zeroizing::new(*hasher.finalize().as_bytes());
        ChaCha20Poly1305::new((&*key).into())
    }

    /// The status as it travels.
    pub(crate) fn seal(&self, status: &Message) -> Vec<u8> {
        let mut bytes = envelope::seal_up(status);
        let cipher = self.cipher();
        let tag = cipher.encrypt_inout_detached(&Nonce::default(), &[], bytes.as_mut_slice().into());
        // It takes far more bytes than a message may have; nothing at all would be refused by the other side.
        let Ok(tag) = tag else { return Vec::new() };
        bytes.extend_from_slice(&tag);
        bytes
    }

    /// What was said; `None` if it is not sealed for this.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Message> {
        let (bytes, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG_BYTES)?)?;
        let tag: [u8; TAG_BYTES] = tag.try_into().ok()?;
        let (mut bytes, cipher) = (bytes.to_vec(), self.cipher());
        cipher
            .decrypt_inout_detached(
                &Nonce::default(),
                &[],
                bytes.as_mut_slice().into(),
                &Tag::from(tag),
            )
            .ok()?;
        envelope::open(&bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_for_what_it_was_sealed_for_is_it_opened() {
        let (key, other) = (DeckKey::from_bytes([1; 32]), DeckKey::from_bytes([2; 32]));
        let sealing = Sealing {
            key: &key,
            deck: DeckId::from_bytes([3; 32]),
            transcript: &[4; 32],
            device: DeviceId::from_bytes([5; 32]),
        };
        let said = Message::Lack { transfer: 7 };
        let sealed = sealing.seal(&said);
        assert_eq!(sealing.open(&sealed), Some(said));
        for wrong in [
            Sealing {
                key: &other,
                ..sealing
            },
            Sealing {
                deck: DeckId::from_bytes([9; 32]),
                ..sealing
            },
            Sealing {
                transcript: &[9; 32],
                ..sealing
            },
            Sealing {
                device: DeviceId::from_bytes([9; 32]),
                ..sealing
            },
        ] {
            assert_eq!(wrong.open(&sealed), None);
        }
        for at in 0..sealed.len() {
            assert_eq!(sealing.open(&sealed[..at]), None, "cut at {at}");
            let mut turned = sealed.clone();
            turned[at] ^= 1;
            assert_eq!(sealing.open(&turned), None, "turned at {at}");
        }
    }
}
