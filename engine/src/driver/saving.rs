//! What an edit gives back: it is done at once, and durable a moment later.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::SaveResult;
use crate::core::StoreHasFailed;
use crate::id::ChangeHash;

/// Something that was done at once and becomes durable: await it to know that it is.
///
/// Dropping it cancels nothing. When the disk fails, awaiting says so, and what was done is undone: by then every deck is
/// what the disk has of it (see [`Event::WentBack`](crate::Event::WentBack)).
#[must_use = "it is done, but until this is awaited nobody knows whether it is durable"]
#[derive(Debug)]
pub struct Saving<T, E> {
    pub(super) result: Option<Result<T, E>>,
    pub(super) waiting: Option<oneshot::Receiver<SaveResult>>,
    pub(super) change: Option<ChangeHash>,
}

impl<T, E> Saving<T, E> {
    /// What was done, without waiting for the disk.
    ///
    /// # Errors
    /// Why it was not done.
    pub fn at_once(mut self) -> Result<T, E>
    where
        E: From<StoreHasFailed>,
    {
        let taken = || StoreHasFailed {
            why: "its result was taken before".to_owned(),
        };
        self.result.take().unwrap_or_else(|| Err(taken().into()))
    }

    /// The change that was made: for [`Deck::safe_where`](crate::Deck::safe_where), and to find it in a history. `None`
    /// where nothing was changed, and for what is no edit.
    #[must_use]
    pub const fn change(&self) -> Option<ChangeHash> {
        self.change
    }

    pub(crate) fn with_change(self, change: Option<ChangeHash>) -> Self {
        Self { change, ..self }
    }

    /// The same with another value.
    pub(crate) fn map<U>(mut self, with: impl FnOnce(T) -> U) -> Saving<U, E> {
        Saving {
            result: self.result.take().map(|result| result.map(with)),
            waiting: self.waiting.take(),
            change: self.change,
        }
    }
}

impl<T: Unpin, E: From<StoreHasFailed> + Unpin> Future for Saving<T, E> {
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let failed = |why: &str| StoreHasFailed { why: why.to_owned() };
        if let Some(waiting) = &mut this.waiting {
            let saved = match Pin::new(waiting).poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(saved) => saved,
            };
            this.waiting = None;
            match saved {
                Ok(Ok(())) => {}
                Ok(Err(why)) => this.result = Some(Err(failed(&why).into())),
                Err(_) => this.result = Some(Err(failed("the engine was dropped").into())),
            }
        }
        Poll::Ready(
            this.result
                .take()
                .unwrap_or_else(|| Err(failed("it was awaited twice").into())),
        )
    }
}
