//! Keeps one device reachable: dials until there is a link, and again when it is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::DeviceId;
use crate::limits::PATIENCE_MAX;
use crate::link::{DialError, Dialer, Link, LinkEvent, RouteKind};
use crate::wire::Random;

/// How dials are spaced. The delay runs from the start of one dial to the start of the next, so that a dial that waits
/// patiently for the other side is not followed by a pause in which the other side waits in vain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// The delay doubles up to this.
    pub most: Duration,
    /// The share of each delay that is drawn, 0 to 1: two sides that failed together do not retry together for ever.
    pub jitter: f64,
    /// A link that lived this long sets the delay back to `first`.
    pub steady: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            most: Duration::from_secs(30),
            jitter: 0.3,
            steady: Duration::from_secs(10),
        }
    }
}

/// Where a route stands, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteState {
    /// Nobody wants a link at present.
    Idle,
    /// A code was made here and is to be given to the other device.
    Offering,
    /// A code was given away; the other device's answer is awaited.
    WaitingForAnswer,
    /// The other device's code was read here; it has yet to take our answer.
    Answering,
    /// The first dial is under way.
    Connecting,
    /// There is a link.
    Connected {
        /// How its bytes travel.
        kind: RouteKind,
    },
    /// There was a link, or a dial failed: dialling again.
    Reconnecting {
        /// Which attempt this is, from 1.
        attempt: u32,
        /// Why the last dial failed or the last link ended.
        reason: String,
    },
    /// The last dial failed in a way that dialling again does not mend.
    Failed {
        /// Why, and what to do.
        reason: String,
    },
}

/// One device kept reachable through one dialer.
pub struct Route {
    dialer: Arc<dyn Dialer>,
    backoff: Backoff,
    random: Random,
    state: watch::Sender<RouteState>,
    delay: Option<Duration>,
    attempt: u32,
    link_since: Option<Instant>,
    dialled_at: Option<Instant>,
}

impl Route {
    /// A route that has not been dialled yet.
    #[must_use]
    pub fn new(dialer: Arc<dyn Dialer>, backoff: Backoff) -> Self {
        let mut seed = [0_u8; 8];
        // Only spreads retries; without randomness they are evenly spaced, which is no harm.
        let _ = getrandom::fill(&mut seed);
        Self {
            dialer,
            backoff,
            random: Random(u64::from_le_bytes(seed)),
            state: watch::Sender::new(RouteState::Idle),
            delay: None,
            attempt: 0,
            link_since: None,
            dialled_at: None,
        }
    }

    /// The device this route reaches.
    #[must_use]
    pub fn peer(&self) -> DeviceId {
        self.dialer.peer()
    }

    /// Follows where the route stands.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<RouteState> {
        self.state.subscribe()
    }

    /// Dials until there is a link. Call again when that link is over. Cancel safe: a dropped call leaves nothing
    /// behind, and the next one goes on with the same spacing.
    pub async fn next_link(&mut self) -> Arc<dyn Link> {
        self.forget_after_steady_link();
        let mut given_up = GivenUp(Some(self.state.clone()));
        loop {
            self.wait_for_turn().await;
            if self.attempt == 0 {
                self.state.send_replace(RouteState::Connecting);
            }
            self.dialled_at = Some(Instant::now());
            self.lengthen_delay();
            match self.dialer.dial().await {
                Ok(link) => {
                    self.link_since = Some(Instant::now());
                    self.attempt = self.attempt.saturating_add(1);
                    let kind = link.route();
                    given_up.0 = None;
                    self.state.send_replace(RouteState::Connected { kind });
                    return link;
                }
                Err(error) => {
                    self.attempt = self.attempt.saturating_add(1);
                    self.state.send_replace(self.after(&error));
                }
            }
        }
    }

    /// Tells watchers that the link is over and why, before the next [`Route::next_link`].
    pub fn link_ended(&mut self, event: &LinkEvent) {
        if let LinkEvent::Closed(reason) = event {
            self.state.send_replace(RouteState::Reconnecting {
                attempt: 1,
                reason: reason.to_string(),
            });
        }
    }

    /// Nobody wants a link for now; the next [`Route::next_link`] dials at once, as at first.
    pub fn rest(&mut self) {
        (self.delay, self.attempt) = (None, 0);
        self.state.send_replace(RouteState::Idle);
    }

    fn after(&self, error: &DialError) -> RouteState {
        let reason = error.to_string();
        match error {
            DialError::NoPath { .. } | DialError::Local(_) => RouteState::Reconnecting {
                attempt: self.attempt,
                reason,
            },
            // Dialling goes on, at the longest delay in the end: the other side may be replaced by the right one.
            DialError::Proof(_) | DialError::Code(_) | DialError::Route => RouteState::Failed { reason },
        }
    }

    fn forget_after_steady_link(&mut self) {
        let steady = self.backoff.steady;
        if self
            .link_since
            .take()
            .is_some_and(|since| since.elapsed() >= steady)
        {
            self.delay = None;
            self.attempt = 1;
        }
    }

    async fn wait_for_turn(&mut self) {
        if let (Some(delay), Some(dialled_at)) = (self.delay, self.dialled_at) {
            tokio::time::sleep_until(dialled_at + delay).await;
        }
    }

    fn lengthen_delay(&mut self) {
        let jitter = Some(self.backoff.jitter).filter(|jitter| jitter.is_finite());
        let jitter = jitter.unwrap_or_default().clamp(0.0, 1.0);
        let [first, most] = [self.backoff.first, self.backoff.most].map(|delay| delay.min(PATIENCE_MAX));
        let doubled = self.delay.map_or(first, |delay| (delay * 2).min(most));
        let share = 1.0 - jitter * self.random.unit();
        self.delay = Some(doubled.mul_f64(share).max(first.mul_f64(1.0 - jitter)));
    }
}

/// Tells watchers when dialling is given up before there is a link: then nobody wants one.
struct GivenUp(Option<watch::Sender<RouteState>>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let Some(state) = self.0.take() {
            state.send_replace(RouteState::Idle);
        }
    }
}
