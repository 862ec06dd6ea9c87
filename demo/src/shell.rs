//! Completions and man pages, from the same description that help is made of.

use std::fs;

use clap::{Args as _, Command, CommandFactory as _};

use crate::cli::{Cli, Global, care};
use crate::demo::write_out;
use crate::error::Error;

/// Prints what a shell needs.
///
/// # Errors
/// When standard output fails.
pub(crate) fn completions(args: &care::Completions) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut shown(), "cuecard", &mut script);
    write_out(&String::from_utf8_lossy(&script))
}

/// The command as people see it: what is hidden is not completed either.
fn shown() -> Command {
    let all = Cli::command();
    let about = all.get_about().cloned().unwrap_or_default();
    let commands = all.get_subcommands().filter(|command| !command.is_hide_set());
    Global::augment_args(Command::new("cuecard"))
        .about(about)
        .version(env!("CARGO_PKG_VERSION"))
        .subcommands(commands.cloned())
}

/// Writes a page for the command and for each of its commands.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn man(args: &care::Man) -> Result<(), Error> {
    let folder = &args.to;
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .map_err(|error| Error::folder(folder, error))
}
