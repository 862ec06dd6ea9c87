//! How other devices stand to a deck: what they said that they hold, and what follows from it for every change.
//!
//! What a device said last is remembered when its link is over, and across restarts: "saved there" stays true of it. It is
//! for people to look at. Nothing is sent, or not sent, because of it.

use std::collections::BTreeSet;
use std::time::Duration;

use cuecard_store::Batch;
use cuecard_transport::RouteKind;
use minicbor::{Decode, Encode};

use super::drafts::DraftState;
use super::log::Log;
use super::silence::EditorSign;
use super::{Core, DeckError, LinkId, Output, Ticket};
use crate::disk;
use crate::event::Event;
use crate::id::{ChangeHash, DeckId, DeviceId, DraftId};
use crate::limits::DECK_CHANGES_MAX;
use crate::sync::message::Position;
use crate::time::Time;

/// How a deck stands here and with every other device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncState {
    /// How many changes its log has, as it shows here. What a draft brought in counts as one: its acceptance.
    pub changes: u64,
    /// How many of them are not durable here yet.
    pub unsaved: u64,
    /// Set while devices that are linked have changes that this one has not.
    pub syncing: Option<SyncProgress>,
    /// What is known of the editor, if that is another device: whether it is there, linked or not.
    pub editor: Option<EditorSign>,
    /// Its members, and whoever else is linked and reads it; by their ids, without this device.
    pub devices: Vec<DeviceSync>,
}

impl SyncState {
    /// What is known of one device.
    #[must_use]
    pub fn device(&self, device: DeviceId) -> Option<&DeviceSync> {
        self.devices.iter().find(|state| state.device == device)
    }
}

/// How far catching up has come, in changes of the deck's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncProgress {
    /// What is durable here.
    pub have: u64,
    /// What the device that is furthest ahead said that it has.
    pub total: u64,
}

/// How another device stands to a deck, as far as it said. Audio and drafts are not part of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSync {
    /// Which device.
    pub device: DeviceId,
    /// What it calls itself, if it ever said.
    pub name: Option<String>,
    /// Whether it is linked.
    pub reach: Reach,
    /// How what it holds durably compares with what shows here; `None` while it never said.
    pub stand: Option<Stand>,
    /// The newest change that both have: this and all before are saved there. `None` while it never said.
    pub saved: Option<ChangeHash>,
}

/// Whether a device can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It is linked.
    Linked(LinkQuality),
    /// It is not, and was last heard then, in milliseconds since 1970.
    LastHeard {
        /// When.
        at_ms: u64,
    },
    /// It was never linked with this device, or said nothing of the deck.
    Never,
}

impl Reach {
    /// Whether the deck passes between both now.
    #[must_use]
    pub const fn is_linked(&self) -> bool {
        matches!(self, Self::Linked(_))
    }
}

/// What is known of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkQuality {
    /// How its bytes travel.
    pub route: RouteKind,
    /// The latest round trip, once there was one.
    pub round_trip: Option<Duration>,
    /// Of a thousand heartbeats, how many were lost on the way at first, once there was one.
    pub loss_per_mille: Option<u16>,
}

/// What two devices have of one deck, compared. Both numbers can be above zero: they went different ways, and one of the
/// ways will count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stand {
    /// How many changes this device has that the other has not, or has not durably yet.
    pub behind: u64,
    /// How many the other has that this device has not.
    pub ahead: u64,
}

impl Stand {
    /// Whether both have the same.
    #[must_use]
    pub const fn is_in_sync(self) -> bool {
        self.behind == 0 && self.ahead == 0
    }
}

/// What is known of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Safety {
    /// What became of it.
    pub fate: Fate,
    /// Whether it is durable on this device.
    pub here: bool,
    /// The devices that acknowledged that they hold it durably. Of late work nobody says so one by one, and of a draft
    /// only its own author is told.
    pub with: BTreeSet<DeviceId>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is part of the deck.
    Canonical,
    /// It is part of a draft.
    Draft(DraftId),
    /// It is late work: it lost its place, and waits for the editor to take it in.
    Late,
}

/// What a device said when it was last heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Heard {
    /// Where it stands, durably.
    #[n(0)]
    held: Position,
    /// How many changes that are.
    #[n(1)]
    changes: u64,
    /// The newest place on our path that it was known to hold then.
    #[n(2)]
    shared: Position,
    /// When it was last heard, in milliseconds since 1970.
    #[n(3)]
    at_ms: u64,
}

impl Heard {
    /// How many changes it said to hold.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    /// The newest place on the path as it is now that the device is known to hold.
    fn shared_on(&self, log: &Log) -> Position {
        let found = log.shared_up_to(self.held);
        found
            .or_else(|| log.shared_up_to(self.shared))
            .unwrap_or_else(|| log.start())
    }

