//! The frames of the two channels. All integers are little-endian:
//!
//! ```text
//! control, channel 0, unordered and reliable:
//!   1 part     8 sequence   1 flags: 1 first, 2 last, 4 goodbye   the part's bytes
//!   2 ping     8 stamp of the sender
//!   3 pong     8 the stamp
//!   4 hello    see `proof`        5 proof    see `proof`
//!   6 accepted                    7 refused  1 why
//! binary, channel 2, ordered and reliable:
//!   1 message  its bytes
//! ```
//!
//! A control message is its parts from `first` to `last`. The goodbye is a message of one byte, the reason.
//! Unordered, because the stack sends unordered data ahead of ordered: under load on a lossy path of 20 ms the round
//! trip of an ordered control channel was 63-83 ms, of an unordered one 41-43 ms. The sequence restores the order.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

use crate::invite::Reader;
use crate::limits::{CONTROL_MESSAGE_BYTES_MAX, FRAME_BYTES_MAX, REORDER_BYTES_MAX, REORDER_FRAMES_MAX};
use crate::link::CloseReason;

/// Negotiated on both sides before the offer: saves a handshake and loses no first message.
pub(super) const CONTROL_CHANNEL: u16 = 0;
pub(super) const BINARY_CHANNEL: u16 = 2;

const PART: u8 = 1;
const PING: u8 = 2;
const PONG: u8 = 3;
const HELLO: u8 = 4;
const PROOF: u8 = 5;
const ACCEPTED: u8 = 6;
const REFUSED: u8 = 7;
const MESSAGE: u8 = 1;

const FIRST: u8 = 1;
const LAST: u8 = 2;
const GOODBYE: u8 = 4;

const PART_HEADER_BYTES: usize = 10;
const PART_BYTES_MAX: usize = FRAME_BYTES_MAX - PART_HEADER_BYTES;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ControlFrame {
    Part(Part),
    Ping(u64),
    Pong(u64),
    Hello(Bytes),
    Proof(Bytes),
    Accepted,
    Refused(u8),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    sequence: u64,
    flags: u8,
    bytes: Bytes,
}

impl ControlFrame {
    /// `None` for what no version 0 sends.
    pub(super) fn decode(frame: &Bytes) -> Option<Self> {
        let mut reader = Reader(frame);
        let kind = reader.byte()?;
        Some(match kind {
            PART => {
                let sequence = u64::from_le_bytes(reader.array()?);
                let flags = reader.byte()?;
                let bytes = frame.slice(PART_HEADER_BYTES..);
                Self::Part(Part {
                    sequence,
                    flags,
                    bytes,
                })
            }
            PING => Self::Ping(u64::from_le_bytes(reader.array()?)),
            PONG => Self::Pong(u64::from_le_bytes(reader.array()?)),
            HELLO => Self::Hello(frame.slice(1..)),
            PROOF => Self::Proof(frame.slice(1..)),
            ACCEPTED => Self::Accepted,
            REFUSED => Self::Refused(reader.byte()?),
            _ => return None,
        })
    }

    pub(super) fn encode(&self) -> BytesMut {
        let mut frame = BytesMut::new();
        match self {
            Self::Part(part) => {
                frame.reserve(PART_HEADER_BYTES + part.bytes.len());
                frame.put_u8(PART);
                frame.put_u64_le(part.sequence);
                frame.put_u8(part.flags);
                frame.put_slice(&part.bytes);
            }
            Self::Ping(stamp) => {
                frame.put_u8(PING);
                frame.put_u64_le(*stamp);
            }
            Self::Pong(stamp) => {
                frame.put_u8(PONG);
                frame.put_u64_le(*stamp);
            }
            Self::Hello(bytes) => {
                frame.put_u8(HELLO);
                frame.put_slice(bytes);
            }
            Self::Proof(bytes) => {
                frame.put_u8(PROOF);
                frame.put_slice(bytes);
            }
            Self::Accepted => frame.put_u8(ACCEPTED),
            Self::Refused(why) => {
                frame.put_u8(REFUSED);
                frame.put_u8(*why);
            }
        }
        frame
    }
}

pub(super) fn encode_binary(message: &Bytes) -> BytesMut {
    let mut frame = BytesMut::with_capacity(1 + message.len());
    frame.put_u8(MESSAGE);
    frame.put_slice(message);
    frame
}

