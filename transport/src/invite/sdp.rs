//! Codes as the session descriptions (SDP) that every WebRTC stack speaks, and back: how a browser takes part.
//!
//! Only what decides is carried: credentials, certificate, addresses. All else is the same in each description of two data
//! channels, so it is written anew. A browser must name its two channels by the ids of the lanes, `negotiated: true`.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use super::{Code, CodeKind, Credentials};
use crate::DeviceId;
use crate::limits::{ADDRESSES_MAX, FRAME_BYTES_MAX, SDP_BYTES_MAX};

/// Why a session description does not become a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// Longer than any.
    #[error("it is longer than {SDP_BYTES_MAX} bytes")]
    Long,
    /// Something that every one has is not there.
    #[error("it has no usable {0}")]
    Missing(&'static str),
    /// It asks for what a link does not have.
    #[error("{0}")]
    Unsupported(&'static str),
}

impl Code {
    /// As a session description: what a browser takes as its remote one, an offer's as `offer`, an answer's as `answer`.
    #[must_use]
    pub fn to_sdp(&self) -> String {
        let setup = match self.kind {
            CodeKind::Offer => "actpass",
            CodeKind::Answer(_) => begins(self.offerer_begins),
        };
        describe(
            &self.credentials,
            &self.fingerprint,
            (&self.addresses, &self.relays),
            setup,
        )
    }

    /// From the session description that another WebRTC stack made, after it gathered its addresses. Which device that is
    /// does not stand in there; `payload` and `expires_minute` are as in a code of our own.
    ///
    /// Addresses that are not numbers (`.local`) are left out: such a side is reached once it has called itself.
    ///
    /// # Errors
    /// [`SdpError`] when it is not one of a link's two channels.
    pub fn from_sdp(
        kind: CodeKind,
        device: DeviceId,
        expires_minute: u32,
        sdp: &str,
        payload: Vec<u8>,
    ) -> Result<Self, SdpError> {
        if sdp.len() > SDP_BYTES_MAX {
            return Err(SdpError::Long);
        }
        let lines: Vec<&str> = sdp.lines().map(str::trim_end).collect();
        let value = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
        let media = lines.iter().filter(|line| line.starts_with("m=")).count();
        if media != 1 || !lines.iter().any(|line| line.starts_with("m=application ")) {
            return Err(SdpError::Unsupported(
                "it describes more or other than data channels",
            ));
        }
        if value("a=mid:").is_some_and(|mid| mid != "0") {
            return Err(SdpError::Unsupported(
                "its data channels are not its first media section",
            ));
        }
        if value("a=sctp-port:").is_some_and(|port| port != "5000") {
            return Err(SdpError::Unsupported("its SCTP port is not 5000"));
        }
        let setup = value("a=setup:").ok_or(SdpError::Missing("setup"))?;
        let offerer_begins = match (kind, setup) {
            // Another stack drops what we send again byte for byte, and if it waited for our handshake it then does not send its own
            // last flight again either. One that begins asks anew until it has its answer.
            (CodeKind::Offer, "actpass") | (CodeKind::Answer(_), "passive") => true,
            (CodeKind::Answer(_), "active") => false,
            (CodeKind::Offer, _) => {
                return Err(SdpError::Unsupported(
                    "an offer leaves it to the answer who begins",
                ));
            }
            (CodeKind::Answer(_), _) => {
                return Err(SdpError::Unsupported(
                    "an answer says which side begins the handshake",
                ));
            }
        };
        let credentials = value("a=ice-ufrag:")
            .zip(value("a=ice-pwd:"))
            .and_then(|(fragment, password)| Credentials::from_text(fragment, password));
        let fingerprint = value("a=fingerprint:sha-256 ").and_then(parse_fingerprint);
        let (mut addresses, mut relays): (Vec<SocketAddr>, Vec<SocketAddr>) = (Vec::new(), Vec::new());
        for (address, kind) in lines
            .iter()
            .filter_map(|line| parse_candidate(line.strip_prefix("a=")?))
        {
            let list = if kind == "relay" {
                &mut relays
            } else {
                &mut addresses
            };
            if list.len() < ADDRESSES_MAX && !list.contains(&address) {
                list.push(address);
            }
        }
        Ok(Self {
            kind,
            device,
            fingerprint: fingerprint.ok_or(SdpError::Missing("SHA-256 fingerprint"))?,
            credentials: credentials.ok_or(SdpError::Missing("ICE credentials"))?,
            offerer_begins,
            expires_minute,
            addresses,
            relays,
            payload,
        })
    }
}

/// Who begins the handshake, as the answer says it.
pub(crate) fn begins(offerer_begins: bool) -> &'static str {
    if offerer_begins { "passive" } else { "active" }
}

