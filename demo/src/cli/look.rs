//! Looking at decks and their history.

use std::path::PathBuf;

use clap::Args;

use super::cards::InDraft;

/// The decks on this device.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cuecard decks")]
pub(crate) struct Decks {}

/// The cards of the deck, one a line.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard list
  cuecard list --tag greetings --json")]
pub(crate) struct List {
    /// Those with this tag alone.
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    #[command(flatten)]
    pub(crate) draft: InDraft,
}

/// The deck with its editor, members and cards; or one card, with all of it.
///
/// Now, or as it was at any entry.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard show
  cuecard show hola
  cuecard show --at 1f9cb67e")]
pub(crate) struct Show {
    /// A card: its front, its number, or its id or the beginning of it.
    pub(crate) card: Option<String>,
    /// As it was at an entry: the beginning of its hash, from `cuecard log`.
    #[arg(long, value_name = "ENTRY")]
    pub(crate) at: Option<String>,
    /// As the author of this draft sees it: its note, or the beginning of its id.
    #[arg(
        long = "draft",
        value_name = "DRAFT",
        requires = "card",
        conflicts_with = "at"
    )]
    pub(crate) draft: Option<String>,
}

/// Write the audio of a card to a file.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cuecard audio hola hola.webm")]
pub(crate) struct Audio {
    /// The card: its front, its number, or its id or the beginning of it.
    pub(crate) card: String,
    /// The file; one that is there is not written over.
    pub(crate) file: PathBuf,
    /// Which of its audio, where it has several pieces.
    #[arg(long, value_name = "NAME")]
    pub(crate) slot: Option<String>,
}

/// Who did what, when (UTC), in which term, and what merged where; the newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard log --limit 20
  cuecard log --graph")]
pub(crate) struct Log {
    /// Draw it: a lane a device, drafts to the side, runs of edits joined.
    #[arg(long)]
    pub(crate) graph: bool,
    /// With --graph: a row an entry.
    #[arg(long, requires = "graph")]
    pub(crate) full: bool,
    /// So many entries at the most.
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// What differs between two points of the history, card by card.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard diff 1f9cb67e
  cuecard diff 1f9cb67e 7d20aa41")]
pub(crate) struct Diff {
    /// The earlier: the beginning of an entry's hash, from `cuecard log`.
    #[arg(value_name = "A")]
    pub(crate) before: String,
    /// The later [default: now].
    #[arg(value_name = "B")]
    pub(crate) after: Option<String>,
}

/// Who wrote what of a card, piece by piece.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cuecard blame \"la casa\"")]
pub(crate) struct Blame {
    /// The card: its front, its number, or its id or the beginning of it.
    pub(crate) card: String,
    /// As it was at an entry: the beginning of its hash, from `cuecard log`.
    #[arg(long, value_name = "ENTRY")]
    pub(crate) at: Option<String>,
}

/// A page in the browser that shows all of this: history, past, drafts, devices.
///
/// It is served to this machine alone, and keeps the devices that are known linked, as `cuecard up` does; where `cuecard up`
/// runs already, that process serves the page until Ctrl-C ends this one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard inspect
  cuecard inspect --demo
  cuecard inspect --no-open --port 4321")]
pub(crate) struct Inspect {
    /// Two devices made up for the occasion, with a link between them to cut; nothing of them is kept.
    #[arg(long)]
    pub(crate) demo: bool,
    /// The port to serve at; without it, one that is free.
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Only print the address; open no browser.
    #[arg(long)]
    pub(crate) no_open: bool,
    #[command(flatten)]
    pub(crate) network: super::others::NetworkArgs,
}
