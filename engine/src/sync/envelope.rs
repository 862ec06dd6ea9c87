//! A control message as bytes: one tag byte, then CBOR, compressed with LZ4 when it is long enough to gain by it.

use crate::limits::MESSAGE_BYTES_MAX;
use crate::sync::message::Message;

/// Below this, compressing saves less than its header and the time cost.
const COMPRESS_ABOVE_BYTES: usize = 128;

const PLAIN: u8 = 0;
const LZ4: u8 = 1;

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Nothing, or a header without its end.
    #[error("the message ends before its header does")]
    Short,
    /// A tag this version does not know.
    #[error("unknown message tag {0}")]
    Tag(u8),
    /// Larger than a message may be, before or after inflation.
    #[error("a message of {bytes} bytes is beyond the limit of {MESSAGE_BYTES_MAX}")]
    TooLarge {
        /// Its declared size.
        bytes: usize,
    },
    /// The compressed part does not inflate to what it declares.
    #[error("the compressed message is damaged")]
    Damaged,
    /// The CBOR is not one of the messages.
    #[error("not a message: {0}")]
    Form(String),
    /// Bytes follow the message.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
}

/// The bytes of a message.
#[must_use]
pub fn seal_up(message: &Message) -> Vec<u8> {
    let mut plain = vec![PLAIN];
    if minicbor::encode(message, &mut plain).is_err() {
        // Writing to a Vec cannot fail; an empty message would be refused by the other side.
        return Vec::new();
    }
    if plain.len() <= COMPRESS_ABOVE_BYTES {
        return plain;
    }
    let body = plain.get(1..).unwrap_or_default();
    let packed = lz4_flex::block::compress(body);
    if packed.len() + 5 >= plain.len() {
        return plain;
    }
    let mut sealed = Vec::with_capacity(packed.len() + 5);
    sealed.push(LZ4);
    sealed.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    sealed.extend_from_slice(&packed);
    sealed
}

/// The message in these bytes. Allocates at most what the limit allows, whatever the bytes claim.
///
/// # Errors
/// [`EnvelopeError`] when they are not exactly one message.
pub fn open(bytes: &[u8]) -> Result<Message, EnvelopeError> {
    open_up_to(MESSAGE_BYTES_MAX, bytes)
}

/// The same, of a message that has at most so many bytes before and after inflation.
pub(crate) fn open_up_to(most: usize, bytes: &[u8]) -> Result<Message, EnvelopeError> {
    if bytes.len() > most {
        return Err(EnvelopeError::TooLarge { bytes: bytes.len() });
    }
    match bytes.split_first() {
        None => Err(EnvelopeError::Short),
        Some((&PLAIN, body)) => decode(body),
        Some((&LZ4, rest)) => {
            let (size, packed) = rest.split_first_chunk::<4>().ok_or(EnvelopeError::Short)?;
            let size = u32::from_le_bytes(*size) as usize;
            if size > most {
                return Err(EnvelopeError::TooLarge { bytes: size });
            }
            let body = lz4_flex::block::decompress(packed, size).map_err(|_| EnvelopeError::Damaged)?;
            if body.len() == size {
                decode(&body)
            } else {
                Err(EnvelopeError::Damaged)
            }
        }
        Some((&tag, _)) => Err(EnvelopeError::Tag(tag)),
    }
}

fn decode(body: &[u8]) -> Result<Message, EnvelopeError> {
    let mut decoder = minicbor::Decoder::new(body);
    let message = decoder
        .decode()
        .map_err(|error| EnvelopeError::Form(error.to_string()))?;
    match body.len() - decoder.position() {
        0 => Ok(message),
        left => Err(EnvelopeError::Trailing(left)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{DeckId, TermId};
    use crate::sync::message::{Item, Position};

    fn sample(changes: usize) -> Message {
        let change = |at: usize| vec![u8::try_from(at % 7).unwrap(); 100].into();
        Message::Entries {
            deck: DeckId::from_bytes([1; 32]),
            items: vec![Item::Changes {
                term: TermId::from_bytes([2; 32]),
                from: 1,
                changes: (0..changes).map(change).collect(),
                seal: vec![3; 138].into(),
                after: crate::id::ChangeHash([4; 32]),
            }],
        }
    }

    #[test]
    fn small_and_large_messages_come_back() {
        for changes in [0, 1, 200] {
            let message = sample(changes);
            let bytes = seal_up(&message);
            assert_eq!(open(&bytes), Ok(message));
        }
        assert!(seal_up(&sample(200)).len() < 2_000, "repetition is compressed");
    }

    #[test]
    fn damage_of_any_kind_is_refused_without_a_panic() {
        for message in [sample(1), sample(200)] {
            let bytes = seal_up(&message);
            for len in 0..bytes.len() {
                assert!(open(&bytes[..len]).is_err(), "truncated to {len}");
            }
            for at in 0..bytes.len() {
                for flip in [1, 0x80, 0xff] {
                    let mut wrong = bytes.clone();
                    wrong[at] ^= flip;
                    // A flipped content byte may decode to another message: the gate judges that. Only no panic.
                    let _ = open(&wrong);
                }
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_inflated() {
        let bomb = |bytes: usize| {
            let mut bomb = vec![LZ4];
            bomb.extend_from_slice(&u32::try_from(bytes).unwrap().to_le_bytes());
            bomb.extend_from_slice(&[0; 100]);
            open(&bomb).unwrap_err()
        };
        for bytes in [MESSAGE_BYTES_MAX + 1, u32::MAX as usize] {
            assert_eq!(bomb(bytes), EnvelopeError::TooLarge { bytes });
        }
        let as_large_as_may_be = bomb(MESSAGE_BYTES_MAX);
        assert!(!matches!(as_large_as_may_be, EnvelopeError::TooLarge { .. }));
        let position = Position {
            term: TermId::from_bytes([0; 32]),
            len: 0,
            head: crate::id::ChangeHash([0; 32]),
        };
        let mut trailing = seal_up(&Message::Ack {
            deck: DeckId::from_bytes([0; 32]),
            held: position,
            taken: 0,
            changes: 0,
        });
        trailing.push(0);
        assert_eq!(open(&trailing), Err(EnvelopeError::Trailing(1)));
    }
}
