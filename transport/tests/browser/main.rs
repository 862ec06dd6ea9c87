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
#[path = "../lossy/path.rs"]
#[allow(dead_code, reason = "cuts are for other tests")]
mod path;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use common::{bounded, endpoint, key, quick};
use cuecard_browser::{Browser, Page};
use cuecard_transport::invite::{Code, CodeKind};
use cuecard_transport::webrtc::{Config, Connected, WebRtc};
use cuecard_transport::{CloseReason, DeviceId, DialError, Lane, LinkEvent, ProofError};
use path::{Path, Weather};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use tokio::task::block_in_place;

/// A browser, and the page that devices run in.
struct Others {
    browser: Browser,
    folder: tempfile::TempDir,
}

impl Others {
    fn start(test: &str) -> Option<Self> {
        block_in_place(|| {
            let browser = Browser::start(test)?;
            let folder = tempfile::tempdir().unwrap();
            let script = include_str!("peer.js");
            let page = format!("<!doctype html><meta charset=utf-8><script>{script}</script>");
            std::fs::write(folder.path().join("peer.html"), page).unwrap();
            Some(Self { browser, folder })
        })
    }

    fn one(&self) -> Other {
        block_in_place(|| {
            let page = self.browser.open_file(&self.folder.path().join("peer.html"));
            let device = device(&page.eval("start()"));
            Other { page, device }
        })
    }
}

/// A page with a device of its own. Waiting for it blocks, which this thread may.
struct Other {
    page: Page,
    device: DeviceId,
}

impl Other {
    fn run(&self, function: &str, arguments: &[Value]) -> Value {
        block_in_place(|| self.page.run(function, arguments))
    }

    /// The browser's half, as a code for us.
    fn code(&self, kind: CodeKind, description: &Value) -> String {
        let code = self.decoded(kind, description);
        let text = code.encode().unwrap();
        println!("{} addresses, {} characters", code.addresses.len(), text.len());
        text
    }
}

impl Other {
    fn decoded(&self, kind: CodeKind, description: &Value) -> Code {
        let sdp = description["sdp"].as_str().unwrap();
        let expires = Code::expires_after(SystemTime::now(), Duration::from_secs(60));
        Code::from_sdp(kind, self.device, expires, sdp, vec![]).unwrap()
    }

