//! Sockets that outlive connections: bound once for a route, lent to one peer connection after the other, with knocks
//! taken out of the stream and a cable that can be cut.

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ::webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};
use socket2::SockRef;

use super::config::{Bind, Config};
use super::flight::{Flight, is_of_handshake};
use super::knock::KNOCK_BYTE;
use super::pairing::Pairing;
use super::relayed::Relayed;
use crate::cable::Cable;
use crate::limits::{
    ADDRESSES_MAX, DATAGRAM_BYTES_MAX, DISCARDS_PER_POLL, FLIGHT_AGAIN, RECEIVE_WINDOW_BYTES,
    SOCKET_BUFFER_BYTES,
};
use crate::link::DialError;

/// First bytes of what is encrypted; checks of paths begin with others (RFC 7983).
const DTLS: std::ops::RangeInclusive<u8> = 20..=63;

/// The sockets of one route.
#[derive(Debug, Clone)]
pub(super) struct Sockets {
    list: Vec<Arc<Socket>>,
    /// The addresses that were there to bind.
    there: Vec<IpAddr>,
    /// What the kernel granted the smallest of them to receive into.
    granted_bytes: usize,
    /// Held by whoever reads the sockets: two readers would steal each other's wake-ups.
    line: Arc<tokio::sync::Mutex<()>>,
}

/// The right to read the sockets.
pub(super) type Line = tokio::sync::OwnedMutexGuard<()>;

