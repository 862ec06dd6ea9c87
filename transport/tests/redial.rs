//! Two devices that met once find each other again without any server: after a cut, after a restart, whoever dials.
#![allow(clippy::unwrap_used, reason = "only tests use this")]

mod common;

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{bounded, connect, greet, key, quick};
use cuecard_transport::invite::CodeError;
use cuecard_transport::webrtc::{Config, SavedRoute, WebRtc};
use cuecard_transport::{Backoff, Cable, CloseReason, DialError, Dialer, Link, LinkEvent, Route, RouteState};

/// The design promises a second and a half after a mended network or a restart, on loopback: the benchmark of the lanes measures
/// that. This tells apart from never, on a machine with much else to do.
const AGAIN_WITHIN: Duration = Duration::from_secs(20);

async fn dial_both(a: &Arc<dyn Dialer>, b: &Arc<dyn Dialer>) -> (Arc<dyn Link>, Arc<dyn Link>) {
    let (at_a, at_b) = bounded(async { tokio::join!(a.dial(), b.dial()) }).await;
    (at_a.unwrap(), at_b.unwrap())
}

async fn silent(link: &dyn Link) {
    let event = bounded(link.recv()).await;
    assert!(
        matches!(event, LinkEvent::Closed(CloseReason::Silent { .. })),
        "{event:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_dial_again_after_a_clean_close_many_times() {
    let (a, b) = (WebRtc::new(key(1), quick()), WebRtc::new(key(2), quick()));
    let (at_a, at_b) = bounded(connect(&a, &b)).await;
    let (dial_a, dial_b) = (a.dialer(at_a.route).unwrap(), b.dialer(at_b.route).unwrap());
    let (mut link_a, mut link_b) = (at_a.link, at_b.link);
    let mut transcripts = vec![link_a.transcript()];
    for _ in 0..5 {
        greet(&*link_a, &*link_b).await;
        bounded(link_a.close(CloseReason::Here)).await;
        assert_eq!(
            bounded(link_b.recv()).await,
            LinkEvent::Closed(CloseReason::There)
        );
        let started = Instant::now();
        (link_a, link_b) = dial_both(&dial_a, &dial_b).await;
        println!("dialled again in {:?}", started.elapsed());
        assert!(
            !transcripts.contains(&link_a.transcript()),
            "a transcript never repeats"
        );
        transcripts.push(link_a.transcript());
        assert_eq!(link_a.transcript(), link_b.transcript());
    }
    link_a.close(CloseReason::Here).await;
    link_b.close(CloseReason::Here).await;
}

/// A button "link anew", pressed while there is a link: at both ends it gives way to the fresh one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_while_a_link_lives_replaces_it() {
    let (a, b) = (WebRtc::new(key(1), quick()), WebRtc::new(key(2), quick()));
    let (at_a, at_b) = bounded(connect(&a, &b)).await;
    let (dial_a, dial_b) = (a.dialer(at_a.route).unwrap(), b.dialer(at_b.route).unwrap());
    let (link_a, link_b) = dial_both(&dial_a, &dial_b).await;
    for old in [&at_a.link, &at_b.link] {
        let event = bounded(old.recv()).await;
        assert_eq!(event, LinkEvent::Closed(CloseReason::Replaced));
    }
    greet(&*link_a, &*link_b).await;
    link_a.close(CloseReason::Here).await;
    link_b.close(CloseReason::Here).await;
}

