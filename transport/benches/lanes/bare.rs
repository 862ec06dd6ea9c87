//! The base that ours is measured against: a bare data channel of the same stack in the same process, as it comes or with
//! the settings that ours has.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rtc::peer_connection::configuration::setting_engine::SctpMaxMessageSize;
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceGatheringState, SettingEngineBuilder,
};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

/// The longest message that the stack sends, where it is told to.
pub(crate) const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Two connections and their channel.
pub(crate) struct Bare {
    connections: [Arc<dyn PeerConnection>; 2],
    pub(crate) from: Arc<dyn DataChannel>,
    pub(crate) to: Arc<dyn DataChannel>,
}

/// What the channel is told.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Tuning {
    /// Nothing: the defaults of the stack and of the system.
    None,
    /// What our lanes have: 4 MiB of socket buffers, a window that fits, 256 KiB outstanding.
    AsOurs,
}

impl Bare {
    /// `between` moves the addresses in the second description, so that a path may lie there.
    pub(crate) async fn connect(
        tuning: Tuning,
        message_bytes: usize,
        between: impl FnOnce(SocketAddr) -> Option<(SocketAddr, SocketAddr)>,
    ) -> Self {
        let (a, b) = (
            connection(tuning, message_bytes).await,
            connection(tuning, message_bytes).await,
        );
        let offer = a.0.create_offer(None).await.unwrap();
        a.0.set_local_description(offer).await.unwrap();
        let offer = a.described().await;
        let ends = between(address_in(&offer.sdp));
        let mut moved = offer.clone();
        if let Some((_, answerer_end)) = ends {
            moved =
                webrtc::peer_connection::RTCSessionDescription::offer(at(&offer.sdp, answerer_end)).unwrap();
        }
        b.0.set_remote_description(moved).await.unwrap();
        let answer = b.0.create_answer(None).await.unwrap();
        b.0.set_local_description(answer).await.unwrap();
        let mut answer = b.described().await;
        if let Some((offerer_end, _)) = ends {
            answer =
                webrtc::peer_connection::RTCSessionDescription::answer(at(&answer.sdp, offerer_end)).unwrap();
        }
        a.0.set_remote_description(answer).await.unwrap();
        for channel in [&a.1, &b.1] {
            while !matches!(channel.poll().await, Some(DataChannelEvent::OnOpen)) {}
        }
        Self {
            from: Arc::clone(&a.1),
            to: Arc::clone(&b.1),
            connections: [a.0, b.0],
        }
    }

    pub(crate) async fn close(self) {
        for connection in self.connections {
            let _ = connection.close().await;
        }
    }
}

struct Side(
    Arc<dyn PeerConnection>,
    Arc<dyn DataChannel>,
    tokio::sync::watch::Receiver<bool>,
);

impl Side {
    async fn described(&self) -> webrtc::peer_connection::RTCSessionDescription {
        let _ = self.2.clone().wait_for(|gathered| *gathered).await;
        self.0.local_description().await.unwrap()
    }
}

async fn connection(tuning: Tuning, message_bytes: usize) -> Side {
    let mut settings = SettingEngineBuilder::new()
        .with_include_loopback_candidate(true)
        .with_ice_connection_attempts(Some(Duration::from_millis(10)), Some(300));
    let tuned = Arc::new(Tuned(TokioRuntime));
    if tuning == Tuning::AsOurs {
        settings = settings
            .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(64 * 1024))
            .with_sctp_max_receive_buffer_size(1024 * 1024);
    }
    if message_bytes > 64 * 1024 {
        settings = settings.with_sctp_max_message_size(SctpMaxMessageSize::Unbounded);
    }
    let (gathered, gathering) = tokio::sync::watch::channel(false);
    let mut builder = PeerConnectionBuilder::new()
        .with_configuration(RTCConfigurationBuilder::new().build())
        .with_setting_engine(settings.build())
        .with_handler(Arc::new(Gathering(gathered)))
        .with_udp_addrs(vec![SocketAddr::from(([127, 0, 0, 1], 0))]);
    if tuning == Tuning::AsOurs {
        builder = builder
            .with_runtime(tuned)
            .with_data_channel_send_buffer_limit(256 * 1024);
    } else {
        // Its own default is no bound at all, which measures memory.
        builder = builder.with_data_channel_send_buffer_limit(1024 * 1024);
    }
    let connection: Arc<dyn PeerConnection> = Arc::new(builder.build().await.unwrap());
    let init = RTCDataChannelInit {
        ordered: true,
        negotiated: Some(0),
        ..RTCDataChannelInit::default()
    };
    let channel = connection.create_data_channel("bare", Some(init)).await.unwrap();
    Side(connection, channel, gathering)
}

struct Gathering(tokio::sync::watch::Sender<bool>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Gathering {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.0.send_replace(state == RTCIceGatheringState::Complete);
    }
}

/// Sends messages until stopped.
pub(crate) async fn flood(channel: Arc<dyn DataChannel>, bytes: usize) {
    let message = vec![7_u8; bytes];
    while channel.send(BytesMut::from(&message[..])).await.is_ok() {}
}

/// How many bytes the next message has.
pub(crate) async fn next(channel: &dyn DataChannel) -> usize {
    loop {
        match channel.poll().await {
            Some(DataChannelEvent::OnMessage(message)) => return message.data.len(),
            Some(_) => {}
            None => panic!("the channel is gone"),
        }
    }
}

fn candidate_line(sdp: &str) -> &str {
    sdp.lines()
        .find(|line| line.starts_with("a=candidate:") && line.contains(" 127.0.0.1 "))
        .unwrap()
}

fn address_in(sdp: &str) -> SocketAddr {
    cuecard_transport::invite::address_of_candidate(candidate_line(sdp)).unwrap()
}

fn at(sdp: &str, address: SocketAddr) -> String {
    let old = address_in(sdp);
    sdp.replace(
        &format!(" {} {} ", old.ip(), old.port()),
        &format!(" {} {} ", address.ip(), address.port()),
    )
}

/// Tokio, with large buffers on each socket.
#[derive(Debug)]
struct Tuned(TokioRuntime);

impl Runtime for Tuned {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Box<dyn JoinHandle> {
        self.0.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let handle = socket2::SockRef::from(&socket);
        let _ = handle.set_recv_buffer_size(4 * 1024 * 1024);
        let _ = handle.set_send_buffer_size(4 * 1024 * 1024);
        self.0.wrap_udp_socket(socket)
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.0.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        self.0.connect_tcp(remote)
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        self.0.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        self.0.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.0.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.0.block_on(future);
    }

    fn yield_now(&self) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        self.0.yield_now()
    }

    fn name(&self) -> &'static str {
        "tokio with large buffers"
    }
}
