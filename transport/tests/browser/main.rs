//! A browser at the other end: Chromium's own `RTCPeerConnection`, with codes turned into its session descriptions and
//! back. Whoever writes a client for the web finds the whole of a link in `peer.js`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests use this"
)]

#[path = "../common/mod.rs"]
mod common;

use std::time::SystemTime;

use bytes::Bytes;
use common::{bounded, endpoint};
use cuecard_browser::{Browser, Page};
use cuecard_transport::invite::{Code, CodeKind};
use cuecard_transport::webrtc::Connected;
use cuecard_transport::{CloseReason, DeviceId, DialError, Lane, LinkEvent};
use serde_json::{Value, json};
use tokio::task::block_in_place;

/// A page with a device of its own. Waiting for it blocks, which this thread may.
struct Other {
    page: Page,
    device: DeviceId,
    // Dropped last.
    _browser: Browser,
    _folder: tempfile::TempDir,
}

impl Other {
    fn start(test: &str) -> Option<Self> {
        let browser = Browser::start(test)?;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("peer.html");
        let script = include_str!("peer.js");
        std::fs::write(
            &file,
            format!("<!doctype html><meta charset=utf-8><script>{script}</script>"),
        )
        .unwrap();
        let page = browser.open_file(&file);
        let device = device(&page.eval("start()"));
        Some(Self {
            page,
            device,
            _browser: browser,
            _folder: folder,
        })
    }

    fn run(&self, function: &str, arguments: &[Value]) -> Value {
        block_in_place(|| self.page.run(function, arguments))
    }

    /// The browser's half, as a code for us.
    fn code(&self, kind: CodeKind, description: &Value) -> String {
        let sdp = description["sdp"].as_str().unwrap();
        let expires = Code::expires_after(SystemTime::now(), std::time::Duration::from_secs(60));
        let code = Code::from_sdp(kind, self.device, expires, sdp, vec![]).unwrap();
        let text = code.encode().unwrap();
        println!("{} addresses, {} characters", code.addresses.len(), text.len());
        text
    }
}

fn device(hex: &Value) -> DeviceId {
    let hex = hex.as_str().unwrap();
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    DeviceId::from_bytes(std::array::from_fn(byte))
}

fn hex(bytes: &[u8]) -> Value {
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!(text)
}

/// We offer, the browser answers.
async fn offered_by_us(other: &Other) -> Connected {
    let us = endpoint(1);
    let offering = us.offer().await.unwrap();
    let offer = Code::decode(&offering.code()).unwrap();
    let answer = other.run(
        "peer.answer",
        &[json!(offer.to_sdp()), hex(us.device().as_bytes())],
    );
    let answer = other.code(CodeKind::Answer(offer.tag()), &answer);
    bounded(offering.accept(&answer)).await.unwrap()
}

/// The browser offers, we answer.
async fn offered_by_the_browser(other: &Other) -> Connected {
    let us = endpoint(1);
    let offer = other.run("peer.offer", &[]);
    let answering = us.answer(&other.code(CodeKind::Offer, &offer)).await.unwrap();
    let answer = Code::decode(&answering.code()).unwrap();
    other.run(
        "peer.accept",
        &[json!(answer.to_sdp()), hex(us.device().as_bytes())],
    );
    bounded(answering.connect()).await.unwrap()
}

/// Small and large messages go across on both lanes and come back as they were, in order.
async fn exchange(other: &Other, connected: &Connected) {
    let link = &connected.link;
    assert_eq!(link.peer(), other.device);
    assert_eq!(
        other.run("(() => peer.up)", &[]),
        hex(&link.transcript()),
        "both ends know the link by the same transcript"
    );
    let control: Vec<Bytes> = [1_usize, 300_000, 0, 65_536, 7]
        .iter()
        .map(|&size| filled(size))
        .collect();
    let binary: Vec<Bytes> = [65_535_usize, 1, 40_000]
        .iter()
        .map(|&size| filled(size))
        .collect();
    for message in &control {
        link.send(Lane::Control, message.clone()).await.unwrap();
    }
    for message in &binary {
        link.send(Lane::Binary, message.clone()).await.unwrap();
    }
    assert_eq!(
        other.run("peer.echo", &[json!(control.len() + binary.len())]),
        json!(8)
    );
    let (mut by_control, mut by_binary) = (Vec::new(), Vec::new());
    while by_control.len() + by_binary.len() < 8 {
        match bounded(link.recv()).await {
            LinkEvent::Message {
                lane: Lane::Control,
                bytes,
            } => by_control.push(bytes),
            LinkEvent::Message {
                lane: Lane::Binary,
                bytes,
            } => by_binary.push(bytes),
            LinkEvent::Closed(why) => panic!("{why}"),
        }
    }
    assert!(by_control == control && by_binary == binary);
    assert_eq!(block_in_place(|| other.page.complaints()), Vec::<String>::new());
}

fn filled(size: usize) -> Bytes {
    (0..size).map(|at| (at % 251) as u8).collect::<Vec<u8>>().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_answers_our_offer_and_hears_our_goodbye() {
    let Some(other) = block_in_place(|| Other::start("a browser answers our offer")) else {
        return;
    };
    let connected = offered_by_us(&other).await;
    exchange(&other, &connected).await;
    bounded(connected.link.close(CloseReason::Here)).await;
    assert_eq!(other.run("(() => peer.over)", &[]), json!("goodbye"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_answer_a_browsers_offer_and_hear_its_goodbye() {
    let Some(other) = block_in_place(|| Other::start("we answer a browser's offer")) else {
        return;
    };
    let connected = offered_by_the_browser(&other).await;
    exchange(&other, &connected).await;
    other.run("peer.goodbye", &[]);
    other.run("(() => peer.connection.close())", &[]);
    assert_eq!(
        bounded(connected.link.recv()).await,
        LinkEvent::Closed(CloseReason::There)
    );
    bounded(connected.link.close(CloseReason::Here)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_signs_with_another_key_is_refused_by_name() {
    let Some(other) = block_in_place(|| Other::start("a page with the wrong key")) else {
        return;
    };
    block_in_place(|| {
        other.page.eval(
            "crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']).then(other => { peer.key = other; })",
        )
    });
    let us = endpoint(1);
    let offering = us.offer().await.unwrap();
    let offer = Code::decode(&offering.code()).unwrap();
    let answer = other.run(
        "peer.answer",
        &[json!(offer.to_sdp()), hex(us.device().as_bytes())],
    );
    let answer = other.code(CodeKind::Answer(offer.tag()), &answer);
    let refused = bounded(offering.accept(&answer)).await.unwrap_err();
    assert!(
        matches!(&refused, DialError::Proof(why) if why.contains("its signature does not fit")),
        "{refused:?}"
    );
}
