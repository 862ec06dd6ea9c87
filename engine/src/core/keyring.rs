//! The keys that this device has of one deck, and what it was invited to do.

use std::collections::BTreeMap;

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use zeroize::{Zeroize, Zeroizing};

use crate::id::{DeckId, DeviceId};
use crate::limits::DECK_KEYS_KEPT_MAX;
use crate::role::{DeckKey, KeyEpoch, Member, Rights, Voucher, WrappedKeys};

/// What an invite said beside deck and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Invited {
    /// To do what.
    pub(crate) rights: Rights,
    /// The signature of the member who invited; not needed to read.
    pub(crate) signature: Option<[u8; Voucher::SIGNATURE_BYTES]>,
}

/// The keys of one deck. Older keys are kept to know members by who were away when the key was turned over.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyring {
    keys: BTreeMap<KeyEpoch, DeckKey>,
    /// The newest key, wrapped for each member; missing where it came by an invite.
    wrapped: Option<WrappedKeys>,
    pub(crate) invited: Option<Invited>,
    /// Who remains where this device, restored from a backup, turned the key over in two ways: it says so with a key of
    /// its own as soon as it can.
    pub(crate) remaining: Option<Vec<Member>>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

impl Keyring {
    /// With one key, of the epoch with this number. What an invite says of an epoch is its number alone.
    pub(crate) fn new(epoch: u32, key: DeckKey, invited: Option<Invited>) -> Self {
        let mut ring = Self {
            keys: BTreeMap::new(),
            wrapped: None,
            invited,
            remaining: None,
        };
        ring.add_invited(epoch, key);
        ring
    }

    /// Takes in the key of an invite; false if it was known.
    pub(crate) fn add_invited(&mut self, epoch: u32, key: DeckKey) -> bool {
        let known = self
            .keys
            .iter()
            .any(|(known, held)| known.number == epoch && *held == key);
        let (number, wrapped) = (epoch, [0; 32]);
        !known && self.insert(KeyEpoch { number, wrapped }, key)
    }

    /// Takes in the key that begins an epoch.
    pub(crate) fn add_wrapped(&mut self, wrapped: WrappedKeys, key: DeckKey) {
        self.insert(wrapped.epoch(), key);
        self.wrapped = Some(wrapped);
    }

    /// Takes in the key of an epoch that did not become the deck's: those who have it are known by it.
    pub(crate) fn add_other(&mut self, epoch: KeyEpoch, key: DeckKey) {
        self.insert(epoch, key);
    }

    fn insert(&mut self, epoch: KeyEpoch, key: DeckKey) -> bool {
        let new = self.keys.insert(epoch, key).is_none();
        while self.keys.len() > DECK_KEYS_KEPT_MAX {
            self.keys.pop_first();
        }
        new
    }

    /// The key of an epoch. One that an invite carried is believed to be of the epoch that has its number.
    pub(crate) fn of(&self, epoch: KeyEpoch) -> Option<&DeckKey> {
        let (number, wrapped) = (epoch.number, [0; 32]);
        let invited = KeyEpoch { number, wrapped };
        self.keys.get(&epoch).or_else(|| self.keys.get(&invited))
    }

    /// The newest one, with the number of its epoch.
    pub(crate) fn newest(&self) -> Option<(u32, &DeckKey)> {
        self.keys.last_key_value().map(|(epoch, key)| (epoch.number, key))
    }

    /// All of them, the oldest first.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &DeckKey> {
        self.keys.values()
    }

    /// Whether the key of exactly this epoch is held.
    pub(crate) fn knows(&self, epoch: KeyEpoch) -> bool {
        self.keys.contains_key(&epoch)
    }

    /// The wrapped keys that began this epoch.
    pub(crate) fn wrapped(&self, epoch: KeyEpoch) -> Option<&WrappedKeys> {
        self.wrapped.as_ref().filter(|wrapped| wrapped.epoch() == epoch)
    }

    /// As it is kept. Secret.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let entry = |(epoch, key): (&KeyEpoch, &DeckKey)| KeyImage {
            number: epoch.number,
            wrapped: epoch.wrapped.into(),
            key: (*key.as_bytes()).into(),
        };
        let mut image = KeyringImage {
            version: VERSION,
            keys: self.keys.iter().map(entry).collect(),
            wrapped: self.wrapped.as_ref().map(|wrapped| wrapped.encode().into()),
            may_draft: self.invited.map(|invited| invited.rights >= Rights::Draft),
            signature: self
                .invited
                .and_then(|invited| invited.signature)
                .map(|signature| signature.to_vec().into()),
            remaining: self
                .remaining
                .as_ref()
                .map(|members| members.iter().map(MemberImage::from).collect()),
        };
        // Encoding into a Vec cannot fail.
        let bytes = Zeroizing::new(minicbor::to_vec(&image).unwrap_or_default());
        image.wipe();
        bytes
    }

    /// From how it was kept; `None` if it is damaged, or of another version or deck.
    pub(crate) fn decode(deck: DeckId, bytes: &[u8]) -> Option<Self> {
        let mut image: KeyringImage = minicbor::decode(bytes).ok()?;
        let read = image.read(deck);
        image.wipe();
        read
    }
}

