//! The first link of two devices, by two codes that people carry across.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Connected;
use super::config::Within;
use super::endpoint::Endpoint;
use super::knock::KNOCK_BYTE;
use super::outside;
use super::pairing::{Pairing, no_path};
use super::peer::{Party, Plan};
use super::saved::SavedRoute;
use super::session::{self, Evictions};
use super::socket::{Line, Sockets};
use crate::DeviceId;
use crate::invite::{Code, CodeError, CodeKind, Credentials};
use crate::limits::{ADDRESSES_MAX, PUNCH_EVERY, REMIND_EVERY};
use crate::link::DialError;
use crate::route::RouteState;

/// An offer whose answer is awaited. Its sockets are the link's once there is one; before, dropping it gives them back.
pub struct Offering {
    side: Side,
    /// Until there is an answer.
    reminding: Mutex<Option<AbortOnDrop>>,
}

/// An answer to somebody's offer. Its sockets are the link's once there is one; before, dropping it gives them back.
pub struct Answering {
    side: Side,
    offer: Code,
}

/// This device's half of an exchange.
struct Side {
    endpoint: Arc<Endpoint>,
    /// Let go of when there is a link: held here as well, they would keep their ports from the next one.
    sockets: Mutex<Option<Sockets>>,
    own: Code,
    text: String,
    state: watch::Sender<RouteState>,
    /// Addresses of the other side that were not in its code.
    learned: watch::Sender<Vec<SocketAddr>>,
}

/// Ends a task with whoever holds this.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Offering {
    pub(super) async fn new(endpoint: &Arc<Endpoint>, payload: Vec<u8>) -> Result<Self, DialError> {
        let side = Side::new(endpoint, CodeKind::Offer, false, payload).await?;
        let reminding = Mutex::new(side.remind());
        Ok(Self { side, reminding })
    }

    /// The text for the other device.
    #[must_use]
    pub fn code(&self) -> String {
        self.side.state.send_if_modified(|state| {
            let given = *state == RouteState::Offering;
            if given {
                *state = RouteState::WaitingForAnswer;
            }
            given
        });
        self.side.text.clone()
    }

    /// Follows where the exchange stands.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<RouteState> {
        self.side.state.subscribe()
    }

    /// The other side found another address of its own after it gave its code away. Whoever brings it need not be trusted:
    /// who answers there has to prove itself all the same.
    pub fn learn(&self, address: SocketAddr) {
        self.side.learn(address);
    }

    /// Connects by the code that came back. May be called again with another code when one was not usable.
    ///
    /// # Errors
    /// [`DialError`] says why there is no link.
    pub async fn accept(&self, answer_code: &str) -> Result<Connected, DialError> {
        let answer = Code::decode(answer_code).map_err(DialError::Code)?;
        match answer.kind {
            CodeKind::Offer => return Err(DialError::Code(CodeError::Kind)),
            CodeKind::Answer(tag) if tag != self.side.own.tag() => {
                return Err(DialError::Code(CodeError::OtherOffer));
            }
            CodeKind::Answer(_) => {}
        }
        self.side.check(&answer)?;
        *self.reminding.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let sockets = self.side.sockets()?;
        let within = Within::new(self.side.endpoint.config.connect_within);
        let line = self.side.line(&sockets, within.until).await?;
        self.side.connect(&answer, sockets, line, within).await
    }
}

impl Answering {
    pub(super) async fn new(endpoint: &Arc<Endpoint>, offer_code: &str) -> Result<Self, DialError> {
        let offer = Code::decode(offer_code).map_err(DialError::Code)?;
        if offer.kind != CodeKind::Offer {
            return Err(DialError::Code(CodeError::Kind));
        }
        let kind = CodeKind::Answer(offer.tag());
        let side = Side::new(endpoint, kind, offer.offerer_begins, Vec::new()).await?;
        side.check(&offer)?;
        Ok(Self { side, offer })
    }

    /// The text for the device that made the offer.
    #[must_use]
    pub fn code(&self) -> String {
        self.side.text.clone()
    }

