//! The seeded simulator: many devices in one thread, in virtual time.
//!
//! It runs the very core that ships, on stores in memory that lose what was not saved, over links that delay, lose
//! and break. Everything that happens follows from one seed: a run that failed can be run again.
//!
//! Nothing here waits: a minute of virtual time takes milliseconds.

mod broken;
mod device;
mod intruder;
mod link;
mod look;
mod outside;
mod tamper;
mod unsaved;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use cuecard_store::{BlobHash, MemoryStore, Store};
use cuecard_transport::Lane;
use cuecard_transport::memory::Conditions;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::card::{AudioRef, Card};
use crate::core::{CompactWhen, Core, DraftInfo, Input, LinkId, NowPlaying, Present, Role};
use crate::event::Event;
use crate::id::{BlobId, ChangeHash, DeckId, DeviceId};
use crate::invite::DeckInvite;
use crate::limits::BLOB_BYTES_MAX;
use crate::role::LateWork;
use crate::role::Rights;
use crate::sync::holdings::Holding;
use crate::sync::message::Message;
use crate::time::Time;

pub use self::broken::{Rule, with_broken};
pub(crate) use self::broken::{is_broken, is_modified};
use self::device::{SimClock, SimDevice};
use self::intruder::Heard;
pub use self::intruder::{Backup, Intruder};
use self::link::SimLink;
pub(crate) use self::outside::checked_from;
pub use self::outside::{Outside, with_checked_from};
use self::tamper::Tampering;
pub use crate::core::Fate;

/// Where the virtual clock starts: any time would do, but a real one keeps stamps readable.
const EPOCH_MS: u64 = 1_750_000_000_000;

/// A simulated device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(usize);

/// What was awaited did not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}: after {waited:?} still waiting until {what}")]
pub struct Stuck {
    /// The seed to run it again with.
    pub seed: u64,
    /// What was awaited.
    pub what: String,
    /// How long, in virtual time.
    pub waited: Duration,
}

/// A world of devices. See the [module](self).
pub struct Sim {
    seed: u64,
    random: ChaCha12Rng,
    now: Duration,
    devices: Vec<SimDevice>,
    links: Vec<SimLink>,
    next_link: u64,
    intruders: BTreeMap<LinkId, Heard>,
    /// What is said, once recording was asked for.
    recording: Option<Vec<(Lane, Bytes)>>,
    /// Who said each of it.
    speakers: Vec<Peer>,
    /// And to whom, if it was to a device.
    listeners: Vec<Option<Peer>>,
    tampering: Option<Tampering>,
    /// Of a thousand messages, how many come twice.
    doubled: u64,
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Sim(seed {}, at {:?}, {} devices)",
            self.seed,
            self.now,
            self.devices.len()
        )
    }
}

