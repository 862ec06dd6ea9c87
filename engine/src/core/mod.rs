//! The pure core: all of the thinking and none of the doing.
//!
//! An [`Input`] and the time go in, [`Output`]s come out. There are no sockets, files, clocks or threads here, and
//! the only randomness is the seed it was given, so that the simulator can run the very code that ships, and a run
//! that failed can be run again.
//!
//! - `log`: one deck: term chain and document, held together; who may append, what is canonical.
//! - `ports`: everything that goes in and comes out.
//! - `links`: links coming and going; `greeting`: which decks are spoken of on one.
//! - `catch_up`: status, acknowledgement, what is sent of the path; `entries`: what comes; `held`: what of it waits a
//!   moment for more; `checking`: large batches, checked beside the core.
//! - `branches`: what is held beside the path, and how all come to hold it.
//! - `late`: what lost comes back.
//! - `lineage`: which terms lead to what the owner settled.
//! - `members`: who is let in; `keyring`, `key_turn`: the deck's key, and turning it over.
//! - `draft_log`, `drafts`: private branches, proposals and what becomes of them.
//! - `edits`: decks created, joined and edited; `saving`: what becomes true when the disk has it.
//! - `audio`: pulling and serving blobs; `collect`: those that nobody needs.
//! - `sync_state`: what other devices said that they hold, and what follows from it for people.
//! - `following`: decks that are set aside or removed, and a device that sleeps.
//! - `typing`: edits that come one upon the other leave together.
//! - `undo`: taking back what this device did.
//! - `log::compact`: snapshots, and cutting logs short.
//! - `export`: a deck in parts, for a file.
//! - `role`: what this device may do with the role, and what it does by itself.
//! - `words`: requests and denials, passed on; `failover`: who hears the editor, and who claims when nobody does;
//!   `silence`: what the app is told of that.
//! - `live`: what is ephemeral. `pulse`: what time it is elsewhere, and whether all stand where they should; `presence`:
//!   who is there; `playback`: what the editor plays; `rate`: how often.
//! - `policy`: what it is to do by itself.
//! - `restore`: from what the store holds back to a running core.

mod audio;
mod branches;
mod catch_up;
mod checking;
mod collect;
mod draft_log;
mod drafts;
mod edits;
mod entries;
pub(crate) mod export;
mod failover;
mod following;
mod greeting;
mod held;
mod key_turn;
mod keyring;
mod late;
mod lineage;
mod links;
mod live;
pub(crate) mod log;
mod members;
mod naming;
pub(crate) mod own_log;
mod playback;
mod policy;
mod ports;
mod presence;
mod pulse;
mod rate;
mod restore;
mod role;
mod saving;
mod silence;
mod sync_state;
#[cfg(test)]
pub(crate) mod timers;
mod typing;
mod undo;
mod watch;
mod words;

use std::collections::{BTreeMap, VecDeque};

use cuecard_transport::{DeviceKey, Lane};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::blob::fetch::Fetches;
use crate::blob::named::DeckAudio;
use crate::document::DeckChange;
use crate::event::Event;
use crate::id::{DeckId, DeviceId};
use crate::mirror::Mirror;
use crate::sync::clock::Clock;
use crate::sync::envelope;
use crate::time::Time;

pub use self::checking::{Check, Checked};
pub use self::drafts::{DraftError, DraftInfo, DraftPreview, DraftState};
pub(crate) use self::held::Held;
use self::key_turn::Turning;
pub(crate) use self::keyring::Invited;
pub use self::keyring::Keyring;
use self::links::LinkState;
use self::live::DeckLive;
use self::log::Log;
pub use self::log::{
    CompactWhen, EditError, LateError, LateWhy, NewSnapshot, Remake, Role, RoleError, TurnWhy,
};
pub use self::members::{AdmitError, InviteError, MemberInfo, Members};
pub use self::playback::{NowPlaying, PlaybackError, PlaybackRefusal};
pub use self::policy::{
    AdmitPolicy, AudioPolicy, AutoClaim, AutoGrant, DraftPolicy, LateWorkPolicy, Policies, SettlePolicy,
};
use self::ports::of_work;
pub(crate) use self::ports::unless_it_panics;
pub use self::ports::{BlobDone, BlobTask, CloseWhy, Input, Output, Work, WriteResult};
pub use self::presence::{PresenceError, Present};
pub(crate) use self::pulse::Apart;
pub use self::pulse::Distance;
pub(crate) use self::rate::Paced;
pub use self::restore::RestoreError;
use self::role::RoleState;
use self::saving::Saving;
pub use self::silence::EditorSign;
pub use self::sync_state::{
    DeviceSync, Fate, Heard, LinkQuality, Reach, Safety, Stand, SyncProgress, SyncState,
};
pub use self::typing::Typed;
pub use self::undo::{UndoError, Undone};
pub use crate::id::{LinkId, ReadId, Ticket};

