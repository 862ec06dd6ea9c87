//! What the links of one device have in common: key, settings, certificate, and the pairings that are alive.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rtc::peer_connection::certificate::RTCCertificate;

use super::config::Config;
use super::knock::KnockKeys;
use super::outside;
use super::pairing::Pairing;
use super::peer::{certificate, own_fingerprint};
use super::saved::SavedRoute;
use super::socket::Sockets;
use crate::DeviceKey;
use crate::link::DialError;

pub(super) struct Endpoint {
    pub(super) key: DeviceKey,
    pub(super) config: Config,
    identity: Mutex<Option<Arc<Identity>>>,
    /// By the tag of the route: a dialer finds the sockets of the link that came before it.
    pairings: Mutex<BTreeMap<[u8; 8], Weak<Pairing>>>,
}

/// What this endpoint shows in DTLS for as long as it lives.
pub(super) struct Identity {
    pub(super) certificate: RTCCertificate,
    pub(super) fingerprint: [u8; 32],
}

impl Endpoint {
    pub(super) fn new(key: DeviceKey, config: Config) -> Self {
        Self {
            key,
            config,
            identity: Mutex::new(None),
            pairings: Mutex::new(BTreeMap::new()),
        }
    }

    pub(super) fn identity(&self) -> Result<Arc<Identity>, DialError> {
        let mut identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = &*identity {
            return Ok(Arc::clone(identity));
        }
        let certificate = certificate()?;
        let fingerprint = own_fingerprint(&certificate)?;
        let made = Arc::new(Identity {
            certificate,
            fingerprint,
        });
        *identity = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Keeps a pairing findable while it lives.
    pub(super) fn register(&self, pairing: &Arc<Pairing>) {
        let mut pairings = self.pairings.lock().unwrap_or_else(PoisonError::into_inner);
        pairings.retain(|_, pairing| pairing.strong_count() > 0);
        pairings.insert(pairing.keys.tag(), Arc::downgrade(pairing));
    }

    /// The living pairing of the route, else a new one on the ports it had before.
    pub(super) async fn pairing(&self, route: &SavedRoute) -> Result<Arc<Pairing>, DialError> {
        let tag = KnockKeys::new(&route.secret, route.own < route.peer).tag();
        let living = {
            let pairings = self.pairings.lock().unwrap_or_else(PoisonError::into_inner);
            pairings.get(&tag).and_then(Weak::upgrade)
        };
        if let Some(pairing) = living {
            if !pairing.sockets.have_moved(&self.config.bind) {
                return Ok(pairing);
            }
            // Whoever took this device to another network left a link behind that cannot live. Its end frees the ports
            // that both have; where that takes a moment longer, the next dial finds them free.
            pairing.replace();
            drop(pairing.sockets.line().await);
        }
        let mut sockets = Sockets::bind(&self.config, &route.own_addresses)?;
        // Where we are seen now is nothing the other side could be told; a relay can reach it.
        outside::look(&mut sockets, &self.config.servers, self.config.gather_within).await;
        let pairing = Pairing::new(route, sockets, self.identity()?.fingerprint)?;
        self.register(&pairing);
        Ok(pairing)
    }
}
