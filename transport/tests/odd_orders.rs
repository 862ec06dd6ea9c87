//! Ends that come in odd orders: a runtime that goes first, an exchange that is given up or done twice, settings that
//! nobody means. Whatever happens, a link is up or it is over, nobody waits for ever, and nothing is left.
#![allow(clippy::unwrap_used, clippy::panic, reason = "only tests use this")]

mod common;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use common::{bounded, connect, endpoint, greet, key, quick};
use cuecard_transport::conformance::Ends;
use cuecard_transport::invite::{Code, CodeError};
use cuecard_transport::memory::{Conditions, pair};
use cuecard_transport::webrtc::{Config, WebRtc};
use cuecard_transport::{CloseReason, DialError, Lane, LinkEvent, RouteState};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// An app that shuts one runtime down and goes on in another: who still holds a link of the first learns that it is over.
#[test]
fn a_link_whose_runtime_is_gone_is_over() {
    let makers: [fn(&Runtime) -> Ends; 2] = [
        |runtime| runtime.block_on(async { pair(key(1).id(), key(2).id(), Conditions::PERFECT, 1) }),
        |runtime| runtime.block_on(common::fresh_ends()),
    ];
    let after = runtime();
    for make in makers {
        let before = runtime();
        let (a, b) = make(&before);
        before.shutdown_timeout(Duration::from_secs(5));
        after.block_on(bounded(async {
            for link in [a, b] {
                let event = link.recv().await;
                assert!(
                    matches!(&event, LinkEvent::Closed(CloseReason::Failed(why)) if why.contains("runtime")),
                    "{event:?}"
                );
                assert!(link.send(Lane::Control, Bytes::new()).await.is_err());
                link.close(CloseReason::Here).await;
            }
        }));
    }
}

/// Nothing happens on an idle link in memory, so the clock of a test may run ahead: a task that spins would stop it.
#[tokio::test(start_paused = true)]
async fn an_idle_link_in_memory_costs_nothing() {
    let (a, _b) = pair(key(1).id(), key(2).id(), Conditions::PERFECT, 1);
    let waited = tokio::time::timeout(Duration::from_secs(3_600), a.recv()).await;
    assert!(waited.is_err(), "{waited:?}");
}

/// A person who closes the window, at any moment: what was begun goes away, and the exchange can be taken up again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_dropped_at_any_moment_leaves_nothing_and_can_be_taken_up() {
    let (a, b) = (WebRtc::new(key(1), quick()), WebRtc::new(key(2), quick()));
    let offering = a.offer().await.unwrap();
    let answering = b.answer(&offering.code()).await.unwrap();
    let answer = answering.code();
    let before = held();
    for polls in 1..40 {
        let accepting = offering.accept(&answer);
        // Nobody answers, so it cannot be done.
        assert!(!polled(accepting, polls).await);
        let state = offering.state().borrow().clone();
        assert_eq!(state, RouteState::WaitingForAnswer, "after {polls} polls");
    }
    settle(before).await;
    let (at_a, at_b) = bounded(async { tokio::join!(offering.accept(&answer), answering.connect()) }).await;
    let (at_a, at_b) = (at_a.unwrap(), at_b.unwrap());
    greet(&*at_a.link, &*at_b.link).await;
    bounded(at_a.link.close(CloseReason::Here)).await;
    bounded(at_b.link.close(CloseReason::Here)).await;
    // The same for dialling again, and for the dial that follows.
    let (dial_a, dial_b) = (a.dialer(at_a.route).unwrap(), b.dialer(at_b.route).unwrap());
    let (link_a, link_b) = bounded(async { tokio::join!(dial_a.dial(), dial_b.dial()) }).await;
    drop((link_a, link_b));
    let before = held();
    for polls in 1..40 {
        tokio::join!(polled(dial_a.dial(), polls), polled(dial_b.dial(), polls));
    }
    settle(before).await;
    let (link_a, link_b) = bounded(async { tokio::join!(dial_a.dial(), dial_b.dial()) }).await;
    let (link_a, link_b) = (link_a.unwrap(), link_b.unwrap());
    greet(&*link_a, &*link_b).await;
    link_a.close(CloseReason::Here).await;
    link_b.close(CloseReason::Here).await;
}

