//! The engine: one device, its store, its decks and its links.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cuecard_store::{Collected, MemoryStore, Options, SledStore, Store, StoreError};
use cuecard_transport::{Backoff, CloseReason, DeviceKey, Dialer, Link, LinkEvent, Route};
use tokio::sync::broadcast;

use crate::blob::progress::BlobProgress;
use crate::core::{
    CompactWhen, Core, DeckError, Distance, EditError, Policies, RestoreError, StoreHasFailed,
};
use crate::deck::{AudioError, Deck};
use crate::disk::{self, LoadError};
use crate::driver::{Saving, Shared};
use crate::event::Event;
use crate::id::{DeckId, DeviceId};
use crate::identity::{self, IdentityError};
use crate::invite::DeckInvite;
use crate::opening;
use crate::sync::message::clean_name;

pub use cuecard_store::Durability;

/// One device: its key, its store, its decks and its links. Cheap to clone; all clones are the same engine.
///
/// Must be opened and used within a tokio runtime. It takes threads of that runtime's pool for what may block: to open and to close,
/// to read history and to write exports, and where what comes by a link or from the disk has to wait for who has the core. So an
/// app that sets `max_blocking_threads` leaves it some beyond what it takes for its own: while all are taken, all that waits.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    key: DeviceKey,
    lost_batches: u64,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({})", self.device().short())
    }
}

/// Why an engine could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The data folder could not be made.
    #[error("the data folder {} cannot be made: {error}; check its path and its permissions", .folder.display())]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The device key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store holds cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The system has no randomness to give.
    #[error("the system has no randomness to give: {0}")]
    Random(#[from] getrandom::Error),
    /// The system gave no thread.
    #[error("the system gave no thread to open the engine: {0}")]
    Thread(String),
    /// Opening panicked: a bug, and nothing was written.
    #[error("opening failed in a way that is a bug of Cuecard ({0}); the data folder was not changed by it")]
    Panicked(String),
}

/// Why going to sleep did not go well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuspendError {
    /// The disk was too slow, or another thread had the engine for too long.
    #[error(
        "not everything is on the disk yet; what was awaited is, the rest follows if the process is left alive"
    )]
    Unsaved,
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] StoreHasFailed),
}

/// Settings of an engine; [`Engine::open`] has those that fit most.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    name: Option<String>,
    durability: Durability,
    policies: Policies,
    compact_when: CompactWhen,
    typing_window: Option<Duration>,
    audio_grace: Option<Duration>,
}

impl Builder {
    /// What this device is called on other people's screens, without control characters and at most 256 bytes. The
    /// default is the start of its id.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// When an edit counts as saved. The default is [`Durability::Immediate`]: on disk and synced. With
    /// [`Durability::Batched`] an awaited edit may still be lost for as long as that says.
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long what is typed after a change ([`Deck::type_text`]) waits to join the next one. The default is 16 ms; zero
    /// makes each a change of its own.
    #[must_use]
    pub const fn typing_window(mut self, window: Duration) -> Self {
        self.typing_window = Some(window);
        self
    }

    /// How long audio stays that nobody needs any more: no card that is not deleted, no draft, no late work, none of the
    /// last hundred edits of this device in a deck, which it may undo. The default is 24 hours.
    #[must_use]
    pub const fn audio_grace(mut self, grace: Duration) -> Self {
        self.audio_grace = Some(grace);
        self
    }

    /// When decks are compacted; for tests, which cannot make thousands of changes to see it happen.
    #[doc(hidden)]
    #[must_use]
    pub const fn compact_when(mut self, when: CompactWhen) -> Self {
        self.compact_when = when;
        self
    }

    /// What this device does by itself in all decks that have no policies of their own. The defaults never move the role.
    #[must_use]
    pub fn policies(mut self, policies: Policies) -> Self {
        self.policies = policies;
        self
    }

    /// Opens the engine on a folder, which is made if there is none. A device key is made at the first time. A deck that
    /// is damaged does not stop the others: see [`Engine::damaged_decks`]. Dropped half-way it is opened and closed again, in
    /// the background: until then the folder is in use.
    ///
    /// # Errors
    /// [`OpenError`] says what to do; a folder that is in use by another process is one of them.
    pub async fn open(self, folder: impl AsRef<Path>) -> Result<Engine, OpenError> {
        let folder = folder.as_ref().to_owned();
        // Opening reads the disk, and must not hold up the runtime.
        let opened = tokio::task::spawn_blocking(move || self.open_blocking(&folder)).await;
        let (core, store, key, lost_batches) =
            opened.map_err(|error| OpenError::Panicked(error.to_string()))??;
        let shared = Shared::start(core, store).map_err(|error| OpenError::Thread(error.to_string()))?;
        Ok(Engine {
            shared,
            key,
            lost_batches,
        })
    }

