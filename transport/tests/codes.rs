//! The first link of two devices by pasted codes, and everything that can be wrong with them.
#![allow(clippy::unwrap_used, reason = "only tests use this")]

mod common;

use std::time::{Duration, Instant};

use common::{bounded, connect, endpoint, greet, quick};
use cuecard_transport::invite::{Code, CodeError};
use cuecard_transport::limits::PAYLOAD_BYTES_MAX;
use cuecard_transport::webrtc::{Bind, Config, WebRtc};
use cuecard_transport::{CloseReason, DialError, ProofError, RouteKind, RouteState};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_devices_connect_by_codes() {
    let (a, b) = (endpoint(1), endpoint(2));
    let offering = a.offer_with(b"deck and key".to_vec()).await.unwrap();
    let answering = b.answer(&offering.code()).await.unwrap();
    assert_eq!(
        (answering.payload(), answering.peer()),
        (&b"deck and key"[..], a.device())
    );
    let answer = answering.code();
    let started = Instant::now();
    let (at_a, at_b) = bounded(async { tokio::join!(offering.accept(&answer), answering.connect()) }).await;
    let (at_a, at_b) = (at_a.unwrap(), at_b.unwrap());
    println!(
        "connected and proved in {:?}; codes of {} and {} characters",
        started.elapsed(),
        offering.code().len(),
        answering.code().len()
    );
    assert_eq!((at_a.link.peer(), at_b.link.peer()), (b.device(), a.device()));
    assert_eq!(at_a.link.route(), RouteKind::Lan);
    greet(&*at_a.link, &*at_b.link).await;
    bounded(at_a.link.close(CloseReason::Here)).await;
    bounded(at_b.link.close(CloseReason::Here)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_measure_the_round_trip() {
    let (a, b) = (
        WebRtc::new(common::key(1), quick()),
        WebRtc::new(common::key(2), quick()),
    );
    let (at_a, at_b) = bounded(connect(&a, &b)).await;
    bounded(async {
        while at_a.link.stats().round_trip.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    at_a.link.close(CloseReason::Here).await;
    at_b.link.close(CloseReason::Here).await;
}

#[tokio::test]
async fn unusable_codes_are_refused_by_name() {
    let (a, b) = (endpoint(1), endpoint(2));
    let offering = a.offer().await.unwrap();
    let other = a.offer().await.unwrap();
    let answering = b.answer(&other.code()).await.unwrap();
    let mut old = Code::decode(&offering.code()).unwrap();
    old.expires_minute = 29_000_000;
    let refused = b.answer(&old.encode().unwrap()).await.err();
    assert!(
        matches!(refused, Some(DialError::Code(CodeError::Expired { minutes })) if minutes > 60),
        "{refused:?}"
    );
    let half = &answering.code()[..60];
    for (refused, why) in [
        (offering.accept(&other.code()).await.err(), CodeError::Kind),
        (
            offering.accept(&answering.code()).await.err(),
            CodeError::OtherOffer,
        ),
        (offering.accept("no code!").await.err(), CodeError::Character('!')),
        (offering.accept(half).await.err(), CodeError::Check),
        (a.answer(&offering.code()).await.err(), CodeError::Own),
        (b.answer(&answering.code()).await.err(), CodeError::Kind),
        (
            a.offer_with(vec![0; PAYLOAD_BYTES_MAX + 1]).await.err(),
            CodeError::Payload,
        ),
    ] {
        assert_eq!(refused, Some(DialError::Code(why)));
    }
}

/// Somebody on the way swaps what the answer says. The connection must fail by name, not come up.
async fn accept_with(change: impl FnOnce(&mut Code)) -> (DialError, DialError) {
    let config = Config {
        connect_within: Duration::from_secs(8),
        answer_within: Duration::from_secs(8),
        ..quick()
    };
    let (a, b) = (
        WebRtc::new(common::key(1), config.clone()),
        WebRtc::new(common::key(2), config),
    );
    let offering = a.offer().await.unwrap();
    let answering = b.answer(&offering.code()).await.unwrap();
    let mut answer = Code::decode(&answering.code()).unwrap();
    change(&mut answer);
    let answer = answer.encode().unwrap();
    let (at_a, at_b) = bounded(async { tokio::join!(offering.accept(&answer), answering.connect()) }).await;
    (at_a.unwrap_err(), at_b.unwrap_err())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_certificate_than_announced_is_refused() {
    let (at_a, at_b) = accept_with(|answer| answer.fingerprint[0] ^= 1).await;
    println!("{at_a} / {at_b}");
    assert_eq!(at_a, DialError::Proof(ProofError::Certificate));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_device_than_announced_is_refused_at_both_ends() {
    let (at_a, at_b) = accept_with(|answer| answer.device = common::key(3).id()).await;
    assert_eq!(at_a, DialError::Proof(ProofError::Device));
    assert_eq!(at_b, DialError::Proof(ProofError::Refused));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_no_path() {
    let config = Config {
        connect_within: Duration::from_secs(2),
        answer_within: Duration::from_secs(2),
        ..quick()
    };
    let (a, b) = (
        WebRtc::new(common::key(1), config.clone()),
        WebRtc::new(common::key(2), config),
    );
    let offering = a.offer().await.unwrap();
    let answering = b.answer(&offering.code()).await.unwrap();
    assert_eq!(
        bounded(answering.connect()).await.err(),
        Some(DialError::NoPath { waited_ms: 2_000 })
    );
    let answer = answering.code();
    drop(answering);
    assert_eq!(
        bounded(offering.accept(&answer)).await.err(),
        Some(DialError::NoPath { waited_ms: 2_000 })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_found_later_connects_and_every_state_is_told() {
    let (a, b) = (endpoint(1), endpoint(2));
    let offering = a.offer().await.unwrap();
    let mut at_a = offering.state();
    assert_eq!(*at_a.borrow_and_update(), RouteState::Offering);
    let answering = b.answer(&offering.code()).await.unwrap();
    assert_eq!(*at_a.borrow_and_update(), RouteState::WaitingForAnswer);
    let mut at_b = answering.state();
    assert_eq!(*at_b.borrow_and_update(), RouteState::Answering);
    let mut answer = Code::decode(&answering.code()).unwrap();
    let found_later = answer.addresses.remove(0);
    let answer = answer.encode().unwrap();
    let later = async {
        // Not before it tries.
        at_a.wait_for(|state| *state == RouteState::Connecting)
            .await
            .unwrap();
        offering.learn(found_later);
    };
    let made = async { tokio::join!(offering.accept(&answer), answering.connect(), later) };
    let (made_a, made_b, ()) = bounded(made).await;
    let (made_a, made_b) = (made_a.unwrap(), made_b.unwrap());
    let connected = RouteState::Connected { kind: RouteKind::Lan };
    assert_eq!(
        (
            offering.state().borrow().clone(),
            at_b.borrow_and_update().clone()
        ),
        (connected.clone(), connected)
    );
    greet(&*made_a.link, &*made_b.link).await;
    bounded(made_a.link.close(CloseReason::Here)).await;
    bounded(made_b.link.close(CloseReason::Here)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_of_ipv6_alone_connect() {
    let config = Config {
        bind: Bind::Addresses(vec![std::net::Ipv6Addr::LOCALHOST.into()]),
        ..quick()
    };
    let (a, b) = (
        WebRtc::new(common::key(1), config.clone()),
        WebRtc::new(common::key(2), config),
    );
    let (at_a, at_b) = bounded(connect(&a, &b)).await;
    greet(&*at_a.link, &*at_b.link).await;
    bounded(at_a.link.close(CloseReason::Here)).await;
    bounded(at_b.link.close(CloseReason::Here)).await;
}
