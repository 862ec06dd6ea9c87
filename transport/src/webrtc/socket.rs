//! Sockets that outlive connections: bound once for a route, lent to one peer connection after the other, with knocks
//! taken out of the stream and a cable that can be cut.

mod lent;

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use ::webrtc::runtime::{AsyncUdpSocket, RecvMeta, Runtime, TokioRuntime};
use socket2::SockRef;

use super::config::{Bind, Config};
use super::flight::Flight;
use super::knock::KNOCK_BYTE;
use super::pairing::Pairing;
use super::relayed::Relayed;
use crate::cable::Cable;
use crate::limits::{
    ADDRESSES_MAX, DATAGRAM_BYTES_MAX, DISCARDS_PER_POLL, FLIGHT_AGAIN, RECEIVE_WINDOW_BYTES,
    SOCKET_BUFFER_BYTES,
};
use crate::link::DialError;
use crate::wire::End;

pub(super) use lent::Lease;

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
        if self.loses(End::A) {
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

    /// Whether the cable loses what leaves here (end A) or what comes (end B).
    fn loses(&self, from: End) -> bool {
        self.cable.as_ref().is_some_and(|cable| cable.loses(from))
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
            if count == 0 || self.loses(End::B) {
                continue;
            }
            if let (Some(buffer), Some(meta)) = (buffers.first_mut(), meta.first_mut()) {
                let from = meta.addr;
                let stride = meta.stride.max(1);
                let length = meta.len.min(buffer.len());
                if let Some(bytes) = buffer.get_mut(..length) {
                    meta.len = sift(bytes, stride, |knock| self.knocked(from, knock));
                    if meta.len > 0 {
                        self.heard(from, bytes.get(..meta.len).unwrap_or_default(), stride);
                        return Poll::Ready(Ok(1));
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Notes what is encrypted of what came: each datagram, also where the kernel handed over several at once.
    fn heard(&self, from: SocketAddr, bytes: &[u8], stride: usize) {
        let first_bytes = bytes.chunks(stride).filter_map(|datagram| datagram.first());
        let mut encrypted = first_bytes.filter(|first| DTLS.contains(first)).peekable();
        if encrypted.peek().is_some() {
            *self.heard_from() = Some((Instant::now(), from));
        }
        let mut flight = self.flight();
        encrypted.for_each(|&first| flight.heard(first));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The last flight of a handshake and what follows it come in one read: that the other side is done was overlooked, and our own
    /// last flight sent again.
    #[tokio::test]
    async fn each_of_several_datagrams_that_came_together_is_heard() {
        let sockets = Sockets::bind(&Config::loopback(), &[]).unwrap();
        let (socket, from) = (&sockets.list[0], sockets.addresses()[0]);
        let again = |times| socket.flight().again(Instant::now() + FLIGHT_AGAIN * times).len();
        socket.flight().sent(from, &[22, 1], Instant::now());
        socket.heard(from, &[1, 1, 0], 2);
        assert_eq!((sockets.heard_from(), again(1)), (None, 1));
        socket.heard(from, &[22, 1, 23, 1, 1], 2);
        assert_eq!((sockets.heard_from(), again(3)), (Some((from, false)), 0));
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
