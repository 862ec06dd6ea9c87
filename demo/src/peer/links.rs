//! A peer's links: by codes the first time, by the remembered route ever after.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cuecard::transport::webrtc::{Answering, Config, Connected, Offering, SavedRoute, WebRtc};
use cuecard::transport::{Backoff, Cable, RouteKind, RouteState};
use cuecard::{DeckInvite, DeviceId, Engine, KeptLink};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::protocol::LinkTold;
use super::trouble::Trouble;

/// Short, so that the story need not wait: a cut cable is noticed after three of these.
const HEARTBEAT: Duration = Duration::from_millis(400);
/// Two processes on one machine lose little by dialling often.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_secs(1),
    jitter: 0.3,
    steady: Duration::from_secs(10),
};

/// The links of a peer.
pub(super) struct Links {
    engine: Engine,
    webrtc: WebRtc,
    cable: Cable,
    offering: Mutex<Option<Arc<Offering>>>,
    answering: Mutex<Option<Arc<Answering>>>,
    kept: Mutex<BTreeMap<DeviceId, Kept>>,
}

/// A device that is kept linked. Dropping it stops that.
struct Kept {
    task: AbortHandle,
    state: watch::Receiver<LinkState>,
}

/// Where the link to a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinkState {
    /// By the codes that were exchanged in this run.
    ByCodes(RouteKind),
    /// By dialling.
    Dialled(RouteKind),
    Down,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Links {
    pub(super) fn new(engine: &Engine) -> Self {
        let cable = Cable::new();
        let config = Config {
            heartbeat: HEARTBEAT,
            cable: Some(cable.clone()),
            ..Config::loopback()
        };
        Self {
            engine: engine.clone(),
            webrtc: WebRtc::new(engine.key().clone(), config),
            cable,
            offering: Mutex::default(),
            answering: Mutex::default(),
            kept: Mutex::default(),
        }
    }

    /// Starts dialling every route that was remembered.
    pub(super) fn dial_remembered(&self) -> Result<(), Trouble> {
        for (device, route) in self.engine.routes()? {
            let dialer = self.webrtc.dialer(SavedRoute::from_bytes(&route)?)?;
            let (state, seen) = watch::channel(LinkState::Down);
            let task = tokio::spawn(follow(self.engine.keep_linked(dialer, BACKOFF), state));
            lock(&self.kept).insert(
                device,
                Kept {
                    task: task.abort_handle(),
                    state: seen,
                },
            );
        }
        Ok(())
    }

    pub(super) fn set_cut(&self, cut: bool) {
        if cut {
            self.cable.cut();
        } else {
            self.cable.mend();
        }
    }

    pub(super) async fn offer(&self, invite: &DeckInvite) -> Result<String, Trouble> {
        let offering = self.webrtc.offer_with(invite.to_bytes()).await?;
        let code = offering.code();
        // An offer before it, whose answer never came, is given up.
        *lock(&self.offering) = Some(Arc::new(offering));
        Ok(code)
    }

    pub(super) async fn accept(&self, code: &str) -> Result<(), Trouble> {
        let offering = lock(&self.offering).clone().ok_or(Trouble::NothingOffered)?;
        let connected = offering.accept(code).await?;
        // It holds its sockets for as long as it lives, and dialling wants the port.
        drop((offering, lock(&self.offering).take()));
        self.keep(connected).await
    }

    /// Answers an offer: the code to give back, and the deck that the offer invites to.
    pub(super) async fn answer(&self, code: &str) -> Result<(String, DeckInvite), Trouble> {
        let answering = self.webrtc.answer(code).await?;
        let invite = DeckInvite::from_bytes(answering.payload()).ok_or(Trouble::NoInvite)?;
        let code = answering.code();
        *lock(&self.answering) = Some(Arc::new(answering));
        Ok((code, invite))
    }

    pub(super) async fn connect(&self) -> Result<(), Trouble> {
        let answering = lock(&self.answering).clone().ok_or(Trouble::NothingOffered)?;
        let connected = answering.connect().await?;
        drop((answering, lock(&self.answering).take()));
        self.keep(connected).await
    }

    /// The live links.
    pub(super) fn told(&self) -> Vec<LinkTold> {
        let told = |(device, kept): (&DeviceId, &Kept)| {
            let (kind, dialled) = match *kept.state.borrow() {
                LinkState::ByCodes(kind) => (kind, false),
                LinkState::Dialled(kind) => (kind, true),
                LinkState::Down => return None,
            };
            Some(LinkTold {
                device: device.to_string(),
                route: name_of(kind).to_owned(),
                dialled,
            })
        };
        lock(&self.kept).iter().filter_map(told).collect()
    }

    /// Uses the link, and dials the route that it came with once it is over. The route is durable when this returns.
    async fn keep(&self, connected: Connected) -> Result<(), Trouble> {
        let Connected { link, route } = connected;
        let (device, kind) = (link.peer(), link.route());
        let over = self.engine.attach(link);
        self.engine.remember_route(device, &route.to_bytes()).await?;
        let (state, seen) = watch::channel(LinkState::ByCodes(kind));
        let (engine, webrtc) = (self.engine.clone(), self.webrtc.clone());
        let task = tokio::spawn(async move {
            let reason = over.ended().await;
            tracing::info!(device = %device.short(), %reason, "the link is over; dialling from now on");
            state.send_replace(LinkState::Down);
            match webrtc.dialer(route) {
                Ok(dialer) => follow(engine.keep_linked(dialer, BACKOFF), state).await,
                Err(error) => tracing::warn!(%error, "the route that was just made cannot be dialled"),
            }
        });
        lock(&self.kept).insert(
            device,
            Kept {
                task: task.abort_handle(),
                state: seen,
            },
        );
        Ok(())
    }
}

/// Says where a kept link stands, for as long as it is kept.
async fn follow(kept: KeptLink, state: watch::Sender<LinkState>) {
    let mut route = kept.state();
    loop {
        let now = route.borrow_and_update().clone();
        tracing::info!(device = %kept.device().short(), state = ?now, "route");
        state.send_replace(match now {
            RouteState::Connected { kind } => LinkState::Dialled(kind),
            _ => LinkState::Down,
        });
        if route.changed().await.is_err() {
            return;
        }
    }
}

const fn name_of(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::Memory => "memory",
        RouteKind::Direct => "direct",
        RouteKind::Lan => "lan",
        RouteKind::Relay => "relay",
        _ => "unknown",
    }
}

/// Consistent even if a holder panicked: each change under these locks is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
