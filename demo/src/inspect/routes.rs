//! What can be asked for, and what is answered.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use cuecard::history::WriterKind;
use cuecard::transport::RouteKind;
use cuecard::{
    BlobId, CardId, ChangeHash, DeckId, DeviceId, DraftId, DraftState, Reach, Rights, Role, Standing, TermId,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::book::Book;
use super::index::{Index, draft_of, op_of, term_of};
use super::list::{self, Group, Wish};
use super::told::{self, Length};
use super::{App, assets, live, sound};

/// What a page may send at once: a reason, a sentence, a card.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Lines, or cards, of one answer.
const PAGE_MAX: usize = 400;
/// Cards of one comparison that are told; how many there are is said beside.
const DIFF_MAX: usize = 300;
/// Cards that a step of the slider marks.
const MARKED_MAX: usize = 40;
/// Waiting drafts that are shown beside the graph; all of them are in their own view.
const BESIDE_MAX: usize = 4;
/// Parts of the strip above the slider.
const RIBBON_PARTS: usize = 240;
/// Entries of one run, or of one card, that are listed.
const LISTED_MAX: usize = 200;

/// Why something was not answered. (Not an error type, so that every error becomes one.)
#[derive(Debug)]
pub(super) struct Oops {
    status: StatusCode,
    why: String,
}

impl Oops {
    /// In words.
    pub(super) fn why(&self) -> &str {
        &self.why
    }

    fn missing(why: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            why: why.into(),
        }
    }
}

impl<E: ToString> From<E> for Oops {
    fn from(error: E) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            why: error.to_string(),
        }
    }
}

impl IntoResponse for Oops {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.why }))).into_response()
    }
}

type Answer = Result<Json<Value>, Oops>;

pub(super) fn router(app: &Arc<App>) -> Router {
    let of_deck = Router::new()
        .route("/summary", get(summary))
        .route("/rows", get(rows))
        .route("/find", get(find))
        .route("/entry/{hash}", get(entry))
        .route("/at", get(at))
        .route("/card/{card}", get(card))
        .route("/compare", get(compare))
        .route("/conflicts", get(conflicts))
        .route("/drafts", get(drafts))
        .route("/drafts/{draft}", get(draft))
        .route("/drafts/{draft}/accept", post(accept))
        .route("/drafts/{draft}/decline", post(decline))
        .route("/late/{term}/{head}/accept", post(accept_late))
        .route("/devices", get(devices))
        .route("/audio/{blob}", get(audio));
    Router::new()
        .route("/api/session", post(session))
        .route("/api/home", get(home))
        .route("/api/live", get(listen))
        .route("/api/stage", get(stage))
        .route("/api/stage/{what}", post(act))
        .nest("/api/{peer}/{deck}", of_deck)
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
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Json(json!({}))).into_response(),
        None => (
            StatusCode::UNAUTHORIZED,
            Json(json!({ "error": "this is not the token of this run" })),
        )
            .into_response(),
    }
}