impl Sockets {
    /// Binds all configured addresses; where one was bound before, to the same port. Call within a tokio runtime.
    pub(super) fn bind(config: &Config, before: &[SocketAddr]) -> Result<Self, DialError> {
        let mut list = Vec::new();
        let mut granted_bytes = usize::MAX;
        let mut last_error = None;
        let there = addresses(&config.bind)?;
        for &ip in &there {
            let same = before.iter().find(|address| address.ip() == ip);
            let port = same.or(before.first()).map_or(0, SocketAddr::port);
            match Socket::bind(SocketAddr::new(ip, port), config.cable.clone()) {
                Ok((socket, granted)) => {
                    granted_bytes = granted_bytes.min(granted);
                    list.push(Arc::new(socket));
                }
                // Another process holds the port: without it the other device would call in vain.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(DialError::Local(format!(
                        "port {port} of {ip} is in use by another program or a link that is closing"
                    )));
                }
                Err(error) => last_error = Some(error),
            }
        }
        if list.is_empty() {
            let why = last_error.map_or_else(
                || "it has no usable address".to_owned(),
                |error| error.to_string(),
            );
            return Err(DialError::Local(format!("no socket could be bound: {why}")));
        }
        Ok(Self {
            list,
            there,
            granted_bytes,
            line: Arc::new(tokio::sync::Mutex::new(())),
        })
    }

    /// Whether this machine has other addresses by now than were bound. While it has none at all, those that it had are
    /// as good as any: they may come back.
    pub(super) fn have_moved(&self, bind: &Bind) -> bool {
        addresses(bind).is_ok_and(|now| !now.is_empty() && now != self.there)
    }

    /// Where they are bound: relays are not.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        let bound = self.list.iter().filter(|socket| !socket.is_relay());
        bound.map(|socket| socket.address).collect()
    }

    /// Where relays have us.
    pub(super) fn relays(&self) -> Vec<SocketAddr> {
        let relays = self.list.iter().filter(|socket| socket.is_relay());
        relays.map(|socket| socket.address).collect()
    }

    /// From now on one of these sockets lies at a relay.
    pub(super) fn add_relay(&mut self, relay: Relayed) {
        let cable = self.list.first().and_then(|socket| socket.cable.clone());
        // The stack binds this instead; see [`Lender`]. It is told apart by its address, so no other socket may have it.
        let bound = self.addresses();
        let mut candidates: Vec<IpAddr> = if relay.address().is_ipv4() {
            (1..=u8::MAX).map(|n| IpAddr::from([127, 0, 0, n])).collect()
        } else {
            vec![IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)]
        };
        candidates.retain(|ip| bound.iter().all(|address| address.ip() != *ip));
        if let Some(&placeholder) = candidates.first() {
            self.list.push(Arc::new(Socket {
                address: relay.address(),
                carrier: Carrier::Relay(relay),
                placeholder,
                cable,
                pairing: OnceLock::new(),
                heard_from: Mutex::new(None),
                flight: Mutex::default(),
            }));
        }
    }

    /// What to ask the stack to bind so that each socket is asked for once; see [`Lender`].
    pub(super) fn placeholders(&self) -> Vec<SocketAddr> {
        self.list
            .iter()
            .map(|socket| SocketAddr::new(socket.placeholder, 0))
            .collect()
    }

    /// A window that fits into what the kernel granted.
    pub(super) fn receive_window(&self) -> u32 {
        let window =
            (self.granted_bytes / 3).clamp(*RECEIVE_WINDOW_BYTES.start(), *RECEIVE_WINDOW_BYTES.end());
        u32::try_from(window).unwrap_or(u32::MAX)
    }

    pub(super) async fn line(&self) -> Line {
        Arc::clone(&self.line).lock_owned().await
    }

    /// Knocks that come in from now on go there.
    pub(super) fn deliver_knocks_to(&self, pairing: &Weak<Pairing>) {
        for socket in &self.list {
            // A socket belongs to one pairing for life, so a second call has nothing to change.
            let _ = socket.pairing.set(Weak::clone(pairing));
        }
    }

    /// Sends from every socket to every address of its family; nobody may be there.
    pub(super) fn send_to_all(&self, bytes: &[u8], addresses: &[SocketAddr]) {
        for socket in &self.list {
            for address in addresses
                .iter()
                .filter(|to| to.is_ipv4() == socket.address.is_ipv4())
            {
                socket.send(bytes, *address);
            }
        }
    }

    /// Sends from the socket that is bound to `own`.
    pub(super) fn send_from(&self, own: SocketAddr, bytes: &[u8], to: SocketAddr) {
        if let Some(socket) = self.list.iter().find(|socket| socket.address == own) {
            socket.send(bytes, to);
        }
    }

    /// Reads, handing knocks over, until something else arrives, which is dropped: what is worth having comes again.
    /// The caller holds the line.
    pub(super) async fn receive(&self, line: &Line) {
        self.receive_from(line).await;
    }

    /// Reads, handing knocks over, until something else arrives: at which address, from where, and what.
    pub(super) async fn receive_from(&self, _line: &Line) -> (SocketAddr, SocketAddr, Vec<u8>) {
        let mut buffer = vec![0_u8; DATAGRAM_BYTES_MAX];
        std::future::poll_fn(|cx| {
            for socket in &self.list {
                let mut meta = [RecvMeta::default()];
                let mut buffers = [IoSliceMut::new(&mut buffer)];
                match socket.poll_receive(cx, &mut buffers, &mut meta) {
                    Poll::Ready(Ok(_)) => {
                        let [meta] = meta;
                        let length = meta.len.min(meta.stride.max(1));
                        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                        return Poll::Ready((socket.address, meta.addr, bytes));
                    }
                    // An unreachable address reports itself here on some systems; the next call tells more.
                    Poll::Ready(Err(_)) => cx.waker().wake_by_ref(),
                    Poll::Pending => {}
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Where the other side's last encrypted datagram came from, and whether it came by a relay of ours. Only the path that
    /// was chosen carries any; what merely tries paths does not count.
    pub(super) fn heard_from(&self) -> Option<(SocketAddr, bool)> {
        let heard = self.list.iter().filter_map(|socket| {
            let (at, from) = (*socket.heard_from())?;
            Some((at, from, socket.is_relay()))
        });
        let (_, from, by_relay) = heard.max_by_key(|(at, ..)| *at)?;
        Some((from, by_relay))
    }

    /// A connection begins.
    pub(super) fn begin(&self) {
        for socket in &self.list {
            *socket.heard_from() = None;
            *socket.flight() = Flight::default();
            if let Carrier::Relay(relay) = &socket.carrier {
                relay.begin();
            }
        }
    }

    /// Sends the last flight of the handshake again where it got no answer; see [`Flight`]. Never ends.
    pub(super) async fn repeat_flights(&self) {
        loop {
            tokio::time::sleep(FLIGHT_AGAIN).await;
            for socket in &self.list {
                let again = socket.flight().again(Instant::now());
                for (to, datagram) in again {
                    socket.send(&datagram, to);
                }
            }
        }
    }

    /// A runtime that lends these sockets to one peer connection, until the lease ends.
    pub(super) fn lend(&self) -> (Arc<dyn Runtime>, Lease) {
        let lease = Lease::default();
        let lender = Lender {
            tokio: TokioRuntime,
            sockets: Mutex::new(self.list.clone()),
            lease: lease.clone(),
        };
        (Arc::new(lender), lease)
    }
}

fn addresses(bind: &Bind) -> Result<Vec<IpAddr>, DialError> {
    let mut found: Vec<IpAddr> = match bind {
        Bind::Loopback => vec![IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)],
        Bind::Addresses(addresses) => addresses.clone(),
        Bind::Hosts => {
            let interfaces = rtc::shared::ifaces::ifaces().map_err(|error| {
                DialError::Local(format!("it does not list its network interfaces: {error}"))
            })?;
            let addresses = interfaces.into_iter().filter_map(|interface| interface.addr);
            addresses.map(|address| address.ip()).filter(is_usable).collect()
        }
    };
    found.sort_unstable();
    found.dedup();
    found.truncate(ADDRESSES_MAX);
    Ok(found)
}

fn is_usable(ip: &IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || link_local)
}

/// One socket.
#[derive(Debug)]
pub(super) struct Socket {
    carrier: Carrier,
    /// Where others reach it.
    address: SocketAddr,
    /// What the stack binds in its place; see [`Lender`].
    placeholder: IpAddr,
    cable: Option<Cable>,
    pairing: OnceLock<Weak<Pairing>>,
    /// When and from where the last encrypted datagram came.
    heard_from: Mutex<Option<(Instant, SocketAddr)>>,
    /// Of the connection that has this socket now.
    flight: Mutex<Flight>,
}

#[derive(Debug)]
enum Carrier {
    /// Bound on this machine.
    Bound {
        shared: Arc<dyn AsyncUdpSocket>,
        /// A second handle on the same socket: knocks are sent from within reads, where the writer's waker is not ours.
        plain: UdpSocket,
    },
    /// At a relay.
    Relay(Relayed),
}

impl Socket {
    fn bind(address: SocketAddr, cable: Option<Cable>) -> io::Result<(Self, usize)> {
        let plain = UdpSocket::bind(address)?;
        let granted_bytes = {
            let socket = SockRef::from(&plain);
            // What is refused is read back below.
            let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
            let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
            let reported = socket.recv_buffer_size()?;
            // Linux reports twice what it granted, to cover its own bookkeeping.
            if cfg!(target_os = "linux") {
                reported / 2
            } else {
                reported
            }
        };
        tracing::debug!(%address, granted_bytes, "socket bound");
        plain.set_nonblocking(true)?;
        let address = plain.local_addr()?;
        let socket = Self {
            address,
            placeholder: address.ip(),
            carrier: Carrier::Bound {
                shared: TokioRuntime.wrap_udp_socket(plain.try_clone()?)?,
                plain,
            },
            cable,
            pairing: OnceLock::new(),
            heard_from: Mutex::new(None),
            flight: Mutex::default(),
        };
        Ok((socket, granted_bytes))
    }

    pub(super) fn send(&self, bytes: &[u8], to: SocketAddr) {
        if self.is_cut() {
            return;
        }
        match &self.carrier {
            Carrier::Bound { plain, .. } => {
                // Nobody there, or no way there at present: the next knock tries again.
                let _ = plain.send_to(bytes, to);
            }
            Carrier::Relay(relay) => relay.send(bytes, to),
        }
    }

    fn is_relay(&self) -> bool {
        matches!(self.carrier, Carrier::Relay(_))
    }

    fn is_cut(&self) -> bool {
        self.cable.as_ref().is_some_and(Cable::is_cut)
    }

    fn heard_from(&self) -> std::sync::MutexGuard<'_, Option<(Instant, SocketAddr)>> {
        self.heard_from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flight(&self) -> std::sync::MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next datagrams that are not knocks.
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffers), Some(meta)) = (buffers.get_mut(..1), meta.get_mut(..1)) else {
            return Poll::Ready(Ok(0));
        };
        for _ in 0..DISCARDS_PER_POLL {
            let count = match &self.carrier {
                Carrier::Bound { shared, .. } => ready!(shared.poll_recv(cx, buffers, meta))?,
                Carrier::Relay(relay) => ready!(relay.poll_recv(cx, buffers, meta))?,
            };
            if count == 0 || self.is_cut() {
                continue;
            }
            if let (Some(buffer), Some(meta)) = (buffers.first_mut(), meta.first_mut()) {
                let from = meta.addr;
                let stride = meta.stride.max(1);
                let length = meta.len.min(buffer.len());
                if let Some(bytes) = buffer.get_mut(..length) {
                    meta.len = sift(bytes, stride, |knock| self.knocked(from, knock));
                    if meta.len > 0 {
                        if let Some(&first) = bytes.first().filter(|first| DTLS.contains(first)) {
                            *self.heard_from() = Some((Instant::now(), from));
                            self.flight().heard(first);
                        }
                        return Poll::Ready(Ok(1));
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn knocked(&self, from: SocketAddr, knock: &[u8]) {
        if let Some(pairing) = self.pairing.get().and_then(Weak::upgrade) {
            pairing.knocked(self, from, knock);
        }
    }
}

/// The kernel may hand over several datagrams of one sender in one buffer, `stride` bytes each, the last one shorter.
/// Takes the knocks out, moves the rest together and returns its length.
fn sift(bytes: &mut [u8], stride: usize, mut knocked: impl FnMut(&[u8])) -> usize {
    if !bytes
        .chunks(stride)
        .any(|datagram| datagram.first() == Some(&KNOCK_BYTE))
    {
        return bytes.len();
    }
    let mut rest = Vec::with_capacity(bytes.len());
    for datagram in bytes.chunks(stride) {
        if datagram.first() == Some(&KNOCK_BYTE) {
            knocked(datagram);
        } else {
            rest.extend_from_slice(datagram);
        }
    }
    if let Some(start) = bytes.get_mut(..rest.len()) {
        start.copy_from_slice(&rest);
    }
    rest.len()
}

/// For how long a peer connection has the sockets. A stack that does not finish closing must not keep them from the next one.
#[derive(Debug, Clone, Default)]
pub(super) struct Lease(Arc<AtomicBool>);

impl Lease {
    pub(super) fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a peer connection sees of a socket.
#[derive(Debug)]
struct Lent(Arc<Socket>, Lease);

impl AsyncUdpSocket for Lent {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.address)
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if self.0.is_cut() || self.1.is_over() {
            return Poll::Ready(Ok(transmit.contents.len()));
        }
        let sent = match &self.0.carrier {
            Carrier::Bound { shared, .. } => ready!(shared.poll_send(cx, transmit)),
            Carrier::Relay(relay) => {
                relay.send(transmit.contents, transmit.destination);
                Ok(transmit.contents.len())
            }
        };
        if is_of_handshake(transmit.contents) {
            let stride = transmit.segment_size.unwrap_or(usize::MAX).max(1);
            let mut flight = self.0.flight();
            for datagram in transmit.contents.chunks(stride) {
                flight.sent(transmit.destination, datagram, Instant::now());
            }
        }
        Poll::Ready(sent)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.1.is_over() {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::NotConnected)));
        }
        self.0.poll_receive(cx, buffers, meta)
    }

    fn max_gso_segments(&self) -> usize {
        match &self.0.carrier {
            Carrier::Bound { shared, .. } => shared.max_gso_segments(),
            Carrier::Relay(_) => 1,
        }
    }

    fn max_gro_segments(&self) -> usize {
        match &self.0.carrier {
            Carrier::Bound { shared, .. } => shared.max_gro_segments(),
            Carrier::Relay(_) => 1,
        }
    }
}

