//! Links that count what passes, and that stop reading where a test wants to look.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cuecard::DeviceId;
use cuecard::sync::envelope::open;
use cuecard::sync::message::Message;
use cuecard::transport::{CloseReason, DialError, Dialer, Lane, Link, LinkEvent, LinkStats, RouteKind};
use tokio::sync::watch;

/// Counts over all links of one process.
#[derive(Debug)]
pub struct Tally {
    received: [AtomicU64; 2],
    sent: [AtomicU64; 2],
    /// Greetings, both ways: how many, and their bytes.
    greetings: [AtomicU64; 2],
    /// On which lane, at which count, nothing more is read.
    hold: watch::Sender<Option<(Lane, u64)>>,
    held: watch::Sender<bool>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            received: Default::default(),
            sent: Default::default(),
            greetings: Default::default(),
            hold: watch::Sender::new(None),
            held: watch::Sender::new(false),
        }
    }
}

const fn number(lane: Lane) -> usize {
    match lane {
        Lane::Control => 0,
        Lane::Binary => 1,
    }
}

impl Tally {
    /// Bytes received: control, binary.
    #[must_use]
    pub fn received(&self) -> (u64, u64) {
        read(&self.received)
    }

    /// Bytes sent: control, binary.
    #[must_use]
    pub fn sent(&self) -> (u64, u64) {
        read(&self.sent)
    }

    /// Greetings, both ways: how many, and their bytes.
    #[must_use]
    pub fn greetings(&self) -> (u64, u64) {
        read(&self.greetings)
    }

    fn note(&self, lane: Lane, message: &Bytes) {
        // Opening what is longer would cost what is measured; no greeting is.
        let is_short = lane == Lane::Control && message.len() < 4_096;
        if is_short && matches!(open(message), Ok(Message::Greet { .. })) {
            self.greetings[0].fetch_add(1, Ordering::SeqCst);
            self.greetings[1].fetch_add(message.len() as u64, Ordering::SeqCst);
        }
    }

    /// Stops reading once so many more bytes have come.
    pub fn hold_after(&self, lane: Lane, bytes: u64) {
        let so_far = self.received[number(lane)].load(Ordering::SeqCst);
        self.held.send_replace(false);
        self.hold.send_replace(Some((lane, so_far + bytes)));
    }

    /// Reads on.
    pub fn go_on(&self) {
        self.hold.send_replace(None);
    }

    /// Waits until nothing more is read.
    pub async fn held(&self) {
        // The sender is in `self`, so it cannot be gone.
        let _ = self.held.subscribe().wait_for(|held| *held).await;
    }

    async fn may_read(&self) {
        let mut hold = self.hold.subscribe();
        let is_open = |hold: &Option<(Lane, u64)>| {
            hold.is_none_or(|(lane, upto)| self.received[number(lane)].load(Ordering::SeqCst) < upto)
        };
        if !is_open(&hold.borrow_and_update()) {
            self.held.send_replace(true);
            let _ = hold.wait_for(is_open).await;
        }
    }
}

fn read(counts: &[AtomicU64; 2]) -> (u64, u64) {
    (counts[0].load(Ordering::SeqCst), counts[1].load(Ordering::SeqCst))
}

/// A link that is counted.
pub struct Counted {
    link: Arc<dyn Link>,
    tally: Arc<Tally>,
}

impl Counted {
    /// Counts a link.
    #[must_use]
    pub fn around(link: Arc<dyn Link>, tally: &Arc<Tally>) -> Arc<dyn Link> {
        Arc::new(Self {
            link,
            tally: Arc::clone(tally),
        })
    }
}

#[async_trait]
impl Link for Counted {
    fn peer(&self) -> DeviceId {
        self.link.peer()
    }

    fn transcript(&self) -> [u8; 32] {
        self.link.transcript()
    }

    fn route(&self) -> RouteKind {
        self.link.route()
    }

    async fn send(&self, lane: Lane, message: Bytes) -> Result<(), CloseReason> {
        let bytes = message.len() as u64;
        self.link.send(lane, message.clone()).await?;
        self.tally.note(lane, &message);
        self.tally.sent[number(lane)].fetch_add(bytes, Ordering::SeqCst);
        Ok(())
    }

    async fn recv(&self) -> LinkEvent {
        // Before reading, so that nothing is lost where this is dropped while it waits.
        self.tally.may_read().await;
        let event = self.link.recv().await;
        if let LinkEvent::Message { lane, bytes } = &event {
            self.tally.note(*lane, bytes);
            self.tally.received[number(*lane)].fetch_add(bytes.len() as u64, Ordering::SeqCst);
        }
        event
    }

    async fn close(&self, reason: CloseReason) {
        self.link.close(reason).await;
    }

    fn set_heartbeat(&self, every: std::time::Duration) {
        self.link.set_heartbeat(every);
    }

    fn stats(&self) -> LinkStats {
        self.link.stats()
    }
}

/// A dialer whose links are counted.
pub struct CountedDialer {
    dialer: Arc<dyn Dialer>,
    tally: Arc<Tally>,
}

impl CountedDialer {
    /// Counts what a dialer dials.
    #[must_use]
    pub fn around(dialer: Arc<dyn Dialer>, tally: &Arc<Tally>) -> Arc<dyn Dialer> {
        Arc::new(Self {
            dialer,
            tally: Arc::clone(tally),
        })
    }
}

#[async_trait]
impl Dialer for CountedDialer {
    fn peer(&self) -> DeviceId {
        self.dialer.peer()
    }

    async fn dial(&self) -> Result<Arc<dyn Link>, DialError> {
        Ok(Counted::around(self.dialer.dial().await?, &self.tally))
    }
}
