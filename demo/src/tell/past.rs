//! History, differences and who wrote what, for people.

use crate::ask::told::{BlameTold, CardDiffTold, CardTold, DiffTold};
use crate::graph;
use crate::history::{Entry, History};
use crate::text::{Paint, cells, date_and_time, harmless, padded, shortened, time_of_day};

use super::{LogForm, deck_line, short};

pub(super) fn log(history: &History, form: LogForm, room: Option<usize>, paint: Paint) -> String {
    let body = match form {
        LogForm::Graph => graph::draw(history, paint, false, room),
        LogForm::FullGraph => graph::draw(history, paint, true, room),
        LogForm::List => history
            .entries
            .iter()
            .map(|entry| line(history, entry, room, paint))
            .collect(),
    };
    let late = match history.late_work {
        0 => String::new(),
        pieces => format!("{pieces} pieces of late work are kept beside it\n"),
    };
    format!("{}\n{body}{late}", paint.bold(&harmless(&history.title)))
}

/// A line an entry, newest first; times are UTC.
fn line(history: &History, entry: &Entry, room: Option<usize>, paint: Paint) -> String {
    let chapter = match (entry.term, &entry.draft) {
        (_, Some(_)) => "draft".to_owned(),
        (Some(term), None) => format!("term {term}"),
        (None, None) => "beginning".to_owned(),
    };
    let name = history
        .devices
        .get(&entry.device)
        .map_or("unknown", String::as_str);
    let op = if entry.is_genesis {
        "deck.created"
    } else {
        entry.op()
    };
    let told = format!(
        "  {}  {}  {chapter:9}  {:14}  ",
        time_of_day(entry.time_ms),
        padded(&shortened(name, 12), 12),
        harmless(op),
    );
    let hash = short(&entry.hash);
    let room = room.map(|room| room.saturating_sub(cells(hash) + cells(&told)));
    let about = graph::subjects(history, entry);
    format!(
        "{}{told}{}\n",
        paint.dim(hash),
        graph::last(&about, entry.hash == history.head, room, paint)
    )
}

pub(super) fn diff(diff: &DiffTold, paint: Paint) -> String {
    let mut told = format!(
        "{}  {} to {}\n",
        deck_line(&diff.deck, paint),
        short(&diff.before),
        short(&diff.after)
    );
    let mut differs = |name: &str, texts: &Option<(String, String)>| {
        if let Some((before, after)) = texts {
            told.push_str(&format!("{}\n", paint.bold(&format!("~ {name}"))));
            told.push_str(&between(before, after, paint));
        }
    };
    differs("title", &diff.title);
    differs("description", &diff.description);
    told.push_str(&diffs(&diff.cards, paint));
    if diff.cards.is_empty() && diff.title.is_none() && diff.description.is_none() {
        told.push_str("no difference\n");
    }
    told
}

/// Card by card; a sign tells what a colour tells.
pub(super) fn diffs(cards: &[CardDiffTold], paint: Paint) -> String {
    cards
        .iter()
        .map(|card| match card {
            CardDiffTold::Added { card } => added_or_removed('+', card, paint),
            CardDiffTold::Removed { card } => added_or_removed('-', card, paint),
            CardDiffTold::Changed { before, after } => changed(before, after, paint),
        })
        .collect()
}

fn added_or_removed(sign: char, card: &CardTold, paint: Paint) -> String {
    let line = format!(
        "{sign} {}  {}",
        shortened(&card.front, 40),
        shortened(&card.back, 60)
    );
    let line = if sign == '+' {
        paint.good(&line)
    } else {
        paint.bad(&line)
    };
    format!("{line}  {}\n", paint.dim(&card.id))
}

fn changed(before: &CardTold, after: &CardTold, paint: Paint) -> String {
    let mut told = format!(
        "{}  {}\n",
        paint.bold(&format!("~ {}", shortened(&after.front, 40))),
        paint.dim(&after.id)
    );
    let mut text = |name: &str, before: &str, after: &str| {
        if before != after {
            told.push_str(&format!("    {}\n", harmless(name)));
            told.push_str(&between(before, after, paint));
        }
    };
    text("front", &before.front, &after.front);
    text("back", &before.back, &after.back);
    let names = before.texts.keys().chain(after.texts.keys());
    let names: std::collections::BTreeSet<&String> = names.collect();
    for name in names {
        let of = |card: &CardTold| card.texts.get(name).cloned().unwrap_or_default();
        text(name, &of(before), &of(after));
    }
    text("tags", &before.tags.join(" "), &after.tags.join(" "));
    let audio = |card: &CardTold| {
        let audio = card.audio.iter();
        let lines: Vec<String> = audio
            .map(|audio| format!("{}: {} ({})", audio.slot, audio.name, short(&audio.blake3)))
            .collect();
        lines.join(", ")
    };
    text("audio", &audio(before), &audio(after));
    let fields = |card: &CardTold| serde_json::json!(card.fields).to_string();
    text("fields", &fields(before), &fields(after));
    if told.lines().count() == 1 {
        told.push_str("    moved\n");
    }
    told
}

fn between(before: &str, after: &str, paint: Paint) -> String {
    let mut told = String::new();
    if !before.is_empty() {
        told.push_str(&format!(
            "    {}\n",
            paint.bad(&format!("- {}", shortened(before, 200)))
        ));
    }
    if !after.is_empty() {
        told.push_str(&format!(
            "    {}\n",
            paint.good(&format!("+ {}", shortened(after, 200)))
        ));
    }
    told
}

pub(super) fn blame(blame: &BlameTold, paint: Paint) -> String {
    let mut told = format!(
        "{}  {}\n",
        paint.bold(&shortened(&blame.card.front, 60)),
        paint.dim(&blame.card.id)
    );
    for piece in &blame.pieces {
        let who = piece
            .device
            .as_ref()
            .map_or_else(|| "unknown".to_owned(), |device| shortened(&device.name, 16));
        told.push_str(&format!(
            "{}  {}  {}  {:9}  {}  {}\n",
            paint.dim(short(&piece.entry)),
            date_and_time(piece.time_ms),
            padded(&who, 16),
            harmless(&piece.wrote_as),
            padded(&shortened(&piece.place, 20), 12),
            shortened(&piece.text, 60),
        ));
    }
    told
}
