//! Two devices that share a secret, and the sockets by which they find each other again.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::config::Within;
use super::knock::{Doorstep, Heard, KnockKeys, Nonce, Pair};
use super::relayed::is_inner;
use super::saved::SavedRoute;
use super::socket::{Line, Socket, Sockets};
use crate::limits::{ADDRESSES_MAX, KNOCK_EVERY_MAX, KNOCK_EVERY_MIN};
use crate::link::{DialError, RouteKind};

/// Lives as long as a link or a dialer of the route does.
pub(super) struct Pairing {
    pub(super) keys: KnockKeys,
    pub(super) sockets: Sockets,
    /// Of the certificate that this endpoint shows.
    fingerprint: [u8; 32],
    door: Mutex<Door>,
    /// Counts the pairs that were proven: each one ends the link before it.
    paired: watch::Sender<u64>,
    /// Counts the wishes of this side for a fresh link: each one ends the link before it.
    replaced: watch::Sender<u64>,
}

struct Door {
    doorstep: Doorstep,
    /// Where the other side may be, where it was last proven to be first.
    peer_addresses: Vec<SocketAddr>,
    /// Where relays had it.
    peer_relays: Vec<SocketAddr>,
}

impl std::fmt::Debug for Pairing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pairing")
            .field("sockets", &self.sockets)
            .finish_non_exhaustive()
    }
}

impl Pairing {
    pub(super) fn new(
        route: &SavedRoute,
        sockets: Sockets,
        fingerprint: [u8; 32],
    ) -> Result<Arc<Self>, DialError> {
        let pairing = Arc::new(Self {
            keys: KnockKeys::new(&route.secret, route.own < route.peer),
            sockets,
            fingerprint,
            door: Mutex::new(Door {
                doorstep: Doorstep::new(nonce()?),
                peer_addresses: route.peer_addresses.clone(),
                peer_relays: route.peer_relays.clone(),
            }),
            paired: watch::Sender::new(0),
            replaced: watch::Sender::new(0),
        });
        pairing.sockets.deliver_knocks_to(&Arc::downgrade(&pairing));
        Ok(pairing)
    }

    pub(super) fn peer_addresses(&self) -> Vec<SocketAddr> {
        self.door().peer_addresses.clone()
    }

    /// How the bytes of the connection that was just made travel: by where the other side's really come from.
    pub(super) fn route_kind(&self) -> RouteKind {
        match self.sockets.heard_from() {
            Some((from, by_relay)) if by_relay || self.door().peer_relays.contains(&from) => RouteKind::Relay,
            Some((from, _)) if is_inner(from.ip()) => RouteKind::Lan,
            _ => RouteKind::Direct,
        }
    }

    /// Follows how often the other side proved a wish for a fresh link.
    pub(super) fn paired(&self) -> watch::Receiver<u64> {
        self.paired.subscribe()
    }

    /// Follows how often this side wanted a fresh link.
    pub(super) fn replaced(&self) -> watch::Receiver<u64> {
        self.replaced.subscribe()
    }

    /// Ends the present link, if there is one, in favour of a fresh one.
    pub(super) fn replace(&self) {
        self.replaced.send_modify(|count| *count += 1);
    }

    /// The pair that the other side has already proven, else a new wish of ours.
    pub(super) fn start(&self) -> Result<Option<Pair>, DialError> {
        let mut door = self.door();
        let ready = door.doorstep.take_ready();
        if ready.is_none() {
            door.doorstep.renew(nonce()?);
        }
        Ok(ready)
    }

    /// A pair proven since, once.
    pub(super) fn take_ready(&self) -> Option<Pair> {
        self.door().doorstep.take_ready()
    }

    /// Calls until both sides have proven to be there.
    pub(super) async fn call_until_paired(&self, line: &Line, within: Within) -> Result<Pair, DialError> {
        let mut paired = self.paired();
        let listening = async {
            loop {
                self.sockets.receive(line).await;
            }
        };
        let proven = async {
            loop {
                if let Some(pair) = self.take_ready() {
                    return pair;
                }
                // The sender lives in self.
                let _ = paired.changed().await;
            }
        };
        tokio::select! {
            pair = proven => Ok(pair),
            () = self.call() => Err(no_path(within.granted)),
            () = listening => Err(no_path(within.granted)),
            () = tokio::time::sleep_until(within.until) => Err(no_path(within.granted)),
        }
    }

    /// Calls at growing intervals, for as long as it is polled.
    pub(super) async fn call(&self) {
        let mut every = KNOCK_EVERY_MIN;
        loop {
            let (knock, addresses) = {
                let door = self.door();
                (
                    door.doorstep.call(self.fingerprint),
                    [&door.peer_addresses[..], &door.peer_relays[..]].concat(),
                )
            };
            self.sockets.send_to_all(&self.keys.seal(&knock), &addresses);
            tokio::time::sleep(every).await;
            every = (every * 3 / 2).min(KNOCK_EVERY_MAX);
        }
    }

    /// A datagram that begins like a knock came in.
    pub(super) fn knocked(&self, socket: &Socket, from: SocketAddr, bytes: &[u8]) {
        let Some(knock) = self.keys.open(bytes) else {
            return;
        };
        let mut door = self.door();
        let heard = door.doorstep.hear(&knock);
        if heard == Heard::Nothing {
            return;
        }
        if heard == Heard::Exhausted {
            // Without randomness the caller waits until this side dials again.
            if let Ok(nonce) = nonce() {
                door.doorstep.renew(nonce);
            }
        }
        if heard == Heard::Paired {
            door.peer_addresses.retain(|address| *address != from);
            door.peer_addresses.insert(0, from);
            door.peer_addresses.truncate(ADDRESSES_MAX);
        }
        let reply = door.doorstep.reply(&knock, self.fingerprint);
        drop(door);
        socket.send(&self.keys.seal(&reply), from);
        if heard == Heard::Paired {
            self.paired.send_modify(|count| *count += 1);
        }
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nonce() -> Result<Nonce, DialError> {
    let mut nonce = Nonce::default();
    getrandom::fill(&mut nonce)
        .map_err(|error| DialError::Local(format!("it has no randomness: {error}")))?;
    Ok(nonce)
}

pub(super) fn no_path(waited: Duration) -> DialError {
    DialError::NoPath {
        waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
    }
}