/// Polls so often, letting others run between, and drops it. Whether it was done by then.
async fn polled<T>(what: impl Future<Output = T>, polls: u32) -> bool {
    let mut what = std::pin::pin!(what);
    for _ in 0..polls {
        let poll = std::future::poll_fn(|cx| Poll::Ready(what.as_mut().poll(cx).is_ready()));
        if poll.await {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

fn held() -> (usize, usize) {
    let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    (
        descriptors,
        tokio::runtime::Handle::current().metrics().num_alive_tasks(),
    )
}

/// What is closed in the background is gone a moment later.
async fn settle((descriptors, tasks): (usize, usize)) {
    let settled = async {
        loop {
            let now = held();
            if now.0 <= descriptors && now.1 <= tasks {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let settled = tokio::time::timeout(Duration::from_secs(20), settled).await;
    assert!(
        settled.is_ok(),
        "{:?} beside {:?} before",
        held(),
        (descriptors, tasks)
    );
}

/// A button that was pressed twice: one makes the link, the other says at once that it has been made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_is_accepted_twice_at_once_makes_one_link() {
    let (a, b) = (endpoint(1), endpoint(2));
    let offering = Arc::new(a.offer().await.unwrap());
    let answering = Arc::new(b.answer(&offering.code()).await.unwrap());
    let answer = answering.code();
    let accepting = |_| {
        let (offering, answer) = (Arc::clone(&offering), answer.clone());
        async move { offering.accept(&answer).await }
    };
    let [one, two] = [0, 1].map(accepting);
    let [three, four] = [0, 1].map(|_| {
        let answering = Arc::clone(&answering);
        async move { answering.connect().await }
    });
    let all = bounded(async { tokio::join!(one, two, three, four) }).await;
    let mut made = Vec::new();
    for (one, two) in [(all.0, all.1), (all.2, all.3)] {
        let (link, other) = match (one, two) {
            (Ok(link), Err(other)) | (Err(other), Ok(link)) => (link, other),
            both => panic!("{both:?}"),
        };
        assert_eq!(other, DialError::Code(CodeError::Used));
        made.push(link);
    }
    greet(&*made[0].link, &*made[1].link).await;
    for made in made {
        bounded(made.link.close(CloseReason::Here)).await;
    }
}

/// What a code says is what somebody wrote into it: addresses that no socket reaches are not in the way of those that are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn useless_addresses_in_a_code_are_not_in_the_way() {
    let (a, b) = (endpoint(1), endpoint(2));
    let offering = a.offer().await.unwrap();
    let answering = b.answer(&offering.code()).await.unwrap();
    let mut answer = Code::decode(&answering.code()).unwrap();
    let useless = [
        "0.0.0.0:0",
        "127.0.0.1:0",
        "255.255.255.255:9",
        "224.0.0.251:5353",
        "0.0.0.0:9",
        "[::]:9",
        "[ff02::fb]:5353",
        "[::ffff:127.0.0.1]:9",
        "[fe80::1]:9",
    ];
    let useless = useless.map(|address| address.parse::<SocketAddr>().unwrap());
    answer.addresses.splice(0..0, useless);
    answer.relays = useless.to_vec();
    let answer = answer.encode().unwrap();
    let (at_a, at_b) = bounded(async { tokio::join!(offering.accept(&answer), answering.connect()) }).await;
    let (at_a, at_b) = (at_a.unwrap(), at_b.unwrap());
    greet(&*at_a.link, &*at_b.link).await;
    bounded(at_a.link.close(CloseReason::Here)).await;
    bounded(at_b.link.close(CloseReason::Here)).await;
}

/// "For ever" and "at once" are what people write into settings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_nobody_means_do_no_harm() {
    let for_ever = Config {
        heartbeat: Duration::MAX,
        heartbeat_misses: u32::MAX,
        gather_within: Duration::MAX,
        connect_within: Duration::MAX,
        knock_within: Duration::MAX,
        offer_within: Duration::MAX,
        answer_within: Duration::MAX,
        ..Config::loopback()
    };
    let at_once = Config {
        heartbeat: Duration::ZERO,
        heartbeat_misses: 100,
        ..Config::loopback()
    };
    assert_eq!(for_ever.silence_max(), Duration::MAX);
    let (a, b) = (WebRtc::new(key(1), for_ever), WebRtc::new(key(2), at_once));
    let (at_a, at_b) = bounded(connect(&a, &b)).await;
    for every in [Duration::ZERO, Duration::MAX, Duration::from_secs(5)] {
        at_a.link.set_heartbeat(every);
        at_b.link.set_heartbeat(every);
        bounded(greet(&*at_a.link, &*at_b.link)).await;
    }
    let (dial_a, dial_b) = (a.dialer(at_a.route).unwrap(), b.dialer(at_b.route).unwrap());
    let (link_a, link_b) = bounded(async { tokio::join!(dial_a.dial(), dial_b.dial()) }).await;
    let (link_a, link_b) = (link_a.unwrap(), link_b.unwrap());
    bounded(greet(&*link_a, &*link_b)).await;
    link_a.close(CloseReason::Here).await;
    link_b.close(CloseReason::Here).await;
}

/// Who says something and closes at once has said it: what is queued leaves before the goodbye does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_words_arrive_before_the_goodbye() {
    let (at_a, at_b) = bounded(connect(&endpoint(1), &endpoint(2))).await;
    for number in 0..20_u8 {
        let word = Bytes::from(vec![number; 5_000]);
        at_a.link.send(Lane::Control, word).await.unwrap();
    }
    bounded(at_a.link.close(CloseReason::Here)).await;
    for number in 0..20_u8 {
        let bytes = Bytes::from(vec![number; 5_000]);
        let lane = Lane::Control;
        assert_eq!(
            bounded(at_b.link.recv()).await,
            LinkEvent::Message { lane, bytes }
        );
    }
    let goodbye = LinkEvent::Closed(CloseReason::There);
    assert_eq!(bounded(at_b.link.recv()).await, goodbye);
    bounded(at_b.link.close(CloseReason::Here)).await;
}
