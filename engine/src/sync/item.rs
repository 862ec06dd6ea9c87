//! The parts of a deck, as they travel.

use minicbor::bytes::ByteVec;
use minicbor::decode::Error;
use minicbor::{Decode, Decoder, Encode, Encoder};
use sha2::{Digest, Sha256};

use super::message::{DraftItem, head};
use super::packed::{pack, unpack};
use crate::id::{ChangeHash, TermId};
use crate::role::Seal;

/// One part of a deck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The genesis record.
    Genesis(ByteVec),
    /// A signed charter.
    Charter(ByteVec),
    /// A signed term.
    Term(ByteVec),
    /// A draft which the changes that follow accept.
    Draft(DraftItem),
    /// A slice of a term, up to a seal.
    Changes {
        /// Which term.
        term: TermId,
        /// The number of the first change; they count from 1.
        from: u64,
        /// The changes, raw; packed where they travel.
        changes: Vec<ByteVec>,
        /// The holder's seal over the last of them; where it travels, its signature alone, as the rest follows from them.
        seal: ByteVec,
        /// The change before the first; before change 1, where the term starts.
        after: ChangeHash,
    },
    /// A seal without what it seals: half of the proof of a cheat.
    Seal(ByteVec),
    /// A signed admission.
    Admit(ByteVec),
}

impl Item {
    /// Bytes that it has in memory, in all its parts: even an empty one is something there.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |part: &ByteVec| part.len() + 32;
        match self {
            Self::Genesis(part)
            | Self::Charter(part)
            | Self::Term(part)
            | Self::Seal(part)
            | Self::Admit(part) => of(part),
            Self::Draft(DraftItem { record, changes }) => of(record) + changes.iter().map(of).sum::<usize>(),
            Self::Changes { changes, seal, .. } => of(seal) + changes.iter().map(of).sum::<usize>(),
        }
    }
}

const GENESIS: u32 = 0;
const CHARTER: u32 = 1;
const TERM: u32 = 2;
const DRAFT: u32 = 3;
const CHANGES: u32 = 4;
const SEAL: u32 = 10;
const ADMIT: u32 = 40;

const SIGNATURE_BYTES: usize = 64;

/// The seal over the last of these changes, but for its signature.
fn seal_over(term: TermId, from: u64, changes: &[ByteVec]) -> Option<Vec<u8>> {
    let len = from.checked_add(changes.len() as u64)?.checked_sub(1)?;
    // What is no change has no hash, and then no seal fits it.
    let body = changes.last()?.get(8..)?;
    let head = ChangeHash(Sha256::digest(body).into());
    Some(Seal { term, len, head }.unsigned())
}

impl<C> Encode<C> for Item {
    fn encode<W: minicbor::encode::Write>(
        &self,
        to: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let mut one = |number, part: &ByteVec| to.array(2)?.u32(number)?.array(1)?.bytes(part)?.ok();
        match self {
            Self::Genesis(part) => one(GENESIS, part),
            Self::Charter(part) => one(CHARTER, part),
            Self::Term(part) => one(TERM, part),
            Self::Seal(part) => one(SEAL, part),
            Self::Admit(part) => one(ADMIT, part),
            Self::Draft(draft) => {
                to.array(2)?.u32(DRAFT)?.array(1)?;
                draft.encode(to, context)
            }
            Self::Changes {
                term,
                from,
                changes,
                seal,
                after,
            } => {
                to.array(2)?.u32(CHANGES)?.array(5)?;
                term.encode(to, context)?;
                to.u64(*from)?;
                to.bytes(&pack(changes.iter().map(|change| change.as_slice())))?;
                let over = seal_over(*term, *from, changes);
                let signature = over.and_then(|over| seal.strip_prefix(over.as_slice()));
                let signature = signature.filter(|signature| signature.len() == SIGNATURE_BYTES);
                // One over anything else is said whole, and refused.
                to.bytes(signature.unwrap_or(seal))?;
                head::encode(after, to, context)
            }
        }
    }
}

