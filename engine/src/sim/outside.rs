//! What is done outside of the cores of a world: how large a batch is checked there, and what came of it.

use std::cell::Cell;

use crate::core::{Input, Work};
use crate::id::DeckId;
use crate::limits::CHECKED_OUTSIDE_MIN;
use crate::sim::Sim;

thread_local! {
    static CHECKED_FROM: Cell<usize> = const { Cell::new(CHECKED_OUTSIDE_MIN) };
}

/// Runs with batches of so many changes, and larger ones, checked outside: those of a world are smaller than others.
pub fn with_checked_from<R>(changes: usize, run: impl FnOnce() -> R) -> R {
    struct AsItWas(usize);
    impl Drop for AsItWas {
        fn drop(&mut self) {
            CHECKED_FROM.set(self.0);
        }
    }
    let _as_it_was = AsItWas(CHECKED_FROM.replace(changes));
    run()
}

pub(crate) fn checked_from() -> usize {
    CHECKED_FROM.get()
}

/// How often batches were checked outside, and changes made anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outside {
    /// Batches that were handed out.
    pub checks: u64,
    /// Of these, those that passed and took the place of the document.
    pub put_in: u64,
    /// Those that passed, and something else had happened meanwhile.
    pub overtaken: u64,
    /// Those that a power cut ended.
    pub lost: u64,
    /// Changes that were made anew, to be sent.
    pub remade: u64,
}

impl Outside {
    pub(super) fn begins(&mut self, work: &Work) {
        match work {
            Work::Check(_) => self.checks += 1,
            Work::Remake(_) => self.remade += 1,
        }
    }

    pub(super) fn is_lost(&mut self, work: &Work) {
        self.lost += u64::from(matches!(work, Work::Check(_)));
    }

    pub(super) fn ends(&mut self, is_put_in: bool) {
        match is_put_in {
            true => self.put_in += 1,
            false => self.overtaken += 1,
        }
    }
}

/// The deck of a batch that has passed.
pub(super) fn passed(input: &Input) -> Option<DeckId> {
    match input {
        Input::Checked(checked) => checked.passed(),
        _ => None,
    }
}

impl Sim {
    /// What was done outside of the cores, of all devices.
    #[must_use]
    pub fn done_outside(&self) -> Outside {
        let mut all = Outside::default();
        for of in self.devices.iter().map(|device| device.outside) {
            all.checks += of.checks;
            all.put_in += of.put_in;
            all.overtaken += of.overtaken;
            all.lost += of.lost;
            all.remade += of.remade;
        }
        all
    }
}
