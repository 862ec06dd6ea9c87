//! What a peer connection sees of the sockets: a runtime that swaps those the stack binds for ours, for as long as a lease runs.

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ::webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};

use super::{Carrier, Socket, Sockets};
use crate::webrtc::flight::is_of_handshake;
use crate::wire::End;

impl Sockets {
    /// A runtime that lends these sockets to one peer connection, until the lease ends.
    pub(in crate::webrtc) fn lend(&self) -> (Arc<dyn Runtime>, Lease) {
        let lease = Lease::default();
        let lender = Lender {
            tokio: TokioRuntime,
            sockets: Mutex::new(self.list.clone()),
            lease: lease.clone(),
        };
        (Arc::new(lender), lease)
    }
}

/// For how long a peer connection has the sockets. A stack that does not finish closing must not keep them from the next one.
#[derive(Debug, Clone, Default)]
pub(in crate::webrtc) struct Lease(Arc<AtomicBool>);

impl Lease {
    pub(in crate::webrtc) fn end(&self) {
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
        if self.0.loses(End::A) || self.1.is_over() {
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
    use crate::webrtc::config::Config;

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
}
