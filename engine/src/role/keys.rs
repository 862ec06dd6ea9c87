//! The deck's key, and how it reaches the members anew when somebody was removed.
//!
//! A deck has one random key per *epoch*. Invites carry it, and whoever shows it may read. When a member is removed, the
//! owner draws a new key and wraps it to the device of each member that remains; the charter that removes the member
//! names the epoch and the hash of the wrapped keys. So the owner's one signature covers both, and every member gets the
//! same key or none.
//!
//! Wrapped is: X25519 between a key pair made for this epoch alone and the device key (see
//! [`DeviceKey::agree`] why that is sound), BLAKE3 over the secret, both public keys, deck and epoch, and with the key that
//! comes of it ChaCha20-Poly1305, once, under nonce zero. What is wrapped for one member, epoch or deck opens nothing
//! elsewhere.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use cuecard_transport::{DeviceId, DeviceKey};
use zeroize::Zeroizing;

use super::bytes::{Malformed, Reader, Writer};
use super::layout::{FORMAT_VERSION, read_header};
use crate::id::DeckId;
use crate::limits::MEMBERS_MAX;

/// What lets a device read a deck. Wiped from memory when dropped; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct DeckKey(Zeroizing<[u8; 32]>);

impl DeckKey {
    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for DeckKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeckKey(secret)")
    }
}

/// Which key a deck's readers have to show: part of the owner's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct KeyEpoch {
    /// How often the key was turned over. It never goes down, also when the deck is given to another owner.
    pub number: u32,
    /// The hash of the wrapped keys that began it; zero in epoch 0, whose key only invites carry.
    pub wrapped: [u8; 32],
}

impl KeyEpoch {
    pub(super) fn write(&self, to: &mut Writer) {
        to.u32(self.number);
        to.bytes(&self.wrapped);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            number: from.u32()?,
            wrapped: from.array()?,
        })
    }

    pub(super) fn check(&self) -> Result<(), Malformed> {
        if (self.number == 0) == (self.wrapped == [0; 32]) {
            Ok(())
        } else {
            Err(Malformed::Field("key epoch"))
        }
    }
}

/// The key of one epoch, wrapped to each member's device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKeys {
    deck: DeckId,
    epoch: u32,
    /// The public half of a key pair that was used for this and forgotten.
    ephemeral: DeviceId,
    /// In ascending order of device, each once: the key, encrypted, and the tag that checks it.
    members: Vec<(DeviceId, [u8; 32], [u8; 16])>,
}

impl WrappedKeys {
    const KIND: u8 = 42;
    /// The members that a charter can list, and the owner, who need not be among them.
    const WRAPPED_MAX: usize = MEMBERS_MAX + 1;

    /// Wraps a key to devices. `ephemeral` must be random, and used for nothing else. Ids that are no public key get
    /// nothing: nobody could ever prove to be such a device.
    #[must_use]
    pub fn wrap(
        deck: DeckId,
        epoch: u32,
        key: &DeckKey,
        ephemeral: &Zeroizing<[u8; 32]>,
        devices: impl IntoIterator<Item = DeviceId>,
    ) -> Self {
        let pair = DeviceKey::from_bytes(ephemeral);
        let mut devices: Vec<DeviceId> = devices.into_iter().collect();
        devices.sort_unstable();
        devices.dedup();
        let wrap = |device: DeviceId| {
            let cipher = cipher(deck, epoch, pair.id(), device, &*pair.agree(device)?);
            let mut bytes = *key.as_bytes();
            let tag = cipher
                .encrypt_inout_detached(&Nonce::default(), &[], bytes.as_mut_slice().into())
                .ok()?;
            Some((device, bytes, tag.into()))
        };
        Self {
            deck,
            epoch,
            ephemeral: pair.id(),
            members: devices
                .into_iter()
                .filter_map(wrap)
                .take(Self::WRAPPED_MAX)
                .collect(),
        }
    }

    /// Whether the key was wrapped to this device.
    #[must_use]
    pub fn is_for(&self, device: DeviceId) -> bool {
        let found = self.members.binary_search_by(|(member, ..)| member.cmp(&device));
        found.is_ok()
    }

    /// The key, if it was wrapped to this device.
    #[must_use]
    pub fn unwrap_with(&self, device: &DeviceKey) -> Option<DeckKey> {
        let id = device.id();
        let at = self
            .members
            .binary_search_by(|(member, ..)| member.cmp(&id))
            .ok()?;
        let (_, wrapped, tag) = self.members.get(at)?;
        let cipher = cipher(
            self.deck,
            self.epoch,
            self.ephemeral,
            id,
            &*device.agree(self.ephemeral)?,
        );
        let mut bytes = Zeroizing::new(*wrapped);
        cipher
            .decrypt_inout_detached(
                &Nonce::default(),
                &[],
                bytes.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .ok()?;
        Some(DeckKey(bytes))
    }

    /// The deck, and the epoch that these keys begin.
    #[must_use]
    pub const fn begins(&self) -> (DeckId, u32) {
        (self.deck, self.epoch)
    }

    /// What a charter says that has these keys. The key itself is random, so this says nothing about it.
    #[must_use]
    pub fn epoch(&self) -> KeyEpoch {
        KeyEpoch {
            number: self.epoch,
            wrapped: blake3::derive_key("cuecard wrapped keys id v0", &self.encode()),
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer(vec![Self::KIND, FORMAT_VERSION]);
        to.bytes(self.deck.as_bytes());
        to.u32(self.epoch);
        to.bytes(self.ephemeral.as_bytes());
        // `wrap` and `decode` keep the count in one byte.
        to.u8(u8::try_from(self.members.len()).unwrap_or(u8::MAX));
        for (device, wrapped, tag) in &self.members {
            to.bytes(device.as_bytes());
            to.bytes(wrapped);
            to.bytes(tag);
        }
        to.0
    }

    /// From its bytes.
    ///
    /// # Errors
    /// When they are not exactly wrapped keys of this format.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader(bytes);
        read_header(&mut from, Self::KIND)?;
        let (deck, epoch) = (DeckId::from_bytes(from.array()?), from.u32()?);
        let ephemeral = from.device()?;
        let count = usize::from(from.u8()?);
        if count > Self::WRAPPED_MAX {
            return Err(Malformed::Limit("count of members"));
        }
        let members = (0..count)
            .map(|_| Ok((from.device()?, from.array()?, from.array()?)))
            .collect::<Result<Vec<_>, Malformed>>()?;
        from.end()?;
        if !members.is_sorted_by(|(a, ..), (b, ..)| a < b) {
            return Err(Malformed::Field("order of members"));
        }
        if epoch == 0 {
            return Err(Malformed::Field("key epoch"));
        }
        Ok(Self {
            deck,
            epoch,
            ephemeral,
            members,
        })
    }
}

/// The cipher for one member: its key is used once.
fn cipher(
    deck: DeckId,
    epoch: u32,
    ephemeral: DeviceId,
    device: DeviceId,
    secret: &[u8; 32],
) -> ChaCha20Poly1305 {
    let mut hasher = blake3::Hasher::new_derive_key("cuecard key wrap v0");
    // All have a fixed length, so joining them is unambiguous.
    hasher.update(secret);
    hasher.update(ephemeral.as_bytes());
    hasher.update(device.as_bytes());
    hasher.update(deck.as_bytes());
    hasher.update(&epoch.to_le_bytes());
    let key = Zeroizing::new(*hasher.finalize().as_bytes());
    ChaCha20Poly1305::new((&*key).into())
}
