//! Every transport keeps the same contract: the conformance tests over memory, over a poor path, and over WebRTC.

mod common;

use std::time::Duration;

use common::{bounded, fresh_ends, key};
use cuecard_transport::conformance::{self, Ends};
use cuecard_transport::memory::{Conditions, pair};
use cuecard_transport::webrtc::{Config, WebRtc};

fn in_memory() -> Ends {
    pair(key(1).id(), key(2).id(), Conditions::PERFECT, 1)
}

fn over_a_poor_path() -> Ends {
    let conditions = Conditions {
        latency: Duration::from_millis(5),
        jitter: Duration::from_millis(5),
        loss: 0.001,
        bandwidth: Some(200_000_000),
    };
    pair(key(1).id(), key(2).id(), conditions, 1)
}

macro_rules! conforms {
    ($($test:ident),* $(,)?) => {
        mod memory {
            use super::*;
            $(#[tokio::test] async fn $test() { bounded(conformance::$test(in_memory())).await; })*
        }
        /// In virtual time, as in a simulator.
        mod poor_path {
            use super::*;
            $(#[tokio::test(start_paused = true)] async fn $test() {
                bounded(conformance::$test(over_a_poor_path())).await;
            })*
        }
        mod webrtc {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $test() {
                bounded(async { conformance::$test(fresh_ends().await).await }).await;
            })*
        }
    };
}

#[tokio::test]
async fn two_ends_in_memory_that_wait_for_each_other_go_on() {
    bounded(conformance::two_ends_that_wait_for_each_other_go_on_once_both_read(in_memory(), Duration::ZERO))
        .await;
}

/// Nobody reads for far longer than the heartbeat lets the other side be silent: waiting for the reader is not silence.
/// The heartbeat is slow enough that a machine with too much to do does not look like a dead one once they read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_whose_readers_are_busy_is_not_dead() {
    let config = || Config {
        heartbeat: Duration::from_secs(2),
        heartbeat_misses: 3,
        ..Config::loopback()
    };
    let (a, b) = (WebRtc::new(key(1), config()), WebRtc::new(key(2), config()));
    let (at_a, at_b) = bounded(common::connect(&a, &b)).await;
    let ends = (at_a.link, at_b.link);
    bounded(
        conformance::two_ends_that_wait_for_each_other_go_on_once_both_read(ends, Duration::from_secs(10)),
    )
    .await;
}

conforms!(
    messages_arrive_whole_and_in_order,
    a_message_beyond_the_limit_is_refused,
    a_slow_reader_makes_the_sender_wait,
    a_recv_that_is_dropped_loses_nothing,
    both_ends_learn_of_a_close,
    a_replaced_link_says_so_at_both_ends,
    dropping_an_end_closes_the_link,
    both_ends_share_the_transcript,
    both_ends_count_what_they_carried,
);
