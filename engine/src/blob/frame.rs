//! One frame of the binary lane: eight bytes of header, then a verifiable slice of a blob.

use bytes::{BufMut, Bytes, BytesMut};

/// Groups (of 16 KiB) in one frame: 48 KiB and their hashes stay below the lane's frame of 64 KiB, so that a frame
/// is one message of the channel below and control never waits behind a longer one.
pub(crate) const FRAME_GROUPS: u32 = 3;

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// The number that the asker gave.
    pub(crate) transfer: u32,
    /// The first group in the frame.
    pub(crate) group: u32,
}

impl FrameHeader {
    /// The frame: this header, then `slice`.
    #[must_use]
    pub(crate) fn with(self, slice: &[u8]) -> Bytes {
        let mut frame = BytesMut::with_capacity(8 + slice.len());
        frame.put_u32_le(self.transfer);
        frame.put_u32_le(self.group);
        frame.put_slice(slice);
        frame.freeze()
    }

    /// Header and slice of a frame; `None` when it is shorter than a header.
    #[must_use]
    pub(crate) fn split(frame: &[u8]) -> Option<(Self, &[u8])> {
        let (transfer, rest) = frame.split_first_chunk::<4>()?;
        let (group, slice) = rest.split_first_chunk::<4>()?;
        Some((
            Self {
                transfer: u32::from_le_bytes(*transfer),
                group: u32::from_le_bytes(*group),
            },
            slice,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_apart_as_it_was_put_together() {
        let header = FrameHeader {
            transfer: 7,
            group: 0x0102_0304,
        };
        let frame = header.with(b"slice");
        assert_eq!(frame[..8], [7, 0, 0, 0, 4, 3, 2, 1]);
        assert_eq!(FrameHeader::split(&frame), Some((header, b"slice".as_slice())));
        assert!((0..8).all(|len| FrameHeader::split(&frame[..len]).is_none()));
    }
}