/// Tokio, except that a socket the stack binds is swapped for ours of the same address. The stack goes on to name its
/// local candidate by the port it bound itself; only our own descriptions, with our ports, ever reach the other side.
#[derive(Debug)]
struct Lender {
    tokio: TokioRuntime,
    /// Those not lent yet. The runtime lives as long as any channel's handle does, and must not keep ports bound.
    sockets: Mutex<Vec<Arc<Socket>>>,
    lease: Lease,
}

impl Runtime for Lender {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Box<dyn JoinHandle> {
        self.tokio.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let ip = socket.local_addr()?.ip();
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let at = sockets.iter().position(|ours| ours.placeholder == ip);
        let at = at.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        Ok(Arc::new(Lent(sockets.swap_remove(at), self.lease.clone())))
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.tokio.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        self.tokio.connect_tcp(remote)
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        self.tokio.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        self.tokio.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.tokio.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.tokio.block_on(future);
    }

    fn yield_now(&self) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        self.tokio.yield_now()
    }

    fn name(&self) -> &'static str {
        "tokio with lent sockets"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whose_lease_is_over_neither_reads_nor_sends() {
        let sockets = Sockets::bind(&Config::loopback(), &[]).unwrap();
        let (of, lease) = (sockets.list[0].clone(), Lease::default());
        let lent = Lent(of.clone(), lease.clone());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let (mut buffer, mut meta) = ([0; 64], [RecvMeta::default()]);
        let mut read = |lent: &Lent| lent.poll_recv(&mut cx, &mut [IoSliceMut::new(&mut buffer)], &mut meta);
        assert!(read(&lent).is_pending());
        lease.end();
        assert!(matches!(read(&lent), Poll::Ready(Err(_))));
        let next = Lent(of.clone(), Lease::default());
        for (lent, contents) in [(&lent, b"late"), (&next, b"next")] {
            let transmit = Transmit {
                destination: of.address,
                contents,
                ecn: None,
                segment_size: None,
                src_ip: None,
            };
            let sent = std::future::poll_fn(|cx| lent.poll_send(cx, &transmit)).await;
            assert_eq!(sent.unwrap(), contents.len());
        }
        let line = sockets.line().await;
        assert_eq!(sockets.receive_from(&line).await.2, b"next");
    }

    #[test]
    fn knocks_are_taken_out_wherever_they_stand() {
        for (datagrams, rest, knocks) in [
            (vec![[1, 1], [2, 2]], vec![1, 1, 2, 2], 0),
            (vec![[KNOCK_BYTE, 1], [2, 2]], vec![2, 2], 1),
            (vec![[1, 1], [KNOCK_BYTE, 2], [3, 3]], vec![1, 1, 3, 3], 1),
            (vec![[KNOCK_BYTE, 1], [KNOCK_BYTE, 2]], vec![], 2),
        ] {
            let mut bytes = datagrams.concat();
            let mut found = 0;
            let length = sift(&mut bytes, 2, |knock| {
                assert_eq!(knock[0], KNOCK_BYTE);
                found += 1;
            });
            assert_eq!((&bytes[..length], found), (&rest[..], knocks));
        }
        // The last datagram may be shorter.
        let mut bytes = vec![1, 1, 1, KNOCK_BYTE];
        assert_eq!(sift(&mut bytes, 3, |knock| assert_eq!(knock, [KNOCK_BYTE])), 3);
    }
}
