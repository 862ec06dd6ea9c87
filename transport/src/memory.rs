//! Links within one process, over the seeded [`Wire`]: the whole contract of a link without a socket.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub use crate::cable::Cable;
pub use crate::wire::{Conditions, Delivery, End, Wire};

use crate::DeviceId;
use crate::inbox::{Filler, Inbox, Room, inbox};
use crate::limits::{BINARY_MESSAGE_BYTES_MAX, CONTROL_MESSAGE_BYTES_MAX, MEMORY_SILENCE_MAX};
use crate::link::{CloseReason, Lane, Link, LinkEvent, LinkStats, RouteKind};

/// Two ends of one link, the first held by `a`, the second by `b`. Call within a tokio runtime; follows its clock.
#[must_use]
pub fn pair(a: DeviceId, b: DeviceId, conditions: Conditions, seed: u64) -> (Arc<dyn Link>, Arc<dyn Link>) {
    pair_on(&Cable::new(), a, b, conditions, seed)
}

/// Like [`pair`], over a cable that can be cut, both ways or one. While it is cut nothing arrives that way; mended in time all
/// goes on, as lanes are reliable; after [`MEMORY_SILENCE_MAX`] both ends report [`CloseReason::Silent`].
#[must_use]
pub fn pair_on(
    cable: &Cable,
    a: DeviceId,
    b: DeviceId,
    conditions: Conditions,
    seed: u64,
) -> (Arc<dyn Link>, Arc<dyn Link>) {
    let (to_a, inbox_a) = inbox();
    let (to_b, inbox_b) = inbox();
    let shared = Arc::new(Shared {
        wire: Mutex::new(OnWire {
            wire: Wire::new(conditions, seed),
            rooms: std::collections::BTreeMap::new(),
            numbers: std::collections::BTreeMap::new(),
        }),
        round_trip: conditions.latency * 2,
        started: Instant::now(),
        changed: Notify::new(),
        closed: watch::Sender::new(None),
        gone: watch::Sender::new(false),
        transcript: transcript(a, b, seed),
    });
    // The pump ends with the link, and dropping either end's last handle ends the link.
    tokio::spawn(pump(
        Kept(Arc::clone(&shared)),
        to_a.clone(),
        to_b.clone(),
        cable.clone(),
    ));
    let end = |end, peer, inbox, to_other| {
        Arc::new(MemoryLink {
            end,
            peer,
            inbox,
            to_other,
            shared: Arc::clone(&shared),
            sent_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
        })
    };
    (end(End::A, b, inbox_a, to_b), end(End::B, a, inbox_b, to_a))
}

struct MemoryLink {
    end: End,
    peer: DeviceId,
    inbox: Inbox,
    /// Room is taken in the other end's inbox before a message goes on the wire: that is the backpressure.
    to_other: Filler,
    shared: Arc<Shared>,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

struct Shared {
    wire: Mutex<OnWire>,
    round_trip: Duration,
    started: Instant,
    changed: Notify,
    /// Who closed and why, once it is over.
    closed: watch::Sender<Option<(Option<End>, CloseReason)>>,
    /// The pump has ended.
    gone: watch::Sender<bool>,
    transcript: [u8; 32],
}

/// The wire delivers bytes; the room they take at the other end travels beside them, in the order of each lane.
struct OnWire {
    wire: Wire,
    rooms: std::collections::BTreeMap<(End, Lane, u64), Room>,
    numbers: std::collections::BTreeMap<(End, Lane), (u64, u64)>,
}

impl Shared {
    fn wire(&self) -> std::sync::MutexGuard<'_, OnWire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, by: Option<End>, reason: CloseReason) {
        self.closed.send_if_modified(|closed| {
            let first = closed.is_none();
            if first {
                *closed = Some((by, reason));
            }
            first
        });
        self.changed.notify_one();
    }

    fn closed_at(&self, end: End) -> Option<CloseReason> {
        let closed = self.closed.borrow();
        let (by, reason) = closed.as_ref()?;
        Some(match by {
            Some(by) if *by != end => match reason {
                CloseReason::Here => CloseReason::There,
                other => other.clone(),
            },
            _ => reason.clone(),
        })
    }

    async fn wait_closed(&self) {
        let mut closed = self.closed.subscribe();
        // The sender lives in self, so this only ends with the link.
        let _ = closed.wait_for(Option::is_some).await;
    }
}

#[async_trait]
impl Link for MemoryLink {
    fn peer(&self) -> DeviceId {
        self.peer
    }

    fn transcript(&self) -> [u8; 32] {
        self.shared.transcript
    }

    fn route(&self) -> RouteKind {
        RouteKind::Memory
    }

    async fn send(&self, lane: Lane, message: Bytes) -> Result<(), CloseReason> {
        if let Some(reason) = self.shared.closed_at(self.end) {
            return Err(reason);
        }
        check_size(lane, message.len())?;
        let room = tokio::select! {
            biased;
            () = self.shared.wait_closed() => None,
            room = self.to_other.room(lane, message.len()) => room,
        };
        let Some(room) = room else {
            return Err(self.shared.closed_at(self.end).unwrap_or(CloseReason::There));
        };
        self.sent_bytes.fetch_add(message.len() as u64, Ordering::Relaxed);
        {
            let mut on_wire = self.shared.wire();
            let to = self.end.other();
            let number = &mut on_wire.numbers.entry((to, lane)).or_default().0;
            *number += 1;
            let number = *number;
            on_wire.rooms.insert((to, lane, number), room);
            let now = self.shared.started.elapsed();
            on_wire.wire.send(now, self.end, lane, message);
        }
        self.shared.changed.notify_one();
        Ok(())
    }

