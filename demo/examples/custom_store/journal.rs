//! A store of an app's own: a journal in one file, and everything that was written to it in memory.
//!
//! It keeps all that [`Store`] promises, which `demo/tests/examples.rs` checks with the conformance tests that every
//! backend calls. What it leaves to do: its file only grows, and what is behind a damaged place in it is dropped.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use cuecard::store::backend::{Door, check_files, repair_files};
use cuecard::store::{
    Batch, Blobs, FileBlobs, FileSnapshots, KeyedValue, MemoryStore, Operation, Record, Repair, Report,
    Saved, SavedSender, Snapshots, Store, StoreError, StreamId,
};

/// Batches that share one sync.
const GROUP: usize = 100;

pub(crate) struct JournalStore {
    /// What reads see: exactly what is durable.
    tables: MemoryStore,
    blobs: FileBlobs,
    snapshots: FileSnapshots,
    door: Arc<Door>,
    stopped: Arc<OnceLock<Arc<str>>>,
    open: Mutex<Option<Open>>,
}

/// What there is until the store is closed.
struct Open {
    queue: Sender<Queued>,
    writer: JoinHandle<()>,
    lock: File,
}

enum Queued {
    Batch {
        batch: Batch,
        cost: usize,
        saved: SavedSender,
    },
    Repair(std::sync::mpsc::SyncSender<Result<Repair, StoreError>>),
}

impl JournalStore {
    /// Opens the store in a folder, which is made if there is none.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::io(format!("open the journal in {folder:?}"), source);
        fs::create_dir_all(folder).map_err(failed)?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let folder = folder.to_owned();
                return Err(StoreError::InUse { folder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let blobs = FileBlobs::open(folder.join("blobs"))
            .map_err(|error| StoreError::io("open the blobs", std::io::Error::other(error)))?;
        let snapshots = FileSnapshots::open(folder.join("snapshots"))?;

        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(folder.join("journal")).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let (tables, end) = replay(&bytes)?;
        // What follows was never acknowledged: a crash cut it short.
        file.set_len(end).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        // That the file is in its folder has to be durable, too.
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)?;

        let (queue, queued) = channel();
        let (door, stopped) = (Arc::default(), Arc::default());
        let writer = Writer {
            file,
            end,
            tables: tables.clone(),
            door: Arc::clone(&door),
            stopped: Arc::clone(&stopped),
        };
        let writer = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&queued))
            .map_err(failed)?;
        let open = Open { queue, writer, lock };
        Ok(Self {
            tables,
            blobs,
            snapshots,
            door,
            stopped,
            open: Mutex::new(Some(open)),
        })
    }

    fn open_part(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self, queued: Queued) -> bool {
        let open = self.open_part();
        open.as_ref().is_some_and(|open| open.queue.send(queued).is_ok())
    }
}

impl Store for JournalStore {
    fn commit(&self, batch: Batch) -> Saved {
        if let Some(why) = self.stopped.get() {
            return Saved::failed(StoreError::stopped(why.clone()));
        }
        let cost = match self.door.enter(&batch) {
            Ok(cost) => cost,
            Err(refused) => return refused,
        };
        let (sender, saved) = Saved::later();
        if self.queue(Queued::Batch {
            batch,
            cost,
            saved: sender,
        }) {
            return saved;
        }
        self.door.leave(cost);
        Saved::failed(StoreError::Closed)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.tables.get(key)
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<KeyedValue>, StoreError> {
        self.tables.scan(prefix)
    }

    fn read(
        &self,
        stream: StreamId,
        from: u64,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.tables.read(stream, from, max_records, max_bytes)
    }

    fn first(&self, stream: StreamId) -> Result<Option<u64>, StoreError> {
        self.tables.first(stream)
    }

    fn blobs(&self) -> &dyn Blobs {
        &self.blobs
    }

    fn snapshots(&self) -> &dyn Snapshots {
        &self.snapshots
    }

    fn check(&self) -> Result<Report, StoreError> {
        // The tables have no blobs and no snapshots of their own.
        let mut report = self.tables.check()?;
        check_files(self, &mut report)?;
        Ok(report)
    }

    fn repair(&self) -> Result<Repair, StoreError> {
        let (done, answer) = sync_channel(1);
        if !self.queue(Queued::Repair(done)) {
            return Err(StoreError::Closed);
        }
        let mut repair = answer.recv().map_err(|_| StoreError::Closed)??;
        repair_files(self, &mut repair, |name| self.snapshots.delete(name))?;
        Ok(repair)
    }

    fn close(&self) -> Result<(), StoreError> {
        let Some(Open { queue, writer, lock }) = self.open_part().take() else {
            return Ok(());
        };
        // With the last sender gone the writer ends, once it has done all that was queued.
        drop(queue);
        let ended = writer.join();
        drop(self.tables.close());
        self.blobs.close();
        self.snapshots.close();
        drop(lock);
        match self.stopped.get() {
            Some(why) => Err(StoreError::stopped(why.clone())),
            None => ended.map_err(|_| StoreError::stopped("its writer panicked")),
        }
    }
}

impl Drop for JournalStore {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            eprintln!("closing the journal failed: {error}");
        }
    }
}

