//! Every backend keeps the same contract.
#![allow(clippy::unwrap_used, reason = "a test speaks by panicking")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cuecard_store::conformance::{Place, check_contract};
use cuecard_store::{Durability, FaultyStore, MemoryStore, Options, SledStore, Store, StoreError};

struct Memory(Mutex<Option<MemoryStore>>);

impl Memory {
    fn open_memory(&self) -> Result<MemoryStore, StoreError> {
        let mut kept = self.0.lock().unwrap();
        let store = match &*kept {
            Some(earlier) => earlier.reopen()?,
            None => MemoryStore::new(),
        };
        *kept = Some(store.clone());
        Ok(store)
    }
}

impl Place for Memory {
    fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(self.open_memory()?))
    }
}

struct Faulty(Memory);

impl Place for Faulty {
    fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(Arc::new(FaultyStore::new(self.0.open_memory()?))))
    }
}

struct Folder {
    folder: tempfile::TempDir,
    options: Options,
}

impl Place for Folder {
    fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        let data: PathBuf = self.folder.path().join("deep").join("data");
        Ok(Box::new(SledStore::open(data, self.options)?))
    }
}

fn folder(durability: Durability) -> Box<dyn Place> {
    let options = Options::default().durability(durability);
    Box::new(Folder {
        folder: tempfile::tempdir().unwrap(),
        options,
    })
}

#[test]
fn memory_keeps_the_contract() {
    check_contract(|| Box::new(Memory(Mutex::new(None))));
}

#[test]
fn a_faulty_store_without_faults_keeps_the_contract() {
    check_contract(|| Box::new(Faulty(Memory(Mutex::new(None)))));
}

#[test]
fn sled_keeps_the_contract_when_immediate() {
    check_contract(|| folder(Durability::Immediate));
}

#[test]
fn sled_keeps_the_contract_when_batched() {
    check_contract(|| folder(Durability::Batched(Duration::from_millis(50))));
}