/// The state machine. See the [module](self).
pub struct Core {
    key: DeviceKey,
    name: String,
    random: ChaCha12Rng,
    now: Time,
    policies: Policies,
    decks: BTreeMap<DeckId, DeckState>,
    links: BTreeMap<LinkId, LinkState>,
    names: BTreeMap<DeviceId, String>,
    /// What makes the empty places of a greeting look like the others.
    padding: [u8; 32],
    fetches: Fetches,
    collecting: collect::Collecting,
    saving: BTreeMap<Ticket, Saving>,
    reading: BTreeMap<ReadId, (LinkId, DeckId)>,
    /// Decks that are kept and cannot be opened: nothing may be written over them.
    closed: BTreeMap<DeckId, RestoreError>,
    compact_when: CompactWhen,
    next_number: u64,
    typing: typing::Typing,
    /// What time it is with other devices.
    clocks: BTreeMap<DeviceId, Clock>,
    /// When something ephemeral is due, as was last asked for.
    live_due: Option<Time>,
    following: following::Following,
    /// Counts what listeners were told of decks, so that they can tell what they have read already.
    revision: u64,
    /// Set when the disk failed: nothing is acknowledged from then on.
    store_failed: Option<String>,
    outputs: VecDeque<Output>,
}

/// A deck that is followed here.
pub(crate) struct DeckState {
    /// Showing the present one is what lets a device read the deck.
    keys: Keyring,
    /// Set while a key that was turned over here is on its way to the disk.
    turning: Option<Turning>,
    /// The batch that will have what was received of the key last: until the disk has it, it is not passed on.
    key_unsaved: Option<Ticket>,
    /// `None` until the genesis of a joined deck has arrived.
    log: Option<Log>,
    /// The audio that it refers to: wanted here, and served to those who share the deck.
    audio: DeckAudio,
    /// `None`: what is set for all decks.
    policies: Option<Policies>,
    /// What is remembered of the role beside the log.
    role: RoleState,
    /// What other devices last said that they hold.
    heard: BTreeMap<DeviceId, Heard>,
    /// What the app was told of catching up, while that is under way.
    syncing: Option<SyncProgress>,
    /// A batch that is being checked, of a link that is gone.
    left: Option<Box<held::Checking>>,
    /// When what is held was last judged though more was waited for, as nothing is heard of the editor.
    judged: Option<Time>,
    /// Who is there, and what is played.
    live: DeckLive,
    /// Whether it is spoken of with other devices; one that is not is kept.
    followed: bool,
    /// Whether the app was told that part of what is kept cannot be read.
    told_damage: bool,
}

impl DeckState {
    fn new(keys: Keyring, log: Option<Log>, role: RoleState) -> Self {
        Self {
            keys,
            turning: None,
            key_unsaved: None,
            log,
            audio: DeckAudio::default(),
            policies: None,
            role,
            heard: BTreeMap::new(),
            syncing: None,
            left: None,
            judged: None,
            live: DeckLive::default(),
            followed: true,
            told_damage: false,
        }
    }
}

/// An edit's result, and the batch that makes it durable (none when nothing was changed).
#[derive(Debug)]
pub struct Applied<T> {
    /// What the edit returned.
    pub value: T,
    /// The batch to wait for.
    pub ticket: Option<Ticket>,
}

/// Why there is nothing to answer about a deck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeckError {
    /// It is not on this device.
    #[error("there is no deck {} on this device; create it or join it first", .0.short())]
    Unknown(DeckId),
    /// It is kept here and could not be opened; see [`RestoreError`].
    #[error("deck {} could not be opened, so nothing is written over it; see why it is damaged first", .0.short())]
    Damaged(DeckId),
    /// It was removed here a moment ago.
    #[error("deck {} was removed here and is still being deleted; try again in a moment", .0.short())]
    BeingRemoved(DeckId),
    /// It was joined, and nothing of it has arrived yet.
    #[error("nothing of deck {} has arrived yet; link to a device that has it", .0.short())]
    NotHereYet(DeckId),
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Core({}, {} decks, {} links)",
            self.device().short(),
            self.decks.len(),
            self.links.len()
        )
    }
}

