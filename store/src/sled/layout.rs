//! How records and values lie in sled.
//!
//! One tree, whose keys start with a byte that says what follows:
//!
//! ```text
//! 's' stream (32) seq (8, big-endian)          a record
//! 'k' key                                      a value
//! 'p' hash of the key above (16) index (4)     a further piece of either, from 1 on
//! 'n'                                          how many batches there were: see mark.rs
//!
//! value of 's', 'k', 'n':   version (1)  flags (1)  length (4)  checksum (8)  first piece
//! value of 'p':           piece
//! ```
//!
//! The checksum covers the key, version, flags, length and the whole content, so that neither bytes nor
//! whole records can change places unnoticed: sled 0.34 loses and mixes up data on damaged files without
//! saying so. Flag bit 0 is reserved for content encrypted at rest.

use crate::StreamId;
use crate::limits::{PIECE_BYTES_MAX, VALUE_BYTES_MAX};

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 1 + 1 + 4 + CHECKSUM_BYTES;
const CHECKSUM_BYTES: usize = 8;
const FIRST_PIECE_BYTES: usize = PIECE_BYTES_MAX - HEADER_BYTES;

const RECORD: u8 = b's';
const VALUE: u8 = b'k';
const PIECE: u8 = b'p';

/// The key of the number of batches.
pub(super) const COUNT: [u8; 1] = *b"n";

/// What the key of a tree entry says it is.
pub(super) enum Place {
    Record { stream: StreamId, seq: u64 },
    Value { key: Vec<u8> },
    Piece,
    Count,
    Unknown,
}

impl Place {
    pub(super) fn of(key: &[u8]) -> Self {
        match key.split_first() {
            Some((&RECORD, rest)) => parse_record(rest).unwrap_or(Self::Unknown),
            Some((&VALUE, rest)) => Self::Value { key: rest.to_vec() },
            Some((&PIECE, _)) => Self::Piece,
            _ if key == COUNT => Self::Count,
            _ => Self::Unknown,
        }
    }
}

fn parse_record(rest: &[u8]) -> Option<Place> {
    let (stream, seq) = rest.split_first_chunk::<32>()?;
    let seq = u64::from_be_bytes(seq.try_into().ok()?);
    Some(Place::Record {
        stream: StreamId::from_bytes(*stream),
        seq,
    })
}

pub(super) fn stream_prefix(stream: StreamId) -> Vec<u8> {
    let mut key = vec![RECORD];
    key.extend_from_slice(stream.as_bytes());
    key
}

pub(super) fn record_key(stream: StreamId, seq: u64) -> Vec<u8> {
    let mut key = stream_prefix(stream);
    key.extend_from_slice(&seq.to_be_bytes());
    key
}

pub(super) fn value_key(key: &[u8]) -> Vec<u8> {
    let mut full = vec![VALUE];
    full.extend_from_slice(key);
    full
}

/// The key that all further pieces of an entry start with.
pub(super) fn piece_prefix(head: &[u8]) -> Vec<u8> {
    let mut key = vec![PIECE];
    key.extend(blake3::hash(head).as_bytes().iter().take(16));
    key
}

pub(super) fn piece_key(head: &[u8], index: u32) -> Vec<u8> {
    let mut key = piece_prefix(head);
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// The value of the head entry, and of each further piece.
pub(super) fn encode(head: &[u8], content: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (first, rest) = content.split_at(content.len().min(FIRST_PIECE_BYTES));
    // The door refuses longer content, so this never saturates.
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let mut value = Vec::with_capacity(HEADER_BYTES + first.len());
    value.extend_from_slice(&[VERSION, 0]);
    value.extend_from_slice(&length.to_be_bytes());
    value.extend_from_slice(&checksum(head, VERSION, 0, length, content));
    value.extend_from_slice(first);
    (value, rest.chunks(PIECE_BYTES_MAX).map(<[u8]>::to_vec).collect())
}

/// Why an entry cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    Damaged,
    Format,
}