    async fn recv(&self) -> LinkEvent {
        let (lane, bytes) = tokio::select! {
            biased;
            Some(message) = self.inbox.next() => message,
            () = self.shared.wait_closed() => match self.inbox.ready().await {
                Some(message) => message,
                None => {
                    let reason = self.shared.closed_at(self.end);
                    return LinkEvent::Closed(reason.unwrap_or(CloseReason::There));
                }
            },
        };
        self.received_bytes
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        LinkEvent::Message { lane, bytes }
    }

    async fn close(&self, reason: CloseReason) {
        self.shared.end(Some(self.end), reason);
        let mut gone = self.shared.gone.subscribe();
        let _ = gone.wait_for(|gone| *gone).await;
    }

    fn stats(&self) -> LinkStats {
        LinkStats {
            round_trip: Some(self.shared.round_trip),
            loss_per_mille: None,
            sent_bytes: self.sent_bytes.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
        }
    }
}

impl Drop for MemoryLink {
    fn drop(&mut self) {
        self.shared.end(Some(self.end), CloseReason::Here);
    }
}

/// Refuses what no lane of any transport carries, so that what works in memory works on the wire.
pub(crate) fn check_size(lane: Lane, bytes: usize) -> Result<(), CloseReason> {
    let bytes_max = match lane {
        Lane::Control => CONTROL_MESSAGE_BYTES_MAX,
        Lane::Binary => BINARY_MESSAGE_BYTES_MAX,
    };
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(CloseReason::Protocol(format!(
        "a message of {bytes} bytes was not sent: this lane carries {bytes_max} at most, split it"
    )))
}

/// Held by the pump: when it stops before its time, as when its runtime is shut down around it, the link is over, as
/// nothing would arrive any more.
struct Kept(Arc<Shared>);

impl Drop for Kept {
    fn drop(&mut self) {
        let why = "what ran it has stopped: the runtime that it was made on was shut down";
        self.0.end(None, CloseReason::Failed(why.to_owned()));
        self.0.gone.send_replace(true);
    }
}

/// Carries what is due from the wire into the inboxes.
///
/// It holds the cable: one that nobody else has would report its end again and again, and keep a processor busy.
async fn pump(kept: Kept, to_a: Filler, to_b: Filler, cable: Cable) {
    let (shared, mut cut) = (&kept.0, cable.watch());
    // What arrived where nothing is heard at present, and until when that may last.
    let mut unheard: VecDeque<(Delivery, Room)> = VecDeque::new();
    let mut silent_at = None;
    loop {
        if shared.closed.borrow().is_some() {
            return;
        }
        let lost = *cut.borrow_and_update();
        silent_at = match lost.is_any() {
            true => silent_at.or_else(|| Some(Instant::now() + MEMORY_SILENCE_MAX)),
            false => None,
        };
        let next_at = {
            let mut on_wire = shared.wire();
            let now = shared.started.elapsed();
            let mut arrived = std::mem::take(&mut unheard);
            while let Some(delivery) = on_wire.wire.deliver(now) {
                let number = &mut on_wire.numbers.entry((delivery.to, delivery.lane)).or_default().1;
                *number += 1;
                let number = *number;
                if let Some(room) = on_wire.rooms.remove(&(delivery.to, delivery.lane, number)) {
                    arrived.push_back((delivery, room));
                }
            }
            for (delivery, room) in arrived {
                if lost.from(delivery.to.other()) {
                    unheard.push_back((delivery, room));
                    continue;
                }
                let to = match delivery.to {
                    End::A => &to_a,
                    End::B => &to_b,
                };
                to.fill(delivery.lane, delivery.message, room);
            }
            on_wire.wire.next_at()
        };
        let at = |at: Option<Instant>| async move {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = at(next_at.map(|next_at| shared.started + next_at)) => {}
            () = shared.changed.notified() => {}
            _ = cut.changed() => {}
            () = at(silent_at) => {
                let silent_ms = u64::try_from(MEMORY_SILENCE_MAX.as_millis()).unwrap_or(u64::MAX);
                shared.end(None, CloseReason::Silent { silent_ms });
                return;
            }
        }
    }
}

/// Unlike the deliveries this never repeats, not even for one seed: what is bound to a link must not fit another.
fn transcript(a: DeviceId, b: DeviceId, seed: u64) -> [u8; 32] {
    static LINKS: AtomicU64 = AtomicU64::new(0);
    let mut hasher = blake3::Hasher::new_derive_key("cuecard memory link transcript v0");
    hasher.update(a.as_bytes()).update(b.as_bytes());
    hasher.update(&seed.to_le_bytes());
    hasher.update(&LINKS.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    *hasher.finalize().as_bytes()
}
