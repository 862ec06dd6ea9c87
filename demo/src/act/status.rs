//! How everything stands, and what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cuecard::transport::RouteKind;
use cuecard::{BlobId, BlobProgress, Deck, DeckId, DeviceId, DraftState, Event, Reach, Stand, SyncState};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::ask::happening::{Happening, Progress, Transfer};
use crate::ask::talk::Talk;
use crate::ask::told::{
    AudioTotals, DamagedTold, DeckHere, DeckStatus, DeviceDeck, DeviceStatus, DeviceTold, PeerTold,
    StatusTold, Told,
};
use crate::error::Error;
use crate::node::Node;
use crate::node::links::{LinkState, Links, name_of};
use crate::present;

use super::{drafts, find, role};

/// A person does not read faster, and a machine that looks at a terminal has other things to do.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// Some of what is watched is no event: a route that is dialled, a round trip.
const WATCH_AGAIN: Duration = Duration::from_secs(1);

pub(super) fn here(node: &Node) -> DeviceTold {
    find::device_told(node, node.engine().device())
}

pub(super) fn status(node: &Node) -> Result<StatusTold, Error> {
    let peer = node.links().map(|_| PeerTold {
        pid: std::process::id(),
        command: node.command().to_owned(),
    });
    Ok(StatusTold {
        device: here(node),
        folder: node.home().folder().to_owned(),
        peer,
        decks: decks(node)?,
        devices: devices(node)?,
        damaged: damaged(node),
    })
}

/// Decks that are kept here and cannot be opened.
pub(super) fn damaged(node: &Node) -> Vec<DamagedTold> {
    let damaged = node.engine().damaged_decks().into_iter();
    let told = damaged.map(|damaged| DamagedTold {
        id: damaged.deck.to_string(),
        why: damaged.why,
    });
    told.collect()
}

pub(super) fn decks(node: &Node) -> Result<Vec<DeckStatus>, Error> {
    let mut told: Vec<DeckStatus> = node
        .engine()
        .decks()
        .iter()
        .map(|deck| deck_status(node, deck))
        .collect::<Result<_, _>>()?;
    told.sort_by(|one, other| (&one.deck.title, &one.deck.id).cmp(&(&other.deck.title, &other.deck.id)));
    Ok(told)
}

fn deck_status(node: &Node, deck: &Deck) -> Result<DeckStatus, Error> {
    let name = find::deck_name(deck);
    let followed = deck.is_followed()?;
    // An error says that nothing of it has arrived.
    let Ok(head) = deck.head() else {
        return Ok(DeckStatus {
            deck: name,
            followed,
            here: None,
        });
    };
    let drafts = deck.drafts()?;
    let own = node.engine().device();
    let members = deck.members()?;
    let here = DeckHere {
        role: role::role_told(node, deck)?,
        rights: role::own_rights(node, &members).to_owned(),
        cards: deck.card_count()?,
        entries: deck.entry_count()?,
        head: head.to_string(),
        audio: audio(node, deck)?.0,
        present: present::present(node.engine(), deck)?,
        playing: present::playing(node.engine(), deck)?,
        safe_with: deck
            .safe_where(head)?
            .map(|safety| safety.with.iter().map(|device| node.name_of(*device)).collect())
            .unwrap_or_default(),
        drafts_waiting: drafts.iter().filter(|draft| draft.state.is_proposed()).count(),
        drafts_open: drafts
            .iter()
            .filter(|draft| draft.author == own && draft.state == DraftState::Open)
            .count(),
        late_work: deck.late_work()?.len(),
    };
    Ok(DeckStatus {
        deck: name,
        followed,
        here: Some(here),
    })
}