/// A head entry taken apart; nothing in it is believed before the checksum was compared.
pub(super) struct Head<'v> {
    version: u8,
    flags: u8,
    length: u32,
    checksum: [u8; CHECKSUM_BYTES],
    first: &'v [u8],
}

impl<'v> Head<'v> {
    pub(super) fn parse(value: &'v [u8]) -> Result<Self, Flaw> {
        let (&[version, flags], rest) = value.split_first_chunk::<2>().ok_or(Flaw::Damaged)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(Flaw::Damaged)?;
        let (checksum, first) = rest.split_first_chunk::<CHECKSUM_BYTES>().ok_or(Flaw::Damaged)?;
        let length = u32::from_be_bytes(*length);
        let expected_first = (length as usize).min(FIRST_PIECE_BYTES);
        if length as usize > VALUE_BYTES_MAX || first.len() != expected_first {
            return Err(Flaw::Damaged);
        }
        Ok(Self {
            version,
            flags,
            length,
            checksum: *checksum,
            first,
        })
    }

    /// How many further pieces there are, if the header is right.
    pub(super) fn pieces(&self) -> u32 {
        let rest = (self.length as usize - self.first.len()).div_ceil(PIECE_BYTES_MAX);
        u32::try_from(rest).unwrap_or(u32::MAX)
    }

    /// The content, from the further pieces in order.
    pub(super) fn content<E>(
        &self,
        head: &[u8],
        mut piece: impl FnMut(u32) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Result<Vec<u8>, Flaw>, E> {
        let mut content = self.first.to_vec();
        for index in 1..=self.pieces() {
            match piece(index)? {
                Some(bytes) if bytes.len() <= PIECE_BYTES_MAX => content.extend_from_slice(&bytes),
                _ => return Ok(Err(Flaw::Damaged)),
            }
        }
        let sum = checksum(head, self.version, self.flags, self.length, &content);
        if content.len() != self.length as usize || sum != self.checksum {
            return Ok(Err(Flaw::Damaged));
        }
        // Only now is the version believed: a flipped bit in it is damage, not a newer format.
        Ok(if self.version == VERSION && self.flags == 0 {
            Ok(content)
        } else {
            Err(Flaw::Format)
        })
    }
}

fn checksum(head: &[u8], version: u8, flags: u8, length: u32, content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(head.len() as u64).to_be_bytes());
    hasher.update(head);
    hasher.update(&[version, flags]);
    hasher.update(&length.to_be_bytes());
    hasher.update(content);
    let mut sum = [0; CHECKSUM_BYTES];
    hasher.finalize_xof().fill(&mut sum);
    sum
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{always, bytes, changed, changes};

    fn decode(head: &[u8], value: &[u8], pieces: &[Vec<u8>]) -> Result<Vec<u8>, Flaw> {
        let piece = |index: u32| Ok::<_, Infallible>(pieces.get(index as usize - 1).cloned());
        Head::parse(value)?.content(head, piece).unwrap()
    }

