//! A device and its key: who is at the other end of a link.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

/// Crockford's base32, lower case: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// One installation, known by its Ed25519 public key.
///
/// Its text form is 52 characters of Crockford base32 and 4 that check them, so a typing error is noticed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId([u8; 32]);

impl DeviceId {
    /// From the bytes of a public key. Any 32 bytes are an id; only a real key ever verifies.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the public key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight characters of the text form: enough for people to tell devices apart, not for machines.
    #[must_use]
    pub fn short(&self) -> String {
        base32(&self.0).chars().take(8).collect()
    }

    /// Whether this device signed `message`. Strict: malleable signatures and weak keys are refused.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| {
            key.verify_strict(message, &Signature::from_bytes(signature))
                .is_ok()
        })
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32(&self.0))?;
        f.write_str(&checksum(&self.0))
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({})", self.short())
    }
}

/// Why a text is not a device id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceIdError {
    /// Too short or too long.
    #[error("a device id has 56 characters, this has {0}")]
    Length(usize),
    /// A character that base32 does not use.
    #[error("{0:?} does not occur in a device id")]
    Character(char),
    /// The last four characters do not fit the others.
    #[error("there is a typing error in this device id")]
    Checksum,
}

impl FromStr for DeviceId {
    type Err = DeviceIdError;

    fn from_str(text: &str) -> Result<Self, DeviceIdError> {
        let text = text.trim().to_ascii_lowercase();
        if text.chars().count() != 56 {
            return Err(DeviceIdError::Length(text.chars().count()));
        }
        let mut bits = Vec::with_capacity(56 * 5);
        for character in text.chars() {
            let value = ALPHABET
                .iter()
                .position(|&a| char::from(a) == character)
                .ok_or(DeviceIdError::Character(character))?;
            bits.extend((0..5).rev().map(|bit| (value >> bit) & 1 == 1));
        }
        let mut key = [0_u8; 32];
        for (byte, bits) in key.iter_mut().zip(bits.chunks(8)) {
            *byte = bits.iter().fold(0, |byte, &bit| (byte << 1) | u8::from(bit));
        }
        // Comparing texts also refuses stray bits in the padding: one id has one spelling.
        let id = Self(key);
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(DeviceIdError::Checksum)
        }
    }
}

/// The secret half of a device. Wiped from memory when dropped; never printed.
#[derive(Clone)]
pub struct DeviceKey(SigningKey);

impl DeviceKey {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut secret = Zeroizing::new([0_u8; 32]);
        getrandom::fill(secret.as_mut())?;
        Ok(Self::from_bytes(&secret))
    }

    /// The key with these secret bytes.
    #[must_use]
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// The secret bytes, for the file that keeps them.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        DeviceId(self.0.verifying_key().to_bytes())
    }

    /// Signs `message`. Deterministic: the same message has the same signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// A secret that this device and another can both compute, and nobody else: X25519 on the Montgomery form of the two
    /// device keys. `None` when `other` is not the id of any device, or was chosen so that everybody knows the secret.
    ///
    /// The one key pair signs and agrees, so that a secret can be made for a device of which nothing but its id is known,
    /// also while it is away. That is sound for a key encapsulation which hashes the secret together with both public
    /// keys, as the caller has to (Thormarker, "On using the same key pair for Ed25519 and an X25519 based KEM", 2021).
    #[must_use]
    pub fn agree(&self, other: DeviceId) -> Option<Zeroizing<[u8; 32]>> {
        let key = VerifyingKey::from_bytes(&other.0)
            .ok()
            .filter(|key| !key.is_weak())?;
        let scalar = Zeroizing::new(self.0.to_scalar_bytes());
        let secret = Zeroizing::new(key.to_montgomery().mul_clamped(*scalar).to_bytes());
        // A point of small order leads to zero, whoever computes it.
        (*secret != [0; 32]).then_some(secret)
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey(of {})", self.id().short())
    }
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for &byte in bytes {
        buffer = ((buffer << 8) | u32::from(byte)) & 0xffff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push_symbol(&mut text, buffer >> bits);
        }
    }
    if bits > 0 {
        push_symbol(&mut text, buffer << (5 - bits));
    }
    text
}

fn push_symbol(text: &mut String, value: u32) {
    if let Some(&symbol) = ALPHABET.get((value & 31) as usize) {
        text.push(char::from(symbol));
    }
}

/// 20 bits over the key: a typing error slips through once in a million.
fn checksum(key: &[u8; 32]) -> String {
    let hash = blake3::derive_key("cuecard device id check v0", key);
    base32(&hash).chars().take(4).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_comes_back_and_notices_typing_errors() {
        let id = DeviceKey::from_bytes(&[7; 32]).id();
        let text = id.to_string();
        assert_eq!(text.len(), 56);
        assert_eq!(text.parse::<DeviceId>(), Ok(id));
        assert_eq!(text.to_uppercase().parse::<DeviceId>(), Ok(id));
        for at in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'2' { b'3' } else { b'2' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(wrong.parse::<DeviceId>(), Err(DeviceIdError::Checksum), "at {at}");
        }
        assert_eq!("zz".parse::<DeviceId>(), Err(DeviceIdError::Length(2)));
    }

    #[test]
    fn a_signature_is_checked_against_key_and_message() {
        let key = DeviceKey::from_bytes(&[1; 32]);
        let signature = key.sign(b"hola");
        assert!(key.id().verify(b"hola", &signature));
        assert!(!key.id().verify(b"hole", &signature));
        assert!(!DeviceKey::from_bytes(&[2; 32]).id().verify(b"hola", &signature));
        assert!(!DeviceId::from_bytes([0; 32]).verify(b"hola", &signature));
    }

    #[test]
    fn two_devices_agree_and_a_third_does_not() {
        let [a, b, c] = [1, 2, 3].map(|secret| DeviceKey::from_bytes(&[secret; 32]));
        let secret = a.agree(b.id()).unwrap();
        assert_eq!(*secret, *b.agree(a.id()).unwrap());
        assert_ne!(*secret, *c.agree(a.id()).unwrap());
        assert_ne!(*secret, *c.agree(b.id()).unwrap());
        // Points of small order, and bytes that are no point: everybody, or nobody, would know the secret.
        let mut one = [0; 32];
        one[0] = 1;
        let mut minus_one = [0xff; 32];
        (minus_one[0], minus_one[31]) = (0xec, 0x7f);
        let mut no_point = [0; 32];
        no_point[0] = 2;
        for bytes in [[0; 32], one, minus_one, no_point] {
            assert_eq!(a.agree(DeviceId::from_bytes(bytes)), None, "{bytes:?}");
        }
    }
}
