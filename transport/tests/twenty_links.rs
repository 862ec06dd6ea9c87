//! One device, twenty links at once: a desk that a whole class is linked to.
#![allow(clippy::unwrap_used, reason = "only tests use this")]

mod common;

use std::time::Duration;

use common::{bounded, greet};
use cuecard_transport::webrtc::{Config, WebRtc};
use cuecard_transport::{CloseReason, DeviceKey};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_device_holds_twenty_links_at_once() {
    let patient = Config {
        connect_within: Duration::from_secs(30),
        ..Config::loopback()
    };
    let hub = WebRtc::new(DeviceKey::from_bytes(&[99; 32]), patient.clone());
    let made = (1..=20_u8).map(|n| {
        let other = WebRtc::new(DeviceKey::from_bytes(&[n; 32]), patient.clone());
        let hub = hub.clone();
        tokio::spawn(async move { common::connect(&hub, &other).await })
    });
    let made: Vec<_> = made.collect();
    let mut links = Vec::new();
    for made in made {
        links.push(bounded(made).await.unwrap());
    }
    for (at_hub, at_other) in &links {
        greet(&*at_hub.link, &*at_other.link).await;
    }
    for (at_hub, at_other) in links {
        tokio::join!(
            at_hub.link.close(CloseReason::Here),
            at_other.link.close(CloseReason::Here)
        );
    }
}
