//! Sleep, waking up, and the end: what leaves still leaves, what is said to be durable is, and no longer than said.

use std::sync::atomic::Ordering;
use std::sync::{Arc, TryLockError};

use cuecard_transport::CloseReason;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::links::LinkHandle;
use super::{Shared, lock};
use crate::core::{Core, Input, StoreHasFailed};
use crate::engine::SuspendError;
use crate::limits::{RESUMED_ALONE, SUSPEND_WITHIN};
use crate::time::Time;

/// How far a device is on its way to sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// Not at all.
    Awake,
    /// What is under way still leaves, or gets to the disk. Nothing else is begun. Which falling asleep it is: one that was
    /// thought better of does not go on as the next.
    Leaving(u64),
    /// Links are being closed.
    Closing(u64),
    /// It sleeps.
    Asleep,
}

impl Sleep {
    pub(crate) const fn is_awake(self) -> bool {
        matches!(self, Self::Awake)
    }

    pub(super) const fn is_leaving(self) -> bool {
        matches!(self, Self::Leaving(_))
    }

    /// Whether an app waits for it to sleep, and has been told how long that takes at the most.
    pub(super) const fn is_falling(self) -> bool {
        matches!(self, Self::Leaving(_) | Self::Closing(_))
    }
}

/// Whatever becomes of falling asleep, it is over with this.
struct Falling {
    shared: Arc<Shared>,
    number: u64,
}

impl Falling {
    /// From one step to the next, unless the app has thought better of it.
    fn goes_on(&self, from: Sleep, to: Sleep) -> bool {
        self.shared
            .sleep
            .send_if_modified(|sleep| *sleep == from && std::mem::replace(sleep, to) == from)
    }
}

impl Drop for Falling {
    fn drop(&mut self) {
        let _ = self.goes_on(Sleep::Leaving(self.number), Sleep::Asleep)
            || self.goes_on(Sleep::Closing(self.number), Sleep::Asleep);
    }
}

impl Shared {
    /// See [`crate::Engine::suspend`].
    pub(crate) async fn suspend(self: &Arc<Self>) -> Result<(), SuspendError> {
        let until = Instant::now() + SUSPEND_WITHIN;
        let number = self.sleeps.fetch_add(1, Ordering::Relaxed);
        self.sleep.send_replace(Sleep::Leaving(number));
        let falling = Falling {
            shared: self.clone(),
            number,
        };
        // In a task of its own: an app that waits no longer leaves nothing half done.
        let asleep = self.runtime.spawn(async move { falling.asleep_by(until).await });
        asleep.await.unwrap_or(Err(SuspendError::Unsaved))
    }

    /// Tells the core something, from a task of the runtime. None of its threads waits for who has the core: with all of them
    /// waiting, nobody counted the time.
    pub(super) async fn take_in(self: &Arc<Self>, input: Input) {
        let Some(input) = self.take_in_if_free(input) else {
            return;
        };
        if let Err(error) = self.when_free(|core, now| core.handle(now, input)).await {
            tracing::error!(%error, "something was not taken in");
        }
    }

    /// Gives it back where somebody has the core.
    fn take_in_if_free(&self, input: Input) -> Option<Input> {
        let mut core = match self.core.try_lock() {
            Ok(core) => core,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Some(input),
        };
        self.tell(&mut core, |core, now| core.handle(now, input));
        None
    }

    /// As [`Shared::drive`], for who must not wait for those who have the core: they may be taking in a large batch, or an
    /// app's own edit. It is done when they are, whether or not anybody waits for that.
    pub(super) fn when_free<R: Send + 'static>(
        self: &Arc<Self>,
        think: impl FnOnce(&mut Core, Time) -> R + Send + 'static,
    ) -> JoinHandle<R> {
        let shared = self.clone();
        self.runtime.spawn_blocking(move || shared.drive(think))
    }

    /// Waits until the links took what is queued for them.
    async fn all_sent(&self) {
        let queues: Vec<_> = lock(&self.links)
            .values()
            .map(|handle| handle.queued.subscribe())
            .collect();
        for mut queued in queues {
            // An error says that the link is gone, and with it what was queued.
            let _ = queued.wait_for(|bytes| *bytes == 0).await;
        }
    }

    /// See [`crate::Engine::resume`].
    pub(crate) async fn resume(self: &Arc<Self>) {
        self.drive(Core::resume);
        self.sleep.send_replace(Sleep::Awake);
        let mut waking = self.waking.subscribe();
        let _ = tokio::time::timeout(RESUMED_ALONE, waking.wait_for(|waking| !*waking)).await;
    }

    /// Closes the links, waits until everything is durable, and closes the store.
    pub(crate) async fn shut_down(self: &Arc<Self>) -> Result<(), StoreHasFailed> {
        self.closing.send_replace(true);
        self.drive(Core::leave_all_typing);
        self.drive(Core::keep_all_heard);
        let links: Vec<LinkHandle> = std::mem::take(&mut *lock(&self.links)).into_values().collect();
        for handle in links {
            handle.link.close(CloseReason::Here).await;
        }
        self.drive(|core, _| core.compact_to_close());
        // The sender lives in `self`, so this cannot fail before it is true.
        let _ = self.unsaved.subscribe().wait_for(|unsaved| *unsaved == 0).await;
        let store = self.store.clone();
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        let failed = |why: String| StoreHasFailed { why };
        closed
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))
    }
}

impl Falling {
    /// What leaves, leaves, and the links are closed; by then, whatever links, the disk and other threads do.
    async fn asleep_by(self, until: Instant) -> Result<(), SuspendError> {
        let shared = &self.shared;
        let (leaving, closing) = (Sleep::Leaving(self.number), Sleep::Closing(self.number));
        let mut outcome = Err(SuspendError::Unsaved);
        let left = async {
            if shared.when_free(Core::suspend).await.is_err() {
                return;
            }
            // The sender lives in `shared`, so this cannot fail before it is true.
            let _ = shared.unsaved.subscribe().wait_for(|unsaved| *unsaved == 0).await;
            let Ok(failure) = shared.when_free(|core, _| core.store_failure()).await else {
                return;
            };
            outcome = failure.map_or(Ok(()), |failure| Err(failure.into()));
            shared.all_sent().await;
        };
        // A moment is left for closing what does not answer.
        let _ = tokio::time::timeout_at(until - SUSPEND_WITHIN / 5, left).await;
        if *shared.sleep.borrow() != leaving {
            return outcome;
        }
        // Taken before anybody is told: whoever runs a link leaves its closing to this.
        let links: Vec<LinkHandle> = std::mem::take(&mut *lock(&shared.links)).into_values().collect();
        self.goes_on(leaving, closing);
        let closing = links.into_iter().map(|handle| {
            // In a task of its own: what is too slow is closed all the same.
            shared
                .runtime
                .spawn(async move { handle.link.close(CloseReason::Here).await })
        });
        let closing: Vec<_> = closing.collect();
        let closed = async {
            for closing in closing {
                let _ = closing.await;
            }
        };
        let _ = tokio::time::timeout_at(until, closed).await;
        outcome
    }
}