/// Found by an app that kept its offer for a "linked by" screen: the offer held the port, and every dial after it said
/// that the port was in use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_and_an_answer_that_are_kept_are_not_in_the_way() {
    let (a, b) = (WebRtc::new(key(1), quick()), WebRtc::new(key(2), quick()));
    let offering = bounded(a.offer()).await.unwrap();
    let answering = bounded(b.answer(&offering.code())).await.unwrap();
    let code = answering.code();
    let (at_a, at_b) = bounded(async { tokio::join!(offering.accept(&code), answering.connect()) }).await;
    let (at_a, at_b) = (at_a.unwrap(), at_b.unwrap());
    bounded(at_a.link.close(CloseReason::Here)).await;
    bounded(at_b.link.close(CloseReason::Here)).await;
    let (dial_a, dial_b) = (a.dialer(at_a.route).unwrap(), b.dialer(at_b.route).unwrap());
    let (link_a, link_b) = dial_both(&dial_a, &dial_b).await;
    greet(&*link_a, &*link_b).await;
    let again = bounded(offering.accept(&code)).await;
    assert!(
        matches!(again, Err(DialError::Code(CodeError::Used))),
        "one exchange makes one link"
    );
    link_a.close(CloseReason::Here).await;
    link_b.close(CloseReason::Here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_cable_is_noticed_and_mended_by_both() {
    let cable = Cable::new();
    let with_cable = Config {
        cable: Some(cable.clone()),
        ..quick()
    };
    let (a, b) = (WebRtc::new(key(1), with_cable), WebRtc::new(key(2), quick()));
    let (at_a, at_b) = bounded(connect(&a, &b)).await;
    let mut route_a = Route::new(a.dialer(at_a.route).unwrap(), Backoff::default());
    let mut route_b = Route::new(b.dialer(at_b.route).unwrap(), Backoff::default());
    cable.cut();
    tokio::join!(silent(&*at_a.link), silent(&*at_b.link));
    let state = route_a.state();
    let dial = async { tokio::join!(route_a.next_link(), route_b.next_link()) };
    let mend = async {
        // Long enough that both are out of step and at their longest pause between calls.
        tokio::time::sleep(Duration::from_secs(3)).await;
        cable.mend();
        Instant::now()
    };
    let ((link_a, link_b), mended) = bounded(async { tokio::join!(dial, mend) }).await;
    let took = mended.elapsed();
    println!("linked again {took:?} after the cable was mended");
    assert!(took < AGAIN_WITHIN, "{took:?}");
    assert!(
        matches!(*state.borrow(), RouteState::Connected { .. }),
        "{:?}",
        state.borrow()
    );
    greet(&*link_a, &*link_b).await;
    link_a.close(CloseReason::Here).await;
    link_b.close(CloseReason::Here).await;
}

/// The tasks and sockets of a process that is killed are gone at once and say nothing, as are those of a runtime that
/// is shut down. The other side has noticed nothing when the restarted one calls.
#[test]
fn a_killed_and_restarted_device_replaces_the_ghost_of_its_link() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (steady, doomed) = (runtime(), runtime());
    // A heartbeat that would notice nothing during this test: the ghost must be replaced, not die by itself.
    let config = Config {
        heartbeat: Duration::from_secs(30),
        ..quick()
    };
    let a = WebRtc::new(key(1), config.clone());
    let b = WebRtc::new(key(2), config.clone());
    let (code_out, code_in) = std::sync::mpsc::channel();
    let (answer_out, answer_in) = tokio::sync::oneshot::channel();
    let at_b = doomed.spawn(async move {
        let offer: String = tokio::task::spawn_blocking(move || code_in.recv().unwrap())
            .await
            .unwrap();
        let answering = b.answer(&offer).await.unwrap();
        answer_out.send(answering.code()).unwrap();
        answering.connect().await.unwrap()
    });
    let at_a = steady.block_on(bounded(async {
        let offering = a.offer().await.unwrap();
        code_out.send(offering.code()).unwrap();
        offering.accept(&answer_in.await.unwrap()).await.unwrap()
    }));
    let at_b = steady.block_on(at_b).unwrap();
    let (saved_a, saved_b) = (at_a.route.to_bytes(), at_b.route.to_bytes());
    steady.block_on(greet(&*at_a.link, &*at_b.link));
    // Killed: no close, no drop of the link within its runtime.
    doomed.shutdown_background();

    let restarted = runtime();
    let started = Instant::now();
    let dial_b = restarted.spawn(async move {
        let b = WebRtc::new(key(2), config);
        let route = SavedRoute::from_bytes(&saved_b).unwrap();
        let mut route = Route::new(b.dialer(route).unwrap(), Backoff::default());
        bounded(route.next_link()).await
    });
    let link_a = steady.block_on(bounded(async {
        assert_eq!(at_a.link.recv().await, LinkEvent::Closed(CloseReason::Replaced));
        println!("the ghost was replaced after {:?}", started.elapsed());
        let dialer = a.dialer(SavedRoute::from_bytes(&saved_a).unwrap()).unwrap();
        dialer.dial().await.unwrap()
    }));
    let link_b = steady.block_on(dial_b).unwrap();
    let took = started.elapsed();
    println!("linked again {took:?} after the restart");
    assert!(took < AGAIN_WITHIN, "{took:?}");
    steady.block_on(greet(&*link_a, &*link_b));
    steady.block_on(link_a.close(CloseReason::Here));
    drop(link_b);
    // The dropped half of the killed process's link has no runtime left; that it was dropped must harm nobody.
    drop(at_b);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_restarted_find_each_other_from_saved_bytes() {
    let (a, b) = (WebRtc::new(key(1), quick()), WebRtc::new(key(2), quick()));
    let (at_a, at_b) = bounded(connect(&a, &b)).await;
    let (saved_a, saved_b) = (at_a.route.to_bytes(), at_b.route.to_bytes());
    at_a.link.close(CloseReason::Here).await;
    at_b.link.close(CloseReason::Here).await;
    drop((a, b, at_a, at_b));
    let (a, b) = (WebRtc::new(key(1), quick()), WebRtc::new(key(2), quick()));
    let dial_a = a.dialer(SavedRoute::from_bytes(&saved_a).unwrap()).unwrap();
    let dial_b = b.dialer(SavedRoute::from_bytes(&saved_b).unwrap()).unwrap();
    // The second comes late: the first calls on until then.
    let late = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        dial_b.dial().await
    };
    let (link_a, link_b) = bounded(async { tokio::join!(dial_a.dial(), late) }).await;
    let (link_a, link_b) = (link_a.unwrap(), link_b.unwrap());
    greet(&*link_a, &*link_b).await;
    link_a.close(CloseReason::Here).await;
    link_b.close(CloseReason::Here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_with_nobody_there_ends_and_leaves_nothing() {
    let config = Config {
        knock_within: Duration::from_millis(400),
        ..quick()
    };
    let (a, b) = (WebRtc::new(key(1), config.clone()), WebRtc::new(key(2), config));
    let (at_a, at_b) = bounded(connect(&a, &b)).await;
    at_a.link.close(CloseReason::Here).await;
    at_b.link.close(CloseReason::Here).await;
    let port = at_a.link.transcript();
    let dialer = a.dialer(at_a.route).unwrap();
    assert_eq!(
        bounded(dialer.dial()).await.err(),
        Some(DialError::NoPath { waited_ms: 400 })
    );
    // Dropped half-way: the next one starts as if nothing had been.
    assert!(
        tokio::time::timeout(Duration::from_millis(100), dialer.dial())
            .await
            .is_err()
    );
    let dial_b = b.dialer(at_b.route).unwrap();
    let (link_a, link_b) = dial_both(&dialer, &dial_b).await;
    assert_ne!(link_a.transcript(), port);
    link_a.close(CloseReason::Here).await;
    link_b.close(CloseReason::Here).await;
}

/// It shows itself, is gone before there is a link, and comes back later than a connection may take: the one dial finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_goes_on_where_the_other_device_was_there_and_left() {
    let config = Config {
        connect_within: Duration::from_secs(1),
        ..quick()
    };
    let (a, b) = (WebRtc::new(key(1), quick()), WebRtc::new(key(2), quick()));
    let (at_a, at_b) = bounded(connect(&a, &b)).await;
    let a = WebRtc::new(key(1), config.clone());
    at_a.link.close(CloseReason::Here).await;
    at_b.link.close(CloseReason::Here).await;
    let (dial_a, dial_b) = (a.dialer(at_a.route).unwrap(), b.dialer(at_b.route).unwrap());
    let comes_and_goes = async {
        // Long enough to be heard, and too short for a connection.
        let left = tokio::time::timeout(Duration::from_millis(100), dial_b.dial()).await;
        assert!(left.is_err(), "{:?}", left.map(|_| ()));
        tokio::time::sleep(config.connect_within + Duration::from_millis(500)).await;
        dial_b.dial().await
    };
    let (link_a, link_b) = bounded(async { tokio::join!(dial_a.dial(), comes_and_goes) }).await;
    let (link_a, link_b) = (link_a.unwrap(), link_b.unwrap());
    greet(&*link_a, &*link_b).await;
    link_a.close(CloseReason::Here).await;
    link_b.close(CloseReason::Here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_belongs_to_the_device_that_saved_it() {
    let (a, b) = (WebRtc::new(key(1), quick()), WebRtc::new(key(2), quick()));
    let (at_a, at_b) = bounded(connect(&a, &b)).await;
    assert_eq!(b.dialer(at_a.route.clone()).err(), Some(DialError::Route));
    at_a.link.close(CloseReason::Here).await;
    at_b.link.close(CloseReason::Here).await;
}

/// Noise and recordings at the port of a live link change nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_do_not_end_a_link() {
    let (a, b) = (WebRtc::new(key(1), quick()), WebRtc::new(key(2), quick()));
    let offering = a.offer().await.unwrap();
    let answering = b.answer(&offering.code()).await.unwrap();
    let targets = cuecard_transport::invite::Code::decode(&offering.code())
        .unwrap()
        .addresses;
    let answer = answering.code();
    let (at_a, at_b) = bounded(async { tokio::join!(offering.accept(&answer), answering.connect()) }).await;
    let (at_a, at_b) = (at_a.unwrap(), at_b.unwrap());
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    for first in 0..=255_u8 {
        for length in [1, 2, 20, 91, 1_200] {
            let mut noise = vec![first; length];
            noise[length - 1] = 7;
            stranger.send_to(&noise, targets[0]).unwrap();
        }
    }
    for _ in 0..10 {
        bounded(greet(&*at_a.link, &*at_b.link)).await;
    }
    at_a.link.close(CloseReason::Here).await;
    at_b.link.close(CloseReason::Here).await;
}
