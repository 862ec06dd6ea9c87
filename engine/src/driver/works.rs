//! What takes long and waits for nothing is done by a thread of its own, one after the other.

use std::collections::VecDeque;
use std::sync::Weak;
use std::sync::mpsc::Receiver;

use super::{Shared, lock};
use crate::core::Work;

/// Of two kinds each has its turn. What is quick goes first: else a slice that somebody waits for would wait for large
/// batches of whatever deck; and whoever asks for slices all the time does not hold up the batches.
struct Turns<T> {
    waiting: VecDeque<T>,
    was_quick: bool,
}

impl<T> Turns<T> {
    fn next(&mut self, is_quick: impl Fn(&T) -> bool) -> Option<T> {
        let others = self.waiting.iter();
        let turn = others.map(&is_quick).position(|quick| quick != self.was_quick);
        let next = self.waiting.remove(turn.unwrap_or(0))?;
        self.was_quick = is_quick(&next);
        Some(next)
    }
}

/// Ends with the engine.
pub(super) fn run(shared: &Weak<Shared>, queue: &Receiver<Work>) {
    let mut turns = Turns {
        waiting: VecDeque::new(),
        was_quick: false,
    };
    loop {
        if turns.waiting.is_empty() {
            let Ok(work) = queue.recv() else { return };
            turns.waiting.push_back(work);
        }
        turns.waiting.extend(queue.try_iter());
        let Some(work) = turns.next(|work| matches!(work, Work::Remake(_))) else {
            continue;
        };
        // Nothing is held while it runs: an engine that is dropped meanwhile is gone.
        let input = work.run();
        let Some(shared) = shared.upgrade() else { return };
        let mut sleep = shared.sleep();
        let _ = shared
            .runtime
            .block_on(sleep.wait_for(|sleep| !sleep.is_falling()));
        shared.tell(&mut lock(&shared.core), |core, now| core.handle(now, input));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quick_goes_first_and_neither_kind_waits_for_more_than_one_of_the_other() {
        let mut turns = Turns {
            waiting: VecDeque::from([1, 2, 30, 40, 50]),
            was_quick: false,
        };
        let done = std::iter::from_fn(|| turns.next(|number| *number >= 10));
        assert_eq!(done.collect::<Vec<i32>>(), [30, 1, 40, 2, 50]);
    }
}