async fn home(State(app): State<Arc<App>>) -> Answer {
    let peers = app.peers.iter().map(|engine| {
        let decks = engine.decks().into_iter().map(|deck| {
            let title = deck.info().map(|info| info.title).unwrap_or_default();
            json!({ "id": deck.id().to_string(), "title": title })
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
    card: Option<String>,
    text: Option<String>,
}

async fn act(State(app): State<Arc<App>>, Path(what): Path<String>, Json(deed): Json<Deed>) -> Answer {
    let stage = app
        .stage
        .as_ref()
        .ok_or_else(|| Oops::missing("there is no demo here"))?;
    let told = stage.act(&what, deed.device, deed.card.as_deref(), deed.text.as_deref());
    Ok(Json(told.await?))
}

/// Which deck of which device.
#[derive(Deserialize)]
struct Of {
    peer: usize,
    deck: String,
    hash: Option<String>,
    card: Option<String>,
    draft: Option<String>,
    blob: Option<String>,
    term: Option<String>,
    head: Option<String>,
}

impl Of {
    fn book(&self, app: &App) -> Result<Arc<Book>, Oops> {
        let deck = self.deck.parse::<DeckId>()?;
        app.book(self.peer, deck)
            .ok_or_else(|| Oops::missing("this device has no such deck"))
    }

    fn draft(&self) -> Result<DraftId, Oops> {
        Ok(self.draft.as_deref().unwrap_or_default().parse()?)
    }
}

/// Reads where it may wait for the deck or the disk.
async fn read(
    app: Arc<App>,
    of: Of,
    read: impl FnOnce(&Book, &Index, &Of) -> Result<Value, Oops> + Send + 'static,
) -> Answer {
    let read = move || {
        let book = of.book(&app)?;
        let index = book.index()?;
        read(&book, &index, &of)
    };
    Ok(Json(tokio::task::spawn_blocking(read).await??))
}

async fn summary(State(app): State<Arc<App>>, Path(of): Path<Of>) -> Answer {
    read(app, of, |book, index, _| {
        let layout = index.layout(false);
        let lane_of = |number: usize| layout.devices.iter().position(|&of| of as usize == number);
        let devices: Vec<Value> = index
            .devices
            .iter()
            .enumerate()
            .map(|(number, device)| {
                json!({
                    "id": device.map(|device| device.to_string()),
                    "name": book.name_of(*device),
                    "lane": lane_of(number),
                    "me": *device == Some(book.engine.device()),
                })
            })
            .collect();
        let info = book.deck.info()?;
        let drafts = book.deck.drafts()?;
        Ok(json!({
            "version": index.version,
            "deck": book.deck.id().to_string(),
            "title": info.title,
            "description": info.description,
            "head": book.deck.head()?.to_string(),
            "entries": index.len(),
            "cards": book.deck.card_count()?,
            "terms": index.terms.len(),
            "lanes": layout.width(),
            "devices": devices,
            "role": role(book)?,
            "drafts": drafts.iter().filter(|draft| draft.state.is_proposed()).count(),
            "beside": drafts
                .iter()
                .filter(|draft| draft.state.is_proposed())
                .take(BESIDE_MAX)
                .map(|draft| draft_told(book, index, draft))
                .collect::<Vec<_>>(),
            "late": late(book)?,
            "ribbon": ribbon(index),
        }))
    })
    .await
}

/// The whole history in a strip: for each part of it, oldest first, who wrote most of it, and whether something was
/// merged there.
fn ribbon(index: &Index) -> Vec<Value> {
    let order = &index.layout(true).order;
    let parts = order.len().min(RIBBON_PARTS);
    let told = (0..parts).map(|part| {
        let (from, to) = (part * order.len() / parts, (part + 1) * order.len() / parts);
        let numbers = order
            .get(order.len() - to..order.len() - from)
            .unwrap_or_default();
        let entries = numbers.iter().filter_map(|&number| index.entry(number));
        let mut counts = vec![0_usize; index.devices.len()];
        let (mut merges, mut drafted) = (false, 0);
        for entry in entries {
            if let Some(count) = told::device_number(index, entry).and_then(|number| counts.get_mut(number)) {
                *count += 1;
            }
            merges |= entry.is_merge;
            drafted += usize::from(draft_of(entry).is_some());
        }
        let most = counts
            .iter()
            .enumerate()
            .max_by_key(|(_, count)| **count)
            .map(|(number, _)| number);
        json!([most, u8::from(merges), u8::from(drafted * 2 > numbers.len())])
    });
    told.collect()
}

fn editor(book: &Book) -> Result<Option<DeviceId>, Oops> {
    Ok(match book.deck.role()? {
        Role::Editor { .. } => Some(book.engine.device()),
        Role::Viewer { editor, .. } => Some(editor),
        Role::Vacant { .. } => None,
    })
}

fn role(book: &Book) -> Result<Value, Oops> {
    let standing = match book.deck.role()? {
        Role::Editor { standing, .. } | Role::Viewer { standing, .. } | Role::Vacant { standing } => standing,
    };
    let editor = editor(book)?;
    Ok(json!({
        "mine": editor == Some(book.engine.device()),
        "editor": editor.map(|editor| told::device(book, editor)),
        "settled": standing == Standing::Settled,
    }))
}

fn late(book: &Book) -> Result<Vec<Value>, Oops> {
    let told = book.deck.late_work()?.into_iter().map(|late| {
        json!({
            "term": late.term.to_string(),
            "author": told::device(book, late.author),
            "changes": (late.len + 1).saturating_sub(late.from),
            "head": late.head.to_string(),
            "after_leaving": late.after_leaving,
        })
    });
    Ok(told.collect())
}

#[derive(Deserialize)]
struct RowsAsked {
    #[serde(default)]
    from: usize,
    #[serde(default)]
    count: usize,
    /// Of the entry that is looked for.
    #[serde(default)]
    hash: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    group: Group,
    #[serde(default)]
    full: bool,
}

impl RowsAsked {
    fn wish(&self) -> Result<Wish, Oops> {
        Wish::new(&self.q, self.group, self.full)
            .ok_or_else(|| "this is longer than anything one searches for".into())
    }
}

fn lines_of(book: &Book, index: &Index, wish: &Wish) -> Result<Arc<Vec<list::Line>>, Oops> {
    book.lines(index, wish, || {
        let fronts = if wish.search.is_empty() {
            None
        } else {
            Some(book.fronts(index)?)
        };
        Ok(list::lines(book, index, wish, fronts.as_ref()))
    })
}

async fn rows(State(app): State<Arc<App>>, Path(of): Path<Of>, Query(asked): Query<RowsAsked>) -> Answer {
    read(app, of, move |book, index, _| {
        let wish = asked.wish()?;
        let lines = lines_of(book, index, &wish)?;
        Ok(list::page(
            book,
            index,
            &wish,
            &lines,
            asked.from,
            asked.count.min(PAGE_MAX),
        ))
    })
    .await
}

/// In which line an entry is.
async fn find(State(app): State<Arc<App>>, Path(of): Path<Of>, Query(asked): Query<RowsAsked>) -> Answer {
    read(app, of, move |book, index, _| {
        let wish = asked.wish()?;
        let number = number_of(index, &asked.hash)?;
        let lines = lines_of(book, index, &wish)?;
        let layout = index.layout(wish.full);
        let has = |line: &list::Line| match line {
            list::Line::Heading { .. } => false,
            list::Line::Row(row) => {
                let places = layout
                    .rows
                    .get(*row)
                    .map(|row| row.places.clone())
                    .unwrap_or_default();
                layout
                    .order
                    .get(places)
                    .is_some_and(|numbers| numbers.contains(&number))
            }
        };
        Ok(json!({ "version": index.version, "line": lines.iter().position(has) }))
    })
    .await
}

fn number_of(index: &Index, hash: &str) -> Result<u32, Oops> {
    let found = hash
        .parse::<ChangeHash>()
        .ok()
        .and_then(|hash| index.number(&hash));
    found.ok_or_else(|| {
        Oops::missing("this deck has no such entry; it may not have arrived yet, or was taken out")
    })
}

async fn entry(State(app): State<Arc<App>>, Path(of): Path<Of>) -> Answer {
    read(app, of, |book, index, of| {
        let number = number_of(index, of.hash.as_deref().unwrap_or_default())?;
        let entry = index.entry(number).ok_or_else(|| Oops::missing("no such entry"))?;
        // What it did to the line it goes on: for one that accepts a draft, all that came with it.
        let before: Vec<ChangeHash> = entry.deps.first().copied().into_iter().collect();
        let after = [entry.hash];
        let is_beginning = before.is_empty();
        let changes = book.deck.diff(&before, &after)?;
        let deck = if is_beginning {
            Value::Null
        } else {
            told::deck_diff(&book.deck.at(&before)?.info()?, &book.deck.at(&after)?.info()?)
        };
        let upon: Vec<Value> = entry
            .deps
            .iter()
            .filter_map(|dep| index.number(dep))
            .map(|dep| told::line(book, index, dep))
            .collect();
        let leads_to = (0..).zip(&index.entries).filter(|(_, other)| other.deps.contains(&entry.hash));
        let leads_to: Vec<Value> =
            leads_to.take(LISTED_MAX).map(|(other, _)| told::line(book, index, other)).collect();
        let writer = entry.writer.as_ref();
        let draft = draft_of(entry).map(|draft| {
            let info = book.deck.draft_of(draft).info().ok();
            json!({ "id": draft.to_string(), "note": info.map(|info| info.note) })
        });
        let run: Vec<Value> =
            run_of(index, number).iter().take(LISTED_MAX).map(|&other| told::line(book, index, other)).collect();
        Ok(json!({
            "version": index.version,
            "hash": entry.hash.to_string(),
            "step": index.step_of(number),
            "op": op_of(entry),
            "kind": told::kind(index, number, entry),
            "device": told::device_number(index, entry),
            "name": book.name_of(writer.map(|writer| writer.device)),
            "about": told::about(book, &[entry]),
            "term": term_of(entry).map(|term| json!({ "number": index.terms.get(&term), "id": term.to_string() })),
            "draft": draft,
            "late": index.late.contains(&number),
            "safe": safe(book, entry.hash)?,
            "seq": entry.seq,
            "time": entry.time_ms,
            "reverses": entry.reversal.map(|reversal| reversal.change().to_string()),
            "notes": told::notes(book, entry, LISTED_MAX),
            "noted": entry.notes.len(),
            "upon": upon,
            "leads_to": leads_to,
            "run": run,
            "deck": deck,
            "diff": told::diff(book, &changes, DIFF_MAX, Length::Whole),
            "beginning": writer.is_some_and(|writer| writer.kind == WriterKind::Genesis),
        }))
    })
    .await
}

/// The entries that are drawn as one with this one, newest first; none where it stands alone.
fn run_of(index: &Index, number: u32) -> Vec<u32> {
    let layout = index.layout(false);
    let place = index.step_of(number).map(|step| index.len() - 1 - step);
    let row = place.and_then(|place| {
        let after = layout.rows.partition_point(|row| row.places.end <= place);
        layout.rows.get(after)
    });
    let numbers = row
        .and_then(|row| layout.order.get(row.places.clone()))
        .unwrap_or_default();
    if numbers.len() > 1 {
        numbers.to_vec()
    } else {
        Vec::new()
    }
}

#[derive(Deserialize)]
struct AtAsked {
    step: Option<usize>,
    hash: Option<String>,
    #[serde(default)]
    from: usize,
    #[serde(default)]
    count: usize,
}

async fn at(State(app): State<Arc<App>>, Path(of): Path<Of>, Query(asked): Query<AtAsked>) -> Answer {
    read(app, of, move |book, index, _| {
        let newest = index.len().saturating_sub(1);
        let step = match &asked.hash {
            Some(hash) => index.step_of(number_of(index, hash)?).unwrap_or(newest),
            None => asked.step.unwrap_or(newest).min(newest),
        };
        let heads = index.heads_at(step);
        let cards = book.cards_at(index, step)?;
        let number = index.at_step(step);
        let before = step
            .checked_sub(1)
            .map(|before| index.heads_at(before))
            .unwrap_or_default();
        let marks = if step == 0 {
            Vec::new()
        } else {
            book.deck.diff(&before, &heads)?
        };
        let place = |card: &CardId| cards.iter().position(|known| known.id == *card);
        let marked: Vec<Value> = marks
            .iter()
            .take(MARKED_MAX)
            .map(|mark| json!([mark.card().as_str(), place(mark.card())]))
            .collect();
        let shown: Vec<Value> = cards
            .iter()
            .skip(asked.from)
            .take(asked.count.min(PAGE_MAX))
            .map(|card| told::card(book, card, Length::Listed))
            .collect();
        let heads_told: Vec<Value> = heads
            .iter()
            .filter_map(|head| index.number(head))
            .map(|head| told::line(book, index, head))
            .collect();
        Ok(json!({
            "version": index.version,
            "step": step,
            "steps": index.len(),
            "now": step == newest,
            "entry": number.map(|number| told::line(book, index, number)),
            "heads": heads_told,
            "title": book.deck.at(&heads)?.info()?.title,
            "total": cards.len(),
            "from": asked.from,
            "cards": shown,
            "marked": marked,
            "diff": told::diff(book, &marks, MARKED_MAX, Length::Listed),
        }))
    })
    .await
}

async fn card(State(app): State<Arc<App>>, Path(of): Path<Of>, Query(asked): Query<AtAsked>) -> Answer {
    read(app, of, move |book, index, of| {
        let id: CardId = of.card.as_deref().unwrap_or_default().parse()?;
        let newest = index.len().saturating_sub(1);
        let step = asked.step.unwrap_or(newest).min(newest);
        let view = book.deck.at(&index.heads_at(step))?;
        let found = view
            .card(&id)?
            .ok_or_else(|| Oops::missing("there was no such card then"))?;
        let blame = view.blame(&id)?.map(|blame| told::blame(book, index, &blame));
        let mut entries = index.entries_of(&id);
        let listed: Vec<Value> = entries
            .by_ref()
            .take(LISTED_MAX)
            .map(|number| told::line(book, index, number))
            .collect();
        Ok(json!({
            "version": index.version,
            "step": step,
            "card": told::card(book, &found, Length::Whole),
            "deleted": found.deleted,
            "blame": blame,
            "entries": listed,
            "more": entries.count(),
        }))
    })
    .await
}

#[derive(Deserialize)]
struct CompareAsked {
    a: String,
    b: String,
}

async fn compare(
    State(app): State<Arc<App>>,
    Path(of): Path<Of>,
    Query(asked): Query<CompareAsked>,
) -> Answer {
    read(app, of, move |book, index, _| {
        let (a, b) = (number_of(index, &asked.a)?, number_of(index, &asked.b)?);
        let heads = |number: u32| {
            index
                .step_of(number)
                .map(|step| index.heads_at(step))
                .unwrap_or_default()
        };
        let (before, after) = (heads(a), heads(b));
        let changes = book.deck.diff(&before, &after)?;
        let deck = told::deck_diff(&book.deck.at(&before)?.info()?, &book.deck.at(&after)?.info()?);
        Ok(json!({
            "version": index.version,
            "a": told::line(book, index, a),
            "b": told::line(book, index, b),
            "deck": deck,
            "diff": told::diff(book, &changes, DIFF_MAX, Length::Whole),
        }))
    })
    .await
}

async fn conflicts(State(app): State<Arc<App>>, Path(of): Path<Of>) -> Answer {
    read(app, of, |book, index, _| {
        let found = book.deck.conflicts()?;
        let told = found
            .iter()
            .take(LISTED_MAX)
            .map(|conflict| told::conflict(book, index, conflict));
        Ok(json!({ "version": index.version, "total": found.len(), "conflicts": told.collect::<Vec<_>>() }))
    })
    .await
}

fn draft_told(book: &Book, index: &Index, info: &cuecard::DraftInfo) -> Value {
    let (state, why) = match &info.state {
        DraftState::Open => ("open", None),
        DraftState::Proposed | DraftState::Delivered { .. } => ("proposed", None),
        DraftState::Accepted => ("accepted", None),
        DraftState::Declined { reason, .. } => ("declined", Some(reason.clone())),
        DraftState::Withdrawn => ("withdrawn", None),
        _ => ("other", None),
    };
    json!({
        "id": info.draft.to_string(),
        "author": told::device(book, info.author),
        "device": index.devices.iter().position(|known| *known == Some(info.author)),
        "mine": info.author == book.engine.device(),
        "note": info.note,
        "base": info.base.to_string(),
        "base_step": index.number(&info.base).and_then(|number| index.step_of(number)),
        "changes": info.len,
        "time": info.time_ms,
        "state": state,
        "why": why,
    })
}

async fn drafts(State(app): State<Arc<App>>, Path(of): Path<Of>) -> Answer {
    read(app, of, |book, index, _| {
        let mut found = book.deck.drafts()?;
        found.sort_by_key(|draft| (!draft.state.is_proposed(), std::cmp::Reverse(draft.time_ms)));
        let told = found
            .iter()
            .take(LISTED_MAX)
            .map(|info| draft_told(book, index, info));
        let mine = matches!(book.deck.role()?, Role::Editor { .. });
        let late = late(book)?;
        Ok(json!({
            "version": index.version,
            "editor": mine,
            "total": found.len(),
            "drafts": told.collect::<Vec<_>>(),
            "late": late,
        }))
    })
    .await
}

async fn draft(State(app): State<Arc<App>>, Path(of): Path<Of>) -> Answer {
    read(app, of, |book, index, of| {
        let draft = book.deck.draft_of(of.draft()?);
        let info = draft.info()?;
        let (mut diff, mut deck, mut unmergeable) = (None, None, None);
        if info.state != DraftState::Accepted {
            match draft.preview() {
                Ok(preview) => {
                    diff = Some(told::diff(book, &preview.cards, DIFF_MAX, Length::Whole));
                    deck = preview
                        .deck
                        .map(|(before, after)| told::deck_diff(&before, &after));
                }
                Err(error) => unmergeable = Some(error.to_string()),
            }
        }
        Ok(json!({
            "draft": draft_told(book, index, &info),
            "diff": diff,
            "deck": deck,
            "unmergeable": unmergeable,
        }))
    })
    .await
}

async fn accept(State(app): State<Arc<App>>, Path(of): Path<Of>, _: Json<Value>) -> Answer {
    of.book(&app)?.deck.accept_draft(of.draft()?).await?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    reason: String,
}

async fn decline(
    State(app): State<Arc<App>>,
    Path(of): Path<Of>,
    Json(Reason { reason }): Json<Reason>,
) -> Answer {
    of.book(&app)?.deck.decline_draft(of.draft()?, &reason).await?;
    Ok(Json(json!({})))
}

async fn accept_late(State(app): State<Arc<App>>, Path(of): Path<Of>, _: Json<Value>) -> Answer {
    let term: TermId = of.term.as_deref().unwrap_or_default().parse()?;
    let head: ChangeHash = of.head.as_deref().unwrap_or_default().parse()?;
    of.book(&app)?.deck.accept_late_work(term, head).await?;
    Ok(Json(json!({})))
}

async fn devices(State(app): State<Arc<App>>, Path(of): Path<Of>) -> Answer {
    read(app, of, |book, index, _| {
        let members = book.deck.members()?;
        let sync = book.deck.sync_state()?;
        let me = book.engine.device();
        let editor = editor(book)?;
        let (owner, list) = (members.owner, members.list);
        let listed = |device: DeviceId| list.iter().find(move |member| member.device == device);
        // The owner is no member of a list; and whoever is linked and reads along is there, too.
        let mut devices = vec![owner];
        devices.extend(list.iter().map(|member| member.device));
        devices.extend(sync.devices.iter().map(|state| state.device));
        devices.push(me);
        let mut seen = BTreeSet::new();
        devices.retain(|device| seen.insert(*device));
        let told = devices.iter().map(|&device| {
            let member = listed(device);
            let rights = match member.map(|member| member.rights) {
                _ if device == owner => "hold",
                Some(Rights::Hold) => "hold",
                Some(Rights::Draft) => "draft",
                Some(Rights::Read) | None => "read",
            };
            let state = sync.device(device);
            let (link, heard) = match state.map(|state| state.reach) {
                Some(Reach::Linked(link)) => (Some(link), None),
                Some(Reach::LastHeard { at_ms }) => (None, Some(at_ms)),
                Some(Reach::Never) | None => (None, None),
            };
            json!({
                "device": told::device(book, device),
                "number": index.devices.iter().position(|known| *known == Some(device)),
                "me": device == me,
                "owner": device == owner,
                "editor": editor == Some(device),
                "rights": rights,
                "rank": member.map(|member| member.rank),
                "admitted_by": member.and_then(|member| member.admitted_by).map(|by| told::device(book, by)),
                "linked": device == me || link.is_some(),
                "route": link.map(|link| route(link.route)),
                "round_trip_ms": link.and_then(|link| link.round_trip).map(|time| time.as_secs_f64() * 1000.0),
                "loss_per_mille": link.and_then(|link| link.loss_per_mille),
                "heard": heard,
                "lacks": state.and_then(|state| state.stand).map(|stand| stand.behind),
                "has_more": state.and_then(|state| state.stand).map(|stand| stand.ahead),
                "saved": state.and_then(|state| state.saved).map(|saved| saved.to_string()),
            })
        });
        let told: Vec<Value> = told.collect();
        let audio = book.engine.audio();
        Ok(json!({
            "version": index.version,
            "role": role(book)?,
            "devices": told,
            "unsaved": sync.unsaved,
            "syncing": sync.syncing.map(|progress| [progress.have, progress.total]),
            "audio": {
                "total": audio.len(),
                "whole": audio.iter().filter(|blob| blob.is_whole()).count(),
                "bytes": audio.iter().map(|blob| blob.size_bytes).sum::<u64>(),
                "have": audio.iter().map(|blob| blob.have_bytes).sum::<u64>(),
            },
        }))
    })
    .await
}

const fn route(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::Memory => "within one process",
        RouteKind::Direct => "direct",
        RouteKind::Lan => "local network",
        RouteKind::Relay => "through a relay",
        _ => "another way",
    }
}

/// Where an entry is safe: on this device's disk, and on which others'.
fn safe(book: &Book, hash: ChangeHash) -> Result<Value, Oops> {
    let safety = book.deck.safe_where(hash)?;
    let told = safety.map(|safety| {
        let with: Vec<Value> = safety
            .with
            .iter()
            .map(|device| told::device(book, *device))
            .collect();
        json!({ "here": safety.here, "with": with })
    });
    Ok(json!(told))
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
