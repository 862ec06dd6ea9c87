//! A demo peer: one device in a process of its own, told what to do by lines of JSON.
//!
//! | file | subject |
//! |---|---|
//! | `protocol` | what is said |
//! | `device` | what is done |

mod device;
pub(crate) mod protocol;

use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use cuecard::Engine;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::error::Error;
use crate::home::Home;

use self::device::Device;
use self::protocol::{Do, Outcome, Reply, Request};

/// Runs a peer until it is told to stop, or whoever started it is gone.
///
/// # Errors
/// When the folder cannot be opened, or a line is no request.
pub(crate) async fn run(data_folder: &Path, name: &str) -> Result<(), Error> {
    let engine = Engine::builder().name(name).open(data_folder).await?;
    Home::at(data_folder)?.set_name(name)?;
    let device = Arc::new(Device::new(engine));
    let (replies, told) = mpsc::unbounded_channel();
    let (requests, mut asked) = mpsc::unbounded_channel();
    // Threads: reading and writing pipes blocks, and must hold up neither the engine nor its end.
    std::thread::spawn(move || read_requests(&requests));
    let writer = std::thread::spawn(move || write_replies(told));
    let mut answering = JoinSet::new();
    // The end of input: whoever started this is gone. Nothing is lost, everything acknowledged is durable.
    while let Some(request) = asked.recv().await {
        let request: Request = request?;
        let is_last = matches!(request.what, Do::Stop);
        let answer = answer(device.clone(), request, replies.clone());
        if is_last {
            // Requests that are still being answered get no reply: nobody waits for one any more.
            answering.shutdown().await;
            answer.await;
            drop(replies);
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
            return Ok(());
        }
        answering.spawn(answer);
    }
    device.shut_down().await
}

async fn answer(device: Arc<Device>, request: Request, replies: mpsc::UnboundedSender<Reply>) {
    let what = match device.act(request.what).await {
        Ok(value) => Outcome::Ok(value),
        Err(error) => Outcome::Err(error.into()),
    };
    // Nobody reads any more: the process is about to end.
    let _ = replies.send(Reply { id: request.id, what });
}

fn read_requests(requests: &mpsc::UnboundedSender<Result<Request, Error>>) {
    for line in io::stdin().lock().lines() {
        let request = line
            .map_err(Error::Pipe)
            .and_then(|line| serde_json::from_str(&line).map_err(Error::Request));
        if requests.send(request).is_err() {
            return;
        }
    }
}

fn write_replies(mut replies: mpsc::UnboundedReceiver<Reply>) {
    let mut out = io::stdout();
    while let Some(reply) = replies.blocking_recv() {
        let Ok(mut line) = serde_json::to_vec(&reply) else {
            continue;
        };
        line.push(b'\n');
        if out.write_all(&line).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}