const VERSION: u32 = 0;

#[derive(Encode, Decode)]
#[cbor(array)]
struct KeyringImage {
    #[n(0)]
    version: u32,
    #[n(1)]
    keys: Vec<KeyImage>,
    #[n(2)]
    wrapped: Option<ByteVec>,
    #[n(3)]
    may_draft: Option<bool>,
    #[n(4)]
    signature: Option<ByteVec>,
    #[n(5)]
    remaining: Option<Vec<MemberImage>>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct MemberImage {
    #[n(0)]
    device: ByteArray<32>,
    #[n(1)]
    rights: u8,
    #[n(2)]
    rank: u16,
}

impl From<&Member> for MemberImage {
    fn from(member: &Member) -> Self {
        Self {
            device: (*member.device.as_bytes()).into(),
            rights: match member.rights {
                Rights::Read => 0,
                Rights::Draft => 1,
                Rights::Hold => 2,
            },
            rank: member.rank,
        }
    }
}

impl MemberImage {
    fn read(&self) -> Option<Member> {
        let rights = match self.rights {
            0 => Rights::Read,
            1 => Rights::Draft,
            2 => Rights::Hold,
            _ => return None,
        };
        Some(Member {
            device: DeviceId::from_bytes(self.device.into()),
            rights,
            rank: self.rank,
        })
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct KeyImage {
    #[n(0)]
    number: u32,
    #[n(1)]
    wrapped: ByteArray<32>,
    #[n(2)]
    key: ByteArray<32>,
}

impl KeyringImage {
    fn read(&self, deck: DeckId) -> Option<Keyring> {
        let read_key = |image: &KeyImage| {
            let (number, wrapped) = (image.number, image.wrapped.into());
            (
                KeyEpoch { number, wrapped },
                DeckKey::from_bytes(image.key.into()),
            )
        };
        let wrapped = self.wrapped.as_ref().map(|bytes| WrappedKeys::decode(bytes));
        let wrapped = wrapped.transpose().ok()?;
        if self.version != VERSION || self.keys.is_empty() {
            return None;
        }
        if wrapped.as_ref().is_some_and(|wrapped| wrapped.begins().0 != deck) {
            return None;
        }
        let signature = self.signature.as_ref().map(|bytes| bytes.as_slice().try_into());
        let signature = signature.transpose().ok()?;
        let invited = self.may_draft.map(|may_draft| Invited {
            rights: if may_draft { Rights::Draft } else { Rights::Read },
            signature,
        });
        let remaining = match &self.remaining {
            Some(members) => Some(members.iter().map(MemberImage::read).collect::<Option<_>>()?),
            None => None,
        };
        Some(Keyring {
            keys: self.keys.iter().map(read_key).collect(),
            wrapped,
            invited,
            remaining,
        })
    }

    fn wipe(&mut self) {
        for entry in &mut self.keys {
            entry.key.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> DeckKey {
        DeckKey::from_bytes([byte; 32])
    }

    #[test]
    fn a_keyring_comes_back_and_damage_is_noticed() {
        let deck = DeckId::from_bytes([1; 32]);
        let invited = Invited {
            rights: Rights::Draft,
            signature: Some([3; 64]),
        };
        let mut ring = Keyring::new(0, key(1), Some(invited));
        let device = cuecard_transport::DeviceKey::from_bytes(&[5; 32]);
        let wrapped = WrappedKeys::wrap(deck, 1, &key(2), &[9; 32].into(), [device.id()]);
        ring.add_wrapped(wrapped.clone(), key(2));
        ring.remaining = Some(vec![Member {
            device: device.id(),
            rights: Rights::Draft,
            rank: 7,
        }]);
        let bytes = ring.encode();
        assert_eq!(Keyring::decode(deck, &bytes), Some(ring.clone()));
        assert_eq!(Keyring::decode(DeckId::from_bytes([2; 32]), &bytes), None);
        for len in 0..bytes.len() {
            assert_eq!(Keyring::decode(deck, &bytes[..len]), None, "cut at {len}");
        }
        assert_eq!(ring.of(wrapped.epoch()), Some(&key(2)));
        assert_eq!(ring.newest(), Some((1, &key(2))));
        assert!(!format!("{ring:?}").contains('2'.to_string().repeat(4).as_str()));
    }

    #[test]
    fn only_so_many_old_keys_are_kept() {
        let mut ring = Keyring::new(0, key(0), None);
        for epoch in 1..=40 {
            assert!(ring.add_invited(epoch, key(epoch.to_le_bytes()[0])));
        }
        assert!(!ring.add_invited(40, key(40)));
        assert_eq!(ring.all().count(), DECK_KEYS_KEPT_MAX);
        assert_eq!(ring.newest(), Some((40, &key(40))));
    }
}
