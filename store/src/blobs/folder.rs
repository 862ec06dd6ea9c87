//! What the names in the folder of blobs mean, and what is found there when it is opened.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::BlobHash;
use super::collect::Idle;
use super::tree::Groups;
use crate::disk;
use crate::limits::{BLOB_BYTES_MAX, IDLE_BYTES_MAX};

pub(super) const DATA: &str = "data";
pub(super) const PART: &str = "part";
pub(super) const TREE: &str = "tree";
pub(super) const TEMPORARY: &str = "tmp";
pub(super) const IDLE: &str = "idle";

/// A partial blob.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) size: u64,
    /// Unknown until the files were hashed.
    pub(super) have: Option<Groups>,
}

/// Removes what a crash left, and finds the partial blobs.
pub(super) fn sweep(folder: &Path) -> io::Result<BTreeMap<BlobHash, Partial>> {
    let mut partials = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let Some((hash, kind)) = parse_name(&entry.file_name()) else {
            if path.extension().is_some_and(|extension| extension == TEMPORARY) {
                disk::remove_file(&path)?;
            }
            continue;
        };
        let name = |kind| folder.join(format!("{hash}.{kind}"));
        let size = entry.metadata()?.len();
        match kind {
            PART if size == 0 || size > BLOB_BYTES_MAX || name(DATA).exists() => disk::remove_file(&path)?,
            PART => drop(partials.insert(hash, Partial { size, have: None })),
            TREE if !name(DATA).exists() && !name(PART).exists() => disk::remove_file(&path)?,
            _ => {}
        }
    }
    Ok(partials)
}

pub(super) fn read_idle(path: &Path) -> io::Result<Idle> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Idle::default()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(IDLE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Idle::parse(&bytes).unwrap_or_else(|| {
        tracing::warn!(
            ?path,
            "what is idle could not be read: every grace period begins anew"
        );
        Idle::default()
    }))
}

pub(super) fn parse_name(name: &std::ffi::OsStr) -> Option<(BlobHash, &'static str)> {
    let (hash, kind) = name.to_str()?.split_once('.')?;
    let kind = [DATA, PART, TREE].into_iter().find(|known| *known == kind)?;
    Some((hash.parse().ok()?, kind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{always, changed, changes};

    #[test]
    fn a_file_name_has_one_spelling() {
        let kind = proptest::sample::select(vec![DATA, PART, TREE, TEMPORARY, ""]);
        always((any::<[u8; 32]>(), kind, changes()), |(hash, kind, changes)| {
            let name = format!("{}.{kind}", BlobHash::from_bytes(hash));
            let damaged = changed(name.clone().into_bytes(), &changes);
            for text in [name, String::from_utf8_lossy(&damaged).into_owned()] {
                if let Some((hash, kind)) = parse_name(text.as_ref()) {
                    prop_assert_eq!(format!("{hash}.{kind}"), text);
                }
            }
            Ok(())
        });
    }
}