    fn open_blocking(self, folder: &Path) -> Result<(Core, Arc<dyn Store>, DeviceKey, u64), OpenError> {
        let store = folder.join("store");
        identity::private_folder(folder, &store).map_err(|error| OpenError::Folder {
            folder: folder.to_owned(),
            error,
        })?;
        let options = Options::default().durability(self.durability);
        let store = SledStore::open(store, options)?;
        let lost_batches = store.lost_batches();
        let key = identity::load_or_create(folder)?;
        let mut core = self.restored(&key, &store)?;
        if lost_batches > 0 {
            // A new run opens a new term by itself; open drafts would go on with numbers that may be used.
            tracing::warn!(lost_batches, folder = %folder.display(), "the disk has lost what was saved last");
            core.freeze_drafts();
        }
        Ok((core, Arc::new(store), key, lost_batches))
    }

    /// Opens the engine on a store and a key of one's own.
    ///
    /// # Errors
    /// When what the store holds cannot be read.
    pub fn open_on(self, store: Arc<dyn Store>, key: DeviceKey) -> Result<Engine, OpenError> {
        let core = self.restored(&key, store.as_ref())?;
        let shared = Shared::start(core, store).map_err(|error| OpenError::Thread(error.to_string()))?;
        Ok(Engine {
            shared,
            key,
            lost_batches: 0,
        })
    }

    fn restored(self, key: &DeviceKey, store: &dyn Store) -> Result<Core, OpenError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let name = self.name.unwrap_or_else(|| key.id().short());
        let mut core = Core::new(key.clone(), clean_name(&name), seed);
        core.set_compact_when(self.compact_when);
        if let Some(window) = self.typing_window {
            core.set_typing_window(window);
        }
        if let Some(grace) = self.audio_grace {
            core.set_audio_grace(grace);
        }
        core.set_default_policies(self.policies);
        for error in opening::restore_all(&mut core, store)? {
            tracing::error!(%error, "a deck stays closed");
        }
        Ok(core)
    }
}

impl Engine {
    /// Opens the engine on a folder, which is made if there is none.
    ///
    /// # Errors
    /// [`OpenError`] says what to do.
    pub async fn open(folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        Builder::default().open(folder).await
    }

    /// An engine that keeps nothing: for tests and throw-away peers.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn in_memory(name: &str) -> Result<Self, OpenError> {
        Builder::default()
            .name(name)
            .open_on(Arc::new(MemoryStore::new()), DeviceKey::generate()?)
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How many batches the disk has lost that had been saved: more than none means a damaged disk. What they held
    /// comes back from the devices that have it; open drafts can be proposed, and are not written further.
    #[must_use]
    pub const fn lost_batches(&self) -> u64 {
        self.lost_batches
    }