/// How much of a deck's audio is here, and what of it is under way.
pub(super) fn audio(node: &Node, deck: &Deck) -> Result<(AudioTotals, Vec<Transfer>), Error> {
    let mut pieces: BTreeMap<BlobId, (u64, String)> = BTreeMap::new();
    for card in deck.cards()? {
        for audio in card.audio.into_values() {
            pieces.entry(audio.blob).or_insert((audio.bytes, audio.name));
        }
    }
    let under_way: BTreeMap<BlobId, BlobProgress> = node
        .engine()
        .audio()
        .into_iter()
        .map(|progress| (progress.blob, progress))
        .collect();
    let mut totals = AudioTotals {
        all: pieces.len(),
        ..AudioTotals::default()
    };
    let mut transfers = Vec::new();
    for (blob, (size_bytes, name)) in pieces {
        let is_whole = deck.open_audio(blob).is_ok();
        let (have_bytes, bytes_per_second) = match under_way.get(&blob) {
            _ if is_whole => (size_bytes, 0),
            Some(progress) => (progress.have_bytes.min(size_bytes), progress.bytes_per_second),
            None => (0, 0),
        };
        totals.bytes_per_second += bytes_per_second;
        totals.whole += usize::from(is_whole);
        totals.have_bytes += have_bytes;
        totals.size_bytes += size_bytes;
        if !is_whole {
            transfers.push(Transfer {
                blake3: blob.to_string(),
                name,
                have_bytes,
                size_bytes,
                bytes_per_second,
            });
        }
    }
    Ok((totals, transfers))
}

/// How far a deck has come.
pub(super) fn progress(node: &Node, deck: &Deck) -> Result<Progress, Error> {
    let arrived = deck.head().is_ok();
    let sync = deck.sync_state()?;
    let (audio, transfers) = if arrived {
        audio(node, deck)?
    } else {
        (AudioTotals::default(), Vec::new())
    };
    Ok(Progress {
        deck: find::deck_name(deck),
        changes: sync.changes,
        changes_all: sync.syncing.map(|progress| progress.total),
        audio,
        transfers,
    })
}

/// Whether both hold all changes that either does, as far as the other said when it was last heard.
pub(super) fn is_in_sync(deck: &Deck, device: DeviceId) -> bool {
    let stand = |state: SyncState| state.device(device)?.stand;
    deck.head().is_ok()
        && deck
            .sync_state()
            .ok()
            .and_then(stand)
            .is_some_and(Stand::is_in_sync)
}

/// What all decks know of a device.
#[derive(Default)]
struct Heard {
    route: Option<RouteKind>,
    round_trip: Option<Duration>,
    last_heard_ms: Option<u64>,
    decks: Vec<DeviceDeck>,
}

fn devices(node: &Node) -> Result<Vec<DeviceStatus>, Error> {
    let links = node.links().map(Links::all).unwrap_or_default();
    let mut known: BTreeMap<DeviceId, Heard> = BTreeMap::new();
    for device in links.keys() {
        known.entry(*device).or_default();
    }
    for (device, _) in node.engine().routes()? {
        known.entry(device).or_default();
    }
    for deck in node.engine().decks() {
        for state in deck.sync_state()?.devices {
            let heard = known.entry(state.device).or_default();
            match state.reach {
                Reach::Linked(quality) => {
                    heard.route = Some(quality.route);
                    heard.round_trip = quality.round_trip;
                }
                Reach::LastHeard { at_ms } => heard.last_heard_ms = heard.last_heard_ms.max(Some(at_ms)),
                _ => {}
            }
            heard.decks.push(DeviceDeck {
                deck: find::deck_name(&deck),
                in_sync: state.stand.map(Stand::is_in_sync),
                behind: state.stand.map_or(0, |stand| stand.behind),
                ahead: state.stand.map_or(0, |stand| stand.ahead),
            });
        }
    }
    let told = |(device, heard): (DeviceId, Heard)| {
        let link = links.get(&device);
        let route = heard.route.or_else(|| link.and_then(LinkState::route));
        DeviceStatus {
            device: find::device_told(node, device),
            route: route.map(|kind| name_of(kind).to_owned()),
            why: match (route, link) {
                (Some(_), _) => None,
                (None, Some(LinkState::Down(why))) => Some(why.clone()),
                (None, Some(_)) => Some("the link has just ended".to_owned()),
                (None, None) if node.links().is_some() => {
                    Some("no codes were exchanged with it here".to_owned())
                }
                (None, None) => Some("nothing keeps this device linked".to_owned()),
            },
            round_trip_ms: heard.round_trip.map(|time| time.as_secs_f64() * 1000.0),
            last_heard_ms: heard.last_heard_ms,
            decks: heard.decks,
        }
    };
    Ok(known.into_iter().map(told).collect())
}

/// The status, each time it is another, until whoever asked hangs up.
pub(super) async fn watch(node: &Node, talk: &Talk) -> Result<Told, Error> {
    let mut events = node.engine().events();
    let mut last = None;
    loop {
        let now = status(node)?;
        if last.as_ref() != Some(&now) {
            talk.say(Happening::Status(Box::new(now.clone()))).await;
            last = Some(now);
        }
        let again = Instant::now() + WATCH_AGAIN;
        if let Ok(None) = timeout_at(again, events.next()).await {
            return Ok(Told::Ended);
        }
        sleep_until((Instant::now() + WATCH_EVERY).min(again)).await;
    }
}

