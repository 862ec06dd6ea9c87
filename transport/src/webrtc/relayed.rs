//! A socket that lies at a relay: what is sent through it leaves from there, and what arrives there comes in by it. To
//! the layers above it is a socket like any other.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ::webrtc::runtime::{AsyncUdpSocket, RecvMeta, Runtime, TokioRuntime};
use bytes::BytesMut;
use rtc::sansio::Protocol;
use rtc::turn::client::{Client, ClientConfig, Event};

use super::outside::datagram;
use crate::limits::{DATAGRAM_BYTES_MAX, DISCARDS_PER_POLL, RELAY_HEAD_START, RELAY_INBOX_MAX};

/// How often the time-outs of the allocation are looked at: it is renewed every few minutes.
const TICK: Duration = Duration::from_secs(1);

/// An allocation at a relay. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Relayed {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<dyn AsyncUdpSocket>,
    plain: UdpSocket,
    own: SocketAddr,
    server: SocketAddr,
    /// Where others reach us.
    relayed: SocketAddr,
    state: Mutex<State>,
}

struct State {
    client: Client,
    inbox: VecDeque<(SocketAddr, BytesMut)>,
    /// A direct path, if there is one, is found first: until then nothing leaves by the relay.
    held_until: Option<Instant>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.relayed, self.server)
    }
}

impl Relayed {
    /// Asks for an address. Bounded by the caller.
    pub(super) async fn allocate(
        ip: IpAddr,
        server: SocketAddr,
        username: &str,
        password: &str,
    ) -> io::Result<Self> {
        let plain = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        plain.set_nonblocking(true)?;
        let own = plain.local_addr()?;
        let shared = TokioRuntime.wrap_udp_socket(plain.try_clone()?)?;
        let config = ClientConfig {
            turn_serv_addr: server.to_string(),
            local_addr: own,
            username: username.to_owned(),
            password: password.to_owned(),
            ..ClientConfig::default()
        };
        let provider = rtc::crypto::default_provider().map_err(io::Error::other)?;
        let mut client = Client::new(config, provider).map_err(io::Error::other)?;
        client.allocate(Instant::now()).map_err(io::Error::other)?;
        let mut buffer = vec![0_u8; DATAGRAM_BYTES_MAX];
        let relayed = loop {
            flush(&mut client, &plain);
            let mut answered = None;
            while let Some(event) = client.poll_event() {
                match event {
                    Event::AllocateResponse(_, relayed) => answered = Some(Ok(relayed)),
                    Event::AllocateError(_, error) => answered = Some(Err(io::Error::other(error))),
                    Event::TransactionTimeout(_) => answered = Some(Err(io::ErrorKind::TimedOut.into())),
                    _ => {}
                }
            }
            if let Some(answered) = answered {
                break answered?;
            }
            let timeout = client.poll_timeout().unwrap_or_else(|| Instant::now() + TICK);
            let received = std::future::poll_fn(|cx| {
                let mut meta = [RecvMeta::default()];
                let mut buffers = [IoSliceMut::new(&mut buffer)];
                ready!(shared.poll_recv(cx, &mut buffers, &mut meta))?;
                Poll::Ready(io::Result::Ok(meta))
            });
            tokio::select! {
                received = received => {
                    let [meta] = received?;
                    take(&mut client, own, server, &buffer, &meta);
                }
                () = tokio::time::sleep_until(timeout.into()) => {
                    let _ = client.handle_timeout(Instant::now());
                }
            }
        };
        let state = State {
            client,
            inbox: VecDeque::new(),
            held_until: None,
        };
        let inner = Arc::new(Inner {
            shared,
            plain,
            own,
            server,
            relayed,
            state: Mutex::new(state),
        });
        tokio::spawn(keep(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.inner.relayed
    }

    pub(super) fn server(&self) -> SocketAddr {
        self.inner.server
    }

    /// A connection begins: direct paths get a head start.
    pub(super) fn begin(&self) {
        self.inner.state().held_until = Some(Instant::now() + RELAY_HEAD_START);
    }

    /// What cannot leave (yet) is lost, as datagrams are: the relay is asked to let this address in and out, and what is
    /// worth having is sent again.
    pub(super) fn send(&self, bytes: &[u8], to: SocketAddr) {
        let Inner { plain, relayed, .. } = &*self.inner;
        // Measured: a relay that has no way to an address may close the whole allocation at the attempt.
        if is_inner(to.ip()) && !is_inner(relayed.ip()) {
            return;
        }
        let mut state = self.inner.state();
        let now = Instant::now();
        let held = state.held_until.is_some_and(|until| now < until);
        if let Ok(mut relay) = state.client.relay(*relayed) {
            let asked = relay.create_permission(now, to);
            if matches!(asked, Ok(None)) && !held {
                let _ = relay.send_to(now, bytes, to);
            }
        }
        flush(&mut state.client, plain);
    }

    pub(super) fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), meta.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        let inner = &*self.inner;
        for _ in 0..DISCARDS_PER_POLL {
            if let Some((from, bytes)) = inner.state().inbox.pop_front() {
                if let Some(room) = buffer.get_mut(..bytes.len()) {
                    room.copy_from_slice(&bytes);
                    (meta.addr, meta.len, meta.stride) = (from, bytes.len(), bytes.len().max(1));
                    return Poll::Ready(Ok(1));
                }
                continue;
            }
            let mut came = [RecvMeta::default()];
            let mut datagrams = vec![0_u8; DATAGRAM_BYTES_MAX];
            let mut into = [IoSliceMut::new(&mut datagrams)];
            ready!(inner.shared.poll_recv(cx, &mut into, &mut came))?;
            let [came] = came;
            let mut state = inner.state();
            take(&mut state.client, inner.own, inner.server, &datagrams, &came);
            while let Some(event) = state.client.poll_event() {
                if let Event::DataIndicationOrChannelData(_, from, bytes) = event
                    && state.inbox.len() < RELAY_INBOX_MAX
                {
                    state.inbox.push_back((from, bytes));
                }
            }
            flush(&mut state.client, &inner.plain);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        let mut state = self.inner.state();
        if let Ok(mut relay) = state.client.relay(self.inner.relayed) {
            // The relay forgets it by itself in the end.
            let _ = relay.close(Instant::now());
        }
        flush(&mut state.client, &self.inner.plain);
    }
}

/// Known only within one network.
pub(super) fn is_inner(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

/// Renews the allocation and its permissions for as long as somebody has it.
async fn keep(relayed: Weak<Inner>) {
    loop {
        tokio::time::sleep(TICK).await;
        let Some(inner) = relayed.upgrade() else { return };
        let mut state = inner.state();
        let _ = state.client.handle_timeout(Instant::now());
        flush(&mut state.client, &inner.plain);
    }
}

fn flush(client: &mut Client, plain: &UdpSocket) {
    while let Some(message) = client.poll_write() {
        // A full buffer loses it, as the network may.
        let _ = plain.send_to(&message.message, message.transport.peer_addr);
    }
}

/// Hands what the relay said to its client; what anybody else said is nobody's.
fn take(client: &mut Client, own: SocketAddr, server: SocketAddr, buffer: &[u8], meta: &RecvMeta) {
    if meta.addr != server {
        return;
    }
    let bytes = buffer.get(..meta.len).unwrap_or_default();
    for bytes in bytes.chunks(meta.stride.max(1)) {
        // Malformed is as good as lost.
        let _ = client.handle_read(datagram(own, server, bytes));
    }
}
