//! A live link over a peer connection: lanes, heartbeat, and a clean end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::webrtc::data_channel::{DataChannel, DataChannelEvent};
use ::webrtc::peer_connection::RTCPeerConnectionState;
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::config::Config;
use super::frames::{ControlFrame, Joined, Joiner, Part, Splitter, decode_binary, encode_binary};
use super::pairing::Pairing;
use super::peer::{Established, Peer};
use super::proof::Proven;
use super::pulse::Pulse;
use crate::DeviceId;
use crate::inbox::{Filler, Held, Inbox, inbox, lanes};
use crate::limits::{BINARY_OUTBOX_BYTES_MAX, CLOSE_FLUSH_MAX, MISSING_MAX, OUTBOX_BYTES_MAX};
use crate::link::{CloseReason, Lane, Link, LinkEvent, LinkStats, RouteKind};
use crate::memory::check_size;

/// What ends a link from outside.
pub(super) struct Evictions {
    pub(super) paired: watch::Receiver<u64>,
    pub(super) replaced: watch::Receiver<u64>,
}

/// Starts the tasks of a link and hands it out.
pub(super) fn start(
    established: Established,
    pairing: Arc<Pairing>,
    evictions: Evictions,
    config: &Config,
) -> Arc<dyn Link> {
    let Established { peer, proven, early } = established;
    let (filler, inbox) = inbox();
    let (outbox, outgoing) = lanes(OUTBOX_BYTES_MAX, BINARY_OUTBOX_BYTES_MAX);
    let kind = pairing.route_kind();
    let shared = Arc::new(Shared::new(&proven, kind, config));
    let (control_out, binary_out) = outgoing.split();
    let (control, binary) = (Arc::clone(&peer.control), Arc::clone(&peer.binary));
    let mut tasks = JoinSet::new();
    let ended = Arc::new(tokio::sync::Notify::new());
    let read = read_control(
        Arc::clone(&shared),
        Arc::clone(&control),
        filler.clone(),
        early,
        MISSING_MAX,
    );
    let read_ended = Arc::clone(&ended);
    tasks.spawn(async move {
        let reason = read.await;
        read_ended.notify_one();
        reason
    });
    tasks.spawn(read_binary(Arc::clone(&shared), Arc::clone(&binary), filler));
    tasks.spawn(write_binary(binary, binary_out));
    tasks.spawn(heartbeat(Arc::clone(&shared), Arc::clone(&control)));
    tasks.spawn(failure(peer.state.clone()));
    tasks.spawn(eviction(evictions));
    let writer = Writer {
        control,
        outgoing: control_out,
    };
    tokio::spawn(supervise(
        Kept(Arc::clone(&shared)),
        pairing,
        peer,
        tasks,
        writer,
        ended,
    ));
    Arc::new(WebRtcLink {
        shared,
        inbox,
        outbox,
    })
}

struct WebRtcLink {
    shared: Arc<Shared>,
    inbox: Inbox,
    outbox: Filler,
}

struct Shared {
    peer: DeviceId,
    transcript: [u8; 32],
    kind: RouteKind,
    /// Why it is over, once it is. The first reason stays.
    closing: watch::Sender<Option<CloseReason>>,
    /// Tasks and sockets are given back.
    gone: watch::Sender<bool>,
    pulse: Pulse,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

impl Shared {
    fn new(proven: &Proven, kind: RouteKind, config: &Config) -> Self {
        Self {
            peer: proven.peer,
            transcript: proven.transcript,
            kind,
            closing: watch::Sender::new(None),
            gone: watch::Sender::new(false),
            pulse: Pulse::new(config, proven.is_offerer),
            sent_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
        }
    }

    fn end(&self, reason: CloseReason) {
        self.closing.send_if_modified(|closing| {
            let first = closing.is_none();
            if first {
                *closing = Some(reason);
            }
            first
        });
    }

    fn ended(&self) -> Option<CloseReason> {
        self.closing.borrow().clone()
    }

