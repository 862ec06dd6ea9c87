//! The contract that every transport keeps: one [`Link`] to one proven device, with two lanes.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::DeviceId;
use crate::invite::CodeError;

/// One of the two channels of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Edits, roles, status: small, urgent, goes first.
    Control,
    /// Audio: large, patient, little outstanding.
    Binary,
}

/// How a link's bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RouteKind {
    /// Within this process.
    Memory,
    /// Peer to peer.
    Direct,
    /// Peer to peer within one local network or one machine.
    Lan,
    /// Through a relay.
    Relay,
}

/// Why a link ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// This side closed it.
    #[error("closed here")]
    Here,
    /// The other side closed it.
    #[error("closed by the other device")]
    There,
    /// Nothing was heard for as long as the heartbeat allows.
    #[error("nothing heard for {silent_ms} ms")]
    Silent {
        /// How long the other side had been silent.
        silent_ms: u64,
    },
    /// A newer link to the same device took its place.
    #[error("a newer link to the same device took its place")]
    Replaced,
    /// The other side broke the rules of the lanes.
    #[error("the other device broke the protocol: {0}")]
    Protocol(String),
    /// The transport below failed.
    #[error("the connection failed: {0}")]
    Failed(String),
}

/// What a link reports to its one reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// A whole message, in the order in which it was sent on its lane.
    Message {
        /// Which lane it came by.
        lane: Lane,
        /// Its bytes.
        bytes: Bytes,
    },
    /// The link is over. Reported for ever after.
    Closed(CloseReason),
}

/// What is known of a link's quality.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Latest round trip of a heartbeat, once there was one.
    pub round_trip: Option<Duration>,
    /// Of a thousand heartbeats, how many were lost on the way at first; over the last few, once there was one.
    pub loss_per_mille: Option<u16>,
    /// Bytes of messages sent, both lanes.
    pub sent_bytes: u64,
    /// Bytes of messages received, both lanes.
    pub received_bytes: u64,
}

/// A live connection to one device that has proved its key.
///
/// Lanes are ordered and reliable: a message arrives once, whole and in order, or the link is reported closed.
/// `control` overtakes `binary`. Dropping every handle closes the link; [`Link::close`] does it cleanly.
#[async_trait]
pub trait Link: Send + Sync + 'static {
    /// The device at the other end; its key is proven.
    fn peer(&self) -> DeviceId;

    /// A hash over all that makes this link this link (both nonces, both fingerprints): equal at both ends and
    /// never repeated, so what is bound to it cannot be replayed on another.
    fn transcript(&self) -> [u8; 32];

    /// How its bytes travel.
    fn route(&self) -> RouteKind;

    /// Queues a message. Waits while the lane is full, which is the backpressure. Not cancel safe: a send dropped
    /// half-way may or may not have sent its message.
    ///
    /// # Errors
    /// [`CloseReason`] when the link is over or the message is beyond the lane's limit.
    async fn send(&self, lane: Lane, message: Bytes) -> Result<(), CloseReason>;

    /// The next event. One reader at a time. Cancel safe.
    async fn recv(&self) -> LinkEvent;

    /// Closes the link and waits until its tasks and sockets are gone. Idempotent.
    async fn close(&self, reason: CloseReason);

    /// From now on each side is to hear of the other this often, whatever was set before: an editor that others wait for
    /// is missed sooner. How long silence may last follows from it. Transports without heartbeats have nothing to change.
    fn set_heartbeat(&self, every: Duration) {
        let _ = every;
    }

    /// Quality and volume so far.
    fn stats(&self) -> LinkStats;
}

/// Why the other side's proof was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// It speaks another version.
    #[error("it speaks version {0} of the protocol: update both devices")]
    Version(u16),
    /// It is a device, but not the one the code or saved route names.
    #[error("another device answered than the code or saved route names")]
    Device,
    /// It claims to be this device.
    #[error("it claims to be this very device")]
    Own,
    /// Its signature does not fit what this side saw: it does not hold the key, or somebody sits in between.
    #[error("its signature does not fit this connection: it lacks the key, or somebody sits in between")]
    Signature,
    /// The certificate it showed is not the one that was announced.
    #[error("it showed another certificate than the code announced: somebody sits in between")]
    Certificate,
    /// Its messages are malformed or out of turn.
    #[error("its proof is malformed")]
    Malformed,
    /// There is a path to it, and no proof came by it.
    #[error("it was reached, and did not prove itself in time")]
    Silent,
    /// It refused our proof.
    #[error("it refused the proof of this device")]
    Refused,
    /// It went away before it had proved itself.
    #[error("it ended the connection before its proof was done")]
    Ended,
}

/// Why there is no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// No path was found in time.
    #[error(
        "no path to the other device was found within {waited_ms} ms; bring both into one network, use a relay (a TURN \
         server) that both reach, or carry an exported file across"
    )]
    NoPath {
        /// How long was tried.
        waited_ms: u64,
    },
    /// The other side could not prove that it is who the code says.
    #[error("the other device failed its proof: {0}")]
    Proof(ProofError),
    /// The code is not usable.
    #[error("the code cannot be used: {0}")]
    Code(CodeError),
    /// The saved route is not this device's.
    #[error("this route was saved by another device: exchange codes anew")]
    Route,
    /// The machine refused (sockets, ports, certificates).
    #[error("this machine refused: {0}")]
    Local(String),
}

/// Something that can make a link to one device, again and again.
#[async_trait]
pub trait Dialer: Send + Sync + 'static {
    /// The device this dialer reaches.
    fn peer(&self) -> DeviceId;

    /// Tries once. Cancel safe: a dropped dial leaves nothing behind.
    ///
    /// # Errors
    /// [`DialError`] says why there is no link.
    async fn dial(&self) -> Result<std::sync::Arc<dyn Link>, DialError>;
}
