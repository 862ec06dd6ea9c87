//! A route dials until there is a link, spaced by its backoff, and says where it stands and why. In virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests use this"
)]

mod common;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use common::key;
use cuecard_transport::memory::{Conditions, End, pair, pair_on};
use cuecard_transport::{
    Backoff, Cable, CloseReason, DeviceId, DialError, Dialer, Lane, Link, LinkEvent, ProofError, Route,
    RouteKind, RouteState,
};
use tokio::time::Instant;

/// Fails as told, then makes links whose other ends it keeps.
struct Scripted {
    failures: Mutex<VecDeque<DialError>>,
    takes: Duration,
    dialled_at: Mutex<Vec<Instant>>,
    others: Mutex<Vec<Arc<dyn Link>>>,
}

impl Scripted {
    fn new(failures: impl IntoIterator<Item = DialError>, takes: Duration) -> Arc<Self> {
        Arc::new(Self {
            failures: Mutex::new(failures.into_iter().collect()),
            takes,
            dialled_at: Mutex::default(),
            others: Mutex::default(),
        })
    }

    fn pauses(&self) -> Vec<Duration> {
        let at = self.dialled_at.lock().unwrap();
        at.windows(2).map(|two| two[1] - two[0]).collect()
    }
}

#[async_trait]
impl Dialer for Scripted {
    fn peer(&self) -> DeviceId {
        key(2).id()
    }

    async fn dial(&self) -> Result<Arc<dyn Link>, DialError> {
        self.dialled_at.lock().unwrap().push(Instant::now());
        tokio::time::sleep(self.takes).await;
        if let Some(error) = self.failures.lock().unwrap().pop_front() {
            return Err(error);
        }
        let (here, there) = pair(key(1).id(), key(2).id(), Conditions::PERFECT, 0);
        self.others.lock().unwrap().push(there);
        Ok(here)
    }
}