    /// Follows where the exchange stands.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<RouteState> {
        self.side.state.subscribe()
    }

    /// As [`Offering::learn`].
    pub fn learn(&self, address: SocketAddr) {
        self.side.learn(address);
    }

    /// What the layer above put into the offer.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.offer.payload
    }

    /// The device that made the offer, as its code says; proven once connected.
    #[must_use]
    pub fn peer(&self) -> DeviceId {
        self.offer.device
    }

    /// Waits until the other device has taken the answer, and connects.
    ///
    /// # Errors
    /// [`DialError`] says why there is no link.
    pub async fn connect(&self) -> Result<Connected, DialError> {
        let config = &self.side.endpoint.config;
        let patience = Within::new(config.answer_within);
        loop {
            let sockets = self.side.sockets()?;
            let line = self.side.line(&sockets, patience.until).await?;
            // The offering side may take minutes to paste the answer. No timer of the stack runs meanwhile: its
            // connection is made only when the first datagram shows that the other one is there.
            tokio::select! {
                () = sockets.receive(&line) => {}
                () = self.punch(&sockets) => {}
                () = tokio::time::sleep_until(patience.until) => return Err(no_path(patience.granted)),
            }
            let within = Within::new(config.connect_within);
            match self.side.connect(&self.offer, sockets, line, within).await {
                // That datagram may have been a stray one.
                Err(DialError::NoPath { .. }) if Instant::now() < patience.until => {}
                done => return done,
            }
        }
    }

    /// Opens this side's firewall for the other one, for as long as it is polled.
    async fn punch(&self, sockets: &Sockets) {
        loop {
            // Begins like a knock and is none, so it is ignored wherever it arrives.
            sockets.send_to_all(&[KNOCK_BYTE], &self.offer.addresses);
            sockets.send_to_all(&[KNOCK_BYTE], &self.offer.relays);
            sockets.send_to_all(&[KNOCK_BYTE], &self.side.learned.borrow().clone());
            tokio::time::sleep(PUNCH_EVERY).await;
        }
    }
}

impl Side {
    async fn new(
        endpoint: &Arc<Endpoint>,
        kind: CodeKind,
        offerer_begins: bool,
        payload: Vec<u8>,
    ) -> Result<Self, DialError> {
        let identity = endpoint.identity()?;
        let mut sockets = Sockets::bind(&endpoint.config, &[])?;
        let config = &endpoint.config;
        let seen = outside::look(&mut sockets, &config.servers, config.gather_within).await;
        let mut addresses = sockets.addresses();
        addresses.extend(seen);
        let within = match kind {
            CodeKind::Offer => endpoint.config.offer_within,
            CodeKind::Answer(_) => endpoint.config.answer_within,
        };
        let own = Code {
            kind,
            device: endpoint.key.id(),
            fingerprint: identity.fingerprint,
            credentials: credentials()?,
            offerer_begins,
            expires_minute: Code::expires_after(SystemTime::now(), within),
            addresses,
            relays: sockets.relays(),
            payload,
        };
        let text = own.encode().map_err(DialError::Code)?;
        let state = match kind {
            CodeKind::Offer => RouteState::Offering,
            CodeKind::Answer(_) => RouteState::Answering,
        };
        Ok(Self {
            endpoint: Arc::clone(endpoint),
            sockets: Mutex::new(Some(sockets)),
            own,
            text,
            state: watch::Sender::new(state),
            learned: watch::Sender::new(Vec::new()),
        })
    }

    /// Keeps this side's place at address translators and relays while a person carries the code, which may take minutes.
    fn remind(&self) -> Option<AbortOnDrop> {
        let servers = self.endpoint.config.servers.clone();
        if servers.is_empty() {
            return None;
        }
        let sockets = self.sockets().ok()?;
        let task = tokio::spawn(async move {
            loop {
                let line = sockets.line().await;
                let reading = async {
                    loop {
                        sockets.receive(&line).await;
                    }
                };
                let _ = tokio::time::timeout(REMIND_EVERY, reading).await;
                drop(line);
                outside::remind(&sockets, &servers).await;
            }
        });
        Some(AbortOnDrop(task.abort_handle()))
    }

    fn check(&self, theirs: &Code) -> Result<(), DialError> {
        if theirs.device == self.own.device {
            return Err(DialError::Code(CodeError::Own));
        }
        theirs.check_time(SystemTime::now()).map_err(DialError::Code)
    }

    fn sockets(&self) -> Result<Sockets, DialError> {
        let sockets = self
            .sockets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        sockets.ok_or_else(used)
    }

    /// The right to read the sockets. Whoever else has it may be making the link, and then keeps it as long as that lives.
    async fn line(&self, sockets: &Sockets, deadline: Instant) -> Result<Line, DialError> {
        let mut state = self.state.subscribe();
        tokio::select! {
            biased;
            _ = state.wait_for(|state| matches!(state, RouteState::Connected { .. })) => Err(used()),
            line = sockets.line() => Ok(line),
            () = tokio::time::sleep_until(deadline) => Err(DialError::Local(format!(
                "the try before this one has not given its sockets back: {}",
                match self.own.kind {
                    CodeKind::Offer => "make a new offer",
                    CodeKind::Answer(_) => "answer the offer anew, and give that answer back",
                }
            ))),
        }
    }

