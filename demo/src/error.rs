//! Why a command did not do what it was asked: what happened, why, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use cuecard::export::{ExportError, ImportError};
use cuecard::store::StoreError;
use cuecard::transport::DialError;
use cuecard::{
    AdmitError, AudioError, DeckError, DraftError, EditError, HistoryError, InviteError, LateError, OpError,
    OpenError, RoleError, StoreHasFailed, UndoError,
};
use serde::{Deserialize, Serialize};

use crate::home::Holder;
use crate::text::harmless;

const LOST_ALL: &str = "the disk has lost what was saved, and no deck is left here; `cuecard doctor` looks at it. What other \
    devices have of the decks comes back by `cuecard join` or `cuecard import`";

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The engine could not be opened.
    #[error("{}", opened(.0))]
    Open(#[from] OpenError),
    /// A deck could not be read.
    #[error(transparent)]
    Deck(#[from] DeckError),
    /// A point of the past could not be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// What was written may not be durable.
    #[error(transparent)]
    Failed(#[from] StoreHasFailed),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An edit was refused.
    #[error(transparent)]
    Edit(EditError),
    /// An op was refused.
    #[error(transparent)]
    Op(#[from] OpError),
    /// Nothing was undone.
    #[error(transparent)]
    Undo(UndoError),
    /// Nothing was done with a draft.
    #[error(transparent)]
    Draft(DraftError),
    /// The role was not moved.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// A device was not let in.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// No invite was made.
    #[error(transparent)]
    Invite(#[from] InviteError),
    /// Late work was not accepted.
    #[error(transparent)]
    Late(#[from] LateError),
    /// Audio could not be kept or read.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A deck was not written to a file.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A file was not taken in.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// No link was made.
    #[error("{}", dialled(.0))]
    Dial(#[from] DialError),
    /// Only the editor may.
    #[error(
        "only the editor may change this deck, and that is {}; `cuecard role request` asks for the role, and `cuecard \
         draft new NOTE` begins a draft, which `--draft` then changes in place of the deck", harmless(.holder)
    )]
    NotEditor {
        /// Who is.
        holder: String,
    },
    /// There is nobody to ask where data goes.
    #[error(
        "there is no home folder to keep data in: neither XDG_DATA_HOME nor HOME names one; say where with --data-dir \
         or CUECARD_DATA_DIR"
    )]
    NoHome,
    /// A folder could not be used.
    #[error("the folder {} cannot be used: {error}; check its path and permissions", .folder.display())]
    Folder {
        /// Which one.
        folder: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file could not be used.
    #[error("{} cannot be used: {error}; check its path and permissions", .file.display())]
    File {
        /// Which one.
        file: PathBuf,
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
        "there is no device in {}: nothing was made there yet; `cuecard new TITLE` begins a deck, `cuecard join` takes one \
         from another device, and --data-dir names another folder", .folder.display()
    )]
    NoDevice {
        /// Which one.
        folder: PathBuf,
    },
    /// Another process has the folder open.
    #[error(
        "{} is in use by {}, which does not take commands at present; wait for it or end it, or name another folder with \
         --data-dir", .folder.display(), held(.holder.as_ref())
    )]
    Busy {
        /// Which folder.
        folder: PathBuf,
        /// Who has it.
        holder: Option<Holder>,
    },
    /// A running peer is there already.
    #[error("{} keeps this device linked already; `cuecard status` shows how it stands", held(.holder.as_ref()))]
    AlreadyUp {
        /// Who.
        holder: Option<Holder>,
    },
    /// The running peer speaks another version.
    #[error(
        "the running peer is of another version of cuecard than this command; end it and start it again with this one"
    )]
    OtherVersion,
    /// The running peer is gone.
    #[error("the running peer ended before it was done; what it had acknowledged is on disk: try again")]
    PeerGone,
    /// Only the running peer has links.
    #[error("this needs links, and this command has none; a bug of cuecard")]
    NoLinks,
    /// A device follows no deck.
    #[error(
        "there is no deck here yet; `cuecard new TITLE` begins one, and `cuecard join` takes one from another device"
    )]
    NoDeck,
    /// The deck that is meant cannot be opened.
    #[error("{told}. `cuecard decks` lists it, and `cuecard remove --deck {deck}` removes it")]
    DamagedDeck {
        /// The beginning of its id.
        deck: String,
        /// What is wrong with it, and what can be done.
        told: String,
    },
    /// The disk has lost what was there.
    #[error("{}", LOST_ALL)]
    LostAll,
    /// Several decks, and none was named; or several that fit.
    #[error("which deck? Name one with --deck, by title or by the beginning of its id:\n{}", .0.join("\n"))]
    WhichDeck(Vec<String>),
    /// No deck is called so.
    #[error("no deck here has the title {:?}, or an id that begins so; there are:\n{}", harmless(.asked), .known.join("\n"))]
    NoSuchDeck {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No card is called so.
    #[error(
        "no card has the front {:?}, an id that begins so, or that number; `cuecard list` shows the cards", harmless(.0)
    )]
    NoCard(String),
    /// Several cards are.
    #[error("which card? {:?} fits several; name one by its id:\n{}", harmless(.asked), .fit.join("\n"))]
    WhichCard {
        /// What was asked for.
        asked: String,
        /// Those that fit.
        fit: Vec<String>,
    },
    /// No draft is called so.
    #[error("no draft here has the note {:?}, or an id that begins so; `cuecard draft list` shows them", harmless(.0))]
    NoDraft(String),
    /// Several drafts are.
    #[error("which draft? {:?} fits several; name one by its id:\n{}", harmless(.asked), .fit.join("\n"))]
    WhichDraft {
        /// What was asked for.
        asked: String,
        /// Those that fit.
        fit: Vec<String>,
    },
    /// No device is called so.
    #[error("no one device here is called {:?}, or has an id that begins so; there are:\n{}", harmless(.asked), .known.join("\n"))]
    NoSuchDevice {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A head that no deck has.
    #[error(
        "no entry begins with {0:?}, or several do; `cuecard log` lists them, and eight characters are enough"
    )]
    NoEntry(String),
    /// No audio, or several pieces.
    #[error("{0}")]
    NoAudio(String),
    /// What was typed cannot be done.
    #[error("{0}")]
    Usage(String),
    /// A code came by the command line.
    #[error(
        "this code carries the deck's key, and every user of this machine can read command lines, as can whoever sees your \
         shell's history; run `cuecard join` and paste the code there, or write it to its standard input. If others use \
         this machine, ask for a new offer: this one is no longer secret"
    )]
    CodeInArguments,
    /// No code came.
    #[error("standard input ended before a code came; run it again and paste the code when it is asked for")]
    NoCode,
    /// A person said no.
    #[error("nothing was done")]
    NotWanted,
    /// A person would have to be asked.
    #[error("{0} Say --yes to do it without being asked")]
    NobodyToAsk(String),
    /// Somebody ended it.
    #[error("interrupted")]
    Interrupted(u8),
    /// What was looked at is not well.
    #[error("{1}")]
    NotWell(Kind, String),
    /// What another process said.
    #[error("{}", .0.message)]
    Said(Failure),
    /// A process of the demo could not be started.
    #[error("a process for the {name} cannot be started: {error}")]
    Start {
        /// Which device.
        name: String,
        /// What the system said.
        error: io::Error,
    },
    /// A process of the demo ended when it should not have.
    #[error("the process of the {0} ended unexpectedly; run again with --verbose to see why")]
    Ended(String),
    /// A process of the demo did not do what it was asked.
    #[error("{name}: {message}")]
    Refused {
        /// Which device.
        name: String,
        /// What it said.
        message: String,
    },
    /// What a process of the demo said cannot be understood.
    #[error("the process of the {name} gave an answer that cannot be read: {error}")]
    Answer {
        /// Which device.
        name: String,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// A peer was sent something that is no request.
    #[error("a line on standard input is no request: {0}; this command is started by `cuecard demo`")]
    Request(serde_json::Error),
    /// Standard input or output failed.
    #[error("standard input or output failed: {0}")]
    Pipe(io::Error),
    /// The system has no randomness to give.
    #[error("no randomness for a seed: {0}; name one with --seed")]
    Random(getrandom::Error),
    /// Output could not be written as JSON.
    #[error("the result cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The demo within the page could not be made.
    #[error("the two devices of the demo could not be set up: {0}")]
    Demo(String),
    /// The page cannot be served.
    #[error("the page cannot be served: {0}; choose another --port, or none")]
    Listen(io::Error),
    /// Something did not happen in time.
    #[error("{0}")]
    TooLate(String),
    /// A task of this process did not end well.
    #[error("a part of this command failed in a way that is a bug of cuecard: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// What kind of failure, as the exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Anything else.
    Failed,
    /// The command line cannot be understood, or asks for what cannot be.
    Usage,
    /// Another device is the editor, or has the right that this needs.
    NotEditor,
    /// No path to the other device.
    Unreachable,
    /// Data is damaged.
    Damaged,
    /// Another process has the data folder.
    Busy,
    /// There is no such deck, card, draft, entry or device.
    NotFound,
    /// The disk is full, or may not be read or written.
    Disk,
}

