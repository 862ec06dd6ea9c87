//! What a code says, in bytes. All integers are little-endian:
//!
//! ```text
//! 1  version (0)
//! 1  kind: 1 offer, 2 answer; 128 more when the credentials are text; 64 more when there are relays; 32 more when the
//!    offerer begins the handshake
//! 32 device id of the maker
//! 32 SHA-256 of its DTLS certificate
//! 20 ICE user fragment (4) and password (16), which are used as hex; or, as text, each with its length in 1 before it
//! 4  the minute, counted from 1970, in which its maker stops waiting
//! 1  number of addresses: of IPv4 in the low four bits, of IPv6 in the high four
//! 6  for each IPv4 address: 4 address, 2 port     18 for each IPv6 address: 16 address, 2 port
//!    when there are relays: their addresses, in the same form
//! 1  length of the payload, then the payload
//! 8  answers only: which offer this answers
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use super::{Credentials, text};
use crate::DeviceId;
#[cfg(feature = "webrtc")]
use crate::limits::ADDRESSES_MAX;
use crate::limits::{CODE_CLOCK_SKEW, CODE_FAMILY_ADDRESSES_MAX, PATIENCE_MAX, PAYLOAD_BYTES_MAX};

const VERSION: u8 = 0;
const OFFER: u8 = 1;
const ANSWER: u8 = 2;
const TEXT_CREDENTIALS: u8 = 128;
const RELAYS: u8 = 64;
const OFFERER_BEGINS: u8 = 32;

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
    /// Its ICE credentials.
    pub credentials: Credentials,
    /// Whether the side that made the offer begins the DTLS handshake: in an offer as it wishes, in an answer as it is. Else the
    /// answering one does.
    pub offerer_begins: bool,
    /// The minute, counted from 1970, in which its maker stops waiting.
    pub expires_minute: u32,
    /// Where it may be reached, best first; IPv4 before IPv6.
    pub addresses: Vec<SocketAddr>,
    /// Where relays have it: for when nothing else leads there.
    pub relays: Vec<SocketAddr>,
    /// Whatever the layer above adds.
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
    /// Its maker no longer waits.
    #[error("this code ran out {minutes} minutes ago: ask for a new one")]
    Expired {
        /// How long ago.
        minutes: u32,
    },
    /// One exchange makes one link.
    #[error("it has made a link already: use the saved route, or make a new offer")]
    Used,
    /// Made by this very device.
    #[error("this code was made by this device: open it on the other one")]
    Own,
    /// Fields that no version makes.
    #[error("the code is malformed: ask for a new one")]
    Malformed,
    /// More payload than a code carries.
    #[error("a code carries {PAYLOAD_BYTES_MAX} bytes of payload at most")]
    Payload,
}

impl Code {
    /// As text to paste.
    ///
    /// # Errors
    /// [`CodeError::Payload`] when the payload is too long.
    pub fn encode(&self) -> Result<String, CodeError> {
        Ok(text::encode(&self.to_bytes()?))
    }

    /// From pasted text. Line breaks and blanks are ignored. Whether it still holds is for [`Code::check_time`] to say.
    ///
    /// # Errors
    /// [`CodeError`] says what is wrong with it.
    pub fn decode(text: &str) -> Result<Self, CodeError> {
        Self::from_bytes(&text::decode(text)?)
    }

