//! The driver: it pumps core, links and store. All the thinking is in the core.
//!
//! The core sits behind a lock that is held only while it thinks and its outputs are queued; nothing of ours waits under
//! the lock. What takes long is done without it: messages are opened before, and large batches are checked, and changes made
//! anew, by a thread of their own. An app's edit runs under it, too: it must be short, and must not call the engine. Batches go to the store in the order in which the core gave them, so what is durable is always a prefix.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cuecard_store::{Batch, BlobHash, BlobPin, Collected, Saved, Store, StoreError};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::core::{
    Applied, BlobTask, Core, EditError, Input, LinkId, Output, StoreHasFailed, Ticket, Typed, Work,
    unless_it_panics,
};
use crate::event::Event;
use crate::id::{BlobId, DeckId};
use crate::op::Op;
use crate::opening;
use crate::tasks::StoreTask;
use crate::time::Time;

mod closing;
mod links;
mod saving;
mod works;

pub(crate) use self::closing::Sleep;
use self::links::LinkHandle;
pub use self::saving::Saving;

/// Events kept for a reader that is behind; beyond that it is told how many it missed.
const EVENTS_KEPT: usize = 4_096;
/// Bytes given to the store and not yet durable; half of what the store takes, so that it never refuses.
const SAVING_BYTES_MAX: usize = cuecard_store::limits::QUEUE_BYTES_MAX / 2;

/// What all handles of one engine share.
pub(crate) struct Shared {
    core: Mutex<Core>,
    pub(crate) store: Arc<dyn Store>,
    links: Mutex<BTreeMap<LinkId, LinkHandle>>,
    waiting: Mutex<BTreeMap<Ticket, Vec<oneshot::Sender<SaveResult>>>>,
    /// Who waits to hear what became of something typed.
    typing: Mutex<BTreeMap<Ticket, oneshot::Sender<TypedResult>>>,
    /// Who waits to hear what came of collecting audio.
    collecting: Mutex<BTreeMap<Ticket, oneshot::Sender<Result<Collected, String>>>>,
    /// Audio that was taken in, and that no edit was seen to name yet.
    imported: Mutex<BTreeMap<BlobId, BlobPin>>,
    events: broadcast::Sender<Event>,
    saves: mpsc::UnboundedSender<(Ticket, Batch)>,
    tasks: std::sync::mpsc::Sender<StoreTask>,
    works: std::sync::mpsc::Sender<Work>,
    wake: watch::Sender<Option<Time>>,
    /// Batches, snapshots and removals not yet durable; shutting down waits until there are none.
    unsaved: watch::Sender<usize>,
    next_link: AtomicU64,
    closing: watch::Sender<bool>,
    sleep: watch::Sender<Sleep>,
    /// How often it was to sleep.
    sleeps: AtomicU64,
    /// Whether the core waits, after a sleep, to hear who has the role.
    waking: watch::Sender<bool>,
    runtime: tokio::runtime::Handle,
}

/// What the store said of a batch.
type SaveResult = Result<(), String>;

/// What became of something typed: the batch to wait for, unless nothing was changed.
type TypedResult = Result<Option<oneshot::Receiver<SaveResult>>, EditError>;

