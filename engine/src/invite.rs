//! What lets another device follow a deck.

use crate::id::DeckId;

/// What a device needs to follow a deck: its id and its key. Whoever has it can read the deck.
#[derive(Clone, PartialEq, Eq)]
pub struct DeckInvite {
    deck: DeckId,
    key: [u8; 32],
}

impl DeckInvite {
    pub(crate) const fn new(deck: DeckId, key: [u8; 32]) -> Self {
        Self { deck, key }
    }

    /// Which deck.
    #[must_use]
    pub const fn deck(&self) -> DeckId {
        self.deck
    }

    pub(crate) const fn key(&self) -> [u8; 32] {
        self.key
    }

    /// As the payload of an invite code. Secret: it is the right to read.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.deck.as_bytes().as_slice(), &self.key].concat()
    }

    /// From the payload of an invite code; `None` if it is not one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (deck, key) = bytes.split_first_chunk::<32>()?;
        Some(Self {
            deck: DeckId::from_bytes(*deck),
            key: key.try_into().ok()?,
        })
    }
}

impl std::fmt::Debug for DeckInvite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeckInvite(to {})", self.deck.short())
    }
}
