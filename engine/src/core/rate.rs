//! How often: at the most, for what comes and for what leaves.

use std::time::Duration;

use crate::time::Time;

/// Counts what comes, second by second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rate {
    since: Time,
    count: u32,
}

impl Rate {
    /// One more came: how many that makes in this second.
    pub(crate) fn count(&mut self, now: Time) -> u32 {
        if now.since(self.since) >= Duration::from_secs(1) {
            *self = Self { since: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count
    }
}

/// Lets something leave at once, and what follows on it together, the latest, a little later.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Paced {
    next: Time,
    waits: bool,
}

impl Paced {
    /// Whether it may leave now; if not, it waits.
    pub(crate) fn may_leave(&mut self, now: Time, every: Duration) -> bool {
        if now >= self.next {
            self.left(now, every);
            return true;
        }
        self.waits = true;
        false
    }

    /// It left now, whoever asked for it.
    pub(crate) fn left(&mut self, now: Time, every: Duration) {
        *self = Self {
            next: now + every,
            waits: false,
        };
    }

    /// Whether something waited, and may leave now: then it waits no more.
    pub(crate) fn take_due(&mut self, now: Time) -> bool {
        let is_due = self.waits && now >= self.next;
        self.waits &= !is_due;
        is_due
    }

    /// When what waits may leave.
    pub(crate) fn due(&self) -> Option<Time> {
        self.waits.then_some(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_leaves_at_once_and_the_last_is_not_forgotten() {
        let (mut paced, every) = (Paced::default(), Duration::from_millis(100));
        let start = Time::from_millis(5_000);
        assert!(paced.may_leave(start, every));
        assert_eq!(paced.due(), None);
        for ms in 1..100 {
            assert!(!paced.may_leave(start + Duration::from_millis(ms), every));
        }
        assert_eq!(paced.due(), Some(start + every));
        assert!(!paced.take_due(start + Duration::from_millis(99)));
        assert!(
            paced.take_due(start + every) && !paced.take_due(start + every),
            "once"
        );
        assert!(paced.may_leave(start + every, every));
        assert_eq!(paced.due(), None);
    }

    #[test]
    fn each_second_is_counted_for_itself() {
        let mut rate = Rate::default();
        let at = |ms: u64| Time::from_millis(9_000 + ms);
        let counts = [0_u64, 1, 999, 1_000, 1_001, 2_500].map(|ms| rate.count(at(ms)));
        assert_eq!(counts, [1, 2, 3, 1, 2, 1]);
    }
}
