//! Being ended by somebody: Ctrl-C, or SIGTERM.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::error::Error;

/// As a shell says it of what SIGINT ended.
pub(crate) const INTERRUPTED: u8 = 130;
/// As a shell says it of what SIGTERM ended.
#[cfg(unix)]
const TERMINATED: u8 = 143;

/// How often somebody wanted an end, and the code of the last time.
type Wishes = watch::Receiver<(u64, u8)>;

/// Those that were answered.
static ANSWERED: AtomicU64 = AtomicU64::new(0);

/// Does something, unless somebody ends it before.
///
/// # Errors
/// [`Error::Interrupted`]; and what the thing itself says.
pub(crate) async fn unless_ended<T>(doing: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    // Before the thing says anything to which Ctrl-C may be the answer.
    wishes();
    tokio::select! {
        biased;
        code = ended() => Err(Error::Interrupted(code)),
        done = doing => done,
    }
}

/// Waits until somebody ends this; how a shell says that. Each time is an answer to one wish: what comes between two things
/// that are done ends the second.
pub(crate) async fn ended() -> u8 {
    let mut wishes = wishes();
    let wish = wishes.wait_for(|(count, _)| *count > ANSWERED.load(Ordering::Relaxed));
    let wish = wish.await.map(|wish| *wish);
    match wish {
        Ok((count, code)) => {
            ANSWERED.store(count, Ordering::Relaxed);
            code
        }
        // Where nothing can be listened to, the system's own way of ending a process stands.
        Err(_) => std::future::pending().await,
    }
}

/// Listened to once, for as long as the process lives: somebody who listened anew for each thing would miss what comes in
/// between.
fn wishes() -> Wishes {
    static WISHES: OnceLock<Wishes> = OnceLock::new();
    WISHES.get_or_init(listen).clone()
}

#[cfg(unix)]
fn listen() -> Wishes {
    use tokio::signal::unix::{SignalKind, signal};
    let (wish, wishes) = watch::channel((0, 0));
    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
    if let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) {
        tokio::spawn(async move {
            loop {
                let code = tokio::select! {
                    Some(()) = interrupt.recv() => INTERRUPTED,
                    Some(()) = terminate.recv() => TERMINATED,
                    else => return,
                };
                wish.send_modify(|(count, last)| (*count, *last) = (*count + 1, code));
            }
        });
    }
    wishes
}

#[cfg(not(unix))]
fn listen() -> Wishes {
    let (wish, wishes) = watch::channel((0, 0));
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            wish.send_modify(|(count, last)| (*count, *last) = (*count + 1, INTERRUPTED));
        }
    });
    wishes
}
