//! Every message of the protocol by its name, for tests that are to leave none out.

use std::collections::BTreeSet;

use cuecard::sync::message::Message;

/// What `PROTOCOL.md` calls it. A new message does not compile here before it has a name.
#[must_use]
pub const fn name_of(message: &Message) -> &'static str {
    match message {
        Message::Greet { .. } => "Greet",
        Message::Status { .. } => "Status",
        Message::Entries { .. } => "Entries",
        Message::Ack { .. } => "Ack",
        Message::Propose { .. } => "Propose",
        Message::Pull { .. } => "Pull",
        Message::Lack { .. } => "Lack",
        Message::Have { .. } => "Have",
        Message::Holdings { .. } => "Holdings",
        Message::Branches { .. } => "Branches",
        Message::DraftsHeld { .. } => "DraftsHeld",
        Message::Withdraw { .. } => "Withdraw",
        Message::DraftRefused { .. } => "DraftRefused",
        Message::Whence { .. } => "Whence",
        Message::Lineage { .. } => "Lineage",
        Message::Word { .. } => "Word",
        Message::NewKey { .. } => "NewKey",
        Message::Knock { .. } => "Knock",
        Message::Ping { .. } => "Ping",
        Message::Pong { .. } => "Pong",
        Message::Presence { .. } => "Presence",
        Message::Doubt { .. } => "Doubt",
        Message::Playback { .. } => "Playback",
    }
}

/// The messages of the page.
///
/// # Panics
/// When the page has no such part.
#[must_use]
pub fn names() -> BTreeSet<&'static str> {
    let page = include_str!("../../engine/PROTOCOL.md");
    let from = page
        .find("## Messages")
        .expect("the messages have a part of their own");
    let table = page[from..].split("\n## ").next().expect("a part");
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("| `"));
    rows.filter_map(|row| row.split('`').nth(1)).collect()
}
