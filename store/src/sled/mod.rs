//! The embedded default: streams and keyed state in sled, blobs in files, in one folder of one process.
//!
//! ```text
//! <folder>/lock       held for as long as the store is open
//! <folder>/format     what wrote this folder
//! <folder>/records/   sled
//! <folder>/mark       how far the database had come
//! <folder>/snapshots/ see FileSnapshots
//! <folder>/blobs/     see FileBlobs
//! <folder>/damaged.<n>/ and records.damaged.<n>/   what a repair set aside
//! ```

mod layout;
mod mark;
mod open;
mod overlay;
mod read;
mod repair;
mod writer;

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

pub use writer::{DiskSync, Durability, SystemSync};

use crate::door::Door;
use crate::limits::CACHE_BYTES;
use crate::report::{check_files, repair_files};
use crate::{
    Batch, Blobs, FileBlobs, FileSnapshots, KeyedValue, Loss, Record, Repair, Report, Saved, Snapshots,
    Store, StoreError, StreamId,
};
use open::Rebuilt;
use repair::Aside;
use writer::{Message, Repairing, StoppedBecause, Waiting, Writer};

/// How a [`SledStore`] works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// When a commit counts as saved.
    pub durability: Durability,
    /// How much of the database is kept in memory.
    pub cache_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Immediate,
            cache_bytes: CACHE_BYTES,
        }
    }
}

impl Options {
    /// With this durability.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// With this much of the database kept in memory.
    pub fn cache_bytes(mut self, cache_bytes: u64) -> Self {
        self.cache_bytes = cache_bytes;
        self
    }
}

/// A store in a folder. Dropping it closes it, which waits for the disk.
#[derive(Debug)]
pub struct SledStore {
    folder: PathBuf,
    set_aside: Option<PathBuf>,
    lost_batches: u64,
    /// Taken out when the store is closed.
    db: RwLock<Option<::sled::Db>>,
    messages: Sender<Message>,
    door: Arc<Door>,
    stopped: StoppedBecause,
    writer: Mutex<Option<JoinHandle<()>>>,
    blobs: FileBlobs,
    snapshots: FileSnapshots,
    lock: Mutex<Option<File>>,
}

impl SledStore {
    /// Opens the store in a folder, which is made if it is missing.
    ///
    /// A database that sled can no longer open is set aside and opened from a copy of its log alone, without the
    /// snapshots and settings that can be made again; [`Self::set_aside`] then says where the damaged one is.
    /// Where that does not help, this is [`StoreError::Damaged`] and nothing was changed: see [`Self::open_repaired`]. Damage that sled hides
    /// is told by [`Self::lost_batches`].
    pub fn open(folder: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        Self::open_with(folder, options, Box::new(SystemSync))
    }

    /// Opens the store in a folder that is damaged, repairs it, and says what is lost by that.
    ///
    /// As [`Store::repair`]; and a database that cannot be read as a whole is set aside. What can be read of its log takes
    /// its place ([`Loss::Batches`]), or else an empty one ([`Loss::Database`]): then blobs and snapshots are still there,
    /// and all else is to be fetched from other devices.
    pub fn open_repaired(folder: impl AsRef<Path>, options: Options) -> Result<(Self, Repair), StoreError> {
        let folder = folder.as_ref();
        let damage =
            |error: &StoreError| matches!(error, StoreError::Damaged { .. } | StoreError::Corrupt { .. });
        let open = || -> Result<_, StoreError> {
            let store = Self::open(folder, options)?;
            let mut repair = store.repair()?;
            repair.set_aside.extend(store.set_aside.clone());
            if let batches @ 1.. = store.lost_batches {
                repair.add(Loss::Batches { batches });
            }
            Ok((store, repair))
        };
        let mut opened = open();
        if opened.as_ref().is_err_and(damage) && open::mend_format(folder)? {
            opened = open();
        }
        let why = match opened {
            Err(error) if damage(&error) => error.to_string(),
            other => return other,
        };
        let (aside, rebuilt) = open::rebuild(folder, options.cache_bytes)?;
        tracing::error!(
            why,
            ?aside,
            "the database could not be read as a whole and is set aside"
        );
        let (store, mut repair) = open()?;
        if let Rebuilt::Empty = rebuilt {
            repair.add(Loss::Database { why });
        }
        repair.set_aside.push(aside);
        Ok((store, repair))
    }