    /// As raw bytes, for a picture that a camera reads. Secret as long as it is waited for.
    ///
    /// # Errors
    /// [`CodeError::Payload`] when the payload is too long.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CodeError> {
        if self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(CodeError::Payload);
        }
        Ok(self.bytes())
    }

    /// From raw bytes.
    ///
    /// # Errors
    /// [`CodeError`] says what is wrong with them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodeError> {
        let mut reader = Reader(bytes);
        let version = reader.byte().ok_or(CodeError::Short)?;
        if version != VERSION {
            return Err(CodeError::Version(version));
        }
        Self::read(&mut reader).ok_or(CodeError::Malformed)
    }

    /// Whether its maker still waits, by our clock, with some minutes' allowance for clocks that differ.
    ///
    /// # Errors
    /// [`CodeError::Expired`] when it does not.
    pub fn check_time(&self, now: SystemTime) -> Result<(), CodeError> {
        let late = minute_of(now).saturating_sub(self.expires_minute);
        if u64::from(late) * 60 > CODE_CLOCK_SKEW.as_secs() {
            return Err(CodeError::Expired { minutes: late });
        }
        Ok(())
    }

    /// The value of [`Code::expires_minute`] for one that is waited for from `now` on for so long.
    #[must_use]
    pub fn expires_after(now: SystemTime, within: Duration) -> u32 {
        let until = now.checked_add(within.min(PATIENCE_MAX));
        until.map_or(u32::MAX, |until| minute_of(until).saturating_add(1))
    }

    /// Names an offer within its answer.
    #[must_use]
    pub fn tag(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = blake3::derive_key("cuecard offer tag v0", &self.bytes());
        [a, b, c, d, e, f, g, h]
    }

    fn bytes(&self) -> Vec<u8> {
        let kind = match self.kind {
            CodeKind::Offer => OFFER,
            CodeKind::Answer(_) => ANSWER,
        };
        let compact = self.credentials.to_bytes();
        let text = if compact.is_some() { 0 } else { TEXT_CREDENTIALS };
        let relays = if self.relays.is_empty() { 0 } else { RELAYS };
        let begins = if self.offerer_begins { OFFERER_BEGINS } else { 0 };
        let mut bytes = vec![VERSION, kind | text | relays | begins];
        bytes.extend_from_slice(self.device.as_bytes());
        bytes.extend_from_slice(&self.fingerprint);
        if let Some((fragment, password)) = compact {
            bytes.extend_from_slice(&fragment);
            bytes.extend_from_slice(&password);
        } else {
            for text in [self.credentials.fragment(), self.credentials.password()] {
                bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        bytes.extend_from_slice(&self.expires_minute.to_le_bytes());
        put_by_family(&mut bytes, &self.addresses);
        if !self.relays.is_empty() {
            put_by_family(&mut bytes, &self.relays);
        }
        bytes.push(u8::try_from(self.payload.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(&self.payload);
        if let CodeKind::Answer(offer) = self.kind {
            bytes.extend_from_slice(&offer);
        }
        bytes
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let kind = reader.byte()?;
        let device = DeviceId::from_bytes(reader.array()?);
        let fingerprint = reader.array()?;
        let credentials = if kind & TEXT_CREDENTIALS == 0 {
            Credentials::from_bytes(&reader.array()?, &reader.array()?)
        } else {
            let (fragment, password) = (reader.text()?, reader.text()?);
            let credentials = Credentials::from_text(fragment, password)?;
            // One code has one spelling.
            credentials.to_bytes().is_none().then_some(credentials)?
        };
        let expires_minute = u32::from_le_bytes(reader.array()?);
        let addresses = reader.by_family()?;
        let relays = if kind & RELAYS == 0 {
            Vec::new()
        } else {
            // One code has one spelling.
            reader.by_family().filter(|relays| !relays.is_empty())?
        };
        let payload_bytes = usize::from(reader.byte()?);
        if payload_bytes > PAYLOAD_BYTES_MAX {
            return None;
        }
        let payload = reader.take(payload_bytes)?.to_vec();
        let offerer_begins = kind & OFFERER_BEGINS != 0;
        let kind = match kind & !(TEXT_CREDENTIALS | RELAYS | OFFERER_BEGINS) {
            OFFER => CodeKind::Offer,
            ANSWER => CodeKind::Answer(reader.array()?),
            _ => return None,
        };
        reader.0.is_empty().then_some(Self {
            kind,
            device,
            fingerprint,
            credentials,
            offerer_begins,
            expires_minute,
            addresses,
            relays,
            payload,
        })
    }
}

fn minute_of(time: SystemTime) -> u32 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs() / 60).unwrap_or(u32::MAX)
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

    #[cfg(feature = "webrtc")]
    pub(crate) fn addresses(&mut self) -> Option<Vec<SocketAddr>> {
        let count = usize::from(self.byte()?);
        if count > ADDRESSES_MAX {
            return None;
        }
        (0..count).map(|_| self.address()).collect()
    }

    #[cfg(feature = "webrtc")]
    fn address(&mut self) -> Option<SocketAddr> {
        let ip = match self.byte()? {
            4 => self.ipv4()?,
            6 => self.ipv6()?,
            _ => return None,
        };
        Some(SocketAddr::new(ip, self.port()?))
    }

    fn ipv4(&mut self) -> Option<IpAddr> {
        Some(IpAddr::V4(Ipv4Addr::from(self.array::<4>()?)))
    }

    fn ipv6(&mut self) -> Option<IpAddr> {
        Some(IpAddr::V6(Ipv6Addr::from(self.array::<16>()?)))
    }

    fn port(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.array()?))
    }

    /// As [`put_by_family`] wrote them.
    fn by_family(&mut self) -> Option<Vec<SocketAddr>> {
        let counts = self.byte()?;
        let (ipv4, ipv6) = (counts & 15, counts >> 4);
        let mut addresses = Vec::with_capacity(usize::from(ipv4 + ipv6));
        for _ in 0..ipv4 {
            addresses.push((self.ipv4()?, self.port()?).into());
        }
        for _ in 0..ipv6 {
            addresses.push((self.ipv6()?, self.port()?).into());
        }
        Some(addresses)
    }

    /// With its length in a byte before it.
    fn text(&mut self) -> Option<&'a str> {
        let length = usize::from(self.byte()?);
        std::str::from_utf8(self.take(length)?).ok()
    }
}

