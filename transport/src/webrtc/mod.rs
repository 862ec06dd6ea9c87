//! Links over WebRTC data channels, peer to peer.
//!
//! The first link of two devices is made by two codes that people carry across: [`WebRtc::offer`] on one,
//! [`WebRtc::answer`] on the other. Both then hold a [`SavedRoute`], and from it [`WebRtc::dialer`] makes a fresh link
//! whenever it is asked, with no server: after a lost network, after a restart, from both sides at once.
//!
//! By itself this knows only direct paths between addresses that the devices have themselves. Behind address translators
//! it needs a [`Server`] that tells a device its outer address, and where even that does not help, one that relays.

mod config;
mod dialer;
mod endpoint;
mod exchange;
mod flight;
mod frames;
mod knock;
#[cfg(test)]
mod mutants;
mod outside;
mod pairing;
mod peer;
mod proof;
mod pulse;
mod relayed;
mod saved;
mod session;
mod socket;

use std::sync::Arc;

use crate::link::{DialError, Dialer, Link};
use crate::{DeviceId, DeviceKey};

pub use config::{Bind, Config};
pub use exchange::{Answering, Offering};
pub use outside::Server;
pub use saved::{SavedRoute, SavedRouteError};

/// A device's endpoint: makes links with its key. Cheap to clone; clones are the same endpoint.
///
/// All of its methods but [`WebRtc::new`] and [`WebRtc::dialer`] are called within a tokio runtime, and what they make
/// lives on that runtime.
#[derive(Clone)]
pub struct WebRtc {
    endpoint: Arc<endpoint::Endpoint>,
}

/// A link and what it takes to make it again.
pub struct Connected {
    /// The proven link.
    pub link: Arc<dyn Link>,
    /// Save this, for [`WebRtc::dialer`]. It holds a secret: keep it as the device key is kept.
    pub route: SavedRoute,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connected(to {})", self.link.peer().short())
    }
}

impl WebRtc {
    /// An endpoint for this device.
    #[must_use]
    pub fn new(key: DeviceKey, config: Config) -> Self {
        Self {
            endpoint: Arc::new(endpoint::Endpoint::new(key, config)),
        }
    }

    /// The device whose links this makes.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.endpoint.key.id()
    }

    /// Starts an exchange: give the code to the other device.
    ///
    /// # Errors
    /// [`DialError::Local`] when no socket can be bound.
    pub async fn offer(&self) -> Result<Offering, DialError> {
        self.offer_with(Vec::new()).await
    }

    /// Like [`WebRtc::offer`], carrying up to [`PAYLOAD_BYTES_MAX`](crate::limits::PAYLOAD_BYTES_MAX) bytes for the layer above.
    ///
    /// # Errors
    /// [`DialError::Local`] when no socket can be bound, [`DialError::Code`] when the payload is too long.
    pub async fn offer_with(&self, payload: Vec<u8>) -> Result<Offering, DialError> {
        Offering::new(&self.endpoint, payload).await
    }

    /// Answers an offer: give the answer's code back.
    ///
    /// # Errors
    /// [`DialError::Code`] says what is wrong with the offer, [`DialError::Local`] that no socket can be bound.
    pub async fn answer(&self, offer_code: &str) -> Result<Answering, DialError> {
        Answering::new(&self.endpoint, offer_code).await
    }

    /// Asks one server, as offers do, for people who want to know what works from here: the addresses where it sees this
    /// device, or that it lends as a relay. None where it does not answer in time, or refuses.
    ///
    /// # Errors
    /// [`DialError::Local`] when no socket can be bound.
    pub async fn ask_server(&self, server: &Server) -> Result<Vec<std::net::SocketAddr>, DialError> {
        let config = &self.endpoint.config;
        let mut sockets = socket::Sockets::bind(config, &[])?;
        Ok(outside::ask(&mut sockets, server, config.gather_within).await)
    }

    /// Makes links to a device met before, again and again. The other device must be dialling too.
    ///
    /// # Errors
    /// [`DialError::Route`] when the route was saved by another device.
    pub fn dialer(&self, route: SavedRoute) -> Result<Arc<dyn Dialer>, DialError> {
        Ok(Arc::new(dialer::RouteDialer::new(&self.endpoint, route)?))
    }
}
