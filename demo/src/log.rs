//! `cuecard log`: everything that happened to a deck, as a list or as a graph.

use std::path::Path;

use crate::error::Error;
use crate::folder;
use crate::graph;
use crate::history::{self, Entry, History};
use crate::text::{Paint, harmless, shortened, some_of, time_of_day};

/// How a history is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A line an entry.
    List,
    /// Lanes, with runs of edits joined.
    Graph,
    /// Lanes, a row an entry.
    FullGraph,
    /// One JSON object.
    Json,
}

/// The history of every deck of the device in a folder, as text.
///
/// # Errors
/// When the folder cannot be opened.
pub(crate) async fn run(data_folder: &Path, form: Form, paint: Paint) -> Result<String, Error> {
    let engine = folder::open(data_folder).await?;
    let decks = engine.decks();
    let histories: Result<Vec<History>, _> = decks.iter().map(|deck| history::of(&engine, deck)).collect();
    engine.shutdown().await?;
    let histories = histories?;
    if histories.is_empty() {
        return Err(Error::NoDeck {
            folder: data_folder.to_owned(),
        });
    }
    if form == Form::Json {
        return Ok(serde_json::json!({ "version": 1, "decks": histories }).to_string() + "\n");
    }
    let told = histories.iter().map(|history| {
        let body = match form {
            Form::Graph => graph::draw(history, paint, false),
            Form::FullGraph => graph::draw(history, paint, true),
            Form::List | Form::Json => list(history, paint),
        };
        let late = match history.late_work {
            0 => String::new(),
            pieces => format!("{pieces} pieces of late work are kept beside it\n"),
        };
        format!("{}\n{body}{late}", paint.bold(&harmless(&history.title)))
    });
    Ok(told.collect::<Vec<_>>().join("\n"))
}

/// A line an entry, newest first; times are UTC.
fn list(history: &History, paint: Paint) -> String {
    history
        .entries
        .iter()
        .map(|entry| line(history, entry, paint))
        .collect()
}

fn line(history: &History, entry: &Entry, paint: Paint) -> String {
    let hash = entry.hash.get(..8).unwrap_or(&entry.hash);
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
    let head = if entry.hash == history.head {
        paint.good("  ← head")
    } else {
        String::new()
    };
    format!(
        "{}  {}  {:12}  {chapter:9}  {:14}  {}{head}\n",
        paint.dim(hash),
        time_of_day(entry.time_ms),
        shortened(name, 12),
        harmless(op),
        some_of(&graph::subjects(history, entry), 4),
    )
}
