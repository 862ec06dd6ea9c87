//! Real engines in tests: waiting for what they say, and links between them.

use std::sync::Arc;
use std::time::Duration;

use cuecard::transport::memory::{Conditions, pair};
use cuecard::transport::webrtc::{Config, WebRtc};
use cuecard::transport::{DeviceKey, Link};
use cuecard::{Engine, Event, Events};

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
