//! One simulated device: the core, and a disk that takes its time and loses what it had not saved.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use cuecard_store::{MemoryStore, Saved, Store};
use cuecard_transport::{DeviceKey, Lane};

use crate::core::{CompactWhen, Core, Input, LinkId, Output, Ticket, Work};
use crate::event::Event;
use crate::id::{DeckId, DeviceId};
use crate::mirror::{Followed, Mirror};
use crate::opening;
use crate::sim::EPOCH_MS;
use crate::tasks::StoreTask;
use crate::time::Time;

use super::outside::Outside;
use super::unsaved::Unsaved;

/// What a disk says that does nothing more.
const FULL: &str = "the disk is full";

/// What goes to a link: a message, or (without a lane) its end.
pub(super) type ToLink = (LinkId, Option<Lane>, Bytes);

pub(super) struct SimDevice {
    name: String,
    key: DeviceKey,
    pub(super) core: Option<Core>,
    pub(super) store: MemoryStore,
    saving: VecDeque<(Duration, Ticket, Saved)>,
    pub(super) unsaved: Unsaved,
    tasks: VecDeque<(Duration, StoreTask)>,
    works: VecDeque<(Duration, Work)>,
    /// How long each of them takes, where it is not a moment.
    pub(super) work_takes: Option<Duration>,
    pub(super) outside: Outside,
    /// Records of its logs that it asked its disk for.
    pub(super) records_asked: usize,
    wake: Option<Duration>,
    clock: SimClock,
    pub(super) events: Vec<Event>,
    /// Copies of the decks, that follow what is told of them from its first change on.
    mirrors: BTreeMap<DeckId, Mirror>,
    compact_when: Option<CompactWhen>,
    /// How often each side of a link was to hear of the other.
    pub(super) heartbeats: BTreeMap<LinkId, Duration>,
    /// Whether the disk does nothing more, and whether its decks were made what the disk has.
    pub(super) fails: bool,
    went_back: bool,
    /// Whether its engine takes itself for one that may hold the role.
    pub(super) is_modified: bool,
}

impl SimDevice {
    pub(super) fn new(name: &str, key: [u8; 32], seed: [u8; 32]) -> Self {
        Self::with_key(name, DeviceKey::from_bytes(&key), seed)
    }

    pub(super) fn with_key(name: &str, key: DeviceKey, seed: [u8; 32]) -> Self {
        let core = Some(Core::new(key.clone(), name.to_owned(), seed));
        Self {
            name: name.to_owned(),
            key,
            core,
            store: MemoryStore::manual(),
            saving: VecDeque::new(),
            unsaved: Unsaved::default(),
            tasks: VecDeque::new(),
            works: VecDeque::new(),
            work_takes: None,
            outside: Outside::default(),
            records_asked: 0,
            wake: None,
            clock: SimClock::default(),
            events: Vec::new(),
            mirrors: BTreeMap::new(),
            compact_when: None,
            heartbeats: BTreeMap::new(),
            fails: false,
            went_back: false,
            is_modified: false,
        }
    }

    /// Lets its core do something, if it is running.
    pub(super) fn run<R>(&mut self, act: impl FnOnce(&mut Core) -> R) -> Option<R> {
        let (me, core) = (self.key.id(), self.core.as_mut()?);
        Some(match self.is_modified {
            true => super::broken::as_modified(me, || act(core)),
            false => act(core),
        })
    }

    pub(super) fn compact_when(&mut self, when: CompactWhen) {
        self.compact_when = Some(when);
        if let Some(core) = &mut self.core {
            core.set_compact_when(when);
        }
    }

    pub(super) const fn key(&self) -> &DeviceKey {
        &self.key
    }

    pub(super) fn id(&self) -> DeviceId {
        self.key.id()
    }

    pub(super) fn set_clock(&mut self, clock: SimClock) {
        self.clock = clock;
    }

    pub(super) fn time(&self, now: Duration) -> Time {
        self.clock.shows(now)
    }

    pub(super) fn crash(&mut self) {
        (self.core, self.fails, self.went_back) = (None, false, false);
        self.mirrors.clear();
        self.store = self.store.crash();
        self.saving.clear();
        self.unsaved.is_lost();
        self.tasks.clear();
        for (_, work) in self.works.drain(..) {
            self.outside.is_lost(&work);
        }
        self.wake = None;
    }

