//! What a code says, in bytes. All integers are little-endian:
//!
//! ```text
//! 1  version (0)            1  kind (1 offer, 2 answer)
//! 32 device id of the maker 32 SHA-256 of its DTLS certificate
//! 4  ICE user fragment      16 ICE password (both travel as hex)
//! 1  number of addresses, then for each: 1 family (4 or 6), 4 or 16 address, 2 port
//! 1  length of the payload, then the payload
//! answers only: 8 which offer this answers
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::text;
use crate::DeviceId;
use crate::limits::{ADDRESSES_MAX, PAYLOAD_BYTES_MAX};

const VERSION: u8 = 0;

/// Which half of the exchange a code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeKind {
    /// Starts: give it to the other device.
    Offer,
    /// Replies to the offer whose [`Code::tag`] this is: give it back.
    Answer([u8; 8]),
}

/// One side's session description.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    /// Offer or answer.
    pub kind: CodeKind,
    /// The device that made it; the one at the other end of the link must prove to be this.
    pub device: DeviceId,
    /// SHA-256 of its DTLS certificate.
    pub fingerprint: [u8; 32],
    /// Its ICE user fragment, before hex.
    pub fragment: [u8; 4],
    /// Its ICE password, before hex.
    pub password: [u8; 16],
    /// Where it may be reached.
    pub addresses: Vec<SocketAddr>,
    /// Whatever the layer above adds.
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The password stays out of logs.
        f.debug_struct("Code")
            .field("kind", &self.kind)
            .field("device", &self.device)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// Why a text is not a usable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Ends too early.
    #[error("the code is incomplete: copy it whole")]
    Short,
    /// Goes on too long.
    #[error("the text is too long to be a code: copy the code alone")]
    Long,
    /// A character that no code has.
    #[error("{0:?} does not occur in a code: copy the code alone")]
    Character(char),
    /// The check at the end does not fit.
    #[error("there is a typing error in this code, or a part is missing: copy it again")]
    Check,
    /// Made by a version that this one does not know.
    #[error("this code is of version {0}, which this version does not know: update both devices")]
    Version(u8),
    /// An answer where an offer belongs, or the reverse.
    #[error(
        "this is the other kind of code: the offer goes to the second device, its answer comes back to the first"
    )]
    Kind,
    /// An answer to another offer.
    #[error("this answers another offer: answer the latest code")]
    OtherOffer,
    /// Made by this very device.
    #[error("this code was made by this device: open it on the other one")]
    Own,
    /// Fields that no version makes.
    #[error("the code is malformed: ask for a new one")]
    Malformed,
    /// More payload than a code carries.
    #[error("a code carries 128 bytes of payload at most")]
    Payload,
}