fn no_path() -> DialError {
    DialError::NoPath { waited_ms: 7 }
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_to_the_longest_and_are_drawn() {
    let dialer = Scripted::new((0..12).map(|_| no_path()), Duration::ZERO);
    let backoff = Backoff::default();
    let mut route = Route::new(Arc::clone(&dialer) as Arc<dyn Dialer>, backoff);
    route.next_link().await;
    let pauses = dialer.pauses();
    assert_eq!(pauses.len(), 12);
    assert!(pauses[0] <= Duration::from_millis(100), "{pauses:?}");
    assert!(
        pauses[11] <= backoff.most && pauses[11] >= Duration::from_secs(10),
        "{pauses:?}"
    );
    let drawn = pauses.windows(2).filter(|two| two[1] != two[0] * 2).count();
    assert!(drawn > 6, "no jitter: {pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_patient_dial_is_not_followed_by_a_pause() {
    let dialer = Scripted::new((0..12).map(|_| no_path()), Duration::from_secs(30));
    let mut route = Route::new(Arc::clone(&dialer) as Arc<dyn Dialer>, Backoff::default());
    route.next_link().await;
    // A timer ticks in milliseconds.
    assert!(
        dialer
            .pauses()
            .iter()
            .all(|pause| *pause < Duration::from_millis(30_010)),
        "{:?}",
        dialer.pauses()
    );
}

#[tokio::test(start_paused = true)]
async fn states_carry_their_reasons() {
    let failures = [no_path(), DialError::Proof(ProofError::Device)];
    let dialer = Scripted::new(failures, Duration::from_secs(1));
    let mut route = Route::new(Arc::clone(&dialer) as Arc<dyn Dialer>, Backoff::default());
    assert_eq!(route.peer(), key(2).id());
    let mut state = route.state();
    assert_eq!(*state.borrow_and_update(), RouteState::Idle);
    let watcher = tokio::spawn(async move {
        let mut seen = Vec::new();
        while state.changed().await.is_ok() {
            seen.push(state.borrow_and_update().clone());
        }
        seen
    });
    let link = route.next_link().await;
    // A watch keeps the latest alone: let the watcher see this one.
    tokio::task::yield_now().await;
    route.link_ended(&LinkEvent::Closed(CloseReason::Silent { silent_ms: 5 }));
    tokio::task::yield_now().await;
    drop((route, link));
    let seen = watcher.await.unwrap();
    let reconnecting = |attempt, reason: &str| RouteState::Reconnecting {
        attempt,
        reason: reason.to_owned(),
    };
    assert_eq!(
        seen,
        [
            RouteState::Connecting,
            reconnecting(1, &DialError::NoPath { waited_ms: 7 }.to_string()),
            RouteState::Failed {
                reason: DialError::Proof(ProofError::Device).to_string()
            },
            RouteState::Connected {
                kind: RouteKind::Memory
            },
            reconnecting(1, "nothing heard for 5 ms"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_steady_link_resets_the_pauses_and_a_fleeting_one_does_not() {
    let dialer = Scripted::new((0..8).map(|_| no_path()), Duration::ZERO);
    let mut route = Route::new(Arc::clone(&dialer) as Arc<dyn Dialer>, Backoff::default());
    route.next_link().await;
    let fleeting = Instant::now();
    route.next_link().await;
    assert!(
        fleeting.elapsed() > Duration::from_secs(3),
        "{:?}",
        fleeting.elapsed()
    );
    tokio::time::sleep(Duration::from_secs(60)).await;
    let steady = Instant::now();
    route.next_link().await;
    assert_eq!(steady.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_link_in_memory_outlives_a_short_cut_and_reports_a_long_one() {
    let cable = Cable::new();
    let (a, b) = pair_on(&cable, key(1).id(), key(2).id(), Conditions::PERFECT, 0);
    cable.cut();
    a.send(Lane::Control, bytes::Bytes::from_static(b"held"))
        .await
        .unwrap();
    assert!(
        tokio::time::timeout(Duration::from_secs(10), b.recv())
            .await
            .is_err(),
        "nothing passes a cut cable"
    );
    cable.mend();
    assert!(matches!(b.recv().await, LinkEvent::Message { .. }));
    cable.cut();
    for link in [a, b] {
        assert_eq!(
            link.recv().await,
            LinkEvent::Closed(CloseReason::Silent { silent_ms: 15_000 })
        );
    }
}

/// What one end says is lost, and what it hears is not: a short while is only a delay, and after a long one both ends know.
#[tokio::test(start_paused = true)]
async fn a_link_in_memory_outlives_a_short_silence_one_way_and_reports_a_long_one() {
    let cable = Cable::new();
    let (a, b) = pair_on(&cable, key(1).id(), key(2).id(), Conditions::PERFECT, 0);
    let say = async |from: &dyn Link, word: &'static str| {
        let word = bytes::Bytes::from_static(word.as_bytes());
        from.send(Lane::Control, word).await.unwrap();
    };
    let heard = async |at: &dyn Link| match at.recv().await {
        LinkEvent::Message { bytes, .. } => bytes,
        LinkEvent::Closed(why) => panic!("{why}"),
    };
    cable.cut_one_way(End::A);
    assert!(!cable.is_cut());
    say(&*a, "held").await;
    say(&*b, "heard").await;
    assert_eq!(heard(&*a).await, "heard");
    let waited = tokio::time::timeout(Duration::from_secs(10), b.recv()).await;
    assert!(waited.is_err(), "{waited:?}");
    cable.mend();
    say(&*a, "after it").await;
    assert_eq!(
        (heard(&*b).await, heard(&*b).await),
        ("held".into(), "after it".into())
    );
    let silent_from = Instant::now();
    cable.cut_one_way(End::B);
    for link in [a, b] {
        let silent = CloseReason::Silent { silent_ms: 15_000 };
        assert_eq!(link.recv().await, LinkEvent::Closed(silent));
    }
    assert_eq!(silent_from.elapsed(), Duration::from_secs(15));
}

/// Each link has a path of its own: what an old one still carries may be read after what came by the one that follows it.
#[tokio::test(start_paused = true)]
async fn what_an_old_link_carries_may_come_after_what_a_new_one_did() {
    let cable = Cable::new();
    let link = |latency| {
        let conditions = Conditions::latency(Duration::from_millis(latency));
        pair_on(&cable, key(1).id(), key(2).id(), conditions, latency)
    };
    let ((old_a, old_b), (new_a, new_b)) = (link(300), link(20));
    for (from, word) in [(&old_a, "first"), (&new_a, "second")] {
        let word = bytes::Bytes::from_static(word.as_bytes());
        from.send(Lane::Control, word).await.unwrap();
    }
    let mut read = Vec::new();
    for _ in 0..2 {
        tokio::select! {
            LinkEvent::Message { bytes, .. } = old_b.recv() => read.push(bytes),
            LinkEvent::Message { bytes, .. } = new_b.recv() => read.push(bytes),
            else => panic!("a link ended"),
        }
    }
    assert_eq!(read, ["second", "first"]);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_given_up_is_idle_again() {
    let dialer = Scripted::new([no_path()], Duration::from_secs(1));
    let mut route = Route::new(Arc::clone(&dialer) as Arc<dyn Dialer>, Backoff::default());
    let state = route.state();
    let waited = tokio::time::timeout(Duration::from_millis(500), route.next_link());
    let seen = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        state.borrow().clone()
    };
    let (waited, seen) = tokio::join!(waited, seen);
    assert!(waited.is_err());
    assert_eq!(seen, RouteState::Connecting);
    assert_eq!(*state.borrow(), RouteState::Idle);
    let link = route.next_link().await;
    assert!(matches!(*state.borrow(), RouteState::Connected { .. }));
    drop(link);
}

/// What nobody means by a setting does no harm either.
#[tokio::test(start_paused = true)]
async fn pauses_of_any_length_can_be_waited_for() {
    for (first, most, jitter) in [
        (Duration::MAX, Duration::MAX, 1.0),
        (Duration::MAX, Duration::ZERO, f64::NAN),
        (Duration::ZERO, Duration::MAX, f64::INFINITY),
        (Duration::ZERO, Duration::ZERO, -1.0),
    ] {
        let backoff = Backoff {
            first,
            most,
            jitter,
            steady: Duration::MAX,
        };
        let dialer = Scripted::new((0..5).map(|_| no_path()), Duration::ZERO);
        let mut route = Route::new(Arc::clone(&dialer) as Arc<dyn Dialer>, backoff);
        route.next_link().await;
        assert_eq!(dialer.pauses().len(), 5, "{backoff:?}");
    }
}
