//! The devices that are kept linked: by codes the first time, by the remembered route ever after.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cuecard::transport::webrtc::{Answering, Config, Connected, Offering, SavedRoute, WebRtc};
use cuecard::transport::{Backoff, DialError, Link, RouteKind, RouteState};
use cuecard::{DeckInvite, DeviceId, Engine, KeptLink};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::error::Error;

/// The links of a device.
pub(crate) struct Links {
    engine: Engine,
    webrtc: WebRtc,
    backoff: Backoff,
    kept: Mutex<BTreeMap<DeviceId, Kept>>,
}

/// A device that is kept linked. Dropping it stops that.
struct Kept {
    task: AbortHandle,
    state: watch::Receiver<LinkState>,
}

/// Where the link to a device stands.
#[derive(Clone)]
pub(crate) enum LinkState {
    /// Linked by the codes that were exchanged in this run.
    ByCodes(Arc<dyn Link>),
    /// Linked by dialling.
    Dialled(RouteKind),
    /// Not linked, and why.
    Down(String),
}

impl std::fmt::Debug for LinkState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ByCodes(link) => write!(f, "ByCodes({:?})", link.route()),
            Self::Dialled(kind) => write!(f, "Dialled({kind:?})"),
            Self::Down(why) => write!(f, "Down({why})"),
        }
    }
}

impl LinkState {
    /// How its bytes travel; `None` where it is down.
    pub(crate) fn route(&self) -> Option<RouteKind> {
        match self {
            Self::ByCodes(link) => Some(link.route()),
            Self::Dialled(kind) => Some(*kind),
            Self::Down(_) => None,
        }
    }

    /// Bytes of messages that were sent, where that is known.
    pub(crate) fn sent_bytes(&self) -> u64 {
        match self {
            Self::ByCodes(link) => link.stats().sent_bytes,
            Self::Dialled(_) | Self::Down(_) => 0,
        }
    }

    pub(crate) const fn is_dialled(&self) -> bool {
        matches!(self, Self::Dialled(_))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Links {
    pub(crate) fn new(engine: &Engine, config: Config, backoff: Backoff) -> Self {
        Self {
            engine: engine.clone(),
            webrtc: WebRtc::new(engine.key().clone(), config),
            backoff,
            kept: Mutex::default(),
        }
    }

    /// Starts dialling every route that was remembered.
    ///
    /// # Errors
    /// What the store says. A single route that cannot be used is said in its state.
    pub(crate) fn dial_remembered(&self) -> Result<(), Error> {
        for (device, route) in self.engine.routes()? {
            let (state, seen) = watch::channel(LinkState::Down("dialling".to_owned()));
            let dialer = SavedRoute::from_bytes(&route)
                .map_err(|error| error.to_string())
                .and_then(|route| self.webrtc.dialer(route).map_err(|error| error.to_string()));
            let task = match dialer {
                Ok(dialer) => tokio::spawn(follow(self.engine.keep_linked(dialer, self.backoff), state)),
                Err(why) => {
                    tracing::warn!(device = %device.short(), why, "a remembered route cannot be dialled");
                    state.send_replace(LinkState::Down(why));
                    tokio::spawn(state_alone(state))
                }
            };
            self.hold(device, task.abort_handle(), seen);
        }
        Ok(())
    }

    /// An offer; with an invite, whoever answers it can follow that deck.
    ///
    /// # Errors
    /// When no socket can be bound.
    pub(crate) async fn offer(&self, invite: Option<&DeckInvite>) -> Result<Offering, DialError> {
        let payload = invite.map(DeckInvite::to_bytes).unwrap_or_default();
        self.webrtc.offer_with(payload).await
    }

    /// The answer to an offer.
    ///
    /// # Errors
    /// What is wrong with the code.
    pub(crate) async fn answer(&self, code: &str) -> Result<Answering, DialError> {
        self.webrtc.answer(code).await
    }

    /// Uses a link that came of codes, and dials its route once it is over. The route is durable when this returns. Whoever
    /// made the link lets go of its offer or answer first: that holds the port which dialling wants.
    ///
    /// # Errors
    /// When the route cannot be saved.
    pub(crate) async fn keep(&self, connected: Connected) -> Result<DeviceId, Error> {
        let Connected { link, route } = connected;
        let device = link.peer();
        let over = self.engine.attach(link.clone());
        self.engine.remember_route(device, &route.to_bytes()).await?;
        let (state, seen) = watch::channel(LinkState::ByCodes(link));
        let (engine, webrtc, backoff) = (self.engine.clone(), self.webrtc.clone(), self.backoff);
        let task = tokio::spawn(async move {
            let reason = over.ended().await;
            tracing::info!(device = %device.short(), %reason, "the link is over; dialling from now on");
            state.send_replace(LinkState::Down(reason.to_string()));
            match webrtc.dialer(route) {
                Ok(dialer) => follow(engine.keep_linked(dialer, backoff), state).await,
                Err(error) => tracing::warn!(%error, "the route that was just made cannot be dialled"),
            }
        });
        self.hold(device, task.abort_handle(), seen);
        Ok(device)
    }

    /// The devices that are kept linked, and where each stands.
    pub(crate) fn all(&self) -> BTreeMap<DeviceId, LinkState> {
        let kept = lock(&self.kept);
        kept.iter()
            .map(|(device, kept)| (*device, kept.state.borrow().clone()))
            .collect()
    }

    /// Stops dialling.
    pub(crate) fn let_go(&self) {
        lock(&self.kept).clear();
    }

    fn hold(&self, device: DeviceId, task: AbortHandle, state: watch::Receiver<LinkState>) {
        lock(&self.kept).insert(device, Kept { task, state });
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
            RouteState::Reconnecting { attempt, reason } => {
                LinkState::Down(format!("dialling, attempt {attempt}: {reason}"))
            }
            RouteState::Failed { reason } => LinkState::Down(reason),
            _ => LinkState::Down("dialling".to_owned()),
        });
        if route.changed().await.is_err() {
            return;
        }
    }
}

/// A state that stays as it is must still have somebody who holds it.
async fn state_alone(state: watch::Sender<LinkState>) {
    state.closed().await;
}

/// How bytes travel, in a word.
pub(crate) const fn name_of(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::Memory => "memory",
        RouteKind::Direct => "direct",
        RouteKind::Lan => "lan",
        RouteKind::Relay => "relay",
        _ => "unknown",
    }
}

/// Consistent even if a holder panicked: each change under these locks is one assignment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
