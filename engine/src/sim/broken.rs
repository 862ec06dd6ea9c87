//! Rules that a test breaks on purpose, to see that it would notice. Only of the simulator: what ships keeps all of them.

use std::cell::Cell;

use crate::id::DeviceId;

/// A rule of the engine that can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// A run appends only to a term that it opened.
    OneRunOneTerm,
    /// The editor takes late work in.
    LateWorkComesBack,
    /// A device passes on what its neighbours lack.
    PassOn,
    /// A device asks for the audio that cards refer to.
    PullAudio,
    /// What lies beside the path is durable before it is sent.
    SaveBeforeSending,
    /// A term counts only if who signed it may hold the role.
    HoldNeedsTheRight,
    /// What is done outside of the core does not panic.
    WorksDoNotPanic,
    /// The gate: a change touches keys of the schema only.
    KeysAreTheSchemas,
    /// The gate: an operation is on what is in its change's past.
    ObjectsAreInThePast,
    /// The gate: a change's message says what the change does.
    MessagesAreTrue,
}

thread_local! {
    static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
    static MODIFIED: Cell<Option<DeviceId>> = const { Cell::new(None) };
}

/// Runs with a rule broken, in this thread.
pub fn with_broken<R>(rule: Rule, run: impl FnOnce() -> R) -> R {
    struct Mended;
    impl Drop for Mended {
        fn drop(&mut self) {
            BROKEN.set(None);
        }
    }
    BROKEN.set(Some(rule));
    let _mended = Mended;
    run()
}

pub(crate) fn is_broken(rule: Rule) -> bool {
    BROKEN.get() == Some(rule)
}

/// Runs a device's engine as modified by its person: it takes itself for one that may hold the role. What it then does, it
/// does in earnest, and keeps to.
pub(super) fn as_modified<R>(device: DeviceId, run: impl FnOnce() -> R) -> R {
    let before = MODIFIED.replace(Some(device));
    let result = run();
    MODIFIED.set(before);
    result
}

/// Whether the engine that is at work is this device's, and a modified one.
pub(crate) fn is_modified(device: DeviceId) -> bool {
    MODIFIED.get() == Some(device)
}
