//! The local socket, from inside: other commands of this user ask the running peer.
//!
//! One conversation a connection, one JSON value a line: first a request, then whatever is pasted; back come happenings and
//! the end. Hanging up ends what was asked. Only who has the data folder open makes the socket, so one that is there before
//! is left over from a process that is gone.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use crate::act;
use crate::ask::VERSION;
use crate::ask::talk::{Request, Said, begin};
use crate::error::Error;

use super::Node;

/// Text of a card has 64 KiB at the most, and JSON may take six bytes for one.
pub(super) const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What a peer of ours tells: the whole history of a deck is the longest.
pub(super) const ANSWER_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Commands at a time: far more than a person starts.
const CONVERSATIONS_MAX: usize = 64;

/// The open door. Dropping it closes it, and ends the conversations.
pub(super) struct Door {
    path: PathBuf,
    task: AbortHandle,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
        // It is ours for as long as we have the data folder open.
        let _ = fs::remove_file(&self.path);
    }
}

impl Door {
    pub(super) fn open(node: &Arc<Node>) -> Result<Self, Error> {
        let path = node.home().socket();
        let listener = bind(&path).map_err(|error| Error::file(&path, error))?;
        let owner = fs::metadata(node.home().folder()).map_or(0, |about| about.uid());
        let task = tokio::spawn(let_in(listener, owner, node.clone()));
        Ok(Self {
            path,
            task: task.abort_handle(),
        })
    }
}

/// Under another name first: nobody sees the socket before it is its user's alone, and one that is left over is replaced
/// in one step.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&temporary)?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o600))?;
    fs::rename(&temporary, path)?;
    Ok(listener)
}

async fn let_in(listener: UnixListener, owner: u32, node: Arc<Node>) {
    let room = Arc::new(Semaphore::new(CONVERSATIONS_MAX));
    let mut talking = JoinSet::new();
    loop {
        let Ok(seat) = room.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, say: the next one may find some.
                tracing::warn!(%error, "a command could not be let in");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        while talking.try_join_next().is_some() {}
        if !is_user(&stream, owner) {
            tracing::warn!("a command of another user was turned away");
            continue;
        }
        let node = node.clone();
        talking.spawn(async move {
            if let Err(error) = converse(stream, &node).await {
                tracing::debug!(%error, "a conversation ended early");
            }
            drop(seat);
        });
    }
}

/// Whether whoever is at the other end is who owns the data folder, or may do anything.
pub(super) fn is_user(stream: &UnixStream, owner: u32) -> bool {
    stream
        .peer_cred()
        .is_ok_and(|who| who.uid() == owner || who.uid() == 0)
}

async fn converse(stream: UnixStream, node: &Arc<Node>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let Some(line) = read_line(&mut read, LINE_BYTES_MAX).await? else {
        return Ok(());
    };
    let request = match serde_json::from_slice::<Request>(&line) {
        Ok(request) if request.version == VERSION => request,
        _ => {
            let said = Said::from(Err(Error::OtherVersion));
            return write_line(&mut write, &said).await;
        }
    };
    let node = node.clone();
    let mut conversation = begin(move |mut talk| async move {
        let outcome = act::perform(&node, request.ask, &mut talk).await;
        talk.end(outcome).await;
    });
    let (pasting, mut pasted) = mpsc::channel(1);
    // A task of its own: a line is read whole or not at all.
    let mut reading = JoinSet::new();
    reading.spawn(read_pasted(read, pasting));
    loop {
        tokio::select! {
            said = conversation.next() => match said {
                Some(said) => {
                    let is_last = !matches!(said, Said::Happens(_));
                    write_line(&mut write, &said).await?;
                    if is_last {
                        return write.shutdown().await;
                    }
                }
                None => return Ok(()),
            },
            line = pasted.recv() => match line {
                Some(line) => conversation.paste(line).await,
                // Whoever asked has hung up: dropping the conversation ends what was asked.
                None => return Ok(()),
            },
        }
    }
}

async fn read_pasted(mut read: BufReader<OwnedReadHalf>, pasting: mpsc::Sender<String>) {
    while let Ok(Some(line)) = read_line(&mut read, LINE_BYTES_MAX).await {
        let Ok(pasted) = serde_json::from_slice::<String>(&line) else {
            return;
        };
        if pasting.send(pasted).await.is_err() {
            return;
        }
    }
}

/// A line without its end; `None` at the end of all.
pub(super) async fn read_line<R: AsyncBufRead + Unpin>(
    read: &mut R,
    bytes_max: u64,
) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    read.take(bytes_max).read_until(b'\n', &mut line).await?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => Err(io::Error::other("a line was cut short, or is longer than may be")),
    }
}

pub(super) async fn write_line<T: serde::Serialize>(write: &mut OwnedWriteHalf, value: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    write.write_all(&line).await
}