/// What happens, until whoever asked hangs up.
pub(super) async fn follow(node: &Node, talk: &Talk) -> Result<Told, Error> {
    let mut events = node.engine().events();
    let dialled = node.links().map_or(0, |links| links.all().len());
    talk.say(Happening::Ready {
        device: here(node),
        dialled,
        decks: node.engine().decks().len(),
    })
    .await;
    let mut news = News::default();
    while let Some(event) = events.next().await {
        for happening in news.of(node, &event) {
            talk.say(happening).await;
        }
    }
    Ok(Told::Ended)
}

/// What of all that happens is worth telling people.
#[derive(Default)]
pub(super) struct News {
    /// Decks of which a change was told; the many that come with it are not.
    whole: BTreeSet<BlobId>,
    /// What was told of a deck's members: several events can lead to one and the same.
    members: BTreeMap<DeckId, String>,
    in_sync: BTreeSet<(DeckId, DeviceId)>,
}

impl News {
    pub(super) fn of(&mut self, node: &Node, event: &Event) -> Vec<Happening> {
        let deck = event
            .deck()
            .and_then(|deck| node.engine().deck(deck))
            .map(|deck| find::deck_name(&deck));
        let news = |text: String| {
            vec![Happening::News {
                deck: deck.clone(),
                text,
            }]
        };
        match event {
            Event::Linked { device } => vec![Happening::Linked {
                device: find::device_told(node, *device),
                route: node
                    .links()
                    .and_then(|links| links.all().get(device)?.route())
                    .map(|kind| name_of(kind).to_owned()),
            }],
            Event::Unlinked { device, reason } => {
                self.in_sync.retain(|(_, other)| other != device);
                vec![Happening::Unlinked {
                    device: find::device_told(node, *device),
                    why: reason.clone(),
                }]
            }
            Event::SafeWith {
                deck: id,
                device,
                in_sync,
            } => {
                if !in_sync {
                    self.in_sync.remove(&(*id, *device));
                    return Vec::new();
                }
                match (self.in_sync.insert((*id, *device)), deck) {
                    (true, Some(deck)) => vec![Happening::InSync {
                        deck,
                        device: find::device_told(node, *device),
                    }],
                    _ => Vec::new(),
                }
            }
            Event::Audio(progress) if progress.is_whole() && self.whole.insert(progress.blob) => {
                let name = audio_name(node, progress.blob);
                let of = name.map_or_else(
                    || "a piece of audio".to_owned(),
                    |name| format!("the audio {name}"),
                );
                news(format!("{of} is whole"))
            }
            Event::Refused { device, why } => news(format!(
                "{} sent something that was refused: {why}",
                node.name_of(*device)
            )),
            Event::StoreFailed { why } => news(format!(
                "the disk failed, and nothing is saved any more until this is started again: {why}"
            )),
            Event::WentBack { .. } => news(
                "the deck is again what the disk has of it; what was taken out had not been acknowledged"
                    .to_owned(),
            ),
            Event::CompactionFailed { why, .. } => news(format!(
                "a snapshot could not be written ({why}); nothing is lost, and it is tried again later"
            )),
            Event::DeckDamaged { why, .. } => news(format!(
                "part of what is kept of the deck is damaged ({why}); let another device get it from one that has it all, \
                 then remove it here and join it again"
            )),
            Event::DeckBroken { why, .. } => news(format!(
                "the deck's document broke ({why}); start this again, and it is rebuilt from the log"
            )),
            Event::MembersChanged { deck: id } => match role::news(node, event) {
                Some(text) if self.members.insert(*id, text.clone()).as_ref() != Some(&text) => news(text),
                _ => Vec::new(),
            },
            event => role::news(node, event)
                .or_else(|| drafts::news(node, event))
                .map(news)
                .unwrap_or_default(),
        }
    }
}

fn audio_name(node: &Node, blob: BlobId) -> Option<String> {
    node.engine().decks().iter().find_map(|deck| {
        let cards = deck.cards().ok()?;
        let mut audio = cards.into_iter().flat_map(|card| card.audio.into_values());
        audio.find(|audio| audio.blob == blob).map(|audio| audio.name)
    })
}
