//! What the tests over loopback share.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "only tests use this"
)]

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use cuecard_transport::conformance::Ends;
use cuecard_transport::webrtc::{Config, Connected, WebRtc};
use cuecard_transport::{DeviceKey, Lane, Link, LinkEvent};

/// No test may hang: far longer than any of them takes on a slow machine with much else to do.
#[track_caller]
pub(crate) fn bounded<T>(what: impl Future<Output = T>) -> impl Future<Output = T> {
    let whose = std::panic::Location::caller();
    async move {
        tokio::time::timeout(Duration::from_secs(600), what)
            .await
            .unwrap_or_else(|_| panic!("this took longer than ten minutes: {whose}"))
    }
}

pub(crate) fn key(n: u8) -> DeviceKey {
    DeviceKey::from_bytes(&[n; 32])
}

pub(crate) fn endpoint(n: u8) -> WebRtc {
    WebRtc::new(key(n), Config::loopback())
}

/// A heartbeat that notices a cut within 600 ms.
pub(crate) fn quick() -> Config {
    Config {
        heartbeat: Duration::from_millis(200),
        heartbeat_misses: 3,
        connect_within: Duration::from_secs(5),
        ..Config::loopback()
    }
}

/// Two endpoints connected by codes, as people do it.
pub(crate) async fn connect(a: &WebRtc, b: &WebRtc) -> (Connected, Connected) {
    let offering = a.offer().await.unwrap();
    let answering = b.answer(&offering.code()).await.unwrap();
    let answer = answering.code();
    let (at_a, at_b) = tokio::join!(offering.accept(&answer), answering.connect());
    (at_a.unwrap(), at_b.unwrap())
}

pub(crate) async fn fresh_ends() -> Ends {
    let (a, b) = (endpoint(1), endpoint(2));
    let (at_a, at_b) = connect(&a, &b).await;
    (at_a.link, at_b.link)
}

/// One message across and back.
pub(crate) async fn greet(a: &dyn Link, b: &dyn Link) {
    for (from, to) in [(a, b), (b, a)] {
        from.send(Lane::Control, Bytes::from_static(b"hola"))
            .await
            .unwrap();
        let bytes = Bytes::from_static(b"hola");
        assert_eq!(
            to.recv().await,
            LinkEvent::Message {
                lane: Lane::Control,
                bytes
            }
        );
    }
}
