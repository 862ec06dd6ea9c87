//! ICE user fragment and password, as text: what a session description calls `ice-ufrag` and `ice-pwd`.

use crate::limits::{ICE_FRAGMENT_CHARACTERS, ICE_PASSWORD_CHARACTERS};

/// ICE user fragment and password of one side. Ours are the hex of random bytes and travel as those bytes; those that a
/// browser made up travel as they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    fragment: String,
    password: String,
}

impl Credentials {
    /// From random bytes.
    #[must_use]
    pub fn from_bytes(fragment: &[u8; 4], password: &[u8; 16]) -> Self {
        Self {
            fragment: hex(fragment),
            password: hex(password),
        }
    }

    /// As another WebRTC stack made them; `None` for what ICE does not allow.
    #[must_use]
    pub fn from_text(fragment: &str, password: &str) -> Option<Self> {
        let is_text = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        };
        let fits = ICE_FRAGMENT_CHARACTERS.contains(&fragment.len())
            && ICE_PASSWORD_CHARACTERS.contains(&password.len());
        (fits && is_text(fragment) && is_text(password)).then(|| Self {
            fragment: fragment.to_owned(),
            password: password.to_owned(),
        })
    }

    /// `ice-ufrag`.
    #[must_use]
    pub fn fragment(&self) -> &str {
        &self.fragment
    }

    /// `ice-pwd`.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The bytes that these are the hex of, if they are.
    pub(super) fn to_bytes(&self) -> Option<([u8; 4], [u8; 16])> {
        Some((unhex(&self.fragment)?, unhex(&self.password)?))
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The password stays out of logs.
        write!(f, "Credentials({})", self.fragment)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exactly what [`hex`] makes: no capitals.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|&[high, low]| Some(digit(high)? * 16 + digit(low)?))
        .collect();
    bytes?.try_into().ok()
}
