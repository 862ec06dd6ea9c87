//! What the system calls of a writer must show.

use std::path::Path;

use crate::calls::Call;

/// What stands at the beginning and the end of a record.
pub(crate) fn first_mark(seq: u64) -> String {
    format!("[record {seq} begins]")
}

pub(crate) fn last_mark(seq: u64) -> String {
    format!("[record {seq} ends]")
}

/// How many acknowledgements were found to be covered.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) records: u64,
    pub(crate) blobs: u64,
    pub(crate) snapshots: u64,
    pub(crate) closed: u64,
}

/// Looks at each acknowledgement; the first that is not covered is the error.
pub(crate) fn check(calls: &[Call], data: &Path) -> Result<Counted, String> {
    let rules = Rules {
        calls,
        data: data.to_string_lossy().into_owned(),
    };
    let mut counted = Counted::default();
    for call in calls {
        let Some(said) = call.said() else { continue };
        let words: Vec<_> = said.split(' ').collect();
        let result = match words.as_slice() {
            ["record", seq] => {
                counted.records += 1;
                rules.record(seq.parse().map_err(|_| said.to_owned())?, call.began)
            }
            ["closed", count] => {
                counted.closed += 1;
                let count: u64 = count.parse().map_err(|_| said.to_owned())?;
                (0..count).try_for_each(|seq| rules.record(seq, call.began))
            }
            ["blob", hash, size] => {
                counted.blobs += 1;
                let size: u64 = size.parse().map_err(|_| said.to_owned())?;
                rules.blob(hash, size, call.began)
            }
            ["snapshot", name] => {
                counted.snapshots += 1;
                rules.file("snapshots", &format!("{name}.snap"), call.began)
            }
            _ => Err("nobody knows what that is".to_owned()),
        };
        result.map_err(|why| format!("{said}: {why}"))?;
    }
    Ok(counted)
}

struct Rules<'c> {
    calls: &'c [Call],
    data: String,
}

impl Rules<'_> {
    /// Both ends of the record were written to the database, and behind that it was synced; and the names that
    /// lead to it are durable.
    fn record(&self, seq: u64, before: usize) -> Result<(), String> {
        let database = format!("{}/records/db", self.data);
        for mark in [first_mark(seq), last_mark(seq)] {
            let written = self
                .calls
                .iter()
                .filter(|call| call.is_write() && call.path() == database && call.succeeded)
                .filter(|call| call.ended < before && call.arguments.contains(&mark))
                .map(|call| call.ended)
                .min()
                .ok_or_else(|| format!("{mark} was not written"))?;
            self.synced(&database, written, before)?;
        }
        self.synced(&format!("{}/records", self.data), 0, before)?;
        self.synced(&self.data, 0, before)?;
        let above = self.data.rsplit_once('/').map_or("", |(above, _)| above);
        self.synced(above, 0, before)
    }

    fn blob(&self, hash: &str, size: u64, before: usize) -> Result<(), String> {
        self.file("blobs", &format!("{hash}.data"), before)?;
        if size > 16 * 1024 {
            let tree = format!("{hash}.tree");
            // One that arrived in slices grew under its name; one that was taken in was renamed to it.
            let path = format!("{}/blobs/{tree}", self.data);
            match self.last_write(&path, before) {
                Some(written) => self.synced(&path, written, before),
                None => self.file("blobs", &tree, before),
            }?;
        }
        Ok(())
    }

    /// The file was synced behind its last write, then got its name, and then its folder was synced.
    fn file(&self, folder: &str, name: &str, before: usize) -> Result<(), String> {
        let folder = format!("{}/{folder}", self.data);
        let path = format!("{folder}/{name}");
        let (renamed, from) = self
            .calls
            .iter()
            .filter(|call| call.succeeded && call.ended < before)
            .filter_map(|call| Some((call, call.renamed()?)))
            .filter(|(_, (_, to))| *to == path)
            .map(|(call, (from, _))| (call, from))
            .next_back()
            .ok_or_else(|| format!("{path} did not get its name"))?;
        let written = self
            .last_write(from, renamed.began)
            .ok_or_else(|| format!("{from} was never written"))?;
        self.synced(from, written, renamed.began)?;
        self.synced(&folder, renamed.ended, before)
    }

    fn last_write(&self, path: &str, before: usize) -> Option<usize> {
        let writes = self
            .calls
            .iter()
            .filter(|call| call.is_write() && call.path() == path);
        writes
            .map(|call| call.ended)
            .filter(|ended| *ended < before)
            .max()
    }

    /// A sync began behind `after` and succeeded before `before`.
    fn synced(&self, path: &str, after: usize, before: usize) -> Result<(), String> {
        let found = self.calls.iter().any(|call| {
            call.is_sync()
                && call.succeeded
                && call.path() == path
                && call.began > after
                && call.ended < before
        });
        found
            .then_some(())
            .ok_or_else(|| format!("{path} was not synced in time"))
    }
}