pub(super) fn decode_binary(frame: &Bytes) -> Option<Bytes> {
    (frame.first() == Some(&MESSAGE)).then(|| frame.slice(1..))
}

/// Cuts control messages into parts.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    sequence: u64,
}

impl Splitter {
    pub(super) fn split(&mut self, message: &Bytes) -> Vec<ControlFrame> {
        let parts = message.len().div_ceil(PART_BYTES_MAX).max(1);
        let mut frames = Vec::with_capacity(parts);
        for number in 0..parts {
            let from = number * PART_BYTES_MAX;
            let to = message.len().min(from + PART_BYTES_MAX);
            let first = if number == 0 { FIRST } else { 0 };
            let last = if number + 1 == parts { LAST } else { 0 };
            frames.push(self.part(first | last, message.slice(from..to)));
        }
        frames
    }

    /// The last frame of a lane, in order like all before it.
    pub(super) fn goodbye(&mut self, reason: &CloseReason) -> ControlFrame {
        let why = u8::from(*reason == CloseReason::Replaced);
        self.part(FIRST | LAST | GOODBYE, Bytes::copy_from_slice(&[why]))
    }

    fn part(&mut self, flags: u8, bytes: Bytes) -> ControlFrame {
        let sequence = self.sequence;
        self.sequence += 1;
        ControlFrame::Part(Part {
            sequence,
            flags,
            bytes,
        })
    }
}

/// What comes out of the parts, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    Message(Bytes),
    Goodbye(CloseReason),
}

/// Puts parts in order and joins them, within bounds.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    next: u64,
    early: BTreeMap<u64, Part>,
    early_bytes: usize,
    joined: Option<BytesMut>,
    ready: std::collections::VecDeque<Joined>,
}

