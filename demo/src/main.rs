//! The `cuecard` command.
//!
//! | file | subject |
//! |---|---|
//! | `cli/` | what can be typed |
//! | `command/` | from what was typed to what is asked, and from what is told to what is printed |
//! | `ask/` | what a device can be asked, and what it tells |
//! | `act/` | doing it |
//! | `node/` | the device at work: data folder, links, the socket by which commands reach a running peer |
//! | `home` | where data is, and what the device is called |
//! | `tell/`, `output`, `text` | how it is said |
//! | `paste` | what people paste and answer |
//! | `doctor/`, `shell` | health; completions and man pages |
//! | `history`, `graph/` | who did what, and what merged where |
//! | `present` | who is there, and what is played |
//! | `inspect/` | the page that shows all of that in a browser |
//! | `demo`, `story/`, `peer/`, `audio` | devices, a cut cable, and one history in the end |
//! | `error`, `signal` | why something was not done |

mod act;
mod ask;
mod audio;
mod cli;
mod command;
mod demo;
mod doctor;
mod error;
mod graph;
mod history;
mod home;
mod inspect;
mod node;
mod output;
mod paste;
mod peer;
mod present;
mod shell;
mod signal;
mod story;
mod tell;
mod text;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

use self::cli::{Cli, Command, Global, LogFormat};
use self::demo::Ended;
use self::error::{Error, Failure};
use self::output::Output;

/// What still runs when all is said is given this long.
const RUNTIME_ENDS_WITHIN: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let Cli { command, global } = Cli::parse();
    log_to_stderr(&global);
    let runtime = match Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(Error::Pipe(error), &global),
    };
    let code = run(&runtime, command, &global);
    // Not dropped: a last read of standard input would be waited for.
    runtime.shutdown_timeout(RUNTIME_ENDS_WITHIN);
    code.unwrap_or_else(|error| complain(error, &global))
}

fn run(runtime: &Runtime, command: Command, global: &Global) -> Result<ExitCode, Error> {
    match command {
        Command::Demo(demo) => {
            let ended = runtime.block_on(demo::run(demo, Output::new(global), global.verbose))?;
            Ok(match ended {
                Ended::Good => ExitCode::SUCCESS,
                Ended::Bad => ExitCode::FAILURE,
                Ended::Interrupted => ExitCode::from(signal::INTERRUPTED),
            })
        }
        Command::Peer(peer) => {
            let folder = global.data_dir.clone().ok_or(Error::NoHome)?;
            runtime.block_on(peer::run(&folder, &peer.name))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Inspect(asked) if asked.demo => runtime
            .block_on(inspect::demo(&asked, Output::new(global)))
            .map(|()| ExitCode::SUCCESS),
        Command::Completions(completions) => {
            shell::completions(&completions, Output::new(global)).map(|()| ExitCode::SUCCESS)
        }
        Command::Man(man) => shell::man(&man, Output::new(global)).map(|()| ExitCode::SUCCESS),
        Command::Doctor(doctor) => runtime
            .block_on(signal::unless_ended(doctor::run(doctor, global)))
            .map(|()| ExitCode::SUCCESS),
        command => runtime
            .block_on(command::run(command, global))
            .map(|()| ExitCode::SUCCESS),
    }
}

fn complain(error: Error, global: &Global) -> ExitCode {
    if let Error::Interrupted(code) = error {
        if !global.quiet {
            text::say("interrupted; what was acknowledged is kept");
        }
        return ExitCode::from(code);
    }
    let failure = Failure::from(error);
    if global.json {
        text::say(tell::failure_json(&failure).trim_end());
    } else {
        text::say(&format!("cuecard: {}", failure.message));
    }
    ExitCode::from(failure.kind.exit_code())
}

/// RUST_LOG decides; without it, --verbose logs what Cuecard does, and otherwise nothing is logged.
fn log_to_stderr(global: &Global) {
    let default = if global.verbose {
        "cuecard=debug,cuecard_transport=debug,cuecard_store=debug"
    } else {
        "off"
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false);
    match global.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
