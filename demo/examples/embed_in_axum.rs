//! A small service that embeds the engine and serves its decks over HTTP.
//!
//! ```sh
//! cargo run --example embed_in_axum -- my-data                  # on 127.0.0.1:8080; Ctrl-C ends it
//!
//! curl http://127.0.0.1:8080/decks                              # all decks
//! curl http://127.0.0.1:8080/decks/DECK                         # one, with its cards
//! curl -OJ http://127.0.0.1:8080/decks/DECK/audio/BLOB          # audio that a card of it has
//! curl -N http://127.0.0.1:8080/events                          # what happens, as it happens (server-sent events)
//! curl -H "Authorization: Bearer $(cat my-data/http-token)" --json '{"front": "hola", "back": "hello"}' \
//!     http://127.0.0.1:8080/decks/DECK/cards                    # adds a card
//! curl -H "Authorization: Bearer $(cat my-data/http-token)" --json '{"back": "hi"}' \
//!     http://127.0.0.1:8080/decks/DECK/cards/CARD               # changes texts of one
//! ```
//!
//! It serves the decks of the data folder, also one of the `cuecard` command, and stays linked with the devices that
//! folder knows. Who reaches the address reads; who edits needs the token, which is in a file that only this user can
//! read. The address is of this machine alone, unless another one is given; then put TLS in front.

use std::convert::Infallible;
use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Path as At, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use cuecard::card::TextField;
use cuecard::transport::Backoff;
use cuecard::transport::webrtc::{Config, SavedRoute, WebRtc};
use cuecard::{
    BlobId, Card, CardId, Deck, DeckError, DeckId, Edit, EditError, Engine, Event, KeptLink, Role,
};
use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

const TOKEN: &str = "http-token";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        return Err(
            "which data folder? cargo run --example embed_in_axum -- my-data [127.0.0.1:8080]".into(),
        );
    };
    let address = arguments
        .next()
        .map_or(Ok("127.0.0.1:8080".into()), |address| address.into_string());
    let address = address
        .map_err(|_| "an address is like 127.0.0.1:8080")?
        .parse()?;
    run(&folder, address, Config::default()).await
}

/// Serves the decks of a folder until Ctrl-C.
pub(crate) async fn run(folder: &Path, address: SocketAddr, network: Config) -> Result<(), Box<dyn Error>> {
    let engine = Engine::builder().name("axum").open(folder).await?;
    if engine.decks().is_empty() {
        // So that there is something to look at.
        engine.create_deck("Spanish 101").await?;
    }
    let _kept = keep_linked(&engine, network)?;

    let (close, closing) = watch::channel(false);
    let app = App {
        engine: engine.clone(),
        token: blake3::hash(token(folder)?.as_bytes()),
        closing: closing.clone(),
    };
    let listener = TcpListener::bind(address).await?;
    println!("http://{}/decks", listener.local_addr()?);
    let served = axum::serve(listener, router(app)).with_graceful_shutdown(ended(closing));
    tokio::spawn(async move {
        // Where it cannot be listened to, the system's own way of ending a process stands.
        if tokio::signal::ctrl_c().await.is_ok() {
            let _ = close.send(true);
        }
    });
    // Streams end first, then what is being answered, then the engine: what was acknowledged is durable.
    served.await?;
    engine.shutdown().await?;
    println!("closed");
    Ok(())
}