    fn learn(&self, address: SocketAddr) {
        self.learned.send_if_modified(|learned| {
            let new = learned.len() < ADDRESSES_MAX && !learned.contains(&address);
            if new {
                learned.push(address);
            }
            new
        });
    }

    async fn connect(
        &self,
        theirs: &Code,
        sockets: Sockets,
        line: Line,
        within: Within,
    ) -> Result<Connected, DialError> {
        let before = self.state.send_replace(RouteState::Connecting);
        let mut trying = Trying {
            state: &self.state,
            before: Some(before),
        };
        let made = self.make(theirs, sockets, line, within).await;
        trying.before = None;
        self.state.send_replace(match &made {
            Ok(connected) => RouteState::Connected {
                kind: connected.link.route(),
            },
            Err(error) => RouteState::Failed {
                reason: error.to_string(),
            },
        });
        made
    }

    async fn make(
        &self,
        theirs: &Code,
        sockets: Sockets,
        line: Line,
        within: Within,
    ) -> Result<Connected, DialError> {
        let identity = self.endpoint.identity()?;
        let is_offerer = self.own.kind == CodeKind::Offer;
        let plan = Plan {
            key: &self.endpoint.key,
            certificate: &identity.certificate,
            sockets: &sockets,
            own: party(&self.own),
            theirs: party(theirs),
            is_offerer,
            offerer_begins: if is_offerer { theirs } else { &self.own }.offerer_begins,
            expected: theirs.device,
            within,
            learned: self.learned.subscribe(),
        };
        let established = plan.establish(line).await?;
        let heard_from = sockets.heard_from().map(|(from, _)| from);
        let known = theirs.addresses.iter().copied();
        let mut peer_addresses: Vec<_> = heard_from
            .into_iter()
            .chain(known.filter(|address| Some(*address) != heard_from))
            .collect();
        peer_addresses.retain(|address| !theirs.relays.contains(address));
        peer_addresses.truncate(ADDRESSES_MAX);
        let route = SavedRoute {
            own: self.own.device,
            peer: established.proven.peer,
            secret: established.proven.secret.clone(),
            own_addresses: sockets.addresses(),
            peer_addresses,
            peer_relays: theirs.relays.clone(),
        };
        let pairing = Pairing::new(&route, sockets, identity.fingerprint)?;
        let evictions = Evictions {
            paired: pairing.paired(),
            replaced: pairing.replaced(),
        };
        self.endpoint.register(&pairing);
        *self.sockets.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let link = session::start(established, pairing, evictions, &self.endpoint.config);
        Ok(Connected { link, route })
    }
}

/// Says where the exchange stands again when connecting is given up half-way.
struct Trying<'a> {
    state: &'a watch::Sender<RouteState>,
    /// Until it is known what came of it.
    before: Option<RouteState>,
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            self.state.send_replace(before);
        }
    }
}

fn used() -> DialError {
    DialError::Code(CodeError::Used)
}

fn credentials() -> Result<Credentials, DialError> {
    let (mut fragment, mut password) = ([0; 4], [0; 16]);
    getrandom::fill(&mut fragment)
        .and_then(|()| getrandom::fill(&mut password))
        .map_err(|error| DialError::Local(format!("it has no randomness: {error}")))?;
    Ok(Credentials::from_bytes(&fragment, &password))
}

fn party(code: &Code) -> Party {
    Party {
        credentials: code.credentials.clone(),
        fingerprint: code.fingerprint,
        addresses: code.addresses.clone(),
        relays: code.relays.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::DeviceKey;
    use crate::webrtc::{Config, WebRtc};

    /// As when the stack does not finish closing what it was told to close.
    #[tokio::test]
    async fn sockets_that_are_not_given_back_are_waited_for_no_longer_than_for_a_connection() {
        let soon = Config {
            connect_within: Duration::from_millis(50),
            answer_within: Duration::from_millis(50),
            ..Config::loopback()
        };
        let (a, b) = (
            WebRtc::new(DeviceKey::from_bytes(&[1; 32]), soon.clone()),
            WebRtc::new(DeviceKey::from_bytes(&[2; 32]), soon),
        );
        let offering = a.offer().await.unwrap();
        let answering = b.answer(&offering.code()).await.unwrap();
        let (of_a, of_b) = (
            offering.side.sockets().unwrap(),
            answering.side.sockets().unwrap(),
        );
        let _kept = (of_a.line().await, of_b.line().await);
        for (made, what_to_do) in [
            (offering.accept(&answering.code()).await, "make a new offer"),
            (answering.connect().await, "answer the offer anew"),
        ] {
            let Err(DialError::Local(why)) = made else {
                panic!("somebody else reads these sockets");
            };
            assert!(why.contains("has not given its sockets back"), "{why}");
            assert!(why.contains(what_to_do), "{why}");
        }
    }
}
