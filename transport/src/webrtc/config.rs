//! What an endpoint can be told: where to bind, how patient to be, and how often to listen for a heartbeat.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::outside::Server;
use crate::cable::Cable;
use crate::limits::PATIENCE_MAX;

/// Which addresses to bind, and so to offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// All addresses of this machine that others can reach: not loopback, not link-local.
    Hosts,
    /// 127.0.0.1 alone: two processes on one machine.
    Loopback,
    /// These.
    Addresses(Vec<IpAddr>),
}

/// Settings of an endpoint. Durations have the reasons beside them in [`Config::default`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Which addresses to bind.
    pub bind: Bind,
    /// Servers that help to find a path. None by default: devices of one network need none, and whoever runs one learns
    /// who talks to whom.
    pub servers: Vec<Server>,
    /// How long to wait for those servers; what they said by then is used.
    pub gather_within: Duration,
    /// How often the two sides let each other hear of them: one of them asks, the other answers.
    pub heartbeat: Duration,
    /// Dead after this many heartbeats in a row were not heard; after three at least where the heartbeat was quickened.
    ///
    /// While this side's reader is busy silence does not count, as nothing would be read. After that it counts as soon as the
    /// other side has answered a heartbeat within a second, which it does at once. One that does not is given up to twice the time
    /// of the wait more (two minutes at most), and a second: so long SCTP may take to say again what was lost just then.
    pub heartbeat_misses: u32,
    /// From the moment both sides know of each other until the proof is done: all steps of that together.
    pub connect_within: Duration,
    /// How long one dial calls for the other device, and calls again where it was there and no link came of it.
    pub knock_within: Duration,
    /// How long an offer is said to hold: its code is refused by name from then on.
    pub offer_within: Duration,
    /// How long an answering side waits for a person to carry its code across.
    pub answer_within: Duration,
    /// A switch that cuts everything, for tests and demonstrations.
    pub cable: Option<Cable>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: Bind::Hosts,
            servers: Vec::new(),
            gather_within: Duration::from_secs(3),
            // A person looks at the screen for fifteen seconds; more beats than this would be most of what an idle link costs.
            heartbeat: Duration::from_millis(7_500),
            heartbeat_misses: 2,
            connect_within: Duration::from_secs(10),
            // As long as the longest backoff, so that two sides out of step always overlap.
            knock_within: Duration::from_secs(30),
            offer_within: Duration::from_secs(3_600),
            // People paste codes by chat and by mail.
            answer_within: Duration::from_secs(600),
            cable: None,
        }
    }
}

impl Config {
    /// Two processes on one machine, or tests.
    #[must_use]
    pub fn loopback() -> Self {
        Self {
            bind: Bind::Loopback,
            ..Self::default()
        }
    }

    /// How long nothing may be heard before a link is dead.
    #[must_use]
    pub fn silence_max(&self) -> Duration {
        self.heartbeat.saturating_mul(self.heartbeat_misses.max(1))
    }
}

/// A time that was granted for several steps together, and when it is up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Within {
    pub(super) granted: Duration,
    pub(super) until: Instant,
}

impl Within {
    /// From now on.
    pub(super) fn new(granted: Duration) -> Self {
        Self {
            granted,
            until: deadline(granted),
        }
    }
}

/// When so much time will have passed. Whoever says "for ever" by the longest of durations means that too.
pub(super) fn deadline(within: Duration) -> Instant {
    Instant::now() + within.min(PATIENCE_MAX)
}
