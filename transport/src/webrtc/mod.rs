//! Links over WebRTC data channels, peer to peer.
//!
//! The first link of two devices is made by two codes that people carry across: [`WebRtc::offer`] on one,
//! [`WebRtc::answer`] on the other. Both then hold a [`SavedRoute`], and from it [`WebRtc::dialer`] makes a fresh link
//! whenever it is asked, with no server: after a lost network, after a restart, from both sides at once.
//!
//! Only direct paths between addresses the devices know of themselves: no relay, and no server that tells a device
//! its outer address, so two devices behind different address translators do not reach each other this way.

mod config;
mod saved;

use std::sync::Arc;

use crate::link::{DialError, Dialer, Link};
use crate::{DeviceId, DeviceKey};

pub use config::{Bind, Config};
pub use saved::{SavedRoute, SavedRouteError};

/// A device's endpoint: makes links with its key. Cheap to clone; clones are the same endpoint.
#[derive(Clone)]
pub struct WebRtc {
    key: DeviceKey,
    config: Config,
}

/// A link and what it takes to make it again.
pub struct Connected {
    /// The proven link.
    pub link: Arc<dyn Link>,
    /// Save this, for [`WebRtc::dialer`]. It holds a secret: keep it as the device key is kept.
    pub route: SavedRoute,
}

/// An offer whose answer is awaited. Dropping it gives its sockets back.
pub struct Offering {
    code: String,
}

/// An answer to somebody's offer. Dropping it gives its sockets back.
pub struct Answering {
    code: String,
    payload: Vec<u8>,
    peer: DeviceId,
}

impl WebRtc {
    /// An endpoint for this device.
    #[must_use]
    pub fn new(key: DeviceKey, config: Config) -> Self {
        Self { key, config }
    }

    /// Starts an exchange: give the code to the other device.
    ///
    /// # Errors
    /// [`DialError::Local`] when no socket can be bound.
    pub async fn offer(&self) -> Result<Offering, DialError> {
        self.offer_with(Vec::new()).await
    }

    /// Like [`WebRtc::offer`], carrying up to 128 bytes for the layer above.
    ///
    /// # Errors
    /// [`DialError::Local`] when no socket can be bound, [`DialError::Code`] when the payload is too long.
    pub async fn offer_with(&self, payload: Vec<u8>) -> Result<Offering, DialError> {
        let _ = (payload, &self.key, &self.config);
        Err(unfinished())
    }

    /// Answers an offer: give the answer's code back.
    ///
    /// # Errors
    /// [`DialError::Code`] says what is wrong with the offer, [`DialError::Local`] that no socket can be bound.
    pub async fn answer(&self, offer_code: &str) -> Result<Answering, DialError> {
        let _ = offer_code;
        Err(unfinished())
    }

    /// Makes links to a device met before, again and again.
    ///
    /// # Errors
    /// [`DialError::Code`] when the route was saved by another device.
    pub fn dialer(&self, route: SavedRoute) -> Result<Arc<dyn Dialer>, DialError> {
        let _ = route;
        Err(unfinished())
    }
}

impl Offering {
    /// The text for the other device.
    #[must_use]
    pub fn code(&self) -> String {
        self.code.clone()
    }

    /// Connects by the code that came back. May be called again with another code when one was not usable.
    ///
    /// # Errors
    /// [`DialError`] says why there is no link.
    pub async fn accept(&self, answer_code: &str) -> Result<Connected, DialError> {
        let _ = answer_code;
        Err(unfinished())
    }
}

impl Answering {
    /// The text for the device that made the offer.
    #[must_use]
    pub fn code(&self) -> String {
        self.code.clone()
    }

    /// What the layer above put into the offer.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The device that made the offer, as its code says; proven once connected.
    #[must_use]
    pub fn peer(&self) -> DeviceId {
        self.peer
    }

    /// Waits until the other device has taken the answer, and connects.
    ///
    /// # Errors
    /// [`DialError`] says why there is no link.
    pub async fn connect(&self) -> Result<Connected, DialError> {
        Err(unfinished())
    }
}

fn unfinished() -> DialError {
    DialError::Local("connecting over WebRTC is not in this build yet".to_owned())
}
