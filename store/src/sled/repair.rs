//! Takes what is damaged out of the tree, and keeps it in a file.
//!
//! ```text
//! <folder>/damaged.<n>/entries          "cue-lost" (8)  version (1)  { length (4)  key  length (4)  value }
//! <folder>/damaged.<n>/<snapshot>       a damaged snapshot, as it was
//! ```
//!
//! Numbers are big-endian; keys and values are those of layout.rs. Nothing reads this file: it is there so that nothing is
//! thrown away that somebody may still make sense of.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ::sled::Tree;

use super::layout::{piece_prefix, record_key, value_key};
use super::open::free_name;
use super::read::{Seen, walk};
use super::tree_error;
use crate::{Damage, Loss, Repair, StoreError, StreamId, disk};

const MAGIC: &[u8; 8] = b"cue-lost";
const VERSION: u8 = 1;
const ASIDE: &str = "damaged";
const ENTRIES: &str = "entries";

/// The folder for what is set aside in one repair; made when there is something.
pub(super) struct Aside {
    store: PathBuf,
    made: Option<PathBuf>,
}

impl Aside {
    pub(super) fn new(store: &Path) -> Self {
        Self {
            store: store.to_owned(),
            made: None,
        }
    }

    pub(super) fn made(self) -> Option<PathBuf> {
        self.made
    }

    fn folder(&mut self) -> io::Result<PathBuf> {
        if let Some(made) = &self.made {
            return Ok(made.clone());
        }
        let folder = free_name(&self.store, ASIDE)
            .ok_or_else(|| io::Error::other("too many damages are set aside already: delete some"))?;
        disk::create_folder(&folder)?;
        self.made = Some(folder.clone());
        Ok(folder)
    }

    /// Moves a file here, under its own name.
    pub(super) fn take(&mut self, file: &Path) -> Result<(), StoreError> {
        let move_it = |folder: PathBuf| {
            let name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            fs::rename(file, folder.join(name))?;
            disk::sync_folder(&folder)?;
            file.parent().map_or(Ok(()), disk::sync_folder)
        };
        self.folder()
            .and_then(move_it)
            .map_err(|source| StoreError::io(format!("set {file:?} aside"), source))
    }
}

/// What is to be taken out of the tree.
#[derive(Default)]
struct Findings {
    /// The first record of each stream that is damaged or missing.
    streams: BTreeMap<StreamId, u64>,
    values: Vec<Vec<u8>>,
    strays: Vec<Vec<u8>>,
}

/// Writes what is damaged to a file, and answers what takes it out of the tree. Nothing is changed yet.
pub(super) fn plan(tree: &Tree, aside: &mut Aside, repair: &mut Repair) -> Result<::sled::Batch, StoreError> {
    let mut found = Findings::default();
    walk(tree, |seen| match seen {
        Seen::Damaged(Damage::Record { stream, seq } | Damage::Gap { stream, seq }) => {
            found.streams.entry(stream).or_insert(seq);
        }
        Seen::Damaged(Damage::Value { key }) => found.values.push(key),
        Seen::Stray(key) => found.strays.push(key.to_vec()),
        Seen::Stream | Seen::Record | Seen::Value => {}
        // A walk through the tree meets no files.
        Seen::Damaged(Damage::Stray { .. } | Damage::Snapshot { .. } | Damage::Blob { .. }) => {}
    })?;

    let mut out = ::sled::Batch::default();
    if found.streams.is_empty() && found.values.is_empty() && found.strays.is_empty() {
        return Ok(out);
    }
    let failed = |source| StoreError::io("set damaged entries aside", source);
    let folder = aside.folder().map_err(failed)?;
    let file = disk::create_file(&folder.join(ENTRIES)).map_err(failed)?;
    let mut taker = Taker {
        tree,
        file: BufWriter::new(file),
        out: &mut out,
    };
    taker
        .file
        .write_all(MAGIC)
        .and_then(|()| taker.file.write_all(&[VERSION]))
        .map_err(failed)?;
    for (stream, first) in found.streams {
        let mut records = 0;
        for head in tree
            .range(record_key(stream, first)..=record_key(stream, u64::MAX))
            .keys()
        {
            taker.entry(&head.map_err(|error| tree_error("look through a stream", error))?)?;
            records += 1;
        }
        repair.add(Loss::Records {
            stream,
            first,
            records,
        });
    }
    for key in found.values {
        taker.entry(&value_key(&key))?;
        repair.add(Loss::Value { key });
    }
    if !found.strays.is_empty() {
        for key in &found.strays {
            taker.one(key)?;
        }
        let pieces = found.strays.len() as u64;
        repair.add(Loss::Stray { pieces });
    }
    let file = taker
        .file
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    file.sync_all()
        .and_then(|()| disk::sync_folder(&folder))
        .map_err(failed)?;
    Ok(out)
}

struct Taker<'t> {
    tree: &'t Tree,
    file: BufWriter<fs::File>,
    out: &'t mut ::sled::Batch,
}

impl Taker<'_> {
    /// An entry with whatever pieces are there.
    fn entry(&mut self, head: &[u8]) -> Result<(), StoreError> {
        self.one(head)?;
        for key in self.tree.scan_prefix(piece_prefix(head)).keys() {
            self.one(&key.map_err(|error| tree_error("look for pieces", error))?)?;
        }
        Ok(())
    }

    fn one(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let value = self
            .tree
            .get(key)
            .map_err(|error| tree_error("read an entry", error))?;
        for bytes in [key, value.as_deref().unwrap_or_default()] {
            // Keys and values of sled are far below that.
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            self.file
                .write_all(&length.to_be_bytes())
                .and_then(|()| self.file.write_all(bytes))
                .map_err(|source| StoreError::io("set damaged entries aside", source))?;
        }
        self.out.remove(key);
        Ok(())
    }
}