impl<'b, C> Decode<'b, C> for Item {
    fn decode(from: &mut Decoder<'b>, context: &mut C) -> Result<Self, Error> {
        let parts = |from: &mut Decoder<'b>, least| match from.array()? {
            Some(count) if count >= least => Ok(count - least),
            _ => Err(Error::message("a part of a deck of another form")),
        };
        let beside = parts(from, 2)?;
        let number = from.u32()?;
        let more = parts(from, if number == CHANGES { 5 } else { 1 })?;
        let mut one = || ByteVec::decode(from, context);
        let item = match number {
            GENESIS => Self::Genesis(one()?),
            CHARTER => Self::Charter(one()?),
            TERM => Self::Term(one()?),
            SEAL => Self::Seal(one()?),
            ADMIT => Self::Admit(one()?),
            DRAFT => Self::Draft(DraftItem::decode(from, context)?),
            CHANGES => Self::changes(from, context)?,
            _ => return Err(Error::message(format!("unknown part {number} of a deck"))),
        };
        // What a later version says beside.
        (0..more + beside).try_for_each(|_| from.skip())?;
        Ok(item)
    }
}

impl Item {
    fn changes<C>(input: &mut Decoder<'_>, context: &mut C) -> Result<Self, Error> {
        let term = TermId::decode(input, context)?;
        let from = input.u64()?;
        let changes = unpack(input.bytes()?).map_err(Error::message)?;
        let changes: Vec<ByteVec> = changes.into_iter().map(ByteVec::from).collect();
        let mut seal = input.bytes()?.to_vec();
        if seal.len() == SIGNATURE_BYTES
            && let Some(over) = seal_over(term, from, &changes)
        {
            seal = [over, seal].concat();
        }
        Ok(Self::Changes {
            term,
            from,
            changes,
            seal: seal.into(),
            after: head::decode(input, context)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(changes: &[&[u8]], seal: Vec<u8>) -> Item {
        Item::Changes {
            term: TermId::from_bytes([2; 32]),
            from: 5,
            changes: changes.iter().map(|change| change.to_vec().into()).collect(),
            seal: seal.into(),
            after: ChangeHash([4; 32]),
        }
    }

    /// A seal for a slice of two changes, with the hash of this one.
    fn seal(term: u8, len: u64, last: &[u8]) -> Vec<u8> {
        let (term, head) = (
            TermId::from_bytes([term; 32]),
            ChangeHash(Sha256::digest(last).into()),
        );
        [Seal { term, len, head }.unsigned(), vec![7; SIGNATURE_BYTES]].concat()
    }

    #[test]
    fn every_part_comes_back_and_of_a_seal_over_the_slice_only_the_signature_travels() {
        let changes: [&[u8]; 2] = [b"whatever this is", b"12345678 and a body"];
        let right = slice(&changes, seal(2, 6, b" and a body"));
        let short = minicbor::to_vec(&right).unwrap();
        assert_eq!(minicbor::decode::<Item>(&short).unwrap(), right);
        let others = [
            seal(3, 6, b" and a body"),
            seal(2, 7, b" and a body"),
            seal(2, 6, b" another"),
            seal(2, 6, b" and a body")[1..].to_vec(),
            vec![],
        ];
        for other in others {
            let (bytes, whole) = (other.len(), slice(&changes, other));
            let long = minicbor::to_vec(&whole).unwrap();
            assert_eq!(minicbor::decode::<Item>(&long).unwrap(), whole);
            assert!(
                long.len() + SIGNATURE_BYTES + 1 >= short.len() + bytes,
                "{bytes} bytes are said whole"
            );
        }
        let part = || ByteVec::from(vec![1, 2, 3]);
        let draft = DraftItem {
            record: part(),
            changes: vec![part()],
        };
        for item in [
            Item::Genesis(part()),
            Item::Charter(part()),
            Item::Term(part()),
            Item::Draft(draft),
            Item::Seal(part()),
            Item::Admit(part()),
            slice(&[], vec![]),
            slice(&[b"short"], vec![9; 3]),
        ] {
            let bytes = minicbor::to_vec(&item).unwrap();
            assert_eq!(minicbor::decode::<Item>(&bytes).unwrap(), item);
            for len in 0..bytes.len() {
                assert!(minicbor::decode::<Item>(&bytes[..len]).is_err(), "cut at {len}");
            }
        }
    }

    #[test]
    fn what_a_later_version_says_beside_is_passed_over_and_an_unknown_part_refused() {
        let later = |number: u8| [0x83, number, 0x82, 0x41, 9, 0x61, b'x', 0xf6];
        let read = minicbor::decode::<Item>(&later(1)).unwrap();
        assert_eq!(read, Item::Charter(vec![9].into()));
        assert!(minicbor::decode::<Item>(&later(7)).is_err());
    }
}