impl Shared {
    /// Starts the tasks around a core. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(core: Core, store: Arc<dyn Store>) -> std::io::Result<Arc<Self>> {
        let (saves, save_queue) = mpsc::unbounded_channel();
        let (tasks, task_queue) = std::sync::mpsc::channel();
        let (works, work_queue) = std::sync::mpsc::channel();
        let wake = watch::Sender::new(None);
        let wakes = wake.subscribe();
        let shared = Arc::new(Self {
            core: Mutex::new(core),
            store,
            links: Mutex::default(),
            waiting: Mutex::default(),
            typing: Mutex::default(),
            collecting: Mutex::default(),
            imported: Mutex::default(),
            events: broadcast::Sender::new(EVENTS_KEPT),
            saves,
            tasks,
            works,
            wake,
            unsaved: watch::Sender::new(0),
            next_link: AtomicU64::new(1),
            closing: watch::Sender::new(false),
            sleep: watch::Sender::new(Sleep::Awake),
            sleeps: AtomicU64::new(0),
            waking: watch::Sender::new(false),
            runtime: tokio::runtime::Handle::current(),
        });
        tokio::spawn(save_in_order(Arc::downgrade(&shared), save_queue));
        tokio::spawn(wake_in_time(Arc::downgrade(&shared), wakes));
        let weak = Arc::downgrade(&shared);
        // A thread of its own: blob writes wait for the disk, and must hold up no async task. It ends with `Shared`.
        let disk = std::thread::Builder::new().name("cuecard-disk".to_owned());
        disk.spawn(move || run_tasks(&weak, &task_queue))?;
        let weak = Arc::downgrade(&shared);
        // And another for what takes long without waiting for anything.
        let gate = std::thread::Builder::new().name("cuecard-gate".to_owned());
        gate.spawn(move || works::run(&weak, &work_queue))?;
        shared.drive(|core, now| core.handle(now, Input::Tick));
        Ok(shared)
    }

    /// Lets `think` run on the core, then carries out what it wants.
    pub(crate) fn drive<R>(&self, think: impl FnOnce(&mut Core, Time) -> R) -> R {
        self.drive_held(&mut lock(&self.core), think)
    }

    /// The same for who has the core already.
    fn drive_held<R>(&self, core: &mut Core, think: impl FnOnce(&mut Core, Time) -> R) -> R {
        let result = think(core, now());
        self.carry_out(core);
        let waking = core.is_waking();
        self.waking
            .send_if_modified(|was| std::mem::replace(was, waking) != waking);
        result
    }

    /// Tells who has the core something, and has to go on: a panic costs what came, and not the thread or the link that others
    /// wait for. What the core wanted by then is carried out.
    fn tell(&self, core: &mut Core, think: impl FnOnce(&mut Core, Time)) {
        self.drive_held(core, |core, now| {
            unless_it_panics("what the engine was told", || think(core, now));
        });
    }

    /// Reads from the core.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&Core) -> R) -> R {
        read(&lock(&self.core))
    }

    /// As [`Shared::drive`], for what ends in a batch: the result, and a future that waits for the disk.
    pub(crate) fn apply<T, E>(
        self: &Arc<Self>,
        think: impl FnOnce(&mut Core, Time) -> Result<Applied<T>, E>,
    ) -> Saving<T, E> {
        let mut core = lock(&self.core);
        let (result, waiting) = match think(&mut core, now()) {
            Err(error) => (Err(error), None),
            Ok(Applied { value, ticket: None }) => (Ok(value), None),
            Ok(Applied {
                value,
                ticket: Some(ticket),
            }) => (Ok(value), Some(self.wait_for(ticket))),
        };
        self.carry_out(&mut core);
        Saving {
            result: Some(result),
            waiting,
            change: None,
        }
    }

    /// As [`Shared::apply`], for what may have to wait before it is done. It is under way when this returns.
    pub(crate) fn type_op(
        self: &Arc<Self>,
        deck: DeckId,
        op: Op,
    ) -> impl Future<Output = Result<(), EditError>> + Send + use<> {
        let mut core = lock(&self.core);
        let (told, heard) = oneshot::channel();
        // Whoever does not want to hear it has dropped the other end.
        match core.type_op(now(), deck, op) {
            Err(error) => drop(told.send(Err(error))),
            Ok(Typed::Done(ticket)) => drop(told.send(Ok(ticket.map(|ticket| self.wait_for(ticket))))),
            Ok(Typed::Waiting(ticket)) => drop(lock(&self.typing).insert(ticket, told)),
        }
        self.carry_out(&mut core);
        drop(core);
        async move {
            let dropped = || StoreHasFailed {
                why: "the engine was dropped".to_owned(),
            };
            if let Some(saved) = heard.await.map_err(|_| dropped())?? {
                let saved = saved.await.map_err(|_| dropped())?;
                saved.map_err(|why| StoreHasFailed { why })?;
            }
            Ok(())
        }
    }

    /// Collects the audio that nobody needs. It is under way when this returns.
    pub(crate) fn collect_audio(&self) -> oneshot::Receiver<Result<Collected, String>> {
        let (told, heard) = oneshot::channel();
        let mut core = lock(&self.core);
        let ticket = core.collect_audio(now());
        lock(&self.collecting).insert(ticket, told);
        self.carry_out(&mut core);
        heard
    }

    /// Audio stays until an edit was seen that names it, and at the longest for as long as the engine is open.
    pub(crate) fn keep_imported(&self, blob: BlobId, pin: BlobPin) {
        lock(&self.imported).insert(blob, pin);
    }

    /// Whether a batch became durable. To be asked before the core is let go, and so before it can have.
    fn wait_for(&self, ticket: Ticket) -> oneshot::Receiver<SaveResult> {
        let (told, waiting) = oneshot::channel();
        lock(&self.waiting).entry(ticket).or_default().push(told);
        waiting
    }

    /// Queues everything that the core wants done. Nothing here waits.
    fn carry_out(&self, core: &mut Core) {
        while let Some(output) = core.poll() {
            match output {
                Output::Send { link, lane, bytes } => self.queue(link, lane, bytes),
                Output::Save { ticket, batch } => {
                    self.unsaved.send_modify(|unsaved| *unsaved += 1);
                    drop(self.saves.send((ticket, batch)));
                }
                Output::ReadLog {
                    read,
                    stream,
                    from,
                    count,
                } => {
                    drop(self.tasks.send(StoreTask::ReadLog {
                        read,
                        stream,
                        from,
                        count,
                    }));
                }
                Output::PutSnapshot { deck, snapshot } => {
                    self.unsaved.send_modify(|unsaved| *unsaved += 1);
                    drop(self.tasks.send(StoreTask::PutSnapshot { deck, snapshot }));
                }
                Output::Blob(task) => {
                    if let BlobTask::Collect { live, .. } = &task {
                        // What is named stays because of that, and may go when it no longer is.
                        lock(&self.imported).retain(|blob, _| !live.contains(&BlobHash::from(*blob)));
                    }
                    drop(self.tasks.send(StoreTask::Blob(task)));
                }
                Output::Work(work) => drop(self.works.send(work)),
                Output::Collected { ticket, result } => {
                    if let Some(told) = lock(&self.collecting).remove(&ticket) {
                        drop(told.send(result));
                    }
                }
                Output::RemoveDeck { deck } => {
                    self.unsaved.send_modify(|unsaved| *unsaved += 1);
                    drop(self.tasks.send(StoreTask::RemoveDeck { deck }));
                }
                Output::Heartbeat { link, every } => {
                    let handle = lock(&self.links).get(&link).map(|handle| handle.link.clone());
                    if let Some(link) = handle {
                        link.set_heartbeat(every);
                    }
                }
                Output::Typed { typed, result } => {
                    if let Some(told) = lock(&self.typing).remove(&typed) {
                        let result = result.map(|ticket| ticket.map(|ticket| self.wait_for(ticket)));
                        drop(told.send(result));
                    }
                }
                // Nobody listening is no error.
                Output::Event(event) => drop(self.events.send(event)),
                Output::WakeAt(time) => {
                    self.wake.send_if_modified(|wake| {
                        let sooner = wake.is_none_or(|set| time < set);
                        if sooner {
                            *wake = Some(time);
                        }
                        sooner
                    });
                }
                Output::Close { link, reason } => self.close_link(link, &reason),
            }
        }
    }

    /// For threads that may wait and are none of the runtime's.
    pub(crate) const fn runtime(&self) -> &tokio::runtime::Handle {
        &self.runtime
    }

    /// Tells the core, and whoever waits, what became of a batch.
    async fn saved(self: &Arc<Self>, ticket: Ticket, result: Result<(), String>) {
        let input = Input::Saved {
            ticket,
            result: result.clone(),
        };
        self.take_in(input).await;
        for waiting in lock(&self.waiting).remove(&ticket).unwrap_or_default() {
            drop(waiting.send(result.clone()));
        }
        self.one_saved();
    }

    fn one_saved(&self) {
        self.unsaved
            .send_modify(|unsaved| *unsaved = unsaved.saturating_sub(1));
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Whether the engine is shutting down: links that reconnect by themselves stop then.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Whether the device sleeps, or is about to: no link is made then.
    pub(crate) fn sleep(&self) -> watch::Receiver<Sleep> {
        self.sleep.subscribe()
    }
}