    pub(super) fn restart(&mut self, seed: [u8; 32]) -> Result<(), String> {
        let mut core = Core::new(self.key.clone(), self.name.clone(), seed);
        if let Some(when) = self.compact_when {
            core.set_compact_when(when);
        }
        let closed = opening::restore_all(&mut core, &self.store).map_err(|error| error.to_string())?;
        if let Some(error) = closed.first() {
            return Err(error.to_string());
        }
        self.core = Some(core);
        Ok(())
    }

    pub(super) fn is_all_saved(&self) -> bool {
        self.saving.is_empty() && !self.fails
    }

    /// Makes its decks what the disk has of them, once the disk has failed: as the driver does.
    pub(super) fn go_back(&mut self) {
        if std::mem::replace(&mut self.went_back, true) {
            return;
        }
        let kept = MemoryStore::restore(self.store.snapshot());
        opening::go_back(&kept, |back| self.run(|core| back.take(core)).unwrap_or_default());
    }

    /// A deck whose copy does not say what the deck says, though it followed all that was told.
    pub(super) fn strayed(&self) -> Option<DeckId> {
        let core = self.core.as_ref()?;
        let strayed = |(deck, mirror): (&DeckId, &Mirror)| {
            let holds = core.mirror(*deck).is_ok_and(|now| now.says_the_same(mirror));
            (!holds).then_some(*deck)
        };
        self.mirrors.iter().find_map(strayed)
    }

    pub(super) fn works(&self) -> usize {
        self.works.len()
    }

    /// When something is due here.
    pub(super) fn next_at(&self) -> Option<Duration> {
        let saved = self.saving.front().map(|(at, _, _)| *at);
        let task = self.tasks.front().map(|(at, _)| *at);
        let work = self.works.front().map(|(at, _)| *at);
        [saved, task, work, self.wake].into_iter().flatten().min()
    }

    /// What is due here by now.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Input> {
        let mut inputs = Vec::new();
        while self.saving.front().is_some_and(|(at, _, _)| *at <= now) {
            let Some((_, ticket, saved)) = self.saving.pop_front() else {
                break;
            };
            if self.fails {
                let result = Err(FULL.to_owned());
                inputs.push(Input::Saved { ticket, result });
                continue;
            }
            self.store.persist(1);
            self.unsaved.ends();
            inputs.push(Input::Saved {
                ticket,
                result: saved.wait().map_err(|error| error.to_string()),
            });
        }
        while self.tasks.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, task)) = self.tasks.pop_front() else {
                break;
            };
            inputs.push(match self.fails {
                true => task.fail(FULL),
                false => task.run(&self.store),
            });
        }
        while self.works.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, work)) = self.works.pop_front() else {
                break;
            };
            inputs.push(work.run());
        }
        if self.wake.is_some_and(|at| at <= now) {
            self.wake = None;
            inputs.push(Input::Tick);
        }
        inputs
    }

    /// Takes what the core wants done; returns what goes to links. `random` spreads how long the disk takes.
    pub(super) fn settle(&mut self, now: Duration, random: &mut dyn FnMut() -> u64) -> Vec<ToLink> {
        let mut to_links = Vec::new();
        let Some(core) = &mut self.core else {
            return to_links;
        };
        while let Some(output) = core.poll() {
            let mut later = |micros_max: u64| now + Duration::from_micros(100 + random() % micros_max);
            match output {
                Output::Send { link, lane, bytes } => to_links.push((link, Some(lane), bytes)),
                Output::Close { link, .. } => to_links.push((link, None, Bytes::new())),
                Output::Save { ticket, batch } => {
                    // Batches become durable in order, so none before the one in front of it.
                    let earliest = self.saving.back().map_or(now, |(at, _, _)| *at);
                    let at = later(5_000).max(earliest);
                    self.unsaved.begins(&batch);
                    self.saving.push_back((at, ticket, self.store.commit(batch)));
                }
                Output::ReadLog {
                    read,
                    stream,
                    from,
                    count,
                } => {
                    self.records_asked += count;
                    let earliest = self.tasks.back().map_or(now, |(at, _)| *at);
                    let at = later(1_000).max(earliest);
                    self.tasks.push_back((
                        at,
                        StoreTask::ReadLog {
                            read,
                            stream,
                            from,
                            count,
                        },
                    ));
                }
                Output::PutSnapshot { deck, snapshot } => {
                    let earliest = self.tasks.back().map_or(now, |(at, _)| *at);
                    let at = later(20_000).max(earliest);
                    self.tasks
                        .push_back((at, StoreTask::PutSnapshot { deck, snapshot }));
                }
                Output::RemoveDeck { deck } => {
                    let earliest = self.tasks.back().map_or(now, |(at, _)| *at);
                    let at = later(1_000).max(earliest);
                    self.tasks.push_back((at, StoreTask::RemoveDeck { deck }));
                }
                // Links of the simulator notice an end in a time of their own.
                Output::Heartbeat { link, every } => {
                    self.heartbeats.insert(link, every);
                }
                Output::Blob(task) => {
                    let earliest = self.tasks.back().map_or(now, |(at, _)| *at);
                    self.tasks
                        .push_back((later(1_000).max(earliest), StoreTask::Blob(task)));
                }
                Output::Work(work) => {
                    self.outside.begins(&work);
                    let earliest = self.works.back().map_or(now, |(at, _)| *at);
                    let at = later(50_000).max(earliest);
                    // One after the other.
                    let at = self.work_takes.map_or(at, |takes| now.max(earliest) + takes);
                    self.works.push_back((at, work));
                }
                Output::Event(event) => {
                    follow(&mut self.mirrors, core, &event);
                    self.events.push(event);
                }
                // Who types in the simulator looks at the deck.
                Output::Typed { .. } | Output::Collected { .. } => {}
                Output::WakeAt(time) => {
                    let at = self.clock.when(time).max(now);
                    self.wake = Some(self.wake.map_or(at, |set| set.min(at)));
                }
            }
        }
        // When all is known that was to be saved: in what order the core said so does not matter.
        let opened_here = |deck, term| core.log(deck).is_ok_and(|log| log.opened_here(term));
        self.unsaved.look_at(&to_links, &opened_here);
        to_links
    }
}

