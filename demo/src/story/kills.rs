//! SIGKILL at random moments: which process, when, drawn from a seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::narrator::Narrator;
use super::process::Process;
use super::{NAMES, Slots};

/// A kill comes this long after the beginning of a step at the latest. Most steps are shorter, so that it hits the
/// steps after it as well, and what lies between them.
const DELAY_MS_MAX: u64 = 800;

/// A kill that is to come.
struct Planned {
    step: usize,
    delay: Duration,
    victim: usize,
}

/// Plans kills and carries them out.
pub(super) struct Killer {
    planned: Vec<Planned>,
    done: Arc<AtomicU64>,
    under_way: JoinSet<()>,
}

impl Killer {
    /// `count` kills spread over so many steps.
    pub(super) fn new(count: u64, seed: u64, steps: usize) -> Self {
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        let mut below = |bound: u64| random.next_u64() % bound.max(1);
        let plan = |_| Planned {
            step: usize::try_from(below(steps as u64)).unwrap_or(0),
            delay: Duration::from_millis(below(DELAY_MS_MAX)),
            victim: usize::from(below(2) == 1),
        };
        Self {
            planned: (0..count).map(plan).collect(),
            done: Arc::default(),
            under_way: JoinSet::new(),
        }
    }

    /// How many have been done.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    /// A step begins: its kills are under way from now on.
    pub(super) fn step_begins(&mut self, step: usize, slots: &Slots, narrator: &Narrator) {
        for planned in self.planned.extract_if(.., |planned| planned.step == step) {
            let Some(slot) = slots.get(planned.victim).map(watch::Sender::subscribe) else {
                continue;
            };
            let name = NAMES.get(planned.victim).copied().unwrap_or_default();
            let (done, narrator) = (self.done.clone(), narrator.clone());
            self.under_way.spawn(async move {
                sleep(planned.delay).await;
                kill(slot, || {
                    narrator.kill(name);
                    // Before the signal: whoever sees the end of the process must see that it was meant.
                    done.fetch_add(1, Ordering::SeqCst);
                })
                .await;
            });
        }
    }

    /// Waits for the next of the kills under way; false when there is none. Cancel safe.
    pub(super) async fn next(&mut self) -> bool {
        self.under_way.join_next().await.is_some()
    }
}

/// Kills the process as soon as it lives.
async fn kill(mut slot: watch::Receiver<Option<Arc<Process>>>, before: impl FnOnce()) {
    let lives = |slot: &Option<Arc<Process>>| slot.as_ref().is_some_and(|process| !process.is_gone());
    let victim = match slot.wait_for(lives).await {
        Ok(slot) => slot.clone(),
        // The story is over.
        Err(_) => return,
    };
    if let Some(victim) = victim {
        before();
        victim.kill();
        victim.gone().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_plan() {
        let plan = |seed| {
            let killer = Killer::new(20, seed, 11);
            killer
                .planned
                .iter()
                .map(|kill| (kill.step, kill.delay, kill.victim))
                .collect::<Vec<_>>()
        };
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
        assert!(
            plan(7)
                .iter()
                .all(|(step, delay, victim)| *step < 11 && delay.as_millis() < 800 && *victim < 2)
        );
        assert!(
            [0, 1]
                .iter()
                .all(|victim| plan(7).iter().any(|kill| kill.2 == *victim)),
            "both are hit"
        );
    }
}
