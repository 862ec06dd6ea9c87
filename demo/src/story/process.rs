//! A process that plays one device: started, asked, killed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::error::{Error, Failure};
use crate::peer::protocol::{Do, Outcome, Reply, Request};

/// How long a process may take to close its store and end.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// A running process, or one that has ended.
pub(super) struct Process {
    pid: u32,
    requests: mpsc::UnboundedSender<String>,
    pending: Pending,
    next_id: AtomicU64,
    gone: watch::Receiver<bool>,
    kill: Arc<Notify>,
}

/// Who waits for which reply.
type Pending = Arc<Mutex<BTreeMap<u64, oneshot::Sender<Outcome>>>>;

/// Why a request has no good answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The process has ended.
    Gone,
    /// It said why not.
    Refused(Failure),
}

impl Process {
    /// Starts this very program as a peer. It dies with this process.
    pub(super) fn start(name: &'static str, data_folder: &Path, verbose: bool) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::Start {
            name: name.to_owned(),
            error,
        };
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        if verbose {
            command.arg("--verbose");
        }
        command
            .arg("peer")
            .arg("--data-dir")
            .arg(data_folder)
            .arg("--name")
            .arg(name);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let no_pipe = || failed(io::Error::other("it has no pipes"));
        let input = child.stdin.take().ok_or_else(no_pipe)?;
        let output = child.stdout.take().ok_or_else(no_pipe)?;
        let pid = child.id().ok_or_else(no_pipe)?;
        let (requests, queue) = mpsc::unbounded_channel();
        let (ended, gone) = watch::channel(false);
        let (pending, kill) = (Pending::default(), Arc::new(Notify::new()));
        tokio::spawn(write_requests(input, queue));
        let replies = read_replies(BufReader::new(output).lines(), pending.clone());
        tokio::spawn(mind(child, kill.clone(), replies, pending.clone(), ended));
        Ok(Self {
            pid,
            requests,
            pending,
            next_id: AtomicU64::new(1),
            gone,
            kill,
        })
    }

    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    /// Asks, and waits for the answer or the end of the process.
    pub(super) async fn ask(&self, what: Do) -> Result<Value, Unanswered> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let line = serde_json::to_string(&Request { id, what }).map_err(|_| Unanswered::Gone)?;
        let (told, reply) = oneshot::channel();
        lock(&self.pending).insert(id, told);
        // Whoever is gone takes no requests; one that was inserted after the end would wait for ever.
        if self.requests.send(line).is_err() || *self.gone.borrow() {
            return Err(Unanswered::Gone);
        }
        match reply.await {
            Ok(Outcome::Ok(value)) => Ok(value),
            Ok(Outcome::Err(refused)) => Err(Unanswered::Refused(refused)),
            Err(_) => Err(Unanswered::Gone),
        }
    }

    /// SIGKILL: no warning, nothing is flushed.
    pub(super) fn kill(&self) {
        self.kill.notify_one();
    }

    pub(super) fn is_gone(&self) -> bool {
        *self.gone.borrow()
    }

    /// Returns once the process has ended and was waited for, so that its folder is free.
    pub(super) async fn gone(&self) {
        // An error means that nobody minds the process any more, which is after its end.
        let _ = self.gone.clone().wait_for(|gone| *gone).await;
    }

    /// Has it close everything and end; kills it if it does not.
    pub(super) async fn stop(&self) -> bool {
        let closed = timeout(STOP_WITHIN, self.ask(Do::Stop)).await;
        let ended = timeout(STOP_WITHIN, self.gone()).await;
        self.kill();
        self.gone().await;
        matches!(closed, Ok(Ok(_))) && ended.is_ok()
    }
}

async fn write_requests(mut input: ChildStdin, mut queue: mpsc::UnboundedReceiver<String>) {
    while let Some(line) = queue.recv().await {
        let line = line + "\n";
        if input.write_all(line.as_bytes()).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
}

async fn read_replies(mut lines: Lines<BufReader<ChildStdout>>, pending: Pending) {
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str::<Reply>(&line) {
            Ok(reply) => {
                if let Some(told) = lock(&pending).remove(&reply.id) {
                    // Whoever asked may have given up.
                    let _ = told.send(reply.what);
                }
            }
            Err(error) => tracing::error!(%error, "a line that is no reply"),
        }
    }
}

/// Waits for the end of a process, by itself or by being killed, and lets everybody know.
async fn mind(
    mut child: Child,
    kill: Arc<Notify>,
    replies: impl Future<Output = ()>,
    pending: Pending,
    ended: watch::Sender<bool>,
) {
    let ending = async {
        tokio::select! {
            _ = child.wait() => {}
            () = kill.notified() => {
                // Fails only when it has ended already.
                let _ = child.kill().await;
            }
        }
    };
    // Both: what it said before it ended counts.
    tokio::join!(ending, replies);
    ended.send_replace(true);
    lock(&pending).clear();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