impl Code {
    /// As text to paste.
    ///
    /// # Errors
    /// [`CodeError::Payload`] when the payload is too long.
    pub fn encode(&self) -> Result<String, CodeError> {
        if self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(CodeError::Payload);
        }
        Ok(text::encode(&self.to_bytes()))
    }

    /// From pasted text. Line breaks and blanks are ignored.
    ///
    /// # Errors
    /// [`CodeError`] says what is wrong with it.
    pub fn decode(text: &str) -> Result<Self, CodeError> {
        Self::from_bytes(&text::decode(text)?)
    }

    /// Names an offer within its answer.
    #[must_use]
    pub fn tag(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = blake3::derive_key("cuecard offer tag v0", &self.to_bytes());
        [a, b, c, d, e, f, g, h]
    }

    fn to_bytes(&self) -> Vec<u8> {
        let kind = match self.kind {
            CodeKind::Offer => 1,
            CodeKind::Answer(_) => 2,
        };
        let mut bytes = vec![VERSION, kind];
        bytes.extend_from_slice(self.device.as_bytes());
        bytes.extend_from_slice(&self.fingerprint);
        bytes.extend_from_slice(&self.fragment);
        bytes.extend_from_slice(&self.password);
        put_addresses(&mut bytes, &self.addresses);
        bytes.push(u8::try_from(self.payload.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(&self.payload);
        if let CodeKind::Answer(offer) = self.kind {
            bytes.extend_from_slice(&offer);
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, CodeError> {
        let mut reader = Reader(bytes);
        let version = reader.byte().ok_or(CodeError::Short)?;
        if version != VERSION {
            return Err(CodeError::Version(version));
        }
        Self::read(&mut reader).ok_or(CodeError::Malformed)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let kind = reader.byte()?;
        let device = DeviceId::from_bytes(reader.array()?);
        let fingerprint = reader.array()?;
        let fragment = reader.array()?;
        let password = reader.array()?;
        let addresses = reader.addresses()?;
        let payload_bytes = usize::from(reader.byte()?);
        if payload_bytes > PAYLOAD_BYTES_MAX {
            return None;
        }
        let payload = reader.take(payload_bytes)?.to_vec();
        let kind = match kind {
            1 => CodeKind::Offer,
            2 => CodeKind::Answer(reader.array()?),
            _ => return None,
        };
        reader.0.is_empty().then_some(Self {
            kind,
            device,
            fingerprint,
            fragment,
            password,
            addresses,
            payload,
        })
    }
}

/// Reads what a peer or a file wrote; never beyond its end.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn addresses(&mut self) -> Option<Vec<SocketAddr>> {
        let count = usize::from(self.byte()?);
        if count > ADDRESSES_MAX {
            return None;
        }
        (0..count).map(|_| self.address()).collect()
    }

    fn address(&mut self) -> Option<SocketAddr> {
        let ip = match self.byte()? {
            4 => IpAddr::V4(Ipv4Addr::from(self.array::<4>()?)),
            6 => IpAddr::V6(Ipv6Addr::from(self.array::<16>()?)),
            _ => return None,
        };
        let port = u16::from_le_bytes(self.array()?);
        Some(SocketAddr::new(ip, port))
    }
}

/// The first [`ADDRESSES_MAX`] of them.
pub(crate) fn put_addresses(bytes: &mut Vec<u8>, addresses: &[SocketAddr]) {
    let count = addresses.len().min(ADDRESSES_MAX);
    bytes.push(u8::try_from(count).unwrap_or(u8::MAX));
    for address in addresses.iter().take(count) {
        match address.ip() {
            IpAddr::V4(ip) => {
                bytes.push(4);
                bytes.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                bytes.push(6);
                bytes.extend_from_slice(&ip.octets());
            }
        }
        bytes.extend_from_slice(&address.port().to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(kind: CodeKind) -> Code {
        Code {
            kind,
            device: DeviceId::from_bytes([7; 32]),
            fingerprint: [8; 32],
            fragment: [9; 4],
            password: [10; 16],
            addresses: vec![
                "192.0.2.7:40000".parse().unwrap(),
                "[2001:db8::1]:40001".parse().unwrap(),
            ],
            payload: vec![1, 2, 3],
        }
    }

    #[test]
    fn codes_come_back_through_line_breaks_and_capitals() {
        for kind in [CodeKind::Offer, CodeKind::Answer([5; 8])] {
            let text = code(kind).encode().unwrap();
            assert_eq!(Code::decode(&text), Ok(code(kind)));
            let mut broken = String::from("\n ");
            for (at, character) in text.to_uppercase().chars().enumerate() {
                broken.push(character);
                if at % 20 == 19 {
                    broken.push_str("\r\n");
                }
            }
            assert_eq!(Code::decode(&broken), Ok(code(kind)));
        }
    }

    #[test]
    fn every_truncation_is_an_error_with_a_name() {
        let text = code(CodeKind::Answer([5; 8])).encode().unwrap();
        for length in 0..text.len() {
            let error = Code::decode(&text[..length]).unwrap_err();
            assert!(
                matches!(error, CodeError::Short | CodeError::Check),
                "at {length}: {error:?}"
            );
        }
    }

    #[test]
    fn every_changed_character_is_an_error_with_a_name() {
        let text = code(CodeKind::Offer).encode().unwrap();
        for at in 0..text.len() {
            for with in "0123456789abcdefghjkmnpqrstvwxyz".chars() {
                let mut wrong: Vec<char> = text.chars().collect();
                if wrong[at] == with {
                    continue;
                }
                wrong[at] = with;
                let wrong: String = wrong.into_iter().collect();
                assert_eq!(Code::decode(&wrong), Err(CodeError::Check), "{with} at {at}");
            }
            let mut wrong: Vec<char> = text.chars().collect();
            wrong[at] = 'u';
            let wrong: String = wrong.into_iter().collect();
            assert_eq!(Code::decode(&wrong), Err(CodeError::Character('u')));
        }
    }

    #[test]
    fn well_checked_nonsense_is_refused_at_every_length() {
        let bytes = code(CodeKind::Offer).to_bytes();
        for length in 1..bytes.len() {
            let error = Code::decode(&text::encode(&bytes[..length])).unwrap_err();
            assert_eq!(error, CodeError::Malformed, "at {length}");
        }
        let mut newer = bytes.clone();
        newer[0] = 9;
        assert_eq!(Code::decode(&text::encode(&newer)), Err(CodeError::Version(9)));
        let mut longer = bytes;
        longer.push(0);
        assert_eq!(Code::decode(&text::encode(&longer)), Err(CodeError::Malformed));
        let endless = "0".repeat(CODE_CHARACTERS_MAX_PLUS_ONE);
        assert_eq!(Code::decode(&endless), Err(CodeError::Long));
    }

    const CODE_CHARACTERS_MAX_PLUS_ONE: usize = crate::limits::CODE_CHARACTERS_MAX + 1;

    #[test]
    fn a_payload_that_is_too_long_is_refused() {
        let mut long = code(CodeKind::Offer);
        long.payload = vec![0; PAYLOAD_BYTES_MAX + 1];
        assert_eq!(long.encode(), Err(CodeError::Payload));
        long.payload.truncate(PAYLOAD_BYTES_MAX);
        assert_eq!(Code::decode(&long.encode().unwrap()), Ok(long));
    }
}
