//! Files, health, the shell, and the demo.

use std::path::PathBuf;

use clap::Args;

/// Two devices, a cut cable, offline edits, reconnection: then the history, drawn.
///
/// Each device is a process with a folder and a key of its own; they link over real WebRTC, on this machine alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard demo
  cuecard demo --keep my-demo
  cuecard demo --inspect
  cuecard demo --devices 4 --json")]
pub(crate) struct Demo {
    /// Keep the data of the devices, each in a folder of its name in DIR. DIR must be new or empty.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// When it is told, show the page on it, with the cable to cut once more.
    #[arg(long)]
    pub(crate) inspect: bool,
    /// How many devices there are. Those beyond two only follow the deck.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=8))]
    pub(crate) devices: u8,
    /// Kill a random one of the first two processes with SIGKILL at N random moments and start it again; the story must go on to the
    /// same end.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1000))]
    pub(crate) kills: u64,
    /// What the kills are drawn from. Without it, one is chosen and said.
    #[arg(long, value_name = "S", requires = "kills")]
    pub(crate) seed: Option<u64>,
}

/// The deck as one file, for where no network path exists.
///
/// `cuecard import` takes it in, through the same checks as all that comes over a link.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard export spanish.cuecard
  cuecard export spanish.cuecard --key --without-audio")]
pub(crate) struct Export {
    /// The file.
    pub(crate) file: PathBuf,
    /// With the deck's key: whoever has the file can follow the deck. Secret, and the file is not encrypted.
    #[arg(long)]
    pub(crate) key: bool,
    /// Without the bytes of its audio.
    #[arg(long)]
    pub(crate) without_audio: bool,
}

/// Take in a deck from a file that `cuecard export` wrote. It merges like any device.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cuecard import spanish.cuecard")]
pub(crate) struct Import {
    /// The file.
    pub(crate) file: PathBuf,
}

/// What this device is called on other people's screens.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard name
  cuecard name \"Ann's laptop\"")]
pub(crate) struct Name {
    /// What it is called from now on.
    pub(crate) name: Option<String>,
}

/// Look at data, keys, permissions and the network; say what is wrong and what to do.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard doctor
  cuecard doctor --offline --json
  cuecard doctor --repair --yes")]
pub(crate) struct Doctor {
    /// Set aside what is damaged, so that the rest opens again. Asks first, and says what it costs.
    #[arg(long)]
    pub(crate) repair: bool,
    /// Leave the network alone.
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) network: super::others::NetworkArgs,
}

/// What a shell needs to complete these commands.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard completions bash
  cuecard completions zsh")]
pub(crate) struct Completions {
    /// Which shell.
    pub(crate) shell: clap_complete::Shell,
}

/// Write the man pages.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cuecard man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// The folder to write them to; made if there is none.
    #[arg(value_name = "DIR")]
    pub(crate) to: PathBuf,
}

/// `cuecard peer`.
#[derive(Debug, Args)]
pub(crate) struct Peer {
    /// What the device is called.
    #[arg(long)]
    pub(crate) name: String,
}