/// A device's clock: set wrong, and too fast or too slow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SimClock {
    pub(super) ahead_ms: i64,
    pub(super) drift_per_million: i64,
}

impl SimClock {
    /// What it shows.
    pub(super) fn shows(&self, now: Duration) -> Time {
        let micros = i128::try_from(now.as_micros()).unwrap_or(i128::MAX);
        let drifted = micros + micros * i128::from(self.drift_per_million) / 1_000_000;
        let shown = i128::from(EPOCH_MS) + i128::from(self.ahead_ms) + drifted.div_euclid(1_000);
        Time::from_millis(u64::try_from(shown).unwrap_or_default())
    }

    /// When it will show that, at the earliest.
    fn when(&self, shown: Time) -> Duration {
        let drifted_ms = i128::from(shown.as_millis()) - i128::from(EPOCH_MS) - i128::from(self.ahead_ms);
        let rate = 1_000_000 + i128::from(self.drift_per_million);
        let micros = (drifted_ms * 1_000 * 1_000_000).div_euclid(rate);
        let early = Duration::from_micros(u64::try_from(micros).unwrap_or_default());
        // Whole milliseconds are shown: rounding must not make it wake a moment too early, again and again.
        match self.shows(early) < shown {
            true => early + Duration::from_micros(1),
            false => early,
        }
    }
}

/// Lets the copy of a deck follow; takes one where there is none.
fn follow(mirrors: &mut BTreeMap<DeckId, Mirror>, core: &Core, event: &Event) {
    let deck = match event {
        Event::Changed { deck, .. } => deck,
        Event::WentBack { deck } | Event::DeckRemoved { deck } => {
            // What is on disk, or comes anew, is another deck than what was told: who listens takes another copy.
            mirrors.remove(deck);
            return;
        }
        _ => return,
    };
    match mirrors.get_mut(deck) {
        // One that is lost strays, and is found by that.
        Some(mirror) => match mirror.follow(event) {
            Followed::Nothing | Followed::Changed | Followed::Lost => {}
        },
        None => mirrors.extend(core.mirror(*deck).map(|mirror| (*deck, mirror))),
    }
}
