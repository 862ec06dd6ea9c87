//! Completions and man pages, from the same description that help is made of.

use std::fs;

use clap::{Args as _, Command, CommandFactory as _};
use serde_json::json;

use crate::cli::{Cli, Global, care};
use crate::demo::write_out;
use crate::error::Error;
use crate::output::Output;
use crate::tell;
use crate::text::say;

/// Prints what a shell needs.
///
/// # Errors
/// When standard output fails.
pub(crate) fn completions(args: &care::Completions, output: Output) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut shown(), "cuecard", &mut script);
    let script = String::from_utf8_lossy(&script);
    if output.json {
        let shell = args.shell.to_string();
        return write_out(&tell::json(
            &json!({ "kind": "completions", "shell": shell, "script": script }),
        ));
    }
    write_out(&script)
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
pub(crate) fn man(args: &care::Man, output: Output) -> Result<(), Error> {
    let folder = &args.to;
    let failed = |error| Error::folder(folder, error);
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .map_err(failed)?;
    if output.json {
        let folder = std::path::absolute(folder).map_err(failed)?;
        return write_out(&tell::json(&json!({ "kind": "man", "folder": folder })));
    }
    if !output.quiet {
        say(&format!(
            "the pages are in {0}; `man {0}/cuecard.1` shows the first",
            folder.display()
        ));
    }
    Ok(())
}
