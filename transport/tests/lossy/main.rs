//! Bad paths: what is sent arrives once, whole and in order, or both ends learn that the link is down, within the bound
//! of the heartbeat; and once the path is back, so is the link.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests use this"
)]

#[path = "../common/mod.rs"]
mod common;
mod path;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use common::{bounded, key, quick};
use cuecard_transport::webrtc::{Config, Connected, WebRtc};
use cuecard_transport::{Backoff, CloseReason, DialError, Lane, Link, LinkEvent, Route};
use path::{Cut, Path, Weather, at};

type Made = Result<Connected, DialError>;

/// Two devices that know each other only by the ends of a bad path.
async fn connect(weather: Weather, config: Config) -> ((WebRtc, Connected), (WebRtc, Connected), Path) {
    let ((a, at_a), (b, at_b), path) = try_to_connect(weather, config, |cut| {
        cut.forging_is_off.store(true, Ordering::Relaxed);
    })
    .await;
    path.cut.forging_is_off.store(false, Ordering::Relaxed);
    ((a, at_a.unwrap()), (b, at_b.unwrap()), path)
}

fn patient() -> Config {
    Config {
        connect_within: Duration::from_secs(30),
        answer_within: Duration::from_secs(30),
        ..Config::loopback()
    }
}

/// Message number `n`: its size and its bytes follow from it.
fn message(n: usize, most: usize) -> Bytes {
    let size = (n * 7_919) % most;
    let mut bytes = vec![n as u8; size];
    bytes.extend_from_slice(&(n as u64).to_le_bytes());
    bytes.into()
}

