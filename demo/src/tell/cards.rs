//! Cards and decks, for people.

use crate::ask::told::{AudioTold, CardTold, DamagedTold, DeckStatus, DeviceTold, ShownTold};
use crate::text::{Paint, bytes, cells, counted, harmless, padded, shortened, widest};

use super::{audio_totals, short};

pub(super) fn decks(decks: &[DeckStatus], damaged: &[DamagedTold], paint: Paint) -> String {
    let width = widest(decks.iter().map(title));
    let damaged = damaged.iter().map(|damaged| damaged_line(damaged, paint));
    decks
        .iter()
        .map(|deck| {
            let id = paint.dim(short(&deck.deck.id));
            let title = padded(&title(deck), width);
            match &deck.here {
                None => format!("{id}  {}{}\n", paint.bold(&title), not_followed(deck)),
                Some(here) => format!(
                    "{id}  {}  {}, {}, {}{}\n",
                    paint.bold(&title),
                    counted(here.cards, "card", "cards"),
                    audio_totals(&here.audio),
                    here.role.is,
                    not_followed(deck),
                ),
            }
        })
        .chain(damaged)
        .collect()
}

pub(super) fn damaged_line(damaged: &DamagedTold, paint: Paint) -> String {
    let why = shortened(&damaged.why, 120);
    format!(
        "{}  {}\n",
        paint.dim(short(&damaged.id)),
        paint.bad(&format!("damaged: {why}"))
    )
}

const fn not_followed(deck: &DeckStatus) -> &'static str {
    if deck.followed { "" } else { ", not followed" }
}

fn title(deck: &DeckStatus) -> String {
    if deck.here.is_none() {
        return "(nothing of it is here yet)".to_owned();
    }
    shortened(&deck.deck.title, 40)
}

/// A line a card: its number, its texts, its tags.
fn lines(cards: &[CardTold], paint: Paint) -> impl Iterator<Item = (&CardTold, String)> {
    let fronts: Vec<String> = cards.iter().map(|card| shortened(&card.front, 32)).collect();
    let width = widest(&fronts);
    cards.iter().zip(fronts).map(move |(card, front)| {
        let number = card.number.map_or_else(String::new, |number| number.to_string());
        let line = format!(
            "{number:>4}  {}  {}{}",
            padded(&front, width),
            shortened(&card.back, 60),
            paint.dim(&tags(card)),
        );
        (card, line)
    })
}

/// A line a card, with a note for sound.
pub(super) fn list(cards: &[CardTold], paint: Paint) -> String {
    let sound = |card: &CardTold| if card.audio.is_empty() { "" } else { "  ♪" };
    lines(cards, paint)
        .map(|(card, line)| format!("{line}{}\n", sound(card)))
        .collect()
}

fn tags(card: &CardTold) -> String {
    card.tags
        .iter()
        .map(|tag| format!("  #{}", shortened(tag, 24)))
        .collect()
}

pub(super) fn audio_line(audio: &AudioTold) -> String {
    let here = if audio.here { "here" } else { "not here yet" };
    let seconds = match audio.duration_ms {
        0 => String::new(),
        duration_ms => format!(", {:.1} s", duration_ms as f64 / 1000.0),
    };
    format!(
        "♪ {}: {}{seconds}, {}, {here}",
        shortened(&audio.slot, 24),
        shortened(&audio.name, 40),
        bytes(audio.bytes)
    )
}

/// One card, with all of it.
pub(super) fn whole(card: &CardTold, paint: Paint) -> String {
    let number = card
        .number
        .map_or_else(|| "removed".to_owned(), |number| format!("card {number}"));
    let mut told = format!("{}  {}\n", paint.bold(&number), paint.dim(&card.id));
    let mut text = |name: &str, text: &str| {
        for (at, line) in text.split('\n').enumerate() {
            let name = if at == 0 { name } else { "" };
            told.push_str(&format!("{} {}\n", paint.dim(&label(name)), harmless(line)));
        }
    };
    text("front", &card.front);
    text("back", &card.back);
    for (name, content) in &card.texts {
        text(name, content);
    }
    let line = |name: &str, content: String| format!("{} {content}\n", paint.dim(&label(name)));
    if !card.tags.is_empty() {
        told.push_str(&line("tags", tags(card).trim_start().to_owned()));
    }
    for audio in &card.audio {
        told.push_str(&line(
            "audio",
            format!("{}, {}", audio_line(audio), harmless(&audio.mime)),
        ));
    }
    for (name, value) in &card.fields {
        told.push_str(&line(name, harmless(&value.to_string())));
    }
    for conflict in &card.conflicts {
        let others: Vec<String> = conflict
            .others
            .iter()
            .map(|other| {
                format!(
                    "{:?} by {}",
                    shortened(&other.value, 40),
                    shortened(&other.by, 20)
                )
            })
            .collect();
        told.push_str(&line(
            "at a time",
            format!(
                "{}: {:?} by {} shows; beside it {}",
                harmless(&conflict.place),
                shortened(&conflict.shows.value, 40),
                shortened(&conflict.shows.by, 20),
                others.join(", ")
            ),
        ));
    }
    told
}

/// What stands before a part of a card, aligned with the others.
fn label(name: &str) -> String {
    let name = shortened(name, 24);
    format!("{}{name}", " ".repeat(8_usize.saturating_sub(cells(&name))))
}

pub(super) fn named(device: &DeviceTold) -> String {
    let here = if device.here { " (this device)" } else { "" };
    format!("{}{here}", shortened(&device.name, 40))
}

/// A deck with all that is known of it.
pub(super) fn shown(deck: &ShownTold, paint: Paint) -> String {
    let mut told = format!("{}\n", super::deck_line(&deck.deck, paint));
    if !deck.description.is_empty() {
        told.push_str(&format!("{}\n", harmless(&deck.description)));
    }
    match &deck.at {
        Some(at) => told.push_str(&format!(
            "as it was at {} (its head now is {})\n",
            short(at),
            short(&deck.head)
        )),
        None => told.push_str(&format!("head {}\n", short(&deck.head))),
    }
    let editor = deck
        .editor
        .as_ref()
        .map_or_else(|| "nobody at present".to_owned(), named);
    told.push_str(&format!("editor: {editor}\n"));
    let members = deck
        .members
        .iter()
        .map(|member| format!("{} [{}]", named(&member.device), member.rights));
    told.push_str(&format!("members: {}\n", members.collect::<Vec<_>>().join(", ")));
    if deck.conflicts > 0 {
        told.push_str(&format!(
            "{} places were written by several at a time; `cuecard show CARD` tells what does not show\n",
            deck.conflicts
        ));
    }
    told.push('\n');
    for (card, line) in lines(&deck.cards, paint) {
        told.push_str(&format!("{line}\n"));
        for audio in &card.audio {
            told.push_str(&format!("      {}\n", paint.dim(&audio_line(audio))));
        }
    }
    told
}
