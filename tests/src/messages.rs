//! The names of all messages of the protocol, for tests that are to leave none out.

use std::collections::BTreeSet;

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
