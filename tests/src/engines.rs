//! Real engines in tests: waiting for what they say, and links between them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cuecard::core::deck_proof;
use cuecard::sync::envelope::seal_up;
use cuecard::sync::message::{Message, PROTOCOL_VERSION};
use cuecard::transport::memory::{Conditions, pair};
use cuecard::transport::webrtc::{Config, WebRtc};
use cuecard::transport::{CloseReason, DeviceKey, Lane, Link, LinkEvent, LinkStats, RouteKind};
use cuecard::{Deck, DeviceId, Engine, Event, Events, Rights};
use tokio::sync::{Mutex, mpsc, watch};

/// How long anything may take before a test gives up: far longer than it takes on a slow machine.
pub const WITHIN: Duration = Duration::from_secs(30);

/// Waits for an event: with a bound, so that a test that fails does so soon.
///
/// # Panics
/// When it does not come.
pub async fn until(events: &mut Events, what: &str, is_it: impl Fn(&Event) -> bool) {
    let wait = async {
        loop {
            match events.next().await {
                Some(event) if is_it(&event) => return,
                Some(_) => {}
                None => panic!("the engine is gone while waiting for {what}"),
            }
        }
    };
    tokio::time::timeout(WITHIN, wait)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"));
}

/// Waits until something holds, looking again whenever something happens.
///
/// # Panics
/// When it does not come to hold.
pub async fn until_so(events: &mut Events, what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            events
                .next()
                .await
                .unwrap_or_else(|| panic!("the engine is gone while waiting for {what}"));
        }
    };
    tokio::time::timeout(WITHIN, wait)
        .await
        .unwrap_or_else(|_| panic!("{what} did not come to be"));
}

/// Two ends of a link over WebRTC on loopback, proven.
///
/// # Panics
/// When there is none.
pub async fn webrtc_link(a: &DeviceKey, b: &DeviceKey) -> (Arc<dyn Link>, Arc<dyn Link>) {
    let (a, b) = (
        WebRtc::new(a.clone(), Config::loopback()),
        WebRtc::new(b.clone(), Config::loopback()),
    );
    let offer = a.offer().await.expect("an offer");
    let answer = b.answer(&offer.code()).await.expect("an answer");
    let code = answer.code();
    let (at_a, at_b) = tokio::join!(offer.accept(&code), answer.connect());
    (at_a.expect("a link").link, at_b.expect("a link").link)
}

/// Links two engines within the process.
pub fn link(a: &Engine, b: &Engine) {
    let (end_a, end_b) = pair(a.device(), b.device(), Conditions::PERFECT, 1);
    a.attach(end_a);
    b.attach(end_b);
}

/// A link whose other side asks and asks, and never takes what it asked for; nor does it answer when it is closed.
pub struct Greedy {
    asks: Mutex<mpsc::Receiver<Bytes>>,
    closed: watch::Sender<bool>,
}

impl Greedy {
    const TRANSCRIPT: [u8; 32] = [7; 32];

    /// The link, and what its other side says.
    #[must_use]
    pub fn new() -> (Arc<Self>, mpsc::Sender<Bytes>) {
        let (ask, asks) = mpsc::channel(16);
        let (asks, closed) = (asks.into(), watch::Sender::new(false));
        (Arc::new(Self { asks, closed }), ask)
    }

    fn device() -> DeviceId {
        DeviceKey::from_bytes(&[9; 32]).id()
    }

    /// What shows that it holds the key of a deck.
    ///
    /// # Panics
    /// When the deck is not there.
    #[must_use]
    pub fn greeting(deck: &Deck) -> Bytes {
        let invite = deck.invite(Rights::Read).expect("a deck").to_bytes();
        let key: [u8; 32] = invite[38..].try_into().expect("its key");
        let greet = Message::Greet {
            version: PROTOCOL_VERSION,
            name: "greedy".to_owned(),
            proofs: vec![deck_proof(&key, deck.id(), &Self::TRANSCRIPT, Self::device())],
            early: vec![],
        };
        seal_up(&greet).into()
    }

    /// Whether this side closed it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }
}

#[async_trait]
impl Link for Greedy {
    fn peer(&self) -> DeviceId {
        Self::device()
    }

    fn transcript(&self) -> [u8; 32] {
        Self::TRANSCRIPT
    }

    fn route(&self) -> RouteKind {
        RouteKind::Memory
    }

    async fn send(&self, _lane: Lane, _message: Bytes) -> Result<(), CloseReason> {
        std::future::pending().await
    }

    async fn recv(&self) -> LinkEvent {
        let mut closed = self.closed.subscribe();
        let mut asks = self.asks.lock().await;
        let ask = tokio::select! {
            _ = closed.wait_for(|closed| *closed) => None,
            ask = asks.recv() => ask,
        };
        match ask {
            Some(bytes) => LinkEvent::Message {
                lane: Lane::Control,
                bytes,
            },
            None => LinkEvent::Closed(CloseReason::Here),
        }
    }

    async fn close(&self, _reason: CloseReason) {
        self.closed.send_replace(true);
        std::future::pending().await
    }

    fn stats(&self) -> LinkStats {
        LinkStats::default()
    }
}
