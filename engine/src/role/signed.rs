//! From bytes that claim something to records that are proved. Only [`Verified`] goes further, and there are two ways
//! to one: checking a signature, or making it.

use std::ops::Deref;

use super::admit::{Admit, Voucher};
use super::bytes::{Malformed, Reader, Writer};
use super::layout::{FORMAT_VERSION, Record, read_header};
use super::playing::Playing;
use super::record::{Charter, Draft, Seal, Term};
use super::shown::Shown;
use super::withdrawal::Withdrawal;
use super::word::Word;
use crate::id::{DeckId, TermId};
use cuecard_transport::{DeviceId, DeviceKey};

/// One signed record of any kind: BLAKE3 of the bytes that were signed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId([u8; 32]);

impl RecordId {
    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordId({:?})", TermId::from_bytes(self.0).short())
    }
}

/// Why a record is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unproved {
    /// It is about another deck.
    #[error("this record belongs to another deck; it is refused here")]
    OtherDeck,
    /// The signature is not that of the device that it names.
    #[error("the signature of this record is wrong; it was forged or damaged, and is refused")]
    Signature,
}

/// A record as it came: well formed, and nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<T> {
    record: T,
    signature: [u8; 64],
}

/// A record whose signature was checked against the deck and its signer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Verified<T> {
    record: T,
    signature: [u8; 64],
    deck: DeckId,
    signer: DeviceId,
    id: RecordId,
}

impl<T: Record> Signed<T> {
    /// From bytes.
    ///
    /// # Errors
    /// When they are not exactly one record of this kind and format.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader(bytes);
        read_header(&mut from, T::KIND)?;
        let record = T::read(&mut from)?;
        let signature = from.array()?;
        from.end()?;
        record.check()?;
        Ok(Self { record, signature })
    }

    pub(super) const fn from_parts(record: T, signature: [u8; 64]) -> Self {
        Self { record, signature }
    }

    /// What it claims.
    #[must_use]
    pub const fn claimed(&self) -> &T {
        &self.record
    }

    fn check(self, deck: DeckId, signer: DeviceId) -> Result<Verified<T>, Unproved> {
        let message = message(&self.record, deck);
        if !signer.verify(&message, &self.signature) {
            return Err(Unproved::Signature);
        }
        Ok(Verified {
            id: id_of(&message),
            record: self.record,
            signature: self.signature,
            deck,
            signer,
        })
    }
}

impl<T: Record> Verified<T> {
    /// Its bytes, signature included.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = body(&self.record);
        bytes.extend_from_slice(&self.signature);
        bytes
    }

    /// The signature alone.
    #[must_use]
    pub const fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// BLAKE3 of the bytes that were signed.
    #[must_use]
    pub const fn record_id(&self) -> RecordId {
        self.id
    }

    /// Who signed it.
    #[must_use]
    pub const fn signed_by(&self) -> DeviceId {
        self.signer
    }

    /// The deck that the signature covers.
    #[must_use]
    pub const fn covers_deck(&self) -> DeckId {
        self.deck
    }

    fn sign(record: T, deck: DeckId, key: &DeviceKey) -> Self {
        let message = message(&record, deck);
        Self {
            signature: key.sign(&message),
            id: id_of(&message),
            record,
            deck,
            signer: key.id(),
        }
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.record
    }
}

impl Verified<Term> {
    /// The term's id.
    #[must_use]
    pub const fn id(&self) -> TermId {
        TermId::from_bytes(self.id.0)
    }
}

/// The records that name their signer and their deck.
macro_rules! names_its_signer {
    ($record:ty, $signer:ident) => {
        impl Signed<$record> {
            /// Checks the signature of the device that the record names.
            ///
            /// # Errors
            /// When the record is about another deck, or was not signed by that device.
            pub fn verify(self, deck: DeckId) -> Result<Verified<$record>, Unproved> {
                if self.record.deck != deck {
                    return Err(Unproved::OtherDeck);
                }
                let signer = self.record.$signer;
                self.check(deck, signer)
            }
        }

        impl $record {
            /// Signs it, as the device of this key, whatever the field said before.
            ///
            /// # Errors
            /// When its fields do not make a record that others would read.
            pub fn sign(mut self, key: &DeviceKey) -> Result<Verified<$record>, Malformed> {
                use super::layout::Layout;
                self.$signer = key.id();
                self.check()?;
                let deck = self.deck;
                Ok(Verified::sign(self, deck, key))
            }
        }
    };
}

names_its_signer!(Charter, signer);
names_its_signer!(Word, signer);
names_its_signer!(Shown, signer);
names_its_signer!(Playing, signer);
names_its_signer!(Term, signer);
names_its_signer!(Draft, author);
names_its_signer!(Withdrawal, author);
names_its_signer!(Admit, signer);
names_its_signer!(Voucher, signer);

impl Signed<Seal> {
    /// Checks the signature of the term's holder, whom the seal itself does not name.
    ///
    /// # Errors
    /// When it was not signed by that device for this deck.
    pub fn verify(self, deck: DeckId, holder: DeviceId) -> Result<Verified<Seal>, Unproved> {
        self.check(deck, holder)
    }
}

impl Seal {
    /// Signs it, as the term's holder.
    ///
    /// # Errors
    /// When its fields do not make a record that others would read.
    pub fn sign(self, deck: DeckId, key: &DeviceKey) -> Result<Verified<Seal>, Malformed> {
        use super::layout::Layout;
        self.check()?;
        Ok(Verified::sign(self, deck, key))
    }
}

fn body<T: Record>(record: &T) -> Vec<u8> {
    let mut to = Writer(vec![T::KIND, FORMAT_VERSION]);
    record.write(&mut to);
    to.0
}

impl Seal {
    /// Its bytes but for the signature behind them.
    pub(crate) fn unsigned(&self) -> Vec<u8> {
        body(self)
    }
}

/// What is signed. The purposes end in a zero byte, so that none is the beginning of another.
fn message<T: Record>(record: &T, deck: DeckId) -> Vec<u8> {
    [T::PURPOSE, &[0], deck.as_bytes(), &body(record)].concat()
}

fn id_of(message: &[u8]) -> RecordId {
    RecordId(*blake3::hash(message).as_bytes())
}