/// Reads a lock even if a panic was caught elsewhere: an app's edit that panics is rolled back like one that fails.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The wall clock as it was at the first call, and what a clock that never steps back says has passed since: people
/// and time servers set clocks, and nothing here may wait an hour for that.
fn now() -> Time {
    static START: OnceLock<(Duration, Instant)> = OnceLock::new();
    let (wall, start) = START.get_or_init(|| {
        (
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Instant::now(),
        )
    });
    let since = *wall + start.elapsed();
    Time::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Hands batches to the store in order, as many at a time as it takes, and reports each that became durable.
async fn save_in_order(shared: Weak<Shared>, mut queue: mpsc::UnboundedReceiver<(Ticket, Batch)>) {
    let mut saving: VecDeque<(Ticket, Saved, usize)> = VecDeque::new();
    let mut saving_bytes = 0;
    let mut failed: Option<String> = None;
    let mut panicked = false;
    loop {
        let room = saving_bytes < SAVING_BYTES_MAX;
        tokio::select! {
            biased;
            next = queue.recv(), if room => {
                let Some((ticket, batch)) = next else { break };
                let Some(shared) = shared.upgrade() else { break };
                if let Some(why) = &failed {
                    // What it goes on from is not on the disk.
                    shared.saved(ticket, Err(why.clone())).await;
                    continue;
                }
                let cost = batch.cost();
                saving_bytes += cost;
                // A store that fails saves nothing behind that. One that panics may not have noticed.
                let saved = match panicked {
                    true => None,
                    false => unless_it_panics("the store", || shared.store.commit(batch)),
                };
                panicked |= saved.is_none();
                let saved = saved.unwrap_or_else(|| Saved::failed(StoreError::stopped("it panicked")));
                saving.push_back((ticket, saved, cost));
            }
            result = first(&mut saving), if !saving.is_empty() => {
                let Some((ticket, _, cost)) = saving.pop_front() else { continue };
                saving_bytes -= cost;
                let Some(shared) = shared.upgrade() else { break };
                let result = result.map_err(|error| error.to_string());
                if let (Err(why), None) = (&result, &failed) {
                    failed = Some(why.clone());
                    let result = result.clone();
                    shared.take_in(Input::Saved { ticket, result }).await;
                    // Before anybody hears of it: an edit that failed leaves no trace.
                    let shared = shared.clone();
                    let go_back = move || {
                        opening::go_back(shared.store.as_ref(), |back| shared.drive(|core, _| back.take(core)));
                    };
                    let gone_back = tokio::task::spawn_blocking(go_back).await;
                    if let Err(error) = gone_back {
                        tracing::error!(%error, "what the disk has could not be read back");
                    }
                }
                shared.saved(ticket, result).await;
            }
        }
    }
}

async fn first(saving: &mut VecDeque<(Ticket, Saved, usize)>) -> Result<(), StoreError> {
    match saving.front_mut() {
        Some((_, saved, _)) => saved.await,
        None => std::future::pending().await,
    }
}

async fn wake_in_time(shared: Weak<Shared>, mut wakes: watch::Receiver<Option<Time>>) {
    loop {
        let wake = *wakes.borrow_and_update();
        let Some(wake) = wake else {
            if wakes.changed().await.is_err() {
                return;
            }
            continue;
        };
        let at = Instant::now() + wake.since(now()).max(Duration::from_millis(1));
        tokio::select! {
            () = sleep_until(at) => {
                let Some(shared) = shared.upgrade() else { return };
                let _ = shared.sleep().wait_for(|sleep| !sleep.is_falling()).await;
                shared.wake.send_replace(None);
                shared.take_in(Input::Tick).await;
            }
            changed = wakes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

fn run_tasks(shared: &Weak<Shared>, queue: &std::sync::mpsc::Receiver<StoreTask>) {
    while let Ok(task) = queue.recv() {
        let Some(shared) = shared.upgrade() else { return };
        let (input, failed) = task.run_on(shared.store.as_ref());
        let is_counted = matches!(input, Input::SnapshotPut { .. } | Input::DeckFound { .. });
        shared.tell(&mut lock(&shared.core), |core, now| core.handle(now, input));
        if let Some(why) = failed {
            let input = Input::DiskFailed { why };
            shared.tell(&mut lock(&shared.core), |core, now| core.handle(now, input));
        }
        if is_counted {
            shared.one_saved();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;

    #[tokio::test]
    async fn a_panic_of_the_core_costs_what_came_and_what_was_wanted_before_is_done() {
        let engine = Engine::in_memory("laptop").unwrap();
        let shared = engine.shared();
        let mut created = None;
        shared.tell(&mut lock(&shared.core), |core, now| {
            let deck = core.create_deck(now, "Spanish").unwrap();
            created = deck.ticket.map(|ticket| shared.wait_for(ticket));
            panic!("on purpose");
        });
        assert_eq!(created.unwrap().await, Ok(Ok(())), "it is saved");
        engine.create_deck("German").await.unwrap();
        engine.shutdown().await.unwrap();
    }
}