    async fn wait_ended(&self) -> CloseReason {
        let mut closing = self.closing.subscribe();
        let ended = closing.wait_for(Option::is_some).await;
        // The sender lives in self.
        ended
            .ok()
            .and_then(|reason| reason.clone())
            .unwrap_or(CloseReason::Here)
    }
}

#[async_trait]
impl Link for WebRtcLink {
    fn peer(&self) -> DeviceId {
        self.shared.peer
    }

    fn transcript(&self) -> [u8; 32] {
        self.shared.transcript
    }

    fn route(&self) -> RouteKind {
        self.shared.kind
    }

    async fn send(&self, lane: Lane, message: Bytes) -> Result<(), CloseReason> {
        if let Some(reason) = self.shared.ended() {
            return Err(reason);
        }
        check_size(lane, message.len())?;
        let room = tokio::select! {
            biased;
            reason = self.shared.wait_ended() => return Err(reason),
            room = self.outbox.room(lane, message.len()) => room,
        };
        let bytes = message.len() as u64;
        if room.is_some_and(|room| self.outbox.fill(lane, message, room)) {
            self.shared.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
            return Ok(());
        }
        // A writer ends with the link alone, whose reason is about to be set.
        Err(self.shared.wait_ended().await)
    }

    async fn recv(&self) -> LinkEvent {
        let message = tokio::select! {
            biased;
            message = self.inbox.next() => message,
            reason = self.shared.wait_ended() => {
                // What came before the end is still worth reading, unless it was this side that had enough.
                let rest = if reason == CloseReason::Here { None } else { self.inbox.ready().await };
                match rest {
                    Some(message) => Some(message),
                    None => return LinkEvent::Closed(reason),
                }
            }
        };
        match message {
            Some((lane, bytes)) => {
                self.shared
                    .received_bytes
                    .fetch_add(bytes.len() as u64, Ordering::Relaxed);
                LinkEvent::Message { lane, bytes }
            }
            None => LinkEvent::Closed(self.shared.wait_ended().await),
        }
    }

    async fn close(&self, reason: CloseReason) {
        self.shared.end(reason);
        let mut gone = self.shared.gone.subscribe();
        let _ = gone.wait_for(|gone| *gone).await;
    }

    fn set_heartbeat(&self, every: Duration) {
        self.shared.pulse.set_every(every);
    }

    fn stats(&self) -> LinkStats {
        LinkStats {
            round_trip: self.shared.pulse.round_trip(),
            loss_per_mille: self.shared.pulse.loss_per_mille(),
            sent_bytes: self.shared.sent_bytes.load(Ordering::Relaxed),
            received_bytes: self.shared.received_bytes.load(Ordering::Relaxed),
        }
    }
}

impl Drop for WebRtcLink {
    fn drop(&mut self) {
        self.shared.end(CloseReason::Here);
    }
}

/// Sends control messages, and the goodbye after the last of them.
struct Writer {
    control: Arc<dyn DataChannel>,
    outgoing: mpsc::UnboundedReceiver<Held>,
}

impl Writer {
    async fn run(
        &mut self,
        splitter: &mut Splitter,
        pending: &mut Vec<ControlFrame>,
        pulse: &Pulse,
    ) -> CloseReason {
        loop {
            // Frames are taken from `pending` only once sent, so that being stopped leaves no hole in the sequence.
            while let Some(frame) = pending.last() {
                if self.control.send(frame.encode()).await.is_err() {
                    return CloseReason::There;
                }
                pulse.sent();
                pending.pop();
            }
            match self.outgoing.recv().await {
                Some(held) => {
                    *pending = splitter.split(&held.bytes);
                    pending.reverse();
                }
                None => return std::future::pending().await,
            }
        }
    }

