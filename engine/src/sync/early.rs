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
use crate::limits::EARLY_STATUS_BYTES_MAX;
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
        if sealed.len() > EARLY_STATUS_BYTES_MAX {
            return None;
        }
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
        // Opened with the core's lock held, and by whoever holds the key: so no more of it than a status has.
        envelope::open_up_to(EARLY_STATUS_BYTES_MAX, &bytes).ok()
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

    #[test]
    fn no_more_of_one_is_opened_than_a_status_has() {
        let sealing = Sealing {
            key: &DeckKey::from_bytes([1; 32]),
            deck: DeckId::from_bytes([3; 32]),
            transcript: &[4; 32],
            device: DeviceId::from_bytes([5; 32]),
        };
        let word = |bytes: Vec<u8>| Message::Word {
            deck: DeckId::from_bytes([3; 32]),
            bytes: bytes.into(),
        };
        // As bytes that hardly shrink, and as bytes that shrink to next to nothing.
        let noise = |bytes: usize| {
            let mut noise = vec![0; bytes];
            blake3::Hasher::new().finalize_xof().fill(&mut noise);
            noise
        };
        let room = EARLY_STATUS_BYTES_MAX - 100;
        for (bytes, is_opened) in [(room, true), (EARLY_STATUS_BYTES_MAX, false)] {
            for content in [noise(bytes), vec![0; bytes]] {
                let said = word(content);
                let sealed = sealing.seal(&said);
                assert_eq!(
                    sealing.open(&sealed) == Some(said),
                    is_opened,
                    "{bytes}, sealed {}",
                    sealed.len()
                );
            }
        }
    }
}
