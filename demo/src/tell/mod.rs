//! What was told, as people read it and as machines do.
//!
//! | file | subject |
//! |---|---|
//! | here | which text is for what |
//! | `cards` | cards and decks |
//! | `past` | history, differences, who wrote what |
//! | `people` | role, members, drafts |
//! | `status` | how everything stands |
//! | `live` | what happens while something is under way |
//! | `bars` | bars for transfers |

mod bars;
mod cards;
pub(crate) mod live;
mod past;
mod people;
mod status;

use serde::Serialize;

use crate::ask::told::{AudioTotals, Changed, DeckName, Told};
use crate::ask::{RightsTold, VERSION};
use crate::error::Failure;
use crate::text::{Paint, bytes, counted, harmless, shortened};

/// How a history is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LogForm {
    /// A line an entry.
    #[default]
    List,
    /// Lanes, with runs of edits joined.
    Graph,
    /// Lanes, a row an entry.
    FullGraph,
}

/// A JSON object with the version in front.
#[derive(Serialize)]
struct Versioned<'a, T> {
    version: u32,
    #[serde(flatten)]
    told: &'a T,
}

/// As a line of JSON.
pub(crate) fn json<T: Serialize>(told: &T) -> String {
    let versioned = Versioned {
        version: VERSION,
        told,
    };
    // What is told are names, numbers and texts, which JSON can say.
    serde_json::to_string(&versioned).unwrap_or_default() + "\n"
}

/// A failure as a line of JSON, for standard error.
pub(crate) fn failure_json(failure: &Failure) -> String {
    json(&serde_json::json!({ "error": failure }))
}

/// What is printed for people: to standard output, and what is said beside it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Printed {
    pub(crate) out: String,
    pub(crate) aside: String,
}

impl From<String> for Printed {
    fn from(out: String) -> Self {
        Self {
            out,
            aside: String::new(),
        }
    }
}

impl Printed {
    fn beside(mut self, aside: &str) -> Self {
        if !aside.is_empty() {
            self.aside.push_str(aside);
            self.aside.push('\n');
        }
        self
    }
}

/// For people, with so much room on a line if there is a bound.
pub(crate) fn text(told: &Told, form: LogForm, room: Option<usize>, paint: Paint) -> Printed {
    match told {
        Told::Device { device, folder } => {
            Printed::from(format!("{}  {}\n", harmless(&device.name), short(&device.id)))
                .beside(&format!("its data is in {}", folder.display()))
        }
        Told::Created { deck } => Printed::from(format!("{}\n", deck_line(deck, paint))).beside(
            "next: `cuecard add FRONT BACK` adds a card, and `cuecard share` gives the deck to another device",
        ),
        Told::Following {
            deck,
            followed,
            changed,
        } => following(deck, *followed, *changed, paint),
        Told::Removed { deck } => Printed::from(format!("removed {}\n", deck_line(deck, paint))).beside(
            "what other devices have of it stays with them; its audio goes a day later at the earliest, while `cuecard up` runs, unless another deck here names it",
        ),
        Told::Decks { decks, damaged } => {
            let printed = Printed::from(cards::decks(decks, damaged, paint));
            match (decks.as_slice(), damaged.as_slice()) {
                (_, [_, ..]) => printed.beside(DAMAGED),
                ([], []) => printed.beside("no deck yet; `cuecard new TITLE` begins one, `cuecard join` takes one from another device"),
                _ => printed,
            }
        }
        Told::Status(status) => status::text(status, paint).into(),
        Told::Changed(changed) => change(changed, paint),
        Told::Undone {
            taken_back,
            entry,
            left,
            redo,
            ..
        } => {
            let did = if *redo { "redid" } else { "undid" };
            let mut printed = Printed::from(format!(
                "{did} {}, by entry {}\n",
                short(taken_back),
                short(entry)
            ));
            for left in left {
                printed = printed.beside(&format!("left alone: {}", harmless(left)));
            }
            printed
        }
        Told::Cards { cards, .. } => {
            let printed = Printed::from(cards::list(cards, paint));
            match cards.as_slice() {
                [] => printed.beside("no cards; `cuecard add FRONT BACK` adds one"),
                _ => printed,
            }
        }
        Told::Shown(shown) => cards::shown(shown, paint).into(),
        Told::Card { card, .. } => cards::whole(card, paint).into(),
        Told::AudioSaved {
            file,
            bytes: count,
            blake3,
        } => format!("{}  {}  blake3 {}\n", file.display(), bytes(*count), short(blake3)).into(),
        Told::Log(history) => past::log(history, form, room, paint).into(),
        Told::Diff(diff) => past::diff(diff, paint).into(),
        Told::Blame(blame) => past::blame(blame, paint).into(),
        Told::Role { role, did, .. } => people::role(role, did.as_deref(), paint),
        Told::Members { members, did, .. } => people::members(members, did.as_deref(), paint),
        Told::Drafts { drafts, .. } => people::drafts(drafts, paint),
        Told::Draft {
            draft, preview, did, ..
        } => people::draft(draft, preview.as_deref(), did.as_deref(), paint),
        Told::Late { late, did, .. } => people::late(late, did.as_deref(), paint),
        Told::Exported {
            deck,
            file,
            bytes: count,
            audio,
            audio_inside,
            key,
        } => {
            let printed = Printed::from(format!(
                "{}  {}, {audio_inside} of {audio} pieces of audio\n",
                file.display(),
                bytes(*count)
            ));
            printed.beside(&if *key {
                format!(
                    "the file holds the key of {:?} and is not encrypted: whoever has it can follow the deck",
                    harmless(&deck.title)
                )
            } else {
                "a device that follows the deck takes it in by `cuecard import`; with --key, any device does".to_owned()
            })
        }
        Told::Imported {
            deck,
            new_changes,
            missing_audio,
        } => Printed::from(format!(
            "{}  {}\n",
            deck_line(deck, paint),
            counted(*new_changes, "new change", "new changes")
        )).beside(
            &match missing_audio {
                0 => String::new(),
                missing => format!(
                    "{missing} pieces of audio were not in the file; they come when a device that has them is linked"
                ),
            },
        ),
        Told::Shared { .. } | Told::Ended => Printed::default(),
    }
}