async fn exchange(from: &dyn Link, to: &dyn Link, control: usize, binary: usize) {
    let (control_most, binary_most) = (100_000, 30_000);
    let sending = async {
        let urgent = async {
            for n in 0..control {
                from.send(Lane::Control, message(n, control_most)).await.unwrap();
            }
        };
        let patient = async {
            for n in 0..binary {
                from.send(Lane::Binary, message(n, binary_most)).await.unwrap();
            }
        };
        tokio::join!(urgent, patient)
    };
    let receiving = async {
        let (mut urgent, mut patient) = (0, 0);
        while urgent < control || patient < binary {
            match to.recv().await {
                LinkEvent::Message {
                    lane: Lane::Control,
                    bytes,
                } => {
                    assert!(bytes == message(urgent, control_most), "control message {urgent}");
                    urgent += 1;
                }
                LinkEvent::Message {
                    lane: Lane::Binary,
                    bytes,
                } => {
                    assert!(bytes == message(patient, binary_most), "binary message {patient}");
                    patient += 1;
                }
                LinkEvent::Closed(why) => panic!("{why}"),
            }
        }
    };
    bounded(async { tokio::join!(sending, receiving) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_arrives_once_and_in_order_through_loss_delay_and_reordering() {
    let seeds = std::env::var("CUECARD_SEEDS").ok();
    let seeds: u64 = seeds.and_then(|seeds| seeds.parse().ok()).unwrap_or(3);
    for seed in 1..=seeds {
        println!("seed {seed}");
        let weather = Weather {
            seed,
            lost_per_mille: 20,
            forged_per_mille: 0,
            delay: Duration::from_millis(10),
            jitter: Duration::from_millis(5),
        };
        let ((_, at_a), (_, at_b), path) = connect(weather, patient()).await;
        tokio::join!(
            exchange(&*at_a.link, &*at_b.link, 20, 20),
            exchange(&*at_b.link, &*at_a.link, 10, 10)
        );
        let lost = path.lost.load(Ordering::Relaxed);
        println!("{lost} datagrams were lost");
        assert!(lost > 0, "the path was not bad");
        tokio::join!(
            at_a.link.close(CloseReason::Here),
            at_b.link.close(CloseReason::Here)
        );
    }
}

/// The side that lost a flight and the side that lost the answer repeat at the same time, and on a path that became quicker the
/// stack lets each stop the other for good: one lost datagram was enough for no connection at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_datagram_of_a_handshake_is_lost_the_link_comes_up() {
    const CALM: Weather = Weather {
        seed: 1,
        lost_per_mille: 0,
        forged_per_mille: 0,
        delay: Duration::from_millis(20),
        jitter: Duration::ZERO,
    };
    for (from_offerer, from_answerer) in [
        (1, 0),
        (2, 0),
        (3, 0),
        (4, 0),
        (0, 1),
        (0, 2),
        (0, 3),
        (0, 4),
        (2, 3),
    ] {
        let ((_, at_a), (_, at_b), path) = try_to_connect(CALM, patient(), |cut| {
            cut.lose_from_offerer.store(from_offerer, Ordering::Relaxed);
            cut.lose_from_answerer.store(from_answerer, Ordering::Relaxed);
            cut.quicker_after_loss.store(true, Ordering::Relaxed);
        })
        .await;
        let (at_a, at_b) = (at_a.unwrap(), at_b.unwrap());
        let lost = path.lost.load(Ordering::Relaxed);
        let chosen = u64::from(from_offerer > 0) + u64::from(from_answerer > 0);
        assert_eq!(
            lost, chosen,
            "without {from_offerer} of the offerer's, {from_answerer} of the answerer's"
        );
        tokio::join!(
            at_a.link.close(CloseReason::Here),
            at_b.link.close(CloseReason::Here)
        );
    }
}

/// Which way is cut: either or both.
async fn cut_and_mend(from_offerer: bool, from_answerer: bool) {
    let weather = Weather {
        seed: 7,
        lost_per_mille: 0,
        forged_per_mille: 0,
        delay: Duration::from_millis(5),
        jitter: Duration::ZERO,
    };
    let config = quick();
    let silence_max = config.silence_max();
    let ((a, at_a), (b, at_b), path) = connect(weather, config).await;
    exchange(&*at_a.link, &*at_b.link, 2, 2).await;
    path.cut.from_offerer.store(from_offerer, Ordering::Relaxed);
    path.cut.from_answerer.store(from_answerer, Ordering::Relaxed);
    let (mut to_b, mut to_a) = (
        Route::new(a.dialer(at_a.route).unwrap(), Backoff::default()),
        Route::new(b.dialer(at_b.route).unwrap(), Backoff::default()),
    );
    let ended = |link: std::sync::Arc<dyn Link>| async move {
        let LinkEvent::Closed(why) = bounded(link.recv()).await else {
            panic!("there was nothing to hear");
        };
        if let CloseReason::Silent { silent_ms } = why {
            let bound = silence_max + Duration::from_secs(1);
            assert!(
                Duration::from_millis(silent_ms) < bound,
                "noticed after {silent_ms} ms"
            );
        }
        link.close(CloseReason::Here).await;
        why
    };
    let (why_a, why_b) = tokio::join!(ended(at_a.link), ended(at_b.link));
    println!("cut {from_offerer}/{from_answerer}: {why_a} / {why_b}");
    let deaf = |why: &CloseReason| matches!(why, CloseReason::Silent { .. });
    assert!(!from_answerer || deaf(&why_a), "{why_a}");
    assert!(!from_offerer || deaf(&why_b), "{why_b}");
    path.cut.from_offerer.store(false, Ordering::Relaxed);
    path.cut.from_answerer.store(false, Ordering::Relaxed);
    let (again_a, again_b) = bounded(async { tokio::join!(to_b.next_link(), to_a.next_link()) }).await;
    exchange(&*again_a, &*again_b, 2, 2).await;
    tokio::join!(again_a.close(CloseReason::Here), again_b.close(CloseReason::Here));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_is_noticed_at_both_ends_and_the_link_comes_back_by_itself() {
    cut_and_mend(true, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_one_way_ends_the_link_both_ways() {
    cut_and_mend(true, false).await;
    cut_and_mend(false, true).await;
}

/// Two devices that try to link by the ends of a bad path.
async fn try_to_connect(
    weather: Weather,
    config: Config,
    prepare: impl FnOnce(&Cut),
) -> ((WebRtc, Made), (WebRtc, Made), Path) {
    println!("{weather:?}");
    let (a, b) = (WebRtc::new(key(1), config.clone()), WebRtc::new(key(2), config));
    let offering = a.offer().await.unwrap();
    let offered = cuecard_transport::invite::Code::decode(&offering.code()).unwrap();
    let path = Path::lay(weather, offered.addresses[0]);
    prepare(&path.cut);
    // An answer names its offer by all that the offer says, so the offer is told apart by its own tag.
    let moved = at(&offering.code(), path.answerer_end);
    let answering = b.answer(&moved).await.unwrap();
    let mut answer = cuecard_transport::invite::Code::decode(&answering.code()).unwrap();
    answer.kind = cuecard_transport::invite::CodeKind::Answer(offered.tag());
    answer.addresses = vec![path.offerer_end];
    let answer = answer.encode().unwrap();
    let (at_a, at_b) = bounded(async { tokio::join!(offering.accept(&answer), answering.connect()) }).await;
    ((a, at_a), (b, at_b), path)
}

const FORGED: Weather = Weather {
    seed: 1,
    lost_per_mille: 0,
    forged_per_mille: 500,
    delay: Duration::from_millis(1),
    jitter: Duration::from_millis(1),
};

/// Somebody on the way sends what they saw once more, with bytes changed. What arrives is what was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_datagrams_change_nothing() {
    let ((_, at_a), (_, at_b), path) = connect(FORGED, patient()).await;
    tokio::join!(
        exchange(&*at_a.link, &*at_b.link, 20, 20),
        exchange(&*at_b.link, &*at_a.link, 20, 20)
    );
    let forged = path.forged.load(Ordering::Relaxed);
    println!("{forged} datagrams were forged");
    assert!(forged > 10, "only {forged} datagrams were forged");
    tokio::join!(
        at_a.link.close(CloseReason::Here),
        at_b.link.close(CloseReason::Here)
    );
}

/// The same from the first check of the path on, when nothing is under a key yet: both sides end in time, with a link or
/// with a reason, and nothing falls over.
///
/// `CUECARD_FORGED_LINKS=n` tries so many links in place of the usual number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_handshake_ends_in_time() {
    let links = std::env::var("CUECARD_FORGED_LINKS").map_or(3, |text| text.parse().unwrap());
    let config = Config {
        connect_within: Duration::from_secs(2),
        answer_within: Duration::from_secs(2),
        ..Config::loopback()
    };
    for seed in 1..=links {
        let ((_, at_a), (_, at_b), path) =
            try_to_connect(Weather { seed, ..FORGED }, config.clone(), |_| ()).await;
        assert!(path.forged.load(Ordering::Relaxed) > 0, "nothing was forged");
        for made in [at_a, at_b] {
            match made {
                Ok(connected) => connected.link.close(CloseReason::Here).await,
                Err(why) => {
                    println!("{why}");
                    assert!(
                        matches!(why, DialError::NoPath { .. } | DialError::Proof(_)),
                        "{why:?}"
                    );
                }
            }
        }
    }
}
