//! Links that come and go leave nothing behind: no descriptor (the stack leaks four a pair when it is not closed), no task,
//! no memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "only tests use this")]

mod common;

use std::time::Duration;

use common::{bounded, endpoint, greet};
use cuecard_transport::CloseReason;
use tokio::runtime::Handle;

const CYCLES: usize = 200;
/// What the process opens once and keeps, and where its allocator settles.
const WARM_UP: usize = 40;
/// A leak of a pair was 1.2 MB: over 160 cycles that would be twenty times this.
const NOISE_BYTES: usize = 10 * 1024 * 1024;

#[derive(Debug, Clone, Copy)]
struct Held {
    descriptors: usize,
    tasks: usize,
    bytes: usize,
}

fn held() -> Held {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let resident: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    Held {
        descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
        tasks: Handle::current().metrics().num_alive_tasks(),
        bytes: resident * 4_096,
    }
}

/// What was closed in the background is gone a moment later.
async fn settled(most: Option<Held>) -> Held {
    let calm =
        |now: &Held| most.is_none_or(|most| now.descriptors <= most.descriptors && now.tasks <= most.tasks);
    let mut now = held();
    let waiting = async {
        while !calm(&now) {
            tokio::task::yield_now().await;
            now = held();
        }
    };
    // What does not go is shown by the assertions.
    let _ = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    now
}

async fn cycle(number: usize) {
    let (a, b) = (endpoint(1), endpoint(2));
    let (at_a, at_b) = bounded(common::connect(&a, &b)).await;
    greet(&*at_a.link, &*at_b.link).await;
    if number.is_multiple_of(2) {
        at_a.link.close(CloseReason::Here).await;
    } else {
        // Dropped without a close: closes itself in the background, and the other side notices.
        drop(at_a);
    }
    bounded(at_b.link.recv()).await;
    at_b.link.close(CloseReason::Here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_links_leave_no_descriptor_no_task_and_no_memory() {
    for number in 0..WARM_UP {
        cycle(number).await;
    }
    let before = settled(None).await;
    for number in WARM_UP..CYCLES {
        cycle(number).await;
    }
    let after = settled(Some(before)).await;
    println!("{before:?} after {WARM_UP} links, {after:?} after {CYCLES}");
    assert!(after.descriptors <= before.descriptors, "{before:?} {after:?}");
    assert!(after.tasks <= before.tasks, "{before:?} {after:?}");
    assert!(after.bytes <= before.bytes + NOISE_BYTES, "{before:?} {after:?}");
}