    /// For other settings than the defaults.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Who this device is.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.key.id()
    }

    /// The device's key, for making links.
    #[must_use]
    pub const fn key(&self) -> &DeviceKey {
        &self.key
    }

    /// What a device calls itself, if it ever said; this one included.
    #[must_use]
    pub fn name_of(&self, device: DeviceId) -> Option<String> {
        self.shared.read(|core| core.name_of(device).map(str::to_owned))
    }

    /// Creates a deck. This device is its owner and its editor.
    ///
    /// # Errors
    /// [`EditError`]: when the title is too long, and after the disk has failed.
    pub fn create_deck(&self, title: &str) -> Saving<Deck, EditError> {
        let shared = self.shared.clone();
        self.shared
            .apply(|core, now| core.create_deck(now, title))
            .map(|deck| Deck::new(shared, deck))
    }

    /// Follows a deck of another device. It arrives when a device that has it is linked. With an invite that is newer than
    /// what this device has, one that was removed comes back; joining again by the same only follows it again
    /// ([`Deck::follow`]).
    ///
    /// # Errors
    /// [`EditError::Deck`]: where that deck is damaged here, or is still being removed.
    pub fn join(&self, invite: &DeckInvite) -> Saving<Deck, EditError> {
        let (shared, deck) = (self.shared.clone(), invite.deck());
        let join = |core: &mut Core, now| {
            if core.damaged().any(|damaged| damaged.deck == deck) {
                return Err(DeckError::Damaged(deck).into());
            }
            if core.is_being_removed(deck) {
                return Err(DeckError::BeingRemoved(deck).into());
            }
            let joined = core.join(now, invite);
            let followed = core.set_followed(now, deck, true)?.ticket;
            let ticket = followed.or(joined);
            Ok(crate::core::Applied { value: deck, ticket })
        };
        self.shared.apply(join).map(|deck| Deck::new(shared, deck))
    }

    /// Deletes a deck from this device: its cards, its history, its drafts and its keys. Other devices keep what they have,
    /// and with a new invite it can be joined again. Where nobody else has it, it is gone for good: [`Deck::sync_state`]
    /// says what is saved where. For the app it is gone when this returns; when it was awaited, power may fail and it stays
    /// gone. A damaged deck can be removed as well. Audio goes when audio is next collected. To keep a deck without
    /// exchanging it, see [`Deck::unfollow`].
    ///
    /// An editor that removes its deck leaves it without one, until somebody claims the role: give it away first.
    ///
    /// # Errors
    /// When there is no such deck here, or the disk has failed.
    pub fn remove_deck(&self, deck: DeckId) -> Saving<(), EditError> {
        self.shared.apply(|core, now| core.remove_deck(now, deck))
    }

    /// Before the app sleeps, as phones do: what is typed leaves, links are closed, and what is on its way to the disk gets
    /// there; within half a second, and no link is made until [`Engine::resume`]. Decks can be read and edited meanwhile.
    /// Dropping this cancels nothing.
    ///
    /// # Errors
    /// [`SuspendError::Unsaved`] when the disk was too slow, or another thread had the engine for too long, such as an edit
    /// that the app was making: what was not awaited may be lost if the process is ended.
    pub async fn suspend(&self) -> Result<(), SuspendError> {
        self.shared.suspend().await
    }

    /// After the app slept. Links that are kept are dialled again. Others may have taken a role meanwhile: this device signs
    /// nothing of its own accord until somebody who may hold the role has said where the deck stands, or nobody is there to
    /// say so. Waits for that, two seconds at the most: an app that edits only then writes as little late work as can be.
    /// Cancel safe.
    pub async fn resume(&self) {
        self.shared.resume().await;
    }

    /// The decks that are kept here, whether or not they are followed.
    #[must_use]
    pub fn decks(&self) -> Vec<Deck> {
        let decks = self.shared.read(Core::decks);
        decks
            .into_iter()
            .map(|deck| Deck::new(self.shared.clone(), deck))
            .collect()
    }

    /// The decks that are kept here and could not be opened, and why. Their files are as they were, and nothing is
    /// written over them: joining one of them is [`DeckError::Damaged`](crate::DeckError::Damaged).
    #[must_use]
    pub fn damaged_decks(&self) -> Vec<RestoreError> {
        self.shared.read(|core| core.damaged().cloned().collect())
    }

    /// One deck that is kept here.
    #[must_use]
    pub fn deck(&self, deck: DeckId) -> Option<Deck> {
        let known = self.shared.read(|core| core.decks().contains(&deck));
        known.then(|| Deck::new(self.shared.clone(), deck))
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(self.shared.subscribe())
    }

    /// Uses a link until it is over. It is used whether or not what this returns is kept.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn attach(&self, link: Arc<dyn Link>) -> AttachedLink {
        let device = link.peer();
        AttachedLink {
            device,
            running: tokio::spawn(self.shared.clone().run_link(link)),
        }
    }

    /// Keeps a device linked: dials until there is a link, uses it, and dials again when it is over. Ends with
    /// [`Engine::shutdown`], or when the returned handle is dropped. Both sides have to do so.
    ///
    /// ```no_run
    /// # async fn example(engine: cuecard::Engine, connected: cuecard::transport::webrtc::Connected)
    /// #     -> Result<(), Box<dyn std::error::Error>> {
    /// use cuecard::transport::Backoff;
    /// use cuecard::transport::webrtc::{Config, SavedRoute, WebRtc};
    ///
    /// // Once, after two people have pasted their codes: keep the route.
    /// engine.remember_route(connected.route.peer(), &connected.route.to_bytes()).await?;
    ///
    /// // And after every start: dial the devices that are known.
    /// let webrtc = WebRtc::new(engine.key().clone(), Config::default());
    /// let mut kept = Vec::new();
    /// for (_device, route) in engine.routes()? {
    ///     let dialer = webrtc.dialer(SavedRoute::from_bytes(&route)?)?;
    ///     kept.push(engine.keep_linked(dialer, Backoff::default()));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn keep_linked(&self, dialer: Arc<dyn Dialer>, backoff: Backoff) -> KeptLink {
        let (shared, mut closing) = (self.shared.clone(), self.shared.closing());
        let mut sleep = self.shared.sleep();
        let mut route = Route::new(dialer, backoff);
        let (device, state) = (route.peer(), route.state());
        let task = tokio::spawn(async move {
            loop {
                if !sleep.borrow_and_update().is_awake() {
                    route.rest();
                    tokio::select! {
                        _ = sleep.wait_for(|sleep| sleep.is_awake()) => {}
                        _ = closing.wait_for(|closing| *closing) => return,
                    }
                }
                let link = tokio::select! {
                    link = route.next_link() => link,
                    _ = sleep.wait_for(|sleep| !sleep.is_awake()) => continue,
                    _ = closing.wait_for(|closing| *closing) => return,
                };
                // A task of its own: dropping the handle ends the dialling, and leaves the link to whoever uses it.
                let running = tokio::spawn(shared.clone().run_link(link));
                let reason = running
                    .await
                    .unwrap_or_else(|error| CloseReason::Failed(error.to_string()));
                if *closing.borrow() {
                    return;
                }
                route.link_ended(&LinkEvent::Closed(reason));
            }
        });
        KeptLink {
            device,
            state,
            task: task.abort_handle(),
        }
    }

    /// Remembers a route to a device, so that it can be dialled again after a restart. It is on its way to the disk when
    /// this returns, and as durable as an edit when it was awaited.
    ///
    /// # Errors
    /// What the store says.
    pub fn remember_route(
        &self,
        device: DeviceId,
        route: &[u8],
    ) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let mut batch = cuecard_store::Batch::default();
        disk::put_route(&mut batch, device, route);
        self.shared.store.commit(batch)
    }

    /// The routes that were remembered.
    ///
    /// # Errors
    /// What the store says.
    pub fn routes(&self) -> Result<Vec<(DeviceId, Vec<u8>)>, StoreError> {
        disk::routes(self.shared.store.as_ref())
    }

    /// How far away the linked devices are, as they answer: how long that takes, what time it is there, and whether answers
    /// come late because something was lost on the way. What the transport below knows of a link is in
    /// [`Deck::sync_state`].
    #[must_use]
    pub fn distances(&self) -> Vec<Distance> {
        self.shared.read(Core::distances)
    }

    /// Deletes the audio that nobody needed for the grace period ([`Builder::audio_grace`]), and says what went and what
    /// waits. It is done by itself as well: a minute after opening, and once a day. What only the past of a deck shows is
    /// then [`AudioError::NoLongerKept`]. Dropping this cancels nothing.
    ///
    /// # Errors
    /// When the disk says no, or a damaged deck is kept here, of which nobody can tell what it needs.
    pub async fn collect_audio(&self) -> Result<Collected, AudioError> {
        if !self.shared.read(Core::knows_all_decks) {
            return Err(AudioError::DamagedDeck);
        }
        let collected = self.shared.collect_audio().await;
        collected
            .map_err(|_| AudioError::Closed)?
            .map_err(|why| AudioError::Disk { why })
    }

    /// How far the audio has come that is wanted here.
    #[must_use]
    pub fn audio(&self) -> Vec<BlobProgress> {
        self.shared.read(Core::audio)
    }

    /// Closes all links, waits until everything is durable, and closes the store, so that the folder can be opened
    /// again. Edits after this are lost, and say so when they are awaited. Without it, links that are kept keep the
    /// engine alive. What was dropped half-way is done by calling it again.
    ///
    /// # Errors
    /// When the disk has failed: what was not acknowledged may be lost.
    pub async fn shutdown(&self) -> Result<(), StoreHasFailed> {
        self.shared.shut_down().await
    }
}

