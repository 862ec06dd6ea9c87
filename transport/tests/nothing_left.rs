//! Links that come and go leave no descriptors behind: the stack leaks four a pair when it is not closed.

mod common;

use common::{bounded, endpoint, greet};
use cuecard_transport::CloseReason;

#[cfg(target_os = "linux")]
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(usize::MAX, Iterator::count)
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_links_leave_no_descriptor() {
    let cycle = |number: usize| async move {
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
    };
    // What the process opens once and keeps.
    cycle(0).await;
    cycle(1).await;
    let settled = |most: usize| async move {
        bounded(async {
            while descriptors() > most {
                tokio::task::yield_now().await;
            }
        })
        .await;
        descriptors()
    };
    let before = settled(usize::MAX).await;
    for number in 0..30 {
        cycle(number).await;
    }
    let after = settled(before).await;
    println!("{before} descriptors before, {after} after 30 links");
}
