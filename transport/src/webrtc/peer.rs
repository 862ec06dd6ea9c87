//! One peer connection of the WebRTC stack, from two session descriptions to two open channels and a proven device.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::webrtc::data_channel::{DataChannel, DataChannelEvent};
use ::webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceCandidateInit, RTCPeerConnectionState, RTCStatsReportEntry, SettingEngineBuilder, StatsSelector,
};
use ::webrtc::runtime::Runtime;
use async_trait::async_trait;
use bytes::Bytes;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::certificate::RTCCertificate;
use rtc::peer_connection::configuration::setting_engine::SctpMaxMessageSize;
use rtc::peer_connection::transport::RTCDtlsRole;
use tokio::sync::{oneshot, watch};

use super::config::Within;
use super::frames::{ControlFrame, Part};
use super::pairing::no_path;
use super::proof::{Proof, Proven};
use super::socket::{Lease, Line, Sockets};
use crate::invite::{Credentials, begins, candidate, describe, parse_fingerprint};
use crate::limits::{EARLY_FRAMES_MAX, FRAME_BYTES_MAX, OUTSTANDING_BYTES_MAX};
use crate::link::{DialError, ProofError};
use crate::{DeviceId, DeviceKey};

mod opening;
#[cfg(test)]
mod rude;

use opening::Opening;

/// Measured: brings the connection from 405 to 217 ms.
const ICE_CHECK_EVERY: Duration = Duration::from_millis(10);
/// Checks to one address before it is given up, unless the other side checks us: 3 s.
const ICE_CHECKS_MAX: u16 = 300;
/// Our own heartbeat decides when a link is dead; ICE must not give up before it.
const ICE_FAILED_AFTER: Duration = Duration::from_secs(600);
/// Says nothing but a word in the log; longer than our heartbeat may be silent.
const ICE_DISCONNECTED_AFTER: Duration = Duration::from_secs(30);
/// Every 2 s, as is usual, these checks were most of what a link cost on which nothing happened. Our heartbeat proves the
/// path and keeps it open on the way; this is for one that is set to be rarer than address translators wait.
const ICE_KEEPALIVE: Duration = Duration::from_secs(25);

/// Until the other side's proof shows that it heard our hello.
const HELLO_AGAIN: Duration = Duration::from_millis(50);

/// What one side tells the other so that they can connect, by whatever way.
#[derive(Clone)]
pub(super) struct Party {
    pub(super) credentials: Credentials,
    pub(super) fingerprint: [u8; 32],
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) relays: Vec<SocketAddr>,
}

/// What a connection is made from.
pub(super) struct Plan<'a> {
    pub(super) key: &'a DeviceKey,
    pub(super) certificate: &'a RTCCertificate,
    pub(super) sockets: &'a Sockets,
    pub(super) own: Party,
    pub(super) theirs: Party,
    pub(super) is_offerer: bool,
    /// Whether the offerer begins the handshake; else the answering side does.
    pub(super) offerer_begins: bool,
    pub(super) expected: DeviceId,
    /// For all of it.
    pub(super) within: Within,
    /// Addresses of theirs that come to be known while this connects.
    pub(super) learned: watch::Receiver<Vec<SocketAddr>>,
}

/// An open peer connection. It leaks if it is not closed, so dropping it closes it in the background.
pub(super) struct Peer {
    connection: Arc<dyn PeerConnection>,
    pub(super) control: Arc<dyn DataChannel>,
    pub(super) binary: Arc<dyn DataChannel>,
    pub(super) state: watch::Receiver<RTCPeerConnectionState>,
    /// Frames that came before the channel was reported open. Measured: one connection in ten reports them so.
    before_open: VecDeque<Bytes>,
    /// Freed once the connection no longer reads the sockets.
    line: Option<Line>,
    lease: Lease,
    runtime: tokio::runtime::Handle,
}

/// A peer connection whose other side has proved itself.
pub(super) struct Established {
    pub(super) peer: Peer,
    pub(super) proven: Proven,
    /// A part that overtook the end of the proof.
    pub(super) early: Option<Part>,
}

/// How long the end of a connection is waited for.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