/// The one thread that writes.
struct Writer {
    file: File,
    /// Where the next entry begins.
    end: u64,
    tables: MemoryStore,
    door: Arc<Door>,
    stopped: Arc<OnceLock<Arc<str>>>,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Queued>) {
        while let Ok(first) = queue.recv() {
            let group: Vec<Queued> = std::iter::once(first)
                .chain(queue.try_iter().take(GROUP - 1))
                .collect();
            let begins = self.write(&group);
            let mut begins = begins.map(Vec::into_iter);
            for queued in group {
                let written = match &mut begins {
                    Ok(begins) => Ok(begins.next().unwrap_or(self.end)),
                    Err(error) => Err(error.clone()),
                };
                match queued {
                    Queued::Batch { batch, cost, saved } => {
                        let result = self.do_once(written, |tables| tables.commit(batch).wait());
                        self.door.leave(cost);
                        saved.send(result);
                    }
                    // That nobody waits for it any more is no error.
                    Queued::Repair(done) => drop(done.send(self.do_once(written, Store::repair))),
                }
            }
        }
    }

    /// Writes a group, makes it durable, and says where each entry of it begins.
    fn write(&mut self, group: &[Queued]) -> Result<Vec<u64>, StoreError> {
        if let Some(why) = self.stopped.get() {
            return Err(StoreError::stopped(why.clone()));
        }
        let mut bytes = Vec::new();
        let mut begins = Vec::new();
        for queued in group {
            begins.push(self.end + bytes.len() as u64);
            match queued {
                Queued::Batch { batch, .. } => {
                    let entry = encode(batch).map_err(|error| self.stop(error))?;
                    put_entry(&mut bytes, &entry);
                }
                Queued::Repair(_) => put_entry(&mut bytes, &[REPAIR]),
            }
        }
        let written = self
            .file
            .seek(SeekFrom::Start(self.end))
            .and_then(|_| self.file.write_all(&bytes))
            .and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            return Err(self.stop(StoreError::io("write to the journal", source)));
        }
        self.end += bytes.len() as u64;
        Ok(begins)
    }

    /// Lets what is written and durable take effect. The tables know what a batch may not do; what they refuse is taken out
    /// of the journal again, with all that is behind it, and nothing is written any more.
    fn do_once<T>(
        &mut self,
        written: Result<u64, StoreError>,
        does: impl FnOnce(&MemoryStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let begins = written?;
        if let Some(why) = self.stopped.get() {
            return Err(StoreError::stopped(why.clone()));
        }
        does(&self.tables).map_err(|error| {
            let cut = self.file.set_len(begins).and_then(|()| self.file.sync_all());
            if let Err(source) = cut {
                eprintln!("the journal could not be cut: {source}; it is when it is opened");
            }
            self.stop(error)
        })
    }

    fn stop(&self, error: StoreError) -> StoreError {
        self.stopped.get_or_init(|| error.to_string().into());
        error
    }
}