/// What to do about decks that cannot be opened.
pub(crate) const DAMAGED: &str = "the files of a damaged deck are left as they are: restore them from a backup; or, where \
    another device has the deck, `cuecard remove --deck ID` and take it from there by `cuecard join` or `cuecard import`";

fn following(deck: &DeckName, followed: bool, changed: bool, paint: Paint) -> Printed {
    let (did, aside) = match (followed, changed) {
        (true, true) => (
            "follows",
            "it is exchanged with the devices that are linked; `cuecard up` keeps them linked",
        ),
        (true, false) => ("follows", "it did before"),
        (false, true) => (
            "does not follow",
            "all of it stays here, and can be read and edited; `cuecard follow` exchanges it again",
        ),
        (false, false) => ("does not follow", "it did not before"),
    };
    Printed::from(format!("{did} {}\n", deck_line(deck, paint))).beside(aside)
}

fn change(changed: &Changed, paint: Paint) -> Printed {
    let mut out = String::new();
    if changed.cards.is_empty() {
        out.push_str(&format!("{} {}\n", changed.did, deck_line(&changed.deck, paint)));
    }
    for card in &changed.cards {
        out.push_str(&format!(
            "{} {}  {}\n",
            changed.did,
            paint.dim(&card.id),
            shortened(&card.front, 60)
        ));
    }
    let printed = Printed::from(out);
    let printed = match &changed.audio {
        None => printed,
        Some(audio) => printed.beside(&format!("attached {}", cards::audio_line(audio))),
    };
    match &changed.draft {
        None => printed,
        Some(draft) => printed.beside(&format!(
            "in draft {0}; `cuecard draft propose {0}` offers it to the editor",
            short(draft)
        )),
    }
}

/// Eight characters of an id or hash are enough to name it.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

pub(crate) fn deck_line(deck: &DeckName, paint: Paint) -> String {
    let title = match deck.title.as_str() {
        "" => "(nothing of it is here yet)".to_owned(),
        title => shortened(title, 60),
    };
    format!("{}  {}", paint.bold(&title), paint.dim(short(&deck.id)))
}

/// `audio 12/14, 3.2 of 4.0 MiB`.
pub(crate) fn audio_totals(audio: &AudioTotals) -> String {
    if audio.all == 0 {
        return "no audio".to_owned();
    }
    let whole = format!("audio {}/{}", audio.whole, audio.all);
    if audio.is_whole() {
        format!("{whole}, {}", bytes(audio.size_bytes))
    } else {
        format!(
            "{whole}, {} of {}{}",
            bytes(audio.have_bytes),
            bytes(audio.size_bytes),
            pace(audio)
        )
    }
}

/// `, 1.2 MiB/s, 3 s left`; nothing while nothing comes.
pub(crate) fn pace(audio: &AudioTotals) -> String {
    let left = audio.size_bytes.saturating_sub(audio.have_bytes);
    left.checked_div(audio.bytes_per_second)
        .map_or_else(String::new, |left| {
            format!(
                ", {}/s, {} left",
                bytes(audio.bytes_per_second),
                bars::seconds(left)
            )
        })
}

pub(crate) const fn may(rights: RightsTold) -> &'static str {
    match rights {
        RightsTold::Read => "to read",
        RightsTold::Draft => "to read and to propose drafts",
        RightsTold::Hold => "to read, to propose drafts and to be the editor",
    }
}
