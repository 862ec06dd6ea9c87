//! Long work: a future that also says how far it is.

use std::io::{self, Read, Seek, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How far long work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkProgress {
    /// Bytes that were read or written, by and large.
    pub done_bytes: u64,
    /// Of how many, once that is known; `None` where the work ends when nothing more comes.
    pub all_bytes: Option<u64>,
}

/// What is done when somebody takes what came of the work, and not before.
type Taken = Box<dyn FnOnce() + Send>;

/// Long work that was begun: await it for what comes of it. Until then it says how far it is; it goes on when this is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let engine = cuecard::Engine::in_memory("laptop")?;
/// # let deck = engine.create_deck("Spanish 101").await?;
/// # deck.edit(|edit| edit.add_card("hola", "hello")).await?;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("spanish.cuecard");
/// use cuecard::export::ExportWith;
///
/// let mut work = deck.export(&path, ExportWith::default().and_audio());
/// while let Some(progress) = work.further().await {
///     let all = progress.all_bytes.unwrap_or_default();
///     println!("{} of some {all} bytes", progress.done_bytes);
/// }
/// println!("{} bytes", work.await?.bytes);
/// # Ok(())
/// # }
/// ```
#[must_use = "what comes of it, an error included, is known to who awaits it"]
pub struct Working<T, E> {
    done: JoinHandle<Result<(T, Taken), E>>,
    progress: watch::Receiver<WorkProgress>,
    panicked: fn(String) -> E,
}

impl<T, E> std::fmt::Debug for Working<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Working")
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

impl<T, E> Working<T, E> {
    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> WorkProgress {
        *self.progress.borrow()
    }

    /// Waits until it is further, and says how far; `None` once it is done. What comes faster than it is asked for is not
    /// waited for. Cancel safe.
    pub async fn further(&mut self) -> Option<WorkProgress> {
        self.progress.changed().await.ok()?;
        Some(*self.progress.borrow_and_update())
    }
}

impl<T: Send + 'static, E: Send + 'static> Working<T, E> {
    /// Begins it, on a thread that may wait for the disk.
    pub(crate) fn begin(
        runtime: &Handle,
        panicked: fn(String) -> E,
        work: impl FnOnce(Meter) -> Result<T, E> + Send + 'static,
    ) -> Self {
        let work = |meter| Ok((work(meter)?, Box::new(|| {}) as Taken));
        Self::begin_to_hand_over(runtime, panicked, work)
    }

    /// As [`Working::begin`], with what is to be done once what comes of it is taken. If nobody takes it, that is dropped.
    pub(crate) fn begin_to_hand_over(
        runtime: &Handle,
        panicked: fn(String) -> E,
        work: impl FnOnce(Meter) -> Result<(T, Taken), E> + Send + 'static,
    ) -> Self {
        let (tell, progress) = watch::channel(WorkProgress::default());
        let meter = Meter { tell, unsaid: 0 };
        Self {
            done: runtime.spawn_blocking(move || work(meter)),
            progress,
            panicked,
        }
    }
}

impl<T, E> Future for Working<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let done = Pin::new(&mut self.done).poll(context);
        done.map(|done| {
            let (value, taken) = done.unwrap_or_else(|error| Err((self.panicked)(error.to_string())))?;
            taken();
            Ok(value)
        })
    }
}

/// Tells how far work is: not of each byte, which would cost more than the work.
pub(crate) struct Meter {
    tell: watch::Sender<WorkProgress>,
    unsaid: u64,
}

impl Meter {
    const SAY_EVERY_BYTES: u64 = 64 * 1024;

    /// It begins, or begins anew, with so many bytes to go.
    pub(crate) fn begin(&mut self, all_bytes: u64) {
        self.unsaid = 0;
        self.tell.send_replace(WorkProgress {
            done_bytes: 0,
            all_bytes: Some(all_bytes),
        });
    }

    pub(crate) fn advance(&mut self, bytes: u64) {
        self.unsaid = self.unsaid.saturating_add(bytes);
        if self.unsaid >= Self::SAY_EVERY_BYTES {
            self.say();
        }
    }

    fn say(&mut self) {
        let more = std::mem::take(&mut self.unsaid);
        self.tell.send_if_modified(|progress| {
            let done = progress.done_bytes.saturating_add(more);
            // What was estimated is not to be exceeded.
            progress.done_bytes = progress.all_bytes.map_or(done, |all| done.min(all));
            more > 0
        });
    }

    /// All of it is done.
    pub(crate) fn finish(mut self) {
        self.say();
        self.tell.send_if_modified(|progress| {
            let all = progress.all_bytes.unwrap_or(progress.done_bytes);
            let done = WorkProgress {
                done_bytes: all,
                all_bytes: Some(all),
            };
            std::mem::replace(progress, done) != done
        });
    }
}

/// Something that is read, and says how much of it was.
pub(crate) struct Metered<R> {
    from: R,
    pub(crate) meter: Meter,
}

impl<R> Metered<R> {
    pub(crate) const fn new(from: R, meter: Meter) -> Self {
        Self { from, meter }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.meter.advance(read as u64);
        Ok(read)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.from.seek(to)
    }
}
