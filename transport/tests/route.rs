//! A route dials until there is a link, spaced by its backoff, and says where it stands and why. In virtual time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "only tests use this")]

mod common;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use common::key;
use cuecard_transport::memory::{Conditions, pair, pair_on};
use cuecard_transport::{
    Backoff, Cable, CloseReason, DeviceId, DialError, Dialer, Lane, Link, LinkEvent, Route, RouteKind,
    RouteState,
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
    let failures = [no_path(), DialError::Proof("wrong device".to_owned())];
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
                reason: "the other device failed its proof: wrong device".to_owned()
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