    /// What is queued still goes out, then the goodbye.
    async fn finish(
        &mut self,
        splitter: &mut Splitter,
        mut pending: Vec<ControlFrame>,
        reason: &CloseReason,
    ) {
        while let Ok(held) = self.outgoing.try_recv() {
            let mut frames = splitter.split(&held.bytes);
            frames.reverse();
            frames.append(&mut pending);
            pending = frames;
        }
        pending.insert(0, splitter.goodbye(reason));
        while let Some(frame) = pending.pop() {
            if self.control.send(frame.encode()).await.is_err() {
                return;
            }
        }
    }
}

/// Held by whoever gives everything back: when that stops before its time, as when the runtime is shut down around it,
/// the link is over all the same, and nobody waits for it for ever.
struct Kept(Arc<Shared>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.end(CloseReason::Failed(
            "what ran it has stopped: the runtime that it was made on was shut down".to_owned(),
        ));
        self.0.gone.send_replace(true);
    }
}

/// Owns everything that must be given back, and gives it back when the link is over.
async fn supervise(
    kept: Kept,
    pairing: Arc<Pairing>,
    peer: Peer,
    mut tasks: JoinSet<CloseReason>,
    mut writer: Writer,
    read_ended: Arc<tokio::sync::Notify>,
) {
    let shared = Arc::clone(&kept.0);
    let mut splitter = Splitter::default();
    let mut pending = Vec::new();
    let reason = tokio::select! {
        reason = shared.wait_ended() => reason,
        reason = writer.run(&mut splitter, &mut pending, &shared.pulse) => reason,
        ended = tasks.join_next() => match ended {
            Some(Ok(reason)) => reason,
            Some(Err(error)) => CloseReason::Failed(error.to_string()),
            None => CloseReason::Failed("its tasks are gone".to_owned()),
        },
    };
    shared.end(reason.clone());
    tracing::debug!(peer = ?shared.peer, %reason, "link over");
    if matches!(
        reason,
        CloseReason::Here | CloseReason::Replaced | CloseReason::Protocol(_)
    ) {
        // The other side closes its channel once it has read the goodbye, which ends our reading.
        let goodbye = async {
            writer.finish(&mut splitter, pending, &reason).await;
            read_ended.notified().await;
        };
        let _ = tokio::time::timeout(CLOSE_FLUSH_MAX, goodbye).await;
    }
    peer.close().await;
    tasks.shutdown().await;
    // Whoever waits for the end may bind the same ports next.
    drop((writer, pairing));
    drop(kept);
}

async fn read_control(
    shared: Arc<Shared>,
    channel: Arc<dyn DataChannel>,
    filler: Filler,
    early: Option<Part>,
    missing_max: Duration,
) -> CloseReason {
    let mut joiner = Joiner::default();
    // Which part is missing, and until when it may be.
    let mut missing: Option<(u64, Instant)> = None;
    if let Some(Err(why)) = early.map(|part| joiner.add(part)) {
        return CloseReason::Protocol(why.to_owned());
    }
    loop {
        while let Some(joined) = joiner.next() {
            match joined {
                Joined::Message(bytes) => deliver(&shared, &filler, Lane::Control, bytes).await,
                Joined::Goodbye(reason) => {
                    shared.end(reason.clone());
                    return reason;
                }
            }
        }
        missing = joiner.missing().map(|part| match missing {
            Some((before, until)) if before == part => (part, until),
            _ => (part, Instant::now() + missing_max),
        });
        let frame = tokio::select! {
            biased;
            frame = next_message(&*channel) => frame,
            () = run_out(missing) => {
                return CloseReason::Protocol("a control frame is missing, and later ones came".to_owned());
            }
        };
        let Some(frame) = frame else {
            return CloseReason::There;
        };
        shared.pulse.hear();
        match ControlFrame::decode(&frame) {
            Some(ControlFrame::Part(part)) => {
                if let Err(why) = joiner.add(part) {
                    return CloseReason::Protocol(why.to_owned());
                }
            }
            Some(ControlFrame::Ping(stamp)) => {
                shared.pulse.beaten();
                // With no room for it, the traffic that takes the room is heard instead.
                let _ = channel.try_send(ControlFrame::Pong(stamp).encode()).await;
            }
            Some(ControlFrame::Pong(stamp)) => {
                shared.pulse.answered(stamp);
            }
            // The rest of a proof that both sides have accepted already.
            Some(
                ControlFrame::Hello(_)
                | ControlFrame::Proof(_)
                | ControlFrame::Accepted
                | ControlFrame::Refused(_),
            ) => {}
            None => return CloseReason::Protocol("a control frame of no known kind".to_owned()),
        }
    }
}