/// The least that a session description says.
pub(crate) fn describe(
    credentials: &Credentials,
    fingerprint: &[u8; 32],
    (addresses, relays): (&[SocketAddr], &[SocketAddr]),
    setup: &str,
) -> String {
    let fingerprint: Vec<String> = fingerprint.iter().map(|byte| format!("{byte:02X}")).collect();
    let mut text = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
         a=mid:0\r\na=sendrecv\r\na=setup:{setup}\r\na=sctp-port:5000\r\na=max-message-size:{FRAME_BYTES_MAX}\r\n\
         a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:sha-256 {}\r\n",
        credentials.fragment(),
        credentials.password(),
        fingerprint.join(":"),
    );
    let direct = addresses.iter().map(|address| (address, 126_u32, "typ host"));
    let relayed = relays
        .iter()
        .map(|address| (address, 0, "typ relay raddr 0.0.0.0 rport 9"));
    for (number, (address, preference, kind)) in (0_u32..).zip(direct.chain(relayed)) {
        let priority = priority(preference, number);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "a=candidate:{} 1 udp {priority} {} {} {kind}\r\n",
            number + 1,
            address.ip(),
            address.port()
        );
    }
    text.push_str("a=end-of-candidates\r\n");
    text
}

/// One more address, after so many, as `RTCIceCandidate` has it.
#[cfg(any(feature = "webrtc", test))]
pub(crate) fn candidate(number: usize, address: &SocketAddr) -> String {
    let number = u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1_000);
    format!(
        "candidate:{number} 1 udp {} {} {} typ host",
        priority(126, number),
        address.ip(),
        address.port()
    )
}

/// As in RFC 8445: the preference of its type, then the order, then component 1.
fn priority(preference: u32, number: u32) -> u32 {
    (preference << 24) | ((65_535_u32.saturating_sub(number)) << 8) | 255
}

/// The address in a candidate that another stack found after its description was made, as its `RTCIceCandidate` spells
/// it; `None` where it is of no use to a link.
#[must_use]
pub fn address_of_candidate(candidate: &str) -> Option<SocketAddr> {
    let candidate = candidate.strip_prefix("a=").unwrap_or(candidate);
    parse_candidate(candidate).map(|(address, _)| address)
}

/// `AA:BB:..`, 32 of them.
pub(crate) fn parse_fingerprint(text: &str) -> Option<[u8; 32]> {
    let bytes: Option<Vec<u8>> = text
        .trim()
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect();
    bytes?.try_into().ok()
}

