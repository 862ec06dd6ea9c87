//! An edit made during a full-speed audio transfer still arrives at once: control overtakes binary.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "only tests use this")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{bounded, fresh_ends};
use cuecard_transport::limits::BINARY_MESSAGE_BYTES_MAX;
use cuecard_transport::{CloseReason, Lane, LinkEvent};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_does_not_wait_behind_binary() {
    let (a, b) = bounded(fresh_ends()).await;
    let sender = Arc::clone(&a);
    let flood = tokio::spawn(async move {
        let message = Bytes::from(vec![7; BINARY_MESSAGE_BYTES_MAX]);
        while sender.send(Lane::Binary, message.clone()).await.is_ok() {}
    });
    let echoing = Arc::clone(&b);
    let echo = tokio::spawn(async move {
        while let LinkEvent::Message { lane, bytes } = echoing.recv().await {
            if lane == Lane::Control && echoing.send(lane, bytes).await.is_err() {
                break;
            }
        }
    });
    let started = Instant::now();
    let mut round_trips = Vec::new();
    bounded(async {
        for _ in 0..100 {
            let sent = Instant::now();
            a.send(Lane::Control, Bytes::from_static(b"edit")).await.unwrap();
            assert!(matches!(
                a.recv().await,
                LinkEvent::Message {
                    lane: Lane::Control,
                    ..
                }
            ));
            round_trips.push(sent.elapsed());
            tokio::task::yield_now().await;
        }
    })
    .await;
    round_trips.sort();
    let received = b.stats().received_bytes as f64 / 1e6;
    let rate = received / started.elapsed().as_secs_f64();
    println!(
        "control round trip under load: median {:?}, worst {:?}; binary {received:.1} MB at {rate:.0} MB/s",
        round_trips[50], round_trips[99]
    );
    assert!(received > 1.0, "there was no load: {received} MB");
    // Behind what binary may have outstanding at the rate of a slow machine it would take longer.
    assert!(
        round_trips[50] < Duration::from_millis(500),
        "{:?}",
        round_trips[50]
    );
    a.close(CloseReason::Here).await;
    bounded(async { tokio::join!(flood, echo) }).await.0.unwrap();
    b.close(CloseReason::Here).await;
}