    /// Opens the store with another way to sync its file: for tests that count or fail the syncs.
    pub fn open_with(
        folder: impl AsRef<Path>,
        options: Options,
        disk: Box<dyn DiskSync>,
    ) -> Result<Self, StoreError> {
        let opened = open::open(folder.as_ref(), options.cache_bytes)?;
        if opened.noted > opened.count {
            let (had, has) = (opened.noted, opened.count);
            tracing::error!(had, has, folder = ?opened.folder, "the database has lost saved batches");
        }
        let (messages, receiver) = mpsc::channel();
        let door = Arc::new(Door::default());
        let stopped = Arc::new(OnceLock::new());
        let writer = Writer {
            db: opened.db.clone(),
            file: opened.file,
            disk,
            door: door.clone(),
            stopped: stopped.clone(),
            durability: options.durability,
            count: opened.count,
            noted: opened.count,
            mark: opened.mark,
            unsynced_bytes: 0,
        };
        let writer = thread::Builder::new()
            .name("cuecard-store".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(|source| StoreError::io("start the thread that writes", source))?;
        Ok(Self {
            folder: opened.folder,
            set_aside: opened.set_aside,
            lost_batches: opened.noted.saturating_sub(opened.count),
            db: RwLock::new(Some(opened.db)),
            messages,
            door,
            stopped,
            writer: Mutex::new(Some(writer)),
            blobs: opened.blobs,
            snapshots: opened.snapshots,
            lock: Mutex::new(Some(opened.lock)),
        })
    }

    /// The folder it is in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the damaged database is, if this one had to be opened from a copy. What it lost can only be
    /// found by comparing with what should be there: tell the user, and synchronise.
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// How many batches that were saved are missing, as far as is known. More than none means that a damaged
    /// disk cost the latest part of the log. Tell the user, synchronise, and **continue nothing that was numbered
    /// here**: numbers that others have seen may be free again. It is told when the store is opened, until the
    /// next batch is saved; damage to single records is found by reading them or by [`Store::check`].
    pub fn lost_batches(&self) -> u64 {
        self.lost_batches
    }

    /// Reads under guard: on damaged data sled panics, and a damaged disk must not take the app down.
    fn with<T>(&self, read: impl FnOnce(&::sled::Db) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or(StoreError::Closed)?;
        catch_unwind(AssertUnwindSafe(|| read(db))).unwrap_or_else(|_| {
            Err(StoreError::Corrupt {
                what: format!("the database in {:?}", self.folder),
            })
        })
    }
}

impl Store for SledStore {
    fn commit(&self, batch: Batch) -> Saved {
        if let Some(why) = self.stopped.get() {
            return Saved::failed(StoreError::stopped(why.clone()));
        }
        let cost = match self.door.enter(&batch) {
            Ok(cost) => cost,
            Err(refused) => return refused,
        };
        let (sender, saved) = Saved::later();
        match self.messages.send(Message::Commit(Waiting {
            batch,
            cost,
            saved: sender,
        })) {
            Ok(()) => saved,
            Err(_) => {
                self.door.leave(cost);
                Saved::failed(StoreError::Closed)
            }
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|db| read::get(db, key))
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<KeyedValue>, StoreError> {
        self.with(|db| read::scan(db, prefix))
    }

    fn read(
        &self,
        stream: StreamId,
        from: u64,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.with(|db| read::records(db, stream, from, max_records, max_bytes))
    }

    fn first(&self, stream: StreamId) -> Result<Option<u64>, StoreError> {
        self.with(|db| read::first(db, stream))
    }

    fn blobs(&self) -> &dyn Blobs {
        &self.blobs
    }

    fn snapshots(&self) -> &dyn Snapshots {
        &self.snapshots
    }

    fn check(&self) -> Result<Report, StoreError> {
        let mut report = Report::default();
        self.with(|db| read::check(db, &mut report))?;
        check_files(self, &mut report)?;
        Ok(report)
    }

    fn repair(&self) -> Result<Repair, StoreError> {
        let (done, answer) = mpsc::sync_channel(1);
        let aside = Aside::new(&self.folder);
        self.messages
            .send(Message::Repair(Repairing { aside, done }))
            .map_err(|_| StoreError::Closed)?;
        let (mut repair, mut aside) = answer.recv().map_err(|_| StoreError::Closed)??;
        repair_files(self, &mut repair, |name| aside.take(&self.snapshots.path(name)))?;
        repair.set_aside.extend(aside.made());
        if !repair.is_lossless() {
            tracing::warn!(?repair, folder = ?self.folder, "the store was repaired");
        }
        Ok(repair)
    }

    fn close(&self) -> Result<(), StoreError> {
        let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(());
        };
        let (sender, closed) = Saved::later();
        // The writer ends only by this message, so it is there to take it.
        drop(self.messages.send(Message::Close(sender)));
        let result = closed.wait();
        let ended = writer.join();
        self.blobs.close();
        self.snapshots.close();
        let db = self.db.write().unwrap_or_else(PoisonError::into_inner).take();
        // It writes a last time when it is dropped, and on damaged data it may panic there too.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(db)));
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        match (ended, dropped) {
            (Ok(()), Ok(())) => result,
            _ => Err(StoreError::io(
                "close the database",
                io::Error::other("it gave up on damaged data"),
            )),
        }
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, folder = ?self.folder, "closing the store failed");
        }
    }
}

fn tree_error(doing: &str, error: ::sled::Error) -> StoreError {
    match error {
        // Its file ends too early.
        ::sled::Error::Io(source) if source.kind() != io::ErrorKind::UnexpectedEof => {
            StoreError::io(doing, source)
        }
        ::sled::Error::Io(_) | ::sled::Error::Corruption { .. } => StoreError::Corrupt {
            what: "the database".to_owned(),
        },
        other => StoreError::io(doing, io::Error::other(other)),
    }
}