impl Sim {
    /// An empty world.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let random = ChaCha12Rng::seed_from_u64(seed);
        Self {
            seed,
            random,
            now: Duration::ZERO,
            devices: vec![],
            links: vec![],
            next_link: 1,
            intruders: BTreeMap::new(),
            recording: None,
            speakers: vec![],
            listeners: vec![],
            tampering: None,
            doubled: 0,
        }
    }

    /// The seed of this world.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// How much virtual time has passed.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.now
    }

    /// A number below `below`, for stories that vary with the seed.
    pub fn random(&mut self, below: u64) -> u64 {
        self.random.next_u64() % below.max(1)
    }

    /// A new device, running.
    pub fn device(&mut self, name: &str) -> Peer {
        let mut key = [0; 32];
        self.random.fill_bytes(&mut key);
        let seed = self.core_seed();
        self.devices.push(SimDevice::new(name, key, seed));
        let peer = Peer(self.devices.len() - 1);
        // In every other world decks are compacted all the time: each story is told of short logs, too.
        if self.seed.is_multiple_of(2) {
            let changes = 2 + self.seed / 2 % 23;
            self.compact_when(
                peer,
                CompactWhen {
                    changes,
                    ..CompactWhen::default()
                },
            );
        }
        peer
    }

    /// Lets a device compact its decks sooner than others do, now and after each restart.
    pub fn compact_when(&mut self, peer: Peer, when: CompactWhen) {
        if let Some(device) = self.devices.get_mut(peer.0) {
            device.compact_when(when);
        }
    }

    /// From now on each thing that a device does outside of its core takes so long: else it is a moment.
    pub fn work_slowly(&mut self, peer: Peer, takes: Duration) {
        if let Some(device) = self.devices.get_mut(peer.0) {
            device.work_takes = Some(takes);
        }
    }

    /// Sets a device's clock wrong, by so much, and lets it run too fast (or too slow) by so many millionths. All clocks are
    /// right at first. It must not be set back while the device runs.
    pub fn set_clock(&mut self, peer: Peer, ahead_ms: i64, drift_per_million: i64) {
        if let Some(device) = self.devices.get_mut(peer.0) {
            device.set_clock(SimClock {
                ahead_ms,
                drift_per_million,
            });
        }
    }

    /// What should be heard at a device now.
    #[must_use]
    pub fn playback(&self, peer: Peer, deck: DeckId) -> Option<NowPlaying> {
        let device = self.devices.get(peer.0)?;
        let now = device.time(self.now);
        device.core.as_ref()?.playback(now, deck).ok()?
    }

    /// Whom else a device sees in a deck.
    #[must_use]
    pub fn presence(&self, peer: Peer, deck: DeckId) -> Vec<Present> {
        let present = self.devices.get(peer.0).and_then(|device| {
            let now = device.time(self.now);
            device.core.as_ref()?.presence(now, deck).ok()
        });
        present.unwrap_or_default()
    }

    /// Bytes of messages that were sent over the cable between two devices, both lanes and both ways.
    #[must_use]
    pub fn sent_bytes(&self, a: Peer, b: Peer) -> u64 {
        let links = self.links.iter().filter(|link| link.joins(a.0, b.0));
        links.map(SimLink::sent_bytes).sum()
    }

    /// From now on the cable between two devices swallows the messages that `swallows` names, which no honest one does.
    pub fn swallow(&mut self, a: Peer, b: Peer, swallows: fn(&Message) -> bool) {
        for link in self.links.iter_mut().filter(|link| link.joins(a.0, b.0)) {
            link.swallow(swallows);
        }
    }

    /// What a device has on its disk, as after a power cut.
    #[must_use]
    pub fn store(&self, peer: Peer) -> Option<&MemoryStore> {
        Some(&self.devices.get(peer.0)?.store)
    }

    /// Lays a cable between two devices: a link over it comes up by itself, and comes back by itself.
    pub fn connect(&mut self, a: Peer, b: Peer, conditions: Conditions) {
        let seed = self.random.next_u64();
        self.links
            .push(SimLink::new([a.0, b.0], conditions, seed, self.now));
    }

    /// Takes the cable between two devices away, and lays another one.
    pub fn lay_anew(&mut self, a: Peer, b: Peer, conditions: Conditions) {
        self.cut(a, b);
        // Those at its ends have noticed by then.
        self.run_for(Duration::from_secs(5));
        self.links.retain(|link| !link.joins(a.0, b.0));
        self.connect(a, b, conditions);
    }

    /// Cuts the cable between two devices. Nobody is told: their heartbeats have to notice.
    pub fn cut(&mut self, a: Peer, b: Peer) {
        let (now, slack) = (self.now, [self.random(500), self.random(500)]);
        for link in self.links.iter_mut().filter(|link| link.joins(a.0, b.0)) {
            link.cut(now, slack);
        }
    }

    /// Mends the cable between two devices.
    pub fn mend(&mut self, a: Peer, b: Peer) {
        for link in self.links.iter_mut().filter(|link| link.joins(a.0, b.0)) {
            link.mend();
        }
    }

    /// From now on a device's disk takes nothing more, until the device was stopped and started again.
    pub fn fail_disk(&mut self, peer: Peer) {
        if let Some(device) = self.devices.get_mut(peer.0) {
            device.fails = true;
        }
    }

    /// From now on so many of a thousand control messages come twice: no link does that, and none may hurt by it.
    pub const fn double_messages(&mut self, per_mille: u64) {
        self.doubled = per_mille;
    }

    /// Stops a device at once, as a power cut would. What its store had not saved is lost.
    pub fn crash(&mut self, peer: Peer) {
        let (now, slack) = (self.now, self.random(500));
        if let Some(device) = self.devices.get_mut(peer.0) {
            device.crash();
        }
        for link in &mut self.links {
            link.end_died(peer.0, now, slack);
        }
    }

    /// Starts a device that was stopped, from what its store has.
    ///
    /// # Errors
    /// What stands in the way, as text.
    pub fn restart(&mut self, peer: Peer) -> Result<(), String> {
        let seed = self.core_seed();
        let device = self.devices.get_mut(peer.0).ok_or("no such device")?;
        device.restart(seed)?;
        self.settle(peer.0);
        Ok(())
    }

    /// Whether a device is running.
    #[must_use]
    pub fn is_running(&self, peer: Peer) -> bool {
        self.devices
            .get(peer.0)
            .is_some_and(|device| device.core.is_some())
    }

    /// Whether everything that a device's core wanted kept is durable.
    #[must_use]
    pub fn is_all_saved(&self, peer: Peer) -> bool {
        self.devices.get(peer.0).is_some_and(SimDevice::is_all_saved)
    }

    /// Whether two devices are linked, seen from both.
    #[must_use]
    pub fn is_linked(&self, a: Peer, b: Peer) -> bool {
        self.links.iter().any(|link| link.joins(a.0, b.0) && link.is_up())
    }

    /// Who a device is.
    #[must_use]
    pub fn id(&self, peer: Peer) -> DeviceId {
        self.devices
            .get(peer.0)
            .map_or(DeviceId::from_bytes([0; 32]), SimDevice::id)
    }

    /// From now on this device runs a modified engine, which takes itself for one that may hold the role.
    pub fn modify(&mut self, peer: Peer) {
        if let Some(device) = self.devices.get_mut(peer.0) {
            device.is_modified = true;
        }
    }

    /// Lets a device do something: what an app would do through the public handles. `None` if it is not running.
    pub fn act<R>(&mut self, peer: Peer, act: impl FnOnce(&mut Core, Time) -> R) -> Option<R> {
        let now = self.now;
        let device = self.devices.get_mut(peer.0)?;
        let time = device.time(now);
        let result = device.run(|core| act(core, time))?;
        self.settle(peer.0);
        Some(result)
    }

    /// Takes audio into a device's store, as an import does.
    ///
    /// # Errors
    /// What the store says, as text.
    pub fn import_audio(&mut self, peer: Peer, bytes: &[u8]) -> Result<AudioRef, String> {
        let device = self.devices.get(peer.0).ok_or("no such device")?;
        let (hash, size) = device
            .store
            .blobs()
            .import(&mut &*bytes, BLOB_BYTES_MAX)
            .map_err(|error| error.to_string())?;
        let blob = BlobId::from(hash);
        let (mime, name) = ("audio/wav".to_owned(), "word.wav".to_owned());
        Ok(AudioRef {
            blob,
            mime,
            bytes: size,
            duration_ms: 1_000,
            name,
        })
    }

    /// Whether a device holds a blob, whole, and its bytes are what its name says.
    #[must_use]
    pub fn holds_audio(&self, peer: Peer, blob: BlobId) -> bool {
        let hash = BlobHash::from(blob);
        let Some(device) = self.devices.get(peer.0) else {
            return false;
        };
        let Ok(mut reader) = device.store.blobs().open(hash) else {
            return false;
        };
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).is_ok() && blake3::hash(&bytes).as_bytes() == blob.as_bytes()
    }

    /// An invite to a deck.
    #[must_use]
    pub fn invite(&self, peer: Peer, deck: DeckId, rights: Rights) -> Option<DeckInvite> {
        let core = self.devices.get(peer.0)?.core.as_ref()?;
        core.invite(deck, rights).ok()
    }

    /// The head of a deck on a device.
    #[must_use]
    pub fn head(&self, peer: Peer, deck: DeckId) -> Option<ChangeHash> {
        self.log(peer, deck).map(super::core::log::Log::head)
    }

    /// The heads of the document itself; one, and the canonical one, unless something is badly wrong.
    #[must_use]
    pub fn document_heads(&self, peer: Peer, deck: DeckId) -> Vec<ChangeHash> {
        self.log(peer, deck)
            .map(|log| log.document.heads())
            .unwrap_or_default()
    }

    /// The cards of a deck on a device.
    #[must_use]
    pub fn cards(&self, peer: Peer, deck: DeckId) -> Vec<Card> {
        self.log(peer, deck)
            .map(|log| log.document.cards().collect())
            .unwrap_or_default()
    }

    /// Late work that is not part of the deck.
    #[must_use]
    pub fn late_work_left(&self, peer: Peer, deck: DeckId) -> Vec<LateWork> {
        self.log(peer, deck)
            .map(crate::core::log::Log::late_work)
            .unwrap_or_default()
    }

    /// All that a device holds beside the canonical path.
    #[must_use]
    pub fn holdings(&self, peer: Peer, deck: DeckId) -> BTreeSet<Holding> {
        let log = self.log(peer, deck);
        log.map(crate::core::log::Log::find_beside).unwrap_or_default()
    }

    /// Who may edit, seen from a device.
    #[must_use]
    pub fn role(&self, peer: Peer, deck: DeckId) -> Option<Role> {
        self.log(peer, deck).map(|log| log.role(self.id(peer)))
    }

    /// What a device holds beside the path.
    #[must_use]
    pub fn late_work(&self, peer: Peer, deck: DeckId) -> Vec<LateWork> {
        self.log(peer, deck)
            .map(|log| log.chain.late_work())
            .unwrap_or_default()
    }

    /// The drafts that a device knows.
    #[must_use]
    pub fn drafts(&self, peer: Peer, deck: DeckId) -> Vec<DraftInfo> {
        let core = self.devices.get(peer.0).and_then(|device| device.core.as_ref());
        core.and_then(|core| core.drafts(deck).ok()).unwrap_or_default()
    }

    /// A deck of which a listener, who does to a copy what it is told, has something else than the device.
    #[must_use]
    pub fn strayed(&self, peer: Peer) -> Option<DeckId> {
        self.devices.get(peer.0).and_then(SimDevice::strayed)
    }

    /// What a device was told since this was last asked.
    pub fn take_events(&mut self, peer: Peer) -> Vec<Event> {
        self.devices
            .get_mut(peer.0)
            .map(|device| std::mem::take(&mut device.events))
            .unwrap_or_default()
    }

    /// Runs until `done`, at most so long.
    ///
    /// # Errors
    /// [`Stuck`] when it does not come.
    pub fn run_until(
        &mut self,
        what: &str,
        within: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> Result<(), Stuck> {
        let end = self.now + within;
        loop {
            if done(self) {
                return Ok(());
            }
            if !self.step(end) {
                let (seed, what) = (self.seed, what.to_owned());
                return Err(Stuck {
                    seed,
                    what,
                    waited: within,
                });
            }
        }
    }

    /// Runs for so long.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step(end) {}
    }

    /// Does the next thing that is due by `end`; false, and the clock at `end`, when there is none.
    fn step(&mut self, end: Duration) -> bool {
        let devices = self.devices.iter().filter_map(SimDevice::next_at);
        let running = |device: usize| {
            self.devices
                .get(device)
                .is_some_and(|device| device.core.is_some())
        };
        let links = self.links.iter().filter_map(|link| link.next_at(running));
        match devices.chain(links).min().filter(|&next| next <= end) {
            None => {
                self.now = self.now.max(end);
                false
            }
            Some(next) => {
                self.now = self.now.max(next);
                self.run_devices();
                self.run_links();
                true
            }
        }
    }

    fn run_devices(&mut self) {
        for at in 0..self.devices.len() {
            let due = self
                .devices
                .get_mut(at)
                .map(|device| device.due(self.now))
                .unwrap_or_default();
            for input in due {
                let has_failed = matches!(&input, Input::Saved { result: Err(_), .. });
                self.hand_in(at, input);
                if has_failed && let Some(device) = self.devices.get_mut(at) {
                    device.go_back();
                    self.settle(at);
                }
            }
        }
    }

    fn run_links(&mut self) {
        for at in 0..self.links.len() {
            let running: Vec<bool> = self.devices.iter().map(|device| device.core.is_some()).collect();
            let ids: Vec<DeviceId> = self.devices.iter().map(SimDevice::id).collect();
            let mut numbers = || {
                self.next_link += 1;
                self.next_link
            };
            let retry = Duration::from_millis(50 + self.random.next_u64() % 450);
            let Some(link) = self.links.get_mut(at) else {
                continue;
            };
            let inputs = link.due(self.now, retry, &running, &ids, &mut numbers);
            for (device, input) in inputs {
                self.hand_in(device, input);
            }
        }
    }

    fn hand_in(&mut self, device: usize, input: Input) {
        let passed = outside::passed(&input);
        if let Some(state) = self.devices.get_mut(device) {
            let time = state.time(self.now);
            let is_put_in = state.run(|core| {
                let put_in = |core: &Core| core.log(passed?).ok().map(|log| log.batches_put_in);
                let before = put_in(core);
                core.handle(time, input);
                put_in(core) > before
            });
            if passed.is_some() {
                state.outside.ends(is_put_in == Some(true));
            }
        }
        self.settle(device);
    }

    /// Carries out what a device's core wants done.
    fn settle(&mut self, device: usize) {
        let (now, mut delays) = (self.now, ChaCha12Rng::seed_from_u64(self.random.next_u64()));
        let Some(state) = self.devices.get_mut(device) else {
            return;
        };
        for (link, lane, bytes) in state.settle(now, &mut || delays.next_u64()) {
            self.tell_intruder(link, lane, &bytes);
            let listener = self.listener(link);
            if let (Some(recording), Some(lane)) = (&mut self.recording, lane) {
                recording.push((lane, bytes.clone()));
                self.speakers.push(Peer(device));
                self.listeners.push(listener);
            }
            match lane {
                Some(lane) => {
                    let doubled = lane == Lane::Control && delays.next_u64() % 1_000 < self.doubled;
                    let times = self.arrives(lane, &bytes).unwrap_or(1 + usize::from(doubled));
                    for wire in &mut self.links {
                        for _ in 0..times {
                            wire.send(now, link, lane, bytes.clone());
                        }
                    }
                }
                None => {
                    for wire in &mut self.links {
                        wire.close(now, link);
                    }
                }
            }
        }
    }

    fn log(&self, peer: Peer, deck: DeckId) -> Option<&crate::core::log::Log> {
        self.devices.get(peer.0)?.core.as_ref()?.log(deck).ok()
    }

    fn core_seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        seed
    }
}
