//! Changing decks and cards.

use std::path::PathBuf;

use clap::Args;

/// A new deck; this device is its owner and its editor.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cuecard new \"Spanish 101\"")]
pub(crate) struct New {
    /// What it is called.
    pub(crate) title: String,
    /// What it is about.
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
}

/// Another title or description for the deck.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cuecard rename \"Spanish 102\" --description \"the second half\"")]
pub(crate) struct Rename {
    /// What it is called from now on.
    #[arg(required_unless_present = "description")]
    pub(crate) title: Option<String>,
    /// What it is about from now on.
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
}

/// Exchange the deck again with the devices that are linked.
///
/// What was missed comes, and what was done here goes.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cuecard follow --deck \"Spanish 101\"")]
pub(crate) struct Follow {}

/// Stop exchanging the deck with other devices, and keep it.
///
/// All of it stays here, to be read and edited, until `cuecard follow`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cuecard unfollow --deck \"Spanish 101\"")]
pub(crate) struct Unfollow {}

/// Delete a deck from this device; other devices keep theirs.
///
/// Its cards, its history, its drafts and its key go. Asks first, and says what goes and who else has it. To keep a deck
/// and stop exchanging it, see `cuecard unfollow`; to delete a card, `cuecard rm`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard remove --deck \"Spanish 101\"
  cuecard remove --deck 91227a55 --yes")]
pub(crate) struct Remove {}

/// A card, at the end of the deck unless said otherwise.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard add hola hello
  cuecard add hola hello --audio hola.webm --tag greetings
  cuecard add \"la casa\" \"the house\" --after hola --text \"hint=where one lives\"")]
pub(crate) struct Add {
    /// Its front: the question.
    pub(crate) front: String,
    /// Its back: the answer.
    pub(crate) back: String,
    /// A further text, by name. Can be given several times.
    #[arg(long = "text", value_name = "NAME=TEXT", value_parser = named_text)]
    pub(crate) text: Vec<(String, String)>,
    /// A tag. Can be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) audio: AudioArgs,
    #[command(flatten)]
    pub(crate) draft: InDraft,
}

/// Other texts or audio for a card.
///
/// Others' edits of the same text are merged with yours, character by character.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard edit hola --back \"hello, hi\"
  cuecard edit 3 --audio casa.ogg --slot slowly
  cuecard edit hola --no-audio front")]
pub(crate) struct Edit {
    /// The card: its front, its number, or its id or the beginning of it.
    pub(crate) card: String,
    /// Its front from now on.
    #[arg(long, value_name = "TEXT")]
    pub(crate) front: Option<String>,
    /// Its back from now on.
    #[arg(long, value_name = "TEXT")]
    pub(crate) back: Option<String>,
    /// A further text, by name; an empty one goes. Can be given several times.
    #[arg(long = "text", value_name = "NAME=TEXT", value_parser = named_text)]
    pub(crate) text: Vec<(String, String)>,
    /// Take audio off, by slot. Can be given several times.
    #[arg(long = "no-audio", value_name = "SLOT")]
    pub(crate) no_audio: Vec<String>,
    #[command(flatten)]
    pub(crate) audio: AudioArgs,
    #[command(flatten)]
    pub(crate) draft: InDraft,
}

/// A card to another place.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard move hola --after \"la casa\"
  cuecard move 7 --first")]
pub(crate) struct Move {
    /// The card: its front, its number, or its id or the beginning of it.
    pub(crate) card: String,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) draft: InDraft,
}

/// Remove cards. `cuecard undo` and `cuecard restore` bring them back.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cuecard rm hola \"la casa\"")]
pub(crate) struct Rm {
    /// The cards: by front, by number, or by id or the beginning of it.
    #[arg(required = true, value_name = "CARD")]
    pub(crate) cards: Vec<String>,
    #[command(flatten)]
    pub(crate) draft: InDraft,
}

/// Bring removed cards back, with what others edited of them meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cuecard restore hola")]
pub(crate) struct Restore {
    /// The cards: by front, or by id or the beginning of it.
    #[arg(required = true, value_name = "CARD")]
    pub(crate) cards: Vec<String>,
    #[command(flatten)]
    pub(crate) draft: InDraft,
}

/// Put tags on a card, or take them off.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard tag hola greetings basics
  cuecard tag hola basics --remove")]
pub(crate) struct Tag {
    /// The card: its front, its number, or its id or the beginning of it.
    pub(crate) card: String,
    /// The tags.
    #[arg(required = true, value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Take them off.
    #[arg(long)]
    pub(crate) remove: bool,
    #[command(flatten)]
    pub(crate) draft: InDraft,
}

/// Take back this device's latest edit; what was edited later stays.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cuecard undo\n  cuecard redo")]
pub(crate) struct Undo {
    #[command(flatten)]
    pub(crate) draft: InDraft,
}

/// Change a draft in place of the deck.
#[derive(Debug, Args)]
pub(crate) struct InDraft {
    /// Change this draft in place of the deck: its note, or the beginning of its id.
    #[arg(long = "draft", value_name = "DRAFT")]
    pub(crate) draft: Option<String>,
}

/// Where a card goes.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// Behind this card.
    #[arg(long, value_name = "CARD", conflicts_with_all = ["first", "last"])]
    pub(crate) after: Option<String>,
    /// Before all others.
    #[arg(long, conflicts_with = "last")]
    pub(crate) first: bool,
    /// Behind all others.
    #[arg(long)]
    pub(crate) last: bool,
}

/// Audio from a file.
#[derive(Debug, Args)]
pub(crate) struct AudioArgs {
    /// Attach the sound in this file. How long it plays is known of WAV files.
    #[arg(long, value_name = "FILE")]
    pub(crate) audio: Option<PathBuf>,
    /// What the sound is for the card.
    #[arg(long, value_name = "NAME", default_value = "front")]
    pub(crate) slot: String,
    /// Its MIME type, where neither the file's beginning nor its name says it.
    #[arg(long, value_name = "TYPE", requires = "audio")]
    pub(crate) mime: Option<String>,
}

fn named_text(given: &str) -> Result<(String, String), String> {
    match given.split_once('=') {
        Some((name, text)) if !name.is_empty() => Ok((name.to_owned(), text.to_owned())),
        _ => Err("it is given as NAME=TEXT, say hint=\"a greeting\"".to_owned()),
    }
}