fn put_ip(bytes: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => bytes.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes.extend_from_slice(&ip.octets()),
    }
}

/// IPv4 first, as many of each as a count holds.
fn put_by_family(bytes: &mut Vec<u8>, addresses: &[SocketAddr]) {
    let of_family = |is_ipv4: bool| {
        let addresses = addresses
            .iter()
            .filter(move |address| address.is_ipv4() == is_ipv4);
        addresses.take(CODE_FAMILY_ADDRESSES_MAX)
    };
    let count = |is_ipv4| u8::try_from(of_family(is_ipv4).count()).unwrap_or(0);
    bytes.push(count(true) | (count(false) << 4));
    for address in of_family(true).chain(of_family(false)) {
        put_ip(bytes, address.ip());
        bytes.extend_from_slice(&address.port().to_le_bytes());
    }
}

/// The first [`ADDRESSES_MAX`] of them.
#[cfg(feature = "webrtc")]
pub(crate) fn put_addresses(bytes: &mut Vec<u8>, addresses: &[SocketAddr]) {
    let count = addresses.len().min(ADDRESSES_MAX);
    bytes.push(u8::try_from(count).unwrap_or(u8::MAX));
    for address in addresses.iter().take(count) {
        bytes.push(if address.is_ipv4() { 4 } else { 6 });
        put_ip(bytes, address.ip());
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
            credentials: Credentials::from_bytes(&[9; 4], &[10; 16]),
            offerer_begins: false,
            expires_minute: 29_000_000,
            addresses: vec![
                "192.0.2.7:40000".parse().unwrap(),
                "[2001:db8::1]:40001".parse().unwrap(),
            ],
            relays: vec!["198.51.100.1:50000".parse().unwrap()],
            payload: vec![1, 2, 3],
        }
    }

    #[test]
    fn codes_come_back_through_line_breaks() {
        for kind in [CodeKind::Offer, CodeKind::Answer([5; 8])] {
            let mut other = code(kind);
            other.offerer_begins = true;
            assert_eq!(Code::decode(&other.encode().unwrap()), Ok(other));
            let text = code(kind).encode().unwrap();
            assert_eq!(Code::decode(&text), Ok(code(kind)));
            let mut broken = String::from("\n ");
            for (at, character) in text.chars().enumerate() {
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
            for with in "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".chars() {
                let mut wrong: Vec<char> = text.chars().collect();
                if wrong[at] == with {
                    continue;
                }
                wrong[at] = with;
                let wrong: String = wrong.into_iter().collect();
                assert_eq!(Code::decode(&wrong), Err(CodeError::Check), "{with} at {at}");
            }
            let mut wrong: Vec<char> = text.chars().collect();
            wrong[at] = 'l';
            let wrong: String = wrong.into_iter().collect();
            assert_eq!(Code::decode(&wrong), Err(CodeError::Character('l')));
        }
    }

    #[test]
    fn well_checked_nonsense_is_refused_at_every_length() {
        let bytes = code(CodeKind::Offer).to_bytes().unwrap();
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
        let endless = "1".repeat(CODE_CHARACTERS_MAX_PLUS_ONE);
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

    #[test]
    fn an_offer_with_three_addresses_fits_into_160_characters_and_one_with_a_deck_into_256() {
        let mut offer = code(CodeKind::Offer);
        offer.addresses = (1..=3).map(|n| ([192, 168, n, 7], 40_000).into()).collect();
        offer.relays = vec![];
        offer.payload = vec![];
        let (text, bytes) = (offer.encode().unwrap(), offer.to_bytes().unwrap());
        println!("an offer: {} characters, {} bytes", text.len(), bytes.len());
        assert!(text.len() <= 160, "{}", text.len());
        // A deck's id and key, and which they are: what an invite to read a deck carries.
        offer.payload = vec![0xa5; 2 + 4 + 32 + 32];
        let (text, bytes) = (offer.encode().unwrap(), offer.to_bytes().unwrap());
        println!("with a deck: {} characters, {} bytes", text.len(), bytes.len());
        assert!(text.len() <= 256, "{}", text.len());
    }

    #[test]
    fn credentials_of_a_browser_come_back_and_have_one_spelling() {
        let mut offer = code(CodeKind::Offer);
        offer.credentials = Credentials::from_text("aB+/", "0123456789abcdefABCDEF+/").unwrap();
        assert_eq!(Code::decode(&offer.encode().unwrap()), Ok(offer.clone()));
        // What could travel as bytes must.
        let mut bytes = offer.to_bytes().unwrap();
        let ours = Credentials::from_bytes(&[9; 4], &[10; 16]);
        let mut spelled = vec![8];
        spelled.extend_from_slice(ours.fragment().as_bytes());
        spelled.push(32);
        spelled.extend_from_slice(ours.password().as_bytes());
        bytes.splice(66..66 + 1 + 4 + 1 + 24, spelled);
        assert_eq!(Code::from_bytes(&bytes), Err(CodeError::Malformed));
        for (fragment, password) in [
            ("abc", "0123456789abcdefABCDEF"),
            ("abcd", "short"),
            ("ab d", "0123456789abcdefABCDEF"),
        ] {
            assert_eq!(Credentials::from_text(fragment, password), None);
        }
    }

    #[test]
    fn a_code_runs_out_and_says_so() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(29_000_000 * 60);
        let mut offer = code(CodeKind::Offer);
        offer.expires_minute = Code::expires_after(now, Duration::from_secs(3_600));
        assert_eq!(offer.check_time(now), Ok(()));
        assert_eq!(offer.check_time(now + Duration::from_secs(3_600)), Ok(()));
        assert_eq!(
            offer.check_time(now + Duration::from_secs(4_200)),
            Ok(()),
            "clocks differ"
        );
        let late = offer.check_time(now + Duration::from_secs(2 * 3_600));
        assert_eq!(late, Err(CodeError::Expired { minutes: 59 }));
        // A clock that was set back, to before all time.
        assert_eq!(
            offer.check_time(SystemTime::UNIX_EPOCH - Duration::from_secs(1)),
            Ok(())
        );
        // Whoever says for ever gets a long time.
        offer.expires_minute = Code::expires_after(now, Duration::MAX);
        assert_eq!(
            offer.check_time(now + Duration::from_secs(300 * 24 * 3_600)),
            Ok(())
        );
    }
}