    /// The same, where nothing but a path of ours leads to the browser.
    fn hidden(&self, kind: CodeKind, description: &Value) -> String {
        let mut code = self.decoded(kind, description);
        code.addresses.clear();
        code.encode().unwrap()
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
    offered_by(&endpoint(1), other).await.unwrap()
}

async fn offered_by(us: &WebRtc, other: &Other) -> Result<Connected, DialError> {
    let offering = us.offer().await.unwrap();
    let offer = Code::decode(&offering.code()).unwrap();
    let answer = other.run(
        "peer.answer",
        &[json!(offer.to_sdp()), hex(us.device().as_bytes())],
    );
    let answer = other.code(CodeKind::Answer(offer.tag()), &answer);
    bounded(offering.accept(&answer)).await
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
    let Some(others) = Others::start("a browser answers our offer") else {
        return;
    };
    let other = others.one();
    let connected = offered_by_us(&other).await;
    exchange(&other, &connected).await;
    bounded(connected.link.close(CloseReason::Here)).await;
    assert_eq!(other.run("(() => peer.over)", &[]), json!("goodbye"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_answer_a_browsers_offer_and_hear_its_goodbye() {
    let Some(others) = Others::start("we answer a browser's offer") else {
        return;
    };
    let other = others.one();
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
    let Some(others) = Others::start("a page with the wrong key") else {
        return;
    };
    let other = others.one();
    block_in_place(|| {
        other.page.eval(
            "crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']).then(other => { peer.key = other; })",
        )
    });
    let refused = offered_by(&endpoint(1), &other).await.unwrap_err();
    assert!(
        matches!(refused, DialError::Proof(ProofError::Signature)),
        "{refused:?}"
    );
}

/// A browser that waited for our handshake dropped what we said once more of it, and two lost datagrams were enough for no
/// connection. It begins the handshake now, whoever offers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_datagrams_of_a_handshake_with_a_browser_are_lost_the_link_comes_up() {
    let Some(others) = Others::start("lost datagrams on the way to a browser") else {
        return;
    };
    let calm = Weather {
        seed: 1,
        lost_per_mille: 0,
        forged_per_mille: 0,
        delay: Duration::from_millis(20),
        jitter: Duration::ZERO,
    };
    let config = Config {
        connect_within: Duration::from_secs(10),
        answer_within: Duration::from_secs(20),
        ..Config::loopback()
    };
    // Who offers; which of our encrypted datagrams is lost, and which of the browser's: 0 stands for the first with which it
    // changes its keys, which it does where it waited for our handshake.
    for (browser_offers, from_us, from_browser) in [
        (true, 2, 0),
        (true, 2, 2),
        (true, 3, 3),
        (false, 1, 2),
        (false, 2, 2),
    ] {
        let (other, us) = (others.one(), WebRtc::new(key(1), config.clone()));
        let by_path = |code: &mut Code| {
            let path = Path::lay(calm, code.addresses[0]);
            code.addresses = vec![path.answerer_end];
            path.cut.lose_from_offerer.store(from_us, Ordering::Relaxed);
            path.cut.lose_from_answerer.store(from_browser, Ordering::Relaxed);
            path.cut
                .lose_keys_of_answerer
                .store(from_browser == 0, Ordering::Relaxed);
            path.cut.quicker_after_loss.store(true, Ordering::Relaxed);
            path
        };
        let own_device = hex(us.device().as_bytes());
        let started = std::time::Instant::now();
        let (made, path) = if browser_offers {
            let offer = other.run("peer.offer", &[]);
            let offer = other.hidden(CodeKind::Offer, &offer);
            let answering = us.answer(&offer).await.unwrap();
            let mut answer = Code::decode(&answering.code()).unwrap();
            let path = by_path(&mut answer);
            other.run("peer.accept", &[json!(answer.to_sdp()), own_device]);
            (bounded(answering.connect()).await, path)
        } else {
            let offering = us.offer().await.unwrap();
            let offer = Code::decode(&offering.code()).unwrap();
            let mut moved = offer.clone();
            let path = by_path(&mut moved);
            let answer = other.run("peer.answer", &[json!(moved.to_sdp()), own_device]);
            let answer = other.hidden(CodeKind::Answer(offer.tag()), &answer);
            (bounded(offering.accept(&answer)).await, path)
        };
        let case =
            format!("the browser offers: {browser_offers}, without {from_us} of ours, {from_browser} of its");
        let connected = made.unwrap_or_else(|error| panic!("{case}: {error}"));
        println!("{case}: up after {:?}", started.elapsed());
        let lost = path.lost.load(Ordering::Relaxed);
        assert_eq!(lost, 1 + u64::from(from_browser > 0), "{case}");
        assert_eq!(
            other.run("(() => peer.up)", &[]),
            hex(&connected.link.transcript())
        );
        bounded(connected.link.close(CloseReason::Here)).await;
    }
}

/// What becomes of a page that is alive and says nothing: before its proof, and after it. These are waited out.
const NOT_PROVED: &str = "did not prove itself in time";
const NOTHING_HEARD: &str = "nothing heard for";

/// What a page does instead of what it should, and how this ends. Each in a page of its own.
const BEFORE_THE_PROOF: [(&str, &str); 4] = [
    ("peer.greet = () => {}", NOT_PROVED),
    (
        "peer.greet = () => peer.control.send(new Uint8Array([4, 0, 0, 3]))",
        "its proof is malformed",
    ),
    (
        "peer.greet = () => peer.control.send(new Uint8Array([4, 9, 0, 3]))",
        "it speaks version 9 of the protocol",
    ),
    (
        "peer.greet = () => peer.control.send(new Uint8Array([99]))",
        "its proof is malformed",
    ),
];

const AFTER_THE_PROOF: [(&str, &str); 8] = [
    ("peer.control.send(new Uint8Array([99]))", "control frame"),
    ("peer.control.send(new Uint8Array([]))", "control frame"),
    ("peer.binary.send(new Uint8Array([99]))", "binary frame"),
    (
        "(peer.sequence += 1000000n, peer.part(FIRST | LAST, new Uint8Array(1)))",
        "too far ahead of its turn",
    ),
    (
        "peer.part(LAST, new Uint8Array(1))",
        "does not begin where it should",
    ),
    (
        "(peer.part(FIRST, new Uint8Array(1)), peer.goodbye())",
        "does not begin where it should",
    ),
    (
        "(async () => { for (let n = 0; n < 160; n++) { peer.part(n ? 0 : FIRST, new Uint8Array(60000)); \
       while (peer.control.bufferedAmount > 500000) await new Promise((later) => setTimeout(later, 5)); } })()",
        "longer than 8 MiB",
    ),
    (
        "(() => { const end = Date.now() + 3000; while (Date.now() < end); })()",
        NOTHING_HEARD,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_page_sends_instead_costs_its_link_and_is_named() {
    let Some(others) = Others::start("pages that break the rules") else {
        return;
    };
    for (instead, name) in BEFORE_THE_PROOF {
        let other = others.one();
        block_in_place(|| other.page.eval(&format!("void ({instead})")));
        let us = WebRtc::new(
            key(1),
            Config {
                connect_within: Duration::from_secs(if name == NOT_PROVED { 6 } else { 20 }),
                ..Config::loopback()
            },
        );
        let refused = offered_by(&us, &other).await.unwrap_err();
        assert!(
            matches!(refused, DialError::Proof(_)) && refused.to_string().contains(name),
            "{instead}: {refused:?}"
        );
    }
    for (instead, name) in AFTER_THE_PROOF {
        let other = others.one();
        // Only who says nothing is to be noticed soon: a browser with much else to do is not silent.
        let config = if name == NOTHING_HEARD {
            quick()
        } else {
            Config::loopback()
        };
        let connected = offered_by(&WebRtc::new(key(1), config), &other).await.unwrap();
        let page = block_in_place(|| other.page.eval("peer.up"));
        assert_eq!(page, hex(&connected.link.transcript()));
        let doing = async { block_in_place(|| other.page.eval(&format!("void ({instead})"))) };
        let ((), ended) = tokio::join!(async { drop(doing.await) }, async {
            loop {
                if let LinkEvent::Closed(why) = bounded(connected.link.recv()).await {
                    return why;
                }
            }
        });
        println!("{instead}: {ended}");
        assert!(ended.to_string().contains(name), "{instead}: {ended:?}");
        connected.link.close(CloseReason::Here).await;
    }
}
