//! Real engines in tests: waiting for what they say, and links between them.

use std::time::Duration;

use cuecard::transport::memory::{Conditions, pair};
use cuecard::{Engine, Event, Events};

/// How long anything may take before a test gives up: far longer than it takes on a slow machine.
pub const WITHIN: Duration = Duration::from_secs(30);

/// Waits for an event: with a bound, so that a test that fails does so soon.
///
/// # Panics
/// When it does not come.
pub async fn until(events: &mut Events, what: &str, is_it: impl Fn(&Event) -> bool) {
    let wait = async {
        loop {
            match events.next().await {
                Some(event) if is_it(&event) => return,
                Some(_) => {}
                None => panic!("the engine is gone while waiting for {what}"),
            }
        }
    };
    tokio::time::timeout(WITHIN, wait)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"));
}

/// Waits until something holds, looking again whenever something happens.
///
/// # Panics
/// When it does not come to hold.
pub async fn until_so(events: &mut Events, what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            events
                .next()
                .await
                .unwrap_or_else(|| panic!("the engine is gone while waiting for {what}"));
        }
    };
    tokio::time::timeout(WITHIN, wait)
        .await
        .unwrap_or_else(|_| panic!("{what} did not come to be"));
}

/// Links two engines within the process.
pub fn link(a: &Engine, b: &Engine) {
    let (end_a, end_b) = pair(a.device(), b.device(), Conditions::PERFECT, 1);
    a.attach(end_a);
    b.attach(end_b);
}
