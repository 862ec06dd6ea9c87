//! Sleep, waking up, and the end: what leaves still leaves, what is said to be durable is, and no longer than said.

use std::sync::Arc;

use cuecard_transport::CloseReason;
use tokio::time::Instant;

use super::{LinkHandle, Shared, lock};
use crate::core::{Core, StoreHasFailed};
use crate::engine::SuspendError;
use crate::limits::{RESUMED_ALONE, SUSPEND_WITHIN};

impl Shared {
    /// See [`crate::Engine::suspend`].
    pub(crate) async fn suspend(self: &Arc<Self>) -> Result<(), SuspendError> {
        let until = Instant::now() + SUSPEND_WITHIN;
        self.drive(Core::suspend);
        let mut unsaved = self.unsaved.subscribe();
        let saved = unsaved.wait_for(|unsaved| *unsaved == 0);
        // A moment is left for closing what does not answer.
        let flushed = async {
            let saved = saved.await.is_ok();
            self.all_sent().await;
            saved
        };
        let saved = tokio::time::timeout_at(until - SUSPEND_WITHIN / 5, flushed).await;
        self.suspended.send_replace(true);
        let links: Vec<LinkHandle> = std::mem::take(&mut *lock(&self.links)).into_values().collect();
        let closing = links.into_iter().map(|handle| {
            // In a task of its own: what is too slow is closed all the same.
            self.runtime
                .spawn(async move { handle.link.close(CloseReason::Here).await })
        });
        let closing: Vec<_> = closing.collect();
        let closed = async {
            for closing in closing {
                let _ = closing.await;
            }
        };
        let _ = tokio::time::timeout_at(until, closed).await;
        self.read(Core::store_failure).map_or(Ok(()), Err)?;
        let is_saved = matches!(saved, Ok(true)) || *self.unsaved.borrow() == 0;
        is_saved.then_some(()).ok_or(SuspendError::Unsaved)
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
        self.suspended.send_replace(false);
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