impl Core {
    /// A device with this key and name. `seed` is all the randomness that it will ever use.
    #[must_use]
    pub fn new(key: DeviceKey, name: String, seed: [u8; 32]) -> Self {
        Self {
            key,
            name,
            padding: blake3::derive_key("cuecard greeting padding v0", &seed),
            random: ChaCha12Rng::from_seed(seed),
            now: Time::default(),
            policies: Policies::default(),
            decks: BTreeMap::new(),
            links: BTreeMap::new(),
            names: BTreeMap::new(),
            fetches: Fetches::default(),
            collecting: collect::Collecting::default(),
            saving: BTreeMap::new(),
            reading: BTreeMap::new(),
            closed: BTreeMap::new(),
            compact_when: CompactWhen::default(),
            next_number: 0,
            revision: 0,
            typing: typing::Typing::default(),
            clocks: BTreeMap::new(),
            live_due: None,
            following: following::Following::default(),
            store_failed: None,
            outputs: VecDeque::new(),
        }
    }

    /// Who this is.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.key.id()
    }

    /// The decks followed here, those that have not arrived yet included.
    #[must_use]
    pub fn decks(&self) -> Vec<DeckId> {
        self.decks.keys().copied().collect()
    }

    /// The key that lets a device read a deck.
    ///
    /// # Errors
    /// When the deck is not followed here.
    pub fn deck_key(&self, deck: DeckId) -> Result<[u8; 32], DeckError> {
        self.decks
            .get(&deck)
            .and_then(|state| Some(*state.shown()?.as_bytes()))
            .ok_or_else(|| self.not_here(deck))
    }

    /// What a device calls itself, if it ever said.
    #[must_use]
    pub fn name_of(&self, device: DeviceId) -> Option<&str> {
        if device == self.device() {
            Some(&self.name)
        } else {
            self.names.get(&device).map(String::as_str)
        }
    }

    /// A copy of a deck as it is now, that can follow what is told of it.
    ///
    /// # Errors
    /// When the deck is not followed here, or nothing of it has arrived yet.
    pub fn mirror(&self, deck: DeckId) -> Result<Mirror, DeckError> {
        Ok(Mirror::of(deck, self.revision, &self.log(deck)?.document))
    }

    /// One deck's log, for reading.
    ///
    /// # Errors
    /// When the deck is not followed here, or nothing of it has arrived yet.
    pub(crate) fn log(&self, deck: DeckId) -> Result<&Log, DeckError> {
        let state = self.decks.get(&deck).ok_or_else(|| self.not_here(deck))?;
        state.log.as_ref().ok_or(DeckError::NotHereYet(deck))
    }

    /// Takes note of a deck that is kept and cannot be opened.
    pub(crate) fn keep_closed(&mut self, error: RestoreError) {
        self.closed.insert(error.deck, error);
    }

    /// The decks that are kept here and could not be opened, and why.
    pub fn damaged(&self) -> impl Iterator<Item = &RestoreError> {
        self.closed.values()
    }

    fn not_here(&self, deck: DeckId) -> DeckError {
        if self.closed.contains_key(&deck) {
            DeckError::Damaged(deck)
        } else if self.is_being_removed(deck) {
            DeckError::BeingRemoved(deck)
        } else {
            DeckError::Unknown(deck)
        }
    }

    pub(crate) fn log_mut(&mut self, deck: DeckId) -> Result<&mut Log, DeckError> {
        let unknown = self.not_here(deck);
        let state = self.decks.get_mut(&deck).ok_or(unknown)?;
        state.log.as_mut().ok_or(DeckError::NotHereYet(deck))
    }

    /// Takes in what happened. Whatever a peer's bytes hold, this does not panic; if it does, it is our bug.
    pub fn handle(&mut self, now: Time, input: Input) {
        self.set_now(now);
        let is_tick = matches!(input, Input::Tick);
        self.collect_in_time(is_tick);
        self.take_held_in_time();
        self.take_greetings_that_waited();
        if is_tick {
            self.tell_holdings_in_time();
        }
        match input {
            Input::LinkUp {
                link,
                peer,
                transcript,
            } => self.link_up(link, peer, transcript),
            Input::LinkDown { link, reason } => self.link_down(link, &reason),
            Input::Received {
                link,
                lane: Lane::Control,
                bytes,
            } => self.receive_message(link, envelope::open(&bytes)),
            Input::Opened { link, message } => self.receive_message(link, message.map(|message| *message)),
            Input::Received {
                link,
                lane: Lane::Binary,
                bytes,
            } => self.receive_frame(link, bytes),
            Input::Saved { ticket, result } => self.saved(ticket, result),
            Input::DiskFailed { why } => self.fail_store(why),
            Input::LogRead { read, result } => self.log_read(read, result),
            Input::SnapshotPut { deck, result } => self.snapshot_put(deck, result),
            Input::DeckFound { deck, result } => self.deck_found(deck, result),
            Input::BlobDone(done) => self.blob_done(done),
            Input::Checked(checked) => self.checked(*checked),
            Input::Tick => {
                self.end_windows();
                self.pull_audio();
            }
        }
        self.take_greetings_that_waited();
        self.wake_decks();
        self.watch_roles();
        self.accept_by_policy();
        self.keep_live(is_tick);
    }

    /// The next thing to do outside, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn set_now(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    fn check_store(&self) -> Result<(), StoreHasFailed> {
        self.store_failed
            .clone()
            .map_or(Ok(()), |why| Err(StoreHasFailed { why }))
    }

    /// Why the disk takes nothing any more, if it failed.
    pub(crate) fn store_failure(&self) -> Option<StoreHasFailed> {
        self.check_store().err()
    }

    /// From now on nothing is acknowledged; the app is told once.
    fn fail_store(&mut self, why: String) {
        if self.store_failed.is_none() {
            self.store_failed = Some(why.clone());
            self.event(Event::StoreFailed { why });
        }
    }

    fn random_bytes<const N: usize>(&mut self) -> [u8; N] {
        bytes_from(&mut self.random)
    }

    /// A stream of randomness of its own, so that it can be used while the core is borrowed.
    fn fork_random(&mut self) -> ChaCha12Rng {
        ChaCha12Rng::from_seed(self.random_bytes())
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Events for changes of a deck, and the audio that they brought.
    fn tell_changes(&mut self, deck: DeckId, changes: Vec<DeckChange>) {
        if changes.is_empty() {
            return;
        }
        self.revision += 1;
        let revision = self.revision;
        self.note_audio(deck, &changes);
        for change in changes {
            self.event(Event::Changed {
                deck,
                revision,
                change,
            });
        }
        self.pull_audio();
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}

/// The disk has failed earlier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the disk failed earlier ({why}); nothing can be kept until the engine is opened again")]
pub struct StoreHasFailed {
    /// What the store said.
    pub why: String,
}

fn bytes_from<const N: usize>(random: &mut ChaCha12Rng) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill_bytes(&mut bytes);
    bytes
}

/// The proof that `device` holds a deck's key, bound to one link. Both sides compute it; neither sends the key.
#[must_use]
pub fn deck_proof(
    key: &[u8; 32],
    deck: DeckId,
    transcript: &[u8; 32],
    device: DeviceId,
) -> crate::sync::message::DeckProof {
    prove(b"cuecard deck proof v0", key, deck, transcript, device)
}

/// The proof that `device` holds a key that the deck had before: shown to members alone, who may have gone another way
/// from there.
pub(crate) fn older_key_proof(
    key: &[u8; 32],
    deck: DeckId,
    transcript: &[u8; 32],
    device: DeviceId,
) -> crate::sync::message::DeckProof {
    prove(b"cuecard older key proof v0", key, deck, transcript, device)
}

/// Purposes are neither of them the beginning of the other, and all that follows has a fixed length.
fn prove(
    purpose: &[u8],
    key: &[u8; 32],
    deck: DeckId,
    transcript: &[u8; 32],
    device: DeviceId,
) -> crate::sync::message::DeckProof {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(purpose);
    hasher.update(deck.as_bytes());
    hasher.update(transcript);
    hasher.update(device.as_bytes());
    crate::sync::message::DeckProof::of(hasher)
}
