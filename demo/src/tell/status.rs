//! How everything stands, for people.

use crate::ask::told::{DeckHere, DeckStatus, DeviceStatus, StatusTold};
use crate::present::{PlayingTold, PresentTold};
use crate::text::{Paint, counted, date_and_time, harmless, padded, shortened, widest};

use super::{DAMAGED, audio_totals, cards, deck_line, people, short};

pub(crate) fn text(status: &StatusTold, paint: Paint) -> String {
    let mut told = format!(
        "{}  {}  {}\n",
        paint.bold(&shortened(&status.device.name, 40)),
        paint.dim(short(&status.device.id)),
        status.folder.display()
    );
    told.push_str(&match &status.peer {
        Some(peer) => format!(
            "kept linked by process {} (`{}`)\n",
            peer.pid,
            harmless(&peer.command)
        ),
        None => "not linked: `cuecard up` keeps this device linked with those it knows\n".to_owned(),
    });
    for deck in &status.decks {
        told.push('\n');
        told.push_str(&deck_told(deck, paint));
    }
    for damaged in &status.damaged {
        told.push_str(&format!("\n{}", cards::damaged_line(damaged, paint)));
    }
    if !status.damaged.is_empty() {
        told.push_str(&format!("{DAMAGED}\n"));
    } else if status.decks.is_empty() {
        told.push_str(
            "\nno deck yet: `cuecard new TITLE` begins one, `cuecard join` takes one from another device\n",
        );
    }
    if !status.devices.is_empty() {
        told.push_str(&format!("\n{}\n", paint.bold("devices")));
    }
    let width = widest(
        status
            .devices
            .iter()
            .map(|device| shortened(&device.device.name, 24)),
    );
    for device in &status.devices {
        told.push_str(&device_told(device, width, paint));
    }
    told
}

fn deck_told(deck: &DeckStatus, paint: Paint) -> String {
    let mut told = format!("{}\n", deck_line(&deck.deck, paint));
    if !deck.followed {
        told.push_str("  not followed: it is exchanged with nobody until `cuecard follow`\n");
    }
    match &deck.here {
        None if !deck.followed => {}
        None => told.push_str("  it comes as soon as a device that has it is linked\n"),
        Some(here) => {
            for line in deck_lines(here) {
                told.push_str(&format!("  {line}\n"));
            }
        }
    }
    told
}

fn deck_lines(here: &DeckHere) -> Vec<String> {
    let mut lines = vec![
        format!("{}; rights here: {}", people::role_line(&here.role), here.rights),
        format!(
            "{}, {}, head {}, {}",
            counted(here.cards, "card", "cards"),
            counted(here.entries, "entry", "entries"),
            short(&here.head),
            audio_totals(&here.audio)
        ),
    ];
    lines.extend(here.playing.as_ref().map(playing));
    lines.extend(here.present.iter().map(present));
    if !here.safe_with.is_empty() {
        lines.push(format!(
            "its latest entry is safe here and with {}",
            shortened(&here.safe_with.join(", "), 80)
        ));
    }
    if here.drafts_waiting > 0 {
        lines.push(format!(
            "{} for the editor",
            counted(here.drafts_waiting, "draft waits", "drafts wait")
        ));
    }
    if here.drafts_open > 0 {
        lines.push(counted(
            here.drafts_open,
            "own draft is open",
            "own drafts are open",
        ));
    }
    if here.late_work > 0 {
        lines.push(format!(
            "{} of late work; `cuecard late list`",
            counted(here.late_work, "piece", "pieces")
        ));
    }
    lines
}

/// `plays hola.wav of "hola" for everybody, by laptop: 0:02 of 0:06`.
fn playing(playing: &PlayingTold) -> String {
    let what = if playing.is_playing {
        "plays"
    } else {
        "stands still:"
    };
    let by = playing
        .by
        .as_ref()
        .map_or_else(String::new, |by| format!(", by {}", shortened(&by.name, 40)));
    let length = playing
        .length_ms
        .map_or_else(String::new, |length| format!(" of {}", minutes(length)));
    format!(
        "♪ {what} {} of {:?} for everybody{by}, at {}{length}",
        shortened(&playing.name, 40),
        shortened(&playing.card.front, 40),
        minutes(playing.position_ms),
    )
}

fn minutes(ms: u64) -> String {
    format!("{}:{:02}", ms / 60_000, ms / 1000 % 60)
}

fn present(present: &PresentTold) -> String {
    let at = match (&present.card, present.is_typing) {
        (Some(card), true) => format!("writes on {:?}", shortened(&card.front, 40)),
        (Some(card), false) => format!("looks at {:?}", shortened(&card.front, 40)),
        (None, _) => "is there".to_owned(),
    };
    let name = shortened(&present.name, 40);
    if present.name == present.device.name {
        return format!("{name} {at}");
    }
    format!("{name} (on {}) {at}", shortened(&present.device.name, 40))
}

fn device_told(device: &DeviceStatus, width: usize, paint: Paint) -> String {
    let link = match (&device.route, &device.why) {
        (Some(route), _) => {
            let round_trip = device
                .round_trip_ms
                .map_or_else(String::new, |ms| format!(" {ms:.0} ms"));
            paint.good(&format!("{route}{round_trip}"))
        }
        (None, why) => {
            let heard = device
                .last_heard_ms
                .map_or_else(String::new, |at| format!(", last heard {}", date_and_time(at)));
            let why = why
                .as_ref()
                .map_or_else(String::new, |why| format!(": {}", shortened(why, 120)));
            format!("not linked{heard}{why}")
        }
    };
    let decks: String = device
        .decks
        .iter()
        .map(|stand| {
            let title = shortened(&stand.deck.title, 30);
            let stands = match (stand.in_sync, stand.behind, stand.ahead) {
                (None, ..) => "it has not said yet".to_owned(),
                (Some(true), ..) => "in sync".to_owned(),
                (Some(false), behind, 0) => format!("behind by {behind}"),
                (Some(false), 0, ahead) => format!("ahead by {ahead}"),
                (Some(false), behind, ahead) => format!("behind by {behind}, ahead by {ahead}"),
            };
            format!("  {title}: {stands}")
        })
        .collect();
    format!(
        "  {}  {}  {link}{decks}\n",
        padded(&shortened(&device.device.name, 24), width),
        paint.dim(short(&device.device.id)),
    )
}
