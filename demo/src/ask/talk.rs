//! Both ways of a conversation: what is asked, what is told on the way, what is pasted meanwhile, and how it ends.

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::error::{Error, Failure};

use super::{Ask, Happening, Told, VERSION};

/// Happenings that wait for a slow reader; then what tells them waits as well.
const SAID_AHEAD_MAX: usize = 64;

/// The first line of a conversation over the socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// [`VERSION`] of who asks.
    pub(crate) version: u32,
    /// What is asked.
    #[serde(flatten)]
    pub(crate) ask: Ask,
}

impl Request {
    pub(crate) const fn new(ask: Ask) -> Self {
        Self {
            version: VERSION,
            ask,
        }
    }
}

/// What comes back: some happenings, then the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// Something on the way.
    Happens(Happening),
    /// It is done.
    Done(Box<Told>),
    /// It is not.
    Failed(Failure),
}

impl From<Result<Told, Error>> for Said {
    fn from(outcome: Result<Told, Error>) -> Self {
        match outcome {
            Ok(told) => Self::Done(Box::new(told)),
            Err(error) => Self::Failed(error.into()),
        }
    }
}

/// A conversation as whoever does what is asked has it.
pub(crate) struct Talk {
    said: mpsc::Sender<Said>,
    pasted: mpsc::Receiver<String>,
}

impl Talk {
    /// Tells something on the way. Whoever asked may be gone; then this is dropped with all else.
    pub(crate) async fn say(&self, happening: Happening) {
        let _ = self.said.send(Said::Happens(happening)).await;
    }

    /// What is pasted next; `None` when nothing more comes.
    pub(crate) async fn pasted(&mut self) -> Option<String> {
        self.pasted.recv().await
    }

    pub(crate) async fn end(self, outcome: Result<Told, Error>) {
        let _ = self.said.send(outcome.into()).await;
    }
}

/// A conversation as whoever asked has it. Dropping it ends what was asked.
pub(crate) struct Conversation {
    said: mpsc::Receiver<Said>,
    paste: Option<mpsc::Sender<String>>,
    task: AbortHandle,
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Conversation {
    /// The next of what is said; `None` when the other end is gone.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        self.said.recv().await
    }

    /// Gives what was pasted to who waits for it.
    pub(crate) async fn paste(&self, text: String) {
        if let Some(paste) = &self.paste {
            let _ = paste.send(text).await;
        }
    }

    /// Nothing more will be pasted.
    pub(crate) fn no_more(&mut self) {
        self.paste = None;
    }
}

/// A conversation whose other end is what `run` makes of it.
pub(crate) fn begin<F>(run: impl FnOnce(Talk) -> F) -> Conversation
where
    F: Future<Output = ()> + Send + 'static,
{
    let (say, said) = mpsc::channel(SAID_AHEAD_MAX);
    let (paste, pasted) = mpsc::channel(SAID_AHEAD_MAX);
    let task = tokio::spawn(run(Talk { said: say, pasted }));
    Conversation {
        said,
        paste: Some(paste),
        task: task.abort_handle(),
    }
}

/// As [`begin`], in parts: for what carries a conversation elsewhere.
pub(crate) fn carried<F>(run: impl FnOnce(mpsc::Sender<Said>, mpsc::Receiver<String>) -> F) -> Conversation
where
    F: Future<Output = ()> + Send + 'static,
{
    begin(|talk| run(talk.said, talk.pasted))
}
