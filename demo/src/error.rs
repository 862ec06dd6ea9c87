//! Why a command did not do what it was asked: what happened, why, and what to do.

use std::io;
use std::path::PathBuf;

use cuecard::{DeckError, OpenError, StoreHasFailed};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The engine could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A deck could not be read.
    #[error(transparent)]
    Deck(#[from] DeckError),
    /// What was written may not be durable.
    #[error(transparent)]
    Store(#[from] StoreHasFailed),
    /// A folder could not be used.
    #[error("the folder {} cannot be used: {error}; check its path and permissions", .folder.display())]
    Folder {
        /// Which one.
        folder: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A folder for new data has something in it.
    #[error("{} is not empty, and what is in it stays as it is; name a new or an empty folder", .folder.display())]
    NotEmpty {
        /// Which one.
        folder: PathBuf,
    },
    /// A folder has no device in it.
    #[error(
        "there is no device in {}; `cuecard demo --keep DIR` makes two, in DIR/laptop and DIR/phone", .folder.display()
    )]
    NoDevice {
        /// Which one.
        folder: PathBuf,
    },
    /// A device follows no deck.
    #[error("the device in {} has no deck", .folder.display())]
    NoDeck {
        /// Which folder.
        folder: PathBuf,
    },
    /// A head that no deck has.
    #[error(
        "no entry begins with {0:?}, or several do; `cuecard log` lists them, and eight characters are enough"
    )]
    NoEntry(String),
    /// A process of the demo could not be started.
    #[error("a process for the {name} cannot be started: {error}")]
    Start {
        /// Which device.
        name: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// A process of the demo ended when it should not have.
    #[error("the process of the {0} ended unexpectedly; run again with --verbose to see why")]
    Ended(&'static str),
    /// A process of the demo did not do what it was asked.
    #[error("{name}: {message}")]
    Refused {
        /// Which device.
        name: &'static str,
        /// What it said.
        message: String,
    },
    /// What a process of the demo said cannot be understood.
    #[error("the process of the {name} gave an answer that cannot be read: {error}")]
    Answer {
        /// Which device.
        name: &'static str,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// A peer was sent something that is no request.
    #[error("a line on standard input is no request: {0}; this command is started by `cuecard demo`")]
    Request(serde_json::Error),
    /// Standard input or output failed.
    #[error("standard input or output failed: {0}")]
    Pipe(io::Error),
    /// A peer could not end well.
    #[error("{0}")]
    Peer(String),
    /// The system has no randomness to give.
    #[error("no randomness for a seed: {0}; name one with --seed")]
    Random(getrandom::Error),
    /// Output could not be written as JSON.
    #[error("the result cannot be written as JSON: {0}")]
    Json(serde_json::Error),
    /// Something did not happen in time.
    #[error("{0}")]
    Late(String),
}
