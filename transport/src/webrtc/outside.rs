//! How a device is seen from outside: servers that tell it its outer address, and relays that lend it one.
//!
//! None are used unless configured. A server learns the addresses of who asks and, as a relay, who talks to whom and how
//! much; it never sees what is said, which is encrypted between the devices.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use rtc::turn::client::{Client, ClientConfig, Event};
use zeroize::Zeroizing;

use super::config::deadline;
use super::relayed::Relayed;
use super::socket::{Line, Sockets};
use crate::limits::RELAYS_MAX;

/// A server that helps two devices to find a path.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Server {
    /// Tells a device its outer address (STUN).
    Stun {
        /// `host:port`.
        host: String,
    },
    /// Carries bytes between devices that have no path of their own (TURN over UDP).
    Turn {
        /// `host:port`.
        host: String,
        /// Who we are to it.
        username: String,
        /// What shows that.
        password: Zeroizing<String>,
    },
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither name nor password: they are secrets of whoever runs the relay.
        match self {
            Self::Stun { host } => write!(f, "stun:{host}"),
            Self::Turn { host, .. } => write!(f, "turn:{host}"),
        }
    }
}

impl Server {
    /// A server that tells outer addresses, by `host:port`.
    #[must_use]
    pub fn stun(host: impl Into<String>) -> Self {
        Self::Stun { host: host.into() }
    }

    /// A relay, by `host:port`, with what it asks for.
    #[must_use]
    pub fn turn(host: impl Into<String>, username: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Turn {
            host: host.into(),
            username: username.into(),
            password: Zeroizing::new(password.into()),
        }
    }

    fn host(&self) -> &str {
        match self {
            Self::Stun { host } | Self::Turn { host, .. } => host,
        }
    }
}

/// Asks all servers at once and ends with what it has when the time is up: where the sockets are seen, best first.
/// Relays join the sockets.
pub(super) async fn look(sockets: &mut Sockets, servers: &[Server], within: Duration) -> Vec<SocketAddr> {
    if servers.is_empty() {
        return Vec::new();
    }
    let deadline = deadline(within);
    let resolved = tokio::time::timeout_at(deadline, resolve(servers))
        .await
        .unwrap_or_default();
    let line = sockets.line().await;
    let seen = answers(sockets, &line, &resolved, deadline);
    let relays = relays(sockets, &resolved, deadline);
    let (seen, relays) = tokio::join!(seen, relays);
    for relay in relays {
        sockets.add_relay(relay);
    }
    // Where a socket is seen as what it is, nobody need be told.
    let inner = sockets.addresses();
    seen.into_iter()
        .filter(|address| !inner.contains(address))
        .collect()
}

/// Asks one server alone: where it sees the sockets, or what it lends them. Nothing where it does not answer, or refuses.
pub(super) async fn ask(sockets: &mut Sockets, server: &Server, within: Duration) -> Vec<SocketAddr> {
    let deadline = deadline(within);
    let resolving = resolve(std::slice::from_ref(server));
    let resolved = tokio::time::timeout_at(deadline, resolving)
        .await
        .unwrap_or_default();
    match server {
        Server::Stun { .. } => {
            let line = sockets.line().await;
            answers(sockets, &line, &resolved, deadline).await
        }
        Server::Turn { .. } => {
            for relay in relays(sockets, &resolved, deadline).await {
                sockets.add_relay(relay);
            }
            sockets.relays()
        }
    }
}

/// Asks the servers again, so that whatever lies between remembers us; what they answer is known.
pub(super) async fn remind(sockets: &Sockets, servers: &[Server]) {
    for (_, server) in resolve(servers).await {
        for own in sockets
            .addresses()
            .into_iter()
            .filter(|own| own.is_ipv4() == server.is_ipv4())
        {
            if let Some(question) = asker(own, server).and_then(|mut client| client.poll_write()) {
                sockets.send_from(own, &question.message, server);
            }
        }
    }
}

/// Names may take a while and block.
async fn resolve(servers: &[Server]) -> Vec<(Server, SocketAddr)> {
    let servers = servers.to_vec();
    let resolving = tokio::task::spawn_blocking(move || {
        let mut resolved = Vec::new();
        for server in servers {
            match server.host().to_socket_addrs() {
                Ok(addresses) => resolved.extend(addresses.map(|address| (server.clone(), address))),
                Err(error) => tracing::warn!(?server, %error, "this server's name is not known"),
            }
        }
        resolved
    });
    resolving.await.unwrap_or_default()
}

