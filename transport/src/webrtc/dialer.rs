//! Fresh links to a device met before, without any server: see `knock` for how the two find each other.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::config::Within;
use super::endpoint::Endpoint;
use super::knock::Pair;
use super::pairing::{Pairing, no_path};
use super::peer::{Party, Plan};
use super::saved::SavedRoute;
use super::session::{self, Evictions};
use super::socket::Line;
use crate::DeviceId;
use crate::limits::LOOK_AROUND_EVERY;
use crate::link::{DialError, Dialer, Link, ProofError};

pub(super) struct RouteDialer {
    endpoint: Arc<Endpoint>,
    route: SavedRoute,
    /// Kept between dials, so that the ports stay ours.
    pairing: Mutex<Option<Arc<Pairing>>>,
}

impl RouteDialer {
    pub(super) fn new(endpoint: &Arc<Endpoint>, route: SavedRoute) -> Result<Self, DialError> {
        if route.own != endpoint.key.id() {
            return Err(DialError::Route);
        }
        Ok(Self {
            endpoint: Arc::clone(endpoint),
            route,
            pairing: Mutex::new(None),
        })
    }

    async fn pairing(&self) -> Result<Arc<Pairing>, DialError> {
        let mut kept = self.pairing.lock().await;
        let bind = &self.endpoint.config.bind;
        if let Some(pairing) = kept.as_ref().filter(|kept| !kept.sockets.have_moved(bind)) {
            return Ok(Arc::clone(pairing));
        }
        *kept = None;
        let pairing = self.endpoint.pairing(&self.route).await?;
        *kept = Some(Arc::clone(&pairing));
        Ok(pairing)
    }

    /// Ends when this machine has other addresses than those it calls from.
    async fn moved(&self, pairing: &Pairing) -> DialError {
        loop {
            tokio::time::sleep(LOOK_AROUND_EVERY).await;
            if pairing.sockets.have_moved(&self.endpoint.config.bind) {
                let why = "its addresses are others than when this began: dial again";
                return DialError::Local(why.to_owned());
            }
        }
    }

    fn plan<'a>(
        &'a self,
        pairing: &'a Pairing,
        identity: &'a super::endpoint::Identity,
        pair: &Pair,
    ) -> Plan<'a> {
        let (own, theirs) = pairing.keys.credentials(pair);
        Plan {
            key: &self.endpoint.key,
            certificate: &identity.certificate,
            sockets: &pairing.sockets,
            own: Party {
                credentials: own,
                fingerprint: identity.fingerprint,
                addresses: pairing.sockets.addresses(),
                relays: pairing.sockets.relays(),
            },
            theirs: Party {
                credentials: theirs,
                fingerprint: pair.their_fingerprint,
                addresses: pairing.peer_addresses(),
                relays: self.route.peer_relays.clone(),
            },
            is_offerer: pairing.keys.is_smaller(),
            offerer_begins: false,
            expected: self.route.peer,
            within: Within::new(self.endpoint.config.connect_within),
            learned: nothing_more(),
        }
    }
}

/// What there is to know of the other side was in the saved route.
fn nothing_more() -> watch::Receiver<Vec<SocketAddr>> {
    watch::channel(Vec::new()).1
}

#[async_trait]
impl Dialer for RouteDialer {
    fn peer(&self) -> DeviceId {
        self.route.peer
    }

    async fn dial(&self) -> Result<Arc<dyn Link>, DialError> {
        let config = &self.endpoint.config;
        let mut patience = Within::new(config.knock_within);
        let identity = self.endpoint.identity()?;
        let pairing = self.pairing().await?;
        pairing.replace();
        let mut line = line(&pairing, patience).await?;
        let mut evictions = Evictions {
            paired: pairing.paired(),
            replaced: pairing.replaced(),
        };
        let mut pair = pairing.start()?;
        loop {
            let proven = match pair.take() {
                Some(pair) => pair,
                None => tokio::select! {
                    paired = pairing.call_until_paired(&line, patience) => paired?,
                    moved = self.moved(&pairing) => return Err(moved),
                },
            };
            evictions.paired.borrow_and_update();
            let proven = pairing.take_ready().unwrap_or(proven);
            let mut newer = evictions.paired.clone();
            let plan = self.plan(&pairing, &identity, &proven);
            let is_newer = tokio::select! {
                established = plan.establish(line) => match established {
                    Ok(established) => {
                        return Ok(session::start(established, Arc::clone(&pairing), evictions, config));
                    }
                    // It was there, and then not: asleep again, or slow to let go of what it had. It may be back in time.
                    Err(DialError::NoPath { .. } | DialError::Proof(ProofError::Silent | ProofError::Ended))
                        if Instant::now() < patience.until => false,
                    Err(error) => return Err(error),
                },
                // The other side gave up what we were making, and has a new wish already.
                _ = newer.changed() => true,
                // It may not have heard yet that we are here.
                () = pairing.call() => false,
            };
            if is_newer {
                patience = Within::new(config.knock_within);
            }
            line = self::line(&pairing, patience).await?;
            pair = match is_newer {
                true => pairing.take_ready(),
                false => pairing.start()?,
            };
        }
    }
}

/// The right to read the sockets, from whoever has it still.
async fn line(pairing: &Pairing, patience: Within) -> Result<Line, DialError> {
    let line = tokio::time::timeout_at(patience.until, pairing.sockets.line()).await;
    line.map_err(|_| no_path(patience.granted))
}