impl Joiner {
    /// Adds a part; [`Joiner::next`] then gives what became whole.
    pub(super) fn add(&mut self, part: Part) -> Result<(), &'static str> {
        if part.sequence < self.next || self.early.contains_key(&part.sequence) {
            // A sender that is stopped in the middle of a frame may send it again.
            return Ok(());
        }
        if part.sequence > self.next {
            self.early_bytes += part.bytes.len();
            if part.sequence - self.next > REORDER_FRAMES_MAX || self.early_bytes > REORDER_BYTES_MAX {
                return Err("a control frame came too far ahead of its turn");
            }
            self.early.insert(part.sequence, part);
            return Ok(());
        }
        self.append(part)?;
        while let Some(part) = self.early.remove(&self.next) {
            self.early_bytes -= part.bytes.len();
            self.append(part)?;
        }
        Ok(())
    }

    pub(super) fn next(&mut self) -> Option<Joined> {
        self.ready.pop_front()
    }

    /// The part that later ones wait for.
    pub(super) fn missing(&self) -> Option<u64> {
        (!self.early.is_empty()).then_some(self.next)
    }

    /// Bytes of what is neither whole nor given out.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        let early: usize = self.early.values().map(|part| part.bytes.len()).sum();
        early + self.joined.as_ref().map_or(0, BytesMut::len)
    }

    fn append(&mut self, part: Part) -> Result<(), &'static str> {
        self.next += 1;
        let is_first = part.flags & FIRST != 0;
        let is_last = part.flags & LAST != 0;
        if is_first != self.joined.is_none() {
            return Err("a control message does not begin where it should");
        }
        let bytes = match self.joined.take() {
            // The usual case, one frame, without a copy.
            None if is_last => part.bytes,
            joined => {
                let mut joined = joined.unwrap_or_default();
                if joined.len() + part.bytes.len() > CONTROL_MESSAGE_BYTES_MAX {
                    return Err("a control message is longer than 8 MiB");
                }
                joined.extend_from_slice(&part.bytes);
                if !is_last {
                    self.joined = Some(joined);
                    return Ok(());
                }
                joined.freeze()
            }
        };
        self.ready.push_back(if part.flags & GOODBYE == 0 {
            Joined::Message(bytes)
        } else if bytes.first() == Some(&1) {
            Joined::Goodbye(CloseReason::Replaced)
        } else {
            Joined::Goodbye(CloseReason::There)
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(frame: ControlFrame) -> Part {
        // Through the wire format, as on a channel.
        match ControlFrame::decode(&frame.encode().freeze()) {
            Some(ControlFrame::Part(part)) => part,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn messages_of_every_size_come_back_from_any_order() {
        let sizes = [
            0,
            1,
            PART_BYTES_MAX - 1,
            PART_BYTES_MAX,
            PART_BYTES_MAX + 1,
            3 * PART_BYTES_MAX,
            500_000,
        ];
        let messages: Vec<Bytes> = sizes
            .iter()
            .enumerate()
            .map(|(n, &size)| Bytes::from(vec![n as u8; size]))
            .collect();
        for seed in 0..200_u64 {
            let mut splitter = Splitter::default();
            let mut parts: Vec<Part> = messages
                .iter()
                .flat_map(|m| splitter.split(m))
                .map(part)
                .collect();
            parts.push(part(splitter.goodbye(&CloseReason::Replaced)));
            let mut random = crate::wire::Random(seed);
            for at in 0..parts.len() {
                // Nearby only: the reorder window is bounded.
                let with = (at + random.next() as usize % 5).min(parts.len() - 1);
                parts.swap(at, with);
            }
            let mut joiner = Joiner::default();
            let mut joined = Vec::new();
            for part in parts {
                joiner
                    .add(part)
                    .unwrap_or_else(|why| panic!("seed {seed}: {why}"));
                joined.extend(std::iter::from_fn(|| joiner.next()));
            }
            let expected: Vec<Joined> = messages
                .iter()
                .cloned()
                .map(Joined::Message)
                .chain([Joined::Goodbye(CloseReason::Replaced)])
                .collect();
            assert!(joined == expected, "seed {seed}");
        }
    }

    #[test]
    fn a_peer_cannot_make_us_hold_more_than_the_bounds() {
        let far = Part {
            sequence: REORDER_FRAMES_MAX + 1,
            flags: FIRST | LAST,
            bytes: Bytes::new(),
        };
        assert!(Joiner::default().add(far).is_err());
        let mut joiner = Joiner::default();
        let bytes = Bytes::from(vec![0; PART_BYTES_MAX]);
        let refused = (1..1000).find_map(|sequence| {
            joiner
                .add(Part {
                    sequence,
                    flags: FIRST | LAST,
                    bytes: bytes.clone(),
                })
                .err()
        });
        assert!(refused.is_some());
        assert!(joiner.early_bytes <= REORDER_BYTES_MAX + PART_BYTES_MAX);
        let mut joiner = Joiner::default();
        let refused = (0..1000).find_map(|sequence| {
            let flags = if sequence == 0 { FIRST } else { 0 };
            joiner
                .add(Part {
                    sequence,
                    flags,
                    bytes: bytes.clone(),
                })
                .err()
        });
        assert_eq!(refused, Some("a control message is longer than 8 MiB"));
    }

    #[test]
    fn frames_out_of_line_are_refused() {
        let mut joiner = Joiner::default();
        let whole = |sequence| Part {
            sequence,
            flags: FIRST | LAST,
            bytes: Bytes::new(),
        };
        joiner.add(whole(0)).unwrap();
        joiner.add(whole(0)).unwrap();
        assert_eq!(joiner.next(), Some(Joined::Message(Bytes::new())));
        assert_eq!(joiner.next(), None, "what comes twice counts once");
        assert!(
            joiner
                .add(Part {
                    flags: LAST,
                    ..whole(1)
                })
                .is_err(),
            "no beginning"
        );
        let mut joiner = Joiner::default();
        joiner
            .add(Part {
                flags: FIRST,
                ..whole(0)
            })
            .unwrap();
        assert!(joiner.add(whole(1)).is_err(), "begins within another");
    }

    #[test]
    fn no_bytes_panic_and_known_frames_come_back() {
        let frames = [
            ControlFrame::Ping(7),
            ControlFrame::Pong(u64::MAX),
            ControlFrame::Hello(Bytes::from_static(b"hello")),
            ControlFrame::Proof(Bytes::from_static(b"proof")),
            ControlFrame::Accepted,
            ControlFrame::Refused(3),
            Splitter::default().split(&Bytes::from_static(b"part")).remove(0),
        ];
        for frame in frames {
            let bytes = frame.encode().freeze();
            assert_eq!(ControlFrame::decode(&bytes), Some(frame));
            for length in 0..bytes.len() {
                let _ = ControlFrame::decode(&bytes.slice(..length));
            }
        }
        assert_eq!(ControlFrame::decode(&Bytes::from_static(&[99, 0, 0])), None);
        assert_eq!(decode_binary(&Bytes::from_static(&[9])), None);
        assert_eq!(decode_binary(&Bytes::new()), None);
    }
}