impl Kind {
    /// All of them, with what help says of each.
    pub(crate) const ALL: [(Self, &'static str); 8] = [
        (
            Self::Failed,
            "something went wrong; standard error says what, why, and what to do",
        ),
        (
            Self::Usage,
            "the command line cannot be understood, or asks for what cannot be",
        ),
        (
            Self::NotEditor,
            "another device is the editor, or has the right that this needs",
        ),
        (Self::Unreachable, "the other device cannot be reached"),
        (Self::Damaged, "data is damaged; `cuecard doctor` looks at it"),
        (Self::Busy, "another process has the data folder"),
        (
            Self::NotFound,
            "there is no such deck, card, draft, entry or device",
        ),
        (Self::Disk, "the disk is full, or may not be read or written"),
    ];

    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotEditor => 3,
            Self::Unreachable => 4,
            Self::Damaged => 5,
            Self::Busy => 6,
            Self::NotFound => 7,
            Self::Disk => 8,
        }
    }
}

/// A failure on its way to whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// For the exit code.
    pub(crate) kind: Kind,
    /// For people.
    pub(crate) message: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Said(failure) => failure,
            error => Self {
                kind: error.kind(),
                message: error.to_string(),
            },
        }
    }
}

impl From<EditError> for Error {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Deck(error) => error.into(),
            EditError::Op(error) => error.into(),
            EditError::Store(error) => error.into(),
            error => Self::Edit(error),
        }
    }
}

