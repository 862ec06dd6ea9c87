//! A real folder whose disk can be told to take nothing more, as a disk that is slow to sync: what is committed from then on
//! is neither there nor refused, for as long as the process lives.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use cuecard::store::{
    Batch, Blobs, KeyedValue, Options, Record, Repair, Report, Saved, SavedSender, SledStore, Snapshots,
    Store, StoreError, StreamId,
};
use cuecard::transport::DeviceKey;
use cuecard::{Builder, Engine};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Tells the disk.
#[derive(Debug, Clone, Default)]
pub struct Hold(Arc<AtomicBool>);

impl Hold {
    /// From now on.
    pub fn hold(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The store of such a disk.
pub struct HeldStore {
    inner: SledStore,
    hold: Hold,
    /// Who waits, and is never told.
    waiting: Mutex<Vec<SavedSender>>,
}

impl HeldStore {
    /// Opens an engine on a folder, which is one that an engine was opened on before.
    ///
    /// # Errors
    /// When it is none.
    pub async fn open(builder: Builder, folder: &Path, hold: &Hold) -> Result<Engine, Failed> {
        let key = std::fs::read(folder.join("device.key"))?;
        let key = key.as_slice().try_into().map_err(io::Error::other)?;
        let store = Self {
            inner: SledStore::open(folder.join("store"), Options::default())?,
            hold: hold.clone(),
            waiting: Mutex::default(),
        };
        Ok(builder.open_on(Arc::new(store), DeviceKey::from_bytes(key))?)
    }
}

impl Store for HeldStore {
    fn commit(&self, batch: Batch) -> Saved {
        if !self.hold.0.load(Ordering::SeqCst) {
            return self.inner.commit(batch);
        }
        let (sender, saved) = Saved::later();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(sender);
        saved
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(key)
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<KeyedValue>, StoreError> {
        self.inner.scan(prefix)
    }

    fn read(
        &self,
        stream: StreamId,
        from: u64,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.inner.read(stream, from, max_records, max_bytes)
    }

    fn first(&self, stream: StreamId) -> Result<Option<u64>, StoreError> {
        self.inner.first(stream)
    }

    fn blobs(&self) -> &dyn Blobs {
        self.inner.blobs()
    }

    fn snapshots(&self) -> &dyn Snapshots {
        self.inner.snapshots()
    }

    fn check(&self) -> Result<Report, StoreError> {
        self.inner.check()
    }

    fn repair(&self) -> Result<Repair, StoreError> {
        self.inner.repair()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.inner.close()
    }
}