impl Plan<'_> {
    /// Connects and proves, within the time. Cancel safe: what was begun is closed in the background, and the line is
    /// free again once it is gone.
    pub(super) async fn establish(self, line: Line) -> Result<Established, DialError> {
        let Within { granted, until } = self.within;
        self.sockets.begin();
        let opening = tokio::time::timeout_at(until, self.open(line));
        let mut peer = opening
            .await
            .map_err(|_| local("its own side of the connection did not open in time: try again"))??;
        let mut is_open = false;
        let connection = Arc::clone(&peer.connection);
        let learning = learn(connection, self.learned.clone());
        let proving = async {
            peer.opened().await?;
            is_open = true;
            self.prove(&mut peer).await
        };
        let proved = tokio::time::timeout_at(until, async {
            tokio::select! {
                proved = proving => proved,
                () = learning => Err(ended()),
                () = self.sockets.repeat_flights() => Err(ended()),
            }
        });
        let proved = proved.await;
        let late = || {
            if is_open {
                proof(ProofError::Silent)
            } else {
                no_path(granted)
            }
        };
        match proved.unwrap_or_else(|_| Err(late())) {
            Ok((proven, early)) => Ok(Established { peer, proven, early }),
            Err(error) => {
                peer.close().await;
                Err(error)
            }
        }
    }

    /// As a task of its own: dropped half-way, the stack would go on with what it has begun, and keep the sockets.
    async fn open(&self, line: Line) -> Result<Peer, DialError> {
        let (state_in, state) = watch::channel(RTCPeerConnectionState::New);
        let (runtime, lease) = self.sockets.lend();
        let opening = Opening {
            builder: self.builder(state_in, runtime),
            lease,
            is_offerer: self.is_offerer,
            theirs: self.theirs.describe(if self.is_offerer {
                begins(self.offerer_begins)
            } else {
                "actpass"
            }),
            state,
            line,
        };
        let (opened_in, opened) = oneshot::channel();
        // Where nobody waits any more, the peer closes itself as it is dropped.
        tokio::spawn(async move { drop(opened_in.send(opening.run().await)) });
        opened.await.map_err(local)?
    }

    fn builder(
        &self,
        state: watch::Sender<RTCPeerConnectionState>,
        runtime: Arc<dyn Runtime>,
    ) -> PeerConnectionBuilder<SocketAddr> {
        let configuration = RTCConfigurationBuilder::new()
            .with_certificates(vec![self.certificate.clone()])
            .build();
        PeerConnectionBuilder::new()
            .with_configuration(configuration)
            .with_setting_engine(self.settings().build())
            .with_runtime(runtime)
            .with_handler(Arc::new(StateHandler(state)))
            .with_udp_addrs(self.sockets.placeholders())
            .with_data_channel_send_buffer_limit(OUTSTANDING_BYTES_MAX)
    }

    fn settings(&self) -> SettingEngineBuilder {
        SettingEngineBuilder::new()
            .with_ice_credentials(
                self.own.credentials.fragment().to_owned(),
                self.own.credentials.password().to_owned(),
            )
            .with_ice_timeouts(
                Some(ICE_DISCONNECTED_AFTER),
                Some(ICE_FAILED_AFTER),
                // The answering side asks back each time: so both are asked.
                Some(if self.is_offerer {
                    ICE_KEEPALIVE
                } else {
                    Duration::ZERO
                }),
            )
            .with_ice_connection_attempts(Some(ICE_CHECK_EVERY), Some(ICE_CHECKS_MAX))
            .with_include_loopback_candidate(true)
            .with_answering_dtls_role(if self.offerer_begins {
                RTCDtlsRole::Server
            } else {
                RTCDtlsRole::Client
            })
            // The stack drops the handshake of a wrong certificate without a word, which looks like no path. It is
            // checked in `prove` instead, by name and before any frame is read.
            .with_disable_certificate_fingerprint_verification(true)
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(
                u32::try_from(FRAME_BYTES_MAX).unwrap_or(u32::MAX),
            ))
            .with_sctp_max_receive_buffer_size(self.sockets.receive_window())
    }

    async fn prove(&self, peer: &mut Peer) -> Result<(Proven, Option<Part>), DialError> {
        let shown = peer
            .certificate_shown()
            .await
            .ok_or_else(|| proof(ProofError::Certificate))?;
        if shown != self.theirs.fingerprint {
            return Err(proof(ProofError::Certificate));
        }
        let mut ours = Proof::new(self.key.clone(), self.is_offerer, self.own.fingerprint).map_err(local)?;
        peer.send(&ControlFrame::Hello(ours.hello())).await?;
        let mut proven = None;
        let mut early = None;
        let mut accepted = false;
        // Unordered: a proof may come before its hello.
        let mut early_proof = None;
        let mut again = tokio::time::interval_at(tokio::time::Instant::now() + HELLO_AGAIN, HELLO_AGAIN);
        loop {
            let frame = tokio::select! {
                biased;
                frame = peer.next_frame() => frame?,
                // The stack loses what arrives in the instant in which a side opens its channels (measured: one first
                // message in fifty). Their proof shows that our hello was not lost; nothing else is sent as early.
                _ = again.tick(), if proven.is_none() => {
                    peer.send(&ControlFrame::Hello(ours.hello())).await?;
                    continue;
                }
            };
            let step = match frame {
                ControlFrame::Hello(_) if ours.heard_hello() => Ok(None),
                ControlFrame::Hello(hello) => match ours.hear_hello(&hello, shown, self.expected) {
                    Ok(signature) => {
                        peer.send(&ControlFrame::Proof(signature)).await?;
                        early_proof
                            .take()
                            .map_or(Ok(None), |signature: Bytes| ours.hear_proof(&signature).map(Some))
                    }
                    Err(error) => Err(error),
                },
                ControlFrame::Proof(signature) if ours.heard_hello() => ours.hear_proof(&signature).map(Some),
                ControlFrame::Proof(signature) => {
                    early_proof = Some(signature);
                    Ok(None)
                }
                ControlFrame::Accepted => {
                    accepted = true;
                    Ok(None)
                }
                ControlFrame::Refused(_) => return Err(proof(ProofError::Refused)),
                // Only who has accepted us, and been accepted, sends parts. They may overtake the word for it, as control
                // is unordered on the wire, and all of them may if that word was lost: the first one counts for it.
                ControlFrame::Part(part) if proven.is_some() => {
                    accepted = true;
                    early = Some(part);
                    Ok(None)
                }
                ControlFrame::Ping(_) | ControlFrame::Pong(_) => Ok(None),
                ControlFrame::Part(_) => Err(ProofError::Malformed),
            };
            match step {
                Ok(None) => {}
                Ok(Some(now)) => {
                    peer.send(&ControlFrame::Accepted).await?;
                    proven = Some(now);
                }
                Err(error) => {
                    peer.send(&ControlFrame::Refused(error.code())).await?;
                    peer.wait_for_end().await;
                    return Err(proof(error));
                }
            }
            // Handed out only when each side has accepted the other.
            if accepted && let Some(proven) = proven.take() {
                return Ok((proven, early));
            }
        }
    }
}