/// Each socket asks every server of its family; the first answer counts. The addresses in ascending order.
async fn answers(
    sockets: &Sockets,
    line: &Line,
    servers: &[(Server, SocketAddr)],
    deadline: tokio::time::Instant,
) -> Vec<SocketAddr> {
    let mut asking: BTreeMap<(SocketAddr, SocketAddr), Client> = BTreeMap::new();
    for address in sockets.addresses() {
        for (_, server) in servers
            .iter()
            .filter(|(_, server)| server.is_ipv4() == address.is_ipv4())
        {
            if let Some(client) = asker(address, *server) {
                asking.insert((address, *server), client);
            }
        }
    }
    let mut seen: BTreeMap<SocketAddr, SocketAddr> = BTreeMap::new();
    while asking.keys().any(|(own, _)| !seen.contains_key(own)) {
        let now = Instant::now();
        let mut next = deadline;
        for ((own, _), client) in &mut asking {
            while let Some(question) = client.poll_write() {
                sockets.send_from(*own, &question.message, question.transport.peer_addr);
            }
            while let Some(event) = client.poll_event() {
                if let Event::BindingResponse(_, outer) = event {
                    seen.entry(*own).or_insert(outer);
                }
            }
            if let Some(timeout) = client.poll_timeout() {
                next = next.min(tokio::time::Instant::from_std(timeout.max(now)));
            }
        }
        if asking.keys().all(|(own, _)| seen.contains_key(own)) || tokio::time::Instant::now() >= deadline {
            break;
        }
        tokio::select! {
            (own, from, bytes) = sockets.receive_from(line) => {
                if let Some(client) = asking.get_mut(&(own, from)) {
                    // A malformed answer is as good as none.
                    let _ = client.handle_read(datagram(own, from, &bytes));
                }
            }
            () = tokio::time::sleep_until(next) => {
                for client in asking.values_mut() {
                    let _ = client.handle_timeout(Instant::now());
                }
            }
        }
    }
    let mut outer: Vec<SocketAddr> = seen.into_values().collect();
    outer.sort_unstable();
    outer.dedup();
    outer
}

fn asker(own: SocketAddr, server: SocketAddr) -> Option<Client> {
    let config = ClientConfig {
        stun_serv_addr: server.to_string(),
        local_addr: own,
        ..ClientConfig::default()
    };
    let mut client = Client::new(config, rtc::crypto::default_provider().ok()?).ok()?;
    client.send_binding_request(Instant::now()).ok()?;
    Some(client)
}

/// As the stack's clients take a datagram.
pub(super) fn datagram(own: SocketAddr, from: SocketAddr, bytes: &[u8]) -> TaggedBytesMut {
    TaggedBytesMut {
        now: Instant::now(),
        transport: TransportContext {
            local_addr: own,
            peer_addr: from,
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        },
        message: BytesMut::from(bytes),
    }
}

async fn relays(
    sockets: &Sockets,
    servers: &[(Server, SocketAddr)],
    deadline: tokio::time::Instant,
) -> Vec<Relayed> {
    let mut relays: Vec<Relayed> = Vec::new();
    for (server, address) in servers {
        let Server::Turn {
            username, password, ..
        } = server
        else {
            continue;
        };
        let taken = relays
            .iter()
            .any(|relay| relay.server().is_ipv4() == address.is_ipv4());
        if taken || relays.len() >= RELAYS_MAX {
            continue;
        }
        let Some(own) = sockets
            .addresses()
            .into_iter()
            .find(|own| own.is_ipv4() == address.is_ipv4())
        else {
            continue;
        };
        let allocating = Relayed::allocate(own.ip(), *address, username, password);
        match tokio::time::timeout_at(deadline, allocating).await {
            Ok(Ok(relay)) => relays.push(relay),
            Ok(Err(error)) => tracing::warn!(?server, %error, "this relay refused"),
            Err(_) => tracing::warn!(?server, "this relay did not answer in time"),
        }
    }
    relays
}
