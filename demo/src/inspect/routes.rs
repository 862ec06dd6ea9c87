//! What can be asked for, and what is answered.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use cuecard::BlobId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::asked::{Answer, Of, Oops};
use super::book::Book;
use super::guard::DOOR;
use super::index::Index;
use super::{App, assets, live, now, past, sound};

/// What a page may send at once: a reason, a sentence, a card.
const BODY_BYTES_MAX: usize = 64 * 1024;

pub(super) fn router(app: &Arc<App>) -> Router {
    let of_deck = Router::new()
        .route("/summary", look(now::summary))
        .route("/rows", look(past::rows))
        .route("/find", look(past::find))
        .route("/entry/{hash}", look(past::entry))
        .route("/at", look(past::at))
        .route("/card/{card}", look(past::card))
        .route("/compare", look(past::compare))
        .route("/conflicts", look(past::conflicts))
        .route("/drafts", look(now::drafts))
        .route("/drafts/{draft}", look(now::draft))
        .route("/drafts/{draft}/accept", post(now::accept))
        .route("/drafts/{draft}/decline", post(now::decline))
        .route("/late/{term}/{head}/accept", post(now::accept_late))
        .route("/devices", look(now::devices))
        .route("/presence", post(now::presence))
        .route("/play", post(now::play))
        .route("/audio/{blob}", get(audio));
    let data = Router::new()
        .route("/home", get(home))
        .route("/live", get(listen))
        .route("/stage", get(stage))
        .route("/stage/{what}", post(act))
        .nest("/{peer}/{deck}", of_deck);
    Router::new()
        .route(DOOR, post(session))
        .nest(app.guard.place(), data)
        .fallback(|uri: Uri| async move { assets::asset(uri.path()) })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(app.clone(), super::guard::guard))
        .with_state(app.clone())
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

async fn session(State(app): State<Arc<App>>, Json(Token { token }): Json<Token>) -> Response {
    match app.guard.cookie_for(&token) {
        Some(cookie) => {
            let place = json!({ "place": app.guard.place() });
            ([(header::SET_COOKIE, cookie)], Json(place)).into_response()
        }
        None => (
            StatusCode::UNAUTHORIZED,
            Json(json!({ "error": "this is not the token of this run" })),
        )
            .into_response(),
    }
}

async fn home(State(app): State<Arc<App>>) -> Answer {
    // Whoever is told of a removal asks this next.
    app.forget_removed();
    let peers = app.peers.iter().map(|engine| {
        let decks = engine.decks().into_iter().map(|deck| {
            let title = deck.info().map(|info| info.title).unwrap_or_default();
            json!({ "id": deck.id().to_string(), "title": title, "here": deck.head().is_ok() })
        });
        json!({
            "device": engine.device().to_string(),
            "name": engine.name_of(engine.device()),
            "decks": decks.collect::<Vec<_>>(),
        })
    });
    Ok(Json(json!({
        "version": 1,
        "peers": peers.collect::<Vec<_>>(),
        "stage": app.stage.is_some(),
    })))
}

async fn listen(State(app): State<Arc<App>>) -> Response {
    live::stream(&app)
}

async fn stage(State(app): State<Arc<App>>) -> Answer {
    let stage = app
        .stage
        .as_ref()
        .ok_or_else(|| Oops::missing("there is no demo here"))?;
    Ok(Json(stage.told()))
}

#[derive(Deserialize)]
struct Deed {
    #[serde(default)]
    device: usize,
    text: Option<String>,
}

async fn act(State(app): State<Arc<App>>, Path(what): Path<String>, Json(deed): Json<Deed>) -> Answer {
    let stage = app
        .stage
        .as_ref()
        .ok_or_else(|| Oops::missing("there is no demo here"))?;
    let told = stage.act(&what, deed.device, deed.text.as_deref());
    Ok(Json(told.await?))
}

/// A way to look at a deck: reads where it may wait for the deck or the disk.
fn look<A: DeserializeOwned + Send + 'static>(
    read: fn(&Book, &Index, &Of, A) -> Result<Value, Oops>,
) -> MethodRouter<Arc<App>> {
    get(
        move |State(app): State<Arc<App>>, Path(of): Path<Of>, Query(asked): Query<A>| async move {
            let read = move || {
                let book = of.book(&app)?;
                let _waits = book.asked();
                let index = book.index()?;
                read(&book, &index, &of, asked)
            };
            let told: Result<Value, Oops> = tokio::task::spawn_blocking(read).await?;
            Ok::<_, Oops>(Json(told?))
        },
    )
}

#[derive(Deserialize)]
struct AudioAsked {
    #[serde(default)]
    mime: String,
}

async fn audio(
    State(app): State<Arc<App>>,
    Path(of): Path<Of>,
    Query(asked): Query<AudioAsked>,
    headers: HeaderMap,
) -> Result<Response, Oops> {
    let book = of.book(&app)?;
    let blob: BlobId = of.blob.as_deref().unwrap_or_default().parse()?;
    let answer = move || sound::answer(&book.deck, blob, &asked.mime, &headers);
    Ok(tokio::task::spawn_blocking(answer).await?)
}