impl Party {
    fn describe(&self, setup: &str) -> String {
        describe(
            &self.credentials,
            &self.fingerprint,
            (&self.addresses, &self.relays),
            setup,
        )
    }
}

impl Peer {
    /// In a task of its own: whoever is given up half-way has closed all the same.
    pub(super) async fn close(mut self) {
        if let Some(line) = self.line.take() {
            let _ = self.give_back(line).await;
        }
    }

    /// Closes, and frees the line: also where the stack does not answer any more, which must neither keep the caller from
    /// what it is to be told nor the sockets from the next connection.
    fn give_back(&self, line: Line) -> tokio::task::JoinHandle<()> {
        let (connection, lease) = (Arc::clone(&self.connection), self.lease.clone());
        self.runtime.spawn(async move {
            // Errors say that it is closed already.
            let _ = tokio::time::timeout(CLOSE_WITHIN, connection.close()).await;
            lease.end();
            drop(line);
        })
    }

    /// Waits until both channels are open.
    async fn opened(&mut self) -> Result<(), DialError> {
        let mut state = self.state.clone();
        let open = async {
            for channel in [&self.control, &self.binary] {
                loop {
                    match channel.poll().await {
                        Some(DataChannelEvent::OnOpen) => break,
                        // Nothing is sent on binary before the proof, so this is control.
                        Some(DataChannelEvent::OnMessage(message)) => {
                            let frame = message.data.freeze();
                            // Hellos are repeated, for as long as it takes us to hear them.
                            if self.before_open.back() == Some(&frame) {
                                continue;
                            }
                            if self.before_open.len() >= EARLY_FRAMES_MAX {
                                return Err(proof(ProofError::Malformed));
                            }
                            self.before_open.push_back(frame);
                        }
                        Some(_) => {}
                        None => return Err(ended()),
                    }
                }
            }
            Ok(())
        };
        tokio::select! {
            opened = open => opened,
            _ = state.wait_for(|state| *state == RTCPeerConnectionState::Failed) => Err(ended()),
        }
    }

