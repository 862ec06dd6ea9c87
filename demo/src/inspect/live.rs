//! What happens, as it happens: server-sent events, a line each.
//!
//! Nothing is kept for a page that reads too slowly: the engine's own bound applies, and the page is told how much it
//! missed and reads anew.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cuecard::{DeckChange, DeckId, DeviceId, Engine, Event};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use serde_json::{Value, json};

use crate::present;

use super::App;

/// A sign of life so often: a connection that is gone is noticed.
const ALIVE: Duration = Duration::from_secs(15);

/// Everything that happens to all devices of this page, until the page or the server goes.
pub(super) fn stream(app: &Arc<App>) -> Response {
    let Some(place) = app.listen() else {
        let why = "too many pages listen already; close one";
        return (axum::http::StatusCode::TOO_MANY_REQUESTS, why).into_response();
    };
    let all = app
        .peers
        .iter()
        .enumerate()
        .map(|(number, engine)| of_peer(number, engine.clone()));
    let told = stream::select_all(all.collect::<Vec<BoxStream<'static, Value>>>());
    let mut closing = app.closing.clone();
    let end = async move {
        // Gone is as good as closing.
        let _ = closing.wait_for(|closing| *closing).await;
        drop(place);
    };
    let sent = told
        .take_until(Box::pin(end))
        .map(|line| Ok::<_, Infallible>(Sent::default().data(line.to_string())));
    let alive = KeepAlive::new().interval(ALIVE);
    Sse::new(sent).keep_alive(alive).into_response()
}

fn of_peer(number: usize, engine: Engine) -> BoxStream<'static, Value> {
    let events = engine.events();
    stream::unfold((engine, events), move |(engine, mut events)| async move {
        let event = events.next().await?;
        let (kind, words) = told(&engine, &event);
        let line = json!({
            "peer": number,
            "time": now_ms(),
            "deck": event.deck().map(|deck| deck.to_string()),
            "kind": kind,
            "words": words,
        });
        Some((line, (engine, events)))
    })
    .boxed()
}

/// A deck by its title, or by its id while it has none here.
fn titled(engine: &Engine, deck: DeckId) -> String {
    let info = engine.deck(deck).and_then(|deck| deck.info().ok());
    let title = info.map(|info| info.title).filter(|title| !title.is_empty());
    title.map_or_else(|| deck.short(), |title| format!("“{title}”"))
}