async fn ended(mut closing: watch::Receiver<bool>) {
    // Gone is as good as closing.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Dials the devices that this folder knows, for as long as what this returns is kept.
fn keep_linked(engine: &Engine, network: Config) -> Result<Vec<KeptLink>, Box<dyn Error>> {
    let webrtc = WebRtc::new(engine.key().clone(), network);
    let mut kept = Vec::new();
    for (_device, route) in engine.routes()? {
        let dialer = webrtc.dialer(SavedRoute::from_bytes(&route)?)?;
        kept.push(engine.keep_linked(dialer, Backoff::default()));
    }
    Ok(kept)
}

/// What one needs to edit: made once, and kept where only this user reads it.
fn token(folder: &Path) -> Result<String, Box<dyn Error>> {
    let file = folder.join(TOKEN);
    match fs::read_to_string(&file) {
        Ok(token) if token.len() == 64 => return Ok(token),
        Ok(_) => {
            return Err(format!("{} holds no token; remove it to have a new one", file.display()).into());
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        Err(_) => {}
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    let token = blake3::Hash::from_bytes(random).to_hex().to_string();
    let mut made = fs::OpenOptions::new();
    made.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut made, 0o600);
    std::io::Write::write_all(&mut made.open(&file)?, token.as_bytes())?;
    Ok(token)
}

#[derive(Clone)]
struct App {
    engine: Engine,
    /// Of the token: hashes are compared in a time that tells nothing.
    token: blake3::Hash,
    closing: watch::Receiver<bool>,
}

fn router(app: App) -> Router {
    Router::new()
        .route("/decks", get(decks))
        .route("/decks/{deck}", get(deck))
        .route("/decks/{deck}/audio/{blob}", get(audio))
        .route("/decks/{deck}/cards", post(add_card))
        .route("/decks/{deck}/cards/{card}", post(edit_card))
        .route("/events", get(events))
        .with_state(Arc::new(app))
}

type Shared = State<Arc<App>>;

/// Why something was not done, and the status that says so.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<DeckError> for Refusal {
    fn from(error: DeckError) -> Self {
        Self(StatusCode::NOT_FOUND, error.to_string())
    }
}

impl From<EditError> for Refusal {
    fn from(error: EditError) -> Self {
        let status = match error {
            EditError::NotEditor { .. } => StatusCode::CONFLICT,
            EditError::Op(_) => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

impl App {
    fn deck(&self, id: &str) -> Result<Deck, Refusal> {
        let deck = id.parse::<DeckId>().ok().and_then(|id| self.engine.deck(id));
        deck.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "there is no such deck here".to_owned()))
    }

    fn may_edit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        match given.and_then(|given| given.strip_prefix(b"Bearer ")) {
            Some(token) if blake3::hash(token) == self.token => Ok(()),
            _ => Err(Refusal(
                StatusCode::UNAUTHORIZED,
                format!("send `Authorization: Bearer` with what is in {TOKEN} of the data folder"),
            )),
        }
    }
}

async fn decks(State(app): Shared) -> Json<Value> {
    let decks = app.engine.decks();
    // One of which nothing has arrived yet has no title.
    let known = decks.iter().filter_map(|deck| about(&app.engine, deck).ok());
    Json(known.collect())
}

async fn deck(State(app): Shared, At(id): At<String>) -> Result<Json<Value>, Refusal> {
    let deck = app.deck(&id)?;
    let mut told = about(&app.engine, &deck)?;
    if let Some(told) = told.as_object_mut() {
        told.insert("list".to_owned(), deck.cards()?.iter().map(card_json).collect());
    }
    Ok(Json(told))
}

fn about(engine: &Engine, deck: &Deck) -> Result<Value, DeckError> {
    let info = deck.info()?;
    let editor = match deck.role()? {
        Role::Editor { .. } => Some(engine.device()),
        Role::Viewer { editor, .. } => Some(editor),
        _ => None,
    };
    Ok(json!({
        "id": deck.id().to_string(),
        "title": info.title,
        "cards": deck.card_count()?,
        "editor": editor.map(|editor| engine.name_of(editor).unwrap_or_else(|| editor.short())),
        "editable_here": editor == Some(engine.device()),
    }))
}

fn card_json(card: &Card) -> Value {
    let audio = card.audio.iter().map(|(slot, audio)| {
        let audio = json!({ "blob": audio.blob.to_string(), "mime": audio.mime, "bytes": audio.bytes, "name": audio.name });
        (slot.clone(), audio)
    });
    json!({
        "id": card.id.to_string(),
        "front": card.front,
        "back": card.back,
        "tags": card.tags,
        "audio": audio.collect::<serde_json::Map<_, _>>(),
    })
}

async fn audio(State(app): Shared, At((id, blob)): At<(String, String)>) -> Result<Response, Refusal> {
    let deck = app.deck(&id)?;
    let unknown = || {
        Refusal(
            StatusCode::NOT_FOUND,
            "no card of this deck has that audio".to_owned(),
        )
    };
    let blob: BlobId = blob.parse().map_err(|_| unknown())?;
    let cards = deck.cards()?;
    let mut named = cards.iter().flat_map(|card| card.audio.values());
    let about = named.find(|audio| audio.blob == blob).ok_or_else(unknown)?;
    let mut audio = deck
        .open_audio(blob)
        .map_err(|error| Refusal(StatusCode::NOT_FOUND, error.to_string()))?;
    // The disk must not hold up the runtime. A service for long recordings would send them in parts.
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut audio, &mut bytes).map(|_| bytes)
    });
    let failed = |why: String| Refusal(StatusCode::INTERNAL_SERVER_ERROR, why);
    let read = read.await.map_err(|error| failed(error.to_string()))?;
    let bytes = read.map_err(|error| failed(error.to_string()))?;
    // The type is what its author said, so a browser must not guess, nor show it as a page.
    let mime =
        HeaderValue::from_str(&about.mime).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let headers = [
        (header::CONTENT_TYPE, mime),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment"),
        ),
    ];
    Ok((headers, bytes).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    front: Option<String>,
    back: Option<String>,
}