    async fn send(&self, frame: &ControlFrame) -> Result<(), DialError> {
        self.control.send(frame.encode()).await.map_err(|_| ended())
    }

    /// A frame that is not understood counts as malformed.
    async fn next_frame(&mut self) -> Result<ControlFrame, DialError> {
        let frame = match self.before_open.pop_front() {
            Some(frame) => frame,
            None => loop {
                match self.control.poll().await {
                    Some(DataChannelEvent::OnMessage(message)) => break message.data.freeze(),
                    Some(DataChannelEvent::OnClose) | None => return Err(ended()),
                    Some(_) => {}
                }
            },
        };
        ControlFrame::decode(&frame).ok_or_else(|| proof(ProofError::Malformed))
    }

    /// Lets a refusal arrive before the connection goes: the other side closes when it has read it.
    async fn wait_for_end(&mut self) {
        let end = async { while self.next_frame().await.is_ok() {} };
        // Taking longer is no harm to us; the time for the whole proof is bounded anyway.
        let _ = tokio::time::timeout(crate::limits::CLOSE_FLUSH_MAX, end).await;
    }

    /// SHA-256 of the certificate that the other side really showed.
    async fn certificate_shown(&self) -> Option<[u8; 32]> {
        let report = self
            .connection
            .get_stats(Instant::now(), StatsSelector::None)
            .await;
        let id = report.iter().find_map(|entry| match entry {
            RTCStatsReportEntry::Transport(transport) => Some(transport.remote_certificate_id.clone()),
            _ => None,
        })?;
        let text = report.iter().find_map(|entry| match entry {
            RTCStatsReportEntry::Certificate(shown) if shown.stats.id == id => {
                Some(shown.fingerprint.clone())
            }
            _ => None,
        })?;
        parse_fingerprint(&text)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            drop(self.give_back(line));
        }
    }
}

/// SHA-256 of a certificate of ours.
pub(super) fn own_fingerprint(certificate: &RTCCertificate) -> Result<[u8; 32], DialError> {
    let provider = rtc::crypto::default_provider().map_err(local)?;
    let fingerprints = certificate.get_fingerprints(provider.crypto()).map_err(local)?;
    let first = fingerprints
        .first()
        .and_then(|fingerprint| parse_fingerprint(&fingerprint.value));
    first.ok_or_else(|| DialError::Local("its new certificate has no fingerprint".to_owned()))
}

/// A certificate for one endpoint. Nothing but its fingerprint counts, which codes and knocks carry.
pub(super) fn certificate() -> Result<RTCCertificate, DialError> {
    let provider = rtc::crypto::default_provider().map_err(local)?;
    let scheme = rtc::crypto::SignatureScheme::EcdsaP256Sha256;
    let params = rtc::peer_connection::certificate::CertificateParams::default();
    RTCCertificate::generate(provider.crypto(), scheme, params).map_err(local)
}

/// Tells the connection of addresses as they come to be known. Never ends.
async fn learn(connection: Arc<dyn PeerConnection>, mut learned: watch::Receiver<Vec<SocketAddr>>) {
    let mut told = 0;
    loop {
        let new: Vec<SocketAddr> = learned.borrow_and_update().iter().skip(told).copied().collect();
        for address in &new {
            let candidate = RTCIceCandidateInit {
                candidate: candidate(told, address),
                sdp_mid: Some("0".to_owned()),
                sdp_mline_index: Some(0),
                ..RTCIceCandidateInit::default()
            };
            if let Err(error) = connection.add_ice_candidate(candidate).await {
                tracing::debug!(%address, %error, "this address is of no use");
            }
            told += 1;
        }
        if learned.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

struct StateHandler(watch::Sender<RTCPeerConnectionState>);

#[async_trait]
impl PeerConnectionEventHandler for StateHandler {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        tracing::debug!(?state, "peer connection");
        self.0.send_replace(state);
    }
}

fn local(error: impl std::fmt::Display) -> DialError {
    DialError::Local(error.to_string())
}

fn proof(error: ProofError) -> DialError {
    DialError::Proof(error)
}

fn ended() -> DialError {
    proof(ProofError::Ended)
}