async fn read_binary(shared: Arc<Shared>, channel: Arc<dyn DataChannel>, filler: Filler) -> CloseReason {
    while let Some(frame) = next_message(&*channel).await {
        shared.pulse.hear();
        match decode_binary(&frame) {
            Some(message) => deliver(&shared, &filler, Lane::Binary, message).await,
            None => return CloseReason::Protocol("a binary frame of no known kind".to_owned()),
        }
    }
    CloseReason::There
}

async fn run_out(missing: Option<(u64, Instant)>) {
    match missing {
        Some((_, until)) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

async fn next_message(channel: &dyn DataChannel) -> Option<Bytes> {
    loop {
        match channel.poll().await? {
            DataChannelEvent::OnMessage(message) => return Some(message.data.freeze()),
            DataChannelEvent::OnClose => return None,
            _ => {}
        }
    }
}

async fn deliver(shared: &Shared, filler: &Filler, lane: Lane, message: Bytes) {
    let room = match filler.try_room(lane, message.len()) {
        Some(room) => Some(room),
        None => {
            let _blocked = shared.pulse.block();
            filler.room(lane, message.len()).await
        }
    };
    if let Some(room) = room {
        // False when the reader is gone, and with it the link.
        filler.fill(lane, message, room);
    }
}

async fn write_binary(
    channel: Arc<dyn DataChannel>,
    mut outgoing: mpsc::UnboundedReceiver<Held>,
) -> CloseReason {
    while let Some(held) = outgoing.recv().await {
        let frame = encode_binary(&held.bytes);
        // Its room is for the next one, which is to be there when this one has left.
        drop(held);
        if channel.send(frame).await.is_err() {
            return CloseReason::There;
        }
    }
    std::future::pending().await
}

async fn heartbeat(shared: Arc<Shared>, channel: Arc<dyn DataChannel>) -> CloseReason {
    let mut beats = shared.pulse.beats();
    loop {
        match beats.next().await {
            // With no room for it, the traffic that takes the room shows the other side that we live.
            Ok(ping) => drop(channel.try_send(ping.encode()).await),
            Err(silent) => return silent,
        }
    }
}

async fn failure(mut state: watch::Receiver<RTCPeerConnectionState>) -> CloseReason {
    let failed = state
        .wait_for(|state| *state == RTCPeerConnectionState::Failed)
        .await
        .is_ok();
    if failed {
        return CloseReason::Failed("the path between the devices broke".to_owned());
    }
    // The connection is gone, which the channels report.
    std::future::pending().await
}

async fn eviction(mut evictions: Evictions) -> CloseReason {
    tokio::select! {
        _ = evictions.paired.changed() => {}
        _ = evictions.replaced.changed() => {}
    }
    CloseReason::Replaced
}

/// Reads both lanes of a connection into an inbox until one of them ends, as a link does, with little patience.
#[cfg(test)]
pub(super) async fn read_for_test(
    established: Established,
    filler: Filler,
    missing_max: Duration,
) -> CloseReason {
    let Established { peer, proven, early } = established;
    let shared = Arc::new(Shared::new(&proven, RouteKind::Lan, &Config::default()));
    let (control, binary) = (Arc::clone(&peer.control), Arc::clone(&peer.binary));
    let ended = tokio::select! {
        ended = read_control(Arc::clone(&shared), control, filler.clone(), early, missing_max) => ended,
        ended = read_binary(shared, binary, filler) => ended,
    };
    peer.close().await;
    ended
}
