//! `cuecard show`: a deck as it is, or as it was.

use std::path::Path;

use cuecard::{Card, ChangeHash, Deck, DeviceId, Engine, Members, Rights};
use serde::Serialize;

use crate::error::Error;
use crate::folder;
use crate::text::{Paint, bytes, harmless, shortened};

/// A deck for people and machines.
#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    title: String,
    description: String,
    head: String,
    /// The entry that the cards are shown at, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    editor: Option<Device>,
    members: Vec<Member>,
    cards: Vec<CardShown>,
}

#[derive(Debug, Clone, Serialize)]
struct Device {
    id: String,
    name: String,
    /// Whether it is the one in the folder.
    here: bool,
}

#[derive(Debug, Serialize)]
struct Member {
    #[serde(flatten)]
    device: Device,
    rights: &'static str,
}

#[derive(Debug, Serialize)]
struct CardShown {
    id: String,
    front: String,
    back: String,
    tags: Vec<String>,
    audio: Vec<AudioShown>,
}

#[derive(Debug, Serialize)]
struct AudioShown {
    slot: String,
    name: String,
    mime: String,
    bytes: u64,
    duration_ms: u64,
    blake3: String,
    /// Whether its bytes are whole here.
    here: bool,
}

/// Shows every deck of the device in a folder, as text.
///
/// # Errors
/// When the folder cannot be opened, or no entry is called `at`.
pub(crate) async fn run(
    data_folder: &Path,
    at: Option<&str>,
    json: bool,
    paint: Paint,
) -> Result<String, Error> {
    let engine = folder::open(data_folder).await?;
    let shown = all(&engine, data_folder, at);
    engine.shutdown().await?;
    let shown = shown?;
    if json {
        let object = serde_json::json!({ "version": 1, "decks": shown });
        return Ok(object.to_string() + "\n");
    }
    Ok(shown
        .iter()
        .map(|deck| told(deck, paint))
        .collect::<Vec<_>>()
        .join("\n"))
}

fn all(engine: &Engine, data_folder: &Path, at: Option<&str>) -> Result<Vec<Shown>, Error> {
    let decks = engine.decks();
    if decks.is_empty() {
        return Err(Error::NoDeck {
            folder: data_folder.to_owned(),
        });
    }
    let Some(at) = at else {
        return decks.iter().map(|deck| show(engine, deck, None)).collect();
    };
    let mut found = Vec::new();
    for deck in &decks {
        let entries = deck.history()?;
        let hashes = entries
            .map(|entry| entry.hash)
            .filter(|hash| hash.to_string().starts_with(at));
        found.extend(hashes.map(|hash| (deck, hash)));
    }
    match found.as_slice() {
        [(deck, hash)] if !at.is_empty() => Ok(vec![show(engine, deck, Some(*hash))?]),
        _ => Err(Error::NoEntry(at.to_owned())),
    }
}

fn show(engine: &Engine, deck: &Deck, at: Option<ChangeHash>) -> Result<Shown, Error> {
    let info = deck.info()?;
    let device = |id: DeviceId| Device {
        id: id.to_string(),
        name: engine.name_of(id).unwrap_or_else(|| id.short()),
        here: id == engine.device(),
    };
    let Members { owner, list: members } = deck.members()?;
    let listed = members
        .into_iter()
        .filter(|member| member.device != owner)
        .map(|member| Member {
            device: device(member.device),
            rights: match member.rights {
                Rights::Read => "read",
                Rights::Draft => "draft",
                Rights::Hold => "hold",
            },
        });
    let owner = Member {
        device: device(owner),
        rights: "owner",
    };
    let editor = match deck.role()? {
        cuecard::Role::Editor { .. } => Some(device(engine.device())),
        cuecard::Role::Viewer { editor, .. } => Some(device(editor)),
        cuecard::Role::Vacant { .. } => None,
    };
    let cards = match at {
        None => deck.cards()?,
        Some(head) => deck.cards_at(head)?,
    };
    Ok(Shown {
        id: deck.id().to_string(),
        title: info.title,
        description: info.description,
        head: deck.head()?.to_string(),
        at: at.map(|head| head.to_string()),
        editor,
        members: std::iter::once(owner).chain(listed).collect(),
        cards: cards.into_iter().map(|card| card_shown(deck, card)).collect(),
    })
}

fn card_shown(deck: &Deck, card: Card) -> CardShown {
    let audio = card.audio.into_iter().map(|(slot, audio)| AudioShown {
        slot,
        here: deck.open_audio(audio.blob).is_ok(),
        name: audio.name,
        mime: audio.mime,
        bytes: audio.bytes,
        duration_ms: audio.duration_ms,
        blake3: audio.blob.to_string(),
    });
    CardShown {
        id: card.id.to_string(),
        front: card.front,
        back: card.back,
        tags: card.tags.into_iter().collect(),
        audio: audio.collect(),
    }
}

fn told(deck: &Shown, paint: Paint) -> String {
    let short = |hash: &str| hash.get(..8).unwrap_or(hash).to_owned();
    let mut told = format!(
        "{}  {}\n",
        paint.bold(&harmless(&deck.title)),
        paint.dim(&short(&deck.id))
    );
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
    let named = |device: &Device| {
        let here = if device.here { " (this device)" } else { "" };
        format!("{}{here}", shortened(&device.name, 40))
    };
    let editor = deck
        .editor
        .as_ref()
        .map_or_else(|| "nobody at present".to_owned(), named);
    told.push_str(&format!("editor: {editor}\n"));
    let members = deck
        .members
        .iter()
        .map(|member| format!("{} [{}]", named(&member.device), member.rights));
    told.push_str(&format!(
        "members: {}\n\n",
        members.collect::<Vec<_>>().join(", ")
    ));
    let width = deck
        .cards
        .iter()
        .map(|card| shortened(&card.front, 32).chars().count())
        .max()
        .unwrap_or(0);
    for (number, card) in deck.cards.iter().enumerate() {
        let front = format!("{:width$}", shortened(&card.front, 32));
        let tags: String = card
            .tags
            .iter()
            .map(|tag| format!("  #{}", shortened(tag, 24)))
            .collect();
        told.push_str(&format!(
            "{:4}  {front}  {}{}\n",
            number + 1,
            shortened(&card.back, 60),
            paint.dim(&tags)
        ));
        for audio in &card.audio {
            let here = if audio.here { "here" } else { "not here yet" };
            let seconds = audio.duration_ms as f64 / 1000.0;
            let line = format!(
                "      ♪ {}: {}, {seconds:.1} s, {}, {here}",
                shortened(&audio.slot, 24),
                shortened(&audio.name, 40),
                bytes(audio.bytes)
            );
            told.push_str(&format!("{}\n", paint.dim(&line)));
        }
    }
    told
}
