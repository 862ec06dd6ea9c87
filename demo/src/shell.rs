//! Completions and man pages, from the same description that help is made of.

use std::fs;

use clap::CommandFactory as _;

use crate::cli::{Cli, care};
use crate::demo::write_out;
use crate::error::Error;

/// Prints what a shell needs.
///
/// # Errors
/// When standard output fails.
pub(crate) fn completions(args: &care::Completions) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cuecard", &mut script);
    write_out(&String::from_utf8_lossy(&script))
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