impl From<UndoError> for Error {
    fn from(error: UndoError) -> Self {
        match error {
            UndoError::Edit(error) => error.into(),
            error => Self::Undo(error),
        }
    }
}

impl From<DraftError> for Error {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::Edit(error) => error.into(),
            error => Self::Draft(error),
        }
    }
}

impl Error {
    pub(crate) fn folder(folder: &Path, error: io::Error) -> Self {
        Self::Folder {
            folder: folder.to_owned(),
            error,
        }
    }

    pub(crate) fn file(file: &Path, error: io::Error) -> Self {
        Self::File {
            file: file.to_owned(),
            error,
        }
    }

    /// What is wrong with the deck as a whole, whatever was asked of it.
    const fn of_deck(&self) -> Option<&DeckError> {
        match self {
            Self::Deck(error)
            | Self::History(HistoryError::Deck(error))
            | Self::Role(RoleError::Deck(error))
            | Self::Admit(AdmitError::Deck(error))
            | Self::Invite(InviteError::Deck(error))
            | Self::Audio(AudioError::Deck(error))
            | Self::Export(ExportError::Deck(error))
            | Self::Import(ImportError::Deck(error)) => Some(error),
            _ => None,
        }
    }

    /// Which kind of failure it is.
    pub(crate) fn kind(&self) -> Kind {
        match self.of_deck() {
            Some(DeckError::Unknown(_)) => return Kind::NotFound,
            Some(DeckError::Damaged(_)) => return Kind::Damaged,
            Some(DeckError::NotHereYet(_)) => return Kind::Unreachable,
            Some(_) => return Kind::Failed,
            None => {}
        }
        match self {
            Self::Open(OpenError::Store(error)) | Self::Store(error) => kind_of_store(error),
            Self::Open(OpenError::Folder { error, .. }) | Self::Folder { error, .. } => kind_of_io(error),
            Self::Open(OpenError::Identity(error)) => kind_of_identity(error),
            Self::Open(OpenError::Load(_)) | Self::DamagedDeck { .. } | Self::LostAll => Kind::Damaged,
            Self::File { error, .. } if error.kind() == io::ErrorKind::NotFound => Kind::NotFound,
            Self::File { error, .. } => kind_of_io(error),
            Self::Export(ExportError::Io(error)) => kind_of_io(error),
            Self::Export(ExportError::Damaged)
            | Self::Import(ImportError::File(_) | ImportError::Refused(_)) => Kind::Damaged,
            Self::Failed(_)
            | Self::Audio(_)
            | Self::Export(ExportError::Store(_))
            | Self::Import(ImportError::Store(_) | ImportError::Audio(_)) => Kind::Disk,
            Self::NotEditor { .. }
            | Self::Edit(EditError::NotEditor { .. })
            | Self::Role(
                RoleError::NotEditor
                | RoleError::NotOwner
                | RoleError::MayNotHold(_)
                | RoleError::NotCaughtUp,
            )
            | Self::Admit(AdmitError::MayNotHold)
            | Self::Invite(InviteError::MayNotHold) => Kind::NotEditor,
            Self::Dial(DialError::NoPath { .. } | DialError::Proof(_)) => Kind::Unreachable,
            Self::TooLate(_) => Kind::Unreachable,
            Self::Dial(DialError::Code(_) | DialError::Route)
            | Self::Usage(_)
            | Self::CodeInArguments
            | Self::WhichDeck(_)
            | Self::WhichCard { .. }
            | Self::WhichDraft { .. }
            | Self::NobodyToAsk(_)
            | Self::NoCode
            | Self::NoHome => Kind::Usage,
            Self::Busy { .. } | Self::AlreadyUp { .. } => Kind::Busy,
            Self::NoDevice { .. }
            | Self::NoDeck
            | Self::NoSuchDeck { .. }
            | Self::NoCard(_)
            | Self::NoDraft(_)
            | Self::NoSuchDevice { .. }
            | Self::NoEntry(_)
            | Self::NoAudio(_)
            | Self::History(_)
            | Self::Draft(DraftError::Unknown(_)) => Kind::NotFound,
            Self::NotWell(kind, _) => *kind,
            Self::Said(failure) => failure.kind,
            _ => Kind::Failed,
        }
    }
}