/// A link in use.
#[derive(Debug)]
pub struct AttachedLink {
    device: DeviceId,
    running: tokio::task::JoinHandle<CloseReason>,
}

impl AttachedLink {
    /// The device at its other end.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// Waits until it is over, and says why.
    pub async fn ended(self) -> CloseReason {
        self.running
            .await
            .unwrap_or_else(|error| CloseReason::Failed(error.to_string()))
    }
}

/// A device that is kept linked; dropping it stops that, and leaves a link that is up alone.
#[derive(Debug)]
pub struct KeptLink {
    device: DeviceId,
    state: tokio::sync::watch::Receiver<cuecard_transport::RouteState>,
    task: tokio::task::AbortHandle,
}

impl KeptLink {
    /// Which device.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// Where the route to it stands.
    #[must_use]
    pub fn state(&self) -> tokio::sync::watch::Receiver<cuecard_transport::RouteState> {
        self.state.clone()
    }
}

impl Drop for KeptLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What happens, in order. A reader that falls more than 4,096 events behind is told [`Event::Lagged`] and goes on
/// with the oldest that is kept.
///
/// It is no `Stream`, which would be a dependency of every app; where one is needed, `futures_util::stream::unfold(events,
/// |mut events| async { Some((events.next().await?, events)) })` makes it.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    pub(crate) const fn new(events: broadcast::Receiver<Event>) -> Self {
        Self(events)
    }

    /// The next event; `None` once the engine was shut down and its last handle is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Event::Lagged { missed }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
