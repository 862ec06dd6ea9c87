//! How everything stands, for people.

use crate::ask::told::{DeckHere, DeckStatus, DeviceStatus, StatusTold};
use crate::text::{Paint, date_and_time, harmless, shortened};

use super::{audio_totals, deck_line, people, short};

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
        told.push_str(&format!("\n{}\n", paint.bad(&harmless(damaged))));
    }
    if status.decks.is_empty() {
        told.push_str(
            "\nno deck yet: `cuecard new TITLE` begins one, `cuecard join` takes one from another device\n",
        );
    }
    if !status.devices.is_empty() {
        told.push_str(&format!("\n{}\n", paint.bold("devices")));
    }
    let width = status
        .devices
        .iter()
        .map(|device| shortened(&device.device.name, 24).chars().count())
        .max()
        .unwrap_or(0);
    for device in &status.devices {
        told.push_str(&device_told(device, width, paint));
    }
    told
}

fn deck_told(deck: &DeckStatus, paint: Paint) -> String {
    let mut told = format!("{}\n", deck_line(&deck.deck, paint));
    match &deck.here {
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
            "{} cards, {} entries, head {}, {}",
            here.cards,
            here.entries,
            short(&here.head),
            audio_totals(&here.audio)
        ),
    ];
    if !here.safe_with.is_empty() {
        lines.push(format!(
            "its latest entry is safe here and with {}",
            shortened(&here.safe_with.join(", "), 80)
        ));
    }
    if here.drafts_waiting > 0 {
        lines.push(format!("{} drafts wait for the editor", here.drafts_waiting));
    }
    if here.drafts_open > 0 {
        lines.push(format!("{} own drafts are open", here.drafts_open));
    }
    if here.late_work > 0 {
        lines.push(format!(
            "{} pieces of late work; `cuecard late list`",
            here.late_work
        ));
    }
    lines
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
        "  {:width$}  {}  {link}{decks}\n",
        shortened(&device.device.name, 24),
        paint.dim(short(&device.device.id)),
    )
}
