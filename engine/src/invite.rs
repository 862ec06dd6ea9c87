//! What lets another device follow a deck.

use crate::core::Invited;
use crate::id::DeckId;
use crate::role::{DeckKey, Rights, Voucher};

/// What a device needs to follow a deck: its id, its key, and what it is invited to do. Whoever has it can read the deck
/// until the key is turned over, and is admitted as a member when it meets one who may hold the role.
///
/// As bytes: version (0), rights (0 read, 1 draft), number of the key's epoch (4, little-endian), deck (32), key (32); and,
/// where it is for more than reading, the signature of the member who invites (64).
#[derive(Clone, PartialEq, Eq)]
pub struct DeckInvite {
    deck: DeckId,
    epoch: u32,
    key: DeckKey,
    rights: Rights,
    signature: Option<[u8; Voucher::SIGNATURE_BYTES]>,
}

const VERSION: u8 = 0;

impl DeckInvite {
    /// The longest that one is.
    pub(crate) const BYTES_MAX: usize = 2 + 4 + 32 + 32 + Voucher::SIGNATURE_BYTES;

    pub(crate) const fn new(deck: DeckId, epoch: u32, key: DeckKey, invited: Invited) -> Self {
        let Invited { rights, signature } = invited;
        Self {
            deck,
            epoch,
            key,
            rights,
            signature,
        }
    }

    /// Which deck.
    #[must_use]
    pub const fn deck(&self) -> DeckId {
        self.deck
    }

    /// What it is an invite to do.
    #[must_use]
    pub const fn rights(&self) -> Rights {
        self.rights
    }

    pub(crate) const fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(crate) const fn key(&self) -> &DeckKey {
        &self.key
    }

    pub(crate) const fn invited(&self) -> Invited {
        Invited {
            rights: self.rights,
            signature: self.signature,
        }
    }

    /// As the payload of an invite code. Secret: it is the right to read.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let rights = u8::from(self.rights >= Rights::Draft);
        let mut bytes = vec![VERSION, rights];
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(self.deck.as_bytes());
        bytes.extend_from_slice(self.key.as_bytes());
        bytes.extend_from_slice(
            self.signature
                .as_ref()
                .map_or(&[], |signature| signature.as_slice()),
        );
        bytes
    }

    /// From the payload of an invite code; `None` if it is not one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([version, rights], rest) = bytes.split_first_chunk::<2>()?;
        let (epoch, rest) = rest.split_first_chunk::<4>()?;
        let (deck, rest) = rest.split_first_chunk::<32>()?;
        let (key, signature) = rest.split_first_chunk::<32>()?;
        let (rights, signature) = match (version, rights) {
            (&VERSION, 0) if signature.is_empty() => (Rights::Read, None),
            (&VERSION, 1) => (Rights::Draft, Some(signature.try_into().ok()?)),
            _ => return None,
        };
        Some(Self {
            deck: DeckId::from_bytes(*deck),
            epoch: u32::from_le_bytes(*epoch),
            key: DeckKey::from_bytes(*key),
            rights,
            signature,
        })
    }
}

impl std::fmt::Debug for DeckInvite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeckInvite(to {})", self.deck.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_comes_back_fits_a_code_and_is_not_printed() {
        for (rights, signature) in [(Rights::Read, None), (Rights::Draft, Some([7; 64]))] {
            let invited = Invited { rights, signature };
            let key = DeckKey::from_bytes([0xab; 32]);
            let invite = DeckInvite::new(DeckId::from_bytes([3; 32]), 260, key, invited);
            let bytes = invite.to_bytes();
            assert!(
                bytes.len() <= DeckInvite::BYTES_MAX && DeckInvite::BYTES_MAX <= 144,
                "it fits a code"
            );
            assert_eq!(DeckInvite::from_bytes(&bytes), Some(invite.clone()));
            for len in 0..bytes.len() {
                assert_eq!(DeckInvite::from_bytes(&bytes[..len]), None, "cut at {len}");
            }
            assert_eq!(DeckInvite::from_bytes(&[bytes.as_slice(), &[0]].concat()), None);
            for (at, value) in [(0, 1), (1, 2)] {
                let mut wrong = bytes.clone();
                wrong[at] = value;
                assert_eq!(DeckInvite::from_bytes(&wrong), None, "byte {at}");
            }
            assert!(!format!("{invite:?}").to_lowercase().contains("abab"));
        }
    }
}
