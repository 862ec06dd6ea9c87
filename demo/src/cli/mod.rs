//! What can be typed.
//!
//! | file | subject |
//! |---|---|
//! | here | what all commands share, and the list of them |
//! | `cards` | changing decks and cards |
//! | `look` | looking at decks and their history |
//! | `others` | other devices: links, role, members, drafts |
//! | `care` | files, health, the shell |

pub(crate) mod cards;
pub(crate) mod care;
pub(crate) mod look;
pub(crate) mod others;

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::error::Kind;
use crate::text::Paint;

/// Decks of cards that edit offline and agree again.
#[derive(Debug, Parser)]
#[command(
    name = "cuecard",
    version,
    max_term_width = 110,
    arg_required_else_help = true,
    after_help = after_help(),
    long_about = "Decks of cards with audio, on your devices and those of others. One device at a time edits a deck, the \
        others write drafts; all work offline, and agree by themselves when they are linked again.\n\n\
        `cuecard demo` shows it. To begin: `cuecard new TITLE`, `cuecard add FRONT BACK`, then `cuecard share` here and \
        `cuecard join` on another device."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// What all commands share.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Where this device keeps its data [default: $XDG_DATA_HOME/cuecard, else ~/.local/share/cuecard].
    #[arg(long, global = true, value_name = "DIR", env = "CUECARD_DATA_DIR", help_heading = GLOBAL)]
    pub(crate) data_dir: Option<PathBuf>,
    /// The deck: its title, or the beginning of its id. With one deck, none need be named.
    #[arg(long, short, global = true, value_name = "DECK", env = "CUECARD_DECK", help_heading = GLOBAL)]
    pub(crate) deck: Option<String>,
    /// Print JSON, with a version: one object, or a line for each thing that happens.
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) json: bool,
    /// Print only what was asked for, and what went wrong.
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    pub(crate) quiet: bool,
    /// Log to standard error; RUST_LOG says what.
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub(crate) verbose: bool,
    /// How the log is written.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, hide_default_value = true, help_heading = GLOBAL)]
    pub(crate) log_format: LogFormat,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, hide_default_value = true, help_heading = GLOBAL)]
    pub(crate) color: Color,
    /// No bars, also on a terminal.
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) no_progress: bool,
    /// Do it without being asked.
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub(crate) yes: bool,
}

const GLOBAL: &str = "For all commands";

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

fn after_help() -> String {
    let mut help = "\
Data goes to standard output, everything else to standard error.

Exit codes:
    0  done
"
    .to_owned();
    for (kind, told) in Kind::ALL {
        help.push_str(&format!("  {:>3}  {told}\n", kind.exit_code()));
    }
    help.push_str(
        "  130  interrupted by Ctrl-C, 143 by SIGTERM; what was acknowledged is kept

Environment:
    CUECARD_DATA_DIR  as --data-dir          CUECARD_DECK  as --deck
    CUECARD_BIND, CUECARD_STUN, CUECARD_TURN  for commands that link: see `cuecard up --help`
    NO_COLOR          no colours, unless --color always
    RUST_LOG          what is logged to standard error, as `cuecard=debug`

See `cuecard COMMAND --help`; each has an example.",
    );
    help
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(care::Demo),
    New(cards::New),
    Rename(cards::Rename),
    Decks(look::Decks),
    Follow(cards::Follow),
    Unfollow(cards::Unfollow),
    Remove(cards::Remove),
    Add(cards::Add),
    Edit(cards::Edit),
    Move(cards::Move),
    Rm(cards::Rm),
    Restore(cards::Restore),
    Tag(cards::Tag),
    Undo(cards::Undo),
    /// Take back this device's latest undo.
    Redo(cards::Undo),
    List(look::List),
    Show(look::Show),
    Audio(look::Audio),
    Share(others::Share),
    Join(others::Join),
    Up(others::Up),
    Status(others::Status),
    Role(others::Role),
    Members(others::Members),
    Draft(others::Draft),
    Late(others::Late),
    Log(look::Log),
    Diff(look::Diff),
    Blame(look::Blame),
    Inspect(look::Inspect),
    Export(care::Export),
    Import(care::Import),
    Name(care::Name),
    Doctor(care::Doctor),
    Completions(care::Completions),
    Man(care::Man),
    /// One device of the demo, told what to do by lines of JSON on standard input.
    #[command(hide = true)]
    Peer(care::Peer),
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

    /// Every command that is shown, with those below it.
    fn all(command: &clap::Command) -> Vec<clap::Command> {
        let below = command.get_subcommands().filter(|command| !command.is_hide_set());
        below
            .flat_map(|command| [vec![command.clone()], all(command)].concat())
            .filter(|command| command.get_name() != "help")
            .collect()
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_has_an_example_that_is_understood() {
        for command in all(&Cli::command()) {
            // What only groups others has their examples.
            if command.has_subcommands() {
                continue;
            }
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let examples: Vec<&str> = help
                .lines()
                .map(str::trim)
                .filter(|line| line.starts_with("cuecard "))
                .collect();
            assert!(!examples.is_empty(), "{}: {help:?}", command.get_name());
            for example in examples {
                let words = words(example);
                let parsed = Cli::try_parse_from(&words);
                assert!(parsed.is_ok(), "{example}\n{}", parsed.unwrap_err());
            }
        }
    }

    /// As a shell takes a line apart, as far as the examples go.
    fn words(line: &str) -> Vec<String> {
        let line = line.split(" | ").next().unwrap().split(" < ").next().unwrap();
        let mut words = vec![String::new()];
        let mut quoted = false;
        for character in line.trim_end_matches(" &").chars() {
            match character {
                '"' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                character => words.last_mut().unwrap().push(character),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    /// A new one is looked at by a person before it is added here: does it hold a secret? Codes, keys and passwords come by
    /// standard input, files and the environment.
    #[test]
    fn no_secret_can_be_given_on_the_command_line() {
        let known = "after at audio bind bits blake card cards color completions data_dir deck description detach device \
            devices draft error file first force front full graph head invite_rights json keep key kills last limit \
            log_format mime name no_audio no_invite no_progress no_qr no_stun note offline place quiet reason remove repair \
            rights seed shell slot stay stun tag tags text title to turn verbose watch yes back before settled light without_audio demo inspect \
            no_open port";
        let known: Vec<&str> = known.split_whitespace().collect();
        for command in all(&Cli::command()).iter().chain([&Cli::command()]) {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                if ["help", "version"].contains(&id) {
                    continue;
                }
                // Of an offer, this one takes those alone that carry no key; the others are refused, and that is tested.
                let is_code = command.get_name() == "join" && id == "code";
                assert!(
                    is_code || known.contains(&id),
                    "{} takes {id:?}",
                    command.get_name()
                );
            }
        }
    }
}