    fn stand(&self, log: &Log) -> Stand {
        let count = |position| log.changes_upto(position).unwrap_or_default();
        let shared = count(self.shared_on(log));
        Stand {
            behind: count(log.position()).saturating_sub(shared),
            ahead: match log.chain.holds(self.held.term, self.held.cut()) {
                // Whatever it has is here, on the path or beside it.
                true => 0,
                false => self.changes.saturating_sub(shared).max(1),
            },
        }
    }

    /// Whether this device lacks something that the other has, or has it not durably.
    fn is_ahead_of(&self, log: Option<&Log>) -> bool {
        log.is_none_or(|log| {
            let is_held = log.chain.holds(self.held.term, self.held.cut());
            !is_held || log.is_before(log.durable(), self.held)
        })
    }
}

impl Core {
    /// How a deck stands here and with every other device. `quality` is asked for the links that are up.
    ///
    /// # Errors
    /// When the deck is not followed here.
    pub fn sync_state(
        &self,
        deck: DeckId,
        quality: &dyn Fn(LinkId) -> Option<LinkQuality>,
    ) -> Result<SyncState, DeckError> {
        let state = self.decks.get(&deck).ok_or_else(|| self.not_here(deck))?;
        let log = state.log.as_ref();
        let linked = |(&link, to): (&LinkId, &super::links::LinkState)| {
            to.sessions.contains_key(&deck).then_some((to.peer, link))
        };
        let linked: std::collections::BTreeMap<DeviceId, LinkId> =
            self.links.iter().filter_map(linked).collect();
        let mut devices: BTreeSet<DeviceId> = linked.keys().copied().collect();
        devices.extend(state.heard.keys());
        if let Some(log) = log {
            devices.extend(log.chain.members().iter().map(|member| member.device));
            devices.insert(log.chain.charter().owner);
        }
        devices.remove(&self.device());
        let device = |device: DeviceId| {
            let heard = state.heard.get(&device);
            let link = linked.get(&device).and_then(|&link| quality(link));
            let last_heard = |heard: &Heard| Reach::LastHeard { at_ms: heard.at_ms };
            DeviceSync {
                device,
                name: self.name_of(device).map(str::to_owned),
                reach: match link {
                    Some(quality) => Reach::Linked(quality),
                    None => heard.map_or(Reach::Never, last_heard),
                },
                stand: log.and_then(|log| Some(heard?.stand(log))),
                saved: log.and_then(|log| Some(heard?.shared_on(log).head)),
            }
        };
        let count = |position: fn(&Log) -> Position| {
            log.and_then(|log| log.changes_upto(position(log)))
                .unwrap_or_default()
        };
        let changes = count(Log::position);
        let editor = log.and_then(|log| log.chain.canonical().editor);
        let editor = editor.filter(|editor| *editor != self.device());
        Ok(SyncState {
            changes,
            unsaved: changes.saturating_sub(count(Log::durable)),
            syncing: state.syncing,
            editor: editor.map(|editor| state.role.silence.sign_of(editor)),
            devices: devices.into_iter().map(device).collect(),
        })
    }

    /// Where a change is, and where it is safe; `None` if this device does not hold it.
    ///
    /// # Errors
    /// When the deck is not here.
    pub fn safe_where(&self, deck: DeckId, change: ChangeHash) -> Result<Option<Safety>, DeckError> {
        let log = self.log(deck)?;
        let all_saved = || !self.saving.values().any(|saving| saving.deck == deck);
        if let Some(at) = log.place_of_change(&change) {
            let heard = self.decks.get(&deck).into_iter().flat_map(|state| &state.heard);
            let holds = |(device, heard): (&DeviceId, &Heard)| {
                (!log.is_before(heard.shared_on(log), at)).then_some(*device)
            };
            return Ok(Some(Safety {
                fate: Fate::Canonical,
                here: !log.is_before(log.durable(), at),
                with: heard.filter_map(holds).collect(),
            }));
        }
        if let Some((draft, number)) = log.draft_of_change(&change) {
            let delivered = match draft.state() {
                DraftState::Delivered { to } if number <= draft.signed_len() => to.clone(),
                _ => BTreeSet::new(),
            };
            return Ok(Some(Safety {
                fate: Fate::Draft(draft.id()),
                here: all_saved(),
                with: delivered,
            }));
        }
        Ok(log.is_late(change).then(|| Safety {
            fate: Fate::Late,
            here: all_saved(),
            with: BTreeSet::new(),
        }))
    }

