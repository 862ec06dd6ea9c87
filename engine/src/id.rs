//! Names of things: every id is a type of its own.

use std::fmt;
use std::str::FromStr;

pub use automerge::ChangeHash;
use cuecard_store::BlobHash;
pub use cuecard_transport::DeviceId;
use minicbor::{Decode, Encode};

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

        impl $name {
            /// The id with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first eight hexadecimal digits, for people.
            #[must_use]
            pub fn short(&self) -> String {
                self.to_string().chars().take(8).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                from_hex(text).map(Self)
            }
        }
    };
}

hash_id! {
    /// One deck: BLAKE3 of its genesis record.
    DeckId
}
hash_id! {
    /// One term: BLAKE3 of its signed record. Term 0 has the deck's id.
    TermId
}
hash_id! {
    /// One draft: BLAKE3 of (deck, author, nonce). It stays the same while the draft is extended.
    DraftId
}
hash_id! {
    /// One piece of audio: BLAKE3 of its bytes.
    BlobId
}

impl From<BlobHash> for BlobId {
    fn from(hash: BlobHash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl From<BlobId> for BlobHash {
    fn from(blob: BlobId) -> Self {
        Self::from_bytes(blob.0)
    }
}

impl TermId {
    /// Term 0 of a deck, held by its owner.
    #[must_use]
    pub const fn zero_of(deck: DeckId) -> Self {
        Self(*deck.as_bytes())
    }
}

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has {expected} characters of its alphabet; this text is not one")]
pub struct IdError {
    /// How many characters it should have.
    pub expected: usize,
}

fn from_hex(text: &str) -> Result<[u8; 32], IdError> {
    let wrong = IdError { expected: 64 };
    if text.len() != 64
        || !text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        return Err(wrong);
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let digits = text.get(2 * at..2 * at + 2).ok_or(wrong)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong)?;
    }
    Ok(bytes)
}

/// One card: 16 characters of base32, 80 random bits, chosen by the device that adds it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CardId([u8; Self::LENGTH]);

impl CardId {
    pub(crate) const LENGTH: usize = 16;
    const ALPHABET: &'static [u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

    /// The id made of 80 random bits.
    #[must_use]
    pub fn from_random(bits: [u8; 10]) -> Self {
        let number = bits
            .iter()
            .fold(0_u128, |number, &byte| (number << 8) | u128::from(byte));
        let symbol = |at: usize| {
            Self::ALPHABET
                .get((number >> (5 * (Self::LENGTH - 1 - at))) as usize & 31)
                .copied()
                .unwrap_or(b'0')
        };
        Self(std::array::from_fn(symbol))
    }

    /// Its text, which is also its key in the document.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // All of the alphabet is text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for CardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardId({})", self.as_str())
    }
}

impl FromStr for CardId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        <[u8; Self::LENGTH]>::try_from(text.as_bytes())
            .ok()
            .filter(|symbols| symbols.iter().all(|symbol| Self::ALPHABET.contains(symbol)))
            .map(Self)
            .ok_or(IdError {
                expected: Self::LENGTH,
            })
    }
}

/// A link, as the driver numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u64);

impl LinkId {
    /// Link number `number`; the driver never gives one twice.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// A batch on its way to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// A question to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadId(pub(crate) u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_from_their_text() {
        let deck = DeckId::from_bytes([0xab; 32]);
        assert_eq!(deck.to_string().parse::<DeckId>(), Ok(deck));
        assert!(deck.to_string().to_uppercase().parse::<DeckId>().is_err());
        let card = CardId::from_random([0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(card.as_str().parse::<CardId>(), Ok(card.clone()));
        assert_ne!(card, CardId::from_random([0xfe, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
        assert!("../../etc/passwd".parse::<CardId>().is_err());
    }
}