const fn kind_of_store(error: &StoreError) -> Kind {
    match error {
        StoreError::InUse { .. } => Kind::Busy,
        StoreError::Corrupt { .. } | StoreError::Damaged { .. } | StoreError::Format { .. } => Kind::Damaged,
        StoreError::NoSpace { .. } | StoreError::NotAllowed { .. } | StoreError::Io { .. } => Kind::Disk,
        _ => Kind::Failed,
    }
}

const fn kind_of_identity(error: &cuecard::identity::IdentityError) -> Kind {
    match error {
        cuecard::identity::IdentityError::Io { .. } => Kind::Disk,
        cuecard::identity::IdentityError::Form { .. } => Kind::Damaged,
        _ => Kind::Failed,
    }
}

fn kind_of_io(error: &io::Error) -> Kind {
    use io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge | PermissionDenied | ReadOnlyFilesystem => Kind::Disk,
        _ => Kind::Failed,
    }
}

/// The library says what to do in calls; people want commands.
fn opened(error: &OpenError) -> String {
    match error {
        OpenError::Store(StoreError::Damaged { folder, why }) => format!(
            "the data in {} is damaged and cannot be opened as it is ({why}); `cuecard doctor` looks at it, and `cuecard \
             doctor --repair` sets aside what is damaged",
            folder.display()
        ),
        error => error.to_string(),
    }
}

fn dialled(error: &DialError) -> String {
    match error {
        DialError::NoPath { waited_ms } => format!(
            "no path to the other device was found within {} s; bring both into one network, use a relay that both reach \
             (--turn), or carry the deck across as a file (`cuecard export`)",
            waited_ms / 1000
        ),
        error => error.to_string(),
    }
}

fn held(holder: Option<&Holder>) -> String {
    holder.map_or_else(
        || "another process".to_owned(),
        |holder| format!("process {} (`{}`)", holder.pid, harmless(&holder.command)),
    )
}