/// Whether a deck passes between this device and another one now.
fn is_reached(engine: &Engine, deck: DeckId, device: DeviceId) -> bool {
    let state = engine.deck(deck).and_then(|deck| deck.sync_state().ok());
    state.is_some_and(|state| state.device(device).is_some_and(|with| with.reach.is_linked()))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// An event: of which kind (what one filters by), and in words.
fn told(engine: &Engine, event: &Event) -> (&'static str, String) {
    let name = |device: &DeviceId| engine.name_of(*device).unwrap_or_else(|| device.short());
    match event {
        Event::Linked { device } => ("link", format!("{} is linked", name(device))),
        Event::Unlinked { device, reason } => {
            ("link", format!("{} is no longer linked: {reason}", name(device)))
        }
        Event::DeckAdded { deck } => (
            "deck",
            format!("deck {} is on this device now", titled(engine, *deck)),
        ),
        Event::DeckRemoved { deck } => (
            "deck",
            format!("deck {} was removed from this device", deck.short()),
        ),
        Event::FollowedChanged { deck, followed } => {
            let is = if *followed {
                "is exchanged again"
            } else {
                "is exchanged with nobody any more"
            };
            ("deck", format!("{} {is}", titled(engine, *deck)))
        }
        Event::Changed { change, .. } => ("change", changed(engine, event, change)),
        Event::RoleMoved { editor, .. } => (
            "role",
            editor.map_or_else(
                || "nobody may edit now".to_owned(),
                |editor| format!("{} may edit now", name(&editor)),
            ),
        ),
        Event::RoleRequested { by, note, .. } => ("role", format!("{} asks for the role: {note}", name(by))),
        Event::RoleDenied { by, reason, .. } => {
            ("role", format!("{} does not give the role: {reason}", name(by)))
        }
        Event::RoleGranted { by, .. } => ("role", format!("{} gave the role to this device", name(by))),
        Event::ClaimRefused { by, .. } => (
            "role",
            format!("{} claimed the role, and may not hold it", name(by)),
        ),
        Event::PresenceChanged { device, .. } => ("present", shows(engine, event, *device)),
        Event::PlaybackChanged { .. } => ("play", plays(engine, event)),
        Event::PlaybackRefused { by, reason, .. } => (
            "play",
            format!("what {} plays counts for nothing: {reason}", name(by)),
        ),
        Event::DraftProposed { draft, author, .. } => (
            "draft",
            format!("{} proposes draft {}", name(author), draft.short()),
        ),
        Event::DraftDelivered { draft, to, .. } => (
            "draft",
            format!("draft {} is safe with {}", draft.short(), name(to)),
        ),
        Event::DraftRefused { draft, by, .. } => (
            "draft",
            format!("{} does not keep draft {}", name(by), draft.short()),
        ),
        Event::DraftAccepted { draft, author, .. } => (
            "draft",
            format!("draft {} by {} is part of the deck", draft.short(), name(author)),
        ),
        Event::DraftDeclined {
            draft, by, reason, ..
        } => (
            "draft",
            format!("{} declines draft {}: {reason}", name(by), draft.short()),
        ),
        Event::DraftWithdrawn { draft, author, .. } => (
            "draft",
            format!("{} takes draft {} back", name(author), draft.short()),
        ),
        Event::DraftReopened { draft, .. } => ("draft", format!("draft {} waits again", draft.short())),
        Event::DraftWrittenAnew { draft, anew, .. } => (
            "draft",
            format!("draft {} is now draft {}", draft.short(), anew.short()),
        ),
        Event::LateWorkWaiting { late, why, .. } => (
            "late",
            format!("late work by {} waits: {why}", name(&late.author)),
        ),
        Event::Reorganised { taken_out, .. } => (
            "late",
            format!("{taken_out} changes were taken out of the deck; they are kept as late work"),
        ),
        Event::TwoSeals { device, .. } => (
            "trouble",
            format!("{} sealed two lines of one term", name(device)),
        ),
        Event::SafeWith { device, in_sync, .. } => {
            let all = if *in_sync { "everything" } else { "a part" };
            (
                "sync",
                format!("{} holds {all} of the deck durably", name(device)),
            )
        }
        Event::ReachChanged { deck, device } => (
            "link",
            format!(
                "{} {} {}",
                titled(engine, *deck),
                if is_reached(engine, *deck, *device) {
                    "is exchanged with"
                } else {
                    "is no longer exchanged with"
                },
                name(device)
            ),
        ),
        Event::EditorSilent { editor, .. } => ("link", format!("{}, the editor, is silent", name(editor))),
        Event::EditorHeard { editor, .. } => {
            ("link", format!("{}, the editor, is heard of again", name(editor)))
        }
        Event::Syncing { have, total, .. } => ("sync", format!("{have} of {total} changes are here")),
        Event::SyncComplete { .. } => ("sync", "everything that linked devices have is here".to_owned()),
        Event::Audio(progress) => {
            let (have, size) = (progress.have_bytes, progress.size_bytes);
            (
                "audio",
                format!("audio {}: {have} of {size} bytes", progress.blob.short()),
            )
        }
        Event::Refused { device, why } => (
            "trouble",
            format!("{} sent what was refused: {why}", name(device)),
        ),
        Event::StoreFailed { why } => ("trouble", format!("the disk failed: {why}")),
        Event::WentBack { .. } => ("trouble", "the deck is again what the disk has of it".to_owned()),
        Event::CompactionFailed { why, .. } => ("trouble", format!("a snapshot could not be written: {why}")),
        Event::DeckDamaged { why, .. } => ("trouble", format!("what is kept is damaged: {why}")),
        Event::DeckBroken { why, .. } => ("trouble", format!("the deck broke: {why}")),
        Event::CopyAtWork { .. } => ("trouble", "a copy of this device is at work".to_owned()),
        Event::OwnCharterMet { .. } => (
            "trouble",
            "a word of this device came that it did not know".to_owned(),
        ),
        Event::MembersChanged { .. } => ("member", "members or rights are others now".to_owned()),
        Event::MemberAdmitted { device, by, .. } => {
            ("member", format!("{} let {} in", name(by), name(device)))
        }
        Event::AdmissionAsked { device, .. } => ("member", format!("{} asks to be let in", name(device))),
        Event::KeyTurned { .. } => ("member", "the deck has a new key".to_owned()),
        Event::Removed { .. } => ("member", "this device was removed from the deck".to_owned()),
        Event::Lagged { missed } => ("lagged", format!("{missed} events were missed")),
        // What later versions add shows by its name.
        other => ("other", format!("{other:?}").chars().take(200).collect()),
    }
}

fn shows(engine: &Engine, event: &Event, device: DeviceId) -> String {
    let deck = event.deck().and_then(|deck| engine.deck(deck));
    let all = deck
        .and_then(|deck| present::present(engine, &deck).ok())
        .unwrap_or_default();
    let found = all
        .into_iter()
        .find(|other| other.device.id == device.to_string());
    let Some(other) = found else {
        let name = engine.name_of(device).unwrap_or_else(|| device.short());
        return format!("{name} is not there any more");
    };
    match other.card {
        Some(card) => format!(
            "{} looks at “{}”",
            other.name,
            card.front.chars().take(60).collect::<String>()
        ),
        None => format!("{} is there", other.name),
    }
}

fn plays(engine: &Engine, event: &Event) -> String {
    let deck = event.deck().and_then(|deck| engine.deck(deck));
    match deck.and_then(|deck| present::playing(engine, &deck).ok().flatten()) {
        None => "nothing is played any more".to_owned(),
        Some(now) => {
            let what = if now.is_playing {
                "is played"
            } else {
                "stands still"
            };
            let by = now.by.map_or_else(|| "nobody".to_owned(), |by| by.name);
            format!(
                "“{}” {what} for everybody, by {by}",
                now.name.chars().take(60).collect::<String>()
            )
        }
    }
}

fn changed(engine: &Engine, event: &Event, change: &DeckChange) -> String {
    let deck = event.deck().and_then(|deck| engine.deck(deck));
    let front = |card: &cuecard::CardId| -> String {
        let found = deck.as_ref().and_then(|deck| deck.card(card).ok().flatten());
        found.map_or_else(|| card.to_string(), |card| card.front.chars().take(60).collect())
    };
    match change {
        DeckChange::CardAdded { card } => {
            format!("card “{}” added", card.front.chars().take(60).collect::<String>())
        }
        DeckChange::TextChanged { card, field, .. } => format!("{field} of “{}” changed", front(card)),
        DeckChange::CardMoved { card, .. } => format!("card “{}” moved", front(card)),
        DeckChange::CardDeleted { card } => format!("card “{}” deleted", front(card)),
        DeckChange::CardTakenOut { card } => format!("card {card} taken out by a reorganisation"),
        DeckChange::CardRestored { card } => format!("card “{}” restored", front(&card.id)),
        DeckChange::Tagged { card, tag } => format!("“{}” tagged {tag}", front(card)),
        DeckChange::Untagged { card, tag } => format!("tag {tag} taken off “{}”", front(card)),
        DeckChange::AudioAttached { card, slot, .. } => format!("audio put into {slot} of “{}”", front(card)),
        DeckChange::AudioDetached { card, slot } => format!("audio taken out of {slot} of “{}”", front(card)),
        DeckChange::FieldChanged {
            card: Some(card),
            name,
            ..
        } => format!("field {name} of “{}” changed", front(card)),
        DeckChange::FieldChanged { card: None, name, .. } => format!("field {name} of the deck changed"),
        DeckChange::DeckRenamed { title, .. } => format!("the deck is called “{title}” now"),
        DeckChange::LateAccepted { term } => format!("late work of term {} accepted", term.short()),
        DeckChange::DraftAccepted { draft } => format!("draft {} accepted", draft.short()),
        DeckChange::DraftDeclined { draft } => format!("draft {} declined", draft.short()),
        other => format!("{other:?}").chars().take(200).collect(),
    }
}
