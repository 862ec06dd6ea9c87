//! What two devices keep after their first link, to make the next one without any server.

use std::net::SocketAddr;

use zeroize::Zeroizing;

use crate::DeviceId;
use crate::invite::{Reader, put_addresses};

const VERSION: u8 = 0;
const CHECK_BYTES: usize = 8;

/// The way back to a device: who it is, where it was, and a secret that only the two devices know.
#[derive(Clone)]
pub struct SavedRoute {
    pub(super) own: DeviceId,
    pub(super) peer: DeviceId,
    pub(super) secret: Zeroizing<[u8; 32]>,
    /// Where this device was bound: the other side calls there.
    pub(super) own_addresses: Vec<SocketAddr>,
    /// Where the other device was bound, and seen.
    pub(super) peer_addresses: Vec<SocketAddr>,
    /// Where relays had it.
    pub(super) peer_relays: Vec<SocketAddr>,
}

/// Why bytes are not a saved route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SavedRouteError {
    /// Saved by a version that this one does not know.
    #[error("this route was saved by version {0}, which this version does not know: exchange codes again")]
    Version(u8),
    /// Not what was saved.
    #[error("this saved route is damaged: exchange codes again")]
    Damaged,
}

impl SavedRoute {
    /// The device it leads to.
    #[must_use]
    pub fn peer(&self) -> DeviceId {
        self.peer
    }

    /// The device that saved it.
    #[must_use]
    pub fn own(&self) -> DeviceId {
        self.own
    }

    /// As bytes to store. They hold a secret: keep them as the device key is kept.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(self.own.as_bytes());
        bytes.extend_from_slice(self.peer.as_bytes());
        bytes.extend_from_slice(&*self.secret);
        put_addresses(&mut bytes, &self.own_addresses);
        put_addresses(&mut bytes, &self.peer_addresses);
        put_addresses(&mut bytes, &self.peer_relays);
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        bytes
    }

    /// From stored bytes.
    ///
    /// # Errors
    /// [`SavedRouteError`] when they are not what [`SavedRoute::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SavedRouteError> {
        let mut reader = Reader(bytes);
        let version = reader.byte().ok_or(SavedRouteError::Damaged)?;
        if version != VERSION {
            return Err(SavedRouteError::Version(version));
        }
        let body = bytes.len().checked_sub(CHECK_BYTES);
        let (body, found) = body
            .and_then(|body| bytes.split_at_checked(body))
            .ok_or(SavedRouteError::Damaged)?;
        if found != check(body) {
            return Err(SavedRouteError::Damaged);
        }
        Self::read(&mut reader).ok_or(SavedRouteError::Damaged)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let route = Self {
            own: DeviceId::from_bytes(reader.array()?),
            peer: DeviceId::from_bytes(reader.array()?),
            secret: Zeroizing::new(reader.array()?),
            own_addresses: reader.addresses()?,
            peer_addresses: reader.addresses()?,
            peer_relays: reader.addresses()?,
        };
        (reader.0.len() == CHECK_BYTES).then_some(route)
    }
}

impl std::fmt::Debug for SavedRoute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SavedRoute(to {})", self.peer.short())
    }
}

fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let [a, b, c, d, e, f, g, h, ..] = blake3::derive_key("cuecard saved route check v0", bytes);
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_route_comes_back_and_damage_is_noticed_everywhere() {
        let route = SavedRoute {
            own: DeviceId::from_bytes([1; 32]),
            peer: DeviceId::from_bytes([2; 32]),
            secret: Zeroizing::new([3; 32]),
            own_addresses: vec!["127.0.0.1:40000".parse().unwrap()],
            peer_addresses: vec!["[::1]:40001".parse().unwrap()],
            peer_relays: vec!["192.0.2.1:40002".parse().unwrap()],
        };
        let bytes = route.to_bytes();
        assert_eq!(SavedRoute::from_bytes(&bytes).unwrap().to_bytes(), bytes);
        for length in 0..bytes.len() {
            assert_eq!(
                SavedRoute::from_bytes(&bytes[..length]).unwrap_err(),
                SavedRouteError::Damaged,
                "at {length}"
            );
        }
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1;
            assert!(SavedRoute::from_bytes(&wrong).is_err(), "at {at}");
        }
        assert!(
            !format!("{route:?}").contains("03"),
            "the secret stays out of logs"
        );
    }
}
