//! Reading and writing the fixed layouts: little-endian, nothing optional, one spelling for one record.

use crate::id::ChangeHash;
use cuecard_transport::DeviceId;

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The bytes end too early.
    #[error("the record is cut short; ask for it again")]
    Truncated,
    /// There are bytes after the end.
    #[error("{0} bytes follow the end of the record; it is refused, since a record has one spelling only")]
    Trailing(usize),
    /// Another kind of record, or none.
    #[error("this is not the kind of record that belongs here (kind {0})")]
    Kind(u8),
    /// A format that this version does not know.
    #[error("the record has format version {0}; update Cuecard to read it")]
    Version(u8),
    /// A field has a value that it cannot have.
    #[error("the record's {0} has a value that it cannot have")]
    Field(&'static str),
    /// A field is above its limit.
    #[error("the record's {0} is above its limit")]
    Limit(&'static str),
}

/// Where a record is written to.
pub struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }

    /// Bytes behind their count. A record's `check` keeps the count in two bytes; one that does not pass it is never
    /// signed or sent.
    pub(super) fn counted(&mut self, value: &[u8]) {
        self.u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        self.bytes(value);
    }
}

/// Where a record is read from: what is left of it.
pub struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    /// Bytes behind their count.
    pub(super) fn counted(&mut self, most: usize) -> Result<&'a [u8], Malformed> {
        let count = usize::from(self.u16()?);
        if count > most {
            return Err(Malformed::Limit("length"));
        }
        self.bytes(count)
    }

    /// The same, as text.
    pub(super) fn text(&mut self, most: usize, field: &'static str) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.counted(most)?).map_err(|_| Malformed::Field(field))
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::Field(field)),
        }
    }

    pub(super) fn device(&mut self) -> Result<DeviceId, Malformed> {
        self.array().map(DeviceId::from_bytes)
    }

    pub(super) fn change(&mut self) -> Result<ChangeHash, Malformed> {
        self.array().map(ChangeHash)
    }

    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Trailing(self.0.len()))
        }
    }
}
