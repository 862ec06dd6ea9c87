//! A real process with the other device is killed (SIGKILL) and started again from its saved route: both are linked
//! again, although nobody said goodbye and the survivor's heartbeat has noticed nothing.
#![allow(clippy::unwrap_used, reason = "only tests use this")]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{bounded, key, quick};
use cuecard_transport::webrtc::{Config, SavedRoute, WebRtc};
use cuecard_transport::{Backoff, CloseReason, Lane, Link, LinkEvent, Route};

const OFFER: &str = "CUECARD_TEST_OFFER";
const SAVED: &str = "CUECARD_TEST_SAVED_ROUTE";

fn patient() -> Config {
    Config {
        heartbeat: Duration::from_secs(30),
        ..quick()
    }
}

/// The other device when this file is started again by the test below; nothing otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_other_device() {
    let Ok(saved) = std::env::var(SAVED) else {
        return;
    };
    let endpoint = WebRtc::new(key(2), patient());
    let link = if let Ok(offer) = std::env::var(OFFER) {
        let answering = endpoint.answer(&offer).await.unwrap();
        println!("\nANSWER {}", answering.code());
        let connected = answering.connect().await.unwrap();
        std::fs::write(saved, connected.route.to_bytes()).unwrap();
        connected.link
    } else {
        let route = SavedRoute::from_bytes(&std::fs::read(saved).unwrap()).unwrap();
        println!("\nSTARTED");
        let dialer = endpoint.dialer(route).unwrap();
        Route::new(dialer, Backoff::default()).next_link().await
    };
    while let LinkEvent::Message { lane, bytes } = link.recv().await {
        link.send(lane, bytes).await.unwrap();
    }
}

fn start(saved: &std::path::Path, offer: Option<String>) -> (Child, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "the_other_device", "--nocapture"]);
    command.env(SAVED, saved).stdout(Stdio::piped());
    if let Some(offer) = offer {
        command.env(OFFER, offer);
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = lines
        .map_while(Result::ok)
        .filter(|line| line.starts_with("ANSWER") || line == "STARTED");
    let said = said.next().unwrap();
    (child, said)
}

async fn echoed(link: &dyn Link) {
    let bytes = Bytes::from_static(b"are you there");
    link.send(Lane::Control, bytes.clone()).await.unwrap();
    let echo = LinkEvent::Message {
        lane: Lane::Control,
        bytes,
    };
    assert_eq!(bounded(link.recv()).await, echo);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_comes_back_from_its_saved_route() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("route");
    let endpoint = WebRtc::new(key(1), patient());
    let offering = endpoint.offer().await.unwrap();
    let (mut child, said) = start(&saved, Some(offering.code()));
    let answer = said.trim_start_matches("ANSWER ").to_owned();
    let connected = bounded(offering.accept(&answer)).await.unwrap();
    // The echo shows that the other process has its link, and so has saved its route.
    echoed(&*connected.link).await;
    let mut link = connected.link;
    let mut route = Route::new(endpoint.dialer(connected.route).unwrap(), Backoff::default());
    for _ in 0..3 {
        child.kill().unwrap();
        child.wait().unwrap();
        child = start(&saved, None).0;
        let started = Instant::now();
        assert_eq!(
            bounded(link.recv()).await,
            LinkEvent::Closed(CloseReason::Replaced)
        );
        link = bounded(route.next_link()).await;
        echoed(&*link).await;
        let took = started.elapsed();
        println!("linked again {took:?} after the restart");
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    link.close(CloseReason::Here).await;
}