    /// Whether a device holds, durably, what shows here, and nothing else; `None` while it never said.
    pub(super) fn is_in_sync(&self, deck: DeckId, device: DeviceId) -> Option<bool> {
        let state = self.decks.get(&deck)?;
        let stand = state.heard.get(&device)?.stand(state.log.as_ref()?);
        Some(stand.is_in_sync())
    }

    /// A device said where it stands: up to `held`, which are so many changes, of which `shared` is on our path.
    pub(super) fn hear(
        &mut self,
        deck: DeckId,
        device: DeviceId,
        held: Position,
        changes: u64,
        shared: Option<Position>,
    ) {
        let at_ms = self.now.as_millis();
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let log = state.log.as_ref();
        let known = state.heard.get(&device).map(|heard| heard.shared);
        let shared = shared.or_else(|| log?.shared_up_to(held)).or(known);
        let start = log.map(Log::start);
        let Some(shared) = shared.or(start).or(Some(held)) else {
            return;
        };
        state.heard.insert(
            device,
            Heard {
                held,
                changes: changes.min(DECK_CHANGES_MAX),
                shared,
                at_ms,
            },
        );
    }

    /// Tells the app how far catching up is, where that is news. It begins (`begin`) with what a device says of all that it
    /// has: what comes one by one while both look on is no catching up.
    pub(super) fn tell_progress(&mut self, deck: DeckId, begin: bool) {
        let Some(progress) = self.progress(deck) else {
            let was = self.decks.get_mut(&deck).and_then(|state| state.syncing.take());
            if was.is_some() {
                self.event(Event::SyncComplete { deck });
            }
            return;
        };
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        if (begin || state.syncing.is_some()) && state.syncing.replace(progress) != Some(progress) {
            let SyncProgress { have, total } = progress;
            self.event(Event::Syncing { deck, have, total });
        }
    }

    /// A link is over: what it was to bring comes by another one, or later.
    pub(super) fn forget_progress(&mut self, deck: DeckId) {
        if self.progress(deck).is_none()
            && let Some(state) = self.decks.get_mut(&deck)
        {
            state.syncing = None;
        }
    }

    /// Whether no linked device is known to have more of a deck than this one.
    pub(super) fn is_caught_up(&self, deck: DeckId) -> bool {
        self.progress(deck).is_none()
    }

    fn progress(&self, deck: DeckId) -> Option<SyncProgress> {
        let state = self.decks.get(&deck)?;
        let log = state.log.as_ref();
        let linked = self.links.values().filter(|link| {
            let session = link.sessions.get(&deck);
            session.is_some_and(|session| session.heard)
        });
        let heard = linked.filter_map(|link| state.heard.get(&link.peer));
        let ahead = heard.filter(|heard| heard.is_ahead_of(log));
        let furthest = ahead.map(|heard| heard.changes).max()?;
        let have = log.and_then(|log| log.changes_upto(log.durable()));
        let have = have.unwrap_or_default();
        Some(SyncProgress {
            have,
            total: furthest.max(have),
        })
    }

    /// A link goes: when its device was last heard, and where it stood, is kept for members.
    pub(super) fn keep_heard(&mut self, link: LinkId) {
        let Some(to) = self.links.get(&link) else { return };
        let decks: Vec<DeckId> = to.sessions.keys().copied().collect();
        self.keep_heard_of(link, &decks);
    }

    /// The same of these decks.
    pub(super) fn keep_heard_of(&mut self, link: LinkId, decks: &[DeckId]) {
        let Some(to) = self.links.get(&link) else { return };
        let (device, heard_at) = (to.peer, to.heard_at);
        let mut batch = Batch::default();
        for &deck in decks {
            let Some(state) = self.decks.get_mut(&deck) else {
                continue;
            };
            let rights = |log: &Log| log.chain.rights(device).is_some();
            if !state.log.as_ref().is_some_and(rights) {
                state.heard.remove(&device);
            } else if let Some(heard) = state.heard.get_mut(&device) {
                heard.at_ms = heard.at_ms.max(heard_at.as_millis());
                disk::put_heard(&mut batch, deck, device, heard);
            }
        }
        self.save_beside(batch);
    }

    /// As [`Core::keep_heard`] of all links: before the engine is closed.
    pub(crate) fn keep_all_heard(&mut self, now: Time) {
        self.set_now(now);
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.keep_heard(link);
        }
    }

    /// Something is to be kept on which nothing waits.
    pub(super) fn save_beside(&mut self, batch: Batch) {
        if !batch.is_empty() && self.store_failed.is_none() {
            let ticket = Ticket(self.number());
            self.outputs.push_back(Output::Save { ticket, batch });
        }
    }
}