/// Does all that a journal says, and says where it ends: before the first entry that is not whole, or that was never
/// acknowledged because the tables refuse it.
fn replay(journal: &[u8]) -> Result<(MemoryStore, u64), StoreError> {
    let (tables, mut rest) = (MemoryStore::new(), journal);
    while let Some((entry, behind)) = take_entry(rest) {
        match entry {
            [REPAIR] => drop(tables.repair()?),
            entry => match decode(entry).map(|batch| tables.commit(batch).wait()) {
                Some(Ok(())) => {}
                Some(Err(_)) | None => break,
            },
        }
        rest = behind;
    }
    // Tables that refused something take nothing more; these have the same in them, and do.
    let tables = MemoryStore::restore(tables.snapshot());
    Ok((tables, (journal.len() - rest.len()) as u64))
}

// An entry is the length of its content, the hash of it, and the content. Numbers are little-endian.

fn put_entry(journal: &mut Vec<u8>, content: &[u8]) {
    journal.extend_from_slice(&(content.len() as u64).to_le_bytes());
    journal.extend_from_slice(blake3::hash(content).as_bytes());
    journal.extend_from_slice(content);
}

fn take_entry(journal: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = journal.split_first_chunk::<8>()?;
    let (hash, rest) = rest.split_first_chunk::<32>()?;
    let (content, behind) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    (blake3::hash(content) == *hash).then_some((content, behind))
}

const REPAIR: u8 = 0;
const BATCH: u8 = 1;

const APPEND: u8 = 1;
const PUT: u8 = 2;
const DELETE: u8 = 3;
const DROP: u8 = 4;
const TRIM: u8 = 5;

fn encode(batch: &Batch) -> Result<Vec<u8>, StoreError> {
    let mut to = vec![BATCH];
    fn bytes(to: &mut Vec<u8>, bytes: &[u8]) {
        to.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        to.extend_from_slice(bytes);
    }
    for operation in batch.operations() {
        match operation {
            Operation::Append {
                stream,
                seq,
                bytes: record,
            } => {
                to.push(APPEND);
                to.extend_from_slice(stream.as_bytes());
                to.extend_from_slice(&seq.to_le_bytes());
                bytes(&mut to, record);
            }
            Operation::Put { key, value } => {
                to.push(PUT);
                bytes(&mut to, key);
                bytes(&mut to, value);
            }
            Operation::Delete { key } => {
                to.push(DELETE);
                bytes(&mut to, key);
            }
            Operation::DropStream { stream } => {
                to.push(DROP);
                to.extend_from_slice(stream.as_bytes());
            }
            Operation::TrimStream { stream, first } => {
                to.push(TRIM);
                to.extend_from_slice(stream.as_bytes());
                to.extend_from_slice(&first.to_le_bytes());
            }
            _ => {
                let what = "an operation that is newer than this store".to_owned();
                return Err(StoreError::Format { what });
            }
        }
    }
    Ok(to)
}

fn decode(entry: &[u8]) -> Option<Batch> {
    fn number(from: &mut &[u8]) -> Option<u64> {
        let (number, rest) = from.split_first_chunk::<8>()?;
        *from = rest;
        Some(u64::from_le_bytes(*number))
    }
    fn stream(from: &mut &[u8]) -> Option<StreamId> {
        let (stream, rest) = from.split_first_chunk::<32>()?;
        *from = rest;
        Some(StreamId::from_bytes(*stream))
    }
    fn bytes(from: &mut &[u8]) -> Option<Vec<u8>> {
        let length = usize::try_from(number(from)?).ok()?;
        let (bytes, rest) = from.split_at_checked(length)?;
        *from = rest;
        Some(bytes.to_vec())
    }
    let (BATCH, mut from) = entry.split_first().map(|(kind, from)| (*kind, from))? else {
        return None;
    };
    let (mut batch, from) = (Batch::new(), &mut from);
    while let Some((kind, rest)) = from.split_first() {
        *from = rest;
        match *kind {
            APPEND => batch.append(stream(from)?, number(from)?, bytes(from)?),
            PUT => batch.put(bytes(from)?, bytes(from)?),
            DELETE => batch.delete(bytes(from)?),
            DROP => batch.drop_stream(stream(from)?),
            TRIM => batch.trim_stream(stream(from)?, number(from)?),
            _ => return None,
        }
    }
    Some(batch)
}
