//! The `cuecard` command.
//!
//! | file | subject |
//! |---|---|
//! | `cli` | what can be typed |
//! | `demo`, `story/` | two devices, a cut cable, and one history in the end |
//! | `peer/` | one of those devices, in a process of its own |
//! | `log`, `graph/`, `history` | who did what, and what merged where |
//! | `show` | a deck, now or then |
//! | `folder`, `audio`, `text`, `error` | what the others share |

mod audio;
mod cli;
mod demo;
mod error;
mod folder;
mod graph;
mod history;
mod log;
mod peer;
mod show;
mod story;
mod text;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

use self::cli::{Cli, Command};
use self::demo::{Ended, write_out};
use self::error::Error;
use self::log::Form;

/// As a shell says it of what SIGINT ended.
const INTERRUPTED: u8 = 130;
/// What still runs when all is said is given this long.
const RUNTIME_ENDS_WITHIN: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.verbose);
    let runtime = match Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&Error::Pipe(error)),
    };
    let code = run(&runtime, cli);
    // Not dropped: a peer's last read of its standard input would be waited for.
    runtime.shutdown_timeout(RUNTIME_ENDS_WITHIN);
    code.unwrap_or_else(|error| complain(&error))
}

fn run(runtime: &Runtime, cli: Cli) -> Result<ExitCode, Error> {
    let paint = cli.color.paint(&io::stdout());
    match cli.command {
        Command::Demo(demo) => {
            let ended = runtime.block_on(demo::run(demo, cli.color, cli.verbose))?;
            return Ok(match ended {
                Ended::Good => ExitCode::SUCCESS,
                Ended::Bad => ExitCode::FAILURE,
                Ended::Interrupted => ExitCode::from(INTERRUPTED),
            });
        }
        Command::Log(log) => {
            let form = match (log.json, log.graph, log.full) {
                (true, _, _) => Form::Json,
                (false, true, true) => Form::FullGraph,
                (false, true, false) => Form::Graph,
                (false, false, _) => Form::List,
            };
            write_out(&runtime.block_on(log::run(&log.data_dir, form, paint))?)?;
        }
        Command::Show(show) => {
            write_out(&runtime.block_on(show::run(&show.data_dir, show.at.as_deref(), show.json, paint))?)?;
        }
        Command::Peer(peer) => runtime.block_on(peer::run(&peer.data_dir, &peer.name))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn complain(error: &Error) -> ExitCode {
    text::say(&format!("cuecard: {error}"));
    ExitCode::FAILURE
}

/// RUST_LOG decides; without it, --verbose logs what Cuecard does, and otherwise nothing is logged.
fn log_to_stderr(verbose: bool) {
    let default = if verbose {
        "cuecard=debug,cuecard_transport=debug,cuecard_store=debug"
    } else {
        "off"
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
}