async fn add_card(
    State(app): Shared,
    At(id): At<String>,
    headers: HeaderMap,
    Json(texts): Json<Texts>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    app.may_edit(&headers)?;
    let (front, back) = (texts.front.unwrap_or_default(), texts.back.unwrap_or_default());
    // Awaited: what is answered is durable.
    let card = app.deck(&id)?.edit(|edit| edit.add_card(&front, &back)).await?;
    Ok((StatusCode::CREATED, Json(json!({ "card": card.to_string() }))))
}

async fn edit_card(
    State(app): Shared,
    At((id, card)): At<(String, String)>,
    headers: HeaderMap,
    Json(texts): Json<Texts>,
) -> Result<StatusCode, Refusal> {
    app.may_edit(&headers)?;
    let unknown = |_| Refusal(StatusCode::NOT_FOUND, "there is no such card".to_owned());
    let card: CardId = card.parse().map_err(unknown)?;
    let changes = [(TextField::Front, texts.front), (TextField::Back, texts.back)];
    let edit = |edit: &mut Edit<'_>| {
        for (field, text) in changes {
            if let Some(text) = text {
                edit.set_text(&card, field, &text)?;
            }
        }
        Ok(())
    };
    app.deck(&id)?.edit(edit).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A line of JSON for each event, until whoever listens goes or the service ends.
async fn events(State(app): Shared) -> Response {
    let told = stream::unfold(app.engine.events(), |mut events| async move {
        let event = events.next().await?;
        Some((
            Ok::<_, Infallible>(Sent::default().data(told(&event).to_string())),
            events,
        ))
    });
    let until_closing = told.take_until(Box::pin(ended(app.closing.clone())));
    Sse::new(until_closing)
        .keep_alive(KeepAlive::default())
        .into_response()
}

fn told(event: &Event) -> Value {
    let what = match event {
        Event::Linked { device } => format!("{} is linked", device.short()),
        Event::Unlinked { device, .. } => format!("{} is no longer linked", device.short()),
        Event::Changed { .. } => "the deck changed".to_owned(),
        Event::RoleMoved { .. } => "another device may edit".to_owned(),
        Event::DraftProposed { .. } => "a draft waits".to_owned(),
        Event::Audio(progress) => format!("audio {} of {} bytes", progress.have_bytes, progress.size_bytes),
        Event::Lagged { missed } => format!("{missed} events were missed: read the decks again"),
        other => format!("{other:?}").chars().take(200).collect(),
    };
    json!({ "deck": event.deck().map(|deck| deck.to_string()), "what": what })
}