/// `candidate:foundation component transport priority address port typ kind ...`
fn parse_candidate(line: &str) -> Option<(SocketAddr, &str)> {
    let mut words = line.strip_prefix("candidate:")?.split_ascii_whitespace().skip(1);
    let (component, transport, _priority) = (words.next()?, words.next()?, words.next()?);
    if component != "1" || !transport.eq_ignore_ascii_case("udp") {
        return None;
    }
    let ip: IpAddr = words.next()?.parse().ok()?;
    let port: u16 = words.next()?.parse().ok()?;
    let kind = words.nth(1)?;
    Some((SocketAddr::new(ip, port), kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Chromium makes them, with a `.local` address, one over TCP and one that is of use.
    const OF_A_BROWSER: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
        a=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n\
        m=application 51472 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 192.0.2.7\r\n\
        a=candidate:1 1 udp 2113937151 6b1f3c1e-3b1a-4d3a-9c39-5f1d6a1c2e77.local 51472 typ host generation 0\r\n\
        a=candidate:2 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active generation 0\r\n\
        a=candidate:3 1 UDP 1677729535 192.0.2.7 51473 typ srflx raddr 0.0.0.0 rport 0 generation 0\r\n\
        a=ice-ufrag:R5gL\r\na=ice-pwd:q0b6Fl4JtkZgk1L0J9tA+/Wn\r\na=ice-options:trickle\r\n\
        a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:\
10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
        a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n";

    fn from(sdp: &str, kind: CodeKind) -> Result<Code, SdpError> {
        Code::from_sdp(kind, DeviceId::from_bytes([7; 32]), 29_000_000, sdp, vec![1])
    }

    #[test]
    fn what_a_browser_describes_becomes_a_code_and_a_description_again() {
        let code = from(OF_A_BROWSER, CodeKind::Offer).unwrap();
        assert_eq!(code.addresses, ["192.0.2.7:51473".parse::<SocketAddr>().unwrap()]);
        assert_eq!(code.credentials.fragment(), "R5gL");
        assert_eq!(code.fingerprint, std::array::from_fn(|n| n as u8));
        let carried = Code::decode(&code.encode().unwrap()).unwrap();
        assert_eq!(carried, code);
        assert_eq!(from(&carried.to_sdp(), CodeKind::Offer), Ok(code));
        for (setup, offerer_begins) in [("active", false), ("passive", true)] {
            let answer = OF_A_BROWSER.replace("actpass", setup);
            let answer = from(&answer, CodeKind::Answer([3; 8])).unwrap();
            assert_eq!(answer.offerer_begins, offerer_begins);
            assert_eq!(from(&answer.to_sdp(), CodeKind::Answer([3; 8])), Ok(answer));
        }
    }

    #[test]
    fn what_is_no_link_is_refused_by_name() {
        for (this, by, why) in [
            ("a=ice-pwd:", "a=x:", SdpError::Missing("ICE credentials")),
            ("sha-256", "sha-1", SdpError::Missing("SHA-256 fingerprint")),
            (":1F\r\n", "\r\n", SdpError::Missing("SHA-256 fingerprint")),
            ("a=setup:actpass", "a=x", SdpError::Missing("setup")),
            (
                "actpass",
                "passive",
                SdpError::Unsupported("an offer leaves it to the answer who begins"),
            ),
            (
                "m=application",
                "m=audio",
                SdpError::Unsupported("it describes more or other than data channels"),
            ),
            (
                "a=mid:0",
                "a=mid:7",
                SdpError::Unsupported("its data channels are not its first media section"),
            ),
            ("5000", "5001", SdpError::Unsupported("its SCTP port is not 5000")),
        ] {
            assert_eq!(
                from(&OF_A_BROWSER.replace(this, by), CodeKind::Offer),
                Err(why),
                "{this}"
            );
        }
        let two = format!("{OF_A_BROWSER}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n");
        assert!(from(&two, CodeKind::Offer).is_err());
        assert_eq!(
            from(&"a".repeat(SDP_BYTES_MAX + 1), CodeKind::Offer),
            Err(SdpError::Long)
        );
        assert!(
            from(OF_A_BROWSER, CodeKind::Answer([0; 8])).is_err(),
            "an offer is no answer"
        );
    }

    #[test]
    fn an_address_found_later_is_read_as_browsers_spell_it() {
        let address = "192.0.2.7:51473".parse().unwrap();
        let spelled =
            "candidate:3 1 udp 1677729535 192.0.2.7 51473 typ srflx raddr 0.0.0.0 rport 0 generation 0";
        assert_eq!(address_of_candidate(spelled), Some(address));
        assert_eq!(address_of_candidate(&candidate(0, &address)), Some(address));
        let hidden = "candidate:1 1 udp 2113937151 6b1f3c1e-3b1a-4d3a-9c39-5f1d6a1c2e77.local 51472 typ host";
        assert_eq!(address_of_candidate(hidden), None);
        assert_eq!(address_of_candidate(""), None, "the end of them");
    }

    #[test]
    fn no_text_panics() {
        let mut random = crate::wire::Random(7);
        for _ in 0..2_000 {
            let mut bytes = OF_A_BROWSER.as_bytes().to_vec();
            for _ in 0..4 {
                let at = random.next() as usize % bytes.len();
                match random.next() % 3 {
                    0 => bytes.truncate(at.max(1)),
                    1 => bytes[at] ^= random.next() as u8,
                    _ => bytes.insert(at, random.next() as u8),
                }
            }
            if let Ok(code) = from(&String::from_utf8_lossy(&bytes), CodeKind::Offer) {
                assert_eq!(Code::decode(&code.encode().unwrap()), Ok(code));
            }
        }
    }
}
