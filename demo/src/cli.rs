//! What can be typed.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::text::Paint;

const AFTER_HELP: &str = "\
Data goes to standard output, everything else to standard error.

Exit codes:
    0  done; for `demo`: every check was made, and is so
    1  something went wrong; standard error says what, why, and what to do
    2  the command line cannot be understood
  130  interrupted

Environment:
    NO_COLOR  no colours, unless --color always
    RUST_LOG  what is logged to standard error, as `cuecard=debug`";

/// Decks of cards that edit offline and agree again: watch two devices do it, then look at what merged where.
#[derive(Debug, Parser)]
#[command(name = "cuecard", version, after_help = AFTER_HELP, max_term_width = 110)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
    /// Log to standard error; RUST_LOG says what.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Two devices, real WebRTC, a cut cable, offline edits, reconnection: then the merge history, drawn.
    Demo(Demo),
    /// Who did what, when (UTC), in which term, and what merged where.
    Log(Log),
    /// A deck: its cards, their audio, who may edit; now or at any entry.
    Show(Show),
    /// One device of the demo, told what to do by lines of JSON on standard input.
    #[command(hide = true)]
    Peer(Peer),
}

/// `cuecard demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Print one JSON object in place of the graph and the summary.
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep the data of the two devices, in DIR/laptop and DIR/phone. DIR must be new or empty.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Kill a random one of the two processes with SIGKILL at N random moments and start it again; the story must go
    /// on to the same end.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1000))]
    pub(crate) kills: u64,
    /// What the kills are drawn from. Without it, one is chosen and said.
    #[arg(long, value_name = "S", requires = "kills")]
    pub(crate) seed: Option<u64>,
}

/// `cuecard log`.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// Draw it: a lane a device, drafts to the side, runs of edits joined.
    #[arg(long)]
    pub(crate) graph: bool,
    /// With --graph: a row an entry.
    #[arg(long, requires = "graph")]
    pub(crate) full: bool,
    /// Print one JSON object.
    #[arg(long, conflicts_with = "graph")]
    pub(crate) json: bool,
    /// Where the device keeps its data.
    #[arg(long, value_name = "DIR", env = "CUECARD_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
}

/// `cuecard show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The cards as they were at an entry: the beginning of its hash, from `cuecard log`.
    #[arg(long, value_name = "HEAD")]
    pub(crate) at: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Where the device keeps its data.
    #[arg(long, value_name = "DIR", env = "CUECARD_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
}

/// `cuecard peer`.
#[derive(Debug, Args)]
pub(crate) struct Peer {
    /// Where the device keeps its data.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// What the device is called.
    #[arg(long)]
    pub(crate) name: String,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Even into a pipe.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// For what is written to `stream`.
    pub(crate) fn paint(self, stream: &impl IsTerminal) -> Paint {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Paint::new(match self {
            Self::Auto => stream.is_terminal() && !unwanted,
            Self::Always => true,
            Self::Never => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_secret_can_be_given_on_the_command_line() {
        let peer = Cli::command().find_subcommand("peer").cloned().unwrap();
        let arguments: Vec<String> = peer
            .get_arguments()
            .map(|argument| argument.get_id().to_string())
            .collect();
        assert_eq!(arguments, ["data_dir", "name"]);
    }
}