    #[test]
    fn content_of_every_length_comes_back_in_pieces_sled_can_bear() {
        for length in [
            0,
            1,
            FIRST_PIECE_BYTES,
            FIRST_PIECE_BYTES + 1,
            FIRST_PIECE_BYTES + PIECE_BYTES_MAX,
            99_999,
        ] {
            let content: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let (value, pieces) = encode(b"head", &content);
            assert!(
                value.len() <= PIECE_BYTES_MAX && pieces.iter().all(|piece| piece.len() <= PIECE_BYTES_MAX)
            );
            assert_eq!(decode(b"head", &value, &pieces), Ok(content), "{length} bytes");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (value, pieces) = encode(b"head", &vec![3; FIRST_PIECE_BYTES + 20]);
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                decode(b"head", &flipped, &pieces),
                Err(Flaw::Damaged),
                "bit {bit}"
            );
        }
        for bit in 0..20 * 8 {
            let mut flipped = pieces.clone();
            flipped[0][bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                decode(b"head", &value, &flipped),
                Err(Flaw::Damaged),
                "bit {bit} of a piece"
            );
        }
    }

    #[test]
    fn a_record_in_the_place_of_another_is_noticed() {
        let stream = StreamId::from_bytes([1; 32]);
        let (value, pieces) = encode(&record_key(stream, 1), b"one");
        assert_eq!(
            decode(&record_key(stream, 2), &value, &pieces),
            Err(Flaw::Damaged)
        );
    }

    #[test]
    fn a_sound_entry_of_a_later_format_is_told_from_damage() {
        let mut value = vec![VERSION, 1, 0, 0, 0, 2];
        value.extend_from_slice(&checksum(b"head", VERSION, 1, 2, b"hi"));
        value.extend_from_slice(b"hi");
        assert_eq!(decode(b"head", &value, &[]), Err(Flaw::Format));
    }

    /// Bytes whose checksum is right, whatever the rest says: so that what lies behind it is reached.
    fn with_checksum(head: &[u8], mut value: Vec<u8>, pieces: &[Vec<u8>]) -> Vec<u8> {
        if value.len() < HEADER_BYTES {
            return value;
        }
        let length = u32::from_be_bytes(value[2..6].try_into().unwrap());
        let content = [&value[HEADER_BYTES..], &pieces.concat()].concat();
        let sum = checksum(head, value[0], value[1], length, &content);
        value[6..HEADER_BYTES].copy_from_slice(&sum);
        value
    }

    #[test]
    fn whatever_is_read_as_an_entry_is_what_would_be_written_for_it() {
        let entry = (bytes(), bytes(), vec(bytes(), 0..3), any::<bool>());
        always(entry, |(head, value, pieces, sound)| {
            let value = match sound {
                true => with_checksum(&head, value, &pieces),
                false => value,
            };
            if let Ok(content) = decode(&head, &value, &pieces) {
                let (again, more) = encode(&head, &content);
                prop_assert_eq!(again, value);
                prop_assert_eq!(more.as_slice(), &pieces[..more.len()]);
            }
            Ok(())
        });
    }

    #[test]
    fn a_changed_entry_is_damaged_or_unchanged_or_of_a_later_format() {
        let case = (bytes(), bytes(), changes(), changes(), any::<bool>());
        always(case, |(head, content, to_value, to_piece, sound)| {
            let (value, mut pieces) = encode(&head, &content);
            let mut damaged = changed(value, &to_value);
            if let Some(last) = pieces.last_mut() {
                *last = changed(last.clone(), &to_piece);
            }
            if sound {
                damaged = with_checksum(&head, damaged, &pieces);
            }
            match decode(&head, &damaged, &pieces) {
                Ok(read) if sound => prop_assert_eq!(encode(&head, &read).0, damaged),
                Ok(read) => prop_assert_eq!(read, content),
                Err(Flaw::Format) => prop_assert!(sound, "only a sound checksum makes a version believed"),
                Err(Flaw::Damaged) => {}
            }
            Ok(())
        });
    }

    #[test]
    fn any_key_has_one_meaning() {
        let prefixed = (proptest::sample::select(b"skpn".as_slice()), bytes())
            .prop_map(|(kind, rest)| [&[kind], rest.as_slice()].concat());
        let record = vec(any::<u8>(), 40).prop_map(|rest| [b"s", rest.as_slice()].concat());
        always(prop_oneof![bytes(), prefixed, record], |key| {
            match Place::of(&key) {
                Place::Record { stream, seq } => prop_assert_eq!(record_key(stream, seq), key),
                Place::Value { key: inner } => prop_assert_eq!(value_key(&inner), key),
                Place::Count => prop_assert_eq!(COUNT.as_slice(), &key),
                Place::Piece => prop_assert_eq!(key.first(), Some(&PIECE)),
                Place::Unknown => {}
            }
            Ok(())
        });
    }
}
