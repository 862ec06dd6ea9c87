//! Being ended by somebody: Ctrl-C, or SIGTERM.

use crate::error::Error;

/// As a shell says it of what SIGINT ended.
pub(crate) const INTERRUPTED: u8 = 130;
/// As a shell says it of what SIGTERM ended.
#[cfg(unix)]
const TERMINATED: u8 = 143;

/// Does something, unless somebody ends it before.
///
/// # Errors
/// [`Error::Interrupted`]; and what the thing itself says.
pub(crate) async fn unless_ended<T>(doing: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::select! {
        done = doing => done,
        code = ended() => Err(Error::Interrupted(code)),
    }
}

/// Waits until somebody ends this; how a shell says that.
pub(crate) async fn ended() -> u8 {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // Where it cannot be listened to, the system's own way of ending a process stands.
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            return tokio::select! {
                code = interrupted() => code,
                _ = terminate.recv() => TERMINATED,
            };
        }
    }
    interrupted().await
}

async fn interrupted() -> u8 {
    match tokio::signal::ctrl_c().await {
        Ok(()) => INTERRUPTED,
        Err(_) => std::future::pending().await,
    }
}
