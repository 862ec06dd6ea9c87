//! The answer to a commit.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tokio::sync::oneshot;

use crate::StoreError;
use crate::door::Untold;

/// Becomes ready when the batch is as durable as the store was asked to make it, or says why it is not.
///
/// Needs no runtime. Dropping it does not cancel the commit.
#[derive(Debug)]
#[must_use = "until this is ready the batch may still be lost"]
pub struct Saved(State);

#[derive(Debug)]
enum State {
    Waiting(oneshot::Receiver<Result<(), StoreError>>),
    Ready(Result<(), StoreError>, Option<Untold>),
}

impl Saved {
    /// Waits on this thread. Not for async code: there, await it.
    pub fn wait(mut self) -> Result<(), StoreError> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut context) {
                Poll::Ready(result) => return result,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    /// An answer that is given later through the sender. For backends.
    pub fn later() -> (SavedSender, Self) {
        let (sender, receiver) = oneshot::channel();
        (SavedSender(sender), Self(State::Waiting(receiver)))
    }

    /// A commit that failed at once. For backends.
    pub fn failed(error: StoreError) -> Self {
        Self(State::Ready(Err(error), None))
    }

    /// A commit that was saved at once. For backends.
    pub fn done() -> Self {
        Self(State::Ready(Ok(()), None))
    }

    pub(crate) fn refused(error: StoreError, untold: Untold) -> Self {
        Self(State::Ready(Err(error), Some(untold)))
    }
}

impl Future for Saved {
    type Output = Result<(), StoreError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            State::Waiting(receiver) => Pin::new(receiver).poll(context).map(|answer| {
                answer.unwrap_or_else(|_| Err(StoreError::stopped("it ended before this batch was saved")))
            }),
            State::Ready(answer, untold) => {
                *untold = None;
                Poll::Ready(answer.clone())
            }
        }
    }
}

/// The side of a [`Saved`] that a backend keeps. Dropped without an answer, the commit counts as not saved.
#[derive(Debug)]
pub struct SavedSender(oneshot::Sender<Result<(), StoreError>>);

impl SavedSender {
    /// Gives the answer. That nobody waits for it any more is no error.
    pub fn send(self, result: Result<(), StoreError>) {
        drop(self.0.send(result));
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
