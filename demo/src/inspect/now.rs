//! What is asked of a deck as it is now: a summary, drafts and late work and the editor's word on them, devices.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use cuecard::transport::RouteKind;
use cuecard::{
    BlobId, BlobProgress, CardId, ChangeHash, DeviceId, DraftState, Presence, Reach, Rights, Role, Standing,
    TermId,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::present;

use super::App;
use super::asked::{Answer, DIFF_MAX, LISTED_MAX, Nothing, Of, Oops};
use super::book::Book;
use super::index::{Index, draft_of};
use super::told::{self, Length};

/// Waiting drafts that are shown beside the graph; all of them are in their own view.
const BESIDE_MAX: usize = 4;
/// Pieces of audio on their way that are listed.
const UNDER_WAY_MAX: usize = 8;
/// Parts of the strip above the slider.
const RIBBON_PARTS: usize = 240;

pub(super) fn summary(book: &Book, index: &Index, _: &Of, _: Nothing) -> Result<Value, Oops> {
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
        "followed": book.deck.is_followed()?,
        "description": info.description,
        "head": book.deck.head()?.to_string(),
        "entries": index.len(),
        "cards": book.living(index)?.len(),
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
    let sign = book.deck.sync_state()?.editor;
    Ok(json!({
        "mine": editor == Some(book.engine.device()),
        "editor": editor.map(|editor| told::device(book, editor)),
        "settled": standing == Standing::Settled,
        "silent": sign.is_some_and(|sign| sign.is_silent),
        "heard": sign.and_then(|sign| sign.heard_ms),
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

pub(super) fn drafts(book: &Book, index: &Index, _: &Of, _: Nothing) -> Result<Value, Oops> {
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
}

pub(super) fn draft(book: &Book, index: &Index, of: &Of, _: Nothing) -> Result<Value, Oops> {
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
}

pub(super) async fn accept(State(app): State<Arc<App>>, Path(of): Path<Of>, _: Json<Value>) -> Answer {
    of.book(&app)?.deck.accept_draft(of.draft()?).await?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
pub(super) struct Reason {
    #[serde(default)]
    reason: String,
}

pub(super) async fn decline(
    State(app): State<Arc<App>>,
    Path(of): Path<Of>,
    Json(Reason { reason }): Json<Reason>,
) -> Answer {
    of.book(&app)?.deck.decline_draft(of.draft()?, &reason).await?;
    Ok(Json(json!({})))
}

pub(super) async fn accept_late(State(app): State<Arc<App>>, Path(of): Path<Of>, _: Json<Value>) -> Answer {
    let term: TermId = of.term.as_deref().unwrap_or_default().parse()?;
    let head: ChangeHash = of.head.as_deref().unwrap_or_default().parse()?;
    of.book(&app)?.deck.accept_late_work(term, head).await?;
    Ok(Json(json!({})))
}

pub(super) fn devices(book: &Book, index: &Index, _: &Of, _: Nothing) -> Result<Value, Oops> {
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
        "present": present::present(&book.engine, &book.deck)?,
        "playing": present::playing(&book.engine, &book.deck)?,
        "unsaved": sync.unsaved,
        "syncing": sync.syncing.map(|progress| [progress.have, progress.total]),
        "audio": {
            "total": audio.len(),
            "whole": audio.iter().filter(|blob| blob.is_whole()).count(),
            "bytes": audio.iter().map(|blob| blob.size_bytes).sum::<u64>(),
            "have": audio.iter().map(|blob| blob.have_bytes).sum::<u64>(),
            "rate": audio.iter().map(|blob| blob.bytes_per_second).sum::<u64>(),
            "under_way": under_way(book, index, &audio)?,
        },
    }))
}

/// Audio that is on its way, by the names that cards give it.
fn under_way(book: &Book, index: &Index, audio: &[BlobProgress]) -> Result<Vec<Value>, Oops> {
    let coming: Vec<&BlobProgress> = audio
        .iter()
        .filter(|blob| !blob.is_whole() && blob.have_bytes > 0)
        .take(UNDER_WAY_MAX)
        .collect();
    if coming.is_empty() {
        return Ok(Vec::new());
    }
    let blobs: Vec<BlobId> = coming.iter().map(|blob| blob.blob).collect();
    let names = book.names_of(index, &blobs)?;
    let name_of = |blob: BlobId| names.get(&blob).cloned();
    let told = coming.into_iter().map(|blob| {
        json!({
            "name": name_of(blob.blob).unwrap_or_else(|| blob.blob.short()),
            "have": blob.have_bytes,
            "bytes": blob.size_bytes,
            "rate": blob.bytes_per_second,
            "left_ms": blob.remaining().map(|left| left.as_secs() * 1_000),
        })
    });
    Ok(told.collect())
}

/// What the person at the page looks at, for the others to see.
#[derive(Deserialize)]
pub(super) struct Looks {
    card: Option<String>,
    /// Nobody is there any more.
    #[serde(default)]
    gone: bool,
}

pub(super) async fn presence(
    State(app): State<Arc<App>>,
    Path(of): Path<Of>,
    Json(looks): Json<Looks>,
) -> Answer {
    let card: Option<CardId> = looks.card.as_deref().map(str::parse).transpose()?;
    let presence = (!looks.gone).then(|| Presence {
        card,
        ..Presence::default()
    });
    of.book(&app)?.deck.set_presence(presence)?;
    Ok(Json(json!({})))
}

/// What is to be played for everybody.
#[derive(Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(super) enum Plays {
    Play { card: String, slot: String },
    Pause,
    GoOn,
    Stop,
    Seek { ms: u64 },
}

pub(super) async fn play(
    State(app): State<Arc<App>>,
    Path(of): Path<Of>,
    Json(plays): Json<Plays>,
) -> Answer {
    let deck = &of.book(&app)?.deck;
    match plays {
        Plays::Play { card, slot } => deck.play(&card.parse()?, &slot, Duration::ZERO)?,
        Plays::Pause => deck.pause()?,
        Plays::GoOn => deck.go_on_playing()?,
        Plays::Stop => deck.stop()?,
        Plays::Seek { ms } => deck.seek(Duration::from_millis(ms))?,
    }
    Ok(Json(json!({})))
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
